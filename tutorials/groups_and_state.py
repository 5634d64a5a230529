# %% [markdown]
# # Groups and state
#
# An optimizer is more than an equation. It knows which tensors it updates, with which
# hyperparameters, and keeps what it has gathered in the steps so far. In this chapter you give parts of
# a model their own learning rates, freeze them, climb a hill, let two players descend and climb at
# once, and interrupt a training run so that it goes on as if nothing had happened.
#
# - **You will be able to** use parameter groups and change them on the way, freeze a layer knowing
#   what each way of doing it costs, maximize, and save and resume a run bit for bit.
# - **Read before:** [Adam, equation by equation](adam.ipynb) and [Modules](modules.ipynb).

# %%
import copy
import tempfile
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn
from simplegrad.autograd import tape_of

# %% [markdown]
# ## Parameter groups
#
# A model of two parts, a body and a head, reads handwritten digits. Say that the body was trained
# before and is to change slowly, and the head is new. Each part becomes a **group**: a dict with
# "params", a label if you like, and the hyperparameters that are to differ from those of the
# optimizer.


# %%
class Reader(nn.Module):
    def __init__(self):
        self.body = nn.Sequential(nn.Linear(64, 32), nn.Tanh())
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.body(x))


sg.manual_seed(0)
digits = sg.datasets.load_digits()
x, y = digits.x_train[:200], digits.y_train[:200]
model = Reader()
opt = optim.Adam(
    lr=1e-2,
    param_groups=[
        {"params": model.body, "label": "body", "lr": 1e-3, "beta_2": 0.99},
        {"params": model.head, "label": "head", "beta_1": 0.8, "eps": 1e-6},
    ],
)
print(opt)

# %% [markdown]
# The print shows the result: each group has every hyperparameter. What a group does not override
# comes from the optimizer. Without labels, the groups would be called "group_0" and "group_1"; an
# optimizer made with `model=model` has one group, "default". All of it is in `opt.param_groups`, a
# list of dicts, with the tensors of a group by name.

# %%
for group in opt.param_groups:
    print(f"{group['label']}: lr = {group['lr']}, tensors {', '.join(group['params'])}")

assert opt.param_groups[0]["params"]["layers.0.weight"] is model.body.layers[0].weight
assert opt.param_groups[0]["beta_1"] == 0.9  # not overridden: Adam's default
assert opt.param_groups[1]["lr"] == opt.lr == 1e-2  # not overridden: the optimizer's

# %% [markdown]
# The equations know nothing of groups. Adam computes each element from its own gradients, so a
# group is the same as an optimizer of its own. Check it on a copy of the model, over 20 steps.


# %%
def train(model, optimizers, steps=20):
    """Full-batch steps with the first 200 digits."""
    for _ in range(steps):
        sg.cross_entropy(model(x), y).backward()
        for opt in optimizers:
            opt.step()
            opt.zero_grad()


def bits_of(model):
    """The bytes of each parameter by name."""
    return {name: theta.data.tobytes() for name, theta in model.parameters().items()}


twin = copy.deepcopy(model)
opt_body = optim.Adam(twin.body, lr=1e-3, beta_2=0.99)
opt_head = optim.Adam(twin.head, lr=1e-2, beta_1=0.8, eps=1e-6)
train(model, [opt])
train(twin, [opt_body, opt_head])
print("one optimizer of two groups, two optimizers: equal to the last bit")
assert bits_of(model) == bits_of(twin)

# %% [markdown]
# ## Changes on the way
#
# `set_param` changes a hyperparameter of all groups, or of the one that you name. The next step
# uses it. Assigning to `opt.lr` is short for `set_param("lr", …)` over all groups. It replaces
# overrides, too.

# %%
opt.set_param("beta_1", 0.95)
opt.set_param("lr", 5e-4, group="body")
print("beta_1:", {group["label"]: group["beta_1"] for group in opt.param_groups})
print("lr:    ", {group["label"]: group["lr"] for group in opt.param_groups})

opt.lr = 2e-3
print("lr:    ", {group["label"]: group["lr"] for group in opt.param_groups})
assert [group["lr"] for group in opt.param_groups] == [2e-3, 2e-3]

