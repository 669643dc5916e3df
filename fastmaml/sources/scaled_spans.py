"""Tasks of neighbouring rows of one table, scaled while they are drawn: nothing else is copied."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import read_only
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, requirements
from fastmaml.sources.spans import SpansSpec


class ScaledSpansSpec(NamedTuple):
    """Neighbouring rows of a table, and what its columns are brought to.

    Attributes
    ----------
    spans : SpansSpec
        The table, and where each task's support rows begin in it; there are no query rows.
    mean, scale : ndarray of shape (num_features,), read-only
        A task has the rows ``(X - mean) / scale``.
    """

    spans: Any
    mean: Any
    scale: Any

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
        return cls(SpansSpec.of_groups(X, y, starts, rows), mean, scale)


@requirements.register(ScaledSpansSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    spans = requirements(source.spans, tasks_per_batch)
    return Requirements(
        shots=spans.shots,
        queries=0,
        features=spans.features,
        buffered=spans.shots,
        state=0,
        words=0,
        scratch=0,
        targets=spans.targets,
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
    spans = source.spans
    draw(spans, tasks_per_batch, epoch, task, words, scratch, X_out, first_row, support_out, query_out)
    _scale(spans.X, source.mean, source.scale, spans.support_starts[task], X_out)
    for r in range(spans.shots):
        support_out.index[r] = first_row + r
    return 0
