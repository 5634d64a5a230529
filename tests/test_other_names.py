"""What other libraries call otherwise is answered with code that runs.

The tables of simplegrad/other_names.py are data here: whatever stands in them is tried.
"""

import copy
import functools
import math
import pickle
import pydoc
import subprocess
import sys
import traceback
import types
import warnings

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
import simplegrad.functional as F
from simplegrad import fast, nn, other_names
from simplegrad import optimizers as optim
from tests.helpers.advice import names_for_advice, run


@pytest.fixture
def names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for what is saved
    return names_for_advice()


def sentence(call, error=Exception):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


def layer():
    return nn.Linear(2, 3)


# Names

NO_RULE = other_names.RULE_OF_YOURS  # what has become a rule may stay in the tables
OWNERS = {
    "Tensor": sg.ones((2, 3)),
    "Module": layer(),
    "Optimizer": optim.SGD(layer()),
    "Schedule": optim.schedules.Step(optim.SGD(layer()), 2),
    "simplegrad": sg,
    "simplegrad.functional": F,
    "simplegrad.nn": nn,
    "simplegrad.nn.init": nn.init,
    "simplegrad.optimizers": optim,
    "simplegrad.optimizers.schedules": optim.schedules,
}


@pytest.mark.parametrize("place", OWNERS)
def test_every_name_of_another_library_is_answered_with_code_that_runs(place, names):
    owner, table = OWNERS[place], other_names.ATTRIBUTES[place]
    unknown = [name for name in table if not hasattr(owner, name)]
    there = [name for name in table if name not in unknown and NO_RULE not in table[name]]
    assert "simplegrad" in place or not there, f"take {there} out of the table: they are there now"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in unknown:
            said = sentence(lambda name=name: getattr(owner, name), AttributeError)
            assert repr(name) in said
            run(said, names_for_advice() if place in ("Module", "Optimizer") else names)


def test_names_of_other_libraries_are_not_listed_but_explained():
    t = sg.ones(2)
    assert "view" not in dir(t)
    assert {"reshape", "data", "softmax", "__class__"} <= {*dir(t)}
    help_ = pydoc.render_doc(sg.Tensor, renderer=pydoc.plaintext)
    own, _, elsewhere = help_.partition("inherited from simplegrad.habits.TensorElsewhere:")
    assert "reshape(" in own
    assert "view" not in own
    assert "view\n |      Not here. Write t.reshape(3, 2)\n" in elsewhere

    class Net(nn.Module):
        def state_dict(self):
            return {}

    net = Net()
    net.device = "cpu"
    assert (net.state_dict(), net.device) == ({}, "cpu")
    assert {"state_dict", "device"} <= {*dir(net)}


def test_any_other_name_is_an_error_as_python_has_it(for_all):
    class Plain:
        pass

    known = {name for table in other_names.ATTRIBUTES.values() for name in table}

    @for_all(st.from_regex(r"[a-zA-Z_][a-zA-Z_0-9]{0,12}", fullmatch=True))
    def check(name):
        for owner in OWNERS.values():
            if name not in known and name not in dir(owner) and not hasattr(Plain, name):
                kind = type(owner).__name__
                if isinstance(owner, types.ModuleType):
                    expected = f"module {owner.__name__!r} has no attribute {name!r}"
                else:
                    expected = f"{kind!r} object has no attribute {name!r}"
                assert sentence(lambda o=owner: getattr(o, name), AttributeError) == expected


@pytest.mark.parametrize(
    "ask", [lambda: sg.randn(2, 3), lambda: nn.Conv3d(3, 8, 5), lambda: sg.ones(2).view(2)]
)
def test_python_adds_no_other_name_to_what_is_said(ask):
    with pytest.raises(AttributeError) as error:
        ask()
    text = "".join(traceback.format_exception(error.value))
    assert "Did you mean" not in text
    assert text.rstrip().endswith(".")


def test_from_import_says_what_to_write_and_finds_the_files_that_are_there():
    with pytest.raises(ImportError, match=r"Write nn\.Linear\("):
        from simplegrad.nn import Dense  # noqa: F401
    with pytest.raises(ImportError, match=r"cannot import name 'no_such_name'"):
        from simplegrad import no_such_name  # noqa: F401
    code = "from simplegrad import fast, exercises; from simplegrad.nn import module"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_file_of_the_tensor_is_no_function():
    assert "Write sg.Tensor([1.0, 2.0])" in sentence(lambda: sg.tensor([1.0]), TypeError)


