"""What other libraries call otherwise: every name is answered with code that runs.

The tables of simplegrad/other_names.py are read here as data: whatever stands in them is tried.
"""

import ast
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simplegrad as sg
import simplegrad.functional
from simplegrad import fast, nn, other_names
from simplegrad import optimizers as optim
from tests.helpers.advice import advice_of, names_for_advice, run

OWNERS = {
    "Tensor": sg.ones((2, 3)),
    "Module": nn.Linear(2, 3),
    "Optimizer": optim.SGD(nn.Linear(2, 3)),
    "Schedule": optim.schedules.Step(optim.SGD(nn.Linear(2, 3)), 2),
    "simplegrad": sg,
    "simplegrad.functional": simplegrad.functional,
    "simplegrad.nn": nn,
    "simplegrad.optimizers": optim,
    "simplegrad.optimizers.schedules": optim.schedules,
}
NAMES = [(place, name) for place, table in other_names.ATTRIBUTES.items() for name in table]


def answer(place, name):
    """What is said of a name; None if the name is there."""
    with pytest.raises(AttributeError) as error:
        getattr(OWNERS[place], name)
    return str(error.value)


@pytest.mark.parametrize("place", OWNERS)
def test_every_advice_runs(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = [n for p, n in NAMES if p == place and hasattr(OWNERS[place], n)]
    assert place.startswith("simplegrad") or not there
    for name in other_names.ATTRIBUTES[place].keys() - set(there):
        advice = advice_of(answer(place, name))
        assert advice, (place, name)
        run(advice, names_for_advice())
