"""What mkdocs calls while it builds the site; the work is done by the files beside this one."""

import posixpath
import re
from pathlib import Path

import bibliography
import chapters
import elsewhere
import equation_page
import figures
import notebook_pages
import pair
import run_here
import typeset
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

import simplegrad as sg
from simplegrad import fast, nn, optimizers, parallel

DOCS = pair.ROOT / "docs"
KATEX = pair.ROOT / "node_modules" / "katex" / "dist"
CLONE = "<!-- clone -->"
CHAPTERS = "<!-- chapters -->"
EXERCISES = "<!-- exercises -->"
TERMS = "<!-- terms -->"
SESSIONS = "<!-- sessions -->"
BIBLIOGRAPHY = "<!-- bibliography -->"
FIGURE = re.compile(r"^<!-- figure: (\w+) -->$", re.MULTILINE)
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
EQUATIONS = re.compile(r"^<!-- equations: (\w+) -->$", re.MULTILINE)
CODE = re.compile(  # and headings, which are no place for links
    r"^( *)(`{3,})[^`].*?^\1\2$|^#[^\n]*$", re.MULTILINE | re.DOTALL
)
NAMES = {
    f"`{prefix}.{name}`": f"simplegrad.{package}{name}"
    for prefix, package, module in (
        ("sg", "", sg),
        ("nn", "nn.", nn),
        ("optim", "optimizers.", optimizers),
        ("optimizers", "optimizers.", optimizers),
        ("fast", "fast.", fast),
        ("parallel", "parallel.", parallel),
    )
    for name in module.__all__
    if callable(getattr(module, name))
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The course in the menu, the mathematics, and the repository if it is known."""
    chapters.nav(config.nav)
    config.markdown_extensions.append(typeset.Mathematics())
    config.plugins["mkdocstrings"].handlers.inventory.version = sg.__version__  # in objects.inv
    if address := elsewhere.repository():
        link = {"icon": "fontawesome/brands/github", "link": address}
        # Not as repo_url: with that, each page would ask GitHub for the number of its stars
        config.extra["social"] = [{**link, "name": "Repository"}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages made by running a script, KaTeX's style with its fonts, and what runs in a page."""
    course, exercises = pair.scripts(), pair.exercises()
    for script in (*course, *exercises, *sorted(DOCS.glob("*.py"))):
        folder = "" if script.parent == DOCS else f"{script.parent.name}/"
        written = notebook_pages.exercise_page if script in exercises else notebook_pages.page_of
        try:
            page = written(script)
        except notebook_pages.PageError as error:
            raise PluginError(str(error)) from error
        if script in course:
            page.markdown = chapters.page(page.markdown, script)
        path = folder + script.stem
        made: dict[str, str | bytes] = {f"{folder}{k}": v for k, v in page.pictures.items()}
        made[f"{path}.md"] = with_downloads(page.markdown, path) if folder else page.markdown
        if folder:
            made |= elsewhere.files(path, script.read_text(encoding="utf-8"), config.site_url)
        for name, content in made.items():
            files.append(File.generated(config, name, content=content))
    made = {f"assets/katex/{name}": content for name, content in katex_style().items()}
    made |= figures.files()
    try:
        made |= run_here.files()
    except run_here.RunError as error:
        raise PluginError(str(error)) from error
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def with_downloads(markdown: str, path: str) -> str:
    """The page of a tutorial or an exercise with the links to its files under its title."""
    title, rest = markdown.split("\n", 1)
    rest = re.sub(r"(\]\(\w+)\.ipynb", r"\1.md", rest)
    return f"{title}\n\n{elsewhere.links(path)}\n{rest}"


def katex_style() -> dict[str, str | bytes]:
    """KaTeX's style sheet and its fonts in the one format that every browser of today reads."""
    style = (KATEX / "katex.min.css").read_text(encoding="utf-8")
    style = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("\w+"\)', "", style)
    fonts = {f"fonts/{path.name}": path.read_bytes() for path in KATEX.glob("fonts/*.woff2")}
    return {"katex.min.css": style, **fonts}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """What a page asks for, such as equations and figures, and links from names to the API."""
    markdown = markdown.replace(CLONE, elsewhere.clone())
    paths = {file.src_uri for file in files}
    if CHAPTERS in markdown:
        markdown = markdown.replace(CHAPTERS, chapters.index(paths))
    if TERMS in markdown:
        markdown = markdown.replace(TERMS, chapters.terms())
    if EXERCISES in markdown:
        markdown = markdown.replace(EXERCISES, chapters.table_of_exercises())
    if SESSIONS in markdown:
        markdown = chapters.sessions(markdown)
    if BIBLIOGRAPHY in markdown:
        markdown = markdown.replace(BIBLIOGRAPHY, bibliography.markdown())
    markdown = EQUATIONS.sub(lambda found: equation_page.markdown(found[1]), markdown)
    markdown = FIGURE.sub(r'<div id="figure-\1"></div>', markdown)  # what a link can lead to
    markdown = chapters.without_links(markdown, page.file.src_uri, paths)
    return markdown if page.url.startswith("api/") else with_links(markdown)


def with_links(markdown: str) -> str:
    """The first time that a page names a thing of the API in its text, the name becomes a link."""
    for name, identifier in NAMES.items():
        code = [found.span() for found in CODE.finditer(markdown)]
        for found in re.finditer(rf"(?<!\[){re.escape(name)}(?!\])", markdown):
            if not any(start <= found.start() < end for start, end in code):
                link = f"[{name}][{identifier}]"
                markdown = markdown[: found.start()] + link + markdown[found.end() :]
                break
    return markdown


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Citations that are links, tables that scroll by keyboard, figures, cells that run.

    A picture without its text stops the build.
    """
    for image in re.findall(r"<img\b[^>]*>", content):
        if not re.search(r'\balt="[^"]+"', image):
            raise PluginError(f"{place_of(image, page)}: a picture needs a text alternative")
    content = bibliography.with_links(content, get_relative_url(bibliography.PAGE, page.url))
    content = TABLE.sub(lambda table: figures.scrolling(table[0], "table"), content)
    for file in re.findall(r'data-steps="([^"]+)"', content):
        url = get_relative_url(posixpath.join(posixpath.dirname(page.file.src_uri), file), page.url)
        content = content.replace(f'data-steps="{file}"', f'data-steps="{url}"')
    paths = [file.src_uri for file in files]
    content = figures.with_figures(content, paths, page.url)
    if run_here.FIRST_CELL in content:
        content = run_here.with_script(content, paths, page.url)
    return content


def place_of(image: str, page: Page) -> str:
    """file:line of a picture in a page, or what is known of it."""
    name = re.findall(r'src="(?:\.\./)*([^"#]*)', image)[0]
    path = Path(page.file.abs_src_path or page.file.src_uri)
    if path.is_file():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if name in line:
                return f"{path.relative_to(pair.ROOT)}:{number}"
    return f"{path}: {image}"
