# %% [markdown]
# # Many machines
#
# A large data set takes one machine days. Four machines could take a quarter of each batch, compute its
# gradient, and agree on the mean of the four. Here you see when this is the gradient that one machine
# would have computed, run it in processes, measure what the agreement costs, and find where more machines
# stop to help.
#
# - **You will be able to** weight gradients of unequal shares, name what is no mean over rows, train in
#   processes with `simplegrad.parallel`, resume after one has died, measure the cost of an all-reduce, and
#   compute how much faster $K$ machines can be.
# - **Read before:** [Training well](training.ipynb) and [The fast path](fast.ipynb).

# %% jupyter={"source_hidden": true}
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# One thread for matrix products: a process is to use one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
from simplegrad import nn

digits = sg.datasets.load_digits()

# %% [markdown]
# ## The gradient of a mean
#
# A loss is nearly always a mean over the $N$ rows of a batch. Cut the batch into $K$ shares of $n_k$ rows.
# The sum over all rows is the sum of the sums of the shares, and a share's sum is $n_k$ times its mean
# $L_k$. So the mean of all rows is a **weighted mean** of the means of the shares:
#
# $$N = \sum_k n_k$$
# $$L = \sum_k \frac{n_k}{N} \, L_k$$
#
# A derivative of a sum is the sum of the derivatives. So it holds for the gradients, too, where $g_k$ is the
# gradient of $L_k$:
#
# $$g = \sum_k \frac{n_k}{N} \, g_k$$
#
# Try it with 32 images in three shares that are far from equal.


# %%
def loss_and_gradient(model, x, y, reduction="mean"):
    for theta in model.parameters().values():
        theta.grad = None
    loss = sg.cross_entropy(model(x), y, reduction=reduction)
    loss.backward()
    return loss.item(), np.concatenate([t.grad.ravel() for t in model.parameters().values()])


sg.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).astype(np.float64)
x, y = digits.x_train[:32].astype(np.float64), digits.y_train[:32]
shares = [slice(0, 4), slice(4, 14), slice(14, 32)]

n_k = np.array([len(x[share]) for share in shares])
parts = [loss_and_gradient(model, x[share], y[share]) for share in shares]
L_k = np.array([loss for loss, _ in parts])
g_k = np.array([gradient for _, gradient in parts])  # a row for each share

N = n_k.sum()
L = (n_k / N * L_k).sum()
g = (n_k / N) @ g_k

loss_of_all, gradient_of_all = loss_and_gradient(model, x, y)
assert np.isclose(L, loss_of_all, rtol=1e-12)
np.testing.assert_allclose(g, gradient_of_all, rtol=0, atol=1e-12)
print(f"{len(g):,} numbers, and they differ by {np.abs(g - gradient_of_all).max():.0e} at most")

# %% [markdown]
# Not to the last bit: the rows are added up in another order. [The fast path](fast.ipynb) has the reason.
#
# This is **data parallel** training. Each machine has a copy of the model and a share of the batch. After
# `backward()` all of them compute $g$ together, and then each takes the same step with it, so the copies
# stay equal. The parameters themselves never travel again.
#
# ## When it is not
#
# The weights and the mean are easily got wrong, and then nothing fails: the loss goes down, only not as it
# would have. Here are four such mistakes, and how far the gradient is off, relative to its norm.

# %%
equal = g_k.mean(axis=0)  # the shares count alike, whatever their size
sums = [loss_and_gradient(model, x[share], y[share], reduction="sum")[1] for share in shares]
weighted_sums = (n_k / N) @ np.array(sums)  # a sum is no mean, and has no weight


def clipped(gradient, max_norm=0.5):
    return gradient * min(1, max_norm / np.linalg.norm(gradient))


clipped_first = (n_k / N) @ np.array([clipped(gradient) for gradient in g_k])

sg.manual_seed(0)
normed = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm(32), nn.ReLU(), nn.Linear(32, 10))
normed.astype(np.float64)
of_shares = [loss_and_gradient(normed, x[share], y[share])[1] for share in shares]
batch_norms = (n_k / N) @ np.array(of_shares)
normed_of_all = loss_and_gradient(normed, x, y)[1]


def off(wrong, right):
    return np.linalg.norm(wrong - right) / np.linalg.norm(right)


