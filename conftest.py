"""What the tests, and the examples in the docstrings, may take for granted."""

import gc
import os

# More threads gain nothing with arrays of this size, and on a busy machine they wait for a core.
# NumPy reads the variables when it is imported; so do the processes that tests start.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn, parallel
from simplegrad import optimizers as optim
from tests.helpers.processes import Thread


@pytest.fixture(autouse=True, scope="session")
def _names_in_examples(doctest_namespace):
    doctest_namespace.update(sg=sg, np=np, nn=nn, optim=optim, parallel=parallel)
    doctest_namespace["comm"] = Thread()  # of one process


@pytest.fixture(autouse=True)
def _same_random_numbers():
    sg.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _the_collector_looks_at_one_file():
    gc.collect()
    gc.freeze()  # what is there by now stays: the collector need not look through it again
