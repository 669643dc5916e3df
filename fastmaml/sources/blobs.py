"""Gaussian blobs: N-way classification tasks, drawn afresh in every epoch.

A task has a centre for each way, each coordinate N(0, spread^2), and rows of N(0, 1) around it. Two words
make a pair of normals (G. E. P. Box and M. E. Muller, 1958): under the purpose TASK the centres, way by way,
and under SUPPORT and QUERY the rows, way by way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.numerics.philox import (
    PURPOSE_QUERY,
    PURPOSE_SUPPORT,
    PURPOSE_TASK,
    philox_words,
    words_room,
)
from fastmaml.runtime.compilation import kernel
from fastmaml.sources.contract import Requirements, draw, requirements
from fastmaml.sources.source import Source, check_rows
from fastmaml.validation import check_count, check_rate

UNIT = 2.0**-32


class BlobsSpec(NamedTuple):
    """Numbers of blobs.

    Attributes
    ----------
    seed : int
        Seed, 64 bits.
    num_features, ways, shots, queries : int
        Columns of a row, classes of a task, support rows and query rows of a class.
    spread : float
        Standard deviation of the centres.
    """

    seed: Any
    num_features: int
    ways: int
    shots: int
    queries: int
    spread: float


@dataclass(frozen=True)
class Blobs(Source):
    """Gaussian blobs, a class each, with centres of each task's own.

    Parameters
    ----------
    num_features : int
        Columns of a row.
    ways : int, default=5
        Classes of a task, numbered from 0.
    shots : int, default=5
        Support rows of a class.
    queries : int, default=5
        Query rows of a class.
    spread : float, default=2.0
        Standard deviation of a centre's coordinates; those of the rows around it have 1.
    """

    num_features: int
    ways: int = 5
    shots: int = 5
    queries: int = 5
    spread: float = 2.0

    def __post_init__(self) -> None:
        check_count("num_features", self.num_features)
        check_count("ways", self.ways, 2)
        check_rows(self.shots, self.queries)
        check_rate("spread", self.spread)

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """Classes of a task."""
        return self.ways

    def lower(self, seed: int) -> BlobsSpec:
        """Return the spec."""
        features, ways = int(self.num_features), int(self.ways)
        shots, queries = int(self.shots), int(self.queries)
        return BlobsSpec(np.uint64(seed), features, ways, shots, queries, float(self.spread))


@requirements.register(BlobsSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    features, ways = source.num_features, source.ways
    rows = ways * max(source.shots, source.queries)
    return Requirements(
        shots=ways * source.shots,
        queries=ways * source.queries,
        features=features,
        buffered=ways * (source.shots + source.queries),
        state=0,
        words=0,
        scratch=words_room(rows * features + 1) + words_room(ways * features + 1),
    )


@kernel
def _normal(words: Any, i: int) -> float:
    """Return the i-th normal of words, of which there are an even number."""
    pair = i - i % 2
    radius = math.sqrt(-2.0 * math.log((np.float64(words[pair]) + 0.5) * UNIT))
    angle = 2.0 * math.pi * np.float64(words[pair + 1]) * UNIT
    return radius * (math.cos(angle) if i % 2 == 0 else math.sin(angle))


@draw.register(BlobsSpec)
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
    features, ways = source.num_features, source.ways
    centres = scratch[scratch.size - words_room(ways * features + 1) :]
    philox_words(source.seed, epoch, task, PURPOSE_TASK, ways * features + 1, centres)
    begin = 0
    for kind in range(2):
        out = support_out if kind == 0 else query_out
        of_class = source.shots if kind == 0 else source.queries
        rows = ways * of_class
        purpose = PURPOSE_SUPPORT if kind == 0 else PURPOSE_QUERY
        philox_words(source.seed, epoch, task, purpose, rows * features + 1, scratch)
        for r in range(rows):
            way = r // of_class
            for k in range(features):
                centre = source.spread * _normal(centres, way * features + k)
                X_out[begin + r, k] = centre + _normal(scratch, r * features + k)
            out.y[r] = way
            out.index[r] = first_row + begin + r
        begin += rows
    return ways * source.queries
