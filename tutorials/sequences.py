# %% [markdown]
# # Sequences
#
# A name, a sentence and a melody have no fixed length, and what comes next depends on what came before.
# A recurrent network reads such a sequence step by step and carries a memory along. You build one, see
# in numbers why it forgets, and then meet two cures: gates, and a look back.
#
# - **You will be able to** write a recurrent network and a GRU by hand, follow the gradient back through
#   time and measure how it fades, and say what a gate and what attention do about it.
# - **Read before:** [Modules](modules.ipynb), and on clipping [Training well](training.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
from simplegrad import fast, nn

# %% [markdown]
# ## Names, letter by letter
#
# simplegrad comes with 5,163 first names. 500 of them are held out, to judge by.

# %%
names = sg.datasets.load_names()
order = np.random.default_rng(0).permutation(len(names))
test_names = [names[i] for i in order[:500]]
train_names = [names[i] for i in order[500:]]
print(*train_names[:8])
assert len(names) == 5163

# %% [markdown]
# What is read and predicted is a **token**: here one of 27, a letter, or a dot, which stands before the
# first letter and after the last. A **language model** gives a probability to each token that may come
# next. So the input is a name with a dot before it, the target is the name with a dot after it, and a
# **mask** $m$ is 1 where a place counts and 0 beyond the end of a name. The longest names have 11
# letters, so there are 12 places.
#
# A network needs numbers with a meaning, and the number of a letter in the alphabet has none. In a
# **one-hot** vector, all elements are 0 but one, which stands for the token.

# %%
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
PLACES = 12
ONE_HOT = np.eye(27, dtype=np.float32)


def encode(names):
    """Input tokens, target tokens and mask, all of shape (names, places)."""
    tokens = np.zeros((len(names), PLACES + 1), dtype=np.int64)
    for row, name in zip(tokens, names, strict=True):
        row[1 : len(name) + 1] = [ALPHABET.index(letter) for letter in name]
    lengths = np.array([[len(name)] for name in names])
    m = (np.arange(PLACES) <= lengths).astype(np.float32)
    return tokens[:, :-1], tokens[:, 1:], m


i_train, y_train, m_train = encode(train_names)
i_test, y_test, m_test = encode(test_names)

i, y, m = encode(["emma"])
x = ONE_HOT[i]
for label, row in ("input ", i[0]), ("target", y[0]):
    print(label, *[ALPHABET[token] for token in row])
print("mask  ", *m[0].astype(int))
print("one-hot vectors of shape", x.shape)
assert (x.argmax(axis=-1) == i).all()

# %% [markdown]
# The loss is the mean of $-\log p$ over the $n$ tokens that count, where $p$ is the probability that
# the model gave to the token that did come.
#
# $$L = -\frac{1}{n} \sum_i m_i \log p_i, \quad n = \sum_i m_i$$
#
# The baseline counts pairs. It gives the token $b$ after the token $a$ the share that it had among the
# training names, with 1 added to each count $N_{ab}$ so that no probability is 0. A model that looks at
# one token is called a **bigram** model.
#
# $$P_{ab} = \frac{N_{ab} + 1}{\sum_c (N_{ac} + 1)}$$


# %%
def loss_of(log_P, y, m):
    """The mean of -log p: log_P of shape (names, places, 27), y and m of shape (names, places)."""
    row, place = np.indices(y.shape)
    log_p = log_P[row, place, y]
    n = m.sum()
    return -(m * log_p).sum() / n


N = np.zeros((27, 27))
np.add.at(N, (i_train[m_train == 1], y_train[m_train == 1]), 1)
P = (N + 1) / (N + 1).sum(axis=1, keepdims=True)
assert np.allclose(P.sum(axis=1), 1)

bigram_loss = loss_of(np.log(P)[i_test], y_test, m_test)
counts = m_test == 1
assert np.isclose(bigram_loss, -np.log(P[i_test[counts], y_test[counts]]).mean())
print(f"all tokens equally likely  {np.log(27):.3f} nats per token")
print(f"the bigram model           {bigram_loss:.3f}")

