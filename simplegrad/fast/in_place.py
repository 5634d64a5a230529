"""In-place optimizers: the parameters of a group side by side, worked through block by block.

An optimizer of `simplegrad.optimizers` computes whole arrays, a new one for each name in its
equations. What costs time there is not the arithmetic but the memory: fresh arrays, larger than the
processor's cache, and a Python call for each small parameter. Here

- the small parameters of one group and dtype, their gradients and their moments lie side by side
  in one flat array each, and their `.data` and `.grad` become views of those;
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


class SideBySide:
    """The small parameters of one group and dtype, with one flat array for each kind of array.

    Attributes:
        group: Their group.
        tensors: The parameters.
        blocks: The flat data, gradients and kept arrays and the two scratch blocks, cut in blocks.
    """

    def __init__(
        self,
        group: dict[str, Any],
        tensors: dict[str, Tensor],
        kept: dict[str, Arrays],
        slots: int,
        scratch: list[Arrays],
    ) -> None:
        self.group, self.tensors = group, list(tensors.values())
        size = sum(theta.size for theta in self.tensors)
        flat = [np.zeros(size, scratch[0][0].dtype) for _ in range(2 + slots)]
        self.gradients = flat[1]
        self.blocks = _blocks(flat, scratch)
        self.places = []  # for each parameter, where its data and its gradient belong
        start = 0
        for name, theta in tensors.items():
            data, grad, *own = (_place(array, start, theta) for array in flat)
            self.places.append((theta, data, grad))
            for place, array in zip(own, kept[name], strict=True):
                place[...] = array
            kept[name] = tuple(own)
            start += theta.size

    def take_in(self, with_gradients: bool = True) -> None:
        """Brings data and gradients that were assigned anew to their places."""
        for theta, data, grad in self.places:
            if theta._data is not data:
                data[...] = theta._data
                theta._data = data
            if with_gradients and theta._grad is not grad:
                grad[...] = theta._grad
                theta._grad = grad

    def gradient_places(self) -> list[tuple[Tensor, np.ndarray]]:
        """Where the gradient of each parameter belongs."""
        return [(theta, grad) for theta, _, grad in self.places]

    def zero_grad(self, recording: Recording | None) -> None:
        """Fills the gradients with zeros."""
        if recording is not None:
            recording.given(self.gradients).fill(0)
            for theta, _, grad in self.places:
                theta._grad, theta.touched = recording.given(grad), 0  # type: ignore[assignment]
            return
        self.gradients.fill(0)
        for theta, _, grad in self.places:
            if theta._grad is None:
                theta._grad = grad
            elif theta._grad is not grad:
                theta.zero_grad()
            theta.touched = 0


class Large:
    """One large parameter, whose own arrays are worked on where they are.

    Attributes:
        group: Its group.
        tensors: The parameter, in a list.
        blocks: Its data, gradient and kept arrays and the two scratch blocks, cut in blocks.
    """

    def __init__(
        self, group: dict[str, Any], theta: Tensor, kept: Arrays, scratch: list[Arrays]
    ) -> None:
        self.group, self.tensors = group, [theta]
        self.kept, self.scratch = tuple(_laid_out(array, kept[0]) for array in kept), scratch
        self.data = self.grad = np.empty(0)
        self.blocks: list[Arrays] = []

    def take_in(self, with_gradients: bool = True) -> None:
        """Cuts the arrays anew if data or gradient were assigned anew."""
        (theta,) = self.tensors
        if theta._data is self.data and (theta._grad is self.grad or not with_gradients):
            return
        like = self.kept[0]
        grad = np.empty_like(like) if theta.grad is None and not with_gradients else theta.grad
        self.data, self.grad = _laid_out(theta.data, like), _laid_out(grad, like)
        theta._data = self.data
        theta._grad = None if theta.grad is None else self.grad
        arrays = [array.ravel(order="K") for array in (self.data, self.grad, *self.kept)]
        self.blocks = _blocks(arrays, self.scratch)

    def gradient_places(self) -> list[tuple[Tensor, np.ndarray]]:
        """Where the gradient of the parameter belongs."""
        return [(self.tensors[0], self.grad)]

    def zero_grad(self, recording: Recording | None) -> None:
        """Fills the gradient with zeros."""
        self.tensors[0].zero_grad()


def _blocks(arrays: list[np.ndarray], scratch: list[Arrays]) -> list[Arrays]:
    """The flat arrays, cut, each block with the two scratch blocks of the worker it falls to."""
    size, length = arrays[0].size, scratch[0][0].size
    return [
        (
            *(array[i : i + length] for array in arrays),
            *(array[: min(length, size - i)] for array in scratch[number % len(scratch)]),
        )
        for number, i in enumerate(range(0, size, length))
    ]


def _place(flat: np.ndarray, start: int, theta: Tensor) -> np.ndarray:
    """The place of `theta` in a flat array, in the order of memory that its data has."""
    is_fortran = theta.data.flags.f_contiguous and not theta.data.flags.c_contiguous
    return flat[start : start + theta.size].reshape(theta.shape, order="F" if is_fortran else "C")


def _laid_out(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The array, or a copy if its elements lie otherwise in memory than those of `like`."""
    if array.strides == like.strides and array.flags.writeable:
        return array
    copy = np.empty_like(like)
    copy[...] = array
    return copy


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
            self._lay_out_if_frozen()
            for part in self._parts:
                part.take_in()
            self.advance()
        for part in self._parts:
            for theta in part.tensors:
                theta.data = theta.data  # which tells that it has changed

    def advance(self) -> None:
        """The update itself, when data and gradients are in their places."""
        self.step_count += 1
        for part in self._parts:
            if self.workers == 1 or len(part.blocks) == 1:
                self._run(part.group, part.blocks)
            else:
                self._share(part.group, part.blocks)

    def _record_step(self, recording: Recording) -> None:
        """Brings recorded gradients to their places, and records the update."""
        for part in self._parts:
            for theta, place in part.gradient_places():
                if plain(theta._grad) is not place:
                    own = recording.given(place)
                    recording.write(np.copyto, "np.copyto", (own, theta._grad), {})
                    theta._grad = own  # type: ignore[assignment]
        if self.workers > 1:
            recording.changes(*(t._data for part in self._parts for t in part.tensors))
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

    def take_in_data(self) -> None:
        """Brings the data to their places, for what is to be recorded."""
        self._lay_out_if_frozen()
        for part in self._parts:
            part.take_in(with_gradients=False)

    def _lay_out_if_frozen(self) -> None:
        if not all(map(is_, map(requires_grad_of, self._tensors), self._trainable)):
            self._lay_out()

    def zero_grad(self, **wrong: NoReturn) -> None:
        """Fills the gradients of all parameters with zeros, in place."""
        if wrong:
            super().zero_grad(**wrong)
        for part in self._parts:
            part.zero_grad(current.get())
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
        scratch: dict[np.dtype, list[Arrays]] = {}
        self._parts: list[SideBySide | Large] = []
        for group, kept in zip(self.param_groups, self._kept, strict=True):
            small: dict[np.dtype, dict[str, Tensor]] = {}
            for name, theta in group["params"].items():
                if not theta.requires_grad:
                    continue
                if theta.dtype not in scratch:
                    scratch[theta.dtype] = self._scratch(theta.dtype)
                if theta.data.nbytes < BLOCK_BYTES:
                    small.setdefault(theta.dtype, {})[name] = theta
                else:
                    large = Large(group, theta, kept[name], scratch[theta.dtype])
                    kept[name] = large.kept
                    self._parts.append(large)
            for dtype, tensors in small.items():
                part = SideBySide(group, tensors, kept, len(self.slots), scratch[dtype])
                self._parts.append(part)

    def _scratch(self, dtype: np.dtype) -> list[Arrays]:
        """Two blocks for each worker."""
        length = BLOCK_BYTES // dtype.itemsize
        return [(np.empty(length, dtype), np.empty(length, dtype)) for _ in range(self.workers)]

    def _run(self, group: dict[str, Any], blocks: list[Arrays]) -> None:
        for block in blocks:
            self.passes(group, *block)

    def _share(self, group: dict[str, Any], blocks: list[Arrays]) -> None:
        """Runs every nth block in one of n threads: each has its own scratch blocks."""
        tasks = []
        for k in range(self.workers):
            run = contextvars.copy_context().run  # NumPy's errstate belongs to the context
            blocks_of_k = blocks[k :: self.workers]
            tasks.append(_pool(self.workers).submit(run, self._run, group, blocks_of_k))
        for task in tasks:
            task.result()


@functools.cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="simplegrad")


if hasattr(os, "register_at_fork"):  # a forked process has no threads but its own
    os.register_at_fork(after_in_child=_pool.cache_clear)
