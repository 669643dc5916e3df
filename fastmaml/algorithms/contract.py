"""Algorithms: how tasks yield gradients for the initialisation. The contract of an algorithm.

As in `fastmaml.models`, a few tasks are worked on at a time, each with rows and parameters of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models import hessian_vector_products, loss_gradients
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
def head_only(algorithm: Any) -> Any:
    """Return whether the inner loop moves the last layer alone; by default not. Called from Python only."""


@head_only.default
def _head_only(algorithm: Any) -> Any:
    return False


@contract
def wants_products(algorithm: Any) -> Any:
    """Return whether it asks for products with the Hessian; by default it may. Called from Python only.

    Those of an algorithm that asks for none are not compiled, and its models need not have them.
    """


@wants_products.default
def _wants_products(algorithm: Any) -> Any:
    return True


@contract
def gradients_at_step(
    algorithm: Any,
    model: Any,
    thetas: Any,
    rows: Any,
    on_query: bool,
    step: int,
    want_loss: bool,
    saved: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    """Write each task's gradient of the support loss before an inner step, or of the query loss after it.

    ``saved``: the memory of all steps, or a single row where nobody goes back; the last row is for query
    rows. The rest is as in `fastmaml.models.loss_gradients`, which it is by default.
    """


@gradients_at_step.default
def _gradients_at_step(
    algorithm: Any,
    model: Any,
    thetas: Any,
    rows: Any,
    on_query: bool,
    step: int,
    want_loss: bool,
    saved: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    last = saved.shape[0] - 1
    row = last if on_query else min(step, last)
    loss_gradients(model, thetas, rows, want_loss, saved[row], gradients_out, losses_out)


@contract
def products_at_step(
    algorithm: Any,
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    saved: Any,
    vectors: Any,
    products_out: Any,
) -> None:
    """Write the products with the support Hessian before an inner step.

    Called from the last step to the first. By default `fastmaml.models.hessian_vector_products`.
    """


@products_at_step.default
def _products_at_step(
    algorithm: Any,
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    saved: Any,
    vectors: Any,
    products_out: Any,
) -> None:
    hessian_vector_products(model, thetas, rows, saved[step], vectors, products_out)


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
