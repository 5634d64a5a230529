"""Layers, losses and Module, what they have in common."""

from simplegrad.habits import answer_for
from simplegrad.nn import activations, convolution, init, layers, losses, normalisation
from simplegrad.nn.activations import *
from simplegrad.nn.clipping import clip_grad_norm
from simplegrad.nn.convolution import *
from simplegrad.nn.layers import *
from simplegrad.nn.losses import *
from simplegrad.nn.module import Module
from simplegrad.nn.normalisation import *

answer_for(__name__)

__all__ = [
    "Module",
    "clip_grad_norm",
    "init",
    *activations.__all__,
    *convolution.__all__,
    *layers.__all__,
    *losses.__all__,
    *normalisation.__all__,
]
