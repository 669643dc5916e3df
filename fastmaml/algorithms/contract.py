"""Algorithms: how tasks yield gradients for the initialisation. The contract of an algorithm.

As in `fastmaml.models`, a few tasks are worked on at a time, each with rows and parameters of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.dispatch import contract


class Scratch(NamedTuple):
    """Memory that one worker needs for a few tasks; nothing in it outlives them.

    Attributes
    ----------
    trajectory : ndarray of shape (inner_steps + 1, tasks, width)
        Parameters before the first and after each inner step.
    saved : ndarray of shape (inner_steps + 1, tasks * saved_size)
        What the model keeps at each inner step, and last at the query rows.
    vectors, products : ndarray of shape (tasks, width)
        For products with the Hessian.
    losses : ndarray of shape (tasks,) of float64
        Where losses go that nobody asked for.
    """

    trajectory: Any
    saved: Any
    vectors: Any
    products: Any
    losses: Any


@contract
def inner_steps(algorithm: Any) -> Any:
    """Return the number of inner steps in training."""


@contract
def task_gradients(
    algorithm: Any,
    model: Any,
    theta: Any,
    support: Any,
    query: Any,
    want_loss: bool,
    scratch: Any,
    gradients_out: Any,
    support_losses_out: Any,
    query_losses_out: Any,
) -> None:
    """Write each task's gradient for the initialisation theta.

    Parameters
    ----------
    algorithm, model : NamedTuple
        The specs.
    theta : ndarray of shape (width,)
        The initialisation; not changed.
    support, query : fastmaml.models.Rows
        The tasks' rows.
    want_loss : bool
        Whether the losses are seen. If not, leave them.
    scratch : Scratch
        This worker's memory, for at least as many tasks.
    gradients_out : ndarray of shape (tasks, width)
        Receives the gradients; anything finite from ``num_parameters`` on.
    support_losses_out, query_losses_out : ndarray of shape (tasks,) of float64
        Receive the mean support loss before the first step and the mean query loss after the last.
    """


@contract
def adapt(algorithm: Any, model: Any, rows: Any, steps: int, scratch: Any) -> None:
    """Take ``steps`` inner steps on the given rows, from ``scratch.trajectory[0]``.

    ``scratch.trajectory`` (>= steps + 1, tasks, width) receives the parameters after each step. ``steps`` may
    exceed the steps of training; ``scratch.saved`` has one row.
    """
