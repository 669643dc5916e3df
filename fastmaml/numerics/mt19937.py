"""MT19937 over a linear buffer, in step with NumPy's global generator.

M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998: the recurrence is ``x[n+624] =
x[n+397] ^ twist(x[n], x[n+1])``. Written over one long buffer instead of a ring of 624 words it vectorises,
in runs of 208 (227 words ahead is where it first reads what it wrote; 208 is a whole number of vector
steps, and three make a block). A state is what NumPy holds: a block of 624 raw words and the position of
the next one in it.

Raw words become uniforms separately: tempering, then NumPy's 53-bit double, ``(a >> 5, b >> 6)`` of two
words as ``(a * 2**26 + b) / 2**53``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.runtime.compilation import exact
from fastmaml.runtime.intrinsics import as_float64

BLOCK = 624
RUN = 208
SHIFT = 397
UPPER, LOWER, MATRIX = np.uint32(0x80000000), np.uint32(0x7FFFFFFF), np.uint32(0x9908B0DF)
ZERO_32, ONE_32 = np.uint32(0), np.uint32(1)

# Tempering on two words at once, one in each half of 64 bits: the masks keep what a shift would carry across.
TEMPER_U, TEMPER_S = np.uint64(0x001FFFFF001FFFFF), np.uint64(0x9D2C56809D2C5680)
TEMPER_T, TEMPER_L = np.uint64(0xEFC60000EFC60000), np.uint64(0x00003FFF00003FFF)
SHIFT_U, SHIFT_S, SHIFT_T, SHIFT_L = np.uint64(11), np.uint64(7), np.uint64(15), np.uint64(18)

# The bits of 2**25 + a * 2**-27 and of 2**-1 + b * 2**-53: written into the mantissa, a 27-bit and a 26-bit
# number need no conversion, and (first - OFFSET) + second is the uniform, without rounding.
FIRST_BITS, SECOND_BITS = np.uint64(0x4180000000000000), np.uint64(0x3FE0000000000000)
OFFSET = 2.0**25 + 2.0**-1
LOW, SHIFT_A, SHIFT_B = np.uint64(0xFFFFFFFF), np.uint64(5), np.uint64(38)


@exact
def next_blocks(words: Any, count: int) -> None:
    """Write ``count`` further blocks behind the first block of ``words`` (uint32, (count + 1) * 624)."""
    for run in range(3 * count):
        start = run * RUN
        x = words[start : start + RUN]
        y = words[start + 1 : start + 1 + RUN]
        z = words[start + SHIFT : start + SHIFT + RUN]
        out = words[start + BLOCK : start + BLOCK + RUN]
        for i in range(RUN):
            mixed = np.uint32((x[i] & UPPER) | (y[i] & LOWER))
            odd = MATRIX if mixed & ONE_32 else ZERO_32
            out[i] = z[i] ^ np.uint32(mixed >> ONE_32) ^ odd


@exact
def temper(pair: Any) -> Any:
    """Temper two raw words, one in each half of 64 bits."""
    pair ^= (pair >> SHIFT_U) & TEMPER_U
    pair ^= (pair << SHIFT_S) & TEMPER_S
    pair ^= (pair << SHIFT_T) & TEMPER_T
    pair ^= (pair >> SHIFT_L) & TEMPER_L
    return pair


@exact
def uniforms(pairs: Any, out: Any) -> None:
    """Write one double in [0, 1) for each pair of raw words (uint64), as ``numpy.random.rand`` makes it."""
    for i in range(out.size):
        pair = temper(pairs[i])
        first = as_float64(FIRST_BITS | ((pair & LOW) >> SHIFT_A))
        second = as_float64(SECOND_BITS | (pair >> SHIFT_B))
        out[i] = (first - OFFSET) + second
