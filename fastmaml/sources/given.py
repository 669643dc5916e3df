"""Tasks handed over as arrays, which a sampler written in Python may fill anew before each epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.compilation import kernel
from fastmaml.sources.contract import Requirements, draw, requirements


class GivenSpec(NamedTuple):
    """The arrays.

    Attributes
    ----------
    X_support, X_query : ndarray of shape (tasks, rows, features)
        Rows.
    y_support, y_query : ndarray of shape (tasks, rows * targets)
        Targets, those of a row together.
    """

    X_support: Any
    y_support: Any
    X_query: Any
    y_query: Any


@requirements.register(GivenSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    _, shots, features = source.X_support.shape
    return Requirements(
        shots=shots,
        queries=source.X_query.shape[1],
        features=features,
        buffered=shots + source.X_query.shape[1],
        state=0,
        words=0,
        scratch=0,
        targets=source.y_support.shape[1] // shots,
    )


@kernel
def _copy(X: Any, y: Any, first: int, X_out: Any, first_row: int, out: Any) -> None:
    """Copy rows to X_out, from its row ``first`` on."""
    for r in range(X.shape[0]):
        for k in range(X.shape[1]):
            X_out[first + r, k] = X[r, k]
        out.index[r] = first_row + first + r
    for i in range(y.size):
        out.y[i] = y[i]


@draw.register(GivenSpec)
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
    shots, queries = source.X_support.shape[1], source.X_query.shape[1]
    _copy(source.X_support[task], source.y_support[task], 0, X_out, first_row, support_out)
    _copy(source.X_query[task], source.y_query[task], shots, X_out, first_row, query_out)
    return queries
