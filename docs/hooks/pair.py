"""The pair of a tutorial: name.py, the source, and name.ipynb, the same cells for Jupyter.

`python docs/hooks/pair.py` writes every notebook anew from its script, and the script with what
stands on its %% lines in one order. Whoever edited a notebook in Jupyter goes the other way with
`python docs/hooks/pair.py tutorials/name.ipynb`.
"""

import copy
import hashlib
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import jupytext
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "tutorials"
PERCENT = {
    "extension": ".py",
    "format_name": "percent",
    "notebook_metadata_filter": "-all",  # the script has no header
    "cell_metadata_filter": "alt,jupyter,tags,-all",
}
HINT = re.compile(  # of an exercise: its title and its text
    r"<details><summary>(.*?)</summary>\n\n(.*?)\n\n</details>", re.DOTALL
)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def listed(file: str) -> dict[str, list[str]]:
    """{chapter: what a file of tutorials/ lists for it}, from lines `chapter: one, another`."""
    lines = (TUTORIALS / file).read_text(encoding="utf-8").splitlines()
    rows = [line.split(":") for line in lines if line and not line.startswith("#")]
    return {chapter: re.findall(r"[^\s,][^,]*", things) for chapter, things in rows}


def course() -> dict[str, list[str]]:
    """{chapter: its exercises} in the order of the course."""
    return listed("course.txt")


def scripts() -> list[Path]:
    """The sources of the chapters, in their order."""
    return [TUTORIALS / f"{chapter}.py" for chapter in course()]


def exercises() -> list[Path]:
    """The sources of the exercises, in the order of their chapters."""
    names = [name for exercises in course().values() for name in exercises]
    return [TUTORIALS / "exercises" / f"{name}.py" for name in names]


def notebook_of(script: str) -> NotebookNode:
    """The cells of a script as a notebook without outputs, always with the same cell ids."""
    return copy.deepcopy(_read(script))  # whoever asked may change its own


@cache
def _read(script: str) -> NotebookNode:
    notebook = jupytext.reads(script, fmt=PERCENT)
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] += 1
        cell.id = f"{digest}-{seen[digest]}"
    return notebook


def script_of(notebook: NotebookNode) -> str:
    """The cells of a notebook as a script."""
    return jupytext.writes(notebook, fmt=PERCENT)


def written(notebook: NotebookNode) -> str:
    """The text of the .ipynb file."""
    return jupytext.writes(notebook, fmt="ipynb")


def main(paths: list[Path]) -> None:
    """Writes both files of each pair anew from the one that is named."""
    for path in paths:
        cells = jupytext.read(path, fmt=None if path.suffix == ".ipynb" else PERCENT)
        notebook = written(notebook_of(script_of(cells)))
        script = script_of(jupytext.reads(notebook, fmt="ipynb"))
        path.with_suffix(".py").write_text(script, encoding="utf-8")
        path.with_suffix(".ipynb").write_text(notebook, encoding="utf-8")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [*scripts(), *exercises()])
