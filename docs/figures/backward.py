"""The backward pass: a player of a graph, step by step forward and backward, of any small tensor.

The graph is what `sg.draw` draws, and the lines and their numbers are what `sg.explain` sees run. What
is added here is the order: the tape, then the tape in reverse, one input at a time.
"""

import itertools
import re
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

import numpy as np
import typeset
from figures import Figure

import simplegrad as sg
from simplegrad.autograd import unbroadcast
from simplegrad.tools.folding import graph
from simplegrad.tools.lines import result_of, rounded, text_of

LARGEST = 20  # nodes
MOVING_TEXT = re.compile(r"<text ([^>]*)>((value|grad) [^<]*)</text>")  # of a node of sg.draw
PLACES = "first", "second", "third"


class Step(NamedTuple):
    """What is seen in one step.

    Attributes:
        node: The number of the node that is lit.
        edge: That of the arrow along which a gradient goes back, if one does.
        texts: What is written in the nodes, by their numbers: {"value": …, "grad": …}.
        words: What is done, as HTML.
    """

    node: int
    edge: int | None
    texts: list[dict[str, str]]
    words: str


def figure() -> Figure:
    """The figure with its player."""
    w = sg.Tensor(2.0, requires_grad=True, name="w")
    u = w * w
    v = w * u
    L = u + v
    u.name, v.name, L.name = "u", "v", "L"
    made = Figure("backward")
    play(made, L)
    made.caption = (
        "The graph of <i>L</i> = <i>u</i> + <i>v</i>, forward and then backward. The box with the "
        "thick border is the one whose number has just come. Below are the equation of its rule, the "
        "line that computes it, and the numbers put in. <i>dt</i> stands for the derivative of "
        "<i>L</i> by <i>t</i>."
    )
    return made


def play(made: Figure, root: sg.Tensor) -> None:
    """Makes a figure the player of a tensor's graph.

    Raises:
        ValueError: The graph is too large: each of its tensors is a step.
    """
    tensors = graph(root)
    if len(tensors) > LARGEST:
        raise ValueError(
            f"the player shows each tensor of a graph by itself, up to {LARGEST} of them, but this "
            f"graph has {len(tensors)}. Give it the result of a smaller computation."
        )
    steps = [*forward(root, tensors), *backward(root, tensors)]
    start = len(steps) - 2  # where the last gradient arrives
    step = made.slider(
        "step", range(len(steps)), start, lambda i: f"{i + 1} of {len(steps)}", steps=True
    )

    def lit(part: str, kind: str, number: int) -> str:
        look = made.attribute("class", lambda i: "lit" * (getattr(steps[i], kind) == number), step)
        return part.replace("<g", f"<g {look}", 1)

    edges = itertools.count()
    parts = []
    picture = sg.draw(root).svg
    width = float(re.findall(r' width="(\d+)', picture)[0])
    for part in picture.split("\n"):
        if node := re.match(r'<g data-node="(\d+)"', part):
            number = int(node[1])
            part = MOVING_TEXT.sub(
                lambda text, number=number: made.element(
                    "text",
                    lambda i: steps[i].texts[number].get(text[3], ""),
                    step,
                    attributes=text[1],
                ),
                part,
            )
            part = lit(part, "node", number)
        elif part.startswith("<g data-edge"):
            part = lit(part, "edge", next(edges))
        parts.append(part)
    words = made.element(
        "div", lambda i: steps[i].words, step, attributes='class="figure-words" aria-live="polite"'
    )
    made.picture = (
        '<div class="figure-graph" tabindex="0" role="group" aria-label="graph">'
        f'<div style="min-width: {0.8 * width:.0f}px">{"".join(parts)}</div></div>{words}'
    )


def forward(root: sg.Tensor, tensors: list[sg.Tensor]) -> Iterator[Step]:
    """A step for each tensor, in the order in which they were made."""
    for t in tensors:
        t.grad = None
    for number, t in enumerate(tensors):
        texts = texts_of(root, values=number + 1)
        if t.rule is None:
            yield Step(number, None, texts, f"<p>{bold(t)} is given: {text(t.data)}.</p>")
            continue
        arrays = [a.data for a in t.inputs]
        inputs = ", ".join(map(name_of, t.inputs))
        words = f"<p>Forward: {bold(t)} = {t.rule.__name__}({inputs}) = {text(t.data)}</p>"
        yield Step(number, None, texts, words + lines(t.rule.forward, *arrays, **t.params))


