"""The process of a student's file: it runs the file, and calls its functions when it is asked to.

The checker starts this as a script, and keeps the reference and the judge to itself. Both sides
speak JSON, a message a line. Arrays go as bytes and as views of them, so that two that share memory
here share it there.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import json
import os
import re
import sys
import threading
import traceback
import tracemalloc
import types
from collections.abc import Callable, Iterable, Iterator
from linecache import cache as line_cache
from pathlib import Path
from typing import Any

import numpy as np

MESSAGE = 2**25  # characters of a message, and bytes of an array, at most
WORDS = 500  # characters of an error or of a repr

Source = tuple[str, str | bytes]  # what messages call it, and its text


# Values, from one process to the other


def encoded(x: Any, buffers: list[np.ndarray]) -> Any:
    """A value as JSON; the arrays that own the memory of its arrays are added to `buffers`."""
    if x is None or type(x) in (bool, int, float, str):
        return x
    if x is ...:
        return {"dots": True}
    if type(x) is complex:
        return {"complex": [x.real, x.imag]}
    if isinstance(x, list | tuple):
        kind = "tuple" if isinstance(x, tuple) else "list"
        return {kind: [encoded(y, buffers) for y in x]}
    if isinstance(x, dict):
        return {"dict": [[encoded(y, buffers) for y in item] for item in x.items()]}
    if isinstance(x, np.generic) and x.dtype.kind in "biufc":
        return {"scalar": encoded(np.array(x), buffers)}
    if isinstance(x, np.ndarray) and x.dtype.kind in "biufc" and x.nbytes < MESSAGE // 2:
        return {"array": view_of(np.asarray(x), buffers)}
    if isinstance(x, types.FunctionType) and hasattr(x, "source"):  # a function of the reference
        return {"function": x.source, "doc": x.__doc__}
    return {"other": type(x).__name__, "text": text_of(x)}


def view_of(x: np.ndarray, buffers: list[np.ndarray]) -> list[Any]:
    """An array as the number of a buffer, and where in it the elements are."""
    owner = x
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    dense = owner.flags.c_contiguous or owner.flags.f_contiguous
    if not dense or owner.nbytes >= MESSAGE // 2:
        owner = x = np.array(x)
    offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    number = next((i for i, buffer in enumerate(buffers) if buffer is owner), len(buffers))
    if number == len(buffers):
        buffers.append(owner)
    return [number, x.dtype.str, x.shape, x.strides, offset]


def decoded(x: Any, buffers: list[np.ndarray], is_trusted: bool = False) -> Any:
    """The value of JSON that `encoded` has made; only what is trusted may hold functions.

    Raises:
        Exception: It was made by something else.
    """
    if not isinstance(x, dict):
        return x
    kind, value = next(iter(x.items()))
    if kind == "dots":
        return ...
    if kind == "complex":
        return complex(*value)
    if kind in ("list", "tuple"):
        made = [decoded(y, buffers, is_trusted) for y in value]
        return made if kind == "list" else tuple(made)
    if kind == "dict":
        return dict([decoded(y, buffers, is_trusted) for y in item] for item in value)
    if kind == "scalar":
        return decoded(value, buffers)[()]
    if kind == "array":
        number, dtype, shape, strides, offset = value
        size = np.prod(shape, dtype=float) * np.dtype(dtype).itemsize
        if np.dtype(dtype).kind not in "biufc" or size > MESSAGE:
            raise ValueError(f"an array of {dtype}, shape {shape}, is none that is sent")
        return np.ndarray(shape, dtype, buffers[number], offset, strides)
    if kind == "function" and is_trusted:
        function = eval(value, {"np": np})
        function.__doc__ = x["doc"]
        return function
    text = str(x["text"])[:WORDS]
    return type(str(value)[:WORDS], (), {"__repr__": lambda self: text})()


def text_of(x: Any) -> str:
    """The first part of the repr of anything."""
    try:
        return repr(x)[:WORDS]
    except BaseException as error:
        return f"a {type(x).__name__} whose repr raises {type(error).__name__}"


def packed(buffer: np.ndarray) -> str:
    """The bytes of a buffer, as text; in the order of memory."""
    return base64.b64encode(buffer.tobytes("A")).decode()


def unpacked(text: str) -> np.ndarray:
    """The bytes of a buffer."""
    return np.frombuffer(bytearray(base64.b64decode(text)), np.uint8)


def error_as_data(error: BaseException, files: Iterable[str]) -> dict[str, Any]:
    """What is to be said of an error: its type, its words, and the last line of these files."""
    try:
        message = str(error)[:WORDS]
    except BaseException as another:
        message = f"its message raises {type(another).__name__}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
    data: dict[str, Any] = {"type": type(error).__name__, "message": message}
    data["frames"] = [(f.filename, f.lineno, f.name, (f.line or "")[:WORDS]) for f in frames[-1:]]
    if isinstance(error, SyntaxError):
        data["syntax"] = "".join(traceback.format_exception_only(error))[: 4 * WORDS]
    return data


def error_of(data: dict[str, Any]) -> Exception:
    """An error that says what the one of the other process has said."""
    name, message = str(data["type"])[:WORDS], str(data["message"])[:WORDS]
    known = getattr(builtins, name, None)
    is_known = isinstance(known, type) and issubclass(known, Exception)
    frames = [
        traceback.FrameSummary(str(file), int(line), str(name), lookup_line=False, line=str(text))
        for file, line, name, text in data["frames"]
    ]
    syntax = str(data.get("syntax", ""))[: 4 * WORDS]
    says = {"__str__": lambda self: message, "frames": frames, "syntax": syntax}
    base: Any = known if is_known else Exception
    kind: type[Exception] = type(name, (base,), says)
    try:
        return kind.__new__(kind)  # without the arguments, which are not known here
    except TypeError:  # as an ExceptionGroup, it has to have them
        return type(name, (Exception,), says)()


# The file


def sources_of(path: Path) -> Iterator[Source]:
    """What is to be run: a script, or the cells of a notebook, without what is for IPython."""
    if path.suffix != ".ipynb":
        yield str(path), path.read_bytes()
        return
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        if cell["cell_type"] == "code":
            file = f"{path.name}, cell {number}"
            source = plain("".join(cell["source"]))
            line_cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            yield file, source


def plain(source: str) -> str:
    """A cell as Python: lines for IPython become `pass`, and a cell in another language empty."""
    try:
        compile(source, "cell", "exec")
        return source
    except SyntaxError:
        first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        return plain(rest) if re.match(r"%%(time|timeit|capture|prun)\b", first) else ""
    source = re.sub(r"^(\s*)[%!?].*|^(\s*)\S+\?$", r"\1\2pass", source, flags=re.MULTILINE)
    return re.sub(r"^(\s*\w+ *= *)[%!].*", r"\1None", source, flags=re.MULTILINE)


def run(sources: Iterable[Source], files: list[str], names: dict[str, Any]) -> BaseException | None:
    """Runs sources, one after the other, with these names; returns the error that ended it.

    The name of each is added to `files` before it is run.
    """
    try:
        for file, source in sources:
            files.append(file)
            names["__file__"] = file
            exec(compile(source, file, "exec", dont_inherit=True), names)
    except SystemExit as end:
        return end if end.code else None
    except Exception as error:  # the functions above it can be judged
        return error
    return None


def unmeasured(function: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """What a function returns."""
    return function(*arguments), 0


def measured(function: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """What a function returns, and the most bytes that it had at once for what it has made."""
    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        returned = function(*arguments)
        return returned, tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()


# The process


def main() -> None:  # pragma: in a process of its own
    """Runs the file of the first message, and answers the calls that come after it."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what a file prints goes another way

    def reply(message: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):  # it may have replaced it, or closed it
            sys.stdout.flush()
        line = json.dumps(message) + "\n"
        if len(line) > MESSAGE:
            raise ValueError("it returns more than can be looked at")
        replies.write(line)
        replies.flush()

    job = json.loads(requests.readline())
    limit(job["gigabytes"])
    path = Path(job["file"])
    sys.path[0] = str(path.parent)
    sys.dont_write_bytecode = True  # the folder is the student's
    sys.path.append(job["root"])
    hide_the_exercises()
    files = [job["exercise"]]
    sys.modules["__main__"] = module = types.ModuleType("__main__")  # whose classes are found there
    names = module.__dict__
    names["display"] = print
    error = run(sources_of(path), files, names)
    reply(
        {
            "functions": [name for name in job["functions"] if name in names],
            "running": Path(files[-1]).name,
            "error": error_as_data(error, files) if error else None,
        }
    )
    for line in requests:
        try:
            answer = answered(json.loads(line), names, files)
            reply(answer)
        except BaseException as error:
            reply({"error": error_as_data(error, files)})


