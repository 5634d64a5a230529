"""A convolution of one image: that of simplegrad.conv2d, and its gradients."""

from typing import Any

import numpy as np

from simplegrad.exercises.task import Task, table
from simplegrad.rules import Windows

TITLE = "A convolution, and its gradients"


def around(x: np.ndarray, z: int, after: int | None = None) -> np.ndarray:
    """The image with z zeros on each side, or with another number of them after it."""
    side = (z, z if after is None else after)
    return np.pad(x, ((0, 0), side, side))


def slid(x: np.ndarray, W: np.ndarray, s: int, d: int = 1) -> np.ndarray:
    """What each window sees, of shape (C, h, w, H', W')."""
    X = Windows.forward(x, W.shape[2:], (s, s), (d, d))
    return X.reshape(len(x), *W.shape[2:], *X.shape[2:])


def conv(x: np.ndarray, W: np.ndarray, s: int, d: int = 1) -> np.ndarray:
    """The convolution without a bias."""
    return np.einsum("ockm,ckmij->oij", W, slid(x, W, s, d))


def correlated(dy: np.ndarray, x: np.ndarray, W: np.ndarray, s: int) -> np.ndarray:
    """The gradient by the weights."""
    X = slid(x, W, s)[..., : dy.shape[1], : dy.shape[2]]
    return np.einsum("oij,ckmij->ockm", dy, X)


def spread(dy: np.ndarray, x: np.ndarray, W: np.ndarray, s: int, kept: float = 1.0) -> np.ndarray:
    """The gradient by the image; `kept` is the part of what windows before have added."""
    dx, (height, width) = np.zeros(x.shape), W.shape[2:]
    for i, j in np.ndindex(dy.shape[1:]):
        seen = dx[:, s * i : s * i + height, s * j : s * j + width]
        seen[:] = kept * seen + np.einsum("ockm,o->ckm", W, dy[:, i, j])
    return dx


def cropped(dx: np.ndarray, z: int) -> np.ndarray:
    """Without the z zeros around the image."""
    return dx[:, z : dx.shape[1] - z, z : dx.shape[2] - z]


def turned(W: np.ndarray) -> np.ndarray:
    """By 180 degrees."""
    return W[:, :, ::-1, ::-1]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Small whole numbers, none of them 0."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 7, shape) * rng.choice([-1.0, 1.0], shape)


def case(x: np.ndarray, W: np.ndarray, s: int = 1, z: int = 0) -> dict[str, Any]:
    """The arguments of conv2d."""
    return {"x": x, "W": W, "b": numbers(len(W), seed=len(W)), "s": s, "z": z}


FORWARD = {
    "one channel, one filter": case(numbers(1, 3, 4), numbers(1, 1, 2, 2, seed=1)),
    "two channels, three filters": case(numbers(2, 4, 5), numbers(3, 2, 2, 3, seed=1)),
    "a stride of 2": case(numbers(2, 6, 8), numbers(3, 2, 3, 2, seed=1), s=2),
    "zeros around the image": case(numbers(2, 3, 4), numbers(3, 2, 3, 2, seed=1), z=1),
    "a stride of 2 and zeros": case(numbers(2, 6, 7), numbers(2, 2, 3, 3, seed=1), s=2, z=1),
}


