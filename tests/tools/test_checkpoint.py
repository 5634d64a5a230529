"""save and load: the training goes on bit for bit, and what does not fit changes nothing."""

import contextlib
import functools
import gc
import json
import os
import re
import socket
import stat

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim

PAIRS = [
    (optim.Adam, fast.Adam),
    (optim.AdamW, fast.AdamW),
    (optim.RMSProp, fast.RMSProp),
    tuple(functools.partial(c, momentum=0.9, weight_decay=0.01) for c in (optim.SGD, fast.SGD)),
]


POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def made(optimizer=optim.Adam):
    """A model with a frozen layer and with dropout, and its optimizer."""
    frozen = nn.Linear(4, 6)
    frozen.weight.requires_grad = False
    model = nn.Sequential(frozen, nn.LayerNorm(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3))
    return model, optimizer(model)


def train(model, opt, epochs, compute=None):
    """Trains on batches in random order, and returns the losses."""
    y = np.arange(12) % 3
    x = np.eye(3, 4, dtype=np.float32)[y] + np.linspace(0, 1, 12, dtype=np.float32)[:, None]
    compute = compute or (lambda x, y: sg.cross_entropy(model(x), y))
    losses = []
    for _ in range(epochs):
        for batch in np.split(sg.generator().permutation(12), 3):
            loss = compute(x[batch], y[batch])
            loss.backward()
            opt.step()
            opt.zero_grad()
            losses.append(loss.item())
    return losses


def everything(model, opt):
    """The bits of all that `load` may change."""
    state = opt.state()
    kept = [
        [array.tobytes() for array in group.pop(slot).values()]
        for group in state["param_groups"]
        for slot in opt.slots
    ]
    tensors = {name: t.data.tobytes() for name, t in model.tensors().items()}
    return tensors, kept, state, opt.lr, sg.generator().bit_generator.state


def refused(path, model, opt, match):
    """Whether load() raises a ValueError that says so, and changes nothing."""
    before = everything(model, opt)
    with pytest.raises(ValueError, match=match):
        sg.load(path, model, opt)
    assert everything(model, opt) == before


# A resumed run


@pytest.mark.parametrize("saved_by", [0, 1], ids=["reference", "fast"])
@pytest.mark.parametrize("loaded_by", [0, 1], ids=["reference", "fast"])
@pytest.mark.parametrize("pair", PAIRS, ids=["Adam", "AdamW", "RMSProp", "SGD"])
def test_a_resumed_run_is_bit_for_bit_the_run_not_interrupted(tmp_path, pair, saved_by, loaded_by):
    model, opt = made(pair[saved_by])
    train(model, opt, 2)
    sg.save(tmp_path / "run.npz", model, opt, epoch=2)
    losses = train(model, opt, 2)

    sg.manual_seed(99)
    resumed, resumed_opt = made(pair[loaded_by])
    train(resumed, resumed_opt, 1)
    assert sg.load(tmp_path / "run.npz", resumed, resumed_opt) == {"epoch": 2}
    assert train(resumed, resumed_opt, 2) == losses
    assert everything(resumed, resumed_opt) == everything(model, opt)


@pytest.mark.parametrize("optimizer", [optim.Adam, fast.Adam])
def test_a_replayed_function_goes_on_with_what_was_loaded(tmp_path, optimizer):
    model, opt = made(optimizer)
    train(model, opt, 2)
    sg.save(tmp_path / "run.npz", model, opt)
    losses = train(model, opt, 2)

    resumed, resumed_opt = made(optimizer)
    compute = fast.replay(lambda x, y: sg.cross_entropy(resumed(x), y))
    train(resumed, resumed_opt, 2, compute)
    sg.load(tmp_path / "run.npz", resumed, resumed_opt)
    assert train(resumed, resumed_opt, 2, compute) == losses
    assert everything(resumed, resumed_opt) == everything(model, opt)


def test_frozen_tensors_are_saved_and_results_are_not(tmp_path):
    model, _ = made()
    model.last = model(sg.ones((2, 4)))
    sg.save(tmp_path / "model.npz", model)
    other, _ = made()
    assert (other[0].weight != model[0].weight).any()
    sg.load(tmp_path / "model.npz", other)
    np.testing.assert_array_equal(other[0].weight.data, model[0].weight.data)
    assert not other[0].weight.requires_grad


