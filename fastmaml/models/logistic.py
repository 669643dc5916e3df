"""Logistic regression: two classes, one layer, binary cross-entropy.

With ``z = x . theta`` (and the intercept), ``p = sigmoid(z)`` and n rows:

- loss ``mean(softplus(z) - y z)``, the stable form of ``-mean(y log p + (1 - y) log(1 - p))``
- gradient ``X^T (p - y) / n``
- Hessian ``X^T diag(p (1 - p)) X / n``
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.contract import (
    hessian_vector_products,
    loss_gradients,
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
def _stride(rows: Any) -> Any:
    """Return the room for one value a row that each task is given, the same for all."""
    longest = 0
    for task in range(rows.count.size):
        longest = max(longest, rows.count[task])
    return padded_rows(longest)


@kernel
def _logits(model: Any, theta: Any, rows: Any, task: int, out: Any) -> None:
    """Write each row's product with a vector, the intercept included."""
    rows_times_vector(rows.X, rows.index[task], rows.count[task], theta, out)
    if model.intercept:
        for r in range(out.size):
            out[r] += theta[model.num_features]


@kernel
def _sum_of_rows(model: Any, coefficients: Any, rows: Any, task: int, out: Any) -> None:
    """Write the sum of the rows times their coefficients."""
    vector_times_rows(coefficients, rows.X, rows.index[task], rows.count[task], out)
    if model.intercept:
        total = coefficients.dtype.type(0)
        for r in range(rows.count[task]):
            total += coefficients[r]
        out[model.num_features] = total


@loss_gradients.register(LogisticSpec)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    tasks, stride = rows.count.size, _stride(rows)
    probabilities, coefficients = saved_out[: tasks * stride], saved_out[tasks * stride :]
    for task in range(tasks):
        _logits(model, thetas[task], rows, task, probabilities[task * stride : (task + 1) * stride])
    if want_loss:
        for task in range(tasks):
            loss = 0.0
            for r in range(rows.count[task]):
                z = float(probabilities[task * stride + r])
                loss += softplus(z) - float(rows.y[task, r]) * z
            losses_out[task] = loss / rows.count[task]
    sigmoid_in_place(probabilities, tasks * stride)
    for task in range(tasks):
        scale = thetas.dtype.type(1.0 / rows.count[task])
        y, begin = rows.y[task], task * stride
        for r in range(stride):
            coefficients[begin + r] = (probabilities[begin + r] - y[r]) * scale
    for task in range(tasks):
        of_task = coefficients[task * stride : (task + 1) * stride]
        _sum_of_rows(model, of_task, rows, task, gradients_out[task])


@hessian_vector_products.register(LogisticSpec)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    tasks, stride = rows.count.size, _stride(rows)
    probabilities, coefficients = saved[: tasks * stride], saved[tasks * stride :]
    one = thetas.dtype.type(1)
    for task in range(tasks):
        _logits(model, vectors[task], rows, task, coefficients[task * stride : (task + 1) * stride])
    for task in range(tasks):
        scale, begin = thetas.dtype.type(1.0 / rows.count[task]), task * stride
        for r in range(begin, begin + stride):
            coefficients[r] *= probabilities[r] * (one - probabilities[r]) * scale
    for task in range(tasks):
        of_task = coefficients[task * stride : (task + 1) * stride]
        _sum_of_rows(model, of_task, rows, task, products_out[task])


@predict.register(LogisticSpec)
def _predict(model: Any, thetas: Any, rows: Any, predictions_out: Any) -> None:
    for task in range(rows.count.size):
        padded = padded_rows(rows.count[task])
        _logits(model, thetas[task], rows, task, predictions_out[task, :padded])
        sigmoid_in_place(predictions_out[task], padded)


@score.register(LogisticSpec)
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    for task in range(rows.count.size):
        right = 0
        for r in range(rows.count[task]):
            right += 1 if (predictions[task, r] > 0.5) == (rows.y[task, r] > 0.5) else 0
        scores_out[task] = right / rows.count[task]
