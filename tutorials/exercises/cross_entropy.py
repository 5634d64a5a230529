# %% [markdown]
# # Cross-entropy of logits, and its gradient
#
# `a` are logits, any numbers, of the shape $(n, classes)$. `t` are the numbers of the right classes, $n$
# integers from 0. No loop is needed, and logits of 1000 have to work.
#
# ## The loss
#
# Write `cross_entropy(a, t)`. It returns `c`, one number for each row of logits, and the loss `L`.
#
# $$c = \log \sum_i e^{a_i} = m + \log \sum_i e^{a_i - m}, \quad m = \max_i a_i$$
#
# This is for one row, and the second form cannot overflow. With $c_i$ of row $i$ in place of the
# logarithm, the loss is
#
# $$L = \frac{1}{n} \sum_i \left( \log \sum_j e^{a_{ij}} - a_{i t_i} \right)$$

# %%
import numpy as np

from simplegrad import exercises


def cross_entropy(a, t):
    c = ...
    L = ...
    return c, L


# %% [markdown]
# ## Its gradient
#
# Write `d_logits(a, t)`, the gradient of $L$ by each logit. $[j = t_i]$ is 1 where $j$ is the right class
# of row $i$, and 0 elsewhere. $c_i$ is that of the loss.
#
# $$da_{ij} = \frac{1}{n} \left( e^{a_{ij} - c_i} - [j = t_i] \right)$$


# %%
def d_logits(a, t):
    return ...


# %% [markdown]
# The check runs them on small examples. `python -m simplegrad.exercises check cross_entropy` does the
# same in a terminal.

# %% tags=["check"]
exercises.check("cross_entropy", cross_entropy, d_logits)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them.

# %%
a, t = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 1000.0]]), np.array([1, 2])
cross_entropy(a, t)

# %%
d_logits(a, t)

# %% [markdown]
# <details><summary>A hint: rows</summary>
#
# Classes are axis 1. `a.max(axis=1)` has the shape $(n)$, and `a.max(axis=1, keepdims=True)` has
# $(n, 1)$, which can be subtracted from each row of `a`.
#
# </details>
#
# <details><summary>A hint: one element of each row</summary>
#
# `a[np.arange(len(t)), t]` takes element `t[0]` of row 0, element `t[1]` of row 1, and so on. It can be
# assigned to, as well.
#
# </details>
