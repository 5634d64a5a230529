"""Figures that move: what is drawn is what simplegrad computes, however the sliders are moved."""

import ast
import functools
import gzip
import re

import numpy as np
import pytest

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad.tools.lines import rounded, text_of
from tests.helpers.browsers import IN_BOTH
from tests.helpers.limits import HANGING
from tests.helpers.site import ROOT, check_with_axe, on_paper

pytestmark = pytest.mark.slow

FIGURES = {  # on each page
    "": ["valley"],
    "tutorials/backward/": ["backward"],
    "tutorials/broadcasting/": ["broadcasting"],
    "tutorials/descent/": ["valley"],
    "tutorials/adam/": ["adam"],
}
EACH = [(url, name) for url, names in FIGURES.items() for name in names]
AGAIN = [("tutorials/descent/", "valley")]  # it is tried on Home
each_figure = pytest.mark.parametrize(
    ("url", "name"),
    [pytest.param(*one, marks=pytest.mark.long if one in AGAIN else []) for one in EACH],
    ids=lambda text: text.strip("/") or "home",
)
PHONE = {"width": 390, "height": 844}


def figure(page, name):
    """A figure that has come into view, and its data with it."""
    found = page.locator(f"#figure-{name}")
    found.scroll_into_view_if_needed()
    page.locator(f"#figure-{name}.figure-moves").wait_for(timeout=HANGING * 1000)
    return found


def controls(shown):
    return shown.locator("[data-control]").all()


def value(control):
    """What is written and said of its position."""
    return control.evaluate(f"control => {VALUE}")


VALUE = "(control.getAttribute('aria-valuetext') ?? control.selectedOptions[0].text)"
MOVE = f"""(figure, parts) => [...figure.querySelectorAll("[data-control]")].map((control, k) => {{
  control.value = Math.floor(parts[k] * (control.options?.length ?? Number(control.max) + 1))
  control.dispatchEvent(new Event("input"))
  return {VALUE}
}})"""


def put_at_random(shown, rng):
    """Moves all controls at once, as one question to the browser, and returns their values."""
    return shown.evaluate(MOVE, rng.random(10).tolist())


# Reading a drawing: only from what is seen in it, so that it is no matter how it was made


def ticks(svg, axis):
    """The texts at the ticks of an axis, and where they stand in the picture."""
    side = {"x": 0, "y": 1}[axis]
    found = {}
    for tick in svg.locator(f".tick-{axis}").all():
        place = tick.get_attribute("transform")
        found[tick.text_content()] = float(re.findall(r"[-\d.]+", place)[side])
    return found


def numbers_of(line, svg, x, y):
    """The points of a line as numbers; `x` and `y` give the number at a tick from its text.

    And how much one pixel of the picture is, in both directions.
    """
    steps = np.array(re.findall(r"-?\d+", line.get_attribute("d")), dtype=float).reshape(-1, 2)
    pixels = np.cumsum(steps, axis=0)
    numbers, pixel = [], []
    for axis, number, places in ("x", x, pixels[:, 0]), ("y", y, pixels[:, 1]):
        at = {number(text): place for text, place in ticks(svg, axis).items()}
        (first, from_place), *_, (last, to_place) = at.items()
        one = (last - first) / (to_place - from_place)
        numbers.append(first + (places - from_place) * one)
        pixel.append(abs(one))
    return np.stack(numbers, axis=1), np.array(pixel)


# The valley


def descent(make, kappa, angle, **hyperparameters):
    """The places and the losses of 50 steps, written as the chapter does."""
    turn = np.radians(angle)
    Q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    H = Q @ np.diag([1.0, kappa]) @ Q.T
    theta = sg.Tensor(Q @ [5.0, 1.0], requires_grad=True)
    opt = make(param_groups=[{"params": {"theta": theta}}], **hyperparameters)
    path, losses = [], []
    for _ in range(51):
        loss = (theta @ H @ theta) / 2
        path.append(theta.numpy())
        losses.append(loss.item())
        loss.backward()
        opt.step()
        opt.zero_grad()
    return np.array(path), np.array(losses)


