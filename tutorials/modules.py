# %% [markdown]
# # Modules
#
# A neural network is made of small functions that hold numbers of their own, and training changes
# these numbers. Such a function with its numbers is a module. You build one by hand, put modules
# into modules, choose the numbers that they start with, and train a network that reads handwritten
# digits. Then you look at the digits that it still misreads.
#
# - **You will be able to** write a module and name its parameters, say why the first values differ,
#   train with batches and watch a validation curve, tell `train()` from `eval()`, and judge a
#   classifier by its mistakes.
# - **Read before:** [Broadcasting](broadcasting.ipynb) and
#   [Adam, equation by equation](adam.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

sg.manual_seed(0)

# %% [markdown]
# ## A layer is an equation that holds numbers
#
# A **linear layer** makes a row of new numbers from each row of its input $x$. Every new number is a
# weighted sum of the old ones, plus an offset. The weights $W$ have the shape (in, out), and the
# **bias** $b$ has the shape (out,); NumPy adds it to every row.
#
# $$y = x W + b$$

# %%
x = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
W = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]], dtype=np.float32)
b = np.array([10.0, 20.0], dtype=np.float32)
y = x @ W + b
print(y)
assert y[0, 0] == 1 * 1 + 2 * 0 + 3 * 2 + 10
assert y[0, 1] == 1 * 0 + 2 * 1 + 3 * -1 + 20

layer = nn.Linear(3, 2)
layer.weight.data = W
layer.bias.data = b
assert (layer(x).numpy() == y).all()

# %% [markdown]
# `nn.Linear` is a **module**: a class whose attributes are the numbers, and whose method `forward` is
# the equation. Here is the same module, written by hand. Its numbers are tensors that require
# gradients, so `backward()` reaches them. You call the module itself, and it calls `forward`.


# %%
class Affine(nn.Module):
    def __init__(self, W, b):
        self.W = sg.Tensor(W, requires_grad=True)
        self.b = sg.Tensor(b, requires_grad=True)

    def forward(self, x):
        return x @ self.W + self.b


affine = Affine(W, b)
assert (affine(x).numpy() == y).all()
print(affine)
print(affine.W)

# %% [markdown]
# Nobody wrote its backward pass. It follows from the rules of the product and of the sum. With $dy$,
# the derivative of the loss by the output:
#
# $$dx = dy \, W^\top$$
# $$dW = x^\top dy$$
# $$db_j = \sum_i dy_{ij}$$
#
# The bias was added to every row $i$, so its gradient sums over the rows, as in
# [Broadcasting](broadcasting.ipynb).

# %%
x = sg.normal((4, 3), requires_grad=True)
dy = sg.normal((4, 2)).numpy()
affine(x).backward(grad=dy)

dx = dy @ W.T
dW = x.data.T @ dy
db = dy.sum(axis=0)
np.testing.assert_allclose(x.grad, dx, rtol=1e-5, atol=1e-6)
np.testing.assert_allclose(affine.W.grad, dW, rtol=1e-5, atol=1e-6)
np.testing.assert_allclose(affine.b.grad, db, rtol=1e-5, atol=1e-6)
print(f"dx has the shape {dx.shape}, dW {dW.shape}, db {db.shape}")

# %% [markdown]
# ## Modules within modules
#
# An attribute of a module may be another module, or a list, tuple or dict of them. The next one holds
# a list of two layers and a third layer.


# %%
class Network(nn.Module):
    def __init__(self, features, width, classes):
        self.hidden = [nn.Linear(features, width), nn.Linear(width, width)]
        self.output = nn.Linear(width, classes)

    def forward(self, x):
        for layer in self.hidden:
            x = sg.relu(layer(x))
        return self.output(x)


model = Network(64, 32, 10)
print(model)

# %% [markdown]
# The `repr` draws the tree and counts the numbers in every branch. `parameters()` returns all of them
# in a dict. A name in it is the way to the tensor: the attributes and the places in lists, joined by
# dots. Optimizers, `state()` and `sg.save` use these names.

