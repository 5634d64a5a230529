"""Adam's own: its equations in the docstring and in the code, its first step, maximize."""

import ast
import inspect
import re
import textwrap

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import nn
from simplegrad.optimizers import Adam, AdamW, RMSProp

EQUATIONS = [
    r"m_t = \beta_1 \, m + (1 - \beta_1) \, g",
    r"v_t = \beta_2 \, v + (1 - \beta_2) \, g^2",
    r"\hat m = m_t / (1 - \beta_1^t)",
    r"\hat v = v_t / (1 - \beta_2^t)",
    r"\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)",
]

SYMBOLS = [  # of the docstrings' LaTeX, and how the code writes them
    (r"\\mathrel\{-\}=", "-="),
    (r"\\sqrt\{(.*?)\}", r"np.sqrt(\1)"),
    (r"\\hat (\w)", r"\1_hat"),
    (r"\\(beta_\d)", r"\1"),
    (r"\\theta", "theta.data"),
    (r"\\lambda", "weight_decay"),
    (r"\\epsilon", "eps"),
    (r"\^(\w)", r"**\1"),
    (r"\\,", "*"),
]


def docstring_equations(optimizer):
    return re.findall(r"^\$\$(.*)\$\$$", inspect.getdoc(optimizer), flags=re.MULTILINE)


def as_code(equation):
    """An equation of a docstring as the code should write it, spaces apart."""
    for latex, python in SYMBOLS:
        equation = re.sub(latex, python, equation)
    return ast.unparse(ast.parse(equation))


def update_statements(optimizer):
    source = textwrap.dedent(inspect.getsource(optimizer.update))
    return ast.parse(source).body[0].body


def equation_statements(optimizer):
    """Those that assign what an equation is for: m_t, v_t, m_hat, v_hat, theta.data."""
    named = {"m_t", "v_t", "m_hat", "v_hat", "theta.data"}
    statements = [
        s for s in update_statements(optimizer) if isinstance(s, ast.Assign | ast.AugAssign)
    ]
    return [s for s in statements if target_of(s) in named]


def target_of(statement):
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[0])
    return ast.unparse(statement.target)


def leaf(data):
    return sg.Tensor(data, requires_grad=True, dtype=np.float64)


def adam(theta, **options):
    return Adam(param_groups=[{"params": {"theta": theta}}], **options)


# The equation, the docstring and the code


def test_the_docstring_has_the_five_equations_in_order():
    assert docstring_equations(Adam) == EQUATIONS


def test_the_five_equations_are_five_lines_one_after_the_other():
    statements = equation_statements(Adam)
    assert [target_of(s) for s in statements] == ["m_t", "v_t", "m_hat", "v_hat", "theta.data"]
    first = statements[0].lineno
    assert [(s.lineno, s.end_lineno) for s in statements] == [
        (first + i, first + i) for i in range(5)
    ]
    assert isinstance(statements[-1], ast.AugAssign)
    assert isinstance(statements[-1].op, ast.Sub)


@pytest.mark.parametrize("optimizer", [Adam, AdamW, RMSProp])
def test_each_equation_of_the_docstring_is_a_line_of_the_code(optimizer):
    code = [ast.unparse(statement) for statement in equation_statements(optimizer)]
    assert [as_code(equation) for equation in docstring_equations(optimizer)] == code


def test_a_change_of_any_character_of_an_equation_is_noticed():
    code = [ast.unparse(statement) for statement in equation_statements(Adam)]
    for equation, line in zip(EQUATIONS, code, strict=True):
        drifts = [
            equation.replace("+", "-"),
            equation.replace("1", "2"),
            equation.replace("g", "m"),
            equation.replace(r"\hat v", "v_t"),
            equation.replace("^t", ""),
            equation.replace("/", r"\,"),
        ]
        changed = [drift for drift in drifts if drift != equation]
        assert changed
        assert line not in [as_code(drift) for drift in changed]


def test_the_table_of_symbols_names_the_arguments_that_there_are():
    symbols = re.findall(r"^\| \$(.*)\$ \| (.*) \|$", inspect.getdoc(Adam), flags=re.MULTILINE)
    named = " ".join(meaning for _, meaning in symbols)
    for key in ("lr", "beta_1", "beta_2", "eps", "step_count"):
        assert f"`{key}`" in named
    for slot in Adam.slots:
        assert f'"{slot}"' in named


def test_the_defaults_are_those_of_the_paper():
    (group,) = Adam(nn.Linear(1, 1)).param_groups
    keys = "lr", "beta_1", "beta_2", "eps", "maximize"
    assert [group[key] for key in keys] == [1e-3, 0.9, 0.999, 1e-8, False]


def test_the_arguments_come_in_the_order_of_the_contract():
    parameters = inspect.signature(Adam).parameters.values()
    assert [(p.name, p.default) for p in parameters] == [
        ("model", None),
        ("lr", 1e-3),
        ("beta_1", 0.9),
        ("beta_2", 0.999),
        ("eps", 1e-8),
        ("maximize", False),
        ("param_groups", None),
    ]


# What the equations do


def test_the_first_step_is_no_longer_than_lr(for_all):
    betas = st.floats(0, 0.9999)
    rates = st.just(0.0) | st.floats(1e-290, 1e3)  # below, lr * m_hat has hardly a digit

    @for_all(st.floats(-1e100, 1e100), rates, betas, betas)
    def check(g, lr, beta_1, beta_2):
        theta = leaf(0.0)
        theta.grad = np.array(g)
        adam(theta, lr=lr, beta_1=beta_1, beta_2=beta_2).step()
        assert abs(theta.item()) <= lr * (1 + 1e-12)


