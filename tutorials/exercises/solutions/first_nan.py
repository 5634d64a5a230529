"""A solution of the exercise first_nan."""

import numpy as np


def first_nan(root, inputs, data):
    waiting = [root]
    for node in waiting:  # it grows meanwhile
        sound = all(np.isfinite(data[i]).all() for i in inputs[node])
        if sound and not np.isfinite(data[node]).all():
            return node
        waiting += [i for i in inputs[node] if i not in waiting]
    return None
