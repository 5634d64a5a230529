"""detect_anomaly and detect_accumulation: what they find, and what they let pass."""

import cProfile
import inspect
import operator
import sys
import warnings

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.tensor import record


def w(*data):
    return sg.Tensor(np.array(data), requires_grad=True)


def this_line(offset=0):
    return f"{__file__}:{inspect.currentframe().f_back.f_lineno + offset}: "


def message_of(call):
    with pytest.raises(FloatingPointError) as caught, sg.detect_anomaly():
        call()
    assert sys.getprofile() is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("call", "first", "line", "hint"),
    [
        (
            lambda: sg.log(w(1.0, 0.0)),
            "Log gives -inf in forward: c[1] = -inf, where a[1] = 0.",
            "return np.log(a)",
            "Write sg.log(a + 1e-8)",
        ),
        (
            lambda: w(1.0, 0.0) / w(1.0, 0.0),
            "Div gives nan in forward: c[1] = nan, where a[1] = 0, b[1] = 0.",
            "return a / b",
            "Write a / (b + 1e-8)",
        ),
        (
            lambda: sg.exp(w(1e4)).sum(),
            "Exp gives inf in forward: c[0] = inf, where a[0] = 10000.",
            "return np.exp(a)",
            "Write sg.logsumexp(a)",
        ),
        (
            lambda: sg.sqrt(w(0.0)).backward(),
            "Sqrt gives inf in backward: da[0] = inf, where dc[0] = 1, c[0] = 0, a[0] = 0.",
            "return dc / (2 * c)",
            "Write sg.sqrt(a + 1e-8)",
        ),
        (
            lambda: w(-1.0) ** 0.5,
            "Pow gives nan in forward: c[0] = nan, where a[0] = -1, b = 0.5.",
            "return a**b",
            "sg.abs(a) ** b",
        ),
        (
            lambda: sg.Tensor([3e38, 3e38], requires_grad=True).sum(),
            "Sum gives inf in forward: c = inf, where a is from 3e+38 to 3e+38.",
            "return np.sum(a, axis=axis, keepdims=keepdims)",
            "",
        ),
        (
            lambda: sg.stack([w(1.0), w(np.nan)]),
            "Stack is given nan in forward: c[1, 0] = nan, where a_0[1, 0] = 1, a_1[1, 0] = nan.",
            "return np.stack(a, axis)",
            "It was there before",
        ),
        (
            lambda: (w(1.0) * 2).backward(np.array([np.nan])),
            "Mul is given nan in backward: da[0] = nan, "
            "where dc[0] = nan, c[0] = 2, a[0] = 1, b = 2.",
            "return dc * b",
            "It was there before",
        ),
    ],
)
def test_the_first_number_that_is_not_finite_is_named(call, first, line, hint):
    message = message_of(call)
    assert message.splitlines()[0] == first
    assert line in message.splitlines()[1]
    assert hint in message


def test_a_mean_of_nothing_is_an_anomaly():
    with pytest.warns(RuntimeWarning, match="empty slice"):
        message = message_of(lambda: sg.zeros((0, 2), requires_grad=True).mean())
    assert message.startswith("Mean gives nan in forward: c = nan, where a is empty.")


def test_the_lines_are_those_of_the_rule_and_of_the_user():
    def forward():
        return sg.log(w(0.0))

    message = message_of(forward)
    _, start = inspect.getsourcelines(sg.rules.Log.forward)
    assert f"simplegrad/rules/elementwise.py:{start + 1}: return np.log(a)" in message
    _, start = inspect.getsourcelines(forward)
    assert f"called by\n  {__file__}:{start + 1}: return sg.log(w(0.0))" in message


def test_a_folder_whose_name_starts_as_that_of_the_library_is_the_users():
    beside = f"{sg.__path__[0]}_course/lesson.py"
    code = compile("\n\ndef lesson():\n    sg.log(w(0.0))", beside, "exec")
    names = {"sg": sg, "w": w}
    exec(code, names)
    assert "called by\n  line 4:" in message_of(names["lesson"])