def answered(request: dict[str, Any], names: dict[str, Any], files: list[str]) -> dict[str, Any]:
    """The answer to a call: what the function returns, and what it leaves of its arguments."""
    name = request["function"]
    given = [unpacked(text) for text in request["buffers"]]
    arguments = [decoded(x, given, is_trusted=True) for x in request["arguments"]]
    own = Library(name, request["library"])
    call = measured if request["measure"] else unmeasured
    with np.errstate(all="ignore"):  # what overflows is a wrong result, and is shown as such
        threading.setprofile(own.look)
        sys.setprofile(own.look)
        try:
            returned, memory = call(names[name], *arguments)
            own.looks_on = sys.getprofile() == own.look
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            if own.used or not own.looks_on:
                raise own.error()
    buffers = list(given)
    left = [encoded(x, buffers) for x in arguments]
    return {
        "returned": encoded(returned, buffers),
        "arguments": left,
        "buffers": [packed(buffer) for buffer in buffers],
        "memory": memory,
    }


class OfTheLibraryError(Exception):
    """A function calls what it is to be written for."""


class Library:
    """Looks whether a function calls what simplegrad has in its place."""

    def __init__(self, name: str, may_be_used: bool) -> None:
        self.name, self.may_be_used, self.used, self.looks_on = name, may_be_used, "", True
        self.folder = str(Path(__file__).resolve().parents[1]) + os.sep

    def look(self, frame: types.FrameType, event: str, _: Any) -> None:
        """What Python calls on each call."""
        code = frame.f_code
        is_own = code.co_filename.startswith(self.folder) and code.co_filename != __file__
        if event == "call" and is_own and not (self.may_be_used and code.co_name != self.name):
            called = f"{code.co_name} of {code.co_filename.removeprefix(self.folder)}"
            self.used = self.used or called

    def error(self) -> Exception:
        """What is said then."""
        if not self.used:
            return OfTheLibraryError("it changes sys.setprofile, which looks on: leave it")
        return OfTheLibraryError(f"it calls {self.used} in simplegrad: write it yourself")


