"""Random graphs of every rule: their gradients, and what the engine says of any graph.

A program is plain data, a list of steps, so that it runs on simplegrad and on torch alike. While it
is drawn, its values are kept small and away from kinks: there, no two ways to differentiate agree.
"""

import functools
import gc
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import simplegrad as sg
from simplegrad import rules
from simplegrad.autograd import tape_of
from tests.helpers.drawn import positive_axes
from tests.helpers.oracles import LAYOUTS, central_differences, in_layout
from tests.helpers.rules_table import RULES

MAX_RULES = 60
MAX_SIZE = 100
MAX_VALUE = 4.0
GAP = 1e-3  # how far from a kink a value is, if it is not on it

seeds = st.integers(0, 2**32 - 1)
booleans = st.booleans()
below = functools.cache(lambda n: st.integers(0, n - 1))  # to make a strategy takes time
leaf_shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4).filter(
    lambda shape: math.prod(shape) <= 40
)

# A step is (name, the numbers of the steps that it takes, params): OURS says how it is computed.

OURS = {
    "leaf": lambda data, requires_grad: sg.Tensor(data, requires_grad),
    "constant": lambda value: value,
    **{name: row.ours for name, row in RULES.items()},
}


def torch_library(torch):
    """OURS, in torch."""
    return {
        "leaf": lambda data, requires_grad: torch.tensor(data.copy(), requires_grad=requires_grad),
        "constant": lambda value: torch.tensor(value, dtype=torch.float64),
        **{name: row.theirs(torch) for name, row in RULES.items()},
    }


def run(steps, library, order=None, given=None):
    """The value of each step, in the order of the steps; those in `given` are not computed."""
    values = dict(given or {})
    for number in order or range(len(steps)):
        if number not in values:
            name, inputs, params = steps[number]
            values[number] = library[name](*[values[i] for i in inputs], **params)
    return [values[number] for number in range(len(steps))]


# Drawing a program


class Writer:
    """Writes a program, and runs it at the same time: the values say what may come next."""

    def __init__(self, draw):
        self.draw = draw
        self.steps, self.values = [], []

    def add(self, name, *inputs, **params):
        """Adds a step, and one more if the result is too large; the number of the last."""
        self.steps.append((name, inputs, params))
        with sg.no_grad():
            self.values.append(OURS[name](*[self.values[i] for i in inputs], **params))
        number = len(self.steps) - 1
        if name in ("leaf", "constant"):
            return number
        largest = largest_value(self.values[number])
        if largest <= MAX_VALUE:
            return number
        return self.add("Div", number, self.constant(2.0 ** np.ceil(np.log2(largest) - 1)))

    def choose(self, options):
        return options[self.draw(below(len(options)))]

    def leaf(self, shape, requires_grad):
        data = np.random.default_rng(self.draw(seeds)).uniform(-2, 2, shape)
        data = in_layout(data, self.choose(LAYOUTS))
        return self.add("leaf", data=data, requires_grad=requires_grad)

    def constant(self, value):
        return self.add("constant", value=value)

    def ends(self):
        """The tensors that nothing was computed from yet."""
        used = {i for _, inputs, _ in self.steps for i in inputs}
        return [i for i, t in enumerate(self.values) if isinstance(t, sg.Tensor) and i not in used]

    def has_room(self):
        """Whether there may be more rules, beside those that will join the ends."""
        rules_now = sum(name not in ("leaf", "constant") for name, _, _ in self.steps)
        return rules_now + len(self.ends()) + 8 <= MAX_RULES

    def pick(self, fits=lambda t: True):
        """The number of a tensor; recent ones are likely, so that graphs grow deep."""
        tensors = [i for i, t in enumerate(self.values) if isinstance(t, sg.Tensor) and fits(t)]
        tensors = [i for i in tensors if largest_value(self.values[i]) <= MAX_VALUE]
        if not tensors:
            return None
        recent = tensors[-6:]
        return self.choose(self.choose([recent, tensors]))

    def array(self, number):
        value = self.values[number]
        return value.data if isinstance(value, sg.Tensor) else np.asarray(value)

    def beside(self, a):
        """What broadcasts with `a`: a tensor, often `a` itself, a Python number or an array."""
        kind = self.choose(["itself", "tensor", "tensor", "leaf", "number", "array"])
        shape = self.values[a].shape
        if kind == "tensor":
            return self.pick(lambda t: fits_beside(shape, t.shape))
        if kind == "itself":
            return a
        if kind == "number":
            return self.constant(self.choose([-1.5, 0.25, 2, 3.0]))
        like = tuple(self.choose([1, n]) for n in shape)
        like = like[self.draw(st.integers(0, len(like))) :]
        if kind == "leaf":
            return self.leaf(like, self.draw(booleans))
        return self.constant(np.random.default_rng(self.draw(seeds)).uniform(-2, 2, like))

    def positive(self, a):
        if np.min(self.array(a), initial=1) >= 0.2:
            return a
        return self.add("Add", self.add("Sigmoid", a), self.constant(0.25))

    def axis(self, shape):
        """None, an axis or several, also counted from the end."""
        if not shape:
            return self.choose([None, ()])
        one = st.integers(-len(shape), len(shape) - 1)
        some = st.lists(one, unique_by=lambda axis: axis % len(shape)).map(tuple)
        return self.draw(st.none() | one | some)


