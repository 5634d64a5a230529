# %% [markdown]
# # The fast path
#
# simplegrad is written to be read, and that has a price. Here you measure the price, see where it comes
# from, and write the same equations so that they run faster. `simplegrad.fast` does this for you, and
# its results are those of the readable code, to the last bit. You learn why that is not a matter of
# course, and how to check it.
#
# - **You will be able to** measure where the time of a training step goes, say why the order of
#   operations changes bits, write Adam in place and in blocks, use `fast.Adam` and `fast.replay`, and
#   say what a recording may use.
# - **Read before:** [Adam, equation by equation](adam.ipynb) and [Modules](modules.ipynb).

# %% jupyter={"source_hidden": true}
import functools
import os
import textwrap
import time

# One thread for matrix products: threads that wait for each other would spoil the measurements.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import fast, nn
from simplegrad.fast.in_place import BLOCK_BYTES

digits = sg.datasets.load_digits()

# %% [markdown]
# ## Where the time goes
#
# A training step has four parts. `time.perf_counter` is a clock, read here before and after each of
# them. One reading says little, since a computer does other things, too. A few slow readings do not
# move the **median** of many. The network has three layers, and is
# made in three widths.


# %%
def time_parts(loss_of, opt, steps=30):
    x, y = digits.x_train[:32], digits.y_train[:32]
    times = []
    for _ in range(steps):
        marks = [time.perf_counter()]
        loss = loss_of(x, y)
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        opt.step()
        marks.append(time.perf_counter())
        opt.zero_grad()
        marks.append(time.perf_counter())
        times.append(np.diff(marks))
    return np.median(times, axis=0)


