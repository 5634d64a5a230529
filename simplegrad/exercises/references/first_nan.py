"""The first number that is not finite, found as a breakpoint with a condition finds it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simplegrad.exercises.references.topological_order import Graph, topological_order
from simplegrad.exercises.task import Task, table

TITLE = "Where the first NaN comes from"

Data = Mapping[str, Any]


def is_bad_each(numbers: Any) -> Any:
    """Which numbers are not finite."""
    return ~np.isfinite(numbers)


def is_bad(node: str, data: Data, kind: Callable[[Any], Any] = is_bad_each) -> bool:
    """Whether a number of a node is of this kind."""
    return bool(np.any(kind(data[node])))


def bad(
    root: str, inputs: Graph, data: Data, kind: Callable[[Any], Any] = is_bad_each
) -> list[str]:
    """The nodes of `root` with a number of this kind, inputs first; all nodes without a root."""
    nodes = topological_order(root, inputs) if root else inputs
    return [node for node in nodes if is_bad(node, data, kind)]


def sources(
    inputs: Graph, data: Data, root: str = "", kind: Callable[[Any], Any] = is_bad_each
) -> list[str]:
    """Those of them whose inputs have no such number."""
    found = bad(root, inputs, data, kind)
    return [node for node in found if not any(is_bad(i, data, kind) for i in inputs[node])]


def one_of(yours: Any, nodes: list[str]) -> str | None:
    """The student's answer if it is among these nodes, or else the first of them, or None."""
    is_one = isinstance(yours, str) and yours in nodes
    return yours if is_one else next(iter(nodes), None)


def case(root: str, **nodes: tuple[Any, ...]) -> list[dict[str, Any]]:
    """One call: of each node its two numbers, or one for both, and after them its inputs."""
    data = {node: np.full(2, numbers, dtype=float) for node, (numbers, *_) in nodes.items()}
    return [{"root": root, "inputs": {n: tuple(i) for n, (_, *i) in nodes.items()}, "data": data}]


INF, NAN = np.inf, np.nan

SOFTMAX = {
    "a": ([1.0, 1000.0],),
    "e": ([np.e, INF], "a"),
    "n": (INF, "e"),
    "p": ([0.0, NAN], "e", "n"),
    "l": ([-INF, NAN], "p"),
    "loss": (NAN, "l"),
}

TASKS = {
    "first_nan": Task(
        arguments="root, inputs, data",
        equations={"node": "one_of(yours, sources(inputs, data, root))"},
        cases={
            "a softmax of large numbers": case("loss", **SOFTMAX),
            "all is finite": case("c", a=(2.0,), b=([3.0, 4.0],), c=([6.0, 8.0], "a", "b")),
            "a leaf that has a NaN": case(
                "loss", w=([1.0, 2.0],), x=([NAN, 1.0],), c=([NAN, 2.0], "w", "x"), loss=(NAN, "c")
            ),
            "an infinity that the root does not show": case(
                "loss", a=(0.0,), b=(INF, "a"), c=(0.0, "b"), loss=(1.0, "c", "a")
            ),
            "a NaN that the root does not depend on": case(
                "loss", y=(NAN,), a=(-1.0,), z=(NAN, "y"), b=(NAN, "a"), loss=(NAN, "b")
            ),
            "the root itself": case("loss", a=(0.0,), b=([1.0, 2.0],), loss=(-INF, "a", "b")),
            "two of them": case(
                "loss", a=(0.0,), b=(-INF, "a"), c=(NAN, "a"), d=(NAN, "b", "c"), loss=(NAN, "d")
            ),
        },
        mistakes={
            "node": table("""
                this is the first NaN, and an infinity comes before it: ask for both, with
                    np.isfinite
                    -> one_of(yours, sources(inputs, data, root, np.isnan))
                NaN is not looked for: ask for both, with np.isfinite
                    -> one_of(yours, sources(inputs, data, root, np.isinf))
                the root is not finite because of its inputs: go on to them
                    -> one_of(yours, [root] * is_bad(root, data))
                this is the last node that is not finite, and the first is wanted
                    -> one_of(yours, bad(root, inputs, data)[-1:])
                the root does not depend on this node -> one_of(yours, sources(inputs, data))
                the first element alone says too little: all numbers of a node are to be finite
                    -> one_of(yours, sources(inputs, {n: x[0] for n, x in data.items()}, root))
                a node is passed over if one of its numbers is finite: all of them are to be
                    -> one_of(yours, sources(inputs, {n: x[np.argmin(is_bad_each(x))]
                    for n, x in data.items()}, root))
                the leaves are left out: one of them may have been given a NaN
                    -> one_of(yours, [n for n in sources(inputs, data, root) if inputs[n]])
                only the leaves are looked at
                    -> one_of(yours, [n for n in bad(root, inputs, data) if not inputs[n]])
                a finite root may hide it: 1 divided by infinity is 0
                    -> one_of(yours, sources(inputs, data, root) * is_bad(root, data))
                this is an input of the right node, and is finite
                    -> one_of(yours, [i for n in sources(inputs, data, root) for i in inputs[n]])
                these are all of them: return one -> sources(inputs, data, root)
                this is True or False: return the name of the node
                    -> bool(sources(inputs, data, root))
                None is returned: there is a return missing, or the search ends too early -> None
            """)
        },
        names={f.__name__: f for f in (is_bad, is_bad_each, sources, one_of, bad)},
    )
}
