"""simplegrad.fast beside others, in one process: a step of Adam, and whole training steps.

Run it as `python tests/benchmarks/fast.py [--threads N] [--only NAME] [--out FOLDER] [--check]`.
It prints Markdown, and writes it with a plot to the folder. The others are PyTorch, JAX with
Optax, HIPS autograd and MyGrad; `pip install -e ".[bench]"` installs them, and the output
names those that are missing.
"""

import argparse
import ast
import collections
import gc
import importlib
import importlib.metadata
import itertools
import os
import platform
import sys
import tracemalloc
from pathlib import Path

sys.path.append(os.path.dirname(__file__))  # where it is for a script; pytest imports it, too
import timing

if __name__ == "__main__":
    timing.limit_threads()

import numpy as np

import simplegrad as sg
from simplegrad import fast, nn, optimizers

LR = 1e-3
BATCHES = 4  # are made beforehand, and gone through again and again
# of each, by turns, so that none is learned by heart: with gradients of nearly 0 the moments become
# denormal numbers, with which processors are many times slower
ANSWERS = 16
STEPS = 2 * BATCHES  # in which all contestants must do the same, and get warm
LIMIT = 20  # seconds for the turns of one workload
KB, MB = 2**10, 2**20

# How many arrays of which size; and how many calls make a turn, so that the caches get warm
ADAM = {
    "Adam 1 x 1k": (1, 1_000, 50),
    "Adam 1 x 100k": (1, 100_000, 10),
    "Adam 1 x 1M": (1, 1_000_000, 3),
    "Adam 1 x 20M": (1, 20_000_000, 1),
    "Adam 200 x 500": (200, 500, 5),
    "Adam 50 x 20k": (50, 20_000, 3),
}
# The widths of the network, the size of a batch, and the calls of a turn
TRAINING = {
    "training 64-64-10 b32": ((64, 64, 10), 32, 20),
    "training 64-128-128-10 b64": ((64, 128, 128, 10), 64, 10),
    "training 784-256-128-10 b128": ((784, 256, 128, 10), 128, 3),
    "training 784-1024-1024-10 b256": ((784, 1024, 1024, 10), 256, 1),
}

# The places of a name, the names of a batch, and the calls of a turn
GPT = {"tiny GPT b64": (12, 64, 2)}
TUTORIAL = Path(__file__).parents[2] / "tutorials" / "tiny_gpt.py"

# The work, the contestant, and how many times as fast as that simplegrad.fast is to be
TARGETS = (
    ("Adam 1 x 1k", "torch", 1.5),
    ("Adam 1 x 1k", "torch foreach", 1.5),
    ("Adam 1 x 1k", "torch fused", 1.5),
    ("Adam 1 x 1M", "simplegrad", 3.5),
    ("Adam 1 x 1M", "torch", 1.3),
    ("Adam 1 x 1M", "torch foreach", 1.2),
    ("Adam 1 x 1M", "torch fused", 0.4),
    ("Adam 1 x 20M", "torch", 1.3),
    ("Adam 1 x 20M", "torch foreach", 1.3),
    ("Adam 200 x 500", "torch", 10),
    ("Adam 200 x 500", "torch foreach", 10),
    ("Adam 200 x 500", "torch fused", 3),
    ("training 64-64-10 b32", "by hand", 0.75),
    ("training 64-64-10 b32", "listing", 0.95),
    ("training 64-64-10 b32", "torch", 4),
    ("training 64-64-10 b32", "jax", 0.8),
    ("training 64-128-128-10 b64", "by hand", 0.8),
    ("training 64-128-128-10 b64", "listing", 0.97),
    ("training 64-128-128-10 b64", "torch", 2.5),
    ("training 64-128-128-10 b64", "jax", 0.8),
    ("training 784-256-128-10 b128", "torch", 1.2),
    ("training 784-256-128-10 b128", "jax", 0.75),
    ("training 784-1024-1024-10 b256", "torch", 0.95),
    ("tiny GPT b64", "simplegrad", 1.5),
    ("tiny GPT b64", "torch", 1.0),
)


def torch_with_threads():
    torch = importlib.import_module("torch")
    torch.set_num_threads(timing.THREADS)
    return torch


# A step of Adam. Each function makes a contestant of values and gradients: a function that takes
# a step, and one that returns the values.


def simplegrad_adam(optimizer, values, gradients, **kwargs):
    params = {f"p{i}": sg.Tensor(theta, requires_grad=True) for i, theta in enumerate(values)}
    for theta, g in zip(params.values(), gradients, strict=True):
        theta.grad = g
    opt = optimizer(lr=LR, param_groups=[{"params": params}], **kwargs)
    return opt.step, lambda: [theta.numpy() for theta in params.values()]


