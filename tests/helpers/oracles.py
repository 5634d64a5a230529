"""What the tests compare with: derivatives by central differences, and equality to the bit."""

import numpy as np

import simplegrad as sg


def central_differences(fn, arrays, number, weights, h=1e-6):
    """dL/d(arrays[number]) of L = sum(weights * fn(*arrays)), element by element, in float64."""
    arrays = [np.array(a, dtype=np.float64) for a in arrays]
    x = arrays[number]
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        x_i = x[i]
        x[i] = x_i + h
        above = np.array(fn(*arrays))  # copies: they may be views of x
        x[i] = x_i - h
        below = np.array(fn(*arrays))
        x[i] = x_i
        # What x_i does not change is 0 here; in a difference of sums, it would round what it does
        gradient[i] = np.sum(weights * (above - below)) / (2 * h)
    return gradient


def check_with_parameters(module, inputs, result=lambda module, x: module(x)):
    """gradcheck of a layer by its input and its parameters, which may be those of parts of it."""
    names = list(module.parameters())

    def fn(x, *parameters):
        for name, t in zip(names, parameters, strict=True):
            owner, _, key = name.rpartition(".")
            setattr(module.modules()[owner], key, t)
        return result(module, x) ** 2

    return sg.gradcheck(fn, [inputs, *module.parameters().values()])


def in_layout(array, layout):
    """The same numbers in another arrangement of memory."""
    if layout == "fortran":
        return np.array(array, order="F")
    if layout == "strided":
        wide = np.zeros((*array.shape, 2), array.dtype)
        wide[..., 0] = array
        return wide[..., 0]
    if layout == "reversed" and array.ndim:
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    return array


LAYOUTS = ["contiguous", "fortran", "strided", "reversed"]


def same_bits(actual, expected):
    """Whether all numbers are the same, signs of zeros included; one NaN is as good as another."""
    if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
        return False
    if actual.tobytes() == expected.tobytes():  # so it is nearly always, and this is fast
        return True
    numbers = ~np.isnan(expected)
    return np.array_equal(actual, expected, equal_nan=True) and np.array_equal(
        np.signbit(actual)[numbers], np.signbit(expected)[numbers]
    )


def assert_same_bits(actual, expected, what=""):
    """The same for arrays of NumPy; `what` is said where it is not so."""
    assert type(actual) is type(expected) is np.ndarray
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype), what
    assert same_bits(actual, expected), what
