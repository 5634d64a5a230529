"""draw and print_graph: what is in the picture and in the text, and how large graphs are folded."""

import gc
import itertools
import os
import re
import subprocess
import sys
import weakref
from collections import Counter
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import nn
from simplegrad.tools import layout
from tests.helpers.work import lines_run_by

SVG = "{http://www.w3.org/2000/svg}"


# Graphs to draw


def expression():
    a, b, c = (
        sg.Tensor(x, requires_grad=True, name=name) for x, name in ((2, "a"), (-3, "b"), (5.5, "c"))
    )
    L = sg.tanh(a * b + c)
    L.name = "L"
    return L


def mlp(widths=(64, 32, 10)):
    layers = [[nn.Linear(m, n), nn.ReLU()] for m, n in itertools.pairwise(widths)]
    model = nn.Sequential(*itertools.chain(*layers))
    x = sg.normal((16, widths[0]))
    x.name = "x"
    return sg.cross_entropy(model(x), np.zeros(16, dtype=int))


def deep_mlp(layers=30):
    return mlp((64, *[32] * layers, 10))


def attention():
    x = nn.Embedding(20, 8)(np.arange(6))
    W_q, W_k, W_v = (sg.normal((8, 8), requires_grad=True) for _ in range(3))
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    return sg.softmax(q @ k.T / np.sqrt(8)) @ v


def layer_norm():
    return nn.LayerNorm(6)(sg.normal((4, 6), requires_grad=True))


def square():
    w = sg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    return w * w


def recurrent(steps=3):
    W, U, h = sg.ones((3, 4), requires_grad=True), sg.ones((4, 4), requires_grad=True), sg.ones(4)
    losses = []
    for _ in range(steps):
        h = sg.tanh(sg.normal(3) @ W + h @ U)
        losses.append((h * h).sum())
    return sum(losses[1:], losses[0])


def irregular(size, seed=0, leaves=6):
    """A graph of about so many results, each of one or two of the last 30 tensors."""
    random = np.random.default_rng(seed)
    tensors = [sg.ones((i % 3 + 1, 1), requires_grad=i % 2 == 0) for i in range(leaves)]
    rules = [sg.tanh, sg.sigmoid, lambda t: -t, lambda t: t * 0.5, lambda t: t.sum().reshape(1, 1)]
    for choice in random.integers(0, 7, size):
        a, b = (tensors[-i] for i in random.integers(1, min(30, len(tensors)) + 1, 2))
        tensors.append(rules[choice](a) if choice < 5 else sg.concatenate([a, b])[-2:])
    return sg.concatenate([tensors[0], *tensors[-12:]]).mean()


EXAMPLES = {f.__name__: f for f in (expression, mlp, attention, layer_norm, square, recurrent)}
every_example = pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
both_directions = pytest.mark.parametrize("direction", ["right", "down"])


def graph_of(root):
    """All tensors of a graph by their index, collected without the library's help."""
    found, waiting = {}, [root]
    while waiting:
        t = waiting.pop()
        if t.index not in found:
            found[t.index] = t
            waiting.extend(t.inputs)
    return dict(sorted(found.items()))


# Reading a picture


class Box(NamedTuple):
    kind: str
    texts: list
    left: float
    top: float
    right: float
    bottom: float
    style: dict


class Line(NamedTuple):
    source: int
    target: int
    points: list  # along the line, close to each other
    tip: tuple


def boxes_of(drawing):
    boxes = []
    for i, group in enumerate(ElementTree.fromstring(drawing.svg).iterfind(f"{SVG}g[@data-node]")):
        assert group.get("data-node") == str(i)
        rect = group.find(f"{SVG}rect").attrib
        x, y, width, height = (float(rect.pop(name)) for name in ("x", "y", "width", "height"))
        texts = [text.text for text in group.iter(f"{SVG}text")]
        boxes.append(Box(group.get("data-kind"), texts, x, y, x + width, y + height, rect))
    return boxes


def lines_of(drawing):
    lines = []
    for group in ElementTree.fromstring(drawing.svg).iterfind(f"{SVG}g[@data-edge]"):
        line, tip = (path.get("d") for path in group.iterfind(f"{SVG}path"))
        source, target = map(int, group.get("data-edge").split())
        lines.append(Line(source, target, points_of(line), points_of(tip)[0]))
    return lines


