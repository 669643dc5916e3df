"""Threads: how many there are, and one guard before every parallel launch.

Numba's ``workqueue`` layer aborts the process when two Python threads launch at once, and an OpenMP runtime
that the parent has used kills a forked child at its first launch. So every launch passes `parallel_launch`,
which lets one thread in at a time and restores the caller's thread count, and `may_launch` tells a forked
child to run the serial build, which gives the same bits.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

import numba
from numba.core import config


class _Process:
    """What this process has done so far."""

    lock = threading.RLock()
    launched = False
    forked_after_launch = False


def _after_fork_in_child() -> None:
    # Somebody else may have started Numba's threads, with a kernel or by asking how many there are.
    workers = sys.modules.get("numba.np.ufunc.parallel")
    started = _Process.launched or getattr(workers, "_is_initialized", False)
    _Process.forked_after_launch |= started
    _Process.lock = threading.RLock()  # The parent's may have been held by a thread that is not here.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def available_threads() -> int:
    """Count the threads that a parallel kernel may use on this machine."""
    return 1 if config.DISABLE_JIT else int(config.NUMBA_NUM_THREADS)


def resolve_threads(n_jobs: int | None) -> int:
    """Translate ``n_jobs`` into a number of threads.

    Parameters
    ----------
    n_jobs : int or None
        None means all cores (scikit-learn's None is 1), -1 too; more than there are is capped.
    """
    if n_jobs is None or n_jobs == -1:
        return available_threads()
    return min(n_jobs, available_threads())


def may_launch() -> bool:
    """Tell whether this process may launch a parallel kernel: not if forked after a launch."""
    return not _Process.forked_after_launch and not config.DISABLE_JIT


@contextlib.contextmanager
def parallel_launch(threads: int) -> Iterator[None]:
    """Hold the only place from which a parallel kernel may be launched.

    Parameters
    ----------
    threads : int
        Threads for this launch; the calling thread's setting is restored afterwards.
    """
    with _Process.lock:
        _Process.launched = True  # Before the first question: that starts Numba's threads.
        before = numba.get_num_threads()
        # There may be more workers than threads: then some threads do the work of two.
        numba.set_num_threads(min(threads, available_threads()))
        try:
            yield
        finally:
            numba.set_num_threads(before)
