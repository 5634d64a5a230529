"""Schedules: their closed forms, which rates they set, what they refuse, how they resume."""

import ast
import copy
import inspect
import json
import math
import re
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.optimizers.schedules import (
    Cosine,
    CosineWarmRestarts,
    Exponential,
    Linear,
    ReduceOnPlateau,
    Schedule,
    Sequential,
    Step,
)

MADE = {  # one of each kind
    "Step": lambda opt, **group: Step(opt, step_size=3, gamma=0.3, **group),
    "Linear": lambda opt, **group: Linear(opt, total_steps=7, end_factor=0.1, **group),
    "Cosine": lambda opt, **group: Cosine(opt, total_steps=7, end_factor=0.1, **group),
    "Cosine, warmed up": lambda opt, **group: Cosine(opt, 9, warmup_steps=4, **group),
    "Exponential": lambda opt, **group: Exponential(opt, gamma=0.7, **group),
    "Linear, rising": lambda opt, **group: Linear(opt, 5, 0.9, start_factor=0.2, **group),
    "CosineWarmRestarts": lambda opt, **group: CosineWarmRestarts(opt, 2, 2, 0.1, **group),
    "Sequential": lambda opt, **group: Sequential(opt, PARTS, milestones=[3, 7], **group),
}
PARTS = [
    lambda opt: Linear(opt, 3, start_factor=0.25, end_factor=1),
    lambda opt: Cosine(opt, 5, end_factor=0.5),
    lambda opt: Exponential(opt, gamma=0.5),
]
every_schedule = pytest.mark.parametrize("make", MADE.values(), ids=MADE)


def leaf(data=(1.0, 2.0)):
    return sg.Tensor(data, requires_grad=True)


def sgd(lr=1.0, **arguments):
    return optim.SGD(lr=lr, param_groups=[{"params": {"w": leaf()}, "label": "w"}], **arguments)


def two_groups(optimizer=optim.SGD, lr=0.5, head_lr=0.25):
    return optimizer(
        lr=lr,
        param_groups=[
            {"params": {"w": leaf()}, "label": "body"},
            {"params": {"w": leaf([3.0])}, "label": "head", "lr": head_lr},
        ],
    )


def rates_of(opt):
    return {group["label"]: group["lr"] for group in opt.param_groups}


def trajectory(schedule, steps):
    """The rates of the first updates."""
    rates = []
    for _ in range(steps):
        rates.append(schedule.optimizer.lr)
        schedule.step()
    return rates


