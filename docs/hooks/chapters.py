"""The index of the tutorials: of each chapter its first picture, and what its first cell says."""

import re
from collections.abc import Collection
from pathlib import Path

import pair


def markdown(paths: Collection[str]) -> str:
    """All chapters, as Markdown; `paths` are the files of the site."""
    return "\n\n".join(chapter(script, paths) for script in pair.scripts())


def chapter(script: Path, paths: Collection[str]) -> str:
    """A chapter: a picture, its title and first paragraph, the time it takes, and what it needs."""
    cells = pair.notebook_of(script.read_text(encoding="utf-8")).cells
    title, about, items = cells[0].source.split("\n\n")
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
