"""step() against the parameters that backward() has reached: are they those of the optimizer?"""

import copy
import gc
import pickle
import re
import threading

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from simplegrad import trained as watcher

X = np.ones((4, 3), np.float32)


@pytest.fixture(params=[optim.Adam, fast.Adam], ids=["optim", "fast"])
def adam(request):
    return request.param


def leaf(data=(1.0, 2.0)):
    return sg.Tensor(data, requires_grad=True)


class Net(nn.Module):
    """A body and, unless it is told otherwise, one head."""

    def __init__(self, heads=1, bias=True):
        self.body = nn.Linear(3, 4, bias=bias)
        self.heads = [nn.Linear(4, 2, bias=bias) for _ in range(heads)]

    def forward(self, x, head=0):
        return self.heads[head](self.body(x).tanh())


def differentiate(model, *args):
    model(X, *args).sum().backward()


def as_a_model(model):
    return {"model": model}


def as_two_groups(model):
    return {"param_groups": [{"params": model.body}, {"params": {"w": model.heads[0].weight}}]}


def as_dicts(model):
    head = model.heads[0].parameters()
    return {"param_groups": [{"params": model.body.parameters()}, {"params": head}]}


def as_one_dict(model):
    return {"param_groups": [{"params": model.parameters()}]}


GIVEN = [as_a_model, as_two_groups, as_dicts, as_one_dict]
given_in_any_way = pytest.mark.parametrize("given", GIVEN)


def trained(adam, given=as_a_model, steps=2):
    """A model and its optimizer, after some steps."""
    model = Net()
    opt = adam(**given(model))
    for _ in range(steps):
        opt.zero_grad()
        differentiate(model)
        opt.step()
    return model, opt


def step_is_refused(opt, *said):
    """`opt.step()` raises the ValueError, which has these parts, and changes nothing."""
    tensors = [t for group in opt.param_groups for t in group["params"].values()]
    data, state = [t.numpy() for t in tensors], opt.state()
    with pytest.raises(
        ValueError, match=r"which no optimizer has.* Nothing was updated\."
    ) as error:
        opt.step()
    for t, before in zip(tensors, data, strict=True):
        np.testing.assert_array_equal(t.data, before)
    np.testing.assert_equal(opt.state(), state)
    text = str(error.value)
    for part in said:
        assert part in text
    return text


# Mistakes

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "made anew": lambda model: Net(),
    "each tensor": lambda model: _with_new_tensors(model),
}


def _with_new_tensors(model):
    clone = copy.copy(model)
    clone.body, clone.heads = copy.copy(model.body), [copy.copy(head) for head in model.heads]
    for layer in (clone.body, *clone.heads):
        layer.weight, layer.bias = (leaf(t.numpy()) for t in (layer.weight, layer.bias))
    return clone


@pytest.mark.parametrize("cleared", [True, False])
@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@given_in_any_way
def test_a_model_that_is_copied_is_not_the_one_that_is_trained(given, copied, steps, cleared):
    model, opt = trained(optim.Adam, given, steps)
    model = copied(model)
    if cleared:
        opt.zero_grad()
    differentiate(model)
    step_is_refused(opt)
    differentiate(model)
    step_is_refused(opt)  # and still


def test_the_message_names_both_and_what_is_written_works(adam):
    model, opt = trained(adam)
    model = copy.deepcopy(model)
    differentiate(model)
    text = step_is_refused(
        opt,
        "step() has no new gradient for 'body.weight' of group 'default', 'body.bias' of group ",
        f"and 1 more, but backward() gave one to {model.body.weight!r}, ",
        "which no optimizer has. A part of the model was replaced after its optimizer was made, ",
    )
    old_opt = opt
    write = re.search(r"Write opt = (Adam\(model=model\)) with .*, and (opt\.load_.*?) to", text)
    opt = eval(write[1], {"Adam": adam, "model": model})
    eval(write[2], {"opt": opt, "old_opt": old_opt})
    opt.step()
    assert opt.step_count == 3


