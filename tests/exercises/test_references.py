"""What the check takes for right is what the library computes; its mistakes can be told apart."""

import inspect

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn, parallel, rules
from simplegrad import optimizers as optim
from simplegrad.exercises.judge import judge, judge_task
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.exercises.references.gradcheck import d_cubes, d_neighbours
from simplegrad.exercises.references.topological_order import is_order
from tests.helpers.oracles import central_differences
from tests.helpers.processes import Thread, together
from tests.helpers.students import EXPRESSIONS, TASKS, calls_of, right_results, student_with

# The references


@pytest.mark.parametrize(
    ("exercise", "rule"),
    [("mul", rules.Mul), ("tanh", rules.Tanh), ("matmul", rules.MatMul)],
)
def test_partials_are_those_of_the_rule(exercise, rule):
    for partial in rule.partials:
        for given in calls_of(exercise, partial.__name__):
            right = right_results(exercise, partial.__name__, given)[partial.__name__]
            np.testing.assert_array_equal(right, partial(**given))


def test_the_forward_equation_of_tanh_is_that_of_the_rule():
    for given in calls_of("tanh", "forward"):
        right = right_results("tanh", "forward", given)
        np.testing.assert_array_equal(right["c"], rules.Tanh.forward(**given))


def test_unbroadcast_gives_what_backward_of_a_broadcast_gives():
    for given in calls_of("unbroadcast", "unbroadcast"):
        a = sg.Tensor(np.zeros(given["shape"]), requires_grad=True)
        (a + np.zeros(given["dc"].shape)).backward(given["dc"])
        right = right_results("unbroadcast", "unbroadcast", given)["da"]
        np.testing.assert_array_equal(right, a.grad)


def test_the_stops_are_those_of_backward():
    for given in calls_of("stops", "stops"):
        a, b = (sg.Tensor(given[name], requires_grad=True) for name in ("a", "b"))
        c = a * b
        s = c + a
        p = s**2
        loss = p.sum()
        loss.backward(retain_grads=True)
        right = right_results("stops", "stops", given)
        for name, t in {"dloss": loss, "dp": p, "ds": s, "dc": c, "da": a, "db": b}.items():
            np.testing.assert_allclose(right[name], t.grad, rtol=1e-13)


def test_the_first_nan_is_the_one_that_detect_anomaly_names():
    given = calls_of("first_nan", "first_nan")[0]  # the softmax
    assert right_results("first_nan", "first_nan", given)["node"] == "e"
    with pytest.raises(FloatingPointError, match=r"^Exp gives inf"), sg.detect_anomaly():
        sg.exp(sg.Tensor(given["data"]["a"]))


def test_the_order_is_topological_where_the_student_has_none():
    for given in calls_of("topological_order", "topological_order"):
        right = right_results("topological_order", "topological_order", given)["order"]
        assert is_order(right, **given)
        assert right[-1] == given["root"]
        assert not is_order(right[1:], **given)
        assert not is_order([*right, right[0]], **given)
        assert not is_order(right[::-1], **given)


def test_the_chain_rule_gives_the_sum_over_all_paths():
    def over_all_paths(node, end, inputs, partials):
        if node == end:
            return 1.0
        return sum(
            partial * over_all_paths(i, end, inputs, partials)
            for i, partial in zip(inputs[node], partials[node], strict=True)
        )

    for given in calls_of("topological_order", "backward"):
        order, graph = given["order"], (given["inputs"], given["partials"])
        assert is_order(order, order[-1], given["inputs"])
        right = right_results("topological_order", "backward", given)["grads"]
        assert right == {node: over_all_paths(order[-1], node, *graph) for node in order}


def test_central_differences_are_those_of_the_other_tests():
    for given in calls_of("gradcheck", "central_differences"):
        right = right_results("gradcheck", "central_differences", given)["dL"]
        oracle = central_differences(given["L"], [given["x"]], 0, 1.0, given["h"])
        np.testing.assert_allclose(right, oracle, rtol=1e-12)


def test_right_gradients_agree_and_wrong_ones_do_not():
    for title, (given,) in TASKS["gradcheck", "gradcheck"].cases.items():
        agrees = right_results("gradcheck", "gradcheck", given)["agrees"]
        assert agrees == title.startswith("a right gradient")


def of_tanh(W, x):
    return lambda x_t: sg.tanh(sg.Tensor(W) @ x_t), sg.Tensor(x)


