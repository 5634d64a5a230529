# %% [markdown]
# # Mistakes students make
#
# Everybody makes these. Each section shows what one writes, what comes of it and why, and then the
# lines that work. All errors and numbers on this page are those that the library gave when the page was
# made, and [a table at its end](#all-errors) lists the errors. Without one, go by what you see:
#
# | what you see | look at |
# |---|---|
# | the loss stays high | [`zero_grad` too early](#zero_grad-between-backward-and-step), [shapes](#shape-n-against-n-1), [softmax twice](#softmax-before-cross_entropy) |
# | the loss swings or grows | [`zero_grad` forgotten](#zero_grad-forgotten), [learning rate](#a-learning-rate-that-is-too-large) |
# | the loss is NaN | [NaN and infinity](#nan-and-infinity), [gradients that explode](#gradients-that-explode) |
# | a gradient is wrong | [`backward` twice](#backward-twice), [data changed](#data-changed-before-backward) |
# | `.grad` is None | [a new tensor](#a-new-tensor-in-place-of-an-update), [`step` before `backward`](#step-before-backward) |
# | the model does not learn | [an optimizer of a copy](#an-optimizer-of-a-copy) |
# | a part of the model does not learn | [an optimizer of a copy](#an-optimizer-of-a-copy), [parameters not found](#parameters-that-are-not-found), [made in `forward`](#parameters-made-in-forward) |
# | one input has several outputs | [`eval` forgotten](#eval-forgotten) |
# | it takes too much memory | [losses kept as tensors](#losses-kept-as-tensors), [float64](#float64-by-accident) |

# %%
import copy
import math
import warnings
from textwrap import fill

import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

sg.manual_seed(0)

# %% [markdown]
# ## `backward` twice

# %%
w = sg.Tensor(3.0, requires_grad=True, name="w")
loss = w**2
loss.backward()
print("after one call: ", w.grad)
loss.backward()
print("after two calls:", w.grad)

# %% [markdown]
# The derivative of $w^2$ at $w = 3$ is 6. `backward` adds it to `.grad` and replaces nothing, so two
# calls leave 12. This is wanted where a parameter serves two losses, or where a batch comes in pieces.
# Where it is not wanted, fill the gradient with zeros in between.

# %%
w.zero_grad()
loss.backward()
assert w.grad == 6

# %% [markdown]
# ## `zero_grad` forgotten

# %%
w = sg.Tensor(1.0, requires_grad=True, name="w")
opt = optim.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
for step in range(6):
    loss = w**2
    loss.backward()
    print(f"w = {w.item():5.2f}, 2 w = {2 * w.item():5.2f}, w.grad = {w.grad:5.2f}")
    opt.step()

# %% [markdown]
# The derivative of $w^2$ is $2 w$ and should become smaller on the way to the minimum at 0. But each
# `backward` adds to what the last one has left, so `w.grad` is the sum of all gradients since the start.
# It grows while `w` falls, and `w` rushes past the minimum. No error tells you, unless you ask for a
# warning. Here it is made an error, so that it stops the loop:

# %% tags=["raises-exception"]
with warnings.catch_warnings(), sg.detect_accumulation():
    warnings.simplefilter("error")
    for step in range(2):
        loss = w**2
        loss.backward()
        opt.step()

# %% [markdown]
# Clear the gradients once in each round.

# %%
w = sg.Tensor(1.0, requires_grad=True, name="w")
opt = optim.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
for step in range(6):
    loss = w**2
    loss.backward()
    assert w.grad == 2 * w.data
    opt.step()
    opt.zero_grad()
assert np.isclose(w.item(), 0.8**6)

# %% [markdown]
# ## `zero_grad` between `backward` and `step`

# %%
model = nn.Linear(2, 1)
opt = optim.Adam(model=model, lr=0.1)
before = model.weight.numpy()

loss = model([1.0, 2.0]).sum()
loss.backward()
opt.zero_grad()
opt.step()
print("has the weight changed?", (model.weight != before).any())

