"""The same computations in torch: values and gradients agree. Skipped where torch is missing."""

import functools

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from tests.helpers.rules_table import RULES

torch = pytest.importorskip("torch", reason="torch is not installed: a further oracle is missing")
F = torch.nn.functional


def draw(*shape, positive=False):
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    return np.abs(values) + 0.1 if positive else values


INDEX = np.array([[2, 0], [2, 2]])
INDEX_OF_ROWS = np.array([[0, 0], [3, 1], [2, 0]])
ONE_ZERO = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
CONDITION = np.array([[True], [False], [True]])

# (name, the inputs, ours, torch's)
COMPUTATIONS = [
    ("add", [(2, 3), (3,)], lambda a, b: a + b, lambda a, b: a + b),
    ("sub", [(2, 1), (1, 3)], lambda a, b: a - b, lambda a, b: a - b),
    ("mul", [(2, 3), (1,)], lambda a, b: a * b, lambda a, b: a * b),
    ("div", [(2, 3), (2, 1)], lambda a, b: a / b, lambda a, b: a / b),
    ("square", [(2, 3)], lambda a: a**2, lambda a: a**2),
    ("matmul", [(5, 1, 2, 3), (4, 3, 2)], lambda a, b: a @ b, lambda a, b: a @ b),
    ("matvec", [(5, 2, 3), (3,)], lambda a, b: a @ b, lambda a, b: a @ b),
    ("vecmat", [(3,), (5, 3, 2)], lambda a, b: a @ b, lambda a, b: a @ b),
    ("ties", [(2, 3)], lambda a: sg.maximum(a, a * 1), lambda a: torch.maximum(a, a * 1)),
    ("clip", [(2, 3)], lambda a: sg.clip(a, -0.5, 0.5), lambda a: torch.clip(a, -0.5, 0.5)),
    (
        "where",
        [(3, 2), (2,)],
        lambda a, b: sg.where(CONDITION, a, b),
        lambda a, b: torch.where(torch.tensor(CONDITION), a, b),
    ),
    ("sum", [(2, 3, 4)], lambda a: a.sum(axis=(0, 2)), lambda a: a.sum(dim=(0, 2))),
    ("mean", [(2, 3, 4)], lambda a: a.mean(axis=1), lambda a: a.mean(dim=1)),
    ("max", [(2, 3, 4)], lambda a: a.max(axis=(0, 1)), lambda a: a.amax(dim=(0, 1))),
    ("min", [(2, 3, 4)], lambda a: a.min(axis=2), lambda a: a.amin(dim=2)),
    ("tied max", [(2, 3)], lambda a: (a * 0).max(axis=1), lambda a: (a * 0).amax(dim=1)),
    ("var", [(2, 3, 4)], lambda a: a.var(axis=1, ddof=1), lambda a: a.var(dim=1, correction=1)),
    ("logsumexp", [(2, 3)], lambda a: a.logsumexp(axis=1), lambda a: a.logsumexp(dim=1)),
    ("std", [(2, 3)], lambda a: a.std(axis=1, ddof=1), lambda a: a.std(dim=1)),
    ("no std", [(2, 3)], lambda a: (a * 0).std(axis=1), lambda a: (a * 0).std(1, correction=0)),
    ("no norm", [(2, 3)], lambda a: (a * 0).norm(axis=1), lambda a: (a * 0).norm(dim=1)),
    (
        "a product with a zero",
        [(2, 3)],
        lambda a: (a * ONE_ZERO).prod(axis=1),
        lambda a: (a * torch.tensor(ONE_ZERO)).prod(dim=1),
    ),
    (
        "gather",
        [(3, 4)],
        lambda a: sg.take_along_axis(a, INDEX_OF_ROWS, axis=1),
        lambda a: torch.gather(a, 1, torch.tensor(INDEX_OF_ROWS)),
    ),
    (
        "einsum",
        [(2, 1, 3, 4), (5, 4, 3)],
        lambda a, b: sg.einsum("...ij,...ji->...i", a, b),
        lambda a, b: torch.einsum("...ij,...ji->...i", a, b),
    ),
    ("diagonal", [(3, 3)], lambda a: sg.einsum("ii->i", a), lambda a: torch.einsum("ii->i", a)),
    ("roll", [(2, 3)], lambda a: a.roll((1, 2), (0, 1)), lambda a: a.roll((1, 2), (0, 1))),
    ("repeat", [(2, 3)], lambda a: a.repeat(2, axis=1), lambda a: a.repeat_interleave(2, dim=1)),
    ("triangle", [(2, 3)], lambda a: a.tril(1) + a.triu(1), lambda a: a.tril(1) + a.triu(1)),
    ("trace", [(3, 2)], sg.trace, torch.trace),
    ("softmax", [(2, 3)], sg.softmax, lambda a: a.softmax(dim=-1)),
    ("log_softmax", [(2, 3)], sg.log_softmax, lambda a: a.log_softmax(dim=-1)),
    ("reshape", [(2, 3)], lambda a: a.reshape(3, 2), lambda a: a.reshape(3, 2)),
    ("transpose", [(2, 3, 4)], lambda a: a.transpose(2, 0, 1), lambda a: a.permute(2, 0, 1)),
    ("index", [(3, 4)], lambda a: a[INDEX], lambda a: a[torch.tensor(INDEX)]),
    ("concatenate", [(2, 3), (1, 3)], lambda *t: sg.concatenate(t), lambda *t: torch.cat(t)),
    ("stack", [(2, 3), (2, 3)], lambda *t: sg.stack(t, 1), lambda *t: torch.stack(t, 1)),
    ("gelu", [(2, 3)], sg.gelu, lambda a: F.gelu(a, approximate="tanh")),
    ("silu", [(2, 3)], sg.silu, F.silu),
    ("elu", [(2, 3)], lambda a: sg.elu(a, 0.7), lambda a: F.elu(a, 0.7)),
    ("leaky_relu", [(2, 3)], lambda a: sg.leaky_relu(a, 0.2), lambda a: F.leaky_relu(a, 0.2)),
    ("softplus", [(2, 3)], sg.softplus, F.softplus),
    ("layer_norm", [(3, 4)], lambda a: nn.LayerNorm(4)(a), lambda a: F.layer_norm(a, [4])),
]


