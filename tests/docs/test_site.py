"""The site as a reader meets it: built, opened in a browser, and cut off from all other hosts.

Where something is missing that this needs, the tests are skipped; with REQUIRE_BROWSER=1 they fail.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zlib

import pytest

import simplegrad as sg
from simplegrad import fast, nn, optimizers, parallel
from tests.helpers.browsers import IN_BOTH, needed
from tests.helpers.site import REPOSITORY, ROOT, check_with_axe

pytest.importorskip("jupytext", reason='pip install -e ".[docs]" installs jupytext')

sys.path.append(str(ROOT / "docs" / "hooks"))

import pair  # it is beside what builds the site

pytestmark = pytest.mark.slow

ADAM = "tutorials/adam/"
KINDS = ["", ADAM, "api/tensor/", "equations/"]  # a page of each kind
NAV = re.findall(r"([\w/-]+)\.md$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
NAV += [f"tutorials/{chapter}" for chapter in pair.course()]
NAV += ["exercises/index", *(f"exercises/{exercise.stem}" for exercise in pair.exercises())]
PAGES = [f"{name}/".removesuffix("index/") for name in NAV]
PHONE = {"width": 390, "height": 844}


ALIKE = {f"exercises/{exercise.stem}/" for exercise in pair.exercises()} - {"exercises/adam/"}


def pages(urls):
    urls = [pytest.param(url, marks=pytest.mark.long) if url in ALIKE else url for url in urls]
    return pytest.mark.parametrize("url", urls, ids=lambda url: url.strip("/") or "home")


in_both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


def html_of(site):
    """{name: HTML} of all pages."""
    return {str(path.relative_to(site)): path.read_text("utf-8") for path in site.rglob("*.html")}


# A picture that is still to be loaded has no size, so Playwright says that it is not visible
IS_SEEN = """async picture => {
  if (!picture.checkVisibility({visibilityProperty: true})) return false
  picture.scrollIntoView()
  return picture.decode().then(() => true, () => false)
}"""


def pictures_of(page):
    """{address: whether it is seen} of the pictures of a page, with all folds open."""
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    pictures = page.locator("article img").all()
    return {picture.get_attribute("src"): picture.evaluate(IS_SEEN) for picture in pictures}


# All pages


def test_the_site_is_built_without_a_warning(build):
    process, _ = build
    if process.returncode:
        pytest.fail(process.stdout + process.stderr, pytrace=False)


def test_the_pages_of_the_site_are_those_of_the_navigation(site):
    folders = (path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    assert sorted("" if folder == "." else f"{folder}/" for folder in folders) == sorted(PAGES)


@pages([*PAGES, "404.html"])
def test_a_page_opens_without_an_error(visit, trouble, url):
    page = visit(url)
    pictures_of(page)
    page.wait_for_load_state("networkidle")
    assert trouble == []


# What sticks out on the right, and is in nothing that scrolls by itself
STICKS_OUT = """[...document.querySelectorAll("body *")].filter(element => {
  if (element.getBoundingClientRect().right <= innerWidth + 1) return false
  for (let e = element.parentElement; e !== document.body; e = e.parentElement)
    if (getComputedStyle(e).overflowX !== "visible") return false
  return true
}).map(element => element.outerHTML.replace(/\\s+/g, " ").slice(0, 150))"""

# What scrolls in its place, and is not reached by Tab
OUT_OF_REACH = """async () => {
  const wide = [...document.querySelectorAll("article :not(.katex *)")].filter(element =>
    ["auto", "scroll"].includes(getComputedStyle(element).overflowX)
    && element.scrollWidth > element.clientWidth + 1)
  const unreached = () => wide.filter(element =>
    element.tabIndex < 0 && !element.querySelector("a[href], [tabindex='0']"))
  for (let i = 0; i < 600 && unreached().length; i++)  // a script sets tabindex where it is needed
    await new Promise(done => setTimeout(done, 100))
  return unreached().map(element => element.outerHTML.replace(/\\s+/g, " ").slice(0, 150))
}"""


@pages([*PAGES, "404.html"])
def test_a_page_fits_a_phone_and_what_is_wider_scrolls_by_keyboard(visit, url):
    page = visit(url, viewport=PHONE)
    width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    if width > room:
        pytest.fail("\n".join(["too wide:", *page.evaluate(STICKS_OUT)[:3]]), pytrace=False)
    if out_of_reach := page.evaluate(OUT_OF_REACH):
        pytest.fail("\n".join(["not reached by Tab:", *out_of_reach]), pytrace=False)


# In letters of average width, about half as wide as high
LONGEST_LINE = """Math.max(...[...document.querySelectorAll("article :is(p, li)")]
  .filter(element => !element.querySelector("img, pre"))
  .map(element => 2 * element.clientWidth / parseFloat(getComputedStyle(element).fontSize)))"""


@pages([*KINDS, "404.html"])
def test_a_line_of_text_is_short_enough_to_read(visit, url):
    assert visit(url, viewport={"width": 1400, "height": 1000}).evaluate(LONGEST_LINE) <= 90


# Smaller than the 24 pixels of WCAG 2.2
SMALL = """[...document.querySelectorAll("article :is(button, summary, .md-button), .md-footer a")]
  .filter(element => element.checkVisibility({visibilityProperty: true}))
  .filter(element => {
    const {width, height} = element.getBoundingClientRect()
    return Math.min(width, height) < 24
  }).map(element => element.outerHTML)"""


@pages([*KINDS, "exercises/adam/", "step-through/"])
def test_what_one_presses_is_large_enough_for_a_finger(visit, url):
    page = visit(url, viewport=PHONE)
    assert page.locator(".md-footer a").count() > 0
    assert page.evaluate(SMALL) == []


def test_the_buttons_of_home_are_apart_on_a_phone(visit):
    first, second = (
        button.bounding_box() for button in visit("", viewport=PHONE).locator(".md-button").all()
    )
    assert second["y"] - (first["y"] + first["height"]) >= 8


CUT_SIGNATURES = """[...document.querySelectorAll(".doc-signature code")]
  .filter(code => code.scrollWidth > code.clientWidth + 1).map(code => code.textContent)"""


@pages(["api/functions/", "api/optimizers/"])
def test_signatures_are_whole_on_a_phone(visit, url):
    page = visit(url, viewport=PHONE)
    assert page.locator(".doc-signature code").count() > 0
    assert page.evaluate(CUT_SIGNATURES) == []


# Mathematics


@pages(["exercises/", "api/optimizers/", "tutorials/debugging/"])
def test_no_name_at_the_start_of_a_row_is_broken_on_a_phone(visit, url):
    names = visit(url, viewport=PHONE).locator("td:first-child code").all()
    assert names
    for name in names:
        lines = name.evaluate("name => name.getClientRects().length")
        assert lines <= 1 + name.text_content().count(" "), name.text_content()


def test_a_wide_picture_stays_legible_on_a_phone(visit):
    picture = visit("benchmarks/", viewport=PHONE).locator("figure img")
    width, of_all = picture.evaluate("picture => [picture.width, picture.naturalWidth]")
    assert width > of_all / 2  # its letters are 14 pixels high


@pages([ADAM, "equations/"])
def test_mathematics_is_typeset_and_has_mathml(visit, url):
    page = visit(url)
    formulas = page.locator(".katex")
    assert formulas.first.is_visible()
    assert page.locator(".katex > .katex-mathml math").count() == formulas.count()
    assert page.locator(".katex-error").count() == 0


@pages([ADAM, "equations/"])
def test_the_fonts_of_the_formulas_are_there(visit, url):
    page = visit(url)
    fonts = page.evaluate("""async () => {
      await document.fonts.ready
      return [...document.fonts].map(font => [font.family, font.status])
    }""")
    assert {"KaTeX_Main", "KaTeX_Math"} <= {
        family for family, status in fonts if status == "loaded"
    }
    assert "error" not in {status for _, status in fonts}


def test_no_formula_is_left_as_tex(site):
    for name, html in html_of(site).items():
        text = re.sub(r"<(pre|code|script|annotation)\b.*?</\1>", "", html, flags=re.DOTALL)
        text = re.sub(r"<[^>]*>", "", text)
        assert not re.search(r".*(\$|\\\(|\\\[).*", text), name


# Pictures


def test_each_picture_has_a_text_alternative(site):
    for name, html in html_of(site).items():
        for image in re.findall(r"<img\b[^>]*>", html):
            assert re.search(r'\balt="[^"]+"', image), f"{name}: {image}"


def check_pictures(page, scheme):
    seen = pictures_of(page)
    light, dark = ({src for src in seen if src.endswith(f"#only-{s}")} for s in ("light", "dark"))
    assert light
    assert dark == {src.replace("light", "dark") for src in light}
    unseen = {src for src in seen if not seen[src]}
    assert unseen == {"light": dark, "dark": light}[scheme]


@in_both_schemes
@pages(["", ADAM, "tutorials/"])
def test_each_picture_is_seen_in_the_colours_of_the_page(visit, url, scheme):
    check_pictures(visit(url, color_scheme=scheme), scheme)


def test_a_picture_drawn_for_paper_is_no_slab_in_the_dark(visit):
    Image = pytest.importorskip("PIL.Image", reason="it comes with Matplotlib")
    page = visit("benchmarks/", color_scheme="dark", viewport={"width": 1280, "height": 3000})
    picture = page.locator("img.on-paper")
    background = picture.evaluate("() => getComputedStyle(document.body).backgroundColor")
    corner = Image.open(io.BytesIO(picture.screenshot())).convert("RGB").getpixel((3, 3))
    assert corner == tuple(map(int, re.findall(r"\d+", background)))


# Search


def test_searching_for_bias_correction_leads_to_the_tutorial_on_adam(visit, trouble):
    page = visit("")
    page.get_by_role("textbox", name="Search").click()
    page.keyboard.type("bias correction")
    page.locator(f".md-search-result__item:first-child > a[href*='{ADAM}']").first.click()
    page.wait_for_url(f"**/{ADAM}**")
    assert trouble == []


# Light and dark


def scheme_of(page):
    return page.locator("body").get_attribute("data-md-color-scheme")


def test_the_page_starts_in_the_scheme_of_the_system(visit):
    assert scheme_of(visit("", color_scheme="light")) == "default"
    assert scheme_of(visit("", color_scheme="dark")) == "slate"


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_scheme_is_switched_and_remembered(visit, by):
    page = visit("", color_scheme="light")
    if by == "mouse":
        page.get_by_title("Switch to dark mode").click()
    else:
        tab_to(page, "[data-md-component=palette] *")
        page.keyboard.press("Enter")
    page.wait_for_selector("body[data-md-color-scheme=slate]")
    page.reload()
    assert scheme_of(page) == "slate"
    page.get_by_title("Switch to light mode").click()
    page.wait_for_selector("body[data-md-color-scheme=default]")


@IN_BOTH
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
@in_both_schemes
def test_a_browser_prefers_what_a_test_asks_of_it(visit, scheme, motion):
    page = visit("install/", color_scheme=scheme, reduced_motion=motion)
    for query in f"(prefers-color-scheme: {scheme})", f"(prefers-reduced-motion: {motion})":
        assert page.evaluate("query => matchMedia(query).matches", query), query


# Without JavaScript


def test_without_javascript_text_mathematics_and_pictures_are_there(visit):
    page = visit(ADAM, java_script_enabled=False)
    assert page.evaluate("document.documentElement.className") == "no-js"
    for part in "h1", "> p", ".katex", ".formula .katex", "pre > code":
        assert page.locator(f"article {part}").first.is_visible(), part
    check_pictures(page, "light")


def test_without_javascript_a_fold_opens(visit):
    page = visit(ADAM, java_script_enabled=False)
    fold = page.locator("details.fold").first
    assert not fold.locator("pre").first.is_visible()
    fold.locator("summary").click()
    assert fold.locator("pre").first.is_visible()


# Keyboard


def tab_to(page, selector):
    """Presses Tab until the focus is there."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}", pytrace=False)


