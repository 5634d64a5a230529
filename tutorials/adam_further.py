# %% [markdown]
# # Adam, further
#
# The five equations of Adam are short, and what follows from them is not. How long can a step be? What
# does $\epsilon$ do, and does it matter where it stands? What becomes of a weight that seldom has a
# gradient? Then come two changes of the equations: AdamW decays the weights beside them, and AMSGrad
# mends a loss on which Adam goes the wrong way.
#
# - **You will be able to** bound the steps of Adam, carry its hyperparameters from one library to
#   another, say how AdamW differs from a penalty in the loss, and run an example on which Adam fails.
# - **Read before:** [Adam, equation by equation](adam.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

# %% [markdown]
# The folded cell has three things of [Adam, equation by equation](adam.ipynb): `adam_step`, which is the
# five equations for an array; `adam_run`, which gives parameters of `optim.Adam` the gradients that you
# choose, one after the other; and the `gradients` of a linear map for digits by three of its weights, a
# steady one, a noisy one and a rare one, whose pixel is seldom inked.

# %% jupyter={"source_hidden": true}
beta_1, beta_2 = 0.9, 0.999


def adam_step(theta, g, m, v, t, lr=1e-3, beta_1=beta_1, beta_2=beta_2, eps=1e-8):
    """Moves theta in place by step t of Adam, and returns the moments m_t and v_t."""
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    theta -= lr * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t


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

# %% [markdown]
# ## How long a step can be
#
# **The first step** is $lr$ long for every element whose gradient is not tiny. $\hat m$ is $g$ and
# $\sqrt{\hat v}$ is $|g|$.
#
# **Every step**, if $\beta_1 = \beta_2$. Then $\hat m$ is a mean of the gradients, and
# $\sqrt{\hat v}$ is the root of their mean square, with the same weights. A mean is never larger
# than the root mean square, and equal if all the gradients are equal. So no step is longer than
# $lr$.
#
# **After a silence** a step can be longer, because the default decays differ. $\hat m$ looks at
# about 10 gradients, and $\sqrt{\hat v}$ at about 1,000. Let an element have had gradients of 0 for
# a long time, and then a $g$. Only the last term of each sum is left: $m_t = (1 - \beta_1) \, g$ and
# $v_t = (1 - \beta_2) \, g^2$, and the corrections have faded. Section 2.1 of Kingma and Ba
# (2015) therefore gives two bounds. The first holds if $1 - \beta_1 > \sqrt{1 - \beta_2}$, and the second otherwise:
#
# $$|\Delta| \le lr \, (1 - \beta_1) / \sqrt{1 - \beta_2}$$
#
# $$|\Delta| \le lr$$
#
# Check both, each with two kinds of gradients: one after a silence, and one that is always the same.

# %%
silence = np.zeros((10_000, 1))
silence[-1] = 0.3
constant = np.full((10_000, 1), 0.3)


def longest(gradients, **hyperparameters):
    """The length of the longest step, in units of lr."""
    thetas, _, _ = adam_run(gradients, lr=1.0, **hyperparameters)
    return abs(np.diff(thetas, axis=0, prepend=0)).max()


lr, beta_1 = 1.0, 0.9
for beta_2 in (0.9, 0.999):
    first_case = 1 - beta_1 > np.sqrt(1 - beta_2)
    bound = lr * (1 - beta_1) / np.sqrt(1 - beta_2) if first_case else lr
    lengths = [longest(g, beta_1=beta_1, beta_2=beta_2) for g in (silence, constant)]
    print(f"beta_2 = {beta_2:5}: bound {bound:.3f} lr, ", end="")
    print(f"after silence {lengths[0]:.3f} lr, constant {lengths[1]:.3f} lr")
    assert max(lengths) <= bound * (1 + 1e-9)
    assert np.isclose(max(lengths), bound, rtol=1e-4)

