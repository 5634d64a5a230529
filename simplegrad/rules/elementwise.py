"""Rules that treat every element by itself: the functions of calculus and the activations."""

import math

import numpy as np

__all__ = [
    "GELU",
    "Abs",
    "Clip",
    "Cos",
    "Exp",
    "Log",
    "Log1p",
    "LogAddExp",
    "Maximum",
    "Minimum",
    "ReLU",
    "Sigmoid",
    "Sin",
    "Sqrt",
    "Tanh",
    "Where",
]


class Exp:
    r"""Exponential function.

    $$c = e^a$$
    $$da = dc \, c$$
    """

    def forward(a):
        return np.exp(a)

    def da(dc, c, a):
        return dc * c

    partials = (da,)


class Log:
    r"""Natural logarithm.

    $$c = \log a$$
    $$da = dc / a$$
    """

    def forward(a):
        return np.log(a)

    def da(dc, c, a):
        return dc / a

    partials = (da,)


class Log1p:
    r"""Logarithm of $1 + a$, with all digits where $a$ is small.

    $$c = \log(1 + a)$$
    $$da = dc / (1 + a)$$
    """

    def forward(a):
        return np.log1p(a)

    def da(dc, c, a):
        return dc / (1 + a)

    partials = (da,)


class Sqrt:
    r"""Square root.

    $$c = \sqrt{a}$$
    $$da = dc / (2 c)$$
    """

    def forward(a):
        return np.sqrt(a)

    def da(dc, c, a):
        return dc / (2 * c)

    partials = (da,)


class Abs:
    r"""Absolute value; the gradient at 0 is 0.

    $$c = |a|$$
    $$da = dc \, \operatorname{sign}(a)$$

    The second derivative is 0.
    """

    def forward(a):
        return np.abs(a)

    def da(dc, c, a):
        return dc * np.sign(a)

    partials = (da,)


class Sin:
    r"""Sine.

    $$c = \sin a$$
    $$da = dc \, \cos a$$
    """

    def forward(a):
        return np.sin(a)

    def da(dc, c, a):
        return dc * np.cos(a)

    partials = (da,)


class Cos:
    r"""Cosine.

    $$c = \cos a$$
    $$da = -dc \, \sin a$$
    """

    def forward(a):
        return np.cos(a)

    def da(dc, c, a):
        return -dc * np.sin(a)

    partials = (da,)


class Tanh:
    r"""Hyperbolic tangent.

    $$c = \tanh a$$
    $$da = dc \, (1 - c^2)$$
    """

    def forward(a):
        return np.tanh(a)

    def da(dc, c, a):
        return dc * (1 - c**2)

    partials = (da,)


class Sigmoid:
    r"""Logistic function.

    $$c = \frac{1}{1 + e^{-a}} = \frac{e^a}{1 + e^a}$$
    $$da = dc \, c \, (1 - c)$$

    The first form where $a \ge 0$ and the second where $a < 0$: $z = e^{-|a|}$ cannot overflow.
    """

    def forward(a):
        z = np.exp(-np.abs(a))
        return np.where(a >= 0, 1, z) / (1 + z)

    def da(dc, c, a):
        return dc * c * (1 - c)

    partials = (da,)


class ReLU:
    r"""Rectified linear unit; the gradient at 0 is 0. Nair and Hinton (2010).

    $$c = \max(a, 0)$$
    $$da = dc \, [a > 0]$$

    The second derivative is 0.
    """

    def forward(a):
        return np.maximum(a, 0)

    def da(dc, c, a):
        return dc * (a > 0)

    partials = (da,)


