"""`explain`: makes a call, and shows the lines of the library that computed, with their numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

from simplegrad import autograd, given
from simplegrad.nn.module import Module
from simplegrad.optimizers.optimizer import Optimizer
from simplegrad.tensor import Tensor
from simplegrad.tools.equations import as_text
from simplegrad.tools.lines import CODE, NUMBERS, Index, Line, element_of, rounded, text_of

WHERE = 24  # columns of the table that say where

NOTHING = """\
no line of the mathematical parts of simplegrad ran, or none about the tensor that was chosen: no
rule, no chain rule, no update of an optimizer, no forward of a module. What simplegrad.fast runs
has no such lines: explain the same call with simplegrad.optimizers, which gives the same bits.
Functions that were typed where Python keeps no source, as in python -c, cannot be shown either."""


class Explanation:
    """What a call computed: its lines, in the order in which they were done.

    Attributes:
        call: The name of what was called.
        element: Which element the numbers are of, in words.
        lines: The lines.
        result: What the call returned.
    """

    def __init__(self, call: str, element: str, lines: list[Line], result: Any) -> None:
        self.call, self.element, self.lines, self.result = call, element, lines, result

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __repr__(self) -> str:
        return f"Explanation({self.call}: {len(self)} lines; print it to see them)"

    def __str__(self) -> str:
        """The table, in 100 columns."""
        title = f"{self.call}: {self.element}"
        if not self.lines:
            return f"{title}\n{NOTHING}"
        places = [_place(line) for line in self.lines]
        width = max(len(place) for place in places)
        head = f"{'line':{width}}  {'code; above it its equation, below it the numbers':{NUMBERS}}"
        rows = [title, "", f"{head}  result", "-" * (width + 2 + CODE)]
        above = self.lines[0].parameter if len({line.parameter for line in self}) == 1 else ""
        for place, line in zip(places, self.lines, strict=True):
            if line.parameter != above:
                rows += ["", *([f"{line.parameter}:"] if line.parameter else [])]
                above = line.parameter
            equation = textwrap.wrap(as_text(line.equation), CODE)
            for text in [*equation, *str(line).split("\n")]:
                rows.append(f"{place:{width}}  {text}".rstrip())
                place = ""
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        """The table for a notebook, in whose colours it stands."""
        from html import escape  # only when it is needed: it takes time to import

        title = f"<p><code>{escape(self.call)}</code>: {escape(self.element)}</p>"
        if not self.lines:
            return f"{title}\n<p>{escape(NOTHING)}</p>"

        def code(text: str) -> str:
            style = "white-space: pre-wrap; background: none; color: inherit"
            return f'<code style="{style}">{escape(text)}</code>'

        def row(tag: str, cells: list[str]) -> str:
            left = 'style="text-align: left; vertical-align: top"'
            return f"<tr>{''.join(f'<{tag} {left}>{cell}</{tag}>' for cell in cells)}</tr>"

        rows = [row("th", ["line", "of", "equation", "code", "numbers put in", "result"])]
        for line in self.lines:
            equation = escape(f"${line.equation}$" if line.equation else "")
            computed = code(rounded(line.numbers)), code(rounded(text_of(line.result)))
            place, of = code(f"{line.function}:{line.line}"), escape(line.parameter or "")
            rows.append(row("td", [place, of, equation, code(line.code), *computed]))
        return "\n".join([title, "<table>", *rows, "</table>"])


def explain(
    call: Callable[..., Any],
    /,
    *args: Any,
    parameter: str | Tensor | None = None,
    index: int | Index | None = None,
    **kwargs: Any,
) -> Explanation:
    """Makes a call and shows what it computed: the lines that ran, with the numbers put in.

    It takes any call of simplegrad: `opt.step`, `loss.backward`, a model, the `forward` or a
    partial of a rule, or a function of yours that makes such calls. Print what it returns, or let
    a notebook show it. A debugger such as pdb does not stop within the call.

    Args:
        call: What to call: the function, not its result.
        args: The arguments to call it with.
        parameter: Show only the lines about this tensor: its name in the optimizer, in
            `model.parameters()` or as given to the tensor; or the tensor itself.
        index: The element whose numbers are shown, the first if not given. An array of another
            shape is aligned with it as in broadcasting; where it has no such element, its first
            values and its shape are shown.
        kwargs: The arguments to call it with by name. For those whose names are `parameter` and
            `index`, write a lambda.

    Raises:
        TypeError: `call` cannot be called, or `index` is not made of ints.
        RuntimeError: This is the prompt of a debugger, where nothing can look on.
        KeyError: No tensor of that name is known from the call.
        ValueError: Several tensors have that name, or `index` is out of range. Nothing has been
            called then.
        Exception: What the call raised. The table up to there, with the error as its last line, is
            printed, and is the `explanation` of the error.

    Examples:
        >>> w = sg.Tensor([2.0, 3.0], requires_grad=True, name="w")
        >>> opt = optim.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
        >>> (w**2).sum().backward()
        >>> steps = sg.explain(opt.step, parameter="w", index=1)
        >>> steps
        Explanation(SGD.step: 7 lines; print it to see them)
        >>> print(steps.lines[-1])
        theta.data -= lr * step
                    = 3 - 0.1 * 6                                   = 2.4
    """
    # which cost time that few programs need
    from simplegrad.tools.trace import LineTracer, check_that_calls_are_traced

    if not callable(call):
        raise TypeError(
            f"explain makes the call itself, so it takes a function and its arguments, but got "
            f"{call!r:.80}. Write sg.explain(opt.step), without the parentheses of opt.step()."
        )
    check_that_calls_are_traced("explain")
    name = name_of(call)
    known = _known_tensors(call, args, kwargs)
    chosen = _chosen(parameter, known, name)
    index = _checked_index(index, chosen, known, call)
    tracer = LineTracer(chosen, index, known)
    element = "the first element" if index is None else f"element {index}"
    element += " of each array" if chosen is None else f" of {tracer.name_of(chosen)}"
    try:
        result = tracer.watch(call, args, kwargs)
    except Exception as error:
        tracer.lines.append(tracer.line_that_raised(error))
        explanation = Explanation(name, element, tracer.lines, None)
        vars(error)["explanation"] = explanation
        print(explanation)
        raise
    return Explanation(name, element, tracer.lines, result)


# Which tensor, and which element of it


def name_of(call: Callable[..., Any]) -> str:
    """How a call is called: "Adam.step", "softmax", "Sequential"."""
    if isinstance(call, MethodType):
        return f"{type(call.__self__).__name__}.{call.__name__}"
    name = getattr(call, "__qualname__", type(call).__name__)
    return name.rpartition("<locals>.")[2]


def _known_tensors(
    call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[str, Tensor]]:
    """The named tensors that a call is made on, that it is given, or that its function mentions."""
    things = [getattr(call, "__self__", call), *args, *kwargs.values()]
    if isinstance(call, FunctionType):
        from inspect import getclosurevars  # only when it is needed: it takes time to import

        mentioned = getclosurevars(call)
        things += [*mentioned.nonlocals.values(), *mentioned.globals.values()]
    known: list[tuple[str, Tensor]] = []
    for thing in things:
        if isinstance(thing, Optimizer):
            known += [pair for group in thing.param_groups for pair in group["params"].items()]
        elif isinstance(thing, Module):
            known += thing.parameters().items()
        elif isinstance(thing, Tensor):
            known += [(t.name, t) for t in autograd.tape_of(thing) if t.name is not None]
    return known


def _chosen(
    parameter: str | Tensor | None, known: list[tuple[str, Tensor]], call: str
) -> Tensor | None:
    """The tensor that `parameter` names."""
    if parameter is None or isinstance(parameter, Tensor):
        return parameter
    named = {id(t): t for name, t in known if name == parameter}
    if len(named) > 1:
        shapes = " and ".join(str(t.shape) for t in named.values())
        raise ValueError(
            f"{len(named)} tensors that {call} knows are named {parameter!r}, of shapes {shapes}. "
            "Write parameter=w with the tensor itself, as in parameter=model.layers[0].weight."
        )
    if not known:
        raise KeyError(
            f"{call} knows no tensor {parameter!r}: it is called neither on nor with a module, an "
            "optimizer or a tensor that has a name. Write parameter=w with the tensor itself."
        )
    if not named:
        names = ", ".join(dict.fromkeys(name for name, _ in known))
        raise KeyError(
            f"{call} knows no tensor {parameter!r}, but {names}. Write parameter={known[0][0]!r}."
        )
    return next(iter(named.values()))


def _checked_index(
    index: int | Index | None,
    chosen: Tensor | None,
    known: list[tuple[str, Tensor]],
    call: Callable[..., Any],
) -> Index | None:
    """The index as a tuple; of a chosen tensor, with nothing counted from the end."""
    if index is None:
        return None
    index = index if isinstance(index, tuple) else (index,)
    if not all(given.is_a(given.INT, i) for i in index):
        raise TypeError(
            f"index says which one element to show, an int for each axis, but got {index!r}. Write "
            "index=(0, 3)."
        )
    if chosen is None:
        is_step = isinstance(getattr(call, "__self__", None), Optimizer)
        if is_step and all(element_of(t.data, index, None) is None for _, t in known):
            shapes = ", ".join(f"{name} has shape {t.shape}" for name, t in known)
            raise ValueError(f"no parameter has an element {index}: {shapes}. Write index=0.")
        return tuple(int(i) for i in index)
    shape = chosen.shape
    if len(index) != len(shape) or element_of(chosen.data, index, shape) is None:
        name = next((name for name, t in known if t is chosen), chosen.name or "the tensor")
        last = tuple(size - 1 for size in shape)
        raise ValueError(
            f"{name} has shape {shape}, so index goes up to {last}, but got {index}. Write "
            f"index={last}."
        )
    return tuple(int(i) % size for i, size in zip(index, shape, strict=True))


def _place(line: Line) -> str:
    """The function and the number of a line, without its class if that is too long."""
    place = f"{line.function}:{line.line}"
    return place if len(place) <= WHERE else place.rpartition(".")[2][-WHERE:]
