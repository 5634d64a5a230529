"""The storyboard of a recorded call: what is to be seen at each step, as plain data for JSON.

    {"call", "end"                    what was called, and how it ended
     "functions": [{"name", "file", "first", "source", "equations": {line: number}}]
     "equations": [{"tex", "text"}]
     "values": [[type, text]]         each once
     "tensors": {value: tensor}       which tensor a value is of
     "activations": [[function, above]]
     "steps": [[activation, line, event, value, [[activation, name, value]], [[node, row, text]]]]
     "graph": {"svg", "born": [step], "tensors": [tensor]}, or {"sentence"}}

In a step, the variables that have changed come first, -1 for one that is gone; then the rows of the
graph's nodes.
"""

from __future__ import annotations

import inspect
import linecache
import math
import os
import textwrap
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from simplegrad.tensor import Tensor
from simplegrad.tools import draw
from simplegrad.tools.equations import as_text, definition_of, statements_of
from simplegrad.tools.folding import graph
from simplegrad.tools.recorder import (
    FIRST,
    LARGEST_GRAPH,
    LIMIT,
    PACKAGE,
    WHOLE,
    Activation,
    Array,
    Entries,
    OfTensor,
    Other,
    Recorder,
    Text,
)
from simplegrad.tools.trace import owner_of

LETTERS = 120  # of a text
GONE = -1
LOST = (
    "From here on, nothing was written down: a debugger took over, as at breakpoint(), or calls "
    "were nested too deeply."
)
ROWS = "value", "grad"  # of a node


def storyboard_of(call: str, recorder: Recorder, end: str) -> dict[str, Any]:
    """All that is to be seen."""
    functions = Functions()
    activations = [[functions.number_of(one), one.above] for one in recorder.activations]
    values = Values()
    picture = Picture(recorder)
    steps = []
    seen: dict[int, dict[str, tuple[int, int]]] = {}  # by activation: id and value of each name
    for step in recorder.steps:
        mine = seen.setdefault(step.activation, {})
        now = {
            name: (getattr(kept, "id", 0), values.number_of(kept))
            for name, kept in step.variables.items()
            if not name.startswith((".", "__"))
        }
        changes = [[step.activation, name, GONE] for name in mine.keys() - now.keys()]
        changes += [
            [step.activation, name, value]
            for name, (_, value) in now.items()
            if name not in mine or mine[name][1] != value
        ]
        seen[step.activation] = now
        changes += _changes_above(step.activation, now, seen, recorder.activations)
        value = -1 if step.event == "line" else values.number_of(step.value)
        rows = picture.rows(step.variables, step.gradients)
        steps.append([step.activation, step.line, step.event, value, changes, rows])
    if recorder.is_full:
        end = f"These are the first {LIMIT:,} steps. The call went on: {end}"
    elif recorder.is_lost:
        end = f"{LOST} The call went on: {end}"
    return {
        "call": call,
        "end": end,
        "functions": functions.entries,
        "equations": [{"tex": tex, "text": as_text(tex)} for tex in functions.equations],
        "values": values.texts,
        "tensors": values.tensors,
        "activations": activations,
        "steps": steps,
        "graph": picture.entry(),
    }


def text_of(board: dict[str, Any]) -> str:
    """The lines that ran, each once: those that compute an equation, or all if there are none."""
    rows: dict[tuple[str, str, str], None] = {}
    for activation, line, *_ in board["steps"]:
        function = board["functions"][board["activations"][activation][0]]
        number, row = function["equations"].get(str(line)), line - function["first"]
        equation = "" if number is None else board["equations"][number]["text"]
        if row < len(function["source"]):
            rows[f"{function['name']}:{line}", function["source"][row].strip(), equation] = None
    shown = [row for row in rows if row[2]] or list(rows)
    place, code = (max((len(row[i]) for row in shown), default=0) for i in (0, 1))
    lines = [f"{row[0]:{place}}  {row[1]:{code}}  {row[2]}".rstrip() for row in shown]
    return "\n".join([board["call"], *lines, board["end"]])


