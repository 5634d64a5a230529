"""`sg.step_through`: it shows what a debugger shows, at each line, and changes nothing."""

import functools
import gc
import json
import linecache
import pdb
import re
import signal
import sys
import weakref
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim
from simplegrad.tools import recorder
from tests.helpers.work import traced_by

PACKAGE = str(Path(sg.__file__).parent)
TOOLS = str(Path(recorder.__file__).parent)


# What is stepped through


def two_groups():
    """An Adam with two groups that differ in lr and maximize, before its step."""
    w, b = (sg.Tensor(x, requires_grad=True) for x in ([1.0, -2.0, 3.0], 0.5))
    w.grad, b.grad = np.array([0.1, 0.2, -0.3]), np.array(2.0)
    first = {"params": {"w": w}, "label": "weights"}
    second = {"params": {"b": b}, "label": "bias", "lr": 0.01, "maximize": True}
    return optim.Adam(lr=0.1, param_groups=[first, second])


def a_product():
    a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
    b = sg.Tensor([[3.0], [4.0]], requires_grad=True, name="b")
    return a * b


def a_loss():
    sg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2))
    return sg.cross_entropy(model(sg.normal((5, 3))), [0, 1, 1, 0, 1])


def whole_step():
    opt = two_groups()
    for _ in range(2):
        opt.step()
    return opt.state()


def comprehensions():
    squares = [k * k for k in range(3)]
    total = sum(k for k in squares)
    names = {str(k): np.arange(k) for k in squares}
    return total, names


COUNTED = {".0", "since", "now", "ids"}  # go on from call to call, or are no names

CALLS = {
    "a * b": lambda: a_product,
    "forward": lambda: a_loss,
    "backward": lambda: a_loss().backward,
    "Adam.step": lambda: two_groups().step,
    "Adam.state": lambda: two_groups().state,
    "two steps": lambda: whole_step,
    "comprehensions": lambda: comprehensions,
}


# As a debugger sees it


def told(value):
    """The numbers of a value, as pdb prints them; None of what has none."""
    value = value.data if isinstance(value, sg.Tensor) else value
    if isinstance(value, np.ndarray | np.generic):
        return str(value) if np.size(value) <= recorder.WHOLE else None
    return repr(value) if isinstance(value, int | float | str | None) else None


class Stepping(pdb.Pdb):
    """A pdb that is told `step` again and again, and notes what it could print."""

    def __init__(self):
        super().__init__(nosigint=True, readrc=False)
        self.seen = []

    def user_line(self, frame):
        file = frame.f_code.co_filename
        if file == __file__ or (file.startswith(PACKAGE) and not file.startswith(TOOLS)):
            shown = {}
            for name, value in frame.f_locals.items():
                try:
                    shown[name] = told(value)
                except AttributeError:  # a tensor that is being made
                    shown[name] = None
            self.seen.append((frame.f_code.co_name, frame.f_lineno, shown))
        self.set_step()

    def user_call(self, frame, arguments):
        self.set_step()

    user_return = user_exception = user_call


def shown_at_lines(steps):
    """The same, of a storyboard: function, line, and the text of each variable."""
    board = json.loads(json.dumps(steps.storyboard))
    variables = {}
    for activation, line, event, _, changes, _ in board["steps"]:
        for of, name, value in changes:
            variables.setdefault(of, {})[name] = value
            if value == -1:
                del variables[of][name]
        if event == "line":
            function = board["functions"][board["activations"][activation][0]]
            mine = variables.get(activation, {})
            texts = {name: board["values"][value][1] for name, value in mine.items()}
            yield function["name"].rpartition(".")[2], line, texts


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_its_lines_and_values_are_those_of_pdb(make):
    make()()  # what is cached is computed once
    debugger, call = Stepping(), make()
    with traced_by(None):
        debugger.runcall(call)
    lines = list(shown_at_lines(sg.step_through(make())))
    assert [line[:2] for line in lines] == [line[:2] for line in debugger.seen]
    compared = 0
    for (function, line, texts), (_, _, values) in zip(lines, debugger.seen, strict=True):
        for name, value in values.items():
            if value is not None and name not in COUNTED and function != "tape_of":  # a set
                text = texts[name].split("\ngrad ")[0]
                is_object = re.fullmatch(r"\w+ object", text)
                assert is_object or text == value, (function, line, name)
                compared += 1
    assert compared > len(lines) / 2


