"""Optimizer: what all of them share: groups of parameters, checks, and the state to resume from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor


class Kind(NamedTuple):
    """What a hyperparameter may be."""

    types: tuple[type, ...]
    holds: Callable[[Any], bool]
    allowed: str
    example: float | bool


NUMBERS = (int, float, np.integer, np.floating)
BOOLS = (bool, np.bool_)
Arrays: TypeAlias = tuple[np.ndarray, ...]

NON_NEGATIVE = Kind(
    NUMBERS, lambda x: 0 <= x < math.inf, "a finite number of at least 0", example=0.001
)
FRACTION = Kind(NUMBERS, lambda x: 0 <= x < 1, "a number of at least 0 and below 1", example=0.9)
FLAG = Kind(BOOLS, lambda x: True, "True or False", example=True)


class Optimizer:
    """The base of the optimizers: a subclass adds its hyperparameters and its update.

    Args:
        lr: The learning rate.
        model: The module whose parameters are optimized, in one group labelled "default".
        param_groups: In place of `model`, a list of dicts, each with "params" (a Module or a dict
            of tensors by name), hyperparameters that this group overrides, and a "label" if it is
            to be other than "group_0", "group_1", ….
        defaults: The other hyperparameters.

    Attributes:
        step_count: How many steps were taken; one counter for all groups.
        param_groups: A list of dicts, one a group, with "label", "params" (tensors by name) and
            every hyperparameter.

    Raises:
        TypeError: A value is of the wrong type, or there is not exactly one of `model` and
            `param_groups`.
        ValueError: A hyperparameter is out of range or unknown, a group is empty, a label comes
            twice, or a tensor comes twice or requires no gradient.

    Example:
        >>> class SignDescent(optim.Optimizer):
        ...     def update(self, theta, group, kept):
        ...         theta.data -= group["lr"] * np.sign(theta.grad)
        ...         return kept
        >>> w = sg.Tensor([1.0], requires_grad=True)
        >>> opt = SignDescent(lr=0.1, param_groups=[{"params": {"w": w}}])
        >>> (w**2).sum().backward()
        >>> opt.step()
        >>> w.numpy()
        array([0.9], dtype=float32)
    """

    hyperparameters: ClassVar[dict[str, Kind]] = {"lr": NON_NEGATIVE}
    """The hyperparameters by name, and what each may be."""

    slots: ClassVar[tuple[str, ...]] = ()
    """What is kept for each parameter from step to step, by its name in `state()`."""

    def __init__(
        self,
        lr: float,
        model: Module | None = None,
        param_groups: Sequence[Mapping[str, Any]] | None = None,
        **defaults: Any,
    ) -> None:
        defaults = self._checked({"lr": lr, **defaults}, where=type(self).__name__)
        self.step_count = 0
        self.param_groups = self._resolved(model, param_groups, defaults)
        self._lr = defaults["lr"]
        self._kept = [
            {name: self._zeros(theta) for name, theta in group["params"].items()}
            for group in self.param_groups
        ]

    def update(self, theta: Tensor, group: dict[str, Any], kept: Arrays) -> Arrays:
        """Changes one parameter by its gradient; subclasses define it.

        Args:
            theta: The parameter.
            group: Its group, with the hyperparameters.
            kept: What the last step returned, one array for each of `slots`; zeros at first.

        Returns:
            What the next step is to be given.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no update. Write a method update(self, theta, group) that "
            'changes theta, as theta.data -= group["lr"] * theta.grad, and returns ().'
        )

    def step(self) -> None:
        """Updates every parameter from its gradient.

        Raises:
            ValueError: A parameter has no gradient. Nothing has been updated then.

        Example:
            >>> model = nn.Linear(2, 1)
            >>> opt = optim.SGD(model, lr=0.1)
            >>> model([1.0, 2.0]).sum().backward()
            >>> opt.step()
            >>> opt.step_count
            1
        """
        self._check_gradients()
        self.step_count += 1
        for group, kept in zip(self.param_groups, self._kept, strict=True):
            for name, theta in group["params"].items():
                kept[name] = self.update(theta, group, kept[name])

    def zero_grad(self) -> None:
        """Fills the gradients of all parameters with zeros, in place where they exist.

        Example:
            >>> model = nn.Linear(2, 1)
            >>> optim.SGD(model).zero_grad()
            >>> model.bias.grad
            array([0.], dtype=float32)
        """
        for group in self.param_groups:
            for theta in group["params"].values():
                theta.zero_grad()

    def reset_step_count(self) -> None:
        """Starts counting steps from 0 again: the next is t = 1. What the slots hold stays.

        Example:
            >>> opt = optim.Adam(nn.Linear(2, 1))
            >>> opt.reset_step_count()
            >>> opt.step_count
            0
        """
        self.step_count = 0

    @property
    def lr(self) -> float:
        """The learning rate that groups do not override. Assigning sets it in all groups."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.set_param("lr", value)

    def set_param(self, key: str, value: float | bool, group: str | None = None) -> None:
        """Sets a hyperparameter of one group, or of all.

        Args:
            key: The name of the hyperparameter.
            value: The new value.
            group: The label of the group; all groups if not given.

        Raises:
            KeyError: There is no such hyperparameter or group.
            ValueError: The value is out of range.
            TypeError: The value is of the wrong type.

        Example:
            >>> opt = optim.Adam(model=nn.Linear(2, 1))
            >>> opt.set_param("lr", 0.01)
            >>> opt.lr
            0.01
        """
        if key not in self.hyperparameters:
            raise KeyError(
                f"{type(self).__name__} has no hyperparameter {key!r}, but "
                f"{', '.join(self.hyperparameters)}. Write opt.set_param('lr', 0.001)."
            )
        labels = [g["label"] for g in self.param_groups]
        if group is not None and group not in labels:
            raise KeyError(
                f"this {type(self).__name__} has no group {group!r}, but {', '.join(labels)}. "
                f"Write opt.set_param({key!r}, {value!r}, group={labels[0]!r})."
            )
        value = self._checked({key: value}, where="set_param")[key]
        for g in self.param_groups:
            if group is None or g["label"] == group:
                g[key] = value
        if key == "lr" and group is None:
            self._lr = value

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to resume exactly, the parameters themselves aside.

        Returns:
            {"step_count", "param_groups"}: each group with "label", its hyperparameters and, for
            each of `slots`, a dict of copied arrays by the name of the parameter.

        Example:
            >>> state = optim.Adam(nn.Linear(2, 1), lr=0.1).state()
            >>> state["step_count"], state["param_groups"][0]["lr"]
            (0, 0.1)
            >>> state["param_groups"][0]["moments1"]["bias"]
            array([0.], dtype=float32)
        """
        groups = []
        for group, kept in zip(self.param_groups, self._kept, strict=True):
            entry = {"label": group["label"]}
            entry |= {key: group[key] for key in self.hyperparameters}
            for i, slot in enumerate(self.slots):
                entry[slot] = {name: np.array(arrays[i]) for name, arrays in kept.items()}
            groups.append(entry)
        return {"step_count": self.step_count, "param_groups": groups}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state()`: the training goes on, bit for bit, as it would have there.

        Raises:
            TypeError: `state` is not a dict as returned by `state()`.
            ValueError: Its groups, names, shapes, dtypes or values are not those of this optimizer.
                Nothing has been loaded then.

        Example:
            >>> model = nn.Linear(2, 1)
            >>> opt = optim.Adam(model, lr=0.1)
            >>> resumed = optim.Adam(model)
            >>> resumed.load_state(opt.state())
            >>> resumed.lr
            0.1
        """
        entries = self._checked_state(state)
        self.step_count = int(state["step_count"])
        for group, kept, entry in zip(self.param_groups, self._kept, entries, strict=True):
            group.update({key: entry[key] for key in self.hyperparameters})
            for name in kept:
                kept[name] = tuple(np.array(entry[slot][name]) for slot in self.slots)
        rates = {group["lr"] for group in self.param_groups}
        if len(rates) == 1:
            self._lr = rates.pop()

    def __repr__(self) -> str:
        rows = [f"{type(self).__name__}, step_count={self.step_count}"]
        for group in self.param_groups:
            values = ", ".join(f"{key}={group[key]!r}" for key in self.hyperparameters)
            count = sum(theta.size for theta in group["params"].values())
            rows.append(f"  {group['label']}: {count:,} parameters, {values}")
        return "\n".join(rows)

    # Checks

    def _zeros(self, theta: Tensor) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros_like(theta.data) for _ in self.slots)

    def _check_gradients(self) -> None:
        missing = [n for g in self.param_groups for n, t in g["params"].items() if t.grad is None]
        if missing:
            raise ValueError(
                f"step() needs the gradient of every parameter, but these have none: "
                f"{', '.join(missing)}. Call loss.backward() first, with a loss that depends on "
                "them."
            )

    @classmethod
    def _checked(cls, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Hyperparameters as Python floats and bools, or an error that says what is allowed."""
        checked: dict[str, Any] = {}
        for key, value in values.items():
            if key not in cls.hyperparameters:
                raise ValueError(f"{where}: {cls._unknown_key(key)}")
            kind = cls.hyperparameters[key]
            right_type = isinstance(value, kind.types)
            if kind.types is NUMBERS and isinstance(value, BOOLS):
                right_type = False  # True is an int to Python, but no learning rate
            if not (right_type and kind.holds(value)):
                error = ValueError if right_type else TypeError
                raise error(
                    f"{where}: {key} must be {kind.allowed}, but got {value!r}. Write, for "
                    f"example, {key}={kind.example}."
                )
            checked[key] = float(value) if kind.types is NUMBERS else bool(value)
        return checked

    @classmethod
    def _unknown_key(cls, key: object) -> str:
        import difflib  # only when it is needed: it takes time to import

        known = list(cls.hyperparameters)
        close = difflib.get_close_matches(str(key), known, n=2)
        hint = f"did you mean {', '.join(sorted(close))}? " if close else ""
        return (
            f"unknown key {key!r}: {hint}{cls.__name__} knows {', '.join(known)}. Write "
            f'{{"params": module, "{(sorted(close) or known)[0]}": '
            f"{cls.hyperparameters[(sorted(close) or known)[0]].example}}}."
        )

    @classmethod
    def _resolved(
        cls,
        model: Module | None,
        param_groups: Sequence[Mapping[str, Any]] | None,
        defaults: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """The groups with their labels, their tensors by name and every hyperparameter."""
        name = cls.__name__
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
                f"param_groups is a list of at least one dict, but got {param_groups!r}. Write "
                f'{name}(param_groups=[{{"params": model}}]).'
            )
        groups = [cls._resolved_group(i, g, defaults) for i, g in enumerate(param_groups)]
        _check_labels(groups)
        _check_shared(groups)
        return groups

    @classmethod
    def _resolved_group(
        cls, number: int, given: Mapping[str, Any], defaults: dict[str, Any]
    ) -> dict[str, Any]:
        where = f"param_groups[{number}]"
        if not isinstance(given, Mapping) or "params" not in given:
            raise TypeError(
                f'{where} must be a dict with "params", but is {given!r}. Write '
                '{"params": module, "lr": 0.001}.'
            )
        label = given.get("label", f"group_{number}")
        if not isinstance(label, str):
            raise TypeError(f'{where}: a label is a string, but got {label!r}. Write "encoder".')
        overrides = {key: v for key, v in given.items() if key not in ("params", "label")}
        params = _tensors_by_name(given["params"], where)
        return {"label": label, "params": params, **defaults, **cls._checked(overrides, where)}

    def _checked_state(self, state: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The groups of a `state()` in the order of this optimizer's, each value checked."""
        if not isinstance(state, Mapping) or set(state) != {"step_count", "param_groups"}:
            raise TypeError(
                f'load_state takes a dict with "step_count" and "param_groups", as state() '
                f"returns, but got {state!r:.80}. Write opt.load_state(other_opt.state())."
            )
        count = state["step_count"]
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"step_count must be an int of at least 0, but got {count!r}.")
        given = {entry["label"]: entry for entry in state["param_groups"]}
        labels = [group["label"] for group in self.param_groups]
        check_same("the labels of the groups", labels, [e["label"] for e in state["param_groups"]])
        entries = []
        for group, kept in zip(self.param_groups, self._kept, strict=True):
            where, entry = f"group {group['label']!r}", dict(given[group["label"]])
            check_same(f"the keys of {where}", ["label", *self.hyperparameters, *self.slots], entry)
            values = {key: entry[key] for key in self.hyperparameters}
            entry |= self._checked(values, where)
            for slot in self.slots:
                check_same(f"the names in {slot!r} of {where}", kept, entry[slot])
                for name, theta in group["params"].items():
                    check_array(f"{slot!r} of {name!r}", entry[slot][name], theta)
            entries.append(entry)
        return entries


def _tensors_by_name(params: Any, where: str) -> dict[str, Tensor]:
    """The "params" of a group as a dict of tensors that require gradients."""
    tensors = params.parameters() if isinstance(params, Module) else params
    if not isinstance(tensors, Mapping) or not all(isinstance(t, Tensor) for t in tensors.values()):
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
                f"sg.Tensor(data, requires_grad=True), or leave it out of the group."
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


def check_same(what: str, expected: Iterable[str], given: Iterable[str]) -> None:
    """Raises a ValueError if these are not the same names, in any order."""
    expected, given = sorted(expected), sorted(given)
    if expected != given:
        raise ValueError(
            f"{what} must be {', '.join(expected)}, but what is loaded has {', '.join(given)}. "
            "Nothing was changed. Load into a model and an optimizer made as those that were saved."
        )


def check_array(what: str, array: Any, theta: Tensor) -> None:
    """Raises a ValueError if `array` does not have the shape and dtype of the parameter."""
    array = np.asarray(array)
    if array.shape != theta.shape or array.dtype != theta.dtype:
        raise ValueError(
            f"{what} must be of shape {theta.shape} and {theta.dtype}, but what is loaded has "
            f"shape {array.shape} and {array.dtype}. Nothing was changed. Load into a model and an "
            "optimizer made as those that were saved."
        )
