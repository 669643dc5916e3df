"""Sine curves: regression tasks of one feature, drawn afresh in every epoch.

``y = amplitude * sin(frequency * x + phase)``, without noise, x uniform. The words of a task under the
purpose TASK: amplitude, phase, frequency; a point's word under SUPPORT or QUERY is its x.
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
    philox_words_at,
    words_room,
)
from fastmaml.runtime.compilation import kernel
from fastmaml.sources.contract import Requirements, draw, requirements
from fastmaml.sources.source import Source, check_range, check_rows
from fastmaml.validation import check_flag

UNIT = 2.0**-32
RANGES = ("amplitude", "phase", "frequency", "x")


class SinusoidSpec(NamedTuple):
    """Numbers of sine curves.

    Attributes
    ----------
    seed : int
        Seed, 64 bits.
    shots, queries : int
        Support rows and query rows a task.
    reveal : int
        Whether amplitude and phase stand beside x.
    ranges : ndarray of shape (4, 2)
        Lowest and highest amplitude, phase, frequency and x.
    """

    seed: Any
    shots: int
    queries: int
    reveal: int
    ranges: Any


@dataclass(frozen=True)
class Sinusoid(Source):
    """Sine curves ``amplitude * sin(frequency * x + phase)``, each task one.

    The defaults are those of the MAML paper [1]_; Meta-SGD's [2]_ add ``frequency=(0.8, 1.2)``.

    Parameters
    ----------
    shots : int, default=10
        Support points a task.
    queries : int, default=10
        Query points a task.
    amplitude : float or (float, float), default=(0.1, 5.0)
        One number, or a range that it is uniform in.
    phase : float or (float, float), default=(0.0, pi)
        The same, in radians.
    frequency : float or (float, float), default=1.0
        The same, in radians for a step of one in x.
    x : (float, float), default=(-5.0, 5.0)
        The range of x.
    reveal : bool, default=False
        Whether amplitude and phase are given as features beside x: an oracle's problem, without anything to
        adapt to.

    References
    ----------
    .. [1] C. Finn, P. Abbeel and S. Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep
       Networks", ICML
       2017, section 5.1.
    .. [2] Z. Li, F. Zhou, F. Chen and H. Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning",
       2017,
       section 4.1.
    """

    negative_targets = True
    shots: int = 10
    queries: int = 10
    amplitude: Any = (0.1, 5.0)
    phase: Any = (0.0, math.pi)
    frequency: Any = 1.0
    x: Any = (-5.0, 5.0)
    reveal: bool = False

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Columns of a row."""
        return 3 if self.reveal else 1

    def __post_init__(self) -> None:
        check_rows(self.shots, self.queries)
        check_flag("reveal", self.reveal)
        for name in RANGES:
            # As numbers and tuples: an array or a list could be changed, and could not be compared.
            object.__setattr__(self, name, check_range(name, getattr(self, name)))

    def lower(self, seed: int) -> SinusoidSpec:
        """Return the spec."""
        ranges = np.array([np.broadcast_to(getattr(self, name), 2) for name in RANGES])
        sizes = int(self.shots), int(self.queries), int(self.reveal)
        return SinusoidSpec(np.uint64(seed), *sizes, ranges)


@requirements.register(SinusoidSpec)
def _requirements(source: Any, tasks_per_batch: int) -> Any:
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=3 if source.reveal else 1,
        buffered=source.shots + source.queries,
        state=0,
        words=0,
        scratch=words_room(max(source.shots, source.queries)),
    )


@kernel
def _between(ranges: Any, number: int, word: Any) -> float:
    """Return a number uniform in a range."""
    return ranges[number, 0] + (ranges[number, 1] - ranges[number, 0]) * (np.float64(word) * UNIT)


@draw.register(SinusoidSpec)
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
    ranges = source.ranges
    first, second, third, _ = philox_words_at(source.seed, epoch, task, PURPOSE_TASK, 0)
    amplitude = _between(ranges, 0, first)
    phase = _between(ranges, 1, second)
    frequency = _between(ranges, 2, third)
    for kind in range(2):
        out = support_out if kind == 0 else query_out
        rows = source.shots if kind == 0 else source.queries
        begin = 0 if kind == 0 else source.shots
        purpose = PURPOSE_SUPPORT if kind == 0 else PURPOSE_QUERY
        philox_words(source.seed, epoch, task, purpose, rows, scratch)
        for r in range(rows):
            x = _between(ranges, 3, scratch[r])
            X_out[begin + r, 0] = x
            if source.reveal:
                X_out[begin + r, 1] = amplitude
                X_out[begin + r, 2] = phase
            out.y[r] = amplitude * math.sin(frequency * x + phase)
            out.index[r] = first_row + begin + r
    return source.queries