# %% [markdown]
# The gradients are there, and all of them are 0, so the step leads nowhere. Use them first, and clear
# them after.

# %%
loss = model([1.0, 2.0]).sum()
loss.backward()
opt.step()
opt.zero_grad()
assert (model.weight != before).all()

# %% [markdown]
# ## `step` before `backward`

# %% tags=["raises-exception"]
model = nn.Linear(2, 1)
opt = optim.Adam(model=model)
loss = model([1.0, 2.0]).sum()
opt.step()

# %% [markdown]
# A step needs gradients, and `loss` has none to give before its `backward`. No parameter was changed.
# The same error comes later, too, if the loss does not depend on one of the parameters: a layer that
# `__init__` makes and `forward` forgets gets no gradient.

# %%
loss.backward()
opt.step()
assert opt.step_count == 1

# %% [markdown]
# ## `backward` on several numbers

# %% tags=["raises-exception"]
x = sg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
(x**2).backward()

# %% [markdown]
# A gradient belongs to one number, the loss. Make one number of the three, with `sum` or `mean`. Or give
# `backward` the weight of each of them, which is the gradient to start from.

# %%
(x**2).sum().backward()
assert x.grad.tolist() == [2, 4, 6]

x.zero_grad()
(x**2).backward(grad=[1.0, 0.0, 10.0])
assert x.grad.tolist() == [2, 0, 60]

# %% [markdown]
# ## Everything under `no_grad`

# %% tags=["raises-exception"]
with sg.no_grad():
    loss = (x**2).sum()
loss.backward()

# %% [markdown]
# Under `sg.no_grad`, results do not remember how they were computed. That is meant for tests of a model,
# which need no gradients. Compute the loss outside of it.

# %%
x.zero_grad()
loss = (x**2).sum()
loss.backward()
with sg.no_grad():
    print(f"mean square {(x**2).mean().item():.2f}")
assert x.grad.tolist() == [2, 4, 6]

# %% [markdown]
# ## Data changed before `backward`

# %% tags=["raises-exception"]
w = sg.Tensor([3.0, 4.0], requires_grad=True, name="w")
loss = (w * w).sum()
w.data -= 0.5
loss.backward()

# %% [markdown]
# The derivative of $w^2$ is $2 w$, so `backward` has to find the $w$ that the loss was computed from.
# simplegrad notices an assignment to `.data`, also to that of a view such as `w[:2]`. Indices, conditions
# and targets are copied when they are used, so you may fill their arrays anew. It does not notice an
# assignment to an element of `.data`, which NumPy makes alone, and then the gradient is wrong:

# %%
w = sg.Tensor([3.0, 4.0], requires_grad=True, name="w")
loss = (w * w).sum()
w.data[0] = 2.5
loss.backward()
print("the gradient was", 2 * np.array([3.0, 4.0]), "and has become", w.grad)

# %% [markdown]
# To look at the numbers each time would cost as much as the computation, and arrays that cannot be written
# to would be in the way of `w.data -= …`. So it is [`sg.detect_anomaly`](api/tools.md) that looks, when you
# ask it to:

# %% tags=["raises-exception"]
with sg.detect_anomaly():
    w = sg.Tensor([3.0, 4.0], requires_grad=True, name="w")
    loss = (w * w).sum()
    w.data[0] = 2.5
    loss.backward()

# %% [markdown]
# First `backward`, then the change.

# %%
w = sg.Tensor([3.0, 4.0], requires_grad=True, name="w")
loss = (w * w).sum()
loss.backward()
w.data -= 0.5
assert w.grad.tolist() == [6, 8]

# %% [markdown]
# ## A new tensor in place of an update

# %% tags=["raises-exception"]
w = sg.Tensor(3.0, requires_grad=True, name="w")
for step in range(2):
    loss = w**2
    loss.backward()
    w = w - 0.1 * w.grad