def backward(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments of the gradients in a case: with some dy, and without the bias."""
    x, W, s, z = (given[name] for name in ("x", "W", "s", "z"))
    return [
        {"dy": numbers(*conv(around(x, z), W, s).shape, seed=2), "x": x, "W": W, "s": s, "z": z}
    ]


NAMES = {f.__name__: f for f in (around, slid, conv, correlated, spread, cropped, turned)}
B = "b[:, None, None]"

TASKS = {
    "conv2d": Task(
        arguments="x, W, b, s, z",
        equations={"y": f"conv(around(x, z), W, s) + {B}"},
        cases={title: [given] for title, given in FORWARD.items()},
        mistakes={
            "y": table(f"""
                the kernel is turned: k counts up in W and in x
                    -> conv(around(x, z), turned(W), s) + {B}
                rows and columns of the kernel are swapped
                    -> conv(around(x, z), W.swapaxes(2, 3), s) + {B}
                s is ignored: the window moves by one pixel -> conv(around(x, z), W, 1) + {B}
                s multiplies k, where it multiplies p: the window is spread, and does not jump
                    -> conv(around(x, z), W, 1, s) + {B}
                s is a factor of k as of p: only the window jumps
                    -> conv(around(x, z), W, s, s) + {B}
                s is for the rows alone: columns have it, too
                    -> conv(around(x, z), W, 1)[:, ::s] + {B}
                s is for the columns alone: rows have it, too
                    -> conv(around(x, z), W, 1)[:, :, ::s] + {B}
                z is ignored: zeros belong around the image -> conv(x, W, s) + {B}
                the zeros stand after the image alone: z belong on each side
                    -> conv(around(x, 0, z), W, s) + {B}
                the zeros stand before the image alone: z belong on each side
                    -> conv(around(x, z, 0), W, s) + {B}
                2 z zeros stand on each side, where it is z -> conv(around(x, 2 * z), W, s) + {B}
                the zeros stand around the result: they belong around the image
                    -> around(conv(x, W, s) + {B}, z)
                the last row and the last column are missing: there are (H + 2 z - h) // s + 1
                    -> right[:, :-1, :-1]
                the channels are not summed: each filter has one result
                    -> np.einsum("ockm,ckmij->ocij", W, slid(around(x, z), W, s))
                    + b[:, None, None, None]
                only the first channel is seen: the products of all are added up
                    -> conv(around(x, z)[:1], W[:, :1], s) + {B}
                the mean over the channels is taken, where it is the sum
                    -> conv(around(x, z), W, s) / len(x) + {B}
                the mean over the window is taken, where it is the sum
                    -> conv(around(x, z), W, s) / W[0].size + {B}
                each filter is summed up before: a weight belongs to the pixel below it
                    -> np.einsum("ockm,ckmij->oij", np.ones(W.shape), slid(around(x, z), W, s))
                    * W.mean(axis=(1, 2, 3))[:, None, None] + {B}
                the bias is missing -> conv(around(x, z), W, s)
                the bias is subtracted -> conv(around(x, z), W, s) - {B}
                b is added along the columns: b[:, None, None] has one for each filter
                    -> conv(around(x, z), W, s) + b
                the bias is added for each channel: once for each filter
                    -> conv(around(x, z), W, s) + len(x) * {B}
                the bias is added for each weight: once for each filter
                    -> conv(around(x, z), W, s) + W[0].size * {B}
                all biases are added to each filter: b_o belongs to filter o
                    -> conv(around(x, z), W, s) + b.sum()
                the filters are summed: each is a channel of the result
                    -> (conv(around(x, z), W, s) + {B}).sum(axis=0)
                the filters stand last: y has the shape (O, H', W')
                    -> np.moveaxis(right, 0, -1)
                this is the largest of the products, where it is their sum
                    -> (W[:, :, :, :, None, None] * slid(around(x, z), W, s)).max(axis=(1, 2, 3))
                    + {B}
            """)
        },
        names=NAMES,
    ),
    "gradients": Task(
        arguments="dy, x, W, s, z",
        equations={
            "dW": "correlated(dy, around(x, z), W, s)",
            "db": "dy.sum(axis=(1, 2))",
            "dx": "cropped(spread(dy, around(x, z), W, s), z)",
        },
        cases={title: backward(given) for title, given in FORWARD.items()},
        mistakes={
            "dW": table("""
                it is turned by 180 degrees: k counts up in dW and in x -> turned(right)
                s is ignored: places of dy are s pixels apart -> correlated(dy, around(x, z), W, 1)
                the first window begins at the first pixel: z zeros stand before it
                    -> correlated(dy, around(x, 0, 2 * z), W, s)
                z is ignored: what the window sees has zeros around it
                    -> np.einsum("oij,ckmij->ockm", dy, slid(x, W, s))
                the filters are summed: each has a gradient of its own -> right.sum(axis=0)
                filters and channels are swapped: dW has the shape of W -> right.swapaxes(0, 1)
                the channels are summed: each has weights of its own
                    -> np.broadcast_to(right.sum(axis=1, keepdims=True), W.shape)
                dy is summed over its filters before: dW_o needs dy_o
                    -> np.broadcast_to(right.sum(axis=0), W.shape)
                the mean over the places is taken, where it is the sum -> right / dy[0].size
                only the last place counts: add up over all of them, with +=
                    -> dy[:, -1, -1, None, None, None] * slid(around(x, z), W, s)[None, ..., -1, -1]
                only the first place counts: add up over all of them
                    -> dy[:, 0, 0, None, None, None] * slid(around(x, z), W, s)[None, ..., 0, 0]
                the factor dy is missing: the chain rule multiplies by it
                    -> correlated(np.ones(dy.shape), around(x, z), W, s)
                W is a factor: a weight's partial is what it is multiplied with -> right * W
                dy is turned by 180 degrees: p counts up in dy and in x
                    -> correlated(dy[:, ::-1, ::-1], around(x, z), W, s)
            """),
            "db": table("""
                it is one for each place: the bias is added at all of them, so sum over them -> dy
                the mean over the places is taken, where it is the sum -> dy.mean(axis=(1, 2))
                the filters are summed, too: each has a bias of its own -> dy.sum()
                the filters are summed, and the places are not -> dy.sum(axis=0)
                only the rows are summed: sum over both axes of the places -> dy.sum(axis=1)
                only the columns are summed: sum over both axes of the places -> dy.sum(axis=2)
                the places of the result are counted, and dy is missing
                    -> np.full(len(W), float(dy[0].size))
                it is counted for each channel: once for each filter -> len(x) * right
                it is counted for each weight: once for each filter -> W[0].size * right
                b has the shape (O,): sum without keepdims -> dy.sum(axis=(1, 2), keepdims=True)
                only the first place counts: sum over all of them -> dy[:, 0, 0]
                only the last place counts: sum over all of them, with += -> dy[:, -1, -1]
            """),
            "dx": table("""
                the kernel is not turned: it is W_k that meets dy at i - k
                    -> cropped(spread(dy, around(x, z), turned(W), s), z)
                rows and columns of the kernel are swapped
                    -> cropped(spread(dy, around(x, z), W.swapaxes(2, 3), s), z)
                s is ignored: places of dy are s pixels apart
                    -> cropped(spread(dy, around(x, z), W, 1), z)
                the zeros around the image are still there: cut them off
                    -> spread(dy, around(x, z), W, s)
                the zeros are cut off at the end alone: z stand on each side
                    -> spread(dy, around(x, z), W, s)[:, : x.shape[1], : x.shape[2]]
                the zeros are cut off at the start alone: z stand on each side
                    -> spread(dy, around(x, z), W, s)[:, z:, z:]
                2 z are cut off at the start, where z stand on each side
                    -> spread(dy, around(x, z), W, s)[:, 2 * z :, 2 * z :]
                only the first filter is seen: x goes into all of them
                    -> cropped(spread(dy[:1], around(x, z), W[:1], s), z)
                only the last filter is seen: x goes into all of them, so add up with +=
                    -> cropped(spread(dy[-1:], around(x, z), W[-1:], s), z)
                the channels are summed: each has a gradient of its own -> right.sum(axis=0)
                all channels have the sum of them: each has weights of its own
                    -> np.broadcast_to(right.sum(axis=0), x.shape)
                the factor dy is missing: the chain rule multiplies by it
                    -> cropped(spread(np.ones(dy.shape), around(x, z), W, s), z)
                x is a factor: the partial by a pixel is what it is multiplied with -> right * x
                the mean over the filters is taken, where it is the sum -> right / len(W)
                windows that overlap do not add up: use +=
                    -> cropped(spread(dy, around(x, z), W, s, kept=0), z)
                this is the partial of the shape of dy: dx has the shape of x
                    -> conv(around(x, z), W, s) * dy
            """),
        },
        names=NAMES,
    ),
}
