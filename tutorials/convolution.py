# %% [markdown]
# # Convolution
#
# The network that reads digits in [Modules](modules.ipynb) does not know that its 64 numbers are an image:
# they could stand in any other order. A convolution knows what is beside what. It looks at an image through
# a small window, and asks the same question at every place. You write it as four loops, turn it into one
# matrix product, find its gradients, and train a network of convolutions on the digits. Then you look at
# what it has learned to ask.
#
# - **You will be able to** compute a convolution and the size of its result by hand, write it as a matrix
#   product, say what its partials are, count its parameters, and say what a shift of the image does to it
#   and what it does not.
# - **Read before:** [Modules](modules.ipynb) and, of [Training well](training.ipynb), what a difference is.

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
import simplegrad.optimizers as optim
from simplegrad import nn

sg.manual_seed(0)

# %% [markdown]
# ## A window that slides
#
# Take an image $x$ and a small array of weights $W$, the **kernel**. Lay the kernel on the image, multiply
# each weight by the pixel below it, and add up: that is one number of the result. Then move the kernel by
# one pixel. With $p$ for the place of the window (a row and a column), and $k$ for a place within it:
#
# $$y_p = \sum_k W_k \, x_{p + k}$$
#
# As code, these are four loops: two for $p$ and two for $k$. Both count from 0.


# %%
def convolve(x, W):
    height, width = W.shape
    y = np.zeros((x.shape[0] - height + 1, x.shape[1] - width + 1))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for k in range(height):
                for m in range(width):
                    y[i, j] += W[k, m] * x[i + k, j + m]
    return y


x = np.array([[1.0, 2.0, 0.0, 5.0], [3.0, 1.0, 4.0, 6.0], [0.0, 2.0, 7.0, 8.0]])
W = np.array([[-1.0, 1.0], [-1.0, 2.0]])
y = convolve(x, W)
print(y)
assert y[1, 1] == -1 * 1 + 1 * 4 + -1 * 2 + 2 * 7
assert (y == sg.conv2d(x[None], W[None, None]).data[0]).all()

# %% [markdown]
# The first assertion is a number by hand: at row 1 and column 1 the window sees 1, 4, 2 and 7. The second
# is the library's `sg.conv2d`, which wants two further axes that you will meet soon.
#
# What does such a sum find? The kernel below has $-1$ on the left and $1$ on the right. Where the image
# is the same on both sides, the sum is 0. Where paper on the left meets ink on the right, it is large.
# Turned by a quarter, the kernel finds the edges that run the other way. We call the result the
# **response** of the image to the kernel.

# %%
digits = sg.datasets.load_digits()
x_train, x_test = digits.x_train.reshape(-1, 1, 8, 8), digits.x_test.reshape(-1, 1, 8, 8)
y_train, y_test = digits.y_train, digits.y_test

edge = np.array([[-1.0, 0.0, 1.0]] * 3)
zero = x_train[0, 0]
assert y_train[0] == 0
upright, level = convolve(zero, edge), convolve(zero, edge.T)
print(upright.round(1))
assert np.allclose(convolve(np.full((8, 8), 0.7), edge), 0)

# %% alt="A handwritten zero of 8 by 8 pixels, and its responses of 6 by 6 numbers to two kernels. To the kernel for upright edges, both sides of the ring answer: the left rim of each stroke positive, in red, and the right rim negative, in blue. To the kernel for level edges, top and bottom of the ring do." jupyter={"source_hidden": true}
figure, panels = plt.subplots(1, 3, figsize=(7, 2.6), layout="constrained")
panels[0].imshow(zero, cmap="gray_r", vmin=0, vmax=1)
for axes, response in zip(panels[1:], (upright, level), strict=True):
    picture = axes.imshow(response, cmap="RdBu_r", vmin=-3, vmax=3)
for axes, title in zip(panels, ("the image", "upright edges", "level edges"), strict=True):
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
figure.colorbar(picture, ax=panels[1:], label="response")
plt.show()

