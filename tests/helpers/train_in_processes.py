"""A training in processes, which tests start: python train_in_processes.py FOLDER [NAME=VALUE ...].

It resumes from the checkpoint in the folder, and writes what each process has at the end.
"""

import hashlib
import os
import signal
import sys
from pathlib import Path

import numpy as np

import simplegrad as sg
from simplegrad import nn, parallel
from simplegrad import optimizers as optim

OPTIONS = {"epochs": 3, "processes": None, "dropout": 0.0, "fail": "", "at": 1}

rng = np.random.default_rng(1)
x = rng.normal(size=(103, 5))  # batches of 30, and a last one of 13: no four shares are equal
y = np.sin(x.sum(axis=1, keepdims=True))


def model_of(comm):
    hidden = 7 if OPTIONS["fail"] == "other model" and comm.rank == 1 else 8
    sg.manual_seed(comm.rank)  # other weights in each, until the broadcast
    return nn.Sequential(
        nn.Linear(5, hidden, dtype=np.float64),
        nn.Dropout(OPTIONS["dropout"]),
        nn.Tanh(),
        nn.Linear(hidden, 1, dtype=np.float64),
    )


def fail(comm):
    """What goes wrong in process 2, at the beginning of a step."""
    if comm.rank == 2 and OPTIONS["fail"] == "error":
        raise RuntimeError("the disk of this machine is full")
    if comm.rank == 2 and OPTIONS["fail"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return comm.rank == 2 and OPTIONS["fail"] == "fewer batches"


def train(comm):
    model = model_of(comm)
    opt = optim.Adam(model, lr=0.01)
    path, start = FOLDER / "run.npz", 0
    if path.exists():
        start = sg.load(path, model, opt)["epoch"]
    parallel.broadcast(model, comm)
    for epoch in range(start, OPTIONS["epochs"]):
        parallel.manual_seed([0, epoch], comm)
        order = np.random.default_rng([0, epoch]).permutation(len(x))
        for x_batch, y_batch in sg.datasets.batches(x[order], y[order], 30, shuffle=False):
            if epoch == OPTIONS["at"] and fail(comm):
                return
            mine = parallel.share(len(x_batch), comm)
            loss = sg.mse_loss(model(x_batch[mine]), y_batch[mine])
            opt.zero_grad()
            loss.backward()
            parallel.mean_gradients(model, len(x_batch[mine]), comm)
            opt.step()
        if comm.rank == 0:
            sg.save(path, model, opt, epoch=epoch + 1)
    theta = np.concatenate([t.data.reshape(-1) for t in model.parameters().values()])
    np.save(FOLDER / f"theta_{comm.rank}.npy", theta)
    drawn = hashlib.sha256(repr(sg.generator().bit_generator.state).encode()).hexdigest()
    (FOLDER / f"drawn_{comm.rank}").write_text(drawn)


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    for option in sys.argv[2:]:
        name, _, text = option.partition("=")
        kind = {"fail": str, "dropout": float}.get(name, int)
        OPTIONS[name] = kind(text)
    parallel.run(train, OPTIONS["processes"])
