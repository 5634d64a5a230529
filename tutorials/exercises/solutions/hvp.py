"""A solution of the exercise hvp."""

import numpy as np

import simplegrad as sg


def hvp_by_differences(dL, x, v, h):
    Hv_approx = (dL(x + h * v) - dL(x - h * v)) / (2 * h)
    return Hv_approx


def hvp(f, x, v):
    x = sg.Tensor(x, requires_grad=True)
    dx = sg.grad(f(x), x, create_graph=True)
    dx_v = (dx * v).sum()
    Hv = sg.grad(dx_v, x)
    return Hv


def power_step(v, Hv):
    lambda_max = v @ Hv / (v @ v)
    v_t = Hv / np.linalg.norm(Hv)
    return lambda_max, v_t