FAR = np.array([-1e4, -100, -20, -1, -1e-6, 0, 1e-6, 1, 20, 100, 1e4])
LOGITS = np.array([[0.3, -1.2, 2.0, 0.1], [1e4, 0, -1e4, 3], [-50, 20, 1, -1e4], [1, 2, 3, 4.0]])
P = np.exp(LOGITS / 1e4) / np.exp(LOGITS / 1e4).sum(axis=1, keepdims=True)
P_0 = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.5, 0], [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4]])
CLASSES, SOME = np.array([1, 3, 0, 2]), np.array([1, -100, 0, -100])


def of_classes(**options):
    """A loss of the logits alone, here and in torch."""
    targets = options.pop("targets")
    return (
        lambda a, **reduction: sg.cross_entropy(a, targets, **options, **reduction),
        lambda a, **reduction: F.cross_entropy(a, torch.tensor(targets), **options, **reduction),
    )


# (the inputs, ours, torch's)
LOSSES = {
    "mse_loss": ([LOGITS, P], sg.mse_loss, F.mse_loss),
    "l1_loss": ([LOGITS, P], sg.l1_loss, F.l1_loss),
    "huber_loss": (
        [LOGITS, P],
        functools.partial(sg.huber_loss, delta=1.5),
        functools.partial(F.huber_loss, delta=1.5),
    ),
    "kl_div": ([np.log(P), P[::-1].copy()], sg.kl_div, F.kl_div),
    "binary_cross_entropy_with_logits": (
        [LOGITS, P],
        sg.binary_cross_entropy_with_logits,
        F.binary_cross_entropy_with_logits,
    ),
    "nll_loss": (
        [np.log(P)],
        lambda a, **reduction: sg.nll_loss(a, SOME, ignore_index=-100, **reduction),
        lambda a, **reduction: F.nll_loss(a, torch.tensor(SOME), **reduction),
    ),
    "cross_entropy": ([LOGITS], *of_classes(targets=CLASSES)),
    "cross_entropy that ignores": ([LOGITS], *of_classes(targets=SOME, ignore_index=-100)),
    "cross_entropy that ignores a class": ([LOGITS], *of_classes(targets=CLASSES, ignore_index=2)),
    "cross_entropy smoothed": ([LOGITS], *of_classes(targets=CLASSES, label_smoothing=0.1)),
    "cross_entropy smoothed that ignores": (
        [LOGITS],
        *of_classes(targets=SOME, ignore_index=-100, label_smoothing=0.3),
    ),
    "cross_entropy of one row": ([LOGITS[0]], *of_classes(targets=np.array(2))),
    "cross_entropy of one-hot rows": ([LOGITS, P_0], sg.cross_entropy, F.cross_entropy),
    "cross_entropy of probabilities": (
        [LOGITS, P],
        functools.partial(sg.cross_entropy, label_smoothing=0.1),
        functools.partial(F.cross_entropy, label_smoothing=0.1),
    ),
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # of torch's kl_div
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_that_of_torch(name, reduction):
    arrays, ours, theirs = LOSSES[name]
    assert_agree(
        arrays,
        functools.partial(ours, reduction=reduction),
        functools.partial(theirs, reduction=reduction),
    )


@pytest.mark.parametrize("name", ["silu", "elu", "leaky_relu", "softplus"])
def test_an_activation_is_that_of_torch_far_from_0_too(name):
    assert_agree([FAR], getattr(sg, name), getattr(F, name))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("targets", [np.full(4, -100), np.zeros(0, dtype=int)], ids=["all", "none"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_loss_of_no_rows_is_that_of_torch(targets, reduction):
    ours, theirs = of_classes(targets=targets, ignore_index=-100, reduction=reduction)
    assert_agree([LOGITS[: len(targets)]], ours, theirs)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_that_of_torch(name):
    row = RULES[name]
    assert_agree(row.arrays, row, functools.partial(row.theirs(torch), **row.params))


@pytest.mark.parametrize(("name", "shapes", "ours", "theirs"), COMPUTATIONS, ids=lambda x: x)
def test_values_and_gradients_are_those_of_torch(name, shapes, ours, theirs):
    assert_agree([draw(*shape, positive=name == "div") for shape in shapes], ours, theirs)


def assert_agree(arrays, ours, theirs):
    tensors = [sg.Tensor(a, requires_grad=True) for a in arrays]
    torchs = [torch.tensor(a, requires_grad=True) for a in arrays]
    result, torch_result = ours(*tensors), theirs(*torchs)
    np.testing.assert_allclose(result.data, torch_result.detach().numpy(), rtol=1e-12, atol=1e-15)
    grad = draw(*result.shape)
    result.backward(grad)
    torch_result.backward(torch.tensor(grad))
    for t, torch_t in zip(tensors, torchs, strict=True):
        np.testing.assert_allclose(t.grad, torch_t.grad.numpy(), rtol=1e-11, atol=1e-13)


# Recurrence and attention, with torch's own weights


def torch_weights(module):
    return {name: t.detach().numpy() for name, t in module.named_parameters()}


def copy_recurrent(ours, theirs):
    """Gives the cells of a layer the weights of torch's, which are the transposes."""
    for name, value in torch_weights(theirs).items():
        attribute, _, layer = name.rpartition("_l")
        getattr(ours.cells[int(layer)], attribute).data = value.T


def copy_attention(ours, theirs):
    """Gives heads the weights of torch's, where those of queries, keys and values are one."""
    weights = torch_weights(theirs)
    for n, linear in enumerate((ours.q_proj, ours.k_proj, ours.v_proj)):
        linear.weight.data = np.split(weights["in_proj_weight"], 3)[n].T
        linear.bias.data = np.split(weights["in_proj_bias"], 3)[n]
    ours.out_proj.weight.data = weights["out_proj.weight"].T
    ours.out_proj.bias.data = weights["out_proj.bias"]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("shape", [(6, 5, 3), (6, 3)])
@pytest.mark.parametrize("arguments", [{}, {"batch_first": True}, {"bias": False}])
@pytest.mark.parametrize("has_state", [True, False])
def test_sequences_are_those_of_torch(kind, shape, arguments, has_state):
    theirs = getattr(torch.nn, kind)(3, 4, num_layers=2, **arguments).double()
    ours = getattr(nn, kind)(3, 4, num_layers=2, **arguments, dtype=np.float64)
    copy_recurrent(ours, theirs)
    batch = shape[: len(shape) - 1][0 if "batch_first" in arguments else 1 :][:1]
    state = (2, *(batch if len(shape) == 3 else ()), 4)

    def call(module):
        def result(x, *states):
            first = (states if kind == "LSTM" else states[0]) if has_state else None
            output, last = module(x, first)
            parts = [output, *(last if kind == "LSTM" else [last])]
            concatenate = torch.cat if module is theirs else sg.concatenate
            return concatenate([part.reshape(-1) for part in parts])

        return result

    arrays = [draw(*shape), *([draw(*state), draw(*state) * 2][: 1 + (kind == "LSTM")])]
    assert_agree(arrays if has_state else arrays[:1], call(ours), call(theirs))
    for name, t in theirs.named_parameters():
        attribute, _, layer = name.rpartition("_l")
        grad = getattr(ours.cells[int(layer)], attribute).grad
        np.testing.assert_allclose(grad, t.grad.numpy().T, rtol=1e-11, atol=1e-13)


def test_a_padded_batch_of_a_gru_is_read_at_the_end_of_each_sequence_as_torch_packs_it():
    theirs, ours = torch.nn.GRU(3, 4).double(), nn.GRU(3, 4, dtype=np.float64)
    copy_recurrent(ours, theirs)
    lengths, x = [6, 3, 1], draw(6, 3, 3)
    output, _ = ours(x)
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), lengths)
    _, h_T = theirs(packed)
    last = output[np.array(lengths) - 1, np.arange(3)]
    np.testing.assert_allclose(last.data, h_T[0].detach().numpy(), rtol=1e-12)


TO_LOOK_AT = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=bool)


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("shape", [(3, 1, 5), (3, 4, 5), (4, 5), None])
def test_scaled_dot_product_attention_is_that_of_torch(shape, is_causal):
    mask = None if shape is None else np.resize(TO_LOOK_AT, shape)
    causal = torch.ones(4, 5, dtype=torch.bool).tril()
    of_torch = None if shape is None else torch.tensor(mask)
    if is_causal:
        of_torch = causal if shape is None else of_torch & causal
    assert_agree(
        [draw(3, 4, 2), draw(3, 5, 2), draw(3, 5, 6)],
        lambda q, k, v: sg.scaled_dot_product_attention(q, k, v, mask, is_causal),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, of_torch),
    )


