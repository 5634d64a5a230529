"""Losses as modules: each is the function of its name."""

from simplegrad import functional
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor, TensorLike

__all__ = ["CrossEntropyLoss", "MSELoss"]


class MSELoss(Module):
    """`sg.mse_loss` as a module.

    Examples:
        >>> nn.MSELoss()([1.0, 2.0], [1.0, 4.0]).item()
        2.0
    """

    def forward(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        return functional.mse_loss(prediction, target)


class CrossEntropyLoss(Module):
    """`sg.cross_entropy` as a module.

    Examples:
        >>> nn.CrossEntropyLoss()([[0.0, 0.0]], np.array([1])).numpy().round(3)
        np.float32(0.693)
    """

    def forward(self, logits: TensorLike, targets: TensorLike) -> Tensor:
        return functional.cross_entropy(logits, targets)