print(f"unequal shares count alike        {off(equal, g):6.0%}")
print(f"sums are weighted as if means     {off(weighted_sums, g):6.0%}")
print(f"shares are clipped, not the mean  {off(clipped_first, clipped(g)):6.0%}")
print(f"BatchNorm sees its share alone    {off(batch_norms, normed_of_all):6.0%}")
np.testing.assert_allclose(np.sum(sums, axis=0) / N, g, rtol=0, atol=1e-12)  # so sums are right
assert min(off(equal, g), off(clipped_first, clipped(g)), off(batch_norms, normed_of_all)) > 0.01

# %% [markdown]
# | | what to do |
# |---|---|
# | unequal shares | weight with $n_k / N$; $n_k$ is what the loss is a mean of, as the tokens of a text that count |
# | a sum as loss | add up, without weights |
# | clipping | first the mean, then `nn.clip_grad_norm`: the norm of a mean is not the mean of norms |
# | batch normalisation | its mean and variance belong to the whole batch. Let shares be large, take `LayerNorm`, or add up the sums of all shares in the forward pass, too |
# | dropout | other random numbers in each process, or all of them leave out the same units |
#
# The running mean of a BatchNorm also differs from copy to copy. What you evaluate or save is that of one
# process: `parallel.broadcast(model, comm)` copies it to the others, before they evaluate.
#
# ## Processes
#
# A **process** is a running program with a memory of its own. What one has, the others see only if it is
# sent. MPI, the Message Passing Interface, is the standard for that on clusters, since 1994. `mpiexec -n 4
# python train.py` starts four processes that run the same file, on one machine or on many. Each asks for
# its **rank**, from 0 to 3, and takes its share. A **collective** is a call that all of them make together,
# and return from together:
#
# | collective | what each process has after it |
# |---|---|
# | broadcast | what process 0 had |
# | all-gather | a list of what each of them had |
# | all-reduce | the sum of what each of them had |
#
# An **all-reduce** of $n_k / N \, g_k$ is our equation. `simplegrad.parallel` has five functions on top of
# these. This is a whole training:

# %% tags=["not-in-the-page"]
TRAIN = """
import json
import numpy as np
import simplegrad as sg
from simplegrad import nn, parallel
from simplegrad import optimizers as optim

digits = sg.datasets.load_digits()
x, y = digits.x_train.astype(np.float64), digits.y_train


def train(comm):
    sg.manual_seed(comm.rank)  # other weights in each process
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).astype(np.float64)
    parallel.broadcast(model, comm)  # now all have those of process 0
    theta, opt = model.parameters(), optim.Adam(model, lr=3e-3)
    for epoch in range(2):
        parallel.manual_seed([0, epoch], comm)  # its own, for a Dropout
        order = np.random.default_rng(epoch).permutation(len(x))  # the same in each
        for x_batch, y_batch in sg.datasets.batches(x[order], y[order], 50, shuffle=False):
            mine = parallel.share(len(x_batch), comm)
            loss = sg.cross_entropy(model(x_batch[mine]), y_batch[mine])
            opt.zero_grad()
            loss.backward()
            parallel.mean_gradients(theta, len(x_batch[mine]), comm)
            opt.step()
    if comm.rank == 0:
        print(json.dumps([t.data.ravel().tolist() for t in theta.values()]))


parallel.run(train)
"""

# %% [markdown]
# The order of the rows must be the same in each process, else a row would be in two shares. Therefore its
# generator is not that of the process. `in_processes` writes the program into a file and calls `mpiexec`.

# %% jupyter={"source_hidden": true} tags=["not-in-the-page"]
beside = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
mpiexec = shutil.which("mpiexec", path=beside)
has_mpi = mpiexec is not None and importlib.util.find_spec("mpi4py") is not None


