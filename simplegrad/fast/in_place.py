"""In-place optimizers: the parameters of a group side by side, worked through block by block.

An optimizer of `simplegrad.optimizers` computes whole arrays, a new one for each name in its
equations. What costs time there is not the arithmetic but the memory: fresh arrays, larger than the
processor's cache, and a Python call for each small parameter. Here

- the small parameters of one group and dtype, their gradients and their moments lie side by side
  in one flat array each, and a large one in arrays of its own; the `.data` and `.grad` of all
  become views of those;
- the arrays are worked through in blocks that fit into the cache, and every pass over a block
  writes into it or into one of two scratch blocks: a step allocates nothing.

The passes are the operations of the reference, in its order, so the results have the same bits.
"""

from __future__ import annotations

import contextvars
import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from operator import is_
from typing import Any, NoReturn

import numpy as np

from simplegrad import given
from simplegrad.autograd import requires_grad_of
from simplegrad.fast.recording import Rate, Recording, current, plain
from simplegrad.optimizers.optimizer import Arrays, Optimizer
from simplegrad.tensor import Tensor

BLOCK_BYTES = 256 * 1024  # six arrays are in use at a time; all of them fit into a cache of 2 MB


class Part:
    """Parameters of one group and dtype side by side, with one flat array for each kind of array.

    Attributes:
        group: Their group.
        blocks: The flat data, gradients and kept arrays and the two scratch blocks, cut in blocks;
            each has the scratch blocks of the worker it falls to.
        places: The parameters, each with the places where its data and its gradient belong.
    """

    def __init__(
        self,
        group: dict[str, Any],
        tensors: dict[str, Tensor],
        kept: dict[str, Arrays],
        scratch: list[Arrays],
    ) -> None:
        self.group, self.places, start = group, [], 0
        size, length = sum(theta.size for theta in tensors.values()), scratch[0][0].size
        slots = len(kept[next(iter(tensors))])
        flat: list[Any] = (2 + slots) * [None]
        if len(tensors) == 1:  # which may be large, and stays where it is
            ((name, theta),) = tensors.items()
            flat = [_flattened(a, theta) for a in (theta._data, theta._grad, *kept[name])]
        # filled, for steps in large arrays of np.zeros were slower
        flat = [np.full(size, 0, scratch[0][0].dtype) if a is None else a for a in flat]
        self.gradients = flat[1]
        for name, theta in tensors.items():
            data, grad, *own = (_place(array, start, theta) for array in flat)
            self.places.append((theta, data, grad))
            for place, array in zip(own, kept[name], strict=True):
                place[...] = array
            kept[name] = tuple(own)
            start += theta.size
        self.blocks = [
            (
                *(array[i : i + length] for array in flat),
                *(array[: min(length, size - i)] for array in scratch[number % len(scratch)]),
            )
            for number, i in enumerate(range(0, max(size, 1), length))
        ]

    def zero_grad(self) -> None:
        """Fills the gradients with zeros."""
        recording = current.get()
        of: Any = np.asarray if recording is None else recording.given
        of(self.gradients).fill(0)
        for theta, _, grad in self.places:
            if recording is not None or theta._grad is None:
                theta._grad = of(grad)
            elif theta._grad is not grad:
                theta.zero_grad()
            theta.touched = 0


def _flattened(array: np.ndarray | None, theta: Tensor) -> np.ndarray | None:
    """The memory of an array as a flat one, if it lies there as `theta` does, without gaps."""
    strides = _strides(theta)
    if array is None or array.strides != strides or not array.flags.writeable:
        return None
    return array.transpose(np.argsort(strides, kind="stable")[::-1]).reshape(-1)


def _place(flat: np.ndarray, start: int, theta: Tensor) -> np.ndarray:
    """The place of `theta` in a flat array, in the order of memory that its data has."""
    return np.ndarray(theta.shape, flat.dtype, flat, start * flat.itemsize, _strides(theta))


def _strides(theta: Tensor) -> tuple[int, ...]:
    """The order of memory that the data has, without gaps."""
    is_dense = theta.data.flags.c_contiguous or theta.data.flags.f_contiguous
    return (theta.data if is_dense else np.empty_like(theta.data)).strides