# %%
for name, theta in model.parameters().items():
    print(f"{name:15} {theta.shape}")

assert model.parameters()["hidden.1.weight"] is model.hidden[1].weight
count = sum(theta.size for theta in model.parameters().values())
assert count == (64 * 32 + 32) + (32 * 32 + 32) + (32 * 10 + 10)

# %% [markdown]
# A parameter of a module is an attribute that is a Tensor and requires gradients. There is no list in which
# it would have to be registered: the attributes are looked through when you ask. So a constant is no
# parameter, nor is a result that a module keeps. A tensor that two modules share is listed once, under its
# first name.


# %%
class Tied(nn.Module):
    def __init__(self):
        self.encoder = nn.Linear(4, 4)
        self.decoder = nn.Linear(4, 4)
        self.decoder.weight = self.encoder.weight
        self.offset = sg.ones(4)


names = list(Tied().parameters())
print(names)
assert names == ["encoder.weight", "encoder.bias", "decoder.bias"]

# %% [markdown]
# Most networks are one module after the other. `nn.Sequential` is that chain.

# %%
chain = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
print(chain)

# %% [markdown]
# ## Activations
#
# Why is there a ReLU between the layers? Without it, two linear layers are one:
#
# $$(x W_1 + b_1) \, W_2 + b_2 = x \, (W_1 W_2) + (b_1 W_2 + b_2)$$

# %%
two = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
W_1, b_1, W_2, b_2 = (theta.data for theta in two.parameters().values())
x = sg.normal((4, 3)).data

W = W_1 @ W_2
b = b_1 @ W_2 + b_2
np.testing.assert_allclose((x @ W_1 + b_1) @ W_2 + b_2, x @ W + b, rtol=1e-4, atol=1e-6)
np.testing.assert_allclose(two(x).data, x @ W + b, rtol=1e-4, atol=1e-6)

# %% [markdown]
# An **activation** is a curved function, applied to every element, that keeps layers from merging. These
# are the rectified linear unit, the logistic function and the hyperbolic tangent:
#
# $$c = \max(a, 0)$$
# $$c = \frac{1}{1 + e^{-a}}$$
# $$c = \tanh a$$

# %%
a = np.linspace(-4, 4, 81)

c = np.maximum(a, 0)
assert (c == sg.relu(a).data).all()

c = 1 / (1 + np.exp(-a))
np.testing.assert_allclose(c, sg.sigmoid(a).data)

c = np.tanh(a)
assert (c == sg.tanh(a).data).all()

# %% [markdown]
# The right panel of the next picture shows what the backward pass multiplies with: the derivatives.
# GELU, the fourth curve, is a smooth relative of ReLU.

# %% jupyter={"source_hidden": true}
activations = {"ReLU": sg.relu, "sigmoid": sg.sigmoid, "tanh": sg.tanh, "GELU": sg.gelu}
values, derivatives = {}, {}
for name, activation in activations.items():
    inputs = sg.Tensor(a, requires_grad=True)
    result = activation(inputs)
    result.sum().backward()
    values[name] = result.data
    derivatives[name] = inputs.grad
    print(f"{name:8} derivative at 0: {inputs.grad[40]:.2f}, at 4: {inputs.grad[-1]:.3f}")

# %% alt="Left, four activations from -4 to 4: ReLU is 0 and then the diagonal, GELU follows it smoothly, sigmoid rises from 0 to 1, tanh from -1 to 1. Right, their derivatives: ReLU jumps from 0 to 1 at 0, GELU goes there smoothly and a little beyond on both sides, sigmoid and tanh are bells of height 0.25 and 1 that are close to 0 at both ends." jupyter={"source_hidden": true}
figure, panels = plt.subplots(1, 2, figsize=(6.5, 2.8), layout="constrained")
styles = ["-", "--", "-.", ":"]
for axes, curves in zip(panels, [values, derivatives], strict=True):
    for (name, curve), style in zip(curves.items(), styles, strict=True):
        axes.plot(a, curve, style, label=name)
    axes.set_xlabel("a")
