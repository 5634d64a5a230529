"""Whatever is cited is in docs/references.bib, and the other way round."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "hooks"))

for package in "pybtex", "jupytext":
    pytest.importorskip(package, reason=f'{package} is missing: pip install -e ".[docs]"')

import bibliography  # noqa: E402, it is beside what builds the site

ENTRIES = bibliography.literature().entries
PLACES = ["README.md", "docs/*.md", "docs/*.py", "docs/*/*.md", "tutorials/**/*.py"]
PLACES += ["simplegrad/**/*.py", "simplegrad/**/*.md"]
TITLE = re.compile(r',\s+["*]([^"*]+)["*]')


def citations():
    """(where, the citation as a match, the text after it) of all that is written."""
    for place in PLACES:
        for path in sorted(ROOT.glob(place)):
            text = re.sub(r"^[ \t]*#? ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            for found in bibliography.CITATION.finditer(text):
                yield path.relative_to(ROOT), found, text[found.end() :]


CITATIONS = [*citations()]


def test_each_citation_has_an_entry():
    unknown = [
        f"{path}: {found[0]}" for path, found, _ in CITATIONS if not bibliography.cited(found)
    ]
    assert not unknown


def test_each_entry_is_cited():
    assert set(ENTRIES) == {bibliography.cited(found) for _, found, _ in CITATIONS}


def test_a_title_beside_a_citation_is_that_of_its_entry_or_its_beginning():
    checked = 0
    for path, found, rest in CITATIONS:
        if title := TITLE.match(rest):
            cited = ENTRIES[bibliography.cited(found)].fields["title"].strip("{}").lower()
            assert cited.startswith(" ".join(title[1].lower().split())), f"{path}: {found[0]}"
            checked += 1
    assert checked > 50


def test_no_two_entries_are_cited_alike():
    labels = [(bibliography.surnames(e)[0], e.fields["year"]) for e in ENTRIES.values()]
    assert len(set(labels)) == len(labels)


def test_the_keys_are_the_first_author_and_the_year_in_their_order():
    keys = [*ENTRIES]
    assert keys == sorted(keys)
    for key, entry in ENTRIES.items():
        first = entry.persons["author"][0].last_names[0]
        assert key == first.lower() + entry.fields["year"]


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_has_a_doi_or_an_arxiv_number_or_says_that_there_is_none(key):
    fields = ENTRIES[key].fields
    assert re.fullmatch(r"10\.\d{4,5}/\S+", fields.get("doi", "10.1000/1"))
    assert re.fullmatch(r"\d{4}\.\d{4,5}", fields.get("eprint", "2000.00000"))
    assert ("doi" in fields or "eprint" in fields) != ("No DOI" in fields.get("note", ""))


@pytest.mark.parametrize(
    ("text", "linked", "to"),
    [
        ("Kingma and Ba (2015), say", "Kingma and Ba (2015)", "https://arxiv.org/abs/1412.6980"),
        ("(Kingma and\nBa, 2015, p. 1)", "Kingma and\nBa, 2015", "https://arxiv.org/abs/1412.6980"),
        ("In Xiong et al. (2020)", "Xiong et al. (2020)", "https://arxiv.org/abs/2002.04745"),
        ("(Bauer, 1974)", "Bauer, 1974", "https://doi.org/10.1137/0711010"),
        ("Townsend's (2017).", "Townsend's (2017)", ENTRIES["townsend2017"].fields["url"]),
        ("Bauer (1974)", "Bauer (1974)", "https://doi.org/10.1137/0711010"),
        ("Bishop (2006)", "Bishop (2006)", "../bibliography/#bishop2006"),
    ],
)
def test_a_citation_becomes_a_link(text, linked, to):
    html = bibliography.with_links(f"<p>{text}</p>", "../bibliography/")
    assert html == f"<p>{text}</p>".replace(linked, f'<a href="{to}">{linked}</a>')


@pytest.mark.parametrize(
    "html",
    [
        "<pre><span>Kingma and Ba (2015)</span></pre>",
        "<h2>Kingma and Ba (2015)</h2>",
        '<a href="/"><em>Kingma and Ba (2015)</em></a>',
        '<img alt="Kingma and Ba (2015)">',
        "<p>Kingma (2015)</p>",
        "<p>Kingma et al. (2015)</p>",
        "<p>Kingma and Ba (2016)</p>",
    ],
)
def test_what_is_no_citation_or_no_place_for_a_link_stays(html):
    assert bibliography.with_links(html, "") == html


def test_the_page_lists_each_entry_once_with_its_address():
    page = bibliography.markdown()
    assert sorted(re.findall(r'<li id="(\w+)">', page)) == sorted(ENTRIES)
    for entry in ENTRIES.values():
        assert f'href="{bibliography.address(entry)}"' in page or not bibliography.address(entry)
