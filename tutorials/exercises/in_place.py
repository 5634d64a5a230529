# %% [markdown]
# # A step in place
#
# Write one step of stochastic gradient descent with Nesterov's momentum that makes no array: each result is
# written over one that is there.
#
# $$b_t = \mu \, b + g$$
# $$\theta_t = \theta - lr \, (g + \mu \, b_t)$$
#
# | symbol | argument |
# |---|---|
# | $\theta$ | `theta`, the parameters. $\theta_t$ is to be in this array after the step |
# | $g$ | `g`, their gradient. Whoever called the step still needs it |
# | $b$ | `b`, the velocity. $b_t$ is to be in this array after the step, for the next one |
# | | `a`, a scratch array of the same shape. What it holds before and after is of no use |
# | $lr$ | `lr`, the learning rate |
# | $\mu$ | `mu`, the momentum |
#
# Write `nesterov_step(theta, g, b, a, lr, mu)`. It returns $b_t$ and $\theta_t$, in the very arrays that it
# was given as `b` and `theta`. Six passes of NumPy are enough. The check looks at how much memory they take.

# %%
import numpy as np

from simplegrad import exercises


def nesterov_step(theta, g, b, a, lr, mu):
    b_t = ...
    theta_t = ...
    return b_t, theta_t


# %% [markdown]
# The check runs it on arrays of 8192 numbers. $\theta_t$ is right if it goes with your own $b_t$ or with the
# right one: `b` may have been written over after. `python -m simplegrad.exercises check in_place` does
# the same in a terminal.

# %% tags=["check"]
exercises.check("in_place", nesterov_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
theta, g = np.array([1.0, -2.0]), np.array([2.0, -0.5])
nesterov_step(theta, g, b=np.zeros(2), a=np.empty(2), lr=0.1, mu=0.9)

# %% [markdown]
# <details><summary>A hint: which array a result may take</summary>
#
# Ask of each array when it is needed for the last time. $b$ is needed once, in the first product; so that
# product may be written over it. $b_t$ is needed after the step, so $\mu \, b_t$ has to go elsewhere.
#
# </details>
#
# <details><summary>A hint: two ways to write it</summary>
#
# `b *= mu` writes over `b`, as `np.multiply(mu, b, out=b)` does. `b = mu * b` does not: it makes a new
# array, and gives it the name. And `b += mu * g` makes one for the product on its right.
#
# </details>
