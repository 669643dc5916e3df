"""Momentum: ``u <- momentum * u + gradient``, ``theta <- theta - learning_rate * u``; or Nesterov's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from fastmaml.optimizers.contract import state_size, update
from fastmaml.optimizers.outer_rate import (
    OuterRate,
    ScheduledOptimizer,
    clip_meta_gradient,
    rate_of_epoch,
)
from fastmaml.validation import check_flag, check_share


class MomentumSpec(NamedTuple):
    """Numbers of momentum.

    Attributes
    ----------
    outer : OuterRate
        The outer rate.
    momentum : float
        Share of the last step's direction that is kept.
    nesterov : int
        Whether it is Nesterov's.
    """

    outer: OuterRate
    momentum: float
    nesterov: int


@dataclass(frozen=True)
class Momentum(ScheduledOptimizer):
    """Gradient descent with momentum (B. T. Polyak, 1964), or Nesterov's [1]_.

    The direction is ``u <- momentum * u + gradient``, and the step goes along u, or, Nesterov's, along
    ``gradient + momentum * u``.

    Parameters
    ----------
    learning_rate : float, default=0.01
        Outer rate.
    momentum : float, default=0.9
        From 0 to below 1.
    nesterov : bool, default=False
        Whether it is Nesterov's.
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

    References
    ----------
    .. [1] I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum
       in deep
       learning", ICML 2013, equations 3 and 4, in the variables that are common since.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "constant"
    warmup_epochs: int = 0
    schedule_epochs: int | None = None
    final_learning_rate: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("momentum", self.momentum)
        check_flag("nesterov", self.nesterov)

    def lower(self, epochs: int) -> MomentumSpec:
        """Return the spec for a run that ends after so many epochs."""
        return MomentumSpec(self._outer_rate(epochs), float(self.momentum), int(self.nesterov))


@state_size.register(MomentumSpec)
def _state_size(optimizer: Any, width: int) -> Any:
    return width


@update.register(MomentumSpec)
def _update(optimizer: Any, epoch: int, theta: Any, gradient: Any, state: Any) -> Any:
    clip_meta_gradient(optimizer.outer, gradient)
    rate = theta.dtype.type(rate_of_epoch(optimizer.outer, epoch))
    momentum = theta.dtype.type(optimizer.momentum)
    for k in range(theta.size):
        state[k] = momentum * state[k] + gradient[k]
        direction = gradient[k] + momentum * state[k] if optimizer.nesterov else state[k]
        theta[k] -= rate * direction
