"""Linear regression, of one or more outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastmaml.models.losses import LOSSES
from fastmaml.models.model import Layered, no_negatives
from fastmaml.validation import check_choice, check_count


@dataclass(frozen=True)
class Linear(Layered):
    """Linear regression.

    Parameters
    ----------
    num_features : int
        Features of a row.
    num_outputs : int, default=1
        Targets of a row.
    loss : {"squared_error", "poisson"}, default="squared_error"
        The mean over rows and outputs of ``(prediction - y)^2``, without 1/2; or, with the log link,
        of ``exp(z) - y z``, for counts, where ``exp(z)`` is what is predicted.
    intercept : bool, default=True
        Whether there is an intercept for each output.
    l2 : float, default=0.0
        L2 penalty: ``l2 / 2 * |weights|^2`` is added to the support loss.
    initializer, initializer_scale : str, float, default="zeros", 1.0
        How the weights start, see `fastmaml.models.initializers`.
    """

    num_features: int
    num_outputs: int = 1
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        check_count("num_features", self.num_features)
        check_count("num_outputs", self.num_outputs)
        check_choice("loss", self.loss, ("squared_error", "poisson"))
        super().__post_init__()

    @property
    def num_targets(self) -> int:  # type: ignore[override]
        """Targets of a row."""
        return self.num_outputs

    def _sizes(self) -> tuple[int, ...]:
        return int(self.num_features), int(self.num_outputs)

    def _loss(self) -> Any:
        return LOSSES[self.loss]

    def check_targets(self, name: str, y: np.ndarray) -> None:
        """Raise where the loss is Poisson's and a target is negative."""
        if self.loss == "poisson":
            no_negatives(name, y)
