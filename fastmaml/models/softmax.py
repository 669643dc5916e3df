"""Softmax regression: several classes, one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastmaml.models.losses import LOSSES
from fastmaml.models.model import Layered, whole_classes
from fastmaml.validation import check_count


@dataclass(frozen=True)
class Softmax(Layered):
    """Softmax regression, with the categorical cross-entropy for loss.

    Parameters
    ----------
    num_features : int
        Features of a row.
    num_classes : int
        Classes, numbered from 0; at least 2.
    intercept : bool, default=True
        Whether there is an intercept for each class.
    l2 : float, default=0.0
        L2 penalty: ``l2 / 2 * |weights|^2`` is added to the support loss.
    initializer, initializer_scale : str, float, default="zeros", 1.0
        How the weights start, see `fastmaml.models.initializers`.
    """

    num_features: int
    # Without this the number that other models have would be the default.
    num_classes: int = field()
    classifies = True

    def __post_init__(self) -> None:
        check_count("num_features", self.num_features)
        check_count("num_classes", self.num_classes, 2)
        super().__post_init__()

    def _sizes(self) -> tuple[int, ...]:
        return int(self.num_features), int(self.num_classes)

    def _loss(self) -> Any:
        return LOSSES["categorical_cross_entropy"]

    def check_targets(self, name: str, y: np.ndarray) -> None:
        """Raise unless every target is the number of a class."""
        whole_classes(name, y, self.num_classes)
