"""save and load when things go wrong: crashes, full disks, Ctrl-C, and files that are damaged."""

import gc
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim


def run_of(number):
    """A model, its optimizer and a generator: one state of a run for each number."""
    sg.manual_seed(number)
    model = nn.Linear(2, 1)
    opt = optim.SGD(model, lr=0.5, momentum=0.9)
    for _ in range(number):
        model([1.0, 2.0]).sum().backward()
        opt.step()
    return model, opt


def everything(model, opt):
    """The bits of all that `load` may change."""
    tensors = [t.data.tobytes() for t in model.tensors().values()]
    kept = [array.tobytes() for arrays in opt._kept[0].values() for array in arrays]
    values = {key: value for key, value in opt.param_groups[0].items() if key != "params"}
    generator = sg.generator().bit_generator.state
    return tensors, kept, repr(values), opt.step_count, opt.lr, generator


def state_in(path):
    """What the file holds, in the form of `everything`; the file is whole."""
    model, opt = run_of(0)
    sg.load(path, model, opt)
    return everything(model, opt)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


every_seventh_byte_or_all = pytest.mark.parametrize(
    "stride", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["every seventh", "all"]
)


# save: the old file or the new one, and nothing beside it

SAVING = r"""
import itertools, os, sys
import simplegrad as sg
from simplegrad import nn, optimizers as optim

model = nn.Linear(300, 300)
opt = optim.SGD(model)

def say(number):
    os.write(1, b"%d\n" % number)  # one write: print may be killed before its newline

def save_until_killed(path, first):
    say(os.getpid())
    for number in itertools.count(first):
        model.weight.data[...] = number
        opt.step_count = number
        sg.manual_seed(number)
        sg.save(path, model, opt, number=number)
        say(number)

for first in sys.stdin:
    child = os.fork()  # has imported everything already
    if child == 0:
        save_until_killed(sys.argv[1], int(first))
    os.waitpid(child, 0)
    print("killed", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_is_killed_leaves_the_old_file_or_the_new_one(path):
    chance = random.Random(0)
    model = nn.Linear(300, 300)
    opt = optim.SGD(model)
    start = time.perf_counter()
    sg.save(path, model, opt, number=0)
    duration = time.perf_counter() - start
    found, old, new, unfinished = 0, 0, 0, 0
    with subprocess.Popen(
        [sys.executable, "-c", SAVING, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        for _ in range(200):
            print(found + 1, file=parent.stdin, flush=True)
            child = int(parent.stdout.readline())
            saved = [found]  # the numbers of the saves that have returned
            for _ in range(chance.randrange(3)):
                saved.append(int(parent.stdout.readline()))
            time.sleep(chance.uniform(0, duration))
            os.kill(child, signal.SIGKILL)
            saved += map(int, iter(parent.stdout.readline, "killed\n"))

            found = sg.load(path, model, opt)["number"]
            assert found in (saved[-1], saved[-1] + 1)
            old, new = old + (found == saved[0]), new + (found > saved[0])
            if found > 0:
                assert (model.weight.data == found).all()
                assert opt.step_count == found
                assert sg.generator().random() == np.random.default_rng(found).random()
            for name in set(os.listdir(path.parent)) - {path.name}:
                assert re.fullmatch(r"run\.npz\.\w+\.tmp", name)
                os.remove(path.parent / name)
                unfinished += 1
    print(f"{old} old, {new} new, {unfinished} in the middle of the file beside it")
    assert min(old, new, unfinished) >= 10


@every_seventh_byte_or_all
def test_a_disk_that_is_full_at_any_byte_leaves_the_old_file(path, stride):
    resource = pytest.importorskip("resource")
    sg.save(path, *run_of(1))
    old = path.read_bytes()
    model, opt = run_of(2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size, errors = len(old), 0
    places = [*range(0, size, stride), size - 1, size]
    for n in places:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, limits[1]))  # a write beyond n bytes fails
        try:
            sg.save(path, model, opt)
        except OSError:
            errors += 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        if n < size:
            assert path.read_bytes() == old
        assert os.listdir(path.parent) == ["run.npz"]
    assert errors == len(places) - 1
    assert state_in(path) == everything(*run_of(2))


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_disk_that_fails_at_last_leaves_the_old_file(path, monkeypatch, function):
    sg.save(path, *run_of(1))
    old = path.read_bytes()

    def failing(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, function, failing)
    with pytest.raises(OSError, match="Input/output error"):
        sg.save(path, *run_of(2))
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == ["run.npz"]


def interrupted(function, line, here_only):
    """Calls `function` with Ctrl-C before its `line`th line; whether it came that far."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if here_only and frame.f_code.co_filename != sg.tools.checkpoint.__file__:
            return None
        if event == "line":
            count += 1
            if count == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    gc.disable()  # else what other tests have left could be collected, and swallow the Ctrl-C
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    return False


