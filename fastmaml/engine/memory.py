"""Memory that several threads write at once: every array, and every worker's share, on lines of its own.

Two threads that write to one cache line take it from each other at every write.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from fastmaml.runtime.intrinsics import LINE_BYTES


def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a C-contiguous array of zeros that shares its cache lines with nothing."""
    size = prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 2 * LINE_BYTES, dtype=np.uint8)
    begin = -raw.ctypes.data % LINE_BYTES
    return raw[begin : begin + size].view(dtype).reshape(shape)


def whole_lines(count: int, dtype: Any) -> int:
    """Round a number of entries up to whole cache lines."""
    entries = LINE_BYTES // np.dtype(dtype).itemsize
    return -(-count // entries) * entries
