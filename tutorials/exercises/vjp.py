# %% [markdown]
# # A vector times a Jacobian, and the Jacobian itself
#
# A function takes $n$ numbers $x_j$ and gives $m$ numbers $c_i$. Its partial derivatives fill a matrix of
# $m$ rows and $n$ columns, the Jacobian:
#
# $$J_{ij} = \frac{\partial c_i}{\partial x_j}$$
#
# ## A vector times the Jacobian
#
# `backward` never makes this matrix. It goes from the end to the beginning with one row, $dc$, and
# multiplies it by one Jacobian after the other. This is a vector-Jacobian product, in short a vjp:
#
# $$dx = dc \, J$$
#
# Take two functions, one after the other. $W$ is a matrix of $m$ rows and $n$ columns.
#
# $$a = W \, x$$
# $$c = \tanh a$$
#
# The Jacobian of $\tanh$ has $1 - c^2$ on its diagonal and 0 elsewhere, so $dc$ times it is a product of
# elements. The Jacobian of $W x$ by $x$ is $W$. By $W$ it would have $m$ rows and $m n$ columns, nearly
# all of them 0. Nobody makes it: every $a_i$ depends on its own row of $W$ alone.
#
# $$da = dc \, (1 - c^2)$$
# $$dx = da \, W$$
# $$dW_{ij} = da_i \, x_j$$
#
# Write `vjp(dc, c, W, x)`, without any matrix but $W$ and $dW$.

# %%
import numpy as np

from simplegrad import exercises


def vjp(dc, c, W, x):
    da = ...
    dx = ...
    dW = ...
    return da, dx, dW


# %% [markdown]
# ## The Jacobian times a vector
#
# The other way round, from the beginning to the end, a column $\dot{x}$ says how $x$ changes, and $\dot{c}$
# how the result does. This is a Jacobian-vector product, in short a jvp:
#
# $$\dot{c} = J \, \dot{x}$$
#
# Through the same two functions, in the order in which they compute:
#
# $$\dot{a} = W \, \dot{x}$$
# $$\dot{c} = (1 - c^2) \, \dot{a}$$
#
# Write `jvp(x_dot, c, W)`. Where $x$ is, $c$ says.


# %%
def jvp(x_dot, c, W):
    a_dot = ...
    c_dot = ...
    return a_dot, c_dot


# %% [markdown]
# ## The Jacobian, row by row
#
# Whoever wants the whole matrix has it from $m$ vjps. $e_i$ is 1 at element $i$ and 0 elsewhere. Times
# $J$, it is row $i$:
#
# $$J_i = e_i \, J$$
#
# Write `jacobian(vjp_of, m)`: the matrix $J$ of a function with $m$ results. `vjp_of` takes one $dc$, an
# array of $m$ numbers, and returns $dx$.


# %%
def jacobian(vjp_of, m):
    J = ...
    return J


# %% [markdown]
# The check runs them on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check vjp` does the same in a terminal.

# %% tags=["check"]
exercises.check("vjp", vjp, jvp, jacobian)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them. The last cell shows
# $dx \, \dot{x}$ and $dc \, \dot{c}$. Both are $dc \, J \, \dot{x}$, so each way tests the other.

# %%
W, x = np.array([[0.5, 1.0], [-1.0, 0.25], [0.75, 0.5]]), np.array([0.5, -1.0])
c = np.tanh(W @ x)
jacobian(lambda dc: vjp(dc, c, W, x)[1], 3)

# %%
dc, x_dot = np.array([1.0, 10.0, -4.0]), np.array([4.0, 1.0])
dx, c_dot = vjp(dc, c, W, x)[1], jvp(x_dot, c, W)[1]
if dx is not ...:
    print(np.dot(dx, x_dot), np.dot(dc, c_dot))

# %% [markdown]
# <details><summary>A hint: shapes</summary>
#
# A gradient has the shape of what it belongs to: $dx$ has $n$ numbers as $x$ has, $da$ has $m$, and $dW$
# has $m$ rows and $n$ columns. NumPy takes an array with one axis for a row on the left of `@`, and for a
# column on the right.
#
# </details>
#
# <details><summary>A hint: every element with every other</summary>
#
# `np.outer` takes two arrays with one axis each. Its result has a row for each element of the first one,
# and a column for each of the second.
#
# </details>
#
# <details><summary>A hint: the rows</summary>
#
# The rows of `np.eye(m)` are $e_0, e_1, \dots$ A loop over it gives one after the other, and `np.stack`
# makes a matrix of a list of rows.
#
# </details>