panels[0].set(ylabel="c", ylim=(-1.2, 2.2))
panels[0].legend()
panels[1].set(ylabel="derivative of c by a")
plt.show()

# %% [markdown]
# Far from 0, sigmoid and tanh are flat: they pass almost no gradient on. ReLU and GELU pass it on
# wherever their input is large and positive, which makes them a good choice inside a network.
#
# ## Cross-entropy from logits
#
# The last layer gives one logit for each class. [Quickstart](quickstart.ipynb) has made probabilities of
# them with the softmax, and taken $-\log$ of that of the right class: the cross-entropy, in nats, which
# says how surprised the network is by the truth. Now there are $n$ rows of logits $a$, with the right classes
# $t$, and the loss is the mean over the rows. The logarithm of a quotient is a difference, so no
# probability has to be computed:
#
# $$L = \frac{1}{n} \sum_i \left( \log \sum_j e^{a_{ij}} - a_{i t_i} \right)$$

# %%
a = np.array([[2.0, 1.0, -1.0], [0.0, 3.0, 0.5]])
t = np.array([0, 2])
n = len(a)
rows = np.arange(n)

L = (np.log(np.exp(a).sum(axis=1)) - a[rows, t]).sum() / n
print(f"L = {L:.4f} nats")
np.testing.assert_allclose(sg.cross_entropy(a, t).data, L)
np.testing.assert_allclose(-np.log(sg.softmax(a).data[rows, t]).mean(), L)

# %% [markdown]
# Its gradient is simple: what the network said, minus what it should have said. The bracket is 1 where
# $j$ is the right class and 0 elsewhere, and $c$ is the softmax of a row.
#
# $$da_{ij} = \frac{1}{n} \left( c_{ij} - [j = t_i] \right)$$

# %%
logits = sg.Tensor(a, requires_grad=True)
sg.cross_entropy(logits, t).backward()

c = sg.softmax(a).data
is_right = np.arange(3) == t[:, None]
da = (c - is_right) / n
print(da.round(3))
np.testing.assert_allclose(logits.grad, da)

# %% [markdown]
# As it stands, the equation of the loss fails for large logits, because $e^a$ overflows: in float64 from
# about 710 on, in float32 from 89 on. Take the largest logit $m$ of a row out of its sum. Then the largest
# power is $e^0 = 1$, and what is lost when others become 0 is too small to matter.
#
# $$\log \sum_j e^{a_j} = m + \log \sum_j e^{a_j - m}$$

# %%
a = np.array([1000.0, 0.0])
m = a.max()
log_sum = m + np.log(np.exp(a - m).sum())
with np.errstate(over="ignore"):
    print("as it stands:", np.log(np.exp(a).sum()), " with m taken out:", log_sum)
    assert np.exp(709.0) < np.exp(710.0) == np.inf
    assert np.exp(np.float32(88)) < np.exp(np.float32(89)) == np.inf
assert log_sum == 1000
assert sg.cross_entropy(a, 1).item() == log_sum - a[1]

# %% [markdown]
# So `sg.cross_entropy` takes logits, not probabilities: from a probability that has become 0, it could
# not compute the loss.

# %% [markdown]
# ## The first values
#
# Training changes the parameters, but it has to start somewhere. Zero looks neutral, and it fails. Here
# are the gradients of a network whose parameters are all 0, on the digits that you will read later.

# %%
digits = sg.datasets.load_digits()
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
for theta in model.parameters().values():
    theta.data = np.zeros(theta.shape)

sg.cross_entropy(model(digits.x_train), digits.y_train).backward()
for name, theta in model.parameters().items():
    print(f"{name:15} largest gradient: {np.abs(theta.grad).max():.4f}")
    assert theta.grad.any() == (name == "layers.2.bias")

