"""What a user gave, checked: a number is a number in all places, of Python and of NumPy alike."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, given, nn
from simplegrad import optimizers as optim

PACKAGE = Path(sg.__file__).parent


def line():
    return nn.Linear(2, 1)


def optimizer(**options):
    return optim.SGD(line(), **options)


def with_gradient():
    w = sg.Tensor([3.0, 4.0], requires_grad=True)
    (w**2).sum().backward()
    return {"w": w}


def graph():
    return (sg.Tensor([1.0, 2.0], requires_grad=True) * 2).sum()


def checked_line(**options):
    x = sg.Tensor(1.0, requires_grad=True, dtype=np.float64)
    sg.gradcheck(lambda x: x * 2, x, **options)


def resumed(step_count):
    opt = optim.Adam(line())
    opt.load_state({**opt.state(), "step_count": step_count})


# Each takes a number, and has no other reason to refuse a 1, or one half
WHOLE = {
    "in_features": lambda n: nn.Linear(n, 2),
    "out_features": lambda n: nn.Linear(2, n),
    "num_embeddings": lambda n: nn.Embedding(n, 2),
    "embedding_dim": lambda n: nn.Embedding(2, n),
    "normalized_shape": lambda n: nn.LayerNorm(n),
    "a size of normalized_shape": lambda n: nn.RMSNorm((2, n)),
    "num_features": lambda n: nn.BatchNorm(n),
    "input_size": lambda n: nn.GRUCell(n, 2),
    "hidden_size": lambda n: nn.LSTMCell(2, n),
    "input_size of a sequence": lambda n: nn.GRU(n, 2),
    "hidden_size of a sequence": lambda n: nn.LSTM(2, n),
    "num_layers": lambda n: nn.RNN(2, 2, num_layers=n),
    "embed_dim": lambda n: nn.MultiHeadAttention(n, 1),
    "num_heads": lambda n: nn.MultiHeadAttention(4, n),
    "a shape": sg.zeros,
    "a size in a shape": lambda n: sg.ones((2, n)),
    "rows of eye": sg.eye,
    "columns of eye": lambda n: sg.eye(2, n),
    "a seed": sg.manual_seed,
    "max_nodes of draw": lambda n: sg.draw(graph(), max_nodes=n),
    "max_nodes of print_graph": lambda n: sg.print_graph(graph(), max_nodes=n),
    "workers": lambda n: fast.Adam(line(), workers=n),
    "max_tapes": lambda n: fast.replay(lambda x: x.sum(), max_tapes=n),
    "step_count": resumed,
    "step_size": lambda n: optim.schedules.Step(optimizer(), n),
    "total_steps": lambda n: optim.schedules.Linear(optimizer(), n),
    "warmup_steps": lambda n: optim.schedules.Cosine(optimizer(), 2, warmup_steps=n),
    "index of explain": lambda n: sg.explain(lambda a: a * a, sg.ones(2), index=n),
}
REAL = {
    "eps of LayerNorm": lambda x: nn.LayerNorm(2, eps=x),
    "eps of BatchNorm": lambda x: nn.BatchNorm(2, eps=x),
    "momentum of BatchNorm": lambda x: nn.BatchNorm(2, momentum=x),
    "p of Dropout": lambda x: nn.Dropout(x),
    "dropout of GRU": lambda x: nn.GRU(2, 2, dropout=x),
    "dropout of MultiHeadAttention": lambda x: nn.MultiHeadAttention(2, 1, dropout=x),
    "max_norm": lambda x: nn.clip_grad_norm(with_gradient(), x),
    "lr": lambda x: optimizer(lr=x),
    "momentum": lambda x: optimizer(momentum=x),
    "beta_1": lambda x: optim.Adam(line(), beta_1=x),
    "eps of a group": lambda x: optim.Adam(param_groups=[{"params": line(), "eps": x}]),
    "set_param": lambda x: optimizer().set_param("lr", x),
    "assigning lr": lambda x: setattr(optimizer(), "lr", x),
    "gamma": lambda x: optim.schedules.Step(optimizer(), 2, gamma=x),
    "end_factor": lambda x: optim.schedules.Linear(optimizer(), 2, end_factor=x),
    "mean": lambda x: sg.normal(2, mean=x),
    "std": lambda x: sg.normal(2, std=x),
    "low": lambda x: sg.uniform(2, low=x),
    "high": lambda x: sg.uniform(2, high=x),
    "mean of normal_like": lambda x: sg.normal_like(sg.ones(2), mean=x),
    "h of gradcheck": lambda x: checked_line(h=x),
    "rtol of gradcheck": lambda x: checked_line(rtol=x),
    "atol of gradcheck": lambda x: checked_line(atol=x),
    "start of arange": lambda x: sg.arange(x, 2),
    "stop of arange": lambda x: sg.arange(0, x),
    "step of arange": lambda x: sg.arange(0, 2, x),
}
PLACES = {**WHOLE, **REAL}

every_place = pytest.mark.parametrize("place", PLACES)


@every_place
def test_a_number_of_numpy_is_as_good_as_one_of_python(place):
    takes = PLACES[place]
    if place in WHOLE:
        numbers = [1, np.int8(1), np.int64(1), np.uint8(1), np.uint64(1)]
    else:
        numbers = [0.5, np.float16(0.5), np.float32(0.5), np.float64(0.5), np.longdouble(0.5)]
    for number in numbers:
        takes(number)


WRONG = [True, False, np.True_, np.False_, np.timedelta64(1, "s"), None, "1", 1j]
MAY_BE_NONE = {"stop of arange", "columns of eye", "index of explain"}
MAY_BE_NAN = {*filter(re.compile("mean|std|low|high|arange").search, REAL)}


@every_place
def test_what_is_no_number_is_refused_with_a_sentence(place):
    for wrong in WRONG:
        if wrong is not None or place not in MAY_BE_NONE:
            with pytest.raises((TypeError, ValueError), match=r"(?s)but got .*Write") as error:
                PLACES[place](wrong)
            assert error.traceback[-1].path.is_relative_to(PACKAGE)


@pytest.mark.parametrize("place", sorted(PLACES.keys() - MAY_BE_NAN))
def test_nan_is_no_size_and_in_no_range(place):
    with pytest.raises((TypeError, ValueError), match=r"but got .*nan"):
        PLACES[place](math.nan)


def test_integers_make_a_range_of_integers_whoever_made_them():
    assert sg.arange(np.int8(3)).dtype == sg.arange(3).dtype == np.int64
    assert sg.arange(0, np.float32(3)).dtype == sg.arange(0, 3.0).dtype == np.float32
    small = np.int8(-128), np.int8(127), np.int8(100)
    assert sg.arange(*small).numpy().tolist() == [-128, -28, 72]


def test_a_number_becomes_one_of_python():
    layer, dropout = nn.LayerNorm(np.int64(2), eps=np.float32(0.5)), nn.Dropout(np.float16(0.5))
    assert [type(x) for x in (layer.eps, dropout.p)] == [float, float]
    assert type(optimizer(lr=np.float32(0.5)).lr) is float
    assert type(optim.Adam(line(), maximize=np.True_).param_groups[0]["maximize"]) is bool


@pytest.mark.parametrize("large", [10**400, -(10**400)])
def test_a_number_of_400_digits_is_too_large_for_a_rate_and_long_enough_for_a_norm(large):
    with pytest.raises(ValueError, match="finite number of at least 0"):
        optimizer(lr=large)
    if large > 0:
        assert nn.clip_grad_norm(with_gradient(), large) == 10
    else:
        with pytest.raises(ValueError, match="number above 0"):
            nn.clip_grad_norm(with_gradient(), large)


def test_an_example_of_a_kind_does_not_decide_what_a_number_becomes():
    class Scaled(optim.Optimizer):
        scale = given.NON_NEGATIVE._replace(example=1)
        hyperparameters = {**optim.Optimizer.hyperparameters, "scale": scale}

    assert Scaled(0.1, line(), scale=0.5).param_groups[0]["scale"] == 0.5


def test_a_flag_is_a_bool_and_a_bool_is_no_number():
    assert given.fits(given.FLAG, np.True_)
    assert not given.fits(given.FLAG, 1)
    for kind in (given.COUNT, given.SIZE, given.NUMBER, given.FRACTION, given.NON_NEGATIVE):
        assert not any(given.is_a(kind, x) for x in WRONG)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("groups", lambda **n: nn.Conv2d(3, 6, 3, **n)),
        ("groups", lambda **n: sg.conv2d(sg.ones((3, 4, 4)), sg.ones((6, 3, 2, 2)), **n)),
        ("num_heads", lambda **n: nn.MultiHeadAttention(9, **n)),
        ("num_layers", lambda **n: nn.RNN(3, 4, **n)),
        ("in_features", lambda **n: nn.Linear(out_features=2, **n)),
    ],
)
def test_the_size_that_is_proposed_is_one_that_the_call_takes(name, make):
    with pytest.raises(ValueError, match=rf"Write {name}=\d+\.$") as error:
        make(**{name: 0})
    make(**{name: int(str(error.value).rstrip(".").rpartition("=")[2])})
