"""The figures of a page: numbered, with captions, and those that move.

What a picture that moves is at each position of its sliders is computed while the site is built.

A script of docs/figures/ makes a Figure: its controls, and a picture whose parts depend on them. The
page holds the picture as it is at first, which is all that is seen without JavaScript. Of the other
positions each part is written as it will stand in the page, an attribute or a text, into a file that
the page fetches when the figure comes near. There figure.js looks it up and sets it.
"""

import html
import itertools
import json
import math
import re
import runpy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mkdocs.utils import get_relative_url
from pair import ROOT
from plot import MARKERS
from run_here import hashed

FOLDER = ROOT / "docs" / "figures"
PLACE = "assets/figures/"  # in the site
PLACEHOLDER = re.compile(r'<div id="figure-(\w+)"></div>')  # what build.py has put into a page
STILL = re.compile(r'<p>((?:<img [^>]*class="(?:cell-out|on-paper)"[^>]*>\s*)+)</p>')
SHARED = "figure.js", "figure.css"  # of all figures
MISSING = (
    "What moves this figure cannot be fetched, so it stands still. Look after your connection, and "
    "reload the page."
)
SAY_SO = "for (const one of document.querySelectorAll('.figure-missing')) one.hidden = false"
BUTTON = '<button type="button" class="figure-button">{}</button>'
BACK, NEXT, PLAY = map(BUTTON.format, ("Back", "Next", "Play"))
WIDE = 716  # pixels: a phone would show a wider picture at less than half its size, so it scrolls


@dataclass
class Control:
    """A slider, or a choice: the values that it goes through, and where it is at first."""

    number: int
    values: Sequence[Any]
    start: int


class Figure:
    """The controls of a figure, its picture as HTML, and the words below it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.controls: list[str] = []  # as HTML
        self.picture = self.caption = ""
        self._parts: list[dict[str, Any]] = []
        self._strings: dict[str, int] = {}  # each once, and its number

    def slider(
        self,
        label: str,
        values: Sequence[Any],
        start: Any,
        text: Callable[[Any], str] = str,
        steps: bool = False,
    ) -> Control:
        """A slider over some values; with `steps`, it has buttons, too, that go through them."""
        control = Control(len(self.controls), values, list(values).index(start))
        said = self.attribute("aria-valuetext", text, control)
        name = f"{self.name}-{control.number}"
        slider = (
            f'<input type="range" id="{name}" min="0" max="{len(values) - 1}" '
            f'value="{control.start}" autocomplete="off" data-control {said}>'
        )
        shown = self.element("output", text, control, attributes=f'for="{name}"')
        if steps:
            slider, shown = shown, f"<span data-player>{BACK}{slider}{NEXT}{PLAY}</span>"
        self.controls.append(f'<label for="{name}">{label}</label>{slider}{shown}')
        return control

    def choice(self, label: str, values: Sequence[Any], start: Any) -> Control:
        """A list to choose from."""
        control = Control(len(self.controls), values, list(values).index(start))
        name = f"{self.name}-{control.number}"
        options = "".join(
            f'<option value="{i}"{" selected" * (i == control.start)}>{value}</option>'
            for i, value in enumerate(values)
        )
        select = f'<select id="{name}" autocomplete="off" data-control>{options}</select>'
        shown = self.element("output", str, control, attributes=f'for="{name}"')
        self.controls.append(f'<label for="{name}">{label}</label>{select}{shown}')
        return control

    def attribute(self, name: str, value: Callable[..., str], *controls: Control) -> str:
        """An attribute of an element: `value` of the values of the controls.

        Of an element, one attribute moves, or its content, in which nothing moves by itself.
        """
        number, start = self._part(name, value, controls)
        return f'data-moves="{number}" {name}="{html.escape(start)}"'

    def element(
        self, tag: str, content: Callable[..., str], *controls: Control, attributes: str = ""
    ) -> str:
        """An element whose content moves, as HTML."""
        number, start = self._part("", content, controls)
        return f'<{tag} data-moves="{number}" {attributes}>{start}</{tag}>'

    def _part(
        self, sets: str, value: Callable[..., str], controls: Sequence[Control]
    ) -> tuple[int, str]:
        """The number of a new part, and what it is at first; it sets an attribute or the content."""
        positions = list(itertools.product(*(control.values for control in controls)))
        lengths = [len(control.values) for control in controls]
        strides = [math.prod(lengths[i + 1 :]) for i in range(len(lengths))]
        start = sum(c.start * stride for c, stride in zip(controls, strides, strict=True))
        strings = [value(*position) for position in positions]
        at = [self._strings.setdefault(string, len(self._strings)) for string in strings]
        by = [[control.number, stride] for control, stride in zip(controls, strides, strict=True)]
        self._parts.append({"sets": sets, "by": by, "at": at})
        return len(self._parts) - 1, strings[start]

    def data(self) -> bytes:
        """The script that gives its own element all parts at all positions."""
        strings = list(self._strings)
        written = json.dumps(
            {"strings": strings, "parts": self._parts}, separators=(",", ":"), ensure_ascii=False
        )
        return f"document.currentScript.data={written}\n".encode()


@cache
def figure(name: str) -> Figure:
    """The figure that docs/figures/NAME.py makes."""
    made: Figure = runpy.run_path(str(FOLDER / f"{name}.py"))["figure"]()
    return made


def names() -> list[str]:
    """The names of all figures."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def files() -> dict[str, bytes]:
    """{path in the site: content} of what the pages with figures need, all computed anew."""
    figure.cache_clear()
    made = {name: (FOLDER / name).read_bytes() for name in SHARED}
    made |= {f"{name}.js": figure(name).data() for name in names()}
    return {PLACE + hashed(name, content): content for name, content in made.items()}


