"""How fast this machine can read memory: the floor under any training on tasks that lie there."""

import numba
import numpy as np


@numba.njit(parallel=True, error_model="numpy")
def _sums(words, sums_out):
    # Two pieces a thread let a thread that was held up be helped out. Integer addition vectorises without any
    # licence to reorder, and at several words a cycle it is far faster than the memory.
    pieces = len(sums_out)
    length = len(words) // pieces
    for piece in numba.prange(pieces):
        part = words[piece * length : (piece + 1) * length]
        total = 0
        for i in range(len(part)):
            total += part[i]
        sums_out[piece] = total


class Reader:
    """Reads an array that is many times larger than the caches.

    Parameters
    ----------
    nbytes : int, default 512 MiB
        Size of the array.

    Attributes
    ----------
    nbytes : int
        Bytes that one call of `read` reads.
    """

    def __init__(self, nbytes=512 * 2**20):
        # Ones and not zeros: untouched zero pages would all be one page, and that one in the cache.
        self._words = np.ones(nbytes // 8, dtype=np.int64)
        self._sums = np.empty(2 * numba.get_num_threads(), dtype=np.int64)
        self.nbytes = self._words.nbytes

    def read(self):
        """Read the whole array once on all threads; return the sum of its words."""
        _sums(self._words, self._sums)
        return int(self._sums.sum())
