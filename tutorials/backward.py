# %% [markdown]
# # The backward pass
#
# `loss.backward()` needs the partials of each rule and an order in which to use them. This tutorial
# is about the order: what a tensor remembers of its making, why gradients add, what goes wrong when
# one is passed on too early, and how about ten lines of Python differentiate any computation.
#
# - **You will be able to** draw the graph of a computation, run the chain rule along it by hand,
#   write `backward` yourself, and say what it leaves behind.
# - **Read before:** [Gradients](gradients.ipynb).

# %%
from textwrap import fill

import numpy as np

import simplegrad as sg
from simplegrad import nn
from simplegrad.autograd import tape_of, unbroadcast

# %% [markdown]
# ## A result remembers its recipe
#
# Four tensors go with you through this tutorial: `w`, and three that are computed from it.
# They are small enough for mental arithmetic. With $w = 2$, the loss is $L = w^2 + w^3 = 12$, and
# its derivative is $2 w + 3 w^2 = 16$.

# %%
w = sg.Tensor(2.0, requires_grad=True, name="w")
u = w * w
v = w * u
L = u + v
u.name, v.name, L.name = "u", "v", "L"

for t in (w, u, v, L):
    rule = t.rule.__name__ if t.rule else "none"
    inputs = ", ".join(a.name for a in t.inputs) or "none"
    print(f"{t.name} = {t.item():2g}   rule: {rule:4}   inputs: {inputs}")

# %% [markdown]
# To compute the results is the **forward pass**, and this is all that it leaves behind. Each result
# keeps the rule that made it and the tensors that the rule was given. A tensor that you made yourself has no rule: it is a **leaf**.
# The tensors, with an arrow from each input to its result, are the **computational graph**. It has no
# cycles, because a tensor's inputs exist before it does and are never exchanged.
#
# ## The tape
#
# `tape_of` lists a result and the tensors that it was computed from. This list is its **tape**. The
# function starts at the result, follows `inputs`, and takes each tensor once, however often it was used. Then it sorts them by `index`,
# which counts the tensors of the program in the order in which they were made.

# %%
tape = tape_of(L)
print("tape:", ", ".join(t.name for t in tape))

for c in tape:
    for a in c.inputs:
        assert a.index < c.index

# %% [markdown]
# An order in which each node of a graph comes after all the nodes it depends on is called a
# **topological order**. In general, it takes an algorithm to find one (exercise 4). Here the program
# has found it already: a tensor is made after its inputs, so the order of creation is a topological
# order. A tape is also called a Wengert list, after Wengert (1964), "A simple automatic derivative
# evaluation program".
#
# Collecting and sorting needs no recursion, so a graph may be as deep as you like. By default,
# Python allows 1,000 nested calls. This graph is 5,000 additions deep.

# %%
x = sg.Tensor(1.0, requires_grad=True, name="x")
total = x
for _ in range(5000):
    total = total + x
total.backward()

print(f"{len(tape_of(total)):,} tensors on the tape, dx = {x.grad:,.0f}")
assert x.grad == 5001  # x was used 5,001 times

# %% [markdown]
# Tensors that do not require gradients are left out. Inputs of a model, targets and constants are
# used by the partials, but nobody asks for their gradients.

# %%
x = sg.Tensor(3.0, name="x")
y = w * x + 1
print("inputs of the product:", ", ".join(a.name for a in y.inputs[0].inputs))
print("tape:", ", ".join(t.name or t.rule.__name__ for t in tape_of(y)))
assert len(tape_of(y)) == 3

# %% [markdown]
# ## A picture of the graph
#
# `sg.draw` makes a picture of it. A blue box is a leaf, a yellow one a result with the rule that made
# it. An arrow leads from each input, the first above the second.

# %% alt="A graph from left to right: leaf w with value 2; u, a product, 4; v, a product, 8; L, a sum, 12. Two arrows lead from w to u, one from w to v, one from u to v, one from u to L and one from v to L."
sg.draw(L)

# %% [markdown]
# ## Gradients add
#
# Write $dt$ for $\partial L / \partial t$, as the rules do. The loss depends on `u` in two ways: `u`
# is a summand of `L`, and it is a factor of `v`. A small change of `u` changes `L` through both. To
# first order the two effects add. This is the chain rule for several variables:
# $da$ is the sum of $dc \, \partial c / \partial a$ over all the places where $a$ is used.
#
# `w` is used three times, twice in `u` and once in `v`, so its gradient has three terms. From the
# end to the beginning, starting with $dL = \partial L / \partial L = 1$:
#
# $$dv = dL \cdot 1$$
# $$du = dL \cdot 1 + dv \, w$$
# $$dw = du \, w + du \, w + dv \, u$$