def largest_value(t):
    return np.max(np.abs(t.data), initial=0)


def fits_beside(a_shape, b_shape):
    try:
        shape = np.broadcast_shapes(a_shape, b_shape)
    except ValueError:
        return False
    return len(shape) <= 4 and math.prod(shape) <= MAX_SIZE


def near_kink(distances):
    """Whether a distance is small, but not 0: what is equal because it is the same stays equal."""
    distances = np.abs(distances)
    return bool(np.any((distances > 0) & (distances < GAP)))


# Each of these adds a step, or none where nothing fits.


def elementwise(name, row):
    """The writer of a rule that treats every element by itself."""

    def write_unary(w):
        a = w.pick()
        if row.kink is not None and near_kink(w.array(a) - row.kink):
            return
        w.add(name, w.positive(a) if row.positive else a, **row.params)

    def write_binary(w):
        a = w.pick()
        b = w.beside(a)
        if row.kink is not None and near_kink(w.array(a) - w.array(b) - row.kink):
            return
        if w.draw(booleans):
            a, b = b, a
        w.add(name, w.positive(a) if row.positive else a, b, **row.params)

    return write_unary if len(row.arrays) == 1 else write_binary


def quotient(w):
    a = w.pick()
    b = w.beside(a)
    if w.draw(booleans):
        a, b = b, a
    if np.min(np.abs(w.array(b)), initial=1) < 0.2:
        if not isinstance(w.values[b], sg.Tensor):
            return
        b = w.positive(b)
    w.add("Div", a, b)


def power(w):
    a = w.pick()
    kind = w.choose(["exponent", "base", "both"])
    if kind == "exponent":
        exponent = w.choose([0, 1, 2, 3, -1, 0.5])
        w.add("Pow", a if exponent in (0, 1, 2, 3) else w.positive(a), w.constant(exponent))
    elif kind == "base":
        w.add("Pow", w.constant(w.choose([0.5, 2, 1.5])), a)
    else:
        b = w.pick(lambda t: fits_beside(w.values[a].shape, t.shape))
        w.add("Pow", w.positive(a), b)


def matmul(w):
    a = w.pick(lambda t: t.ndim >= 1)
    if a is None:
        return
    *batch, n = w.values[a].shape
    m = batch.pop() if batch else None
    size = w.draw(st.integers(0, 3))
    sides = [(n,), (n, size)] if m is None else [(n,), (n, size), (*batch, n, size)]
    shape = w.choose(sides + ([] if batch else [(2, n, size)]))
    if math.prod(batch) * (m or 1) * size * math.prod(shape[:-2]) > MAX_SIZE:
        return
    if w.values[a].ndim == 2 and shape == (n, m) and w.draw(booleans):
        b = w.add("Transpose", a, axes=None)
    elif w.draw(booleans):
        b = w.leaf(shape, w.draw(booleans))
    else:
        b = w.constant(np.random.default_rng(w.draw(seeds)).uniform(-2, 2, shape))
    w.add("MatMul", a, b)
    if m is not None and math.prod(batch) * n * size <= MAX_SIZE and w.draw(booleans):
        left = w.choose([(m,), (size, m)])
        w.add("MatMul", w.constant(np.random.default_rng(w.draw(seeds)).uniform(-2, 2, left)), a)


