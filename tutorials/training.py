# %% [markdown]
# # Training well
#
# A correct gradient is not enough. A network also needs a learning rate that suits its batches, first
# values that suit its depth, and somebody who can tell an improvement from luck. In this chapter you vary
# one thing at a time in networks that read digits, several times each, and look at the spread.
#
# - **You will be able to** choose a learning rate by a sweep, give a deep network first values that keep
#   the signal alive in both directions, normalise, clip, decay and schedule, and say of each whether it
#   has helped.
# - **Read before:** [Modules](modules.ipynb) and [Groups and state](groups_and_state.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

digits = sg.datasets.load_digits()
is_validation = np.arange(len(digits.x_train)) % 5 == 0
x_train, y_train = digits.x_train[~is_validation], digits.y_train[~is_validation]
x_validation, y_validation = digits.x_train[is_validation], digits.y_train[is_validation]
print(f"{len(x_train)} for training, {len(x_validation)} for validation")

# %% [markdown]
# ## What is a difference?
#
# Everything below is a comparison, so the measuring comes first. `fit` is the training loop that you know,
# with a schedule and a largest norm for later, and `evaluate` is the one from [Modules](modules.ipynb).
# `several` trains a network from each of a few seeds and returns the validation loss of each.


# %%
def fit(model, opt, epochs=10, batch_size=32, schedule=None, max_norm=None):
    for _ in range(epochs):
        order = sg.generator().permutation(len(x_train))
        for start in range(0, len(order) - batch_size + 1, batch_size):  # full batches only
            batch = order[start : start + batch_size]
            sg.cross_entropy(model(x_train[batch]), y_train[batch]).backward()
            if max_norm:
                nn.clip_grad_norm(model, max_norm)
            opt.step()
            opt.zero_grad()
            if schedule:
                schedule.step()
    return model


def evaluate(model, x, y):
    model.eval()
    with sg.no_grad():
        logits = model(x)
        loss = sg.cross_entropy(logits, y).item()
    model.train()
    return loss, (logits.data.argmax(axis=1) == y).mean()


def several(trained, seeds=range(5)):
    losses = []
    for seed in seeds:
        sg.manual_seed(seed)
        loss, _ = evaluate(trained(), x_validation, y_validation)
        losses.append(loss)
    return np.array(losses)


def small(dropout=0.0):
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10))


def with_adam(lr=0.01):
    model = small()
    return fit(model, optim.Adam(model, lr=lr))


# %% [markdown]
# Train the same network from ten seeds. The first values differ, and the order of the digits. The mean of
# the losses $a_i$ from $k$ seeds, and their **spread**, the standard deviation, are
#
# $$\bar a = \frac{1}{k} \sum_i a_i$$
# $$s = \sqrt{\frac{1}{k - 1} \sum_i (a_i - \bar a)^2}$$

# %%
a = several(with_adam, seeds=range(10))
k = len(a)
a_bar = a.sum() / k
s = np.sqrt(((a - a_bar) ** 2).sum() / (k - 1))
print(a.round(3))
print(f"{a_bar:.3f} ± {s:.3f}")
assert np.isclose(s, a.std(ddof=1))

first, second = a[:5].mean(), a[5:].mean()
print(f"the first five: {first:.3f}, the other five: {second:.3f}")
assert 0 < abs(first - second) < s

# %% [markdown]
# The two halves have different means, although they are the same network trained in the same way. Whoever
# had changed something between them might have reported progress. So in this chapter, a difference that
# is smaller than the spread is no difference. It may exist, but these runs do not show it.
#
# That rule is coarse. The mean of five seeds varies less than a single seed, by the factor $1 / \sqrt 5$, so
# more seeds can show smaller differences. One seed can show none.
#
# ## Learning rate and batch size
#
# The gradient of a batch is that of all digits plus noise. Draw the $B$ digits of a batch independently, and
# let $g_i$ be the gradient of digit $i$, and $g$ the mean of all $n$ of them. For the gradient $g_B$ of a
# batch, the noise has the mean square ($\operatorname{E}$ stands for the mean over all draws)
#
# $$\operatorname{E} \lVert g_B - g \rVert^2 = \frac{1}{B} \, \frac{1}{n} \sum_i \lVert g_i - g \rVert^2$$


