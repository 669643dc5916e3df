"""Gradient descent: ``theta <- theta - learning_rate * gradient``."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.optimizers.contract import state_size, update


class SGDSpec(NamedTuple):
    """Numbers of gradient descent.

    Attributes
    ----------
    learning_rate : float
        Step for a gradient of one.
    """

    learning_rate: float


@state_size.register(SGDSpec)
def _state_size(optimizer: Any, width: int) -> Any:
    return 0


@update.register(SGDSpec)
def _update(optimizer: Any, epoch: int, theta: Any, gradient: Any, state: Any) -> Any:
    rate = theta.dtype.type(optimizer.learning_rate)
    for k in range(theta.size):
        theta[k] -= rate * gradient[k]
