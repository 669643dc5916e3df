"""Tasks handed over as arrays, which a sampler written in Python may fill anew before each epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.numerics.layout import padded_width
from fastmaml.sources.contract import Requirements, draw, prepare, requirements


class GivenSpec(NamedTuple):
    """The arrays.

    Attributes
    ----------
    X_support, X_query : ndarray of shape (tasks, rows, features)
        Rows.
    y_support, y_query : ndarray of shape (tasks, rows)
        Targets.
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
        stride=padded_width(features + 1),
        state=0,
        words=0,
        scratch=0,
    )


@prepare.register(GivenSpec)
def _prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    return


@draw.register(GivenSpec)
def _draw(
    source: Any,
    tasks_per_batch: int,
    epoch: int,
    task: int,
    words: Any,
    scratch: Any,
    X_support_out: Any,
    y_support_out: Any,
    X_query_out: Any,
    y_query_out: Any,
) -> Any:
    features = source.X_support.shape[2]
    for r in range(source.X_support.shape[1]):
        for k in range(features):
            X_support_out[r, k] = source.X_support[task, r, k]
        X_support_out[r, features] = 1
        y_support_out[r] = source.y_support[task, r]
    for r in range(source.X_query.shape[1]):
        for k in range(features):
            X_query_out[r, k] = source.X_query[task, r, k]
        X_query_out[r, features] = 1
        y_query_out[r] = source.y_query[task, r]
    return source.X_query.shape[1]