@pytest.mark.parametrize("g", [1e-3, 1.0, -1.0, 1e30])
def test_the_first_step_is_lr_long_however_large_the_gradient(g):
    theta = leaf(0.0)
    theta.grad = np.array(g)
    adam(theta, lr=0.5).step()
    np.testing.assert_allclose(theta.item(), -0.5 * np.sign(g), rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [Adam, RMSProp])
def test_maximize_mirrors_the_step_and_leaves_the_moments_to_the_bit(optimizer, dtype):
    rng = np.random.default_rng(0)
    theta_0 = rng.normal(size=7).astype(dtype)
    down, up = (sg.Tensor(x, requires_grad=True) for x in (-theta_0, theta_0))
    descent = optimizer(param_groups=[{"params": {"theta": down}}], lr=0.1)
    ascent = optimizer(param_groups=[{"params": {"theta": up}}], lr=0.1, maximize=True)
    for _ in range(10):
        down.grad = up.grad = rng.normal(size=7).astype(dtype)
        descent.step()
        ascent.step()
        assert up.data.tobytes() == (-down.data).tobytes()
    for slot in optimizer.slots:
        minimized, maximized = (
            opt.state()["param_groups"][0][slot]["theta"] for opt in (descent, ascent)
        )
        assert minimized.tobytes() == maximized.tobytes()


def test_maximizing_is_minimizing_the_negative_to_the_bit():
    up, down = leaf([1.0, -2.0]), leaf([1.0, -2.0])
    ascent, descent = adam(up, lr=0.1, maximize=True), adam(down, lr=0.1)
    for _ in range(10):
        for opt, loss in [(ascent, -(up**2).sum()), (descent, (down**2).sum())]:
            opt.zero_grad()
            loss.backward()
            opt.step()
        assert up.data.tobytes() == down.data.tobytes()
    assert (np.abs(up.data) < [1, 2]).all()


def test_a_group_that_climbs_and_one_that_descends_share_an_optimizer():
    up, down = leaf(1.0), leaf(1.0)
    opt = Adam(
        lr=0.5,
        param_groups=[{"params": {"up": up}, "maximize": True}, {"params": {"down": down}}],
    )
    up.grad, down.grad = np.array(2.0), np.array(2.0)
    opt.step()
    assert up.item() - 1 == 1 - down.item()
    assert up.item() > 1


def test_the_moments_are_those_of_the_gradients():
    theta = leaf([1.0])
    opt = adam(theta, beta_1=0.5, beta_2=0.75)
    for g in (2.0, -4.0):
        theta.grad = np.array([g])
        opt.step()
    (group,) = opt.state()["param_groups"]
    assert group["moments1"]["theta"] == 0.5 * (0.5 * 2) + 0.5 * -4
    assert group["moments2"]["theta"] == 0.75 * (0.25 * 4) + 0.25 * 16


def test_the_decay_of_adamw_does_not_enter_the_moments():
    theta, twin = leaf([3.0]), leaf([3.0])
    plain = adam(theta, lr=0.1)
    decayed = AdamW(lr=0.1, weight_decay=0.5, param_groups=[{"params": {"theta": twin}}])
    theta.grad = twin.grad = np.array([2.0])
    plain.step()
    decayed.step()
    for slot in Adam.slots:
        a, b = (opt.state()["param_groups"][0][slot]["theta"] for opt in (plain, decayed))
        assert a.tobytes() == b.tobytes()
    np.testing.assert_allclose(theta.data - twin.data, 0.1 * 0.5 * 3, rtol=1e-14)


# The snippets of the contract


def test_the_snippet_of_one_model_trains():
    model = nn.Linear(128, 10)
    optimizer = Adam(lr=1e-3, model=model)
    x, targets = sg.ones((4, 128)), np.array([1, 2, 3, 4])
    losses = []
    for _ in range(3):
        loss = sg.cross_entropy(model(x), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert optimizer.step_count == 3
    assert list(optimizer.state()["param_groups"][0]["moments1"]) == ["weight", "bias"]


def test_the_snippet_of_two_groups_trains():
    class Autoencoder(nn.Module):
        def __init__(self):
            self.encoder = nn.Linear(6, 3)
            self.decoder = nn.Linear(3, 6)

        def forward(self, x):
            return self.decoder(self.encoder(x).tanh())

    model = Autoencoder()
    optimizer = Adam(
        lr=1e-3,
        param_groups=[
            {"params": model.encoder, "label": "encoder", "lr": 1e-4},
            {"params": model.decoder, "label": "decoder", "beta_1": 0.8},
        ],
    )
    encoder, decoder = optimizer.param_groups
    assert (encoder["lr"], encoder["beta_1"]) == (1e-4, 0.9)
    assert (decoder["lr"], decoder["beta_1"]) == (1e-3, 0.8)
    x = sg.eye(6)
    before = {name: theta.numpy() for name, theta in model.parameters().items()}
    loss = sg.mse_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for name, theta in model.parameters().items():
        longest = np.abs(theta.data - before[name]).max()
        np.testing.assert_allclose(longest, 1e-4 if name.startswith("enc") else 1e-3, rtol=1e-2)
    assert sg.mse_loss(model(x), x).item() < loss.item()