# %% [markdown]
# A **schedule** is a formula for the learning rate. It gives the factor $f_t$ of the rates that the
# groups start from, so their ratio stays:
#
# $$lr_t = lr_{base} \, f_t$$
#
# A common one rises in a straight line over a warm-up of $w$ steps (Goyal et al., 2017). From there to
# step $T$ it falls to $f_T$ as half of a cosine (Loshchilov and Hutter, 2017).
#
# $$f_t = \begin{cases} (t + 1) / w & t < w \\ f_T + \frac{1 - f_T}{2} \, (1 + \cos(\pi \, (t - w) / (T - w))) & t \ge w \end{cases}$$
#
# `optim.schedules` has it, as `Cosine`, and others. A schedule sets the first rate when it is made, and
# the next one in each `schedule.step()`, which comes after `opt.step()`.

# %%
lr_base = {"body": 1e-3, "head": 1e-2}
for label, lr in lr_base.items():
    opt.set_param("lr", lr, group=label)

T, w, f_T = 20, 5, 0.0
schedule = optim.schedules.Cosine(opt, total_steps=T, warmup_steps=w, end_factor=f_T)
for t in range(T + 1):
    rising = (t + 1) / w
    falling = f_T + (1 - f_T) / 2 * (1 + np.cos(np.pi * (t - w) / (T - w)))
    f_t = rising if t < w else falling
    for group in opt.param_groups:
        lr_t = lr_base[group["label"]] * f_t
        assert np.isclose(lr_t, group["lr"], rtol=1e-12)
    if t % 5 == 4:
        body, head = (group["lr"] for group in opt.param_groups)
        print(f"t = {t:2}   f_t {f_t:.3f}   body {body:.6f}   head {head:.6f}")
    schedule.step()

# %% [markdown]
# ## Climbing
#
# With `maximize=True`, an optimizer goes up. Take a quantity that one maximizes: the likelihood of
# data. What mean $\mu$ and standard deviation $\sigma = e^s$ make 200 numbers most likely, if they
# come from a normal distribution? The log-likelihood of $n$ numbers, divided by $n$ and up to a
# constant, is
#
# $$f(\mu, s) = -s - \frac{1}{2 n} \sum_k \frac{(x_k - \mu)^2}{e^{2 s}}$$

# %%
data = np.random.default_rng(0).normal(3.0, 2.0, size=200)


def f(theta):
    mu, s = theta[0], theta[1]
    return -s - ((data - mu) ** 2 / sg.exp(2 * s)).mean() / 2