def test_an_anomaly_of_backward_also_has_the_line_of_its_result():
    def train():
        root = sg.sqrt(w(0.0, 1.0))
        loss = root.sum()
        loss.backward()

    message = message_of(train)
    _, start = inspect.getsourcelines(train)
    assert f"called by\n  {__file__}:{start + 3}: loss.backward()" in message
    assert f"for the result of\n  {__file__}:{start + 1}: root = sg.sqrt(w(0.0, 1.0))" in message


WRITES = {
    "an element": lambda w, h: operator.setitem(w.data, 0, 5),
    "an element of a result": lambda w, h: operator.setitem(h.data, 0, 5),
    "by way of a view": lambda w, h: operator.setitem(w.T.data, 1, 5),
    "all elements": lambda w, h: w.data.fill(7),
    "in order": lambda w, h: w.data[::-1].sort(),
}


@pytest.mark.parametrize("name", WRITES)
def test_data_that_is_written_to_between_forward_and_backward_is_found(name):
    with sg.detect_anomaly():
        x = w(1.0, 2.0)
        h = x * x
        loss = (h * h).sum()
        WRITES[name](x, h)
        with pytest.raises(RuntimeError, match="was written to between forward and backward"):
            loss.backward()
    assert x.grad is None
    assert sys.getprofile() is None


def test_data_may_be_written_to_after_backward_and_where_no_partial_reads_it():
    with sg.detect_anomaly():
        x, other = w(1.0, 2.0), w(3.0)
        for _ in range(2):
            loss = (x * x).sum()
            other.data[0] = 5
            loss.backward()
            x.data[0] = 4


def test_a_result_from_before_is_said_to_be_one():
    c = sg.sqrt(w(0.0))
    assert "a line before detect_anomaly()" in message_of(c.backward)


def test_the_first_of_several_is_the_one_in_the_order_of_computing():
    def compute():
        a = w(1e200)
        return sg.log((a * a) - (a * a))  # inf - inf is not the first: a * a is inf

    assert message_of(compute).startswith("Mul gives inf in forward")