def _changes_above(
    activation: int,
    now: dict[str, tuple[int, int]],
    seen: dict[int, dict[str, tuple[int, int]]],
    activations: list[Activation],
) -> list[list[Any]]:
    """What the functions that wait see of what this one has changed in place."""
    objects = {id_: value for id_, value in now.values() if id_}
    changes: list[list[Any]] = []
    above = activations[activation].above
    while above >= 0:
        for name, (id_, value) in seen.get(above, {}).items():
            if objects.get(id_, value) != value:
                seen[above][name] = id_, objects[id_]
                changes.append([above, name, objects[id_]])
        above = activations[above].above
    return changes


# Functions


class Functions:
    """The functions that ran, each once, with their equations."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.equations: dict[str, int] = {}
        self._numbers: dict[tuple[str, CodeType], int] = {}

    def number_of(self, one: Activation) -> int:
        """The number of a function among the entries."""
        key = one.code.co_filename, one.code  # equal codes may stand in two files
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            self.entries.append(self._entry(one.code, one.names, one.first))
        return self._numbers[key]

    def _entry(self, code: CodeType, names: dict[str, Any], first: type) -> dict[str, Any]:
        owner = owner_of(code, first, names)
        lines = linecache.getlines(code.co_filename, names)
        start, block = 1, lines
        if code.co_name != "<module>":
            start = code.co_firstlineno
            block = inspect.getblock(lines[start - 1 :])
        last = max(line or start for *_, line in code.co_lines())  # a comprehension has no block
        source = lines[start - 1 : max(start - 1 + len(block), last)]
        definition, _ = definition_of(code, names)
        equations: dict[str, int] = {}
        for node, computed in statements_of(definition, owner).items() if definition else ():
            if computed is not None and computed.equation:
                tex = " ".join(computed.equation.split())
                number = self.equations.setdefault(tex, len(self.equations))
                last = node.end_lineno or node.lineno
                equations |= dict.fromkeys(map(str, range(node.lineno, last + 1)), number)
        return {
            "name": f"{owner.__name__}.{code.co_name}" if owner else code.co_name,
            "file": _file_of(code),
            "first": start,
            "source": textwrap.dedent("".join(source)).rstrip().split("\n"),
            "equations": equations,
        }


def _file_of(code: CodeType) -> str:
    """A file as a reader knows it: its path from the package, or its name."""
    if code.co_filename.startswith(PACKAGE):
        return os.path.relpath(code.co_filename, os.path.dirname(PACKAGE[:-1])).replace(os.sep, "/")
    return "a cell" if "ipykernel" in code.co_filename else os.path.basename(code.co_filename)


# Values


class Values:
    """The texts of values, each once."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.tensors: dict[str, int] = {}  # which tensor a text is of, by its index
        self._numbers: dict[Any, int] = {}
        self._of_array: dict[Any, tuple[str, str]] = {}

    def number_of(self, kept: Any) -> int:
        """The number of a value among the texts."""
        text = self.text_of(kept)
        key = text, kept.number if isinstance(kept, OfTensor) else None
        if key not in self._numbers:
            self._numbers[key] = len(self.texts)
            self.texts.append(text)
            if key[1] is not None:
                self.tensors[str(len(self.texts) - 1)] = key[1]
        return self._numbers[key]

    def text_of(self, kept: Any) -> tuple[str, str]:
        """The type of a value, with dtype and shape, and the value."""
        match kept:
            case Array():
                key = kept[1:]
                if key not in self._of_array:
                    self._of_array[key] = _type_of(kept), array_text(kept)
                return self._of_array[key]
            case OfTensor():
                made = f", from {kept.rule.__name__}" if kept.rule else ""
                grad = f"\ngrad {self.text_of(kept.grad)[1]}" if kept.grad else ""
                return _type_of_tensor(kept) + made, self.text_of(kept.data)[1] + grad
            case Entries():
                return _type_of_list(kept), self._entries(kept)
            case Other():
                return "", f"{kept.type.__name__} object"
            case ModuleType():
                return "module", kept.__name__
            case Text():
                return "", cut(kept.text)
        try:
            if isinstance(kept, str | bytes) and len(kept) > LETTERS:
                kept = kept[:LETTERS]  # of a text of megabytes, at every step
            name = getattr(kept, "__qualname__", "") or getattr(kept, "__name__", "")
            return "", cut(name or repr(kept))
        except Exception as error:  # of a class of its own
            return "", f"{type(kept).__name__} whose repr raises {type(error).__name__}"

    def _entries(self, kept: Entries) -> str:
        texts = []
        for entry in kept.entries:
            match entry:
                case OfTensor():
                    texts.append(_type_of_tensor(entry))
                case Entries():
                    texts.append(_type_of_list(entry))
                case _:
                    kind, text = self.text_of(entry)
                    texts.append(kind if "\n" in text else text)
        if kept.keys:
            keys = [self.text_of(key)[1] for key in kept.keys]
            texts = [f"{key}: {text}" for key, text in zip(keys, texts, strict=True)]
        if kept.size > len(texts):
            texts.append(f"… {kept.size - len(texts):,} more")
        return ("\n" if kept.keys else ", ").join(texts)