def test_the_error_in_a_property_of_a_module_is_kept():
    class Net(nn.Module):
        @property
        def device(self):
            return self.nothing_there

    assert sentence(lambda: Net().device) == "'Net' object has no attribute 'nothing_there'"


def test_copying_and_pickling_ask_for_names_that_are_not_there():
    class Scaled(nn.Module):
        pass

    model = layer()
    for other in (copy.copy(model), copy.deepcopy(model)):
        assert list(other.parameters()) == ["weight", "bias"]
    assert copy.deepcopy(sg.ones(2)).size == 2
    assert isinstance(copy.copy(Scaled()), Scaled)
    assert pickle.loads(pickle.dumps(nn.ReLU())).training


# Keywords

T = sg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
LOGITS, TARGETS = sg.ones((2, 3)), np.array([0, 2])
CALLS = {
    **{f"x.{name}": getattr(T, name) for name in ["sum", "mean", "max", "min", "var", "logsumexp"]},
    **{f"x.{name}": getattr(T, name) for name in ["unsqueeze", "squeeze", "clip", "softmax"]},
    **{f"x.{name}": getattr(T, name) for name in ["prod", "std", "norm", "cumsum", "argmax"]},
    **{f"x.{name}": getattr(T, name) for name in ["argmin", "tril", "triu"]},
    **{f"x.{name}": functools.partial(getattr(T, name), 1) for name in ["roll", "repeat", "split"]},
    "x.broadcast_to": functools.partial(T.broadcast_to, (2, 2)),
    "x.take_along_axis": functools.partial(T.take_along_axis, [[0, 1]]),
    "sg.einsum": functools.partial(sg.einsum, "ij", T),
    "sg.one_hot": functools.partial(sg.one_hot, [0], 1),
    "loss.backward": lambda **kwargs: T.sum().backward(**kwargs),
    "sg.Tensor": lambda **kwargs: sg.Tensor([1.0], **kwargs),
    "sg.zeros": lambda **kwargs: sg.zeros(2, **kwargs),
    "sg.full": lambda **kwargs: sg.full(2, 3.0, **kwargs),
    "sg.arange": lambda **kwargs: sg.arange(2, **kwargs),
    "sg.eye": lambda **kwargs: sg.eye(2, **kwargs),
    "sg.normal": lambda **kwargs: sg.normal(2, **kwargs),
    "sg.randint": lambda **kwargs: sg.randint(2, **kwargs),
    "sg.permutation": lambda **kwargs: sg.permutation(2, **kwargs),
    "sg.multinomial": lambda **kwargs: sg.multinomial([0.5, 0.5], 1, **kwargs),
    "sg.uniform_like": lambda **kwargs: sg.uniform_like(T, **kwargs),
    "sg.softmax": lambda **kwargs: sg.softmax(T, **kwargs),
    "sg.log_softmax": lambda **kwargs: sg.log_softmax(T, **kwargs),
    "sg.concatenate": lambda **kwargs: sg.concatenate([T, T], **kwargs),
    "sg.stack": lambda **kwargs: sg.stack([T, T], **kwargs),
    "sg.mse_loss": lambda **kwargs: sg.mse_loss(T, T, **kwargs),
    "sg.l1_loss": lambda **kwargs: sg.l1_loss(T, T, **kwargs),
    "sg.huber_loss": lambda **kwargs: sg.huber_loss(T, T, **kwargs),
    "sg.binary_cross_entropy_with_logits": lambda **kwargs: sg.binary_cross_entropy_with_logits(
        LOGITS, LOGITS, **kwargs
    ),
    "sg.kl_div": lambda **kwargs: sg.kl_div(LOGITS, LOGITS, **kwargs),
    "sg.nll_loss": lambda **kwargs: sg.nll_loss(LOGITS, TARGETS, **kwargs),
    "sg.cross_entropy": lambda **kwargs: sg.cross_entropy(LOGITS, TARGETS, **kwargs),
    "sg.silu": lambda **kwargs: sg.silu(T, **kwargs),
    "sg.elu": lambda **kwargs: sg.elu(T, **kwargs),
    "sg.leaky_relu": lambda **kwargs: sg.leaky_relu(T, **kwargs),
    "sg.softplus": lambda **kwargs: sg.softplus(T, **kwargs),
    "nn.Linear": lambda **kwargs: nn.Linear(2, 3, **kwargs),
    "nn.Embedding": lambda **kwargs: nn.Embedding(2, 3, **kwargs),
    "nn.LayerNorm": lambda **kwargs: nn.LayerNorm(3, **kwargs),
    "nn.RMSNorm": lambda **kwargs: nn.RMSNorm(3, **kwargs),
    "nn.BatchNorm": lambda **kwargs: nn.BatchNorm(3, **kwargs),
    "nn.GRUCell": lambda **kwargs: nn.GRUCell(2, 3, **kwargs),
    "nn.GRU": lambda **kwargs: nn.GRU(2, 3, **kwargs),
    "nn.MultiHeadAttention": lambda **kwargs: nn.MultiHeadAttention(4, 2, **kwargs),
    "attention": lambda **kwargs: nn.MultiHeadAttention(3, 1)(T, T, T, **kwargs),
    "attention.weights": lambda **kwargs: nn.MultiHeadAttention(3, 1).weights(T, T, **kwargs),
    "sg.attention_weights": lambda **kwargs: sg.attention_weights(T, T, **kwargs),
    "sg.scaled_dot_product_attention": lambda **kwargs: sg.scaled_dot_product_attention(
        T, T, T, **kwargs
    ),
    "nn.init.normal_": lambda **kwargs: nn.init.normal_(sg.zeros((2, 3)), **kwargs),
    "nn.Dropout": nn.Dropout,
    "nn.ReLU": nn.ReLU,
    "nn.Softmax": nn.Softmax,
    "nn.MSELoss": nn.MSELoss,
    "nn.CrossEntropyLoss": nn.CrossEntropyLoss,
    "nn.clip_grad_norm": lambda **kwargs: nn.clip_grad_norm(layer(), 1.0, **kwargs),
    "SGD": lambda **kwargs: optim.SGD(layer(), **kwargs),
    "Adam": lambda **kwargs: optim.Adam(layer(), **kwargs),
    "AdamW": lambda **kwargs: optim.AdamW(layer(), **kwargs),
    "RMSProp": lambda **kwargs: optim.RMSProp(layer(), **kwargs),
    "fast.Adam": lambda **kwargs: fast.Adam(layer(), **kwargs),
    "Step": lambda **kwargs: optim.schedules.Step(optim.SGD(layer()), 2, **kwargs),
    "opt.zero_grad": optim.SGD(layer()).zero_grad,
    "fast.Adam.zero_grad": fast.Adam(layer()).zero_grad,
}
OWN = {  # the keywords that a call does know
    **{call: ["dtype"] for call in ["sg.Tensor", "sg.zeros", "sg.arange", "sg.eye"]},
    "sg.full": ["dtype", "value"],
    **{call: ["value"] for call in ["attention", "sg.scaled_dot_product_attention"]},
    **{call: ["dtype"] for call in ["sg.normal", "nn.Linear", "nn.Embedding"]},
    **{call: ["dtype"] for call in ["nn.LayerNorm", "nn.RMSNorm", "nn.GRUCell"]},
    "nn.GRU": ["batch_first", "dtype"],
    "sg.one_hot": ["num_classes"],
    "nn.MultiHeadAttention": ["dtype"],
    "nn.BatchNorm": ["dtype", "momentum"],
    "sg.nll_loss": ["ignore_index"],
    "sg.cross_entropy": ["ignore_index", "label_smoothing"],
    "nn.CrossEntropyLoss": ["ignore_index", "label_smoothing"],
    "nn.clip_grad_norm": ["max_norm", "parameters"],
    "nn.Dropout": ["p"],
    "sg.kl_div": ["p"],
    "SGD": ["momentum", "nesterov", "weight_decay"],
    "AdamW": ["weight_decay"],
}


