"""The squared error: ``mean((z - y)^2)`` over rows and outputs, no 1/2."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.losses.contract import (
    loss_curvature,
    loss_slopes,
    mean_loss,
    mean_score,
    mean_squared_error,
    predictions,
)


class SquaredError(NamedTuple):
    """The squared error, which has no numbers of its own."""


@mean_loss.register(SquaredError)
def _mean_loss(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int) -> Any:
    total = 0.0
    for r in range(rows):
        for c in range(outputs):
            difference = float(z[r * step + c]) - float(y[r * outputs + c])
            total += difference * difference
    return total / (rows * outputs)


@loss_slopes.register(SquaredError)
def _loss_slopes(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    scale = out.dtype.type(2.0 / (rows * outputs))
    for r in range(rows):
        for c in range(outputs):
            out[r * step + c] = (z[r * step + c] - y[r * outputs + c]) * scale


@loss_curvature.register(SquaredError)
def _loss_curvature(
    loss: Any, z: Any, rows: int, outputs: int, step: int, other: Any, tangents: Any, out: Any
) -> None:
    scale = out.dtype.type(2.0 / (rows * outputs))
    for r in range(rows):
        for c in range(r * step, r * step + outputs):
            out[c] = tangents[c] * scale


@predictions.register(SquaredError)
def _predictions(loss: Any, z: Any, rows: int, outputs: int, step: int, out: Any) -> None:
    for r in range(rows):
        for c in range(outputs):
            out[r * outputs + c] = z[r * step + c]


mean_score.register(SquaredError)(mean_squared_error)