@pytest.mark.parametrize(
    "here_only", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["own", "all"]
)
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning",  # Ctrl-C at the end of a with-block, before it closes the file
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_ctrl_c_at_any_line_leaves_the_old_file(path, here_only):
    sg.save(path, *run_of(1))
    old = path.read_bytes()
    model, opt = run_of(2)
    line = 1
    while interrupted(lambda: sg.save(path, model, opt), line, here_only):
        assert path.read_bytes() == old
        assert os.listdir(path.parent) == ["run.npz"]
        line += 1
    assert line > (50 if here_only else 1000)
    assert state_in(path) == everything(*run_of(2))


# load: a damaged file is refused, or what it holds is right


def parts_of(path):
    """The members of the file by name, and its meta as Python values."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with np.load(path) as file:
        meta = json.loads(file["meta"].tobytes())
    return members, meta


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_with_header(header, data=b""):
    """An array file with any text for a header."""
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def as_meta(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return npy(np.frombuffer(text.encode(), dtype=np.uint8))


def packed(members, compression=zipfile.ZIP_STORED):
    """A zip archive with right checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return file.getvalue()


def refused(path, content, model, opt, match=r"is no whole file of sg\.save.*Nothing was changed"):
    """Whether load() raises a ValueError that says so, and changes nothing."""
    path.write_bytes(content)
    before = everything(model, opt)
    with pytest.raises(ValueError, match=match):
        sg.load(path, model, opt)
    assert everything(model, opt) == before


def loads_all_or_nothing(path, content, model, opt):
    """Loads; whether that was refused, which has changed nothing then."""
    path.write_bytes(content)
    before = everything(model, opt)
    try:
        sg.load(path, model, opt)
    except ValueError:
        assert everything(model, opt) == before
        return False
    return True


@pytest.mark.parametrize(
    "masks",
    [(0x01, 0xFF), pytest.param([1 << bit for bit in range(8)], marks=pytest.mark.slow)],
    ids=["two ways", "each bit"],
)
@every_seventh_byte_or_all
def test_no_changed_byte_gives_wrong_values(path, masks, stride):
    sg.save(path, *run_of(2))
    right = everything(*run_of(2))
    whole = path.read_bytes()
    loaded = 0
    model, opt = run_of(1)
    places = range(0, len(whole), stride)
    for i in places:
        for mask in masks:
            damaged = bytearray(whole)
            damaged[i] ^= mask
            if loads_all_or_nothing(path, bytes(damaged), model, opt):
                assert everything(model, opt) == right
                model, opt = run_of(1)
                loaded += 1
    assert 0 < loaded < len(places) * len(masks) / 4  # the dates of members, for example


@every_seventh_byte_or_all
def test_every_file_cut_short_is_refused(path, stride):
    sg.save(path, *run_of(2))
    whole = path.read_bytes()
    model, opt = run_of(1)
    for length in [*range(0, len(whole), stride), len(whole) - 1]:
        refused(path, whole[:length], model, opt)


def test_files_of_other_kinds_are_refused(path):
    model, opt = run_of(1)
    for content in (b"", b"no archive", npy(np.ones(2)), packed({}), packed({"a.npy": npy([1])})):
        refused(path, content, model, opt)


