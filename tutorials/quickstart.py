# %% [markdown]
# # Quickstart
#
# Twenty lines of Python load handwritten digits, build a small neural network, train it and count how
# many new digits it reads correctly. You run them first. Then you go through them once more and look at
# what each line did.
#
# - **You will be able to** write a training loop, say what each of its lines does, and look into a
#   model, its gradients and its predictions.
# - **Read before:** nothing. Python and a little NumPy are enough.

# %% [markdown]
# ## Twenty lines
#
# Run this cell. What its lines mean comes after it.

# %%
import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

sg.manual_seed(0)
digits = sg.datasets.load_digits()
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
opt = optim.Adam(model=model, lr=3e-3)
losses = []

for epoch in range(1, 11):
    order = sg.generator().permutation(len(digits.x_train))
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        loss = sg.cross_entropy(model(digits.x_train[batch]), digits.y_train[batch])
        loss.backward()
        opt.step()
        opt.zero_grad()
        losses.append(loss.item())
    print(f"epoch {epoch:2}, mean loss {sum(losses[-49:]) / 49:.3f}")  # of its 49 steps

predictions = model(digits.x_test).numpy().argmax(axis=1)
print(f"{(predictions == digits.y_test).mean():.1%} of the test digits are read correctly")

# %%
accuracy = (predictions == digits.y_test).mean()
assert accuracy > 0.95

# %% [markdown]
# That is a complete program: data, a model, an optimizer, which is what changes the model, training and
# a test. The sections below take it apart.

# %% [markdown]
# ## The data
#
# An image is a row of 64 numbers: 8 × 8 pixels, from 0 for paper to 1 for ink. Its label is the digit
# that it shows. There are 1,797 images (Alpaydin and Kaynak, 1998). Every seventh is kept for the test,
# and the model is never trained on it.

# %%
print("x_train", digits.x_train.shape, digits.x_train.dtype)
print("y_train", digits.y_train.shape, digits.y_train.dtype)
print("x_test ", digits.x_test.shape)
print("y_test ", digits.y_test.shape)

# %% alt="The first twelve training digits in two rows, each with its label above it. They are 8 by 8 grey pixels: coarse, but a person can read them." jupyter={"source_hidden": true}
import matplotlib.pyplot as plt

