"""The stepper, as a reader meets it: forward, back, by mouse, by keyboard and by touch."""

import json
import re

import pytest

import simplegrad as sg
from simplegrad import optimizers as optim
from tests.helpers.browsers import IN_BOTH
from tests.helpers.cells import cell, note, run, write
from tests.helpers.cells import press as press_button
from tests.helpers.limits import MISSING
from tests.helpers.site import check_with_axe, on_paper

pytestmark = pytest.mark.slow

PAGE = "step-through/"
PRODUCT, BACKWARD, ADAM, STATE, ERROR = range(5)  # the steppers of the page, in their order


def stepper(page, number):
    """A stepper, once it is there."""
    box = page.locator("[data-steps]").nth(number)
    box.scroll_into_view_if_needed()
    box.locator(".steps-bar").wait_for()
    return box


def board_of(page, number):
    """What it was made of."""
    address = page.locator("[data-steps]").nth(number).get_attribute("data-steps")
    return json.loads(page.evaluate("async url => (await fetch(url)).text()", address))


def place(box):
    """The step that is seen, from 0, and its function and line."""
    step = int(box.locator(".steps-place").text_content().split(" / ")[0]) - 1
    here = box.locator(".steps-stack [aria-current]").text_content()
    name, line = re.fullmatch(r"(.*), line (\d+)", here).groups()
    return step, name, int(line)


def variables(box):
    """The names and texts that are seen."""
    rows = box.locator(".steps-table tr")
    names = rows.locator("th").all_text_contents()
    texts = rows.locator("pre").all_text_contents()
    return dict(zip([name.removesuffix(" (changed)") for name in names], texts, strict=True))


def press(box, name):
    box.get_by_role("button", name=name, exact=True).click()


def go_to(box, step):
    box.get_by_role("slider", name="Step").evaluate(
        "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')) }", step
    )


def function_of(board, step):
    return board["functions"][board["activations"][step[0]][0]]


def depth_of(board, step):
    depth, above = 0, step[0]
    while above >= 0:
        depth, above = depth + 1, board["activations"][above][1]
    return depth


def seen_by_hand(board, last):
    """The variables of the innermost function after a number of steps, put together anew."""
    values = {}
    for step in board["steps"][: last + 1]:
        for activation, name, value in step[4]:
            values.setdefault(activation, {})[name] = value
            if value < 0:
                del values[activation][name]
    step = board["steps"][last]
    texts = {name: board["values"][v][1] for name, v in values.get(step[0], {}).items()}
    if step[2] != "line":
        texts[{"return": "returns", "exception": "raises"}[step[2]]] = board["values"][step[3]][1]
    return texts


@IN_BOTH
@pytest.mark.parametrize("number", range(5))
def test_each_step_shows_the_line_and_the_variables_of_that_moment(visit, trouble, number):
    page = visit(PAGE)
    box, board = stepper(page, number), board_of(page, number)
    count = len(board["steps"])
    for step in {0, 1, count - 1, *range(0, count, 7)}:
        go_to(box, step)
        function = function_of(board, board["steps"][step])
        assert place(box) == (step, function["name"], board["steps"][step][1])
        assert variables(box) == seen_by_hand(board, step)
        (code,) = box.locator(".steps-here code").all_text_contents()
        row = board["steps"][step][1] - function["first"]
        assert code == (function["source"][row] or " ")
    assert trouble == []


@IN_BOTH
def test_into_over_out_and_back_go_where_a_debugger_goes(visit):
    page = visit(PAGE)
    box, board = stepper(page, BACKWARD), board_of(page, BACKWARD)
    steps = board["steps"]
    depth = [depth_of(board, step) for step in steps]
    for start in 0, 3, 40, 90, len(steps) - 1:
        later = range(start + 1, len(steps))
        last = len(steps) - 1
        for button, target in {
            "Into": min(start + 1, last),
            "Over": next((k for k in later if depth[k] <= depth[start]), last),
            "Out": next((k for k in later if depth[k] < depth[start]), last),
            "Back": max(start - 1, 0),
        }.items():
            go_to(box, start)
            if box.get_by_role("button", name=button, exact=True).is_enabled():
                press(box, button)
                assert place(box)[0] == target, (button, start)