# %% jupyter={"source_hidden": true}
def make_model(width):
    sg.manual_seed(0)
    return nn.Sequential(
        nn.Linear(64, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


def readable(width):
    model = make_model(width)

    def loss_of(x, y):
        return sg.cross_entropy(model(x), y)

    return loss_of, optim.Adam(model=model)


parts = ["forward", "backward", "step", "zero_grad"]
widths = (32, 256, 1024)
readable_times = {}
for width in widths:
    loss_of, opt = readable(width)
    times = time_parts(loss_of, opt)
    readable_times[width] = times
    shares = [
        f"{part} {share:3.0%}" for part, share in zip(parts, times / times.sum(), strict=True)
    ]
    print(f"width {width:4}: {', '.join(shares)}")

# %% [markdown]
# Typically, a small network spends most of its time in forward and backward, and a large one in the step.
# The forward pass makes a Tensor for each result. What does a Tensor cost? Compare one product of arrays
# with the same product of Tensors.


# %%
def median_time(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return np.median(times)


# %% tags=["not-in-the-page"]
for size in 1, 1_000_000:
    a = np.ones(size, dtype=np.float32)
    a_tensor = sg.Tensor(a, requires_grad=True)
    array_time = median_time(lambda a=a: a * a, 100)
    tensor_time = median_time(lambda a=a_tensor: a * a, 100)
    print(f"product of {size:9,}: the Tensor takes {tensor_time / array_time:.1f} times as long")

# %% [markdown]
# A Tensor costs a fixed time for each operation, whatever its size: Python makes an object and writes
# down the rule. In a small network that is most of the time. In a large one the arithmetic and the
# memory count. So there are two things to do: make no objects, which is **replay**, and use no fresh
# memory, which is the **in-place optimizer**. First, what must not change.
#
# ## The same bits
#
# A float32 has 24 binary digits. Sums, products, quotients and square roots are rounded to the nearest
# such number. For the rounded sum $\operatorname{fl}(a + b)$, the relative error $\delta$ is at most the
# **unit roundoff** $u = 2^{-24}$ (Higham, 2002, section 2.2):
#
# $$\operatorname{fl}(a + b) = (a + b) \, (1 + \delta), \quad |\delta| \le u$$

# %%
u = 2.0**-24
a, b = np.random.default_rng(0).random((2, 100_000), dtype=np.float32)
exact = a.astype(np.float64) + b  # these sums need at most 25 digits, and a float64 has 53
fl = (sg.Tensor(a) + sg.Tensor(b)).numpy()

delta = (fl - exact) / exact
print(f"u is {u:.3e}, and the largest |delta| is {np.abs(delta).max():.3e}")
assert (np.abs(delta) <= u).all()
assert u == np.finfo(np.float32).eps / 2

# %% [markdown]
# One rounding is harmless. But rounded sums do not obey the law that lets you move brackets:
#
# $$(a + b) + c \ne a + (b + c)$$

# %%
a, b, c = np.float32(1e8), np.float32(-1e8), np.float32(1)
print(f"(a + b) + c = {(a + b) + c}")
print(f"a + (b + c) = {a + (b + c)}")  # near 1e8, the floats are 8 apart
assert (a + b) + c == 1
assert a + (b + c) == 0

# %% [markdown]
# So an equation in another order can have other bits, even if it is the same on paper, and is about as
# exact. Here is the last equation of Adam in two orders.

# %%
rng = np.random.default_rng(0)
m_hat = rng.normal(size=10_000).astype(np.float32)
v_hat = rng.random(size=10_000, dtype=np.float32)
lr, eps = 1e-3, 1e-8

as_in_adam = lr * m_hat / (np.sqrt(v_hat) + eps)
divided_first = lr * (m_hat / (np.sqrt(v_hat) + eps))
print(f"{(divided_first != as_in_adam).mean():.0%} of the elements have other bits")
np.testing.assert_allclose(divided_first, as_in_adam, rtol=1e-6)
assert (divided_first != as_in_adam).any()

# %% [markdown]
# Does a last bit matter, then? Training feeds its results back into itself. Train two networks, with a
# large learning rate, that differ in the last bit of one weight.


# %% jupyter={"source_hidden": true}
def differences_of(first, second, steps=500):
    differences = []
    optimizers = [optim.Adam(model=model, lr=0.05) for model in (first, second)]
    for step in range(steps):
        batch = np.arange(32) + 3 * step
        for model, opt in zip([first, second], optimizers, strict=True):
            opt.zero_grad()
            sg.cross_entropy(model(digits.x_train[batch]), digits.y_train[batch]).backward()
            opt.step()
        pairs = zip(first.parameters().values(), second.parameters().values(), strict=True)
        differences.append(max(np.abs(a.data - b.data).max() for a, b in pairs))
    return differences


first, second = make_model(32), make_model(32)
weight = second[4].weight.data
weight[0, 0] = np.nextafter(weight[0, 0], np.float32(1))  # the next float32

differences = differences_of(first, second)
print(f"parameters differ by up to {differences[0]:.0e} after the first step, ", end="")
print(f"and {differences[-1]:.0e} after the last")
assert 0 < differences[0] < 1e-6
assert differences[-1] > 0.01

# %% [markdown]
# In the end these are two different networks, and both are right. So a test that allows for small
# differences cannot tell rounding from a mistake. A test for equal bits can. That is why `fast` keeps
# every operation of the readable code, and their order, and changes only where the results are stored.
#
# ## Adam in place
#
# The cell below makes six steps of the readable Adam with random gradients. Then it takes down `theta`,
# `g`, `m` and `v`, and makes the seventh, with which your step is compared.

# %% jupyter={"source_hidden": true}
lr, beta_1, beta_2, eps = 1e-3, 0.9, 0.999, 1e-8
n = 1000
w = sg.Tensor(rng.normal(size=n), dtype=np.float32, requires_grad=True)
opt = optim.Adam(lr=lr, param_groups=[{"params": {"w": w}}])
for _ in range(6):
    w.grad = rng.normal(size=n)
    opt.step()
before, theta = opt.state()["param_groups"][0], w.numpy()
m, v = before["moments1"]["w"], before["moments2"]["w"]

w.grad = rng.normal(size=n)
opt.step()
after, t, g = opt.state()["param_groups"][0], opt.step_count, w.grad

# %% [markdown]
# In NumPy, `beta_1 * m` makes a new array. `np.multiply(beta_1, m, out=m)` computes the same numbers and
# writes them over `m`. What cannot be overwritten yet goes into a **scratch** array that is made once and
# used in every step. Two of them, `a` and `b`, are enough for all of Adam. The first equation takes
# three such passes:
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$

# %%
a, b = np.empty_like(g), np.empty_like(g)


def first_moment(m, g, a):
    np.multiply(beta_1, m, out=m)
    np.multiply(1 - beta_1, g, out=a)
    np.add(m, a, out=m)


m_t = beta_1 * m + (1 - beta_1) * g
first_moment(m, g, a)
assert m.tobytes() == m_t.tobytes() == after["moments1"]["w"].tobytes()

# %% [markdown]
# `tobytes` gives the bits. They are more than `==` looks at, for which 0 and -0 are equal and nan is not
# equal to itself. The second equation takes four passes:
#
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$


# %%
def second_moment(v, g, a):
    np.multiply(beta_2, v, out=v)
    np.square(g, out=a)
    np.multiply(1 - beta_2, a, out=a)
    np.add(v, a, out=v)


v_t = beta_2 * v + (1 - beta_2) * g**2
second_moment(v, g, a)
assert v.tobytes() == v_t.tobytes() == after["moments2"]["w"].tobytes()

# %% [markdown]
# The corrected moments go into the scratch arrays, for `m` and `v` are needed in the next step. Then
# five passes give the parameters:
#
# $$\hat m = m_t / (1 - \beta_1^t)$$
# $$\hat v = v_t / (1 - \beta_2^t)$$
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$


# %%
def descend(theta, m, v, a, b, t):
    m_hat = np.divide(m, 1 - beta_1**t, out=a)
    v_hat = np.divide(v, 1 - beta_2**t, out=b)
    np.multiply(lr, m_hat, out=a)
    np.sqrt(v_hat, out=b)
    np.add(b, eps, out=b)
    np.divide(a, b, out=a)
    np.subtract(theta, a, out=theta)


descend(theta, m, v, a, b, t)
assert theta.tobytes() == w.data.tobytes()

# %% [markdown]
# Fourteen passes, and the bits of the readable step. `simplegrad/fast/adam.py` holds the same fourteen.
#
# What was gained? Fresh memory is not there yet when NumPy asks for some megabytes of it: the operating
# system provides it page by page, when each is touched first (Drepper, 2007, section 7.5). An array that
# is used again has its pages. Here are the times of a step of a million parameters.


# %%
def adam_in_place(theta, g, m, v, a, b, t):
    first_moment(m, g, a)
    second_moment(v, g, a)
    descend(theta, m, v, a, b, t)


# %% jupyter={"source_hidden": true}
n = 2**20
w = sg.Tensor(rng.normal(size=n), dtype=np.float32, requires_grad=True)
w.grad = rng.normal(size=n)
opt = optim.Adam(lr=lr, param_groups=[{"params": {"w": w}}])
theta, g, m, v = w.numpy(), w.grad, np.zeros_like(w.grad), np.zeros_like(w.grad)
a, b = np.empty_like(g), np.empty_like(g)
in_place = functools.partial(adam_in_place, theta, g, m, v, a, b, 1)
ratio = median_time(opt.step, 9) / median_time(in_place, 9)
print(f"The readable step takes {ratio:.1f} times as long.")

# %% [markdown]
# ## Why blocks
#
# Memory is slow, and a processor keeps what it has used last in a small, fast memory, its **cache**. Each
# of the fourteen passes goes through arrays of millions of numbers. When the next pass comes back to
# the first number, that has long been pushed out of the cache. So do all fourteen passes on a block of
# the arrays, and then on the next block. No operation changes, and no bit.


# %%
def blocks_of(arrays, a, b):
    size = len(a)
    blocks = []
    for start in range(0, len(arrays[0]), size):  # a multiple of size
        blocks.append([array[start : start + size] for array in arrays] + [a, b])
    return blocks


def adam_in_blocks(blocks, t):
    for block in blocks:
        adam_in_place(*block, t)


# %% [markdown]
# How large should a block be? Three sizes give the same bits, and more are timed. In each round, every size
# takes its turn, so that all of them meet the same disturbances.

# %% jupyter={"source_hidden": true}
block_sizes = 2 ** np.arange(10, 23)
n = 2**22
theta = rng.normal(size=n).astype(np.float32)
g = rng.normal(size=n).astype(np.float32)
results = set()
for size in (2**12, 2**16, n):
    arrays = [theta.copy(), g, np.zeros_like(g), np.zeros_like(g)]
    adam_in_blocks(blocks_of(arrays, np.empty_like(g[:size]), np.empty_like(g[:size])), t=1)
    results.add(arrays[0].tobytes())
assert len(results) == 1

arrays = [theta, g, np.zeros_like(g), np.zeros_like(g)]
cut = [blocks_of(arrays, np.empty_like(g[:size]), np.empty_like(g[:size])) for size in block_sizes]
rounds = []
for _ in range(5):
    times = []
    for blocks in cut:
        start = time.perf_counter()
        adam_in_blocks(blocks, t=1)
        times.append(time.perf_counter() - start)
    rounds.append(times)
block_times = np.median(rounds, axis=0)

w = sg.Tensor(theta, requires_grad=True)
w.grad = g
opt = optim.Adam(lr=lr, param_groups=[{"params": {"w": w}}])
readable_time = median_time(opt.step, 5)
best = block_times.argmin()
print(f"The best blocks here have {block_sizes[best] * 4 // 1024} KB. In place, but with whole")
print(f"arrays, a step takes {block_times[-1] / block_times[best]:.1f} times as long, ", end="")
print(f"and the readable step {readable_time / block_times[best]:.1f} times.")

# %% alt="Time per parameter over the size of a block, from 4 kilobytes to 16 megabytes. On a logarithmic axis, the curve falls steeply to a wide valley from about a hundred kilobytes to some megabytes, and rises a little to the right of it. A dotted line in the valley marks the 256 kilobytes of fast.Adam. A dashed line far above the valley is the readable step." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.6))
axes.plot(block_sizes * 4 / 1024, block_times / n * 1e9, "C0o-", label="in place, in blocks")
axes.axhline(readable_time / n * 1e9, color="C1", linestyle="--", label="readable")
axes.axvline(BLOCK_BYTES / 1024, color="C7", linestyle=":", label="the blocks of fast.Adam")
axes.set(xscale="log", xlabel="size of a block (KB)", ylabel="time per parameter (ns)")
axes.set_ylim(bottom=0)
axes.legend()
plt.show()

# %% [markdown]
# On the left, the blocks are so small that the time goes into calls from Python, fourteen for each. On
# the right, the six blocks in use at once, four of the arrays and two of scratch, no longer fit into the
# cache. How the curve runs between, and how much it rises, depends on your processor.
#
# ## fast.Adam
#
# `fast.Adam` is `optimizers.Adam` with these passes, in blocks of 256 KB. It has the same arguments, the
# same errors and the same `state()`. And it does one thing more. A model has many small parameters, and
# a NumPy call takes its time even for ten numbers. So the small parameters of a group move into one
# flat array, and one call goes over all of them. Their `.data` become views of that array. Large
# parameters, of 256 KB and more, stay where they are.

# %%
model = make_model(32)
opt = fast.Adam(model=model, lr=0.01)
sg.cross_entropy(model(digits.x_train), digits.y_train).backward()
opt.step()

thetas = list(model.parameters().values())
flat = thetas[0].data.base
print(f"{len(thetas)} parameters in one array of {flat.size} numbers")
assert all(theta.data.base is flat for theta in thetas)
assert flat.size == sum(theta.size for theta in thetas)

# %% [markdown]
# ## Replay
#
# Now forward and backward. From step to step, a training loop makes the same NumPy calls on arrays of
# the same shapes; only the numbers in them change. So write the calls down once, each with the array
# for its result, and make them again whenever there are new numbers. Here it is by hand, for one layer:
#
# $$h = \max(x W + b, 0)$$

# %%
x, h = np.empty((4, 3), dtype=np.float32), np.empty((4, 2), dtype=np.float32)
W = rng.normal(size=(3, 2)).astype(np.float32)
b = rng.normal(size=2).astype(np.float32)
program = [
    (np.matmul, x, W, h),
    (np.add, h, b, h),
    (np.maximum, h, 0, h),
]

for _ in range(3):
    x[...] = rng.normal(size=(4, 3))
    for function, first, second, out in program:
        function(first, second, out=out)
    expected = sg.relu(sg.Tensor(x) @ W + b)
    assert h.tobytes() == expected.data.tobytes()

# %% [markdown]
# `fast.replay` writes such a program for you. In the first call it runs your function on objects that
# stand for the arrays and write down each call of NumPy, and then the engine's own chain rule along the
# tape, which gives a second program. Later calls copy your arguments into the arrays of the first, and
# run the programs; your function does not run again.
#
# If the function returns a loss, the result is a Tensor whose `rule` is the recording. All losses share
# its arrays, so only the newest can be differentiated: call `backward()` before you compute the next.

# %% jupyter={"source_hidden": true}
model = make_model(32)
loss_of = fast.replay(lambda x, y: sg.cross_entropy(model(x), y))
x, y = digits.x_train[:32], digits.y_train[:32]
older, newer = loss_of(x, y), loss_of(x, y)
print(newer)
newer.backward()
try:
    older.backward()
except RuntimeError as error:
    print(textwrap.fill(str(error), 88))

# %% [markdown]
# ## A whole step
#
# The rest of a training step can be recorded, too: `backward()`, `nn.clip_grad_norm`, and `step()` and
# `zero_grad()` of an optimizer of `fast`. Then the step is one function, and next to nothing of Python is
# left between the calls of NumPy. Here it is for a network that is just large enough to be worth reading:
# four examples of two numbers, three hidden numbers, two classes.


# %%
def step_of(model, opt):
    def step(x, y):
        opt.zero_grad()
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return step


sg.manual_seed(0)
small = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
fast_step = fast.replay(step_of(small, fast.Adam(model=small, lr=0.01)))
x_small = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
y_small = np.array([0, 1, 1, 0])
for _ in range(10):
    loss = fast_step(x_small, y_small)

# %% [markdown]
# `listing()` gives the recording as a Python script that needs NumPy alone. This is the step in it. Above
# the calls stand the rules and equations that they compute, or the function of simplegrad that made
# them.

# %%
script = fast_step.listing()
start, end = script.index("def step"), script.index("# What they work with")
print(script[start:end].strip())
assert script.index("np.matmul(") < script.index("np.add(") < script.index("np.maximum(")

# %% [markdown]
# First the targets are checked, and the gradients filled with zeros. Then come the three calls that you
# wrote by hand. Further down, `greater` and `multiply` are the partial of ReLU, $da = dc \, [a > 0]$. No
# call computes the partials of the mean: they are the same in each step, and so constants. The loop near
# the end is the step of Adam: fourteen passes over each block, under the equations that they compute. Of
# its numbers, three may be others in the next step, $1 - \beta_1^t$, $1 - \beta_2^t$ and the learning rate,
# so each step computes them anew.
#
# Cut off here are the arrays, with their current numbers: the script goes on where the training stands. As a
# file of its own, it makes a step and prints the loss. Its steps and yours have the same bits.


# %% jupyter={"source_hidden": true}
def names_in(script):
    names = {}
    exec(script, names)
    return names


names = names_in(script)
for _ in range(5):
    assert names["step"]().tobytes() == fast_step(x_small, y_small).data.tobytes()

# %% [markdown]
# ## What a recording may use
#
# Arrays may change, Python may not. What your function did in Python when it was recorded is fixed: its
# branches, its loops, the numbers it computed. So `replay` must know all that the function looks at.
# Before the function runs, `replay` reads its code, and that of the functions and modules it calls. They
# may use their arguments; Tensors, modules, numbers, texts, small arrays, and lists, tuples and dicts of
# such; simplegrad, with the random numbers of `sg.generator()`, which are drawn anew in each call, as those
# of `nn.Dropout` are; and `backward()`, `nn.clip_grad_norm`, and `step()` and `zero_grad()` of the
# optimizers of `fast`.
#
# Each call looks whether all of it is what it was. If not, the function is recorded anew: here for
# another number and another module.


# %%
@fast.replay
def tempered(x, y):
    return sg.cross_entropy(model(x) / temperature, y)


for temperature, activation in [(1.0, nn.ReLU()), (5.0, nn.ReLU()), (5.0, nn.Tanh())]:
    model.layers[1] = activation
    loss, expected = tempered(x, y), sg.cross_entropy(model(x) / temperature, y)
    print(f"{temperature}, {type(activation).__name__}: loss {loss.item():.4f}")
    assert loss.data.tobytes() == expected.data.tobytes()

# %% [markdown]
# Everything else is refused, and for good: the same call is refused again. An `if` that looks at a number
# would take the branch of the recording ever after. Numbers of another generator would stay what they
# were, and a list would not grow any more.


# %%
@fast.replay
def branching(x, y):
    loss = sg.cross_entropy(model(x), y)
    if loss > 1:
        loss = loss.sqrt()
    return loss


# %% jupyter={"source_hidden": true}
history = []


@fast.replay
def noisy(x, y):
    return sg.cross_entropy(model(x) * rng.normal(), y)


@fast.replay
def appending(x, y):
    loss = sg.cross_entropy(model(x), y)
    history.append(loss)
    return loss


refused = []
for function in (branching, noisy, appending):
    try:
        function(x, y)
    except TypeError as error:
        message, _, line = str(error).partition(" It is line ")  # a line of yours, and its file
        print(textwrap.fill(f"{function.__name__}: {message}", 88))
        refused.append(function)
assert refused == [branching, noisy, appending]

# %% [markdown]
# A debugger cannot step through a recording. With `@fast.replay(eager=True)`, the function runs as it
# stands, and you can. While `sg.explain` or `sg.step_through` look on, it runs like this by itself.
#
# ## Put to the test
#
# Train one network twice, for 100 steps: with the readable code, and with `fast.Adam` and the whole step
# under `fast.replay`. It has Dropout in it, so the random numbers must agree, too.


# %% jupyter={"source_hidden": true}
def dropout_model():
    sg.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))


def train(step, steps):
    losses = []
    for _ in range(steps):
        batch = sg.generator().integers(len(digits.x_train), size=32)
        loss = step(digits.x_train[batch], digits.y_train[batch])
        losses.append(loss.item())
    return losses


# %%
readable_model = dropout_model()
readable_opt = optim.Adam(model=readable_model, lr=0.01)
readable_step = step_of(readable_model, readable_opt)
readable_losses = train(readable_step, 100)

fast_model = dropout_model()
fast_opt = fast.Adam(model=fast_model, lr=0.01)
fast_step = fast.replay(step_of(fast_model, fast_opt))
fast_losses = train(fast_step, 100)

# %% [markdown]
# The losses of all steps must be equal, and so must the bits of the parameters and of all that the
# optimizers keep.


# %% jupyter={"source_hidden": true}
def bits_of(model, opt):
    bits = {name: theta.data.tobytes() for name, theta in model.parameters().items()}
    state = opt.state()
    bits["step_count"] = state["step_count"]
    for slot in ("moments1", "moments2"):
        for name, array in state["param_groups"][0][slot].items():
            bits[f"{slot} of {name}"] = array.tobytes()
    return bits


assert readable_losses == fast_losses
assert bits_of(readable_model, readable_opt) == bits_of(fast_model, fast_opt)
print(f"The loss was {fast_losses[0]:.3f} at first and is {fast_losses[-1]:.3f} now.")
print(f"Equal bits: {len(bits_of(fast_model, fast_opt))} arrays and numbers.")

# %% [markdown]
# The states are interchangeable, too: `load_state` of one optimizer takes the `state()` of the other. So you
# may train fast, save, and look at the next step in a debugger with the readable code.

# %% jupyter={"source_hidden": true}
state_of_readable, state_of_fast = readable_opt.state(), fast_opt.state()
readable_opt.load_state(state_of_fast)
fast_opt.load_state(state_of_readable)

for step in readable_step, fast_step:
    sg.manual_seed(1)
    losses = train(step, 50)
assert bits_of(readable_model, readable_opt) == bits_of(fast_model, fast_opt)
print(f"equal after {fast_opt.step_count} steps")

# %% [markdown]
# ## What it gains
#
# Measure the networks of the beginning again, the readable and the fast path in turn, so that both meet
# the same disturbances. To see the four parts, the loss alone is under `fast.replay`. A third path has
# the whole step under it.


# %% jupyter={"source_hidden": true}
def fast_path(width):
    model = make_model(width)

    @fast.replay
    def loss_of(x, y):
        return sg.cross_entropy(model(x), y)

    return loss_of, fast.Adam(model=model)


fast_times = {}
for width in widths:
    paths = [readable(width), fast_path(width)]
    model = make_model(width)
    step = fast.replay(step_of(model, fast.Adam(model=model)))
    turns, whole_times = [], []
    for _ in range(5):
        turns.append([time_parts(*path, steps=10) for path in paths])
        whole_times.append(median_time(functools.partial(step, x, y), 10))
    readable_times[width], fast_times[width] = np.median(turns, axis=0)
    total = readable_times[width].sum()
    gain, whole_gain = total / fast_times[width].sum(), total / np.median(whole_times)
    print(f"width {width:4}: a readable step takes {gain:.1f} times as long, ", end="")
    print(f"and {whole_gain:.1f} times as long as a whole step")

# %% alt="Horizontal bars, a readable and a fast one for each of three widths, cut into forward, backward, step and zero_grad. The readable bars have the length 1. The fast ones are shorter. At width 32 all parts have shrunk; at width 1024 it is above all the step that has, which was the longest part." jupyter={"source_hidden": true}
from matplotlib.colors import to_rgba

figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
labels, rows = [], []
for width in widths:
    for path, times in [("readable", readable_times[width]), ("fast", fast_times[width])]:
        labels.append(f"{width}, {path}")
        rows.append(times / readable_times[width].sum())
starts = np.zeros(len(rows))
for k, (part, hatch) in enumerate(zip(parts, ["", "//", "..", "xx"], strict=True)):
    lengths = np.array(rows)[:, k]
    axes.barh(
        labels,
        lengths,
        left=starts,
        hatch=hatch,
        label=part,
        facecolor=to_rgba(f"C{k}", 0.4),
        edgecolor=f"C{k}",
    )
    starts += lengths
axes.invert_yaxis()
axes.set(xlabel="time of a training step, the readable one = 1", ylabel="width")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=4)
plt.show()