# %%
def gradient(model, rows):
    """All gradients of the mean loss of these digits, as one vector."""
    parameters = model.parameters().values()
    for theta in parameters:
        theta.zero_grad()
    sg.cross_entropy(model(x_train[rows]), y_train[rows]).backward()
    return np.concatenate([theta.grad.ravel() for theta in parameters])


sg.manual_seed(0)
model = small()
n = len(x_train)
g = gradient(model, np.arange(n))
g_i = np.array([gradient(model, [i]) for i in range(n)])
of_one = ((g_i - g) ** 2).sum() / n
for B in 8, 32, 128:
    draws = sg.generator().integers(n, size=(400, B))
    noise = np.mean([((g_i[rows].mean(axis=0) - g) ** 2).sum() for rows in draws])
    print(f"B = {B:3}: {noise:.4f}, expected {of_one / B:.4f}")
    assert np.isclose(noise, of_one / B, rtol=0.1)

# %% [markdown]
# A larger batch points more exactly, and an epoch has fewer of them. Both speak for longer steps. Here is a
# **sweep**: each learning rate with each batch size, five epochs of plain SGD, two seeds. Take factors and
# not differences between the rates, since a rate of 0.1 is as far from 0.3 as 1 is from 3.

# %%
rates = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
sizes = [8, 32, 128]


def with_sgd(lr, batch_size):
    model = small()
    return fit(model, optim.SGD(model, lr=lr), epochs=5, batch_size=batch_size)


sweep = np.array(
    [
        [several(lambda lr=lr, B=B: with_sgd(lr, B), seeds=range(2)).mean() for lr in rates]
        for B in sizes
    ]
)
for B, losses in zip(sizes, sweep, strict=True):
    print(f"B = {B:3}: best rate {rates[losses.argmin()]}, loss {losses.min():.3f}")
best_columns = sweep.argmin(axis=1)
assert best_columns[0] < best_columns[1] <= best_columns[2]

# %% alt="Validation loss for six learning rates and three batch sizes. The table has a coloured cell for each, with its number. In each row the loss falls to a minimum, and at the largest rate it is above 2.3. The minimum is at 0.1 for batches of 8, and at 1 for batches of 32 and 128." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
shown = axes.imshow(np.minimum(sweep, 2.3), cmap="viridis_r", aspect="auto", alpha=0.5)
for row, column in np.ndindex(sweep.shape):
    best = " *" if column == sweep[row].argmin() else ""
    axes.text(column, row, f"{sweep[row, column]:.2f}{best}", ha="center", va="center")
axes.set_xticks(range(len(rates)), [f"{lr:g}" for lr in rates])
axes.set_yticks(range(len(sizes)), [f"{B}" for B in sizes])
axes.set(xlabel="learning rate", ylabel="batch size")
axes.grid(False)
figure.colorbar(shown, label="validation loss (nats)")
plt.show()

# %% [markdown]
# The star marks the best of each row. For the larger batches it is further to the right: a rate is good for a
# batch size, so whoever changes one has to look for the other again. To its right comes the cliff, beyond
# which nothing is learned: 2.3 is about $\log 10$, the loss of a network that knows nothing.
#
# ## Adam beside SGD
#
# Optimizers are compared each at its own best rate. At a common rate, the comparison only tells
# whose rate it was. Here are SGD with momentum 0.9 and Adam, ten epochs, batches of 32, five seeds.

# %% jupyter={"source_hidden": true}
contestants = {
    "SGD, momentum 0.9": (lambda model, lr: optim.SGD(model, lr=lr, momentum=0.9), 0.01),
    "Adam": (lambda model, lr: optim.Adam(model, lr=lr), 0.001),
}
results = {}
for name, (make, smallest) in contestants.items():
    for lr in smallest * np.array([1, 3, 10, 30, 100]):

        def trained(make=make, lr=lr):
            model = small()
            return fit(model, make(model, lr))

        results[name, lr] = several(trained)

