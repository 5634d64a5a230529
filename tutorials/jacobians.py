# %% [markdown]
# # Jacobians and gradients of gradients
#
# Every partial of simplegrad multiplies a vector by a matrix that it never writes down: a Jacobian.
# This chapter writes it down, by rows and by columns, and counts what each way costs. Then it
# differentiates gradients. They are computed from rules like any other result, so the rules that
# you know are enough for second derivatives: for Newton's method, for the largest learning rate of
# a model, and, in an exercise, for a loss that contains a slope.
#
# - **You will be able to** say what `backward()` multiplies and why it runs from the end, write
#   forward mode in a page of code, choose between rows and columns, and use the second derivatives
#   of a loss without storing them.
# - **Read before:** [The backward pass](backward.ipynb) and [Descent](descent.ipynb). Of
#   linear algebra: the product of matrices, and eigenvalues.

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn, rules

# %% [markdown]
# ## A derivative of several numbers by several numbers
#
# A loss is one number, and its derivative by $n$ numbers is a gradient of $n$ elements. Take a
# function whose result has $m$ elements instead. Each of them has its own gradient, and these $m$
# gradients, one below the other, are a matrix of $m$ rows and $n$ columns: the **Jacobian** of the
# function. The $J_t$ of [Sequences](sequences.ipynb) is that of a step.
#
# $$J_{ij} = \frac{\partial c_i}{\partial x_j}$$
#
# Here is a function that takes two numbers to three, $c = (x_1 x_2, \, x_1^2, \, x_2^3)$, at
# $x = (3, 2)$. You can do its six derivatives in your head.


# %%
def f(x):
    return sg.stack([x[0] * x[1], x[0] ** 2, x[1] ** 3])


x = sg.Tensor([3.0, 2.0], requires_grad=True)
c = f(x)
J = np.array(
    [
        [2.0, 3.0],  # of x_1 x_2, by x_1 and by x_2
        [6.0, 0.0],  # of x_1 ** 2
        [0.0, 12.0],  # of x_2 ** 3
    ]
)
assert np.array_equal(sg.jacobian(f, x).data, J)
print("c =", c.data)
print(J)

# %% [markdown]
# ### By rows
#
# `c.backward(grad=dc)` gives the gradient of the weighted sum $\sum_i dc_i \, c_i$. Its derivative
# by $x_j$ is $\sum_i dc_i \, J_{ij}$: the row vector $dc$ times the matrix. This is a
# **vector-Jacobian product**, or **vjp** for short.
#
# $$dx = dc \, J$$

# %%
dc = np.array([1.0, 10.0, 100.0])
c.backward(grad=dc)
dx = dc @ J
print("dx =", dx)
assert np.array_equal(x.grad, dx)

c, vjp_of = sg.vjp(f, x)  # the result, and the same thing as a function of dc
assert np.array_equal(vjp_of(dc).data, dx)

# %% [markdown]
# If $dc$ is a row of the unit matrix, the sum is a single $c_i$, and $dx$ is row $i$ of the
# Jacobian. So $m$ backward passes give all of it. `sg.jacobian` does just that.

# %%
rows = [vjp_of(dc).data for dc in np.eye(3)]
assert np.array_equal(rows, J)
for i, row in enumerate(rows, 1):
    print(f"row {i}, from one backward pass: {row}")

# %% [markdown]
# ### By columns
#
# From the right, a Jacobian is multiplied by a column vector: a **Jacobian-vector product**, or
# **jvp**. Let $x$ move with the velocity $\dot x$. Then $c$ moves with a velocity $\dot c$, which is
# called its tangent, too: for a single $x$ that moves with velocity 1, it is the slope of the tangent.
#
# $$\dot{c} = J \, \dot{x}$$

# %%
x_dot = np.array([1.0, -1.0])
c, c_dot = sg.jvp(f, x, x_dot)
print("tangent of c:", c_dot.data)
assert np.array_equal(c_dot.data, J @ x_dot)

columns = [sg.jvp(f, x, x_dot)[1].data for x_dot in np.eye(2)]
assert np.array_equal(np.stack(columns, axis=1), J)

# %% [markdown]
# If only $x_j$ moves, with velocity 1, the tangent is column $j$. So $n$ of these products give the
# whole Jacobian, too. How `sg.jvp` gets one, you will see below.
#
# A difference is a jvp as well, up to an error: $(f(x + h \dot x) - f(x)) / h$. The complex step of
# [Gradients](gradients.ipynb) has hardly any, and takes a vector as well as a number:
#
# $$J \, \dot x \approx \mathrm{Im} \, f(x + i \, h \, \dot x) / h$$
#
# It knows neither rules nor tapes, so it is the judge in what follows.