def in_processes(K, program):
    """What a program prints in K processes, errors included."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(program)
        command = [mpiexec, "-n", str(K), sys.executable, "train.py"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    return run.stdout + run.stderr


def parameters_after(K):
    return np.concatenate(json.loads(in_processes(K, TRAIN)))


if not has_mpi:
    print("There is no MPI here: pip install mpi4py mpich brings it.")

# %% tags=["not-in-the-page"]
if has_mpi:
    alone = parameters_after(1)
    for K in 2, 3, 4:
        theta = parameters_after(K)
        print(f"{K} processes differ from one by {np.abs(theta - alone).max():.0e} at most")
        np.testing.assert_allclose(theta, alone, rtol=0, atol=1e-12)
    assert (parameters_after(4) == theta).all()  # two runs of four have the same bits

# %% [markdown]
# The batches have 50 rows, so of four processes two have 12 and two have 13. One process or four: the
# training is the same.
#
# In which order MPI adds up depends on how many processes and numbers there are, so two runs have the same
# bits. With another number of processes they are others.
#
# ## When one of them dies
#
# Where all must call together, one that is missing stops the rest: they wait. `parallel.run` therefore ends
# all of them if one fails, and says which one. Here the loss of process 2 is not finite, which it finds out
# alone.

# %% tags=["not-in-the-page"]
if has_mpi:
    line = "            opt.zero_grad()\n"
    check = (
        "            if comm.rank == 2:\n                raise FloatingPointError('loss is nan')\n"
    )
    said = in_processes(4, TRAIN.replace(line, check + line))
    print(said[said.index("FloatingPointError:") :].partition("\nAbort")[0])
    assert "process 2 of 4 has failed, and so all of them end" in said

# %% [markdown]
# What would hang or go wrong unseen is an error in all processes: a model with other parameters in one of
# them, a parameter that one has not used, a process with no batch left while others have one. To see
# that, `mean_gradients` first makes an all-gather of two numbers.
#
# After such an end you resume from a checkpoint. One process writes it, `if comm.rank == 0: sg.save(path,
# model, opt, epoch=epoch)`, since all have the same; each loads it. It does not hold how many there were, so
# a run of four goes on in two. Only shares and random numbers are others then. And since
# `parallel.manual_seed` starts these anew in each epoch, four go on in four with the same bits as if nothing
# had happened.
#
# ## What an all-reduce costs
#
# A message has a price for being sent at all, the **latency** $\alpha$, and one for each number, $\beta$. Does
# a real all-reduce obey this? Time it for $n$ from 1 to a million, in two processes, and `mean_gradients`
# beside it, which has an all-gather more and copies gradients in and out. The time is the fastest of many:
# whatever else the machine does only adds to it. The program also times steps of three networks, for later.

# %% jupyter={"source_hidden": true} tags=["not-in-the-page"]
MEASURE = """
import json, time
import numpy as np
import simplegrad as sg
from simplegrad import nn, parallel
from simplegrad import optimizers as optim