best_rates = {}
for name in contestants:
    lr = min((lr for n, lr in results if n == name), key=lambda lr: results[name, lr].mean())
    best_rates[name] = lr
    losses = results[name, lr]
    print(f"{name:17} best at {lr:g}: {losses.mean():.3f} ± {losses.std(ddof=1):.3f}")
assert best_rates["Adam"] < best_rates["SGD, momentum 0.9"]

# %% alt="Validation loss over the learning rate, both on logarithmic scales, for SGD with momentum and for Adam, with a dot for each of five seeds and a line through the means. Both are valleys. Adam's is at smaller rates, and its floor is flat from 0.01 to 0.03. SGD's is flat from 0.03 to 0.1, and its dots scatter most to the right of that." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for name, style, color in ("SGD, momentum 0.9", "s--", "C1"), ("Adam", "o-", "C0"):
    lrs = [lr for n, lr in results if n == name]
    values = np.array([results[name, lr] for lr in lrs])
    axes.plot(lrs, values, style[0], color=color, markersize=3, alpha=0.7)
    axes.plot(lrs, values.mean(axis=1), style[1:], color=color, label=name)
axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="validation loss (nats)")
axes.legend()
plt.show()

# %% [markdown]
# Adam's best rate is the smaller one, since its steps do not shrink with the gradient. Its mean is lower,
# too. But these seeds have chosen the rates, and a choice favours what was lucky with them. Ten fresh
# seeds, at the two chosen rates, give a fair comparison.

# %% jupyter={"source_hidden": true}
fresh = {}
for name, (make, _) in contestants.items():

    def trained(name=name, make=make):
        model = small()
        return fit(model, make(model, best_rates[name]))

    fresh[name] = several(trained, seeds=range(5, 15))
    losses = fresh[name]
    print(f"{name:17} {losses.mean():.3f} ± {losses.std(ddof=1):.3f}")

sgd, adam = fresh.values()
assert abs(sgd.mean() - adam.mean()) < max(sgd.std(ddof=1), adam.std(ddof=1))

# %% [markdown]
# The means differ by less than the spread: on these digits and after ten epochs, neither optimizer has won.
#
# ## First values, forward and backward
#
# [Modules](modules.ipynb) has shown that the first weights must be random. How large should they be? Say that $W$ has the
# shape $(n, n)$, and its elements are drawn independently with the mean 0 and the variance $\sigma_W^2$. Each
# $y_j$ of $y = x W$ is a sum of $n$ terms, whose mixed products have the mean 0. A ReLU keeps half of the
# squares, since $y_j$ is as often negative as positive:
#
# $$\operatorname{E}[y_j^2] = n \, \sigma_W^2 \, \operatorname{E}[x_i^2]$$
# $$\operatorname{E}[\max(y_j, 0)^2] = \frac{n}{2} \, \sigma_W^2 \, \operatorname{E}[x_i^2]$$
#
# The way back is the same product with the transpose, $dx = dy \, W^\top$. The ReLU lets through the
# gradient where $y_j > 0$, so again half of the squares remain. With $dh$, the gradient behind the ReLU:
#
# $$\operatorname{E}[dx_i^2] = \frac{n}{2} \, \sigma_W^2 \, \operatorname{E}[dh_j^2]$$

# %%
sg.manual_seed(0)
n, sigma_W = 512, 0.05
W = sigma_W * sg.normal((n, n)).data
x = sg.Tensor(sg.normal((64, n)).data, requires_grad=True)
dh = sg.normal((64, n)).data
y = x @ W
h = sg.relu(y)
h.backward(grad=dh)

