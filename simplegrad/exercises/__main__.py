"""`python -m simplegrad.exercises`: how far you are, and what is wrong about an exercise."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simplegrad.exercises import grading
from simplegrad.exercises.checker import (
    GIGABYTES,
    NOT_TRIED,
    PRINTED,
    RIGHT,
    SECONDS,
    STATUSES,
    Checked,
    check_file,
)
from simplegrad.exercises.processes import guard_this_process
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.exercises.words import text

FOLDER = Path("tutorials", "exercises")


def files_of(name: str) -> list[Path]:
    """The script of an exercise and its notebook: here, or in tutorials/exercises from here up."""
    here = Path.cwd()
    for folder in (here, *(above / FOLDER for above in (here, *here.parents))):
        files = [folder / f"{name}.py", folder / f"{name}.ipynb"]
        if any(file.is_file() for file in files):
            return [file for file in files if file.is_file()]
    return []


def checked(name: str, files: Sequence[Path]) -> tuple[Path, Checked]:
    """The first of the files that somebody has worked on, or the first of all, and its report."""
    results = []
    for file in files:
        results.append((file, check_file(name, file)))
        if results[-1][1].verdict != NOT_TRIED:
            return results[-1]
    return results[0]


def check(name: str, files: Sequence[Path]) -> int:
    """Prints the report on one exercise; returns the exit status."""
    file, result = checked(name, files)
    print(text(f"{name}: {load(name).TITLE}\n{shortest(file)}", result.report))
    if printed := result.printed:
        cut = "\n..." if len(printed) >= PRINTED else ""
        print("\nYour code has printed:\n\n" + textwrap.indent(printed.rstrip() + cut, "    "))
    return STATUSES[result.verdict]


def progress() -> int:
    """Prints how far each exercise is; returns the exit status."""
    files = {name: found for name in EXERCISES if (found := files_of(name))}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(files, pool.map(checked, files, files.values()), strict=True))
    width = max(map(len, EXERCISES))
    done = 0
    for name in EXERCISES:
        state = state_of(results[name][1]) if name in results else "no file"
        done += state == RIGHT
        print(f"{name:{width}}  {state:12}  {load(name).TITLE}")
    print(f"\n{done} of {len(EXERCISES)} are right.")
    print("What is right and wrong in one of them: python -m simplegrad.exercises check NAME")
    if not files:
        print(f"There is no {FOLDER.as_posix()}/ here: go to the folder that has it.")
    return 0 if files else 2


def state_of(result: Checked) -> str:
    """How far an exercise is, in a few words."""
    if result.verdict in (RIGHT, NOT_TRIED):
        return result.verdict
    return f"{result.report.count} of {len(result.report.statuses)} right"


def positive(text: str) -> float:
    """A number above 0."""
    if not 0 < float(text) < float("inf"):
        raise ValueError
    return float(text)


def count(text: str) -> int:
    """A whole number from 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def shortest(file: Path) -> Path:
    """The path from here, if the file is below."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def main(argv: Sequence[str] | None = None) -> int:
    """Lists the exercises, or checks one; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m simplegrad.exercises",
        description="Without arguments: lists the exercises, and how far you are.",
        epilog="Exit status: 2 if it cannot be checked, "
        + ", ".join(f"{status} if {verdict}" for verdict, status in STATUSES.items())
        + ".",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    one = commands.add_parser("check", help="say what is right and wrong in an exercise")
    one.add_argument("name", metavar="NAME", choices=EXERCISES, help=", ".join(EXERCISES))
    one.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        type=Path,
        help=f"its script or notebook; default: the one in {FOLDER.as_posix()}, from here upwards",
    )
    many = commands.add_parser("grade", help="grade all submissions in a folder")
    many.add_argument("folder", metavar="FOLDER", type=Path)
    add = many.add_argument
    of_names = f"how files are called, without .py or .ipynb; default: {grading.NAMES}"
    add("--names", metavar="PATTERN", default=grading.NAMES, help=of_names)
    add("--exercises", metavar="NAME", nargs="+", choices=EXERCISES, default=[], help="only these")
    add("--out", metavar="FOLDER", type=Path, default=Path("grades"), help="where the grades go")
    add("--cpus", metavar="N", type=count, default=os.cpu_count(), help="how many at a time")
    add("--memory", metavar="GB", type=positive, help=f"for all of them; default: {GIGABYTES} each")
    add("--seconds", metavar="S", type=positive, default=SECONDS, help="for each file")
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):  # a student's code may hold what this terminal lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if not args.command:
            return progress()
        if args.command == "grade":
            gigabytes = args.memory or GIGABYTES * args.cpus
            try:
                return grading.command(
                    args.folder,
                    args.names,
                    args.exercises,
                    args.out,
                    args.cpus,
                    gigabytes,
                    args.seconds,
                )
            except (grading.GradingError, OSError) as error:
                many.error(str(error))
        files = [args.file] if args.file else files_of(args.name)
        if not files or not files[0].is_file():
            where = args.file or f"{args.name}.py here, or in {FOLDER.as_posix()} from here upwards"
            one.error(f"there is no file {where}")
        return check(args.name, files)
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    guard_this_process()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's Ctrl-C
    sys.exit(main())
