# %% [markdown]
# # Adam, equation by equation
#
# Adam joins the two cures of [Descent](descent.ipynb): the direction of a step comes from momentum, and its
# scale, for each element, from RMSProp. It is five equations. In this tutorial you compute each of
# them on gradients of handwritten digits, see what it is for, and end with an optimizer of your own
# that gives the same bits as `optimizers.Adam`.
#
# - **You will be able to** write Adam from memory, and say what each of its terms does and what
#   would happen without it.
# - **Read before:** [Descent](descent.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

# %% [markdown]
# ## The symbols
#
# Adam is short for "adaptive moment estimation" (Kingma and Ba, 2015). It estimates two moments of
# the gradient: its mean, and the mean of its square. These are the symbols, and what they are called
# in simplegrad:
#
# | symbol | argument |
# |---|---|
# | $\theta$ | a tensor of `model` or of `param_groups` |
# | $g$ | its `.grad` |
# | $t$ | `step_count`, 1 in the first step |
# | $lr$ | `lr`, the learning rate ($\alpha$ in the paper) |
# | $\beta_1, \beta_2$ | `beta_1`, `beta_2`, the decays of the moments |
# | $\epsilon$ | `eps` |
# | $m, v$ | "moments1" and "moments2" in `state()`, what the optimizer keeps; zeros at first |
#
# All operations are elementwise: squares, roots and divisions too. $m$ and $v$ are what the last
# step has left, and $m_t$ and $v_t$ are what this step makes of them. $\beta_1^t$ is a power.
#
# ## Gradients to work with
#
# A linear map takes the 64 pixels of an image to ten logits, one for each digit. All its weights are
# zero, and they stay so for a while: you collect gradients, but take no step with them. Then all
# that changes is the batch of $B = 16$ images, drawn at random each time, and what the moments
# estimate is known exactly. Three weights are enough. They lead from three pixels to the logit of
# the digit 3. The first gets much the same gradient from each batch, the second a noisy one, and
# the pixel of the third, at the edge, is seldom inked.

# %%
digits = sg.datasets.load_digits()
x, y = digits.x_train.astype(np.float64), digits.y_train
names = ["steady", "noisy", "rare"]
pixels = [26, 20, 55]  # row 3, column 2; row 2, column 4; row 6, column 7
T, B = 5000, 16

W = sg.Tensor(np.zeros((64, 10)), requires_grad=True)
rng = np.random.default_rng(0)
gradients = np.empty((T, 3))
for i in range(T):
    rows = rng.integers(len(x), size=B)
    sg.cross_entropy(x[rows] @ W, y[rows]).backward()
    gradients[i] = W.grad[pixels, 3]
    W.zero_grad()

print("  t", "".join(f"{name:>10}" for name in names))
for t in range(1, 7):
    print(f"{t:3}", "".join(f"{g:10.4f}" for g in gradients[t - 1]))

# %% [markdown]
# This is what simplegrad makes of them: three parameters that start at zero are given these
# gradients, one after the other. Everything that you compute below is compared with it. A breakpoint
# at the line `m_t = …` in `simplegrad/optimizers/adam.py` stops once for each parameter in each step.


# %%
def adam_run(gradients, **hyperparameters):
    """theta, m and v of optim.Adam after each step, from zeros, for given gradients."""
    w = sg.Tensor(np.zeros_like(gradients[0]), requires_grad=True)
    opt = optim.Adam(param_groups=[{"params": {"w": w}}], **hyperparameters)
    thetas, ms, vs = [], [], []
    for g in gradients:
        w.grad = g
        opt.step()
        (group,) = opt.state()["param_groups"]
        thetas.append(w.numpy())
        ms.append(group["moments1"]["w"])
        vs.append(group["moments2"]["w"])
    return np.array(thetas), np.array(ms), np.array(vs)


library_thetas, library_ms, library_vs = adam_run(gradients, lr=0.01)
assert library_thetas.shape == library_ms.shape == library_vs.shape == (T, 3)