# %% [markdown]
# ### A word on the name
#
# In mathematics, the **convolution** of $W$ and $x$ has a minus where ours has a plus: the kernel is turned
# by 180 degrees before it is laid on the image. What we compute is called the **cross-correlation** there.
# A network learns its kernels, and it does not matter which way round it learns them; so libraries of
# networks, and this chapter, call it convolution (Goodfellow, Bengio and Courville, 2016). The turned
# kernel comes back in the gradient. NumPy has both in one dimension:

# %%
row, kernel = np.array([1.0, 2.0, 0.0, 5.0]), np.array([-1.0, 1.0])
ours = convolve(row[None], kernel[None])[0]
print(ours, np.correlate(row, kernel), np.convolve(row, kernel, mode="valid"))
assert (ours == np.correlate(row, kernel)).all()
assert (ours == np.convolve(row, kernel[::-1], mode="valid")).all()

# %% [markdown]
# ## A matrix product
#
# Four loops of Python are slow, and a convolution does not need them: it is a matrix product.
# Write all that the window sees into a matrix $X$, a column for each place of the window, and the kernel as a
# row. This is known as **im2col**, image to columns.
#
# $$X_{k\,p} = x_{p + k}$$
# $$y_p = \sum_k W_k \, X_{k\,p}$$
#
# The first of the two needs no arithmetic, and not even a copy. NumPy finds an element of an array by its
# **strides**: how many bytes it is to the next row, and to the next column. A view may use the same
# stride for two axes. Below, one step along $p$ and one step along $k$ both go to the next row.

# %%
down, right = x.strides
windows = np.lib.stride_tricks.as_strided(
    x, shape=(2, 2, 2, 3), strides=(down, right, down, right), writeable=False
)
X = windows.reshape(4, 6)
print(X)
assert (X[:, 4] == [1, 4, 2, 7]).all()  # the window at row 1 and column 1
assert (W.reshape(1, 4) @ X == y.reshape(1, 6)).all()
assert (sg.windows(x, 2).data.reshape(4, 6) == X).all()
print(f"{x.size} numbers in x, {X.size} in X")
assert np.shares_memory(windows, x)
assert not np.shares_memory(X, x)

# %% [markdown]
# `windows` has 24 elements, but they are the 12 of `x`, most of them under several indices. The `reshape`
# then has to copy. That is the price: up to as many copies of each pixel as the kernel has weights.
# `sg.windows` is this $X$ as a rule of the library, so that a gradient comes back through it.
#
# `as_strided` believes any strides, also those that lead out of the array. In your own code take
# `np.lib.stride_tricks.sliding_window_view`, which computes them.
#
# ## Several channels
#
# A photo has three numbers for each pixel, for red, green and blue: three channels. In
# [Training well](training.ipynb) a channel was a column of the batch, and here it is a whole image. Inside a
# network there are as many as you like. The window goes through all channels $c$ of the image at once, and the
# products are added up over the channels, too. And one kernel asks one question, so a layer has many: each of
# them, with weights for every channel, is a **filter** $o$. It has a bias, and its responses are a channel of
# the result. So $x$ has the shape (channels, height, width), and $W$ has (filters, channels, height, width).
#
# The window may go in larger steps: its **stride** $s$ is counted in pixels, and not in bytes. And its own
# places may lie $d$ pixels apart. This **dilation** is seldom other than 1. Here is all of `sg.conv2d`:
#
# $$y_{o\,p} = \sum_{c,\,k} W_{o\,c\,k} \, x_{c,\, s p + d k} + b_o$$

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(3, 7, 9))
W = rng.normal(size=(4, 3, 3, 3))
b = rng.normal(size=4)
s, d = 2, 2

y = np.zeros((4, 2, 3))
for o, i, j in np.ndindex(y.shape):
    seen = x[:, s * i : s * i + d * 3 : d, s * j : s * j + d * 3 : d]
    y[o, i, j] = (W[o] * seen).sum() + b[o]
