"""Losses at the output of a network: the mean over rows, its derivatives, what is predicted and its score.

The contract is in `fastmaml.models.losses.contract`; each other file holds one loss. A loss is part of the
type of a model's spec: what the others do is not compiled.
"""

from fastmaml.models.losses.binary import BinaryCrossEntropy
from fastmaml.models.losses.categorical import CategoricalCrossEntropy
from fastmaml.models.losses.contract import (
    loss_curvature,
    loss_slopes,
    mean_loss,
    mean_score,
    predictions,
)
from fastmaml.models.losses.poisson import Poisson
from fastmaml.models.losses.squared_error import SquaredError
from fastmaml.models.losses.weighted import Weighted

LOSSES = {
    "squared_error": SquaredError(),
    "poisson": Poisson(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "categorical_cross_entropy": CategoricalCrossEntropy(),
}

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "Poisson",
    "SquaredError",
    "Weighted",
    "loss_curvature",
    "loss_slopes",
    "mean_loss",
    "mean_score",
    "predictions",
]