class InPlace(Optimizer):
    """What an in-place optimizer does in place of the `update` of its reference.

    It is mixed in before the reference. `workers` says how many threads share the blocks of a step;
    the other arguments are those of the reference.
    """

    passes: Callable[..., None]
    """The equations of the reference, on one block and in place: a method for subclasses to define.

    It gets the group, with the hyperparameters; the blocks of the parameters and of the gradients,
    which are to be read only; the blocks of what is kept, one for each of `slots`; and two more of
    the same size to write into.
    """

    def __init__(self, *args: Any, workers: int = 1, **kwargs: Any) -> None:
        what, write = "workers, the number of threads, is", "Write workers=2."
        workers = given.checked_number(given.SIZE, workers, what, write)
        super().__init__(*args, **kwargs)
        self.workers = workers
        self._lay_out()

    def step(self) -> None:
        """Updates every parameter from its gradient, in place; otherwise as in the reference."""
        self._check_gradients()
        if (recording := current.get()) is not None:
            self._record_step(recording)
        else:
            self.take_in()
            self.advance()
        for part in self._parts:
            for theta, *_ in part.places:
                theta.data = theta.data  # which tells that it has changed

    def advance(self) -> None:
        """The update itself, when data and gradients are in their places.

        Each of n threads runs every nth block, with scratch blocks of its own.
        """
        self.step_count += 1
        for part in self._parts:
            n = min(self.workers, len(part.blocks))
            if n == 1:
                self._run(part.group, part.blocks)
                continue
            tasks = []
            for k in range(n):
                run = contextvars.copy_context().run  # NumPy's errstate belongs to the context
                tasks.append(_pool(n).submit(run, self._run, part.group, part.blocks[k::n]))
            for task in tasks:
                task.result()

    def _run(self, group: dict[str, Any], blocks: list[Arrays]) -> None:
        for block in blocks:
            self.passes(group, *block)

    def _record_step(self, recording: Recording) -> None:
        """Brings recorded gradients to their places, and records the update."""
        for part in self._parts:
            for theta, data, place in part.places:
                if plain(theta._data) is not data:
                    raise recording.refuse(
                        "two optimizers have the same parameters, and one moves the data that the "
                        "other works on. Write @fast.replay(eager=True)."
                    )
                if plain(theta._grad) is not place:
                    own = recording.given(place)
                    recording.write(np.copyto, "np.copyto", (own, theta._grad), {}, own)
                    theta._grad = own  # type: ignore[assignment]
        if self.workers > 1:
            recording.changes(*(t._data for part in self._parts for t, *_ in part.places))
            self.advance()
            return recording.add(self.advance, "()")
        recording.add(self, ".step_count += 1")
        t = self.step_count + 1
        self.step_count = Rate(t, self, ".step_count")  # type: ignore[assignment]
        try:
            for part in self._parts:
                lr = Rate(part.group["lr"], part.group, '["lr"]')
                run = functools.partial(self.passes, {**part.group, "lr": lr})
                recording.loop(part.blocks, run)
        finally:
            self.step_count = t

    def take_in(self, with_gradients: bool = True) -> None:
        """Brings data and gradients that were assigned anew to their places."""
        if not all(map(is_, map(requires_grad_of, self._tensors), self._trainable)):
            self._lay_out()
        for part in self._parts:
            for theta, data, grad in part.places:
                if theta._data is not data:
                    data[...] = theta._data
                    theta._data = data
                if with_gradients and theta._grad is not grad:
                    grad[...] = theta._grad
                    theta._grad = grad

    def zero_grad(self, **wrong: NoReturn) -> None:
        """Fills the gradients of all parameters with zeros, in place."""
        if wrong:
            super().zero_grad(**wrong)
        for part in self._parts:
            part.zero_grad()
        for theta, trainable in zip(self._tensors, self._trainable, strict=True):
            if not trainable:
                theta.zero_grad()

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds a group; otherwise as in the reference."""
        super().add_param_group(group)
        self._lay_out()

    def load_state(self, state: Any) -> None:
        """Takes over a `state()`, of this class or of its reference."""
        super().load_state(state)
        self._lay_out()

    def _take_dtypes(self) -> None:
        """Brings all arrays to the dtypes of the parameters."""
        super()._take_dtypes()
        self._lay_out()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes along: not the flat arrays, whose views it lays out for itself."""
        return {key: value for key, value in vars(self).items() if key != "_parts"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lay_out()

    def _lay_out(self) -> None:
        """Divides the parameters into parts: the large ones, and for each dtype the small ones.

        Frozen ones are in none. When one is frozen or set free, the next step divides them anew.
        """
        self._trainable = list(map(requires_grad_of, self._tensors))
        scratch: dict[np.dtype, list[Arrays]] = {}  # two blocks for each worker
        self._parts: list[Part] = []
        for group, kept in zip(self.param_groups, self._kept, strict=True):
            divided: dict[Any, dict[str, Tensor]] = {}
            for name, theta in group["params"].items():
                if theta.requires_grad:
                    is_small = theta.data.nbytes < BLOCK_BYTES
                    divided.setdefault((theta.dtype, is_small or name), {})[name] = theta
            for (dtype, _), tensors in divided.items():
                n, pairs = BLOCK_BYTES // dtype.itemsize, scratch.setdefault(dtype, [])
                blocks = -(-sum(theta.size for theta in tensors.values()) // n)
                needed = min(self.workers, max(blocks, 1))
                while len(pairs) < needed:
                    pairs.append((np.empty(n, dtype), np.empty(n, dtype)))
                self._parts.append(Part(group, tensors, kept, pairs[:needed]))


@functools.cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="simplegrad")


if hasattr(os, "register_at_fork"):  # a forked process has no threads but its own
    os.register_at_fork(after_in_child=_pool.cache_clear)