# %% [markdown]
# ## A network with a memory
#
# A **recurrent network** has a **state** $h_t$, a vector of numbers that it hands from each step to the
# next. The new state is made of the new input and the old state, by the same weights at every step. This
# is the network of Elman (1990), with PyTorch's two biases. The first $h_{t-1}$ is 0.
#
# $$h_t = \tanh(x_t W_i + b_i + h_{t-1} W_h + b_h)$$


# %%
class RNN(nn.Module):
    def __init__(self, inputs, hidden):
        bound = 1 / np.sqrt(hidden)
        self.W_i = sg.uniform((inputs, hidden), -bound, bound, requires_grad=True)
        self.W_h = sg.uniform((hidden, hidden), -bound, bound, requires_grad=True)
        self.b_i = sg.uniform(hidden, -bound, bound, requires_grad=True)
        self.b_h = sg.uniform(hidden, -bound, bound, requires_grad=True)

    def forward(self, x):
        """All states, (names, steps, hidden), from x of shape (names, steps, inputs)."""
        h, states = sg.zeros((len(x), len(self.W_h))), []
        for t in range(x.shape[1]):
            h = sg.tanh((x[:, t] @ self.W_i + self.b_i) + (h @ self.W_h + self.b_h))
            states.append(h)
        return sg.stack(states, axis=1)


sg.manual_seed(0)
by_hand = RNN(27, 8)
sg.manual_seed(0)
library = nn.RNN(27, 8, batch_first=True)

states, h_T = library(x)
print("states", states.shape, "and the last one", h_T.shape)
assert by_hand(x).numpy().tobytes() == states.numpy().tobytes()
assert (h_T.numpy()[0] == states.numpy()[:, -1]).all()

# %% [markdown]
# The module by hand and `nn.RNN` agree to the last bit. What `nn.RNN` calls at each step is
# `nn.RNNCell`, the equation alone.
#
# A layer that makes logits of each state completes the language model. The same function trains all
# models of this chapter. `fast.Adam` and `fast.replay` compute the same bits as `optim.Adam` and the
# plain function, in less time: [The fast path](fast.ipynb), a later chapter, shows how. To step through
# the model in a debugger, take out the line `@fast.replay`.


# %%
class LanguageModel(nn.Module):
    def __init__(self, layer, hidden=128):
        self.states = layer(27, hidden, batch_first=True)
        self.logits = nn.Linear(hidden, 27)

    def forward(self, x):
        h, _ = self.states(x)
        return self.logits(h)


def train(model, batches, loss_of, lr):
    """Adam with a learning rate that falls to 0; a step for each batch. Returns the losses."""
    opt = fast.Adam(model=model, lr=lr)

    @fast.replay
    def training_step(x, *target):
        loss = loss_of(model(x), *target)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    losses = []
    for step, batch in enumerate(batches):
        opt.lr = lr * (1 - step / len(batches))
        losses.append(training_step(*batch).item())
    return losses


def loss_of_names(logits, y, m):
    return loss_of(sg.log_softmax(logits), y, m)


def batches_of_names(steps):
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(train_names), size=(steps, 64))
    return [(ONE_HOT[i_train[rows]], y_train[rows], m_train[rows]) for rows in drawn]


sg.manual_seed(0)
model = LanguageModel(nn.RNN)
train(model, batches_of_names(600), loss_of_names, lr=5e-3)
with sg.no_grad():
    log_P = sg.log_softmax(model(ONE_HOT[i_test])).numpy()
rnn_loss = loss_of(log_P, y_test, m_test)
print(f"the bigram model         {bigram_loss:.2f} nats per token")
print(f"the recurrent network    {rnn_loss:.2f}")
assert rnn_loss < bigram_loss - 0.1

# %% [markdown]
# What has it learned that the bigram model cannot know? Look at the loss by place. After the dot, both
# know the same. From then on the network knows the place, and the letters before.