# %% jupyter={"source_hidden": true}
def by_complex_step(f, x, x_dot, h=1e-30):
    """The Jacobian of f times x_dot, from NumPy alone."""
    return f(x + 1j * h * x_dot).imag / h


def f_of_numpy(x):
    return np.stack([x[0] * x[1], x[0] ** 2, x[1] ** 3])


x_dot = np.array([1.0, -1.0])
tangent = by_complex_step(f_of_numpy, np.array([3.0, 2.0]), x_dot)
assert np.allclose(tangent, J @ x_dot, rtol=1e-14)
print("tangent of c:", tangent)

# %% [markdown]
# ## Every partial is a vector-Jacobian product
#
# Look at the rules with this in mind. A partial is called with $dc$ and returns $da$. It multiplies
# $dc$ by the Jacobian of its rule. The Jacobian of `Tanh` is diagonal, since each element of $c$
# depends on one element of $a$:
#
# $$c = \tanh a$$
#
# $$J = \mathrm{diag}(1 - c^2)$$

# %% jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
a = rng.normal(size=4)
c = rules.Tanh.forward(a)
dc = rng.normal(size=4)

J = np.diag(1 - c**2)
judged = np.stack([by_complex_step(np.tanh, a, e_j) for e_j in np.eye(4)], axis=1)
assert np.allclose(J, judged, rtol=1e-14)
assert np.allclose(dc @ J, rules.Tanh.da(dc, c, a), rtol=1e-14)
print(f"dc J: {dc.size * J.shape[1]} multiplications by a matrix with {J.size - 4} zeros")

# %% [markdown]
# The partial `dc * (1 - c**2)` does not write the zeros down. A matrix product gains more. Let $a$
# have the shape (2, 3) and $b$ the shape (3, 4). The derivative of
# $c_{ij} = \sum_k a_{ik} \, b_{kj}$ by $a_{kl}$ is $b_{lj}$ if $i = k$, and 0 otherwise. With the
# elements of $a$ and $c$ read row by row, the Jacobian is a matrix of 8 rows and 6 columns, with
# $b^\top$ in each diagonal block:
#
# $$J = I \otimes b^\top$$

# %% jupyter={"source_hidden": true}
a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
c = rules.MatMul.forward(a, b)
dc = rng.normal(size=(2, 4))

J = np.kron(np.eye(2), b.T)
columns = [by_complex_step(lambda a: a @ b, a, e.reshape(2, 3)).ravel() for e in np.eye(6)]
assert np.allclose(J, np.stack(columns, axis=1), rtol=1e-14)

da = rules.MatMul.da(dc, c, a, b)
assert np.allclose(dc.ravel() @ J, da.ravel(), rtol=1e-14)
assert np.allclose(da, dc @ b.T, rtol=1e-14)
print(J.round(1) + 0)  # + 0 turns -0 into 0

# %% [markdown]
# `dc @ b.T` is all that is left of it. For a batch of 100 rows and a layer of 1,000 by 1,000
# weights, the Jacobian by $a$ would have $10^{10}$ elements. The partial multiplies by $b^\top$,
# which has $10^6$. This is why a rule has a partial, and not a Jacobian.
#
# ## `backward` is one too
#
# The Jacobian of a composed function is the product of the Jacobians of its parts: that is the
# chain rule. Take two layers, $h = \tanh(x W_1)$ and $c = \tanh(h W_2)$. Their Jacobians are $J_1$
# and $J_2$, and
#
# $$J = J_2 \, J_1$$
#
# `backward` is given $dc$ and multiplies from the left. It starts with the last layer:
#
# $$dc \, J = (dc \, J_2) \, J_1$$

# %%
W_1, W_2 = rng.normal(size=(4, 5)), rng.normal(size=(5, 3))


def network(x, tanh=sg.tanh):
    return tanh(tanh(x @ W_1) @ W_2)


x = rng.normal(size=4)
h = np.tanh(x @ W_1)
c = np.tanh(h @ W_2)
J_1 = np.diag(1 - h**2) @ W_1.T
J_2 = np.diag(1 - c**2) @ W_2.T
J = J_2 @ J_1
judged = [by_complex_step(lambda x: network(x, np.tanh), x, e_j) for e_j in np.eye(4)]
assert np.allclose(J, np.stack(judged, axis=1), rtol=1e-12)

dc = rng.normal(size=3)
leaf = sg.Tensor(x, requires_grad=True)
network(leaf).backward(grad=dc)
assert np.allclose(leaf.grad, (dc @ J_2) @ J_1, rtol=1e-12)
print("backward() gave dc J:", leaf.grad.round(4))

