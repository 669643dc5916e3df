"""Tasks of neighbouring rows of one table: nothing is drawn, and nothing copied."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import read_only
from fastmaml.runtime.compilation import kernel
from fastmaml.sources.contract import Requirements, draw, matrix, requirements


class SpansSpec(NamedTuple):
    """A table, and where each task's rows begin in it.

    Attributes
    ----------
    X : ndarray of shape (num_rows, num_features), read-only
        Rows.
    y : ndarray of shape (num_rows * targets,)
        Targets, those of a row together.
    weights : ndarray of shape (num_rows,) or (0,)
        A weight for each row, handed on behind a task's targets; or none.
    support_starts, query_starts : ndarray of shape (num_tasks,) of int64
        The first support and the first query row of each task.
    shots, queries : int
        How many there are of each; they may overlap.
    targets : int
        Numbers in the target of a row.
    """

    X: Any
    y: Any
    weights: Any
    support_starts: Any
    query_starts: Any
    shots: int
    queries: int
    targets: int

    @classmethod
    def of_groups(cls, X: np.ndarray, y: np.ndarray, starts: np.ndarray, rows: int) -> SpansSpec:
        """Take ``rows`` rows of each task for support rows, and no query rows; y: (num_rows, targets)."""
        return cls.of_rows(X, y, np.zeros(0), starts, starts, (int(rows), 0))

    @classmethod
    def of_rows(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        support_starts: np.ndarray,
        query_starts: np.ndarray,
        rows: tuple[int, int],
    ) -> SpansSpec:
        """Take so many support and query rows of each task; y: (num_rows, targets)."""
        support, query = (np.require(s, np.int64, ["C", "A", "W"]) for s in (support_starts, query_starts))
        # One type, and so one piece of code, whether or not the caller may write to them.
        return cls(
            read_only(X), read_only(y.reshape(-1)), weights, support, query, rows[0], rows[1], int(y.shape[1])
        )


@requirements.register(SpansSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=source.X.shape[1],
        buffered=0,
        state=0,
        words=0,
        scratch=0,
        targets=source.targets + (1 if source.weights.size else 0),
    )


@matrix.register(SpansSpec)
def _matrix(source: Any, X_buffer: Any) -> Any:
    return source.X


@kernel
def _list(source: Any, begin: int, rows: int, out: Any) -> None:
    """List successive rows."""
    for r in range(rows):
        out.index[r] = begin + r
    for k in range(rows * source.targets):
        out.y[k] = source.y[begin * source.targets + k]
    if source.weights.size > 0:
        for r in range(rows):
            out.y[rows * source.targets + r] = source.weights[begin + r]


@draw.register(SpansSpec)
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
    _list(source, source.support_starts[task], source.shots, support_out)
    _list(source, source.query_starts[task], source.queries, query_out)
    return source.queries
