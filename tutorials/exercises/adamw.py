# %% [markdown]
# # AdamW, one step
#
# Write one step of AdamW, for one array of parameters. First every weight decays. The result is
# `theta_decayed`, so that the check can tell it from the last one:
#
# $$\theta \mathrel{-}= lr \, \lambda \, \theta$$
#
# Then come the five equations of Adam. The last one starts at `theta_decayed`.
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
# $$\hat m = m_t / (1 - \beta_1^t)$$
# $$\hat v = v_t / (1 - \beta_2^t)$$
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$
#
# $\lambda$ is the argument `weight_decay`. The others are those of the exercise [Adam](adam.ipynb). Under
# `maximize`, weights shrink all the same.

# %%
import numpy as np

from simplegrad import exercises


def adamw_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False):
    theta_decayed = ...
    m_t = ...
    v_t = ...
    m_hat = ...
    v_hat = ...
    theta = ...
    return theta_decayed, m_t, v_t, m_hat, v_hat, theta


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check adamw` does the same in a terminal.

# %% tags=["check"]
exercises.check("adamw", adamw_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
theta, g = np.array([1.0, -2.0]), np.array([2.0, -0.5])
adamw_step(theta, g, np.zeros(2), np.zeros(2), 1, 0.001, 0.9, 0.999, 1e-8, 0.01)

# %% [markdown]
# <details><summary>A hint: what is new in AdamW</summary>
#
# The decay could be added to the gradient, as in SGD: $g + \lambda \, \theta$. In Adam it would then pass
# through the moments, and weights with large gradients would hardly decay. AdamW keeps the two apart: no
# moment knows $\lambda$.
#
# </details>
#
# <details><summary>A hint: in place</summary>
#
# `theta -= ...` changes the array itself. If `theta_decayed` is that same array, the last equation
# changes it, too. Give it an array of its own.
#
# </details>
