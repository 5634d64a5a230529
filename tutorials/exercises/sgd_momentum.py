# %% [markdown]
# # SGD with momentum, one step
#
# Write one step of stochastic gradient descent with momentum, for one array of parameters.
#
# $$g = \nabla_\theta L + \lambda \, \theta$$
# $$b_t = \mu \, b + (1 - \tau) \, g, \quad b_1 = g$$
# $$\theta \mathrel{-}= lr \, b_t$$
#
# | symbol | argument |
# |---|---|
# | $\theta$ | `theta`, the parameters before the step |
# | $\nabla_\theta L$ | `grad`, their gradient |
# | $b$ | `b`, the velocity that the step before has returned, zeros at first |
# | $t$ | `t`, the number of the step: 1 in the first |
# | $lr$ | `lr`, the learning rate |
# | $\mu$ | `mu`, the momentum |
# | $\tau$ | `tau`, the dampening |
# | $\lambda$ | `weight_decay` |
#
# If `maximize` is true, it climbs: $g = -\nabla_\theta L + \lambda \, \theta$, and weights shrink all the
# same. The first step is $b_1 = g$, without dampening. `theta` and `b` are yours: you may change them in
# place. `grad` is not.

# %%
import numpy as np

from simplegrad import exercises


def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):
    g = ...
    b_t = ...
    theta = ...
    return g, b_t, theta


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check sgd_momentum` does the same in a terminal.

# %% tags=["check"]
exercises.check("sgd_momentum", sgd_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
theta, grad = np.array([1.0, -2.0]), np.array([2.0, -0.5])
sgd_step(theta, grad, np.zeros(2), 1, 0.1, 0.9, 0.0, 0.0)

# %% [markdown]
# <details><summary>A hint: why the first step is different</summary>
#
# Before the first step there is no velocity, and `b` is zeros. The general line would make $b_1$ equal to
# $(1 - \tau) \, g$, and so dampen what nothing has been added to. So ask for `t == 1` first.
#
# </details>
#
# <details><summary>A hint: two cases in one line</summary>
#
# `-grad if maximize else grad` is one of the two. `if t > 1:` with two indented lines does as well.
#
# </details>
