"""Scripts of cells as pages: run as a notebook, and written as Markdown with their outputs.

Exercises are not run, which is left to the reader. What came out of the others is kept in .cache/, and a script runs again when it, the library, or what runs it has
changed.
"""

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import typeset
from markdown.extensions.toc import slugify
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from pair import HINT, ROOT, notebook_of

from simplegrad.tools import storyboard

HOOKS = Path(__file__).resolve().parent
CACHE = ROOT / ".cache" / "pages"
SOURCES = {".py", ".npz", ".txt"}
RUNNERS = [HOOKS / name for name in ("matplotlibrc", "notebook_pages.py", "pair.py")]
LIMIT = 600  # seconds for one cell: longer, and it hangs
ERROR_WANTED = "raises-exception"  # the tag of a cell that shows an error
NOT_IN_THE_PAGE = "not-in-the-page"  # that of a cell that needs processes, minutes or files
CHECK = "check"  # that of the cell that checks an exercise
KINDS = {ERROR_WANTED, NOT_IN_THE_PAGE, CHECK}

HERE = (  # under the title of an exercise
    "Press *Edit*, put your code in place of the dots, and press *Check*. Nothing leaves your browser: "
    "it runs your code, checks it and keeps it. You can work on your machine as well, with the script "
    "or the notebook."
)

# Pictures are SVG, with letters drawn as curves: no font is needed to see them as they are
FIRST_CELL = """\
%config InlineBackend.figure_formats = ["svg"]
%config InlineBackend.rc = {}
get_ipython().display_formatter.formatters["application/json"].for_type_by_name(
    "simplegrad.tools.step_through", "Steps", lambda steps: steps.storyboard
)
"""
ERRORS = "<!-- errors -->"  # stands where a page wants a table of the errors that it shows
ANSI = re.compile(r"\x1b\[[0-9;]*m")  # colours of a terminal
INK = {"#1f2328": "#dde1e6", "#d0d7de": "#4a515b"}  # of docs/hooks/matplotlibrc: light, dark


class PageError(Exception):
    """A script that cannot become a page; the message starts with file:line."""


@dataclass
class Page:
    """A page's Markdown, and the pictures it shows by their names."""

    markdown: str
    pictures: dict[str, bytes] = field(default_factory=dict)


def page_of(script: Path) -> Page:
    """Runs a script, unless it was run before, and writes its page."""
    return page_with(executed(script), script)


def exercise_page(script: Path) -> Page:
    """The page of an exercise, whose hints are folds that come one after the other."""
    page = page_with(notebook_of(script.read_text(encoding="utf-8")), script)
    title, rest = page.markdown.split("\n", 1)
    rest = HINT.sub(lambda hint: folded(hint[1], hint[2], "fold hint"), rest)
    return Page(f"{title}\n\n{HERE}\n{rest}")


def page_with(notebook: NotebookNode, script: Path) -> Page:
    """The cells of a script as a page, with the outputs that they have."""
    parts, pictures = [], {}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        alt, hidden = cell.metadata.get("alt"), cell.metadata.get("jupyter", {})
        block = []
        source = fenced(cell.source, "{.python .cell-in}")
        output = []
        for one in joined(cell.outputs):
            markdown, files = shown(one, cell, f"{script.stem}_{number}", script)
            output.append(markdown)
            pictures |= files
        if hidden.get("outputs_hidden"):
            block.append(folded("A solution", "\n\n".join([source, *output])))
        elif hidden.get("source_hidden"):
            block += [*output, folded("The code of this picture" if alt else "The code", source)]
        else:
            block += [source, *output]
        parts.append(one_cell("\n\n".join(block), cell.metadata.get("tags", [])))
    markdown = "\n\n".join(parts) + "\n"
    return Page(markdown.replace(ERRORS, table_of_errors(notebook)), pictures)


def executed(script: Path) -> NotebookNode:
    """The notebook of a script with its outputs."""
    library = (path for path in (ROOT / "simplegrad").rglob("*") if path.suffix in SOURCES)
    key = hashlib.sha256()
    for path in (script, *sorted(library), *RUNNERS):
        key.update(path.read_bytes())
    kept = CACHE / f"{script.stem}-{key.hexdigest()[:16]}.ipynb"
    if not kept.exists():
        notebook = run(script)
        CACHE.mkdir(parents=True, exist_ok=True)
        for old in CACHE.glob(f"{script.stem}-*"):
            old.unlink()
        nbformat.write(notebook, kept)
    return nbformat.read(kept, as_version=4)


def run(script: Path) -> NotebookNode:
    """Runs the cells of a script in a kernel of their own."""
    notebook = notebook_of(script.read_text(encoding="utf-8"))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FIRST_CELL))
    client = NotebookClient(
        notebook,
        timeout=LIMIT,
        startup_timeout=LIMIT,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": ROOT}},
    )
    # One thread for matrix products: more of them can give other last digits
    settings = {"MATPLOTLIBRC": str(HOOKS / "matplotlibrc"), "OPENBLAS_NUM_THREADS": "1"}
    try:
        client.execute(env={**os.environ, **settings})
    except CellExecutionError as error:
        cell = next(c for c in notebook.cells if any(o.output_type == "error" for o in outputs(c)))
        message = ANSI.sub("", str(error))
        raise PageError(f"{place_of(cell, script)}: this cell fails\n{message}") from None
    for cell in notebook.cells:
        for output in outputs(cell):
            if output.get("name") == "stderr":
                raise PageError(f"{place_of(cell, script)}: this cell warns\n{output.text}")
        wanted = ERROR_WANTED in cell.metadata.get("tags", [])
        if wanted and not any(o.output_type == "error" for o in outputs(cell)):
            raise PageError(f"{place_of(cell, script)}: this cell is to show an error and has none")
    del notebook.cells[0]
    return notebook


