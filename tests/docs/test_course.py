"""A course of one's own: chapters left out and added by lines of tutorials/course.txt."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason='pip install -e ".[docs]" installs jupytext')

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "hooks"))

import pair  # noqa: E402, it is beside what builds the site

pytestmark = pytest.mark.slow

LONGEST, WIDTH = 15_000, 1400  # pixels
KEPT = "quickstart", "gradients", "adam", "jacobians"  # few, so that it is soon built
LEFT_OUT = [chapter for chapter in pair.course() if chapter not in KEPT]
OWN = """\
# %% [markdown]
# # Of our own
#
# Four words are said.
#
# - **You will be able to** add.
# - **Read before:** [Gradients](gradients.ipynb) and [Descent](descent.ipynb).

# %%
assert 1 + 1 == 2

# %% [markdown]
# ## Exercises
"""


@pytest.fixture(scope="module")
def shorter(site, tmp_path_factory):
    """The site of a course that leaves out chapters and has one of its own, second."""
    folder = tmp_path_factory.mktemp("course")
    for name in "docs", "tutorials", "simplegrad":
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in "mkdocs.yml", "node_modules", "README.md", "CONTRIBUTING.md", "CHANGELOG.md":
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".cache" / "pages", folder / ".cache" / "pages")  # `site` has filled it
    course = folder / "tutorials" / "course.txt"
    lines = course.read_text("utf-8").splitlines()
    kept = [line for line in lines if line.partition(":")[0] not in LEFT_OUT]
    kept.insert([line.partition(":")[0] for line in kept].index("quickstart") + 1, "own:")
    course.write_text("\n".join(kept) + "\n", "utf-8")
    (folder / "tutorials" / "own.py").write_text(OWN, "utf-8")
    teaching = folder / "docs" / "teaching.py"
    session = "# <!-- session: own -->\n#\n# To add.\n#\n# <!-- end -->\n"
    teaching.write_text(teaching.read_text("utf-8").replace("# <!-- end -->\n", session), "utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", "shorter"]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "shorter"


def html_of(site, page):
    return (site / page / "index.html").read_text("utf-8")


def test_chapters_get_their_numbers_from_the_list(shorter):
    heading = re.compile(r"<h1[^>]*>(.*?)<a", re.DOTALL)
    titles = [heading.findall(html_of(shorter, f"tutorials/{n}"))[0] for n in ("own", "gradients")]
    assert titles == ["2. Of our own", "3. Gradients"]


def test_what_is_left_out_has_no_page_no_session_and_no_exercise(shorter, site):
    for chapter in LEFT_OUT:
        assert (site / "tutorials" / chapter).exists()
        assert not (shorter / "tutorials" / chapter).exists()
    assert not (shorter / "exercises" / "rmsprop").exists()
    for page in "exercises", "teaching":
        assert "rmsprop/" in html_of(site, page)
        assert "rmsprop/" not in html_of(shorter, page)
    assert "Of our own" in html_of(shorter, "teaching")
    assert "id=2-of-our-own" in html_of(shorter, "teaching").replace('"', "")


def test_a_link_to_what_is_left_out_is_its_text(shorter):
    own = html_of(shorter, "tutorials/own")
    assert re.search(r"<a [^>]*>Gradients</a> and Descent\.", own)
    for page in shorter.rglob("*.html"):
        assert not re.search(r'href="[^"]*tutorials/descent/', page.read_text("utf-8")), page


@pytest.mark.parametrize("chapter", pair.course())
def test_no_chapter_is_longer_than_15000_pixels(visit, chapter):
    page = visit(f"tutorials/{chapter}/", viewport={"width": WIDTH, "height": 900})
    for picture in page.locator("article img:visible").all():
        picture.scroll_into_view_if_needed()  # what is still to be loaded has no size
    assert page.evaluate("document.documentElement.scrollHeight") <= LONGEST
