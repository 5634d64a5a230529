# %% [markdown]
# # RMSProp, one step
#
# Write one step of RMSProp, for one array of parameters.
#
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
# $$\theta \mathrel{-}= lr \, g / (\sqrt{v_t} + \epsilon)$$
#
# | symbol | argument |
# |---|---|
# | $\theta$ | `theta`, the parameters before the step |
# | $g$ | `g`, their gradient |
# | $v$ | `v`, what the step before has returned as `v_t`, zeros at first |
# | $lr$ | `lr`, the learning rate |
# | $\beta_2$ | `beta_2`, the decay of the second moment |
# | $\epsilon$ | `eps` |
#
# If `maximize` is true, it climbs: `-=` becomes `+=`. `theta` and `v` are yours: you may change them in
# place. `g` is not.

# %%
import numpy as np

from simplegrad import exercises


def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):
    v_t = ...
    theta = ...
    return v_t, theta


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check rmsprop` does the same in a terminal.

# %% tags=["check"]
exercises.check("rmsprop", rmsprop_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
theta, g = np.array([1.0, -2.0]), np.array([2.0, -0.5])
rmsprop_step(theta, g, np.zeros(2), 0.1, 0.99, 1e-8)

# %% [markdown]
# <details><summary>A hint: what v_t remembers</summary>
#
# $v_t$ is a running mean of squared gradients: most of it is $v$, which the step before has left, and a
# little is new. `**` squares each element. The update then divides each element of $g$ by about its own
# usual size.
#
# </details>
#
# <details><summary>A hint: the division</summary>
#
# $\epsilon$ stands beside the root, not under it, and both are below the line of the fraction:
# parentheses around the sum keep them there.
#
# </details>
