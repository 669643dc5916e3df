"""Adapting to many groups of rows at once, whatever their sizes: each group's rows are all support rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmaml.engine.adapting import NEVER, adapt_epoch
from fastmaml.learner import Learner
from fastmaml.models import unpad
from fastmaml.sources import SpansSpec


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
    steps : int
        Inner steps.
    n_jobs : int or None
        Threads; None for all.
    """
    rows, groups = np.diff(offsets), len(offsets) - 1
    thetas = np.empty((groups, learner.split(meta)[0].size), learner.dtype)
    diverged = np.empty(groups, bool)
    # Groups of one size together: what the kernel has memory for is a number of rows.
    order = np.argsort(rows, kind="stable")
    sizes, begins = np.unique(rows[order], return_index=True)
    for size, same in zip(sizes, np.split(order, begins[1:]), strict=True):
        result = adapt_epoch(
            learner.model_spec,
            learner.algorithm_spec,
            SpansSpec.of_groups(X, y, offsets[same], int(size)),
            tasks_per_batch=len(same),
            theta=meta,
            steps=steps,
            want_thetas=True,
            n_jobs=n_jobs,
        )
        thetas[same] = unpad(learner.model_spec, result.thetas)
        diverged[same] = result.bad_step != NEVER
    return AdaptedGroups(thetas, diverged)
