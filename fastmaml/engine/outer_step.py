"""The outer step: adding up the chunks' rows in order, and what an optimizer makes of the sum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.memory import zeros
from fastmaml.numerics.elementary import all_finite
from fastmaml.optimizers import state_size, update
from fastmaml.runtime.entry import entry_point

RUNNING, NOT_FINITE = 0, 1

# What the loop reports, in ``status``: RUNNING or why it stopped, the epoch that it stopped at, and how many
# epochs have been finished since epoch 0.
STOP, STOP_EPOCH, EPOCHS_DONE, NUM_STATUS = 0, 1, 2, 3


class OuterStep(NamedTuple):
    """What `finish_epoch` works on.

    Attributes
    ----------
    optimizer : NamedTuple
        The spec.
    gradient_scale : float
        What the sum of the tasks' gradients is multiplied by.
    meta, previous, backup, gradient : ndarray of shape (meta_size,)
        Meta-parameters, those before the last step, those before a step that may fail, the last
        meta-gradient.
    padding : ndarray of int64
        Which of the meta-parameters are padding and stay zero.
    optimizer_state, state_backup : ndarray
        The optimizer's, and what it was before a step that may fail.
    sums : ndarray of shape (num_chunks, meta_size)
        A row for each chunk.
    status : ndarray of shape (NUM_STATUS,) of int64
        What the loop reports.
    """

    optimizer: Any
    gradient_scale: float
    meta: Any
    previous: Any
    backup: Any
    gradient: Any
    padding: Any
    optimizer_state: Any
    state_backup: Any
    sums: Any
    status: Any


def finish_epoch(work: Any, epoch: int) -> None:
    """Add the chunks' rows in order and take the outer step, or none where it is not finite."""
    meta, backup, gradient, status = work.meta, work.backup, work.gradient, work.status
    size = meta.size
    for k in range(size):
        gradient[k] = 0
    for chunk in range(work.sums.shape[0]):
        row = work.sums[chunk]
        for k in range(size):
            gradient[k] += row[k]
    scale = meta.dtype.type(work.gradient_scale)
    for k in range(size):
        gradient[k] *= scale
        backup[k] = meta[k]
    for k in work.padding:
        gradient[k] = 0
    state, state_backup = work.optimizer_state, work.state_backup
    for k in range(state.size):
        state_backup[k] = state[k]
    update(work.optimizer, epoch, meta, gradient, state)
    if not all_finite(meta):
        for k in range(size):
            meta[k] = backup[k]
        for k in range(state.size):
            state[k] = state_backup[k]
        status[STOP], status[STOP_EPOCH] = NOT_FINITE, epoch
    else:
        for k in range(size):
            work.previous[k] = backup[k]
        status[EPOCHS_DONE] = epoch + 1


step_entry = entry_point(finish_epoch, cost=1.1)


def allocate_outer_step(
    optimizer: Any, *, meta: np.ndarray, padding: np.ndarray, gradient_scale: float, sums: np.ndarray
) -> OuterStep:
    """Allocate the memory of an optimizer; ``meta`` is changed in place by every step."""
    room = (state_size(optimizer, meta.size),)
    return OuterStep(
        optimizer=optimizer,
        gradient_scale=gradient_scale,
        meta=meta,
        previous=meta.copy(),
        backup=meta.copy(),
        gradient=zeros((meta.size,), meta.dtype),
        padding=padding,
        optimizer_state=zeros(room, meta.dtype),
        state_backup=zeros(room, meta.dtype),
        sums=sums,
        status=zeros((NUM_STATUS,), np.int64),
    )
