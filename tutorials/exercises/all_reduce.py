# %% [markdown]
# # Shares of a batch, and the mean of their gradients
#
# $K$ processes train one model. Each takes a share of the $N$ rows of a batch, and computes the loss and the
# gradient of its share. Together they are to have those of the whole batch.
#
# ## Whose rows
#
# Process $k$ of $0, \dots, K - 1$ takes the rows from `start` up to, but not with, `stop`, as in a slice. Each
# row belongs to one process, also where $K$ does not divide $N$. Write `share(k, K, N)`, which returns two ints.
# The brackets round down.
#
# $$start = \lfloor k \, N / K \rfloor$$
# $$stop = \lfloor (k + 1) \, N / K \rfloor$$

# %%
import numpy as np

import simplegrad as sg
from simplegrad import exercises


def share(k, K, N):
    start = ...
    stop = ...
    return start, stop


# %% [markdown]
# ## Their mean
#
# Of each process $k$ there are its number of rows $n_k$, its mean loss $L_k$, and the gradient $g_k$ of that. Write
# `mean_of_shares(n_k, L_k, g_k)`, whose arguments hold those of all processes: `n_k` and `L_k` have an element
# for each, and `g_k` has a row for each and a column for each parameter. It returns the number of all rows, the
# weights, an array `w`, and the loss and the gradient of the whole batch.
#
# $$N = \sum_k n_k$$
# $$w_k = \frac{n_k}{N}$$
# $$L = \sum_k w_k \, L_k$$
# $$g = \sum_k w_k \, g_k$$


# %%
def mean_of_shares(n_k, L_k, g_k):
    N = ...
    w = ...
    L = ...
    g = ...
    return N, w, L, g


# %% [markdown]
# The check runs them on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check all_reduce` does the same in a terminal.

# %% tags=["check"]
exercises.check("all_reduce", share, mean_of_shares)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them. The loss of a share
# is a mean of squares, and together they give that of all rows.

# %%
x, y = np.arange(10.0), np.arange(10.0) ** 2


def loss_and_gradient(rows):
    theta = sg.Tensor([1.0, 1.0], requires_grad=True)
    loss = ((theta[0] * x[rows] + theta[1] - y[rows]) ** 2).mean()
    loss.backward()
    return loss.item(), theta.grad


loss_and_gradient(slice(0, 10))

# %%
[share(k, 3, 10) for k in range(3)]

# %%
rows = [slice(0, 3), slice(3, 6), slice(6, 10)]
n_k = np.array([len(x[mine]) for mine in rows])
L_k, g_k = map(np.array, zip(*[loss_and_gradient(mine) for mine in rows], strict=True))
mean_of_shares(n_k, L_k, g_k)

# %% [markdown]
# <details><summary>A hint: rounding down</summary>
#
# `a // b` divides and rounds down. What comes first matters: `11 // 3 * 2` is 6, and `11 * 2 // 3` is 7.
#
# </details>
#
# <details><summary>A hint: weights and rows</summary>
#
# `v @ A`, for a vector and a matrix, multiplies each row of `A` by its element of `v` and adds up the rows.
#
# </details>