# %% alt="Mean loss against the place in the name, for the bigram model and the recurrent network. At place 1 the two are equal, and after it the network is below the bigram model. The gap is widest at the end of long names." jupyter={"source_hidden": true}
row, place = np.indices(y_test.shape)
by_place = {}
for label, log_p in (
    ("bigram", np.log(P)[i_test, y_test]),
    ("recurrent network", log_P[row, place, y_test]),
):
    by_place[label] = -(m_test * log_p).sum(axis=0)[:9] / m_test.sum(axis=0)[:9]

figure, axes = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
for (label, losses), style in zip(by_place.items(), ("C0o-", "C1s--"), strict=True):
    axes.plot(np.arange(1, 10), losses, style, markersize=4, label=label)
axes.set(xlabel="place t", ylabel="loss (nats per token)", ylim=(0, None))
axes.legend()
plt.show()
assert abs(by_place["bigram"][0] - by_place["recurrent network"][0]) < 0.15
assert (by_place["recurrent network"][1:] < by_place["bigram"][1:]).all()

# %% [markdown]
# ## The gradient goes back through time
#
# Names are short. What if the network must remember for longer? A task that asks for nothing else: the
# dot, then 30 letters, each drawn at random from eight. After the last, the network is to name the first
# letter.

# %%
EIGHT = np.eye(9, dtype=np.float32)  # the dot is the ninth token


def draw(rng, count=64, length=31):
    """Inputs of shape (count, length, 9), and the first letter of each."""
    tokens = rng.integers(8, size=(count, length))
    tokens[:, 0] = 8
    return EIGHT[tokens], tokens[:, 1]


def states_of(cell, x):
    """The states of all steps, in a list."""
    h, states = None, []
    for t in range(x.shape[1]):
        h = cell(x[:, t], h)
        states.append(h)
    return states


sg.manual_seed(0)
cell, logits = nn.RNNCell(9, 32), nn.Linear(32, 8)
x, y = draw(np.random.default_rng(0))
h = states_of(cell, x)
loss = sg.cross_entropy(logits(h[-1]), y)
print(f"{len(h)} states of shape {h[0].shape}, loss {loss.item():.2f}, log 8 = {np.log(8):.2f}")

# %% [markdown]
# The loss sees the last state only. The first letter sits in state 2, counted from 1. To learn to keep
# it, the gradient has to come from the last state all the way back to that one. The chain rule takes it
# from each state to the one before:
#
# $$dh_{t-1} = (dh_t \odot (1 - h_t^2)) \, W_h^\top$$
#
# Here $\odot$ is the product of elements, and $1 - h_t^2$ is the derivative of the tanh. This is what
# `backward()` does with the graph of 31 steps, and its old name is **backpropagation through time**
# (Werbos, 1990). `sg.grad` gives the gradient by every state at once, to compare with.

# %%
dh = [gradient.numpy() for gradient in sg.grad(loss, h)]
W_h = cell.weight_hh.numpy()
for t in range(1, len(h)):
    h_t, dh_t = h[t].numpy(), dh[t]
    dh_before = (dh_t * (1 - h_t**2)) @ W_h.T
    assert np.allclose(dh_before, dh[t - 1], rtol=1e-3, atol=1e-5 * np.abs(dh[t - 1]).max())

norms = np.array([np.linalg.norm(dh_t) for dh_t in dh])
for distance in (0, 10, 20, 29):
    print(f"{distance:2} steps back: length of the gradient {norms[-1 - distance]:.0e}")
assert norms[1] < 1e-6 * norms[-1]

# %% [markdown]
# By the state of the first letter, the gradient is more than a million times shorter than by the last
# state. That is the **vanishing gradient** (Bengio, Simard and Frasconi, 1994). On its way it was
# multiplied by 29 matrices. For one sequence, each of them holds the derivatives of every element of $h_t$
# by every element of $h_{t-1}$, a row for each element of $h_t$:
#
# $$J_t = \operatorname{diag}(1 - h_t^2) \, W_h^\top$$
#
# The **largest singular value** $\sigma_t$ of $J_t$ is the largest factor by which it can stretch a
# vector, so no step stretches the gradient by more:
#
# $$\lVert dh_{t-1} \rVert \le \sigma_t \, \lVert dh_t \rVert$$