def backward(root: sg.Tensor, tensors: list[sg.Tensor]) -> Iterator[Step]:
    """A step for each gradient that a result passes on to an input, the last result first."""
    numbers = {t.index: i for i, t in enumerate(tensors)}
    arrows = [(c.index, i) for c in tensors for i in range(len(c.inputs))]  # as sg.draw has them
    root.grad = np.ones_like(root.data)
    words = f"<p>Backward begins: d{bold(root)} = 1, the derivative of {bold(root)} by itself.</p>"
    yield Step(numbers[root.index], None, texts_of(root), words)
    for c in reversed(tensors):
        if c.rule is None or not c.requires_grad:
            continue
        arrays = [a.data for a in c.inputs]
        for i, (t, partial) in enumerate(zip(c.inputs, c.rule.partials, strict=False)):
            if not t.requires_grad:
                continue
            passed_on = partial(c.grad, c.data, *arrays, **c.params)
            dt = unbroadcast(passed_on, t.shape)
            words = f"<p>Backward: {bold(c)} passes a gradient on to {bold(t)}, its {place(i)}.</p>"
            words += lines(partial, c.grad, c.data, *arrays, **c.params)
            if passed_on.shape != dt.shape:
                words += f"<p>Summed back to the shape {t.shape}: {text(dt)}.</p>"
            if t.grad is None:
                t.grad = dt
                words += f"<p>So far, d{bold(t)} = {text(dt)}.</p>"
            else:
                before, t.grad = t.grad, t.grad + dt
                words += (
                    f"<p>Another path has brought {text(before)}, and gradients add up: "
                    f"d{bold(t)} = {text(before)} + {text(dt)} = {text(t.grad)}.</p>"
                )
            edge = arrows.index((c.index, i))
            yield Step(numbers[t.index], edge, texts_of(root), words)
    leaves = [t for t in tensors if t.rule is None and t.requires_grad]
    ends = ", ".join(f"{name_of(t)}.grad = {text(t.grad)}" for t in leaves)
    words = f"<p>All has arrived: <code>{ends}</code>.</p>"
    yield Step(numbers[leaves[-1].index], None, texts_of(root), words)


def texts_of(root: sg.Tensor, values: int | None = None) -> list[dict[str, str]]:
    """The values, of the first so many nodes, and the gradients by now, as `sg.draw` writes them."""
    nodes = re.findall(r"<g data-node=.*", sg.draw(root).svg)
    texts = [{kind: whole for _, whole, kind in MOVING_TEXT.findall(node)} for node in nodes]
    return [one if values is None or i < values else {} for i, one in enumerate(texts)]


def lines(function: Any, *args: Any, **params: Any) -> str:
    """The lines that a function of a rule runs, with their equations and their numbers."""
    html = ""
    for line in sg.explain(lambda: function(*args, **params)):
        html += typeset.typeset(line.equation, True) if line.equation else ""
        numbers = f"= {rounded(line.numbers)} = {rounded(text_of(line.result))}"
        html += f"<code>{escape(line.code)}</code>"
        html += f'<code class="figure-numbers">{escape(numbers)}</code>'
    return html


def name_of(t: sg.Tensor) -> str:
    """How a tensor is called in the words."""
    return escape(t.name or (t.rule.__name__ if t.rule else "a constant"))


def bold(t: sg.Tensor) -> str:
    """Its name, to be seen among the words."""
    return f"<strong>{name_of(t)}</strong>"


def place(number: int) -> str:
    """Which input it is."""
    return f"{PLACES[number]} input" if number < len(PLACES) else f"input {number + 1}"


def text(array: np.ndarray) -> str:
    """A small array in full, of a large one the first values and the shape."""
    return escape(rounded(text_of(result_of(array))))
