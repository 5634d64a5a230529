"""gradcheck: are the gradients of a function what small changes of its inputs say?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from simplegrad import rules
from simplegrad.autograd import chain_rule, tape_of, unbroadcast
from simplegrad.creation import generator, manual_seed, set_generator
from simplegrad.derivatives import grad
from simplegrad.functional import stack
from simplegrad.given import NON_NEGATIVE, POSITIVE, checked_number
from simplegrad.mistakes import name_of_partial
from simplegrad.rules.shapes import EachInput
from simplegrad.tensor import Tensor, record

Array: TypeAlias = np.ndarray
Function: TypeAlias = Callable[[np.ndarray], np.ndarray]


class _WeightedSum:
    """The rule that makes one number L of all results."""

    def forward(*a: Any, weights: Sequence[Array]) -> Any:
        return sum(np.sum(w_i * a_i) for w_i, a_i in zip(weights, a, strict=True))

    def da(dc: Any, c: Any, *a: Any, weights: Sequence[Array], i: int) -> Any:
        return dc * weights[i]

    partials = EachInput(da)


ANALYTIC = {
    *(rules.Add, rules.Sub, rules.Neg, rules.Mul, rules.Div, rules.Pow),
    *(rules.MatMul, rules.Einsum),
    *(rules.Exp, rules.Log, rules.Log1p, rules.Sqrt, rules.Sin, rules.Cos, rules.Tanh, rules.GELU),
    *(rules.Sum, rules.CumSum, rules.Mean, rules.Norm, rules.LogSumExp),
    *(rules.Reshape, rules.Transpose, rules.Squeeze, rules.Unsqueeze, rules.BroadcastTo),
    *(rules.Index, rules.Scatter, rules.Concatenate, rules.Stack),
    *(rules.Where, rules.Pad, rules.Windows),
    # NumPy orders complex numbers by their real part first, so these choose as they do of reals:
    *(rules.ReLU, rules.Clip, rules.Maximum, rules.Minimum, rules.Max, rules.Min),
    _WeightedSum,
}
"""The rules whose forward continues to complex numbers as it stands: no |a| and no variance."""

EXACT = 1e-10  # the tolerance of the complex step, relative to the sums that a gradient is made of
TINY = 1e-100  # the complex step: its square is 0, and nothing is subtracted
STEPS = 12  # each a tenth of the one before
ROWS = 10  # of the report


def gradcheck(
    fn: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Tensor],
    h: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
    order: int = 1,
) -> bool:
    r"""Compares the gradients of `fn` with what small changes say, element by element.

    Each element of the inputs is moved a little, up and down, for a central difference:

    $$\frac{\partial L}{\partial x_i} \approx \frac{L(x + h e_i) - L(x - h e_i)}{2 h}$$

    Nocedal and Wright (2006), "Numerical Optimization", section 8.1. It has about nine digits.
    Where all rules from the element to the result allow it, their forward equations are evaluated
    with a complex number, too. Nothing is subtracted then, so that has all digits, and finds a
    partial that is wrong by 1e-9:

    $$\frac{\partial L}{\partial x_i} \approx \frac{\operatorname{Im} L(x + i h e_i)}{h}$$

    Squire and Trapp (1998), "Using complex variables to estimate derivatives of real functions".

    $L$ is the result, or the sum of the elements of all results, each times a weight of its own.

    Args:
        fn: Takes the inputs and returns a tensor, or a tuple or list of tensors. It is called with
            copies. It may draw from `sg.generator()`, as Dropout does.
        inputs: One tensor or several; those that require gradients are checked, of float64.
        h: The step of the central difference, relative to elements larger than 1.
        rtol: The relative difference from the central difference that is allowed.
        atol: The absolute difference from the central difference that is allowed.
        seed: Starts `sg.generator()` before each call of `fn`, and the weights. The same seed gives
            the same report.
        order: 2 for the gradients of the gradients, too; they are checked if the gradients are
            right.

    Returns:
        True: every element agrees.

    Raises:
        AssertionError: Gradients differ, or a number is not finite. The report has a row for each
            element, the worst first: what `backward()` gives, what differences give, and whether it
            is wrong or the function has a kink or a jump there. It names the partial that is wrong.
        TypeError: An input or a result is not a Tensor of float64, or `h`, `rtol` or `atol` is no
            number.
        ValueError: One of these is out of range, no input requires gradients, the result does not
            depend on them by its graph, or `fn` gives different results for the same inputs.

    Examples:
        >>> x = sg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
        >>> sg.gradcheck(lambda x: (x**3).sum(), x)
        True
        >>> try:
        ...     sg.gradcheck(sg.relu, sg.Tensor(0.0, requires_grad=True, dtype=np.float64))
        ... except AssertionError as error:
        ...     print(error)
        1 of 1 gradients differs (seed=0).
        input  element  backward()  differences  verdict
        0                        0          0.5  kink: slopes 0 left, 1 right, backward() between
        kink: no bug. The function has no single slope there. Move the input away from it.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _check_inputs(inputs)
    write = "Write sg.gradcheck(fn, inputs, h=1e-6, rtol=1e-5, atol=1e-7)."
    h = checked_number(POSITIVE, h, "h is", write)
    rtol = checked_number(NON_NEGATIVE, rtol, "rtol is", write)
    atol = checked_number(NON_NEGATIVE, atol, "atol is", write)
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, but got {order!r:.80}. Write order=2.")
    if order == 2:
        gradcheck(fn, inputs, h, rtol, atol, seed)
        fn = _gradients_of(fn, seed)
    generator_before = generator()
    try:
        with np.errstate(all="ignore"):  # what is not finite is reported
            loss = _Loss(fn, inputs, seed)
            rows = [row for k in loss.checked for row in _wrong_elements(loss, k, h, rtol, atol)]
            loss.check_it_repeats()
            if rows:
                raise AssertionError(_report(loss, rows, h))
    finally:
        set_generator(generator_before)
    return True


