"""A program: the lines of a recording under names, compiled to a function, and as a script."""

from __future__ import annotations

import base64
import contextlib
import functools
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from timeit import Timer
from typing import Any

import numpy as np

from simplegrad import creation, rules
from simplegrad.fast.in_place import InPlace
from simplegrad.fast.reading import codes_in
from simplegrad.fast.recording import (
    STEP,
    Blocks,
    Line,
    flattened,
    mapped,
    memory_of,
    owner_of,
    place_of,
)
from simplegrad.optimizers.param_groups import ParamGroup
from simplegrad.tools.equations import as_text, equations_in, left_side

ORIGINS = {
    code: (name, method)
    for name in rules.__all__
    for method, function in vars(getattr(rules, name)).items()
    if (code := getattr(function, "__code__", None)) is not None
}
WHOLE = 64  # numbers of an array that are written as numbers
TURNS = 30  # in which lines are measured
CACHED = 100_000  # bytes: writing over an argument pays for arrays that are larger


class Otherwise(Exception):
    """Indices that were in range when they were recorded are not now."""


class Names:
    """The names of arrays and other values in the lines of one recording.

    Attributes:
        values: The values by name.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {
            "np": np,
            "check": check,
            "generator": creation.generator,
            **dict.fromkeys(("tape", "given")),  # what the functions are given
        }
        self.made: set[int] = set()  # arrays that lines fill
        self.shows_numbers = False  # the listing does; arrays of one number are faster
        self._numbers: dict[int, str] = {}
        self._names: dict[int, str] = {}

    def give(self, value: Any, name: str) -> str:
        """The name of a value: `name`, with a number if there is another of that name."""
        if id(value) not in self._names:
            name = re.sub(r"\W+|^(?=\d)", "_", name).rstrip("_")
            new, number = name, 1
            while new in self.values:
                number += 1
                new = f"{name}_{number}"
            self._names[id(value)], self.values[new] = new, value
        return self._names[id(value)]

    def give_to_results(self, made: list[Any]) -> None:
        """Names the results after the rules that made them, as `mul` and `d_mul`."""
        for array, origin in made:
            self.made |= {id(array), memory_of(array)}
            rule, method = ORIGINS.get(origin, ("result", "forward"))
            self.give(array, rule.lower() if method == "forward" else f"d_{rule.lower()}")

    def text(self, value: Any, is_index: bool = False) -> str:
        """How a value is written."""
        if value is ...:
            return "..."
        is_finite = type(value) in (float, complex) and math.isfinite(abs(value))
        if value is None or type(value) in (bool, int, str) or is_finite:
            return repr(value)
        if isinstance(value, slice):
            bounds = [self.text(x) for x in (value.start, value.stop, value.step)]
            if not is_index:
                return f"slice({', '.join(bounds)})"
            texts = ["" if bound == "None" else bound for bound in bounds]
            return ":".join(texts if texts[2] else texts[:2])
        if type(value) in (tuple, list):
            inner = ", ".join(self.text(item, is_index) for item in value)
            if type(value) is list:
                return f"[{inner}]"
            inner += "," * (len(value) == 1)
            return inner if is_index and value else f"({inner})"
        if type(value) is dict:
            items = (f"{key!r}: {self.text(item)}" for key, item in value.items())
            return "{" + ", ".join(items) + "}"
        if isinstance(value, np.dtype):
            return f"np.dtype({value.str!r})"
        if isinstance(value, type):
            return f"np.{np.dtype(value).name}"
        if self.shows_numbers and id(value) in self._numbers:
            return self._numbers[id(value)]
        is_number = isinstance(value, np.ndarray | np.generic) and value.ndim == 0
        if is_number and id(value) not in self._names and np.isfinite(value):
            self._numbers[id(value)] = str(value)
        if isinstance(value, Blocks | InPlace):
            return self.give(value, type(value).__name__.lower())
        return self.give(value, "array" if isinstance(value, np.ndarray) else "value")

    def line(self, line: Line) -> str:
        """A line as Python."""
        texts, is_index = [], False
        for part in line.parts:
            texts.append(part if isinstance(part, str) else self.text(part, is_index))
            is_index = isinstance(part, str) and part.endswith("[")
        return "".join(texts)


def compiled(lines: Iterable[Line], names: Names, head: str = "run()") -> Callable[..., Any]:
    """A function that runs the lines."""
    values = dict(names.values)
    texts = [_found_soon(names.line(line), values) for line in lines] or ["pass"]
    values |= names.values
    body = textwrap.indent("\n".join(texts), "    ")
    exec(compile(f"def {head}:\n{body}\n", "<recording>", "exec"), values)
    return values.pop(head.partition("(")[0])


def _found_soon(text: str, values: dict[str, Any]) -> str:
    """A line with names of its own for the functions of NumPy, which Python finds sooner."""

    def named(match: re.Match[str]) -> str:
        name = match[0].replace(".", "_") + "_"
        values[name] = attrgetter(match[1])(np)
        return name

    return re.sub(r"\bnp\.(\w+(?:\.\w+)?)", named, text)


def share_memory(
    lines: list[Line], again: int, kept: set[int], made: list[Any]
) -> tuple[list[Line], Any]:
    """The lines, with results in the memory of those that are not needed any more.

    It stays in the processor's cache then, and there is less of it. A call element by element may
    write its result over one of its own arguments.

    Args:
        lines: All lines, in their order.
        again: Which of them is the first that may run again without those before it.
        kept: The memory, by id, that is read when the lines have run.
        made: The arrays that the lines fill, in pairs with what made each.

    Returns:
        The lines, and a function that gives what stands for an array now.
    """
    roots = {memory_of(a): a for a, _ in made if a.base is None and a.nbytes and id(a) not in kept}
    used = [[a for a in flattened(line.parts) if memory_of(a) in roots] for line in lines]
    last = {memory_of(a): i for i, arrays in enumerate(used) for a in arrays}
    before = {memory_of(a) for arrays in used[:again] for a in arrays}
    last |= {key: len(lines) for key in before if last[key] >= again}
    free: dict[int, list[np.ndarray]] = {}
    memory: dict[int, np.ndarray] = {}  # in place of the old one
    for i, (line, arrays) in enumerate(zip(lines, used, strict=True)):
        dying = [a for a in arrays if last[memory_of(a)] == i and memory_of(a) in memory]
        for out in [a for a in arrays if memory_of(a) not in memory]:
            layout = out.shape, out.strides, out.itemsize
            same = [
                a for a in dying if (a.shape, a.strides, a.itemsize) == layout and a.base is None
            ]
            if same and out.nbytes > CACHED and _is_elementwise(line):
                dying = [a for a in dying if memory_of(a) != memory_of(same[0])]
                memory[memory_of(out)] = memory[memory_of(same[0])]
            else:
                nbytes = roots[memory_of(out)].nbytes
                found = free.get(nbytes) or [np.empty(nbytes, np.uint8)]
                memory[memory_of(out)] = found.pop()
        for key in {memory_of(a) for a in dying}:
            free.setdefault(roots[key].nbytes, []).append(memory[key])

    @functools.cache
    def array_now(place: tuple[Any, ...], key: int) -> np.ndarray:
        start, shape, strides, dtype = place
        start -= place_of(roots[key])[0]
        return np.ndarray(shape, dtype, memory[key], start, strides)

    def now(x: Any) -> Any:
        return array_now(place_of(x), memory_of(x)) if memory_of(x) in memory else x

    return [Line(mapped(now, line.parts), line.origin) for line in lines], now


def _is_elementwise(line: Line) -> bool:
    """Whether a line is a call of a function of NumPy that goes element by element."""
    name = str(line.parts[0]).removeprefix("np.").removesuffix("(")
    ufunc = getattr(np, name, None)
    return isinstance(ufunc, np.ufunc) and ufunc.signature is None


def check(holds: Any) -> None:
    """Ends a call for whose values the lines were not recorded."""
    if not holds:
        raise Otherwise


# The listing

START = """from __future__ import annotations

