"""What an optimizer is given, checked: hyperparameters, groups of parameters, saved states."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from simplegrad.given import COUNT, Kinds, checked, fits
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor


def resolved(
    name: str,
    kinds: Kinds,
    defaults: dict[str, Any],
    model: Module | None,
    param_groups: Sequence[Mapping[str, Any]] | None,
) -> list[dict[str, Any]]:
    """The groups of the optimizer `name`: label, tensors by name and every hyperparameter."""
    if (model is None) == (param_groups is None):
        given = "neither" if model is None else "both"
        raise TypeError(
            f"{name} takes either model or param_groups, but got {given}. Write "
            f'{name}(model=model) or {name}(param_groups=[{{"params": model}}]).'
        )
    if model is not None:
        if not isinstance(model, Module):
            raise TypeError(
                f"{name} takes a Module as model, but got a {type(model).__name__}. Write "
                f'{name}(model=model), or {name}(param_groups=[{{"params": tensors}}]) with a '
                "dict of tensors by name."
            )
        param_groups = [{"params": model, "label": "default"}]
    if not isinstance(param_groups, list | tuple) or not param_groups:
        raise TypeError(
            f"param_groups is a list of at least one dict, but got {param_groups!r:.80}. Write "
            f'{name}(param_groups=[{{"params": model}}]).'
        )
    groups: list[dict[str, Any]] = []
    for given_group in param_groups:
        groups.append(one_more(given_group, groups, kinds, defaults))
    return groups


def one_more(
    given: Any, groups: list[dict[str, Any]], kinds: Kinds, defaults: dict[str, Any]
) -> dict[str, Any]:
    """The group that is to stand after `groups`, resolved."""
    label, params, overrides = _parts(len(groups), given)
    values = {**defaults, **checked(overrides, kinds, where=f"param_groups[{len(groups)}]")}
    group = {"label": label, "params": params, **values}
    _check_labels([*groups, group])
    _check_shared([*groups, group])
    return group


def _parts(number: int, given: Any) -> tuple[str, dict[str, Tensor], dict[str, Any]]:
    """The label, the tensors by name and the overrides of one group."""
    where = f"param_groups[{number}]"
    if not isinstance(given, Mapping) or "params" not in given:
        raise TypeError(
            f'{where} must be a dict with "params", but is {given!r:.80}. Write '
            '{"params": module, "lr": 0.001}.'
        )
    label = given.get("label", f"group_{number}")
    if not isinstance(label, str):
        raise TypeError(f'{where}: a label is a string, but got {label!r}. Write "encoder".')
    overrides = {key: value for key, value in given.items() if key not in ("params", "label")}
    return label, _tensors_by_name(given["params"], where), overrides


def _tensors_by_name(params: Any, where: str) -> dict[str, Tensor]:
    """The "params" of a group as a dict of leaves that require gradients."""
    tensors = params.parameters() if isinstance(params, Module) else params
    if not (_has_string_keys(tensors) and all(isinstance(t, Tensor) for t in tensors.values())):
        raise TypeError(
            f'{where}: "params" is a Module or a dict of tensors by name, but got {params!r:.80}. '
            'Write {"params": model} or {"params": {"w": w}}.'
        )
    if not tensors:
        raise ValueError(
            f'{where}: "params" is empty, so there is nothing to optimize. Write '
            '{"params": module} with a module whose tensors have requires_grad=True.'
        )
    for name, theta in tensors.items():
        if not theta.requires_grad:
            raise ValueError(
                f"{where}: {name!r} does not require gradients: {theta!r}. Write "
                "sg.Tensor(data, requires_grad=True), or leave it out of the group."
            )
        if theta.rule is not None:
            raise ValueError(
                f"{where}: {name!r} is a result and not a leaf, so it gets no gradient: {theta!r}. "
                "Write sg.Tensor(t, requires_grad=True) to optimize a copy of its data."
            )
    return dict(tensors)


def _check_labels(groups: list[dict[str, Any]]) -> None:
    labels = [group["label"] for group in groups]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(
                f"two groups have the label {label!r}, so set_param and load_state could not tell "
                f'them apart. Write {{"params": ..., "label": "{label}_2"}} for one of them.'
            )


def _check_shared(groups: list[dict[str, Any]]) -> None:
    seen: dict[int, str] = {}
    for group in groups:
        for name, theta in group["params"].items():
            here = f"{name!r} of group {group['label']!r}"
            if id(theta) in seen:
                raise ValueError(
                    f"{here} and {seen[id(theta)]} are the same tensor, which would be updated "
                    "twice in a step. Write it in one group, once."
                )
            seen[id(theta)] = here


def check_eps(group: Mapping[str, Any]) -> None:
    r"""Raises a ValueError if the dtype of a parameter rounds `eps` to 0, as float16 does 1e-8.

    It also rounds $(1 - \beta_2) \, g^2$ to 0 while $g$ is small: then the step is
    $lr \, g / \epsilon$. No such $g$ is larger than the `eps` that is named, no step than `lr`.
    """
    eps, beta_2 = group["eps"], group["beta_2"]
    for name, theta in group["params"].items():
        smallest = float(np.finfo(theta.dtype).smallest_subnormal)
        if 0 < eps <= smallest / 2:
            fits = max(1e-8, 10.0 ** math.ceil(math.log10(math.sqrt(smallest / (1 - beta_2)))))
            raise ValueError(
                f"eps={eps} is rounded to 0 in {theta.dtype}, the dtype of {name!r} of group "
                f"{group['label']!r}, and where a gradient is small, the step would be divided by "
                f"0. Write eps={fits}, or eps=0 if that is meant."
            )


def check_gradients(groups: list[dict[str, Any]]) -> None:
    """Raises a ValueError that names the parameters without a gradient, if there are any."""
    missing = [
        (g, name)
        for g in groups
        for name, t in g["params"].items()
        if t.grad is None and t.requires_grad
    ]
    if missing:
        names = ", ".join(f"{name!r} of group {group['label']!r}" for group, name in missing)
        raise ValueError(
            f"step() needs the gradient of every parameter, but these have none: {names}. Call "
            "loss.backward() first, with a loss that depends on them."
        )


def in_order(groups: list[dict[str, Any]]) -> list[int]:
    """The places of the groups in the order in which `state()` lists them.

    It is their own, but for `_twins`: these trade places until they stand in the order of creation.
    """
    places = list(range(len(groups)))
    for twins in _twins(groups):
        for place, twin in zip(sorted(twins), twins, strict=True):
            places[place] = twin
    return places


def _twins(groups: list[dict[str, Any]]) -> list[list[int]]:
    """The places of groups that only the order of creation of their tensors tells apart, in it.

    Their labels count them, as labels do that are not given, and their names, shapes and dtypes
    agree. A program that makes its model in the same way has them in the same order.
    """
    alike: dict[Any, list[int]] = {}
    for place, group in enumerate(groups):
        if group["label"] == f"group_{place}":
            looks = frozenset((name, t.shape, t.dtype) for name, t in group["params"].items())
            alike.setdefault(looks, []).append(place)
    ages = [min(t.index for t in group["params"].values()) for group in groups]
    return [sorted(places, key=ages.__getitem__) for places in alike.values()]


def _check_order(groups: list[dict[str, Any]], loaded: list[str]) -> None:
    """Raises a ValueError if groups without labels are not in the order of what is loaded."""
    for twins in _twins(groups):
        labels = [groups[place]["label"] for place in twins]
        if labels != [label for label in loaded if label in labels]:
            raise ValueError(
                f"the groups {', '.join(sorted(labels))} have no labels of their own and tensors "
                "of the same names and shapes, and they are in another order than in what is "
                "loaded: each would get the moments of another. Nothing was changed. Give them in "
                "the order in which they were saved, or save and load them with labels: write "
                '{"params": model.encoder, "label": "encoder"}, {"params": model.decoder, "label": '
                '"decoder"}.'
            )


def check_state(
    state: Any, groups: list[dict[str, Any]], kinds: Kinds, slots: Sequence[str]
) -> list[dict[str, Any]]:
    """The groups of a `state()` in the order of `groups`, each value checked."""
    _check_layout(state, slots)
    count = state["step_count"]
    if not (fits(COUNT, count) and count < 2**53):  # a float holds no larger one
        raise ValueError(
            f"step_count must be an int of at least 0, but got {count!r:.80}. It ends at 2**53. "
            "Nothing was changed. Write opt.load_state(other_opt.state())."
        )
    labels = [group["label"] for group in groups]
    check_same(
        "the labels of the groups", labels, [entry["label"] for entry in state["param_groups"]]
    )
    _check_order(groups, [entry["label"] for entry in state["param_groups"]])
    by_label = {entry["label"]: dict(entry) for entry in state["param_groups"]}
    entries = []
    for group in groups:
        where, entry = f"group {group['label']!r}", by_label[group["label"]]
        check_same(f"the keys of {where}", ["label", *kinds, *slots], entry)
        entry |= checked({key: entry[key] for key in kinds}, kinds, where)
        for slot in slots:
            check_same(f"the names in {slot!r} of {where}", group["params"], entry[slot])
            for name, theta in group["params"].items():
                check_array(f"{slot!r} of {name!r}", entry[slot][name], theta)
        entries.append(entry)
    return entries


def _check_layout(state: Any, slots: Sequence[str]) -> None:
    """Raises a TypeError if `state` is not nested as `state()` nests it."""
    if _has_string_keys(state) and set(state) == {"step_count", "param_groups"}:
        entries = state["param_groups"]
        if isinstance(entries, list | tuple) and all(
            _has_string_keys(entry)
            and isinstance(entry.get("label"), str)
            and all(_has_string_keys(entry.get(slot, {})) for slot in slots)
            for entry in entries
        ):
            return
    raise TypeError(
        'load_state takes a dict with "step_count" and "param_groups", as state() returns, '
        f"but got {state!r:.80}. Nothing was changed. Write opt.load_state(other_opt.state())."
    )


def _has_string_keys(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def check_same(what: str, expected: Iterable[str], given: Iterable[str]) -> None:
    """Raises a ValueError if these are not the same names, in any order."""
    expected, given = sorted(expected), sorted(given)
    if expected != given:
        raise _not_as_saved(what, ", ".join(expected), ", ".join(given))


def check_array(what: str, array: Any, theta: Tensor) -> None:
    """Raises a ValueError if `array` has not the shape and dtype of the parameter.

    The order of the bytes may be another: it is that of the machine that wrote a file.
    """
    if not isinstance(array, np.ndarray | np.generic):
        raise _not_as_saved(what, "an array", f"a {type(array).__name__}")
    native = [a.dtype.newbyteorder("=") for a in (array, theta)]
    if array.shape != theta.shape or native[0] != native[1]:
        shape_and_dtype = f"shape {array.shape} and {array.dtype}"
        raise _not_as_saved(what, f"of shape {theta.shape} and {theta.dtype}", shape_and_dtype)


def _not_as_saved(what: str, expected: str, given: str) -> ValueError:
    return ValueError(
        f"{what} must be {expected}, but what is loaded has {given}. Nothing was changed. Load "
        "into a model and an optimizer made as those that were saved."
    )
