"""param_groups: what may be changed in it, what is refused, and groups that are added later."""

import copy
import gc
import json
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.given import FRACTION
from tests.helpers.oracles import assert_same_bits

OPTIMIZERS = [optim.SGD, optim.RMSProp, optim.Adam, optim.AdamW]
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
readable_and_fast = pytest.mark.parametrize("adam", [optim.Adam, fast.Adam], ids=["optim", "fast"])


def leaf(data=(1.0, 2.0)):
    return sg.Tensor(data, requires_grad=True)


def two_groups(**overrides):
    return [
        {"params": {"w": leaf(), "b": leaf(0.5)}, "label": "body"},
        {"params": {"w": leaf([3.0])}, "label": "head", **overrides},
    ]


def differentiate(opt, seed=0):
    rng = np.random.default_rng(seed)
    for group in opt.param_groups:
        for theta in group["params"].values():
            theta.grad = rng.normal(size=theta.shape)


def arrays_of(opt):
    """All data, and all that is kept."""
    data = [t.numpy() for group in opt.param_groups for t in group["params"].values()]
    entries = opt.state()["param_groups"]
    return data + [a for e in entries for slot in opt.slots for a in e[slot].values()]


def refused(error, *said):
    """`error` is raised, and its message has these parts in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(part) for part in said))


# What is fixed

GROUP = {"params": {"new": leaf()}}
CHANGES_OF_GROUPS = {
    "append": lambda opt: opt.param_groups.append(GROUP),
    "extend": lambda opt: opt.param_groups.extend([GROUP]),
    "insert": lambda opt: opt.param_groups.insert(0, GROUP),
    "item": lambda opt: opt.param_groups.__setitem__(0, GROUP),
    "slice": lambda opt: opt.param_groups.__setitem__(slice(None), [GROUP]),
    "assigned": lambda opt: setattr(opt, "param_groups", [GROUP]),
    "+=": lambda opt: exec("opt.param_groups += [GROUP]", {"opt": opt, "GROUP": GROUP}),
    "*=": lambda opt: exec("opt.param_groups *= 2", {"opt": opt}),
    "del": lambda opt: opt.param_groups.__delitem__(0),
    "pop": lambda opt: opt.param_groups.pop(),
    "remove": lambda opt: opt.param_groups.remove(opt.param_groups[0]),
    "clear": lambda opt: opt.param_groups.clear(),
    "reverse": lambda opt: opt.param_groups.reverse(),
    "sort": lambda opt: opt.param_groups.sort(key=str),
}
CHANGES_OF_A_GROUP = {
    "params": lambda group: group.__setitem__("params", {"new": leaf()}),
    "params and lr": lambda group: group.update(lr=0.5, params={}),
    "label": lambda group: group.__setitem__("label", "tail"),
    "del": lambda group: group.__delitem__("lr"),
    "pop": lambda group: group.pop("lr"),
    "popitem": lambda group: group.popitem(),
    "clear": lambda group: group.clear(),
    "setdefault": lambda group: group.setdefault("initial_lr", 0.1),
    "|=": lambda group: group.__ior__({"params": {}}),
}
CHANGES_OF_PARAMS = {
    "item": lambda params: params.__setitem__("new", leaf()),
    "replaced": lambda params: params.__setitem__("w", leaf()),
    "update": lambda params: params.update(new=leaf()),
    "setdefault": lambda params: params.setdefault("new", leaf()),
    "|=": lambda params: params.__ior__({"new": leaf()}),
    "del": lambda params: params.__delitem__("w"),
    "pop": lambda params: params.pop("w"),
    "popitem": lambda params: params.popitem(),
    "clear": lambda params: params.clear(),
}
CHANGES = {
    **{f"groups: {key}": change for key, change in CHANGES_OF_GROUPS.items()},
    **{
        f"group: {key}": lambda opt, change=change: change(opt.param_groups[1])
        for key, change in CHANGES_OF_A_GROUP.items()
    },
    **{
        f"params: {key}": lambda opt, change=change: change(opt.param_groups[0]["params"])
        for key, change in CHANGES_OF_PARAMS.items()
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@readable_and_fast
def test_what_a_step_would_not_see_is_refused_and_changes_nothing(adam, change):
    opt = adam(param_groups=two_groups())
    text, names = repr(opt), [list(group["params"]) for group in opt.param_groups]
    with refused(
        TypeError,
        "an optimizer keeps arrays for each of its tensors, so its groups, with their labels and ",
        "tensors, are fixed when it is made. Nothing was changed. Write ",
        'opt.add_param_group({"params": {"w": w}}) for more tensors, ',
    ):
        change(opt)
    assert repr(opt) == text
    assert [list(group["params"]) for group in opt.param_groups] == names
    differentiate(opt)
    opt.step()


def test_no_way_to_change_a_list_or_a_dict_is_left_out():
    """Whatever Python adds: a method that plain lists or dicts have and that can change them."""
    opt = optim.Adam(param_groups=two_groups())
    (group, _), reading = opt.param_groups, {"copy", "count", "index", "get", "items"}
    reading |= {"keys", "values", "fromkeys"}
    for held, plain in (
        (opt.param_groups, list),
        (group, dict),
        (group["params"], dict),
    ):
        named = {name for name in dir(plain) if not name.startswith("_")} - reading
        named |= {"__setitem__", "__delitem__", "__ior__", "__iadd__", "__imul__"} & set(dir(plain))
        for name in named:
            assert getattr(type(held), name) is not getattr(plain, name), name


def test_the_correction_that_is_written_works():
    opt = optim.Adam(param_groups=two_groups())
    with pytest.raises(TypeError) as error:
        opt.param_groups.append(GROUP)
    call = re.search(r"Write (opt\.add_param_group\(.*?\)) for", str(error.value))[1]
    eval(call, {"opt": opt, "w": leaf()})
    assert len(opt.param_groups) == 3


# What may be assigned


@readable_and_fast
def test_a_hyperparameter_that_is_assigned_is_that_of_the_next_step(adam):
    assigned, told = (adam(param_groups=two_groups()) for _ in "ab")
    assigned.param_groups[1]["lr"] = np.float64(0.25)
    assigned.param_groups[1].update(beta_1=0.5, eps=1e-6)
    assigned.param_groups[1] |= {"maximize": np.True_}
    for key, value in {"lr": 0.25, "beta_1": 0.5, "eps": 1e-6, "maximize": True}.items():
        told.set_param(key, value, group="head")
        assert type(assigned.param_groups[1][key]) is type(value)
    for opt in (assigned, told):
        differentiate(opt)
        opt.step()
    for a, b in zip(arrays_of(assigned), arrays_of(told), strict=True):
        assert_same_bits(a, b)


WRONG = [
    ("lr", "0.5", TypeError, "lr must be a finite number of at least 0, but got '0.5'. Write, "),
    ("lr", -1, ValueError, "lr must be a finite number of at least 0, but got -1. Write, "),
    ("lr", math.nan, ValueError, "lr must be a finite number of at least 0, but got nan. Write, "),
    ("beta_2", 1.0, ValueError, "beta_2 must be a number of at least 0 and below 1, but got 1.0. "),
    ("beta1", 0.5, ValueError, "unknown key 'beta1': did you mean beta_1, beta_2? The hyper"),
    ("maximize", 1, TypeError, "maximize must be True or False, but got 1. Write, "),
]


@pytest.mark.parametrize(("key", "value", "error", "said"), WRONG, ids=repr)
@readable_and_fast
def test_a_wrong_value_is_refused_where_it_is_assigned(adam, key, value, error, said):
    opt = adam(param_groups=two_groups())
    text = repr(opt)
    with refused(error, f"group 'head': {said}"):
        opt.param_groups[1][key] = value
    with refused(error, f"group 'head': {said}"):
        opt.param_groups[1].update({"eps": 0.5, key: value})
    assert repr(opt) == text


def test_values_that_do_not_go_together_are_refused_where_they_are_assigned():
    opt = optim.SGD(nn.Linear(1, 1), momentum=0.9, nesterov=True)
    with refused(ValueError, "nesterov"):
        opt.param_groups[0]["momentum"] = 0.0
    assert opt.param_groups[0]["momentum"] == 0.9
    opt.param_groups[0].update(momentum=0.0, nesterov=False)
    assert opt.param_groups[0]["momentum"] == 0.0


# As the lists and dicts they are


def test_groups_are_lists_and_dicts_to_all_that_reads_them():
    opt = optim.SGD(param_groups=two_groups())
    plain = [dict(group, params=dict(group["params"])) for group in opt.param_groups]
    assert isinstance(opt.param_groups, list)
    assert repr(opt.param_groups) == repr(plain)
    assert {**opt.param_groups[0]} == plain[0]
    values = {key: value for key, value in opt.param_groups[0].items() if key != "params"}
    assert json.loads(json.dumps(values))["label"] == "body"
    text = json.dumps(opt.param_groups, default=lambda t: t.numpy().tolist())
    assert json.loads(text)[1]["params"] == {"w": [3.0]}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_groups_is_plain_and_the_copiers_to_change(copied):
    opt = optim.Adam(param_groups=two_groups())
    groups = copied(opt.param_groups)
    assert type(groups) is list
    assert (
        {type(group) for group in groups} == {type(group["params"]) for group in groups} == {dict}
    )
    groups.append({"params": {"new": leaf()}})
    groups[0]["params"].pop("b")
    twin = optim.Adam(param_groups=groups)
    assert [list(group["params"]) for group in twin.param_groups] == [["w"], ["w"], ["new"]]
    assert len(opt.param_groups) == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@readable_and_fast
def test_a_copied_optimizer_trains_on_and_its_groups_are_watched_as_well(adam, copied):
    opt = adam(param_groups=two_groups(), lr=0.1)
    differentiate(opt)
    opt.step()
    twin = copied(opt)
    for each in (opt, twin):
        differentiate(each, seed=1)
        each.step()
    for a, b in zip(arrays_of(twin), arrays_of(opt), strict=True):
        assert_same_bits(a, b)
    with refused(TypeError, "add_param_group"):
        twin.param_groups.append(GROUP)
    twin.param_groups[0]["lr"] = 0.5
    twin.lr = twin.lr / 2
    assert opt.lr == opt.param_groups[0]["lr"] == 0.1
    with refused(ValueError, "lr must be"):
        twin.param_groups[0]["lr"] = -1


@readable_and_fast
def test_an_optimizer_and_its_groups_are_freed_without_the_garbage_collector(adam):
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(20):
            opt = adam(nn.Linear(2, 1))
            opt.add_param_group({"params": {"w": leaf()}})
            opt.zero_grad()
            opt.step()
            del opt
        assert len(gc.get_objects()) - before < 20
    finally:
        gc.enable()


# Hyperparameters are no attributes


class Mine(optim.Optimizer):
    """An optimizer of a user."""

    hyperparameters = {**optim.Optimizer.hyperparameters, "decay": FRACTION}

    def update(self, theta, group, kept):
        theta.data -= group["lr"] * group["decay"] * theta.grad
        return kept


def every_attribute():
    made = [getattr(module, cls.__name__) for module in (optim, fast) for cls in OPTIMIZERS]
    for cls in made:
        options = {"momentum": 0.9} if "momentum" in cls.hyperparameters else {}
        yield from ((cls, options, key) for key in cls.hyperparameters if key != "lr")
    yield Mine, {"lr": 0.1, "decay": 0.5}, "decay"
    yield type("Heir", (optim.Adam,), {}), {}, "beta_1"


@pytest.mark.parametrize(("optimizer", "options", "key"), list(every_attribute()))
def test_a_hyperparameter_is_no_attribute_and_says_where_it_is(optimizer, options, key):
    opt = optimizer(model=nn.Linear(1, 1), **options)
    value, text = opt.param_groups[0][key], repr(opt)
    said = f"{optimizer.__name__} has no attribute {key!r}, and no step would read one: each group "
    with refused(AttributeError, said, f'has its own {key}. Write opt.set_param("{key}", 0.5) to '):
        setattr(opt, key, 0.5)
    with refused(AttributeError, said, f'or opt.param_groups[0]["{key}"] to read it.') as error:
        getattr(opt, key)
    assert not hasattr(opt, key)
    assert repr(opt) == text
    _, write, read, _ = re.split(
        r"Write | to set it in all groups, or | to read it", str(error.value)
    )
    eval(write, {"opt": opt})
    assert type(eval(read, {"opt": opt})) is type(value)


@pytest.mark.parametrize(("name", "key"), [("betas", "beta_1"), ("learning_rate", "lr")])
def test_a_name_of_another_library_says_what_the_hyperparameter_is_here(name, key):
    opt = optim.Adam(nn.Linear(1, 1))
    with refused(AttributeError, f"Adam has no attribute {name!r}", f'opt.set_param("{key}", 0.'):
        setattr(opt, name, (0.9, 0.98))


def test_a_class_keeps_the_attributes_that_it_defines_itself():
    class Described(optim.SGD):
        momentum = "how much of the velocity stays"

    assert Described(nn.Linear(1, 1)).momentum == "how much of the velocity stays"


# Groups that are added


@every_optimizer
def test_a_group_is_added_as_if_the_optimizer_had_been_made_with_it(optimizer):
    body, head = two_groups(lr=0.25)
    whole = optimizer(param_groups=copy.deepcopy([body, head]))
    grown = optimizer(param_groups=[body])
    grown.add_param_group(head)
    assert repr(grown) == repr(whole)
    for opt in (whole, grown):
        for seed in range(3):
            differentiate(opt, seed)
            opt.step()
    for a, b in zip(arrays_of(grown), arrays_of(whole), strict=True):
        assert_same_bits(a, b)
    whole.load_state(grown.state())
    grown.load_state(whole.state())


@readable_and_fast
def test_a_group_added_after_steps_starts_with_moments_of_zero_and_trains_along(adam):
    opt = adam(param_groups=two_groups(), lr=0.1, beta_1=0.8)
    for seed in range(3):
        differentiate(opt, seed)
        opt.step()
    before = opt.state()["param_groups"]
    w = leaf()
    opt.add_param_group({"params": {"w": w}})
    *old, new = opt.state()["param_groups"]
    for a, b in zip(old, before, strict=True):
        np.testing.assert_equal(a, b)
    assert (new["label"], new["lr"], new["beta_1"]) == ("group_2", 0.1, 0.8)
    assert not new["moments1"]["w"].any()
    differentiate(opt)
    opt.step()
    assert opt.step_count == 4
    assert (w.data != [1.0, 2.0]).all()


def test_what_was_set_in_all_groups_is_set_in_a_new_one_too():
    opt = optim.Adam(param_groups=two_groups(), lr=0.1, beta_1=0.8)
    opt.lr = 0.05
    opt.set_param("eps", 1e-6)
    opt.set_param("beta_1", 0.5, group="head")
    opt.add_param_group({"params": {"w": leaf()}})
    new = opt.param_groups[-1]
    assert (new["lr"], new["eps"], new["beta_1"]) == (0.05, 1e-6, 0.8)


shared = leaf()
WRONG_GROUPS = {
    "a module": (nn.Linear(1, 1), TypeError, 'param_groups[2] must be a dict with "params"'),
    "no params": ({"lr": 0.1}, TypeError, 'param_groups[2] must be a dict with "params"'),
    "a list": ({"params": [leaf()]}, TypeError, '"params" is a Module or a dict of tensors'),
    "empty": ({"params": {}}, ValueError, '"params" is empty'),
    "no gradient": ({"params": {"c": sg.ones(1)}}, ValueError, "does not require gradients"),
    "a result": ({"params": {"r": leaf() * 2}}, ValueError, "is a result and not a leaf"),
    "twice": ({"params": {"v": shared}}, ValueError, "are the same tensor"),
    "label twice": (
        {"params": {"v": leaf()}, "label": "head"},
        ValueError,
        "have the label 'head'",
    ),
    "label": ({"params": {"v": leaf()}, "label": 1}, TypeError, "a label is a string"),
    "key": ({"params": {"v": leaf()}, "momentun": 0.9}, ValueError, "did you mean momentum?"),
    "value": ({"params": {"v": leaf()}, "lr": -1}, ValueError, "param_groups[2]: lr must be"),
    "together": ({"params": {"v": leaf()}, "nesterov": True}, ValueError, "nesterov looks ahead"),
}


@pytest.mark.parametrize("wrong", WRONG_GROUPS)
@pytest.mark.parametrize("sgd", [optim.SGD, fast.SGD], ids=["optim", "fast"])
def test_a_wrong_group_is_refused_as_by_the_constructor_and_nothing_is_added(sgd, wrong):
    group, error, said = WRONG_GROUPS[wrong]
    groups = two_groups()
    groups[0]["params"]["shared"] = shared
    opt = sgd(param_groups=groups)
    text, state = repr(opt), opt.state()
    with refused(error, said):
        opt.add_param_group(group)
    assert repr(opt) == text
    np.testing.assert_equal(opt.state(), state)
    differentiate(opt)
    opt.step()


def test_a_schedule_made_before_scales_the_rate_of_a_new_group(for_all):
    rates = st.none() | st.sampled_from([0.1, 0.4, 1.0])

    @for_all(st.integers(0, 5), rates, st.integers(1, 5))
    def check(before, own_rate, after):
        opt = optim.SGD(param_groups=two_groups(lr=0.25), lr=0.5)
        schedule = optim.schedules.Linear(opt, total_steps=12)
        for _ in range(before):
            schedule.step()
        opt.add_param_group({"params": {"w": leaf()}} | ({"lr": own_rate} if own_rate else {}))
        first = opt.lr if own_rate is None else own_rate
        assert opt.param_groups[2]["lr"] == first
        for _ in range(after):
            schedule.step()
        f_t = schedule.factor(before + after)
        base = 0.5 if first == 0.5 * schedule.factor(before) else own_rate
        assert [group["lr"] for group in opt.param_groups] == [0.5 * f_t, 0.25 * f_t, base * f_t]
        assert opt.lr == 0.5 * f_t


def test_a_schedule_of_one_group_leaves_a_new_one():
    opt = optim.SGD(param_groups=two_groups(), lr=0.5)
    schedule = optim.schedules.Linear(opt, total_steps=4, group="head")
    opt.add_param_group({"params": {"w": leaf()}, "lr": 0.3})
    schedule.step()
    assert [group["lr"] for group in opt.param_groups] == [0.5, 0.375, 0.3]


def test_a_schedule_and_an_optimizer_that_has_grown_are_resumed(tmp_path):
    def grown():
        model = nn.Sequential(nn.Linear(2, 2))
        opt = optim.SGD(model, lr=0.5, momentum=0.9)
        schedule = optim.schedules.Linear(opt, total_steps=8)
        schedule.step()
        model.layers.append(nn.Linear(2, 2))
        opt.add_param_group({"params": model[1], "lr": 0.1})
        return model, opt, schedule

    model, opt, schedule = grown()
    schedule.step()
    differentiate(opt)
    opt.step()
    sg.save(tmp_path / "run.npz", model, opt, schedule=schedule.state())
    other, other_opt, other_schedule = grown()
    other_schedule.load_state(sg.load(tmp_path / "run.npz", other, other_opt)["schedule"])
    for each, its_schedule in ((opt, schedule), (other_opt, other_schedule)):
        its_schedule.step()
        differentiate(each, seed=1)
        each.step()
    for a, b in zip(arrays_of(other_opt), arrays_of(opt), strict=True):
        assert_same_bits(a, b)
    assert repr(other_opt) == repr(opt)