def test_a_pickled_object_is_refused_and_not_unpickled(path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    trap = np.empty((1, 2), dtype=object)
    trap[:] = Trap()
    for name in members:
        refused(path, packed({**members, name: npy(trap)}), model, opt, "object, not of numbers")


def test_a_decompression_bomb_is_refused_before_it_unfolds(path):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    bomb = {**members, "model/weight.npy": npy(np.zeros(1_000_000))}
    compressed = packed(bomb, zipfile.ZIP_DEFLATED)
    assert len(compressed) < 20_000
    refused(path, compressed, model, opt, "unpack to more bytes than it has")
    refused(path, packed(members, zipfile.ZIP_DEFLATED), model, opt, "whole file of sg.save")


def test_members_that_share_their_bytes_are_refused(path):
    """One large member, named by many entries of the central directory."""
    model, opt = run_of(1)
    large = npy(np.zeros(10_000))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", large)
        archive.filelist += archive.filelist * 99
    refused(path, file.getvalue(), model, opt, "unpack to more bytes than it has")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(path):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    for twice in ("model/bias.npy", "model/bias", "meta"):
        content = packed([*members.items(), (twice, npy(np.ones(1, np.float32)))])
        refused(path, content, model, opt, "comes twice")


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(
    "header",
    [
        HEADER.format("<f4", (10**12,)),
        HEADER.format("<f4", (10**30,)),
        HEADER.format("<f4", (2**62, 2**62)),
        HEADER.format("<f4", (-1, -2)),
        HEADER.format("<f4", (-2,)),
        HEADER.format("<f4", (2**70, 0)),
        HEADER.format("<f4", (1,) * 65),
        HEADER.format("|V0", (10**12,)),
        HEADER.format("<U0", (10**12,)),
        HEADER.format("|O", (1,)),
        HEADER.format("<M8[s]", (1,)),
        HEADER.format("<c8", (1,)),
        HEADER.format("nonsense", (1,)),
        "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 'no', 'shape': (1,)}",
        "{'descr': '<f4', 'shape': (1,)}",
        "__import__('os').abort()",
        "(" * 9_000,
        "-" * 9_000 + "1",
        "1+" * 4_900 + "1",
        "{" * 20_000,
        "",
    ],
    ids=lambda header: header[:50],
)
def test_a_header_that_lies_is_refused_without_memory_for_it(path, header):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    for name in members:
        content = packed({**members, name: npy_with_header(header, bytes(8))})
        refused(path, content, model, opt)


def changed(meta, value, *place):
    """A copy of `meta` with another value in a place."""
    meta = json.loads(json.dumps(meta))
    inner = meta
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return meta


GROUP = ("optimizer", "param_groups", 0)
NO_WHOLE_FILE = r"is no whole file of sg\.save.*Nothing was changed"


@pytest.mark.parametrize(
    ("match", "value", "place"),
    [
        ("format version 2, and this simplegrad reads version 1", 2, ["format_version"]),
        ("format version '1', and", "1", ["format_version"]),
        ("format version None", None, ["format_version"]),
        (NO_WHOLE_FILE, [], ["extra"]),
        (NO_WHOLE_FILE, None, ["generator"]),
        (NO_WHOLE_FILE, "MT19937", ["generator", "bit_generator"]),
        (NO_WHOLE_FILE, -1, ["generator", "state", "state"]),
        (NO_WHOLE_FILE, 2**128, ["generator", "state", "inc"]),
        (NO_WHOLE_FILE, 0.5, ["generator", "state", "inc"]),
        (NO_WHOLE_FILE, "1", ["generator", "state", "inc"]),
        (NO_WHOLE_FILE, 2**32, ["generator", "uinteger"]),
        (NO_WHOLE_FILE, ["weight"], ["model"]),
        (NO_WHOLE_FILE, {"weight": [1.0, 2.0]}, ["model"]),
        (NO_WHOLE_FILE, None, ["model"]),
        (NO_WHOLE_FILE, None, ["optimizer"]),
        (NO_WHOLE_FILE, [], ["optimizer"]),
        (NO_WHOLE_FILE, None, ["optimizer", "class"]),
        ("the class of the optimizer must be SGD", "Adam", ["optimizer", "class"]),
        ("step_count must be an int of at least 0", -1, ["optimizer", "step_count"]),
        ("step_count must be an int of at least 0", 1.5, ["optimizer", "step_count"]),
        ("step_count must be an int of at least 0", True, ["optimizer", "step_count"]),
        (NO_WHOLE_FILE, 1, ["optimizer", "more"]),
        (NO_WHOLE_FILE, {}, ["optimizer", "param_groups"]),
        (NO_WHOLE_FILE, [], ["optimizer", "param_groups"]),
        (NO_WHOLE_FILE, [1], ["optimizer", "param_groups"]),
        ("the labels of the groups must be default, but .* other", "other", [*GROUP, "label"]),
        (NO_WHOLE_FILE, 5, [*GROUP, "label"]),
        (NO_WHOLE_FILE, {"weight": [10**400]}, [*GROUP, "velocities"]),
        (NO_WHOLE_FILE, 1.0, [*GROUP, "velocities"]),
        (NO_WHOLE_FILE, [1.0], [*GROUP, "lr"]),
        (NO_WHOLE_FILE, "0.1", [*GROUP, "lr"]),
        (NO_WHOLE_FILE, None, [*GROUP, "lr"]),
        (NO_WHOLE_FILE, 1, [*GROUP, "maximize"]),
        ("lr must be a finite number of at least 0", float("nan"), [*GROUP, "lr"]),
        ("lr must be a finite number of at least 0", float("inf"), [*GROUP, "lr"]),
        ("lr must be a finite number of at least 0", 10**400, [*GROUP, "lr"]),
        ("momentum must be a finite number of at least 0", -0.1, [*GROUP, "momentum"]),
        ("nesterov looks ahead .* undampened", True, [*GROUP, "nesterov"]),
        ("the keys of group 'default' must be", 1, [*GROUP, "more"]),
    ],
)
def test_meta_that_is_wrong_is_refused(path, match, value, place):
    model, opt = run_of(2)
    opt.set_param("dampening", 0.5)
    sg.save(path, model, opt)
    members, meta = parts_of(path)
    model, opt = run_of(1)
    content = packed({**members, "meta.npy": as_meta(changed(meta, value, *place))})
    refused(path, content, model, opt, match)


def test_meta_without_one_of_its_keys_is_refused(path):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, meta = parts_of(path)
    places = [(), *[(key,) for key in meta if isinstance(meta[key], dict)], GROUP]
    for place in places:
        inner = meta
        for key in place:
            inner = inner[key]
        for key in list(inner):
            value = inner.pop(key)
            content = packed({**members, "meta.npy": as_meta(meta)})
            refused(path, content, model, opt, "whole file|holds no|must be")
            inner[key] = value


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "1", '"meta"', "\0", "[" * 100_000, '{"a":' * 100_000, "9" * 100_000],
    ids=lambda text: text[:5],
)
def test_meta_that_is_no_object_of_json_is_refused(path, text):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    refused(path, packed({**members, "meta.npy": as_meta(text)}), model, opt)


