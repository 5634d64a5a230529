"""What an equation says is what the code computes: both are run, with the same numbers."""

import functools
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import functional as F
from simplegrad import nn, optimizers, parallel, rules
from simplegrad.optimizers import schedules
from simplegrad.tools.equations import equations_in
from tests.helpers.chapter_equations import computed_in, outcomes
from tests.helpers.latex import Matrix, NotRead, check, index_axes, matrix, named
from tests.helpers.processes import Thread
from tests.helpers.rules_table import RULES, x

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "hooks"))

for package in "jupytext", "nbclient":
    pytest.importorskip(package, reason=f'{package} is missing: pip install -e ".[docs]"')

import equation_page  # noqa: E402
import pair  # noqa: E402

# The numbers: what the code was given, and what it computed, under the names of the equations


def frame_of(function, call, result=""):
    """The names in the last frame of a function that a call calls, and its result, by a name."""
    found = {}

    def look(frame, event, returned):
        if event == "return" and frame.f_code is function.__code__:
            found.update(frame.f_locals | ({result: returned} if result else {}))

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return named(found)


def of_rule(rule, *arrays, sizes=None, **params):
    """The result of a rule and its partials."""
    row = RULES[rule.__name__]
    arrays, params = arrays or row.arrays, params or row.params
    c = rule.forward(*arrays, **params)
    dc = x(*np.shape(c), seed=5)
    dc = matrix(dc) if isinstance(c, Matrix) else dc
    names = dict(zip("abs", arrays, strict=False)) | params | {"c": c, "dc": dc}
    of_each = getattr(rule.partials, "partial", None)  # of any number of arrays
    partials = [] if of_each else rule.partials
    names |= {p.__name__: p(dc, c, *arrays, **params) for p in partials}
    if rule is rules.Stack:
        names |= {"a": np.array(arrays)}
        names["da"] = [of_each(dc, c, *arrays, **params, i=i) for i in range(len(arrays))]
    names |= {"n": np.size(arrays[0]), "shape_a": np.shape(arrays[0])}
    names |= {"i": params["index"]} if "index" in params else {}
    names |= {"l": params["widths"][0][0]} if "widths" in params else {}
    return names | index_axes(sizes or {})


KINKS = np.array([-1.0, 0.0, 0.5, 2.0]), np.array([-1.0, 1.0, 0.25, -3.0])
ROW = np.array([0.5, 2.0, -1.0, 2.0])
ALONG = {"axis": 0, "keepdims": False}
PLACES = {"index": np.array([0, 0, 2]), "sizes": {"k": 3, "j": 3}}

OF_RULES = {
    rules.MatMul: ([matrix(x(2, 3)), matrix(x(3, 4, seed=1))], {}),
    **dict.fromkeys([rules.Maximum, rules.Minimum], (KINKS, {})),
    **dict.fromkeys([rules.ReLU, rules.Abs], (KINKS[:1], {})),
    **dict.fromkeys(
        [rules.Sum, rules.Mean, rules.Max, rules.Min, rules.Norm, rules.LogSumExp],
        ([ROW], ALONG | {"sizes": {"i": 4, "j": 4}}),
    ),
    rules.Var: ([ROW], ALONG | {"ddof": 1, "sizes": {"i": 4}}),
    rules.CumSum: ([ROW], {"axis": 0, "sizes": {"i": 4, "k": 4}}),
    rules.Transpose: ([x(2, 3, 4)], {"axes": (1, 2, 0)}),
    rules.Stack: ([x(2), x(2, seed=1)], {"axis": 0, "sizes": {"i": 2}}),
    rules.Index: ([x(3)], PLACES),
    rules.Scatter: ([x(3)], PLACES | {"shape": (3,)}),
    # what there is of both a[i - l] and dc[i + l]
    rules.Pad: ([x(6)], {"widths": ((1, 2),), "constant": 0.5, "sizes": {"i": slice(1, 5)}}),
}


