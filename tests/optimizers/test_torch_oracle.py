"""Every optimizer beside PyTorch's own, for 50 steps from any hyperparameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import optimizers as optim

torch = pytest.importorskip(
    "torch", reason="torch is not installed: pip install torch to compare with its optimizers"
)

STEPS = 50
SHAPES = {"weight": (3, 2), "bias": (2,), "scale": ()}

rates = st.floats(1e-5, 0.5)
eps = st.floats(1e-10, 1e-2)
fractions = st.floats(0, 0.9999)
decays = st.just(0.0) | st.floats(1e-4, 1.0)
flags = st.booleans()
seeds = st.integers(0, 2**32 - 1)

ADAM = {"lr": rates, "beta_1": fractions, "beta_2": fractions, "eps": eps, "maximize": flags}
RMSPROP = {"lr": rates, "beta_2": fractions, "eps": eps, "maximize": flags}
SGD = {"lr": rates, "weight_decay": decays, "maximize": flags}
MOMENTUM = SGD | {"momentum": st.floats(0.01, 1.0), "nesterov": st.just(False)}
ANY_SGD = [
    SGD,
    MOMENTUM | {"dampening": st.floats(0, 1)},
    MOMENTUM | {"nesterov": st.just(True), "dampening": st.just(0.0)},
]


def torch_adam(group):
    betas = group["beta_1"], group["beta_2"]
    return {"betas": betas} | {key: group[key] for key in ("lr", "eps", "maximize")}


def torch_adamw(group):
    return torch_adam(group) | {"weight_decay": group["weight_decay"]}


def torch_rmsprop(group):
    return {"alpha": group["beta_2"]} | {key: group[key] for key in ("lr", "eps", "maximize")}


def torch_sgd(group):
    return {key: group[key] for key in optim.SGD.hyperparameters}


OPTIMIZERS = {
    optim.Adam: (torch.optim.Adam, torch_adam, [ADAM]),
    optim.AdamW: (torch.optim.AdamW, torch_adamw, [ADAM | {"weight_decay": decays}]),
    optim.RMSProp: (torch.optim.RMSprop, torch_rmsprop, [RMSPROP]),
    optim.SGD: (torch.optim.SGD, torch_sgd, ANY_SGD),
}


def same_trajectory(optimizer, seed, overrides, **defaults):
    """Takes both optimizers through the same gradients; a group for each dict of `overrides`."""
    theirs, torch_names, _ = OPTIMIZERS[optimizer]
    rng = np.random.default_rng(seed)
    start = [{name: rng.normal(size=shape) for name, shape in SHAPES.items()} for _ in overrides]
    thetas = [
        {name: sg.Tensor(x, requires_grad=True) for name, x in group.items()} for group in start
    ]
    twins = [
        {name: torch.tensor(x, requires_grad=True) for name, x in group.items()} for group in start
    ]
    opt = optimizer(
        param_groups=[{"params": p, **o} for p, o in zip(thetas, overrides, strict=True)],
        **defaults,
    )
    twin = theirs(
        [
            {"params": list(p.values()), **torch_names(group)}
            for p, group in zip(twins, opt.param_groups, strict=True)
        ]
    )
    largest = 1.0
    for t in range(1, STEPS + 1):
        for ours, torchs in zip(thetas, twins, strict=True):
            for name, theta in ours.items():
                g = rng.normal(size=theta.shape) * 10.0 ** rng.integers(-3, 4)
                theta.grad = g
                torchs[name].grad = torch.tensor(g)
        opt.step()
        twin.step()
        for ours, torchs in zip(thetas, twins, strict=True):
            for name, theta in ours.items():
                largest = max(largest, np.abs(theta.data).max())
                np.testing.assert_allclose(
                    theta.data,
                    torchs[name].detach().numpy(),
                    rtol=1e-10,
                    # near 0, what was rounded when it was larger stays; and torch's lerp takes
                    # 1 - (1 - beta_1) for beta_1, times gradients up to 1e6 times the present one
                    atol=1e-10 * largest,
                    err_msg=f"{name} after step {t}",
                )


def some_of(hyperparameters):
    return st.fixed_dictionaries({}, optional=hyperparameters)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_hyperparameters_give_the_trajectory_of_torch(optimizer, data):
    kind = data.draw(st.sampled_from(OPTIMIZERS[optimizer][2]))
    same_trajectory(optimizer, data.draw(seeds), [{}], **data.draw(st.fixed_dictionaries(kind)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_two_groups_with_overrides_give_the_trajectory_of_torch(optimizer, data):
    kind = data.draw(st.sampled_from(OPTIMIZERS[optimizer][2]))
    defaults = data.draw(st.fixed_dictionaries(kind))
    overrides = data.draw(some_of({k: v for k, v in kind.items() if k != "nesterov"}))
    same_trajectory(optimizer, data.draw(seeds), [{}, overrides], **defaults)


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_defaults_follow_torch(optimizer, maximize):
    same_trajectory(optimizer, 0, [{}], maximize=maximize)


@pytest.mark.parametrize("optimizer", [optim.Adam, optim.AdamW])
def test_the_defaults_are_those_of_torch(optimizer):
    theta = sg.Tensor(1.0, requires_grad=True)
    (group,) = optimizer(param_groups=[{"params": {"theta": theta}}]).param_groups
    theirs, torch_names, _ = OPTIMIZERS[optimizer]
    defaults = theirs([torch.tensor(1.0, requires_grad=True)]).defaults
    assert torch_names(group).items() <= defaults.items()


def test_a_loss_trained_by_both_engines_ends_at_the_same_weights():
    rng = np.random.default_rng(0)
    x, y, w_0 = rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), rng.normal(size=(3, 2))
    w, twin = sg.Tensor(w_0, requires_grad=True), torch.tensor(w_0, requires_grad=True)
    opt = optim.Adam(lr=0.05, param_groups=[{"params": {"w": w}}])
    torch_opt = torch.optim.Adam([twin], lr=0.05)
    for _ in range(STEPS):
        opt.zero_grad()
        ((x @ w).tanh() - y).abs().sum().backward()
        opt.step()
        torch_opt.zero_grad()
        ((torch.tensor(x) @ twin).tanh() - torch.tensor(y)).abs().sum().backward()
        torch_opt.step()
    np.testing.assert_allclose(w.data, twin.detach().numpy(), rtol=1e-9)


def test_dampening_without_momentum_scales_the_gradient_as_the_equation_says_and_torch_does_not():
    """b_t = mu b + (1 - tau) g holds for mu = 0, too, where torch leaves dampening out."""
    theta = sg.Tensor(np.array([1.0]), requires_grad=True)
    twin = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    opt = optim.SGD(lr=0.5, dampening=0.75, param_groups=[{"params": {"theta": theta}}])
    torch_opt = torch.optim.SGD([twin], lr=0.5, dampening=0.75)
    theta.grad, twin.grad = np.array([1.0]), torch.tensor([1.0], dtype=torch.float64)
    for _ in range(2):
        opt.step()
        torch_opt.step()
    assert theta.data == [1 - 0.5 - 0.25 * 0.5]
    assert twin.detach().numpy() == [1 - 0.5 - 0.5]
