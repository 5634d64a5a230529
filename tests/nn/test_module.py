"""Module: which parameters and modules it finds, under which names."""

import collections
import contextlib
import copy
import dataclasses
import functools
import itertools
import re
import types
import weakref

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.fast.recording import NotReplayable


def parameter():
    return sg.ones(2, requires_grad=True)


class Block(nn.Module):
    def __init__(self):
        self.scale = parameter()
        self.layer = nn.Linear(2, 2, bias=False)
        self.constant = sg.ones(2)
        self.note = "no parameter"

    def forward(self, x, shift=0):
        return self.layer(x) * self.scale + shift


class Net(nn.Module):
    def __init__(self):
        self.blocks = [Block(), Block()]
        self.heads = {"left": nn.Linear(2, 1), "right": (nn.Linear(2, 1),)}
        self.gain = parameter()
        self.loose = [parameter(), 3, None]


def test_parameters_are_found_in_the_order_of_definition_with_dotted_names():
    assert list(Net().parameters()) == [
        "blocks.0.scale",
        "blocks.0.layer.weight",
        "blocks.1.scale",
        "blocks.1.layer.weight",
        "heads.left.weight",
        "heads.left.bias",
        "heads.right.0.weight",
        "heads.right.0.bias",
        "gain",
        "loose.0",
    ]


def test_parameters_are_the_tensors_themselves():
    net = Net()
    assert net.parameters()["blocks.1.scale"] is net.blocks[1].scale


def test_a_parameter_is_a_tensor_that_requires_gradients():
    block = Block()
    assert list(block.parameters()) == ["scale", "layer.weight"]
    block.scale.requires_grad = False
    assert list(block.parameters()) == ["layer.weight"]
    block.late = parameter()
    assert list(block.parameters()) == ["layer.weight", "late"]


def test_a_shared_parameter_is_listed_once_under_its_first_name():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert list(net.parameters()) == ["layers.0.weight", "layers.0.bias", "layers.1.bias"]
    shared = nn.Linear(2, 2)
    assert len(nn.Sequential(shared, shared).parameters()) == 2


def test_modules_that_hold_each_other_are_walked_once():
    a, b = Block(), Block()
    a.friend, b.friend = b, a
    a.layers = [a.layer]
    assert list(a.modules()) == ["", "layer", "friend", "friend.layer"]


def test_train_and_eval_reach_every_module_and_return_the_model():
    net = Net()
    assert net.eval() is net
    assert [module.training for module in net.modules().values()] == [False] * 7
    net.train()
    assert all(module.training for module in net.modules().values())
    assert Block.training is True  # the class keeps its default


def test_calling_a_module_is_calling_its_forward():
    x = sg.ones((1, 2))
    block = Block()
    assert (block(x, shift=1).data == block.forward(x).data + 1).all()


def test_a_module_without_a_forward_pass_says_so():
    with pytest.raises(NotImplementedError, match=r"Net has no forward pass.*forward\(self, x\)"):
        Net()(1)


def test_the_repr_shows_the_tree_and_the_parameter_counts():
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(64, 64), nn.Dropout(0.5)))
    assert repr(net).splitlines() == [
        "Sequential()                  4,160 parameters",
        "  layers.0: Flatten()             0 parameters",
        "  layers.1: Sequential()      4,160 parameters",
        "    layers.0: Linear(64, 64)  4,160 parameters",
        "    layers.1: Dropout(p=0.5)      0 parameters",
    ]


def test_the_repr_of_a_deep_model_needs_no_recursion():
    model = nn.Sequential()
    for _ in range(2000):
        model = nn.Sequential(model)
    assert len(model.modules()) == 2001


# Results are no parameters


@dataclasses.dataclass
class Record:
    """An object that is no Module, with a field for anything."""

    value: object


class Apply(Record):
    def __call__(self, x):
        return self.value(x)


class Keeps(nn.Module):
    """A layer that keeps its result, in a way that is given."""

    def __init__(self, keep=lambda y: y):
        self.fc = nn.Linear(2, 2)
        self.keep = keep

    def forward(self, x):
        y = self.fc(x)
        self.out = self.keep(y)
        return y


