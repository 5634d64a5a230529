"""`param_groups`: a list of dicts in which nothing can be changed that a step would not see.

The optimizer keeps moments beside its groups, for the tensors that it was given. A group that was
appended to a plain list would have none. So the groups and their tensors are fixed, but for
`add_param_group`, and a hyperparameter that is assigned is checked as `set_param` checks it. A copy
is a plain list or dict, whoever makes it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, NoReturn


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(
        "an optimizer keeps arrays for each of its tensors, so its groups, with their labels and "
        "tensors, are fixed when it is made. Nothing was changed. Write opt.add_param_group("
        '{"params": {"w": w}}) for more tensors, or make a new optimizer for fewer.'
    )


fixed: Any = _refuse


class _Fixed:
    """A list or a dict that nobody changes."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = __ior__ = fixed
    append = extend = insert = remove = sort = reverse = fixed  # of a list
    pop = clear = update = setdefault = popitem = fixed

    def __reduce__(self) -> tuple[Any, ...]:
        plain: Any = list if isinstance(self, list) else dict
        return plain, (plain(self),)


class ParamGroups(_Fixed, list[Any]):
    """The groups of an optimizer."""

    def __setitem__(self, place: Any, group: Any) -> None:
        if group is not self[place]:  # it is after opt.param_groups[0] |= {"lr": 0.1}
            _refuse(self)


class Params(_Fixed, dict[str, Any]):
    """The tensors of a group by name."""


class ParamGroup(_Fixed, dict[str, Any]):
    """The label, the tensors and the hyperparameters of one group."""

    __slots__ = ("optimizer",)

    def __init__(self, group: Mapping[str, Any], optimizer: Any) -> None:
        super().__init__(group, params=Params(group["params"]))
        self.optimizer = weakref.ref(optimizer)  # which holds this group: no circle

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __ior__(self, values: Any) -> Any:  # type: ignore[misc]
        self.update(values)
        return self

    def update(self, *args: Any, **kwargs: Any) -> None:
        values, optimizer = dict(*args, **kwargs), self.optimizer()
        if optimizer is None or not values.keys().isdisjoint({"label", "params"}):
            _refuse(self)
        optimizer._assign([self], values, where=f"group {self['label']!r}")


OTHER_NAMES = {"learning_rate": "lr", "betas": "beta_1"}  # of hyperparameters, elsewhere


def no_attributes(cls: Any) -> None:
    """Makes the hyperparameters of an optimizer class attributes that only say where they are.

    Assigned to the optimizer, they would change nothing. `lr` is one, and so is what a class has.
    """
    names = {key: key for key in cls.hyperparameters}
    names |= {name: key for name, key in OTHER_NAMES.items() if key in names}
    for name, key in names.items():
        if not hasattr(cls, name):
            setattr(cls, name, _no_attribute(name, key))


def _no_attribute(name: str, key: str) -> property:
    def say(self: Any, *value: Any) -> NoReturn:
        example = value[0] if value and name == key else self.hyperparameters[key].example
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}, and no step would read one: each "
            f'group has its own {key}. Write opt.set_param("{key}", {example!r}) to set it in all '
            f'groups, or opt.param_groups[0]["{key}"] to read it.'
        )

    return property(say, say)
