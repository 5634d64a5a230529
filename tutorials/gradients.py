# %% [markdown]
# # Gradients
#
# A gradient says how a result changes when its inputs change. Here you compute the gradient of one small
# expression in three ways: from small differences, by hand with the chain rule, and with simplegrad. The
# three agree, and you measure how closely.
#
# - **You will be able to** differentiate an expression one node at a time, read a rule of simplegrad as
#   the equations that it is, and check any gradient against finite differences.
# - **Read before:** [Quickstart](quickstart.ipynb) shows what gradients are for. Of calculus, you need
#   the derivative of a function of one variable.

# %%
import inspect

import matplotlib.pyplot as plt
import numpy as np

import simplegrad as sg
from simplegrad import rules
from simplegrad.tensor import record

# %% [markdown]
# ## One expression
#
# All of this tutorial is about $L = \tanh(x w + b)$. With an input $x$, a weight $w$ and a bias $b$, it
# is one neuron of a network. A computer evaluates it in three operations, the nodes of the expression.
# Give each result a name:
#
# $$p = x \, w$$
# $$s = p + b$$
# $$L = \tanh s$$

# %%
x, w, b = 2.0, -0.5, 0.5

p = x * w
s = p + b
L = np.tanh(s)

print(f"p = {p}, s = {s}, L = {L:.4f}")
assert np.isclose(L, (1 - np.e) / (1 + np.e))  # tanh(-1/2)

# %% [markdown]
# ## A derivative is a slope
#
# Hold $w$ and $b$ still, and let only $x$ vary. Then $L$ is a curve over $x$. Between $x$ and $x + h$, it
# rises by $L(x + h, w, b) - L(x, w, b)$. The straight line through these two points is a **secant**, and
# this rise divided by $h$ is its slope. The smaller $h$ is, the closer the secant comes to the
# **tangent**, the line that touches the curve at $x$. The slope of the tangent is the **partial
# derivative** of $L$ by $x$, written $\partial L / \partial x$. It is partial because only one of the
# variables moves.
#
# $$\frac{\partial L}{\partial x} \approx \frac{L(x + h, w, b) - L(x, w, b)}{h}$$


# %%
def L_of(x, w, b):
    return np.tanh(x * w + b)


slopes = {}
for h in (2.0, 1.0, 0.1, 0.01, 0.001):
    slopes[h] = (L_of(x + h, w, b) - L_of(x, w, b)) / h
    print(f"h = {h:<5}  slope of the secant {slopes[h]:.5f}")

assert np.isclose(slopes[0.001], (1 - L**2) * w, rtol=1e-3)  # as you will derive below

# %% alt="The curve of L over x falls in the shape of an S. Three lines go through its point at x = 2: a secant that meets it again at x = 4, a steeper one that meets it again at x = 3, and the tangent, the steepest." jupyter={"source_hidden": true}
x_axis = np.linspace(-1, 5, 200)
ends = np.array([0.5, 4.5])
slope = slopes[0.001]

figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
axes.plot(x_axis, L_of(x_axis, w, b), "C0-", label="L")
for h, line, marker in ((2.0, "C1--", "C1s"), (1.0, "C2-.", "C2^")):
    label = f"secant, h = {h:g}, slope {slopes[h]:.2f}"
    axes.plot(ends, L + slopes[h] * (ends - x), line, label=label)
    axes.plot(x + h, L_of(x + h, w, b), marker)
axes.plot(ends, L + slope * (ends - x), "C3:", linewidth=2, label=f"tangent, slope {slope:.2f}")
axes.plot(x, L, "C3o")
axes.set_xlabel("x")
axes.set_ylabel("L")
axes.legend()
plt.show()

# %% [markdown]
# ## Differences for all inputs
#
# A better estimate takes one step to either side. It is called the **central difference**:
#
# $$\frac{\partial L}{\partial x} \approx \frac{L(x + h, w, b) - L(x - h, w, b)}{2 h}$$

# %%
h = 0.001
central = (L_of(x + h, w, b) - L_of(x - h, w, b)) / (2 * h)
exact = (1 - L**2) * w

print(f"error of the secant             {abs(slopes[h] - exact):.1e}")
print(f"error of the central difference {abs(central - exact):.1e}")
assert abs(central - exact) < abs(slopes[h] - exact) / 1000

