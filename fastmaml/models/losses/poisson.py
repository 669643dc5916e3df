"""The Poisson loss with the log link: ``mean(exp(z) - y z)`` over rows and outputs.

The terms without z are left out. What is predicted is the rate, ``exp(z)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.models.losses.contract import (
    loss_curvature,
    loss_slopes,
    mean_loss,
    mean_score,
    mean_squared_error,
    predictions,
)


class Poisson(NamedTuple):
    """The Poisson loss, which has no numbers of its own."""


@mean_loss.register(Poisson)
def _mean_loss(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int) -> Any:
    total = 0.0
    for r in range(rows):
        for c in range(outputs):
            value = float(z[r * step + c])
            total += np.exp(value) - float(y[r * outputs + c]) * value
    return total / (rows * outputs)


@loss_slopes.register(Poisson)
def _loss_slopes(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    scale = out.dtype.type(1.0 / (rows * outputs))
    for r in range(rows):
        for c in range(outputs):
            i = r * step + c
            z[i] = np.exp(z[i])
            out[i] = (z[i] - y[r * outputs + c]) * scale


@loss_curvature.register(Poisson)
def _loss_curvature(
    loss: Any, z: Any, rows: int, outputs: int, step: int, other: Any, tangents: Any, out: Any
) -> None:
    scale = out.dtype.type(1.0 / (rows * outputs))
    for r in range(rows):
        for c in range(r * step, r * step + outputs):
            out[c] = z[c] * tangents[c] * scale


@predictions.register(Poisson)
def _predictions(loss: Any, z: Any, rows: int, outputs: int, step: int, out: Any) -> None:
    for r in range(rows):
        for c in range(outputs):
            out[r * outputs + c] = np.exp(z[r * step + c])


mean_score.register(Poisson)(mean_squared_error)
