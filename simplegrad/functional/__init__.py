"""The functions of `sg.`: of one rule each, and what is composed of them.

A function whose first argument is a tensor is a method, too: `sg.softmax(t)` is `t.softmax()`.
"""

from simplegrad.functional import activations, arrays, attention, losses
from simplegrad.functional.activations import *
from simplegrad.functional.arrays import *
from simplegrad.functional.attention import *
from simplegrad.functional.losses import *
from simplegrad.habits import answer_for
from simplegrad.tensor import Tensor

answer_for(__name__)

__all__ = [*activations.__all__, *arrays.__all__, *attention.__all__, *losses.__all__]

for _name in (*activations.__all__, *attention.__all__, *losses.__all__):
    setattr(Tensor, _name, globals()[_name])
