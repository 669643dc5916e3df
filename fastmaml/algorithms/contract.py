"""Algorithms: how tasks yield gradients for the initialisation. The contract of an algorithm.

As in `fastmaml.models`, a few tasks are worked on at a time, each with rows and parameters of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.compilation import glue
from fastmaml.runtime.dispatch import contract


class Scratch(NamedTuple):
    """Memory that one worker needs for a few tasks; nothing in it outlives them.

    With K for the inner steps; `adapt` is given one row of all but the trajectory.

    Attributes
    ----------
    trajectory : ndarray of shape (K + 1, tasks, width)
        Parameters before the first and after each inner step.
    saved : ndarray of shape (K + 1, tasks * saved_size)
        What the model keeps at each inner step, and last at the query rows.
    applied, query_gradients : ndarray of shape (K + 1, tasks, width)
        The gradient that each step used, and query gradients at each point of the trajectory.
    norms : ndarray of shape (K + 1, tasks) of float64
        Norms of the gradients before clipping.
    rates : ndarray of shape (K + 1, width)
        The rates of each step.
    vectors, products : ndarray of shape (>= tasks, width)
        For products with the Hessian.
    losses : ndarray of shape (tasks,) of float64
        Where losses go that nobody asked for.
    """

    trajectory: Any
    saved: Any
    applied: Any
    query_gradients: Any
    norms: Any
    rates: Any
    vectors: Any
    products: Any
    losses: Any


@glue
def of_worker(scratch: Any, worker: int) -> Any:
    """Return one worker's share of scratch memory that has a leading axis of workers."""
    return Scratch(
        scratch.trajectory[worker],
        scratch.saved[worker],
        scratch.applied[worker],
        scratch.query_gradients[worker],
        scratch.norms[worker],
        scratch.rates[worker],
        scratch.vectors[worker],
        scratch.products[worker],
        scratch.losses[worker],
    )


@contract
def inner_steps(algorithm: Any) -> Any:
    """Return the number of inner steps in training."""


@contract
def num_learned(algorithm: Any) -> Any:
    """Return how many numbers are learned beside theta: 0, or those of the inner rates."""


@contract
def task_gradients(
    algorithm: Any,
    model: Any,
    epoch: int,
    meta: Any,
    support: Any,
    query: Any,
    want_loss: bool,
    scratch: Any,
    gradients_out: Any,
    support_losses_out: Any,
    query_losses_out: Any,
) -> None:
    """Write each task's gradient for the meta-parameters.

    Parameters
    ----------
    algorithm, model : NamedTuple
        The specs.
    epoch : int
        Outer steps taken before this one.
    meta : ndarray of shape (meta_size,)
        The initialisation theta, padded; behind it what is learned beside it, padded. Not changed.
    support, query : fastmaml.models.Rows
        The tasks' rows.
    want_loss : bool
        Whether the losses are seen. If not, leave them.
    scratch : Scratch
        This worker's memory, for at least as many tasks.
    gradients_out : ndarray of shape (>= tasks, meta_size)
        Receives the gradients; anything finite in the padding.
    support_losses_out, query_losses_out : ndarray of shape (tasks,) of float64
        Receive the mean support loss before the first step and the mean query loss after the last.
    """


@contract
def adapt(algorithm: Any, model: Any, meta: Any, rows: Any, steps: int, scratch: Any) -> None:
    """Take ``steps`` inner steps on the given rows, from ``scratch.trajectory[0]``.

    ``scratch.trajectory`` (>= steps + 1, tasks, width) receives the parameters after each step. ``steps`` may
    exceed the steps of training; ``scratch.saved`` has one row.
    """
