"""The losses: their definitions, reductions, what is ignored or smoothed, and what is refused."""

import math

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from tests.helpers.advice import run


def x(*shape, seed=0):
    return sg.Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def probabilities(*shape, seed=0):
    return sg.softmax(np.random.default_rng(seed).normal(size=shape)).data


# mse_loss


def test_mse_loss_is_its_definition():
    y, t = x(3, 2, seed=1), x(3, 2, seed=2)
    assert sg.mse_loss(y, t).item() == pytest.approx(((y.data - t.data) ** 2).mean())
    assert y.mse_loss(t).item() == sg.mse_loss(y, t.data).item()
    assert sg.gradcheck(sg.mse_loss, [y, t])


def test_mse_loss_does_not_broadcast():
    with pytest.raises(ValueError, match=r"\(3,\) and the target \(3, 1\).*reshape\(3,\)"):
        sg.mse_loss(x(3), x(3, 1))


# cross_entropy


def test_cross_entropy_is_its_definition():
    logits, targets = x(4, 3), np.array([0, 2, 1, 1])
    e = np.exp(logits.data)
    p = e / e.sum(axis=1, keepdims=True)
    expected = -np.mean([math.log(p[i, t]) for i, t in enumerate(targets)])
    for given in (targets, targets.tolist(), sg.Tensor(targets), targets.astype(np.uint8)):
        assert sg.cross_entropy(logits, given).item() == pytest.approx(expected, rel=1e-14)
    assert logits.cross_entropy(targets).item() == pytest.approx(expected, rel=1e-14)
    assert sg.gradcheck(lambda a: sg.cross_entropy(a, targets), logits)


def test_cross_entropy_gradient_is_softmax_minus_one_hot_over_n():
    logits, targets = x(4, 3), np.array([0, 2, 1, 1])
    sg.cross_entropy(logits, targets).backward()
    expected = (sg.softmax(logits).data - np.eye(3)[targets]) / 4
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-12, atol=1e-15)


def test_cross_entropy_takes_any_axes_before_the_classes():
    logits, targets = x(2, 3, 4), np.array([[0, 1, 2], [3, 3, 0]])
    flat = sg.cross_entropy(logits.data.reshape(6, 4), targets.reshape(6))
    assert sg.cross_entropy(logits, targets).item() == flat.item()
    assert sg.cross_entropy(logits[0, 0], 2).item() == pytest.approx(
        -sg.log_softmax(logits[0, 0]).data[2]
    )


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_cross_entropy_is_finite_with_large_logits(offset):
    logits = sg.Tensor([[offset, 0.0]], requires_grad=True)
    loss = sg.cross_entropy(logits, [1])
    loss.backward()
    assert loss.item() == max(offset, 0)
    assert logits.grad.tolist() == ([[1, -1]] if offset > 0 else [[0, 0]])


@pytest.mark.parametrize("targets", [[0.0, 1.0], sg.Tensor([0, 1]), np.eye(3), [True, False]])
def test_targets_of_cross_entropy_are_integers(targets):
    with pytest.raises(TypeError, match=r"integers, but got (float32|float64|bool).*argmax"):
        sg.cross_entropy(x(2, 2), targets)


@pytest.mark.parametrize(
    ("logits", "targets"), [(x(2, 3), [0]), (x(2, 3), [[0, 1]]), (x(3), [0]), (x(), 0)]
)
def test_one_target_is_needed_for_each_row_of_logits(logits, targets):
    with pytest.raises(ValueError, match=r"targets of shape \(\.\.\.\), but got .* and \("):
        sg.cross_entropy(logits, targets)


@pytest.mark.parametrize("wrong", [3, -1])
def test_a_target_is_one_of_the_classes(wrong):
    with pytest.raises(
        ValueError, match=rf"3 classes, so a target is one of 0 \.\.\. 2.* is {wrong}"
    ):
        sg.cross_entropy(x(2, 3), [0, wrong])


