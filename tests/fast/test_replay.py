"""A replayed function against the same function run eagerly: the same bits, or a clear error."""

import collections
import functools
import gc
import sys
import threading
import tracemalloc
import types
import weakref

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.fast.reading import Reading
from tests.helpers.memory import traced_growth
from tests.helpers.oracles import assert_same_bits
from tests.helpers.work import lines_run_by, traced_by


def eager(fn):
    return fn


def assert_same_history(actual, expected):
    assert len(actual) == len(expected)
    for number, (a, b) in enumerate(zip(actual, expected, strict=True)):
        assert list(a) == list(b)
        for name in a:
            if b[name] is None:
                assert a[name] is None, f"{name} in call {number}"
            else:
                assert_same_bits(a[name], b[name], f"{name} in call {number}")


def leaf(shape, seed=0, dtype=np.float32):
    data = np.asarray(np.random.default_rng(seed).normal(size=shape))
    return sg.Tensor(data.astype(dtype), requires_grad=True)


def numbers(shape, seed, dtype=np.float32):
    return np.asarray(np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def integers(n, shape, seed):
    return np.random.default_rng(seed).integers(0, n, shape)


def tensors_of(params):
    """Parameters by name, and of a module also what is not trained, as a running mean."""
    return params.tensors() if isinstance(params, nn.Module) else params


def copied(array):
    return None if array is None else array.copy()


def trained(wrap, make, batch, optimizer, steps, lr=0.01):
    """What a training with `wrap(fn)` has computed, call by call, and the generator at its end."""
    sg.manual_seed(0)
    params, fn = make()
    fn = wrap(fn)
    opt = optimizer(param_groups=[{"params": params}], lr=lr)
    history = []
    for step in range(steps):
        loss = fn(*batch(step))
        loss.backward()
        facts = {"loss": loss.numpy()}
        facts |= {f"grad {name}": copied(t.grad) for name, t in tensors_of(params).items()}
        opt.step()
        opt.zero_grad()
        facts |= {name: t.numpy() for name, t in tensors_of(params).items()}
        history.append(facts)
    return history, sg.generator().bit_generator.state


def assert_trains_alike(make, batch, optimizer=optim.Adam, steps=30):
    expected, generator = trained(eager, make, batch, optimizer, steps)
    actual, generator_after = trained(fast.replay, make, batch, optimizer, steps)
    assert_same_history(actual, expected)
    assert generator_after == generator


def called(wrap, make, calls, seed=0):
    """What fn and backward gave in each call; `calls` are functions of (params, fn)."""
    sg.manual_seed(seed)
    params, fn = make()
    fn = wrap(fn)
    history = []
    for call in calls:
        for theta in tensors_of(params).values():
            theta.grad = None
        loss = call(params, fn)
        facts = {"loss": loss.numpy()}
        if loss.requires_grad:
            loss.backward()
        facts |= {name: copied(t.grad) for name, t in tensors_of(params).items()}
        history.append(facts)
    return history, sg.generator().bit_generator.state


def assert_calls_alike(make, calls):
    expected, generator = called(eager, make, calls)
    actual, generator_after = called(fast.replay, make, calls)
    assert_same_history(actual, expected)
    assert generator_after == generator


def right_or_refused(make, calls):
    """The same bits as eager, or an error that explains itself; returns which."""
    expected, _ = called(eager, make, calls)
    try:
        actual, _ = called(fast.replay, make, calls)
    except (RuntimeError, TypeError, ValueError) as error:
        return explained(error)
    assert_same_history(actual, expected)
    return "right"


def explained(error):
    """The message of an error that is to explain itself."""
    message = str(error)
    assert len(message) > 40, f"says too little: {error!r}"
    return message


def on(*inputs):
    return lambda params, fn: fn(*inputs)


# Every layer, 100 steps


def classifier(*layers):
    def make():
        model = nn.Sequential(*[layer() for layer in layers])
        loss = nn.CrossEntropyLoss()
        return model, lambda x, targets: loss(model(x), targets)

    return make


def regression(*layers):
    def make():
        model = nn.Sequential(*[layer() for layer in layers])
        loss = nn.MSELoss()
        return model, lambda x, y: loss(model(x), y)

    return make


def of_shares(loss, *layers):
    """A loss of logarithms of probabilities."""

    def make():
        model = nn.Sequential(*[layer() for layer in layers], nn.LogSoftmax())
        return model, lambda x, targets: loss(model(x), targets)

    return make


def shares(step):
    return numbers((5, 6), step), sg.softmax(numbers((5, 4), step + 1000)).data


def labelled(step):
    return numbers((5, 6), step), integers(4, 5, step)


def words(step):
    return integers(11, (5, 7), step), integers(4, 5, step)


def images(step):
    return numbers((5, 3, 2), step), integers(4, 5, step)


def targets(step):
    return numbers((5, 6), step), numbers((5, 4), step + 1000)


def sentences(step):
    return integers(11, (3, 5), step), integers(11, (3, 5), step + 1000)


def letters(step):
    return integers(11, (3, 8), step), integers(11, (3, 8), step + 1000)


def padded_sentences(step):
    return *sentences(step), np.arange(5) < integers(6, (3, 1), step)


class Attention(nn.Module):
    """Embedding, two heads of self-attention, LayerNorm, a perceptron, logits of every place."""

    def __init__(self, p=0.1):
        self.embedding = nn.Embedding(11, 8)
        self.qkv = nn.Linear(8, 24, bias=False)
        self.out = nn.Linear(8, 8)
        self.norms = [nn.LayerNorm(8), nn.LayerNorm(8)]
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.dropout = nn.Dropout(p)
        self.head = nn.Linear(8, 11)

    def forward(self, i):
        n, m = i.shape
        x = self.embedding(i)
        qkv = self.qkv(self.norms[0](x)).reshape(n, m, 3, 2, 4).transpose(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = q @ k.transpose(0, 1, 3, 2) / 2.0
        scores = scores + np.triu(np.full((m, m), -1e9, np.float32), 1)
        heads = (self.dropout(scores.softmax()) @ v).transpose(0, 2, 1, 3).reshape(n, m, 8)
        x = x + self.out(heads)
        x = x + self.dropout(self.mlp(self.norms[1](x)))
        return self.head(x)


def attention():
    model = Attention()
    return model, lambda i, targets: sg.cross_entropy(model(i), targets)


class Letters(nn.Module):
    """Embedding, two recurrent layers, logits of every place."""

    def __init__(self, layer):
        self.embedding = nn.Embedding(11, 5)
        self.recurrent = layer(5, 6, num_layers=2, batch_first=True, dropout=0.2)
        self.head = nn.Linear(6, 11)

    def forward(self, i):
        output, _ = self.recurrent(self.embedding(i))
        return self.head(output)


class MaskedAttention(nn.Module):
    """The words that are there, 5 at most, and each looks at those before it."""

    def __init__(self):
        self.embedding = nn.Embedding(11, 8)
        self.attention = nn.MultiHeadAttention(8, 2, dropout=0.1)
        self.head = nn.Linear(8, 11)

    def forward(self, i, is_there):
        x = self.embedding(i)
        x = x + self.attention(x, x, x, mask=is_there[:, None, :], is_causal=True)
        return self.head(x)


def masked_attention():
    model = MaskedAttention()
    return model, lambda i, targets, there: sg.cross_entropy(model(i, there), targets)


def recurrent(layer):
    def make():
        model = Letters(layer)
        return model, lambda i, targets: sg.cross_entropy(model(i), targets)

    return make


def of(cls, *args, **kwargs):
    return functools.partial(cls, *args, **kwargs)


LAYERS = {
    "Linear": (classifier(of(nn.Linear, 6, 4)), labelled),
    "Linear without bias": (classifier(of(nn.Linear, 6, 4, bias=False)), labelled),
    "Sequential": (
        classifier(lambda: nn.Sequential(nn.Linear(6, 5)), of(nn.Linear, 5, 4)),
        labelled,
    ),
    "ReLU": (classifier(of(nn.Linear, 6, 9), nn.ReLU, of(nn.Linear, 9, 4)), labelled),
    "Tanh": (classifier(of(nn.Linear, 6, 9), nn.Tanh, of(nn.Linear, 9, 4)), labelled),
    "Sigmoid": (classifier(of(nn.Linear, 6, 9), nn.Sigmoid, of(nn.Linear, 9, 4)), labelled),
    "GELU": (classifier(of(nn.Linear, 6, 9), nn.GELU, of(nn.Linear, 9, 4)), labelled),
    **{
        activation.__name__: (
            classifier(of(nn.Linear, 6, 9), activation, of(nn.Linear, 9, 4)),
            labelled,
        )
        for activation in (nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Softmax, nn.LogSoftmax)
    },
    "Dropout": (
        classifier(
            of(nn.Dropout, 0.2), of(nn.Linear, 6, 9), of(nn.Dropout, 0.5), of(nn.Linear, 9, 4)
        ),
        labelled,
    ),
    "Embedding": (classifier(of(nn.Embedding, 11, 3), nn.Flatten, of(nn.Linear, 21, 4)), words),
    "LayerNorm": (
        classifier(of(nn.Linear, 6, 9), of(nn.LayerNorm, 9), of(nn.Linear, 9, 4)),
        labelled,
    ),
    "RMSNorm": (
        classifier(of(nn.Linear, 6, 9), of(nn.RMSNorm, 9), of(nn.Linear, 9, 4)),
        labelled,
    ),
    "BatchNorm": (
        classifier(of(nn.Linear, 6, 9), of(nn.BatchNorm, 9), of(nn.Linear, 9, 4)),
        labelled,
    ),
    "Flatten": (classifier(nn.Flatten, of(nn.Linear, 6, 4)), images),
    "Conv2d": (
        classifier(of(nn.Conv2d, 1, 3, 2, padding=1), nn.Flatten, of(nn.Linear, 36, 4)),
        lambda step: (numbers((5, 1, 3, 2), step), integers(4, 5, step)),
    ),
    "MaxPool2d": (classifier(of(nn.MaxPool2d, 2, 1), nn.Flatten, of(nn.Linear, 2, 4)), images),
    "AvgPool2d": (classifier(of(nn.AvgPool2d, 2, 1), nn.Flatten, of(nn.Linear, 2, 4)), images),
    "MSELoss": (regression(of(nn.Linear, 6, 9), nn.ReLU, of(nn.Linear, 9, 4)), targets),
    "L1Loss": (of_shares(nn.L1Loss(), of(nn.Linear, 6, 4)), targets),
    "HuberLoss": (of_shares(nn.HuberLoss(delta=0.5), of(nn.Linear, 6, 4)), targets),
    "NLLLoss": (of_shares(nn.NLLLoss(ignore_index=1), of(nn.Linear, 6, 4)), labelled),
    "KLDivLoss": (of_shares(nn.KLDivLoss(reduction="sum"), of(nn.Linear, 6, 4)), shares),
    "BCEWithLogitsLoss": (of_shares(nn.BCEWithLogitsLoss(), of(nn.Linear, 6, 4)), shares),
    "RNN": (recurrent(nn.RNN), letters),
    "GRU": (recurrent(nn.GRU), letters),
    "LSTM": (recurrent(nn.LSTM), letters),
    "MultiHeadAttention": (masked_attention, padded_sentences),
    "attention": (
        attention,
        lambda step: (integers(11, (3, 5), step), integers(11, (3, 5), -~step)),
    ),
}


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [(optim.Adam, 25), pytest.param(fast.Adam, 100, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("layer", LAYERS)
def test_many_steps_of_every_layer_have_the_same_bits(layer, optimizer, steps):
    make, batch = LAYERS[layer]
    assert_trains_alike(make, batch, optimizer, steps)


def test_every_layer_is_among_them():
    covered = {*LAYERS, "CrossEntropyLoss", "Module"}
    covered |= {f"{name}Cell" for name in ("RNN", "GRU", "LSTM")}  # which those of a sequence call
    assert {name for name in nn.__all__ if isinstance(getattr(nn, name), type)} <= covered


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.RMSProp, optim.AdamW, fast.Adam])
def test_other_optimizers_train_alike(optimizer):
    make, batch = LAYERS["ReLU"]
    assert_trains_alike(make, batch, optimizer)


def test_a_net_of_ordinary_size_trains_alike():
    make = classifier(of(nn.Linear, 64, 128), nn.ReLU, of(nn.Linear, 128, 10))
    assert_trains_alike(make, lambda step: (numbers((64, 64), step), integers(10, 64, step)))


def test_a_function_truly_is_replayed():
    model = nn.Linear(6, 4)

    def fn(x):
        return model(x).sum()

    replayed, times = fast.replay(fn), 0

    def count(frame, event, arg):
        nonlocal times
        times += frame.f_code is fn.__code__

    with traced_by(count):
        for step in range(20):
            replayed(numbers((5, 6), step)).backward()
    assert times == 1


# Functions


def sums(fn):
    """A loss in which every element of fn's result counts differently."""

    def loss(p, *inputs):
        c = fn(p, *inputs)
        weights = np.cos(np.arange(c.size, dtype=np.float64)).astype(c.dtype).reshape(c.shape)
        return (c * weights).sum()

    return loss


INDEX = (2, 0, 0, 4)
FUNCTIONS = {
    "softmax": lambda p, x: (x * p["w"]).softmax(),
    "softmax axis 0": lambda p, x: sg.softmax(x * p["w"], axis=0),
    "log_softmax": lambda p, x: (x * p["w"]).log_softmax(axis=0),
    "where": lambda p, x: sg.where((x * p["w"]) > 0, x * p["w"], p["b"]),
    "where of an input": lambda p, x: sg.where(x > 0, x * p["w"], p["b"]),
    "where of a constant": lambda p, x: sg.where(np.arange(6) % 2 == 0, x * p["w"], p["b"]),
    "slices": lambda p, x: (x * p["w"])[1:4, ::2] * p["w"][:3],
    "reversed": lambda p, x: (x * p["w"])[::-1, ::-1],
    "int": lambda p, x: (x * p["w"])[-1] + p["w"],
    "int array": lambda p, x: (x * p["w"])[np.array(INDEX)],
    "int arrays": lambda p, x: (x * p["w"])[np.array(INDEX), [0, 1, 2, 3]],
    "bool array": lambda p, x: p["w"][np.array([True, False] * 3)] * x[:, :3],
    "None and ellipsis": lambda p, x: (x * p["w"])[..., None, 1:],
    "concatenate": lambda p, x: sg.concatenate([x * p["w"], p["m"].T, x], axis=0),
    "concatenate axis 1": lambda p, x: sg.concatenate([p["m"].T[:5], x * p["w"]], axis=1),
    "concatenate twice": lambda p, x: sg.concatenate([p["w"], p["w"], x[0]]),
    "stack": lambda p, x: sg.stack([x * p["w"], x + p["b"]], axis=1),
    "max": lambda p, x: (x * p["w"]).max(axis=1),
    "max of all": lambda p, x: (x * p["w"]).max(),
    "max with ties": lambda p, x: sg.relu(x * p["w"]).max(axis=0, keepdims=True),
    "min": lambda p, x: (x * p["w"]).min(axis=0),
    "var": lambda p, x: (x * p["w"]).var(axis=1, ddof=1),
    "var of all": lambda p, x: (x * p["w"]).var(keepdims=True),
    "mean": lambda p, x: (x * p["w"]).mean(axis=(0, 1)),
    "sum": lambda p, x: (x * p["w"]).sum(axis=0) * p["w"],
    "logsumexp": lambda p, x: (x * p["w"]).logsumexp(axis=1),
    "logsumexp of all": lambda p, x: sg.logsumexp(x * p["w"]),
    "matmul": lambda p, x: (x @ p["m"]) @ p["m"].T,
    "matmul with batches": lambda p, x: (sg.stack([x * p["w"], x]) @ p["m"]).transpose(0, 2, 1) @ x,
    "matmul broadcast": lambda p, x: p["m"].T.unsqueeze(0) @ (x * p["w"]).reshape(5, 6, 1),
    "vector @ matrix": lambda p, x: p["w"] @ p["m"] + (x @ p["m"]),
    "matrix @ vector": lambda p, x: x @ p["w"],
    "vector @ vector": lambda p, x: x[0] @ p["w"],
    "pow": lambda p, x: (x * p["w"]) ** 3,
    "pow 2": lambda p, x: (x * p["w"]) ** 2.0,
    "pow of a tensor": lambda p, x: (sg.abs(x) + 1) ** p["w"],
    "pow of a number": lambda p, x: 2 ** (x * p["w"]),
    "sqrt": lambda p, x: ((x * p["w"]) ** 2 + 1).sqrt(),
    "exp and log": lambda p, x: ((x * p["w"]).exp() + 1).log(),
    "abs and neg": lambda p, x: -abs(x * p["w"]),
    "tanh": lambda p, x: sg.tanh(x * p["w"]),
    "sigmoid": lambda p, x: sg.sigmoid(100 * x * p["w"]),
    "gelu": lambda p, x: sg.gelu(x * p["w"]),
    "elu": lambda p, x: sg.elu(x * p["w"], 0.5),
    "leaky_relu": lambda p, x: sg.leaky_relu(x * p["w"], 0.5),
    "softplus and silu": lambda p, x: sg.softplus(x * p["w"]) + sg.silu(x * p["w"]),
    "huber_loss": lambda p, x: sg.huber_loss(x * p["w"], x, delta=0.5, reduction="none"),
    "l1_loss": lambda p, x: sg.l1_loss(x * p["w"], x),
    "binary_cross_entropy": lambda p, x: sg.binary_cross_entropy_with_logits(
        x * p["w"], sg.sigmoid(x), reduction="none"
    ),
    "kl_div": lambda p, x: sg.kl_div(sg.log_softmax(x * p["w"]), sg.softmax(x), reduction="sum"),
    "cross_entropy of probabilities": lambda p, x: sg.cross_entropy(
        x * p["w"], sg.softmax(x), reduction="none"
    ),
    "clip": lambda p, x: (x * p["w"]).clip(-0.5, 0.25),
    "clip at one end": lambda p, x: sg.clip(x * p["w"], min=0),
    "maximum": lambda p, x: sg.maximum(x * p["w"], p["b"]),
    "maximum of 0": lambda p, x: sg.maximum(0.0, x * p["w"]),
    "minimum": lambda p, x: sg.minimum(x, p["w"]),
    "div": lambda p, x: x / (p["w"] ** 2 + 1) + 1 / (sg.abs(x * p["w"]) + 1),
    "sub": lambda p, x: 1 - x * p["w"] - p["b"],
    "broadcasting": lambda p, x: (
        p["w"] * p["b"] + p["w"].unsqueeze(1) * x[0] + p["m"].sum(axis=0)[0]
    ),
    "outer": lambda p, x: x.reshape(5, 6, 1) * p["w"].reshape(1, 1, 6) if x.ndim == 2 else x,
    "squeeze": lambda p, x: (x * p["w"]).reshape(5, 1, 6).squeeze(1).unsqueeze(0),
    "transpose": lambda p, x: (x * p["w"]).T.transpose(1, 0).reshape(-1),
    "unused input": lambda p, x: p["w"] * 2,
    "one tensor many times": lambda p, x: x * p["w"] * p["w"] + p["w"] - p["w"].exp(),
    "iteration": lambda p, x: sg.stack([row * p["w"] for row in p["m"].T]),
    "of a constant tensor": lambda p, x: x * sg.arange(6, dtype=np.float32) * p["w"] + sg.ones(6),
}
KINDS_OF_INPUT = {
    "array": lambda x: x,
    "Tensor": sg.Tensor,
}


def weights(dtype=np.float32):
    shapes = {"w": (6,), "b": (), "m": (6, 7)}
    return {name: leaf(shape, seed, dtype) for seed, (name, shape) in enumerate(shapes.items())}


def made_with(fn, dtype=np.float32):
    """A loss of fn in which all of the parameters take part."""
    loss = sums(fn)

    def make():
        p = weights(dtype)

        def replayed(x):
            return loss(p, sg.tensor.as_tensor(x)) + 0.125 * sum((t * t).sum() for t in p.values())

        return p, replayed

    return make


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["array", pytest.param("Tensor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_train_alike(name, kind, dtype):
    def batch(step):
        return (KINDS_OF_INPUT[kind](numbers((5, 6), step, dtype)),)

    assert_trains_alike(made_with(FUNCTIONS[name], dtype), batch, steps=8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_inputs_that_require_gradients_give_them(name):
    def calls():
        inputs = [leaf((5, 6), step) for step in range(6)]
        return [lambda params, fn, x=x: kept_grads(params, fn, x) for x in inputs]

    def kept_grads(params, fn, x):
        loss = fn(x)
        params["x"] = x  # whose gradient is looked at with the others
        return loss

    assert_calls_alike_twice(made_with(FUNCTIONS[name]), calls)


def assert_calls_alike_twice(make, calls):
    """As assert_calls_alike, with tensors of their own for each run."""
    expected, generator = called(eager, make, calls())
    actual, generator_after = called(fast.replay, make, calls())
    assert_same_history(actual, expected)
    assert generator_after == generator


@pytest.mark.parametrize("w_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("x_dtype", [np.float32, np.float64, np.int64, np.uint8, np.bool_])
def test_dtypes_mix_as_in_eager(w_dtype, x_dtype):
    def batch(step):
        return (np.abs(numbers((5, 6), step) * 3).astype(x_dtype),)

    assert_trains_alike(made_with(FUNCTIONS["exp and log"], w_dtype), batch, steps=6)


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "rows", "read-only"])
@pytest.mark.parametrize("shape", [(64, 64), (129, 13), (16, 129), (7, 64)])
def test_inputs_in_any_layout_of_memory_have_the_same_bits(shape, layout):
    def laid_out(step):
        x = numbers(shape, step)
        if layout == "fortran":
            x = np.array(x, order="F")
        elif layout == "strided":
            x = np.repeat(x, 2, axis=1)[:, ::2]
        elif layout == "reversed":
            x = x[::-1, ::-1]
        elif layout == "rows":
            x = np.repeat(x, 2, axis=0)[::2]
        else:
            x.flags.writeable = False
        return x

    def batch(step):
        x = laid_out(step) if step > 2 else numbers(shape, step)
        return x, integers(5, shape[0], step)

    make = classifier(of(nn.Linear, shape[1], 33), nn.ReLU, of(nn.Linear, 33, 5))
    assert_trains_alike(make, batch, steps=6)


@pytest.mark.parametrize("orders", ["CCCCCC", "FFFFFF", "CCCFFF", "FFFCCC"])
@pytest.mark.parametrize("start", ["changing", "steady"])
def test_targets_of_two_axes_in_any_layout_are_the_targets(start, orders):
    def make():
        p = {"m": leaf((6, 4))}
        return p, lambda x, t: sg.cross_entropy(x @ p["m"], t)

    seeds = range(6) if start == "changing" else [0, 0, 0, 0, 1, 2]
    calls = [
        on(numbers((3, 5, 6), seed), np.array(integers(4, (3, 5), seed), order=order))
        for seed, order in zip(seeds, orders, strict=True)
    ]
    assert_calls_alike(make, calls)


@pytest.mark.parametrize("layout", ["C", "F"])
def test_parameters_in_any_layout_of_memory_have_the_same_bits(layout):
    def make():
        p = {"m": sg.Tensor(np.array(numbers((64, 32), 0), order=layout), requires_grad=True)}

        def fn(x):
            return (sg.tanh(x @ p["m"]) ** 2).sum()

        def call(params, fn, step):
            if step % 3 == 2:
                other = "F" if p["m"].data.flags.c_contiguous else "C"
                p["m"].data = np.array(p["m"].data, order=other)
            return fn(numbers((16, 64), step))

        make.calls = [functools.partial(call, step=step) for step in range(9)]
        return p, fn

    make()
    assert_calls_alike(
        make, [lambda params, fn, i=i: make.calls[i](params, fn) for i in range(len(make.calls))]
    )


# Scalars among the inputs


def scaled():
    p = {"w": leaf(6), "b": leaf((), 1)}
    return p, lambda x, s: ((x * p["w"]) * s + s**2).sum() * p["b"]


@pytest.mark.parametrize("kind", [float, int, np.float32, np.asarray, sg.Tensor])
def test_a_number_among_the_inputs_may_change_in_every_call(kind):
    def batch(step):
        return numbers((5, 6), step), kind(step % 7 * 1.5)

    assert_trains_alike(scaled, batch, steps=20)


def test_zero_and_minus_zero_are_two_numbers():
    def make():
        p = {"w": leaf(6)}
        return p, lambda x, s: (x * p["w"]).sum() / s

    calls = [on(numbers((5, 6), 0), s) for s in (0.0, 0.0, 0.0, -0.0, 0.0)]
    with np.errstate(all="ignore"):
        assert_calls_alike(make, calls)


def test_more_numbers_than_tapes_are_right():
    assert_trains_alike(scaled, lambda step: (numbers((5, 6), step), 0.1 * step), steps=40)


@pytest.mark.parametrize(
    "fn",
    [
        lambda p, x, n: sum((x * p["w"] ** (i + 1)).sum() for i in range(n)),
        lambda p, x, n: (x * p["w"]).sum(axis=n % 2).exp().sum(),
        lambda p, x, n: (x * p["w"])[:, n % 6].sum(),
        lambda p, x, n: (x * p["w"])[: n % 5 + 1].sum(),
        lambda p, x, n: ((x * p["w"]) ** n).sum(),
        lambda p, x, n: (x * p["w"]).clip(-n, n).sum(),
        lambda p, x, n: ((x * p["w"]) if n % 2 else (x + p["w"]).exp()).sum(),
        lambda p, x, n: sg.where(x > n / 4, x * p["w"], 0.0).sum(),
    ],
)
@pytest.mark.parametrize("steady", [True, False])
def test_what_an_int_among_the_inputs_decides_is_right_or_refused(fn, steady):
    def make():
        p = {"w": leaf((6,))}
        return p, lambda x, n: fn(p, sg.tensor.as_tensor(x), n)

    counts = [3, 3, 3, 3, 1, 2, 3] if steady else [1, 2, 3, 1, 2, 3, 4]
    calls = [on(numbers((5, 6), step), n) for step, n in enumerate(counts)]
    assert right_or_refused(make, calls) == "right"


def test_inputs_by_name_and_defaults_are_inputs():
    def make():
        p = weights()

        def fn(x, y=2.0, *, z=3.0):
            return (x * p["w"] * y + z).exp().sum()

        return p, fn

    assert_calls_alike(
        make,
        [
            on(numbers(6, 0)),
            lambda params, fn: fn(numbers(6, 1), y=numbers(6, 2)),
            lambda params, fn: fn(x=numbers(6, 3), y=numbers(6, 4)),
            lambda params, fn: fn(y=numbers(6, 5), x=numbers(6, 6)),
            lambda params, fn: fn(numbers(6, 7), z=numbers(6, 8), y=1.0),
            lambda params, fn: fn(numbers(6, 9), z=numbers(6, 10), y=3.0),
            on(numbers(6, 11), numbers(6, 12)),
            on(numbers(6, 13)),
            lambda params, fn: fn(numbers(6, 14), z=1.5),
        ],
    )


def test_one_array_may_be_two_inputs():
    def make():
        p = weights()
        return p, lambda x, y: ((x * p["w"]) * (y + p["b"])).sum()

    x, y = numbers(6, 0), numbers(6, 1)
    assert_calls_alike(make, [on(x, x), on(x, x), on(x, x), on(x, y), on(y, x), on(y, y), on(x, y)])


def test_one_tensor_that_requires_gradients_may_be_two_inputs():
    def run(wrap):
        fn = wrap(lambda x, y: (x * y.exp()).sum())
        grads = []
        for step in range(6):
            x, y = leaf(6, step), leaf(6, step + 100)
            for pair in ((x, x), (x, y)):
                fn(*pair).backward()
                grads.append({"x": x.grad.copy(), "y": copied(y.grad)})
        return grads

    assert_same_history(run(fast.replay), run(eager))


def test_a_parameter_may_be_an_input_and_touched_by_the_function():
    def make():
        p = weights()
        return p, lambda x, w: (x * p["w"] * sg.exp(w)).sum()

    call = lambda params, fn: fn(numbers(6, 0), params["w"])  # noqa: E731
    other = lambda params, fn: fn(numbers(6, 1), numbers(6, 2))  # noqa: E731
    assert_calls_alike(make, [call, call, call, other, other, other, call])


def test_an_input_may_require_gradients_in_one_call_and_not_in_another():
    def run(wrap):
        w = leaf(6)
        fn = wrap(lambda x: (x * w).exp().sum())
        grads = []
        for step in range(12):
            x = sg.Tensor(numbers(6, step), requires_grad=step % 3 == 0)
            w.grad = None
            fn(x if step % 2 else x.data if not x.requires_grad else x).backward()
            grads.append({"x": copied(x.grad), "w": w.grad.copy()})
        return grads

    assert_same_history(run(fast.replay), run(eager))


def test_an_input_that_was_computed_passes_its_gradient_on():
    def run(wrap):
        w, v = leaf(6), leaf(6, 1)
        fn = wrap(lambda h, x: (h * x * w).exp().sum())
        grads = []
        for step in range(8):
            w.grad = v.grad = None
            h = (v * numbers(6, step)).tanh()
            (fn(h, numbers(6, step + 50)) * 0.5).backward()
            grads.append({"w": w.grad.copy(), "v": v.grad.copy()})
        return grads

    assert_same_history(run(fast.replay), run(eager))


# The loss that comes back


def steady(fn, calls=5):
    """Runs fn until it is replayed."""
    for step in range(calls):
        fn(numbers((5, 6), step)).backward()


def made():
    p = weights()
    return p, lambda x: (x * p["w"]).tanh().sum() * p["b"]


def test_the_loss_is_a_scalar_tensor_like_that_of_eager():
    p, fn = made()
    replayed = fast.replay(fn)
    steady(replayed)
    a, b = replayed(numbers((5, 6), 9)), fn(numbers((5, 6), 9))
    assert isinstance(a, sg.Tensor)
    assert (a.shape, a.dtype, a.requires_grad, a.grad) == (b.shape, b.dtype, True, None)
    assert a.item() == float(a) == b.item()
    assert repr(a).startswith("Tensor(")
    a.data  # noqa: B018
    assert isinstance(a.data, np.ndarray)
    assert p["m"].grad is None


def test_a_loss_keeps_its_value_when_later_calls_have_been_made():
    _, fn = made()
    replayed = fast.replay(fn)
    losses = [replayed(numbers((5, 6), step)) for step in range(10)]
    values = [loss.numpy() for loss in losses]
    for step in range(10):
        expected = fn(numbers((5, 6), step)).item()
        assert losses[step].item() == values[step] == expected


def run_backwards(backward, calls=8):
    def run(wrap):
        p, fn = made()
        fn = wrap(fn)
        history = []
        for step in range(calls):
            for theta in p.values():
                theta.grad = None
            loss = fn(numbers((5, 6), step))
            backward(loss)
            history.append({name: copied(t.grad) for name, t in p.items()})
            history[-1]["loss"] = copied(loss.grad)
        return history

    return run


BACKWARDS = {
    "plain": lambda loss: loss.backward(),
    "times 2": lambda loss: (loss * 2).backward(),
    "over 3": lambda loss: (loss / 3).backward(),
    "exp": lambda loss: (loss * 0.01).exp().backward(),
    "squared": lambda loss: (loss * loss).backward(),
    "from a gradient": lambda loss: loss.backward(np.float32(0.3)),
    "twice": lambda loss: [loss.backward(), loss.backward()],
    "three times": lambda loss: [loss.backward(), (loss * 2).backward(), loss.backward()],
    "retained": lambda loss: loss.backward(retain_grads=True),
}


@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS)
def test_backward_adds_what_eager_adds(backward):
    run = run_backwards(backward)
    assert_same_history(run(fast.replay), run(eager))


@pytest.mark.parametrize("grad", [None, "zeros", "numbers", "a view"])
def test_backward_adds_to_the_gradient_that_is_there(grad):
    def run(wrap):
        p, fn = made()
        fn = wrap(fn)
        buffer = np.zeros(12, np.float32)
        history = []
        for step in range(8):
            p["w"].grad = None if grad is None else np.full(6, step if grad == "numbers" else 0)
            if grad == "a view":
                p["w"]._grad = buffer[3:9]
            fn(numbers((5, 6), step)).backward()
            history.append({"w": p["w"].grad.copy(), "buffer": buffer.copy()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_gradients_are_the_parameters_own_arrays():
    p, fn = made()
    fn = fast.replay(fn)
    kept, copies = [], []
    for step in range(10):
        p["w"].grad = p["b"].grad = None
        fn(numbers((5, 6), step)).backward()
        kept.append(p["w"].grad)
        copies.append(p["w"].grad.copy())
        assert not np.shares_memory(p["w"].grad, p["b"].grad)
    for array, copy in zip(kept, copies, strict=True):
        assert_same_bits(array, copy)


def test_gradients_of_inputs_are_their_own_arrays():
    fn = fast.replay(lambda x, y: (x + y).sum())
    inputs, copies = [], []
    for step in range(10):
        x, y = leaf((5, 6), step), leaf((5, 6), step + 100)
        (fn(x, y) * step).backward()
        inputs.append((x, y))
        copies.append((x.grad.copy(), y.grad.copy()))
        assert not np.shares_memory(x.grad, y.grad)
    for pair, copy in zip(inputs, copies, strict=True):
        for t, array in zip(pair, copy, strict=True):
            assert_same_bits(t.grad, array)


def test_two_losses_accumulate_before_a_step():
    def run(wrap):
        sg.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.3), nn.ReLU(), nn.Linear(9, 4))
        fn = wrap(lambda x, t: sg.cross_entropy(model(x), t))
        opt = fast.Adam(model)
        history = []
        for step in range(20):
            for half in range(2):
                fn(*labelled(2 * step + half)).backward()
            opt.step()
            opt.zero_grad()
            history.append({name: t.numpy() for name, t in model.parameters().items()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_losses_of_two_replayed_functions_add_up():
    def run(wrap):
        p = weights()
        first = wrap(lambda x: (x * p["w"]).tanh().sum())
        second = wrap(lambda x: (x @ p["m"]).tanh().sum())
        third = wrap(lambda x: (x + p["w"]).exp().sum())
        history = []
        for step in range(8):
            for t in p.values():
                t.grad = None
            x = numbers((5, 6), step)
            (first(x) + second(x) * 2).backward()
            history.append({"w": p["w"].grad.copy(), "m": p["m"].grad.copy()})
            (first(x) + third(x)).backward()
            history.append({"w": p["w"].grad.copy(), "m": p["m"].grad.copy()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_a_replayed_loss_and_an_eager_one_add_up():
    def run(wrap):
        p, fn = made()
        fn = wrap(fn)
        history = []
        for step in range(8):
            p["w"].grad = None
            (fn(numbers((5, 6), step)) + 0.1 * (p["w"] ** 2).sum()).backward()
            history.append({"w": p["w"].grad.copy()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_an_older_loss_is_refused_or_right_and_says_why():
    p, fn = made()
    replayed = fast.replay(fn)
    steady(replayed)
    x, y = numbers((5, 6), 10), numbers((5, 6), 11)
    old = replayed(x)
    new = replayed(y)
    grads = {name: copied(t.grad) for name, t in p.items()}
    with pytest.raises(RuntimeError) as error:
        old.backward()
    assert len(str(error.value)) > 60
    for name, t in p.items():  # nothing was added
        assert (t.grad is None) == (grads[name] is None)
        if t.grad is not None:
            assert_same_bits(t.grad, grads[name])
    p["w"].grad = None
    new.backward()
    again = p["w"].grad.copy()
    p["w"].grad = None
    fn(y).backward()
    assert_same_bits(again, p["w"].grad)


def test_two_losses_of_one_function_in_one_sum_are_refused():
    _, fn = made()
    replayed = fast.replay(fn)
    steady(replayed)
    with pytest.raises(RuntimeError):
        (replayed(numbers((5, 6), 0)) + replayed(numbers((5, 6), 1))).backward()
    replayed(numbers((5, 6), 2)).backward()


def test_losses_of_two_shapes_are_apart_or_refused():
    p, fn = made()
    replayed = fast.replay(fn)
    for _ in range(4):
        for n in (3, 5):
            replayed(numbers((n, 6), n)).backward()
    a, b = replayed(numbers((3, 6), 1)), replayed(numbers((5, 6), 2))
    p["w"].grad = None
    try:
        a.backward()
        b.backward()
    except RuntimeError:
        return
    total = p["w"].grad.copy()
    p["w"].grad = None
    fn(numbers((3, 6), 1)).backward()
    fn(numbers((5, 6), 2)).backward()
    assert_same_bits(total, p["w"].grad)


def test_a_loss_after_a_step_is_refused_as_in_eager():
    p, fn = made()
    replayed = fast.replay(fn)
    opt = optim.Adam(param_groups=[{"params": {"w": p["w"]}}])
    for step in range(8):
        loss = replayed(numbers((5, 6), step))
        loss.backward()
        opt.step()
        with pytest.raises(RuntimeError):
            loss.backward()
        opt.zero_grad()


def test_a_weight_assigned_between_forward_and_backward_is_refused_as_in_eager():
    p, fn = made()
    replayed = fast.replay(fn)
    steady(replayed)
    loss = replayed(numbers((5, 6), 0))
    p["w"].data = p["w"].data * 2
    with pytest.raises(RuntimeError, match="assigned"):
        loss.backward()


def test_an_input_array_changed_between_forward_and_backward_does_not_matter():
    def run(wrap):
        p, fn = made()
        fn = wrap(fn)
        x = numbers((5, 6), 0)
        history = []
        for step in range(8):
            p["w"].grad = None
            loss = fn(x)
            x[...] = numbers((5, 6), step)
            loss.backward()
            history.append({"loss": loss.numpy(), "w": p["w"].grad.copy()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_no_grad_around_the_call():
    def run(wrap):
        p, fn = made()
        fn = wrap(fn)
        history = []
        for step in range(16):
            p["w"].grad = None
            x = numbers((5, 6), step)
            if step % 4 == 1:
                with sg.no_grad():
                    loss = fn(x)
                assert not loss.requires_grad
                with pytest.raises(RuntimeError, match="requires no gradient"):
                    loss.backward()
            else:
                loss = fn(x)
                loss.backward()
            history.append({"loss": loss.numpy(), "w": copied(p["w"].grad)})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_no_grad_first_and_only():
    def run(wrap):
        _, fn = made()
        fn = wrap(fn)
        with sg.no_grad():
            return [{"loss": fn(numbers((5, 6), step)).numpy()} for step in range(8)]

    assert_same_history(run(fast.replay), run(eager))


def test_an_evaluation_between_forward_and_backward_is_right_or_refused():
    p, fn = made()
    replayed = fast.replay(fn)
    steady(replayed)
    for _ in range(4):
        with sg.no_grad():
            replayed(numbers((5, 6), 1))
    p["w"].grad = None
    loss = replayed(numbers((5, 6), 2))
    with sg.no_grad():
        replayed(numbers((5, 6), 3))
    try:
        loss.backward()
    except RuntimeError:
        return
    actual = p["w"].grad.copy()
    p["w"].grad = None
    fn(numbers((5, 6), 2)).backward()
    assert_same_bits(actual, p["w"].grad)


def test_a_function_of_nothing_that_requires_gradients():
    def run(wrap):
        fn = wrap(lambda x: (x * sg.ones(6)).sum())
        history = []
        for step in range(6):
            loss = fn(numbers((5, 6), step))
            assert not loss.requires_grad
            with pytest.raises(RuntimeError, match="requires no gradient"):
                loss.backward()
            history.append({"loss": loss.numpy()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_a_function_of_no_inputs():
    def make():
        p = {"w": leaf(6)}
        return p, lambda: (p["w"] ** 2).sum()

    assert_trains_alike(make, lambda step: ())


@pytest.mark.parametrize("returned", ["parameter", "input", "constant"])
def test_a_function_that_returns_what_it_was_given_is_right_or_refused(returned):
    def make():
        b = leaf(())
        return {"b": b}, {
            "parameter": lambda x: b,
            "input": lambda x: x if isinstance(x, sg.Tensor) else sg.Tensor(x),
            "constant": lambda x: sg.Tensor(2.0),
        }[returned]

    right_or_refused(make, [on(numbers((), step)) for step in range(6)])


# Randomness


def test_dropout_is_drawn_anew_in_every_call():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(100, 1))
    fn = fast.replay(lambda x: model(x).sum())
    values = {fn(np.ones((1, 100), np.float32)).item() for _ in range(20)}
    assert len(values) == 20


@pytest.mark.parametrize("generator", [np.random.MT19937, np.random.Philox, None])
def test_the_generator_may_be_replaced_or_seeded_between_calls(generator):
    make, _ = LAYERS["Dropout"]

    def call(step):
        def run(params, fn):
            if step % 3 == 0:
                if generator:
                    sg.creation.set_generator(np.random.Generator(generator(step)))
                else:
                    sg.manual_seed(step)
            if step % 4 == 0:
                sg.generator().random(step)
            return fn(*labelled(step))

        return run

    expected, _ = called(eager, make, [call(step) for step in range(12)])
    actual, _ = called(fast.replay, make, [call(step) for step in range(12)])
    assert_same_history(actual, expected)


def test_dropout_of_zero_of_float64_and_of_one_element():
    def make():
        w = leaf((6,), dtype=np.float64)
        layers = [nn.Dropout(0), nn.Dropout(0.25)]
        return {"w": w}, lambda x: layers[0](layers[1](x * w).sum()) * 2

    assert_trains_alike(make, lambda step: (numbers((5, 6), step, np.float64),))


@pytest.mark.parametrize(
    "noise",
    [
        lambda shape: sg.normal(shape),
        lambda shape: sg.uniform(shape, -1, 1),
        lambda shape: sg.generator().normal(size=shape).astype(np.float32),
        lambda shape: sg.Tensor(sg.generator().random(shape), dtype=np.float32),
        lambda shape: sg.generator().permutation(shape[-1]).astype(np.float32),
        lambda shape: sg.generator().integers(0, 2, shape),
        lambda shape: sg.generator().random(),
        lambda shape: sg.randint(0, 5, shape),
        lambda shape: sg.permutation(shape[-1]),
        lambda shape: sg.multinomial(np.ones(shape), shape[-1]),
        lambda shape: sg.multinomial(np.ones(shape), shape[-1], replacement=True),
    ],
)
def test_other_random_numbers_of_simplegrad_are_drawn_anew_or_refused(noise):
    def make():
        p = {"w": leaf((6,))}
        return p, lambda x: ((x + noise((5, 6))) * p["w"]).exp().sum()

    right_or_refused(make, [on(numbers((5, 6), step)) for step in range(8)])


@pytest.mark.parametrize(
    "rows",
    [
        lambda x: sg.randint(0, len(x), (4,)),
        lambda x: sg.permutation(len(x)),
        lambda x: sg.multinomial(np.ones(len(x)), 4),
        lambda x: sg.multinomial(x[:, 0] ** 2, 4, replacement=True),
    ],
)
def test_random_rows_are_drawn_anew_or_refused(rows):
    def make():
        p = {"w": leaf((6,))}
        return p, lambda x: (x[rows(x)] * p["w"]).exp().sum()

    right_or_refused(make, [on(numbers((5, 6), step)) for step in range(8)])


# What changes outside of the function


def deep():
    model = nn.Sequential(
        nn.Linear(6, 9), nn.LayerNorm(9), nn.ReLU(), nn.Dropout(0.25), nn.Linear(9, 4)
    )
    model.scale, model.extra, model.words = 2.0, [1.0, {"by": 3}], "plain"
    model.frozen = sg.Tensor(numbers(4, 9))

    def loss(x, t):
        logits = (model(x) + model.frozen) * model.scale * model.extra[1]["by"]
        return sg.cross_entropy(logits + (model.words == "fancy"), t)

    return model, loss


def set_attribute(path, value):
    def change(model):
        *parents, name = path.split(".")
        target = model
        for parent in parents:
            target = target[int(parent)] if parent.isdigit() else getattr(target, parent)
        setattr(target, name, value() if callable(value) else value)

    return change


def doubled(model):
    model[0].weight.data *= 2


def doubled_in_place(model):
    model[0].weight.data[...] *= 2


CHANGES = {
    "eval": lambda model: model.eval(),
    "eval of one layer": lambda model: model[3].eval(),
    "p of Dropout": set_attribute("3.p", 0.75),
    "eps of LayerNorm": set_attribute("1.eps", 1.0),
    "a layer replaced by another kind": lambda model: model.layers.__setitem__(2, nn.Tanh()),
    "a layer replaced by one of its kind": lambda m: m.layers.__setitem__(0, nn.Linear(6, 9)),
    "a layer added": lambda model: model.layers.insert(3, nn.Tanh()),
    "a layer removed": lambda model: model.layers.pop(2),
    "the list of layers replaced": lambda m: setattr(m, "layers", [m.layers[0], m.layers[4]]),
    "a parameter replaced": set_attribute("0.weight", lambda: leaf((6, 9), 7)),
    "a bias left out": set_attribute("0.bias", None),
    "data assigned": lambda m: setattr(m[0].weight, "data", m[0].weight.data[::-1]),
    "data scaled": doubled,
    "data edited": doubled_in_place,
    "data in another order": lambda m: setattr(
        m[0].weight, "data", np.array(m[0].weight.data, order="F")
    ),
    "frozen": set_attribute("0.weight.requires_grad", False),
    "unfrozen": set_attribute("frozen.requires_grad", True),
    "all frozen but one": lambda m: [
        setattr(t, "requires_grad", name == "layers.4.bias") for name, t in m.parameters().items()
    ],
    "a fast optimizer takes over": lambda model: stepped(fast.Adam(model)),
    "an attribute": set_attribute("scale", 3.0),
    "an attribute to a tensor": set_attribute("scale", lambda: leaf((), 3)),
    "a number in a container": lambda model: model.extra[1].update(by=5),
    "a string": set_attribute("words", "fancy"),
    "a forward of its own": lambda model: setattr(model[2], "forward", lambda x: x * 0.5),
}


def stepped(opt):
    for theta in opt.param_groups[0]["params"].values():
        theta.grad = np.ones(theta.shape)
    opt.step()


def small(step):
    return numbers((5, 6), step), integers(4, 5, step)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_model_is_noticed(change):
    def call(step, change=None):
        def run(model, fn):
            if change is not None:
                change(model)
            return fn(*small(step))

        return run

    calls = [call(step) for step in range(5)] + [call(5, change)]
    calls += [call(step) for step in range(6, 11)]
    assert_calls_alike(deep, calls)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_model_changed_before_each_of_the_first_calls_is_noticed(change):
    def call(step, change):
        def run(model, fn):
            if change is not None:
                change(model)
            return fn(*small(step))

        return run

    for when in (1, 2):
        assert_calls_alike(
            deep, [call(step, change if step == when else None) for step in range(6)]
        )


def test_a_changed_model_between_forward_and_backward_gives_the_gradients_of_the_forward():
    def run(wrap):
        sg.manual_seed(0)
        model, fn = deep()
        fn = wrap(fn)
        history = []
        for step in range(12):
            for theta in model.parameters().values():
                theta.grad = None
            loss = fn(*small(step))
            (model.eval if step % 4 < 2 else model.train)()
            model[3].p = 0.1 * (step % 5)
            loss.backward()
            history.append({name: t.grad.copy() for name, t in model.parameters().items()})
        return history

    assert_same_history(run(fast.replay), run(eager))


def test_train_and_eval_may_take_turns_forever():
    def call(step):
        def run(model, fn):
            (model.train if step % 4 < 2 else model.eval)()
            return fn(*small(step))

        return run

    assert_calls_alike(deep, [call(step) for step in range(60)])


def test_data_may_be_assigned_in_every_call():
    def call(step):
        def run(model, fn):
            for theta in model.parameters().values():
                theta.data = theta.data * 0.9
            return fn(*small(step))

        return run

    assert_calls_alike(deep, [call(step) for step in range(40)])


def test_the_p_of_dropout_may_follow_a_schedule_or_it_says_why_not():
    def call(step):
        def run(model, fn):
            model[3].p = step / 50
            return fn(*small(step))

        return run

    assert right_or_refused(deep, [call(step) for step in range(40)]) == "right"


def test_a_parameter_may_be_replaced_in_every_call_or_it_says_why_not():
    def call(step):
        def run(model, fn):
            model[0].weight = leaf((6, 9), step)
            return fn(*small(step))

        return run

    assert right_or_refused(deep, [call(step) for step in range(40)]) == "right"


module_tensor = leaf(6, 5)
module_number = 1.0


def test_a_tensor_of_the_module_that_is_replaced_is_noticed():
    def make():
        global module_tensor
        module_tensor = leaf(6, 5)
        return {"first": module_tensor}, lambda x: (x * module_tensor).exp().sum()

    def replace(params, fn):
        global module_tensor
        module_tensor = params["second"] = leaf(6, 6)
        return fn(numbers((5, 6), 9))

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    assert right_or_refused(make, [*calls, replace, *calls]) in ("right",)


def test_a_tensor_of_the_enclosing_function_that_is_replaced_is_noticed():
    def make():
        w = leaf(6, 5)

        def fn(x):
            return (x * w).exp().sum()

        def replace(params, fn):
            nonlocal w
            w = params["second"] = leaf(6, 6)
            return fn(numbers((5, 6), 9))

        make.replace = replace
        return {"first": w}, fn

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    again = lambda params, fn: make.replace(params, fn)  # noqa: E731
    assert right_or_refused(make, [*calls, again, *calls]) == "right"


def test_a_tensor_in_a_dict_that_is_replaced_is_noticed():
    def make():
        p = weights()
        return p, lambda x: (x * p["w"]).exp().sum()

    def replace(params, fn):
        params["w"] = leaf(6, 6)
        return fn(numbers((5, 6), 9))

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    assert right_or_refused(make, [*calls, replace, *calls]) == "right"


def test_a_model_of_the_enclosing_function_that_is_replaced_is_noticed():
    def make():
        model = nn.Linear(6, 4)
        params = model.parameters()

        def fn(x):
            return (model(x) ** 2).sum()

        def replace(params, fn):
            nonlocal model
            model = nn.Linear(6, 4)
            params |= {f"{key} 2": t for key, t in model.parameters().items()}
            return fn(numbers((5, 6), 9))

        make.replace = replace
        return params, fn

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    again = lambda params, fn: make.replace(params, fn)  # noqa: E731
    assert right_or_refused(make, [*calls, again, *calls]) == "right"


class Settings:
    """Settings as an object, as another with __slots__, and as a class."""

    alpha = 1.0


class SlottedSettings:
    __slots__ = ("alpha",)

    def __init__(self):
        self.alpha = 1.0


class CompiledSettings:
    """One of a compiled class, as Cython makes it: the module is in each instance."""

    alpha = 1.0
    __module__ = property(lambda self: "users")


class Scaled(nn.Module):
    alpha = 1.0

    def __init__(self):
        self.w = leaf(6)
        self.settings = Settings()

    def forward(self, x):
        return (x * self.w * self.alpha * self.settings.alpha).exp().sum()


def one_module():
    module = types.ModuleType("one_module")
    module.alpha = 1.0
    return module


HOLDERS = {
    "object": Settings,
    "object with __slots__": SlottedSettings,
    "object of a compiled class": CompiledSettings,
    "namespace": lambda: types.SimpleNamespace(alpha=1.0),
    "class": lambda: type("Fresh", (), {"alpha": 1.0}),
    "module": one_module,
}


@pytest.mark.parametrize("to", ["number", "tensor"])
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_an_attribute_that_the_function_reads_and_that_is_changed_is_noticed_or_refused(holder, to):
    def make():
        w, settings = leaf(6), holder()

        def change(params, fn):
            settings.alpha = 2.0 if to == "number" else leaf(6, 3)
            return fn(numbers((5, 6), 9))

        make.change = change
        return {"w": w}, lambda x: (x * w * settings.alpha).exp().sum()

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    again = lambda params, fn: make.change(params, fn)  # noqa: E731
    right_or_refused(make, [*calls, again, *calls])


@pytest.mark.parametrize("what", ["settings", "class attribute", "forward"])
def test_a_changed_class_or_part_of_a_module_is_noticed_or_refused(what):
    def make():
        cls = type("Fresh", (Scaled,), {"forward": lambda self, x: Scaled.forward(self, x)})
        net = cls()

        def change(params, fn):
            if what == "settings":
                net.settings.alpha = 2.0
            elif what == "class attribute":
                cls.alpha = 2.0
            else:
                cls.forward = lambda self, x: (x * self.w).sum()
            return fn(numbers((5, 6), 9))

        make.change = change
        return net, lambda x: net(x)

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    again = lambda params, fn: make.change(params, fn)  # noqa: E731
    right_or_refused(make, [*calls, again, *calls])


def test_a_tensor_in_a_deque_that_is_replaced_is_noticed_or_refused():
    def make():
        held = collections.deque([leaf(6)])

        def change(params, fn):
            held[0] = params["second"] = leaf(6, 3)
            return fn(numbers((5, 6), 9))

        make.change = change
        return {"first": held[0]}, lambda x: (x * held[0]).exp().sum()

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    again = lambda params, fn: make.change(params, fn)  # noqa: E731
    right_or_refused(make, [*calls, again, *calls])


def test_a_constant_array_that_is_edited_in_place_is_right_or_refused():
    def make():
        p, mask = {"w": leaf(6)}, np.ones(6, np.float32)
        make.mask = mask
        return p, lambda x: (x * mask * p["w"]).exp().sum()

    def edit(params, fn):
        make.mask[:3] = 0
        return fn(numbers((5, 6), 9))

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    right_or_refused(make, [*calls, edit, *calls])


def test_a_constant_tensor_whose_data_are_assigned_is_noticed():
    def make():
        p, c = {"w": leaf(6)}, sg.Tensor(numbers(6, 1))
        make.c = c
        return p, lambda x: (x * c * p["w"]).exp().sum()

    def assign(params, fn):
        make.c.data = make.c.data * 2
        return fn(numbers((5, 6), 9))

    def edit(params, fn):
        make.c.data[...] = 0.5
        return fn(numbers((5, 6), 9))

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    assert right_or_refused(make, [*calls, assign, *calls, edit, *calls]) == "right"


def test_a_loaded_checkpoint_is_noticed(tmp_path):
    def call(step, path=None):
        def run(model, fn):
            if path == "save":
                sg.save(tmp_path / "model.npz", model)
            elif path == "load":
                sg.load(tmp_path / "model.npz", model)
            model[0].bias.data += 0.1
            return fn(*small(step))

        return run

    calls = [call(step) for step in range(4)]
    assert_calls_alike(deep, [*calls, call(4, "save"), *calls, call(4, "load"), *calls])


# Numbers that leave simplegrad on their way through the function


def through_numpy(name):
    def make():
        p = {"w": leaf(6), "m": leaf((6, 4), 1)}
        return p, lambda x, t: HIDDEN[name](p, x, t)

    return make


def without_grad(p, x, t):
    h = x * p["w"]
    with sg.no_grad():
        largest = h.abs().max()
    return (h / largest).exp().sum()


def through_a_list(p, x, t):
    h = x * p["w"]
    return (h * sg.Tensor(h.numpy().tolist())).sum()


def into_an_array(p, x, t):
    onehot = np.zeros((len(t), 4), np.float32)
    onehot[np.arange(len(t)), t] = 1
    return ((x @ p["m"] - onehot) ** 2).sum()


def in_place(p, x, t):
    h = x * p["w"]
    mask = np.ones(h.shape, np.float32)
    np.multiply(mask, h.data > 0, out=mask)
    return (h * mask).sum()


def into_a_mask(p, x, t):
    h = x * p["w"]
    mask = np.zeros(h.shape, np.float32)
    mask[...] = h.data > 0
    return (h * mask).sum()


def into_a_tensor(p, x, t):
    h = x * p["w"]
    c = sg.zeros(h.shape)
    c.data = h.data
    return (h * c).sum()


HIDDEN = {
    "into a mask": into_a_mask,
    "into a tensor": into_a_tensor,
    "np.asarray of data": lambda p, x, t: ((x * p["w"]) * np.asarray((x * p["w"]).data)).sum(),
    "np.array of a mask": lambda p, x, t: ((x * p["w"]) * np.array((x * p["w"]) > 0)).sum(),
    "np.float32": lambda p, x, t: ((x * p["w"]) * np.float32((x * p["w"]).data[0, 0])).sum(),
    "np.full": lambda p, x, t: ((x * p["w"]) * np.full(6, (x * p["w"]).data.max())).sum(),
    "rows of data": lambda p, x, t: ((x * p["w"]) * sg.Tensor(list((x * p["w"]).data))).sum(),
    "detach": lambda p, x, t: ((x * p["w"]) * (x * p["w"]).exp().detach()).sum(),
    "a new Tensor": lambda p, x, t: ((x * p["w"]) * sg.Tensor((x * p["w"]).exp())).sum(),
    "numpy()": lambda p, x, t: ((x * p["w"]) * (x * p["w"]).exp().numpy()).sum(),
    "data": lambda p, x, t: ((x * p["w"]) * (x * p["w"]).exp().data).sum(),
    "item()": lambda p, x, t: ((x * p["w"]) * (x * p["w"]).max().item()).sum(),
    "float()": lambda p, x, t: ((x * p["w"]) / float((x * p["w"]).abs().sum())).exp().sum(),
    "no_grad": without_grad,
    "a list": through_a_list,
    "one-hot": lambda p, x, t: (
        (x @ p["m"] - np.eye(4, dtype=np.float32)[np.asarray(t)]) ** 2
    ).sum(),
    "one-hot in place": into_an_array,
    "mask": lambda p, x, t: sg.where(((x * p["w"]) > 0) & (x < 1), x * p["w"], 0.0).sum(),
    "not a mask": lambda p, x, t: sg.where(~((x * p["w"]) > 0), x * p["w"], 0.5).sum(),
    "mask times": lambda p, x, t: ((x * p["w"]) * ((x * p["w"]) > 0)).sum(),
    "mask as numbers": lambda p, x, t: (
        (x * p["w"]) * ((x * p["w"]) >= 0.1).astype(np.float32)
    ).sum(),
    "mask of data": lambda p, x, t: sg.where((x * p["w"]).data > 0, x * p["w"], 0.0).sum(),
    "mask in place": in_place,
    "mask as index": lambda p, x, t: (x * p["w"])[(x * p["w"]) > 0].exp().sum(),
    "np.where": lambda p, x, t: (
        np.where(np.asarray(x) > 0, 1, 2).astype(np.float32) * p["w"]
    ).sum(),
    "argmax": lambda p, x, t: (x @ p["m"])[np.arange(5), (x @ p["m"]).data.argmax(axis=1)].sum(),
    "argsort": lambda p, x, t: (x[np.asarray(x)[:, 0].argsort()] * p["w"])[1:3].sum(),
    "targets moved": lambda p, x, t: sg.cross_entropy(x @ p["m"], (np.asarray(t) + 1) % 4),
    "targets of another dtype": lambda p, x, t: sg.cross_entropy(x @ p["m"], np.int32(t)),
    "targets sliced": lambda p, x, t: sg.cross_entropy(x[1:] @ p["m"], t[1:]),
    "targets reversed": lambda p, x, t: sg.cross_entropy(x @ p["m"], t[::-1]),
    "input scaled in NumPy": lambda p, x, t: ((np.asarray(x) / 2 + 1) * p["w"]).exp().sum(),
    "input reduced in NumPy": lambda p, x, t: (
        (np.asarray(x) - np.asarray(x).mean(axis=0)) * p["w"]
    ).sum(),
    "input sliced in NumPy": lambda p, x, t: (np.asarray(x)[1:, ::-1] * p["w"]).sum(),
    "a count": lambda p, x, t: (x * p["w"]).sum() / int((np.asarray(x) > 0).sum() + 1),
    "a number of the input": lambda p, x, t: (x * p["w"]).sum() * float(np.asarray(x)[0, 0]),
    "rows of a Python loop": lambda p, x, t: sum((p["m"][:, int(i)]).sum() for i in t) * 1.0,
}


@pytest.mark.parametrize("kind", ["array", pytest.param("Tensor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("start", ["changing", "steady"])
@pytest.mark.parametrize("name", HIDDEN)
def test_numbers_that_pass_through_numpy_are_right_or_refused(name, start, kind):
    wrap = KINDS_OF_INPUT[kind]
    seeds = range(8) if start == "changing" else [0, 0, 0, 0, 1, 2, 3]
    calls = [on(wrap(numbers((5, 6), seed)), integers(4, 5, seed)) for seed in seeds]
    right_or_refused(through_numpy(name), calls)


def test_a_branch_on_a_number_that_flips_while_recording_is_seen_or_refused():
    def make():
        p = {"w": leaf(6)}

        def fn(x):
            h = x * p["w"]
            return h.exp().sum() if h.sum().item() > 0 else h.sum()

        return p, fn

    x = numbers((5, 6), 0)
    right_or_refused(make, [on(x), on(-x)])


def test_a_step_within_the_function_is_right_or_refused():
    def calls(wrap):
        w = leaf(6)
        opt = optim.SGD(param_groups=[{"params": {"w": w}}], lr=0.1)

        @wrap
        def fn(x):
            opt.zero_grad()
            loss = (x * w).exp().sum()
            loss.backward()
            opt.step()
            return loss

        history = []
        for step in range(8):
            fn(numbers((5, 6), step))
            history.append({"w": w.numpy()})
        return history

    try:
        actual = calls(fast.replay)
    except (RuntimeError, TypeError):
        return
    assert_same_history(actual, calls(eager))


def running_mean_in_place(w, mean, x):
    mean.data[...] = 0.9 * mean.data + 0.1 * (x * w).data.mean(axis=0)


def running_mean_with_operators(w, mean, x):
    mean.data *= 0.9
    mean.data += 0.1 * (x * w).data.mean(axis=0)


def running_mean_assigned(w, mean, x):
    mean.data = 0.9 * mean.data + 0.1 * (x * w).data.mean(axis=0)


def counter(w, mean, x):
    mean.data += 1


def a_weight_assigned(w, mean, x):
    w.data = w.data * 0.5


def a_weight_scaled(w, mean, x):
    w.data *= 0.5


@pytest.mark.parametrize(
    "change",
    [
        running_mean_in_place,
        running_mean_with_operators,
        running_mean_assigned,
        counter,
        a_weight_assigned,
        a_weight_scaled,
    ],
)
def test_a_tensor_that_the_function_changes_is_changed_as_in_eager_or_refused(change):
    def run(wrap):
        w, mean = leaf(6), sg.zeros(6)
        times = 0

        @wrap
        def fn(x):
            nonlocal times
            times += 1
            if times > 100:
                raise AssertionError("the function is run again and again")
            x = sg.tensor.as_tensor(x)
            change(w, mean, x)
            return (x * w).tanh().sum()

        history = []
        for step in range(8):
            w.grad = None
            loss = fn(numbers((5, 6), step))
            loss.backward()
            history.append({"loss": loss.numpy(), "mean": mean.numpy(), "w": w.numpy()})
            history[-1]["grad"] = w.grad.copy()
        return history

    expected = run(eager)
    try:
        actual = run(fast.replay)
    except (RuntimeError, TypeError) as error:
        explained(error)
        return
    assert_same_history(actual, expected)


def test_a_replayed_function_within_another_is_right_or_refused():
    def make():
        p = weights()
        inner = fast.replay(lambda x: (x * p["w"]).exp().sum())
        return p, lambda x: inner(x) * p["b"] + (x * p["w"]).sum()

    assert right_or_refused(make, [on(numbers((5, 6), step)) for step in range(8)])


# Errors of later calls are those of eager


def test_a_target_that_is_no_class_is_refused_in_every_call():
    for wrong in (-1, 4, 99):
        model = nn.Linear(6, 4)
        fn = fast.replay(lambda x, t, model=model: sg.cross_entropy(model(x), t))
        for step in range(5):
            fn(*small(step)).backward()
        x, t = small(9)
        t[2] = wrong
        with pytest.raises((ValueError, IndexError)):
            fn(x, t)
        good = fn(*small(10))
        assert good.item() == sg.cross_entropy(model(small(10)[0]), small(10)[1]).item()


@pytest.mark.parametrize("wrong", [-1, 99])
def test_a_loss_before_a_call_that_failed_is_differentiated_right_or_refused(wrong):
    model = nn.Linear(6, 4)

    def loss_of(x, t):
        return sg.cross_entropy((sg.tensor.as_tensor(x) @ model.weight) ** 2, t)

    fn = fast.replay(loss_of)
    for step in range(5):
        fn(*small(step)).backward()
    loss = fn(*small(6))
    with pytest.raises((ValueError, IndexError)):
        fn(numbers((5, 6), 7), np.array([0, 1, 2, 3, wrong]))
    model.weight.grad = None
    try:
        loss.backward()
    except RuntimeError as error:
        explained(error)
        return
    actual = model.weight.grad.copy()
    model.weight.grad = None
    loss_of(*small(6)).backward()
    assert_same_bits(actual, model.weight.grad)


def test_a_loss_before_a_call_with_negative_indices_is_differentiated_right_or_refused():
    w = leaf(6)

    def loss_of(x, i):
        return (sg.tensor.as_tensor(x) * w).exp()[:, i].sum()

    fn = fast.replay(loss_of)
    x, i = numbers((5, 6), 6), np.array([0, 2])
    for step in range(5):
        fn(numbers((5, 6), step), i).backward()
    w.grad = None
    loss = fn(x, i)
    y, negative = numbers((5, 6), 7), np.array([1, -1])
    assert fn(y, negative).item() == loss_of(y, negative).item()
    try:
        loss.backward()
    except RuntimeError as error:
        explained(error)
        return
    actual = w.grad.copy()
    w.grad = None
    loss_of(x, i).backward()
    assert_same_bits(actual, w.grad)


def test_an_index_that_is_no_row_of_an_embedding_is_refused_in_every_call():
    for wrong in (-1, 11, 99):
        model = nn.Embedding(11, 3)
        fn = fast.replay(lambda i, model=model: model(i).exp().sum())
        for step in range(5):
            fn(integers(11, (5, 7), step)).backward()
        i = integers(11, (5, 7), 9)
        i[1, 1] = wrong
        with pytest.raises((ValueError, IndexError)):
            fn(i)
        assert (
            fn(integers(11, (5, 7), 3)).item() == model(integers(11, (5, 7), 3)).exp().sum().item()
        )


def test_an_error_in_the_function_is_the_functions_and_harms_no_later_call():
    p = weights()

    @fast.replay
    def fn(x):
        if x.shape[0] == 3:
            raise KeyError("three")
        return (x * p["w"]).sum()

    for step in range(6):
        with pytest.raises(KeyError, match="three"):
            fn(numbers((3, 6), step))
        with pytest.raises(ValueError, match="do not broadcast"):
            fn(numbers((5, 7), step))
        loss = fn(numbers((5, 6), step))
        assert loss.item() == (numbers((5, 6), step) * p["w"]).sum().item()
    assert sg.autograd.is_grad_enabled()
    assert (p["w"] * 2).requires_grad


def test_what_numpy_warns_of_is_warned_of_in_every_call():
    w = leaf(6)
    fn = fast.replay(lambda x: (x * w).exp().sum())
    for _ in range(6):
        with pytest.warns(RuntimeWarning, match="overflow"):
            fn(np.full((5, 6), 1e4, np.float32))
    with np.errstate(all="ignore"):
        fn(np.full((5, 6), 1e4, np.float32)).item()


# Bad use


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0],
        (1.0,),
        {"x": 1.0},
        object(),
        np.array(["a"]),
        np.array([None]),
        1j,
        np.array([1j]),
        nn.ReLU(),
        slice(3),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_inputs_are_arrays_tensors_or_numbers(value):
    p = weights()
    fn = fast.replay(lambda x, other=None: (x * p["w"]).sum())
    x = numbers((5, 6), 0)
    for call in (lambda: fn(x, value), lambda: fn(x, other=value), lambda: fn(value)):
        with pytest.raises(TypeError) as error:
            call()
        assert len(str(error.value)) > 40
    for step in range(5):
        fn(numbers((5, 6), step)).backward()
    with pytest.raises(TypeError):
        fn(x, value)


@pytest.mark.parametrize(
    "result",
    [
        lambda h: h,
        lambda h: h.sum(axis=0),
        lambda h: (h.sum(), h.sum()),
        lambda h: [h.sum()],
        lambda h: {"loss": h.sum()},
        lambda h: h.sum().item(),
        lambda h: h.sum().data,
        lambda h: h.sum().numpy(),
        lambda h: None,
        lambda h: 3.0,
        lambda h: h[:0],
        lambda h: "loss",
    ],
)
def test_a_function_returns_one_scalar_tensor(result):
    p = weights()
    fn = fast.replay(lambda x: result(x * p["w"]))
    for step in range(3):
        with pytest.raises((TypeError, ValueError)) as error:
            fn(numbers((5, 6), step))
        assert len(str(error.value)) > 40


@pytest.mark.parametrize("fn", [3, "fn", [], sg.ones(2)])
def test_what_is_replayed_is_a_function(fn):
    with pytest.raises(TypeError):
        fast.replay(fn)


@pytest.mark.parametrize("max_tapes", [0, -1, True, 1.5, "8", None])
def test_max_tapes_is_an_int_of_at_least_1(max_tapes):
    with pytest.raises((TypeError, ValueError), match="max_tapes"):
        fast.replay(lambda x: x, max_tapes=max_tapes)


@pytest.mark.parametrize("max_tapes", [None, 1, 3])
def test_more_shapes_than_tapes_are_refused_with_the_reason(max_tapes):
    p = weights()

    def loss(x):
        return (x * p["w"]).exp().sum()

    fn = fast.replay(loss) if max_tapes is None else fast.replay(loss, max_tapes=max_tapes)
    allowed = max_tapes or 8
    for _ in range(4):
        for n in range(1, allowed + 1):
            x = numbers((n, 6), n)
            assert fn(x).item() == loss(x).item()
    with pytest.raises(RuntimeError) as error:
        [fn(numbers((99, 6), 0)) for _ in range(4)]
    assert "max_tapes" in str(error.value)
    for n in range(1, allowed + 1):
        x = numbers((n, 6), n)
        assert fn(x).item() == loss(x).item()


def test_shapes_and_dtypes_may_take_turns():
    def batch(step):
        return numbers((4 + step % 3, 6), step, np.float64 if step % 2 else np.float32), integers(
            4, 4 + step % 3, step
        )

    assert_trains_alike(classifier(of(nn.Linear, 6, 4)), batch, steps=36)


def test_the_last_batch_may_be_smaller():
    make, _ = LAYERS["Dropout"]

    def batch(step):
        n = 3 if step % 4 == 3 else 5
        return numbers((n, 6), step), integers(4, n, step)

    assert_trains_alike(make, batch, fast.Adam, steps=40)


# The ways to write it


def test_it_decorates_with_and_without_keywords():
    p = weights()

    def loss(x):
        """What is to be small."""
        return (x * p["w"]).sum()

    x = numbers((5, 6), 0)
    for fn in (
        fast.replay(loss),
        fast.replay(loss, max_tapes=2),
        fast.replay(max_tapes=2)(loss),
        fast.replay(eager=True)(loss),
        fast.replay(loss, eager=True),
        fast.replay(eager=False)(loss),
        fast.replay()(loss),
    ):
        assert fn.__name__ == "loss"
        assert fn.__doc__ == "What is to be small."
        for _ in range(4):
            assert fn(x).item() == loss(x).item()


def test_eager_runs_the_function_as_it_is():
    times = 0
    p = weights()

    @fast.replay(eager=True)
    def fn(x):
        nonlocal times
        times += 1
        return (x * p["w"]).exp().sum()

    losses = [fn(numbers((n + 1, 6), n)) for n in range(12)]
    assert times == 12
    assert losses[0].rule.__name__ == "Sum"
    assert losses[0].inputs[0].rule.__name__ == "Exp"
    for loss in losses:
        loss.backward()


@pytest.mark.parametrize("kind", ["method", "callable object", "partial", "module"])
def test_other_callables_are_right_or_refused(kind):
    class Net(nn.Module):
        def __init__(self):
            self.w = leaf(6)

        def loss(self, x):
            return (x * self.w).exp().sum()

        forward = loss

        def __call__(self, x):
            return self.loss(x)

    def make():
        net = Net()
        fn = {
            "method": net.loss,
            "callable object": net,
            "module": net.forward,
            "partial": functools.partial(Net.loss, net),
        }[kind]
        return net, fn

    def replace(net, fn):
        net.w = leaf(6, 9)
        return fn(numbers((5, 6), 7))

    calls = [on(numbers((5, 6), step)) for step in range(5)]
    assert right_or_refused(make, [*calls, replace, *calls])


def test_a_decorated_method_is_right_or_refused():
    class Net:
        def __init__(self, seed):
            self.w = leaf(6, seed)

        def plain(self, x):
            return (x * self.w).exp().sum()

        loss = fast.replay(plain)

    nets = Net(0), Net(1)
    try:
        for step in range(12):
            net, x = nets[step % 2], numbers((5, 6), step)
            assert net.loss(x).item() == net.plain(x).item()
    except TypeError as error:
        explained(error)


def test_a_function_that_asserts_is_recorded_and_replayed_without_a_walk_through_pytest():
    w = leaf(6)

    def fn(x):
        assert x.shape == (5, 6)  # pytest makes calls of a module of its own of this
        return (x * w).exp().sum()

    assert Reading(fn).codes == {fn.__code__}
    assert lines_run_by(lambda: steady(fast.replay(fn))) < 20_000


def test_two_replays_of_one_function_are_apart():
    p, fn = made()
    first, second = fast.replay(fn), fast.replay(fn)
    for step in range(6):
        x, y = numbers((5, 6), step), numbers((5, 6), step + 50)
        a, b = first(x), second(y)
        p["w"].grad = None
        a.backward()
        b.backward()
        actual = p["w"].grad.copy()
        p["w"].grad = None
        fn(x).backward()
        fn(y).backward()
        assert_same_bits(actual, p["w"].grad)


# Threads


def in_threads(work, count=4):
    """Runs work(0), work(1), … at once, taking turns all the time; returns what they raised."""
    failures, start, patience = [], threading.Barrier(count), sys.getswitchinterval()

    def run(number):
        start.wait()
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(patience)
    return failures


@pytest.mark.parametrize("warm", [True, False])
def test_threads_that_call_one_function_get_right_results_or_a_clear_error(warm):
    w = sg.Tensor(numbers((6, 40), 0))

    def loss(x):
        return (x @ w).tanh().exp().sum()

    fn = fast.replay(loss)
    if warm:
        for step in range(5):
            fn(leaf((5, 6), step)).backward()
    wrong = []

    def work(number):
        for step in range(60):
            x = leaf((5, 6), 100 * number + step)
            try:
                c = fn(x)
                c.backward()
            except RuntimeError as error:
                explained(error)
                continue
            y = sg.Tensor(x, requires_grad=True)
            d = loss(y)
            d.backward()
            if not (np.array_equal(c.data, d.data) and np.array_equal(x.grad, y.grad)):
                wrong.append((number, step))

    assert in_threads(work) == []
    assert wrong == []
    x = leaf((5, 6), 0)
    assert fn(x).item() == loss(x).item()


def test_another_thread_that_computes_eagerly_is_not_recorded():
    _, fn = made()
    replayed = fast.replay(fn)
    stop = threading.Event()
    wrong = []

    def other():
        v = leaf(6, 1)
        while not stop.is_set():
            v.grad = None
            (v * v).sum().backward()
            if not np.array_equal(v.grad, 2 * v.data):
                wrong.append(v)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        for step in range(40):
            x = numbers((1 + step % 8, 6), step)
            assert replayed(x).item() == fn(x).item()
    finally:
        stop.set()
        thread.join()
    assert wrong == []


# Memory


def test_a_replayed_step_of_a_perceptron_allocates_no_array():
    model = nn.Sequential(
        nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 100)
    )
    fn = fast.replay(lambda x, t: sg.cross_entropy(model(x), t))
    opt = fast.Adam(model)
    x, t = numbers((512, 128), 0), integers(100, 512, 0)

    def step():
        fn(x, t).backward()
        opt.step()
        opt.zero_grad()

    for _ in range(5):
        step()
    # The smallest result has 205 kB. NumPy itself takes a buffer of 8192 elements, 33 kB, for each
    # operation that broadcasts or converts, and cross_entropy a row index of 2 kB.
    assert traced_growth(step) < 48 * 1024


def test_calls_leave_nothing_behind():
    model = nn.Sequential(nn.Linear(64, 64), nn.Dropout(0.5), nn.Linear(64, 10))
    fn = fast.replay(lambda x, t: sg.cross_entropy(model(x), t))
    x, t = numbers((64, 64), 0), integers(10, 64, 0)

    def run(calls):
        for _ in range(calls):
            fn(x, t).backward()

    run(5)
    gc.collect()
    tracemalloc.start()
    try:
        run(5)
        before, _ = tracemalloc.get_traced_memory()
        run(500)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500 * 48  # less than the smallest object of each call


def test_a_function_that_is_gone_lets_go_of_its_model():
    def replayed():
        model = nn.Linear(6, 4)
        fn = fast.replay(lambda x: model(x).sum())
        steady(fn)
        return weakref.ref(model.weight)

    weight = replayed()
    gc.collect()
    assert weight() is None
