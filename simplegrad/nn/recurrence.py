"""Recurrent layers: a cell is one step, and a layer takes a sequence, a call of the cell a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simplegrad import creation, functional, given
from simplegrad.functional import sigmoid, tanh
from simplegrad.nn.layers import Dropout
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor, TensorLike, as_tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


# Cells


class _Cell(Module):
    """What cells have in common: their weights, with the gates side by side, and their checks."""

    gates: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        cell = type(self).__name__
        given.size(input_size, cell, "input_size")
        given.size(hidden_size, cell, "hidden_size")
        columns, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        dtype = given.layer_dtype(cell, dtype)

        def start(shape: Any, name: str) -> Tensor:
            return creation.uniform(shape, -bound, bound, True, dtype, name=name)

        has_bias = given.flag(cell, "bias", bias)
        self.weight_ih = start((input_size, columns), "weight_ih")
        self.weight_hh = start((hidden_size, columns), "weight_hh")
        self.bias_ih = start(columns, "bias_ih") if has_bias else None
        self.bias_hh = start(columns, "bias_hh") if has_bias else None

    def checked_input(self, x: TensorLike) -> Tensor:
        x, cell = as_tensor(x), type(self).__name__
        given.check_floats(cell, x)
        in_features, hidden = len(self.weight_ih), len(self.weight_hh)
        if x.ndim not in (1, 2) or x.shape[-1] != in_features:
            raise given.other_inputs(cell, x, in_features, hidden)
        return x

    def checked_state(self, h: TensorLike | None, x: Tensor, name: str = "h") -> Tensor:
        """A state for each row of `x`; zeros if there is none."""
        shape = (*x.shape[:-1], len(self.weight_hh))
        if h is None:
            return creation.zeros(shape, dtype=self.weight_hh.dtype)
        h, cell = as_tensor(h), type(self).__name__
        given.check_floats(cell, h)
        if h.shape != shape:
            raise given.other_state(cell, name, h, shape, "one row for each of the input")
        return h

    def of_input(self, x: Tensor) -> Tensor:
        r"""$x_t W_i + b_i$, of all gates side by side."""
        W, b = self.weight_ih, self.bias_ih
        return x @ W if b is None else x @ W + b

    def of_state(self, h: Tensor) -> Tensor:
        r"""$h_{t-1} W_h + b_h$, of all gates side by side."""
        W, b = self.weight_hh, self.bias_hh
        return h @ W if b is None else h @ W + b

    def each_gate(self, a: Tensor) -> list[Tensor]:
        """The parts of `a` that belong to the gates."""
        return functional.split(a, self.gates, axis=-1)

    def extra_repr(self) -> str:
        sizes = f"{len(self.weight_ih)}, {len(self.weight_hh)}"
        return sizes + (", bias=False" if self.bias_ih is None else "")


class RNNCell(_Cell):
    r"""One step of a simple recurrent network.

    $$h_t = \tanh(x_t W_i + b_i + h_{t-1} W_h + b_h)$$

    Elman (1990), with PyTorch's two biases. $W_i$ is `weight_ih` of shape (in, hidden), $W_h$ is
    `weight_hh` of shape (hidden, hidden), the transposes of PyTorch's, $b_i$ and $b_h$ are
    `bias_ih` and `bias_hh`. All start uniform in $[-1/\sqrt{hidden}, 1/\sqrt{hidden})$, PyTorch's
    default.

    Args:
        input_size: The features of $x_t$.
        hidden_size: The features of $h_t$.
        bias: Whether to add $b_i$ and $b_h$.
        dtype: That of the parameters, of floats.

    Raises:
        ValueError: A size is not an int of at least 1; in the call: the input or the state has
            another shape.
        TypeError: `dtype` is not one of floats; in the call: the input or the state is not of
            floats.

    Examples:
        >>> cell, h = nn.RNNCell(3, 4), None
        >>> for x_t in sg.normal((5, 2, 3)):  # 5 steps of a batch of 2
        ...     h = cell(x_t, h)
        >>> h.shape
        (2, 4)
    """

    gates = 1

    def forward(self, x: TensorLike, h: TensorLike | None = None) -> Tensor:
        """$h_t$ of shape (N, hidden), from x of shape (N, in) and h, $h_{t-1}$, None for zeros."""
        x = self.checked_input(x)
        h = self.checked_state(h, x)
        h_t = tanh(self.of_input(x) + self.of_state(h))
        return h_t


class GRUCell(_Cell):
    r"""One step of a gated recurrent unit.

    $$r_t = \sigma(x_t W_{ir} + b_{ir} + h_{t-1} W_{hr} + b_{hr})$$
    $$z_t = \sigma(x_t W_{iz} + b_{iz} + h_{t-1} W_{hz} + b_{hz})$$
    $$n_t = \tanh(x_t W_{in} + b_{in} + r_t \odot (h_{t-1} W_{hn} + b_{hn}))$$
    $$h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    Cho et al. (2014), in PyTorch's form: there, as in cuDNN, the reset gate $r_t$ scales the
    product with $h_{t-1}$, and not $h_{t-1}$ itself before the product, and there are biases. As in
    Cho et al., and unlike in much that was written since, an update gate $z_t$ near 1 keeps the old
    state.

    `weight_ih` is $[W_{ir}, W_{iz}, W_{in}]$ side by side, of shape (in, 3 hidden), so that one
    product with $x_t$ serves all gates, and `weight_hh`, (hidden, 3 hidden), `bias_ih` and
    `bias_hh` likewise. The weights are the transposes of PyTorch's, and start as those of
    `nn.RNNCell`; the arguments and errors are its, too.

    Examples:
        >>> cell = nn.GRUCell(3, 4)
        >>> cell(sg.ones((2, 3)), sg.zeros((2, 4))).shape
        (2, 4)
    """

    gates = 3

    def forward(self, x: TensorLike, h: TensorLike | None = None) -> Tensor:
        """$h_t$ of shape (N, hidden), from x of shape (N, in) and h, $h_{t-1}$, None for zeros."""
        x = self.checked_input(x)
        h = self.checked_state(h, x)
        x_r, x_z, x_n = self.each_gate(self.of_input(x))
        h_r, h_z, h_n = self.each_gate(self.of_state(h))
        r_t = sigmoid(x_r + h_r)
        z_t = sigmoid(x_z + h_z)
        n_t = tanh(x_n + r_t * h_n)
        h_t = (1 - z_t) * n_t + z_t * h
        return h_t


class LSTMCell(_Cell):
    r"""One step of a long short-term memory.

    $$i_t = \sigma(x_t W_{ii} + b_{ii} + h_{t-1} W_{hi} + b_{hi})$$
    $$f_t = \sigma(x_t W_{if} + b_{if} + h_{t-1} W_{hf} + b_{hf})$$
    $$g_t = \tanh(x_t W_{ig} + b_{ig} + h_{t-1} W_{hg} + b_{hg})$$
    $$o_t = \sigma(x_t W_{io} + b_{io} + h_{t-1} W_{ho} + b_{ho})$$
    $$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$
    $$h_t = o_t \odot \tanh(c_t)$$

    Hochreiter and Schmidhuber (1997), with the forget gate $f_t$ of Gers, Schmidhuber and Cummins
    (2000), in PyTorch's form. `weight_ih` is $[W_{ii}, W_{if}, W_{ig}, W_{io}]$ side by side, of
    shape (in, 4 hidden), and `weight_hh`, (hidden, 4 hidden), `bias_ih` and `bias_hh` likewise. The
    weights are the transposes of PyTorch's, and start as those of `nn.RNNCell`; the arguments and
    errors are its, too.

    Examples:
        >>> cell = nn.LSTMCell(3, 4)
        >>> h, c = cell(sg.ones((2, 3)))
        >>> h, c = cell(sg.ones((2, 3)), (h, c))
        >>> h.shape, c.shape
        ((2, 4), (2, 4))
    """

    gates = 4

    def forward(
        self, x: TensorLike, state: tuple[TensorLike, TensorLike] | None = None
    ) -> tuple[Tensor, Tensor]:
        """($h_t$, $c_t$) from x of shape (N, in) and ($h_{t-1}$, $c_{t-1}$), None for zeros."""
        x = self.checked_input(x)
        h, c = _pair(self, state)
        h, c = self.checked_state(h, x), self.checked_state(c, x, "c")
        a_i, a_f, a_g, a_o = self.each_gate(self.of_input(x) + self.of_state(h))
        i_t = sigmoid(a_i)
        f_t = sigmoid(a_f)
        g_t = tanh(a_g)
        o_t = sigmoid(a_o)
        c_t = f_t * c + i_t * g_t
        h_t = o_t * tanh(c_t)
        return h_t, c_t


# Layers


class _Recurrence(Module):
    """What layers have in common: a cell for each layer, and the loop over the steps."""

    cell: ClassVar[type[_Cell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        layer = type(self).__name__
        given.size(input_size, layer, "input_size")
        given.size(hidden_size, layer, "hidden_size")
        layers = given.size(num_layers, layer, "num_layers")
        dtype, bias = given.layer_dtype(layer, dtype), given.flag(layer, "bias", bias)
        self.batch_first = given.flag(layer, "batch_first", batch_first)
        sizes = [input_size, *[hidden_size] * (layers - 1)]
        self.cells = [self.cell(size, hidden_size, bias, dtype) for size in sizes]
        self.dropout = Dropout(given.probability(layer, "dropout", dropout))

    def unrolled(self, x: TensorLike, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """The output of the last layer for all steps, and the state of each layer after the last.

        Args:
            x: (T, N, features), or (N, T, features) with `batch_first`.
            states: What the cell of each layer starts from: None, h or (h, c).
        """
        x = as_tensor(x)
        time = self._time_axis(x)
        x = x.transpose(1, 0, 2) if time else x
        # of parts, since the gradient by x[t] is an array of the shape of x, zeros but for one step
        steps = [x_t for part in functional.split(x, range(32, len(x), 32)) for x_t in part]
        for layer, cell in enumerate(self.cells):
            state = states[layer]
            for t, x_t in enumerate(steps):
                state = cell(x_t if layer == 0 else self.dropout(x_t), state)
                steps[t] = state[0] if isinstance(state, tuple) else state
            states[layer] = state
        return functional.stack(steps, axis=time), states

    def layer_states(self, h_0: TensorLike | None, x: TensorLike, name: str = "h_0") -> list[Any]:
        """The state of each layer from all of them, (num_layers, N, hidden), or from None."""
        layers, layer = len(self.cells), type(self).__name__
        if h_0 is None:
            return [None] * layers
        x, h_0 = as_tensor(x), as_tensor(h_0)
        time = self._time_axis(x)
        batch = x.shape[:-1][1 - time : 2 - time]  # () of a single sequence
        shape = (layers, *batch, len(self.cells[0].weight_hh))
        if h_0.shape != shape:
            raise given.other_state(layer, name, h_0, shape, "(num_layers, N, hidden_size)")
        return list(h_0)

    def _time_axis(self, x: Tensor) -> int:
        time = int(self.batch_first and x.ndim == 3)
        layer, axes = type(self).__name__, "(N, T, features)" if time else "(T, N, features)"
        given.check_floats(layer, x)
        if x.ndim not in (2, 3):
            raise given.no_sequence(layer, x, axes)
        in_features, hidden = len(self.cells[0].weight_ih), len(self.cells[0].weight_hh)
        if x.shape[-1] != in_features:
            raise given.other_inputs(layer, x, in_features, hidden)
        if not x.shape[time]:
            raise given.no_steps(layer, x, axes)
        return time

    def extra_repr(self) -> str:
        first, layers = self.cells[0], len(self.cells)
        parts = [str(len(first.weight_ih)), str(len(first.weight_hh))]
        parts += [f"num_layers={layers}"] if layers > 1 else []
        return ", ".join([*parts, *["batch_first=True"] * self.batch_first])


class RNN(_Recurrence):
    r"""A simple recurrent network over a sequence: `nn.RNNCell` once a step, and PyTorch's order.

    The steps are axis 0 and the batch is axis 1, as PyTorch has it, so that the loop is
    `for x_t in x`. With `batch_first=True`, they are the other way round; the states stay as they
    are. To look into a step, step into the call of the cell.

    Args:
        input_size: The features of the input.
        hidden_size: The features of the output and of the state.
        num_layers: How many layers there are, each of which takes the output of the one before.
        bias: Whether the cells have biases.
        batch_first: Whether sequences are (N, T, features), and not (T, N, features).
        dropout: The probability of a zero between layers, in training.
        dtype: That of the parameters, of floats.

    Raises:
        ValueError: A number is out of range; in the call: the input or the state has another shape,
            or no step.
        TypeError: `dtype` is not one of floats, or a flag no flag; in the call: the input or the
            state is not of floats.

    Examples:
        >>> rnn = nn.RNN(3, 4)
        >>> output, h_T = rnn(sg.ones((5, 2, 3)))
        >>> output.shape, h_T.shape
        ((5, 2, 4), (1, 2, 4))
    """

    cell = RNNCell

    def forward(self, x: TensorLike, h_0: TensorLike | None = None) -> tuple[Tensor, Tensor]:
        """The output of all steps, (T, N, hidden), and the last state, (num_layers, N, hidden).

        Args:
            x: (T, N, features), or (T, features) for a single sequence, whose state has no N.
            h_0: The first state, (num_layers, N, hidden), None for zeros.
        """
        output, h = self.unrolled(x, self.layer_states(h_0, x))
        return output, functional.stack(h)


class GRU(_Recurrence):
    """A gated recurrent unit over a sequence: `nn.GRUCell` once a step.

    The arguments, results and errors are those of `nn.RNN`.

    Examples:
        >>> gru = nn.GRU(3, 4, num_layers=2, batch_first=True)
        >>> output, h_T = gru(sg.ones((2, 5, 3)))
        >>> output.shape, h_T.shape
        ((2, 5, 4), (2, 2, 4))
    """

    cell = GRUCell
    forward = RNN.forward


class LSTM(_Recurrence):
    """A long short-term memory over a sequence: `nn.LSTMCell` once a step.

    The arguments and errors are those of `nn.RNN`, but the state is a pair (h, c).

    Examples:
        >>> lstm = nn.LSTM(3, 4)
        >>> output, (h_T, c_T) = lstm(sg.ones((5, 2, 3)))
        >>> output.shape, h_T.shape, c_T.shape
        ((5, 2, 4), (1, 2, 4), (1, 2, 4))
    """

    cell = LSTMCell

    def forward(
        self, x: TensorLike, state: tuple[TensorLike, TensorLike] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The output of all steps, (T, N, hidden), and the last state.

        Args:
            x: (T, N, features), or (T, features) for a single sequence, whose state has no N.
            state: The first state (h_0, c_0), each (num_layers, N, hidden), None for zeros.
        """
        h_0, c_0 = _pair(self, state)
        first = zip(self.layer_states(h_0, x), self.layer_states(c_0, x, "c_0"), strict=True)
        output, last = self.unrolled(x, list(first))
        h, c = zip(*last, strict=True)
        return output, (functional.stack(h), functional.stack(c))


def _pair(lstm: Module, state: Any) -> tuple[Any, Any]:
    """The state of an LSTM as h and c; two None if there is none."""
    if state is None:
        return None, None
    if not (isinstance(state, tuple | list) and len(state) == 2):
        raise given.no_pair_of_states(type(lstm).__name__, state)
    return state[0], state[1]
