"""What is watched for: a parameter made in a forward pass, wherever that runs and however it ends.

What is said of a tensor is tested with tensors, and what is trained by which optimizer with those.
"""

import threading
import warnings

import pytest

import simplegrad as sg
from simplegrad import mistakes, nn


class Forgetful(nn.Module):
    """Makes a parameter in each call, and may do something before."""

    def __init__(self, before=lambda: None):
        self.before = before

    def forward(self, x):
        self.before()
        return sg.zeros(2, requires_grad=True) + x


class Around(nn.Module):
    def __init__(self, module):
        self.module = module

    def forward(self, x):
        return self.module(x) * sg.ones(2, requires_grad=True)


def made_silently():
    """Makes a parameter, as an error if that is warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return nn.Linear(2, 1)


def test_each_module_is_warned_of_by_its_own_name_and_line():
    with pytest.warns(UserWarning, match="makes a parameter in its forward pass") as caught:
        Around(Forgetful())(sg.ones(2))
    lines = [cls.forward.__code__.co_firstlineno for cls in (Forgetful, Around)]
    found = [(str(w.message).split()[0], w.lineno) for w in caught]
    assert found == [("Forgetful", lines[0] + 2), ("Around", lines[1] + 1)]


def test_a_forward_pass_that_an_error_ends_is_over():
    def fail():
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Around(Forgetful(fail))(sg.ones(2))
    assert mistakes.running.get() is None
    made_silently()


def test_a_parameter_that_another_thread_makes_is_no_mistake():
    errors = []

    def elsewhere():
        try:
            made_silently()
        except UserWarning as error:
            errors.append(error)

    def in_a_thread():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    with pytest.warns(UserWarning, match="Forgetful"):
        Forgetful(in_a_thread)(sg.ones(2))
    assert errors == []
