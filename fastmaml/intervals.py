"""Confidence intervals of means over tasks."""

from __future__ import annotations

import numpy as np

CONFIDENCE = 0.95


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
    from scipy.special import stdtrit  # SciPy takes a tenth of a second to load: only evaluation needs it.

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
