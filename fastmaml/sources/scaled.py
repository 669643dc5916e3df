"""Tasks of another source, scaled while they are drawn: its table is not copied."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import read_only
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, matrix, requirements


class ScaledSpec(NamedTuple):
    """A source of rows of a table, and what the table's columns are brought to.

    Attributes
    ----------
    rows : NamedTuple
        The spec of a source that says which rows of its table a task has, and buffers none.
    mean, scale : ndarray of shape (num_features,), read-only
        A task has the rows ``(X - mean) / scale``.
    """

    rows: Any
    mean: Any
    scale: Any

    @classmethod
    def of(cls, rows: Any, scaling: tuple[np.ndarray, np.ndarray]) -> ScaledSpec:
        """Scale the rows of a source; scaling: mean and scale."""
        mean, scale = map(read_only, scaling)
        return cls(rows, mean, scale)


@requirements.register(ScaledSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    needed = requirements(source.rows, tasks_per_batch)
    return Requirements(
        shots=needed.shots,
        queries=needed.queries,
        features=needed.features,
        buffered=needed.shots + needed.queries,
        state=needed.state,
        words=needed.words,
        scratch=needed.scratch,
        targets=needed.targets,
    )


@exact
def _scale(source: Any, listed: Any, count: int, X_out: Any, begin: int, first_row: int) -> None:
    """Write the listed rows, scaled, to the buffer from ``begin`` on, and list them there."""
    X = matrix(source.rows, X_out)
    for r in range(count):
        row = listed.index[r]
        for k in range(X_out.shape[1]):
            X_out[begin + r, k] = (X[row, k] - source.mean[k]) / source.scale[k]
        listed.index[r] = first_row + begin + r


@draw.register(ScaledSpec)
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
    queries = draw(
        source.rows,
        tasks_per_batch,
        epoch,
        task,
        words,
        scratch,
        X_out,
        first_row,
        support_out,
        query_out,
    )
    shots = requirements(source.rows, tasks_per_batch).shots
    _scale(source, support_out, shots, X_out, 0, first_row)
    _scale(source, query_out, queries, X_out, shots, first_row)
    return queries
