"""A CSV or Parquet file with a group and a target column, as numeric arrays.

`read_table` reads and checks; every mistake is a `ValueError` of one sentence that names the column and,
where there is one, the row (the first below the header is 1). `encode` turns the columns into features.
pyarrow and scikit-learn load when they are needed.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmaml.arrays import listed
from fastmaml.table_files import read_file

# More categories than FEW where most rows have their own (names, identifiers), or more than MANY: nothing can
# be learned from them, and one-hot encoded they would fill the memory.
FEW_CATEGORIES, MANY_CATEGORIES = 50, 1000


class Table(NamedTuple):
    """The checked columns of a file: `rows` is its number of rows.

    Attributes
    ----------
    numbers : ndarray of float64, shape (rows, number of numeric features)
    number_names : tuple of str
    categories : ndarray of int64, shape (rows, number of categorical features)
        Each entry is an index into that column's values.
    category_names : tuple of str
    category_values : tuple of tuple of str
        The values of each categorical column, sorted.
    target : ndarray of int64, shape (rows,)
        0 and 1.
    target_values : tuple of str
        What the file says for 0 and for 1.
    groups : ndarray of int64, shape (rows,)
        Each row's group, an index into `group_values`.
    group_values : ndarray of shape (groups,)
        The group column's values, sorted.
    """

    numbers: NDArray[np.float64]
    number_names: tuple[str, ...]
    categories: NDArray[np.int64]
    category_names: tuple[str, ...]
    category_values: tuple[tuple[str, ...], ...]
    target: NDArray[np.int64]
    target_values: tuple[str, str]
    groups: NDArray[np.int64]
    group_values: NDArray[Any]


def read_table(path: Path, group: str | None, target: str | None, exclude: Collection[str] = ()) -> Table:
    """Read a CSV, TSV (also compressed) or Parquet file whose rows belong to groups.

    Every column that is neither `group` nor `target` nor in `exclude` becomes a feature: numbers as they are,
    text and booleans as categories. A column without a name (a saved row index) is left out with a warning.

    Parameters
    ----------
    path : Path
        A file whose name ends in .csv, .tsv or .parquet. Of a .csv, comma, semicolon and tab are recognised.
    group, target : str or None
        Column that says which rows belong together, and column to predict, which has two different values.
        None is an error that lists the columns.
    exclude : collection of str
        Columns that are not features.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If the file or a column cannot be used, or a value is missing.
    """
    data = read_file(path)
    names = list(data.schema.names)
    for role, name in (("group", group), ("target", target)):
        if name is None:
            raise ValueError(f"--{role} is needed; the columns of {path} are {listed(names)}")
    assert group is not None
    assert target is not None
    for role, name in (("group", group), ("target", target), *(("exclude", name) for name in exclude)):
        if name not in names:
            raise ValueError(f"--{role} {name!r} is no column of {path}; its columns are {listed(names)}")
    if group == target:
        raise ValueError(f"--group and --target are both {group!r}; they must be two columns")
    for role, name in (("group", group), ("target", target)):
        if name in exclude:
            raise ValueError(f"--exclude {name!r} is the --{role} column, which is no feature anyway")
    if data.num_rows == 0:
        raise ValueError(f"{path} has a header but no rows")

    groups, group_values = _codes(data[group], group)
    labels, target_values = _codes(data[target], target)
    if len(target_values) != 2:
        found = f"{len(target_values):,}: {listed(target_values.tolist())}"
        raise ValueError(f"target {target!r} must have exactly two different values, but it has {found}")

    numeric, categorical = {}, {}
    for name in names:
        if name in (group, target) or name in exclude:
            continue
        if _is_row_index(name):
            warnings.warn(f"column {name!r} looks like a saved row index and is left out", stacklevel=2)
        elif _is_numeric(data[name], name):
            numeric[name] = _numbers(data[name], name)
        else:
            categorical[name] = _categories(data[name], name)
    if not numeric and not categorical:
        raise ValueError(f"{path} has no feature left besides --group, --target and --exclude")
    return Table(
        _stacked(list(numeric.values()), data.num_rows, np.float64),
        tuple(numeric),
        _stacked([codes for codes, _ in categorical.values()], data.num_rows, np.int64),
        tuple(categorical),
        tuple(tuple(str(value) for value in values) for _, values in categorical.values()),
        labels,
        (str(target_values[0]), str(target_values[1])),
        groups,
        group_values,
    )


def encode(table: Table, fit_rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Turn a table's columns into features: numbers standardised, categories one-hot.

    Parameters
    ----------
    table : Table
    fit_rows : ndarray of int64, shape (rows to fit on,)
        Positions of the rows from which means, deviations and categories are learned: the training tasks'. A
        category that appears only in other rows becomes all zeros.

    Returns
    -------
    features : ndarray of float64, shape (rows, num_features)
    names : tuple of str, length num_features
        `column` for a number, `column=value` for a category.
    """
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    parts, names = [], list(table.number_names)
    if table.number_names:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = StandardScaler().fit(table.numbers[fit_rows]).transform(table.numbers)
        for name, column, given in zip(table.number_names, scaled.T, table.numbers.T, strict=True):
            if not np.isfinite(column).all():
                largest = np.abs(given).max()
                raise ValueError(
                    f"column {name!r} goes up to {largest:g}, too large to scale; {_leave_out(name)}"
                )
        parts.append(scaled)
    if table.category_names:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float64)
        parts.append(encoder.fit(table.categories[fit_rows]).transform(table.categories))
        for name, values, codes in zip(
            table.category_names, table.category_values, encoder.categories_, strict=True
        ):
            names.extend(f"{name}={values[code]}" for code in codes)
    return np.hstack(parts), tuple(names)