# %% [markdown]
# The whole step gains most where the network is small: there, Python's share of the time is the largest.
#
# Write your training with the readable code, and step through it until it is right. Then change two
# lines, the optimizer and the decorator. If you doubt, change them back: the numbers must not move.
#
# ## Exercises
#
# The exercise `in_place` in `tutorials/exercises/` comes with a check, which looks at the memory, too.
#
# **1.** Sum $1/k$ for $k = 1, \ldots, 10^6$ in float32, once from the largest term to the smallest and
# once the other way; `np.cumsum` adds one after the other. Compare both with `math.fsum`, which rounds
# only once. Which order is better, and why?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
import math

terms = (1 / np.arange(1, 1_000_001)).astype(np.float32)
exact = math.fsum(terms.tolist())
falling = np.cumsum(terms)[-1]
rising = np.cumsum(terms[::-1])[-1]
print(f"exact {exact:.6f}, largest first {falling:.6f}, smallest first {rising:.6f}")
# Each addition rounds its result by up to u of it: small partial sums are rounded by less.
assert abs(rising - exact) < abs(falling - exact)

# %% [markdown]
# **2.** Write a step of RMSProp in place, with the two scratch arrays `a` and `b`. Its equations are in
# `simplegrad/optimizers/rmsprop.py`. Show for 50 steps with random gradients that its bits are those of
# `optim.RMSProp`.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2


