"""The sandbox: a student's file runs in a process of its own, with a limit of time and memory.

The parent starts `python -m simplegrad.exercises.sandbox NAME FILE REPORT`. This child runs the
file and the judge, and writes the report, as JSON, anew before each function. So the parent knows
how far it came, however the child ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from linecache import cache as line_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from simplegrad import exercises
from simplegrad.exercises import words
from simplegrad.exercises.judge import judge, unknown
from simplegrad.exercises.references import load
from simplegrad.exercises.task import Report

SECONDS = 10.0  # for the whole file
GIGABYTES = 4
PRINTED = 1000  # characters that are kept of what a file prints

Source = tuple[str, str | bytes]  # what messages call it, and its text


class Checked(NamedTuple):
    """The report on a file, and the first part of what the file has printed."""

    report: Report
    printed: str = ""


# The parent


def check_file(name: str, path: Path, seconds: float = SECONDS) -> Checked:
    """The report on an exercise as it stands in a file, a script or a notebook."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "report.json"
        child = subprocess.Popen(
            [sys.executable, "-m", "simplegrad.exercises.sandbox", name, str(path), str(target)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"},
        )
        printed = bytearray()
        reader = threading.Thread(target=read, args=(child.stdout, printed), daemon=True)
        reader.start()
        end = ""
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            end = f"did not end within {seconds:g} seconds: is there a loop that never ends?"
        finally:
            child.kill()
            child.wait()
        reader.join(1)  # a process that the file has started may keep the pipe open
        state = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    end = end or (
        f"ended the whole process, with status {child.returncode}: is there an os._exit, or a "
        "recursion without end?"
    )
    return Checked(report_of(name, state, end), printed.decode("utf-8", "replace"))


def read(pipe: IO[bytes], printed: bytearray) -> None:
    """Reads a pipe until its end, and keeps the first part."""
    with pipe:
        while part := pipe.read(65536):
            printed += part[: PRINTED - len(printed)]


def report_of(name: str, state: dict[str, Any], end: str) -> Report:
    """The report that the child left, with what it could not say itself."""
    if not state:  # it could not even begin
        return unknown(name, f"Python {end}")
    report = Report(state["statuses"], state["remarks"])
    if state["running"]:
        missing = unknown(name, f"{state['running']} {end}")
        report = Report({**missing.statuses, **report.statuses}, report.remarks + missing.remarks)
    return report


# The child


def main(name: str, path: Path, target: Path) -> None:
    """Runs a file, judges its functions, and leaves the report at `target`."""

    def save(report: Report, running: str) -> None:
        part = target.with_suffix(".part")
        part.write_text(json.dumps({**asdict(report), "running": running}), encoding="utf-8")
        os.replace(part, target)

    limit_memory()
    save(Report(), path.name)
    sys.path.insert(0, str(path.parent))
    save(report_on(name, sources_of(path), save), "")


def report_on(
    name: str,
    sources: Iterable[Source],
    before: Callable[[Report, str], None] = lambda report, function: None,
) -> Report:
    """Runs sources, one after the other, and judges the functions that they leave.

    The command line does this with a file, and the site with the cells of a page.

    Args:
        before: Is called before each function, with the report until then.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    problem, files = Report(), [name]
    check, exercises.check = exercises.check, lambda *functions: None  # it is done below
    try:
        for file, source in sources:
            files.append(file)
            names["__file__"] = file
            exec(compile(source, file, "exec"), names)
    except (Exception, SystemExit) as error:  # the functions above it can be judged
        problem = Report({}, [does_not_run(files, error)])
    finally:
        exercises.check = check
    functions = {function: names[function] for function in load(name).TASKS if function in names}
    if problem.remarks and not functions:
        return unknown(name, problem.remarks[0])
    return problem + judge(name, functions, lambda part, running: before(problem + part, running))


def limit_memory() -> None:
    """Lets what is too large fail before the computer is slow; Linux keeps to it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limit = GIGABYTES * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def sources_of(path: Path) -> Iterator[Source]:
    """What is to be run: a script, or the cells of a notebook."""
    if path.suffix != ".ipynb":
        yield str(path), path.read_bytes()
        return
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        if cell["cell_type"] == "code":
            file = f"{path.name}, cell {number}"
            source = re.sub(r"^(?=[%!])", "# ", "".join(cell["source"]), flags=re.MULTILINE)
            line_cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            yield file, source


def does_not_run(files: Sequence[str], error: BaseException) -> str:
    """The remark on sources that cannot be run to their end; the last of `files` was running."""
    file = Path(files[-1]).name
    if isinstance(error, SyntaxError):
        lines = "".join(traceback.format_exception_only(error))
        return f"{file} has a syntax error:\n" + textwrap.indent(lines, "  ").rstrip()
    rows = [*words.place_of(error, files), words.row("error", "", words.said(error))]
    return "\n".join([f"{file} stops with an error:", *rows])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)  # without waiting for threads that the file has started