@pytest.mark.parametrize("call", CALLS)
def test_a_keyword_of_another_library_is_refused_with_what_to_write(call):
    optimizer = call in ("SGD", "Adam", "AdamW", "RMSProp", "fast.Adam")
    keywords = {*other_names.KEYWORDS, *(other_names.OPTIMIZERS_WITH if optimizer else ())}
    for keyword in keywords.difference(OWN.get(call, [])):
        said = sentence(lambda keyword=keyword: CALLS[call](**{keyword: 1}), TypeError)
        assert f"takes no {keyword}" in said
        assert "Write " in said
    assert "unexpected keyword argument 'foo'" in sentence(lambda: CALLS[call](foo=1), TypeError)


def test_numpys_keywords_that_a_tensor_does_not_know_are_refused_alike(names):
    for keyword in ("dtype", "out", "where", "initial"):
        run(sentence(lambda k=keyword: np.sum(T, **{k: None}), TypeError), names)


CORRECTED = {
    "x.sum(axis=1)": lambda: T.sum(dim=1),
    "x.max(axis=1, keepdims=True)": lambda: T.max(dim=1, keepdim=True),
    "x.mean(axis=(0, 1))": lambda: T.mean(dim=(0, 1)),
    "x.var(ddof=int(False))": lambda: T.var(unbiased=False),
    "x.var(axis=1, ddof=1)": lambda: T.var(dim=1, correction=1),
    "x.sum(axis=0, keepdims=True)": lambda: T.sum(axis=0, keepdim=True),
    "x.max(0, keepdims=True)": lambda: T.max(0, keepdim=True),
    "x.clip(max=2, min=0)": lambda: T.clip(max=2, a_min=0),
    "x.unsqueeze(axis=1)": lambda: T.unsqueeze(dim=1),
    "x.prod(axis=1, keepdims=True)": lambda: T.prod(dim=1, keepdim=True),
    "x.std(keepdims=True, ddof=1)": lambda: T.std(correction=1, keepdims=True),
    "x.norm(axis=1)": lambda: T.norm(dim=1),
    "x.norm()": lambda: T.norm(p=2),
    "x.argmax(axis=0)": lambda: T.argmax(dim=0),
    "x.split(1, axis=0)": lambda: sg.ones((4, 6)).split(4, dim=0),
    "x.split([1], axis=-1)": lambda: sg.ones((4, 6)).split([1, 5], dim=-1),
    "x.squeeze(axis=0)": lambda: T.squeeze(dim=0),
    "x.clip(min=0)": lambda: T.clip(a_min=0),
    "sg.softmax(t, axis=1)": lambda: sg.softmax(T, dim=1),
    "sg.concatenate([t, t], axis=1)": lambda: sg.concatenate([T, T], dim=1),
    "sg.zeros(shape=(2, 3))": lambda: sg.zeros(size=(2, 3)),
    "sg.zeros((2, 3), requires_grad=True)": lambda: sg.zeros(
        (2, 3), requires_grad=True, device="cpu"
    ),
    "sg.normal(shape=(2, 3), mean=0, std=2)": lambda: sg.normal(size=(2, 3), loc=0, scale=2),
    "loss.backward()": lambda: T.sum().backward(retain_graph=True),
    "nn.Linear(2, 3)": lambda: nn.Linear(2, 3, device="cpu"),
    "nn.MultiHeadAttention(4, 2)": lambda: nn.MultiHeadAttention(4, 2, batch_first=True),
    "nn.GRU(2, 3)": lambda: nn.GRU(2, 3, bidirectional=True),
    "sg.scaled_dot_product_attention(t, t, t, mask=None)": lambda: sg.scaled_dot_product_attention(
        T, T, T, attn_mask=None
    ),
    "sg.attention_weights(x, x, mask=None)": lambda: sg.attention_weights(
        T.data, T.data, attn_mask=None
    ),
    "nn.ReLU()": lambda: nn.ReLU(inplace=True),
    "ReduceOnPlateau(opt, gamma=0.5)": lambda: optim.schedules.ReduceOnPlateau(
        optim.SGD(layer()), factor=0.5
    ),
    "Cosine(opt, total_steps=9)": lambda: optim.schedules.Cosine(optim.SGD(layer()), T_max=9),
    "CosineWarmRestarts(opt, cycle_steps=9, cycle_mult=2)": lambda: (
        optim.schedules.CosineWarmRestarts(optim.SGD(layer()), T_0=9, T_mult=2)
    ),
    "Adam(model, lr=0.1, beta_1=0.9, beta_2=0.98)": lambda: optim.Adam(
        layer(), lr=0.1, betas=(0.9, 0.98)
    ),
    "AdamW(model, lr=0.1, weight_decay=0.01)": lambda: optim.Adam(
        layer(), lr=0.1, weight_decay=0.01
    ),
    "AdamW(model, workers=2, weight_decay=0.01)": lambda: fast.RMSProp(
        layer(), workers=2, weight_decay=0.01
    ),
}


