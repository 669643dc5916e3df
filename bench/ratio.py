"""Times several things in alternation and compares them round by round.

A shared machine has moods that last seconds: two figures taken one after the other differ by half for no
reason. So every round times each contestant once, A B A B, and what counts is the ratio within a round: its
median over the rounds and its quartiles. The first call of each (it compiles, or loads compiled code) is
timed apart.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


@dataclass
class Contestant:
    """One of the things to compare.

    Parameters
    ----------
    name : str
    run : callable
        What is timed, called without arguments.
    work : float, default 1
        Units of work (epochs, tasks, bytes) that one call does: each contestant may do as much as makes a
        sample of a good length.

    Attributes
    ----------
    first_call : float or None
        Seconds of the first call where that was a warm-up.
    samples : list of float
        Seconds of each round's call.
    """

    name: str
    run: Callable[[], object]
    work: float = 1
    first_call: float | None = None
    samples: list[float] = field(default_factory=list)

    def timed(self):
        """Call `run` once; return its seconds."""
        start = time.perf_counter()
        self.run()
        return time.perf_counter() - start

    def sample(self):
        """Call `run` once and keep its seconds."""
        self.samples.append(self.timed())

    @property
    def seconds(self):
        """Median seconds for a unit of work."""
        return float(np.median(self.samples)) / self.work


class Ratio(NamedTuple):
    """How many times longer one takes than another for a unit of work: median over rounds, quartiles."""

    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def alternate(contestants: Sequence[Contestant], rounds, *, warm_ups=2, benchmark=None):
    """Time the contestants in turn, round after round; the samples are kept in them.

    Parameters
    ----------
    contestants : sequence of Contestant
        The first is the one whose times the benchmark fixture sees; it comes last in each round.
    rounds : int
    warm_ups : int, default 2
        Calls before the rounds, of which the first is kept as `first_call`; 0 where each call is a process.
    benchmark : pytest_benchmark fixture, optional
        Drives the rounds and keeps the times of the first contestant. With ``--benchmark-disable`` it makes
        one round only.
    """
    ours, *others = contestants
    for contestant in contestants:
        for call in range(warm_ups):
            seconds = contestant.timed()
            if call == 0:
                contestant.first_call = seconds

    def sample_others():
        for other in others:
            other.sample()

    if benchmark is not None:
        benchmark.pedantic(ours.sample, setup=sample_others, rounds=rounds)
        return
    for _ in range(rounds):
        sample_others()
        ours.sample()


def ratio(slow: Contestant, fast: Contestant):
    """Compare two contestants of one `alternate`: `slow`'s time by `fast`'s, each for a unit of work.

    Returns
    -------
    Ratio
    """
    each_round = (np.array(slow.samples) / slow.work) / (np.array(fast.samples) / fast.work)
    low, median, high = np.percentile(each_round, [25, 50, 75])
    return Ratio(float(median), float(low), float(high))


def pretty_seconds(seconds):
    """Write a time with three digits and the unit that suits it: ``5.81 us``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
