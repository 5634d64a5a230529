# %% [markdown]
# # Draw a graph
#
# Every result remembers the rule that made it and the tensors that the rule was given. `sg.draw` makes
# a picture of that, and `sg.print_graph` writes it as text. Both need nothing but NumPy.
#
# ## An expression, its values and its gradients

# %% alt="The graph of L = tanh(a * b + c), from left to right. Boxes for the parameters a, b and c with their values; arrows lead from a and b to Mul, from Mul and c to Add, from Add to L = Tanh."
import numpy as np

import simplegrad as sg
from simplegrad import nn

sg.manual_seed(0)
a = sg.Tensor(2.0, requires_grad=True, name="a")
b = sg.Tensor(-3.0, requires_grad=True, name="b")
c = sg.Tensor(5.5, requires_grad=True, name="c")
L = sg.tanh(a * b + c)
L.name = "L"
sg.draw(L)

# %% [markdown]
# An arrow leads from each input to the result that was computed from it, the first input above the
# second. `backward` walks against the arrows. With `retain_grads=True` it leaves a gradient on each
# tensor, and a new picture shows them:

# %% alt="The same graph; each box now has a gradient, too: 1 for L, 0.7864 for Add, Mul and c, -2.359 for a, 1.573 for b."
L.backward(retain_grads=True)
sg.draw(L)

# %% [markdown]
# Follow the gradients from right to left. That of the sum goes to both of its inputs unchanged. Those
# of `a` and `b` are the gradient of the product, times the other factor.
#
# | box | what it is |
# |---|---|
# | yellow | a result: the rule that made it, and what else the rule was given, such as an axis |
# | blue, round corners, thick border | a parameter: a leaf that requires gradients |
# | grey, dashed border | a constant, which requires none: data, a number, a detached tensor |
# | violet, thick border | several tensors, folded into one box |
#
# Each box shows the name if there is one, and the shape unless the tensor is a single number. Values
# and gradients are shown of tensors of up to 4 elements, as far as they fit.
#
# ## The same as text
#
# `sg.print_graph` has a line for each tensor, in the order in which they were made: the tape that
# `backward` reads from its end.

# %%
sg.print_graph(L)

# %% [markdown]
# A tensor that is used twice is one box with two arrows, and one line. Its gradient is the sum of what
# comes back along both.

# %% alt="A box for the parameter w with value 3 and gradient 6; two arrows lead from it to the box Mul with value 9."
w = sg.Tensor(3.0, requires_grad=True, name="w")
square = w * w
square.backward()
sg.draw(square)

# %% [markdown]
# ## A training step
#
# `direction="down"` lets the arrows lead from top to bottom, which suits long graphs.

# %% alt="The graph of a classifier's loss from top to bottom: x and a weight lead to MatMul, with a bias to Add, then ReLU, and again MatMul and Add; LogSumExp and Index of the result lead to Sub, and Sub to loss = Mean."
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
x = sg.normal((16, 64))
x.name = "x"
loss = sg.cross_entropy(model(x), np.zeros(16, dtype=int))
loss.name = "loss"
sg.draw(loss, direction="down")

# %% [markdown]
# You see what a layer and a loss are made of: a `Linear` is a `MatMul` and an `Add`, and
# `cross_entropy` takes the logarithm of a sum of exponentials, minus the logit of the right class.
#
# ## Attention
#
# Names help: give one to each tensor that has one in the equation.

# %% alt="The graph of attention from top to bottom. Rows of an embedding lead to q, k and v, each a MatMul with its own weight. q and the transpose of k lead to MatMul, Div by 2.828, then LogSumExp, Sub and Exp, which are the softmax; its MatMul with v is y."
x = nn.Embedding(20, 8)(np.arange(6))
W_q, W_k, W_v = (sg.normal((8, 8), requires_grad=True, name=f"W_{i}") for i in "qkv")
q, k, v = x @ W_q, x @ W_k, x @ W_v
q.name, k.name, v.name = "q", "k", "v"
y = sg.softmax(q @ k.T / np.sqrt(8)) @ v
y.name = "y"
sg.draw(y, direction="down")

# %% [markdown]
# ## Large graphs are folded
#
# A graph of more than `max_nodes=60` tensors is folded. Where the same rules and shapes come again at
# once, as layers or time steps do, the first time is shown and the others are one box. If that is still
# too much, the first time goes into the box as well, and then the middle of the graph becomes one box.
# What is folded is a stretch of the tape, with the leaves that nothing else uses.

# %% alt="The graph of a network of 30 layers from top to bottom. The first layer is shown with its parameters; then comes one violet box, MatMul, Add, ReLU, times 28, with 56 parameters; then the last layer and the loss."
deep = nn.Sequential(
    nn.Linear(64, 32),
    nn.ReLU(),
    *[layer for _ in range(28) for layer in (nn.Linear(32, 32), nn.ReLU())],
    nn.Linear(32, 10),
)
loss = sg.cross_entropy(deep(sg.normal((16, 64))), np.zeros(16, dtype=int))
sg.draw(loss, direction="down")

# %%
sg.print_graph(loss)

# %% [markdown]
# ## A tensor without a graph
#
# A leaf was not computed. What was made without parameters, or under `no_grad()`, has forgotten how.

# %% tags=["raises-exception"]
with sg.no_grad():
    forgotten = a * b
sg.draw(forgotten)

# %% [markdown]
# ## Keep a picture
#
# `sg.draw(loss).save("graph.svg")` writes a file that every browser shows, at any size. The picture has
# no background: its boxes are light and its lines grey, so it can be read on white and on dark slides.
# The text of the graph is in it for screen readers. A picture keeps no tensor alive: the graph is freed
# as if it had never been drawn.