@pytest.mark.parametrize("code", CORRECTED)
def test_the_corrected_call_is_shown_and_runs(code, names):
    said = sentence(CORRECTED[code], TypeError)
    assert said.endswith(f"Write {code}.")
    others = vars(fast) if "workers" in code else vars(optim.schedules) if "(opt, " in code else {}
    run(said, {**names, "x": sg.ones((1, 3)), **others})


def test_a_group_with_the_hyperparameter_of_another_optimizer_names_it():
    with pytest.raises(ValueError, match=r"unknown key 'weight_decay'.* AdamW has it"):
        optim.Adam(param_groups=[{"params": layer(), "weight_decay": 0.1}])


def test_a_class_of_a_user_has_arguments_of_its_own():
    class Net(nn.Module):
        def __init__(self, dim, **options):
            self.dim, self.options = dim, options

    class MyAdam(optim.Adam):
        def __init__(self, model, betas, **options):
            super().__init__(model, beta_1=betas[0], beta_2=betas[1], **options)

    assert Net(dim=2, device="cpu").options == {"device": "cpu"}
    assert MyAdam(layer(), betas=(0.5, 0.9), lr=0.1).param_groups[0]["beta_1"] == 0.5
    for loss, value, write in (
        (nn.MSELoss, "sum", "nn.MSELoss(reduction='sum')"),
        (nn.CrossEntropyLoss, "sum", "nn.CrossEntropyLoss(reduction='sum')"),
        (nn.HuberLoss, 2.0, "nn.HuberLoss(delta=2.0)"),
        (nn.NLLLoss, -1, "nn.NLLLoss(ignore_index=-1)"),
    ):
        said = sentence(lambda loss=loss, value=value: loss(value), TypeError)
        assert said.endswith(f"by name, but got {value!r}. Write {write}.")
    said = sentence(lambda: sg.nll_loss(sg.ones((1, 2)), np.array([0]), weight=1), TypeError)
    assert said.endswith("Write sg.nll_loss(t, x).")
    assert "nn.ReLU() takes no arguments" in sentence(lambda: nn.ReLU(True), TypeError)
    assert sentence(lambda: nn.Linear(2, 3, foo=1), TypeError)


