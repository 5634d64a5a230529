"""simplegrad.fast beside others, in one process: a step of Adam, and a whole training step.

Run it as `python tests/benchmarks/fast.py [--threads N] [--only NAME] [--out FOLDER] [--check]`.
It prints Markdown, and writes it with a plot to the folder. The others are PyTorch, JAX with
Optax, HIPS autograd and MyGrad; `pip install -e ".[bench]"` installs them, and the output
names those that are missing.
"""

import argparse
import collections
import gc
import importlib
import importlib.metadata
import itertools
import os
import platform
import sys
import tracemalloc
from pathlib import Path

sys.path.append(os.path.dirname(__file__))  # where it is for a script; pytest imports it, too
import timing

if __name__ == "__main__":
    timing.limit_threads()

import numpy as np

import simplegrad as sg
from simplegrad import fast, nn, optimizers

LR = 1e-3
BATCHES = 4  # are made beforehand, and gone through again and again
STEPS = 2 * BATCHES  # in which all contestants must do the same, and get warm
LIMIT = 20  # seconds for the turns of one workload
KB, MB = 2**10, 2**20

# How many arrays of which size; and how many calls make a turn, so that the caches get warm
ADAM = {
    "Adam 1 x 1k": (1, 1_000, 50),
    "Adam 1 x 100k": (1, 100_000, 10),
    "Adam 1 x 1M": (1, 1_000_000, 3),
    "Adam 1 x 20M": (1, 20_000_000, 1),
    "Adam 200 x 500": (200, 500, 5),
    "Adam 50 x 20k": (50, 20_000, 3),
}
# The widths of the network, the size of a batch, and the calls of a turn
TRAINING = {
    "training 64-64-10 b32": ((64, 64, 10), 32, 20),
    "training 64-128-128-10 b64": ((64, 128, 128, 10), 64, 10),
    "training 784-256-128-10 b128": ((784, 256, 128, 10), 128, 3),
    "training 784-1024-1024-10 b256": ((784, 1024, 1024, 10), 256, 1),
}

# The work, the contestant, and how many times as fast as that simplegrad.fast is to be
TARGETS = (
    ("Adam 1 x 1k", "torch", 1.5),
    ("Adam 1 x 1k", "torch foreach", 1.5),
    ("Adam 1 x 1k", "torch fused", 1.5),
    ("Adam 1 x 1M", "simplegrad", 3.5),
    ("Adam 1 x 1M", "torch", 1.3),
    ("Adam 1 x 1M", "torch foreach", 1.3),
    ("Adam 1 x 1M", "torch fused", 0.4),
    ("Adam 1 x 20M", "torch", 1.3),
    ("Adam 1 x 20M", "torch foreach", 1.3),
    ("Adam 200 x 500", "torch", 10),
    ("Adam 200 x 500", "torch foreach", 10),
    ("Adam 200 x 500", "torch fused", 3),
    ("training 64-64-10 b32", "torch", 4),
    ("training 64-64-10 b32", "jax", 1.8),
    ("training 64-128-128-10 b64", "torch", 2.5),
    ("training 64-128-128-10 b64", "jax", 1.1),
    ("training 784-256-128-10 b128", "torch", 1.2),
    ("training 784-1024-1024-10 b256", "torch", 0.95),
)


def torch_with_threads():
    torch = importlib.import_module("torch")
    torch.set_num_threads(timing.THREADS)
    return torch


# A step of Adam. Each function makes a contestant of values and gradients: a function that takes
# a step, and one that returns the values.


def simplegrad_adam(optimizer, values, gradients, **kwargs):
    params = {f"p{i}": sg.Tensor(theta, requires_grad=True) for i, theta in enumerate(values)}
    for theta, g in zip(params.values(), gradients, strict=True):
        theta.grad = g
    opt = optimizer(lr=LR, param_groups=[{"params": params}], **kwargs)
    return opt.step, lambda: [theta.numpy() for theta in params.values()]


def reference_adam(values, gradients):
    return simplegrad_adam(optimizers.Adam, values, gradients)


def fast_adam(values, gradients):
    return simplegrad_adam(fast.Adam, values, gradients, workers=timing.THREADS)


