"""Runs the cells of a page in one namespace, as a notebook does, and hands the page what they show.

This file runs in the reader's browser, called by worker.js. But for the check of an exercise, it
needs nothing but Python.
"""

import ast
import builtins
import io
import json
import linecache
import os
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Iterator

Send = Callable[[str, str], None]  # of a kind (stdout, stderr, text, error, svg, steps) and a text

LIBRARY = "/simplegrad/"  # in the path of each of its files
LIMIT = 1_000_000  # characters that a cell may print
LINE = 50  # characters that a line counts for at least: a million empty lines freeze a page, too
AT_ONCE = 100  # lines that are sent as they come; later ones wait for a moment, and go together
MOMENT = 0.05  # seconds
ENOUGH = (
    "\nThis is all that is shown: a cell may print a million characters or 20,000 lines here. "
    "The cell itself went on.\n"
)
ELSEWHERE = (
    "Python's own library, NumPy, Matplotlib and simplegrad are here. For other packages, run the "
    "code on your machine."
)

page = types.ModuleType("__main__")
sys.modules["__main__"] = page


class Output:
    """What a cell shows, in the order in which it came, up to a limit."""

    def __init__(self, send: Send) -> None:
        self.send, self.room = send, LIMIT
        self.waiting: list[str] = []
        self.kind = "stdout"
        self.sent, self.sent_at = 0, 0.0

    def write(self, kind: str, text: str) -> None:
        """Text for standard output or error; what comes after the limit is dropped."""
        if self.room <= 0 or not text:
            return
        if kind != self.kind:
            self.flush()
            self.kind = kind
        self.waiting.append(text[: self.room])
        self.room -= len(text) + LINE * text[: self.room].count("\n")
        if self.room <= 0:
            self.flush()
            self.send("stderr", ENOUGH)
        elif "\n" in text and (self.sent < AT_ONCE or time.monotonic() - self.sent_at > MOMENT):
            self.flush()

    def flush(self) -> None:
        """Sends what waits."""
        if self.waiting:
            self.send(self.kind, "".join(self.waiting))
            self.waiting.clear()
            self.sent, self.sent_at = self.sent + 1, time.monotonic()

    def show(self, kind: str, text: str) -> None:
        """A result, an error or a picture, after what was printed before it."""
        self.flush()
        self.send(kind, text)


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr: what is written to it goes to the output of the cell that runs."""

    encoding = "utf-8"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """As of any text file."""
        output.write(self.kind, text)
        return len(text)

    def flush(self) -> None:
        """As of any text file."""
        output.flush()


output = Output(lambda kind, text: None)
sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")


def no_input(prompt: object = "") -> str:
    """Stands in for input(), which would wait for ever."""
    raise OSError("nobody can answer input() here: write the answer into the cell")


builtins.input = no_input


def run(name: str, source: str, send: Send) -> bool:
    """Runs a cell and sends what it shows; whether it came to its end without an error."""
    return is_done(lambda: run_cell(name, source), send)


def step_through(name: str, source: str, send: Send) -> bool:
    """Runs a cell and sends its steps; whether it came to its end without an error."""
    return is_done(lambda: show_steps(name, source), send)


def check(exercise: str, sources: Iterable[tuple[str, str]], send: Send) -> bool:
    """Checks an exercise in a namespace of its own, and sends what the command line says."""
    return is_done(lambda: check_cells(exercise, sources), send)


def is_done(work: Callable[[], None], send: Send) -> bool:
    """Sends what work shows; whether it came to its end without an error."""
    global output
    output = Output(send)
    try:
        work()
    except BaseException as error:  # the page goes on, whatever a cell raises
        output.show("error", shown_error(error))
        return False
    finally:
        output.flush()
    return True


def run_cell(name: str, source: str) -> None:
    """Runs a cell in the namespace of the page."""
    remember(name, source)
    vars(page).pop("__warningregistry__", None)  # a cell that runs again warns again
    statements, last = parts_of(source, name)
    exec(statements, vars(page))
    if last is not None:
        value = eval(last, vars(page))
        if value is not None:
            vars(page)["_"] = value
            show(value)
    if "matplotlib.pyplot" in sys.modules:
        show_figures()


def show_steps(name: str, source: str) -> None:
    """Runs a cell in the namespace of the page, and shows each of its steps."""
    import simplegrad as sg

    steps = sg.step_through(run_cell, name, source)
    steps.call = name
    show(steps)


def check_cells(exercise: str, sources: Iterable[tuple[str, str]]) -> None:
    """Runs cells by themselves, and judges what they define."""
    from simplegrad.exercises.checker import report_on
    from simplegrad.exercises.references import load
    from simplegrad.exercises.words import text

    cells = [(name, source) for name, source in sources]
    for cell in cells:
        remember(*cell)
    output.show("text", text(f"{exercise}: {load(exercise).TITLE}", report_on(exercise, cells)))


def remember(name: str, source: str) -> None:
    """Keeps the lines of a cell, for tracebacks and inspect."""
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name


def parts_of(source: str, name: str) -> tuple[types.CodeType, types.CodeType | None]:
    """The compiled statements, and the last one apart where it is an expression."""
    tree = ast.parse(source, name)
    last = None
    is_silent = source.rstrip().endswith(";")  # as in a notebook
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not is_silent:
        expression = ast.Expression(tree.body.pop().value)
        last = compile(expression, name, "eval", dont_inherit=True)
    return compile(tree, name, "exec", dont_inherit=True), last


def show(value: object) -> None:
    """A value as the page shows it: as a picture if it draws itself, or by its repr."""
    draw = getattr(type(value), "_repr_svg_", None)
    picture = draw(value) if draw else None
    if picture:
        output.show("svg", picture)
    elif type(value).__name__ == "Steps" and hasattr(type(value), "storyboard"):
        output.show("steps", json.dumps(value.storyboard))
    else:
        output.show("text", repr(value))


def shown_error(error: BaseException) -> str:
    """Its traceback without the lines of other libraries and of this file."""
    trace = traceback.TracebackException.from_exception(error)
    for one in chain(trace):
        one.stack[:] = [frame for frame in one.stack if is_shown(frame.filename)]
        for frame in one.stack:
            _ = frame.line  # is looked up by the whole path
            frame.filename = frame.filename[frame.filename.find(LIBRARY) + 1 :]
    text = "".join(trace.format()).rstrip()
    if isinstance(error, ModuleNotFoundError):
        text += "\n" + ELSEWHERE
    return text


def chain(trace: traceback.TracebackException | None) -> Iterator[traceback.TracebackException]:
    """An error, and those that it came from."""
    while trace is not None:
        yield trace
        trace = trace.__cause__ or trace.__context__


def is_shown(filename: str) -> bool:
    """Whether a line of a traceback is of a cell or of the library."""
    return filename.startswith("cell ") or LIBRARY in filename


# Figures


def prepare_figures(settings: str) -> None:
    """Matplotlib draws for the page: with its settings, and as SVG when plt.show() is called."""
    os.environ |= {"MATPLOTLIBRC": settings, "MPLBACKEND": "svg"}
    from matplotlib import pyplot

    pyplot.show = show_figures


def show_figures(*args: object, **options: object) -> None:
    """Sends each open figure and closes it, as at the end of a cell of a notebook."""
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        picture = io.StringIO()
        with warnings.catch_warnings():
            pyplot.figure(number).savefig(picture, format="svg", bbox_inches="tight")
        output.show("svg", picture.getvalue())
    pyplot.close("all")
