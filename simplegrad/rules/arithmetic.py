"""The rules behind the operators, + - * / ** @ and the minus sign; and einsum, any product."""

import math

import numpy as np

from simplegrad.rules.shapes import EachInput

__all__ = ["Add", "Div", "Einsum", "MatMul", "Mul", "Neg", "Pow", "Sub"]


class Add:
    r"""Sum.

    $$c = a + b$$
    $$da = dc$$
    $$db = dc$$
    """

    def forward(a, b):
        return a + b

    def da(dc, c, a, b):
        return dc

    def db(dc, c, a, b):
        return dc

    partials = da, db


class Sub:
    r"""Difference.

    $$c = a - b$$
    $$da = dc$$
    $$db = -dc$$
    """

    def forward(a, b):
        return a - b

    def da(dc, c, a, b):
        return dc

    def db(dc, c, a, b):
        return -dc

    partials = da, db


class Neg:
    r"""Negation.

    $$c = -a$$
    $$da = -dc$$
    """

    def forward(a):
        return -a

    def da(dc, c, a):
        return -dc

    partials = (da,)


class Mul:
    r"""Product, elementwise.

    $$c = a \, b$$
    $$da = dc \, b$$
    $$db = dc \, a$$
    """

    def forward(a, b):
        return a * b

    def da(dc, c, a, b):
        return dc * b

    def db(dc, c, a, b):
        return dc * a

    partials = da, db


class Div:
    r"""Quotient.

    $$c = a / b$$
    $$da = dc / b$$
    $$db = -dc \, c / b$$
    """

    def forward(a, b):
        return a / b

    def da(dc, c, a, b):
        return dc / b

    def db(dc, c, a, b):
        return -dc * c / b

    partials = da, db


class Pow:
    r"""Power, of a constant or of another tensor.

    $$c = a^b$$
    $$da = dc \, b \, a^{b-1}$$
    $$db = dc \, c \, \log a$$

    Where $b = 0$, $da$ is 0, and where $a = 0$ and $b \ge 0$, $db$ is 0: the limits, in place of
    $0 \cdot \infty$.
    """

    def forward(a, b):
        return a**b

    def da(dc, c, a, b):
        b_minus_1 = np.where(b == 0, 0, b - 1)
        return dc * b * a**b_minus_1

    def db(dc, c, a, b):
        log_a = np.log(np.where((a == 0) & (b >= 0), 1, a))
        return dc * c * log_a

    partials = da, db


def _rows(x):
    """The rows of all matrices of a batch, as one matrix."""
    n = math.prod(x.shape[:-1])  # -1 would fail where there are no elements
    return x.reshape(n, x.shape[-1])


class MatMul:
    r"""Matrix product; leading axes are batches and broadcast.

    $$c = a \, b$$
    $$da = dc \, b^\top$$
    $$db = a^\top dc$$

    Giles (2008), "Collected matrix derivative results", section 2.2. A vector on the left is
    one row, a vector on the right is one column, and its axis of size 1 is left out of the result.
    """

    def forward(a, b):
        return a @ b

    def da(dc, c, a, b):
        if a.ndim == 1 and b.ndim == 1:
            return dc * b
        if a.ndim == 1:  # da_k = sum_j dc_j b_kj
            return (b @ dc[..., :, None])[..., 0]
        if b.ndim == 1:  # da_ik = dc_i b_k
            return dc[..., :, None] * b
        return dc @ b.mT

    def db(dc, c, a, b):
        if a.ndim == 1 and b.ndim == 1:
            return dc * a
        if a.ndim == 1:  # db_kj = a_k dc_j
            return a[:, None] * dc[..., None, :]
        if b.ndim == 1:  # db_k = sum_i a_ik dc_i
            return (a.mT @ dc[..., :, None])[..., 0]
        if a.ndim > 2 and b.ndim == 2:  # one product of all rows, which sums over the batch
            return _rows(a).T @ _rows(dc)
        return a.mT @ dc

    partials = da, db


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Einsum:
    r"""Einstein's sum: the product of all arrays, summed over what is not in the output.

    $$c = \sum_{\text{axes not in } c} \; \prod_j a_j$$
    $$da_i = \sum_{\text{axes not in } a_i} dc \prod_{j \ne i} a_j$$

    `subscripts` name the axes, as "ik,kj->ij": the partial by the first array is "ij,kj->ik" of
    `dc` and the second. An axis that $a_i$ alone has is filled by a factor of ones. One letter
    twice is a diagonal, which a factor of the identity puts back.
    """

    def forward(*a, subscripts):
        return np.einsum(subscripts, *a)

    def da(dc, c, *a, subscripts, i):
        inputs, out = subscripts.split("->")
        terms, factors = inputs.split(","), list(a)
        axes, a_i = terms[i], a[i]
        terms[i], factors[i] = out, dc
        wanted = ""
        for axis, n in zip(axes, a_i.shape, strict=True):
            if axis in wanted:
                other = next(x for x in LETTERS if x not in subscripts + wanted)
                terms.append(axis + other)
                factors.append(np.eye(n, dtype=a_i.dtype))
                wanted += other
            else:
                if all(axis not in term for term in terms):
                    terms.append(axis)
                    factors.append(np.ones(n, a_i.dtype))
                wanted += axis
        return np.einsum(f"{','.join(terms)}->{wanted}", *factors)

    partials = EachInput(da)
