# %% [markdown]
# # Descent
#
# The gradient says which way is up at the place where you stand. It does not say how far to go, and
# it seldom points away from the minimum. This tutorial walks down one narrow valley with three
# optimizers. Gradient descent shows what goes wrong there, momentum and RMSProp each cure a part of
# it, and Adam will join the two.
#
# - **You will be able to** write SGD with momentum and RMSProp by hand, compute the largest stable
#   learning rate and the rate of convergence of a quadratic loss, and say what each optimizer cures
#   and what it leaves.
# - **Read before:** [Gradients](gradients.ipynb). A little linear algebra: eigenvalues.

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim

# %% [markdown]
# ## A narrow valley
#
# Near a minimum, a smooth loss is a quadratic, up to terms of third order: that is Taylor's
# theorem. So a quadratic is where optimizers are understood first. Its curvatures are in the matrix
# $H$ of the second derivatives, the **Hessian**. With the minimum at 0:
#
# $$L = \tfrac{1}{2} \, \theta^\top H \, \theta$$
#
# $$\nabla_\theta L = H \, \theta$$
#
# Here $\theta$ has two elements, and $H$ is diagonal. Its eigenvalues $\lambda_{\min} = 1$ and
# $\lambda_{\max} = 25$ are the curvatures along the two axes: $\theta_1$ runs along a flat valley,
# and $\theta_2$ up its steep sides.


# %%
def loss_of(theta, H):
    return (theta @ H @ theta) / 2


lambda_min, lambda_max = 1.0, 25.0
H = np.diag([lambda_min, lambda_max])
start = np.array([5.0, 1.0])

theta = sg.Tensor(start, requires_grad=True)
L = loss_of(theta, H)
L.backward()
print(f"L = {L.item()}, gradient = {theta.grad}")
assert L.item() == (lambda_min * 5**2 + lambda_max * 1**2) / 2
assert np.array_equal(theta.grad, H @ start)

# %% [markdown]
# The minimum lies in the direction $-\theta = (-5, -1)$. Against the gradient you would go in the
# direction $(-5, -25)$, across the valley rather than along it. The angle between the two:

# %% jupyter={"source_hidden": true}
g = theta.grad
cosine = g @ start / (np.linalg.norm(g) * np.linalg.norm(start))
angle = np.degrees(np.arccos(cosine))
print(f"the steepest way down misses the minimum by {angle:.0f} degrees")
assert 67 < angle < 68

# %% [markdown]
# ## Gradient descent
#
# Two helpers first: `gradient` is the gradient of the loss at an array, and `path_of` gives all the places
# that an optimizer visits.


# %% jupyter={"source_hidden": true}
def gradient(theta, H):
    """The gradient of the loss at an array."""
    leaf = sg.Tensor(theta, requires_grad=True)
    loss_of(leaf, H).backward()
    return leaf.grad


def path_of(make, H, start, steps, **hyperparameters):
    """The places that an optimizer of simplegrad visits, of shape (steps + 1, 2)."""
    theta = sg.Tensor(start, requires_grad=True)
    opt = make(param_groups=[{"params": {"theta": theta}}], **hyperparameters)
    path = [theta.numpy()]
    for _ in range(steps):
        loss_of(theta, H).backward()
        opt.step()
        opt.zero_grad()
        path.append(theta.numpy())
    return np.array(path)


# %% [markdown]
# With $g = \nabla_\theta L$ and the learning rate $lr$, each step is
#
# $$\theta \mathrel{-}= lr \, g$$

# %%
lr = 0.02
theta = start.copy()
by_hand = [theta.copy()]
for _ in range(200):
    g = gradient(theta, H)
    theta -= lr * g
    by_hand.append(theta.copy())

slow = path_of(optim.SGD, H, start, steps=200, lr=0.02)
assert np.array(by_hand).tobytes() == slow.tobytes()
print("200 steps by hand and by optim.SGD: equal to the last bit")

# %% [markdown]
# The comparison with `tobytes()` is the strictest there is: every bit of all 201 places is the
# same. Now draw this path, and one with a learning rate almost four times as large.

# %%
quick = path_of(optim.SGD, H, start, steps=200, lr=0.0769)