# Positions

SECOND_SIZES = {
    "sg.zeros((2, 3))": lambda: sg.zeros(2, 3),
    "sg.zeros((2, 3, 4))": lambda: sg.zeros(2, 3, 4),
    "sg.ones((2, 3))": lambda: sg.ones(np.int64(2), np.int8(3)),
    "sg.normal((4, 8), or": lambda: sg.normal(4, 8),
    "sg.normal((4, 8, 2), or": lambda: sg.normal(4, 8, 2),
    "sg.uniform((4, 8), or": lambda: sg.uniform(4, 8),
}


@pytest.mark.parametrize("code", SECOND_SIZES)
def test_a_second_size_is_an_error_that_shows_the_shape(code, names):
    said = sentence(SECOND_SIZES[code], TypeError)
    assert f"Write {code.removesuffix(', or')}" in said
    run(said, names)


def test_other_positions_stay_as_they_are():
    assert sg.uniform((2, 3), -1, 1).shape == (2, 3)
    assert sg.normal((2, 3), 4, 8).shape == (2, 3)
    assert sg.normal(4, 8.0).shape == sg.normal(4, mean=8).shape == (4,)
    assert sg.uniform(4, -1, 1).shape == sg.uniform(4, 0, 1).shape == (4,)
    assert sg.full(2, 3).data.tolist() == [3, 3]
    assert sg.zeros(2, True).requires_grad
    assert sg.Tensor([1.0], True).requires_grad


FLAGS = {
    "requires_grad of Tensor": lambda x: sg.Tensor([1.0], x),
    "requires_grad": lambda x: setattr(sg.ones(2), "requires_grad", x),
    "zeros": lambda x: sg.zeros((2, 3), x),
    "ones": lambda x: sg.ones((2, 3), x),
    "full": lambda x: sg.full(2, 3, x),
    "arange": lambda x: sg.arange(0.0, 4.0, 1.0, x),
    "eye": lambda x: sg.eye(2, 3, x),
    "normal": lambda x: sg.normal((2,), 0.0, 1.0, x),
    "uniform": lambda x: sg.uniform((2,), 0.0, 1.0, x),
    "zeros_like": lambda x: sg.zeros_like(T, x),
    "ones_like": lambda x: sg.ones_like(T, x),
    "full_like": lambda x: sg.full_like(T, 1.0, x),
    "normal_like": lambda x: sg.normal_like(T, 0.0, 1.0, x),
    "bias": lambda x: nn.Linear(2, 3, x),
    **{
        f"keepdims of {name}": lambda x, name=name: getattr(T, name)(0, x)
        for name in ["sum", "mean", "max", "min", "logsumexp", "prod"]
    },
    "keepdims of std": lambda x: T.std(0, 0, x),
    "keepdims of var": lambda x: T.var(0, 0, x),
    "np.sum": lambda x: np.sum(T, 0, x),
    "maximize": lambda x: optim.Adam(layer(), 1e-3, 0.9, 0.999, 1e-8, x),
    "eager": lambda x: fast.replay(lambda t: t.sum(), eager=x),
    "nesterov": lambda x: optim.SGD(layer(), 0.1, 0.9, 0.0, 0.0, x),
}
NO_FLAGS = st.one_of(
    st.integers(),
    st.floats(),
    st.text(),
    st.none(),
    st.sampled_from(
        [np.float64, np.dtype(np.float32), str, (2, 3), np.int64(1), np.ones(1), "float64"]
    ),
)


