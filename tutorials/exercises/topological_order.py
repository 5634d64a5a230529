# %% [markdown]
# # A topological order, and the chain rule along it
#
# A graph is a dict here: `inputs[node]` are the nodes that `node` was computed from, and `()` for a
# leaf. This one is `d = a * b`, then `loss = d + a`:

# %%
from simplegrad import exercises

inputs = {"loss": ("d", "a"), "d": ("a", "b"), "a": (), "b": ()}

# %% [markdown]
# ## The order
#
# Write `topological_order(root, inputs)`: a list of the nodes that `root` depends on, `root` among them,
# each of them once, and each after all of its inputs. There are several right answers, such as
# `["a", "b", "d", "loss"]` and `["b", "a", "d", "loss"]`.
#
# simplegrad sorts by the order of creation. A dict does not know it, so find an order without it. Some
# nodes do not belong to `root` and stay out. The last case is a chain of 5,000 nodes, where recursion
# ends with an error.


# %%
def topological_order(root, inputs):
    return ...


# %% [markdown]
# ## The chain rule
#
# Write `backward(order, inputs, partials)`: a dict with the gradient $\partial L / \partial node$ of
# every node of the order, by its name. $L$ is the last node. `partials[c]` are numbers,
# $\partial c / \partial a$ for each input $a$ of $c$, in the order of `inputs[c]`. For each node $c$, the
# last first, and each of its inputs $a$:
#
# $$da \mathrel{+}= dc \, \frac{\partial c}{\partial a}$$


# %%
def backward(order, inputs, partials):
    return ...


# %% [markdown]
# The check runs them on small examples. `python -m simplegrad.exercises check topological_order` does the
# same in a terminal.

# %% tags=["check"]
exercises.check("topological_order", topological_order, backward)

# %% [markdown]
# Try them here. On your machine you can set a breakpoint above, and step through them. With $a = 2$ and
# $b = 3$, `loss` is $a b + a$, so its gradient by $a$ is $b + 1 = 4$, and that by $b$ is $a = 2$.

# %%
partials = {"loss": (1.0, 1.0), "d": (3.0, 2.0), "a": (), "b": ()}
topological_order("loss", inputs)

# %%
backward(["a", "b", "d", "loss"], inputs, partials)

# %% [markdown]
# <details><summary>A hint: an order without recursion</summary>
#
# Keep a list as a stack, with `root` on it. Look at the node on top. If some of its inputs are not in
# the order yet, put them on the stack. If all of them are, take the node off and append it to the order,
# unless it is there already. A set tells quickly what is there.
#
# </details>
#
# <details><summary>A hint: where gradients begin</summary>
#
# The gradient of $L$ by itself is 1, and all others begin with 0.
#
# </details>
