"""The terms of the course: each is defined in one chapter, and no chapter uses it before."""

import functools
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason='pip install -e ".[test]" installs jupytext')

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs" / "hooks"))

import pair

CHAPTERS = {script.stem: script for script in pair.scripts()}
LISTED = pair.listed("terms.txt")
EMPHASIS = LISTED.pop("emphasis")  # what is bold and no term
TERMS = [(term, chapter) for chapter, terms in LISTED.items() for term in terms]
NO_PROSE = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[[^]]*\]\([^)]*\)"  # code, equations, links
BOLD = re.compile(r"(?<!\*)\*\*([a-zA-Z][\w\s'-]*\w)\*\*")


@functools.cache
def prose_of(chapter):
    """The text of a chapter without code, equations, links and what it says of other reading."""
    cells = pair.notebook_of((pair.TUTORIALS / f"{chapter}.py").read_text(encoding="utf-8")).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^- \*\*.*?\*\*", "- ", text, flags=re.MULTILINE)  # what begins an item
    text = re.sub(r"^\|.*\]\(.*$", "", text, flags=re.MULTILINE)  # rows that lead to other chapters
    return re.sub(NO_PROSE, " ", text.partition("## Read on")[0], flags=re.DOTALL)


def bold_in(chapter):
    return [" ".join(term.lower().split()) for term in BOLD.findall(prose_of(chapter))]


def uses(term, chapter):
    words = r"\s+".join(map(re.escape, term.split()))
    return re.findall(rf"(?i)[^.\n]*\b{words}(?:e?s)?\b[^.\n]*", prose_of(chapter))


def test_every_term_belongs_to_one_chapter():
    terms = [term.strip("*").lower() for term, _ in TERMS]
    assert len(terms) == len(set(terms))
    for chapter in LISTED:
        assert (pair.TUTORIALS / f"{chapter}.py").exists(), chapter


def test_what_is_listed_as_emphasis_is_bold_somewhere():
    chapters = [path.stem for path in pair.TUTORIALS.glob("*.py")]  # those left out, too
    bold = {term for chapter in chapters for term in bold_in(chapter)}
    assert [term for term in EMPHASIS if term not in bold] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_is_bold_in_a_chapter_is_a_term_of_it(chapter):
    own = [term.strip("*").lower() for term in LISTED.get(chapter, [])]
    bold = [term for term in bold_in(chapter) if term not in EMPHASIS]
    assert [t for t in bold if t not in own] == [], (
        "tutorials/terms.txt lists the terms of a chapter"
    )
    assert [t for t in own if t not in bold] == [], "a term is bold where it is defined"


@pytest.mark.parametrize(("term", "chapter"), TERMS, ids=lambda value: value)
def test_no_chapter_uses_a_term_before_it_is_defined(term, chapter):
    if chapter not in CHAPTERS or term.endswith("*"):  # left out, or an everyday word, too
        return
    before = list(CHAPTERS)[: list(CHAPTERS).index(chapter)]
    assert {one: found for one in before if (found := uses(term, one))} == {}