def test_it_shows_every_name_of_every_line_and_the_five_equations_of_adam():
    board = sg.step_through(two_groups().step).storyboard
    functions = [board["functions"][number] for number, _ in board["activations"]]
    equations = []
    for activation, line, event, *_ in board["steps"]:
        number = functions[activation]["equations"].get(str(line))
        if event == "line" and number is not None:
            assert functions[activation]["name"] == "Adam.update"
            equations.append(board["equations"][number]["text"])
    five = [
        *("mₜ = β₁ m + (1 - β₁) g", "vₜ = β₂ v + (1 - β₂) g²"),
        *("m̂ = mₜ / (1 - β₁ᵗ)", "v̂ = vₜ / (1 - β₂ᵗ)", "θ -= lr m̂ / (√v̂ + ε)"),
    ]
    assert equations == five * 2
    rates = [
        texts["lr"]
        for name, line, texts in shown_at_lines(sg.step_through(two_groups().step))
        if "m_t" in texts
    ]
    assert set(rates) == {"0.1", "-0.01"}


# What it does not do


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_the_bits_are_those_of_the_call_alone(make):
    def numbers(result):
        if isinstance(result, sg.Tensor):
            return [result.data.tobytes()]
        return repr(result)

    assert numbers(sg.step_through(make()).result) == numbers(make()())


def test_the_step_is_taken_once_and_the_trace_function_is_as_before():
    opt, alone = two_groups(), two_groups()
    before = sys.gettrace()
    sg.step_through(opt.step)
    alone.step()
    assert sys.gettrace() is before
    assert opt.step_count == 1
    for group, other in zip(opt.param_groups, alone.param_groups, strict=True):
        for theta, phi in zip(group["params"].values(), other["params"].values(), strict=True):
            assert theta.data.tobytes() == phi.data.tobytes()


def test_nothing_is_left_for_the_collector():
    for _ in range(2):  # what is imported and cached at first is garbage, too
        gc.collect()
        gc.disable()
        try:
            for make in (*CALLS.values(), lambda: raising, lambda: untraced):
                sg.step_through(make())._repr_html_()
            left = gc.collect()
        finally:
            gc.enable()
    assert left == 0


# Calls that end otherwise


def raising():
    a = sg.Tensor([1.0, 2.0])
    return a @ sg.Tensor([1.0, 2.0, 3.0])


def test_the_steps_end_at_the_error_with_the_variables():
    steps = sg.step_through(raising)
    assert steps.result is None
    assert steps.error.startswith("ValueError: a @ b")
    assert "ValueError" in repr(steps)
    board = steps.storyboard
    activation, _, event, value, *_ = board["steps"][-1]
    assert (activation, event) == (0, "exception")  # it has passed all functions
    assert board["values"][value][1].startswith("ValueError: a @ b")
    assert board["end"].startswith("ValueError: a @ b")


def test_a_call_without_lines_is_said_to_have_none():
    steps = sg.step_through(len, [1, 2])
    assert (len(steps), steps.result, steps.storyboard["steps"]) == (0, 2, [])


def test_a_call_can_be_made_twice_and_within_another():
    opt = two_groups()
    opt.step()
    first, second = sg.step_through(opt.step), sg.step_through(opt.step)
    assert len(first) == len(second)
    assert opt.step_count == 3
    outer = sg.step_through(lambda: sg.step_through(opt.step))
    assert len(outer.result) == len(first)


