"""The code in a message: what follows "Write", taken out and run."""

import ast
import re

import numpy as np

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim


def advice_of(message):
    """The pieces of code that a message says to write, as they stand in it.

    A piece begins after "Write", and after each "or", "and" or comma that more code follows. It is
    as long as it is Python.
    """
    found = []
    for text in re.split(r"\bWrite(?:, for example,)? ", message)[1:]:
        code = longest_code(text)
        found += alternatives(code) if code else []
        rest = text[len(code) :]
        pieces = re.split(r"(?:, (?:or |and |and then )?| or | and )(?=[\w.\[(]+[\[(=.])", rest)[1:]
        found += [code for code in map(longest_code, pieces) if re.search(r"[(\[=.]", code)]
    return found


def alternatives(code):
    """What stands between commas and the words "or" and "and", which are Python, too."""
    match ast.parse(code).body:
        case [ast.Expr(ast.Tuple(elts=parts) | ast.BoolOp(values=parts))]:
            return [each for part in parts for each in alternatives(ast.unparse(part))]
    return [code]


def longest_code(text):
    """The longest beginning of a text that is Python, without the comma or full stop after it."""
    for end in [m.start() for m in re.finditer(r"(?<=\S)(?=[\s,.;:]|$)", text)][::-1]:
        code = text[:end].rstrip(",.;")
        try:
            ast.parse(code)
        except SyntaxError:
            continue
        return code
    return ""


def run(message, names):
    """Runs what a message says to write, one piece after the other; there must be some."""
    names, pieces = dict(names), advice_of(message)
    assert pieces, f"nothing to write in: {message}"
    for code in pieces:
        if any(name in code for name in ("model.head", "model.out", "old_opt")):
            continue  # which the reader may have, or not
        try:
            exec(f"def f():\n    {code}" if code.startswith("return ") else code, names)
        except Exception as error:
            wrong = f"{code!r} gives {type(error).__name__}: {error}\nin: {message}"
            raise AssertionError(wrong) from error


def names_for_advice():
    """What the names in advice may stand for."""
    model = nn.Linear(2, 3)
    model.layers = [nn.ReLU()]
    opt = optim.SGD(model)
    w = sg.Tensor(np.full((2, 3), 0.5), requires_grad=True)
    batch = sg.ones((4, 2))
    model(batch).sum().backward()
    numbers = np.arange(1.0, 7.0).reshape(2, 3) / 7
    sg.save("model.npz", model)
    return {
        "np": np,
        "sg": sg,
        "nn": nn,
        "optim": optim,
        "fast": fast,
        **vars(optim),
        **{name: sg.Tensor(numbers) for name in ["x", "y", "p", "q", "k", "v", "target"]},
        **{name: sg.Tensor(numbers, requires_grad=True) for name in ["t", "c", "prediction"]},
        "w": w,
        "a": sg.ones((2, 2)),
        "b": sg.ones((2, 2)),
        "tensors": [w, w],
        "h": sg.ones((5, 3)),
        "images": sg.ones((2, 3, 4, 4)),
        "array": numbers,
        "condition": numbers > 0.5,
        "value": 0.0,
        "data": [1.0, 2.0],
        "module": model,
        "model": model,
        "opt": opt,
        "loss": model(batch).sum(),
        "batch": batch,
        "layer": model,
        "one": nn.Linear(2, 3),
        "other": nn.Linear(2, 3),
        "embedding": nn.Embedding(4, 3),
        "norm": nn.BatchNorm(3),
        "schedule": optim.schedules.Step(optim.SGD(nn.Linear(2, 3)), 2),
        "logits": sg.ones((2, 3)),
        "targets": np.array([0, 2]),
        "indices": np.array([0, 1]),
    }