# %% [markdown]
# So `backward` is a vector-Jacobian product of the whole graph, made of those of its rules. For a
# loss, $dc$ is the number 1, and $dc \, J$ is the gradient.
#
# From the left, each intermediate result is a row vector. From the right, with $\dot x$, each is a
# column vector: $J_2 \, (J_1 \, \dot x)$. That order begins with the first layer, so it can go
# along with the computation itself. It is called **forward mode**, and the other one **reverse
# mode**.
#
# ## Forward mode with dual numbers
#
# In forward mode, each number carries its tangent along. Write the pair as
# $a + \dot a \, \varepsilon$, and let $\varepsilon^2 = 0$. These are the **dual numbers**
# (Clifford, 1873). Multiply two of them, and the product rule comes out by itself. A smooth
# function takes the first two terms of its Taylor series, here with $c = \tanh a$:
#
# $$(a + \dot a \, \varepsilon) (b + \dot b \, \varepsilon) = a \, b + (\dot a \, b + a \, \dot b) \, \varepsilon$$
#
# $$\tanh(a + \dot a \, \varepsilon) = c + (1 - c^2) \, \dot a \, \varepsilon$$
#
# A class whose operators know this is a forward mode. In exercise 3 of [The backward
# pass](backward.ipynb) you went along the tape from the front. Here is no tape: when the result
# is there, so is its tangent.


# %%
class Dual:
    """A number or an array, and its tangent: a + a_dot ε, where ε² = 0."""

    def __init__(self, value, tangent=0.0):
        self.value = value
        self.tangent = np.zeros_like(value) + tangent

    def __add__(a, b):
        b = b if isinstance(b, Dual) else Dual(b)
        return Dual(a.value + b.value, a.tangent + b.tangent)

    def __mul__(a, b):
        b = b if isinstance(b, Dual) else Dual(b)
        return Dual(a.value * b.value, a.tangent * b.value + a.value * b.tangent)

    def __matmul__(a, b):
        b = b if isinstance(b, Dual) else Dual(b)
        return Dual(a.value @ b.value, a.tangent @ b.value + a.value @ b.tangent)

    def __pow__(a, n):
        return Dual(a.value**n, n * a.value ** (n - 1) * a.tangent)

    def __getitem__(a, index):
        return Dual(a.value[index], a.tangent[index])

    def tanh(a):
        c = np.tanh(a.value)
        return Dual(c, (1 - c**2) * a.tangent)


a, b = Dual(3.0, 1.0), Dual(2.0, -1.0)
assert (a * b).value == 3 * 2
assert (a * b).tangent == 1 * 2 + 3 * -1
assert ((a * a + b) ** 2).tangent == 2 * (3**2 + 2) * (2 * 3 * 1 - 1)
assert np.isclose(a.tanh().tangent, 1 - np.tanh(3.0) ** 2)

# %% [markdown]
# Give it the same network. Dual numbers, the complex step and `sg.jvp` agree. They have to: a
# complex step is a dual number whose $\varepsilon$ is $i \, h$, with an $h$ so small that its
# square is lost in rounding.

# %% jupyter={"source_hidden": true}
x_dot = rng.normal(size=4)
c = network(Dual(x, x_dot), Dual.tanh)
tangents = {
    "dual numbers": c.tangent,
    "complex step": by_complex_step(lambda x: network(x, np.tanh), x, x_dot),
    "sg.jvp": sg.jvp(network, sg.Tensor(x), x_dot)[1].data,
}
for name, tangent in tangents.items():
    print(f"{name:14}", tangent)
    assert np.allclose(tangent, J_2 @ (J_1 @ x_dot), rtol=1e-12)

# %% [markdown]
# ## What both modes cost
#
# A pass from the left multiplies a row by each $J_k$, and one from the right multiplies each $J_k$
# by a column. A product of a vector and a matrix takes as many multiplications as the matrix has
# elements, on either side. So a pass costs the same in both modes, about as much as computing $c$.
# What differs is how many passes a whole Jacobian takes: $m$ from the left, one for each row, and
# $n$ from the right, one for each column. Count them in a chain of four layers.


# %% jupyter={"source_hidden": true}
def by_rows(Js):
    """The Jacobian of a chain, in reverse mode, and the multiplications that it took."""
    rows, count = [], 0
    for row in np.eye(len(Js[-1])):
        for J_k in reversed(Js):
            row = row @ J_k
            count += J_k.size
        rows.append(row)
    return np.array(rows), count


def by_columns(Js):
    """The same in forward mode."""
    columns, count = [], 0
    for column in np.eye(Js[0].shape[1]):
        for J_k in Js:
            column = J_k @ column
            count += J_k.size
        columns.append(column)
    return np.array(columns).T, count


def chain(n, m):
    """The Jacobians of four layers, from n numbers to m, with 16 between them."""
    shapes = (16, n), (16, 16), (16, 16), (m, 16)
    return [rng.normal(size=shape) for shape in shapes]


