"""MAML (C. Finn, P. Abbeel, S. Levine, ICML 2017, algorithm 1), of first order and exactly of second.

Inner steps are ``theta_{s+1} = theta_s - r_s * g_s`` with the support gradient ``g_s`` at ``theta_s`` and
rates r_s, elementwise. The meta-gradient of second order starts from the query gradient v at ``theta_K``
and goes back through the steps, ``v <- v - H_s (r_s * v)`` with the support Hessian ``H_s`` at ``theta_s``:
the transposed Jacobian of each step, without ever forming it. First order stops at v.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms.contract import adapt, inner_steps, task_gradients
from fastmaml.models import hessian_vector_products, loss_gradients
from fastmaml.numerics.elementary import all_finite
from fastmaml.runtime.compilation import kernel


class MAMLSpec(NamedTuple):
    """Numbers of MAML.

    Attributes
    ----------
    order : int
        1 or 2.
    inner_steps : int
        Steps on the support rows, at least 1.
    inner_rates : ndarray of shape (rate_steps, width)
        A rate for each parameter and step, zero from ``num_parameters`` on, so that the padding of the
        parameters stays zero; steps beyond the last row use the last row.
    """

    order: int
    inner_steps: int
    inner_rates: Any


@inner_steps.register(MAMLSpec)
def _inner_steps(algorithm: Any) -> Any:
    return algorithm.inner_steps


@kernel
def _inner_step(algorithm: Any, step: int, thetas: Any, gradients: Any, thetas_out: Any) -> None:
    """Write each task's ``theta - rate * gradient`` with the rates of this step."""
    rates = algorithm.inner_rates
    rate = rates[min(step, rates.shape[0] - 1)]
    for task in range(thetas.shape[0]):
        theta, gradient, theta_out = thetas[task], gradients[task], thetas_out[task]
        for k in range(rate.size):
            theta_out[k] = theta[k] - rate[k] * gradient[k]


@task_gradients.register(MAMLSpec)
def _task_gradients(
    algorithm: Any,
    model: Any,
    theta: Any,
    support: Any,
    query: Any,
    want_loss: bool,
    scratch: Any,
    gradients_out: Any,
    support_losses_out: Any,
    query_losses_out: Any,
) -> None:
    tasks, steps = gradients_out.shape[0], algorithm.inner_steps
    trajectory, saved = scratch.trajectory, scratch.saved
    for task in range(tasks):
        start = trajectory[0, task]
        for k in range(theta.size):
            start[k] = theta[k]
    # One call for support and query rows: it is inlined, and once is enough.
    for s in range(steps + 1):
        last = s == steps
        rows = query if last else support
        losses_out = query_losses_out if last else support_losses_out
        current, seen = trajectory[s, :tasks], want_loss and (s == 0 or last)
        loss_gradients(model, current, rows, seen, saved[s], gradients_out, losses_out)
        if not last:
            _inner_step(algorithm, s, current, gradients_out, trajectory[s + 1, :tasks])
    # A sigmoid makes a finite gradient of infinite parameters: say that they are infinite.
    for task in range(tasks):
        if not all_finite(trajectory[steps, task]):
            gradients_out[task, 0] = np.nan
    if algorithm.order == 2:
        rates, vectors, products = algorithm.inner_rates, scratch.vectors[:tasks], scratch.products[:tasks]
        for back in range(steps):
            s = steps - 1 - back
            rate = rates[min(s, rates.shape[0] - 1)]
            for task in range(tasks):
                vector, gradient = vectors[task], gradients_out[task]
                for k in range(rate.size):
                    vector[k] = rate[k] * gradient[k]
            hessian_vector_products(model, trajectory[s, :tasks], support, saved[s], vectors, products)
            for task in range(tasks):
                gradient, product = gradients_out[task], products[task]
                for k in range(rate.size):
                    gradient[k] -= product[k]


@adapt.register(MAMLSpec)
def _adapt(algorithm: Any, model: Any, rows: Any, steps: int, scratch: Any) -> None:
    tasks = rows.count.size
    gradients = scratch.products[:tasks]
    for s in range(steps):
        current = scratch.trajectory[s, :tasks]
        loss_gradients(model, current, rows, False, scratch.saved[0], gradients, scratch.losses)
        _inner_step(algorithm, s, current, gradients, scratch.trajectory[s + 1, :tasks])