# %% [markdown]
# The hidden values $h$ are 0, so $dW_2 = h^\top dy = 0$. And $W_2$ is 0, so $dh = dy \, W_2^\top = 0$:
# nothing reaches the first layer. Only the last bias learns, and it does not even see the image.
#
# Any other constant fails, too. All hidden units compute the same, get the same gradient, and stay the
# same: 32 units do the work of one. After 100 steps from 0.1, the code of which is folded, they still do. The
# first values must be different, so they are random.

# %% jupyter={"source_hidden": true}
for theta in model.parameters().values():
    theta.data = np.full(theta.shape, 0.1)

opt = optim.SGD(model=model, lr=0.5)
for _ in range(100):
    opt.zero_grad()
    sg.cross_entropy(model(digits.x_train), digits.y_train).backward()
    opt.step()

W_1 = model[0].weight.data
print(f"The weights have moved by up to {np.abs(W_1 - 0.1).max():.3f},")
print(f"and those of different units differ by up to {np.ptp(W_1, axis=1).max():.3f}.")
assert np.abs(W_1 - 0.1).max() > 0.1
assert np.allclose(W_1, W_1[:, :1], atol=1e-3)

# %% [markdown]
# How large should random numbers be? `nn.Linear` draws them uniformly from $[-1 / \sqrt{in}, 1 / \sqrt{in})$.
# In a network of two or three layers that does well. [Training well](training.ipynb) shows what goes wrong in
# a deep one, and what helps.
#
# ## The training loop
#
# Here are some of the digits, which were written by 13 people. The values go from 0, which is paper, to 1,
# which is ink.

# %% alt="Sixteen handwritten digits of 8 by 8 grey pixels in two rows, each with the number that it shows above it." jupyter={"source_hidden": true}
figure, cells = plt.subplots(2, 8, figsize=(6.5, 2.2))
for cell, image, label in zip(cells.flat, digits.x_train, digits.y_train, strict=False):
    cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    cell.set_title(f"{label}", fontsize=10)
    cell.set_axis_off()
plt.show()

# %% [markdown]
# Three sets of digits have three purposes. The **training** set gives the gradients. The **validation**
# set tells you how the network does on digits that it was not trained on, so that you can choose between
# networks. By choosing, you fit your choices to it. The **test** set is therefore used once, at the end.

# %%
is_validation = np.arange(len(digits.x_train)) % 5 == 0
x_train, y_train = digits.x_train[~is_validation], digits.y_train[~is_validation]
x_validation, y_validation = digits.x_train[is_validation], digits.y_train[is_validation]
print(f"{len(x_train)} for training, {len(x_validation)} for validation, ", end="")
print(f"{len(digits.x_test)} for the test")

# %% [markdown]
# The gradient of the loss over all training digits is the mean of their gradients. So that of one batch,
# drawn at random, is right on average, and costs a small part of the whole. As in
# [Quickstart](quickstart.ipynb), training takes a step after each batch, and the digits are shuffled before
# each epoch, so that the batches differ every time.
#
# The random order comes from `sg.generator()`, as the first values of the parameters do. One seed
# repeats all of it, and `sg.save` keeps its state.


# %%
def train_epoch(model, opt, batch_size=64):
    order = sg.generator().permutation(len(x_train))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        loss = sg.cross_entropy(model(x_train[batch]), y_train[batch])
        loss.backward()
        opt.step()
        opt.zero_grad()


def evaluate(model, x, y):
    model.eval()
    with sg.no_grad():
        logits = model(x)
        loss = sg.cross_entropy(logits, y).item()
    model.train()
    accuracy = (logits.data.argmax(axis=1) == y).mean()
    return loss, accuracy


# %% [markdown]
# `evaluate` puts the model into evaluation mode and back; you will see below what that changes.
# `no_grad` is something else: it keeps the rules from being recorded, since nobody will go backward.
#
# Before you train, look at the first loss. It should be close to $\log 10$, the loss of a network that
# knows nothing. If it is much larger, the first values or the inputs are too large.

