"""What a user writes of a source: a plain frozen object, checked when it is made, and lowered to a spec."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from fastmaml.validation import check_count


class Source:
    """A source of tasks, as users write it. Each is a frozen dataclass.

    Attributes
    ----------
    num_features, num_targets : int
        Columns of a row, and numbers in its target.
    num_classes : int or None
        Where targets are numbers of classes: how many there are.
    num_tasks : int or None
        How many tasks there are, if they are not made afresh in every epoch.
    """

    num_features: int
    num_targets: int = 1
    num_classes: int | None = None
    num_tasks: int | None = None

    def lower(self, seed: int) -> Any:
        """Return the spec."""
        raise NotImplementedError

    def check(self, model: Any) -> None:
        """Raise unless the tasks fit a model."""
        name = type(model).__name__
        if model.num_features != self.num_features:
            raise ValueError(
                f"the source has {self.num_features} features but {name} has "
                f"num_features={model.num_features}; they must agree"
            )
        if model.num_targets != self.num_targets:
            raise ValueError(
                f"the source has {self.num_targets} targets a row but {name} wants {model.num_targets}; "
                "they must agree"
            )
        if self.num_classes is not None and model.classifies and model.num_classes < self.num_classes:
            raise ValueError(
                f"the source has {self.num_classes} ways but {name} has {model.num_classes} classes; "
                "they must agree"
            )


def check_range(name: str, value: Any) -> tuple[float, float]:
    """Return the two ends of a range of finite numbers, from one number or from two."""
    ends = (value, value) if isinstance(value, Real) else tuple(value)
    if len(ends) != 2 or not all(isinstance(end, Real) and np.isfinite(float(end)) for end in ends):
        raise ValueError(f"{name} is {value!r}; give a number, or two for a range: (lowest, highest)")
    low, high = map(float, ends)
    if low > high:
        raise ValueError(f"{name} is {value!r}; give the lower end first")
    return low, high


def check_rows(shots: Any, queries: Any) -> None:
    """Raise unless both are counts of rows."""
    check_count("shots", shots)
    check_count("queries", queries)
