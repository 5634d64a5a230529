# %% [markdown]
# # In the debugger
#
# A debugger stops a program at a line, shows every variable there, and goes on line by line. In
# simplegrad each equation is a line, and its variables have the names of the equation: you see the
# equation happen. This page says where to stop and what to look at. The tutorials
# [Seeing it happen](tutorials/seeing.md) and [Debugging further](tutorials/debugging.md) have whole
# sessions, and exercises.
#
# The examples are about this program, `script.py`:

# %%
import simplegrad as sg

a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor([3.0, 4.0], requires_grad=True, name="b")
c = a * b
loss = (c**2).sum()
loss.backward()

# %% [markdown]
# ## Start
#
# **VS Code.** Open the folder of your clone, with the Python extension installed. F9 sets a breakpoint
# on the line of the cursor. Choose in the pane Run and Debug what to start, and press F5:
#
# | choice | what it starts |
# |---|---|
# | Demo | `python -m simplegrad` |
# | Current file | the script that is open, such as a tutorial |
# | Current test file | pytest on the test file that is open |
# | Tests | pytest on everything |
#
# These come from `.vscode/launch.json`. All of them have `"justMyCode": false`: without it, the debugger
# passes over installed packages. Where you have installed simplegrad as one, copy an entry to your own
# project.
#
# **PyCharm.** Right-click in the script and choose Debug. If simplegrad is an installed package, clear
# the check box "Do not step into library scripts" in the settings, under Debugger, Stepping. On a line
# with several calls, PyCharm asks which to step into; the equation is in `forward`.
#
# **pdb** comes with Python. `python -m pdb script.py` stops before the first line, where `sg` is not yet
# imported. So run past the imports first:
#
# ```text
# (Pdb) until 3
# (Pdb) break sg.rules.Mul.da
# (Pdb) continue
# (Pdb) p dc
# array([ 6., 16.], dtype=float32)
# (Pdb) p a, b
# (array([1., 2.], dtype=float32), array([3., 4.], dtype=float32))
# ```
#
# | | VS Code | PyCharm | pdb |
# |---|---|---|---|
# | run to the next breakpoint | F5 | F9 | `continue` |
# | run this line | F10 | F8 | `next` |
# | step into a call | F11 | F7 | `step`, and `next` at `--Call--` |
# | run to a line further down | Ctrl+F10 on it (Run to Cursor) | Alt+F9 on it | `until` and its number |
# | see a value | hover, Variables, Watch | hover, Variables, Watches | `p a` |
# | see who called | Call Stack | Frames | `where`, `up`, `down` |
#
# ## Two step-ins to NumPy
#
# | the debugger is at | in | go on with |
# |---|---|---|
# | `c = a * b` | your script | step into |
# | `a, b = operands(a, b)` | `Tensor.__mul__` | run this line |
# | `return record(rules.Mul.forward(a.data, b.data), rules.Mul, a, b)` | `Tensor.__mul__` | step into |
# | `return a * b` | `Mul.forward` | NumPy multiplies |
#
# All operators and functions of one rule are made like this: the first line makes Tensors of the
# operands, the second computes and records. `Mul.forward` gets plain arrays.
#
# A line that calls a function of `simplegrad/given.py`, `habits.py`, `mistakes.py` or `trained.py` computes
# nothing: it checks what was given, or watches for mistakes. Step over it.
#
# ## From backward() to the first partial
#
# | the debugger is at | in | go on with |
# |---|---|---|
# | `loss.backward()` | your script | step into |
# | `d_root = first_gradient(root, grad, "backward", **wrong)` | `backward` | run this line |
# | `tape = tape_of(root)` | `backward` | run this line |
# | `mistakes.check_data_unchanged(tape)` | `backward` | run this line |
# | `grads = chain_rule(tape, d_root, retain_grads)` | `backward` | step into |
# | `grads = {tape[-1].index: d_root}` | `chain_rule` | run to `dt = unbroadcast(partial(` |
# | `dt = unbroadcast(partial(dc, c.data, *arrays, **c.params), t.shape, c)` | `chain_rule` | step into |
# | `dc = keep(dc, axis, keepdims)` | `Sum.da` | the partial begins: `dc`, `c`, `a` |
#
# The loss is a sum, so its partial is the first. From there on, each round of `chain_rule` stops at the
# next partial. Instead of the last three keys, a breakpoint on the line `dt = …` does the same.
#
# ## From opt.step() to m_t
#
# Let a program train two groups, of which the second one climbs, at a rate of its own:

# %%
import simplegrad.optimizers as optim

w = sg.Tensor([5.0, 0.0], requires_grad=True, name="w")
bias = sg.Tensor([1.0], requires_grad=True, name="bias")
groups = [
    {"params": {"w": w}, "label": "down"},
    {"params": {"bias": bias}, "label": "up", "lr": 0.01, "beta_1": 0.5, "maximize": True},
]
opt = optim.Adam(lr=0.1, param_groups=groups)
(w * bias).sum().backward()
opt.step()
state = opt.state()
opt.load_state(state)

# %% [markdown]
# | the debugger is at | in | go on with |
# |---|---|---|
# | `opt.step()` | your program | step into |
# | `self._check_gradients()` | `step` | run to `kept[name] = self.update(` |
# | `kept[name] = self.update(theta, group, kept[name])` | `step` | step into |
# | `beta_1, beta_2, eps = group["beta_1"], group["beta_2"], group["eps"]` | `update` | run this line |
# | `lr = -group["lr"] if group["maximize"] else group["lr"]  # x -= -y is x += y, to the bit` | `update` | run this line |
# | `t, g, (m, v) = self.step_count, theta.grad, kept` | `update` | run this line |
# | `m_t = beta_1 * m + (1 - beta_1) * g` | `update` | the five equations begin: `lr`, `beta_1`, `t`, `g`, `m` |
#
# `update` is entered once for each parameter, the first group first. Instead of all these keys, a
# breakpoint on the line `m_t = …` does the same.
#
# ## Groups, maximize and the state
#
# At each of these lines the group is there, or what is saved of it. In the program above they show, for
# the first group and for the second:
#
# | in | at the line | look at | first group | second group |
# |---|---|---|---|---|
# | `Adam.update` | `m_t = beta_1 * m + (1 - beta_1) * g` | `group["label"]` | `'down'` | `'up'` |
# | `Adam.update` | `m_t = beta_1 * m + (1 - beta_1) * g` | `lr` | `0.1` | `-0.01` |
# | `Adam.update` | `m_t = beta_1 * m + (1 - beta_1) * g` | `beta_1` | `0.9` | `0.5` |
# | `Adam.update` | `return m_t, v_t` | `theta.data` | `array([ 4.9, -0.1], dtype=float32)` | `array([1.01], dtype=float32)` |
# | `Optimizer.state` | `entries.append(entry)` | `entry["lr"]` | `0.1` | `0.01` |
# | `Optimizer.state` | `entries.append(entry)` | `entry["maximize"]` | `False` | `True` |
# | `Optimizer.state` | `entries.append(entry)` | `[*entry["moments1"]]` | `['w']` | `['bias']` |
# | `Optimizer.load_state` | `self.check_group({**group, **entry})` | `entry["label"]` | `'down'` | `'up'` |
#
# A group that climbs has the sign of its learning rate turned round, in a variable of `update` alone:
# `group["lr"]` and the state keep it as it was given. `state()` goes through its groups in the loop around
# `entries.append(entry)`. `load_state` checks everything first; its lines from `self.step_count =` on change
# the optimizer. Watch `self` there, and you see all groups with their hyperparameters.
#
# ## Where to stop
#
# | breakpoint | at the line | what you see there |
# |---|---|---|
# | `sg.rules.Mul.forward` | `return a * b` | the arrays that go into an operation |
# | `sg.rules.Mul.da` | `return dc * b` | a partial, and all that it depends on: `dc`, `c`, `a`, `b` |
# | `sg.tensor.record` | `c = Tensor.__new__(Tensor)` | each result: `data`, `rule`, `inputs`, `params` |
# | `sg.autograd.chain_rule` | `dt = unbroadcast(partial(dc, c.data, *arrays, **c.params), t.shape, c)` | the backward pass, partial by partial: `tape`, `c`, `dc`, `t` |
# | `sg.autograd.chain_rule` | `grads[t.index] = grads[t.index] + dt if t.index in grads else dt` | each gradient `dt` on its way to the tensor `t` |
# | `sg.autograd.unbroadcast` | `if grad.shape == shape:` | what a partial returned, and the shape to sum it to |
# | `sg.nn.Module.__call__` | `result = self.forward(*args, **kwargs)` | each module and its input, from the outside in |
# | `sg.optimizers.Optimizer.step` | `kept[name] = self.update(theta, group, kept[name])` | the parameters, one by one: `name`, `theta` |
# | `sg.optimizers.Adam.update` | `m_t = beta_1 * m + (1 - beta_1) * g` | `t`, `g`, `m`, `v`; then an equation with each line |
#
# pdb takes the first column: `break sg.rules.Mul.da`. Everywhere else, go to the line and press the key
# for a breakpoint.
#
# ## What to look at
#
# A Tensor fits on a line of the Variables pane: its first values, its shape and dtype, the rule that made
# it, its gradient, and the name that you gave it.

