"""Any loss with a weight for each row: ``mean(w_r * loss_r)``, so that weights of one change nothing.

The weights stand behind the targets of all rows. There is what training of first order asks for, no more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.losses.contract import loss_slopes, mean_loss


class Weighted(NamedTuple):
    """A loss whose rows have weights.

    Attributes
    ----------
    loss : NamedTuple
        Another loss.
    targets : int
        Numbers in the target of a row: the weights of n rows begin at ``y[n * targets]``.
    """

    loss: Any
    targets: int


@mean_loss.register(Weighted)
def _mean_loss(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int) -> Any:
    total, targets = 0.0, loss.targets
    for r in range(rows):
        weight = float(y[rows * targets + r])
        # What does not count may be anything, infinite too.
        if weight != 0.0:
            row, target = z[r * step : (r + 1) * step], y[r * targets : (r + 1) * targets]
            total += weight * mean_loss(loss.loss, row, target, 1, outputs, step)
    return total / rows


@loss_slopes.register(Weighted)
def _loss_slopes(loss: Any, z: Any, y: Any, rows: int, outputs: int, step: int, other: Any, out: Any) -> None:
    loss_slopes(loss.loss, z, y, rows, outputs, step, other, out)
    for r in range(rows):
        weight = y[rows * loss.targets + r]
        for k in range(r * step, (r + 1) * step):
            out[k] *= weight
