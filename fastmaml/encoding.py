"""From the columns of a table to features, in the same way for every file that a model meets."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmaml.arrays import listed, shown
from fastmaml.tables import Kind, Table, label_kind, leave_out, read_known_columns

Categories = tuple[tuple[str, tuple[str | bool, ...]], ...]


@dataclass(frozen=True)
class ColumnEncoding:
    """Which columns of a table are features, and how they become numbers.

    Features are the numeric columns as they are, and a column of 0 and 1 for every category of every other.

    Parameters
    ----------
    numbers : tuple of str
        Columns of numbers.
    categories : tuple of (str, tuple of str or bool)
        Columns of text or of truth values, each with its different values, sorted.
    group, target : str
        The columns of groups and of targets.
    group_kind, target_kind : {"number", "text", "boolean"}
        What these hold.

    Raises
    ------
    ValueError
        If a name, a category or a kind is none, or stands there twice.
    """

    numbers: tuple[str, ...]
    categories: Categories
    group: str
    target: str
    group_kind: str
    target_kind: str

    def __post_init__(self) -> None:
        names = [*self.numbers, *(name for name, _ in self.categories), self.group, self.target]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"columns are {listed(names)}; expected texts")
        if len(set(names)) != len(names):
            raise ValueError(f"columns are {listed(names)}; expected them all different")
        if not self.num_features:
            raise ValueError("there is no column of features")
        for name, values in self.categories:
            kinds = set(map(type, values))
            if kinds not in ({str}, {bool}):
                raise ValueError(
                    f"the categories of {name!r} are {shown(values)}; expected texts or booleans"
                )
            if list(values) != sorted(set(values)):
                raise ValueError(f"the categories of {name!r} are not sorted, or not all different")
        for kind in (self.group_kind, self.target_kind):
            if not isinstance(kind, str) or kind not in list(Kind):
                raise ValueError(f"a column's kind is {shown(kind)}, none of {', '.join(Kind)}")

    @property
    def num_features(self) -> int:
        """The number of features."""
        return len(self.numbers) + sum(len(values) for _, values in self.categories)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features: `column` for a number, `column=value` for a category."""
        encoded = (f"{name}={value}" for name, values in self.categories for value in values)
        return (*self.numbers, *encoded)

    @classmethod
    def fit(cls, table: Table, rows: NDArray[np.int64], *, group: str, target: str) -> ColumnEncoding:
        """Learn the categories from some rows of a table.

        Parameters
        ----------
        table : Table
            All rows.
        rows : ndarray of int64
            Positions of the rows to learn from: the training tasks'.
        group, target : str
            What the columns of groups and of targets are called.

        Raises
        ------
        ValueError
            If numbers are too large to be standardized (names the column).
        """
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(table.numbers[rows].std(axis=0))
        for name, fine, column in zip(table.number_names, finite, table.numbers.T, strict=True):
            if not fine:
                largest = np.abs(column).max()
                raise ValueError(
                    f"column {name!r} goes up to {largest:g}, too large to scale; {leave_out(name)}"
                )
        categories = tuple(
            (name, tuple(sorted(values[code] for code in np.unique(codes[rows]))))
            for name, values, codes in zip(
                table.category_names, table.category_values, table.categories.T, strict=True
            )
        )
        return cls(
            table.number_names,
            categories,
            group,
            target,
            str(label_kind(table.group_values)),
            str(label_kind(table.target_values)),
        )

    def read(self, path: Path, needed: Collection[str] = ()) -> Table:
        """Read the same columns from another file.

        Parameters
        ----------
        path : Path
            A .csv, .tsv or .parquet file.
        needed : collection of str
            ``group`` or ``target``, or both, where the file has to have them. A target that is not needed is
            not read.

        Raises
        ------
        ValueError
            If a column is missing, or holds something else.
        """
        kinds = dict.fromkeys(self.numbers, Kind.number)
        kinds |= {
            name: Kind.boolean if isinstance(values[0], bool) else Kind.text
            for name, values in self.categories
        }
        return read_known_columns(
            path,
            kinds,
            (self.group, Kind(self.group_kind)),
            (self.target, Kind(self.target_kind)),
            needed=[{"group": self.group, "target": self.target}[role] for role in needed],
        )

    def encode(self, table: Table) -> NDArray[np.float64]:
        """Return the features of all rows, shape (rows, num_features).

        A category that was not learned is a row of zeros; a warning says so.

        Parameters
        ----------
        table : Table
            With the columns of this encoding.
        """
        places = [table.number_names.index(name) for name in self.numbers]
        parts, unknown = [table.numbers[:, places]], []
        for name, values in self.categories:
            place = table.category_names.index(name)
            own, codes = table.category_values[place], table.categories[:, place]
            known = {value: i for i, value in enumerate(values)}
            columns = np.array([known.get(value, -1) for value in own], dtype=np.int64)[codes]
            parts.append((columns[:, np.newaxis] == np.arange(len(values))).astype(np.float64))
            strange = sorted({own[code] for code in codes[columns < 0]})
            if strange:
                unknown.append(f"{listed(strange[:5])}{' and others' * (len(strange) > 5)} in {name!r}")
        if unknown:
            warnings.warn(
                f"training has not seen the categories {', '.join(unknown)}; they count as none of its own",
                stacklevel=2,
            )
        return np.hstack(parts)

    def described(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "numbers": list(self.numbers),
            "categories": [[name, list(values)] for name, values in self.categories],
            "group": [self.group, self.group_kind],
            "target": [self.target, self.target_kind],
        }

    @classmethod
    def of_description(cls, described: Any) -> ColumnEncoding:
        """Make an encoding of what `described` has returned; anything else is a `ValueError`."""
        expected = {"numbers", "categories", "group", "target"}
        if not isinstance(described, dict) or set(described) != expected:
            raise ValueError(f"its columns are {shown(described)}; expected {listed(sorted(expected))}")
        for name, value in described.items():
            if not isinstance(value, list):
                raise ValueError(f"its columns' {name} is {shown(value)}, not a list")
        pairs = [described["group"], described["target"], *described["categories"]]
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise ValueError("its columns are not pairs of a name and what it holds")
        if not all(isinstance(values, list) for _, values in described["categories"]):
            raise ValueError("its columns' categories are not lists")
        (group, group_kind), (target, target_kind) = described["group"], described["target"]
        categories = tuple((name, tuple(values)) for name, values in described["categories"])
        try:
            return cls(tuple(described["numbers"]), categories, group, target, group_kind, target_kind)
        except (TypeError, ValueError) as error:
            raise ValueError(f"its columns are wrong: {error}") from None
