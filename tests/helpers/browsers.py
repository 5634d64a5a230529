"""A Chromium and a Firefox for the tests, each one for all: Playwright does not start twice in one
process.

Where one is missing, the tests that need it are skipped; with REQUIRE_BROWSER=1 they fail.
"""

import contextlib
import functools
import os
import shutil
from importlib.util import find_spec

import pytest

from tests.helpers.limits import HANGING

CHROMIUM = "chromium", "chromium-browser", "google-chrome"
FIREFOX = "firefox-esr", "firefox"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

PREFERENCES = {  # of Firefox; over BiDi, Playwright drops these options without a word
    "color_scheme": {"dark": ("layout.css.prefers-color-scheme.content-override", 0)},
    "java_script_enabled": {False: ("javascript.enabled", False)},
    "reduced_motion": {"reduce": ("ui.prefersReducedMotion", 1)},
}


def needed(thing, how_to_get_it):
    if not thing:
        required = os.environ.get("REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)(how_to_get_it)
    return thing


def found(names):
    """The path of the first program that is there."""
    paths = [path for path in map(shutil.which, names) if path]
    return needed(paths, f"a browser is missing: install one of {', '.join(names)}")[0]


@pytest.fixture(scope="session")
def playwright():
    for package in "playwright", "axe_playwright_python", "pypdf":
        needed(find_spec(package), f'{package} is missing: pip install -e ".[dev]"')
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright):
    path = found(CHROMIUM)
    with playwright.chromium.launch(
        executable_path=path, args=OPTIONS, timeout=HANGING * 1000
    ) as browser:
        yield browser


class Firefox:
    """Firefox as Chromium is used: preferences are the whole browser's, so each set has its own."""

    def __init__(self, launch):
        self.launch = functools.cache(launch)

    def which_has(self, options):
        asked = [of[options[name]] for name, of in PREFERENCES.items() if options.get(name) in of]
        return self.launch(tuple(asked))

    def new_context(self, **options):
        return self.which_has(options).new_context(**options)

    def new_page(self, **options):
        return self.which_has(options).new_page(**options)


@pytest.fixture(scope="session")
def firefox(playwright):
    """Mozilla's own Firefox, over WebDriver BiDi: the channel makes Playwright speak it."""
    path = found(FIREFOX)
    with contextlib.ExitStack() as running:

        def launch(preferences):
            browser = playwright.firefox.launch(
                channel="moz-firefox",
                executable_path=path,
                firefox_user_prefs=dict(preferences),
                timeout=HANGING * 1000,
            )
            return running.enter_context(browser)

        yield Firefox(launch)


@pytest.fixture
def browser(request):
    """Chromium, or the one that a test names: see IN_BOTH."""
    return request.getfixturevalue(getattr(request, "param", "chromium"))


IN_BOTH = pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True)
