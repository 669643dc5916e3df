"""From lists of tasks, and from labelled tables, to the one table that a `TaskSet` holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmaml.arrays import finite_floats, shaped, shown
from fastmaml.labels import group_rows, label_vector


class Stacked(NamedTuple):
    """Tasks one behind the other.

    Attributes
    ----------
    X : ndarray of shape (rows, features)
        Features.
    y : ndarray of shape (rows,), float64
        Targets.
    offsets : ndarray of shape (tasks + 1,) of int64
        Task i has the rows from ``offsets[i]`` to ``offsets[i + 1]``.
    """

    X: NDArray[Any]
    y: NDArray[np.float64]
    offsets: NDArray[np.int64]


def checked_table(X: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Convert features, whose single precision is kept, and targets; all finite."""
    axes = ("task", "row", "column")[-X.ndim :]
    return finite_floats("X", X, axes, keep_single=True), finite_floats("y", y, axes[:-1])


def stack_pairs(tasks: Any) -> Stacked:
    """Stack pairs (X, y) of any number of rows, checked one by one: a message says which is wrong."""
    tables: list[NDArray[Any]] = []
    targets: list[NDArray[np.float64]] = []
    for number, pair in enumerate(tasks):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"task {number} is {shown(pair)}; give a pair (X, y)")
        try:
            X, y = checked_table(*shaped(pair[0], pair[1], 2))
        except (TypeError, ValueError) as error:
            raise type(error)(f"task {number}: {error}") from None
        if tables and X.shape[1] != tables[0].shape[1]:
            raise ValueError(
                f"task {number} has {X.shape[1]} features, but task 0 has {tables[0].shape[1]}; they must "
                "agree"
            )
        tables.append(X)
        targets.append(y)
    if not tables:
        raise ValueError("tasks is empty; give at least one pair (X, y)")
    offsets = np.cumsum([0, *map(len, targets)], dtype=np.int64)
    return Stacked(np.concatenate(tables), np.concatenate(targets), offsets)


def draw_episodes(y: Any, num_rows: int, ways: int, shots: int, num_tasks: int, seed: int | None) -> Any:
    """Choose rows of episodes.

    Parameters
    ----------
    y : array_like of shape (num_rows,)
        The class of each row.
    num_rows, ways, shots, num_tasks : int
        Rows of the table, classes of an episode, rows of each class, episodes.
    seed : int or None
        Of the choice.

    Returns
    -------
    ndarray of shape (num_tasks * ways * shots,)
        Which rows: those of an episode together, and of these those of a class.
    """
    labels = label_vector("y", y)
    if len(labels) != num_rows:
        raise ValueError(f"y has {len(labels)} rows but X has {num_rows}; give one label per row of X")
    order, offsets, classes = group_rows("y", labels)
    rows = np.diff(offsets)
    if ways > len(classes):
        raise ValueError(f"ways is {ways} but y has {len(classes)} classes; give at most that many")
    small = np.flatnonzero(rows < shots)
    if small.size:
        raise ValueError(
            f"class {classes[small[:1]].tolist()[0]!r} has {rows[small[0]]} rows, but shots is {shots}; drop "
            "it, or lower shots"
        )
    rng = np.random.default_rng(seed)
    places = np.concatenate(
        [
            offsets[one] + rng.permutation(rows[one])[:shots]
            for _ in range(num_tasks)
            for one in rng.permutation(len(classes))[:ways]
        ]
    )
    return places if order is None else order[places]
