"""Data frames of any library, as arrays: features, targets and groups by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import listed, shown


class Columns(NamedTuple):
    """What was taken from a data frame.

    Attributes
    ----------
    X : ndarray of shape (rows, features)
        Its features: float32 where all are, else float64.
    y : ndarray of shape (rows,)
        The target.
    groups : ndarray of shape (rows,)
        The group of each row.
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray


def take_columns(frame: Any, group: str, target: str, features: Sequence[str] | None) -> Columns:
    """Take columns of a pandas, polars or pyarrow table, or of any other that narwhals knows.

    Parameters
    ----------
    frame : data frame
        Eager, with different column names.
    group, target : str
        The columns of groups and targets.
    features : sequence of str or None
        The columns of features; None for all others.

    Raises
    ------
    TypeError, ValueError
        If it is no data frame, a column is not there, or is not numeric; names it.
    """
    import narwhals

    try:
        table = narwhals.from_native(frame, eager_only=True)
    except TypeError:
        raise TypeError(
            f"df is {shown(frame)}; give a data frame of pandas, polars or pyarrow, or use from_groups for "
            "arrays"
        ) from None
    names = table.columns
    for role, name in (
        ("group", group),
        ("target", target),
        *(("features", name) for name in features or ()),
    ):
        if name not in names:
            raise ValueError(f"{role} is {name!r}, but there is no such column; there are {listed(names)}")
    if group == target:
        raise ValueError(f"group and target are both {group!r}; they must be two columns")
    chosen = [name for name in names if name not in (group, target)] if features is None else list(features)
    for name in (group, target):
        if name in chosen:
            raise ValueError(f"features holds {name!r}, which is the column of groups or targets")
    if not chosen:
        raise ValueError(f"there is no column of features besides {group!r} and {target!r}")
    columns = [_numbers(table[name], name) for name in chosen]
    single = all(column.dtype == np.float32 for column in columns)
    X = np.stack([column.astype(np.float32 if single else np.float64) for column in columns], axis=1)
    y = _numbers(table[target], target, "number its classes from 0")
    return Columns(X, y, table[group].to_numpy())


def _numbers(column: Any, name: str, advice: str = "encode it, or leave it out of features") -> np.ndarray:
    """Return a column of numbers, or of truth values, without missing ones."""
    import narwhals

    if not (column.dtype.is_numeric() or column.dtype == narwhals.Boolean):
        raise TypeError(f"column {name!r} holds {column.dtype}, not numbers; {advice}")
    missing = int(column.is_null().sum())
    if missing:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise ValueError(
            f"column {name!r} has no value in row {row}, and in {missing} rows in all; fill or drop them"
        )
    return np.asarray(column.to_numpy())
