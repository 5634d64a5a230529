# %% [markdown]
# # How it works
#
# Read this before your first change. It follows one product through the library: forward, backward,
# and a step of an optimizer. All code on this page is printed from the source when the site is built.
#
# ## The house
#
# Imports run one way, upwards in this picture: no file knows those above it. Below the dashed line is
# what you read to understand: rules know NumPy and nothing else, tensors know rules, and layers and
# optimizers are written with tensors. Above it is what serves you while you do. Nothing below knows of
# it, and nothing there branches for speed.

# %% jupyter={"source_hidden": true} alt="A map of the rooms, each drawn as a box, with an arrow from each to those that use it. On the ground floor are rules; in one box given, mistakes and what is like them; and modes. Above them, in one box, tensor and autograd, which belong together; then creation and functional, and beside creation datasets, which know it; nn; derivatives and partials, in one box; and optimizers. A dashed line separates them from tools, fast, exercises and parallel, which stand above."
import ast
import inspect
from pathlib import Path

import matplotlib.pyplot as plt

import simplegrad as sg

TOGETHER = {
    **dict.fromkeys(["tensor", "autograd"], "tensor, autograd"),
    **dict.fromkeys(["derivatives", "partials"], "derivatives, partials"),
    **dict.fromkeys(
        ["given", "habits", "mistakes", "other_names", "trained"], "given, mistakes, …"
    ),
}
PLACES = {
    "rules": (0.2, 0),
    "given, mistakes, …": (1.6, 0),
    "modes": (3, 0),
    "tensor, autograd": (1.6, 1),
    "functional": (0, 2),
    "creation": (1.2, 2),
    "nn": (0.6, 3),
    "optimizers": (0.6, 4),
    "datasets": (3.2, 2),
    "derivatives, partials": (2.4, 3),
    "tools": (0, 5.4),
    "fast": (1.3, 5.4),
    "exercises": (2.6, 5.4),
    "parallel": (3.9, 5.4),
}
package = Path(sg.__file__).parent
uses = {}
for path in package.rglob("*.py"):
    part = path.relative_to(package).parts[0].removesuffix(".py")
    used = uses.setdefault(TOGETHER.get(part, part), set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and "simplegrad" in node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            names = {module.split(".")[1] for module in modules if "." in module}
            used |= {TOGETHER.get(name, name) for name in names}
parts = set(uses) - {"__init__", "__main__"}
assert parts <= set(PLACES), "a part is not on the map"

figure, axes = plt.subplots(figsize=(7, 5.4))
style = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": "C0", "linewidth": 1.5}
center = {"ha": "center", "va": "center"}
texts = {
    part: axes.text(*PLACES[part], part, family="monospace", size=11, bbox=style, **center)
    for part in parts
}
for part in parts:
    known = uses[part] & parts - {part}
    for used in known:
        if any(used in uses[other] for other in known - {used}):
            continue  # part knows it by way of another one, to which an arrow is drawn
        ends = {"patchA": texts[used].get_bbox_patch(), "patchB": texts[part].get_bbox_patch()}
        arrow = {"arrowstyle": "-|>", "color": "C7", "shrinkA": 2, "shrinkB": 2, **ends}
        axes.annotate("", PLACES[part], PLACES[used], arrowprops=arrow)
axes.axhline(4.7, color="C7", linestyle="--")
axes.text(4.4, 4.8, "what serves you", ha="right", size=9)
axes.text(4.4, 4.6, "what you read", ha="right", va="top", size=9)
axes.set(xlim=(-0.6, 4.4), ylim=(-0.4, 5.8))
axes.set_axis_off()
plt.show()

# %% [markdown]
# | file | what it holds |
# |---|---|
# | `rules/` | every differentiable rule: one equation forward, and one for each partial |
# | `given.py` | what a user gave, checked: numbers, sizes, dtypes, shapes, and the sentences |
# | `habits.py` | what is said of names and arguments of other libraries; `other_names.py` lists them |
# | `mistakes.py` | what is watched for: data that changed before `backward`, a parameter made in `forward`, `math.exp` of a Tensor |
# | `trained.py` | the same, whether an optimizer has the parameters that got gradients |
# | `modes.py` | what holds within a `with` block: the base of `no_grad` |
# | `tensor.py` | Tensor: an array, its gradient and the recipe that made it; the operators |
# | `autograd.py` | the engine: the tape, `backward`, `unbroadcast`, `no_grad` |
# | `creation.py` | tensors from a shape, random indices, and the random generator |
# | `functional/` | functions of a rule each, and what is composed of rules: softmax, losses |
# | `derivatives.py` | `grad`, Jacobians and Hessians; `partials.py` runs partials on Tensors for it |
# | `nn/` | `Module`, layers, normalisation, activations, losses, `init`, `clip_grad_norm` |
# | `optimizers/` | groups and state in `optimizer.py`, `groups.py` and `param_groups.py`; one file for each optimizer; `schedules.py` |
# | `datasets/` | the digits, the names, and `batches` of arrays |
# | **above the line** | **what serves the reader** |
# | `tools/gradcheck.py` | gradients against complex steps and central differences |
# | `tools/detect.py` | a watch for the first NaN, and for gradients that were not cleared |
# | `tools/step_through.py` | each step of a call: `recorder.py` writes them down, `storyboard.py` says what is seen, `stepper.js` shows it |
# | `tools/explain.py` | the lines that a call runs; `trace.py` follows them, `lines.py` writes them down |
# | `tools/equations.py` | the equations of docstrings, and the statements that compute them |
# | `tools/draw.py` | the graph of a result; `folding.py` and `layout.py` say what is shown, and where |
# | `tools/checkpoint.py` | saving and loading |
# | `exercises/` | the check of the exercises: references and mistakes as data |
# | `fast/adam.py` | the same equations in place, as in `sgd.py` and `rmsprop.py`; `in_place.py` cuts the arrays into blocks |
# | `fast/replay.py` | NumPy calls made again: `reading.py` looks at what a function refers to, `recording.py` writes its calls down, `program.py` makes a function and a script of them |
# | `parallel.py` | training in many processes: shares of a batch, and the mean of their gradients |
#
# ## A rule is two or three equations
#
# A rule is a class that nobody makes an instance of: a place for plain functions on plain arrays.
# `forward` computes the result `c`. Each partial takes `dc`, the gradient of the loss by the result,
# and gives the gradient by one input.

# %%
from simplegrad import rules

print(inspect.getsource(rules.Mul))

# %% [markdown]
# So a rule can be tried without any engine:

# %%
import numpy as np

a, b = np.array([2.0, 3.0]), np.array([10.0, 20.0])
c = rules.Mul.forward(a, b)
print("c  =", c)
print("da =", rules.Mul.da(np.ones(2), c, a, b))

# %% [markdown]
# ## An operator computes, and remembers how
#
# `a * b` calls this method. It makes both operands tensors, computes, and hands the result to
# `record`, which keeps the recipe: the rule, its inputs, and its parameters such as an axis.

# %%
print(inspect.getsource(sg.Tensor.__mul__))

# %%
a = sg.Tensor([2.0, 3.0], requires_grad=True, name="a")
c = a * 10
print(c.rule.__name__, c.inputs, c.params)

# %% [markdown]
# That is the whole graph: plain data, without a closure and without a cycle. It is freed as soon as
# nobody holds the result. A tensor counts when it was made, and its inputs were made before it. So the
# order in which tensors were made is an order in which each comes after its inputs, and `tape_of` needs
# nothing but a sort.
#
# ## backward is one loop
#
# The gradients on the way live in a dict. Those of the leaves are added to `.grad` in the end, when
# everything could be computed. Where NumPy had broadcast an input, `unbroadcast` sums its gradient
# back: here, and nowhere else.

# %%
from simplegrad import autograd

print(inspect.getsource(autograd.chain_rule))

# %% [markdown]
# ## A step of an optimizer
#
# `Optimizer` knows groups and states, and no equation. `step` checks that every parameter has a
# gradient before it changes the first one. Then it asks the optimizer for the `update` of each
# parameter that is not frozen, which changes it and returns what is kept until the next step.

# %%
import simplegrad.optimizers as optim

print(inspect.getsource(optim.Adam.update))

# %% [markdown]
# ## The fast path does the same again
#
# `fast.Adam` makes the operations of these lines in the same order, but into arrays that exist, for a
# block at a time that fits the processor's cache. `fast.replay` records which NumPy calls a loss and
# its gradients make, or a whole step, and repeats them into the same arrays. While it records, what
# stands for an array is an object that has only the operations that can be written down; any other way
# to its numbers is an error. As the operations and their order are the same, so are the bits, and the
# tests compare them. [The fast path](tutorials/fast.md) shows how.
#
# ## What the engine keeps true
#
# - No recursion: a chain of 100,000 tensors is differentiated in linear time.
# - A second `backward()` adds to the leaves only. Nothing is left on tensors between, unless
#   `retain_grads=True` asks for it.
# - `.grad` shares memory with no other tensor, and is added to in place once it exists.
# - A graph is freed by counting references: the garbage collector has nothing to do.
# - Data that a tensor is made of is copied. An integer tensor cannot require gradients.
# - If `w.data` is assigned between forward and backward, `backward()` raises an error.
# - An operation that fails leaves everything as it was.
#
# ## What holds it together
#
# Each of these sentences is a test in `tests/`, whose folders mirror the package. Rules are compared
# with finite differences, optimizers with an oracle of high precision and with PyTorch, `fast` with
# the reference to the last bit, and a real debugger counts the step-ins. The equations on the
# [page of equations](equations.md) are taken from the docstrings, and the lines beside them from the
# files; a test translates the equations of Adam into Python and compares them with its lines. How to
# set up and run all of this is in `CONTRIBUTING.md`, and [Adding a rule](adding-a-rule.md) is a good
# first change.
