"""The recipe for a new rule in CONTRIBUTING.md, carried out to the letter on a copy."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = CONTRIBUTING.partition("[start:rule]")[2].partition("[end:rule]")[0]
STEPS = dict(enumerate(re.split(r"^(?=\*\*\d\. )", RECIPE, flags=re.MULTILINE)))

# How a step says what to do
WORDS = re.compile(
    r"\bAdd\s`(?P<item>[^`]+)`\sto\s`(?P<to>\w+)`(?:\sin\s`(?P<of>[\w/]+\.py)`)?"
    r"|`(?P<path>[\w/]+\.(?:py|md))`"
    r"|\bafter\s`(?P<after>[^`]+)`"
    r"|\brow\sof\s`(?P<row_of>\w+)`"
    r"|^```\w+\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COPIED = [ROOT / folder for folder in ("simplegrad", "tests", "docs", "tutorials")]
COPIED += [ROOT / name for name in (".ci", ".devcontainer", ".github", ".vscode")]
COPIED += [path for path in ROOT.glob("[!.]*") if path.is_file()]

# What knows of every rule, or of every public name
TOUCHED = [
    "simplegrad",
    "tests/rules",
    "tests/test_derivatives.py",
    "tests/tools/test_gradcheck.py",
    "tests/tools/test_explain.py",
    "tests/docs/test_hooks.py",
    "tests/test_random_graphs.py",
    "tests/test_torch_oracle.py",
    "tests/test_debugger.py",
    "tests/test_packaging.py",
]
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]


def carry_out(step, root):
    """Does what a step says to the files below `root`; returns its code that goes into no file."""
    said, trial = {}, ""
    for match in WORDS.finditer(step):
        said |= {key: text for key, text in match.groupdict().items() if text}
        path, code = root / said.get("of", said.get("path", "")), match["code"]
        if match["item"]:
            edit(path, with_item, said["to"], match["item"])
        elif code and "path" not in said:
            trial += code
        elif code and "row_of" in said:
            edit(path, with_item, said["row_of"], code.strip().rstrip(","))
        elif code and "after" in said:
            edit(path, with_code_after, said["after"], code)
        elif code:
            edit(path, "{}\n\n{}".format, code)
    return trial


def edit(path, change, *args):
    path.write_text(change(path.read_text(encoding="utf-8"), *args), encoding="utf-8")


def with_item(text, name, item):
    """A file whose list, set or dict of this name has one more item at its end."""
    (value,) = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    lines = text.splitlines(keepends=True)
    end = len("".join(lines[: value.end_lineno - 1])) + value.end_col_offset - 1
    return f"{text[:end].rstrip().rstrip(',')}, {item},\n{text[end:]}"


def with_code_after(text, place, code):
    """A file with code after a line, or after the function or method of a name."""
    lines = text.splitlines(keepends=True)
    if f"{place}\n" in lines:
        number = lines.index(f"{place}\n") + 1
    else:
        nodes = ast.walk(ast.parse(text))
        (number,) = [node.end_lineno for node in nodes if getattr(node, "name", "") == place]
        code = f"\n{code}"
    return "".join([*lines[:number], code, *lines[number:]])


def with_the_rule(root, without=None):
    """Copies the repository to `root`, and carries out the steps; returns what a user tries."""
    unwanted = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis")
    for path in COPIED:
        if path.is_dir():
            shutil.copytree(path, root / path.name, ignore=unwanted)
        else:
            shutil.copy(path, root / path.name)
    return "".join(carry_out(step, root) for number, step in STEPS.items() if number != without)


def run(root, *command):
    """Runs a command of Python in the copy; the exit code, and what it has printed."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, *command]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def succeed(root, *command):
    code, printed = run(root, *command)
    assert code == 0, f"{' '.join(command)}\n{printed[-5000:]}"
    return printed


def test_a_rule_takes_the_nine_lines_that_the_title_says():
    assert "\n## Add a rule in nine lines\n" in CONTRIBUTING
    code = "".join(match["code"] or "" for n in (1, 2) for match in WORDS.finditer(STEPS[n]))
    without_docstrings = re.sub(r'r?"""(.*?)"""', "", code, flags=re.DOTALL)
    assert len([line for line in without_docstrings.splitlines() if line.strip()]) == 9


def test_the_rule_works_where_the_recipe_puts_it(tmp_path):
    trial = with_the_rule(tmp_path)
    assert "sg.gradcheck(sg.sinh, a)" in trial
    where = "print(sg.__file__, sg.sinh.__qualname__, sg.rules.Sinh.__module__, sep='\\n')"
    assert succeed(tmp_path, "-c", trial + where).splitlines() == [
        str(tmp_path / "simplegrad" / "__init__.py"),
        "sinh",
        "simplegrad.rules.elementwise",
    ]


@pytest.mark.slow
def test_every_check_passes_with_the_rule(tmp_path):
    with_the_rule(tmp_path)
    if importlib.util.find_spec("ruff"):
        succeed(tmp_path, "-m", "ruff", "check", "--fix", ".")
        succeed(tmp_path, "-m", "ruff", "format", ".")
    if importlib.util.find_spec("mypy"):
        succeed(tmp_path, "-m", "mypy")
    printed = succeed(tmp_path, *PYTEST, "-rA", *TOUCHED)
    for test in (
        "test_partials_are_central_differences[Sinh-20]",
        "test_second_derivatives_are_central_differences_of_the_first[Sinh-5]",
        "test_a_replayed_rule_gives_the_same_bits[Sinh]",
        "test_a_partial_that_is_wrong_by_1e_9_is_found[Sinh-0]",
        "test_the_equations_of_a_rule_stand_at_its_returns[Sinh]",
        "test_a_rule_has_one_equation_forward_and_one_for_each_partial[Sinh]",
        "test_what_is_public_has_an_example[simplegrad.sinh]",
    ):
        assert re.search(rf"^PASSED .*::{re.escape(test)}$", printed, re.MULTILINE), test


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "test", "advice"),
    [
        (3, "tests/docs/test_hooks.py", "Write the line `::: simplegrad.sinh`"),
        (4, "tests/tools/test_gradcheck.py", "Add rules.Sinh to ANALYTIC"),
        (
            5,
            "tests/rules/test_rules.py",
            'row of RULES for it in tests/helpers/rules_table.py: "Sinh":',
        ),
    ],
)
def test_a_test_asks_for_a_step_that_was_left_out(step, test, advice, tmp_path):
    with_the_rule(tmp_path, without=step)
    code, printed = run(tmp_path, *PYTEST, "-k", "every or complex_step", test)
    assert code == 1
    assert advice in " ".join(re.sub(r"^E", "", printed, flags=re.MULTILINE).split())
