"""Training in slices: Python is never away for long, and nothing is lost when it is interrupted.

A call of the compiled loop is a slice of about 50 ms: a range of epochs or, where one epoch is longer, a
range of its chunks. Between slices Ctrl-C is heard and the caller sees how far things are. How a run is
sliced never changes its result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import inner_steps
from fastmaml.engine.gradients import LAST_SUPPORT_LOSS, QUERY_LOSS
from fastmaml.engine.loop import (
    FIRST_CHUNK,
    FIRST_EPOCH,
    LAST_CHUNK,
    LOSS_EPOCH,
    NUM_EPOCHS,
    num_regions,
    region_entry,
)
from fastmaml.engine.outer_step import EPOCHS_DONE, RUNNING, STOP, STOP_EPOCH
from fastmaml.engine.work import Work, allocate
from fastmaml.runtime.entry import bind
from fastmaml.runtime.launch import launch
from fastmaml.runtime.threads import resolve_threads
from fastmaml.sources import requirements
from fastmaml.ways import Pace, Way, choose

SLICE_SECONDS = 0.05
# A slice is at most this many times as long as the one before: the first is one epoch, of unknown cost.
SLICE_GROWTH = 16

# All below in multiply-adds, of which a core does between one and eight in a nanosecond.
# A run shorter than this (some milliseconds) is not worth loading the launcher and waking other cores.
WORTH_THREADS = 2e7
# An epoch shorter than this (about 100 us) is not worth sharing out: a launch and the wait for the last
# worker cost up to 10. Its tasks are drawn ahead instead, in blocks of about BLOCK_WORK. Measured on the
# notebook's run, in us an epoch by epochs a block: 1: 20, 4: 17, 8: 10, 16: 8.8, 32: 9.3, 64: 12.
WORTH_SHARING = 2e5
BLOCK_WORK = 4e5
# What a multiply-add is taken to last before anything was measured: rather too long, so that Ctrl-C is heard
# in the first epoch too.
SECONDS_A_MULTIPLY_ADD = 1e-9


class Losses(NamedTuple):
    """Losses of one epoch.

    Attributes
    ----------
    epoch : int
        The epoch's address.
    last_support : float
        The last task's mean support loss before its first step: what the notebook prints.
    mean_query : float
        The mean over the tasks of the mean query loss after adapting.
    """

    epoch: int
    last_support: float
    mean_query: float


class NotFiniteError(FloatingPointError):
    """Parameters turned infinite or NaN in epoch ``epoch``; the state before it was kept."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(f"the parameters turned infinite or NaN in epoch {epoch}")