# %% [markdown]
# ## The first moment
#
# The gradient of a batch is the gradient of the whole loss, plus noise. The first moment
# averages the noise away. Each step keeps $\beta_1$ of the old mean and adds $1 - \beta_1$ of the
# new gradient. With $\beta_1 = 0.9$, that is nine tenths and one tenth.
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$

# %%
beta_1 = 0.9
m = np.zeros(3)
ms = []
for g in gradients:
    m_t = beta_1 * m + (1 - beta_1) * g
    ms.append(m_t)
    m = m_t  # what the next step calls m

ms = np.array(ms)
assert ms.tobytes() == library_ms.tobytes()
for name, mean in zip(names, ms[-1], strict=True):
    print(f"{name:6}  m_t = {mean:8.5f} after {T:,} steps")

# %% [markdown]
# `tobytes()` compares every bit of all 5,000 steps. Put the equation into itself, from step $t$ back
# to step 1, where $m$ is 0, and you get its closed form: a **weighted average** of all gradients so
# far, in which each weighs $\beta_1$ times as much as the one after it.
#
# $$m_t = (1-\beta_1)\sum_{i=1}^{t} \beta_1^{t-i} g_i$$

# %%
for t in (1, 10, 200):
    i = np.arange(1, t + 1)
    m_t = (1 - beta_1) * (beta_1 ** (t - i) @ gradients[:t])
    assert np.allclose(m_t, library_ms[t - 1], rtol=1e-12)

weights = (1 - beta_1) * beta_1 ** (t - i)
print(f"the last 10 of {t} gradients have {weights[-10:].sum():.0%} of the weight,", end=" ")
print(f"the last 30 have {weights[-30:].sum():.0%}")

# %% [markdown]
# So $m_t$ remembers about $1 / (1 - \beta_1) = 10$ steps. How much noise is left? If the gradients
# are independent of each other, as here, their variances add up, each times the square of its
# weight. That is a geometric series again. For the standard deviations $\sigma_m$ of $m_t$ and
# $\sigma_g$ of $g$, when $t$ is large:
#
# $$\sigma_m = \sqrt{(1 - \beta_1) / (1 + \beta_1)} \, \sigma_g$$

# %%
sigma_g = gradients.std(axis=0)
sigma_m = np.sqrt((1 - beta_1) / (1 + beta_1)) * sigma_g

measured = library_ms[100:].std(axis=0)
print("noise left, of that of the gradient:", (measured / sigma_g).round(3))
assert np.allclose(measured, sigma_m, rtol=0.1)

# %% alt="The gradients of the noisy weight over 100 steps, as dots: they scatter between about -0.28 and 0.07. The first moment with a decay of 0.9 is a line that runs through the middle of the dots and wavers by about a quarter of their scatter. The one with 0.99 is smooth, starts at 0, and after 100 steps it has come two thirds of the way to the dashed line of the mean gradient, -0.03." jupyter={"source_hidden": true}
true_gradient = gradients.mean(axis=0)
steps = np.arange(1, 101)
slow_ms = adam_run(gradients[:100], beta_1=0.99)[1]

figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
axes.plot(steps, gradients[:100, 1], "C7o", markersize=3, label="gradient $g$, noisy weight")
axes.plot(steps, ms[:100, 1], "C0-", label=r"$m_t$, $\beta_1 = 0.9$")
axes.plot(steps, slow_ms[:, 1], "C2-.", label=r"$m_t$, $\beta_1 = 0.99$")
axes.axhline(true_gradient[1], color="C1", linestyle="--", label="mean of all 5,000")
axes.set(xlabel="step t", ylabel="gradient", ylim=(-0.31, 0.17))
axes.legend(loc="upper right", ncols=2)
plt.show()

# %% [markdown]
# A larger $\beta_1$ averages over more steps. Less noise is left, but $m_t$ follows a change of the
# gradient later. Both lines begin near zero, because $m$ does. That is a bias, and two of the
# equations are there to correct it.
#
# The velocity of `optim.SGD` with momentum is the same sum without the factor $1 - \beta_1$. With
# the factor, $m_t$ has the size of one gradient, and not of ten.
#
# ## The second moment
#
# The second moment is the same kind of average, of the squares. $\beta_2$ is 0.999, so it remembers
# about 1,000 steps.
#
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$

