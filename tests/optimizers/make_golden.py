"""Golden trajectories of the optimizers, to 50 digits, from the papers' equations.

    python tests/optimizers/make_golden.py            writes golden.json beside this file
    python tests/optimizers/make_golden.py --check    exits with 1 if it would write something else

Nothing here knows simplegrad: each function is a paper's algorithm for one number theta, in the
paper's symbols, and yields (theta, slots) after every step. Hyperparameters are the doubles that
Python makes of their decimals; thetas and gradients are float32 numbers, so that float64 and
float32 start from the very same numbers.
"""

import json
import re
import struct
import sys
from decimal import Context, Decimal, localcontext
from pathlib import Path

from mpmath import mp, mpf, sqrt

DIGITS = 50
GOLDEN = Path(__file__).with_name("golden.json")


def adam(theta, gradients, lr, beta_1, beta_2, eps, maximize=False):
    """Kingma and Ba (2015), Algorithm 1; with `maximize`, its last line climbs."""
    alpha, m, v = lr, mpf(0), mpf(0)
    sign = 1 if maximize else -1
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        theta = theta + sign * alpha * m_hat / (sqrt(v_hat) + eps)
        yield theta, {"moments1": m, "moments2": v}


def adamw(theta, gradients, lr, beta_1, beta_2, eps, weight_decay, maximize=False):
    """Loshchilov and Hutter (2019), Algorithm 2, its line 12 with lambda scaled by lr (PyTorch)."""
    alpha, lambda_, m, v = lr, weight_decay, mpf(0), mpf(0)
    sign = 1 if maximize else -1
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        theta = theta + sign * alpha * m_hat / (sqrt(v_hat) + eps) - alpha * lambda_ * theta
        yield theta, {"moments1": m, "moments2": v}


def rmsprop(theta, gradients, lr, beta_2, eps, maximize=False):
    """Tieleman and Hinton (2012), lecture 6.5: their 0.9 is beta_2; eps outside of the root."""
    mean_square = mpf(0)
    sign = 1 if maximize else -1
    for g in gradients:
        mean_square = beta_2 * mean_square + (1 - beta_2) * g**2
        theta = theta + sign * lr * g / (sqrt(mean_square) + eps)
        yield theta, {"moments2": mean_square}


def sgd(theta, gradients, lr, momentum, dampening, weight_decay, nesterov=False, maximize=False):
    """Sutskever et al. (2013), equations 1 to 4, as PyTorch has them: lr outside of b."""
    mu, tau, lambda_ = momentum, dampening, weight_decay
    b = None
    for gradient in gradients:
        g = (-gradient if maximize else gradient) + lambda_ * theta
        b = g if b is None else mu * b + (1 - tau) * g
        theta = theta - lr * (g + mu * b if nesterov else b)
        yield theta, {"velocities": b}


def powers(*exponents):
    return [2.0**n for n in exponents]


# Columns are the elements of theta: moderate gradients with changes of sign; very large ones; very
# small ones; zero at first and at the end; both extremes in turn.
SEQUENCES = {
    "any": {
        "theta": [1.0, -2.5, 0.5, 3.0, -0.75],
        "gradients": [
            [0.5, 2.0**60, 2.0**-30, 0.0, 2.0**-60],
            [-0.25, 2.0**59, -(2.0**-28), 0.0, 0.125],
            [0.125, -(2.0**58), 2.0**-60, 1.5, -(2.0**40)],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [1.5, 1.0, 2.0**-20, -3.25, 2.0**-40],
            [-2.75, -(2.0**30), 2.0**-31, -0.0625, -(2.0**41)],
            [0.375, 2.0**57, -(2.0**-33), 7.0, 1.0],
            [3.0, 1.0, 2.0**-24, 0.0, -1.0],
            [-0.875, -1.5, 2.0**-26, -1.0, 0.0],
            [0.0625, 2.0**-10, -(2.0**-29), 0.0, 2.0**20],
        ],
    },
    # No zero before something has been kept, and no square below float32's smallest number: with
    # eps = 0 the first would be 0 / 0 and the second would lose its digits.
    "never 0 at first": {
        "theta": [1.0, -2.5, 0.5, 3.0],
        "gradients": [
            [0.5, *powers(60, -30, -40)],
            [-0.25, *powers(59, -28, 3)],
            [0.0, 0.0, 0.0, 0.0],
            [0.125, -1.0, 2.0**-29, -6.0],
            [1.5, 2.0**40, -(2.0**-27), 0.5],
            [-2.75, 3.0, 2.0**-33, 2.0**-38],
            [0.375, -(2.0**57), 2.0**-30, 11.0],
            [-0.875, 0.0, -(2.0**-26), -1.0],
        ],
    },
    "moderate": {
        "theta": [1.0, -2.5, 0.015625],
        "gradients": [
            [0.5, -1.0, 2.0],
            [0.75, 1.25, 1.0],
            [-0.5, 0.25, 0.0],
            [0.0, 0.0, 0.0],
            [0.25, 1024.0, 2.0**-12],
            [-1.5, -3.0, 5.0],
            [2.0, -0.375, 1.0],
            [0.125, 0.5, -0.25],
            [-0.75, 8.0, 0.5],
            [1.0, -1.0, 3.0],
            [3.5, 2.0, 0.0625],
            [-0.0625, -4.0, 0.75],
        ],
    },
}