def points_of(path):
    points = []
    for command, numbers in re.findall(r"([MLC])([-\d. ]+)", path):
        xy = np.array(numbers.split(), dtype=float).reshape(-1, 2)
        if command == "C":
            t = np.linspace(0, 1, 20)[:, None]
            a, b, c, d = points[-1], *xy
            xy = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        elif command == "L":
            xy = np.linspace(points[-1], xy[0], 20)
        points += [tuple(point) for point in xy]
    return points


# What is in the picture


@every_example
@both_directions
def test_nodes_and_edges_are_those_of_the_graph(make, direction):
    root = make()
    tensors = graph_of(root)
    number = {index: i for i, index in enumerate(tensors)}
    drawing = sg.draw(root, direction)
    names = [t.rule.__name__ if t.rule else t.name or "" for t in tensors.values()]
    boxes = boxes_of(drawing)
    assert len(boxes) == len(names)
    assert all(name in box.texts[0] for box, name in zip(boxes, names, strict=True))
    edges = [(number[a.index], number[t.index]) for t in tensors.values() for a in t.inputs]
    assert [(line.source, line.target) for line in lines_of(drawing)] == edges
    assert repr(drawing) == f"Drawing({len(names)} nodes, {len(edges)} edges)"


@every_example
@both_directions
def test_arrows_lead_from_inputs_to_results_and_arrive_in_the_order_of_the_inputs(make, direction):
    drawing = sg.draw(make(), direction)
    boxes, down = boxes_of(drawing), direction == "down"
    arrivals = {}
    for line in lines_of(drawing):
        source, target = boxes[line.source], boxes[line.target]
        ahead = (target.top - source.bottom) if down else (target.left - source.right)
        assert ahead > 0
        (x, y), side = line.tip, (target.top if down else target.left)
        assert (y if down else x) == pytest.approx(side, abs=0.11)
        along = [point[down] for point in line.points]
        assert along == sorted(along)
        assert [point[not down] for point in line.points[-15:]] == [line.tip[not down]] * 15
        across = x if down else y
        assert across > arrivals.get(line.target, (target.left if down else target.top) + 2)
        assert across < (target.right if down else target.bottom) - 2
        arrivals[line.target] = across + 3  # the next is that much further


@every_example
@both_directions
def test_a_line_starts_at_its_source_or_leaves_another_line_from_there(make, direction):
    drawing = sg.draw(make(), direction)
    boxes, down = boxes_of(drawing), direction == "down"
    reached = {i: [] for i in range(len(boxes))}
    for line in sorted(lines_of(drawing), key=lambda line: line.tip[down]):
        x, y = line.points[0]
        box = boxes[line.source]
        out = (box.bottom, y) if down else (box.right, x)
        at_box = out[0] == pytest.approx(out[1], abs=0.11)
        assert at_box or min(abs(x - u) + abs(y - v) for u, v in reached[line.source]) < 0.3
        reached[line.source] += line.points


@both_directions
def test_a_tensor_used_in_several_layers_has_one_track_from_which_lines_branch_off(direction):
    drawing = sg.draw(recurrent(), direction)
    lines = [line for line in lines_of(drawing) if line.source == 0]
    assert [boxes_of(drawing)[line.target].texts[0] for line in lines] == ["MatMul"] * 3
    assert len({line.points[0] for line in lines}) == 2  # the box, and where the second ends


def test_inputs_of_one_node_are_one_below_the_other_in_their_order():
    boxes = boxes_of(sg.draw(expression()))
    a, b, c, mul, add, _ = boxes
    assert a.bottom < b.top
    assert a.top + b.bottom == pytest.approx(mul.top + mul.bottom, abs=0.3)  # Mul is in the middle
    assert mul.bottom < c.top
    assert [box.texts[0] for box in (a, b, c, mul, add)] == ["a", "b", "c", "Mul", "Add"]