def reference_adam(values, gradients):
    return simplegrad_adam(optimizers.Adam, values, gradients)


def fast_adam(values, gradients):
    return simplegrad_adam(fast.Adam, values, gradients, workers=timing.THREADS)


def torch_adam(values, gradients, **kwargs):
    torch = torch_with_threads()
    params = [torch.nn.Parameter(torch.tensor(theta)) for theta in values]
    for theta, g in zip(params, gradients, strict=True):
        theta.grad = torch.tensor(g)
    opt = torch.optim.Adam(params, lr=LR, **kwargs)
    return opt.step, lambda: [theta.detach().numpy() for theta in params]


def torch_adam_foreach(values, gradients):
    return torch_adam(values, gradients, foreach=True)


def torch_adam_fused(values, gradients):
    return torch_adam(values, gradients, fused=True)


def optax_adam(values, gradients):
    jax, optax = importlib.import_module("jax"), importlib.import_module("optax")
    opt = optax.adam(LR)
    params, g = [[jax.numpy.array(a) for a in arrays] for arrays in (values, gradients)]
    state = opt.init(params)

    def updated(params, state, g):
        updates, state = opt.update(g, state, params)
        return optax.apply_updates(params, updates), state

    updated = jax.jit(updated, donate_argnums=(0, 1))

    def step():
        nonlocal params, state
        params, state = updated(params, state, g)
        params[0].block_until_ready()  # which all are at once

    return step, lambda: params


ADAM_CONTESTANTS = {
    "simplegrad": reference_adam,
    "simplegrad.fast": fast_adam,
    "torch": torch_adam,
    "torch foreach": torch_adam_foreach,
    "torch fused": torch_adam_fused,
    "jax": optax_adam,
}


def adam_case(workload):
    """The values and the gradients."""
    rng = np.random.default_rng(0)
    count, size, _ = ADAM[workload]
    return [[rng.standard_normal(size, np.float32) for _ in range(count)] for _ in range(2)]


def check_adam(contestants):
    """Raises an AssertionError unless all get the same values in a few steps."""
    for step, _ in contestants.values():
        for _ in range(STEPS):
            step()
    (name, (_, expected)), *others = contestants.items()
    for other, (_, values) in others:
        for theta, wanted in zip(values(), expected(), strict=True):
            np.testing.assert_allclose(theta, wanted, atol=1e-5, err_msg=f"{other} and {name}")


# A training step. Each function makes a contestant of weights W, b, W, b, ... and batches of x and
# the right classes: a function that takes a step and returns the loss.


def forever(batches, x_of, y_of):
    """The batches again and again, as a library's arrays; each input is made into one once."""
    inputs = {id(x): x_of(x) for x, _ in batches}
    return itertools.cycle([(inputs[id(x)], y_of(y)) for x, y in batches])