# The equations


def _central_difference(L: Function, x: Array, e_i: Array, h: float) -> Array:
    """The slope of `L` along `e_i`, but for an error of h^2 and one of roundoff over h."""
    L_plus = L(x + h * e_i)
    L_minus = L(x - h * e_i)
    return (L_plus - L_minus) / (2 * h)


def _complex_step(L: Function, x: Array, e_i: Array, h: float) -> Array:
    """The slope of an analytic `L` along `e_i`; where two tie for a maximum, that on h's side."""
    L_plus = L(x + 1j * h * e_i)
    return L_plus.imag / h


# What is checked


def _gradients_of(fn: Callable[..., Any], seed: int) -> Callable[..., Any]:
    """The gradients of `fn`, whose results have a weight for each element, as a function."""

    def gradients(*inputs: Tensor) -> list[Tensor]:
        results, rng = fn(*inputs), np.random.default_rng(seed)
        results = [results] if isinstance(results, Tensor) else results
        weighted = [(c * rng.uniform(0.5, 1.5, c.shape)).sum() for c in results]
        x = [t for t in inputs if t.requires_grad]
        dx = grad(stack(weighted).sum(), x, create_graph=True, allow_unused=True)
        return [dt + 0 * t for dt, t in zip(dx, x, strict=True)]  # where it is constant, too

    return gradients