@pytest.mark.parametrize("outputs", [2, 5])
@pytest.mark.parametrize("given", [as_a_model, as_dicts, as_one_dict])
def test_a_head_that_is_replaced_is_seen(adam, given, outputs):
    for steps in (0, 2):
        model, opt = trained(adam, given, steps)
        model.heads[0] = nn.Linear(4, outputs)
        opt.zero_grad()
        differentiate(model)
        names = "'heads.0.weight', 'heads.0.bias' of the model as it is now, which no optimizer has"
        names = names if given is as_a_model else repr(model.heads[0].weight)
        text = step_is_refused(opt, f"backward() gave one to {names}")
        call = re.search(r"or (opt\.add_param_group\(.*\)) for what is new", text)[1]
        eval(call.replace("model.head", "model.heads[0]"), {"opt": opt, "model": model})
        opt.step()


def thawed(model):
    model.body.weight.requires_grad = True
    return {"w": model.body.weight}


def with_a_scale(model):
    model.scale = leaf([1.0, 2.0])
    return {"w": model.scale}


ADDED = [thawed, with_a_scale]


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("losses", [1, 2])
@pytest.mark.parametrize("steps", [0, 2])
def test_a_parameter_that_comes_later_is_seen_although_none_lacks_its_gradient(
    adam, added, losses, steps
):
    """A layer that is added, or thawed, after the optimizer was made."""
    model = Net()
    model.body.weight.requires_grad = False
    opt = adam(model)
    for _ in range(steps):
        differentiate(model)
        opt.step()
        opt.zero_grad()
    new = added(model)
    (model(X) * getattr(model, "scale", 1)).sum().backward()
    for _ in range(losses - 1):
        (model.body.bias * 2).sum().backward()
    step_is_refused(opt, "added to the model, or its requires_grad was set, after its optimizer")
    opt.add_param_group({"params": new})
    before = new["w"].numpy()
    opt.step()
    assert (new["w"].data != before).all()


@pytest.mark.parametrize("added", ADDED)
def test_a_parameter_that_comes_later_may_be_another_optimizers_or_frozen(adam, added):
    model = Net()
    model.body.weight.requires_grad = False
    opt = adam(model)
    new = added(model)
    differentiate(model)
    second = adam(param_groups=[{"params": new}])
    opt.step()
    del second
    differentiate(model)
    new["w"].requires_grad = False
    opt.step()


def test_a_single_parameter_that_is_replaced_is_seen(adam):
    w = leaf()
    opt = adam(param_groups=[{"params": {"w": w}}])
    for _ in range(2):
        opt.zero_grad()
        (w**2).sum().backward()
        opt.step()
    w = leaf(w.numpy() / 2)  # and not w.data /= 2
    (w**2).sum().backward()
    step_is_refused(opt, "no new gradient for 'w' of group 'group_0'")


def test_a_copied_layer_among_others_is_seen(adam):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    opt = adam(param_groups=[{"params": model[0]}, {"params": copy.deepcopy(model[1])}])
    opt.zero_grad()
    differentiate(model)
    step_is_refused(opt, "'weight' of group 'group_1', 'bias' of group 'group_1'")


@pytest.mark.parametrize("heads", [1, 2, 5])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_copy_of_which_a_part_is_trained_is_seen(adam, heads, frozen):
    model = Net(heads)
    opt = adam(model)
    opt.zero_grad()
    model = copy.deepcopy(model)
    model.body.weight.requires_grad = model.body.bias.requires_grad = not frozen
    differentiate(model)
    step_is_refused(opt)


def test_a_replaced_head_is_seen_by_the_one_of_two_optimizers_that_had_it(adam):
    model = Net()
    body, head = adam(model.body), adam(model.heads[0])
    for step in range(3):
        if step == 2:
            model.heads[0] = nn.Linear(4, 2)
        body.zero_grad()
        head.zero_grad()
        differentiate(model)
        body.step()
        if step == 2:
            step_is_refused(head)
        else:
            head.step()