def test_a_tensor_used_twice_is_one_node_with_two_arrows():
    drawing = sg.draw(square())
    assert len(boxes_of(drawing)) == 2
    assert [(line.source, line.target) for line in lines_of(drawing)] == [(0, 1), (0, 1)]


def test_values_and_gradients_of_small_tensors_are_shown():
    L = expression()
    L.backward(retain_grads=True)
    boxes = boxes_of(sg.draw(L))
    g = 1 - np.tanh(-0.5) ** 2
    assert [box.texts for box in boxes] == [
        ["a", "parameter", "value 2", f"grad {-3 * g:.4g}"],
        ["b", "parameter", "value -3", f"grad {2 * g:.4g}"],
        ["c", "parameter", "value 5.5", f"grad {g:.4g}"],
        ["Mul", "value -6", f"grad {g:.4g}"],
        ["Add", "value -0.5", f"grad {g:.4g}"],
        ["L = Tanh", f"value {np.tanh(-0.5):.4g}", "grad 1"],
    ]


def test_of_large_tensors_only_the_shape_is_shown_and_of_rules_what_they_were_given():
    x = sg.normal((4, 6), requires_grad=True, name="x")
    y = x[1:, np.array([0, 2])].mean(axis=1, keepdims=True).reshape(3).unsqueeze(0)
    y.sum().backward()
    texts = [box.texts for box in boxes_of(sg.draw(y))]
    assert [line[:3] for line in texts] == [
        ["x", "parameter", "(4, 6)"],
        ["Index", "index=(1:, array)", "(3, 2)"],
        ["Mean", "axis=1, keepdims", "(3, 1)"],
        ["Reshape", "shape=(3,)", "(3,)"],
        ["Unsqueeze", "axis=0", "(1, 3)"],
    ]
    assert [len(line) for line in texts[:2]] == [3, 3]
    five = sg.draw(sg.zeros(5, requires_grad=True) * 2)
    assert [box.texts for box in boxes_of(five)][::2] == [["parameter", "(5,)"], ["Mul", "(5,)"]]


def test_letters_that_are_twice_as_wide_have_twice_the_room():
    widths = []
    for name in ("重み" * 10, "ab" * 10):
        w = sg.Tensor(2.0, requires_grad=True, name=name)
        box = boxes_of(sg.draw(w * w))[0]
        widths.append(box.right - box.left - 16)
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.5)


def test_parameters_constants_results_and_what_is_folded_differ_in_colour_and_in_form():
    styles = {box.kind: box.style for box in boxes_of(sg.draw(deep_mlp()))}
    assert set(styles) == {"parameter", "constant", "result", "folded"}
    assert len({style["fill"] for style in styles.values()}) == 4
    forms = [
        [s.get(n) for n in ("rx", "stroke-width", "stroke-dasharray")] for s in styles.values()
    ]
    assert len(set(map(tuple, forms))) == 4


def test_a_tensor_that_requires_no_gradient_is_a_constant_however_it_was_made():
    a = sg.Tensor(2.0, requires_grad=True)
    with sg.no_grad():
        b = a * 3
    kinds = [box.kind for box in boxes_of(sg.draw(a * b * a.detach() * 7))]
    assert Counter(kinds) == {"parameter": 1, "constant": 3, "result": 3}


