"""Activations: GELU, and those that are composed of other functions."""

from __future__ import annotations

from typing import NoReturn

from simplegrad import given, habits, rules
from simplegrad.functional.arrays import where
from simplegrad.functional.calculus import logaddexp
from simplegrad.tensor import Tensor, TensorLike, floats, record

__all__ = ["elu", "gelu", "leaky_relu", "log_softmax", "silu", "softmax", "softplus"]


def gelu(a: TensorLike, approximate: str = "tanh") -> Tensor:
    r"""The Gaussian error linear unit in its tanh form, elementwise.

    PyTorch's default, `approximate="none"`, is the form $a \, \Phi(a)$ with the error function,
    which NumPy does not have; the two are less than 5e-4 apart.

    Raises:
        ValueError: `approximate` is another form than "tanh".

    Examples:
        >>> sg.gelu(sg.Tensor([0.0, 1.0])).numpy().round(3)
        array([0.   , 0.841], dtype=float32)
    """
    a = floats(a) if approximate == "tanh" else given.no_gelu(approximate)
    return record(rules.GELU.forward(a.data), rules.GELU, a)


def silu(a: TensorLike, **wrong: NoReturn) -> Tensor:
    r"""The sigmoid linear unit, elementwise; Swish is another name for it.

    $$c = a \, \sigma(a), \quad \sigma(a) = \frac{1}{1 + e^{-a}}$$

    Elfwing, Uchibe and Doya (2018), "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning".

    Examples:
        >>> sg.silu(sg.Tensor([0.0, 1.0])).numpy().round(3)
        array([0.   , 0.731], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.silu", wrong, a)
    a = floats(a)
    return a * a.sigmoid()


def elu(a: TensorLike, alpha: float = 1.0, **wrong: NoReturn) -> Tensor:
    r"""The exponential linear unit, elementwise; the gradient at 0 is $\alpha$.

    $$c = \begin{cases} a & a > 0 \\ \alpha \, (e^a - 1) & a \le 0 \end{cases}$$

    Clevert, Unterthiner and Hochreiter (2016), "Fast and accurate deep network learning by
    exponential linear units".

    Examples:
        >>> sg.elu(sg.Tensor([-1.0, 2.0])).numpy().round(3)
        array([-0.632,  2.   ], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.elu", wrong, a)
    a = floats(a)
    exp_a = a.clip(max=0).exp()  # of no large numbers, which would overflow
    return where(a > 0, a, alpha * (exp_a - 1))


def leaky_relu(a: TensorLike, negative_slope: float = 0.01, **wrong: NoReturn) -> Tensor:
    r"""ReLU with a slope $s$ for negative numbers, which is its gradient at 0, too.

    $$c = \begin{cases} a & a > 0 \\ s \, a & a \le 0 \end{cases}$$

    Maas, Hannun and Ng (2013), "Rectifier nonlinearities improve neural network acoustic models".

    Examples:
        >>> sg.leaky_relu(sg.Tensor([-1.0, 2.0])).numpy()
        array([-0.01,  2.  ], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.leaky_relu", wrong, a)
    a, s = floats(a), negative_slope
    return where(a > 0, a, s * a)


def softmax(a: TensorLike, axis: int = -1, **wrong: NoReturn) -> Tensor:
    r"""Positive numbers in the ratios of $e^{a_i}$ that add up to 1 along `axis`.

    $$c_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 6.29.

    Examples:
        >>> sg.softmax(sg.Tensor([0.0, 0.0])).numpy()
        array([0.5, 0.5], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.softmax", wrong, a)
    return log_softmax(a, axis).exp()


def log_softmax(a: TensorLike, axis: int = -1, **wrong: NoReturn) -> Tensor:
    r"""The logarithm of softmax along `axis`, exact where softmax is too small for a float.

    $$c_i = a_i - \log \sum_j e^{a_j}$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 6.30.

    Examples:
        >>> sg.log_softmax(sg.Tensor([0.0, 1000.0])).numpy()
        array([-1000.,     0.], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.log_softmax", wrong, a)
    a = floats(a)
    return a - a.logsumexp(axis, keepdims=True)


def softplus(a: TensorLike, **wrong: NoReturn) -> Tensor:
    r"""A smooth ReLU, elementwise, without overflow.

    $$c = \log(1 + e^a) = \log(e^a + e^0)$$

    Dugas et al. (2001), "Incorporating second-order functional knowledge for better option
    pricing".

    Examples:
        >>> sg.softplus(sg.Tensor([-1e4, 0.0, 1e4])).numpy().round(3)
        array([0.00e+00, 6.93e-01, 1.00e+04], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.softplus", wrong, a)
    return logaddexp(floats(a), 0.0)
