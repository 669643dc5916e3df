"""What a user writes of a source: a plain frozen object, checked when it is made, and lowered to a spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastmaml.arrays import as_array, finite_floats, shown
from fastmaml.sources.contract import requirements
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
    checked_targets : bool
        Whether `check` looks at the targets themselves, so that nobody need say what they are.
    negative_targets : bool
        Whether targets are any numbers, negative ones and fractions among them.
    """

    num_features: int
    num_targets: int = 1
    num_classes: int | None = None
    num_tasks: int | None = None
    checked_targets = False
    negative_targets = False

    def lower(self, seed: int) -> Any:
        """Return the spec."""
        raise NotImplementedError(f"{type(self).__name__} has no method lower(seed) that returns its spec")

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
        if model.classifies and self.num_classes is None and not self.checked_targets:
            raise ValueError(
                f"{name} learns classes, but the targets of {type(self).__name__} are other numbers (its "
                "num_classes is None); give a source of classes, or a model of numbers such as models.Linear"
            )
        if self.negative_targets:
            try:
                model.check_targets("y", np.array([-0.5]))
            except ValueError:
                raise ValueError(
                    f"{name} cannot learn the targets of {type(self).__name__}, which may be negative; give "
                    "another loss, or another source"
                ) from None
        if self.num_classes is not None and model.classifies and model.num_classes < self.num_classes:
            raise ValueError(
                f"the source has {self.num_classes} ways but {name} has {model.num_classes} classes; "
                "they must agree"
            )


@dataclass(frozen=True)
class OwnSource(Source):
    """A source given as a spec that contract functions are registered for.

    Parameters
    ----------
    own_spec : NamedTuple
        The spec. A field ``seed`` is given the run's seed, as numpy.uint64; where targets are classes, a
        field ``num_classes`` says how many. What it needs tells the features and targets of a row.
    """

    own_spec: Any

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Features of a row."""
        return int(requirements(self.own_spec, 1).features)

    @property
    def num_targets(self) -> int:  # type: ignore[override]
        """Targets of a row."""
        return int(requirements(self.own_spec, 1).targets)

    @property
    def num_classes(self) -> int | None:  # type: ignore[override]
        """Classes, where the spec has a field of that name."""
        return getattr(self.own_spec, "num_classes", None)

    def lower(self, seed: int) -> Any:
        """Return the spec, with the seed."""
        spec = self.own_spec
        return spec._replace(seed=np.uint64(seed)) if "seed" in spec._fields else spec


def as_source(source: Any) -> Source:
    """Return a source, from itself or from a spec."""
    if isinstance(source, Source):
        return source
    if isinstance(source, tuple) and hasattr(source, "_fields"):
        requirements(source, 1)  # Raises, and says how to register one, where there is no such part.
        return OwnSource(source)
    raise TypeError(
        f"source is {shown(source)}; give one of fastmaml.sources, such as "
        "sources.Table(tasks, shots=8), or a spec of your own"
    )


def check_range(name: str, value: Any) -> float | tuple[float, float]:
    """Return a finite number, or the two ends of a range of finite numbers."""
    wanted = "give a number, or two for a range: (lowest, highest)"
    array = as_array(name, value)
    if array.shape not in ((), (2,)) or array.dtype.kind == "b":
        raise ValueError(f"{name} is {value!r}; {wanted}")
    try:
        ends = finite_floats(name, array, ("end",)[: array.ndim])
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} is {value!r}; {wanted}, all finite") from None
    if array.ndim == 0:
        return float(ends)
    low, high = map(float, ends)
    if low > high:
        raise ValueError(f"{name} is {value!r}; give the lower end first")
    return low, high


def check_rows(shots: Any, queries: Any) -> None:
    """Raise unless both are counts of rows."""
    check_count("shots", shots)
    check_count("queries", queries)
