"""Optimizers: from gradients to better parameters."""

from simplegrad.habits import answer_for
from simplegrad.optimizers import schedules
from simplegrad.optimizers.adam import Adam
from simplegrad.optimizers.adamw import AdamW
from simplegrad.optimizers.optimizer import Optimizer
from simplegrad.optimizers.rmsprop import RMSProp
from simplegrad.optimizers.sgd import SGD

answer_for(__name__)

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSProp", "schedules"]
