"""Sizes for both runs of the suite: compiled, and with NUMBA_DISABLE_JIT=1 some hundred times slower."""

from numba.core import config

COMPILED = not config.DISABLE_JIT


def size(compiled, plain):
    """Choose the first with the compiler and the second without it."""
    return compiled if COMPILED else plain