class GELU:
    r"""Gaussian error linear unit, in its tanh form. Hendrycks and Gimpel (2016), section 2.

    $$c = \tfrac{1}{2} a \, (1 + t), \quad
      t = \tanh u, \quad
      u = \sqrt{2/\pi} \, (a + 0.044715 \, a^3)$$
    $$da = dc \, \tfrac{1}{2} \, (1 + t + a \, (1 - t^2) \, u'), \quad
      u' = \sqrt{2/\pi} \, (1 + 3 \cdot 0.044715 \, a^2)$$

    It is within 5e-4 of $a \, \Phi(a)$, whose error function NumPy does not have. PyTorch calls
    this form `approximate="tanh"`.
    """

    SQRT_2_OVER_PI = math.sqrt(2 / math.pi)

    def forward(a):  # of negative numbers, NumPy's a**3 takes 100 times as long
        u = GELU.SQRT_2_OVER_PI * (a + 0.044715 * a * a * a)
        t = np.tanh(u)
        return 0.5 * a * (1 + t)

    def da(dc, c, a):
        u = GELU.SQRT_2_OVER_PI * (a + 0.044715 * a * a * a)
        du = GELU.SQRT_2_OVER_PI * (1 + 3 * 0.044715 * a**2)
        t = np.tanh(u)
        return dc * 0.5 * (1 + t + a * (1 - t**2) * du)

    partials = (da,)


class Maximum:
    r"""Larger of two, elementwise; where they are equal, each gets half of the gradient.

    $$c = \max(a, b)$$
    $$da = dc \, ([a > b] + \tfrac{1}{2} [a = b])$$
    $$db = dc \, ([b > a] + \tfrac{1}{2} [a = b])$$

    All second derivatives are 0.
    """

    def forward(a, b):
        return np.maximum(a, b)

    def da(dc, c, a, b):
        return np.where(a > b, dc, np.where(a == b, dc / 2, 0))

    def db(dc, c, a, b):
        return np.where(b > a, dc, np.where(a == b, dc / 2, 0))

    partials = da, db


class Minimum:
    r"""Smaller of two, elementwise; where they are equal, each gets half of the gradient.

    $$c = \min(a, b)$$
    $$da = dc \, ([a < b] + \tfrac{1}{2} [a = b])$$
    $$db = dc \, ([b < a] + \tfrac{1}{2} [a = b])$$

    All second derivatives are 0.
    """

    def forward(a, b):
        return np.minimum(a, b)

    def da(dc, c, a, b):
        return np.where(a < b, dc, np.where(a == b, dc / 2, 0))

    def db(dc, c, a, b):
        return np.where(b < a, dc, np.where(a == b, dc / 2, 0))

    partials = da, db


class LogAddExp:
    r"""Logarithm of a sum of two exponentials, elementwise, without overflow.

    $$c = \log(e^a + e^b)$$
    $$da = dc / (1 + e^{b - a}) = dc \, e^{-\log(1 + e^{b - a})}$$
    $$db = dc / (1 + e^{a - b}) = dc \, e^{-\log(1 + e^{a - b})}$$

    The last forms cannot overflow. Where $a$ and $b$ are the same infinity, both are NaN.
    """

    def forward(a, b):
        return np.logaddexp(a, b)

    def da(dc, c, a, b):
        return dc * np.exp(-np.logaddexp(0, b - a))

    def db(dc, c, a, b):
        return dc * np.exp(-np.logaddexp(0, a - b))

    partials = da, db


class Where:
    r"""Choice, elementwise: $a$ where the condition $s$ holds, else $b$.

    $$c = s \, a + (1 - s) \, b, \quad s \in \{0, 1\}$$
    $$da = dc \, s$$
    $$db = dc \, (1 - s)$$
    """

    def forward(a, b, s):
        return np.where(s, a, b)

    def da(dc, c, a, b, s):
        return np.where(s, dc, 0)

    def db(dc, c, a, b, s):
        return np.where(s, 0, dc)

    partials = da, db


class Clip:
    r"""Limits to $[min, max]$; the gradient passes where nothing was cut off, the limits included.

    $$c = \min(\max(a, \mathit{min}), \mathit{max})$$
    $$da = dc \, [c = a]$$

    The second derivative is 0.
    """

    def forward(a, min, max):
        return np.clip(a, min, max)

    def da(dc, c, a, min, max):
        return dc * (c == a)

    partials = (da,)