sizes = [1, 4, 16, 64, 256]
counts = {}
for n, m in [*((n, 1) for n in sizes), *((1, m) for m in sizes)]:
    Js = chain(n, m)
    J, reverse = by_rows(Js)
    same_J, forward = by_columns(Js)
    assert np.allclose(J, same_J)
    assert reverse / forward == m / n
    counts[n, m] = reverse, forward

for n, m in ((256, 1), (1, 256)):
    reverse, forward = counts[n, m]
    print(f"{n:3} inputs, {m:3} outputs: {reverse:9,} by rows, {forward:9,} by columns")

# %% [markdown]
# A loss is one number that depends on a million: one row, or a million columns. This is why
# simplegrad works in reverse mode. It is not free, since the tape keeps every intermediate result
# until the backward pass has used it. Forward mode keeps nothing, and where one input has many
# outputs, such as the points of a path that depends on one angle, it is the one to take.
#
# ## A jvp from two vjps
#
# There is no forward mode in simplegrad, and yet there is `sg.jvp`. The trick is Townsend's (2017).
# Take any row vector $u$. As a function of $u$, the product $u \, J$ is linear, and so is the
# number $u \, J \, \dot x$. Its gradient by $u$ is what $u$ is multiplied by:
#
# $$\frac{\partial}{\partial u} (u \, J \, \dot{x}) = J \, \dot{x}$$
#
# So differentiate a backward pass by the $dc$ that it was given. `sg.grad` returns gradients in
# place of adding them to `.grad`, and with `create_graph=True` what it returns can be
# differentiated again.

# %%
leaf = sg.Tensor(x, requires_grad=True)
c = network(leaf)
u = sg.Tensor(np.zeros(3), requires_grad=True)  # any u will do
uJ = sg.grad(c, leaf, grad=u, create_graph=True)
uJx = (uJ * x_dot).sum()
c_dot = sg.grad(uJx, u)

assert np.allclose(c_dot.data, J_2 @ (J_1 @ x_dot), rtol=1e-12)
assert np.allclose(c_dot.data, sg.jvp(network, leaf, x_dot)[1].data, rtol=1e-12)
print("u J =", uJ.data, "and its derivative along u =", c_dot.data)

# %% [markdown]
# The four lines in the middle are those of `sg.jvp`. $u$ is 0, and so is $u \, J$, but its
# derivative is not.
#
# ## The gradient is a graph
#
# What happened there? A partial is a few operations on arrays: that of `Tanh` is `dc * (1 - c**2)`.
# With `create_graph=True`, `sg.grad` gives it Tensors instead, and everything that the partial
# computes is recorded. The gradient is then a result like any other, with a graph of its own:
#
# $$dx = \frac{\partial L}{\partial x}$$

# %%
x = sg.Tensor(0.5, requires_grad=True, name="x")
L = sg.tanh(x)
L.name = "L"
dx = sg.grad(L, x, create_graph=True)
assert np.isclose(dx.item(), 1 - np.tanh(0.5) ** 2)
assert dx.name == "Tanh.da"

# %% [markdown]
# Read the picture from its end: the last product is `dc * (1 - c**2)`, with $dc = 1$. A result of a partial
# has the name of the rule and of the partial, `Tanh.da`, unless you give it another. And it depends
# on `L`, which was computed from `x`.

# %% alt="The graph of the gradient of tanh x, from left to right: leaf x with value 0.5; L, its Tanh, 0.4621; L to the power 2; 1 minus that, 0.7864; and the product with the constant 1, which is called Tanh.da."
sg.draw(dx)

# %% [markdown]
# The rules of this graph are `Pow`, `Sub` and `Mul`, and each has its partials. So the second
# derivative needs no new equation, nor the third. $\tanh$ has $-2 \tanh x \, (1 - \tanh^2 x)$. For
# $x^4$, every derivative is exact:

# %%
second = sg.grad(dx, x)
tanh = np.tanh(0.5)
assert np.isclose(second.item(), -2 * tanh * (1 - tanh**2))

x = sg.Tensor(3.0, requires_grad=True)
derivative, orders = x**4, []
for _ in range(4):
    derivative = sg.grad(derivative, x, create_graph=True)
    orders.append(derivative.item())
print("the derivatives of x ** 4 at 3:", orders)
assert orders == [4 * 3**3, 12 * 3**2, 24 * 3, 24]

# %% [markdown]
# ## The Hessian
#
# The Hessian of [Descent](descent.ipynb), the matrix of the second derivatives of a loss, is the
# Jacobian of the gradient.
#
# $$H_{ij} = \frac{\partial^2 L}{\partial x_i \, \partial x_j}$$
#
# There the loss was a valley that was written down by its Hessian. Now go the other way: from the
# loss to the Hessian, its eigenvalues and the condition number $\kappa$.

# %% jupyter={"source_hidden": true}
lambda_min, lambda_max = 1.0, 25.0
angle = np.radians(45)
Q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
H_Q = Q @ np.diag([lambda_min, lambda_max]) @ Q.T
start = Q @ np.array([5.0, 1.0])


