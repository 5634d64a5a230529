"""The functions of `sg.`: of one rule each, and what is composed of them.

A function whose first argument is a tensor is a method, too: `sg.softmax(t)` is `t.softmax()`.
"""

import numpy as np

from simplegrad.functional import (
    activations,
    arrays,
    attention,
    calculus,
    convolution,
    losses,
    products,
    shapes,
)
from simplegrad.functional.activations import *
from simplegrad.functional.arrays import *
from simplegrad.functional.attention import *
from simplegrad.functional.calculus import *
from simplegrad.functional.convolution import *
from simplegrad.functional.losses import *
from simplegrad.functional.products import *
from simplegrad.functional.shapes import *
from simplegrad.habits import answer_for
from simplegrad.tensor import NUMPYS_REDUCTIONS, Tensor

answer_for(__name__)

_METHODS = [
    *(*activations.__all__, *attention.__all__, *calculus.__all__, *convolution.__all__),
    *(*losses.__all__, *shapes.__all__),
]

__all__ = [*arrays.__all__, *products.__all__, *_METHODS]

for _name in _METHODS:
    setattr(Tensor, _name, globals()[_name])
NUMPYS_REDUCTIONS.update({np.cumsum: cumsum, np.prod: prod, np.std: std})
