"""Adam: the gradients of the chapter, the moments and the step over time, and one step in numbers."""

import itertools
from collections.abc import Callable, Sequence
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
COLUMNS = {name: k for k, name in enumerate(WEIGHTS)}
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


def lines_of(gradients: np.ndarray, **decay: float) -> dict[tuple[str, int], list[Line]]:
    """{(weight, t): the lines of the equations of that step, as `explain` sees them run}."""
    lines = {}
    for name, k in COLUMNS.items():
        w, opt = adam(**decay)
        for t, w.grad in enumerate(gradients, 1):
            ran = sg.explain(opt.step, parameter="w", index=k)
            lines[name, t] = [line for line in ran if line.equation]
    return lines


class Runs:
    """What Adam does at each position of the controls, and how that is written.

    The moments depend on their own decays alone, so they are kept by these.
    """

    def __init__(self) -> None:
        self.gradients = gradients_of_the_chapter()
        self.thetas = {
            values: thetas_of(self.gradients, **dict(zip(HYPERPARAMETERS, values, strict=True)))
            for values in itertools.product(*HYPERPARAMETERS.values())
        }
        decays = {"beta_1": HYPERPARAMETERS["beta_1"], "beta_2": HYPERPARAMETERS["beta_2"]}
        self.lines = {
            (name, decay): lines_of(self.gradients, **{name: decay})
            for name, values in decays.items()
            for decay in values
        }

    def curve(self, equation: int, of: str, root: bool = False) -> Callable[..., str]:
        """The results of an equation over time, by its decay, `of`, and the weight."""

        def path(decay: float, weight: str) -> str:
            lines = self.lines[of, decay]
            results = np.array([lines[weight, t][equation].result for t in TIMES])
            return over_time(np.sqrt(results) if root else results, weight)

        return path

    def gradient(self, weight: str) -> str:
        """The gradients over time."""
        return over_time(self.gradients[:, COLUMNS[weight]], weight)

    def change(self, lr: float, *values: Any) -> str:
        """What each step changes, over time."""
        *others, weight = values
        changes = np.diff(self.thetas[(lr, *others)][:, COLUMNS[weight]])
        return CHANGES.path(np.array(TIMES), changes / lr)

    def theta(self, done: int, written: Callable[[float], str]) -> Callable[..., str]:
        """The weight before step t, or with `done` = 1 after it."""

        def text(*values: Any) -> str:
            *run, weight, t = values
            return written(self.thetas[tuple(run)][t - 1 + done, COLUMNS[weight]])

        return text

    def result(self, equation: int, of: str) -> Callable[..., str]:
        """The result of an equation in step t, as an operand."""
        return lambda decay, weight, t: operand(self.lines[of, decay][weight, t][equation].result)

    def numbers(self, equation: int, of: str) -> Callable[..., str]:
        """The numbers that an equation has in step t, and its result."""

        def text(decay: float, weight: str, t: int) -> str:
            line = self.lines[of, decay][weight, t][equation]
            return f"= {rounded(line.numbers)} = {number(line.result)}"

        return text


def over_time(values: np.ndarray, weight: str) -> str:
    """A line of numbers that have the unit of a gradient."""
    return GRADIENTS.path(np.array(TIMES), values / LARGEST[weight])


def number(value: float) -> str:
    """A number, of six digits."""
    return rounded(text_of(value))


def operand(value: float) -> str:
    """A number to compute with: in parentheses if it is negative."""
    return f"({number(value)})" if value < 0 else number(value)


