"""Tasks of the user's own: groups of rows in one table, drawn without replacement inside the kernel.

An epoch takes ``tasks_per_batch`` different tasks from a seeded permutation of all tasks. When fewer than
that many are left, the permutation is drawn anew, so which tasks an epoch takes is a function of seed and
epoch alone. A full batch takes all tasks in table order and needs no permutation. Within a task the support
and query rows are a seeded choice of its rows, a function of (seed, epoch, task). See
`fastmaml.sources.shuffling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.numerics.philox import PURPOSE_ORDER, PURPOSE_ROWS
from fastmaml.runtime.compilation import exact
from fastmaml.runtime.intrinsics import fetch_ahead, lowest_bit
from fastmaml.sources.contract import Requirements, draw, matrix, prepare, requirements
from fastmaml.sources.shuffling import shuffle
from fastmaml.sources.source import Source
from fastmaml.tasks import TaskSet
from fastmaml.validation import check_count

FIVE, ONE, THIRTY_ONE, ALL_BITS = np.uint32(5), np.uint32(1), np.uint32(31), np.uint32(2**32 - 1)


class TableSpec(NamedTuple):
    """A table and how to draw from it.

    Attributes
    ----------
    X : ndarray of shape (num_rows, num_features), read-only
        Rows sorted by task.
    y : ndarray of shape (num_rows,), read-only
        Targets.
    offsets : ndarray of shape (num_tasks + 1,) of int64, read-only
        Task i has the rows from ``offsets[i]`` to ``offsets[i + 1]``.
    seed : int
        Seed, 64 bits.
    shots : int
        Support rows a task.
    queries : int
        The most query rows a task; a smaller task gives all its other rows.
    max_rows : int
        Rows of the largest task.
    """

    X: Any
    y: Any
    offsets: Any
    seed: Any
    shots: int
    queries: int
    max_rows: int


@dataclass(frozen=True)
class Table(Source):
    """Tasks of the user's own.

    An epoch takes the next tasks of a seeded permutation of all. When fewer are left than an epoch takes, it
    is drawn anew, so that the choice is a function of the seed and the epoch alone: what is left over of one
    pass comes in another.

    Parameters
    ----------
    tasks : TaskSet
        The tasks, each with at least ``shots + 1`` rows.
    shots : int, default=8
        Support rows a task, drawn anew in every epoch.
    queries : int, optional
        The most query rows a task; default: all its other rows.
    """

    tasks: TaskSet
    shots: int = 8
    queries: int | None = None
    checked_targets = True

    def __post_init__(self) -> None:
        if not isinstance(self.tasks, TaskSet):
            raise TypeError(
                f"tasks is a {type(self.tasks).__name__}; make a TaskSet with "
                "TaskSet.from_groups(X, y, groups)"
            )
        shots = check_count("shots", self.shots)
        if self.queries is not None:
            check_count("queries", self.queries)
        check_enough_rows(self.tasks, shots, "shots")

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Columns of a row."""
        return self.tasks.num_features

    @property
    def num_tasks(self) -> int:  # type: ignore[override]
        """How many tasks there are."""
        return len(self.tasks)

    def check(self, model: Any) -> None:
        """Raise unless the tasks fit a model."""
        super().check(model)
        model.check_targets("y of the tasks", self.tasks.y)

    def lower(self, seed: int) -> TableSpec:
        """Return the spec."""
        tasks, shots = self.tasks, int(self.shots)
        largest = int(tasks.rows.max())
        return TableSpec(
            X=tasks.X,
            y=tasks.y,
            offsets=tasks.offsets,
            seed=np.uint64(seed),
            shots=shots,
            queries=largest - shots if self.queries is None else min(int(self.queries), largest - shots),
            max_rows=largest,
        )


def check_enough_rows(tasks: TaskSet, shots: int, name: str) -> None:
    """Raise if a task has too few rows for its support rows and one query row, naming it."""
    small = np.flatnonzero(tasks.rows < shots + 1)
    if small.size:
        first = int(small[0])
        drop = f"drop them with tasks.filter(min_rows={shots + 1}) or " if small.size < len(tasks) else ""
        raise ValueError(
            f"group {group_name(tasks, first)} has {tasks.rows[first]} rows, but {name}={shots} needs at "
            f"least {shots + 1} (one must remain to test on); {small.size} of {len(tasks)} groups are "
            f"too small: {drop}lower {name}"
        )


