# %% [markdown]
# # Debugging further
#
# You know how to step into an operation and through `backward()`. Now a number is wrong, a program has
# stopped, or you want to see what an optimizer does with each of its groups. Here you stop in Adam's
# five equations and in its state, find the operation that made the first NaN, and look into a program
# that an error has ended.
#
# - **You will be able to** stop where a number goes wrong, see which hyperparameters a group has and
#   what is saved of it, and inspect a program that an error has ended.
# - **Read before:** [Seeing it happen](seeing.ipynb) and [Adam, equation by equation](adam.ipynb).

# %% [markdown]
# ## Sessions
#
# The sessions are real ones again, of Python's pdb. `debug`, `show` and `line_of` are the functions of
# [Seeing it happen](seeing.ipynb), where a table has the commands and the keys of VS Code. `numbers` reads
# an array that pdb has printed.

# %% jupyter={"source_hidden": true}
import inspect
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import simplegrad as sg


def debug(name, script, commands, options=("-m", "pdb")):
    """Pairs of a command and pdb's answer; the first answer comes before any command."""
    env = {**os.environ, "PYTHON_COLORS": "0", "PYTHONBREAKPOINT": ""}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text(script)
        run = subprocess.run(
            [sys.executable, *options, name],
            input="\n".join(commands) + "\n",
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
    folders = re.compile(r"(?m)^(> |.* at ).*[/\\](?=\w+\.py[(:])")
    answers = [folders.sub(r"\1", answer) for answer in run.stdout.split("(Pdb) ")]
    return list(zip(["", *commands], answers, strict=False))


def show(session):
    """Prints a session, or a part of it, as it looks in a terminal."""
    for command, answer in session:
        prompt = f"(Pdb) {command}\n" if command else ""
        print(prompt + answer, end="")


def line_of(function, code):
    """The number of the line of a function that starts with this code."""
    lines, first = inspect.getsourcelines(function)
    return first + [line.strip().startswith(code) for line in lines].index(True)


def numbers(answer):
    """The numbers of an array that pdb has printed."""
    inside = answer[answer.index("[") + 1 : answer.index("]")]
    return np.array([float(number) for number in inside.split(",")])


# %% [markdown]
# ## Adam, group by group
#
# This script takes one step of Adam with two groups. They differ in the learning rate, in $\beta_1$ and
# in the direction: $w$ goes down to $y = (3, 1)$, and $b$ goes up. Then a second optimizer takes over the
# state of the first.

# %%
two_groups = """\
import simplegrad as sg
import simplegrad.optimizers as optim

w = sg.Tensor([5.0, 0.0], requires_grad=True, name="w")
b = sg.Tensor([1.0], requires_grad=True, name="b")
down = {"params": {"w": w}, "label": "down"}
up = {"params": {"b": b}, "label": "up", "lr": 0.01, "beta_1": 0.5, "maximize": True}
opt = optim.Adam(lr=0.1, param_groups=[down, up])
loss = ((w - [3.0, 1.0]) ** 2).sum() - ((b - 3.0) ** 2).sum()
loss.backward()
opt.step()
state = opt.state()
down, up = {"params": {"w": w}, "label": "down"}, {"params": {"b": b}, "label": "up"}
resumed = optim.Adam(lr=0.5, param_groups=[down, up])
resumed.load_state(state)
"""

# %% [markdown]
# `opt.step()` calls `Adam.update` for each parameter, the first group first. A breakpoint there is hit
# after everything has been checked, with the gradient at hand. The first lines of `update` give the
# values their names, and `until` passes over them to the first equation.

# %% tags=["not-in-the-page"]
m_t_line = line_of(sg.optimizers.Adam.update, "m_t =")
entry_line = line_of(sg.optimizers.Optimizer.state, "entries.append(entry)")
kept_line = line_of(sg.optimizers.Optimizer.load_state, "self._kept = loaded")

five = ["next", "p m_t", "next", "p v_t", "next", "p m_hat", "next", "p v_hat", "next", "p theta"]
to_the_equations = ["continue", f"until {m_t_line}", "pp group", "p lr, beta_1", "p t, g", *five]
commands = ["until 4", "break optim.Adam.update"]
commands += ["break optim.Optimizer.state", "break optim.Optimizer.load_state"]
commands += [*to_the_equations, *to_the_equations]
in_state = ["continue", f"break {entry_line}", *2 * ["continue", "pp entry"]]
in_load = ["continue", "p self", f"until {kept_line}", "pp loaded", "return", "p self", "quit"]
session = debug("two_groups.py", two_groups, [*commands, *in_state, *in_load])
show(session[2:10])

# %% [markdown]
# `group` is the dict of the group at work, with its label, all of its hyperparameters and its parameters.
# This is the first step, $t = 1$, and both moments are zero. Now one equation a line. The line after
# `->` is the equation that runs next, so `p m_t` stands after the `next` that has run it.

# %% tags=["not-in-the-page"]
show(session[10:20])

# %% [markdown]
# The second group is next. Its `group` says 0.01 and `maximize`, and `lr` is $-0.01$: a group that
# climbs has the sign of its learning rate turned round, so the same five lines serve both directions.

# %% tags=["not-in-the-page"]
show(session[20:35])

# %% [markdown]
# The folded cell computes both groups by hand. In the first step the bias correction gives $g$ and $g^2$ back,
# whatever $\beta_1$ is, and so each element moves by its learning rate: those of $w$ by 0.1, and that of
# $b$ by 0.01, up.
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
# $$\hat m = m_t / (1 - \beta_1^t)$$
# $$\hat v = v_t / (1 - \beta_2^t)$$
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$

# %% jupyter={"source_hidden": true} tags=["not-in-the-page"]
beta_2, eps, t, m, v = 0.999, 1e-8, 1, 0.0, 0.0
for lr, beta_1, theta, g, part in [
    (0.1, 0.9, np.array([5.0, 0.0]), np.array([4.0, -2.0]), session[5:20]),
    (-0.01, 0.5, np.array([1.0]), np.array([4.0]), session[20:35]),
]:
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    theta -= lr * m_hat / (np.sqrt(v_hat) + eps)

    answers = dict(part)
    assert answers["p lr, beta_1"].strip() == str((lr, beta_1))
    assert np.allclose(m_t, numbers(answers["p m_t"]))
    assert np.allclose(v_t, numbers(answers["p v_t"]))
    assert np.allclose(m_hat, numbers(answers["p m_hat"]))
    assert np.allclose(v_hat, numbers(answers["p v_hat"]))
    assert np.allclose(theta, numbers(answers["p theta"]))
    print("theta =", theta)

# %% [markdown]
# ## What is saved, and what is taken over
#
# `state()` makes an entry for each group: the label, the hyperparameters, and the moments by the names of
# the parameters. Stop at the line that appends the entry, once for each group.

# %% tags=["not-in-the-page"]
show(session[35:41])

# %% [markdown]
# `lr` is 0.01 here, and not $-0.01$: the sign is made anew in each step, from `maximize`. The parameters
# are not in the state. They belong to the model, which is saved by itself.
#
# The optimizer `resumed` was made with other hyperparameters. `load_state` finds the entry of each group by
# its label, checks everything, and copies the moments before it changes anything:

# %% tags=["not-in-the-page"]
show(session[41:48])

first, last = session[42][1], session[46][1]
assert "down: 2 parameters, lr=0.5" in first
assert "up: 1 parameters, lr=0.5, beta_1=0.9" in first
assert "down: 2 parameters, lr=0.1, beta_1=0.9" in last
assert "up: 1 parameters, lr=0.01, beta_1=0.5, beta_2=0.999, eps=1e-08, maximize=True" in last

# %% [markdown]
# `loaded` holds the moments as arrays, first $m$ and then $v$, group by group. At the end, `step_count` and all
# hyperparameters are those of the state, and the next step would be the one that `opt` would take.

# %% [markdown]
# ## The first NaN
#
# NaN, not a number, is what $0 / 0$ gives. It spreads: nearly everything that is computed from it is NaN,
# too. When the loss is NaN, you want to know which operation made the first one. This script computes a
# softmax without care for large numbers.

# %%
softmax = """\
import simplegrad as sg

a = sg.Tensor([1.0, 100.0], requires_grad=True, name="a")
e = a.exp()
p = e / e.sum()
loss = -p.log().sum()
loss.backward()
"""

# %% [markdown]
# Every result of every rule goes through one function, `record` in `simplegrad/tensor.py`, whose
# argument `data` is the array. A **conditional breakpoint** stops only where an expression is true. In
# pdb it follows a comma. It is evaluated in the function, so it may use the function's names and those
# of its file, such as `np`.

# %% tags=["not-in-the-page"]
commands = ["until 3", "break sg.tensor.record, np.isnan(data).any()", "continue"]
commands += ["p rule.__name__, data", "up", "p a", "p b", "up", "quit"]
session = debug("softmax.py", softmax, commands)
show(session[:9])

answers = dict(session)
assert "'Div'" in answers["p rule.__name__, data"]
assert "inf" in answers["p a"]
assert "inf" in answers["p b"]

# %% [markdown]
# The division made the first NaN, on line 5 of the script: it divides infinity by infinity. The
# infinity comes from line 4, because $e^{100}$ is larger than any float32. `sg.softmax` does not
# overflow: it subtracts the logarithm of the sum, and takes the exponential after that.
#
# Of a small computation, `sg.draw` shows the same at a glance: the first box that holds `nan`, and the
# boxes that lead to it.

# %% alt="The graph of the softmax, in which Div is the first box with nan. The leaf a, with values 1 and 100, leads to Exp, with 2.72 and inf; Exp leads to its sum, inf; and both lead to Div, with 0 and nan."
a = sg.Tensor([1.0, 100.0], requires_grad=True, name="a")
with np.errstate(over="ignore", invalid="ignore"):  # NumPy would warn
    e = a.exp()
    p = e / e.sum()

assert np.isnan(p.numpy()).tolist() == [False, True]
sg.draw(p)

# %% [markdown]
# ## The first infinity of `backward()`
#
# The loss can be finite and its gradient not. This script computes the distance of two points that
# happen to be equal.

# %% tags=["not-in-the-page"]
distance = """\
import simplegrad as sg

x = sg.Tensor([1.0, 2.0], requires_grad=True, name="x")
y = sg.Tensor([1.0, 2.0], name="y")
d = x - y
loss = (d * d).sum().sqrt()
loss.backward()
print(loss.item(), x.grad)
"""

commands = ["continue", "quit"]
session = debug("distance.py", distance, commands)
print(session[1][1].splitlines()[0])

# %% [markdown]
# In the backward pass, too, there is one function that everything goes through: `unbroadcast` gets what
# each partial returned, as its argument `grad`. Stop at the first that is not finite. A NaN often comes
# from an infinity, as in the softmax above, so ask for both.

# %% tags=["not-in-the-page"]
commands = ["until 3", "break sg.autograd.unbroadcast, not np.isfinite(grad).all()"]
commands += ["continue", "p grad", "up", "p c", "p dc", "quit"]
session = debug("distance.py", distance, commands)
show(session[:8])

answers = dict(session)
assert "rule=Sqrt" in answers["p c"]

# %% [markdown]
# It is the square root of 0. With the result $c = 0$, its partial divides by zero:
#
# $$da = dc / (2 c)$$

# %% tags=["not-in-the-page"]
c = np.array(0.0)
dc = np.array(1.0)
with np.errstate(divide="ignore"):
    da = dc / (2 * c)

print("da =", da)
assert np.isinf(da)
assert "inf" in answers["p grad"]

# %% [markdown]
# The square root has no derivative at 0. Keep away from 0, as Adam and `LayerNorm` do with their
# $\epsilon$:

# %%
x = sg.Tensor([1.0, 2.0], requires_grad=True, name="x")
d = x - sg.Tensor([1.0, 2.0])
loss = ((d * d).sum() + 1e-12).sqrt()
loss.backward()
print(x.grad)
assert np.isfinite(x.grad).all()

# %% [markdown]
# ## Both without a debugger
#
# `sg.detect_anomaly` looks at the same two places while it is on, and makes an error of the first number
# that is not finite. An infinity that a rule was given may pass, as the $-\infty$ of a mask in an
# attention. It slows a program down, so take it out when you have found the place.

# %%
x = sg.Tensor([1.0, 2.0], requires_grad=True, name="x")
y = sg.Tensor([1.0, 2.0], name="y")
try:
    with sg.detect_anomaly():
        d = x - y
        loss = (d * d).sum().sqrt()
        loss.backward()
except FloatingPointError as error:
    message = str(error)

print(message)
assert message.startswith("Sqrt gives inf in backward: da = inf, where dc = 1, c = 0, a = 0.")
assert "loss = (d * d).sum().sqrt()" in message

# %% [markdown]
# ## A stop in your own code
#
# The call `breakpoint()` is a breakpoint written into the program, and an `if` makes it a conditional
# one. You start the program as always, without `-m pdb`. Here the learning rate is too large, and the
# loss grows instead of falling.

# %% tags=["not-in-the-page"]
diverging = """\
import simplegrad as sg
import simplegrad.optimizers as optim

w = sg.Tensor(1.0, requires_grad=True, name="w")
opt = optim.SGD(lr=1.1, param_groups=[{"params": {"w": w}}])
for step in range(60):
    loss = w**2
    if loss.item() > 100:
        breakpoint()
    opt.zero_grad()
    loss.backward()
    opt.step()
print(f"the loss after {step + 1} steps is {loss.item():.1e}")
"""

commands = ["p step, loss.item()", "p w", "p opt.lr", "opt.lr = 0.1", "continue"]
session = debug("diverging.py", diverging, commands, options=())
show(session)

answers = dict(session)
assert "the loss after 60 steps" in answers["continue"]

# %% [markdown]
# In a debugger you can also change things. The fourth command is plain Python: it set a smaller
# learning rate, and the rest of the run converged. (Up to Python 3.12, pdb stops at the line after
# `breakpoint()`, and since 3.13 at this line itself.)
#
# With the environment variable `PYTHONBREAKPOINT=0`, Python passes over every `breakpoint()`.

# %% [markdown]
# ## After an error
#
# An error ends the program, but its variables can still be looked at. That is called **post-mortem**
# debugging. This model has a wrong size in it.

# %%
from textwrap import fill

from simplegrad import nn

try:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(6, 2))
    model(sg.ones((3, 4)))
