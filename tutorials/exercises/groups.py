# %% [markdown]
# # One step of a parameter group
#
# An optimizer has hyperparameters for all groups, `defaults`, and a group may override some of them.
# Write the step of plain gradient descent for one group.
#
# $$\theta \mathrel{-}= lr \, g$$
#
# | argument | what it is |
# |---|---|
# | `params` | a dict: the arrays $\theta$ of the group by name |
# | `grads` | a dict: the gradients $g$ by the same names. A frozen tensor is not in it, and stays as it is |
# | `overrides` | a dict: what the group has of its own of "lr" and "maximize", perhaps nothing |
# | `defaults` | a dict: "lr" and "maximize" of the optimizer, for what the group does not override |
#
# Write `group_step(params, grads, overrides, defaults)`. It returns `lr` and `maximize` as they hold for
# this group, and `stepped`, a dict of all arrays of the group after the step. If `maximize` is true, `-=`
# becomes `+=`. `params` is yours: you may change its arrays in place. The other arguments are not.

# %%
import numpy as np

from simplegrad import exercises


def group_step(params, grads, overrides, defaults):
    lr = ...
    maximize = ...
    stepped = ...
    return lr, maximize, stepped


# %% [markdown]
# The check runs it on small examples. A result is judged with your own results before it.
# `python -m simplegrad.exercises check groups` does the same in a terminal.

# %% tags=["check"]
exercises.check("groups", group_step)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
params, grads = {"weight": np.array([1.0, -2.0])}, {"weight": np.array([2.0, 0.5])}
group_step(params, grads, {"lr": 0.1}, {"lr": 0.5, "maximize": False})

# %% [markdown]
# <details><summary>A hint: what the group has of its own</summary>
#
# An `lr` of 0 and a `maximize` of False are values like others. So ask whether the key is in the dict, and
# not whether its value is true.
#
# </details>
#
# <details><summary>A hint: what is frozen</summary>
#
# Go through the items of `params`, and look for each name in `grads`. A tensor that is not there goes into
# the result unchanged.
#
# </details>