# %%
sg.manual_seed(0)
plain = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
first_loss, first_accuracy = evaluate(plain, x_train, y_train)
print(f"before training: {first_loss:.3f} nats, {first_accuracy:.1%} right")
assert abs(first_loss - np.log(10)) < 0.2

# %% [markdown]
# The learning rate falls from epoch to epoch: large steps first, then small ones to settle.


# %%
def train(model, lr=0.01, epochs=60):
    opt = optim.Adam(model=model, lr=lr)
    losses = []
    for epoch in range(epochs):
        opt.lr = lr * (1 - epoch / epochs)
        train_epoch(model, opt)
        train_loss, _ = evaluate(model, x_train, y_train)
        validation_loss, _ = evaluate(model, x_validation, y_validation)
        losses.append((train_loss, validation_loss))
    return np.array(losses)


plain_losses = train(plain)
for epoch in (1, 5, 20, 60):
    train_loss, validation_loss = plain_losses[epoch - 1]
    print(f"epoch {epoch:2}: training {train_loss:.4f}, validation {validation_loss:.4f}")

# %% alt="Loss over 60 epochs, on a logarithmic scale. The training loss falls almost all the time, to about 0.001. The validation loss falls with it during the first ten epochs, to about 0.09, and then stays there." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3))
epochs = np.arange(1, len(plain_losses) + 1)
axes.plot(epochs, plain_losses[:, 0], "C0-", label="training")
axes.plot(epochs, plain_losses[:, 1], "C1--", label="validation")
axes.set(yscale="log", xlabel="epoch", ylabel="cross-entropy (nats)")
axes.legend()
plt.show()

# %% [markdown]
# The two curves part. What the network still learns about its training digits does not hold for
# other digits. This is **overfitting**.
#
# ## What differs between train() and eval()
#
# **Dropout** works against it. In training, it puts each value to 0 with probability $p$, and divides the
# others by $1 - p$, so that the mean stays. No unit can rely on one other unit being there.
# $\operatorname{Bernoulli}(1 - p)$ is 1 with the probability $1 - p$, and otherwise 0.
#
# $$y_i = \frac{r_i}{1 - p} \, x_i, \quad r_i \sim \operatorname{Bernoulli}(1 - p)$$

# %%
p = 0.5
dropout = nn.Dropout(p)
x = sg.Tensor(np.arange(1.0, 9.0))

sg.manual_seed(1)
y = dropout(x)
sg.manual_seed(1)  # the same random numbers again
r = sg.generator().random(8) >= p
assert (y.data == r / (1 - p) * x.data).all()

print("in:      ", x.data)
print("train(): ", y.data)
dropout.eval()
print("eval():  ", dropout(x).data)
assert dropout(x) is x

# %% [markdown]
# In evaluation there is nothing random: the same image must get the same answer. That is all that
# `train()` and `eval()` are for. They set the attribute `training` of a module and of all modules in
# it, and `Dropout` looks at it.
#
# Here is the same network with Dropout in it. About half of its hidden values are missing in training mode,
# different ones in each call, so it gives two different answers for the same image. Whoever forgets `eval()`
# leaves the answers to luck.

# %%
sg.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
image = x_train[:1]
for set_mode in model.train, model.eval:
    set_mode()
    once, again = model(image).data[0], model(image).data[0]
    print(f"training={model.training!s:5} {once[:3].round(2)} and {again[:3].round(2)}")
    assert (once == again).all() == (not model.training)

# %% [markdown]
# ## Digits, beyond 97%
#
# Train it as you trained the plain one. Nothing differs but the Dropout. Whichever of two networks is
# better may have been lucky in its first values and batches, so train four more pairs, each from another
# seed. The code is folded. It takes some seconds, and in a browser up to a minute.

