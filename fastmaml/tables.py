"""A CSV or Parquet file with a group and a target column, as numeric arrays.

`read_table` takes all columns that can be features, `read_known_columns` those that a model was trained on.
Both check; every mistake is a `ValueError` of one sentence that names the column and, where there is one,
the row (the first below the header is 1). `fastmaml.encoding` turns the columns into features. pyarrow loads
when it is needed.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmaml.arrays import listed
from fastmaml.labels import label_array
from fastmaml.table_files import read_file

# More categories than FEW where most rows have their own (names, identifiers), or more than MANY: nothing can
# be learned from them, and one-hot encoded they would fill the memory.
FEW_CATEGORIES, MANY_CATEGORIES = 50, 1000
FILL_IN, CORRECT = "fill it in or drop such rows", "leave such rows out"


class Kind(StrEnum):
    """What a column holds."""

    number = "number"
    text = "text"
    boolean = "boolean"


PLURALS = {Kind.number: "numbers", Kind.text: "text", Kind.boolean: "truth values"}


class Table(NamedTuple):
    """The checked columns of a file: `rows` is its number of rows.

    Attributes
    ----------
    numbers : ndarray of float64, shape (rows, number of numeric features)
    number_names : tuple of str
    categories : ndarray of int64, shape (rows, number of categorical features)
        Each entry is an index into that column's values.
    category_names : tuple of str
    category_values : tuple of tuple of str or bool
        The values of each categorical column, sorted.
    target : ndarray of int64, shape (rows,)
        Each row's target, an index into `target_values`. Empty where the file has no such column.
    target_values : ndarray of shape (targets,)
        The target column's different values, sorted: numbers, texts or booleans.
    groups : ndarray of int64, shape (rows,)
        Each row's group, an index into `group_values`. Empty where the file has no such column.
    group_values : ndarray of shape (groups,)
        The group column's different values, sorted.
    """

    numbers: NDArray[np.float64]
    number_names: tuple[str, ...]
    categories: NDArray[np.int64]
    category_names: tuple[str, ...]
    category_values: tuple[tuple[str | bool, ...], ...]
    target: NDArray[np.int64]
    target_values: NDArray[Any]
    groups: NDArray[np.int64]
    group_values: NDArray[Any]

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self.numbers)

    @property
    def y(self) -> NDArray[Any]:
        """The target of each row, as the file has it."""
        return self.target_values[self.target]

    @property
    def labels(self) -> NDArray[Any]:
        """The group of each row, as the file has it."""
        return self.group_values[self.groups]


def read_table(path: Path, group: str | None, target: str | None, exclude: Collection[str] = ()) -> Table:
    """Read a CSV, TSV (also compressed) or Parquet file whose rows belong to groups.

    Every column that is neither `group` nor `target` nor in `exclude` becomes a feature: numbers as they are,
    text and booleans as categories. A column without a name (a saved row index) is left out with a warning.

    Parameters
    ----------
    path : Path
        A file whose name ends in .csv, .tsv or .parquet. Of a .csv, comma, semicolon and tab are recognised.
    group, target : str or None
        Column that says which rows belong together, and column to predict. None is an error that lists the
        columns.
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
    _require_rows(data, path)
    features = []
    for name in names:
        if name in (group, target) or name in exclude:
            continue
        if _is_row_index(name):
            warnings.warn(f"column {name!r} looks like a saved row index and is left out", stacklevel=2)
        else:
            features.append(name)
    if not features:
        raise ValueError(f"{path} has no feature left besides --group, --target and --exclude")
    kinds = {name: _feature_kind(data[name], name) for name in features}
    numbers = {}
    for name in [name for name in features if kinds[name] is Kind.number]:
        numbers[name] = _numbers(data[name], name, leave_out(name))
        _warn_of_row_numbers(data[name], name, numbers[name])
    categories = {
        name: _few_categories(data[name], name) for name in features if kinds[name] is not Kind.number
    }
    return _assembled(data, numbers, categories, _labels(data[target], target), _labels(data[group], group))


def read_known_columns(
    path: Path,
    features: Mapping[str, Kind],
    group: tuple[str, Kind],
    target: tuple[str, Kind],
    *,
    needed: Collection[str] = (),
) -> Table:
    """Read the columns that a model was trained on from another file; further columns do not matter.

    Parameters
    ----------
    path : Path
        As `read_table` has it.
    features : mapping of str to Kind
        What every column of features has to hold.
    group, target : tuple of str and Kind
        The columns of groups and targets, and what they have to hold, where they are in the file.
    needed : collection of str
        Which of these two have to be in it.

    Returns
    -------
    Table
        Without targets or groups where the file has none.

    Raises
    ------
    ValueError
        If a column is missing, holds something else than it has to, or has no value in some row.
    """
    known = dict([*features.items(), group, target])
    data = read_file(path, texts=[name for name, kind in known.items() if kind is Kind.text])
    names = list(data.schema.names)
    roles = {group[0]: "the group", target[0]: "the target"}
    for name in [*features, *needed]:
        if name not in names:
            raise ValueError(
                f"{path} has no column {name!r}, {roles.get(name, 'a feature')} of the model; its columns "
                f"are {listed(names)}"
            )
    _require_rows(data, path)
    for name, kind in features.items():
        _require_kind(_feature_kind(data[name], name, FILL_IN), kind, name)
    numbers = {
        name: _numbers(data[name], name, CORRECT) for name, kind in features.items() if kind is Kind.number
    }
    categories = {
        name: _codes(data[name], name, FILL_IN) for name, kind in features.items() if kind is not Kind.number
    }
    found = []
    for name, kind in (target, group):
        if name in names and (name in needed or name == group[0]):
            codes, values = _labels(data[name], name)
            _require_kind(label_kind(values), kind, name)
        else:
            codes, values = np.empty(0, np.int64), np.empty(0, object)
        found.append((codes, values))
    return _assembled(data, numbers, categories, *found)