def test_a_copy_is_seen_whose_loss_is_not_the_last_that_was_differentiated(adam):
    model, opt = trained(adam)
    other, other_opt = trained(adam)
    model = copy.deepcopy(model)
    for each in (model, other):
        differentiate(each)
    step_is_refused(opt)
    other_opt.step()
    step_is_refused(opt)


def test_a_replayed_loss_of_a_copy_is_seen(adam):
    model, opt = trained(adam)
    model = copy.deepcopy(model)

    @fast.replay
    def loss_of(x):
        return model(x).sum()

    for _ in range(3):
        opt.zero_grad()
        loss_of(X).backward()
        step_is_refused(opt)


def test_gradients_that_are_missing_are_said_to_be_so_if_no_other_model_has_them(adam):
    other, gone = Net(), Net()
    differentiate(other)  # before the optimizer is made, which so has nothing to do with it
    opt = adam(Net())
    differentiate(gone)
    del gone
    with pytest.raises(ValueError, match=r"these have none: 'body\.weight' of group 'default', "):
        opt.step()


# What is no mistake


def test_a_copy_may_be_trained_by_an_optimizer_of_its_own(adam):
    model, opt = trained(adam)
    clone = copy.deepcopy(model)
    opt_2 = adam(clone)
    for _ in range(3):
        for each, its_opt in ((model, opt), (clone, opt_2)):
            its_opt.zero_grad()
            differentiate(each)
        opt.step()
        opt_2.step()
    assert opt_2.step_count == 3


@pytest.mark.parametrize("copied", [copy.deepcopy, COPIES["pickle"]])
def test_a_model_and_its_optimizer_may_be_copied_together(adam, copied):
    model, opt = trained(adam)
    model_2, opt_2 = copied((model, opt))
    for _ in range(2):
        for each, its_opt in ((model, opt), (model_2, opt_2)):
            its_opt.zero_grad()
            differentiate(each)
            its_opt.step()
    np.testing.assert_array_equal(model_2.body.weight.data, model.body.weight.data)
    model_2 = copy.deepcopy(model_2)
    differentiate(model_2)
    step_is_refused(opt_2)


def test_players_of_a_game_may_get_gradients_of_the_other_ones_loss(adam):
    generator, critic = nn.Linear(3, 3), nn.Linear(3, 1)
    opt_g, opt_c = adam(generator), adam(critic, maximize=True)
    for _ in range(4):
        opt_c.zero_grad()
        critic(generator(X).detach()).sum().backward()
        opt_c.step()
        opt_g.zero_grad()
        critic(generator(X)).sum().backward()
        opt_g.step()


@given_in_any_way
def test_a_teacher_may_get_gradients_and_a_part_of_the_student_none(adam, given):
    model = Net(heads=2)
    opt = adam(**given(model))
    teacher = copy.deepcopy(model)
    opt.zero_grad()
    for _ in range(3):
        ((model(X) - teacher(X)) ** 2).sum().backward()  # without no_grad()
        opt.step()
        opt.zero_grad()


def everyday(draw):
    """What a program may do between two steps, drawn; see `do`."""
    actions = ["head 0", "head 1", "both heads", "backward twice", "by hand", "in place by hand"]
    actions += ["input", "of a copy, by hand", "of a copy, in place", "frozen", "set free"]
    actions += ["to None", "other thread"]
    return draw(st.lists(st.sampled_from(actions), min_size=1, max_size=10))


def do(action, model, tensors):
    if action in ("head 0", "head 1"):
        differentiate(model, int(action[-1]))
    elif action == "both heads":
        (model(X).sum() + model(X, 1).sum()).backward()
    elif action == "backward twice":
        differentiate(model)
        differentiate(model)
    elif action == "by hand":
        for t in tensors:
            t.grad = np.ones(t.shape)
    elif action == "in place by hand":
        for t in tensors:
            t.grad += 1
    elif action == "input":
        model(leaf(X)).sum().backward()
    elif action.startswith("of a copy"):
        clone = copy.deepcopy(model)
        for t in clone.tensors().values():
            t.requires_grad = True
        differentiate(clone)
        for t, twin in zip(tensors, clone.tensors().values(), strict=True):
            if action.endswith("in place"):
                t.grad[...] = 0 if twin.grad is None else twin.grad  # it was cleared before
            else:
                t.grad = np.zeros(t.shape) if twin.grad is None else twin.grad
    elif action == "frozen":
        model.body.weight.requires_grad = model.heads[1].bias.requires_grad = False
    elif action == "set free":
        model.body.weight.requires_grad = model.heads[1].bias.requires_grad = True
    elif action == "other thread":
        thread = threading.Thread(target=lambda: differentiate(Net()))
        thread.start()
        thread.join()
    else:
        tensors[0].grad = None
        differentiate(model)


