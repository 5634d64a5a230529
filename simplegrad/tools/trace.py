"""The tracer of `explain`: it reads the lines that run, puts in their numbers and their results.

A line tracer, as a debugger uses it, stops at each line of the mathematical parts: the rules, the
chain rule, `update` of an optimizer, `forward` of a module, and the functions of `sg.` that have an
equation. Before a line runs, its names are replaced by their numbers; after it, its result is read.
Nothing is computed a second time, and nothing in the library knows of it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any

import numpy as np

from simplegrad import autograd, functional, rules
from simplegrad.nn.module import Module
from simplegrad.optimizers.optimizer import Optimizer
from simplegrad.rules import elementwise
from simplegrad.tensor import Tensor
from simplegrad.tools.equations import definition_of, equations_in, statements_of
from simplegrad.tools.lines import Line, Pick, element_of, result_of, text_of, value_text

CHAIN_RULE, ACCUMULATE = autograd.chain_rule.__code__, Tensor.accumulate_grad.__code__
ENGINE = {CHAIN_RULE, ACCUMULATE, autograd.unbroadcast.__code__}
IN_CHAIN_RULE = ["dt"], ["grads[t.index]"]  # what its lines that compute assign; others find dc

# A line with names where its numbers will be, and what it assigns: nothing if it returns
Statement = tuple[Line, list[str]]
Statements = dict[int, Statement | None]  # by the lines that they take; None are those that decide


def _statements_of(frame: FrameType, owner: type | None) -> Statements:
    """The statements of the function that a frame runs; `owner` is the class that it stands in."""
    code = frame.f_code
    name = f"{owner.__name__}.{code.co_name}" if owner else code.co_name
    definition, source = definition_of(code, frame.f_globals)
    statements: Statements = {}
    for node, computed in statements_of(definition, owner).items() if definition else ():
        statement = None
        if computed is not None:
            tex = " ".join(computed.equation.split())
            text = _joined(ast.get_source_segment(source, node) or "")
            what = None, tex, text, _unparsed(computed.right), None
            statement = Line(code.co_filename, node.lineno, name, *what), computed.targets
        holds_others = hasattr(node, "body") or hasattr(node, "cases")
        last = node.lineno if holds_others else node.end_lineno or node.lineno
        for line in range(node.lineno, last + 1):
            statements.setdefault(line, statement)
    return statements


def _joined(code: str) -> str:
    """A statement in one line, without the comments between its lines."""
    if "\n" not in code:
        return code
    lines = [re.sub(r"(^|  )#.*", "", line.strip()) for line in code.split("\n")]
    return re.sub(r"(?<=[(\[{]) |,? (?=[)\]}])", "", " ".join(line for line in lines if line))


def _unparsed(node: ast.AST) -> str:
    return ast.unparse(node).replace(" ** ", "**")


# Numbers in place of names

LOOKUP = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.expr_context),
    *(ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop),
)


def _evaluated(expression: str, frame: FrameType) -> Any:
    """The value that an expression has in a frame now; NotImplemented if it has none."""
    try:
        return eval(expression, frame.f_globals, frame.f_locals)
    except Exception:
        return NotImplemented


class _PutIn(ast.NodeTransformer):
    """Puts numbers in place of the names in an expression.

    Where arrays are computed with element by element, their chosen element stands for them. In
    other places, as in a matrix product, the array itself does.
    """

    def __init__(self, frame: FrameType, pick: Pick) -> None:
        self.frame, self.pick = frame, pick
        self.values: list[Any] = []  # what was put in

    def looked_up(self, node: ast.expr) -> Any:
        """The value of an expression that only looks something up; NotImplemented of others."""
        if all(isinstance(part, LOOKUP) for part in ast.walk(node)):
            return _evaluated(ast.unparse(node), self.frame)
        return NotImplemented

    def put_in(self, node: ast.expr) -> ast.expr:
        value = self.looked_up(node)
        text = value_text(value, self.pick)
        if text is None:
            return node
        self.values.append(value)
        return ast.Name(text)

    def operation(self, node: Any, pick: Pick) -> Any:
        """The node with numbers for its parts; negative ones in parentheses, as in (-3)**2."""
        before, self.pick = self.pick, pick
        node = self.generic_visit(node)
        self.pick = before
        for part in ("left", "right", "operand"):
            if hasattr(node, part):
                setattr(node, part, _in_parentheses(getattr(node, part), "-"))
        return node

    visit_Name = put_in

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        is_name = all(isinstance(part, LOOKUP) for part in ast.walk(node))
        return self.put_in(node) if is_name else self.operation(node, None)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        is_key = isinstance(self.looked_up(node.value), dict | list | tuple)
        return self.put_in(node) if is_key else self.operation(node, None)

    def arithmetic(self, node: ast.BinOp | ast.UnaryOp) -> ast.expr:
        return self.operation(node, None if isinstance(node.op, ast.MatMult) else self.pick)

    visit_BinOp = visit_UnaryOp = arithmetic

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """The branch that is taken, where the condition only looks something up."""
        test = self.looked_up(node.test)
        if test is NotImplemented or isinstance(test, np.ndarray | Tensor):
            return self.operation(node, self.pick)
        return self.visit(node.body if test else node.orelse)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if any(word.arg is None for word in node.keywords):  # partial(dc, *arrays, **c.params)
            return ast.Call(node.func, [ast.Constant(...)], [])
        function, before = node.func, self.pick
        name = getattr(function, "attr", getattr(function, "id", ""))
        self.pick = before if _is_elementwise(name) else None
        node.args = [self.visit(argument) for argument in node.args]
        node.keywords = [self.visit(word) for word in node.keywords if word.arg != "out"]
        if isinstance(function, ast.Attribute):
            function.value = _in_parentheses(self.visit(function.value), r"-|\d")
        self.pick = before
        return node

    def as_it_is(self, node: ast.expr) -> ast.expr:
        """A part with names of its own, which the frame does not have."""
        return node

    visit_ListComp = visit_GeneratorExp = visit_SetComp = visit_DictComp = as_it_is
    visit_Lambda = visit_JoinedStr = as_it_is


def _is_elementwise(name: str) -> bool:
    """Whether the function or method has, at each place, a result of the elements there only."""
    function = vars(np).get(name)
    is_ufunc = isinstance(function, np.ufunc) and function.signature is None
    return is_ufunc or name in {rule.lower() for rule in vars(elementwise)}


def _in_parentheses(node: ast.expr, start: str) -> ast.expr:
    """The node, in parentheses if it is a number whose text starts so."""
    if isinstance(node, ast.Name) and re.match(start, node.id):
        return ast.Name(f"({node.id})")
    return node


# The tracer

Begun = tuple[Statement, Line, Pick]  # the line has its numbers, and no result yet


def check_that_calls_are_traced(name: str) -> None:
    """Raises where Python calls no trace function, as at the prompt of pdb.

    Raises:
        RuntimeError: It does not, so `name` would see nothing of the call.
    """
    before = sys.gettrace()
    seen: list[str] = []
    sys.settrace(lambda frame, event, arg: seen.append(event))
    (lambda: None)()
    sys.settrace(before)
    if not seen:
        raise RuntimeError(
            f"{name} looks on while Python runs the call, and at a debugger's prompt Python lets "
            f"nobody look on. Write sg.{name}(...) into the program, or call it without a debugger."
        )


class Tracer:
    """What Python calls, as the trace function of a thread, while a call runs."""

    def watch(self, call: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any]) -> Any:
        """What a call returns, with this as the trace function of the thread until then."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return call(*args, **kwargs)
        finally:
            sys.settrace(before)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Python enters a function; what is returned is called at each of its lines."""
        raise NotImplementedError


class LineTracer(Tracer):
    """Writes down the lines that compute, with their numbers."""

    def __init__(
        self, chosen: Tensor | None, index: tuple[int, ...] | None, known: list[tuple[str, Tensor]]
    ) -> None:
        self.chosen, self.index = chosen, index
        self.names = {id(t): name for name, t in reversed(known)}
        self.lines: list[Line] = []
        self.statements: dict[CodeType, Statements | None] = {}
        self.begun: dict[FrameType, Begun] = {}
        self.raised: tuple[BaseException, Line] | None = None

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Python enters a function: those of mathematics are looked into."""
        code = frame.f_code
        if code not in self.statements:
            owner = owner_of(code, type(_first_argument(frame)), frame.f_globals)
            is_mathematics = _is_mathematics(frame, owner)
            self.statements[code] = _statements_of(frame, owner) if is_mathematics else None
        return self.within if self.statements[code] else None

    def within(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Python comes to a line of such a function, or leaves it, or an error passes."""
        statement, begun = None, self.begun.get(frame)
        if event == "exception":
            if not issubclass(arg[0], StopIteration):  # the end of an iterator is no error
                self.keep_error(frame, arg[1])
            return self.within
        if event == "line":
            statement = (self.statements[frame.f_code] or {}).get(frame.f_lineno)
        if begun is None or begun[0] is not statement:  # else it goes on in its next line
            self.finish(frame, arg)
            if statement is not None:
                self.begin(frame, statement)
        return self.within

    def begin(self, frame: FrameType, statement: Statement) -> None:
        """Puts in the numbers, before the statement may change them."""
        line, targets = statement
        if frame.f_code is CHAIN_RULE and targets not in IN_CHAIN_RULE:
            return
        about, chosen = _tensor_of(frame), self.chosen
        if about is not None and chosen is not None and about is not chosen:
            return
        like = chosen if about is None else about
        shape = None if like is None else like.shape
        pick = functools.partial(element_of, index=self.index, of=shape)
        putting = _PutIn(frame, pick)
        put_in = putting.visit(ast.parse(line.numbers, mode="eval").body)
        if about is None and chosen is not None:
            values = [*_arguments_of(frame), *putting.values]
            if not any(value is chosen or value is chosen.data for value in values):
                return
        is_named = bool(targets) and not targets[0].endswith("]")
        if isinstance(put_in, ast.Name) and not is_named and not line.equation:
            return  # it passes on what was computed before, and gives it no name
        numbers = "" if len(targets) > 1 else _unparsed(put_in)
        line = line._replace(parameter=self.name_of(like), numbers=numbers)
        self.begun[frame] = statement, _climbing(line), pick

    def finish(self, frame: FrameType, returned: Any) -> None:
        """Reads the result of the statement that a frame has begun."""
        if frame not in self.begun:
            return
        (_, targets), line, pick = self.begun.pop(frame)
        if frame.f_code is CHAIN_RULE and targets == ["dt"] and not self.was_summed():
            return
        values = [_evaluated(target, frame) for target in targets] if targets else [returned]
        results = [result_of(value, pick) for value in values]
        result = results[0]
        if len(targets) > 1:
            pairs = zip(targets, results, strict=True)
            result = ", ".join(f"{name} = {text_of(x)}" for name, x in pairs if x is not None)
        if result is not None and result != "":
            self.lines.append(line._replace(result=result))

    def was_summed(self) -> bool:
        """Whether the last line is one that sums a gradient back to the shape of its input."""
        return bool(self.lines) and self.lines[-1].function == autograd.unbroadcast.__name__

    def keep_error(self, frame: FrameType, error: BaseException) -> None:
        """Keeps the line in which an error arose: the first of those that it passes."""
        if frame in self.begun:
            _, line, _ = self.begun.pop(frame)
            if self.raised is None or self.raised[0] is not error:
                self.raised = error, line

    def line_that_raised(self, error: BaseException) -> Line:
        """The line in which `error` arose; where that computed nothing, the traceback's last."""
        raised, self.raised = self.raised, None  # else tracer, error and frames were a cycle
        if raised is not None and raised[0] is error:
            line = raised[1]
        else:
            *_, (frame, number) = traceback.walk_tb(error.__traceback__)
            code = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
            where = frame.f_code.co_filename, number, frame.f_code.co_name
            line = Line(*where, None, "", code, "", None)
        return line._replace(result=f"raises {type(error).__name__}: {error}")

    def name_of(self, t: Tensor | None) -> str | None:
        """How a tensor is known: by its name, or by the rule that made it."""
        if t is None:
            return None
        made = None if t.rule is None else f"result of {t.rule.__name__}"
        return self.names.get(id(t), t.name or made)


def _climbing(line: Line) -> Line:
    """`x + y * z` for `x - (-y) * z`, the same bits: so a step climbs with `maximize`."""
    numbers, times = re.subn(r"^(\S+) - \(-([^()]+)\)(?= \*)", r"\1 + \2", line.numbers)
    if not times:
        return line
    return line._replace(numbers=numbers, equation=line.equation.replace("{-}=", "{+}="))


def owner_of(code: CodeType, first: type, names: Mapping[str, Any]) -> type | None:
    """The class that a method stands in; of a rule's function, the rule, found in its module.

    Args:
        first: The class of its first argument.
        names: Its globals.
    """
    # type() and not isinstance(), which asks the thing itself, and a proxy may raise an error
    others = [thing for thing in names.values() if issubclass(type(thing), type)]
    for c in (*first.__mro__, *others):
        function: Any = vars(c).get(code.co_name)
        if getattr(inspect.unwrap(function), "__code__", None) is code:
            return None if function is vars(functional).get(code.co_name) else c
    return None


def _is_mathematics(frame: FrameType, owner: type | None) -> bool:
    """Whether the lines that a frame runs are equations."""
    code, name = frame.f_code, frame.f_code.co_name
    module, first = frame.f_globals.get("__name__", ""), _first_argument(frame)
    if name.startswith(("_", "<")):
        return False
    if module.startswith(functional.__name__):
        return bool(equations_in(getattr(vars(functional).get(name), "__doc__", None)))
    return (
        code in ENGINE
        or module.startswith(rules.__name__)
        or (name == "forward" and (hasattr(owner, "partials") or isinstance(first, Module)))
        or (code.co_varnames[:1] == ("dc",) and hasattr(owner, "partials"))
        or (name == "update" and isinstance(first, Optimizer))
    )


def _arguments_of(frame: FrameType) -> list[Any]:
    """What a function was given, by position or by name."""
    arguments = inspect.getargvalues(frame)
    many = frame.f_locals.get(arguments.varargs or "", ())
    return [*(frame.f_locals.get(name) for name in arguments.args), *many]


def _first_argument(frame: FrameType) -> Any:
    return next(iter(_arguments_of(frame)), None)


def _tensor_of(frame: FrameType) -> Tensor | None:
    """The tensor that a frame updates or computes the gradient of; None in a forward pass."""
    if frame.f_code is ACCUMULATE or isinstance(_first_argument(frame), Optimizer):
        return next((value for value in _arguments_of(frame) if isinstance(value, Tensor)), None)
    above: FrameType | None = frame
    while above is not None and above.f_code is not Tracer.watch.__code__:
        if above.f_code is CHAIN_RULE:
            return above.f_locals.get("t")
        above = above.f_back
    return None
