# %% [markdown]
# # Checking a gradient by central differences
#
# A gradient computed by hand may be wrong. Small changes of the input tell.
#
# ## Central differences
#
# `L` is a function that takes an array and returns one number. Write
# `central_differences(L, x, h)`: an array of the shape of `x`, which may have any number of axes. $e_i$ is
# 1 at element $i$ and 0 elsewhere, so one element is moved at a time.
#
# $$\frac{\partial L}{\partial x_i} \approx \frac{L(x + h e_i) - L(x - h e_i)}{2 h}$$
#
# `x` has to hold the same numbers after the call as before.

# %%
import numpy as np

from simplegrad import exercises


def central_differences(L, x, h):
    return ...


# %% [markdown]
# ## The check of a gradient
#
# Write `gradcheck(L, dL, x)`, where `dL` is a function that takes an array and returns what is thought to
# be the gradient of `L`. It returns `True` if every element agrees with central differences of
# $h = 10^{-6}$, and `False` if not. Differences are never exact, so allow a relative difference of
# $10^{-5}$, and $10^{-7}$ besides.


# %%
def gradcheck(L, dL, x):
    return ...


# %% [markdown]
# The check runs them on right gradients and on wrong ones. `python -m simplegrad.exercises check
# gradcheck` does the same in a terminal.

# %% tags=["check"]
exercises.check("gradcheck", central_differences, gradcheck)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them.

# %%
x = np.array([1.0, 2.0, -0.5])
central_differences(lambda x: (x**3).sum(), x, h=1e-6)  # near 3 * x**2

# %%
gradcheck(lambda x: (x**3).sum(), lambda x: 2 * x**2, x)  # a wrong gradient

# %% [markdown]
# <details><summary>A hint: one element of any array</summary>
#
# `for i in np.ndindex(x.shape)` gives every index of an array, whatever its number of axes. `x[i]` is
# one number.
#
# </details>
#
# <details><summary>A hint: near enough</summary>
#
# `np.allclose(a, b, rtol, atol)` is true if $|a - b| \le atol + rtol \, |b|$ for all elements.
#
# </details>