@IN_BOTH
def test_it_jumps_to_an_equation_to_a_function_and_to_a_line(visit):
    page = visit(PAGE)
    box = stepper(page, ADAM)
    jump = box.get_by_role("combobox", name="Jump to")
    label = next(x for x in jump.locator("option").all_text_contents() if x.startswith("m̂"))
    jump.select_option(label=label)
    step, name, line = place(box)
    assert (name, line) == ("Adam.update", optim.Adam.update.__code__.co_firstlineno + 7)
    assert box.locator(".steps-equation .katex").count() == 1
    assert "m_t" in variables(box)
    box.locator(".steps-line", has_text="v_hat = v_t").click()
    assert place(box) == (step + 1, "Adam.update", line + 1)
    box.locator(".steps-line", has_text="v_hat = v_t").click()  # the other group
    assert place(box)[0] > step + 1
    assert variables(box)["lr"] == "-0.01"


@IN_BOTH
def test_the_functions_that_wait_are_looked_into(visit):
    page = visit(PAGE)
    box = stepper(page, ADAM)
    go_to(box, 15)
    box.get_by_role("button", name=re.compile("Optimizer.step, line")).click()
    assert place(box)[:2] == (15, "Optimizer.step")
    assert variables(box)["name"] == "'w'"
    assert box.locator(".steps-waits").count() == 1


def test_what_has_changed_is_marked_and_said(visit):
    page = visit(PAGE)
    box = stepper(page, ADAM)
    box.get_by_role("combobox").select_option(index=1)
    press(box, "Into")
    assert box.locator(".steps-changed th").all_text_contents() == ["m_t (changed)"]
    said = box.get_by_role("status").text_content()
    assert said.startswith("Adam.update, line ")
    assert said.endswith(": vₜ = β₂ v + (1 - β₂) g²")


@IN_BOTH
def test_the_graph_grows(visit):
    page = visit(PAGE)
    box, board = stepper(page, PRODUCT), board_of(page, PRODUCT)
    nodes = "nodes => nodes.map(node => getComputedStyle(node).visibility)"
    for step in 0, max(board["graph"]["born"]), len(board["steps"]) - 1:
        go_to(box, step)
        shown = box.locator("[data-node]").evaluate_all(nodes)
        born = ["visible" if at <= step else "hidden" for at in board["graph"]["born"]]
        assert shown == born


@IN_BOTH
def test_the_steps_end_at_an_error(visit):
    page = visit(PAGE)
    box = stepper(page, ERROR)
    page.keyboard.press("Tab")
    box.get_by_role("button", name="Into").focus()
    page.keyboard.press("End")
    assert "raises ValueError" in box.get_by_role("status").text_content()
    assert box.get_by_role("button", name="Into").is_disabled()
    assert {"x", "y", "raises"} <= variables(box).keys()


FOCUSED = """[...document.activeElement.classList].find(name => name !== "focus-visible")
  ?? document.activeElement.tagName"""


@IN_BOTH
def test_all_of_it_works_by_keyboard(visit):
    page = visit(PAGE)
    box, board = stepper(page, ADAM), board_of(page, ADAM)
    box.get_by_role("button", name="Into").focus()
    for key, step in (("ArrowRight", 1), ("s", 2), ("b", 1), ("ArrowLeft", 0), ("n", 4)):
        page.keyboard.press(key)
        assert place(box)[0] == step, key
    page.keyboard.press("End")
    assert place(box)[0] == len(board["steps"]) - 1
    assert page.evaluate("document.activeElement !== document.body")
    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("s")
    assert place(box)[1] == "Adam.update"
    page.keyboard.press("r")
    assert place(box)[1] == "Optimizer.step"
    names = []
    for _ in range(8):  # every part has the focus once, and shows it
        page.keyboard.press("Tab")
        names.append(page.evaluate(FOCUSED))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) != "none", names
    assert {"steps-source", "steps-variables", "SELECT", "INPUT"} <= set(names)
    box.locator(".steps-source").focus()
    before = place(box)[0]
    page.keyboard.press("ArrowDown")
    marked = box.locator(".steps-marked").get_attribute("data-line")
    assert box.locator(".steps-source").get_attribute("aria-activedescendant").endswith(marked)
    page.keyboard.press("Enter")
    assert place(box)[0] != before
    assert place(box)[2] == int(marked)