def test_vjp_jvp_and_jacobian_are_those_of_the_library():
    for given in calls_of("vjp", "vjp"):
        W, x = (sg.Tensor(given[name]) for name in ("W", "x"))
        c, vjp_of = sg.vjp(lambda W, x: sg.tanh(W @ x), [W, x])
        np.testing.assert_array_equal(c.data, given["c"])
        dW, dx = vjp_of(given["dc"])
        right = right_results("vjp", "vjp", given)
        np.testing.assert_allclose(right["dW"], dW.data, rtol=1e-13)
        np.testing.assert_allclose(right["dx"], dx.data, rtol=1e-13)
        f = of_tanh(W, x)
        given = {"vjp_of": lambda dc, f=f: sg.vjp(*f)[1](dc).data, "m": c.size}
        J = right_results("vjp", "jacobian", given)["J"]
        np.testing.assert_allclose(J, sg.jacobian(*f).data, rtol=1e-13)
    for given in calls_of("vjp", "jvp"):
        x = np.linalg.lstsq(given["W"], np.arctanh(given["c"]))[0]
        _, c_dot = sg.jvp(*of_tanh(given["W"], x), given["x_dot"])
        right = right_results("vjp", "jvp", given)["c_dot"]
        np.testing.assert_allclose(right, c_dot.data, rtol=1e-13)


def test_a_step_of_a_gru_is_that_of_the_library():
    for given in calls_of("gru", "gru_step"):
        cell = nn.GRUCell(2, 3, dtype=np.float64)
        for name, kind in (("weight", "W"), ("bias", "b")):
            for of in "ih":
                parts = [given[f"{kind}_{of}{gate}"] for gate in "rzn"]
                getattr(cell, f"{name}_{of}h").data = np.concatenate(parts, axis=-1)
        right = right_results("gru", "gru_step", given)["h_t"]
        np.testing.assert_allclose(right, cell(given["x_t"], given["h"]).data, rtol=1e-13)


def test_the_hessian_times_a_vector_is_that_of_the_library():
    for given in calls_of("hvp", "hvp"):
        H = sg.hessian(given["f"], sg.Tensor(given["x"])).data
        right = right_results("hvp", "hvp", given)["Hv"]
        np.testing.assert_allclose(right, np.tensordot(H, given["v"], given["v"].ndim), rtol=1e-12)
        _, Hv = sg.hvp(given["f"], sg.Tensor(given["x"]), given["v"])
        np.testing.assert_array_equal(right, Hv.data)


def test_differences_of_gradients_of_degree_two_are_exact():
    loss = {d_cubes: lambda x: (x**3).sum(), d_neighbours: lambda x: (x**2).sum() * x.sum()}
    for given in calls_of("hvp", "hvp_by_differences"):
        _, Hv = sg.hvp(loss[given["dL"]], sg.Tensor(given["x"]), given["v"])
        right = right_results("hvp", "hvp_by_differences", given)["Hv_approx"]
        np.testing.assert_allclose(right, Hv.data, rtol=1e-12)


def test_shares_and_their_mean_are_those_of_the_library():
    for given in calls_of("all_reduce", "share"):
        right = right_results("all_reduce", "share", given)
        mine = parallel.share(given["N"], Thread(given["k"], given["K"]))
        assert (right["start"], right["stop"]) == (mine.start, mine.stop)
    for given in calls_of("all_reduce", "mean_of_shares"):
        right = right_results("all_reduce", "mean_of_shares", given)

        def mean(comm, given=given):
            theta = sg.Tensor(0 * given["g_k"][0], requires_grad=True)
            theta.grad = given["g_k"][comm.rank].copy()
            parallel.mean_gradients({"theta": theta}, given["n_k"][comm.rank], comm)
            return theta.grad

        for g in together(len(given["n_k"]), mean):
            np.testing.assert_allclose(right["g"], g, rtol=1e-15)


@pytest.mark.parametrize("H", [np.diag([6.0, 12.0, 18.0]), np.array([[1.0, 2.0], [2.0, -4.0]])])
def test_power_iteration_ends_at_the_eigenvalue_of_the_largest_absolute_value(H):
    v = np.arange(1.0, len(H) + 1)
    for _ in range(100):
        step = right_results("hvp", "power_step", {"v": v, "Hv": H @ v})
        v = step["v_t"]
    eigenvalues = np.linalg.eigvalsh(H)
    largest = eigenvalues[np.argmax(abs(eigenvalues))]
    np.testing.assert_allclose(step["lambda_max"], largest, rtol=1e-12)