@pytest.mark.parametrize("place", FLAGS)
def test_what_is_neither_true_nor_false_is_no_flag(place, for_all):
    for flag in (True, False, np.True_, np.False_):
        FLAGS[place](flag)

    @for_all(NO_FLAGS)
    def check(wrong):
        with pytest.raises(TypeError, match=r"(?s)True or False.*Write"):
            FLAGS[place](wrong)


def test_a_flag_tells_what_has_slipped_into_its_place():
    assert "Write dtype=np.float64" in sentence(lambda: sg.Tensor([1.0], np.float64))
    assert sentence(lambda: sg.Tensor([1.0], str)).endswith("Write requires_grad=True.")
    assert "sg.zeros((2, 3))" in sentence(lambda: sg.Tensor(2, 3))
    assert "Write x.sum(axis=(0, 1)) for both" in sentence(lambda: T.sum(0, 1))
    assert "Write x.var(axis=0, keepdims=True)" in sentence(lambda: T.var(0, True))


def test_a_size_of_a_layer_is_no_eps():
    with pytest.raises(ValueError, match=r"eps of LayerNorm.* Write nn\.LayerNorm\(16, eps=1e-5\)"):
        nn.LayerNorm(2, 3)
    with pytest.raises(ValueError, match=r"Write in_features=3\."):
        nn.Linear((2, 3), 4)


@pytest.mark.parametrize("join", [sg.concatenate, sg.stack])
def test_tensors_one_by_one_are_no_list(join, names):
    said = sentence(lambda: join(T, T), TypeError)
    assert f"Write sg.{join.__name__}([a, b])" in said
    run(said, names)


def test_backward_takes_no_flag_first(names):
    for flag in (True, False):
        w = sg.Tensor(2.0, requires_grad=True)
        run(sentence(lambda w=w, flag=flag: (w * w).backward(flag), TypeError), names)
        assert w.grad is None


# PyTorch's pairs

PAIRS = ["v, i = x.max(1)", "x.max(1)[0]", "x.min(0)[1]", "(v, i) = x.min(1)", "f(x.max(-1)[0])"]
NO_PAIRS = [
    "x.max(1)",
    "m = x.max(1)",
    "v, i = x.max(axis=1)",
    "x.max(axis=1)[0]",
    "m = x.max(1); m[0]",
    "m = x.max(1); v, i = m",
    "x.max()",
    "x.max(1)[-1]",
    "x.max(1)[0:1]",
    "x.max(1)[None]",
    "a, b, c = y.max(1)",
    "(lambda: x.max(1))()[0]",
    "[0, x.max(1)][0]",
    "x.max(1).sum()",
    "sg.Tensor.max(x, 1) * 2",
    "np.max(x, 1)[0]",
]


def run_line(code):
    x, y = sg.Tensor([[1.0, 2.0], [3.0, 4.0]]), sg.ones((3, 2))
    exec(code, {"sg": sg, "np": np, "x": x, "y": y, "f": abs})


@pytest.mark.parametrize("code", PAIRS)
@pytest.mark.parametrize("before", ["", "".join(f"n{i} = {i}.5; " for i in range(300))])
def test_a_pair_of_maxima_and_places_is_an_error_that_shows_both(code, before, names):
    said = sentence(lambda: run_line(before + code), TypeError)
    assert "np.argm" in said
    run(said, names)


def test_an_axis_is_given_once(names):
    for call in (lambda: T.max(1, axis=0), lambda: T.min(0, False, 1)):
        run(sentence(call, TypeError), names)


@pytest.mark.parametrize("code", NO_PAIRS)
def test_what_is_no_pair_stays_as_it_is(code):
    run_line(code)


# Functions of NumPy, and operators


