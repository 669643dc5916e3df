"""The MAML paper's sine regression (Finn, Abbeel, Levine, 2017, section 5.1), with its three baselines.

A ReLU network of 40 - 40 units, trained with 10 points, inner rate 0.01, one inner step, Adam at 1e-3, 25
tasks an epoch, 70,000 epochs; weights from a normal of deviation 0.01, cut off at two. Tested on fresh
curves with 5, 10 and 20 points, after 0, 1, 5 and 10 steps.

The baselines: a network trained on all tasks together and then fine-tuned; an oracle, which is given
amplitude and phase beside x; and adapting from random weights.
"""

import time

from bench.reproduce.curves import (
    CAPTION,
    POINTS,
    STEPS,
    TEST_QUERIES,
    TEST_SEED,
    heading,
    network,
    row,
    starting_at,
)
from bench.reproduce.picture import draw
from fastmaml import algorithms, meta_train, optimizers, sources

EPOCHS = 70_000
RATE, TASKS_PER_BATCH = 0.01, 25
# The paper's table: mean squared error with 5 points after 1, 5 and 10 steps, over 600 tasks.
PAPER = {1: 0.67, 5: 0.38, 10: 0.35}


def trained(inner_rate, seed, epochs, reveal=False):
    """Train with one inner step of a rate; a rate of nothing trains on all tasks together."""
    return meta_train(
        network(3 if reveal else 1),
        algorithms.MAML(2 if inner_rate else 1, 1, inner_rate),
        sources.Sinusoid(10, 10, reveal=reveal),
        optimizers.Adam(1e-3),
        tasks_per_batch=TASKS_PER_BATCH,
        epochs=epochs,
        dtype="float32",
        random_state=seed,
    )


def run(seed, epochs, tasks, picture):
    """Train, test and print."""
    begin = time.perf_counter()
    maml = trained(RATE, seed, epochs)
    seconds = time.perf_counter() - begin
    print(f"seed {seed}, {epochs:,} epochs, trained in {seconds:.1f} s, compiling or loading included\n")
    print(
        "The paper, 5 points: "
        + ", ".join(f"{mse} after {steps}" for steps, mse in PAPER.items())
        + " steps\n"
    )
    pretrained = starting_at(trained(0.0, seed, epochs).theta, maml.algorithm, seed)
    scratch = starting_at(network().initial_theta(seed), maml.algorithm, seed)
    oracle = trained(0.0, seed, epochs, reveal=True)
    print(f"{CAPTION}:\n")
    print(heading("start", "points"))
    for points in POINTS:
        for name, start in (("MAML", maml), ("pre-trained", pretrained), ("from scratch", scratch)):
            scores = start.score(sources.Sinusoid(points, TEST_QUERIES), tasks, STEPS, TEST_SEED)
            print(row(name, points, losses=scores.losses), flush=True)
    scores = oracle.score(sources.Sinusoid(5, TEST_QUERIES, reveal=True), tasks, (0,), TEST_SEED)
    print(row("oracle", "-", losses=scores.losses) + " |" * (len(STEPS) - 1))
    if picture:
        draw({"MAML": maml, "pre-trained": pretrained}, picture)
