"""How vectors are laid out for the kernels: padded to whole lane blocks.

Loops that end in the middle of a vector register finish one number at a time, and a vector of 50 numbers
would spend more time in that remainder than in the vectors. So parameter vectors are a whole number of
64-byte lane blocks long in either precision, and vectors with one entry a row a whole number of registers.
"""

from __future__ import annotations

from fastmaml.runtime.compilation import kernel

# 64 bytes are 16 numbers in float32 and 8 in float64; one step serves both.
WIDTH_STEP = 16
# Per-row values are handled a vector register at a time, rows four at a time; and 16 of either precision, or
# of int64, are whole cache lines, so that two threads' values never share one.
ROW_STEP = 16


@kernel
def padded_width(length: int) -> int:
    """Return the length of the buffer for ``length`` parameters."""
    return (length + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP


@kernel
def padded_rows(rows: int) -> int:
    """Return the length of a buffer for one value a row."""
    return (rows + ROW_STEP - 1) // ROW_STEP * ROW_STEP
