"""The equations of a chapter, compared with the numbers when its cells have just computed them."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import simplegrad as sg
from simplegrad.tools.equations import equations_in, left_side
from tests.helpers.latex import Names, NotRead, check, index_axes, named, sizes_in, vectors

Place = tuple[int, int]
MOST = 6  # runs of a line that are looked at; a loop may have thousands
FLOAT32 = 1e-4


def computed_in(source: str) -> dict[str, list[ast.stmt]]:
    """Each displayed equation, with the statements of the next cell that assign its left side.

    Those in a function are left out, since a chapter may measure or record what a function does.
    """
    lines, tree = source.split("\n"), ast.parse(source)
    inner = [n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)]
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n not in set(inner)]
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("# %%")]
    found: dict[str, list[ast.stmt]] = {}
    shown: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        if "[markdown]" in lines[start - 1]:
            shown = equations_in("\n".join(lines[start : end - 1]))
            continue
        mine = [s for s in statements if start <= s.lineno < end]
        for tex in shown:
            computing = [s for s in mine if left_side(tex) in assigned(s, r"}= " in tex)]
            found |= {tex: [*found.get(tex, []), *computing]} if computing else {}
        shown = []
    return found


def assigned(statement: ast.stmt, is_change: bool) -> list[str]:
    """What a statement assigns or, with an operator, changes: `theta` for `theta.data[...]`."""
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=targets)] | targets) if not is_change:
            pass
        case ast.AugAssign(target=target) if is_change:
            targets = [target]
        case _:
            return []
    return [ast.unparse(t).removesuffix("[...]").removesuffix(".data") for t in targets]


class _Watched(ast.NodeTransformer):
    """Calls `_watch` before and after some statements."""

    def __init__(self, places: dict[Place, Any]) -> None:
        self.places = places

    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        place = place_of(node)
        if place not in self.places or not isinstance(node, ast.stmt):
            return node
        calls = [ast.parse(f"_watch({place}, globals(), {after})").body[0] for after in (0, 1)]
        for part in (part for call in calls for part in ast.walk(call)):
            ast.copy_location(part, node)
        return [calls[0], node, calls[1]]


def place_of(node: ast.AST) -> Place:
    """The line and the column."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def outcomes(
    script: Path, changed: Callable[[str], Iterable[str]]
) -> Iterator[tuple[str, str, list[str]]]:
    """Runs a chapter: each equation, "equal" or what is wrong, and which of its changes are equal.

    It is equal if it is so whenever one of the statements has run. What follows the last of them is
    not run.
    """
    source = script.read_text(encoding="utf-8")
    own = computed_in(source)
    found = {other: own[tex] for tex in own for other in (*changed(tex), tex)}
    places: dict[Place, dict[str, list[str]]] = {}
    for tex, statements in found.items():
        for statement in statements:
            places.setdefault(place_of(statement), {})[tex] = []
    start: dict[Place, Names] = {}

    def watch(place: Place, names: Names, is_after: bool) -> None:
        line = source.split("\n")[place[0] - 1]
        for tex, results in places[place].items():
            if len(results) < MOST:
                now = numbers(names, "@" in line or r"\top" in tex)
                if is_after:
                    results.append(compared(tex, now, start[place]))
                else:
                    start[place] = now

    tree, last = ast.parse(source), max((line for line, _ in places), default=0)
    tree.body = [statement for statement in tree.body if statement.lineno <= last]
    tree = ast.fix_missing_locations(_Watched(places).visit(tree))
    exec(compile(tree, str(script), "exec"), {"__name__": "__main__", "_watch": watch})
    results = {
        tex: [set(places[place_of(statement)][tex]) for statement in statements]
        for tex, statements in found.items()
    }
    for tex in own:
        others = [other for other in changed(tex) if {"equal"} in results[other]]
        wrong = " ".join(sorted(results[tex][-1])) or "not run"
        yield tex, "equal" if {"equal"} in results[tex] else wrong, others


def numbers(names: Names, is_product: bool) -> Names:
    """Copies of the numbers; arrays of a line with `@` are vectors and matrices."""
    kinds = (int, float, np.number, np.ndarray, sg.Tensor)
    found = named({n: v for n, v in names.items() if isinstance(v, kinds) or is_function(v)})
    copies = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in found.items()}
    return vectors(copies) if is_product else copies


def is_function(value: Any) -> bool:
    """Whether it is one of the chapter."""
    return getattr(value, "__module__", "") == "__main__" and callable(value)


def compared(tex: str, names: Names, before: Names) -> str:
    """ "equal", or what is not."""
    axes = index_axes(sizes_in(tex, names))
    try:
        check(tex, names | axes, before | axes, FLOAT32)
    except (NotRead, AssertionError, ValueError, IndexError, TypeError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return "equal"
