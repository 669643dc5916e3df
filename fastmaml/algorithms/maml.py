"""MAML (C. Finn, P. Abbeel, S. Levine, ICML 2017, algorithm 1), of first order and exactly of second.

Inner steps are ``theta_{s+1} = theta_s - r_s * g_s`` with the support gradient ``g_s`` at ``theta_s`` and
rates r_s, elementwise. The meta-gradient of second order starts from the query gradient v at ``theta_K``
and goes back through the steps, ``v <- v - H_s (r_s * v)`` with the support Hessian ``H_s`` at ``theta_s``:
the transposed Jacobian of each step, without ever forming it. First order stops at v.

Rates that are learned (Z. Li, F. Zhou, F. Chen, H. Li, "Meta-SGD", 2017, equation 4) collect ``-g_s * v`` on
the way back. With a loss at every step (A. Antoniou, H. Edwards, A. Storkey, "How to train your MAML", ICLR
2019, section 4) the outer loss is ``sum_s w_s q(theta_s)``, and ``w_s grad q(theta_s)`` joins v where the
way back reaches theta_s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms.algorithm import Algorithm
from fastmaml.algorithms.contract import (
    adapt,
    gradients_at_step,
    inner_steps,
    num_learned,
    products_at_step,
    task_gradients,
    wants_products,
)
from fastmaml.algorithms.inner_loop import (
    adapt_in_steps,
    add_penalty,
    collect_rate_gradients,
    mark_divergence,
    pull_back_clip,
    rates_of_step,
    take_step,
)
from fastmaml.models import Model
from fastmaml.numerics.vectors import add_scaled, set_scaled, spread, subtract
from fastmaml.runtime.compilation import kernel
from fastmaml.validation import MOST_EPOCHS, check_choice, check_count

# The least weight of a step's loss while weights are annealed, times the number of steps (Antoniou et al.'s
# program, `get_per_step_loss_importance_vector`).
LEAST_WEIGHT = 0.03


class MAMLSpec(NamedTuple):
    """Numbers of MAML.

    Attributes
    ----------
    inner : InnerLoop
        The inner loop.
    second_order_from : int
        The first epoch whose meta-gradient is of second order: 0 for order 2, `FIRST_ORDER` for order 1.
    step_loss_epochs : int
        Epochs in which the loss at every step counts, with weights that end with the last alone; 0 for none.
    """

    inner: Any
    second_order_from: int
    step_loss_epochs: int


LEARNED_RATES = (None, "parameter", "layer", "layer_and_step")
# An epoch that no run reaches.
FIRST_ORDER = 2**62


@dataclass(frozen=True)
class MAML(Algorithm):
    """MAML, of first or of second order.

    Parameters
    ----------
    order : {1, 2}, default=2
        Order of the meta-gradient; 2 is exact through all inner steps.
    inner_steps : int, default=1
        Inner steps in training.
    inner_rate : float or array_like of shape (num_parameters,) or (inner_steps, num_parameters), default=0.01
        Inner rate: one for all, one for each parameter, or one for each step and parameter. Where rates are
        learned, what learning starts from.
    clip_norm : float, optional
        The Euclidean norm that each inner gradient is clipped to. The meta-gradient goes through the
        clipping.
    learned_rates : {None, "parameter", "layer", "layer_and_step"}, default=None
        Which inner rates are learned along with theta: none; one for each parameter [1]_; one for each
        layer; one for each inner step and layer [2]_.
    first_order_epochs : int, default=0
        Epochs of first order before those of second order (derivative-order annealing [2]_).
    step_loss_epochs : int, default=0
        Epochs in which the query loss after every inner step counts (multi-step loss [2]_): all steps alike
        at first, then less and less of all but the last, which alone counts after them.

    References
    ----------
    .. [1] Z. Li, F. Zhou, F. Chen and H. Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning",
       2017.
    .. [2] A. Antoniou, H. Edwards and A. Storkey, "How to train your MAML", ICLR 2019.
    """

    order: int = 2
    inner_steps: int = 1
    inner_rate: Any = 0.01
    clip_norm: float | None = None
    learned_rates: str | None = None
    first_order_epochs: int = 0
    step_loss_epochs: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("order", self.order, (1, 2))
        check_choice("learned_rates", self.learned_rates, LEARNED_RATES)
        check_count("first_order_epochs", self.first_order_epochs, 0, MOST_EPOCHS)
        check_count("step_loss_epochs", self.step_loss_epochs, 0, MOST_EPOCHS)

    def lower(self, model: Model, dtype: np.dtype[Any]) -> MAMLSpec:
        """Return the spec for a model."""
        if self.learned_rates is None:
            inner = self._inner_loop(model, self._rates(model), dtype)
        else:
            inner = self._learning_loop(model, self._places(model), self.initial_rates(model), dtype)
        second_order_from = FIRST_ORDER if self.order == 1 else int(self.first_order_epochs)
        return MAMLSpec(inner, second_order_from, int(self.step_loss_epochs))

    def _places(self, model: Model) -> np.ndarray:
        """Return which of the learned rates a parameter has, (rate_steps, num_parameters)."""
        sizes = [layer.size for layer in model.layers()]
        if self.learned_rates == "parameter":
            return np.arange(sum(sizes))[np.newaxis]
        steps = self.inner_steps if self.learned_rates == "layer_and_step" else 1
        layers = np.repeat(np.arange(len(sizes)), sizes)
        return layers + len(sizes) * np.arange(steps)[:, np.newaxis]

    def initial_rates(self, model: Model) -> np.ndarray:
        """Return the rates that learning starts from.

        Returns
        -------
        ndarray of shape (0,), (num_parameters,), (layers,) or (inner_steps, layers)
        """
        if self.learned_rates is None:
            return np.zeros(0)
        given, places = self._rates(model), self._places(model)
        if self.learned_rates == "parameter":
            if len(given) > 1:
                raise ValueError(
                    'inner_rate has rates for each step, but learned_rates="parameter" learns one for all '
                    "steps; give (num_parameters,) or a number"
                )
            return given[0]
        # Of several given for one that is learned, their mean.
        given = np.broadcast_to(given, (max(len(given), len(places)), given.shape[1]))
        places = np.broadcast_to(places, given.shape)
        counts = np.bincount(places.ravel())
        rates: np.ndarray = np.bincount(places.ravel(), given.ravel()) / counts
        layers = len(model.layers())
        return rates.reshape(-1, layers) if self.learned_rates == "layer_and_step" else rates


@inner_steps.register(MAMLSpec)
def _inner_steps(algorithm: Any) -> Any:
    return algorithm.inner.steps


@num_learned.register(MAMLSpec)
def _num_learned(algorithm: Any) -> Any:
    return algorithm.inner.num_rates


@wants_products.register(MAMLSpec)
def maml_wants_products(algorithm: Any) -> Any:
    """Return whether any epoch is of second order, for a spec with the fields of `MAMLSpec`."""
    return algorithm.second_order_from < FIRST_ORDER


@kernel
def step_loss_weight(algorithm: Any, epoch: int, step: int) -> float:
    """Return the weight of the query loss after ``step`` inner steps, 1 to K; all of them add up to 1."""
    steps, epochs = algorithm.inner.steps, algorithm.step_loss_epochs
    if epoch >= epochs or steps == 1:
        return 1.0 if step == steps else 0.0
    least = LEAST_WEIGHT / steps
    early = max(1.0 / steps - epoch * (1.0 / steps / epochs), least)
    return early if step < steps else 1.0 - (steps - 1) * early


@task_gradients.register(MAMLSpec)
def maml_task_gradients(
    algorithm: Any,
    model: Any,
    epoch: int,
    meta: Any,
    support: Any,
    query: Any,
    want_loss: bool,
    scratch: Any,
    gradients_out: Any,
    support_losses_out: Any,
    query_losses_out: Any,
) -> None:
    """Write MAML's gradients, for a spec with the fields of `MAMLSpec`."""
    inner = algorithm.inner
    tasks, steps = support.count.size, inner.steps
    trajectory, applied, norms = scratch.trajectory, scratch.applied, scratch.norms
    width = trajectory.shape[2]
    spread(meta, tasks, width, trajectory[0])
    each_step = epoch < algorithm.step_loss_epochs and steps > 1
    # Where nothing stands behind theta's gradient, and nothing scales it, it need not be moved.
    in_place = not each_step and inner.num_rates == 0
    # One call for support and query rows: it is inlined, and once is enough. The query gradient is wanted
    # after the last step, or after every step but none.
    for s in range(steps + 1):
        last = s == steps
        for kind in range(2):
            on_query = kind == 1
            if (last or (s > 0 and each_step)) if on_query else not last:
                gradients_at_step(
                    algorithm,
                    model,
                    trajectory[s],
                    query if on_query else support,
                    on_query,
                    s,
                    want_loss and (last or (s == 0 and not on_query)),
                    scratch.saved,
                    (gradients_out if in_place else scratch.query_gradients[s]) if on_query else applied[s],
                    query_losses_out if on_query else support_losses_out,
                )
        if not last:
            room, after = scratch.rates[s], trajectory[s + 1]
            take_step(inner, meta, s, tasks, trajectory[s], applied[s], norms[s], room, after)
    if not in_place:
        weight = meta.dtype.type(step_loss_weight(algorithm, epoch, steps))
        set_scaled(weight, scratch.query_gradients[steps], tasks, width, gradients_out)
    if inner.num_rates > 0:
        gradients_out[:, width:] = 0
    second_order = epoch >= algorithm.second_order_from
    if second_order or each_step or inner.num_rates > 0:
        vectors, products = scratch.vectors, scratch.products
        for back in range(steps):
            s = steps - 1 - back
            if inner.num_rates > 0:
                collect_rate_gradients(inner, tasks, s, applied[s], gradients_out, gradients_out)
            if second_order:
                rates = rates_of_step(inner, meta, s, scratch.rates[s])
                set_scaled(rates, gradients_out, tasks, width, vectors)
                pull_back_clip(inner, tasks, applied[s], norms[s], vectors)
                products_at_step(
                    algorithm, model, trajectory[s], support, s, scratch.saved, vectors, products
                )
                add_penalty(inner, vectors, tasks, products)
                subtract(products, tasks, width, gradients_out)
            if each_step and s > 0:
                weight = meta.dtype.type(step_loss_weight(algorithm, epoch, s))
                add_scaled(weight, scratch.query_gradients[s], tasks, width, gradients_out)
    mark_divergence(trajectory[steps], tasks, gradients_out)


adapt.register(MAMLSpec)(adapt_in_steps)
