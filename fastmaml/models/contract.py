"""Models: what is learned. The contract of a model.

A model is a spec (a NamedTuple of its sizes) for which the functions below are registered. Parameters lie in
one flat vector ``theta``, at `positions` of the model's own choice, padded with zeros to ``padded_width``
(`fastmaml.numerics.layout`).

All functions work on a few tasks at a time, each with parameters and rows of its own. A small model's
arithmetic is a chain in which each step waits for the one before; with a few chains side by side there is
always one that can go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.runtime.dispatch import contract


class Rows(NamedTuple):
    """Labelled rows of a few tasks, picked from a matrix that may be the user's table.

    Attributes
    ----------
    X : ndarray of shape (any, num_features), float32 or float64
        The matrix; C-contiguous.
    index : ndarray of shape (tasks, >= padded_rows(count)) of int64
        Which of its rows; what stands from a task's count on are rows too, though not these.
    y : ndarray of shape (tasks, >= padded_rows(count) * targets)
        Targets, in the dtype of theta, those of a row together; anything finite from a task's last row on.
    count : ndarray of shape (tasks,) of int64
        How many rows each task has.
    """

    X: Any
    index: Any
    y: Any
    count: Any


@contract
def num_parameters(model: Any) -> Any:
    """Return the number of parameters."""


@contract
def positions(model: Any) -> Any:
    """Return where in theta each of its ``num_parameters`` parameters stands, ascending; an ndarray of int64.

    Called from Python only. What stands between them is padding, and zero. By default one stands behind the
    other.
    """


@positions.default
def _positions(model: Any) -> Any:
    return np.arange(num_parameters(model))


@contract
def theta_size(model: Any) -> Any:
    """Return the length of that layout, by default ``num_parameters``. Called from Python only."""


@theta_size.default
def _theta_size(model: Any) -> Any:
    return num_parameters(model)


@contract
def num_outputs(model: Any) -> Any:
    """Return how many numbers `predict` writes for each row; by default 1."""


@num_outputs.default
def _num_outputs(model: Any) -> Any:
    return 1


@contract
def saved_size(model: Any, rows: int) -> Any:
    """Return how many numbers `loss_gradients` keeps for `hessian_vector_products`, a task.

    ``rows`` is the most rows that a task may have. By default none.
    """


@saved_size.default
def _saved_size(model: Any, rows: int) -> Any:
    return 0


@contract
def compiled_apart(model: Any) -> Any:
    """Return whether the functions below are machine code of their own, which every algorithm calls.

    Otherwise they are compiled into each algorithm: for a model that takes no longer than a call. By default
    they are. Called from Python only.
    """


@compiled_apart.default
def _compiled_apart(model: Any) -> Any:
    return True


@contract
def loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    """Write, for each task, the gradient of the mean loss over its rows, and that loss.

    Parameters
    ----------
    model : NamedTuple
        The spec.
    thetas : ndarray of shape (>= tasks, width)
        Each task's parameters, zero in the padding.
    rows : Rows
        Each task's rows.
    want_loss : bool
        Whether anybody sees the losses. If not, leave them.
    saved_out : ndarray of shape (>= tasks * saved_size,)
        What `hessian_vector_products` at the same parameters and rows will want.
    gradients_out : ndarray of shape (>= tasks, width)
        Receives the gradients; anything finite in the padding.
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
    vectors : ndarray of shape (>= tasks, width)
        Zero in the padding.
    products_out : ndarray of shape (>= tasks, width)
        Receives the products; anything finite in the padding.
    """


@contract
def head_gradients(
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    want_loss: bool,
    body: Any,
    saved_out: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    """As `loss_gradients`, where the last layer alone has moved since inner step 0.

    Only the last layer's entries of the gradients count. ``step``: which inner step this is. ``body``: what
    step 0 kept, where at step 0 what the layers below make of the rows is put, for all the steps; there it
    is the same as ``saved_out``. By default `loss_gradients`.
    """


@head_gradients.default
def _head_gradients(
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    want_loss: bool,
    body: Any,
    saved_out: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    loss_gradients(model, thetas, rows, want_loss, saved_out, gradients_out, losses_out)


@contract
def head_products(
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    body: Any,
    saved: Any,
    vectors: Any,
    products_out: Any,
) -> None:
    """As `hessian_vector_products`, for vectors that are zero below the last layer.

    Called for every inner step, from the last to step 0; what the products have below the last layer may be
    put off to step 0 and written there, added up. By default `hessian_vector_products`.
    """


@head_products.default
def _head_products(
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    body: Any,
    saved: Any,
    vectors: Any,
    products_out: Any,
) -> None:
    hessian_vector_products(model, thetas, rows, saved, vectors, products_out)


@contract
def predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    """Write the prediction for each row (for a classifier of two classes the probability of class 1).

    scratch (>= tasks * saved_size): memory to use. predictions_out (tasks, >= padded_rows(count) *
    num_outputs), those of a row together: entries from a task's last row on may be overwritten.
    """


@contract
def score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    """Write what each task's predictions are worth.

    For a classifier the share of its rows that is right, for a regression, and by default, the mean squared
    error. predictions (tasks, >= count * num_outputs), scores_out (tasks,).
    """


@score.default
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    for task in range(rows.count.size):
        total = 0.0
        for r in range(rows.count[task]):
            difference = float(predictions[task, r]) - float(rows.y[task, r])
            total += difference * difference
        scores_out[task] = total / rows.count[task]
