"""Scales: what features, and the targets of a regression, are brought to before they are learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmaml.tasks import TaskSet


class Scaling(NamedTuple):
    """A shift and a scale for each column: ``(values - mean) / scale``.

    Attributes
    ----------
    mean, scale : ndarray of shape (columns,)
        float64; the scale is never 0.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def none(cls, columns: int) -> Scaling:
        """Leave everything as it is."""
        return cls(np.zeros(columns), np.ones(columns))

    @classmethod
    def standard(cls, name: str, values: np.ndarray, weights: np.ndarray | None = None) -> Scaling:
        """Bring columns (rows, columns) to mean 0 and variance 1; constant ones to 0.

        Raises
        ------
        ValueError
            If they are too large for that.
        """
        from sklearn.preprocessing import StandardScaler

        with np.errstate(all="ignore"):
            scaler = StandardScaler().fit(values, sample_weight=weights)
        if not (np.isfinite(scaler.mean_).all() and np.isfinite(scaler.scale_).all()):
            raise ValueError(
                f"{name} goes up to {np.abs(values).max():g}, too large to be standardized; give it in other "
                "units"
            )
        return cls(scaler.mean_, scaler.scale_)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return values (rows, columns), scaled."""
        shifted = np.subtract(values, self.mean)
        return np.divide(shifted, self.scale, out=shifted)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return scaled values (rows, columns) as they were."""
        return values * self.scale + self.mean


def scaled_tasks(tasks: TaskSet, features: Scaling, targets: Scaling) -> TaskSet:
    """Return tasks with scaled features and targets."""
    y = targets.apply(tasks.y[:, np.newaxis])
    return TaskSet(features.apply(tasks.X), y, tasks.offsets, tasks.labels)
