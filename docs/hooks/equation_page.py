"""The equations of the library beside the source lines that compute them, read from the source."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pair import ROOT

import simplegrad as sg
from simplegrad import autograd, functional, nn, optimizers, rules
from simplegrad.optimizers import schedules
from simplegrad.rules import arithmetic, elementwise, reductions, shapes
from simplegrad.tools import gradcheck

EQUATION = re.compile(r"\$\$(.*?)\$\$", re.DOTALL)

# How the code writes what stands left of an equation's sign
LEFT_SIDES = {r"\theta": "theta.data", r"\hat m": "m_hat", r"\hat v": "v_hat"}

# The lines of each equation are in another function than that whose docstring it is
COMPUTED_IN = {
    autograd.backward: [autograd.chain_rule],
    schedules.Schedule: [schedules.Schedule._set_rates],
    gradcheck.gradcheck: [gradcheck._central_difference, gradcheck._complex_step],
}

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

# Where a tutorial is about an equation
TUTORIALS = {
    optimizers.Adam: "06_adam",
    optimizers.AdamW: "06_adam",
    optimizers.RMSProp: "05_descent",
    optimizers.SGD: "05_descent",
    autograd.backward: "03_backward",
    gradcheck.gradcheck: "02_gradients",
    functional.softmax: "08_modules",
    functional.cross_entropy: "08_modules",
    nn.Linear: "08_modules",
    nn.Dropout: "08_modules",
    nn.LayerNorm: "11_tiny_gpt",
    nn.Embedding: "11_tiny_gpt",
    rules.Mul: "02_gradients",
    rules.Add: "02_gradients",
    rules.Sum: "04_broadcasting",
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
    tutorial = TUTORIALS.get(thing)
    if tutorial and (ROOT / "tutorials" / f"{tutorial}.py").exists():  # a course may leave it out
        links.append(f"[Tutorial](tutorials/{tutorial}.md)")
    summary = (inspect.getdoc(thing) or "").partition("\n")[0]
    return "\n\n".join([f"### {thing.__name__}", summary, " · ".join(links), equations(thing)])


def equations(thing: Any) -> str:
    """The equations of its docstring, each with the lines that compute it."""
    found = EQUATION.findall(inspect.getdoc(thing) or "")
    return "\n\n".join(
        '<div class="equation" markdown>\n\n'
        f"$${tex}$$\n\n"
        f'```{{.python linenums="{first}"}}\n{code}\n```\n\n'
        "</div>"
        for tex, (_, first, code) in zip(found, lines_of(thing), strict=True)
    )


def lines_of(thing: Any) -> Iterator[tuple[str, int, str]]:
    """For each equation of a docstring: the file, the first line, and the lines that compute it."""
    if thing.__module__.startswith(rules.__name__):
        for function in functions_of(thing):
            yield located(function, body_of(function))
    elif inspect.isclass(thing) and issubclass(thing, optimizers.Optimizer):
        body = body_of(thing.update)
        for tex in EQUATION.findall(inspect.getdoc(thing) or ""):
            left = re.split(r"=|\\mathrel", tex)[0].strip()
            name = LEFT_SIDES.get(left, left)
            yield located(thing.update, [s for s in body if name in targets_of(s)])
    else:
        for function in COMPUTED_IN.get(thing, [thing]):
            for method in "forward", "factor":  # of a layer, and of a schedule
                function = getattr(function, method, function)
            yield located(function, body_of(function))


def functions_of(rule: type) -> list[Callable[..., Any]]:
    """The forward equation and the partials of a rule, in the order of its equations."""
    each_input = isinstance(rule.partials, shapes.EachInput)
    partials = [rule.partials.partial] if each_input else rule.partials
    return [rule.forward, *partials]


def body_of(function: Callable[..., Any]) -> list[ast.stmt]:
    """What a function computes: its statements after its docstring and the checks of arguments."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    start = 0
    for number, statement in enumerate(definition.body, 1):
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_check = isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise)
        if is_text or is_check:
            start = number
    return definition.body[start:]


def targets_of(statement: ast.stmt) -> list[str]:
    """The names that a statement assigns."""
    if isinstance(statement, ast.AugAssign):
        return [ast.unparse(statement.target)]
    return [ast.unparse(t) for t in getattr(statement, "targets", [])]


def located(function: Callable[..., Any], statements: list[ast.stmt]) -> tuple[str, int, str]:
    """File, first line and source of the statements of a function."""
    lines, start = inspect.getsourcelines(function)
    if not statements:
        raise LookupError(f"no line of {function.__qualname__} computes the equation")
    text = textwrap.dedent("".join(lines)).splitlines()
    numbers = range(statements[0].lineno - 1, statements[-1].end_lineno)
    code = textwrap.dedent("\n".join(text[i] for i in numbers))
    module: ModuleType = inspect.getmodule(function)
    file = str(ROOT.joinpath(module.__file__).relative_to(ROOT))
    return file, start + numbers[0], code
