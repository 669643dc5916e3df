"""Parabolas: ``y = a x + b x^2`` and noise, with a, b uniform in [0, 2) and x in [-1, 1), given as x, x^2."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastmaml.numerics.philox import (
    PURPOSE_QUERY,
    PURPOSE_SUPPORT,
    PURPOSE_TASK,
    philox_words,
    philox_words_at,
    words_room,
)
from fastmaml.sources import Requirements, Source, draw, requirements


class ParabolasSpec(NamedTuple):
    seed: np.uint64
    shots: int
    queries: int
    noise: float


@dataclass(frozen=True)
class Parabolas(Source):
    shots: int = 5
    queries: int = 5
    noise: float = 0.1
    num_features = 2

    def lower(self, seed):
        return ParabolasSpec(np.uint64(seed), self.shots, self.queries, self.noise)


@requirements.register(ParabolasSpec)
def parabolas_need(source, tasks_per_batch):
    rows = source.shots + source.queries
    scratch = words_room(2 * max(source.shots, source.queries))
    return Requirements(
        source.shots, source.queries, features=2, buffered=rows, state=0, words=0, scratch=scratch
    )


@draw.register(ParabolasSpec)
def draw_parabola(source, tasks_per_batch, epoch, task, words, scratch, X, first_row, support, query):
    first, second, _, _ = philox_words_at(source.seed, epoch, task, PURPOSE_TASK, 0)
    a, b = first * 2.0**-31, second * 2.0**-31
    for kind in range(2):
        out, begin, rows, purpose = support, 0, source.shots, PURPOSE_SUPPORT
        if kind == 1:
            out, begin, rows, purpose = query, source.shots, source.queries, PURPOSE_QUERY
        philox_words(source.seed, epoch, task, purpose, 2 * rows, scratch)
        for r in range(rows):
            x = scratch[2 * r] * 2.0**-31 - 1
            X[begin + r, 0], X[begin + r, 1] = x, x * x
            out.y[r] = a * x + b * x * x + source.noise * (scratch[2 * r + 1] * 2.0**-31 - 1)
            out.index[r] = first_row + begin + r
    return source.queries