def test_an_array_that_is_missing_is_refused(path):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    for name in members:
        fewer = {other: content for other, content in members.items() if other != name}
        refused(path, packed(fewer), model, opt, r"must be|whole file")


@pytest.mark.parametrize(
    "name",
    [
        "model/more",
        "optimizer/0/velocities/more",
        "optimizer/0/more/weight",
        "optimizer/0/lr/weight",
        "optimizer/1/velocities/weight",
        "optimizer/-1/velocities/weight",
        "optimizer/00/velocities/weight",
        "optimizer/weight",
        "extra/weight",
        "format_version/weight",
        "more/weight",
        "more",
        "",
    ],
)
def test_an_array_too_many_is_refused(path, name):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    content = packed({**members, f"{name}.npy": npy(np.ones((2, 1), np.float32))})
    refused(path, content, model, opt, "must be|whole file")


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 1)),
        np.ones((2, 1), np.int32),
        np.ones((2, 1), ">f8"),
        np.ones((1, 2), np.float32),
        np.ones(2, np.float32),
        np.ones((0, 1), np.float32),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
@pytest.mark.parametrize("name", ["model/weight", "optimizer/0/velocities/weight"])
def test_an_array_of_another_dtype_or_shape_is_refused(path, name, array):
    model, opt = run_of(1)
    sg.save(path, model, opt)
    members, _ = parts_of(path)
    content = packed({**members, f"{name}.npy": npy(array)})
    refused(path, content, model, opt, r"must be of shape \(2, 1\) and float32")


# Fuzzing: valid checksums and invalid contents


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**130), 2**130)
    | st.sampled_from([10**400, 0.5, float("nan"), float("inf"), -1.0, "", "weight", "default"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["weight", "label", "lr", "a"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def places_in(value, place=()):
    """The places of all values within a value of JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from places_in(inner, (*place, key))


@st.composite
def spoiled_files(draw, members, meta):
    """The file with up to three changes: in its meta, its names, its arrays and its bytes."""
    members = dict(members)
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["meta", "name", "array", "content"]))
        name = draw(st.sampled_from(sorted(members)))
        if kind == "meta":
            meta = changed(meta, draw(JSON), *draw(st.sampled_from(list(places_in(meta)))))
            members["meta.npy"] = as_meta(meta)
        elif kind == "name":
            part = st.sampled_from(["model", "optimizer", "0", "-1", "velocities", "weight", "lr"])
            members["/".join(draw(st.lists(part, max_size=5))) + ".npy"] = members.pop(name)
        elif kind == "array":
            descr = draw(st.sampled_from(["<f4", ">f4", "<f8", "|b1", "|O", "<U1", "|V0", "<i4,O"]))
            shape = tuple(draw(st.lists(st.integers(-2, 3) | st.just(2**63), max_size=3)))
            data = draw(st.binary(max_size=16))
            members[name] = npy_with_header(HEADER.format(descr, shape), data)
        else:
            members[name] = spoiled_bytes(draw, members[name])
    content = packed(members)
    return spoiled_bytes(draw, content) if draw(st.booleans()) else content


def spoiled_bytes(draw, content):
    """Some bytes replaced by others, perhaps by more or fewer."""
    start = draw(st.integers(0, len(content)))
    stop = draw(st.integers(start, min(start + 8, len(content))))
    return content[:start] + draw(st.binary(max_size=8)) + content[stop:]


@pytest.mark.filterwarnings("ignore")  # of NumPy, about headers as Python 2 wrote them
def test_a_spoiled_file_raises_a_value_error_or_loads_a_whole_state(path, for_all):
    sg.save(path, *run_of(1))

    @for_all(spoiled_files(*parts_of(path)))
    def check(content):
        model, opt = run_of(2)
        if loads_all_or_nothing(path, content, model, opt):
            sg.save(path, model, opt)  # what was loaded can be saved and loaded
            before = everything(model, opt)
            sg.load(path, model, opt)
            assert everything(model, opt) == before
