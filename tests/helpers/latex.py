r"""What an equation in LaTeX says of numbers: sympy reads it, and NumPy computes it.

The notation of this library is put into sympy's by a table, `NOTATION`. After it, a name is a name
with all its letters (`dc`, `lr`, `\hat m`), and what stands side by side is a product. An index is
an array of the numbers that it runs through, along an axis of its own, and $a_{ij}$ is `a[i, j]`.
So is a sum one along an axis. Of matrices, a product is that of matrices: they are of `Matrix`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("antlr4", reason='sympy reads no LaTeX: pip install -e ".[test]"')

import sympy
from sympy.parsing.latex import parse_latex

import simplegrad as sg

Names = dict[str, Any]


class Matrix(np.ndarray):
    """An array whose product with another is that of matrices."""

    def __mul__(self, other: Any) -> Any:
        return self @ other if isinstance(other, Matrix) else super().__mul__(other)


def vectors(names: Names) -> Names:
    """All arrays as vectors and matrices."""
    arrays = {n: a.view(Matrix) for n, a in names.items() if isinstance(a, np.ndarray)}
    return names | arrays


def matrix(a: Any) -> Matrix:
    """The same numbers as a matrix; one dimension is a row."""
    return np.atleast_2d(a).view(Matrix)


# What a symbol is called in the code, if it is not called by its name

CALLED = [
    ("epsilon", "eps"),
    ("lambda", "weight_decay"),
    ("lambda", "lambdas"),
    ("grad", "nabla_L"),
    ("h_t-1", "h"),
    ("c_t-1", "c"),
    ("lr_base", "base_lr"),
]


def named(names: Names) -> Names:
    """The numbers of tensors, and the symbols for the names of the code."""
    found = {n: a.data if isinstance(a, sg.Tensor) else a for n, a in names.items()}
    symbols = {symbol: found[name] for symbol, name in reversed(CALLED) if name in found}
    if "sigma_2" in found:
        symbols["sigma"] = np.sqrt(found["sigma_2"])
    return symbols | found


# What the parser does not know, and what it reads in its place: first to last

NOTATION = [
    (r"\\(left|right|textstyle|displaystyle)(?![a-z])", ""),
    (r"\\(quad|[,;:!])|\n", " "),
    (r"\\_", "_"),
    (r"\\tfrac", r"\\frac"),
    (r"\\ln\b", r"\\log"),
    (r"\\(times|odot)\b", r"\\cdot"),
    (r"\\nabla_\\theta L", r"\\mathit{grad}"),
    (r"\^\\top", r"^{\\mathit{top}} "),
    (r"\\lVert (.*?) \\rVert|\\\|(.*?)\\\|", r"\\mathit{norm}(\1\2)"),
    (r"\\begin\{cases\}(.*?)\\end\{cases\}", r"\\mathit{cases}(\1)"),
    (r"& *(?:\\text\{if \} *)?(\w+) (<|>|\\le|\\ge) (\w+)", r", [\1 \2 \3]"),
    (r" \\\\ ", ", "),
    (r"\\sum_\{(\w) *: *(.*?)\}", r"\\sum_\1 [\2]"),  # of those that ...
    (r"\\sum_\{(\w) (\\le|\\ge) (\w)\}", r"\\sum_\1 [\1 \2 \3]"),
    (r"\\sum_\{(\w), *(\w)\}", r"\\sum_\1 \\sum_\2"),
    (r"\\(max|min)_(\w) (.*)$", r"\\mathit{\1_of}(\2, \3)"),
    *(
        (rf"\[([^\[\]]*?) {sign} ([^\[\]]*?)\]", rf"\\mathit{{{name}}}(\1, \2)")
        for sign, name in {"=": "eq", "<": "lt", ">": "gt", r"\\le": "le", r"\\ge": "ge"}.items()
    ),
]

# What is computed, by the names that sympy and the table have for it


def power(base: Any, exponent: Any) -> Any:
    """A power; that to the `top` is the transpose, and one of axes their inverse."""
    if isinstance(base, tuple) and exponent == -1:
        return tuple(np.argsort(base))
    if exponent is TOP:
        return base.mT if base.ndim > 1 else base
    return np.asarray(base) ** exponent


def cases(*pairs: Any) -> Any:
    """The first of the values whose condition holds."""
    return np.select(pairs[1::2], np.broadcast_arrays(*pairs[::2]), np.nan)


def softmax(a: Any) -> Any:
    """The softmax along the last axis."""
    return np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)


def product(*factors: Any) -> Any:
    """The product, from left to right."""
    result, *others = factors
    for factor in others:
        result = result * factor
    return result


def added(*terms: Any) -> Any:
    """The sum of terms."""
    return sum(terms[1:], terms[0])


TOP = object()
CONSTANTS = {"e": np.e, "pi": np.pi, "top": TOP}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": added,
    "Mul": product,
    "Pow": power,
    "Abs": np.abs,
    "log": lambda a, base=np.e: np.log(a),
    "max": np.maximum,
    "min": np.minimum,
    **{name: getattr(np, name) for name in ("exp", "sin", "cos", "tanh", "floor")},
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "at": lambda a, *index: np.asarray(a)[tuple(np.asarray(i).astype(int) for i in index)],
    "eq": np.equal,
    "lt": np.less,
    "gt": np.greater,
    "le": np.less_equal,
    "ge": np.greater_equal,
    "cases": cases,
    "max_of": lambda index, a: np.max(a, axis=axis_of(index), keepdims=True),
    "min_of": lambda index, a: np.min(a, axis=axis_of(index), keepdims=True),
    "norm": lambda a: np.sqrt(np.sum(np.square(a))),
    "sigma": lambda a: 1 / (1 + np.exp(-a)),
    "zeta": lambda a: np.log(1 + np.exp(a)),  # softplus
    "softmax": softmax,
    "diag": np.diag,
    "unsqueeze": np.expand_dims,
    "broadcast": np.broadcast_to,
    **{name: getattr(np, name) for name in ("sign", "reshape", "transpose", "squeeze")},
}
READ_BY_SYMPY = re.compile(
    r"\\(frac|sqrt|log|exp|sin|cos|tanh|max|min|sum|prod|cdot|lfloor|rfloor)"
)

# Reading

NAME = re.compile(
    r"(?:\\(?P<mark>hat|bar|dot) *(?P<open>\{)?)?"
    r"(?P<base>\\(?:mathit|text|operatorname|mathrm)\{[^{}]*\}|\\?[A-Za-z]+'*)(?(open)\})"
    r"(?:_(?P<sub>\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-z]+|\w(?![a-z])|[a-z]+))?"
    r"(?P<argument>\(| +\(|)"
)


class NotRead(Exception):
    """What an equation says cannot be computed from its LaTeX."""


class Equation(NamedTuple):
    """A left side, what it is made of, an operator as in `-=`, and all that it is equal to."""

    left: str
    operator: str
    rights: list[str]


def equations_of(tex: str) -> Iterator[Equation]:
    r"""Of a line the equation, and those after `\quad`, which say what its symbols are."""
    for part in re.split(r",\s*\\quad", tex.partition(r"\quad \text{if")[0]):
        part = re.sub(r"\\leftarrow", "=", part)
        left, *rights = re.split(r"(?<![\[{])\s=\s(?![^\[\]]*\])(?![^{}]*\})", part)
        found = re.fullmatch(r"(.*?)\s*\\mathrel\{(.)\}= (.*)", part, re.DOTALL)
        if found:
            left, rights = found[1], [found[3]]
        if rights:
            yield Equation(left.strip(), found[2] if found else "", rights)


def code_name(base: str, mark: str | None = None, sub: str | None = None) -> str:
    r"""A name as code writes it: `m_hat` for $\hat m$, `beta_1` for $\beta_1$."""
    name = re.sub(r"^\\(mathit|text|operatorname|mathrm)\{(.*)\}$", r"\2", base).lstrip("\\")
    name += f"_{mark}" if mark else ""
    return name + (f"_{re.sub(r'[{} ]|text', '', sub)}".replace("\\", "") if sub else "")


@cache
def tree(tex: str, known: frozenset[str]) -> tuple[sympy.Expr, dict[str, str]]:
    r"""What sympy reads, of symbols $x_1, …$ and $f_1, …$, and the names that they stand for."""
    for pattern, replacement in NOTATION:
        tex = re.sub(pattern, replacement, tex, flags=re.DOTALL)
    numbers: dict[str, str] = {}

    def symbol(name: str, letter: str = "x") -> str:
        if name not in known | (FUNCTIONS if letter == "f" else CONSTANTS).keys():
            raise NotRead(f"{name} is not known")
        numbers[f"{letter}_{{{len(numbers)}}}"] = name
        return list(numbers)[-1]

    def atom(found: re.Match[str]) -> str:
        mark, base, sub, argument = found["mark"], found["base"], found["sub"], found["argument"]
        if base in ("\\sum", "\\prod"):
            return rf"{base}_{{{symbol((sub or '').strip('{}'))}=1}}^{{1}} {argument}"
        if READ_BY_SYMPY.fullmatch(base) and not sub:
            return found[0]
        whole = code_name(base, mark, sub)
        times = r" \cdot (" if argument else ""
        if argument == "(" and (mark, sub) == (None, None):
            return symbol(whole, "f") + "("
        if sub is None or whole in known:
            return symbol(whole) + times
        index = [NAME.sub(atom, i) for i in indices(sub.removeprefix("{").removesuffix("}"))]
        return f"{symbol('at', 'f')}({symbol(code_name(base, mark))}, {', '.join(index)}){times}"

    tex = NAME.sub(atom, tex)
    try:
        return parse_latex(tex, strict=True), numbers
    except Exception as error:
        raise NotRead(f"sympy cannot read {tex}: {error}") from None


def indices(sub: str) -> list[str]:
    """The indices of a symbol: two of `ij` and of `i t_i`, and one of `s p + d k`."""
    parts = [part.strip() for part in sub.split(",")]
    parts = [p for part in parts for p in ([part] if re.search("[-+]", part) else part.split())]
    return [p for part in parts for p in (part if re.fullmatch("[a-z]+", part) else [part])]


# Computing


def axis_of(index: Any) -> int:
    """The axis along which an index runs."""
    return int(np.argmax(np.shape(index)))


def index_axes(sizes: dict[str, int | slice]) -> Names:
    """Each index as the numbers that it runs through, along an axis of its own."""
    axes = np.ogrid[tuple(n if isinstance(n, slice) else slice(n) for n in sizes.values())]
    return dict(zip(sizes, axes, strict=True))


def sizes_in(tex: str, names: Names) -> dict[str, int]:
    """How far indices run, from the shapes of the arrays: those of the left side and of sums."""
    for pattern, replacement in NOTATION[:2]:
        tex = re.sub(pattern, replacement, tex)
    sizes = {}
    for found in NAME.finditer(tex):
        mark, base, sub = found["mark"], found["base"], found["sub"]
        letters = indices((sub or "").removeprefix("{").removesuffix("}"))
        shape = np.shape(names.get(code_name(base, mark), 0))
        if sub and code_name(base, mark, sub) not in names and len(letters) == len(shape):
            sizes |= dict(zip(letters, shape, strict=True))
    bound = {*re.findall(r"\w", "".join(re.findall(r"\\(?:sum|max)_(\{.*?\}|\w)", tex)))}
    left = re.search(r"_\{?(\w+)\}?\s*=", tex)
    bound |= {*left[1]} if left else set()
    return {i: n for i, n in sizes.items() if i in bound or (i.isalpha() and i not in names)}


def value(tex: str, names: Names) -> Any:
    """What an expression gives for these numbers."""
    read, symbols = tree(tex, frozenset(names))

    def computed(node: sympy.Basic) -> Any:
        kind = type(node).__name__
        if node.is_Symbol:
            name = symbols[node.name]
            return names[name] if name in names else CONSTANTS[name]
        if node.is_number and not node.args:
            return float(node)
        if kind in ("Sum", "Product"):
            result, add = computed(node.args[0]), np.sum if kind == "Sum" else np.prod
            for index in (computed(limits.args[0]) for limits in node.args[1:]):
                result = add(result * np.ones(index.shape), axis_of(index), keepdims=True)
            return result
        compute = OPERATIONS.get(kind) or (FUNCTIONS | names)[symbols[kind]]
        return compute(*(computed(arg) for arg in node.args))

    with np.errstate(all="ignore"):  # of cases that do not hold
        return computed(read)


def define(left: str, result: Any, names: Names) -> None:
    """Gives a symbol its numbers; those of $s_i$ become the array `s`."""
    found = NAME.fullmatch(left)
    if not found or not found["sub"]:
        names[code_name(left)] = result
        return
    kept = {axis_of(names[i]) for i in indices(found["sub"].strip("{}"))}
    others = tuple(axis for axis in range(np.ndim(result)) if axis not in kept)
    names[code_name(found["base"], found["mark"])] = np.squeeze(result, others)


def check(
    tex: str,
    names: Names,
    before: Names | None = None,
    rtol: float = 1e-6,
    beside: Sequence[str] = (),
) -> None:
    """Whether what was computed, `names`, is what the equation says; raises AssertionError.

    `before` are the numbers from which it was computed, if some of them are no longer there. A
    symbol that the equation explains after a comma is checked if the code has it, and so are those
    that equations `beside` it explain. What $b_1$ is, it is where `t` is 1.
    """
    start = dict(names if before is None else before)
    equations = list(equations_of(tex))
    firsts = {e.left[:-2]: e.rights for e in equations if e.left.endswith("_1")}
    equations = [e for e in equations if not e.left.endswith("_1")]
    others = [e for other in beside for e in [*equations_of(other)][1:]]
    explained = [e for e in [*equations[1:], *others] if not is_known(e.left, names)]
    for left, _, rights in reversed(explained):
        define(left, value(rights[0], start), start)
    computed = [e for e in equations if e not in explained]
    if not computed:
        raise NotRead("it is no equation")
    for left, operator, rights in computed:
        result = value(left, names)
        is_first = np.size(start.get("t")) == 1 and start.get("t") == 1
        for right in firsts.get(left.removesuffix("_t"), rights) if is_first else rights:
            said = value(right, start)
            if operator:
                said = CHANGES[operator](value(left, start), said)
            pair = np.broadcast_arrays(np.asarray(result), np.asarray(said))
            np.testing.assert_allclose(*pair, rtol=rtol, atol=rtol / 10)


CHANGES = {"-": np.subtract, "+": np.add, "*": np.multiply}


def is_known(left: str, names: Names) -> bool:
    """Whether the code has what an equation says."""
    try:
        value(left, names)
    except NotRead:
        return False
    return True