def label_kind(values: NDArray[Any]) -> Kind:
    """Say what a column of groups or targets holds."""
    if values.dtype.kind == "b":
        return Kind.boolean
    return Kind.number if values.dtype.kind in "iuf" else Kind.text


def _assembled(
    data: Any,
    numbers: Mapping[str, NDArray[np.float64]],
    categories: Mapping[str, tuple[NDArray[np.int64], NDArray[Any]]],
    target: tuple[NDArray[np.int64], NDArray[Any]],
    group: tuple[NDArray[np.int64], NDArray[Any]],
) -> Table:
    return Table(
        _stacked(list(numbers.values()), data.num_rows, np.float64),
        tuple(numbers),
        _stacked([codes for codes, _ in categories.values()], data.num_rows, np.int64),
        tuple(categories),
        tuple(tuple(map(_category, values.tolist())) for _, values in categories.values()),
        *target,
        *group,
    )


def _category(value: Any) -> str | bool:
    return value if isinstance(value, bool) else str(value)


def _require_rows(data: Any, path: Path) -> None:
    if data.num_rows == 0:
        raise ValueError(f"{path} has a header but no rows")


def _require_kind(found: Kind, wanted: Kind, name: str) -> None:
    """Refuse a column that holds something else than when the model was trained."""
    if found is not wanted:
        raise ValueError(
            f"column {name!r} holds {PLURALS[found]}, but held {PLURALS[wanted]} when the model was trained; "
            "give the same columns"
        )


def _is_row_index(name: str) -> bool:
    """Say whether data frame libraries give this name to a row index that they write beside the columns."""
    return name == "" or (name.startswith("__index_level_") and name.endswith("__"))


def _feature_kind(column: Any, name: str, remedy: str | None = None) -> Kind:
    """Say what a feature holds; a type that is neither number nor category is an error."""
    from pyarrow import types

    remedy = remedy or leave_out(name)
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return Kind.text if types.is_dictionary(column.type) else Kind.number
    if types.is_boolean(kind):
        return Kind.boolean
    if types.is_string(kind) or types.is_large_string(kind):
        return Kind.text
    if types.is_null(kind):
        raise ValueError(f"column {name!r} holds no value at all; {remedy}")
    what = "dates or times" if types.is_temporal(kind) else f"values of type {kind}"
    if types.is_binary(kind):
        raise ValueError(f"{_not_utf8(name)}, or {remedy}")
    raise ValueError(f"column {name!r} holds {what}; turn them into numbers or text, or {remedy}")


def _numbers(column: Any, name: str, remedy: str) -> NDArray[np.float64]:
    """Return a numeric feature, shape (rows,), all finite."""
    import pyarrow

    _require_complete(column, name, f"fill it in, drop such rows, or {remedy}")
    values: NDArray[np.float64] = column.cast(pyarrow.float64(), safe=False).to_numpy()
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise ValueError(f"column {name!r} is infinite in row {row}; correct it, or {remedy}")
    return values


def _warn_of_row_numbers(column: Any, name: str, values: NDArray[np.float64]) -> None:
    import pyarrow

    if len(values) > 2 and pyarrow.types.is_integer(column.type) and (np.diff(values) == 1).all():
        warnings.warn(f"column {name!r} looks like row numbers; should you {leave_out(name)}?", stacklevel=3)


def _few_categories(column: Any, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return a categorical feature: codes, shape (rows,), and the values they stand for."""
    codes, values = _codes(column, name, f"fill it in, drop such rows, or {leave_out(name)}")
    if len(values) > MANY_CATEGORIES or len(values) > max(FEW_CATEGORIES, len(codes) / 2):
        no_number = next((value for value in values if not _is_number(value)), values[-1])
        raise ValueError(
            f"text column {name!r} has {len(values):,} different values in {len(codes):,} rows, too many; "
            f"{leave_out(name)} (or if it should be numeric, mend what is no number, like {no_number!r})"
        )
    return codes, values


def _labels(column: Any, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return a column of groups or targets: codes, shape (rows,), and the numbers, texts or booleans."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_decimal(column.type):
        column = column.cast(pyarrow.float64())
    elif types.is_temporal(column.type):
        column = column.cast(pyarrow.string())
    codes, values = _codes(column, name)
    return codes, label_array(values.tolist())


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _codes(column: Any, name: str, remedy: str = FILL_IN) -> tuple[Any, NDArray[Any]]:
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


def leave_out(name: str) -> str:
    """Return the advice to leave a column out."""
    return f"leave the column out with --exclude {shlex.quote(name)}"
