"""The equations of the library beside the source lines that compute them, read from the source."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pair import ROOT

import simplegrad as sg
from simplegrad import autograd, functional, nn, optimizers, rules
from simplegrad.optimizers import schedules
from simplegrad.rules import arithmetic, elementwise, reductions, shapes
from simplegrad.tools import gradcheck
from simplegrad.tools.equations import definition_of, equations_in, statements_of

SECTIONS: dict[str, list[Any]] = {
    "optimizers": [
        optimizers.Adam,
        optimizers.AdamW,
        optimizers.RMSProp,
        optimizers.SGD,
        schedules.Schedule,
        schedules.Step,
        schedules.Linear,
        schedules.Cosine,
        nn.clip_grad_norm,
    ],
    "engine": [autograd.backward, gradcheck.gradcheck],
    "functions": [
        functional.softmax,
        functional.log_softmax,
        functional.mse_loss,
        functional.cross_entropy,
    ],
    "layers": [nn.Linear, nn.Embedding, nn.LayerNorm, nn.Dropout],
    **{
        module.__name__.rpartition(".")[2]: [
            getattr(rules, name) for name in vars(module) if name in rules.__all__
        ]
        for module in (arithmetic, elementwise, reductions, shapes)
    },
}

# Whose equations another function computes, and which
COMPUTED_IN: dict[Any, list[Callable[..., Any]]] = {
    autograd.backward: [autograd.chain_rule],
    schedules.Schedule: [schedules.Schedule._set_rates],
    gradcheck.gradcheck: [gradcheck._central_difference, gradcheck._complex_step],
}

# What a tutorial has the equations of
TUTORIALS = {
    "02_gradients": [gradcheck.gradcheck, rules.Mul, rules.Add],
    "03_backward": [autograd.backward],
    "04_broadcasting": [rules.Sum],
    "05_descent": [optimizers.RMSProp, optimizers.SGD],
    "06_adam": [optimizers.Adam, optimizers.AdamW],
    "08_modules": [functional.softmax, functional.cross_entropy, nn.Linear, nn.Dropout],
    "11_tiny_gpt": [nn.LayerNorm, nn.Embedding],
}


def markdown(name: str) -> str:
    """What `<!-- equations: name -->` stands for: a section, a thing's equations, or `symbols`."""
    if name == "symbols":
        return symbols()
    if name in SECTIONS:
        return "\n\n".join(entry(thing) for thing in SECTIONS[name])
    (thing,) = [t for things in SECTIONS.values() for t in things if t.__name__ == name]
    return equations(thing)


def symbols() -> str:
    """The tables of symbols in the docstrings of the optimizers as one, each symbol once."""
    rows, known = [], set()
    for optimizer in SECTIONS["optimizers"]:
        doc = inspect.getdoc(optimizer) or ""
        for row, symbols in re.findall(r"^(\| \$(.*?)\$ \|.*\|)$", doc, re.MULTILINE):
            if not known >= set(symbols.split(", ")):
                rows.append(row)
                known |= set(symbols.split(", "))
    return "\n".join(["| symbol | argument |", "|---|---|", *rows])


def entry(thing: Any) -> str:
    """One optimizer, rule, layer or function: what it is, where it stands, its equations."""
    module = "simplegrad" if thing.__name__ in sg.__all__ else thing.__module__
    file, *_ = next(lines_of(thing))
    links = [f"`{file}`", f"[API][{module}.{thing.__name__}]"]
    for name, things in TUTORIALS.items():
        if thing in things and (ROOT / "tutorials" / f"{name}.py").exists():  # a course may omit it
            links.append(f"[Tutorial](tutorials/{name}.md)")
    summary = (inspect.getdoc(thing) or "").partition("\n")[0]
    return "\n\n".join([f"### {thing.__name__}", summary, " · ".join(links), equations(thing)])


def equations(thing: Any) -> str:
    """The equations of its docstring, each with the lines that compute it."""
    found = equations_in(inspect.getdoc(thing))
    return "\n\n".join(
        '<div class="equation" markdown>\n\n'
        f"$${tex}$$\n\n"
        f'```{{.python linenums="{first}"}}\n{code}\n```\n\n'
        "</div>"
        for tex, (_, first, code) in zip(found, lines_of(thing), strict=True)
    )


def lines_of(thing: Any) -> Iterator[tuple[str, int, str]]:
    """For each equation of a docstring: the file, the first line, and the lines that compute it."""
    found, functions = equations_in(inspect.getdoc(thing)), functions_of(thing)
    if len(functions) == 1:
        functions = functions * len(found)
    for tex, function in zip(found, functions, strict=True):
        code = function.__code__
        definition, source = definition_of(code, function.__globals__)
        statements = body_of(definition)
        if function.__name__ == "update":  # which computes several equations, a line each
            pairs = statements_of(definition, thing).items()
            statements = [s for s, c in pairs if c and c.targets and c.equation == tex]
        if not statements:
            raise LookupError(f"no line of {function.__qualname__} computes the equation")
        first, last = statements[0].lineno, statements[-1].end_lineno
        lines = textwrap.dedent("\n".join(source.split("\n")[first - 1 : last]))
        yield str(Path(code.co_filename).relative_to(ROOT)), first, lines


def functions_of(thing: Any) -> list[Callable[..., Any]]:
    """The functions that compute the equations of a docstring: one for each, or one for all."""
    if hasattr(thing, "partials"):
        of_each_input = getattr(thing.partials, "partial", None)  # as of Stack
        return [thing.forward, *([of_each_input] if of_each_input else thing.partials)]
    for method in ("update", "forward", "factor"):  # of an optimizer, a layer, a schedule
        if thing not in COMPUTED_IN and hasattr(thing, method):
            return [getattr(thing, method)]
    return COMPUTED_IN.get(thing, [thing])


def body_of(definition: ast.FunctionDef) -> list[ast.stmt]:
    """What a function computes: its statements after its docstring and the checks of arguments."""
    start = 0
    for number, statement in enumerate(definition.body, 1):
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_check = isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise)
        if is_text or is_check:
            start = number
    return definition.body[start:]
