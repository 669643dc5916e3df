"""What there is to know of a set of tasks before anything is learned from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastmaml.arrays import counted

# Different targets, at most, that are classes and not numbers.
MOST_CLASSES = 20


class TaskSummary(NamedTuple):
    """What `TaskSet.describe` returns; ``print`` shows it as text.

    Attributes
    ----------
    num_tasks, num_rows, num_features : int
        How many there are.
    rows : tuple of float
        Rows of a task: the fewest, the median, the most.
    classes : dict or None
        The share of the rows of each target, where targets are whole numbers and few; else None.
    one_class_tasks : int
        Tasks whose rows all have the same target.
    mean, deviation : float
        Of the targets.
    between : float
        The share of the variance of the targets that lies between tasks, from 0 to 1: the intraclass
        correlation of a one-way analysis of variance [1]_. Where it is near 0, tasks differ in their average
        no more than chance makes them; they may still differ in what their features mean. NaN where it
        cannot be told.

    References
    ----------
    .. [1] P. E. Shrout and J. L. Fleiss, "Intraclass Correlations: Uses in Assessing Rater Reliability",
       1979, ICC(1,1).
    """

    num_tasks: int
    num_rows: int
    num_features: int
    rows: tuple[float, float, float]
    classes: dict[float, float] | None
    one_class_tasks: int
    mean: float
    deviation: float
    between: float

    def __str__(self) -> str:
        fewest, median, most = self.rows
        lines = [
            f"{counted(self.num_tasks, 'task')}, {counted(self.num_rows, 'row')}, "
            f"{counted(self.num_features, 'feature')}",
            f"rows a task: {fewest:,.0f} to {most:,.0f}, median {median:,.0f}",
        ]
        if self.classes is None:
            lines.append(f"targets: mean {self.mean:.4g}, standard deviation {self.deviation:.4g}")
        else:
            shares = ", ".join(f"{value:g}: {share:.1%}" for value, share in self.classes.items())
            lines.append(f"targets: {shares}; {self.one_class_tasks:,} tasks have one target alone")
        lines.append(f"variance of the targets between tasks: {self.between:.1%}")
        return "\n".join(lines)


def summarize(y: np.ndarray, offsets: np.ndarray, num_features: int) -> TaskSummary:
    """Describe tasks by their targets (num_rows,), sorted by task, and where each task begins."""
    rows, starts = np.diff(offsets), offsets[:-1]
    values, counts = np.unique(y, return_counts=True)
    whole = len(values) <= MOST_CLASSES and bool((values == np.floor(values)).all())
    lowest, highest = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return TaskSummary(
        num_tasks=len(rows),
        num_rows=len(y),
        num_features=num_features,
        rows=(float(rows.min()), float(np.median(rows)), float(rows.max())),
        classes=dict(zip(values.tolist(), (counts / len(y)).tolist(), strict=True)) if whole else None,
        one_class_tasks=int(np.count_nonzero(lowest == highest)),
        mean=float(y.mean()),
        deviation=float(y.std()),
        between=_between(y, rows, starts),
    )


def _between(y: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> float:
    tasks, total = len(rows), len(y)
    if tasks < 2 or total == tasks or y.min() == y.max():
        return float("nan")
    means = np.add.reduceat(y, starts) / rows
    inside = np.square(y - np.repeat(means, rows)).sum() / (total - tasks)
    among = (rows * np.square(means - y.mean())).sum() / (tasks - 1)
    # The rows of a task, as the analysis of variance of tasks of different sizes has them.
    size = (total - np.square(rows).sum() / total) / (tasks - 1)
    return float(np.clip((among - inside) / (among + (size - 1) * inside), 0, 1))