# %% [markdown]
# Both bounds are reached. So if you know how far a weight may sensibly go in a step, you know how to
# choose $lr$. With SGD, the size of the gradient decides, too.
#
# But neither holds for all gradients that there can be. The paper itself calls the steps
# "approximately bounded" by $lr$. For a bound that is exact, write $m_t / (1 - \beta_1)$ as the sum
# of the products of $(\beta_1 / \sqrt{\beta_2})^{t-i}$ and $\sqrt{\beta_2}^{\,t-i} g_i$. The
# Cauchy-Schwarz inequality bounds it by the root of the sum of the squares of the first factors,
# times that of the second ones, and the latter is $\sqrt{v_t / (1 - \beta_2)}$. With
# $r = \beta_1^2 / \beta_2$, and with the corrections put in:
#
# $$|\Delta_t| \le lr \, \frac{1 - \beta_1}{1 - \beta_1^t} \sqrt{\frac{1 - \beta_2^t}{1 - \beta_2} \cdot \frac{1 - r^t}{1 - r}}$$
#
# The two sides are equal if the two factors are proportional to each other. That is when the gradient
# is multiplied by $\beta_2 / \beta_1$ in each step, with the defaults by 1.11.

# %%
beta_1, beta_2 = 0.9, 0.999
r = beta_1**2 / beta_2
for t in (1, 10, 100, 1000):
    sums = (1 - beta_2**t) / (1 - beta_2) * (1 - r**t) / (1 - r)
    bound = lr * (1 - beta_1) / (1 - beta_1**t) * np.sqrt(sums)

    i = np.arange(1, t + 1)
    growing = (beta_2 / beta_1) ** (i - t)
    length = longest(growing[:, None], eps=0.0)
    print(f"t = {t:5,}: bound {bound:.3f} lr, longest step {length:.3f} lr")
    assert np.isclose(length, bound)

# %% [markdown]
# For large $t$ and $r$ below 1, all the powers fade. With $\beta_1 = 0.9$, what remains is $lr$ if
# $\beta_2$ is 0.9, too, and 7.27 $lr$ with the defaults. That is more than either bound of the paper.
#
# $$|\Delta| \le lr \, (1 - \beta_1) / \sqrt{(1 - \beta_2) (1 - r)}$$

# %%
for beta_2 in (0.9, 0.99, 0.999):
    r = beta_1**2 / beta_2
    bound = lr * (1 - beta_1) / np.sqrt((1 - beta_2) * (1 - r))

    growing = np.maximum(1e-150, (beta_2 / beta_1) ** np.arange(-9999.0, 1))
    length = longest(growing[:, None], beta_2=beta_2, eps=0.0)
    print(f"beta_2 = {beta_2:5}: bound {bound:.3f} lr, longest step {length:.3f} lr")
    assert np.isclose(length, bound, rtol=1e-4)

# %% [markdown]
# It takes gradients that grow and grow. Any step that is longer than $lr$ says that the mean of the
# last ten gradients or so is larger than the root mean square of the last thousand. With the digits,
# it happens to the steady weight in a fifth of the steps, to the others seldom, and never by much.

# %%
thetas, ms, vs = adam_run(gradients, lr=0.01)
changes = np.diff(thetas, axis=0, prepend=0) / 0.01
for name, lengths in zip(names, abs(changes).T, strict=True):
    print(f"{name:6}  {np.mean(lengths > 1.001):5.1%} of the steps are longer than lr,", end=" ")
    print(f"the longest is {lengths.max():.2f} lr")
assert abs(changes).max() < 1.5

# %% [markdown]
# ### The scale of the gradient
#
# Multiply all gradients by a number, by multiplying the loss. $\hat m$ and $\sqrt{\hat v}$ are
# multiplied, too, and the number cancels. Were it not for $\epsilon$, that would be exact, up to
# rounding. With 1,024, a power of two, nothing is rounded, and every bit is the same.

# %%
g = gradients[:500]
without, _, _ = adam_run(g, lr=0.01, eps=0.0)
assert adam_run(1024 * g, lr=0.01, eps=0.0)[0].tobytes() == without.tobytes()
assert np.allclose(adam_run(1000 * g, lr=0.01, eps=0.0)[0], without, rtol=1e-10, atol=1e-14)

default, _, _ = adam_run(g, lr=0.01)
larger, _, _ = adam_run(1000 * g, lr=0.01)
print(f"eps = 1e-8, gradient times 1,000: places differ by {abs(larger - default).max():.0e}")
assert np.allclose(larger, default, atol=1e-5)

# %% [markdown]
# So it does not matter to Adam whether a loss is the sum over a batch or its mean. With SGD, you
# would have to divide the learning rate by the size of the batch.
#
# ## What ε does, and where it stands
#
# $\epsilon$ is there for a division by zero. A pixel that is never inked gives its weights no
# gradient, so $\hat m$ and $\hat v$ are both 0. With an $\epsilon$ above 0, the step is 0, too. With
# $\epsilon = 0$, it is $0 / 0$.

