"""MAML (C. Finn, P. Abbeel, S. Levine, ICML 2017, algorithm 1), of first order and exactly of second.

Inner steps are ``theta_{s+1} = theta_s - r_s * g_s`` with the support gradient ``g_s`` at ``theta_s`` and
rates r_s, elementwise. The meta-gradient of second order starts from the query gradient v at ``theta_K``
and goes back through the steps, ``v <- v - H_s (r_s * v)`` with the support Hessian ``H_s`` at ``theta_s``:
the transposed Jacobian of each step, without ever forming it. First order stops at v.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms.contract import adapt, inner_steps, task_gradient
from fastmaml.models import hessian_vector_product, loss_gradient
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
def inner_step(rates: Any, step: int, theta: Any, gradient: Any, theta_out: Any) -> None:
    """Write ``theta - rate * gradient`` with the rates of this step; theta_out may be theta."""
    rate = rates[min(step, rates.shape[0] - 1)]
    for k in range(theta_out.size):
        theta_out[k] = theta[k] - rate[k] * gradient[k]


@task_gradient.register(MAMLSpec)
def _task_gradient(
    algorithm: Any,
    model: Any,
    theta: Any,
    support: Any,
    query: Any,
    want_loss: bool,
    scratch: Any,
    gradient_out: Any,
) -> Any:
    trajectory, saved, vector, product = scratch.trajectory, scratch.saved, scratch.vector, scratch.product
    rates, steps = algorithm.inner_rates, algorithm.inner_steps
    current, support_loss, query_loss = theta, 0.0, 0.0
    # One call for support and query rows: it is inlined, and once is enough.
    for s in range(steps + 1):
        last = s == steps
        rows = query if last else support
        loss = loss_gradient(model, current, rows, want_loss and (s == 0 or last), saved[s], gradient_out)
        if last:
            query_loss = loss
        else:
            support_loss += loss
            inner_step(rates, s, current, gradient_out, trajectory[s])
            current = trajectory[s]
    # A sigmoid makes a finite gradient of infinite parameters: say that they are infinite.
    if not all_finite(current):
        gradient_out[0] = np.nan
    if algorithm.order == 2:
        for back in range(steps):
            s = steps - 1 - back
            rate = rates[min(s, rates.shape[0] - 1)]
            for k in range(vector.size):
                vector[k] = rate[k] * gradient_out[k]
            before = trajectory[s - 1] if s > 0 else theta
            hessian_vector_product(model, before, support, saved[s], vector, product)
            for k in range(vector.size):
                gradient_out[k] -= product[k]
    return support_loss, query_loss


@adapt.register(MAMLSpec)
def _adapt(
    algorithm: Any, model: Any, theta: Any, rows: Any, steps: int, scratch: Any, theta_out: Any
) -> Any:
    current = theta
    for s in range(steps):
        loss_gradient(model, current, rows, False, scratch.saved[0], scratch.product)
        inner_step(algorithm.inner_rates, s, current, scratch.product, theta_out[s])
        current = theta_out[s]
