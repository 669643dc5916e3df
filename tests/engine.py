"""The engine under conditions that users never set: workers, blocks drawn ahead, length of slices."""

import contextlib
import functools

import pytest

from fastmaml import learner, training
from fastmaml.runtime import launch
from fastmaml.runtime.threads import available_threads


@contextlib.contextmanager
def engine(workers=1, ahead=0, slice_seconds=0.05, threads=False):
    """Run every `MAML` inside in one given way.

    Parameters
    ----------
    workers : int
        Workers of a region.
    ahead : int
        Epochs in a block drawn ahead; 0 where workers share the chunks of one epoch.
    slice_seconds : float
        How long Python is away at a time. With ``ahead=0`` and next to nothing, every epoch is
        run in parts of as many chunks as there are workers.
    threads : bool
        Whether workers are threads, as many as there are; otherwise one thread plays them all.
    """

    def allocate(*parts, **given):
        return plain_allocate(*parts, **{**given, "num_workers": workers, "ahead": ahead})

    if threads:
        workers = min(workers, available_threads())
    plain_allocate = training.allocate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "allocate", allocate)
        sliced = functools.partial(training.Training, slice_seconds=slice_seconds)
        patch.setattr(learner, "Training", sliced)
        if not threads:
            patch.setattr(launch, "may_launch", lambda: False)
        yield


# Every road through the engine: one worker or more than chunks; both pipelines; blocks of one epoch, of
# some, of more than there are; slices of everything at once, and next to nothing.
ROADS = [
    {"workers": workers, "ahead": ahead, "slice_seconds": seconds}
    for workers in (1, 2, 7)
    for ahead in (0, 1, 3, 50)
    for seconds in (1e-9, 1e9)
]


def name_of(road):
    slices = "small" if road["slice_seconds"] < 1 else "large"
    return f"{road['workers']} workers, {road['ahead']} ahead, {slices} slices"
