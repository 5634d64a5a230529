"""Code as courses have it, with simplegrad and with PyTorch: both train alike, in float64."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim
from tests.test_public_codes import (
    first_flow,
    flat,
    in_one_matrix,
    missed,
    network_arrays,
    network_loss,
)

torch = pytest.importorskip("torch")
F = torch.nn.functional


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def copied(model, other):
    """Gives PyTorch's model the values of ours; a Linear there has the transpose."""
    pairs = zip(model.modules().values(), other.double().modules(), strict=True)
    with torch.no_grad():
        for module, theirs in pairs:
            for name, value in vars(module).items():
                if isinstance(value, sg.Tensor):
                    a = value.data.T if isinstance(module, nn.Linear) else value.data
                    getattr(theirs, name).copy_(torch.tensor(a))
    return other


def assert_close(ours, theirs):
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def assert_trains_alike(model, other, loss_of, loss_of_torch, batches, **options):
    """A few steps of Adam: the same losses, and the same parameters at the end."""
    opt = optim.Adam(model, lr=0.01, **options)
    torch_opt = torch.optim.Adam(other.parameters(), lr=0.01, **options)
    for batch in batches:
        loss, expected = loss_of(model, *batch), loss_of_torch(other, *map(torch.tensor, batch))
        assert_close(loss.item(), expected)
        loss.backward()
        opt.step()
        opt.zero_grad()
        expected.backward()
        torch_opt.step()
        torch_opt.zero_grad()
    for t, theirs in zip(model.parameters().values(), other.parameters(), strict=True):
        assert_close(t.numpy().T if t.shape != tuple(theirs.shape) else t.numpy(), theirs)


def test_a_lenet_with_batchnorm():
    def lenet(lib, norm, **options):
        return lib.Sequential(
            lib.Conv2d(1, 6, 5, padding=2, bias=False, **options),
            norm(6, **options),
            lib.ReLU(),
            lib.MaxPool2d(2),
            lib.Conv2d(6, 16, 5, bias=False, **options),
            norm(16, **options),
            lib.ReLU(),
            lib.AvgPool2d(2),
            lib.Flatten(),
            lib.Linear(400, 84, **options),
            lib.ReLU(),
            lib.Linear(84, 10, **options),
        )

    model = lenet(nn, nn.BatchNorm, dtype=np.float64)
    other = copied(model, lenet(torch.nn, torch.nn.BatchNorm2d))
    batches = [(numbers(8, 1, 28, 28, seed=i), np.arange(8) % 10) for i in range(3)]
    assert_trains_alike(
        model,
        other,
        lambda model, x, y: sg.cross_entropy(model(x), y),
        lambda model, x, y: F.cross_entropy(model(x), y),
        batches,
    )
    assert_close(model[5].running_mean.data, other[5].running_mean)
    assert_close(model[5].running_var.data, other[5].running_var)
    x = numbers(4, 1, 28, 28, seed=9)
    assert_close(model.eval()(x).data, other.eval()(torch.tensor(x)))


def test_reinforce_climbs_with_maximize():
    """Williams (1992): the gradient of E[R] is that of E[R log pi(a)]; here a bandit of 5 arms."""

    def policy(lib, **options):
        return lib.Sequential(lib.Linear(3, 8, **options), lib.Tanh(), lib.Linear(8, 5, **options))

    model = policy(nn, dtype=np.float64)
    other = copied(model, policy(torch.nn))
    rng, episodes = np.random.default_rng(0), []
    for seed in range(5):
        states, actions = numbers(16, 3, seed=seed), rng.integers(5, size=16)
        rewards = np.where(actions == np.argmax(states, axis=1), 1.0, -0.1)
        episodes.append((states, actions, rewards - rewards.mean()))
    assert_trains_alike(
        model,
        other,
        lambda m, s, a, R: (sg.log_softmax(m(s))[np.arange(len(a)), a] * R).mean(),
        lambda m, s, a, R: (F.log_softmax(m(s), -1)[torch.arange(len(a)), a] * R).mean(),
        episodes,
        maximize=True,
    )


def test_a_variational_autoencoder():
    """Kingma and Welling (2014), with the noise given, so that both draw the same."""

    class Ours(nn.Module):
        def __init__(self):
            self.encoder = nn.Linear(12, 8, dtype=np.float64)
            self.mu = nn.Linear(8, 2, dtype=np.float64)
            self.log_var = nn.Linear(8, 2, dtype=np.float64)
            self.decoder = nn.Linear(2, 12, dtype=np.float64)

        def forward(self, x, noise):
            h = self.encoder(x).relu()
            mu, log_var = self.mu(h), self.log_var(h)
            return self.decoder(mu + noise * (log_var / 2).exp()), mu, log_var

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Linear(12, 8)
            self.mu = torch.nn.Linear(8, 2)
            self.log_var = torch.nn.Linear(8, 2)
            self.decoder = torch.nn.Linear(2, 12)

        forward = Ours.forward

    def loss_of(model, x, noise):
        logits, mu, log_var = model(x, noise)
        kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()
        return sg.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl

    def loss_of_torch(model, x, noise):
        logits, mu, log_var = model(x, noise)
        kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl

    model = Ours()
    batches = [
        ((numbers(6, 12, seed=i) > 0).astype(float), numbers(6, 2, seed=i + 10)) for i in range(3)
    ]
    assert_trains_alike(model, copied(model, Theirs()), loss_of, loss_of_torch, batches)


