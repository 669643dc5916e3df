"""The notebook's points: NumPy's global MT19937 stream, cut up as ``rand`` and ``choice`` would.

Each epoch draws, for every task in turn, ``shots * features`` uniforms for the rows and ``shots`` more for
the labels, then the same for the query rows of every task. ``choice([0, 1], p=[.5, .5])`` gives label 1
where its uniform is at least 0.5. `prepare` runs the recurrence, which is sequential; `draw` tempers its
own part, which is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.numerics.mt19937 import BLOCK, next_blocks, uniforms
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, prepare, requirements


class NotebookNoiseSpec(NamedTuple):
    """Sizes of the notebook's points.

    Attributes
    ----------
    num_features, shots, queries : int
        Width of a row, support rows and query rows a task.
    """

    num_features: int
    shots: int
    queries: int


STATE_WORDS = BLOCK + 1  # NumPy's key, and behind it the position of the next word in it.


def _words_per_epoch(source: Any, tasks_per_batch: int) -> int:
    return 2 * tasks_per_batch * (source.shots + source.queries) * (source.num_features + 1)


@requirements.register(NotebookNoiseSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    blocks = (_words_per_epoch(source, tasks_per_batch) + BLOCK - 1) // BLOCK + 1
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=source.num_features,
        buffered=source.shots + source.queries,
        state=STATE_WORDS,
        words=2 + (1 + blocks) * BLOCK,
        # Doubles of one point set, two words each, before they are cast and spread.
        scratch=2 * max(source.shots, source.queries) * (source.num_features + 1),
    )


@prepare.register(NotebookNoiseSpec)
def _prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    position = np.int64(state[BLOCK])
    count = 2 * tasks_per_batch * (source.shots + source.queries) * (source.num_features + 1)
    blocks = max(0, (position + count + BLOCK - 1) // BLOCK - 1)
    # The first two words tell where the epoch begins; an odd position is shifted by one word, so that
    # the two words of a uniform can be read as one.
    start = 2 + position % 2
    words_out[0] = start + position
    stream = words_out[start:]
    for i in range(BLOCK):
        stream[i] = state[i]
    next_blocks(stream, blocks)
    last = stream[blocks * BLOCK : (blocks + 1) * BLOCK]
    for i in range(BLOCK):
        state[i] = last[i]
    state[BLOCK] = position + count - blocks * BLOCK


@exact
def _point_set(
    words: Any,
    begin: int,
    features: int,
    scratch: Any,
    rows: int,
    first: int,
    X_out: Any,
    first_row: int,
    out: Any,
) -> None:
    """Write one set of points whose words begin at ``begin``, from row ``first`` of X_out on."""
    pairs = words[begin : begin + 2 * rows * (features + 1)].view(np.uint64)
    flat = X_out.reshape(-1)
    uniforms(pairs[: rows * features], flat[first * features : (first + rows) * features])
    choices = scratch[: 2 * rows].view(np.float64)
    uniforms(pairs[rows * features :], choices)
    for r in range(rows):
        out.y[r] = 1 if choices[r] >= 0.5 else 0
        out.index[r] = first_row + first + r


@draw.register(NotebookNoiseSpec)
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
    features, shots, queries = source.num_features, source.shots, source.queries
    begin = np.int64(words[0])
    support = begin + 2 * task * shots * (features + 1)
    query = begin + 2 * (tasks_per_batch * shots + task * queries) * (features + 1)
    _point_set(words, support, features, scratch, shots, 0, X_out, first_row, support_out)
    _point_set(words, query, features, scratch, queries, shots, X_out, first_row, query_out)
    return queries
