"""Training in many processes: as in one, and a sentence where the others would wait.

By default the processes are threads, which call the same collectives. Those of MPI are `slow`.
"""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn, parallel
from tests.helpers.limits import MISSING
from tests.helpers.processes import Thread, together

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(13, 4)), rng.normal(size=(13, 1))


def line(slope=1.0, dtype=np.float64, n=4):
    """A model whose weights are the same wherever it is made."""
    model = nn.Linear(n, 1, dtype=dtype)
    model.weight.data[...] = slope * np.arange(n)[:, None]
    nn.init.zeros_(model.bias)
    return model


def differentiated(model, rows=slice(None)):
    sg.mse_loss(model(X[rows]), Y[rows]).backward()
    return model


def gradients(model):
    return np.concatenate([t.grad.reshape(-1) for t in model.parameters().values()])


def errors(size, function):
    """The sentences that the processes raise."""
    found = together(size, function)
    assert [type(error) for error in found] == [ValueError] * size
    return {str(error) for error in found}


# Shares


@pytest.mark.parametrize("K", [1, 2, 4, 7])
def test_each_row_is_in_one_share_and_shares_differ_by_one_row_at_most(K):
    for n in range(K, 30):
        shares = [range(n)[parallel.share(n, Thread(k, K))] for k in range(K)]
        assert [i for share in shares for i in share] == [*range(n)]
        assert {len(share) for share in shares} <= {n // K, -(-n // K)}


@pytest.mark.parametrize("n", [0, 3, 4.0, True, -5])
def test_a_share_without_a_row_is_refused(n):
    with pytest.raises(ValueError, match=r"each of 4 processes needs a row, .* drop_last=True"):
        parallel.share(n, Thread(0, 4))


# The mean of gradients


@pytest.mark.parametrize("cuts", [[], [1], [4, 5], [2, 3, 9]], ids=str)
def test_the_weighted_mean_is_the_gradient_of_the_mean_loss_of_all_rows(cuts):
    bounds = [0, *cuts, 13]

    def part(comm):
        mine = slice(*bounds[comm.rank : comm.rank + 2])
        model = differentiated(line(), mine)
        parallel.mean_gradients(model, len(X[mine]), comm)
        return gradients(model)

    found = together(len(bounds) - 1, part)
    expected = gradients(differentiated(line()))
    assert {g.tobytes() for g in found} == {found[0].tobytes()}
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-12)


def test_gradients_of_one_process_keep_their_bits_also_as_parameters_by_name():
    model = differentiated(line())
    before = gradients(model).tobytes()
    parallel.mean_gradients(model, 13, Thread())
    parallel.mean_gradients(model.parameters(), 13, Thread())
    assert gradients(model).tobytes() == before


def test_gradients_keep_their_arrays_and_dtypes_also_of_float16():
    model = nn.Sequential(line(dtype=np.float16), line(dtype=np.float64, n=1))
    arrays = []
    for number, t in enumerate(model.parameters().values(), 1):
        t.grad = np.full(t.shape, number)
        arrays.append(t.grad)

    def part(comm):
        if comm.rank == 0:
            parallel.mean_gradients(model, 3, comm)
            return
        other = nn.Sequential(line(dtype=np.float16), line(dtype=np.float64, n=1))
        for t in other.parameters().values():
            t.grad = np.zeros(t.shape)
        parallel.mean_gradients(other, 1, comm)

    together(2, part)
    for number, (t, array) in enumerate(
        zip(model.parameters().values(), arrays, strict=True), start=1
    ):
        assert t.grad is array
        assert t.grad.dtype == t.dtype
        assert (t.grad == 0.75 * number).all()


def test_a_parameter_that_no_process_has_used_stays_without_a_gradient():
    model = differentiated(line())
    model.head = nn.Linear(4, 2)
    parallel.mean_gradients(model, 13, Thread())
    assert model.head.weight.grad is None


def test_the_parameter_that_one_process_has_not_used_is_named_in_all():
    models = {}

    def part(comm):
        model = models[comm.rank] = differentiated(line())
        if comm.rank == 2:
            model.bias.grad = None
        parallel.mean_gradients(model, 13, comm)

    assert errors(3, part) == {
        "models differ: 'bias' with float64 (1,) in process 0, 'bias' with no gradient in process "
        "2. Nothing was changed. Make and use the same one in all."
    }
    expected = gradients(differentiated(line()))
    assert gradients(models[0]).tobytes() == expected.tobytes()