def luminance(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def contrast(one, other):
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_have_contrast_on_light_and_dark_pages():
    svg = ElementTree.fromstring(sg.draw(deep_mlp()).svg)
    ink = {group.get("fill") for group in svg.iter(f"{SVG}g")} - {None}
    fills = {rect.get("fill") for rect in svg.iter(f"{SVG}rect")}
    assert (len(ink), len(fills)) == (1, 4)
    assert min(contrast(*ink, fill) for fill in fills) >= 4.5
    lines = {path.get(name) for path in svg.iter(f"{SVG}path") for name in ("fill", "stroke")}
    assert all(
        contrast(line, page) >= 3
        for line in lines - {None, "none"}
        for page in ("#ffffff", "#1e2129")
    )


def test_a_screen_reader_gets_a_sentence_and_the_graph_as_text(capsys):
    L = expression()
    svg = ElementTree.fromstring(sg.draw(L).svg)
    sentence = "Graph of L = Tanh, 6 nodes: 3 parameters, 3 results"
    assert (svg.get("role"), svg.get("aria-label")) == ("img", sentence)
    assert svg.find(f"{SVG}title").text == sentence
    sg.print_graph(L)
    assert svg.find(f"{SVG}desc").text == capsys.readouterr().out.rstrip("\n")


NAMES = ['<&">', "]]>", "a\nb", "\x00\x1b\ud800\uffff", "'", "θ̂", "重み", "w" * 500, "", "&amp;"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_is_shown_as_text_and_cannot_break_the_picture(name, tmp_path, capsys):
    w = sg.Tensor(2.0, requires_grad=True, name=name)
    c = w * w
    c.name = name
    drawing = sg.draw(c)
    drawing.save(tmp_path / "graph.svg")
    tags = [element.tag for element in ElementTree.parse(tmp_path / "graph.svg").iter()]
    assert [tags.count(SVG + tag) for tag in ("svg", "rect", "path")] == [1, 2, 4]
    title = boxes_of(drawing)[0].texts[0]
    if name.isprintable() and 0 < len(name) < 20:
        assert title == name
    assert title.isprintable()
    sg.print_graph(c)
    assert len(capsys.readouterr().out.splitlines()) == 2


@every_example
def test_the_same_computation_gives_the_same_picture(make):
    sg.manual_seed(1)
    first = sg.draw(make()).svg
    sg.manual_seed(1)
    assert sg.draw(make()).svg == first


def test_the_picture_does_not_depend_on_the_order_of_sets():
    code = "import simplegrad as sg; w = sg.ones(2, requires_grad=True); t = sg.stack([w, w * 2])\n"
    code += "for _ in range(50): t = sg.stack([t[0], t[1] + 1.0])\nprint(sg.draw(t).svg)"
    pictures = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(pictures) == 1


# Places


def assert_readable(drawing):
    """No two boxes overlap, and no line runs through the box of another node."""
    boxes = boxes_of(drawing)
    for one, other in itertools.combinations(boxes, 2):
        apart = one.right < other.left or other.right < one.left
        assert apart or one.bottom < other.top or other.bottom < one.top
    left, top, right, bottom = np.array([box[2:6] for box in boxes]).T[..., None]
    for line in lines_of(drawing):
        x, y = np.array(line.points).T
        held = ((left < x) & (x < right) & (top < y) & (y < bottom)).any(axis=1)
        assert {*np.flatnonzero(held)} <= {line.source, line.target}, (line.source, line.target)
    svg = ElementTree.fromstring(drawing.svg)
    left, top, width, height = map(float, svg.get("viewBox").split())
    assert (svg.get("width"), svg.get("height")) == (f"{width:.0f}", f"{height:.0f}")
    points = [point for line in lines_of(drawing) for point in line.points]
    for x, y in [*points, *(box[2:4] for box in boxes), *(box[4:6] for box in boxes)]:
        assert left < x < left + width
        assert top < y < top + height


@every_example
@both_directions
def test_boxes_do_not_overlap_and_lines_run_beside_them(make, direction):
    assert_readable(sg.draw(make(), direction))


def test_so_it_is_for_any_graph(for_all):
    @for_all(st.integers(1, 60), st.integers(0, 1000), st.sampled_from(["right", "down"]))
    def check(size, seed, direction):
        assert_readable(sg.draw(irregular(size, seed), direction, max_nodes=1000))


@both_directions
def test_a_chain_of_results_is_one_straight_line(direction):
    boxes = boxes_of(sg.draw(mlp(), direction))
    chain = [box for box in boxes if box.kind == "result"][:5]
    assert [box.texts[0] for box in chain] == ["MatMul", "Add", "ReLU", "MatMul", "Add"]
    down = direction == "down"
    middles = {round(b.left + b.right if down else b.top + b.bottom, 0) for b in chain}
    assert len(middles) == 1


def test_a_tree_is_drawn_without_crossings_in_the_order_of_inputs():
    level = [sg.Tensor(float(i), requires_grad=True) for i in range(64)]
    level.reverse()  # the last that was made is the first input
    while len(level) > 1:
        level = [sg.stack(pair).sum() for pair in zip(level[::2], level[1::2], strict=True)]
    boxes = boxes_of(sg.draw(level[0], max_nodes=200))
    leaves = sorted((box for box in boxes if box.kind == "parameter"), key=lambda box: box.top)
    assert [box.texts[1] for box in leaves] == [f"value {63 - i}" for i in range(64)]


def crossings(layers, after):
    """How many pairs of pieces of line cross, all pairs compared."""
    place = {v: i for layer in layers for i, v in enumerate(layer)}
    pieces = [
        [(place[u], place[v] + part) for u in layer for v, part in after[u]] for layer in layers
    ]
    pairs = itertools.chain(*(itertools.combinations(both, 2) for both in pieces))
    return sum((a - c) * (b - d) < 0 for (a, b), (c, d) in pairs)


@pytest.mark.parametrize("seed", range(5))
def test_no_two_neighbours_would_better_change_places(seed):
    random = np.random.default_rng(seed)
    edges = [
        layout.Edge(int(source), target, 0.0)
        for target in range(1, 20)
        for source in random.integers(0, target, 2)
    ]
    edges += [layout.Edge(source, 20, 0.0) for source in range(20)]
    layers, _, after = layout._with_tracks(layout._layers(21, edges), edges, [1.0] * 21)
    before = crossings(layers, after)
    layout._order(layers, after, layout._turned(after))
    least = crossings(layers, after)
    assert least < before
    for layer in layers:
        for i in range(len(layer) - 1):
            layer[i : i + 2] = layer[i : i + 2][::-1]
            assert crossings(layers, after) >= least
            layer[i : i + 2] = layer[i : i + 2][::-1]


def test_many_arrows_to_one_node_have_room():
    tensors = [sg.Tensor(float(i), requires_grad=True) for i in range(40)]
    drawing = sg.draw(sg.stack(tensors))
    assert_readable(drawing)
    tips = [line.tip[1] for line in lines_of(drawing)]
    assert min(np.diff(tips)) >= 5.8


# Folding


def facts_of(line):
    """How many results, parameters and constants a line of the text stands for."""
    facts = re.findall(r"([\d,]+) (result|parameter|constant)s?\b", line)
    if facts:
        return {kind: int(number.replace(",", "")) for number, kind in facts}
    kind = re.match(r" *%\d+ = (parameter|constant|)", line)[1]
    return {kind or "result": 1}


def printed(root, capsys, **options):
    capsys.readouterr()
    sg.print_graph(root, **options)
    return capsys.readouterr().out.splitlines()


def in_turn(*turns):
    """Rules one after the other: in_turn((2, [f, g]), (3, [h])) is f g f g h h h."""
    x = sg.ones((2, 2), requires_grad=True)
    for times, rules in turns:
        for rule in rules * times:
            x = rule(x)
    return x


FOLDED = {
    "deep_mlp": deep_mlp,
    "recurrent": lambda: recurrent(50),
    "irregular": lambda: irregular(500),
    "stack": lambda: sg.stack([sg.Tensor(i, i % 3 == 0, np.float32) for i in range(300)]).sum(),
    "repetitions that overlap": lambda: in_turn((20, [sg.sigmoid, sg.tanh]), (30, [sg.tanh])),
    "layers of two kinds": lambda: sg.exp(mlp((8, *[8] * 20, *[9] * 20, 10))),
}
every_folded = pytest.mark.parametrize("make", FOLDED.values(), ids=FOLDED)


@every_folded
@pytest.mark.parametrize(
    "max_nodes", [1, 7, 20, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 60))]
)
def test_what_is_folded_adds_up_to_all_tensors(make, max_nodes, capsys):
    root = make()
    lines = printed(root, capsys, max_nodes=max_nodes)
    assert 1 <= len(lines) <= max_nodes
    counts = Counter()
    for line in lines:
        counts.update(facts_of(line))
    kinds = Counter(
        "result" if t.rule else "parameter" if t.requires_grad else "constant"
        for t in graph_of(root).values()
    )
    assert counts == kinds
    drawing = sg.draw(root, max_nodes=max_nodes)
    assert len(boxes_of(drawing)) == len(lines)
    assert_readable(drawing)


