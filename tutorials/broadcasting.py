# %% [markdown]
# # Broadcasting
#
# NumPy adds a bias of shape (10,) to a batch of shape (32, 10) without a word: it repeats the
# smaller array. What is repeated is used several times, so its gradients add. This tutorial derives
# that sum, builds the function that takes it, and shows how broadcasting can make a loss compare
# the wrong things.
#
# - **You will be able to** predict the shape of any broadcast, write its gradient, explain
#   `unbroadcast`, and find a loss that compares the wrong things.
# - **Read before:** [The backward pass](backward.ipynb).

# %%
from itertools import product
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn
from simplegrad.autograd import unbroadcast

# %% [markdown]
# ## What NumPy does
#
# Two shapes are aligned at the right. Where one has fewer axes, it is filled up with sizes of 1 at
# the left. Then, axis by axis, the two sizes must be equal, or one of them must be 1. The array with
# the 1 is repeated along that axis.

# %%
for a_shape, b_shape in [((3, 1), (4,)), ((32, 10), (10,)), ((2, 3, 4), (3, 1)), ((5,), ())]:
    c_shape = np.broadcast_shapes(a_shape, b_shape)
    print(f"{a_shape!s:10} and {b_shape!s:6} give {c_shape}")

try:
    sg.ones((3, 2)) + sg.ones(3)
except ValueError as error:
    print(fill(str(error), 88))

# %% [markdown]
# Here is the first pair, a column of three numbers and a row of four. What you gave has solid lines,
# what NumPy repeats has dotted lines.

# %%
a = np.array([[10.0], [20.0], [30.0]])  # shape (3, 1)
b = np.array([1.0, 2.0, 3.0, 4.0])  # shape (4,)
c = a + b
print(c)

# %% alt="Three grids of 3 rows and 4 columns. The first repeats the column 10, 20, 30 four times. The second repeats the row 1, 2, 3, 4 three times. The third is their sum, from 11 to 34." jupyter={"source_hidden": true}
grids = [
    ("a, shape (3, 1)", np.broadcast_to(a, c.shape), [(0, 0), (1, 0), (2, 0)], "C0"),
    ("b, shape (4,)", np.broadcast_to(b, c.shape), [(0, 0), (0, 1), (0, 2), (0, 3)], "C1"),
    ("c = a + b, shape (3, 4)", c, list(np.ndindex(c.shape)), "C2"),
]
figure, panels = plt.subplots(1, 3, figsize=(6.5, 2.2))
for axes, (title, values, given, color) in zip(panels, grids, strict=True):
    for i, j in np.ndindex(values.shape):
        line = "-" if (i, j) in given else ":"
        axes.add_patch(
            plt.Rectangle((j + 0.06, i + 0.06), 0.88, 0.88, fill=False, ls=line, ec=color)
        )
        axes.text(j + 0.5, i + 0.5, f"{values[i, j]:g}", ha="center", va="center")
    axes.set_title(title, fontsize=10.5)
    axes.set(xlim=(0, 4), ylim=(3, 0), aspect="equal")
    axes.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## The gradients of copies add
#
# Write it with an index for each axis, and there is nothing special about it. $a_i$ appears in each
# element of row $i$ of the result, $b_j$ in each element of column $j$. What is used several times
# gets the sum of the gradients of its uses:
#
# $$c_{ij} = a_i + b_j$$
# $$da_i = \sum_j dc_{ij}$$
# $$db_j = \sum_i dc_{ij}$$

# %%
dc = np.arange(12.0).reshape(3, 4)
c, da, db = np.zeros((3, 4)), np.zeros(3), np.zeros(4)
for i in range(3):
    for j in range(4):
        c[i, j] = a[i, 0] + b[j]
        da[i] += dc[i, j]
        db[j] += dc[i, j]
print(dc)
print(f"da = {da}, the sums of its rows")
print(f"db = {db}, the sums of its columns")

a = sg.Tensor(a, requires_grad=True, name="a")
b = sg.Tensor(b, requires_grad=True, name="b")
(a + b).backward(grad=dc)  # goes back from this dc, as there is no loss here
assert np.array_equal((a + b).data, c)
assert np.array_equal(a.grad, da.reshape(3, 1))
assert np.array_equal(b.grad, db)

