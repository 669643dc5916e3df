"""Scores of tasks, from what the last layer gives for their query rows.

With z of a row, before the link, and its target y:

- ``loss``: binary cross-entropy ``softplus(z) - y z``; categorical ``logsumexp(z) - z_y``; squared error
  ``(z - y)^2``; Poisson ``exp(z) - y z``; the mean over a task's rows.
- ``accuracy``: the share of rows whose class is right.
- ``auc``: of two classes, the share of pairs of a row of either whose order is right, ties counting half (J.
  A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
  curve", 1982); undefined where all rows are of one class.
- ``rmse``: the root of the mean of ``(prediction - y)^2`` over a task's rows; of a task with one row the
  absolute error.
- ``r2``: 1 minus the sum of ``(prediction - y)^2`` over that of ``(y - mean(y))^2``; undefined where all
  targets are the same.

Where a score is undefined it is NaN.
"""

from __future__ import annotations

import numpy as np

from fastmaml.models import Layered

# What is better: larger, or smaller.
LARGER_IS_BETTER = {"loss": False, "accuracy": True, "auc": True, "rmse": False, "r2": True}


def metric_names(model: Layered) -> tuple[str, ...]:
    """Return the scores that a model has; the second is the one that it is judged by."""
    if not model.classifies:
        return "loss", "rmse", "r2"
    return ("loss", "accuracy", "auc") if model.num_classes == 2 else ("loss", "accuracy")


def segment_means(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the mean of the values of each task, which has at least one."""
    return np.add.reduceat(values, offsets[:-1]) / np.diff(offsets)


def score_rows(model: Layered, z: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """Score tasks.

    Parameters
    ----------
    model : Layered
        Whose outputs they are.
    z : ndarray of shape (rows, num_outputs)
        What its last layer gives, in units of y.
    y : ndarray of shape (rows,)
        Targets; classes as numbers from 0.
    offsets : ndarray of shape (num_tasks + 1,)
        Task i has the rows from ``offsets[i]`` to ``offsets[i + 1]``, at least one.

    Returns
    -------
    dict of str to ndarray of shape (num_tasks,)
        The scores named by `metric_names`.
    """
    with np.errstate(all="ignore"):
        if model.classifies:
            return _score_classes(model, z, y, offsets)
        poisson = model.loss == "poisson"  # type: ignore[attr-defined]
        z = z[:, 0]
        predicted = np.exp(z) if poisson else z
        errors = segment_means((predicted - y) ** 2, offsets)
        spread = segment_means((y - np.repeat(segment_means(y, offsets), np.diff(offsets))) ** 2, offsets)
        # Of equal targets the mean may be another by a rounding.
        differ = np.maximum.reduceat(y, offsets[:-1]) > np.minimum.reduceat(y, offsets[:-1])
        return {
            "loss": segment_means(predicted - y * z, offsets) if poisson else errors,
            "rmse": np.sqrt(errors),
            "r2": np.where(differ, 1 - errors / spread, np.nan),
        }


def _score_classes(
    model: Layered, z: np.ndarray, y: np.ndarray, offsets: np.ndarray
) -> dict[str, np.ndarray]:
    if model.num_classes > 2 or z.shape[1] == 2:
        own = np.take_along_axis(z, y.astype(np.intp)[:, np.newaxis], axis=1)[:, 0]
        largest = z.max(axis=1)
        losses = largest - own + np.log(np.exp(z - largest[:, np.newaxis]).sum(axis=1))
        right, margin = z.argmax(axis=1) == y, z[:, -1] - z[:, 0]
    else:
        margin = z[:, 0]
        losses = np.logaddexp(0, np.where(y == 1, -margin, margin))
        right = (margin > 0) == (y == 1)
    scores = {"loss": segment_means(losses, offsets), "accuracy": segment_means(right * 1.0, offsets)}
    if model.num_classes == 2:
        scores["auc"] = areas_under_curves(margin, y, offsets)
    return scores


def areas_under_curves(scores: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the area under each task's ROC curve; NaN where all of its rows are of one class."""
    task = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((scores, task))
    ordered, tasks = scores[order], task[order]
    # The rank of a row among those of its task; where some are equal, the mean of their ranks.
    first = np.concatenate([[True], (ordered[1:] != ordered[:-1]) | (tasks[1:] != tasks[:-1])])
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, len(ordered)))
    ranks = np.repeat(starts + (sizes + 1) / 2, sizes) - offsets[:-1][tasks]
    positive = y[order] == 1
    count = np.add.reduceat(positive * 1.0, offsets[:-1])
    others = np.diff(offsets) - count
    pairs = count * others
    area = (np.add.reduceat(ranks * positive, offsets[:-1]) - count * (count + 1) / 2) / pairs
    return np.where(pairs > 0, area, np.nan)