def test_a_process_that_has_finished_is_told_from_those_with_batches_left():
    def part(comm):
        if comm.rank == 1:
            return parallel._meet(0, {}, comm)  # as at the end of run
        return parallel.mean_gradients(differentiated(line()), 13, comm)

    assert errors(3, part) == {
        "of 3 processes, only [0, 2] have a batch left, of [13, 13] rows. Make the batches of all "
        "the data, and write x[parallel.share(len(x), comm)]."
    }


@pytest.mark.parametrize(("rows", "error"), [(0, ValueError), (-3, ValueError), (2.5, TypeError)])
def test_rows_are_a_number_of_at_least_one(rows, error):
    with pytest.raises(error, match=r"the rows are an int of at least 1, but got .* len\(x\)"):
        parallel.mean_gradients(differentiated(line()), rows, Thread())


# The broadcast


def test_all_tensors_of_process_0_are_copied_into_the_same_arrays():
    def part(comm):
        model = nn.Sequential(line(slope=comm.rank + 1), nn.BatchNorm(1))
        model[1].running_mean.data += 5 * comm.rank + 1
        arrays = [t.data for t in model.tensors().values()]
        parallel.broadcast(model, comm)
        assert all(t.data is a for t, a in zip(model.tensors().values(), arrays, strict=True))
        return model

    for model in together(3, part):
        assert model[0].weight.data.tobytes() == line().weight.data.tobytes()
        assert model[1].running_mean.data == 1


def test_a_broadcast_between_forward_and_backward_is_found():
    model = line()
    loss = (model(X) @ model.weight.T).sum()
    parallel.broadcast(model, Thread())
    with pytest.raises(RuntimeError, match="was assigned between forward and backward"):
        loss.backward()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda: line(n=5), "'weight' with float64 (4, 1) in process 0, 'weight' with float64 (5,"),
        (lambda: line(dtype=np.float32), "'weight' with float64 (4, 1) in process 0, 'weight' wit"),
        (lambda: nn.Linear(4, 1, bias=False, dtype=np.float64), "'bias' with float64 (1,) in proc"),
        (lambda: nn.Sequential(line()), "'weight' with float64 (4, 1) in process 0, 'layers.0.wei"),
    ],
    ids=["shape", "dtype", "missing", "name"],
)
def test_the_tensor_that_differs_is_named_in_all(other, says):
    models = {}

    def part(comm):
        models[comm.rank] = line(slope=3.0) if comm.rank != 1 else other()
        parallel.broadcast(models[comm.rank], comm)

    (sentence,) = errors(3, part)
    assert sentence.startswith(f"models differ: {says}")
    assert models[2].weight.data.tobytes() == line(slope=3.0).weight.data.tobytes()


# Random numbers


def test_each_process_draws_its_own_random_numbers_those_of_a_spawned_sequence():
    drawn = []
    for k, sequence in enumerate(np.random.SeedSequence([3, 7]).spawn(4)):
        parallel.manual_seed([3, 7], Thread(k, 4))
        drawn.append(sg.generator().random())
        assert drawn[-1] == np.random.default_rng(sequence).random()
    assert len({*drawn}) == 4


def test_an_epoch_has_other_random_numbers_which_come_again():
    def first(seed):
        parallel.manual_seed(seed, Thread(1, 2))
        return sg.generator().random()

    assert first([0, 1]) == first([0, 1]) != first([0, 2])
    assert first(5) == first([5])


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), ([0, 1.5], TypeError), ("a", TypeError)]
)
def test_a_seed_is_made_of_integers(seed, error):
    with pytest.raises(error, match=r"a seed is an int of at least 0, but got .*\[0, epoch\]"):
        parallel.manual_seed(seed, Thread())


# The job


class World(Thread):
    """COMM_WORLD of one process, which writes down that it is ended."""

    ended = None

    def Abort(self, status):
        self.ended = status


@pytest.fixture
def world(monkeypatch):
    world = World()
    package = types.ModuleType("mpi4py")
    package.MPI = types.SimpleNamespace(COMM_WORLD=world)
    monkeypatch.setitem(sys.modules, "mpi4py", package)
    return world


