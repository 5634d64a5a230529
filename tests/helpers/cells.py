"""What a reader does with the cells of a page, in a browser."""

import pytest

from tests.helpers.limits import HANGING


def cell(page, number):
    return page.locator("article .cell").nth(number - 1)


def press(page, name, number):
    """Clicks on a button of a cell."""
    label = {"Restart": "Restart Python", "Reset": f"Reset this cell, number {number}"}
    name = label.get(name, f"{name} cell {number}")
    cell(page, number).get_by_role("button", name=name, exact=True).click()


def note(page, number, pattern):
    """What is said beside the buttons of a cell, once it is like the pattern."""
    page.wait_for_function(
        """([number, pattern]) => new RegExp(pattern).test(document
          .querySelectorAll("article .cell")[number].querySelector(".run-note").textContent)""",
        arg=[number - 1, pattern],
        timeout=HANGING * 1000,
    )
    return cell(page, number).locator(".run-note").text_content()


def run(page, number, ends_with="Done"):
    """Runs a cell to its end, and returns what it shows."""
    press(page, "Run", number)
    note(page, number, ends_with)
    return shown(page, number)


def shown(page, number):
    return "\n".join(cell(page, number).locator(".cell-out code").all_text_contents()).rstrip()


def write(page, number, code):
    """Opens the editor of a cell, if it is not open, and replaces what is there."""
    editor = cell(page, number).locator(".cm-content")
    if not editor.count():
        press(page, "Edit", number)
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(code)


FOCUSED = "(e => e.ariaLabel ?? e.textContent.trim())(document.activeElement)"


def tab_to(page, label):
    """Presses Tab until the focus is on what has this label or text."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == label:
            return
    pytest.fail(f"Tab does not reach {label}")
