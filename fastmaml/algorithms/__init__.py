"""Algorithms: how tasks yield gradients for the initialisation.

The contract is in `fastmaml.algorithms.contract`; each other file holds one implementation.
"""

from fastmaml.algorithms.contract import Scratch, adapt, inner_steps, task_gradients
from fastmaml.algorithms.maml import MAMLSpec

__all__ = ["MAMLSpec", "Scratch", "adapt", "inner_steps", "task_gradients"]