# %% [markdown]
# Each of the three inputs has its partial derivative, found in the same way. The three together are the
# gradient of $L$, written $\nabla L$.

# %%
h = 1e-6
numeric_dx = (L_of(x + h, w, b) - L_of(x - h, w, b)) / (2 * h)
numeric_dw = (L_of(x, w + h, b) - L_of(x, w - h, b)) / (2 * h)
numeric_db = (L_of(x, w, b + h) - L_of(x, w, b - h)) / (2 * h)
print(f"by x {numeric_dx:.6f}, by w {numeric_dw:.6f}, by b {numeric_db:.6f}")

# %% [markdown]
# This works for any function, but it is slow: every input needs two evaluations. The model of the
# Quickstart has 9,610 parameters. Central differences would compute its loss 19,220 times for one
# gradient. The chain rule does better.

# %% [markdown]
# ## The chain rule, one node at a time
#
# A change of $x$ changes $p$, which changes $s$, which changes $L$. The **chain rule** says that the
# slopes multiply:
#
# $$\frac{\partial L}{\partial x} = \frac{\partial L}{\partial s} \, \frac{\partial s}{\partial p} \, \frac{\partial p}{\partial x}$$

# %%
dL_ds = 1 - L**2  # the derivative of tanh s is 1 - tanh(s)^2, and tanh s is L
ds_dp = 1.0
dp_dx = w

dL_dx = dL_ds * ds_dp * dp_dx

print(f"by the chain rule {dL_dx:.6f}, by differences {numeric_dx:.6f}")
assert np.isclose(dL_dx, numeric_dx)

# %% [markdown]
# Multiply from the left, and you walk through the expression from its end to its start. On the way, each
# product is the derivative of $L$ by the next intermediate result. It is all that you have to carry
# along, and every input further down shares it.
#
# The source of simplegrad has a short name for it: $ds$ stands for $\partial L / \partial s$, and so on
# for every letter. The numerator is always $L$. (In a book on calculus, $ds$ by itself means something
# else.) Here is the same walk for the whole gradient.
#
# It starts at $L$ itself, whose derivative by $L$ is 1. The last node is $L = \tanh s$:
#
# $$dL = 1$$
# $$ds = dL \, (1 - L^2)$$

# %%
dL = 1.0
ds = dL * (1 - L**2)

numeric_ds = (np.tanh(s + h) - np.tanh(s - h)) / (2 * h)
print(f"ds = {ds:.6f}, by differences {numeric_ds:.6f}")
assert np.isclose(ds, numeric_ds)

# %% [markdown]
# The node before it is $s = p + b$. If $p$ grows by some amount, $s$ grows by the same amount, and so
# it is with $b$. A sum hands its gradient on to both inputs, unchanged.
#
# $$dp = ds$$
# $$db = ds$$

# %%
dp = ds
db = ds

print(f"db = {db:.6f}, by differences {numeric_db:.6f}")
assert np.isclose(db, numeric_db)

# %% [markdown]
# The first node is $p = x \, w$. If $x$ grows by 1, $p$ grows by $w$: the slope by one factor is the
# other factor.
#
# $$dx = dp \, w$$
# $$dw = dp \, x$$

# %%
dx = dp * w
dw = dp * x

print(f"dx = {dx:.6f}, by differences {numeric_dx:.6f}")
print(f"dw = {dw:.6f}, by differences {numeric_dw:.6f}")
assert np.isclose(dx, numeric_dx)
assert np.isclose(dw, numeric_dw)

# %% [markdown]
# That is the whole gradient, in one walk, however many inputs there are. In the picture, the values were
# computed along the arrows, and the gradients against them.

# %% alt="The graph of the expression. Arrows lead from x and w to a product p, from p and b to a sum s, from s to the tanh L. At each node stands its value and below it its gradient: x is 2 and dx is -0.393, w is -0.5 and dw is 1.573, b is 0.5 and db is 0.786, p is -1 and dp is 0.786, s is -0.5 and ds is 0.786, L is -0.462 and dL is 1." jupyter={"source_hidden": true}
places = {"x": (0, 2), "w": (0, 1), "b": (0, 0), "p": (1.5, 1.5), "s": (3, 0.75), "L": (4.5, 0.75)}
operations = {"p": "×", "s": "+", "L": "tanh"}
values = {"x": x, "w": w, "b": b, "p": p, "s": s, "L": L}
grads = {"x": dx, "w": dw, "b": db, "p": dp, "s": ds, "L": dL}