np.testing.assert_allclose(sg.conv2d(x, W, b, stride=s, dilation=d).data, y)

X = sg.windows(x, 3, s, d).data  # of shape (channels, places in the window, height, width)
print("the windows:", X.shape, " the filters:", W.shape)
product = W.reshape(4, 27) @ X.reshape(27, 6)
np.testing.assert_allclose(product.reshape(4, 2, 3) + b[:, None, None], y)

# %% [markdown]
# The product is the same as before, only larger: a row of $W$ holds all weights of a filter, and a column of
# $X$ all that a window sees in all channels. These are the last lines of `sg.conv2d`. A first axis for the
# images of a batch is a stack of such products.
#
# ## The size of the result
#
# At the rim, the window must not stick out, so the result is smaller than the image. **Padding** puts $z$
# zeros on each side of the image, so that it can. How many places are there for a window of the height $h$?
# From its first to its last row it covers $d (h - 1) + 1$ rows. The first place needs that many. What is
# left holds one more for each $s$ rows:
#
# $$H' = \left\lfloor \frac{H + 2 z - d (h - 1) - 1}{s} \right\rfloor + 1$$
#
# The brackets round down: rows that are left over at the end are not seen. The same goes for the width.

# %%
sizes = itertools.product(range(1, 13), range(1, 6), range(1, 5), range(3), range(1, 4))
fitting = [(H, h, s, z, d) for H, h, s, z, d in sizes if H + 2 * z > d * (h - 1)]
for H, h, s, z, d in fitting:
    H_out = (H + 2 * z - d * (h - 1) - 1) // s + 1
    y = sg.conv2d(np.zeros((1, H, H)), np.zeros((1, 1, h, h)), stride=s, padding=z, dilation=d)
    assert y.shape == (1, H_out, H_out)
    if (s, z, d) == (1, (h - 1) / 2, 1):
        assert H_out == H
    if (h, s, z, d) == (2, 2, 0, 1):
        assert H_out == H // 2
print(f"the formula is right for {len(fitting)} settings")

# %% [markdown]
# Two cases are worth knowing by heart. A window of 3 with $z = 1$ keeps the size; in general that takes
# $z = (h - 1) / 2$ for an odd $h$. And a window of 2 with a stride of 2 halves it.
#
# ## The partials
#
# Let $dy$ be the derivative of the loss by the result. Each weight is used at every place, so its gradient
# is a sum over the places: of what it was multiplied by, times $dy$. The bias is added at all of them:
#
# $$dW_{o\,c\,k} = \sum_p dy_{o\,p} \, x_{c,\, s p + d k}$$
# $$db_o = \sum_p dy_{o\,p}$$
#
# Compare the first with the equation of `sg.conv2d`. It is the same with other names: **a correlation of
# the input and $dy$**, which takes the place of the kernel. For $s = d = 1$, the library itself can compute
# it: each channel of $x$ is an image, and each channel of $dy$ is a filter.

# %%
x_t, W_t, b_t = (sg.Tensor(a, requires_grad=True) for a in (x, W, b))
y = sg.conv2d(x_t, W_t, b_t)
dy = rng.normal(size=y.shape)
y.backward(dy)

dW = np.zeros(W.shape)
for k, m in np.ndindex(3, 3):
    seen = x[:, k : k + 5, m : m + 7]  # by the weight (k, m), over all places
    dW[:, :, k, m] = np.einsum("oij,cij->oc", dy, seen)
db = dy.sum(axis=(1, 2))
np.testing.assert_allclose(W_t.grad, dW)
np.testing.assert_allclose(b_t.grad, db)

correlation = sg.conv2d(x[:, None], dy[:, None]).data  # (channels, filters, height, width)
np.testing.assert_allclose(W_t.grad, correlation.swapaxes(0, 1))
print("dW:", dW.shape, "is a correlation of x:", x.shape, "and dy:", dy.shape)