def test_cross_entropy_tells_one_hot_rows_of_integers():
    with pytest.raises(ValueError, match=r"one-hot rows\? Write np\.argmax\(targets, axis=-1\)"):
        sg.cross_entropy(sg.zeros((2, 3)), np.eye(3, dtype=int)[:2])


# Those of pairs

y, t = np.array([[0.3, -1.2], [2.5, 0.7]]), np.array([[0.1, 0.9], [0.6, 0.7]])
p_y = 1 / (1 + np.exp(-y))

# (what is given first, and the loss of each element by NumPy)
PAIRS = {
    "mse_loss": (y, (y - t) ** 2),
    "l1_loss": (y, abs(y - t)),
    "huber_loss": (y, np.where(abs(y - t) < 1, (y - t) ** 2 / 2, abs(y - t) - 0.5)),
    "binary_cross_entropy_with_logits": (y, -t * np.log(p_y) - (1 - t) * np.log(1 - p_y)),
    "kl_div": (np.log(p_y), t * np.log(t / p_y)),
}
MODULES = {
    "mse_loss": nn.MSELoss,
    "l1_loss": nn.L1Loss,
    "huber_loss": nn.HuberLoss,
    "binary_cross_entropy_with_logits": nn.BCEWithLogitsLoss,
    "kl_div": nn.KLDivLoss,
    "nll_loss": nn.NLLLoss,
    "cross_entropy": nn.CrossEntropyLoss,
}
REDUCTIONS = {"mean": np.mean, "sum": np.sum, "none": np.asarray}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_a_loss_of_pairs_is_its_definition(name, reduction):
    a, expected = PAIRS[name]
    for loss in (getattr(sg, name), getattr(sg.Tensor, name)):
        L = loss(sg.Tensor(a), t, reduction=reduction)
        np.testing.assert_allclose(L.data, REDUCTIONS[reduction](expected), rtol=1e-13, atol=1e-16)
    as_module = MODULES[name](reduction=reduction)
    np.testing.assert_array_equal(as_module(a, t).data, L.data)
    assert f"reduction={reduction!r}" in repr(as_module)


@pytest.mark.parametrize("name", PAIRS)
def test_a_loss_of_pairs_passes_the_gradcheck(name):
    a, _ = PAIRS[name]
    leaves = [sg.Tensor(array, requires_grad=True) for array in (a, t - 0.01)]  # beside the kink
    assert sg.gradcheck(getattr(sg, name), leaves)
    assert sg.gradcheck(lambda a, t: getattr(sg, name)(a, t, reduction="none") ** 2, leaves)


@pytest.mark.parametrize("name", PAIRS)
def test_a_loss_of_pairs_does_not_broadcast(name):
    with pytest.raises(
        ValueError, match=rf"{name} compares.*\(3,\) and the target \(3, 1\)"
    ) as info:
        getattr(sg, name)(x(3), np.zeros((3, 1)))
    run(str(info.value), {"sg": sg, "prediction": x(3), "target": np.zeros((3, 1))})
    with pytest.raises(ValueError, match=r"Make a target for each"):
        getattr(sg, name)(x(2, 3), np.zeros(3))


