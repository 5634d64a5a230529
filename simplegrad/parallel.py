"""Training in many processes, on one machine or on many: each has a copy of the model.

`mpiexec -n 4 python train.py` runs a file in four processes. mpi4py's communicator `comm` knows how
many (`comm.size`) and which this is (`comm.rank`); in the examples, it is of one process.
"""

from __future__ import annotations

import json
import sys
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from simplegrad import creation, given
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor

__all__ = ["broadcast", "manual_seed", "mean_gradients", "run", "share"]


def run(train: Callable[[Any], Any], processes: int | None = None) -> None:
    """Calls `train(comm)` in each process, and ends all of them if it fails in one.

    The others would wait for it. It fails, too, if it returns in one while another has a step
    left. A ValueError says if there are not as many as `processes`, an ImportError if no MPI is.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # no mpi4py, or no MPI that it finds
        raise ImportError(
            f"this needs mpi4py and MPI, but: {error}. Write python -m pip install mpi4py mpich."
        ) from error
    comm = MPI.COMM_WORLD
    if processes not in (None, comm.size):
        raise ValueError(
            f"this is for {processes} processes, but there are {comm.size}. Write mpiexec -n "
            f"{processes} python train.py, with the mpiexec of the MPI that mpi4py has found."
        )
    try:
        train(comm)
        _meet(0, {}, comm)
    except BaseException:  # whatever it is, the others do not know of it
        says = f"process {comm.rank} of {comm.size} has failed, and so all of them end"
        print(traceback.format_exc() + says, file=sys.stderr, flush=True)
        comm.Abort(1)


def broadcast(model: Module, comm: Any) -> None:
    """Copies the tensors of process 0 to the others: parameters, and state as running means.

    If names, shapes or dtypes differ, a ValueError says so in all, and nothing has been changed.

    Examples:
        >>> parallel.broadcast(nn.Linear(3, 2), comm)
    """
    tensors = model.tensors()
    arrays = {name: t.data for name, t in tensors.items()}
    _meet(1, arrays, comm)
    for name, a in arrays.items():
        flat = a.reshape(-1).view(np.uint8)
        comm.Bcast(flat)
        a[...] = flat.view(a.dtype).reshape(a.shape)
        tensors[name].data = a  # which tells that it has changed


def manual_seed(seed: int | Sequence[int], comm: Any) -> None:
    """Starts `sg.generator()` anew: in each process with its own of `SeedSequence(seed).spawn`.

    With [seed, epoch] at the start of each epoch, a resumed run draws what it would have drawn.
    Seeds are integers of at least 0: a ValueError or TypeError says if they are not.
    """
    seeds = seed if isinstance(seed, list | tuple) else [seed]
    seeds = [given.checked_number(given.COUNT, n, "a seed is", "Write [0, epoch].") for n in seeds]
    own = np.random.SeedSequence(seeds, spawn_key=(comm.rank,))
    creation.set_generator(np.random.default_rng(own))


def share(n: int, comm: Any) -> slice:
    r"""The rows of this process: of `n` in all, each is in one share. A ValueError if n < K.

    $$start_k = \lfloor k \, n / K \rfloor, \quad stop_k = \lfloor (k + 1) \, n / K \rfloor$$

    Examples:
        >>> parallel.share(10, comm)
        slice(0, 10, None)
    """
    k, K = comm.rank, comm.size
    if not given.fits(given.COUNT, n) or n < K:
        raise ValueError(
            f"each of {K} processes needs a row, but there are {n!r:.80}. Write "
            "sg.datasets.batches(x, y, 32, drop_last=True) if it is the last batch."
        )
    return slice(k * n // K, (k + 1) * n // K)


def mean_gradients(parameters: Module | Mapping[str, Tensor], rows: int, comm: Any) -> None:
    r"""Replaces gradients by those of the mean loss of all rows, the same in each process.

    $$g = \sum_k \frac{n_k}{N} \, g_k, \quad N = \sum_k n_k$$

    Process $k$ has the gradient $g_k$ of the mean loss of its $n_k$ `rows`, at least one. All call
    it after `backward()`, and before they clip. If parameters or which of them have a gradient
    differ, or another process has returned, a ValueError says so in all, and nothing has changed.

    Examples:
        >>> model = nn.Linear(3, 2)
        >>> model(np.ones((5, 3))).mean().backward()
        >>> parallel.mean_gradients(model, 5, comm)
    """
    n_k = given.checked_number(given.SIZE, rows, "the rows are", "Write len(x).")
    tensors = parameters.parameters() if isinstance(parameters, Module) else parameters
    gradients = {name: t.grad for name, t in tensors.items()}
    N = _meet(n_k, gradients, comm)
    own = [g_k for g_k in gradients.values() if g_k is not None]
    flat = np.concatenate([np.empty(0, np.float32), *(g_k.ravel() for g_k in own)])  # not float16
    flat *= n_k / N
    g = np.empty_like(flat)
    comm.Allreduce(flat, g)
    ends = np.cumsum([g_k.size for g_k in own], dtype=int)
    for g_k, part in zip(own, np.split(g, ends), strict=False):  # the last part is empty
        g_k[...] = part.reshape(g_k.shape)


def _meet(rows: int, arrays: dict[str, Any], comm: Any) -> int:
    """The sum of the rows, of processes that have arrays of one layout; rows are 0 at the end."""
    kinds = {n: "no gradient" if a is None else f"{a.dtype} {a.shape}" for n, a in arrays.items()}
    layout = [f"{name!r} with {kind}" for name, kind in kinds.items()]
    text = json.dumps(layout).encode()
    each = np.empty((comm.size, 3), np.int64)
    comm.Allgather(np.array([rows, zlib.crc32(text), len(text)]), each)
    left = {k: n for k, n in enumerate(each[:, 0].tolist()) if n}
    if 0 < len(left) < comm.size:
        raise ValueError(
            f"of {comm.size} processes, only {[*left]} have a batch left, of {[*left.values()]} "
            "rows. Make the batches of all the data, and write x[parallel.share(len(x), comm)]."
        )
    if len({*each[:, 1]}) > 1:
        texts = np.empty((comm.size, each[:, 2].max()), np.uint8)
        comm.Allgather(np.frombuffer(text.ljust(texts.shape[1]), np.uint8), texts)
        for says in zip_longest(*(json.loads(t.tobytes()) for t in texts), fillvalue="nothing"):
            if k := next((k for k, other in enumerate(says) if other != says[0]), 0):
                what = f"{says[0]} in process 0, {says[k]} in process {k}. Nothing was changed."
                raise ValueError(f"models differ: {what} Make and use the same one in all.")
    return sum(left.values())
