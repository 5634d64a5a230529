"""Losses, composed of other functions."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from simplegrad import given, habits
from simplegrad.functional.activations import log_softmax, softplus
from simplegrad.functional.arrays import where
from simplegrad.tensor import Tensor, TensorLike, floats

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
]


def mse_loss(
    prediction: TensorLike, target: TensorLike, *, reduction: str = "mean", **wrong: NoReturn
) -> Tensor:
    r"""Mean squared error.

    $$L = \frac{1}{n} \sum_i (y_i - t_i)^2$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 5.4.

    Args:
        prediction: $y$, of any shape.
        target: $t$, of the same shape.
        reduction: "mean", "sum", or "none" for the loss of each element by itself.

    Raises:
        ValueError: The shapes differ; they are not broadcast, since (n,) against (n, 1) would
            compare every prediction with every target.

    Examples:
        >>> sg.mse_loss(sg.Tensor([1.0, 2.0]), [1.0, 4.0]).item()
        2.0
    """
    if wrong:
        raise habits.refused("sg.mse_loss", wrong, prediction, target)
    y, t = _pairs("mse_loss", prediction, target)
    return _reduced((y - t) ** 2, reduction)


def l1_loss(
    prediction: TensorLike, target: TensorLike, *, reduction: str = "mean", **wrong: NoReturn
) -> Tensor:
    r"""Mean absolute error.

    $$L = \frac{1}{n} \sum_i |y_i - t_i|$$

    Args:
        prediction: $y$, of any shape.
        target: $t$, of the same shape.
        reduction: "mean", "sum", or "none" for the loss of each element by itself.

    Raises:
        ValueError: The shapes differ; they are not broadcast.

    Examples:
        >>> sg.l1_loss(sg.Tensor([1.0, 2.0]), [1.0, 4.0]).item()
        1.0
    """
    if wrong:
        raise habits.refused("sg.l1_loss", wrong, prediction, target)
    y, t = _pairs("l1_loss", prediction, target)
    return _reduced((y - t).abs(), reduction)


def huber_loss(
    prediction: TensorLike,
    target: TensorLike,
    *,
    delta: float = 1.0,
    reduction: str = "mean",
    **wrong: NoReturn,
) -> Tensor:
    r"""Squared error where it is small, and absolute error where it is larger than $\delta$.

    $$L = \frac{1}{n} \sum_i m_i \left( r_i - \tfrac{1}{2} m_i \right), \quad
      r_i = |y_i - t_i|, \quad m_i = \min(r_i, \delta)$$

    So it is $\tfrac{1}{2} r^2$ up to $\delta$, and then $\delta \, (r - \tfrac{1}{2} \delta)$.
    Huber (1964), "Robust estimation of a location parameter".

    Args:
        prediction: $y$, of any shape.
        target: $t$, of the same shape.
        delta: $\delta$, above 0.
        reduction: "mean", "sum", or "none" for the loss of each element by itself.

    Raises:
        ValueError: The shapes differ; they are not broadcast. Or `delta` is not above 0.

    Examples:
        >>> sg.huber_loss([1.0, 6.0], [0.0, 0.0], delta=2.0, reduction="none").numpy()
        array([ 0.5, 10. ], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.huber_loss", wrong, prediction, target)
    y, t = _pairs("huber_loss", prediction, target)
    delta = given.checked_number(given.POSITIVE, delta, "delta is", "Write delta=1.0.")
    r = (y - t).abs()
    m = r.minimum(delta)
    return _reduced(m * (r - 0.5 * m), reduction)


def binary_cross_entropy_with_logits(
    logits: TensorLike, targets: TensorLike, *, reduction: str = "mean", **wrong: NoReturn
) -> Tensor:
    r"""Mean negative log-likelihood of answers yes and no.

    $$L = -\frac{1}{n} \sum_i \left( t_i \log \sigma(a_i) + (1 - t_i) \log (1 - \sigma(a_i)) \right)
        = \frac{1}{n} \sum_i \left( t_i \, \zeta(-a_i) + (1 - t_i) \, \zeta(a_i) \right)$$

    The second form, of the softplus $\zeta(a) = \log(1 + e^a)$, is exact for all logits. Bishop
    (2006), "Pattern Recognition and Machine Learning", equation 4.90.

    Args:
        logits: $a$, of any shape: any numbers, not probabilities.
        targets: $t$, of the same shape: 1 for yes and 0 for no, or a probability of yes.
        reduction: "mean", "sum", or "none" for the loss of each element by itself.

    Raises:
        ValueError: The shapes differ; they are not broadcast. Or a target is no probability.

    Examples:
        >>> sg.binary_cross_entropy_with_logits([0.0, 1e4], [1, 1]).numpy().round(3)
        np.float32(0.347)
    """
    if wrong:
        raise habits.refused("sg.binary_cross_entropy_with_logits", wrong, logits, targets)
    a, t = _pairs("binary_cross_entropy_with_logits", logits, targets)
    given.check_probabilities("binary_cross_entropy_with_logits", t.data)
    return _reduced(t * softplus(-a) + (1 - t) * softplus(a), reduction)


def kl_div(
    log_q: TensorLike, p: TensorLike, *, reduction: str = "mean", **wrong: NoReturn
) -> Tensor:
    r"""Kullback-Leibler divergence of $q$, given by its logarithm, from the target $p$.

    $$L = \frac{1}{n} \sum_i p_i \, (\log p_i - \log q_i)$$

    The order of the arguments is PyTorch's. An element with $p_i = 0$ is 0. As in PyTorch, $n$
    counts all elements: the divergence of one distribution is the sum of its row, as
    `sg.kl_div(log_q, p, reduction="none").sum(axis=-1)`. Kullback and Leibler (1951), "On
    information and sufficiency".

    Args:
        log_q: $\log q$, of any shape: logarithms of probabilities, as `sg.log_softmax` gives them.
        p: The target, of the same shape: probabilities.
        reduction: "mean", "sum", or "none" for each element by itself.

    Raises:
        ValueError: The shapes differ; they are not broadcast. Or a target is no probability.

    Examples:
        >>> sg.kl_div(sg.log([0.5, 0.5]), [1.0, 0.0], reduction="sum").numpy().round(3)
        np.float32(0.693)
    """
    if wrong:
        raise habits.refused("sg.kl_div", wrong, log_q, p)
    log_q, p = _pairs("kl_div", log_q, p)
    given.check_probabilities("kl_div", p.data)
    log_p = where(p > 0, p, 1.0).log()  # 0 log 0 is 0
    return _reduced(p * (log_p - log_q), reduction)


def nll_loss(
    log_probabilities: TensorLike,
    targets: TensorLike,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    **wrong: NoReturn,
) -> Tensor:
    r"""Mean negative log-likelihood of the right classes.

    $$L = -\frac{1}{n} \sum_i \sum_j [j = t_i] \, \log c_{ij}$$

    Bishop (2006), "Pattern Recognition and Machine Learning", equation 4.108.

    Args:
        log_probabilities: $\log c$, of shape (..., classes), as `sg.log_softmax` gives them.
        targets: $t$, of shape (...): the number of the right class, an integer from 0.
        ignore_index: The target of rows to leave out, as in `cross_entropy`.
        reduction: "mean", "sum", or "none" for the loss of each row by itself.

    Raises:
        TypeError: The targets are not integers.
        ValueError: The shapes do not match, or a target is no class.

    Examples:
        >>> sg.nll_loss(sg.log([[0.5, 0.5], [1.0, 1e-9]]), [0, 0]).numpy().round(3)
        np.float32(0.347)
    """
    if wrong:
        raise habits.refused("sg.nll_loss", wrong, log_probabilities, targets)
    log_c = floats(log_probabilities)
    t = _checked_targets("nll_loss", log_c, targets, ignore_index)
    return _reduced(-_of_right_classes(log_c, t), reduction, t, ignore_index)


def cross_entropy(
    logits: TensorLike,
    targets: TensorLike,
    *,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    **wrong: NoReturn,
) -> Tensor:
    r"""Mean negative log-likelihood of the right classes.

    $$L = \frac{1}{n} \sum_i \left( \log \sum_j e^{a_{ij}} - a_{i t_i} \right)$$

    Bishop (2006), "Pattern Recognition and Machine Learning", equation 4.108, with the softmax of
    equation 4.104 put in. Targets that are probabilities need the logarithm of the softmax, $c$, as
    it stands: $L = -\frac{1}{n} \sum_i \sum_j t_{ij} \log c_{ij}$. And `label_smoothing` moves a
    part $\varepsilon$ of the targets to all $C$ classes alike: for $t_{ij}$ there is
    $(1 - \varepsilon) \, t_{ij} + \varepsilon / C$. Szegedy et al. (2016), "Rethinking the
    inception architecture for computer vision", section 7.

    Args:
        logits: $a$, of shape (..., classes): any numbers, not probabilities.
        targets: $t$, of shape (...): the number of the right class, an integer from 0. Or floats
            of the shape of the logits: the probability of each class.
        ignore_index: The target of rows to leave out, whose loss is 0 and which the mean does not
            count; None, the default, leaves out none, where PyTorch leaves out those of -100. If
            all are left out, their mean is NaN, and all gradients are 0.
        label_smoothing: $\varepsilon$, from 0 to 1.
        reduction: "mean", "sum", or "none" for the loss of each row by itself.

    Raises:
        TypeError: The targets are neither integers nor probabilities of the shape of the logits.
        ValueError: The shapes do not match, or a target is no class or no probability.

    Examples:
        >>> logits = sg.Tensor([[0.0, 0.0], [1000.0, 0.0]])
        >>> sg.cross_entropy(logits, [0, 0]).numpy().round(3)
        np.float32(0.347)
        >>> sg.cross_entropy(logits, [0, -1], ignore_index=-1).numpy().round(3)
        np.float32(0.693)
    """
    if wrong:
        raise habits.refused("sg.cross_entropy", wrong, logits, targets)
    a = floats(logits)
    t = _checked_targets("cross_entropy", a, targets, ignore_index)
    if t.dtype.kind == "f" or ignore_index is not None or label_smoothing != 0:
        return _smoothed(a, t, ignore_index, label_smoothing, reduction)
    rows = a.reshape(-1, a.shape[-1]) if a.ndim != 2 else a
    a_it = rows[np.arange(t.size), t.reshape(-1) if t.ndim != 1 else t]
    L = rows.logsumexp(axis=1) - a_it
    return L.mean() if reduction == "mean" else _reduced(L.reshape(t.shape), reduction)


def _smoothed(
    a: Tensor, t: Any, ignore_index: int | None, label_smoothing: float, reduction: str
) -> Tensor:
    """The cross-entropy of targets that are probabilities, or smoothed, or in part ignored."""
    what, write = "label_smoothing is", "Write label_smoothing=0.1."
    eps = given.checked_number(given.SHARE, label_smoothing, what, write)
    log_c = log_softmax(a)
    L = -((t * log_c).sum(axis=-1) if t.dtype.kind == "f" else _of_right_classes(log_c, t))
    if eps:
        L = (1 - eps) * L - eps * log_c.mean(axis=-1)
    return _reduced(L, reduction, t, ignore_index)


def _of_right_classes(log_c: Tensor, t: Any) -> Tensor:
    """The element of the right class in each row, and 0 where there is none."""
    is_right = given.array_of(t)[..., None] == np.arange(log_c.shape[-1])
    return where(is_right, log_c, 0.0).sum(axis=-1)


def _reduced(
    L: Tensor, reduction: str, targets: Any = None, ignore_index: int | None = None
) -> Tensor:
    """The mean or the sum of losses, or each by itself; what is ignored is 0, and not counted."""
    if reduction not in ("mean", "sum", "none"):
        raise given.no_reduction(reduction)
    if ignore_index is not None:
        keep = targets != ignore_index
        L = where(keep, L, 0.0)
    if reduction == "mean":
        return L.mean() if ignore_index is None else L.sum() / keep.sum(dtype=L.dtype)
    return L.sum() if reduction == "sum" else L


def _pairs(loss: str, y: TensorLike, t: TensorLike) -> tuple[Tensor, Tensor]:
    """Both as floats of one shape."""
    y, t = floats(y), floats(t)
    if y.shape != t.shape:
        raise given.no_pairs(loss, y, t)
    return y, t


def _checked_targets(loss: str, a: Tensor, targets: TensorLike, ignore_index: int | None) -> Any:
    """The targets of rows `a`: an array or a Tensor of classes, or a Tensor of probabilities."""
    t = given.array_of(targets)
    if loss == "cross_entropy" and t.dtype.kind == "f" and t.shape == a.shape != ():
        if ignore_index is not None:
            raise given.no_class_to_ignore(ignore_index)
        given.check_probabilities(loss, t)
        return floats(targets)
    if t.dtype.kind not in "iu":
        raise given.no_classes(loss, t, a)
    if a.ndim == 0 or t.shape != a.shape[:-1]:
        raise given.no_rows(loss, t, a)
    if ignore_index is not None:
        what, write = "ignore_index is", "Write ignore_index=-100."
        ignore_index = given.checked_number(given.INT, ignore_index, what, write)
    if not given.lies_within(t, a.shape[-1], ignore_index):
        raise given.no_class(loss, t, a.shape[-1], ignore_index)
    return targets if isinstance(targets, Tensor) else t