def torch_adam(values, gradients, **kwargs):
    torch = torch_with_threads()
    params = [torch.nn.Parameter(torch.tensor(theta)) for theta in values]
    for theta, g in zip(params, gradients, strict=True):
        theta.grad = torch.tensor(g)
    opt = torch.optim.Adam(params, lr=LR, **kwargs)
    return opt.step, lambda: [theta.detach().numpy() for theta in params]


def torch_adam_foreach(values, gradients):
    return torch_adam(values, gradients, foreach=True)


def torch_adam_fused(values, gradients):
    return torch_adam(values, gradients, fused=True)


def optax_adam(values, gradients):
    jax, optax = importlib.import_module("jax"), importlib.import_module("optax")
    opt = optax.adam(LR)
    params, g = [[jax.numpy.array(a) for a in arrays] for arrays in (values, gradients)]
    state = opt.init(params)

    def updated(params, state, g):
        updates, state = opt.update(g, state, params)
        return optax.apply_updates(params, updates), state

    updated = jax.jit(updated, donate_argnums=(0, 1))

    def step():
        nonlocal params, state
        params, state = updated(params, state, g)
        params[0].block_until_ready()  # which all are at once

    return step, lambda: params


ADAM_CONTESTANTS = {
    "simplegrad": reference_adam,
    "simplegrad.fast": fast_adam,
    "torch": torch_adam,
    "torch foreach": torch_adam_foreach,
    "torch fused": torch_adam_fused,
    "jax": optax_adam,
}


def adam_case(workload):
    """The values and the gradients."""
    rng = np.random.default_rng(0)
    count, size, _ = ADAM[workload]
    return [[rng.standard_normal(size, np.float32) for _ in range(count)] for _ in range(2)]


def check_adam(contestants):
    """Raises an AssertionError unless all get the same values in a few steps."""
    for step, _ in contestants.values():
        for _ in range(STEPS):
            step()
    (name, (_, expected)), *others = contestants.items()
    for other, (_, values) in others:
        for theta, wanted in zip(values(), expected(), strict=True):
            np.testing.assert_allclose(theta, wanted, atol=1e-5, err_msg=f"{other} and {name}")


# A training step. Each function makes a contestant of weights W, b, W, b, ... and batches of x and
# the right classes: a function that takes a step and returns the loss.


