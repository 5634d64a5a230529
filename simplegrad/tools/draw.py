"""draw and print_graph: the graph of a computation as a picture and as text."""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simplegrad import given
from simplegrad.tensor import Tensor
from simplegrad.tools.folding import Group, graph, groups_of, kind_of

if TYPE_CHECKING:
    from simplegrad.tools.layout import Edge

SMALL = 4  # elements whose values are shown
LONGEST = 28  # characters of a line in a node

# What a reader sees on any page: dark text on light fills, and lines between black and white.
STYLES = {
    "parameter": 'fill="#cfe2ff" stroke="#1d4fa3" stroke-width="2" rx="9"',
    "constant": 'fill="#ececec" stroke="#5c6370" stroke-dasharray="4 3"',
    "result": 'fill="#fff0c2" stroke="#8a6400" rx="3"',
    "folded": 'fill="#e9dcfb" stroke="#6a3fa8" stroke-width="3" rx="3"',
}
TEXT = "#16181d"
LINE = "#7d848e"
FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
FONT_SIZE = 12
LETTER = 0.61 * FONT_SIZE  # the width of a letter in the widest of these fonts
LINE_HEIGHT = 15
PADDING = 8
MARGIN = 4
PORT_GAP = 14  # between two arrows that arrive at a node, where there is room
SMALLEST_PORT_GAP = 6
ARROW_LENGTH = 7