@pages(KINDS)
def test_the_first_tab_stop_leads_to_the_content(visit, url):
    page = visit(url)
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text().strip() == "Skip to content"
    assert focused.is_visible()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('article :target') !== null")
    page.keyboard.press("Tab")
    assert page.locator("article :focus").count() == 1


@pytest.mark.parametrize("what", [".formula", "pre > code"])
def test_what_is_too_wide_for_a_phone_scrolls_with_the_arrow_keys(visit, what):
    page = visit("equations/", viewport=PHONE)
    scrolled = page.evaluate_handle(f"""[...document.querySelectorAll("article {what}")]
      .find(element => element.scrollWidth > element.clientWidth + 1)""").as_element()
    scrolled.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("element => element.scrollLeft > 0", arg=scrolled)


# Accessibility


@in_both_schemes
@pages(KINDS)
def test_axe_finds_nothing_serious(visit, url, scheme):
    check_with_axe(visit(url, color_scheme=scheme))


def luminance(colour):
    """The luminance of rgb(red, green, blue) as WCAG 2 defines it."""
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


# Axe sees a page as it is when nothing points at it
@in_both_schemes
def test_a_button_is_readable_under_the_pointer(visit, scheme):
    page = visit("", color_scheme=scheme)
    for button in page.locator("a.md-button").all():
        button.hover()
        colours = button.evaluate("""async button => {
          await Promise.all(button.getAnimations().map(change => change.finished))
          return [getComputedStyle(button).color, getComputedStyle(button).backgroundColor]
        }""")
        darker, lighter = sorted(map(luminance, colours))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, colours