# %%
nothing = np.zeros((1, 1))
with np.errstate(invalid="ignore"):  # NumPy would warn
    without = adam_run(nothing, eps=0.0)[0].item()
with_eps = adam_run(nothing, eps=1e-8)[0].item()
print(f"eps = 0: theta = {without}    eps = 1e-8: theta = {with_eps}")
assert np.isnan(without)
assert with_eps == 0

# %% [markdown]
# It also decides what is a tiny gradient. In a first step, and whenever the gradient stays the same,
#
# $$|\Delta| = lr \, |g| / (|g| + \epsilon)$$
#
# If $|g|$ is much larger than $\epsilon$, that is $lr$. If it is much smaller, it is
# $(lr / \epsilon) \, |g|$: Adam becomes SGD with the learning rate $lr / \epsilon$.

# %%
lr, eps = 1.0, 1e-8
for size in (1e-4, 1e-8, 1e-12):
    g = np.array([[size]])
    Delta = lr * abs(g) / (abs(g) + eps)
    step = abs(adam_run(g, lr=lr, eps=eps)[0])
    print(f"|g| = {size:.0e}: step {step.item():.4f} lr")
    assert np.allclose(step, Delta)

# %% [markdown]
# In simplegrad, $\epsilon$ stands where Algorithm 1 of Adam's paper and PyTorch have it: outside the
# root, and beside the corrected $\hat v$. There are others. AdaDelta (Zeiler, 2012) has it inside of
# its root. With Adam's moments:
#
# $$\theta \mathrel{-}= lr \, \hat m / \sqrt{\hat v + \epsilon}$$
#
# TensorFlow puts both corrections into one number, as the end of section 2 of Adam's paper suggests, and
# adds its $\hat\epsilon$ to the root of the uncorrected $v_t$:
#
# $$lr_t = lr \, \sqrt{1 - \beta_2^t} / (1 - \beta_1^t)$$
#
# $$\theta \mathrel{-}= lr_t \, m_t / (\sqrt{v_t} + \hat\epsilon)$$
#
# Compute the first step of all three, for gradients from $10^{-11}$ to 1.

# %%
t, g = 1, np.logspace(-11, 0, 45)
eps_hat = eps
m_t, v_t = (1 - beta_1) * g, (1 - beta_2) * g**2
m_hat, v_hat = m_t / (1 - beta_1**t), v_t / (1 - beta_2**t)

theta_outside, theta_inside, theta_tf = np.zeros((3, g.size))
theta_outside -= lr * m_hat / (np.sqrt(v_hat) + eps)
theta_inside -= lr * m_hat / np.sqrt(v_hat + eps)
lr_t = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
theta_tf -= lr_t * m_t / (np.sqrt(v_t) + eps_hat)

assert np.array_equal(theta_outside, adam_run([g], lr=lr, eps=eps)[0][0])
other_eps = eps_hat / np.sqrt(1 - beta_2**t)
assert np.allclose(theta_tf, adam_run([g], lr=lr, eps=other_eps)[0][0])

# %% alt="The length of the first step against the size of the gradient, both axes logarithmic. All three curves are 1 for large gradients and fall in a straight line for small ones. Outside of the root, the bend is at a gradient of 1e-8. In TensorFlow's variant, it is at 3e-7. Inside of the root, it is at 1e-4." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
axes.loglog(g, -theta_outside, "C0o-", markersize=3, label="outside of the root: Adam")
axes.loglog(g, -theta_tf, "C2^-.", markersize=3, label=r"beside $\sqrt{v_t}$: TensorFlow")
axes.loglog(g, -theta_inside, "C1s--", markersize=3, label="inside of the root")
axes.set(xlabel="gradient |g|", ylabel="first step (lr)", ylim=(1e-7, 5))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# The same $10^{-8}$ means three different things. The bend is at $|g| = \epsilon$ outside of the
# root, and at $\sqrt{\epsilon} = 10^{-4}$ inside of it. TensorFlow's variant is Adam with
# $\epsilon = \hat\epsilon / \sqrt{1 - \beta_2^t}$. That is 32 times $\hat\epsilon$ in the first step,
# and falls to $\hat\epsilon$ in the long run. Check it on the moments of the digits, with a large
# $\hat\epsilon$, so that it matters.