KEPT = {
    "itself": lambda y: y,
    "log-probabilities": sg.log_softmax,
    "a list": lambda y: [y, y * 2],
    "a dict": lambda y: {"y": {"log": sg.log_softmax(y)}},
    "a module": lambda y: as_module(y),
    "an object": Record,
    "a lambda": lambda y: lambda: y,
    "a set": lambda y: {y},
}


@pytest.mark.parametrize("keep", KEPT.values(), ids=KEPT)
def test_a_result_that_a_module_keeps_is_no_parameter(keep, tmp_path):
    model = Keeps(keep)
    before = repr(model)
    model(sg.ones((3, 2))).sum().backward(retain_grads=True)
    assert list(model.parameters()) == list(model.tensors()) == ["fc.weight", "fc.bias"]
    assert set(before.splitlines()) <= set(repr(model).splitlines())  # with the same counts
    assert (
        optim.Adam(model).state()["param_groups"][0]["moments1"].keys() == model.parameters().keys()
    )
    squares = [(t.grad**2).sum() for t in model.parameters().values()]
    assert nn.clip_grad_norm(model, 1e9) == pytest.approx(np.sqrt(sum(squares)))
    sg.save(tmp_path / "model.npz", model)
    sg.load(tmp_path / "model.npz", Keeps())


def test_a_running_mean_is_state_where_no_gradients_are_computed_and_else_a_result():
    model = Keeps()
    model.mean = sg.zeros(2)
    for with_gradients in (False, True):
        with contextlib.nullcontext() if with_gradients else sg.no_grad():
            model.mean = 0.9 * model.mean + 0.1 * model(sg.ones((3, 2))).mean(axis=0)
        model.out = None
        assert list(model.parameters()) == ["fc.weight", "fc.bias"]
        assert ("mean" in model.tensors()) is not with_gradients


def test_a_copy_of_a_model_that_keeps_a_result_shows_how_to_let_it_go():
    model = Keeps()
    model(sg.ones((3, 2)))
    with pytest.raises(TypeError, match=r"write model\.out = None before you copy the model"):
        copy.deepcopy(model)
    model.out = None
    assert list(copy.deepcopy(model).parameters()) == ["fc.weight", "fc.bias"]


# Two of one name


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (lambda a, b: {0: a, "0": b}, r"self\.of\[0\]{0} and self\.of\['0'\]{0} both .*'of\.0{1}'"),
        (
            lambda a, b: {"a.b": a, "a": {"b": b}},
            r"self\.of\['a\.b'\]{0} and self\.of\['a'\]\['b'\]{0} both .*'of\.a\.b{1}'",
        ),
        (
            lambda a, b: {"a": [0, [a]], "a.1": (b,)},
            r"self\.of\['a'\]\[1\]\[0\]{0} and self\.of\['a\.1'\]\[0\]{0} both",
        ),
        (lambda a, b: {None: a, "None": b}, r"self\.of\[None\]{0} and self\.of\['None'\]{0}"),
    ],
)
def test_two_tensors_or_modules_of_one_name_are_an_error_that_shows_both(given, match):
    model = nn.Module()
    model.of = given(parameter(), parameter())
    with pytest.raises(ValueError, match=match.format("", "")):
        model.parameters()
    model.of = given(nn.Linear(2, 2), nn.Linear(2, 2))
    for asked in (model.parameters, lambda: optim.Adam(model)):
        with pytest.raises(ValueError, match=match.format(r"\.weight", r"\.weight")):
            asked()
    for asked in (model.modules, model.eval):
        with pytest.raises(ValueError, match=match.format("", "")):
            asked()
    assert repr(model).count("6 parameters") == 2  # a debugger shows both nevertheless


def test_an_attribute_with_a_dot_in_its_name_is_shown_as_python_takes_it():
    model = nn.Module()
    model.a = as_module(parameter())
    setattr(model, "a.value", parameter())
    match = r"self\.a\.value and self\.__dict__\['a\.value'\] both"
    with pytest.raises(ValueError, match=match):
        model.parameters()


def test_one_tensor_or_module_that_is_there_twice_needs_no_two_names():
    model, layer = nn.Module(), nn.Linear(2, 2)
    model.of = {0: layer, "0": layer, "0.weight": layer.weight}
    assert list(model.parameters()) == ["of.0.weight", "of.0.bias"]
    model.of = {"a": nn.Dropout(0.5), "a.out": layer(sg.ones(2))}
    model.of["a"].out = parameter()  # it shares its name with a result only
    assert list(model.parameters()) == ["of.a.out"]


