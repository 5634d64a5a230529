"""The fast optimizers against the readable ones: the same bits, whatever is done to them."""

import contextlib
import copy
import gc
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.fast.in_place import BLOCK_BYTES
from tests.helpers.limits import HANGING
from tests.helpers.memory import traced_growth
from tests.helpers.oracles import assert_same_bits

NAMES = [name for name in ("Adam", "AdamW", "SGD", "RMSProp") if hasattr(fast, name)]
every_optimizer = pytest.mark.parametrize("name", NAMES)


# By default a part of what follows is tried; `pytest -m slow` tries the rest


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


adam_or_every_optimizer = pytest.mark.parametrize("name", ["Adam", *map(slow, NAMES[1:])])
WORKERS = {"Adam": 2, "AdamW": 3, "SGD": 1, "RMSProp": 2}
every_optimizer_and_workers = pytest.mark.parametrize(
    ("name", "workers"),
    [
        (name, workers) if WORKERS[name] == workers else slow(name, workers)
        for name in NAMES
        for workers in (1, 2, 3)
    ],
)


def every_optimizer_and(key, values):
    """By default all of the values with Adam, and the first of them with the others."""
    return pytest.mark.parametrize(
        ("name", key),
        [
            (name, value) if name == "Adam" or value == values[0] else slow(name, value)
            for name in NAMES
            for value in values
        ],
    )


OPTIONS = {
    "Adam": {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.99, "eps": 1e-6},
    "AdamW": {"lr": 0.01, "beta_1": 0.8, "weight_decay": 0.5},
    "SGD": {"lr": 0.01, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.01},
    "RMSProp": {"lr": 0.01, "beta_2": 0.9, "eps": 1e-6},
}
VALUES = {
    "lr": [0.0, 1e-3, 0.25],
    "beta_1": [0.0, 0.5, 0.9],
    "beta_2": [0.0, 0.75, 0.999],
    "eps": [0.0, 1e-8, 1e-3],
    "weight_decay": [0.0, 0.01],
    "momentum": [0.0, 0.9],
    "dampening": [0.0, 0.5],
    "maximize": [True, False],
}
BLOCK = BLOCK_BYTES // 4  # elements, of float32


def assert_same_state(actual, expected):
    assert list(actual) == list(expected)
    assert actual["step_count"] == expected["step_count"]
    assert type(actual["step_count"]) is int
    for a, b in zip(actual["param_groups"], expected["param_groups"], strict=True):
        assert list(a) == list(b)
        for key in a:
            if not isinstance(a[key], dict):
                assert a[key] == b[key]
                assert type(a[key]) is type(b[key])
                continue
            assert list(a[key]) == list(b[key])
            for name in a[key]:
                assert_same_bits(a[key][name], b[key][name], f"{key} of {name}")


def tensors_of(opt):
    return [theta for group in opt.param_groups for theta in group["params"].values()]


def thawed(specs):
    """Groups of new tensors from pairs of arrays by name and overrides."""
    return [
        {"params": {name: sg.Tensor(array, requires_grad=True) for name, array in arrays.items()}}
        | overrides
        for arrays, overrides in specs
    ]


class Twins:
    """The same training twice: by an optimizer of `optimizers` and by its twin of `fast`."""

    def __init__(self, name, specs, workers=1, **options):
        self.name, self.workers = name, workers
        self.readable = getattr(optim, name)(param_groups=thawed(specs), **options)
        self.fast = getattr(fast, name)(param_groups=thawed(specs), workers=workers, **options)

    def __iter__(self):
        return iter((self.readable, self.fast))

    def pairs(self):
        return list(zip(tensors_of(self.readable), tensors_of(self.fast), strict=True))

    def set_gradients(self, gradients, how="assign"):
        for pair, gradient in zip(self.pairs(), gradients, strict=True):
            for theta in pair:
                give(theta, gradient, how)

    def step(self):
        for opt in self:
            opt.step()
        self.check()

    def check(self):
        for number, (a, b) in enumerate(self.pairs()):
            assert_same_bits(b.data, a.data, f"parameter {number}")
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                assert_same_bits(b.grad, a.grad, f"gradient {number}")
        assert_same_state(self.fast.state(), self.readable.state())
        assert repr(self.fast) == repr(self.readable)

    def train(self, steps, seed=0, how="assign", kind="normal"):
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            self.set_gradients([gradient_like(a.data, kind, rng) for a, _ in self.pairs()], how)
            self.step()


SPECIALS = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1e-40, 5e-324, 3e38, -1e25, 1e-23]
KINDS = ["normal", "denormal", "huge", "zero", "special"]
ASSIGNED = ["assign", "in place", "accumulate", "other dtype", "strided", "fortran", "reversed"]


def gradient_like(data, kind, rng):
    g = rng.normal(size=data.shape)
    if kind == "denormal":  # of its square, too
        g = g * (1e-40 if data.dtype == np.float32 else 1e-310)
    elif kind == "huge":  # its square overflows
        g = g * (1e25 if data.dtype == np.float32 else 1e200)
    elif kind == "zero":
        g = g * 0
    elif kind == "special":
        chosen = rng.random(data.shape) < 0.5
        g = np.where(chosen, rng.choice(SPECIALS, size=data.shape), g)
    with np.errstate(all="ignore"):
        return np.asarray(g).astype(data.dtype)