# %%
beta_2 = 0.999
v = np.zeros(3)
vs = []
for g in gradients:
    v_t = beta_2 * v + (1 - beta_2) * g**2
    vs.append(v_t)
    v = v_t

vs = np.array(vs)
assert vs.tobytes() == library_vs.tobytes()
for name, root in zip(names, np.sqrt(vs[-1]), strict=True):
    print(f"{name:6}  the root of v_t = {root:.4f}")

# %% [markdown]
# The root of $v_t$ has the unit of a gradient. It is the size that the gradients of this element had
# lately, whatever their sign. That of the rare weight is about a twentieth of the others'. The
# second moment is large if the gradient is large, or noisy, or both:
#
# $$\mathbb{E}[g^2] = \mathbb{E}[g]^2 + \mathrm{Var}[g]$$
#
# Here you can compute both terms. Since all logits are 0, the model gives each digit the probability
# 0.1, and the gradient of one image is its pixel times $0.1$, or $0.1 - 1$ if it shows a 3. The mean
# of $B$ images drawn at random has the same expectation, and a $B$-th of the variance.

# %%
single = x[:, pixels] * (0.1 - (y == 3))[:, None]  # a row for each training image
E_g = single.mean(axis=0)
Var_g = single.var(axis=0) / B
E_g2 = E_g**2 + Var_g

sg.cross_entropy(x @ W, y).backward()
assert np.allclose(E_g, W.grad[pixels, 3])
assert np.allclose(E_g2, library_vs[-1], rtol=0.1)
for name, mean, share in zip(names, E_g, Var_g / E_g2, strict=True):
    print(f"{name:6}  mean {mean:7.4f}, and {share:.0%} of E[g^2] is noise")

# %% [markdown]
# ## Bias correction
#
# Both moments start at zero, and so they are too small at first: $m_1$ is a tenth of the first
# gradient, and $v_1$ a thousandth of its square. By how much they are too small later, section 3 of
# the paper computes from the closed form. If each $g_i$ has the same expectation, it can be drawn
# out of the sum, and the sum of the weights is a geometric series,
# $(1 - \beta_1) (1 + \beta_1 + \ldots + \beta_1^{t-1}) = 1 - \beta_1^t$. So
#
# $$\mathbb{E}[m_t] = (1 - \beta_1^t) \, \mathbb{E}[g]$$
#
# $$\mathbb{E}[v_t] = (1 - \beta_2^t) \, \mathbb{E}[g^2]$$
#
# An expectation is an average over many runs. Cut the 5,000 gradients into 250 runs of 20 steps,
# each of which starts from zeros, and average over them.

# %%
runs = gradients.reshape(250, 20, 3)
m, v = np.zeros((250, 3)), np.zeros((250, 3))
print("  t   E[m_t] / E[g]  1 - beta_1^t   E[v_t] / E[g^2]  1 - beta_2^t")
for t in range(1, 21):
    g = runs[:, t - 1]
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    E_m_t = (1 - beta_1**t) * E_g
    E_v_t = (1 - beta_2**t) * E_g2
    for average, expected in ((m, E_m_t), (v, E_v_t)):
        standard_error = average.std(axis=0) / np.sqrt(250)
        assert np.all(abs(average.mean(axis=0) - expected) < 4 * standard_error)
    if t in (1, 2, 5, 10, 20):
        of_m, of_v = m[:, 0].mean() / E_g[0], v[:, 0].mean() / E_g2[0]
        print(f"{t:3}{of_m:16.3f}{1 - beta_1**t:14.3f}{of_v:18.4f}{1 - beta_2**t:14.4f}")

# %% [markdown]
# The expectations are too small by a known factor. Divide by it:
#
# $$\hat m = m_t / (1 - \beta_1^t)$$
#
# $$\hat v = v_t / (1 - \beta_2^t)$$

