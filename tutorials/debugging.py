# %% [markdown]
# # Debugging
#
# A debugger stops a program at a line, shows every variable there, and goes on one line at a time.
# simplegrad is written for it: each equation is a line of Python, and its variables have the names
# of the equation. Here you stop in a forward equation, in a partial during `backward()`, and in
# Adam's five equations, and you find the operation that made the first NaN.
#
# - **You will be able to** step into any operation, see what `backward()` passes from rule to rule,
#   stop where a number goes wrong, and inspect a program that an error has ended.
# - **Read before:** [The backward pass](backward.ipynb) and
#   [Adam, equation by equation](adam.ipynb).

# %% [markdown]
# ## Two debuggers
#
# **pdb** comes with Python and is driven by typed commands. `python -m pdb script.py` starts a script
# and stops before its first line. **VS Code** shows the same things in panes and is driven by keys.
# What you learn here for one holds for the other.
#
# | what you want | pdb | VS Code |
# |---|---|---|
# | run to the next breakpoint | `continue`, `c` | F5 |
# | run this line, stop at the next one | `next`, `n` | F10, step over |
# | go into the call on this line | `step`, `s` | F11, step into |
# | run to the end of this function | `return`, `r` | Shift+F11, step out (stops in the caller) |
# | run to line 12 of this function | `until 12` | right click, Run to Cursor |
# | see a value | `p theta.grad` | hover, or the Variables and Watch panes |
# | see the arguments of this function | `args`, `a` | the Variables pane |
# | look at the caller, and come back | `up`, `down` | click in the Call Stack pane |
# | stop whenever a function is called | `break sg.rules.Mul.da` | F9 on its first line |
# | leave | `quit`, `q` | Shift+F5 |
#
# The sessions below are real ones. The function `debug` writes a script to a temporary folder, starts
# Python's pdb on it in another process, and gives it a list of commands. It returns each command with
# the answer of pdb, and `show` prints them as you would see them in a terminal. Only the folders are
# left out. You can type the same commands yourself.

# %% jupyter={"source_hidden": true}
import inspect
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


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


# %% [markdown]
# ## From `c = a * b` to the product
#
# The first script multiplies two tensors, squares, sums and differentiates.

# %%
product = """\
import simplegrad as sg

a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
c = a * b
loss = (c**2).sum()
loss.backward()
"""

# %% [markdown]
# Run to line 5, and step into it. `--Call--` says that a function is about to begin; `next` goes to its
# first line. The line after `->` is the one that runs next.

# %% tags=["not-in-the-page"]
commands = ["until 5", "step", "next", "next", "step", "next", "p a, b", "quit"]
session = debug("product.py", product, commands)
show(session[:8])

assert commands.count("step") == 2
assert "-> return a * b" in session[6][1]

# %% [markdown]
# Two `step`s lead from your line to the line of NumPy that multiplies. Between them lies the method
# `__mul__` with its two lines, and each operator of two operands has just these. The first makes both
# operands Tensors. The second computes `Mul.forward`, and then `record` wraps the result together with
# the rule and its inputs. In the rule, `a` and `b` are plain arrays.
#
# VS Code does not stop at `--Call--`. There you press F11, F10, F11.

# %% [markdown]
# ## What a Tensor shows
#
# A debugger prints a Tensor with its repr, and the repr is made to fit on a line.

# %%
import numpy as np

import simplegrad as sg

w = sg.Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True, name="w")
x = sg.Tensor([2.0, 1.0, 0.5])
y = (w * x).sum()
print(w)
print(x)
print(y)

y.backward()
print(w)
assert "grad=[2, 1, 0.5, 2, ...]" in repr(w)

# %% [markdown]
# | part | meaning |
# |---|---|
# | `[1, 2, 3, 4, ...]` | the first four elements, with four digits each |
# | `shape=(2, 3), float32` | the shape and the dtype |
# | `rule=Sum` | the rule that computed it; a leaf has none |
# | `grad=None` | a leaf that requires gradients and has none yet |
# | `grad=[2, 1, 0.5, 2, ...]` | the first four elements of its gradient |
# | `name='w'` | the name that you gave it |
#
# `x` shows neither a rule nor a gradient: it is a leaf that requires none. Give names to your leaves.
# Then you know which is which when you meet them deep inside the library.