KEYS = st.sampled_from([0, 1, "0", "1", "a", "0.1", "a.0", "0.a"])


def test_no_mixture_of_keys_loses_a_parameter(for_all):
    inner = st.just(None).map(lambda _: parameter())
    nested = st.recursive(
        inner,
        lambda inside: st.dictionaries(KEYS, inside, max_size=3) | st.lists(inside, max_size=2),
    )

    @for_all(nested)
    def check(value):
        model, count, waiting = nn.Module(), 0, [value]
        model.of = value
        while waiting:
            each = waiting.pop()
            count += isinstance(each, sg.Tensor)
            waiting += (
                each.values() if isinstance(each, dict) else each if isinstance(each, list) else []
            )
        try:
            assert len(model.parameters()) == count
        except ValueError as error:
            one, other = re.match(r"(self\S+) and (self\S+) both", str(error)).groups()
            assert one != other
            both = [eval(code, {"self": model}) for code in (one, other)]
            assert all(isinstance(t, sg.Tensor) for t in both)
            assert both[0] is not both[1]


# Parameters where no module looks


@pytest.mark.parametrize(
    ("hide", "match"),
    [
        (
            lambda layer: {layer},
            r"'block\.layers' is a set that .*self\.block\.layers = list",
        ),
        (lambda layer: [{layer}], r"'block\.layers\.0' is a set .*self\.block\.layers\[0\] = list"),
        (lambda layer: collections.deque([layer]), "is a deque that holds .*= list"),
        (lambda layer: np.array([layer, None]), "is a ndarray that holds .*= list"),
        (lambda layer: itertools.cycle([layer]), "is a cycle that holds .*= list"),
        (lambda layer: types.MappingProxyType({0: layer}), "is a mappingproxy that .*= dict"),
        (lambda layer: collections.UserDict(a=layer), "is a UserDict that holds .*= dict"),
        (lambda layer: types.SimpleNamespace(layer=layer), r"class SimpleNamespace\(nn\.Module\)"),
        (lambda layer: types.SimpleNamespace(layers=[{"a": layer}]), "SimpleNamespace that holds"),
        (lambda layer: Record(layer), r"class Record\(nn\.Module\)"),
        (lambda layer: Apply(layer), r"class Apply\(nn\.Module\)"),
        (lambda layer: lambda x: layer(x), r"is a function .*self\.layer = layer, too"),
        (lambda layer: layer.forward, r"is a method that .*self\.layer = layer, too"),
        (
            lambda layer: functools.partial(layer),
            r"is a partial that .*self\.layer = layer, too",
        ),
        (lambda layer: {layer: "its name"}, r"is a dict that .*self\.layer = layer, too"),
        (lambda layer: (x for x in [layer]), r"is a generator: .*empty after its first use"),
        (lambda layer: map(nn.Sequential, [layer]), "is a map: "),
        (lambda layer: itertools.starmap(nn.Linear, [(2, 2)]), "is a starmap: "),
    ],
)
def test_parameters_where_they_are_not_found_are_an_error(hide, match):
    model = nn.Sequential(nn.Linear(2, 2))
    model.block = nn.Module()
    model.block.layers = hide(nn.Linear(2, 2))
    with pytest.raises(TypeError, match=match):
        model.parameters()
    with pytest.raises(TypeError, match=match):
        optim.Adam(model=model)
    assert "6 parameters" in repr(model)  # a debugger shows it nevertheless


Pair = collections.namedtuple("Pair", "one two")


class Slots:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class OfClass:
    def __init__(self, value):
        self.kind = type("Kind", (), {"value": value})()


class MoreThanAList(list):
    def __init__(self, value):
        self.value = value


def with_default(value, *, key=False):
    return (lambda x, *, y=value: y) if key else (lambda x, y=value: y)


def as_module(value):
    module = nn.Module()
    module.value = value
    return module


