"""Activations as modules, to stand in a Sequential: each is the function of its name."""

from simplegrad import functional, given
from simplegrad.nn.module import Module, ModuleOfOptions
from simplegrad.tensor import Tensor, TensorLike

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


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
    """`sg.gelu` as a module: in its tanh form, where PyTorch's default is that of the erf.

    Raises:
        ValueError: `approximate` is another form than "tanh".

    Examples:
        >>> nn.GELU()([0.0, 1.0]).numpy().round(3)
        array([0.   , 0.841], dtype=float32)
    """

    def __init__(self, approximate: str = "tanh") -> None:
        if approximate != "tanh":
            given.no_gelu(approximate)

    def forward(self, x: TensorLike) -> Tensor:
        return functional.gelu(x)


class SiLU(Module):
    """`sg.silu` as a module.

    Examples:
        >>> nn.SiLU()([0.0, 1.0]).numpy().round(3)
        array([0.   , 0.731], dtype=float32)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return functional.silu(x)


class Softplus(Module):
    """`sg.softplus` as a module.

    Examples:
        >>> nn.Softplus()([0.0, 1e4]).numpy().round(3)
        array([6.93e-01, 1.00e+04], dtype=float32)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return functional.softplus(x)


class ELU(ModuleOfOptions):
    """`sg.elu` as a module.

    Examples:
        >>> nn.ELU()([-1.0, 2.0]).numpy().round(3)
        array([-0.632,  2.   ], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0) -> None:
        what, write = "the alpha of ELU is", "Write nn.ELU(1.0)."
        self.alpha = given.checked_number(given.NUMBER, alpha, what, write)

    def forward(self, x: TensorLike) -> Tensor:
        return functional.elu(x, self.alpha)


class LeakyReLU(ModuleOfOptions):
    """`sg.leaky_relu` as a module.

    Examples:
        >>> nn.LeakyReLU(0.1)([-1.0, 2.0]).numpy()
        array([-0.1,  2. ], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        what, write = "the negative_slope of LeakyReLU is", "Write nn.LeakyReLU(0.01)."
        self.negative_slope = given.checked_number(given.NUMBER, negative_slope, what, write)

    def forward(self, x: TensorLike) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)


class Softmax(ModuleOfOptions):
    """`sg.softmax` as a module.

    Examples:
        >>> nn.Softmax()([0.0, 0.0]).numpy()
        array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, axis: int = -1) -> None:
        what, write = "the axis of Softmax is", "Write nn.Softmax(axis=-1)."
        self.axis = given.checked_number(given.INT, axis, what, write)

    def forward(self, x: TensorLike) -> Tensor:
        return functional.softmax(x, self.axis)


class LogSoftmax(ModuleOfOptions):
    """`sg.log_softmax` as a module.

    Examples:
        >>> nn.LogSoftmax()([0.0, 1000.0]).numpy()
        array([-1000.,     0.], dtype=float32)
    """

    def __init__(self, axis: int = -1) -> None:
        what, write = "the axis of LogSoftmax is", "Write nn.LogSoftmax(axis=-1)."
        self.axis = given.checked_number(given.INT, axis, what, write)

    def forward(self, x: TensorLike) -> Tensor:
        return functional.log_softmax(x, self.axis)