def give(theta, gradient, how):
    """Sets the gradient in one of the ways a user may."""
    if how == "in place" and theta.grad is not None:
        theta.grad[...] = gradient
    elif how == "accumulate" and theta.grad is not None:
        theta.zero_grad()
        theta.accumulate_grad(gradient)
    elif how == "other dtype":
        other = np.float64 if theta.dtype == np.float32 else np.float32
        with np.errstate(all="ignore"):
            theta.grad = gradient.astype(other)
    elif how == "strided":
        wide = np.zeros((*gradient.shape, 2), gradient.dtype)
        wide[..., 0] = gradient
        theta.grad = wide[..., 0]
    elif how == "fortran":
        theta.grad = np.array(gradient, order="F")
    elif how == "reversed" and gradient.ndim:
        theta.grad = np.ascontiguousarray(gradient[..., ::-1])[..., ::-1]
    else:
        theta.grad = gradient


def arrays(*shapes, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"{dtype.__name__}_{i}": np.asarray(rng.normal(size=shape)).astype(dtype)
        for i, shape in enumerate(shapes)
    }


def mixed(seed=0):
    """Two groups, both of float32 and float64 parameters of many shapes."""
    first = arrays((), (1,), (5, 7), (257,), seed=seed)
    first |= arrays((3, 1, 2), (), seed=seed, dtype=np.float64)
    second = arrays((1, 1), (33,), seed=seed, dtype=np.float64) | arrays((2, 9), seed=seed)
    return [(first, {}), (second, {"label": "head", "lr": 0.05, "maximize": True})]


# The same bits, drawn

SHAPES = [(), (1,), (1, 1), (3,), (5, 7), (2, 3, 4), (17,), (257,), (1, 513), (31, 33)]


@st.composite
def specs(draw, name):
    groups = []
    for number in range(draw(st.integers(1, 3))):
        shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=5))
        params = {}
        for i, shape in enumerate(shapes):
            dtype = draw(st.sampled_from([np.float32, np.float64]))
            params |= {f"{i}_{key}": a for key, a in arrays(shape, dtype=dtype, seed=i).items()}
        keys = [key for key in VALUES if key in getattr(optim, name).hyperparameters]
        chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=2))
        overrides = {key: draw(st.sampled_from(VALUES[key])) for key in chosen}
        groups.append((params, {"label": f"label {number}", **overrides}))
    return groups


def actions(name):
    keys = [key for key in VALUES if key in getattr(optim, name).hyperparameters]
    settable = [(key, value) for key in keys for value in VALUES[key]]
    step = st.tuples(st.just("step"), st.sampled_from(KINDS), st.sampled_from([*ASSIGNED, "keep"]))
    others = ["zero_grad", "data assigned", "data edited", "data in fortran order", "reset"]
    others += ["grads to None", "states exchanged", "new optimizers", "grads halved"]
    others += ["some frozen", "all frozen", "all set free", "a group added"]
    return st.one_of(
        step,
        step,
        st.tuples(st.just("set_param"), st.sampled_from(settable), st.booleans()),
        st.tuples(st.sampled_from(others)),
    )


def act(twins, action, rng):
    """Does one thing to both."""
    what, *details = action
    if what == "step":
        kind, how = details
        pairs = twins.pairs()
        if how != "keep" or any(a.grad is None for a, _ in pairs):
            twins.set_gradients([gradient_like(a.data, kind, rng) for a, _ in pairs], how)
        twins.step()
    elif what == "set_param":
        (key, value), everywhere = details
        label = None if everywhere else twins.readable.param_groups[-1]["label"]
        for opt in twins:
            opt.set_param(key, value, group=label)
    elif what == "states exchanged":
        ours, theirs = twins.fast.state(), twins.readable.state()
        twins.fast.load_state(theirs)
        twins.readable.load_state(ours)
    elif what == "new optimizers":
        state = twins.fast.state()
        for attribute, module in ("readable", optim), ("fast", fast):
            old = getattr(twins, attribute)
            frozen = [theta for theta in tensors_of(old) if not theta.requires_grad]
            for theta in frozen:
                theta.requires_grad = True  # as a new optimizer needs it
            groups = [{"params": g["params"], "label": g["label"]} for g in old.param_groups]
            workers = {"workers": twins.workers} if module is fast else {}
            new = getattr(module, twins.name)(param_groups=groups, **workers)
            for theta in frozen:
                theta.requires_grad = False
            new.load_state(state)
            new._defaults = old._defaults  # where groups differ, a state does not say it
            setattr(twins, attribute, new)
    elif what == "a group added":
        shapes = [SHAPES[i] for i in rng.integers(len(SHAPES), size=2)]
        label = f"added {len(twins.readable.param_groups)}"
        for opt, (group,) in zip(
            twins, (thawed([(arrays(*shapes), {})]) for _ in "ab"), strict=True
        ):
            opt.add_param_group(group | {"label": label})
    elif what == "zero_grad":
        for opt in twins:
            opt.zero_grad()
    elif what == "reset":
        for opt in twins:
            opt.reset_step_count()
    for pair in twins.pairs():
        number = rng.normal()
        for theta in pair:
            if what == "some frozen":
                theta.requires_grad = number > 0
            elif what in ("all frozen", "all set free"):
                theta.requires_grad = what == "all set free"
            if what == "data assigned":
                theta.data = theta.data * 0.5 + number
            elif what == "data in fortran order":
                theta.data = np.array(theta.data, order="F")
            elif what == "data edited":
                theta.data += number
                theta.data.flat[0] = number
            elif what == "grads to None":
                theta.grad = None
            elif what == "grads halved" and theta.grad is not None:
                theta.grad *= 0.5
    twins.check()