figure, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
arrow = {"arrowstyle": "->", "color": "C7", "shrinkA": 22, "shrinkB": 22}
for start, end in ("xp", "wp", "ps", "bs", "sL"):
    axes.annotate("", places[end], places[start], arrowprops=arrow)
for name, (left, up) in places.items():
    axes.plot(left, up, "C0o", markersize=34, fillstyle="none")
    axes.text(left, up, operations.get(name, name), ha="center", va="center")
    text = f"{name} = {values[name]:.3g}\nd{name} = {grads[name]:.3g}"
    axes.text(left, up - 0.26, text, ha="center", va="top")
axes.set(xlim=(-0.6, 5.1), ylim=(-0.75, 2.4))
axes.set_axis_off()
plt.show()

# %% [markdown]
# ## A rule is its equations
#
# At each node you needed four things at most: the derivative by its result, the result, and its two
# inputs. You never needed the rest of the expression. So the derivative of an operation can be written
# down once, for all expressions to come. simplegrad calls it a **rule**, and always names the inputs $a$
# and $b$ and the result $c$. Here is the source of one, in full.

# %%
print(inspect.getsource(rules.Mul))

# %% [markdown]
# `da` is the partial for the first input, and `db` that for the second. They are plain functions, and you
# can call them on numbers. At the node $p = x \, w$, the $a$ of the rule is $x$, its $b$ is $w$ and its
# $c$ is $p$. (The $b$ of a rule is its second input, which is the bias only in $s = p + b$.) Here is the
# walk once more, made with rules:

# %%
rule_ds = rules.Tanh.da(dL, L, s)
rule_dp = rules.Add.da(rule_ds, s, p, b)
rule_db = rules.Add.db(rule_ds, s, p, b)
rule_dx = rules.Mul.da(rule_dp, p, x, w)
rule_dw = rules.Mul.db(rule_dp, p, x, w)

print(f"dx = {rule_dx:.6f}, dw = {rule_dw:.6f}, db = {rule_db:.6f}")
assert (rule_dx, rule_dw, rule_db) == (dx, dw, db)

# %% [markdown]
# ## The same by simplegrad
#
# A `Tensor` remembers the rule and the inputs that it was computed from, and `backward()` makes the walk.
# `requires_grad=True` marks what you want the gradient of. A Python number becomes float32 if you do not
# say otherwise; float64 is better for a comparison.

# %%
x = sg.Tensor(2.0, requires_grad=True, dtype=np.float64, name="x")
w = sg.Tensor(-0.5, requires_grad=True, dtype=np.float64, name="w")
b = sg.Tensor(0.5, requires_grad=True, dtype=np.float64, name="b")

p = x * w
s = p + b
L = sg.tanh(s)
L.backward(retain_grads=True)  # keeps the gradients of p and s, too

for t in (x, w, b, p, s, L):
    print(t)

# %%
assert np.isclose(L.item(), L_of(2.0, -0.5, 0.5))
for t, by_hand in ((x, dx), (w, dw), (b, db), (p, dp), (s, ds), (L, dL)):
    assert np.isclose(t.grad, by_hand, rtol=1e-14, atol=0)

# %% [markdown]
# The three ways agree. [The backward pass](backward.ipynb) shows how `backward` finds the nodes and
# their order, and what it does with a value that is used twice.

# %% [markdown]
# ## The gradient is a direction
#
# The gradient also says what happens when several inputs move at once. If $x$ moves by a small
# $\delta_x$ and $w$ by a small $\delta_w$, their effects add up:
#
# $$\Delta L \approx dx \, \delta_x + dw \, \delta_w$$

# %%
x, w, b = 2.0, -0.5, 0.5  # plain numbers again
L = L_of(x, w, b)
delta_x, delta_w = 0.003, -0.002

Delta_L = L_of(x + delta_x, w + delta_w, b) - L
estimate = dx * delta_x + dw * delta_w

