"""Logistic regression: two classes, one layer, binary cross-entropy.

With ``z = x . theta``, ``p = sigmoid(z)`` and n rows:

- loss ``mean(softplus(z) - y z)``, the stable form of ``-mean(y log p + (1 - y) log(1 - p))``
- gradient ``X^T (p - y) / n``
- Hessian ``X^T diag(p (1 - p)) X / n``
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.contract import (
    hessian_vector_product,
    loss_gradient,
    num_parameters,
    predict,
    saved_size,
    score,
)
from fastmaml.numerics.elementary import sigmoid_in_place, softplus
from fastmaml.numerics.layout import padded_rows
from fastmaml.numerics.products import rows_times_vector, vector_times_rows


class LogisticSpec(NamedTuple):
    """Sizes of a logistic regression.

    Attributes
    ----------
    num_features : int
        Features of a row.
    intercept : int
        1 where the last parameter is an intercept (the source puts a one behind the features), else 0.
    """

    num_features: int
    intercept: int


@num_parameters.register(LogisticSpec)
def _num_parameters(model: Any) -> Any:
    return model.num_features + model.intercept


@saved_size.register(LogisticSpec)
def _saved_size(model: Any, rows: int) -> Any:
    # The probabilities, and behind them a coefficient for each row.
    return 2 * padded_rows(rows)


@loss_gradient.register(LogisticSpec)
def _loss_gradient(
    model: Any, theta: Any, X: Any, y: Any, rows: int, want_loss: bool, saved_out: Any, gradient_out: Any
) -> Any:
    padded = padded_rows(rows)
    probabilities, coefficients = saved_out[:padded], saved_out[padded : 2 * padded]
    rows_times_vector(X, rows, theta, probabilities)
    loss = 0.0
    if want_loss:
        for r in range(rows):
            loss += softplus(float(probabilities[r])) - float(y[r]) * float(probabilities[r])
    sigmoid_in_place(probabilities, padded)
    scale = theta.dtype.type(1.0 / rows)
    for r in range(padded):
        coefficients[r] = (probabilities[r] - y[r]) * scale
    vector_times_rows(coefficients, X, rows, gradient_out)
    return loss / rows


@hessian_vector_product.register(LogisticSpec)
def _hessian_vector_product(
    model: Any, theta: Any, X: Any, y: Any, rows: int, saved: Any, vector: Any, product_out: Any
) -> Any:
    padded = padded_rows(rows)
    probabilities, coefficients = saved[:padded], saved[padded : 2 * padded]
    rows_times_vector(X, rows, vector, coefficients)
    one, scale = theta.dtype.type(1), theta.dtype.type(1.0 / rows)
    for r in range(padded):
        coefficients[r] *= probabilities[r] * (one - probabilities[r]) * scale
    vector_times_rows(coefficients, X, rows, product_out)


@predict.register(LogisticSpec)
def _predict(model: Any, theta: Any, X: Any, rows: int, out: Any) -> Any:
    rows_times_vector(X, rows, theta, out)
    sigmoid_in_place(out, padded_rows(rows))


@score.register(LogisticSpec)
def _score(model: Any, predictions: Any, y: Any, rows: int) -> Any:
    right = 0
    for r in range(rows):
        right += 1 if (predictions[r] > 0.5) == (y[r] > 0.5) else 0
    return right / rows
