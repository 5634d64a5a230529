"""Markdown extension: sets the mathematics of a page with KaTeX, while the site is built.

The page needs no script, and holds MathML for screen readers beside what is seen. KaTeX is a
JavaScript library: one Node process sets all formulas of a build, one line of JSON each.
"""

import atexit
import html
import json
import re
import subprocess
from functools import cache
from pathlib import Path

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor
from markdown.preprocessors import Preprocessor

ROOT = Path(__file__).resolve().parents[2]
FORMULA = re.compile(  # what pymdownx.arithmatex leaves, and the marks that follow
    r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>([,.;:!?)]*)', re.DOTALL
)
KATEX = """
const katex = require("katex")
const options = {throwOnError: true, strict: "error", fleqn: true}
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const [tex, displayMode] = JSON.parse(line)
  let answer
  try { answer = {html: katex.renderToString(tex, {...options, displayMode})} }
  catch (error) { answer = {error: error.message} }
  console.log(JSON.stringify(answer))
})
"""


class FormulaError(ValueError):
    """A formula that KaTeX does not understand; the message says where it stands."""


@cache
def katex() -> subprocess.Popen[str]:
    """The Node process that waits for formulas."""
    if not (ROOT / "node_modules" / "katex").is_dir():
        raise FileNotFoundError("KaTeX is not there: run `npm ci` in the folder of the project")
    pipe = subprocess.PIPE
    process = subprocess.Popen(["node", "-e", KATEX], cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    atexit.register(process.communicate)  # no more formulas: it ends
    return process


@cache
def typeset(tex: str, display: bool) -> str:
    """The HTML of a formula."""
    process = katex()
    process.stdin.write(json.dumps([tex, display]) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise ChildProcessError("Node, which runs KaTeX, has ended; its message stands above")
    answer = json.loads(line)
    if "error" in answer:
        raise FormulaError(f"{place_of(tex)}: {answer['error']}\n  in: {tex}")
    if not display:  # words around it are what one searches for
        return f"<span data-search-exclude>{answer['html']}</span>"
    # On a narrow screen a long formula scrolls, also by keyboard, for which it needs the focus
    return (
        f'<div class="formula" tabindex="0" role="group" aria-label="formula" '
        f"data-search-exclude>{answer['html']}</div>"
    )


def place_of(tex: str) -> str:
    """file:line of a formula in the sources of the site."""
    start = tex.strip().splitlines()[0]
    for pattern in "docs/**/*.md", "docs/**/*.py", "tutorials/*.py", "simplegrad/**/*.py":
        for path in sorted(ROOT.glob(pattern)):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if start in line:
                    return f"{path.relative_to(ROOT)}:{number}"
    return "a formula"


class OneDisplayEach(Preprocessor):
    """Two formulas on two lines are two displays; Markdown takes them for one paragraph."""

    def run(self, lines: list[str]) -> list[str]:
        """Puts an empty line between them."""
        text = "\n".join(lines)
        return re.sub(r"(\$\$)(\n *\$\$)", r"\1\n\2", text).split("\n")


class Typeset(Postprocessor):
    """Replaces each formula by its HTML."""

    def run(self, text: str) -> str:
        """The page with its formulas set, and each mark kept on the line of its formula."""
        return FORMULA.sub(with_marks, text)


def with_marks(found: re.Match[str]) -> str:
    """A formula; with the marks after it, if there are any, in a span."""
    formula = typeset(html.unescape(found[3]).strip(), found[2] == "[")
    return f'<span class="marked">{formula}{found[4]}</span>' if found[4] else formula


class Mathematics(Extension):
    """The extension, to stand after pymdownx.arithmatex with `generic: true`."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Adds both steps, the first after code was set aside."""
        md.preprocessors.register(OneDisplayEach(md), "one_display_each", 24)
        md.postprocessors.register(Typeset(md), "typeset", -10)
