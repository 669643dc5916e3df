"""How vectors and rows are laid out for the kernels: padded to whole groups of vector registers.

LLVM steps four vector registers at a time, and finishes what is left over one number at a time: a row of 50
doubles spends more time in that remainder than in the vectors. So parameter vectors, and the rows that a
kernel reads, are as long as a whole number of such steps. The padding of a parameter vector is zero,
therefore the padding of a row may be anything finite: zeros, the column of ones of an intercept that is not
used, or simply the beginning of the next row.
"""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.compilation import kernel

# Four 256-bit registers: 16 doubles. In float32 the same number of bytes is 32 entries, the larger of the
# two.
WIDTH_STEP = 32
# One 512-bit register of doubles, two of 256 bits: per-row values are handled in whole steps too.
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
    """Return how many rows to allocate so that every row can be read ``width`` wide, and rows in pairs.

    With a stride below the width the last rows are read past their end, into rows that exist for that alone.
    """
    return rows + 1 + (max(width - stride, 0) + stride - 1) // stride


@kernel
def spread_rows(X: Any, rows: int, features: int) -> None:
    """Move rows that lie close together, ``features`` apart, to their places in X and write ones behind each.

    X (allocated rows, stride) with stride > features: entry ``features`` of a row becomes 1, what follows
    0. From the last row to the first, so that no row is overwritten before it is moved.
    """
    flat, stride = X.reshape(-1), X.shape[1]
    for r in range(rows - 1, -1, -1):
        for k in range(features - 1, -1, -1):
            flat[r * stride + k] = flat[r * features + k]
        flat[r * stride + features] = 1
        for k in range(features + 1, stride):
            flat[r * stride + k] = 0
