"""Attention with several heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from simplegrad import functional, given, habits
from simplegrad.nn.layers import Dropout, Linear
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor, TensorLike, as_tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Module):
    r"""Attention in several heads, each with queries, keys and values of its own.

    $$head_i = \operatorname{Attention}(Q W^Q_i, K W^K_i, V W^V_i)$$
    $$Y = [head_1, \ldots, head_H] \, W^O$$

    Vaswani et al. (2017), "Attention Is All You Need", section 3.2.2, with
    `sg.scaled_dot_product_attention` as Attention. The matrices of the heads stand side by side in
    one, so that one product serves all of them: $W^Q$ is `q_proj.weight`, and columns 0 to
    $C / H - 1$ of it are $W^Q_1$. $W^O$ is `out_proj.weight`. They start as those of `nn.Linear`.

    It is PyTorch's MultiheadAttention but for what is confusing there: batches come first, a mask
    says True where a query may look, as in `sg.scaled_dot_product_attention`, and the result is one
    tensor. For the weights, call `weights`.

    Args:
        embed_dim: $C$, the features of queries, keys, values and results.
        num_heads: $H$, of which each has C / H features.
        dropout: The probability that a weight is made 0, in training.
        bias: Whether the four products have a bias.
        dtype: That of the parameters, of floats.

    Raises:
        ValueError: A number is out of range, or the heads do not share the features evenly; in the
            call: the shapes do not fit.
        TypeError: `dtype` is not one of floats; in the call: an input is not of floats, or the mask
            not of booleans.

    Examples:
        >>> attention = nn.MultiHeadAttention(8, num_heads=2)
        >>> x = sg.normal((5, 7, 8))  # 5 sequences of 7 places
        >>> attention(x, x, x, is_causal=True).shape
        (5, 7, 8)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        C = given.size(embed_dim, "MultiHeadAttention", "embed_dim")
        H = given.size(num_heads, "MultiHeadAttention", "num_heads")
        if C % H:
            raise given.no_heads(C, H)
        dtype = given.layer_dtype("MultiHeadAttention", dtype)
        given.flag("MultiHeadAttention", "bias", bias)
        self.num_heads = H
        self.q_proj = Linear(C, C, bias, dtype)
        self.k_proj = Linear(C, C, bias, dtype)
        self.v_proj = Linear(C, C, bias, dtype)
        self.out_proj = Linear(C, C, bias, dtype)
        self.dropout = Dropout(given.probability("MultiHeadAttention", "dropout", dropout))

    def forward(
        self,
        query: TensorLike,
        key: TensorLike,
        value: TensorLike,
        mask: Any = None,
        is_causal: bool = False,
        **wrong: NoReturn,
    ) -> Tensor:
        """The results of the queries, (N, L, C), from the arguments of `weights` and the values.

        Args:
            query: (N, L, C), or (L, C) for one sequence.
            key: (N, S, C).
            value: (N, S, C).
            mask: Booleans of shape (L, S) for all, or one that broadcasts to (N, L, S).
            is_causal: Whether query t may look at the places up to t only.
        """
        if wrong:
            raise habits.refused("attention", wrong, query, key, value)
        Q, K, V = self._checked(query, key, value)
        A = self.weights(Q, K, mask, is_causal)
        head_i = self.dropout(A) @ self._in_heads(self.v_proj(V))  # for all i, along an axis
        Y = self.out_proj(_side_by_side(head_i))
        return Y

    def weights(
        self,
        query: TensorLike,
        key: TensorLike,
        mask: Any = None,
        is_causal: bool = False,
        **wrong: NoReturn,
    ) -> Tensor:
        """The weights of each head, (N, H, L, S): how much each query takes of each value.

        Examples:
            >>> attention, x = nn.MultiHeadAttention(8, num_heads=2), sg.normal((5, 7, 8))
            >>> attention.weights(x, x).shape
            (5, 2, 7, 7)
        """
        if wrong:
            raise habits.refused("attention.weights", wrong, query, key)
        Q, K = self._checked(query, key)
        if mask is not None:
            mask = given.array_of(mask)
            given.check_mask(mask, (*Q.shape[:-1], K.shape[-2]))
            mask = mask[..., None, :, :] if mask.ndim > 2 else mask  # the same for each head
        Q, K = self._in_heads(self.q_proj(Q)), self._in_heads(self.k_proj(K))
        return functional.attention_weights(Q, K, mask, is_causal)

    def _checked(self, *inputs: TensorLike) -> list[Tensor]:
        """Queries, keys and, if they are given, values as Tensors that fit together."""
        C, tensors = len(self.q_proj.weight), [as_tensor(x) for x in inputs]
        for x in tensors:
            given.check_floats("MultiHeadAttention", x)
            if x.shape[-1:] != (C,):
                raise given.other_embedding(x, C, self.num_heads)
        given.check_attention(*(x.shape for x in tensors))
        return tensors

    def _in_heads(self, x: Tensor) -> Tensor:
        """(N, T, C) as (N, H, T, C / H)."""
        H = self.num_heads
        return _swapped(x.reshape(*x.shape[:-1], H, x.shape[-1] // H))

    def extra_repr(self) -> str:
        return f"{self.q_proj.weight.shape[0]}, {self.num_heads}"


def _side_by_side(heads: Tensor) -> Tensor:
    """(N, H, T, C / H) as (N, T, C)."""
    x = _swapped(heads)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def _swapped(x: Tensor) -> Tensor:
    """The places and the heads, the axes before the last, in the other order."""
    return x.transpose(*range(x.ndim - 3), x.ndim - 2, x.ndim - 3, x.ndim - 1)