def with_figures(content: str, paths: Collection[str], url: str) -> str:
    """The content of a page at a URL, with its figures in their places, numbered."""
    numbers = itertools.count(1)
    first = PLACEHOLDER.search(content)

    def numbered(found: re.Match[str]) -> str:
        name, pictures = found.groups()
        number = next(numbers)
        if pictures:
            return still(pictures, number)
        return markup(name, number, found.start() == first.start(), paths, url)

    return re.sub(f"{PLACEHOLDER.pattern}|{STILL.pattern}", numbered, content)


def still(pictures: str, number: int) -> str:
    """A picture that stands still; the first sentence of its text alternative is its caption."""
    anchor = f"figure-{number}"
    words = re.findall(r'\balt="([^"]*?[.](?=[ "])|[^"]*)', pictures)[0]
    # A screen reader has said it with the picture
    caption = caption_of(anchor, number, f'<span aria-hidden="true">{words}</span>')
    if max(map(int, re.findall(r'\bwidth="(\d+)"', pictures)), default=0) > WIDE:
        pictures = scrolling(pictures, "picture")
    return (
        f'<figure class="still" id="{anchor}" aria-label="Figure {number}">{pictures}{caption}'
        "</figure>"
    )


def scrolling(content: str, label: str) -> str:
    """What scrolls in its place where it is wider than the screen, also by keyboard."""
    return f'<div class="wide" tabindex="0" role="group" aria-label="{label}">{content}</div>'


def caption_of(anchor: str, number: int, words: str) -> str:
    """The number of a figure, what is said of it, and a link to it."""
    link = f'<a class="headerlink" href="#{anchor}" title="Permanent link">&para;</a>'
    return f"<figcaption><strong>Figure {number}.</strong> {words}{link}</figcaption>"


def markup(name: str, number: int, first: bool, paths: Collection[str], url: str) -> str:
    """A figure that moves, the `number`-th of the page at `url`, as HTML; the first brings the style."""

    def address(file: str) -> str:
        stem, dot, suffix = file.rpartition(".")
        start, end = f"{PLACE}{stem}-", dot + suffix
        return get_relative_url(
            next(path for path in paths if path.startswith(start) and path.endswith(end)), url
        )

    made, anchor = figure(name), f"figure-{name}"
    controls = "".join(f'<div class="figure-control">{one}</div>' for one in made.controls)
    parts = [
        f'<link rel="stylesheet" href="{address("figure.css")}">{MARKERS}' * first,
        f'<figure class="figure" id="{anchor}" aria-label="Figure {number}" '
        f'data-src="{address(f"{name}.js")}">',
        '<div class="figure-controls" role="group" aria-label="controls" data-search-exclude>'
        f"{controls}</div>",
        '<p class="figure-note run-no-script" data-search-exclude>This figure moves: allow '
        "the page JavaScript.</p>",
        f'<p class="figure-note figure-missing" role="status" hidden data-search-exclude>{MISSING}</p>',
        f'<div class="figure-picture" data-search-exclude>{made.picture}</div>',
        f"{caption_of(anchor, number, made.caption)}</figure>",
        f'<script src="{address("figure.js")}" defer onerror="{SAY_SO}"></script>' * first,
    ]
    return "".join(parts)
