"""Layers: modules that hold parameters, or combine others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from simplegrad import creation, given
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor, TensorLike, as_tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Dropout", "Embedding", "Flatten", "Linear", "Sequential"]


class Linear(Module):
    r"""An affine map of the last axis.

    $$y = x W + b$$

    The weight $W$ has shape (in, out), so that the code reads like the equation; PyTorch stores
    the transpose, of shape (out, in), and computes $y = x W^\top + b$. Both start uniform in
    $[-1/\sqrt{in}, 1/\sqrt{in})$: Glorot and Bengio (2010), equation 1, which is PyTorch's
    default, too.

    Args:
        in_features: The size of the last axis of the input.
        out_features: The size of the last axis of the result.
        bias: Whether to add $b$.
        dtype: That of the parameters, of floats.

    Raises:
        ValueError: A size is not an int of at least 1; in the call: the input has another size.
        TypeError: `dtype` is not one of floats; in the call: the input is not of floats.

    Examples:
        >>> layer = nn.Linear(3, 2)
        >>> layer(sg.ones((4, 3))).shape
        (4, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        given.size(in_features, "Linear", "in_features")
        given.size(out_features, "Linear", "out_features")
        shape, bound = (in_features, out_features), 1 / math.sqrt(in_features)
        dtype = given.layer_dtype("Linear", dtype)
        has_bias = given.flag("Linear", "bias", bias)
        self.weight = creation.uniform(shape, -bound, bound, True, dtype, name="weight")
        self.bias = None
        if has_bias:
            self.bias = creation.uniform(out_features, -bound, bound, True, dtype, name="bias")

    def forward(self, x: TensorLike) -> Tensor:
        x, W, b = as_tensor(x), self.weight, self.bias
        given.check_floats("Linear", x)
        if x.shape[-1:] != W.shape[:1]:
            raise given.other_features(x, W)
        return x @ W if b is None else x @ W + b

    def extra_repr(self) -> str:
        in_features, out_features = self.weight.shape
        return f"{in_features}, {out_features}" + (", bias=False" if self.bias is None else "")


class Sequential(Module):
    """Modules applied one after the other.

    Raises:
        TypeError: An argument is not a Module.

    Examples:
        >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        Sequential()              13 parameters
          layers.0: Linear(2, 3)   9 parameters
          layers.1: ReLU()         0 parameters
          layers.2: Linear(3, 1)   4 parameters
    """

    def __init__(self, *modules: Module) -> None:
        for module in modules:
            if not isinstance(module, Module):
                raise TypeError(
                    f"Sequential takes modules one by one, but got a {type(module).__name__}. "
                    "Write nn.Sequential(nn.Linear(2, 3), nn.ReLU()), with *modules for a list of "
                    "them."
                )
        self.layers = list(modules)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]


class Flatten(Module):
    """All axes but the first made one: images become vectors.

    Examples:
        >>> nn.Flatten()(sg.ones((4, 8, 8))).shape
        (4, 64)
    """

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        return x.reshape(len(x), math.prod(x.shape[1:]))


class Embedding(Module):
    r"""A row of the weight for each index.

    $$y_k = W_{i_k}$$

    Bengio et al. (2003), "A Neural Probabilistic Language Model", section 2, the matrix C. $W$ has
    shape (num_embeddings, embedding_dim) and starts with normal numbers N(0, 1), PyTorch's default.

    Args:
        num_embeddings: How many rows there are: indices go from 0 to one less.
        embedding_dim: The length of a row.
        dtype: That of the weight, of floats.

    Raises:
        ValueError: A size is not an int of at least 1; in the call: an index is out of range.
        TypeError: `dtype` is not one of floats; in the call: the indices are not integers.

    Examples:
        >>> nn.Embedding(10, 4)(np.array([1, 1, 7])).shape
        (3, 4)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, dtype: DTypeLike = np.float32
    ) -> None:
        given.size(num_embeddings, "Embedding", "num_embeddings")
        given.size(embedding_dim, "Embedding", "embedding_dim")
        shape, dtype = (num_embeddings, embedding_dim), given.layer_dtype("Embedding", dtype)
        self.weight = creation.normal(shape, requires_grad=True, dtype=dtype, name="weight")

    def forward(self, indices: TensorLike) -> Tensor:
        i = given.array_of(indices)
        i = i if i.size else i.astype(int)  # an empty list is of floats to NumPy
        rows = len(self.weight)
        if i.dtype.kind not in "iu":
            raise TypeError(
                f"Embedding takes the numbers of rows, integers, but got {i.dtype}. Write "
                "embedding(np.array([0, 2])), or embedding(np.array(indices).astype(int))."
            )
        if not given.lies_within(i, rows):
            write = f"nn.Embedding({i.max() + 1}, {self.weight.shape[1]}) for them"
            if i.min() < 0:
                write = f"np.array(indices) % {rows} to count from the last row"
            raise ValueError(
                f"this Embedding has the rows 0 ... {rows - 1}, but the indices go from {i.min()} "
                f"to {i.max()}. Write {write}."
            )
        return self.weight[indices if isinstance(indices, Tensor) else i]

    def extra_repr(self) -> str:
        return "{}, {}".format(*self.weight.shape)


class Dropout(Module):
    r"""In training, zeros at random places, and the rest scaled so that the mean stays.

    $$y_i = \frac{r_i}{1 - p} \, x_i, \quad r_i \sim \operatorname{Bernoulli}(1 - p)$$

    Srivastava et al. (2014), section 4, with the division done in training rather than a product in
    evaluation. After `eval()`, and if `p` is 0, it returns its input.

    Args:
        p: The probability of a zero, 0 <= p < 1.

    Raises:
        ValueError: `p` is out of range.
        TypeError: In the call: the input is not of floats.

    Examples:
        >>> sorted(set(nn.Dropout(0.5)(sg.ones(100)).numpy().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = given.probability("Dropout", "p", p)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        given.check_floats("Dropout", x)
        if not (self.training and self.p):
            return x
        r = creation.generator().random(x.shape) >= self.p
        scale = (r / (1 - self.p)).astype(x.dtype)
        return x * scale

    def extra_repr(self) -> str:
        return f"p={self.p}"