class Drawing:
    """A picture of a graph: a notebook shows it, and `save` writes it.

    Its text, in the format SVG, is the attribute `svg`.
    """

    def __init__(self, svg: str, summary: str) -> None:
        self.svg = svg
        self.summary = summary

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Drawing({self.summary})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture to a file, whose name ends in .svg.

        Raises:
            ValueError: The name has another ending.
        """
        if not os.fspath(path).lower().endswith(".svg"):
            raise ValueError(
                f"a drawing is saved as SVG, but the file's name is {os.fspath(path)!r}. Write "
                'drawing.save("graph.svg"); a browser shows it, and Inkscape makes a PNG of it.'
            )
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg + "\n")


class Node(NamedTuple):
    """What is shown of one tensor, or of several that are folded into one; "" is nothing."""

    kind: str  # parameter, constant, result, folded
    name: str
    operation: str
    params: str
    shape: str
    values: list[str]
    inputs: list[int]  # the numbers of nodes


def draw(tensor: Tensor, direction: str = "right", max_nodes: int = 60) -> Drawing:
    """The graph of what `tensor` was computed from, as a picture in a notebook or a file.

    A result is a yellow box, a parameter (a leaf that requires gradients) a blue one with round
    corners, and a constant (which requires none) a grey one with a dashed border. Values and
    gradients are shown of tensors of up to 4 elements. In a graph of more than `max_nodes` tensors
    repeated layers are folded into one violet node, and if that is not enough, the middle is.

    Args:
        tensor: The result. `backward(retain_grads=True)` before it shows all gradients.
        direction: "right" or "down": where the arrows lead.
        max_nodes: The largest number of nodes.

    Raises:
        TypeError: `tensor` is not a Tensor.
        ValueError: `tensor` remembers no graph, or an argument is out of range.

    Examples:
        >>> a = sg.Tensor(2.0, requires_grad=True, name="a")
        >>> c = sg.tanh(a * 0.5)
        >>> c.backward(retain_grads=True)
        >>> sg.draw(c)
        Drawing(4 nodes, 3 edges)
        >>> sg.draw(c, direction="down").save("graph.svg")  # doctest: +SKIP
    """
    if direction not in ("right", "down"):
        raise ValueError(
            f'direction is "right" or "down", but got {direction!r}. Write '
            'sg.draw(tensor, direction="down").'
        )
    nodes = _nodes(tensor, max_nodes, "draw")
    edges = sum(len(node.inputs) for node in nodes)
    return Drawing(svg_of(nodes, direction == "down"), f"{len(nodes)} nodes, {edges} edges")


def print_graph(tensor: Tensor, max_nodes: int = 60) -> None:
    """Prints the graph of what `tensor` was computed from, a line for each tensor.

    The lines are in the order of the tape, in which each tensor comes after its inputs.

    Args:
        tensor: The result.
        max_nodes: The largest number of lines; a larger graph is folded as `sg.draw` does.

    Raises:
        TypeError: `tensor` is not a Tensor.
        ValueError: `tensor` remembers no graph, or `max_nodes` is less than 1.

    Examples:
        >>> w = sg.Tensor([[1.0, 2.0]], requires_grad=True, name="w")
        >>> loss = (w @ w.T).sum()
        >>> loss.backward()
        >>> sg.print_graph(loss)
        %0 = parameter       (1, 2)  w  value [[1, 2]]  grad [[2, 4]]
        %1 = Transpose(%0)   (2, 1)  value [[1], [2]]
        %2 = MatMul(%0, %1)  (1, 1)  value [[5]]
        %3 = Sum(%2)         ()      value 5
    """
    print("\n".join(_lines(_nodes(tensor, max_nodes, "print_graph"))))


def _nodes(root: Tensor, max_nodes: int, caller: str) -> list[Node]:
    """What is to be shown, checked and folded; each node after its inputs."""
    _check(root, max_nodes, caller)
    return nodes_of(graph(root), max_nodes)


def nodes_of(tensors: list[Tensor], max_nodes: int) -> list[Node]:
    """The nodes that show a graph: one for each tensor, unless they are too many."""
    groups = groups_of(tensors, max_nodes)
    number = {t.index: i for i, group in enumerate(groups) for t in group.tensors}
    return [_node(group, _inputs(group, groups, number)) for group in groups]


def _inputs(group: Group, groups: list[Group], number: dict[int, int]) -> list[int]:
    """The numbers of the nodes that a node reads, in order; of what is folded, each once."""
    inputs: dict[object, int] = {}
    for t in group.tensors:
        for i, a in enumerate(t.inputs):
            source = number[a.index]
            folded = len(group.tensors) > 1 or len(groups[source].tensors) > 1
            if groups[source] is not group:
                inputs[source if folded else (source, i)] = source
    return list(inputs.values())


def _check(root: Tensor, max_nodes: int, caller: str) -> None:
    if not isinstance(root, Tensor):
        raise TypeError(
            f"{caller}() shows what a Tensor was computed from, but got a {type(root).__name__}. "
            f"Write sg.{caller}(loss), or sg.{caller}(model(x)) for a model."
        )
    if root.rule is None and root.requires_grad:
        raise ValueError(
            f"{root!r} is a leaf: it was not computed from anything. Show a result that was "
            f"computed from it, as in sg.{caller}((w * w).sum())."
        )
    if root.rule is None:
        raise ValueError(
            f"{root!r} remembers no graph: it is a leaf, or what it was made from requires no "
            "gradients, or it was made under no_grad() or by detach(). Make one of its inputs with "
            "sg.Tensor(..., requires_grad=True) and compute it again."
        )
    write = f"Write sg.{caller}(tensor, max_nodes=60)."
    given.checked_number(given.SIZE, max_nodes, "max_nodes is", write, wrong_type=ValueError)


# What is written of a tensor


def _node(group: Group, inputs: list[int]) -> Node:
    if len(group.tensors) > 1:
        return _folded(group, inputs)
    (t,) = group.tensors
    operation = kind_of(t) if t.rule is None else t.rule.__name__
    params = ", ".join(
        name if value is True else f"{name}={_short(value)}"
        for name, value in t.params.items()
        if value is not None and value is not False  # which stand for what was not asked for
    )
    values = []
    if t.size <= SMALL:
        values.append(f"value {numbers_text(t.data)}")
        if t.grad is not None:
            values.append(f"grad {numbers_text(t.grad)}")
        values = [value for value in values if len(value) <= LONGEST]
    return Node(kind_of(t), _printable(t.name), operation, params, str(t.shape), values, inputs)


def _folded(group: Group, inputs: list[int]) -> Node:
    """What is shown of several tensors: the rules of what repeats, and how many there are."""
    results = [t for t in group.tensors if t.rule is not None]
    counts = Counter(kind_of(t) for t in group.tensors)
    kinds = [kind for kind in ("result", "parameter", "constant") if counts[kind]]
    facts = [f"{counts[kind]:,} {kind}{'s' * (counts[kind] > 1)}" for kind in kinds]
    last = (results or group.tensors)[-1]
    if not group.times:
        return Node("folded", "", f"… {facts[0]} …", "", str(last.shape), facts[1:], inputs)
    rules = [t.rule.__name__ for t in results[: len(results) // group.times]]
    if len(rules) > 3:
        rules = [*rules[:2], "…", rules[-1]]
    times = f"× {group.times:,}" if group.times > 1 else ""
    return Node("folded", "", " → ".join(rules), times, str(last.shape), facts, inputs)


def _printable(name: object) -> str:
    """A name in one line, without what a text cannot show."""
    text = "" if name is None else str(name)
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def numbers_text(array: np.ndarray) -> str:
    """All elements, of floats 4 digits of one and 3 of several."""
    return _list_text(array.tolist(), ".4g" if array.size == 1 else ".3g")


def _list_text(x: Any, digits: str) -> str:
    if isinstance(x, list):
        return f"[{', '.join(_list_text(entry, digits) for entry in x)}]"
    return format(x, digits) if isinstance(x, float) else str(x)


def _short(value: Any) -> str:
    """A parameter of a rule, of an array not its numbers."""
    if isinstance(value, np.ndarray | Tensor):
        return "array"
    if isinstance(value, slice):
        ends = [value.start, value.stop, *([] if value.step is None else [value.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    if isinstance(value, tuple):
        return f"({', '.join(map(_short, value))}{',' * (len(value) == 1)})"
    return "..." if value is Ellipsis else _printable(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _lines(nodes: list[Node]) -> list[str]:
    """The graph as text, in lines of at most 100 columns."""
    last = len(str(len(nodes) - 1))
    calls = []
    for i, node in enumerate(nodes):
        inputs = [f"%{a}" for a in node.inputs]
        if len(inputs) > 6:
            inputs = [*inputs[:3], f"… {len(inputs) - 4:,} more …", inputs[-1]]
        if node.kind == "folded":
            call = f"{node.operation} {node.params}".rstrip()
            call += f" ({', '.join(inputs)})" if inputs else ""
        else:
            arguments = ", ".join(filter(None, [*inputs, node.params]))
            call = f"{node.operation}({arguments})" if inputs else node.operation
        calls.append(f"{f'%{i}':>{last + 1}} = {_cut(call, 60)}")
    width = max(map(len, calls))
    shape_width = max(len(node.shape) for node in nodes)
    lines = []
    for call, node in zip(calls, nodes, strict=True):
        facts = [_cut(node.name, LONGEST), *node.values]
        parts = [f"{call:{width}}", f"{node.shape:{shape_width}}", *filter(None, facts)]
        lines.append(_cut("  ".join(parts).rstrip(), 100))
    return lines


# The picture


def svg_of(nodes: list[Node], down: bool) -> str:
    """The picture as SVG; all styles are attributes, so a page's own styles stay as they are."""
    from simplegrad.tools.layout import Edge, layered  # which costs time that few programs need

    texts = [_text_of(node) for node in nodes]
    sizes = []  # (width, height)
    edges = []
    for target, (node, lines) in enumerate(zip(nodes, texts, strict=True)):
        size = [max(map(_width, lines)) + 2 * PADDING, LINE_HEIGHT * len(lines) + PADDING]
        side = 0 if down else 1  # where the arrows arrive
        ports = len(node.inputs)
        size[side] = max(size[side], SMALLEST_PORT_GAP * (ports + 1))
        gap = min(PORT_GAP, size[side] / (ports + 1))
        sizes.append((size[0], size[1]))
        for i, source in enumerate(node.inputs):
            edges.append(Edge(source, target, gap * (i - (ports - 1) / 2)))
    layout = layered([size[::-1] if down else size for size in sizes], edges)
    width, height = (n + 2 * MARGIN for n in (layout.size[::-1] if down else layout.size))
    label = _escaped(_label(nodes))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-MARGIN} {-MARGIN} {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{label}" font-family="{FONT}" font-size="{FONT_SIZE}">',
        f"<title>{label}</title>",
        f"<desc>{_escaped(chr(10).join(_lines(nodes)))}</desc>",
    ]
    for edge, line in zip(edges, layout.lines, strict=True):
        parts.append(_edge(edge, line, down))
    for i, (node, lines) in enumerate(zip(nodes, texts, strict=True)):
        center = layout.centers[i][::-1] if down else layout.centers[i]
        parts.append(_box(i, node.kind, lines, sizes[i], center))
    return "\n".join([*parts, "</svg>"])