except ValueError as error:
    print(fill(str(error), 88))

# %% [markdown]
# Start the script with `python -m pdb -c continue shapes.py`. It runs until it ends, and if it ends with
# an error, pdb stands where the error was raised. In a notebook or at Python's own prompt, write
# `import pdb; pdb.pm()` after the error to get there.

# %% tags=["not-in-the-page"]
shapes = """\
import simplegrad as sg
from simplegrad import nn

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(6, 2))
x = sg.ones((3, 4))
y = model(x)
"""

commands = ["p x.shape, W.shape", "up", "up", "p layer", "p self.layers.index(layer)", "quit"]
session = debug("shapes.py", shapes, commands, options=("-m", "pdb", "-c", "continue"))
show(session[:6])

answers = dict(session)
assert answers["p layer"].startswith("Linear(6, 2)")
assert answers["p self.layers.index(layer)"].strip() == "2"

# %% [markdown]
# Two frames up you are in `Sequential.forward`, where `layer` is the module at work: `layers[2]` is the
# one to mend.
#
# NumPy warns when an operation overflows, divides by zero or is invalid. With
# `-W error::RuntimeWarning`, Python makes an error of the warning, and the post-mortem of the softmax
# above stands in the exponential function:

# %% tags=["not-in-the-page"]
options = ("-W", "error::RuntimeWarning", "-m", "pdb", "-c", "continue")
session = debug("softmax.py", softmax, ["args", "quit"], options)
show(session[:2])

