"""A layered layout: places for the nodes of a graph, so that its edges all run one way.

The steps are those of Sugiyama, Tagawa and Toda (1981), "Methods for visual understanding of
hierarchical system structures": layers, an order within each layer, places. `along` is measured in
the direction of the edges and `across` at right angles to it.

An edge over several layers runs through points between their nodes. Edges from one node share
these points: a node that many others use has one track beside them, from which lines branch off.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from math import inf
from typing import NamedTuple

LAYER_GAP = 26.0  # between two layers, and more where a line has to climb
STEEPEST = 5.0  # a line climbs at most so much for each pixel of the gap
WIDEST_GAP = 90.0
NODE_GAP = 14.0  # between two nodes of a layer
TRACK_GAP = 9.0  # between a line that passes and what is beside it
ARROW = 9.0  # what is kept straight at the end of a line
ROUNDS = 20  # at most, in which an order or places become better

Segments = dict[int, list[tuple[int, float]]]


class Edge(NamedTuple):
    """An arrow; `offset` is how far from the middle of the target's side it arrives."""

    source: int
    target: int
    offset: float


class Layout(NamedTuple):
    """The middle of each node, the line of each edge, and the size of it all.

    A line is straight from its first point to its second, bends to its third, and so on by turns.
    It starts at its source, or where it leaves the line of another edge from there.
    """

    centers: list[tuple[float, float]]
    lines: list[list[tuple[float, float]]]
    size: tuple[float, float]


def layered(sizes: list[tuple[float, float]], edges: list[Edge]) -> Layout:
    """Places for nodes of these sizes, (along, across), numbered so that each is after its inputs.

    Examples:
        >>> layout = layered([(40, 20), (40, 20), (60, 20)], [Edge(0, 2, -5), Edge(1, 2, 5)])
        >>> [round(across) for along, across in layout.centers]
        [10, 44, 27]
    """
    layer_of = _layers(len(sizes), edges)
    layers, tracks, after = _with_tracks(layer_of, edges, [across for _, across in sizes])
    across_sizes = [across for _, across in sizes] + [0.0] * (sum(map(len, layers)) - len(sizes))
    before = _turned(after)
    _order(layers, after, before)
    across = _places(layers, after, before, across_sizes, len(sizes))
    starts, ends = _extents(layers, after, across, [along for along, _ in sizes])
    centers = [((starts[i] + ends[i]) / 2, across[v]) for v, i in enumerate(layer_of)]
    lines: list[list[tuple[float, float]]] = [[] for _ in edges]
    drawn = layer_of[:]  # how far the track of each node is there already
    for number in sorted(range(len(edges)), key=lambda number: layer_of[edges[number].target]):
        source, target, offset = edges[number]
        first, last = drawn[source], layer_of[target]
        side = centers[source][0] + sizes[source][0] / 2
        start = side if first == layer_of[source] else ends[first]
        line = [(start, across[tracks[source][first]])]
        for i in range(first + 1, last):
            line += [(ends[i - 1], line[-1][1]), (starts[i], across[tracks[source][i]])]
        line += [(ends[last - 1], line[-1][1]), (starts[last] - ARROW, across[target] + offset)]
        lines[number] = [*line, (centers[target][0] - sizes[target][0] / 2, line[-1][1])]
        drawn[source] = last - 1
    bottom = max(across[v] + across_sizes[v] / 2 for v in range(len(across)))
    return Layout(centers, lines, (ends[-1], bottom))


def _layers(count: int, edges: list[Edge]) -> list[int]:
    """The layer of each node: as far before the last as its longest path to the end is long."""
    steps = [0] * count
    for source, target, _ in sorted(edges, reverse=True):  # what a node leads to is done before it
        steps[source] = max(steps[source], steps[target] + 1)
    last = max(steps)
    return [last - s for s in steps]


def _with_tracks(
    layer_of: list[int], edges: list[Edge], across_sizes: list[float]
) -> tuple[list[list[int]], list[dict[int, int]], Segments]:
    """The nodes of each layer with points for passing lines; the points of each node by layer.

    The third is what leads from one layer to the next: for each node or point, where to, and at
    which part of the target's side.
    """
    layers: list[list[int]] = [[] for _ in range(max(layer_of) + 1)]
    for v, i in enumerate(layer_of):
        layers[i].append(v)
    tracks = [{i: v} for v, i in enumerate(layer_of)]
    after: Segments = defaultdict(list)
    number = len(layer_of)
    for source, target, offset in edges:
        track, last = tracks[source], layer_of[target]
        for i in range(layer_of[source] + len(track), last):
            track[i] = number
            layers[i].append(number)
            after[track[i - 1]].append((number, 0.0))
            number += 1
        after[track[last - 1]].append((target, offset / across_sizes[target]))
    return layers, tracks, after


def _turned(after: Segments) -> Segments:
    """What leads to each node or point, for what it leads to."""
    before: Segments = defaultdict(list)
    for u, segments in after.items():
        for v, part in segments:
            before[v].append((u, part))
    return before


def _order(layers: list[list[int]], after: Segments, before: Segments) -> None:
    """Sorts each layer so that few lines cross.

    First each node goes to the middle of what it leads to, from the last layer back: inputs come in
    their order. Then neighbours change places as long as this leaves fewer crossings.
    """
    position: dict[int, int] = {}
    for layer in reversed(layers):
        middle = {
            u: sum(position[v] + part for v, part in after[u]) / max(len(after[u]), 1)
            for u in layer
        }
        layer.sort(key=middle.__getitem__)
        position.update((u, i) for i, u in enumerate(layer))

    def ends(v: int) -> tuple[list[float], list[float]]:
        return [position[u] for u, _ in before[v]], [position[w] + part for w, part in after[v]]

    for _ in range(ROUNDS):
        changed = False
        for layer in layers:
            for i in range(len(layer) - 1):
                u, v = layer[i : i + 2]
                now = sum(map(_crossings, ends(u), ends(v)))
                if now and sum(map(_crossings, ends(v), ends(u))) < now:
                    layer[i : i + 2] = v, u
                    position[u], position[v] = i + 1, i
                    changed = True
        if not changed:
            break


