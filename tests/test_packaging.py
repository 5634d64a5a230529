"""The package from outside: what importing it costs, and that its documents say what is so."""

import ast
import inspect
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
import types
import zipfile
from pathlib import Path

import pytest

import simplegrad as sg
from simplegrad import nn, optimizers, rules
from simplegrad.rules.shapes import EachInput

PACKAGE = Path(sg.__file__).parent
HERE = Path(__file__)
ROOT = HERE.parent.parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# The import


def test_importing_simplegrad_imports_numpy_and_little_else():
    code = (
        "import json, sys, numpy; before = set(sys.modules); import simplegrad; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    python = [sys.executable, "-c", code]
    output = subprocess.run(python, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    packages = {name.partition(".")[0] for name in json.loads(output)}
    light = {"__future__", "contextlib", "functools", "itertools", "math", "operator", "os"}
    light |= {"threading", "typing", "collections"}
    # inspect and what it imports, which newer versions of NumPy have imported already
    light |= {"inspect", "dis", "opcode", "importlib", "linecache", "token", "tokenize"}
    assert {p for p in packages if not p.startswith("_")} <= {"simplegrad", "numpy"} | light


def test_the_demo_and_the_data_sets_come_from_a_zip_as_well(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (path for path in PACKAGE.rglob("*") if path.is_file()):
            archive.write(path, Path("simplegrad") / path.relative_to(PACKAGE))
    code = (
        "import simplegrad as sg; from simplegrad.__main__ import main; "
        "assert 'all.zip' in sg.__file__; assert len(sg.datasets.load_names()) == 5163; "
        "main(['--epochs', '1'])"
    )
    outputs = []
    for path in (tmp_path / "all.zip", PACKAGE.parent):
        command = [sys.executable, "-c", code.replace("all.zip", path.name)]
        settings = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(path)}}
        outputs.append(subprocess.run(command, check=True, capture_output=True, **settings))
    assert outputs[0].stdout == outputs[1].stdout
    assert b"m_t = beta_1 * m" in outputs[0].stdout  # the source is read there, too


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_source_unpickles_or_touches_the_recursion_limit(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert "pickle" not in [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module != "pickle"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"
        elif isinstance(node, ast.Attribute | ast.Name):
            assert "setrecursionlimit" not in ast.unparse(node)


# The README

BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXCERPTS = {"class Mul:": "rules/arithmetic.py", "m_t =": "optimizers/adam.py"}
EXAMPLES = ["import simplegrad as sg", "opt = optim.Adam(", "from simplegrad import fast"]


def block_that_starts(start):
    (block,) = [block for block in BLOCKS if block.startswith(start)]
    return block


def test_every_python_block_of_the_readme_is_tested_here():
    tested = [block_that_starts(start) for start in [*EXCERPTS, *EXAMPLES]]
    assert sorted(tested) == sorted(BLOCKS)


@pytest.mark.parametrize("start", EXCERPTS)
def test_the_excerpts_of_the_readme_are_in_the_source(start):
    source = (PACKAGE / EXCERPTS[start]).read_text(encoding="utf-8")
    indented = [textwrap.indent(block_that_starts(start), " " * n) for n in (0, 4, 8)]
    assert any(f"\n{block}" in source for block in indented)


def test_the_examples_of_the_readme_run(capsys):
    complete, groups, fast = (block_that_starts(start) for start in EXAMPLES)
    names = {}
    exec(complete, names)
    percent, rest = capsys.readouterr().out.split("%")
    assert int(percent) >= 90
    assert rest == " of the test digits are read correctly\n"

    exec(fast, names)
    assert names["loss"].item() < 0.1
    assert "np.matmul(" in names["train_step"].listing()

    names["model"] = types.SimpleNamespace(encoder=nn.Linear(3, 2), decoder=nn.Linear(2, 3))
    exec(groups, names)
    assert [group["lr"] for group in names["opt"].param_groups] == [1e-3, 1e-4]
    assert [group["beta_1"] for group in names["opt"].param_groups] == [0.9, 0.8]


def test_the_readme_has_the_two_commands():
    lines = README.splitlines()
    assert 'python -m pip install -e ".[demo]" && python -m simplegrad' in lines
    assert 'python -m pip install -e ".[test]" && python -m pytest -n auto --dist loadfile' in lines
    assert (PACKAGE / "__main__.py").is_file()


# On the index of packages, the name of the import belongs to another project.

FOLDERS = ["simplegrad", "tests", "docs", "tutorials"]
FOLDERS += [".ci", ".devcontainer", ".github", ".vscode"]
INSTALLER = r"(pip|conda|mamba|micromamba|micropip|piplite|uv|pipx|poetry|pdm|pixi|rye|hatch)[\d.]*"
VERB = r"(install|download|wheel|add|run|upgrade|update|inject|i)"
BETWEEN = r"""[\s"'(),.\[]+"""
FETCHED = re.compile(
    rf"\b({INSTALLER}{BETWEEN}(-\S*{BETWEEN}|pip{BETWEEN}|tool{BETWEEN})*{VERB}|easy_install|uvx)\b"
    r"[^\n;&|`]*?(?<![\w./\\-])(?<!-m )simplegrad(?![\w/-]|\.\w|(\[[^\]]*\])?\s*@)"
    r"|dependencies\s*=\s*\[[^\]]*\bsimplegrad\b",
    re.IGNORECASE,
)


def fetched_by_name(text):
    """What in a text would fetch the package of this name from an index."""
    text = text.replace("\\\n", " ").replace("\\n", "\n").replace('\\"', '"')
    text = re.sub(r"""["']\s*\n\s*[fr]*["']""", "", text)  # a string goes on in the next line
    return [found[0] for found in FETCHED.finditer(text)]


@pytest.mark.parametrize(
    "text",
    [
        "pip install simplegrad",
        "Write pip3 install -U 'simplegrad'.",
        'python3.12 -m pip install --upgrade --quiet "simplegrad[demo,docs]>=0.1" numpy',
        "%pip install numpy simplegrad==0.1.0",
        '"!pip -q install simplegrad\\n",',
        "python -m pip download simplegrad",
        "uv add simplegrad",
        "uv pip install simplegrad",
        "uv tool install simplegrad",
        "uv run --with simplegrad python",
        "uvx simplegrad",
        "pipx run simplegrad",
        "conda install -c conda-forge simplegrad",
        "poetry add simplegrad[demo]",
        'await micropip.install("simplegrad")',
        "await micropip.install(['numpy', 'simplegrad'])",
        'subprocess.run([sys.executable, "-m", "pip", "install", "simplegrad"])',
        '"Write python -m pip install "\n            f"-U simplegrad."',
        "pip install \\\n    simplegrad",
        '# dependencies = ["numpy", "simplegrad"]',
        "PIP INSTALL SimpleGrad",
    ],
)
def test_what_would_fetch_the_package_by_name_is_found_in_any_spelling(text):
    assert len(fetched_by_name(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        'python -m pip install -e ".[demo]" && python -m simplegrad',
        "uv run python -m simplegrad",
        "pip install ./simplegrad simplegrad/",
        "pip install simplegrad-0.1.0-py3-none-any.whl",
        "pip install git+https://example.org/simplegrad",
        'pip install "simplegrad @ git+https://example.org/simplegrad"',
        '%pip install "simplegrad[demo, docs] @ git+https://example.org/simplegrad"',
        "pip uninstall -y simplegrad",
        "You need Python with pip, and this folder. This installs simplegrad.",
        "pip install numpy\nimport simplegrad",
    ],
)
def test_the_commands_of_a_clone_fetch_nothing_by_name(text):
    assert not fetched_by_name(text)


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_no_text_of_the_repository_advises_to_fetch_it_by_name(folder):
    paths = ROOT.glob("*") if folder == "." else (ROOT / folder).rglob("*")
    others = {HERE, ROOT / ".coverage"}  # the second is what a run with --cov leaves, no text
    for path in paths:
        is_text = path.suffix not in {".pyc", ".npz", ".png", ".whl"} and path not in others
        if path.is_file() and is_text:
            assert not fetched_by_name(path.read_text(encoding="utf-8")), path


# A container for VS Code and Codespaces

CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def test_the_container_installs_extras_that_there_are_and_opens_a_file_that_there_is():
    extras = re.fullmatch(
        r"python -m pip install -e '\.\[([\w,]+)\]'", CONTAINER["postCreateCommand"]
    )[1].split(",")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (table,) = re.findall(
        r"^\[project\.optional-dependencies\]\n(.*?)\n\n", project, re.DOTALL | re.MULTILINE
    )
    assert {"tutorials", "demo"} == {*extras} <= {*re.findall(r"^(\w+) = ", table, re.MULTILINE)}
    for name in CONTAINER["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).is_file()


def test_the_container_has_a_python_that_simplegrad_supports_and_its_debugger():
    version = re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:([\d.]+)", CONTAINER["image"])
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"Programming Language :: Python :: {version[1]}"' in project
    extensions = CONTAINER["customizations"]["vscode"]["extensions"]
    assert {"ms-python.python", "ms-python.debugpy", "ms-toolsai.jupyter"} == {*extensions}


def test_the_names_and_files_in_the_readme_exist():
    for name in re.findall(r"`sg\.(\w+)`", README):
        assert hasattr(sg, name), f"sg.{name}"
    for path in re.findall(r"`([\w./]+(?:/|\.py|\.md|\.json))`", README):
        assert (ROOT / path).exists() or (PACKAGE / path).exists(), path


def test_the_changelog_starts_with_this_version():
    assert re.findall(r"^## \[([^]]+)\]", CHANGELOG, re.MULTILINE)[0] == sg.__version__


# A release


def notes_of(tag, folder, changelog):
    """The process that looks for the notes of a tag in a folder with this changelog."""
    (folder / ".ci").mkdir()
    (folder / "simplegrad").mkdir()
    shutil.copy(ROOT / ".ci" / "notes", folder / ".ci")
    (folder / "simplegrad" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    command = ["bash", folder / ".ci" / "notes", tag]
    return subprocess.run(command, capture_output=True, text=True)


needs_bash = pytest.mark.skipif(os.name == "nt", reason="bash of Windows knows other paths")


@needs_bash
def test_the_notes_of_a_release_are_its_part_of_the_changelog(tmp_path):
    text = "# Changelog\n\n## [1.2.0] - 2026-11-27\n\n- New\n\n## [1.1.0] - 2026-01-02\n\n- Old\n"
    process = notes_of("v1.2.0", tmp_path, text)
    assert (process.returncode, process.stdout) == (0, "\n- New\n\n")


@needs_bash
@pytest.mark.parametrize(
    ("tag", "heading", "message"),
    [
        ("v1.3.0", "[1.2.0] - 2026-11-27", "the tag is v1.3.0, and __version__ in"),
        ("v1.2.0", "[1.2.0] - Unreleased", "CHANGELOG.md starts with '## [1.2.0] - Unreleased'"),
        ("v1.2.0", "[1.1.0] - 2026-01-02", "and a release with '## [1.2.0] - YYYY-MM-DD'"),
        ("v1.2.0", "[1x2.0] - 2026-11-27", "and a release with '## [1.2.0] - YYYY-MM-DD'"),
    ],
)
def test_a_tag_that_does_not_agree_is_no_release(tmp_path, tag, heading, message):
    process = notes_of(tag, tmp_path, f"# Changelog\n\n## {heading}\n\n- New\n")
    assert (process.returncode, process.stdout) == (1, "")
    assert message in process.stderr


def test_the_metadata_has_the_addresses_of_a_known_repository(monkeypatch):
    pytest.importorskip("hatchling", reason='hatchling is missing: pip install -e ".[dev]"')
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["Addresses"]
    found = []
    for repository in "", "owner/name":
        monkeypatch.setenv("GITHUB_REPOSITORY", repository)
        metadata = {}
        hook(str(ROOT), {}).update(metadata)
        found.append(metadata["urls"])
    assert found[0] == {}
    assert found[1]["Source"] == "https://github.com/owner/name"


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_of_a_workflow_is_one_commit_and_says_its_version(path):
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action)


def test_an_action_is_the_same_commit_in_all_workflows():
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = {*re.findall(r"uses: (\S+)@(.*)", text)}
    assert len(pins) == len({name for name, _ in pins})


def test_the_citation_has_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {sg.__version__}\n" in citation


# Docstrings

NEED_NO_EXAMPLE = {
    "forward": "the docstring of the module is about it",
    "update": "the docstring of the optimizer has its equations",
    "check_group": "the errors of the optimizer are listed in its docstring",
    "extra_repr": "it is part of the repr, which has an example",
}


def documented():
    """(name, object) of the public functions, classes and methods."""
    for module in sg, nn, optimizers:
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, str | types.ModuleType):
                continue
            yield f"{module.__name__}.{name}", thing
            for method_name, method in vars(thing).items() if inspect.isclass(thing) else ():
                if inspect.isfunction(method) and not method_name.startswith("_"):
                    yield f"{module.__name__}.{name}.{method_name}", method


DOCUMENTED = dict(documented())


@pytest.mark.parametrize("module", [sg, nn, optimizers, sg.datasets, rules])
def test_all_names_exist_and_are_documented(module):
    assert inspect.getdoc(module)
    for name in module.__all__:
        thing = getattr(module, name)
        assert isinstance(thing, str) or thing.__doc__, name


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_is_public_has_an_example(name):
    if name.rpartition(".")[2] not in NEED_NO_EXAMPLE:
        assert ">>> " in (DOCUMENTED[name].__doc__ or "")


@pytest.mark.parametrize("name", rules.__all__)
def test_a_rule_has_one_equation_forward_and_one_for_each_partial(name):
    rule = getattr(rules, name)
    many = isinstance(rule.partials, EachInput)
    partials = [rule.partials.partial] if many else rule.partials
    equations = re.findall(r"\$\$(.*?)\$\$", rule.__doc__, re.DOTALL)
    left_sides = [equation.partition("=")[0].strip() for equation in equations]
    assert [re.sub(r"_\w$", "", left) for left in left_sides] == [
        "c",
        *(partial.__name__ for partial in partials),
    ]


@pytest.mark.parametrize("name", rules.__all__)
def test_the_arguments_of_a_partial_are_dc_and_c_and_those_of_forward(name):
    rule = getattr(rules, name)
    many = isinstance(rule.partials, EachInput)
    inputs = [*inspect.signature(rule.forward).parameters]
    for partial in [rule.partials.partial] if many else rule.partials:
        assert [*inspect.signature(partial).parameters] == ["dc", "c", *inputs, *["i"] * many]
