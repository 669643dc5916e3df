"""ANIL: MAML whose inner loop adapts the last layer alone.

The layers below have an inner rate of zero. What they make of a task's support rows is the same at every
inner step, so it is computed once (`fastmaml.models.contract.head_gradients`), and so is the way back
through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms.algorithm import Algorithm
from fastmaml.algorithms.contract import (
    adapt,
    gradients_at_step,
    head_only,
    inner_steps,
    num_learned,
    products_at_step,
    task_gradients,
    wants_products,
)
from fastmaml.algorithms.inner_loop import adapt_in_steps
from fastmaml.algorithms.maml import FIRST_ORDER, MAMLSpec, maml_task_gradients, maml_wants_products
from fastmaml.models import Model, head_gradients, head_products, loss_gradients, num_parameters, pad
from fastmaml.validation import check_choice


class ANILSpec(NamedTuple):
    """Numbers of ANIL, as `fastmaml.algorithms.maml.MAMLSpec` has them.

    Attributes
    ----------
    inner : InnerLoop
        The inner loop, with rates of zero below the last layer.
    second_order_from, step_loss_epochs : int
        As MAML has them.
    """

    inner: Any
    second_order_from: int
    step_loss_epochs: int


@dataclass(frozen=True)
class ANIL(Algorithm):
    """ANIL [1]_, "almost no inner loop": the last layer adapts, the layers below are learned for all tasks.

    What the layers below make of a task's rows is computed once a task, not in every inner step. A model of
    one layer is all last layer, and ANIL is MAML.

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
       Understanding the Effectiveness of MAML", ICLR 2020.
    """

    order: int = 2
    inner_steps: int = 1
    inner_rate: Any = 0.01
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("order", self.order, (1, 2))

    def lower(self, model: Model, dtype: np.dtype[Any]) -> ANILSpec | MAMLSpec:
        """Return the spec for a model."""
        adapted = np.zeros(num_parameters(model.spec()))
        adapted[-model.layers()[-1].size :] = 1
        inner = self._inner_loop(model, self._rates(model) * adapted, dtype)
        inner = inner._replace(mask=pad(model.spec(), adapted, dtype))
        # A model of one layer has nothing below it: nothing that MAML has not compiled.
        spec = ANILSpec if len(model.layers()) > 1 else MAMLSpec
        return spec(inner, FIRST_ORDER if self.order == 1 else 0, 0)


@inner_steps.register(ANILSpec)
def _inner_steps(algorithm: Any) -> Any:
    return algorithm.inner.steps


@num_learned.register(ANILSpec)
def _num_learned(algorithm: Any) -> Any:
    return 0


@head_only.register(ANILSpec)
def _head_only(algorithm: Any) -> Any:
    return True


@gradients_at_step.register(ANILSpec)
def _gradients_at_step(
    algorithm: Any,
    model: Any,
    thetas: Any,
    rows: Any,
    on_query: bool,
    step: int,
    want_loss: bool,
    saved: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    last = saved.shape[0] - 1
    if on_query:
        loss_gradients(model, thetas, rows, want_loss, saved[last], gradients_out, losses_out)
    else:
        kept = saved[min(step, last)]
        head_gradients(model, thetas, rows, step, want_loss, saved[0], kept, gradients_out, losses_out)


@products_at_step.register(ANILSpec)
def _products_at_step(
    algorithm: Any,
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    saved: Any,
    vectors: Any,
    products_out: Any,
) -> None:
    head_products(model, thetas, rows, step, saved[0], saved[step], vectors, products_out)


task_gradients.register(ANILSpec)(maml_task_gradients)
wants_products.register(ANILSpec)(maml_wants_products)


adapt.register(ANILSpec)(adapt_in_steps)
