"""Tasks of the user's own: groups of rows in one table, drawn without replacement inside the kernel.

An epoch takes ``tasks_per_batch`` different tasks from a seeded permutation of all tasks. When fewer than
that many are left, the permutation is drawn anew, so which tasks an epoch takes is a function of seed and
epoch alone. A full batch takes all tasks in table order and needs no permutation. Within a task the support
and query rows are a seeded choice of its rows, a function of (seed, epoch, task).

Choices are Fisher-Yates shuffles (D. E. Knuth, The Art of Computer Programming, vol. 2, algorithm P), cut
short where fewer are wanted; a 32-bit word w picks one of n as ``w * n >> 32``, whose bias is below n /
2**32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.numerics.layout import padded_width
from fastmaml.numerics.philox import PURPOSE_ORDER, PURPOSE_ROWS, philox_words
from fastmaml.numerics.products import copy_row
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, prepare, requirements

HALF = np.uint64(32)

# What a row of a task is for, in one draw.
NO_ROLE, SUPPORT, QUERY = 0, 1, 2


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


# The state: the number of the pass whose permutation it holds, plus one (0: none yet), in two words; the
# permutation; and room for the words that shuffle it.
STATE_HEAD = 2


@requirements.register(TableSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    num_tasks = source.offsets.size - 1
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        stride=padded_width(source.X.shape[1] + 1),
        state=0 if tasks_per_batch == num_tasks else STATE_HEAD + 2 * num_tasks + 4,
        words=tasks_per_batch,
        scratch=5 * source.max_rows + 8,
    )


@exact
def shuffle(order: Any, words: Any, picks: int) -> None:
    """Move a random choice of ``picks`` entries to the front of ``order``, using as many words."""
    size = order.size
    for i in range(min(picks, size - 1)):
        j = i + np.int64((np.uint64(words[i]) * np.uint64(size - i)) >> HALF)
        order[i], order[j] = order[j], order[i]


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
        words = state[STATE_HEAD + num_tasks :]
        philox_words(source.seed, number, 0, PURPOSE_ORDER, num_tasks, words)
        for i in range(num_tasks):
            permutation[i] = i
        shuffle(permutation, words, num_tasks)
        state[0] = (number + 1) & 0xFFFFFFFF
        state[1] = (number + 1) >> 32
    begin = (epoch % epochs_per_pass) * tasks_per_batch
    for i in range(tasks_per_batch):
        words_out[i] = permutation[begin + i]


@exact
def _take_rows(
    source: Any, begin: Any, rows: Any, count: Any, near_end: bool, X_out: Any, y_out: Any
) -> None:
    """Copy rows of the task that begins at ``begin`` and put a one behind each; the rest is finite.

    Whole lane blocks are copied, into the next row, but ``near_end`` of the table only the row.
    """
    flat, features = source.X.reshape(-1), source.X.shape[1]
    for i in range(count):
        row = begin + np.int64(rows[i])
        if near_end:
            for k in range(features):
                X_out[i, k] = flat[row * features + k]
        else:
            copy_row(flat, row * features, X_out[i])
        X_out[i, features] = 1
        y_out[i] = source.y[row]


@draw.register(TableSpec)
def _draw(
    source: Any,
    tasks_per_batch: int,
    epoch: int,
    task: int,
    words: Any,
    scratch: Any,
    X_support_out: Any,
    y_support_out: Any,
    X_query_out: Any,
    y_query_out: Any,
) -> Any:
    number = np.int64(words[task])
    begin = source.offsets[number]
    rows = source.offsets[number + 1] - begin
    shots = source.shots
    queries = min(source.queries, rows - shots)
    # Where every row is used, choosing the support rows chooses the query rows too.
    picks = shots if shots + queries == rows else shots + queries
    # Room for the words, and four lists of rows.
    size = source.max_rows
    order, role = scratch[size + 4 : size + 4 + rows], scratch[2 * size + 4 : 2 * size + 4 + rows]
    support, query = scratch[3 * size + 4 : 4 * size + 5], scratch[4 * size + 5 : 5 * size + 6]
    philox_words(source.seed, epoch, number, PURPOSE_ROWS, picks, scratch)
    rest = NO_ROLE if picks > shots else QUERY
    for i in range(rows):
        order[i] = i
        role[i] = rest
    shuffle(order, scratch, picks)
    for i in range(shots):
        role[order[i]] = SUPPORT
    for i in range(shots, picks):
        role[order[i]] = QUERY
    # In table order, not in the order chosen: memory is read forwards. Without branches: their outcome is as
    # random as the choice, and the processor would guess half of them wrong.
    num_support, num_query = 0, 0
    for i in range(rows):
        support[num_support] = i
        query[num_query] = i
        num_support += 1 if role[i] == SUPPORT else 0
        num_query += 1 if role[i] == QUERY else 0
    near_end = (begin + rows - 1) * source.X.shape[1] + X_support_out.shape[1] > source.X.size
    _take_rows(source, begin, support, shots, near_end, X_support_out, y_support_out)
    _take_rows(source, begin, query, queries, near_end, X_query_out, y_query_out)
    return queries