def test_nothing_that_a_program_may_do_every_day_is_refused(for_all):
    optimizers = st.sampled_from([optim.Adam, optim.SGD, fast.Adam])
    ways = st.sampled_from(["a model", "groups", "dicts", "two optimizers"])

    @for_all(st.composite(everyday)(), optimizers, ways)
    def check(actions, optimizer, way):
        model = Net(heads=2)
        parts = [model.body, *model.heads]
        groups = [{"params": p if way == "groups" else p.parameters()} for p in parts]
        if way == "two optimizers":
            opts = [optimizer(model.body), optimizer(param_groups=groups[1:])]
        else:
            opts = [optimizer(model) if way == "a model" else optimizer(param_groups=groups)]
        tensors = list(model.parameters().values())
        for opt in opts:
            opt.zero_grad()
        for action in actions:
            do(action, model, tensors)
            for opt in opts:
                opt.step()
                opt.zero_grad()
        assert opts[0].step_count == len(actions)


def test_heads_without_bias_may_take_turns_while_the_input_requires_gradients(adam):
    """A head's only tensor may look like an input: others of its group have got gradients."""
    model = Net(heads=2, bias=False)
    opt = adam(model)
    opt.zero_grad()
    for step in range(4):
        x = leaf(np.ones((4, 2)))  # of the shape of a head
        (model(X, step % 2) * x).sum().backward()
        opt.step()
        opt.zero_grad()


def test_what_a_program_trains_by_hand_beside_the_optimizer_is_its_own_affair(adam):
    model, scale = Net(), leaf([1.0])
    opt = adam(model)
    for _ in range(3):
        opt.zero_grad()
        (model(X) * scale).sum().backward()
        scale.data -= 0.1 * scale.grad
        scale.zero_grad()
        opt.step()


def test_a_step_without_a_new_gradient_is_one(adam):
    _, opt = trained(adam)
    opt.step()
    opt.zero_grad()
    opt.step()
    assert opt.step_count == 4


def test_a_gradient_that_was_there_before_the_optimizer_counts(adam):
    model = Net()
    differentiate(model)
    differentiate(copy.deepcopy(model))
    adam(model).step()


def test_a_result_that_was_made_a_leaf_is_trained_as_any(adam):
    with sg.no_grad():
        w = leaf() * 2
    w.requires_grad = True
    opt = adam(param_groups=[{"params": {"w": w}}])
    (w**2).sum().backward()
    opt.step()


# What watching costs


def test_no_model_and_no_optimizer_is_kept_alive():
    def mistaken():
        model, opt = trained(optim.Adam)
        model = copy.deepcopy(model)
        differentiate(model)
        with pytest.raises(ValueError, match="no optimizer has"):
            opt.step()

    gc.collect()
    gc.disable()
    try:
        counts = []
        for _ in range(4):
            mistaken()
            leaf().sum().backward()
            counts.append((len(watcher.optimizers), len(gc.get_objects())))
        assert counts[-1][0] == counts[1][0]
        assert counts[-1][1] - counts[1][1] < 20
    finally:
        gc.enable()


def test_the_leaves_are_remembered_of_few_calls_of_backward():
    for _ in range(100):
        leaf().sum().backward()
    assert len(watcher.reached.last) == 10 >= len(watcher.reached.ids)
    assert [ref() for _, refs in watcher.reached.last for ref in refs] == [None] * 10