# %% jupyter={"source_hidden": true}
model.train()
networks = {"plain": [plain], "Dropout": [model]}
losses = {"plain": [plain_losses], "Dropout": [train(model)]}
for seed in range(1, 5):
    for name, extra in {"plain": [], "Dropout": [nn.Dropout(0.5)]}.items():
        sg.manual_seed(seed)
        network = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), *extra, nn.Linear(256, 10))
        networks[name].append(network)
        losses[name].append(train(network))

final, right = {}, {}
for name in networks:
    scores = np.array([evaluate(network, x_validation, y_validation) for network in networks[name]])
    final[name] = scores[:, 0]
    right[name] = np.round(scores[:, 1] * len(x_validation)).astype(int)
    print(f"{name + ':':8} validation loss {final[name].round(3)}, right {right[name]}")

lower, more = final["Dropout"] < final["plain"], right["Dropout"] - right["plain"]
print(f"with Dropout, the loss is lower in {lower.sum()} of 5 pairs, ", end="")
print(f"and more digits are right in {(more > 0).sum()}")
assert lower.all()
assert abs(more).max() <= 3

# %% alt="Validation loss over 60 epochs of two networks, from five seeds each. All ten fall to about 0.1 in ten epochs. There the plain networks stay. With Dropout, the loss goes on falling slowly, and ends between 0.06 and 0.08, below all plain ones." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3))
for name, style, label in ("plain", "C1--", "plain"), ("Dropout", "C2-", "with Dropout"):
    curves = np.array(losses[name])[:, :, 1].T  # a column for each seed
    axes.plot(epochs, curves, style, linewidth=0.8, label=[label, *[None] * 4])
axes.set(xlabel="epoch", ylabel="validation cross-entropy (nats)", ylim=(0, 0.2))
axes.legend()
plt.show()

# %% [markdown]
# Dropout lowers the loss from every seed. The number of digits read correctly hardly changes: five pairs and so
# few digits do not show more than that.
#
# The choices are made, so the test set may be opened.

# %%
test_loss, test_accuracy = evaluate(model, digits.x_test, digits.y_test)
print(f"test: {test_loss:.3f} nats, {test_accuracy:.1%} right")
assert test_accuracy >= 0.97

# %% [markdown]
# How exact is that number? If each of $n$ digits is read correctly with probability $p$, independently
# of the others, the standard deviation of the accuracy is
#
# $$s = \sqrt{p \, (1 - p) / n}$$

# %%
n = len(digits.x_test)
p = test_accuracy
s = np.sqrt(p * (1 - p) / n)
print(f"{p:.1%}, give or take {s:.1%}; one digit is {1 / n:.1%}")

repeated = np.random.default_rng(0).binomial(n, p, size=100_000) / n
assert np.isclose(repeated.std(), s, rtol=0.02)

# %% [markdown]
# Two networks that differ by a digit or two on this test cannot be told apart by it. And it says nothing
# about other handwriting: the test digits come from the same 13 people.
#
# ## The mistakes that it still makes
#
# An accuracy says how many, and not which. Behind every mistake there is an image. Look at all of them, and
# at how sure the network was.

# %%
model.eval()
with sg.no_grad():
    probabilities = sg.softmax(model(digits.x_test)).data
predicted = probabilities.argmax(axis=1)
mistakes = np.flatnonzero(predicted != digits.y_test)
assert np.isclose(1 - len(mistakes) / n, test_accuracy)

