"""A topological order without the order of creation, and the chain rule along it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simplegrad.exercises.task import Task, table

TITLE = "A topological order, and the chain rule along it"

Graph = Mapping[str, Sequence[str]]


def topological_order(root: str, inputs: Graph) -> list[str]:
    """Every node that `root` depends on, after its inputs."""
    order, done, stack = [], set(), [root]
    while stack:
        node = stack[-1]
        waiting = [i for i in inputs[node] if i not in done]
        stack += waiting
        if not waiting:
            stack.pop()
            if node not in done:
                order.append(node)
            done.add(node)
    return order


def is_order(nodes: Any, root: str, inputs: Graph) -> bool:
    """Whether these are the nodes that `root` depends on, once each, and after their inputs."""
    if not is_list_of_nodes(nodes, inputs):
        return False
    place = {node: i for i, node in enumerate(nodes)}
    return (
        len(nodes) == len(place)
        and place.keys() == set(topological_order(root, inputs))
        and all(place[i] < place[node] for node in nodes for i in inputs[node])
    )


def is_list_of_nodes(nodes: Any, inputs: Graph) -> bool:
    """Whether this is a list of nodes of the graph."""
    return isinstance(nodes, list | tuple) and all(
        isinstance(node, str) and node in inputs for node in nodes
    )


def has_each_once(nodes: Any, root: str, inputs: Graph) -> bool:
    """Whether the right nodes are there, once each, in any order."""
    return is_list_of_nodes(nodes, inputs) and sorted(nodes) == sorted(
        topological_order(root, inputs)
    )


def missing(nodes: Sequence[str], root: str, inputs: Graph) -> set[str]:
    """What `root` depends on and is not among these nodes."""
    return set(topological_order(root, inputs)) - set(nodes)


def too_early(nodes: Sequence[str], inputs: Graph) -> tuple[str, str]:
    """The first node that stands before one of its inputs, and this input."""
    place = {node: i for i, node in enumerate(nodes)}
    return next((node, i) for node in nodes for i in inputs[node] if place[i] > place[node])


def without_leaves(nodes: Any, root: str, inputs: Graph) -> bool:
    """Whether these are an order but for the leaves, which are missing."""
    leaves = [node for node in topological_order(root, inputs) if not inputs[node]]
    return is_list_of_nodes(nodes, inputs) and is_order([*leaves, *nodes], root, inputs)


def chain_rule(
    order: Sequence[str],
    inputs: Graph,
    partials: Mapping[str, Sequence[float]],
    add: Callable[[float, float, float], float] = lambda da, dc, partial: da + dc * partial,
    first: float = 1.0,
    step: int = -1,
    once: bool = False,
) -> dict[str, float]:
    """The gradient of the last node by each; the defaults are what is right."""
    grads = dict.fromkeys(order, 0.0)
    grads[order[-1]] = first
    for c in order[::step]:
        of_inputs = list(zip(inputs[c], partials[c], strict=True))
        for a, partial in dict(of_inputs).items() if once else of_inputs:
            grads[a] = add(grads[a], grads[c], partial)
    return grads


def times_itself(depth: int) -> Graph:
    """Each node is the one before times itself, so paths double at each step."""
    return {"x0": (), **{f"x{i}": (f"x{i - 1}", f"x{i - 1}") for i in range(1, depth + 1)}}


def case(inputs: Graph, **partials: Sequence[float]) -> list[dict[str, Any]]:
    """One call, with the partials of each node from the root on."""
    return [{"order": [*partials][::-1], "inputs": inputs, "partials": partials}]


CHAIN = {"loss": ("z",), "z": ("y",), "y": ("x",), "x": ()}
DIAMOND = {"loss": ("x", "d"), "d": ("c", "b"), "c": ("x", "b"), "x": (), "b": ()}
SHORT_CUT = {"loss": ("b", "a"), "a": ("x",), "b": ("c", "x"), "c": ("a",), "x": ()}
STRAY = {"x": (), "w": (), "other": ("x", "w"), "loss": ("x",), "more": ("loss",)}
LONG = {"n0": (), **{f"n{i}": (f"n{i - 1}",) for i in range(1, 5_000)}}

TASKS = {
    "topological_order": Task(
        arguments="root, inputs",
        equations={
            "order": ("yours if is_order(yours, root, inputs) else topological_order(root, inputs)")
        },
        cases={
            "a chain": [{"root": "loss", "inputs": CHAIN}],
            "a node that is used twice": [{"root": "loss", "inputs": DIAMOND}],
            "a short way and a long one": [{"root": "loss", "inputs": SHORT_CUT}],
            "nodes that the root does not depend on": [{"root": "loss", "inputs": STRAY}],
            "many paths": [{"root": "x12", "inputs": times_itself(12)}],
            "a chain of 5,000 nodes": [{"root": "n4999", "inputs": LONG}],
        },
        mistakes={
            "order": table("""
                it is the wrong way round: inputs come first and the root last
                    -> yours if is_order(yours[::-1], root, inputs) else right
                the root itself is missing
                    -> yours if is_order([*yours, root], root, inputs) else right
                leaves, the nodes without inputs, are missing
                    -> yours if without_leaves(yours, root, inputs) else right
                a node comes twice: remember which ones you have visited
                    -> yours if is_list_of_nodes(yours, inputs)
                    and len(set(yours)) < len(yours) else right
                there are nodes that the root does not depend on
                    -> yours if is_list_of_nodes(yours, inputs)
                    and set(yours) > set(topological_order(root, inputs)) else right
                Python ends a recursion after about 1,000 calls: keep a stack, a list, of your own
                    -> yours if isinstance(yours, RecursionError) and len(inputs) > 900 else right
                {min(missing(yours, root, inputs))} is missing, and the root depends on it
                    -> yours if is_list_of_nodes(yours, inputs)
                    and missing(yours, root, inputs) else right
                {too_early(yours, inputs)[0]} comes too early, before {too_early(yours, inputs)[1]},
                    which is one of its inputs: append a node when all of its inputs are there, not
                    when you first see it
                    -> yours if has_each_once(yours, root, inputs) else right
            """)
        },
        names={
            f.__name__: f
            for f in (
                *(topological_order, is_order, is_list_of_nodes, has_each_once, without_leaves),
                *(missing, too_early),
            )
        },
    ),
    "backward": Task(
        arguments="order, inputs, partials",
        equations={"grads": "chain_rule(order, inputs, partials)"},
        cases={
            "a chain": case(CHAIN, loss=(2.0,), z=(3.0,), y=(5.0,), x=()),
            "nodes that are used twice": case(
                DIAMOND, loss=(2.0, 3.0), d=(5.0, -1.0), c=(4.0, 0.5), x=(), b=()
            ),
            "x * x": case({"x": (), "loss": ("x", "x")}, loss=(3.0, 3.0), x=()),
        },
        mistakes={
            "grads": table("""
                a gradient is overwritten where it must be added: a node may be used twice
                    -> chain_rule(order, inputs, partials, add=lambda da, dc, partial: dc * partial)
                the factor dc is missing: the chain rule multiplies by it
                    -> chain_rule(order, inputs, partials, add=lambda da, dc, partial: da + partial)
                the partial is missing: dc goes on as it is
                    -> chain_rule(order, inputs, partials, add=lambda da, dc, partial: da + dc)
                a gradient is multiplied, where it is added
                    -> chain_rule(order, inputs, partials,
                    add=lambda da, dc, partial: da * dc * partial)
                the order is walked from the front: begin with the root, the last one
                    -> chain_rule(order, inputs, partials, step=1)
                the gradient of the root by itself is 1, and not 0
                    -> chain_rule(order, inputs, partials, first=0.0)
                the first input of each node is the only one that counts: there may be several
                    -> {**dict.fromkeys(order, 0.0), **chain_rule(order,
                    {node: inputs[node][:1] for node in order},
                    {node: partials[node][:1] for node in order})}
                an input that stands twice, as in x * x, is counted once
                    -> chain_rule(order, inputs, partials, once=True)
                the gradient of the root by itself, 1, is missing
                    -> {node: right[node] for node in order[:-1]}
                only the leaves are there: every node of the order has a gradient
                    -> {node: right[node] for node in order if not inputs[node]}
            """)
        },
        names={"chain_rule": chain_rule},
    ),
}