# %%
eps_hat = 1e-2
for t in (1, 10, 100, 1000):
    m_t, v_t = ms[t - 1], vs[t - 1]
    m_hat, v_hat = m_t / (1 - beta_1**t), v_t / (1 - beta_2**t)
    lr_t = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    eps = eps_hat / np.sqrt(1 - beta_2**t)
    assert np.allclose(lr_t * m_t / (np.sqrt(v_t) + eps_hat), lr * m_hat / (np.sqrt(v_hat) + eps))
    print(f"t = {t:5,}: epsilon is {eps / eps_hat:5.2f} times TensorFlow's")

# %% [markdown]
# When you carry hyperparameters from one library to another, look where the $\epsilon$ stands.
#
# ## Sparse gradients
#
# An **embedding** is a table with a row of numbers for each word. A word that is not in a batch gives
# its row a gradient of 0. Take an embedding of two rows. The **frequent** one gets a gradient of 1 in
# each step, and the **rare** one in every 20th.


# %%
def positions(make, steps=2000, **hyperparameters):
    """Where the rare and the frequent row are after 0, 1, …, steps steps."""
    embedding = nn.Embedding(2, 1)
    embedding.weight = sg.Tensor(np.zeros((2, 1)), requires_grad=True)
    opt = make(embedding, **hyperparameters)
    path = [embedding.weight.numpy()[:, 0]]
    for t in range(1, steps + 1):
        words = [0, 1] if t % 20 == 0 else [1]
        opt.zero_grad()
        embedding(words).sum().backward()
        opt.step()
        path.append(embedding.weight.numpy()[:, 0])
    return np.array(path)


adam = positions(optim.Adam, lr=0.01)
sgd = positions(optim.SGD, lr=0.01)

# %% alt="The steps of the rare row over 75 steps, in units of the learning rate, SGD above and Adam below. SGD steps by 1 in steps 20, 40 and 60 and rests in between. Adam rests until step 20, in which it steps by a half, and then goes on with steps that shrink by a tenth each, until the next gradient comes at step 40." jupyter={"source_hidden": true}
figure, panels = plt.subplots(
    2, 1, figsize=(6.5, 3.8), sharex=True, sharey=True, layout="constrained"
)
steps = np.arange(1, 76)
for axes, path, style, label in zip(
    panels, (sgd, adam), ("C1s", "C0o"), ("SGD", "Adam"), strict=True
):
    lengths = -np.diff(path[:76, 0]) / 0.01
    axes.vlines(steps, 0, lengths, colors=style[:2], linewidth=1)
    axes.plot(steps, lengths, style, markersize=3)
    axes.set(ylabel="step (lr)", ylim=(-0.08, 1.15))
    axes.set_title(label, fontsize=10)
panels[1].set_xlabel("step t")
plt.show()

# %% [markdown]
# SGD moves the row when it has a gradient. Adam keeps moving it. With $g = 0$, the first two
# equations read $m_t = \beta_1 m$ and $v_t = \beta_2 v$: each step is shorter than the last by a
# constant factor, but for the corrections, which have almost faded in step 1,000.
#
# $$\Delta_{t+1} = (\beta_1 / \sqrt{\beta_2}) \, \Delta_t$$

# %%
Delta = np.diff(adam[:, 0])  # Delta[t - 1] is step t
next_Delta = (beta_1 / np.sqrt(beta_2)) * Delta[999:1018]
assert np.allclose(Delta[1000:1019], next_Delta, rtol=1e-3)
print(f"steps 1,000 to 1,003: {(Delta[999:1003] / 0.01).round(3)} lr")

# %% [markdown]
# How far does the rare row get? A gradient that is there in one of $n$ steps has a mean of $g / n$
# and a root mean square of $g / \sqrt{n}$. Their quotient is $1 / \sqrt{n}$. With SGD, the rare row
# moves a 20th as far as the frequent one, and with Adam it is
#
# $$\Delta_{\text{rare}} / \Delta_{\text{frequent}} = 1 / \sqrt{n}$$

# %%
n = 20
expected_ratio = 1 / np.sqrt(n)
ratio = adam[-1, 0] / adam[-1, 1]
print(f"rare / frequent: SGD {sgd[-1, 0] / sgd[-1, 1]:.3f}, Adam {ratio:.3f}")
assert np.isclose(sgd[-1, 0] / sgd[-1, 1], 1 / n)
assert np.isclose(ratio, expected_ratio, rtol=0.02)