def test_large_parameters_of_fast_optimizers_are_loaded(tmp_path):
    def ran(steps, path=None):
        model = nn.Linear(300, 300)  # more than a block, so that it is worked on where it is
        opt = fast.Adam(model)
        if path is not None:
            sg.load(path, model, opt)
        for _ in range(steps):
            model(sg.normal((2, 300))).sum().backward()
            opt.step()
            opt.zero_grad()
        return model, opt

    sg.save(tmp_path / "run.npz", *ran(2))
    sg.manual_seed(0)
    assert everything(*ran(4)) == everything(*ran(2, tmp_path / "run.npz"))


def test_the_arrays_and_the_generator_stay_the_same_objects(tmp_path):
    model, opt = made()
    generator, array = sg.generator(), model[0].weight.data
    sg.save(tmp_path / "run.npz", model, opt)
    numbers = generator.random(3)
    sg.load(tmp_path / "run.npz", model, opt)
    np.testing.assert_array_equal(generator.random(3), numbers)
    assert sg.generator() is generator
    assert model[0].weight.data is array


def test_data_loaded_between_forward_and_backward_raises_at_backward(tmp_path):
    model = nn.Linear(2, 1)
    sg.save(tmp_path / "model.npz", model)
    loss = (model([1.0, 2.0]) ** 2).sum()
    sg.load(tmp_path / "model.npz", model)
    with pytest.raises(RuntimeError, match="assigned"):
        loss.backward()


def test_groups_and_hyperparameters_are_restored(tmp_path):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    groups = [{"params": a, "label": "left/a"}, {"params": b, "lr": 0.1, "maximize": True}]
    opt = optim.Adam(param_groups=groups)
    opt.set_param("beta_1", 0.5, group="group_1")
    sg.save(tmp_path / "opt.npz", optimizer=opt)
    other = optim.Adam(lr=0.7, param_groups=groups)
    sg.load(tmp_path / "opt.npz", optimizer=other)
    assert other.state()["param_groups"][1]["beta_1"] == 0.5
    assert [g["lr"] for g in other.param_groups] == [0.001, 0.1]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors_of_all_shapes_dtypes_and_layouts_come_back(tmp_path, dtype, shape):
    module = nn.Module()
    module.t = sg.Tensor(np.full(shape, 1, dtype))
    module.transposed = sg.Tensor(np.arange(6).reshape(2, 3).T.astype(dtype))
    sg.save(tmp_path / "module.npz", module)
    other = nn.Module()
    other.t, other.transposed = sg.zeros(shape, dtype=dtype), sg.zeros((3, 2), dtype=dtype)
    sg.load(tmp_path / "module.npz", other)
    np.testing.assert_array_equal(other.t.data, module.t.data, strict=True)
    np.testing.assert_array_equal(other.transposed.data, module.transposed.data, strict=True)


def test_numbers_that_are_not_finite_and_minus_zero_come_back(tmp_path):
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
    module = nn.Module()
    module.t = sg.Tensor(values)
    sg.save(tmp_path / "module.npz", module, nan=np.nan, inf=np.inf, many=values.tolist())
    module.t = sg.zeros(5, dtype=np.float64)
    extra = sg.load(tmp_path / "module.npz", module)
    assert module.t.data.tobytes() == np.array(extra["many"]).tobytes() == values.tobytes()
    assert np.isnan(extra["nan"])
    assert extra["inf"] == np.inf


def test_extra_comes_back_as_json_has_it(tmp_path):
    given = {"words": ["a", {"b": None}], "pair": (1, 2.5), "best": {3: True}, "text": "π \ud800"}
    sg.save(tmp_path / "run.npz", **given)
    extra = sg.load(tmp_path / "run.npz")
    assert extra == {**given, "pair": [1, 2.5], "best": {"3": True}}


