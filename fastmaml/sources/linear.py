"""Linear tasks with a known optimum: each has weights of its own, spread evenly around common ones.

``y = x . (weights + spread * u) + noise * e`` with u, e and x uniform in [-1, 1]. For linear regression the
common weights are the best initialisation, whatever the algorithm: everything is symmetric around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import as_array, came, finite_floats
from fastmaml.numerics.philox import (
    PURPOSE_QUERY,
    PURPOSE_SUPPORT,
    PURPOSE_TASK,
    philox_words,
    words_room,
)
from fastmaml.runtime.compilation import kernel
from fastmaml.sources.contract import Requirements, draw, requirements
from fastmaml.sources.source import Source, check_rows
from fastmaml.validation import check_rate

UNIT = 2.0**-31


class LinearTasksSpec(NamedTuple):
    """Numbers of linear tasks.

    Attributes
    ----------
    seed : int
        Seed, 64 bits.
    weights : ndarray of shape (features, targets)
        The common weights.
    spread, noise : float
        See the module.
    shots, queries : int
        Support rows and query rows a task.
    """

    seed: Any
    weights: Any
    spread: float
    noise: float
    shots: int
    queries: int


@dataclass(frozen=True)
class LinearTasks(Source):
    """Linear regression tasks around common weights, which are the best initialisation.

    Parameters
    ----------
    weights : array_like of shape (num_features,) or (num_features, num_targets)
        The common weights.
    shots : int, default=10
        Support rows a task.
    queries : int, default=10
        Query rows a task.
    spread : float, default=1.0
        How far, at most, a task's weights are from them.
    noise : float, default=0.0
        How far, at most, a target is from the line.
    """

    negative_targets = True
    weights: Any
    shots: int = 10
    queries: int = 10
    spread: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        given = as_array("weights", self.weights)
        if given.ndim not in (1, 2) or given.size == 0:
            raise ValueError(
                f"weights {came(self.weights, given)}; give an array of shape (num_features,) or "
                "(num_features, num_targets)"
            )
        weights = finite_floats("weights", given, ("row", "column")[: given.ndim])
        rows = weights.reshape(len(weights), -1)
        object.__setattr__(self, "weights", tuple(tuple(map(float, row)) for row in rows))
        check_rows(self.shots, self.queries)
        check_rate("spread", self.spread)
        check_rate("noise", self.noise)

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Columns of a row."""
        return len(self.weights)

    @property
    def num_targets(self) -> int:  # type: ignore[override]
        """Numbers in the target of a row."""
        return len(self.weights[0])

    def lower(self, seed: int) -> LinearTasksSpec:
        """Return the spec."""
        sizes = int(self.shots), int(self.queries)
        weights = np.array(self.weights)
        return LinearTasksSpec(np.uint64(seed), weights, float(self.spread), float(self.noise), *sizes)


@requirements.register(LinearTasksSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    features, targets = source.weights.shape
    points = words_room(max(source.shots, source.queries) * (features + targets))
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=features,
        buffered=source.shots + source.queries,
        state=0,
        words=0,
        scratch=points + words_room(features * targets),
        targets=targets,
    )


@kernel
def _even(word: Any) -> float:
    """Return a number uniform in [-1, 1)."""
    return np.float64(word) * UNIT - 1.0


@draw.register(LinearTasksSpec)
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
    features, targets = source.weights.shape
    of_task = scratch[scratch.size - words_room(features * targets) :]
    philox_words(source.seed, epoch, task, PURPOSE_TASK, features * targets, of_task)
    for kind in range(2):
        out = support_out if kind == 0 else query_out
        rows = source.shots if kind == 0 else source.queries
        begin = 0 if kind == 0 else source.shots
        purpose = PURPOSE_SUPPORT if kind == 0 else PURPOSE_QUERY
        philox_words(source.seed, epoch, task, purpose, rows * (features + targets), scratch)
        for r in range(rows):
            first = r * (features + targets)
            for k in range(features):
                X_out[begin + r, k] = _even(scratch[first + k])
            for t in range(targets):
                y = source.noise * _even(scratch[first + features + t])
                for k in range(features):
                    weight = source.weights[k, t] + source.spread * _even(of_task[k * targets + t])
                    y += weight * X_out[begin + r, k]
                out.y[r * targets + t] = y
            out.index[r] = first_row + begin + r
    return source.queries
