"""Two problems of the kind that the examples of HIPS autograd have, in our own words.

They are written with what simplegrad and PyTorch have in common, `lib`, and with `tensor`, which
makes a tensor of an array: test_public_codes_in_torch.py computes the same with PyTorch.
"""

import numpy as np

import simplegrad as sg
from simplegrad import optimizers as optim

# The Hessian of a small network


def network_loss(tensor):
    """The squared error of a network on fixed numbers, as a function of its parameters."""
    rng = np.random.default_rng(0)
    x, y = tensor(rng.normal(size=(6, 3))), tensor(rng.normal(size=(6, 2)))

    def loss(W_1, b_1, W_2, b_2):
        prediction = (x @ W_1 + b_1).tanh() @ W_2 + b_2
        return ((prediction - y) ** 2).mean()

    return loss


def network_arrays(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in [(3, 4), (4,), (4, 2), (2,)]]


def in_one_matrix(H, arrays):
    """Blocks of second derivatives, a row of them for each parameter, as one matrix."""
    sizes = [a.size for a in arrays]
    return np.block(
        [
            [np.asarray(block).reshape(n, m) for block, m in zip(row, sizes, strict=True)]
            for row, n in zip(H, sizes, strict=True)
        ]
    )


def flat(arrays):
    return np.concatenate([np.asarray(a).ravel() for a in arrays])


def test_the_hessian_of_a_network_times_a_vector_needs_no_hessian():
    loss, v = network_loss(sg.Tensor), network_arrays(2)
    parameters = [sg.Tensor(a) for a in network_arrays(1)]
    H = in_one_matrix(sg.hessian(loss, parameters), v)
    _, Hv = sg.hvp(loss, parameters, v)
    np.testing.assert_allclose(H, H.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(flat(Hv), H @ flat(v), rtol=1e-11)
    assert len(H) == 26
    assert np.linalg.eigvalsh(H)[0] < 0  # a saddle of the parameters, not a valley


# Smoke in a flow, which is to arrive where it is wanted; after Stam (1999), "Stable fluids"

CELLS = 6


def neighbour(lib, field, axis, step):
    return lib.roll(field, -step, axis)  # the last cell is beside the first


def without_sources(lib, flow, sweeps=10):
    """The flow less the slope of a pressure, with which nearly as much flows in as flows out."""
    slopes = [(neighbour(lib, flow[i], i, 1) - neighbour(lib, flow[i], i, -1)) / 2 for i in (0, 1)]
    out = slopes[0] + slopes[1]
    pressure = 0 * out
    for _ in range(sweeps):  # of Jacobi, on the grid of every second cell
        around = [neighbour(lib, pressure, i, step) for i in (0, 1) for step in (2, -2)]
        pressure = (around[0] + around[1] + around[2] + around[3]) / 4 - out
    slopes = [neighbour(lib, pressure, i, 1) - neighbour(lib, pressure, i, -1) for i in (0, 1)]
    return flow - lib.stack(slopes) / 2


def carried(lib, tensor, field, flow):
    """What the flow brings to each cell: a mean of the four cells around where it comes from."""
    whole = np.floor(-flow.detach().numpy()).astype(int)
    part = -flow - tensor(whole.astype(float))
    i, j = (np.indices(whole.shape[1:]) + whole) % CELLS
    below, beside = (i + 1) % CELLS, (j + 1) % CELLS
    left = (1 - part[0]) * field[i, j] + part[0] * field[below, j]
    right = (1 - part[0]) * field[i, beside] + part[0] * field[below, beside]
    return (1 - part[1]) * left + part[1] * right


def missed(lib, tensor, steps=3):
    """How far the smoke is from the target after some steps, as a function of the first flow."""
    start, target = np.zeros((2, CELLS, CELLS))
    start[1:3, 1:3] = 1
    target[2:4, 3:5] = 1
    aim = tensor(target)

    def loss(flow):
        smoke = tensor(start)
        for _ in range(steps):
            moved = [carried(lib, tensor, flow[i], flow) for i in (0, 1)]
            flow = without_sources(lib, lib.stack(moved))
            smoke = carried(lib, tensor, smoke, flow)
        return ((smoke - aim) ** 2).sum()

    return loss


def first_flow(seed=0):
    return np.random.default_rng(seed).normal(scale=0.3, size=(2, CELLS, CELLS))


def test_a_flow_is_without_sources_after_many_sweeps():
    flow = without_sources(sg, sg.Tensor(first_flow()), sweeps=400).data
    slopes = [np.roll(flow[i], -1, i) - np.roll(flow[i], 1, i) for i in (0, 1)]
    np.testing.assert_allclose(slopes[0], -slopes[1], atol=1e-10)


def test_derivatives_of_a_fluid_are_differences():
    loss, h = missed(sg, sg.Tensor), 1e-6
    flow, v = sg.Tensor(first_flow(), requires_grad=True), first_flow(1)
    gradient = sg.grad(loss(flow), flow).data

    def at(step):
        moved = sg.Tensor(flow.data + step * v, requires_grad=True)
        L = loss(moved)
        return L.item(), sg.grad(L, moved).data

    (above, d_above), (below, d_below) = at(h), at(-h)
    np.testing.assert_allclose((gradient * v).sum(), (above - below) / (2 * h), rtol=1e-6)
    L, Hv = sg.hvp(loss, sg.Tensor(flow.data), v)
    assert L.item() == loss(flow).item()
    np.testing.assert_allclose(Hv.data, (d_above - d_below) / (2 * h), rtol=1e-5, atol=1e-7)


def test_smoke_can_be_led_to_where_it_is_wanted():
    loss = missed(sg, sg.Tensor)
    flow = sg.Tensor(first_flow(), requires_grad=True)
    opt = optim.Adam(param_groups=[{"params": {"flow": flow}}], lr=0.1)
    first = loss(flow).item()
    for _ in range(45):
        L = loss(flow)
        L.backward()
        opt.step()
        opt.zero_grad()
    assert L.item() < first / 5
