"""Logistic regression: two classes, one layer, binary cross-entropy.

With ``z = x . theta`` (and the intercept), ``p = sigmoid(z)`` and n rows:

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
from fastmaml.runtime.compilation import kernel


class LogisticSpec(NamedTuple):
    """Sizes of a logistic regression.

    Attributes
    ----------
    num_features : int
        Features of a row.
    intercept : int
        1 where the last parameter is an intercept, else 0.
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


@kernel
def _add_to_all(values: Any, count: int, addend: Any) -> None:
    for r in range(count):
        values[r] += addend


@kernel
def _sum_of(values: Any, count: int) -> Any:
    total = values.dtype.type(0)
    for r in range(count):
        total += values[r]
    return total


@loss_gradient.register(LogisticSpec)
def _loss_gradient(
    model: Any, theta: Any, rows: Any, want_loss: bool, saved_out: Any, gradient_out: Any
) -> Any:
    count = rows.count
    padded = padded_rows(count)
    probabilities, coefficients = saved_out[:padded], saved_out[padded : 2 * padded]
    rows_times_vector(rows.X, rows.index, count, theta, probabilities)
    if model.intercept:
        _add_to_all(probabilities, padded, theta[model.num_features])
    loss = 0.0
    if want_loss:
        for r in range(count):
            loss += softplus(float(probabilities[r])) - float(rows.y[r]) * float(probabilities[r])
    sigmoid_in_place(probabilities, padded)
    scale = theta.dtype.type(1.0 / count)
    for r in range(padded):
        coefficients[r] = (probabilities[r] - rows.y[r]) * scale
    vector_times_rows(coefficients, rows.X, rows.index, count, gradient_out)
    if model.intercept:
        gradient_out[model.num_features] = _sum_of(coefficients, count)
    return loss / count


@hessian_vector_product.register(LogisticSpec)
def _hessian_vector_product(
    model: Any, theta: Any, rows: Any, saved: Any, vector: Any, product_out: Any
) -> Any:
    count = rows.count
    padded = padded_rows(count)
    probabilities, coefficients = saved[:padded], saved[padded : 2 * padded]
    rows_times_vector(rows.X, rows.index, count, vector, coefficients)
    if model.intercept:
        _add_to_all(coefficients, padded, vector[model.num_features])
    one, scale = theta.dtype.type(1), theta.dtype.type(1.0 / count)
    for r in range(padded):
        coefficients[r] *= probabilities[r] * (one - probabilities[r]) * scale
    vector_times_rows(coefficients, rows.X, rows.index, count, product_out)
    if model.intercept:
        product_out[model.num_features] = _sum_of(coefficients, count)


@predict.register(LogisticSpec)
def _predict(model: Any, theta: Any, rows: Any, out: Any) -> Any:
    rows_times_vector(rows.X, rows.index, rows.count, theta, out)
    if model.intercept:
        _add_to_all(out, rows.count, theta[model.num_features])
    sigmoid_in_place(out, padded_rows(rows.count))


@score.register(LogisticSpec)
def _score(model: Any, predictions: Any, rows: Any) -> Any:
    right = 0
    for r in range(rows.count):
        right += 1 if (predictions[r] > 0.5) == (rows.y[r] > 0.5) else 0
    return right / rows.count