# %% [markdown]
# The frequencies of words differ by orders of magnitude, and Adam makes up for a part of that. Its
# price is a long step after a silence: the row of a word that first comes late makes one of 3.16 $lr$.
# With the steps that follow by the momentum alone, one gradient moves it by
#
# $$\sum \Delta = lr \, \frac{1 - \beta_1}{\sqrt{1 - \beta_2}} \cdot \frac{1}{1 - \beta_1 / \sqrt{\beta_2}}$$

# %%
lr = 1.0
sum_Delta = lr * (1 - beta_1) / np.sqrt(1 - beta_2) * 1 / (1 - beta_1 / np.sqrt(beta_2))
late = np.zeros((10_200, 1))
late[9_999] = -1.0  # a single gradient, in step 10,000
moved = adam_run(late, lr=lr)[0][-1, 0]
print(f"one gradient after a silence moves theta by {moved:.1f} lr")
assert np.isclose(moved, sum_Delta, rtol=1e-3)

# %% [markdown]
# ## AdamW
#
# **Weight decay** pulls all weights toward zero in each step, to keep them small. There are two ways
# to do it. The older one, **L2 regularization**, adds $\frac{\lambda}{2} |\theta|^2$ to the loss. Then
# the decay is a part of the gradient:
#
# $$g = \nabla_\theta L + \lambda \, \theta$$

# %%
theta, weight_decay = np.array([0.5, -2.0, 1.0]), 0.1
nabla_L = gradients[0]
g = nabla_L + weight_decay * theta

w = sg.Tensor(theta, requires_grad=True)
loss = (nabla_L * w).sum() + weight_decay / 2 * (w**2).sum()
loss.backward()
assert np.allclose(w.grad, g)

# %% [markdown]
# With SGD, each weight then shrinks by $lr \, \lambda \, \theta$ in a step. With Adam, it does not:
# the decay is divided by $\sqrt{\hat v}$ with the rest of the gradient, so a weight with large
# gradients decays less than one with small gradients. Loshchilov and Hutter (2019) take the decay out
# of the gradient. That is AdamW: the decay is **decoupled**. In `optim.AdamW` it comes first, and then
# the five equations of Adam, with $g = \nabla_\theta L$.
#
# $$\theta \mathrel{-}= lr \, \lambda \, \theta$$

# %%
lr = 0.01
theta, m, v = np.ones(3), np.zeros(3), np.zeros(3)
w = sg.Tensor(theta, requires_grad=True)
opt = optim.AdamW(lr=lr, weight_decay=weight_decay, param_groups=[{"params": {"w": w}}])
for t, g in enumerate(gradients[:1000], start=1):
    theta -= lr * weight_decay * theta
    m, v = adam_step(theta, g, m, v, t, lr=lr)

    w.grad = g
    opt.step()
    assert theta.tobytes() == w.data.tobytes()

print("1,000 steps by hand and by optim.AdamW: equal to the last bit")

# %% [markdown]
# Now two weights whose gradients differ in size, by a factor of 100. They change their sign in each
# step, so the loss pulls the weights nowhere, and what you see is the decay. Both start at 1.

# %% jupyter={"source_hidden": true}
steps = 2000
signs = (-1.0) ** np.arange(steps)
nablas = signs[:, None] * [10.0, 0.1]  # a row for each step, large and small

w_l2 = sg.Tensor(np.ones(2), requires_grad=True)
w_decoupled = sg.Tensor(np.ones(2), requires_grad=True)
opt_l2 = optim.Adam(lr=lr, param_groups=[{"params": {"w": w_l2}}])
opt_decoupled = optim.AdamW(
    lr=lr, weight_decay=weight_decay, param_groups=[{"params": {"w": w_decoupled}}]
)
l2, decoupled = [], []
for nabla_L in nablas:
    w_l2.grad = nabla_L + weight_decay * w_l2.data
    w_decoupled.grad = nabla_L
    opt_l2.step()
    opt_decoupled.step()
    l2.append(w_l2.numpy())
    decoupled.append(w_decoupled.numpy())

l2, decoupled = np.array(l2), np.array(decoupled)
print("in the gradient, after 1,000 steps:", l2[999].round(3))
print("decoupled, after 1,000 steps:      ", decoupled[999].round(3))
assert l2[999, 0] > 0.85
assert l2[999, 1] < 0.15

