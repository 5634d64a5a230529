# %% [markdown]
# # Teaching with simplegrad
#
# This page is for whoever gives the course. It holds a syllabus with assignments that a program can
# grade, and says how to make the tutorials and this site your own. Take what you need: every
# session stands on those that its tutorial names under "Read before", and on no others.
#
# ## What students bring
#
# - **Python**: functions, loops, lists and dicts, and a class with two methods.
# - **NumPy**: arrays, their shapes, elementwise operations and the matrix product.
# - **Calculus**: the derivative of a function of one variable, and its chain rule. The chapters
#   about descent and about Jacobians also use the eigenvalues of a symmetric matrix.
# - **A laptop** with Python, an editor and a debugger. [Install](install.md) is one command. After it, no
#   session needs a network or a graphics card. Until then, students can do the
#   [exercises](exercises/index.md) in their pages, which need only a browser.
#
# Whoever can say why these lines hold is ready:

# %%
import numpy as np

a = np.arange(6.0).reshape(2, 3)
assert (a * a[:, :1]).shape == (2, 3)
assert (a @ a.T).shape == (2, 2)
assert a.sum(axis=0).tolist() == [3, 5, 7]

# %% [markdown]
# ## The sessions
#
# There is a session for each chapter. Leave out what you do not need:
# [a line of one file](#leave-out-a-chapter-or-add-one) is all that it takes.
#
# <!-- sessions -->
#
# A session of 90 minutes may go like this:
#
# | minutes | what |
# |---|---|
# | 10 | what was hard in the last assignment |
# | 25 | the idea, at the board, with the equations of the tutorial |
# | 20 | live: the debugger on the projector. The class says what the next line will show, then you press the key |
# | 30 | exercises 1 and 2 of the tutorial, in pairs. The solutions are folded below them; the other exercises are for home |
# | 5 | the assignment |
#
# Two sessions a week, with the [midterm](#a-midterm) in their middle, take nine weeks, and two more go to
# the [project](#a-project).
#
# For the live part, open the folder of the repository in VS Code and start a tutorial with the
# configuration "Current file", which steps into the library, too. The same works with pdb.
# [Seeing it happen](tutorials/seeing.md) has the keys and commands of both. The functions `check_rule` and
# `bits_after`, which grade most assignments, stand [below](#how-to-check-an-assignment).
#
# <!-- session: quickstart -->
#
# The goal is the whole before its parts: data, model, loss, gradient, step. Nobody needs to know yet how
# a gradient is computed.
#
# **Live**: in `tutorials/quickstart.py`, break at the first `loss.backward()`, and watch
# `model.layers[2].bias.grad` and `model.layers[2].bias.data`. Step over `backward()`, and the gradient is
# there. Step over `opt.step()`, and the data have changed. Step over `opt.zero_grad()`, and the gradient
# is zero.
#
# **Assignment**: the model in NumPy. Write `logits_of(parameters, x)`, which computes from
# `model.parameters()` what any `nn.Sequential` computes that has `nn.Linear`, with an `nn.ReLU` between each
# two, without simplegrad.
#
# **Check**: `logits_of(model.parameters(), x).tobytes() == model(x).data.tobytes()`, for models of one,
# two and five layers and the test digits as `x`.
#
# <!-- session: gradients -->
#
# The goal is that a gradient holds no mystery: it is a slope, each node hands it on by a rule of one
# line, and differences say whether it is right.
#
# **Live**: in `tutorials/gradients.py`, break at the `p = x * w` whose factors are Tensors, and step
# into it until you are at `return a * b`. Set a second breakpoint in the line below `def da` of the same
# class, go on to it, and let the class compute the return value from `dc` and `b`.
#
# **Assignment**: a rule of two inputs, $c = \log(e^a + e^b)$, as a class `LogAddExp` with `forward`,
# `da`, `db` and `partials`, in the form of [Adding a rule](adding-a-rule.md).
#
# **Check**: `check_rule(LogAddExp, (3, 4), (4,))`. And `forward(1000.0, 1000.0)` is finite.
#
# <!-- session: backward -->
#
# The goal is to see that the order of creation is all that reverse mode needs, and why gradients add.
#
# **Live**: in `tutorials/backward.py`, break at the first `L.backward()`. When it is reached, break in
# `chain_rule` in `simplegrad/autograd.py` at the line that starts with `dc =`. Watch `tape`, `c` and
# `grads`. The next three stops are at `L`, `v` and `u`: before each, the class says which tensor comes
# next, and which entries `grads` has then.
#
# **Assignment**: an engine of your own. A class `Number` holds one Python float and has `+`, `-`, `*` and
# `backward()`. It uses neither simplegrad nor recursion.
#
# **Check**: for a hundred random expressions, its gradients agree with those of simplegrad in float64 to
# twelve digits. A sum of 100,000 numbers, added one by one, is differentiated without a `RecursionError`.
#
# <!-- session: broadcasting -->
#
# The goal is one sentence with two halves: the gradient of a copy is a sum, and the gradient of a sum is
# a copy.
#
# **Live**: in `simplegrad/autograd.py`, break at the first line of `unbroadcast` on the condition
# `grad.shape != shape`, and run `tutorials/broadcasting.py`. At each stop the class says along which
# axes the sum will go. One frame up, `c` and `t` show which operation and which input it was.
#
# **Assignment**: standardization as one rule. `Standardize` brings each column to mean 0 and variance 1.
# Its partial is derived by hand: an element of a column goes into the result directly, through the mean
# and through the variance.
#
# **Check**: `check_rule(Standardize, (5, 3))`. And the gradients agree with those of the expression
# composed of `mean`, `var` and `sqrt`.
#
# <!-- session: seeing -->
#
# The goal is that nobody has to believe what a program does: each equation can be watched.
#
# **Live**: in `tutorials/broadcasting.py`, break at the first `loss.backward()`. When it is reached, break
# in `chain_rule` in `simplegrad/autograd.py` at the line that starts with `dt =`. Before each stop the
# class says which rule comes next and which shape `dc` has; then press the key. Last, go through the
# stepper of the chapter, backwards.
#
# **Assignment**: the exercise `stops`, without a debugger. Then the same for a graph that the student
# draws, with a node that is used twice.
#
# **Check**: the exercise checks itself. For the graph of their own, students hand in a session of pdb
# that prints `dc` at each stop.
#
# <!-- session: descent -->
#
# The goal is a picture: a narrow valley, what the learning rate does in it, and what each optimizer adds.
#
# **Live**: in `tutorials/descent.py`, break at the line that starts with `quick =`. When it is reached,
# break in `simplegrad/optimizers/sgd.py` at the line that starts with `theta.data -=`. Watch `g` and
# `theta.data`, and go on a few times: across the valley the gradient changes its sign in each step, along
# the valley it does not.
#
# **Assignment**: the heavy ball. Write `HeavyBall`, a subclass of `optim.Optimizer` with the momentum
# 0.9 and one slot, "velocities", without a look at `optim.SGD`. The docstring of `optim.Optimizer` shows
# the form.
#
# **Check**: `bits_after(HeavyBall, lr=0.01) == bits_after(optim.SGD, lr=0.01, momentum=0.9)`.
#
# <!-- session: adam -->
#
# The goal is to read five equations of a paper and to find each of them as a line.
#
# **Live**: in `simplegrad/optimizers/adam.py`, break at the line that starts with `m_t =`, and run
# `tutorials/adam.py`. In the first step, let the class work out `m_hat` and `v_hat` before you reach
# them: they are $g$ and $g^2$. Then step through the five lines, and look at the length of the step.
#
# **Assignment**: Adam from the paper (Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization",
# Algorithm 1) as a subclass of `optim.Optimizer`, with the library's own file closed. Then AdaMax, which
# is Algorithm 2.
#
# **Check**: `bits_after(PaperAdam, lr=0.01) == bits_after(optim.Adam, lr=0.01)`. A student who writes
# `(1 - beta_2) * g * g` gets other bits than with `g**2`, because the products are rounded in another
# order. Finding that out is part of the assignment. The first step of AdaMax moves each element by the learning rate,
# against the sign of its gradient, however large the gradient is.
#
# <!-- session: adam_further -->
#
# The goal is to tell what the five equations promise from what they do not.
#
# **Live**: in `simplegrad/optimizers/adam.py`, break at the line that starts with `theta.data -=`, and run
# `tutorials/adam_further.py`. The first steps are those of a silence: `m_hat` and `v_hat` are 0, and only
# `eps` keeps 0 / 0 away. Then give the breakpoint the condition `self.step_count == 10_000`. Its first four
# stops are after a silence and with a constant gradient, for each of two `beta_2`. Let the class predict the
# quotient of `m_hat` and the root of `v_hat` each time: 0.32, 1, 3.16 and 1.
#
# **Assignment**: the exercise `amsgrad`, one step with bias correction. Then a subclass of `optim.Optimizer`
# that takes this step, and Reddi, Kale and Kumar's example run with it, as the chapter does with `optim.Adam`.
#
# **Check**: `python -m simplegrad.exercises check amsgrad` for the step; in the example, $\theta$ is below
# $-0.99$ after 900 steps, where `optim.Adam` is at 1.
#
# <!-- session: modules -->
#
# The goal is the craft: modules within modules, first values, a training loop, data that were never
# trained on, and a look at what the network still gets wrong.
#
# **Live**: in `simplegrad/nn/module.py`, break at the line `result = self.forward(*args, **kwargs)`, and
# run `tutorials/modules.py`. Watch `type(self).__name__` and `args[0].shape`: the modules come from
# the outside in, and the class says the next shape. Then give a layer a wrong size, run the script again,
# and look for it from the error upwards.
#
# **Assignment**: one weight, used twice. Write a module `Autoencoder(inputs, hidden)`. It makes $h =
# \max(x W + b, 0)$ of $x$, and $h W^\top + c$ of $h$, which is to come close to $x$. Train it on the images
# of the digits, without their labels, with 16 hidden units and `sg.mse_loss`.
#
# **Check**: `Autoencoder(64, 16)` has three arrays of parameters, with 1,104 numbers. `sg.gradcheck` accepts
# a function of $x$, $W$, $b$ and $c$ that puts the last three into the module and calls it. After ten epochs
# of Adam with batches of 32 and `lr=3e-3`, the loss on the test images is below 0.02, where always giving
# the mean of the training images has 0.073.
#
# <!-- session: groups_and_state -->
#
# The goal is that training is a state and a rule to the next one: whoever has the whole state can go on.
#
# **Live**: in `simplegrad/optimizers/optimizer.py`, break at the first line of `load_state`, and run
# `tutorials/groups_and_state.py`. Look into `state`, and compare `self.step_count` before and after.
#
# **Assignment**: a run that survives. A script trains a network with `nn.Dropout` for 20 epochs, calls
# `sg.save` after each, and goes on from the file if there is one.
#
# **Check**: kill it at any moment and start it again, several times. When it has come to its end, the
# arrays in its file have the same bytes as those of a run that nobody has killed.
#
# <!-- session: training -->
#
# The goal is to change one thing at a time, and to tell an improvement from luck.
#
# **Live**: in `simplegrad/nn/normalisation.py`, break in `_follow` at the line that starts with `m, v, alpha =`,
# and run `tutorials/training.py`. Start it early: it trains for a minute or two before it stops. Step once. Let
# the class work out `m` and `v` after this batch from `mu`, `sigma_2`, `alpha` and `n`, then step on. Last, go
# one frame up and ask which of these numbers `eval()` will use.
#
# **Assignment**: a claim and its measurement. Each group takes one sentence, such as "GELU beats ReLU", "He's
# first values are not needed with LayerNorm" or "batches of 128 are as good as batches of 32", fixes in
# writing what it will compare, and then trains from ten seeds, each side at its own best rate.
#
# **Check**: the report has mean and spread of both sides, from other seeds than those that chose the rates. It
# names the number of runs made, and opens the test set once. Another group repeats it from ten new seeds.
#
# <!-- session: convolution -->
#
# The goal is to see that a convolution is nothing but a matrix product whose matrix repeats itself, and to
# judge honestly when this helps.
#
# **Live**: in `simplegrad/functional/convolution.py`, break in `conv2d` at the line that starts with `y =`,
# and run `tutorials/convolution.py`. Look at `X.data` and `W.data`, which have a first axis of size 1: which
# number of `y` is the row of `W` times the last column of `X`? Then take this breakpoint out, break in
# `Windows.da` in `simplegrad/rules/shapes.py` at the line that starts with `da[place] +=`, and go on:
# `backward()` reaches it. Let the class say what `+=` adds up.
#
# **Assignment**: a claim about images, measured. Choose one: larger filters, one convolution more, a stride
# of 2 in place of pooling, average pooling. Train with three seeds before and after, on the digits at random
# places, with about as many parameters, and report all six results.
#
# **Check**: the numbers of parameters differ by less than a tenth. `sg.gradcheck` accepts the network in
# float64 as a function of one image of shape (1, 1, 12, 12). Its numbers are random: where a sheet is empty,
# those in a window of the pooling tie, and differences see a kink. The sentence that sums it up does not say more than the seeds allow.
#
# <!-- session: sequences -->
#
# The goal is to see in numbers why a recurrent network forgets, and what a gate and a look back do about it.
#
# **Live**: in `simplegrad/nn/recurrence.py`, break in `GRUCell.forward` at the line that starts with `r_t =`,
# and run `tutorials/sequences.py`. The class says the shapes of `x_r` and `h_r`. The first state `h` is zero,
# so go on to the second stop. Step through the equations, set `z_t.data[:] = 1` before the last of the four,
# and let the class say what `h_t` is. Then leave: the script would find out, and end with an error.
#
# **Assignment**: the task of the tutorial with another question. The network is to name the letter that came
# just before the only dot, which stands at a random place among 30 letters. Write down whether `Reader(nn.RNN)`,
# `Reader(nn.GRU)` and `LookBack(nn.RNN)` of the tutorial will learn it, then train each with three seeds.
#
# **Check**: the losses of all nine runs are reported beside $\log 8$, and for each network the length of the
# gradient by the state at the dot, before training, for an early dot and for a late one.With 600
# batches of 64 and `lr=5e-3`, over six seeds, the mean of the last 50 losses is above 2 for the RNN, between
# 0.05 and 0.5 for the GRU, and below 0.01 with attention.
#
# <!-- session: tiny_gpt -->
#
# The goal is to see that a language model consists of the parts that the course has built.
#
# **Live**: in `tutorials/tiny_gpt.py`, break at the last line of `weights_of`. Look at the shapes of
# `Q`, `K` and `S`, and at a row of `S`: who may look at whom?
#
# **Assignment**: one change. Choose one: another number of heads, one block more, dropout, another list of
# words. Write down what you expect, then train with three seeds before and after, and report the losses
# on the held-out words. An honest "no difference" is a result.
#
# **Check**: the untrained model passes the two tests that the tutorial makes before it trains: no logit
# depends on a later character, and the loss is near $\log 27$ (for another alphabet, the logarithm of the
# number of its tokens).
#
# <!-- session: jacobians -->
#
# The goal is to see that each partial was a product with a Jacobian all along, and that a gradient is a
# result like any other.
#
# **Live**: in `tutorials/jacobians.py`, break at the line that starts with `dx = sg.grad(L, x, create_graph=True)`.
# When it is reached, break in `Tanh.da` in `simplegrad/rules/elementwise.py`, and go on. It is a line of the
# session about gradients, but `dc` is no array now: `dc.tensor` is a Tensor in the place of one. Let the class
# draw the graph that the line leaves, before `sg.draw` shows it.
#
# **Assignment**: the Gauss–Newton matrix times a vector. For a loss $L(c)$ of outputs $c = f(x)$ with the
# Jacobian $J$, write a function of $f$, $L$, $x$ and $v$ that returns $J^\top H_c \, J \, v$, where $H_c$ is
# the Hessian of $L$ by $c$. It calls `sg.jvp`, `sg.hvp` and `sg.vjp` once each, and makes no matrix.
#
# **Check**: it agrees with the product of the matrices that `sg.jacobian` and `sg.hessian` give. If $f$ is
# linear, it agrees with `sg.hvp` of the whole. With `sg.mse_loss` as $L$, $v^\top$ times
# the result is never negative. With the result of `sg.hvp` in its place it sometimes is, for random
# weights of a network of two layers.
#
# <!-- session: fast -->
#
# The goal is the order of work: measure, change one thing, compare the bits, measure again.
#
# **Live**: in `simplegrad/nn/layers.py`, break in `Linear.forward`, and run a training loop whose loss is
# under `fast.replay`. It stops in the first call of the loss, and then never again: ask why. With
# `@fast.replay(eager=True)` it stops in each. Then break in `Adam.passes` in `simplegrad/fast/adam.py`,
# and step through the fourteen passes. Which equation is it now? Which array is written to? Last, put the
# whole step under `fast.replay`, print its `listing()`, and let the group name the equation of each call.
#
# **Assignment**: the exercise `in_place`. Then `InPlaceHeavyBall`, made of `InPlace` in
# `simplegrad.fast.in_place` and of the `HeavyBall` of the session about descent, by a method `passes`.
# Report its times and those of `HeavyBall` for a thousand and for a million parameters, each the median of
# a hundred steps.
#
# **Check**: `bits_after(InPlaceHeavyBall, lr=0.01) == bits_after(HeavyBall, lr=0.01)`.
#
# <!-- session: many_machines -->
#
# The goal is one sentence: the gradient of a mean is the weighted mean of the gradients. And what is no mean
# over rows.
#
# **Live**: four students are processes. Each gets some rows of a batch, not equally many, and computes the mean
# of its numbers. They agree on the mean of all, first wrongly. Then they do it as a ring: each speaks to its
# neighbour only, and the class counts the messages. Then run the program of the tutorial with `mpiexec`, and
# end one process while it runs. Last, run it in pdb, which is one process, and break in `mean_gradients` in
# `simplegrad/parallel.py`: which shape has `flat`, and with what is it multiplied?
#
# **Assignment**: `SyncBatchNorm`, a `BatchNorm` whose mean and variance are those of the rows of all
# processes, in the forward pass, by an all-reduce of the sums of $x$ and $x^2$. Its gradient may take them as constants.
#
# **Check**: with one process and with four, its outputs in training agree to 1e-12 in float64, for unequal
# shares. The gradients do not: the group says which term is missing.
#
# <!-- session: debugging -->
#
# The goal is to find what is wrong, and not to guess it.
#
# **Live**: put the scripts `softmax` and `two_groups` of `tutorials/debugging.py` into files of their own. Go
# through the first line by line: before each step the class says whether the numbers will be finite. Then break
# in `simplegrad/optimizers/adam.py` at the line that starts with `m_t =`, and run the second. It stops once for
# each group; let the class say the sign of `lr`.
#
# **Assignment**: one of the [mistakes](mistakes.md), built into a script of your own that trains.
#
# **Check**: another student finds it with the debugger, and says which line shows it first.
#
# <!-- end -->
#
# ## How to check an assignment
#
# Two questions grade most of it: does the gradient agree with differences, and do the bits agree? Both
# are functions of a few lines that you can put into a test file.
#
# `sg.gradcheck` compares gradients with differences and raises an error with a row for each that is wrong.
# This makes the inputs for a rule:

