# %% [markdown]
# # Seeing it happen
#
# A debugger stops a program at a line that you have chosen, a **breakpoint**. It shows every variable
# there, and goes on one line at a time.
# simplegrad is written for it: each equation is a line of Python, and its variables have the names
# of the equation. Here you go from `c = a * b` to the line of NumPy that multiplies, and then through
# `backward()`, partial by partial. Each number that you meet on the way back has an equation.
#
# - **You will be able to** step into any operation, say what the debugger will show at each stop of
#   `backward()`, and see the same without a debugger.
# - **Read before:** [The backward pass](backward.ipynb) and [Broadcasting](broadcasting.ipynb).

# %% [markdown]
# ## Two debuggers
#
# pdb comes with Python and is driven by typed commands. `python -m pdb script.py` starts a script
# and stops before its first line. VS Code shows the same things in panes and is driven by keys.
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
# The script multiplies two tensors, squares, sums and differentiates.

# %%
product = """\
import simplegrad as sg

a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
c = a * b
p = c**2
loss = p.sum()
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
# ## Into `backward()`
#
# This is the graph that the script leaves, and the way back goes through it from right to left.

# %% alt="The graph of the product: the leaves a and b lead to Mul, with the values 3 and 8; Mul and the constant 2 lead to Pow, with 9 and 64, and Pow to Sum, the loss 73."
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
p = (a * b) ** 2
loss = p.sum()
assert loss.item() == 73
sg.draw(loss)

# %% [markdown]
# `backward` in `simplegrad/autograd.py` has three lines that matter, and you know all of them: it makes
# the tape, runs the chain rule along it, and adds what comes out to the `.grad` of the leaves. Step into
# it, and run to its second one. (The cell looks up the numbers of the lines. You see them in your
# editor.)

# %% tags=["not-in-the-page"]
grads_line = line_of(sg.autograd.backward, "grads =")
dt_line = line_of(sg.autograd.chain_rule, "dt =")

commands = ["until 8", "step", "next", f"until {grads_line}", "pp tape"]
commands += ["step", "next", f"break {dt_line}"]
commands += 4 * ["continue", "p c", "p dc", "p t"] + ["quit"]
session = debug("product.py", product, commands)
show(session[1:6])

assert "name='a'" in session[5][1].splitlines()[0]
assert "rule=Sum" in session[5][1].splitlines()[-1]

# %% [markdown]
# The tape lists every tensor that the loss was computed from, the leaves first and the loss last. The
# number 2 of `c**2` is not there, since nobody wants its gradient. Now step into `chain_rule`, which goes
# through the tape from its end. The line to stop at is the one that calls a partial. Once the debugger
# is in a file, `break` and a number are enough for a breakpoint in it.

# %% tags=["not-in-the-page"]
show(session[6:9])

# %% [markdown]
# ## Four stops
#
# The breakpoint is reached once for each partial. In `chain_rule`, the tensor whose rule is at work is
# always called `c`, the gradient that has arrived at it `dc`, and the input that is to get one `t`. At
# the first stop, `c` is the loss, whose gradient by itself is 1. At the second stop, it is $p$: a sum
# hands its gradient on to each element.
#
# $$dloss = 1$$
# $$dp_i = dloss$$


# %% tags=["not-in-the-page"]
def numbers(answer):
    """The numbers of an array that pdb has printed."""
    inside = answer[answer.index("(") + 1 : answer.index(", dtype")]
    return np.array([float(number) for number in inside.strip("[]").split(",")])


show(session[9:17])
at_stop = [numbers(answer) for command, answer in session if command == "p dc"]

a = np.array([1.0, 2.0])
b = np.array([3.0, 4.0])
c = a * b

dloss = 1.0
dp = dloss * np.ones(2)
assert np.allclose(dloss, at_stop[0])
assert np.allclose(dp, at_stop[1])

# %% [markdown]
# The square has the partial $2 c$, so this is what arrives at the product:
#
# $$dc = dp \, 2 c$$

# %% tags=["not-in-the-page"]
show(session[17:25])

dc = dp * 2 * c
assert np.allclose(dc, at_stop[2])
assert np.allclose(dc, at_stop[3])

# %% [markdown]
# The product has two inputs, so it has two partials and two stops. `c` and `dc` are the same at both, and
# `t` is first `a` and then `b`. The leaves have no rule: nothing stops for them, and their gradients stay.
#
# ## Inside a partial
#
# A partial is a function of plain arrays. From the breakpoint you could step into it. A breakpoint of its
# own is shorter. pdb looks up names where it stands: `sg` exists in your script, and not in the files of
# the library. So set such a breakpoint while you are still in the script.

# %% tags=["not-in-the-page"]
commands = ["until 5", "break sg.rules.Mul.da", "continue", "args", "return", "retval"]
commands += ["up", "p c", "p t", "quit"]
session = debug("product.py", product, commands)
show(session[2:7])

# %% [markdown]
# `dc` is the derivative of the loss by the result `c`, and `a` and `b` are the inputs of the forward pass.
# `return` ran the partial to its end, which pdb calls `--Return--`, and `retval` printed what it
# returns. It must be
#
# $$da = dc \, b$$

# %% tags=["not-in-the-page"]
da = dc * b

answers = dict(session)
print("by hand", da, " in pdb", numbers(answers["retval"]))
assert np.allclose(da, numbers(answers["retval"]))

# %% [markdown]
# `up` goes to the caller.

# %% tags=["not-in-the-page"]
show(session[7:10])

# %% [markdown]
# You are back at the line that calls the partial. `unbroadcast`, which stands around the partial, sums what it
# returned back to the shape of `t`, as [Broadcasting](broadcasting.ipynb) explains. Here the shapes are
# the same, and it returns what it was given.

# %% [markdown]
# ## The stepper
#
# No debugger at hand? `sg.step_through` makes a call and writes down each line that ran, with the
# variables of that moment. Then you go through them with buttons: Into, Over and Out are the keys of a
# debugger, and Back goes to the step before, which pdb cannot. Under "Jump to", choose an equation.

# %%
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
p = (a * b) ** 2
loss = p.sum()
sg.step_through(loss.backward)

# %% [markdown]
# Hand it the function and not its result: `loss.backward`, without parentheses. The call was made, so the
# gradients are there: $dc \, b$ and $dc \, a$ with $dc = 2 a b$.

# %%
print(a)
print(b)
assert np.allclose(a.grad, 2 * a.numpy() * b.numpy() ** 2)
assert np.allclose(b.grad, 2 * a.numpy() ** 2 * b.numpy())

# %% [markdown]
# In a script, `sg.step_through(loss.backward).save("steps.html")` writes a page that you can open, or hand
# in.
#
# ## A table
#
# Often a table is enough. `sg.explain` makes a call and shows the lines that compute an equation, with the
# numbers put in. `parameter` chooses the leaf that you ask about, and `index` an element of it.

# %%
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
loss = ((a * b) ** 2).sum()
explanation = sg.explain(loss.backward, parameter="a", index=1)
print(explanation)
assert a.grad[1] == explanation.lines[-1].result == 64

# %% [markdown]
# | you want to | take |
# |---|---|
# | see the numbers of one element | `sg.explain` |
# | go through a call, forwards and back, or show it to others | `sg.step_through` |
# | stop anywhere, ask for anything, and change it | a debugger |
#
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
# The pane Variables shows what there is. The pane Watch shows what you ask for, again at each stop:
#
# | where you are | watch | it says |
# |---|---|---|
# | in your script | `loss` | its value, and the rule that computed it |
# | | `a.grad` | the gradient: None before the first `backward()` |
# | in `chain_rule` | `c` | the tensor whose rule is at work |
# | | `t` | the input that gets the gradient |
# | | `dc.shape, t.shape` | whether a broadcast is to be undone |

# %% [markdown]
# ## Exercises
#
# The longer exercise `stops` in `tutorials/exercises/` comes with a check: predict what the debugger will
# show at each stop, and the gradients in the end.
#
# **1.** Let the loss use `a` once more: `loss = (p + a).sum()` in place of `loss = p.sum()`. How often does
# the breakpoint in `chain_rule` stop now, and what is `dc` each time? Write the list down, then look.

# %% jupyter={"outputs_hidden": true, "source_hidden": true} tags=["not-in-the-page"]
# A solution of exercise 1
used_twice = product.replace("loss = p.sum()", "loss = (p + a).sum()")

commands = ["until 8", "step", "next", f"until {grads_line}", "step", "next", f"break {dt_line}"]
commands += 6 * ["continue", "p c, t", "p dc"] + ["quit"]
session = debug("used_twice.py", used_twice, commands)
show(session[8:26])

# Sum once, Add twice, Pow once, Mul twice. The partials of the addition hand dc on as it is, and so
# da has two parts: 1, which came first, and dc b, which was added to it.
at_stop = [numbers(answer) for command, answer in session if command == "p dc"]
expected = [[1], [1, 1], [1, 1], [1, 1], [6, 16], [6, 16]]
assert [dc.tolist() for dc in at_stop] == expected

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
# **3.** In $c = a \, b$ let $b$ be the number 3. Where in the steps of `backward()` does a gradient of shape
# (2,) become one of shape ()? Find the line with `sg.step_through`, or with a breakpoint in
# `unbroadcast`, and say which numbers are added.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor(3.0, requires_grad=True, name="b")
loss = ((a * b) ** 2).sum()
explanation = sg.explain(loss.backward, parameter="b")
print(explanation)

# In the last line of unbroadcast: dc is 2 c = (6, 12), dc a is (6, 24), and the sum of its two elements
# is the gradient of the one number.
assert b.grad == 6 * 1 + 12 * 2 == 30

# %% [markdown]
# ## Read on
#
# - The Python documentation, "pdb: The Python Debugger": all of its commands.
# - Zeller (2009), "Why Programs Fail: A Guide to Systematic Debugging": how to get from a failure to its
#   cause without guessing.