@every_optimizer
def test_drawn_trainings_have_the_same_bits_step_by_step(name, for_all):
    trainings = st.lists(actions(name), min_size=1, max_size=12)

    @for_all(specs(name), st.sampled_from([1, 1, 2, 3]), st.integers(0, 9), trainings)
    def same_bits(groups, workers, seed, training):
        twins = Twins(name, groups, workers, **OPTIONS[name])
        rng = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            for action in training:
                act(twins, action, rng)


# The same bits, in cases chosen


@every_optimizer_and_workers
def test_200_steps_of_many_small_parameters_have_the_same_bits(name, workers):
    Twins(name, mixed(), workers, **OPTIONS[name]).train(200)


@adam_or_every_optimizer
def test_200_steps_with_the_defaults_have_the_same_bits(name):
    Twins(name, mixed()).train(200, how="in place")


@pytest.mark.parametrize("workers", [2, slow(1), slow(3)])
@adam_or_every_optimizer
def test_200_steps_of_parameters_that_span_blocks_have_the_same_bits(name, workers):
    params = arrays((150_001,), (), (3, 5)) | arrays((257, 5), (1,), dtype=np.float64)
    twins = Twins(name, [(params, {})], workers, **OPTIONS[name])
    rng = np.random.default_rng(0)
    gradients = [gradient_like(a.data, "normal", rng) for a, _ in twins.pairs()]
    for step in range(200):
        twins.set_gradients([np.roll(g, step, axis=-1) if g.ndim else g for g in gradients])
        for opt in twins:
            opt.step()
        if step % 20 in (0, 19):
            twins.check()


@pytest.mark.parametrize("dtype", [np.float32, slow(np.float64)])
@every_optimizer_and_workers
def test_nothing_is_lost_or_done_twice_at_the_ends_of_blocks(name, workers, dtype):
    sizes = [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 1, 7, BLOCK // 2]
    Twins(name, [(arrays(*sizes, dtype=dtype), {})], workers, **OPTIONS[name]).train(2)


@every_optimizer
def test_each_large_parameter_alone_has_the_same_bits(name):
    for shape in [(BLOCK - 1,), (BLOCK,), (BLOCK + 1,), (2 * BLOCK,), (150_001,), (3, 50_001)]:
        Twins(name, [(arrays(shape), {})], **OPTIONS[name]).train(2)


@pytest.mark.parametrize("workers", [1, 2, slow(3)])
@every_optimizer_and("kind", KINDS[::-1])
def test_denormal_huge_infinite_and_nan_gradients_have_the_same_bits(name, workers, kind):
    specs = [*mixed(), (arrays((70_003,)), {"label": "large"})]
    with np.errstate(all="ignore"):  # in the worker threads, too
        Twins(name, specs, workers, **OPTIONS[name]).train(5, kind=kind)


@pytest.mark.parametrize("eps", [0.0, 1e-8])
def test_a_gradient_of_zeros_divides_as_in_the_reference(eps):
    with np.errstate(all="ignore"):
        Twins("Adam", mixed(), eps=eps).train(3, kind="zero")


@pytest.mark.parametrize("workers", [1, 2])
@every_optimizer
def test_what_numpy_warns_of_in_the_reference_is_warned_of(name, workers):
    if name == "SGD":
        pytest.skip("does not square")
    twins = Twins(name, [(arrays((70_003,)), {})], workers)
    twins.set_gradients([np.full(70_003, 1e30, np.float32)])
    for opt in twins:
        with pytest.warns(RuntimeWarning, match="overflow"):
            opt.step()
    twins.check()
    with np.errstate(over="raise"):
        for opt in twins:
            with pytest.raises(FloatingPointError, match="overflow"):
                opt.step()


@every_optimizer
def test_float16_has_the_same_bits(name):
    params = arrays((5, 7), (), dtype=np.float16) | arrays((3,))
    options = OPTIONS[name] | ({} if name == "SGD" else {"eps": 1e-6})
    with np.errstate(all="ignore"):
        Twins(name, [(params, {})], **options).train(20)


@every_optimizer
def test_parameters_of_no_elements_are_taken(name):
    for params in (
        {"none": np.zeros((0, 3), np.float32)},
        {"none": np.zeros((0, 3), np.float32), "one": np.ones(1, np.float32)},
    ):
        Twins(name, [(params, {})], **OPTIONS[name]).train(3)


@every_optimizer_and("how", ASSIGNED)
def test_a_gradient_may_be_given_in_any_way(name, how):
    twins = Twins(name, [*mixed(), (arrays((300, 301)), {"label": "large"})], **OPTIONS[name])
    twins.train(1, seed=1)
    twins.train(4, how=how)
    twins.train(1, seed=2, how="in place")
    twins.train(1, seed=3, how="accumulate")


@every_optimizer
def test_parameters_in_fortran_order_have_the_same_bits(name):
    params = {key: np.array(a, order="F") for key, a in arrays((5, 7), (300, 301)).items()}
    twins = Twins(name, [(params, {})], **OPTIONS[name])
    twins.train(3)
    for pair in twins.pairs():
        for theta in pair:
            theta.data = np.array(theta.data * 2, order="F")
    twins.train(3, how="in place")


@every_optimizer
def test_data_assigned_between_steps_counts(name):
    twins = Twins(name, mixed(), **OPTIONS[name])
    for seed in range(4):
        twins.train(1, seed=seed)
        for pair in twins.pairs():
            for theta in pair:
                theta.data = theta.data.astype(np.float64) * 3
        twins.check()


@every_optimizer
def test_sgd_and_all_others_with_maximize_and_set_param_have_the_same_bits(name):
    twins = Twins(name, mixed(), maximize=True, **OPTIONS[name])
    for key, values in VALUES.items():
        if key not in twins.readable.hyperparameters:
            continue
        for value in values:
            for opt in twins:
                opt.set_param(key, value, group="head")
            twins.train(2)
    for opt in twins:
        opt.lr = 0.125
        opt.step_count = 1000
        opt.param_groups[0]["lr"] = 0.25
    twins.train(2)


@pytest.mark.skipif(not hasattr(fast, "SGD"), reason="there is no fast.SGD")
def test_sgd_with_nesterov_and_without_momentum_have_the_same_bits():
    for options in (
        {},
        {"momentum": 0.9, "nesterov": True},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"dampening": 0.5},
    ):
        Twins("SGD", mixed(), lr=0.1, **options).train(10)


