"""The site, built and served for the tests, and a browser that reaches nothing else.

Where something is missing that this needs, the tests are skipped; with REQUIRE_BROWSER=1 they fail.
"""

import functools
import http.server
import io
import os
import re
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.browsers import needed
from tests.helpers.limits import MISSING

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "owner/name"
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """The process that has built the site, and the folder with the site."""
    packages = ["mkdocs", "material", "mkdocstrings", "jupytext", "nbclient", "ipykernel", "pybtex"]
    for package in packages:
        needed(find_spec(package), f'{package} is missing: pip install -e ".[docs]"')
    katex = (ROOT / "node_modules" / "katex").is_dir() and shutil.which("node")
    needed(katex, "KaTeX is missing: install Node.js and run npm ci")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "GITHUB_REPOSITORY": REPOSITORY}
    env |= {"SITE_URL": "https://example.org/", "GITHUB_SERVER_URL": "https://github.com"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True), folder


@pytest.fixture(scope="session")
def site(build):
    """The folder of the site."""
    process, folder = build
    if process.returncode:
        pytest.fail("there is no site: see test_the_site_is_built_without_a_warning", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    quiet = {"log_message": lambda *_: None, "protocol_version": "HTTP/1.1"}
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), quiet)
    handler = functools.partial(handler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # the browser may hang up
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def trouble():
    """What went wrong in the browser while the test ran."""
    return []


@pytest.fixture
def visit(browser, address, trouble):
    """Opens a page in a browser that remembers nothing and reaches only the site."""
    contexts, elsewhere = [], []

    def refuse(route):
        elsewhere.append(route.request.url)
        route.abort()

    def visit(url, browser=browser, **options):
        context = browser.new_context(
            **{"viewport": DESKTOP, "reduced_motion": "reduce", **options}
        )
        contexts.append(context)
        context.set_default_timeout(MISSING * 1000)
        context.route(re.compile(rf"^(?!{address}|data:|blob:)"), refuse)
        listen(context, trouble)
        page = context.new_page()
        page.goto(address + url, wait_until="load")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert elsewhere == [], "the page asked other hosts"


def listen(context, trouble):
    """Writes down what the browser complains about."""
    context.on("weberror", lambda error: trouble.append(str(error.error)))

    @functools.partial(context.on, "requestfailed")
    def _(request):
        if request.failure != "net::ERR_ABORTED":  # which only means that the page was left
            trouble.append(f"{request.failure}: {request.url}")

    @functools.partial(context.on, "console")
    def _(message):
        if message.type in {"error", "warning"}:
            trouble.append(f"{message.type}: {message.text}")

    @functools.partial(context.on, "response")
    def _(response):
        if response.status >= 400:
            trouble.append(f"{response.status}: {response.url}")


# Paper


PART = """part => document.querySelector("article")
  .replaceChildren(...document.querySelectorAll("article link"), part)"""


def on_paper(page, shown):
    """What is on the paper, without spaces, when a part of a page is printed, and no other part."""
    from pypdf import PdfReader

    shown.evaluate(PART)
    pdf = page.pdf(width="21in", height="29in")  # of which Playwright makes centimetres in Firefox
    printed = PdfReader(io.BytesIO(pdf))
    return "".join("".join(sheet.extract_text().split()) for sheet in printed.pages)


# Accessibility


def described(violation):
    """A violation of a rule of axe, with the first elements that it found."""
    lines = [f"{violation['id']} ({violation['impact']}): {violation['help']}"]
    lines.append(f"  {len(violation['nodes'])} elements, such as")
    for node in violation["nodes"][:3]:
        reasons = [check["message"] for check in (*node["any"], *node["all"], *node["none"])]
        lines += [f"  {node['target'][0]}", f"    {node['html'][:200]}", f"    {reasons[0]}"]
    return "\n".join(lines)


def check_with_axe(page, part=None):
    """Fails where axe finds something serious in the page as it is now, or in a part of it.

    A whole page is tried in Chromium alone: Firefox lets Tab reach what scrolls, whatever its
    tabindex, and axe does not know this of it.
    """
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]}
    violations = Axe().run(page, context=part, options=options).response["violations"]
    serious = [described(v) for v in violations if v["impact"] in {"serious", "critical"}]
    if serious:
        pytest.fail("\n".join(serious), pytrace=False)
