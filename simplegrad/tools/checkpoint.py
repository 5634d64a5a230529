"""save and load: a model, its optimizer and the random numbers to come, in one file.

The file is a NumPy `.npz`: a zip archive of arrays, not compressed and without pickled objects.

| array | what it holds |
|---|---|
| `model/layers.0.weight` | a tensor of the model, by its name |
| `optimizer/0/moments1/layers.0.weight` | what the optimizer keeps: by group, slot, name |
| `meta` | all the rest, a JSON text: format version, numbers, hyperparameters, generator, extra |
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import re
import stat
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from simplegrad import creation, given
from simplegrad.nn.module import Module, held
from simplegrad.optimizers.groups import check_array, check_same
from simplegrad.optimizers.optimizer import Optimizer

FORMAT_VERSION = 1


def save(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    **extra: Any,
) -> None:
    """Writes a model, an optimizer and the state of `sg.generator()` into one file.

    The file is written beside `path`, brought to the disk and then renamed: after a crash, a full
    disk or Ctrl-C, `path` is the old file or the new one, never half of one.

    Args:
        path: Where to; an existing file is replaced, and its permissions are kept.
        model: The module whose `tensors()` are saved: its parameters, what is frozen, and other
            state. `load` wants the same names and shapes. The numbers that it holds, as an `eps`
            or a count, are saved, too, and `load` compares them. Arrays are refused.
        optimizer: The optimizer whose `state()` is saved.
        extra: What else to keep: numbers, strings, bools, None, and lists and dicts of these. As
            JSON has it, `load` gives tuples back as lists, and the keys of dicts as strings.

    Raises:
        TypeError: An argument is of the wrong type, a value of `extra` is none of these, or the
            model holds an array.
        ValueError: The name of a tensor cannot be written into a file, or `sg.generator()` is not
            one of PCG64, as `sg.manual_seed` makes it. Nothing has been written then.
        OSError: The file cannot be written; a PermissionError if there is one that is read-only.

    Examples:
        >>> model = nn.Linear(3, 2)
        >>> folder = getfixture("tmp_path")
        >>> sg.save(folder / "linear.npz", model, epoch=7)
        >>> sg.load(folder / "linear.npz", model)
        {'epoch': 7}
    """
    import json  # here, since it would lengthen `import simplegrad`

    _check_types("save", path, model, optimizer)
    arrays: dict[str, np.ndarray] = {}
    meta: dict[str, Any] = {"format_version": FORMAT_VERSION, "extra": extra, "numbers": {}}
    meta["generator"] = _bit_generator().state
    if model is not None:
        _check_no_arrays(model)
        meta["numbers"] = _numbers(model)
        meta["model"] = {}  # where load puts the arrays back
        for name, theta in model.tensors().items():
            arrays[f"model/{name}"] = theta.data
    if optimizer is not None:
        state = optimizer.state()
        meta["optimizer"] = {"class": type(optimizer).__name__, **state}
        for number, group in enumerate(state["param_groups"]):
            for slot in optimizer.slots:
                for name, array in group.pop(slot).items():
                    arrays[f"optimizer/{number}/{slot}/{name}"] = array
    try:
        text = json.dumps(meta)
    except (TypeError, ValueError, RecursionError) as error:  # wrong type, circular, too deep
        raise TypeError(
            f"save() keeps numbers, strings, lists and dicts beside the model, but: {error}. "
            "Write, for example, sg.save(path, model, loss=loss.item(), history=array.tolist())."
        ) from error
    arrays["meta"] = np.frombuffer(text.encode(), dtype=np.uint8)
    _check_names(arrays)
    _check_is_file("save", path)
    _write(os.path.realpath(os.fsdecode(path)), _packed(arrays))  # a link to a file stays a link


class Loaded(NamedTuple):
    """What `sg.load(..., strict=False)` returns.

    Attributes:
        extra: What was saved as `extra`.
        missing: The tensors of the model that the file does not hold, which stay as they were.
        unexpected: The tensors of the file that the model does not have, which are left out.
    """

    extra: dict[str, Any]
    missing: list[str]
    unexpected: list[str]


@overload
def load(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    strict: Literal[True] = True,
) -> dict[str, Any]: ...
@overload
def load(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    strict: Literal[False],
) -> Loaded: ...
def load(
    path: str | os.PathLike[str],
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    strict: bool = True,
) -> dict[str, Any] | Loaded:
    """Takes over what `save` has written: training goes on as if it had not been interrupted.

    The arrays of the model and the generator that `sg.generator()` gives stay the same objects.

    Args:
        path: The file.
        model: The module that gets the saved tensors.
        optimizer: The optimizer that gets the saved state; of `simplegrad.fast` or not.
        strict: Whether the file and the model must have the same tensors. If not, those of one name
            are loaded, as of a model with a new head, and the others are returned by their names.
            Shapes and dtypes must agree all the same, and so must numbers that both have. The state
            of an optimizer is for all of its parameters.

    Returns:
        What was saved as `extra`; if not `strict`, a `Loaded` of that and of what was left out.

    Raises:
        TypeError: An argument is of the wrong type.
        OSError: The file cannot be read; a FileNotFoundError if there is none.
        ValueError: The file is damaged, is of another version, or does not fit the model, the
            optimizer or the generator; or a number that the model holds is not what it was when it
            was saved; or not even one tensor of the file has the name of one of the model. Nothing
            has been changed then.

    Examples:
        >>> model = nn.Linear(3, 2)
        >>> opt = optim.Adam(model)
        >>> path = getfixture("tmp_path") / "run.npz"
        >>> sg.save(path, model, opt)
        >>> sg.load(path, model, opt)
        {}

        A model takes over the layers that it shares with one that was trained:

        >>> sg.save(path, nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 5)))
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Dropout(0.5), nn.Linear(2, 7))
        >>> extra, missing, unexpected = sg.load(path, model, strict=False)
        >>> missing
        ['layers.3.bias', 'layers.3.weight']
        >>> unexpected
        ['layers.2.bias', 'layers.2.weight']
    """
    _check_types("load", path, model, optimizer)
    strict = given.flag("load", "strict", strict)
    saved = _read(path)
    for what, wanted in ("model", model), ("optimizer", optimizer):
        if wanted is not None and what not in saved:
            raise ValueError(
                f"{path} holds no {what}. Nothing was changed. Write sg.load(path) without it, or "
                f"save it first: sg.save(path, {what}={what})."
            )
    bit_generator = _bit_generator()
    leaves = {} if model is None else model.tensors()
    tensors = saved["model"] if model is not None else {}
    missing, unexpected = sorted(leaves.keys() - tensors), sorted(tensors.keys() - leaves)
    if strict:
        check_same("the tensors of the model", leaves, tensors)
    elif leaves and len(missing) == len(leaves):
        raise ValueError(
            f"no tensor of {path} has the name of one of the model: the model has "
            f"{', '.join(missing):.200}, and the file {', '.join(unexpected):.200}. Nothing was "
            "changed. If one is a part of the other, save or load that part: write sg.load(path, "
            "model.encoder, strict=False)."
        )
    for name in missing:
        del leaves[name]
    for name, theta in leaves.items():
        check_array(f"the tensor {name!r}", saved["model"][name], theta)
    if model is not None:
        _check_numbers(_numbers(model), saved["numbers"], strict)
    if optimizer is not None:
        state = saved["optimizer"]
        check_same("the class of the optimizer", [type(optimizer).__name__], [state.pop("class")])
        try:
            optimizer.load_state(state)  # checks all of it, then takes all of it
        except TypeError as error:
            raise _damaged(path, error) from error
    for name, theta in leaves.items():
        theta.data[...] = saved["model"][name]  # in place: nothing is left that could fail
        theta.data = theta.data  # which tells that it has changed
    bit_generator.state = saved["generator"]
    return saved["extra"] if strict else Loaded(saved["extra"], missing, unexpected)


def _check_types(function: str, path: Any, model: Any, optimizer: Any) -> None:
    for name, value, types, wanted in (
        ("path", path, str | os.PathLike, "a string or a Path"),
        ("model", model, Module | None, "a Module"),
        ("optimizer", optimizer, Optimizer | None, "an Optimizer"),
    ):
        if not isinstance(value, types):
            raise TypeError(
                f"{function}() takes {wanted} as {name}, but got a {type(value).__name__}. Write "
                f'sg.{function}("run.npz", model=model, optimizer=opt).'
            )


def _check_no_arrays(model: Module) -> None:
    """Raises a TypeError if a model holds an array, of which nobody could say whether it is state.

    A Tensor without gradients is, and so is saved; a result is not.
    """
    for code in held(model, np.ndarray):
        raise TypeError(
            f"the model holds an array, model.{code}, and only tensors are saved. Write "
            f"model.{code} = sg.Tensor(model.{code}) if it is part of the model, as a mean or a "
            f"mask, or model.{code} = None if it only remembers something."
        )


def _numbers(model: Module) -> dict[str, Any]:
    """The numbers that a model holds, and None, which may be one; its mode is none of them."""
    found = held(model, (*given.NUMBERS, *given.BOOLS, type(None)))
    return {
        code: x if x is None or type(x) in (int, float, bool) else float(x)
        for code, x in found.items()
        if code.rpartition(".")[2] != "training"
    }


def _check_numbers(own: dict[str, Any], saved: dict[str, Any], strict: bool) -> None:
    """Raises a ValueError if a number is not what it was: a setting, or one that has changed."""
    for code, x in saved.items():
        if not strict and code not in own:
            continue
        if repr(own.get(code)) != repr(x) and own.get(code) != x:  # nan is as it was, too
            raise ValueError(
                f"model.{code} is {own.get(code)!r:.80}, but it was {x!r:.80} when it was saved. "
                f"Nothing was changed. Write model.{code} = {x!r:.80} before you load. What "
                "changes in training, as a count, is best a Tensor, which is loaded: self.count = "
                "sg.zeros(()), and self.count.data += 1."
            )


def _bit_generator() -> Any:
    """The source of the bits of `sg.generator()`, whose state JSON can hold."""
    bit_generator = creation.generator().bit_generator
    if not isinstance(bit_generator, np.random.PCG64):
        raise ValueError(
            "save() and load() keep the state of a generator of PCG64, but sg.generator() is one "
            f"of {type(bit_generator).__name__}. Write sg.manual_seed(0), which makes one of PCG64."
        )
    return bit_generator


def _check_names(names: dict[str, np.ndarray]) -> None:
    """Raises a ValueError for a name that a zip archive would cut short or cannot hold."""
    for name in names:
        encoded = name.encode(errors="replace")  # half of a surrogate pair becomes a "?"
        if encoded.decode() != name or b"\0" in encoded or len(encoded) > 60_000:
            raise ValueError(
                f"a file cannot hold the name {name!a:.200}: it is too long, or has a zero or half "
                'of a surrogate pair in it. Write another key, as in {"encoder": nn.Linear(2, 2)}.'
            )


def _packed(arrays: dict[str, np.ndarray]) -> memoryview:
    """An `.npz` as `np.savez` writes it, but which never pickles."""
    import zipfile

    content = io.BytesIO()
    archive = zipfile.ZipFile(content, "w")
    for name, array in arrays.items():
        member = io.BytesIO()
        np.lib.format.write_array(member, array, allow_pickle=False)
        archive.writestr(f"{name}.npy", member.getbuffer())
    archive.close()  # by hand: at its end, a with-block could raise something else than Ctrl-C did
    return content.getbuffer()


def _check_is_file(function: str, path: str | os.PathLike[str]) -> None:
    """Raises an OSError if `path` is a folder, a pipe or a device, or can only be a folder."""
    path = os.fsdecode(path)
    is_there = os.path.exists(path) or os.path.islink(os.path.realpath(path))  # a circle of links
    is_folder = os.path.isdir(path) or os.path.basename(path) in ("", os.curdir, os.pardir)
    if is_folder or (is_there and not os.path.isfile(path)):
        raise (IsADirectoryError if is_folder else OSError)(
            f'{path!r} is no file. Write sg.{function}("run.npz", model) with the name of one.'
        )


def _write(path: str, content: memoryview) -> None:
    """Writes a file beside `path` and renames it, which replaces `path` in one go."""
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"there is no folder {folder} to save into. Write os.makedirs({folder!r}) first."
        )
    old = os.stat(path) if os.path.exists(path) else None
    mode = 0o666 if old is None else stat.S_IMODE(old.st_mode)
    if not (mode & 0o222 and (old is None or os.access(path, os.W_OK))):
        raise PermissionError(
            f"{path} is read-only, so it is left as it is. Write sg.save with another name, or "
            f"os.chmod({path!r}, 0o644) first."
        )
    # The name is random, so that nobody else writes to it, and no longer than names may be.
    beside = os.path.join(folder, f"{name[:20]}.{os.urandom(8).hex()}.tmp")
    try:
        with open(beside, "xb", opener=functools.partial(os.open, mode=mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else the new name might reach the disk before the content
        if old is not None:
            _copy_attributes(path, old, beside)
        os.replace(beside, path)
    except BaseException:  # Ctrl-C, too
        with contextlib.suppress(FileNotFoundError):
            os.remove(beside)
        raise


def _copy_attributes(path: str, old: os.stat_result, beside: str) -> None:
    """Gives a new file the owner, the permissions and the like of the old one, where it may."""
    import shutil

    with contextlib.suppress(OSError, AttributeError):  # only root may give files away
        os.chown(beside, old.st_uid, old.st_gid)
    with contextlib.suppress(OSError):
        shutil.copystat(path, beside)
        os.utime(beside)  # all but the time


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What was saved, checked as far as the file alone can tell."""
    import json

    _check_is_file("load", path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        arrays = _unpacked(content)
        meta = json.loads(arrays.pop("meta").tobytes())
        version = meta["format_version"]
        saved = _joined(meta, arrays) if version == FORMAT_VERSION else {}
    except Exception as error:  # damaged bytes can make zipfile, NumPy and json raise anything
        raise _damaged(path, error) from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} is of format version {version!r:.80}, and this simplegrad reads version "
            f"{FORMAT_VERSION}. Nothing was changed. Write git pull in the folder of the "
            "repository, and python -m pip install -e . there if Python uses other files."
        )
    return saved