def where(w):
    a = w.pick()
    b = w.beside(a)
    shape = np.broadcast_shapes(w.array(a).shape, w.array(b).shape)
    shape = tuple(w.choose([1, n]) for n in shape)
    s = np.random.default_rng(w.draw(seeds)).random(shape) < 0.5
    w.add("Where", a, b, s=s)


def clip(w):
    a = w.pick()
    limits = w.choose([(-0.5, None), (None, 0.75), (-1.0, 0.5), (0, 1)])
    if not any(near_kink(w.array(a) - x) for x in limits if x is not None):
        w.add("Clip", a, min=limits[0], max=limits[1])


def reduction(name):
    def write(w):
        a = w.pick()
        x = w.array(a)
        axis = w.axis(x.shape)
        n = math.prod(x.shape[i] for i in positive_axes(axis, x.ndim))
        params = {"axis": axis, "keepdims": w.draw(booleans)}
        if name == "Var":
            params["ddof"] = w.choose([0, 1])
        if n - params.get("ddof", 0) <= 0 and name != "Sum":
            return
        if name == "Norm" and near_kink(np.linalg.norm(np.ravel(x))):
            return
        if name in ("Max", "Min"):
            extreme = getattr(np, name.lower())(x, axis=axis, keepdims=True)
            if near_kink(x - extreme):
                return
        w.add(name, a, **params)

    return write


def cumsum(w):
    a = w.pick(lambda t: t.ndim >= 1)
    if a is not None:
        n = w.values[a].ndim
        w.add("CumSum", a, axis=w.draw(st.integers(-n, n - 1)))


def einsum(w):
    a = w.pick(lambda t: t.ndim == 2)
    if a is None:
        return
    n = w.values[a].shape[0]
    options = ["ij->ji", "ij->i", "ij->", "ij->ij"]
    if w.values[a].shape == (n, n):
        options += ["ii->i", "ii->"]
    w.add("Einsum", a, subscripts=w.choose(options))
    if w.values[a].size * n <= MAX_SIZE:
        w.add("Einsum", a, a, subscripts=w.choose(["ij,kj->ik", "ij,kj->i", "ij,ij->j"]))


def broadcast_to(w):
    a = w.pick(lambda t: t.ndim < 4)
    if a is not None:
        shape = tuple(w.choose([1, 2]) if n == 1 else n for n in w.values[a].shape)
        shape = (*w.choose([(), (2,)]), *shape)
        if math.prod(shape) <= MAX_SIZE:
            w.add("BroadcastTo", a, shape=shape)