@pytest.mark.parametrize(
    "name", ["a.b/c", "x.npy", "..", "ä π 日本", "a\nb", "", "meta", "file", "0", "x" * 300]
)
def test_any_name_that_a_file_can_hold_comes_back(tmp_path, name):
    module = nn.Module()
    module.by_name = {name: sg.ones(2, requires_grad=True)}
    opt = fast.Adam(module)
    sg.save(tmp_path / "run.npz", module, opt)
    module.by_name[name].data = [0.0, 0.0]
    sg.load(tmp_path / "run.npz", module, opt)
    np.testing.assert_array_equal(module.by_name[name].data, 1)


# The file


def test_the_file_opens_in_numpy_without_pickle(tmp_path):
    model, opt = made()
    sg.save(tmp_path / "run.npz", model, opt, epoch=3)
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["model/layers.0.weight"], model[0].weight.data)
        assert file["optimizer/0/moments1/layers.0.bias"].shape == (6,)
        assert all(file[name].dtype != object for name in file.files)
        meta = json.loads(file["meta"].tobytes())
    assert (meta["format_version"], meta["extra"]) == (1, {"epoch": 3})


def test_a_file_that_numpy_has_written_again_loads(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    train(model, opt, 1)
    sg.save(path, model, opt)
    before = everything(model, opt)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays)
    train(model, opt, 1)
    sg.load(path, model, opt)
    assert everything(model, opt) == before


def test_an_old_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    for size in (2, 3):
        sg.save(str(tmp_path / "run.npz"), nn.Linear(size, size))
    sg.load(tmp_path / "run.npz", nn.Linear(3, 3))
    assert os.listdir(tmp_path) == ["run.npz"]


def test_the_name_of_the_file_is_the_one_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sg.save("run", epoch=1)
    assert os.listdir() == ["run"]
    assert sg.load("run") == {"epoch": 1}


@POSIX
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        sg.save(tmp_path / "run.npz")
        (tmp_path / "any").touch()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "run.npz") == mode_of(tmp_path / "any") == 0o666 & ~umask


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o200, 0o640, 0o664, 0o666, 0o755, 0o2660])
@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode, link):
    path = tmp_path / "run.npz"
    path.touch()
    path.chmod(mode)
    if link:
        (tmp_path / "last.npz").symlink_to(path)
    modified = path.stat().st_mtime_ns
    for epoch in range(2):
        sg.save(tmp_path / "last.npz" if link else path, epoch=epoch)
        assert mode_of(path) == mode
    assert path.stat().st_mtime_ns > modified


@POSIX
def test_nobody_else_can_read_a_private_file_while_it_is_written(tmp_path, monkeypatch):
    path, seen = tmp_path / "run.npz", []
    path.touch()
    path.chmod(0o600)
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(stat.S_IMODE(os.fstat(fd).st_mode)))
    sg.save(path)
    assert seen == [0o600]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_a_file_that_root_replaces_still_belongs_to_its_owner(tmp_path):
    path = tmp_path / "run.npz"
    path.touch(mode=0o600)
    os.chown(path, 12345, 54321)
    sg.save(path)
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (12345, 54321, 0o600)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system has no extended attributes")
def test_a_file_that_is_replaced_keeps_its_extended_attributes(tmp_path):
    path = tmp_path / "run.npz"
    path.touch()
    try:
        os.setxattr(path, "user.course", b"6.86")
    except OSError:
        pytest.skip("this disk keeps no extended attributes")
    sg.save(path)
    assert os.getxattr(path, "user.course") == b"6.86"


@pytest.mark.parametrize("mode", [0o444, 0o400, 0o555])
def test_a_file_that_is_read_only_is_left_as_it_is(tmp_path, mode):
    path = tmp_path / "run.npz"
    path.write_text("old")
    path.chmod(mode)
    with pytest.raises(
        PermissionError, match=r"run\.npz is read-only.*Write .*os\.chmod\('.*0o644"
    ):
        sg.save(path, nn.Linear(2, 2))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.npz"]
    os.chmod(path, 0o644)
    sg.save(path)