def group_name(tasks: TaskSet, task: int) -> str:
    """Spell a task's label as its owner would write it: 'g1', not np.str_('g1')."""
    return repr(tasks.labels[task : task + 1].tolist()[0])


# The state: the number of the pass whose permutation it holds, plus one (0: none yet), in two words; and the
# permutation.
STATE_HEAD = 2


@requirements.register(TableSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    num_tasks = source.offsets.size - 1
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=source.X.shape[1],
        buffered=0,
        state=0 if tasks_per_batch == num_tasks else STATE_HEAD + num_tasks,
        words=tasks_per_batch,
        # The order of the rows, and two sets of them with a bit a row.
        scratch=source.max_rows + 2 * ((source.max_rows + 31) // 32),
    )


@exact
def mark(rows: Any, marks: Any) -> None:
    """Set the bits numbered by ``rows`` in ``marks`` (uint32, 32 bits each)."""
    for i in range(rows.size):
        row = rows[i]
        marks[row >> FIVE] |= ONE << (row & THIRTY_ONE)


@exact
def list_marked(marks: Any, begin: int, y: Any, picks: Any) -> None:
    """List the rows marked, counted from ``begin``, in their order, with their targets."""
    place = np.uint64(0)
    for i in range(marks.size):
        bits = marks[i]
        first = np.uint64(begin + 32 * i)
        while bits != 0:
            row = first + lowest_bit(bits)
            picks.index[place] = row
            picks.y[place] = y[row]
            place += np.uint64(1)
            bits &= bits - ONE


@matrix.register(TableSpec)
def _matrix(source: Any, X_buffer: Any) -> Any:
    return source.X


@prepare.register(TableSpec)
def _prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    num_tasks = source.offsets.size - 1
    if tasks_per_batch == num_tasks:
        for i in range(num_tasks):
            words_out[i] = i
        return
    epochs_per_pass = num_tasks // tasks_per_batch
    number = epoch // epochs_per_pass
    held = np.int64(state[0]) + (np.int64(state[1]) << 32) - 1
    permutation = state[STATE_HEAD : STATE_HEAD + num_tasks]
    if held != number:
        shuffle(permutation, source.seed, number, 0, PURPOSE_ORDER, num_tasks)
        state[0] = (number + 1) & 0xFFFFFFFF
        state[1] = (number + 1) >> 32
    begin = (epoch % epochs_per_pass) * tasks_per_batch
    for i in range(tasks_per_batch):
        words_out[i] = permutation[begin + i]


@draw.register(TableSpec)
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
    number = np.int64(words[task])
    begin = source.offsets[number]
    rows = source.offsets[number + 1] - begin
    shots = source.shots
    queries = min(source.queries, rows - shots)
    # Where every row is used, choosing the support rows chooses the query rows too.
    picks = shots if shots + queries == rows else shots + queries
    num_words = (rows + 31) // 32
    order, marks = scratch[:rows], scratch[source.max_rows :]
    support_marks, query_marks = marks[:num_words], marks[num_words : 2 * num_words]
    shuffle(order, source.seed, epoch, number, PURPOSE_ROWS, picks)
    # Listed in table order, not in the order chosen: memory is read forwards. By way of a set of bits, since
    # branches on what a row is for would be as random as the choice, and be guessed wrong half of the time.
    for i in range(num_words):
        support_marks[i] = 0
        query_marks[i] = 0
    mark(order[:shots], support_marks)
    if picks > shots:
        mark(order[shots:picks], query_marks)
    else:
        for i in range(num_words):
            unused = np.uint32(32 - min(rows - 32 * i, 32))
            query_marks[i] = ~support_marks[i] & (ALL_BITS >> unused)
    list_marked(support_marks, begin, source.y, support_out)
    list_marked(query_marks, begin, source.y, query_out)
    for i in range(shots):
        fetch_ahead(source.X, support_out.index[i])
    for i in range(queries):
        fetch_ahead(source.X, query_out.index[i])
    return queries
