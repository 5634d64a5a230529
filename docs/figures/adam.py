"""Adam: the gradients of the chapter, the moments and the step over time, and one step in numbers."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import typeset
from figures import Control, Figure
from plot import Axes, sample

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad.tools.lines import Line, rounded, text_of

STEPS = 30
TIMES = range(1, STEPS + 1)
WEIGHTS = {"steady": 26, "noisy": 20, "rare": 55}  # the pixels that they lead from
LARGEST = {"steady": 0.1, "noisy": 0.2, "rare": 0.006}  # what fits on the axis of gradients
HYPERPARAMETERS: dict[str, list] = {
    "lr": [0.001, 0.01, 0.1],
    "beta_1": [0.0, 0.5, 0.9, 0.99],
    "beta_2": [0.9, 0.99, 0.999],
    "eps": [1e-8, 1e-3, 1e-1],
    "maximize": [False, True],
}

GRADIENTS = Axes(x=(0, STEPS + 1), y=(-1, 1), size=(520, 300))  # of the largest
CHANGES = Axes(x=(0, STEPS + 1), y=(-3.5, 3.5), size=(520, 220))  # of theta, in units of lr


def gradients_of_the_chapter() -> np.ndarray:
    """The first gradients of its three weights, of shape (STEPS, 3)."""
    digits = sg.datasets.load_digits()
    x, y = digits.x_train.astype(np.float64), digits.y_train
    W = sg.Tensor(np.zeros((64, 10)), requires_grad=True)
    rng = np.random.default_rng(0)
    gradients = []
    for _ in TIMES:
        rows = rng.integers(len(x), size=16)
        sg.cross_entropy(x[rows] @ W, y[rows]).backward()
        gradients.append(W.grad[list(WEIGHTS.values()), 3])
        W.zero_grad()
    return np.array(gradients)


def adam(**hyperparameters: Any) -> tuple[sg.Tensor, optim.Adam]:
    """Three weights of zero, and their optimizer."""
    w = sg.Tensor(np.zeros(len(WEIGHTS)), requires_grad=True)
    return w, optim.Adam(param_groups=[{"params": {"w": w}}], **hyperparameters)


def thetas_of(gradients: np.ndarray, **hyperparameters: Any) -> np.ndarray:
    """The weights before the first step and after each, of shape (STEPS + 1, 3)."""
    w, opt = adam(**hyperparameters)
    thetas = [w.numpy()]
    for w.grad in gradients:
        opt.step()
        thetas.append(w.numpy())
    return np.array(thetas)


def moments_of(gradients: np.ndarray, beta_1: float, beta_2: float) -> dict[tuple, list[Line]]:
    """{(weight, t): the lines of the equations of that step, as `explain` sees them run}."""
    lines = {}
    for k, name in enumerate(WEIGHTS):
        w, opt = adam(beta_1=beta_1, beta_2=beta_2)
        for t, w.grad in enumerate(gradients, 1):
            lines[name, t] = [x for x in sg.explain(opt.step, parameter="w", index=k) if x.equation]
    return lines


def figure() -> Figure:
    """The figure with its sliders."""
    made = Figure("adam")
    weight = made.choice("weight", list(WEIGHTS), start="noisy")
    sliders = [
        made.slider("learning rate <i>lr</i>", HYPERPARAMETERS["lr"], start=0.01),
        made.slider("<i>β</i>₁", HYPERPARAMETERS["beta_1"], start=0.9),
        made.slider("<i>β</i>₂", HYPERPARAMETERS["beta_2"], start=0.999),
        made.slider("<i>ε</i>", HYPERPARAMETERS["eps"], start=1e-8),
        made.choice("maximize", HYPERPARAMETERS["maximize"], start=False),
    ]
    lr, beta_1, beta_2, eps, maximize = sliders
    time = made.slider("step <i>t</i>", TIMES, start=5, steps=True)

    gradients = gradients_of_the_chapter()
    column = {name: k for k, name in enumerate(WEIGHTS)}
    thetas = {
        values: thetas_of(gradients, **dict(zip(HYPERPARAMETERS, values, strict=True)))
        for values in itertools.product(*HYPERPARAMETERS.values())
    }
    # m_t and its correction depend on beta_1 alone, v_t and its own on beta_2
    of_m = {b: moments_of(gradients, b, 0.999) for b in beta_1.values}
    of_v = {b: moments_of(gradients, 0.9, b) for b in beta_2.values}

    def results(lines: dict[tuple, list[Line]], equation: int, name: str) -> np.ndarray:
        return np.array([lines[name, t][equation].result for t in TIMES])

    def line(values: np.ndarray, name: str) -> str:
        return GRADIENTS.path(np.array(TIMES), values / LARGEST[name])

    def g(name: str) -> str:
        return line(gradients[:, column[name]], name)

    def m_t(b: float, name: str) -> str:
        return line(results(of_m[b], 0, name), name)

    def m_hat(b: float, name: str) -> str:
        return line(results(of_m[b], 2, name), name)

    def root(b: float, name: str) -> str:
        return line(np.sqrt(results(of_v[b], 3, name)), name)

    def change(rate: float, *values: Any) -> str:
        *others, name = values
        changes = np.diff(thetas[(rate, *others)][:, column[name]])
        return CHANGES.path(np.array(TIMES), changes / rate)

    legend, drawn = "", ""
    for number, (tex, d, *controls) in enumerate(
        [
            (r"\hat m", m_hat, beta_1, weight),
            ("m_t", m_t, beta_1, weight),
            (r"\sqrt{\hat v}", root, beta_2, weight),
            ("g", g, weight),
        ],
        1,
    ):
        look = f'class="curve curve-{number} {"dots alone" * (tex == "g")}"'
        legend += f"<span>{sample(look)} {typeset.typeset(tex, False)}</span> "
        drawn += f"<path {look} {made.attribute('d', d, *controls)}/>"
    changed = f'<path class="curve dots curve-1" {made.attribute("d", change, *sliders, weight)}/>'

    def cursor(axes: Axes) -> str:
        one = axes.size[0] / (STEPS + 1)
        at = made.attribute("transform", lambda t: f"translate({t * one:.1f})", time)
        return f'<path class="cursor" d="M0 0v{axes.size[1]}" {at}/>'

    x_ticks = [(t, f"{t}") for t in range(0, STEPS + 1, 10)]

    def tick(part: float, control: Control, size: Callable[[Any], float]) -> tuple[float, str]:
        return part, made.element("tspan", lambda value: f"{part * size(value):g}", control)

    name_t = '<tspan class="math">t</tspan>'
    moments = GRADIENTS.svg(
        cursor(GRADIENTS) + drawn,
        f"The gradient, both first moments and the root of the second over {STEPS} steps; the "
        "equations have the numbers of one step",
        x_ticks=x_ticks,
        y_ticks=[tick(part, weight, LARGEST.__getitem__) for part in (-1, -0.5, 0, 0.5, 1)],
        names=(f"step {name_t}", "gradient"),
        margin=(96, 62),
    )
    changes = CHANGES.svg(
        cursor(CHANGES) + changed,
        f"The change of the weight in each of {STEPS} steps",
        x_ticks=x_ticks,
        y_ticks=[tick(part, lr, float) for part in (-3, -1, 0, 1, 3)],
        names=(f"step {name_t}", "change of <tspan class='math'>θ</tspan>"),
        margin=(96, 62),
    )

    # One step in numbers

    def numbers(written: Line) -> str:
        return f"= {rounded(written.numbers)} = {rounded(text_of(written.result))}"

    def theta(steps: int) -> Callable[..., str]:
        """The weight, so many steps before or after the beginning of step t."""

        def written(*values: Any) -> str:
            *run, name, t = values
            text = rounded(text_of(thetas[tuple(run)][t - 1 + steps, column[name]]))
            return f"({text})" if text[0] == "-" and not steps else text

        return made.element("span", written, *sliders, weight, time)

    def sign(climbs: bool) -> str:
        return "+" if climbs else "-"

    one = of_m[0.9]["steady", 1]

    def with_sign(text: str, climbs: bool) -> str:
        return text.replace("-}=", "+}=").replace("-=", "+=") if climbs else text

    def m_hat_at(b: float, name: str, t: int) -> str:
        result = rounded(text_of(of_m[b][name, t][2].result))
        return f"({result})" if result[0] == "-" else result

    def v_hat_at(b: float, name: str, t: int) -> str:
        return rounded(text_of(of_v[b][name, t][3].result))

    moving = functools.partial(made.element, "span")
    last = (
        f"= {theta(0)} {moving(sign, maximize)} {moving(str, lr)} * "
        f"{moving(m_hat_at, beta_1, weight, time)} / (np.sqrt("
        f"{moving(v_hat_at, beta_2, weight, time)}) + {moving(str, eps)}) = {theta(1)}"
    )
    put_in = [
        moving(lambda b, name, t: numbers(of_m[b][name, t][0]), beta_1, weight, time),
        moving(lambda b, name, t: numbers(of_v[b][name, t][1]), beta_2, weight, time),
        moving(lambda b, name, t: numbers(of_m[b][name, t][2]), beta_1, weight, time),
        moving(lambda b, name, t: numbers(of_v[b][name, t][3]), beta_2, weight, time),
        last,
    ]
    equations = ""
    for equation, line_with_numbers in zip(one, put_in, strict=True):

        def head(climbs: bool, equation: Line = equation) -> str:
            formula = typeset.typeset(with_sign(equation.equation, climbs), True)
            return f"{formula}<code>{with_sign(equation.code, climbs)}</code>"

        equations += (
            f"<li>{made.element('div', head, maximize)}"
            f'<code class="figure-numbers">{line_with_numbers}</code></li>'
        )

    made.picture = (
        f'<div class="figure-half"><div class="figure-title">{legend}</div>{moments}'
        f'<div class="figure-title">The step</div>{changes}</div>'
        f'<ol class="figure-half figure-equations">{equations}</ol>'
    )
    made.caption = (
        "Adam on the first 30 gradients of a weight, which starts at 0. Above are the gradient and "
        "its moments, below what the step changes, and beside them the equations of step "
        "<i>t</i>, where the vertical line is, with the lines of <code>simplegrad/optimizers/adam.py"
        "</code> and their numbers, rounded to six digits."
    )
    return made
