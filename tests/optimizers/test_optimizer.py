"""The contract of Optimizer: groups, checks, step, zero_grad, set_param, state and load_state."""

import copy
import math
import re

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim

OPTIMIZERS = [optim.SGD, optim.RMSProp, optim.Adam, optim.AdamW]
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def leaf(data=(1.0, 2.0), dtype=np.float32):
    return sg.Tensor(data, requires_grad=True, dtype=dtype)


def groups_of_two(**overrides):
    return [
        {"params": {"w": leaf(), "b": leaf(0.5)}, "label": "encoder"},
        {"params": {"w": leaf([3.0])}, "label": "decoder", **overrides},
    ]


def set_gradients(opt, value=1.0):
    for group in opt.param_groups:
        for theta in group["params"].values():
            theta.grad = np.full_like(theta.data, value)


def train(opt, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for group in opt.param_groups:
            for theta in group["params"].values():
                theta.grad = rng.normal(size=theta.shape).astype(theta.dtype)
        opt.step()


def all_data(opt):
    return [theta.numpy() for group in opt.param_groups for theta in group["params"].values()]


def refused(error, *said):
    """`error` is raised, and its message has these parts in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(part) for part in said))


# Which parameters: model or param_groups


@every_optimizer
def test_a_model_is_one_group_labelled_default(optimizer):
    model = nn.Linear(3, 2)
    opt = optimizer(model)
    (group,) = opt.param_groups
    assert set(group) == {"label", "params", *optimizer.hyperparameters}
    assert group["label"] == "default"
    assert list(group["params"]) == ["weight", "bias"]
    assert group["params"]["weight"] is model.weight
    assert opt.step_count == 0


@every_optimizer
def test_a_group_is_a_module_or_a_dict_of_tensors(optimizer):
    w, model = leaf(), nn.Linear(3, 2)
    opt = optimizer(param_groups=[{"params": model}, {"params": {"w": w}}])
    assert opt.param_groups[0]["params"] == model.parameters()
    assert opt.param_groups[1]["params"] == {"w": w}


def test_groups_come_as_a_list_or_a_tuple_and_are_copied():
    given = groups_of_two(lr=0.5)
    opt = optim.Adam(param_groups=tuple(given))
    opt.set_param("lr", 0.25)
    assert given[1]["lr"] == 0.5
    given[0]["params"].clear()
    given[1]["lr"] = 1.0
    assert list(opt.param_groups[0]["params"]) == ["w", "b"]
    assert opt.param_groups[1]["lr"] == 0.25


def test_labels_default_to_the_number_of_the_group():
    opt = optim.Adam(
        param_groups=[
            {"params": {"w": leaf()}},
            {"params": {"w": leaf()}, "label": "head"},
            {"params": {"w": leaf()}},
        ]
    )
    assert [group["label"] for group in opt.param_groups] == ["group_0", "head", "group_2"]


def test_a_group_overrides_the_defaults_of_the_optimizer():
    opt = optim.Adam(
        lr=0.1, beta_1=0.5, param_groups=groups_of_two(lr=0.2, beta_2=0.25, maximize=True)
    )
    encoder, decoder = opt.param_groups
    keys = "lr", "beta_1", "beta_2", "eps", "maximize"
    assert [encoder[key] for key in keys] == [0.1, 0.5, 0.999, 1e-8, False]
    assert [decoder[key] for key in keys] == [0.2, 0.5, 0.25, 1e-8, True]
    assert opt.lr == 0.1


def test_hyperparameters_become_floats_and_bools_of_python():
    opt = optim.SGD(nn.Linear(1, 1), lr=1, momentum=np.float32(0.5), maximize=np.True_)
    (group,) = opt.param_groups
    for key, value in {"lr": 1.0, "momentum": 0.5, "maximize": True}.items():
        assert group[key] == value
        assert type(group[key]) is type(value)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [({}, "neither"), ({"model": nn.Linear(1, 1), "param_groups": groups_of_two()}, "both")],
)
@every_optimizer
def test_exactly_one_of_model_and_param_groups_is_given(optimizer, arguments, given):
    name = optimizer.__name__
    with refused(
        TypeError,
        f"{name} takes either model or param_groups, but got {given}. ",
        f"Write {name}(model=model) or ",
        f'{name}(param_groups=[{{"params": model}}]).',
    ):
        optimizer(**arguments)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (nn.Linear(1, 1).parameters(), "dict"),
        ([leaf()], "list"),
        (leaf(), "Tensor"),
        (nn.Linear, "type"),
        (0.001, "float"),
    ],
)
def test_a_model_is_a_module(model, given):
    with refused(
        TypeError,
        f"Adam takes a Module as model, but got a {given}. Write Adam(model=model), or ",
        'Adam(param_groups=[{"params": tensors}]) with a dict of tensors by name.',
    ):
        optim.Adam(model)


@pytest.mark.parametrize("param_groups", [[], (), {"params": {"w": leaf()}}, "encoder", leaf()])
def test_param_groups_is_a_list_of_at_least_one_dict(param_groups):
    with refused(
        TypeError,
        f"param_groups is a list of at least one dict, but got {param_groups!r}. Write ",
        'Adam(param_groups=[{"params": model}]).',
    ):
        optim.Adam(param_groups=param_groups)


@pytest.mark.parametrize("group", [leaf(), {"w": leaf()}, nn.Linear(1, 1), {}, None])
def test_a_group_is_a_dict_with_params(group):
    with refused(
        TypeError,
        f'param_groups[1] must be a dict with "params", but is {group!r}. Write ',
        '{"params": module, "lr": 0.001}.',
    ):
        optim.Adam(param_groups=[{"params": {"w": leaf()}}, group])


@pytest.mark.parametrize(
    "params", [[leaf()], leaf(), {"w": np.ones(2)}, {"layer": nn.Linear(1, 1)}, None, iter([])]
)
def test_params_is_a_module_or_a_dict_of_tensors(params):
    with refused(
        TypeError,
        f'param_groups[0]: "params" is a Module or a dict of tensors by name, but got {params!r}'[
            :90
        ],
        'Write {"params": model} or {"params": {"w": w}}.',
    ):
        optim.Adam(param_groups=[{"params": params}])


def test_a_name_of_a_tensor_is_a_string():
    with refused(TypeError, "param_groups[0]", "0"):
        optim.Adam(param_groups=[{"params": {0: leaf()}}])


@pytest.mark.parametrize("params", [{}, nn.ReLU()])
def test_a_group_is_not_empty(params):
    with refused(
        ValueError,
        'param_groups[1]: "params" is empty, so there is nothing to optimize. Write ',
        '{"params": module} with a module whose tensors have requires_grad=True.',
    ):
        optim.Adam(param_groups=[{"params": {"w": leaf()}}, {"params": params}])


def test_a_model_has_parameters():
    with refused(ValueError, '"params" is empty, so there is nothing to optimize'):
        optim.Adam(nn.ReLU())


@pytest.mark.parametrize("label", [1, None, b"encoder", ("encoder",)])
def test_a_label_is_a_string(label):
    with refused(
        TypeError, f'param_groups[0]: a label is a string, but got {label!r}. Write "encoder".'
    ):
        optim.Adam(param_groups=[{"params": {"w": leaf()}, "label": label}])


@pytest.mark.parametrize(
    ("labels", "twice"), [(["head", "head"], "head"), (["group_1", None], "group_1")]
)
def test_a_label_comes_once(labels, twice):
    groups = [{"params": {"w": leaf()}} | ({"label": label} if label else {}) for label in labels]
    with refused(
        ValueError,
        f"two groups have the label {twice!r}, so set_param and load_state could not tell them ",
        f'apart. Write {{"params": ..., "label": "{twice}_2"}} for one of them.',
    ):
        optim.Adam(param_groups=groups)


def test_a_tensor_is_in_one_group():
    model = nn.Linear(2, 1)
    with refused(
        ValueError,
        "'b' of group 'head' and 'bias' of group 'group_0' are the same tensor, which would be ",
        "updated twice in a step. Write it in one group, once.",
    ):
        optim.Adam(param_groups=[{"params": model}, {"params": {"b": model.bias}, "label": "head"}])


def test_a_tensor_is_in_a_group_once():
    w = leaf()
    with refused(ValueError, "'v' of group 'group_0' and 'w' of group 'group_0' are the same"):
        optim.Adam(param_groups=[{"params": {"w": w, "v": w}}])


def test_tensors_of_equal_numbers_are_not_the_same_tensor():
    assert optim.Adam(param_groups=[{"params": {"v": leaf(), "w": leaf()}}])


def test_tied_tensors_of_a_module_are_one_parameter_and_updated_once():
    class Tied(nn.Module):
        def __init__(self):
            self.encoder = nn.Linear(2, 2)
            self.decoder = nn.Linear(2, 2)
            self.decoder.weight = self.encoder.weight

    model = Tied()
    opt = optim.SGD(model, lr=0.5)
    names = ["encoder.weight", "encoder.bias", "decoder.bias"]
    assert list(opt.param_groups[0]["params"]) == names
    before = model.encoder.weight.numpy()
    set_gradients(opt)
    opt.step()
    np.testing.assert_array_equal(model.decoder.weight.data, before - np.float32(0.5))


def test_a_tensor_requires_gradients():
    constant = sg.Tensor([1.0, 2.0])
    with refused(
        ValueError,
        f"param_groups[0]: 'c' does not require gradients: {constant!r}. Write ",
        "sg.Tensor(data, requires_grad=True), or leave it out of the group.",
    ):
        optim.Adam(param_groups=[{"params": {"w": leaf(), "c": constant}}])


def test_a_tensor_is_a_leaf():
    result = leaf() * 2
    with refused(
        ValueError,
        f"param_groups[0]: 'r' is a result and not a leaf, so it gets no gradient: {result!r}. ",
        "Write sg.Tensor(t, requires_grad=True) to optimize a copy of its data.",
    ):
        optim.Adam(param_groups=[{"params": {"r": result}}])


# Hyperparameters are checked wherever they enter

NON_NEGATIVE = "a finite number of at least 0"
FRACTION = "a number of at least 0 and below 1"
RANGES = {
    "lr": NON_NEGATIVE,
    "eps": NON_NEGATIVE,
    "weight_decay": NON_NEGATIVE,
    "momentum": NON_NEGATIVE,
    "dampening": NON_NEGATIVE,
    "beta_1": FRACTION,
    "beta_2": FRACTION,
}
OUT_OF_RANGE = {
    NON_NEGATIVE: [math.nan, math.inf, -math.inf, -1e-300, -1, np.float32("nan")],
    FRACTION: [math.nan, math.inf, -math.inf, -1e-300, 1, 1.0, 1.5, np.float64("nan")],
}
NO_NUMBERS = [True, np.False_, "0.1", None, [0.1], 0.1j, np.array(0.1), sg.Tensor(0.1)]
NO_FLAGS = [1, 0, 0.0, "True", None, np.array(True)]

WRONG = [
    (optimizer, key, value, ValueError, RANGES[key])
    for optimizer in OPTIMIZERS
    for key in optimizer.hyperparameters
    if key in RANGES
    for value in OUT_OF_RANGE[RANGES[key]]
]
WRONG += [
    (optimizer, key, value, TypeError, RANGES[key])
    for optimizer in OPTIMIZERS
    for key in optimizer.hyperparameters
    if key in RANGES
    for value in NO_NUMBERS
]
WRONG += [
    (optimizer, key, value, TypeError, "True or False")
    for optimizer in OPTIMIZERS
    for key in optimizer.hyperparameters
    if key not in RANGES
    for value in NO_FLAGS
]
wrong = pytest.mark.parametrize(
    ("optimizer", "key", "value", "error", "allowed"),
    WRONG,
    ids=lambda x: x.__name__ if isinstance(x, type) else None if isinstance(x, str) else repr(x),
)


@wrong
def test_a_wrong_hyperparameter_is_refused_everywhere(optimizer, key, value, error, allowed):
    def said(where):
        return f"{where}: {key} must be {allowed}, but got {value!r}. Write, for example, {key}="

    with refused(error, said(optimizer.__name__)):
        optimizer(nn.Linear(1, 1), **{key: value})
    with refused(error, said("param_groups[0]")):
        optimizer(param_groups=[{"params": nn.Linear(1, 1), key: value}])

    opt = optimizer(param_groups=groups_of_two())
    before = opt.state()
    for group in (None, "decoder"):
        with refused(error, said("set_param")):
            opt.set_param(key, value, group=group)
    state = opt.state()
    state["param_groups"][1][key] = value
    with refused(error, said("group 'decoder'")):
        opt.load_state(state)
    assert_same_state(opt.state(), before)


@every_optimizer
def test_the_values_at_the_ends_of_the_ranges_are_taken(optimizer):
    for key in optimizer.hyperparameters:
        if key in RANGES:
            largest = np.nextafter(1, 0) if RANGES[key] is FRACTION else 1.7e308
            smallest = 1e-45 if key == "eps" else 5e-324  # eps must not be 0 in float32
            for value in (0, 0.0, smallest, largest):
                opt = optimizer(nn.Linear(1, 1), **{key: value})
                assert opt.param_groups[0][key] == value


@every_optimizer
def test_the_number_that_an_error_writes_is_one_that_is_taken(optimizer):
    for key in optimizer.hyperparameters:
        if key in RANGES:
            with pytest.raises(TypeError) as error:
                optimizer(nn.Linear(1, 1), **{key: None})
            written = re.search(rf"Write, for example, {key}=(\S+)\.$", str(error.value))[1]
            opt = optimizer(nn.Linear(1, 1), **{key: float(written)})
            assert opt.param_groups[0][key] == float(written)


@pytest.mark.parametrize("value", [-1, math.nan])
def test_assigning_a_wrong_lr_is_refused(value):
    opt = optim.Adam(nn.Linear(1, 1))
    with refused(ValueError, f"lr must be {NON_NEGATIVE}, but got {value!r}"):
        opt.lr = value
    assert opt.lr == opt.param_groups[0]["lr"] == 1e-3


def test_a_number_too_large_for_a_float_is_out_of_range():
    with refused(ValueError, f"lr must be {NON_NEGATIVE}"):
        optim.Adam(nn.Linear(1, 1), lr=10**400)


@pytest.mark.parametrize(
    ("optimizer", "key", "hint"),
    [
        (optim.Adam, "betas", "did you mean beta_1, beta_2? The hyperparameters are"),
        (optim.AdamW, "decay_weight", "The hyperparameters are"),
        (optim.AdamW, "weight_deacy", "did you mean weight_decay? The hyperparameters are"),
        (optim.SGD, "momentums", "did you mean momentum? The hyperparameters are"),
        (optim.RMSProp, "beta_1", "did you mean beta_2? The hyperparameters are"),
        (optim.Adam, "learning", "The hyperparameters are"),
        (optim.Adam, 3, "The hyperparameters are"),
    ],
)
def test_an_unknown_key_of_a_group_is_refused_with_those_that_are_known(optimizer, key, hint):
    with refused(
        ValueError,
        f"param_groups[0]: unknown key {key!r}: ",
        f"{hint} {', '.join(optimizer.hyperparameters)}. Write ",
        '{"params": module, "',
    ):
        optimizer(param_groups=[{"params": nn.Linear(1, 1), key: 0.9}])


def test_the_corrected_group_of_an_unknown_key_is_one_that_works():
    with pytest.raises(ValueError, match="betas") as error:
        optim.Adam(param_groups=[{"params": nn.Linear(1, 1), "betas": (0.9, 0.999)}])
    written = re.search(r"Write (\{.*\})\.", str(error.value))[1]
    optim.Adam(param_groups=[eval(written, {"module": nn.Linear(1, 1)})])


def test_an_unknown_default_is_refused():
    with refused(ValueError, "Optimizer: unknown key 'momentum': The hyperparameters are lr. "):
        optim.Optimizer(0.1, nn.Linear(1, 1), momentum=0.9)


# An eps that a dtype rounds to 0

DTYPES = [np.float16, np.float32, np.float64, np.longdouble]
WITH_EPS = [cls for cls in OPTIMIZERS if "eps" in cls.hyperparameters]
every_optimizer_with_eps = pytest.mark.parametrize("optimizer", WITH_EPS)


def of_dtype(dtype, **options):
    return [{"params": {"b": leaf(1.0), "w": leaf([1.0], dtype)}, "label": "head", **options}]


@every_optimizer_with_eps
def test_an_eps_that_is_0_in_the_dtype_of_a_parameter_is_refused_everywhere(optimizer):
    rounded = refused(
        ValueError,
        "eps=1e-08 is rounded to 0 in float16, the dtype of 'w' of group 'head', and where a ",
        "gradient is small, the step would be divided by 0. Write eps=0.01, or eps=0 if that is ",
    )
    with rounded:
        optimizer(param_groups=of_dtype(np.float16))
    with rounded:
        optimizer(eps=0.1, param_groups=of_dtype(np.float16, eps=1e-8))
    opt = optimizer(eps=0.01, param_groups=of_dtype(np.float16))
    before = opt.state()
    with rounded:
        opt.set_param("eps", 1e-8)
    with rounded:
        opt.param_groups[0]["eps"] = 1e-8
    state = opt.state()
    state["param_groups"][0]["eps"] = 1e-8
    with rounded:
        opt.load_state(state)
    assert_same_state(opt.state(), before)
    other = optimizer(nn.Linear(1, 1))
    with rounded:
        other.add_param_group(of_dtype(np.float16)[0])
    assert len(other.param_groups) == 1


def test_an_eps_is_refused_exactly_if_its_dtype_rounds_it_to_0(for_all):
    sizes = st.floats(0, 1) | st.floats(-330, 0).map(lambda x: 10.0**x)
    halves = [float(np.finfo(dtype).smallest_subnormal) / 2 for dtype in DTYPES]
    sizes |= st.sampled_from([y for x in halves for y in (x, np.nextafter(x, 1))])

    @for_all(st.sampled_from(WITH_EPS), st.sampled_from(DTYPES), sizes)
    def check(optimizer, dtype, eps):
        try:
            optimizer(eps=float(eps), param_groups=of_dtype(dtype))
            taken = True
        except ValueError:
            taken = False
        assert taken == all(eps == 0 or dtype(eps) != 0 for dtype in (dtype, np.float32))


@pytest.mark.parametrize("beta_2", [0.0, 0.9, 0.99, 0.999, 0.9999])
@every_optimizer_with_eps
def test_with_the_eps_that_is_written_no_gradient_of_float16_makes_a_longer_step(optimizer, beta_2):
    with pytest.raises(ValueError, match="rounded to 0") as error:
        optimizer(beta_2=beta_2, param_groups=of_dtype(np.float16))
    eps = float(re.search(r"Write eps=(\S+),", str(error.value))[1])

    def longest_steps(dtype):
        """In units of lr, over three steps, for gradients from the smallest to a large one."""
        theta = leaf(np.zeros(600), dtype)
        opt = optimizer(lr=1.0, eps=eps, beta_2=beta_2, param_groups=[{"params": {"w": theta}}])
        lengths = []
        for _ in range(3):
            theta.data = np.zeros(600)
            theta.grad = (10.0 ** np.linspace(-8, 2, 600)).astype(np.float16)
            opt.step()
            lengths.append(np.abs(theta.data).max())
        return np.array(lengths, float)

    assert (longest_steps(np.float16) <= 1.01 * np.maximum(longest_steps(np.float64), 1)).all()


# step and zero_grad


@every_optimizer
def test_a_step_updates_every_parameter_of_every_group(optimizer):
    opt = optimizer(param_groups=groups_of_two(lr=0.25))
    before = all_data(opt)
    set_gradients(opt)
    opt.step()
    for old, new in zip(before, all_data(opt), strict=True):
        assert (new < old).all()


@every_optimizer
def test_a_step_keeps_the_gradients_and_the_identity_of_the_arrays(optimizer):
    theta = leaf()
    opt = optimizer(param_groups=[{"params": {"w": theta}}])
    set_gradients(opt)
    data, grad = theta.data, theta.grad
    opt.step()
    assert theta.data is data
    assert theta.grad is grad
    np.testing.assert_array_equal(grad, [1, 1])


def test_step_count_is_one_counter_for_all_groups():
    opt = optim.Adam(param_groups=groups_of_two())
    train(opt, steps=3)
    assert opt.step_count == 3


@every_optimizer
def test_a_step_without_gradients_names_them_and_updates_nothing(optimizer):
    groups = groups_of_two()
    groups[0]["params"]["w"].grad = np.ones(2)
    opt = optimizer(param_groups=groups)
    before, data = opt.state(), all_data(opt)
    with refused(
        ValueError,
        "step() needs the gradient of every parameter, but these have none: ",
        "b",
        "w",
        "Call loss.backward() first",
    ):
        opt.step()
    assert opt.step_count == 0
    assert_same_state(opt.state(), before)
    for old, new in zip(data, all_data(opt), strict=True):
        np.testing.assert_array_equal(new, old)


@every_optimizer
def test_zero_grad_before_any_backward_makes_zeros_to_step_with(optimizer):
    opt = optimizer(param_groups=groups_of_two())
    before = all_data(opt)
    opt.zero_grad()
    for group in opt.param_groups:
        for theta in group["params"].values():
            assert theta.grad.dtype == theta.dtype
            np.testing.assert_array_equal(theta.grad, np.zeros(theta.shape))
    opt.step()
    if optimizer is not optim.AdamW:  # which decays without a gradient
        for old, new in zip(before, all_data(opt), strict=True):
            np.testing.assert_array_equal(new, old)


@every_optimizer
def test_zero_grad_fills_in_place_and_leaves_what_was_kept(optimizer):
    opt = optimizer(param_groups=groups_of_two())
    train(opt, steps=2)
    before = opt.state()
    thetas = [t for group in opt.param_groups for t in group["params"].values()]
    arrays = [theta.grad for theta in thetas]
    opt.zero_grad()
    for theta, array in zip(thetas, arrays, strict=True):
        assert theta.grad is array
        assert not array.any()
    assert_same_state(opt.state(), before)


def test_an_optimizer_without_an_update_says_how_to_write_one():
    class Lazy(optim.Optimizer):
        pass

    opt = Lazy(0.1, nn.Linear(1, 1))
    opt.zero_grad()
    with refused(NotImplementedError, "Lazy has no update. Write a method update(self, theta, "):
        opt.step()


def test_the_update_that_the_message_shows_works():
    with pytest.raises(NotImplementedError) as error:
        optim.Optimizer(0.1, nn.Linear(1, 1)).update(leaf(), {"lr": 0.1}, ())
    said = re.search(r"update\((.*?)\) that changes theta, as (.*), and returns (\w+)", str(error))
    namespace = {}
    exec(f"def update({said[1]}):\n    {said[2]}\n    return {said[3]}", namespace)
    mine = type("Mine", (optim.Optimizer,), {"update": namespace["update"]})
    theta = leaf(1.0)
    opt = mine(0.5, param_groups=[{"params": {"theta": theta}}])
    set_gradients(opt)
    opt.step()
    assert theta.data == 0.5


def test_reset_step_count_starts_from_one_again_and_keeps_the_slots():
    opt = optim.Adam(param_groups=groups_of_two())
    train(opt, steps=3)
    before = opt.state()
    opt.reset_step_count()
    assert opt.step_count == 0
    assert_same_state(opt.state(), before | {"step_count": 0})
    train(opt, steps=1)
    assert opt.step_count == 1


# Frozen parameters


def test_what_a_frozen_parameter_did_before_and_does_no_more():
    """The cases of the issue: with gradients of zero, the moments moved it."""
    for opt in (
        optim.Adam(lr=0.1, param_groups=groups_of_two()),
        optim.SGD(lr=0.5, momentum=0.9, param_groups=groups_of_two()),
    ):
        train(opt, steps=3)
        w = opt.param_groups[0]["params"]["w"]
        w.requires_grad = False
        before = w.numpy()
        opt.zero_grad()
        for _ in range(5):
            opt.step()
        np.testing.assert_array_equal(w.data, before)


@st.composite
def freezings(draw):
    """(optimizer, options, which of three tensors are frozen in each step)."""
    optimizer = draw(st.sampled_from(OPTIMIZERS))
    options = dict(OPTIONS[optimizer], maximize=draw(st.booleans()))
    return optimizer, options, draw(st.lists(st.sets(st.integers(0, 2)), min_size=1, max_size=8))


def test_frozen_parameters_and_their_moments_stay_and_the_others_do_not_notice(for_all):
    @for_all(freezings(), st.integers(0, 99))
    def check(freezing, seed):
        optimizer, options, frozen_in = freezing
        opt, twin = (optimizer(param_groups=groups_of_two(lr=0.3), **options) for _ in "ab")
        rng = np.random.default_rng(seed)
        for frozen in frozen_in:
            twin.load_state(opt.state())
            ours, theirs = all_tensors(opt), all_tensors(twin)
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                b.data = a.data
                b.grad = rng.normal(size=a.shape)
                a.grad = None if i in frozen and rng.random() < 0.5 else b.grad
                a.requires_grad = i not in frozen
            before = all_arrays(opt)
            opt.step()
            twin.step()
            for i, (old, new, free) in enumerate(
                zip(before, all_arrays(opt), all_arrays(twin), strict=True)
            ):
                expected = old if i in frozen else free
                assert [x.tobytes() for x in new] == [x.tobytes() for x in expected]
        assert opt.step_count == len(frozen_in)


def all_tensors(opt):
    return [theta for group in opt.param_groups for theta in group["params"].values()]


def all_arrays(opt):
    """For each parameter, its data and what is kept of it."""
    return [
        [theta.numpy(), *(entry[slot][name] for slot in opt.slots)]
        for group, entry in zip(opt.param_groups, opt.state()["param_groups"], strict=True)
        for name, theta in group["params"].items()
    ]


@every_optimizer
def test_of_all_parameters_only_the_frozen_ones_may_lack_a_gradient(optimizer):
    opt = optimizer(param_groups=groups_of_two())
    set_gradients(opt)
    b = opt.param_groups[0]["params"]["b"]
    b.grad, b.requires_grad = None, False
    opt.step()
    b.requires_grad = True
    with refused(ValueError, "these have none: 'b' of group 'encoder'. Call loss.backward()"):
        opt.step()


@every_optimizer
def test_zero_grad_clears_frozen_parameters_too(optimizer):
    opt = optimizer(param_groups=groups_of_two())
    set_gradients(opt)
    w, b = opt.param_groups[0]["params"].values()
    w.requires_grad = b.requires_grad = False
    b.grad = None
    opt.zero_grad()
    assert not w.grad.any()
    assert not b.grad.any()


def test_a_frozen_layer_is_as_in_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    for optimizer, twin in (
        (optim.SGD, lambda ts: torch.optim.SGD(ts, lr=0.1, momentum=0.9, weight_decay=0.01)),
        (optim.AdamW, lambda ts: torch.optim.AdamW(ts, lr=0.1, weight_decay=0.01)),
    ):
        options = {"momentum": 0.9} if optimizer is optim.SGD else {}
        ours = {name: leaf([1.0, -2.0], np.float64) for name in "vw"}
        theirs = [torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True) for _ in "vw"]
        opt = optimizer(lr=0.1, weight_decay=0.01, param_groups=[{"params": ours}], **options)
        opt_2 = twin(theirs)
        for step in range(6):
            ours["v"].requires_grad = step < 3
            for theta, t in zip(ours.values(), theirs, strict=True):
                theta.grad = np.array([0.5, step])
                t.grad = torch.tensor([0.5, step], dtype=torch.float64)
            if step >= 3:
                theirs[0].grad = None
            opt.step()
            opt_2.step()
        for theta, t in zip(ours.values(), theirs, strict=True):
            np.testing.assert_allclose(theta.data, t.detach().numpy(), rtol=1e-12)


# What is optimized may be of any shape and dtype


@every_optimizer
def test_float32_and_float64_parameters_keep_their_dtypes_side_by_side(optimizer):
    params = {"half": leaf([1.0, 2.0]), "double": leaf([1.0, 2.0], np.float64)}
    opt = optimizer(param_groups=[{"params": params}], lr=0.1)
    train(opt, steps=3)
    (group,) = opt.state()["param_groups"]
    for name, theta in params.items():
        assert theta.data.dtype == theta.dtype == (np.float32 if name == "half" else np.float64)
        for slot in optimizer.slots:
            assert group[slot][name].dtype == theta.dtype


@every_optimizer
def test_a_parameter_of_no_axes_is_as_an_element_of_one_with_axes(optimizer):
    params = {"scalar": leaf(0.5), "vector": leaf([0.5])}
    opt = optimizer(param_groups=[{"params": params}], lr=0.1)
    for gradient in (1.0, -2.0, 0.25):
        set_gradients(opt, gradient)
        opt.step()
    assert isinstance(params["scalar"].data, np.ndarray)
    assert params["scalar"].shape == ()
    assert params["scalar"].data == params["vector"].data
    (group,) = opt.state()["param_groups"]
    for slot in optimizer.slots:
        assert isinstance(group[slot]["scalar"], np.ndarray)
        assert group[slot]["scalar"].shape == ()
        assert group[slot]["scalar"] == group[slot]["vector"]


@every_optimizer
def test_a_parameter_may_have_no_elements(optimizer):
    opt = optimizer(param_groups=[{"params": {"none": leaf(np.zeros((0, 3), np.float32))}}])
    train(opt, steps=2)
    assert opt.param_groups[0]["params"]["none"].shape == (0, 3)


# set_param and lr


def test_set_param_sets_all_groups():
    opt = optim.Adam(param_groups=groups_of_two(beta_1=0.5))
    opt.set_param("beta_1", 0.25)
    opt.set_param("maximize", True)
    assert [group["beta_1"] for group in opt.param_groups] == [0.25, 0.25]
    assert [group["maximize"] for group in opt.param_groups] == [True, True]


def test_set_param_sets_one_group():
    opt = optim.Adam(param_groups=groups_of_two())
    opt.set_param("beta_1", 0.25, group="decoder")
    assert [group["beta_1"] for group in opt.param_groups] == [0.9, 0.25]


def test_lr_over_all_groups_also_sets_the_attribute():
    opt = optim.Adam(lr=0.1, param_groups=groups_of_two(lr=0.2))
    opt.set_param("lr", 0.5)
    assert opt.lr == 0.5
    assert [group["lr"] for group in opt.param_groups] == [0.5, 0.5]


def test_lr_of_one_group_leaves_the_attribute():
    opt = optim.Adam(lr=0.1, param_groups=groups_of_two())
    opt.set_param("lr", 0.5, group="decoder")
    assert opt.lr == 0.1
    assert [group["lr"] for group in opt.param_groups] == [0.1, 0.5]


def test_assigning_lr_sets_all_groups():
    opt = optim.Adam(lr=0.1, param_groups=groups_of_two(lr=0.2))
    opt.lr = np.float64(0.5)
    assert opt.lr == 0.5
    assert type(opt.lr) is float
    assert [group["lr"] for group in opt.param_groups] == [0.5, 0.5]


@every_optimizer
def test_the_next_step_is_of_the_new_lr(optimizer):
    theta = leaf(1.0)
    opt = optimizer(param_groups=[{"params": {"theta": theta}}])
    opt.lr = 0.0
    train(opt, steps=1)
    assert theta.data == 1


@pytest.mark.parametrize("key", ["momentum", "betas", "params", "label", "step_count", ""])
def test_set_param_of_an_unknown_key_lists_the_known_ones(key):
    opt = optim.Adam(param_groups=groups_of_two())
    before = opt.state()
    with pytest.raises(KeyError) as error:
        opt.set_param(key, 0.9)
    said = f"Adam has no hyperparameter {key!r}, but lr, beta_1, beta_2, eps, maximize. Write "
    assert error.value.args[0].startswith(said + "opt.set_param('lr', 0.001)")
    assert_same_state(opt.state(), before)


@pytest.mark.parametrize("group", ["head", "default", "", 0])
def test_set_param_of_an_unknown_group_lists_the_known_ones(group):
    opt = optim.Adam(param_groups=groups_of_two())
    before = opt.state()
    with pytest.raises(KeyError) as error:
        opt.set_param("lr", 0.5, group=group)
    said = f"this Adam has no group {group!r}, but encoder, decoder. Write "
    assert error.value.args[0] == said + "opt.set_param('lr', 0.5, group='encoder')."
    assert_same_state(opt.state(), before)


def test_the_repr_shows_the_groups_and_their_hyperparameters():
    opt = optim.RMSProp(lr=0.1, param_groups=groups_of_two(beta_2=0.5))
    train(opt, steps=2)
    assert repr(opt).splitlines() == [
        "RMSProp, step_count=2",
        "  encoder: 3 parameters, lr=0.1, beta_2=0.99, eps=1e-08, maximize=False",
        "  decoder: 1 parameters, lr=0.1, beta_2=0.5, eps=1e-08, maximize=False",
    ]


# state and load_state


def assert_same_state(actual, expected):
    """Equal to the last bit, dtypes and the order of keys included."""
    assert list(actual) == list(expected)
    assert actual["step_count"] == expected["step_count"]
    for a, b in zip(actual["param_groups"], expected["param_groups"], strict=True):
        assert list(a) == list(b)
        for key in a:
            if not isinstance(a[key], dict):
                assert a[key] == b[key]
                continue
            assert list(a[key]) == list(b[key])
            for name in a[key]:
                assert a[key][name].dtype == b[key][name].dtype
                assert a[key][name].shape == b[key][name].shape
                assert a[key][name].tobytes() == b[key][name].tobytes()


def test_the_state_of_adam_is_laid_out_as_in_the_contract():
    opt = optim.Adam(lr=0.1, param_groups=groups_of_two(beta_1=0.5))
    train(opt, steps=2)
    state = opt.state()
    assert list(state) == ["step_count", "param_groups"]
    assert state["step_count"] == 2
    assert type(state["step_count"]) is int
    for group, label, beta_1, shapes in zip(
        state["param_groups"],
        ["encoder", "decoder"],
        [0.9, 0.5],
        [{"w": (2,), "b": ()}, {"w": (1,)}],
        strict=True,
    ):
        moments1, moments2 = group.pop("moments1"), group.pop("moments2")
        assert group == {
            "label": label,
            "lr": 0.1,
            "beta_1": beta_1,
            "beta_2": 0.999,
            "eps": 1e-8,
            "maximize": False,
        }
        for moments in (moments1, moments2):
            assert {name: array.shape for name, array in moments.items()} == shapes
            assert {type(array) for array in moments.values()} == {np.ndarray}
            assert {array.dtype for array in moments.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [
        (optim.SGD, ["velocities"]),
        (optim.RMSProp, ["moments2"]),
        (optim.Adam, ["moments1", "moments2"]),
        (optim.AdamW, ["moments1", "moments2"]),
    ],
)
def test_a_group_of_a_state_has_label_hyperparameters_and_slots_which_start_at_zero(
    optimizer, slots
):
    state = optimizer(nn.Linear(2, 1)).state()
    assert state["step_count"] == 0
    (group,) = state["param_groups"]
    assert list(group) == ["label", *optimizer.hyperparameters, *slots]
    for slot in slots:
        assert list(group[slot]) == ["weight", "bias"]
        assert not any(array.any() for array in group[slot].values())


@every_optimizer
def test_a_state_is_the_callers_to_change(optimizer):
    opt = optimizer(param_groups=groups_of_two())
    train(opt, steps=2)
    state, before = opt.state(), opt.state()
    for group in state["param_groups"]:
        for slot in optimizer.slots:
            for array in group[slot].values():
                array.fill(99)
            group[slot].clear()
        group["lr"] = 99
    state["step_count"] = 99
    assert_same_state(opt.state(), before)


@every_optimizer
def test_a_loaded_state_is_copied_and_left_as_it_was(optimizer):
    opt = optimizer(param_groups=groups_of_two())
    train(opt, steps=2)
    state, before = opt.state(), opt.state()
    other = optimizer(param_groups=groups_of_two())
    other.load_state(state)
    assert_same_state(state, before)
    for group in state["param_groups"]:
        for slot in optimizer.slots:
            for array in group[slot].values():
                array.fill(99)
    assert_same_state(other.state(), before)
    other.load_state(before)
    train(other, steps=2)
    assert_same_state(before, opt.state())


OPTIONS = {
    optim.SGD: {"lr": 0.1, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.01},
    optim.RMSProp: {"lr": 0.1, "beta_2": 0.9, "eps": 1e-6},
    optim.Adam: {"lr": 0.1, "beta_1": 0.8, "beta_2": 0.99, "eps": 1e-6},
    optim.AdamW: {"lr": 0.1, "beta_1": 0.8, "weight_decay": 0.5},
}


@pytest.mark.parametrize("steps_before", [0, 1, 5])
@every_optimizer
def test_training_resumed_is_bit_for_bit_the_training_not_interrupted(optimizer, steps_before):
    def groups():
        rng = np.random.default_rng(1)
        first = {"w": leaf(rng.normal(size=(4, 3))), "b": leaf(rng.normal(), np.float64)}
        second = {"w": leaf(rng.normal(size=3))}
        return [{"params": first}, {"params": second, "label": "head", "lr": 0.3, "maximize": True}]

    through = optimizer(param_groups=groups(), **OPTIONS[optimizer])
    train(through, steps_before, seed=2)
    through.set_param("lr", 0.05, group="head")
    state = through.state()
    resumed = optimizer(param_groups=groups())  # its hyperparameters come from the state
    for mine, theirs in zip(resumed.param_groups, through.param_groups, strict=True):
        for name in mine["params"]:
            mine["params"][name].data = theirs["params"][name].data
    resumed.load_state(state)
    for opt in (through, resumed):
        train(opt, steps=5, seed=3)
    assert resumed.step_count == steps_before + 5
    assert_same_state(resumed.state(), through.state())
    for a, b in zip(all_data(resumed), all_data(through), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_loaded_lr_that_all_groups_share_is_also_the_attribute():
    opt = optim.Adam(lr=0.1, param_groups=groups_of_two())
    opt.load_state(optim.Adam(lr=0.5, param_groups=groups_of_two()).state())
    assert opt.lr == 0.5


def test_loaded_lrs_that_differ_leave_the_attribute():
    opt = optim.Adam(lr=0.1, param_groups=groups_of_two())
    opt.load_state(optim.Adam(lr=0.5, param_groups=groups_of_two(lr=0.25)).state())
    assert opt.lr == 0.1
    assert [group["lr"] for group in opt.param_groups] == [0.5, 0.25]


def test_the_groups_of_a_state_may_come_in_another_order():
    opt = optim.Adam(param_groups=groups_of_two())
    train(opt, steps=2)
    state = opt.state()
    state["param_groups"].reverse()
    other = optim.Adam(param_groups=groups_of_two())
    other.load_state(state)
    assert_same_state(other.state(), opt.state())


# Groups without labels


def encoder_and_decoder():
    """Two modules of the same names and shapes, made in this order."""
    return nn.Linear(2, 2), nn.Linear(2, 2)


TWINS_IN_ANOTHER_ORDER = (
    "the groups group_0, group_1 have no labels of their own and tensors of the same names and ",
    "shapes, and they are in another order than in what is loaded: each would get the moments of ",
    "another. Nothing was changed. Give them in the order in which they were saved, or save and ",
    'load them with labels: write {"params": model.encoder, "label": "encoder"}, ',
    '{"params": model.decoder, "label": "decoder"}.',
)


@every_optimizer
def test_groups_without_labels_in_another_order_are_refused(optimizer):
    encoder, decoder = encoder_and_decoder()
    opt = optimizer(param_groups=[{"params": encoder}, {"params": decoder, "lr": 0.5}])
    train(opt, steps=2)
    encoder_2, decoder_2 = encoder_and_decoder()  # as in another process
    other = optimizer(param_groups=[{"params": decoder_2}, {"params": encoder_2}])
    before = other.state()
    with refused(ValueError, *TWINS_IN_ANOTHER_ORDER):
        other.load_state(opt.state())
    assert_same_state(other.state(), before)
    other = optimizer(param_groups=[{"params": encoder_2}, {"params": decoder_2}])
    other.load_state(opt.state())
    assert_same_state(other.state(), opt.state())


def test_a_file_of_groups_without_labels_is_loaded_in_the_same_order_alone(tmp_path):
    def made(in_order):
        model = nn.Sequential(*encoder_and_decoder())
        layers = [model[i] for i in in_order]
        return model, optim.Adam(param_groups=[{"params": layer} for layer in layers])

    for order in ([0, 1], [1, 0]):
        model, opt = made(order)
        train(opt, steps=2)
        sg.save(tmp_path / "run.npz", model, opt)
        other, other_opt = made(order)
        sg.load(tmp_path / "run.npz", other, other_opt)
        assert_same_state(other_opt.state(), opt.state())
        other, other_opt = made(order[::-1])
        before = other[0].weight.numpy()
        with refused(ValueError, *TWINS_IN_ANOTHER_ORDER):
            sg.load(tmp_path / "run.npz", other, other_opt)
        np.testing.assert_array_equal(other[0].weight.data, before)


def test_each_group_gets_its_own_moments_or_the_state_is_refused(for_all):
    """Whatever is labelled, of whatever shapes, in whatever order the model is optimized."""
    labels = st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=2, max_size=4)
    shapes = st.lists(st.sampled_from([(2,), (3,)]), min_size=4, max_size=4)
    orders = st.permutations(range(4))

    @for_all(labels.filter(lambda x: len(set(x) - {None}) == sum(map(bool, x))), shapes, orders)
    def check(labels, shapes, order):
        def made(order):
            leaves = [leaf(np.zeros(shape)) for shape in shapes[: len(labels)]]
            groups = [
                {"params": {"w": leaves[i]}} | ({"label": labels[i]} if labels[i] else {})
                for i in order
            ]
            return leaves, optim.RMSProp(param_groups=groups)

        order = [i for i in order if i < len(labels)]
        leaves, opt = made(range(len(labels)))
        for i, theta in enumerate(leaves):
            theta.grad = np.full(theta.shape, i + 1.0)
        opt.step()
        others, other = made(order)
        try:
            other.load_state(opt.state())
        except ValueError:
            assert order != sorted(order)  # nothing is refused that is in order
            return
        moments = {
            theta.index: arrays[0]
            for group, kept in zip(other.param_groups, other._kept, strict=True)
            for theta, arrays in zip(group["params"].values(), kept.values(), strict=True)
        }
        sizes = [moments[theta.index].max() for theta in others]
        np.testing.assert_allclose(sizes, [0.01 * (i + 1) ** 2 for i in range(len(labels))])


def test_a_state_lists_the_groups_in_their_order_where_something_tells_them_apart():
    second, first = leaf(), leaf()
    for groups in (
        [{"params": {"v": first}}, {"params": {"w": second}}],
        [{"params": {"w": first}, "label": "first"}, {"params": {"w": second}, "label": "second"}],
        [{"params": {"w": first}}, {"params": {"w": second, "b": leaf()}}],
    ):
        opt = optim.Adam(param_groups=groups)
        listed = [entry["label"] for entry in opt.state()["param_groups"]]
        assert listed == [group["label"] for group in opt.param_groups]


def test_a_step_count_of_numpy_is_taken_as_an_int():
    opt = optim.Adam(nn.Linear(1, 1))
    opt.load_state(opt.state() | {"step_count": np.int64(7)})
    assert opt.step_count == 7
    assert type(opt.step_count) is int


def decoder(state):
    """The last group: an optimizer that loads while it checks has taken the first by then."""
    return state["param_groups"][1]


def in_decoder(**values):
    return lambda state: decoder(state).update(values)


def in_moments(**arrays):
    return lambda state: decoder(state)["moments2"].update(arrays)


NOTHING = "Nothing was changed. Load into a model and an optimizer made as those that were saved."
LABELS = "the labels of the groups must be decoder, encoder, "
KEYS = "beta_1, beta_2, eps, label, lr, maximize, moments1, moments2"
WRONG_STATES = {
    "a label is another": (
        in_decoder(label="head"),
        [LABELS, "but what is loaded has encoder, head. "],
    ),
    "a label comes twice": (
        in_decoder(label="encoder"),
        [LABELS, "but what is loaded has encoder, encoder"],
    ),
    "a group is missing": (
        lambda state: state["param_groups"].pop(),
        [LABELS, "but what is loaded has encoder. "],
    ),
    "there is no group": (
        lambda state: state["param_groups"].clear(),
        [LABELS, "but what is loaded has "],
    ),
    "there is a group more": (
        lambda state: state["param_groups"].append({**decoder(state), "label": "head"}),
        [LABELS, "but what is loaded has decoder, encoder, head. "],
    ),
    "a hyperparameter is missing": (
        lambda state: decoder(state).pop("eps"),
        [f"the keys of group 'decoder' must be {KEYS}, but", "has beta_1, beta_2, label, lr"],
    ),
    "a slot is missing": (
        lambda state: decoder(state).pop("moments1"),
        [f"the keys of group 'decoder' must be {KEYS}, but", "maximize, moments2. "],
    ),
    "a key is unknown": (
        in_decoder(momentum=0.9),
        [f"the keys of group 'decoder' must be {KEYS}, but", "moments1, moments2, momentum. "],
    ),
    "a name is missing": (
        lambda state: decoder(state)["moments2"].clear(),
        ["the names in 'moments2' of group 'decoder' must be w, but what is loaded has "],
    ),
    "a name is unknown": (
        in_moments(b=np.zeros(1, np.float32)),
        ["the names in 'moments2' of group 'decoder' must be w, but what is loaded has b, w. "],
    ),
    "a name is another": (
        in_decoder(moments2={"v": np.zeros(1, np.float32)}),
        ["the names in 'moments2' of group 'decoder' must be w, but what is loaded has v. "],
    ),
    "a shape is another": (
        in_moments(w=np.zeros((1, 1), np.float32)),
        [
            "'moments2' of 'w' must be of shape (1,) and float32, but what is loaded has ",
            "shape (1, 1) and float32. ",
        ],
    ),
    "a shape would broadcast": (
        in_moments(w=np.float32(0)),
        ["'moments2' of 'w' must be of shape (1,)", "has shape () and float32. "],
    ),
    "a dtype is wider": (
        in_moments(w=np.zeros(1)),
        ["'moments2' of 'w' must be of shape (1,) and float32", "has shape (1,) and float64. "],
    ),
    "a dtype is of integers": (
        in_moments(w=np.zeros(1, np.int32)),
        ["'moments2' of 'w' must be of shape (1,) and float32", "has shape (1,) and int32. "],
    ),
    "an array is None": (
        in_moments(w=None),
        ["'moments2' of 'w' must be an array, but what is loaded has a NoneType. "],
    ),
}
WRONG_COUNTS = [-1, True, np.True_, 1.0, "1", None, math.nan, np.float64(2), [1]]
SHAPELESS = {
    "None": None,
    "a list": [],
    "its items": [("step_count", 0), ("param_groups", [])],
    "empty": {},
    "without step_count": {"param_groups": []},
    "without param_groups": {"step_count": 0},
    "with a key more": {"step_count": 0, "param_groups": [], "lr": 0.1},
}
SHAPELESS_GROUPS = {
    "None": lambda groups: None,
    "a number": lambda groups: 3,
    "a dict by label": lambda groups: {group["label"]: group for group in groups},
    "labels": lambda groups: [group["label"] for group in groups],
    "None in the list": lambda groups: [groups[0], None],
    "no label": lambda groups: [groups[0], {k: v for k, v in groups[1].items() if k != "label"}],
    "label that is no string": lambda groups: [groups[0], groups[1] | {"label": 1}],
    "label without a hash": lambda groups: [groups[0], groups[1] | {"label": ["decoder"]}],
    "slot of None": lambda groups: [groups[0], groups[1] | {"moments2": None}],
    "slot of a list": lambda groups: [groups[0], groups[1] | {"moments2": ["w"]}],
    "slot of a string": lambda groups: [groups[0], groups[1] | {"moments2": "w"}],
    "key that is no string": lambda groups: [groups[0], groups[1] | {0: 0}],
    "name that is no string": lambda groups: [
        groups[0],
        groups[1] | {"moments2": groups[1]["moments2"] | {0: np.zeros(1, np.float32)}},
    ],
}


@pytest.fixture
def untouched():
    """An optimizer, and a state of another that it could load; afterwards it is as it was."""
    opt = optim.Adam(lr=0.5, param_groups=groups_of_two(beta_1=0.25))
    train(opt, steps=3, seed=1)
    other = optim.Adam(lr=0.1, param_groups=groups_of_two(beta_1=0.75))
    train(other, steps=2, seed=2)
    before, data = opt.state(), all_data(opt)
    yield opt, other.state()
    assert opt.lr == 0.5
    assert_same_state(opt.state(), before)
    for old, new in zip(data, all_data(opt), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("wrong", WRONG_STATES)
def test_a_state_of_another_optimizer_is_refused_and_nothing_of_it_is_loaded(wrong, untouched):
    opt, state = untouched
    change, said = WRONG_STATES[wrong]
    change(state)
    with refused(ValueError, *said, NOTHING):
        opt.load_state(state)


@pytest.mark.parametrize("count", WRONG_COUNTS, ids=repr)
def test_a_wrong_step_count_is_refused(count, untouched):
    opt, state = untouched
    with refused(ValueError, f"step_count must be an int of at least 0, but got {count!r}."):
        opt.load_state(state | {"step_count": count})


@pytest.mark.parametrize("state", SHAPELESS.values(), ids=SHAPELESS)
def test_what_is_no_state_is_refused(state, untouched):
    opt, _ = untouched
    with refused(
        TypeError,
        'load_state takes a dict with "step_count" and "param_groups", as state() returns, but got',
        f"{state!r}"[:80],
        "Write opt.load_state(other_opt.state()).",
    ):
        opt.load_state(state)


@pytest.mark.parametrize("change", SHAPELESS_GROUPS.values(), ids=SHAPELESS_GROUPS)
def test_groups_of_a_state_that_are_no_list_of_dicts_are_refused_with_an_explanation(
    change, untouched
):
    opt, state = untouched
    with pytest.raises((TypeError, ValueError)) as error:
        opt.load_state({**state, "param_groups": change(state["param_groups"])})
    assert re.search("load_state takes|what is loaded", str(error.value))


@pytest.mark.parametrize("other", OPTIMIZERS)
@every_optimizer
def test_a_state_of_another_kind_of_optimizer_is_refused(optimizer, other):
    opt, state = optimizer(nn.Linear(2, 1)), other(nn.Linear(2, 1)).state()
    if optimizer is other:
        opt.load_state(state)
    else:
        with refused(ValueError, "the keys of group 'default' must be", NOTHING):
            opt.load_state(state)


# SGD's own options


def sgd_thetas(gradients, **options):
    theta = leaf(1.0, np.float64)
    opt = optim.SGD(param_groups=[{"params": {"theta": theta}}], **options)
    thetas = []
    for gradient in gradients:
        set_gradients(opt, gradient)
        opt.step()
        thetas.append(theta.item())
    return thetas


def test_sgd_goes_down_the_gradient():
    assert sgd_thetas([1, 2], lr=0.5) == [0.5, -0.5]


def test_sgd_with_maximize_goes_up():
    assert sgd_thetas([1, 2], lr=0.5, maximize=True) == [1.5, 2.5]


def test_sgd_keeps_the_first_gradient_whole_and_dampens_from_the_second():
    # b_1 = 1, b_2 = 0.5 * 1 + 0.75 * 2 = 2
    assert sgd_thetas([1, 2], lr=0.5, momentum=0.5, dampening=0.25) == [0.5, -0.5]


def test_sgd_with_nesterov_looks_ahead():
    # b_1 = 1, steps by 1 + 0.5 * 1; b_2 = 0.5 * 1 + 2 = 2.5, steps by 2 + 0.5 * 2.5
    assert sgd_thetas([1, 2], lr=0.5, momentum=0.5, nesterov=True) == [0.25, -1.375]


def test_sgd_adds_the_weight_decay_to_the_gradient():
    # 1 + 0.5 * 1, then 2 + 0.5 * 0.25
    assert sgd_thetas([1, 2], lr=0.5, weight_decay=0.5) == [0.25, -0.8125]


def test_sgd_with_maximize_still_shrinks_the_weights():
    assert sgd_thetas([0], lr=0.5, weight_decay=0.5, maximize=True) == [0.75]


NESTEROV_ALONE = [
    {"nesterov": True},
    {"nesterov": True, "momentum": 0.0},
    {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
]


@pytest.mark.parametrize("options", NESTEROV_ALONE, ids=str)
def test_nesterov_needs_momentum_without_dampening(options):
    with refused(ValueError, "nesterov"):
        optim.SGD(nn.Linear(1, 1), **options)


@pytest.mark.parametrize("options", NESTEROV_ALONE, ids=str)
def test_nesterov_needs_momentum_without_dampening_in_a_group(options):
    with refused(ValueError, "nesterov"):
        optim.SGD(param_groups=[{"params": nn.Linear(1, 1), **options}])


def test_a_group_may_give_nesterov_the_momentum_it_needs():
    group = {"params": {"w": leaf()}, "momentum": 0.5}
    assert optim.SGD(param_groups=[group | {"nesterov": True}])


@pytest.mark.parametrize(("key", "value"), [("momentum", 0.0), ("dampening", 0.5)])
def test_nesterov_cannot_be_left_without_momentum_later(key, value):
    opt = optim.SGD(nn.Linear(1, 1), momentum=0.9, nesterov=True)
    before = opt.state()
    with refused(ValueError, "nesterov"):
        opt.set_param(key, value)
    assert_same_state(opt.state(), before)
    state = copy.deepcopy(before)
    state["param_groups"][0][key] = value
    with refused(ValueError, "nesterov"):
        opt.load_state(state)
    assert_same_state(opt.state(), before)


@pytest.mark.parametrize(("key", "value"), [("beta_1", 0.5), ("maximize", True)])
def test_other_hyperparameters_leave_the_learning_rate_of_the_optimizer(key, value):
    opt = optim.Adam(nn.Linear(2, 1), lr=0.1)
    opt.set_param(key, value)
    assert opt.lr == 0.1


def test_learning_rates_and_decay_that_are_not_given():
    model = nn.Linear(2, 1)
    groups = {cls: cls(model).param_groups[0] for cls in (optim.SGD, optim.RMSProp, optim.AdamW)}
    assert groups[optim.SGD]["lr"] == groups[optim.AdamW]["lr"] == 1e-3
    assert groups[optim.RMSProp]["lr"] == groups[optim.AdamW]["weight_decay"] == 1e-2