expected_y = n * sigma_W**2 * (x.data**2).mean()
expected_h = n / 2 * sigma_W**2 * (x.data**2).mean()
expected_dx = n / 2 * sigma_W**2 * (dh**2).mean()
for name, values, expected in [
    ("y", y.data, expected_y),
    ("h", h.data, expected_h),
    ("dx", x.grad, expected_dx),
]:
    print(f"mean of {name:2} squared: {(values**2).mean():.3f}, expected {expected:.3f}")
    assert np.isclose((values**2).mean(), expected, rtol=0.05)

# %% [markdown]
# The factor applies in every layer, so ten layers have its tenth power. With $\sigma_W = 1 / \sqrt n$ it is
# $1 / 2$, and right for layers without a ReLU (Glorot and Bengio, 2010, who weigh both directions for layers
# that are not square). With $\sigma_W = \sqrt{2 / n}$ it is 1 (He et al., 2015). `nn.Linear` draws uniformly
# from $[-1 / \sqrt n, 1 / \sqrt n)$, as PyTorch's does. Such numbers have the variance $1 / (3 n)$, so the
# factor is $1 / 6$.
#
# Measure it: ten layers, a random gradient at the end, and the mean squares at all layers both ways.

# %%
standard_deviations = {
    "twice He's": 2 * np.sqrt(2 / n),
    "He's, √(2/n)": np.sqrt(2 / n),
    "1/√n": 1 / np.sqrt(n),
    "nn.Linear's, 1/√(3n)": 1 / np.sqrt(3 * n),
}
forwards, backwards = {}, {}
for name, sigma_W in standard_deviations.items():
    sg.manual_seed(0)
    h = sg.Tensor(sg.normal((64, n)).data, requires_grad=True)
    layers = [h]
    for _ in range(10):
        h = sg.relu(h @ (sigma_W * sg.normal((n, n)).data))
        layers.append(h)
    h.backward(grad=sg.normal((64, n)).data, retain_grads=True)
    forwards[name] = [(h.data**2).mean() for h in layers]
    backwards[name] = [(h.grad**2).mean() for h in layers]
    forward, backward = (
        forwards[name][-1] / forwards[name][0],
        backwards[name][0] / backwards[name][-1],
    )
    expected = (n / 2 * sigma_W**2) ** 10
    print(f"{name:20} forward {forward:.1e}, backward {backward:.1e}, expected {expected:.1e}")
    assert np.allclose(np.log([forward, backward]), np.log(expected), atol=0.5)

# %% alt="Mean squares over ten layers, on logarithmic scales. Left, of the activations, forward: with He's standard deviation the line is level at 1, with twice that it rises to a million, with one over the root of n it falls to a thousandth, and with that of nn.Linear below a ten-millionth. Right, of the gradients: the same lines from right to left." jupyter={"source_hidden": true}
figure, panels = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for axes, curves in zip(panels, (forwards, backwards), strict=True):
    for (name, curve), style in zip(curves.items(), ["^-.", "o-", "s--", "v:"], strict=True):
        axes.plot(curve, style, markersize=4, label=name)
    axes.set(yscale="log", xlabel="layer")
panels[0].set(ylabel="mean square", title="activations, forward")
panels[1].set(title="gradients, backward")
panels[0].legend(fontsize=8)
plt.show()

# %% [markdown]
# One number decides both: what keeps the activations alive keeps the gradients alive. Does it matter in
# training? Here is a network with ten hidden layers and three kinds of first values, the same rate for all.


# %%
def deep(std=None, norm=None):
    """Ten hidden layers; without std, their first values are those of nn.Linear."""
    hidden = []
    for _ in range(10):
        linear = nn.Linear(64, 64)
        if std:
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)
        hidden += [linear, norm(64), nn.ReLU()] if norm else [linear, nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(64, 10))


def with_momentum(model, lr=0.01, max_norm=None):
    return fit(model, optim.SGD(model, lr=lr, momentum=0.9), epochs=8, max_norm=max_norm)


def report(name, losses):
    print(f"{name:26} {losses.mean():.3f} ± {losses.std(ddof=1):.3f}")


