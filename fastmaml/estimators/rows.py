"""A column of groups in X."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.arrays import listed


def without_column(X: Any, column: Any) -> tuple[Any, Any]:
    """Take the column of groups out of X.

    Parameters
    ----------
    X : array_like or data frame of shape (rows, columns)
        Rows.
    column : str or int
        The name of a data frame's column, or the number of any column.

    Returns
    -------
    groups : array_like of shape (rows,)
        The column.
    rest : array_like of shape (rows, columns - 1)
        The others.

    Raises
    ------
    ValueError, TypeError
        If there is no such column.
    """
    import narwhals

    frame = narwhals.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, narwhals.DataFrame):
        names = frame.columns
        if column not in names and not _is_number(column):
            raise ValueError(f"group_column is {column!r}, but X has no such column; it has {listed(names)}")
        name = column if column in names else names[_place(column, len(names))]
        return frame[name].to_numpy(), frame.drop(name).to_native()
    if not _is_number(column):
        raise TypeError(
            f"group_column is {column!r}, but X has no names of columns; give a number, or a data frame"
        )
    table = np.asarray(X) if isinstance(X, np.ndarray) else np.asarray(X, dtype=object)
    if table.ndim != 2:
        raise ValueError(f"X has shape {table.shape}; expected 2D array, (rows, columns). Reshape your data")
    place = _place(column, table.shape[1])
    return table[:, place], np.delete(table, place, axis=1)


def _is_number(column: Any) -> bool:
    return isinstance(column, (int, np.integer)) and not isinstance(column, bool)


def _place(column: Any, columns: int) -> int:
    if not -columns <= column < columns:
        raise ValueError(f"group_column is {column}, but X has {columns} columns, from 0 to {columns - 1}")
    return int(column) % columns
