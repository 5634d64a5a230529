"""How the cost of a training step grows with the batch, the width, the depth and the sequence.

Run it as `python tests/benchmarks/growth.py [--only NAME] [--limit SECONDS]`. It prints a table:
time as a multiple of the matrix products alone, and peak memory as a multiple of parameters,
moments and the results of the forward pass. Each is measured for the readable core, for the whole
step of simplegrad.fast and for PyTorch. Memory is that of a process, one for each figure, and needs
Linux.
"""

import argparse
import copy
import gc
import itertools
import multiprocessing
import os
import re
import sys
from pathlib import Path

sys.path.append(os.path.dirname(__file__))  # where it is for a script; pytest imports it, too
import timing

if __name__ == "__main__":
    timing.limit_threads()

import fast as bench
import numpy as np

import simplegrad as sg
from simplegrad import autograd

MB = 2**20
MLP = {"batch": 128, "width": 256, "depth": 4}  # what is not said otherwise; 10 classes
GROWTH = (
    *({"batch": n} for n in (32, 128, 512, 2048, 4096)),
    *({"width": n} for n in (64, 256, 1024, 2048)),
    *({"depth": n} for n in (2, 8, 32, 64)),
    *({"sequence": n} for n in (16, 64, 128, 256)),
)
NAMES = 16  # a batch of the tiny GPT
CONTESTANTS = ("simplegrad", "simplegrad.fast", "torch")


def case_of(size):
    """The makers of contestants, what they are made of, and the sizes of the matrix products."""
    if "sequence" in size:
        (places,) = size.values()
        rows, heads, C, d_k = NAMES * places, NAMES * 4, 48, 12
        layers = [*4 * [(C, C)], (C, 4 * C), (4 * C, C)]  # of a block
        attention = [(heads, places, d_k, places), (heads, places, places, d_k)]
        of_block = [*((1, rows, *layer) for layer in layers), *attention]
        return (
            bench.GPT_CONTESTANTS,
            bench.gpt_case_of(places, NAMES),
            [*2 * of_block, (1, rows, C, 27)],
        )
    batch, width, depth = (MLP | size).values()
    widths = (*depth * [width], 10)
    products = [(1, batch, *pair) for pair in itertools.pairwise(widths)]
    return bench.TRAINING_CONTESTANTS, bench.case_of(widths, batch), products


def products_alone(sizes, is_first_an_input):
    """A function that makes the matrix products of a step, forward and backward, and no more."""
    calls = []
    for number, (count, n, k, m) in enumerate(sizes):
        a, b, c = [np.zeros((count, *shape), np.float32) for shape in ((n, k), (k, m), (n, m))]
        if count == 1:
            a, b, c = a[0], b[0], c[0]
        da, db = np.empty_like(a), np.empty_like(b)
        calls += [(a, b, c), (a.mT, c, db)]
        if number or not is_first_an_input:
            calls.append((c, b.mT, da))

    def step():
        for a, b, c in calls:
            np.matmul(a, b, out=c)

    return step


def times_of(size, limit):
    """The time of the products alone, and of each contestant."""
    makers, case, products = case_of(size)
    steps = {name: makers[name](*case) for name in CONTESTANTS}
    bench.check_training(steps)
    steps = {"products": products_alone(products, "sequence" not in size), **steps}
    gc.collect()
    gc.freeze()
    medians = timing.interleaved(list(steps.values()), 200, limit=limit)
    gc.unfreeze()
    return dict(zip(steps, medians, strict=True))


def needed(size):
    """The bytes of parameters and two moments, and of all results of the forward pass."""
    makers, case, _ = case_of(size)
    values = case[0].values() if "sequence" in size else case[0]
    roots, backward = {}, sg.Tensor.backward

    def backward_of(loss, *args):
        for t in autograd.tape_of(loss):
            root = t.data
            while isinstance(root.base, np.ndarray):
                root = root.base
            if t.rule is not None and root.size >= t.size:
                roots[id(root)] = root
        backward(loss, *args)

    sg.Tensor.backward = backward_of
    makers["simplegrad"](*case)()
    sg.Tensor.backward = backward
    return 3 * sum(a.nbytes for a in values), sum(root.nbytes for root in roots.values())


def memory(key):
    """A figure of this process, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+) kB", text)[1]) * 1024


def peak_of(name, size, small, pipe):
    """Sends the most memory that a contestant has held in its first steps."""
    makers, case, _ = case_of(small)
    step = makers[name](*case)  # so that what the library itself needs is there
    step(), step()
    makers, (values, batches), _ = case_of(size)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from now on
    step = makers[name](copy.deepcopy(values), batches)
    for _ in range(3):
        step()
    pipe.send(memory("VmHWM") - before)


def peaks_of(size):
    """The peak of each contestant, measured in a process of its own."""
    small = {"sequence": 4} if "sequence" in size else {"batch": 4, "width": 8, "depth": 2}
    context, peaks = multiprocessing.get_context("spawn"), {}
    for name in CONTESTANTS:
        ours, theirs = context.Pipe()
        process = context.Process(target=peak_of, args=(name, size, small, theirs))
        process.start()
        theirs.close()
        peaks[name] = ours.recv()
        process.join()
    return peaks


def row_of(size, limit):
    times, (parameters, activations), peaks = times_of(size, limit), needed(size), peaks_of(size)
    cells = [" ".join(f"{key} {value:,}" for key, value in size.items())]
    cells.append(bench.in_units(times["products"]))
    cells += [f"{times[name] / times['products']:.2f}" for name in CONTESTANTS]
    cells.append(f"{parameters / MB:.1f} + {activations / MB:.1f}")
    if parameters + activations < MB:  # a process does not tell so little from what else it holds
        return cells + len(CONTESTANTS) * ["-"]
    return cells + [f"{peaks[name] / (parameters + activations):.2f}" for name in CONTESTANTS]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of each contestant")
    parser.add_argument("--only", default="", help="what grows: batch, width, depth or sequence")
    parser.add_argument("--limit", type=float, default=5, help="seconds for the turns of a row")
    args = parser.parse_args()
    rows = [row_of(size, args.limit) for size in GROWTH if args.only in size or not args.only]
    of = [f"{name}: {what}" for what in ("time", "memory") for name in CONTESTANTS]
    header = ["size", "products alone", *of[:3], "needed, MB", *of[3:]]
    print(bench.facts(), timing.table(header, *rows), sep="\n\n")


if __name__ == "__main__":
    main()