ADAM = {"lr": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "eps": 1e-8, "maximize": False}
ADAMW = {**ADAM, "weight_decay": 1e-2}
RMSPROP = {"lr": 1e-2, "beta_2": 0.99, "eps": 1e-8, "maximize": False}
SGD = {
    "lr": 1e-3,
    "momentum": 0.0,
    "dampening": 0.0,
    "weight_decay": 0.0,
    "nesterov": False,
    "maximize": False,
}

CASES = [
    ("Adam", "defaults", "any", ADAM),
    ("Adam", "maximize", "any", ADAM | {"maximize": True}),
    ("Adam", "lr of 0", "any", ADAM | {"lr": 0.0}),
    ("Adam", "large lr", "any", ADAM | {"lr": 0.3}),
    ("Adam", "short memories", "any", ADAM | {"lr": 0.01, "beta_1": 0.5, "beta_2": 0.75}),
    ("Adam", "long memories", "any", ADAM | {"beta_1": 0.99, "beta_2": 0.99999}),
    ("Adam", "beta_1 above beta_2", "any", ADAM | {"beta_1": 0.95, "beta_2": 0.6}),
    ("Adam", "beta_1 of 0", "any", ADAM | {"beta_1": 0.0}),
    ("Adam", "beta_2 of 0", "moderate", ADAM | {"beta_2": 0.0, "eps": 1e-3}),
    ("Adam", "both betas of 0", "any", ADAM | {"beta_1": 0.0, "beta_2": 0.0}),
    ("Adam", "large eps", "any", ADAM | {"lr": 0.1, "eps": 0.25}),
    ("Adam", "eps of 0", "never 0 at first", ADAM | {"eps": 0.0}),
    ("Adam", "maximize, eps of 0", "never 0 at first", ADAM | {"eps": 0.0, "maximize": True}),
    ("Adam", "moderate gradients", "moderate", ADAM | {"lr": 0.02, "beta_1": 0.8, "eps": 1e-6}),
    ("AdamW", "defaults", "any", ADAMW),
    ("AdamW", "maximize", "any", ADAMW | {"maximize": True, "weight_decay": 0.5}),
    ("AdamW", "no decay", "any", ADAMW | {"weight_decay": 0.0}),
    ("AdamW", "lr of 0", "any", ADAMW | {"lr": 0.0, "weight_decay": 3.0}),
    ("AdamW", "strong decay", "any", ADAMW | {"lr": 0.1, "weight_decay": 1.5, "beta_1": 0.7}),
    ("AdamW", "decay beyond 0", "moderate", ADAMW | {"lr": 1.25, "weight_decay": 1.0}),
    ("AdamW", "eps of 0", "never 0 at first", ADAMW | {"eps": 0.0, "beta_2": 0.9}),
    ("RMSProp", "defaults", "any", RMSPROP),
    ("RMSProp", "maximize", "any", RMSPROP | {"maximize": True}),
    ("RMSProp", "lr of 0", "any", RMSPROP | {"lr": 0.0}),
    ("RMSProp", "as in the lecture", "any", RMSPROP | {"lr": 1e-3, "beta_2": 0.9}),
    ("RMSProp", "beta_2 of 0", "any", RMSPROP | {"beta_2": 0.0}),
    ("RMSProp", "long memory, large eps", "any", RMSPROP | {"beta_2": 0.9999, "eps": 0.125}),
    ("RMSProp", "eps of 0", "never 0 at first", RMSPROP | {"eps": 0.0}),
    ("SGD", "defaults", "any", SGD),
    ("SGD", "lr of 0", "any", SGD | {"lr": 0.0, "momentum": 0.5}),
    ("SGD", "maximize", "moderate", SGD | {"lr": 0.1, "maximize": True}),
    ("SGD", "momentum", "any", SGD | {"lr": 0.1, "momentum": 0.9}),
    ("SGD", "momentum above 1", "moderate", SGD | {"lr": 0.1, "momentum": 1.25}),
    ("SGD", "dampening", "moderate", SGD | {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    ("SGD", "dampening above 1", "moderate", SGD | {"momentum": 0.5, "dampening": 1.5}),
    ("SGD", "nesterov", "moderate", SGD | {"lr": 0.01, "momentum": 0.8, "nesterov": True}),
    ("SGD", "weight decay", "moderate", SGD | {"lr": 0.05, "weight_decay": 0.3}),
    ("SGD", "weight decay in momentum", "any", SGD | {"momentum": 0.9, "weight_decay": 0.1}),
    (
        "SGD",
        "maximize with weight decay",
        "moderate",
        SGD | {"weight_decay": 2.0, "maximize": True},
    ),
    (
        "SGD",
        "maximize with momentum, dampening and weight decay",
        "moderate",
        SGD
        | {"lr": 0.02, "momentum": 0.7, "dampening": 0.2, "weight_decay": 0.05, "maximize": True},
    ),
    (
        "SGD",
        "nesterov, maximize and weight decay",
        "moderate",
        SGD
        | {"lr": 0.02, "momentum": 0.6, "weight_decay": 0.1, "nesterov": True, "maximize": True},
    ),
]

ALGORITHMS = {"Adam": adam, "AdamW": adamw, "RMSProp": rmsprop, "SGD": sgd}


def trajectory(optimizer, sequence, hyperparameters):
    """The thetas after every step and the slots after the last, as decimal strings."""
    exact = {key: x if isinstance(x, bool) else mpf(x) for key, x in hyperparameters.items()}
    columns = []
    for i, theta in enumerate(sequence["theta"]):
        gradients = [mpf(row[i]) for row in sequence["gradients"]]
        columns.append(list(ALGORITHMS[optimizer](mpf(theta), gradients, **exact)))
    thetas = [[decimal(theta) for theta, _ in row] for row in zip(*columns, strict=True)]
    last = [column[-1][1] for column in columns]
    return thetas, {slot: [decimal(kept[slot]) for kept in last] for slot in last[0]}


def decimal(x):
    """20 digits, rounded by Python: versions of mpmath round ties differently."""
    with localcontext(Context(prec=100)):
        exact = Decimal(int(x.man)) * Decimal(2) ** int(x.exp)
    with localcontext(Context(prec=20)):
        return str(+exact if x >= 0 else -exact)


def golden():
    """What golden.json holds, as text."""
    for sequence in SEQUENCES.values():
        for x in sum(sequence["gradients"], sequence["theta"]):
            assert struct.unpack("f", struct.pack("f", x))[0] == x, f"{x} is not a float32"
    cases = []
    with mp.workdps(DIGITS):
        for optimizer, name, sequence, hyperparameters in CASES:
            thetas, slots = trajectory(optimizer, SEQUENCES[sequence], hyperparameters)
            cases.append(
                {
                    "optimizer": optimizer,
                    "name": name,
                    "hyperparameters": hyperparameters,
                    "sequence": sequence,
                    "thetas": thetas,
                    "slots": slots,
                }
            )
    text = json.dumps({"sequences": SEQUENCES, "cases": cases}, indent=1)
    # a row of numbers is a line
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"


def in_step():
    """Whether golden.json is what this script would write."""
    return GOLDEN.exists() and GOLDEN.read_text(encoding="utf-8") == golden()


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        GOLDEN.write_text(golden(), encoding="utf-8")
    elif not in_step():
        sys.exit(f"{GOLDEN.name} is not what this script writes: run python {sys.argv[0]}")