class Training:
    """A run of the engine that can be continued, sliced and interrupted.

    Parameters
    ----------
    model, algorithm, source, optimizer : NamedTuple
        The specs of the four parts.
    tasks_per_batch : int
        Tasks an epoch.
    gradient_scale : float
        What the sum of an epoch's task gradients is multiplied by: 1 / tasks_per_batch for their mean.
    theta : ndarray of shape (width,)
        Initial parameters, padded (`fastmaml.numerics.layout`); their dtype is the run's.
    n_jobs : int or None
        Threads; None for all.
    epochs : int
        About how many epochs will be run, from which it is judged whether threads are worth while.
    source_state : ndarray of uint32, optional
        The source's state at the first epoch.
    slice_seconds : float, default=SLICE_SECONDS
        How long Python is away at a time, about.
    paces : list of Pace, optional
        The attribute of that name of an earlier run of the same sizes: what it has measured is known.
    """

    def __init__(
        self,
        model: Any,
        algorithm: Any,
        source: Any,
        optimizer: Any,
        *,
        tasks_per_batch: int,
        gradient_scale: float,
        theta: np.ndarray,
        n_jobs: int | None,
        epochs: int,
        source_state: np.ndarray | None = None,
        slice_seconds: float = SLICE_SECONDS,
        paces: list[Pace] | None = None,
    ) -> None:
        needs = requirements(source, tasks_per_batch)
        rows = 2 * needs.shots * inner_steps(algorithm) + 2 * needs.queries
        cost = tasks_per_batch * rows * theta.size
        workers = resolve_threads(n_jobs) if cost * epochs > WORTH_THREADS else 1
        ahead = max(1, int(BLOCK_WORK / cost)) if workers > 1 and cost < WORTH_SHARING else 0
        self.work: Work = allocate(
            model,
            algorithm,
            source,
            optimizer,
            tasks_per_batch=tasks_per_batch,
            gradient_scale=gradient_scale,
            num_workers=workers,
            ahead=ahead,
            theta=theta,
            source_state=source_state,
        )
        self._slice_seconds = slice_seconds
        # Where the slice under way began: with the source's state there, its epochs can be prepared again.
        # And the same for the slice that the last finished epoch was in.
        self.slice_epoch, self.slice_state = 0, self.source_state.copy()
        self.replay_epoch, self.replay_state = self.slice_epoch, self.slice_state
        loops = [self.work.loop]
        if workers > 1:
            loops.append(self.work.loop._replace(num_workers=1, ahead=0))
        if paces is None or len(paces) != len(loops):
            paces = [Pace(last_seconds=cost * SECONDS_A_MULTIPLY_ADD) for _ in loops]
        self.paces = paces
        self._ways = [
            Way(loop, bind(region_entry, loop), pace) for loop, pace in zip(loops, self.paces, strict=True)
        ]

    @property
    def epochs_done(self) -> int:
        """The address of the next epoch."""
        return int(self.work.loop.status[EPOCHS_DONE])

    @property
    def theta(self) -> np.ndarray:
        """The meta-parameters as the last finished epoch left them, padded."""
        return self.work.outer_step.meta

    @property
    def previous_theta(self) -> np.ndarray:
        """The meta-parameters that the last finished epoch began with, padded."""
        return self.work.outer_step.previous

    @property
    def gradient(self) -> np.ndarray:
        """The last epoch's meta-gradient, padded."""
        return self.work.outer_step.gradient

    @property
    def optimizer_state(self) -> np.ndarray:
        """What the optimizer keeps from one epoch to the next, which may be written to."""
        return self.work.outer_step.optimizer_state

    @property
    def source_state(self) -> np.ndarray:
        """The source's state, which may be written to."""
        return self.work.drawn.record.source_state

    def run(
        self, first_epoch: int, num_epochs: int, log_every: int, *, log_first: bool = True
    ) -> Iterator[Losses | None]:
        """Run epochs, slice by slice.

        Parameters
        ----------
        first_epoch : int
            Address of the first epoch.
        num_epochs : int
            How many.
        log_every : int
            Losses are computed in the first epoch, in every ``log_every``-th after it and in the last.
        log_first : bool, default=True
            Whether in the first: losses are some more work.

        Yields
        ------
        Losses or None
            After each slice; the losses if an epoch with losses was in it.

        Raises
        ------
        NotFiniteError
            If an outer step leaves the parameters infinite or NaN.
        """
        self.work.loop.status[:] = (RUNNING, 0, first_epoch)
        end = first_epoch + num_epochs

        def next_loss(epoch: int) -> int:
            periods = -(-(max(epoch, first_epoch + (not log_first)) - first_epoch) // log_every)
            return min(first_epoch + periods * log_every, end - 1)

        slice_length = max(1, min(self._epochs_a_slice(pace) if pace.sure else 1 for pace in self.paces))
        epoch = first_epoch
        while epoch < end:
            loss_epoch = next_loss(epoch)
            way = choose(self._ways)
            if way.pace.last_seconds > 2 * self._slice_seconds and way.loop.ahead == 0:
                stop = epoch + 1
                yield from self._run_in_parts(way, epoch, loss_epoch)
            else:
                # Of one slice there are the losses of one epoch.
                stop = end if loss_epoch == end - 1 else next_loss(loss_epoch + 1)
                stop = min(stop, epoch + slice_length)
                begin = time.perf_counter()
                self._call(way, epoch, stop - epoch, (0, self.work.loop.num_chunks), loss_epoch)
                way.pace.measured(max(time.perf_counter() - begin, 1e-7), stop - epoch)
                slice_length = min(slice_length * SLICE_GROWTH, self._epochs_a_slice(way.pace))
            yield self._losses(loss_epoch) if loss_epoch < stop else None
            epoch = stop

    def _epochs_a_slice(self, pace: Pace) -> int:
        return max(1, int(self._slice_seconds / pace.last_seconds))

    def _run_in_parts(self, way: Way, epoch: int, loss_epoch: int) -> Iterator[None]:
        """Run one long epoch, a range of its chunks at a time; abandoned in between, it leaves no trace."""
        chunks = self.work.loop.num_chunks
        part = max(way.loop.num_workers, int(chunks * self._slice_seconds / way.pace.last_seconds))
        state = self.source_state.copy()
        begin = time.perf_counter()
        try:
            for first in range(0, chunks, part):
                last = min(first + part, chunks)
                self._call(way, epoch, 1, (first, last), loss_epoch)
                if last < chunks:
                    yield None
            way.pace.measured(time.perf_counter() - begin, 1)
        finally:
            if self.work.loop.status[STOP] == RUNNING and self.epochs_done == epoch:
                self.source_state[:] = state

    def _call(
        self, way: Way, first_epoch: int, num_epochs: int, chunks: tuple[int, int], loss_epoch: int
    ) -> None:
        loop = way.loop
        if chunks[0] == 0:
            self.slice_epoch, self.slice_state = first_epoch, self.source_state.copy()
        call = loop.call
        call[FIRST_EPOCH], call[NUM_EPOCHS], call[LOSS_EPOCH] = first_epoch, num_epochs, loss_epoch
        call[FIRST_CHUNK], call[LAST_CHUNK] = chunks
        try:
            launch(way.bound, num_regions(loop), loop.num_workers, loop.counter, loop.status)
        finally:
            if self.epochs_done > self.slice_epoch:
                self.replay_epoch, self.replay_state = self.slice_epoch, self.slice_state
        if loop.status[STOP] != RUNNING:
            raise NotFiniteError(int(loop.status[STOP_EPOCH]))

    def _losses(self, epoch: int) -> Losses:
        losses = self.work.gradients.losses
        return Losses(
            epoch,
            float(losses[-1, LAST_SUPPORT_LOSS]),
            float(losses[:, QUERY_LOSS].sum()) / self.work.loop.tasks_per_batch,
        )