def fastest(function, comm, seconds=0.5):
    times, end = [], time.perf_counter() + seconds
    while comm.bcast(time.perf_counter() < end):  # so all make as many calls
        comm.Barrier()
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(comm):
    found = {"all-reduce": [], "mean_gradients": [], "step": [], "small step": []}
    for n in NUMBERS:
        t, total = sg.normal(n, requires_grad=True), np.empty(n, np.float32)
        t.grad = np.ones(n)
        call = lambda: comm.Allreduce(t.grad, total)
        found["all-reduce"].append(fastest(call, comm))
        call = lambda: parallel.mean_gradients({"theta": t}, 1, comm)
        found["mean_gradients"].append(fastest(call, comm))
    x, y = sg.normal((B, 64)).data, np.arange(B) % 10
    for width in WIDTHS:
        layers = nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        model = nn.Sequential(*layers, nn.Linear(width, 10))
        theta, opt = model.parameters(), optim.Adam(model)

        def step(rows):
            opt.zero_grad()
            sg.cross_entropy(model(x[rows]), y[rows]).backward()
            if comm.size > 1:
                parallel.mean_gradients(theta, len(x[rows]), comm)
            opt.step()

        found["step"].append(fastest(lambda: step(parallel.share(B, comm)), comm, 1))
        if comm.size == 1:
            found["small step"].append(fastest(lambda: step(slice(B // 8)), comm, 1))
    if comm.rank == 0:
        print(json.dumps(found))


parallel.run(measure)
"""
NUMBERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
WIDTHS = (32, 256, 1024)
B = 512  # rows of a batch

# Measured beforehand with two cores, in seconds, for where there is no MPI
KEPT = {
    1: {"step": [0.000607, 0.00537, 0.135], "small step": [0.000233, 0.00129, 0.0525]},
    2: {
        "all-reduce": [1.68e-06, 2.48e-06, 2.58e-06, 3.55e-06, 1.35e-05, 7.22e-05, 0.00103],
        "mean_gradients": [1.53e-05, 1.51e-05, 1.55e-05, 1.68e-05, 3.04e-05, 0.000153, 0.00398],
        "step": [0.000476, 0.00249, 0.127],
    },
    4: {"step": [0.00602, 0.014, 0.139]},
}


def measured_in(K):
    program = f"NUMBERS, WIDTHS, B = {NUMBERS if K == 2 else []}, {WIDTHS}, {B}\n{MEASURE}"
    return json.loads(in_processes(K, program)) if has_mpi else KEPT[K]


measured = {K: measured_in(K) for K in (1, 2, 4)}
print(f"measured with {os.cpu_count()} cores" if has_mpi else "measured beforehand, with 2 cores")

# %% [markdown]
# For $n$ numbers, the time is to be
#
# $$t = \alpha + \beta \, n$$
#
# $\alpha$ and $\beta$ are fitted by least squares, with errors relative to the time that was measured. Else
# only the largest $n$ would count.

# %% tags=["not-in-the-page"]
n = np.array(NUMBERS)
fits = {}
for name in "all-reduce", "mean_gradients":
    t_measured = np.array(measured[2][name])
    A = np.stack([np.ones(len(n)), n], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(A / t_measured[:, None], np.ones(len(n)))
    t = alpha + beta * n
    fits[name] = alpha, beta
    print(f"{name:15} alpha = {alpha * 1e6:6.1f} µs, beta = {beta * 1e9:5.2f} ns", end="")
    print(f", and 1 / beta = {4e-9 / beta:.1f} GB/s")
    assert alpha > 0
    assert beta > 0

# %% alt="Two rows of points over n, from 1 to a million numbers, both axes logarithmic. Each row is flat on the left and rises on the right in proportion to n; a line alpha plus beta n goes along the points. The points of mean_gradients lie above those of the all-reduce." jupyter={"source_hidden": true} tags=["not-in-the-page"]
figure, axes = plt.subplots(figsize=(6.5, 3.6))
fine = np.geomspace(1, 1e6, 100)
for color, marker, (name, (alpha, beta)) in zip("01", "os", fits.items(), strict=True):
    axes.plot(n, np.array(measured[2][name]) * 1e6, f"C{color}{marker}", label=name)
    axes.plot(fine, (alpha + beta * fine) * 1e6, f"C{color}-")
axes.set(xscale="log", yscale="log", xlabel="n, numbers of float32", ylabel="time (µs)")
axes.legend()
plt.show()

# %% [markdown]
# Inside one machine the processes share its memory, and $\alpha$ is some millionths of a second. Between
# machines, the network sets both. Most of the $\alpha$ of `mean_gradients` is the time of Python. It would be
# several times as much if the program gave it the `model` and not `theta`: the parameters would be looked for in
# each step.
#
# Would it not take longer with more processes? Each could send its $n$ numbers to process 0, which then
# receives $(K - 1) \, n$. A **ring** is better: each process sends one $K$-th of its numbers to the next
# one, in $2 (K - 1)$ rounds, first to add up and then to pass the sums on (Patarasuk and Yuan, 2009). So each
# sends
#
# $$sent = 2 \, \frac{K - 1}{K} \, n$$

# %%
K, n = np.array([2, 4, 8, 64]), 1_000_000
sent = 2 * (K - 1) / K * n
print(sent)
assert (sent < 2 * n).all()

# %% [markdown]
# numbers, always fewer than $2 n$. So $\beta$ hardly depends on $K$, and $\alpha$ grows with it. MPI chooses
# between such methods by $n$ and $K$.
#
# ## Where scaling ends
#
# A step with $b$ rows takes a time $t_0$ that does not depend on the rows, as for the optimizer, and $t_1$ for
# each row. With a batch of $B$ rows in $K$ processes, each on a core of its own, a step takes
#
# $$T_K = t_0 + t_1 \, \frac{B}{K} + \alpha + \beta \, n$$
#
# and is faster than in one process by a factor
#
# $$S = T_1 / T_K$$
#
# Only one of the four terms falls with $K$. This is **strong scaling**: the same work, cut into ever smaller
# pieces. Here are networks of the three widths of [The fast path](fast.ipynb), with batches of 512 rows.
# $t_0$ and $t_1$ are measured in one process, with 512 and with 64 rows.

# %% tags=["not-in-the-page"]
alpha, beta = fits["mean_gradients"]
K = np.array([2, 4])
print("                milliseconds       S, by the formula     S, measured")
print("        n      t_0  alpha + beta n   K = 2    K = 4    K = 2    K = 4")
of_width = {}
for place, width in enumerate(WIDTHS):
    n = 64 * width + width + width * width + width + width * 10 + 10
    T_1, T_small = measured[1]["step"][place], measured[1]["small step"][place]
    t_1 = (T_1 - T_small) / (B - B // 8)
    t_0 = T_1 - t_1 * B
    T_K = t_0 + t_1 * B / K + alpha + beta * n
    S = T_1 / T_K
    assert (S < 1.5 * K).all()  # at most K, but for what disturbs a measurement
    of_width[width] = T_1, t_0, t_1, n
    S_measured = [T_1 / measured[k]["step"][place] for k in (2, 4)]
    stays = f"{n:9,} {t_0 * 1e3:8.2f} {(alpha + beta * n) * 1e3:15.2f}"
    print(stays, "".join(f"{factor:9.2f}" for factor in [*S, *S_measured]))

# %% alt="Speed-up over the number of processes, from 1 to 64, both axes logarithmic, a curve for each of three networks and a dotted line for a speed-up of K. The curves leave the dotted line early and become flat, that of the smallest network below 2. Points at 1, 2 and 4 are measured. Where four processes share fewer cores, those at 4 lie far below the curves." jupyter={"source_hidden": true} tags=["not-in-the-page"]
figure, axes = plt.subplots(figsize=(6.5, 3.6))
K = np.geomspace(1, 64, 100)
axes.plot(K, K, "C7:", label="K")
for color, marker, (place, (width, (T_1, t_0, t_1, n))) in zip(
    "012", "os^", enumerate(of_width.items()), strict=True
):
    T_K = t_0 + t_1 * B / K + alpha + beta * n
    axes.plot(K, T_1 / T_K, f"C{color}-", label=f"width {width}")
    points = [T_1 / measured[k]["step"][place] for k in (1, 2, 4)]
    axes.plot([1, 2, 4], points, f"C{color}{marker}")
axes.set(xscale="log", yscale="log", xlabel="K, processes", ylabel="S, times as fast")
axes.set_xticks([1, 2, 4, 8, 16, 32, 64], [1, 2, 4, 8, 16, 32, 64])
axes.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
axes.legend()
plt.show()

# %% [markdown]
# The formula is for machines of their own, and the measurements are from one. If it has two cores, four
# processes take turns on them, and one that waits for the others keeps a core busy which these need: at $K = 4$
# the small networks take longer than in one process alone. And even two share the way to the memory, which the
# large network needs most.
#
# Look at what stays, $t_0$ and $\alpha + \beta n$. Within one machine the first is the larger one: each process
# makes the whole step of the optimizer, for all parameters. Between machines the second grows. So for the
# networks of this course a few processes are enough. To make many machines worth it, the rows must take long: much
# work for each parameter, as in a convolution or a long sequence, and large batches. It is usual to let the
# batch grow with $K$, so that each process keeps its rows. This is **weak scaling**. But the batch is a hyperparameter: with a $K$ times
# larger one there are fewer steps in an epoch. Goyal et al. (2017) multiply the learning rate by $K$, too,
# and begin with a warm-up. They trained a network on 256 GPUs in an hour, with batches of 8192 images,
# and found it as good as with 256; with still larger ones it was worse.
#
# ## What larger systems do on top
#
# | | the idea | read |
# |---|---|---|
# | overlap | gradients of the last layers are ready first: send them, in buckets, while `backward()` goes on | Li et al. (2020) |
# | rings | an all-reduce as above, in place of servers that collect gradients | Patarasuk and Yuan (2009) |
# | sharded optimizers | Adam keeps two numbers for each parameter. Let each process keep, and update, only its $1/K$ of them, then of the gradients, then of the parameters themselves | Rajbhandari et al. (2020), Zhao et al. (2023) |
# | pipelines | each process has some of the layers, and passes activations on; a batch is cut into small ones to keep all of them busy | Huang et al. (2019) |
# | tensor parallel | a matrix product is cut by columns or rows, and its parts are added up by an all-reduce | Shoeybi et al. (2019) |
#
# The first two make the same step cheaper. The others are for models that do not fit into one machine, and
# large systems have all of them at once.
#
# ## Exercises
#
# The longer exercise `all_reduce` in `tutorials/exercises/` comes with a check that says which equation is
# wrong: cut rows into shares, and weight gradients and losses.
#
# **1.** A process has no room for its share, and so it cuts it into small batches and lets `backward()` add
# up their gradients. By what is each small loss to be multiplied, so that `mean_gradients` gives the gradient
# of the whole batch? Use `shares`, cut each into batches of at most 4 rows, and check it.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
accumulated = []
for share in shares:
    for theta in model.parameters().values():
        theta.grad = None
    rows = np.arange(share.start, share.stop)
    for small in np.split(rows, range(4, len(rows), 4)):
        # its share of the share: the mean over all rows of this process
        (sg.cross_entropy(model(x[small]), y[small]) * (len(small) / len(rows))).backward()
    accumulated.append(np.concatenate([t.grad.ravel() for t in model.parameters().values()]))
g = (n_k / N) @ np.array(accumulated)
np.testing.assert_allclose(g, gradient_of_all, rtol=0, atol=1e-12)

# %% [markdown]
# **2.** A step takes $t_0 = 20$ ms and 0.5 ms for each of 1024 rows. The network has 10 million parameters,
# $\alpha$ is 50 µs and $\beta$ is 1 ns. What is the largest speed-up that any number of machines can give,
# and how many give half of it? Which term is in the way?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
t_0, t_1, B_2, n, alpha_2, beta_2 = 20e-3, 0.5e-3, 1024, 10_000_000, 50e-6, 1e-9
stays = t_0 + alpha_2 + beta_2 * n
T_1 = t_0 + t_1 * B_2
S_most = T_1 / stays
K_half = t_1 * B_2 / stays  # then what falls with K is as long as what stays
print(f"at most {S_most:.1f} times as fast, and half of it with {K_half:.0f} machines")
assert np.isclose(T_1 / (stays + t_1 * B_2 / K_half), S_most / 2)
assert t_0 > beta_2 * n > alpha_2  # the optimizer and the like: shard it

# %% [markdown]
# **3.** Write the ring. `pieces[k][i]` is piece `i` of the vector of process `k`, of which there are $K$. In
# round $r$ of the first $K - 1$, process $k$ sends its piece $k - r$, modulo $K$, to process $k + 1$, which adds
# it to its own. Then process $k$ has the whole sum of piece $k + 1$. In $K - 1$ more rounds the sums go round.
# Count what each process sends.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
K, n = 4, 12
vectors = np.random.default_rng(0).normal(size=(K, n))
pieces = [np.split(vector.copy(), K) for vector in vectors]
sent = np.zeros(K)


def one_round(first, receive):
    """All send at the same time: what is sent is taken down before anything is received."""
    messages = [pieces[k][(first + k) % K].copy() for k in range(K)]
    for k, message in enumerate(messages):
        sent[k] += len(message)
        receive((k + 1) % K, (first + k) % K, message)


def add(k, i, message):
    pieces[k][i] += message


def replace(k, i, message):
    pieces[k][i] = message


for r in range(K - 1):
    one_round(-r, add)
for r in range(K - 1):
    one_round(1 - r, replace)
for own in pieces:
    np.testing.assert_allclose(np.concatenate(own), vectors.sum(axis=0), rtol=1e-12)
assert (sent == 2 * (K - 1) / K * n).all()

# %% [markdown]
# ## Read on
#
# - Patarasuk and Yuan (2009), "Bandwidth optimal all-reduce algorithms for clusters of workstations".
# - Goyal et al. (2017), "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour".
# - Rajbhandari et al. (2020), "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models".
# - Amdahl (1967), "Validity of the single processor approach to achieving large scale computing
#   capabilities": why the term that stays decides.