assert "-> return np.exp(a)" in session[0][1]

# %% [markdown]
# ## Where to put a breakpoint
#
# Besides the operators, their rules and `chain_rule`, which you know, these are good places:
#
# | breakpoint | you will see |
# |---|---|
# | `sg.tensor.record` | every result of the forward pass: `data`, `rule`, `inputs`, `params` |
# | `sg.autograd.unbroadcast` | every partial, and the shape that it is summed back to |
# | `sg.nn.Module.__call__` | each module with its input, from the outside in |
# | `sg.functional.cross_entropy` | the logits and the targets |
# | `sg.optimizers.Optimizer.step` | the groups, and the parameters one by one |
# | `sg.optimizers.Adam.update` | $t$, $g$, and the five equations |
# | `sg.optimizers.Optimizer.state` | `entry`, what is saved of each group |
# | `sg.optimizers.Optimizer.load_state` | `state`, and this optimizer before and after |
#
# pdb accepts all of them, and says in which file and line they are. In VS Code, go to that line and
# press F9.

# %% jupyter={"source_hidden": true} tags=["not-in-the-page"]
places = ["sg.tensor.record", "sg.autograd.unbroadcast", "sg.nn.Module.__call__"]
places += ["sg.functional.cross_entropy", "sg.optimizers.Optimizer.step"]
places += ["sg.optimizers.Adam.update", "sg.optimizers.Optimizer.state"]
places += ["sg.optimizers.Optimizer.load_state"]

