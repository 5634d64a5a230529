"""Notebooks elsewhere: what a reader downloads, and what Colab opens."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from simplegrad.exercises.checker import check_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "hooks"))

pytest.importorskip("jupytext", reason='pip install -e ".[docs]" installs jupytext')

import elsewhere  # noqa: E402, it is beside what builds the site
import pair  # noqa: E402

SOURCES = {
    **{f"tutorials/{script.stem}": script for script in pair.scripts()},
    **{f"exercises/{script.stem}": script for script in pair.exercises()},
}


@pytest.fixture
def repository(monkeypatch):
    """Where the build finds itself on GitHub."""
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)


def cells_of(path, site_url="https://example.org/course/"):
    files = elsewhere.files(path, SOURCES[path].read_text(encoding="utf-8"), site_url)
    return json.loads(files[f"{path}.ipynb"])["cells"]


# The files

every_notebook = pytest.mark.parametrize("path", SOURCES)


@every_notebook
def test_a_notebook_has_one_cell_more_than_its_source_and_the_same_code(path):
    first, *rest = cells_of(path)
    source = json.loads(SOURCES[path].with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    assert first["cell_type"] == "code"
    assert "".join(first["source"]) == elsewhere.first_cell()
    assert first["id"] not in [cell["id"] for cell in rest]
    code = [cell for cell in source if cell["cell_type"] == "code"]
    assert [cell for cell in rest if cell["cell_type"] == "code"] == code


@every_notebook
def test_a_script_is_its_source(path):
    script = SOURCES[path].read_text(encoding="utf-8")
    assert elsewhere.files(path, script, "")[f"{path}.py"] == script


@every_notebook
def test_links_to_other_notebooks_lead_to_their_pages(path):
    text = "".join(line for cell in cells_of(path) for line in cell["source"])
    assert ".ipynb)" not in text
    folder = path.partition("/")[0]
    links = text.split(f"](https://example.org/course/{folder}/")[1:]
    assert {link.partition("/)")[0] for link in links} <= {
        name.partition("/")[2] for name in SOURCES if name.startswith(folder)
    }
    assert links or path not in {"tutorials/adam", "exercises/adamw"}


def linking_to(chapter, site_url=""):
    """The text of a notebook that links to a chapter."""
    script = f"# %% [markdown]\n# Read [this]({chapter}.ipynb) before.\n"
    return elsewhere.notebook("tutorials/own", script, site_url)


@pytest.mark.parametrize("site_url", ["https://example.org/0.1", "https://example.org/0.1/"])
def test_a_link_in_a_notebook_stays_in_its_version(site_url):
    first = next(iter(pair.course()))
    assert f"[this](https://example.org/0.1/tutorials/{first}/)" in linking_to(first, site_url)


def test_without_an_address_of_the_site_they_lead_to_the_notebooks_beside_it():
    first = next(iter(pair.course()))
    assert f"Read [this]({first}.ipynb) before." in linking_to(first)


def test_a_link_to_what_the_course_leaves_out_is_its_text():
    assert "Read this before." in linking_to("left_out")


# The first cell

PIP = """
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
sys.exit("pip: error: no connection" if "OFFLINE" in os.environ else 0)
"""


@pytest.fixture
def run_first_cell(tmp_path):
    """Runs it where nothing is installed but a pip that writes down how it is called."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(PIP)

    def run(*paths, **settings):
        places = os.pathsep.join(map(str, [tmp_path, *paths]))
        calls = tmp_path / "calls"
        env = {**os.environ, **settings, "PYTHONPATH": places, "CALLS": str(calls)}
        command = [sys.executable, "-S", "-c", elsewhere.first_cell()]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
        lines = calls.read_text().splitlines() if calls.exists() else []
        return done, [json.loads(line) for line in lines]

    return run


WANTED = ["install", "--quiet", "simplegrad-edu[demo] @ git+https://github.com/owner/name"]


@pytest.mark.usefixtures("repository")
def test_it_installs_simplegrad_from_its_repository_where_it_is_missing(run_first_cell):
    done, calls = run_first_cell()
    assert calls == [WANTED]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("repository")
def test_a_folder_of_the_name_is_no_package(run_first_cell, tmp_path):
    (tmp_path / "simplegrad").mkdir()  # such as a clone beside the notebook
    assert run_first_cell()[1] == [WANTED]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("place", ["folder", "zip"])