@pytest.mark.parametrize("letter", ["x", "ä", "日"])
def test_a_name_of_255_bytes_is_saved_and_replaced(tmp_path, letter):
    path = tmp_path / (letter * (255 // len(letter.encode())))
    for epoch in range(2):
        sg.save(path, epoch=epoch)
        assert sg.load(path) == {"epoch": epoch}
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(OSError, match=r"[Nn]ame|path"):  # File name too long
        sg.save(f"{path}x{letter}")
    assert os.listdir(tmp_path) == [path.name]


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "runs").mkdir()
    try:
        (tmp_path / "last.npz").symlink_to(tmp_path / "runs" / "1.npz")
    except OSError:
        pytest.skip("this system lets nobody make links")
    for epoch in range(2):  # the first makes the file that the link leads to
        sg.save(tmp_path / "last.npz", epoch=epoch)
        assert (tmp_path / "last.npz").is_symlink()
        assert sg.load(tmp_path / "runs" / "1.npz") == {"epoch": epoch}
    assert os.listdir(tmp_path / "runs") == ["1.npz"]


# What cannot be saved


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 70_000])
def test_a_name_that_no_file_can_hold_is_refused_before_anything_is_written(tmp_path, name):
    module = nn.Module()
    module.by_name = {name: sg.ones(1)}
    with pytest.raises(ValueError, match=r"cannot hold the name 'model/by_name.*another key"):
        sg.save(tmp_path / "run.npz", module)
    assert os.listdir(tmp_path) == []


def circular():
    values = []
    values.append(values)
    return values


def deep():
    values = []
    for _ in range(100_000):
        values = [values]
    return values


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (np.ones(2), "ndarray is not JSON serializable"),
        (np.float32(1), "float32 is not JSON serializable"),
        (circular(), "Circular reference"),
        (deep(), "recursion|overflow"),
    ],
    ids=["ndarray", "float32", "circular", "deep"],
)
def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path, value, why):
    with pytest.raises(TypeError, match=rf"({why}).*array\.tolist\(\)"):
        sg.save(tmp_path / "run.npz", nn.Linear(2, 2), history=value)
    assert os.listdir(tmp_path) == []


def test_a_generator_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    sg.save(path, model, opt)
    train(model, opt, 1)
    for bits in (np.random.MT19937, np.random.Philox, np.random.PCG64DXSM):
        generator = np.random.Generator(bits(0))
        sg.creation.set_generator(generator)
        tensors = everything(model, opt)[:-1]
        for function in (sg.save, sg.load):
            with pytest.raises(ValueError, match=rf"{bits.__name__}.*sg\.manual_seed\(0\)"):
                function(path, model, opt)
        assert everything(model, opt)[:-1] == tensors
        assert sg.generator() is generator
        assert generator.random() == np.random.Generator(bits(0)).random()