# Training a model


def mlp(seed=0):
    sg.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.GELU(), nn.Linear(9, 4))


def batch(seed, n=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 4, n)


def differentiate(model, seed):
    x, targets = batch(seed)
    loss = sg.cross_entropy(model(x), targets)
    loss.backward()
    return loss


def data_of(model):
    return [theta.numpy() for theta in model.parameters().values()]


def assert_same_models(a, b):
    for x, y in zip(data_of(a), data_of(b), strict=True):
        assert_same_bits(x, y)


@every_optimizer_and("clearing", ["after", "before", "None", "never"])
def test_a_model_trains_to_the_same_bits(name, clearing):
    models = mlp(), mlp()
    opts = getattr(optim, name)(models[0]), getattr(fast, name)(models[1])
    for seed in range(50):
        for model, opt in zip(models, opts, strict=True):
            if clearing == "before":
                opt.zero_grad()
            differentiate(model, seed)
            for theta in model.parameters().values():
                theta.grad *= 0.5
            opt.step()
            if clearing == "after":
                opt.zero_grad()
            for theta in model.parameters().values():
                if clearing == "None":
                    theta.grad = None
        assert_same_models(*models)
        assert_same_state(opts[1].state(), opts[0].state())


def test_parameters_added_after_construction_are_not_touched():
    model = mlp()
    opt = fast.Adam(model)
    differentiate(model, 0)
    opt.step()
    model.more = nn.Linear(2, 2)
    late = model.more.weight
    late.grad = np.ones((2, 2))
    data, grad = late.data, late.grad
    opt.step()
    opt.zero_grad()
    assert late.data is data
    assert late.grad is grad
    assert grad.all()
    assert "more.weight" not in opt.param_groups[0]["params"]
    assert "more.weight" not in opt.state()["param_groups"][0]["moments1"]


class Tied(nn.Module):
    def __init__(self):
        self.encoder = nn.Linear(6, 6)
        self.decoder = nn.Linear(6, 6)
        self.decoder.weight = self.encoder.weight

    def forward(self, x):
        return self.decoder(self.encoder(x).tanh())


@every_optimizer
def test_tied_tensors_are_one_parameter(name):
    models, opts = [], []
    for module in (optim, fast):
        sg.manual_seed(0)
        models.append(Tied())
        opts.append(getattr(module, name)(models[-1], lr=0.1))
    for seed in range(10):
        x, _ = batch(seed)
        for model, opt in zip(models, opts, strict=True):
            sg.mse_loss(model(x), x).backward()
            opt.step()
            opt.zero_grad()
        assert_same_models(*models)
    assert models[1].encoder.weight is models[1].decoder.weight
    names = ["encoder.weight", "encoder.bias", "decoder.bias"]
    assert list(opts[1].param_groups[0]["params"]) == names


@every_optimizer
def test_a_model_with_frozen_parameters_trains_to_the_same_bits(name):
    models = mlp(), mlp()
    optimizers = getattr(optim, name)(models[0]), getattr(fast, name)(models[1])
    for seed in range(12):
        for model, opt in zip(models, optimizers, strict=True):
            model[0].weight.requires_grad = seed % 4 != 2
            model[3].bias.requires_grad = seed < 6
            differentiate(model, seed)
            opt.step()
            opt.zero_grad()
        assert_same_models(*models)
    assert_same_state(optimizers[1].state(), optimizers[0].state())