# %%
print(a)
print(c)

# %% [markdown]
# A leaf that has got no gradient yet shows `grad=None`. These are worth a place in the Watch pane:
#
# | where you are | watch | it says |
# |---|---|---|
# | your script | `c.rule` | which rule made it; None for a leaf |
# | your script | `c.inputs` | from what: unfold it, and you walk down the graph |
# | your script | `abs(a.grad).max()` | whether gradients vanish or explode |
# | `sg.autograd.chain_rule` | `dc` | $\partial L / \partial c$ |
# | `sg.autograd.chain_rule` | `[t.name for t in c.inputs]` | whom the partials are for |
# | `sg.autograd.chain_rule` | `np.isfinite(dc).all()` | whether the gradient is still sound |
# | `sg.optimizers.Adam.update` | `group["label"], theta.name` | which group and which parameter it is |
# | `sg.optimizers.Adam.update` | `theta.data` | its values, before the last line and after it |
# | `sg.optimizers.Adam.update` | `beta_1**t` | the share of the start from zero in `m_t`, which the bias correction divides out |
#
# ## The first number that is not finite
#
# A NaN spreads to all that is computed from it, and the first one mostly comes from an infinity. Every
# result passes through `record`, and every partial through `unbroadcast`. Give their breakpoints a
# condition (right-click on the red dot in VS Code and in PyCharm):
#
# | breakpoint | at the line | condition |
# |---|---|---|
# | `sg.tensor.record` | `c = Tensor.__new__(Tensor)` | `not np.isfinite(data).all()` |
# | `sg.autograd.unbroadcast` | `if grad.shape == shape:` | `not np.isfinite(grad).all()` |
#
# In pdb it follows a comma: `break sg.tensor.record, not np.isfinite(data).all()`. When the first of them
# stops, the operator is one frame up in the call stack, and your line two frames.
#
# A breakpoint can also stand in your program. Debuggers stop there as at any other. Without one, Python
# starts pdb there, or passes over it if the environment has `PYTHONBREAKPOINT=0`.
#
# ```python
# import numpy as np
#
# if not np.isfinite(a.grad).all():
#     breakpoint()
# ```
#
# ## Where no debugger stops
#
# A function under `fast.replay` runs once, to be recorded. Then its NumPy calls are repeated without a
# line of yours. While you debug, let it run as it is written, and take `optimizers.Adam` for `fast.Adam`:
# both give the same bits.

# %%
from simplegrad import fast


@fast.replay(eager=True)
def loss_of(a, b):
    return ((a * b) ** 2).sum()


print(loss_of(a, b).item() == loss.item())

# %% [markdown]
# `sg.explain` traces the lines of a call itself, so breakpoints within that call are passed over. A
# replayed function runs as it is while `sg.explain` or `sg.step_through` look on.