# %%
import simplegrad as sg
from simplegrad import rules
from simplegrad.tensor import record


def check_rule(rule, *shapes):
    """Whether the partials of a rule agree with differences, for random inputs of these shapes."""
    rng = np.random.default_rng(0)
    inputs = [sg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]

    def result_of(*tensors):
        return record(rule.forward(*[t.data for t in tensors]), rule, *tensors)

    return sg.gradcheck(result_of, inputs)


check_rule(rules.Mul, (3, 4), (4,))

# %% [markdown]
# And this trains a small network and returns the bytes of its parameters. Two optimizers that do the same
# operations in the same order give the same bytes:

# %%
import simplegrad.optimizers as optim
from simplegrad import fast, nn


def bits_after(optimizer, steps=100, **hyperparameters):
    """The bytes of all parameters of a model after some steps."""
    digits = sg.datasets.load_digits()
    x, y = digits.x_train[:32], digits.y_train[:32]
    sg.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    opt = optimizer(model=model, **hyperparameters)
    for _ in range(steps):
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
    return b"".join(theta.data.tobytes() for theta in model.parameters().values())


print(bits_after(fast.Adam, lr=0.01) == bits_after(optim.Adam, lr=0.01))
print(bits_after(optim.Adam, lr=0.01) == bits_after(optim.Adam, lr=0.01, eps=1e-7))