commands = [f"break {place}" for place in places]
session = debug("softmax.py", softmax, ["until 3", *commands, "quit"])
answers = [answer for command, answer in session if command.startswith("break")]
assert len(answers) == len(places)
assert all(answer.startswith("Breakpoint") for answer in answers)

# %% [markdown]
# A function under [`fast.replay`](fast.ipynb) repeats the NumPy calls of its first run, and no
# Python of yours is left to step through. Write `@fast.replay(eager=True)` while you debug.
# `sg.explain` and `sg.step_through` do not need it: the function runs as it is while they look on.

# %% [markdown]
# ## In VS Code
#
# A breakpoint gets a condition by a right click: `np.isnan(data).any()`, for instance, in the first line
# of `record`. In the pane Breakpoints, Uncaught Exceptions is ticked from the start. So VS Code stops
# where an error is raised that nothing catches: that is its post-mortem.
#
# These are worth a place in the pane Watch:
#
# | where you are | watch | it says |
# |---|---|---|
# | in your training loop | `abs(w.grad).max()` | whether gradients vanish or explode |
# | in `Adam.update` | `group["label"], theta.name` | which group and which parameter it is |
# | | `lr` | below 0 where the group climbs |
# | | `m_hat / (np.sqrt(v_hat) + eps)` | the step in units of $lr$, once `v_hat` is there |