# %% [markdown]
# After `w = …`, the name `w` stands for another tensor: the result of a subtraction. Gradients are kept
# for leaves, the tensors that you made yourself, so this one has none in the second round. `w -= …` does
# the same, for Python turns it into `w = w - …`. Change the numbers inside of `w`, as an optimizer does.

# %%
w = sg.Tensor(3.0, requires_grad=True, name="w")
for step in range(2):
    loss = w**2
    loss.backward()
    w.data -= 0.1 * w.grad
    w.zero_grad()
assert np.isclose(w.item(), 3 * 0.8**2)

# %% [markdown]
# ## NumPy's functions on a tensor

# %% tags=["raises-exception"]
x = sg.Tensor([-1.0, 2.0], requires_grad=True, name="x")
np.exp(x)

# %% [markdown]
# NumPy computes numbers and remembers nothing, so there would be no way back from them to `x`. It is the
# same with `np.dot`, `np.where`, `np.concatenate` and all the others, and with lists of tensors that
# NumPy or Matplotlib make an array of. `np.sum`, `np.mean`, `np.max`, `np.min` and `np.var` work: they
# call the method of the same name. And so do functions whose results have no gradient to lose, as
# `np.argmax` and `np.zeros_like`. In what is to be differentiated, use operators, the functions of
# `sg` and the methods of the tensor. Where only the numbers matter, take them out with `numpy()`.

# %%
loss = x.sum() + x @ x + sg.exp(x).sum()
loss.backward()
assert np.allclose(x.grad, 1 + 2 * x.data + np.exp(x.data))
print("norm:", np.linalg.norm(x.numpy()), "largest at:", np.argmax(x))

# %% [markdown]
# ## A result put into an array

# %%
w = sg.Tensor([1.0, 2.0], requires_grad=True, name="w")
losses = np.zeros(2)
try:
    losses[0] = (w**2).sum()
except ValueError as error:
    print("ValueError:", error)
    print(fill(f"because of the TypeError: {error.__cause__}", 88))

# %% [markdown]
# An array holds numbers, and a number does not know how it was computed. NumPy puts an error of its own below
# the one that explains it. Collect tensors in a list, and join them. Where only the number matters, take it
# out with `item()`.

# %%
losses = [(w**2).sum(), (3 * w).sum()]
sg.stack(losses).sum().backward()
assert w.grad.tolist() == [5, 7]
history = np.array([loss.item() for loss in losses])
assert history.tolist() == [5, 9]

# %% [markdown]
# ## Functions of `math` on a tensor

# %% tags=["raises-exception"]
w = sg.Tensor(2.0, requires_grad=True, name="w")
loss = w + math.exp(w)

# %% [markdown]
# `math` asks the tensor for its number and goes on with that. The derivative of the second term would be
# missing. With several elements, there is no one number to ask for:

# %% tags=["raises-exception"]
float(x)

# %%
loss = w + sg.exp(w)
loss.backward()
assert np.isclose(w.grad, 1 + math.exp(2))
print(f"loss {loss:.3f}, {float(loss):.3f}, {loss.item():.3f}")

# %% [markdown]
# ## `if` on several elements

# %% tags=["raises-exception"]
if x:
    print("is x positive?")

# %% [markdown]
# An `if` takes one way for all elements. Say which question you mean, or let each element choose.

# %%
if (x > 0).any():
    print("some are positive")
positive_part = sg.where(x > 0, x, 0.0)
assert positive_part.data.tolist() == [0, 2]

# %% [markdown]
# ## An element assigned

# %% tags=["raises-exception"]
h = x * 2
h[0] = 0

# %% [markdown]
# `h` is a result, and the rules that use it go on needing its numbers. So a tensor is made as a whole, and
# a change is a new tensor.

# %%
h = sg.where(np.array([True, False]), 0.0, x * 2)
assert h.data.tolist() == [0, 4]

# %% [markdown]
# ## Integers that need a gradient

# %% tags=["raises-exception"]
counts = np.array([1, 2, 3])
w = sg.Tensor(counts, requires_grad=True)