def of_optimizer(optimizer, **given):
    """The frame of the second step, and what theta was before it."""
    theta = sg.Tensor(x(3), requires_grad=True, dtype=np.float64)
    opt = optimizer(param_groups=[{"params": {"theta": theta}}], **given)
    for step in range(2):
        old = theta.data.copy()
        # without a gradient, all that AdamW does is to decay
        theta.grad = x(3, seed=step) * (optimizer is not optimizers.AdamW)
        names = frame_of(optimizer.update, opt.step)
    names |= {"grad": theta.grad}
    return names, names | {"theta": old}


def of_schedule(schedule, function="factor", **given):
    """The frames of a schedule at steps 1 to 6, side by side."""
    made = schedule(optimizers.SGD(nn.Linear(1, 1), lr=0.1), **given)
    made.falls = 2
    function = getattr(schedule, function)
    frames = [frame_of(function, lambda t=t: made._set_rates(t)) for t in range(1, 7)]
    kept = [name for name, number in frames[0].items() if isinstance(number, int | float)]
    return {name: np.array([frame[name] for frame in frames]) for name in kept}


def of_share():
    mine = parallel.share(14, Thread(rank=2, size=4))
    return {"k": 2, "K": 4, "n": 14, "start_k": mine.start, "stop_k": mine.stop}


def of_clipping():
    theta = sg.Tensor(x(3), requires_grad=True, dtype=np.float64)
    theta.grad = x(3)
    nn.clip_grad_norm({"theta": theta}, max_norm=0.5)
    return {"g": theta.grad, "max_norm": 0.5}, {"g": x(3), "max_norm": 0.5}


def of_cell(cell, gates):
    """The frame of a cell; its weights and biases by gate."""
    layer, x_t, h = cell(3, 4, dtype=np.float64), matrix(x(2, 3)), matrix(x(2, 4, seed=1))
    state = (h, x(2, 4, seed=2)) if cell is nn.LSTMCell else h
    names = frame_of(cell.forward, lambda: layer(x_t, state)) | {"x_t": x_t, "h": h, "h_t-1": h}
    for name, tensor in layer.parameters().items():
        kind, _, (where, *_) = name.partition("_")
        parts = np.split(tensor.data, len(gates), axis=-1)
        for gate, part in zip(gates, parts, strict=True):
            names[f"{kind[0].replace('w', 'W')}_{where}{gate}"] = matrix(part)
    return names


def of(c, sizes=None, **names):
    """What a function gave, and for what."""
    return named({"c": c} | names) | index_axes(sizes or {})


def of_loss(loss, y, target, **more):
    """A loss of numbers or of logits y, and its frame."""
    y = sg.Tensor(y, dtype=np.float64)
    names = frame_of(loss, lambda: loss(y, target, **more), "L") | {"n": len(y)}
    names |= {n: np.exp(names[f"log_{n}"]) for n in "qc" if f"log_{n}" in names}
    return names | index_axes({"i": len(y), "j": y.shape[-1]})


WINDOW = {"stride": (1, 2), "dilation": (1, 2)}  # along one axis, of images of one row


def of_windows():
    c = sg.windows(x(1, 9), (1, 3), **WINDOW)
    return of(c.data[:, 0], {"k": 3, "p": 3}, a=x(9), s=2, d=2)


def of_convolution(of_layer):
    image, W, b = x(2, 1, 9), x(3, 2, 1, 3, seed=1), x(3, seed=2)
    layer = nn.Conv2d(2, 3, (1, 3), dtype=np.float64, **WINDOW)
    layer.weight.data[...], layer.bias.data[...] = W, b
    y = layer(sg.Tensor(image, dtype=np.float64)) if of_layer else sg.conv2d(image, W, b, **WINDOW)
    names = {"y": y.data[:, 0], "W": W[:, :, 0], "x": image[:, 0], "b": b, "s": 2, "d": 2}
    return names | index_axes({"o": 3, "c": 2, "k": 3, "p": 3})


def of_pooling(pool, **given):
    y = pool(x(1, 1, 9), (1, 3), stride=(1, 2), **given).data[0, 0]
    names = {"y": y, "x": x(9), "s": 2, "d": 2, "K": 3}
    return names | index_axes({"k": 3, "p": y.shape[-1]})


