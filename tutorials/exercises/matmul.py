# %% [markdown]
# # The partials of a matrix product
#
# The forward equation is given: `a` has the shape $(n, k)$, `b` has $(k, m)$, and `c = a @ b` has
# $(n, m)$.
#
# $$c = a \, b$$
#
# Write its two partials.
#
# $$da = dc \, b^\top$$
# $$db = a^\top dc$$
#
# Then the harder part: let the same two functions work for stacks of matrices, of the shapes
# $(s, n, k)$ and $(s, k, m)$. `@` multiplies the first matrix with the first, the second with the
# second, and so on. The check begins with two matrices and ends with stacks.

# %%
import numpy as np

from simplegrad import exercises


def da(dc, c, a, b):
    return ...


def db(dc, c, a, b):
    return ...


# %% [markdown]
# The check runs them on small examples. `python -m simplegrad.exercises check matmul` does the same in
# a terminal.

# %% tags=["check"]
exercises.check("matmul", da, db)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them.

# %%
a, b = np.ones((2, 3)), np.ones((3, 4))
da(np.ones((2, 4)), a @ b, a, b)

# %% [markdown]
# <details><summary>A hint: shapes</summary>
#
# A gradient has the shape of what it belongs to. `dc` has the shape $(n, m)$ and `da` must have
# $(n, k)$. There is one way to multiply `dc` with `b`, transposed or not, that gives it.
#
# </details>
#
# <details><summary>A hint: stacks</summary>
#
# `b.T` turns round all axes, so that a stack of the shape $(s, k, m)$ becomes $(m, k, s)$. `b.mT` and
# `np.swapaxes(b, -1, -2)` swap the last two alone.
#
# </details>
