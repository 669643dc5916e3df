"""What the optimizers here have: a schedule of the outer rate, and clipping of the meta-gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fastmaml.numerics.elementary import euclidean_norm
from fastmaml.optimizers.optimizer import Optimizer
from fastmaml.runtime.compilation import kernel
from fastmaml.validation import MOST_EPOCHS, check_choice, check_clip_norm, check_count, check_rate

CONSTANT, LINEAR, COSINE = 0, 1, 2
SCHEDULES = {"constant": CONSTANT, "linear": LINEAR, "cosine": COSINE}


class OuterRate(NamedTuple):
    """Numbers of the outer rate.

    Attributes
    ----------
    learning_rate, final : float
        The rate, and what a schedule ends with.
    schedule, warmup, epochs : int
        Which schedule; epochs in which the rate rises to its value first; the epoch at which the schedule
        ends.
    clip : float
        The norm that the meta-gradient is clipped to; 0 for none.
    """

    learning_rate: float
    final: float
    schedule: int
    warmup: int
    epochs: int
    clip: float


@kernel
def rate_of_epoch(outer: Any, epoch: int) -> float:
    """Return the outer rate of an epoch, counted from 0.

    After a linear rise, ``rate (epoch + 1) / warmup``, the share t of the other epochs that is gone takes it
    from the learning rate to the final one: linearly, or as ``(1 + cos(pi t)) / 2``.
    """
    if epoch < outer.warmup:
        return outer.learning_rate * (epoch + 1) / outer.warmup
    if outer.schedule == CONSTANT:
        return outer.learning_rate
    gone = min(1.0, (epoch - outer.warmup) / max(1, outer.epochs - outer.warmup))
    left = 1.0 - gone
    if outer.schedule == COSINE:
        left = (1.0 + math.cos(math.pi * gone)) / 2
    return outer.final + (outer.learning_rate - outer.final) * left


@kernel
def clip_meta_gradient(outer: Any, gradient: Any) -> None:
    """Scale the meta-gradient to the clipping norm at most."""
    if outer.clip > 0:
        norm = euclidean_norm(gradient)
        if norm > outer.clip:
            factor = gradient.dtype.type(outer.clip / norm)
            for k in range(gradient.size):
                gradient[k] *= factor


class ScheduledOptimizer(Optimizer):
    """What the optimizers here have. Each is a frozen dataclass with these fields, and more.

    Parameters
    ----------
    learning_rate : float
        Outer rate.
    schedule : {"constant", "linear", "cosine"}
        How the rate falls from epoch to epoch.
    warmup_epochs : int
        Epochs in which it rises to ``learning_rate`` first.
    schedule_epochs : int or None
        The epoch at which the schedule ends; None for the last of the run.
    final_learning_rate : float
        What it ends with.
    clip_norm : float or None
        The Euclidean norm that the meta-gradient is clipped to; None for no clipping.
    """

    learning_rate: float
    schedule: str
    warmup_epochs: int
    schedule_epochs: int | None
    final_learning_rate: float
    clip_norm: float | None

    def __post_init__(self) -> None:
        check_rate("learning_rate", self.learning_rate)
        check_choice("schedule", self.schedule, tuple(SCHEDULES))
        check_count("warmup_epochs", self.warmup_epochs, 0, MOST_EPOCHS)
        if self.schedule_epochs is not None:
            check_count("schedule_epochs", self.schedule_epochs, 1, MOST_EPOCHS)
        check_rate("final_learning_rate", self.final_learning_rate)
        check_clip_norm(self.clip_norm)
        if self.schedule_epochs is not None and self.schedule_epochs < self.warmup_epochs:
            raise ValueError(
                f"schedule_epochs is {self.schedule_epochs}, but the rate still rises then: warmup_epochs is "
                f"{self.warmup_epochs}; give a later end, or a shorter rise"
            )

    def _outer_rate(self, epochs: int) -> OuterRate:
        return OuterRate(
            float(self.learning_rate),
            float(self.final_learning_rate),
            SCHEDULES[self.schedule],
            int(self.warmup_epochs),
            int(epochs if self.schedule_epochs is None else self.schedule_epochs),
            0.0 if self.clip_norm is None else float(self.clip_norm),
        )
