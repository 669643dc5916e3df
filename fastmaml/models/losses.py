"""Losses at the output of a network: the mean over rows, its derivatives, what is predicted and its score.

With z the output layer before any activation, n rows and o outputs:

- squared error: ``mean((z - y)^2)`` over rows and outputs, no 1/2;
- Poisson with the log link: ``mean(exp(z) - y z)`` over rows and outputs (the terms without z left out);
- binary cross-entropy, one output: as in `fastmaml.models.logistic`;
- categorical cross-entropy: ``mean(log sum_c exp(z_c) - z_y)``, y the number of the class.

Each works on a flat matrix z with so many numbers a row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastmaml.numerics.elementary import (
    exp_nonpositive,
    logistic_loss,
    sigmoid_both_ways,
    sigmoid_in_place,
)
from fastmaml.numerics.softmax import softmax_changes, softmax_rows
from fastmaml.runtime.compilation import exact, kernel

SQUARED_ERROR, POISSON, BINARY, CATEGORICAL = 0, 1, 2, 3
LOSSES = {
    "squared_error": SQUARED_ERROR,
    "poisson": POISSON,
    "binary_cross_entropy": BINARY,
    "categorical_cross_entropy": CATEGORICAL,
}


@exact
def _categorical_loss(z: Any, begin: int, outputs: int, right: int) -> float:
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


@kernel
def mean_loss(loss: int, z: Any, y: Any, rows: int, outputs: int, step: int) -> float:
    """Return the mean loss of the rows; z with ``step`` numbers a row, y with its targets."""
    total = 0.0
    if loss == BINARY:
        return logistic_loss(z, y, rows) / rows
    if loss == CATEGORICAL:
        for r in range(rows):
            total += _categorical_loss(z, r * step, outputs, r * step + int(y[r]))
        return total / rows
    for r in range(rows):
        for c in range(outputs):
            value, target = float(z[r * step + c]), float(y[r * outputs + c])
            if loss == POISSON:
                total += np.exp(value) - target * value
            else:
                total += (value - target) * (value - target)
    return total / (rows * outputs)


@kernel
def loss_slopes(loss: int, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    """Write the derivatives of the mean loss by z; z and other keep what `loss_curvature` wants."""
    one = out.dtype.type(1)
    if loss == BINARY:
        sigmoid_both_ways(z, other, rows)
        scale = out.dtype.type(1.0 / rows)
        for r in range(rows):
            out[r] = ((one - y[r]) * z[r] - y[r] * other[r]) * scale
    elif loss == CATEGORICAL:
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
    else:
        scale = out.dtype.type(1.0 / (rows * outputs))
        for r in range(rows):
            for c in range(outputs):
                i = r * step + c
                if loss == POISSON:
                    z[i] = np.exp(z[i])
                    out[i] = (z[i] - y[r * outputs + c]) * scale
                else:
                    out[i] = (z[i] - y[r * outputs + c]) * (scale + scale)


@kernel
def loss_curvature(
    loss: int, z: Any, rows: int, outputs: int, step: int, other: Any, tangents: Any, out: Any
) -> None:
    """Write the mean loss's Hessian by z, times tangents; z and other as `loss_slopes` left them."""
    if loss == BINARY:
        scale = out.dtype.type(1.0 / rows)
        for r in range(rows):
            out[r] = z[r] * other[r] * tangents[r] * scale
    elif loss == CATEGORICAL:
        scale = out.dtype.type(1.0 / rows)
        softmax_changes(z, 0, tangents, 0, rows, outputs, step, out, 0)
        for k in range(rows * step):
            out[k] *= scale
    else:
        scale = out.dtype.type(1.0 / (rows * outputs))
        for r in range(rows):
            for c in range(outputs):
                i = r * step + c
                if loss == POISSON:
                    out[i] = z[i] * tangents[i] * scale
                else:
                    out[i] = (scale + scale) * tangents[i]


@kernel
def predictions(loss: int, z: Any, rows: int, outputs: int, step: int, out: Any) -> None:
    """Write what is predicted: means, rates, the probability of class 1, or those of all classes."""
    if loss == CATEGORICAL:
        softmax_rows(z, rows, outputs, step)
    for r in range(rows):
        for c in range(outputs):
            value = z[r * step + c]
            out[r * outputs + c] = np.exp(value) if loss == POISSON else value
    if loss == BINARY:
        sigmoid_in_place(out, rows)


@kernel
def mean_score(loss: int, predicted: Any, y: Any, rows: int, outputs: int) -> float:
    """Return the share of rows whose class is right, or the mean squared error."""
    total = 0.0
    for r in range(rows):
        if loss == BINARY:
            total += 1.0 if (predicted[r] > 0.5) == (y[r] > 0.5) else 0.0
        elif loss == CATEGORICAL:
            best = 0
            for c in range(1, outputs):
                if predicted[r * outputs + c] > predicted[r * outputs + best]:
                    best = c
            total += 1.0 if best == int(y[r]) else 0.0
        else:
            for c in range(outputs):
                difference = float(predicted[r * outputs + c]) - float(y[r * outputs + c])
                total += difference * difference / outputs
    return total / rows
