"""Optimizers: steps, schedules and clipping as their papers write them."""

import math
import re

import numpy as np
import pytest

from fastmaml import algorithms, meta_train, models, optimizers, sources
from fastmaml.optimizers import state_size, update

GRADIENTS = np.random.default_rng(0).normal(size=(12, 7))


def steps_of(optimizer, epochs=12):
    """Return theta after each step on `GRADIENTS`, from ones."""
    spec = optimizer.lower(epochs)
    theta, state = np.ones(7), np.zeros(state_size(spec, 7))
    found = []
    for epoch, gradient in enumerate(GRADIENTS[:epochs]):
        update(spec, epoch, theta, gradient.copy(), state)
        found.append(theta.copy())
    return np.array(found)


def naive_steps(direction, rate=lambda epoch: 0.1, decay=0.0, clip=math.inf):
    """Return theta after each step; ``direction(epoch, gradients so far)`` is what a step goes along."""
    theta, seen, found = np.ones(7), [], []
    for epoch, gradient in enumerate(GRADIENTS):
        seen.append(gradient * min(1.0, clip / np.linalg.norm(gradient)))
        theta = theta - rate(epoch) * (direction(epoch, seen) + decay * theta)
        found.append(theta)
    return np.array(found)


def plain(epoch, seen):
    return seen[-1]


def polyak(epoch, seen):
    return sum(0.8 ** (epoch - i) * gradient for i, gradient in enumerate(seen))


def nesterov(epoch, seen):
    return seen[-1] + 0.8 * polyak(epoch, seen)


def adam(epoch, seen):
    share = [0.9 ** (epoch - i) * 0.1 for i in range(epoch + 1)]
    square = [0.99 ** (epoch - i) * 0.01 for i in range(epoch + 1)]
    first = sum(s * g for s, g in zip(share, seen, strict=True)) / (1 - 0.9 ** (epoch + 1))
    second = sum(s * g * g for s, g in zip(square, seen, strict=True)) / (1 - 0.99 ** (epoch + 1))
    return first / (np.sqrt(second) + 1e-3)


ADAM = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}
CASES = {
    "sgd": (optimizers.SGD(0.1), naive_steps(plain)),
    "sgd, clipped": (optimizers.SGD(0.1, clip_norm=1.5), naive_steps(plain, clip=1.5)),
    "momentum": (optimizers.Momentum(0.1, 0.8), naive_steps(polyak)),
    "nesterov": (optimizers.Momentum(0.1, 0.8, nesterov=True), naive_steps(nesterov)),
    "adam": (optimizers.Adam(0.1, **ADAM), naive_steps(adam)),
    "adam, clipped": (optimizers.Adam(0.1, **ADAM, clip_norm=2.0), naive_steps(adam, clip=2.0)),
    "adamw": (optimizers.AdamW(0.1, **ADAM, weight_decay=0.3), naive_steps(adam, decay=0.3)),
}


@pytest.mark.parametrize("name", CASES)
def test_steps(name):
    optimizer, expected = CASES[name]
    np.testing.assert_allclose(steps_of(optimizer), expected, rtol=1e-13, atol=1e-14)


def rate(schedule, epoch, warmup, end, final=0.0):
    """Return the rate of an epoch by its definition."""
    if epoch < warmup:
        return 0.1 * (epoch + 1) / warmup
    gone = min(1, (epoch - warmup) / (end - warmup))
    share = {"constant": 1, "linear": 1 - gone, "cosine": (1 + math.cos(math.pi * gone)) / 2}[schedule]
    return final + (0.1 - final) * share


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize(("warmup", "end", "final"), [(0, None, 0.0), (3, None, 0.0), (2, 8, 0.02)])
def test_schedules(schedule, warmup, end, final):
    given = {"warmup_epochs": warmup, "schedule_epochs": end, "final_learning_rate": final}
    if schedule == "constant":
        given["final_learning_rate"] = final = 0.0
    found = steps_of(optimizers.SGD(0.1, schedule=schedule, **given))
    expected = naive_steps(plain, lambda epoch: rate(schedule, epoch, warmup, end or 12, final))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def test_adam_counts_its_steps_itself():
    """An epoch is an address and not a count: moments that start late are corrected all the same."""
    spec = optimizers.Adam(0.1, **ADAM).lower(10**6)
    theta, state = np.ones(7, np.float32), np.zeros(state_size(spec, 7), np.float32)
    update(spec, 123_456, theta, GRADIENTS[0].astype(np.float32), state)
    np.testing.assert_allclose(theta, steps_of(optimizers.Adam(0.1, **ADAM))[0], rtol=1e-6)
    state[0] = 1022
    for _ in range(3):
        update(spec, 0, theta, GRADIENTS[0].astype(np.float32), state)
    assert (state[0], state[1]) == (1, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD(-1), "learning_rate is -1.0; give a finite number, 0 or larger"),
        (lambda: optimizers.SGD(math.nan), "learning_rate is nan"),
        (lambda: optimizers.SGD(schedule="step"), "'step'; give one of 'constant', 'linear', 'cosine'"),
        (lambda: optimizers.SGD(warmup_epochs=-1), "warmup_epochs is -1; give a whole number, at least 0"),
        (lambda: optimizers.SGD(clip_norm=0), "clip_norm is 0.0; give a finite number, above 0, or None"),
        (lambda: optimizers.Momentum(momentum=1), "momentum is 1.0; give a finite number, from 0 to below 1"),
        (lambda: optimizers.Adam(beta1=1.5), "beta1 is 1.5; give a finite number, from 0 to below 1"),
        (lambda: optimizers.Adam(beta1=math.nan), "beta1 is nan; give a finite number, from 0 to below 1"),
        (
            lambda: optimizers.SGD(warmup_epochs=9, schedule_epochs=8),
            "schedule_epochs is 8, but the rate still rises then: warmup_epochs is 9",
        ),
        (lambda: optimizers.Adam(epsilon=0), "epsilon is 0; give a number above 0"),
        (lambda: optimizers.AdamW(weight_decay=-0.1), "weight_decay is -0.1"),
    ],
)
def test_bad_numbers_are_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("beta", [0.999, 0.999999, 1 - 1e-8])
def test_the_first_step_of_adam_is_the_rate_in_either_precision(beta):
    """Both moments are corrected to the gradient and its square, whatever the betas."""
    for dtype in ("float64", "float32"):
        run = meta_train(
            models.Linear(2),
            algorithms.MAML(),
            sources.LinearTasks([3.0, 2.0]),
            optimizers.Adam(1.0, beta1=beta, beta2=beta),
            tasks_per_batch=4,
            epochs=1,
            theta=np.zeros(3),
            random_state=1,
            dtype=dtype,
        )
        np.testing.assert_allclose(np.abs(run.theta), 1.0, rtol=1e-5)