def test_all_of_it_works_by_touch(visit):
    page = visit(PAGE, has_touch=True, viewport={"width": 390, "height": 800})
    box = stepper(page, PRODUCT)
    box.get_by_role("button", name="Into").tap()
    box.get_by_role("button", name="Into").tap()
    assert place(box)[0] == 2
    box.get_by_role("button", name="Back").tap()
    assert place(box)[0] == 1
    box.locator(".steps-ran").last.tap()
    for button in box.locator("button").all():
        assert button.bounding_box()["height"] >= 24
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_all_of_it_works_by_touch_in_firefox(finger, address):
    def read(selector, what):
        return f"document.querySelector('[data-steps] {selector}').{what}"

    step = f"return parseInt({read('.steps-place', 'textContent')})"  # of "2 / 25"
    finger.visit(address + PAGE)
    finger.tap("[data-steps]")  # into view
    finger.wait_for("[data-steps] .steps-bar")
    into, _, _, back = range(4)
    for button, expected in (into, 2), (into, 3), (back, 2):
        finger.tap("[data-steps] .steps-bar button", button)
        finger.wait_until(f"{step} == {expected}")
    finger.tap("[data-steps] .steps-bar input", part=0.95)
    finger.wait_until(f"{step} > 10")
    finger.tap("[data-steps] .steps-ran code")
    here, ran = read(".steps-here", "dataset.line"), read(".steps-ran", "dataset.line")
    finger.wait_until(f"return {here} == {ran}")
    height = "return document.querySelectorAll(arguments[0])[arguments[1]].offsetHeight"
    assert all(finger.evaluate(height, "[data-steps] .steps-bar button", n) >= 24 for n in range(4))
    assert finger.evaluate("return document.documentElement.scrollWidth <= innerWidth")


@IN_BOTH
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, scheme):
    page = visit(PAGE, color_scheme=scheme)
    for number in range(5):
        box = stepper(page, number)
        go_to(box, 12)
    stepper(page, ERROR).get_by_role("button", name="Into").focus()
    page.keyboard.press("End")
    check_with_axe(page, "[data-steps]")


@IN_BOTH
def test_without_javascript_the_lines_are_there(visit):
    page = visit(PAGE, java_script_enabled=False)
    text = page.locator("[data-steps]").nth(ADAM).text_content()
    assert "theta.data -= lr * m_hat / (np.sqrt(v_hat) + eps)" in text
    assert "θ -= lr m̂ / (√v̂ + ε)" in text


BROKEN = {
    "missing": ("step-through_*.json", lambda route: route.fulfill(status=404)),
    "cut off": ("step-through_*.json", lambda route: route.fulfill(body='{"call": "prod')),
    "out of reach": ("step-through_*.json", lambda route: route.abort()),
    "without its script": ("stepper-*.js", lambda route: route.abort()),
}


@pytest.mark.parametrize("how", BROKEN)
def test_steps_that_do_not_come_are_said_and_the_lines_stay(visit, how):
    files, answer = BROKEN[how]
    page = visit("install/")
    page.context.route(f"**/{files}", answer)
    page.goto(page.url.replace("install/", PAGE))
    box = page.locator("[data-steps]").nth(PRODUCT)
    box.locator(".run-note").wait_for()
    assert "could not be fetched" in box.locator(".run-note").text_content()
    assert "return a * b" in box.text_content()


@pytest.fixture
def saved(browser, tmp_path):
    """The stepper of a call, in a page that was saved."""
    page = browser.new_page()
    page.set_default_timeout(MISSING * 1000)

    def open_steps(call):
        sg.step_through(call).save(tmp_path / "steps.html")
        page.goto((tmp_path / "steps.html").as_uri())
        return page.locator(".steps")

    yield open_steps
    page.close()


def test_a_saved_page_works_from_a_folder_and_asks_nobody(browser, tmp_path):
    a, b = sg.Tensor(2.0, requires_grad=True), sg.Tensor(3.0)
    sg.step_through(lambda: (a * b).backward()).save(tmp_path / "steps.html")
    sg.step_through(len, []).save(tmp_path / "none.html")
    page = browser.new_page()
    page.set_default_timeout(MISSING * 1000)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "steps.html").as_uri())
    box = page.locator(".steps")
    press(box, "Into")
    assert place(box)[:2] == (1, "Tensor.__mul__")
    check_with_axe(page)
    page.goto((tmp_path / "none.html").as_uri())
    assert "ran no line that can be shown" in box.text_content()
    assert all(url.startswith("file:") for url in asked)
    page.close()