# %% [markdown]
# A derivative asks what a small change does, and an integer has none. Python's numbers and lists become
# float32, even when they are whole. An array keeps its dtype, so say which one you want.

# %%
w = sg.Tensor(counts, dtype=np.float32, requires_grad=True)
assert w.dtype == np.float32
assert sg.Tensor([1, 2, 3]).dtype == np.float32
assert sg.Tensor(counts).dtype == counts.dtype

# %% [markdown]
# ## Integers for a layer

# %% tags=["raises-exception"]
pixels = np.array([[0, 128, 255]], dtype=np.uint8)
layer = nn.Linear(3, 2)
layer(pixels)

# %% [markdown]
# A layer multiplies its input with weights of about 1. Numbers up to 255 would make its results, and its
# steps, as many times too large. And if they are no measures but names, as the number of a class is, a
# product with them means nothing.

# %%
x = pixels.astype(np.float32) / 255
assert layer(x).shape == (1, 2)

# %% [markdown]
# ## float64 by accident

# %%
model = nn.Linear(2, 1)
x = np.linspace(0, 1, 8).reshape(4, 2)
print("data:", x.dtype, " weight:", model.weight.dtype, " result:", model(x).dtype)

# %% [markdown]
# NumPy makes floats of 64 bits if you do not say otherwise, and where float32 meets float64, the result
# is float64. So one array of data gives twice the size to every tensor that is computed from it. Convert
# the data once, before the training.

# %%
x = x.astype(np.float32)
assert model(x).dtype == np.float32

# %% [markdown]
# Integers do the same: arithmetic is NumPy's, where float32 and int64 make float64. A Python number has no
# size of its own and changes nothing. The functions of calculus, `sg.mse_loss` and `sg.cross_entropy` turn
# integers into float32.

# %%
w = sg.ones(3, requires_grad=True)
counts = np.array([1, 2, 3])
print("times int64:", (w * counts).dtype, " times 2:", (w * 2).dtype)
assert (w * counts.astype(np.float32)).dtype == np.float32
assert sg.exp(counts).dtype == np.float32

# %% [markdown]
# ## Small integers and large numbers

# %% tags=["raises-exception"]
pixels = sg.Tensor(np.array([100, 200], dtype=np.uint8))
pixels + 1000

# %% [markdown]
# An integer of 8 bits holds no 1000. NumPy refuses, too. But the sum of two arrays of small integers begins
# again from 0 where it is too large, in NumPy as here. Make floats of what you want to compute with.

# %%
pixels = sg.Tensor(pixels, dtype=np.float32)
assert (pixels + 1000).data.tolist() == [1100, 1200]

# %% [markdown]
# ## Shape (n,) against (n, 1)

# %%
t = np.array([1.0, 2.0, 3.0, 4.0])
prediction = sg.Tensor(t.reshape(4, 1))  # as a model with one output gives it, and all are right
difference = prediction - t
print("shape:", difference.shape, " loss:", (difference**2).mean().item())

# %% [markdown]
# Every prediction is right, and still the loss is not 0. [Broadcasting](tutorials/broadcasting.md)
# has compared each of the four predictions with each of the four targets. `sg.mse_loss` does not
# broadcast:

# %% tags=["raises-exception"]
sg.mse_loss(prediction, t)

# %% [markdown]
# Give both the same shape, and let the library compare them.

# %%
loss = sg.mse_loss(prediction, t.reshape(4, 1))
assert loss.item() == 0

# %% [markdown]
# ## One-hot targets

# %% tags=["raises-exception"]
logits = sg.Tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]], requires_grad=True, name="logits")
one_hot = np.array([[1, 0, 0], [0, 1, 0]])
sg.cross_entropy(logits, one_hot)

# %% [markdown]
# `sg.cross_entropy` takes the number of the right class for each row, an integer, and not a row of zeros
# with a one. Floats of the shape of the logits are the probabilities of the classes: so one-hot rows of
# floats give the same loss, in more steps.

