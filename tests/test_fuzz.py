"""Anything given to a constructor: it is taken, or refused with a documented error of our own."""

import copy
import linecache
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.fast.in_place import InPlace

PACKAGE = Path(sg.__file__).parent


# Anything, but nothing that takes long or much memory: no size between 6 and 2**62


class MyInt(int):
    pass


class MyFloat(float):
    pass


class MyStr(str):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyArray(np.ndarray):
    pass


class MyTensor(sg.Tensor):
    pass


def cyclic_list():
    value = [1.0]
    value.append(value)
    return value


floats = st.floats(-6, 6).filter(lambda x: x == 0 or abs(x) > 0.01) | st.sampled_from(
    [math.nan, math.inf, -math.inf, 5e-324, math.nextafter(1, 0), 1e300, -1e300]
)
numbers = st.one_of(
    st.integers(-3, 6),
    st.sampled_from([2**62, 2**63, -(2**63), 2**64, 10**400, -(10**400)]),
    floats,
    st.integers(-3, 6).map(MyInt),
    floats.map(MyFloat),
)
numpy_scalars = st.sampled_from(
    [
        np.float16(0.5),
        np.float32(0.25),
        np.float64("nan"),
        np.longdouble(0.5),
        np.int8(-1),
        np.int64(3),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.complex64(1j),
        np.datetime64("2020-01-01"),
        np.timedelta64(1, "s"),
        np.str_("a"),
        np.bytes_(b"a"),
        np.void(b"ab"),
    ]
)
arrays = st.sampled_from(
    [
        np.array(2.0),
        np.array(2),
        np.array(True),
        np.array([1.0, 2.0]),
        np.array([[1, 2]], dtype=np.int16),
        np.array([[1.0], [np.nan]], dtype=np.float16),
        np.zeros((0, 3)),
        np.array([True, False]),
        np.array([1.0, 2.0], dtype=">f4"),
        np.array([1.0], dtype=np.longdouble),
        np.array([1j]),
        np.array([None, 1.0]),
        np.array({"a": 1}, dtype=object),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.array(["a", "bc"]),
        np.array([b"a"]),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.array([1.0, 2.0]).view(MyArray),
        np.array([1.0, 2.0])[::-1],
        np.broadcast_to(np.float32(1), (2, 3)),
    ]
)
objects = st.sampled_from(
    [
        None,
        True,
        False,
        ...,
        1j,
        int,
        len,
        np.float32,
        np.dtype("f8"),
        np.exp,
        nn.Linear,
        range(3),
        slice(2),
        b"ab",
        bytearray(b"ab"),
        memoryview(b"ab"),
        frozenset([1]),
        Path("a"),
        math,
        MyStr("lr"),
        ValueError("x"),
    ]
)
# made anew each time: some can be used only once, and some might be changed
made = st.sampled_from(
    [
        object,
        lambda: iter([1.0]),
        lambda: (x for x in [1]),
        lambda: {1, 2},
        lambda: sg.Tensor([1.0, 2.0]),
        lambda: sg.Tensor([1.0, 2.0], requires_grad=True),
        lambda: sg.Tensor([1.0, 2.0], requires_grad=True) * 2,
        lambda: sg.Tensor(3),
        lambda: MyTensor([1.0]),
        nn.Module,
        lambda: nn.Linear(2, 1),
        lambda: nn.Sequential(nn.Linear(1, 1)),
        lambda: optim.SGD(nn.Linear(2, 1)),
        cyclic_list,
    ]
).map(lambda make: make())
texts = st.text(max_size=3) | st.sampled_from(
    ["lr", "params", "label", "group_0", "default", "f4", "float64", "complex64", "i4,f8", "nan"]
)
leaves = st.one_of(numbers, numpy_scalars, arrays, objects, made, texts)
some_keys = st.one_of(texts, st.none(), st.integers(-1, 2))
anything = leaves | st.recursive(
    leaves,
    lambda some: st.one_of(
        st.lists(some, max_size=3),
        st.lists(some, max_size=3).map(tuple),
        st.lists(some, max_size=3).map(MyList),
        st.dictionaries(some_keys, some, max_size=3),
        st.dictionaries(some_keys, some, max_size=3).map(MyDict),
    ),
    max_leaves=6,
)


