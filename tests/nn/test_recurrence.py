"""Recurrence: the equations of the cells, sequences as loops of them, and what they refuse."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from tests.helpers.advice import names_for_advice, run
from tests.helpers.oracles import assert_same_bits, check_with_parameters

CELLS = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}
LAYERS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
every_kind = pytest.mark.parametrize("kind", CELLS)


@pytest.fixture
def names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a file is saved for what is said of files
    return names_for_advice()


def x(*shape, seed=0, dtype=np.float64):
    values = np.random.default_rng(seed).normal(size=shape)
    return sg.Tensor(values, requires_grad=True, dtype=dtype)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def hidden(state):
    """h of a state, which for an LSTM is (h, c)."""
    return state[0] if isinstance(state, tuple) else state


def state_of(kind, *shape):
    """A state that is not zeros."""
    h, c = x(*shape, seed=1), x(*shape, seed=2)
    return (h, c) if kind == "LSTM" else h


# Cells


def of_gate(cell, k, x, h):
    """The two sums of gate number k: of the input, and of the state."""
    hidden = h.shape[-1]
    columns = slice(k * hidden, (k + 1) * hidden)
    of_x = x @ cell.weight_ih.data[:, columns]
    of_h = h @ cell.weight_hh.data[:, columns]
    if cell.bias_ih is None:
        return of_x, of_h
    return of_x + cell.bias_ih.data[columns], of_h + cell.bias_hh.data[columns]


def rnn_step(cell, x, h):
    return np.tanh(sum(of_gate(cell, 0, x, h)))


def gru_step(cell, x, h):
    r_t = sigmoid(sum(of_gate(cell, 0, x, h)))
    z_t = sigmoid(sum(of_gate(cell, 1, x, h)))
    of_x, of_h = of_gate(cell, 2, x, h)
    n_t = np.tanh(of_x + r_t * of_h)
    return (1 - z_t) * n_t + z_t * h


def lstm_step(cell, x, state):
    h, c = state
    i_t, f_t, g, o_t = [sigmoid(sum(of_gate(cell, k, x, h))) for k in range(4)]
    g_t = np.tanh(np.log(g / (1 - g)))  # the tanh of what the sigmoid was of
    c_t = f_t * c + i_t * g_t
    return o_t * np.tanh(c_t), c_t


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


@every_kind
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_computes_its_equations(kind, bias):
    cell, inputs, state = CELLS[kind](3, 4, bias, np.float64), x(5, 3), state_of(kind, 5, 4)
    arrays = tuple(t.data for t in state) if kind == "LSTM" else state.data
    expected = STEPS[kind](cell, inputs.data, arrays)
    result = cell(inputs, state)
    np.testing.assert_allclose(hidden(result).data, hidden(expected), rtol=1e-12)
    if kind == "LSTM":
        np.testing.assert_allclose(result[1].data, expected[1], rtol=1e-12)


@every_kind
def test_the_gradients_of_a_cell_are_right_by_input_state_and_parameters(kind):
    cell, state = CELLS[kind](3, 2, dtype=np.float64), state_of(kind, 4, 2)
    assert check_with_parameters(cell, x(4, 3), lambda cell, x: hidden(cell(x, state)))
    if kind == "LSTM":
        assert check_with_parameters(cell, x(4, 3), lambda cell, x: cell(x, state)[1])
    inputs = x(4, 3)
    if kind == "LSTM":
        assert sg.gradcheck(lambda h, c: sum(cell(inputs, (h, c))), [*state])
    else:
        assert sg.gradcheck(lambda h: cell(inputs, h), state)


@every_kind
def test_the_gates_stand_side_by_side_and_start_small(kind):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    cell = CELLS[kind](50, 100)
    shapes = {name: t.shape for name, t in cell.parameters().items()}
    columns = gates * 100
    assert shapes == {
        "weight_ih": (50, columns),
        "weight_hh": (100, columns),
        "bias_ih": (columns,),
        "bias_hh": (columns,),
    }
    for t in cell.parameters().values():
        assert np.abs(t.data).max() <= 0.1
        assert t.data.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.15)
        assert t.dtype == np.float32
    assert list(CELLS[kind](2, 3, bias=False).parameters()) == ["weight_ih", "weight_hh"]
    assert f"{kind}Cell(2, 3, bias=False)" in repr(CELLS[kind](2, 3, bias=False))


@every_kind
def test_a_state_that_is_left_out_is_zeros(kind):
    cell, zeros = CELLS[kind](3, 4), sg.zeros((2, 4))
    inputs = x(2, 3, dtype=np.float32)
    given = cell(inputs, (zeros, zeros) if kind == "LSTM" else zeros)
    assert_same_bits(hidden(cell(inputs)).data, hidden(given).data)
    assert hidden(cell(inputs)).dtype == np.float32
    one = hidden(cell(inputs[0]))
    assert one.shape == (4,)
    np.testing.assert_allclose(one.data, hidden(given).data[0], rtol=1e-5)


def test_an_update_gate_of_1_keeps_the_state_and_of_0_replaces_it():
    cell, h = nn.GRUCell(3, 4, dtype=np.float64), state_of("GRU", 2, 4)
    for bias, expected in ((1e3, h.data), (-1e3, None)):
        cell.bias_ih.data = np.repeat([0.0, bias, 0.0], 4)
        result = cell(x(2, 3), h)
        if expected is not None:
            np.testing.assert_array_equal(result.data, expected)
        else:
            assert not np.isclose(result.data, h.data).any()


@every_kind
def test_explain_shows_each_equation_of_a_cell_beside_its_line(kind):
    cell = CELLS[kind](2, 3)
    lines = [
        line
        for line in sg.explain(cell, np.ones((1, 2), np.float32))
        if line.function == f"{kind}Cell.forward" and line.equation
    ]
    names = {"RNN": "h", "GRU": "rznh", "LSTM": "ifgoch"}[kind]
    assert [line.code.partition(" =")[0] for line in lines] == [f"{name}_t" for name in names]
    assert [line.equation.partition(" =")[0] for line in lines] == [f"{name}_t" for name in names]


# Sequences


@every_kind
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_a_sequence_is_a_loop_of_cells(kind, batch_first, given):
    layer = LAYERS[kind](3, 4, num_layers=2, batch_first=batch_first, dtype=np.float64)
    inputs = x(6, 5, 3)  # of 6 steps
    first = state_of(kind, 2, 5, 4) if given else None
    output, last = layer(inputs.transpose(1, 0, 2) if batch_first else inputs, first)
    steps, states = list(inputs), []
    for number, cell in enumerate(layer.cells):
        state = first
        if given:
            state = tuple(t[number] for t in first) if kind == "LSTM" else first[number]
        for t, x_t in enumerate(steps):
            state = cell(x_t, state)
            steps[t] = hidden(state)
        states.append(state)
    expected = np.stack([t.data for t in steps], axis=1 if batch_first else 0)
    assert_same_bits(output.data, expected)
    for number, state in enumerate(states):
        assert_same_bits(hidden(last)[number].data, hidden(state).data)
        if kind == "LSTM":
            assert_same_bits(last[1][number].data, state[1].data)


@every_kind
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_single_sequence_is_a_batch_of_one_without_its_axis(kind, batch_first):
    layer = LAYERS[kind](3, 4, batch_first=batch_first, dtype=np.float64)
    sequence = x(6, 3)
    output, last = layer(sequence, state_of(kind, 1, 4))
    assert output.shape == (6, 4)
    assert hidden(last).shape == (1, 4)
    batch = layer(sequence.unsqueeze(0 if batch_first else 1), state_of(kind, 1, 1, 4))
    np.testing.assert_allclose(batch[0].data.squeeze(), output.data, rtol=1e-13)


@every_kind
def test_what_comes_later_does_not_matter_before(kind):
    layer, inputs = LAYERS[kind](3, 4, num_layers=2, dtype=np.float64), x(6, 2, 3)
    output, _ = layer(inputs)
    output[3].sum().backward()
    assert (inputs.grad[4:] == 0).all()
    assert (inputs.grad[:4] != 0).all()


@every_kind
def test_the_gradients_through_a_sequence_are_right(kind):
    layer = LAYERS[kind](2, 3, num_layers=2, dtype=np.float64)
    assert check_with_parameters(layer, x(3, 2, 2), lambda layer, x: layer(x)[0])
    assert check_with_parameters(layer, x(3, 2, 2), lambda layer, x: hidden(layer(x)[1]))


def test_a_sequence_goes_on_where_its_state_is_given():
    layer, inputs = nn.LSTM(3, 4, num_layers=2, dtype=np.float64), x(6, 2, 3)
    output, (h, c) = layer(inputs)
    first, state = layer(inputs[:2])
    second, (h_T, c_T) = layer(inputs[2:], state)
    assert_same_bits(np.concatenate([first.data, second.data]), output.data)
    assert_same_bits(np.stack([h_T.data, c_T.data]), np.stack([h.data, c.data]))


def test_dropout_is_between_layers_in_training_only():
    layer, inputs = nn.GRU(3, 8, num_layers=2, dropout=0.5), x(4, 2, 3, dtype=np.float32)
    trained, again = layer(inputs)[0].data, layer(inputs)[0].data
    assert (trained != again).any()
    layer.eval()
    assert_same_bits(layer(inputs)[0].data, layer(inputs)[0].data)
    one = nn.GRU(3, 8, dropout=0.5)
    assert_same_bits(one(inputs)[0].data, one(inputs)[0].data)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@every_kind
def test_a_sequence_has_the_dtype_of_its_layer(kind, dtype):
    output, last = LAYERS[kind](3, 4, 2, dtype=dtype)(x(5, 2, 3, dtype=dtype))
    assert output.dtype == hidden(last).dtype == dtype
    assert LAYERS[kind](3, 4)(np.asfortranarray(np.ones((5, 2, 3), np.float32))[::2])[0].shape == (
        3,
        2,
        4,
    )


def test_a_sequence_may_be_a_list_of_numbers():
    layer = nn.GRU(2, 3)
    output, last = layer([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.5, 1.0]])
    expected, _ = layer(sg.Tensor([[1.0, 2.0], [3.0, 4.0]]), sg.Tensor([[0.0, 0.5, 1.0]]))
    assert_same_bits(output.data, expected.data)
    assert_same_bits(last.data, expected.data[1:])


def test_a_batch_of_no_sequences_has_an_output_of_none():
    output, (h, c) = nn.LSTM(3, 4)(sg.ones((5, 0, 3)))
    assert output.shape == (5, 0, 4)
    assert h.shape == c.shape == (1, 0, 4)


@every_kind
def test_a_replayed_sequence_has_the_same_bits_forward_and_backward(kind):
    layer = LAYERS[kind](3, 4)

    def loss_of(x):
        output, last = layer(x)
        return (output**2).sum() + hidden(last).sum()

    replayed = fast.replay(loss_of)
    for seed in range(3):
        inputs = x(8, 2, 3, seed=seed, dtype=np.float32)
        grads = []
        for fn in (loss_of, replayed):
            for t in (inputs, *layer.parameters().values()):
                t.grad = None
            loss = fn(inputs)
            loss.backward()
            tensors = (inputs, *layer.parameters().values())
            grads.append([loss.data.copy(), *(t.grad.copy() for t in tensors)])
        for expected, actual in zip(*grads, strict=True):
            assert_same_bits(np.asarray(actual), np.asarray(expected))


def test_the_parameters_are_those_of_the_cells():
    names = [*nn.GRU(3, 4, num_layers=2, bias=False).parameters()]
    assert names == [f"cells.{i}.weight_{of}" for i in (0, 1) for of in ("ih", "hh")]
    assert "LSTM(3, 4, num_layers=2, batch_first=True)" in repr(nn.LSTM(3, 4, 2, batch_first=True))


# What is refused

REFUSED = {
    "features of a cell": (
        lambda: nn.GRUCell(3, 4)(sg.ones((2, 5))),
        r"GRUCell\(3, 4\) takes inputs whose last axis is 3, but got shape \(2, 5\)",
    ),
    "a number": (lambda: nn.RNNCell(3, 4)(1.0), r"but got shape \(\)"),
    "axes of a cell": (lambda: nn.RNNCell(3, 4)(sg.ones((5, 2, 3))), r"but got shape \(5, 2, 3\)"),
    "features of a sequence": (
        lambda: nn.LSTM(3, 4)(sg.ones((6, 2, 5))),
        r"LSTM\(3, 4\) takes inputs whose last axis is 3, .* nn\.LSTM\(5, 4\)",
    ),
    "state of a cell": (
        lambda: nn.GRUCell(3, 4)(sg.ones((2, 3)), sg.zeros((1, 4))),
        r"state h of GRUCell has shape \(2, 4\) here, .* got \(1, 4\)",
    ),
    "c of a cell": (
        lambda: nn.LSTMCell(3, 4)(sg.ones((2, 3)), (sg.zeros((2, 4)), sg.zeros((2, 3)))),
        r"state c of LSTMCell has shape \(2, 4\) here, .* got \(2, 3\)",
    ),
    "state of a sequence": (
        lambda: nn.GRU(3, 4, num_layers=2)(sg.ones((6, 5, 3)), sg.zeros((5, 4))),
        r"state h_0 of GRU has shape \(2, 5, 4\) here, .* got \(5, 4\)",
    ),
    "state of a sequence, batch first": (
        lambda: nn.GRU(3, 4, batch_first=True)(sg.ones((5, 6, 3)), sg.zeros((5, 1, 4))),
        r"state h_0 of GRU has shape \(1, 5, 4\) here, .* got \(5, 1, 4\)",
    ),
    "c_0 of a sequence": (
        lambda: nn.LSTM(3, 4)(sg.ones((6, 3)), (sg.zeros((1, 4)), sg.zeros((2, 4)))),
        r"state c_0 of LSTM has shape \(1, 4\) here, .* got \(2, 4\)",
    ),
    "no steps": (lambda: nn.GRU(3, 4)(sg.ones((0, 2, 3))), "at least one step"),
    "no steps, batch first": (
        lambda: nn.RNN(3, 4, batch_first=True)(sg.ones((2, 0, 3))),
        r"\(N, T, features\) of at least one step",
    ),
    "axes of a sequence": (
        lambda: nn.GRU(3, 4)(sg.ones((2, 2, 2, 3))),
        r"takes sequences of shape \(T, N, features\)",
    ),
    "a sequence for a cell": (
        lambda: nn.LSTMCell(3, 4)(sg.ones((6, 2, 3))),
        r"takes one step, of shape \(N, 3\), but got shape \(6, 2, 3\)\. Write nn\.LSTM\(3, 4\)",
    ),
    "a vector": (lambda: nn.GRU(3, 4)(sg.ones(3)), r"Write nn\.GRUCell for a single step"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_shape_is_named(case):
    call, match = REFUSED[case]
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("state", [sg.zeros((1, 2, 4)), (sg.zeros((1, 2, 4)),), 1.0])
def test_the_state_of_an_lstm_is_a_pair(state):
    with pytest.raises(TypeError, match=r"takes its state as a pair \(h, c\), but got a"):
        nn.LSTM(3, 4)(sg.ones((5, 2, 3)), state)
    with pytest.raises(TypeError, match=r"LSTMCell takes its state as a pair"):
        nn.LSTMCell(3, 4)(sg.ones((2, 3)), state)


def test_the_gradient_by_a_long_sequence_is_not_filled_with_zeros_at_each_step(monkeypatch):
    sizes, da = [], sg.rules.Index.da

    def counting(dc, c, a, index):
        sizes.append(len(a))
        return da(dc, c, a, index)

    monkeypatch.setattr(sg.rules.Index, "partials", (counting,))
    for batch_first, shape in ((False, (256, 1, 1)), (True, (1, 256, 1))):
        inputs = sg.ones(shape, requires_grad=True)
        nn.RNN(1, 1, batch_first=batch_first)(inputs)[0].sum().backward()
        assert (inputs.grad != 0).all()
    assert sum(sizes) == 2 * (256 * 32 + 8 * 256)


@every_kind
def test_integers_are_no_input_and_no_state(kind):
    with pytest.raises(TypeError, match=rf"{kind} takes floats, but got int64"):
        LAYERS[kind](3, 4)(np.ones((5, 2, 3), int))
    ints = np.ones((2, 4), int)
    with pytest.raises(TypeError, match=r"takes floats, but got int64"):
        CELLS[kind](3, 4)(sg.ones((2, 3)), (ints, ints) if kind == "LSTM" else ints)


@pytest.mark.parametrize("flag", ["bias", "batch_first"])
def test_flags_are_flags(flag):
    with pytest.raises(TypeError, match=f"{flag} of .* is True or False, but got 1"):
        nn.GRU(2, 3, **{flag: 1})


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM, nn.MultiHeadAttention])
def test_a_wrong_dropout_is_that_of_the_layer(layer):
    with pytest.raises(ValueError, match=rf"dropout of {layer.__name__} is .*Write dropout=0\.5"):
        layer(4, 2, dropout=1.5)


def test_what_a_wrong_state_says_to_write_runs(names):
    with pytest.raises(ValueError, match=r"Write nn\.GRU\(3, 4\) for a sequence") as error:
        nn.GRUCell(3, 4)(sg.ones((5, 2, 3)))
    for case in ("state of a cell", "state of a sequence", "features of a cell", "a vector"):
        call, match = REFUSED[case]
        with pytest.raises(ValueError, match=match) as error:
            call()
        run(str(error.value), names)