@pytest.mark.parametrize("function", [sg.save, sg.load])
def test_arguments_in_another_order_are_refused(tmp_path, function):
    model, opt = made()
    path = tmp_path / "run.npz"
    for arguments, match in [
        ((model, path), r"takes a string or a Path as path, but got a Sequential"),
        ((path, opt), r"takes a Module as model, but got a Adam"),
        ((path, opt, model), r"takes a Module as model, but got a Adam"),
        ((path, model, model), r"takes an Optimizer as optimizer, but got a Sequential"),
    ]:
        with pytest.raises(TypeError, match=rf'{match}.*Write sg\.{function.__name__}\("run.npz"'):
            function(*arguments)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_named_with_the_correction(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*runs.*Write os\.makedirs\('.*runs'"):
        sg.save(tmp_path / "runs" / "1.npz", nn.Linear(2, 2))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["new/", "new/.", "old/", "old/..", "old", "file/", "", ".", ".."])
def test_the_name_of_a_folder_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(
        IsADirectoryError, match=r"is no file\. Write sg\.save\(\"run\.npz\", model\)"
    ):
        sg.save(name, nn.Linear(2, 2))
    assert sorted(os.listdir()) == ["file", "old"]
    assert os.listdir("old") == []


def pipe(path):
    os.mkfifo(path)


def listening(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(os.path.relpath(path))  # since such a path must be short


def device(path):
    path.symlink_to(os.devnull)


def circle(path):
    path.symlink_to(path)


@POSIX
@pytest.mark.parametrize("function", [sg.save, sg.load])
@pytest.mark.parametrize("make", [pipe, listening, device, circle])
@pytest.mark.parametrize("link", [False, True])
def test_what_is_no_file_is_refused_and_never_opened(tmp_path, monkeypatch, function, make, link):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.npz"
    make(path)
    kind = stat.S_IFMT(path.lstat().st_mode)
    if link:
        (tmp_path / "last.npz").symlink_to(path)
    monkeypatch.setattr("builtins.open", pytest.fail)  # of a pipe, it would wait for ever
    with pytest.raises(OSError, match=rf"is no file\. Write sg\.{function.__name__}\(\"run.npz"):
        function(tmp_path / "last.npz" if link else path, nn.Linear(2, 2))
    assert stat.S_IFMT(path.lstat().st_mode) == kind
    assert len(os.listdir(tmp_path)) == 1 + link


@POSIX
def test_the_output_of_a_program_is_no_file():
    for name in ("/dev/null", "/dev/stdout", "/dev/fd/0"):
        if os.path.exists(name) and not os.path.isfile(name):
            with pytest.raises(OSError, match="is no file"):
                sg.save(name)


# The order of the bytes


@pytest.mark.parametrize(
    "optimizer", PAIRS[0] + PAIRS[3], ids=["Adam", "fast.Adam", "SGD", "fast.SGD"]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_of_a_machine_with_the_other_order_of_bytes_loads(tmp_path, optimizer, order):
    path = tmp_path / "run.npz"
    model, opt = made(optimizer)
    train(model, opt, 2)
    sg.save(path, model, opt)
    before = everything(model, opt)
    with np.load(path) as file:
        swapped = {name: a.astype(a.dtype.newbyteorder(order)) for name, a in file.items()}
    np.savez(path, **swapped)
    train(model, opt, 1)
    sg.load(path, model, opt)
    assert everything(model, opt) == before
    other, _ = made(optimizer)
    sg.load(path, other)
    assert everything(other, opt) == before


def test_a_model_keeps_its_own_order_of_bytes(tmp_path):
    w = sg.Tensor(np.arange(3, dtype=">f8"), requires_grad=True)
    model = nn.Module()
    model.w = w
    opt = optim.Adam(model)
    (w**2).sum().backward()
    opt.step()
    sg.save(tmp_path / "run.npz", model, opt)
    before = everything(model, opt)
    opt.step()
    sg.load(tmp_path / "run.npz", model, opt)
    assert everything(model, opt) == before


# Nothing is left for the collector of cycles


def unreachable_after(function):
    """How many objects `function` leaves that reference counting alone does not free."""
    function()  # what is imported and cached the first time
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            function()
        return gc.collect()
    finally:
        gc.enable()


def deep_model():
    model = nn.Sequential()
    for _ in range(50):
        model = nn.Sequential(model, nn.Linear(1, 1))
    return model


def empty_model():
    model = nn.Module()
    model.t, model.n, model.flag = sg.zeros((0, 3)), sg.Tensor(np.arange(3)), sg.Tensor(np.True_)
    return model


def model_that_keeps_results():
    model = nn.Sequential(nn.Linear(2, 2))
    model.out = model(sg.ones((3, 2)))
    return model


@pytest.mark.parametrize(
    "make", [lambda: made()[0], deep_model, empty_model, model_that_keeps_results, lambda: None]
)
def test_neither_saving_nor_loading_leaves_cycles(tmp_path, make):
    path, model = tmp_path / "run.npz", make()
    opt = optim.Adam(model) if model and model.parameters() else None
    assert unreachable_after(lambda: sg.save(path, model, opt, epoch=1)) == 0
    assert unreachable_after(lambda: sg.load(path, model, opt)) == 0


def test_what_is_refused_leaves_no_cycles(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    sg.save(path, model, opt)
    (tmp_path / "half.npz").write_bytes(path.read_bytes()[:-30])
    for call in [
        lambda: sg.load(path, nn.Linear(2, 2)),
        lambda: sg.load(path, model, optim.SGD(model)),
        lambda: sg.load(tmp_path / "half.npz", model),
        lambda: sg.load(tmp_path / "none.npz", model),
        lambda: sg.load(tmp_path, model),
        lambda: sg.save(path, model, history=np.ones(2)),
        lambda: sg.save(tmp_path, model),
        lambda: sg.save(tmp_path / "no" / "folder", model),
    ]:

        def fails(call=call):
            with contextlib.suppress(ValueError, TypeError, OSError):
                call()
                pytest.fail("this was refused before")

        assert unreachable_after(fails) == 0


# What does not fit


def test_a_file_that_cannot_be_opened_is_what_python_calls_it(tmp_path):
    with pytest.raises(FileNotFoundError):
        sg.load(tmp_path / "none.npz")
    with pytest.raises((IsADirectoryError, PermissionError)):  # the latter on Windows
        sg.load(tmp_path)


def test_a_file_that_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    train(model, opt, 1)
    other = nn.Linear(4, 8)
    sg.save(path, other, optim.Adam(other))
    refused(path, model, opt, r"the tensors of the model must be .* Nothing was changed")
    sg.save(path, model, optim.Adam(nn.Linear(4, 8)))
    refused(path, model, opt, "the names in 'moments1' of group 'default'")
    sg.save(path, model, optim.Adam(param_groups=[{"params": model, "label": "all"}]))
    refused(path, model, opt, "the labels of the groups must be default, but .* all")
    sg.save(path, model, optim.SGD(model))
    refused(path, model, opt, "the class of the optimizer must be Adam, but .* SGD")
    sg.save(path, model)
    refused(path, model, opt, r"holds no optimizer.*sg\.save\(path, optimizer=optimizer\)")
    sg.save(path, optimizer=opt)
    refused(path, model, opt, "holds no model")


def test_a_tensor_of_another_shape_or_dtype_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    train(model, opt, 1)
    for other, match in [
        (sg.zeros((3, 6)), r"'layers.4.weight' must be of shape \(6, 3\).* shape \(3, 6\)"),
        (sg.zeros((6, 3), dtype=np.float64), "'layers.4.weight' must be .* float32, .* float64"),
    ]:
        saved, saved_opt = made()
        saved[4].weight = other
        sg.save(path, saved, saved_opt)
        refused(path, model, opt, match)


class Picky(optim.SGD):
    """An optimizer of a user, whose hyperparameters must go together."""

    strict = False

    def check_group(self, group):
        if self.strict and group["momentum"] == 0:
            raise ValueError("this one wants momentum")


def test_hyperparameters_that_do_not_go_together_change_nothing(tmp_path):
    model, opt = made(Picky)
    sg.save(tmp_path / "run.npz", model, opt)
    train(model, opt, 1)
    opt.strict = True
    refused(tmp_path / "run.npz", model, opt, "wants momentum")


def test_memory_that_runs_out_changes_nothing(tmp_path, monkeypatch):
    model, opt = made()
    sg.save(tmp_path / "run.npz", model, opt)
    train(model, opt, 1)
    before, copies = everything(model, opt), []
    array = np.array

    def full(*args, **kwargs):
        copies.append(args)
        if len(copies) == 5:
            raise MemoryError
        return array(*args, **kwargs)

    monkeypatch.setattr(np, "array", full)
    with pytest.raises(MemoryError):
        sg.load(tmp_path / "run.npz", model, opt)
    monkeypatch.undo()
    assert everything(model, opt) == before


# What a model holds besides tensors


class Counting(nn.Module):
    """A model that counts its calls, in a number or in a Tensor."""

    def __init__(self, eps=1e-5, best=float("nan")):
        self.layer, self.eps, self.flag, self.best = nn.Linear(2, 1), eps, True, best
        self.calls, self.sizes = 0, [2, {"out": np.int64(1)}]
        self.count = sg.zeros((), dtype=np.int64)

    def forward(self, x):
        self.calls += 1
        self.count.data += 1
        return self.layer(x)


ARRAYS = {
    "mean": np.zeros(2, np.float32),
    "masks[0]": [np.ones(2, bool)],
    "tables['a']": {"a": (np.arange(3),)},
    "empty": np.zeros(0),
    "objects": np.array([None]),
    "texts": np.array(["a"]),
}


@pytest.mark.parametrize("code", ARRAYS)
def test_an_array_that_a_model_holds_is_refused_before_anything_is_written(tmp_path, code):
    model = nn.Sequential(nn.Linear(2, 1), nn.Module())
    setattr(model[1], code.partition("[")[0], ARRAYS[code])
    says = f"the model holds an array, model.layers[1].{code}"
    with pytest.raises(TypeError, match=rf"^{re.escape(says)}.*Write .* = sg\.Tensor\("):
        sg.save(tmp_path / "model.npz", model)
    assert os.listdir(tmp_path) == []


def test_what_the_error_about_an_array_says_is_right(tmp_path):
    model = nn.Module()
    model.mean = np.arange(3.0)
    model.mean = sg.Tensor(model.mean)
    sg.save(tmp_path / "model.npz", model)
    other = nn.Module()
    other.mean = sg.zeros(3, dtype=np.float64)
    sg.load(tmp_path / "model.npz", other)
    assert other.mean.data.tolist() == [0, 1, 2]


def test_a_number_that_has_changed_since_is_refused_and_one_in_a_tensor_is_loaded(tmp_path):
    model = Counting()
    model([1.0, 2.0])
    sg.save(tmp_path / "model.npz", model)
    other = Counting()
    before = other.layer.weight.numpy()
    says = r"^model\.calls is 0, but it was 1 when it was saved.*Write model\.calls = 1 before"
    with pytest.raises(ValueError, match=says):
        sg.load(tmp_path / "model.npz", other)
    np.testing.assert_array_equal(other.layer.weight.data, before)
    assert other.count.item() == 0
    other.calls = 1
    sg.load(tmp_path / "model.npz", other)
    assert other.count.item() == 1
    np.testing.assert_array_equal(other.layer.weight.data, model.layer.weight.data)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda m: setattr(m, "eps", 1e-3), "eps"),
        (lambda m: setattr(m, "flag", False), "flag"),
        (lambda m: setattr(m, "best", 1.0), "best"),
        (lambda m: m.sizes.__setitem__(0, 3), "sizes[0]"),
        (lambda m: m.sizes[1].clear(), "sizes[1]['out']"),
        (lambda m: delattr(m, "eps"), "eps"),
    ],
)
def test_every_number_is_compared_wherever_a_model_holds_it(tmp_path, change, name):
    sg.save(tmp_path / "model.npz", Counting())
    other = Counting()
    sg.load(tmp_path / "model.npz", other)  # nan is as it was
    change(other)
    with pytest.raises(ValueError, match=rf"^model\.{re.escape(name)} is "):
        sg.load(tmp_path / "model.npz", other)


def test_a_number_in_the_place_of_none_is_a_difference(tmp_path):
    sg.save(tmp_path / "model.npz", nn.RMSNorm(2))  # whose eps is None
    sg.load(tmp_path / "model.npz", nn.RMSNorm(2))
    with pytest.raises(ValueError, match=r"^model\.eps is 0\.1, but it was None when .* = None"):
        sg.load(tmp_path / "model.npz", nn.RMSNorm(2, eps=0.1))


def test_the_mode_of_a_model_is_no_number_and_a_new_number_is_no_difference(tmp_path):
    sg.save(tmp_path / "model.npz", nn.Sequential(nn.Dropout(0.5)).eval())
    other = nn.Sequential(nn.Dropout(np.float32(0.5)))
    other.later = 3
    sg.load(tmp_path / "model.npz", other)
    assert other.training
    assert other[0].training


def test_settings_of_layers_are_compared(tmp_path):
    sg.save(tmp_path / "model.npz", nn.Sequential(nn.Dropout(0.5), nn.BatchNorm(2)))
    with pytest.raises(ValueError, match=r"model\.layers\[0\]\.p is 0\.25, but it was 0\.5"):
        sg.load(tmp_path / "model.npz", nn.Sequential(nn.Dropout(0.25), nn.BatchNorm(2)))
    other = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm(2, momentum=0.2))
    with pytest.raises(ValueError, match=r"model\.layers\[1\]\.momentum is 0\.2, but it was 0\.1"):
        sg.load(tmp_path / "model.npz", other)