# Links


def checked_links(folder):
    """(how many links there are, what lychee says, where links are broken)"""
    places = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    lychee = needed(
        shutil.which("lychee", path=places), 'lychee is missing: pip install -e ".[dev]"'
    )
    options = ["--offline", "--include-fragments", "--no-progress", "--no-ignore", "--mode=plain"]
    command = [lychee, *options, "--index-files=index.html", f"--root-dir={folder}", folder]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    number = re.search(r"(\d+) Total", process.stdout)
    assert number, process.stdout + process.stderr
    return int(number[1]), process.stdout if process.returncode else ""


def test_no_link_within_the_site_is_broken(site):
    number, broken = checked_links(site)
    assert number > len(PAGES)
    assert not broken, broken


def test_a_broken_link_would_be_found(tmp_path):
    (tmp_path / "page").mkdir()
    page = tmp_path / "page" / "index.html"
    (tmp_path / "index.html").write_text('<a href="page/#here"></a>')
    for html, broken in {
        '<h1 id="here"></h1><a href="../"></a><a href="https://example.com/none"></a>': False,
        '<h1 id="here"></h1><a href="../none/"></a>': True,
        '<h1 id="there"></h1>': True,
    }.items():
        page.write_text(html)
        assert bool(checked_links(tmp_path)[1]) is broken, html