def refused(error, *said):
    """`error` is raised, and its message has these parts in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(part) for part in said))


# The rates


def test_a_factor_of_1_keeps_the_rate_to_the_bit():
    assert trajectory(Step(sgd(lr=0.1), step_size=1, gamma=1.0), 5) == [0.1] * 5


def test_step_multiplies_by_gamma_whenever_step_size_updates_have_passed():
    rates = trajectory(Step(sgd(lr=8.0), step_size=3, gamma=0.5), 10)
    assert rates == [8, 8, 8, 4, 4, 4, 2, 2, 2, 1]


def test_step_divides_by_ten_if_gamma_is_not_given():
    assert trajectory(Step(sgd(), step_size=1), 2) == [1.0, 0.1]


def test_linear_falls_by_the_same_amount_in_each_step_and_then_stays():
    assert trajectory(Linear(sgd(lr=8.0), 4), 7) == [8, 6, 4, 2, 0, 0, 0]
    rates = trajectory(Linear(sgd(lr=8.0), 4, end_factor=0.5), 7)
    assert rates == [8, 7, 6, 5, 4, 4, 4]


def test_linear_rises_where_it_starts_below_its_end():
    assert trajectory(Linear(sgd(lr=8.0), 4, 1, start_factor=0.5), 6) == [4, 5, 6, 7, 8, 8]
    assert Linear(sgd(), 10, start_factor=0.1, end_factor=1).factor(0) == 0.1


def test_exponential_multiplies_by_gamma_in_each_step():
    assert trajectory(Exponential(sgd(lr=8.0), gamma=0.5), 5) == [8, 4, 2, 1, 0.5]
    step = Step(sgd(lr=0.7), step_size=1, gamma=0.9)
    assert trajectory(Exponential(sgd(lr=0.7), gamma=0.9), 1000) == trajectory(step, 1000)


def test_warm_restarts_repeat_the_cosine_in_cycles_that_grow():
    half = Cosine(sgd(), 4).factor
    rates = trajectory(CosineWarmRestarts(sgd(), cycle_steps=4), 9)
    assert rates == [*map(half, range(4)), *map(half, range(4)), 1]
    rates = trajectory(CosineWarmRestarts(sgd(), 4, cycle_mult=3, end_factor=0.2), 4 + 12 + 36 + 1)
    cycles = [Cosine(sgd(), n, end_factor=0.2).factor(t) for n in (4, 12, 36) for t in range(n)]
    np.testing.assert_allclose(rates, [*cycles, 1], rtol=1e-14)


def test_a_restart_far_away_is_found_at_once():
    n = 10**12
    for m in (1, 2, 3):
        schedule = CosineWarmRestarts(sgd(), 1, cycle_mult=m)
        assert schedule.factor((m**20 - 1) // (m - 1) if m > 1 else n) == 1
        assert 0 <= schedule.factor(n) <= 1


def test_sequential_gives_each_schedule_its_own_start():
    schedule = Sequential(sgd(lr=8.0), PARTS, milestones=[3, 7])
    wave = [8 * Cosine(sgd(), 5, end_factor=0.5).factor(t) for t in range(4)]
    assert trajectory(schedule, 10) == [2, 4, 6, *wave, 8, 4, 2]
    assert trajectory(Sequential(sgd(), [lambda opt: Linear(opt, 4)], []), 3) == [1, 0.75, 0.5]
    inner = [lambda opt: Sequential(opt, PARTS, [3, 7]), lambda opt: Step(opt, 1, 0.5)]
    assert trajectory(Sequential(sgd(lr=8.0), inner, [9]), 11) == [2, 4, 6, *wave, 8, 4, 8, 4]


def test_sequential_joins_schedules_of_users():
    class Inverse(Schedule):
        def factor(self, t):
            return 1 / (1 + t)

    schedule = Sequential(sgd(), [Inverse, Inverse], milestones=[2])
    assert trajectory(schedule, 4) == [1, 0.5, 1, 0.5]


def test_cosine_falls_along_half_a_wave_and_then_stays():
    root = math.sqrt(3)  # cos(30 degrees) = root / 2, cos(60 degrees) = 1 / 2
    expected = [1, (2 + root) / 4, 3 / 4, 1 / 2, 1 / 4, (2 - root) / 4, 0, 0, 0]
    np.testing.assert_allclose(trajectory(Cosine(sgd(), 6), 9), expected, rtol=1e-14, atol=1e-15)
    ending = [0.2 + 0.8 * f for f in expected]
    rates = trajectory(Cosine(sgd(), 6, end_factor=0.2), 9)
    np.testing.assert_allclose(rates, ending, rtol=1e-14)


def test_cosine_rises_by_the_same_amount_in_each_step_of_the_warm_up():
    rates = trajectory(Cosine(sgd(lr=8.0), total_steps=8, warmup_steps=4), 10)
    wave = [8, 4 + 4 * math.sqrt(0.5), 4, 4 - 4 * math.sqrt(0.5), 0, 0]
    np.testing.assert_allclose(rates, [2, 4, 6, 8, *wave], rtol=1e-14, atol=1e-15)


def test_the_first_update_has_the_rate_of_t_0():
    opt = sgd(lr=1.0)
    Cosine(opt, total_steps=10, warmup_steps=4)
    assert opt.lr == opt.param_groups[0]["lr"] == 0.25


def test_the_rate_is_computed_from_t_and_not_from_the_last_rate():
    rates = trajectory(Step(sgd(lr=0.7), step_size=1, gamma=0.9), 1000)
    assert rates == [0.7 * 0.9**t for t in range(1000)]


counts = st.integers(1, 10**6) | st.integers(1, 20)
shares = st.floats(0, 1)


@st.composite
def schedules(draw):
    kind = draw(st.sampled_from([Step, Linear, Cosine, Exponential]))
    opt = sgd(lr=draw(st.floats(0, 1e3)))
    if kind is Exponential:
        return kind(opt, draw(shares))
    if kind is Cosine:
        total = draw(counts)
        return kind(opt, total, draw(st.integers(0, total - 1)), draw(shares))
    return kind(opt, draw(counts), draw(shares))


def test_every_factor_is_from_0_to_1_and_after_the_warm_up_none_is_larger(for_all):
    @for_all(schedules(), st.integers(0, 2 * 10**6))
    def check(schedule, t):
        f_t, f_next = schedule.factor(t), schedule.factor(t + 1)
        assert 0 <= f_t <= 1
        if t < getattr(schedule, "warmup_steps", 0):
            assert f_next >= f_t
        else:
            assert f_next <= f_t + 2**-52  # the cosine is rounded


def test_the_peak_is_the_rate_that_was_given_and_the_end_is_the_end_factor(for_all):
    @for_all(schedules(), st.integers(0, 10))
    def check(schedule, later):
        assert schedule.factor(getattr(schedule, "warmup_steps", 0)) == 1
        if hasattr(schedule, "total_steps"):
            assert schedule.factor(schedule.total_steps + later) == schedule.end_factor


def test_the_rate_of_the_optimizer_is_the_base_rate_times_the_factor(for_all):
    @for_all(schedules(), st.integers(0, 30))
    def check(schedule, t):
        for _ in range(t):
            schedule.step()
        assert schedule.step_count == t
        assert schedule.optimizer.lr == schedule.base_lr * schedule.factor(t)


# The equations

SYMBOLS = [  # of the docstrings' LaTeX, and how the code writes them
    (r"\\lfloor (.*?) / (.*?) \\rfloor", r"(\1 // \2)"),
    (r"\\frac\{(.*?)\}\{(.*?)\}", r"(\1) / \2"),
    (r"\^\{(.*?)\}", r"**\1"),
    (r"\\cos", "math.cos"),
    (r"\\pi", "math.pi"),
    (r"\\gamma", "gamma"),
    (r"\\,", "*"),
    (r"lr_\{base\}", "base_lr"),
]


KINDS = [Schedule, Step, Exponential, Linear, Cosine, CosineWarmRestarts, ReduceOnPlateau]


@pytest.mark.parametrize("kind", KINDS)
def test_the_equation_of_the_docstring_is_the_line_of_the_code(kind):
    (tex,) = re.findall(r"\$\$(.*?)\$\$", inspect.getdoc(kind), re.DOTALL)
    left, right = (part.strip() for part in tex.split("=", 1))
    cases = re.findall(r"^ *(.*?) & ", right, re.MULTILINE) or [right]
    for latex, python in SYMBOLS:
        cases = [re.sub(latex, python, case) for case in cases]
    function = Schedule._set_rates if kind is Schedule else kind.factor
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    computed = [
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == left
    ]
    assert computed == [ast.unparse(ast.parse(case)) for case in cases]


# PyTorch


@pytest.mark.parametrize("lr", [0.1, 3.0])
@pytest.mark.parametrize(
    ("ours", "theirs", "steps"),
    [
        (lambda o: Step(o, 7), lambda t, o: t.StepLR(o, 7), 40),
        (lambda o: Step(o, 3, 0.5), lambda t, o: t.StepLR(o, 3, 0.5), 40),
        (lambda o: Linear(o, 20), lambda t, o: t.LinearLR(o, 1.0, 0.0, 20), 30),
        (lambda o: Linear(o, 20, 0.3), lambda t, o: t.LinearLR(o, 1.0, 0.3, 20), 30),
        (lambda o: Cosine(o, 20), lambda t, o: t.CosineAnnealingLR(o, 20), 20),
        (lambda o: Exponential(o, 0.9), lambda t, o: t.ExponentialLR(o, 0.9), 40),
        (
            lambda o: Linear(o, 20, 1, start_factor=0.2),
            lambda t, o: t.LinearLR(o, 0.2, 1.0, 20),
            30,
        ),
        (
            lambda o: CosineWarmRestarts(o, 5),
            lambda t, o: t.CosineAnnealingWarmRestarts(o, 5),
            40,
        ),
        (
            lambda o: CosineWarmRestarts(o, 3, 2),
            lambda t, o: t.CosineAnnealingWarmRestarts(o, 3, 2),
            50,
        ),
        (
            lambda o: Sequential(
                o,
                [
                    lambda o: Linear(o, 5, start_factor=0.1, end_factor=1),
                    lambda o: Exponential(o, 0.8),
                    lambda o: Cosine(o, 10),
                ],
                milestones=[5, 12],
            ),
            lambda t, o: t.SequentialLR(
                o,
                [t.LinearLR(o, 0.1, 1.0, 5), t.ExponentialLR(o, 0.8), t.CosineAnnealingLR(o, 10)],
                milestones=[5, 12],
            ),
            22,
        ),
        (
            lambda o: Cosine(o, 25, warmup_steps=5),
            lambda t, o: t.SequentialLR(
                o,
                [t.LinearLR(o, 1 / 5, 1.0, 4), t.CosineAnnealingLR(o, 20)],
                milestones=[5],
            ),
            25,
        ),
    ],
    ids=[
        *("step", "step of a half", "linear", "linear to 0.3", "cosine", "exponential"),
        *("linear from 0.2", "restarts", "restarts further apart", "sequential", "warm-up"),
    ],
)
def test_the_rates_are_those_of_torch(lr, ours, theirs, steps):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    theta = torch.zeros(1, requires_grad=True)
    theta.grad = torch.zeros(1)
    twin = torch.optim.SGD([theta], lr=lr)
    schedule, twin_schedule = ours(sgd(lr=lr)), theirs(torch.optim.lr_scheduler, twin)
    for t in range(steps + 1):
        assert schedule.optimizer.lr == pytest.approx(
            twin.param_groups[0]["lr"], rel=1e-12, abs=1e-15
        ), t
        twin.step()
        twin_schedule.step()
        schedule.step()


def test_groups_keep_the_ratio_of_their_rates_as_in_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    thetas = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    twin = torch.optim.SGD([{"params": thetas[:1]}, {"params": thetas[1:], "lr": 0.25}], lr=0.5)
    twin_schedule = torch.optim.lr_scheduler.CosineAnnealingLR(twin, 10)
    opt = two_groups()
    schedule = Cosine(opt, 10)
    for _ in range(11):
        theirs = [group["lr"] for group in twin.param_groups]
        np.testing.assert_allclose([*rates_of(opt).values()], theirs, rtol=1e-12, atol=1e-15)
        twin.step()
        twin_schedule.step()
        schedule.step()


# Which rates are set


@every_schedule
@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, fast.Adam])
def test_all_groups_are_scaled_alike_and_so_is_the_rate_of_the_optimizer(make, optimizer):
    opt = two_groups(optimizer)
    schedule = make(opt)
    for t in range(12):
        f_t = schedule.factor(t)
        assert rates_of(opt) == {"body": 0.5 * f_t, "head": 0.25 * f_t}
        assert opt.lr == 0.5 * f_t
        schedule.step()


@every_schedule
def test_one_group_is_scaled_and_the_others_are_left(make):
    opt = two_groups()
    schedule = make(opt, group="head")
    for t in range(12):
        assert rates_of(opt) == {"body": 0.5, "head": 0.25 * schedule.factor(t)}
        assert opt.lr == 0.5
        schedule.step()


def test_each_group_may_have_its_own_schedule():
    opt = two_groups()
    body, head = Linear(opt, 4, group="body"), Step(opt, 1, 0.5, group="head")
    for _ in range(2):
        body.step()
        head.step()
    assert rates_of(opt) == {"body": 0.25, "head": 0.0625}


def test_groups_of_one_rate_follow_the_rate_of_the_optimizer():
    opt = two_groups(head_lr=0.5)
    assert Linear(opt, 4).overrides == {}
    assert rates_of(opt) == {"body": 0.5, "head": 0.5}


def test_a_rate_set_by_hand_holds_until_the_next_step():
    opt = sgd(lr=1.0)
    schedule = Linear(opt, 4)
    opt.set_param("lr", 0.125)
    assert opt.lr == 0.125
    schedule.step()
    assert opt.lr == 0.75


def test_the_update_uses_the_rate_of_the_schedule():
    theta = sg.Tensor(1.0, requires_grad=True)
    opt = optim.SGD(lr=0.5, param_groups=[{"params": {"theta": theta}}])
    schedule = Linear(opt, 2)
    for expected in (0.5, 0.25, 0.25):
        theta.grad = np.float32(1)
        opt.step()
        schedule.step()
        assert theta.data == expected


def test_a_subclass_needs_a_factor_alone():
    class Power(Schedule):
        hyperparameters = {"gamma": optim.schedules.SHARE}

        def __init__(self, optimizer, gamma, group=None):
            self.gamma = gamma
            super().__init__(optimizer, group)

        def factor(self, t):
            return self.gamma**t

    schedule = Power(sgd(), gamma=0.5)
    assert trajectory(schedule, 4) == [1, 0.5, 0.25, 0.125]
    resumed = Power(sgd(lr=9.0), gamma=0.1)
    resumed.load_state(schedule.state())
    assert trajectory(resumed, 2) == [0.0625, 0.03125]
    with refused(ValueError, "Power: gamma must be a number from 0 to 1, but got 2."):
        Power(sgd(), gamma=2)


def test_a_schedule_without_a_factor_says_how_to_write_one():
    opt = sgd(lr=0.5)
    with pytest.raises(NotImplementedError) as error:
        Schedule(opt)
    said = re.search(r"a method (factor\(self, t\)) that .*, as (.*)\.$", str(error.value))
    names = {}
    exec(f"def {said[1]}:\n    {said[2]}", names)
    schedule = type("Mine", (Schedule,), {"factor": names["factor"]})(opt)
    assert trajectory(schedule, 2) == [0.5, 0.5 * 0.99]


def test_a_factor_that_gives_no_rate_leaves_all_as_it_was():
    class Wrong(Schedule):
        def factor(self, t):
            return 1.0 if t < 2 else -1.0

    opt = two_groups()
    schedule = Wrong(opt)
    schedule.step()
    before = schedule.state(), rates_of(opt)
    with refused(ValueError, "lr must be a finite number of at least 0, but got -0.5"):
        schedule.step()
    assert (schedule.state(), rates_of(opt)) == before


# Resuming


def train(model, opt, schedule, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        x = rng.normal(size=(4, 3)).astype(np.float32)
        opt.zero_grad()
        (model(x).tanh() - 1).abs().sum().backward()
        nn.clip_grad_norm(model, 1.0)
        opt.step()
        schedule.step()


def run(optimizer, make, seed=0):
    sg.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    first, _, last = model.layers
    groups = [
        {"params": first, "label": "first", "lr": 0.01},
        {"params": last, "label": "last"},
    ]
    opt = optimizer(lr=0.05, param_groups=groups)
    return model, opt, make(opt)


def bits(model, opt):
    data = {name: theta.data.tobytes() for name, theta in model.parameters().items()}
    return data, rates_of(opt), opt.lr


@every_schedule
@pytest.mark.parametrize(
    "optimizer",
    [optim.Adam, *(pytest.param(c, marks=pytest.mark.slow) for c in (optim.SGD, fast.Adam))],
)
def test_training_resumed_at_any_step_is_the_training_not_interrupted(tmp_path, make, optimizer):
    steps = 11
    model, opt, schedule = run(optimizer, make)
    for t in range(steps):
        sg.save(tmp_path / f"{t}.npz", model, opt, schedule=schedule.state())
        train(model, opt, schedule, 1, seed=t)
    expected = bits(model, opt)
    for t in range(steps):
        model, opt, schedule = run(optimizer, make, seed=1)
        schedule.load_state(sg.load(tmp_path / f"{t}.npz", model, opt)["schedule"])
        assert schedule.step_count == t
        for rest in range(t, steps):
            train(model, opt, schedule, 1, seed=rest)
        assert bits(model, opt) == expected


def test_a_state_survives_json_and_gives_the_same_rates(for_all):
    @for_all(schedules(), st.integers(0, 50))
    def check(schedule, t):
        for _ in range(t):
            schedule.step()
        state = json.loads(json.dumps(schedule.state()))
        assert state == schedule.state()
        resumed = copy.deepcopy(schedule)
        for _ in range(3):
            resumed.step()
        resumed.optimizer.lr = 7.0
        resumed.load_state(state)
        assert resumed.optimizer.lr == schedule.optimizer.lr
        assert resumed.state() == state
        assert trajectory(resumed, 5) == trajectory(schedule, 5)


def test_a_state_is_a_copy_and_its_numbers_are_pythons():
    schedule = Cosine(two_groups(), np.int64(10), np.int32(2), np.float32(0.5))
    state = schedule.state()
    assert state == {
        "class": "Cosine",
        "group": None,
        "step_count": 0,
        "base_lr": 0.5,
        "overrides": {"head": 0.25},
        "total_steps": 10,
        "warmup_steps": 2,
        "end_factor": 0.5,
    }
    assert [type(state[key]) for key in ("total_steps", "end_factor")] == [int, float]
    state["overrides"]["head"] = 7.0
    assert schedule.overrides == {"head": 0.25}
    schedule.load_state(state)
    state["overrides"]["head"] = 8.0
    assert schedule.overrides == {"head": 7.0}


def test_the_hyperparameters_of_a_state_are_taken_over():
    opt = sgd()
    schedule = Linear(opt, 10)
    schedule.step()
    other = Linear(sgd(lr=5.0), 3, end_factor=0.5)
    other.load_state(schedule.state())
    assert other.state() == schedule.state()
    assert other.optimizer.lr == 0.9


def unchanged_by(schedule, state, error, *said):
    """`load_state` refuses the state, and nothing has changed."""
    before = schedule.state(), rates_of(schedule.optimizer), schedule.optimizer.lr
    with refused(error, *said):
        schedule.load_state(state)
    assert (schedule.state(), rates_of(schedule.optimizer), schedule.optimizer.lr) == before


WRONG_STATES = [
    ("step_count", -1, ValueError),
    ("step_count", 1.5, ValueError),
    ("step_count", math.nan, ValueError),
    ("step_count", math.inf, ValueError),
    ("step_count", "3", TypeError),
    ("step_count", True, TypeError),
    ("base_lr", math.nan, ValueError),
    ("base_lr", -0.1, ValueError),
    ("base_lr", math.inf, ValueError),
    ("base_lr", None, TypeError),
    ("total_steps", 0, ValueError),
    ("total_steps", math.nan, ValueError),
    ("total_steps", [10], TypeError),
    ("warmup_steps", -1, ValueError),
    ("warmup_steps", 10, ValueError),
    ("end_factor", math.nan, ValueError),
    ("end_factor", 1.5, ValueError),
    ("overrides", {"head": math.nan}, ValueError),
    ("overrides", {"head": -1}, ValueError),
    ("overrides", {"head": "0.1"}, TypeError),
    ("overrides", {"tail": 0.1}, ValueError),
    ("overrides", {3: 0.1}, ValueError),
    ("overrides", [["head", 0.1]], TypeError),
    ("overrides", None, TypeError),
    ("group", "head", ValueError),
    ("group", 3, ValueError),
    ("class", "Linear", ValueError),
    ("class", None, ValueError),
]


@pytest.mark.parametrize(("key", "value", "error"), WRONG_STATES)
def test_a_wrong_value_in_a_state_is_refused_and_changes_nothing(key, value, error):
    schedule = Cosine(two_groups(), 10, warmup_steps=2)
    schedule.step()
    state = Cosine(two_groups(lr=3.0, head_lr=4.0), 20).state()
    state["total_steps"] = 10
    unchanged_by(schedule, state | {key: value}, error)
    schedule.load_state(state)


@pytest.mark.parametrize("key", Cosine(sgd(), 10).state())
def test_a_state_with_a_key_less_or_more_is_refused(key):
    schedule = Cosine(sgd(), 10)
    schedule.step()
    state = schedule.state()
    del state[key]
    said = "load_state of a Cosine takes a dict with class, group, step_count, base_lr, overrides,"
    unchanged_by(schedule, state, TypeError, said, "Nothing was changed.")
    unchanged_by(schedule, schedule.state() | {f"{key}_2": 1}, TypeError, said)


@pytest.mark.parametrize("state", [None, [], {}, "Cosine", 3, {1: 2}, {"step_count": 3}])
def test_what_is_no_state_is_refused(state):
    unchanged_by(Cosine(sgd(), 10), state, TypeError, f"but got {state!r}. Nothing was changed. ")


def test_the_state_of_another_class_is_refused_with_both_named():
    state = Step(sgd(), step_size=3).state()
    unchanged_by(
        Cosine(sgd(), 10),
        state,
        ValueError,
        "this schedule is a Cosine, but the state is that of a Step. Nothing was changed. Write ",
        "schedule = Step(opt, ...)",
    )


def test_the_state_of_other_groups_is_refused_with_both_named():
    unchanged_by(
        Linear(sgd(), 10),
        Linear(two_groups(), 10).state(),
        ValueError,
        "this Linear has group=None and may override the rates of ['w'], but the state has ",
        "group=None and overrides ['head']. Nothing was changed.",
    )
    unchanged_by(
        Linear(two_groups(), 10, group="head"),
        Linear(two_groups(), 10, group="body").state(),
        ValueError,
        "group='head'",
        "group='body'",
    )


def test_a_schedule_of_one_group_takes_no_rates_of_others():
    schedule = Linear(two_groups(), 10, group="head")
    state = schedule.state() | {"overrides": {"body": 9.0}}
    unchanged_by(schedule, state, ValueError, "may override the rates of []")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_any_state_is_taken_whole_or_refused_with_nothing_changed(for_all):
    @for_all(st.data())
    def check(data):
        schedule = Cosine(two_groups(), 10, warmup_steps=2)
        state = Cosine(two_groups(), 20).state()
        for key in data.draw(st.lists(st.sampled_from([*state]), min_size=1, max_size=3)):
            state[key] = data.draw(json_values)
        before = schedule.state(), rates_of(schedule.optimizer), schedule.optimizer.lr
        try:
            schedule.load_state(state)
        except (TypeError, ValueError):
            assert (schedule.state(), rates_of(schedule.optimizer), schedule.optimizer.lr) == before
        else:
            assert schedule.state() == state


# A plateau


def falls_at(schedule, metrics):
    """The numbers of the metrics after which the rate has fallen."""
    found = []
    for number, metric in enumerate(metrics):
        before = schedule.optimizer.lr
        schedule.step(metric)
        found += [number] if schedule.optimizer.lr < before else []
    return found


def test_the_rate_falls_when_the_metric_has_not_improved_for_longer_than_the_patience():
    schedule = ReduceOnPlateau(sgd(lr=8.0), gamma=0.5, patience=2)
    assert falls_at(schedule, [5, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3]) == [4, 7, 11]
    assert schedule.optimizer.lr == 1.0
    assert (schedule.best, schedule.waited, schedule.falls) == (3, 0, 3)
    assert falls_at(ReduceOnPlateau(sgd(), patience=0), [1, 1, 1]) == [1, 2]


def test_a_larger_metric_is_better_if_it_is_maximized():
    metrics = [0.1, 0.2, 0.15, 0.3, 0.25, 0.25]
    assert falls_at(ReduceOnPlateau(sgd(), patience=1, maximize=True), metrics) == [5]
    assert falls_at(ReduceOnPlateau(sgd(), patience=1), metrics) == [2, 4]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_improvement_is_one_by_a_share_of_the_best(sign):
    def falls(metric):
        schedule = ReduceOnPlateau(sgd(), patience=0, threshold=0.25, maximize=sign < 0)
        schedule.step(sign * 8)
        return falls_at(schedule, [sign * metric])

    assert falls(6.0) == [0]
    assert falls(5.99) == []
    negative = ReduceOnPlateau(sgd(), patience=0, threshold=0.25)
    assert falls_at(negative, [-8.0, -10.0, -10.01, -10.0]) == [1, 3]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("gamma", "patience", "threshold"), [(0.1, 0, 0), (0.5, 3, 0.01)])
def test_the_rate_falls_as_in_torch(gamma, patience, threshold, maximize):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    theta = torch.zeros(1, requires_grad=True)
    twin = torch.optim.SGD([theta], lr=1.0)
    twin_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        twin,
        mode="max" if maximize else "min",
        factor=gamma,
        patience=patience,
        threshold=threshold,
        eps=0,
    )
    schedule = ReduceOnPlateau(sgd(), gamma, patience, threshold, maximize)
    for metric in np.random.default_rng(0).integers(1, 30, 60) / 30:
        twin_schedule.step(metric)
        schedule.step(metric)
        assert schedule.optimizer.lr == pytest.approx(twin.param_groups[0]["lr"], rel=1e-12)


def test_groups_fall_alike_or_one_of_them_alone():
    opt = two_groups()
    falls_at(ReduceOnPlateau(opt, 0.5, patience=0), [1, 1])
    assert (rates_of(opt), opt.lr) == ({"body": 0.25, "head": 0.125}, 0.25)
    opt = two_groups()
    falls_at(ReduceOnPlateau(opt, 0.5, patience=0, group="head"), [1, 1])
    assert (rates_of(opt), opt.lr) == ({"body": 0.5, "head": 0.125}, 0.5)


def test_a_plateau_is_resumed_at_any_step():
    metrics = [3, 2, 2, 2.5, 2, 1, 1, 1, 1, 2]
    whole = falls_at(ReduceOnPlateau(two_groups(), 0.5, patience=1), metrics)
    for t in range(len(metrics)):
        schedule = ReduceOnPlateau(two_groups(), 0.5, patience=1)
        first = falls_at(schedule, metrics[:t])
        state = json.loads(json.dumps(schedule.state(), allow_nan=False))
        resumed = ReduceOnPlateau(two_groups(lr=9.0), 0.9, patience=7, maximize=True)
        resumed.load_state(state)
        assert resumed.state() == state
        assert rates_of(resumed.optimizer) == rates_of(schedule.optimizer)
        assert first + [t + n for n in falls_at(resumed, metrics[t:])] == whole


@pytest.mark.parametrize(
    ("key", "value"),
    [("best", math.nan), ("best", None), ("waited", -1), ("falls", 0.5), ("maximize", 1)],
)
def test_a_wrong_value_in_the_state_of_a_plateau_changes_nothing(key, value):
    schedule = ReduceOnPlateau(two_groups(), patience=0)
    falls_at(schedule, [1, 1])
    state = ReduceOnPlateau(two_groups()).state()
    unchanged_by(schedule, state | {key: value}, (TypeError, ValueError), f"{key} must be")


@pytest.mark.parametrize("metric", [math.nan, math.inf, -math.inf, None, "1", True, sg.Tensor(1.0)])
def test_a_metric_is_a_finite_number(metric):
    schedule = ReduceOnPlateau(sgd())
    schedule.step(2.0)
    before = schedule.state()
    with refused(
        (TypeError, ValueError),
        f"the metric of ReduceOnPlateau must be a finite number, but got {metric!r:.80}. Write ",
        "schedule.step(loss.item()).",
    ):
        schedule.step(metric)
    assert schedule.state() == before
    schedule.step(np.float32(1.0))
    assert schedule.best == 1.0


def test_the_repr_of_a_plateau_shows_where_it_is():
    schedule = ReduceOnPlateau(sgd(), patience=3)
    falls_at(schedule, [2.0, 2.0])
    assert repr(schedule).endswith("maximize=False, best=2.0, waited=1, falls=0)")


# One after the other


def test_the_state_of_other_schedules_or_milestones_is_refused():
    schedule = Sequential(two_groups(), PARTS, [3, 7])
    schedule.step()
    other = Sequential(two_groups(), PARTS, [3, 8])
    said = "the milestones of this Sequential are [3, 7], but in the state they are [3, 8]. Nothing"
    unchanged_by(schedule, other.state(), ValueError, said)
    other = Sequential(two_groups(), [*PARTS[:2], lambda opt: Exponential(opt, 0.4)], [3, 7])
    unchanged_by(schedule, other.state(), ValueError, "the schedules of this Sequential are ")
    for wrong in (None, {}, [], {"milestones": [3, 7]}):
        unchanged_by(schedule, wrong, TypeError, "load_state of a Sequential takes a dict with ")
    unchanged_by(schedule, schedule.state() | {"step_count": -1}, ValueError, "step_count must be")


def test_the_state_of_sequential_is_a_copy():
    schedule = Sequential(sgd(), PARTS, [3, 7])
    state = schedule.state()
    assert state["schedules"][2] == {"class": "Exponential", "gamma": 0.5}
    state["milestones"][0] = 5
    state["schedules"].clear()
    assert schedule.state()["milestones"] == [3, 7]
    assert len(schedule.state()["schedules"]) == 3


NOT_JOINED = {
    "no list": (Step, [], TypeError, "a list of functions that make the schedules, but got"),
    "none": ([], [], TypeError, "a list of functions that make the schedules, but got []"),
    "no functions": ([1, 2], [3], TypeError, "a list of functions that make the schedules"),
    "other things": (
        [lambda opt: opt, lambda opt: Step(opt, 1)],
        [3],
        TypeError,
        "Sequential joins schedules that depend on nothing but the number of steps, but got SGD",
    ),
    "a plateau": ([ReduceOnPlateau], [], TypeError, "but got ReduceOnPlateau(step_count=0"),
    "too few milestones": (PARTS, [3], ValueError, "but got [3] for 3 schedules"),
    "too many": (PARTS[:1], [3], ValueError, "one less than schedules, but got [3] for 1"),
    "a number": (PARTS[:2], 3, ValueError, "but got 3 for 2 schedules"),
    "not ascending": (PARTS, [7, 3], ValueError, "milestones must ascend, but got [7, 3]"),
    "twice the same": (PARTS, [3, 3], ValueError, "milestones must ascend"),
    "0": (PARTS[:2], [0], ValueError, "a milestone is a whole number of at least 1, but got 0"),
    "no whole number": (PARTS[:2], [1.5], ValueError, "a milestone is a whole number"),
    "text": (PARTS[:2], ["3"], TypeError, "a milestone is a whole number"),
}


@pytest.mark.parametrize("case", NOT_JOINED)
def test_what_cannot_be_joined_is_refused_with_the_corrected_call(case):
    parts, milestones, error, said = NOT_JOINED[case]
    opt = sgd(lr=0.5)
    with refused(error, said, "Write Sequential(opt, [lambda opt: Linear(") as caught:
        Sequential(opt, parts, milestones)
    assert opt.lr == 0.5
    written = re.search(r"Write (.*)\.$", str(caught.value))[1]
    assert eval(written, vars(optim.schedules) | {"opt": opt}).factor(10) == 1


def test_schedules_of_the_optimizer_itself_are_two_of_one_rate():
    opt = sgd(lr=0.5)
    with refused(ValueError, "set by Linear", "Sequential joins schedules one after the other"):
        Sequential(opt, [Linear(opt, 4), Step(opt, 3)], [4])


# What is refused when a schedule is made

WHOLE = "a whole number of at least 1"
SHARE = "a number from 0 to 1"
OUT_OF_RANGE = {
    WHOLE: [0, -1, 2.5, math.nan, math.inf, -math.inf, 10**400],
    "a whole number of at least 0": [-1, 0.5, math.nan, math.inf],
    SHARE: [-0.1, 1.0001, 10, math.nan, math.inf, np.float32("nan")],
    "a finite number of at least 0": [-0.1, math.nan, math.inf],
}
NO_NUMBERS = [True, np.False_, "3", None, [3], 3j, np.array(3), sg.Tensor(3.0)]
ARGUMENTS = [
    (Step, {"gamma": 0.5}, "step_size", WHOLE),
    (Step, {"step_size": 3}, "gamma", SHARE),
    (Linear, {"end_factor": 0.5}, "total_steps", WHOLE),
    (Linear, {"total_steps": 3}, "end_factor", SHARE),
    (Linear, {"total_steps": 3}, "start_factor", SHARE),
    (Exponential, {}, "gamma", SHARE),
    (CosineWarmRestarts, {}, "cycle_steps", WHOLE),
    (CosineWarmRestarts, {"cycle_steps": 3}, "cycle_mult", WHOLE),
    (CosineWarmRestarts, {"cycle_steps": 3}, "end_factor", SHARE),
    (ReduceOnPlateau, {}, "gamma", SHARE),
    (ReduceOnPlateau, {}, "patience", "a whole number of at least 0"),
    (ReduceOnPlateau, {}, "threshold", "a finite number of at least 0"),
    (Cosine, {"end_factor": 0.5}, "total_steps", WHOLE),
    (Cosine, {"total_steps": 3000}, "warmup_steps", "a whole number of at least 0"),
    (Cosine, {"total_steps": 3}, "end_factor", SHARE),
]
WRONG = [
    (kind, others, key, value, error, allowed)
    for kind, others, key, allowed in ARGUMENTS
    for error, values in ((ValueError, OUT_OF_RANGE[allowed]), (TypeError, NO_NUMBERS))
    for value in values
]


@pytest.mark.parametrize(
    ("kind", "others", "key", "value", "error", "allowed"),
    WRONG,
    ids=[f"{kind.__name__}-{key}-{str(value)[:20]}" for kind, _, key, value, *_ in WRONG],
)
def test_a_wrong_hyperparameter_is_refused(kind, others, key, value, error, allowed):
    opt = sgd(lr=0.5)
    said = f"{kind.__name__}: {key} must be {allowed}, but got {value!r:.80}. Write, for example, "
    with refused(error, said) as caught:
        kind(opt, **others, **{key: value})
    assert opt.lr == 0.5
    written = re.search(r"for example, (\w+=[\d.]+)\.$", str(caught.value))[1]
    eval(f"kind(opt, **others, {written})")


def test_the_values_at_the_ends_of_the_ranges_are_taken():
    assert trajectory(Step(sgd(), 1, 0), 3) == [1, 0, 0]
    assert trajectory(Step(sgd(), 1, 1), 3) == [1, 1, 1]
    assert trajectory(Linear(sgd(), 1, 1), 3) == [1, 1, 1]
    assert trajectory(Cosine(sgd(), 1), 3) == [1, 0, 0]
    assert trajectory(Cosine(sgd(), 2, 1), 4) == [1, 1, 0, 0]
    assert trajectory(Linear(sgd(), 2.0), 3) == [1, 0.5, 0]


@pytest.mark.parametrize("warmup_steps", [20, 21])
def test_the_warm_up_is_shorter_than_the_whole(warmup_steps):
    opt = sgd(lr=0.5)
    with refused(
        ValueError,
        f"got warmup_steps={warmup_steps} of total_steps=20. Write warmup_steps=2, total_steps=20.",
    ):
        Cosine(opt, total_steps=20, warmup_steps=warmup_steps)
    assert opt.lr == 0.5
    assert Cosine(opt, total_steps=20, warmup_steps=19).factor(19) == 1


@pytest.mark.parametrize("optimizer", [nn.Linear(1, 1), optim.Adam, None, 0.1, "Adam"])
def test_an_optimizer_is_an_optimizer(optimizer):
    with refused(
        TypeError,
        f"Step sets the rates of an Optimizer, but got {optimizer!r:.80}. Write ",
        "Step(opt, step_size=10, gamma=0.5) with, for example, opt = optim.Adam(model).",
    ):
        Step(optimizer, 10, 0.5)
    with refused(
        TypeError,
        "Sequential sets the rates of an Optimizer",
        "Write Sequential(opt, [lambda opt: Linear(opt, total_steps=3, end_factor=1.0, start_",
        "lambda opt: Exponential(opt, gamma=0.5)], milestones=[3, 7]) with",
    ):
        Sequential(optimizer, PARTS, [3, 7])


@pytest.mark.parametrize("group", ["tail", 0, "", ["head"], {"params": {}}])
def test_an_unknown_group_is_refused_with_those_that_are_known(group):
    opt = two_groups()
    with pytest.raises(KeyError) as error:
        Step(opt, 3, group=group)
    (message,) = error.value.args
    assert message == (
        f"this SGD has no group {group!r}, but body, head. Write Step(opt, step_size=3, gamma=0.1, "
        "group='body')."
    )
    assert rates_of(opt) == {"body": 0.5, "head": 0.25}
    eval(re.search(r"Write (.*)\.$", message)[1], {"Step": Step, "opt": opt})


# In the debugger


@every_schedule
def test_the_repr_is_one_line_with_the_numbers_that_matter(make):
    schedule = make(two_groups())
    schedule.step()
    text = repr(schedule)
    assert "\n" not in text
    start = f"{type(schedule).__name__}(step_count=1, base_lr=0.5, f_t={schedule.factor(1)!r}"
    assert text.startswith(start)
    for key in schedule.hyperparameters:
        assert f"{key}={getattr(schedule, key)!r}" in text
    assert repr(make(two_groups(), group="head")).startswith(
        f"{type(schedule).__name__}(group='head', step_count=0, base_lr=0.25, f_t="
    )


def test_the_repr_of_a_schedule_that_is_being_made_says_so():
    seen = []

    class Watched(Schedule):
        def factor(self, t):
            seen.append(repr(self))
            return 1.0

    Watched(sgd())
    assert seen == ["Watched(not made yet)"]
    assert repr(Cosine.__new__(Cosine)) == "Cosine(not made yet)"


@every_schedule
def test_a_step_leads_to_the_equation_in_three_lines(make):
    schedule = make(sgd())
    lines = []

    def trace(frame, event, arg):
        if frame.f_code.co_filename != inspect.getsourcefile(Schedule):
            return None
        if event == "line":
            lines.append(frame.f_code.co_name)
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        schedule.step()
    finally:
        sys.settrace(old)
    assert lines[:3] == ["step", "_set_rates", "factor"]


def test_a_state_in_which_every_group_has_a_rate_of_its_own_is_loaded():
    def made(lr):
        groups = [{"params": nn.Linear(2, 1), "lr": lr}, {"params": nn.Linear(2, 1), "lr": 2 * lr}]
        opt = optim.SGD(lr=7.0, param_groups=groups)
        return opt, Linear(opt, total_steps=4)

    opt, schedule = made(0.1)
    schedule.step()
    other, other_schedule = made(0.5)
    other_schedule.load_state(schedule.state())
    assert [g["lr"] for g in other.param_groups] == [g["lr"] for g in opt.param_groups]
    assert other.lr == opt.lr
