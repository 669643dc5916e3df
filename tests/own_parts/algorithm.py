"""Moreau envelopes (C. T. Dinh, N. H. Tran, T. D. Nguyen, "Personalized Federated Learning with Moreau
Envelopes", NeurIPS 2020): a task minimises its support loss plus ``pull / 2 * |phi - theta|^2``, and the
gradient of what it reaches is ``pull * (theta - phi)``.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Algorithm, adapt, inner_steps, num_learned, task_gradients
from fastmaml.models import loss_gradients, num_parameters, pad
from fastmaml.runtime.compilation import kernel


class MoreauSpec(NamedTuple):
    steps: int
    rates: Any
    pull: float


@dataclass(frozen=True)
class Moreau(Algorithm):
    inner_steps: int = 5
    inner_rate: float = 0.01
    pull: float = 1.0
    clip_norm = None

    def lower(self, model, dtype):
        # A rate of zero in the padding, which has to stay zero.
        rates = np.full(num_parameters(model.spec()), self.inner_rate)
        return MoreauSpec(self.inner_steps, pad(model.spec(), rates, dtype), self.pull)


inner_steps.register(MoreauSpec)(lambda algorithm: algorithm.steps)
num_learned.register(MoreauSpec)(lambda algorithm: 0)


@kernel
def step(algorithm, theta, before, gradients, after):
    for task in range(gradients.shape[0]):
        for k in range(theta.size):
            slope = gradients[task, k] + algorithm.pull * (before[task, k] - theta[k])
            after[task, k] = before[task, k] - algorithm.rates[k] * slope


@task_gradients.register(MoreauSpec)
def moreau_gradients(
    algorithm, model, epoch, meta, support, query, want_loss, scratch, gradients, support_losses, query_losses
):
    tasks, steps, path, slopes = support.count.size, algorithm.steps, scratch.trajectory, scratch.applied[0]
    theta, saved = meta[: path.shape[2]], scratch.saved[0]
    path[0, :tasks] = theta
    for s in range(steps):
        losses = support_losses if s == 0 else scratch.losses
        loss_gradients(model, path[s], support, want_loss and s == 0, saved, slopes, losses)
        step(algorithm, theta, path[s], slopes[:tasks], path[s + 1])
    if want_loss:
        loss_gradients(model, path[steps], query, True, saved, slopes, query_losses)
    for task in range(tasks):
        for k in range(theta.size):
            gradients[task, k] = algorithm.pull * (theta[k] - path[steps, task, k])


@adapt.register(MoreauSpec)
def moreau_adapt(algorithm, model, meta, rows, steps, scratch):
    tasks, path, slopes = rows.count.size, scratch.trajectory, scratch.products
    for s in range(steps):
        loss_gradients(model, path[s], rows, False, scratch.saved[0], slopes, scratch.losses)
        step(algorithm, meta[: path.shape[2]], path[s], slopes[:tasks], path[s + 1])