# %% alt="Two weights over 2,000 steps, from 1. With the decay in the gradient, the weight of large gradients falls slowly to 0.8, and the weight of small gradients falls fast to near 0. Decoupled, both weights fall together in the same curve between the two, to 0.14." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
t = np.arange(1, steps + 1)
axes.plot(t, l2[:, 0], "C1--", label="in the gradient: large gradients")
axes.plot(t, l2[:, 1], "C1:", label="in the gradient: small gradients")
axes.plot(t, decoupled[:, 0], "C0-", linewidth=4, alpha=0.5, label="decoupled: large gradients")
axes.plot(t, decoupled[:, 1], "C2-.", label="decoupled: small gradients")
axes.set(xlabel="step t", ylabel=r"weight $\theta$", ylim=(-0.05, 1.05))
axes.legend(loc="center right", bbox_to_anchor=(1, 0.59))
plt.show()

# %% [markdown]
# Decoupled, every weight shrinks by the same factor $1 - lr \, \lambda$ in a step, whatever its
# gradients are. After $t$ steps, up to about one $lr$ that Adam's own first steps add:
#
# $$\theta_t = (1 - lr \, \lambda)^t \, \theta_0$$

# %%
theta_0 = 1.0
for t in (1, 500, 1000, 2000):
    theta_t = (1 - lr * weight_decay) ** t * theta_0
    print(f"t = {t:5,}: {theta_t:.4f}, AdamW {decoupled[t - 1].round(4)}")
    assert np.allclose(decoupled[t - 1], theta_t, atol=1.1 * lr)

# %% [markdown]
# ### The paper's decay
#
# What $\lambda$ is worth depends on whose it is. The paper of AdamW splits the learning rate into a base rate
# $\alpha$ and a factor $\eta_t$ that a schedule sets. In line 12 of its Algorithm 2, only $\eta_t$
# scales the decay, and $\alpha$ does not. With $\lambda'$ for the paper's decay:
#
# $$\theta \mathrel{-}= \eta_t \, (\alpha \, \hat m / (\sqrt{\hat v} + \epsilon) + \lambda' \, \theta)$$
#
# `optim.AdamW` has a single $lr = \eta_t \, \alpha$, as PyTorch's has, and it scales both terms. So the
# two are the same step, up to rounding, for
#
# $$\lambda = \lambda' / \alpha$$


# %%
def paper_run(gradients, alpha, decay):
    """The paper's AdamW from ones; its schedule eta_t falls to 0 in a straight line."""
    theta, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    for t, g in enumerate(gradients, start=1):
        eta_t = 1 - (t - 1) / len(gradients)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        theta -= eta_t * (alpha * m_hat / (np.sqrt(v_hat) + 1e-8) + decay * theta)
    return theta


def library_run(gradients, alpha, weight_decay):
    """The same with optim.AdamW, whose lr is eta_t times alpha."""
    w = sg.Tensor(np.ones(3), requires_grad=True)
    opt = optim.AdamW(lr=alpha, weight_decay=weight_decay, param_groups=[{"params": {"w": w}}])
    for t, g in enumerate(gradients, start=1):
        opt.lr = (1 - (t - 1) / len(gradients)) * alpha
        w.grad = g
        opt.step()
    return w.numpy()


decay = 0.001  # the paper's
silent = np.zeros((1000, 3))  # without gradients, only the decay is left
for alpha in (0.01, 0.005):
    paper, library = paper_run(silent, alpha, decay), library_run(silent, alpha, weight_decay=0.1)
    print(f"alpha = {alpha}: the paper's decay leaves {paper[0]:.3f}, ", end="")
    print(f"that of optim.AdamW {library[0]:.3f}")
    assert np.allclose(paper, 0.6062, rtol=1e-3)  # with either alpha
    assert np.allclose(library, paper ** (alpha / 0.01), rtol=1e-3)
    for some in (silent, gradients[:1000]):
        same = library_run(some, alpha, weight_decay=decay / alpha)
        assert np.allclose(paper_run(some, alpha, decay), same, rtol=1e-9, atol=1e-12)

# %% [markdown]
# A schedule lowers both decays alike. Halve the base rate, and the paper's decay stays, while that of
# PyTorch and simplegrad is halved as well. So when you change $lr$, tune $\lambda$ again or keep the
# product $lr \, \lambda$. And divide a decay that was chosen for Algorithm 2 by its base rate.
#
# ## AMSGrad
#
# Adam can go the wrong way. Reddi, Kale and Kumar (2018) give an example in which all losses are straight
# lines. $\theta$ is kept in $[-1, 1]$. The loss of step 1, and of each third step after it, is
# $C \, \theta$ with $C > 2$, and that of the others is $-\theta$. So the gradients are
# $C, -1, -1, C, -1, -1, \ldots$ On average the loss is $\frac{C - 2}{3} \, \theta$, and the best place is
# $-1$. Take $C = 3$, $\beta_1 = 0$ and, as they do, $\beta_2 = 1 / (1 + C^2)$.