# %% [markdown]
# So a gradient is summed along each axis along which its tensor was repeated, and comes out in the
# tensor's own shape: `a.grad` has shape (3, 1).
#
# On the site, the next thing is a figure in which you choose two shapes and see their copies and sums.
# In a notebook, change the shapes in the cells above. Which pairs do not fit, and what does the error
# say?
#
# <!-- figure: broadcasting -->
#
# The same holds for any rule. A partial of `Mul` is elementwise, it knows nothing of repeating, and
# so its result has the shape of $c$. The sum comes after it:
#
# $$c_{ij} = a_i \, b_j$$
# $$db_j = \sum_i dc_{ij} \, a_i$$

# %%
c = a.data * b.data
of_each_copy = dc * a.data  # what Mul.db returns: a gradient for each copy of b
db = of_each_copy.sum(axis=0)
print(f"shape of each copy's gradient: {of_each_copy.shape}, of the sum: {db.shape}")

b.zero_grad()
(a * b).backward(grad=dc)
assert np.array_equal((a * b).data, c)
assert np.array_equal(b.grad, db)

# %% [markdown]
# ## The same as a matrix product
#
# Repeating is linear, so it is a product with a matrix. Let $\mathbf{1}_n$ be a column of $n$ ones,
# and let $a$ and $b$ be columns, too. A column times a row of ones repeats the column. A column of
# ones times a row repeats the row:
#
# $$c = a \, \mathbf{1}_n^\top + \mathbf{1}_m \, b^\top$$

# %%
m, n = 3, 4
ones_m, ones_n = sg.ones((m, 1), dtype=np.float64), sg.ones((n, 1), dtype=np.float64)
column_a = sg.Tensor(a.data, requires_grad=True)  # shape (m, 1)
column_b = sg.Tensor(b.data.reshape(n, 1), requires_grad=True)

c = column_a @ ones_n.T + ones_m @ column_b.T
assert np.array_equal(c.data, (a + b).data)

# %% [markdown]
# Nothing is broadcast in this form, and the rule of the matrix product gives both gradients. Its
# partials are $da = dc \, b^\top$ and $db = a^\top dc$. With the ones in place of the other factor:
#
# $$da = dc \, \mathbf{1}_n$$
# $$db = dc^\top \mathbf{1}_m$$

# %%
da = dc @ ones_n.data
db = dc.T @ ones_m.data

c.backward(grad=dc)
assert np.array_equal(da, column_a.grad)
assert np.array_equal(db, column_b.grad)
assert np.array_equal(da[:, 0], dc.sum(axis=1))
assert np.array_equal(db[:, 0], dc.sum(axis=0))

# %% [markdown]
# Multiplying by ones is summing. The gradient of a broadcast is no convention of a library: it is
# the transpose of repeating.
#
# ## `unbroadcast`
#
# Now the general case, for any two shapes. Broadcasting has done two things, and both are undone by
# sums. First, it has put in axes at the left. The gradient is summed along them until it has as many
# axes as the tensor.


# %%
def sum_new_axes(grad, shape):
    """Sums along the axes at the left that `shape` does not have."""
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    return grad


print(sum_new_axes(np.ones((5, 2, 3)), (2, 3)))

# %% [markdown]
# Second, it has stretched axes of size 1. The gradient is summed along these, and they stay, with
# size 1: `keepdims=True`.


# %%
def sum_stretched_axes(grad, shape):
    """Sums along the axes that have size 1 in `shape`."""
    for axis, size in enumerate(shape):
        if size == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def my_unbroadcast(grad, shape):
    """Sums `grad` back to `shape`, from which NumPy had broadcast."""
    return sum_stretched_axes(sum_new_axes(grad, shape), shape)


print(my_unbroadcast(np.ones((5, 2, 3)), (2, 1)))

# %% [markdown]
# Is that every case? Try them all: each shape that broadcasts to (2, 3, 4), to (5, 1, 3), to
# (2, 2, 2, 2) and to some more. Such a shape leaves out some axes at the left, and has 1 or the full
# size in each of the others. The gradients are whole numbers, so that sums are exact in any order.