# %% [markdown]
# Compute both sides on one machine. Another processor may add up a matrix product in another order, and
# then the last bits differ although nobody has made a mistake.
#
# ## Assessment
#
# The solutions of the exercises are open to all, so grade something else. What a student does in the
# [pages of the exercises](exercises/index.md) stays in the student's browser: nobody is told. If you want their
# files all the same, or have exercises of your own, one command [grades a folder of them](exercises/grading.md).
# Five ideas:
#
# - **A rule.** Name a function that is not in `simplegrad.rules`, such as $c = a \, \sigma(a)$ or $c =
#   \sqrt{a^2 + b^2}$. The student derives its partials on paper, writes the class and passes
#   `check_rule`. Ask where it is not differentiable, and what the code returns there.
# - **A paper.** The student gets the page of a paper that holds an algorithm, and writes it so that it
#   agrees to the last bit with a reference that you keep: the grader is one `==`.
# - **A transcript.** The function `debug` in [Seeing it happen](tutorials/seeing.md) gives a session of
#   pdb as pairs of a command and its answer. Change the numbers in the script, run it, and take out some
#   answers. The student fills them in and says for each line which equation it is. No computer is needed.
# - **A mistake.** Build one of the [mistakes](mistakes.md) into a script that trains. The student finds
#   it, shows with a number that it is one, and mends it.
# - **An oral examination.** From `loss.backward()` to the changed `theta.data`: the student steps through
#   a script that you bring, and explains each stop.
#
# ### A midterm
#
# Ninety minutes on paper, after the session about Adam. Each of the five questions has a check, so that two
# people grade alike:
#
# 1. A graph of five nodes, one of which is used twice. Write the tape, and `dc` and `grads` at each stop of
#    the chain rule. **Check**: `sg.print_graph` and the [stepper](step-through.md) show both.
# 2. A rule: the partial of $c = a \, \sigma(a)$ as a line of NumPy, and what it is at $a = 0$. **Check**:
#    `check_rule`.
# 3. Shapes: (4, 1, 3) times (5, 1). What is the shape of the product, and along which axes does
#    `unbroadcast` sum for each factor? **Check**: (4, 5, 3); the axis 1 for the first; for the second the
#    axes 0 and 2.
# 4. A quadratic with the eigenvalues 1 and 50. What is the largest stable learning rate of gradient descent,
#    and which rate of convergence is the best that it can have? **Check**: $2 / 50$, and $49 / 51$.
# 5. Two steps of Adam by hand, from $\theta = 1$ with the gradients 2 and $-2$, lr 0.1, $\beta_1 = 0.5$, $\beta_2
#    = 0.75$ and $\epsilon = 0$. **Check**: these lines.

