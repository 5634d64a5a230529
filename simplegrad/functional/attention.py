"""Attention, composed of other functions."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from simplegrad import given, habits
from simplegrad.functional.activations import softmax
from simplegrad.functional.arrays import where
from simplegrad.tensor import Tensor, TensorLike, floats

__all__ = ["attention_weights", "scaled_dot_product_attention"]


def attention_weights(
    query: TensorLike,
    key: TensorLike,
    mask: Any = None,
    is_causal: bool = False,
    **wrong: NoReturn,
) -> Tensor:
    r"""How much each query takes of each value: the weights of attention, which add up to 1.

    $$S = \frac{Q K^\top}{\sqrt{d_k}}$$
    $$A = \operatorname{softmax}(S)$$

    Vaswani et al. (2017), "Attention Is All You Need", section 3.2.1. Where a query may not look,
    its weight is 0, and the softmax is over the others. A query that may look nowhere takes
    nothing: all its weights are 0, as in PyTorch.

    Args:
        query: $Q$, of shape (..., L, d_k): a query in each of L rows.
        key: $K$, of shape (..., S, d_k).
        mask: Booleans of shape (L, S), or one that broadcasts to (..., L, S): True where a query
            may look, as in PyTorch's `scaled_dot_product_attention`. For sequences of different
            lengths, `is_there[:, None, :]` of `is_there` (N, S), False from where a sequence ends.
        is_causal: Whether query t may look at the places up to t only; with a mask, both hold.

    Returns:
        $A$, of shape (..., L, S).

    Raises:
        ValueError: The shapes do not fit.
        TypeError: The mask is not of booleans, or `is_causal` is no flag.

    Examples:
        >>> sg.attention_weights(sg.ones((3, 2)), sg.ones((3, 2)), is_causal=True).numpy().round(2)
        array([[1.  , 0.  , 0.  ],
               [0.5 , 0.5 , 0.  ],
               [0.33, 0.33, 0.33]], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.attention_weights", wrong, query, key)
    Q, K = floats(query), floats(key)
    given.check_attention(Q.shape, K.shape)
    d_k = Q.shape[-1]
    S = Q @ _transposed(K) / math.sqrt(d_k)
    may_look = _may_look(S.shape, mask, is_causal)
    if may_look is not None:
        # the softmax of infinities alone would be NaN, so where none may look, all do at first
        S = where(may_look | ~may_look.any(axis=-1, keepdims=True), S, -math.inf)
    A = softmax(S)
    return A if mask is None else where(may_look, A, 0.0)


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    mask: Any = None,
    is_causal: bool = False,
    **wrong: NoReturn,
) -> Tensor:
    r"""For each query a mean of the values, weighted by how well their keys answer it.

    $$Y = \operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$

    Vaswani et al. (2017), "Attention Is All You Need", equation 1. The softmax is
    `sg.attention_weights`.

    Args:
        query: $Q$, of shape (..., L, d_k).
        key: $K$, of shape (..., S, d_k).
        value: $V$, of shape (..., S, d_v).
        mask: Booleans that broadcast to (..., L, S), True where a query may look.
        is_causal: Whether query t may look at the places up to t only.

    Returns:
        $Y$, of shape (..., L, d_v).

    Raises:
        ValueError: The shapes do not fit.
        TypeError: The mask is not of booleans, or `is_causal` is no flag.

    Examples:
        >>> x = sg.Tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> sg.scaled_dot_product_attention(x, x, x, is_causal=True).numpy().round(2)
        array([[1.  , 0.  ],
               [0.33, 0.67]], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.scaled_dot_product_attention", wrong, query, key, value)
    Q, K, V = floats(query), floats(key), floats(value)
    given.check_attention(Q.shape, K.shape, V.shape)
    A = attention_weights(Q, K, mask, is_causal)
    return A @ V


def _transposed(K: Tensor) -> Tensor:
    """The last two axes swapped."""
    return K.transpose(*range(K.ndim - 2), K.ndim - 1, K.ndim - 2)


def _may_look(shape: tuple[int, ...], mask: Any, is_causal: bool) -> Any:
    """Booleans that broadcast to the shape of the weights; None if a query may look anywhere."""
    is_causal = given.flag("attention", "is_causal", is_causal)
    if mask is not None:
        mask = given.array_of(mask)
        given.check_mask(mask, shape)
    if not is_causal:
        return mask
    up_to_t = np.tri(*shape[-2:], dtype=np.bool_)
    return up_to_t if mask is None else up_to_t & mask
