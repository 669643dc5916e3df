"""Which rows of each task are adapted on, and which are tested on: the same for all that is compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmaml.engine.choosing import choose_rows
from fastmaml.tasks import TaskSet


class SplitRows(NamedTuple):
    """Rows of tasks, split into support and query rows.

    The support rows of few shots are among those of more; the query rows are the same for all numbers of
    shots: all rows that no number of shots adapts on.

    Attributes
    ----------
    order : ndarray of shape (num_rows,) of int64
        The rows of each task, those for the support sets in front.
    offsets : ndarray of shape (num_tasks + 1,) of int64
        Where each task begins.
    most : int
        The largest number of shots.
    """

    order: np.ndarray
    offsets: np.ndarray
    most: int

    @classmethod
    def of(cls, tasks: TaskSet, most: int, seed: int) -> SplitRows:
        """Choose under a seed; each task has more than ``most`` rows."""
        return cls(choose_rows(tasks.offsets, most, seed), tasks.offsets, most)

    def support(self, tasks: slice, shots: int) -> np.ndarray:
        """Return the numbers of the support rows of some tasks, (tasks, shots), in table order."""
        starts = self.offsets[:-1][tasks]
        return np.sort(self.order[starts[:, np.newaxis] + np.arange(shots)], axis=1)

    def query(self, tasks: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the query rows of some tasks, (rows,), and where each task's begin."""
        starts, ends = self.offsets[:-1][tasks] + self.most, self.offsets[1:][tasks]
        counts = ends - starts
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return self.order[places], offsets
