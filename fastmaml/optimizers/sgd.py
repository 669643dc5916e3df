"""Gradient descent: ``theta <- theta - learning_rate * gradient``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from fastmaml.optimizers.contract import state_size, update
from fastmaml.optimizers.outer_rate import OuterRate, ScheduledOptimizer, clip_meta_gradient, rate_of_epoch


class SGDSpec(NamedTuple):
    """Numbers of gradient descent.

    Attributes
    ----------
    outer : OuterRate
        The outer rate.
    """

    outer: OuterRate


@dataclass(frozen=True)
class SGD(ScheduledOptimizer):
    """Gradient descent.

    Parameters
    ----------
    learning_rate : float, default=0.01
        Outer rate: step for a gradient of one.
    schedule : {"constant", "linear", "cosine"}, default="constant"
        How the rate falls from epoch to epoch.
    warmup_epochs : int, default=0
        Epochs in which it rises to ``learning_rate`` first.
    schedule_epochs : int, optional
        The epoch at which the schedule ends; default: the last of the run.
    final_learning_rate : float, default=0.0
        What it ends with.
    clip_norm : float, optional
        The Euclidean norm that the meta-gradient is clipped to.
    """

    learning_rate: float = 0.01
    schedule: str = "constant"
    warmup_epochs: int = 0
    schedule_epochs: int | None = None
    final_learning_rate: float = 0.0
    clip_norm: float | None = None

    def lower(self, epochs: int) -> SGDSpec:
        """Return the spec for a run that ends after so many epochs."""
        return SGDSpec(self._outer_rate(epochs))


@state_size.register(SGDSpec)
def _state_size(optimizer: Any, width: int) -> Any:
    return 0


@update.register(SGDSpec)
def _update(optimizer: Any, epoch: int, theta: Any, gradient: Any, state: Any) -> Any:
    clip_meta_gradient(optimizer.outer, gradient)
    rate = theta.dtype.type(rate_of_epoch(optimizer.outer, epoch))
    for k in range(theta.size):
        theta[k] -= rate * gradient[k]