NAMED = {
    "np.exp": ("np.exp(T)", "sg.exp(t)"),
    "np.maximum": ("np.maximum(0, T)", "sg.maximum(t, x)"),
    "np.dot": ("np.dot(T, T)", "t @ x.T"),
    "np.add": ("np.add(T, 1)", "t + x"),
    "np.linalg.norm": ("np.linalg.norm(T)", "sg.norm(t)"),
    "np.trace": ("np.trace(T)", "sg.trace(t)"),
    "np.outer": ("np.outer(T, T)", "sg.outer(t, x)"),
    "np.einsum": ("np.einsum('ij->ji', T)", 'sg.einsum("ij,kj->ik", t, x)'),
    "np.roll": ("np.roll(T, 1)", "sg.roll(t, 2)"),
    "np.broadcast_to": ("np.broadcast_to(T, (3, 2, 2))", "sg.broadcast_to(t, (4, 2, 3))"),
    "np.sin": ("np.sin(T)", "sg.sin(t)"),
    "np.sinh": ("np.sinh(T)", "np.sinh(t.numpy())"),
    "np.arctan": ("1 + np.arctan(T * 2)", "np.arctan(t.numpy())"),
    "np.isnan": ("np.isnan(T)", "np.isnan(t.numpy())"),
    "np.cbrt": ("np.cbrt(T)", "np.cbrt(t.numpy())"),
    "np.put": ("np.put(np.zeros(3), 0, T)", "t.numpy() for"),
    "np.hypot": ("np.hypot(T, 2.0)", "t.numpy() for"),
}


@pytest.mark.parametrize("function", NAMED)
def test_a_function_of_numpy_is_named_with_what_to_write(function, tmp_path, names):
    call, write = NAMED[function]
    script = tmp_path / "script.py"
    script.write_text(f"x = np.floor(2.5)\n{call}\n")
    code = compile(script.read_text(), script, "exec")
    said = sentence(lambda: exec(code, {"np": np, "T": T}), TypeError)
    assert said.startswith(f"{function} was given Tensor(")
    assert f"Write {write}" in said
    run(said, names)
    if function in ("np.sinh", "np.arctan", "np.cbrt", "np.put", "np.hypot"):
        assert "no rule for it" in said


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a frame knows its line, but no columns")
@pytest.mark.parametrize(
    ("line", "function"),
    [
        ("np.cos(0.0) + np.floor(np.exp(T))", "np.exp"),
        ("max([np.floor(2.5)], T, key=np.isfinite)", "a function of NumPy"),
    ],
)
def test_the_function_is_found_among_others_on_a_line(line, function, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(line)
    code = compile(line, script, "exec")
    said = sentence(lambda: exec(code, {"np": np, "T": T}), TypeError)
    assert said.startswith(f"{function} was given")


def test_a_function_that_cannot_be_told_gets_a_sentence_too(names):
    for call in (np.asarray, lambda t: eval("np.sinh(t)", {"np": np, "t": t})):
        run(sentence(lambda call=call: call(T), TypeError), names)


WITHOUT_GRADIENT = {
    **{f.__name__: f for f in [np.argmax, np.argmin, np.argsort, np.zeros_like, np.ones_like]},
    **{f.__name__: f for f in [np.nonzero, np.any, np.all, np.count_nonzero, np.shape, np.ndim]},
    "argmax along an axis": lambda t: np.argmax(t, axis=1),
    "argmax by name": lambda t: np.argmax(a=t, axis=0),
    "full_like": lambda t: np.full_like(t, 2.0),
    "allclose": lambda t: np.allclose(t, t),
    "array_equal": lambda t: np.array_equal(t, [1.0]),
    "isclose": lambda t: np.isclose([0.0, 1.0], t),
}


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_what_carries_no_gradient_does_with_a_tensor_as_with_its_array(name):
    function = WITHOUT_GRADIENT[name]
    result, expected = function(T), function(T.data)
    assert type(result) is type(expected)
    np.testing.assert_array_equal(result, expected)


def test_a_number_that_fills_an_array_still_loses_no_gradient():
    with pytest.raises(TypeError, match="would be lost"):
        np.full_like(T, sg.Tensor(2.0, requires_grad=True))


@pytest.mark.parametrize(
    "operate",
    [
        lambda t: t // 2,
        lambda t: 2 // t,
        lambda t: np.ones(2) // t,
        lambda t: t % 2,
        lambda t: 2 % t,
        lambda t: divmod(t, 2),
        lambda t: divmod(2, t),
        round,
        lambda t: round(t, 2),
    ],
)
def test_an_operator_of_steps_is_refused_with_what_to_write(operate, names):
    run(sentence(lambda: operate(sg.Tensor([1.5, 2.5])), TypeError), names)


def test_int_and_plus():
    t = sg.Tensor([2.7], requires_grad=True)
    assert int(t) == 2
    assert int(sg.Tensor(np.int64(2**60 + 1))) == 2**60 + 1
    assert math.sqrt(4.0) * int(t) == 4
    assert +t is t
    assert "has 2" in sentence(lambda: int(sg.ones(2)), ValueError)


def test_advice_on_one_of_many_elements_fits_the_axes(for_all):
    @for_all(st.lists(st.integers(0, 3), max_size=4).filter(lambda s: math.prod(s) != 1))
    def check(shape):
        t = sg.zeros(tuple(shape))
        for call in (t.item, lambda: float(t), lambda: int(t)):
            run(sentence(call, ValueError), {"sg": sg, "t": t})


# Shapes, indices and classes


def test_two_axes_are_swapped_by_naming_all(for_all):
    axes = st.integers(3, 5).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(-n, n - 1), st.integers(-n, n - 1))
    )

    @for_all(axes.filter(lambda a: a[1] % a[0] != a[2] % a[0]))
    def check(case):
        ndim, m, n = case
        t = sg.ones(tuple(range(2, 2 + ndim)))
        said = sentence(lambda: t.transpose(m, n), ValueError)
        order = said.split("Write t.transpose")[1].split(" to swap")[0]
        assert t.transpose(eval(order)).shape == np.swapaxes(t.data, m, n).shape

    assert "Write t.transpose(0, 2, 1) to" in sentence(lambda: sg.ones((2, 3, 4)).transpose(1, 2))