# %%
m_hats, v_hats = [], []
for t in range(1, T + 1):
    m_t, v_t = ms[t - 1], vs[t - 1]
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    m_hats.append(m_hat)
    v_hats.append(v_hat)

m_hats, v_hats = np.array(m_hats), np.array(v_hats)
assert np.allclose(m_hats[0], gradients[0], rtol=1e-12)
assert np.allclose(v_hats[0], gradients[0] ** 2, rtol=1e-12)
for t in (2, 10, 1000):
    age = np.arange(t)[::-1]
    m_average = np.average(gradients[:t], axis=0, weights=beta_1**age)
    v_average = np.average(gradients[:t] ** 2, axis=0, weights=beta_2**age)
    assert np.allclose(m_hats[t - 1], m_average, rtol=1e-10)
    assert np.allclose(v_hats[t - 1], v_average, rtol=1e-10)

# %% [markdown]
# The asserts say what the corrected moments are. In the first step, they are the gradient and its
# square. In every step, they are weighted averages whose weights add up to 1: `np.average` divides
# by their sum, and that is what the correction does.

# %% alt="The corrected moments and those that are not, from step 1. On the left, over 50 steps, the corrected first moment starts at the first gradient, comes near to the dotted line of the expected gradient within 5 steps, and wavers below it. The one that is not corrected starts near 0, lies far below, and joins it after 25 steps. On the right, over 5,000 steps on a logarithmic axis, the corrected second moment is at the dotted line after 40 steps. The other one takes all of the 5,000." jupyter={"source_hidden": true}
figure, panels = plt.subplots(1, 2, figsize=(6.5, 3.4), layout="constrained")
steps = np.arange(1, T + 1)
panels[0].plot(steps[:50], ms[:50, 0], "C1s--", markersize=3, label="$m_t$")
panels[0].plot(steps[:50], m_hats[:50, 0], "C0o-", markersize=3, label=r"$\hat m$, corrected")
panels[0].axhline(E_g[0], color="C7", linestyle=":", label=r"$\mathbb{E}[g]$")
panels[0].set(xlabel="step t", ylabel="first moment", ylim=(0, 0.075))
panels[1].semilogx(steps, vs[:, 0], "C1--", label="$v_t$")
panels[1].semilogx(steps, v_hats[:, 0], "C0-", label=r"$\hat v$, corrected")
panels[1].axhline(E_g2[0], color="C7", linestyle=":", label=r"$\mathbb{E}[g^2]$")
panels[1].set(xlabel="step t", ylabel="second moment", ylim=(0, 0.005))
for axes in panels:
    axes.legend(loc="upper right")
plt.show()

# %% [markdown]
# These are the moments of the steady weight. The noise remains, and the bias is gone. Without the
# correction, that of $m_t$ would be gone after some 40 steps, and that of $v_t$ after thousands.
#
# In real training, the weights move, and the expectation of the gradient with them. Then the
# corrected moments still are weighted averages, of gradients that were taken at different places.
# The old places hardly count, because $\beta_1^{t-i}$ is small.
#
# ## The step
#
# Now both come together. The corrected first moment gives the direction, and the root of the second
# the scale.
#
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$

# %%
lr, eps = 0.01, 1e-8
theta = np.zeros(3)
thetas = []
for m_hat, v_hat in zip(m_hats, v_hats, strict=True):
    theta -= lr * m_hat / (np.sqrt(v_hat) + eps)
    thetas.append(theta.copy())

thetas = np.array(thetas)
assert thetas.tobytes() == library_thetas.tobytes()
assert np.allclose(thetas[0], -lr * np.sign(gradients[0]), rtol=1e-4)
print(f"{T:,} steps by hand and by optim.Adam: equal to the last bit")

# %% [markdown]
# These are all five equations. The first step is $lr$ long for each weight, against the sign of its
# gradient. Look at the others, in units of $lr$.

