"""A whole training step, replayed: the same bits as without replay, step after step."""

import contextlib
import copy
import functools
import random
import warnings

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad.fast.in_place import InPlace
from simplegrad.fast.recording import NotReplayable
from tests.helpers.oracles import same_bits
from tests.helpers.work import traced_by

OPTIMIZERS = {
    "Adam": fast.Adam,
    "Adam, maximize": functools.partial(fast.Adam, maximize=True, beta_1=0.5),
    "AdamW": fast.AdamW,
    "SGD": fast.SGD,
    "SGD with momentum": functools.partial(fast.SGD, momentum=0.9, weight_decay=0.01),
    "SGD, Nesterov": functools.partial(fast.SGD, momentum=0.9, nesterov=True),
    "RMSProp": fast.RMSProp,
}


def numbers(shape, seed, dtype=np.float32):
    return np.asarray(np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def classes(n, size, seed):
    return np.random.default_rng(seed).integers(0, n, size)


def batch(call, n=6):
    return numbers((n, 5), call), classes(3, n, call)


def net(p=0.0):
    layers = [nn.Linear(5, 7), nn.Tanh(), nn.Dropout(p), nn.Linear(7, 3)]
    return nn.Sequential(*layers)


class Work:
    """What is trained, and how: a model, an optimizer, and the function of one step."""

    def __init__(self, model, opt, step, schedule=None):
        self.model, self.opt, self.step, self.schedule = model, opt, step, schedule

    def facts(self):
        """All that a step may change."""
        tensors = self.model.tensors() if isinstance(self.model, nn.Module) else self.model
        facts = {name: t.numpy() for name, t in tensors.items()}
        facts |= {
            f"{n}.grad": None if t.grad is None else t.grad.copy() for n, t in tensors.items()
        }
        facts["generator"] = sg.generator().bit_generator.state
        if self.opt is not None:
            facts["optimizer"] = copy.deepcopy(self.opt.state())
            facts["steps"] = self.opt.step_count
        return facts


def equal(a, b):
    if isinstance(a, sg.Tensor) and isinstance(b, sg.Tensor):
        return same_bits(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bits(a, b)
    if isinstance(b, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in b)
    if isinstance(b, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return a == b


def difference(a, b):
    return [key for key in b if not equal(a[key], b[key])]


def history(make, wrap, calls, actions, args):
    """What each call gives and leaves; None in place of that, from a refusal on."""
    sg.manual_seed(0)
    work = make()
    work.step = wrap(work.step)
    found = []
    for call in range(calls):
        for action in actions.get(call, ()):
            with contextlib.suppress(ValueError):  # as of a step without gradients
                action(work)
        before = work.facts()
        try:
            result = work.step(*args(call))
        except NotReplayable as error:
            assert len(str(error)) > 60, f"says too little: {error}"  # noqa: PT017
            assert not (changed := difference(work.facts(), before)), f"a refusal changes {changed}"
            with pytest.raises((NotReplayable, ValueError)):  # a refusal is final
                work.step(*args(call))
            assert not (changed := difference(work.facts(), before)), f"a refusal changes {changed}"
            return [*found, str(error)]
        except Exception as error:
            facts = {"error": type(error), "message": str(error)}
        else:
            several = result if isinstance(result, list | tuple) else [result]
            facts = {f"result {i}": r for i, r in enumerate(several)}
            facts = {k: v.numpy() if isinstance(v, sg.Tensor) else v for k, v in facts.items()}
        found.append(facts | work.facts())
    return found


def right_or_refused(make, calls=6, actions=None, args=batch):
    expected = history(make, functools.partial(fast.replay, eager=True), calls, actions or {}, args)
    actual = history(make, fast.replay, calls, actions or {}, args)
    for call, (a, b) in enumerate(zip(actual, expected, strict=False)):
        if isinstance(a, str):
            return f"refused in call {call}: {a}"
        assert list(a) == list(b), (
            f"call {call}: {a.get('error')} {a.get('message')}, not {list(b)}"
        )
        if wrong := difference(a, b):
            key = wrong[0]
            raise AssertionError(f"call {call}: {wrong} differ: {key} is {a[key]}, not {b[key]}")
    return "right"


def assert_right(*args, **kwargs):
    assert right_or_refused(*args, **kwargs) == "right"


def stepping(optimizer, zero="first", p=0.0, **options):
    """A step as people write it."""

    def make():
        model = net(p)
        opt = optimizer(model, **options)

        def zero_first(x, y):
            opt.zero_grad()
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        def zero_last(x, y):
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            return loss

        def zero_between(x, y):
            loss = sg.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        def never(x, y):
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        def to_none(x, y):
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            for theta in model.parameters().values():
                theta.grad = None
            return loss

        def each_to_none_first(x, y):
            for theta in model.parameters().values():
                theta.grad = None
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        steps = {
            "first": zero_first,
            "last": zero_last,
            "between": zero_between,
            "never": never,
            "to None": to_none,
            "to None first": each_to_none_first,
        }
        return Work(model, opt, steps[zero])

    return make


# What a step is made of


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("zero", ["first", "last", "between", "never", "to None", "to None first"])
def test_each_optimizer_and_each_place_of_zero_grad(optimizer, zero):
    assert_right(stepping(OPTIMIZERS[optimizer], zero, lr=0.05))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_is_as_the_optimizer_of_the_equations_does(optimizer):
    plain = {fast.Adam: optim.Adam, fast.AdamW: optim.AdamW, fast.SGD: optim.SGD}
    plain[fast.RMSProp] = optim.RMSProp
    given = OPTIMIZERS[optimizer]
    cls, options = getattr(given, "func", given), getattr(given, "keywords", {})
    expected = history(stepping(plain[cls], lr=0.05, **options), lambda f: _eager(f), 30, {}, batch)
    actual = history(stepping(cls, lr=0.05, **options), fast.replay, 30, {}, batch)
    for a, b in zip(actual, expected, strict=True):
        assert not difference(a, b)


def _eager(function):
    return fast.replay(function, eager=True)


def test_a_whole_step_is_replayed():
    work = stepping(fast.Adam)()
    step, runs = fast.replay(work.step), 0

    def count(frame, event, arg):
        nonlocal runs
        runs += frame.f_code is work.step.__code__

    with traced_by(count):
        for call in range(5):
            step(*batch(call))
    assert runs == 2  # when there are no gradients yet, and when there are
    assert work.opt.step_count == 5


def test_how_many_are_right_is_returned_beside_the_loss():
    def run(wrap):
        sg.manual_seed(0)
        model = net()
        opt = fast.Adam(model)

        @wrap
        def step(x, y):
            logits = model(x)
            loss = sg.cross_entropy(logits, y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            is_right = logits.data.argmax(axis=1) == y.data
            return loss, is_right.mean(), is_right.sum()

        steps = [step(*map(sg.tensor.as_tensor, batch(call))) for call in range(4)]
        return [(loss.item(), float(share), int(count)) for loss, share, count in steps]

    assert run(fast.replay) == run(lambda step: step)


def test_dropout_draws_anew():
    assert_right(stepping(fast.Adam, p=0.4), calls=10)


def test_several_epochs_of_batches_of_two_shapes():
    assert_right(stepping(fast.Adam), calls=12, args=lambda call: batch(call, 6 if call % 3 else 4))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_groups(optimizer):
    def make():
        model = net()
        groups = [
            {"params": model.layers[0], "lr": 0.1, "label": "a"},
            {"params": model.layers[3], "label": "b"},
        ]
        opt = OPTIMIZERS[optimizer](param_groups=groups, lr=0.02)

        def step(x, y):
            opt.zero_grad()
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        return Work(model, opt, step)

    rate = {3: [lambda work: work.opt.set_param("lr", 0.3, group="b")]}
    assert_right(make, actions=rate)


def test_two_optimizers():
    def make():
        model = net()
        one, two = fast.Adam(model.layers[0]), fast.SGD(model.layers[3], lr=0.1)

        def step(x, y):
            one.zero_grad()
            two.zero_grad()
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            one.step()
            two.step()
            return loss

        return Work(model, one, step)

    assert_right(make)


def test_the_mean_of_a_linear_layer():
    def make():
        w = sg.Tensor(numbers((5, 1), 1), requires_grad=True)
        opt = fast.SGD(param_groups=[{"params": {"w": w}}], lr=0.1)

        def step(x, y):
            opt.zero_grad()
            loss = (x @ w).mean()
            loss.backward()
            opt.step()
            return loss

        return Work({"w": w}, opt, step)

    assert_right(make)


def test_a_product_with_every_other_column_of_a_constant():
    wide = numbers((5, 80), 1)

    def make():
        w = sg.Tensor(numbers((40, 3), 1), requires_grad=True)

        def step(x, y):
            loss = sg.cross_entropy(sg.Tensor(x.data @ wide[:, ::2]) @ w, y)
            loss.backward()
            return loss

        return Work({"w": w}, None, step)

    assert_right(make)


def test_one_step_for_two_losses_in_turns():
    def make():
        model, critic = net(), nn.Linear(3, 1)
        one, two = fast.Adam(model, lr=0.01), fast.Adam(critic, lr=0.01)

        def step(x, y):
            two.zero_grad()
            d_loss = (critic(model(x).detach()) ** 2).mean()
            d_loss.backward()
            two.step()
            one.zero_grad()
            g_loss = critic(model(x)).mean()
            g_loss.backward()
            one.step()
            return d_loss, g_loss

        return Work(nn.Sequential(model, critic), one, step)

    right_or_refused(make)


def test_several_steps_in_one_function():
    def make():
        model = net()
        opt = fast.Adam(model, lr=0.05)

        def step(x, y):
            losses = []
            for _ in range(3):
                opt.zero_grad()
                loss = sg.cross_entropy(model(x), y)
                loss.backward()
                opt.step()
                losses.append(loss)
            return losses

        return Work(model, opt, step)

    assert_right(make)


def test_gradients_of_several_batches_are_accumulated():
    def make():
        model = net()
        opt = fast.AdamW(model, lr=0.05)

        def step(x, y):
            opt.zero_grad()
            total = 0.0
            for i in range(3):
                loss = sg.cross_entropy(model(x[2 * i : 2 * i + 2]), y.data[2 * i : 2 * i + 2]) / 3
                loss.backward()
                total = total + loss
            opt.step()
            return total

        return Work(model, opt, step)

    assert_right(make)


@pytest.mark.parametrize("kind", ["accumulated", "stepped"])
def test_backward_in_one_function_and_the_step_in_another(kind):
    def make():
        model = net()
        opt = fast.Adam(model, lr=0.05)

        def accumulate(x, y):
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return Work(model, opt, accumulate)

    def stepped(work):
        work.opt.step()
        work.opt.zero_grad()

    def forgotten(work):
        for theta in work.model.parameters().values():
            theta.grad = None

    actions = {"stepped": {2: [stepped], 4: [stepped], 5: [forgotten], 6: [forgotten]}}
    assert_right(make, calls=8, actions=actions.get(kind))


OWN = {
    "in place": "w.data -= 0.1 * w.grad; w.zero_grad()",
    "in place by an index": "w.data[...] = w.data - 0.1 * w.grad; w.zero_grad()",
    "by np.subtract": "np.subtract(w.data, 0.1 * w.grad, out=w.data); w.zero_grad()",
    "assigned": "w.data = w.data - 0.1 * w.grad; w.zero_grad()",
    "to None": "w.data -= 0.1 * w.grad; w.grad = None",
    "filled": "w.data -= 0.1 * w.grad; w.grad.fill(0)",
    "scaled": "w.grad *= 0.5; w.data -= w.grad; w.zero_grad()",
    "clipped": "w.data -= np.clip(w.grad, -0.01, 0.01); w.zero_grad()",
    "by its sign": "w.data -= 0.01 * np.sign(w.grad); w.zero_grad()",
    "normed": "w.data -= 0.1 * w.grad / np.sqrt((w.grad * w.grad).sum() + 1e-8); w.zero_grad()",
    "with momentum": "m.data *= 0.9; m.data += w.grad; w.data -= 0.1 * m.data; w.zero_grad()",
    "without its gradient": "w.data -= 0.1; w.zero_grad()",
    "transposed": "w.data.T[...] -= 0.1 * w.grad.T; w.zero_grad()",
    "one row": "w.data[0] -= 0.1 * w.grad[0]; w.grad.fill(0)",
    "noise": "w.data -= 0.1 * w.grad + 0.01 * sg.generator().normal(size=w.shape); w.zero_grad()",
}


@pytest.mark.parametrize("name", OWN)
def test_a_step_of_ones_own(name):
    def make():
        w, m = sg.Tensor(numbers((5, 3), 1), requires_grad=True), sg.zeros((5, 3))
        names = {"w": w, "m": m, "sg": sg, "np": np, "__name__": "own"}
        source = f"loss = sg.cross_entropy((x @ w).tanh(), y); loss.backward(); {OWN[name]}"
        exec(f"def step(x, y):\n    {source}\n    return loss\n", names)
        return Work({"w": w, "m": m}, None, names["step"])

    def forget(work):
        work.model["w"].grad = None

    def fill(work):
        work.model["w"].grad = np.ones((5, 3), np.float32)

    right_or_refused(make, calls=8, actions={3: [forget], 5: [fill]})


# What changes between the steps


def scheduled(work):
    if work.schedule is None:
        work.schedule = optim.schedules.Cosine(work.opt, total_steps=9)
    else:
        work.schedule.step()


def reloaded(work):
    work.opt.load_state(copy.deepcopy(work.opt.state()))


def rolled_back(work):
    if not hasattr(work, "saved"):
        work.saved = copy.deepcopy(work.opt.state()), {k: t.numpy() for k, t in tensors_of(work)}
    else:
        state, arrays = work.saved
        work.opt.load_state(copy.deepcopy(state))
        for name, t in tensors_of(work):
            t.data = arrays[name]


def tensors_of(work):
    return work.model.tensors().items()


def first(work):
    return next(iter(work.model.tensors().values()))


def frozen(work):
    first(work).requires_grad = False


def thawed(work):
    first(work).requires_grad = True


def evaluated(work):
    work.model.eval()


def training(work):
    work.model.train()


def rate(work):
    work.opt.lr = work.opt.lr * 0.7


def decayed(work):
    key = next(k for k in ("weight_decay", "beta_2", "momentum") if k in work.opt.hyperparameters)
    work.opt.set_param(key, 0.6)


def counted_anew(work):
    work.opt.reset_step_count()


def without_gradients(work):
    for _, t in tensors_of(work):
        t.grad = None


def one_without_gradient(work):
    first(work).grad = None


def other_gradients(work):
    for _, t in tensors_of(work):
        t.grad = np.full(t.shape, 0.1, t.dtype)


def assigned(work):
    first(work).data = first(work).data * 0.5


def changed_in_place(work):
    first(work).data *= 0.5


def filled(work):
    first(work).data.fill(0.1)


def replaced(work):
    layer = work.model.layers[0]
    layer.bias = sg.zeros(layer.bias.shape, requires_grad=True, dtype=layer.bias.dtype)


def replaced_and_added(work):
    replaced(work)
    number = len(work.opt.param_groups)
    work.opt.add_param_group(
        {"params": {"bias": work.model.layers[0].bias}, "label": f"new {number}", "lr": 0.3}
    )


def a_layer_replaced(work):
    work.model.layers[1] = nn.ReLU()


def a_step_outside(work):
    x, y = batch(77)
    work.opt.zero_grad()
    sg.cross_entropy(work.model(x), y).backward()
    work.opt.step()


def gradients_outside(work):
    sg.cross_entropy(work.model(batch(78)[0]), batch(78)[1]).backward()


def zeroed_outside(work):
    work.opt.zero_grad()


def seeded(work):
    sg.manual_seed(7)


def stepped_again(work):
    work.opt.step()


def copied(work):
    copy.deepcopy(work.opt)


def looked_at(work):
    repr(work.model), repr(work.opt), [repr(t) for _, t in tensors_of(work)]


ACTIONS = [
    *(scheduled, reloaded, rolled_back, frozen, thawed, evaluated, training, rate, decayed),
    *(counted_anew, without_gradients, one_without_gradient, other_gradients, assigned),
    *(changed_in_place, filled, replaced, replaced_and_added, a_layer_replaced, a_step_outside),
    *(gradients_outside, zeroed_outside, seeded, copied, looked_at, stepped_again),
]


@pytest.mark.parametrize(
    ("zero", "optimizers"),
    [
        ("first", [fast.Adam]),
        ("never", [OPTIMIZERS["SGD with momentum"]]),
        pytest.param("last", [*OPTIMIZERS.values()], marks=pytest.mark.slow),
        pytest.param("to None", [*OPTIMIZERS.values()], marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "action",
    [pytest.param(action, id=action.__name__) for action in ACTIONS],
)
def test_what_changes_between_the_steps(action, zero, optimizers):
    for optimizer in optimizers:
        make = stepping(optimizer, zero, p=0.3, lr=0.05)
        assert_right(make, calls=7, actions={2: [action], 4: [action], 5: [action]})


def test_a_frozen_parameter_is_thawed():
    assert_right(stepping(fast.Adam), calls=9, actions={0: [frozen], 3: [thawed], 6: [frozen]})


def test_training_and_evaluation_in_turns():
    actions = {i: [evaluated if i % 2 else training] for i in range(10)}
    assert_right(stepping(fast.Adam, p=0.5), calls=10, actions=actions)


# Errors


class Stopped(Exception):
    pass


@pytest.mark.parametrize("where", ["before", "after backward", "after step", "after zero_grad"])
@pytest.mark.parametrize("when", [[0], [1], [3], [0, 1, 2], [2, 3]])
def test_an_error_halfway_is_the_functions_own(where, when):
    def make():
        model = net(0.3)
        opt = fast.Adam(model, lr=0.05)

        def stop(place, fails):
            if fails and place == where:
                raise Stopped("halfway")

        def step(x, y, fails):
            stop("before", fails)
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            stop("after backward", fails)
            opt.step()
            stop("after step", fails)
            opt.zero_grad()
            stop("after zero_grad", fails)
            return loss

        return Work(model, opt, step)

    # an error leaves the function as it is, not closed: what it had changed by then, eager has, too
    assert_right(make, args=lambda call: (*batch(call), call in when))


@pytest.mark.parametrize("when", [0, 1, 3])
def test_a_wrong_class_is_an_error_and_changes_what_eager_changes(when):
    def args(call):
        x, y = batch(call)
        return x, y + 9 * (call == when)

    for zero in "first", "last":
        assert_right(stepping(fast.Adam, zero), args=args)


@pytest.mark.parametrize("when", [0, 1, 3])
def test_a_wrong_shape_is_an_error(when):
    def args(call):
        x, y = batch(call)
        return (x[:, :4], y) if call == when else (x, y)

    assert_right(stepping(fast.Adam), args=args)


def test_a_step_without_gradients_is_an_error_each_time():
    def make():
        model = net()
        opt = fast.Adam(model)

        def step(x, y):
            opt.step()
            return sg.cross_entropy(model(x), y)

        return Work(model, opt, step)

    right_or_refused(make, actions={3: [gradients_outside]})


def test_numbers_that_overflow():
    with np.errstate(all="ignore"):
        assert_right(
            stepping(fast.Adam),
            args=lambda call: (
                batch(call)[0] * np.float32(1e38 if call == 2 else 1),
                batch(call)[1],
            ),
        )


@pytest.mark.parametrize(
    "refused",
    [
        lambda model, opt, loss: loss.item(),
        lambda model, opt, loss: float(loss),
        lambda model, opt, loss: f"{loss:.3f}",
        lambda model, opt, loss: opt.lr,
        lambda model, opt, loss: opt.set_param("lr", 0.1),
        lambda model, opt, loss: opt.state(),
        lambda model, opt, loss: loss if loss > 0 else 0,
        lambda model, opt, loss: setattr(model, "last", 1),
        lambda model, opt, loss: model.layers.append(nn.ReLU()),
        lambda model, opt, loss: sg.manual_seed(0),
        lambda model, opt, loss: {"loss": loss},
        lambda model, opt, loss: loss.data,
        lambda model, opt, loss: print(loss),
        lambda model, opt, loss: model,
        lambda model, opt, loss: model.eval() and None,
    ],
)
@pytest.mark.parametrize(
    "when", ["at the end", pytest.param("after backward", marks=pytest.mark.slow)]
)
def test_what_a_step_may_not_do_leaves_all_as_it_was(refused, when):
    def make():
        model = net(0.3)
        opt = fast.Adam(model, lr=0.05)

        def step(x, y):
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            if when == "after backward":
                refused(model, opt, loss)
            opt.step()
            opt.zero_grad()
            return refused(model, opt, loss)

        return Work(model, opt, step)

    def prepared(work):
        a_step_outside(work)

    for action in [], [prepared], [gradients_outside]:
        assert right_or_refused(make, actions={0: action}).startswith("refused in call 0")


def test_errors_that_errstate_asks_for():
    def args(call):
        x, y = batch(call)
        return x * np.float32(1e30 if call in (2, 4) else 1), y

    for zero in "first", "last", "to None":
        for p in 0.0, 0.3:
            make = stepping(fast.Adam, zero, p)

            def of_squares(make=make):
                work = make()
                model, opt, step = work.model, work.opt, work.step

                def squared(x, y):
                    loss = step(x, y)
                    return loss, (x * x).sum()

                return Work(model, opt, squared)

            with np.errstate(over="raise", invalid="raise"):
                right_or_refused(make, args=args)
                right_or_refused(of_squares, args=args)


class Counting(fast.Adam):
    """An optimizer that notes its steps."""

    noted = 0

    def step(self):
        self.noted += 1
        super().step()


def test_an_optimizer_that_does_more_in_its_step():
    def make():
        work = stepping(Counting, lr=0.1)()
        facts = work.facts
        work.facts = lambda: {**facts(), "noted": work.opt.noted}
        return work

    right_or_refused(make)


class HeavyBall(optim.Optimizer):
    """An optimizer of one's own, with an attribute of its own and one of its class."""

    slots = ("velocity",)
    nudge = 0.0

    def __init__(self, model, friction=0.1, **options):
        super().__init__(model=model, **options)
        self.friction = friction

    def update(self, theta, group, kept):
        (u,) = kept
        u = (1 - self.friction) * u - group["lr"] * theta.grad
        theta.data += u + self.nudge
        return (u,)


class InPlaceHeavyBall(InPlace, HeavyBall):
    def passes(self, group, theta, g, u, a, b):
        np.multiply(1 - self.friction, u, out=u)
        np.multiply(group["lr"], g, out=a)
        np.subtract(u, a, out=u)
        np.add(u, self.nudge, out=a)
        np.add(theta, a, out=theta)


def test_an_optimizer_of_ones_own():
    def slippery(work):
        work.opt.friction = 0.05

    def nudged(work):
        type(work.opt).nudge = 0.25

    def make():
        class Own(InPlaceHeavyBall):
            pass

        return stepping(Own, lr=0.1)()

    assert_right(make, calls=7, actions={2: [slippery], 4: [scheduled], 5: [a_step_outside]})
    assert_right(make, calls=7, actions={3: [nudged]})


@pytest.mark.parametrize("refused", ["looks at lr", "asks for a number"])
def test_passes_that_do_what_cannot_be_replayed(refused):
    class Odd(InPlaceHeavyBall):
        def passes(self, group, theta, g, u, a, b):
            if refused == "looks at lr" and group["lr"] == 0.1:
                np.multiply(group["lr"], g, out=a)
            elif refused == "asks for a number":
                np.multiply(float(group["lr"]), g, out=a)
            np.subtract(theta, a, out=theta)

    make = stepping(Odd, lr=0.1)
    assert "looks at lr" in right_or_refused(make, calls=4, actions={2: [rate]})


HYPERPARAMETERS = {
    "Adam": {"beta_1": 0.3, "beta_2": 0.4, "eps": 0.1, "maximize": True, "lr": 0.2},
    "AdamW": {"weight_decay": 0.5},
    "SGD with momentum": {
        "momentum": 0.2,
        "dampening": 0.5,
        "weight_decay": 0.3,
        "nesterov": True,
        "maximize": True,
    },
    "RMSProp": {"beta_2": 0.4, "eps": 0.1, "maximize": True},
}


@pytest.mark.parametrize(
    ("optimizer", "key"),
    [(name, key) for name, values in HYPERPARAMETERS.items() for key in values],
)
def test_a_hyperparameter_is_set(optimizer, key):
    def is_set(work):
        if key == "nesterov":
            work.opt.set_param("dampening", 0.0)
        work.opt.set_param(key, HYPERPARAMETERS[optimizer][key])

    assert_right(stepping(OPTIMIZERS[optimizer], lr=0.1), calls=7, actions={4: [is_set]})


def test_corrections_that_are_rounded_to_1():
    make = stepping(functools.partial(fast.Adam, beta_1=0.2, beta_2=0.5), lr=0.01)
    assert_right(make, calls=40, actions={30: [counted_anew]})


def test_two_optimizers_of_one_parameter_are_right_or_refused():
    def make():
        model = net()
        first, second = fast.SGD(model, lr=0.1), fast.Adam(model, lr=0.1)

        def step(x, y):
            first.zero_grad()
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            first.step()
            second.step()
            return loss

        return Work(model, first, step)

    right_or_refused(make, calls=4)


def test_a_parameter_keeps_its_order_of_memory():
    """One whose axes are neither in C nor in Fortran order; all have the same bits and strides."""
    found = []
    for optimizer in optim.Adam, fast.Adam:
        values = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2) / 7
        theta = sg.Tensor(values, requires_grad=True)
        opt = optimizer(param_groups=[{"params": {"theta": theta}}], lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            (theta**2).sum().backward()
            opt.step()
        found.append((theta.data.strides, theta.data.tobytes()))
    assert found[0] == found[1]


def test_parameters_without_elements_are_stepped():
    def make():
        model = [sg.zeros((0, 3), requires_grad=True), sg.ones(3, requires_grad=True)]
        params = {"empty": model[0], "w": model[1]}
        opt = fast.Adam(param_groups=[{"params": params}], lr=0.1)

        def step(x, y):
            loss = (model[0].sum() + model[1] * x[:3, 0]).sum()
            loss.backward()
            opt.step()
            opt.zero_grad()
            return loss

        return Work(params, opt, step)

    assert_right(make, calls=4)


@pytest.mark.parametrize("bad", [2, 4])
def test_a_wrong_class_among_computed_targets_is_an_error(bad):
    """Equal results stand for each other, and are no arguments, which are looked at first."""

    def targets(call):
        return np.full(6, 7 if call == bad else call % 2)

    def make():
        model = net()
        opt = fast.SGD(model, lr=0.1)

        def step(x, y):
            first, second = y + 1, y + 1
            loss = sg.cross_entropy(model(x), second) + 0 * first.sum()
            loss.backward()
            opt.step()
            opt.zero_grad()
            return loss

        return Work(model, opt, step)

    right_or_refused(make, calls=6, args=lambda call: (batch(call)[0], targets(call)))


@pytest.mark.parametrize("zero", ["first", "last"])
def test_a_target_that_is_no_probability_is_an_error(zero):
    def make():
        model = net()
        opt = fast.SGD(model, lr=0.1)

        def step(x, p):
            if zero == "first":
                opt.zero_grad()
            loss = sg.cross_entropy(model(x), p)
            loss.backward()
            opt.step()
            if zero == "last":
                opt.zero_grad()
            return loss

        return Work(model, opt, step)

    def args(call):
        p = np.full((6, 3), 1 / 3, np.float32)
        p[2] = [1, -1, 1] if call == 3 else [0, 0, 1]
        return batch(call)[0], p

    assert_right(make, calls=6, args=args)


# Results


@pytest.mark.parametrize(
    "kind", ["a tuple", "a list", "nested", "numbers", "parameters", "nothing"]
)
def test_what_a_step_returns(kind):
    def make():
        model = net(0.2)
        opt = fast.Adam(model, lr=0.05)
        w = model.layers[0].weight

        def step(x, y):
            opt.zero_grad()
            logits = model(x)
            loss = sg.cross_entropy(logits, y)
            loss.backward()
            opt.step()
            return {
                "a tuple": (loss, logits, logits.softmax()),
                "a list": [loss, x, logits[0]],
                "nested": (loss, (logits, [logits * 2])),
                "numbers": (loss, 3, "text", None, 0.5),
                "parameters": (loss, w, w * 2, w.detach()),
                "nothing": None,
            }[kind]

        return Work(model, opt, step)

    right_or_refused(make)


def test_results_are_the_callers():
    def run(wrap):
        work = stepping(fast.SGD, lr=0.1)()
        step = wrap(work.step)
        losses = [step(*batch(call)) for call in range(4)]
        kept = [loss.numpy() for loss in losses]
        losses[0].data[...] = 5
        step(*batch(5))
        return [*kept, *[loss.numpy() for loss in losses]]

    sg.manual_seed(0)
    expected = run(_eager)
    sg.manual_seed(0)
    assert equal(run(fast.replay), expected)


def test_the_gradient_of_a_step_may_be_kept():
    def run(wrap):
        sg.manual_seed(0)
        work = stepping(fast.SGD, "to None", lr=0.1)()

        def step(x, y):
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            return loss

        model = work.model
        replayed, kept = wrap(step), []
        for call in range(4):
            without_gradients(work)
            replayed(*batch(call))
            kept.append({name: t.grad for name, t in tensors_of(work)})
        return [{name: grad.copy() for name, grad in grads.items()} for grads in kept]

    assert equal(run(fast.replay), run(_eager))


# Sizes and dtypes


@pytest.mark.parametrize("optimizer", [fast.Adam, fast.SGD, fast.RMSProp])
@pytest.mark.parametrize("workers", [1, 2])
def test_parameters_of_more_than_one_block(optimizer, workers):
    def make():
        w = sg.Tensor(numbers((300, 700), 1), requires_grad=True)
        b = sg.Tensor(numbers(700, 2), requires_grad=True)
        opt = optimizer(param_groups=[{"params": {"w": w, "b": b}}], lr=0.01, workers=workers)

        def step(x):
            opt.zero_grad()
            loss = ((x @ w + b).tanh() ** 2).mean()
            loss.backward()
            opt.step()
            return loss

        return Work({"w": w, "b": b}, opt, step)

    def other(work):
        work.model["w"].data = work.model["w"].data[::-1]

    def without(work):
        work.model["w"].grad = None

    right = assert_right if workers == 1 else right_or_refused
    right(make, args=lambda call: (numbers((4, 300), call),), actions={3: [other], 4: [without]})


@pytest.mark.parametrize("zero", ["first", "last", "to None"])
def test_large_parameters_whose_gradients_come_and_go(zero):
    def make():
        w = sg.Tensor(numbers((300, 300), 1), requires_grad=True)
        opt = fast.Adam(param_groups=[{"params": {"w": w}}], lr=0.01)

        def step(x):
            if zero == "first":
                opt.zero_grad()
            loss = ((x @ w).tanh() ** 2).mean()
            loss.backward()
            opt.step()
            if zero == "last":
                opt.zero_grad()
            if zero == "to None":
                w.grad = None
            return loss

        return Work({"w": w}, opt, step)

    def without(work):
        work.model["w"].grad = None

    def other(work):
        work.model["w"].grad = np.ones((300, 300), np.float32)

    def fortran(work):
        work.model["w"].grad = np.asfortranarray(numbers((300, 300), 3))

    actions = {2: [without], 4: [other], 6: [fortran]}
    assert_right(make, calls=8, args=lambda call: (numbers((4, 300), call),), actions=actions)


def test_a_large_parameter_beside_small_ones_of_another_dtype():
    def make():
        w = sg.Tensor(numbers((300, 300), 1), requires_grad=True)
        b = sg.Tensor(numbers(300, 2, np.float64), requires_grad=True)
        c = sg.Tensor(numbers((1, 300), 3), requires_grad=True)
        opt = fast.AdamW(param_groups=[{"params": {"w": w, "b": b, "c": c}}], lr=0.01)

        def step(x):
            opt.zero_grad()
            loss = (((x + c) @ w + b).tanh() ** 2).mean()
            loss.backward()
            opt.step()
            return loss

        return Work({"w": w, "b": b, "c": c}, opt, step)

    assert_right(make, args=lambda call: (numbers((4, 300), call),))


@pytest.mark.parametrize("layout", ["C", "F"])
def test_float64_and_fortran_order(layout):
    def make():
        w = sg.Tensor(np.array(numbers((5, 7), 1, np.float64), order=layout), requires_grad=True)
        opt = fast.Adam(param_groups=[{"params": {"w": w}}], lr=0.01)

        def step(x):
            opt.zero_grad()
            loss = ((x @ w).tanh() ** 2).mean()
            loss.backward()
            opt.step()
            return loss

        return Work({"w": w}, opt, step)

    assert_right(
        make, args=lambda call: (numbers((4, 5), call, [np.float32, np.float64][call % 2]),)
    )


# Layers with a state


class BatchNorm(nn.Module):
    """Normalizes by the batch, and keeps the means of what it has seen in tensors."""

    def __init__(self, n, how="in place"):
        self.weight = sg.ones(n, requires_grad=True)
        self.running_mean = sg.zeros(n)
        self.how = how

    def forward(self, x):
        if not self.training:
            return (x - self.running_mean) * self.weight
        mean = x.mean(axis=0)
        if self.how == "in place":
            self.running_mean.data *= 0.9
            self.running_mean.data += 0.1 * mean.data
        elif self.how == "by an index":
            self.running_mean.data[...] = 0.9 * self.running_mean.data + 0.1 * mean.data
        else:
            self.running_mean.data = 0.9 * self.running_mean.data + 0.1 * mean.data
        return (x - mean) / (x.var(axis=0) + 1e-5).sqrt() * self.weight


class AssigningBatchNorm(BatchNorm):
    """The same, with another tensor each time."""

    def forward(self, x):
        mean = x.mean(axis=0)
        self.running_mean = 0.9 * self.running_mean + 0.1 * mean.detach()
        return (x - mean) / (x.var(axis=0) + 1e-5).sqrt() * self.weight


@pytest.mark.parametrize("how", ["in place", "by an index", "assigned data", "assigned attribute"])
def test_batch_statistics(how):
    def make():
        norm = AssigningBatchNorm if how == "assigned attribute" else BatchNorm
        model = nn.Sequential(nn.Linear(5, 7), norm(7, how), nn.Linear(7, 3))
        opt = fast.Adam(model, lr=0.05)

        def step(x, y):
            opt.zero_grad()
            loss = sg.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        return Work(model, opt, step)

    result = right_or_refused(make, calls=8, actions={3: [evaluated], 5: [training]})
    assert (result == "right") == (how in ("in place", "by an index"))


def test_batch_statistics_and_a_backward_outside():
    def run(wrap):
        sg.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 7), BatchNorm(7), nn.Linear(7, 3))
        loss_of, facts = wrap(lambda x, y: sg.cross_entropy(model(x), y)), []
        for call in range(5):
            loss = loss_of(*batch(call))
            loss.backward()
            facts.append([loss.numpy(), *[t.numpy() for t in model.tensors().values()]])
            facts.append([t.grad.copy() for t in model.parameters().values()])
        return facts

    assert equal(run(fast.replay), run(_eager))


# Drawn training functions


def drawn(seed):
    """A training function, what happens between its calls, and its arguments."""
    r = random.Random(seed)
    dtype = r.choice([np.float32, np.float32, np.float64])
    sizes = [5, *[r.randint(2, 6) for _ in range(r.randint(0, 2))], 3]
    kinds = [r.choice([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU]) for _ in sizes]
    extras = [r.choice([None, None, "dropout", "norm", "batch"]) for _ in sizes]
    loss_kind = r.choice(["cross_entropy", "mse", "own", "logsumexp"])
    optimizer = r.choice([*OPTIMIZERS.values()])
    zero = r.choice(["first", "last", "between", "never", "to None"])
    parts = r.choice([1, 1, 2, 3])
    steps = r.choice([1, 1, 1, 2])
    returned = r.choice(["loss", "loss", "tuple", "nothing"])
    penalty, clip, noise, failing = (r.random() < p for p in (0.3, 0.2, 0.15, 0.15))
    two_groups, own_step = r.random() < 0.25, r.random() < 0.15
    calls = r.randint(4, 7)
    actions = {
        call: [r.choice(ACTIONS) for _ in range(r.choice([1, 1, 2]))]
        for call in range(calls)
        if r.random() < 0.4
    }
    shapes = [r.choice([6, 6, 6, 12]) for _ in range(calls)]

    def make():
        layers = []
        for a, b, kind, extra in zip(sizes[:-1], sizes[1:], kinds, extras, strict=False):
            layers += [nn.Linear(a, b), kind()]
            if extra == "dropout":
                layers.append(nn.Dropout(0.3))
            elif extra == "norm":
                layers.append(nn.LayerNorm(b))
            elif extra == "batch":
                layers.append(BatchNorm(b))
        model = nn.Sequential(*layers)
        for t in model.tensors().values():
            t._data = t._data.astype(dtype)
        parameters = model.parameters()
        if two_groups:
            names = [*parameters]
            groups = [
                {"params": {n: parameters[n] for n in names[::2]}, "lr": 0.03},
                {"params": {n: parameters[n] for n in names[1::2]}},
            ]
            opt = optimizer(param_groups=groups, lr=0.05)
        else:
            opt = optimizer(model, lr=0.05)

        def loss_of(x, y):
            out = model(x)
            if noise:
                out = out + sg.generator().normal(size=out.shape) * 0.01
            if loss_kind == "cross_entropy":
                loss = sg.cross_entropy(out, y)
            elif loss_kind == "mse":
                loss = sg.mse_loss(out, x[:, :3])
            elif loss_kind == "own":
                loss = sg.where(out > 0, out * out, sg.abs(out)).mean() + out.max(axis=1).sum()
            else:
                loss = out.logsumexp(axis=1).mean() - sg.concatenate([out, out * 2]).min()
            if penalty:
                loss = loss + sum((t * t).sum() for t in model.parameters().values()) * 0.01
            return loss, out

        def step(x, y, fails):
            for _ in range(steps):
                if zero == "first":
                    opt.zero_grad()
                for part in range(parts):
                    n = len(x) // parts
                    rows = slice(part * n, (part + 1) * n)
                    loss, out = loss_of(x[rows], y.data[rows])
                    if zero == "between" and part == 0:
                        opt.zero_grad()
                    (loss / parts).backward()
                if fails:
                    raise Stopped("halfway")
                if clip:
                    nn.clip_grad_norm(model, 0.5)
                if own_step:
                    for t in model.parameters().values():
                        t.data -= 0.01 * t.grad
                else:
                    opt.step()
                if zero == "last":
                    opt.zero_grad()
                elif zero == "to None":
                    for t in model.parameters().values():
                        t.grad = None
            if returned == "nothing":
                return None
            return loss if returned == "loss" else (loss, out, out.argmax(axis=1) * 1.0)[:2]

        return Work(model, opt, step)

    def args(call):
        x, y = batch(call + 100 * seed, shapes[call])
        return x.astype(dtype), y, failing and call == calls - 2

    return make, calls, actions, args


def check_drawn(seed):
    make, calls, actions, args = drawn(seed)
    try:
        return right_or_refused(make, calls, actions, args)
    except AssertionError as error:
        raise AssertionError(f"function {seed}, {actions}: {error}") from error


@pytest.mark.parametrize("examples", [15, pytest.param(400, marks=pytest.mark.slow)])
def test_drawn_training_functions(examples):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        results = [check_drawn(seed) for seed in range(examples)]
    assert results.count("right") > 0.7 * examples


@pytest.mark.parametrize("name", ["0.weight", "a b", "class", "np", "ä", "", "check", "x"])
def test_parameters_may_be_called_anything(name):
    def make():
        w = sg.Tensor(numbers((5, 3), 1), requires_grad=True, name=name)
        opt = fast.Adam(param_groups=[{"params": {name: w}, "label": "1 group"}], lr=0.1)

        def step(x, y):
            opt.zero_grad()
            loss = sg.cross_entropy(x @ w, y)
            loss.backward()
            opt.step()
            return loss

        return Work({"w": w}, opt, step)

    assert_right(make)
