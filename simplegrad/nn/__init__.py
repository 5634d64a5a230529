"""Layers, losses and Module, what they have in common."""

from simplegrad.habits import answer_for
from simplegrad.nn import (
    activations,
    attention,
    convolution,
    init,
    layers,
    losses,
    normalisation,
    recurrence,
)
from simplegrad.nn.activations import *
from simplegrad.nn.attention import *
from simplegrad.nn.clipping import clip_grad_norm
from simplegrad.nn.convolution import *
from simplegrad.nn.layers import *
from simplegrad.nn.losses import *
from simplegrad.nn.module import Module
from simplegrad.nn.normalisation import *
from simplegrad.nn.recurrence import *

answer_for(__name__)

__all__ = [
    "Module",
    "clip_grad_norm",
    "init",
    *activations.__all__,
    *attention.__all__,
    *convolution.__all__,
    *layers.__all__,
    *losses.__all__,
    *normalisation.__all__,
    *recurrence.__all__,
]
