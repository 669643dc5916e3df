"""Evaluation on tasks never seen in training: adapt on some rows of each, score on its others."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from fastmaml.evaluation.baselines import score_baselines
from fastmaml.evaluation.measuring import Bench, Scores
from fastmaml.evaluation.metrics import metric_names
from fastmaml.evaluation.report import FewShotReport
from fastmaml.evaluation.subject import Subject, subject_of
from fastmaml.sources import check_enough_rows
from fastmaml.tasks import TaskSet
from fastmaml.validation import MOST_STEPS, check_choice, check_flag, check_numbers, check_seed
from fastmaml.warning import warn


def evaluate(
    model: Any,
    test_tasks: Any,
    shots: int | Sequence[int] = (1, 2, 5, 10),
    steps: int | Sequence[int] = (0, 1, 5, 10),
    *,
    train_tasks: Any = None,
    baselines: bool = True,
    small_tasks: str = "drop",
    random_state: int = 0,
) -> FewShotReport:
    """Say how good a meta-learned model is on tasks never seen, and whether something simpler would do.

    Of every task some rows are adapted on; those of few shots are among those of more. All rows that no
    number of shots adapts on are tested on, so that every number in the report is of the same rows. The
    choice of rows is a function of the seed and the place of a task alone, not of the model.

    Parameters
    ----------
    model : MAML, MetaLearned, MAMLClassifier or MAMLRegressor
        What is evaluated; an estimator has to be fitted.
    test_tasks : TaskSet or (X, y, groups)
        Tasks that training has not seen; a tuple of arrays or data frames for an estimator.
    shots : int or sequence of int, default=(1, 2, 5, 10)
        Numbers of rows to adapt on.
    steps : int or sequence of int, default=(0, 1, 5, 10)
        Numbers of inner steps to score after; 0 is the start itself.
    train_tasks : TaskSet or (X, y, groups), optional
        Tasks that the baselines learn from. Default: those that the model has learned from, where it still
        has them (one loaded from a file has not).
    baselines : bool, default=True
        Whether to score what is simpler, too; see `fastmaml.evaluation.baselines`.
    small_tasks : {"drop", "error"}, default="drop"
        What to do about tasks with no row left to test on.
    random_state : int, default=0
        Seed of the choice of rows.

    Returns
    -------
    FewShotReport

    Raises
    ------
    ValueError, TypeError
        For wrong arguments, or tasks that do not fit the model, before any work.

    Warns
    -----
    UserWarning
        Where tasks are dropped, diverge, or are too few for their intervals to mean anything.
    """
    single = isinstance(shots, Integral)
    counts = check_numbers("shots", shots, 1)
    numbers = check_numbers("steps", steps, 0, MOST_STEPS)
    seed = check_seed(random_state)
    check_flag("baselines", baselines)
    check_choice("small_tasks", small_tasks, ("drop", "error"))
    subject = subject_of(model, test_tasks, train_tasks)
    tasks = _large(subject.tasks, max(counts), small_tasks)
    bench = Bench.of(subject, tasks, max(counts), seed)
    report = FewShotReport(
        name=subject.name,
        model=subject.model,
        shots=counts[0] if single else counts,
        steps=numbers,
        labels=tasks.labels,
        scores=_score_model(subject, bench, counts, numbers),
        baselines=score_baselines(bench, counts, numbers, seed) if baselines else {},
        trained_with=(subject.shots, subject.learner.algorithm.inner_steps),
        num_seen=_count_seen(tasks, subject.train_tasks),
    )
    for problem in report.problems:
        warn(problem)
    return report


def _score_model(subject: Subject, bench: Bench, shots: Sequence[int], steps: Sequence[int]) -> Scores:
    """Score the model after all numbers of steps on all numbers of shots; arrays (tasks, shots, steps)."""
    out = Scores.empty(metric_names(subject.model), (len(bench.tasks), len(shots), len(steps)))
    for column, count in enumerate(steps):
        found = None
        for row, rows in enumerate(shots):
            if found is None or count > 0:  # Without a step, how many shots there are makes no difference.
                found = bench.score_start(subject.learner, subject.meta, rows, count)
            for name, value in found.values.items():
                out.values[name][:, row, column] = value
            out.diverged[:, row, column] = found.diverged
    return out


def _count_seen(tasks: TaskSet, train: TaskSet | None) -> int | None:
    """Return how many tasks are among those learned from, if known: of the same label, with the same rows."""
    if train is None:
        return None
    places = {label: place for place, label in enumerate(train.labels.tolist())}
    count = 0
    for number, label in enumerate(tasks.labels.tolist()):
        place = places.get(label)
        if place is not None:
            (X, y), (other_X, other_y) = tasks[number], train[place]
            count += np.array_equal(X, other_X) and np.array_equal(y, other_y)
    return count


def _large(tasks: TaskSet, shots: int, small_tasks: str) -> TaskSet:
    """Return the tasks that have a row to test on."""
    small = tasks.rows <= shots
    if not small.any():
        return tasks
    if small.all() or small_tasks == "error":
        check_enough_rows(tasks, shots, "shots")
    warn(
        f"{np.count_nonzero(small)} of {len(tasks)} tasks have fewer than {shots + 1} rows, too few for "
        f"shots={shots} and a row to test on, and are left out"
    )
    return tasks.subset(~small)
