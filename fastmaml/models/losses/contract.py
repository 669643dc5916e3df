"""What a loss at the output of a network does. The contract of a loss.

Each works on a flat matrix z, the output layer before any activation, with ``step`` numbers a row, and on the
targets y of the rows.
"""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.dispatch import contract


@contract
def mean_loss(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int) -> Any:
    """Return the mean loss of the rows."""


@contract
def loss_slopes(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    """Write the derivatives of the mean loss by z to out (rows * step,), whose padding is zero and stays so.

    z and other (rows * step,) may be overwritten with what `loss_curvature` wants.
    """


@contract
def loss_curvature(
    loss: Any, z: Any, rows: int, outputs: int, step: int, other: Any, tangents: Any, out: Any
) -> None:
    """Write the mean loss's Hessian by z, times tangents, to out, whose padding is zero and stays so.

    z and other are as `loss_slopes` left them.
    """


@contract
def predictions(loss: Any, z: Any, rows: int, outputs: int, step: int, out: Any) -> None:
    """Write what is predicted to out (rows * outputs,): means, rates or probabilities.

    z may be overwritten.
    """


@contract
def mean_score(loss: Any, predicted: Any, y: Any, rows: int, outputs: int) -> Any:
    """Return the share of rows whose class is right, or the mean squared error."""


def mean_squared_error(loss: Any, predicted: Any, y: Any, rows: int, outputs: int) -> Any:
    """Return the mean squared error of predictions, as `mean_score` of losses that predict numbers."""
    total = 0.0
    for k in range(rows * outputs):
        difference = float(predicted[k]) - float(y[k])
        total += difference * difference
    return total / (rows * outputs)