def test_it_says_its_place_while_the_slider_moves_and_its_line_else(saved):
    def spoken():
        return box.get_by_role("status").get_attribute("aria-live")

    box = saved(lambda: sg.Tensor(2.0) * 3.0)
    slider = box.get_by_role("slider", name="Step")
    slider.press("ArrowRight")
    assert (spoken(), slider.get_attribute("aria-valuetext")[:6]) == ("off", "step 2")
    press(box, "Into")
    assert spoken() == "polite"


def test_the_arrow_keys_begin_at_the_line_that_is_lit(saved):
    def call():
        a = 1
        b = 2
        return a + b

    box = saved(call)
    press(box, "Into")
    here = int(box.locator(".steps-here").get_attribute("data-line"))
    for key, away in ("ArrowDown", 1), ("ArrowUp", 0):
        box.locator(".steps-source").press(key)
        marked = box.locator(".steps-marked").get_attribute("data-line")
        assert int(marked) == here + away


def test_texts_are_texts(saved):
    def call():
        return "</script><!--<script><img src=x onerror=alert(1)>"

    box = saved(call)
    press(box, "Into")
    assert variables(box)["returns"] == repr(call())


def test_printed_the_step_is_on_paper(visit):
    page = visit(PAGE)
    box = stepper(page, ADAM)
    go_to(box, 14)
    page.emulate_media(media="print")
    assert not box.locator(".steps-bar").is_visible()
    assert box.locator(".steps-here").is_visible()


@IN_BOTH
def test_the_step_is_on_the_paper_without_buttons(visit):
    page = visit(PAGE)
    box = stepper(page, ADAM)
    go_to(box, 14)
    texts = box.locator(".steps-line code, .steps-variables pre").all_text_contents()
    buttons = box.locator(".steps-bar button").all_text_contents()
    paper = on_paper(page, box)
    for text in texts:
        assert "".join(text.split()) in paper
    assert "".join(buttons) not in paper


def test_a_recorded_step_of_adam_is_small(site):
    sizes = [path.stat().st_size for path in site.glob("step-through_*.json")]
    assert len(sizes) == 5
    assert max(sizes) < 150_000


# A reader's cell


@IN_BOTH
def test_a_readers_cell_is_stepped_through(visit, trouble):
    page = visit("explain/")
    write(
        page,
        1,
        "import simplegrad as sg\na = sg.Tensor(2.0, requires_grad=True)\nc = a * a\nc.backward()",
    )
    press_button(page, "Step through", 1)
    note(page, 1, "Done")
    box = cell(page, 1).locator(".steps")
    box.locator(".steps-bar").wait_for()
    assert place(box)[1:] == ("<module>", 1)
    for _ in range(4):  # what ends a cell is a piece of code of its own, so the first returns
        press(box, "Over")
    assert place(box)[2] == 4
    assert variables(box)["c"] == "4.0"
    assert box.get_by_role("combobox").locator("option", has_text="c = a b").count() == 1
    write(page, 2, "print(a.grad)")
    assert run(page, 2) == "4.0"  # what was stepped through has run
    write(page, 1, "import simplegrad as sg\nx = sg.Tensor([1.0])\ny = x @ x @ x")
    press_button(page, "Step through", 1)
    note(page, 1, "Done")
    box.locator(".steps-bar").wait_for()
    go_to(box, 10_000)
    assert "raises ValueError" in box.get_by_role("status").text_content()
    assert trouble == []


def test_steps_that_a_cell_returns_are_shown_in_its_place(visit):
    page = visit(PAGE)
    original = board_of(page, ADAM)
    press_button(page, "Run", 3)
    note(page, 3, "Done")
    box = cell(page, 3).locator(".steps")
    box.locator(".steps-bar").wait_for()
    assert box.locator(".steps-place").text_content() == f"1 / {len(original['steps'])}"
    box.get_by_role("combobox").select_option(index=1)
    assert box.locator(".steps-equation .katex").count() == 1
    press_button(page, "Reset", 3)
    assert cell(page, 3).locator("[data-steps]").count() == 1