def valley(theta):
    return (theta @ H_Q @ theta) / 2


theta = sg.Tensor(start)
H = sg.hessian(valley, theta).data
same_H = sg.jacobian(lambda theta: sg.grad(valley(theta), theta, create_graph=True), theta).data
assert np.allclose(H, H_Q)
assert np.array_equal(H, same_H)
assert np.array_equal(H, H.T)

lambdas = np.linalg.eigvalsh(H)
kappa = lambdas[-1] / lambdas[0]
print(H)
print(f"eigenvalues {lambdas.round(6)}, kappa = {kappa:.6g}")
assert np.allclose(lambdas, [lambda_min, lambda_max])
assert np.isclose(kappa, 25)

# %% [markdown]
# A Hessian is symmetric, because the order of two derivatives does not matter if they are
# continuous.
#
# ## Newton's method
#
# Gradient descent knows the slope. With the Hessian, you know the quadratic that fits the loss at
# $\theta$, and you can go to where its gradient vanishes. With $g$ for the gradient, the quadratic
# has the gradient $g + H \, \Delta\theta$ after a step $\Delta\theta$. Set it to 0, and you have
# **Newton's method**:
#
# $$\theta \mathrel{-}= H^{-1} \, g$$


# %%
def newton_step(loss_of, theta):
    """Where the gradient of the fitted quadratic vanishes."""
    leaf = sg.Tensor(theta, requires_grad=True)
    g = sg.grad(loss_of(leaf), leaf).data
    H = sg.hessian(loss_of, sg.Tensor(theta)).data
    return theta - np.linalg.solve(H, g)


theta = newton_step(valley, start)
print(f"from {start.round(3)} to {theta.round(12) + 0} in one step")
assert np.allclose(theta, 0, atol=1e-12)

# %% [markdown]
# One step, whatever $\kappa$ and the angle are: a quadratic is its own fitted quadratic. For
# gradient descent, the number of steps grows as $\kappa$. On other losses, the fit neglects the third
# derivative and those after it. Near a minimum these matter less and less, and each step about
# doubles the number of correct digits, as you will see below.
#
# ### Where it fails
#
# Newton's method looks for a place where the gradient vanishes. Nothing in it says "down". This
# loss has two minima, at $(\pm 1, 0)$, and a **saddle** between them, at 0, where it curves down in
# one direction and up in the other. A Hessian with eigenvalues below 0 and above, as it has there,
# is called **indefinite**.
#
# $$L = \tfrac{1}{4} \, \theta_1^4 - \tfrac{1}{2} \, \theta_1^2 + \tfrac{1}{2} \, \theta_2^2$$


# %% jupyter={"source_hidden": true}
def saddle(theta):
    return theta[0] ** 4 / 4 - theta[0] ** 2 / 2 + theta[1] ** 2 / 2


start = np.array([0.4, 1.0])
newton, descent = [start], [start]
for _ in range(6):
    newton.append(newton_step(saddle, newton[-1]))
for _ in range(60):
    leaf = sg.Tensor(descent[-1], requires_grad=True)
    descent.append(descent[-1] - 0.2 * sg.grad(saddle(leaf), leaf).data)
newton, descent = np.array(newton), np.array(descent)

curvatures = np.linalg.eigvalsh(sg.hessian(saddle, sg.Tensor(start)).data)
print(f"eigenvalues at the start: {curvatures.round(2)}")
print(f"Newton's method ends at {newton[-1].round(4) + 0}")
print(f"gradient descent ends at {descent[-1].round(4) + 0}")
assert curvatures[0] < 0 < curvatures[1]
assert np.allclose(newton[-1], [0, 0], atol=1e-9)
assert np.allclose(descent[-1], [1, 0], atol=1e-4)
assert saddle(newton[-1]) > saddle(descent[-1])
no_inverse = sg.hessian(saddle, sg.Tensor(np.array([1 / np.sqrt(3), 1.0]))).data
assert abs(np.linalg.det(no_inverse)) < 1e-12

# %% alt="Newton's method and gradient descent on a loss with two minima and a saddle between them. Both paths start at (0.4, 1), above the right half of the map. Newton's method jumps to the middle and ends in three steps at the saddle. Gradient descent bends away from it and creeps to the minimum on the right." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
places = np.stack(np.meshgrid(np.linspace(-1.6, 1.6, 200), np.linspace(-0.6, 1.2, 200)))
levels = [-0.24, -0.2, -0.15, -0.1, -0.05, 0, 0.1, 0.2, 0.4, 0.6]
axes.contour(*places, saddle(places), levels=levels, colors="C7", linestyles="-", linewidths=0.6)
axes.plot([-1, 1], [0, 0], "C7+", markersize=12)
axes.plot(*newton.T, "C1s--", markersize=5, linewidth=1.2, label="Newton's method")
axes.plot(*descent.T, "C0o-", markersize=4, linewidth=1.2, label="gradient descent, lr = 0.2")
axes.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$", aspect="equal")
figure.legend(loc="outside upper center", ncols=2)
plt.show()

