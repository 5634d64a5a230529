"""Folding: which tensors of a large graph are shown as one node.

What is folded into one node is a stretch of the tape, together with the leaves that only this
stretch uses. As the tape is in topological order, a path that leaves a stretch never comes back to
it, so the folded graph is a graph without cycles, too, whatever was folded.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from simplegrad.autograd import tape_of
from simplegrad.tensor import Tensor

LONGEST_PERIOD = 1000  # of what is looked for as a repeated layer, in results
WORTH_FOLDING = 6  # results
LEAVES_SHOWN = 4  # of those that the same nodes use, when a graph is folded


class Group(NamedTuple):
    """Tensors that are shown as one node; `times` says how often the same comes in a repetition."""

    tensors: list[Tensor]
    times: int = 0


def kind_of(t: Tensor) -> str:
    """What a reader tells apart: results, parameters, and constants."""
    return "result" if t.rule is not None else "parameter" if t.requires_grad else "constant"


def graph(root: Tensor) -> list[Tensor]:
    """The tape of `root` and the constants that its rules read, in the order they were made."""
    found = {t.index: t for t in tape_of(root)}
    found.update({a.index: a for c in tuple(found.values()) for a in c.inputs})
    return [found[index] for index in sorted(found)]


def groups_of(tensors: list[Tensor], max_nodes: int) -> list[Group]:
    """What becomes one node each: a tensor, or several in a graph that is too large."""
    if len(tensors) <= max_nodes:
        return [Group([t]) for t in tensors]
    results = [t for t in tensors if t.rule is not None]
    runs = _repeats(results)
    for first_shown in (True, False):
        stretches = _stretches(results, runs, first_shown)
        groups = _with_leaves(stretches, tensors)
        if len(groups) <= max_nodes:
            return groups
    few, many = 0, (min(max_nodes, len(stretches)) - 1) // 2  # how many stay at each end
    while few < many:
        some = (few + many + 1) // 2
        if len(_with_leaves(_shortened(stretches, some), tensors)) <= max_nodes:
            few = some
        else:
            many = some - 1
    return _with_leaves(_shortened(stretches, few), tensors)


def _repeats(results: list[Tensor]) -> list[tuple[int, int, int]]:
    """Where the same rules and shapes come again at once: (start, period, times), none overlap."""
    numbers: dict[object, int] = {}
    kinds = [(t.rule.__name__, t.shape) for t in results]
    sequence = np.array([numbers.setdefault(kind, len(numbers)) for kind in kinds])
    needed = _needed_later(results)
    found = []
    for period in range(1, min(len(sequence) // 2, LONGEST_PERIOD) + 1):
        same = sequence[period:] == sequence[:-period]
        changes = np.flatnonzero(np.diff(same, prepend=False, append=False)).tolist()
        for start, end in zip(changes[::2], changes[1::2], strict=True):
            times, spare = divmod(end + period - start, period)
            if times > 1 and times * period >= WORTH_FOLDING:
                start += int(np.argmin(needed[start + period : start + period + spare + 1]))
                found.append((start, period, times))
    runs = []
    free = np.ones(len(results), dtype=bool)
    for start, period, times in sorted(found, key=lambda run: (-run[1] * run[2], run[1], run[0])):
        stretch = slice(start, start + period * times)
        if free[stretch].all():  # the longest come first, and of the same the shortest period
            free[stretch] = False
            runs.append((start, period, times))
    return sorted(runs)


def _needed_later(results: list[Tensor]) -> np.ndarray:
    """How many results before each place are used after it: few where one layer ends."""
    place = {t.index: i for i, t in enumerate(results)}
    last_use = {
        place[a.index]: i for i, t in enumerate(results) for a in t.inputs if a.rule is not None
    }
    change = np.zeros(len(results) + 1, dtype=int)
    for made, used in last_use.items():
        change[made + 1] += 1
        change[used + 1] -= 1
    return np.cumsum(change)


def _stretches(
    results: list[Tensor], runs: list[tuple[int, int, int]], first_shown: bool
) -> list[Group]:
    """The results, each repetition folded into one: all of it, or what comes after its first."""
    stretches, done = [], 0
    for start, period, times in runs:
        folded = start + period * first_shown
        end = start + period * times
        stretches += [Group([t]) for t in results[done:folded]]
        stretches.append(Group(results[folded:end], times - first_shown))
        done = end
    return [*stretches, *(Group([t]) for t in results[done:])]


def _shortened(stretches: list[Group], some: int) -> list[Group]:
    """The stretches without the middle: the first and the last so many, and one between them."""
    middle, end = stretches[some : len(stretches) - some], stretches[len(stretches) - some :]
    if len(middle) > 1:
        middle = [Group([t for group in middle for t in group.tensors])]
    return [*stretches[:some], *middle, *end]


def _with_leaves(stretches: list[Group], tensors: list[Tensor]) -> list[Group]:
    """The stretches and the leaves, in the order of the tape.

    A leaf that only one folded stretch uses goes into it. Many that the same nodes use are one.
    """
    users = defaultdict(set)
    for i, group in enumerate(stretches):
        for t in group.tensors:
            for a in t.inputs:
                users[a.index].add(i)
    groups = [Group([*group.tensors], group.times) for group in stretches]
    together = defaultdict(list)
    for t in tensors:
        if t.rule is None:
            first = min(users[t.index])
            if len(users[t.index]) == 1 and len(stretches[first].tensors) > 1:
                groups[first].tensors.append(t)
            else:
                together[kind_of(t), frozenset(users[t.index])].append(t)
    for leaves in together.values():
        if len(leaves) > LEAVES_SHOWN:
            groups.append(Group(leaves))
        else:
            groups += [Group([t]) for t in leaves]
    return sorted(groups, key=lambda group: max(t.index for t in group.tensors))
