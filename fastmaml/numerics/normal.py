"""Addressed standard normals, for initial parameters.

Two words make one pair of normals by the transform of G. E. P. Box and M. E. Muller (1958), with the first
uniform moved off zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastmaml.numerics.philox import PURPOSE_INIT, philox_words, words_room
from fastmaml.runtime.compilation import driver

UNIT = 2.0**-32


def _fill(seed: Any, words: Any, out: Any) -> None:
    """Write standard normals; words (uint32) has `words_room` for a word each, an even number."""
    pairs = (out.size + 1) // 2
    philox_words(seed, 0, 0, PURPOSE_INIT, 2 * pairs, words)
    for i in range(pairs):
        radius = math.sqrt(-2.0 * math.log((float(words[2 * i]) + 0.5) * UNIT))
        angle = 2.0 * math.pi * float(words[2 * i + 1]) * UNIT
        out[2 * i] = radius * math.cos(angle)
        if 2 * i + 1 < out.size:
            out[2 * i + 1] = radius * math.sin(angle)


_fill_compiled = driver(_fill)


def initial_normals(seed: int, count: int) -> np.ndarray:
    """Return ``count`` draws from N(0, 1), float64, a function of the seed alone."""
    out = np.empty(count)
    _fill_compiled(np.uint64(seed), np.zeros(words_room(count + 1), dtype=np.uint32), out)
    return out
