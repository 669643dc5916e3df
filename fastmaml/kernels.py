"""The one loop: epochs x chunks of tasks, with sums in a fixed order.

Tasks are cut into chunks whose number depends on the number of tasks alone. Each chunk sums its own tasks,
in order, into its own row, and the rows are added in order by one thread: the result does not depend on who
computed which chunk. Workers take chunks from a common counter, so a slow core or a large task holds nobody
up.

A parallel region does, at the same time, three things for three successive *blocks* of epochs:

1. one worker prepares the source's next block (`fastmaml.sources.prepare`, sequential);
2. all workers draw the tasks of the block before it;
3. one worker computes the block before that, epoch after epoch.

That is for epochs too short to be shared out. Where an epoch is long enough (``work.ahead`` is 0) a block
is one epoch, and all workers share its chunks, each drawing the tasks that it computes. Both ways call the
same chunk function and give the same bits.
"""

from __future__ import annotations

from typing import Any

from fastmaml.algorithms import Scratch, task_gradients
from fastmaml.models import Rows, num_parameters
from fastmaml.numerics.elementary import all_finite
from fastmaml.optimizers import update
from fastmaml.runtime.compilation import glue, whole
from fastmaml.runtime.entry import entry_point
from fastmaml.runtime.intrinsics import fetch_add, keep_whole
from fastmaml.runtime.launch import ALONE
from fastmaml.sources import Picks, draw, matrix, prepare
from fastmaml.work import (
    EPOCHS_DONE,
    FIRST_CHUNK,
    FIRST_EPOCH,
    LAST_CHUNK,
    LAST_SUPPORT_LOSS,
    LOSS_EPOCH,
    NOT_FINITE,
    NUM_EPOCHS,
    PLACES,
    QUERY_LOSS,
    RUNNING,
    SIDE_BY_SIDE,
    STOP,
    STOP_EPOCH,
)

# In the place of the first drawn task: every task is drawn when it is computed.
DRAW_HERE = -1


@whole
def draw_task(work: Any, epoch: Any, task: Any, slot: Any, place: Any, worker: int) -> None:
    """Draw a task of the epoch prepared in ``slot`` into a place."""
    keep_whole()
    first_row = place * work.buffered
    work.query_count[place] = draw(
        work.source,
        work.tasks_per_batch,
        epoch,
        task,
        work.words[slot],
        work.scratch_words[worker],
        work.X[first_row : first_row + work.buffered],
        first_row,
        Picks(work.support_index[place], work.support_y[place]),
        Picks(work.query_index[place], work.query_y[place]),
    )


@whole
def compute_tasks(work: Any, place: int, tasks: int, worker: int, want_loss: bool) -> None:
    """Compute the gradients and losses of the tasks drawn into successive places."""
    keep_whole()
    end = place + tasks
    X = matrix(work.source, work.X)
    task_gradients(
        work.algorithm,
        work.model,
        work.theta,
        Rows(X, work.support_index[place:end], work.support_y[place:end], work.support_count[place:end]),
        Rows(X, work.query_index[place:end], work.query_y[place:end], work.query_count[place:end]),
        want_loss,
        Scratch(
            work.trajectory[worker],
            work.saved[worker],
            work.vectors[worker],
            work.products[worker],
            work.unseen_losses[worker],
        ),
        work.gradients[worker, :tasks],
        work.support_losses[worker],
        work.query_losses[worker],
    )


@glue
def compute_chunk(work: Any, epoch: Any, chunk: Any, slot: Any, first_drawn: Any, worker: int) -> None:
    """Sum one chunk's gradients into its row. Unless ``first_drawn`` tells where its tasks lie, draw them."""
    tasks = work.tasks_per_batch
    begin, end = chunk * tasks // work.num_chunks, (chunk + 1) * tasks // work.num_chunks
    want_loss = epoch == work.call[LOSS_EPOCH]
    total, gradients = work.sums[chunk], work.gradients[worker]
    query_losses = 0.0
    for k in range(total.size):
        total[k] = 0
    for first in range(begin, end, SIDE_BY_SIDE):
        count = min(SIDE_BY_SIDE, end - first)
        place = first_drawn + first
        if first_drawn < 0:
            place = worker * PLACES
            for i in range(count):
                draw_task(work, epoch, first + i, slot, place + i, worker)
        compute_tasks(work, place, count, worker, want_loss)
        for i in range(count):
            addend = gradients[i]
            for k in range(total.size):
                total[k] += addend[k]
        if want_loss:
            for i in range(count):
                query_losses += work.query_losses[worker, i]
            work.losses[chunk, LAST_SUPPORT_LOSS] = work.support_losses[worker, count - 1]
            work.losses[chunk, QUERY_LOSS] = query_losses


