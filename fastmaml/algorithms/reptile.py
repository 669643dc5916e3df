"""Reptile (A. Nichol, J. Achiam, J. Schulman, "On First-Order Meta-Learning Algorithms", 2018, algorithm 2).

K inner steps on all of a task's rows, support and query together, and then ``theta - theta_K`` in the place
of a gradient: an outer step of gradient descent with rate e is ``theta <- theta + e * mean(theta_K -
theta)``. With one task a batch it is the serial version, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms.algorithm import Algorithm
from fastmaml.algorithms.contract import adapt, inner_steps, num_learned, task_gradients, wants_products
from fastmaml.algorithms.inner_loop import (
    adapt_in_steps,
    mark_divergence,
    take_step,
)
from fastmaml.models import Model, loss_gradients
from fastmaml.numerics.vectors import set_difference, spread


class ReptileSpec(NamedTuple):
    """Numbers of Reptile.

    Attributes
    ----------
    inner : InnerLoop
        The inner loop.
    """

    inner: Any


@dataclass(frozen=True)
class Reptile(Algorithm):
    """Reptile [1]_: towards the parameters that inner steps on all of a task's rows lead to.

    ``theta - theta_K`` takes the place of the gradient, so that `fastmaml.optimizers.SGD` with
    ``learning_rate=e`` steps by ``e * mean(theta_K - theta)``; the paper's e falls linearly to zero
    (``schedule="linear"``). With ``tasks_per_batch=1`` it is the paper's serial version.

    Parameters
    ----------
    inner_steps : int, default=5
        Inner steps in training.
    inner_rate : float or array_like of shape (num_parameters,) or (inner_steps, num_parameters), default=0.01
        Inner rate.
    clip_norm : float, optional
        The Euclidean norm that each inner gradient is clipped to.

    References
    ----------
    .. [1] A. Nichol, J. Achiam and J. Schulman, "On First-Order Meta-Learning Algorithms", 2018, algorithm 2.
    """

    inner_steps: int = 5
    inner_rate: Any = 0.01
    clip_norm: float | None = None

    def lower(self, model: Model, dtype: np.dtype[Any]) -> ReptileSpec:
        """Return the spec for a model."""
        return ReptileSpec(self._inner_loop(model, self._rates(model), dtype))


@inner_steps.register(ReptileSpec)
def _inner_steps(algorithm: Any) -> Any:
    return algorithm.inner.steps


@num_learned.register(ReptileSpec)
def _num_learned(algorithm: Any) -> Any:
    return 0


@wants_products.register(ReptileSpec)
def _wants_products(algorithm: Any) -> Any:
    return False


@task_gradients.register(ReptileSpec)
def _task_gradients(
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
    inner = algorithm.inner
    tasks, steps = support.count.size, inner.steps
    trajectory, saved = scratch.trajectory, scratch.saved[0]
    gradients, others = scratch.applied[0], scratch.query_gradients[0]
    width = trajectory.shape[2]
    spread(meta, tasks, width, trajectory[0])
    # After the last step the loss may be wanted, and no gradient.
    for s in range(steps + 1 if want_loss else steps):
        for kind in range(2):
            on_query = kind == 1
            loss_gradients(
                model,
                trajectory[s],
                query if on_query else support,
                want_loss and s in (0, steps),
                saved,
                others if on_query else gradients,
                # Of the support rows the loss before the first step stays, of the query rows the last.
                query_losses_out if on_query else support_losses_out if s == 0 else scratch.losses,
            )
        if s < steps:
            for task in range(tasks):
                rows = support.count[task] + query.count[task]
                share = meta.dtype.type(support.count[task] / rows)
                other_share = meta.dtype.type(query.count[task] / rows)
                gradient, other = gradients[task], others[task]
                for k in range(width):
                    gradient[k] = share * gradient[k] + other_share * other[k]
            norms, room, after = scratch.norms[0], scratch.rates[0], trajectory[s + 1]
            take_step(inner, meta, s, tasks, trajectory[s], gradients, norms, room, after)
    set_difference(trajectory[0], trajectory[steps], tasks, width, gradients_out)
    mark_divergence(trajectory[steps], tasks, gradients_out)


adapt.register(ReptileSpec)(adapt_in_steps)