def of_attention():
    Q, K, V = (matrix(x(n, 4, seed=n)) for n in (2, 3, 3))
    names = frame_of(F.attention_weights, lambda: sg.attention_weights(Q, K))
    Y = sg.scaled_dot_product_attention(Q, K, V)
    return names | {"Q": Q, "K": K, "V": V, "Y": Y.data}


def of_linear():
    layer = nn.Linear(3, 4, dtype=np.float64)
    layer.bias.data[...] = x(4)
    names = frame_of(nn.Linear.forward, lambda: layer(sg.Tensor(x(2, 3), dtype=np.float64)), "y")
    return names | {"x": matrix(names["x"]), "W": matrix(names["W"])}


def of_embedding():
    layer, i = nn.Embedding(5, 3, dtype=np.float64), np.array([4, 0, 4])
    return {"y": layer(i).data[:, 1], "W": layer.weight.data[:, 1], "i": i} | index_axes({"k": 3})


def of_dropout():
    given = sg.Tensor(x(20), dtype=np.float64)
    names = frame_of(nn.Dropout.forward, lambda: nn.Dropout(0.4)(given), "y")
    return names | {"p": 0.4} | index_axes({"i": 20})


def of_normalisation(layer, given):
    """The frame of a layer whose g and b are not 1 and 0, and the means that it followed."""
    for seed, p in enumerate(layer.parameters().values()):
        p.data[...] = x(*p.shape, seed=seed)
    given = sg.Tensor(given, dtype=np.float64)
    names = {"eps": getattr(layer, "eps", None), "n": given.size}
    names = named(names) | frame_of(type(layer).forward, lambda: layer(given), "y")
    names |= index_axes({"i": 4})
    if not isinstance(layer, nn.BatchNorm):
        return names
    before = {"m": layer.running_mean.data.copy(), "v": layer.running_var.data.copy()}
    names |= frame_of(nn.BatchNorm._follow, lambda: layer(given))
    return names, names | before


def of_weights(init, *shape, **given):
    weight = sg.zeros(shape, dtype=np.float64)
    return frame_of(init, lambda: init(weight, **given)) | {"gain": given.get("gain", 2**0.5)}


def of_orthogonal():
    names = of_weights(nn.init.orthogonal_, 4, 3, gain=2.0)
    R = names["R"] * np.sign(np.diag(names["R"]))[:, None]  # the one whose diagonal is positive
    return names | {n: matrix(a) for n, a in (names | {"R": R}).items() if n in ("Q", "R", "A")}


def of_product(product):
    """Of a Jacobian and a vector."""
    a, v = sg.Tensor(x(3), dtype=np.float64), matrix(x(3, seed=1))
    f = lambda a: sg.tanh(a) * a.sum()  # noqa: E731
    J = matrix(sg.jacobian(f, a).data)
    if product is sg.vjp:
        return {"dx": sg.vjp(f, a)[1](v[0]).data, "dc": v, "J": J}
    return {"c_dot": matrix(sg.jvp(f, a, v[0])[1].data).mT, "J": J, "x_dot": v.mT}


A, LOGITS = x(4) - 1.2, x(3, 4) - 1
TARGETS, HALVES = np.array([2, 0, 1]), np.array([0.5, 0.2, 1.0, 0.0])
I_J = {"i": 4, "j": 4}

