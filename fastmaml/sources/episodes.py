"""Episodes from a labelled table: N ways, k shots, with classes drawn and numbered anew for each task.

The classes of a task are the first ways of a seeded shuffle of all, and the rows of each class the first of
a seeded shuffle of its rows (`fastmaml.sources.shuffling`), functions of (seed, epoch, task) and the place
of the class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import as_array, came
from fastmaml.numerics.philox import PURPOSE_ORDER, PURPOSE_ROWS
from fastmaml.sources.contract import Requirements, draw, matrix, requirements
from fastmaml.sources.shuffling import shuffle
from fastmaml.sources.source import Source, check_rows
from fastmaml.tasks import TaskSet
from fastmaml.validation import check_count


class EpisodesSpec(NamedTuple):
    """A table sorted by class, and how to draw from it.

    Attributes
    ----------
    X : ndarray of shape (num_rows, num_features), read-only
        Rows sorted by class.
    offsets : ndarray of shape (num_classes + 1,) of int64, read-only
        Class i has the rows from ``offsets[i]`` to ``offsets[i + 1]``.
    seed : int
        Seed, 64 bits.
    ways, shots, queries : int
        Classes of a task, support rows and query rows of a class.
    max_rows : int
        Rows of the largest class.
    """

    X: Any
    offsets: Any
    seed: Any
    ways: int
    shots: int
    queries: int
    max_rows: int


@dataclass(frozen=True, eq=False)
class Episodes(Source):
    """N-way, k-shot tasks from a labelled table.

    Parameters
    ----------
    X : array_like of shape (num_rows, num_features)
        Finite rows. Not copied where they are sorted by label already, as `fastmaml.TaskSet` says.
    labels : array_like of shape (num_rows,)
        The class of each row: numbers, strings, or anything that can be compared.
    ways : int, default=5
        Classes of a task, numbered from 0 anew for each task.
    shots : int, default=5
        Support rows of a class.
    queries : int, default=5
        Query rows of a class.

    Raises
    ------
    ValueError
        If there are fewer classes than ways, or a class has too few rows (names it).
    """

    X: Any = field(repr=False)
    labels: Any = field(repr=False)
    ways: int = 5
    shots: int = 5
    queries: int = 5
    _table: TaskSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_count("ways", self.ways, 2)
        check_rows(self.shots, self.queries)
        X = as_array("X", self.X)
        if X.ndim != 2:
            raise ValueError(f"X {came(self.X, X)}; give an array of shape (num_rows, num_features)")
        table = TaskSet._grouped("labels", X, np.zeros(len(X)), self.labels)
        if self.ways > len(table):
            raise ValueError(
                f"ways is {self.ways} but labels has {len(table)} classes; give at most that many"
            )
        wanted = int(self.shots) + int(self.queries)
        small = np.flatnonzero(table.rows < wanted)
        if small.size:
            name = table.labels[small[:1]].tolist()[0]
            raise ValueError(
                f"class {name!r} has {table.rows[small[0]]} rows, but shots={self.shots} and "
                f"queries={self.queries} need {wanted}; {small.size} of {len(table)} classes are too small: "
                "drop them or lower shots or queries"
            )
        object.__setattr__(self, "_table", table)

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Columns of a row."""
        return self._table.num_features

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """Classes of a task."""
        return self.ways

    def lower(self, seed: int) -> EpisodesSpec:
        """Return the spec."""
        table = self._table
        sizes = int(self.ways), int(self.shots), int(self.queries)
        return EpisodesSpec(table.X, table.offsets, np.uint64(seed), *sizes, int(table.rows.max()))


@requirements.register(EpisodesSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    return Requirements(
        shots=source.ways * source.shots,
        queries=source.ways * source.queries,
        features=source.X.shape[1],
        buffered=0,
        state=0,
        words=0,
        scratch=source.offsets.size - 1 + source.max_rows,
    )


@matrix.register(EpisodesSpec)
def _matrix(source: Any, X_buffer: Any) -> Any:
    return source.X


@draw.register(EpisodesSpec)
def _draw(
    source: Any,
    tasks_per_batch: int,
    epoch: int,
    task: int,
    words: Any,
    scratch: Any,
    X_out: Any,
    first_row: int,
    support_out: Any,
    query_out: Any,
) -> Any:
    ways, shots, queries = source.ways, source.shots, source.queries
    num_classes = source.offsets.size - 1
    classes = scratch[:num_classes]
    shuffle(classes, source.seed, epoch, task, PURPOSE_ORDER, ways)
    for way in range(ways):
        chosen = np.int64(classes[way])
        begin = source.offsets[chosen]
        rows = scratch[num_classes : num_classes + source.offsets[chosen + 1] - begin]
        # A number for each task and way.
        shuffle(rows, source.seed, epoch, task * ways + way, PURPOSE_ROWS, shots + queries)
        for i in range(shots):
            support_out.index[way * shots + i] = begin + rows[i]
            support_out.y[way * shots + i] = way
        for i in range(queries):
            query_out.index[way * queries + i] = begin + rows[shots + i]
            query_out.y[way * queries + i] = way
    return ways * queries
