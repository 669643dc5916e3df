"""Drawing: a source's half of the engine."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.memory import whole_lines, zeros
from fastmaml.engine.places import Places, allocate_places
from fastmaml.runtime.compilation import whole
from fastmaml.runtime.entry import BoundEntry, bind, entry_point
from fastmaml.runtime.intrinsics import keep_whole
from fastmaml.sources import Picks, draw, matrix, prepare, requirements


class Drawing(NamedTuple):
    """What `prepare_epoch` and `draw_tasks` work on.

    Attributes
    ----------
    source : NamedTuple
        The spec.
    tasks_per_batch : int
        Tasks an epoch.
    buffered : int
        Rows of ``places.X`` that are a place's.
    source_state : ndarray of uint32
        The source's.
    words : ndarray of shape (slots, words) of uint32
        What the source prepared, an epoch a slot.
    scratch_words : ndarray of shape (workers, scratch) of uint32
        For the source's random words.
    places : Places
        Where the tasks go.
    """

    source: Any
    tasks_per_batch: int
    buffered: int
    source_state: Any
    words: Any
    scratch_words: Any
    places: Places


class Drawn(NamedTuple):
    """A source made ready for a run.

    Attributes
    ----------
    record : Drawing
        Its memory.
    matrix : ndarray of shape (any, features), read-only
        The rows that the indices in the places pick from.
    prepare, draw : BoundEntry
        `prepare_epoch` and `draw_tasks`, compiled.
    """

    record: Drawing
    matrix: np.ndarray
    prepare: BoundEntry
    draw: BoundEntry


def prepare_epoch(work: Any, epoch: int, slot: int) -> None:
    """Prepare an epoch into a slot."""
    prepare(work.source, work.tasks_per_batch, epoch, work.source_state, work.words[slot])


@whole
def draw_task(work: Any, epoch: Any, task: Any, slot: Any, place: Any, worker: Any) -> None:
    """Draw a task of the epoch prepared in a slot into a place."""
    # Inlined into the loop, all that it loads would be kept on the stack: a tenth slower.
    keep_whole()
    places = work.places
    first_row = place * work.buffered
    places.query_count[place] = draw(
        work.source,
        work.tasks_per_batch,
        epoch,
        task,
        work.words[slot],
        work.scratch_words[worker],
        places.X[first_row : first_row + work.buffered],
        first_row,
        Picks(places.support_index[place], places.support_y[place]),
        Picks(places.query_index[place], places.query_y[place]),
    )


def draw_tasks(work: Any, epoch: int, first: int, count: int, slot: int, place: int, worker: int) -> None:
    """Draw tasks of the epoch prepared in a slot, from ``first`` on, to places from ``place`` on."""
    for i in range(count):
        draw_task(work, epoch, first + i, slot, place + i, worker)


prepare_entry = entry_point(prepare_epoch, cost=0.5)
draw_entry = entry_point(draw_tasks, cost=1.3)


def allocate_drawing(
    source: Any,
    *,
    tasks_per_batch: int,
    dtype: np.dtype[Any],
    slots: int,
    places: int,
    workers: int,
    source_state: np.ndarray | None = None,
) -> Drawn:
    """Allocate the memory of a source and compile it.

    Parameters
    ----------
    source : NamedTuple
        The spec.
    tasks_per_batch : int
        Tasks an epoch.
    dtype : dtype
        Of the run.
    slots, places, workers : int
        Epochs prepared at once, tasks drawn at once, and how many draw at once.
    source_state : ndarray of uint32, optional
        Copied; zeros where it is not given.
    """
    needs = requirements(source, tasks_per_batch)
    record = Drawing(
        source=source,
        tasks_per_batch=tasks_per_batch,
        buffered=needs.buffered,
        source_state=zeros((needs.state,), np.uint32),
        words=zeros((slots, whole_lines(needs.words, np.uint32)), np.uint32),
        scratch_words=zeros((workers, whole_lines(needs.scratch, np.uint32)), np.uint32),
        places=allocate_places(needs, dtype, places),
    )
    if source_state is not None:
        record.source_state[:] = source_state
    # One type for the user's table and for the buffer: one piece of code.
    rows = matrix(source, record.places.X).view()
    rows.flags.writeable = False
    return Drawn(record, rows, bind(prepare_entry, record), bind(draw_entry, record))