# %% [markdown]
# A pixel goes into several results, up to once for each place in the window. $x_i$ is seen by the place $k$ of
# the window at $p$ if $p + k = i$, for $s = d = 1$. So $p = i - k$, and there is the minus:
#
# $$dx_{c\,i} = \sum_{o,\,k} W_{o\,c\,k} \, dy_{o,\, i - k}$$
#
# This is a convolution as mathematics has it: **the kernel is turned**. Where $i - k$ is no place of the
# window, $dy$ counts as 0. So it is `sg.conv2d` with the kernels turned by 180 degrees, with
# filters and channels swapped, and with $h - 1$ zeros around $dy$.

# %%
dx = np.zeros(x.shape)
for k, m in np.ndindex(3, 3):
    dx[:, k : k + 5, m : m + 7] += np.einsum("oc,oij->cij", W[:, :, k, m], dy)
np.testing.assert_allclose(x_t.grad, dx)

turned = W[:, :, ::-1, ::-1].swapaxes(0, 1)
np.testing.assert_allclose(x_t.grad, sg.conv2d(dy, turned, padding=2).data)
not_turned = sg.conv2d(dy, W.swapaxes(0, 1), padding=2).data
print(f"wrong by up to {abs(not_turned - dx).max():.1f} if the kernel is not turned")
assert abs(not_turned - dx).max() > 1

small = [sg.Tensor(a, requires_grad=True) for a in (x[:2, :5, :4], W[:2, :2], b[:2])]
assert sg.gradcheck(lambda x, W, b: sg.conv2d(x, W, b, stride=2, padding=1), small)

# %% [markdown]
# `sg.gradcheck` compares the gradients with differences, here with a stride of 2 and with padding.
#
# ## How many numbers it takes
#
# Without its bias, a convolution is linear, so there is a matrix that does the same to the image as one long
# row, as an `nn.Linear` would. Find it: what the convolution makes of an image with a single 1 is one row of
# the matrix. For 6 filters of 3 by 3 on a digit, with padding, it has 64 rows and 384 columns.

# %%
layer = nn.Conv2d(1, 6, 3, padding=1)
pixels = np.eye(64, dtype=np.float32).reshape(64, 1, 8, 8)
matrix = sg.conv2d(pixels, layer.weight, padding=1).data.reshape(64, 384)

linear = nn.Linear(64, 384)
linear.weight.data = matrix
linear.bias.data = np.repeat(layer.bias.data, 64)
np.testing.assert_allclose(
    linear(digits.x_test).data, layer(x_test).data.reshape(-1, 384), rtol=1e-4, atol=1e-6
)

of_conv = sum(theta.size for theta in layer.parameters().values())
of_linear = sum(theta.size for theta in linear.parameters().values())
print(f"nn.Conv2d holds {of_conv} numbers, the nn.Linear of the same result {of_linear:,}")
assert of_conv == 6 * (1 * 3 * 3 + 1)
assert of_linear == 64 * 384 + 384
near = matrix != 0
values = np.unique(matrix[near])
print(f"{near.mean():.0%} of the matrix is not 0, with {len(values)} different numbers")
assert len(values) == 6 * 9
assert near.sum() == 6 * (3 * 8 - 2) ** 2

# %% [markdown]
# Two things make the difference, 60 against 24,960. A result sees only what is near, so most of the matrix
# is 0. And all places **share** their weights: the matrix has the same 54 numbers again and again. The
# number of parameters does not depend on the size of the image at all.
#
# ## A shift remains a shift
#
# Shared weights have a consequence. Let $T$ shift an image by one pixel to the right. It does not matter
# whether you shift the image or the response:
#
# $$\mathrm{conv}(T x) = T \, \mathrm{conv}(x)$$
#
# A function with this property is **equivariant** to shifts. For a network this means: what it has learned
# at one place, it knows at all places. A linear layer has to learn it for each place anew.