figure, panels = plt.subplots(2, 6, figsize=(6.5, 2.8), layout="constrained")
for i, axes in enumerate(panels.flat):
    axes.imshow(digits.x_train[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(f"{digits.y_train[i]}")
    axes.set_axis_off()
plt.show()

# %% [markdown]
# The same 13 people wrote the digits for training and those for the test. So the test says how well the
# model reads new digits of these people. It does not say how well it reads somebody else's.

# %% [markdown]
# ## The model
#
# The `model` above is trained now. To see how it started, make it once more: after the same seed come
# the same random numbers.

# %%
sg.manual_seed(0)
fresh = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
print(fresh)

# %% [markdown]
# A **parameter** is a number that training may change. A `Linear(64, 128)` has a weight for each pair
# of an input and an output, and a bias for each output. In all, the model has four arrays of
# parameters.

# %%
for name, theta in fresh.parameters().items():
    print(f"{name:15} {theta.shape!s:>9} {theta.size:>6,} parameters")

count = sum(theta.size for theta in fresh.parameters().values())
assert count == (64 * 128 + 128) + (128 * 10 + 10) == 9610

# %% [markdown]
# What the model computes is two lines of NumPy. From one image $x$, the first layer and the ReLU make
# 128 numbers $h$, the **hidden units**. From these, the second layer makes ten numbers $a$, one for each
# digit. They are called **logits**.
#
# $$h = \max(x W_1 + b_1, 0)$$
# $$a = h W_2 + b_2$$

# %%
import numpy as np

x, y = digits.x_train[3], digits.y_train[3]
W_1, b_1, W_2, b_2 = (theta.numpy() for theta in fresh.parameters().values())

h = np.maximum(x @ W_1 + b_1, 0)
a = h @ W_2 + b_2

print("label ", y)
print("logits", a.round(2))
assert np.allclose(a, fresh(x).numpy(), atol=1e-6)

# %% [markdown]
# ## One prediction before training
#
# The **softmax** turns logits into probabilities, ten positive numbers that add up to 1. The larger the
# logit, the larger the probability.
#
# $$p_j = \frac{e^{a_j}}{\sum_k e^{a_k}}$$

# %%
p = np.exp(a) / np.exp(a).sum()

print("p", p.round(2))
print(f"the prediction is {p.argmax()}, the label is {y}")
assert np.allclose(p, sg.softmax(fresh(x)).numpy(), atol=1e-6)
assert np.isclose(p.sum(), 1)

# %% [markdown]
# The prediction is the digit with the largest probability, which is the one with the largest logit:
# hence the `argmax` in the twenty lines. The fresh model gives every digit a probability near 1/10. It
# knows nothing yet.

# %% [markdown]
# ## The loss
#
# The **loss** is one number that says how bad a prediction is. Here it is the **cross-entropy**. If
# $p_y$ is the probability that the model gives to the right digit, the loss is
#
# $$L = -\log p_y$$

# %%
L = -np.log(p[y])

loss = sg.cross_entropy(fresh(x), y)
print(f"by the equation {L:.4f}, by sg.cross_entropy {loss.item():.4f}")
assert np.isclose(L, loss.item(), atol=1e-6)

# %% [markdown]
# A prediction that is sure and right, $p_y = 1$, has the loss 0. A guess that gives every digit the
# probability 1/10 has the loss $-\log \frac{1}{10} = \log 10$, about 2.303. For several images,
# `sg.cross_entropy` gives the mean of their losses. Over all training images, the fresh model is about
# as good as the guess:

# %%
mean_loss = sg.cross_entropy(fresh(digits.x_train), digits.y_train).item()
print(f"the fresh model {mean_loss:.3f}, guessing {np.log(10):.3f}")
assert abs(mean_loss - np.log(10)) < 0.1

# %% [markdown]
# ## What `backward` leaves
#
# `loss.backward()` computes the **gradient** of the loss: for each parameter, how fast the loss changes
# with it. The gradient of an array of parameters is an array of the same shape, and stands in its
# `.grad`.

# %%
loss.backward()

for name, theta in fresh.parameters().items():
    g = theta.grad
    print(f"{name:15} {g.shape!s:>9}  from {g.min():6.3f} to {g.max():5.3f}")
    assert g.shape == theta.shape

# %% [markdown]
# What does one of these numbers mean? Take the bias of the right digit, and its gradient $g$. Add a
# small $\delta$ to this bias, and the loss changes by about
#
# $$\Delta L \approx g \, \delta$$

# %%
bias = fresh.parameters()["layers.2.bias"]
g = bias.grad[y]
delta = 0.01

b_moved = b_2.copy()
b_moved[y] += delta
Delta_L = sg.cross_entropy(h @ W_2 + b_moved, y).item() - L

print(f"g = {g:.4f}, g * delta = {g * delta:.5f}, the loss changes by {Delta_L:.5f}")
assert np.isclose(Delta_L, g * delta, rtol=0.01)

# %% [markdown]
# This $g$ is negative: a larger bias gives the right digit a larger probability, and the loss falls. One
# call of `backward` has found such a number for each of the 9,610 parameters.

# %% [markdown]
# ## What a step changes
#
# `opt.step()` moves the parameters so that the loss falls. How far it moves each is up to the optimizer.
# Adam's first step is simple: a parameter $\theta$ moves against the sign of its gradient by nearly $lr$,
# the **learning rate**, whatever the size of the gradient. The tiny $\epsilon$ is there for gradients of
# 0.
#
# $$\Delta \theta = -lr \, \frac{g}{|g| + \epsilon}$$

# %%
lr, eps = 3e-3, 1e-8
opt = optim.Adam(model=fresh, lr=lr, eps=eps)

before = bias.numpy()
opt.step()
g = bias.grad.copy()  # zero_grad() below fills bias.grad itself
Delta_theta = -lr * g / (np.abs(g) + eps)

print("digit   ", "".join(f"{digit:8}" for digit in range(10)))
print("gradient", "".join(f"{g_i:8.3f}" for g_i in g))
print("change  ", "".join(f"{change:8.3f}" for change in bias.numpy() - before))
assert np.allclose(bias.numpy() - before, Delta_theta, atol=1e-7)

# %% [markdown]
# The step has raised the bias of the label and lowered the nine others. The loss of this image is
# smaller now:

# %%
after = sg.cross_entropy(fresh(x), y)
print(f"loss before the step {loss.item():.3f}, after it {after.item():.3f}")
assert after.item() < loss.item()

# %% [markdown]
# The gradients are still there, and the next `backward` would add its own to them. Therefore the loop
# ends with `opt.zero_grad()`, which fills them with zeros.

# %%
opt.zero_grad()
print(bias.grad)
assert all((theta.grad == 0).all() for theta in fresh.parameters().values())

# %% [markdown]
# ## The loop
#
# The loop does this for one **batch** of 32 images after the other. A pass over all training images is
# an **epoch**. It has 48 such steps and one with the 5 images that remain, in a new order each time. The
# list `losses` has kept the loss that each step saw, of its own batch.

# %%
assert len(digits.x_train) == 48 * 32 + 5

losses = np.array(losses)
epoch_losses = losses.reshape(10, 49).mean(axis=1)
print(losses.size, "steps")
print(f"mean loss {epoch_losses[0]:.3f} in epoch 1, {epoch_losses[-1]:.3f} in epoch 10")
assert epoch_losses[-1] < 0.1 * epoch_losses[0]

# %% alt="The loss of each step on a logarithmic scale: it starts at log 10, about 2.3, falls steeply to about 0.4 in the first 75 steps and more slowly after, and jumps up and down from batch to batch. The means of the ten epochs fall steadily, to less than 0.1." jupyter={"source_hidden": true}
steps = np.arange(1, losses.size + 1)
middles = steps.reshape(10, 49).mean(axis=1)

figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
axes.semilogy(steps, losses, "C0-", linewidth=1, label="one batch")
axes.semilogy(middles, epoch_losses, "C1o-", label="mean of an epoch")
axes.axhline(np.log(10), color="C7", linestyle="--", label="guessing, log 10")
axes.set_xlabel("step t")
axes.set_ylabel("loss (nats)")
axes.legend()
plt.show()

# %% [markdown]
# The unit is the **nat**, because the logarithm is the natural one. The curve jumps, for some batches are
# harder than others, but its mean falls.

# %% [markdown]
# ## The test
#
# Now the trained model reads images that it has never seen. Under `sg.no_grad()`, results do not
# remember how they were computed: nobody asks for gradients here.

# %%
with sg.no_grad():
    p_test = sg.softmax(model(digits.x_test)).numpy()

right = p_test.argmax(axis=1) == digits.y_test
print(f"{right.sum()} of {right.size} are right")
assert right.mean() == accuracy

# %% alt="Twelve test digits with predictions above them. The six in the upper row are read correctly. The lower row shows misread ones, each with the wrong and the right digit, such as a 1 that is one thick bar and was read as 8." jupyter={"source_hidden": true}
figure, panels = plt.subplots(2, 6, figsize=(6.5, 2.8), layout="constrained")
chosen = np.concatenate([np.flatnonzero(right)[:6], np.flatnonzero(~right)[:6]])
for axes in panels.flat:
    axes.set_axis_off()
for axes, i in zip(panels.flat, chosen, strict=False):
    axes.imshow(digits.x_test[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    prediction, label = p_test[i].argmax(), digits.y_test[i]
    axes.set_title(f"{prediction}" if right[i] else f"{prediction}, not {label}")
plt.show()

# %% [markdown]
# The lower row shows misread digits. On average the model is less sure of these: it gives its
# prediction a smaller probability.

# %%
p_max = p_test.max(axis=1)
print(f"mean probability of a right prediction {p_max[right].mean():.2f}")
print(f"mean probability of a wrong prediction {p_max[~right].mean():.2f}")
assert p_max[right].mean() > p_max[~right].mean()

# %% [markdown]
# ## Where each line leads
#
# Each line of the program has tutorials that take it apart.
#
# | line | what you will see | tutorial |
# |---|---|---|
# | `loss.backward()` | what a gradient is, one node at a time | [Gradients](gradients.ipynb) |
# | | how it finds its way back through a whole program | [The backward pass](backward.ipynb) |
# | | the gradient of a gradient | [Jacobians and gradients of gradients](jacobians.ipynb) |
# | `model(…)` | how one bias serves 32 images | [Broadcasting](broadcasting.ipynb) |
# | `opt.step()` | descent, and what the learning rate does | [Descent](descent.ipynb) |
# | `optim.Adam(…)` | Adam's five equations | [Adam, equation by equation](adam.ipynb) |
# | | how long a step can be, AdamW and AMSGrad | [Adam, further](adam_further.ipynb) |
# | | other learning rates for some parameters, saving and resuming | [Groups and state](groups_and_state.ipynb) |
# | `nn.Sequential(…)` | layers, and how to write your own | [Modules](modules.ipynb) |
# | | layers for images | [Convolution](convolution.ipynb) |
# | | layers that read a text letter by letter | [Sequences](sequences.ipynb) |
# | `for epoch in …` | what makes training better, and by how much | [Training well](training.ipynb) |
# | | the same training in less time | [The fast path](fast.ipynb) |
# | | the same training in many processes | [Many machines](many_machines.ipynb) |
# | any of them | each line at work, in a debugger | [Seeing it happen](seeing.ipynb) |
# | | what to do when it does not work | [Debugging further](debugging.ipynb) |
# | all of them | a language model | [A tiny GPT](tiny_gpt.ipynb) |
#
# You can also watch a line at work. This tutorial is a plain script, `tutorials/quickstart.py`. Start it
# in a debugger, stop at `loss.backward()`, and step in.

# %% [markdown]
# ## Exercises
#
# The longer exercise `logits` in `tutorials/exercises/` comes with a check that says which equation is
# wrong: `python -m simplegrad.exercises check logits`.
#
# **1.** Compare the ten gradients that "What a step changes" printed with the ten probabilities of "One
# prediction before training". How do you get one from the other?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
is_right = np.arange(10) == y
print("p - [j = y]", (p - is_right).round(3))
print("gradient   ", g.round(3))

# A gradient is the probability, minus 1 for the right digit.
assert np.allclose(g, p - is_right, atol=1e-6)

# %% [markdown]
# **2.** Write a function `train(model, x, y, lr, epochs)` that trains as the twenty lines do, and a
# function `accuracy_of(model, x, y)`. Train three models like `fresh` for five epochs, with the learning
# rates 3e-5, 3e-3 and 3. Which of them read the test digits?


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
def train(model, x, y, lr, epochs):
    opt = optim.Adam(model=model, lr=lr)
    for _ in range(epochs):
        order = sg.generator().permutation(len(x))
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            loss = sg.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            opt.step()
            opt.zero_grad()


def accuracy_of(model, x, y):
    with sg.no_grad():
        predictions = model(x).numpy().argmax(axis=1)
    return (predictions == y).mean()


accuracies = {}
for lr in (3e-5, 3e-3, 3.0):
    sg.manual_seed(0)
    trained = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    train(trained, digits.x_train, digits.y_train, lr, epochs=5)
    accuracies[lr] = accuracy_of(trained, digits.x_test, digits.y_test)
    print(f"lr = {lr:g}: {accuracies[lr]:.1%}")

# The steps of 3e-5 are too short to get anywhere in five epochs, and those of 3 far too long.
assert accuracies[3e-3] > 0.9
assert accuracies[3e-5] < 0.5
assert accuracies[3.0] < 0.5

# %% [markdown]
# **3.** Move every test image to the right by one pixel. You would read them as before. Does `model`?
# Train a new model on the training images together with their moved copies, and compare.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
def moved_right(x):
    images = x.reshape(-1, 8, 8)
    moved = np.zeros_like(images)
    moved[:, :, 1:] = images[:, :, :-1]
    return moved.reshape(-1, 64)


x_moved = moved_right(digits.x_test)
x_both = np.concatenate([digits.x_train, moved_right(digits.x_train)])
y_both = np.concatenate([digits.y_train, digits.y_train])

sg.manual_seed(0)
robust = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
train(robust, x_both, y_both, lr=3e-3, epochs=10)

for name, chosen_model in (("model ", model), ("robust", robust)):
    as_it_is = accuracy_of(chosen_model, digits.x_test, digits.y_test)
    moved = accuracy_of(chosen_model, x_moved, digits.y_test)
    print(f"{name} reads {as_it_is:.1%} of the test images, {moved:.1%} of the moved ones")

# The model has learned what each pixel means, not what a shape means.
assert accuracy_of(model, x_moved, digits.y_test) < 0.7
assert accuracy_of(robust, x_moved, digits.y_test) > 0.9
assert accuracy_of(robust, digits.x_test, digits.y_test) > 0.9

# %% [markdown]
# ## Read on
#
# - Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating errors": four
#   pages that made this way of training known.
# - LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition":
#   networks for handwriting, whose structure helps with moved digits.
# - Goodfellow, Bengio and Courville (2016), "Deep Learning", chapter 6: networks like this one.
# - The digits: Alpaydin and Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine
#   Learning Repository.
