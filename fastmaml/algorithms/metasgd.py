"""Meta-SGD: MAML that learns an inner rate for each parameter along with theta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastmaml.algorithms.algorithm import Algorithm
from fastmaml.algorithms.maml import MAML, MAMLSpec
from fastmaml.models import Model
from fastmaml.validation import check_choice


@dataclass(frozen=True)
class MetaSGD(Algorithm):
    """Meta-SGD [1]_: theta and an inner rate for each parameter are learned together.

    Parameters
    ----------
    order : {1, 2}, default=2
        Order of the meta-gradient; 2 is exact, for theta and for the rates.
    inner_steps : int, default=1
        Inner steps in training; all of them share the rates.
    inner_rate : float or array_like of shape (num_parameters,), default=0.01
        The rates that learning starts from. Rates may become negative: that is learned, too.
    clip_norm : float, optional
        The Euclidean norm that each inner gradient is clipped to.

    References
    ----------
    .. [1] Z. Li, F. Zhou, F. Chen and H. Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning",
       2017, algorithm 1.
    """

    order: int = 2
    inner_steps: int = 1
    inner_rate: Any = 0.01
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("order", self.order, (1, 2))
        if np.ndim(self.inner_rate) == 2:
            raise ValueError(
                "inner_rate has two axes; the inner steps of MetaSGD share their rates: give one axis"
            )

    def _as_maml(self) -> MAML:
        return MAML(self.order, self.inner_steps, self.inner_rate, self.clip_norm, learned_rates="parameter")

    def lower(self, model: Model, dtype: np.dtype[Any]) -> MAMLSpec:
        """Return the spec for a model."""
        return self._as_maml().lower(model, dtype)

    def initial_rates(self, model: Model) -> np.ndarray:
        """Return the rates (num_parameters,) that learning starts from."""
        return self._as_maml().initial_rates(model)
