"""Which way to run epochs: on all threads or on one, decided by measuring.

Threads do not always pay: where other programs keep the cores busy, each region waits for a thread that is
not running. All ways give the same bits, so they are measured as they run, and the fastest is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastmaml.engine.loop import Loop
from fastmaml.runtime.entry import BoundEntry

# The slower way is measured again after this many slices, and after twice as many each time that it stays the
# slower one.
PROBE_AFTER = 10
# A shorter slice tells more of starting up than of the epochs.
SURE_SECONDS = 1e-3


@dataclass
class Pace:
    """How fast a way has been; it may outlive the way.

    Attributes
    ----------
    last_seconds : float
        Seconds an epoch, as last measured; before that, as estimated.
    epoch_seconds : float
        The same, rising to at most twice its value at a time: one disturbed slice does not decide.
    slices : int
        Slices measured.
    sure : bool
        Whether one of them was long enough to tell.
    wait, patience : int
        Slices until it is measured again although it is the slower one, and how many there will be after.
    """

    last_seconds: float = 0.0
    epoch_seconds: float = 0.0
    slices: int = 0
    sure: bool = False
    wait: int = PROBE_AFTER
    patience: int = PROBE_AFTER

    def measured(self, seconds: float, epochs: int) -> None:
        """Take note of a slice."""
        self.last_seconds = seconds / epochs
        known = 2 * self.epoch_seconds if self.sure else self.last_seconds
        self.epoch_seconds = min(self.last_seconds, known)
        self.slices += 1
        self.sure |= seconds > SURE_SECONDS


@dataclass(frozen=True)
class Way:
    """One way to run epochs: a working set with so many workers, drawing so far ahead.

    Attributes
    ----------
    loop : Loop
        Shares its arrays with the other ways.
    bound : BoundEntry
        The loop, bound to it.
    pace : Pace
        How fast it has been.
    """

    loop: Loop
    bound: BoundEntry
    pace: Pace


def choose(ways: list[Way]) -> Way:
    """Take the fastest way, or one whose turn it is to be measured, for the first time or again."""
    if len(ways) == 1:
        return ways[0]
    unsure = [way for way in ways if not way.pace.sure]
    if unsure:
        return min(unsure, key=lambda way: way.pace.slices)
    fastest = min(ways, key=lambda way: way.pace.epoch_seconds)
    for way in ways:
        if way is not fastest:
            way.pace.wait -= 1
            if way.pace.wait <= 0:
                way.pace.patience *= 2
                way.pace.wait = way.pace.patience
                return way
    return fastest