# %%
def T(x, right=1, down=0):
    """Images shifted: what leaves them is lost, and zeros come in."""
    height, width = x.shape[-2:]
    wide = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(3, 3), (3, 3)])
    return wide[..., 3 - down : 3 - down + height, 3 - right : 3 - right + width]


def conv(x, stride=1):
    return sg.conv2d(x, layer.weight, stride=stride, padding=1).data


wide = np.pad(x_test[:100], [(0, 0), (0, 0), (4, 4), (4, 4)])  # so that nothing leaves the image
np.testing.assert_allclose(conv(T(wide)), T(conv(wide)), atol=1e-6)

for right in (1, 2):
    moved, expected = conv(T(wide, right), stride=2), T(conv(wide, stride=2), right // 2)
    print(f"stride 2, shift {right}: differs by up to {abs(moved - expected).max():.3f}")
    assert np.allclose(moved, expected, atol=1e-6) == (right == 2)

# %% [markdown]
# With a stride of 2, this holds only for shifts by 2, which are shifts of the result by 1. At the rim it
# does not hold either, where ink leaves the image.
#
# ## Pooling
#
# To tell a 3 from an 8, it matters whether there is an edge on the left, but not on which pixel exactly.
# **Pooling** keeps one number for each window: the largest one in **max pooling**. Usually the windows do not
# overlap: they have 2 by 2 places, and a stride of 2. There are no weights, and each channel is by itself.
#
# $$y_p = \max_k x_{s p + d k}$$
#
# The result changes only with the largest number, so the gradient goes there, and all others get 0. If
# several tie, they share it. With $n_p$ for how many are the largest of the window at $p$:
#
# $$dx_i = \sum_{k,\,p \,:\, s p + d k = i} \frac{[x_i = y_p]}{n_p} \, dy_p$$

# %%
x = np.array([[1.0, 5.0, 2.0, 2.0], [0.0, 3.0, 1.0, 0.0]])
dy = np.array([[10.0, 20.0]])
s, d = 2, 1

x_t = sg.Tensor(x, requires_grad=True)
y = sg.max_pool2d(x_t, 2)
y.backward(dy)

dx = np.zeros(x.shape)
for p in range(2):
    seen = x[:, s * p : s * p + d * 2 : d]
    is_largest = seen == seen.max()
    assert y.data[0, p] == seen.max()
    dx[:, s * p : s * p + d * 2 : d] += is_largest / is_largest.sum() * dy[0, p]
print(dx)
assert (x_t.grad == dx).all()
assert (dx == [[0, 10, 10, 10], [0, 0, 0, 0]]).all()

# %% [markdown]
# ## LeNet
#
# LeNet (LeCun et al., 1998) read the digits of cheques. Its plan is still that of many networks:
# convolution, pooling, convolution, pooling, and at the end linear layers, which see everything. Ours has
# this plan for small images, with a single linear layer, max pooling and ReLU. Beside it stands a network of
# linear layers, with a hidden layer so wide that it holds about as many parameters.


# %%
def lenet(size):
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * (size // 4) ** 2, 10)),
    )


def linear_network(size):
    count = sum(theta.size for theta in lenet(size).parameters().values())
    width = round((count - 10) / (size**2 + 1 + 10))
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(size**2, width), nn.ReLU(), nn.Linear(width, 10))
    )


def train(model, x, y, lr=0.01, epochs=20):
    opt = optim.Adam(model=model, lr=lr)
    for epoch in range(epochs):
        opt.lr = lr * (1 - epoch / epochs)
        order = sg.generator().permutation(len(x))
        for start in range(0, len(x), 64):
            batch = order[start : start + 64]
            opt.zero_grad()
            sg.cross_entropy(model(x[batch]), y[batch]).backward()
            opt.step()
    return model


def misread(model, x):
    """How many of the test digits, in the form x, are taken for another digit."""
    with sg.no_grad():
        return int((model(x).data.argmax(axis=1) != y_test).sum())