# %% alt="The gradients of three weights, and the steps of Adam, over 150 steps. Above are the gradients of three weights: those of the steady weight are around 0.05, those of the noisy one jump between 0.05 and -0.28, and those of the rare one cannot be told from 0. Below are the steps of Adam in units of the learning rate: all three begin at 1 or -1 and have the same order of size. Those of the steady weight stay near -1, those of the noisy one are between 0.1 and 0.8 after that, those of the rare one between -0.9 and 0." jupyter={"source_hidden": true}
figure, panels = plt.subplots(2, 1, figsize=(6.5, 4.6), sharex=True, layout="constrained")
changes = np.diff(thetas, axis=0, prepend=0) / lr
steps = np.arange(1, 151)
for k, style in enumerate(("C0-", "C1--", "C2-.")):
    panels[0].plot(steps, gradients[:150, k], style, linewidth=1.2, label=names[k])
    panels[1].plot(steps, changes[:150, k], style, linewidth=1.5, label=names[k])
panels[0].set(ylabel="gradient")
panels[1].set(xlabel="step t", ylabel="step (lr)", ylim=(-1.2, 1.2))
for bound in (-1, 1):
    panels[1].axhline(bound, color="C7", linestyle=":")
panels[0].legend(loc="lower right", ncols=3)
plt.show()

# %% [markdown]
# The gradients differ in size, and the steps do not. What they still depend on is how sure the
# direction is. The quotient of a mean and the root of a mean square is near 1 if all gradients
# agree, and near 0 if they cancel. The paper calls $\hat m / \sqrt{\hat v}$ a **signal-to-noise
# ratio**: where the noise is large, the steps are short. In the long run, the mean step is about
#
# $$\Delta = -lr \, \mathbb{E}[g] / \sqrt{\mathbb{E}[g^2]}$$

# %%
Delta = -lr * E_g / np.sqrt(E_g2)
mean_step = (library_thetas[-1] - library_thetas[999]) / (T - 1000)
for k in range(3):
    print(f"{names[k]:6}  expected {Delta[k] / lr:5.2f} lr, mean {mean_step[k] / lr:5.2f} lr")
assert np.allclose(mean_step, Delta, atol=0.05 * lr)

# %% [markdown]
# ### All of it at once
#
# On the site, the next thing is a figure that moves: the first 30 gradients of a weight, what Adam
# makes of them, and the five equations of one step with their numbers. simplegrad has computed all
# 19,440 steps that it can show. In a notebook, `sg.explain(opt.step)` shows the same of any step.
#
# <!-- figure: adam -->
#
# ### Without the correction
#
# What if you left both corrections out, and divided $m_t$ by $\sqrt{v_t}$? Both are too small at
# first, but the root more so: in the first step, it is 0.03 of what it should be, and $m_t$ is 0.1.
# So the steps are too long. Up to $\epsilon$, both corrections together multiply a step by
#
# $$\gamma_t = \sqrt{1 - \beta_2^t} / (1 - \beta_1^t)$$

# %%
t = np.arange(1, T + 1)
gamma = np.sqrt(1 - beta_2**t) / (1 - beta_1**t)

uncorrected = -lr * ms / np.sqrt(vs)
library_steps = np.diff(library_thetas, axis=0, prepend=0)
assert np.allclose(gamma[:, None] * uncorrected, library_steps, rtol=1e-3, atol=1e-12)
assert np.isclose(1 / gamma[0], (1 - beta_1) / np.sqrt(1 - beta_2))
for t in (1, gamma.argmin() + 1, 100, 1000, T):
    print(f"step {t:5,}: without the corrections {1 / gamma[t - 1]:.3f} times as long")

# %% [markdown]
# The first step would be $(1 - \beta_1) / \sqrt{1 - \beta_2} = 3.16$ times as long as $lr$. Then it
# gets worse, because the first moment loses its bias within tens of steps, and the second does not.
# The longest steps would come at the start of a training, when the gradients say least about the
# minimum. The closer $\beta_2$ is to 1, the more the correction matters.

# %% [markdown]
# ## By hand, beside the library
#
# The five equations once more, now as a function. It moves an array, and returns the moments for the
# next step. It needs no class. What `optimizers.Adam` adds is to keep the moments and the count for
# you, for each parameter, and to check what it is given.


