"""The code in a message: what follows "Write", taken out and run."""

import ast
import re

import numpy as np

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim


def advice_of(message):
    """The pieces of code that a message says to write, as they stand in it.

    A piece begins after "Write" and after each "or" that follows, and is as long as it is Python.
    """
    found = []
    for part in re.split(r"\bWrite(?:, for example,)? ", message)[1:]:
        for piece in [part, *re.split(r",? or (?=[\w.]+[(\[.=]|\()", part)[1:]]:
            code = longest_code(piece)
            if code and code not in found:
                found.append(code)
    return found


def longest_code(text):
    """The longest beginning of a text that is Python, without the comma or the full stop after it."""
    ends = [m.start() for m in re.finditer(r"(?<=\S)(?=[\s,.;:]|$)", text)][::-1]
    for end in ends:
        code = text[:end].rstrip(",.;")
        try:
            ast.parse(code)
        except SyntaxError:
            continue
        return code
    return ""


def run(pieces, names):
    """Runs each piece of code with names of its own; an error says which piece it was."""
    for code in pieces:
        try:
            exec(code, dict(names))
        except Exception as error:
            raise AssertionError(f"{code!r} gives {type(error).__name__}: {error}") from error


def names_for_advice():
    """What the names in advice may stand for."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    layer = nn.Linear(2, 3)
    opt = optim.SGD(layer)
    w = sg.Tensor(np.ones((2, 3)), requires_grad=True)
    batch = sg.ones((4, 2))
    loss = (layer(batch) * 1).sum()
    loss.backward()
    loss = layer(batch).sum()
    one = np.arange(6.0).reshape(2, 3) + 1
    sg.save("model.npz", layer)
    return {
        **{"np": np, "sg": sg, "nn": nn, "optim": optim, "fast": fast},
        **{"t": sg.Tensor(one, requires_grad=True), "x": sg.Tensor(one), "y": sg.Tensor(one / 7)},
        **{"a": sg.ones((2, 2)), "b": sg.ones((2, 2)), "w": w, "p": sg.Tensor(one / 7)},
        **{"q": w, "k": w, "v": w, "h": sg.ones((5, 3)), "images": sg.ones((2, 3, 4, 4))},
        **{"model": layer, "layer": layer, "opt": opt, "loss": loss, "batch": batch},
        **{"embedding": nn.Embedding(4, 3), "norm": nn.LayerNorm(3), "layers": model},
        **{"schedule": optim.schedules.Step(opt, 2), "logits": sg.ones((2, 3))},
        **{"targets": np.array([0, 2]), "indices": np.array([0, 1]), "tensors": [w, w]},
    }
