"""A solution of the exercise groups."""


def group_step(params, grads, overrides, defaults):
    group = {**defaults, **overrides}
    lr, maximize = group["lr"], group["maximize"]
    sign = 1 if maximize else -1
    stepped = dict(params)
    for name, g in grads.items():
        stepped[name] = params[name] + sign * lr * g
    return lr, maximize, stepped