@every_folded
def test_a_folded_graph_runs_forward_and_keeps_what_is_connected(make, capsys):
    root = make()
    lines = printed(root, capsys)
    edges = [(line.source, line.target) for line in lines_of(sg.draw(root))]
    assert all(source < target for source, target in edges)
    assert {source for source, _ in edges} == set(range(len(lines) - 1))  # all leads to the result
    written = {
        (int(a), i)
        for i, line in enumerate(lines)
        for a in re.findall(r"%(\d+)", line.partition("=")[2])
    }
    assert written <= set(edges)


def test_a_graph_that_fits_is_not_folded():
    root = deep_mlp()
    size = len(graph_of(root))
    assert len(boxes_of(sg.draw(root, max_nodes=size))) == size
    assert len(boxes_of(sg.draw(root, max_nodes=size - 1))) < 20


def test_repeated_layers_are_one_node_after_the_first(capsys):
    lines = printed(deep_mlp(), capsys)
    assert [line.split("  ")[0].partition("= ")[2].strip() for line in lines if "→" in line] == [
        "MatMul → Add → ReLU × 29 (%7)"
    ]
    boxes = boxes_of(sg.draw(deep_mlp()))
    assert [box.texts for box in boxes if box.kind == "folded"] == [
        ["MatMul → Add → ReLU", "× 29", "(16, 32)", "87 results", "58 parameters"]
    ]
    assert [box.texts[0] for box in boxes if box.kind == "result"][:4] == [
        "MatMul",
        "Add",
        "ReLU",
        "MatMul",
    ]