def compare(x_train, x_test):
    """Both networks with three seeds each, trained, and what they misread."""
    models, wrong = {}, {}
    for make in (lenet, linear_network):
        name = make.__name__
        models[name] = []
        for seed in range(3):
            sg.manual_seed(seed)
            models[name].append(train(make(x_train.shape[-1]), x_train, y_train))
        wrong[name] = [misread(model, x_test) for model in models[name]]
        size = sum(theta.size for theta in models[name][0].parameters().values())
        print(f"{name:14} {size} parameters, misreads {wrong[name]} of {len(x_test)}")
    return models, wrong


models, wrong = compare(x_train, x_test)
assert max(wrong["lenet"]) < 0.1 * len(x_test)
assert abs(np.mean(wrong["linear_network"]) - np.mean(wrong["lenet"])) < 3

# %% [markdown]
# That is no victory: the two misread about as many digits, as far as three seeds can tell. Why? These images
# were cut out and scaled, so that each digit is as high as the image. Nothing in them moves, and a linear
# network can learn for each pixel what ink means there.
#
# So take away what makes it easy. Put each digit somewhere on a sheet of 12 by 12 pixels, where there are
# 25 places for it. There are still 1,541 digits to learn from, and each is seen at one place only.


# %%
def scattered(x, size, rng):
    """Each image at a random place of a larger one, which is 0 elsewhere."""
    sheets = np.zeros((len(x), 1, size, size), dtype=np.float32)
    for sheet, image in zip(sheets, x, strict=True):
        i, j = rng.integers(0, size - 7, 2)
        sheet[0, i : i + 8, j : j + 8] = image[0]
    return sheets


assert x_train[:, 0, 0].any(axis=1).all()  # ink in the first row of each digit,
assert x_train[:, 0, 7].any(axis=1).all()  # and in the last
rng = np.random.default_rng(0)
sheets_train, sheets_test = scattered(x_train, 12, rng), scattered(x_test, 12, rng)
models, wrong = compare(sheets_train, sheets_test)
assert max(wrong["lenet"]) < min(wrong["linear_network"])
assert np.mean(wrong["lenet"]) < 0.5 * np.mean(wrong["linear_network"])
assert max(wrong["lenet"]) > 1.5 * min(wrong["lenet"])

# %% [markdown]
# Now the convolutions pay: with as many parameters, LeNet misreads less than half as many digits. Its filters
# find a stroke wherever it is. But look at the numbers before you believe too much. The seeds differ
# widely, so a comparison of two single runs would have said little ([Training well](training.ipynb)). And
# digits that stand still are read far better. The equivariance ends at the last layer, which has weights
# for each place, and must learn from examples what a 3 looks like at each of them.
#
# What did it cost? Count the products for one image:

# %%
products_lenet = 54 * 12 * 12 + 16 * 54 * 6 * 6 + 144 * 10
width = models["linear_network"][0][1].weight.shape[1]
products_linear = 144 * width + width * 10
print(f"LeNet {products_lenet:,}, linear {products_linear:,}")
assert models["lenet"][0][0].weight.size == 54
assert models["lenet"][0][3].weight.size == 16 * 54
assert models["lenet"][0][7].weight.shape == (144, 10)
assert products_lenet > 15 * products_linear

# %% [markdown]
# A weight that is shared is also used again and again. A convolution saves parameters, and not work.
#
# ## What a filter has learned
#
# The filters of the first layer are small images themselves. The picture shows the six of one network; below
# each, the mean of the 100 windows of the test sheets that excite it most; and its response to one digit.

# %%
model = models["lenet"][0]
first = model[0]
with sg.no_grad():
    responses = sg.relu(first(sheets_test)).data  # of shape (images, filters, 12, 12)
seen = sg.windows(sg.pad(sheets_test, ((0, 0), (0, 0), (1, 1), (1, 1))), 3).data
seen = seen.transpose(0, 1, 3, 4, 2).reshape(-1, 9)  # a row for each window

