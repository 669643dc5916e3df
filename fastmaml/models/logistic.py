"""Logistic regression: two classes, one layer, binary cross-entropy.

With ``z = x . theta`` (and the intercept), ``p = sigmoid(z)``, ``q = sigmoid(-z)`` and n rows:

- loss ``mean(softplus(-z) where y = 1, softplus(z) where y = 0)``, the stable form of
  ``-mean(y log p + (1 - y) log(1 - p))``
- gradient ``X^T r / n``, ``r = (1 - y) p - y q``, the stable form of ``p - y``
- Hessian ``X^T diag(p q) X / n``
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.models.contract import (
    compiled_apart,
    hessian_vector_products,
    loss_gradients,
    num_parameters,
    predict,
    saved_size,
    score,
)
from fastmaml.models.losses import LOSSES
from fastmaml.models.model import Layered, whole_classes
from fastmaml.numerics.elementary import logistic_loss, sigmoid_both_ways, sigmoid_in_place
from fastmaml.numerics.layout import padded_rows
from fastmaml.numerics.products import rows_times_vectors, vectors_times_rows
from fastmaml.runtime.compilation import kernel
from fastmaml.validation import check_count


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


@dataclass(frozen=True)
class Logistic(Layered):
    """Logistic regression of two classes, 0 and 1.

    Parameters
    ----------
    num_features : int
        Features of a row.
    intercept : bool, default=True
        Whether there is an intercept, the last parameter.
    l2 : float, default=0.0
        L2 penalty: ``l2 / 2 * |weights|^2`` is added to the support loss.
    initializer, initializer_scale : str, float, default="zeros", 1.0
        How the weights start, see `fastmaml.models.initializers`.
    """

    num_features: int
    classifies = True

    def __post_init__(self) -> None:
        check_count("num_features", self.num_features)
        super().__post_init__()

    def _sizes(self) -> tuple[int, ...]:
        return int(self.num_features), 1

    def _loss(self) -> Any:
        return LOSSES["binary_cross_entropy"]

    def spec(self) -> LogisticSpec:
        """Return the spec."""
        return LogisticSpec(int(self.num_features), int(self.intercept))

    def check_targets(self, name: str, y: np.ndarray) -> None:
        """Raise unless every target is 0 or 1."""
        whole_classes(name, y, 2)


@num_parameters.register(LogisticSpec)
def _num_parameters(model: Any) -> Any:
    return model.num_features + model.intercept


@compiled_apart.register(LogisticSpec)
def _compiled_apart(model: Any) -> Any:
    # Ten rows of fifty features are a tenth of a microsecond: laying out the arguments of a call would add
    # 6 % to a task.
    return False


@saved_size.register(LogisticSpec)
def _saved_size(model: Any, rows: int) -> Any:
    # For each row p, q and a coefficient.
    return 3 * padded_rows(rows)


@kernel
def _stride(rows: Any) -> Any:
    """Return the room for one value a row that each task is given, the same for all."""
    longest = 0
    for task in range(rows.count.size):
        longest = max(longest, rows.count[task])
    return padded_rows(longest)


@kernel
def _logits(model: Any, vectors: Any, rows: Any, stride: int, out: Any) -> None:
    """Write each row's product with its task's vector, the intercept included; a task at each stride."""
    rows_times_vectors(rows.X, rows.index, rows.count, vectors, stride, out)
    if model.intercept:
        for task in range(rows.count.size):
            intercept, begin = vectors[task, model.num_features], task * stride
            for r in range(begin, begin + stride):
                out[r] += intercept


@kernel
def _sums_of_rows(model: Any, coefficients: Any, stride: int, rows: Any, out: Any) -> None:
    """Write the sum of each task's rows times their coefficients, the intercept's entry included."""
    vectors_times_rows(coefficients, stride, rows.X, rows.index, rows.count, out)
    if model.intercept:
        for task in range(rows.count.size):
            total, begin = coefficients.dtype.type(0), task * stride
            for r in range(begin, begin + rows.count[task]):
                total += coefficients[r]
            out[task, model.num_features] = total


@loss_gradients.register(LogisticSpec)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    tasks, stride = rows.count.size, _stride(rows)
    size = tasks * stride
    p, q, coefficients = saved_out[:size], saved_out[size : 2 * size], saved_out[2 * size : 3 * size]
    _logits(model, thetas, rows, stride, p)
    if want_loss:
        for task in range(tasks):
            logits = p[task * stride : (task + 1) * stride]
            losses_out[task] = logistic_loss(logits, rows.y[task], rows.count[task]) / rows.count[task]
    sigmoid_both_ways(p, q, size)
    one = thetas.dtype.type(1)
    for task in range(tasks):
        scale = thetas.dtype.type(1.0 / rows.count[task])
        y, begin = rows.y[task], task * stride
        for r in range(stride):
            coefficients[begin + r] = ((one - y[r]) * p[begin + r] - y[r] * q[begin + r]) * scale
    _sums_of_rows(model, coefficients, stride, rows, gradients_out)


@hessian_vector_products.register(LogisticSpec)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    tasks, stride = rows.count.size, _stride(rows)
    size = tasks * stride
    p, q, coefficients = saved[:size], saved[size : 2 * size], saved[2 * size : 3 * size]
    _logits(model, vectors, rows, stride, coefficients)
    for task in range(tasks):
        scale, begin = thetas.dtype.type(1.0 / rows.count[task]), task * stride
        for r in range(begin, begin + stride):
            coefficients[r] *= p[r] * q[r] * scale
    _sums_of_rows(model, coefficients, stride, rows, products_out)


@predict.register(LogisticSpec)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    stride, tasks = predictions_out.shape[1], rows.count.size
    flat = predictions_out.reshape(-1)
    _logits(model, thetas, rows, stride, flat)
    sigmoid_in_place(flat, tasks * stride)


@score.register(LogisticSpec)
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    for task in range(rows.count.size):
        right = 0
        for r in range(rows.count[task]):
            right += 1 if (predictions[task, r] > 0.5) == (rows.y[task, r] > 0.5) else 0
        scores_out[task] = right / rows.count[task]