# %%
dL = 1.0
dv = dL * 1
du = dL * 1 + dv * w.data
dw = du * w.data + du * w.data + dv * u.data
print(f"dv = {dv:g}, du = {du:g}, dw = {dw:g}")

w.grad = None  # backward() adds to what is there, and you may run this cell twice
L.backward()
assert w.grad == dw == 2 * 2 + 3 * 2**2

# %% [markdown]
# Put the second line into the third and multiply out: $dw$ becomes a sum of five products, one for
# each path of arrows from `w` to `L` in the picture. In general, with $p$ for a path and
# $s \to t$ for an arrow of it (Bauer, 1974):
#
# $$dw = \sum_{p} \; \prod_{(s \to t) \in p} \frac{\partial t}{\partial s}$$

# %%
dw = 0
unfinished = [(L, "L", np.float32(1))]  # a tensor, the path from it, the product along the path
while unfinished:
    t, path, product = unfinished.pop()
    if t is w:
        print(f"{path:16} {product:g}")
        dw += product
        continue
    arrays = [s.data for s in t.inputs]
    for s, partial in zip(t.inputs, t.rule.partials, strict=True):
        unfinished.append((s, f"{s.name} → {path}", partial(product, t.data, *arrays)))

print(f"{'sum':16} {dw:g}")
assert dw == w.grad

# %% [markdown]
# A partial of a rule takes $dc$ and gives $dc \, \partial c / \partial a$: called with the product so
# far, it multiplies one more factor to it.
#
# Following each path by itself is correct, but there may be very many. In the next graph each step
# uses the one before it twice, so each step doubles the number of paths. The backward pass adds
# first: it collects the whole of $dc$ at `c`, and only then multiplies it, once for each input.

# %%
x = sg.Tensor(1.0, requires_grad=True, name="x")
y = x
for _ in range(30):
    y = y + y
y.backward()

print(f"{2**30:,} paths, {len(tape_of(y))} tensors on the tape, dx = {x.grad:,.0f}")
assert x.grad == 2**30  # every path contributes 1

# %% [markdown]
# On the site, the next thing is a figure that moves. It goes through this graph step by step, forward
# and then backward, with the line of each rule and its numbers. Watch $du$ and $dw$, where paths meet.
# In a notebook, `print(sg.explain(L.backward))` shows the same lines.
#
# <!-- figure: backward -->
#
# ## The order matters
#
# "The whole of $dc$, and only then" is what the order is for. Here is the chain rule along any order
# that you give it, with the gradients in a dict as in simplegrad.


# %%
def chain_rule_along(order, grads):
    """Adds to `grads` what each tensor of `order` passes on to its inputs."""
    for c in order:
        if c.rule is None:
            continue  # a leaf passes nothing on
        dc = grads[c.index]
        arrays = [a.data for a in c.inputs]
        for a, partial in zip(c.inputs, c.rule.partials, strict=True):
            da = partial(dc, c.data, *arrays)
            grads[a.index] = grads.get(a.index, 0) + da


# %% [markdown]
# Try three orders of the same graph. The first goes by distance from the loss: `u` and `v` are both
# one step away from it, and `u` comes first in `L = u + v`. The second goes on from a tensor as soon
# as anything has reached it. The third is the tape in reverse.

# %%
orders = {
    "nearest first": [L, u, v, w],
    "at once": [L, u, v, u, w],
    "tape in reverse": [L, v, u, w],
}
results = {}
for name, order in orders.items():
    grads = {L.index: np.float32(1)}
    chain_rule_along(order, grads)
    results[name] = grads[w.index]
    print(f"{name:16} {', '.join(t.name for t in order):14} dw = {results[name]:g}")

assert results == {"nearest first": 8, "at once": 20, "tape in reverse": 16}
assert w.grad == results["tape in reverse"]

# %% [markdown]
# Both wrong numbers come from `u`. It passes $4 \, du$ on to `w`, twice $du \, w$, and `v` passes on
# $4 \, dv$, which is $dv \, u$.
#
# - **Nearest first** processes `u` when only `L` has contributed, so it passes on $du = 1$. What `v`
#   adds to it afterwards is never passed on. $dw = {4 \cdot 1} + {4 \cdot 1} = 8$.
# - **At once** passes $du = 1$ on, and later $du = 3$, which contains that 1 again.
#   $dw = {4 \cdot 1} + {4 \cdot 1} + {4 \cdot 3} = 20$.
# - **In reverse**, a tensor comes after everything that was computed from it. When its turn comes, all
#   of its gradient has arrived, and it is passed on once. $dw = {4 \cdot 1} + {4 \cdot 3} = 16$.
#
# No error is raised in the first two: a wrong gradient is a number like any other. Only comparing
# shows it, as `sg.gradcheck` does with finite differences.
#
# ## `backward` in about ten lines
#
# Now put the pieces together: the tape, a dict of gradients, and for each rule $c = f(a, b, \ldots)$,
# the last first,
#
# $$da \mathrel{+}= dc \, \frac{\partial c}{\partial a}$$