def power(text):
    return float(text.removeprefix("10"))


def check_valley(shown, lr, mu, kappa, angle):
    """All that is drawn and written are the numbers of simplegrad."""
    lr, mu, kappa, angle = float(lr), float(mu), float(kappa), float(angle.rstrip("°"))
    runs = [
        descent(optim.SGD, kappa, angle, lr=lr),
        descent(optim.SGD, kappa, angle, lr=lr, momentum=mu),
        descent(optim.RMSProp, kappa, angle, lr=lr),
        descent(optim.Adam, kappa, angle, lr=lr),
    ]
    maps = shown.locator(".figure-map > svg").all()
    losses_drawn = shown.locator(".figure-half > svg")
    rows = shown.locator("tbody tr").all()
    for number, (path, losses) in enumerate(runs):
        line = maps[number].locator("svg > path.curve").last
        drawn, pixel = numbers_of(line, maps[number], float, float)
        assert len(drawn) == len(path) or np.any(abs(drawn[-1]) > 8)  # it has left the picture
        assert np.all(abs(drawn - path[: len(drawn)]) <= 0.51 * pixel)

        line = losses_drawn.locator(f".curve-{number + 1}")
        drawn, pixel = numbers_of(line, losses_drawn, float, power)
        assert len(drawn) == len(losses) or drawn[-1, 1] > 3
        expected = np.log10(np.maximum(losses[: len(drawn)], 1e-9))
        assert np.all(abs(drawn[:, 0] - np.arange(len(drawn))) <= 0.51 * pixel[0])
        assert np.all(abs(drawn[:, 1] - expected) <= 0.51 * pixel[1])

        place, loss = rows[number].locator("td").all_text_contents()
        assert place == "({:.2g}, {:.2g})".format(*path[-1])
        assert loss == f"{losses[-1]:.2g}"


# Adam


@functools.cache
def gradients_of_the_chapter():
    """{weight: its gradients}, from the cells of the chapter as they stand there."""
    cells = (ROOT / "tutorials" / "adam.py").read_text("utf-8").split("\n# %%")
    code = [cell.partition("\n")[2] for cell in cells if not cell.startswith(" [markdown]")]
    (collects,) = [cell for cell in code if cell.startswith("digits = ")]
    names = {"np": np, "sg": sg}
    exec(collects.replace("5000", "30"), names)
    return dict(zip(names["names"], names["gradients"].T, strict=True))


def check_adam(shown, weight, lr, beta_1, beta_2, eps, maximize, t):
    """The curves, and the numbers of the step, are those of the optimizer."""
    lr, beta_1, beta_2, eps = map(float, (lr, beta_1, beta_2, eps))
    maximize, t = maximize == "True", int(t)
    gradients = gradients_of_the_chapter()[weight]
    w = sg.Tensor(np.float64(0), requires_grad=True)
    hyperparameters = {"lr": lr, "beta_1": beta_1, "beta_2": beta_2, "eps": eps}
    opt = optim.Adam(param_groups=[{"params": {"w": w}}], **hyperparameters, maximize=maximize)
    thetas, lines = [w.item()], []
    for w.grad in gradients:
        lines.append([line for line in sg.explain(opt.step) if line.equation])
        thetas.append(w.item())

    moments, changes = shown.locator(".figure-half > svg").all()
    m_t, _, m_hat, v_hat, _ = np.array([[line.result for line in step] for step in lines]).T
    curves = [m_hat, m_t, np.sqrt(v_hat), gradients]
    drawn_on = [(moments, number, curve) for number, curve in enumerate(curves, 1)]
    for svg, number, curve in [*drawn_on, (changes, 1, np.diff(thetas))]:
        drawn, pixel = numbers_of(svg.locator(f".curve-{number}"), svg, float, float)
        expected = np.stack([np.arange(1, 31), curve], axis=1)
        assert np.all(abs(drawn - expected) <= 0.51 * pixel)

    texts = shown.locator(".figure-numbers").all_text_contents()
    codes = shown.locator(".figure-equations div > code").all_text_contents()
    for line, code, text in zip(lines[t - 1], codes, texts, strict=True):
        assert code == line.code
        assert text == f"= {rounded(line.numbers)} = {rounded(text_of(line.result))}"


