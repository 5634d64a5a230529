# %% [markdown]
# # A convolution, and its gradients
#
# `x` is one image of the shape $(C, H, W)$: channels, rows and columns. `W` are the filters, of the shape
# $(O, C, h, w)$, and `b` holds a bias for each filter. $s$ is the stride, and $z$ says how many zeros stand
# on each side of the image. Both are whole numbers, the same for rows and columns.
#
# ## Forward
#
# $$y_{o\,p} = \sum_{c,\,k} W_{o\,c\,k} \, x_{c,\, s p + d k} + b_o$$
#
# $p$ is a place of the window and $k$ a place within it: a row and a column each. The dilation $d$ is 1 in
# this exercise. The $x$ of the equation is the image with its zeros. Write `conv2d(x, W, b, s, z)`,
# which returns $y$, of the shape $(O, H', W')$.

# %%
import numpy as np

from simplegrad import exercises


def conv2d(x, W, b, s, z):
    y = ...
    return y


# %% [markdown]
# ## Backward
#
# `dy` is the derivative of the loss by $y$. Each weight and each bias is used at all places $p$:
#
# $$dW_{o\,c\,k} = \sum_p dy_{o\,p} \, x_{c,\, s p + d k}$$
# $$db_o = \sum_p dy_{o\,p}$$
#
# And the pixel $i$ is used by all filters, by each window that sees it:
#
# $$dx_{c\,i} = \sum_{o,\,k,\,p \,:\, s p + d k = i} W_{o\,c\,k} \, dy_{o\,p}$$
#
# Write `gradients(dy, x, W, s, z)`. Each has the shape of what it belongs to: `dx` that of `x`,
# without the zeros.


# %%
def gradients(dy, x, W, s, z):
    dW = ...
    db = ...
    dx = ...
    return dW, db, dx


# %% [markdown]
# The check runs them on small examples, from one channel and one filter to a stride with zeros. Loops are
# as right as a matrix product. `python -m simplegrad.exercises check conv2d` does the same in a terminal.

# %% tags=["check"]
exercises.check("conv2d", conv2d, gradients)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them. Every window of ones
# gives the number of its weights, 4, and a pixel in the middle is seen by four windows.

# %%
x, W = np.ones((1, 3, 3)), np.ones((1, 1, 2, 2))
conv2d(x, W, np.zeros(1), s=1, z=0)

# %%
gradients(np.ones((1, 2, 2)), x, W, s=1, z=0)

# %% [markdown]
# <details><summary>A hint: how many places</summary>
#
# With its zeros the image has $H + 2 z$ rows. The window needs $h$ of them for its first place, and $s$ more
# for each further one. `//` divides and rounds down.
#
# </details>
#
# <details><summary>A hint: what a window sees</summary>
#
# The window at row `i` and column `j` of $y$ begins at row `s * i` and column `s * j` of the image with
# zeros. A slice of it, in all channels, has the shape of one filter.
#
# </details>
#
# <details><summary>A hint: the way back</summary>
#
# Go through the places as you do forward. There, a slice of the image was read. Now, a slice of `dx` is added
# to, for `dx` with room for the zeros. They are cut off at the end.
#
# </details>