# %%
sigmas, factors = [], []
for t in range(2, len(h)):
    h_t, dh_t = h[t].numpy()[0], dh[t][0]  # of the first sequence
    J_t = np.diag(1 - h_t**2) @ W_h.T
    dh_before = dh[t - 1][0]
    sigma_t = np.linalg.norm(J_t, ord=2)
    assert np.allclose(dh_t @ J_t, dh_before, rtol=1e-3, atol=1e-5 * np.abs(dh_before).max())
    assert np.linalg.norm(dh_before) <= 1.001 * sigma_t * np.linalg.norm(dh_t)
    sigmas.append(sigma_t)
    factors.append(np.linalg.norm(dh_before) / np.linalg.norm(dh_t))

print(f"largest singular values from {min(sigmas):.2f} to {max(sigmas):.2f}")
print(f"the gradient becomes {np.exp(np.mean(np.log(factors))):.2f} times as long in a step")
assert 0.4 < np.exp(np.mean(np.log(factors))) < 0.7

# %% [markdown]
# If all $\sigma_t$ stay below some number that is below 1, the gradient vanishes exponentially. Here they
# are near 1, but the bound is seldom reached: a gradient would have to lie in the one direction that a
# step stretches most, again and again.
#
# With larger weights the same product can grow. An **exploding gradient** makes one huge step, and the
# cure is the clipping of [Training well](training.ipynb), which was proposed for recurrent networks (Pascanu,
# Mikolov and Bengio, 2013).

# %%
sg.manual_seed(0)
growing = nn.RNNCell(9, 32, bias=False)
nn.init.orthogonal_(growing.weight_hh)
growing.weight_hh.data = 1.5 * growing.weight_hh.data  # all singular values are 1.5
small = 0.001 * draw(np.random.default_rng(0))[0][:, :11]  # where the tanh is steep
h = states_of(growing, small)
L = (h[-1] ** 2).sum()
first, last = (np.linalg.norm(dh_t.numpy()) for dh_t in sg.grad(L, [h[0], h[-1]]))
print(f"10 steps back, the gradient is {first / last:.0f} times as long, 1.5^10 = {1.5**10:.0f}")
assert np.isclose(first / last, 1.5**10, rtol=0.1)

L.backward()
before = nn.clip_grad_norm(growing, max_norm=0.001)
after = np.sqrt(sum((theta.grad**2).sum() for theta in growing.parameters().values()))
print(f"length of the gradient of the weights: {before:.4f}, clipped {after:.4f}")
assert np.isclose(after, 0.001)

# %% [markdown]
# ## What it does not learn
#
# Clipping does not help against vanishing. Give the network 600 batches of the task:


# %%
class Reader(nn.Module):
    """Reads a sequence, and makes logits of the last state."""

    def __init__(self, layer, hidden=32):
        self.states = layer(9, hidden, batch_first=True)
        self.logits = nn.Linear(hidden, 8)

    def forward(self, x):
        h, _ = self.states(x)
        return self.logits(h[:, -1])


def batches_of_task(seed=0, steps=600):
    rng = np.random.default_rng(seed)
    return [draw(rng) for _ in range(steps)]


sg.manual_seed(0)
losses = {"RNN": train(Reader(nn.RNN), batches_of_task(), sg.cross_entropy, lr=5e-3)}
print(f"mean loss of the last 50 steps {np.mean(losses['RNN'][-50:]):.2f}, log 8 = {np.log(8):.2f}")
assert np.mean(losses["RNN"][-50:]) > 2.0