def test_label_smoothing_on_digits():
    def classifier(lib, **options):
        return lib.Sequential(
            lib.Linear(64, 32, **options), lib.ReLU(), lib.Linear(32, 10, **options)
        )

    digits = sg.datasets.load_digits()
    model = classifier(nn, dtype=np.float64)
    batches = [
        (digits.x_train[i : i + 20].astype(float), digits.y_train[i : i + 20].astype(np.int64))
        for i in (0, 20, 40)
    ]
    assert_trains_alike(
        model,
        copied(model, classifier(torch.nn)),
        lambda m, x, y: sg.cross_entropy(m(x), y, label_smoothing=0.1),
        lambda m, x, y: F.cross_entropy(m(x), y, label_smoothing=0.1),
        batches,
    )


def test_a_gru_on_names():
    """The next letter of each name, padded with -1, which the loss leaves out."""

    class Ours(nn.Module):
        def __init__(self):
            self.embedding = nn.Embedding(27, 6, dtype=np.float64)
            self.gru = nn.GRU(6, 8, batch_first=True, dtype=np.float64)
            self.head = nn.Linear(8, 27, dtype=np.float64)

        def forward(self, tokens):
            return self.head(self.gru(self.embedding(tokens))[0])

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(27, 6)
            self.gru = torch.nn.GRU(6, 8, batch_first=True)
            self.head = torch.nn.Linear(8, 27)

        forward = Ours.forward

    model, other = Ours(), Theirs().double()
    with torch.no_grad():
        for t, theirs in zip(model.parameters().values(), other.parameters(), strict=True):
            theirs.copy_(torch.tensor(t.data.T if t.shape != tuple(theirs.shape) else t.data))
    batches = []
    for start in 0, 20, 40:
        names = sg.datasets.load_names()[start : start + 20]
        x, y = np.zeros((20, 8), int), np.full((20, 8), -1)
        for row, name in enumerate(names):
            tokens = [ord(letter) - 96 for letter in name[:7]]
            x[row, 1 : len(tokens) + 1], y[row, : len(tokens)] = tokens, tokens
            y[row, len(tokens)] = 0
        batches.append((x, y))
    assert_trains_alike(
        model,
        other,
        lambda m, x, y: sg.cross_entropy(m(x), y, ignore_index=-1),
        lambda m, x, y: F.cross_entropy(m(x).reshape(-1, 27), y.reshape(-1), ignore_index=-1),
        batches,
    )


def test_masked_attention_with_several_heads():
    """Sequences of different lengths, in which a place looks only at those before it."""
    model = nn.MultiHeadAttention(8, 2, dtype=np.float64)
    other = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    layers = model.q_proj, model.k_proj, model.v_proj
    with torch.no_grad():
        weights = [torch.tensor(layer.weight.data.T) for layer in layers]
        other.in_proj_weight.copy_(torch.cat(weights))
        other.in_proj_bias.copy_(torch.cat([torch.tensor(layer.bias.data) for layer in layers]))
        other.out_proj.weight.copy_(torch.tensor(model.out_proj.weight.data.T))
        other.out_proj.bias.copy_(torch.tensor(model.out_proj.bias.data))
    x = numbers(3, 5, 8)
    is_there = np.arange(5) < np.array([[5], [3], [4]])
    t, theirs = sg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = model(t, t, t, mask=is_there[:, None, :], is_causal=True)
    expected, _ = other(
        *(theirs, theirs, theirs),
        key_padding_mask=torch.tensor(~is_there),
        attn_mask=torch.tensor(np.triu(np.ones((5, 5), bool), 1)),
    )
    assert_close(y.data, expected)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    assert_close(t.grad, theirs.grad)
    assert_close(model.q_proj.weight.grad.T, other.in_proj_weight.grad[:8])


def test_the_hessian_of_a_network_and_its_product_with_a_vector():
    arrays, v = network_arrays(1), network_arrays(2)
    loss, parameters = network_loss(sg.Tensor), [sg.Tensor(a) for a in arrays]
    of_torch = network_loss(torch.tensor), tuple(map(torch.tensor, arrays))
    L, Hv = sg.hvp(loss, parameters, v)
    expected, theirs = torch.autograd.functional.hvp(*of_torch, tuple(map(torch.tensor, v)))
    assert_close(L.item(), expected)
    assert_close(flat(Hv), flat(theirs))
    H = torch.autograd.functional.hessian(*of_torch)
    assert_close(in_one_matrix(sg.hessian(loss, parameters), v), in_one_matrix(H, v))


def test_both_derivatives_of_a_fluid():
    loss, flow, v = (
        missed(sg, sg.Tensor),
        sg.Tensor(first_flow(), requires_grad=True),
        first_flow(1),
    )
    other, theirs = missed(torch, torch.tensor), torch.tensor(first_flow(), requires_grad=True)
    (gradient,) = torch.autograd.grad(other(theirs), theirs)
    assert_close(sg.grad(loss(flow), flow).data, gradient)
    L, Hv = torch.autograd.functional.hvp(other, theirs, torch.tensor(v))
    assert_close(loss(flow).item(), L)
    assert_close(sg.hvp(loss, flow, v)[1].data, Hv)