mu, sigma = 1.0, 1.5
densities = np.exp(-((data - mu) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)
value = f(sg.Tensor(np.array([mu, np.log(sigma)]))).item()
print(f"f = {value:.4f}")
assert np.isclose(value, np.log(densities).mean() + np.log(2 * np.pi) / 2)

# %% [markdown]
# As in [Adam, equation by equation](adam.ipynb), only the last equation changes. The moments are those of
# the gradient of $f$, as it is.
#
# $$\theta \mathrel{+}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$

# %%
lr, beta_1, beta_2, eps = 0.1, 0.9, 0.999, 1e-8
start = np.array([-1.0, 0.0])
theta = sg.Tensor(start, requires_grad=True)
opt = optim.Adam(lr=lr, maximize=True, param_groups=[{"params": {"theta": theta}}])
climb = [theta.numpy()]
for t in range(1, 301):
    f(theta).backward()
    opt.step()
    opt.zero_grad()
    climb.append(theta.numpy())

    (group,) = opt.state()["param_groups"]
    m_hat = group["moments1"]["theta"] / (1 - beta_1**t)
    v_hat = group["moments2"]["theta"] / (1 - beta_2**t)
    by_hand = climb[-2] + lr * m_hat / (np.sqrt(v_hat) + eps)
    assert by_hand.tobytes() == climb[-1].tobytes()

mu, s = climb[-1]
print(f"top of the hill: mean {mu:.4f}, standard deviation {np.exp(s):.4f}")
print(f"of the data:     mean {data.mean():.4f}, standard deviation {data.std():.4f}")
assert np.allclose([mu, np.exp(s)], [data.mean(), data.std()], atol=1e-3)

# %% [markdown]
# The mean and the standard deviation of the data are the answer that calculus gives, and Adam has
# found it by walking.

# %% alt="Contour lines of a hill over the mean and the logarithm of the standard deviation. The path starts at mean -1 and log 0, goes up to the right, beyond the height of the top, bends down at mean 1, and runs into the top at mean 3 and log 0.65." jupyter={"source_hidden": true}
mus, logs = np.meshgrid(np.linspace(-2, 6, 150), np.linspace(-0.3, 1.8, 150))
squares = data.var() + (data.mean() - mus) ** 2
heights = -logs - squares / np.exp(2 * logs) / 2
top = -np.log(data.std()) - 0.5

figure, axes = plt.subplots(figsize=(6.5, 3), layout="constrained")
levels = top - np.array([6.4, 3.2, 1.6, 0.8, 0.4, 0.2, 0.1, 0.05, 0.025])
axes.contour(mus, logs, heights, levels=levels, colors="C7", linewidths=0.6, linestyles="-")
axes.plot(*np.transpose(climb), "C0o-", markersize=2.5, linewidth=1, label="Adam, maximize=True")
axes.plot(data.mean(), np.log(data.std()), "C1*", markersize=12, label="top")
axes.set(xlabel=r"mean $\mu$", ylabel=r"$s = \log \sigma$")
figure.legend(loc="outside upper center", ncols=2)
plt.show()

# %% [markdown]
# ## Two players
#
# `maximize` can differ from group to group. Then one optimizer plays a game: $x$ is moved to make
# $f$ small, and $y$ to make it large. Generative adversarial networks are trained like this
# (Goodfellow et al., 2014). The smallest such game is $f(x, y) = x y$. Neither player can gain
# anything at $(0, 0)$.


# %%
def play(c, lr=0.1, steps=100):
    """The places of the two players, of shape (steps + 1, 2)."""
    x = sg.Tensor(np.array(1.0), requires_grad=True)
    y = sg.Tensor(np.array(0.0), requires_grad=True)
    opt = optim.SGD(
        lr=lr,
        param_groups=[
            {"params": {"x": x}, "label": "min"},
            {"params": {"y": y}, "label": "max", "maximize": True},
        ],
    )
    places = [(x.item(), y.item())]
    for _ in range(steps):
        f = x * y + c / 2 * x**2 - c / 2 * y**2
        f.backward()
        opt.step()
        opt.zero_grad()
        places.append((x.item(), y.item()))
    return np.array(places)


# %% [markdown]
# The gradient by $x$ is $y$, and that by $y$ is $x$. So without the terms with $c$, which come in
# later, a step of SGD is
#
# $$x_{t+1} = x_t - lr \, y_t$$
#
# $$y_{t+1} = y_t + lr \, x_t$$

# %%
lr = 0.1
x_t, y_t = 1.0, 0.0
by_hand = [(x_t, y_t)]
for _ in range(100):
    x_next = x_t - lr * y_t
    y_next = y_t + lr * x_t
    x_t, y_t = x_next, y_next
    by_hand.append((x_t, y_t))

outward = play(c=0)
assert np.array_equal(by_hand, outward)
print(f"distance from (0, 0): {np.hypot(*outward[0]):.3f}, later {np.hypot(*outward[-1]):.3f}")

# %% [markdown]
# They do not find $(0, 0)$. A step is at a right angle to the line from the origin: it follows the
# tangent of a circle, and so leaves the circle to the outside. By Pythagoras, the distance $r$
# grows in each step, whatever the learning rate:
#
# $$r_{t+1} = \sqrt{1 + lr^2} \, r_t$$

# %%
r = np.hypot(*outward.T)
r_next = np.sqrt(1 + lr**2) * r[:-1]
assert np.allclose(r[1:], r_next)
print(f"the factor of each step: {r[1] / r[0]:.5f}")

# %% [markdown]
# What helps is curvature of the right sign for each player. In
# $f(x, y) = x y + \frac{c}{2} x^2 - \frac{c}{2} y^2$, $x$ is in a valley and $y$ is on a hill. Each
# step first shrinks both coordinates by $1 - lr \, c$:
#
# $$r_{t+1} = \sqrt{(1 - lr \, c)^2 + lr^2} \, r_t$$

# %%
c = 0.3
inward = play(c)
r = np.hypot(*inward.T)
r_next = np.sqrt((1 - lr * c) ** 2 + lr**2) * r[:-1]
assert np.allclose(r[1:], r_next)
print(f"the factor of each step: {r[1] / r[0]:.5f}")

at_the_limit = play(c, lr=2 * c / (1 + c**2))
assert np.allclose(np.hypot(*at_the_limit.T), 1)  # round and round

# %% alt="Two panels with paths of 100 steps from (1, 0), around the origin. On the left, for f = x y, a spiral that winds outward, from distance 1 to 1.6. On the right, with curvature, a spiral that winds inward to the origin." jupyter={"source_hidden": true}
figure, panels = plt.subplots(1, 2, figsize=(6.5, 3.5), sharey=True, layout="constrained")
grid_x, grid_y = np.meshgrid(np.linspace(-1.8, 1.8, 100), np.linspace(-1.8, 1.8, 100))
for axes, path, c, style in zip(panels, (outward, inward), (0, 0.3), ("C3s-", "C0o-"), strict=True):
    f_grid = grid_x * grid_y + c / 2 * grid_x**2 - c / 2 * grid_y**2
    axes.contour(grid_x, grid_y, f_grid, levels=9, colors="C7", linewidths=0.5, linestyles="-")
    axes.plot(*path.T, style, markersize=2.5, linewidth=1)
    axes.plot(0, 0, "+", color="C7", markersize=12)
    axes.set(xlabel="x, descends", aspect="equal")
panels[0].set(title=r"$f = x y$", ylabel="y, climbs")
panels[1].set(title=r"$f = x y + 0.15 \, x^2 - 0.15 \, y^2$")
plt.show()

# %% [markdown]
# The factor is below 1 if $lr < 2 c / (1 + c^2)$. Without curvature, no learning rate will do.
#
# ## Freezing a layer
#
# To freeze a layer is to keep its parameters as they are while the rest is trained. There are four
# ways, and they differ in what they cost.
#
# **A learning rate of 0.** The group stays in the optimizer. Its gradients are computed, and its
# moments go on. When you set the learning rate back, the group goes on with moments that are up to
# date.

# %%
sg.manual_seed(0)
model = Reader()
groups = [{"params": model.body, "label": "body"}, {"params": model.head, "label": "head"}]
opt = optim.Adam(lr=1e-2, param_groups=groups)
opt.set_param("lr", 0, group="body")
body, head = bits_of(model.body), bits_of(model.head)
train(model, [opt])

moments = opt.state()["param_groups"][0]["moments1"]["layers.0.weight"]
print(f"body unchanged: {bits_of(model.body) == body}, moments up to {abs(moments).max():.4f}")
assert bits_of(model.body) == body
assert bits_of(model.head) != head
assert abs(moments).max() > 0

# %% [markdown]
# **`requires_grad = False`, before the optimizer is made.** A tensor that requires no gradient is
# no parameter, so it is in no group. The backward pass does not even go there: the tape is shorter,
# and nothing is spent on the body.

# %%
sg.manual_seed(0)
model = Reader()
tape = len(tape_of(sg.cross_entropy(model(x), y)))
for theta in model.body.parameters().values():
    theta.requires_grad = False

opt = optim.Adam(model, lr=1e-2)
shorter = len(tape_of(sg.cross_entropy(model(x), y)))
print(f"{tape} tensors on the tape before, {shorter} after")
print("parameters:", ", ".join(opt.param_groups[0]["params"]))
assert list(model.parameters()) == ["head.weight", "head.bias"]
assert shorter < tape

# %% [markdown]
# `sg.save`, below, writes all tensors of a model, the frozen ones, too.
#
# **Left out of the groups.** The optimizer does not know the body, so it does not move it. Its
# gradients are computed all the same, and `opt.zero_grad()` does not clear them: they add up. Clear
# them before you train the body.

# %%
sg.manual_seed(0)
model = Reader()
opt = optim.Adam(model.head, lr=1e-2)
train(model, [opt], steps=1)
once = abs(model.body.layers[0].weight.grad).max()
train(model, [opt], steps=9)
ten_times = abs(model.body.layers[0].weight.grad).max()
print(f"largest gradient in the body: {once:.3f} after 1 step, {ten_times:.3f} after 10")
assert bits_of(model.body) == body
assert ten_times > 2 * once

# %% [markdown]
# **`requires_grad = False`, when the optimizer has the tensor already.** The optimizer leaves it alone,
# its moments, too, until you set `requires_grad` back to True. To clear the gradient would not do: a
# gradient of zero is not a step of zero. The first moment fades slowly, and moves the tensor until it
# has faded.

# %%
sg.manual_seed(0)
model = Reader()
opt = optim.Adam(model, lr=1e-2)
train(model, [opt], steps=5)

weight, bias = model.body.layers[0].weight, model.head.bias
weight.requires_grad = False
before = weight.numpy(), bias.numpy()
for _ in range(5):
    opt.step()  # without backward(): train has cleared all gradients
print(f"the frozen weight has moved by {abs(weight.data - before[0]).max():.3f}", end=", ")
print(f"and by gradients of zero, the bias by up to {abs(bias.data - before[1]).max():.3f}")
assert np.array_equal(weight.data, before[0])
assert not np.array_equal(bias.data, before[1])

# %% [markdown]
# In short:
#
# | | gradient computed | moments | go on later |
# |---|---|---|---|
# | `lr` 0 for the group | yes | up to date | `set_param("lr", …, group=…)` |
# | `requires_grad = False` first | no | none | set it to True, `add_param_group` |
# | left out of the groups | yes, and adds up | none | `zero_grad()`, `add_param_group` |
# | `requires_grad = False` later | no | as they were | set it to True |
#
# `opt.add_param_group({"params": model.body, "label": "body"})` adds a group to an optimizer that has
# taken steps. The moments of the new group start at zero. The other groups keep theirs.
#
# ## The state
#
# `opt.state()` is all that an optimizer knows beside the parameters: the step count, which is one for
# all groups, and for each group the label, the hyperparameters and the arrays that it keeps from step
# to step. Adam keeps two for each parameter. They are copies, so further steps do not change a state
# that you hold.

# %%
sg.manual_seed(0)
model = Reader()
opt = optim.Adam(model, lr=1e-2)
train(model, [opt], steps=10)
state = opt.state()

print("step_count:", state["step_count"])
for key, value in state["param_groups"][0].items():
    if isinstance(value, dict):
        value = f"arrays for {', '.join(value)}"
    print(f"{key}: {value}")

# %% [markdown]
# `load_state` takes a state over. Take ten more steps in three ways. The first goes on with the
# optimizer at hand. The second starts from a copy of the model, and a new optimizer that is given
# the state; its learning rate comes from there, too. The third forgets the state.

# %%
resumed, forgetful = copy.deepcopy(model), copy.deepcopy(model)
train(model, [opt], steps=10)
opt_resumed = optim.Adam(resumed, lr=0.5)
opt_resumed.load_state(state)
train(resumed, [opt_resumed], steps=10)
train(forgetful, [optim.Adam(forgetful, lr=1e-2)], steps=10)

print("with the state:    equal to the last bit:", bits_of(resumed) == bits_of(model))
print("without the state: equal to the last bit:", bits_of(forgetful) == bits_of(model))
assert bits_of(resumed) == bits_of(model)
assert bits_of(forgetful) != bits_of(model)
assert opt_resumed.lr == 1e-2

# %% [markdown]
# `opt.reset_step_count()` sets the count to 0: the next step is $t = 1$. The moments stay, and Adam corrects
# them as if they were new, $\hat m = 10 \, m_t$ and $\hat v = 1000 \, v_t$. Its steps are shorter for a while,
# which is a warm-up when other data come. A new optimizer forgets the moments, too.

# %%
w = sg.Tensor(np.zeros(1), requires_grad=True)
w.grad = np.ones(1)  # the same in all steps
opt = optim.Adam(lr=1.0, param_groups=[{"params": {"w": w}}])
for _ in range(10_000):
    opt.step()
before = w.item()
opt.reset_step_count()
opt.step()
assert np.isclose(before - w.item(), 10 / np.sqrt(1000), rtol=1e-3)

# %% [markdown]
# ## A run in a file
#
# `sg.save` writes the tensors of the model, the state of the optimizer and the state of the random
# generator into one file, with whatever numbers and strings you add. The generator belongs to it. What comes
# next in a run depends on the order in which the digits come, and on what dropout puts to zero.
# Here both come from the generator of simplegrad. `new_run` makes a small network with Dropout and its Adam,
# and `train_epochs` is the training loop of [Modules](modules.ipynb), which returns the losses.


# %% jupyter={"source_hidden": true}
def new_run():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
    return model, optim.Adam(model, lr=3e-3)


def train_epochs(model, opt, first, last):
    """Epochs first, …, last - 1 over 512 digits in shuffled batches of 64; returns the losses."""
    losses = []
    for _ in range(first, last):
        order = sg.generator().permutation(512)
        for rows in order.reshape(8, 64):
            loss = sg.cross_entropy(model(digits.x_train[rows]), digits.y_train[rows])
            loss.backward()
            opt.step()
            opt.zero_grad()
            losses.append(loss.item())
    return losses


# %%
sg.manual_seed(0)
model, opt = new_run()
whole = train_epochs(model, opt, 0, 6)
print(f"{len(whole)} steps in one go, last loss {whole[-1]:.4f}")

# %% [markdown]
# Now the same run with an interruption. After three epochs it is saved. Then comes a new model with
# other random weights, a new optimizer and a generator in another state, as in a new process.
# `sg.load` puts all three right and returns what you have added.

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "run.npz"

sg.manual_seed(0)
model_1, opt_1 = new_run()
first_half = train_epochs(model_1, opt_1, 0, 3)
sg.save(path, model_1, opt_1, epoch=3)

sg.manual_seed(12345)
model_2, opt_2 = new_run()
extra = sg.load(path, model_2, opt_2)
second_half = train_epochs(model_2, opt_2, extra["epoch"], 6)

print("added:", extra)
print("every loss equal:          ", first_half + second_half == whole)
print("parameters, to the last bit:", bits_of(model_2) == bits_of(model))
assert first_half + second_half == whole
assert bits_of(model_2) == bits_of(model)

# %% [markdown]
# Is the generator needed for that? Load once more, and seed it anew after loading.

# %%
model_3, opt_3 = new_run()
extra = sg.load(path, model_3, opt_3)
sg.manual_seed(1)
other_half = train_epochs(model_3, opt_3, extra["epoch"], 6)
print(f"last loss {second_half[-1]:.4f}, and {other_half[-1]:.4f} when seeded anew")
assert other_half != second_half
folder.cleanup()

# %% [markdown]
# Both are honest runs, but only the first is the same run. When you change the code and compare, it
# is the one to compare with: the change is then not mixed up with luck.
#
# The file is an ordinary archive of NumPy arrays. What is not in it, you keep yourself: generators
# of your own, made with `np.random.default_rng()`, and whether the model was in `train()` or
# `eval()`. A schedule has a state, too, of plain numbers and strings, which goes with the rest as
# `sg.save(path, model, opt, schedule=schedule.state())`.
#
# ## What is refused
#
# Each hyperparameter is checked when it comes in. The message says what was given, what is allowed,
# and how to write it. These are mistakes that would otherwise go unnoticed, or that you would find much
# later: the key of another library, a tensor in two groups, and the state of another model.

# %%
reader = Reader()
opt = optim.Adam(reader)
other_state = optim.Adam(nn.Linear(64, 10), lr=0.5).state()
mistakes = [
    lambda: optim.Adam(param_groups=[{"params": reader, "betas": (0.9, 0.99)}]),
    lambda: optim.Adam(param_groups=[{"params": reader}, {"params": reader.head}]),
    lambda: opt.load_state(other_state),
]
messages = []
for mistake in mistakes:
    try:
        mistake()
    except (TypeError, ValueError) as error:
        messages.append(f"{type(error).__name__}: {error}")
        print(fill(messages[-1], 88), end="\n\n")

assert len(messages) == len(mistakes)
assert "did you mean beta_1, beta_2?" in messages[0]
assert opt.lr == 1e-3

# %% [markdown]
# Nothing has changed after an error, not even the learning rate: `load_state` checks all of a state before
# it takes any of it.

# %% [markdown]
# ## Exercises
#
# The longer exercise `groups` in `tutorials/exercises/` comes with a check that says which result is
# wrong: `python -m simplegrad.exercises check groups`.
#
# **1.** Weight decay is often applied to matrices only. Biases are spared, and so are the numbers by
# which a `LayerNorm` multiplies its input, an array of one axis. Make an `optim.AdamW` for
# `nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))` with two groups: the tensors of two axes with a
# `weight_decay` of 0.1, the others with 0. Check it with one step whose gradients are all zero.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
parameters = model.parameters()
matrices = {name: theta for name, theta in parameters.items() if theta.ndim == 2}
others = {name: theta for name, theta in parameters.items() if theta.ndim < 2}
opt = optim.AdamW(
    lr=0.5,
    param_groups=[
        {"params": matrices, "label": "matrices", "weight_decay": 0.1},
        {"params": others, "label": "others", "weight_decay": 0},
    ],
)
before = {name: theta.numpy() for name, theta in parameters.items()}
opt.zero_grad()
opt.step()

for name, theta in parameters.items():
    factor = 1 - 0.5 * 0.1 if name in matrices else 1
    assert np.allclose(theta.data, factor * before[name], rtol=1e-6)
print("decayed:", ", ".join(matrices), " spared:", ", ".join(others))

# %% [markdown]
# **2.** Write a schedule of your own: that of the first Transformer (Vaswani et al., 2017, equation 3).
# With $s = t + 1$, it rises as $s / w$ over $w$ steps and falls as $\sqrt{w / s}$ from there. Make it a
# subclass of `optim.schedules.Schedule` with a method `factor(self, t)`. The ratio of the groups must be
# the same at all times.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
class InverseRoot(optim.schedules.Schedule):
    w = 10

    def factor(self, t):
        s = t + 1
        return min(s / self.w, np.sqrt(self.w / s))


opt = optim.Adam(
    param_groups=[
        {"params": reader.body, "label": "body", "lr": 1e-3},
        {"params": reader.head, "label": "head", "lr": 1e-2},
    ]
)
schedule = InverseRoot(opt)
history = []
for _ in range(100):
    history.append([group["lr"] for group in opt.param_groups])
    schedule.step()

history = np.array(history)
assert np.allclose(history[[0, 4, 9, 39], 1], [0.001, 0.005, 0.01, 0.005])
assert np.allclose(history[:, 1], 10 * history[:, 0])

# %% [markdown]
# **3.** Let the players of $f(x, y) = x y$ move in turn: first $x$, then $y$, which sees where $x$
# is now. It takes two optimizers, and a `backward()` before the step of each. Play 1,000 rounds
# with $lr = 0.1$ from $(1, 0)$. Do they spiral outward, inward, or neither? Show that
# $x^2 + y^2 - lr \, x y$ stays the same.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
x_player = sg.Tensor(np.array(1.0), requires_grad=True)
y_player = sg.Tensor(np.array(0.0), requires_grad=True)
opt_x = optim.SGD(lr=0.1, param_groups=[{"params": {"x": x_player}}])
opt_y = optim.SGD(lr=0.1, maximize=True, param_groups=[{"params": {"y": y_player}}])
distances = []
for _ in range(1000):
    for opt in (opt_x, opt_y):
        opt_x.zero_grad()
        opt_y.zero_grad()
        (x_player * y_player).backward()
        opt.step()
    a, b = x_player.item(), y_player.item()
    distances.append(np.hypot(a, b))
    assert np.isclose(a**2 + b**2 - 0.1 * a * b, 1)

print(f"the distance stays between {min(distances):.3f} and {max(distances):.3f}")
assert max(distances) < 1.06  # neither: an ellipse

# %% [markdown]
# **4.** Thaw. Train the head of a `Reader` for 50 steps, with an optimizer of the head alone, whose
# group is called "head". Then make an optimizer with the groups "body" and "head" that goes on: put
# the entry of "head" from the old state, and the old step count, into the state of the new one.
# Check that the head's next step is bit for bit that of the old optimizer. How long is the body's
# first step, in units of $lr$, and why is that not 1?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
sg.manual_seed(0)
model = Reader()
opt_old = optim.Adam(lr=1e-2, param_groups=[{"params": model.head, "label": "head"}])
train(model, [opt_old], steps=50)

thawed = copy.deepcopy(model)  # copies have no gradients, so there is nothing to clear
groups = [{"params": thawed.body, "label": "body"}, {"params": thawed.head, "label": "head"}]
opt_new = optim.Adam(lr=1e-2, param_groups=groups)
state = opt_new.state()
state["step_count"] = opt_old.step_count
state["param_groups"][1] = opt_old.state()["param_groups"][0]
opt_new.load_state(state)

before = thawed.body.layers[0].bias.numpy()
train(model, [opt_old], steps=1)
train(thawed, [opt_new], steps=1)
assert bits_of(thawed.head) == bits_of(model.head)

lengths = abs(thawed.body.layers[0].bias.data - before) / 1e-2
t = 51
expected = (1 - beta_1) / (1 - beta_1**t) / np.sqrt((1 - beta_2) / (1 - beta_2**t))
print(f"the body's first step is {lengths.mean():.3f} lr long")
assert np.allclose(lengths, expected, rtol=1e-3)
# The body's moments have seen one gradient, but the corrections are those of t = 51.

# %% [markdown]
# ## Read on
#
# - Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR. The
#   cosine.
# - Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio (2014), "Generative
#   Adversarial Nets", NIPS. Two networks as two players.
# - Mescheder, Nowozin and Geiger (2017), "The Numerics of GANs", NIPS. Why simultaneous steps go
#   round in circles.
