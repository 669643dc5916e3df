"""The inner loop's step, which all algorithms share: rates, penalty and clipping.

``theta_{s+1} = theta_s - r_s * clip(g_s)``, elementwise in the rates, with the gradient g_s of the task's
mean loss plus ``sum(penalty * theta^2) / 2``, clipped to a norm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms.contract import gradients_at_step
from fastmaml.numerics.elementary import all_finite, euclidean_norm
from fastmaml.numerics.vectors import add_scaled, set_scaled, step_down
from fastmaml.runtime.compilation import kernel


class InnerLoop(NamedTuple):
    """Numbers of the inner loop.

    Attributes
    ----------
    mask : ndarray of shape (width,)
        One for a parameter, zero for padding.
    steps : int
        Steps in training, at least 1.
    rates : ndarray of shape (rate_steps, width)
        A rate for each parameter and step, zero from ``num_parameters`` on, so that the padding of the
        parameters stays zero; steps beyond the last row use the last row. Where rates are learned: what
        these are multiplied by.
    rate_index : ndarray of shape (rate_steps or 0, width) of int64
        Which of the learned rates a parameter has at a step; no rows where none are learned.
    num_rates : int
        How many rates are learned.
    penalty : ndarray of shape (width or 0,)
        L2 penalty of each parameter; empty for none.
    clip : float
        The norm that gradients are clipped to; 0 for none.
    """

    mask: Any
    steps: int
    rates: Any
    rate_index: Any
    num_rates: int
    penalty: Any
    clip: float

    @classmethod
    def with_rates(
        cls, positions: Any, steps: int, rates: Any, penalty: Any = None, clip: float = 0.0
    ) -> InnerLoop:
        """Describe an inner loop with fixed rates (rate_steps, width) of parameters at some positions."""
        mask = np.zeros_like(rates[0])
        mask[positions] = 1
        none = np.zeros(0, rates.dtype) if penalty is None else penalty
        return cls(mask, steps, rates, np.zeros((0, rates.shape[1]), np.int64), 0, none, clip)


@kernel
def rates_of_step(inner: Any, meta: Any, step: int, out: Any) -> Any:
    """Return the rates (width,) of a step; out (width,) is memory for them."""
    row, width = min(step, inner.rates.shape[0] - 1), out.size
    rates = inner.rates[row]
    if inner.num_rates == 0:
        return rates
    index = inner.rate_index[row]
    for k in range(width):
        out[k] = rates[k] * meta[width + index[k]]
    return out


@kernel
def add_penalty(inner: Any, vectors: Any, tasks: int, out: Any) -> None:
    """Add the penalty's Hessian times each task's vector (of theta: its gradient) to out (tasks, width)."""
    if inner.penalty.size > 0:
        add_scaled(inner.penalty, vectors, tasks, out.shape[1], out)


@kernel
def clip_gradients(inner: Any, tasks: int, gradients: Any, norms_out: Any) -> None:
    """Scale each task's gradient (tasks, width) to the clipping norm at most; write the norms it had."""
    if inner.clip > 0:
        set_scaled(inner.mask, gradients, tasks, gradients.shape[1], gradients)
        for task in range(tasks):
            gradient = gradients[task]
            norm = euclidean_norm(gradient)
            norms_out[task] = norm
            if norm > inner.clip:
                factor = gradient.dtype.type(inner.clip / norm)
                for k in range(gradient.size):
                    gradient[k] *= factor


@kernel
def take_step(
    inner: Any,
    meta: Any,
    step: int,
    tasks: int,
    thetas: Any,
    gradients: Any,
    norms_out: Any,
    rates_room: Any,
    thetas_out: Any,
) -> None:
    """Write what an inner step makes of each task's theta, from the gradient of its mean loss.

    gradients (tasks, width): penalised and clipped in place; norms_out: what they were before clipping.
    rates_room (width,): memory for the rates.
    """
    add_penalty(inner, thetas, tasks, gradients)
    clip_gradients(inner, tasks, gradients, norms_out)
    rates = rates_of_step(inner, meta, step, rates_room)
    step_down(thetas, rates, gradients, tasks, rates.size, thetas_out)


@kernel
def pull_back_clip(inner: Any, tasks: int, gradients: Any, norms: Any, vectors: Any) -> None:
    """Multiply each task's vector (tasks, width) by the derivative of clipping, in place.

    Where a gradient of norm |g| was clipped to norm c, with ``n = g / |g|``: ``(c / |g|) (a - n (n . a))``.
    The gradients come clipped, with the norms that they had.
    """
    if inner.clip > 0:
        for task in range(tasks):
            if norms[task] > inner.clip:
                gradient, vector = gradients[task], vectors[task]
                along = 0.0
                for k in range(vector.size):
                    along += float(gradient[k]) * float(vector[k])
                along /= inner.clip * inner.clip
                shrink = inner.clip / norms[task]
                for k in range(vector.size):
                    vector[k] = vector.dtype.type(shrink * (float(vector[k]) - along * float(gradient[k])))


@kernel
def collect_rate_gradients(
    inner: Any, tasks: int, step: int, gradients: Any, vectors: Any, metas_out: Any
) -> None:
    """Add each task's ``-gradient * vector`` to the gradients of the rates that the step used.

    metas_out (tasks, meta_size): the rates' gradients stand behind theta's.
    """
    row, width = min(step, inner.rates.shape[0] - 1), gradients.shape[1]
    scale, index = inner.rates[row], inner.rate_index[row]
    for task in range(tasks):
        gradient, vector, out = gradients[task], vectors[task], metas_out[task]
        for k in range(width):
            out[width + index[k]] -= scale[k] * gradient[k] * vector[k]


@kernel
def mark_divergence(thetas: Any, tasks: int, gradients_out: Any) -> None:
    """Make the gradient of each task NaN whose parameters (tasks, width) are not finite.

    A sigmoid makes a finite gradient of infinite parameters: say that they are infinite.
    """
    for task in range(tasks):
        if not all_finite(thetas[task]):
            gradients_out[task, 0] = np.nan


def adapt_in_steps(algorithm: Any, model: Any, meta: Any, rows: Any, steps: int, scratch: Any) -> None:
    """Take inner steps on the given rows, see `fastmaml.algorithms.contract.adapt`."""
    inner, tasks = algorithm.inner, rows.count.size
    gradients, trajectory, norms = scratch.products, scratch.trajectory, scratch.norms[0]
    for s in range(steps):
        gradients_at_step(
            algorithm, model, trajectory[s], rows, False, s, False, scratch.saved, gradients, scratch.losses
        )
        room, after = scratch.rates[0], trajectory[s + 1]
        take_step(inner, meta, s, tasks, trajectory[s], gradients, norms, room, after)