OF_OTHERS = {
    optimizers.Adam: lambda: of_optimizer(optimizers.Adam, eps=0.1),
    optimizers.AdamW: lambda: of_optimizer(optimizers.AdamW, weight_decay=0.5),
    optimizers.RMSProp: lambda: of_optimizer(optimizers.RMSProp, eps=0.1),
    optimizers.SGD: lambda: of_optimizer(
        optimizers.SGD, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.2
    ),
    schedules.Schedule: lambda: of_schedule(
        schedules.Exponential, function="_set_rates", gamma=0.5
    ),
    schedules.Step: lambda: of_schedule(schedules.Step, step_size=2, gamma=0.5),
    schedules.Exponential: lambda: of_schedule(schedules.Exponential, gamma=0.5),
    schedules.Linear: lambda: of_schedule(
        schedules.Linear, total_steps=7, start_factor=0.3, end_factor=0.2
    ),
    schedules.Cosine: lambda: of_schedule(
        schedules.Cosine, total_steps=7, warmup_steps=2, end_factor=0.2
    ),
    schedules.CosineWarmRestarts: lambda: of_schedule(
        schedules.CosineWarmRestarts, cycle_steps=2, cycle_mult=2, end_factor=0.2
    ),
    schedules.ReduceOnPlateau: lambda: of_schedule(schedules.ReduceOnPlateau, gamma=0.5),
    nn.clip_grad_norm: of_clipping,
    sg.vjp: lambda: of_product(sg.vjp),
    sg.jvp: lambda: of_product(sg.jvp),
    parallel.share: of_share,
    F.std: lambda: of(sg.std(ROW, ddof=1), a=ROW, mu=ROW.mean(), n=4, ddof=1),
    F.outer: lambda: of(sg.outer(x(3), x(4)), {"i": 3, "j": 4}, a=x(3), b=x(4)),
    F.trace: lambda: of(sg.trace(x(3, 3)), {"i": 3}, a=x(3, 3)),
    F.take_along_axis: lambda: of(
        sg.take_along_axis(x(2, 4), [[0, 3, 1], [2, 2, 0]], 1),
        {"i": 2, "j": 3},
        a=x(2, 4),
        k=np.array([[0, 3, 1], [2, 2, 0]]),
    ),
    F.silu: lambda: of(sg.silu(A), a=A),
    F.elu: lambda: of(sg.elu(A, alpha=0.7), a=A, alpha=0.7),
    F.leaky_relu: lambda: of(sg.leaky_relu(A, 0.3), a=A, s=0.3),
    F.softplus: lambda: of(sg.softplus(A), a=A),
    F.softmax: lambda: of(sg.softmax(A), I_J, a=A),
    F.log_softmax: lambda: of(sg.log_softmax(A), I_J, a=A),
    F.windows: of_windows,
    F.conv2d: lambda: of_convolution(of_layer=False),
    F.max_pool2d: lambda: of_pooling(F.max_pool2d, dilation=(1, 2)),
    F.avg_pool2d: lambda: of_pooling(F.avg_pool2d),
    F.attention_weights: of_attention,
    F.scaled_dot_product_attention: of_attention,
    F.mse_loss: lambda: of_loss(F.mse_loss, A, HALVES),
    F.l1_loss: lambda: of_loss(F.l1_loss, A, HALVES),
    F.huber_loss: lambda: of_loss(F.huber_loss, A, HALVES, delta=0.5),
    F.binary_cross_entropy_with_logits: lambda: of_loss(
        F.binary_cross_entropy_with_logits, A, HALVES
    ),
    F.kl_div: lambda: of_loss(F.kl_div, -x(4), x(4, seed=1) / 2),
    F.nll_loss: lambda: of_loss(F.nll_loss, -x(3, 4), TARGETS),
    F.cross_entropy: lambda: of_loss(F.cross_entropy, LOGITS, TARGETS),
    nn.Linear: of_linear,
    nn.Conv2d: lambda: of_convolution(of_layer=True),
    nn.Embedding: of_embedding,
    nn.Dropout: of_dropout,
    nn.BatchNorm: lambda: of_normalisation(nn.BatchNorm(4, dtype=np.float64), x(3, 4)),
    nn.LayerNorm: lambda: of_normalisation(nn.LayerNorm(4, dtype=np.float64), ROW),
    nn.RMSNorm: lambda: of_normalisation(nn.RMSNorm(4, eps=0.1, dtype=np.float64), ROW),
    nn.RNNCell: lambda: of_cell(nn.RNNCell, [""]),
    nn.GRUCell: lambda: of_cell(nn.GRUCell, "rzn"),
    nn.LSTMCell: lambda: of_cell(nn.LSTMCell, "ifgo"),
    nn.init.xavier_uniform_: lambda: of_weights(nn.init.xavier_uniform_, 3, 4, gain=2.0),
    nn.init.xavier_normal_: lambda: of_weights(nn.init.xavier_normal_, 3, 4, gain=2.0),
    nn.init.kaiming_uniform_: lambda: of_weights(nn.init.kaiming_uniform_, 3, 4),
    nn.init.kaiming_normal_: lambda: of_weights(nn.init.kaiming_normal_, 3, 4),
    nn.init.orthogonal_: of_orthogonal,
}


