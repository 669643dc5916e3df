"""Optimizers: the outer step.

The contract is in `fastmaml.optimizers.contract`; each other file holds one implementation.
"""

from fastmaml.optimizers.contract import state_size, update
from fastmaml.optimizers.sgd import SGDSpec

__all__ = ["SGDSpec", "state_size", "update"]
