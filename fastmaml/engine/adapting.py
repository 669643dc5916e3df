"""Adapting the tasks of one epoch and scoring them: the compiled loop beside training's.

It serves three ends: the adapted parameters of the last epoch, evaluation on tasks never seen, and finding
out which task and step went wrong.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Scratch, adapt, num_learned, of_worker
from fastmaml.engine.drawing import Drawn, allocate_drawing
from fastmaml.engine.gradients import allocate_scratch
from fastmaml.engine.memory import zeros
from fastmaml.engine.model_pieces import compile_model, compile_predictor
from fastmaml.engine.places import PLACES, SIDE_BY_SIDE, Places
from fastmaml.models import Rows, loss_gradients, num_outputs, predict, score
from fastmaml.numerics.elementary import all_finite
from fastmaml.numerics.layout import padded_rows, padded_width
from fastmaml.runtime.compilation import glue
from fastmaml.runtime.entry import BoundEntry, Call, bind, call_entry, entry_point
from fastmaml.runtime.intrinsics import fetch_add
from fastmaml.runtime.launch import launch
from fastmaml.runtime.threads import resolve_threads
from fastmaml.runtime.together import compiled_together
from fastmaml.sources import requirements

# The one slot of prepared words.
SLOT = 0
# In the place of the first step that went wrong.
NEVER = -1


class Adapting(NamedTuple):
    """What `adapt_region` works on. Sizes are ints, arrays C-contiguous.

    Attributes
    ----------
    model, algorithm : NamedTuple
        The specs; for a model that is compiled apart the one that stands for it.
    predictor : NamedTuple
        The spec of the model, or what stands for it, where it predicts.
    tasks_per_batch, first_epoch, epoch, steps : int
        Tasks of the epoch; where the source's state stands; the epoch; inner steps.
    prepare, draw : Call
        The source, see `fastmaml.engine.drawing`.
    matrix, places
        As in `fastmaml.engine.gradients.Gradients`, with places for each worker.
    meta : ndarray of shape (meta_size,)
        The meta-parameters.
    scratch : Scratch
        For each worker, with a leading axis of workers.
    scores, predictions : ndarray
        For each worker.
    score_steps : ndarray of int64
        After how many steps to score the query rows, ascending.
    losses_out, scores_out : ndarray of shape (tasks, score_steps) of float64
        Mean loss and score of each task's query rows; no scores are made where there is no room for them.
    thetas_out : ndarray of shape (tasks or 0, width)
        Parameters after the last step; nothing is written where there is no room.
    bad_step_out : ndarray of shape (tasks,) of int64
        The first inner step, from 0, that left a task's parameters infinite or NaN, or NEVER.
    counter, status : ndarray of int64
        For the launcher.
    """

    model: Any
    algorithm: Any
    predictor: Any
    tasks_per_batch: int
    first_epoch: int
    epoch: int
    steps: int
    prepare: Call
    draw: Call
    matrix: Any
    places: Places
    meta: Any
    scratch: Scratch
    scores: Any
    predictions: Any
    score_steps: Any
    losses_out: Any
    scores_out: Any
    thetas_out: Any
    bad_step_out: Any
    counter: Any
    status: Any


class Adapted(NamedTuple):
    """What comes of adapting the tasks of an epoch.

    Attributes
    ----------
    losses, scores, thetas, bad_step
        As `Adapting` has them, with ``_out``.
    words : ndarray of uint32
        What the source prepared for the epoch.
    source_state : ndarray of uint32
        The source's state after the epoch.
    """

    losses: np.ndarray
    scores: np.ndarray
    thetas: np.ndarray
    bad_step: np.ndarray
    words: np.ndarray
    source_state: np.ndarray


@glue
def adapt_tasks(work: Any, first: int, tasks: int, worker: int) -> None:
    """Draw, adapt and score a few successive tasks, side by side."""
    begin = worker * PLACES
    end = begin + tasks
    call_entry(work.draw.entry, work.draw.record, work.epoch, first, tasks, SLOT, begin, worker)
    places, scratch = work.places, of_worker(work.scratch, worker)
    support = Rows(
        work.matrix,
        places.support_index[begin:end],
        places.support_y[begin:end],
        places.support_count[begin:end],
    )
    query = Rows(
        work.matrix, places.query_index[begin:end], places.query_y[begin:end], places.query_count[begin:end]
    )
    trajectory = scratch.trajectory
    scores, predictions = work.scores[worker], work.predictions[worker]
    width = trajectory.shape[2]
    for i in range(tasks):
        for k in range(width):
            trajectory[0, i, k] = work.meta[k]
    adapt(work.algorithm, work.model, work.meta, support, work.steps, scratch)
    for i in range(tasks):
        work.bad_step_out[first + i] = NEVER
        for back in range(work.steps):
            s = work.steps - 1 - back
            if not all_finite(trajectory[s + 1, i]):
                work.bad_step_out[first + i] = s
    for column in range(work.score_steps.size):
        thetas = trajectory[work.score_steps[column]]
        loss_gradients(work.model, thetas, query, True, scratch.saved[0], scratch.products, scratch.losses)
        for i in range(tasks):
            work.losses_out[first + i, column] = scratch.losses[i]
        if work.scores_out.shape[0] > 0:
            predict(work.predictor, thetas, query, scratch.saved[0], predictions)
            score(work.predictor, predictions, query, scores)
            for i in range(tasks):
                work.scores_out[first + i, column] = scores[i]
    if work.thetas_out.shape[0] > 0:
        for i in range(tasks):
            for k in range(width):
                work.thetas_out[first + i, k] = trajectory[work.steps, i, k]


def adapt_region(work: Any, step: int, worker: int) -> None:
    """Prepare the epoch in region 0, adapt its tasks in region 1."""
    if worker == 0 and step == 0:
        for epoch in range(work.first_epoch, work.epoch + 1):
            call_entry(work.prepare.entry, work.prepare.record, epoch, SLOT)
    if worker >= 0 and step == 1:
        first = fetch_add(work.counter, SIDE_BY_SIDE)
        while first < work.tasks_per_batch:
            adapt_tasks(work, first, min(SIDE_BY_SIDE, work.tasks_per_batch - first), worker)
            first = fetch_add(work.counter, SIDE_BY_SIDE)


adapt_entry = entry_point(adapt_region, cost=3)


def adapt_epoch(
    model: Any,
    algorithm: Any,
    source: Any,
    *,
    tasks_per_batch: int,
    theta: np.ndarray,
    steps: int,
    epoch: int = 0,
    first_epoch: int | None = None,
    source_state: np.ndarray | None = None,
    score_steps: tuple[int, ...] = (),
    want_scores: bool = True,
    want_thetas: bool = False,
    n_jobs: int | None = 1,
) -> Adapted:
    """Adapt every task of one epoch.

    Parameters
    ----------
    model, algorithm, source : NamedTuple
        The specs.
    tasks_per_batch : int
        Tasks of the epoch.
    theta : ndarray of shape (meta_size,)
        The initialisation, padded, and what was learned beside it.
    steps : int
        Inner steps, 0 or more.
    epoch : int, default=0
        The epoch's address.
    first_epoch, source_state : int, ndarray of uint32, optional
        An epoch up to ``epoch`` and the source's state at its beginning; default: the epoch itself, and
        zeros.
    score_steps : tuple of int
        After how many steps to score the query rows, ascending, none above ``steps``.
    want_scores : bool, default=True
        Whether their scores are wanted, and not their losses alone.
    want_thetas : bool, default=False
        Whether the adapted parameters are wanted.
    n_jobs : int or None, default=1
        Threads.
    """
    workers = min(resolve_threads(n_jobs), tasks_per_batch)
    piece = allocate_adapting(
        model,
        algorithm,
        source,
        tasks_per_batch=tasks_per_batch,
        theta=theta,
        steps=steps,
        epochs=(epoch if first_epoch is None else first_epoch, epoch),
        source_state=source_state,
        score_steps=score_steps,
        want_scores=want_scores and len(score_steps) > 0,
        want_thetas=want_thetas,
        workers=workers,
    )
    piece.run()
    work = piece.record
    return Adapted(
        work.losses_out,
        work.scores_out,
        work.thetas_out,
        work.bad_step_out,
        piece.drawn.record.words[SLOT],
        piece.drawn.record.source_state,
    )


class AdaptingPiece(NamedTuple):
    """What adapting takes, compiled, with its memory.

    Attributes
    ----------
    record : Adapting
        The memory.
    bound : BoundEntry
        `adapt_region`, compiled.
    drawn : Drawn
        The source.
    keep : tuple of BoundEntry
        What it calls by address.
    """

    record: Adapting
    bound: BoundEntry
    drawn: Drawn
    keep: tuple[BoundEntry, ...]

    def run(self) -> None:
        """Adapt the tasks of the epoch."""
        work = self.record
        launch(self.bound, 2, work.scores.shape[0], work.counter, work.status)


@compiled_together
def allocate_adapting(
    model: Any,
    algorithm: Any,
    source: Any,
    *,
    tasks_per_batch: int,
    theta: np.ndarray,
    steps: int,
    epochs: tuple[int, int],
    source_state: np.ndarray | None = None,
    score_steps: tuple[int, ...] = (),
    want_scores: bool = False,
    want_thetas: bool,
    workers: int,
) -> AdaptingPiece:
    """Allocate what `adapt_epoch` takes; ``epochs``: where the source's state stands, and the epoch."""
    needs = requirements(source, tasks_per_batch)
    width = theta.size - padded_width(num_learned(algorithm))
    drawn = allocate_drawing(
        source,
        tasks_per_batch=tasks_per_batch,
        dtype=theta.dtype,
        slots=1,
        places=workers * PLACES,
        workers=workers,
        source_state=source_state,
    )
    predictions = padded_rows(needs.queries) * num_outputs(model) if want_scores else 0
    compiled = compile_model(model, algorithm, drawn.matrix, theta.dtype, training=False)
    predictor = compile_predictor(model, drawn.matrix, theta.dtype, called=want_scores)
    work = Adapting(
        model=compiled.model,
        algorithm=algorithm,
        predictor=predictor.model,
        tasks_per_batch=tasks_per_batch,
        first_epoch=epochs[0],
        epoch=epochs[1],
        steps=steps,
        prepare=drawn.prepare.call,
        draw=drawn.draw.call,
        matrix=drawn.matrix,
        places=drawn.record.places,
        meta=theta,
        scratch=allocate_scratch(
            model, drawn, steps, theta.dtype, width, workers, tasks=SIDE_BY_SIDE, keep_all=False
        ),
        scores=zeros((workers, PLACES), np.float64),
        predictions=zeros((workers, SIDE_BY_SIDE, predictions), theta.dtype),
        score_steps=np.array(score_steps, dtype=np.int64),
        losses_out=np.zeros((tasks_per_batch, len(score_steps))),
        scores_out=np.zeros((tasks_per_batch if want_scores else 0, len(score_steps))),
        thetas_out=zeros((tasks_per_batch if want_thetas else 0, width), theta.dtype),
        bad_step_out=np.zeros(tasks_per_batch, dtype=np.int64),
        counter=zeros((1,), np.int64),
        status=zeros((1,), np.int64),
    )
    return AdaptingPiece(work, bind(adapt_entry, work), drawn, (*compiled.keep, *predictor.keep))
