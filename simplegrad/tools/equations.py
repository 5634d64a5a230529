"""The equations of docstrings, and the statements that compute them: both are read from the source.

`explain` and `step_through` show a line that runs and its equation, the site's page an equation and
its lines. Here the two are paired, once for all. In a terminal, an equation is text: `as_text`.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import re
from tokenize import TokenError
from types import CodeType
from typing import Any, NamedTuple


def equations_in(text: str | None) -> list[str]:
    """The equations that stand alone in a docstring, in LaTeX."""
    return re.findall(r"(?s)\$\$(.*?)\$\$", text or "")


def left_side(tex: str) -> str:
    r"""The left side of an equation as code writes it: `m_hat` for `\hat m`."""
    left = re.split(r"=|\\mathrel|\\leftarrow|\\gets", tex)[0]
    left = re.sub(r"\\(hat|bar|tilde)\s*\{?(\w+)\}?", r"\2_\1", left)
    return re.sub(r"[\\{}\s]", "", left)


# In a terminal

COMMANDS = (
    "alpha beta gamma delta epsilon zeta theta lambda mu pi sigma tau partial nabla sum prod top "
    "approx ge le ne in sim cdot odot leftarrow ldots lfloor rfloor lVert rVert |"
)
SYMBOLS = dict(zip(COMMANDS.split(), "αβγδεζθλμπστ∂∇∑∏ᵀ≈≥≤≠∈~·⊙←…⌊⌋‖‖‖", strict=True))
SYMBOLS |= {",": " ", ":": " ", ";": " ", "quad": "\u2003", "\\": "; "}
NOTHING = "operatorname", "mathit", "mathrel", "text", "textstyle", "left", "right"
RAISED = str.maketrans("0123456789+-()aniktT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵃⁿⁱᵏᵗᵀ")
LOWERED = str.maketrans("0123456789+-()aijklmnpt", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐᵢⱼₖₗₘₙₚₜ")
MARKS = {"hat": "\u0302", "bar": "\u0304"}
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)


def as_text(tex: str) -> str:
    r"""An equation without LaTeX, in the letters of Unicode.

    Examples:
        >>> as_text(r"\hat m = m_t / (1 - \beta_1^t)")
        'm̂ = mₜ / (1 - β₁ᵗ)'
    """
    tex = tex.replace(r"\begin{cases}", r"\{").replace("&", "if").replace(r"\end{cases}", "")
    tex = tex.replace(r"\partial ", r"\partial{}")
    text = _text_until(TOKEN.findall(tex)[::-1], "")
    return re.sub(r"\s+", " ", text.replace("\u2003", "\0")).replace(" \0 ", "  ").strip()


def _text_until(tokens: list[str], end: str) -> str:
    """The text of the next tokens until one that is `end`; the next token is the last."""
    text = ""
    while tokens and tokens[-1] != end:
        text += _next_text(tokens)
    if tokens:
        tokens.pop()
    return text


def _next_text(tokens: list[str]) -> str:
    """The text of the next thing: a letter, a group in braces, or a command with its arguments."""
    token = tokens.pop() if tokens else ""
    command = token[1:] if token.startswith("\\") else ""
    if token == "{":
        return _text_until(tokens, "}")
    if token in ("^", "_") or command in ("frac", "tfrac", "sqrt", *MARKS):
        while tokens and tokens[-1].isspace():
            tokens.pop()
        argument = _next_text(tokens)
        if not command:
            return _small(token, argument)
        if command in MARKS:
            return argument + MARKS[command]
        if command == "sqrt":
            return "√" + _together(argument)
        return f"{_together(argument)}/{_together(_next_text(tokens))}"
    return SYMBOLS.get(command, "" if command in NOTHING else command) if command else token


def _small(mark: str, text: str) -> str:
    """Text that is raised, `^`, or lowered, `_`: in small letters where Unicode has them all."""
    small = text.translate(RAISED if mark == "^" else LOWERED)
    if text == "ᵀ" or not set(text) & set(small):
        return small
    return mark + (text if re.fullmatch("[A-Za-z]+|.", text) else f"({text})")


def _together(text: str) -> str:
    """The text, in parentheses if it is more than one thing."""
    return f"({text})" if re.search(r"[ +\-*/^]", text) else text


# The statements that compute them


def definition_of(code: CodeType, names: dict[str, Any]) -> tuple[ast.FunctionDef | None, str]:
    """A function as it stands in its file, and the text that its line numbers are of.

    None if there is no such file, or if it was changed since it was imported.
    """
    start = code.co_firstlineno - 1
    lines = linecache.getlines(code.co_filename, names)[start:]
    with contextlib.suppress(SyntaxError, ValueError, TokenError):
        block = "".join(inspect.getblock(lines))
        is_method = block[:1].isspace()
        source = "\n" * (start - is_method) + "class C:\n" * is_method + block
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                return node, source
    return None, ""


class Computation(NamedTuple):
    """A statement that computes: what it assigns, nothing if it returns; its right side."""

    targets: list[str]
    right: ast.expr
    equation: str = ""


def statements_of(
    definition: ast.FunctionDef, owner: type | None
) -> dict[ast.stmt, Computation | None]:
    """The statements of a function, in the order of their lines; None for those that decide.

    Equations stand in the docstring of the function or of its class, `owner`. One of a rule belongs
    to the returns of the function that its left side names. Any other belongs to where its left
    side is assigned or, if it is nowhere, to the return that ends the function. Several of one left
    side belong to its assignments in their order.
    """
    nodes = [node for node in ast.walk(definition) if isinstance(node, ast.stmt)]
    nodes.sort(key=lambda node: node.lineno)
    statements = {node: _computation(node) for node in nodes[1:]}
    is_rule = hasattr(owner, "partials")
    given: dict[str, list[str]] = {}
    own = equations_in(ast.get_docstring(definition))
    for tex in own or equations_in(inspect.cleandoc(getattr(owner, "__doc__", None) or "")):
        left = left_side(tex).partition("_")[0] if is_rule else left_side(tex)
        given.setdefault(left, []).append(tex)
    computing = {node: computed for node, computed in statements.items() if computed}
    lefts = ["".join(c.targets[:1]) for c in computing.values()]
    lefts = [left.removesuffix(".data").removesuffix("[...]") for left in lefts]
    returned = next((left for left in given if left not in lefts), "")
    if is_rule:
        returned = "c" if definition.name == "forward" else definition.name
    for (node, computed), left in zip(computing.items(), lefts, strict=True):
        if isinstance(node, ast.Return) and (is_rule or node is definition.body[-1]):
            left = returned
        elif is_rule:
            left = ""
        mine = given.get(left, [""])
        tex = mine.pop(0) if len(mine) > 1 else mine[0]
        statements[node] = computed._replace(equation=tex)
    return statements


def _computation(node: ast.stmt) -> Computation | None:
    """What a statement computes; None if it decides, or calls, and computes nothing."""
    match node:
        case ast.Return(value=ast.expr() as right):
            return Computation([], right)
        case ast.Assign(targets=[ast.Tuple() as left, *_], value=right):
            names = [name.id for name in ast.walk(left) if isinstance(name, ast.Name)]
            return Computation(names, right)
        case (
            ast.Assign(targets=[left, *_], value=right)
            | ast.AnnAssign(target=left, value=ast.expr() as right)
        ):
            return Computation([ast.unparse(left)], right)
        case ast.AugAssign(target=left, op=operator, value=right):
            return Computation([ast.unparse(left)], ast.BinOp(left, operator, right))
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="at"), args=[left, *_]) as right):
            return Computation([ast.unparse(left)], right)  # np.add.at(da, index, dc)
        case ast.Expr(value=ast.Call(keywords=keywords) as right):
            out = [ast.unparse(keyword.value) for keyword in keywords if keyword.arg == "out"]
            return Computation(out, right) if out else None  # np.add(m, a, out=m)
    return None