# %%
def shapes_that_broadcast_to(full):
    """Every shape that NumPy broadcasts to the shape `full`."""
    shapes = set()
    for left_out in range(len(full) + 1):
        shapes.update(product(*[{1, size} for size in full[left_out:]]))
    return sorted(shapes)


rng = np.random.default_rng(0)
count = 0
for full in [(), (1,), (4,), (2, 3, 4), (5, 1, 3), (2, 2, 2, 2), (0, 3), (1, 1)]:
    grad = rng.integers(-9, 10, size=full).astype(np.float64)
    for shape in shapes_that_broadcast_to(full):
        assert np.broadcast_shapes(shape, full) == full
        summed = my_unbroadcast(grad, shape)
        assert summed.shape == shape
        assert np.array_equal(summed, unbroadcast(grad, shape))
        count += 1

print(f"{count} pairs of shapes, all equal to simplegrad's unbroadcast")

# %% [markdown]
# simplegrad's own function collects the axes first and takes one sum. It is called in one place, in
# `chain_rule` of `simplegrad/autograd.py`, on what every partial returns. That is why no partial in
# `simplegrad/rules/` has to undo a broadcast.
#
# ## The bias of `nn.Linear`
#
# The most common broadcast in a network is this one. `nn.Linear` computes $y = x W + b$ for a batch
# of rows, and each row gets the same $b$:
#
# $$y_{ij} = \sum_k x_{ik} \, W_{kj} + b_j$$
# $$db_j = \sum_i dy_{ij}$$

# %%
sg.manual_seed(0)
layer = nn.Linear(3, 2)
x = rng.normal(size=(5, 3)).astype(np.float32)
y = layer(x)
loss = sg.cross_entropy(y, np.array([0, 1, 1, 0, 1]))
loss.backward(retain_grads=True)

W, b, dy = layer.weight.data, layer.bias.data, y.grad
db = dy.sum(axis=0)
print(f"dy has shape {dy.shape}, db has shape {db.shape}: {db.round(4)}")

np.testing.assert_allclose(y.data, x @ W + b, rtol=1e-6)
assert np.array_equal(layer.bias.grad, db)

# %% [markdown]
# The bias gets one contribution from each row of the batch. In a model of sequences, such as texts, `x`
# has shape (batch, time, features), and the bias gets one from each position of each sequence. The rule is
# the same, with two new axes at the left.

# %%
layer.bias.zero_grad()
y = layer(rng.normal(size=(4, 7, 3)).astype(np.float32))
y.sum().backward()
print(f"y has shape {y.shape}, the gradient of the bias is {layer.bias.grad}")
assert layer.bias.grad.tolist() == [4 * 7, 4 * 7]

# %% [markdown]
# ## The mirror image: `sum` and `mean`
#
# Broadcasting copies forward and sums backward. A sum does it the other way round: it adds forward,
# and hands the same gradient to every element that it has added.
#
# $$c_j = \sum_i a_{ij}$$
# $$da_{ij} = dc_j$$

# %%
a = sg.Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
dc = np.array([1.0, 10.0, 100.0, 1000.0])

c = a.data.sum(axis=0)
da = np.broadcast_to(dc, a.shape)
print(da)

a.sum(axis=0).backward(grad=dc)
assert np.array_equal(a.sum(axis=0).data, c)
assert np.array_equal(a.grad, da)

# %% [markdown]
# A mean is a sum divided by the number $n$ of elements, so each element's gradient is divided by $n$,
# too:
#
# $$c = \frac{1}{n} \sum_i a_i$$
# $$da_i = dc / n$$

# %%
a = sg.Tensor(np.array([3.0, 5.0, 10.0, 2.0]), requires_grad=True)
n, dc = 4, 1.0

c = 1 / n * a.data.sum()
da = np.broadcast_to(dc / n, a.shape)
print(f"c = {c:g}, da = {da}")

a.mean().backward(grad=dc)
assert a.mean().item() == c
assert np.array_equal(a.grad, da)