# %%
def adam_step(theta, g, m, v, t, lr=1e-3, beta_1=0.9, beta_2=0.999, eps=1e-8):
    """Moves theta in place by step t of Adam, and returns the moments m_t and v_t."""
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    theta -= lr * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t


# %% [markdown]
# Train a network twice for 200 steps, with batches of 32 digits: once with the library and once
# with your function. Both start from the same random numbers, in float32 and then in float64. The
# network, of 16 hidden units, and its batches are in the folded cell.


# %% jupyter={"source_hidden": true}
def new_network(dtype):
    """The same network each time, with parameters of a dtype."""
    sg.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    for layer in (model[0], model[2]):
        layer.weight = sg.Tensor(layer.weight.numpy(), requires_grad=True, dtype=dtype)
        layer.bias = sg.Tensor(layer.bias.numpy(), requires_grad=True, dtype=dtype)
    return model


def batches(dtype, steps=200):
    """Images and labels of 32 random digits for each step, the same each time."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        rows = rng.integers(len(digits.x_train), size=32)
        yield digits.x_train[rows].astype(dtype), digits.y_train[rows]


# %%
def train_by_hand(dtype, step):
    model = new_network(dtype)
    moments = {}
    for name, theta in model.parameters().items():
        moments[name] = np.zeros_like(theta.data), np.zeros_like(theta.data)
    losses = []
    for t, (x, y) in enumerate(batches(dtype), start=1):
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        for name, theta in model.parameters().items():
            m, v = moments[name]
            moments[name] = step(theta.data, theta.grad, m, v, t, lr=0.01)
            theta.zero_grad()
        losses.append(loss.item())
    return model, losses


def train_with_library(dtype):
    model = new_network(dtype)
    opt = optim.Adam(model, lr=0.01)
    losses = []
    for x, y in batches(dtype):
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        losses.append(loss.item())
    return model, losses


# %%
for dtype in (np.float32, np.float64):
    by_hand, losses_by_hand = train_by_hand(dtype, adam_step)
    by_library, losses = train_with_library(dtype)
    assert losses_by_hand == losses
    for name, theta in by_library.parameters().items():
        assert theta.dtype == dtype
        assert by_hand.parameters()[name].data.tobytes() == theta.data.tobytes(), name
    print(f"{dtype.__name__}: loss {losses[0]:.3f}, then {losses[-1]:.3f};", end=" ")
    print(f"all {sum(p.size for p in by_library.parameters().values()):,} parameters equal")

# %% [markdown]
# All parameters, and all 200 losses on the way, have the same bits. Your five lines are Adam.
#
# `sg.explain` shows them at work in the library. It makes one more step, and prints the lines that
# ran, with their equations and the numbers put in, here for the bias of the digit 3.

# %%
opt = optim.Adam(by_library, lr=0.01)
sg.cross_entropy(by_library(digits.x_train), digits.y_train).backward()
explanation = sg.explain(opt.step, parameter="layers.2.bias", index=3)
print(explanation)

equations = [line for line in explanation if line.equation]
assert [line.code.partition(" ")[0] for line in equations] == [
    "m_t",
    "v_t",
    "m_hat",
    "v_hat",
    "theta.data",
]
assert equations[-1].result == by_library[2].bias.data[3]

# %% [markdown]
# ### Climbing
#
# With `maximize=True`, the `-=` of the last equation becomes `+=`. The moments stay as they are. So
# with the same gradients every place is mirrored, to the bit. [Groups and
# state](groups_and_state.ipynb) climbs a hill with it.

# %%
up, m_up, v_up = adam_run(gradients, lr=0.01, maximize=True)
assert up.tobytes() == (-library_thetas).tobytes()
assert m_up.tobytes() == library_ms.tobytes()
assert v_up.tobytes() == library_vs.tobytes()
print("down:", library_thetas[-1].round(3), " up:", up[-1].round(3))

# %% [markdown]
# ## Exercises
#
# The longer exercise `adam` in `tutorials/exercises/` comes with a check that says which equation is
# wrong: `python -m simplegrad.exercises check adam`.
#
# **1.** A common mistake: $t$ counts from 0. What happens in the first step? Show it with
# `adam_step`. Why does the NaN of the loss not lead you to the mistake? How does `optimizers.Adam`
# avoid it?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
theta = np.zeros(2)
with np.errstate(invalid="ignore", divide="ignore"):
    adam_step(theta, np.array([1.0, 0.0]), np.zeros(2), np.zeros(2), t=0)
print("theta after a first step with t = 0:", theta)
assert np.isnan(theta).all()
# 1 - beta^0 = 0: m_hat and v_hat are divided by zero, and inf / inf and 0 / 0 are NaN. All elements of
# all parameters are NaN at once, and from then on every loss and gradient.

w = sg.Tensor([0.0], requires_grad=True)
opt = optim.Adam(param_groups=[{"params": {"w": w}}])
assert opt.step_count == 0
w.grad = [1.0]
opt.step()  # step() counts first, and then calls update
assert opt.step_count == 1

# %% [markdown]
# **2.** Another mistake is harder to find: $\beta$ and $1 - \beta$ swapped. Predict how long the first
# step is, in units of $lr$, if they are swapped in the first equation only, in the second only, and
# in both. Check it, and train the network of "By hand, beside the library"
# with each of the three. What would tell you of the mistake, if not the loss? And where the loss does tell you, why?


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
def with_decays(decay_1, decay_2):
    """A step of Adam with these decays, but the corrections of 0.9 and 0.999."""

    def step(theta, g, m, v, t, lr):
        m_t = decay_1 * m + (1 - decay_1) * g
        v_t = decay_2 * v + (1 - decay_2) * g**2
        m_hat = m_t / (1 - 0.9**t)
        v_hat = v_t / (1 - 0.999**t)
        theta -= lr * m_hat / (np.sqrt(v_hat) + 1e-8)
        return m_t, v_t

    return step


predicted = {  # m_hat is 9 times too large, v_hat is 999 times too large
    (0.1, 0.999): 9,
    (0.9, 0.001): 1 / np.sqrt(999),
    (0.1, 0.001): 9 / np.sqrt(999),
}
largest = {}
for decays, length in predicted.items():
    step = with_decays(*decays)
    theta = np.zeros(1)
    step(theta, g=np.ones(1), m=np.zeros(1), v=np.zeros(1), t=1, lr=1.0)
    assert np.isclose(-theta[0], length)

    _, losses = train_by_hand(np.float32, step)
    largest[decays] = max(losses)
    print(f"decays {decays}: first step {length:.3f} lr, loss up to {max(losses):.3g}")

assert largest[0.1, 0.999] < 10
assert largest[0.9, 0.001] > 100
assert largest[0.1, 0.001] < 10
# Two of them train. A test of the length of the first step finds all three. With the second equation
# alone, the loss explodes: m remembers 10 gradients, and v only the last. After a small gradient, v is
# tiny and m is not, and nothing bounds their quotient. With both swapped, m has forgotten nearly as
# much as v.

# %% [markdown]
# **3.** Show that RMSProp is Adam with $\beta_1 = 0$ and without the corrections, bit for bit: write
# it with the lines of `adam_step`, and compare 500 steps with `optim.RMSProp`. Which of the two
# corrections matters?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
lr, beta_1, beta_2, eps = 0.01, 0.0, 0.99, 1e-8
theta, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
w = sg.Tensor(theta, requires_grad=True)
opt = optim.RMSProp(lr=lr, beta_2=beta_2, eps=eps, param_groups=[{"params": {"w": w}}])
for g in gradients[:500]:
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    theta -= lr * m / (np.sqrt(v) + eps)

    w.grad = g
    opt.step()
    assert theta.tobytes() == w.data.tobytes()
# Only that of v: with beta_1 = 0, m_t is g, and 1 - 0**t is 1.

# %% [markdown]
# ## Read on
#
# - Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization", ICLR. Sections 2
#   and 3 are what you have computed here.
# - Tieleman and Hinton (2012), "Neural Networks for Machine Learning", lecture 6.5. The second moment alone,
#   which is RMSProp.