@pytest.mark.parametrize(
    ("exercise", "function", "optimizer", "renamed"),
    [
        ("rmsprop", "rmsprop_step", optim.RMSProp, {"v_t": "moments2"}),
        ("adam", "adam_step", optim.Adam, {"m_t": "moments1", "v_t": "moments2"}),
        ("adamw", "adamw_step", optim.AdamW, {"m_t": "moments1", "v_t": "moments2"}),
        ("sgd_momentum", "sgd_step", optim.SGD, {"b_t": "velocities"}),
        ("in_place", "nesterov_step", optim.SGD, {"b_t": "velocities"}),
    ],
)
def test_a_step_is_that_of_the_optimizer_to_the_bit(exercise, function, optimizer, renamed):
    task = TASKS[exercise, function]
    names = {"mu": "momentum", "tau": "dampening"}
    for given in calls_of(exercise, function):
        values = {names.get(name, name): value for name, value in given.items()}
        theta = sg.Tensor(given["theta"], requires_grad=True)
        hyperparameters = {key: values[key] for key in optimizer.hyperparameters if key in values}
        if exercise == "in_place":
            hyperparameters["nesterov"] = True
        opt = optimizer(param_groups=[{"params": {"theta": theta}}], **hyperparameters)
        state = opt.state()
        state["step_count"] = given.get("t", 9) - 1
        before = {result: argument for argument, result in task.kept.items()}
        for result, slot in renamed.items():
            state["param_groups"][0][slot] = {"theta": given[before[result]]}
        opt.load_state(state)
        theta.grad = given.get("g", given.get("grad")).copy()
        opt.step()
        right = right_results(exercise, function, given)
        of_theta = task.kept["theta"]
        np.testing.assert_array_equal(right[of_theta], theta.data)
        for result, slot in renamed.items():
            kept = opt.state()["param_groups"][0][slot]["theta"]
            np.testing.assert_array_equal(right[result], kept)


def test_a_step_of_amsgrad_is_that_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    for given in calls_of("amsgrad", "amsgrad_step"):
        theta = torch.tensor(given["theta"], dtype=torch.float64, requires_grad=True)
        opt = torch.optim.Adam(
            [theta],
            lr=given["lr"],
            betas=(given["beta_1"], given["beta_2"]),
            eps=given["eps"],
            maximize=given["maximize"],
            amsgrad=True,
        )
        opt.state[theta] = {
            "step": torch.tensor(float(given["t"] - 1)),
            # torch turns the gradient round, and so the first moment; the library the last equation
            "exp_avg": torch.tensor(-given["m"] if given["maximize"] else given["m"]),
            "exp_avg_sq": torch.tensor(given["v"]),
            "max_exp_avg_sq": torch.tensor(given["v_max"]),
        }
        theta.grad = torch.tensor(given["g"], dtype=torch.float64)
        opt.step()
        right = right_results("amsgrad", "amsgrad_step", given)
        np.testing.assert_allclose(right["theta"], theta.detach().numpy(), rtol=1e-13)
        kept = opt.state[theta]["max_exp_avg_sq"].numpy()
        np.testing.assert_allclose(right["v_max_t"], kept, rtol=1e-13)


def test_the_equations_of_adam_are_the_lines_of_the_library():
    source = inspect.getsource(optim.Adam.update)
    for name, expression in TASKS["adam", "adam_step"].equations.items():
        if name != "theta":  # which has two: with + and with -
            assert f"        {name} = {expression}\n" in source


def test_cross_entropy_and_its_gradient_are_those_of_the_library():
    for given in calls_of("cross_entropy", "cross_entropy"):
        a = sg.Tensor(given["a"], requires_grad=True)
        loss = sg.cross_entropy(a, given["t"])
        loss.backward()
        right = right_results("cross_entropy", "cross_entropy", given)
        np.testing.assert_array_equal(right["c"], a.logsumexp(axis=1).data)
        np.testing.assert_allclose(right["L"], loss.item(), rtol=1e-12)
        right = right_results("cross_entropy", "d_logits", given)
        np.testing.assert_allclose(right["da"], a.grad, rtol=1e-12, atol=1e-15)