# %% alt="A map of the valley, an ellipse much longer than wide, with two paths. Small steps drop to the floor of the valley at once and then creep along it; 30 of them do not even get halfway to the minimum. Larger steps jump from one side of the valley to the other in a zigzag, but come close to the minimum." jupyter={"source_hidden": true}
def draw_valley(axes, H, x_range, y_range):
    """Contour lines of the loss, each at twice the loss of the one within it."""
    x, y = np.meshgrid(np.linspace(*x_range, 200), np.linspace(*y_range, 200))
    places = np.stack([x, y], axis=-1)
    heights = np.einsum("...i,ij,...j", places, H, places) / 2
    axes.contour(x, y, heights, levels=0.2 * 2.0 ** np.arange(9), colors="C7", linewidths=0.6)
    axes.plot(0, 0, "+", color="C7", markersize=12)
    axes.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$", aspect="equal")


figure, axes = plt.subplots(figsize=(6.5, 3.0), layout="constrained")
draw_valley(axes, H, (-1, 5.5), (-1.3, 1.3))
axes.plot(*quick[:31].T, "C1s--", markersize=4, linewidth=1.0, label="SGD, lr = 0.0769")
axes.plot(*slow[:31].T, "C0o-", markersize=4, linewidth=1.5, label="SGD, lr = 0.02")
figure.legend(loc="outside upper center", ncols=2)
plt.show()

# %% [markdown]
# The contour lines are places of equal loss, and each step starts at a right angle to the line it
# starts from. The cross marks the minimum. You see the whole trouble of gradient descent in these
# 30 steps: with small steps it creeps along the flat direction, and with large ones it swings from
# side to side in the steep one.
#
# ## The largest stable learning rate
#
# $H$ is diagonal, so each coordinate goes its own way: its gradient is $\lambda_i \theta_i$, and a
# step multiplies it by $1 - lr \, \lambda_i$. After $t$ steps from $\theta_0$, with $\lambda$ for
# the two eigenvalues:
#
# $$\theta_t = (1 - lr \, \lambda)^t \, \theta_0$$

# %%
lr, t = 0.02, 30
theta_0 = start
lambdas = np.linalg.eigvalsh(H)
theta_t = (1 - lr * lambdas) ** t * theta_0
print(f"factors {1 - lr * lambdas}, after {t} steps theta_1 = {theta_t[0]:.3f}")
assert np.allclose(theta_t, slow[t], rtol=1e-12, atol=0)

# %% [markdown]
# A coordinate shrinks if its factor lies between $-1$ and $1$, which is when
# $0 < lr \, \lambda_i < 2$. All of them shrink if the steepest does. The limit of the learning rate
# is
#
# $$lr_{\max} = 2 / \lambda_{\max}$$

# %%
lr_max = 2 / lambda_max
for part in (0.99, 1.0, 1.01):
    end = path_of(optim.SGD, H, start, steps=200, lr=part * lr_max)[-1]
    print(f"lr = {part:4.2f} lr_max   |theta_2| after 200 steps: {abs(end[1]):6.3f}")
    assert (abs(end[1]) < 0.02) == (part < 1)
    assert (abs(end[1]) == 1) == (part == 1)  # from 1 to -1 and back, for ever

# %% [markdown]
# The sign of the factor says how a coordinate moves. Up to $lr_{\max} / 2$ it is positive, and the
# coordinate comes down on one side. Beyond, each step lands on the other side of the valley.
#
# ## The condition number
#
# The steep direction limits the learning rate, and the flat one has to live with it. How good can
# the compromise be? The distance to the minimum shrinks in each step by the larger of
# $|1 - lr \, \lambda_{\min}|$ and $|1 - lr \, \lambda_{\max}|$.

# %% alt="The absolute factors of both coordinates against the learning rate. That of the flat direction falls slowly from 1 in a straight line. That of the steep direction falls to 0 at 0.04 and rises to 1 at 0.08. The lines cross at 0.077 and 0.92, just before the limit." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
rates = np.linspace(0, 0.09, 181)
axes.plot(rates, abs(1 - rates * lambda_min), "C0-", label=r"flat: $|1 - lr \, \lambda_{\min}|$")
axes.plot(rates, abs(1 - rates * lambda_max), "C1--", label=r"steep: $|1 - lr \, \lambda_{\max}|$")
axes.plot(2 / 26, 24 / 26, "C3o", label="best compromise")
axes.axvline(lr_max, color="C7", linestyle=":", label=r"$lr_{\max}$")
axes.set(xlabel="lr", ylabel="factor of one step", xlim=(0, 0.09), ylim=(0, 1.6))
axes.legend(loc="upper center", ncols=2)
plt.show()