# The backward pass

# Which node is lit, what its gradient is then, and the numbers of the line: L = u + v, w = 2
STEPS = [
    *[("w", "", ""), ("u", "", "2 * 2 = 4"), ("v", "", "2 * 4 = 8"), ("L", "", "4 + 8 = 12")],
    *[("L", "1", ""), ("u", "1", "1 = 1"), ("v", "1", "1 = 1"), ("w", "4", "1 * 4 = 4")],
    *[("u", "3", "1 * 2 = 2"), ("w", "10", "3 * 2 = 6"), ("w", "16", "3 * 2 = 6")],
    ("w", "16", ""),
]


def check_backward(shown, step):
    """One node is lit, and what has come by then stands in the nodes."""
    number = int(step.removesuffix(f" of {len(STEPS)}"))
    name, _, numbers = STEPS[number - 1]
    lit = shown.locator("[data-node].lit")
    assert re.match(rf"{name}\b", lit.locator("text").first.text_content())
    texts = shown.locator(".figure-numbers").all_text_contents()
    assert texts == ([f"= {numbers}"] if numbers else [])
    known = {}  # the gradients by then, the last of each
    for node, g, _ in STEPS[:number]:
        known[node] = g
    values = dict.fromkeys(node for node, _, _ in STEPS[:number])
    for node, value in zip("wuvL", (2, 4, 8, 12), strict=True):
        texts = (
            shown.locator("[data-node]").nth("wuvL".index(node)).locator("text").all_text_contents()
        )
        assert (f"value {value}" in texts) is (node in values)
        assert [t for t in texts if "grad" in t] == (
            [f"grad {known[node]}"] if known.get(node) else []
        )
    assert shown.locator("[data-edge].lit").count() == (5 < number < 12)
    assert ("gradients add up" in shown.locator(".figure-words").text_content()) is (
        number in {9, 10, 11}
    )
    w = sg.Tensor(2.0, requires_grad=True)
    (w * w + w * (w * w)).backward()
    assert STEPS[-1][1] == f"{w.grad:g}"


# Broadcasting


def check_broadcasting(shown, a_shape, b_shape, direction):
    """The copies are those of NumPy, and the gradient of a number is the sum over its copies."""
    shapes = [ast.literal_eval(a_shape), ast.literal_eval(b_shape)]
    a, b = (np.arange(1, np.prod(shape, dtype=int) + 1.0).reshape(shape) for shape in shapes)
    a = 10 * a
    text = shown.locator(".figure-grids").text_content()
    grids = [
        [float(number) for number in svg.locator("text").all_text_contents()]
        for svg in shown.locator(".figure-grid > svg").all()
    ]
    try:
        c = a + b
    except ValueError:
        with pytest.raises(ValueError, match="a") as raised:
            sg.Tensor(a, requires_grad=True, name="a") + sg.Tensor(b, requires_grad=True, name="b")
        assert str(raised.value).split() == text.partition("raises")[2].split()
        assert grids == []
        return
    if direction == "forward":
        wanted = [np.broadcast_to(a, c.shape), np.broadcast_to(b, c.shape), c]
    else:
        dc = np.arange(1, c.size + 1.0).reshape(c.shape)
        wanted = [dc]
        for array in (a, b):
            numbers = np.broadcast_to(np.arange(array.size).reshape(array.shape), c.shape)
            wanted += [dc, [dc[numbers == n].sum() for n in range(array.size)]]
    assert grids == [np.ravel(array).tolist() for array in wanted]
    for svg, array in zip(shown.locator(".figure-grid > svg").all()[:2], (a, b), strict=True):
        if direction == "forward":  # each number that was given is solid once
            given = [float(text) for text in svg.locator(".given text").all_text_contents()]
            assert given == array.ravel().tolist()


