# %% [markdown]
# # The hyperbolic tangent and its partial
#
# Write the rule of tanh: the forward equation, for arrays of any shape, and its partial.
#
# $$c = \tanh a$$
# $$da = dc \, (1 - c^2)$$
#
# `np.tanh` is allowed. It is harder, and teaches more, to use nothing but `np.exp`:
# $\tanh a = (e^a - e^{-a}) / (e^a + e^{-a})$. The result has to be right for $a = 1000$, too.

# %%
import numpy as np

from simplegrad import exercises


def forward(a):
    return ...


def da(dc, c, a):
    return ...


# %% [markdown]
# The check runs them on small examples. `python -m simplegrad.exercises check tanh` does the same in a
# terminal.

# %% tags=["check"]
exercises.check("tanh", forward, da)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them.

# %%
forward(np.array([-1000.0, -1.0, 0.5, 1000.0]))

# %% [markdown]
# <details><summary>A hint: large numbers</summary>
#
# $e^{1000}$ is larger than any float, so it becomes `inf`, and `inf / inf` is `nan`. Divide both sides
# of the fraction by $e^{a}$ where $a$ is positive: what is left is $e^{-2 a}$, which is at most 1. For
# negative $a$, $\tanh a = -\tanh |a|$.
#
# </details>
#
# <details><summary>A hint: why c and not a</summary>
#
# The partial is written with the result $c$, since the forward pass has computed it already. `a` is an
# argument of the partial all the same: other rules need it.
#
# </details>