# %% [markdown]
# The larger of the two is smallest where the lines cross:
# $1 - lr \, \lambda_{\min} = lr \, \lambda_{\max} - 1$. Solve this for $lr$, put it in, and only
# the ratio $\kappa$ of the curvatures remains. It is called the **condition number**. The **rate**
# $\rho$ is the factor by which the distance shrinks in each step.
#
# $$lr = 2 / (\lambda_{\max} + \lambda_{\min})$$
#
# $$\kappa = \lambda_{\max} / \lambda_{\min}$$
#
# $$\rho = (\kappa - 1) / (\kappa + 1)$$

# %%
lr = 2 / (lambda_max + lambda_min)
kappa = lambda_max / lambda_min
rho = (kappa - 1) / (kappa + 1)
print(f"lr = {lr:.4f}, kappa = {kappa:g}, rho = {rho:.4f}")

gd = path_of(optim.SGD, H, start, steps=200, lr=lr)
distance = np.linalg.norm(gd, axis=1)
assert np.allclose(distance[1:] / distance[:-1], rho)

# %% [markdown]
# For a large $\kappa$, $\rho$ is about $1 - 2 / \kappa$: ten times the condition number takes ten
# times the steps. A valley is long because of $\kappa$ alone. Multiply the loss by 100, and the
# best learning rate is a hundredth, but the number of steps is the same.
#
# Where does a large $\kappa$ come from? Often from units. A parameter that is multiplied by inputs
# in the thousands has a steep loss, and beside it one that is multiplied by inputs around 1 has a
# flat one (exercise 2).
#
# ## Momentum
#
# On the zigzag, the gradient across the valley changes its sign with each step. The one along the
# valley keeps it. Add up the gradients of several steps: the first cancel, and the second
# accumulate. That is **momentum** (Polyak, 1964). These are the equations of `optim.SGD`:
#
# $$g = \nabla_\theta L + \lambda \, \theta$$
#
# $$b_t = \mu \, b + (1 - \tau) \, g, \quad b_1 = g$$
#
# $$\theta \mathrel{-}= lr \, b_t$$
#
# The **velocity** $b$ is a sum of the past gradients, each weighted by $\mu$ once more for each
# step that it is old. $\mu$ is the momentum, often 0.9. $\tau$, the dampening, and $\lambda$, the
# `weight_decay` ([Adam, further](adam_further.ipynb) says what it is for), are 0 unless you set them.
# ($\lambda$ without an index is the latter. With an index, it is a curvature.) With all three at 0, gradient descent
# remains: $b_t = g$. To see every symbol at work, set all of them.

# %%
lr, mu, tau, weight_decay = 0.02, 0.9, 0.1, 0.01
theta = start.copy()
b = np.zeros(2)
by_hand = [theta.copy()]
for t in range(1, 201):
    g = gradient(theta, H) + weight_decay * theta
    b_t = mu * b + (1 - tau) * g if t > 1 else g
    theta -= lr * b_t
    b = b_t  # what the next step calls b
    by_hand.append(theta.copy())

symbols = {"momentum": mu, "dampening": tau, "weight_decay": weight_decay}
path = path_of(optim.SGD, H, start, steps=200, lr=lr, **symbols)
assert np.array(by_hand).tobytes() == path.tobytes()
print("200 steps by hand and by optim.SGD: equal to the last bit")

# %% [markdown]
# ### What it does to the step
#
# Feed the second equation a gradient of 1 again and again, as on the floor of a long valley. The
# velocity becomes a geometric series, $1 + \mu + \mu^2 + \ldots$ Then feed it
# $1, -1, 1, -1, \ldots$, as on the way from side to side. With $\tau = 0$, the velocities approach
# these sizes:
#
# $$b_{\text{along}} = 1 / (1 - \mu)$$
#
# $$b_{\text{across}} = 1 / (1 + \mu)$$

# %%
mu = 0.9
b_along = 1 / (1 - mu)
b_across = 1 / (1 + mu)
series = [sum((sign * mu) ** k for k in range(200)) for sign in (1, -1)]
assert np.allclose([b_along, b_across], series)

# %% jupyter={"source_hidden": true}
w = sg.Tensor([0.0, 0.0], requires_grad=True)
opt = optim.SGD(lr=0.1, momentum=mu, param_groups=[{"params": {"w": w}}])
for t in range(200):
    w.grad = [1, (-1) ** t]
    opt.step()

velocities = opt.state()["param_groups"][0]["velocities"]["w"]
print(f"along {velocities[0]:.3f}, across {abs(velocities[1]):.3f}")
assert np.allclose(abs(velocities), [b_along, b_across])

