"""simplegrad beside others, in one process: a step, two gradients, a long chain, the import.

Run it as `python tests/benchmarks/eager.py [--repeats N] [--check]`. It prints a Markdown table.
"""

import argparse
import importlib
import os
import platform
import subprocess
import sys
import tempfile

sys.path.append(os.path.dirname(__file__))  # where it is for a script; pytest imports it, too
import timing

if __name__ == "__main__":
    timing.limit_threads()

import numpy as np

import simplegrad as sg
from simplegrad import nn, optimizers

IN, HIDDEN, OUT, BATCH = 64, 64, 10, 32


def torch_or_none():
    """PyTorch with one thread, if it is installed."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    return torch


# The training step: forward, cross-entropy, backward, Adam, zero_grad


def simplegrad_step(weights, x, y):
    model = nn.Sequential(nn.Linear(IN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT))
    for theta, values in zip(model.parameters().values(), weights, strict=True):
        theta.data = values
    opt = optimizers.Adam(model=model, lr=1e-3)
    x = sg.Tensor(x)

    return timing.training_step(lambda: sg.cross_entropy(model(x), y), opt)


def torch_step(torch, weights, x, y):
    model = torch.nn.Sequential(
        torch.nn.Linear(IN, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, OUT)
    )
    with torch.no_grad():
        for theta, values in zip(model.parameters(), weights, strict=True):
            theta.copy_(torch.from_numpy(values.T))  # torch stores the transpose
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    return timing.training_step(lambda: torch.nn.functional.cross_entropy(model(x), y), opt)


def training_step(torch, repeats):
    """The median times of a step, of simplegrad and of PyTorch (None if there is none)."""
    rng = np.random.default_rng(0)
    shapes = (IN, HIDDEN), (HIDDEN,), (HIDDEN, OUT), (OUT,)
    weights = [rng.uniform(-0.125, 0.125, shape).astype(np.float32) for shape in shapes]
    x = rng.normal(size=(BATCH, IN)).astype(np.float32)
    y = rng.integers(0, OUT, BATCH)
    ours = simplegrad_step(weights, x, y)
    if torch is None:
        return *timing.interleaved([ours], repeats, calls=10), None
    theirs = torch_step(torch, weights, x, y)
    for _ in range(20):  # both do the same work; and both are warm after it
        np.testing.assert_allclose(ours().item(), theirs().item(), rtol=1e-4)
    return timing.interleaved([ours, theirs], repeats, calls=10)  # of 10, so that caches are warm


# Gradients of one operation: a leaf, the operation and its backward


def gradient(leaf, operation, dc):
    """A function that gives the leaf a new gradient, in either library."""

    def compute():
        leaf.grad = None
        operation(leaf).backward(dc)
        return leaf.grad

    return compute


def operation(torch, repeats, array, of_ours, of_theirs):
    """The median times of an operation of `array` with its backward; None if there is no torch."""
    ours = sg.Tensor(array, requires_grad=True)
    dc = np.random.default_rng(1).normal(size=of_ours(ours).shape).astype(array.dtype)
    ours = gradient(ours, of_ours, dc)
    if torch is None:
        return *timing.interleaved([ours], repeats, calls=10), None
    theirs = gradient(torch.tensor(array, requires_grad=True), of_theirs, torch.from_numpy(dc))
    for _ in range(20):
        np.testing.assert_allclose(ours(), theirs().numpy(), rtol=1e-4, atol=1e-4)
    return timing.interleaved([ours, theirs], repeats, calls=10)


def slice_of_rows(torch, repeats):
    """`t[:, 64:192]` of (256, 256)."""
    array = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    return operation(torch, repeats, array, lambda t: t[:, 64:192], lambda t: t[:, 64:192])


def batch_by_matrix(torch, repeats):
    """`x @ w` of x (32, 16, 64), which needs no gradient, and w (64, 256)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 16, 64)).astype(np.float32)
    w = rng.normal(size=(64, 256)).astype(np.float32)
    ours, theirs = sg.Tensor(x), None if torch is None else torch.from_numpy(x)
    return operation(torch, repeats, w, lambda w: ours @ w, lambda w: theirs @ w)


# The chain


def chain_of(length):
    """x + 1 + 1 + ..., with `length` additions."""
    c = sg.Tensor(0.0, requires_grad=True)
    for _ in range(length):
        c = c + 1.0
    return c


def chain(lengths, rounds=9):
    """The median times of backward, per node, for chains of these lengths."""
    limit = sys.getrecursionlimit()
    chains = [chain_of(length) for length in lengths]
    times = timing.interleaved([c.backward for c in chains], rounds)
    assert sys.getrecursionlimit() == limit < min(lengths)
    return [t / length for t, length in zip(times, lengths, strict=True)]


# The import


def import_time(rounds=15):
    """The median times of an interpreter that imports NumPy, and of one that imports simplegrad."""

    with tempfile.TemporaryDirectory() as cache:  # both are compiled once, as for any user
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(code):
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)

        functions = [lambda: run("import numpy"), lambda: run("import numpy, simplegrad")]
        timing.interleaved(functions, 1)
        return timing.interleaved(functions, rounds)


def beside_torch(what, ours, theirs):
    """A row of the table: a time of ours and one of torch, which may be missing."""
    if theirs is None:
        return [what, f"simplegrad {ours * 1e6:.0f} µs, torch missing", ""]
    times = f"simplegrad {ours * 1e6:.0f} µs, torch {theirs * 1e6:.0f} µs"
    return [what, times, f"{ours / theirs:.2f} of torch's time"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=300, help="of ten training steps")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is bad")
    args = parser.parse_args()

    torch = torch_or_none()
    ours, theirs = training_step(torch, args.repeats)
    of_slice = slice_of_rows(torch, args.repeats)
    of_batch = batch_by_matrix(torch, args.repeats)
    short, long = chain([10_000, 100_000])
    numpy_alone, both = import_time()

    torch_version = f"torch {torch.__version__}" if torch else "torch missing"
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {torch_version}, 1 thread")
    print()
    print(
        timing.table(
            ["what", "contestants", "ratio"],
            beside_torch(f"training step, {IN}-{HIDDEN}-{OUT}, batch {BATCH}", ours, theirs),
            beside_torch("slice [:, 64:192] of (256, 256), and backward", *of_slice),
            beside_torch("(32, 16, 64) @ (64, 256), and backward", *of_batch),
            [
                "backward of a chain, per node",
                f"10,000: {short * 1e6:.2f} µs, 100,000: {long * 1e6:.2f} µs",
                f"{long / short:.2f} (linear: 1)",
            ],
            [
                "import",
                f"numpy {numpy_alone * 1e3:.0f} ms, with simplegrad {both * 1e3:.0f} ms",
                f"{(both - numpy_alone) * 1e3:+.1f} ms",
            ],
        )
    )

    bad = {
        "the training step is slower than torch's": torch is not None and ours > theirs,
        "a node of a long chain takes more than twice the time": long > 2 * short,
        "the import takes more than 30 ms": both - numpy_alone > 0.030,
    }
    if args.check and any(bad.values()):
        sys.exit("bad: " + "; ".join(text for text, is_so in bad.items() if is_so))


if __name__ == "__main__":
    main()
