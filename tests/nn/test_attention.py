"""Attention: its equation, its masks, its heads, and what it refuses."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from tests.helpers.advice import names_for_advice, run
from tests.helpers.oracles import assert_same_bits, check_with_parameters


def x(*shape, seed=0, dtype=np.float64):
    values = np.random.default_rng(seed).normal(size=shape)
    return sg.Tensor(values, requires_grad=True, dtype=dtype)


def attend(q, k, v, may_look):
    """Row by row: the softmax of what a query may look at, times the values there."""
    rows = np.zeros((*q.shape[:-1], v.shape[-1]))
    may_look = np.broadcast_to(may_look, (*q.shape[:-1], k.shape[-2]))
    for place in np.ndindex(q.shape[:-1]):
        seen, batch = may_look[place], place[:-1]
        e = np.exp(k[batch][seen] @ q[place] / np.sqrt(q.shape[-1]))
        rows[place] = (e / e.sum()) @ v[batch][seen] if seen.any() else 0
    return rows


FUTURE_HIDDEN = np.array([[s <= t for s in range(5)] for t in range(4)])
IS_THERE = np.array([[True, True, False, False, False], [True] * 5, [False] * 5])
# of queries (3, 4, 2) and keys (3, 5, 2): the arguments, and who may look where
MASKS = {
    "none": ({}, np.array(True)),
    "causal": ({"is_causal": True}, FUTURE_HIDDEN),
    "one for all": ({"mask": ~FUTURE_HIDDEN}, ~FUTURE_HIDDEN),
    "padding": ({"mask": IS_THERE[:, None, :]}, IS_THERE[:, None, :]),
    "of keys": ({"mask": IS_THERE[0]}, IS_THERE[0]),
    "both": (
        {"mask": IS_THERE[:, None, :], "is_causal": True},
        IS_THERE[:, None, :] & FUTURE_HIDDEN,
    ),
    "everything": ({"mask": np.ones((3, 4, 5), bool)}, np.array(True)),
    "nothing": ({"mask": np.zeros((4, 5), bool)}, np.array(False)),
}
every_mask = pytest.mark.parametrize("mask", MASKS)


@every_mask
def test_attention_is_a_mean_of_the_values_that_a_query_may_look_at(mask):
    arguments, may_look = MASKS[mask]
    q, k, v = x(3, 4, 2), x(3, 5, 2, seed=1), x(3, 5, 6, seed=2)
    result = sg.scaled_dot_product_attention(q, k, v, **arguments)
    np.testing.assert_allclose(result.data, attend(q.data, k.data, v.data, may_look), rtol=1e-12)


@every_mask
def test_the_weights_add_up_to_1_and_are_0_where_none_may_look(mask):
    arguments, may_look = MASKS[mask]
    A = sg.attention_weights(x(3, 4, 2), x(3, 5, 2, seed=1), **arguments).data
    may_look = np.broadcast_to(may_look, A.shape)
    assert (A[~may_look] == 0).all()
    np.testing.assert_allclose(A.sum(axis=-1), may_look.any(axis=-1), rtol=1e-12)


@every_mask
def test_the_gradients_of_attention_are_right(mask):
    arguments, _ = MASKS[mask]
    inputs = [x(3, 4, 2), x(3, 5, 2, seed=1), x(3, 5, 3, seed=2)]
    assert sg.gradcheck(lambda *t: sg.scaled_dot_product_attention(*t, **arguments), inputs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@every_mask
def test_attention_keeps_the_dtype_and_large_numbers_are_finite(mask, dtype):
    arguments, _ = MASKS[mask]
    q, k, v = [x(3, n, 2, seed=n, dtype=dtype) for n in (4, 5, 5)]
    result = sg.scaled_dot_product_attention(q * 100, k, v, **arguments)
    assert result.dtype == dtype
    result.sum().backward()
    assert all(np.isfinite(a).all() for a in (result.data, q.grad, k.grad, v.grad))


def test_attention_takes_matrices_and_any_axes_before_them():
    q, k, v = x(4, 2), x(5, 2, seed=1), x(5, 3, seed=2)
    one = sg.scaled_dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(one.data, attend(q.data, k.data, v.data, FUTURE_HIDDEN), rtol=1e-12)
    lifted = [t.reshape(1, 1, *t.shape) + np.zeros((2, 3, 1, 1)) for t in (q, k, v)]
    many = sg.scaled_dot_product_attention(*lifted, is_causal=True)
    np.testing.assert_allclose(many.data, np.broadcast_to(one.data, (2, 3, 4, 3)), rtol=1e-12)
    assert sg.scaled_dot_product_attention(lifted[0], k, v).shape == (2, 3, 4, 3)
    lists = sg.scaled_dot_product_attention([[1, 0]], [[1, 0]], [[3, 4]])
    assert lists.data.tolist() == [[3, 4]]
    assert q.attention_weights(k).shape == (4, 5)


def test_a_mask_is_copied_and_may_be_a_list_or_a_tensor():
    q, mask = x(2, 3), np.array([[True, False], [True, True]])
    expected = sg.attention_weights(q, q, mask).data
    assert_same_bits(sg.attention_weights(q, q, mask.tolist()).data, expected)
    assert_same_bits(sg.attention_weights(q, q, sg.Tensor(mask)).data, expected)
    A = sg.attention_weights(q, q, mask)
    loss = (A * A.data).sum()
    mask[...] = False
    loss.backward()
    changed = q.grad.copy()
    q.grad = None
    A = sg.attention_weights(q, q, np.array([[True, False], [True, True]]))
    (A * A.data).sum().backward()
    assert_same_bits(changed, q.grad)


@pytest.mark.parametrize("shape", [(0, 4, 2), (3, 0, 2)])
def test_no_queries_have_no_results(shape):
    key = sg.ones((shape[0], 5, 2))
    assert sg.scaled_dot_product_attention(sg.ones(shape), key, key).shape == shape
    attention = nn.MultiHeadAttention(2, 1)
    assert attention(sg.ones(shape), key, key, is_causal=True).shape == shape


# Heads


def by_hand(layer, q, k, v, may_look):
    """Each head by itself, with its own columns of the matrices."""
    products = []
    for linear, a in ((layer.q_proj, q), (layer.k_proj, k), (layer.v_proj, v)):
        b = 0 if linear.bias is None else linear.bias.data
        products.append(np.split(a @ linear.weight.data + b, layer.num_heads, axis=-1))
    heads = [attend(*of_head, may_look) for of_head in zip(*products, strict=True)]
    out = layer.out_proj
    return np.concatenate(heads, axis=-1) @ out.weight.data + (
        0 if out.bias is None else out.bias.data
    )


@every_mask
@pytest.mark.parametrize("heads", [1, 2, 6])
@pytest.mark.parametrize("bias", [True, False])
def test_several_heads_are_heads_side_by_side(mask, heads, bias):
    arguments, may_look = MASKS[mask]
    layer = nn.MultiHeadAttention(6, heads, bias=bias, dtype=np.float64)
    q, k, v = x(3, 4, 6), x(3, 5, 6, seed=1), x(3, 5, 6, seed=2)
    expected = by_hand(layer, q.data, k.data, v.data, may_look)
    np.testing.assert_allclose(layer(q, k, v, **arguments).data, expected, rtol=1e-11, atol=1e-14)
    assert layer.weights(q, k, **arguments).shape == (3, heads, 4, 5)
    if mask in ("none", "causal", "one for all", "nothing"):
        one = layer(q[1], k[1], v[1], **arguments)
        np.testing.assert_allclose(one.data, expected[1], rtol=1e-11, atol=1e-14)


def test_the_gradients_of_heads_are_right():
    layer = nn.MultiHeadAttention(4, 2, dtype=np.float64)
    mask = np.array([[True, True, False], [True, True, True]])[:, None, :]
    assert check_with_parameters(layer, x(2, 3, 4), lambda layer, x: layer(x, x, x, mask, True))
    k = x(2, 3, 4, seed=1)
    assert sg.gradcheck(lambda q, k, v: layer(q, k, v), [x(2, 2, 4), k, x(2, 3, 4, seed=2)])


def test_padded_sequences_have_the_results_that_they_have_alone():
    layer, inputs = nn.MultiHeadAttention(6, 3, dtype=np.float64), x(3, 5, 6)
    lengths = [5, 3, 1]
    is_there = np.arange(5) < np.array(lengths)[:, None]
    padded = layer(inputs, inputs, inputs, mask=is_there[:, None, :])
    for n, length in enumerate(lengths):
        alone = inputs[n, :length]
        np.testing.assert_allclose(
            padded.data[n, :length], layer(alone, alone, alone).data, rtol=1e-12
        )
    padded[1, :3].sum().backward()
    assert (inputs.grad[1, 3:] == 0).all()


def test_dropout_is_of_the_weights_in_training_only():
    layer, inputs = nn.MultiHeadAttention(4, 2, dropout=0.5), x(1, 8, 4, dtype=np.float32)
    assert (layer(inputs, inputs, inputs).data != layer(inputs, inputs, inputs).data).any()
    layer.eval()
    plain = nn.MultiHeadAttention(4, 2)
    for name, t in plain.parameters().items():
        t.data = layer.parameters()[name].data
    expected = plain(inputs, inputs, inputs).data
    assert_same_bits(layer(inputs, inputs, inputs).data, expected)


def test_heads_have_names_sizes_and_a_dtype():
    layer = nn.MultiHeadAttention(6, 2, bias=False, dtype=np.float64)
    names = ["q_proj", "k_proj", "v_proj", "out_proj"]
    assert [*layer.parameters()] == [f"{name}.weight" for name in names]
    assert {t.shape for t in layer.parameters().values()} == {(6, 6)}
    assert {t.dtype for t in layer.parameters().values()} == {np.dtype(np.float64)}
    assert repr(layer).startswith("MultiHeadAttention(6, 2)")


def test_a_replayed_mask_is_that_of_each_call():
    layer = nn.MultiHeadAttention(4, 2)

    def fn(x, is_there):
        return (layer(x, x, x, mask=is_there[:, None, :], is_causal=True) ** 2).sum()

    replayed = fast.replay(fn)
    for seed in range(4):
        inputs = x(3, 5, 4, seed=seed, dtype=np.float32)
        is_there = np.random.default_rng(seed).random((3, 5)) < 0.5
        grads = []
        for run_it in (fn, replayed):
            inputs.grad = None
            run_it(inputs, is_there).backward()
            grads.append(inputs.grad)
        assert_same_bits(grads[1], grads[0])


# What is refused

Q, K, V = np.ones((3, 4, 6)), np.ones((3, 5, 6)), np.ones((3, 5, 6))
WRONG_SHAPES = {
    "a vector": ((Q[0, 0], K, V), r"got shapes \(6,\) and"),
    "batches": ((Q, K[:2], V[:2]), r"got shapes \(3, 4, 6\) and \(2, 5, 6\)"),
    "values": ((Q, K, V[:, :4]), r"values \(3, 4, 6\) for keys \(3, 5, 6\)"),
    "no keys": ((Q, K[:, :0], V[:, :0]), "at least one key"),
}


@pytest.mark.parametrize("case", WRONG_SHAPES)
def test_queries_keys_and_values_that_do_not_fit_are_named(case):
    arrays, match = WRONG_SHAPES[case]
    for attention in (
        sg.scaled_dot_product_attention,
        nn.MultiHeadAttention(6, 2, dtype=np.float64),
    ):
        with pytest.raises(ValueError, match=match):
            attention(*arrays)


def test_other_features_are_named():
    with pytest.raises(ValueError, match=r"got shapes \(3, 4, 6\) and \(3, 5, 4\)"):
        sg.scaled_dot_product_attention(Q, K[..., :4], V)
    with pytest.raises(ValueError, match=r"got shapes \(4, 0\) and \(5, 0\)"):
        sg.attention_weights(Q[0, :, :0], K[0, :, :0])
    for wrong in range(3):
        arrays = [a[..., :4] if n == wrong else a for n, a in enumerate((Q, K, V))]
        with pytest.raises(
            ValueError, match=r"n\(6, 2\) takes .* shape \(3, ., 4\).*Linear\(4, 6\)"
        ):
            nn.MultiHeadAttention(6, 2)(*arrays)


WRONG_MASKS = {
    "another shape": (np.ones((4, 4), bool), ValueError, r"got shape \(4, 4\)"),
    "padding without its axis": (np.ones((3, 5), bool), ValueError, r"mask\[:, None, :\]"),
    "no axes": (np.array(True), ValueError, r"got shape \(\)"),
    "more axes": (np.ones((2, 3, 4, 5), bool), ValueError, r"got shape \(2, 3, 4, 5\)"),
    "batches": (np.ones((2, 4, 5), bool), ValueError, r"got shape \(2, 4, 5\)"),
    "floats": (np.zeros((4, 5)), TypeError, r"booleans.* got float64.*mask == 0"),
    "ints": (np.ones((4, 5), int), TypeError, r"booleans.* got int64.*mask\.astype\(bool\)"),
    "no array": ("causal", TypeError, r"booleans"),
}


@pytest.mark.parametrize("case", WRONG_MASKS)
def test_a_mask_of_another_shape_or_dtype_is_named(case, tmp_path, monkeypatch):
    mask, error, match = WRONG_MASKS[case]
    for attention in (
        sg.scaled_dot_product_attention,
        nn.MultiHeadAttention(6, 2, dtype=np.float64),
    ):
        with pytest.raises(error, match=match) as caught:
            attention(Q, K, V, mask)
    monkeypatch.chdir(tmp_path)  # where a file is saved for what is said of files
    names = {**names_for_advice(), "mask": np.ones((3, 5))}
    run(str(caught.value), names)


@pytest.mark.parametrize("flag", [1, 0.0, None, "yes"])
def test_is_causal_is_a_flag(flag):
    with pytest.raises(TypeError, match="is_causal of attention is True or False"):
        sg.scaled_dot_product_attention(Q, K, V, None, flag)


def test_heads_share_the_features_evenly():
    with pytest.raises(ValueError, match=r"6 features are not divisible by 4 heads.*\(6, 3\)"):
        nn.MultiHeadAttention(6, 4)
    with pytest.raises(ValueError, match=r"not divisible by 100 heads.*\(6, 6\)"):
        nn.MultiHeadAttention(6, 100)


def test_integers_are_no_input_of_heads():
    with pytest.raises(TypeError, match="takes floats, but got int64"):
        nn.MultiHeadAttention(6, 2)(*(a.astype(int) for a in (Q, K, V)))


def test_a_mask_of_pytorchs_other_kind_is_refused_by_its_name():
    attention = nn.MultiHeadAttention(6, 2)
    with pytest.raises(TypeError, match=r"takes no key_padding_mask.* True where a query may look"):
        attention(Q, K, V, key_padding_mask=np.zeros((3, 5), bool))
    with pytest.raises(TypeError, match=r"takes no attn_mask.* True where a query may look"):
        attention(Q, K, V, attn_mask=np.zeros((4, 5), bool))