SHOW = {  # in these, a module looks
    "list": lambda value: [0, value],
    "tuple": lambda value: (value,),
    "namedtuple": lambda value: Pair(value, 0),
    "dict": lambda value: {"a": value},
    "OrderedDict": lambda value: collections.OrderedDict(a=value),
    "defaultdict": lambda value: collections.defaultdict(list, {3: value}),
    "Module": as_module,
}
HIDE = {  # and in these it does not
    "set": lambda value: {Slots(value)},
    "frozenset": lambda value: frozenset([Slots(value)]),
    "deque": lambda value: collections.deque([value]),
    "object array": lambda value: np.array([None, Slots(value)]),
    "0-d object array": lambda value: np.array(Slots(value)),
    "UserDict": lambda value: collections.UserDict(a=value),
    "UserList": lambda value: collections.UserList([value]),
    "ChainMap": lambda value: collections.ChainMap({"a": value}),
    "MappingProxyType": lambda value: types.MappingProxyType({"a": value}),
    "view of a dict": lambda value: {"a": value}.values(),
    "SimpleNamespace": lambda value: types.SimpleNamespace(a=value),
    "dataclass": Record,
    "slots": Slots,
    "class of an object": OfClass,
    "class": lambda value: type("Kind", (), {"value": value}),
    "attribute of a list": MoreThanAList,
    "default factory": lambda value: collections.defaultdict(lambda: value),
    "closure": lambda value: lambda x: value,
    "nested closure": lambda value: lambda x: lambda: value,
    "default": with_default,
    "keyword default": functools.partial(with_default, key=True),
    "attribute of a function": lambda value: functools.wraps(Slots(value).__init__)(lambda: 0),
    "partial": lambda value: functools.partial(max, value),
    "partial by key": lambda value: functools.partial(max, key=value),
    "partial of it": lambda value: functools.partial(lambda x: value),
    "bound method": lambda value: Slots(value).__init__,
    "built-in method": lambda value: [value].append,
    "cached function": lambda value: functools.lru_cache(lambda x: value),
    "property": lambda value: property(lambda self: value),
    "staticmethod": lambda value: staticmethod(lambda: value),
    "iter": lambda value: iter([value]),
    "zip": lambda value: zip([value], strict=True),
    "enumerate": lambda value: enumerate([value]),
    "reversed": lambda value: reversed([value]),
    "repeat": lambda value: itertools.repeat(value),
    "chain": lambda value: itertools.chain([value]),
    "islice": lambda value: itertools.islice([value], 1),
}


@pytest.mark.parametrize("where", HIDE)
@pytest.mark.parametrize("what", [parameter, lambda: nn.Linear(2, 2)], ids=["tensor", "layer"])
def test_each_place_that_hides_is_looked_into(where, what):
    model = nn.Module()
    model.f = HIDE[where](what())
    with pytest.raises(TypeError, match=r"'f' is a .* that holds Tensor"):
        model.parameters()


def test_a_parameter_is_found_or_an_error_wherever_it_is_put(for_all):
    places = st.lists(st.sampled_from([*SHOW, *HIDE]), max_size=4)

    @for_all(places, st.booleans())
    def check(places, is_layer):
        model = nn.Module()
        secret = nn.Linear(2, 1) if is_layer else parameter()
        model.f = functools.reduce(lambda value, place: (SHOW | HIDE)[place](value), places, secret)
        if set(places) <= SHOW.keys():
            assert len(model.parameters()) == (2 if is_layer else 1)
        else:
            with pytest.raises(TypeError, match=r"'f[.\w]*' is a .* that holds Tensor"):
                model.parameters()
        model.found = secret  # then nothing is hidden
        assert len(model.parameters()) == (2 if is_layer else 1)


IN_A_SCRIPT = """
import functools
import simplegrad as sg
from simplegrad import nn

layer, other = nn.Linear(2, 2), nn.Linear(2, 2)
layers = [layer]
model = nn.Module()
model.f = @

class Generator(nn.Module):
    def loss(self, x):
        return other(x)  # of another model, which another optimizer trains
"""


@pytest.mark.parametrize(
    "function",
    [
        "lambda x: layer(x)",
        "lambda x: x @ layer.weight",
        "lambda x: layers[0](x)",
        "lambda xs: [layer(x) for x in xs]",
        "lambda x: (lambda: layer(x))()",
        "[lambda x: layer(x)]",
    ],
)
def test_a_function_that_finds_a_layer_by_a_global_name_is_an_error(function):
    names = {}
    exec(IN_A_SCRIPT.replace("@", function), names)
    with pytest.raises(TypeError, match=r"'f[.0]*' is a function that holds Tensor"):
        names["model"].parameters()
    names["model"].layer = names["layer"]
    assert list(names["model"].parameters()) == ["layer.weight", "layer.bias"]