# %% [markdown]
# It has learned nothing: $\log 8$ is the loss of a guess among eight letters. The gradient by
# the first letter is there, but beside those by the later ones it does not count. Other first weights help,
# though not with every seed (exercise 4). Another kind of step helps more.
#
# ## Gates
#
# The state is overwritten at every step, and that is the trouble. The **gated recurrent unit**, or GRU (Cho
# et al., 2014), decides for each element of the state whether to overwrite it. A **gate** is a vector of
# numbers between 0 and 1, made by a sigmoid, that multiplies something. The **reset gate** $r_t$ says how
# much of the old state goes into the **candidate** $n_t$, a proposal for the new state. The **update gate**
# $z_t$ says how much of the old state stays. These are the equations of `nn.GRUCell`, in
# PyTorch's form:
#
# $$r_t = \sigma(x_t W_{ir} + b_{ir} + h_{t-1} W_{hr} + b_{hr})$$
# $$z_t = \sigma(x_t W_{iz} + b_{iz} + h_{t-1} W_{hz} + b_{hz})$$
# $$n_t = \tanh(x_t W_{in} + b_{in} + r_t \odot (h_{t-1} W_{hn} + b_{hn}))$$
# $$h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$
#
# ($\sigma$ without an index is the sigmoid.) The library keeps the three $W_i$ side by side in one matrix,
# and so the three $W_h$ and the biases, which makes one product of three. So does the code by hand.


# %%
def gru_step(x_t, h, W_i, b_i, W_h, b_h):
    x_r, x_z, x_n = sg.split(x_t @ W_i + b_i, 3, axis=-1)
    h_r, h_z, h_n = sg.split(h @ W_h + b_h, 3, axis=-1)
    r_t = sg.sigmoid(x_r + h_r)
    z_t = sg.sigmoid(x_z + h_z)
    n_t = sg.tanh(x_n + r_t * h_n)
    h_t = (1 - z_t) * n_t + z_t * h
    return h_t


sg.manual_seed(0)
cell = nn.GRUCell(9, 32)
W_i, b_i, W_h, b_h = cell.weight_ih, cell.bias_ih, cell.weight_hh, cell.bias_hh
h_t = sg.zeros((64, 32))
for t, of_library in enumerate(states_of(cell, x)):
    h_t = gru_step(x[:, t], h_t, W_i, b_i, W_h, b_h)
    assert h_t.numpy().tobytes() == of_library.numpy().tobytes()
print(f"{len(x[0])} steps by hand and by nn.GRUCell: equal to the last bit")

# %% [markdown]
# Read the last equation backwards. A part of $dh_t$ goes straight to $h_{t-1}$, multiplied by $z_t$ and by
# nothing else: neither by a matrix nor by the derivative of a tanh. Where $z_t$ stays near 1, the gradient
# passes. With the first weights, $z_t$ is near $1/2$, which is no better than before. But $z_t$ has a bias:
# let $b_{iz}$ start at a number $b$, and along this path alone the gradient shrinks in $k$ steps by about
#
# $$f = \sigma(b)^k$$

# %%
HIDDEN = 32


def with_open_gates(cell, b):
    """The same cell, with b as the first bias of its update gates."""
    bias = cell.bias_ih.numpy()
    bias[HIDDEN : 2 * HIDDEN] = b  # the second of three parts
    cell.bias_ih.data = bias
    return cell


lengths = {"RNN": norms}
k = 29
for b in (0, 1, 3):
    sg.manual_seed(0)
    cell = with_open_gates(nn.GRUCell(9, HIDDEN), b)
    h = states_of(cell, x)
    dh = sg.grad(sg.cross_entropy(logits(h[-1]), y), h)
    lengths[f"GRU, b = {b}"] = norms_b = np.array([np.linalg.norm(dh_t.numpy()) for dh_t in dh])
    f = sg.sigmoid(float(b)).item() ** k
    print(f"b = {b}: {k} steps back {norms_b[-1 - k] / norms_b[-1]:.0e}, sigma(b)^k = {f:.0e}")
assert 0.7 * f < norms_b[-1 - k] / norms_b[-1] < 1.5 * f  # of the last b, 3

