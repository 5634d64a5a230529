"""save and load: a model, its optimizer and the random numbers to come, in one file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from simplegrad import creation
from simplegrad.nn.module import Module
from simplegrad.optimizers.groups import check_array, check_same
from simplegrad.optimizers.optimizer import Optimizer

FORMAT_VERSION = 1


def save(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    **extra: Any,
) -> None:
    """Writes a model, an optimizer and the state of the random generator into one file.

    The file is a NumPy `.npz` without pickled objects. It is written beside `path` and then
    renamed, so that after a crash `path` is the old file or the new one.

    Args:
        path: Where to; an existing file is replaced.
        model: The module whose parameters are saved.
        optimizer: The optimizer whose `state()` is saved.
        extra: What else to keep: numbers, strings, lists and dicts, as JSON has them.

    Raises:
        TypeError: A value of `extra` is none of these.

    Examples:
        >>> model = nn.Linear(3, 2)
        >>> folder = getfixture("tmp_path")
        >>> sg.save(folder / "linear.npz", model, epoch=7)
        >>> sg.load(folder / "linear.npz", model)
        {'epoch': 7}
    """
    import json  # here, since it would lengthen `import simplegrad`

    arrays: dict[str, np.ndarray] = {}
    meta: dict[str, Any] = {"format_version": FORMAT_VERSION, "extra": extra}
    meta["generator"] = creation.generator().bit_generator.state
    if model is not None:
        meta["model"] = list(model.parameters())
        for name, theta in model.parameters().items():
            arrays[f"model/{name}"] = theta.data
    if optimizer is not None:
        state = optimizer.state()
        for number, group in enumerate(state["param_groups"]):
            for slot in optimizer.slots:
                by_name = group.pop(slot)
                group[slot] = list(by_name)
                for name, array in by_name.items():
                    arrays[f"optimizer/{number}/{slot}/{name}"] = array
        meta["optimizer"] = {**state, "class": type(optimizer).__name__}
    try:
        text = json.dumps(meta)
    except TypeError as error:
        raise TypeError(
            f"save() keeps numbers, strings, lists and dicts beside the model, but: {error}. "
            "Write, for example, sg.save(path, model, loss=loss.item(), history=array.tolist())."
        ) from error
    arrays["meta"] = np.frombuffer(text.encode(), dtype=np.uint8)
    _write(os.fspath(path), arrays)


def load(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
) -> dict[str, Any]:
    """Takes over what `save` has written: training goes on as if it had not been interrupted.

    Args:
        path: The file.
        model: The module that gets the saved parameters.
        optimizer: The optimizer that gets the saved state.

    Returns:
        What was saved as `extra`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, is of a newer version, or does not fit the model or the
            optimizer. Nothing has been changed then.

    Examples:
        >>> model = nn.Linear(3, 2)
        >>> opt = optim.Adam(model)
        >>> path = getfixture("tmp_path") / "run.npz"
        >>> sg.save(path, model, opt)
        >>> sg.load(path, model, opt)
        {}
    """
    meta, arrays = _read(os.fspath(path))
    for what, wanted in ("model", model), ("optimizer", optimizer):
        if wanted is not None and what not in meta:
            raise ValueError(
                f"{path} holds no {what}. Write sg.load(path) without it, or save it first: "
                f"sg.save(path, {what}={what})."
            )
    generator = np.random.default_rng()
    generator.bit_generator.state = meta["generator"]
    if model is not None:
        parameters = model.parameters()
        check_same("the parameters of the model", parameters, meta["model"])
        for name, theta in parameters.items():
            check_array(f"the parameter {name!r}", arrays[f"model/{name}"], theta)
    if optimizer is not None:
        state = _optimizer_state(meta["optimizer"], arrays, optimizer)
        optimizer.load_state(state)  # checks all of it, then takes all of it
    if model is not None:
        for name, theta in parameters.items():
            theta.data = arrays[f"model/{name}"]
    creation.set_generator(generator)
    return meta["extra"]


def _optimizer_state(
    saved: dict[str, Any], arrays: dict[str, np.ndarray], optimizer: Optimizer
) -> dict[str, Any]:
    """The `state()` that was saved, with its arrays put back."""
    check_same("the class of the optimizer", [type(optimizer).__name__], [saved["class"]])
    groups = []
    for number, group in enumerate(saved["param_groups"]):
        for slot in optimizer.slots:
            names = group[slot]
            group[slot] = {name: arrays[f"optimizer/{number}/{slot}/{name}"] for name in names}
        groups.append(group)
    return {"step_count": saved["step_count"], "param_groups": groups}


def _write(path: str, arrays: dict[str, np.ndarray]) -> None:
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        with open(beside, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.remove(beside)
        raise


def _read(path: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    import json
    import zipfile
    import zlib

    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        version = meta["format_version"]
    except FileNotFoundError:
        raise
    except (
        AttributeError,
        EOFError,
        KeyError,
        NotImplementedError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{path} is no whole file of sg.save: {error}. Nothing was changed. Load an earlier "
            "file, or save again."
        ) from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} is of format version {version!r}, and this simplegrad reads version "
            f"{FORMAT_VERSION}. Nothing was changed. Write python -m pip install -U simplegrad."
        )
    return meta, arrays