# %% alt="The test digits that the network misreads: above each, what it read and what is true, with the probabilities that it gave to both. They are a handful, of 8 by 8 grey pixels, and several are hard to read for a person, too." jupyter={"source_hidden": true}
figure, cells = plt.subplots(1, len(mistakes), figsize=(1.3 * len(mistakes), 2.1), squeeze=False)
for cell, i in zip(cells.flat, mistakes, strict=True):
    truth, guess = digits.y_test[i], predicted[i]
    cell.imshow(digits.x_test[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    read = f"{guess} ({probabilities[i, guess]:.0%}),"
    cell.set_title(f"{read}\nnot {truth} ({probabilities[i, truth]:.0%})", fontsize=11)
    cell.set_axis_off()
plt.show()

# %% [markdown]
# ## Exercises
#
# The longer exercise `cross_entropy` in `tutorials/exercises/` comes with a check that says which equation
# is wrong: `python -m simplegrad.exercises check cross_entropy`.
#
# **1.** Write a module `Softplus` that computes $\log(1 + e^a)$ for every element. It must give 1000
# for $a = 1000$, and its gradient must pass `sg.gradcheck`.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1


class Softplus(nn.Module):
    def forward(self, a):
        zeros = sg.zeros_like(a)  # 1 is exp(0), and logsumexp does not overflow
        return sg.stack([a, zeros]).logsumexp(axis=0)


softplus = Softplus()
a = sg.Tensor(np.linspace(-3, 3, 7), requires_grad=True)
np.testing.assert_allclose(softplus(a).data, np.log(1 + np.exp(a.data)))
assert softplus(1000.0).item() == 1000
assert sg.gradcheck(softplus, a)

# %% [markdown]
# **2.** Cross-entropy wants the probability of the right class to be 1, which no finite logits reach.
# **Label smoothing** (Szegedy et al., 2016, "Rethinking the Inception Architecture for Computer Vision")
# wants $q$ in place of it: $1 - s$ for the right class, and $s$ spread evenly over all classes. Write
# `smoothed_cross_entropy(logits, targets, s)`, the mean over the rows of $-\sum_j q_j \log c_j$. Show
# that it is `sg.cross_entropy` for $s = 0$, and that its gradient is $(c_{ij} - q_{ij}) / n$.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2


def smoothed_targets(targets, classes, s):
    is_right = np.arange(classes) == targets[:, None]
    return (1 - s) * is_right + s / classes


def smoothed_cross_entropy(logits, targets, s):
    q = smoothed_targets(targets, logits.shape[-1], s)
    return -(q * sg.log_softmax(logits)).sum(axis=-1).mean()


t = np.array([3, 0, 2, 3])
a = sg.Tensor(np.random.default_rng(0).normal(size=(4, 5)), requires_grad=True)
unsmoothed = smoothed_cross_entropy(a, t, 0)
np.testing.assert_allclose(unsmoothed.data, sg.cross_entropy(a, t).data)

smoothed_cross_entropy(a, t, 0.1).backward()
c = sg.softmax(a).data
q = smoothed_targets(t, 5, 0.1)
np.testing.assert_allclose(a.grad, (c - q) / 4, atol=1e-12)

# %% [markdown]
# **3.** **Early stopping** keeps the parameters of the epoch with the lowest validation loss. Train the
# plain network for 40 epochs, the learning rate always 0.01, and keep a copy of its parameters by name
# whenever that loss is the lowest so far. Put the copy back at the end, and show that the model has the
# lowest validation loss again, to the last bit.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
sg.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
opt = optim.Adam(model=model, lr=0.01)
lowest, best_epoch, best = np.inf, 0, {}
for epoch in range(40):
    train_epoch(model, opt)
    validation_loss, _ = evaluate(model, x_validation, y_validation)
    if validation_loss < lowest:
        lowest, best_epoch = validation_loss, epoch + 1
        best = {name: theta.numpy() for name, theta in model.parameters().items()}

last_loss = validation_loss
for name, theta in model.parameters().items():
    theta.data = best[name]
restored, _ = evaluate(model, x_validation, y_validation)
print(f"epoch {best_epoch}: {lowest:.4f}, epoch 40: {last_loss:.4f}, restored: {restored:.4f}")
assert restored == lowest <= last_loss

# %% [markdown]
# ## Read on
#
# - Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout: A Simple Way to Prevent
#   Neural Networks from Overfitting".
# - Szegedy, Vanhoucke, Ioffe, Shlens and Wojna (2016), "Rethinking the Inception Architecture for Computer
#   Vision": label smoothing, among others.