# %% [markdown]
# With $b = 3$ the update gates alone say how far the gradient reaches. For smaller $b$, the other paths,
# through $n_t$ and the gates, add to it. Now the same task, with the same batches:


# %%
def gru(*sizes, **options):
    """A GRU whose update gates start near 1."""
    layer = nn.GRU(*sizes, **options)
    with_open_gates(layer.cells[0], 3)
    return layer


sg.manual_seed(0)
losses["GRU"] = train(Reader(gru), batches_of_task(), sg.cross_entropy, lr=5e-3)
print(f"mean loss of the last 50 steps: {np.mean(losses['GRU'][-50:]):.3f}")
assert np.mean(losses["GRU"][-50:]) < 0.1

# %% [markdown]
# And the names? They are short, so there is less to gain. With one seed each, the loss of the GRU is a little
# lower, and it has three times as many weights in its cell.

# %%
sg.manual_seed(0)
model = LanguageModel(nn.GRU)
train(model, batches_of_names(600), loss_of_names, lr=5e-3)
with sg.no_grad():
    gru_loss = loss_of_names(model(ONE_HOT[i_test]), y_test, m_test).item()
print(f"bigram {bigram_loss:.2f}, RNN {rnn_loss:.2f}, GRU {gru_loss:.2f} nats per token")
assert gru_loss < rnn_loss

# %% [markdown]
# ## A look back
#
# A gate keeps a path of 29 steps open. **Attention** (Bahdanau, Cho and Bengio, 2015) makes
# the path short: at the end, look back at all states at once. A vector $q$ says what is looked for, here
# made of the last state by a matrix that is learned. Each state gets a **score**, its product with $q$. The
# softmax makes weights of the scores, positive and with the sum 1, and the result is the mean of the
# states with these weights.
#
# $$q = h_T W_q$$
# $$e_s = q \cdot h_s$$
# $$a_s = \frac{e^{e_s}}{\sum_r e^{e_r}}$$
# $$c = \sum_s a_s h_s$$


# %%
class LookBack(Reader):
    """Reads a sequence, and makes logits of a weighted mean of all states."""

    def __init__(self, layer, hidden=32):
        super().__init__(layer, hidden)
        self.W_q = nn.Linear(hidden, hidden, bias=False)

    def weights(self, h):
        q = self.W_q(h[:, -1:])  # of shape (count, 1, hidden)
        e = (q * h).sum(axis=-1)
        return sg.softmax(e)

    def forward(self, x):
        h, _ = self.states(x)
        a = self.weights(h)
        c = (a.reshape(*a.shape, 1) * h).sum(axis=1)
        return self.logits(c)


sg.manual_seed(0)
model = LookBack(nn.RNN)
h = model.states(x)[0].numpy()[0]  # of the first sequence
q = h[-1] @ model.W_q.weight.numpy()
e = h @ q
a = np.exp(e) / np.exp(e).sum()
c = a @ h
assert np.allclose(a, model.weights(model.states(x)[0]).numpy()[0], atol=1e-6)
assert np.allclose(model.logits(c).numpy(), model(x).numpy()[0], atol=1e-5)
print(f"{len(a)} weights from {a.min():.3f} to {a.max():.3f}, with the sum {a.sum():.3f}")

# %% [markdown]
# There is now a path of one step from the loss to each state. Before any training all weights are about
# $1/31$, and no state is further away than another. How long is the gradient by each of them?

# %%
h = states_of(model.states.cells[0], x)
stacked = sg.stack(h, axis=1)
a = model.weights(stacked)
c = (a.reshape(*a.shape, 1) * stacked).sum(axis=1)
dh = sg.grad(sg.cross_entropy(model.logits(c), y), h)
lengths["RNN, attention"] = flat = np.array([np.linalg.norm(dh_t.numpy()) for dh_t in dh])
print(f"shortest gradient {flat.min():.1e}, longest {flat.max():.1e}")
assert flat.max() < 1.5 * flat.min()