# Other hosts

TAG = re.compile(r"""<(?!a\b)\w+(?:"[^"]*"|'[^']*'|[^>"'])*>""")  # of other things than links
ELSEWHERE = r"""\s*["']?\s*(?:https?:)?//"""
LOADS = re.compile(rf"[\s:](?:src|srcset|href|poster|data|action)\s*={ELSEWHERE}")
STYLE_LOADS = re.compile(rf"(?:url\(|@import){ELSEWHERE}[^\s)\"']*")


def loaded_from_elsewhere(text):
    """The tags and lines of style that load something from another host."""
    tags = [tag for tag in TAG.findall(text) if 'rel="canonical"' not in tag]  # is not loaded
    return [tag for tag in tags if LOADS.search(tag)] + STYLE_LOADS.findall(text)


def test_no_page_style_or_picture_loads_anything_from_another_host(site):
    for path in site.rglob("*"):
        if path.suffix in {".html", ".css", ".svg"}:
            assert loaded_from_elsewhere(path.read_text("utf-8")) == [], path.relative_to(site)


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://cdn.example/x.js">',
        '<link href=//cdn.example/x.css rel="stylesheet">',
        '<img alt="a > b" src="http://cdn.example/x.png">',
        '<image xlink:href="https://cdn.example/x.png"/>',
        "@font-face { src: url(https://cdn.example/x.woff2) }",
        '@import "//cdn.example/x.css";',
    ],
)
def test_what_loads_from_another_host_would_be_found(text):
    assert loaded_from_elsewhere(text)


# The inventory, for the documentation of other projects

PUBLIC = [
    f"{module.__name__}.{name}"
    for module in (sg, nn, optimizers, fast, parallel)
    for name in module.__all__
    if callable(getattr(module, name))
]


def inventory(site):
    """{name: (page, anchor)} of objects.inv."""
    *header, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    assert header[0] == b"# Sphinx inventory version 2"
    assert header[2].decode() == f"# Version: {sg.__version__}"
    lines = (line.split() for line in zlib.decompress(packed).decode().splitlines())
    return {name: address.replace("$", name).split("#") for name, _, _, address, *_ in lines}


def test_the_inventory_has_every_public_name_and_leads_to_it(site):
    places = inventory(site)
    assert {"simplegrad.Tensor", "simplegrad.exp", "simplegrad.optimizers.Adam"} <= {*PUBLIC}
    assert sorted({*PUBLIC} - {*places}) == []
    for name in PUBLIC:
        url, anchor = places[name]
        assert f'id="{anchor}"' in (site / url / "index.html").read_text("utf-8"), name


# Downloads


@pages([f"tutorials/{chapter}/" for chapter in pair.course()])
def test_a_tutorial_offers_its_script_and_its_notebook(site, url):
    html = (site / url / "index.html").read_text("utf-8")
    name = url.strip("/")
    script, notebook = (site / f"{name}{suffix}" for suffix in (".py", ".ipynb"))
    for file in script, notebook:
        assert re.search(rf'<a\b[^>]* href="\.\./{file.name}"', html), file.name
    assert script.read_bytes() == (ROOT / f"{name}.py").read_bytes()
    first, title, *_ = json.loads(notebook.read_text("utf-8"))["cells"]
    assert f"git+https://github.com/{REPOSITORY}" in "".join(first["source"])
    assert title["cell_type"] == "markdown"


def test_the_page_on_installing_says_how_to_get_a_clone(site):
    html = (site / "install" / "index.html").read_text("utf-8")
    assert f"git clone https://github.com/{REPOSITORY}" in re.sub(r"<[^>]*>", "", html)


def test_the_page_of_a_known_repository_leads_to_it_and_to_colab(site):
    html = (site / ADAM / "index.html").read_text("utf-8")
    colab = f"https://colab.research.google.com/github/{REPOSITORY}/blob/notebooks/tutorials/"
    for address in f"https://github.com/{REPOSITORY}", f"{colab}adam.ipynb":
        assert f'href="{address}"' in html