def _crossings(first: list[float], second: list[float]) -> int:
    """How many lines to the first of two neighbours cross lines to the second."""
    return sum(a > b for a in first for b in second)


def _places(
    layers: list[list[int]], after: Segments, before: Segments, sizes: list[float], nodes: int
) -> list[float]:
    """Where the nodes and points are across: each row goes to the middle of what it leads to."""

    def distance(u: int, v: int) -> float:
        return (sizes[u] + sizes[v]) / 2 + (NODE_GAP if max(u, v) < nodes else TRACK_GAP)

    row_of, shift = _rows(layers, after, before, distance, nodes)
    count = max(row_of) + 1
    apart: list[dict[int, float]] = [{} for _ in range(count)]  # how far below others a row must be
    below_of: list[dict[int, float]] = [{} for _ in range(count)]
    for layer in layers:
        for u, v in pairwise(layer):
            above, row = row_of[u], row_of[v]
            if above != row:
                least = max(distance(u, v) + shift[u] - shift[v], apart[row].get(above, 0.0))
                apart[row][above] = below_of[above][row] = least

    pulls: list[list[tuple[int, float]]] = [[] for _ in range(count)]  # (row, wanted distance)
    for u, segments in after.items():
        for v, part in segments:
            if row_of[u] != row_of[v]:
                wanted = shift[v] + part * sizes[v] - shift[u]
                pulls[row_of[u]].append((row_of[v], wanted))
                pulls[row_of[v]].append((row_of[u], -wanted))

    place = [0.0] * count
    downwards = _from_the_top(apart, below_of)
    for row in downwards:
        place[row] = max((place[r] + d for r, d in apart[row].items()), default=0.0)
    for _ in range(ROUNDS):
        for row in (*downwards[::-1], *downwards):
            if pulls[row]:
                wanted = sum(place[r] + d for r, d in pulls[row]) / len(pulls[row])
                highest = max((place[r] + d for r, d in apart[row].items()), default=-inf)
                lowest = min((place[r] - d for r, d in below_of[row].items()), default=inf)
                place[row] = min(max(wanted, highest), lowest)
    across = [place[row] + s for row, s in zip(row_of, shift, strict=True)]
    top = min(middle - size / 2 for middle, size in zip(across, sizes, strict=True))
    return [middle - top for middle in across]


def _rows(
    layers: list[list[int]],
    after: Segments,
    before: Segments,
    distance: Callable[[int, int], float],
    nodes: int,
) -> tuple[list[int], list[float]]:
    """The row of each node and point, and how far below the row's place it is.

    A row is a straight piece of line, no two of which cross: tracks first, then what leads from
    result to result, then the ends of tracks. Inputs of one node, one below the other, are a row,
    too.
    """

    def rank(u: int, v: int) -> int:
        if u >= nodes and v >= nodes:
            return 0
        if u < nodes and v < nodes:
            return 1 if before[u] else 3  # an input stays free to be beside the other inputs
        return 2

    total = sum(map(len, layers))
    shift = [0.0] * total
    follows: dict[int, int] = {}  # what a node or point is in one row with
    for layer, following in pairwise(layers):
        place = {v: i for both in (layer, following) for i, v in enumerate(both)}
        taken: list[tuple[int, int]] = []
        segments = [(rank(u, v), u, v) for u in layer for v, _ in after[u]]
        for _, u, v in sorted(s for s in segments if s[0] < 3):
            line = place[u], place[v]
            i = bisect(taken, line)
            around = [*taken[max(i - 1, 0) : i], line, *taken[i : i + 1]]
            if all(a < c and b < d for (a, b), (c, d) in pairwise(around)):
                taken.insert(i, line)
                follows[v] = u
        for u, v in pairwise(layer):
            leads_to = {w for w, _ in after[u] + after[v]}
            if len(leads_to) == 1 and max(u, v) < nodes and not before[u] and not before[v]:
                follows[v] = u
                shift[v] = shift[u] + distance(u, v)
    row_of = [-1] * total
    rows = 0
    for layer in layers:
        for v in layer:
            if v in follows:
                row_of[v] = row_of[follows[v]]
            else:
                row_of[v] = rows
                rows += 1
    return row_of, shift


def _from_the_top(apart: list[dict[int, float]], below_of: list[dict[int, float]]) -> list[int]:
    """The rows, each after those above it: rows that do not cross have such an order."""
    waiting = [len(above) for above in apart]
    order = [row for row, count in enumerate(waiting) if count == 0]
    for row in order:  # which grows
        for below in below_of[row]:
            waiting[below] -= 1
            if waiting[below] == 0:
                order.append(below)
    return order


def _extents(
    layers: list[list[int]], after: Segments, across: list[float], along_sizes: list[float]
) -> tuple[list[float], list[float]]:
    """Where each layer starts and ends; two are further apart if a line between them climbs far."""
    starts, ends, start = [], [], 0.0
    for layer in layers:
        starts.append(start)
        ends.append(start + max((along_sizes[v] for v in layer if v < len(along_sizes)), default=0))
        climb = max((abs(across[v] - across[u]) for u in layer for v, _ in after[u]), default=0)
        start = ends[-1] + ARROW + min(max(LAYER_GAP, climb / STEEPEST), WIDEST_GAP)
    return starts, ends
