"""Tasks of the user's own: groups of rows in one table, drawn without replacement inside the kernel.

An epoch takes ``tasks_per_batch`` different tasks from a seeded permutation of all tasks. When fewer than
that many are left, the permutation is drawn anew, so which tasks an epoch takes is a function of seed and
epoch alone. A full batch takes all tasks in table order and needs no permutation. Within a task the support
and query rows are a seeded choice of its rows, a function of (seed, epoch, task).

Choices are Fisher-Yates shuffles (D. E. Knuth, The Art of Computer Programming, vol. 2, algorithm P), cut
short where fewer are wanted. Two words make a 64-bit fraction of one, the second word its upper half. The
integer part of n times the fraction picks one of n, and its fractional part serves the next pick, until 40
bits are used up (N. Brackett-Rozinsky and D. Lemire, "Batched ranged random integer generation", 2024,
without the rejection: the bias is below 2**-24).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.numerics.philox import PURPOSE_ORDER, PURPOSE_ROWS, philox_words_at
from fastmaml.runtime.compilation import exact
from fastmaml.runtime.intrinsics import fetch_ahead, lowest_bit, wide_product
from fastmaml.sources.contract import Requirements, draw, matrix, prepare, requirements

HALF = np.uint64(32)
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
def shuffle(order: Any, seed: Any, epoch: Any, task: Any, purpose: int, picks: int) -> None:
    """Fill ``order`` with the numbers from 0, and move a random choice of ``picks`` of them to the front."""
    size = order.size
    for i in range(size):
        order[i] = i
    share = 5 if size <= 2**8 else 2 if size <= 2**20 else 1
    fraction, spare = np.uint64(0), np.uint64(0)
    left, fractions = 0, 0
    for i in range(picks):
        if left == 0:
            if fractions % 2 == 0:
                w0, w1, w2, w3 = philox_words_at(seed, epoch, task, purpose, fractions // 2)
                fraction, spare = w0 | (w1 << HALF), w2 | (w3 << HALF)
            else:
                fraction = spare
            fractions += 1
            left = share
        left -= 1
        # The integer part of fraction * n is the pick, its fractional part goes on.
        pick, fraction = wide_product(fraction, np.uint64(size - i))
        # Unsigned, so that no index could count from the end.
        here = np.uint64(i)
        there = here + pick
        order[here], order[there] = order[there], order[here]


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