def test_a_query_that_may_look_nowhere_gets_what_torch_gives_it():
    mask = np.array([[True, True, False], [False, False, False]])
    assert_agree(
        [draw(2, 4), draw(3, 4), draw(3, 5)],
        lambda q, k, v: sg.scaled_dot_product_attention(q, k, v, mask),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, torch.tensor(mask)),
    )


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("is_causal", [True, False])
def test_heads_are_those_of_torch(padded, is_causal):
    theirs = torch.nn.MultiheadAttention(6, 3, batch_first=True).double()
    ours = nn.MultiHeadAttention(6, 3, dtype=np.float64)
    copy_attention(ours, theirs)
    # torch says True where a query may *not* look
    mask, masks = None, {}
    if padded:
        mask = TO_LOOK_AT[:, None, :]
        masks["key_padding_mask"] = torch.tensor(~TO_LOOK_AT)
    if is_causal:
        masks["attn_mask"] = torch.ones(4, 5, dtype=torch.bool).tril().logical_not()
    assert_agree(
        [draw(3, 4, 6), draw(3, 5, 6), draw(3, 5, 6)],
        lambda q, k, v: ours(q, k, v, mask, is_causal),
        lambda q, k, v: theirs(q, k, v, **masks)[0],
    )
    for linear, n in ((ours.q_proj, 0), (ours.k_proj, 1), (ours.v_proj, 2)):
        grads = theirs.in_proj_weight.grad.numpy(), theirs.in_proj_bias.grad.numpy()
        W, b = (np.split(grad, 3)[n] for grad in grads)
        np.testing.assert_allclose(linear.weight.grad, W.T, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(linear.bias.grad, b, rtol=1e-11, atol=1e-13)
    expected = theirs.out_proj.weight.grad.numpy().T
    np.testing.assert_allclose(ours.out_proj.weight.grad, expected, rtol=1e-11, atol=1e-13)