# %% alt="Length of the gradient by a state against the distance of the state from the end, on a logarithmic scale. For the RNN it falls almost on a straight line over more than seven powers of ten in 30 steps. For the GRU it falls less, the larger its bias b, and with b = 3 it hardly falls. With attention it is flat." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 3.3), layout="constrained")
styles = ("C0o-", "C1s--", "C2^-.", "C3v:", "C4D-")
for (label, values), style in zip(lengths.items(), styles, strict=True):
    axes.plot(np.arange(len(values)), values[::-1], style, markersize=3, label=label)
axes.set(xlabel="steps back from the end", ylabel="length of the gradient", yscale="log")
axes.legend(fontsize=9)
plt.show()

# %% [markdown]
# The gradient is short, since it is dealt out to 31 states, but it is about as long for the first as for the
# last. And the network that did not learn the task learns it now. The mean weights show where it looks: at
# state 2, that of the first letter.

# %%
losses["RNN, attention"] = train(model, batches_of_task(), sg.cross_entropy, lr=5e-3)

x_new, y_new = draw(np.random.default_rng(1), count=1000)
with sg.no_grad():
    a = model.weights(model.states(x_new)[0]).numpy()
    accuracy = (model(x_new).numpy().argmax(axis=1) == y_new).mean()
print(f"{accuracy:.1%} right, mean weights of states 1 to 4: {a.mean(axis=0)[:4].round(2)}")
assert accuracy > 0.97
assert a.mean(axis=0)[1:4].sum() > 0.5

# %% alt="Loss against the step for three networks. The RNN stays at log 8. The loss of the RNN with attention falls to 0 within about 100 steps, and that of the GRU within about 250." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
for (label, values), style in zip(losses.items(), ("C0-", "C1--", "C2-."), strict=True):
    axes.plot(np.arange(5, 600, 10), np.reshape(values, (-1, 10)).mean(axis=1), style, label=label)
axes.axhline(np.log(8), color="C7", linestyle=":", linewidth=1)
axes.text(600, np.log(8) + 0.08, "log 8", ha="right")
axes.set(xlabel="step", ylabel="loss (nats), mean of 10 steps", ylim=(0, 2.4))
axes.legend(loc="center right")
plt.show()

# %% [markdown]
# Attention takes fewer steps than the GRU. One seed says little, so here are three. Say that a network has
# learned the task when the mean of 20 losses is below 0.1.

# %% jupyter={"source_hidden": true} tags=["not-in-the-page"]
for seed in (0, 1, 2):
    needed = {}
    for name, make in (("GRU", lambda: Reader(gru)), ("RNN, attention", lambda: LookBack(nn.RNN))):
        sg.manual_seed(seed)
        of_seed = train(make(), batches_of_task(seed), sg.cross_entropy, lr=5e-3)
        means = np.convolve(of_seed, np.ones(20) / 20, mode="valid")
        needed[name] = int(np.argmax(means < 0.1)) + 20
        assert (means < 0.1).any()
    print(f"seed {seed}, steps needed: {needed}")
    assert needed["RNN, attention"] < needed["GRU"]

# %% [markdown]
# Attention has its price: all states are kept, and each look takes a product with every one of them.
# But once you can look back, why keep the recurrence? Let every place look back, and leave it out. Then
# nothing has to be computed step by step. That is the transformer, which you build in
# [A tiny GPT](tiny_gpt.ipynb).

# %% [markdown]
# ## Exercises
#
# The longer exercise `gru` in `tutorials/exercises/` comes with a check that says which equation is
# wrong: `python -m simplegrad.exercises check gru`.
#
# **1.** The matrix $W_h$ is used at every step, so its gradient is a sum over the steps. Write it with the
# states and their gradients, and compare it with `sg.grad`. Then leave out all steps but the last five: by
# how much does the sum change? This is what **truncated** backpropagation through time leaves out.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
sg.manual_seed(0)
cell = nn.RNNCell(9, 32)
h = states_of(cell, x)
dW_h, *dh = sg.grad(sg.cross_entropy(logits(h[-1]), y), [cell.weight_hh, *h])
terms = []
for t in range(1, len(h)):
    h_before, h_t, dh_t = h[t - 1].numpy(), h[t].numpy(), dh[t].numpy()
    terms.append(h_before.T @ (dh_t * (1 - h_t**2)))