def _type_of_tensor(kept: OfTensor) -> str:
    return f"Tensor {f'{kept.name} ' if kept.name else ''}{_type_of(kept.data)}"


def _type_of_list(kept: Entries) -> str:
    return f"{kept.type.__name__} of {kept.size}" if kept.size else f"empty {kept.type.__name__}"


def cut(text: str) -> str:
    """The text, or the start of a long one."""
    return text if len(text) <= LETTERS else f"{text[:LETTERS]} …"


def _type_of(kept: Array) -> str:
    return f"{kept.dtype} {kept.shape}" if kept.shape else f"{kept.dtype}"


def array_of(kept: Array) -> np.ndarray:
    """The array, or the first numbers of a large one."""
    shape = kept.shape if math.prod(kept.shape) <= WHOLE else (FIRST,)
    return np.ndarray(shape, kept.dtype, kept.numbers)


def array_text(kept: Array) -> str:
    """The numbers as NumPy prints them; of a large array the first, and three dots."""
    numbers = array_of(kept)
    return str(numbers) if numbers.shape == kept.shape else f"{str(numbers)[:-1]} …"


# The graph


class Picture:
    """The largest graph of a result that was seen, and what its nodes show at each step."""

    def __init__(self, recorder: Recorder) -> None:
        tensors, self.born = recorder.tensors, recorder.born
        used = {t.index for c in tensors.values() for t in c.inputs}
        ends = [t for _, t in sorted(tensors.items()) if t.rule and t.index not in used]
        self.is_large = recorder.is_large
        self.tensors: list[Tensor] = max((graph(end) for end in ends), key=len, default=[])
        self.numbers = {t.index: number for number, t in enumerate(self.tensors)}
        self.shown: dict[tuple[int, str], str] = {}
        self.widest: dict[tuple[int, str], str] = {}

    def rows(self, variables: Mapping[str, Any], gradients: Mapping[int, Any]) -> list[list[Any]]:
        """The rows of nodes that are not as in the step before."""
        seen = [kept for kept in variables.values() if isinstance(kept, OfTensor)]
        new = [(kept.number, "value", kept.data) for kept in seen]
        new += [(index, "grad", kept) for index, kept in gradients.items()]
        rows: list[list[Any]] = []
        for index, name, kept in new:
            number = self.numbers.get(index)
            if number is None or (kept and np.prod(kept.shape) > draw.SMALL):
                continue
            text = f"{name} {draw.numbers_text(array_of(kept))}" if kept else ""
            place = number, name
            if len(text) <= draw.LONGEST and self.shown.get(place, "") != text:
                self.shown[place] = text
                self.widest[place] = max(self.widest.get(place, ""), text, key=len)
                rows.append([number, name, text])
        return rows

    def entry(self) -> dict[str, Any]:
        """The picture, or why there is none."""
        if self.is_large:
            many = f"The graph has more than {LARGEST_GRAPH} tensors, too many to follow"
            return {"sentence": f"{many}; sg.draw folds them."}
        if not self.tensors:
            return {}
        nodes = [
            node._replace(values=[*filter(None, (self.widest.get((i, x)) for x in ROWS))])
            for i, node in enumerate(draw.nodes_of(self.tensors, LARGEST_GRAPH))
        ]
        born = [self.born.get(t.index, 0) for t in self.tensors]
        tensors = [t.index for t in self.tensors]
        return {"svg": draw.svg_of(nodes, down=False), "born": born, "tensors": tensors}