start_he = np.sqrt(2 / 64)
of_linear = several(lambda: with_momentum(deep()), range(3))
of_glorot = several(lambda: with_momentum(deep(1 / np.sqrt(64))), range(3))
of_he = several(lambda: with_momentum(deep(start_he)), range(3))
report("nn.Linear's, 1/√(3n)", of_linear)
report("1/√n", of_glorot)
report("He's, √(2/n)", of_he)
assert np.allclose(of_linear, np.log(10), atol=0.01)
assert of_he.max() < of_glorot.min() < of_linear.min()

# %% [markdown]
# With the first values of `nn.Linear`, ten layers learn nothing at all in eight epochs; with He's, they
# read digits. `nn.init.kaiming_normal_(layer.weight)` draws them.
#
# ## Normalisation
#
# Instead of choosing sizes that stay right, one can put them right in every layer. **Batch
# normalisation** (Ioffe and Szegedy, 2015) does so for each **channel**, here a column of the batch: it
# subtracts the mean of the column, divides by its standard deviation, and lets two parameters for each
# channel, a **gain** $g$ and a bias $b$, choose the size anew. Over the $n$ rows of the batch,
#
# $$\mu = \frac{1}{n} \sum_i x_i$$
# $$\sigma^2 = \frac{1}{n} \sum_i (x_i - \mu)^2$$
# $$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \, g + b$$

# %%
sg.manual_seed(0)
x = 3 + 2 * sg.normal((32, 4)).data
n = len(x)
batch_norm = nn.BatchNorm(4)
g, b, eps, alpha = batch_norm.weight.data, batch_norm.bias.data, batch_norm.eps, batch_norm.momentum

mu = x.sum(axis=0) / n
sigma_2 = ((x - mu) ** 2).sum(axis=0) / n
y = (x - mu) / np.sqrt(sigma_2 + eps) * g + b
print("means before:", mu.round(2), " after:", abs(y.mean(axis=0)).round(2))
print("variances before:", sigma_2.round(2), " after:", y.var(axis=0).round(2))
np.testing.assert_allclose(batch_norm(x).data, y, rtol=1e-4, atol=1e-5)

# %% [markdown]
# The answer for a digit now depends on the others in its batch. In use, that must not be: after `eval()`,
# the layer takes a **running mean** $m$ and a **running variance** $v$, which have followed those of the
# batches in training. They start at 0 and 1. $\alpha$ is the share of the new batch, called `momentum`, and
# the factor $n / (n - 1)$ makes $v$ an unbiased estimate.
#
# $$m \leftarrow (1 - \alpha) \, m + \alpha \, \mu$$
# $$v \leftarrow (1 - \alpha) \, v + \alpha \, \frac{n}{n - 1} \, \sigma^2$$

# %%
m, v = np.zeros(4), np.ones(4)
m = (1 - alpha) * m + alpha * mu
v = (1 - alpha) * v + alpha * n / (n - 1) * sigma_2
np.testing.assert_allclose(batch_norm.running_mean.data, m, rtol=1e-5)
np.testing.assert_allclose(batch_norm.running_var.data, v, rtol=1e-5)

batch_norm.eval()
one_row, in_its_batch = batch_norm(x[:1]).data, batch_norm(x).data[:1]
print("after one batch, running mean:", m.round(2), " running variance:", v.round(2))
np.testing.assert_allclose(one_row, in_its_batch, rtol=1e-6)
np.testing.assert_allclose(one_row, (x[:1] - m) / np.sqrt(v + eps) * g + b, rtol=1e-4)

# %% [markdown]
# So `train()` and `eval()` differ in more than Dropout. Whoever forgets `eval()` here gets answers that
# depend on the batch, and moves the running values as well.
#
# `nn.LayerNorm` (Ba et al., 2016) has the same equations along the other axis: over the numbers of each row.
# It needs no batch, and is the same in both modes.

