"""simplegrad: automatic differentiation and Adam, to read, to step through and to teach."""

from simplegrad import datasets, nn, optimizers
from simplegrad.autograd import no_grad
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
from simplegrad.tensor import Tensor
from simplegrad.tools.checkpoint import load, save
from simplegrad.tools.detect import detect_accumulation, detect_anomaly
from simplegrad.tools.draw import draw, print_graph
from simplegrad.tools.explain import explain
from simplegrad.tools.gradcheck import gradcheck

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
