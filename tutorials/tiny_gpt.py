# %% [markdown]
# # A tiny GPT
#
# A language model gives a probability to each token that may come next. A GPT (Radford et al., 2018) is a
# language model built from attention, without a recurrent network. You build a small one here, equation by
# equation. It reads first names letter by letter, and it learns to make up new ones.
#
# - **You will be able to** write causal self-attention and the rest of a transformer as modules of a
#   few lines, train it, judge it against a baseline, and draw samples from it.
# - **Read before:** [Modules](modules.ipynb) and [Sequences](sequences.ipynb).

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
from simplegrad import fast, nn

# %% [markdown]
# ## The data
#
# All of it is as in [Sequences](sequences.ipynb): 5,163 first names, from the census of the United States
# in 1990 (`simplegrad/datasets/NAMES.md` states the source), of which 500 are held out. A token is a letter
# or the dot, one of 27, and a number: its place in the alphabet, where the dot is 0. The input `x` is a name
# with a dot before it, and the target `y` is the name with a dot after it. All rows have $T = 12$ places,
# and the mask `m` is 1 where a place counts.

# %% jupyter={"source_hidden": true}
names = sg.datasets.load_names()
order = np.random.default_rng(0).permutation(len(names))
test_names = [names[i] for i in order[:500]]
train_names = [names[i] for i in order[500:]]
assert len(names) == 5163

ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
T = 12


def encode(names):
    """Inputs x, targets y and mask m, all of shape (names, T)."""
    tokens = np.zeros((len(names), T + 1), dtype=np.int64)
    for row, name in zip(tokens, names, strict=True):
        row[1 : len(name) + 1] = [ALPHABET.index(letter) for letter in name]
    lengths = np.array([[len(name)] for name in names])
    m = (np.arange(T) <= lengths).astype(np.float32)
    return tokens[:, :-1], tokens[:, 1:], m


def decode(tokens):
    """The letters up to the first dot."""
    return "".join(ALPHABET[token] for token in tokens).split(".")[0]


x, y, m = encode(["emma"])
print("x", *[f"{ALPHABET[token]:>2}" for token in x[0]])
print("y", *[f"{ALPHABET[token]:>2}" for token in y[0]])
print("m", *[f"{m_t:2.0f}" for m_t in m[0]])

x_train, y_train, m_train = encode(train_names)
x_test, y_test, m_test = encode(test_names)
assert [decode(row) for row in y_test] == test_names

# %% [markdown]
# From a name of four letters the model learns five times: after the dot comes `e`, after `e` comes `m`,
# and so on, and after the last `a` comes the dot.
#
# The loss is again the mean of $-\log p$ over the characters that count, in nats, and the baseline is the
# bigram model. It looks at one character, and a transformer looks at all that came before.

# %% jupyter={"source_hidden": true}
N = np.zeros((27, 27))
np.add.at(N, (x_train[m_train == 1], y_train[m_train == 1]), 1)
P = (N + 1) / (N + 1).sum(axis=1, keepdims=True)


def loss_of(log_P, y, m):
    """The mean of -log p: log_P of shape (names, T, 27), y and m of shape (names, T)."""
    row, place = np.indices(y.shape)
    log_p = log_P[row, place, y]
    n = m.sum()
    return -(m * log_p).sum() / n


bigram_loss = loss_of(np.log(P)[x_test], y_test, m_test)
print(f"all tokens equally likely  {np.log(27):.3f} nats per character")
print(f"the bigram model           {bigram_loss:.3f}")


# %% [markdown]
# ## Embeddings
#
# Each token becomes a vector of $C$ numbers, its embedding, a row of a table $W$ that is learned. That is
# the product of its one-hot vector with $W$, without the many products with 0.
# Attention, as you will see, does not know the order of what it looks at. So each place gets a vector as
# well, a row of a second table $R$, and both are added. For the token $i_t$ at place $t$:
#
# $$h_t = W_{i_t} + R_t$$