def _damaged(path: str | os.PathLike[str], error: Exception) -> ValueError:
    first_line = str(error).partition("\n")[0]
    return ValueError(
        f"{path} is no whole file of sg.save ({type(error).__name__}: {first_line:.200}). Nothing "
        "was changed. Load an earlier file, or save again."
    )


def _unpacked(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an `.npz`, which are together no larger than it is."""
    import zipfile

    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("it would unpack to more bytes than it has")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"{name!r} comes twice")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name!r} is compressed")
            arrays[name] = _array(archive.read(member))  # read() compares the checksum
    return arrays


# As NumPy writes it. Its own reader of a header leaves cyclic garbage behind.
HEADER = rb"\{'descr': '([^']+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \}\s*"


def _array(content: bytes) -> np.ndarray:
    """The array of an `.npy`: at first a view of `content`, so that no header asks for memory."""
    start = 10 + int.from_bytes(content[8:10], "little")
    header = re.fullmatch(HEADER, content[10:start])
    if content[:8] != b"\x93NUMPY\x01\x00" or header is None:
        raise ValueError("an array is not in version 1.0 of the .npy format")
    dtype = np.dtype(header[1].decode())
    if dtype.kind not in "biuf":
        raise ValueError(f"an array is of {dtype}, not of numbers")
    shape = tuple(int(size) for size in header[3].split(b",") if size.strip())
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"an array of shape {shape} and {dtype} has another number of bytes")
    order: Any = "F" if header[2] == b"True" else "C"
    array: np.ndarray = np.ndarray(shape, dtype, content, start, order=order)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _joined(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """`meta`, checked, with the arrays back in their places; any error if they do not fit."""
    optimizer = meta.get("optimizer", {"class": "", "param_groups": []})
    in_groups = [value for group in optimizer["param_groups"] for value in group.values()]
    if not (
        isinstance(meta["extra"], dict)
        and isinstance(meta["numbers"], dict)
        and not any(isinstance(x, dict | list) for x in meta["numbers"].values())
        and meta.get("model", {}) == {}
        and isinstance(optimizer["class"], str)
        and not any(isinstance(value, dict | list) for value in in_groups)
    ):
        raise ValueError("'meta' is not nested as save() nests it")
    groups = {str(number): group for number, group in enumerate(optimizer["param_groups"])}
    for name, array in arrays.items():
        what, own_name = name.split("/", 1)
        if what == "model":
            meta["model"][own_name] = array
        elif what == "optimizer":
            number, slot, own_name = own_name.split("/", 2)
            groups[number].setdefault(slot, {})[own_name] = array
        else:
            raise ValueError(f"{name!r} has no place")
    bit_generator = np.random.PCG64(0)
    bit_generator.state = meta["generator"]
    if bit_generator.state != meta["generator"]:  # numbers of too many bits are cut
        raise ValueError("the state of the generator is none of PCG64")
    return meta
