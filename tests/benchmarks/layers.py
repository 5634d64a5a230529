"""Layers beside PyTorch, in one process: forward and backward of a LeNet, norms, a GRU, attention.

Run it as `python tests/benchmarks/layers.py [--repeats N]`. It prints a Markdown table.
"""

import argparse
import importlib
import os
import platform
import sys

sys.path.append(os.path.dirname(__file__))  # where it is for a script; pytest imports it, too
import timing

if __name__ == "__main__":
    timing.limit_threads()

import numpy as np

import simplegrad as sg
from simplegrad import fast, nn


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def lenet(nn):
    """A LeNet, in either library: they have the same names."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def heads(nn):
    """Attention of 4 heads over themselves, made of PyTorch's parts."""
    torch = importlib.import_module("torch")

    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.out = (nn.Linear(64, 64) for _ in range(4))

        def forward(self, x):
            q, k, v = (
                layer(x).unflatten(-1, (4, 16)).transpose(1, 2)
                for layer in (self.q, self.k, self.v)
            )
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).flatten(2))

    return Heads()


class SelfAttention(nn.Module):
    def __init__(self):
        self.attention = nn.MultiHeadAttention(64, 4)

    def forward(self, x):
        return self.attention(x, x, x, is_causal=True)


# The work: what makes a model of each library, and its input
WORK = {
    "GRU, 64 steps, 32 sequences of 32 features, 64 hidden": (
        lambda nn: nn.GRU(32, 64),
        lambda nn: nn.GRU(32, 64),
        (64, 32, 32),
    ),
    "attention, 16 sequences of 64 places, 64 features, 4 heads": (
        lambda nn: SelfAttention(),
        heads,
        (16, 64, 64),
    ),
    "LeNet, 64 images of 28 x 28": (lenet, lenet, (64, 1, 28, 28)),
    "LayerNorm of (64, 256)": (
        lambda nn: nn.LayerNorm(256),
        lambda nn: nn.LayerNorm(256),
        (64, 256),
    ),
    "BatchNorm of (64, 256)": (
        lambda nn: nn.BatchNorm(256),
        lambda nn: nn.BatchNorm1d(256),
        (64, 256),
    ),
    "BatchNorm of (64, 16, 14, 14)": (
        lambda nn: nn.BatchNorm(16),
        lambda nn: nn.BatchNorm2d(16),
        (64, 16, 14, 14),
    ),
}


def contestants(torch, ours, theirs, shape):
    """A step of each: gradients of the parameters by the sum of the squares of the result."""
    x, model, other = numbers(*shape), ours(nn), theirs(torch.nn)
    x_theirs, parameters = torch.from_numpy(x), model.parameters().values()
    for theta, values in zip(parameters, other.parameters(), strict=True):
        values = values.detach().numpy()
        theta.data = values.T if values.shape != theta.shape or values.ndim == 2 else values

    def result_of(model, x):
        y = model(x)
        return y[0] if isinstance(y, tuple) else y  # a GRU returns its last state, too

    def loss_of(x):
        return (result_of(model, x) ** 2).sum()

    replayed = fast.replay(loss_of)
    x_ours = sg.Tensor(x)

    def step(loss_of):
        for theta in parameters:
            theta.zero_grad()
        loss = loss_of(x_ours)
        loss.backward()
        return loss

    def step_of_torch():
        other.zero_grad()
        loss = (result_of(other, x_theirs) ** 2).sum()
        loss.backward()
        return loss

    return [lambda: step(loss_of), lambda: step(replayed), step_of_torch]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    rows = []
    for what, work in WORK.items():
        steps = contestants(torch, *work)
        for _ in range(3):
            losses = [step().item() for step in steps]
            np.testing.assert_allclose(losses, losses[-1], rtol=1e-3)
        times = timing.interleaved(steps, args.repeats, calls=5, limit=30)
        ratios = [f"{t / times[-1]:.2f}" for t in times[:-1]]
        rows.append([what, *ratios, f"{times[-1] * 1e3:.2f} ms"])
    versions = f"NumPy {np.__version__}, torch {torch.__version__}"
    print(f"Python {platform.python_version()}, {versions}, 1 thread")
    print()
    header = ["forward and backward", "simplegrad / torch", "under fast.replay / torch", "torch"]
    print(timing.table(header, *rows))


if __name__ == "__main__":
    main()
