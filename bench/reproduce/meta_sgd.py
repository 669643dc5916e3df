"""The Meta-SGD paper's sine regression (Li, Zhou, Chen, Li, 2017, section 4.1), trained with 5 points.

Curves whose frequency, too, is a task's own: uniform from 0.8 to 1.2. A ReLU network of 40 - 40 units, one
inner step, 4 tasks an epoch, 60,000 epochs, Adam at 1e-3; weights from a normal of deviation 0.01, cut off
at two. MAML's inner rate is 0.01; Meta-SGD's rates start from one number, uniform from 0.005 to 0.1, and
are learned. Tested on fresh curves with 5, 10 and 20 points; the paper does so after 1 step.
"""

import time

import numpy as np

from bench.reproduce.curves import (
    CAPTION,
    POINTS,
    STEPS,
    TEST_QUERIES,
    TEST_SEED,
    heading,
    network,
    row,
)
from bench.reproduce.picture import draw
from fastmaml import algorithms, meta_train, optimizers, sources

EPOCHS = 60_000
SHOTS, TASKS_PER_BATCH, RATE = 5, 4, 0.01
LEAST_RATE, MOST_RATE = 0.005, 0.1
# The paper's table: mean squared error after 1 step with 5, 10 and 20 points, over 100 curves.
PAPER = {
    "MAML": {5: 1.13, 10: 0.85, 20: 0.71},
    "Meta-SGD": {5: 0.90, 10: 0.63, 20: 0.50},
}


def curves(points, queries):
    """Return the paper's curves."""
    return sources.Sinusoid(points, queries, frequency=(0.8, 1.2))


def run(seed, epochs, tasks, picture):
    """Train, test and print."""
    first_rate = float(np.random.default_rng(seed).uniform(LEAST_RATE, MOST_RATE))
    learned = {}
    for name, algorithm in (
        ("MAML", algorithms.MAML(order=2, inner_steps=1, inner_rate=RATE)),
        ("Meta-SGD", algorithms.MetaSGD(order=2, inner_steps=1, inner_rate=first_rate)),
    ):
        begin = time.perf_counter()
        learned[name] = meta_train(
            network(),
            algorithm,
            curves(SHOTS, SHOTS),
            optimizers.Adam(1e-3),
            tasks_per_batch=TASKS_PER_BATCH,
            epochs=epochs,
            dtype="float32",
            random_state=seed,
        )
        seconds = time.perf_counter() - begin
        print(f"{name}: {epochs:,} epochs in {seconds:.1f} s, compiling or loading included", flush=True)
    rates = learned["Meta-SGD"].inner_rates
    low, middle, high = np.quantile(rates, (0.05, 0.5, 0.95))
    print(
        f"seed {seed}; Meta-SGD's rates started at {first_rate:.4f}; 90 % of those learned lie between "
        f"{low:.4f} and {high:.4f}, median {middle:.4f}, {np.mean(rates < 0):.0%} below zero\n"
    )
    print(f"{CAPTION}; the paper's mean after 1 step:\n")
    print(heading("algorithm", "points", "the paper"))
    for points in POINTS:
        for name, start in learned.items():
            scores = start.score(curves(points, TEST_QUERIES), tasks, STEPS, TEST_SEED)
            paper = f"{PAPER[name][points]:.2f}"
            print(row(name, points, paper, losses=scores.losses), flush=True)
    if picture:
        draw(learned, picture)