@every_optimizer
def test_large_parameters_frozen_and_set_free_have_the_same_bits(name):
    twins = Twins(name, [(arrays((70_003,), (300, 301), (5,)), {})], 2, **OPTIONS[name])
    twins.train(2)
    for frozen in ({0}, {0, 2}, {1}, set(), {0, 1, 2}, set()):
        for i, pair in enumerate(twins.pairs()):
            for theta in pair:
                theta.requires_grad = i not in frozen
        twins.train(2)


@pytest.mark.parametrize("second", [optim.Adam, fast.Adam])
def test_two_optimizers_may_take_turns_with_the_same_parameters(second):
    models = mlp(), mlp()
    pairs = [
        (optim.Adam(models[0]), optim.Adam(models[0], lr=0.01)),
        (fast.Adam(models[1]), second(models[1], lr=0.01)),
    ]
    for seed in range(12):
        for model, pair in zip(models, pairs, strict=True):
            differentiate(model, seed)
            pair[seed % 3 == 0].step()
            pair[seed % 2].zero_grad()
        assert_same_models(*models)
    for a, b in zip(*pairs, strict=True):
        assert_same_state(b.state(), a.state())


def test_two_optimizers_of_two_parts_of_a_model_do_not_disturb_each_other():
    models = mlp(), mlp()
    pairs = [[c(m[0], lr=0.01), c(m[3])] for c, m in zip((optim.Adam, fast.Adam), models)]  # noqa: B905
    for seed in range(10):
        for model, (first, last) in zip(models, pairs, strict=True):
            differentiate(model, seed)
            first.step()
            if seed % 2:
                last.step()
                last.zero_grad()
            first.zero_grad()
        assert_same_models(*models)


def test_the_parameters_outlive_the_optimizer():
    models = mlp(), mlp()
    for model, classes in zip(models, [(optim.Adam,) * 2, (fast.Adam, optim.Adam)], strict=True):
        for optimizer in classes:
            opt = optimizer(model)
            for seed in range(3):
                differentiate(model, seed)
                opt.step()
                opt.zero_grad()
            del opt
            gc.collect()
    assert_same_models(*models)


# What the reference promises beside the numbers


@every_optimizer
def test_a_step_without_gradients_says_so_as_the_reference_does_and_changes_nothing(name):
    twins = Twins(name, mixed())
    twins.train(2)
    for pair in twins.pairs()[1:5:2]:
        for theta in pair:
            theta.grad = None
    before, data = twins.fast.state(), [b.numpy() for _, b in twins.pairs()]
    said = []
    for opt in twins:
        with pytest.raises(ValueError, match="Call loss") as error:
            opt.step()
        said.append(str(error.value))
    assert said[0] == said[1]
    assert_same_state(twins.fast.state(), before)
    for (_, b), old in zip(twins.pairs(), data, strict=True):
        assert_same_bits(b.data, old)
    twins.train(2)


@every_optimizer
def test_a_first_step_without_gradients_says_so_too(name):
    twins = Twins(name, mixed())
    said = []
    for opt in twins:
        with pytest.raises(ValueError, match="these have none") as error:
            opt.step()
        said.append(str(error.value))
    assert said[0] == said[1]
    assert [theta.grad for theta in tensors_of(twins.fast)] == [None] * len(twins.pairs())
    twins.check()


@every_optimizer
def test_zero_grad_before_any_backward_makes_zeros_to_step_with(name):
    twins = Twins(name, mixed())
    for opt in twins:
        opt.zero_grad()
    for _, theta in twins.pairs():
        assert theta.grad.dtype == theta.dtype
        assert_same_bits(theta.grad, np.zeros_like(theta.data))
    twins.step()


@every_optimizer
def test_gradients_that_exist_before_the_optimizer_are_kept(name):
    tensors = [sg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    for theta in tensors:
        theta.grad = [3.0, -4.0]
    readable, swift = (
        getattr(module, name)(param_groups=[{"params": {"w": theta}}])
        for module, theta in zip((optim, fast), tensors, strict=True)
    )
    assert_same_bits(tensors[1].grad, np.array([3, -4], np.float32))
    readable.step()
    swift.step()
    assert_same_bits(tensors[1].data, tensors[0].data)


@every_optimizer
def test_steps_and_zero_grad_keep_the_identity_of_the_arrays(name):
    twins = Twins(name, [*mixed(), (arrays((70_003,)), {"label": "large"})])
    twins.train(1)
    before = [(theta.data, theta.grad) for theta in tensors_of(twins.fast)]
    twins.fast.step()
    twins.fast.zero_grad()
    twins.fast.step()
    for theta, (data, grad) in zip(tensors_of(twins.fast), before, strict=True):
        assert theta.data is data
        assert theta.grad is grad
        assert not grad.any()


def test_backward_adds_into_the_gradients_in_place():
    model = mlp()
    opt = fast.Adam(model)
    differentiate(model, 0)
    opt.step()
    grads = [theta.grad for theta in model.parameters().values()]
    opt.zero_grad()
    differentiate(model, 1)
    for theta, grad in zip(model.parameters().values(), grads, strict=True):
        assert theta.grad is grad
        assert grad.any()


def test_parameters_do_not_overlap():
    model = mlp()
    opt = fast.Adam(model)
    differentiate(model, 0)
    opt.step()
    arrays = [a for t in model.parameters().values() for a in (t.data, t.grad)]
    for i, a in enumerate(arrays):
        assert a.flags.writeable
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)