# %%
mu = x.mean(axis=1, keepdims=True)
sigma_2 = x.var(axis=1, keepdims=True)
y = (x - mu) / np.sqrt(sigma_2 + eps) * g + b
layer_norm = nn.LayerNorm(4)
np.testing.assert_allclose(layer_norm.train()(x).data, y, rtol=1e-3, atol=1e-5)
assert (layer_norm.eval()(x).data == layer_norm.train()(x).data).all()

# %% [markdown]
# What does normalisation change? The size of the weights before it no longer matters. Weights that are
# $c$ times as large give a $\sigma$ that is $c$ times as large, and the quotient stays, but for
# $\epsilon$. And so the network with ten layers learns from the first values that failed above.

# %%
W = sg.normal((4, 4)).data
batch_norm.train()
np.testing.assert_allclose(batch_norm(x @ (10 * W)).data, batch_norm(x @ W).data, atol=1e-3)

normalised = several(lambda: with_momentum(deep(norm=nn.BatchNorm)), range(3))
report("nn.Linear's and BatchNorm", normalised)
report("without BatchNorm", of_linear)
assert normalised.max() < of_linear.min() / 5

# %% [markdown]
# ## Clipping the gradient
#
# A single batch can give a gradient that is many times as long as the others, and one step along it can undo
# an epoch. **Clipping** (Pascanu et al., 2013) shortens a gradient $g$, all parameters taken as one vector,
# that is longer than a given length, and keeps its direction:
#
# $$g \mathrel{*}= max\_norm / \|g\| \quad \text{if } \|g\| > max\_norm$$

# %%
sg.manual_seed(0)
model = deep(2 * start_he)  # first values that are too large
g = gradient(model, np.arange(32)).astype(np.float64)
norm = np.sqrt((g**2).sum())

max_norm = 1.0
if norm > max_norm:
    g *= max_norm / norm
before = nn.clip_grad_norm(model, max_norm=max_norm)
clipped = np.concatenate([theta.grad.ravel() for theta in model.parameters().values()])
print(f"norm before: {before:.1f}, after: {np.sqrt((clipped**2).sum()):.1f}")
assert np.isclose(before, norm)
np.testing.assert_allclose(clipped, g, rtol=1e-4, atol=1e-7)

# %% [markdown]
# It comes between `backward()` and `step()`. Here is the deep network with He's values again, at three times
# the rate of above, with clipping and without.

# %%
unclipped = several(lambda: with_momentum(deep(start_he), lr=0.03))
clipped = several(lambda: with_momentum(deep(start_he), lr=0.03, max_norm=1.0))
report("lr = 0.03", unclipped)
report("lr = 0.03, clipped to 1", clipped)
assert unclipped.mean() - clipped.mean() > max(unclipped.std(ddof=1), clipped.std(ddof=1))

# %% [markdown]
# Clipping helps at this rate, by more than the spread.
#
# ## A schedule
#
# Steps that are long enough to get somewhere are too long to settle. The cosine of
# [Groups and state](groups_and_state.ipynb) begins with a warm-up and ends at 0. Compare it with a straight
# line to 0 and with a constant rate, the same number of steps for all.

