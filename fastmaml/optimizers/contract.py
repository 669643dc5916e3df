"""Optimizers: the outer step. The contract, and the optimizers that there are."""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.dispatch import contract


@contract
def state_size(optimizer: Any, width: int) -> Any:
    """Return how many numbers the optimizer keeps between steps for a theta of ``width`` entries."""


@contract
def update(optimizer: Any, epoch: int, theta: Any, gradient: Any, state: Any) -> Any:
    """Take one outer step in place.

    Parameters
    ----------
    optimizer : NamedTuple
        The spec.
    epoch : int
        Outer steps taken before this one, since the first ``train``.
    theta : ndarray of shape (width,)
        The initialisation; changed.
    gradient : ndarray of shape (width,)
        The meta-gradient, the mean over the epoch's tasks.
    state : ndarray of shape (state_size,)
        Zeros before the first step; changed.
    """