def test_it_does_nothing_where_simplegrad_is(run_first_cell, tmp_path, place):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted((ROOT / "simplegrad").rglob("*.py")):
            archive.write(path, path.relative_to(ROOT))
    done, calls = run_first_cell(ROOT if place == "folder" else tmp_path / "all.zip")
    assert calls == []
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", ["simplegrad.py", "simplegrad/__init__.py"])
def test_another_package_of_this_name_is_named_and_stays(run_first_cell, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit('it is imported')")
    done, calls = run_first_cell()
    assert calls == []
    assert done.stderr.endswith(
        f"ImportError: {tmp_path / name} is another package that is called simplegrad. Say %pip "
        "uninstall -y simplegrad in a cell, restart the kernel, and run this cell again.\n"
    )


@pytest.mark.usefixtures("repository")
def test_what_pip_cannot_install_is_an_error(run_first_cell):
    done, _ = run_first_cell(OFFLINE="1")
    assert done.returncode == 1
    assert "no connection" in done.stderr
    assert "CalledProcessError" in done.stderr


def test_where_the_build_knows_no_repository_it_says_what_to_do(run_first_cell, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert "git+" not in elsewhere.first_cell()
    done, calls = run_first_cell()
    assert calls == []
    assert done.stderr.endswith(
        "ImportError: simplegrad is missing. Clone its repository, say python -m pip install -e "
        "'.[demo]' in the folder of the clone, restart the kernel, and run this cell again.\n"
    )
    assert run_first_cell(ROOT)[0].stderr == ""


SOLVED = """# %%
import numpy as np

def forward(a):
    return np.tanh(a)

def da(dc, c, a):
    return dc * (1 - c**2)
"""


@pytest.mark.usefixtures("repository")
def test_the_check_of_an_exercise_reads_it(tmp_path):
    files = elsewhere.files("exercises/tanh", SOLVED, "")
    notebook = tmp_path / "tanh.ipynb"
    notebook.write_text(files["exercises/tanh.ipynb"], encoding="utf-8")
    report = check_file("tanh", notebook).report
    assert {*report.statuses.values()} == {"right"}
    assert report.remarks == []


# The links


def test_without_a_repository_a_page_links_to_its_two_files(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    line = "[Script](adam.py){ download } · [Notebook](adam.ipynb){ download }"
    assert elsewhere.links("exercises/adam") == f"{line}\n{{ .downloads }}"


@pytest.mark.usefixtures("repository")
def test_colab_opens_the_notebook_that_has_the_first_cell():
    place = f"owner/name/blob/{elsewhere.BRANCH}/exercises/adam.ipynb"
    link = f" · [Open in Colab](https://colab.research.google.com/github/{place})\n"
    assert link in elsewhere.links("exercises/adam")


@pytest.mark.usefixtures("repository")
def test_colab_is_not_offered_what_it_does_not_reach(monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.edu")
    assert "Colab" not in elsewhere.links("exercises/adam")
    assert "git+https://git.example.edu/owner/name" in elsewhere.first_cell()


# The clone


@pytest.mark.usefixtures("repository")
def test_a_known_repository_can_be_cloned():
    assert "\ngit clone https://github.com/owner/name\ncd name\n" in elsewhere.clone()


def test_where_the_build_knows_no_repository_nothing_is_said_of_cloning_it(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert elsewhere.clone() == ""


# The branch

ON_BRANCH = {"tutorials/adam.ipynb": "{}", "exercises/a b.ipynb": "[]"}


needs_git = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("git"), reason="needs bash and git"
)


def git(at, *command):
    command = ["git", "-C", at, "-c", "user.name=a", "-c", "user.email=a@b", *command]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path):
    """A clone with scripts of .ci, whose origin is the folder beside it."""
    clone = tmp_path / "clone"
    (clone / ".ci").mkdir(parents=True)
    for name in "branch", "versions":
        shutil.copy(ROOT / ".ci" / name, clone / ".ci")
    (clone / ".gitignore").write_text("site/\npages/\n*.ipynb\n")
    git(clone, "init")
    git(clone, "init", "--bare", tmp_path / "origin.git")
    git(clone, "remote", "add", "origin", tmp_path / "origin.git")
    git(clone, "add", ".")
    git(clone, "commit", "-m", "Source")
    return clone


@needs_git
def test_the_branch_has_the_notebooks_of_the_site_in_one_commit(clone):
    origin = clone.with_name("origin.git")
    for name in ON_BRANCH | {"index.html": "", "tutorials/adam.py": "", "old.ipynb": ""}:
        (clone / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / "site" / name).write_text(ON_BRANCH.get(name, ""))
    for _ in range(2):  # the second time without what was there before
        command = ["bash", clone / ".ci" / "branch", elsewhere.BRANCH, "site", "*.ipynb"]
        subprocess.run(command, check=True, capture_output=True)
        (clone / "site" / "old.ipynb").unlink(missing_ok=True)
    names = git(origin, "ls-tree", "-r", "-z", "--name-only", elsewhere.BRANCH)
    assert sorted(names.split("\0")[:-1]) == sorted(ON_BRANCH)
    for name, content in ON_BRANCH.items():
        assert git(origin, "show", f"{elsewhere.BRANCH}:{name}") == content
    assert git(origin, "rev-list", "--count", elsewhere.BRANCH) == "1\n"
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
@needs_git
def test_versions_of_the_site_stand_beside_each_other(clone):
    pytest.importorskip("mike", reason='mike is missing: pip install -e ".[docs]"')
    (clone / "docs").mkdir()
    (clone / "mkdocs.yml").write_text("site_name: name\ntheme: mkdocs\n")

    def publish(ref):
        (clone / "docs" / "index.md").write_text(f"# This is {ref}\n")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for command in ["versions", ref], ["branch", "gh-pages", "pages"]:
            script = ["bash", clone / ".ci" / command[0], *command[1:]]
            env = {**os.environ, "PATH": path}
            subprocess.run(script, check=True, capture_output=True, env=env)
        git(clone, "branch", "-D", "gh-pages")  # the next one starts from what origin has

    def shown(folder):
        return re.findall("This is ([^<]*)</h1>", (clone / "pages" / folder).read_text())

    publish("main")
    assert 'url=dev/"' in (clone / "pages" / "index.html").read_text()
    for ref in "v1.1.0", "v1.2.0", "main", "v1.2.1":
        publish(ref)
    versions = json.loads((clone / "pages" / "versions.json").read_text())
    assert [(one["version"], one["aliases"]) for one in versions] == [
        ("dev", []),
        ("1.2", ["latest"]),
        ("1.1", []),
    ]
    for ref, *folders in ("main", "dev"), ("v1.1.0", "1.1"), ("v1.2.1", "1.2", "latest"):
        assert [shown(f"{folder}/index.html") for folder in folders] == [[ref]] * len(folders)
    assert 'url=latest/"' in (clone / "pages" / "index.html").read_text()