def _text_of(node: Node) -> list[str]:
    """The lines in a node, the first of which is its title."""
    name = _cut(node.name, LONGEST)
    title = [f"{name} = {node.operation}"] if node.kind == "result" and name else [node.operation]
    if node.kind != "result":
        title = [name, node.operation]
    shape = "" if node.shape == "()" else node.shape
    return [line for line in (*title, _cut(node.params, LONGEST), shape, *node.values) if line]


def _label(nodes: list[Node]) -> str:
    """The picture in a sentence."""
    root = nodes[-1]
    name = f"{root.name} = " if root.name else ""
    kinds = Counter(node.kind for node in nodes)
    counts = [f"{n} {kind}{'s' * (n > 1 and kind != 'folded')}" for kind, n in kinds.items()]
    return f"Graph of {name}{root.operation}, {len(nodes)} nodes: {', '.join(counts)}"


def _width(text: str) -> float:
    """How wide a line is at most, in pixels."""
    from unicodedata import east_asian_width

    return LETTER * sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _escaped(text: str) -> str:
    for character, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")):
        text = text.replace(character, f"&{entity};")
    return text


def _edge(edge: Edge, line: list[tuple[float, float]], down: bool) -> str:
    """A line with an arrow at its end."""

    def point(along: float, across: float) -> str:
        return f"{across:.1f} {along:.1f}" if down else f"{along:.1f} {across:.1f}"

    end, across = line[-1]
    base = end - ARROW_LENGTH
    path = "M" + point(*line[0])
    for i, (a, b) in enumerate(pairwise([*line[:-1], (base, across)])):
        if i % 2 == 0:
            path += "L" + point(*b)
        elif a[1] != b[1]:  # a bend, which starts and ends in the direction of the arrows
            middle = (a[0] + b[0]) / 2
            path += f"C{point(middle, a[1])} {point(middle, b[1])} {point(*b)}"
    tip = f"M{point(end, across)}L{point(base, across - 4)}L{point(base, across + 4)}z"
    return (
        f'<g data-edge="{edge.source} {edge.target}"><path d="{path}" fill="none" '
        f'stroke="{LINE}" stroke-width="1.5"/><path d="{tip}" fill="{LINE}"/></g>'
    )


def _box(
    number: int, kind: str, lines: list[str], size: tuple[float, float], center: tuple[float, float]
) -> str:
    """A node: a box with lines of text, the first of them bold."""
    (width, height), (x, y) = size, center
    baseline = y - LINE_HEIGHT * len(lines) / 2 + 0.75 * LINE_HEIGHT
    texts = ""
    for i, line in enumerate(lines):
        weight = "" if i else ' font-weight="bold"'
        texts += f'<text x="{x:.1f}" y="{baseline:.1f}"{weight}>{_escaped(line)}</text>'
        baseline += LINE_HEIGHT
    return (
        f'<g data-node="{number}" data-kind="{kind}"><rect x="{x - width / 2:.1f}" '
        f'y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'{STYLES[kind]}/><g fill="{TEXT}" text-anchor="middle">{texts}</g></g>'
    )
