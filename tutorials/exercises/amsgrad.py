# %% [markdown]
# # AMSGrad, one step
#
# Adam divides by the root of a mean of squares that forgets. A large gradient that comes seldom is soon
# forgotten, and then the many small ones make larger steps than it did. There are convex losses on which
# Adam so never arrives. AMSGrad remembers the largest mean so far, and divides by that (Reddi, Kale and
# Kumar, 2018, "On the convergence of Adam and beyond"):
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
# $$v^{max}_t = \max(v^{max}, v_t)$$
# $$\hat m = m_t / (1 - \beta_1^t)$$
# $$\hat v = v^{max}_t / (1 - \beta_2^t)$$
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$
#
# Each element has its own maximum. The paper leaves bias correction out; PyTorch has it, as here, under
# `Adam(amsgrad=True)`. Write one step, for one array of parameters. The arguments are those of the
# exercise [Adam](adam.ipynb), and `v_max`, which is 0 in the first step.

# %%
import numpy as np

from simplegrad import exercises


def amsgrad_step(theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False):
    m_t = ...
    v_t = ...
    v_max_t = ...
    m_hat = ...
    v_hat = ...
    theta = ...
    return m_t, v_t, v_max_t, m_hat, v_hat, theta


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check amsgrad` does the same in a terminal.

# %% tags=["check"]
exercises.check("amsgrad", amsgrad_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
theta, g = np.array([1.0, -2.0]), np.array([2.0, -0.5])
m = v = v_max = np.zeros(2)
amsgrad_step(theta, g, m, v, v_max, 1, 0.001, 0.9, 0.999, 1e-8)

# %% [markdown]
# <details><summary>A hint: what is kept</summary>
#
# Two second moments are kept from step to step. $v_t$ fades as in Adam. $v^{max}_t$ is the largest that it
# has been, and never falls. Only the second one is a divisor.
#
# </details>
#
# <details><summary>A hint: two arrays, element by element</summary>
#
# Python's `max` compares two numbers, and `np.max` gives the largest element of one array. `np.maximum`
# takes two arrays, and the larger one of each pair of elements.
#
# </details>