def test_of_repetitions_in_repetitions_the_longest_is_folded(capsys):
    lines = printed(in_turn((10, [*[sg.tanh] * 6, sg.sigmoid])), capsys)
    assert [line.split("  ")[0] for line in lines[8:]] == [
        "%8 = Tanh → Tanh → … → Sigmoid × 9 (%7)"
    ]


def test_a_leaf_that_two_folded_nodes_use_stays(capsys):
    w = sg.ones((2, 2), requires_grad=True, name="w")
    root = in_turn((20, [lambda x: x * w]), (20, [lambda x: x + w]))
    lines = printed(root, capsys, max_nodes=3)
    assert "  w  " in lines[0]
    assert ["Mul × 20 (%0)" in lines[1], "Add × 20 (%1, %0)" in lines[2]] == [True, True]


def test_a_repeated_layer_starts_and_ends_where_least_is_carried_over(capsys):
    a, b = sg.normal((4, 4), requires_grad=True), sg.normal((4, 4), requires_grad=True)
    x = a + b  # as an Add, it could also be the start of what repeats
    for _ in range(20):
        x = x + sg.tanh(x @ sg.normal((4, 4), requires_grad=True) + 1.0)
    (folded,) = [line for line in printed(x, capsys) if "→" in line]
    assert "MatMul → Add → … → Add × 19" in folded


def test_the_steps_of_a_recurrence_share_their_parameters_with_what_is_folded(capsys):
    lines = printed(recurrent(50), capsys)
    assert any("× 49 (%0, %7, %1)" in line and "parameter" not in line for line in lines)
    assert [line.split()[2] for line in lines[:2]] == ["parameter", "parameter"]


def test_leaves_that_one_node_uses_are_one_when_there_are_many(capsys):
    lines = printed(FOLDED["stack"](), capsys)
    assert [re.sub(" +", " ", line) for line in lines] == [
        "%0 = … 100 parameters … ()",
        "%1 = … 200 constants … ()",
        "%2 = Stack(%0, %1, axis=0) (300,)",
        "%3 = Sum(%2) () value 4.485e+04",
    ]


def test_without_repetition_the_middle_is_folded_and_both_ends_are_shown(capsys):
    lines = printed(irregular(500), capsys)
    assert 50 <= len(lines) <= 60
    middle = [i for i, line in enumerate(lines) if "results …" in line]
    assert len(middle) == 1
    assert "Mean(" in lines[-1]
    assert 10 < middle[0] < 50


