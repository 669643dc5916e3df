"""Random choices without repeats.

Choices are Fisher-Yates shuffles (D. E. Knuth, The Art of Computer Programming, vol. 2, algorithm P), cut
short where fewer are wanted. Two words make a 64-bit fraction of one, the second word its upper half. The
integer part of n times the fraction picks one of n, and its fractional part serves the next pick, until 40
bits are used up (N. Brackett-Rozinsky and D. Lemire, "Batched ranged random integer generation", 2024,
without the rejection: the bias is below 2**-24).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.numerics.philox import philox_words_at
from fastmaml.runtime.compilation import exact
from fastmaml.runtime.intrinsics import wide_product

HALF = np.uint64(32)


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
