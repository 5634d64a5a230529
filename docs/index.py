# %% [markdown]
# ---
# hide: [navigation, toc]
# ---
#
# # simplegrad
#
# Automatic differentiation and Adam in NumPy, to read, to step through and to teach.
# { .tagline }
#
# [Start: the digits in twenty lines](tutorials/quickstart.md){ .md-button .md-button--primary }
# [See every equation](equations.md){ .md-button }
#
# ## The equation is the line
#
# A neural network learns by a handful of equations. In simplegrad each of them is one line of code,
# with the names of the paper. These are all of Adam's, read from the source when this page was made:
#
# <!-- equations: Adam -->
#
# Set a breakpoint on such a line, and you see the equation happen, number by number. From
# `c = a * b` it is two step-ins to the product in NumPy, and the rule of its gradient stands below it.
#
# ## See it go downhill
#
# Every path below was computed by simplegrad, for each position of the sliders, when this page was
# made. Move them: where does the learning rate become too large, and for whom?
#
# <!-- figure: valley -->
#
# [Descent](tutorials/descent.md) explains what you see, from the largest stable learning rate to
# what a turned valley does to RMSProp.
#
# ## It trains real networks
#
# *Run* it here, in your browser, or *Edit* it first: nothing needs to be installed.

# %%
import simplegrad as sg
import simplegrad.nn as nn
import simplegrad.optimizers as optim

sg.manual_seed(0)
digits = sg.datasets.load_digits()
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
opt = optim.Adam(model=model, lr=3e-3)

for step in range(200):
    loss = sg.cross_entropy(model(digits.x_train), digits.y_train)
    loss.backward()
    opt.step()
    opt.zero_grad()

predictions = model(digits.x_test).numpy().argmax(axis=1)
print(f"{(predictions == digits.y_test).mean():.0%} of the test digits are read correctly")

# %% jupyter={"source_hidden": true} alt="Twenty handwritten digits from the test data, each with what the network reads beneath it. The digits that it misreads come first and say which digit was meant."
import matplotlib.pyplot as plt
import numpy as np

wrong_first = np.argsort(predictions == digits.y_test, kind="stable")[:20]
figure, panels = plt.subplots(2, 10, figsize=(9, 2.3))
for i, panel in zip(wrong_first, panels.flat, strict=True):
    read, meant = predictions[i], digits.y_test[i]
    panel.imshow(digits.x_test[i].reshape(8, 8), cmap="gray_r")
    panel.set_title(f"{read}" if read == meant else f"{read}, not {meant}", y=-0.42)
    panel.set_axis_off()
plt.show()

# %% [markdown]
# ## For whom
#
# - **You want to understand** what `backward()` and `step()` do. The [tutorials](tutorials/index.md) go
#   from the derivative to a small GPT, and each equation is followed by the code that computes it.
# - **You teach a course.** The [syllabus](teaching.md) has sessions with exercises. Everything is
#   NumPy, runs on a laptop without a network, and may be changed and hosted as your own.
# - **You want to look up** how something is done. The [equations](equations.md), the
#   [API](api/index.md) and the [map of the code](how-it-works.md) are short.
#
# It is one package with one dependency, NumPy. For the hot loop there is
# [`simplegrad.fast`](tutorials/fast.md): the same equations in place, equal to the last bit.
# [How fast that is](benchmarks.md) was measured beside PyTorch and JAX. For large networks, for other
# devices and for everything that simplegrad leaves out on purpose, use those.