def test_it_keeps_5000_steps_and_then_a_sentence():
    def count():
        for k in range(9_000):
            k += 1
        return k

    steps = sg.step_through(count)
    assert steps.result == 9_000
    assert len(steps) == recorder.LIMIT == 5_000
    assert steps.storyboard["end"].startswith("These are the first 5,000 steps. The call went on")


def test_the_globals_may_be_anything():
    call = FunctionType(raising.__code__, {"sg": sg, "posing": Posing()})
    assert sg.step_through(call).storyboard["functions"][0]["name"] == "raising"


def untraced():
    before = 1
    sys.settrace(None)  # as where breakpoint() has ended
    after = 2
    return before + after


def test_that_another_took_its_place_is_said():
    steps = sg.step_through(untraced)
    assert (len(steps), steps.result) == (2, 3)
    assert steps.storyboard["end"].startswith("From here on, nothing was written down")


def test_after_the_last_step_the_call_is_not_watched():
    def call():
        for _ in range(recorder.LIMIT):
            pass
        return sys.gettrace()

    before = sys.gettrace()
    assert sg.step_through(call).result is None
    assert sys.gettrace() is before


def test_an_error_may_have_no_text():
    def call():
        raise HostileError

    steps = sg.step_through(call)
    assert steps.error == steps.storyboard["end"] == "HostileError"