@every_optimizer
def test_an_old_loss_cannot_be_differentiated_after_a_step(name):
    model = mlp()
    opt = getattr(fast, name)(model)
    for seed in range(3):
        loss = differentiate(model, seed)
        opt.step()
        with pytest.raises(RuntimeError, match="assigned between forward and backward"):
            loss.backward()
        opt.zero_grad()


def test_a_loss_made_before_the_optimizer_is_differentiated_right_or_refused():
    models = mlp(), mlp()
    x, targets = batch(0)
    losses = [sg.cross_entropy(model(x), targets) for model in models]
    optim.Adam(models[0])
    opt = fast.Adam(models[1])
    losses[0].backward()
    try:
        losses[1].backward()
    except RuntimeError:
        return
    opt.step()
    for a, b in zip(models[0].parameters().values(), models[1].parameters().values(), strict=True):
        assert_same_bits(b.grad, a.grad)


@every_optimizer
def test_a_state_is_a_copy_and_a_loaded_state_is_copied(name):
    twins = Twins(name, mixed(), **OPTIONS[name])
    twins.train(2)
    state, before = twins.fast.state(), twins.fast.state()
    for group in state["param_groups"]:
        for slot in twins.fast.slots:
            for array in group[slot].values():
                array.fill(99)
    assert_same_state(twins.fast.state(), before)
    kept = copy.deepcopy(before)
    twins.fast.load_state(before)
    twins.train(2)
    assert_same_state(before, kept)


@pytest.mark.parametrize("order", ["C", "F"])
@every_optimizer
def test_a_state_may_come_in_any_layout_of_memory(name, order):
    params = {key: np.array(a, order=order) for key, a in arrays((300, 301), (5, 7)).items()}
    for chosen in range(len(getattr(optim, name).slots)):
        twins = Twins(name, [(params, {})], **OPTIONS[name])
        twins.train(2)
        state = twins.readable.state()
        slot = twins.readable.slots[chosen]
        other = "F" if order == "C" else "C"
        (group,) = state["param_groups"]
        group[slot] = {key: np.array(a, order=other) for key, a in group[slot].items()}
        for opt in twins:
            opt.load_state(state)
        twins.train(3, seed=1)