@pytest.mark.parametrize("function", ["lambda x: x.layer", "lambda layer: layer", "nn.Linear"])
def test_another_thing_of_the_name_of_a_layer_hides_nothing(function):
    names = {}
    exec(IN_A_SCRIPT.replace("@", function), names)
    assert names["model"].parameters() == names["Generator"]().parameters() == {}


def classes_that_hide(layer):
    """Classes of modules with a layer where instances do not have it."""

    class Attribute(nn.Module):
        hidden = layer

    class Nested(nn.Module):
        hidden = [{"a": layer}]

    class Heir(Attribute):
        pass

    class Mixin:
        hidden = layer.weight

    class WithMixin(nn.Module, Mixin):
        pass

    class Default(nn.Module):
        def hidden(self, x, layer=layer):
            return layer(x)

    class Closure(nn.Module):
        def hidden(self, x):
            return layer(x)

    class Property(nn.Module):
        @property
        def hidden(self):
            return layer

    return Attribute, Nested, Heir, WithMixin, Default, Closure, Property


@pytest.mark.parametrize("number", range(7))
def test_parameters_in_a_class_are_an_error_unless_the_instance_has_them(number):
    layer = nn.Linear(2, 2)
    model = nn.Sequential(classes_that_hide(layer)[number]())
    match = r"\w\.hidden holds Tensor.* not in its class .*in __init__"
    for asked in (model.parameters, model.tensors, lambda: optim.Adam(model)):
        with pytest.raises(TypeError, match=match):
            asked()
    model.layer = layer
    assert list(model.parameters()) == ["layer.weight", "layer.bias"]


def test_parameters_in_the_slots_of_a_module_are_an_error():
    class Slotted(nn.Module):
        __slots__ = ("layer",)

    model = Slotted()
    model.layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"Slotted\.__slots__ holds Tensor"):
        model.parameters()


def test_what_a_module_only_knows_of_hides_nothing():
    model = nn.Sequential(nn.Linear(2, 2))
    other = nn.Linear(2, 2)
    model.parent = weakref.ref(other)
    model.activation = lambda x: sg.relu(x)
    model.names = [type(self).__name__ for self in (model, other)]
    model.kind, model.module, model.log = nn.Linear, nn, print
    model.numbers = itertools.count()
    model.rng = np.random.default_rng(0)
    model.error = ValueError("raised below where `other` is")
    with contextlib.suppress(ValueError):
        raise model.error
    model.result = Record(other(sg.ones(2)))
    model.first = lambda x: model[0](x)
    assert list(model.parameters()) == ["layers.0.weight", "layers.0.bias"]


def test_what_holds_parameters_that_are_found_elsewhere_hides_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.shared = {model[0], model[1]}
    model.trainer = types.SimpleNamespace(model=model, opt=optim.Adam(model))
    model.names, model.numbers = {"a", "b"}, np.array([1, 2])
    model.frozen = types.SimpleNamespace(scale=sg.ones(2))
    assert len(model.parameters()) == 4


def test_tensors_are_the_parameters_and_those_without_gradients():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].weight.requires_grad = False
    model.scale = sg.ones(2)
    model.again = model.scale
    assert list(model.tensors()) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "scale",
    ]
    assert model.tensors()["scale"] is model.scale


def test_a_parameter_that_forward_makes_is_warned_of_at_its_line():
    class Forgetful(nn.Module):
        def forward(self, x):
            return nn.Linear(2, 1)(x)

    model = nn.Sequential(Forgetful())
    with pytest.warns(UserWarning, match=r"Forgetful makes a parameter .*in __init__ of") as caught:
        model(sg.ones(2))
    line = Forgetful.forward.__code__.co_firstlineno + 1
    assert {(w.filename, w.lineno) for w in caught} == {(__file__, line)}


def test_tensors_without_gradients_and_parameters_outside_of_forward_are_no_mistake():
    class Scaled(nn.Module):
        def forward(self, x):
            return x * sg.ones(2) + sg.Tensor(np.ones(2))

    Scaled()(sg.ones(2, requires_grad=True))
    nn.Linear(2, 2)


