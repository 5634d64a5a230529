# %% [markdown]
# # Attention with a causal mask
#
# Write attention that does not look ahead, for one sequence. No loop is needed, and products of 1000 have
# to work.
#
# `Q`, `K` and `V` have a row for each place: its query, its key and its value. Queries and keys have $d_k$
# numbers each; values may have more or fewer. Write `causal_attention(Q, K, V)`. It returns the products
# `S` before the mask, the weights `A`, and what each place takes, `attention`.
#
# $$S = \frac{Q K^\top}{\sqrt{d_k}}$$
# $$A_{ts} = \begin{cases} e^{S_{ts}} / \sum_{u \le t} e^{S_{tu}} & \text{if } s \le t \\ 0 & \text{if } s > t \end{cases}$$
# $$attention = A V$$
#
# Row $t$ of $A$ is the softmax of the products with places $s \le t$. It is the same to put $-\infty$ in
# place of the others in $S$, and to take the softmax of whole rows.

# %%
import numpy as np

from simplegrad import exercises


def causal_attention(Q, K, V):
    S = ...
    A = ...
    attention = ...
    return S, A, attention


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check attention` does the same in a terminal.

# %% tags=["check"]
exercises.check("attention", causal_attention)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
Q = np.array([[2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
K = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
V = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
causal_attention(Q, K, V)

# %% [markdown]
# <details><summary>A hint: the mask</summary>
#
# `np.tri(3, dtype=bool)` is True on and below the diagonal, where $s \le t$. `np.where` takes one of two
# values for each element. `np.exp(-np.inf)` is 0.
#
# </details>
#
# <details><summary>A hint: large products</summary>
#
# `np.exp(1000)` is infinite. Subtract the largest product that a row may look at before you take `np.exp`:
# the weights stay the same, since both sides of the fraction have the same factor. `keepdims=True` keeps
# the shape in which it can be subtracted.
#
# </details>
