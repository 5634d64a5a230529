"""Notebooks elsewhere: what a page offers to download, and what Colab opens.

A notebook that leaves the site has one cell more than its source: the first one installs simplegrad
where it is missing. A script is its source, byte for byte.
"""

import os
import re

import nbformat
import pair

GITHUB = "https://github.com"
LINK = re.compile(r"\[([^][]*)\]\((\w+)\.ipynb((?:#[^)]*)?)\)")  # to a notebook beside
BRANCH = "notebooks"  # where the workflow puts those of the site, and Colab looks for them

# Plain Python and no %pip: the check of the exercises reads notebooks, too
FIRST_CELL = """\
# Where simplegrad is missing, as in Colab, this cell {does}. Elsewhere it does nothing.
from importlib.machinery import PathFinder
from importlib.util import find_spec

found = find_spec("simplegrad")
if found is None or found.origin is None:  # a folder that only has this name has no origin
{where_missing}
elif not PathFinder.find_spec("simplegrad.rules", found.submodule_search_locations or []):
    raise ImportError(
        f"{{found.origin}} is another package that is called simplegrad. Say "
        "%pip uninstall -y simplegrad in a cell, restart the kernel, and run this cell again."
    )
"""
INSTALL = """\
    import subprocess
    import sys

    package = "simplegrad-edu[demo] @ git+{repository}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)"""
SAY_SO = """\
    raise ImportError(
        "simplegrad is missing. Clone its repository, say python -m pip install -e '.[demo]' in the "
        "folder of the clone, restart the kernel, and run this cell again."
    )"""


def repository() -> str:
    """The address of the repository, and nothing where the build does not know it."""
    name = os.environ.get("GITHUB_REPOSITORY")  # "owner/name"
    return f"{os.environ.get('GITHUB_SERVER_URL', GITHUB)}/{name}" if name else ""


def clone() -> str:
    """How to get a clone, as Markdown; nothing where the build does not know the repository."""
    address = repository()
    if not address:
        return ""
    name = address.rpartition("/")[2]
    return f"This gets a clone of the repository:\n\n```sh\ngit clone {address}\ncd {name}\n```"


def files(path: str, script: str, site_url: str | None) -> dict[str, str]:
    """{path in the site: text} of the script and the notebook of the page at a path."""
    return {f"{path}.py": script, f"{path}.ipynb": notebook(path, script, site_url)}


def notebook(path: str, script: str, site_url: str | None) -> str:
    """The notebook of a script, to be run anywhere.

    Its links to notebooks beside it lead to their pages, which are there wherever it is opened. Where
    the build does not know the site's address, they stay. One to what the course leaves out is its text.
    """
    made = pair.notebook_of(script)
    folder = os.path.dirname(path)
    beside = pair.exercises() if folder == "exercises" else pair.scripts()
    kept = {one.stem for one in beside}
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(
                lambda link: link[0] if link[2] in kept else link[1], cell.source
            )
            if site_url:  # to which mike has added a version, without a slash
                page = rf"[\1]({site_url.rstrip('/')}/{folder}/\2/\3)"
                cell.source = LINK.sub(page, cell.source)
    made.cells.insert(0, nbformat.v4.new_code_cell(first_cell(), id="first"))
    return pair.written(made)


def first_cell() -> str:
    """The cell that installs simplegrad, or says how, where the repository is not known."""
    address = repository()
    if address:
        return FIRST_CELL.format(
            does="installs it", where_missing=INSTALL.format(repository=address)
        )
    return FIRST_CELL.format(does="says so", where_missing=SAY_SO)


def links(path: str) -> str:
    """A line of links to the files of the page at a path."""
    name = path.rpartition("/")[2]
    shown = [f"[Script]({name}.py){{ download }}", f"[Notebook]({name}.ipynb){{ download }}"]
    if repository().startswith(f"{GITHUB}/"):  # Colab knows no other server
        place = repository().removeprefix(GITHUB) + f"/blob/{BRANCH}/{path}.ipynb"
        shown.append(f"[Open in Colab](https://colab.research.google.com/github{place})")
    return f"{' · '.join(shown)}\n{{ .downloads }}"
