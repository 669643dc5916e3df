"""The launchers: the only loop with ``prange``, compiled once for all entry points.

A run is a sequence of *regions*. In each, every worker of ``prange`` calls the entry point with its number;
then the entry point is called once more, alone, with worker -1. What a worker does in which region is the
entry point's affair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from fastmaml.runtime.compilation import driver
from fastmaml.runtime.entry import BoundEntry, call_entry
from fastmaml.runtime.threads import may_launch, parallel_launch

ALONE = -1


def regions(entry: Any, record: Any, num_regions: int, num_workers: int, counter: Any, status: Any) -> None:
    """Run regions until ``status[0]`` is not 0; each begins with ``counter[0]`` at 0."""
    for step in range(num_regions):
        counter[0] = 0
        for worker in prange(num_workers):
            call_entry(entry, record, step, np.int64(worker))
        call_entry(entry, record, step, ALONE)
        if status[0] != 0:
            break


regions_serial = driver(regions)
regions_parallel = driver(regions, parallel=True)


def launch(bound: BoundEntry, num_regions: int, num_workers: int, counter: Any, status: Any) -> None:
    """Run regions of a bound entry point on as many threads as there are workers, or on this one alone.

    Parameters
    ----------
    bound : BoundEntry
        What `fastmaml.runtime.entry.bind` returned.
    num_regions, num_workers : int
        Both at least 1.
    counter, status : ndarray of int64
        Arrays of the record: the common counter of a region, and what stops the run.
    """
    if num_workers > 1 and may_launch():
        with parallel_launch(num_workers):
            regions_parallel(bound.entry, bound.record, num_regions, num_workers, counter, status)
    else:
        regions_serial(bound.entry, bound.record, num_regions, num_workers, counter, status)
