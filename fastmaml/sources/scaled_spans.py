"""Tasks of neighbouring rows of one table, scaled while they are drawn: nothing else is copied."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import read_only
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, requirements


class ScaledSpansSpec(NamedTuple):
    """A table, what its columns are brought to, and where each task's rows begin in it.

    Attributes
    ----------
    X : ndarray of shape (num_rows, num_features), read-only
        Rows.
    y : ndarray of shape (num_rows * targets,), read-only
        Targets, those of a row together.
    mean, scale : ndarray of shape (num_features,), read-only
        A task has the rows ``(X - mean) / scale``.
    starts : ndarray of shape (num_tasks,) of int64
        The first row of each task; all are support rows.
    shots : int
        How many there are.
    targets : int
        Numbers in the target of a row.
    """

    X: Any
    y: Any
    mean: Any
    scale: Any
    starts: Any
    shots: int
    targets: int

    @classmethod
    def of_groups(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        scaling: tuple[np.ndarray, np.ndarray],
        starts: np.ndarray,
        rows: int,
    ) -> ScaledSpansSpec:
        """Take ``rows`` rows of each task; y: (num_rows, targets); scaling: mean and scale."""
        mean, scale = map(read_only, scaling)
        starts = np.require(starts, np.int64, ["C", "A", "W"])
        return cls(read_only(X), read_only(y.reshape(-1)), mean, scale, starts, int(rows), int(y.shape[1]))


@requirements.register(ScaledSpansSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    return Requirements(
        shots=source.shots,
        queries=0,
        features=source.X.shape[1],
        buffered=source.shots,
        state=0,
        words=0,
        scratch=0,
        targets=source.targets,
    )


@exact
def _scale(X: Any, mean: Any, scale: Any, begin: int, X_out: Any) -> None:
    """Write scaled rows, from ``begin`` on."""
    for r in range(X_out.shape[0]):
        for k in range(X_out.shape[1]):
            X_out[r, k] = (X[begin + r, k] - mean[k]) / scale[k]


@draw.register(ScaledSpansSpec)
def _draw(
    source: Any,
    tasks_per_batch: int,
    epoch: int,
    task: int,
    words: Any,
    scratch: Any,
    X_out: Any,
    first_row: int,
    support_out: Any,
    query_out: Any,
) -> Any:
    begin = source.starts[task]
    _scale(source.X, source.mean, source.scale, begin, X_out)
    for r in range(source.shots):
        support_out.index[r] = first_row + r
    for k in range(source.shots * source.targets):
        support_out.y[k] = source.y[begin * source.targets + k]
    return 0
