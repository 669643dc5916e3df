"""Models: what is learned. The contract of a model.

A model is a spec (a NamedTuple of its sizes) for which the functions below are registered. Parameters lie in
one flat vector ``theta`` of ``num_parameters`` entries, padded with zeros to ``padded_width``
(`fastmaml.numerics.layout`).

All functions work on a few tasks at a time, each with parameters and rows of its own. A small model's
arithmetic is a chain in which each step waits for the one before; with a few chains side by side there is
always one that can go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.dispatch import contract


class Rows(NamedTuple):
    """Labelled rows of a few tasks, picked from a matrix that may be the user's table.

    Attributes
    ----------
    X : ndarray of shape (any, num_features), float32 or float64
        The matrix; C-contiguous.
    index : ndarray of shape (tasks, >= padded_rows(count)) of int64
        Which of its rows; what stands from a task's count on are rows too, though not these.
    y : ndarray of shape (tasks, >= padded_rows(count))
        Targets, in the dtype of theta; anything finite from a task's count on.
    count : ndarray of shape (tasks,) of int64
        How many rows each task has.
    """

    X: Any
    index: Any
    y: Any
    count: Any


@contract
def num_parameters(model: Any) -> Any:
    """Return the number of parameters, without padding."""


@contract
def saved_size(model: Any, rows: int) -> Any:
    """Return how many numbers `loss_gradients` keeps for `hessian_vector_products`, a task.

    ``rows`` is the most rows that a task may have.
    """


@contract
def loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    """Write, for each task, the gradient of the mean loss over its rows, and that loss.

    Parameters
    ----------
    model : NamedTuple
        The spec.
    thetas : ndarray of shape (tasks, width)
        Each task's parameters, zero from ``num_parameters`` on.
    rows : Rows
        Each task's rows.
    want_loss : bool
        Whether anybody sees the losses. If not, leave them.
    saved_out : ndarray of shape (>= tasks * saved_size,)
        What `hessian_vector_products` at the same parameters and rows will want.
    gradients_out : ndarray of shape (tasks, width)
        Receives the gradients; anything finite from ``num_parameters`` on.
    losses_out : ndarray of shape (tasks,) of float64
        Receives the mean losses.
    """


@contract
def hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    """Write, for each task, the Hessian of the mean loss at its parameters times its vector.

    Parameters
    ----------
    model, thetas, rows
        As `loss_gradients` had them.
    saved : ndarray of shape (>= tasks * saved_size,)
        What `loss_gradients` kept; may be overwritten, it is used once.
    vectors : ndarray of shape (tasks, width)
        Zero from ``num_parameters`` on.
    products_out : ndarray of shape (tasks, width)
        Receives the products; anything finite from ``num_parameters`` on.
    """


@contract
def predict(model: Any, thetas: Any, rows: Any, predictions_out: Any) -> None:
    """Write the prediction for each row (for a classifier of two classes the probability of class 1).

    predictions_out (tasks, >= padded_rows(count)): entries from a task's count on may be overwritten.
    """


@contract
def score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    """Write how good each task's predictions are: for a classifier the share of its rows that is right.

    predictions (tasks, >= count), scores_out (tasks,).
    """