class _Loss:
    """L: what `fn` returns, weighted into one number, with its tape and its gradients."""

    def __init__(self, fn: Callable[..., Any], inputs: Sequence[Tensor], seed: int) -> None:
        self.fn, self.inputs, self.seed = fn, inputs, seed
        self.x = [t.numpy() for t in inputs]
        self.checked = [k for k, t in enumerate(inputs) if t.requires_grad]
        self.leaves = self.copies()
        results = self.results(self.leaves)
        _check_results(results)
        self.shapes = [result.shape for result in results]
        self.weights = [np.ones(shape) for shape in self.shapes]
        if sum(result.size for result in results) != 1:
            rng = np.random.default_rng(seed)
            self.weights = [rng.uniform(0.5, 1.5, shape) for shape in self.shapes]
        L = _WeightedSum.forward(*[result.data for result in results], weights=self.weights)
        self.tape = tape_of(record(L, _WeightedSum, *results, weights=self.weights))
        _check_tape(self.tape, inputs)
        self.grads = chain_rule(self.tape, np.ones(()), retain_grads=True)
        self.first = self.terms_of(results)
        self.check_it_repeats()

    def copies(self, k: int | None = None, x: Array | None = None) -> list[Tensor]:
        """The inputs as new leaves, with `x` for the data of input `k`."""
        arrays = [x if number == k else array for number, array in enumerate(self.x)]
        return [
            Tensor(np.asarray(array), t.requires_grad, name=t.name)
            for array, t in zip(arrays, self.inputs, strict=True)
        ]

    def results(self, leaves: Sequence[Tensor]) -> list[Any]:
        """What `fn` returns, as a list."""
        manual_seed(self.seed)
        result = self.fn(*leaves)
        return list(result) if isinstance(result, list | tuple) else [result]

    def terms_of(self, results: Sequence[Tensor]) -> Array:
        """The terms of L. They are added up late, so that those that stay the same cancel."""
        products = [w * result.data for w, result in zip(self.weights, results, strict=True)]
        return np.concatenate([np.ravel(product) for product in products])

    def terms(self, k: int | None = None, x: Array | None = None) -> Array:
        """The terms of L where input `k` is `x`, by a call of `fn`."""
        results = self.results(self.copies(k, x))
        shapes = [result.shape for result in results]
        if shapes != self.shapes:
            raise ValueError(
                f"fn returns shapes {self.shapes}, and then {shapes} for nearly the same inputs: "
                "there is nothing to compare. Move the inputs away from where the shapes change."
            )
        return self.terms_of(results)

    def check_it_repeats(self) -> None:
        again = self.terms()
        if not np.allclose(again, self.first, 1e-12, 1e-12, equal_nan=True):
            raise ValueError(
                f"fn gives different results for the same inputs: L = {self.first.sum():.10g}, and "
                f"then {again.sum():.10g}. Draw random numbers from sg.generator(), which is "
                f"started with seed={self.seed} before each call, in place of np.random, and let "
                "nothing else change from call to call."
            )

    def gradient(self, k: int) -> Array:
        """dL/d(input k), by the chain rule."""
        return self.grads.get(self.leaves[k].index, np.zeros(self.x[k].shape))

    def path(self, k: int) -> list[Tensor]:
        """What the tape makes of input `k`: the tensors that depend on it, L last."""
        reached, path = {self.leaves[k].index}, []
        for c in self.tape:
            if any(t.index in reached for t in c.inputs):
                reached.add(c.index)
                path.append(c)
        return path

    def along(self, path: Sequence[Tensor], k: int, x: Array) -> Array:
        """The elements of input `k` and of all tensors of its path, where the input is `x`."""
        values = {self.leaves[k].index: x}
        for c in path:
            arrays = [values.get(t.index, t.data) for t in c.inputs]
            values[c.index] = np.asarray(c.rule.forward(*arrays, **c.params))
        return np.concatenate([np.ravel(value) for value in values.values()])


# The comparison


class _Row(NamedTuple):
    """An element whose gradient differs from its slope."""

    k: int
    i: tuple[int, ...]
    given: float
    slope: float
    verdict: str
    how: str = ""


def _wrong_elements(loss: _Loss, k: int, h: float, rtol: float, atol: float) -> list[_Row]:
    """A row for each element of input `k` whose gradient differs."""
    x, gradient, path = loss.x[k], loss.gradient(k), loss.path(k)
    is_analytic = bool(path) and all(c.rule in ANALYTIC for c in path)
    rows = []
    for i in np.ndindex(x.shape):
        e_i = np.zeros(x.shape)
        e_i[i] = 1
        g, h_i = float(gradient[i]), h * max(1.0, abs(float(x[i])))
        found = _by_differences(lambda x: loss.terms(k, x), x, e_i, g, h_i, rtol, atol)
        if found is None and is_analytic:
            found = _by_complex_step(loss, path, k, e_i, g)
        if found is not None:
            rows.append(_Row(k, i, g, *found))
    return rows