# %%
def gradients_of(root):
    """The gradient of each leaf that `root` depends on, by its index."""
    grads = {root.index: np.ones_like(root.data)}
    for c in reversed(tape_of(root)):
        if c.rule is None:
            continue
        dc = grads.pop(c.index)
        arrays = [a.data for a in c.inputs]
        # Not strict: a rule of any number of inputs, as Concatenate, has partials without end.
        for a, partial in zip(c.inputs, c.rule.partials, strict=False):
            if a.requires_grad:
                da = unbroadcast(partial(dc, c.data, *arrays, **c.params), a.shape)
                grads[a.index] = grads[a.index] + da if a.index in grads else da
    return grads


assert gradients_of(L)[w.index] == w.grad == 16

# %% [markdown]
# Four details are new against `chain_rule_along`:
#
# - `if a.requires_grad` leaves out partials that nobody needs.
# - `**c.params` hands over what else the rule was given, such as the axis of a sum.
# - `grads.pop` forgets the gradient of a tensor that has passed it on. Only those of leaves remain.
# - `unbroadcast` brings a gradient back to the shape of `a` where NumPy had repeated `a`. All of
#   [Broadcasting](broadcasting.ipynb) is about this one line.
#
# Does it differentiate a real network? Compare it with simplegrad on handwritten digits: a network
# with a normalization, a nonlinearity and a classification loss, and every bit of its gradients.

# %%
sg.manual_seed(0)
digits = sg.datasets.load_digits()
model = nn.Sequential(nn.Linear(64, 32), nn.LayerNorm(32), nn.Tanh(), nn.Linear(32, 10))
loss = sg.cross_entropy(model(digits.x_train[:100]), digits.y_train[:100])

grads = gradients_of(loss)
loss.backward()
for name, parameter in model.parameters().items():
    same = grads[parameter.index].tobytes() == parameter.grad.tobytes()
    print(f"{name:16} {parameter.shape!s:10} equal to the bit: {same}")
    assert same

# %% [markdown]
# Your function is `chain_rule` in `simplegrad/autograd.py`, but for an option that you will see in
# a moment. What stands around it there checks the arguments, and adds the result to `.grad`.
#
# ## What `backward` leaves behind
#
# `.grad` is added to, not replaced. Call `backward()` twice on the same graph, and `w.grad` is not
# 16, but 32.

# %%
w.grad = None
L.backward()
print(f"after one backward():  w.grad = {w.grad:g}")
L.backward()
print(f"after two:             w.grad = {w.grad:g}")
print(f"on the way:            u.grad = {u.grad}, v.grad = {v.grad}")
assert w.grad == 32
assert u.grad is None
assert v.grad is None

# %% [markdown]
# Adding is what you want of a leaf. A parameter may get its gradient from several losses, or from a
# batch that is too large for one forward pass and goes through in pieces (exercise 2). The price is
# that you clear it before the next step: that is `opt.zero_grad()`. The graph itself stays as it is
# for as long as you hold its result. PyTorch frees what the partials need in the first `backward()`,
# unless you ask for `retain_graph=True`.
#
# The tensors on the way get no `.grad`. Their gradients live in the dict, as long as one call does,
# and that is not for tidiness alone. Suppose that they were kept and added to. Then the second pass
# would start from what the first has left, and pass that on again.

# %%
kept = {L.index: np.float32(1)}
chain_rule_along([L, v, u, w], kept)
print(f"first pass:   du = {kept[u.index]:g}, dw = {kept[w.index]:2g}")
chain_rule_along([L, v, u, w], kept)
print(f"second pass:  du = {kept[u.index]:g}, dw = {kept[w.index]:2g}, but twice 16 is 32")
assert kept[w.index] == 56

# %% [markdown]
# When you want to see the gradients on the way, say so: with `retain_grads=True`, `backward` adds
# them to `.grad`, too, when all is computed. The next pass starts from a new dict all the same.

# %% alt="The same graph with gradients: w has grad 16, u has grad 3, v has grad 1 and L has grad 1."
for t in tape_of(L):
    t.grad = None
