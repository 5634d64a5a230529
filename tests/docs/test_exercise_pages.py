"""The exercises in the page, as a student meets them: wrong, with a hint, and right.

What Check says is compared with what the command line says of the same code.
"""

import inspect
import linecache
import re
import subprocess
import sys

import pytest

from simplegrad.exercises.checker import report_on
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.exercises.words import text
from tests.exercises.test_diagnosis import WRONG
from tests.helpers.browsers import IN_BOTH
from tests.helpers.cells import cell, note, press, run, shown, tab_to, write
from tests.helpers.limits import HANGING
from tests.helpers.site import ROOT, check_with_axe
from tests.helpers.students import EXPRESSIONS, TASKS, source_with

pytestmark = pytest.mark.slow

RIGHT = "def da(dc, c, a, b):\n    return dc * b\n\n\ndef db(dc, c, a, b):\n    return dc * a\n"
IMPORTS = "import numpy as np\nimport simplegrad as sg"
CHECKED = r"^(All|Not done yet|Right: )"  # how the last line of a report begins


def with_da(body, top=""):
    """The exercise mul, where da has another body."""
    return f"import sys\nimport numpy as np\n{top}{RIGHT.replace('return dc * b', body)}"


def check(page, source, pattern=CHECKED):
    """Writes into the first cell of the exercise mul and checks it; what is said beside Check."""
    write(page, 1, source)
    page.keyboard.press("Control+Enter")
    return note(page, 2, pattern)


def report(page, number=2):
    """The last block that Check has shown, from the table of equations on."""
    block = cell(page, number).locator(".run-output .cell-out code").last
    return block.text_content().split("\n\n", 1)[1].rstrip()


# Wrong, a hint, right


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_exercise_is_wrong_hinted_and_right_and_nothing_leaves_the_browser(
    visit, trouble, scheme
):
    page = visit("exercises/mul/", color_scheme=scheme)
    asked = []
    page.context.on("request", lambda request: asked.append(request))
    assert "Nothing leaves your browser" in page.locator("article").inner_text()
    check_with_axe(page)
    assert check(page, with_da("return dc * a")) == "Right: 1 of 2 equations."
    assert "It looks like this mistake: the factor is a; da and db are swapped." in report(page)
    check_with_axe(page)
    hints = page.locator("details.hint")
    assert [hint.is_visible() for hint in hints.all()] == [True, False]
    hints.first.locator("summary").click()
    assert [hint.is_visible() for hint in hints.all()] == [True, True]
    hints.nth(1).locator("summary").click()
    hints.first.locator("summary").click()  # what was opened stays
    assert [hint.is_visible() for hint in hints.all()] == [True, True]
    check_with_axe(page)
    assert check(page, RIGHT) == "All right."
    check_with_axe(page)
    assert {request.method for request in asked} == {"GET"}
    assert trouble == []
    page.reload()  # the text is kept, and can be checked without an editor
    press(page, "Check", 2)
    assert note(page, 2, CHECKED) == "All right."


@IN_BOTH
def test_by_keyboard_alone(visit):
    page = visit("exercises/mul/")
    tab_to(page, "Edit cell 1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-content:focus")
    for source, end in (with_da("return dc * a"), "Right: 1"), (RIGHT, "All right"):
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(source)
        page.keyboard.press("Escape")
        tab_to(page, "Check cell 2")
        page.keyboard.press("Enter")
        note(page, 2, end)
        if end == "All right":
            return
        tab_to(page, "A hint: where does dc come from?")
        page.keyboard.press("Enter")
        tab_to(page, "A hint: which factor stays")
        page.locator(".cm-content").focus()


