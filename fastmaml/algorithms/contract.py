"""Algorithms: how one task yields a gradient for the initialisation.

The contract of an algorithm, and the algorithms that there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.dispatch import contract


class Scratch(NamedTuple):
    """Memory that one worker needs while it computes one task; nothing in it outlives the task.

    Attributes
    ----------
    trajectory : ndarray of shape (inner_steps, width)
        Parameters after each inner step.
    saved : ndarray of shape (inner_steps + 1, saved_size)
        What the model keeps at each inner step, and last at the query rows.
    vector, product : ndarray of shape (width,)
        For products with the Hessian.
    """

    trajectory: Any
    saved: Any
    vector: Any
    product: Any


@contract
def inner_steps(algorithm: Any) -> Any:
    """Return the number of inner steps in training."""


@contract
def task_gradient(
    algorithm: Any,
    model: Any,
    theta: Any,
    support: Any,
    query: Any,
    want_loss: bool,
    scratch: Any,
    gradient_out: Any,
) -> Any:
    """Write one task's gradient for the initialisation theta.

    Parameters
    ----------
    algorithm, model : NamedTuple
        The specs.
    theta : ndarray of shape (width,)
        The initialisation; not changed.
    support, query : fastmaml.models.Rows
        The task's rows.
    want_loss : bool
        Whether the losses are seen.
    scratch : Scratch
        This worker's memory.
    gradient_out : ndarray of shape (width,)
        Receives the gradient; anything finite from ``num_parameters`` on.

    Returns
    -------
    tuple of float
        The mean support loss before the first step and the mean query loss after the last, or zeros.
    """


@contract
def adapt(algorithm: Any, model: Any, theta: Any, rows: Any, steps: int, scratch: Any, theta_out: Any) -> Any:
    """Write the parameters after ``steps`` inner steps on the given rows.

    ``theta_out`` (steps, width) receives the parameters after each step. ``steps`` may exceed the steps of
    training.
    """
