# %% [markdown]
# # What the debugger shows at each stop
#
# This is the program. A breakpoint in `chain_rule` stops at each call of a partial, and shows `dc`, the
# gradient of the loss by the result of the rule at work.
#
# ```python
# c = a * b
# s = c + a
# p = s**2
# loss = p.sum()
# loss.backward()
# ```
#
# `a` and `b` are leaves and require gradients. Write `stops(a, b)` for two arrays. It returns what the
# debugger will show: `dloss`, `dp`, `ds` and `dc`, which is what `chain_rule` calls `dc` while `loss`, `p`,
# `s` and `c` are at work, and then the gradients `da` and `db` that are left in the end. For each
# rule and each of its inputs,
#
# $$da \mathrel{+}= dc \, \frac{\partial c}{\partial a}$$
#
# `b` may have a smaller shape than `a`: a number, or a row below which rows of `a` lie.

# %%
import numpy as np

from simplegrad import exercises


def stops(a, b):
    dloss = ...
    dp = ...
    ds = ...
    dc = ...
    da = ...
    db = ...
    return dloss, dp, ds, dc, da, db


# %% [markdown]
# The check runs it on small examples. `python -m simplegrad.exercises check stops` does the same in a
# terminal.

# %% tags=["check"]
exercises.check("stops", stops)

# %% [markdown]
# Try it here, and then look: on your machine set a breakpoint in `simplegrad/autograd.py`, at the line that
# starts with `dt =`, and run the program with these numbers.

# %%
stops(np.array([1.0, 2.0]), np.array(3.0))  # ds is (8, 16)

# %% [markdown]
# <details><summary>A hint: the way down to c</summary>
#
# A sum hands its gradient on to each of its elements, a square multiplies it by twice its input, and an
# addition hands it on unchanged to both of its inputs.
#
# </details>
#
# <details><summary>A hint: the leaves</summary>
#
# `a` is used in two places, and the gradients of both add up. Where `b` was broadcast, the gradients of its
# copies add up, too: the exercise `unbroadcast` is about this.
#
# </details>
