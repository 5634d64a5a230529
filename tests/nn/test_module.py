"""Module: which parameters and modules it finds, under which names."""

import collections
import types

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim


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


@pytest.mark.parametrize(
    ("hide", "match"),
    [
        (
            lambda layer: {layer},
            r"'block\.layers' is a set that .*self\.block\.layers = list",
        ),
        (lambda layer: collections.deque([layer]), "is a deque that holds"),
        (lambda layer: np.array([layer, None]), "is a ndarray that holds"),
        (lambda layer: types.SimpleNamespace(layer=layer), r"class SimpleNamespace\(nn\.Module\)"),
        (lambda layer: types.SimpleNamespace(layers=[{"a": layer}]), "SimpleNamespace that holds"),
        (lambda layer: (x for x in [layer]), r"is a generator: .*empty after its first use"),
        (lambda layer: map(nn.Sequential, [layer]), "is a map: "),
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