# %%
theta = sg.Tensor(1.0, requires_grad=True)
group = {"params": {"theta": theta}}
opt = optim.Adam(param_groups=[group], lr=0.1, beta_1=0.5, beta_2=0.75, eps=0)
for g in 2.0, -2.0:
    theta.grad = np.array(g, dtype=theta.dtype)
    opt.step()
    print(f"{theta.data:.4f}")

# %% [markdown]
# ### A project
#
# Two or three students work on a question for two weeks, and hand in a repository that one command runs from
# beginning to end. Some questions:
#
# - A layer that simplegrad has not, such as a depthwise convolution: its equation, its rule, its gradient
#   checked, and what it gains on the digits.
# - Which optimizer for which network? Three optimizers on two of the networks of the course, each at its own
#   best learning rate, over five seeds.
# - A tiny GPT for other texts, with a baseline to beat and a test set that is looked at once.
# - A step of training made faster by a factor that the group predicts from a profile, with the same bits.
#
# | points | for |
# |---|---|
# | 4 | equations, code and text say the same in the same symbols |
# | 4 | each gradient of their own passes `sg.gradcheck`, and each claim has a number beside it |
# | 4 | honest validation: several seeds, the spread beside the mean, the test set once |
# | 4 | somebody else runs it with the one command, and gets the same numbers |
# | 4 | ten minutes of presentation, five of them in the debugger |
#
# ## Make it your own
#
# Fork the repository. All text of the course is in two folders: `tutorials/` has the chapters, `docs/`
# the other pages of this site.
#
# ### Change a chapter
#
# In a clone of your fork, this shows the site at an address of your own machine. You need Node.js beside
# Python.
#
# ```sh
# python -m pip install -e ".[docs]"
# npm ci
# python -m mkdocs serve
# ```
#
# The first start runs all chapters and takes minutes. Later a chapter runs again when it has changed, or
# the library has.
#
# A chapter is a script, `tutorials/adam.py`, and a notebook with the same cells. Edit the script, then
# write the notebook from it:
#
# ```sh
# python docs/hooks/pair.py
# ```
#
# Or edit the notebook in Jupyter, and write the script from it:
#
# ```sh
# python docs/hooks/pair.py tutorials/adam.ipynb
# ```
#
# `CONTRIBUTING.md` says how a chapter is written, and the tests hold you to it: every equation is followed
# by code that computes it, every exercise by its solution.
#
# ```sh
# python -m pip install -e ".[dev]"
# python -m pytest tests/tutorials
# ```
#
# ### Leave out a chapter, or add one
#
# The order of the chapters, and the exercises of each, stand in `tutorials/course.txt`. Take out a line,
# and its chapter leaves the site with its exercises and its session here. The other chapters get new
# numbers, and links to what has left become plain text. The files may stay. A chapter of your own is a
# script and a notebook, `tutorials/name.py` and `tutorials/name.ipynb`, with a line `name:` in that file
# and a session on this page, in `docs/teaching.py`.
#
# ### Host it
#
# **On GitHub**, the workflow `.github/workflows/site.yml` publishes the site of a fork. Allow workflows
# in the tab Actions, since a new fork has them switched off. Then go to Settings → Pages → Source, and
# choose GitHub Actions. From then on each push to `main` builds the site and puts it online, as `dev` in the
# menu of versions. A tag, as `v1.2.0`, puts a version beside it, `1.2`, which stays. The workflow
# takes the address and the repository from its environment, so there is nothing to edit. It also puts the
# notebooks, with the cell that installs your fork where it is missing, on a branch `notebooks`: from there
# Colab opens them. Students who have a GitHub account can open your fork in a codespace, with everything
# installed and the debugger.
#
# **On any other web server**, build the site and copy the folder `site/`:
#
# ```sh
# SITE_URL=https://www.example.edu/course/ python -m mkdocs build --strict
# ```
#
# Nothing else is needed: the pages are files, and none of them asks another server for anything. That
# holds for the Python that runs their cells: it comes from `assets/run/`, 9 MB with the first *Run* and 8 MB
# more with the first picture. Its large files are compressed already, so the server need not compress
# them, and each name has a hash of what is in the file, so that `Cache-Control: max-age=31536000, immutable`
# is right for that folder. Over https, a browser also compares each file with its SHA-256. If your server
# sends a `Content-Security-Policy`, it must allow `script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'
# blob:` (the second is for the menu and the colours), `worker-src 'self'` and `img-src 'self' data: blob:`.
#
# With `--strict`, a broken link or a cell that fails stops the build. `SITE_URL` is the address where the site
# will stand. With `GITHUB_REPOSITORY=owner/name`, the pages link to that repository and say how to clone it,
# their notebooks install simplegrad from it, and `bash .ci/branch notebooks site '*.ipynb'` puts them on its
# branch for Colab.
#
# ## Cite it
#
# ```bibtex
# @software{simplegrad,
#   title   = {simplegrad: automatic differentiation and Adam in NumPy,
#              to read, to step through and to teach},
#   author  = {{The simplegrad authors}},
#   year    = {2026},
#   version = {0.1.0}
# }
# ```
#
# Add as `url` the address of the repository that you use, and as `version` what `sg.__version__` says.
# BibTeX without biblatex knows no `@software`; write `@misc`.
#
# ## Licence
#
# Code and text are under the MIT licence: use, change, print and sell them, and keep the notice in
# `LICENSE`. The digits are from the UCI Machine Learning Repository, under CC BY 4.0, which asks you to
# name the source. The names are from the United States census, in the public domain.
# `simplegrad/datasets/DIGITS.md` and `simplegrad/datasets/NAMES.md` say more. The site also carries the
# Python that runs its cells: Pyodide under MPL 2.0, CPython under the PSF licence, and the packages listed
# with their licences in `docs/run/wheels/`.
