"""Optimizers: the outer step.

The contract is in `fastmaml.optimizers.contract`; each other file holds one implementation.
"""

from fastmaml.optimizers.adam import Adam, AdamSpec, AdamW
from fastmaml.optimizers.contract import state_size, update
from fastmaml.optimizers.momentum import Momentum, MomentumSpec
from fastmaml.optimizers.optimizer import Optimizer, as_optimizer
from fastmaml.optimizers.sgd import SGD, SGDSpec

# By the names that estimators and the command line have for them.
OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "adamw": AdamW}

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamSpec",
    "AdamW",
    "Momentum",
    "MomentumSpec",
    "Optimizer",
    "SGDSpec",
    "as_optimizer",
    "state_size",
    "update",
]