# %% [markdown]
# | | forward | backward |
# |---|---|---|
# | broadcasting | copies | sums |
# | `sum` | sums | copies |
#
# Copy and sum are each other's transpose. Exercise 3 makes a test of that.
#
# ## The accident: (n,) against (n, 1)
#
# A model with one output gives predictions of shape (n, 1). Targets often come as shape (n,). Both
# are n numbers, and their difference has n times n.

# %%
y = np.array([[1.0], [2.0], [3.0], [4.0]])  # predictions of a model, all of them right
t = np.array([1.0, 2.0, 3.0, 4.0])  # targets
print(y - t)
print(f"shapes {y.shape} and {t.shape} give {(y - t).shape}")
print(f"mean of the squares: {((y - t) ** 2).mean():g}")
print(f"with shapes (4,) and (4,): {((y[:, 0] - t) ** 2).mean():g}")

# %% [markdown]
# Every prediction is compared with every target. No error is raised, the loss is one number, and it
# will fall in training. But what does it ask for? With $\bar t$ for the mean of the targets:
#
# $$\frac{1}{n^2} \sum_i \sum_j (y_i - t_j)^2 = \frac{1}{n} \sum_i (y_i - \bar t)^2 + \frac{1}{n} \sum_j (t_j - \bar t)^2$$

# %%
n, t_bar = len(t), t.mean()
left = sum((y_i - t_j) ** 2 for y_i in y[:, 0] for t_j in t) / n**2
right = ((y[:, 0] - t_bar) ** 2).mean() + ((t - t_bar) ** 2).mean()
print(f"left: {left:g}, right: {right:g}")

loss = ((sg.Tensor(y) - sg.Tensor(t)) ** 2).mean()
assert left == right == loss.item()

# %% [markdown]
# The second term does not depend on the predictions. The first is smallest when every prediction is
# $\bar t$. So the model learns the mean of the targets, whatever its input, and the loss stops at
# their variance. Fit a line to eight points, once with each loss:


# %%
def right_loss(y, t):
    return ((y - t.reshape(-1, 1)) ** 2).mean()


def wrong_loss(y, t):
    return ((y - t) ** 2).mean()


x = np.linspace(-1, 1, 8).reshape(8, 1)
t = 2 * x[:, 0] + 0.5 + 0.2 * rng.normal(size=8)
lines = {}
for loss_of in (right_loss, wrong_loss):
    sg.manual_seed(0)
    model = nn.Linear(1, 1)
    opt = optim.SGD(model=model, lr=0.1)  # theta -= lr * theta.grad
    losses = []
    for _ in range(200):
        loss = loss_of(model(x), t)
        losses.append(loss.item())
        loss.backward()
        opt.step()
        opt.zero_grad()
    lines[loss_of.__name__] = model(x).numpy()
    print(f"{loss_of.__name__}: from {losses[0]:.3f} to {losses[-1]:.3f}", end=", ")
    print(f"slope {model.weight.item():.3f}")

print(f"variance of the targets: {t.var():.3f}")
assert np.allclose(lines["wrong_loss"], t.mean(), atol=1e-3)

# %% alt="Eight points that rise from left to right. The line fitted with shapes (8, 1) and (8, 1) goes through them. The line fitted with shapes (8, 1) and (8,) is flat, at the mean of the points." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.6))
axes.plot(x, t, "o", color="C2", label="targets")
axes.plot(x, lines["right_loss"], color="C0", label="(8, 1) against (8, 1)")
axes.plot(x, lines["wrong_loss"], "--", color="C1", label="(8, 1) against (8,)")
axes.set(xlabel="input x", ylabel="prediction y")
axes.legend()
plt.show()

# %% [markdown]
# How to see it: print shapes, not values. The shape of the difference gives it away.

# %%
y = model(x)
print(f"predictions {y.shape}, targets {t.shape}, difference {(y - t).shape}")

# %% [markdown]
# How to avoid it: leave the comparison to a loss of the library. `sg.mse_loss` and `nn.MSELoss` do
# not broadcast, and `sg.cross_entropy` checks its shapes as well. In a loss of your own, say what
# you expect before you subtract.

# %%
try:
    sg.mse_loss(y, t)
except ValueError as error:
    print(fill(str(error), 88))

