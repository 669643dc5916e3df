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

from typing import Any, NamedTuple

from fastmaml.engine.outer_step import RUNNING, STOP
from fastmaml.runtime.entry import Call, call_entry, entry_point
from fastmaml.runtime.intrinsics import fetch_add
from fastmaml.runtime.launch import ALONE

# Numbers that change from call to call, in ``Loop.call``: the epochs of this call; its chunks, all of them
# unless it is a part of one epoch; and the epoch whose losses are wanted, or -1.
FIRST_EPOCH, NUM_EPOCHS, FIRST_CHUNK, LAST_CHUNK, LOSS_EPOCH, NUM_CALL = 0, 1, 2, 3, 4, 5

# In the place of the first drawn task: every task is drawn when it is computed.
DRAW_HERE = -1


class Loop(NamedTuple):
    """What `run_region` works on.

    Attributes
    ----------
    tasks_per_batch, num_chunks, num_workers : int
        Tasks an epoch, chunks that they are cut into, workers of a parallel region.
    ahead : int
        Epochs a block where tasks are drawn ahead; 0 where workers share the chunks of one epoch.
    prepare, draw, chunk, step : Call
        The pieces, see `fastmaml.engine`.
    call : ndarray of shape (NUM_CALL,) of int64
        The numbers of one call.
    counter : ndarray of shape (1,) of int64
        The next piece of work in a parallel region.
    status : ndarray of shape (NUM_STATUS,) of int64
        What the outer step reports.
    """

    tasks_per_batch: int
    num_chunks: int
    num_workers: int
    ahead: int
    prepare: Call
    draw: Call
    chunk: Call
    step: Call
    call: Any
    counter: Any
    status: Any


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
            call_entry(work.step.entry, work.step.record, begin + step - 1)
        return
    if worker == 0 and first_chunk == 0:
        first = begin + step * length
        for epoch in range(first, min(first + length, end)):
            call_entry(work.prepare.entry, work.prepare.record, epoch, (epoch - begin) % (2 * length))
    if step >= behind and (ahead == 0 or worker == work.num_workers - 1):
        first = begin + (step - behind) * length
        for epoch in range(first, min(first + length, end)):
            if work.status[STOP] == RUNNING:
                slot = (epoch - begin) % (2 * length)
                first_drawn = slot * tasks if ahead > 0 else DRAW_HERE
                want_loss = 1 if epoch == call[LOSS_EPOCH] else 0
                chunk = first_chunk + (0 if ahead > 0 else fetch_add(work.counter, 1))
                while chunk < call[LAST_CHUNK]:
                    call_entry(
                        work.chunk.entry,
                        work.chunk.record,
                        epoch,
                        chunk,
                        slot,
                        first_drawn,
                        worker,
                        want_loss,
                    )
                    chunk = chunk + 1 if ahead > 0 else first_chunk + fetch_add(work.counter, 1)
                if ahead > 0:
                    call_entry(work.step.entry, work.step.record, epoch)
    if ahead > 0 and step >= 1:
        first = begin + (step - 1) * ahead
        pieces = (min(first + ahead, end) - first) * tasks
        piece = fetch_add(work.counter, 1)
        while piece < pieces:
            epoch, task = first + piece // tasks, piece % tasks
            slot = (epoch - begin) % (2 * ahead)
            call_entry(work.draw.entry, work.draw.record, epoch, task, 1, slot, slot * tasks + task, worker)
            piece = fetch_add(work.counter, 1)


def num_regions(loop: Loop) -> int:
    """Return how many regions a call takes: a pipeline needs a few more than there are blocks."""
    epochs = int(loop.call[NUM_EPOCHS])
    return -(-epochs // loop.ahead) + 2 if loop.ahead > 0 else epochs + 1


region_entry = entry_point(run_region, cost=0.6)