@functools.cache
def numbers_of(thing):
    """What the code gave, and what it was given."""
    if hasattr(thing, "partials"):
        arrays, params = OF_RULES.get(thing, ((), {}))
        return (of_rule(thing, *arrays, **params),) * 2
    found = OF_OTHERS.get(thing, dict)()
    return found if isinstance(found, tuple) else (found, found)


# The equations

EQUATIONS = {
    f"{thing.__name__} {number}": (section, thing, tex)
    for section, things in equation_page.SECTIONS.items()
    for thing in things
    for number, tex in enumerate(equations_in(inspect.getdoc(thing)), 1)
}

# What is not read, and why; at most one in three. A place is a name and the equation's number.

MEANT = "it says what a derivative is, not how it is computed"
WORDS = "it is of any number of arrays, and says in words or dots of which"
PROCESSES = "its sum is over processes"
HEADS = "the weights of a head are columns of those of the layer"
NOT_READ = {
    **dict.fromkeys(["backward 1", "grad 1", "jacobian 1", "hessian 1", "hvp 1"], MEANT),
    **dict.fromkeys(["gradcheck 1", "gradcheck 2"], "it says what is approximately equal"),
    **dict.fromkeys(["Einsum 1", "Einsum 2", "Concatenate 1", "Concatenate 2"], WORDS),
    **dict.fromkeys(["MultiHeadAttention 1", "MultiHeadAttention 2"], HEADS),
    **dict.fromkeys(["Windows 1", "Windows 2"], "an index is a pair of pairs; see windows 1"),
    "mean_gradients 1": PROCESSES,
    "Sequential 1": "an index of the schedule is above, in parentheses",
}


def run(place, tex=None):
    """Compares an equation, or another in its place, with the code."""
    _, thing, own = EQUATIONS[place]
    names, before = numbers_of(thing)
    check(tex or own, names, before, beside=equations_in(inspect.getdoc(thing)))


@pytest.mark.parametrize("place", [place for place in EQUATIONS if place not in NOT_READ])
def test_an_equation_says_what_the_code_computes(place):
    run(place)


@pytest.mark.parametrize("place", NOT_READ)
def test_what_is_listed_cannot_be_read(place):
    with pytest.raises(NotRead):
        run(place)


def test_two_of_three_equations_are_read():
    assert len(NOT_READ) <= len(EQUATIONS) / 3


# The comparison can fail


def changed(tex):
    """The equation with another factor, and with each of its signs the other way round."""
    yield re.sub(r" (=|\\mathrel\{.\}=|\\leftarrow) ", r" \1 2 \\, ", tex, count=1)
    for sign in re.finditer(r" [+-] ", re.sub(r", \\quad [^=]*$", "", tex)):
        yield tex[: sign.start()] + {" + ": " - ", " - ": " + "}[sign[0]] + tex[sign.end() :]


@pytest.mark.parametrize("section", equation_page.SECTIONS)
@pytest.mark.parametrize("places", [3, pytest.param(None, marks=pytest.mark.slow)])
def test_a_changed_sign_or_factor_is_found(section, places):
    mine = [place for place, (other, *_) in EQUATIONS.items() if other == section]
    for place in [place for place in mine if place not in NOT_READ][:places]:
        for tex in changed(EQUATIONS[place][2]):
            with pytest.raises(AssertionError):
                run(place, tex)


# Those of the chapters whose next cell computes them