def figure() -> Figure:
    """The figure with its sliders."""
    made, runs = Figure("adam"), Runs()
    weight = made.choice("weight", list(WEIGHTS), start="noisy")
    hyperparameters = [
        made.slider("learning rate <i>lr</i>", HYPERPARAMETERS["lr"], start=0.01),
        made.slider("<i>β</i>₁", HYPERPARAMETERS["beta_1"], start=0.9),
        made.slider("<i>β</i>₂", HYPERPARAMETERS["beta_2"], start=0.999),
        made.slider("<i>ε</i>", HYPERPARAMETERS["eps"], start=1e-8),
        made.choice("maximize", HYPERPARAMETERS["maximize"], start=False),
    ]
    lr, beta_1, beta_2, eps, maximize = hyperparameters
    time = made.slider("step <i>t</i>", TIMES, start=5, steps=True)

    # Over time

    legend, drawn = "", ""
    for name, tex, path, *controls in [
        ("curve-1", r"\hat m", runs.curve(2, "beta_1"), beta_1, weight),
        ("curve-2", "m_t", runs.curve(0, "beta_1"), beta_1, weight),
        ("curve-3", r"\sqrt{\hat v}", runs.curve(3, "beta_2", root=True), beta_2, weight),
        ("curve-4 dots alone", "g", runs.gradient, weight),
    ]:
        look = f'class="curve {name}"'
        legend += f"<span>{sample(look)} {typeset.typeset(tex, False)}</span> "
        drawn += f"<path {look} {made.attribute('d', path, *controls)}/>"
    changed = made.attribute("d", runs.change, *hyperparameters, weight)

    def cursor(axes: Axes) -> str:
        step = axes.size[0] / (STEPS + 1)
        place = made.attribute("transform", lambda t: f"translate({t * step:.1f})", time)
        return f'<path class="cursor" d="M0 0v{axes.size[1]}" {place}/>'

    def ticks(parts: Sequence[float], control: Control, sizes: dict) -> list[tuple[float, str]]:
        return [
            (x, made.element("tspan", lambda value, x=x: f"{x * sizes[value]:g}", control))
            for x in parts
        ]

    steps = [(t, f"{t}") for t in range(0, STEPS + 1, 10)]
    gradients = GRADIENTS.svg(
        cursor(GRADIENTS) + drawn,
        f"The gradient, both first moments and the root of the second over {STEPS} steps; the "
        "equations have the numbers of one step",
        x_ticks=steps,
        y_ticks=ticks((-1, -0.5, 0, 0.5, 1), weight, LARGEST),
        names=('step <tspan class="math">t</tspan>', "gradient"),
        margin=(96, 62),
    )
    changes = CHANGES.svg(
        f'{cursor(CHANGES)}<path class="curve dots curve-1" {changed}/>',
        f"The change of the weight in each of {STEPS} steps",
        x_ticks=steps,
        y_ticks=ticks((-3, -1, 0, 1, 3), lr, {rate: rate for rate in lr.values}),
        names=('step <tspan class="math">t</tspan>', 'change of <tspan class="math">θ</tspan>'),
        margin=(96, 62),
    )

    # One step in numbers; the last line in pieces, most of which depend on few of the controls

    def piece(text: Callable[..., str], *controls: Control) -> str:
        return made.element("span", text, *controls)

    of_m, of_v, of_all = (
        (beta_1, weight, time),
        (beta_2, weight, time),
        (*hyperparameters, weight, time),
    )
    before, after = (
        piece(runs.theta(0, operand), *of_all),
        piece(runs.theta(1, number), *of_all),
    )
    sign = piece(lambda climbs: "+" if climbs else "-", maximize)
    m_hat, v_hat = piece(runs.result(2, "beta_1"), *of_m), piece(runs.result(3, "beta_2"), *of_v)
    denominator = f"(np.sqrt({v_hat}) + {piece(str, eps)})"
    numbers = [
        piece(runs.numbers(0, "beta_1"), *of_m),
        piece(runs.numbers(1, "beta_2"), *of_v),
        piece(runs.numbers(2, "beta_1"), *of_m),
        piece(runs.numbers(3, "beta_2"), *of_v),
        f"= {before} {sign} {piece(str, lr)} * {m_hat} / {denominator} = {after}",
    ]
    equations = ""
    for line, text in zip(runs.lines["beta_1", 0.9]["noisy", 1], numbers, strict=True):

        def head(climbs: bool, line: Line = line) -> str:
            equation = line.equation.replace("-}=", "+}=") if climbs else line.equation
            return f"{typeset.typeset(equation, True)}<code>{line.code}</code>"

        equations += (
            f"<li>{made.element('div', head, maximize)}"
            f'<code class="figure-numbers">{text}</code></li>'
        )

    made.picture = (
        f'<div class="figure-half"><div class="figure-title">{legend}</div>{gradients}'
        f'<div class="figure-title">The step</div>{changes}</div>'
        f'<ol class="figure-half figure-equations">{equations}</ol>'
    )
    made.caption = (
        f"Adam on the first {STEPS} gradients of a weight, which starts at 0. Above are the gradient "
        "and its moments, below what the step changes, and beside them the equations of step "
        "<i>t</i>, where the vertical line is, with the lines of <code>simplegrad/optimizers/adam.py"
        "</code> and their numbers, rounded to six digits."
    )
    return made