CHECKS = {
    "valley": check_valley,
    "adam": check_adam,
    "backward": check_backward,
    "broadcasting": check_broadcasting,
}


@each_figure
def test_at_20_random_positions_a_figure_shows_the_numbers_of_simplegrad(visit, trouble, url, name):
    shown = figure(visit(url), name)
    check_now(shown, name)
    rng = np.random.default_rng(0)
    for _ in range(20):
        CHECKS[name](shown, *put_at_random(shown, rng))
    assert trouble == []


@each_figure
def test_firefox_draws_the_same_at_these_20_positions(visit, trouble, firefox, url, name):
    both = [figure(visit(url), name), figure(visit(url, firefox), name)]
    rngs = [np.random.default_rng(0) for _ in both]
    for _ in range(20):
        for shown, rng in zip(both, rngs, strict=True):
            put_at_random(shown, rng)
        drawn, expected = (shown.inner_html() for shown in both)
        assert drawn == expected
    assert trouble == []


# However it is read

PAGES = ["", "benchmarks/", "drawing/", "tutorials/backward/", "tutorials/adam/"]


@pytest.mark.parametrize("url", PAGES, ids=lambda url: url.strip("/") or "home")
def test_each_sentence_of_a_figure_is_heard_once(visit, url):
    figures = visit(url).locator("figure:visible")
    captions = figures.locator("figcaption").all_text_contents()
    assert captions
    for shown, caption in zip(figures.all(), captions, strict=True):
        heard = re.findall(r"\w+", shown.aria_snapshot())
        for sentence in re.split(r"[.][ ¶]", caption)[1:-1]:  # without number and link
            words = re.findall(r"\w+", sentence)[:5]
            starts = [heard[i : i + 5] == words for i in range(len(heard))]
            assert sum(starts) == 1, sentence


# However it is moved


def check_now(shown, name):
    """It is right as it stands."""
    CHECKS[name](shown, *map(value, controls(shown)))


@IN_BOTH
@each_figure
def test_a_figure_is_moved_by_keyboard_alone(visit, url, name):
    page = visit(url)
    shown = figure(page, name)
    shown.evaluate("figure => { figure.tabIndex = -1; figure.focus() }")  # as if read up to there
    for control in controls(shown):
        before = value(control)
        while not control.evaluate("control => control === document.activeElement"):
            page.keyboard.press("Tab")
            assert shown.evaluate("figure => figure.contains(document.activeElement)")
        page.keyboard.press("ArrowLeft" if control.input_value() != "0" else "ArrowRight")
        assert value(control) != before
    check_now(shown, name)


def away_from(position):
    """A part of the width of a slider where it is at another position."""
    return 0.95 if position == "0" else 0.25


@IN_BOTH
@each_figure
def test_a_figure_is_moved_by_mouse(visit, url, name):
    shown = figure(visit(url), name)
    for control in controls(shown):
        before = value(control)
        if (
            control.evaluate("c => c.tagName") == "SELECT"
        ):  # its list is the system's, not the page's
            control.select_option(index=int(control.input_value() == "0"))
        else:
            box = control.bounding_box()
            part = away_from(control.input_value())
            control.click(position={"x": part * box["width"], "y": box["height"] / 2})
        assert value(control) != before
    check_now(shown, name)


