"""Activations as modules, to stand in a Sequential: each is the function of its name."""

from simplegrad import functional
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor, TensorLike

__all__ = ["GELU", "ReLU", "Sigmoid", "Tanh"]


class ReLU(Module):
    """`sg.relu` as a module.

    Examples:
        >>> nn.ReLU()([-1.0, 2.0]).numpy()
        array([0., 2.], dtype=float32)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return functional.relu(x)


class Tanh(Module):
    """`sg.tanh` as a module.

    Examples:
        >>> nn.Tanh()([0.0, 1.0]).numpy().round(3)
        array([0.   , 0.762], dtype=float32)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return functional.tanh(x)


class Sigmoid(Module):
    """`sg.sigmoid` as a module.

    Examples:
        >>> nn.Sigmoid()([0.0]).numpy()
        array([0.5], dtype=float32)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return functional.sigmoid(x)


class GELU(Module):
    """`sg.gelu` as a module.

    Examples:
        >>> nn.GELU()([0.0, 1.0]).numpy().round(3)
        array([0.   , 0.841], dtype=float32)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return functional.gelu(x)
