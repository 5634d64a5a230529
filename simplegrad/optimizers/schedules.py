"""Schedules: learning rates that change from update to update."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from simplegrad import habits, mistakes
from simplegrad.given import FLAG, NON_NEGATIVE, NUMBERS, Kind, Kinds, checked, checked_number
from simplegrad.optimizers.optimizer import Optimizer
from simplegrad.optimizers.sgd import SGD
from simplegrad.tensor import Tensor

habits.answer_for(__name__)

WHOLE = Kind(
    NUMBERS, lambda x: x >= 0 and x.is_integer(), "a whole number of at least 0", example=100
)
WHOLE_FROM_1 = Kind(
    NUMBERS, lambda x: x >= 1 and x.is_integer(), "a whole number of at least 1", example=1000
)
SHARE = Kind(NUMBERS, lambda x: 0 <= x <= 1, "a number from 0 to 1", example=0.1)
TIMES = WHOLE_FROM_1._replace(example=2)
FINITE = Kind(NUMBERS, math.isfinite, "a finite number", example=0.5)


class Schedule(habits.ScheduleElsewhere):
    r"""The base of the schedules: a subclass adds its hyperparameters and its `factor`.

    $$lr_t = lr_{base} \, f_t$$

    Making a schedule sets the rate of the first update, `step()` that of the next. Groups of
    different rates are scaled alike, and so is `optimizer.lr`. A rate that is set by hand holds
    until the next `step()`. A group that `add_param_group` adds later is scaled from the next
    `step()` on; if it was given a rate of its own, that is its $lr_{base}$.

    | symbol | argument |
    |---|---|
    | $f_t$ | `factor(t)`, where $t$ is the schedule's own `step_count`, 0 in the first update |
    | $lr_{base}$ | the rate that the optimizer, or the group, has when the schedule is made |

    Args:
        optimizer: The optimizer whose rates are set.
        group: The label of the one group whose rate is set; all groups if not given.

    Attributes:
        step_count: How often `step()` was called.
        base_lr: $lr_{base}$ of the optimizer or, if one was given, of the group.
        overrides: $lr_{base}$ of the groups that have another rate than the optimizer, by label.

    Raises:
        TypeError: A value is of the wrong type, or `optimizer` is not an Optimizer.
        ValueError: A hyperparameter is out of range.
        KeyError: There is no such group.

    Examples:
        >>> class Inverse(optim.schedules.Schedule):
        ...     def factor(self, t):
        ...         return 1 / (1 + t)
        >>> model = nn.Linear(2, 1)
        >>> opt = optim.SGD(model, lr=0.6)
        >>> schedule = Inverse(opt)
        >>> for batch in [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]:
        ...     opt.zero_grad()
        ...     model(batch).sum().backward()
        ...     print(round(opt.lr, 3))
        ...     opt.step()
        ...     schedule.step()
        0.6
        0.3
        0.2
    """

    hyperparameters: ClassVar[dict[str, Kind]] = {}
    """The hyperparameters by name, and what each may be; attributes, set before `__init__`."""

    progress: ClassVar[dict[str, Kind]] = {}
    """What else `step` changes, beside the count: attributes, too, which `state()` has."""

    def __init__(self, optimizer: Optimizer, group: str | None = None) -> None:
        name = type(self).__name__
        values = {key: getattr(self, key) for key in self.hyperparameters}
        values = _plain(values, self.hyperparameters, where=name)
        self.check(values)
        vars(self).update(values)
        call = self._call()
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{name} sets the rates of an Optimizer, but got {optimizer!r:.80}. Write {call}) "
                "with, for example, opt = optim.Adam(model)."
            )
        rates = {g["label"]: g["lr"] for g in optimizer.param_groups}
        if group is not None and group not in list(rates):
            raise KeyError(
                f"this {type(optimizer).__name__} has no group {group!r}, but {', '.join(rates)}. "
                f"Write {call}, group={next(iter(rates))!r})."
            )
        self.optimizer = optimizer
        self.group = group
        self.base_lr: float = optimizer.lr if group is None else rates[group]
        self.overrides: dict[str, float] = {}
        self._known: set[str] = set()  # labels of groups that are in overrides if they must be
        mistakes.check_only_schedule(self)
        self._set_rates(t=0)
        mistakes.remember_schedule(self)

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises a ValueError if hyperparameters do not go together; for subclasses to define."""

    def factor(self, t: int) -> float:
        """$f_t$, what the rates are multiplied by after `t` steps; subclasses define it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no factor. Write a method factor(self, t) that returns "
            "what the rates are multiplied by after t steps, as return 0.99**t."
        )

    def step(self) -> None:
        """Sets the rate of the next update; to be called after `optimizer.step()`.

        Examples:
            >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
            >>> schedule = optim.schedules.Linear(opt, total_steps=4)
            >>> schedule.step()
            >>> opt.lr
            0.75
        """
        self._set_rates(self.step_count + 1)

    def _set_rates(self, t: int) -> None:
        f_t = self.factor(t)
        rates = {g["label"]: g["lr"] for g in self.optimizer.param_groups if self.group is None}
        new = {label: lr for label, lr in rates.items() if label not in self._known}
        self.overrides |= {label: lr for label, lr in new.items() if lr != self.optimizer.lr}
        self._known |= new.keys()
        for group, base_lr in ((self.group, self.base_lr), *self.overrides.items()):
            lr_t = base_lr * f_t
            self.optimizer.set_param("lr", lr_t, group=group)
        self.step_count = t

    def _settings(self) -> dict[str, Any]:
        """What it was made with, as `state()` has it."""
        return {key: getattr(self, key) for key in self.hyperparameters}

    def _call(self) -> str:
        """The call that makes such a schedule, up to the parenthesis at its end."""
        settings = "".join(f", {key}={value}" for key, value in self._settings().items())
        return f"{type(self).__name__}(opt{settings}"

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to resume exactly, as JSON and `sg.save` take it.

        Examples:
            >>> opt = optim.SGD(nn.Linear(2, 1), lr=0.5)
            >>> schedule = optim.schedules.Step(opt, step_size=30)
            >>> state = schedule.state()
            >>> state["class"], state["step_count"], state["base_lr"], state["step_size"]
            ('Step', 0, 0.5, 30)
        """
        return {
            "class": type(self).__name__,
            "group": self.group,
            "step_count": self.step_count,
            "base_lr": self.base_lr,
            "overrides": dict(self.overrides),
            **self._settings(),
            **{key: getattr(self, key) for key in self.progress},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state()`, hyperparameters included, and sets the rates as they were there.

        Raises:
            TypeError: `state` is not a dict as returned by `state()`.
            ValueError: It is of another class or other groups, or a value is out of range. Nothing
                has been changed then.

        Examples:
            >>> path = getfixture("tmp_path") / "run.npz"
            >>> model = nn.Linear(2, 1)
            >>> opt = optim.SGD(model, lr=1.0)
            >>> schedule = optim.schedules.Linear(opt, total_steps=4)
            >>> schedule.step()
            >>> sg.save(path, model, opt, schedule=schedule.state())

            >>> opt = optim.SGD(model, lr=1.0)
            >>> schedule = optim.schedules.Linear(opt, total_steps=4)
            >>> schedule.load_state(sg.load(path, model, opt)["schedule"])
            >>> opt.lr
            0.75
        """
        name, keys = type(self).__name__, self.state().keys()
        if isinstance(state, Mapping) and state.get("class", name) != name:
            raise ValueError(
                f"this schedule is a {name}, but the state is that of a {state['class']}. Nothing "
                f"was changed. Write schedule = {state['class']}(opt, ...) to load it into."
            )
        if not (
            isinstance(state, Mapping)
            and state.keys() == keys
            and isinstance(state["overrides"], Mapping)
        ):
            raise TypeError(
                f"load_state of a {name} takes a dict with {', '.join(keys)}, as state() returns, "
                f"but got {state!r:.80}. Nothing was changed. Write "
                "schedule.load_state(other_schedule.state())."
            )
        labels = [g["label"] for g in self.optimizer.param_groups if self.group is None]
        given = state["overrides"]
        if state["group"] != self.group or not set(given) <= set(labels):
            raise ValueError(
                f"this {name} has group={self.group!r} and may override the rates of {labels}, but "
                f"the state has group={state['group']!r} and overrides {list(given)}. Nothing was "
                "changed. Load into a schedule made as the one that was saved."
            )
        kinds = {"step_count": WHOLE, "base_lr": NON_NEGATIVE}
        kinds |= {**self.hyperparameters, **self.progress}
        values = _plain({key: state[key] for key in kinds}, kinds, where=name)
        overrides = _plain(given, dict.fromkeys(labels, NON_NEGATIVE), where=f"{name}, overrides")
        self.check(values)
        vars(self).update(values, overrides=overrides, _known=set(labels))
        self._set_rates(values["step_count"])

    def __repr__(self) -> str:
        name = type(self).__name__
        if not hasattr(self, "step_count"):  # a debugger is in the middle of making it
            return f"{name}(not made yet)"
        values: dict[str, Any] = {} if self.group is None else {"group": self.group}
        values |= {key: getattr(self, key) for key in ("step_count", "base_lr")}
        values |= {"f_t": self.factor(self.step_count), **self._settings()}
        values |= {key: getattr(self, key) for key in self.progress}
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in values.items())})"


def _plain(values: Mapping[str, Any], kinds: Kinds, where: str) -> dict[str, Any]:
    """Checked values as Python ints and floats: of the type of the example of their kind."""
    return {key: type(kinds[key].example)(x) for key, x in checked(values, kinds, where).items()}


class Step(Schedule):
    r"""The rate falls in steps. PyTorch's `StepLR`.

    $$f_t = \gamma^{\lfloor t / s \rfloor}$$

    Krizhevsky, Sutskever and Hinton (2012), section 5, divided by 10 whenever the validation error
    no longer fell; here it is whenever $s$ updates have passed.

    | symbol | argument |
    |---|---|
    | $s$ | `step_size`, the updates from one fall to the next |
    | $\gamma$ | `gamma` |

    Args:
        optimizer: The optimizer whose rates are set.
        step_size: $s$, a whole number of at least 1.
        gamma: $\gamma$, from 0 to 1.
        group: The label of the one group whose rate is set; all groups if not given.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.Step(opt, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(opt.lr)
        ...     schedule.step()
        >>> rates
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    hyperparameters = {"step_size": WHOLE_FROM_1, "gamma": SHARE}

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, group: str | None = None
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, group)

    def factor(self, t: int) -> float:
        s, gamma = self.step_size, self.gamma
        f_t = gamma ** (t // s)
        return f_t


class Exponential(Schedule):
    r"""The rate falls by the same share in each step. PyTorch's `ExponentialLR`.

    $$f_t = \gamma^{t}$$

    Senior, Heigold, Ranzato and Yang (2013) compare it with other schedules.

    | symbol | argument |
    |---|---|
    | $\gamma$ | `gamma` |

    Args:
        optimizer: The optimizer whose rates are set.
        gamma: $\gamma$, from 0 to 1. $0.1^{1/s}$ divides the rate by 10 in $s$ updates.
        group: The label of the one group whose rate is set; all groups if not given.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.Exponential(opt, gamma=0.5)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(opt.lr)
        ...     schedule.step()
        >>> rates
        [1.0, 0.5, 0.25, 0.125]
    """

    hyperparameters = {"gamma": SHARE}

    def __init__(self, optimizer: Optimizer, gamma: float, group: str | None = None) -> None:
        self.gamma = gamma
        super().__init__(optimizer, group)

    def factor(self, t: int) -> float:
        gamma = self.gamma
        f_t = gamma**t
        return f_t


class Linear(Schedule):
    r"""The rate follows a straight line, and then stays. PyTorch's `LinearLR`, but from factor 1.

    $$f_t = f_0 \, (1 - t / T) + f_T \, (t / T)$$

    After $T$ updates, $f_t$ stays $f_T$. It falls to 0 if nothing else is said; with
    `start_factor=0.1, end_factor=1` it is a warm-up.

    | symbol | argument |
    |---|---|
    | $T$ | `total_steps` |
    | $f_T$ | `end_factor` |
    | $f_0$ | `start_factor` |

    Args:
        optimizer: The optimizer whose rates are set.
        total_steps: $T$, the updates until the end is reached, a whole number of at least 1.
        end_factor: $f_T$, from 0 to 1: a share of $lr_{base}$, not a rate.
        start_factor: $f_0$, the share that the first update has, from 0 to 1.
        group: The label of the one group whose rate is set; all groups if not given.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.Linear(opt, total_steps=4)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(opt.lr)
        ...     schedule.step()
        >>> rates
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    hyperparameters = {"total_steps": WHOLE_FROM_1, "end_factor": SHARE, "start_factor": SHARE}

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        end_factor: float = 0.0,
        start_factor: float = 1.0,
        group: str | None = None,
    ) -> None:
        self.total_steps, self.end_factor, self.start_factor = total_steps, end_factor, start_factor
        super().__init__(optimizer, group)

    def factor(self, t: int) -> float:
        T, f_T, f_0 = self.total_steps, self.end_factor, self.start_factor
        t = min(t, T)
        f_t = f_0 * (1 - t / T) + f_T * (t / T)
        return f_t


class Cosine(Schedule):
    r"""The rate falls along half a wave of the cosine, after a warm-up if one is wanted.

    $$f_t = \begin{cases}
    (t + 1) / w & t < w \\
    f_T + \frac{1 - f_T}{2} \, (1 + \cos(\pi \, (t - w) / (T - w))) & t \ge w
    \end{cases}$$

    Loshchilov and Hutter (2017), "SGDR", equation 5, without restarts; the warm-up is the gradual
    one of Goyal et al. (2017), section 2.2. After $T$ updates, $f_t$ stays $f_T$. In PyTorch it is
    a `SequentialLR` of a `LinearLR` and a `CosineAnnealingLR`.

    | symbol | argument |
    |---|---|
    | $T$ | `total_steps` |
    | $w$ | `warmup_steps` |
    | $f_T$ | `end_factor` |

    Args:
        optimizer: The optimizer whose rates are set.
        total_steps: $T$, the updates until the end is reached, warm-up included.
        warmup_steps: $w$, the updates in which the rate rises, less than `total_steps`.
        end_factor: $f_T$, from 0 to 1: a share of $lr_{base}$, not a rate.
        group: The label of the one group whose rate is set; all groups if not given.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.Cosine(opt, total_steps=6, warmup_steps=2)
        >>> rates = []
        >>> for _ in range(8):
        ...     rates.append(round(opt.lr, 3))
        ...     schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    hyperparameters = {"total_steps": WHOLE_FROM_1, "warmup_steps": WHOLE, "end_factor": SHARE}

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        warmup_steps: int = 0,
        end_factor: float = 0.0,
        group: str | None = None,
    ) -> None:
        self.total_steps, self.warmup_steps, self.end_factor = total_steps, warmup_steps, end_factor
        super().__init__(optimizer, group)

    def check(self, values: Mapping[str, Any]) -> None:
        total_steps, warmup_steps = values["total_steps"], values["warmup_steps"]
        if warmup_steps >= total_steps:
            raise ValueError(
                f"the warm-up is the first part of the schedule, but got warmup_steps="
                f"{warmup_steps} of total_steps={total_steps}. Write warmup_steps="
                f"{total_steps // 10}, total_steps={total_steps}."
            )

    def factor(self, t: int) -> float:
        T, w, f_T = self.total_steps, self.warmup_steps, self.end_factor
        if t < w:
            f_t = (t + 1) / w
        else:
            t = min(t, T)
            f_t = f_T + (1 - f_T) / 2 * (1 + math.cos(math.pi * (t - w) / (T - w)))
        return f_t


class CosineWarmRestarts(Schedule):
    r"""The rate falls along half a wave, jumps up and falls again: "SGDR", with warm restarts.

    $$f_t = f_T + \frac{1 - f_T}{2} \, (1 + \cos(\pi \, t_i / T_i))$$

    Loshchilov and Hutter (2017), "SGDR", equation 5. PyTorch's `CosineAnnealingWarmRestarts`.

    | symbol | argument |
    |---|---|
    | $T_i$ | the updates from restart $i$ to the next: $T_0 \, m^i$ |
    | $t_i$ | the updates since the last restart |
    | $T_0$ | `cycle_steps` |
    | $m$ | `cycle_mult` |
    | $f_T$ | `end_factor` |

    Args:
        optimizer: The optimizer whose rates are set.
        cycle_steps: $T_0$, the updates until the first restart, a whole number of at least 1.
        cycle_mult: $m$, how many times as long as a cycle the next one is: a whole number of at
            least 1.
        end_factor: $f_T$, from 0 to 1: a share of $lr_{base}$, not a rate.
        group: The label of the one group whose rate is set; all groups if not given.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.CosineWarmRestarts(opt, cycle_steps=2, cycle_mult=2)
        >>> rates = []
        >>> for _ in range(8):
        ...     rates.append(round(opt.lr, 3))
        ...     schedule.step()
        >>> rates
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0, 0.962]
    """

    hyperparameters = {"cycle_steps": WHOLE_FROM_1, "cycle_mult": TIMES, "end_factor": SHARE}

    def __init__(
        self,
        optimizer: Optimizer,
        cycle_steps: int,
        cycle_mult: int = 1,
        end_factor: float = 0.0,
        group: str | None = None,
    ) -> None:
        self.cycle_steps, self.cycle_mult, self.end_factor = cycle_steps, cycle_mult, end_factor
        super().__init__(optimizer, group)

    def factor(self, t: int) -> float:
        T_i, m, f_T = self.cycle_steps, self.cycle_mult, self.end_factor
        t_i = t if m > 1 else t % T_i
        while t_i >= T_i:
            t_i, T_i = t_i - T_i, m * T_i
        f_t = f_T + (1 - f_T) / 2 * (1 + math.cos(math.pi * t_i / T_i))
        return f_t


class ReduceOnPlateau(Schedule):
    r"""The rate falls when a metric no longer improves. PyTorch's `ReduceLROnPlateau`.

    $$f_t = \gamma^{k}$$

    Its `step` takes the metric, as the loss on data that are kept apart: once for each time that it
    is measured. A metric $m$ is an improvement if $m < m_{best} - \epsilon \, |m_{best}|$, or
    $m > m_{best} + \epsilon \, |m_{best}|$ if it is maximized. After more than $p$ steps without
    one, $k$ grows by 1, and they are counted anew. Krizhevsky, Sutskever and Hinton (2012), section
    5, did so by hand.

    | symbol | argument |
    |---|---|
    | $k$ | `falls`, how often the rate has fallen |
    | $\gamma$ | `gamma` |
    | $p$ | `patience` |
    | $\epsilon$ | `threshold` |

    Args:
        optimizer: The optimizer whose rates are set.
        gamma: $\gamma$, from 0 to 1.
        patience: $p$, a whole number of at least 0.
        threshold: $\epsilon$, a share of the best metric, of at least 0.
        maximize: Whether a larger metric is a better one, as an accuracy is.
        group: The label of the one group whose rate is set; all groups if not given.

    Attributes:
        best: The best metric so far; 0 before the first step.
        waited: The steps without an improvement, since the last one or since the rate has fallen.
        falls: $k$.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.ReduceOnPlateau(opt, gamma=0.1, patience=1)
        >>> rates = []
        >>> for loss in [3.0, 2.0, 2.5, 2.1, 1.0]:
        ...     schedule.step(loss)
        ...     rates.append(opt.lr)
        >>> rates
        [1.0, 1.0, 1.0, 0.1, 0.1]
    """

    hyperparameters = {
        "gamma": SHARE,
        "patience": WHOLE,
        "threshold": NON_NEGATIVE,
        "maximize": FLAG,
    }
    progress = {"best": FINITE, "waited": WHOLE, "falls": WHOLE}

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        maximize: bool = False,
        group: str | None = None,
    ) -> None:
        self.gamma, self.patience, self.threshold = gamma, patience, threshold
        self.maximize = maximize
        self.best, self.waited, self.falls = 0.0, 0, 0
        super().__init__(optimizer, group)

    def factor(self, t: int) -> float:
        gamma, k = self.gamma, self.falls
        f_t = gamma**k
        return f_t

    def step(self, metric: float) -> None:  # type: ignore[override]
        """Takes a metric, and sets the rate of the updates to come.

        Raises:
            TypeError: `metric` is no number.
            ValueError: It is not finite: the training has diverged. Nothing has been changed then.

        Examples:
            >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
            >>> schedule = optim.schedules.ReduceOnPlateau(opt, patience=0, maximize=True)
            >>> schedule.step(0.75)
            >>> schedule.step(0.5)
            >>> opt.lr
            0.1
        """
        write = "Write schedule.step(loss.item())."
        m = checked_number(FINITE, metric, "the metric of ReduceOnPlateau must be", write)
        margin = self.threshold * abs(self.best)
        improved = m > self.best + margin if self.maximize else m < self.best - margin
        if improved or self.step_count == 0:
            self.best, self.waited = m, 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            self.falls, self.waited = self.falls + 1, 0
        super().step()


class Sequential(Schedule):
    r"""Schedules one after the other, each counting from its own start. PyTorch's `SequentialLR`.

    $$f_t = f^{(i)}_{t - t_i}$$

    | symbol | argument |
    |---|---|
    | $f^{(i)}$ | the factor of `schedules[i]` |
    | $t_i$ | `milestones[i - 1]`, the first update of `schedules[i]`; 0 for the first one |

    Args:
        optimizer: The optimizer whose rates are set.
        schedules: For each schedule, a function that makes it of an optimizer. It gets one of rate
            1 that is made for it, since two schedules of one rate would undo what the other sets.
        milestones: The updates with which the second schedule begins, the third, …, ascending.
        group: The label of the one group whose rate is set; all groups if not given.

    Raises:
        TypeError: `schedules` are not functions that make schedules which depend on nothing but
            $t$, or a milestone is no number.
        ValueError: There is no milestone between each two schedules, or they do not ascend.

    Examples:
        >>> opt = optim.SGD(nn.Linear(2, 1), lr=1.0)
        >>> schedule = optim.schedules.Sequential(
        ...     opt,
        ...     [
        ...         lambda opt: optim.schedules.Linear(opt, 2, start_factor=0.5, end_factor=1),
        ...         lambda opt: optim.schedules.Exponential(opt, gamma=0.5),
        ...     ],
        ...     milestones=[2],
        ... )
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(opt.lr)
        ...     schedule.step()
        >>> rates
        [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedules: Sequence[Callable[[Optimizer], Schedule]],
        milestones: Sequence[int],
        group: str | None = None,
    ) -> None:
        makers = schedules if isinstance(schedules, list | tuple) else ()
        if not makers or not all(map(callable, makers)):
            raise TypeError(
                "Sequential takes a list of functions that make the schedules, but got "
                f"{schedules!r:.80}. {_JOIN}"
            )
        if not isinstance(milestones, list | tuple) or len(milestones) != len(schedules) - 1:
            raise ValueError(
                "Sequential takes a list of milestones, one less than schedules, but got "
                f"{milestones!r:.80} for {len(schedules)} schedules. {_JOIN}"
            )
        checks = (checked_number(WHOLE_FROM_1, n, "a milestone is", _JOIN) for n in milestones)
        self.milestones = [int(n) for n in checks]
        if self.milestones != sorted(set(self.milestones)):
            raise ValueError(f"milestones must ascend, but got {milestones!r:.80}. {_JOIN}")
        self.schedules = [make(_of_rate_1()) for make in schedules]
        for schedule in self.schedules:
            if not isinstance(schedule, Schedule) or schedule.progress:
                raise TypeError(
                    "Sequential joins schedules that depend on nothing but the number of steps, "
                    f"but got {schedule!r:.80}. {_JOIN}"
                )
        super().__init__(optimizer, group)

    def factor(self, t: int) -> float:
        i = sum(t >= n for n in self.milestones)
        t_i = self.milestones[i - 1] if i else 0
        f_t = self.schedules[i].factor(t - t_i)
        return f_t

    def _settings(self) -> dict[str, Any]:
        parts = [{"class": type(s).__name__, **s._settings()} for s in self.schedules]
        return {"schedules": parts, "milestones": [*self.milestones]}

    def _call(self) -> str:
        parts = ", ".join(f"lambda opt: {s._call()})" for s in self.schedules)
        return f"Sequential(opt, [{parts}], milestones={self.milestones}"

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state()` of the same schedules and milestones, else as `Schedule` does.

        Raises:
            TypeError: `state` is not a dict as returned by `state()`.
            ValueError: It is of other schedules, milestones or groups, or a value is out of range.
                Nothing has been changed then.
        """
        for key, own in self._settings().items():
            if isinstance(state, Mapping) and state.get(key, own) != own:
                raise ValueError(
                    f"the {key} of this Sequential are {own}, but in the state they are "
                    f"{state[key]!r:.200}. Nothing was changed. Load into a schedule made as the "
                    "one that was saved."
                )
        super().load_state(state)


_JOIN = (
    "Write Sequential(opt, [lambda opt: Linear(opt, 10, start_factor=0.1, end_factor=1), "
    "lambda opt: Cosine(opt, 90)], milestones=[10])."
)


def _of_rate_1() -> Optimizer:
    """An optimizer for a schedule that is part of another one, of which only the factor is used."""
    return SGD(lr=1.0, param_groups=[{"params": {"theta": Tensor(0.0, requires_grad=True)}}])
