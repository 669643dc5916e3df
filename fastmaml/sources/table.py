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

from fastmaml.numerics.philox import PURPOSE_ORDER, PURPOSE_ROWS, philox_words
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, matrix, prepare, requirements

HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
FRACTION_BITS = 40

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
        features=source.X.shape[1],
        buffered=0,
        state=0 if tasks_per_batch == num_tasks else STATE_HEAD + 3 * num_tasks + 8,
        words=tasks_per_batch,
        # Words, the order of the rows, and what each row is for.
        scratch=4 * source.max_rows + 8,
    )


@exact
def picks_per_fraction(size: Any) -> Any:
    """Return how many picks among ``size`` one 64-bit fraction serves."""
    if size <= 2**8:
        return 5
    return 2 if size <= 2**20 else 1


@exact
def words_for(size: Any, picks: Any) -> Any:
    """Return how many words `shuffle` takes."""
    share = picks_per_fraction(size)
    return 2 * ((picks + share - 1) // share)


@exact
def shuffle(order: Any, words: Any, picks: int) -> None:
    """Move a random choice of ``picks`` entries to the front of ``order``, using `words_for` words."""
    size = order.size
    share = picks_per_fraction(size)
    fraction, left, word = np.uint64(0), 0, 0
    for i in range(picks):
        if left == 0:
            fraction = (np.uint64(words[word + 1]) << HALF) | np.uint64(words[word])
            left, word = share, word + 2
        left -= 1
        # The integer part of fraction * n is the pick, its fractional part goes on: 96 bits in two steps.
        n = np.uint64(size - i)
        low = (fraction & LOW) * n
        high = (fraction >> HALF) * n + (low >> HALF)
        fraction = ((high & LOW) << HALF) | (low & LOW)
        j = i + np.int64(high >> HALF)
        order[i], order[j] = order[j], order[i]


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
        words = state[STATE_HEAD + num_tasks :]
        philox_words(source.seed, number, 0, PURPOSE_ORDER, words_for(num_tasks, num_tasks), words)
        for i in range(num_tasks):
            permutation[i] = i
        shuffle(permutation, words, num_tasks)
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
    words_end = 2 * source.max_rows + 8
    order = scratch[words_end : words_end + rows]
    role = scratch[words_end + source.max_rows : words_end + source.max_rows + rows]
    philox_words(source.seed, epoch, number, PURPOSE_ROWS, words_for(rows, picks), scratch)
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
    # random as the choice, and the processor would guess half of them wrong. So each row is written to both
    # lists, and only one of them goes on.
    num_support, num_query = 0, 0
    for i in range(rows):
        row = begin + i
        target = source.y[row]
        support_out.index[num_support] = row
        support_out.y[num_support] = target
        query_out.index[num_query] = row
        query_out.y[num_query] = target
        num_support += 1 if role[i] == SUPPORT else 0
        num_query += 1 if role[i] == QUERY else 0
    return queries