@pytest.mark.parametrize("tensors", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "make",
    [lambda n: irregular(n * 8 // 5), lambda n: recurrent(n // 8), lambda n: deep_mlp(n // 5)],
    ids=["irregular", "recurrent", "deep_mlp"],
)
def test_the_work_of_drawing_grows_with_the_graph_and_not_with_its_square(make, tensors, capsys):
    def draw_all():
        sg.draw(root)
        sg.draw(root, direction="down")
        sg.print_graph(root)

    work = []
    for size in (tensors // 4, tensors):
        root = make(size)
        assert len(graph_of(root)) > 0.9 * size
        work.append(lines_run_by(draw_all))
    assert work[1] < 6 * work[0]  # of a graph of four times the size
    assert work[1] < 1_500 * tensors  # lines that run in a millisecond or less for each tensor


@pytest.mark.parametrize("length", [5_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_a_chain_of_any_length_is_drawn_within_the_recursion_limit(length, capsys):
    c = sg.Tensor(1.0, requires_grad=True)
    for _ in range(length):
        c = c + 1.0
    limit = sys.getrecursionlimit()
    assert repr(sg.draw(c)) == "Drawing(4 nodes, 3 edges)"
    assert printed(c, capsys)[-1].startswith(f"%3 = Add × {length - 1:,} (%2)")
    assert sys.getrecursionlimit() == limit


def test_a_long_chain_can_be_drawn_whole():
    c = sg.Tensor(1.0, requires_grad=True)
    for _ in range(2_000):
        c = sg.tanh(c)
    assert repr(sg.draw(c, max_nodes=10_000)) == "Drawing(2001 nodes, 2000 edges)"


# The text


def test_the_text_has_a_line_for_each_tensor_in_the_order_of_the_tape(capsys):
    L = expression()
    L.backward()
    assert printed(L, capsys) == [
        "%0 = parameter    ()  a  value 2  grad -2.359",
        "%1 = parameter    ()  b  value -3  grad 1.573",
        "%2 = parameter    ()  c  value 5.5  grad 0.7864",
        "%3 = Mul(%0, %1)  ()  value -6",
        "%4 = Add(%3, %2)  ()  value -0.5",
        "%5 = Tanh(%4)     ()  L  value -0.4621",
    ]


def test_a_shared_tensor_has_one_line(capsys):
    c = sg.Tensor(1.0, requires_grad=True)
    for _ in range(40):
        c = c + c  # a tree of it would have 2**40 lines
    assert len(printed(c, capsys)) == 41


@every_folded
def test_lines_fit_100_columns(make, capsys):
    root = make()
    root.name = "a name that is much longer than names of tensors are, which happens all the same"
    inputs = [sg.tanh(root) for _ in range(50)]
    wide = sg.concatenate([t.reshape(-1) for t in inputs])
    assert max(map(len, printed(wide, capsys))) <= 100
    assert max(map(len, printed(wide, capsys, max_nodes=10_000))) <= 100


# What they leave behind


def slots_of(t):
    return {
        name: getattr(t, name, None)
        for name in sg.Tensor.__slots__
        if name not in ("__weakref__", "name")
    }


def test_tensors_are_as_before(capsys):
    root = mlp()
    root.backward()
    tensors = graph_of(root).values()
    before = [slots_of(t) for t in tensors]
    data = [(t.data.copy(), None if t.grad is None else t.grad.copy()) for t in tensors]
    sg.draw(root)
    sg.print_graph(root, max_nodes=5)
    for t, slots, (values, grad) in zip(tensors, before, data, strict=True):
        assert all(slots[name] is value for name, value in slots_of(t).items())
        assert (t.data == values).all()
        assert grad is None or (t.grad == grad).all()


def test_a_drawing_keeps_no_tensor_alive(capsys):
    gc.collect()
    gc.disable()
    try:
        root = deep_mlp()
        tensors = [weakref.ref(t) for t in graph_of(root).values() if t.rule]
        drawing = sg.draw(root)
        sg.print_graph(root)
        del root
        assert len(tensors) > 90
        assert [t() for t in tensors] == [None] * len(tensors)
    finally:
        gc.enable()
    assert drawing.svg


def test_a_drawing_is_shown_by_a_notebook_and_saved(tmp_path):
    drawing = sg.draw(expression())
    assert drawing._repr_svg_() == drawing.svg
    for path in (tmp_path / "graph.svg", str(tmp_path / "GRAPH.SVG")):
        drawing.save(path)
        with open(path, encoding="utf-8") as file:
            assert file.read() == drawing.svg + "\n"


def test_the_picture_needs_nothing_from_elsewhere_and_leaves_a_page_as_it_is():
    svg = sg.draw(deep_mlp()).svg
    assert re.findall(r"https?:[^\"' ]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<style|<script|<image|\bid=|\bclass=|href", svg)


# Errors


@pytest.mark.parametrize("show", [sg.draw, sg.print_graph])
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: 3.0, TypeError, r"got a float\. Write sg\.(draw|print_graph)\(loss\)"),
        (lambda: nn.Linear(2, 1), TypeError, r"got a Linear.*\(model\(x\)\) for a model"),
        (
            lambda: sg.ones(2, requires_grad=True),
            ValueError,
            r"is a leaf: it was not computed from .* as in sg\.\w+\(\(w \* w\)\.sum\(\)\)",
        ),
        (lambda: sg.ones(2) * 3, ValueError, r"remembers no graph.*requires_grad=True"),
        (lambda: expression().detach(), ValueError, r"remembers no graph.*or by detach\(\)"),
    ],
    ids=["a number", "a model", "a leaf", "a constant", "detached"],
)
def test_what_has_no_graph_is_refused_with_the_reason(show, make, error, message):
    with pytest.raises(error, match=message):
        show(make())


@pytest.mark.parametrize("show", [sg.draw, sg.print_graph])
@pytest.mark.parametrize("max_nodes", [0, -1, 2.5, None, True, "60"])
def test_a_number_of_nodes_that_is_none_is_refused(show, max_nodes):
    with pytest.raises(ValueError, match=r"max_nodes is an int of at least 1, but got"):
        show(expression(), max_nodes=max_nodes)


@pytest.mark.parametrize("direction", ["left", "RIGHT", "", None, 1])
def test_an_unknown_direction_is_refused(direction):
    with pytest.raises(ValueError, match=r'"right" or "down", but got .*direction="down"\)'):
        sg.draw(expression(), direction=direction)


@pytest.mark.parametrize("name", ["graph.png", "graph", "graph.svg.pdf"])
def test_another_format_is_refused_and_nothing_written(name, tmp_path):
    with pytest.raises(ValueError, match=rf'saved as SVG, .*{name}.*drawing\.save\("graph\.svg"\)'):
        sg.draw(expression()).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# In a browser


@pytest.fixture(scope="module")
def page(chromium):
    page = chromium.new_page()
    yield page
    page.close()


FITS = """() => [...document.querySelectorAll("[data-node]")].map(node => {
    const box = node.querySelector("rect").getBBox()
    return [...node.querySelectorAll("text")].map(text => {
        const t = text.getBBox()
        return [t.x - box.x, box.x + box.width - t.x - t.width,
                t.y - box.y, box.y + box.height - t.y - t.height]
    })
})"""


def named():
    w = sg.Tensor([-1.234e-5, 2, 3, -4.5e-9], requires_grad=True, name="WWWWWWWWWWWWWWWWWWWW")
    loss = (w * sg.Tensor(1.0, name="重み" * 5)).sum()
    loss.name = "θ̂ <&> ∂L/∂w"
    loss.backward(retain_grads=True)
    return loss


@pytest.mark.slow
@pytest.mark.parametrize("font", ["", "Courier New", "Liberation Mono", "DejaVu Sans Mono"])
@pytest.mark.parametrize("make", [*EXAMPLES.values(), deep_mlp, named])
def test_no_text_leaves_its_box_in_a_browser(make, font, page):
    svg = sg.draw(make()).svg
    page.set_content(svg.replace("ui-monospace", font or "ui-monospace"))
    boxes = page.evaluate(FITS)
    assert len(boxes) == len(boxes_of(sg.draw(make())))
    assert min(side for texts in boxes for sides in texts for side in sides) > 0
    assert (
        page.evaluate("parseFloat(getComputedStyle(document.querySelector('text')).fontSize)") >= 11
    )