def _by_differences(
    L: Function, x: Array, e_i: Array, g: float, h: float, rtol: float, atol: float
) -> tuple[float, str, str] | None:
    """None if `g` is the slope of L along `e_i`; else the slope, a verdict and how it shows.

    Where `g` differs, smaller steps tell why: the slopes on the left and on the right come together
    where L is smooth, do not at a kink, and grow at a jump.
    """
    central = float(np.sum(_central_difference(L, x, e_i, h)))
    if np.isclose(g, central, rtol, atol):
        return None
    if not math.isfinite(g):
        return central, "not finite", ""
    difference = abs(g - central) if math.isfinite(central) else math.inf
    L_x, moves = L(x), L(x + h * e_i) != L(x - h * e_i)
    steps: list[_Slopes] = []
    for s in h * 10.0 ** -np.arange(STEPS):
        L_plus, L_minus = L(x + s * e_i), L(x - s * e_i)
        left, right = float(np.sum(L_x - L_minus) / s), float(np.sum(L_plus - L_x) / s)
        roundoff_of_L = 1e-15 * float(np.sum(np.abs(L_plus[moves])))
        roundoff_of_x = float(np.max(np.spacing(np.abs(x)) * e_i)) * max(abs(left), abs(right))
        noise = (roundoff_of_L + roundoff_of_x) / s
        if steps and difference / 1000 < noise < math.inf:
            break  # so small a step tells nothing more
        if np.isclose(g, (left + right) / 2, rtol, atol + noise):
            return None
        steps.append(_Slopes(s, left, right, noise))
    finite = [step for step in steps if math.isfinite(step.left + step.right)] or steps
    return _verdict(finite[0], finite[-1], g, rtol, atol)


class _Slopes(NamedTuple):
    """The slopes on both sides by steps of h, and the roundoff that they may have."""

    h: float
    left: float
    right: float
    noise: float


def _verdict(
    first: _Slopes, last: _Slopes, g: float, rtol: float, atol: float
) -> tuple[float, str, str]:
    """Why `g` is not the slope, by the slopes of the first step and of the last, the smallest."""
    slope_first, slope = (first.left + first.right) / 2, (last.left + last.right) / 2
    if not math.isfinite(slope):
        sides = [side for side in ("left", "right") if not math.isfinite(getattr(last, side))]
        return slope, "edge", f"not finite on the {' and the '.join(sides)}"
    steep_first, steep = max(map(abs, first[1:3])), max(map(abs, last[1:3]))
    if steep - last.noise > (steep_first + first.noise) * (first.h / last.h) ** 0.3:
        growth = f"from {steep_first:.2g} at h = {first.h:.0e} to {steep:.2g} at {last.h:.0e}"
        return slope_first, "jump", f"the slope grows {growth}"
    gap_first, gap = abs(first.right - first.left), abs(last.right - last.left)
    if last.h < first.h and gap > max(gap_first / 2, abs(g - slope) / 10):
        margin = atol + rtol * steep + last.noise
        is_between = min(last[1:3]) - margin <= g <= max(last[1:3]) + margin
        slopes = f"slopes {last.left:.3g} left, {last.right:.3g} right"
        if is_between:
            return slope, "kink", f"{slopes}, backward() between"
        return slope, "kink, backward() outside", slopes
    return slope_first if abs(slope_first - slope) <= last.noise else slope, "wrong", ""


def _by_complex_step(
    loss: _Loss, path: Sequence[Tensor], k: int, e_i: Array, g: float
) -> tuple[float, str, str] | None:
    """None if `g` is the slope of L along `e_i` to nearly all digits; else as `_by_differences`."""

    def elements(x: Array) -> Array:
        return loss.along(path, k, x)

    x = loss.leaves[k].data
    above = _complex_step(elements, x, e_i, TINY)
    below = _complex_step(elements, x, e_i, -TINY)
    tangents = (above + below) / 2  # d(tensor)/dx_i of each element on the path
    adjoints = np.concatenate([np.ravel(loss.grads[c.index]) for c in (loss.leaves[k], *path)])
    slope = float(tangents[-1])
    # The roundoff of backward: its sums may cancel, and so may 1 - c^2 inside the partial of tanh
    sums = np.sum(np.abs(adjoints * tangents))
    factors = np.max(np.abs(adjoints[tangents != 0]), initial=0) * np.max(np.abs(tangents))
    allowed = EXACT * sums + 1e-14 * factors
    if math.isfinite(allowed) and abs(g - slope) > allowed:
        return slope, "wrong", "by the complex step"
    return None