# %% [markdown]
# ## Exercises
#
# The longer exercise `first_nan` in `tutorials/exercises/` comes with a check: find the node of a graph
# where the first number that is not finite was made.
#
# **1.** `opt.step()` can be called again with the same gradient. Append it to `two_groups`, stop in
# the second step of the group that climbs, and print `t`, `m` and `m_t`. Check by hand that
# $m_t = 0.5 \, m + 0.5 \, g$. Which sign does `m_t` have?

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 1
commands = ["until 4", "break optim.Adam.update", *4 * ["continue"]]
commands += [f"until {m_t_line}", "next", "p t, g", "p m", "p m_t", "quit"]
session = debug("two_steps.py", two_groups + "opt.step()\n", commands)
show(session[7:12])

answers = dict(session)
assert answers["p t, g"].startswith("(2, ")
m, g = numbers(answers["p m"]), numbers(answers["p t, g"])
assert np.allclose(m, 2.0)
assert np.allclose(0.5 * m + 0.5 * g, numbers(answers["p m_t"]))
assert np.all(numbers(answers["p m_t"]) > 0)  # that of the gradient: only lr is turned round

# %% [markdown]
# **2.** How many partials does `backward()` evaluate for `y = norm(x).sum()`, where `norm` is an
# `nn.LayerNorm(4)`? How many, if `x` requires gradients? Count in `simplegrad/nn/normalisation.py`. Then let
# pdb count: `unbroadcast` is called once for each partial, `ignore 1 1000` passes breakpoint 1 the next
# 1,000 times, and `break` alone lists the breakpoints and how often each was hit.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 2
layer_norm = """\
import simplegrad as sg

norm = sg.nn.LayerNorm(4)
x = sg.Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=False)
y = norm(x).sum()
y.backward()
print(norm.weight)
"""

