"""Gradients: what a model and an algorithm make of a chunk of tasks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Scratch, inner_steps, of_worker, task_gradients
from fastmaml.engine.drawing import Drawn
from fastmaml.engine.memory import zeros
from fastmaml.engine.places import PLACES, SIDE_BY_SIDE, Places
from fastmaml.models import Rows, saved_size
from fastmaml.runtime.compilation import whole
from fastmaml.runtime.entry import Call, call_entry, entry_point
from fastmaml.runtime.intrinsics import keep_whole
from fastmaml.sources import requirements

# What a chunk reports beside its sum: the support loss of its last task before the first step, and the sum
# of its tasks' query losses.
LAST_SUPPORT_LOSS, QUERY_LOSS, NUM_LOSSES = 0, 1, 2

# What tasks that are computed side by side may keep of all their steps, in bytes: a second-level cache.
# Larger tasks come fewer at a time, down to one alone. A step of MLP 64 - 32 - 5 took 15 us with four at a
# time and 100 steps, and takes 12.3 one at a time, as with ten.
KEPT_BYTES = 2**19

# Tasks that keep more than this, in bytes, come two in a chunk and not four: 25 of them are shared out to two
# threads as 13 and 12, not as 14 and 11.
LARGE_BYTES = 2**15
TASKS_OF_LARGE_CHUNK = 2

# The most chunks that an epoch is cut into: enough for as many threads, few enough that adding up their
# rows costs nothing.
MAX_CHUNKS = 128


class Gradients(NamedTuple):
    """What `compute_chunk` works on.

    Attributes
    ----------
    model, algorithm : NamedTuple
        The specs; for a model that is compiled apart the one that stands for it.
    tasks_per_batch, num_chunks, side_by_side : int
        Tasks an epoch, chunks that they are cut into, tasks that are computed side by side.
    draw : Call
        `fastmaml.engine.drawing.draw_tasks`.
    matrix : ndarray of shape (any, features), read-only
        The rows that the indices in the places pick from.
    places : Places
        Drawn tasks.
    meta : ndarray of shape (meta_size,)
        The meta-parameters: theta, padded, and what the algorithm learns beside it.
    sums : ndarray of shape (num_chunks, meta_size)
        A row for each chunk.
    losses : ndarray of shape (num_chunks, NUM_LOSSES) of float64
        A chunk's losses.
    gradients, support_losses, query_losses : ndarray of shape (workers, PLACES, ...)
        What comes of the tasks that a worker computes side by side.
    scratch : Scratch
        For each worker, with a leading axis of workers.
    """

    model: Any
    algorithm: Any
    tasks_per_batch: int
    num_chunks: int
    side_by_side: int
    draw: Call
    matrix: Any
    places: Places
    meta: Any
    sums: Any
    losses: Any
    gradients: Any
    support_losses: Any
    query_losses: Any
    scratch: Scratch


@whole
def compute_tasks(work: Any, epoch: Any, place: Any, tasks: Any, worker: Any, want_loss: Any) -> None:
    """Compute the gradients and losses of the tasks drawn into successive places."""
    keep_whole()
    places, end = work.places, place + tasks
    task_gradients(
        work.algorithm,
        work.model,
        epoch,
        work.meta,
        Rows(
            work.matrix,
            places.support_index[place:end],
            places.support_y[place:end],
            places.support_count[place:end],
        ),
        Rows(
            work.matrix,
            places.query_index[place:end],
            places.query_y[place:end],
            places.query_count[place:end],
        ),
        want_loss != 0,
        of_worker(work.scratch, worker),
        work.gradients[worker],
        work.support_losses[worker],
        work.query_losses[worker],
    )


def compute_chunk(
    work: Any, epoch: int, chunk: int, slot: int, first_drawn: int, worker: int, want_loss: int
) -> None:
    """Sum one chunk's gradients into its row. Unless ``first_drawn`` tells where its tasks lie, draw them."""
    tasks = work.tasks_per_batch
    begin, end = chunk * tasks // work.num_chunks, (chunk + 1) * tasks // work.num_chunks
    total, gradients = work.sums[chunk], work.gradients[worker]
    query_losses = 0.0
    for k in range(total.size):
        total[k] = 0
    for first in range(begin, end, work.side_by_side):
        count = min(work.side_by_side, end - first)
        place = first_drawn + first
        if first_drawn < 0:
            place = worker * PLACES
            call_entry(work.draw.entry, work.draw.record, epoch, first, count, slot, place, worker)
        compute_tasks(work, epoch, place, count, worker, want_loss)
        for i in range(count):
            addend = gradients[i]
            for k in range(total.size):
                total[k] += addend[k]
        if want_loss:
            for i in range(count):
                query_losses += work.query_losses[worker, i]
            work.losses[chunk, LAST_SUPPORT_LOSS] = work.support_losses[worker, count - 1]
            work.losses[chunk, QUERY_LOSS] = query_losses


