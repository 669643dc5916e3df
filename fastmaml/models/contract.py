"""Models: what is learned. The contract of a model, and the models that there are.

A model is a spec (a NamedTuple of its sizes) for which the functions below are registered. Parameters lie
in one flat vector ``theta`` of ``num_parameters`` entries, padded with zeros to ``padded_width``
(`fastmaml.numerics.layout`). A row of features may carry anything finite behind its features; where the
model has an intercept, the source has put a one there (`fastmaml.sources.Requirements`).
"""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.dispatch import contract


@contract
def num_parameters(model: Any) -> Any:
    """Return the number of parameters, without padding."""


@contract
def saved_size(model: Any, rows: int) -> Any:
    """Return how many numbers `loss_gradient` keeps about ``rows`` rows for `hessian_vector_product`."""


@contract
def loss_gradient(
    model: Any, theta: Any, X: Any, y: Any, rows: int, want_loss: bool, saved_out: Any, gradient_out: Any
) -> Any:
    """Write the gradient of the mean loss over the rows, and return that loss.

    Parameters
    ----------
    model : NamedTuple
        The spec.
    theta : ndarray of shape (width,)
        Parameters, zero from ``num_parameters`` on.
    X : ndarray of shape (allocated rows, stride)
        Rows; there are at least as many as `fastmaml.numerics.layout.buffer_rows` says.
    y : ndarray of shape (>= padded_rows(rows),)
        Targets, in the dtype of theta; anything finite from ``rows`` on.
    rows : int
        How many rows there are.
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
    model: Any, theta: Any, X: Any, y: Any, rows: int, saved: Any, vector: Any, product_out: Any
) -> Any:
    """Write the Hessian of the mean loss at theta times a vector.

    Parameters
    ----------
    model, theta, X, y, rows
        As `loss_gradient` had them.
    saved : ndarray of shape (>= saved_size,)
        What `loss_gradient` kept; may be overwritten, it is used once.
    vector : ndarray of shape (width,)
        Zero from ``num_parameters`` on.
    product_out : ndarray of shape (width,)
        Receives the product; anything finite from ``num_parameters`` on.
    """


@contract
def predict(model: Any, theta: Any, X: Any, rows: int, out: Any) -> Any:
    """Write the prediction for each row (for a classifier of two classes the probability of class 1).

    out (>= padded_rows(rows),): entries from ``rows`` on may be overwritten.
    """


@contract
def score(model: Any, predictions: Any, y: Any, rows: int) -> Any:
    """Return how good predictions are: for a classifier the share of the rows that is right."""
