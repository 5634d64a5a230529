"""Losses as modules: each is the function of its name."""

from __future__ import annotations

from simplegrad import functional
from simplegrad.nn.module import ModuleOfOptions
from simplegrad.tensor import Tensor, TensorLike

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
]


class _Loss(ModuleOfOptions):
    """A loss with a reduction."""

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = reduction


class MSELoss(_Loss):
    """`sg.mse_loss` as a module.

    Examples:
        >>> nn.MSELoss()([1.0, 2.0], [1.0, 4.0]).item()
        2.0
    """

    def forward(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        return functional.mse_loss(prediction, target, reduction=self.reduction)


class L1Loss(_Loss):
    """`sg.l1_loss` as a module.

    Examples:
        >>> nn.L1Loss()([1.0, 2.0], [1.0, 4.0]).item()
        1.0
    """

    def forward(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        return functional.l1_loss(prediction, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """`sg.huber_loss` as a module.

    Examples:
        >>> nn.HuberLoss(delta=2.0)([1.0, 6.0], [0.0, 0.0]).item()
        5.25
    """

    def __init__(self, *, delta: float = 1.0, reduction: str = "mean") -> None:
        self.delta = delta
        super().__init__(reduction=reduction)

    def forward(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        return functional.huber_loss(prediction, target, delta=self.delta, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`sg.binary_cross_entropy_with_logits` as a module.

    Examples:
        >>> nn.BCEWithLogitsLoss()([0.0], [1]).numpy().round(3)
        np.float32(0.693)
    """

    def forward(self, logits: TensorLike, targets: TensorLike) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            logits, targets, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """`sg.kl_div` as a module.

    Examples:
        >>> nn.KLDivLoss(reduction="sum")(sg.log([0.5, 0.5]), [1.0, 0.0]).numpy().round(3)
        np.float32(0.693)
    """

    def forward(self, log_q: TensorLike, p: TensorLike) -> Tensor:
        return functional.kl_div(log_q, p, reduction=self.reduction)


class NLLLoss(_Loss):
    """`sg.nll_loss` as a module.

    Examples:
        >>> nn.NLLLoss()(sg.log([[0.5, 0.5]]), np.array([1])).numpy().round(3)
        np.float32(0.693)
    """

    def __init__(self, *, ignore_index: int | None = None, reduction: str = "mean") -> None:
        self.ignore_index = ignore_index
        super().__init__(reduction=reduction)

    def forward(self, log_probabilities: TensorLike, targets: TensorLike) -> Tensor:
        return functional.nll_loss(
            log_probabilities, targets, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(_Loss):
    """`sg.cross_entropy` as a module.

    Examples:
        >>> nn.CrossEntropyLoss()([[0.0, 0.0]], np.array([1])).numpy().round(3)
        np.float32(0.693)
    """

    def __init__(
        self,
        *,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        super().__init__(reduction=reduction)

    def forward(self, logits: TensorLike, targets: TensorLike) -> Tensor:
        return functional.cross_entropy(
            logits,
            targets,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )
