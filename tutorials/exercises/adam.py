# %% [markdown]
# # Adam, one step
#
# Write one step of Adam, for one array of parameters, equation by equation.
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
# $$\hat m = m_t / (1 - \beta_1^t)$$
# $$\hat v = v_t / (1 - \beta_2^t)$$
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$
#
# | symbol | argument |
# |---|---|
# | $\theta$ | `theta`, the parameters before the step |
# | $g$ | `g`, their gradient |
# | $m, v$ | `m` and `v`, what the step before has returned as `m_t` and `v_t`, zeros at first |
# | $t$ | `t`, the number of the step: 1 in the first |
# | $lr$ | `lr`, the learning rate |
# | $\beta_1, \beta_2$ | `beta_1` and `beta_2`, the decays of the moments |
# | $\epsilon$ | `eps` |
#
# If `maximize` is true, it climbs: the last `-=` becomes `+=`, and the moments stay as they are. `theta`,
# `m` and `v` are yours: you may change them in place. `g` is not.

# %%
import numpy as np

from simplegrad import exercises


def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
    m_t = ...
    v_t = ...
    m_hat = ...
    v_hat = ...
    theta = ...
    return m_t, v_t, m_hat, v_hat, theta


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it, so you can do one after the other. `python -m simplegrad.exercises check adam` does the same
# in a terminal.

# %% tags=["check"]
exercises.check("adam", adam_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
theta, g = np.array([1.0, -2.0]), np.array([2.0, -0.5])
adam_step(theta, g, np.zeros(2), np.zeros(2), 1, 0.001, 0.9, 0.999, 1e-8)

# %% [markdown]
# <details><summary>A hint: what the hats are for</summary>
#
# $m$ and $v$ start at zero, so $m_1$ is $0.1 \, g$ with $\beta_1 = 0.9$, ten times too small. Dividing by
# $1 - 0.9^1 = 0.1$ mends that. Later $\beta_1^t$ fades, and with it the correction.
#
# </details>
#
# <details><summary>A hint: up and down</summary>
#
# Only the last equation knows `maximize`. The step is the same both ways: compute it first, and then add
# it or subtract it.
#
# </details>
#
# <details><summary>A hint: in place</summary>
#
# `m_hat = m_t` gives the same array a second name. If `m_hat /= ...` follows, `m_t` changes as well.
#
# </details>