def test_a_float_is_no_index(names):
    run(sentence(lambda: sg.ones((2, 3))[sg.Tensor([0, 1])], IndexError), names)
    assert sg.ones((2, 3))[sg.arange(2)].shape == (2, 3)
    assert sg.ones(2)[sg.Tensor(np.array([True, False]))].shape == (1,)


def test_a_target_of_minus_100_is_pytorchs_ignore_index():
    logits, targets = sg.Tensor([[1.0, 0.0], [0.0, 2.0]]), [0, -100]
    said = sentence(lambda: sg.cross_entropy(logits, targets), ValueError)
    assert "ignore_index" in said
    run(said, {"sg": sg, "np": np, "logits": logits, "targets": targets})


def test_an_embedding_counts_rows_from_0_and_takes_an_empty_list(names):
    embedding = nn.Embedding(4, 3)
    assert embedding([]).shape == (0, 3)
    said = sentence(lambda: embedding([-1]), ValueError)
    assert "Write np.array(indices) % 4" in said
    run(said, names)


def test_a_shared_weight_is_used_as_it_stands(names):
    encoder, decoder = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
    decoder.weight = encoder.weight
    said = sentence(lambda: decoder(sg.ones((5, 3))), ValueError)
    assert "h @ embedding.weight.T" in said
    run(said, {**names, "embedding": encoder, "h": sg.ones((5, 3))})


def test_flatten_takes_empty_axes_too(for_all):
    @for_all(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    def check(shape):
        flat = nn.Flatten()(np.zeros(shape))
        assert flat.shape == (shape[0], math.prod(shape[1:]))

    assert nn.Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)


# Modules and schedules


def test_a_forward_pass_that_returns_nothing_says_so_where_it_is_called():
    class Net(nn.Module):
        def forward(self, x):
            x * 2

    for model in (Net(), nn.Sequential(Net(), nn.ReLU())):
        said = sentence(lambda model=model: model(sg.ones(2)), TypeError)
        assert said.startswith("the forward pass of Net has returned None")


def test_train_is_a_mode_and_takes_none(names):
    model = nn.Sequential(nn.Dropout(0.5))
    for call in (lambda: model.train(False), lambda: model.train(mode=False)):
        run(sentence(call, TypeError), names)
    assert model.training


def test_two_schedules_of_one_rate_are_an_error():
    opt = optim.SGD(param_groups=[{"params": layer()}, {"params": layer()}], lr=1.0)
    first = optim.schedules.Cosine(opt, 10, warmup_steps=2)
    for group in (None, "group_1"):
        with pytest.raises(
            ValueError, match=r"set by Cosine.*Write del schedule and opt\.lr = 1\.0"
        ):
            optim.schedules.Step(opt, 2, group=group)
    assert opt.lr == 0.5
    del first
    opt.lr = 1.0
    groups = [optim.schedules.Step(opt, 2, group=f"group_{i}") for i in (0, 1)]
    assert [schedule.base_lr for schedule in groups] == [1.0, 1.0]
    with pytest.raises(ValueError, match="set by Step"):
        optim.schedules.Step(opt, 2)
    optim.schedules.Step(optim.SGD(layer()), 2)


def test_a_class_whose_init_is_no_function_of_python_is_made_as_ever():
    class Blocks(nn.Module, list):
        pass

    class Made(nn.Module):
        def keep(self, n):
            self.n = n

        __init__ = functools.partialmethod(keep, 3)

    assert Blocks([nn.ReLU(), nn.Tanh()])[1].training
    assert Made().n == 3