def test_every_exercise_has_its_cells_in_order_and_nothing_is_fetched(visit):
    for name in EXERCISES:
        page = visit(f"exercises/{name}/")
        fetched = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
        assert [re.sub(r".*/|-\w+", "", url) for url in fetched if "/run/" in url] == ["page.js"]
        kinds = [
            " ".join(box.locator("button.run-button:visible").all_text_contents())
            for box in page.locator("article .cell").all()
        ]
        pattern = r"(Edit,)+Check(,Run Step through Edit)+"
        assert re.fullmatch(pattern, ",".join(kinds)), (name, kinds)
        page.context.close()


def test_without_javascript_and_on_paper_the_page_is_whole(visit):
    page = visit("exercises/adam/", java_script_enabled=False)
    article = page.locator("article")
    for said in "allow it JavaScript", "on your machine as well", "exercises check adam":
        assert article.get_by_text(said).first.is_visible()
    assert article.locator("button").count() == 0
    assert article.get_by_text("def adam_step").is_visible()
    hints = page.locator("details.hint")
    for number in range(hints.count()):
        hints.nth(number).locator("summary").click()
        assert hints.nth(number).locator("p").last.is_visible()
    page.reload()
    page.emulate_media(media="print")
    assert all(hint.is_visible() for hint in hints.locator("p").all())


@pytest.mark.parametrize("name", EXERCISES)
def test_script_and_notebook_are_offered_and_no_solution(site, name):
    html = (site / "exercises" / name / "index.html").read_text("utf-8")
    for file in f"{name}.py", f"{name}.ipynb":
        assert re.search(rf'<a\b[^>]* href="\.\./{file}"', html)
        text = (site / "exercises" / file).read_text("utf-8")
        assert all(f"def {function}(" in text for function in load(name).TASKS)
    assert [path for path in site.rglob("*") if "solutions" in path.parts] == []


# The words of the command line


def command_line(source, folder):
    """What the command line prints from the table of equations on; the file is called as a cell."""
    (folder / "cell 1").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "simplegrad.exercises", "check", "mul", "cell 1"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANGING)
    assert process.stderr == ""
    printed = process.stdout.split("\n\n", 1)[1]
    return printed.partition("\n\nYour code has printed:")[0].rstrip()


BAD = {
    "a name that is changed": RIGHT.replace("def da", "def d_a"),
    "a syntax error": with_da("return (dc * b"),
    "an error of the module": with_da("return dc * b") + "\n\n1 / 0\n",
    "an error above the functions": "1 / 0\n" + RIGHT,
    "sys.exit()": "import sys\nsys.exit()\n" + RIGHT,
    "sys.exit() in a function": with_da("sys.exit(3)"),
    "a list": with_da("return [*dc * b]"),
    "too many values": with_da("return dc, b"),
    "no return": with_da("dc * b"),
    "prints": with_da("print('da', dc); return dc * b", "print('here')\n"),
    "in place": with_da("dc *= b; return dc"),
    "an unknown name": with_da("return dc * bb"),
    "recursion": with_da("return da(dc, c, a, b)"),
    "a check of its own": f"from simplegrad import exercises\n{RIGHT}exercises.check('mul', da)\n",
    "no text": "",
    "nothing but an import": "import os\n",
    "letters": with_da('raise ValueError("θ ∂ 😀 <b>")'),
}


def test_check_says_what_the_command_line_says(visit, tmp_path):
    page = visit("exercises/mul/")
    press(page, "Check", 2)
    assert note(page, 2, CHECKED).startswith("Not done yet")
    untouched = (ROOT / "tutorials" / "exercises" / "mul.py").read_text("utf-8")
    assert report(page) == command_line(untouched, tmp_path)
    for what, source in BAD.items():
        check(page, source)
        assert comparable(report(page)) == comparable(command_line(source, tmp_path)), what
        if what == "prints":
            assert shown(page, 2).startswith("here\nda [")


def agree(here, there):
    """The same words, and numbers that differ in the last of six digits."""
    number = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
    numbers = zip(number.findall(here), number.findall(there), strict=False)
    return number.sub("#", here).split() == number.sub("#", there).split() and all(
        abs(float(a) - float(b)) <= 2e-5 * abs(float(a)) for a, b in numbers
    )


