"""What the benchmarks share: the number of threads, contestants that take turns, tables."""

import argparse
import os
import statistics
import time

THREADS = 1  # of each contestant


def limit_threads():
    """Gives every library as many threads as `--threads` says, or 1.

    They read these variables when they are imported, so this is called before that.
    """
    global THREADS
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--threads", type=int, default=1)
    THREADS = parser.parse_known_args()[0].threads
    for name in "OMP", "OPENBLAS", "MKL":
        os.environ[f"{name}_NUM_THREADS"] = str(THREADS)
    os.environ["NPROC"] = str(THREADS)  # the size of XLA's pool
    several = "true" if THREADS > 1 else "false"
    os.environ["XLA_FLAGS"] = (
        f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={THREADS}"
    )
    os.environ["JAX_PLATFORMS"] = "cpu"


def seconds(function, calls):
    """How long one call takes, of several in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def interleaved(functions, repeats, calls=1, limit=float("inf")):
    """The median time of each function; they take turns, so that all meet the same noise.

    Each round begins with another function. After five rounds, no round begins when `limit`
    seconds have passed. Threads that wait for work keep their core busy for some milliseconds, so
    where there are several, each turn waits until those of the last have gone to sleep.
    """
    start = time.perf_counter()
    times = [[] for _ in functions]
    for done in range(repeats):
        if done >= 5 and time.perf_counter() - start > limit:
            break
        for i in range(len(functions)):
            i = (i + done) % len(functions)
            if THREADS > 1:
                time.sleep(0.05)
                functions[i]()
            times[i].append(seconds(functions[i], calls))
    return [statistics.median(row) for row in times]


def training_step(loss_of, opt):
    """A step of a library that writes it as PyTorch does; it returns the loss."""

    def step():
        loss = loss_of()
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    return step


def table(header, *rows):
    """A table in Markdown, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "| " + " | ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) + " |"
        for row in (header, ["-" * width for width in widths], *rows)
    )
