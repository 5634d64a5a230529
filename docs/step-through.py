# %% [markdown]
# # Step through it
#
# `sg.step_through` makes a call and writes down each line that runs, with the variables of that moment:
# yours and simplegrad's, and no line of NumPy. Then you go through it as in a debugger, and also back.
#
# | button | key | where it goes |
# |---|---|---|
# | Into | `s` or → | to the next step, also into a function |
# | Over | `n` | to the next line of this function |
# | Out | `r` | to where this function has returned |
# | Back | `b` or ← | to the step before |
#
# The slider goes anywhere, and *Jump to* goes to an equation or a function. Lines with a mark at their
# number have run: click on one, or choose it with the arrow keys and press Enter. What has changed is
# green. The keys work where the focus is on the steps.
#
# ## A product
#
# Two calls down, in `Mul.forward`, NumPy multiplies. What runs before it makes Tensors of what you gave;
# what runs after it writes down the rule, for the way back. The graph grows with it.

# %%
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim

a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")


def product():
    c = a * b
    return c


sg.step_through(product)

# %% [markdown]
# Hand it the function and not its result: `product`, without parentheses. For one expression, a lambda
# will do, as in `sg.step_through(lambda: a * b)`.
#
# ## The way back
#
# The chain rule goes through the tape from its end. In the graph, the tensor that it has reached is
# framed, and gradients are on their way from node to node. Where two paths meet, they add up: `a` is
# used twice.

# %%
loss = (a * b + a).sum()
sg.step_through(loss.backward)

# %% [markdown]
# ## The five lines of Adam, for two groups
#
# One group goes down at a rate of 0.1, and the other goes up at 0.01. Jump to an equation, and compare
# `lr` of the two: it is negative where `maximize` is set, and `x -= -y` is `x += y`.

# %%
w = sg.Tensor([1.0, -2.0], requires_grad=True, name="w")
bias = sg.Tensor(0.5, requires_grad=True, name="bias")
groups = [
    {"params": {"w": w}, "label": "weights"},
    {"params": {"bias": bias}, "label": "bias", "lr": 0.01, "maximize": True},
]
opt = optim.Adam(lr=0.1, param_groups=groups)
(w.sum() * bias).backward()
sg.step_through(opt.step)

# %% [markdown]
# ## What `state()` takes with it
#
# It copies what the next step needs: the count of steps, and for each group its hyperparameters and its
# moments.

# %%
sg.step_through(opt.state)

# %% [markdown]
# ## In a notebook, and as a file
#
# A notebook shows the steps where they end a cell. The call was made, and `result` is what it returned.
# `save` writes one file, which works without a connection: hand it in, or show it in a lecture.

# %%
import tempfile
from pathlib import Path

steps = sg.step_through(opt.state)
assert steps.result["step_count"] == 1

with tempfile.TemporaryDirectory() as folder:
    page = Path(folder) / "steps.html"
    steps.save(page)
    print(page.read_text(encoding="utf-8")[:15])

# %% [markdown]
# In such a file, equations are typeset if `latex2mathml` is installed, and stand there as text if not.
# Printed, the steps are the lines that ran, those that compute an equation if there are any.

# %%
print(sg.step_through(opt.step))

# %% [markdown]
# ## When the call fails
#
# The steps end where the error arose, with the variables of that moment, and the error is not raised: go
# back from it, and see where the wrong shape came from.


# %%
def wrong():
    x = sg.Tensor(np.ones((2, 3)))
    y = sg.Tensor(np.ones((2, 3)))
    return x @ y


sg.step_through(wrong)

# %% [markdown]
# ## What it shows, and what not
#
# - Arrays of up to 64 numbers are shown whole, larger ones by their first three. Of a list in a list,
#   only its length is there.
# - While a function waits for another, its variables are those of the moment in which it called, but for
#   arrays and tensors that the other changes in place.
# - The first 5,000 steps are kept. Then the call goes on without being watched, as fast as ever.
# - A graph is not drawn if the call sees more than 60 tensors of graphs.
# - The call takes some fifty times as long. Its results have the same bits.
# - A debugger does not stop within the call, since Python has one trace function at a time. At a
#   `breakpoint()` in the code it does, and from there on nothing is written down.
#   [The debugger](debugger.md) of your editor goes further: it stops where you wish, and evaluates what
#   you type.