@each_figure
def test_a_figure_is_moved_by_touch(visit, url, name):
    page = visit(url, has_touch=True, is_mobile=True, viewport=PHONE)
    shown = figure(page, name)
    for slider in shown.locator("input[type=range]").all():
        before = value(slider)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box["height"] >= 24
        part = away_from(slider.input_value())
        page.touchscreen.tap(box["x"] + part * box["width"], box["y"] + box["height"] / 2)
        assert value(slider) != before
    check_now(shown, name)
    for other in shown.locator("button:visible, select").all():
        assert other.bounding_box()["height"] >= 24


@each_figure
def test_a_figure_is_moved_by_touch_in_firefox(finger, address, chromium, url, name):
    finger.visit(address + url)
    box = f"#figure-{name}"
    finger.tap(f"{box} figcaption")  # into view
    finger.wait_for(f"{box}.figure-moves")
    every = "return [...document.querySelectorAll(arguments[0])]"
    sliders = f"{box} input"
    for number, position in enumerate(finger.evaluate(f"{every}.map(s => s.value)", sliders)):
        finger.tap(sliders, number, away_from(position))
        finger.wait_until(f"{every}[arguments[1]].value != arguments[2]", sliders, number, position)
    small = f"{every}.filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24)"
    assert finger.evaluate(f"{small}.length", f"{box} :is(input, button, select)") == 0
    page = chromium.new_page(java_script_enabled=False)  # which only reads what Firefox has drawn
    page.set_content(finger.evaluate(f"{every}[0].outerHTML", box))
    check_now(page.locator(box), name)
    page.close()


@IN_BOTH
@each_figure
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_figure_that_was_moved(visit, url, name, scheme):
    page = visit(url, color_scheme=scheme)
    put_at_random(figure(page, name), np.random.default_rng(1))
    check_with_axe(page, f"#figure-{name}")


@IN_BOTH
@each_figure
def test_a_figure_does_not_move_by_itself(visit, url, name):
    shown = figure(visit(url, reduced_motion="no-preference"), name)
    moved = """figure => new Promise(done => {
      const watch = new MutationObserver(() => done(true))
      watch.observe(figure, {subtree: true, childList: true, attributes: true, characterData: true})
      let frames = 0
      const next = () => ++frames < 100 ? requestAnimationFrame(next) : done(false)
      next()
    })"""
    assert shown.evaluate(moved) is False


@each_figure
def test_a_figure_is_printed_as_it_stands_with_the_values_and_without_sliders(visit, url, name):
    page = visit(url)
    shown = figure(page, name)
    put_at_random(shown, np.random.default_rng(2))
    page.emulate_media(media="print")
    assert shown.locator("svg").first.is_visible()
    assert shown.locator("figcaption").is_visible()
    for text in shown.locator("output, label").all():
        assert text.is_visible()
    assert shown.locator(":is(input, button, select):visible").count() == 0


@IN_BOTH
@each_figure
def test_a_figure_is_on_the_paper_with_its_words_its_values_and_without_buttons(visit, url, name):
    page = visit(url)
    shown = figure(page, name)
    put_at_random(shown, np.random.default_rng(2))
    texts = shown.locator("svg text, figcaption, label, output").all_text_contents()
    buttons = shown.locator("button").all_text_contents()
    paper = on_paper(page, shown)
    for text in texts:
        assert "".join(text.removesuffix("¶").split()) in paper
    assert not buttons or "".join(buttons) not in paper


# Where something is missing


@IN_BOTH
@each_figure
def test_without_javascript_there_are_a_still_picture_its_words_and_a_sentence(visit, url, name):
    page = visit(url, java_script_enabled=False)
    shown = page.locator(f"#figure-{name}")
    assert shown.get_by_text("allow the page JavaScript").is_visible()
    assert shown.locator("svg").first.is_visible()
    assert shown.locator("figcaption").is_visible()
    assert shown.locator(":is(input, button, select):visible").count() == 0
    check_now(shown, name)


BROKEN = {
    "missing": lambda route: route.abort(),
    "damaged": lambda route: route.fulfill(body="document.currentScript.da"),
    "something else": lambda route: route.fulfill(status=404, body="<h1>Not found</h1>"),
}


