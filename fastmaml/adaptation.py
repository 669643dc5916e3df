"""Adapting the tasks of one epoch and scoring them: the compiled loop beside training's.

It serves three ends: the adapted parameters of the last epoch, evaluation on tasks never seen, and finding
out which task and step went wrong.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Scratch, adapt
from fastmaml.memory import whole_lines, zeros
from fastmaml.models import Rows, loss_gradient, predict, saved_size, score
from fastmaml.numerics.elementary import all_finite
from fastmaml.numerics.layout import padded_rows
from fastmaml.runtime.compilation import glue
from fastmaml.runtime.entry import bind, entry_point
from fastmaml.runtime.intrinsics import fetch_add
from fastmaml.runtime.launch import launch
from fastmaml.runtime.threads import resolve_threads
from fastmaml.sources import Picks, draw, matrix, prepare, requirements

# In the place of the first step that went wrong.
NEVER = -1


class Adaptation(NamedTuple):
    """What `adapt_region` works on. Sizes are ints, arrays C-contiguous.

    Attributes
    ----------
    model, algorithm, source : NamedTuple
        The specs.
    tasks_per_batch, first_epoch, epoch, shots, steps : int
        Tasks of the epoch; where ``source_state`` stands; the epoch; support rows; inner steps.
    theta : ndarray of shape (width,)
        The initialisation.
    source_state, words : ndarray of uint32
        As in `fastmaml.work.Work`, for one epoch.
    X, support_index, support_y, query_index, query_y : ndarray
        One drawn task for each worker.
    trajectory, saved, product, predictions, scratch_words : ndarray
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
    shots: int
    steps: int
    theta: Any
    source_state: Any
    words: Any
    X: Any
    support_index: Any
    support_y: Any
    query_index: Any
    query_y: Any
    trajectory: Any
    saved: Any
    product: Any
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
def adapt_task(work: Any, task: int, worker: int) -> None:
    """Draw, adapt and score one task."""
    trajectory, saved, product = work.trajectory[worker], work.saved[worker], work.product[worker]
    predictions = work.predictions[worker]
    support = Picks(work.support_index[worker], work.support_y[worker])
    query = Picks(work.query_index[worker], work.query_y[worker])
    queries = draw(
        work.source,
        work.tasks_per_batch,
        work.epoch,
        task,
        work.words,
        work.scratch_words[worker],
        work.X[worker],
        support,
        query,
    )
    X = matrix(work.source, work.X[worker])
    support_rows = Rows(X, support.index, support.y, work.shots)
    query_rows = Rows(X, query.index, query.y, queries)
    scratch = Scratch(trajectory, saved, product, product)
    adapt(work.algorithm, work.model, work.theta, support_rows, work.steps, scratch, trajectory)
    work.bad_step_out[task] = NEVER
    for s in range(work.steps):
        if work.bad_step_out[task] == NEVER and not all_finite(trajectory[s]):
            work.bad_step_out[task] = s
    for i in range(work.score_steps.size):
        s = work.score_steps[i]
        theta = work.theta if s == 0 else trajectory[s - 1]
        work.losses_out[task, i] = loss_gradient(work.model, theta, query_rows, True, saved[0], product)
        predict(work.model, theta, query_rows, predictions)
        work.scores_out[task, i] = score(work.model, predictions, query_rows)
    if work.thetas_out.shape[0] > 0:
        final = work.theta if work.steps == 0 else trajectory[work.steps - 1]
        for k in range(final.size):
            work.thetas_out[task, k] = final[k]


def adapt_region(work: Any, step: int, worker: int) -> None:
    """Prepare the epoch in region 0, adapt its tasks in region 1."""
    if worker == 0 and step == 0:
        for epoch in range(work.first_epoch, work.epoch + 1):
            prepare(work.source, work.tasks_per_batch, epoch, work.source_state, work.words)
    if worker >= 0 and step == 1:
        task = fetch_add(work.counter, 1)
        while task < work.tasks_per_batch:
            adapt_task(work, task, worker)
            task = fetch_add(work.counter, 1)


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
    dtype, width = theta.dtype, theta.size
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
        shots=needs.shots,
        steps=steps,
        theta=theta,
        source_state=zeros((needs.state,), np.uint32) if source_state is None else source_state.copy(),
        words=zeros((needs.words,), np.uint32),
        X=floats(workers, needs.buffered, needs.features),
        support_index=zeros((workers, padded_rows(needs.shots + 1)), np.int64),
        support_y=floats(workers, padded_rows(needs.shots + 1)),
        query_index=zeros((workers, padded_rows(needs.queries + 1)), np.int64),
        query_y=floats(workers, padded_rows(needs.queries + 1)),
        trajectory=floats(workers, steps, width),
        saved=floats(workers, 1, saved),
        product=floats(workers, width),
        predictions=floats(workers, padded_rows(needs.queries + 1)),
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
