"""What the examples in the docstrings may take for granted."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim


@pytest.fixture(autouse=True)
def _names_in_examples(doctest_namespace):
    doctest_namespace.update(sg=sg, np=np, nn=nn, optim=optim)


@pytest.fixture(autouse=True)
def _same_random_numbers():
    sg.manual_seed(0)