@pytest.mark.parametrize("name", PAIRS)
def test_a_loss_of_nothing_is_that_of_torch(name):
    nothing = sg.zeros((0, 3), requires_grad=True)
    assert getattr(sg, name)(nothing, np.zeros((0, 3)), reduction="none").shape == (0, 3)
    assert getattr(sg, name)(nothing, np.zeros((0, 3)), reduction="sum").item() == 0
    with pytest.warns(RuntimeWarning):
        assert np.isnan(getattr(sg, name)(nothing, np.zeros((0, 3))).item())


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_loss_keeps_the_dtype_and_takes_integers(name, dtype):
    a, integers = PAIRS[name][0].astype(dtype), np.array([[0, 1], [1, 0]])
    assert getattr(sg, name)(a, t.astype(dtype)).dtype == dtype
    loss = getattr(sg, name)(a, integers, reduction="none")
    np.testing.assert_allclose(
        loss.data,
        getattr(sg, name)(a, integers.astype(dtype), reduction="none").data,
        rtol=4 * np.finfo(dtype).eps,
        atol=4 * np.finfo(dtype).eps,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("logit", [1e4, -1e4, 50, -50, 0])
@pytest.mark.parametrize("target", [0, 0.5, 1])
def test_binary_cross_entropy_is_exact_for_all_logits(logit, target, dtype):
    a = sg.Tensor([logit], dtype=dtype, requires_grad=True)
    L = sg.binary_cross_entropy_with_logits(a, np.array([target], dtype))
    L.backward()
    softplus = [max(s * logit, 0) + math.log1p(math.exp(-abs(logit))) for s in (-1, 1)]
    sigma = 1 / (1 + math.exp(-logit)) if logit > -700 else 0
    rtol = 8 * np.finfo(dtype).eps
    expected = target * softplus[0] + (1 - target) * softplus[1]
    np.testing.assert_allclose(L.data, expected, rtol=rtol)
    np.testing.assert_allclose(a.grad, [sigma - target], rtol=rtol, atol=4e-22)


def test_huber_loss_is_finite_and_its_slope_limited():
    a = sg.Tensor([1e4, -(2.0**100), 0.5, 2.0, 0.0], requires_grad=True)
    L = sg.huber_loss(a, np.zeros(5, np.float32), delta=2.0, reduction="none")
    L.backward(np.ones(5, np.float32))
    assert L.data.tolist() == [19_998, 2.0**101, 0.125, 2, 0]
    assert a.grad.tolist() == [2, -2, 0.5, 2, 0]


@pytest.mark.parametrize("delta", [0, -1, float("nan"), "1", True, None])
def test_the_delta_of_huber_loss_is_above_0(delta):
    for loss in (sg.huber_loss, lambda y, t, delta: nn.HuberLoss(delta=delta)(y, t)):
        with pytest.raises((TypeError, ValueError), match=r"delta is .*above 0.*Write delta=1\.0"):
            loss([1.0], [0.0], delta=delta)


def test_kl_div_of_a_probability_of_0_is_0():
    log_q = sg.Tensor([[-0.1, -2.0]], requires_grad=True)
    p = sg.Tensor([[0.0, 1.0]], requires_grad=True)
    L = sg.kl_div(log_q, p, reduction="none")
    L.sum().backward()
    assert L.data.tolist() == [[0, 2]]
    assert log_q.grad.tolist() == [[0, -1]]
    assert np.isfinite(p.grad).all()


@pytest.mark.parametrize("name", ["binary_cross_entropy_with_logits", "kl_div", "cross_entropy"])
@pytest.mark.parametrize("wrong", [-1, 1.5, -np.inf, 255])
def test_a_target_that_is_no_probability_is_named(name, wrong):
    targets = np.array([[1.0, 0.0], [0.5, wrong]])
    with pytest.raises(
        ValueError, match=rf"{name} takes probabilities .* one is {wrong:.1f}\."
    ) as info:
        getattr(sg, name)(sg.zeros((2, 2)), targets)
    run(str(info.value), {"sg": sg, "targets": targets})
    assert ("sg.sigmoid" if name.startswith("binary") else "sg.softmax") in str(info.value)


def test_rounding_makes_no_probability_wrong():
    targets = np.array([[1 + 1e-6, -1e-6]], np.float32)
    assert np.isfinite(sg.cross_entropy(sg.zeros((1, 2)), targets).item())
    assert np.isnan(sg.cross_entropy(sg.zeros((1, 2)), targets * np.nan).item())


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("wrong", ["MEAN", "batchmean", None, 1])
def test_a_reduction_is_mean_sum_or_none(name, wrong):
    given = (sg.zeros((2, 2)), [0, 1] if name in ("nll_loss", "cross_entropy") else np.eye(2))
    for loss in (getattr(sg, name), lambda *a, reduction: MODULES[name](reduction=reduction)(*a)):
        with pytest.raises(ValueError, match=r'"mean", "sum" or "none", but got .*Write') as info:
            loss(*given, reduction=wrong)
    run(str(info.value), {"sg": sg, "log_q": given[0], "p": np.eye(2)})


# Those of classes


def test_nll_loss_is_cross_entropy_after_log_softmax():
    for logits, targets in (
        (x(4, 3), [0, 2, 1, 1]),
        (x(2, 3, 4), [[0, 1, 2], [3, 3, 0]]),
        (x(3), 1),
    ):
        for reduction in REDUCTIONS:
            expected = sg.cross_entropy(logits, targets, reduction=reduction)
            L = sg.nll_loss(sg.log_softmax(logits), targets, reduction=reduction)
            np.testing.assert_allclose(L.data, expected.data, rtol=1e-13)
            assert L.shape == (np.shape(targets) if reduction == "none" else ())


def test_classes_as_probabilities_have_the_same_loss():
    logits, targets = x(2, 3, 4), np.array([[0, 1, 2], [3, 3, 0]])
    for options in ({}, {"label_smoothing": 0.1}, {"reduction": "sum"}, {"reduction": "none"}):
        expected = sg.cross_entropy(logits, targets, **options)
        for one_hot in (np.eye(4)[targets], sg.Tensor(np.eye(4)[targets])):
            L = sg.cross_entropy(logits, one_hot, **options)
            np.testing.assert_allclose(L.data, expected.data, rtol=1e-13)


@pytest.mark.parametrize("eps", [0.1, np.float32(0.25), 0.9])
def test_label_smoothing_moves_a_part_of_the_target_to_all_classes(eps):
    logits, targets = x(4, 3), np.array([0, 2, 1, 1])
    smoothed = (1 - eps) * np.eye(3)[targets] + eps / 3
    L = sg.cross_entropy(logits, targets, label_smoothing=eps)
    expected = -(smoothed * sg.log_softmax(logits).data).sum(axis=1).mean()
    np.testing.assert_allclose(L.data, expected, rtol=1e-7 if eps == 0.25 else 1e-13)
    L.backward()
    np.testing.assert_allclose(logits.grad, (sg.softmax(logits).data - smoothed) / 4, atol=1e-7)
    assert sg.gradcheck(lambda a: sg.cross_entropy(a, targets, label_smoothing=eps), logits)


def test_probabilities_as_targets_get_gradients_too():
    logits, q = x(4, 3), sg.Tensor(probabilities(4, 3), requires_grad=True)
    assert sg.gradcheck(sg.cross_entropy, [logits, q])
    assert sg.gradcheck(lambda a, q: sg.cross_entropy(a, q, label_smoothing=0.2), [logits, q])


IGNORING = {
    "cross_entropy": sg.cross_entropy,
    "smoothed": lambda *a, **k: sg.cross_entropy(*a, label_smoothing=0.1, **k),
    "nll_loss": lambda a, *args, **k: sg.nll_loss(sg.log_softmax(a), *args, **k),
}


@pytest.mark.parametrize("ignore_index", [-100, 2, 7, np.int64(-1)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", IGNORING)
def test_ignored_rows_are_as_if_left_out(name, reduction, ignore_index):
    logits, targets = x(5, 4), np.array([0, ignore_index, 3, 1, ignore_index])
    keep = targets != ignore_index
    kept = IGNORING[name](logits[keep], targets[keep], reduction=reduction)
    for given in (targets, targets.tolist(), sg.Tensor(targets), targets.astype(np.int16)):
        L = IGNORING[name](logits, given, ignore_index=ignore_index, reduction=reduction)
        compared = L.data[keep] if reduction == "none" else L.data
        np.testing.assert_allclose(compared, kept.data, rtol=1e-13)
    if reduction == "none":
        assert L.data[~keep].tolist() == [0, 0]
    L.sum().backward()
    gradient = logits.grad.copy()
    logits.zero_grad()
    kept.sum().backward()
    np.testing.assert_allclose(gradient, logits.grad, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", IGNORING)
def test_of_rows_that_are_all_ignored_the_mean_is_nan_and_the_gradient_0(name):
    logits, targets = x(2, 3), [-100, -100]
    with pytest.warns(RuntimeWarning, match="invalid value .* in divide"):
        L = IGNORING[name](logits, targets, ignore_index=-100)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        L.backward()
    assert np.isnan(L.item())
    assert not logits.grad.any()
    assert IGNORING[name](logits, targets, ignore_index=-100, reduction="sum").item() == 0


@pytest.mark.parametrize("offset", [1e4, -1e4])
@pytest.mark.parametrize("name", IGNORING)
def test_losses_of_classes_are_finite_with_large_logits(name, offset):
    logits = sg.Tensor([[offset, 0.0, -offset], [0, offset, 0]], requires_grad=True)
    for targets in ([1, 0], [-1, 2], [-1, -1]):
        L = IGNORING[name](logits, targets, ignore_index=-1, reduction="sum")
        L.backward()
        assert np.isfinite(L.item())
        assert np.isfinite(logits.grad).all()


def test_a_class_with_a_logit_of_minus_infinity_may_be_masked_out():
    logits = sg.Tensor([[0.0, 0.0, -np.inf]], requires_grad=True)
    for L in (
        sg.cross_entropy(logits, [0]),
        sg.cross_entropy(logits, [0], ignore_index=-100),
        sg.nll_loss(sg.log_softmax(logits), [0]),
    ):
        assert L.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", IGNORING)
def test_what_is_ignored_is_one_number_and_all_others_are_classes(name):
    with pytest.raises(ValueError, match=r"3 classes.* one is 5\."):
        IGNORING[name](x(2, 3), [-100, 5], ignore_index=-100)
    with pytest.raises(ValueError, match=r"one is -1\."):
        IGNORING[name](x(2, 3), [-100, -1], ignore_index=-100)
    for wrong in (1.0, True, "none", [1]):
        with pytest.raises(TypeError, match=r"ignore_index is an int.*Write ignore_index=-100"):
            IGNORING[name](x(2, 3), [0, 1], ignore_index=wrong)


def test_nll_loss_checks_its_targets_as_cross_entropy_does():
    with pytest.raises(TypeError, match=r"nll_loss takes the numbers .*integers, but got float64"):
        sg.nll_loss(x(2, 2), np.eye(2))
    with pytest.raises(ValueError, match=r"nll_loss takes one target for each row.*one-hot rows"):
        sg.nll_loss(x(2, 2), np.eye(2, dtype=int))
    with pytest.raises(ValueError, match=r"here of shape \(2,\)"):
        sg.nll_loss(x(2, 2), [0])
    with pytest.raises(ValueError, match=r"Write sg\.nll_loss\(.*ignore_index=-100"):
        sg.nll_loss(x(2, 2), [0, -100])


def test_probabilities_cannot_be_ignored_and_have_the_shape_of_the_logits():
    with pytest.raises(ValueError, match=r"targets are probabilities\. Write") as info:
        sg.cross_entropy(x(2, 3), probabilities(2, 3), ignore_index=1)
    names = {"logits": x(2, 3), "targets": probabilities(2, 3), "keep": [0]}
    run(str(info.value), {"sg": sg, **names})
    with pytest.raises(TypeError, match=r"of shape \(2, 4\), where probabilities .* \(2, 3\)"):
        sg.cross_entropy(x(2, 3), probabilities(2, 4))


@pytest.mark.parametrize("eps", [-0.1, 1.5, float("nan"), "0.1", True, None])
def test_label_smoothing_is_a_part(eps):
    with pytest.raises((TypeError, ValueError), match=r"Write label_smoothing=0\.1"):
        sg.cross_entropy(x(2, 3), [0, 1], label_smoothing=eps)


def test_modules_of_classes_have_their_options():
    logits, targets = x(3, 4), [0, -1, 2]
    options = {"ignore_index": -1, "reduction": "sum"}
    expected = sg.cross_entropy(logits, targets, label_smoothing=0.1, **options)
    module = nn.CrossEntropyLoss(label_smoothing=0.1, **options)
    assert module(logits, targets).item() == expected.item()
    assert "ignore_index=-1, label_smoothing=0.1, reduction='sum'" in repr(module)
    log_c = sg.log_softmax(logits)
    assert (
        nn.NLLLoss(**options)(log_c, targets).item()
        == sg.nll_loss(log_c, targets, **options).item()
    )


def test_the_usual_cross_entropy_is_of_four_rules():
    L = sg.cross_entropy(x(4, 3), [0, 2, 1, 1])
    tape = [c.rule.__name__ for c in sg.autograd.tape_of(L) if c.rule]
    assert sorted(tape) == ["Index", "LogSumExp", "Mean", "Sub"]


# Under replay

OPTIONS = [
    {"ignore_index": -100},
    {"ignore_index": 2, "label_smoothing": 0.2},
    {"label_smoothing": 0.1, "reduction": "sum"},
]


def trained(wrap, options, kind):
    """Losses and weights of some steps of training, with dropout before the loss."""
    sg.manual_seed(0)
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Linear(5, 8), nn.SiLU(), nn.Dropout(0.3), nn.Linear(8, 4))
    opt, held = sg.optimizers.Adam(model), np.array([0, options.get("ignore_index", 1), 2, 3])
    loss_of = wrap(
        lambda x, t: sg.cross_entropy(model(x), held if kind == "held" else t, **options)
    )
    losses = []
    for _ in range(6):
        x, t = rng.normal(size=(4, 5)).astype(np.float32), rng.integers(0, 4, 4)
        t[rng.integers(0, 4)] = options.get("ignore_index", 1)
        if kind == "probabilities":
            t = probabilities(4, 4, seed=len(losses)).astype(np.float32)
        L = loss_of(x, sg.Tensor(t) if kind == "tensor" else t)
        opt.zero_grad()
        L.backward()
        opt.step()
        losses.append(L.item())
    return losses, [theta.numpy() for theta in model.parameters().values()]


@pytest.mark.parametrize("kind", ["array", "tensor", "held", "probabilities"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_replay_trains_alike_whatever_is_ignored_in_a_batch(options, kind):
    if kind == "probabilities":
        options = {key: value for key, value in options.items() if key != "ignore_index"}
    expected, weights = trained(lambda f: f, options, kind)
    actual, replayed = trained(fast.replay, options, kind)
    assert actual == expected
    for w, v in zip(weights, replayed, strict=True):
        np.testing.assert_array_equal(w, v)


def test_replay_refuses_a_target_that_is_neither_a_class_nor_ignored():
    w = x(5, 3)
    loss_of = fast.replay(lambda a, t: sg.cross_entropy(a @ w, t, ignore_index=-100))
    a = np.random.default_rng(0).normal(size=(2, 5))
    for targets in ([0, 1], [-100, 2], [1, -100], [2, 0]):
        L = loss_of(a, np.array(targets))
        assert L.item() == sg.cross_entropy(a @ w, targets, ignore_index=-100).item()
    for wrong in ([0, 3], [-1, -100], [-100, 1000]):
        with pytest.raises(ValueError, match=r"3 classes"):
            loss_of(a, np.array(wrong))