@pytest.mark.parametrize("steps_before", [0, 1, 5])
@every_optimizer
def test_states_are_interchangeable_both_ways_in_mid_training(name, steps_before):
    twins = Twins(name, mixed(), **OPTIONS[name])
    twins.train(steps_before, seed=1)
    for opt in twins:
        opt.set_param("lr", 0.03, group="head")
    others = Twins(name, mixed())  # with other hyperparameters and moments
    others.train(2, seed=2)
    for mine, theirs in zip(others.pairs(), twins.pairs(), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            a.data = b.data
    others.readable.load_state(twins.fast.state())
    others.fast.load_state(twins.readable.state())
    for pair in (twins, others):
        pair.train(5, seed=3)
    assert_same_state(others.readable.state(), twins.readable.state())
    for (a, _), (b, _) in zip(others.pairs(), twins.pairs(), strict=True):
        assert_same_bits(a.data, b.data)


@every_optimizer
def test_a_wrong_state_is_refused_as_by_the_reference_and_nothing_is_loaded(name):
    twins = Twins(name, mixed(), **OPTIONS[name])
    twins.train(2)
    slot = twins.fast.slots[-1]

    def damaged(change):
        state = Twins(name, mixed()).fast.state()
        change(state["param_groups"][1])
        return state

    changes = [
        lambda group: group.update(label="other"),
        lambda group: group.pop(slot),
        lambda group: group[slot].popitem(),
        lambda group: group[slot].update(float32_0=np.zeros((9, 2), np.float32)),
        lambda group: group[slot].update(float32_0=np.zeros((2, 9))),
        lambda group: group.update(lr=-1),
    ]
    for change in changes:
        said = []
        for opt in twins:
            with pytest.raises((ValueError, TypeError)) as error:
                opt.load_state(damaged(change))
            said.append((error.type, str(error.value)))
        assert said[0] == said[1]
        twins.check()


@pytest.mark.parametrize(("saving", "loading"), [(fast, fast), (fast, optim), (optim, fast)])
@every_optimizer
def test_a_saved_training_goes_on_to_the_same_bits(tmp_path, name, saving, loading):
    def train(model, opt, seeds):
        for seed in seeds:
            differentiate(model, seed)
            opt.step()
            opt.zero_grad()

    through = mlp()
    opt = getattr(optim, name)(through, **OPTIONS[name])
    train(through, opt, range(8))

    model = mlp()
    first = getattr(saving, name)(model, **OPTIONS[name])
    train(model, first, range(4))
    sg.save(tmp_path / "run.npz", model, first)
    resumed = mlp(seed=1)
    second = getattr(loading, name)(resumed)
    train(resumed, second, [9])
    sg.load(tmp_path / "run.npz", resumed, second)
    assert_same_models(resumed, model)
    train(resumed, second, range(4, 8))
    assert_same_models(resumed, through)
    assert_same_state(second.state(), opt.state())


# Copies


def test_a_deep_copy_of_a_model_is_independent():
    model = mlp()
    opt = fast.Adam(model)
    differentiate(model, 0)
    opt.step()
    twin = copy.deepcopy(model)
    before = data_of(twin)
    assert_same_models(model, twin)
    for a, b in zip(model.parameters().values(), twin.parameters().values(), strict=True):
        assert not np.shares_memory(a.data, b.data)
        assert b.grad is None
    opt.step()
    for old, new in zip(before, data_of(twin), strict=True):
        assert_same_bits(new, old)
    assert list(opt.param_groups[0]["params"]) == list(twin.parameters())


def pickled(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize("workers", [1, 2])
@every_optimizer
def test_a_model_and_its_optimizer_copied_together_train_on_together(name, workers, copied):
    models = mlp(), mlp()
    opts = getattr(optim, name)(models[0]), getattr(fast, name)(models[1], workers=workers)
    for model, opt in zip(models, opts, strict=True):
        differentiate(model, 0)
        opt.step()
    copies = [copied(pair) for pair in zip(models, opts, strict=True)]
    frozen = data_of(models[1])
    for seed in range(1, 4):
        for model, opt in copies:
            opt.zero_grad()
            differentiate(model, seed)
            opt.step()
        assert_same_models(copies[0][0], copies[1][0])
        assert_same_state(copies[1][1].state(), copies[0][1].state())
    for old, theta in zip(frozen, models[1].parameters().values(), strict=True):
        assert_same_bits(theta.data, old)
    for seed in range(4, 6):  # and the originals train on, too
        for model, opt in zip(models, opts, strict=True):
            differentiate(model, seed)
            opt.step()
    assert_same_models(*models)


# Memory


def filled(params, **options):
    opt = fast.Adam(param_groups=[{"params": params}], **options)
    for theta in tensors_of(opt):
        theta.grad = np.ones(theta.shape, theta.dtype)
    opt.step()
    return opt


@pytest.mark.parametrize(
    "shapes", [[(1000,)], [(500,)] * 200, [(20_000,)] * 10, [(1_000_000,)], [(), (300, 301), (7,)]]
)
def test_a_step_after_the_first_allocates_no_array(shapes):
    opt = filled({str(i): sg.zeros(shape, requires_grad=True) for i, shape in enumerate(shapes)})
    assert traced_growth(opt.step) < 1024


def test_a_step_of_two_dtypes_in_two_groups_allocates_no_array():
    groups = thawed([(arrays((400,), (70_003,)), {}), (arrays((500,), dtype=np.float64), {})])
    opt = fast.Adam(param_groups=groups)
    opt.zero_grad()
    opt.step()
    assert traced_growth(opt.step) < 1024


def test_a_step_allocates_no_array_while_the_same_parameters_are_frozen():
    opt = filled({str(i): sg.zeros((500,), requires_grad=True) for i in range(100)})
    for theta in tensors_of(opt)[::2]:
        theta.requires_grad = False
    assert traced_growth(opt.step) < 1024


def test_zero_grad_allocates_no_array():
    opt = filled({str(i): sg.zeros((500,), requires_grad=True) for i in range(200)})
    assert traced_growth(opt.zero_grad) < 1024


def test_steps_in_threads_allocate_no_array():
    opt = filled({"w": sg.zeros(1_000_000, requires_grad=True)}, workers=2)
    assert traced_growth(opt.step) < 32 * 1024  # what threads hand to one another


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_is_that_of_four_arrays_5_percent_and_4_megabytes(workers):
    n = 2_000_000
    gc.collect()
    tracemalloc.start()
    try:
        opt = filled({"w": sg.zeros(n, requires_grad=True)}, workers=workers)
        gc.collect()
        tracemalloc.reset_peak()
        for _ in range(2):
            opt.step()
            opt.zero_grad()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 1.05 * (4 * 4 * n) + 4 * 2**20


def test_threads_do_not_grow_in_number_with_the_optimizers():
    def train():
        opts = [filled({"w": sg.zeros(200_000, requires_grad=True)}, workers=3) for _ in range(3)]
        for opt in opts:
            opt.step()

    train()
    before = threading.active_count()
    train()
    assert threading.active_count() <= before


IN_A_FORK = """
import os
import numpy as np
import simplegrad as sg
from simplegrad import fast

w = sg.zeros(200_000, requires_grad=True)
opt = fast.Adam(param_groups=[{"params": {"w": w}}], workers=2)
w.grad = np.ones(200_000)
opt.step()
child = os.fork()
if not child:
    opt.step()
    os._exit(0 if opt.step_count == 2 else 1)
raise SystemExit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_step_in_threads_works_in_a_forked_process():
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", IN_A_FORK], start_new_session=True
    )
    try:
        assert process.wait(timeout=HANGING) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# The constructor


@every_optimizer
def test_a_fast_optimizer_is_one_of_its_kind_with_the_same_arguments(name):
    readable, swift = getattr(optim, name), getattr(fast, name)
    assert issubclass(swift, readable)
    assert swift.__name__ == name
    assert swift.hyperparameters == readable.hyperparameters
    assert swift.slots == readable.slots


@every_optimizer
def test_a_model_may_come_first_and_positional_arguments_mean_the_same(name):
    model = mlp()
    values = [0.5, 0.25] if name != "RMSProp" else [0.5, 0.75]
    a, b = getattr(optim, name)(mlp(), *values), getattr(fast, name)(model, *values)
    assert_same_state(b.state(), a.state())
    assert b.lr == a.lr == 0.5
    assert b.param_groups[0]["params"] == model.parameters()
    assert isinstance(b.param_groups[0], dict)


def constant():
    return sg.Tensor([1.0])


def w():
    return sg.Tensor([1.0], requires_grad=True, name="w")


shared = w()
WRONG = {
    "neither": dict,
    "both": lambda: {"model": nn.Linear(1, 1), "param_groups": [{"params": {"w": shared}}]},
    "no module": lambda: {"model": [shared]},
    "no list": lambda: {"param_groups": {"params": {"w": shared}}},
    "no group": lambda: {"param_groups": []},
    "no dict": lambda: {"param_groups": [3]},
    "no params": lambda: {"param_groups": [{"lr": 0.1}]},
    "empty": lambda: {"param_groups": [{"params": {}}]},
    "no parameters": lambda: {"model": nn.ReLU()},
    "no gradients": lambda: {"param_groups": [{"params": {"c": constant()}}]},
    "no leaf": lambda: {"param_groups": [{"params": {"r": shared * 2}}]},
    "same tensor": lambda: {"param_groups": [{"params": {"a": shared, "b": shared}}]},
    "same label": lambda: {
        "param_groups": [
            {"params": {"w": w()}, "label": "x"},
            {"params": {"w": w()}, "label": "x"},
        ]
    },
    "label": lambda: {"param_groups": [{"params": {"w": shared}, "label": 3}]},
    "unknown key": lambda: {"param_groups": [{"params": {"w": shared}, "betas": 3}]},
    "workers in a group": lambda: {"param_groups": [{"params": {"w": shared}, "workers": 2}]},
    "lr of a group": lambda: {"param_groups": [{"params": {"w": shared}, "lr": -1}]},
    "lr": lambda: {"model": nn.Linear(1, 1), "lr": -0.1},
    "lr of nan": lambda: {"model": nn.Linear(1, 1), "lr": math.nan},
    "lr of a string": lambda: {"model": nn.Linear(1, 1), "lr": "0.1"},
    "lr of a bool": lambda: {"model": nn.Linear(1, 1), "lr": True},
    "maximize": lambda: {"model": nn.Linear(1, 1), "maximize": 1},
    "unknown argument": lambda: {"model": nn.Linear(1, 1), "betas": (0.9, 0.999)},
}


@pytest.mark.parametrize("wrong", WRONG)
@every_optimizer
def test_wrong_arguments_are_refused_in_the_words_of_the_reference(name, wrong):
    data, grad = shared.data, shared.grad
    said = []
    for module in (optim, fast):
        with pytest.raises((TypeError, ValueError)) as error:
            getattr(module, name)(**WRONG[wrong]())
        text = str(error.value).replace("Tensor([1]", "Tensor(1")
        said.append((error.type, text))
    assert said[0] == said[1]
    assert shared.data is data
    assert shared.grad is grad


@pytest.mark.parametrize(
    ("workers", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (True, (TypeError, ValueError)),
        (False, (TypeError, ValueError)),
        (1.0, (TypeError, ValueError)),
        (2.5, (TypeError, ValueError)),
        ("2", (TypeError, ValueError)),
        (None, (TypeError, ValueError)),
        (math.nan, (TypeError, ValueError)),
        ([2], (TypeError, ValueError)),
    ],
)
@every_optimizer
def test_wrong_workers_are_refused_before_anything_is_touched(name, workers, error):
    model = nn.Linear(2, 1)
    data = model.weight.data
    with pytest.raises(error, match="workers"):
        getattr(fast, name)(model, workers=workers)
    assert model.weight.data is data


def test_more_workers_than_blocks_are_taken():
    Twins("Adam", mixed(), workers=64).train(2)
    Twins("Adam", [(arrays(70_003), {})], workers=64).train(2)


def test_set_param_refuses_as_in_the_reference():
    twins = Twins("Adam", mixed())
    for key, value, group in [("lr", -1, None), ("betas", 1, None), ("lr", 1, "tail")]:
        said = []
        for opt in twins:
            with pytest.raises((KeyError, ValueError)) as error:
                opt.set_param(key, value, group=group)
            said.append((error.type, error.value.args))
        assert said[0] == said[1]
    twins.train(1)


def test_importing_simplegrad_does_not_import_fast():
    code = "import sys, simplegrad; sys.exit('simplegrad.fast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_large_parameter_stays_where_it_is():
    theta = sg.Tensor(np.zeros(1_000_000), requires_grad=True)
    theta.grad = np.ones(1_000_000)
    tracemalloc.start()
    opt = fast.Adam(param_groups=[{"params": {"theta": theta}}])
    opt.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * 2 * theta.data.nbytes  # of the moments, and some scratch