t = t.reshape(y.shape)
assert y.shape == t.shape  # a line worth writing in every loss of your own
assert sg.mse_loss(y, t).item() == right_loss(y, t).item()

# %% [markdown]
# ## Exercises
#
# The longer exercise `unbroadcast` in `tutorials/exercises/` comes with a check that says which
# equation is wrong: `python -m simplegrad.exercises check unbroadcast`.
#
# **1.** A batch of images has shape (8, 3, 5, 5): images, channels, rows, columns. Each channel is
# scaled by a number of its own, `images * scale`. Which shape must `scale` have? Along which axes is
# its gradient summed? Write that gradient in NumPy for a given `dc`, and compare.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
images = rng.normal(size=(8, 3, 5, 5))
scale = sg.Tensor(np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), requires_grad=True)
dc = rng.normal(size=images.shape)

(images * scale).backward(grad=dc)
d_scale = (dc * images).sum(axis=(0, 2, 3)).reshape(3, 1, 1)
np.testing.assert_allclose(scale.grad, d_scale)

# %% [markdown]
# **2.** Take the squared distances of 6 points from 4 centres in the plane,
# $c_{ij} = \sum_k (a_{ik} - b_{jk})^2$, without a loop: give `a` the shape (6, 1, 2) and `b` the shape
# (1, 4, 2). Derive $da_{ik}$ and $db_{jk}$ on paper, write them in NumPy, and compare.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
a = sg.Tensor(rng.normal(size=(6, 2)), requires_grad=True)
b = sg.Tensor(rng.normal(size=(4, 2)), requires_grad=True)
c = ((a.unsqueeze(1) - b.unsqueeze(0)) ** 2).sum(axis=2)
dc = rng.normal(size=(6, 4))
c.backward(grad=dc)

difference = a.data[:, None, :] - b.data[None, :, :]
da = (2 * dc[:, :, None] * difference).sum(axis=1)  # da_ik = sum_j dc_ij 2 (a_ik - b_jk)
db = -(2 * dc[:, :, None] * difference).sum(axis=0)  # db_jk = -sum_i dc_ij 2 (a_ik - b_jk)
np.testing.assert_allclose(a.grad, da)
np.testing.assert_allclose(b.grad, db)

# %% [markdown]
# **3.** If $B$ is a linear map, then $\langle B a, \, dc \rangle = \langle a, \, B^\top dc \rangle$ for
# any $a$ and $dc$, where $\langle \cdot, \cdot \rangle$ is the sum of the products of the elements.
# Use this to test `unbroadcast` as the transpose of `np.broadcast_to`, for random arrays and all
# shapes that broadcast to (2, 3, 4). The test needs neither derivatives nor small steps.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
full = (2, 3, 4)
for shape in shapes_that_broadcast_to(full):
    a = rng.normal(size=shape)
    dc = rng.normal(size=full)
    left = (np.broadcast_to(a, full) * dc).sum()
    right = (a * unbroadcast(dc, shape)).sum()
    assert np.isclose(left, right)

# %% [markdown]
# **4.** In `z = (x - x.mean(axis=0)) / x.var(axis=0).sqrt()` the columns of a batch are
# standardized. Name the two broadcasts and the two reductions. With `x` of shape (5, 3), what is the
# gradient of `z.sum()` by `x`, and why? Check your answer, and check `z` with `sg.gradcheck`.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4


def standardize(x):
    return (x - x.mean(axis=0)) / x.var(axis=0).sqrt()


x = sg.Tensor(rng.normal(size=(5, 3)), requires_grad=True)
standardize(x).sum().backward()
assert np.allclose(x.grad, 0)  # each column of z sums to 0, whatever x is
assert sg.gradcheck(standardize, x)
# mean and var reduce (5, 3) to (3,); the difference and the quotient broadcast (3,) to (5, 3)

# %% [markdown]
# ## Read on
#
# - Harris et al. (2020), "Array programming with NumPy", Nature 585. Figure 1 shows broadcasting
#   beside the other ideas of NumPy.
# - Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
#   differentiation", in *Advances in Automatic Differentiation*: the gradient of the matrix product
#   and of much else.