# %% [markdown]
# ## Inside `backward()`
#
# `chain_rule` in `simplegrad/autograd.py` is the loop of the backward pass. Set a breakpoint there, and
# one in the first partial of the product. pdb looks up names where it stands: `sg` exists in your
# script, and not in the files of the library. So set the breakpoints while you are still in the script.

# %% tags=["not-in-the-page"]
commands = ["until 5", "break sg.autograd.chain_rule", "break sg.rules.Mul.da", "continue"]
commands += ["pp tape", "continue", "args", "return", "retval", "up", "p c", "p t", "quit"]
session = debug("product.py", product, commands)
show(session[:6])

# %% [markdown]
# The tape lists every tensor that the loss was computed from, the leaves first and the loss last.
# `chain_rule` goes through it from the end. It has passed `Sum` and `Pow` when the next `continue`
# reaches the partial of the product:

# %% tags=["not-in-the-page"]
show(session[6:10])

# %% [markdown]
# A partial is a function of plain arrays. `dc` is the derivative of the loss by the result `c`, and `a`
# and `b` are the inputs of the forward pass. The loss is $\sum_i c_i^2$, so $dc$ must be $2 c$, and the
# partial must return
#
# $$da = dc \, b$$


# %% tags=["not-in-the-page"]
def numbers(answer):
    """The numbers between the brackets of an array that pdb has printed."""
    inside = answer[answer.index("[") + 1 : answer.index("]")]
    return np.array([float(number) for number in inside.split(",")])


a = np.array([1.0, 2.0])
b = np.array([3.0, 4.0])
c = a * b
dc = 2 * c
da = dc * b

answers = dict(session)
print("by hand", da, " in pdb", numbers(answers["retval"]))
assert np.allclose(dc, numbers(answers["args"]))  # its first array
assert np.allclose(da, numbers(answers["retval"]))

# %% [markdown]
# `return` ran the partial to its end, which pdb calls `--Return--`, and `retval` printed what it
# returns. `up` goes to the caller.

# %% tags=["not-in-the-page"]
show(session[10:13])

# %% [markdown]
# Here `c` is the Tensor whose rule is at work, and `t` is the input that gets the gradient. One line
# further, `unbroadcast` sums a partial back to the shape of `t`, as
# [Broadcasting](broadcasting.ipynb) explains.

# %% [markdown]
# ## Inside Adam
#
# The third script takes one step of Adam. The loss is $\sum_i (w_i - y_i)^2$ with $w = (5, 0)$ and
# $y = (3, 1)$, so the gradient is $g = 2 (w - y) = (4, -2)$.

# %%
adam_step = """\
import simplegrad as sg
import simplegrad.optimizers as optim

y = sg.Tensor([3.0, 1.0], name="y")
w = sg.Tensor([5.0, 0.0], requires_grad=True, name="w")
opt = optim.Adam(lr=0.1, param_groups=[{"params": {"w": w}}])
loss = ((w - y) ** 2).sum()
loss.backward()
opt.step()
"""

# %% [markdown]
# `opt.step()` calls `Adam.update` for each parameter. A breakpoint there is hit after everything has
# been checked, with the gradient at hand. The first lines of `update` give the values their names, and
# `until` passes over them to the first equation. (The cell looks up the number of its line. You see it
# in your editor.)

# %% tags=["not-in-the-page"]
m_t_line = line_of(sg.optimizers.Adam.update, "m_t =")
commands = ["until 4", "break optim.Adam.update", "continue", f"until {m_t_line}"]
commands += ["p t, g", "p m, v", "next", "p m_t", "next", "p v_t"]
commands += ["next", "p m_hat", "next", "p v_hat", "next", "p theta", "quit"]
session = debug("adam_step.py", adam_step, commands)
show(session[:7])

# %% [markdown]
# This is the first step, $t = 1$, and both moments are zero. Now one equation a line. The line after
# `->` is the equation that runs next, so `p m_t` stands after the `next` that has run it.
#
# $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$
# $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$

# %% tags=["not-in-the-page"]
show(session[7:11])

beta_1, beta_2 = 0.9, 0.999
t, g, m, v = 1, np.array([4.0, -2.0]), np.zeros(2), np.zeros(2)
m_t = beta_1 * m + (1 - beta_1) * g
v_t = beta_2 * v + (1 - beta_2) * g**2

answers = dict(session)
assert np.allclose(m_t, numbers(answers["p m_t"]))
assert np.allclose(v_t, numbers(answers["p v_t"]))

