# %% [markdown]
# # Batch normalisation, one step in training
#
# Write what `nn.BatchNorm` does with a batch in training. `x` has the shape $(n, C)$: $n$ rows, and a
# column for each channel. All sums are over the rows, so each channel has its own $\mu$ and $\sigma^2$.
#
# $$\mu = \frac{1}{n} \sum_i x_i$$
# $$\sigma^2 = \frac{1}{n} \sum_i (x_i - \mu)^2$$
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}$$
# $$y = \hat x \, g + b$$
#
# The running mean and the running variance follow those of the batches. The arrow says that the new
# value takes the place of the old one.
#
# $$m \leftarrow (1 - \alpha) \, m + \alpha \, \mu$$
# $$v \leftarrow (1 - \alpha) \, v + \alpha \, \frac{n}{n - 1} \, \sigma^2$$
#
# | symbol | argument |
# |---|---|
# | $x$ | `x`, the batch |
# | $g$, $b$ | `g`, `b`, the gain and the bias, a number for each channel |
# | $m$, $v$ | `m`, `v`, what the step before has returned |
# | $\alpha$ | `alpha`, the share of the new batch |
# | $\epsilon$ | `eps` |
#
# `m` and `v` are yours: you may change them in place. `x`, `g` and `b` are not.

# %%
import numpy as np

from simplegrad import exercises


def batch_norm(x, g, b, m, v, alpha, eps):
    mu = ...
    sigma_2 = ...
    x_hat = ...
    y = ...
    m = ...
    v = ...
    return mu, sigma_2, x_hat, y, m, v


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check batch_norm` does the same in a terminal.

# %% tags=["check"]
exercises.check("batch_norm", batch_norm)

# %% [markdown]
# Try it here. On your machine you can set a breakpoint above, and step through it.

# %%
x = np.array([[1.0, 0.0], [3.0, 8.0]])
batch_norm(x, np.ones(2), np.zeros(2), np.zeros(2), np.ones(2), 0.1, 1e-5)

# %% [markdown]
# <details><summary>A hint: axes</summary>
#
# `axis=0` is the axis that disappears: a mean along it has the shape $(C)$, and broadcasting subtracts it
# from every row.
#
# </details>
#
# <details><summary>A hint: two variances</summary>
#
# The batch is divided by its own variance, whose divisor is $n$. What is kept for later is an estimate of
# the variance of all data, and for that the divisor is $n - 1$. Multiply by $n$ and divide by $n - 1$ to get
# from one to the other.
#
# </details>