# %% [markdown]
# With $\mu = 0.9$, the **effective learning rate** is ten times as large where gradients agree,
# $lr / (1 - \mu)$, and about half as large where they alternate, $lr / (1 + \mu)$. That is the
# cure: longer steps along the valley, and damped swings across it. Here is the earlier zigzag once
# more, with the same learning rate and the same first step.

# %% alt="The map of the valley with two paths of 30 steps. Without momentum, the path zigzags all the way and stops short of the minimum. With momentum, the zigzag is gone after a few steps, and the path runs along the floor of the valley to the minimum." jupyter={"source_hidden": true}
damped = path_of(optim.SGD, H, start, steps=200, lr=0.0769, momentum=0.5)

figure, axes = plt.subplots(figsize=(6.5, 3.0), layout="constrained")
draw_valley(axes, H, (-1, 5.5), (-1.3, 1.3))
axes.plot(*quick[:31].T, "C1s--", markersize=4, linewidth=1.0, label="SGD")
axes.plot(*damped[:31].T, "C0o-", markersize=4, linewidth=1.5, label="SGD, momentum 0.5")
figure.legend(loc="outside upper center", ncols=2)
plt.show()

# %% [markdown]
# ### How much faster
#
# For a quadratic, Polyak (1964) gives the best learning rate and momentum, and the rate they tend to.
# All three have the form of gradient descent's, with square roots of the curvatures.
#
# $$lr = \left( \frac{2}{\sqrt{\lambda_{\max}} + \sqrt{\lambda_{\min}}} \right)^2$$
#
# $$\mu = \left( \frac{\sqrt{\kappa} - 1}{\sqrt{\kappa} + 1} \right)^2$$
#
# $$\rho = \frac{\sqrt{\kappa} - 1}{\sqrt{\kappa} + 1}$$

# %%
lr = (2 / (np.sqrt(lambda_max) + np.sqrt(lambda_min))) ** 2
mu = ((np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)) ** 2
rho = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
print(f"lr = {lr:.4f}, mu = {mu:.4f}, rho = {rho:.4f}")

critical = path_of(optim.SGD, H, np.array([1.0, 1.0]), steps=200, lr=lr, momentum=mu)
distance = np.linalg.norm(critical, axis=1)
print(f"step 200 multiplies the distance by {distance[200] / distance[199]:.3f}")
assert rho < distance[200] / distance[199] < 1.01 * rho

# %% [markdown]
# A step is linear in a coordinate and its velocity, so it is a matrix, and the largest absolute
# value of its eigenvalues is the rate in the long run. The determinant is $\mu$. So two complex
# eigenvalues both have the absolute value $\sqrt{\mu}$, and of two different real ones, one is larger
# than that. Polyak's constants stand between the two cases: both eigenvalues are $\rho$ in the flat
# direction, and both are $-\rho$ in the steep one. With less momentum, the flat coordinate creeps; with
# more, it swings past the minimum. Both are slower. Mechanics calls the case in between **critical
# damping**.
#
# The rate is $2/3$ here, and gradient descent has $0.92$. But with momentum, the rate holds in the limit
# only. Where two eigenvalues coincide, the powers of the matrix contain $t \, \rho^t$ as well as
# $\rho^t$, so the distance falls as $t \, \rho^t$: divided by $\rho^t$, it doubles when $t$ does.


# %% jupyter={"source_hidden": true}
def eigenvalues_of_a_step(lambda_i, lr, mu):
    step_matrix = np.array([[1 - lr * lambda_i, -lr * mu], [lambda_i, mu]])  # of (theta_i, b)
    return np.linalg.eigvals(step_matrix)


assert np.allclose(eigenvalues_of_a_step(lambda_min, lr, mu), rho, rtol=1e-6)
assert np.allclose(eigenvalues_of_a_step(lambda_max, lr, mu), -rho, rtol=1e-6)

for other_mu in (0.4, 0.5):
    eigenvalues = eigenvalues_of_a_step(lambda_min, lr, other_mu)
    print(f"mu = {other_mu}, flat: eigenvalues {eigenvalues.round(3)}")
    assert np.iscomplexobj(eigenvalues) == (other_mu > mu)
    assert abs(eigenvalues).max() > rho