print(f"L changes by {Delta_L:.6f}, by the gradient {estimate:.6f}")
assert np.isclose(Delta_L, estimate, rtol=0.01)

# %% [markdown]
# In which direction does $L$ rise most? Try 360 of them, with a step of the same length in each:

# %%
angles = np.arange(360)
x_moved = x + 1e-3 * np.cos(np.radians(angles))
w_moved = w + 1e-3 * np.sin(np.radians(angles))
steepest = angles[L_of(x_moved, w_moved, b).argmax()]
of_gradient = np.degrees(np.arctan2(dw, dx))

print(f"the steepest direction is at {steepest}°, the gradient at {of_gradient:.1f}°")
assert abs(steepest - of_gradient) < 1

# %% [markdown]
# It is the direction of the gradient. On a map of $L$, the gradient stands at a right angle to the line
# of equal height, here the dash-dotted one, and points uphill. Training goes the other way, downhill, as
# [Descent](descent.ipynb) shows.

# %% alt="A map of L over x and w with lines of equal height. The gradient is an arrow from the point x = 2, w = -0.5. It points up and a little to the left, towards greater heights, at a right angle to the line of equal height through this point." jupyter={"source_hidden": true}
x_axis, w_axis = np.linspace(0.5, 3.5, 100), np.linspace(-1.5, 1.5, 100)
heights = L_of(x_axis, w_axis[:, None], b)

figure, axes = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
lines = axes.contour(x_axis, w_axis, heights, [-0.9, -0.7, 0, 0.5, 0.7, 0.9], colors="C0")
axes.clabel(lines, fmt="%.1f")
axes.contour(x_axis, w_axis, heights, [L], colors="C2", linewidths=2, linestyles="-.")
axes.annotate("", (x + dx, w + dw), (x, w), arrowprops={"color": "C1", "width": 2})
axes.plot(x, w, "C1o")
axes.set_aspect("equal")
axes.set_xlabel("x")
axes.set_ylabel("w")
plt.show()

# %% [markdown]
# ## How small should h be?
#
# Differences are the judge of every gradient, so you should know how far to trust them. Now that
# $\partial L / \partial x$ is known exactly, you can measure their errors for many $h$: those of the
# forward difference, which is the slope of the secant, and those of the central difference, once more in
# float32.

# %%
hs = np.logspace(-1, -14, 27)
forward = (L_of(x + hs, w, b) - L) / hs
central = (L_of(x + hs, w, b) - L_of(x - hs, w, b)) / (2 * hs)

x_32, w_32, b_32, hs_32 = np.float32(x), np.float32(w), np.float32(b), hs.astype(np.float32)
central_32 = (L_of(x_32 + hs_32, w_32, b_32) - L_of(x_32 - hs_32, w_32, b_32)) / (2 * hs_32)

errors = {
    "forward": abs(forward - dx),
    "central": abs(central - dx),
    "central, float32": abs(central_32 - dx),
}
for name, error in errors.items():
    print(f"{name:16}  smallest error {error.min():.0e}, at h = {hs[error.argmin()]:.0e}")

# %% [markdown]
# Two errors work against each other. With a large $h$ there is the **truncation error**: the curve is not
# straight. By Taylor's theorem, it is $\frac{h^2}{6}$ of the third derivative for a central difference,
# and it falls with $h$. With a small $h$ there is the **rounding error**: a computer knows $L$ only to
# about $\epsilon \, |L|$, with $\epsilon = {2.2 \cdot 10^{-16}}$ in float64. The subtraction leaves this
# error as it is, and the division by $h$ makes it large. Together, they come to about
#
# $$E = \frac{h^2}{6} \left| \frac{\partial^3 L}{\partial x^3} \right| + \frac{\epsilon \, |L|}{h}$$

# %%
epsilon = np.finfo(np.float64).eps
d3L_dx3 = -2 * (1 - L**2) * (1 - 3 * L**2) * w**3

E = hs**2 / 6 * abs(d3L_dx3) + epsilon * abs(L) / hs

assert np.allclose(errors["central"][:6], E[:6], rtol=0.05)
assert (errors["central"] < 10 * E).all()