assert np.allclose(sum(terms), dW_h.numpy(), atol=1e-6)

left_out = np.linalg.norm(sum(terms[:-5])) / np.linalg.norm(sum(terms))
print(f"the last five steps are all but {left_out:.0%} of the sum")
assert left_out < 0.2

# %% [markdown]
# **2.** Is it the look that helps, or is it enough that every state reaches the loss? Write `Mean`, in which
# all weights are $1/31$, and train it on the task as the others were. Compare.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2


class Mean(Reader):
    def forward(self, x):
        h, _ = self.states(x)
        return self.logits(h.mean(axis=1))


sg.manual_seed(0)
of_mean = train(Mean(nn.RNN), batches_of_task(), sg.cross_entropy, lr=5e-3)
print(f"mean {np.mean(of_mean[-50:]):.2f}, attention {np.mean(losses['RNN, attention'][-50:]):.3f}")
assert np.mean(of_mean[-50:]) > np.mean(losses["RNN, attention"][-50:]) + 0.1

# %% [markdown]
# **3.** The LSTM (Hochreiter and Schmidhuber, 1997), with its forget gate (Gers, Schmidhuber and Cummins,
# 2000), has a second state, $c_t = f_t \odot c_{t-1} + i_t \odot g_t$, and $f_t$ is a gate. Let the biases
# of $f_t$, the second of four parts of `bias_ih`, start at 3. How long is the gradient by $c_t$, 29 steps
# back from the end, beside that of the GRU?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
sg.manual_seed(0)
cell = with_open_gates(nn.LSTMCell(9, HIDDEN), 3)
state, memories = None, []
for t in range(x.shape[1]):
    state = cell(x[:, t], state)
    memories.append(state[1])
dc = sg.grad(sg.cross_entropy(logits(state[0]), y), memories)
ratio = np.linalg.norm(dc[1].numpy()) / np.linalg.norm(dc[-1].numpy())
of_gru = lengths["GRU, b = 3"]
print(f"LSTM {ratio:.2f}, GRU {of_gru[1] / of_gru[-1]:.2f}")
assert ratio > 0.1

# %% [markdown]
# **4.** Start with another $W_h$: an orthogonal matrix, whose singular values are all 1, as
# `nn.init.orthogonal_` makes it. How long is the gradient by state 2 now, beside that by the last state? Does
# the RNN learn the task? Try three seeds.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 4
lowest = []
for seed in (0, 1, 2):
    sg.manual_seed(seed)
    orthogonal = Reader(nn.RNN)
    (cell,) = orthogonal.states.cells
    nn.init.orthogonal_(cell.weight_hh)
    h = states_of(cell, x)
    dh = sg.grad(sg.cross_entropy(orthogonal.logits(h[-1]), y), h)
    ratio = np.linalg.norm(dh[1].numpy()) / np.linalg.norm(dh[-1].numpy())
    of_seed = train(orthogonal, batches_of_task(seed), sg.cross_entropy, lr=5e-3)
    lowest.append(np.mean(of_seed[-50:]))
    print(f"seed {seed}: gradient {ratio:.0e} times as long, loss {lowest[-1]:.2f}")
    assert ratio > 1e-4
# The tanh still shrinks the gradient, but by far less, and some seeds learn.
assert min(lowest) < 1

# %% [markdown]
# ## Read on
#
# - Elman (1990), "Finding Structure in Time": the recurrent network, on letters and words.
# - Bengio, Simard and Frasconi (1994), "Learning Long-Term Dependencies with Gradient Descent is Difficult",
#   and Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks".
# - Bahdanau, Cho and Bengio (2015), "Neural Machine Translation by Jointly Learning to Align and
#   Translate": attention, where it began.