def rmsprop_in_place(theta, g, v, a, b, lr, beta_2, eps):
    np.multiply(beta_2, v, out=v)
    np.square(g, out=a)
    np.multiply(1 - beta_2, a, out=a)
    np.add(v, a, out=v)
    np.multiply(lr, g, out=a)
    np.sqrt(v, out=b)
    np.add(b, eps, out=b)
    np.divide(a, b, out=a)
    np.subtract(theta, a, out=theta)


w = sg.Tensor(rng.normal(size=100), dtype=np.float32, requires_grad=True)
opt = optim.RMSProp(lr=0.01, param_groups=[{"params": {"w": w}}])
group = opt.param_groups[0]
theta, v = w.numpy(), np.zeros_like(w.data)
a, b = np.empty_like(v), np.empty_like(v)
for _ in range(50):
    w.grad = rng.normal(size=100)
    opt.step()
    rmsprop_in_place(theta, w.grad, v, a, b, group["lr"], group["beta_2"], group["eps"])
    assert theta.tobytes() == w.data.tobytes()

# %% [markdown]
# **3.** The gain has a limit: a matrix product takes as long on the fast path, for it is the same call. If a
# fraction $f$ of the time can be done $s$ times as fast, then the whole becomes $S$ times as fast (Amdahl,
# 1967). Compute $S$ for the step of `fast.Adam` alone, from `readable_times` and `fast_times`, which hold the
# four parts for each width.
#
# $$S = \frac{1}{(1 - f) + f / s}$$

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
for width in widths:
    total, step = readable_times[width].sum(), readable_times[width][2]
    fast_step = fast_times[width][2]
    f = step / total
    s = step / fast_step
    S = 1 / ((1 - f) + f / s)
    print(f"width {width:4}: f = {f:.0%}, s = {s:.1f}, so fast.Adam alone gives S = {S:.2f}")
    assert np.isclose(S, total / (total - step + fast_step))