def comparable(said):
    """The same without the line at which a recursion was ended.

    It hangs on Python's version, and on what looks on in the process of a terminal.
    """
    if "RecursionError" in said:
        said = re.sub(r"    line .*\n|(?<=depth exceeded).*", "", said)
    return said.rstrip()


def students(exercise):
    """{what is wrong: source}: each mistake that an exercise knows, and those of its own tests."""
    sources = {
        f"{result}: {sentence}": source_with(
            name, function, result, TASKS[name, function].mistakes[result][sentence]
        )
        for name, function, result, sentence in EXPRESSIONS
        if name == exercise
    }
    for name, function, student, result, mistake, _ in WRONG:
        if name == exercise:
            source = "def " + inspect.getsource(student).partition("def ")[2]
            what = f"{result}: {mistake}, line {inspect.getsourcelines(student)[1]}"
            sources[what] = f"{IMPORTS}\n\n\n{source}\n{function} = {student.__name__}\n"
    return sources


@pytest.mark.parametrize(
    "exercise",
    [pytest.param(name, marks=[] if name == "mul" else pytest.mark.long) for name in EXERCISES],
)
def test_every_mistake_is_diagnosed_as_by_the_command_line(visit, exercise):
    page = visit(f"exercises/{exercise}/")
    number = 1 + page.locator("article .cell").evaluate_all(
        "cells => cells.findIndex(cell => cell.classList.contains('check'))"
    )
    for other in range(2, number):  # all is written into the first cell
        write(page, other, "pass")
    differ = []
    for what, source in students(exercise).items():
        write(page, 1, source)
        page.keyboard.press("Control+Enter")
        note(page, number, CHECKED)
        linecache.cache["cell 1"] = len(source), None, source.splitlines(keepends=True), "cell 1"
        wanted = comparable(text("", report_on(exercise, [("cell 1", source)])).strip("\n"))
        got = comparable(report(page, number))
        rounds = re.search(r"\b(exp|tanh|cosh|log\w*|sinh|softmax\w*)\b|@", source)
        if got != wanted and not (rounds and agree(got, wanted)):
            differ.append(f"{what}\n{got}\n--- and the command line:\n{wanted}")
    assert not differ, "\n\n".join(differ)


# What does not end well


def test_each_check_begins_with_no_names(visit):
    page = visit("exercises/mul/")
    assert check(page, with_da("return dc * b")) == "All right."
    run(page, 3, "Done|failed")  # what is tried is tried in the page's own names
    assert shown(page, 3) == "array([30., 35.])"
    check(page, RIGHT.replace("def db", "def d_b"))
    assert "There is no db(dc, c, a, b): keep the name of the function." in report(page)


def test_a_loop_without_end_is_stopped_and_the_next_check_works(visit):
    page = visit("exercises/mul/")
    check(page, with_da("print('on')\n    while True: pass"), "^Running")
    cell(page, 2).locator(".run-output", has_text="on").wait_for()
    press(page, "Stop", 2)
    said = "Stopped. The variables are gone: Check starts anew."
    assert note(page, 2, "Stopped") == said
    assert check(page, RIGHT) == "All right."


def test_what_asks_for_too_much_is_an_error_or_said(visit):
    page = visit("exercises/mul/")
    for body in "return np.ones(5 * 10**9, np.uint8)", "return bytearray(5 * 10**9)":
        check(page, with_da(body))
        assert "da  error\n    db  right" in report(page)
    check(page, with_da("import ctypes; ctypes.string_at(4_000_000_000)"), "itself has failed")
    assert check(page, RIGHT) == "All right."
    check(page, "raise KeyboardInterrupt", "The cell has failed")
    check(page, with_da("print('x' * 100_000_000); return dc * b"))
    assert "All right." in report(page)
