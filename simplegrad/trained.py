"""What is trained: whether an optimizer has the parameters that got the gradients.

The ground floor, like `mistakes`: `backward` says which leaves got gradients, and `step` asks.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import Counter, deque
from collections.abc import Container, Mapping, Sequence
from itertools import chain
from operator import ne
from typing import Any

now = itertools.count(1).__next__  # the order in which gradients arrive and optimizers step

# Those that are alive, each with the modules whose parameters it was given, as weak references
optimizers: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


class _Reached(threading.local):
    """The last calls of backward() in this thread: when, and weakly which leaves got gradients."""

    def __init__(self) -> None:
        self.last: deque[tuple[int, list[Any]]] = deque(maxlen=10)
        # of the same leaves, to be compared fast; those that are reached again and again, once
        self.ids: deque[set[int]] = deque(maxlen=10)


reached = _Reached()


def remember_modules(optimizer: Any, params: Sequence[Any]) -> None:
    """Remembers an optimizer, and those of its "params" that are modules."""
    modules = [weakref.ref(p) for p in params if hasattr(p, "parameters")]
    optimizers.setdefault(optimizer, []).extend(modules)


def optimizers_of(tensors: Sequence[Any]) -> list[Any]:
    """The living optimizers that have one of these tensors."""
    living = [opt for ref in optimizers.keyrefs() if (opt := ref()) is not None]
    ids = {*map(id, tensors)}
    return [opt for opt in living if not ids.isdisjoint(map(id, opt._tensors))]


def gradients_went_to(tape: Sequence[Any]) -> None:
    """Remembers which leaves a backward() has given gradients to."""
    leaves = [t for t in tape if t.rule is None]
    reached.last.append((now(), [*map(weakref.ref, leaves)]))
    ids = {*map(id, leaves)}
    if not (reached.ids and ids == reached.ids[-1]):
        reached.ids.append(ids)


def check(optimizer: Any, since: int) -> None:
    """Raises a ValueError if others got the gradients that the optimizer's parameters were to get.

    Others are leaves that no optimizer has. There may be such, as inputs that require gradients.
    They are a mistake if they are in a module that the optimizer was given: they have been added,
    or were frozen when it was made. They are one, too, if parameters of their shapes lack theirs,
    as a parameter may, like that of a head that is not used.
    """
    refs = chain(*(refs for time, refs in reached.last if time > since))
    got = {id(t): t for ref in refs if (t := ref()) is not None}
    if not got:
        return
    groups = optimizer.param_groups
    living = [opt for ref in optimizers.keyrefs() if (opt := ref()) is not None]
    owned = {id(t) for opt in living for g in opt.param_groups for t in g["params"].values()}
    others = {key: t for key, t in got.items() if key not in owned and t.requires_grad}
    if others:
        lacking = {
            id(t): f"{name!r} of group {group['label']!r}"
            for group in groups
            for name, t in group["params"].items()
            if t.requires_grad and _lacks_gradient(t, since)
        }
        modules = [m for ref in optimizers.get(optimizer, ()) if (m := ref()) is not None]
        found = [(name, t) for m in modules for name, t in m.parameters().items()]
        now_there = [repr(name) for name, t in found if id(t) in others]
        shapes = [t.shape for t in others.values()]
        if now_there or (lacking and _are_replaced(groups, lacking, shapes)):
            name = type(optimizer).__name__
            raise _not_trained(name, [*lacking.values()], now_there, [*map(repr, others.values())])


def _lacks_gradient(t: Any, since: int) -> bool:
    """Whether `t` got none since then; one that was cleared, and is not 0, was filled by hand."""
    return t.touched <= since and (t.touched > 0 or t.grad is None or not t.grad.any())


def _are_replaced(
    groups: Sequence[Mapping[str, Any]], without: Container[int], others: list[Any]
) -> bool:
    """Whether the shapes of others say that they are where parameters without a gradient were.

    They do if no parameter has a gradient and most of the others are of their shapes, as in a copy
    that is trained in part, and if most that lack one in a group find another, which may differ
    along an axis, as a head for more classes does. A single shape can be that of an input.
    """
    trainable = [[t for t in g["params"].values() if t.requires_grad] for g in groups]
    lacking = [[t.shape for t in row if id(t) in without] for row in trainable]
    trained = Counter(t.shape for t in chain(*trainable) if id(t) not in without)
    if not trained:
        found = _alike([*chain(*lacking)], others, axes=0)
        if found > 1 and 2 * found > len(others):
            return True
    elif trained <= Counter(others):  # all have others beside them, which are those of a teacher
        others = [*(Counter(others) - trained).elements()]
    return any(
        2 * _alike(shapes, others, axes=int(len(shapes) > 1)) > len(shapes)
        for shapes, row in zip(lacking, trainable, strict=True)
        if len(shapes) > 1 or len(row) == 1
    )


def _alike(shapes: list[Any], others: list[Any], axes: int) -> int:
    """How many of these shapes have one of the others each, up to the sizes of so many axes."""
    left, found = list(others), 0
    for shape in shapes:
        alike = [s for s in left if len(s) == len(shape) and sum(map(ne, s, shape)) <= axes]
        if alike:
            left.remove(shape if shape in alike else alike[0])
            found += 1
    return found


def _not_trained(
    optimizer: str, mine: list[str], now_there: list[str], others: list[str]
) -> ValueError:
    def some(names: list[str]) -> str:
        return ", ".join([*names[:3], *([f"and {len(names) - 3} more"] if names[3:] else [])])

    them = f"{some(now_there)} of the model as it is now" if now_there else some(others)
    if not mine:
        return ValueError(
            f"backward() gave a gradient to {them}, which no optimizer has: it was added to the "
            "model, or its requires_grad was set, after its optimizer was made. Nothing was "
            'updated. Write opt.add_param_group({"params": model.head}) for what is to be trained, '
            "or model.head.weight.requires_grad = False for what is not."
        )
    return ValueError(
        f"step() has no new gradient for {some(mine)}, but backward() gave one to {them}, "
        "which no optimizer has. A part of the model was replaced after its optimizer was made, or "
        "the loss was computed with a copy of the model. Nothing was updated. Write opt = "
        f"{optimizer}(model=model) with the model that computes the loss, and "
        "opt.load_state(old_opt.state()) to keep the moments, or "
        'opt.add_param_group({"params": model.head}) for what is new.'
    )