# %% [markdown]
# In the direction of a negative eigenvalue, $-H^{-1} g$ leads up. And between curving up and curving
# down, at $\theta_1 = 1 / \sqrt{3}$, the Hessian has no inverse.
#
# Dauphin et al. (2014) argue that a loss of many parameters has far more saddles than minima, and
# exercise 3 has their cure. The other difficulty is size: a network of a million parameters has a
# Hessian of $10^{12}$ elements.
#
# ## The Hessian times a vector
#
# You seldom need all of it. For a vector $v$ that is held fixed, $H v$ is the gradient of a number,
# the slope of the loss along $v$ (Pearlmutter, 1994):
#
# $$H v = \frac{\partial}{\partial x} \left( \frac{\partial L}{\partial x} \cdot v \right)$$
#
# That is two backward passes, and no matrix. `sg.hvp` does it. To try it, take a model with 64
# weights, small enough for its Hessian to be written down: logistic regression, a linear layer and a
# sigmoid that tell the digit 8 from the others. What the equation calls $x$ are the weights $w$ here.
# The term with $w^2$, an L2 regularization, makes sure that the loss has a single minimum.

# %%
digits = sg.datasets.load_digits()
pixels = digits.x_train.astype(np.float64)
is_eight = (digits.y_train == 8).astype(np.float64)


def loss_of(w):
    return sg.binary_cross_entropy_with_logits(pixels @ w, is_eight) + 0.005 * (w @ w)


w = sg.Tensor(np.zeros(64), requires_grad=True)
v = rng.normal(size=64)
L = loss_of(w)
dw = sg.grad(L, w, create_graph=True)
Hv = sg.grad((dw * v).sum(), w)

H = sg.hessian(loss_of, sg.Tensor(w.data)).data
assert np.allclose(Hv.data, H @ v)
assert np.allclose(Hv.data, sg.hvp(loss_of, w, v)[1].data, rtol=1e-12)
print(f"H has {H.size:,} elements and takes {len(H)} backward passes of the gradient, Hv takes 1")

# %% [markdown]
# ### The largest eigenvalue
#
# Power iteration finds $\lambda_{\max}$ from products alone, as in exercise 3 of
# [Descent](descent.ipynb), but without an error from differences. Start with any $v$ and repeat
#
# $$v \leftarrow H v / |H v|$$
#
# Each product multiplies the part of $v$ along an eigenvector by its eigenvalue, so the part with
# the largest absolute value outgrows the others. When $v$ has turned to it, and has length 1,
#
# $$\lambda_{\max} = v^\top H v$$


# %%
def largest_eigenvalue(loss_of, w, rounds=100):
    """The largest eigenvalue of the Hessian at w, and its eigenvector."""
    v = np.random.default_rng(0).normal(size=w.shape)
    v = v / np.linalg.norm(v)
    for _ in range(rounds):
        Hv = sg.hvp(loss_of, sg.Tensor(w), v)[1].data
        v = Hv / np.linalg.norm(Hv)
    Hv = sg.hvp(loss_of, sg.Tensor(w), v)[1].data
    return v @ Hv, v


lambda_max, v = largest_eigenvalue(loss_of, np.zeros(64))
exact = np.linalg.eigvalsh(H)[-1]
print(f"from products {lambda_max:.4f}, from the matrix {exact:.4f}")
assert np.isclose(lambda_max, exact, rtol=1e-6)

# %% [markdown]
# It differs from place to place. Go to the minimum with Newton's method, and look at it in each step. This
# loss is convex, so no saddle is in the way.


# %% jupyter={"source_hidden": true}
def slope_at(w):
    """The length of the gradient."""
    leaf = sg.Tensor(w, requires_grad=True)
    return np.linalg.norm(sg.grad(loss_of(leaf), leaf).data)


w = np.zeros(64)
slopes, curvatures = [], []
for t in range(6):
    lambda_max, v = largest_eigenvalue(loss_of, w)
    slopes.append(slope_at(w))
    curvatures.append(lambda_max)
    print(f"step {t}: gradient {slopes[t]:.0e}, largest eigenvalue {lambda_max:.4f}")
    exact = np.linalg.eigvalsh(sg.hessian(loss_of, sg.Tensor(w)).data)[-1]
    assert np.isclose(lambda_max, exact, rtol=1e-6)
    w = newton_step(loss_of, w)

w_min = w
assert slopes[5] < 1e-6
assert slope_at(w_min) < 1e-12
assert curvatures[0] > 3 * curvatures[5]

