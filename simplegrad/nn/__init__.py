"""Layers, losses and Module, what they have in common."""

from simplegrad.nn.activations import GELU, ReLU, Sigmoid, Tanh
from simplegrad.nn.clipping import clip_grad_norm
from simplegrad.nn.layers import Dropout, Embedding, Flatten, LayerNorm, Linear, Sequential
from simplegrad.nn.losses import CrossEntropyLoss, MSELoss
from simplegrad.nn.module import Module

__all__ = [
    "GELU",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "Linear",
    "MSELoss",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "clip_grad_norm",
]