DERIVATIVE = "it has a derivative in it"
ONES = "its vectors of ones have no name in the code"
LAYERS = "its functions are layers, which are not in NumPy"
SHARES = "in the code, n_k, L_k and g_k have the numbers of all k"
LATER = "the function that computes it returns another step's numbers"
NOT_READ_IN_CHAPTERS = {
    r"E = \frac{h^2}{6} \left| \frac{\partial^3 L}{\partial x^3} \right|"
    r" + \frac{\epsilon \, |L|}{h}": DERIVATIVE,
    r"dw = \sum_{p} \; \prod_{(s \to t) \in p} \frac{\partial t}{\partial s}": DERIVATIVE,
    r"dx = \frac{\partial L}{\partial x}": DERIVATIVE,
    r"H v = \frac{\partial}{\partial x} \left( \frac{\partial L}{\partial x} \cdot v \right)": (
        DERIVATIVE
    ),
    r"c = a \, \mathbf{1}_n^\top + \mathbf{1}_m \, b^\top": ONES,
    r"da = dc \, \mathbf{1}_n": ONES,
    r"db = dc^\top \mathbf{1}_m": ONES,
    r"g = \nabla_\theta L + \lambda \, \theta": "in Descent, a call gives the gradient",
    r"m_t = (1-\beta_1)\sum_{i=1}^{t} \beta_1^{t-i} g_i": "the code starts to count at 0",
    r"\Delta = -lr \, \mathbb{E}[g] / \sqrt{\mathbb{E}[g^2]}": "it is of expectations",
    r"lr_t = lr_{base} \, f_t": "in the code, the rates are in a dict",
    r"h_t = W_{i_t} + R_t": "in the code, the indices i are x[0]",
    r"u = h + \operatorname{MultiHead}(\operatorname{LayerNorm}_1(h))": LAYERS,
    r"y = u + \operatorname{MLP}(\operatorname{LayerNorm}_2(u))": LAYERS,
    r"J = I \otimes b^\top": "it has a product of Kronecker",
    r"N = \sum_k n_k": SHARES,
    r"L = \sum_k \frac{n_k}{N} \, L_k": SHARES,
    r"g = \sum_k \frac{n_k}{N} \, g_k": SHARES,
    r"v \leftarrow H v / |H v|": LATER,
    r"\lambda_{\max} = v^\top H v": LATER,
    r"\mu = \frac{1}{n} \sum_i x_i": "the x_i are rows of a batch",
    r"g \mathrel{*}= max\_norm / \|g\| \quad \text{if } \|g\| > max\_norm": "an if in the code",
    r"J_t = \operatorname{diag}(1 - h_t^2) \, W_h^\top": "its diag makes a matrix",
    r"h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}": "in the code, the gates are in a function",
    r"q = h_T W_q": "in the code, q is computed in a module",
    r"c = \sum_s a_s h_s": "the h_s are rows of an array",
    r"h = \max(x W + b, 0)": "in the code, x is a random array without a name",
}
READ_IN_ANOTHER = {r"g = \nabla_\theta L + \lambda \, \theta"}

CHAPTERS = pair.scripts()


def test_two_of_three_equations_of_the_chapters_are_read():
    files = pair.TUTORIALS.glob("*.py")  # of what a course leaves out, too
    shown = [(s, tex) for s in files for tex in computed_in(s.read_text(encoding="utf-8"))]
    listed = [tex for _, tex in shown if tex in NOT_READ_IN_CHAPTERS]
    assert len(listed) <= len(shown) / 3
    assert set(listed) == set(NOT_READ_IN_CHAPTERS), "there are rows that no chapter needs"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("script", CHAPTERS, ids=lambda script: script.stem)
def test_an_equation_of_a_chapter_says_what_its_next_cell_computes(script, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    results = list(outcomes(script, changed))
    pyplot.close("all")
    wrong = {tex: result for tex, result, _ in results if result != "equal"}
    read = [tex for tex, result, _ in results if result == "equal"]
    assert {tex: result for tex, result in wrong.items() if tex not in NOT_READ_IN_CHAPTERS} == {}
    assert set(read) & set(NOT_READ_IN_CHAPTERS) <= READ_IN_ANOTHER, "what is listed is read"
    # where b is 0 or epsilon very small, a change of its sign is not seen
    unseen = [other for tex, _, others in results if tex in read for other in others]
    assert len(unseen) <= sum(len([*changed(tex)]) for tex in read) / 3, unseen
