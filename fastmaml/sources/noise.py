"""The notebook's points from addressed random numbers: uniform features, and labels that ignore them.

One 32-bit word a uniform: 32 random bits in float64, 24 in float32 (all that its mantissa holds). A label
is its word's top bit. Words of a task's support (query) set: rows in order, then labels, under the purpose
SUPPORT (QUERY).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.numerics.philox import PURPOSE_QUERY, PURPOSE_SUPPORT, philox_words, words_room
from fastmaml.runtime.compilation import exact
from fastmaml.sources.contract import Requirements, draw, requirements

# Multiples of 2**-32 in float64; of 2**-24 in float32, where 32 bits could round up to one.
UNIT_64, UNIT_32 = 2.0**-32, np.float32(2.0**-24)
TOP_BIT, DROP_8 = np.uint32(31), np.uint32(8)


class NoiseSpec(NamedTuple):
    """Sizes and seed of addressed noise.

    Attributes
    ----------
    seed : int
        Seed, 64 bits.
    num_features, shots, queries : int
        Width of a row, support rows and query rows a task.
    """

    seed: Any
    num_features: int
    shots: int
    queries: int


@requirements.register(NoiseSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=source.num_features,
        buffered=source.shots + source.queries,
        state=0,
        words=0,
        scratch=words_room(max(source.shots, source.queries) * (source.num_features + 1)),
    )


@exact
def _point_set(
    seed: Any,
    epoch: int,
    task: int,
    purpose: int,
    features: int,
    scratch: Any,
    rows: int,
    first: int,
    X_out: Any,
    first_row: int,
    out: Any,
) -> None:
    """Write one set of points from row ``first`` of X_out on."""
    count = rows * features
    philox_words(seed, epoch, task, purpose, count + rows, scratch)
    flat = X_out.reshape(-1)[first * features : (first + rows) * features]
    if X_out.itemsize == 4:
        for i in range(count):
            flat[i] = np.float32(np.int32(scratch[i] >> DROP_8)) * UNIT_32
    else:
        for i in range(count):
            flat[i] = np.float64(scratch[i]) * UNIT_64
    for r in range(rows):
        out.y[r] = scratch[count + r] >> TOP_BIT
        out.index[r] = first_row + first + r


@draw.register(NoiseSpec)
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
    seed, features = source.seed, source.num_features
    shots, queries = source.shots, source.queries
    _point_set(seed, epoch, task, PURPOSE_SUPPORT, features, scratch, shots, 0, X_out, first_row, support_out)
    _point_set(
        seed, epoch, task, PURPOSE_QUERY, features, scratch, queries, shots, X_out, first_row, query_out
    )
    return queries