import base64
import contextlib
import math
import sys
import types

import numpy as np


def check(holds):
    assert holds, "an index is out of range"


def numbers(text, dtype, shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape).copy()
"""


def script_of(
    functions: dict[str, list[Line]], names: Names, result: Any, of: str, measured: bool
) -> str:
    """The lines as a Python script, with its current numbers, which needs NumPy alone.

    Args:
        functions: The lines by the name of the function that they are to be.
        names: Their names.
        result: The array that the functions return, or None.
        of: What was recorded.
        measured: Whether each line says what it moves and how long it takes.
    """
    names.shows_numbers = True
    ends = [f"return {names.text(result)}"] * (result is not None) or ["pass"]

    def script(times: dict[str, list[float]]) -> str:
        title = f"The calls of NumPy that {of} makes, as they were recorded."
        parts = [f'"""{title}"""\n', START]
        for name, lines in functions.items():
            body = "\n".join([*_commented(lines, names, times.get(name)), *ends])
            parts.append(f"\ndef {name}():\n{textwrap.indent(body, '    ')}\n")
        known = _definitions("\n".join(parts), names)
        parts += ["", "# What they work with", *known, "", 'if __name__ == "__main__":']
        return "\n".join([*parts, *(f"    print({name}())" for name in functions), ""])

    return script(_times_of(functions, names, script({})) if measured else {})


def _times_of(functions: dict[str, Any], names: Names, script: str) -> dict[str, list[float]]:
    """The microseconds of each line, medians of some turns, in arrays of their own."""
    values: dict[str, Any] = {}
    exec(compile(script, "<listing>", "exec"), values)
    times = {}
    for function, lines in functions.items():
        timers = [Timer(names.line(line), globals=values) for line in lines]
        turns = [[timer.timeit(1) for timer in timers] for _ in range(TURNS)]
        nothing = np.median([Timer("pass").timeit(1) for _ in range(TURNS)])
        times[function] = (np.maximum(np.median(turns, axis=0) - nothing, 0) * 1e6).tolist()
    return times


OTHERS = {
    "": "The indices are in range",
    "chain_rule": "The gradients of a tensor that was used twice add up",
    "unbroadcast": "The gradients of copies add up",
    "accumulate_grad": "The gradients are added to .grad",
    "_record_step": STEP,
    "zero_grad": "The gradients are 0 again",
}


def _commented(lines: list[Line], names: Names, times: list[float] | None) -> Iterator[str]:
    """The lines, each with the shape of what it writes, under their rules and equations."""
    last, moved = None, 0
    for number, line in enumerate(lines):
        if (comment := _comment(line.origin)) != last:
            yield f"# {comment}"
        last = comment
        arrays = [part for part in flattened(line.parts) if isinstance(part, np.ndarray)]
        own = [part for part in line.parts if isinstance(part, np.ndarray)]
        has_out = any(part.endswith("out=") for part in line.parts if isinstance(part, str))
        for blocks in (part for part in line.parts if type(part) is Blocks):
            arrays, has_out = own[len(blocks[0]) :] * len(blocks), False  # names come first in it
        facts = [str(own[-has_out].shape)] if own else []
        if times is not None:
            moved += sum(a.nbytes for a in arrays)
            facts += [_size(sum(a.nbytes for a in arrays)), f"{times[number]:.1f} µs"]
        text, *others = names.line(line).split("\n")  # of a loop
        yield "\n".join([text + (f"  # {', '.join(facts)}" if facts else ""), *others])
    if times is not None:
        yield f"# {len(lines)} calls, {_size(moved)} read and written, {sum(times):.0f} µs"


def _size(n: int) -> str:
    return f"{n} B" if n < 1000 else f"{n / 1000:.1f} KB" if n < 1e6 else f"{n / 1e6:.1f} MB"


def _comment(origin: Any) -> str:
    """The rule and its equation, or the function that made the call."""
    if origin not in ORIGINS:
        name = getattr(origin, "co_name", origin or "")
        return OTHERS.get(name, name.strip("<>_"))
    rule, method = ORIGINS[origin]
    equations = equations_in(getattr(rules, rule).__doc__)
    left = "c" if method == "forward" else method
    fitting = [tex for tex in equations if left_side(tex).startswith(left)]
    return f"{rule}: {as_text(fitting[0])}" if fitting else rule


def _definitions(text: str, names: Names) -> Iterator[str]:
    """Lines that define what has a name in the text."""
    defined: set[str] = set()
    known = [*names.values.items()]
    blocks = {name: names.text([*x]) for name, x in known if type(x) is Blocks}
    used = {*re.findall(r"\w+", " ".join([text, *blocks.values()]))}
    for name, value in sorted(names.values.items(), key=lambda item: item[0] in blocks):
        if name not in used:
            continue
        if value is creation.generator:
            state = creation.generator().bit_generator.state
            yield f"random = np.random.Generator(np.random.{state['bit_generator']}())"
            yield f"random.bit_generator.state = {state!r}"
            yield "generator = lambda: random"
        elif isinstance(value, np.ndarray):
            root = owner_of(value)
            memory = names.give(root, f"memory_of_{name}")
            if memory not in defined:
                defined.add(memory)
                yield f"{memory} = {_memory(root, names)}"
            if value is not root:
                yield f"{name} = {_view(value, root, memory)}"
        elif isinstance(value, np.generic):
            yield f"{name} = np.{value!r}".replace("np.np.", "np.")
        elif isinstance(value, InPlace):
            yield f"{name} = types.SimpleNamespace(step_count={value.step_count})"
        elif isinstance(value, ParamGroup):
            yield f"{name} = {{'lr': {value['lr']!r}}}"
        elif name in blocks:
            yield f"{name} = {blocks[name]}"
        elif isinstance(getattr(value, "__self__", None), InPlace):
            raise RuntimeError(
                f"a step that is shared by {value.__self__.workers} workers has no listing. Write "
                "workers=1."
            )
        elif inspect.isfunction(value) and value is not check:
            yield from _sources(value)
            yield f"{inspect.getsource(value)}\n\n{name} = {value.__name__}"
        elif isinstance(value, float | complex):
            yield f"{name} = {type(value).__name__}({str(value)!r})"


def _memory(a: np.ndarray, names: Names) -> str:
    """An array that owns its memory: empty, if a line fills it, or with its numbers."""
    axes = sorted(range(a.ndim), key=lambda axis: -a.strides[axis])  # as they lie in memory
    end = f".transpose({np.argsort(axes).tolist()})" if axes != [*range(a.ndim)] else ""
    a, dtype, is_made = a.transpose(axes), repr(a.dtype.str), id(a) in names.made
    if is_made:
        return f"np.empty({a.shape}, {dtype}){end}"
    if a.size <= WHOLE and a.dtype.kind in "biuf" and np.isfinite(a).all():
        return f"np.array({a.tolist()}, {dtype}){end}"
    return f'numbers("{base64.b64encode(a.tobytes()).decode()}", {dtype}, {a.shape}){end}'


def _view(a: np.ndarray, root: np.ndarray, name: str) -> str:
    """A view of memory, in the first way that gives it."""
    offset = place_of(a)[0] - place_of(root)[0]
    start = offset // root.itemsize
    ways = (
        *(f"{name}.T", f"{name}.mT", f"{name}.reshape({a.shape})"),
        *(f"{name}[{start}:{start + a.size}]{end}" for end in ("", f".reshape({a.shape})")),
        f"np.broadcast_to({name}, {a.shape})",
    )
    for way in ways:
        with contextlib.suppress(ValueError, IndexError):
            if place_of(eval(way, {"np": np, name: root})) == place_of(a):
                return way
    buffer = name if root.flags.c_contiguous else f"{name}.T"
    return f"np.ndarray({a.shape}, {a.dtype.str!r}, {buffer}, {offset}, {a.strides})"


def _sources(function: Any) -> Iterator[str]:
    """The source of the functions that a function calls."""
    for name in {name for code in codes_in(function.__code__) for name in code.co_names}:
        helper = function.__globals__.get(name)
        if inspect.isfunction(helper):
            yield from _sources(helper)
            yield "\n" + inspect.getsource(helper)
