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
from fastmaml.runtime.compilation import exact, inlined
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
        scratch=3 * source.max_rows + 8,
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


@inlined
def _take_row(flat: Any, row: int, features: int, near_end: bool, out: Any) -> None:
    """Copy one row and put a one behind it; what lies behind that is finite.

    Whole lane blocks are copied, into the next row, but ``near_end`` of the table only the row.
    """
    if near_end:
        for k in range(features):
            out[k] = flat[row * features + k]
    else:
        copy_row(flat, row * features, out)
    out[features] = 1


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
    order = scratch[source.max_rows + 4 : source.max_rows + 4 + rows]
    role = scratch[2 * source.max_rows + 4 : 2 * source.max_rows + 4 + rows]
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
    # Rows are taken in table order, not in the order chosen: memory is read forwards, which is twice as fast.
    features = source.X.shape[1]
    flat = source.X.reshape(-1)
    near_end = (begin + rows - 1) * features + X_support_out.shape[1] > flat.size
    support, query = 0, 0
    for i in range(rows):
        row = begin + i
        if role[i] == SUPPORT:
            _take_row(flat, row, features, near_end, X_support_out[support])
            y_support_out[support] = source.y[row]
            support += 1
        elif role[i] == QUERY:
            _take_row(flat, row, features, near_end, X_query_out[query])
            y_query_out[query] = source.y[row]
            query += 1
    return queries
