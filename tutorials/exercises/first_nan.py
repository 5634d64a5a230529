# %% [markdown]
# # Where the first NaN comes from
#
# A graph is a dict: `inputs[node]` are the nodes that `node` was computed from, and `()` for a leaf.
# `data[node]` is its array. The loss of this one is NaN:

# %%
import numpy as np

from simplegrad import exercises

inputs = {"loss": ("p",), "p": ("e",), "e": ("a",), "a": ()}
data = {"a": np.array([1.0, 1000.0])}
with np.errstate(over="ignore", invalid="ignore"):  # NumPy would warn
    data["e"] = np.exp(data["a"])
    data["p"] = data["e"] / data["e"]
    data["loss"] = data["p"].sum()

# %% [markdown]
# Write `first_nan(root, inputs, data)`: the name of a node whose data are not all finite although those
# of all of its inputs are. NaN and both infinities are not finite. Here it is `"e"`: the exponential
# of 1000 is infinite, and infinity divided by infinity is NaN. Look at the nodes that `root` depends on, and
# at `root` itself. If there are several such nodes, return one of them, and if there is none, `None`.


# %%
def first_nan(root, inputs, data):
    return ...


# %% [markdown]
# The check runs it on small examples. `python -m simplegrad.exercises check first_nan` does the same in a
# terminal.

# %% tags=["check"]
exercises.check("first_nan", first_nan)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
first_nan("loss", inputs, data)

# %% [markdown]
# <details><summary>A hint: what is finite</summary>
#
# `np.isfinite` says it of each element, and `.all()` of a whole array. A leaf has no inputs, so there is
# nothing in its way: `all` of nothing is true.
#
# </details>
#
# <details><summary>A hint: the way through the graph</summary>
#
# Keep a list, with `root` in it, and go through it while it grows: append the inputs of each node that
# are not there yet. Do not stop where a node is finite. What is above it may be infinite, as in
# `1 / np.inf`.
#
# </details>
