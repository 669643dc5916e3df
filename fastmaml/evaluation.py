"""Evaluation on tasks never seen in training: adapt on some rows of each, score on its others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.adapting import NEVER, Adapted, adapt_epoch
from fastmaml.sources import Table, group_name
from fastmaml.tasks import TaskSet
from fastmaml.validation import MOST_STEPS, check_count

CONFIDENCE = 0.95


class Evaluation(NamedTuple):
    """Scores by number of inner steps, over tasks.

    Attributes
    ----------
    steps : ndarray of shape (S,) of int64
        Inner steps.
    loss, accuracy : ndarray of shape (S,)
        Means over the tasks of each task's mean query loss and share of query rows that are right.
    loss_interval, accuracy_interval : ndarray of shape (S, 2)
        95 % confidence intervals of these means over tasks (Student's t); NaN with a single task.
    num_tasks : int
        Tasks evaluated.
    """

    steps: np.ndarray
    loss: np.ndarray
    loss_interval: np.ndarray
    accuracy: np.ndarray
    accuracy_interval: np.ndarray
    num_tasks: int


def mean_interval(values: np.ndarray) -> np.ndarray:
    """Return the 95 % confidence interval of the mean of each column, by Student's t.

    Parameters
    ----------
    values : ndarray of shape (num_tasks, S)
        One row a task.

    Returns
    -------
    ndarray of shape (S, 2)
        Lower and upper end; NaN with fewer than two rows.
    """
    from scipy.special import (
        stdtrit,
    )  # SciPy takes a tenth of a second to load, and only evaluation needs it.

    count = values.shape[0]
    mean = values.mean(axis=0)
    if count < 2:
        return np.full((values.shape[1], 2), np.nan)
    # Scaled, so that no square overflows.
    scale = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float64).tiny)
    # Where a task diverged, its loss is infinite, and there is no interval.
    with np.errstate(invalid="ignore"):
        deviation = scale * (values / scale).std(axis=0, ddof=1)
        half = stdtrit(count - 1, 0.5 + CONFIDENCE / 2) * deviation / np.sqrt(count)
        return np.stack([mean - half, mean + half], axis=1)


def check_steps(steps: Sequence[int]) -> tuple[int, ...]:
    """Return numbers of inner steps, ascending and without repeats."""
    try:
        values = tuple(steps)
    except TypeError:
        values = (steps,)  # type: ignore[assignment]
    if not values:
        raise ValueError("steps is empty; give numbers of inner steps such as (0, 1, 5)")
    return tuple(sorted({check_count("steps", value, 0, MOST_STEPS) for value in values}))


def evaluate(
    model: Any,
    algorithm: Any,
    theta: np.ndarray,
    tasks: TaskSet,
    *,
    shots: int,
    queries: int | None = None,
    steps: tuple[int, ...],
    seed: int,
    n_jobs: int | None,
) -> Evaluation:
    """Adapt to each task on ``shots`` of its rows, drawn under the seed, and score its other rows.

    Parameters
    ----------
    model, algorithm : NamedTuple
        The specs.
    theta : ndarray of shape (width,)
        The initialisation, padded.
    tasks : TaskSet
        Tasks with at least ``shots + 1`` rows each.
    shots : int
        Support rows a task.
    queries : int or None
        The most query rows a task; None for all its other rows.
    steps : tuple of int
        Numbers of inner steps to score after, ascending.
    seed : int
        Seed of the choice of rows.
    n_jobs : int or None
        Threads.

    Raises
    ------
    FloatingPointError
        If a task's parameters or loss turn infinite or NaN; names the task and the step.
    """
    source = Table(tasks, shots, queries).lower(seed)
    result = adapt_epoch(
        model,
        algorithm,
        source,
        tasks_per_batch=len(tasks),
        theta=theta,
        steps=max(steps),
        score_steps=steps,
        n_jobs=n_jobs,
    )
    _check_finite(result, tasks, steps)
    return Evaluation(
        steps=np.array(steps, dtype=np.int64),
        loss=result.losses.mean(axis=0),
        loss_interval=mean_interval(result.losses),
        accuracy=result.scores.mean(axis=0),
        accuracy_interval=mean_interval(result.scores),
        num_tasks=len(tasks),
    )


def _check_finite(result: Adapted, tasks: TaskSet, steps: tuple[int, ...]) -> None:
    """Raise if a task's parameters or loss are infinite: their mean would say nothing."""
    diverged = np.flatnonzero(result.bad_step != NEVER)
    if diverged.size:
        first = int(diverged[0])
        raise FloatingPointError(
            f"the parameters of group {group_name(tasks, first)} turned infinite or NaN in step "
            f"{result.bad_step[first]} of adapting, those of {diverged.size} of {len(tasks)} groups in "
            "all; lower the inner rate or scale the features"
        )
    infinite = np.argwhere(~np.isfinite(result.losses))
    if infinite.size:
        task, column = infinite[0]
        raise FloatingPointError(
            f"the loss of group {group_name(tasks, task)} is infinite or NaN after {steps[column]} steps; "
            "scale the features"
        )
