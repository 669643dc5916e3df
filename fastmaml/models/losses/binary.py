"""The binary cross-entropy of one output, as in `fastmaml.models.logistic`; labels are 0 and 1.

What is predicted is the probability of 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.losses.contract import loss_curvature, loss_slopes, mean_loss, mean_score, predictions
from fastmaml.numerics.elementary import logistic_loss, sigmoid_both_ways, sigmoid_in_place


class BinaryCrossEntropy(NamedTuple):
    """The binary cross-entropy, which has no numbers of its own."""


@mean_loss.register(BinaryCrossEntropy)
def _mean_loss(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int) -> Any:
    return logistic_loss(z, y, rows) / rows


@loss_slopes.register(BinaryCrossEntropy)
def _loss_slopes(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    one, scale = out.dtype.type(1), out.dtype.type(1.0 / rows)
    sigmoid_both_ways(z, other, rows)
    for r in range(rows):
        out[r] = ((one - y[r]) * z[r] - y[r] * other[r]) * scale


@loss_curvature.register(BinaryCrossEntropy)
def _loss_curvature(
    loss: Any, z: Any, rows: int, outputs: int, step: int, other: Any, tangents: Any, out: Any
) -> None:
    scale = out.dtype.type(1.0 / rows)
    for r in range(rows):
        out[r] = z[r] * other[r] * tangents[r] * scale


@predictions.register(BinaryCrossEntropy)
def _predictions(loss: Any, z: Any, rows: int, outputs: int, step: int, out: Any) -> None:
    for r in range(rows):
        out[r] = z[r]
    sigmoid_in_place(out, rows)


@mean_score.register(BinaryCrossEntropy)
def _mean_score(loss: Any, predicted: Any, y: Any, rows: int, outputs: int) -> Any:
    right = 0.0
    for r in range(rows):
        right += 1.0 if (predicted[r] > 0.5) == (y[r] > 0.5) else 0.0
    return right / rows