# %%
C, lr = 3.0, 0.01
beta_1, beta_2 = 0.0, 1 / (1 + C**2)
w = sg.Tensor(np.zeros(1), requires_grad=True)
opt = optim.Adam(lr=lr, beta_1=beta_1, beta_2=beta_2, param_groups=[{"params": {"w": w}}])
adam = []
for t in range(1, 901):
    w.grad = np.array([C if t % 3 == 1 else -1.0])
    opt.step()
    w.data = np.clip(w.data, -1, 1)  # back into the interval
    adam.append(w.item())

print("Adam after 30, 300 and 900 steps:", np.round([adam[29], adam[299], adam[899]], 2))
assert adam[-1] > 0.97  # the worst place is 1

# %% [markdown]
# Why? The second moment has almost forgotten $C^2$ two steps later. In the long run it takes three values
# in turn: $v_1$ in the steps with $C$, then $v_2$ and $v_3$. The large gradient is divided by a large
# root, for $C$ itself is in $v_1$, and the small ones by small roots. Three steps together move $\theta$ by
#
# $$\Delta = -lr \, (C / \sqrt{v_1} - 1 / \sqrt{v_2} - 1 / \sqrt{v_3})$$

# %%
v_1, v_2, v_3 = adam_run(np.array([[C], [-1.0], [-1.0]] * 20), beta_2=beta_2)[2][-3:, 0]
Delta = -lr * (C / np.sqrt(v_1) - 1 / np.sqrt(v_2) - 1 / np.sqrt(v_3))
print(f"v_1 = {v_1:.2f}, v_2 = {v_2:.2f}, v_3 = {v_3:.2f}")
print(f"three steps move theta by {Delta / lr:.2f} lr")
assert Delta > 0
assert np.isclose(adam[179] - adam[176], Delta)

# %% [markdown]
# The cure is a second moment that never falls. **AMSGrad** keeps the largest one that there has been, for
# each element, and divides by its root. Beside $v$, it has one more thing to remember:
#
# $$v^{max}_t = \max(v^{max}, v_t)$$
#
# Now $C$ and the $-1$ are divided by the same number, and three steps lead down. With $\beta_1 = 0$, the
# first moment is $g$ itself. Without bias correction, as they have it, a step is then $lr \, g$
# divided by the root:

# %%
theta, v, v_max = 0.0, 0.0, 0.0
amsgrad = []
for t in range(1, 901):
    g = C if t % 3 == 1 else -1.0
    v = beta_2 * v + (1 - beta_2) * g**2
    v_max = max(v_max, v)
    theta -= lr * g / np.sqrt(v_max)
    theta = min(max(theta, -1.0), 1.0)
    amsgrad.append(theta)

print(
    "AMSGrad after 30, 300 and 900 steps:", np.round([amsgrad[29], amsgrad[299], amsgrad[899]], 2)
)
assert amsgrad[-1] < -0.97
assert np.isclose(amsgrad[299] - amsgrad[296], -lr * (C - 2) / np.sqrt(v_1))

# %% alt="The place theta over 900 steps, on the losses of the example. Adam rises from 0 to 1, the worst place, within about 450 steps and stays there. AMSGrad falls from 0 in a straight line to -1, the best place, which it reaches after about 860 steps." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
axes.plot(np.arange(1, 901), adam, "C1--", label="Adam")
axes.plot(np.arange(1, 901), amsgrad, "C0-", label="AMSGrad")
axes.axhline(-1, color="C7", linestyle=":", label="the best place")
axes.set(xlabel="step t", ylabel=r"$\theta$", ylim=(-1.15, 1.15))
axes.legend(loc="center right")
plt.show()