# %%
targets = one_hot.argmax(axis=1)
loss = sg.cross_entropy(logits, targets)
assert targets.tolist() == [0, 1]
assert loss.item() < 0.2
assert np.isclose(loss.item(), sg.cross_entropy(logits, one_hot.astype(np.float32)).item())

# %% [markdown]
# ## Softmax before `cross_entropy`

# %%
logits = sg.Tensor([[10.0, 0.0, 0.0]], requires_grad=True, name="logits")
for target in (0, 1):
    once = sg.cross_entropy(logits, [target])
    twice = sg.cross_entropy(sg.softmax(logits), [target])
    print(f"target {target}: loss {once.item():.4f}, with softmax twice {twice.item():.4f}")

# %% [markdown]
# `sg.cross_entropy` takes logits, since the softmax is a part of it. A softmax before it leaves numbers
# between 0 and 1, and the second softmax makes them nearly equal. So a prediction that is sure and right
# (target 0) still has a large loss. And one that is sure and wrong (target 1) gets almost no gradient:

# %%
logits.zero_grad()
once = sg.cross_entropy(logits, [1])
once.backward()
gradient_once = np.abs(logits.grad).max()

logits.zero_grad()
twice = sg.cross_entropy(sg.softmax(logits), [1])
twice.backward()
gradient_twice = np.abs(logits.grad).max()

print(f"largest gradient {gradient_once:.4f}, with softmax twice {gradient_twice:.4f}")
assert gradient_twice < gradient_once / 10_000

# %% [markdown]
# Give the logits to the loss. Take the softmax where you want to look at probabilities.

# %%
loss = sg.cross_entropy(logits, [0])
p = sg.softmax(logits).numpy()
assert np.isclose(loss.item(), -np.log(p[0, 0]), atol=1e-6)

# %% [markdown]
# ## Parameters that are not found
#
# `parameters()` looks through the attributes of a module, and through lists, tuples and dicts of them.
# So a list of layers works as it is:


# %%
class Layers(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(2, 8), nn.Linear(8, 1)]

    def forward(self, x):
        return self.layers[1](sg.relu(self.layers[0](x)))


print(list(Layers().parameters()))
assert len(Layers().parameters()) == 4

# %% [markdown]
# A set has no order, and a generator is empty after its first use. An object of a class of your own is
# not looked into, unless the class is a Module. Nor is a function, which may have a layer from outside or
# belong to one, and what stands in the class itself is shared by all its modules. These are refused:

# %% tags=["raises-exception"]
model = nn.Sequential(nn.Linear(2, 8))
model.heads = {nn.Linear(8, 1), nn.Linear(8, 3)}
opt = optim.Adam(model=model)

# %% tags=["raises-exception"]
model.heads = (nn.Linear(8, size) for size in (1, 3))
opt = optim.Adam(model=model)


# %% tags=["raises-exception"]
class Block:  # and not: class Block(nn.Module)
    def __init__(self):
        self.layer = nn.Linear(8, 8)


model.heads = [nn.Linear(8, 1), nn.Linear(8, 3)]
model.block = Block()
opt = optim.Adam(model=model)

# %% tags=["raises-exception"]
layer = nn.Linear(8, 8)
del model.block
model.apply = layer.forward  # and likewise a lambda or a partial that uses the layer
opt = optim.Adam(model=model)


# %% tags=["raises-exception"]
class Shared(nn.Module):
    layer = nn.Linear(8, 8)  # and not in __init__


opt = optim.Adam(model=Shared())

# %% [markdown]
# What is found elsewhere in the model is not hidden, so one more attribute mends it: `model.layer = layer`.
#
# A name is made of keys and dots, so two different keys can give one name:

# %% tags=["raises-exception"]
model = nn.Module()
model.heads = {0: nn.Linear(8, 1), "0": nn.Linear(8, 3)}
opt = optim.Adam(model=model)

