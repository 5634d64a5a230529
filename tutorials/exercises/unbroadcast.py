# %% [markdown]
# # The gradient of what was broadcast
#
# NumPy stretches an array to a larger shape by using its elements several times: `c[k]` is a copy of
# the element `a[i[k]]`.
#
# $$c_k = a_{i_k}$$
#
# Every copy has a gradient of its own, and the gradient of the element is the sum over its copies.
#
# $$da_j = \sum_{k \,:\, i_k = j} dc_k$$
#
# Write `unbroadcast`. It gets `dc`, the gradient of the large array, and `shape`, which the small array
# had before. It returns `da`, of this shape. NumPy stretches in two ways, and both can come together:
#
# - it puts new axes on the left: $(3)$ becomes $(2, 3)$;
# - it repeats along axes of size 1: $(2, 1)$ becomes $(2, 3)$.

# %%
import numpy as np

from simplegrad import exercises


def unbroadcast(dc, shape):
    return ...


# %% [markdown]
# The check runs it on small examples. `python -m simplegrad.exercises check unbroadcast` does the same
# in a terminal.

# %% tags=["check"]
exercises.check("unbroadcast", unbroadcast)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
unbroadcast(np.ones((5, 2, 3)), (2, 1))  # 15 copies of each of two elements

# %% [markdown]
# <details><summary>A hint: the new axes</summary>
#
# There are `dc.ndim - len(shape)` of them, and they are the first. `dc.sum(axis=(0, 1))` sums two axes
# at once.
#
# </details>
#
# <details><summary>A hint: axes of size 1</summary>
#
# A sum removes its axis. `keepdims=True` keeps it with size 1, and `reshape(shape)` puts it back.
#
# </details>
