"""The equations of the library beside the source lines that compute them, read from the source."""

import ast
import contextlib
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from notebook_pages import fenced, one_cell
from pair import ROOT, course

import simplegrad as sg
from simplegrad import autograd, derivatives, functional, nn, optimizers, parallel, rules
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
        schedules.Exponential,
        schedules.Linear,
        schedules.Cosine,
        schedules.CosineWarmRestarts,
        schedules.ReduceOnPlateau,
        schedules.Sequential,
        nn.clip_grad_norm,
    ],
    "engine": [
        *(autograd.backward, derivatives.grad, derivatives.vjp, derivatives.jvp),
        *(derivatives.jacobian, derivatives.hessian, derivatives.hvp, gradcheck.gradcheck),
    ],
    "processes": [parallel.share, parallel.mean_gradients],
    "functions": [
        functional.std,
        functional.outer,
        functional.trace,
        functional.take_along_axis,
        functional.silu,
        functional.elu,
        functional.leaky_relu,
        functional.softplus,
        functional.softmax,
        functional.log_softmax,
        functional.windows,
        functional.conv2d,
        functional.max_pool2d,
        functional.avg_pool2d,
        functional.attention_weights,
        functional.scaled_dot_product_attention,
        functional.mse_loss,
        functional.l1_loss,
        functional.huber_loss,
        functional.binary_cross_entropy_with_logits,
        functional.kl_div,
        functional.nll_loss,
        functional.cross_entropy,
    ],
    "layers": [
        *(nn.Linear, nn.Conv2d, nn.Embedding, nn.Dropout),
        *(nn.BatchNorm, nn.LayerNorm, nn.RMSNorm),
        *(nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.MultiHeadAttention),
    ],
    "initialisations": [
        nn.init.xavier_uniform_,
        nn.init.xavier_normal_,
        nn.init.kaiming_uniform_,
        nn.init.kaiming_normal_,
        nn.init.orthogonal_,
    ],
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
    derivatives.grad: [autograd.chain_rule],
    nn.BatchNorm: [nn.BatchNorm.forward, nn.BatchNorm._follow, nn.BatchNorm._follow],
    schedules.Schedule: [schedules.Schedule._set_rates],
    gradcheck.gradcheck: [gradcheck._central_difference, gradcheck._complex_step],
}

# What a tutorial has the equations of
TUTORIALS = {
    "quickstart": [functional.softmax],
    "gradients": [gradcheck.gradcheck, rules.Mul, rules.Add],
    "backward": [autograd.backward],
    "broadcasting": [rules.Sum],
    "descent": [optimizers.RMSProp, optimizers.SGD],
    "adam": [optimizers.Adam],
    "adam_further": [optimizers.AdamW],
    "modules": [functional.cross_entropy, nn.Linear, nn.Dropout],
    "training": [nn.BatchNorm, nn.clip_grad_norm],
    "convolution": [functional.conv2d, functional.max_pool2d, nn.Conv2d],
    "sequences": [nn.RNNCell, nn.GRUCell],
    "tiny_gpt": [nn.LayerNorm, nn.Embedding, nn.MultiHeadAttention],
    "jacobians": [
        *(derivatives.grad, derivatives.vjp, derivatives.jvp),
        *(derivatives.jacobian, derivatives.hessian, derivatives.hvp),
    ],
    "many_machines": [parallel.share, parallel.mean_gradients],
}

# Whose lines are cells: what they start from, under the names in the source, and what is shown then
START = """\
import numpy as np
import simplegrad as sg

theta = sg.Tensor([1.0, -2.0], requires_grad=True)
(theta**2).sum().backward()
g, t = theta.grad, 1
"""
CELLS = {
    optimizers.Adam: (
        "m, v = 0.0, 0.0\nlr, beta_1, beta_2, eps = 0.1, 0.9, 0.999, 1e-8",
        ["m_t", "v_t", "m_hat", "v_hat", "theta.data"],
    ),
    optimizers.AdamW: ("lr, weight_decay = 0.1, 0.01", ["theta.data"]),
    optimizers.RMSProp: ("v = 0.0\nlr, beta_2, eps = 0.1, 0.99, 1e-8", ["v_t", "theta.data"]),
    optimizers.SGD: (
        "b = 0.0\nlr, mu, tau, weight_decay = 0.1, 0.9, 0.0, 0.01\n"
        'group = {"nesterov": False, "maximize": False}',
        ["g", "b_t", "theta.data"],
    ),
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
        if thing in things and name in course():
            links.append(f"[Tutorial](tutorials/{name}.md)")
    summary = (inspect.getdoc(thing) or "").partition("\n")[0]
    parts = [f"### {thing.__name__}", summary, " · ".join(links)]
    if thing not in CELLS:
        return "\n\n".join([*parts, equations(thing)])
    numbers, names = CELLS[thing]
    numbers, result = START + numbers, "\n".join(f'print("{name} =", {name})' for name in names)
    lines = [code for _, _, code in lines_of(thing)]
    output = printed_by("\n".join([numbers, *lines, result]))
    cells = cell(numbers), equations(thing, as_cells=True), cell(result, output=output)
    return "\n\n".join([*parts, *cells])


def equations(thing: Any, as_cells: bool = False) -> str:
    """The equations of its docstring, each with the lines that compute it."""
    found = equations_in(inspect.getdoc(thing))
    blocks = []
    for tex, (_, first, code) in zip(found, lines_of(thing), strict=True):
        lines = cell(code, first) if as_cells else fenced(code, f'{{.python linenums="{first}"}}')
        blocks.append(f'<div class="equation" markdown>\n\n$${tex}$$\n\n{lines}\n\n</div>')
    return "\n\n".join(blocks)


def cell(code: str, first: int = 0, output: str = "") -> str:
    """Code that runs in the page, with the number of its first line, and what it prints."""
    number = f' linenums="{first}"' if first else ""
    blocks = [fenced(code, f"{{.python .cell-in{number}}}")]
    blocks += [fenced(output, "{.text .cell-out}")] if output else []
    return one_cell("\n\n".join(blocks), [])


def printed_by(code: str) -> str:
    """What code prints when it runs."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, {})
    return output.getvalue()


def lines_of(thing: Any) -> Iterator[tuple[str, int, str]]:
    """For each equation of a docstring: the file, the first line, and the lines that compute it."""
    found, functions = equations_in(inspect.getdoc(thing)), functions_of(thing)
    if len(functions) == 1:
        functions = functions * len(found)
    last, shares = 0, len(functions_of(thing)) < len(found)  # several equations, a line each
    for tex, function in zip(found, functions, strict=True):
        code = function.__code__
        definition, source = definition_of(code, function.__globals__)
        statements = body = body_of(definition)
        if function.__name__ == "update" or shares:
            pairs = statements_of(definition, thing).items()
            statements = [s for s, c in pairs if c and c.targets and c.equation == tex]
        if not statements:
            raise LookupError(f"no line of {function.__qualname__} computes the equation")
        # What stands between two equations is for the second, as `step` of SGD is
        is_next = (function.__name__ == "update" or shares) and last
        if function.__name__ != "update" and shares and not last:
            is_next, last = True, body[0].lineno - 1  # and what stands before the first, for that
        first, last = last + 1 if is_next else statements[0].lineno, statements[-1].end_lineno
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