# %% [markdown]
# The moments started from zero, so both are too small. The bias correction divides it out. In the first
# step it gives $g$ and $g^2$ back.
#
# $$\hat m = m_t / (1 - \beta_1^t)$$
# $$\hat v = v_t / (1 - \beta_2^t)$$

# %% tags=["not-in-the-page"]
show(session[11:15])

m_hat = m_t / (1 - beta_1**t)
v_hat = v_t / (1 - beta_2**t)

assert np.allclose(m_hat, numbers(answers["p m_hat"]))
assert np.allclose(v_hat, numbers(answers["p v_hat"]))

# %% [markdown]
# The last equation moves the parameter. Both elements move by the learning rate 0.1, though one
# gradient is twice the other.
#
# $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$

# %% tags=["not-in-the-page"]
show(session[15:17])

lr, eps = 0.1, 1e-8
theta = np.array([5.0, 0.0])
theta -= lr * m_hat / (np.sqrt(v_hat) + eps)

assert np.allclose(theta, numbers(answers["p theta"]))

# %% [markdown]
# ## The first NaN
#
# A NaN spreads: nearly everything that is computed from it is NaN, too. When the loss is NaN, you want
# to know which operation made the first one. This script computes a softmax without care for large
# numbers.

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
# | breakpoint | you will see |
# |---|---|
# | `sg.Tensor.__mul__` | both operands as Tensors: what they are, and where they come from |
# | `sg.rules.Mul.forward` | the arrays `a` and `b` that go into the equation |
# | `sg.rules.Mul.da` | `dc`, `c`, `a`, `b`: all that a partial depends on |
# | `sg.tensor.record` | every result of the forward pass: `data`, `rule`, `inputs`, `params` |
# | `sg.autograd.chain_rule` | the tape; in the loop `c`, `dc`, `t`, `dt`, and the gradients so far |
# | `sg.autograd.unbroadcast` | every partial, and the shape that it is summed back to |
# | `sg.nn.Module.__call__` | each module with its input, from the outside in |
# | `sg.functional.cross_entropy` | the logits and the targets |
# | `sg.optimizers.Optimizer.step` | the groups, and the parameters one by one |
# | `sg.optimizers.Adam.update` | $t$, $g$, and the five equations |
#
# pdb accepts all of them, and says in which file and line they are. In VS Code, go to that line and
# press F9.

# %% tags=["not-in-the-page"]
places = ["sg.Tensor.__mul__", "sg.rules.Mul.forward", "sg.rules.Mul.da", "sg.tensor.record"]
places += ["sg.autograd.chain_rule", "sg.autograd.unbroadcast", "sg.nn.Module.__call__"]
places += ["sg.functional.cross_entropy", "sg.optimizers.Optimizer.step"]
places += ["sg.optimizers.Adam.update"]

commands = [f"break {place}" for place in places]
session = debug("product.py", product, ["until 3", *commands, "quit"])
for place, (_, answer) in zip(places, session[2:], strict=False):
    assert answer.startswith("Breakpoint")
    print(f"{place:30} {answer.split(' at ')[1].strip()}")

# %% [markdown]
# A function under [`fast.replay`](fast.ipynb) repeats the NumPy calls of its first run, and no
# Python of yours is left to step through. Write `@fast.replay(eager=True)` while you debug.
# `sg.explain` and `sg.step_through` do not need it: the function runs as it is while they look on.

# %% [markdown]
# ## Without a debugger
#
# Often a table is enough. `sg.explain` makes a call and shows the lines of the library that ran, with
# the numbers put in.

# %% tags=["not-in-the-page"]
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
loss = ((a * b) ** 2).sum()
explanation = sg.explain(loss.backward, parameter="a", index=1)
print(explanation)
assert a.grad[1] == explanation.lines[-1].result == 64

# %% [markdown]
# ## VS Code
#
# The repository comes with `.vscode/launch.json`. Open its folder in VS Code with the Python extension,
# choose a configuration in the pane Run and Debug, and press F5. "Current file" runs the script that you
# are looking at, this tutorial for example.

# %% tags=["not-in-the-page"]
import json

launch = Path(sg.__file__).parents[1] / ".vscode" / "launch.json"
if launch.exists():  # it does in a clone of the repository
    configurations = json.loads(launch.read_text())["configurations"]
    for configuration in configurations:
        if configuration["name"] == "Current file":
            print(json.dumps(configuration, indent=4))
        assert configuration["justMyCode"] is False