def test_run_calls_the_training_with_the_communicator(world):
    given = []
    parallel.run(given.append, processes=1)
    assert given == [world]
    assert world.ended is None


def test_a_wrong_number_of_processes_is_said(world):
    with pytest.raises(ValueError, match=r"for 4 processes, but there are 1\. Write mpiexec -n 4"):
        parallel.run(lambda comm: pytest.fail("it runs"), processes=4)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_one_process_ends_all(world, capsys, error):
    def train(comm):
        raise error("no more memory")

    parallel.run(train)
    assert world.ended == 1
    said = capsys.readouterr().err
    assert f"{error.__name__}: no more memory\n" in said
    assert said.endswith("process 0 of 1 has failed, and so all of them end\n")


def test_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match="pip install mpi4py mpich"):
        parallel.run(lambda comm: None)


# With MPI

TRAINING = Path(__file__).parent / "helpers" / "train_in_processes.py"


def mpiexec():
    """Where it is: beside this Python, as pip puts it, or where the shell looks."""
    pytest.importorskip("mpi4py", reason='mpi4py is missing: pip install -e ".[parallel]"')
    beside = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return shutil.which("mpiexec", path=beside) or pytest.skip("there is no mpiexec: install MPICH")


def started(folder, *options, processes):
    """The training in processes of MPI, as it has ended."""
    command = [mpiexec(), "-n", str(processes), sys.executable, TRAINING, folder, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=MISSING, check=False)


def trained(folder, *options, processes=4):
    """What each process has at the end: its parameters, and the state of its generator."""
    ended = started(folder, *options, processes=processes)
    assert ended.returncode == 0, ended.stderr
    ranks = range(processes)
    thetas = [np.load(folder / f"theta_{rank}.npy") for rank in ranks]
    assert {theta.tobytes() for theta in thetas} == {thetas[0].tobytes()}
    return thetas[0], [(folder / f"drawn_{rank}").read_text() for rank in ranks]


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / name for name in "abcd"]
    for folder in made:
        folder.mkdir()
    return made


@pytest.mark.slow
def test_one_process_and_many_make_the_same_training(folders):
    alone, _ = trained(folders[0], processes=1)
    for folder, processes in zip(folders[1:], (2, 3, 4), strict=True):
        theta, _ = trained(folder, f"processes={processes}", processes=processes)
        np.testing.assert_allclose(theta, alone, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_two_runs_have_the_same_bits_and_a_resumed_one_too(folders):
    whole, drawn = trained(folders[0], "dropout=0.3")
    again, drawn_again = trained(folders[1], "dropout=0.3")
    assert whole.tobytes() == again.tobytes()
    assert drawn == drawn_again
    assert len({*drawn}) == 4, "two processes have drawn the same random numbers"

    ended = started(folders[2], "dropout=0.3", "fail=error", "at=2", processes=4)
    assert ended.returncode != 0
    assert "RuntimeError: the disk of this machine is full" in ended.stderr
    assert "process 2 of 4 has failed, and so all of them end" in ended.stderr
    assert (folders[2] / "run.npz").exists()
    resumed, drawn_after = trained(folders[2], "dropout=0.3")
    assert resumed.tobytes() == whole.tobytes()
    assert drawn_after == drawn


@pytest.mark.slow
def test_a_checkpoint_of_four_processes_goes_on_in_two(folders):
    whole, _ = trained(folders[0])
    trained(folders[1], "epochs=2")
    theta, _ = trained(folders[1], processes=2)
    np.testing.assert_allclose(theta, whole, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["fail=killed"], "signal 9"),
        (["fail=fewer batches"], "of 4 processes, only [0, 1, 3] have a batch left"),
        (["fail=other model"], "differ: 'layers.0.weight' with float64 (5, 8) in process 0, "),
        (["processes=2"], "this is for 2 processes, but there are 4. Write mpiexec -n 2"),
    ],
    ids=["killed", "fewer batches", "other model", "other number"],
)
def test_what_would_hang_ends_with_a_sentence(folders, options, says):
    ended = started(folders[0], *options, processes=4)
    assert ended.returncode != 0
    assert says in ended.stdout + ended.stderr