# %% [markdown]
# And a tensor that requires no gradient is no parameter:

# %% tags=["raises-exception"]
model = nn.Module()
model.scale = sg.ones(1)
opt = optim.Adam(model=model)

# %% [markdown]
# Nor is a result that a module keeps, as in `self.out = self.fc(x)`: it is computed anew, not trained.
#
# Print the model: it shows how many parameters there are.

# %%
model.scale = sg.ones(1, requires_grad=True)
model.heads = {"number": nn.Linear(8, 1), "class": nn.Linear(8, 3)}
print(model)
assert len(model.parameters()) == 5

# %% [markdown]
# ## Parameters made in `forward`


# %% tags=["raises-exception"]
class Forgetful(nn.Module):
    def forward(self, x):
        layer = nn.Linear(2, 1)
        return layer(x)


with warnings.catch_warnings():
    warnings.simplefilter("error")  # so that the warning stops here
    Forgetful()([1.0, 2.0])

# %% [markdown]
# This layer starts anew in each call, with other random numbers. The optimizer has never seen it. Make
# parameters in `__init__`.


# %%
class Mended(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


Mended()([1.0, 2.0])
assert list(Mended().parameters()) == ["layer.weight", "layer.bias"]

# %% [markdown]
# ## An optimizer of a copy

# %% tags=["raises-exception"]
model = nn.Linear(2, 1)
best = copy.deepcopy(model)
opt = optim.Adam(model=best)
opt.zero_grad()
model([1.0, 2.0]).sum().backward()
opt.step()

# %% [markdown]
# A deep copy has parameters of its own. The loss was computed with those of `model`, so these have the
# gradients, and the optimizer has the others.

# %%
opt = optim.Adam(model=model)
opt.step()
assert opt.step_count == 1

# %% [markdown]
# The same happens if a part of the model is replaced, or the model is read anew, after its optimizer was
# made. `load_state` takes the moments along to a new optimizer, and `add_param_group` adds a new part to
# the old one:

# %% tags=["raises-exception"]
model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 10))
opt = optim.Adam(model=model)
model.layers[2] = nn.Linear(8, 3)
opt.zero_grad()
model([1.0, 2.0]).sum().backward()
opt.step()

# %%
opt.add_param_group({"params": model[2], "label": "head"})
opt.step()
assert opt.step_count == 1

# %% [markdown]
# To append to `param_groups` would not do: the optimizer keeps moments for each of its tensors, and would
# have none for the new ones.

# %% tags=["raises-exception"]
opt.param_groups.append({"params": {"scale": sg.ones(1, requires_grad=True)}})

# %% [markdown]
# ## `eval` forgotten

# %%
sg.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 1))
x = sg.ones((1, 4))
with sg.no_grad():
    print([round(model(x).item(), 3) for _ in range(3)])

# %% [markdown]
# Three predictions for the same input: in training mode, `nn.Dropout` puts other numbers to 0 in each
# call. `sg.no_grad` changes nothing about that. Call `eval()` before you test, and `train()` before you
# train on.

# %%
model.eval()
assert model(x).item() == model(x).item()
model.train()
assert model(x).item() != model(x).item()

# %% [markdown]
# ## Losses kept as tensors

# %%
w = sg.Tensor(1.0, requires_grad=True, name="w")
total = 0
for step in range(3):
    loss = w**2
    total = total + loss
    print("tensors that the total keeps:", len(sg.autograd.tape_of(total)))

# %% [markdown]
# A result holds on to all that it was computed from. So a sum of losses, or a list of them, keeps every
# tensor of every step in memory. Take the number out of each loss with `item()`.

# %%
total = 0
for step in range(3):
    loss = w**2
    total += loss.item()
assert total == 3

# %% [markdown]
# ## A learning rate that is too large


