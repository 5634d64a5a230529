# %% [markdown]
# # The partials of a product
#
# The forward equation is given: two arrays of one shape are multiplied, element by element.
#
# $$c = a \, b$$
#
# Write its two partials. In both, $dc$ is the gradient $\partial L / \partial c$ that comes from what
# was computed with $c$, and an array of the same shape.
#
# $$da = dc \, b$$
# $$db = dc \, a$$
#
# Replace each `...`. The arguments are not yours to change, for others still need them.

# %%
import numpy as np

from simplegrad import exercises


def da(dc, c, a, b):
    return ...


def db(dc, c, a, b):
    return ...


# %% [markdown]
# The check runs them on small examples. `python -m simplegrad.exercises check mul` does the same in a
# terminal.

# %% tags=["check"]
exercises.check("mul", da, db)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them.

# %%
a, b = np.array([2.0, -1.0]), np.array([3.0, 5.0])
da(np.array([10.0, 7.0]), a * b, a, b)

# %% [markdown]
# <details><summary>A hint: where does dc come from?</summary>
#
# Think of $L$ as a function of $c$ alone. If $a$ grows by a little, $c$ grows $b$ times as much, and
# $L$ grows $dc$ times as much as $c$ does. The chain rule multiplies the two.
#
# </details>
#
# <details><summary>A hint: which factor stays</summary>
#
# In $c = a \, b$, $a$ is multiplied by one factor. That factor is how fast $c$ grows with $a$, so it is what
# `da` multiplies `dc` by. `*` takes two arrays of one shape element by element.
#
# </details>
