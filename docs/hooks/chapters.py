"""The course as tutorials/course.txt has it: numbers, times, menu, index, sessions and links.

Nothing else says an order or a number, so a course leaves out a chapter by its line.
"""

import math
import posixpath
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pair
from markdown.extensions.toc import slugify
from mkdocs.exceptions import PluginError

from simplegrad.exercises.references import load
from simplegrad.tools.equations import equations_in

# How long a chapter takes: what each of these takes, in minutes
WORD, LINE_OF_CODE, EQUATION, EXERCISE = 1 / 200, 1 / 30, 1 / 2, 5
NUMBERS = re.compile(r"^\*\*\d\.?\*\*", re.MULTILINE)  # of the exercises in a chapter
NEEDS = re.compile(r"^- \*\*Read before:\*\*.*(?:\n  .*)*", re.MULTILINE)
SESSION = re.compile(
    r"^<!-- session: (\w+) -->\n(.*?)(?=^<!-- (?:session|end))", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"(?<!!)\[([^][]*)\]\(((?:[\w./]*/)?(\w+)\.md)(?:#[\w-]*)?\)")


def number_of(chapter: str) -> int:
    """The number of a chapter: 1 for the first."""
    return list(pair.course()).index(chapter) + 1


def title_of(script: Path) -> str:
    """The title of a chapter, without its number."""
    return re.findall("^# # (.*)$", script.read_text(encoding="utf-8"), re.MULTILINE)[0]


def minutes(script: Path) -> int:
    """How long a chapter takes with its exercises, rounded up to five minutes.

    Counted are the words of the text, the lines of code that are not folded, the displayed equations
    and the exercises.
    """
    cells = pair.notebook_of(script.read_text(encoding="utf-8")).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = "\n".join(
        cell.source for cell in cells if cell.cell_type == "code" and "jupyter" not in cell.metadata
    )
    lines = [line for line in code.splitlines() if line.strip()]
    words = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL).split()
    taken = len(words) * WORD + len(lines) * LINE_OF_CODE
    taken += len(equations_in(text)) * EQUATION + len(NUMBERS.findall(text)) * EXERCISE
    return 5 * math.ceil(taken / 5)


def nav(menu: list[Any]) -> None:
    """Puts the chapters and the exercises below the entry Tutorials of the menu."""
    (entry,) = [one["Tutorials"] for one in menu if "Tutorials" in one]
    exercises = [f"exercises/{script.stem}.md" for script in pair.exercises()]
    entry += [f"tutorials/{chapter}.md" for chapter in pair.course()]
    entry.append({"Exercises": ["exercises/index.md", *exercises]})


def page(markdown: str, script: Path) -> str:
    """The page of a chapter: its title has its number, and its first list the time it takes."""
    title, rest = markdown.split("\n", 1)
    taken = f"- **Time:** {minutes(script)} minutes, with the exercises."
    rest = NEEDS.sub(lambda needs: f"{needs[0]}\n{taken}", rest, count=1)
    return f"# {number_of(script.stem)}. {title.removeprefix('# ')}\n{rest}"


def index(paths: Collection[str]) -> str:
    """All chapters, as Markdown; `paths` are the files of the site."""
    return "\n\n".join(entry(script, paths) for script in pair.scripts())


def entry(script: Path, paths: Collection[str]) -> str:
    """A chapter in the index: a picture, its title and first paragraph, its time and its needs."""
    cells = pair.notebook_of(script.read_text(encoding="utf-8")).cells
    title, about, items = page(cells[0].source, script).split("\n\n")
    said = dict(re.findall(r"^- \*\*([\w ]+):\*\* (.*(?:\n  .*)*)", items, re.MULTILINE))
    parts = [
        f"## [{title.removeprefix('# ')}]({script.stem}.md)",
        about,
        f"**Time:** {said['Time']} **Read before:** {said['Read before']}",
    ]
    name = f"{script.stem}_{{}}_{{}}.svg"
    for number, cell in enumerate(cells):
        if f"tutorials/{name.format(number, 'light')}" in paths:
            images = (
                f"![{cell.metadata.alt}]({name.format(number, scheme)}#only-{scheme}){{ loading=lazy }}"
                for scheme in ("light", "dark")
            )
            parts.insert(0, "\n".join(images))
            break
    text = "\n\n".join(parts).replace(".ipynb)", ".md)")
    return f'<div class="chapter" markdown>\n\n{text}\n\n</div>'


def table_of_exercises() -> str:
    """The exercises, each with its title and its chapter."""
    rows = ["| exercise | what it is about | chapter |", "|---|---|---|"]
    for script, exercises in zip(pair.scripts(), pair.course().values(), strict=True):
        chapter = f"[{title_of(script)}](../tutorials/{script.stem}.md)"
        rows += [
            f"| [`{name}`]({name}.md) | {load(name).TITLE} | {chapter} |" for name in exercises
        ]
    return "\n".join(rows)


def terms() -> str:
    """The terms of the course from A to Z, each with the chapter that defines it."""
    of_chapter, course = pair.listed("terms.txt"), pair.scripts()
    rows = [
        (term.strip("*"), f"[{title_of(script)}]({script.stem}.md)")
        for script in course
        for term in of_chapter.get(script.stem, [])
    ]
    in_order = sorted(rows, key=lambda row: row[0].lower())
    items = "\n".join(f"- {term}: {chapter}" for term, chapter in in_order)
    return f'<div class="terms" markdown>\n\n{items}\n\n</div>'


def sessions(markdown: str) -> str:
    """The text with a heading for each session, in the order of the course, and their table.

    A session is what follows `<!-- session: chapter -->`, up to the next one or `<!-- end -->`. Those
    of chapters that the course leaves out are left out.
    """
    found = dict(SESSION.findall(markdown))
    start, end = markdown.index("<!-- session: "), markdown.index("<!-- end -->")
    rows = ["| | session | minutes to read before | exercises |", "|---|---|---|---|"]
    texts = []
    for script, exercises in zip(pair.scripts(), pair.course().values(), strict=True):
        number, title, chapter = number_of(script.stem), title_of(script), script.stem
        if chapter not in found:
            raise PluginError(f"docs/teaching.py has no session for the chapter {chapter}")
        links = ", ".join(f"[`{name}`](exercises/{name}.md)" for name in exercises)
        anchor = slugify(f"{number}. {title}", "-")
        rows.append(f"| {number} | [{title}](#{anchor}) | {minutes(script)} | {links} |")
        read = f"To be read before: [{title}](tutorials/{chapter}.md)."
        texts.append(f"### {number}. {title}\n\n{read}\n{found[chapter]}")
    text = markdown[:start] + "".join(texts) + markdown[end:]
    return text.replace("<!-- end -->", "").replace("<!-- sessions -->", "\n".join(rows))


def without_links(markdown: str, page: str, paths: Collection[str]) -> str:
    """The Markdown of a page without links to the chapters and exercises that a course leaves out."""

    def kept(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[2]))
        folder = {"tutorials": "", "exercises": "exercises"}.get(posixpath.dirname(target))
        if folder is None or target in paths:
            return link[0]
        there = (pair.TUTORIALS / folder / f"{link[3]}.py").exists()
        return link[1] if there else link[0]

    return LINK.sub(kept, markdown)
