"""Adapting the tasks of one epoch and scoring them: the compiled loop beside training's.

It serves three ends: the adapted parameters of the last epoch, evaluation on tasks never seen, and finding
out which task and step went wrong.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Scratch, adapt
from fastmaml.kernels import draw_task
from fastmaml.memory import whole_lines, zeros
from fastmaml.models import Rows, loss_gradients, predict, saved_size, score
from fastmaml.numerics.elementary import all_finite
from fastmaml.numerics.layout import padded_rows
from fastmaml.runtime.compilation import glue
from fastmaml.runtime.entry import bind, entry_point
from fastmaml.runtime.intrinsics import fetch_add
from fastmaml.runtime.launch import launch
from fastmaml.runtime.threads import resolve_threads
from fastmaml.sources import matrix, prepare, requirements
from fastmaml.work import PLACES, SIDE_BY_SIDE

# The one slot of prepared words.
SLOT = 0
# In the place of the first step that went wrong.
NEVER = -1


class Adaptation(NamedTuple):
    """What `adapt_region` works on. Sizes are ints, arrays C-contiguous.

    Attributes
    ----------
    model, algorithm, source : NamedTuple
        The specs.
    tasks_per_batch, first_epoch, epoch, steps : int
        Tasks of the epoch; where ``source_state`` stands; the epoch; inner steps.
    theta : ndarray of shape (width,)
        The initialisation.
    source_state, words : ndarray of uint32
        As in `fastmaml.work.Work`, with one slot.
    buffered, X, support_index, support_y, support_count, query_index, query_y, query_count
        As in `fastmaml.work.Work`, with places for each worker.
    trajectory, saved, products, losses, scores, predictions, scratch_words : ndarray
        For each worker.
    score_steps : ndarray of int64
        After how many steps to score the query rows, ascending.
    losses_out, scores_out : ndarray of shape (tasks, score_steps) of float64
        Mean loss and score of each task's query rows.
    thetas_out : ndarray of shape (tasks or 0, width)
        Parameters after the last step; nothing is written where there is no room.
    bad_step_out : ndarray of shape (tasks,) of int64
        The first inner step, from 0, that left a task's parameters infinite or NaN, or NEVER.
    counter, status : ndarray of int64
        For the launcher.
    """

    model: Any
    algorithm: Any
    source: Any
    tasks_per_batch: int
    first_epoch: int
    epoch: int
    steps: int
    theta: Any
    source_state: Any
    words: Any
    buffered: int
    X: Any
    support_index: Any
    support_y: Any
    support_count: Any
    query_index: Any
    query_y: Any
    query_count: Any
    trajectory: Any
    saved: Any
    products: Any
    losses: Any
    scores: Any
    predictions: Any
    scratch_words: Any
    score_steps: Any
    losses_out: Any
    scores_out: Any
    thetas_out: Any
    bad_step_out: Any
    counter: Any
    status: Any


@glue
def adapt_tasks(work: Any, first: int, tasks: int, worker: int) -> None:
    """Draw, adapt and score a few successive tasks, side by side."""
    begin = worker * PLACES
    end = begin + tasks
    for i in range(tasks):
        draw_task(work, work.epoch, first + i, SLOT, begin + i, worker)
    X = matrix(work.source, work.X)
    support = Rows(X, work.support_index[begin:end], work.support_y[begin:end], work.support_count[begin:end])
    query = Rows(X, work.query_index[begin:end], work.query_y[begin:end], work.query_count[begin:end])
    trajectory, saved, products = work.trajectory[worker], work.saved[worker], work.products[worker]
    losses, scores, predictions = work.losses[worker], work.scores[worker], work.predictions[worker]
    for i in range(tasks):
        for k in range(work.theta.size):
            trajectory[0, i, k] = work.theta[k]
    scratch = Scratch(trajectory, saved, products, products, losses)
    adapt(work.algorithm, work.model, support, work.steps, scratch)
    for i in range(tasks):
        work.bad_step_out[first + i] = NEVER
        for back in range(work.steps):
            s = work.steps - 1 - back
            if not all_finite(trajectory[s + 1, i]):
                work.bad_step_out[first + i] = s
    for column in range(work.score_steps.size):
        thetas = trajectory[work.score_steps[column], :tasks]
        loss_gradients(work.model, thetas, query, True, saved[0], products[:tasks], losses)
        predict(work.model, thetas, query, predictions)
        score(work.model, predictions, query, scores)
        for i in range(tasks):
            work.losses_out[first + i, column] = losses[i]
            work.scores_out[first + i, column] = scores[i]
    if work.thetas_out.shape[0] > 0:
        for i in range(tasks):
            for k in range(work.theta.size):
                work.thetas_out[first + i, k] = trajectory[work.steps, i, k]


def adapt_region(work: Any, step: int, worker: int) -> None:
    """Prepare the epoch in region 0, adapt its tasks in region 1."""
    if worker == 0 and step == 0:
        for epoch in range(work.first_epoch, work.epoch + 1):
            prepare(work.source, work.tasks_per_batch, epoch, work.source_state, work.words[SLOT])
    if worker >= 0 and step == 1:
        first = fetch_add(work.counter, SIDE_BY_SIDE)
        while first < work.tasks_per_batch:
            adapt_tasks(work, first, min(SIDE_BY_SIDE, work.tasks_per_batch - first), worker)
            first = fetch_add(work.counter, SIDE_BY_SIDE)


adapt_entry = entry_point(adapt_region)


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
    want_thetas: bool = False,
    n_jobs: int | None = 1,
) -> Adaptation:
    """Adapt every task of one epoch.

    Parameters
    ----------
    model, algorithm, source : NamedTuple
        The specs.
    tasks_per_batch : int
        Tasks of the epoch.
    theta : ndarray of shape (width,)
        The initialisation, padded.
    steps : int
        Inner steps, 0 or more.
    epoch : int, default=0
        The epoch's address.
    first_epoch, source_state : int, ndarray of uint32, optional
        An epoch up to ``epoch`` and the source's state at its beginning; default: the epoch itself, and
        zeros.
    score_steps : tuple of int
        After how many steps to score the query rows, ascending, none above ``steps``.
    want_thetas : bool, default=False
        Whether the adapted parameters are wanted.
    n_jobs : int or None, default=1
        Threads.

    Returns
    -------
    Adaptation
        With everything that was written.
    """
    needs = requirements(source, tasks_per_batch)
    workers = min(resolve_threads(n_jobs), tasks_per_batch)
    places, dtype, width = workers * PLACES, theta.dtype, theta.size
    saved = max(saved_size(model, needs.shots), saved_size(model, needs.queries))

    def floats(*shape: int) -> np.ndarray:
        return zeros(shape, dtype)

    work = Adaptation(
        model=model,
        algorithm=algorithm,
        source=source,
        tasks_per_batch=tasks_per_batch,
        first_epoch=epoch if first_epoch is None else first_epoch,
        epoch=epoch,
        steps=steps,
        theta=theta,
        source_state=zeros((needs.state,), np.uint32) if source_state is None else source_state.copy(),
        words=zeros((1, needs.words), np.uint32),
        buffered=needs.buffered,
        X=floats(places * needs.buffered, needs.features),
        support_index=zeros((places, padded_rows(needs.shots)), np.int64),
        support_y=floats(places, padded_rows(needs.shots)),
        support_count=zeros((places,), np.int64) + needs.shots,
        query_index=zeros((places, padded_rows(needs.queries)), np.int64),
        query_y=floats(places, padded_rows(needs.queries)),
        query_count=zeros((places,), np.int64),
        trajectory=floats(workers, steps + 1, SIDE_BY_SIDE, width),
        saved=floats(workers, 1, SIDE_BY_SIDE * saved),
        products=floats(workers, SIDE_BY_SIDE, width),
        losses=zeros((workers, PLACES), np.float64),
        scores=zeros((workers, PLACES), np.float64),
        predictions=floats(workers, SIDE_BY_SIDE, padded_rows(needs.queries)),
        scratch_words=zeros((workers, whole_lines(needs.scratch, np.uint32)), np.uint32),
        score_steps=np.array(score_steps, dtype=np.int64),
        losses_out=np.zeros((tasks_per_batch, len(score_steps))),
        scores_out=np.zeros((tasks_per_batch, len(score_steps))),
        thetas_out=floats(tasks_per_batch if want_thetas else 0, width),
        bad_step_out=np.zeros(tasks_per_batch, dtype=np.int64),
        counter=zeros((1,), np.int64),
        status=zeros((1,), np.int64),
    )
    launch(bind(adapt_entry, work), 2, workers, work.counter, work.status)
    return work