# A model that shares tensors with the file


def trunk_and(**parts):
    model = nn.Module()
    model.trunk = nn.Linear(3, 2)
    for name, part in parts.items():
        setattr(model, name, part)
    return model


def test_what_both_have_is_loaded_and_the_rest_is_named(tmp_path):
    path = tmp_path / "run.npz"
    trained = trunk_and(old=nn.Linear(2, 5), both=nn.BatchNorm(4))
    sg.save(path, trained, epoch=7)
    model = trunk_and(both=nn.BatchNorm(4), new=nn.Linear(2, 5, bias=False))
    new, arrays = model.new.weight.numpy(), {n: t.data for n, t in model.tensors().items()}
    loaded = sg.load(path, model, strict=False)
    assert loaded == ({"epoch": 7}, ["new.weight"], ["old.bias", "old.weight"])
    assert (loaded.extra, loaded.missing, loaded.unexpected) == loaded
    for name, t in model.tensors().items():
        expected = new if name == "new.weight" else trained.tensors()[name].data
        np.testing.assert_array_equal(t.data, expected)
        assert t.data is arrays[name]


def test_a_model_that_fits_leaves_nothing_out(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    train(model, opt, 1)
    sg.save(path, model, opt, epoch=1)
    expected = everything(model, opt)
    train(model, opt, 1)
    assert sg.load(path, model, opt, strict=False) == ({"epoch": 1}, [], [])
    assert everything(model, opt) == expected
    assert sg.load(path, strict=False) == ({"epoch": 1}, [], [])
    assert sg.load(path, model, opt, strict=True) == {"epoch": 1}


NOT_LOADED = {
    "another shape": (lambda: trunk_and(head=nn.Linear(2, 4)), "'head.weight' must be of shape"),
    "another dtype": (lambda: trunk_and(head=nn.Linear(2, 5, dtype="float64")), "of .* float64"),
    "another number": (
        lambda: trunk_and(head=nn.Linear(2, 5), norm=nn.LayerNorm(2, eps=0.1)),
        r"model\.norm\.eps is 0\.1, but it was 1e-05",
    ),
    "no name in common": (lambda: nn.Sequential(trunk_and()), r"no tensor of .* layers\.0\.trunk"),
}


@pytest.mark.parametrize("case", NOT_LOADED)
def test_what_differs_stays_an_error_that_changes_nothing(tmp_path, case):
    path = tmp_path / "run.npz"
    sg.save(path, trunk_and(head=nn.Linear(2, 5), norm=nn.LayerNorm(2)))
    make, said = NOT_LOADED[case]
    model = make()
    before = {name: t.numpy() for name, t in model.tensors().items()}
    sg.manual_seed(1)
    with pytest.raises(ValueError, match=f"(?s){said}.*Nothing was changed"):
        sg.load(path, model, strict=False)
    for name, t in model.tensors().items():
        np.testing.assert_array_equal(t.data, before[name])
    number = sg.generator().random()
    sg.manual_seed(1)
    assert sg.generator().random() == number


def test_the_state_of_an_optimizer_is_for_all_of_its_parameters(tmp_path):
    path = tmp_path / "run.npz"
    model = trunk_and(old=nn.Linear(2, 5))
    sg.save(path, model, optim.Adam(model))
    other = trunk_and(new=nn.Linear(2, 5))
    before = other.trunk.weight.numpy()
    with pytest.raises(ValueError, match=r"(?s)the names in 'moments1'.*Nothing was changed"):
        sg.load(path, other, optim.Adam(other), strict=False)
    np.testing.assert_array_equal(other.trunk.weight.data, before)
    sg.load(path, other, strict=False)
    np.testing.assert_array_equal(other.trunk.weight.data, model.trunk.weight.data)


@pytest.mark.parametrize("strict", [0, 1, None, "False"])
def test_strict_is_true_or_false(tmp_path, strict):
    sg.save(tmp_path / "run.npz", nn.Linear(2, 1))
    with pytest.raises(TypeError, match="the strict of load is True or False"):
        sg.load(tmp_path / "run.npz", nn.Linear(2, 1), strict=strict)