def interrupted_after(count):
    """Ctrl-C in a loop that does not end, also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    k = 0
    while True:
        k += 1
        if k == count:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("call", "arg", "error"),
    [
        (interrupted_after, 10, "KeyboardInterrupt"),
        (interrupted_after, 9_000, "KeyboardInterrupt"),  # long after the last step
        (sys.exit, "enough", "SystemExit"),
    ],
)
def test_the_steps_end_where_the_program_would(call, arg, error):
    before = signal.getsignal(signal.SIGINT)
    steps = sg.step_through(lambda: call(arg))
    signal.signal(signal.SIGINT, before)
    assert steps.error.startswith(error)
    assert 2 <= len(steps) <= recorder.LIMIT
    assert error in steps.storyboard["end"]


def test_the_end_of_an_iteration_is_no_error():
    async def numbers():
        yield 1

    async def call():
        return [k async for k in numbers()]

    def run():
        try:
            call().send(None)
        except StopIteration as end:
            return end.value

    steps = sg.step_through(run)
    assert steps.result == [1]
    assert "exception" not in {event for _, _, event, *_ in steps.storyboard["steps"]}


# What is kept


@pytest.mark.parametrize("requires_grad", [False, True])
def test_the_tensors_of_a_long_call_are_not_kept(requires_grad):
    made = []

    def call(x):
        for _ in range(recorder.LARGEST_GRAPH + 10):
            x = x * 2.0
            made.append(weakref.ref(x))

    steps = sg.step_through(call, sg.Tensor(1.0, requires_grad=requires_grad))
    assert len(steps) > 0
    assert not any(one() for one in made)


def test_a_line_that_runs_is_in_the_source_that_is_shown():
    def call(numbers):
        if numbers and all(
            k > 0
            and k < 9
            for k in numbers
            if k
        ):  # fmt: skip
            return True

    board = sg.step_through(call, [1, 2]).storyboard
    for activation, line, *_ in board["steps"]:
        function = board["functions"][board["activations"][activation][0]]
        assert 0 <= line - function["first"] < len(function["source"])


def test_the_source_of_a_function_ends_with_it_wherever_it_stands(tmp_path):
    path = tmp_path / "script.py"
    for before in "", "# a line\n":
        linecache.clearcache()
        path.write_text(f"{before}def call():\n    x = 1\n    return x\n\n\ncall()\n")
        names = {}
        exec(compile(path.read_text(), str(path), "exec"), names)
        (function,) = sg.step_through(names["call"]).storyboard["functions"]
        assert function["source"] == ["def call():", "    x = 1", "    return x"]


def test_equal_functions_of_two_files_are_told_apart(tmp_path):
    functions = []
    for name in "one.py", "two.py":
        (tmp_path / name).write_text(f"def f(x):\n    return x  # {name}\n", encoding="utf-8")
        names = {}
        exec(compile((tmp_path / name).read_text("utf-8"), tmp_path / name, "exec"), names)
        functions.append(names["f"])

    board = sg.step_through(lambda: [f(1) for f in functions]).storyboard
    files = [one["file"] for one in board["functions"] if one["name"] == "f"]
    assert files == ["one.py", "two.py"]


def test_what_is_no_function_is_refused_with_the_corrected_call():
    with pytest.raises(TypeError, match=r"Write sg\.step_through\(opt\.step\), without"):
        sg.step_through(two_groups().step())


# Values


def texts_of(variables, name="x"):
    """What is shown of a variable, in all steps in which it changes."""

    def call(x):
        variables(x) if callable(variables) else None
        return None

    return call


class Hostile(dict):
    """A dict, a list and the like may be anything; nothing of it is called."""

    def no(self, *args):
        raise RuntimeError("it was called")

    __len__ = __iter__ = __getitem__ = items = keys = __repr__ = __eq__ = __hash__ = __bool__ = no


class HostileList(list):
    __len__ = __iter__ = __getitem__ = __repr__ = __eq__ = __bool__ = Hostile.no


class HostileNumber(float):
    __repr__ = __str__ = __eq__ = __bool__ = Hostile.no
    __hash__ = Hostile.no


class HostileArray(np.ndarray):
    tobytes = __repr__ = __eq__ = Hostile.no
    size = flat = property(Hostile.no)


class HostileError(Exception):
    __str__ = __repr__ = Hostile.no


class HostileText(str):
    __repr__ = Hostile.no


class WithoutHash(type):
    __eq__ = Hostile.no


class HostileClass(metaclass=WithoutHash):
    pass


class Posing:
    """As a proxy of what is not there yet."""

    __class__ = property(Hostile.no)


def named(name):
    t = sg.Tensor([1.0])
    t.name = name
    return t


VALUES = {
    "a large array": (np.arange(100.0), "[0. 1. 2. …"),
    "an array of 64": (np.arange(64), str(np.arange(64))),
    "a matrix": (np.eye(2), "[[1. 0.]\n [0. 1.]]"),
    "objects": (np.array([{}, None]), "ndarray object"),
    "a long text": ("x" * 1000, "'" + "x" * 119 + " …"),
    "a dict": ({"a": 1, "b": np.ones(2)}, "'a': 1\n'b': [1. 1.]"),
    "many": (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, … 12 more"),
    "lists in a list": ([[1, [2]], ()], "list of 2, empty tuple"),
    "a function": (np.linalg.norm, "norm"),
    "a class": (sg.Tensor, "Tensor"),
    "an object": (object(), "object object"),
    "a tensor": (sg.Tensor([1.0], name="w"), "[1.]"),
    "a hostile dict": (Hostile(a=1), "'a': 1"),
    "a hostile list": (HostileList([1]), "1"),
    "a hostile number": (HostileNumber(1.5), "HostileNumber whose repr raises RuntimeError"),
    "a hostile array": (np.ones(2).view(HostileArray), "[1. 1.]"),
    "a hostile error": (HostileError(), "HostileError"),
    "a hostile text": (HostileText("x" * 1000), "'" + "x" * 119 + " …"),
    "a hostile class": (HostileClass(), "HostileClass object"),
    "functions in a dict": (
        {functools.partial(len): 1},
        "functools.partial(<built-in function len>): 1",
    ),
    "a tensor without a usual name": ([named(3)], "Tensor 3 float32 (1,)"),
    "no bytes": (np.zeros(2, "V0"), "[b'' b'']"),
}


@pytest.mark.parametrize(("value", "text"), VALUES.values(), ids=VALUES)
def test_a_value_is_shown_short_and_nothing_of_it_is_called(value, text):
    def call(x):
        return None

    steps = sg.step_through(call, value)
    assert not steps.error
    ((_, _, texts),) = shown_at_lines(steps)
    assert texts == {"x": text}


def test_a_function_that_waits_sees_what_is_changed_in_place():
    def change(x):
        x += 1
        return x

    def outer(x):
        change(x)

    board = sg.step_through(outer, np.zeros(2)).storyboard
    seen = [
        (board["steps"][k][1], board["values"][value][1])
        for k, step in enumerate(board["steps"])
        for activation, name, value in step[4]
        if (activation, name) == (0, "x")
    ]
    assert [text for _, text in seen] == ["[0. 0.]", "[1. 1.]"]
    assert seen[1][0] == change.__code__.co_firstlineno + 2  # within change, after x += 1


def test_a_variable_that_is_deleted_is_gone():
    def call():
        x = 1
        y = x
        del x
        return y

    *_, (_, _, before), (_, _, after) = shown_at_lines(sg.step_through(call))
    assert (before, after) == ({"x": "1", "y": "1"}, {"y": "1"})


# The graph


def test_the_graph_grows_and_its_gradients_come_back():
    x = sg.Tensor([1.0, 2.0], requires_grad=True, name="x")

    def call():
        loss = (x * 3).sum()
        loss.backward()

    board = sg.step_through(call).storyboard
    nodes = re.findall(r'data-node="(\d+)" data-kind="(\w+)"', board["graph"]["svg"])
    assert [kind for _, kind in nodes] == ["parameter", "constant", "result", "result"]
    assert board["graph"]["born"] == sorted(board["graph"]["born"])
    grads = [row for step in board["steps"] for row in step[5] if row[1] == "grad"]
    assert [(node, text) for node, _, text in grads] == [
        *((3, "grad 1"), (3, ""), (2, "grad [1, 1]"), (2, "")),
        *((0, "grad [3, 3]"), (0, ""), (0, "grad [3, 3]")),  # on its way, and then in x.grad
    ]


def test_a_graph_that_is_too_large_is_said_to_be():
    x = sg.Tensor(1.0, requires_grad=True)

    def call(c):
        for _ in range(70):
            c = c * 1.0
        return c

    graph = sg.step_through(call, x).storyboard["graph"]
    assert "too many to follow" in graph["sentence"]


# The page


def test_the_page_is_one_file_that_asks_nobody(tmp_path):
    sg.step_through(lambda: "</script><script>alert(1)</script>" and a_product()).save(
        tmp_path / "steps.html"
    )
    page = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\s\"'\\]+", page.replace("http://www.w3.org/", "")) == []
    assert page.count("</script>") == 2
    assert len(page) < 150_000


def test_no_text_changes_how_the_page_is_read(tmp_path):
    def call():
        return "<!--<script>"  # without its end, a script would go on after </script>

    call.__qualname__ = "</title><script>"
    sg.step_through(call).save(tmp_path / "steps.html")
    page = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert "<!--<" not in page
    assert page.count("</title>") == 1


def test_the_equations_of_the_page_are_typeset_where_latex2mathml_is_installed():
    pytest.importorskip("latex2mathml")
    page = sg.step_through(two_groups().step)._page()
    assert page.count('"markup": "\\u003cmath xmlns') == 5


def test_a_page_has_another_ending():
    with pytest.raises(ValueError, match=r'Write steps\.save\("steps\.html"\)'):
        sg.step_through(a_product).save("steps.txt")


def test_a_notebook_shows_the_page_in_a_frame():
    html = sg.step_through(a_product)._repr_html_()
    assert html.startswith("<iframe srcdoc=")
    assert "sandbox" not in html


def test_printed_it_is_the_lines_that_compute():
    assert str(sg.step_through(two_groups().step)).split("\n")[1] == (
        "Adam.update:96   m_t = beta_1 * m + (1 - beta_1) * g                mₜ = β₁ m + (1 - β₁) g"
    )
