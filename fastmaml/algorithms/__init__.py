"""Algorithms: how tasks yield gradients for the initialisation.

The contract is in `fastmaml.algorithms.contract`; each other file holds one implementation.
"""

from fastmaml.algorithms.algorithm import Algorithm
from fastmaml.algorithms.anil import ANIL, ANILSpec
from fastmaml.algorithms.contract import (
    Scratch,
    adapt,
    head_only,
    inner_steps,
    num_learned,
    of_worker,
    task_gradients,
    wants_products,
)
from fastmaml.algorithms.inner_loop import InnerLoop
from fastmaml.algorithms.maml import FIRST_ORDER, MAML, MAMLSpec
from fastmaml.algorithms.metasgd import MetaSGD
from fastmaml.algorithms.reptile import Reptile, ReptileSpec

# By the names that estimators and the command line have for them.
ALGORITHMS = {
    "maml": MAML,
    "anil": ANIL,
    "meta_sgd": MetaSGD,
    "reptile": Reptile,
}

__all__ = [
    "ALGORITHMS",
    "ANIL",
    "FIRST_ORDER",
    "MAML",
    "ANILSpec",
    "Algorithm",
    "InnerLoop",
    "MAMLSpec",
    "MetaSGD",
    "Reptile",
    "ReptileSpec",
    "Scratch",
    "adapt",
    "head_only",
    "inner_steps",
    "num_learned",
    "of_worker",
    "task_gradients",
    "wants_products",
]
