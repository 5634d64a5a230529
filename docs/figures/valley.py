"""The valley: a quadratic loss of two parameters, and the paths of four optimizers down to it."""

import itertools
from collections.abc import Callable

import numpy as np
from figures import Figure
from plot import Axes, sample

import simplegrad as sg
import simplegrad.optimizers as optim

STEPS = 50
RATES = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5]
MOMENTA = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95]
KAPPAS = [1, 4, 10, 25, 50, 100]
ANGLES = [0, 15, 30, 45]  # degrees
START = np.array([5.0, 1.0])
LEVELS = 0.2 * 2.0 ** np.arange(10)  # the losses of the contour lines
LOWEST = 1e-9  # a smaller loss is drawn as this one, far below the picture

MAP = Axes(x=(-2.4, 5.6), y=(-2.4, 5.6), size=(400, 400))
LOSS = Axes(x=(0, STEPS), y=(-5, 3), size=(520, 400))  # of its logarithm

# What an optimizer did in one valley: the places, of shape (STEPS + 1, 2), and their losses
Run = tuple[np.ndarray, np.ndarray]
Runs = dict[tuple[float, float], Run]  # by kappa and angle


def valley(kappa: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """The Hessian, and the place where the paths start, both turned by an angle in degrees."""
    turn = np.radians(angle)
    Q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return Q @ np.diag([1.0, kappa]) @ Q.T, Q @ START


def descent(make: type[optim.Optimizer], **hyperparameters: float) -> Runs:
    """What an optimizer does in each valley.

    One tensor holds the places in all of them: an optimizer treats each element by itself.
    """
    valleys = {pair: valley(*pair) for pair in itertools.product(KAPPAS, ANGLES)}
    H = np.array([hessian for hessian, _ in valleys.values()])
    starts = np.array([start for _, start in valleys.values()])
    theta = sg.Tensor(starts[:, :, None], requires_grad=True)
    opt = make(param_groups=[{"params": {"theta": theta}}], **hyperparameters)
    paths, losses = [], []
    for step in range(STEPS + 1):
        L = (theta * (H @ theta)).sum(axis=(1, 2)) / 2
        paths.append(theta.numpy()[:, :, 0])
        losses.append(L.numpy())
        if step < STEPS:
            L.sum().backward()
            opt.step()
            opt.zero_grad()
    runs = zip(np.stack(paths, axis=1), np.stack(losses, axis=1), strict=True)
    return dict(zip(valleys, runs, strict=True))


# What is shown of a run


def on_the_map(path: np.ndarray, losses: np.ndarray) -> str:
    """The line through its places."""
    return MAP.path(*path.T)


def over_steps(path: np.ndarray, losses: np.ndarray) -> str:
    """The line of its losses."""
    return LOSS.path(np.arange(STEPS + 1), np.log10(np.maximum(losses, LOWEST)))


def last_place(path: np.ndarray, losses: np.ndarray) -> str:
    """Where it has come to."""
    return "({:.2g}, {:.2g})".format(*path[-1])


def last_loss(path: np.ndarray, losses: np.ndarray) -> str:
    """The loss there."""
    return f"{losses[-1]:.2g}"


def figure() -> Figure:
    """The figure with its sliders."""
    made = Figure("valley")
    lr = made.slider("learning rate <i>lr</i>", RATES, start=0.15)
    mu = made.slider("momentum <i>μ</i>", MOMENTA, start=0.8)
    kappa = made.slider("condition number <i>κ</i>", KAPPAS, start=10)
    angle = made.slider("angle of the valley", ANGLES, start=30, text="{}°".format)
    damped = {(x, m): descent(optim.SGD, lr=x, momentum=m) for x in RATES for m in MOMENTA}
    optimizers = [
        ("SGD", [lr], {(x,): damped[x, 0.0] for x in RATES}),
        ("Momentum", [lr, mu], damped),
        ("RMSProp", [lr], {(x,): descent(optim.RMSProp, lr=x) for x in RATES}),
        ("Adam", [lr], {(x,): descent(optim.Adam, lr=x) for x in RATES}),
    ]

    turned = made.attribute("transform", lambda degrees: f"rotate({-degrees})", angle)
    unit, _ = MAP.places(np.ones(1), np.zeros(1))[0] - MAP.places(np.zeros(1), np.zeros(1))[0]
    lines = ""
    for level in LEVELS:  # of L = (x² + κ y²) / 2, ellipses

        def ry(k: float, level: float = level) -> str:
            return f"{unit * np.sqrt(2 * level / k):.1f}"

        rx = unit * np.sqrt(2 * level)
        lines += f'<ellipse rx="{rx:.1f}" {made.attribute("ry", ry, kappa)}/>'
    ((right, down),) = MAP.places(np.zeros(1), np.zeros(1))
    ground = (
        f'<g class="contours" transform="translate({right:g} {down:g})"><g {turned}>{lines}</g>'
        '<path d="M-14 0h28M0-14v28"/></g>'
    )

    maps, curves, rows = "", "", ""
    for number, (name, own, runs) in enumerate(optimizers, 1):
        controls = *own, kappa, angle
        look = f'class="curve dots curve-{number}"'

        def of(shown: Callable[..., str], runs: dict = runs) -> Callable[..., str]:
            return lambda *values: shown(*runs[values[:-2]][values[-2:]])

        path = made.attribute("d", of(on_the_map), *controls)
        curve = made.attribute("d", of(over_steps), *controls)
        picture = MAP.svg(
            f"{ground}<path {look} {path}/>",
            f"The path of {name} on a map of the valley; the table says where it ends",
            x_ticks=[(0, "0"), (5, "5")],
            y_ticks=[(0, "0"), (5, "5")],
            names=("θ₁", "θ₂"),
        )
        title = f"{sample(look)} {name}"
        maps += f'<div class="figure-map"><div class="figure-title">{title}</div>{picture}</div>'
        curves += f'<path class="curve curve-{number}" {curve}/>'
        ends = [made.element("td", of(shown), *controls) for shown in (last_place, last_loss)]
        rows += f'<tr><th scope="row">{title}</th>{"".join(ends)}</tr>'

    losses = LOSS.svg(
        curves,
        f"The losses over {STEPS} steps, on a logarithmic axis; the table says how they end",
        x_ticks=[(step, f"{step}") for step in range(0, STEPS + 1, 10)],
        y_ticks=[
            (power, f'10<tspan dy="-0.5em" class="power">{power}</tspan>')
            for power in range(-4, 3, 2)
        ],
        names=("step <tspan class='math'>t</tspan>", "loss"),
        margin=(86, 62),
    )
    table = (
        '<table><thead><tr><th scope="col">optimizer</th>'
        f'<th scope="col">place after {STEPS} steps</th><th scope="col">loss</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    made.picture = (
        f'<div class="figure-half figure-maps">{maps}</div>'
        f'<div class="figure-half">{losses}{table}</div>'
    )
    made.caption = (
        "Four optimizers go down the same valley from the same place. Each dot is a step, each "
        "contour line has twice the loss of the one within it, and the cross is the minimum. The "
        "learning rate holds for all four; <i>Momentum</i> is SGD with momentum <i>μ</i>. RMSProp has "
        "<i>β</i>₂ = 0.99, and Adam <i>β</i>₁ = 0.9 and <i>β</i>₂ = 0.999. A loss that leaves the "
        "picture at the top diverges."
    )
    return made
