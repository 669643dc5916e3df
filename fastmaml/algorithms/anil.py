"""ANIL: MAML whose inner loop adapts the last layer alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastmaml.algorithms.algorithm import Algorithm
from fastmaml.algorithms.maml import FIRST_ORDER, MAMLSpec
from fastmaml.models import Model, num_parameters, pad
from fastmaml.validation import check_choice


@dataclass(frozen=True)
class ANIL(Algorithm):
    """ANIL [1]_, "almost no inner loop": the last layer adapts, the layers below are learned for all tasks.

    The inner rate of every parameter below the last layer is zero. A model of one layer is all last layer,
    and ANIL is MAML.

    Parameters
    ----------
    order : {1, 2}, default=2
        Order of the meta-gradient; 2 is exact through all inner steps.
    inner_steps : int, default=1
        Inner steps in training.
    inner_rate : float or array_like of shape (num_parameters,) or (inner_steps, num_parameters), default=0.01
        Inner rate; that of parameters below the last layer is ignored.
    clip_norm : float, optional
        The Euclidean norm that each inner gradient, that of the last layer, is clipped to.

    References
    ----------
    .. [1] A. Raghu, M. Raghu, S. Bengio and O. Vinyals, "Rapid Learning or Feature Reuse? Towards
       Understanding the
       Effectiveness of MAML", ICLR 2020.
    """

    order: int = 2
    inner_steps: int = 1
    inner_rate: Any = 0.01
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("order", self.order, (1, 2))

    def lower(self, model: Model, dtype: np.dtype[Any]) -> MAMLSpec:
        """Return the spec for a model."""
        adapted = np.zeros(num_parameters(model.spec()))
        adapted[-model.layers()[-1].size :] = 1
        inner = self._inner_loop(model, self._rates(model) * adapted, dtype)
        inner = inner._replace(mask=pad(model.spec(), adapted, dtype))
        return MAMLSpec(inner, FIRST_ORDER if self.order == 1 else 0, 0)
