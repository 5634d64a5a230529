# %% [markdown]
# # See the equations happen
#
# `sg.explain` makes a call for you and writes down what was computed: which line of which file, with
# which numbers, and what came out. It is a debugger that has already stepped through everything. The
# lines are those that ran, read from the files, so they cannot be other than the library's.
#
# ## A step of Adam
#
# Hand it the function and not its result: `opt.step`, without parentheses.

# %%
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn, rules

w = sg.Tensor(5.0, requires_grad=True, dtype=np.float64, name="w")
opt = optim.Adam(lr=0.1, param_groups=[{"params": {"w": w}}])
loss = (w - 3) ** 2
loss.backward()
print(sg.explain(opt.step))

# %% [markdown]
# Each entry has the equation from the docstring, if there is one for this line, the code, the numbers
# put in place of its names, and the result. The step was taken: explain changes nothing but the speed.

# %%
assert opt.step_count == 1
assert np.isclose(w.item(), 4.9)

# %% [markdown]
# ## One parameter, one element
#
# A network has many numbers. `parameter` chooses a tensor, by its name in the optimizer, and `index` an
# element of it. Without them, all parameters are shown, each with its first element.

# %%
sg.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
opt = optim.SGD(model, lr=0.1, momentum=0.9)
x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
loss = sg.cross_entropy(model(x), [0, 1, 1, 0, 1])
loss.backward()
print(sg.explain(opt.step, parameter="layers.2.weight", index=(0, 1)))

# %% [markdown]
# ## Gradients on their way back
#
# `loss.backward` shows the partial of each rule, where a gradient is summed back to the shape of an
# input that was broadcast, and where gradients of one tensor add up. Between the lines stands the name
# of the tensor whose gradient it is; one without a name is called after the rule that made it.

# %%
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor(3.0, requires_grad=True, name="b")
loss = (a * b + a).sum()
print(sg.explain(loss.backward))

# %% [markdown]
# Of a larger loss, choose what you want to know. A layer's weight has no name of its own in the loss,
# which does not know the model, so give the tensor itself. The operands of a matrix product are not
# used element by element, so they show their first values and their shape.

# %%
loss = sg.cross_entropy(model(x), [0, 1, 1, 0, 1])
print(sg.explain(loss.backward, parameter=model.layers[0].weight, index=(3, 2)))

# %% [markdown]
# ## A rule
#
# A rule is called with plain arrays, forward and for each partial.

# %%
a, dc = np.array([-1.0, 0.5]), np.array([1.0, 1.0])
forward = sg.explain(rules.GELU.forward, a, index=1)
print(forward)
print()
print(sg.explain(rules.GELU.da, dc, forward.result, a, index=1))

# %% [markdown]
# ## A forward pass
#
# What `call` takes goes behind it. Here is a layer, with its input; the numbers are those of row 1 and
# column 2. A mean has only one column, and its element of row 1 is shown.

# %%
layer = nn.LayerNorm(3)
print(sg.explain(layer, [[1.0, 2.0, 3.0], [4.0, 0.0, 8.0]], index=(1, 2)))

# %% [markdown]
# An expression is not a call, so write it as a function: `sg.explain(lambda: (a * b).exp())`. A function
# of yours, such as a whole training step, can be explained, too.
#
# ## The table as data
#
# Go through an explanation for its records: they are named tuples, and nothing in them is rounded. The
# attribute `result` of the explanation is what the call returned.

# %%
steps = sg.explain(lambda: sg.Tensor([0.1, 0.2]) * 3)
(line,) = steps
for name in line._fields[1:]:
    print(f"{name:10} {getattr(line, name)!r}")
assert line.file == rules.arithmetic.__file__
assert (steps.result == 3 * np.float32([0.1, 0.2])).all()

# %% [markdown]
# So you can look for what you need. Here is why a network that is given large numbers does not learn:
# where tanh is flat, its partial multiplies the gradient by 0.

# %%
loss = sg.cross_entropy(model(100 * x), [0, 1, 1, 0, 1])
for column in range(3):
    for line in sg.explain(loss.backward, index=(0, column)):
        if line.function == "Tanh.da":
            print(line.numbers, "=", line.result)

# %% [markdown]
# In a notebook, an explanation that ends a cell is shown as a table with typeset equations.
#
# ## Your own optimizer
#
# It is explained like those of the library, and so are rules and modules of yours. An equation of the
# docstring is found by its left side: `$$\hat m = …$$` belongs to the line that assigns `m_hat`, and
# `$$\theta \mathrel{-}= …$$` to the one that changes `theta.data`.


# %%
class Lion(optim.Optimizer):
    r"""Steps of one size, in the direction of a momentum.

    $$c = \beta_1 \, m + (1 - \beta_1) \, g$$
    $$\theta \mathrel{-}= lr \, \operatorname{sign} c$$
    $$m_t = \beta_2 \, m + (1 - \beta_2) \, g$$

    Chen et al. (2023), "Symbolic Discovery of Optimization Algorithms", Algorithm 2.
    """

    slots = ("moments1",)

    def update(self, theta, group, kept):
        lr, beta_1, beta_2 = group["lr"], 0.9, 0.99
        g, (m,) = theta.grad, kept
        c = beta_1 * m + (1 - beta_1) * g
        theta.data -= lr * np.sign(c)
        m_t = beta_2 * m + (1 - beta_2) * g
        return (m_t,)


w = sg.Tensor([2.0, -1.0], requires_grad=True)
opt = Lion(lr=0.01, param_groups=[{"params": {"w": w}}])
(w**2).sum().backward()
print(sg.explain(opt.step, index=1))

# %% [markdown]
# ## When the call fails
#
# The table up to the error is printed, with the operands of the line that failed. Then the error is
# raised, and the table is its attribute `explanation`.

# %% tags=["raises-exception"]
sg.explain(rules.MatMul.forward, np.ones((2, 3)), np.ones((2, 3)))

# %% [markdown]
# ## What is not shown
#
# - Lines that compute nothing: checks, conditions, and the engine's order of work. Which branch was taken
#   is seen from the lines that follow.
# - What the optimizers of `simplegrad.fast` run: they work on blocks of memory, and the same equations with
#   the same bits are in `simplegrad.optimizers`. A function under `fast.replay` is shown as it is written.
# - What NumPy does within a line. [The debugger](tutorials/seeing.md) does not go there, either.
#
# A debugger such as pdb does not stop within a call that is explained, since Python has one trace function
# at a time. Afterwards it goes on as before.
