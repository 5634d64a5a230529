# %% [markdown]
# # A GRU, one step
#
# Write one step of a gated recurrent unit (Cho et al., 2014) in NumPy.
#
# $$r_t = \sigma(x_t W_{ir} + b_{ir} + h_{t-1} W_{hr} + b_{hr})$$
# $$z_t = \sigma(x_t W_{iz} + b_{iz} + h_{t-1} W_{hz} + b_{hz})$$
# $$n_t = \tanh(x_t W_{in} + b_{in} + r_t \odot (h_{t-1} W_{hn} + b_{hn}))$$
# $$h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$
#
# | symbol | argument |
# |---|---|
# | $x_t$ | `x_t`, the input of this step: a row, or a row for each sequence of a batch |
# | $h_{t-1}$ | `h`, what the step before has returned as `h_t` |
# | $W_{ir}$, $b_{ir}$ | `W_ir`, `b_ir`, and so the others |
#
# $\sigma$ is the sigmoid, $\sigma(a) = 1 / (1 + e^{-a})$, and $\odot$ the product of elements. `h` is yours:
# you may change it in place. The others are not.

# %%
import numpy as np

from simplegrad import exercises


def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):
    r_t = ...
    z_t = ...
    n_t = ...
    h_t = ...
    return r_t, z_t, n_t, h_t


# %% [markdown]
# The check runs it on small examples. An equation is judged with your own results of the equations
# before it. `python -m simplegrad.exercises check gru` does the same in a terminal.

# %% tags=["check"]
exercises.check("gru", gru_step)

# %% [markdown]
# Try it here, with weights of 1 and biases of 0. On your machine you can set a breakpoint above, and step
# through it.

# %%
of_input = [np.ones((2, 3)), np.zeros(3)] * 3
of_state = [np.ones((3, 3)), np.zeros(3)] * 3
gru_step(np.array([1.0, -0.5]), np.zeros(3), *of_input, *of_state)

# %% [markdown]
# <details><summary>A hint: products</summary>
#
# $\odot$ is `*`, element by element. Two symbols side by side, as $x_t W_{ir}$, are a product of a row and
# a matrix, which is `@`.
#
# </details>
#
# <details><summary>A hint: what a gate does</summary>
#
# $r_t$ scales the whole part of the old state within the tanh, its bias included. $z_t$ mixes: where it is 1,
# the state stays as it is, and where it is 0, the candidate takes its place.
#
# </details>
