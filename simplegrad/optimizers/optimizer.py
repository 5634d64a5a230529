"""Optimizer: what all of them share: the loop over parameters, and the state to resume from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np

from simplegrad import given, habits, trained
from simplegrad.given import NON_NEGATIVE, Kind
from simplegrad.nn.module import Module
from simplegrad.optimizers import groups
from simplegrad.optimizers.param_groups import ParamGroup, ParamGroups, fixed, no_attributes
from simplegrad.tensor import Tensor
from simplegrad.trained import reached

Arrays: TypeAlias = tuple[np.ndarray, ...]

touched_of = attrgetter("touched")


class Optimizer(habits.OptimizerElsewhere):
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
            every hyperparameter, which may be assigned; the rest is fixed.

    Raises:
        TypeError: A value is of the wrong type, or there is not exactly one of `model` and
            `param_groups`.
        ValueError: A hyperparameter is out of range or unknown, `eps` is 0 in the dtype of a
            tensor, a group is empty, a label comes twice, or a tensor comes twice or requires no
            gradient.

    Examples:
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
        name, kinds = type(self).__name__, self.hyperparameters
        self._defaults = given.checked({"lr": lr, **defaults}, kinds, where=name)
        resolved = groups.resolved(name, kinds, self._defaults, model, param_groups)
        for group in resolved:
            self.check_group(group)
        self.step_count = 0
        self._kept = [self._zeros(group) for group in resolved]
        self._hold(resolved)
        trained.remember_modules(self, [model, *(g["params"] for g in param_groups or ())])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        no_attributes(cls)

    def _hold(self, resolved: Sequence[Mapping[str, Any]]) -> None:
        self._param_groups = ParamGroups(ParamGroup(group, self) for group in resolved)
        self._tensors = [theta for group in resolved for theta in group["params"].values()]
        self._has = frozenset(map(id, self._tensors)).issuperset
        self._last = trained.now()
        reached.ids.clear()  # those before it are not its concern

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes a copy, whose groups come as plain dicts."""
        vars(self).update(state)
        self._hold(self._param_groups)
        trained.remember_modules(self, [])

    def _zeros(self, group: Mapping[str, Any]) -> dict[str, Arrays]:
        """What is kept for each parameter of a group before its first step."""
        return {
            name: tuple(np.zeros_like(theta.data) for _ in self.slots)
            for name, theta in group["params"].items()
        }

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Raises a ValueError if hyperparameters do not go together; for subclasses to define."""

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
            f"{type(self).__name__} has no update. Write a method update(self, theta, group, kept) "
            'that changes theta, as theta.data -= group["lr"] * theta.grad, and returns kept.'
        )

    def step(self) -> None:
        """Updates every parameter from its gradient, but for those that are frozen.

        A parameter is frozen while its `requires_grad` is False: it and what is kept of it stay.

        Raises:
            ValueError: A parameter has no gradient, or backward() gave it to other parameters than
                those of this optimizer: of a copy of the model, or added or thawed since. Nothing
                has been updated then.

        Examples:
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
                if theta.requires_grad:  # or else it is frozen
                    kept[name] = self.update(theta, group, kept[name])

    def _check_gradients(self) -> None:
        """Raises a ValueError if a parameter has no gradient, or if it went to another one."""
        if min(map(touched_of, self._tensors)) < self._last or not all(map(self._has, reached.ids)):
            trained.check(self, self._last)
            groups.check_gradients(self.param_groups)
        self._last = trained.now()

    def zero_grad(self, **wrong: NoReturn) -> None:
        """Fills the gradients of all parameters with zeros, in place where they exist.

        Examples:
            >>> model = nn.Linear(2, 1)
            >>> optim.SGD(model).zero_grad()
            >>> model.bias.grad
            array([0.], dtype=float32)
        """
        if wrong:
            raise habits.refused("opt.zero_grad", wrong)
        for group in self.param_groups:
            for theta in group["params"].values():
                theta.zero_grad()

    def reset_step_count(self) -> None:
        """Starts counting steps from 0 again: the next is t = 1. What the slots hold stays.

        Examples:
            >>> opt = optim.Adam(nn.Linear(2, 1))
            >>> opt.reset_step_count()
            >>> opt.step_count
            0
        """
        self.step_count = 0

    param_groups = property(
        attrgetter("_param_groups"),  # no step for a debugger
        fixed,
        doc='The groups, a list of dicts with "label", "params" and every hyperparameter.',
    )

    @property
    def lr(self) -> float:
        """The learning rate that groups do not override. Assigning sets it in all groups."""
        return self._defaults["lr"]

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

        Examples:
            >>> opt = optim.Adam(model=nn.Linear(2, 1))
            >>> opt.set_param("lr", 0.01)
            >>> opt.lr
            0.01
        """
        if not isinstance(key, str) or key not in self.hyperparameters:
            raise KeyError(
                f"{type(self).__name__} has no hyperparameter {key!r}, but "
                f"{', '.join(self.hyperparameters)}. Write opt.set_param('lr', 0.001)."
            )
        labels = [g["label"] for g in self.param_groups]
        if group is not None and not (isinstance(group, str) and group in labels):
            raise KeyError(
                f"this {type(self).__name__} has no group {group!r}, but {', '.join(labels)}. "
                f"Write opt.set_param({key!r}, {value!r}, group={labels[0]!r})."
            )
        chosen = [g for g in self.param_groups if group is None or g["label"] == group]
        values = self._assign(chosen, {key: value}, where="set_param")
        if group is None:
            self._defaults |= values

    def _assign(
        self, chosen: Sequence[dict[str, Any]], values: Mapping[str, Any], where: str
    ) -> dict[str, Any]:
        """Sets hyperparameters in all of these groups or in none; returns them checked."""
        checked = given.checked(values, self.hyperparameters, where)
        for group in chosen:
            self.check_group({**group, **checked})
        for group in chosen:
            dict.update(group, checked)
        return checked

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        r"""Adds a group like those that the optimizer was made with: a new layer, for example.

        Its moments start at zero, while `step_count` goes on, so no correction of Adam knows that
        these are their first steps: they are up to $(1 - \beta_1) / \sqrt{1 - \beta_2}$ times as
        long as `lr`, by default 3.2 times. A schedule of all groups scales its rate, too.

        Args:
            group: {"params": Module or dict of tensors by name, "label"?, overrides?}. What it does
                not override is as it was given to the optimizer, or since set in all groups.

        Raises:
            TypeError: As for the groups that an optimizer is made with.
            ValueError: Likewise. Nothing has been added then.

        Examples:
            >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
            >>> opt = optim.Adam(model, lr=0.1)
            >>> model.layers.append(nn.Linear(4, 2))
            >>> opt.add_param_group({"params": model[2], "label": "head", "lr": 0.01})
            >>> [(group["label"], group["lr"]) for group in opt.param_groups]
            [('default', 0.1), ('head', 0.01)]
        """
        new = groups.one_more(group, self.param_groups, self.hyperparameters, self._defaults)
        self.check_group(new)
        self._kept = [*self._kept, self._zeros(new)]
        list.append(self._param_groups, ParamGroup(new, self))
        self._tensors += new["params"].values()
        self._has = frozenset(map(id, self._tensors)).issuperset
        trained.remember_modules(self, [group["params"]])

    def _check_dtypes(self, new: Mapping[Tensor, Tensor]) -> None:
        """Raises a ValueError if a group does not go with what its tensors are to become."""
        for group in self.param_groups:
            params = {name: new.get(theta, theta) for name, theta in group["params"].items()}
            self.check_group({**group, "params": params})

    def _take_dtypes(self) -> None:
        """Brings what is kept to the dtypes of the parameters, as `Module.astype` has set them."""
        self._kept = [
            {
                name: tuple(array.astype(group["params"][name].dtype) for array in arrays)
                for name, arrays in kept.items()
            }
            for group, kept in zip(self.param_groups, self._kept, strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to resume exactly, the parameters themselves aside.

        Returns:
            {"step_count", "param_groups"}: each group with "label", its hyperparameters and, for
            each of `slots`, a dict of copied arrays by the name of the parameter. Groups without
            labels whose tensors have the same names, shapes and dtypes come in the order in which
            their tensors were made.

        Examples:
            >>> state = optim.Adam(nn.Linear(2, 1), lr=0.1).state()
            >>> state["step_count"], state["param_groups"][0]["lr"]
            (0, 0.1)
            >>> state["param_groups"][0]["moments1"]["bias"]
            array([0.], dtype=float32)
        """
        entries = []
        for place in groups.in_order(self.param_groups):
            group, kept = self.param_groups[place], self._kept[place]
            entry = {"label": group["label"]}
            entry |= {key: group[key] for key in self.hyperparameters}
            for i, slot in enumerate(self.slots):
                entry[slot] = {name: np.array(arrays[i]) for name, arrays in kept.items()}
            entries.append(entry)
        return {"step_count": self.step_count, "param_groups": entries}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state()`: the training goes on, bit for bit, as it would have there.

        Groups find each other by label. Those without labels that names, shapes and dtypes do not
        tell apart must be given in the order in which they were saved, and their tensors made in
        the same order, which is compared.

        Raises:
            TypeError: `state` is not a dict as returned by `state()`.
            ValueError: Its groups, their order, names, shapes, dtypes or values are not those of
                this optimizer. Nothing has been loaded then.

        Examples:
            >>> model = nn.Linear(2, 1)
            >>> opt = optim.Adam(model, lr=0.1)
            >>> resumed = optim.Adam(model)
            >>> resumed.load_state(opt.state())
            >>> resumed.lr
            0.1
        """
        entries = groups.check_state(state, self.param_groups, self.hyperparameters, self.slots)
        for group, entry in zip(self.param_groups, entries, strict=True):
            self.check_group({**group, **entry})
        loaded = [  # made before anything is changed, since memory may run out
            {
                name: tuple(np.array(entry[slot][name]) for slot in self.slots)
                for name in group["params"]
            }
            for group, entry in zip(self.param_groups, entries, strict=True)
        ]
        self.step_count = int(state["step_count"])
        self._kept = loaded
        for group, entry in zip(self.param_groups, entries, strict=True):
            dict.update(group, {key: entry[key] for key in self.hyperparameters})
        for key in self.hyperparameters:
            values = {group[key] for group in self.param_groups}
            if len(values) == 1:
                self._defaults[key] = values.pop()

    def __repr__(self) -> str:
        if not hasattr(self, "param_groups"):  # a debugger is in the middle of making it
            return f"{type(self).__name__}(not made yet)"
        rows = [f"{type(self).__name__}, step_count={self.step_count}"]
        for group in self.param_groups:
            values = ", ".join(f"{key}={group[key]!r}" for key in self.hyperparameters)
            count = sum(theta.size for theta in group["params"].values())
            rows.append(f"  {group['label']}: {count:,} parameters, {values}")
        return "\n".join(rows)