# %%
class Embed(nn.Module):
    def __init__(self, C):
        self.token = nn.Embedding(27, C)
        self.place = nn.Embedding(T, C)

    def forward(self, i):
        t = np.arange(i.shape[1])
        return self.token(i) + self.place(t)


sg.manual_seed(0)
embed = Embed(4)
h = embed(x)
print("tokens", x.shape, "become vectors", h.shape)

W, R = embed.token.weight.numpy(), embed.place.weight.numpy()
for t in range(T):
    h_t = W[x[0, t]] + R[t]
    assert np.allclose(h_t, h.numpy()[0, t])

# %% [markdown]
# ## Attention
#
# In [Sequences](sequences.ipynb), the last step looked back at all states, once. Now every place looks, and
# what it looks at has two parts. Every place has three vectors: a **query** $q$ that says what it looks for,
# as before, a **key** $k$ that says what it has, and a **value** $v$ that it hands over; before, the state
# was both of these. The larger the score $q_t \cdot k_s$, the more place $t$ takes of $v_s$. The scores
# are divided by $\sqrt{d_k}$ (exercise 2 asks why), and for each $t$ the softmax makes weights of them. With
# the vectors as rows of $Q$, $K$ and $V$, of $d_k$ numbers each, this is equation 1 of Vaswani et al. (2017):
#
# $$\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$

