"""Adapting to many groups of rows at once, whatever their sizes: each group's rows are all support rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.adapting import NEVER, adapt_epoch
from fastmaml.learner import Learner
from fastmaml.models import entries
from fastmaml.scaling import Scaling
from fastmaml.sources import ScaledSpec, SpansSpec

# Numbers in the rows of a group that threads scale into memory of their own, which they have for a few groups
# each; larger groups are scaled one by one.
BUFFERED = 2**17


class AdaptedGroups(NamedTuple):
    """Parameters of many groups.

    Attributes
    ----------
    thetas : ndarray of shape (num_groups, num_parameters)
        Adapted parameters.
    diverged : ndarray of shape (num_groups,) of bool
        Which of them turned infinite or NaN.
    """

    thetas: np.ndarray
    diverged: np.ndarray


def adapt_groups(
    learner: Learner,
    meta: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    offsets: np.ndarray,
    *,
    features: Scaling | None = None,
    steps: int,
    n_jobs: int | None,
) -> AdaptedGroups:
    """Adapt to each group of rows.

    Parameters
    ----------
    learner : Learner
        A model and an algorithm.
    meta : ndarray of shape (meta_size,)
        The meta-parameters, padded.
    X : ndarray of shape (rows, num_features), float32 or float64
        Finite rows, sorted by group.
    y : ndarray of shape (rows, num_targets), float64
        Targets that fit the model.
    offsets : ndarray of shape (num_groups + 1,)
        Group i has the rows from ``offsets[i]`` to ``offsets[i + 1]``, at least one.
    features : Scaling or None
        What the rows are brought to; None where they are as the model takes them.
    steps : int
        Inner steps.
    n_jobs : int or None
        Threads; None for all.
    """
    where = entries(learner.model_spec)
    thetas = np.empty((len(offsets) - 1, learner.split(meta)[0].size), learner.dtype)
    diverged = np.empty(len(thetas), bool)
    for groups, source in _batches(X, y, offsets, features):
        result = adapt_epoch(
            learner.model_spec,
            learner.algorithm_spec,
            source,
            tasks_per_batch=len(groups),
            theta=meta,
            steps=steps,
            want_thetas=True,
            n_jobs=n_jobs,
        )
        thetas[groups] = result.thetas[:, where]
        diverged[groups] = result.bad_step != NEVER
    return AdaptedGroups(thetas, diverged)


def _batches(
    X: np.ndarray, y: np.ndarray, offsets: np.ndarray, features: Scaling | None
) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield groups of one size, and a source of them: what the kernel has memory for is a number of rows."""
    rows = np.diff(offsets)
    order = np.argsort(rows, kind="stable")
    sizes, begins = np.unique(rows[order], return_index=True)
    for size, groups in zip(sizes, np.split(order, begins[1:]), strict=True):
        starts = offsets[groups]
        if features is None:
            yield groups, SpansSpec.of_groups(X, y, starts, int(size))
        elif size * X.shape[1] <= BUFFERED:
            yield groups, ScaledSpec.of(SpansSpec.of_groups(X, y, starts, int(size)), features)
        else:
            for group in groups:
                span = slice(offsets[group], offsets[group + 1])
                scaled = features.apply(X[span])
                yield (
                    np.array([group]),
                    SpansSpec.of_groups(scaled, y[span], np.zeros(1, np.int64), int(size)),
                )