favourites = []
for o in range(6):
    strongest = np.argsort(responses[:, o].ravel())[-100:]
    favourites.append(seen[strongest].mean(axis=0).reshape(3, 3))
    W_o, b_o = first.weight.data[o, 0], first.bias.data[o]
    expected = (W_o * favourites[o]).sum() + b_o  # linear: the mean of the responses
    np.testing.assert_allclose(responses[:, o].ravel()[strongest].mean(), expected, rtol=1e-4)
assert favourites[4][0].mean() > favourites[4][2].mean() + 0.5

# %% alt="Six filters, the windows that excite each most, and its response to a digit. Above, filters of 3 by 3 weights, red where positive and blue where negative. In the middle, the mean of the windows that excite each most: ink where its weights are red, paper where they are blue, such as a bar or a corner. Below, the responses to one digit: each filter answers to other parts of its strokes." jupyter={"source_hidden": true}
figure, panels = plt.subplots(3, 6, figsize=(7.5, 3.9), layout="constrained")
limit = abs(first.weight.data).max()
for o, (above, middle, below) in enumerate(panels.T):
    above.imshow(first.weight.data[o, 0], cmap="RdBu_r", vmin=-limit, vmax=limit)
    middle.imshow(favourites[o], cmap="gray_r", vmin=0, vmax=1)
    below.imshow(responses[1, o], cmap="gray_r", vmin=0, vmax=responses[1].max())
    above.set_title(f"filter {o}", fontsize=10)
for axes, label in zip(panels[:, 0], ("weights", "excited by", "response"), strict=True):
    axes.set_ylabel(label)
for axes in panels.flat:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
plt.show()

# %% [markdown]
# They are not as tidy as the two that we made up, but some can be read. Filter 4 looks for ink with paper
# below it: for lower rims. Pictures of filters invite stories, so ask the network instead. Which filter
# does it need? Take one away, by weights and a bias of 0, and count again.

# %%
W, b = first.weight.data, first.bias.data
without = []
for o in range(6):
    kept = np.arange(6) != o
    first.weight.data = W * kept[:, None, None, None]
    first.bias.data = b * kept
    without.append(misread(model, sheets_test))
first.weight.data, first.bias.data = W, b
print(f"with all filters {misread(model, sheets_test)} misread, without one of them {without}")
assert min(without) > 2 * misread(model, sheets_test)

# %% [markdown]
# Each of them is needed, even those whose pictures say little: the layers behind have learned to count on all
# six.
#
# ## Exercises
#
# The longer exercise `conv2d` in `tutorials/exercises/` comes with a check that says which equation is
# wrong: `python -m simplegrad.exercises check conv2d`.
#
# **1.** For a stride $s > 1$, the places of $dy$ are $s$ pixels apart in the image. Compute $dx$ from
# $dy$ and the turned kernels with `sg.conv2d`, as above, for $s = 2$: put $s - 1$ zeros between the
# elements of $dy$ first. Take an image of 7 by 9 pixels and windows of 3 by 3, so that no row is left over.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
rng = np.random.default_rng(1)
W = rng.normal(size=(4, 3, 3, 3))
x_t = sg.Tensor(rng.normal(size=(3, 7, 9)), requires_grad=True)
y = sg.conv2d(x_t, W, stride=2)
dy = rng.normal(size=y.shape)
y.backward(dy)

apart = np.zeros((4, 2 * y.shape[1] - 1, 2 * y.shape[2] - 1))
apart[:, ::2, ::2] = dy
dx = sg.conv2d(apart, W[:, :, ::-1, ::-1].swapaxes(0, 1), padding=2).data
np.testing.assert_allclose(x_t.grad, dx)
print("dx:", dx.shape, "from dy:", dy.shape)

