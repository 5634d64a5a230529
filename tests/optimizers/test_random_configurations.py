"""Every optimizer in any configuration: against the papers, in place, in groups and resumed."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from mpmath import iv

import simplegrad as sg
from simplegrad import fast
from simplegrad import optimizers as optim
from simplegrad.given import FLAG, FRACTION
from tests.helpers.oracles import same_bits

NAMES = ["Adam", "AdamW", "RMSProp", "SGD"]

BELOW_1 = math.nextafter(1, 0)
seeds = st.integers(0, 2**32 - 1)
fractions = st.sampled_from([0.0, 0.5, 0.9, 0.999]) | st.floats(0, BELOW_1)
flags = st.booleans()
USUAL = st.sampled_from([0.0, 1e-8, 1e-3, 0.1, 1.0, 1.5])
MODERATE = USUAL | st.floats(1e-30, 1e30)
ANY = USUAL | st.floats(0, sys.float_info.max)


def values(name, key, numbers):
    kind = getattr(optim, name).hyperparameters[key]
    if key == "eps":  # what float32 rounds to 0 is refused
        numbers = numbers.filter(lambda x: x == 0 or x > 1e-44)
    return flags if kind is FLAG else fractions if kind is FRACTION else numbers


@st.composite
def configurations(draw, name, numbers, grouped=True):
    """(hyperparameters, a list of groups' overrides, what happens: steps and set_params)."""
    keys = list(getattr(optim, name).hyperparameters)
    defaults = {key: draw(values(name, key, numbers)) for key in keys}
    if name == "SGD":
        if defaults["nesterov"]:  # it goes with momentum, undampened
            defaults |= {"momentum": defaults["momentum"] or 0.5, "dampening": 0.0}
            keys = [key for key in keys if key not in ("momentum", "dampening")]
        keys.remove("nesterov")
    groups = [{}]
    if grouped:
        some = st.fixed_dictionaries({}, optional={k: values(name, k, numbers) for k in keys})
        groups = draw(st.lists(some, min_size=1, max_size=3))
    labels = st.sampled_from([None, *(f"group_{i}" for i in range(len(groups)))])
    settings = [
        st.tuples(st.just(key), values(name, key, numbers), labels if grouped else st.none())
        for key in keys
    ]
    steps = st.sampled_from([("step", 0), ("step", 3), ("step", 30), ("step", None)])
    moves = draw(st.lists(st.one_of(steps, steps, *settings), min_size=1, max_size=12))
    return defaults, groups, moves


def gradient(rng, shape, digits):
    """Numbers whose sizes differ by so many digits, some of them 0; zeros if `digits` is None."""
    if digits is None:
        return np.zeros(shape)
    sizes = 10.0 ** rng.uniform(-digits, digits, shape)
    return sizes * rng.choice([-1, -1, 0, 1, 1], shape)


# Against the papers' algorithms, computed on intervals. Every operation of an interval is rounded
# outwards, to 50 bits: the result holds the exact number, and what doubles of 53 bits make of it
# by the same operations. Where an equation is ill-conditioned, the interval grows by itself. So
# the tolerance is never chosen, only shown to be small in most cases.


def papers():
    """make_golden.py, on intervals in place of numbers."""
    path = Path(__file__).with_name("make_golden.py")
    spec = importlib.util.spec_from_file_location("papers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.mpf, module.sqrt = iv.mpf, sqrt
    return module


def sqrt(x):
    """Of a number that is at least 0, also if its interval was rounded to below 0."""
    return iv.sqrt(iv.mpf([max(x.a, 0), x.b]))


def exact(x):
    """A double, or an exact flag, as an interval of no width."""
    if isinstance(x, bool):
        return x
    before, iv.prec = iv.prec, 53
    try:
        return iv.mpf(float(x))
    finally:
        iv.prec = before


class Trajectory:
    """One number of theta, as a paper moves it."""

    def __init__(self, algorithm, theta, hyperparameters):
        self.gradients = []
        self.steps = algorithm(exact(theta), self.gradients, **hyperparameters)
        self.lost = False  # out of the range in which doubles have all their digits

    def step(self, gradient):
        """Bounds of theta and of each slot after a step; None where doubles cannot follow."""
        self.gradients.append(exact(gradient))
        theta, kept = next(self.steps)
        values = {"theta": theta, **kept}
        bounds = {what: (float(x.a), float(x.b)) for what, x in values.items()}
        for what, x in values.items():
            size = max(map(abs, bounds[what]))
            # products of it with two hyperparameters are to be in range, too
            self.lost |= x != 0 and not 1e-240 < size < 1e240
        return None if self.lost else bounds


@pytest.mark.parametrize("name", NAMES)
def test_every_step_ends_where_the_papers_equations_say(name, for_all, monkeypatch):
    monkeypatch.setattr(iv, "prec", 50)
    algorithm = papers().ALGORITHMS[name]
    widths = []

    @for_all(configurations(name, MODERATE), seeds)
    def inside(configuration, seed):
        defaults, groups, moves = configuration
        rng = np.random.default_rng(seed)
        thetas = [sg.Tensor(rng.normal(size=2), requires_grad=True) for _ in groups]
        opt = getattr(optim, name)(
            param_groups=[
                {"params": {"w": theta}, **group}
                for theta, group in zip(thetas, groups, strict=True)
            ],
            **defaults,
        )
        symbols = [
            {key: exact(group[key]) for key in opt.hyperparameters} for group in opt.param_groups
        ]
        trajectories = [
            [Trajectory(algorithm, x, here) for x in theta.data]
            for theta, here in zip(thetas, symbols, strict=True)
        ]
        for what, value, *label in moves:
            if what == "maximize":
                continue  # the papers' algorithms either climb or descend
            if what != "step":
                opt.set_param(what, value, *label)
                for group, here in zip(opt.param_groups, symbols, strict=True):
                    here[what]._mpi_ = exact(group[what])._mpi_  # also in the running algorithm
                continue
            for theta in thetas:
                theta.grad = gradient(rng, theta.shape, value)
            with np.errstate(all="ignore"):
                opt.step()
            entries = opt.state()["param_groups"]
            for theta, row, entry in zip(thetas, trajectories, entries, strict=True):
                for i, trajectory in enumerate(row):
                    bounds = trajectory.step(theta.grad[i])
                    for key, (low, high) in (bounds or {}).items():
                        x = theta.data[i] if key == "theta" else entry[key]["w"][i]
                        assert low <= x <= high, f"{key} after step {opt.step_count}"
                        widths.append((high - low) / max(abs(low), abs(high), 1e-300))

    assert np.mean(np.array(widths) < 1e-12) > 0.98


# The same numbers to the last bit

SHAPES = [(), (1,), (3,), (2, 3), (0,), (17,)]


def tensors(seed):
    """Six parameters by name, of both dtypes."""
    rng = np.random.default_rng(seed)
    return {
        f"w{i}": sg.Tensor(rng.normal(size=shape), True, dtype=rng.choice(["f4", "f8"]))
        for i, shape in enumerate(SHAPES)
    }


def trained(optimizer, configuration, seed, places=None, saved_at=None):
    """Each parameter and what is kept of it, by name, after every step.

    `places` are the numbers of the parameters' groups. Before the move `saved_at`, the state goes
    into a new optimizer.
    """
    defaults, overrides, moves = configuration
    params = tensors(seed)
    places = places or [i % len(overrides) for i in range(len(params))]
    groups = {place: {"params": {}, "label": f"group_{place}"} for place in places}
    for (name, theta), place in zip(params.items(), places, strict=True):
        groups[place]["params"][name] = theta
    opt = optimizer(
        param_groups=[g | overrides[place % len(overrides)] for place, g in groups.items()],
        **defaults,
    )
    rng = np.random.default_rng(seed)
    history = []
    for number, (what, value, *label) in enumerate(moves):
        if number == saved_at:
            state = opt.state()
            opt = optimizer(param_groups=list(groups.values()))
            opt.load_state(state)
        if what != "step":
            opt.set_param(what, value, *label)
            continue
        with np.errstate(all="ignore"):
            for theta in params.values():
                theta.grad = gradient(rng, theta.shape, value).astype(theta.dtype)
            opt.step()
        history.append(
            {
                name: [theta.numpy(), *(entry[slot][name] for slot in opt.slots)]
                for group, entry in zip(opt.param_groups, opt.state()["param_groups"], strict=True)
                for name, theta in group["params"].items()
            }
        )
    return history


def assert_same_history(actual, expected):
    for t, (a, b) in enumerate(zip(actual, expected, strict=True), start=1):
        assert set(a) == set(b)
        for name in a:
            pairs = zip(a[name], b[name], strict=True)
            assert all(same_bits(x, y) for x, y in pairs), f"{name} after step {t}"


@st.composite
def trainings(draw, grouped=True):
    """(optimizer of `optimizers` or of `fast`, configuration, seed)."""
    name = draw(st.sampled_from(NAMES))
    optimizer = getattr(draw(st.sampled_from([optim, fast])), name)
    return optimizer, draw(configurations(name, ANY, grouped)), draw(seeds)


def test_in_place_has_the_same_bits(for_all):
    @for_all(trainings())
    def same(training):
        optimizer, *rest = training
        name = optimizer.__name__
        assert_same_history(
            trained(getattr(fast, name), *rest), trained(getattr(optim, name), *rest)
        )


def test_any_partition_into_groups_has_the_bits_of_one_group(for_all):
    places = st.lists(st.integers(0, 5), min_size=len(SHAPES), max_size=len(SHAPES))

    @for_all(trainings(grouped=False), places)
    def same(training, places):
        assert_same_history(trained(*training, places), trained(*training))


def test_a_state_loaded_at_any_move_changes_no_bit(for_all):
    @for_all(trainings(), st.integers(0, 11))
    def same(training, at):
        _, (_, _, moves), _ = training
        assert_same_history(trained(*training, saved_at=at % len(moves)), trained(*training))