chunk_entry = entry_point(compute_chunk, cost=5)


def allocate_gradients(
    model: Any,
    compiled: Any,
    algorithm: Any,
    drawn: Drawn,
    *,
    meta: np.ndarray,
    theta_width: int,
    workers: int,
) -> Gradients:
    """Allocate the memory of a model and an algorithm.

    Parameters
    ----------
    model, algorithm : NamedTuple
        The specs.
    compiled : NamedTuple
        The model, or what stands for it (`fastmaml.engine.model_pieces`).
    drawn : Drawn
        The source.
    meta : ndarray of shape (meta_size,)
        The meta-parameters, which the outer step changes in place. Their dtype is the dtype of the run.
    theta_width : int
        How many of them are theta and its padding.
    workers : int
        How many compute at once.
    """
    tasks = drawn.record.tasks_per_batch
    steps = inner_steps(algorithm)
    kept = (steps + 1) * (_saved_size(model, drawn) + 2 * theta_width) * meta.itemsize
    in_chunk = SIDE_BY_SIDE if kept < LARGE_BYTES else TASKS_OF_LARGE_CHUNK
    num_chunks = min(-(-tasks // in_chunk), MAX_CHUNKS)
    side_by_side = max(1, min(SIDE_BY_SIDE, KEPT_BYTES // kept))
    return Gradients(
        model=compiled,
        algorithm=algorithm,
        tasks_per_batch=tasks,
        num_chunks=num_chunks,
        side_by_side=side_by_side,
        draw=drawn.draw.call,
        matrix=drawn.matrix,
        places=drawn.record.places,
        meta=meta,
        sums=zeros((num_chunks, meta.size), meta.dtype),
        losses=zeros((num_chunks, NUM_LOSSES), np.float64),
        gradients=zeros((workers, SIDE_BY_SIDE, meta.size), meta.dtype),
        support_losses=zeros((workers, PLACES), np.float64),
        query_losses=zeros((workers, PLACES), np.float64),
        scratch=allocate_scratch(
            model, drawn, steps, meta.dtype, theta_width, workers, tasks=side_by_side, keep_all=True
        ),
    )


def _saved_size(model: Any, drawn: Drawn) -> int:
    """Return how many numbers the model keeps of a task."""
    needs = requirements(drawn.record.source, drawn.record.tasks_per_batch)
    return int(max(saved_size(model, needs.shots), saved_size(model, needs.queries)))


def allocate_scratch(
    model: Any,
    drawn: Drawn,
    steps: int,
    dtype: Any,
    width: int,
    workers: int,
    *,
    tasks: int,
    keep_all: bool,
) -> Scratch:
    """Allocate an algorithm's memory for each worker's tasks; ``keep_all`` keeps what comes of each step."""
    saved = _saved_size(model, drawn)
    kept = steps + 1 if keep_all else 1

    def floats(*shape: int) -> np.ndarray:
        return zeros((workers, *shape), dtype)

    return Scratch(
        trajectory=floats(steps + 1, tasks, width),
        saved=floats(kept, tasks * saved),
        applied=floats(kept, tasks, width),
        query_gradients=floats(kept, tasks, width),
        norms=zeros((workers, kept, PLACES), np.float64),
        rates=floats(kept, width),
        vectors=floats(tasks, width),
        products=floats(tasks, width),
        losses=zeros((workers, PLACES), np.float64),
    )