# apply


def test_apply_reaches_every_module_the_innermost_first_and_returns_the_model():
    net, seen = Net(), []
    assert net.apply(seen.append) is net
    names = {id(module): name for name, module in net.modules().items()}
    assert [names[id(module)] for module in seen] == [
        *("blocks.0.layer", "blocks.1.layer", "heads.right.0"),
        *("blocks.0", "blocks.1", "heads.left"),
        "",
    ]


def test_apply_calls_the_function_once_for_a_shared_module():
    shared, seen = nn.Linear(2, 2), []
    nn.Sequential(shared, nn.Sequential(shared)).apply(seen.append)
    assert seen.count(shared) == 1


# astype


def made_and_trained(make, dtype=None, steps=3, converted_after=None):
    """A model that was trained, converted before its optimizer was made or after some steps."""
    sg.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm(5), nn.Tanh(), nn.Linear(5, 2))
    model = model.astype(dtype) if dtype is not None else model
    opt = make(model)
    for step in range(steps):
        if step == converted_after:
            model.astype(np.float64)
        batch = np.random.default_rng(step).normal(size=(6, 4))
        (model(batch.astype(model[0].weight.dtype)) ** 2).mean().backward()
        opt.step()
        opt.zero_grad()
    return model, opt


OPTIMIZERS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": functools.partial(
        getattr(module, name), **({"momentum": 0.9} if name == "SGD" else {})
    )
    for module in (optim, fast)
    for name in ("Adam", "AdamW", "RMSProp", "SGD")
}


def test_astype_converts_tensors_and_gradients_and_keeps_the_objects():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2))
    model[0].bias.requires_grad = False
    model.counts = sg.zeros(2, dtype=np.int64)
    model(sg.ones((4, 3))).sum().backward()
    tensors, gradient = model.tensors(), model[1].bias.grad
    assert model.astype("float64") is model
    assert [id(t) for t in model.tensors().values()] == [id(t) for t in tensors.values()]
    dtypes = {name: t.dtype for name, t in model.tensors().items()}
    assert dtypes.pop("counts") == np.int64
    assert set(dtypes.values()) == {np.dtype(np.float64)}
    assert not model[0].bias.requires_grad
    assert model[0].bias.grad is None
    assert model[1].bias.grad.dtype == np.float64
    np.testing.assert_array_equal(model[1].bias.grad, gradient)
    assert model(np.ones((4, 3))).dtype == np.float64
    assert model.astype(np.float32)[0].weight.dtype == np.float32
    array = model[0].weight.data
    assert model.astype(np.float32)[0].weight.data is array  # there is nothing to do


@pytest.mark.parametrize("dtype", [np.int64, bool, None, "no dtype", complex])
def test_astype_takes_floats_only_and_changes_nothing_else(dtype):
    model = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"computes with floats, but got dtype=.*np\.float64"):
        model.astype(dtype)
    assert model.weight.dtype == np.float32


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_that_was_made_before_astype_goes_on_with_its_moments(name, tmp_path):
    make = OPTIMIZERS[name]
    model, opt = made_and_trained(make, steps=5, converted_after=2)
    kept = [array for arrays in opt._kept[0].values() for array in arrays]
    assert {array.dtype for array in (*kept, *opt._tensors)} == {np.dtype(np.float64)}
    # as if it had been made of what was there when the model was converted
    before, old = made_and_trained(make, steps=2)
    state = old.state()
    del old
    resumed = make(before.astype(np.float64))
    for group in state["param_groups"]:
        for slot in resumed.slots:
            group[slot] = {key: array.astype(np.float64) for key, array in group[slot].items()}
    resumed.load_state(state)
    for step in range(2, 5):
        (before(np.random.default_rng(step).normal(size=(6, 4))) ** 2).mean().backward()
        resumed.step()
        resumed.zero_grad()
    for key, t in model.tensors().items():
        np.testing.assert_array_equal(t.data, before.tensors()[key].data)
    sg.save(tmp_path / "run.npz", model, opt)
    sg.load(tmp_path / "run.npz", before, resumed)


