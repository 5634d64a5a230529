# %% [markdown]
# # The logits of a network, and its accuracy
#
# Write with NumPy what `nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))` computes, for
# weights and biases of any size, and how often it is right. No loop is needed.
#
# ## The logits
#
# `x` has an image in each row. The weights have the shape (in, out), as `nn.Linear` keeps them, and a bias
# has the shape (out). Write `logits(x, W_1, b_1, W_2, b_2)`. It returns the hidden layer `h` and the logits
# `a`, a row of each for each image.
#
# $$h = \max(x W_1 + b_1, 0)$$
# $$a = h W_2 + b_2$$

# %%
import numpy as np

from simplegrad import exercises


def logits(x, W_1, b_1, W_2, b_2):
    h = ...
    a = ...
    return h, a


# %% [markdown]
# ## Its accuracy
#
# Write `accuracy(a, y)` for the logits of $n$ images and their labels `y`. It returns `prediction`, the class
# with the largest logit of each image, and `accuracy`, the share of the images whose class this is. A bracket
# is 1 where what stands in it is true, and 0 elsewhere.
#
# $$prediction_i = \arg\max_j a_{ij}$$
# $$accuracy = \frac{1}{n} \sum_i [prediction_i = y_i]$$


# %%
def accuracy(a, y):
    prediction = ...
    accuracy = ...
    return prediction, accuracy


# %% [markdown]
# The check runs them on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check logits` does the same in a terminal.

# %% tags=["check"]
exercises.check("logits", logits, accuracy)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them.

# %%
x = np.array([[1.0, -2.0], [0.5, 3.0]])
W_1, b_1 = np.array([[1.0, -1.0, 0.5], [2.0, 0.0, 1.0]]), np.array([0.5, 1.0, -1.0])
W_2, b_2 = np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 3.0]]), np.array([0.25, -0.5])
logits(x, W_1, b_1, W_2, b_2)

# %%
accuracy(np.array([[0.5, 2.0, -3.0], [1.5, -1.0, 1.0]]), np.array([1, 2]))

# %% [markdown]
# <details><summary>A hint: shapes</summary>
#
# `x` has the shape (images, in) and a weight (in, out), so their product with `@` has the shape
# (images, out). A bias of the shape (out) is added to each row of it without a loop.
#
# </details>
#
# <details><summary>A hint: counting</summary>
#
# `==` compares two arrays element by element. True counts as 1, and False as 0, when you add them up or
# take their mean.
#
# </details>
