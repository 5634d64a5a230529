# %% [markdown]
# # The Hessian times a vector, two ways
#
# The Hessian $H$ holds the second derivatives of a loss: for $n$ parameters a matrix of $n$ rows and $n$
# columns. For a million parameters that is $10^{12}$ numbers. But many methods need no more than $H$ times a
# vector $v$, and this costs as much as a few gradients.
#
# ## By the difference of two gradients
#
# $H v$ says how the gradient changes when $x$ moves along $v$. `dL` is a function that takes an array and
# returns the gradient of $L$ there, an array of the same shape. Move $x$ a little forward and back:
#
# $$H v \approx \frac{dL(x + h v) - dL(x - h v)}{2 h}$$
#
# Write `hvp_by_differences(dL, x, v, h)`. `x` and `v` have one shape, and any number of axes.

# %%
import numpy as np

import simplegrad as sg
from simplegrad import exercises


def hvp_by_differences(dL, x, v, h):
    Hv_approx = ...
    return Hv_approx


# %% [markdown]
# ## By the gradient of a product
#
# With a small $h$ rounding takes over, and with a large one the difference is no derivative. The gradient of
# a gradient needs no $h$ (Pearlmutter, 1994, "Fast exact multiplication by the Hessian"). The product with
# $v$ comes first, so that one number is differentiated:
#
# $$H v = \frac{\partial}{\partial x} \left( \frac{\partial L}{\partial x} \cdot v \right)$$
#
# The dot adds up the products of all elements. Write `hvp(f, x, v)`, where `f` takes a Tensor and returns
# the loss $L$. Three lines do: the gradient `dx`, its product with `v`, and the gradient of that. Take
# `sg.grad` for it and not `sg.hvp`, which has these very lines.


# %%
def hvp(f, x, v):
    x = sg.Tensor(x, requires_grad=True)
    Hv = ...
    return Hv


# %% [markdown]
# ## What it is for: the largest curvature
#
# Gradient descent does not converge in a valley whose largest curvature is above $2 / lr$. The curvatures are
# the eigenvalues of $H$. Multiply a vector by $H$ again and again, and it turns into the direction of the
# largest one: of the largest absolute value, for at a saddle a curvature may be negative. This is power
# iteration. Write one step, `power_step(v, Hv)`: the curvature along $v$, and the vector of the next step, of
# length 1. `Hv` is $H v$, whichever way it was computed.
#
# $$\lambda_{\max} \approx \frac{v \cdot H v}{v \cdot v}$$
# $$v_t = \frac{H v}{\lVert H v \rVert}$$
#
# The first `v` need not have length 1.


# %%
def power_step(v, Hv):
    lambda_max = ...
    v_t = ...
    return lambda_max, v_t


# %% [markdown]
# The check runs them on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check hvp` does the same in a terminal.

# %% tags=["check"]
exercises.check("hvp", hvp_by_differences, hvp, power_step)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them. The sum of $x^3$ has
# the gradient $3 x^2$, and $6 x$ on the diagonal of its Hessian. So both of the first two give
# $6 x \, v$, and the largest curvature is that of the last element, 18.

# %%
x, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0])
hvp_by_differences(lambda x: 3 * x**2, x, v, h=1e-4)

# %%
hvp(lambda x: (x**3).sum(), x, v)

# %%
for step in range(10):
    lambda_max, v = power_step(v, 6 * x * v)
    if v is ...:
        break
    print(step, lambda_max)

# %% [markdown]
# <details><summary>A hint: a gradient that can be differentiated</summary>
#
# `sg.grad(L, x)` gives numbers. With `create_graph=True` it gives a Tensor that remembers how it was
# computed, as any result does. What is computed from it can be differentiated.
#
# </details>
#
# <details><summary>A hint: one number</summary>
#
# `sg.grad` differentiates one number. Multiply two tensors element by element, and `.sum()` adds up.
#
# </details>
#
# <details><summary>A hint: lengths</summary>
#
# `np.linalg.norm` gives the length of a vector, and `@` of two vectors is their product $v \cdot w$. A
# curvature has a sign, and a length has none.
#
# </details>