# %% [markdown]
# `"justMyCode": false` is the line that matters. By default, VS Code's debugger passes over the code of
# installed packages: if simplegrad is one, F11 on `c = a * b` goes to the next line of your script. With
# `false` it goes into the library. Copy the configuration to your own projects. `"subProcess": false`
# keeps the debugger out of other processes that a script starts, such as those of pdb in this tutorial.
#
# A breakpoint gets a condition by a right click: `np.isnan(data).any()`, for instance, in the first line
# of `record`. In the pane Breakpoints, Uncaught Exceptions is ticked from the start. So VS Code stops
# where an error is raised that nothing catches: that is its post-mortem.
#
# The pane Variables shows what there is. The pane **Watch** shows what you ask for, again at each stop:
#
# | where you are | watch | it says |
# |---|---|---|
# | in your training loop | `loss` | its value, and the rule that computed it |
# | | `w.grad` | the gradient: None before the first `backward()` |
# | | `abs(w.grad).max()` | whether gradients vanish or explode |
# | in `chain_rule` | `c` | the tensor whose rule is at work |
# | | `dc.shape, t.shape` | whether a broadcast is to be undone |
# | | `np.isfinite(dc).all()` | whether the gradient is still sound |
# | in `Adam.update` | `theta.name, theta.shape` | which parameter it is |
# | | `m_hat / (np.sqrt(v_hat) + eps)` | the step in units of $lr$, once `v_hat` is there |

# %% [markdown]
# ## Exercises
#
# **1.** `opt.step()` can be called again with the same gradient. Append `opt.step()` to `adam_step`, stop
# in the second step, and print `t`, `m` and `m_t`. Check by hand that $m_t = 0.9 \, m + 0.1 \, g$.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 1
commands = ["until 4", "break optim.Adam.update", "continue", "continue"]
commands += [f"until {m_t_line}", "next", "p t", "p m", "p m_t", "quit"]
session = debug("two_steps.py", adam_step + "opt.step()\n", commands)
show(session[5:10])

answers = dict(session)
assert answers["p t"].strip() == "2"
m = numbers(answers["p m"])
assert np.allclose(m, [0.4, -0.2])
assert np.allclose(0.9 * m + 0.1 * g, numbers(answers["p m_t"]))

# %% [markdown]
# **2.** Multiply a matrix of shape (3, 4) by one of shape (4, 2), sum all elements, and stop in
# `MatMul.db`. Which shapes have `dc`, `a` and `b` there? Which shape does the partial return? Work it
# out before you look.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 2
matrix_product = """\
import simplegrad as sg

x = sg.ones((3, 4), name="x")
W = sg.ones((4, 2), requires_grad=True, name="W")
loss = (x @ W).sum()
loss.backward()
"""

commands = ["until 3", "break sg.rules.MatMul.db", "continue"]
commands += ["p dc.shape, a.shape, b.shape", "p (a.mT @ dc).shape", "quit"]
session = debug("matrix_product.py", matrix_product, commands)
show(session[3:6])

# dc is like the result and db like b; a.mT is the only factor that makes one of the other.
answers = dict(session)
assert answers["p dc.shape, a.shape, b.shape"].strip() == "((3, 2), (3, 4), (4, 2))"
assert answers["p (a.mT @ dc).shape"].strip() == "(4, 2)"

# %% [markdown]
# **3.** How many partials does `backward()` evaluate for `y = norm(x).sum()`, where `norm` is an
# `nn.LayerNorm(4)`? How many, if `x` requires gradients? Count in `simplegrad/nn/normalisation.py`. Then let
# pdb count: `unbroadcast` is called once for each partial, `ignore 1 1000` passes breakpoint 1 the next
# 1,000 times, and `break` alone lists the breakpoints and how often each was hit.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 3
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
# **4.** The terms of an entropy, $-p \log p$, are 0 for $p = 0$. The next script says so with
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
# A solution of exercise 4
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
# - The Python documentation, "pdb: The Python Debugger": all of its commands.
# - Zeller (2009), "Why Programs Fail: A Guide to Systematic Debugging": how to get from a failure to its
#   cause without guessing.
# - Goodfellow, Bengio and Courville (2016), "Deep Learning", section 11.5: debugging strategies for
#   models that run and do not learn.
#
# Next: [A tiny GPT](tiny_gpt.ipynb), a language model that you can step through.