def test_a_convolution_and_its_gradients_are_those_of_the_library():
    for given, further in zip(
        calls_of("conv2d", "conv2d"), calls_of("conv2d", "gradients"), strict=True
    ):
        x, W, b = (sg.Tensor(given[name], requires_grad=True) for name in ("x", "W", "b"))
        y = sg.conv2d(x, W, b, given["s"], given["z"])
        y.backward(further["dy"])
        np.testing.assert_array_equal(right_results("conv2d", "conv2d", given)["y"], y.data)
        right = right_results("conv2d", "gradients", further)
        for name, tensor in (("dW", W), ("db", b), ("dx", x)):
            np.testing.assert_array_equal(right[name], tensor.grad)


def test_a_step_of_batch_norm_is_that_of_the_layer():
    for given in calls_of("batch_norm", "batch_norm"):
        norm = nn.BatchNorm(3, eps=given["eps"], momentum=given["alpha"], dtype=np.float64)
        norm.weight.data, norm.bias.data = given["g"], given["b"]
        norm.running_mean.data, norm.running_var.data = given["m"].copy(), given["v"].copy()
        y = norm(given["x"])
        right = right_results("batch_norm", "batch_norm", given)
        np.testing.assert_allclose(right["y"], y.data, rtol=1e-12)
        np.testing.assert_allclose(right["m"], norm.running_mean.data, rtol=1e-12)
        np.testing.assert_allclose(right["v"], norm.running_var.data, rtol=1e-12)


def test_the_logits_are_those_of_the_layers():
    for given in calls_of("logits", "logits"):
        model = nn.Sequential(
            first := nn.Linear(*given["W_1"].shape, dtype=np.float64),
            nn.ReLU(),
            second := nn.Linear(*given["W_2"].shape, dtype=np.float64),
        )
        first.weight.data, first.bias.data = given["W_1"], given["b_1"]
        second.weight.data, second.bias.data = given["W_2"], given["b_2"]
        right = right_results("logits", "logits", given)
        np.testing.assert_array_equal(right["a"], model(given["x"]).data)


def test_a_step_of_a_group_is_that_of_sgd():
    for given in calls_of("groups", "group_step"):
        params = {n: sg.Tensor(x, requires_grad=True) for n, x in given["params"].items()}
        groups = [{"params": params, **given["overrides"]}]
        opt = optim.SGD(**given["defaults"], param_groups=groups)
        for name, theta in params.items():
            theta.grad = given["grads"].get(name)
            theta.requires_grad = name in given["grads"]
        opt.step()
        right = right_results("groups", "group_step", given)
        assert opt.param_groups[0]["lr"] == right["lr"]
        assert opt.param_groups[0]["maximize"] == right["maximize"]
        for name, theta in params.items():
            np.testing.assert_array_equal(right["stepped"][name], theta.data)


def test_attention_is_that_of_the_library():
    for given in calls_of("attention", "causal_attention"):
        right = right_results("attention", "causal_attention", given)
        Q, K, V = (sg.Tensor(given[name][None]) for name in "QKV")
        of_library = sg.scaled_dot_product_attention(Q, K, V, is_causal=True)
        np.testing.assert_allclose(right["attention"], of_library.data[0], rtol=1e-12)
        np.testing.assert_allclose(right["A"].sum(axis=1), 1, rtol=1e-12)


# The mistakes


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_reference_itself_is_right(exercise):
    students = {name: student_with(exercise, name) for name in load(exercise).TASKS}
    assert judge(exercise, students).all_right


@pytest.mark.parametrize(
    "exercise",  # AdamW is Adam with one equation more
    [pytest.param(name, marks=pytest.mark.slow) if name == "adamw" else name for name in EXERCISES],
)
def test_every_mistake_is_told_from_what_is_right_and_from_all_others(exercise):
    tasks = load(exercise).TASKS
    for name, function, result, sentence in EXPRESSIONS:
        if name == exercise:
            wrong = {result: tasks[function].mistakes[result][sentence]}
            student = student_with(exercise, function, **wrong)
            report = judge_task(function, tasks[function], student)
            said = " ".join(" ".join(report.remarks).split())
            assert f"this mistake: {sentence}." in said, f"{result}: {wrong[result]}"


def test_mistakes_are_of_results_that_there_are():
    for task in TASKS.values():
        assert set(task.mistakes) <= set(task.equations)
        assert set(task.kept) | set(task.in_place) <= set(task.arguments.split(", "))
        assert set(task.kept.values()) <= set(task.equations)


def test_there_are_hundreds_of_mistakes():
    assert len(EXPRESSIONS) > 300
