"""A step of one parameter group: its hyperparameters, and what they do to its tensors."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "One step of a parameter group"

PARAMS = {"weight": np.array([1.0, -2.0]), "bias": np.array([0.5, 3.0])}
GRADS = {"weight": np.array([2.0, 0.25]), "bias": np.array([-4.0, 1.5])}
DEFAULTS = {"lr": 0.5, "maximize": False}


def moved(params: dict, grads: dict, by: float) -> dict:
    """The params that have gradients, moved; the frozen ones as they are."""
    return {name: x + by * grads[name] if name in grads else x for name, x in params.items()}


TASKS = {
    "group_step": Task(
        arguments="params, grads, overrides, defaults",
        equations={
            "lr": "overrides.get('lr', defaults['lr'])",
            "maximize": "overrides.get('maximize', defaults['maximize'])",
            "stepped": "moved(params, grads, lr if maximize else -lr)",
        },
        cases={
            title: [{"params": PARAMS, "grads": grads, "overrides": own, "defaults": all_groups}]
            for title, grads, own, all_groups in (
                ("nothing is overridden", GRADS, {}, DEFAULTS),
                ("a learning rate of its own", GRADS, {"lr": 0.125}, DEFAULTS),
                ("a group that climbs", GRADS, {"lr": 2.0, "maximize": True}, DEFAULTS),
                ("one that descends", GRADS, {"maximize": False}, {"lr": 0.25, "maximize": True}),
                ("all climb", GRADS, {}, {"lr": 0.75, "maximize": True}),
                ("a learning rate of 0", GRADS, {"lr": 0.0}, DEFAULTS),
                ("the bias is frozen", {"weight": GRADS["weight"]}, {"lr": 0.25}, DEFAULTS),
            )
        },
        mistakes={
            "lr": table("""
                the group's own is ignored -> defaults['lr']
                an lr of 0 is taken for none: ask whether it is there, not whether it is true
                    -> overrides.get('lr') or defaults['lr']
                both are multiplied: the group's own takes the place of the default
                    -> overrides.get('lr', 1) * defaults['lr']
                both are added: the group's own takes the place of the default
                    -> overrides.get('lr', 0) + defaults['lr']
                the smaller of both is taken -> min(overrides.get('lr', 9), defaults['lr'])
                the larger of both is taken -> max(overrides.get('lr', 0), defaults['lr'])
            """),
            "maximize": table("""
                the group's own is ignored -> defaults['maximize']
                False is taken for none: ask whether it is there, not whether it is true
                    -> overrides.get('maximize') or defaults['maximize']
                the default is ignored -> overrides.get('maximize', False)
                it is turned round -> not right
            """),
            "stepped": table("""
                maximize is ignored -> moved(params, grads, -lr)
                every group climbs -> moved(params, grads, lr)
                the sign is turned round: without maximize it is to go down
                    -> moved(params, grads, -lr if maximize else lr)
                the default lr is used, and not that of the group
                    -> moved(params, grads, defaults['lr'] if maximize else -defaults['lr'])
                lr is missing -> moved(params, grads, 1 if maximize else -1)
                what is frozen is left out: it stays as it is
                    -> {name: x for name, x in right.items() if name in grads}
                what is frozen is made 0: it stays as it is
                    -> {name: x if name in grads else 0 * x for name, x in right.items()}
                these are the steps: theta is missing
                    -> moved({name: 0 * x for name, x in params.items()}, grads,
                    lr if maximize else -lr)
                nothing has moved -> params
            """),
        },
        in_place=("params",),
        names={"moved": moved},
    )
}