# %% [markdown]
# From step 3 on, each step about doubles the number of zeros in front of the gradient. The largest
# curvature at the start is three times what it is in the end, since this loss is no quadratic.
#
# ### The largest learning rate
#
# Near the minimum, the loss is almost a quadratic, and what [Descent](descent.ipynb) says of
# quadratics holds: a step of gradient descent multiplies the distance along an eigenvector by
# $1 - lr \, \lambda$, and it stays below 1 for all of them if
#
# $$lr < 2 / \lambda_{\max}$$
#
# Start a ten-thousandth away from the minimum, with learning rates just below and just above.

# %% jupyter={"source_hidden": true}
lambda_max, v = largest_eigenvalue(loss_of, w_min)
lr_max = 2 / lambda_max
print(f"lambda_max = {lambda_max:.4f}, so lr < {lr_max:.3f}")

distances = {}
for part in (0.95, 1.05):
    w = sg.Tensor(w_min + 1e-4 * v, requires_grad=True)
    opt = optim.SGD(lr=part * lr_max, param_groups=[{"params": {"w": w}}])
    distances[part] = [1e-4]
    for _ in range(40):
        loss_of(w).backward()
        opt.step()
        opt.zero_grad()
        distances[part].append(np.linalg.norm(w.data - w_min))
    factor = distances[part][20] / distances[part][19]
    print(f"lr = {part} lr_max: the distance is multiplied by {factor:.3f} in each step")
    assert np.isclose(factor, abs(1 - part * lr_max * lambda_max), rtol=0.01)

assert distances[0.95][-1] < 1e-4 / 50
assert distances[1.05][-1] > 1e-4 * 30

# %% [markdown]
# Here you could have written the Hessian down. `largest_eigenvalue` never did: it takes a hundred
# products, each at the cost of a few gradients, whatever the number of weights is. For the
# parameters of a network, `sg.hvp` takes a list of tensors, and a list of vectors of their shapes.
#
# ## Exercises
#
# The longer exercises `vjp` and `hvp` in `tutorials/exercises/` come with a check that says which
# equation is wrong: `python -m simplegrad.exercises check vjp`.
#
# **1.** Write the Jacobian of the softmax by hand, for a vector $a$ of five elements: $p_i$ depends
# on every $a_j$. Compare with `sg.jacobian`. What do its rows add up to, and its columns, and why?
# Then multiply it from the left by the gradient of $-\log p_y$. You know what must come out from
# [Quickstart](quickstart.ipynb).

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
a = np.random.default_rng(0).normal(size=5)
p = np.exp(a) / np.exp(a).sum()
J = np.diag(p) - np.outer(p, p)
assert np.allclose(sg.jacobian(lambda a: sg.softmax(a, axis=0), sg.Tensor(a)).data, J)

# The p_i add up to 1 whatever a is, so each column adds up to 0. Adding the same number to all of a
# changes no p_i, so each row adds up to 0. J is symmetric.
assert np.allclose(J.sum(axis=0), 0)
assert np.allclose(J.sum(axis=1), 0)

is_right = np.arange(5) == 2
dp = np.where(is_right, -1 / p, 0)
assert np.allclose(dp @ J, p - is_right)
print("dp J = p - [j = y]:", (dp @ J).round(3))

# %% [markdown]
# **2.** $H v$ is also a jvp: how the gradient changes along $v$. This is **forward over reverse**.
# Compute it for the loss with the saddle, at $\theta = (0.4, 1)$ for $v = (1, 2)$, in three ways:
# with `sg.hvp`, with `sg.jvp` of a function that calls `sg.grad`, and with the gradient written by
# hand and run on `Dual`.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
theta, v = np.array([0.4, 1.0]), np.array([1.0, 2.0])


def gradient_of(theta):
    return sg.grad(saddle(theta), theta, create_graph=True)


def by_hand(theta):
    return [theta[0] ** 3 + theta[0] * -1, theta[1]]


Hv = sg.hvp(saddle, sg.Tensor(theta), v)[1].data
forward_over_reverse = sg.jvp(gradient_of, sg.Tensor(theta), v)[1].data
with_duals = [g.tangent for g in by_hand(Dual(theta, v))]
print("H v =", Hv)
assert np.allclose(Hv, [(3 * 0.4**2 - 1) * 1, 1 * 2])
assert np.allclose(Hv, forward_over_reverse)
assert np.allclose(Hv, with_duals)

