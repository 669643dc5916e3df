"""What a user writes of an optimizer: a plain frozen object, checked when made, and lowered to a spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastmaml.arrays import shown
from fastmaml.optimizers.contract import state_size


class Optimizer:
    """An optimizer, as users write it. A subclass gives `lower`."""

    # Named in the message of a run that diverged.
    learning_rate: float | None = None

    def lower(self, epochs: int) -> Any:
        """Return the spec for a run that ends after so many epochs."""
        raise NotImplementedError(f"{type(self).__name__} has no method lower(epochs) that returns its spec")


@dataclass(frozen=True)
class OwnOptimizer(Optimizer):
    """An optimizer given as a spec that contract functions are registered for.

    Parameters
    ----------
    own_spec : NamedTuple
        The spec.
    """

    own_spec: Any

    def lower(self, epochs: int) -> Any:
        """Return the spec."""
        return self.own_spec


def as_optimizer(optimizer: Any) -> Optimizer:
    """Return an optimizer, from itself or from a spec."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, tuple) and hasattr(optimizer, "_fields"):
        state_size(optimizer, 1)  # Raises, and says how to register one, where there is no such part.
        return OwnOptimizer(optimizer)
    raise TypeError(
        f"optimizer is {shown(optimizer)}; give one of fastmaml.optimizers, such as "
        "optimizers.Adam(learning_rate=1e-3), or a spec of your own"
    )
