"""Models: what is learned.

The contract is in `fastmaml.models.contract`; each other file holds one implementation.
"""

from fastmaml.models.contract import (
    Rows,
    hessian_vector_products,
    loss_gradients,
    num_parameters,
    predict,
    saved_size,
    score,
)
from fastmaml.models.logistic import LogisticSpec

__all__ = [
    "LogisticSpec",
    "Rows",
    "hessian_vector_products",
    "loss_gradients",
    "num_parameters",
    "predict",
    "saved_size",
    "score",
]