# %% [markdown]
# **3.** Bring Newton's method past the saddle. Take the eigenvalues and eigenvectors of $H$ with
# `np.linalg.eigh`, put the absolute value in the place of each eigenvalue, and step with that
# matrix (Dauphin et al., 2014). Start at $(0.4, 1)$. Why is it as fast as Newton's method near the
# minimum?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
theta = np.array([0.4, 1.0])
for t in range(8):
    leaf = sg.Tensor(theta, requires_grad=True)
    g = sg.grad(saddle(leaf), leaf).data
    lambdas, V = np.linalg.eigh(sg.hessian(saddle, sg.Tensor(theta)).data)
    theta = theta - V @ ((V.T @ g) / abs(lambdas))
    print(f"step {t + 1}: theta = {theta.round(6) + 0}")
assert np.allclose(theta, [1, 0], atol=1e-12)
# Near the minimum all eigenvalues are positive, and the step is Newton's.

# %% [markdown]
# **4.** The trace of the Hessian, the sum of its eigenvalues, from products alone. Let the elements
# of $v$ be $1$ or $-1$ at random, each as likely as the other. Then (Hutchinson, 1990)
#
# $$\mathrm{tr} \, H = \mathbb{E}[v^\top H v]$$
#
# Why? Estimate it from 200 vectors for logistic regression at its minimum, and compare with
# `sg.hessian`.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
rng = np.random.default_rng(0)
samples = []
for _ in range(200):
    v = rng.choice([-1.0, 1.0], size=64)
    Hv = sg.hvp(loss_of, sg.Tensor(w_min), v)[1].data
    samples.append(v @ Hv)

estimate = np.mean(samples)
standard_error = np.std(samples) / np.sqrt(len(samples))
exact = np.trace(sg.hessian(loss_of, sg.Tensor(w_min)).data)
print(f"the trace is {exact:.3f}, and the estimate {estimate:.3f} ± {standard_error:.3f}")
assert abs(estimate - exact) < 4 * standard_error
# v_i v_j is 1 for i = j, and 0 on average for all others: of the sum of v_i H_ij v_j the diagonal remains.

# %% [markdown]
# **5.** A gradient that is a result can be a part of a loss. A network $c$ that is fitted to $n$ noisy points
# $(x_k, y_k)$ bends to meet each of them. Make it pay for its slope, at $n$ other places $z_k$ that are drawn
# at random in each step. $P$ is a **gradient penalty**:
#
# $$E = \frac{1}{n} \sum_k (c(x_k) - y_k)^2$$
#
# $$P = \frac{1}{n} \sum_k \left( \frac{\partial c(z_k)}{\partial z_k} \right)^2$$
#
# $$L = E + \gamma \, P$$
#
# Fit points of a sine with noise, with $\gamma = 0$ and $0.1$. Which network is nearer to the sine? Such a
# training is also called **double backpropagation** (Drucker and LeCun, 1992); Gulrajani et al. (2017) let
# the critic of a GAN pay for slopes whose length is not 1.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 5
def fitted(x, y, gamma, steps=500):
    """A network of one input and one output, trained with a gradient penalty."""
    sg.manual_seed(0)
    rng = np.random.default_rng(0)
    c = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    opt = optim.Adam(model=c, lr=0.02)
    for _ in range(steps):
        z = sg.Tensor(rng.uniform(-3, 3, size=x.shape).astype(x.dtype), requires_grad=True)
        dz = sg.grad(c(z).sum(), z, create_graph=True)
        E = ((c(x) - y) ** 2).mean()
        P = (dz**2).mean()
        L = E + gamma * P
        L.backward()
        opt.step()
        opt.zero_grad()
    return c


grid = np.linspace(-3, 3, 121, dtype=np.float32)[:, None]
for seed in range(3):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, size=(30, 1)).astype(np.float32)
    y = (np.sin(x) + rng.normal(scale=0.5, size=x.shape)).astype(np.float32)
    curves, errors = [], []
    for gamma in (0, 0.1):
        c = fitted(x, y, gamma)
        curves.append(c(grid).data)
        errors.append(np.mean((curves[-1] - np.sin(grid)) ** 2))
    print(f"points {seed}: from the sine {errors[0]:.2f}, with the penalty {errors[1]:.2f}")
    assert errors[1] < 0.8 * errors[0]

# Each output depends on its own z_k alone, so the gradient of their sum holds the slopes of all of them.

# %% [markdown]
# ## Read on
#
# - Griewank and Walther (2008), *Evaluating Derivatives: Principles and Techniques of Algorithmic
#   Differentiation*, second edition. Both modes and what they cost.
# - Pearlmutter (1994), "Fast Exact Multiplication by the Hessian", Neural Computation 6.
# - Dauphin et al. (2014), "Identifying and attacking the saddle point problem in high-dimensional
#   non-convex optimization", NIPS.
# - Cohen, Kaur, Li, Kolter and Talwalkar (2021), "Gradient Descent on Neural Networks Typically
#   Occurs at the Edge of Stability", ICLR: what $2 / \lambda_{\max}$ does while a network is
#   trained.
#
# If something here surprised you, step through it: [Seeing it happen](seeing.ipynb) shows how.
