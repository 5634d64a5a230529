"""A gated recurrent unit: one step of simplegrad.nn.GRUCell."""

import numpy as np

from simplegrad.exercises.task import Task, table
from simplegrad.rules import Sigmoid

TITLE = "A GRU, one step"

RNG = np.random.default_rng(0)
WEIGHTS = {
    f"{kind}_{of}{gate}": RNG.integers(-8, 9, size=shape) / 8
    for gate in "rzn"
    for kind, of, shape in (("W", "i", (2, 3)), ("b", "i", 3), ("W", "h", (3, 3)), ("b", "h", 3))
}
ARGUMENTS = ["x_t", "h"]
ARGUMENTS += [f"{kind}_{of}{gate}" for of in "ih" for gate in "rzn" for kind in "Wb"]
X = np.array([[1.0, -0.5], [0.5, 2.0], [-1.5, 1.0]])
H = np.array([[0.5, -0.25, 0.75], [-0.5, 0.125, 0.25]])


def of_gate(g: str, other: str) -> dict[str, str]:
    """What goes wrong with a gate g, beside another one."""
    a = f"x_t @ W_i{g} + b_i{g} + h @ W_h{g} + b_h{g}"
    return table(f"""
        tanh stands where the sigmoid belongs: a gate is between 0 and 1 -> np.tanh({a})
        the sigmoid is missing: a gate is between 0 and 1 -> {a}
        the sign of the exponent is turned round: this is 1 - {g}_t -> sigmoid(-({a}))
        b_i{g} is missing -> sigmoid({a} - b_i{g})
        b_h{g} is missing -> sigmoid({a} - b_h{g})
        both biases are missing -> sigmoid({a} - b_i{g} - b_h{g})
        the product with the old state is missing -> sigmoid(x_t @ W_i{g} + b_i{g} + b_h{g})
        the product with the old state and its bias are missing -> sigmoid(x_t @ W_i{g} + b_i{g})
        the product with the input is missing -> sigmoid(b_i{g} + h @ W_h{g} + b_h{g})
        the product with the input and its bias are missing -> sigmoid(h @ W_h{g} + b_h{g})
        the weights are those of {other}_t
            -> sigmoid(x_t @ W_i{other} + b_i{other} + h @ W_h{other} + b_h{other})
        W_i{other} stands where W_i{g} belongs
            -> sigmoid(x_t @ W_i{other} + b_i{g} + h @ W_h{g} + b_h{g})
        W_h{other} stands where W_h{g} belongs
            -> sigmoid(x_t @ W_i{g} + b_i{g} + h @ W_h{other} + b_h{g})
        W_h{g} is transposed: h is a row, and stands to the left
            -> sigmoid(x_t @ W_i{g} + b_i{g} + h @ W_h{g}.T + b_h{g})
    """)


TASKS = {
    "gru_step": Task(
        arguments=", ".join(ARGUMENTS),
        equations={
            "r_t": "sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)",
            "z_t": "sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)",
            "n_t": "np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))",
            "h_t": "(1 - z_t) * n_t + z_t * h",
        },
        cases={
            "three steps from the start": [
                {"x_t": X[0], "h": np.zeros(3), **WEIGHTS},
                {"x_t": X[1]},
                {"x_t": X[2]},
            ],
            "a step on the way": [{"x_t": X[1], "h": H[0], **WEIGHTS}],
            "a batch of two": [{"x_t": X[:2], "h": H, **WEIGHTS}],
        },
        mistakes={
            "r_t": of_gate("r", "z"),
            "z_t": of_gate("z", "r"),
            "n_t": table("""
                the reset gate scales h before the product, as in the paper: it scales the product
                    -> np.tanh(x_t @ W_in + b_in + (r_t * h) @ W_hn + b_hn)
                b_hn stands outside of the parentheses: the reset gate scales it, too
                    -> np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn) + b_hn)
                the reset gate is missing -> np.tanh(x_t @ W_in + b_in + h @ W_hn + b_hn)
                the reset gate scales the input, where it belongs to the old state
                    -> np.tanh(r_t * (x_t @ W_in + b_in) + h @ W_hn + b_hn)
                the reset gate scales all, where it belongs to the old state alone
                    -> np.tanh(r_t * (x_t @ W_in + b_in + h @ W_hn + b_hn))
                the reset gate scales the result, and not what is inside of the tanh
                    -> r_t * np.tanh(x_t @ W_in + b_in + h @ W_hn + b_hn)
                z_t stands where r_t belongs
                    -> np.tanh(x_t @ W_in + b_in + z_t * (h @ W_hn + b_hn))
                1 - r_t stands where r_t belongs
                    -> np.tanh(x_t @ W_in + b_in + (1 - r_t) * (h @ W_hn + b_hn))
                the sigmoid stands where tanh belongs: a state may be negative
                    -> sigmoid(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
                tanh is missing -> x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn)
                b_in is missing -> np.tanh(x_t @ W_in + r_t * (h @ W_hn + b_hn))
                b_hn is missing -> np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn))
                both biases are missing -> np.tanh(x_t @ W_in + r_t * (h @ W_hn))
                the part of the old state is missing -> np.tanh(x_t @ W_in + b_in)
                the part of the input is missing -> np.tanh(r_t * (h @ W_hn + b_hn))
                W_hn is transposed: h is a row, and stands to the left
                    -> np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn.T + b_hn))
            """),
            "h_t": table("""
                z_t and 1 - z_t are swapped: z_t near 1 keeps the old state
                    -> z_t * n_t + (1 - z_t) * h
                r_t stands where z_t belongs -> (1 - r_t) * n_t + r_t * h
                the factor 1 - z_t is missing before n_t -> n_t + z_t * h
                the factor z_t is missing before h -> (1 - z_t) * n_t + h
                both factors are missing -> n_t + h
                the old state is missing -> (1 - z_t) * n_t
                the candidate is missing -> z_t * h
                the parentheses around 1 - z_t are missing -> 1 - z_t * n_t + z_t * h
                both have the factor z_t -> z_t * n_t + z_t * h
                the sign before z_t h is turned round -> (1 - z_t) * n_t - z_t * h
                this is the candidate, and not the state -> n_t
                the state is returned as it came -> h
                tanh is taken once more -> np.tanh((1 - z_t) * n_t + z_t * h)
            """),
        },
        kept={"h": "h_t"},
        in_place=("h",),
        names={"sigmoid": Sigmoid.forward},
    )
}