@pytest.mark.parametrize("name", ["Adam", "fast.Adam"])
def test_a_parameter_of_a_large_size_is_converted_with_its_moments(name):
    adam = fast.Adam if name == "fast.Adam" else optim.Adam
    model = nn.Linear(300, 300)  # which fast.Adam works on where it is
    opt = adam(model)
    for dtype in (np.float32, np.float64, np.float32):
        model.astype(dtype)
        (model(np.ones((2, 300), dtype)) ** 2).sum().backward()
        before = model.weight.numpy()
        opt.step()
        opt.zero_grad()
        assert model.weight.dtype == model.weight.grad.dtype == before.dtype == np.dtype(dtype)
        assert (model.weight.data != before).all()


def test_a_dtype_that_rounds_the_eps_of_an_optimizer_to_0_changes_nothing():
    model = nn.Linear(2, 1)
    opt, large = optim.Adam(model), optim.RMSProp(model, eps=1e-2)
    with pytest.raises(ValueError, match=r"eps=1e-08 is rounded to 0 in float16.*Write eps="):
        model.astype(np.float16)
    assert {t.dtype for t in model.tensors().values()} == {np.dtype(np.float32)}
    del opt
    model.astype(np.float16)
    model(np.ones((3, 2), np.float16)).sum().backward()
    large.step()
    assert model.weight.dtype == np.float16


def test_a_part_of_a_model_is_converted_alone():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    opt = fast.Adam(model)
    model[1].astype(np.float64)
    for _ in range(2):
        model(sg.ones((4, 2))).sum().backward()
        opt.step()
        opt.zero_grad()
    assert [layer.weight.dtype for layer in model] == [np.float32, np.float64]
    assert {t.grad.dtype for t in model[1].parameters().values()} == {np.dtype(np.float64)}


def test_what_was_computed_before_astype_cannot_be_differentiated():
    model = nn.Linear(2, 1)
    loss = (model([[1.0, 2.0]]) ** 2).sum()
    model.astype(np.float64)
    with pytest.raises(RuntimeError, match="between forward and backward"):
        loss.backward()


@pytest.mark.parametrize("whole_step", [True, False])
def test_a_recording_is_made_anew_after_astype(whole_step):
    def run(wrap):
        sg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Linear(4, 1))
        opt = fast.Adam(model)

        def loss_of(x):
            loss = (model(x) ** 2).mean()
            if whole_step:
                loss.backward()
                opt.step()
                opt.zero_grad()
            return loss

        compute, losses = wrap(loss_of), []
        for step in range(6):
            if step == 3:
                model.astype(np.float64)
            loss = compute(np.random.default_rng(step).normal(size=(5, 3)).astype(np.float32))
            if not whole_step:
                loss.backward()
                opt.step()
                opt.zero_grad()
            losses.append(loss.numpy())
        return losses, [t.data for t in model.tensors().values()]

    losses, tensors = run(lambda f: f)
    replayed, again = run(fast.replay)
    assert replayed == losses
    assert [loss.dtype for loss in losses] == [np.float32] * 3 + [np.float64] * 3
    for a, b in zip(tensors, again, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_a_replayed_loss_that_is_older_than_astype_cannot_be_differentiated():
    model = nn.Linear(2, 1)
    loss = fast.replay(lambda x: (model(x) ** 2).sum())(np.ones((3, 2), np.float32))
    model.astype(np.float64)
    with pytest.raises(RuntimeError, match="between forward and backward"):
        loss.backward()


def test_astype_within_a_replay_is_refused_and_changes_nothing():
    model = nn.Linear(2, 1)

    @fast.replay
    def loss_of(x):
        model.astype(np.float64)
        return (model(x) ** 2).sum()

    with pytest.raises(NotReplayable):
        loss_of(np.ones((3, 2), np.float32))
    assert model.weight.dtype == np.float32


# What is not trained


def test_the_repr_counts_what_is_not_trained_apart():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3))
    model[0].bias.requires_grad = False
    model.last = model(sg.ones((4, 2)))  # a result is neither
    assert repr(model).splitlines() == [
        "Sequential()                                       12 parameters, 9 not trained",
        "  layers.0: Linear(2, 3)                            6 parameters, 3 not trained",
        "  layers.1: BatchNorm(3, eps=1e-05, momentum=0.1)   6 parameters, 6 not trained",
    ]