def simplegrad_model(weights):
    layers = []
    for w in weights[::2]:
        layers += [nn.Linear(*w.shape), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for theta, value in zip(model.parameters().values(), weights, strict=True):
        theta.data = value
    return model


def simplegrad_training(weights, batches):
    model = simplegrad_model(weights)
    opt = optimizers.Adam(model=model, lr=LR)
    batches = itertools.cycle([(sg.Tensor(x), y) for x, y in batches])

    def loss_of_next():
        x, y = next(batches)
        return sg.cross_entropy(model(x), y)

    return timing.training_step(loss_of_next, opt)


def fast_training(weights, batches):
    model = simplegrad_model(weights)
    opt = fast.Adam(model=model, lr=LR, workers=timing.THREADS)
    batches = itertools.cycle([(sg.Tensor(x), y) for x, y in batches])
    loss_of = fast.replay(lambda x, y: sg.cross_entropy(model(x), y))

    def loss_of_next():
        x, y = next(batches)
        return loss_of(x, y)

    return timing.training_step(loss_of_next, opt)


def torch_training(weights, batches, **kwargs):
    torch = torch_with_threads()
    layers = []
    for w in weights[::2]:
        layers += [torch.nn.Linear(*w.shape), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for theta, value in zip(model.parameters(), weights, strict=True):
            theta.copy_(torch.from_numpy(value.T))  # torch stores the transpose
    opt = torch.optim.Adam(model.parameters(), lr=LR, **kwargs)
    batches = itertools.cycle([(torch.tensor(x), torch.tensor(y)) for x, y in batches])

    def loss_of_next():
        x, y = next(batches)
        return torch.nn.functional.cross_entropy(model(x), y)

    return timing.training_step(loss_of_next, opt)


def torch_training_fused(weights, batches):
    return torch_training(weights, batches, fused=True)


def jax_training(weights, batches):
    jax, optax = importlib.import_module("jax"), importlib.import_module("optax")
    opt = optax.adam(LR)
    weights = [jax.numpy.array(w) for w in weights]
    state = opt.init(weights)
    batches = itertools.cycle([(jax.numpy.array(x), jax.numpy.array(y)) for x, y in batches])

    def loss_of(weights, x, y):
        *hidden, last = zip(weights[::2], weights[1::2], strict=True)
        for w, b in hidden:
            x = jax.nn.relu(x @ w + b)
        w, b = last
        return optax.softmax_cross_entropy_with_integer_labels(x @ w + b, y).mean()

    def updated(weights, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        updates, state = opt.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state, loss

    updated = jax.jit(updated, donate_argnums=(0, 1))

    def step():
        nonlocal weights, state
        weights, state, loss = updated(weights, state, *next(batches))
        return loss.block_until_ready()

    return step


def numpy_adam(weights):
    """A function that takes a step of Adam, for the libraries that have none."""
    m, v = [[np.zeros_like(theta) for theta in weights] for _ in range(2)]
    count = itertools.count(1)

    def step(gradients):
        t = next(count)
        for i, (theta, g) in enumerate(zip(weights, gradients, strict=True)):
            m[i] = 0.9 * m[i] + (1 - 0.9) * g
            v[i] = 0.999 * v[i] + (1 - 0.999) * g**2
            m_hat = m[i] / (1 - 0.9**t)
            v_hat = v[i] / (1 - 0.999**t)
            theta -= LR * m_hat / (np.sqrt(v_hat) + 1e-8)

    return step


def autograd_training(weights, batches):
    value_and_grad = importlib.import_module("autograd").value_and_grad
    anp = importlib.import_module("autograd.numpy")
    weights = [w.copy() for w in weights]
    adam_step = numpy_adam(weights)
    classes = np.eye(len(weights[-1]), dtype=np.float32)
    batches = itertools.cycle([(x, classes[y]) for x, y in batches])

    def loss_of(weights, x, one_hot):
        *hidden, last = zip(weights[::2], weights[1::2], strict=True)
        for w, b in hidden:
            x = anp.maximum(x @ w + b, 0)
        w, b = last
        a = x @ w + b
        a = a - anp.max(a, axis=1, keepdims=True)
        log_p = a - anp.log(anp.sum(anp.exp(a), axis=1, keepdims=True))
        return -anp.sum(log_p * one_hot) / len(one_hot)

    loss_and_gradients_of = value_and_grad(loss_of)

    def step():
        loss, gradients = loss_and_gradients_of(weights, *next(batches))
        adam_step(gradients)
        return loss

    return step


def mygrad_training(weights, batches):
    mg = importlib.import_module("mygrad")
    relu = importlib.import_module("mygrad.nnet.activations").relu
    cross_entropy = importlib.import_module("mygrad.nnet.losses").softmax_crossentropy
    weights = [mg.tensor(w) for w in weights]
    adam_step = numpy_adam([w.data for w in weights])
    batches = itertools.cycle(batches)

    def step():
        x, y = next(batches)
        *hidden, last = zip(weights[::2], weights[1::2], strict=True)
        for w, b in hidden:
            x = relu(mg.matmul(x, w) + b)
        w, b = last
        loss = cross_entropy(mg.matmul(x, w) + b, y)
        loss.backward()
        adam_step([w.grad for w in weights])
        for w in weights:
            w.null_grad()
        return loss

    return step


TRAINING_CONTESTANTS = {
    "simplegrad": simplegrad_training,
    "simplegrad.fast": fast_training,
    "torch": torch_training,
    "torch fused": torch_training_fused,
    "jax": jax_training,
    "autograd": autograd_training,
    "mygrad": mygrad_training,
}


def training_case(workload):
    """The weights, and the batches."""
    rng = np.random.default_rng(0)
    widths, batch, _ = TRAINING[workload]
    weights = []
    for n_in, n_out in itertools.pairwise(widths):
        for shape in (n_in, n_out), (n_out,):
            weights.append(rng.uniform(-(n_in**-0.5), n_in**-0.5, shape).astype(np.float32))
    x = rng.standard_normal((BATCHES, batch, widths[0]), np.float32)
    y = rng.integers(0, widths[-1], (BATCHES, batch))
    return weights, list(zip(x, y, strict=True))


def check_training(contestants):
    """Raises an AssertionError unless all have the same losses in a few steps."""
    losses = {name: [step().item() for _ in range(STEPS)] for name, step in contestants.items()}
    (name, expected), *others = losses.items()
    for other, values in others:
        np.testing.assert_allclose(values, expected, rtol=1e-3, err_msg=f"{other} and {name}")


# Time


def made(makers, case):
    """The contestants whose libraries are installed; and what is missing for the others."""
    contestants, missing = {}, {}
    for name, make in makers.items():
        try:
            contestants[name] = make(*case)
        except ModuleNotFoundError as error:
            missing[name] = error.name
    return contestants, missing


def times_of(workload, repeats):
    """The median time of each contestant by name, and what is missing for the others."""
    if workload in ADAM:
        contestants, missing = made(ADAM_CONTESTANTS, adam_case(workload))
        check_adam(contestants)
        steps = [step for step, _ in contestants.values()]
        calls = ADAM[workload][-1]
    else:
        contestants, missing = made(TRAINING_CONTESTANTS, training_case(workload))
        check_training(contestants)
        steps = contestants.values()
        calls = TRAINING[workload][-1]
    gc.collect()
    gc.freeze()  # or who collects garbage goes through the objects of all
    medians = timing.interleaved(list(steps), repeats, calls, LIMIT)
    gc.unfreeze()
    return dict(zip(contestants, medians, strict=True)), missing


# Memory, of simplegrad


def peak_memory(make, case):
    """The most that a contestant holds: until it has taken its first steps, and in later ones."""
    gc.collect()
    tracemalloc.start()
    step = step_of(make(*case))
    peaks = []
    for _ in range(2):
        for _ in range(STEPS):
            step()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
    tracemalloc.stop()
    return peaks


def step_of(contestant):
    return contestant[0] if isinstance(contestant, tuple) else contestant


def allocations(step):
    """Where a step allocates 1 KB or more at once: how often, by file and line.

    Python is asked to say before each of its instructions how much memory is in use, and how much
    was at most since the one before. So this sees what is freed at once, too.
    """
    found = collections.Counter()
    place, size = "", 0

    def trace(frame, event, arg):
        nonlocal place, size
        if tracemalloc.get_traced_memory()[1] - size >= KB:
            found[place] += 1
        frame.f_trace_opcodes = True
        place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        tracemalloc.reset_peak()
        size = tracemalloc.get_traced_memory()[0]
        return trace

    tracemalloc.start()
    before = sys.gettrace()
    for _ in range(2):  # the first time, the tracing itself allocates
        found.clear()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        sys.settrace(trace)
        step()
        sys.settrace(before)
    tracemalloc.stop()
    return found


def memory_of(workload):
    """What is needed; of the reference and of fast, the peaks of memory and the allocations."""
    if workload in ADAM:
        makers, case = ADAM_CONTESTANTS, adam_case(workload)
        needed = 2 * sum(a.nbytes for arrays in case for a in arrays)
    else:
        makers, case = TRAINING_CONTESTANTS, training_case(workload)
        needed = 4 * sum(w.nbytes for w in case[0])
    peaks, places = [], []
    for name in "simplegrad", "simplegrad.fast":
        peaks.append(peak_memory(makers[name], case))
        step = step_of(makers[name](*case))
        for _ in range(STEPS):
            step()
        places.append(allocations(step))
    return needed, peaks, places


# What is printed, and drawn


def facts():
    """The machine and the versions, in a line."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
        cpu = models[0] if models else cpu
    versions = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    for name in "torch", "jax", "optax", "autograd", "mygrad":
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} missing")
    threads = f"{timing.THREADS} thread{'s' * (timing.THREADS > 1)} each"
    return f"{cpu}, {os.cpu_count()} cores; {', '.join(versions)}; {threads}"


def in_units(seconds):
    value, unit = (seconds * 1e6, "µs") if seconds < 1e-3 else (seconds * 1e3, "ms")
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def time_table(times, names):
    """A row for each workload: times, and how many times as fast simplegrad.fast is."""
    rows = []
    for workload, row in times.items():
        cells = []
        for name in names:
            if name not in row:
                cells.append("missing")
            elif name == "simplegrad.fast":
                cells.append(f"**{in_units(row[name])}**")
            else:
                cells.append(f"{in_units(row[name])} ({row[name] / row['simplegrad.fast']:.2f}x)")
        rows.append([workload, *cells])
    return timing.table(["work", *names], *rows)


def memory_table(memory):
    rows = []
    for workload, (needed, peaks, places) in memory.items():
        row = [workload, f"{needed / MB:.2f}"]
        row += [f"{first / MB:.2f}, {later / MB:.2f}" for first, later in peaks]
        row += [str(sum(found.values())) for found in places]
        rows.append([*row, ", ".join(f"{place} ({n})" for place, n in places[1].most_common(4))])
    header = ["work", "needed, MB", "simplegrad: peaks, MB", "simplegrad.fast: peaks, MB"]
    header += ["simplegrad: allocations", "simplegrad.fast: allocations", "most of fast's are in"]
    return timing.table(header, *rows)


def measured_targets(times):
    """Workload, contestant, what is wanted and what was measured, where both took part."""
    return [
        (workload, name, wanted, times[workload][name] / times[workload]["simplegrad.fast"])
        for workload, name, wanted in TARGETS
        if name in times.get(workload, {})
    ]


def target_table(times):
    rows = [
        (workload, name, f"{wanted}x", f"{measured:.2f}x", "yes" if measured >= wanted else "no")
        for workload, name, wanted, measured in measured_targets(times)
    ]
    return timing.table(["work", "against", "wanted, at least", "measured", "reached"], *rows)


def missed(times, memory):
    """The figures that are not reached, in words."""
    texts = [
        f"{workload} against {name}: {measured:.2f}x, not {wanted}x"
        for workload, name, wanted, measured in measured_targets(times)
        if measured < wanted
    ]
    texts += [
        f"{workload} against {name}: not measured"
        for workload, name, _ in TARGETS
        if name not in times.get(workload, {name})
    ]
    for workload, (needed, (_, (first, later)), (_, found)) in memory.items():
        if workload not in ADAM:
            continue
        for when, peak in ("at first", first), ("in later steps", later):
            if peak > 1.05 * needed + 4 * MB:
                texts.append(f"{workload}: {(peak - needed) / MB:.1f} MB over the needed, {when}")
        if found:
            texts.append(f"{workload}: step() allocates in {', '.join(found)}")
    return texts


def report(times, memory, missing):
    adam = {workload: row for workload, row in times.items() if workload in ADAM}
    training = {workload: row for workload, row in times.items() if workload in TRAINING}
    parts = [facts()]
    if missing:
        parts.append(f"Not installed: {', '.join(sorted(set(missing.values())))}.")
    parts.append(
        "Medians of one process in which the contestants take turns, all float32. A turn is 50 "
        "calls in a row where one takes microseconds, so that caches are warm, down to 1 where it "
        "takes milliseconds. In brackets: how many times as fast simplegrad.fast is."
    )
    if adam:
        parts += ["## A step of Adam", time_table(adam, ADAM_CONTESTANTS)]
        parts.append(
            "`torch` is torch.optim.Adam as it comes, which is a loop over the tensors on a CPU: "
            "PyTorch chooses foreach by itself on other devices only. `jax` is optax.adam under "
            "jax.jit, its buffers donated."
        )
    if training:
        parts += ["## A training step", time_table(training, TRAINING_CONTESTANTS)]
        parts.append(
            "Forward through a ReLU network, cross-entropy, backward, Adam, zero_grad. `torch` is "
            "PyTorch eager with its Adam as it comes. `jax` is one jax.jit over all of it, with "
            "optax.adam, its buffers donated. autograd and mygrad have an Adam in plain NumPy."
        )
    parts += ["## Memory", memory_table(memory)]
    parts.append(
        "Needed are values, gradients and two moments; a training step also holds activations and "
        f"batches. Peaks are those of tracemalloc: the first until {STEPS} steps are done, the "
        f"making of tensors and optimizer included, the second in the next {STEPS}. An allocation "
        "is an instruction of Python in which 1 KB or more was allocated: an array or not, and "
        "NumPy's own buffers, too, which it takes where it broadcasts or casts. Those of one later "
        "step are counted, with the lines that they are in."
    )
    return "\n\n".join(parts) + "\n"


COLOURS = {
    "simplegrad.fast": "#0057b8",
    "simplegrad": "#8fb8e8",
    "torch": "#d9480f",
    "torch foreach": "#f08c4a",
    "torch fused": "#f7c59f",
    "jax": "#2b8a3e",
    "autograd": "#868e96",
    "mygrad": "#ced4da",
}


def draw_panel(ax, times, baseline):
    """Bars that begin at 1 and end at how many times as fast as the baseline a contestant is."""
    y, ticks, ratios = 0, [], []
    for workload, row in times.items():
        names = [name for name in COLOURS if name in row]
        ticks.append((y + (len(names) - 1) / 2, workload.partition(" ")[2]))
        for name in names:
            ratio = row[baseline] / row[name]
            ax.barh(y, ratio - 1, left=1, color=COLOURS[name], height=0.85)
            ax.annotate(
                f"{ratio:.2f}x  {in_units(row[name])}",
                (ratio, y),
                xytext=(4 if ratio >= 1 else -4, 0),
                textcoords="offset points",
                ha="left" if ratio >= 1 else "right",
                va="center",
                fontsize=9,
                weight="bold" if name == "simplegrad.fast" else "normal",
            )
            ratios.append(ratio)
            y += 1
        y += 1
    low, high = min(ratios), max(ratios)
    room = (high / low) ** 0.3  # for the numbers at the ends of the bars
    marks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
    ax.set_xscale("log")
    ax.set_xticks(marks, [f"{mark:g}" for mark in marks])
    ax.set_xticks([], minor=True)
    ax.set_xlim(low / room, high * room)
    ax.set_yticks(*zip(*ticks, strict=True))
    ax.tick_params("y", length=0)
    ax.set_ylim(y - 1, -1)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def draw(times, path):
    plt = importlib.import_module("matplotlib.pyplot")
    panels = []
    for title, workloads, unit, baseline, what in (
        ("A step of Adam", ADAM, "tensors x elements of each", "simplegrad", "optimizers.Adam"),
        ("A training step", TRAINING, "widths of the layers, batch", "torch", "PyTorch eager"),
    ):
        chosen = {name: row for name, row in times.items() if name in workloads and baseline in row}
        if chosen:
            panels.append((title, chosen, unit, baseline, what))
    if not panels:
        return
    figure, axes = plt.subplots(
        len(panels), 1, squeeze=False, figsize=(9, 7.5 * len(panels)), layout="constrained"
    )
    for ax, (title, chosen, unit, baseline, what) in zip(axes[:, 0], panels, strict=True):
        draw_panel(ax, chosen, baseline)
        ax.set_title(title)
        ax.set_xlabel(f"times as fast as {what} (logarithmic; right is faster)")
        ax.set_ylabel(unit)
    shown = [name for name in COLOURS if any(name in row for row in times.values())]
    bars = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[name]) for name in shown]
    figure.legend(bars, shown, loc="outside upper center", ncols=4, frameon=False)
    figure.supxlabel(facts(), fontsize=6.5)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200, help="how many turns, at most")
    parser.add_argument("--threads", type=int, default=1, help="of each contestant")
    parser.add_argument("--only", default="", help='workloads with this in their names: "1 x 1M"')
    parser.add_argument("--out", type=Path, help="a folder for fast.md and fast.png")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is missed")
    args = parser.parse_args()
    workloads = [name for name in (*ADAM, *TRAINING) if args.only in name]
    if not workloads:
        parser.error(f"no workload has {args.only!r} in its name: {', '.join((*ADAM, *TRAINING))}")

    times, memory, missing = {}, {}, {}
    for workload in workloads:
        times[workload], without = times_of(workload, args.repeats)
        missing |= without
        memory[workload] = memory_of(workload)
    text = report(times, memory, missing)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "fast.md").write_text(text, encoding="utf-8")
        try:
            draw(times, args.out / "fast.png")
        except ModuleNotFoundError as error:
            print(f"No plot: {error.name} is not installed.")
    if args.check:
        print(target_table(times))
        if texts := missed(times, memory):
            sys.exit("missed:\n" + "\n".join(texts))


if __name__ == "__main__":
    main()