# %%
Q = np.array([[2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
K = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
V = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
d_k = 2

S = Q @ K.T / np.sqrt(d_k)
A = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
attention = A @ V

print("weights")
print(A.round(2))
print("results")
print(attention.round(2))
S = sg.Tensor(Q) @ sg.Tensor(K).T / d_k**0.5
assert np.allclose(attention, (sg.softmax(S) @ V).numpy())

# %% [markdown]
# Row 0 of the weights belongs to the query (2, 0). It is most like the key (2, 0), so most of what it
# takes is the value (1, 0).
#
# ## No look ahead
#
# A model that predicts the next character must not see it. So place $t$ may look at places $s \le t$
# only, which is called causal attention. For the others the product is replaced by $-\infty$, of which the
# softmax makes the weight 0:
#
# $$S_{ts} = \begin{cases} q_t \cdot k_s / \sqrt{d_k} & \text{if } s \le t \\ -\infty & \text{if } s > t \end{cases}$$


# %%
def weights_of(Q, K):
    """Attention weights of shape (names, places, places): row t is what t takes from s <= t."""
    places, d_k = K.shape[-2:]
    S = Q @ K.transpose(0, 2, 1) / d_k**0.5
    may_look = np.tril(np.ones((places, places), dtype=bool))
    S = sg.where(may_look, S, -np.inf)
    return sg.softmax(S)


q = sg.Tensor(Q[None], requires_grad=True)  # a batch of one name
k = sg.Tensor(K[None], requires_grad=True)
v = sg.Tensor(V[None], requires_grad=True)
A = weights_of(q, k)
print(A.numpy()[0].round(2))

for t in range(3):
    S_t = Q[t] @ K[: t + 1].T / np.sqrt(d_k)
    A_t = np.exp(S_t) / np.exp(S_t).sum()
    assert np.allclose(A.numpy()[0, t, : t + 1], A_t)
    assert (A.numpy()[0, t, t + 1 :] == 0).all()

# %% [markdown]
# Each row is the softmax of what is left. In the backward pass, an infinity could turn into NaN. Here it
# cannot: the partial of the softmax multiplies by the weight, which is 0, and `sg.where` passes no
# gradient to what it has replaced. The result at place 1 depends on the values 0 and 1, and not on
# value 2:

# %%
attention = A @ v
attention[0, 1].sum().backward()
print(v.grad[0].round(2))

assert (v.grad[0, 2] == 0).all()
assert all(np.isfinite(each.grad).all() for each in (q, k, v))

# %% [markdown]
# ## Heads
#
# Where do queries, keys and values come from? From the vectors $h$, by three learned matrices. That is
# one **head**. A head has one set of weights for each place, so there are several heads, each with its
# own matrices and with fewer numbers. Their results are put side by side and mixed by a last matrix
# (section 3.2.2 of the paper). Each head has the same mask as before.
#
# $$\operatorname{head}_i = \operatorname{Attention}(h W^Q_i, h W^K_i, h W^V_i)$$
# $$\operatorname{MultiHead}(h) = [\operatorname{head}_1, \ldots, \operatorname{head}_H] \, W^O$$


# %%
class Head(nn.Module):
    def __init__(self, C, d_k):
        self.query = nn.Linear(C, d_k, bias=False)
        self.key = nn.Linear(C, d_k, bias=False)
        self.value = nn.Linear(C, d_k, bias=False)

    def weights(self, h):
        return weights_of(self.query(h), self.key(h))

    def forward(self, h):
        return self.weights(h) @ self.value(h)


class MultiHead(nn.Module):
    def __init__(self, C, H):
        self.heads = [Head(C, C // H) for _ in range(H)]
        self.mix = nn.Linear(C, C, bias=False)

    def forward(self, h):
        results = [head(h) for head in self.heads]
        return self.mix(sg.concatenate(results, axis=-1))


multi_head = MultiHead(C=4, H=2)
heads = sg.concatenate([head(h) for head in multi_head.heads], axis=-1).numpy()
W_O = multi_head.mix.weight.numpy()
assert np.allclose(heads @ W_O, multi_head(h).numpy(), atol=1e-6)

# %% jupyter={"source_hidden": true}
heads = []
for head in multi_head.heads:
    W_Q, W_K, W_V = (W.numpy() for W in head.parameters().values())
    h_0 = h.numpy()[0]
    S = (h_0 @ W_Q) @ (h_0 @ W_K).T / np.sqrt(2)
    S[np.triu_indices(T, 1)] = -np.inf
    A = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    heads.append(A @ (h_0 @ W_V))
result = np.concatenate(heads, axis=1) @ W_O

assert np.allclose(result, multi_head(h).numpy()[0], atol=1e-6)

# %% [markdown]
# Now you know what is inside `nn.MultiHeadAttention`, and you can use it. It computes the same with
# fewer products, because the matrices of all heads stand side by side in one. The columns of the product
# $h W^Q$ are then dealt out to the heads.
#
# $$W^Q = [W^Q_1, \ldots, W^Q_H]$$
# $$W^K = [W^K_1, \ldots, W^K_H]$$
# $$W^V = [W^V_1, \ldots, W^V_H]$$
#
# It is called with what the queries, the keys and the values are made of. Here all three are made of $h$,
# which is called **self-attention**. With the weights of your heads, it gives your result:

# %%
attention = nn.MultiHeadAttention(4, num_heads=2, bias=False)
W_Q = np.concatenate([head.query.weight.numpy() for head in multi_head.heads], axis=1)
W_K = np.concatenate([head.key.weight.numpy() for head in multi_head.heads], axis=1)
W_V = np.concatenate([head.value.weight.numpy() for head in multi_head.heads], axis=1)
attention.q_proj.weight.data = W_Q
attention.k_proj.weight.data = W_K
attention.v_proj.weight.data = W_V
attention.out_proj.weight.data = W_O

result = attention(h, h, h, is_causal=True)
A = attention.weights(h, h, is_causal=True)
print("names, heads, places that look, places looked at:", A.shape)
assert np.allclose(result.numpy(), multi_head(h).numpy(), atol=1e-6)
for i, head in enumerate(multi_head.heads):
    assert np.allclose(A.numpy()[:, i], head.weights(h).numpy(), atol=1e-6)

# %% [markdown]
# ## Layer norm
#
# **Layer norm** (Ba, Kiros and Hinton, 2016), known from [Training well](training.ipynb), brings each vector
# to mean 0 and variance 1, and then scales and moves it by a learned gain $g$ and bias $b$:
#
# $$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \, g + b$$

# %%
norm = nn.LayerNorm(4)

x = h.numpy()[0]
mu = x.mean(axis=-1, keepdims=True)
sigma_2 = x.var(axis=-1, keepdims=True)
g, b, eps = norm.weight.numpy(), norm.bias.numpy(), norm.eps
y = (x - mu) / np.sqrt(sigma_2 + eps) * g + b

print("place 0 before", x[0].round(2), " after", y[0].round(2))
assert np.allclose(y, norm(h).numpy()[0], atol=1e-6)
assert np.allclose(y.mean(axis=-1), 0, atol=1e-6)
assert np.allclose(y.var(axis=-1), 1, atol=1e-3)

# %% [markdown]
# ## What each place does by itself
#
# Attention moves information between places. Then each place works on its own vector, with a network of
# one hidden layer, a **multilayer perceptron**. The hidden layer is four times as wide. Its activation is
# the GELU, a smooth relative of the ReLU, here in the tanh form of Hendrycks and Gimpel (2016):
#
# $$\operatorname{GELU}(a) = \tfrac{1}{2} a \left(1 + \tanh\left(\sqrt{2 / \pi} \, (a + 0.044715 \, a^3)\right)\right)$$
# $$\operatorname{MLP}(h) = \operatorname{GELU}(h W_1 + b_1) \, W_2 + b_2$$


# %%
class MLP(nn.Module):
    def __init__(self, C):
        self.widen = nn.Linear(C, 4 * C)
        self.narrow = nn.Linear(4 * C, C)

    def forward(self, h):
        return self.narrow(sg.gelu(self.widen(h)))


mlp = MLP(4)

W_1, b_1, W_2, b_2 = (each.numpy() for each in mlp.parameters().values())
a = h.numpy()[0] @ W_1 + b_1
gelu = 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))
result = gelu @ W_2 + b_2

assert np.allclose(gelu, sg.gelu(a).numpy(), atol=1e-6)
assert np.allclose(result, mlp(h).numpy()[0], atol=1e-6)

# %% [markdown]
# ## A block
#
# A block is attention followed by the perceptron. Both are residual (He et al., 2016): they compute
# what is added to $h$, so that $h$ itself, and its gradient, can pass a block unchanged. The layer norm
# stands before each of them, as in GPT-2 (Radford et al., 2019), and not behind the sum, as in Vaswani et
# al. (2017). Xiong et al. (2020) found that with the norm in this place, the learning rate needs no
# warm-up.
#
# $$u = h + \operatorname{MultiHead}(\operatorname{LayerNorm}_1(h))$$
# $$y = u + \operatorname{MLP}(\operatorname{LayerNorm}_2(u))$$


# %%
class Block(nn.Module):
    def __init__(self, C, H):
        self.norm_1 = nn.LayerNorm(C)
        self.attention = nn.MultiHeadAttention(C, H, bias=False)
        self.norm_2 = nn.LayerNorm(C)
        self.mlp = MLP(C)

    def forward(self, h):
        normed = self.norm_1(h)
        u = h + self.attention(normed, normed, normed, is_causal=True)
        return u + self.mlp(self.norm_2(u))


block = Block(C=4, H=2)
normed = block.norm_1(h)
u = h.numpy() + block.attention(normed, normed, normed, is_causal=True).numpy()
y = u + block.mlp(block.norm_2(u)).numpy()
assert np.allclose(y, block(h).numpy(), atol=1e-6)


# %% [markdown]
# ## The model
#
# The whole model: embeddings, blocks, a last layer norm, and a matrix that makes a logit for each token
# that may come next.


# %%
class GPT(nn.Module):
    def __init__(self, C, H, blocks):
        self.embed = Embed(C)
        self.blocks = [Block(C, H) for _ in range(blocks)]
        self.norm = nn.LayerNorm(C)
        self.logits = nn.Linear(C, 27, bias=False)

    def forward(self, i):
        h = self.embed(i)
        for block in self.blocks:
            h = block(h)
        return self.logits(self.norm(h))


sg.manual_seed(0)
model = GPT(C=48, H=4, blocks=2)
print(model(x_test[:10]).shape, "logits for 10 names")

# %% [markdown]
# How many parameters is that? In each of the $B$ blocks, attention has $4 C^2$ and the perceptron
# $8 C^2 + 5 C$, and the two layer norms have $4 C$. Outside of the blocks there are two tables, one layer
# norm and the last matrix.
#
# $$n = (27 + T + 2 + 27) \, C + B \, (12 \, C^2 + 9 \, C)$$

# %%
C, B = 48, 2
n = (27 + T + 2 + 27) * C + B * (12 * C**2 + 9 * C)

print(f"{n:,} parameters")
assert n == sum(theta.size for theta in model.parameters().values())

# %% [markdown]
# Before you train a model, test what must be true of it already. The logits at a place must not depend
# on later characters. The two names below agree in the first four letters. With the dot before them,
# these are five places, so the first five rows of logits must agree, and no others.

# %%
with sg.no_grad():
    martha, martin = model(encode(["martha", "martin"])[0]).numpy()
difference = np.abs(martha - martin).max(axis=1)
print(difference.round(3))

assert (difference[:5] < 1e-5).all()
assert (difference[5:] > 1e-3).all()

# %% [markdown]
# And a model that knows nothing should give all tokens about the same probability, $1/27$. Then its loss
# is near $\log 27$.

# %%
with sg.no_grad():
    start_loss = loss_of(sg.log_softmax(model(x_test)), y_test, m_test).item()
print(f"loss {start_loss:.3f}, log 27 = {np.log(27):.3f}")
assert abs(start_loss - np.log(27)) < 0.5

# %% [markdown]
# ## Training
#
# The optimizer is AdamW (Loshchilov and Hutter, 2019) with a learning rate that falls linearly to 0. A
# batch is 64 names, drawn at random. `fast.AdamW` and `fast.replay` give the same bits as `optim.AdamW` and
# the plain function, faster; a later chapter, [The fast path](fast.ipynb), shows how. A whole step is
# recorded once and replayed, with a new learning rate each time. All batches have one shape, because all
# names fill $T$ places. To step through the model in a debugger, write `@fast.replay(eager=True)`.

# %% tags=["not-in-the-page"]
steps, lr = 1000, 5e-3
opt = fast.AdamW(model, lr=lr, weight_decay=0.1)


@fast.replay
def training_step(x, y, m):
    loss = loss_of(sg.log_softmax(model(x)), y, m)
    loss.backward()
    opt.step()
    opt.zero_grad()
    return loss


rng = np.random.default_rng(0)
losses, test_losses = [], {0: start_loss}

start = time.perf_counter()
for step in range(steps):
    opt.lr = lr * (1 - step / steps)
    batch = rng.integers(len(x_train), size=64)
    loss = training_step(x_train[batch], y_train[batch], m_train[batch])
    losses.append(loss.item())
    if (step + 1) % 50 == 0:
        with sg.no_grad():
            test_loss = loss_of(sg.log_softmax(model(x_test)), y_test, m_test)
        test_losses[step + 1] = test_loss.item()
    if (step + 1) % 200 == 0:
        recent = np.mean(losses[-50:])
        print(f"step {step + 1:4}: training {recent:.3f}, held out {test_loss.item():.3f}")
print(f"{time.perf_counter() - start:.0f} seconds")

# %% [markdown]
# The baseline is beaten, on names that the model has never seen. But the training loss ends below the
# held-out loss: the model has begun to learn its names by heart. It overfits, and only the held-out names
# show it.

# %% tags=["not-in-the-page"]
final_loss = test_losses[steps]
print(f"the bigram model              {bigram_loss:.3f} nats per character")
print(f"the tiny GPT                  {final_loss:.3f}")
print(f"the tiny GPT, training names  {np.mean(losses[-50:]):.3f}")
assert np.mean(losses[-50:]) < final_loss < bigram_loss - 0.2

# %% alt="Loss in nats per character against the step. Training and held-out loss start near log 27, about 3.3, and fall together below the line of the bigram model within the first 100 steps. Then the held-out loss flattens out near 2, and the training loss goes on falling below it." jupyter={"source_hidden": true} tags=["not-in-the-page"]
figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
means = np.mean(np.reshape(losses, (-1, 20)), axis=1)
axes.plot(np.arange(10, steps, 20), means, "C0-", linewidth=1.2, label="training, mean of 20 steps")
axes.plot(list(test_losses), list(test_losses.values()), "C1o--", markersize=4, label="held out")
axes.axhline(bigram_loss, color="C2", linestyle="-.")
axes.text(steps, bigram_loss + 0.05, "the bigram model, held out", ha="right")
axes.axhline(np.log(27), color="C7", linestyle=":")
axes.text(steps, np.log(27) + 0.05, "log 27", ha="right")
axes.set_xlabel("step t")
axes.set_ylabel("loss (nats per character)")
axes.legend(loc="center", bbox_to_anchor=(0.65, 0.65))
plt.show()

# %% [markdown]
# ## What a head looks at
#
# The weights of a head are a picture: row $t$ shows which places $t$ takes from. To draw them, go through
# the model block by block. A bright square just below the diagonal says that a place looks at the
# character before it, and some heads have learned to do this.


# %% tags=["not-in-the-page"]
def patterns_of(name):
    """The attention weights of each head of each block, for one name."""
    i = encode([name])[0][:, : len(name) + 1]
    patterns = []
    with sg.no_grad():
        h = model.embed(i)
        for block in model.blocks:
            normed = block.norm_1(h)
            patterns.append(block.attention.weights(normed, normed, is_causal=True).numpy()[0])
            h = block(h)
    return patterns


name = "isabella"
patterns = patterns_of(name)
assert np.allclose(np.sum(patterns, axis=-1), 1, atol=1e-5)
assert (np.triu(patterns, 1) == 0).all()

before = [A.diagonal(-1).mean() for A in patterns[0]]
print("mean weight of the place before, by head:", np.round(before, 2))
evenly = np.mean([1 / (t + 1) for t in range(1, len(name) + 1)])
assert max(before) > 1.5 * evenly

# %% alt="Attention weights of the four heads of the first block for the name isabella, four triangular grids. Rows are the places that look, columns the places looked at. Above the diagonal all weights are 0. In some of the grids the brightest squares stand just below the diagonal." jupyter={"source_hidden": true} tags=["not-in-the-page"]
figure, panels = plt.subplots(1, 4, figsize=(8.6, 2.7), layout="constrained", sharey=True)
letters = list("." + name)
for axes, (number, A) in zip(panels, enumerate(patterns[0], 1), strict=True):
    image = axes.imshow(A, cmap="viridis", vmin=0, vmax=1)
    axes.set_title(f"head {number}")
    axes.set_xticks(range(len(letters)), letters)
    axes.set_yticks(range(len(letters)), letters)
    axes.set_xlabel("place looked at")
    axes.grid(False)
panels[0].set_ylabel("place that looks")
figure.colorbar(image, ax=panels, label="weight", shrink=0.8)
plt.show()

# %% [markdown]
# ## Making up names
#
# To write a name, start with a dot, draw the next token by its probability, append it, and ask again. A
# **temperature** $\tau$ sharpens or flattens the probabilities: below 1 it prefers what is likely already,
# above 1 it takes more chances. With the logits $z$:
#
# $$p_a = \frac{e^{z_a / \tau}}{\sum_b e^{z_b / \tau}}$$


# %%
def probabilities(z, tau):
    """Probabilities from logits, for each row."""
    z = z.astype(np.float64) / tau
    e = np.exp(z - z.max(axis=-1, keepdims=True))  # does not overflow
    return e / e.sum(axis=-1, keepdims=True)


z = np.array([[2.0, 1.0, 0.0]], dtype=np.float32)
for tau in (0.5, 1.0, 2.0):
    p = probabilities(z, tau)
    print(f"tau = {tau}: p =", p[0].round(3))
    assert np.allclose(p, sg.softmax(z / tau).numpy())

# %%
known = set(names)


def gpt_logits(tokens):
    """The logits for the token after the last one, from all that came before."""
    with sg.no_grad():
        return model(tokens).numpy()[:, -1]


def bigram_logits(tokens):
    """The same from the bigram model, which knows the last token only."""
    return np.log(P)[tokens[:, -1]]


def sample(logits_of, count, tau=1.0, seed=0):
    """Makes up names, all of them at once, one character in each round."""
    rng = np.random.default_rng(seed)
    tokens = np.zeros((count, 1), dtype=np.int64)
    for _ in range(T):
        p = probabilities(logits_of(tokens), tau)
        new = [rng.choice(27, p=p_row) for p_row in p]
        tokens = np.column_stack([tokens, new])
    return [decode(row[1:]) for row in tokens]


def show(made_up):
    """Prints names; a star marks those that are not in the list of 5,163."""
    print("  ".join(name if name in known else name + "*" for name in made_up))


# %% [markdown]
# First the baseline, then the model. A star marks a name that is in neither part of the list.

# %% tags=["not-in-the-page"]
print("the bigram model:")
show(sample(bigram_logits, 8))
for tau in (0.5, 1.0, 1.5):
    print(f"the tiny GPT, tau = {tau}:")
    show(sample(gpt_logits, 8, tau))

# %% [markdown]
# How many are new, and how many of the old ones are held-out names, which the model cannot have learned by
# heart?

# %% jupyter={"source_hidden": true} tags=["not-in-the-page"]
shares = {}
for label, logits_of, tau in (
    ("bigram model, tau = 1.0", bigram_logits, 1.0),
    ("tiny GPT, tau = 0.5", gpt_logits, 0.5),
    ("tiny GPT, tau = 1.0", gpt_logits, 1.0),
    ("tiny GPT, tau = 1.5", gpt_logits, 1.5),
):
    made_up = sample(logits_of, 500, tau)
    new = sum(name not in known for name in made_up)
    hits = len(set(made_up) & set(test_names))
    shares[label] = new / 500
    print(f"{label:25} {new} of 500 are new, {hits:2} different held-out names")

assert shares["tiny GPT, tau = 0.5"] < shares["tiny GPT, tau = 1.0"] < shares["tiny GPT, tau = 1.5"]
assert shares["tiny GPT, tau = 1.0"] < shares["bigram model, tau = 1.0"]

# %% [markdown]
# ## Exercises
#
# The longer exercise `attention` in `tutorials/exercises/` comes with a check that says which equation
# is wrong: `python -m simplegrad.exercises check attention`.
#
# **1.** With a temperature near 0, the model always takes the most likely token. Write a loop that does
# this with `argmax`, and compare its name with samples of $\tau = 0.001$.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 1
tokens = np.zeros((1, 1), dtype=np.int64)
for _ in range(T):
    tokens = np.column_stack([tokens, gpt_logits(tokens).argmax(axis=-1)])
greedy = decode(tokens[0, 1:])
print(greedy)
assert set(sample(gpt_logits, 5, tau=0.001)) == {greedy}

# %% [markdown]
# **2.** Why divide by $\sqrt{d_k}$? Draw queries and keys with `np.random.default_rng(0)` from the normal
# distribution, 10,000 of each, for $d_k$ = 4, 16, 64 and 256. What is the variance of $q \cdot k$, and what is it
# after the division? What would the softmax do with the first?


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
rng = np.random.default_rng(0)
for d_k in (4, 16, 64, 256):
    q, k = rng.normal(size=(2, 10_000, d_k))
    products = (q * k).sum(axis=1)
    scaled = products / np.sqrt(d_k)
    largest = [probabilities(s.reshape(-1, 10), 1.0).max(axis=1).mean() for s in (products, scaled)]
    print(f"d_k = {d_k:3}: variance {products.var():6.1f}, divided {scaled.var():.2f};", end=" ")
    print(f"mean largest of 10 weights {largest[0]:.2f}, divided {largest[1]:.2f}")
    assert np.isclose(products.var(), d_k, rtol=0.1)
    assert np.isclose(scaled.var(), 1, rtol=0.1)

# A sum of d_k products of variance 1 has the variance d_k. Undivided, one weight comes near 1 and the
# others near 0, and the gradient of such a softmax is near 0.
assert largest[0] > 0.9

# %% [markdown]
# **3.** Let the model complete a name: write `complete(beginning, count, tau, seed)`, and print completions of
# `chri`.


# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 3
def complete(beginning, count, tau=1.0, seed=0):
    rng = np.random.default_rng(seed)
    tokens = np.repeat(encode([beginning])[0][:, : len(beginning) + 1], count, axis=0)
    while tokens.shape[1] <= T:
        p = probabilities(gpt_logits(tokens), tau)
        tokens = np.column_stack([tokens, [rng.choice(27, p=p_row) for p_row in p]])
    return [decode(row[1:]) for row in tokens]


completions = complete("chri", 8)
show(completions)
assert all(name.startswith("chri") for name in completions)
assert complete("", 8) == sample(gpt_logits, 8)

# %% [markdown]
# **4.** Press and Wolf (2017) use one table for both ends of a language model: the logit of a token is the
# product of the last vector with the embedding of the token. Write such a `TiedGPT`. How many parameters
# does it have? Show that the table gets gradients from both ends.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
class TiedGPT(GPT):
    def __init__(self, C, H, blocks):
        super().__init__(C, H, blocks)
        del self.logits

    def forward(self, i):
        h = self.embed(i)
        for block in self.blocks:
            h = block(h)
        return self.norm(h) @ self.embed.token.weight.T


tied = TiedGPT(C=48, H=4, blocks=2)
tied_n = sum(theta.size for theta in tied.parameters().values())
print(f"{tied_n:,} parameters, {n - tied_n:,} fewer")
assert tied_n == n - 27 * 48

x, y, m = encode(["emma"])
loss_of(sg.log_softmax(tied(x)), y, m).backward()
gradient = np.abs(tied.embed.token.weight.grad).sum(axis=1)
# z is not in emma: its gradient comes from the logits alone.
assert gradient[ALPHABET.index("z")] > 0
# Without them, that is without the tie, only the tokens of emma get any.
untied = GPT(C=48, H=4, blocks=2)
loss_of(sg.log_softmax(untied(x)), y, m).backward()
gradient = np.abs(untied.embed.token.weight.grad).sum(axis=1)
assert {ALPHABET[token] for token in np.flatnonzero(gradient)} == set(".ema")

# %% [markdown]
# ## Read on
#
# - Vaswani et al. (2017), "Attention Is All You Need": the transformer.
# - Radford et al. (2018), "Improving Language Understanding by Generative Pre-Training", and Radford et
#   al. (2019), "Language Models are Unsupervised Multitask Learners": GPT and GPT-2.
# - Bengio et al. (2003), "A Neural Probabilistic Language Model": embeddings, and a neural network that
#   beats counting.
