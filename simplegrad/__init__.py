"""simplegrad: automatic differentiation and Adam, to read, to step through and to teach."""

from simplegrad import creation, datasets, derivatives, functional, nn, optimizers
from simplegrad.autograd import no_grad
from simplegrad.creation import *
from simplegrad.derivatives import *
from simplegrad.functional.activations import *
from simplegrad.functional.arrays import *
from simplegrad.functional.attention import *
from simplegrad.functional.calculus import *
from simplegrad.functional.convolution import *
from simplegrad.functional.losses import *
from simplegrad.functional.products import *
from simplegrad.functional.shapes import *
from simplegrad.habits import answer_for
from simplegrad.tensor import Tensor
from simplegrad.tools.checkpoint import load, save
from simplegrad.tools.detect import detect_accumulation, detect_anomaly
from simplegrad.tools.draw import draw, print_graph
from simplegrad.tools.explain import explain
from simplegrad.tools.gradcheck import gradcheck
from simplegrad.tools.step_through import step_through

__version__ = "0.1.0"
answer_for(__name__)

# creation and functional list their own names
__all__ = [
    "Tensor",
    "__version__",
    "datasets",
    "detect_accumulation",
    "detect_anomaly",
    "draw",
    "explain",
    "gradcheck",
    "load",
    "nn",
    "no_grad",
    "optimizers",
    "print_graph",
    "save",
    "step_through",
    *creation.__all__,
    *derivatives.__all__,
    *functional.__all__,
]
