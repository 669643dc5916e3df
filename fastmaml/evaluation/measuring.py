"""Adapting from a start on the support rows of tasks and scoring their query rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastmaml.engine.predicting import predict_groups
from fastmaml.evaluation.metrics import metric_names, score_rows
from fastmaml.evaluation.split_rows import SplitRows
from fastmaml.evaluation.subject import Subject
from fastmaml.group_adapter import adapt_groups
from fastmaml.learner import Learner
from fastmaml.models import pad, theta_width
from fastmaml.tasks import TaskSet

# Tasks that are adapted to at a time: what is in memory does not grow with their number.
BLOCK_TASKS = 4096


class Scores(NamedTuple):
    """Scores of tasks.

    Attributes
    ----------
    values : dict of str to ndarray
        Each score, see `fastmaml.evaluation.metrics`: the first axis is that of tasks. NaN where there is
        none.
    diverged : ndarray of bool
        Of the same shape: where parameters or predictions turned infinite or NaN.
    """

    values: dict[str, np.ndarray]
    diverged: np.ndarray

    @classmethod
    def empty(cls, names: tuple[str, ...], shape: tuple[int, ...]) -> Scores:
        """Make room."""
        return cls({name: np.full(shape, np.nan) for name in names}, np.zeros(shape, bool))


class Bench(NamedTuple):
    """Tasks to be scored on, and how.

    Attributes
    ----------
    subject : Subject
        Gives model, scales and threads.
    tasks : TaskSet
        As they came.
    scaled : TaskSet
        In the units of learning.
    rows : SplitRows
        Support and query rows.
    """

    subject: Subject
    tasks: TaskSet
    scaled: TaskSet
    rows: SplitRows

    @classmethod
    def of(cls, subject: Subject, tasks: TaskSet, most: int, seed: int) -> Bench:
        """Choose rows."""
        return cls(subject, tasks, subject.scaled(tasks), SplitRows.of(tasks, most, seed))

    def blocks(self) -> Iterator[slice]:
        """Yield the tasks in blocks."""
        for begin in range(0, len(self.tasks), BLOCK_TASKS):
            yield slice(begin, min(begin + BLOCK_TASKS, len(self.tasks)))

    def score(self, z: np.ndarray, tasks: slice) -> Scores:
        """Score what the last layer gives for the query rows of some tasks, in the units of learning."""
        index, offsets = self.rows.query(tasks)
        model = self.subject.model
        y, outputs = self.tasks.y[index], z
        if not model.classifies:
            outputs = self.subject.targets.undo(z)
        values = score_rows(model, outputs, y, offsets)
        wild = np.logical_or.reduceat(~np.isfinite(z).all(axis=1), offsets[:-1])
        diverged = wild | ~np.isfinite(values["loss"])
        for value in values.values():
            value[diverged] = np.nan
        return Scores(values, diverged)

    def adapted(
        self, learner: Learner, meta: np.ndarray, shots: int, steps: int, tasks: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the parameters (tasks, num_parameters) after some inner steps, and where they diverged."""
        if steps == 0:
            count = tasks.stop - tasks.start
            theta = learner.split(meta)[0]
            return np.broadcast_to(theta, (count, theta.size)), np.zeros(count, bool)
        index = self.rows.support(tasks, shots)
        result = adapt_groups(
            learner,
            meta,
            self.scaled.X[index.reshape(-1)],
            self.scaled.y[index.reshape(-1), np.newaxis],
            np.arange(len(index) + 1) * shots,
            steps=steps,
            n_jobs=self.subject.n_jobs,
        )
        return result.thetas, result.diverged

    def score_start(self, learner: Learner, meta: np.ndarray, shots: int, steps: int) -> Scores:
        """Adapt to every task from a start, and score its query rows; arrays (tasks,)."""
        spec = self.subject.model.linear_spec()
        out = Scores.empty(metric_names(self.subject.model), (len(self.tasks),))
        for tasks in self.blocks():
            thetas, bad = self.adapted(learner, meta, shots, steps, tasks)
            index, offsets = self.rows.query(tasks)
            # What diverged is predicted by zeros, and its scores are struck out.
            padded = np.zeros((len(thetas), theta_width(spec)))
            padded[~bad] = pad(spec, thetas[~bad].astype(np.float64), np.dtype(np.float64))
            found = self.score(predict_groups(spec, padded, self.scaled.X[index], offsets), tasks)
            for name, value in found.values.items():
                value[bad] = np.nan
                out.values[name][tasks] = value
            out.diverged[tasks] = found.diverged | bad
        return out