# %%
steps = 10 * (len(x_train) // 32)
makers = {
    "constant": lambda opt: None,
    "line to 0": lambda opt: optim.schedules.Linear(opt, total_steps=steps),
    "cosine with warm-up": lambda opt: optim.schedules.Cosine(
        opt, total_steps=steps, warmup_steps=steps // 10
    ),
}
scheduled = {}
for name, make in makers.items():

    def trained(make=make):
        model = small()
        opt = optim.Adam(model, lr=0.03)
        return fit(model, opt, schedule=make(opt))

    scheduled[name] = several(trained)
    report(name, scheduled[name])

constant, line, cosine = scheduled.values()
assert abs(line.mean() - cosine.mean()) < line.std(ddof=1)
assert max(line.std(ddof=1), cosine.std(ddof=1)) < constant.std(ddof=1) / 2

# %% [markdown]
# The two schedules cannot be told apart. Their mean is lower than that of the constant rate, though by less
# than its spread, and their spread is less than half of that: what a falling rate buys here is above all a
# result that you can rely on.
#
# ## Dropout and weight decay
#
# Both work against overfitting. Dropout is known from [Modules](modules.ipynb), and weight decay from
# [Adam, further](adam_further.ipynb): AdamW pulls all weights towards 0 in each step, beside the step of Adam.


# %%
def regular(dropout, decay=0.0):
    model = small(dropout)
    opt = optim.AdamW(model, lr=0.01, weight_decay=decay)
    return fit(model, opt, epochs=20, schedule=optim.schedules.Cosine(opt, total_steps=2 * steps))


# %% jupyter={"source_hidden": true}
regularised, training_losses = {}, {}
for dropout, decay in (0.0, 0.0), (0.3, 0.0), (0.0, 0.1), (0.0, 1.0):
    networks = []

    def trained(dropout=dropout, decay=decay, networks=networks):
        networks.append(regular(dropout, decay))
        return networks[-1]

    name = f"dropout {dropout}, decay {decay}"
    regularised[name] = several(trained)
    training_losses[name] = [evaluate(model, x_train, y_train)[0] for model in networks]
    report(name, regularised[name])
    print(f"{'    on the training digits':26} {np.mean(training_losses[name]):.3f}")

plain, dropped, decayed, too_much = regularised.values()
assert abs(plain.mean() - decayed.mean()) < plain.std(ddof=1)
assert too_much.min() > 2 * plain.max()

# %% [markdown]
# Dropout and decay raise the training loss, as they should. On the validation digits, a decay of 0.1 makes no
# difference, in the sense of this chapter, and a decay of 1 clearly does harm. What of dropout? Its mean
# is lower by about one spread. That is a case for more seeds, and fresh ones.

# %%
without = several(lambda: regular(0.0), seeds=range(5, 15))
with_dropout = several(lambda: regular(0.3), seeds=range(5, 15))
report("without dropout", without)
report("with dropout", with_dropout)
assert without.mean() - with_dropout.mean() > max(without.std(ddof=1), with_dropout.std(ddof=1))

# %% [markdown]
# Now the difference is larger than the spread. Dropout helps here, a little.
#
# ## The test set, once
#
# By choosing between networks, you fit your choice to the validation set. Take the ten networks from the
# beginning, the same in all but luck, and split the validation digits into two halves. Choose the one with
# the lowest loss on one half, and look at it on the other, over many random splits.

# %% jupyter={"source_hidden": true}
networks = []
for seed in range(10):
    sg.manual_seed(seed)
    networks.append(with_adam())
with sg.no_grad():
    right = -sg.log_softmax(np.array([m(x_validation).data for m in networks])).data
losses = right[:, np.arange(len(y_validation)), y_validation]  # of each network, for each digit

rng = np.random.default_rng(0)
on_chosen, on_others = [], []
for _ in range(1000):
    order = rng.permutation(losses.shape[1])
    half, other = order[: len(order) // 2], order[len(order) // 2 :]
    chosen = losses[:, half].mean(axis=1).argmin()
    on_chosen.append(losses[chosen, half].mean())
    on_others.append(losses[chosen, other].mean())
print(f"the chosen network: {np.mean(on_chosen):.3f} on the half that chose it, ", end="")
print(f"{np.mean(on_others):.3f} on the other; the mean of all: {losses.mean():.3f}")
assert np.mean(on_chosen) < losses.mean() < np.mean(on_others) + losses.mean(axis=1).std(ddof=1)
assert np.mean(on_chosen) < np.mean(on_others)

# %% [markdown]
# The number that chose is too good. It no longer says how the network does on digits that nobody has looked
# at, and that holds for every rate, schedule and layer that you choose by validation. So the test set is
# used once, when nothing is left to choose, and its number is reported whatever it is. Report it from
# several seeds. The choice here, made above: the small network with dropout, for 20 epochs with a cosine.

# %%
test = []
for seed in range(5):
    sg.manual_seed(100 + seed)  # seeds that no choice has seen
    test.append(evaluate(regular(0.3), digits.x_test, digits.y_test))
test_losses, test_accuracies = np.transpose(test)
report("test loss", test_losses)
print(f"right: {test_accuracies.mean():.1%} ± {test_accuracies.std(ddof=1):.1%}")
assert test_accuracies.min() > 0.95

# %% [markdown]
# ## Exercises
#
# The longer exercise `batch_norm` in `tutorials/exercises/` comes with a check that says which equation is
# wrong: `python -m simplegrad.exercises check batch_norm`.
#
# **1.** A **residual** block adds its input to what a layer makes of it: $y = x + f(x)$ (He et al., 2016,
# "Deep Residual Learning for Image Recognition"). Write a module `Residual(width)` whose $f$ is a linear
# layer and a ReLU, and put ten of them into one `nn.Sequential`. Do the mean squares still vanish, of the
# activations and of the gradients?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1


class Residual(nn.Module):
    def __init__(self, width):
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return x + sg.relu(self.linear(x))


sg.manual_seed(0)
blocks = nn.Sequential(*[Residual(256) for _ in range(10)])
x = sg.Tensor(sg.normal((64, 256)).data, requires_grad=True)
y = blocks(x)
dy = sg.normal((64, 256)).data
y.backward(grad=dy)
forward = (y.data**2).mean() / (x.data**2).mean()
backward = (x.grad**2).mean() / (dy**2).mean()
print(f"forward {forward:.2f}, backward {backward:.2f}")
assert forward > 1  # they grow: x is passed on whole
assert backward > 1

# %% [markdown]
# **2.** **Gradient accumulation** makes a large batch from small ones: call `backward()` on each of four
# batches of 16, the loss divided by 4, and take one step. Show that the gradient is that of the batch of 64.
# Then put a `BatchNorm` into the network. Why does it differ now?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2


def accumulated(model):
    parameters = model.parameters().values()
    for theta in parameters:
        theta.zero_grad()
    for rows in np.arange(64).reshape(4, 16):
        (sg.cross_entropy(model(x_train[rows]), y_train[rows]) / 4).backward()
    return np.concatenate([theta.grad.ravel() for theta in parameters])


sg.manual_seed(0)
model = small()
normed = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm(64), nn.ReLU(), nn.Linear(64, 10))
np.testing.assert_allclose(accumulated(model), gradient(model, np.arange(64)), atol=1e-6)
far = abs(accumulated(normed) - gradient(normed, np.arange(64))).max()
print(f"with BatchNorm, the gradients differ by up to {far:.3f}")
assert far > 1e-3  # each batch of 16 has its own mean and variance

# %% [markdown]
# **3.** A quick way to a learning rate: in 100 steps, let the rate rise from 0.001 to 10, by the same factor
# in each step, and keep the loss of each batch. Do it for `small()` with SGD and batches of 32. Where does
# the mean of ten losses turn and rise again, and how does that rate compare with the best of the sweep?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
sg.manual_seed(0)
model = small()
opt = optim.SGD(model, lr=0.001)
rising = 0.001 * 10_000 ** (np.arange(100) / 99)
losses = []
for lr in rising:
    opt.lr = lr
    rows = sg.generator().integers(len(x_train), size=32)
    loss = sg.cross_entropy(model(x_train[rows]), y_train[rows])
    loss.backward()
    opt.step()
    opt.zero_grad()
    losses.append(loss.item())
means = np.convolve(losses, np.full(10, 0.1), mode="valid")
turn = rising[5:][means.argmin()]
print(f"the loss is lowest near lr = {turn:.2f}")
assert 0.3 <= turn <= 3  # within a factor of three or so of the best of the sweep

# %% [markdown]
# ## Read on
#
# - Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks";
#   He, Zhang, Ren and Sun (2015), "Delving Deep into Rectifiers": the first values, in both directions.
# - Ioffe and Szegedy (2015), "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
#   Covariate Shift"; Ba, Kiros and Hinton (2016), "Layer Normalization".
# - Goyal et al. (2017), "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour": the learning rate grows
#   with the batch.
