"""The literature, from docs/references.bib: citations become links, and a page lists it all.

A citation is `Kingma and Ba (2015)` or, in parentheses, `Kingma and Ba, 2015`. It names all authors,
or the first of three or more and `et al.`
"""

import re
from functools import cache

from pair import ROOT
from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.plugin import find_plugin

PAGE = "bibliography/"
STARTS = {"eprint": "https://arxiv.org/abs/", "doi": "https://doi.org/", "url": ""}
SURNAME = r"[A-Z][\w-]+"
CITATION = re.compile(
    rf"\b(?P<authors>{SURNAME}(?:,\s+{SURNAME})*(?:\s+and\s+{SURNAME}|\s+et\s+al\.)?)(?:'s)?"
    r"(?:\s+(?P<open>\()|,\s+)(?P<year>\d{4})(?(open)\)|(?=[),;]))"
)
# Where there is no place for a link comes first, and so is passed over
HTML = re.compile(
    rf"<(?P<tag>pre|code|a|h[1-6]|svg|script|style)\b.*?</(?P=tag)>|<[^>]*>|{CITATION.pattern}",
    re.DOTALL,
)


@cache
def literature() -> BibliographyData:
    """The file, as pybtex reads it."""
    return parse_file(ROOT / "docs" / "references.bib", bib_format="bibtex")


def surnames(entry: Entry) -> list[str]:
    """Those of its authors, each as one word: the Census Bureau is Bureau."""
    return [author.last_names[-1] for author in entry.persons["author"]]


def cited(citation: re.Match[str]) -> str | None:
    """The key of the entry that a citation names; None where there is no such entry."""
    names = re.findall(SURNAME, citation["authors"])
    for key, entry in literature().entries.items():
        authors = surnames(entry)
        if citation["authors"].endswith("al.") and len(authors) > 2:
            authors = authors[:1]
        if names == authors and citation["year"] == entry.fields["year"]:
            return key
    return None


def address(entry: Entry) -> str | None:
    """Where to read it: in the arXiv, which is open to all, or else where its DOI or its URL leads."""
    known = (start + entry.fields[name] for name, start in STARTS.items() if name in entry.fields)
    return next(known, None)


def with_links(html: str, page: str) -> str:
    """HTML whose citations are links: those without an address, to the bibliography at `page`."""

    def linked(found: re.Match[str]) -> str:
        key = cited(found) if found["authors"] else None
        if key is None:
            return found[0]
        return f'<a href="{address(literature().entries[key]) or f"{page}#{key}"}">{found[0]}</a>'

    return HTML.sub(linked, html)


def markdown() -> str:
    """All entries in the order of their authors."""
    style = find_plugin("pybtex.style.formatting", "plain")()
    entries = style.format_bibliography(literature())
    items = (f'<li id="{entry.key}">{entry.text.render_as("html")}</li>' for entry in entries)
    return "\n".join(["<ul>", *items, "</ul>"])
