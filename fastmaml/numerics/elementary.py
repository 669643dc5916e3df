"""Exponential, sigmoid and logistic loss: stable everywhere, and written so that loops over them vectorise.

The exponential of the mathematics library is a call for every element, and a loop with a call in it does
not vectorise. `exp_nonpositive` is a few dozen multiplications and additions instead: reduction by
multiples of ln 2 in two parts (W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980,
chapter 6), a Taylor polynomial, and the power of two written straight into the exponent bits. Only
arguments up to zero are needed: sigmoid and loss in their stable forms take ``exp(-|z|)``.

The polynomial runs to the first term that falls below half a unit in the last place at ``|r| = ln(2) / 2``:
degree 13 in float64 (0.347**14 / 14! = 4e-18) and degree 7 in float32 (0.347**8 / 8! = 5e-9).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import config, types
from numba.extending import overload

from fastmaml.runtime.compilation import EXACT_FLAGS, exact, kernel
from fastmaml.runtime.intrinsics import as_float32, as_float64, float32_bits, float64_bits

LOG2_E = 1.4426950408889634

# ln 2 in two parts: n * LN2_HIGH is exact for every n that occurs, since the trailing bits of LN2_HIGH are
# zero.
LN2_HIGH_64, LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LN2_HIGH_32, LN2_LOW_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)

# Adding 1.5 * 2**(mantissa bits) rounds to an integer, and leaves that integer in the lowest bits.
ROUND_64, ROUND_32 = 6755399441055744.0, np.float32(12582912.0)
BIAS_64, BIAS_32 = np.uint64(1023), np.uint32(127)
SHIFT_64, SHIFT_32 = np.uint64(52), np.uint32(23)

# exp of less than this is smaller than the smallest normal number.
LOWEST_64, LOWEST_32 = -708.0, np.float32(-87.0)
# From here down exp(x) - 1 is -1.
MINUS_ONE_64, MINUS_ONE_32 = -50.0, np.float32(-30.0)

# So many factors of at most two have a product below the largest number.
FACTORS = 512

C2, C3, C4, C5, C6, C7 = (1.0 / math.factorial(k) for k in range(2, 8))
C8, C9, C10, C11, C12, C13 = (1.0 / math.factorial(k) for k in range(8, 14))
F2, F3, F4, F5, F6, F7 = (np.float32(1.0 / math.factorial(k)) for k in range(2, 8))
ZERO_32, ONE_32, LOG2_E_32 = np.float32(0.0), np.float32(1.0), np.float32(LOG2_E)


def _exp64(x: Any) -> Any:
    # Written as "smaller than" so that NaN takes the other branch and stays NaN.
    given = x
    x = LOWEST_64 if x < LOWEST_64 else x
    shifted = x * LOG2_E + ROUND_64
    n = shifted - ROUND_64
    r = (x - n * LN2_HIGH_64) - n * LN2_LOW_64
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + r) + r2 * (C2 + r * C3)
    middle = (C4 + r * C5) + r2 * (C6 + r * C7)
    high = ((C8 + r * C9) + r2 * (C10 + r * C11)) + r4 * (C12 + r * C13)
    scale = as_float64((float64_bits(shifted) + BIAS_64) << SHIFT_64)
    value = (low + r4 * (middle + r4 * high)) * scale
    return 0.0 if given < LOWEST_64 else value


def _exp32(x: Any) -> Any:
    given = x
    x = LOWEST_32 if x < LOWEST_32 else x
    shifted = x * LOG2_E_32 + ROUND_32
    n = shifted - ROUND_32
    r = (x - n * LN2_HIGH_32) - n * LN2_LOW_32
    r2 = r * r
    low = (ONE_32 + r) + r2 * (F2 + r * F3)
    high = (F4 + r * F5) + r2 * (F6 + r * F7)
    scale = as_float32(np.uint32((float32_bits(shifted) + BIAS_32) << SHIFT_32))
    value = (low + (r2 * r2) * high) * scale
    return ZERO_32 if given < LOWEST_32 else value


def exp_nonpositive(x: Any) -> Any:
    """Return ``exp(x)`` for ``x <= 0``, in the type of x, to about one unit in the last place.

    Below the smallest normal number (x < -708 in float64, -87 in float32) it is zero. NaN stays NaN.
    """
    return _exp32(x) if isinstance(x, np.float32) else _exp64(np.float64(x))


def _expm1_64(x: Any) -> Any:
    x = MINUS_ONE_64 if x < MINUS_ONE_64 else x
    shifted = x * LOG2_E + ROUND_64
    n = shifted - ROUND_64
    r = (x - n * LN2_HIGH_64) - n * LN2_LOW_64
    r2 = r * r
    r4 = r2 * r2
    low = r + r2 * (C2 + r * C3)
    middle = (C4 + r * C5) + r2 * (C6 + r * C7)
    high = ((C8 + r * C9) + r2 * (C10 + r * C11)) + r4 * (C12 + r * C13)
    scale = as_float64((float64_bits(shifted) + BIAS_64) << SHIFT_64)
    return (low + r4 * (middle + r4 * high)) * scale + (scale - 1.0)


def _expm1_32(x: Any) -> Any:
    x = MINUS_ONE_32 if x < MINUS_ONE_32 else x
    shifted = x * LOG2_E_32 + ROUND_32
    n = shifted - ROUND_32
    r = (x - n * LN2_HIGH_32) - n * LN2_LOW_32
    r2 = r * r
    low = r + r2 * (F2 + r * F3)
    high = (F4 + r * F5) + r2 * (F6 + r * F7)
    scale = as_float32(np.uint32((float32_bits(shifted) + BIAS_32) << SHIFT_32))
    return (low + (r2 * r2) * high) * scale + (scale - ONE_32)


def expm1_nonpositive(x: Any) -> Any:
    """Return ``exp(x) - 1`` for ``x <= 0``, in the type of x, to a few units in the last place.

    What `exp_nonpositive` does, with the one taken away where nothing cancels: from the power of two.
    """
    return _expm1_32(x) if isinstance(x, np.float32) else _expm1_64(np.float64(x))


if not config.DISABLE_JIT:

    @overload(exp_nonpositive, jit_options=EXACT_FLAGS, strict=False)
    def _choose_exp(x: Any) -> Any:
        return _exp32 if x == types.float32 else _exp64

    @overload(expm1_nonpositive, jit_options=EXACT_FLAGS, strict=False)
    def _choose_expm1(x: Any) -> Any:
        return _expm1_32 if x == types.float32 else _expm1_64


@exact
def sigmoid_in_place(z: Any, count: int) -> None:
    """Replace the first ``count`` entries of z by ``1 / (1 + exp(-z))``, without overflow.

    In place: with two arrays the compiler would have to prove that they do not overlap, and could not.
    """
    one = z.dtype.type(1)
    for k in range(count):
        e = exp_nonpositive(-abs(z[k]))
        z[k] = (one if z[k] >= 0 else e) / (one + e)


@exact
def sigmoid_both_ways(z: Any, complement_out: Any, count: int) -> None:
    """Replace the first ``count`` entries of z by their sigmoid p, and write ``1 - p``, both precisely.

    Where p is nearly one, subtracting it from one would leave nothing but its rounding error.
    """
    one = z.dtype.type(1)
    for k in range(count):
        e = exp_nonpositive(-abs(z[k]))
        larger = one / (one + e)
        smaller = e * larger
        complement_out[k] = smaller if z[k] >= 0 else larger
        z[k] = larger if z[k] >= 0 else smaller


@exact
def logistic_loss(z: Any, y: Any, count: int) -> float:
    """Return the sum of ``log(1 + exp(-s))`` over the first ``count`` entries, in float64.

    s is z where y is 1 and -z where y is 0. ``log(1 + exp(-s)) = max(-s, 0) + log(1 + e)`` with
    ``e = exp(-|z|)``. One logarithm serves many rows: it is
    taken of the product of their ``1 + e``. What is carried is by how much the product exceeds one, since
    nothing else tells a row that is surely right from another.
    """
    linear, logarithms, excess = 0.0, 0.0, 0.0
    for r in range(count):
        wrong_by = np.float64(z[r]) if y[r] == 0 else -np.float64(z[r])
        linear += max(wrong_by, 0.0)
        excess += exp_nonpositive(-abs(wrong_by)) * (1.0 + excess)
        # A factor is at most two.
        if r % FACTORS == FACTORS - 1:
            logarithms += math.log1p(excess)
            excess = 0.0
    return linear + (logarithms + math.log1p(excess))


@exact
def all_finite(values: Any) -> bool:
    """Tell whether every entry of a vector is finite."""
    bad = False
    for k in range(values.size):
        # Not `or`, which would look at one after the other.
        bad = bad | (not (abs(values[k]) < np.inf))
    return not bad


@kernel
def euclidean_norm(values: Any) -> float:
    """Return the norm of a vector; no square overflows or vanishes. NaN and infinity come out as they are."""
    largest = 0.0
    for k in range(values.size):
        largest = max(largest, abs(float(values[k])))
    if not 0 < largest < np.inf:
        # A comparison hides a NaN.
        total = 0.0
        for k in range(values.size):
            total += abs(float(values[k]))
        return total
    total = 0.0
    for k in range(values.size):
        part = float(values[k]) / largest
        total += part * part
    return largest * math.sqrt(total)