def simplegrad_model(weights):
    layers = []
    for w in weights[::2]:
        layers += [nn.Linear(*w.shape), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for theta, value in zip(model.parameters().values(), weights, strict=True):
        theta.data = value
    return model


def simplegrad_training(weights, batches):
    model = simplegrad_model(weights)
    opt = optimizers.Adam(model=model, lr=LR)
    batches = forever(batches, sg.Tensor, np.array)

    def loss_of_next():
        x, y = next(batches)
        return sg.cross_entropy(model(x), y)

    return timing.training_step(loss_of_next, opt)


def fast_step(weights):
    """A function of x and y that takes a whole step, to be recorded in its first call."""
    model = simplegrad_model(weights)
    opt = fast.Adam(model=model, lr=LR, workers=timing.THREADS)

    @fast.replay
    def step(x, y):
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    return step


def fast_training(weights, batches):
    return with_batches(fast_step(weights), batches)


def with_batches(step, batches):
    """A function that takes the step with the next batch."""
    batches = itertools.cycle(batches)
    return lambda: step(*next(batches))


def listing_training(weights, batches):
    """The listing of the step as a script of its own, into which the batches are copied."""
    step, inputs, script = fast_step(weights), (), {}

    def next_step(x, y):
        nonlocal step, inputs
        if not inputs:  # the first step is the one that is recorded
            loss = step(x, y)
            script.update(run_listing(step.listing()))
            step, inputs = script.get("step") or script["forward"], (script["x"], script["y"])
            return loss
        np.copyto(inputs[0], x)
        np.copyto(inputs[1], y)
        return step()

    return with_batches(next_step, batches)


def run_listing(text):
    """What a listing defines: all but its last lines, which take the first step."""
    script = {}
    exec(compile(text.rsplit("\nprint(", 1)[0], "<listing>", "exec"), script)
    return script


def training_by_hand(weights, batches):
    """The floor: each call of NumPy written by hand, in a row, into arrays made beforehand.

    The gradient of the cross-entropy by the logits is softmax - one-hot, in one piece; gradients
    are not added to zeros but written. Weights, gradients and moments lie side by side. Adam's two
    corrections are numbers of Python, which stand before all of an array.
    """
    ends = np.cumsum([w.size for w in weights])
    theta, g, m, v = np.zeros((4, ends[-1]), np.float32)
    theta[:] = np.concatenate([w.ravel() for w in weights])
    scratch = np.empty(2**16, np.float32)  # fits into a cache, with the same part of the others
    blocks = [
        (*(array[i : i + scratch.size] for array in (theta, g, m, v)), scratch[: ends[-1] - i])
        for i in range(0, ends[-1], scratch.size)
    ]
    theta, g = [
        [part.reshape(w.shape) for part, w in zip(np.split(flat, ends[:-1]), weights, strict=True)]
        for flat in (theta, g)
    ]
    n, classes = len(batches[0][1]), len(theta[-1])
    results = [np.empty((n, b.size), np.float32) for b in theta[1::2]]
    layers = list(zip(theta[::2], theta[1::2], results, strict=True))
    *hidden, (w_last, b_last, p) = layers
    d_results = [np.empty_like(a) for a in results[:-1]]
    masks = [np.empty(a.shape, bool) for a in d_results]
    back = list(zip(theta[2::2], g[2::2], g[3::2], results, d_results, masks, strict=False))[::-1]
    highest, total, start = (
        np.empty((n, 1), np.float32),
        np.empty((n, 1), np.float32),
        classes * np.arange(n),
    )
    picked, total_row, p_flat = np.empty(n, np.float32), total[:, 0], p.reshape(-1)
    right = np.empty(n, np.intp)
    t = 0

    def step(x, y):
        nonlocal t
        a = x
        for w, b, c in hidden:
            np.matmul(a, w, out=c)
            np.add(c, b, out=c)
            np.maximum(c, 0, out=c)
            a = c
        np.matmul(a, w_last, out=p)
        np.add(p, b_last, out=p)
        # loss = log(sum(exp(a))) - a_y, and its derivative (softmax(a) - one_hot) / n
        np.maximum.reduce(p, axis=1, keepdims=True, out=highest)
        np.subtract(p, highest, out=p)
        np.add(start, y, out=right)
        np.take(p_flat, right, out=picked, mode="clip")
        np.exp(p, out=p)
        np.add.reduce(p, axis=1, keepdims=True, out=total)
        np.multiply(total, n, out=highest)
        np.divide(p, highest, out=p)
        p_flat[right] -= 1 / n
        np.log(total, out=total)
        np.subtract(total_row, picked, out=picked)
        loss = np.add.reduce(picked) / n
        # The layers backward
        d = p
        for w, dw, db, a, da, mask in back:
            np.matmul(a.T, d, out=dw)
            np.add.reduce(d, axis=0, out=db)
            np.matmul(d, w.T, out=da)
            np.greater(a, 0, out=mask)
            np.multiply(da, mask, out=da)
            d = da
        np.matmul(x.T, d, out=g[0])
        np.add.reduce(d, axis=0, out=g[1])
        # Adam
        t += 1
        correction = (1 - 0.999**t) ** 0.5
        rate, eps = LR * correction / (1 - 0.9**t), 1e-8 * correction
        for theta, dt, m, v, s in blocks:
            np.multiply(m, 0.9, out=m)
            np.multiply(dt, 1 - 0.9, out=s)
            np.add(m, s, out=m)
            np.multiply(v, 0.999, out=v)
            np.multiply(dt, dt, out=s)
            np.multiply(s, 1 - 0.999, out=s)
            np.add(v, s, out=v)
            np.sqrt(v, out=s)
            np.add(s, eps, out=s)
            np.divide(m, s, out=s)
            np.multiply(s, rate, out=s)
            np.subtract(theta, s, out=theta)
        return loss

    return with_batches(step, batches)


def torch_training(weights, batches, **kwargs):
    torch = torch_with_threads()
    layers = []
    for w in weights[::2]:
        layers += [torch.nn.Linear(*w.shape), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for theta, value in zip(model.parameters(), weights, strict=True):
            theta.copy_(torch.from_numpy(value.T))  # torch stores the transpose
    opt = torch.optim.Adam(model.parameters(), lr=LR, **kwargs)
    batches = forever(batches, torch.tensor, torch.tensor)

    def loss_of_next():
        x, y = next(batches)
        return torch.nn.functional.cross_entropy(model(x), y)

    return timing.training_step(loss_of_next, opt)


def torch_training_fused(weights, batches):
    return torch_training(weights, batches, fused=True)


def jax_training(weights, batches):
    jax, optax = importlib.import_module("jax"), importlib.import_module("optax")
    opt = optax.adam(LR)
    weights = [jax.numpy.array(w) for w in weights]
    state = opt.init(weights)
    batches = forever(batches, jax.numpy.array, jax.numpy.array)

    def loss_of(weights, x, y):
        *hidden, last = zip(weights[::2], weights[1::2], strict=True)
        for w, b in hidden:
            x = jax.nn.relu(x @ w + b)
        w, b = last
        return optax.softmax_cross_entropy_with_integer_labels(x @ w + b, y).mean()

    def updated(weights, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        updates, state = opt.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state, loss

    updated = jax.jit(updated, donate_argnums=(0, 1))

    def step():
        nonlocal weights, state
        weights, state, loss = updated(weights, state, *next(batches))
        return loss.block_until_ready()

    return step


def numpy_adam(weights):
    """A function that takes a step of Adam, for the libraries that have none."""
    m, v = [[np.zeros_like(theta) for theta in weights] for _ in range(2)]
    count = itertools.count(1)

    def step(gradients):
        t = next(count)
        for i, (theta, g) in enumerate(zip(weights, gradients, strict=True)):
            m[i] = 0.9 * m[i] + (1 - 0.9) * g
            v[i] = 0.999 * v[i] + (1 - 0.999) * g**2
            m_hat = m[i] / (1 - 0.9**t)
            v_hat = v[i] / (1 - 0.999**t)
            theta -= LR * m_hat / (np.sqrt(v_hat) + 1e-8)

    return step


def autograd_training(weights, batches):
    value_and_grad = importlib.import_module("autograd").value_and_grad
    anp = importlib.import_module("autograd.numpy")
    weights = [w.copy() for w in weights]
    adam_step = numpy_adam(weights)
    classes = np.eye(len(weights[-1]), dtype=np.float32)
    batches = itertools.cycle([(x, classes[y]) for x, y in batches])

    def loss_of(weights, x, one_hot):
        *hidden, last = zip(weights[::2], weights[1::2], strict=True)
        for w, b in hidden:
            x = anp.maximum(x @ w + b, 0)
        w, b = last
        a = x @ w + b
        a = a - anp.max(a, axis=1, keepdims=True)
        log_p = a - anp.log(anp.sum(anp.exp(a), axis=1, keepdims=True))
        return -anp.sum(log_p * one_hot) / len(one_hot)

    loss_and_gradients_of = value_and_grad(loss_of)

    def step():
        loss, gradients = loss_and_gradients_of(weights, *next(batches))
        adam_step(gradients)
        return loss

    return step


def mygrad_training(weights, batches):
    mg = importlib.import_module("mygrad")
    relu = importlib.import_module("mygrad.nnet.activations").relu
    cross_entropy = importlib.import_module("mygrad.nnet.losses").softmax_crossentropy
    weights = [mg.tensor(w) for w in weights]
    adam_step = numpy_adam([w.data for w in weights])
    batches = itertools.cycle(batches)

    def step():
        x, y = next(batches)
        *hidden, last = zip(weights[::2], weights[1::2], strict=True)
        for w, b in hidden:
            x = relu(mg.matmul(x, w) + b)
        w, b = last
        loss = cross_entropy(mg.matmul(x, w) + b, y)
        loss.backward()
        adam_step([w.grad for w in weights])
        for w in weights:
            w.null_grad()
        return loss

    return step


TRAINING_CONTESTANTS = {
    "simplegrad": simplegrad_training,
    "simplegrad.fast": fast_training,
    "by hand": training_by_hand,
    "listing": listing_training,
    "torch": torch_training,
    "torch fused": torch_training_fused,
    "jax": jax_training,
    "autograd": autograd_training,
    "mygrad": mygrad_training,
}


def training_case(workload):
    widths, batch, _ = TRAINING[workload]
    return case_of(widths, batch)


def case_of(widths, batch):
    """The weights, and the batches."""
    rng = np.random.default_rng(0)
    weights = []
    for n_in, n_out in itertools.pairwise(widths):
        for shape in (n_in, n_out), (n_out,):
            weights.append(rng.uniform(-(n_in**-0.5), n_in**-0.5, shape).astype(np.float32))
    x = list(rng.standard_normal((BATCHES, batch, widths[0]), np.float32))
    y = rng.integers(0, widths[-1], (ANSWERS, BATCHES, batch))
    return weights, [pair for answers in y for pair in zip(x, answers, strict=True)]


def check_training(contestants):
    """Raises an AssertionError unless all have the same losses in a few steps."""
    losses = {name: [step().item() for _ in range(STEPS)] for name, step in contestants.items()}
    (name, expected), *others = losses.items()
    for other, values in others:
        np.testing.assert_allclose(values, expected, rtol=1e-3, err_msg=f"{other} and {name}")


# A step of the tiny GPT. Each function makes a contestant of values by the names of the tutorial's
# parameters, and batches of x, y and m.

WEIGHT_DECAY = 0.1


def tutorial_of(places):
    """The classes and functions of the tutorial's model, for names of so many places."""
    wanted = ("Embed", "MLP", "Block", "GPT", "loss_of")
    nodes = [
        node
        for node in ast.parse(TUTORIAL.read_text(encoding="utf-8")).body
        if getattr(node, "name", None) in wanted
    ]
    names = {"np": np, "sg": sg, "nn": nn, "T": places}
    exec(compile(ast.Module(nodes, []), TUTORIAL, "exec"), names)
    return names


def simplegrad_gpt(values, batches):
    """A function of x, y and m that takes a step, with the in-place optimizer, but not recorded."""
    names = tutorial_of(batches[0][0].shape[1])
    model, loss_of = names["GPT"](C=48, H=4, blocks=2), names["loss_of"]
    for name, theta in model.parameters().items():
        theta.data = values[name].copy()
    opt = fast.AdamW(model, lr=LR, weight_decay=WEIGHT_DECAY, workers=timing.THREADS)

    def step(x, y, m):
        loss = loss_of(sg.log_softmax(model(x)), y, m)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    return step


def eager_gpt(values, batches):
    return with_batches(simplegrad_gpt(values, batches), batches)


def fast_gpt(values, batches):
    return with_batches(fast.replay(simplegrad_gpt(values, batches)), batches)


def torch_gpt(values, batches, **kwargs):
    """The same net: Linear, layer norm, GELU and softmax are PyTorch's, which has one call each."""
    torch = torch_with_threads()
    F = torch.nn.functional
    p = {}
    for name, value in values.items():  # torch stores the transpose of the matrix of a layer
        is_matrix = value.ndim == 2 and "embed" not in name
        p[name] = torch.nn.Parameter(torch.tensor(value.T.copy() if is_matrix else value))
    opt = torch.optim.AdamW(p.values(), lr=LR, weight_decay=WEIGHT_DECAY, **kwargs)
    places = batches[0][0].shape[1]
    future = torch.ones(places, places, dtype=torch.bool).triu(1)
    C = values["norm.weight"].size

    def norm(h, at):
        return F.layer_norm(h, (C,), p[f"{at}.weight"], p[f"{at}.bias"])

    def linear(h, at):
        return F.linear(h, p[f"{at}.weight"], p.get(f"{at}.bias"))

    def attention(h, at):
        names = ("q_proj", "k_proj", "v_proj")
        in_heads = [linear(h, f"{at}.{name}").unflatten(-1, (4, -1)) for name in names]
        q, k, v = [each.transpose(1, 2) for each in in_heads]
        S = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(future, -torch.inf)
        heads = torch.softmax(S, -1) @ v
        return linear(heads.transpose(1, 2).flatten(2), f"{at}.out_proj")

    def block(h, at):
        u = h + attention(norm(h, f"{at}.norm_1"), f"{at}.attention")
        wide = linear(norm(u, f"{at}.norm_2"), f"{at}.mlp.widen")
        return u + linear(F.gelu(wide, approximate="tanh"), f"{at}.mlp.narrow")

    batches = itertools.cycle([[torch.tensor(a) for a in batch] for batch in batches])

    def loss_of_next():
        x, y, m = next(batches)
        h = F.embedding(x, p["embed.token.weight"]) + p["embed.place.weight"]
        for i in range(2):
            h = block(h, f"blocks.{i}")
        log_P = torch.log_softmax(linear(norm(h, "norm"), "logits"), -1)
        log_p = log_P.gather(-1, y[..., None])[..., 0]
        return -(m * log_p).sum() / m.sum()

    return timing.training_step(loss_of_next, opt)


def torch_gpt_fused(values, batches):
    return torch_gpt(values, batches, fused=True)


GPT_CONTESTANTS = {
    "simplegrad": eager_gpt,
    "simplegrad.fast": fast_gpt,
    "torch": torch_gpt,
    "torch fused": torch_gpt_fused,
}


def gpt_case(workload):
    places, batch, _ = GPT[workload]
    return gpt_case_of(places, batch)


def gpt_case_of(places, batch):
    """The values by name, and the batches: random letters for names of random lengths."""
    sg.manual_seed(0)
    model = tutorial_of(places)["GPT"](C=48, H=4, blocks=2)
    rng = np.random.default_rng(0)
    x = list(rng.integers(0, 27, (BATCHES, batch, places)))
    y = rng.integers(0, 27, (ANSWERS, BATCHES, batch, places))
    m = (np.arange(places) <= rng.integers(2, places, (BATCHES, batch, 1))).astype(np.float32)
    values = {name: theta.numpy().copy() for name, theta in model.parameters().items()}
    return values, [three for answers in y for three in zip(x, answers, m, strict=True)]


# All work: the kinds of it, what makes a case of each, who takes part, and what checks them
KINDS = (
    (ADAM, adam_case, ADAM_CONTESTANTS, check_adam),
    (TRAINING, training_case, TRAINING_CONTESTANTS, check_training),
    (GPT, gpt_case, GPT_CONTESTANTS, check_training),
)
WORK = {
    workload: (calls[-1], *kind)
    for calls_of, *kind in KINDS
    for workload, calls in calls_of.items()
}


# Time


def made(makers, case):
    """The contestants whose libraries are installed; and what is missing for the others."""
    contestants, missing = {}, {}
    for name, make in makers.items():
        try:
            contestants[name] = make(*case)
        except ModuleNotFoundError as error:
            missing[name] = error.name
    return contestants, missing


def times_of(workload, repeats):
    """The median time of each contestant by name, and what is missing for the others."""
    calls, case, makers, check = WORK[workload]
    contestants, missing = made(makers, case(workload))
    check(contestants)
    steps = [step_of(contestant) for contestant in contestants.values()]
    gc.collect()
    gc.freeze()  # or a collection goes through the objects of all
    medians = timing.interleaved(steps, repeats, calls, LIMIT)
    gc.unfreeze()
    return dict(zip(contestants, medians, strict=True)), missing


# Memory, of simplegrad


def peak_memory(make, case):
    """The most that a contestant holds: until it has taken its first steps, and in later ones."""
    gc.collect()
    tracemalloc.start()
    step = step_of(make(*case))
    peaks = []
    for _ in range(2):
        for _ in range(STEPS):
            step()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
    tracemalloc.stop()
    return peaks


def step_of(contestant):
    return contestant[0] if isinstance(contestant, tuple) else contestant


def allocations(step):
    """Where a step allocates 1 KB or more at once: how often, by file and line.

    Python is asked to say before each of its instructions how much memory is in use, and how much
    was at most since the one before. So this sees what is freed at once, too.
    """
    found = collections.Counter()
    place, size = "", 0

    def trace(frame, event, arg):
        nonlocal place, size
        if tracemalloc.get_traced_memory()[1] - size >= KB:
            found[place] += 1
        frame.f_trace_opcodes = True
        place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        tracemalloc.reset_peak()
        size = tracemalloc.get_traced_memory()[0]
        return trace

    tracemalloc.start()
    before = sys.gettrace()
    for _ in range(2):  # the first time, the tracing itself allocates
        found.clear()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        sys.settrace(trace)
        step()
        sys.settrace(before)
    tracemalloc.stop()
    return found


def memory_of(workload):
    """What is needed; of the reference and of fast, the peaks of memory and the allocations."""
    _, case, makers, _ = WORK[workload]
    case = case(workload)
    values = case[0].values() if workload in GPT else case[0]
    needed = 4 * sum(a.nbytes for a in values)  # values, gradients and two moments
    peaks, places = [], []
    for name in "simplegrad", "simplegrad.fast":
        peaks.append(peak_memory(makers[name], case))
        step = step_of(makers[name](*case))
        for _ in range(STEPS):
            step()
        places.append(allocations(step))
    return needed, peaks, places


# What is printed, and drawn


def facts():
    """The machine and the versions, in a line."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
        cpu = models[0] if models else cpu
    versions = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    for name in "torch", "jax", "optax", "autograd", "mygrad":
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} missing")
    threads = f"{timing.THREADS} thread{'s' * (timing.THREADS > 1)} each"
    return f"{cpu}, {os.cpu_count()} cores; {', '.join(versions)}; {threads}"


def in_units(seconds):
    value, unit = (seconds * 1e6, "µs") if seconds < 1e-3 else (seconds * 1e3, "ms")
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def time_table(times, names):
    """A row for each workload: times, and how many times as fast simplegrad.fast is."""
    rows = []
    for workload, row in times.items():
        cells = []
        for name in names:
            if name not in row:
                cells.append("missing")
            elif name == "simplegrad.fast":
                cells.append(f"**{in_units(row[name])}**")
            else:
                cells.append(f"{in_units(row[name])} ({row[name] / row['simplegrad.fast']:.2f}x)")
        rows.append([workload, *cells])
    return timing.table(["work", *names], *rows)


def memory_table(memory):
    rows = []
    for workload, (needed, peaks, places) in memory.items():
        row = [workload, f"{needed / MB:.2f}"]
        row += [f"{first / MB:.2f}, {later / MB:.2f}" for first, later in peaks]
        row += [str(sum(found.values())) for found in places]
        rows.append([*row, ", ".join(f"`{place}` ({n})" for place, n in places[1].most_common(4))])
    header = ["work", "needed, MB", "simplegrad: peaks, MB", "simplegrad.fast: peaks, MB"]
    header += ["simplegrad: allocations", "simplegrad.fast: allocations", "most of fast's are in"]
    return timing.table(header, *rows)


def measured_targets(times):
    """Workload, contestant, what is wanted and what was measured, where both took part."""
    return [
        (workload, name, wanted, times[workload][name] / times[workload]["simplegrad.fast"])
        for workload, name, wanted in TARGETS
        if name in times.get(workload, {})
    ]


def target_table(times):
    rows = [
        (workload, name, f"{wanted}x", f"{measured:.2f}x", "yes" if measured >= wanted else "no")
        for workload, name, wanted, measured in measured_targets(times)
    ]
    return timing.table(["work", "against", "wanted, at least", "measured", "reached"], *rows)


def missed(times, memory):
    """The figures that are not reached, in words."""
    texts = [
        f"{workload} against {name}: {measured:.2f}x, not {wanted}x"
        for workload, name, wanted, measured in measured_targets(times)
        if measured < wanted
    ]
    texts += [
        f"{workload} against {name}: not measured"
        for workload, name, _ in TARGETS
        if name not in times.get(workload, {name})
    ]
    for workload, (needed, (_, (first, later)), (_, found)) in memory.items():
        if workload not in ADAM:
            continue
        for when, peak in ("at first", first), ("in later steps", later):
            if peak > 1.05 * needed + 4 * MB:
                texts.append(f"{workload}: {(peak - needed) / MB:.1f} MB over the needed, {when}")
        if found:
            texts.append(f"{workload}: step() allocates in {', '.join(found)}")
    return texts


def report(times, memory, missing):
    adam = {workload: row for workload, row in times.items() if workload in ADAM}
    training = {workload: row for workload, row in times.items() if workload in TRAINING}
    gpt = {workload: row for workload, row in times.items() if workload in GPT}
    parts = [facts()]
    if missing:
        parts.append(f"Not installed: {', '.join(sorted(set(missing.values())))}.")
    parts.append(
        "Medians of one process in which the contestants take turns, all float32. A turn is 50 "
        "calls in a row where one takes microseconds, so that caches are warm, down to 1 where it "
        "takes milliseconds. In brackets: how many times as fast simplegrad.fast is."
    )
    if adam:
        parts += ["## A step of Adam", time_table(adam, ADAM_CONTESTANTS)]
        parts.append(
            "`torch` is torch.optim.Adam as it comes, which is a loop over the tensors on a CPU: "
            "PyTorch chooses foreach by itself on other devices only. `jax` is optax.adam under "
            "jax.jit, its buffers donated."
        )
    if training:
        parts += ["## A training step", time_table(training, TRAINING_CONTESTANTS)]
        parts.append(
            "Forward through a ReLU network, cross-entropy, backward, Adam, zero_grad, which "
            "simplegrad.fast records as one. `by hand` is the floor: the calls of NumPy that a "
            "person writes, in a row and into arrays made beforehand. `listing` is the listing of "
            "the recorded step, run as a script. `torch` is "
            "PyTorch eager with its Adam as it comes. `jax` is one jax.jit over all of it, with "
            "optax.adam, its buffers donated. autograd and mygrad have an Adam in plain NumPy."
        )
    if gpt:
        parts += ["## A step of the tiny GPT", time_table(gpt, GPT_CONTESTANTS)]
        parts.append(
            "The model of the tutorial A tiny GPT, with AdamW. `simplegrad` "
            "is the step with fast.AdamW and without replay. `torch` has one call for each Linear, "
            "layer norm, GELU and softmax, and all heads in one product, as `simplegrad`."
        )
    parts += ["## Memory", memory_table(memory)]
    parts.append(
        "Needed are values, gradients and two moments; a training step also holds activations and "
        f"batches. Peaks are those of tracemalloc: the first until {STEPS} steps are done, the "
        f"making of tensors and optimizer included, the second in the next {STEPS}. An allocation "
        "is an instruction of Python in which 1 KB or more was allocated: an array or not, and "
        "NumPy's own buffers, too, which it takes where it broadcasts or casts. Those of one later "
        "step are counted, with the lines that they are in."
    )
    return "\n\n".join(parts) + "\n"


COLOURS = {
    "simplegrad.fast": "#0057b8",
    "simplegrad": "#8fb8e8",
    "by hand": "#495057",
    "listing": "#5f3dc4",
    "torch": "#d9480f",
    "torch foreach": "#f08c4a",
    "torch fused": "#f7c59f",
    "jax": "#2b8a3e",
    "autograd": "#868e96",
    "mygrad": "#ced4da",
}


def draw_panel(ax, times, baseline):
    """Bars that begin at 1 and end at how many times as fast as the baseline a contestant is."""
    y, ticks, ratios = 0, [], []
    for workload, row in times.items():
        names = [name for name in COLOURS if name in row]
        ticks.append((y + (len(names) - 1) / 2, workload.partition(" ")[2]))
        for name in names:
            ratio = row[baseline] / row[name]
            ax.barh(y, ratio - 1, left=1, color=COLOURS[name], height=0.85)
            ax.annotate(
                f"{ratio:.2f}x  {in_units(row[name])}",
                (ratio, y),
                xytext=(4 if ratio >= 1 else -4, 0),
                textcoords="offset points",
                ha="left" if ratio >= 1 else "right",
                va="center",
                fontsize=9,
                weight="bold" if name == "simplegrad.fast" else "normal",
            )
            ratios.append(ratio)
            y += 1
        y += 1
    low, high = min(ratios), max(ratios)
    room = (high / low) ** 0.3  # for the numbers at the ends of the bars
    marks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
    ax.set_xscale("log")
    ax.set_xticks(marks, [f"{mark:g}" for mark in marks])
    ax.set_xticks([], minor=True)
    ax.set_xlim(low / room, high * room)
    ax.set_yticks(*zip(*ticks, strict=True))
    ax.tick_params("y", length=0)
    ax.set_ylim(y - 1, -1)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def draw(times, path):
    plt = importlib.import_module("matplotlib.pyplot")
    panels = []
    for title, workloads, unit, baseline, what in (
        ("A step of Adam", ADAM, "tensors x elements of each", "simplegrad", "optimizers.Adam"),
        ("A training step", TRAINING | GPT, "the network, batch", "torch", "PyTorch eager"),
    ):
        chosen = {name: row for name, row in times.items() if name in workloads and baseline in row}
        if chosen:
            panels.append((title, chosen, unit, baseline, what))
    if not panels:
        return
    figure, axes = plt.subplots(
        len(panels), 1, squeeze=False, figsize=(9, 7.5 * len(panels)), layout="constrained"
    )
    for ax, (title, chosen, unit, baseline, what) in zip(axes[:, 0], panels, strict=True):
        draw_panel(ax, chosen, baseline)
        ax.set_title(title)
        ax.set_xlabel(f"times as fast as {what} (logarithmic; right is faster)")
        ax.set_ylabel(unit)
    shown = [name for name in COLOURS if any(name in row for row in times.values())]
    bars = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[name]) for name in shown]
    figure.legend(bars, shown, loc="outside upper center", ncols=4, frameon=False)
    figure.supxlabel(facts(), fontsize=6.5)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200, help="how many turns, at most")
    parser.add_argument("--threads", type=int, default=1, help="of each contestant")
    parser.add_argument("--only", default="", help='workloads with this in their names: "1 x 1M"')
    parser.add_argument("--out", type=Path, help="a folder for fast.md and fast.png")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is missed")
    args = parser.parse_args()
    workloads = [name for name in WORK if args.only in name]
    if not workloads:
        parser.error(f"no workload has {args.only!r} in its name: {', '.join(WORK)}")

    times, memory, missing = {}, {}, {}
    for workload in workloads:
        times[workload], without = times_of(workload, args.repeats)
        missing |= without
        memory[workload] = memory_of(workload)
    text = report(times, memory, missing)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "fast.md").write_text(text, encoding="utf-8")
        try:
            draw(times, args.out / "fast.png")
        except ModuleNotFoundError as error:
            print(f"No plot: {error.name} is not installed.")
    if args.check:
        print(target_table(times))
        if texts := missed(times, memory):
            sys.exit("missed:\n" + "\n".join(texts))


if __name__ == "__main__":
    main()