def outputs(cell: NotebookNode) -> list[NotebookNode]:
    """What a cell put out; nothing for a cell of text."""
    return cell.get("outputs", [])


def joined(cell_outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs with what was printed in one piece: a kernel sends it as it comes."""
    result: list[NotebookNode] = []
    for output in cell_outputs:
        if result and output.output_type == result[-1].output_type == "stream":
            result[-1] = NotebookNode(result[-1], text=result[-1].text + output.text)
        else:
            result.append(output)
    return result


def place_of(cell: NotebookNode, script: Path) -> str:
    """file:line of a cell."""
    text = script.read_text(encoding="utf-8")
    before = text[: max(text.find(cell.source), 0)]
    return f"{script.relative_to(ROOT)}:{before.count(chr(10)) + 1}"


def shown(
    output: NotebookNode, cell: NotebookNode, name: str, script: Path
) -> tuple[str, dict[str, bytes]]:
    """One output as Markdown, with the files of its picture."""
    if output.output_type == "stream":
        return fenced(output.text, "{.text .cell-out}"), {}
    if output.output_type == "error":
        message = f"{output.ename}: {output.evalue}"
        return fenced(message, "{.text .cell-out .cell-error}"), {}
    if board := output.data.get("application/json"):
        return steps(board, f"{name}.json")
    svg, png = (output.data.get(kind) for kind in ("image/svg+xml", "image/png"))
    if not (svg or png):
        return fenced(output.data["text/plain"], "{.text .cell-out}"), {}
    alt = cell.metadata.get("alt")
    if not alt:
        raise PageError(
            f'{place_of(cell, script)}: a picture needs its text alternative, # %% alt="…"'
        )
    if png:
        return f"![{alt}]({name}.png){{ .cell-out }}", {f"{name}.png": base64.b64decode(png)}
    pictures = {f"{name}_light.svg": svg, f"{name}_dark.svg": darkened(svg)}
    images = [
        f"![{alt}]({name}_{scheme}.svg#only-{scheme}){{ .cell-out loading=lazy {size_of(svg)} }}"
        for scheme in ("light", "dark")
    ]
    return "\n".join(images), {file: text.encode() for file, text in pictures.items()}


def steps(board: dict[str, Any], file: str) -> tuple[str, dict[str, bytes]]:
    """A storyboard that page.js shows, and the lines for those who have no script."""
    for one in board["equations"]:
        one["markup"] = typeset.typeset(one["tex"], display=True)
    still = fenced(storyboard.text_of(board), "{.text .cell-out}")
    box = f'<div class="steps" data-steps="{file}" markdown>\n\n{still}\n\n</div>'
    return box, {file: json.dumps(board, separators=(",", ":")).encode()}


def table_of_errors(notebook: NotebookNode) -> str:
    """Each error of a page: the heading that it stands under, the line, and what it says."""
    rows, heading = ["| mistake | line | what it says |", "|---|---|---|"], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^## (.*)$", cell.source, re.MULTILINE)[-1:]), heading)
        for output in outputs(cell):
            if output.output_type == "error":
                line = re.findall(r"-+> +\d+ (.*)", ANSI.sub("", "\n".join(output.traceback)))[0]
                says = f"{output.ename}: {output.evalue}"
                link = f"[{heading}](#{slugify(heading.replace('`', ''), '-')})"
                rows.append(f"| {link} | <code>{plain(line)}</code> | {plain(says)} |")
    return "\n".join(rows)


def plain(text: str) -> str:
    """Text without anything that Markdown understands, on one line."""
    lines = text.strip().split("\n")
    return "<br>".join(re.sub(r"[^\w\s.,:()]|_", lambda c: f"&#{ord(c[0])};", x) for x in lines)


def size_of(svg: str) -> str:
    """Its width and height in pixels: with them, it has its place before it is loaded."""
    root = svg.partition("<svg")[2].partition(">")[0]
    sizes = re.findall(r'\b(width|height)="([\d.]+)(pt|px)?"', root)
    return " ".join(
        f'{side}="{float(number) * (4 / 3 if unit == "pt" else 1):.0f}"'
        for side, number, unit in sizes
    )


def darkened(svg: str) -> str:
    """The picture for a dark page: its ink is light."""
    for light, dark in INK.items():
        svg = svg.replace(light, dark)
    return svg


def fenced(text: str, attributes: str) -> str:
    """A block of code or of output."""
    text = ANSI.sub("", text).rstrip()
    longest = max((len(ticks) for ticks in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence} {attributes}\n{text}\n{fence}"


def one_cell(markdown: str, tags: list[str]) -> str:
    """A cell with its output, together, as page.js looks for it."""
    kind = " ".join(["cell", *(tag for tag in tags if tag in KINDS)])
    return f'<div class="{kind}" markdown>\n\n{markdown}\n\n</div>'


def folded(summary: str, markdown: str, kind: str = "fold") -> str:
    """A part of the page that opens with a click, and without a script."""
    indented = "\n".join("    " + line if line else "" for line in markdown.split("\n"))
    return f'??? {kind} "{summary}"\n\n{indented}'
