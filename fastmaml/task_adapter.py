"""Adapting to one task after the other, without making everything ready anew each time.

What adapting takes (memory, compiled code and the record that joins them) depends on the number of rows and
of steps alone. It is kept for the last few pairs of these: a task of ten rows is then a matter of
microseconds.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.adapting import NEVER, AdaptingPiece, allocate_adapting
from fastmaml.learner import Learner
from fastmaml.models import entries
from fastmaml.sources import SpansSpec

# Numbers of rows and steps that are kept ready.
KEPT = 8


class _Ready(NamedTuple):
    """What is ready for one number of rows and steps."""

    piece: AdaptingPiece
    meta: np.ndarray
    X: np.ndarray
    y: np.ndarray


class TaskAdapter:
    """Adapts a learner to one task at a time. May be used by several threads.

    Parameters
    ----------
    learner : Learner
        A model and an algorithm.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._entries = entries(learner.model_spec)
        self._ready: dict[tuple[int, int], _Ready] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return TaskAdapter, (self._learner,)

    def adapt(
        self, meta: np.ndarray, X: np.ndarray, y: np.ndarray, steps: int
    ) -> tuple[np.ndarray, int | None]:
        """Take inner steps on the rows of one task.

        Parameters
        ----------
        meta : ndarray of shape (meta_size,)
            The meta-parameters, padded.
        X, y : ndarray of shape (rows, num_features), (rows,) or (rows, num_targets)
            At least one row.
        steps : int
            How many.

        Returns
        -------
        theta : ndarray of shape (num_parameters,)
            The parameters.
        bad_step : int or None
            The first step that left some of them infinite or NaN.
        """
        with self._lock:
            piece, meta_in, X_in, y_in = self._get(len(X), steps, meta.size)
            meta_in[:] = meta
            X_in[:] = X
            y_in[:] = y.reshape(y_in.shape)
            piece.run()
            record = piece.record
            bad_step = int(record.bad_step_out[0])
            return record.thetas_out[0][self._entries].copy(), None if bad_step == NEVER else bad_step

    def _get(self, rows: int, steps: int, size: int) -> _Ready:
        key = rows, steps
        ready = self._ready.pop(key, None) or self._make(rows, steps, size)
        while len(self._ready) >= KEPT:
            del self._ready[next(iter(self._ready))]
        self._ready[key] = ready  # The last used stands last.
        return ready

    def _make(self, rows: int, steps: int, size: int) -> _Ready:
        learner = self._learner
        X = np.zeros((rows, learner.model.num_features))
        y, meta = np.zeros((rows, learner.model.num_targets)), np.zeros(size, learner.dtype)
        piece = allocate_adapting(
            learner.model_spec,
            learner.algorithm_spec,
            SpansSpec.of_groups(X, y, np.zeros(1, np.int64), rows),
            tasks_per_batch=1,
            theta=meta,
            steps=steps,
            epochs=(0, 0),
            want_thetas=True,
            workers=1,
        )
        return _Ready(piece, meta, X, y)