# %%
def losses_with(lr):
    """The losses of 40 steps down the parabola w ** 2."""
    w = sg.Tensor(1.0, requires_grad=True, name="w")
    opt = optim.SGD(lr=lr, param_groups=[{"params": {"w": w}}])
    losses = []
    for step in range(40):
        loss = w**2
        loss.backward()
        opt.step()
        opt.zero_grad()
        losses.append(loss.item())
    return losses


for lr in (1.1, 0.1):
    losses = losses_with(lr)
    print(f"lr={lr}: from {losses[0]:.0f} by way of {losses[10]:.2g} to {losses[-1]:.2g}")

# %% [markdown]
# A step of $lr \cdot 2 w$ with $lr > 1$ ends further from the minimum, on the other side of it, than it
# has begun. The next one is longer still. If the loss grows, divide the learning rate by 10.
# [Descent](tutorials/descent.md) works out the largest one that is stable.

# %%
assert losses_with(1.1)[-1] > 1e6
assert losses_with(0.1)[-1] < 1e-6

# %% [markdown]
# ## NaN and infinity

# %%
p = sg.Tensor([0.5, 0.5, 0.0], requires_grad=True, name="p")
with np.errstate(all="ignore"):  # NumPy would warn of it
    loss = -(p * sg.log(p)).sum()
print("entropy:", loss.item())

# %% [markdown]
# The logarithm of 0 is minus infinity, and 0 times that is no number. From there on, everything is NaN.
# `sg.detect_anomaly` stops at the rule that gives the first one, in `backward`, too:

# %% tags=["raises-exception"]
with sg.detect_anomaly():
    loss = -(p * sg.log(p)).sum()

# %%
loss = -(p * sg.log(p + 1e-8)).sum()
loss.backward()
assert np.isclose(loss.item(), math.log(2), atol=1e-6)
assert np.isfinite(p.grad).all()

# %% [markdown]
# ## Gradients that explode

# %%
w = sg.Tensor(3.0, requires_grad=True, name="w")
h = w
for step in range(20):
    h = h * w  # as a recurrent network uses one weight in each step
h.backward()
print(f"gradient {w.grad:.3g}")

# %% [markdown]
# One step along this gradient leads out of everything that was learned. Limit its length before the
# step. `nn.clip_grad_norm` keeps its direction, and returns how long it was.

# %%
norm = nn.clip_grad_norm({"w": w}, max_norm=1.0)
assert np.isclose(w.grad, 1.0)
print(f"was {norm:.3g}, is {w.grad:.3g}")

# %% [markdown]
# ## A name of another library

# %% tags=["raises-exception"]
x = sg.Tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]], requires_grad=True, name="x")
x.view(3, 2)

# %% tags=["raises-exception"]
x.sum(dim=1, keepdim=True)

# %% tags=["raises-exception"]
model = nn.Sequential(nn.Conv3d(3, 8, 5), nn.ReLU())

# %% tags=["raises-exception"]
sg.randn(2, 3)

# %% [markdown]
# The names here are NumPy's: `reshape`, `axis`, `keepdims`, `concatenate`. For those of PyTorch and JAX, the
# error says what to write instead, or how to do without. Any other name that is not there is an
# AttributeError, as always in Python.

# %%
assert x.reshape(3, 2).shape == (3, 2)
assert x.sum(axis=1, keepdims=True).shape == (2, 1)
assert sg.normal((2, 3)).shape == (2, 3)

# %% [markdown]
# ## Sizes one by one

# %% tags=["raises-exception"]
sg.zeros(2, 3)

# %% tags=["raises-exception"]
sg.normal(4, 8)

# %% [markdown]
# A shape is one argument, as in NumPy. What follows it has another meaning: `sg.zeros` goes on with
# `requires_grad`, and `sg.normal` with the mean.

# %%
assert sg.zeros((2, 3)).shape == (2, 3)
assert sg.normal(4, mean=8).shape == (4,)

# %% [markdown]
# ## The largest element and its place

# %% tags=["raises-exception"]
values, places = x.max(1)

# %% tags=["raises-exception"]
x.max(1)[0]

