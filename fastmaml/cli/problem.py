"""From a table to tasks to train on and unseen ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastmaml.arrays import listed
from fastmaml.cli.options import Task
from fastmaml.cli.output import say
from fastmaml.encoding import ColumnEncoding
from fastmaml.tables import MANY_CATEGORIES, Kind, Table, label_kind, read_table
from fastmaml.tasks import TaskSet

# Whole numbers of at most so many different values are taken for classes.
MOST_CLASSES = 10

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


class Problem(NamedTuple):
    """What there is to learn.

    Attributes
    ----------
    classes : ndarray or None
        The classes, sorted; None where numbers are predicted.
    encoding : ColumnEncoding
        How columns become features.
    train, test : tuple of ndarray
        Features, targets and groups of the rows of either.
    num_tasks : tuple of int
        How many tasks there are to train on, and unseen.
    targets : tuple of float
        The least and the largest target, where numbers are predicted.
    """

    classes: np.ndarray | None
    encoding: ColumnEncoding
    train: Rows
    test: Rows
    num_tasks: tuple[int, int]
    targets: tuple[float, float]

    @property
    def counts(self) -> dict[str, object]:
        """How much there is of everything."""
        return {
            "train_tasks": self.num_tasks[0],
            "test_tasks": self.num_tasks[1],
            "train_rows": len(self.train[0]),
            "test_rows": len(self.test[0]),
            "features": list(self.encoding.feature_names),
            "task": "regression" if self.classes is None else "classification",
            "classes": None if self.classes is None else self.classes.tolist(),
        }

    def describe(self) -> None:
        """Print what it is."""
        say(f"tasks    {self.num_tasks[0]:,} to train on, {self.num_tasks[1]:,} unseen")
        features = self.encoding.num_features
        say(
            f"rows     {len(self.train[0]):,} and {len(self.test[0]):,}, of {features:,} "
            f"feature{'s' if features > 1 else ''}"
        )
        if self.classes is None:
            say(f"target   numbers, from {self.targets[0]:g} to {self.targets[1]:g}")
        else:
            say(f"target   {len(self.classes):,} classes: {listed(self.classes.tolist())}")


def read_problem(
    file: Path,
    group: str | None,
    target: str | None,
    exclude: Sequence[str],
    *,
    task: Task,
    shots: int,
    test_size: float,
    seed: int,
) -> Problem:
    """Read a table, and split its groups into tasks to train on and unseen ones.

    Parameters
    ----------
    file : Path
        A .csv, .tsv or .parquet file.
    group, target, exclude : str, str, sequence of str
        Columns of groups and of targets, and those that are no features.
    task : Task
        Whether classes or numbers are predicted.
    shots : int
        Groups of so many rows or fewer are dropped.
    test_size : float
        The share of the groups to keep unseen.
    seed : int
        Of their choice.

    Raises
    ------
    ValueError
        If there is nothing to learn from.
    """
    table = read_table(file, group, target, exclude)
    assert group is not None
    assert target is not None
    classifies = _classifies(table, target, task)
    parts = _split(table, shots, test_size, seed)
    train_rows, test_rows = (part.X[:, 0].astype(np.int64) for part in parts)
    known, unseen = (np.unique(table.target[rows]) for rows in (train_rows, test_rows))
    if len(known) < 2:
        raise ValueError("the training tasks' rows all have the same target, so there is nothing to learn")
    strange = np.setdiff1d(unseen, known)
    if classifies and strange.size:
        raise ValueError(
            f"target {target!r} is {table.target_values[strange[:1]].tolist()[0]!r} in unseen tasks alone, "
            "so it cannot be learned; give another --seed or a smaller --test-size, or leave such rows out"
        )
    # Categories are those of the training rows alone.
    encoding = ColumnEncoding.fit(table, train_rows, group=group, target=target)
    columns = (encoding.encode(table), table.y if classifies else table.y.astype(np.float64), table.labels)
    train, test = ((columns[0][rows], columns[1][rows], columns[2][rows]) for rows in (train_rows, test_rows))
    return Problem(
        table.target_values[known] if classifies else None,
        encoding,
        train,
        test,
        (len(parts[0]), len(parts[1])),
        (0.0, 0.0) if classifies else (float(train[1].min()), float(train[1].max())),
    )


def _classifies(table: Table, target: str, task: Task) -> bool:
    """Say whether classes are predicted, and refuse a target that does not allow it."""
    values = table.target_values
    if len(values) < 2:
        raise ValueError(
            f"target {target!r} is {values.tolist()[0]!r} in every row; there is nothing to learn"
        )
    numeric = label_kind(values) is Kind.number
    if not numeric and task is Task.regression:
        raise ValueError(
            f"--task regression needs numbers, but target {target!r} holds {listed(values.tolist()[:5])}"
        )
    if numeric:
        numbers = values.astype(np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError(f"target {target!r} is infinite in some rows; correct it or drop such rows")
        few = len(values) == 2 or (len(values) <= MOST_CLASSES and bool((numbers == np.rint(numbers)).all()))
        if task is Task.regression or (task is Task.auto and not few):
            return False
    if len(values) > MANY_CATEGORIES:
        raise ValueError(
            f"target {target!r} has {len(values):,} different values, too many for classes; choose another "
            f"--target{', or --task regression' if numeric else ''}"
        )
    return True


def _split(table: Table, shots: int, test_size: float, seed: int) -> tuple[TaskSet, TaskSet]:
    """Split the groups, before there are features; what they hold is the rows' numbers."""
    row_numbers = np.arange(table.num_rows, dtype=np.float64)[:, np.newaxis]
    groups = TaskSet.from_groups(row_numbers, np.zeros(table.num_rows), table.groups)
    needed = shots + 1
    large = int(np.count_nonzero(groups.rows >= needed))
    if len(groups) < 2:
        raise ValueError("all rows are of one group, so none could be kept unseen; choose another --group")
    if large < 2:
        raise ValueError(f"only {large} of {len(groups)} groups have {needed} rows, two must; lower --shots")
    return groups.filter(min_rows=needed).split(test_size, random_state=seed)