# %% alt="The errors over h, with both axes logarithmic. As h falls from 0.1, the error of the central difference falls with its square to less than 1e-12 at h = 1e-5, and then it rises again, jumping, as 1 over h. The estimate E follows it. The forward difference falls more slowly, to about 1e-8 near h = 1e-8, and rises then. In float32, the central difference is best near h = 0.01 and has an error above 0.001 for every h below 1e-5." jupyter={"source_hidden": true}
figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (name, error), style in zip(errors.items(), ("C0o-", "C1s-", "C2^-"), strict=True):
    axes.loglog(hs, error, style, markersize=4, label=name)
axes.loglog(hs, E, "C7--", label="E, for central")
axes.set_xlabel("h")
axes.set_ylabel("error of the difference")
axes.legend()
plt.show()

# %% [markdown]
# So $h$ must be neither large nor tiny. For a central difference in float64, anything from $10^{-7}$ to
# $10^{-4}$ is good here. simplegrad takes $10^{-6}$. In float32, $\epsilon$ is ${5 \cdot 10^8}$ times larger,
# and the same $h$ gives about two digits:

# %%
good = (hs >= 1e-7) & (hs <= 1e-4)
print(f"float64: error at most {errors['central'][good].max():.0e} from h = 1e-7 to 1e-4")
print(f"float32: error {errors['central, float32'][10]:.0e} at h = {hs[10]:.0e}")
assert (errors["central"][good] < 1e-8).all()
assert errors["central, float32"][10] > 1e-4

# %% [markdown]
# ## A step to the side
#
# The rounding error comes from a subtraction of two numbers that are nearly equal. There is a difference
# without a subtraction: take the step along the imaginary axis, $i^2 = -1$, and look at the imaginary
# part of what comes out (Squire and Trapp, 1998).
#
# $$\frac{\partial L}{\partial x} \approx \frac{\operatorname{Im} L(x + i h)}{h}$$

# %%
h = 1e-100
L_plus = L_of(x + 1j * h, w, b)
complex_dx = L_plus.imag / h

print(f"error {abs(complex_dx - dx):.0e}")
assert np.isclose(complex_dx, dx, rtol=1e-15)

# %% [markdown]
# The truncation error falls with $h^2$, as before, and nothing stands against it: $h$ may be so small that
# its square is 0. The **complex step** has all digits. But it asks for a function that is smooth as one of
# complex numbers, and whose code takes them. $|x|$ is not: its $|x + i h|$ is the distance from 0, a real
# number.

# %% [markdown]
# ## gradcheck
#
# `sg.gradcheck` makes these comparisons for any function of tensors: what `backward()` gives against
# central differences, for every element of every input, and against the complex step where all rules
# allow it. The tensors must be of float64, for the reason that you have seen.


# %%
def neuron(x, w, b):
    return sg.tanh(x * w + b)


inputs = [sg.Tensor(t, requires_grad=True, dtype=np.float64) for t in (x, w, b)]
agrees = sg.gradcheck(neuron, inputs)
print(agrees)
assert agrees

# %% [markdown]
# It is there to find mistakes. Write a tanh whose partial has lost its square, and make it an operation,
# as `sg.tanh` is made of `rules.Tanh`:


# %%
class WrongTanh:
    def forward(a):
        return np.tanh(a)

    def da(dc, c, a):
        return dc * (1 - c)  # should be 1 - c**2

    partials = (da,)


def wrong_neuron(x, w, b):
    s = x * w + b
    return record(WrongTanh.forward(s.data), WrongTanh, s)


# %%
try:
    sg.gradcheck(wrong_neuron, inputs)
except AssertionError as error:
    message = str(error)
print(message)
assert "look at WrongTanh.da" in message

# %% [markdown]
# The report has a row for each element that differs, and says which partial is wrong. The tests of
# simplegrad compare every rule with central differences. If you add one, do the same.

# %% [markdown]
# ## Exercises
#
# The longer exercises `mul`, `tanh` and `gradcheck` in `tutorials/exercises/` come with a check
# that says which equation is wrong: `python -m simplegrad.exercises check mul`.
#
# **1.** Replace the tanh by a square: $L = (x w + b)^2$, at the same point. Find $ds$, $dp$, $dx$, $dw$
# and $db$ on paper. All of them are simple numbers. Then check them with simplegrad.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 1
p = x * w  # -1
s = p + b  # -0.5
ds = 1 * 2 * s  # -1: the derivative of s^2 is 2 s
dp, db = ds, ds
dx, dw = dp * w, dp * x
print(f"ds = {ds}, dp = {dp}, dx = {dx}, dw = {dw}, db = {db}")