quotients = distance / rho ** np.arange(201)
for t in (40, 80):
    print(f"t = {t:3}: distance / rho^t = {quotients[t]:3.0f}")
    assert 1.9 < quotients[t] / quotients[t // 2] < 2.1

# %% [markdown]
# The larger $\kappa$ is, the more the square root is worth. Count the steps until the distance is a
# millionth of what it was at first.


# %% jupyter={"source_hidden": true}
def steps_needed(make, kappa, steps, **hyperparameters):
    """How many steps it takes to come a million times closer to the minimum."""
    H = np.diag([1.0, kappa])
    path = path_of(make, H, np.array([1.0, 1.0]), steps, **hyperparameters)
    distance = np.linalg.norm(path, axis=1)
    return int(np.argmax(distance <= 1e-6 * distance[0]))


kappas = [10.0, 30.0, 100.0, 300.0, 1000.0]
plain, with_momentum = [], []
for kappa in kappas:
    plain.append(steps_needed(optim.SGD, kappa, 8000, lr=2 / (kappa + 1)))
    root = np.sqrt(kappa)
    lr = (2 / (root + 1)) ** 2
    mu = ((root - 1) / (root + 1)) ** 2
    with_momentum.append(steps_needed(optim.SGD, kappa, 500, lr=lr, momentum=mu))
    print(f"kappa = {kappa:5.0f}: {plain[-1]:5,} steps, with momentum {with_momentum[-1]:3}")

assert 90 < plain[4] / plain[0] < 110  # kappa is 100 times larger
assert 7 < with_momentum[4] / with_momentum[0] < 12  # and its root 10 times

# %% [markdown]
# ### Nesterov's momentum
#
# The velocity that a step adds is old news: it was collected at earlier places. Nesterov (1983)
# takes the gradient where the velocity is about to lead; Sutskever et al. (2013) write it as a
# small change of momentum. If $\theta$ stands for the place looked ahead to, as in `optim.SGD` with
# `nesterov=True`, only the last equation differs. At the same $lr$ and $\mu$, the swings in the
# steep direction die out sooner.
#
# $$\theta \mathrel{-}= lr \, (g + \mu \, b_t)$$

# %% jupyter={"source_hidden": true}
lr, mu = 0.02, 0.9
theta = start.copy()
b = np.zeros(2)
by_hand = [theta.copy()]
for t in range(1, 201):
    g = gradient(theta, H)
    b_t = mu * b + g if t > 1 else g
    theta -= lr * (g + mu * b_t)
    b = b_t
    by_hand.append(theta.copy())

polyak = path_of(optim.SGD, H, start, steps=200, lr=lr, momentum=mu)
nesterov = path_of(optim.SGD, H, start, steps=200, lr=lr, momentum=mu, nesterov=True)
assert np.array(by_hand).tobytes() == nesterov.tobytes()
print(f"|theta_2| after 20 steps: {abs(polyak[20, 1]):.3f}, Nesterov {abs(nesterov[20, 1]):.3f}")
assert abs(polyak[:, 1]).sum() > 2 * abs(nesterov[:, 1]).sum()

# %% [markdown]
# ## RMSProp
#
# Momentum still has one learning rate for all coordinates. RMSProp (Tieleman and Hinton, 2012)
# gives each coordinate its own: it divides the gradient by the size that the gradients of this
# coordinate had lately. $v$ is a weighted mean of the squares so far, and its root is their root mean
# square, hence the name. $\beta_2$ is the decay of that mean, and $\epsilon$ keeps the division
# from dividing by zero. Squares, roots and divisions are elementwise.
#
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
#
# $$\theta \mathrel{-}= lr \, g / (\sqrt{v_t} + \epsilon)$$

# %%
lr, beta_2, eps = 0.05, 0.99, 1e-8
theta = start.copy()
v = np.zeros(2)
by_hand = [theta.copy()]
for _ in range(200):
    g = gradient(theta, H)
    v_t = beta_2 * v + (1 - beta_2) * g**2
    theta -= lr * g / (np.sqrt(v_t) + eps)
    v = v_t
    by_hand.append(theta.copy())

rmsprop = path_of(optim.RMSProp, H, start, steps=200, lr=lr, beta_2=beta_2, eps=eps)
assert np.array(by_hand).tobytes() == rmsprop.tobytes()
print("200 steps by hand and by optim.RMSProp: equal to the last bit")

# %% [markdown]
# The curvature of a coordinate multiplies its gradient, above and below the line of the fraction,
# and cancels. Make the sides of the valley a hundred times steeper, and nothing changes but for
# $\epsilon$.

# %% jupyter={"source_hidden": true}
steeper = np.diag([lambda_min, 100 * lambda_max])
path = path_of(optim.RMSProp, steeper, start, steps=200, lr=lr)
print(f"kappa = 25 and 2,500: paths differ by at most {abs(path - rmsprop).max():.0e}")
assert np.allclose(path, rmsprop, rtol=0, atol=1e-8)

# %% [markdown]
# That is RMSProp's cure: the scale of each coordinate no longer matters, whatever its gradient
# is measured in. Parameters with small gradients move as far as those with large ones. In this
# valley, whose axes are the coordinates, the condition number has no effect any more.
#
# ## The valley turned
#
# Now turn the valley by 45 degrees, and the start with it. $Q$ is the rotation. The curvatures, and
# so the condition number, stay the same.
#
# $$H_Q = Q \, H \, Q^\top$$

# %%
angle = np.radians(45)
Q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
H_Q = Q @ H @ Q.T
print(H_Q.round(3))
assert np.allclose(np.linalg.eigvalsh(H_Q), lambdas)

gd_turned = path_of(optim.SGD, H_Q, Q @ start, steps=200, lr=2 / 26)
damped_turned = path_of(optim.SGD, H_Q, Q @ start, steps=200, lr=0.0769, momentum=0.5)
rmsprop_turned = path_of(optim.RMSProp, H_Q, Q @ start, steps=200, lr=0.05)
assert np.allclose(gd_turned, gd @ Q.T)
assert np.allclose(damped_turned, damped @ Q.T)
assert not np.allclose(rmsprop_turned, rmsprop @ Q.T, atol=0.1)

# %% [markdown]
# The asserts say it: turn the valley, and the paths of SGD turn with it, with momentum and without.
# These optimizers are **invariant under rotations**. RMSProp takes another path.

# %% alt="Two maps with 40 steps of RMSProp each. On the left, in the valley along the axes, the path drops to the floor of the valley at once and runs along it to near the minimum. On the right, in the valley turned by 45 degrees, the path comes down to the floor of the valley, too, but then creeps along it and ends farther from the minimum." jupyter={"source_hidden": true}
figure, panels = plt.subplots(1, 2, figsize=(6.5, 3.6), layout="constrained")
draw_valley(panels[0], H, (-1, 5.5), (-3, 3.5))
draw_valley(panels[1], H_Q, (-1, 5.5), (-1, 5.5))
for axes, path in zip(panels, (rmsprop, rmsprop_turned), strict=True):
    axes.plot(*path[:41].T, "C2^-", markersize=3, linewidth=1.0)
panels[0].set_title("RMSProp along the axes", fontsize=10)
panels[1].set_title("RMSProp at 45 degrees", fontsize=10)
plt.show()

# %% [markdown]
# A rotated gradient is $Q g$, and RMSProp squares it element by element. The square of a mixture is
# not the mixture of the squares: $(Q g)^2 \ne Q \, g^2$. At 45 degrees, each coordinate is as steep
# as the other, which you can read off the diagonal of $H_Q$. So both get about the same $v$ and the
# same step size, and what remains is close to gradient descent, with its $\kappa$.
#
# ## Side by side
#
# All of them in a valley with $\kappa = 400$: SGD with its best learning rate, momentum with
# Polyak's constants, and RMSProp with the same learning rate as before.

# %% jupyter={"source_hidden": true}
H_400 = np.diag([1.0, 400.0])
H_turned = Q @ H_400 @ Q.T
paths = {
    "SGD": path_of(optim.SGD, H_400, start, 150, lr=2 / 401),
    "SGD with momentum": path_of(optim.SGD, H_400, start, 150, lr=4 / 441, momentum=361 / 441),
    "RMSProp": path_of(optim.RMSProp, H_400, start, 150, lr=0.05),
    "RMSProp, at 45 degrees": path_of(optim.RMSProp, H_turned, Q @ start, 150, lr=0.05),
}
losses = {}
for label, path in paths.items():
    matrix = H_turned if "45" in label else H_400
    losses[label] = np.array([loss_of(theta, matrix) for theta in path])
    print(f"{label:22}  loss after 150 steps: {losses[label][-1]:.1e}")

assert losses["SGD with momentum"][-1] < 1e-6 * losses["SGD"][-1]
assert losses["RMSProp"][-1] < 1e-3 * losses["RMSProp, at 45 degrees"][-1]

# %% alt="The loss over 150 steps on a logarithmic axis. SGD falls in an almost flat line. RMSProp at 45 degrees drops at first and is almost flat then, below SGD. SGD with momentum rises fiftyfold, turns after 9 steps and falls steeply to 1e-6. RMSProp along the axes falls all the time, to nearly the same loss." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.0), layout="constrained")
for (label, curve), style in zip(losses.items(), ("C1--", "C0-", "C2-.", "C3:"), strict=True):
    axes.semilogy(curve, style, linewidth=1.8, label=label)
axes.set(xlabel="step t", ylabel="loss")
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# A constant rate $\rho$ is a straight line on a logarithmic axis: the loss falls as $\rho^{2 t}$, and
# gradient descent's does. With momentum, the loss has a hump first. That is the factor $t$ of
# critical damping, which grows before $\rho^t$ gets the upper hand.
#
# Do not read this as a race. SGD and momentum were given the best constants for this valley, which
# takes knowing $\lambda_{\min}$ and $\lambda_{\max}$. RMSProp knew neither. That is what makes it
# useful for a network, where nobody knows the curvatures, and they change on the way.
#
# ## What is still missing
#
# RMSProp does not come to rest. Its steps do not shrink with the gradient, since it divides by the
# gradient's size. With a constant learning rate it ends up jumping from one side of the minimum to
# the other, in steps of length $lr$ in each coordinate, so from $lr / 2$ to $-lr / 2$:
#
# $$L = \tfrac{1}{2} \, (\lambda_{\max} + \lambda_{\min}) \, (lr / 2)^2$$

# %%
lr = 0.05
L = (lambda_max + lambda_min) * (lr / 2) ** 2 / 2

end = path_of(optim.RMSProp, H, start, steps=1000, lr=lr, beta_2=0.9)[-2:]
print(f"the last two places: {end[0].round(4)}, {end[1].round(4)}, loss {L:.6f}")
assert np.isclose(loss_of(end[1], H), L)

# %% [markdown]
# Here $\beta_2$ is 0.9, as in Hinton's lecture. A learning rate that falls on the way is the usual answer
# (exercise 4).
#
# The second flaw is at the start. $v$ begins as zero, so after one step it is $(1 - \beta_2) \, g^2$: not
# the mean of the squares that were seen, but with $\beta_2 = 0.99$ a hundredth of it. The first step is
# therefore $lr / \sqrt{1 - \beta_2}$ long in every coordinate, ten times $lr$.

# %% jupyter={"source_hidden": true}
first_step = abs(rmsprop[1] - rmsprop[0])  # with beta_2 = 0.99
print(f"lr = {lr}, first step {first_step.round(6)}")
assert np.allclose(first_step, lr / np.sqrt(1 - 0.99))

# %% [markdown]
# | | cures | leaves |
# |---|---|---|
# | gradient descent | – | steps in proportion to $\kappa$, one $lr$ for all |
# | momentum | swings across, creeping along: $\sqrt{\kappa}$ in place of $\kappa$ | one $lr$ for all, which the steepest direction limits |
# | RMSProp | the scale of each coordinate | $\kappa$ off the axes, no momentum, a first step that is too long, no rest |
#
# So take the velocity of momentum for the direction, and the scale of RMSProp for each coordinate's
# step, and correct both for their start from zero. That is Adam.
#
# ## Turn the knobs
#
# On the site, the next thing is a figure that moves: these four optimizers in one valley, for 1,872
# settings of the learning rate, the momentum, $\kappa$ and the angle, all of them computed with
# simplegrad as above. In a notebook, change the numbers in the cells instead. Look for three things:
#
# - the learning rate at which SGD begins to swing, and the one at which it diverges, for each $\kappa$,
# - the momentum beyond which more of it does harm,
# - the optimizers whose losses stay the same while the valley turns.
#
# <!-- figure: valley -->
#
# ## Exercises
#
# The longer exercises `sgd_momentum` and `rmsprop` in `tutorials/exercises/` come with a check that
# says which equation is wrong: `python -m simplegrad.exercises check sgd_momentum`.
#
# **1.** Momentum makes the largest stable learning rate larger. Find it for $\mu = 0.5$ and
# $\lambda_{\max} = 25$ with bisection: run 400 steps, and look whether the distance has grown. Then
# guess the formula. It depends on $\mu$ and $\lambda_{\max}$ only.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
low, high = 0.05, 0.2
for _ in range(12):
    middle = (low + high) / 2
    end = path_of(optim.SGD, H, start, steps=400, lr=middle, momentum=0.5)[-1]
    if np.linalg.norm(end) < np.linalg.norm(start):
        low = middle
    else:
        high = middle
print(f"the largest stable lr is {low:.4f}")
assert abs(low - 2 * (1 + 0.5) / lambda_max) < 1e-3

# %% [markdown]
# **2.** The price of a house is predicted from its area, between 20 and 120 square metres, and its
# number of rooms, between 1 and 5: $\theta$ has two elements, and there is no bias. The loss is
# $\frac{1}{n} \sum_k (x_k^\top \theta - y_k)^2$, whose Hessian is $\frac{2}{n} X^\top X$. Compute
# $\kappa$ for 100 houses of uniform areas and rooms from `np.random.default_rng(0)`. Then bring
# each column of $X$ to mean 0 and variance 1, and compute it again. What does it save gradient
# descent?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
rng = np.random.default_rng(0)
X = np.stack([rng.uniform(20, 120, 100), rng.integers(1, 6, 100)], axis=1)
standardized = (X - X.mean(axis=0)) / X.std(axis=0)

condition_numbers = []
for features in (X, standardized):
    curvatures = np.linalg.eigvalsh(2 / len(features) * features.T @ features)
    condition_numbers.append(curvatures[-1] / curvatures[0])
before, after = condition_numbers
print(f"kappa = {before:,.0f} before, {after:.2f} after")
assert before > 1000
assert after < 2
# The number of steps grows with kappa: it takes more than a thousand times fewer.

# %% [markdown]
# **3.** Nobody writes down the Hessian of a network, but $\lambda_{\max}$ can be found from
# gradients. For a quadratic, $H u = \nabla L(\theta + u) - \nabla L(\theta)$ for every $u$. **Power
# iteration** starts with any $u$ of length 1 and repeats $u \leftarrow H u / |H u|$: $u$ turns to
# the steepest direction, and $|H u|$ tends to $\lambda_{\max}$. Do it in 50 rounds for the loss
# `sg.mse_loss(x @ w, y)`, with the digits' 64 pixels as `x`, what they show as `y`, and
# $\theta = w$. Check that SGD is stable at 0.95 of $2 / \lambda_{\max}$, and not at 1.05.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
digits = sg.datasets.load_digits()
x, y = digits.x_train.astype(np.float64), digits.y_train.astype(np.float64)


def digits_gradient(w):
    leaf = sg.Tensor(w, requires_grad=True)
    sg.mse_loss(x @ leaf, y).backward()
    return leaf.grad


w_0 = np.zeros(64)
u = np.ones(64) / 8
for _ in range(50):
    Hu = digits_gradient(w_0 + u) - digits_gradient(w_0)
    estimate = np.linalg.norm(Hu)
    u = Hu / estimate

exact = np.linalg.eigvalsh(2 / len(x) * x.T @ x)[-1]
print(f"lambda_max = {estimate:.4f} by power iteration, {exact:.4f} from the Hessian")
assert np.isclose(estimate, exact, rtol=1e-6)

for part in (0.95, 1.05):
    w = sg.Tensor(w_0, requires_grad=True)
    opt = optim.SGD(lr=part * 2 / estimate, param_groups=[{"params": {"w": w}}])
    for _ in range(200):
        sg.mse_loss(x @ w, y).backward()
        opt.step()
        opt.zero_grad()
    loss = sg.mse_loss(x @ w, y).item()
    print(f"lr = {part} * 2 / lambda_max: loss {loss:.3g} after 200 steps")
    assert loss < 10 if part < 1 else loss > 1e6

# %% [markdown]
# **4.** Bring RMSProp to rest. Take $\beta_2 = 0.9$, start with $lr = 0.1$, and set `opt.lr` before
# each step so that it falls in a straight line to 0 over 300 steps. Compare the last distance with
# that of a constant $lr = 0.1$. Why is it not enough to start with a small $lr$?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
theta = sg.Tensor(start, requires_grad=True)
opt = optim.RMSProp(lr=0.1, beta_2=0.9, param_groups=[{"params": {"theta": theta}}])
for t in range(300):
    opt.lr = 0.1 * (1 - t / 300)
    loss_of(theta, H).backward()
    opt.step()
    opt.zero_grad()

falling = np.linalg.norm(theta.data)
constant = np.linalg.norm(path_of(optim.RMSProp, H, start, 300, lr=0.1, beta_2=0.9)[-1])
print(f"distance {constant:.4f} with a constant lr, {falling:.0e} with a falling one")
assert falling < constant / 50
# A step has about the length lr in each coordinate: with a small one, 300 steps do not get far.

# %% [markdown]
# ## Read on
#
# - Polyak (1964), "Some methods of speeding up the convergence of iteration methods", USSR
#   Computational Mathematics and Mathematical Physics 4. The heavy ball, and its constants.
# - Sutskever, Martens, Dahl and Hinton (2013), "On the importance of initialization and momentum in
#   deep learning", ICML. Momentum for networks, and Nesterov's form of it.
# - Goh (2017), "Why Momentum Really Works", Distill. The quadratic again, with pictures to play with.
