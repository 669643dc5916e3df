"""TaskSet: many tasks as one table, its rows sorted by task, with offsets.

Whatever a user may hand over (lists, arrays on disk, data frames) is checked and converted here, once. Code
that reads a `TaskSet` may rely on its dtypes, its layout and its numbers being finite.
"""

import math
import numbers
import operator
import warnings
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmaml.arrays import as_array, read_only, shaped, take_rows
from fastmaml.frames import take_columns
from fastmaml.labels import group_rows, label_vector
from fastmaml.table_files import read_file
from fastmaml.task_makers import checked_table, draw_episodes, stack_pairs
from fastmaml.task_summary import TaskSummary, summarize
from fastmaml.validation import check_count


@dataclass(frozen=True, init=False, repr=False, eq=False)
class TaskSet:
    """Many labelled tasks in one table that cannot be changed.

    Usually made by `from_groups` or `from_arrays`; the constructor takes a table already sorted by task.

    Parameters
    ----------
    X : array_like of shape (num_rows, num_features)
        Features. float32 and float64 are kept, every other real dtype becomes float64. Not copied if it is a
        C-contiguous float array, which may be read-only or memory-mapped: do not write to it afterwards.
    y : array_like of shape (num_rows,) or (num_rows, 1)
        Labels of the rows, as numbers. Becomes float64; not copied if it is a contiguous float64 array.
    offsets : array_like of int, shape (num_tasks + 1,)
        Task i has the rows ``offsets[i]`` up to, not including, ``offsets[i + 1]``. Copied.
    labels : array_like of shape (num_tasks,), optional
        The tasks' names, all different. Default: 0, 1, ..., num_tasks - 1. Copied.

    Attributes
    ----------
    X : ndarray of shape (num_rows, num_features), float32 or float64, C-contiguous, read-only
    y : ndarray of shape (num_rows,), float64, C-contiguous, read-only
    offsets : ndarray of shape (num_tasks + 1,), int64, read-only
    labels : ndarray of shape (num_tasks,), read-only

    Raises
    ------
    TypeError
        If X or y holds something that is not a real number, or offsets something that is not an integer.
    ValueError
        If shapes or lengths disagree, a number is NaN or infinite, a label is missing or repeated, or a task
        is empty.
    """

    X: NDArray[Any]
    y: NDArray[np.float64]
    offsets: NDArray[np.int64]
    labels: NDArray[Any]

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        offsets: ArrayLike,
        labels: ArrayLike | Sequence[Hashable] | None = None,
    ) -> None:
        features, targets = shaped(X, y, 2)
        bounds = np.asarray(offsets)
        if bounds.ndim != 1 or bounds.dtype.kind not in "iu":
            raise TypeError(f"offsets must be 1-D integers, got shape {bounds.shape}, dtype {bounds.dtype}")
        bounds = bounds.astype(np.int64)
        if not len(bounds) or bounds[0] != 0 or bounds[-1] != len(features) or np.any(np.diff(bounds) < 1):
            raise ValueError(f"offsets must rise from 0 to {len(features)}, the rows of X, without repeats")
        names = np.arange(len(bounds) - 1) if labels is None else label_vector("labels", labels).copy()
        if len(names) != len(bounds) - 1:
            raise ValueError(f"labels has {len(names)} entries but offsets describes {len(bounds) - 1} tasks")
        if len(group_rows("labels", names)[2]) != len(names):
            raise ValueError("labels must differ; TaskSet.from_groups collects the rows of equal labels")
        self._set(*checked_table(features, targets), bounds, names)

    @classmethod
    def from_groups(cls, X: ArrayLike, y: ArrayLike, groups: ArrayLike | Sequence[Hashable]) -> Self:
        """Make one task of every group of rows; rows in any order, groups of any size.

        Tasks are sorted by label, or in order of first appearance where labels have no order (``[1, "a"]``).
        Rows of one task keep their order. Arguments are matched by position; a data frame's index is ignored.

        Parameters
        ----------
        X : array_like or DataFrame of shape (num_rows, num_features)
            Features. Not copied if C-contiguous float32 or float64 and already sorted by group.
        y : array_like or Series of shape (num_rows,) or (num_rows, 1)
            Labels of the rows, as numbers.
        groups : array_like, Series or sequence of hashables, of length num_rows
            The task of each row: ints, strings, dates, tuples, ...

        Returns
        -------
        TaskSet

        Raises
        ------
        TypeError
            If X or y holds something that is not a real number, or a group label is not hashable.
        ValueError
            If shapes or lengths disagree, a number is NaN or infinite, or a group label is missing.

        Examples
        --------
        >>> TaskSet.from_groups([[1.0], [2.0], [3.0]], [0, 1, 0], ["ann", "bob", "ann"])
        TaskSet(num_tasks=2, num_rows=3, num_features=1, rows per task 1 to 2)
        """
        return cls._grouped("groups", X, y, groups)

    @classmethod
    def _grouped(cls, name: str, X: ArrayLike, y: ArrayLike, groups: ArrayLike | Sequence[Hashable]) -> Self:
        """Make one task of every group of rows; ``name`` is what messages call the labels of the groups."""
        features, targets = shaped(X, y, 2)
        group_of_row = label_vector(name, groups)
        if len(group_of_row) != len(features):
            given, needed = len(group_of_row), len(features)
            raise ValueError(f"{name} has {given} rows but X has {needed}; give one label per row of X")
        table, target = checked_table(features, targets)
        order, offsets, labels = group_rows(name, group_of_row)
        if order is not None:
            table, target = take_rows(table, order), take_rows(target, order)
        return cls._build(table, target, offsets, labels)

    @classmethod
    def from_arrays(cls, X: ArrayLike, y: ArrayLike) -> Self:
        """Make tasks of equal size from stacked arrays; their labels are 0, 1, ..., num_tasks - 1.

        Parameters
        ----------
        X : array_like of shape (num_tasks, rows, num_features)
            Features. Not copied if C-contiguous float32 or float64.
        y : array_like of shape (num_tasks, rows) or (num_tasks, rows, 1)
            Labels of the rows, as numbers.

        Returns
        -------
        TaskSet

        Raises
        ------
        TypeError
            If X or y holds something that is not a real number.
        ValueError
            If shapes disagree, or a number is NaN or infinite.
        """
        features, targets = shaped(X, y, 3)
        num_tasks, rows, num_features = features.shape
        table, target = checked_table(features, targets)
        table, target = table.reshape(-1, num_features), target.reshape(-1)
        return cls._build(table, target, np.arange(num_tasks + 1) * rows, np.arange(num_tasks))

    @classmethod
    def from_list(cls, tasks: Sequence[tuple[ArrayLike, ArrayLike]]) -> Self:
        """Make tasks of pairs of arrays, of any number of rows; their labels are 0, 1, ..., num_tasks - 1.

        Parameters
        ----------
        tasks : sequence of (X, y)
            X, array_like of shape (rows, num_features), and y, array_like of shape (rows,), of each task.

        Returns
        -------
        TaskSet

        Raises
        ------
        TypeError
            If an X or y holds something that is not a real number.
        ValueError
            If there are no tasks, shapes disagree, or a number is NaN or infinite; says in which task.
        """
        X, y, offsets = stack_pairs(tasks)
        return cls._build(X, y, offsets, np.arange(len(offsets) - 1))

    @classmethod
    def from_frame(cls, df: Any, group: str, target: str, features: Sequence[str] | None = None) -> Self:
        """Make one task of every group of rows of a data frame.

        Parameters
        ----------
        df : data frame
            Of pandas, polars, pyarrow, or another library that narwhals knows.
        group : str
            The column that says which rows belong together.
        target : str
            The column of labels, numbers or truth values.
        features : sequence of str, optional
            The columns of features, numbers or truth values. Default: all others.

        Returns
        -------
        TaskSet

        Raises
        ------
        TypeError
            If it is no data frame, or a column is not numeric (names it).
        ValueError
            If there is no such column (lists those there are), or a value is missing or infinite.
        """
        return cls.from_groups(*take_columns(df, group, target, features))

    @classmethod
    def from_csv(
        cls, path: str | Path, group: str, target: str, features: Sequence[str] | None = None
    ) -> Self:
        """Make one task of every group of rows of a CSV or TSV file, which may be compressed.

        Parameters
        ----------
        path : str or Path
            The file. Comma, semicolon and tab are recognised.
        group, target, features
            As `from_frame` has them.

        Returns
        -------
        TaskSet

        Raises
        ------
        TypeError, ValueError
            As `from_frame`, and if the file cannot be read.
        """
        return cls.from_frame(read_file(Path(path)), group, target, features)

    @classmethod
    def from_parquet(
        cls, path: str | Path, group: str, target: str, features: Sequence[str] | None = None
    ) -> Self:
        """Make one task of every group of rows of a Parquet file.

        Parameters
        ----------
        path : str or Path
            The file.
        group, target, features
            As `from_frame` has them.

        Returns
        -------
        TaskSet

        Raises
        ------
        TypeError, ValueError
            As `from_frame`, and if the file cannot be read.
        """
        return cls.from_frame(read_file(Path(path)), group, target, features)

    @classmethod
    def from_episodes(
        cls,
        X: ArrayLike,
        y: ArrayLike | Sequence[Hashable],
        ways: int = 5,
        shots: int = 5,
        *,
        num_tasks: int = 100,
        random_state: int | None = None,
    ) -> Self:
        """Draw episodes from a labelled table, once: some of its classes, some rows of each.

        `fastmaml.sources.Episodes` draws them anew in every epoch, with as many rows of each class to adapt
        on.

        Parameters
        ----------
        X : array_like of shape (num_rows, num_features)
            Rows.
        y : array_like of shape (num_rows,)
            The class of each row: numbers, strings, or anything that can be compared.
        ways : int, default=5
            Classes of an episode, numbered from 0 anew for each.
        shots : int, default=5
            Rows of each class.
        num_tasks : int, default=100
            How many episodes.
        random_state : int, optional
            Seed; None draws one from the operating system.

        Returns
        -------
        TaskSet
            Tasks of ``ways * shots`` rows.

        Raises
        ------
        TypeError, ValueError
            If numbers or arrays are wrong, there are fewer classes than ways, or a class has too few rows.
        """
        ways, shots = check_count("ways", ways, 2), check_count("shots", shots)
        num_tasks = check_count("num_tasks", num_tasks)
        seed = None if random_state is None else check_count("random_state", random_state, 0, maximum=2**128)
        features, _ = checked_table(*shaped(X, np.zeros(as_array("X", X).shape[:1]), 2))
        chosen = draw_episodes(y, len(features), ways, shots, num_tasks, seed)
        targets = np.tile(np.repeat(np.arange(ways, dtype=np.float64), shots), num_tasks)
        offsets = np.arange(num_tasks + 1) * (ways * shots)
        return cls._build(take_rows(features, chosen), targets, offsets, np.arange(num_tasks))

    def describe(self) -> TaskSummary:
        """Return what there is to know before learning: sizes, classes, what lies between tasks.

        Returns
        -------
        TaskSummary
            Named tuple, which prints as text.
        """
        return summarize(self.y, self.offsets, self.num_features)

    def split(self, test_size: float = 0.3, random_state: int | None = None) -> tuple[Self, Self]:
        """Split at random, by task and never through one.

        Parameters
        ----------
        test_size : float or int, default=0.3
            A float between 0 and 1 is the share of the tasks that go to the test set, rounded up to whole
            tasks; an int is their number.
        random_state : int or None, default=None
            Seed: the same seed gives the same split. None draws a new one from the operating system.

        Returns
        -------
        train, test : TaskSet
            Both keep the order of the tasks.

        Raises
        ------
        TypeError
            If test_size is not a number, or random_state neither an int nor None.
        ValueError
            If test_size is out of range or leaves one side without a task, or random_state is negative.
        """
        if isinstance(test_size, bool | np.bool_) or not isinstance(test_size, numbers.Real):
            raise TypeError(f"test_size must be a fraction or a number of tasks, got {test_size!r}")
        if isinstance(test_size, numbers.Integral):
            num_test = int(test_size)
        elif 0 < test_size < 1:
            # Rounded first, since 0.07 * 100 is 7.000000000000001, which must not become 8.
            num_test = math.ceil(round(float(test_size) * len(self), 9))
        else:
            raise ValueError(f"test_size must be a fraction between 0 and 1 or an int, got {test_size!r}")
        if not 1 <= num_test <= len(self) - 1:
            raise ValueError(
                f"test_size={test_size!r} asks for {num_test} test tasks, but there are {len(self)} tasks "
                "and both sides need at least one"
            )
        seed = None if random_state is None else check_count("random_state", random_state, 0, maximum=2**128)
        shuffled = np.random.default_rng(seed).permutation(len(self))
        return self.subset(np.sort(shuffled[num_test:])), self.subset(np.sort(shuffled[:num_test]))

    def filter(self, min_rows: int) -> Self:
        """Keep the tasks with at least `min_rows` rows; a UserWarning counts the dropped ones, if any.

        Parameters
        ----------
        min_rows : int
            The least number of rows a task needs to stay, at least 1.

        Returns
        -------
        TaskSet
            The tasks that stay, in their order.

        Raises
        ------
        TypeError
            If min_rows is not an integer.
        ValueError
            If min_rows is less than 1, or no task would be left.
        """
        least = check_count("min_rows", min_rows)
        kept = np.flatnonzero(self.rows >= least)
        dropped = len(self) - len(kept)
        if not len(kept):
            most = self.rows.max()
            raise ValueError(f"none of the {dropped} tasks has {least} rows; give min_rows of at most {most}")
        if dropped:
            message = f"dropped {dropped} of {len(self)} tasks with fewer than {least} rows"
            warnings.warn(message, UserWarning, stacklevel=2)
        return self.subset(kept)

    def subset(self, indices: slice | ArrayLike) -> Self:
        """Choose tasks by position.

        Parameters
        ----------
        indices : slice, array_like of int, or array_like of bool with shape (num_tasks,)
            Positions of the tasks, negative ones counted from the end, none twice; or a mask.

        Returns
        -------
        TaskSet
            The chosen tasks, in the order given; an ascending run of neighbours shares memory with this set.

        Raises
        ------
        TypeError
            If indices are neither integers nor booleans.
        IndexError
            If a position is out of range, or a mask has another length.
        ValueError
            If indices are not one-dimensional, choose no task, or choose one twice.
        """
        every = np.arange(len(self))
        given = every[indices] if isinstance(indices, slice) else np.asarray(indices)
        if given.ndim != 1:
            raise ValueError(f"indices must be 1-D or a slice, got shape {given.shape}; one task is tasks[i]")
        if given.size and given.dtype.kind not in "iub":
            raise TypeError(f"indices must be integers or booleans, got dtype {given.dtype}")
        if given.dtype.kind == "b" and len(given) != len(self):
            raise IndexError(f"the mask has {len(given)} entries; give one for each of the {len(self)} tasks")
        if given.dtype.kind in "iu" and np.any((given < -len(self)) | (given >= len(self))):
            raise IndexError(f"indices must lie from {-len(self)} to {len(self) - 1} for {len(self)} tasks")
        chosen = every[given] if given.size else every[:0]
        if not len(chosen):
            raise ValueError(f"indices choose none of the {len(self)} tasks; a TaskSet holds at least one")
        # A task held twice could later be split from itself, and its rows leak into the test set.
        if len(np.unique(chosen)) != len(chosen):
            raise ValueError("indices choose a task more than once; give each task at most once")
        rows, starts = self.rows[chosen], self.offsets[chosen]
        offsets = np.concatenate(([0], np.cumsum(rows)))
        if np.all(np.diff(chosen) == 1):
            run = slice(starts[0], starts[0] + offsets[-1])
            return self._build(self.X[run], self.y[run], offsets, self.labels[chosen])
        order = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], rows)
        return self._build(take_rows(self.X, order), take_rows(self.y, order), offsets, self.labels[chosen])

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows per task: int64, shape (num_tasks,), read-only."""
        return read_only(np.diff(self.offsets))

    @property
    def num_tasks(self) -> int:
        """Number of tasks, also ``len(tasks)``."""
        return len(self.labels)

    @property
    def num_rows(self) -> int:
        """Number of rows of all tasks together."""
        return len(self.X)

    @property
    def num_features(self) -> int:
        """Number of columns of X."""
        return int(self.X.shape[1])

    def __len__(self) -> int:
        return self.num_tasks

    @overload
    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[np.float64]]: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> tuple[NDArray[Any], NDArray[np.float64]] | Self:
        if isinstance(index, slice):
            return self.subset(index)
        try:
            if isinstance(index, bool):
                raise TypeError
            position = operator.index(index)
        except TypeError:
            kind = type(index).__name__
            raise TypeError(
                f"tasks[i] takes an integer or a slice, got {kind}; use tasks.subset for a list"
            ) from None
        if not -len(self) <= position < len(self):
            raise IndexError(f"there is no task {position}; the {len(self)} tasks are 0 to {len(self) - 1}")
        position %= len(self)
        run = slice(self.offsets[position], self.offsets[position + 1])
        return self.X[run], self.y[run]

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[np.float64]]]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_tasks={self.num_tasks}, num_rows={self.num_rows}, "
            f"num_features={self.num_features}, rows per task {self.rows.min()} to {self.rows.max()})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # NumPy's pickles do not keep read-only flags, and what was checked once need not be checked again.
        return type(self)._build, (self.X, self.y, self.offsets, self.labels)

    @classmethod
    def _build(
        cls, X: NDArray[Any], y: NDArray[np.float64], offsets: NDArray[np.int64], labels: NDArray[Any]
    ) -> Self:
        """Make a set of parts that are known to be right, so that no table is checked twice."""
        tasks = cls.__new__(cls)
        tasks._set(X, y, offsets, labels)
        return tasks

    def _set(
        self, X: NDArray[Any], y: NDArray[np.float64], offsets: NDArray[np.int64], labels: NDArray[Any]
    ) -> None:
        for name, array in (("X", X), ("y", y), ("offsets", offsets), ("labels", labels)):
            object.__setattr__(self, name, read_only(array))
