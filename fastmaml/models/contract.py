"""Models: what is learned. The contract of a model.

A model is a spec (a NamedTuple of its sizes) for which the functions below are registered. Parameters lie in
one flat vector ``theta`` of ``num_parameters`` entries, padded with zeros to ``padded_width``
(`fastmaml.numerics.layout`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.dispatch import contract


class Rows(NamedTuple):
    """Labelled rows, picked from a matrix that may be the user's table.

    Attributes
    ----------
    X : ndarray of shape (any, num_features), float32 or float64
        The matrix; C-contiguous.
    index : ndarray of shape (>= padded_rows(count),) of int64
        Which of its rows; what stands from ``count`` on are rows too, though not these.
    y : ndarray of shape (>= padded_rows(count),)
        Targets, in the dtype of theta; anything finite from ``count`` on.
    count : int
        How many rows.
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
    """Return how many numbers `loss_gradient` keeps about ``rows`` rows for `hessian_vector_product`."""


@contract
def loss_gradient(
    model: Any, theta: Any, rows: Any, want_loss: bool, saved_out: Any, gradient_out: Any
) -> Any:
    """Write the gradient of the mean loss over the rows, and return that loss.

    Parameters
    ----------
    model : NamedTuple
        The spec.
    theta : ndarray of shape (width,)
        Parameters, zero from ``num_parameters`` on.
    rows : Rows
        The rows.
    want_loss : bool
        Whether anybody sees the loss. If not, return 0.0.
    saved_out : ndarray of shape (>= saved_size,)
        What `hessian_vector_product` at the same theta and rows will want.
    gradient_out : ndarray of shape (width,)
        Receives the gradient; anything finite from ``num_parameters`` on.

    Returns
    -------
    float
        The mean loss.
    """


@contract
def hessian_vector_product(
    model: Any, theta: Any, rows: Any, saved: Any, vector: Any, product_out: Any
) -> Any:
    """Write the Hessian of the mean loss at theta times a vector.

    Parameters
    ----------
    model, theta, rows
        As `loss_gradient` had them.
    saved : ndarray of shape (>= saved_size,)
        What `loss_gradient` kept; may be overwritten, it is used once.
    vector : ndarray of shape (width,)
        Zero from ``num_parameters`` on.
    product_out : ndarray of shape (width,)
        Receives the product; anything finite from ``num_parameters`` on.
    """


@contract
def predict(model: Any, theta: Any, rows: Any, out: Any) -> Any:
    """Write the prediction for each row (for a classifier of two classes the probability of class 1).

    out (>= padded_rows(rows.count),): entries from ``rows.count`` on may be overwritten.
    """


@contract
def score(model: Any, predictions: Any, rows: Any) -> Any:
    """Return how good predictions are: for a classifier the share of the rows that is right."""