# %% [markdown]
# **4.** The function `branching` was refused. Write it with `sg.where` so that it can be replayed. Show
# for ten batches, of which some have a loss above 1 and some have not, that it gives the loss and the
# gradients of the function with the `if`, to the last bit.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
model = readable_model.eval()


@fast.replay
def chosen(x, y):
    loss = sg.cross_entropy(model(x), y)
    return sg.where(loss > 1, loss.sqrt(), loss)


@fast.replay(eager=True)
def branched(x, y):
    loss = sg.cross_entropy(model(x), y)
    return loss.sqrt() if loss > 1 else loss


above = 0
for k in range(10):
    batch = slice(32 * k, 32 * k + 32)
    x = digits.x_train[batch] if k % 2 else 1 - digits.x_train[batch]  # inverted: a large loss
    bits = []
    for function in chosen, branched:
        for theta in model.parameters().values():
            theta.zero_grad()
        loss = function(x, digits.y_train[batch])
        loss.backward()
        gradients = [theta.grad.tobytes() for theta in model.parameters().values()]
        bits.append([loss.data.tobytes(), *gradients])
    above += sg.cross_entropy(model(x), digits.y_train[batch]).item() > 1
    assert bits[0] == bits[1]
assert 0 < above < 10

# %% [markdown]
# ## Read on
#
# - Higham (2002), "Accuracy and Stability of Numerical Algorithms", second edition, chapters 2 and 4;
#   Goldberg (1991), "What Every Computer Scientist Should Know About Floating-Point Arithmetic": rounding.
# - Drepper (2007), "What Every Programmer Should Know About Memory": caches.
# - Amdahl (1967), "Validity of the single processor approach to achieving large scale computing
#   capabilities".