# The report


ADVICE = {
    "not finite": "with sg.detect_anomaly() around fn and backward(), an error says where the "
    "number comes from.",
    "kink, backward() outside": "even at a kink, backward() has to give a number between the two "
    "slopes. Move the input away from the kink: if it is wrong there, too, a partial is.",
    "kink": "no bug. The function has no single slope there. Move the input away from it.",
    "jump": "the function has no slope there. Move the input away from it.",
    "edge": "there is nothing to compare with. Move the input to where the function is finite.",
}


def _report(loss: _Loss, rows: list[_Row], h: float) -> str:
    """The count, a line for each row, the worst first, and what to do for each verdict."""
    rows = sorted(rows, key=_badness)
    verb = "differs" if len(rows) == 1 else "differ"
    count = sum(loss.x[k].size for k in loss.checked)
    lines = [f"{len(rows)} of {count} gradients {verb} (seed={loss.seed})."]
    if loss.first.size > 1:
        lines.append(
            f"L is the sum of the {loss.first.size} elements of the result, each times a weight."
        )
    table = [("input", "element", "backward()", "differences", "verdict")]
    for k, i, given, slope, verdict, how in rows[:ROWS]:
        name = loss.inputs[k].name
        element = str(list(i)) if i else ""
        verdict_and_how = f"{verdict}: {how}" if how else verdict
        numbers = _told_apart(given, slope)
        table.append((f"{k} ({name})" if name else f"{k}", element, *numbers, verdict_and_how))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for a, b, c, d, e in table:
        cells = a.ljust(widths[0]), b.ljust(widths[1]), c.rjust(widths[2]), d.rjust(widths[3]), e
        lines.append("  ".join(cells))
    if len(rows) > ROWS:
        lines.append(f"... and {len(rows) - ROWS} more")
    verdicts = {row.verdict for row in rows}
    if "wrong" in verdicts:
        lines += [f"wrong: {suspect}" for suspect in _suspects(loss, rows[0], h)]
    lines += [f"{verdict}: {ADVICE[verdict]}" for verdict in ADVICE if verdict in verdicts]
    return "\n".join(lines)


