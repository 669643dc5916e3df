"""Adapting to many groups of rows at once, whatever their sizes: each group's rows are all support rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fastmaml.engine.adapting import NEVER, adapt_epoch
from fastmaml.learner import Learner
from fastmaml.models import unpad
from fastmaml.runtime.threads import resolve_threads
from fastmaml.scaling import Scaling
from fastmaml.sources import SpansSpec

# Rows that are scaled at a time, into memory that is used again and again. Measured for 2**14 to 2**17.
BLOCK_ROWS = 2**16


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
    rows, groups = np.diff(offsets), len(offsets) - 1
    thetas = np.empty((groups, learner.split(meta)[0].size), learner.dtype)
    diverged = np.empty(groups, bool)
    if features is not None:
        begin, scaled = 0, np.empty((max(int(rows.max()), min(BLOCK_ROWS, len(X))), X.shape[1]))
        threads = resolve_threads(n_jobs)
        with ThreadPoolExecutor(threads) as pool:
            while begin < groups:
                # At least one group, and others while they are few rows together.
                end = max(begin + 1, int(np.searchsorted(offsets, offsets[begin] + BLOCK_ROWS, "right")) - 1)
                block = slice(offsets[begin], offsets[end])
                part = adapt_groups(
                    learner,
                    meta,
                    features.apply_on(pool, threads, X[block], scaled[: block.stop - block.start]),
                    y[block],
                    offsets[begin : end + 1] - offsets[begin],
                    steps=steps,
                    n_jobs=n_jobs,
                )
                thetas[begin:end], diverged[begin:end] = part
                begin = end
        return AdaptedGroups(thetas, diverged)
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
