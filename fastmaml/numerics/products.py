"""Products of a small block of rows with a vector, from both sides: what a layer costs.

Rows lie one after the other in a flat buffer, ``stride`` entries apart, and are read ``vector.size`` wide.
See `fastmaml.numerics.layout` for why a row may be read past its end.
"""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.compilation import kernel


@kernel
def rows_times_vector(X: Any, rows: int, vector: Any, out: Any) -> None:
    """Write the dot product of each row with a vector.

    X (allocated rows, stride), vector (width,) with zero padding, out (>= rows,): entries from ``rows`` on
    are left alone.
    """
    flat, stride, width = X.reshape(-1), X.shape[1], vector.size
    for r in range(rows):
        row = flat[r * stride : r * stride + width]
        total = vector.dtype.type(0)
        for k in range(width):
            total += row[k] * vector[k]
        out[r] = total


@kernel
def vector_times_rows(coefficients: Any, X: Any, rows: int, length: int, out: Any) -> None:
    """Write the sum of the rows, each times its coefficient.

    coefficients (>= rows + 1,), zero at ``rows``; X (allocated rows, stride); out (width,): zero from
    ``length`` on.
    """
    flat, stride, width = X.reshape(-1), X.shape[1], out.size
    for k in range(width):
        out[k] = 0
    # Two rows a pass halve the loads and stores of the sum.
    for r in range(0, rows, 2):
        a = flat[r * stride : r * stride + width]
        b = flat[(r + 1) * stride : (r + 1) * stride + width]
        ca, cb = coefficients[r], coefficients[r + 1]
        for k in range(width):
            out[k] += ca * a[k] + cb * b[k]
    for k in range(length, width):
        out[k] = 0
