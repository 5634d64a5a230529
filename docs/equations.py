# %% [markdown]
# ---
# hide: [navigation]
# ---
#
# # Equations
#
# Every equation of the library, beside the lines that compute it. This page is made from the source
# whenever the site is built: the equations are those of the docstrings, the lines and their numbers
# those of the files.
#
# Where a line stands alone, as in an optimizer, it is a cell: change it or the numbers above it, and
# *Run* at the last cell of the optimizer shows what has become of $\theta$.
#
# ## Optimizers
#
# <!-- equations: optimizers -->
#
# ## Symbols
#
# The symbols of the optimizers, and what they are called in the code:
#
# <!-- equations: symbols -->
#
# In the rules, $a$ and $b$ are the inputs and $c$ is the result. For the loss $L$,
# $dc = \partial L / \partial c$ is the gradient that arrives from the loss, and
# $da = \partial L / \partial a$ the one that the rule hands on; the code calls them `dc` and `da`.
#
# ## The engine
#
# <!-- equations: engine -->
#
# ## Functions and losses
#
# <!-- equations: functions -->
#
# ## Layers
#
# <!-- equations: layers -->
#
# ## First weights
#
# <!-- equations: initialisations -->
#
# ## Many processes
#
# <!-- equations: processes -->
#
# ## Run a rule
#
# A rule is two or three functions on arrays: each line below that starts with `return` ends one of them.
# Write another rule for `rules.Mul`, or other numbers:

# %%
import numpy as np

from simplegrad import rules

rule = rules.Mul
a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
c = rule.forward(a, b)
print("c ", c)

dc = np.ones_like(c)
for partial in rule.partials:
    print(partial.__name__, partial(dc, c, a, b))

# %% [markdown]
# ## Rules of arithmetic
#
# <!-- equations: arithmetic -->
#
# ## Rules for each element
#
# <!-- equations: elementwise -->
#
# ## Rules along an axis
#
# <!-- equations: reductions -->
#
# ## Rules of shape
#
# <!-- equations: shapes -->
