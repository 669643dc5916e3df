"""How vectors and rows are laid out for the kernels: padded to whole lane blocks.

Loops that end in the middle of a vector register finish one number at a time, and a row of 50 numbers would
spend more time in that remainder than in the vectors. So parameter vectors, and what a kernel reads of a
row, are a whole number of 64-byte lane blocks long in either precision. The padding of a parameter vector is
zero, therefore the padding of a row may be anything finite: zeros, the column of ones of an intercept that is
not used, or simply the beginning of the next row.
"""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.compilation import kernel

# 64 bytes are 16 numbers in float32 and 8 in float64; one step serves both.
WIDTH_STEP = 16
# Per-row values are handled a vector register at a time, rows four at a time.
ROW_STEP = 8


@kernel
def padded_width(length: int) -> int:
    """Return the length of the buffer for ``length`` parameters or features."""
    return (length + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP


@kernel
def padded_rows(rows: int) -> int:
    """Return the length of a buffer for one value a row."""
    return (rows + ROW_STEP - 1) // ROW_STEP * ROW_STEP


@kernel
def buffer_rows(rows: int, stride: int, width: int) -> int:
    """Return how many rows to allocate so that every padded row can be read ``width`` wide.

    With a stride below the width the last rows are read past their end, into rows that exist for that alone.
    """
    return padded_rows(rows) + (max(width - stride, 0) + stride - 1) // stride


@kernel
def spread_rows(X: Any, rows: int, features: int) -> None:
    """Move rows that lie ``features`` apart to their places in X, and write a one behind each.

    X (allocated rows, stride) with stride > features: entry ``features`` of a row becomes 1, what follows 0.
    From the last row to the first, so that no row is overwritten before it is moved.
    """
    flat, stride = X.reshape(-1), X.shape[1]
    for r in range(rows - 1, -1, -1):
        for k in range(features - 1, -1, -1):
            flat[r * stride + k] = flat[r * features + k]
        flat[r * stride + features] = 1
        for k in range(features + 1, stride):
            flat[r * stride + k] = 0
