"""The same equations, faster: optional, in NumPy alone, and equal to the last bit.

Nothing else in simplegrad knows this package: `from simplegrad import fast` brings it in.
"""

from simplegrad.fast.adam import Adam, AdamW
from simplegrad.fast.replay import replay
from simplegrad.fast.rmsprop import RMSProp
from simplegrad.fast.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "RMSProp", "replay"]
