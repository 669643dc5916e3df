"""The categorical cross-entropy: ``mean(log sum_c exp(z_c) - z_y)``, y the number of the class.

What is predicted are the probabilities of all classes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fastmaml.models.losses.contract import loss_curvature, loss_slopes, mean_loss, mean_score, predictions
from fastmaml.numerics.elementary import exp_nonpositive
from fastmaml.numerics.softmax import softmax_changes, softmax_rows
from fastmaml.runtime.compilation import exact


class CategoricalCrossEntropy(NamedTuple):
    """The categorical cross-entropy, which has no numbers of its own."""


@exact
def _loss_of_row(z: Any, begin: int, outputs: int, right: int) -> float:
    """Return ``log sum exp(z) - z[right]`` of a row, by how much the sum exceeds that of the largest alone.

    Nothing else tells a row that is surely right from another; in any other order it would be lost.
    """
    best = begin
    for c in range(begin + 1, begin + outputs):
        best = c if z[c] > z[best] else best
    excess = 0.0
    for c in range(begin, begin + outputs):
        excess += float(exp_nonpositive(z[c] - z[best])) if c != best else 0.0
    return (float(z[best]) - float(z[right])) + math.log1p(excess)


@mean_loss.register(CategoricalCrossEntropy)
def _mean_loss(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int) -> Any:
    total = 0.0
    for r in range(rows):
        total += _loss_of_row(z, r * step, outputs, r * step + int(y[r]))
    return total / rows


@loss_slopes.register(CategoricalCrossEntropy)
def _loss_slopes(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    scale = out.dtype.type(1.0 / rows)
    softmax_rows(z, rows, outputs, step)
    for k in range(rows * step):
        out[k] = z[k] * scale
    for r in range(rows):
        begin, right = r * step, r * step + int(y[r])
        others = out.dtype.type(0)
        for c in range(begin, begin + outputs):
            others += out[c] if c != right else out.dtype.type(0)
        # The stable form of p - 1.
        out[right] = -others


@loss_curvature.register(CategoricalCrossEntropy)
def _loss_curvature(
    loss: Any, z: Any, rows: int, outputs: int, step: int, other: Any, tangents: Any, out: Any
) -> None:
    scale = out.dtype.type(1.0 / rows)
    softmax_changes(z, 0, tangents, 0, rows, outputs, step, out, 0)
    for k in range(rows * step):
        out[k] *= scale


@predictions.register(CategoricalCrossEntropy)
def _predictions(loss: Any, z: Any, rows: int, outputs: int, step: int, out: Any) -> None:
    softmax_rows(z, rows, outputs, step)
    for r in range(rows):
        for c in range(outputs):
            out[r * outputs + c] = z[r * step + c]


@mean_score.register(CategoricalCrossEntropy)
def _mean_score(loss: Any, predicted: Any, y: Any, rows: int, outputs: int) -> Any:
    right = 0.0
    for r in range(rows):
        best = 0
        for c in range(1, outputs):
            if predicted[r * outputs + c] > predicted[r * outputs + best]:
                best = c
        right += 1.0 if best == int(y[r]) else 0.0
    return right / rows
