"""Philox4x32-10, a counter-based generator: every word is a function of its address.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
2011, section 4.3.

An address is (seed, epoch, task, purpose, index). The 64-bit seed is the key. The counter's four words are
the block (index // 4), the task, the low half of the epoch, and the purpose in the top byte of the fourth
word with 24 more bits of the epoch below it. So there are 2**34 words a purpose, 2**32 tasks and 2**56
epochs, and no two addresses share a counter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.runtime.compilation import exact, inlined

# What a draw is for: draws for different purposes never share a word.
PURPOSE_INIT, PURPOSE_ORDER, PURPOSE_ROWS, PURPOSE_SUPPORT, PURPOSE_QUERY = 0, 1, 2, 3, 4

MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
PURPOSE_SHIFT = np.uint64(24)


@inlined
def _round(c0: Any, c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any) -> Any:
    product_0 = MULTIPLIER_0 * c0
    product_1 = MULTIPLIER_1 * c2
    return (
        (product_1 >> HALF) ^ c1 ^ key_0,
        product_1 & LOW,
        (product_0 >> HALF) ^ c3 ^ key_1,
        product_0 & LOW,
        (key_0 + WEYL_0) & LOW,
        (key_1 + WEYL_1) & LOW,
    )


@inlined
def philox_block(c0: Any, c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any) -> Any:
    """Return the four words of one counter. Everything is a uint64 that holds 32 bits."""
    # Ten rounds, written out: a loop of ten inside the loop over counters keeps the latter from vectorising.
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    return c0, c1, c2, c3


@exact
def philox_words(seed: Any, epoch: Any, task: Any, purpose: int, count: Any, out: Any) -> None:
    """Write the words of index 0 to ``count``, rounded up to whole blocks of four, to ``out`` (uint32)."""
    key_0, key_1 = np.uint64(seed) & LOW, np.uint64(seed) >> HALF
    c1, c2 = np.uint64(task) & LOW, np.uint64(epoch) & LOW
    c3 = (np.uint64(purpose) << PURPOSE_SHIFT) | (np.uint64(epoch) >> HALF)
    blocks = (count + 3) // 4
    # Stores of two words at once vectorise; four interleaved stores of one do not.
    pairs = out[: 4 * blocks].view(np.uint64)
    for block in range(blocks):
        w0, w1, w2, w3 = philox_block(np.uint64(block) & LOW, c1, c2, c3, key_0, key_1)
        pairs[2 * block] = w0 | (w1 << HALF)
        pairs[2 * block + 1] = w2 | (w3 << HALF)