@st.composite
def mutated(draw, value):
    """A dict or list of such, and of other things, with something at one place in it changed."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys)) if keys else None
    how = draw(st.sampled_from(["inside", "inside", "inside", "replace", "delete", "add"]))
    changed = copy.copy(value)
    if key is None or how == "add":
        if isinstance(value, dict):
            changed[draw(some_keys)] = draw(anything)
        else:
            changed.append(draw(anything))
    elif how == "delete":
        del changed[key]
    elif how == "inside" and type(value[key]) in (dict, list):
        changed[key] = draw(mutated(value[key]))
    else:
        changed[key] = draw(anything)
    return changed


# What is asked of a call


def documented(thing):
    """The errors under "Raises:" in the docstring, and in those of what it overrides."""
    if isinstance(thing, type):
        texts = [cls.__doc__ for cls in thing.__mro__]
    elif hasattr(thing, "__self__"):
        classes = type(thing.__self__).__mro__
        texts = [getattr(cls, thing.__name__, thing).__doc__ for cls in classes]
    else:
        texts = [thing.__doc__]
    found = set()
    for text in texts:
        raises = re.split(r"\n\s*\n", (text or "").partition("Raises:\n")[2])[0]
        found |= set(re.findall(r"^ +(\w+(?:Error|Warning)): ", raises, re.MULTILINE))
        for name in re.findall(r"errors are those of `(\w+)`", text or ""):
            found |= documented(getattr(sg, name, None) or getattr(optim, name))
    return found


def is_our_own(error):
    """Whether a line of simplegrad raised it, with a message: not NumPy, nor Python by itself."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename
    line = linecache.getline(file, trace.tb_lineno).strip()
    return PACKAGE in Path(file).parents and line.startswith("raise ") and len(str(error)) > 20


def check_error(error, thing, is_checked=True):
    """An error is one that the docstring of `thing` tells of, and explains itself."""
    kind = type(error).__name__
    assert kind in documented(thing), f"{thing.__name__} documents no {kind}: {error}"
    assert is_our_own(error) or not is_checked, f"{thing.__name__} leaves it to {kind}: {error}"