L.backward(retain_grads=True)
assert [t.grad for t in (L, v, u, w)] == [1, 1, 3, 16]
sg.draw(L)

# %% [markdown]
# And when you want to see the lines that computed them, let `sg.explain` make the call. It shows the
# lines of the library that ran, with their equations and the numbers put in. `dc` is the gradient that
# arrives, and what a partial returns is the one that goes on to an input.

# %%
w.grad = None
explanation = sg.explain(L.backward, parameter=w)
print(explanation)

assert [line.result for line in explanation if line.code.startswith("return")] == [4, 6, 6]

# %% [markdown]
# ## Without a graph
#
# A result holds on to its inputs, these to theirs, and so all the arrays of a forward pass stay in
# memory until the result goes. That is the cost of being able to go back. Where you will not, as in
# evaluating a model, switch the recording off with `sg.no_grad()`. The numbers are the same.


# %%
def megabytes_held_by(t):
    """The arrays on the tape of `t`, which live as long as `t` does."""
    return sum(s.data.nbytes for s in tape_of(t)) / 1e6


recorded = model(digits.x_train)
with sg.no_grad():
    unrecorded = model(digits.x_train)

print(f"recorded:    {len(tape_of(recorded)):2} tensors, {megabytes_held_by(recorded):.2f} MB")
print(f"unrecorded:  {len(tape_of(unrecorded)):2} tensor,  {megabytes_held_by(unrecorded):.2f} MB")
assert np.array_equal(recorded.data, unrecorded.data)
assert unrecorded.rule is None
assert not unrecorded.requires_grad

# %% [markdown]
# There is no way back from such a result, and `backward()` says why.

# %%
try:
    unrecorded.sum().backward()
except RuntimeError as error:
    print(fill(str(error), 88))

# %% [markdown]
# ## Data that changes in between
#
# Partials read the data of the forward pass: the gradient of `w * w` contains `w`. If `w` is another
# number by the time of `backward()`, the gradient belongs to no computation at all. Tensors are
# numbered in the order of their creation, and an assignment to `.data` takes a number, too:
# `memory.changed`. A result whose input was changed after it was made is refused, before `backward()`
# computes anything.

# %%
w = sg.Tensor(3.0, requires_grad=True, name="w")
loss = w * w
print(f"the loss is number {loss.index - w.index} after w, from the data {w.item():g}")
w.data -= 0.5
print(f"the data was changed at number {w.memory.changed - w.index}, to {w.item():g}")
assert w.memory.changed > loss.index

try:
    loss.backward()
except RuntimeError as error:
    print(fill(str(error), 88))

assert w.grad is None  # nothing was added before the error

# %% [markdown]
# Your own `gradients_of` has no such check. It takes the old loss, $3^2$, and the new `w`, and mixes
# the two.

# %%
wrong = gradients_of(loss)[w.index]
print(f"the loss is {loss.item():g} = 3 ** 2, but its gradient {wrong:g} = 2 * 2.5")
assert (loss.item(), wrong) == (9, 5)

# %% [markdown]
# An optimizer assigns to `.data`, too, but after `backward()`. Forward, backward, step: a training
# loop has this order for this reason.
#
# A view, such as `w[:2]` or `w.T`, shows the data of `w` and shares its `memory`, so an assignment
# to one of them is seen by way of the other. What you write into the array itself is not seen.

# %%
w = sg.Tensor([3.0, 4.0], requires_grad=True, name="w")
loss = (w * w).sum()
w.data[0] = 2.5  # an assignment to an element of the array, not to .data
loss.backward()
print("gradient:", w.grad, " at the time of forward: [6. 8.]")
assert w.grad.tolist() == [5, 8]

# %% [markdown]
# To change data so that a mistake is noticed, assign to it: `w.data = array` or `w.data -= …`. And
# `sg.detect_anomaly` compares the numbers themselves, which takes time, so it is for a search.

# %%
with sg.detect_anomaly():
    w = sg.Tensor([3.0, 4.0], requires_grad=True, name="w")
    loss = (w * w).sum()
    w.data[0] = 2.5
    try:
        loss.backward()
    except RuntimeError as error:
        print(fill(str(error), 88))

# %% [markdown]
# ## Exercises
#
# The longer exercise `topological_order` in `tutorials/exercises/` comes with a check that says
# which equation is wrong: `python -m simplegrad.exercises check topological_order`.
#
# **1.** Take $L = (a b + a) \, a b$ with $a = 3$ and $b = 2$, where the product $p = a b$ is computed
# once. Draw the graph on paper, and write $da$ and $db$ from the end to the beginning, one line for
# each tensor. How many paths lead from $b$ to $L$? Compare with `sg.draw(L)` and `backward()`.

