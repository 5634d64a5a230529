"""`sg.explain`: it shows the lines that ran, with their numbers, and changes nothing."""

import ast
import html.parser
import linecache
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn, rules
from simplegrad import optimizers as optim
from simplegrad.tensor import record
from simplegrad.tools.equations import equations_in
from tests.helpers.rules_table import RULES

PACKAGE = Path(sg.__file__).parent
NAMES = {"np": np, "nan": np.nan, "inf": np.inf, "GELU": rules.GELU}


def parameters(dtype=np.float64):
    """Two tensors with gradients, of several sizes and signs."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in {"weight": (2, 3), "bias": (3,)}.items():
        tensors[name] = sg.Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True)
    give_gradients(tensors, seed=1)
    return tensors


def give_gradients(tensors, seed):
    rng = np.random.default_rng(seed)
    for t in tensors.values():
        t.grad = rng.normal(size=t.shape).astype(t.dtype)


OPTIMIZERS = {
    "SGD": (optim.SGD, {}),
    "SGD, momentum": (optim.SGD, {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    "SGD, nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    "RMSProp": (optim.RMSProp, {}),
    "RMSProp, maximize": (optim.RMSProp, {"maximize": True}),
    "Adam": (optim.Adam, {}),
    "Adam, maximize": (optim.Adam, {"maximize": True}),
    "AdamW": (optim.AdamW, {"weight_decay": 0.1}),
}


def optimizer(name, tensors):
    make, settings = OPTIMIZERS[name]
    return make(lr=0.1, param_groups=[{"params": tensors}], **settings)


ONE_BY_ONE = [name for name, row in RULES.items() if row.elementwise]


def operands(dtype=np.float64):
    rng = np.random.default_rng(2)
    a = sg.Tensor(rng.normal(size=(2, 3)).astype(dtype), requires_grad=True, name="a")
    b = sg.Tensor(rng.normal(size=(3,)).astype(dtype), requires_grad=True, name="b")
    return a, b


def assert_same_bits(x, y):
    assert (x.shape, x.dtype, x.tobytes()) == (y.shape, y.dtype, y.tobytes())


def one_line(explanation, code):
    (line,) = [line for line in explanation if line.code.startswith(code)]
    return line


def put(number):
    """How a number stands in an expression."""
    return f"({number})" if number < 0 else f"{number}"


# The call gives what it gives without explain


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_explained_steps_give_the_same_bits(name, dtype):
    plain, shown = parameters(dtype), parameters(dtype)
    opt, explained = optimizer(name, plain), optimizer(name, shown)
    for seed in range(3):
        give_gradients(plain, seed)
        give_gradients(shown, seed)
        opt.step()
        assert sg.explain(explained.step).result is None
    for key in plain:
        assert_same_bits(shown[key].data, plain[key].data)
    state, same = opt.state()["param_groups"][0], explained.state()["param_groups"][0]
    for slot in opt.slots:
        for key in plain:
            assert_same_bits(same[slot][key], state[slot][key])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
def test_explained_rules_give_the_same_bits_forward_and_backward(name, dtype):
    inputs, same = RULES[name].tensors(dtype), RULES[name].tensors(dtype)
    c = RULES[name](*inputs)
    z = sg.explain(RULES[name], *same).result
    assert_same_bits(z.data, c.data)
    grad = np.random.default_rng(3).normal(size=c.shape).astype(dtype)
    c.backward(grad=grad)
    sg.explain(z.backward, grad=grad)
    for plain, shown in zip(inputs, same, strict=True):
        assert_same_bits(shown.grad, plain.grad)


def test_an_explained_model_draws_the_same_random_numbers():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.LayerNorm(4), nn.GELU())
    x = np.ones((5, 3), np.float32)
    sg.manual_seed(7)
    plain = model(x), model(x)
    sg.manual_seed(7)
    shown = sg.explain(model, x).result, sg.explain(model, x).result
    for y, z in zip(plain, shown, strict=True):
        assert_same_bits(z.data, y.data)


# The results are those of the call, the numbers put in give them


def test_the_results_are_what_the_optimizer_keeps():
    tensors = parameters()
    opt = optimizer("Adam", tensors)
    opt.step()
    for index in np.ndindex(2, 3):
        before = opt.state()["param_groups"][0]
        steps = sg.explain(opt.step, parameter="weight", index=index)
        after = opt.state()["param_groups"][0]
        m, m_t = (state["moments1"]["weight"][index] for state in (before, after))
        v, v_t = (state["moments2"]["weight"][index] for state in (before, after))
        g, t = tensors["weight"].grad[index], opt.step_count
        assert one_line(steps, "t, g,").result == f"t = {t}, g = {g}, m = {m}, v = {v}"
        assert one_line(steps, "m_t =").result == m_t
        assert one_line(steps, "v_t =").result == v_t
        assert one_line(steps, "m_hat =").result == m_t / (1 - 0.9**t)
        assert one_line(steps, "theta.data -=").result == tensors["weight"].data[index]
        assert one_line(steps, "m_t =").numbers == f"0.9 * {put(m)} + (1 - 0.9) * {put(g)}"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_numbers_of_an_optimizer_give_its_results(name):
    tensors = parameters()
    opt = optimizer(name, tensors)
    for _ in range(3):
        for line in sg.explain(opt.step, parameter="weight", index=(1, 2)):
            if line.numbers:
                assert eval(line.numbers, NAMES) == pytest.approx(line.result, rel=1e-13), line


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_the_numbers_of_a_rule_give_its_results_forward_and_backward(name):
    forward = sg.explain(RULES[name], *RULES[name].tensors(), index=(1, 2))
    backward = sg.explain(forward.result.sum().backward, index=(1, 2))
    shown = [line for line in [*forward, *backward] if hasattr(rules, line.function.split(".")[0])]
    shown = [line for line in shown if not line.function.startswith("Sum")]
    assert {line.function for line in shown} >= {f"{name}.forward", f"{name}.da"}
    for line in shown:
        assert eval(line.numbers, NAMES) == pytest.approx(line.result, rel=1e-13), line


def test_float32_results_are_float32_and_numbers_are_not_rounded():
    steps = sg.explain(optimizer("Adam", parameters(np.float32)).step, parameter="bias")
    for line in steps:
        if line.equation:
            assert line.result.dtype == np.float32
            assert eval(line.numbers, NAMES) == pytest.approx(line.result, rel=1e-6)


def test_negative_numbers_are_put_in_parentheses():
    w = sg.Tensor(-3.0, requires_grad=True, dtype=np.float64)
    power = one_line(sg.explain(lambda: -(w**2) - w), "return a**b")
    assert (power.numbers, power.result) == ("(-3)**2", 9)
    neg = sg.explain(lambda: -w).lines[0]
    assert (neg.numbers, neg.result) == ("-(-3)", 3)
    sub = sg.explain(lambda: 1 - w).lines[0]
    assert (sub.numbers, sub.result) == ("1 - (-3)", 4)


def test_the_branch_that_was_taken_is_shown():
    opt = optimizer("SGD, momentum", parameters())
    first, second = (one_line(sg.explain(opt.step, parameter="bias"), "b_t =") for _ in range(2))
    assert first.code == "b_t = mu * b + (1 - tau) * g if t > 1 else g"
    assert "+" not in first.numbers
    assert second.numbers.startswith("0.9 * ")
    assert " if " not in second.numbers


# The lines are those of the files


def every_line():
    """What a network, a loss, its gradients and three optimizers show."""
    model = nn.Sequential(
        nn.Linear(4, 5), nn.LayerNorm(5), nn.GELU(), nn.Dropout(), nn.Linear(5, 3)
    )
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    loss = sg.explain(lambda: sg.cross_entropy(model(x), [0, 1, 2, 0, 1, 2]))
    lines = [*loss, *sg.explain(loss.result.backward), *sg.explain(optim.AdamW(model).step)]
    return [*lines, *sg.explain(optim.SGD(model).step), *sg.explain(optim.RMSProp(model).step)]


def test_every_line_stands_in_its_file_at_its_number():
    lines = every_line()
    assert len(lines) > 150
    for line in {line._replace(result=None, numbers="", parameter="") for line in lines}:
        source = Path(line.file).read_text(encoding="utf-8")
        assert Path(line.file).is_relative_to(PACKAGE)
        assert line.code.split("(")[0] in linecache.getline(line.file, line.line)
        statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
        (node,) = [node for node in statements if node.lineno == line.line]
        assert ast.dump(ast.parse(line.code).body[0]) == ast.dump(node)
        if node.lineno == node.end_lineno:
            assert linecache.getline(line.file, line.line).partition("  #")[0].strip() == line.code


def test_a_line_knows_its_function_its_tensor_and_its_equation():
    line = one_line(sg.explain(optimizer("Adam", parameters()).step, parameter="bias"), "v_hat =")
    assert Path(line.file) == PACKAGE / "optimizers" / "adam.py"
    assert (line.function, line.parameter) == ("Adam.update", "bias")
    assert line.equation == r"\hat v = v_t / (1 - \beta_2^t)"
    assert line.code == "v_hat = v_t / (1 - beta_2**t)"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_equation_of_an_optimizer_stands_at_a_line_that_assigns_its_left_side(name):
    make, _ = OPTIMIZERS[name]
    steps = sg.explain(optimizer(name, parameters()).step, parameter="weight")
    shown = [(line.equation, line.code) for line in steps if line.equation]
    docstrings = make.__doc__ + (optim.Adam.__doc__ if make is optim.AdamW else "")
    down = {equation.replace("{+}=", "{-}=") for equation, _ in shown}  # maximize goes up
    assert down == set(equations_in(docstrings))
    names = {r"\theta": "theta.data", r"\hat m": "m_hat", r"\hat v": "v_hat"}
    for equation, code in shown:
        left = re.split(r"=|\\mathrel", equation)[0].strip()
        assert code.startswith(names.get(left, left))


@pytest.mark.parametrize("name", RULES)
def test_the_equations_of_a_rule_stand_at_its_returns(name):
    forward = sg.explain(RULES[name], *RULES[name].tensors())
    backward = sg.explain(forward.result.backward, grad=np.ones(forward.result.shape))
    rule = getattr(rules, name)
    given = [" ".join(tex.split()) for tex in equations_in(rule.__doc__)]
    names = {name, "Max"} if name == "Min" else {name}  # whose partial is that of Max
    shown = [x for x in [*forward, *backward] if x.function.split(".")[0] in names]
    at_returns = {line.equation for line in shown if line.code.startswith("return")}
    assert at_returns == set(given)


# What is shown of arrays


def test_an_index_picks_the_element_along_broadcast_axes():
    a, b = operands()
    loss = (a * b).sum()
    for index in np.ndindex(2, 3):
        line = one_line(sg.explain(loss.backward, parameter="a", index=index), "return dc * b")
        assert line.numbers == f"1 * {put(b.data[index[1]])}"
        assert line.result == b.data[index[1]]
    partial, total = (
        one_line(sg.explain(loss.backward, parameter="b", index=2), code)
        for code in ("return dc * a", "return grad.sum")
    )
    assert partial.result == a.data[0, 2]
    assert total.result == a.data[:, 2].sum()


def test_negative_and_single_indices_are_those_of_numpy():
    tensors = parameters()
    opt = optimizer("SGD", tensors)
    assert (
        sg.explain(opt.step, parameter="bias", index=-1).lines[-1].result == tensors["bias"].data[2]
    )
    line = sg.explain(opt.step, parameter=tensors["weight"], index=(-1, 0)).lines[-1]
    assert line.result == tensors["weight"].data[1, 0]


def test_without_an_index_the_first_element_is_shown():
    tensors = parameters()
    steps = sg.explain(optimizer("SGD", tensors).step)
    last = [line for line in steps if line.code.startswith("theta.data -=")]
    assert [line.parameter for line in last] == ["weight", "bias"]
    assert [line.result for line in last] == [t.data.flat[0] for t in tensors.values()]


def test_a_matrix_product_shows_its_operands_as_they_are():
    a = sg.Tensor([[1.0, 2.0], [3.0, -4.0]])
    line = sg.explain(lambda: a @ [10.0, 0.5], index=1).lines[0]
    assert (line.numbers, line.result) == ("[[1, 2], [3, -4]] @ [10, 0.5]", 28)


def test_a_product_of_another_shape_has_no_element_of_the_weight():
    layer = nn.Linear(2, 3, bias=False)
    steps = sg.explain(layer, np.ones((3, 2)), parameter="weight", index=(1, 2))
    assert one_line(steps, "x, W, b").result.endswith(f"W = {layer.weight.data[1, 2]!s}")
    assert one_line(steps, "return a @ b").result.startswith("[")


def test_a_large_array_shows_its_first_values_and_its_shape():
    a = sg.Tensor(np.arange(600.0).reshape(20, 30))
    line = sg.explain(a.sum, axis=0).lines[0]
    assert line.numbers == "np.sum([0, 1, 2, ... (20, 30)], axis=0, keepdims=False)"
    assert line.result == a.data[:, 0].sum()


def test_an_array_without_the_element_is_shown_as_a_whole():
    model = nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 2))
    lines = [x for x in sg.explain(model, np.ones((3, 2)), index=(2, 7)) if "a @ b" in x.code]
    assert isinstance(lines[0].result, np.floating)
    assert lines[1].result.startswith("[[")
    assert lines[1].result.count(",") == 5


# Which lines are shown


def test_only_the_lines_about_the_parameter_are_shown():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    weight = model.layers[2].weight
    loss = sg.explain(lambda: model(np.ones((4, 2))).sum(), parameter="layers.2.weight")
    assert {line.code for line in loss} == {
        "x, W, b = as_tensor(x), self.weight, self.bias",
        "return a @ b",
        "return x @ W if b is None else x @ W + b",
    }
    steps = sg.explain(loss.result.backward, parameter=weight)
    functions = [line.function for line in steps]
    assert functions == ["MatMul.db", "Tensor.accumulate_grad"]
    assert {line.parameter for line in steps} == {"weight"}
    steps = sg.explain(optim.Adam(model).step, parameter="layers.2.weight")
    assert {line.parameter for line in steps} == {"layers.2.weight"}


def test_what_is_summed_is_shown_where_a_tensor_is_used_twice():
    a, _ = operands()
    loss = (a * a + a).sum()
    sums = [line for line in sg.explain(loss.backward, parameter="a") if "grads[" in line.code]
    first = a.data[0, 0]
    assert [line.result for line in sums] == [1 + first, 1 + first + first]
    again = sg.explain(loss.backward, parameter="a").lines[-1]
    assert again.code == "self._grad += grad"
    assert again.result == pytest.approx(2 * (1 + 2 * first))


def test_a_loop_shows_its_lines_as_often_as_they_run():
    class Thrice(optim.Optimizer):
        def update(self, theta, group, kept):
            for _ in range(3):
                theta.data -= 0.5 * group["lr"]
            return kept

    w = sg.Tensor(2.0, requires_grad=True)
    w.grad = 1.0
    steps = sg.explain(Thrice(lr=1, param_groups=[{"params": {"w": w}}]).step)
    assert [line.numbers for line in steps] == [f"{x} - 0.5 * 1" for x in ("2", "1.5", "1")]


class CountToTwo:
    """An iterator written in Python: its end is an exception, and no error."""

    def __init__(self):
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.count == 2:
            raise StopIteration
        self.count += 1
        return self.count


def test_what_is_no_equation_of_elements_shows_arrays_as_they_are():
    class Whitened(optim.Optimizer):
        r"""Two equations of one left side.

        $$\hat{g} = g g^\top$$
        $$\theta = 2 \, \theta$$
        $$\theta \mathrel{-}= \hat g$$
        """

        def update(self, theta, group, kept):
            g = theta.grad
            g_hat = np.matmul(g, g)
            two = sum([1 for _ in CountToTwo()])
            theta.data = two * theta.data
            theta.data -= g_hat
            return kept

    w = sg.Tensor([[3.0, 1.0], [1.0, 2.0]], requires_grad=True)
    w.grad = [[1.0, 2.0], [0.0, 1.0]]
    steps = sg.explain(Whitened(lr=1, param_groups=[{"params": {"w": w}}]).step, index=(0, 1))
    assert [(line.equation, line.numbers, line.result) for line in steps] == [
        ("", "2", 2),
        (r"\hat{g} = g g^\top", "np.matmul([[1, 2], [0, 1]], [[1, 2], [0, 1]])", 4),
        ("", "sum([1 for _ in CountToTwo()])", 2),
        (r"\theta = 2 \, \theta", "2 * 1", 2),
        (r"\theta \mathrel{-}= \hat g", "2 - 4", -2),
    ]


def test_an_optimizer_of_ones_own_is_shown_as_it_is_written():
    class Heavy(optim.Optimizer):
        r"""Momentum, in place.

        $$b \mathrel{+}= g$$
        $$\theta \mathrel{-}= lr \, b$$
        """

        slots = ("b",)

        def update(self, theta, group, kept):
            (b,) = kept
            try:
                b += theta.missing
            except AttributeError:
                b += theta.grad
            scaled = np.empty_like(b)
            np.multiply(
                group["lr"],  # of its group
                b,
                out=scaled,
            )
            theta.data -= scaled
            return (b,)

    w = sg.Tensor([2.0, 3.0], requires_grad=True)
    w.grad = [1.0, 4.0]
    steps = sg.explain(Heavy(lr=0.5, param_groups=[{"params": {"w": w}}]).step, index=1)
    assert [(line.code, line.numbers, line.result) for line in steps] == [
        ("(b,) = kept", "([0, 0],)", 0),
        ("b += theta.grad", "0 + 4", 4),
        ("scaled = np.empty_like(b)", "np.empty_like([1, 4])", steps.lines[2].result),
        ('np.multiply(group["lr"], b, out=scaled)', "np.multiply(0.5, 4)", 2),
        ("theta.data -= scaled", "3 - 2", 1),
    ]
    assert [line.equation for line in steps][1::3] == [
        r"b \mathrel{+}= g",
        r"\theta \mathrel{-}= lr \, b",
    ]
    assert all(Path(line.file) == Path(__file__) for line in steps)


class Cube:
    r"""The third power.

    $$c = a^3$$
    $$da = 3 \, dc \, a^2$$
    """

    def forward(a):
        return a**3

    def da(dc, c, a):
        return 3 * dc * a**2

    partials = (da,)


def test_a_rule_of_ones_own_is_shown_forward_and_backward():
    a = sg.Tensor(2.0, requires_grad=True, name="a")
    steps = sg.explain(lambda: record(Cube.forward(a.data), Cube, a).backward())
    shown = [line[2:] for line in steps if line.function.startswith("Cube")]
    assert shown == [
        ("Cube.forward", None, "c = a^3", "return a**3", "2**3", 8),
        ("Cube.da", "a", r"da = 3 \, dc \, a^2", "return 3 * dc * a**2", "3 * 1 * 2**2", 12),
    ]


def test_a_module_of_ones_own_is_shown():
    class Line(nn.Module):
        def __init__(self):
            self.slope = sg.Tensor(2.0, requires_grad=True)

        def forward(self, x):
            y = self.slope * x
            return y.tanh()

    steps = sg.explain(Line(), sg.Tensor(3.0))
    assert [(line.function, line.numbers) for line in steps] == [
        ("Mul.forward", "2 * 3"),
        ("Line.forward", "2 * 3"),
        ("Tanh.forward", "np.tanh(6)"),
        ("Line.forward", "(6).tanh()"),
    ]


@pytest.mark.parametrize("call", [lambda: 3, np.zeros(3).sum])
def test_a_call_without_mathematics_says_so(call):
    steps = sg.explain(call)
    assert len(steps) == 0
    assert steps.result == call()
    assert "no line of the mathematical parts of simplegrad ran" in str(steps)
    assert "no line of the mathematical parts" in steps._repr_html_()


def test_a_tensor_that_the_call_does_not_touch_has_no_lines():
    a, b = operands()
    steps = sg.explain(a.sum().backward, parameter=b)
    assert len(steps) == 0
    assert "none about the tensor that was chosen" in str(steps)


def test_the_fast_path_has_no_such_lines_and_says_where_they_are():
    tensors, same = parameters(), parameters()
    steps = sg.explain(fast.Adam(param_groups=[{"params": tensors}]).step)
    optim.Adam(param_groups=[{"params": same}]).step()
    assert_same_bits(tensors["weight"].data, same["weight"].data)
    assert "explain the same call with simplegrad.optimizers" in str(steps)

    square = fast.replay(lambda x: (x * x).sum())
    x = sg.Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):  # a replayed function runs as it is while it is explained
        steps = sg.explain(square, x)
        assert steps.lines[0].function == "Mul.forward"
        assert steps.result.item() == square(x).item() == 5


# What it leaves behind: nothing


def test_the_trace_function_is_what_it_was_before():
    opt = optimizer("Adam", parameters())
    before = sys.gettrace()
    seen = []

    def tracer(frame, event, arg):
        seen.append(frame.f_code.co_name)

    try:
        sys.settrace(tracer)
        sg.explain(opt.step)
        with pytest.raises(ValueError, match="shape"):
            sg.explain(sg.mse_loss, [1.0], [1.0, 2.0])
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is tracer
    assert "explain" in seen
    assert "update" not in seen


def test_other_threads_are_not_traced():
    seen = []

    def work():
        thread = threading.Thread(target=lambda: seen.append(type(sys.gettrace())))
        thread.start()
        thread.join()
        seen.append(type(sys.gettrace()))

    sg.explain(work)
    in_thread, here = seen
    assert here.__name__ == "LineTracer"
    assert in_thread is not here  # but none, or that of the coverage


def test_nothing_in_the_library_knows_of_it():
    for path in PACKAGE.rglob("*.py"):  # but what is recorded runs as it is while it is explained
        if path.parent.name not in ("tools", "fast") and path.name not in (
            "__init__.py",
            "__main__.py",
        ):
            assert not re.search(r"simplegrad.tools|settrace|\bexplain\(", path.read_text("utf-8"))
    mentions = re.findall(r".*explain.*", (PACKAGE / "__init__.py").read_text("utf-8"))
    assert mentions == ["from simplegrad.tools.explain import explain", '    "explain",']


def test_an_error_within_is_shown_with_the_lines_before_it_and_raised(capsys):
    a = sg.Tensor(np.ones((2, 3)), requires_grad=True, name="a")
    trace = sys.gettrace()
    with pytest.raises(ValueError, match="matmul") as caught:
        sg.explain(lambda: rules.MatMul.forward((a * 2).data, a.data))
    steps = caught.value.explanation
    assert sys.gettrace() is trace
    assert [line.code for line in steps] == ["return a * b", "return a @ b"]
    assert steps.lines[-1].numbers.startswith("[[2, 2, 2], [2, 2, 2]] @ [[1, 1, 1]")
    assert steps.lines[-1].result == f"raises ValueError: {caught.value}"
    assert capsys.readouterr().out == f"{steps}\n"


def test_an_error_of_a_check_ends_the_table_too():
    opt = optim.Adam(nn.Linear(2, 1))
    with pytest.raises(ValueError, match="needs the gradient") as caught:
        sg.explain(opt.step)
    (line,) = caught.value.explanation
    assert line.function == "check_gradients"
    assert linecache.getline(line.file, line.line).strip() == line.code == "raise ValueError("
    assert line.result.startswith("raises ValueError: step() needs the gradient")


# Wrong arguments, and nothing has been called


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"parameter": "wieght"},
            KeyError,
            "Adam.step knows no tensor 'wieght', but weight, bias.",
        ),
        ({"parameter": "weight", "index": (2, 0)}, ValueError, "weight has shape (2, 3), so index"),
        (
            {"parameter": "weight", "index": (0, -4)},
            ValueError,
            "goes up to (1, 2), but got (0, -4)",
        ),
        ({"parameter": "weight", "index": 0}, ValueError, "goes up to (1, 2), but got (0,)"),
        ({"parameter": "weight", "index": (0, "a")}, TypeError, "an int for each axis"),
        ({"parameter": "weight", "index": 0.5}, TypeError, "Write index=(0, 3)"),
        ({"index": (7, 7)}, ValueError, "weight has shape (2, 3), bias has shape (3,)"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_runs(arguments, error, words):
    opt = optimizer("Adam", parameters())
    with pytest.raises(error) as caught:
        sg.explain(opt.step, **arguments)
    assert words in str(caught.value)
    assert opt.step_count == 0


def test_a_name_of_two_tensors_is_refused_and_the_tensor_itself_is_taken():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    loss = model([1.0, 2.0]).sum()
    with pytest.raises(ValueError, match=r"2 tensors .* named 'weight', of shapes \(2, 3\) and"):
        sg.explain(loss.backward, parameter="weight")
    steps = sg.explain(loss.backward, parameter=model.layers[0].weight)
    assert steps.lines[0].function == "MatMul.db"


def test_a_call_that_knows_no_tensor_asks_for_the_tensor_itself():
    with pytest.raises(KeyError, match="Write parameter=w with the tensor itself"):
        sg.explain(rules.Exp.forward, np.ones(2), parameter="w")


@pytest.mark.parametrize("result", [None, 3.0, sg.Tensor(1.0)])
def test_the_result_of_a_call_is_no_call(result):
    with pytest.raises(TypeError, match="without the parentheses"):
        sg.explain(result)


# How it looks


def test_a_table_of_adam_looks_so():
    w = sg.Tensor(5.0, requires_grad=True, dtype=np.float64)
    opt = optim.Adam(lr=0.1, param_groups=[{"params": {"w": w}}])
    ((w - 3) ** 2).backward()
    steps = sg.explain(opt.step, parameter="w")
    at = {line.code.split()[0]: f"Adam.update:{line.line}" for line in steps}
    wide = max(map(len, at.values()))  # a line number may have two digits or three
    table = str(steps).split("\n")
    assert table[0] == "Adam.step: the first element of w"
    assert table[9:] == [
        f"{at['m_t']:{wide}}  mₜ = β₁ m + (1 - β₁) g",
        f"{'':{wide}}  m_t = beta_1 * m + (1 - beta_1) * g",
        f"{'':{wide}}      = 0.9 * 0 + (1 - 0.9) * 4                               = 0.4",
        f"{at['v_t']:{wide}}  vₜ = β₂ v + (1 - β₂) g²",
        f"{'':{wide}}  v_t = beta_2 * v + (1 - beta_2) * g**2",
        f"{'':{wide}}      = 0.999 * 0 + (1 - 0.999) * 4**2                        = 0.016",
        f"{at['m_hat']:{wide}}  m̂ = mₜ / (1 - β₁ᵗ)",
        f"{'':{wide}}  m_hat = m_t / (1 - beta_1**t)",
        f"{'':{wide}}        = 0.4 / (1 - 0.9**1)                                  = 4",
        f"{at['v_hat']:{wide}}  v̂ = vₜ / (1 - β₂ᵗ)",
        f"{'':{wide}}  v_hat = v_t / (1 - beta_2**t)",
        f"{'':{wide}}        = 0.016 / (1 - 0.999**1)                              = 16",
        f"{at['theta.data']:{wide}}  θ -= lr m̂ / (√v̂ + ε)",
        f"{'':{wide}}  theta.data -= lr * m_hat / (np.sqrt(v_hat) + eps)",
        f"{'':{wide}}              = 5 - 0.1 * 4 / (np.sqrt(16) + 1e-08)           = 4.9",
    ]


def test_every_table_fits_100_columns_and_has_no_latex():
    table = str(sg.tools.explain.Explanation("a call", "the first", every_line(), None))
    assert "\\" not in table
    assert max(len(row) for row in table.split("\n")) <= 100
    assert len(table.split("\n")) > 400


@pytest.mark.parametrize("make", [optim.Adam, optim.RMSProp, optim.AdamW])
def test_with_maximize_a_step_is_added_at_a_positive_rate(make):
    w = sg.Tensor([5.0], requires_grad=True, dtype=np.float64)
    opt = make(lr=0.1, maximize=True, param_groups=[{"params": {"w": w}}])
    w.grad = np.array([4.0])
    line = list(sg.explain(opt.step))[-1]
    assert line.equation.startswith(r"\theta \mathrel{+}= lr")
    assert re.match(r"[\d.]+ \+ 0\.1 \* ", line.numbers)
    assert eval(line.numbers, NAMES) == line.result == w.data[0] > 5.0


def test_unbroadcast_is_shown_where_shapes_differ_and_nowhere_else():
    a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
    b = sg.Tensor(3.0, requires_grad=True, name="b")
    loss = (a * b).sum()
    lines = list(sg.explain(loss.backward))
    assert {line.parameter for line in lines if "unbroadcast" in line.code} == {"b"}
    assert {line.parameter for line in lines if line.function == "unbroadcast"} == {"b"}


def test_the_table_says_which_tensor_its_lines_are_about():
    tensors = parameters()
    table = str(sg.explain(optimizer("SGD", tensors).step)).split("\n")
    assert table.index("weight:") < table.index("bias:")
    assert "weight:" not in str(sg.explain(optimizer("SGD", tensors).step, parameter="weight"))


def test_the_repr_is_short():
    steps = sg.explain(optimizer("Adam", parameters()).step)
    assert repr(steps) == "Explanation(Adam.step: 16 lines; print it to see them)"
    assert len(steps) == len(list(steps)) == 16


class Cells(html.parser.HTMLParser):
    """The cells of a table, row by row, and the styles that are used."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.styles = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert tag in {"p", "code", "table", "tr", "th", "td"}
        self.styles |= {value for key, value in attributes if key == "style"}
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_a_notebook_shows_a_table_of_escaped_text_in_its_own_colours():
    a = sg.Tensor([-1.0, 2.0], requires_grad=True, name="<b>a&amp;")
    steps = sg.explain(lambda: sg.where(a > 0, a, "<i>" > "<b>").relu().sum().backward())
    cells = Cells(steps._repr_html_())
    head, *rows = cells.rows
    assert head == ["line", "of", "equation", "code", "numbers put in", "result"]
    assert len(rows) == len(steps)
    for row, line in zip(rows, steps, strict=True):
        assert row[0] == f"{line.function}:{line.line}"
        assert row[1] == (line.parameter or "")
        assert row[2] == (f"${line.equation}$" if line.equation else "")
        assert row[3] == line.code
        assert row[4] == line.numbers
        assert row[5] == str(line.result).removesuffix(".0")
    assert any("<b>a&amp;" in row[1] for row in rows)
    assert not re.search(r"#\d|rgb|black|white\b(?!-)", " ".join(cells.styles))
