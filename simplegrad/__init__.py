"""simplegrad: automatic differentiation and Adam, to read, to step through and to teach."""

from simplegrad import datasets, nn, optimizers
from simplegrad.autograd import no_grad
from simplegrad.checkpoint import load, save
from simplegrad.creation import (
    arange,
    eye,
    full,
    full_like,
    generator,
    manual_seed,
    normal,
    normal_like,
    ones,
    ones_like,
    uniform,
    uniform_like,
    zeros,
    zeros_like,
)
from simplegrad.detect import detect_accumulation, detect_anomaly
from simplegrad.functional import (
    abs,
    clip,
    concatenate,
    cross_entropy,
    exp,
    gelu,
    log,
    log_softmax,
    logsumexp,
    maximum,
    minimum,
    mse_loss,
    relu,
    sigmoid,
    softmax,
    sqrt,
    stack,
    tanh,
    where,
)
from simplegrad.gradcheck import gradcheck
from simplegrad.show.draw import draw, print_graph
from simplegrad.show.explain import explain
from simplegrad.tensor import Tensor

__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "__version__",
    "abs",
    "arange",
    "clip",
    "concatenate",
    "cross_entropy",
    "datasets",
    "detect_accumulation",
    "detect_anomaly",
    "draw",
    "exp",
    "explain",
    "eye",
    "full",
    "full_like",
    "gelu",
    "generator",
    "gradcheck",
    "load",
    "log",
    "log_softmax",
    "logsumexp",
    "manual_seed",
    "maximum",
    "minimum",
    "mse_loss",
    "nn",
    "no_grad",
    "normal",
    "normal_like",
    "ones",
    "ones_like",
    "optimizers",
    "print_graph",
    "relu",
    "save",
    "sigmoid",
    "softmax",
    "sqrt",
    "stack",
    "tanh",
    "uniform",
    "uniform_like",
    "where",
    "zeros",
    "zeros_like",
]