x_t, w_t, b_t = (sg.Tensor(t, requires_grad=True) for t in (x, w, b))
((x_t * w_t + b_t) ** 2).backward()
assert (x_t.grad, w_t.grad, b_t.grad) == (dx, dw, db) == (0.5, -2.0, -1.0)

# %% [markdown]
# **2.** In $L = x \, (x + w)$, the input $x$ goes into two nodes, and each of them gives it a gradient.
# Compute both with the rules `Mul` and `Add`. How do they make one $dx$? Let central differences decide.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 2
def product_of(x, w):
    return x * (x + w)


s = x + w
L = x * s
dx_of_product = rules.Mul.da(1.0, L, x, s)
ds = rules.Mul.db(1.0, L, x, s)
dx_of_sum = rules.Add.da(ds, s, x, w)

h = 1e-6
numeric_dx = (product_of(x + h, w) - product_of(x - h, w)) / (2 * h)
print(f"{dx_of_product} and {dx_of_sum}, by differences {numeric_dx:.6f}")

# They add up: a move of x changes L in both ways at once.
assert np.isclose(dx_of_product + dx_of_sum, numeric_dx)

# %% [markdown]
# **3.** The softplus is $c = \log(1 + e^a)$. Write it as a rule, a class `Softplus` with `forward`, `da`
# and `partials`. Can you write `da` with $c$ and without $a$, as the rule of tanh does? Check it against
# central differences at several $a$, first by hand and then with `sg.gradcheck`.


# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 3
class Softplus:
    def forward(a):
        return np.log(1 + np.exp(a))

    def da(dc, c, a):
        return dc * (1 - np.exp(-c))  # e^a / (1 + e^a), and 1 + e^a is e^c

    partials = (da,)


def softplus(a):
    return record(Softplus.forward(a.data), Softplus, a)


a = np.linspace(-3, 3, 7)
c = Softplus.forward(a)
numeric_da = (Softplus.forward(a + h) - Softplus.forward(a - h)) / (2 * h)
print(Softplus.da(1.0, c, a).round(4))
assert np.allclose(Softplus.da(1.0, c, a), numeric_da)
assert sg.gradcheck(softplus, sg.Tensor(a, requires_grad=True))

# %% [markdown]
# **4.** `rules.ReLU.da` gives 0 at $x = 0$, and `sg.gradcheck(sg.relu, x)` rejects it there. Who is right?
# Find the slopes on the left and on the right and the number that the central difference gives. Then
# read the report, and make the check pass.

# %% jupyter={"outputs_hidden": true, "source_hidden": true}
# A solution of exercise 4
h = 1e-6
left = (max(0, 0) - max(-h, 0)) / h
right = (max(h, 0) - max(0, 0)) / h
central = (max(h, 0) - max(-h, 0)) / (2 * h)
print(f"left {left:g}, right {right:g}, central {central:g}")

try:
    sg.gradcheck(sg.relu, sg.Tensor(0.0, requires_grad=True, dtype=np.float64))
except AssertionError as error:
    print(error)

# Both: the function has a kink at 0, and no single slope. 0 is one of the numbers between its two
# slopes, and the central difference is another. Anywhere else they agree, however near to 0.
assert (left, right, central) == (0, 1, 0.5)
assert sg.gradcheck(sg.relu, sg.Tensor(5e-7, requires_grad=True, dtype=np.float64))

# %% [markdown]
# ## Read on
#
# - Griewank and Walther (2008), "Evaluating Derivatives", chapter 3: the same walk, for any program.
# - Baydin, Pearlmutter, Radul and Siskind (2018), "Automatic differentiation in machine learning: a
#   survey".
# - Nocedal and Wright (2006), "Numerical Optimization", section 8.1: finite differences and their errors.
# - Squire and Trapp (1998), "Using complex variables to estimate derivatives of real functions".
