"""Points from a sampler of the user's own, drawn in the notebook's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastmaml.sources import GivenSpec
from fastmaml.validation import check_labels, check_matrix

Sampler = Callable[[int], Any]


def draw_points(sampler: Sampler, k: int, num_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Call a sampler for k points and check what it returns.

    Returns
    -------
    X : ndarray of shape (k, num_features), float64
    y : ndarray of shape (k,), float64
    """
    points = sampler(k)
    try:
        X, y = points
    except (TypeError, ValueError):
        raise TypeError(
            f"sample_points({k}) returned {_described(points)}; it must return two arrays, "
            f"rows (k, {num_features}) and labels (k, 1)"
        ) from None
    rows = check_matrix(f"the rows of sample_points({k})", X, num_features)
    if rows.shape[0] != k:
        raise ValueError(f"sample_points({k}) returned {rows.shape[0]} rows; it must return {k}")
    return rows, check_labels(f"the labels of sample_points({k})", y, k)


def _described(value: Any) -> str:
    """Say what came, and of how many parts."""
    count = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"a {type(value).__name__}{count}"


NONE = -1


class SampledTasks:
    """The tasks of one epoch, in ``spec``, drawn anew by `draw` before each, and those of the epoch before.

    Parameters
    ----------
    sampler : callable
        Takes a number of points k, returns rows (k, num_features) and labels (k, 1).
    num_tasks, shots, queries, num_features : int
        Sizes.
    """

    def __init__(self, sampler: Sampler, num_tasks: int, shots: int, queries: int, num_features: int) -> None:
        self._sampler = sampler

        def empty() -> GivenSpec:
            return GivenSpec(
                X_support=np.zeros((num_tasks, shots, num_features)),
                y_support=np.zeros((num_tasks, shots)),
                X_query=np.zeros((num_tasks, queries, num_features)),
                y_query=np.zeros((num_tasks, queries)),
            )

        self.spec, self._before = empty(), empty()
        # Whose tasks ``spec`` holds, written when all of them are there: until then the last finished epoch's
        # are those kept before, whenever somebody interrupts.
        self._epoch = NONE

    def draw(self, epoch: int) -> None:
        """Draw every task's support rows, in order, then every task's query rows, as the notebook does."""
        for kept, drawn in zip(self._before, self.spec, strict=True):
            kept[:] = drawn
        self._epoch = NONE
        spec = self.spec
        for X, y in ((spec.X_support, spec.y_support), (spec.X_query, spec.y_query)):
            for task in range(X.shape[0]):
                X[task], y[task] = draw_points(self._sampler, X.shape[1], X.shape[2])
        self._epoch = epoch

    def of_epoch(self, epoch: int) -> GivenSpec:
        """Return the tasks of the last finished epoch."""
        return self.spec if self._epoch == epoch else self._before