def reshape(w):
    a = w.pick()
    shape, size = w.values[a].shape, w.values[a].size
    options = [(size,), (1, size), (size, 1, 1), (shape[::-1],), ((size, 1),)]
    if size:
        options += [(-1,), (-1, shape[-1] if shape else 1), ((1, -1),)]
        options += [(n, size // n) for n in (2, 3) if size % n == 0]
    w.add("Reshape", a, shape=w.choose(options))


def transpose(w):
    a = w.pick()
    n = w.values[a].ndim
    axes = w.draw(st.permutations(range(n)))
    signed = tuple(axis - w.choose([0, n]) for axis in axes)
    w.add("Transpose", a, axes=w.choose([None, signed, (signed,)]))


def squeeze(w):
    a = w.pick()
    shape = w.values[a].shape
    ones = [i for i, n in enumerate(shape) if n == 1]
    options = [None, tuple(ones), *ones, *[i - len(shape) for i in ones]]
    w.add("Squeeze", a, axis=w.choose(options))


def unsqueeze(w):
    a = w.pick(lambda t: t.ndim < 4)
    if a is not None:
        n = w.values[a].ndim
        w.add("Unsqueeze", a, axis=w.draw(st.integers(-n - 1, n)))


def index(w):
    a = w.pick()
    shape = w.values[a].shape
    parts, advanced = [], 0
    for n in shape[: w.draw(st.integers(0, len(shape)))]:
        kinds = ["slice", "reversed"]
        if n:
            kinds += ["int"] if advanced else ["int", "list", "tensor", "mask"]
        kind = w.choose(kinds)
        rng = np.random.default_rng(w.draw(seeds))
        if kind == "slice":
            parts.append(slice(w.draw(st.integers(0, 1)), w.choose([None, -1, 3])))
        elif kind == "reversed":
            parts.append(slice(None, None, w.choose([-1, -2])))
        elif kind == "int":
            parts.append(w.draw(st.integers(-n, n - 1)))
        elif kind == "mask":
            parts.append(rng.random(n) < 0.5)
        else:
            rows = rng.integers(-n, n, size=w.draw(st.integers(1, 3)))
            parts.append(rows.tolist() if kind == "list" else rows)
        advanced += kind in ("list", "tensor", "mask")
    if len(parts) < len(shape) and w.draw(booleans):
        parts.append(...)
    if len(shape) < 4 and w.draw(booleans):
        parts.insert(0, None)
    single = len(parts) == 1 and w.draw(booleans)
    chosen = parts[0] if single else tuple(parts)
    if np.empty(shape)[chosen].size <= MAX_SIZE:
        is_array = isinstance(chosen, np.ndarray)
        w.add("Index", a, index=sg.Tensor(chosen) if is_array and w.draw(booleans) else chosen)


def scatter(w):
    a = w.pick(lambda t: t.ndim)
    if a is not None:
        n = len(w.values[a].data)
        places = np.random.default_rng(w.draw(seeds)).integers(0, n + 1, n)
        w.add("Scatter", a, index=places, shape=(n + 1, *w.values[a].shape[1:]))


def concatenate(w):
    a = w.pick(lambda t: t.ndim >= 1)
    if a is None:
        return
    shape = w.values[a].shape
    axis = w.draw(st.integers(-len(shape), len(shape) - 1))

    def rest(shape):
        return len(shape), np.delete(shape, axis).tolist()

    parts = [a]
    for _ in range(w.draw(st.integers(0, 3))):
        parts.append(w.pick(lambda t: t.ndim == len(shape) and rest(t.shape) == rest(shape)))
    if sum(w.values[i].size for i in parts) <= MAX_SIZE:
        w.add("Concatenate", *w.draw(st.permutations(parts)), axis=axis)


def stack(w):
    a = w.pick(lambda t: t.ndim < 4)
    if a is None:
        return
    shape = w.values[a].shape
    parts = [a]
    for _ in range(w.draw(st.integers(0, 3))):
        parts.append(w.pick(lambda t: t.shape == shape))
    if len(parts) * math.prod(shape) <= MAX_SIZE:
        axis = w.draw(st.integers(-len(shape) - 1, len(shape)))
        w.add("Stack", *w.draw(st.permutations(parts)), axis=axis)


def pad(w):
    a = w.pick(lambda t: t.ndim > 0 and t.size < MAX_SIZE / 4)
    if a is not None:
        side = st.tuples(st.integers(0, 1), st.integers(0, 1))
        widths = (w.draw(side), *[(0, 0)] * (w.values[a].ndim - 1))
        w.add("Pad", a, widths=widths, constant=w.choose([0.0, 1.5]))


def windows(w):
    a = w.pick(lambda t: t.ndim in (2, 3) and t.size > 0)
    if a is not None:
        size = tuple(w.draw(st.integers(1, min(n, 2))) for n in w.values[a].shape[-2:])
        if math.prod(size) * w.values[a].size <= MAX_SIZE:
            w.add("Windows", a, size=size, stride=w.choose([(1, 1), (2, 1)]), dilation=(1, 1))


WRITERS = {
    **{name: elementwise(name, row) for name, row in RULES.items() if row.elementwise},
    "Div": quotient,
    "Pow": power,
    "MatMul": matmul,
    "Where": where,
    "Clip": clip,
    **{name: reduction(name) for name in ("Sum", "Mean", "Max", "Min")},
    **{name: reduction(name) for name in ("Var", "Norm", "LogSumExp")},
    "CumSum": cumsum,
    "Einsum": einsum,
    "BroadcastTo": broadcast_to,
    "Reshape": reshape,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Index": index,
    "Scatter": scatter,
    "Concatenate": concatenate,
    "Stack": stack,
    "Pad": pad,
    "Windows": windows,
}


def test_every_rule_has_a_writer():
    missing = ", ".join(RULES.keys() - WRITERS.keys())
    assert not missing, (
        f"no random graph has a node of {missing}. It treats no element by itself, so write a "
        "function here that finds tensors for it in a graph, and list it in WRITERS."
    )


@st.composite
def programs(draw):
    """The steps, the last of which joins all ends, and how much each of its elements counts."""
    w = Writer(draw)
    w.leaf(draw(leaf_shapes), requires_grad=True)
    for _ in range(draw(st.integers(0, 3))):
        w.leaf(draw(leaf_shapes), requires_grad=draw(st.booleans()))
    orders = st.permutations([*WRITERS.values()])  # a long program tries every rule
    for write in (draw(orders) + draw(orders))[: draw(st.integers(1, 40) | st.just(40))]:
        if w.has_room():
            write(w)
    ends = [w.add("Reshape", i, shape=(-1,)) for i in w.ends()]
    w.add("Concatenate", *ends, axis=0)
    weights = np.random.default_rng(draw(seeds)).uniform(-1, 1, w.values[-1].shape)
    return w.steps, weights


# What holds of any graph


def backward(steps, weights, **how):
    """The values of a program whose last has been differentiated."""
    values = run(steps, OURS, **how)
    values[-1].backward(weights, retain_grads=True)
    return values


def leaves_of(values):
    return {i: t for i, t in enumerate(values) if is_leaf(t) and t.grad is not None}


def is_leaf(t):
    return isinstance(t, sg.Tensor) and t.requires_grad and t.rule is None


def rules_on(tape):
    return [t.rule.__name__ for t in tape if t.rule is not None]


def largest_gradient(values):
    """Of all values: what has been added up on the way was not exact where it cancels."""
    grads = [t.grad for t in values if isinstance(t, sg.Tensor) and t.grad is not None]
    return max(np.max(np.abs(grad), initial=0) for grad in grads)


def test_the_gradients_of_a_random_graph_are_what_central_differences_say(for_all):
    met, largest = Counter(), 0

    @for_all(programs(), seeds)
    def agree(program, seed):
        nonlocal largest
        steps, weights = program
        values = backward(steps, weights)
        rng = np.random.default_rng(seed)
        for i, t in leaves_of(values).items():
            direction = rng.uniform(-1, 1, t.shape)

            def moved(s, i=i, x=t.data, direction=direction):
                with sg.no_grad():
                    return run(steps, OURS, given={i: sg.Tensor(x + s * direction)})[-1].data

            h = 1e-4
            far, near = (
                central_differences(moved, [0.0], 0, weights, h=step) for step in (h, h / 2)
            )
            numeric = (4 * near - far) / 3  # Richardson: the error of order h**2 cancels
            scale = max(1.0, np.abs(numeric))
            assume(np.abs(far - near) < 1e-6 * scale)  # no kink in between, nor too bent
            assert np.abs(np.sum(t.grad * direction) - numeric) < 1e-6 * scale, f"leaf {i}"
        on_the_way = rules_on(tape_of(values[-1]))
        met.update(on_the_way)
        largest = max(largest, len(on_the_way))

    assert set(met) == set(rules.__all__)
    assert MAX_RULES / 2 < largest <= MAX_RULES


def test_the_gradients_of_a_random_graph_are_those_of_torch(for_all):
    torch = pytest.importorskip("torch", reason="torch is not installed: an oracle is missing")
    theirs, met = torch_library(torch), Counter()

    @for_all(programs())
    def agree(program):
        steps, weights = program
        values, twins = backward(steps, weights), run(steps, theirs)
        np.testing.assert_allclose(values[-1].data, twins[-1].detach(), rtol=1e-10, atol=1e-12)
        twins[-1].backward(torch.tensor(weights))
        atol = 1e-11 * max(1.0, largest_gradient(values))
        for i, t in leaves_of(values).items():
            np.testing.assert_allclose(t.grad, twins[i].grad, rtol=1e-10, atol=atol)
        met.update(rules_on(tape_of(values[-1])))

    assert set(met) == set(rules.__all__)


def test_the_gradients_of_gradients_of_a_random_graph_are_those_of_torch(for_all):
    torch = pytest.importorskip("torch", reason="torch is not installed: an oracle is missing")
    theirs, met = torch_library(torch), Counter()
    # the gradient of its sign is an array of zeros without memory, by which torch 2.13 crashes
    theirs["Abs"] = lambda a: torch.maximum(a, -a)

    @for_all(programs(), seeds)
    def agree(program, seed):
        steps, weights = program
        values, twins = run(steps, OURS), run(steps, theirs)
        tape = set(tape_of(values[-1]))
        leaves = {i: t for i, t in enumerate(values) if is_leaf(t) and t in tape}
        x, y = [*leaves.values()], [twins[i] for i in leaves]
        dx = sg.grad(values[-1], x, weights, create_graph=True)
        dy = torch.autograd.grad(twins[-1], y, torch.tensor(weights), create_graph=True)
        rng = np.random.default_rng(seed)
        v = [rng.uniform(-1, 1, t.shape) for t in x]
        ours = sum((d * v_i).sum() for d, v_i in zip(dx, v, strict=True))
        others = sum((d * torch.tensor(v_i)).sum() for d, v_i in zip(dy, v, strict=True))
        if not others.requires_grad:
            assert not any(d.data.any() for d in sg.grad(ours, x, allow_unused=True))
            return
        second = sg.grad(ours, x, allow_unused=True)
        expected = torch.autograd.grad(others, y, allow_unused=True, materialize_grads=True)
        assume(all(e.isfinite().all() for e in expected))  # torch has NaN for that of 0**0
        atol = 1e-9 * max(1.0, *[np.max(np.abs(d.data), initial=0) for d in (*dx, *second)])
        for d, e in zip(second, expected, strict=True):
            np.testing.assert_allclose(d.data, e.numpy(force=True), rtol=1e-8, atol=atol)
        met.update(rules_on(tape))

    assert set(met) == set(rules.__all__)


def test_backward_twice_adds_the_same_gradients_exactly(for_all):
    @for_all(programs())
    def twice(program):
        steps, weights = program
        values = run(steps, OURS)
        values[-1].backward(weights)
        once = {i: t.grad.copy() for i, t in leaves_of(values).items()}
        values[-1].backward(weights)
        for i, t in leaves_of(values).items():
            np.testing.assert_array_equal(t.grad, 2 * once[i])
        assert all(t.grad is None for t in tape_of(values[-1]) if t.rule is not None)


def test_a_retained_gradient_is_that_of_a_leaf_in_its_place(for_all):
    @for_all(programs(), st.data())
    def cut(program, data):
        steps, weights = program
        values = backward(steps, weights)
        tape = tape_of(values[-1])
        between = [i for i, t in enumerate(values) if any(t is s for s in tape) and t.rule]
        i = data.draw(st.sampled_from(between))
        leaf = sg.Tensor(values[i], requires_grad=True)
        backward(steps, weights, given={i: leaf})
        np.testing.assert_array_equal(leaf.grad, values[i].grad)


def test_the_order_in_which_independent_parts_were_made_does_not_matter(for_all):
    @for_all(programs(), st.randoms(use_true_random=True))
    def reorder(program, random):
        steps, weights = program
        values = backward(steps, weights)
        again = backward(steps, weights, order=another_order(steps, random))
        atol = 1e-11 * max(1.0, largest_gradient(values))
        for i, t in leaves_of(values).items():
            np.testing.assert_allclose(again[i].grad, t.grad, rtol=1e-10, atol=atol)


def another_order(steps, random):
    """The steps, every one after its inputs, but otherwise shuffled."""
    order, waiting = [], set(range(len(steps)))
    while waiting:
        ready = [i for i in sorted(waiting) if waiting.isdisjoint(steps[i][1])]
        order.append(random.choice(ready))
        waiting.remove(order[-1])
    return order


def test_a_graph_is_freed_without_the_garbage_collector(for_all):
    @for_all(programs())
    def free(program):
        gc.collect(0)
        gc.disable()
        gc.freeze()  # what was there before is not looked at
        try:
            backward(*program)
            assert gc.collect() == 0
        finally:
            gc.enable()