def _is_row_index(name: str) -> bool:
    """Say whether data frame libraries give this name to a row index that they write beside the columns."""
    return name == "" or (name.startswith("__index_level_") and name.endswith("__"))


def _is_numeric(column: Any, name: str) -> bool:
    """Say whether a feature holds numbers; a type that is neither number nor category is an error."""
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return not types.is_dictionary(column.type)
    if any(is_text(kind) for is_text in (types.is_boolean, types.is_string, types.is_large_string)):
        return False
    if types.is_null(kind):
        raise ValueError(f"column {name!r} holds no value at all; {_leave_out(name)}")
    what = "dates or times" if types.is_temporal(kind) else f"values of type {kind}"
    if types.is_binary(kind):
        raise ValueError(f"{_not_utf8(name)}, or {_leave_out(name)}")
    raise ValueError(f"column {name!r} holds {what}; turn them into numbers or text, or {_leave_out(name)}")


def _numbers(column: Any, name: str) -> NDArray[np.float64]:
    """Return a numeric feature, shape (rows,), all finite."""
    import pyarrow

    _require_complete(column, name, f"fill it in, drop such rows, or {_leave_out(name)}")
    values: NDArray[np.float64] = column.cast(pyarrow.float64(), safe=False).to_numpy()
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise ValueError(f"column {name!r} is infinite in row {row}; correct it, or {_leave_out(name)}")
    if len(values) > 2 and pyarrow.types.is_integer(column.type) and (np.diff(values) == 1).all():
        warnings.warn(f"column {name!r} looks like row numbers; should you {_leave_out(name)}?", stacklevel=3)
    return values


def _categories(column: Any, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return a categorical feature: codes, shape (rows,), and the values they stand for."""
    codes, values = _codes(column, name, f"fill it in, drop such rows, or {_leave_out(name)}")
    if len(values) > MANY_CATEGORIES or len(values) > max(FEW_CATEGORIES, len(codes) / 2):
        no_number = next((value for value in values if not _is_number(value)), values[-1])
        raise ValueError(
            f"text column {name!r} has {len(values):,} different values in {len(codes):,} rows, too many; "
            f"{_leave_out(name)} (or if it should be numeric, mend what is no number, like {no_number!r})"
        )
    return codes, values


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _codes(column: Any, name: str, remedy: str = "fill it in or drop such rows") -> tuple[Any, NDArray[Any]]:
    """Return a column as indices into its sorted distinct values, and these values."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    _require_complete(column, name, remedy)
    if types.is_binary(column.type):
        raise ValueError(_not_utf8(name))
    try:
        encoded = column.dictionary_encode().unify_dictionaries()
    except pyarrow.ArrowNotImplementedError as error:
        raise ValueError(f"column {name!r} holds {column.type}, not numbers or text") from error
    values = encoded.chunk(0).dictionary.to_numpy(zero_copy_only=False)
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], values[order]


def _require_complete(column: Any, name: str, remedy: str) -> None:
    """Refuse a column with missing values, naming the first."""
    missing = np.flatnonzero(column.is_null(nan_is_null=True).to_numpy())
    if len(missing):
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ValueError(f"column {name!r} has no value in row {missing[0] + 1}{more}; {remedy}")


def _stacked(columns: Sequence[NDArray[Any]], rows: int, dtype: type) -> NDArray[Any]:
    """Return the columns side by side, shape (rows, len(columns))."""
    return np.column_stack(columns) if columns else np.empty((rows, 0), dtype)


def _not_utf8(name: str) -> str:
    return f"column {name!r} holds bytes that are not UTF-8; save the file as UTF-8"


def _leave_out(name: str) -> str:
    """Return the advice to leave a column out."""
    return f"leave the column out with --exclude {shlex.quote(name)}"
