"""save and load: the training goes on bit for bit, and a wrong file changes nothing."""

import os

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim


def made(optimizer=optim.Adam):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    return model, optimizer(model)


def train(model, opt, steps):
    for _ in range(steps):
        i = sg.generator().integers(0, 3, 5)
        loss = sg.cross_entropy(model(np.eye(3, 4, dtype=np.float32)[i]), i)
        loss.backward()
        opt.step()
        opt.zero_grad()


def everything(model, opt):
    data = [t.numpy() for t in model.parameters().values()]
    slots = [np.array(a) for kept in opt._kept for arrays in kept.values() for a in arrays]
    return [*data, *slots, np.array(opt.step_count)]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("optimizer", [optim.Adam, optim.AdamW, optim.SGD, optim.RMSProp])
def test_a_resumed_run_is_bit_for_bit_the_run_not_interrupted(tmp_path, optimizer):
    model, opt = made(optimizer)
    train(model, opt, 3)
    sg.save(tmp_path / "run.npz", model, opt, epoch=3, notes=["a", {"b": None}])
    train(model, opt, 3)

    sg.manual_seed(99)
    resumed, resumed_opt = made(optimizer)
    extra = sg.load(tmp_path / "run.npz", resumed, resumed_opt)
    assert extra == {"epoch": 3, "notes": ["a", {"b": None}]}
    train(resumed, resumed_opt, 3)
    assert same(everything(model, opt), everything(resumed, resumed_opt))


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


def test_the_file_opens_in_numpy_without_pickle(tmp_path):
    model, opt = made()
    sg.save(tmp_path / "run.npz", model, opt)
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["model/layers.0.weight"], model[0].weight.data)
        assert all(file[name].dtype != object for name in file.files)


def test_an_old_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    for size in (2, 3):
        sg.save(str(tmp_path / "run.npz"), nn.Linear(size, size))
    sg.load(tmp_path / "run.npz", nn.Linear(3, 3))
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path, model = tmp_path / "run.npz", nn.Linear(2, 2)
    sg.save(path, model)
    old = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        sg.save(path, nn.Linear(2, 2))
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["run.npz"]


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"ndarray is not JSON serializable.*array\.tolist\(\)"):
        sg.save(tmp_path / "run.npz", nn.Linear(2, 2), history=np.ones(2))
    assert os.listdir(tmp_path) == []


def unchanged_by(path, model, opt, match):
    before, draw = everything(model, opt), sg.generator().bit_generator.state
    with pytest.raises(ValueError, match=match):
        sg.load(path, model, opt)
    assert same(before, everything(model, opt))
    assert sg.generator().bit_generator.state == draw


def test_a_file_that_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    train(model, opt, 1)
    other = nn.Linear(4, 8)
    sg.save(path, other, optim.Adam(other))
    unchanged_by(path, model, opt, r"the parameters of the model must be .* Nothing was changed")
    sg.save(path, model, optim.Adam(nn.Linear(4, 8)))
    unchanged_by(path, model, opt, "the names in 'moments1' of group 'default'")
    sg.save(path, model, optim.SGD(model))
    unchanged_by(path, model, opt, "the class of the optimizer must be Adam, but .* SGD")
    sg.save(path, model)
    unchanged_by(path, model, opt, r"holds no optimizer.*sg\.save\(path, optimizer=optimizer\)")
    sg.save(path, optimizer=opt)
    unchanged_by(path, model, opt, "holds no model")


def test_a_parameter_of_another_shape_or_dtype_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    saved, into = nn.Linear(2, 3), nn.Linear(3, 2)
    sg.save(path, saved)
    before = into.weight.numpy()
    with pytest.raises(ValueError, match=r"'weight' must be of shape \(3, 2\).* shape \(2, 3\)"):
        sg.load(path, into)
    np.testing.assert_array_equal(into.weight.data, before)
    into = nn.Linear(2, 3)
    into.bias = sg.zeros(3, requires_grad=True, dtype=np.float64)
    before = into.weight.numpy()
    with pytest.raises(ValueError, match=r"'bias' must be of .* float64, .* float32"):
        sg.load(path, into)
    np.testing.assert_array_equal(into.weight.data, before)


def test_a_damaged_file_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    model, opt = made()
    sg.save(path, model, opt)
    whole = path.read_bytes()
    for damaged in (b"", b"not a zip", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(damaged)
        unchanged_by(path, model, opt, r"is no whole file of sg\.save.*Nothing was changed")
    np.save(tmp_path / "array.npy", np.ones(2))
    unchanged_by(tmp_path / "array.npy", model, opt, "no whole file")
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    unchanged_by(tmp_path / "other.npz", model, opt, "no whole file")
    np.savez(tmp_path / "pickled.npz", meta=np.array([{}], dtype=object))
    unchanged_by(tmp_path / "pickled.npz", model, opt, "no whole file")


def test_a_file_of_a_newer_version_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    model, opt = made()
    monkeypatch.setattr(sg.checkpoint, "FORMAT_VERSION", 2)
    sg.save(path, model, opt)
    monkeypatch.undo()
    unchanged_by(path, model, opt, "format version 2, and this simplegrad reads version 1")


def test_a_missing_file_is_what_python_calls_it(tmp_path):
    with pytest.raises(FileNotFoundError):
        sg.load(tmp_path / "none.npz")