@whole
def finish_epoch(work: Any, epoch: int) -> None:
    """Add the chunks' rows in order and take the outer step, or leave theta where that is not finite."""
    keep_whole()
    theta, backup, gradient = work.theta, work.theta_backup, work.gradient
    width = theta.size
    for k in range(width):
        gradient[k] = 0
    for chunk in range(work.num_chunks):
        row = work.sums[chunk]
        for k in range(width):
            gradient[k] += row[k]
    scale = theta.dtype.type(work.gradient_scale)
    for k in range(width):
        gradient[k] *= scale
        backup[k] = theta[k]
    for k in range(num_parameters(work.model), width):
        gradient[k] = 0
    update(work.optimizer, epoch, theta, gradient, work.optimizer_state)
    if not all_finite(theta):
        for k in range(width):
            theta[k] = backup[k]
        work.status[STOP], work.status[STOP_EPOCH] = NOT_FINITE, epoch
    else:
        for k in range(width):
            work.theta_previous[k] = backup[k]
        work.status[EPOCHS_DONE] = epoch + 1


def run_region(work: Any, step: int, worker: int) -> None:
    """Do one worker's share of a parallel region, or, with worker -1, what one thread does after it.

    Neither checks nor raises: `fastmaml.training` has checked, and turns ``work.status`` into an error.
    """
    call, ahead, tasks = work.call, work.ahead, work.tasks_per_batch
    begin, first_chunk = call[FIRST_EPOCH], call[FIRST_CHUNK]
    end = begin + call[NUM_EPOCHS]
    # Epochs a block, and how many blocks the computation is behind the preparation.
    length, behind = (ahead, 2) if ahead > 0 else (1, 1)
    if worker == ALONE:
        if ahead == 0 and step >= 1 and call[LAST_CHUNK] == work.num_chunks:
            finish_epoch(work, begin + step - 1)
        return
    if worker == 0 and first_chunk == 0:
        first = begin + step * length
        for epoch in range(first, min(first + length, end)):
            prepare(work.source, tasks, epoch, work.source_state, work.words[(epoch - begin) % (2 * length)])
    # Both ways in one loop: what it calls is compiled into it, and once is enough.
    if step >= behind and (ahead == 0 or worker == work.num_workers - 1):
        first = begin + (step - behind) * length
        for epoch in range(first, min(first + length, end)):
            if work.status[STOP] == RUNNING:
                slot = (epoch - begin) % (2 * length)
                first_drawn = slot * tasks if ahead > 0 else DRAW_HERE
                chunk = first_chunk + (0 if ahead > 0 else fetch_add(work.counter, 1))
                while chunk < call[LAST_CHUNK]:
                    compute_chunk(work, epoch, chunk, slot, first_drawn, worker)
                    chunk = chunk + 1 if ahead > 0 else first_chunk + fetch_add(work.counter, 1)
                if ahead > 0:
                    finish_epoch(work, epoch)
    if ahead > 0 and step >= 1:
        first = begin + (step - 1) * ahead
        pieces = (min(first + ahead, end) - first) * tasks
        piece = fetch_add(work.counter, 1)
        while piece < pieces:
            epoch, task = first + piece // tasks, piece % tasks
            slot = (epoch - begin) % (2 * ahead)
            draw_task(work, epoch, task, slot, slot * tasks + task, worker)
            piece = fetch_add(work.counter, 1)


def num_regions(work: Any) -> int:
    """Return how many regions a call takes: a pipeline needs a few more than there are blocks."""
    epochs = int(work.call[NUM_EPOCHS])
    return -(-epochs // work.ahead) + 2 if work.ahead > 0 else epochs + 1


region_entry = entry_point(run_region)