def attempt(thing, *args, is_checked=True, **kwargs):
    """What the call returns, or None after an error that may be."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, of odd dtypes
            return thing(*args, **kwargs)
    except Exception as error:
        check_error(error, thing, is_checked)
        return None


# Tensors and layers


def use_tensor(t):
    assert t.dtype.kind in "fiub"
    repr(t)


def use_module(size, dtype=np.float32):
    def use(module):
        repr(module)
        n = module.weight.shape[0] if size is None else size
        with np.errstate(all="ignore"):
            assert isinstance(module(np.zeros((2, n), dtype)), sg.Tensor)

    return use


def use_norm(module):
    repr(module)
    with np.errstate(all="ignore"):
        module(np.zeros((2, *module.weight.shape), np.float32))


def use_recurrent(module):
    repr(module)
    cell = getattr(module, "cells", [module])[0]
    module(np.zeros((2, len(cell.weight_ih)), np.float32))


# The name of each: valid arguments, how many of them simplegrad promises to check, a use
CONSTRUCTORS = {
    "Tensor": (sg.Tensor, [[1.0, 2.0], True, None, "w"], 1, use_tensor),
    "full": (sg.full, [(2, 3), 1.0, True, np.float32, "w"], 1, use_tensor),
    "zeros": (sg.zeros, [(2, 3), True, np.float32, "w"], 1, use_tensor),
    "ones": (sg.ones, [(2, 3), True, np.float32, "w"], 1, use_tensor),
    "normal": (sg.normal, [(2, 3), 0.0, 1.0, True, np.float32, "w"], 1, use_tensor),
    "uniform": (sg.uniform, [(2, 3), 0.0, 1.0, True, np.float32, "w"], 1, use_tensor),
    "arange": (sg.arange, [0, 3, 1, False, None, "w"], 0, use_tensor),
    "eye": (sg.eye, [2, 3, True, np.float32, "w"], 0, use_tensor),
    "zeros_like": (sg.zeros_like, [[1.0], True], 1, use_tensor),
    "ones_like": (sg.ones_like, [[1.0], True], 1, use_tensor),
    "full_like": (sg.full_like, [[1.0], 2.0, True], 1, use_tensor),
    "normal_like": (sg.normal_like, [[1.0], 0.0, 1.0, True], 1, use_tensor),
    "uniform_like": (sg.uniform_like, [[1.0], 0.0, 1.0, True], 1, use_tensor),
    "manual_seed": (sg.manual_seed, [0], 1, lambda _: None),
    "Linear": (nn.Linear, [2, 3, True, np.float32], 4, use_module(None)),
    "Embedding": (nn.Embedding, [2, 3, np.float32], 3, use_module(1, np.int64)),
    "LayerNorm": (nn.LayerNorm, [2, 1e-5, np.float32], 3, use_norm),
    "RMSNorm": (nn.RMSNorm, [2, 1e-5, np.float32], 3, use_norm),
    "BatchNorm": (nn.BatchNorm, [2, 1e-5, 0.1, np.float32], 4, use_module(None)),
    "Dropout": (nn.Dropout, [0.5], 1, use_module(3)),
    "RNNCell": (nn.RNNCell, [2, 3, True, np.float32], 4, use_recurrent),
    "RNN": (nn.RNN, [2, 3, 2, True, False, 0.5, np.float32], 7, use_recurrent),
    "MultiHeadAttention": (nn.MultiHeadAttention, [6, 2, 0.5, True, np.float32], 5, repr),
    "Sequential": (nn.Sequential, [nn.ReLU(), nn.Tanh()], 2, repr),
}


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_tensor_or_layer_is_made_of_anything_or_says_why_not(name, for_all):
    make, valid, checked, use = CONSTRUCTORS[name]

    @for_all(st.integers(0, len(valid) - 1), anything)
    def made(i, value):
        args = [*valid[:i], value, *valid[i + 1 :]]
        result = attempt(make, *args, is_checked=i < checked)
        if result is not None:
            use(result)


# Optimizers

NAMES = ["Adam", "AdamW", "RMSProp", "SGD"]
optimizers = st.sampled_from([getattr(module, name) for module in (optim, fast) for name in NAMES])


def groups_of_two(**overrides):
    w = {"w": sg.Tensor([1.0, 2.0], True), "b": sg.Tensor(np.array(0.5), True)}
    return [
        {"params": w, "label": "encoder", "lr": 0.1},
        {"params": nn.Linear(2, 1), "label": "decoder", **overrides},
    ]


def use_optimizer(opt):
    """Shows it, and takes a step."""
    repr(opt)
    for group in opt.param_groups:
        for theta in group["params"].values():
            theta.grad = np.ones_like(theta.data)
    with np.errstate(all="ignore"):
        opt.step()


def used(optimizer):
    """An optimizer after a step."""
    overrides = {}
    if "nesterov" in optimizer.hyperparameters:  # what one group takes, the other may not
        overrides = {"nesterov": True, "momentum": 0.9}
    opt = optimizer(param_groups=groups_of_two(**overrides), lr=0.5)
    use_optimizer(opt)
    return opt


def to_the_bit(value):
    """Plain data in place of arrays, to compare with ==."""
    if isinstance(value, dict):
        return {key: to_the_bit(x) for key, x in value.items()}
    if isinstance(value, list):
        return [to_the_bit(x) for x in value]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    return type(value), value


def sets_or_changes_nothing(opt, method, *args):
    """Calls a method of `opt`. After an error, all is as it was; after none, `opt` still works."""
    before = to_the_bit([opt.lr, opt.state()])
    try:
        method(*args)
    except Exception as error:
        check_error(error, method)
        assert to_the_bit([opt.lr, opt.state()]) == before
    use_optimizer(opt)


def test_an_optimizer_takes_any_argument_or_says_why_not(for_all):
    @for_all(optimizers, st.data())
    def made(optimizer, data):
        keys = ["model", *optimizer.hyperparameters]
        key = data.draw(st.sampled_from(keys + ["workers"] * issubclass(optimizer, InPlace)))
        value = data.draw(anything)
        if key == "workers" and isinstance(value, int):
            assume(value <= 2)  # each is a thread
        opt = attempt(optimizer, **{"model": nn.Linear(2, 1), key: value})
        if opt is not None:
            use_optimizer(opt)


def test_an_optimizer_takes_any_groups_or_says_why_not(for_all):
    @for_all(optimizers, st.builds(groups_of_two).flatmap(mutated) | anything)
    def made(optimizer, groups):
        opt = attempt(optimizer, param_groups=groups)
        if opt is not None:
            use_optimizer(opt)


def test_set_param_sets_or_changes_nothing(for_all):
    labels = st.none() | st.sampled_from(["encoder", "decoder"]) | anything
    values = st.booleans() | st.floats(0, 1) | anything

    @for_all(optimizers, labels, values, st.data())
    def set_or_not(optimizer, label, value, data):
        opt = used(optimizer)
        key = data.draw(st.sampled_from(list(optimizer.hyperparameters)) | anything)
        sets_or_changes_nothing(opt, opt.set_param, key, value, label)


def test_load_state_loads_all_or_changes_nothing(for_all):
    @for_all(optimizers, st.data())
    def load_or_not(optimizer, data):
        opt = used(optimizer)
        counted = anything.map(lambda count: {**opt.state(), "step_count": count})
        state = data.draw(mutated(opt.state()) | counted | anything)
        sets_or_changes_nothing(opt, opt.load_state, state)