# %% [markdown]
# In PyTorch, `x.max(1)` is a pair. Here, as in NumPy, it is the maxima of the rows alone, and `[0]` would be
# the first of them. `np.argmax` gives their places.

# %%
values, places = x.max(axis=1), np.argmax(x, axis=1)
assert values.data.tolist() == [5, 6]
assert places.tolist() == [1, 2]

# %% [markdown]
# ## A forward pass without `return`


# %% tags=["raises-exception"]
class Silent(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        self.layer(x)


loss = Silent()([1.0, 2.0]).sum()

# %% [markdown]
# A function without `return` gives None, and a loss of None leads to errors that are far from their cause.


# %%
class Speaking(Silent):
    def forward(self, x):
        return self.layer(x)


loss = Speaking()([1.0, 2.0]).sum()
loss.backward()

# %% [markdown]
# ## A shared weight that is the wrong way round

# %% tags=["raises-exception"]
embedding = nn.Embedding(10, 4)
head = nn.Linear(4, 10, bias=False)
head.weight = embedding.weight
h = embedding([3, 7])
head(h)

# %% [markdown]
# A language model often reads and writes words with the same weight. The one of an `nn.Embedding` has a row
# for each word, shape (10, 4). The one of this `nn.Linear` has a column for each, (4, 10), since $y = x W + b$;
# PyTorch keeps the transpose. So there is no second layer to make: the logits are a product with the
# transpose.

# %%
logits = h @ embedding.weight.T
assert logits.shape == (2, 10)

# %% [markdown]
# ## Two schedules of one rate

# %% tags=["raises-exception"]
model = nn.Linear(2, 1)
opt = optim.SGD(model, lr=1.0)
warmup = optim.schedules.Cosine(opt, total_steps=100, warmup_steps=10)
decay = optim.schedules.Step(opt, step_size=30)

# %% [markdown]
# A schedule multiplies the rate that the optimizer has when it is made. For the second one, that would be
# what the first has made of it, here 0.1. Then each would undo what the other has set. `Sequential` joins
# schedules, each with its start and its end:

# %%
del warmup
opt.lr = 1.0
schedule = optim.schedules.Sequential(
    opt,
    [
        lambda opt: optim.schedules.Linear(opt, total_steps=10, start_factor=0.1, end_factor=1),
        lambda opt: optim.schedules.Step(opt, step_size=30),
    ],
    milestones=[10],
)
assert opt.lr == 0.1

# %% [markdown]
# Anything else is a class with a `factor` of your own:


# %%
class WarmupAndSteps(optim.schedules.Schedule):
    def factor(self, t):
        return (t + 1) / 10 if t < 10 else 0.1 ** (t // 30)


del schedule
opt.lr = 1.0
schedule = WarmupAndSteps(opt)
assert opt.lr == 0.1

# %% [markdown]
# ## A hyperparameter of another library

# %% tags=["raises-exception"]
opt = optim.Adam(model=model, lr=1e-3, betas=(0.9, 0.98))

# %% [markdown]
# The hyperparameters have the names of the equations: $\beta_1$ is `beta_1` and $\beta_2$ is `beta_2`,
# two numbers. A name that the optimizer does not know is refused, in a group of parameters, too. If another
# one has it, the error names that:

# %% tags=["raises-exception"]
opt = optim.Adam(model=model, lr=1e-3, weight_decay=0.01)

# %%
opt = optim.Adam(model=model, lr=1e-3, beta_1=0.9, beta_2=0.98)
assert opt.param_groups[0]["beta_2"] == 0.98

# %% [markdown]
# Each group has its own, so an attribute of the optimizer would change nothing:

# %% tags=["raises-exception"]
opt.beta_1 = 0.5

# %%
opt.set_param("beta_1", 0.5)
assert opt.param_groups[0]["beta_1"] == 0.5

# %% [markdown]
# ## All errors
#
# These are the errors of this page. A UserWarning is a warning otherwise.
#
# <!-- errors -->