commands = ["until 6", "break sg.autograd.unbroadcast", "ignore 1 1000", "next", "break", "quit"]
session = debug("layer_norm.py", layer_norm, commands)
show(session[4:6])
assert "already hit 4 times" in dict(session)["break"]  # sum, + b twice, * g

session = debug("layer_norm.py", layer_norm.replace("False", "True"), commands)
show(session[5:6])
assert "already hit 13 times" in dict(session)["break"]

# A partial that nobody needs is not evaluated.

# %% [markdown]
# **3.** The terms of an entropy, $-p \log p$, are 0 for $p = 0$. The next script says so with
# `sg.where`, and its loss is right: $\log 2$. But its gradient is NaN. Stop in `backward()` where the
# first number is not finite: which rule is it, and why does `sg.where` not help? Mend the script.
#
# ```python
# import simplegrad as sg
#
# p = sg.Tensor([0.5, 0.5, 0.0], requires_grad=True, name="p")
# loss = -sg.where(p > 0, p * p.log(), 0.0).sum()
# loss.backward()
# print(loss.item(), p.grad)
# ```

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 3
entropy = """\
import simplegrad as sg

p = sg.Tensor([0.5, 0.5, 0.0], requires_grad=True, name="p")
loss = -sg.where(p > 0, p * p.log(), 0.0).sum()
loss.backward()
print(loss.item(), p.grad)
"""

commands = ["until 3", "break sg.autograd.unbroadcast, not np.isfinite(grad).all()"]
commands += ["continue", "up", "p c", "p dc", "p c.inputs[1]", "quit"]
session = debug("entropy.py", entropy, commands)
show(session[3:8])

# where() has passed the gradient 0 to the product, and the product multiplies it by log 0 = -inf.
answers = dict(session)
assert "rule=Mul" in answers["p c"]
assert numbers(answers["p dc"])[2] == 0
assert "-inf" in answers["p c.inputs[1]"]

# The logarithm must never see the 0.
p = sg.Tensor([0.5, 0.5, 0.0], requires_grad=True, name="p")
safe = sg.where(p > 0, p, 1.0)
loss = -(safe * safe.log()).sum()
loss.backward()
print(loss, p.grad)
assert np.isclose(loss.item(), np.log(2))
assert np.isfinite(p.grad).all()

# %% [markdown]
# ## Read on
#
# - Goldberg (1991), "What Every Computer Scientist Should Know About Floating-Point Arithmetic": where
#   infinities and NaNs come from.
# - Goodfellow, Bengio and Courville (2016), "Deep Learning", section 11.5: debugging strategies for
#   models that run and do not learn.