# %% [markdown]
# The $\beta_2$ of this example is 0.1, far from the default; exercise 1 asks what a larger one does.
# Reddi, Kale and Kumar show more: for all $\beta_1 < \sqrt{\beta_2}$ there are convex losses on which Adam fails.
# simplegrad has no AMSGrad. The exercise `amsgrad` asks you for the whole step, with the first moment and
# both corrections.
#
# ## Exercises
#
# The longer exercises `adamw` and `amsgrad` in `tutorials/exercises/` come with a check that says
# which equation is wrong: `python -m simplegrad.exercises check adamw`.
#
# **1.** Run `optim.Adam` on the losses of "AMSGrad" with other $\beta_2$, from 0 to 0.999. From which
# on does it find the best place? What does it become with $\beta_2 = 0$? And compute from $\Delta$ what a
# $\beta_2$ near 1 makes of three steps.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
ends = {}
for other in (0.0, 0.2, 0.4, 0.5, 0.6, 0.9, 0.999):
    w = sg.Tensor(np.zeros(1), requires_grad=True)
    opt = optim.Adam(lr=lr, beta_1=0.0, beta_2=other, param_groups=[{"params": {"w": w}}])
    for t in range(1, 3001):
        w.grad = np.array([C if t % 3 == 1 else -1.0])
        opt.step()
        w.data = np.clip(w.data, -1, 1)
    ends[other] = w.item()
    print(f"beta_2 = {other:5}: theta = {ends[other]:.2f}")

assert ends[0.4] > 0.97
assert ends[0.5] < 0
assert ends[0.999] < -0.97
# Between 0.4 and 0.5 the direction turns. With 0, each gradient is divided by its own size, and only
# its sign is left: two steps up for each step down. Near 1, v is about the mean of the squares,
# (C^2 + 2) / 3, in all three steps, and they are in proportion to the gradients, as in AMSGrad.
Delta = -lr * (C - 2) / np.sqrt((C**2 + 2) / 3)
thetas, _, _ = adam_run(np.array([[C], [-1.0], [-1.0]] * 3000), lr=lr, beta_1=0.0, beta_2=0.999)
assert np.isclose(thetas[-1] - thetas[-4], Delta, rtol=0.01)

# %% [markdown]
# **2.** With SGD, is a decay in the gradient the same as a decoupled one? Compare `optim.SGD` and its
# `weight_decay` with a decay by hand before each step, on 500 of the gradients: first without momentum,
# then with a momentum of 0.9.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
for mu in (0.0, 0.9):
    w = sg.Tensor(np.ones(3), requires_grad=True)
    opt = optim.SGD(lr=0.01, momentum=mu, weight_decay=0.1, param_groups=[{"params": {"w": w}}])
    theta, b = np.ones(3), np.zeros(3)
    for g in gradients[:500]:
        w.grad = g
        opt.step()
        theta -= 0.01 * 0.1 * theta
        b = mu * b + g
        theta -= 0.01 * b
    print(f"momentum {mu}: in the gradient {w.data.round(3)}, decoupled {theta.round(3)}")
    assert np.allclose(w.data, theta) == (mu == 0)
    assert (abs(w.data) < abs(theta)).all() == (mu > 0)
# Without momentum they are the same. With it, the velocity sums the decay in the gradient over about
# ten steps, and it is about ten times as strong: all three weights end nearer to 0 than with the
# decoupled one.

# %% [markdown]
# **3.** Beside a huge $\epsilon$, the second moment does not count. Choose $lr$ and $\epsilon$ so that
# `optim.Adam` does with 500 of the gradients nearly what SGD with momentum does, with the learning rate
# $0.1$ and a velocity that keeps $\beta_1$ of itself and takes $1 - \beta_1$ of the gradient. What of Adam
# is left?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
eps = 1e8
thetas, _, _ = adam_run(gradients[:500], lr=0.1 * eps, eps=eps)
theta, b, corrected = np.zeros(3), np.zeros(3), np.zeros(3)
for t, g in enumerate(gradients[:500], start=1):
    b = 0.9 * b + (1 - 0.9) * g
    theta -= 0.1 * b
    corrected -= 0.1 * b / (1 - 0.9**t)
print("Adam with a huge epsilon:", thetas[-1].round(4))
print("SGD with momentum:       ", theta.round(4))
assert np.allclose(thetas[-1], corrected, rtol=1e-6)
assert np.allclose(thetas[-1], theta, rtol=0.05)
# lr / epsilon is the learning rate of SGD. The correction of m is left: it makes the first steps longer.

# %% [markdown]
# ## Read on
#
# - Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization", ICLR. Section 2.1 has the bounds.
# - Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", ICLR. AdamW.
# - Reddi, Kale and Kumar (2018), "On the Convergence of Adam and Beyond", ICLR. AMSGrad, and what the
#   example means for the proof of the first paper.