# %% [markdown]
# **2.** The **receptive field** of a result is the part of the image that it depends on. Two convolutions of
# 3 by 3, one after the other, have one of 5 by 5. How large is it for the 16 channels behind the second
# pooling of LeNet? Do not count: let a gradient say it. Give all weights the value 1, and go backward from
# one result in the middle of a sheet of 36 by 36 pixels. Take average pooling: max pooling hands the gradient
# to one pixel of its window alone, though the result depends on all.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
def receptive_field(pooling):
    x_t = sg.zeros((1, 1, 36, 36), requires_grad=True)
    c = pooling(sg.conv2d(x_t, np.ones((6, 1, 3, 3)), padding=1))
    c = pooling(sg.conv2d(c, np.ones((16, 6, 3, 3)), padding=1))
    c[0, 0, 4, 4].backward()
    return x_t.grad[0, 0].any(axis=1).sum(), x_t.grad[0, 0].any(axis=0).sum()


without_pooling, with_pooling = receptive_field(lambda c: c), receptive_field(nn.AvgPool2d(2))
print("{} by {} pixels, with pooling {} by {}".format(*without_pooling, *with_pooling))
assert without_pooling == (5, 5)
assert with_pooling == (10, 10)
# A window of 2 behind one of 3: 4 pixels. The next window sees 3 results that are 2 pixels apart, so
# 4 + 2 * 2 = 8, and the last two of those 2 pixels apart: 10.

# %% [markdown]
# **3.** Train a LeNet and a linear network on the digits of 8 by 8 pixels, where they stand still. Then
# shift the test digits by one pixel to the right with `T`, and count what they misread now, for three seeds.
# Next, train on shifted digits, too: join `x_train` and its shifts to the left and to the right, and take a
# third of the epochs, so that there are as many steps. What does it take to see through a shift?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
still, moved = {}, {}
x_all, y_all = np.concatenate([T(x_train, right) for right in (-1, 0, 1)]), np.tile(y_train, 3)
for make in (lenet, linear_network):
    for result, x, y, epochs in ((still, x_train, y_train, 12), (moved, x_all, y_all, 4)):
        result[make] = []
        for seed in range(3):
            sg.manual_seed(seed)
            result[make].append(misread(train(make(8), x, y, epochs=epochs), T(x_test)))
    print(f"{make.__name__:14} misreads {still[make]}, trained on shifts {moved[make]}")
    assert max(moved[make]) < min(still[make]) / 2
assert np.mean(still[lenet]) < np.mean(still[linear_network])
assert np.mean(moved[lenet]) < np.mean(moved[linear_network])
# Shared weights alone help a little. Examples help both, and LeNet makes more of them.

# %% [markdown]
# **4.** A convolution of 1 by 1 mixes the channels of each pixel, and looks at no other pixel. Show that
# it is an `nn.Linear` of the channels, applied at each pixel: give both the same numbers. How do their weights
# differ in shape?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
of_pixels, mixing = nn.Conv2d(6, 16, 1), nn.Linear(6, 16)
mixing.weight.data = of_pixels.weight.data[:, :, 0, 0].T  # (filters, channels) and (in, out)
mixing.bias.data = of_pixels.bias.data
x = sg.normal((5, 6, 8, 8))
y = mixing(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # the channels last, and back
np.testing.assert_allclose(of_pixels(x).data, y.data, rtol=1e-4, atol=1e-5)
print(of_pixels.weight.shape, mixing.weight.shape)

# %% [markdown]
# ## Read on
#
# - LeCun, Bottou, Bengio and Haffner (1998), "Gradient-Based Learning Applied to Document Recognition",
#   Proceedings of the IEEE 86. LeNet, and why a network for images should share its weights.
# - Goodfellow, Bengio and Courville (2016), "Deep Learning", MIT Press. Its chapter on convolutional networks.
# - Krizhevsky, Sutskever and Hinton (2012), "ImageNet Classification with Deep Convolutional Neural
#   Networks", NIPS. The same plan, much larger, and with pictures of what its filters have learned.
