"""Adam (D. P. Kingma, J. Ba, ICLR 2015, algorithm 1) and AdamW (I. Loshchilov, F. Hutter, ICLR 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastmaml.optimizers.contract import state_size, update
from fastmaml.optimizers.outer_rate import (
    OuterRate,
    ScheduledOptimizer,
    clip_meta_gradient,
    rate_of_epoch,
)
from fastmaml.validation import check_rate, check_share


class AdamSpec(NamedTuple):
    """Numbers of Adam.

    Attributes
    ----------
    outer : OuterRate
        The outer rate.
    beta1, beta2, epsilon : float
        Shares of the moments that are kept, and what is added to the root of the second.
    weight_decay : float
        Share of theta that a step at rate one takes away.
    """

    outer: OuterRate
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float


@dataclass(frozen=True)
class Adam(ScheduledOptimizer):
    """Adam [1]_.

    Steps are ``theta <- theta - learning_rate * m / (sqrt(v) + epsilon)`` with the corrected moments m and v
    of the meta-gradient.

    Parameters
    ----------
    learning_rate : float, default=0.001
        Outer rate.
    beta1, beta2 : float, default=0.9, 0.999
        Shares of the moments that are kept, from 0 to below 1.
    epsilon : float, default=1e-8
        Added to the root of the second moment.
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
    .. [1] D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule: str = "constant"
    warmup_epochs: int = 0
    schedule_epochs: int | None = None
    final_learning_rate: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)
        if check_rate("epsilon", self.epsilon) == 0:
            raise ValueError(
                "epsilon is 0; give a number above 0, or a parameter without gradient is divided by it"
            )

    def lower(self, epochs: int) -> AdamSpec:
        """Return the spec for a run that ends after so many epochs."""
        betas = float(self.beta1), float(self.beta2)
        return AdamSpec(self._outer_rate(epochs), *betas, float(self.epsilon), 0.0)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay [1]_: a step also takes away ``learning_rate * weight_decay * theta``.

    Parameters
    ----------
    learning_rate : float, default=0.001
        Outer rate.
    beta1, beta2 : float, default=0.9, 0.999
        Shares of the moments that are kept, from 0 to below 1.
    epsilon : float, default=1e-8
        Added to the root of the second moment.
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
    weight_decay : float, default=0.01
        Of all of theta, and of learned rates.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2.
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate("weight_decay", self.weight_decay)

    def lower(self, epochs: int) -> AdamSpec:
        """Return the spec for a run that ends after so many epochs."""
        return super().lower(epochs)._replace(weight_decay=float(self.weight_decay))


@state_size.register(AdamSpec)
def _state_size(optimizer: Any, width: int) -> Any:
    # Both moments, and before them how many steps have been taken, in base 1024: exact in float32, too.
    return 2 * width + 2


@update.register(AdamSpec)
def _update(optimizer: Any, epoch: int, theta: Any, gradient: Any, state: Any) -> Any:
    clip_meta_gradient(optimizer.outer, gradient)
    width = theta.size
    state[0] += 1
    if state[0] == 1024:
        state[0], state[1] = 0, state[1] + 1
    steps = float(state[0]) + 1024.0 * float(state[1])
    first, second = state[2 : 2 + width], state[2 + width : 2 + 2 * width]
    beta1, beta2 = theta.dtype.type(optimizer.beta1), theta.dtype.type(optimizer.beta2)
    # As exact as the bias correction: a beta next to one leaves few digits to its difference in float32.
    rest1, rest2 = theta.dtype.type(1.0 - optimizer.beta1), theta.dtype.type(1.0 - optimizer.beta2)
    epsilon = theta.dtype.type(optimizer.epsilon)
    rate = rate_of_epoch(optimizer.outer, epoch)
    decay = theta.dtype.type(rate * optimizer.weight_decay)
    step = theta.dtype.type(rate / (1.0 - optimizer.beta1**steps))
    scale = theta.dtype.type(1.0 / math.sqrt(1.0 - optimizer.beta2**steps))
    for k in range(width):
        first[k] = beta1 * first[k] + rest1 * gradient[k]
        second[k] = beta2 * second[k] + rest2 * gradient[k] * gradient[k]
        theta[k] -= (
            step * first[k] / (theta.dtype.type(math.sqrt(second[k])) * scale + epsilon) + decay * theta[k]
        )
