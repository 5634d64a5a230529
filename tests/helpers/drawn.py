"""What the tests of rules draw: arrays for each rule, with kinks (0 and ties) at a distance.

Each strategy gives (arrays, params), as for `rule.forward(*arrays, **params)`.
"""

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

from tests.helpers.oracles import LAYOUTS, in_layout

shapes = array_shapes(min_dims=0, max_dims=4, max_side=3)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def arrays_of(draw, shapes, kind="apart"):
    """Arrays of numbers, apart from 0 and from each other, of both signs or "positive"."""
    rng = np.random.default_rng(draw(seeds))
    arrays = []
    for shape in shapes:
        size = math.prod(shape)
        values = 0.3 + rng.permutation(size) * 0.2 + rng.uniform(0, 0.1, size)
        if kind == "apart":
            values *= rng.choice([-1, 1], size)
        arrays.append(in_layout(values.reshape(shape), draw(st.sampled_from(LAYOUTS))))
    return arrays


@st.composite
def one(draw, kind="apart", **params):
    return draw(arrays_of([draw(shapes)], kind)), params


@st.composite
def two(draw, first="apart", second="apart"):
    broadcast = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3))
    a_shape, b_shape = broadcast.input_shapes
    (a,), (b,) = draw(arrays_of([a_shape], first)), draw(arrays_of([b_shape], second))
    return [a, b + 0.037], {}  # so that no element of a equals one of b


@st.composite
def along(draw):
    """An array, and one of its axes."""
    shape = draw(array_shapes(min_dims=1, max_dims=4, max_side=3))
    return draw(arrays_of([shape])), {"axis": draw(st.integers(-len(shape), len(shape) - 1))}


@st.composite
def broadcast_to(draw):
    shape = draw(shapes)
    wanted = [draw(st.integers(1, 3)) if n == 1 else n for n in shape]
    new = draw(st.lists(st.integers(1, 3), max_size=2))
    return draw(arrays_of([shape])), {"shape": (*new, *wanted)}


SUBSCRIPTS = [
    *("ij,jk->ik", "bij,bjk->bik", "ij,ij->ij", "i,j->ij", "ij->ji", "ij->i", "->", "ij->"),
    *("ii->i", "ii->", "iij->j", "iji->ij", "iii->i", "iijj->ij", "ii,jj->ij"),
    *(",ij->ij", "i,i,i->", "ij,jk,kl->il", "ij,k->i", "ii,i->i", "ij,jk,k->"),
]


@st.composite
def einsum(draw):
    subscripts = draw(st.sampled_from(SUBSCRIPTS))
    sizes = {letter: draw(st.integers(1, 3)) for letter in "bijkl"}
    terms = subscripts.split("->")[0].split(",")
    arrays = draw(arrays_of([[sizes[letter] for letter in term] for term in terms]))
    return arrays, {"subscripts": subscripts}


@st.composite
def reduction(draw, max_dims=4, **params):
    shape = draw(array_shapes(min_dims=0, max_dims=max_dims, max_side=3))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    some = st.lists(axes, unique_by=lambda axis: axis % len(shape)).map(tuple)
    axis = draw(st.one_of(st.none(), axes, some) if shape else st.sampled_from([None, ()]))
    params |= {"axis": axis, "keepdims": draw(st.booleans())}
    if "ddof" in params:
        n = math.prod(shape[i] for i in positive_axes(axis, len(shape)))
        params["ddof"] = min(params["ddof"], n - 1)
    return draw(arrays_of([shape])), params


def positive_axes(axis, ndim):
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return [i % ndim for i in axes]


@st.composite
def matmul(draw):
    m, k, n = (draw(st.integers(1, 3)) for _ in range(3))
    batches = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3))
    a_batch, b_batch = batches.input_shapes
    a_shape = draw(st.sampled_from([(k,), (*a_batch, m, k)]))
    b_shape = draw(st.sampled_from([(k,), (*b_batch, k, n)]))
    return draw(arrays_of([a_shape, b_shape])), {}


@st.composite
def where(draw):
    broadcast = draw(mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    a_shape, b_shape, s_shape = broadcast.input_shapes
    s = np.random.default_rng(draw(seeds)).random(s_shape) < 0.5
    return draw(arrays_of([a_shape, b_shape])), {"s": s}


@st.composite
def reshape(draw):
    (a,) = draw(arrays_of([draw(shapes)]))
    return [a], {"shape": draw(st.sampled_from([(-1,), (1, a.size), (a.size, 1, 1)]))}


@st.composite
def transpose(draw):
    shape = draw(shapes)
    axes = draw(st.permutations(range(len(shape))))
    signed = tuple(axis - draw(st.sampled_from([0, len(shape)])) for axis in axes)
    return draw(arrays_of([shape])), {"axes": draw(st.sampled_from([None, signed]))}


@st.composite
def squeeze(draw):
    shape = draw(shapes)
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    axis = draw(st.sampled_from([None, tuple(ones), *ones]))
    return draw(arrays_of([shape])), {"axis": axis}


@st.composite
def unsqueeze(draw):
    shape = draw(shapes)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return draw(arrays_of([shape])), {"axis": axis}


@st.composite
def index(draw):
    (a,) = draw(arrays_of([(4, 3, 2)]))
    rows = st.lists(st.integers(-4, 3), min_size=1, max_size=6).map(np.array)
    chosen = draw(
        st.one_of(
            st.integers(-4, 3),
            st.sampled_from(
                [
                    slice(None),
                    slice(None, None, -1),
                    slice(3, 0, -2),
                    (slice(1, 3), 0),
                    (..., 1),
                    (None, 2, slice(None)),
                    (),
                    a > 0.5,
                    np.array([True, False, True, True]),
                    [0, 0, 3],
                    (np.array([[0, 1], [1, 0]]), slice(None), 1),
                ]
            ),
            rows,
            rows.map(lambda i: (i, np.minimum(np.abs(i), 2))),
        )
    )
    return [a], {"index": chosen}


@st.composite
def scatter(draw):
    (a,), params = draw(index())
    return [a[params["index"]].copy()], {**params, "shape": a.shape}


@st.composite
def concatenate(draw):
    ndim = draw(st.integers(1, 3))
    axis = draw(st.integers(-ndim, ndim - 1))
    shape = draw(st.lists(st.integers(1, 3), min_size=ndim, max_size=ndim))
    all_shapes = []
    for _ in range(draw(st.integers(1, 4))):
        shape[axis] = draw(st.integers(1, 3))
        all_shapes.append(tuple(shape))
    return draw(arrays_of(all_shapes)), {"axis": axis}


@st.composite
def stack(draw):
    shape = draw(shapes)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return draw(arrays_of([shape] * draw(st.integers(1, 4)))), {"axis": axis}


@st.composite
def pad(draw):
    shape = draw(array_shapes(max_dims=4, max_side=3))
    sides = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return draw(arrays_of([shape])), {
        "widths": tuple(draw(sides) for _ in shape),
        "constant": draw(st.sampled_from([0.0, -1.5])),
    }


@st.composite
def windows(draw):
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    size, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    batch = draw(array_shapes(min_dims=0, max_dims=2, max_side=2))
    shape = (*batch, *(span + draw(st.integers(0, 4)) for span in spans))
    return draw(arrays_of([shape])), {"size": size, "stride": stride, "dilation": dilation}