def _badness(row: _Row) -> tuple[bool, float]:
    """What the rows are sorted by: bugs first, then the size of the difference."""
    difference = abs(row.given - row.slope)
    return row.verdict != "wrong", -difference if difference < math.inf else -math.inf


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ, and at least six."""
    texts = [(f"{a:.{digits}g}", f"{b:.{digits}g}") for digits in (6, 9, 12, 15, 17)]
    return next((both for both in texts if both[0] != both[1]), texts[-1])


def _suspects(loss: _Loss, row: _Row, h: float) -> list[str]:
    """Where the difference of a row comes from, found by a walk along the path of its input.

    At each rule, what its partials contribute to dL/dx_i is compared with what small changes of the
    inputs of its forward do: the differences of all rules add up to that of the row.
    """
    path = loss.path(row.k)
    if not all(hasattr(c.rule, "forward") for c in path):  # as of a recording
        return [f"look at the rules {', '.join(c.rule.__name__ for c in path)}."]
    e_i = np.zeros(loss.x[row.k].shape)
    e_i[row.i] = 1
    tangents = {loss.leaves[row.k].index: e_i}  # d(tensor)/dx_i
    enough = abs(row.given - row.slope) / 10
    suspects = []
    for c in path:
        arrays = [t.data for t in c.inputs]
        tangents[c.index] = np.zeros(c.shape)
        for j, (t, partial) in enumerate(zip(c.inputs, c.rule.partials, strict=False)):
            if t.index in tangents:
                tangent = _tangent(c, j, tangents[t.index], h)
                tangents[c.index] = tangents[c.index] + tangent
                da = unbroadcast(partial(loss.grads[c.index], c.data, *arrays, **c.params), t.shape)
                by_partial = float(np.sum(da * tangents[t.index]))
                by_forward = float(np.sum(loss.grads[c.index] * tangent))
                if abs(by_partial - by_forward) > enough:
                    name = name_of_partial(partial)
                    numbers = _told_apart(by_partial, by_forward)
                    suspects.append(
                        f"look at {c.rule.__name__}.{name}. To the first row it adds "
                        f"{numbers[0]}, and differences of its forward say {numbers[1]}."
                    )
    by_tape = float(np.sum(tangents[loss.tape[-1].index])) if path else 0.0
    if abs(by_tape - row.slope) > enough:
        suspects.append(
            "the result depends on the input in a way that the graph does not know. Compute with "
            "Tensors and functions of sg. all the way, without .data, .numpy(), .detach() or "
            "no_grad()."
        )
    return suspects or [f"look at the rules {', '.join(c.rule.__name__ for c in path)}."]


def _tangent(c: Tensor, j: int, tangent: Array, h: float) -> Array:
    """How `c` changes as its input `j` moves along a tangent, by its rule's forward alone."""

    def forward(a: Array) -> Array:
        arrays = [t.data for t in c.inputs]
        return np.asarray(c.rule.forward(*arrays[:j], a, *arrays[j + 1 :], **c.params))

    a = c.inputs[j].data
    if c.rule in ANALYTIC:
        return _complex_step(forward, a, tangent, TINY)
    largest = np.max(np.abs(tangent), initial=1.0)
    return _central_difference(forward, a, tangent, h / largest)


# The checks of what was given


def _check_inputs(inputs: Sequence[Tensor]) -> None:
    for number, t in enumerate(inputs):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"gradcheck takes Tensors, but input {number} is a {type(t).__name__}. Write "
                "sg.gradcheck(fn, [sg.Tensor(array, requires_grad=True)])."
            )
        if t.requires_grad and t.dtype != np.float64:
            raise TypeError(
                f"gradcheck needs the digits of float64, but input {number} is {t.dtype}. Write "
                "sg.Tensor(data, requires_grad=True, dtype=np.float64)."
            )
    if not any(t.requires_grad for t in inputs):
        raise ValueError(
            "gradcheck was given no input that requires gradients, so there is nothing to check. "
            "Write sg.Tensor(data, requires_grad=True, dtype=np.float64)."
        )


def _check_results(results: Sequence[Any]) -> None:
    for result in results:
        if not isinstance(result, Tensor):
            raise TypeError(
                f"gradcheck differentiates Tensors, but fn returns a {type(result).__name__}. Let "
                "it return a tensor, or a tuple or list of tensors, computed with Tensors and "
                "functions of sg."
            )
        if result.dtype != np.float64:
            raise TypeError(
                f"gradcheck needs the digits of float64, but fn returns {result!r}. Compute it "
                "from the inputs that fn is given, of float64, without a conversion on the way."
            )
        wrong = np.argwhere(~np.isfinite(result.data))
        if len(wrong):
            raise AssertionError(
                f"{len(wrong)} of {result.size} elements of the result are not finite, the first "
                f"at {wrong[0].tolist()}: {result.data[tuple(wrong[0])]}. Write with "
                "sg.detect_anomaly(): fn(...), and an error says where the number comes from."
            )


def _check_tape(tape: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
    for number, t in enumerate(inputs):
        if any(t is leaf for leaf in tape):
            raise ValueError(
                f"fn uses input {number} itself, and not the argument that it is given: a copy, "
                "which gradcheck moves. Write def fn(x): ..., and use x in it, or t.detach() for a "
                "constant."
            )
    if not tape[-1].requires_grad:
        raise ValueError(
            "the result of fn requires no gradient: no graph leads from it to an input. Compute "
            "with Tensors and functions of sg. all the way, without .data, .numpy(), .detach() or "
            "no_grad()."
        )
