"""The working set of a run: every piece of the engine with its memory, joined."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import num_learned
from fastmaml.engine.drawing import Drawn, allocate_drawing
from fastmaml.engine.gradients import Gradients, allocate_gradients, chunk_entry
from fastmaml.engine.loop import NUM_CALL, Loop, region_entry
from fastmaml.engine.memory import zeros
from fastmaml.engine.model_pieces import compile_model
from fastmaml.engine.outer_step import OuterStep, allocate_outer_step, step_entry
from fastmaml.engine.places import PLACES
from fastmaml.models import positions
from fastmaml.numerics.layout import padded_width
from fastmaml.runtime.entry import BoundEntry, bind
from fastmaml.runtime.together import compiled_together


class Work(NamedTuple):
    """The pieces of a run.

    Attributes
    ----------
    drawn : Drawn
        The source.
    gradients : Gradients
        The model and the algorithm.
    outer_step : OuterStep
        The optimizer.
    loop : Loop
        The loop over epochs.
    keep : tuple of BoundEntry
        What the loop calls by address.
    """

    drawn: Drawn
    gradients: Gradients
    outer_step: OuterStep
    loop: Loop
    keep: tuple[BoundEntry, ...]


@compiled_together
def allocate(
    model: Any,
    algorithm: Any,
    source: Any,
    optimizer: Any,
    *,
    tasks_per_batch: int,
    gradient_scale: float,
    num_workers: int,
    ahead: int,
    theta: np.ndarray,
    source_state: np.ndarray | None = None,
) -> Work:
    """Allocate the memory of a run, and compile its pieces or load them.

    Parameters
    ----------
    model, algorithm, source, optimizer : NamedTuple
        The specs.
    tasks_per_batch : int
        Tasks an epoch.
    gradient_scale : float
        What the sum of the tasks' gradients is multiplied by.
    num_workers, ahead : int
        As in `Loop`.
    theta : ndarray of shape (meta_size,)
        Initial meta-parameters: theta, padded, and what is learned beside it, padded; copied. Their dtype is
        the dtype of the run.
    source_state : ndarray of uint32, optional
        The source's state at the first epoch; copied.
    """
    drawn = allocate_drawing(
        source,
        tasks_per_batch=tasks_per_batch,
        dtype=theta.dtype,
        slots=max(2, 2 * ahead),
        places=max(num_workers * PLACES, 2 * ahead * tasks_per_batch),
        workers=num_workers,
        source_state=source_state,
    )
    meta, learned = theta.copy(), num_learned(algorithm)
    width = meta.size - padded_width(learned)
    used = np.concatenate([positions(model), width + np.arange(learned)])
    compiled = compile_model(model, algorithm, drawn.matrix, meta.dtype, training=True)
    gradients = allocate_gradients(
        model, compiled.model, algorithm, drawn, meta=meta, theta_width=width, workers=num_workers
    )
    chunk = bind(chunk_entry, gradients)
    outer_step = allocate_outer_step(
        optimizer,
        meta=meta,
        padding=np.setdiff1d(np.arange(meta.size), used),
        gradient_scale=gradient_scale,
        sums=gradients.sums,
    )
    step = bind(step_entry, outer_step)
    loop = Loop(
        tasks_per_batch=tasks_per_batch,
        num_chunks=gradients.num_chunks,
        num_workers=num_workers,
        ahead=ahead,
        prepare=drawn.prepare.call,
        draw=drawn.draw.call,
        chunk=chunk.call,
        step=step.call,
        call=zeros((NUM_CALL,), np.int64),
        counter=zeros((1,), np.int64),
        status=outer_step.status,
    )
    bind(region_entry, loop)  # Whoever runs it binds it once more: by then it is compiled, with the rest.
    return Work(drawn, gradients, outer_step, loop, (drawn.prepare, drawn.draw, *compiled.keep, chunk, step))