def test_finite_numbers_and_infinities_that_were_given_pass():
    scores = w([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    mask = np.array([[True, False, True], [True, True, False]])
    with sg.detect_anomaly():
        p = sg.softmax(sg.where(mask, scores, -np.inf))
        (p * p).sum().backward()
        q = sg.softmax(scores + np.where(mask, 0.0, -np.inf))
        (q * q).sum().backward()
    assert np.isfinite(scores.grad).all()
    assert (p.data[~mask] == 0).all()
    with sg.detect_anomaly():  # around images stands -inf, which each window is larger than
        sg.max_pool2d(sg.ones((1, 4, 4), requires_grad=True), 3, padding=1).sum().backward()


def test_a_rule_of_ones_own_is_watched_too():
    class Reciprocal:
        def forward(a):
            return 1 / a

        def da(dc, c, a):
            return -dc * np.inf

        partials = (da,)

    def reciprocal(a):
        return record(Reciprocal.forward(a.data), Reciprocal, a)

    assert message_of(lambda: reciprocal(w(0.0))).startswith("Reciprocal gives inf in forward")
    message = message_of(lambda: reciprocal(w(2.0)).backward())
    assert message.startswith("Reciprocal gives -inf in backward: da[0] = -inf, where dc[0] = 1")


def test_scalars_are_watched_in_backward_as_arrays_are():
    a = sg.Tensor(0.0, requires_grad=True)
    assert message_of(lambda: sg.sqrt(a).backward()).startswith("Sqrt gives inf in backward: da =")


def test_results_without_gradients_are_watched():
    with sg.no_grad():
        assert message_of(lambda: sg.log(w(0.0))).startswith("Log gives -inf")


def test_nothing_of_the_library_is_changed_and_warnings_come_back():
    with pytest.raises(ZeroDivisionError), sg.detect_anomaly():
        sg.log(w(1.0)) / 1 + 1 / 0
    assert sys.getprofile() is None
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        sg.log(w(0.0))


def test_it_is_a_decorator_and_nests():
    @sg.detect_anomaly()
    def compute(t):
        with sg.detect_anomaly():
            sg.exp(t)
        return sg.log(t)

    for _ in range(2):
        with pytest.raises(FloatingPointError, match="Log"):
            compute(w(0.0))


def test_it_holds_no_result_alive_and_changes_no_bit():
    def train():
        sg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
        opt = optim.Adam(model)
        for _ in range(3):
            sg.cross_entropy(model(sg.normal((5, 3))), np.zeros(5, int)).backward()
            opt.step()
            opt.zero_grad()
        return [t.numpy() for t in model.parameters().values()]

    expected = train()
    with sg.detect_anomaly(), sg.detect_accumulation():
        watched = train()
    assert all(np.array_equal(a, b) for a, b in zip(expected, watched, strict=True))


def test_a_replayed_function_is_named_where_its_rules_do_not_run():
    x = sg.Tensor(np.ones(2), requires_grad=True)

    @fast.replay
    def loss_of(y):
        return sg.log(x * y).sum()

    for y in np.ones(2), np.ones(2), np.full(2, 2.0):  # the first calls run the function beside it
        loss_of(y)
    message = message_of(lambda: loss_of(np.array([1.0, 0.0])))
    assert message.startswith("Replay gives -inf in forward")
    assert "write @fast.replay(eager=True)" in message


def test_another_profiler_is_let_be():
    calls = []

    def look(frame, event, arg):
        calls.append(event)

    sys.setprofile(look)
    try:
        with sg.detect_anomaly():
            before = len(calls)
            sg.exp(w(0.0))
            assert len(calls) > before
        assert sys.getprofile() is look
    finally:
        sys.setprofile(None)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="cProfile has a hook of its own there")
def test_a_profiler_that_leaves_no_room_is_an_error():
    def watch():
        with sg.detect_anomaly():
            raise AssertionError("never reached")

    with pytest.raises(RuntimeError, match="another profiler is at work, Profile"):
        cProfile.Profile().runcall(watch)


# detect_accumulation


def stale(steps=3, *, clear=None, optimizer=optim.SGD, backwards=1, loss=lambda t: (t * t).sum()):
    """The warnings of a training loop whose gradients `clear` sets to zero, if it does."""
    t = sg.Tensor([1.0, -2.0], requires_grad=True, name="t")
    opt = optimizer(lr=0.01, param_groups=[{"params": {"t": t, "u": sg.ones(1, True)}}])
    with warnings.catch_warnings(record=True) as caught, sg.detect_accumulation():
        warnings.simplefilter("always")
        for _ in range(steps):
            for _ in range(backwards):
                (loss(t) + opt.param_groups[0]["params"]["u"].sum()).backward()
            opt.step()
            if clear:
                clear(opt, t)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, fast.SGD, fast.Adam])
def test_a_forgotten_zero_grad_is_a_warning_in_each_further_round(optimizer):
    messages = stale(steps=4, optimizer=optimizer)
    assert len(messages) == 3
    assert "Write opt.zero_grad() after opt.step()" in messages[0]


def test_the_warning_stands_at_the_line_of_backward():
    t = w(1.0)
    opt = optim.SGD(lr=0.1, param_groups=[{"params": {"t": t}}])
    with warnings.catch_warnings(record=True) as caught, sg.detect_accumulation():
        warnings.simplefilter("always")
        t.backward()
        opt.step()
        t.backward()
        line = this_line(-1)
    assert f"{caught[0].filename}:{caught[0].lineno}: " == line


def no_gradient(opt, t):
    for u in opt.param_groups[0]["params"].values():
        u.grad = None


def fill(opt, t):
    for u in opt.param_groups[0]["params"].values():
        u.grad[:] = 0


@pytest.mark.parametrize("clear", [lambda opt, t: opt.zero_grad(), no_gradient, fill])
@pytest.mark.parametrize("optimizer", [optim.Adam, fast.Adam])
def test_gradients_that_are_set_to_zero_in_any_way_are_no_mistake(clear, optimizer):
    assert stale(clear=clear, optimizer=optimizer) == []


def test_accumulation_over_several_backwards_for_one_step_is_no_mistake():
    assert stale(clear=lambda opt, t: opt.zero_grad(), backwards=3) == []


def test_one_parameter_left_out_is_found():
    assert len(stale(clear=lambda opt, t: t.zero_grad())) == 2


def test_without_it_there_is_no_warning():
    t = w(1.0)
    opt = optim.SGD(lr=0.1, param_groups=[{"params": {"t": t}}])
    for _ in range(2):
        t.backward()
        opt.step()