@pytest.mark.parametrize("how", BROKEN)
@each_figure
def test_where_the_data_do_not_come_a_sentence_says_so_and_the_picture_stays(visit, url, name, how):
    page = visit("explain/")
    page.route(f"**/assets/figures/{name}-*.js", BROKEN[how])
    page.goto(page.url.removesuffix("explain/") + url)
    shown = page.locator(f"#figure-{name}")
    shown.scroll_into_view_if_needed()
    shown.get_by_text("cannot be fetched").wait_for()
    assert shown.locator("svg").first.is_visible()
    assert shown.locator("output").first.is_visible()
    assert shown.locator("input, button, select").count() == 0


@each_figure
def test_where_what_moves_all_figures_does_not_come_a_sentence_says_so(visit, url, name):
    page = visit("explain/")
    page.route("**/assets/figures/*.js", BROKEN["missing"])
    page.goto(page.url.removesuffix("explain/") + url)
    shown = page.locator(f"#figure-{name}")
    shown.get_by_text("cannot be fetched").wait_for()
    assert shown.locator("svg").first.is_visible()
    assert shown.locator(":is(input, button, select):visible").count() == 0


@each_figure
def test_a_figure_moves_on_a_page_that_was_opened_from_a_folder(browser, site, url, name):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{(site / url / 'index.html').as_uri()}")
    shown = figure(page, name)
    CHECKS[name](shown, *put_at_random(shown, np.random.default_rng(3)))
    page.close()


# Playing


def test_back_next_and_play_move_a_slider(visit):
    page = visit("tutorials/backward/", reduced_motion="no-preference")
    shown = figure(page, "backward")
    (slider,) = controls(shown)

    def press(name):
        shown.get_by_role("button", name=name, exact=True).click()

    def wait_for(text):
        page.wait_for_function(
            "([slider, text]) => slider.getAttribute('aria-valuetext') === text",
            arg=[slider.element_handle(), text],
        )

    for names, text in {"Back": "10 of 12", "Next Next": "12 of 12", "Next": "12 of 12"}.items():
        for name in names.split():
            press(name)
        assert value(slider) == text
    press("Play")  # from the end, it starts again
    wait_for("2 of 12")
    press("Pause")
    assert shown.get_by_role("button", name="Play").is_visible()
    slider.fill("10")
    press("Play")
    wait_for("12 of 12")
    shown.get_by_role("button", name="Play").wait_for()  # it stops by itself
    check_backward(shown, value(slider))


# What it costs


@each_figure
def test_a_figure_costs_at_most_so_many_bytes(visit, site, url, name):
    page = visit(url)
    shown = figure(page, name)
    fetched = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    sizes = {
        path: len(gzip.compress((site / path).read_bytes()))
        for path in (address.partition(page.url.removesuffix(url))[2] for address in fetched)
        if path.startswith("assets/figures/")
    }
    markup = sum(
        len(gzip.compress(one.evaluate("figure => figure.outerHTML").encode()))
        for one in page.locator(".figure").all()
    )
    (data,) = [size for path, size in sizes.items() if path.startswith(f"assets/figures/{name}-")]
    assert shown.is_visible()
    assert data <= 250_000
    assert sum(sizes.values()) + markup <= 400_000


def test_a_page_without_a_figure_fetches_nothing_for_one(visit):
    page = visit("explain/")
    fetched = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert fetched
    assert not [url for url in fetched if "assets/figures/" in url]


def test_all_figures_of_the_site_are_tested():
    sources = (*ROOT.glob("docs/*.py"), *ROOT.glob("tutorials/*.py"))
    text = "".join(path.read_text("utf-8") for path in sources)
    assert sorted(re.findall(r"<!-- figure: (\w+) -->", text)) == sorted(name for _, name in EACH)
    assert {name for _, name in EACH} == {path.stem for path in ROOT.glob("docs/figures/*.py")}