# %% alt="The graph of exercise 1: leaves a and b; p, their product, 6; q, the sum of p and a, 9; L, the product of q and p, 54." jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
a = sg.Tensor(3.0, requires_grad=True, name="a")
b = sg.Tensor(2.0, requires_grad=True, name="b")
p = a * b
q = p + a
L = q * p
p.name, q.name, L.name = "p", "q", "L"

dL = 1.0
dq = dL * p.data
dp = dL * q.data + dq * 1  # p is used in L and in q: two paths lead from b to L
da = dq * 1 + dp * b.data  # a is used in q and in p
db = dp * a.data

L.backward()
assert (a.grad, b.grad) == (da, db) == (36, 45)
sg.draw(L)

# %% [markdown]
# **2.** The loss of a batch of 100 digits is a mean over 100. Compute its gradient in four pieces
# of 25, with one `backward()` each and no `zero_grad()` in between. The gradients must agree with
# those of the whole batch up to rounding. Mind the factor: `backward(grad=…)` has room for it.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
small = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
x, y = digits.x_train[:100], digits.y_train[:100]

sg.cross_entropy(small(x), y).backward()
whole = {name: t.grad.copy() for name, t in small.parameters().items()}

for t in small.parameters().values():
    t.zero_grad()
for start in range(0, 100, 25):
    piece = slice(start, start + 25)
    sg.cross_entropy(small(x[piece]), y[piece]).backward(grad=25 / 100)

for name, t in small.parameters().items():
    np.testing.assert_allclose(t.grad, whole[name], rtol=1e-4, atol=1e-6)
print("four pieces give the gradient of the whole")

# %% [markdown]
# **3.** From the front. Go along the tape from its beginning and compute $\partial t / \partial w$ of each
# tensor $t$, for one leaf $w$ and a graph of scalars. A partial called with $dc = 1$ gives
# $\partial c / \partial a$. Use $w = 2$, $u = w w$, $v = w u$, $L = u + v$ again. Your last number
# must be the one of `backward()`. What would you have to do for a second leaf, and what does that
# say about networks with a million parameters?

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
w = sg.Tensor(2.0, requires_grad=True, name="w")
u = w * w
v = w * u
L = u + v

derivative = {}  # of each tensor by w
for c in tape_of(L):
    if c.rule is None:
        derivative[c.index] = 1.0 if c is w else 0.0
        continue
    arrays = [a.data for a in c.inputs]
    derivative[c.index] = 0.0
    for a, partial in zip(c.inputs, c.rule.partials, strict=True):
        derivative[c.index] += partial(1.0, c.data, *arrays) * derivative[a.index]

L.backward()
assert derivative[L.index] == w.grad == 16
# A second leaf takes a second pass: a million parameters take a million, and `backward()` takes one.

# %% [markdown]
# **4.** Forget the order of creation. Write `order_of(root)`, which finds an order for the backward
# pass from `rule` and `inputs` alone: count how often each tensor is used as an input, and take a
# tensor when all of its uses have been taken. (Kahn, 1962, "Topological sorting of large networks".)
# It must give the right gradient of exercise 3 with `chain_rule_along`, and must not be recursive.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
def order_of(root):
    """The tensors that `root` was computed from, each after all that was computed from it."""
    uses = {root.index: 0}
    stack = [root]
    while stack:
        for a in stack.pop().inputs:
            if a.index not in uses:
                uses[a.index] = 0
                stack.append(a)
            uses[a.index] += 1
    order, ready = [], [root]
    while ready:
        c = ready.pop()
        order.append(c)
        for a in c.inputs:
            uses[a.index] -= 1
            if uses[a.index] == 0:
                ready.append(a)
    return order


grads = {L.index: np.float32(1)}
chain_rule_along(order_of(L), grads)
assert grads[w.index] == 16
assert len(order_of(L)) == len(tape_of(L))

# %% [markdown]
# ## Read on
#
# - Griewank and Walther (2008), *Evaluating Derivatives: Principles and Techniques of Algorithmic
#   Differentiation*, second edition. Section 3.2 is the loop of this tutorial.
# - Baydin, Pearlmutter, Radul and Siskind (2018), "Automatic Differentiation in Machine Learning: a
#   Survey", Journal of Machine Learning Research 18.
# - Bauer (1974), "Computational Graphs and Rounding Error", SIAM Journal on Numerical Analysis 11:
#   the sum over the paths.
