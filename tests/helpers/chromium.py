"""A Chromium for the tests, one for all: Playwright does not start twice in one process."""

import os
import shutil
from importlib.util import find_spec

import pytest

from tests.helpers.limits import HANGING

CHROMIUM = "chromium", "chromium-browser", "google-chrome"
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


def needed(thing, how_to_get_it):
    if not thing:
        required = os.environ.get("REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)(how_to_get_it)
    return thing


@pytest.fixture(scope="session")
def browser():
    for package in "playwright", "axe_playwright_python":
        needed(find_spec(package), f'{package} is missing: pip install -e ".[dev]"')
    found = [path for path in map(shutil.which, CHROMIUM) if path]
    needed(found, f"a browser is missing: install one of {', '.join(CHROMIUM)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found[0], args=OPTIONS, timeout=HANGING * 1000
        )
        yield chromium
        chromium.close()
