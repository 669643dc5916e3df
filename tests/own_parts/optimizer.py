"""RMSProp: the root of a running mean of squared gradients divides them."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from fastmaml.optimizers import Optimizer, state_size, update


class RMSPropSpec(NamedTuple):
    learning_rate: float
    decay: float


@dataclass(frozen=True)
class RMSProp(Optimizer):
    learning_rate: float = 0.01
    decay: float = 0.9

    def __post_init__(self):
        if not (self.learning_rate > 0 and 0 <= self.decay < 1):
            raise ValueError(f"{self} needs a rate above 0, and a decay from 0 to below 1")

    def lower(self, epochs):
        return RMSPropSpec(self.learning_rate, self.decay)


@state_size.register(RMSPropSpec)
def rmsprop_state_size(optimizer, width):
    return width


@update.register(RMSPropSpec)
def rmsprop_update(optimizer, epoch, theta, gradient, state):
    for k in range(theta.size):
        state[k] = optimizer.decay * state[k] + (1 - optimizer.decay) * gradient[k] ** 2
        theta[k] -= optimizer.learning_rate * gradient[k] / (math.sqrt(state[k]) + 1e-8)