def limit(gigabytes: float) -> None:  # pragma: in a process of its own
    """Lets what is too large fail before the computer is slow; Linux keeps to it."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    bounds = {resource.RLIMIT_AS: int(gigabytes * 2**30), resource.RLIMIT_CORE: 0}
    for what, bound in {**bounds, resource.RLIMIT_FSIZE: 2**28}.items():
        try:
            resource.setrlimit(what, (bound, bound))
        except (ValueError, OSError):  # macOS has no such limit, or a lower one holds
            continue


def hide_the_exercises() -> None:  # pragma: in a process of its own
    """Puts a check that does nothing in the place of simplegrad.exercises, and hides its files."""
    stand_in = types.ModuleType("simplegrad.exercises")
    stand_in.check = lambda *functions: None  # type: ignore[attr-defined]
    sys.modules["simplegrad.exercises"] = stand_in
    import simplegrad

    simplegrad.exercises = stand_in  # type: ignore[attr-defined]
    folder = str(Path(__file__).resolve().parent) + os.sep

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        is_path = event == "open" and isinstance(arguments[0], str | bytes | os.PathLike)
        if is_path and os.path.realpath(os.fsdecode(arguments[0])).startswith(folder):
            raise PermissionError("the reference is hidden in a check: write the equation yourself")

    sys.addaudithook(look)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # without waiting for threads that the file has started
