"""All algorithms side by side, on the MAML paper's sine curves, with equal budgets.

Equal are the network and its first weights (ReLU 40 - 40, normal of deviation 0.1, cut off at two), the
tasks of every epoch (25, each with 10 support and 10 query points), the number of epochs, the inner steps
(5), the clipping, and the fresh curves to test on, with 10 points.

Not equal is what an epoch costs. A task takes 5 support gradients and 1 query gradient; second order adds 5
products with the Hessian, the loss at every step 4 query gradients, and ANIL's are of the last layer alone.
Reptile takes 5 gradients on all 20 points. The seconds say what that comes to.

The inner rate is the MAML paper's 0.01, and learned rates start there; the outer step is its Adam at 1e-3.
MAML++ has the settings of its authors' paper and program: learned rates by layer and step, first order in
the first third of the epochs, the loss at every step in the first 15 %, a cosine from 1e-3 to 1e-5.
Reptile's inner rate is 0.02, as in its authors' sine demonstration, and its outer step falls from 1 to 0,
as in most of the commands in their supervised-reptile.

Without clipping, learned rates grow until, every thousand epochs or so, a task runs away within its five
steps and takes the meta-gradient with it. So the meta-gradient is clipped to a norm of 10 (the programs of
MAML and MAML++ clip its entries to 10, on images), and inner gradients to one of 30, found by trial: with
10 plain MAML is the worse after one step.
"""

import dataclasses
import time

from bench.reproduce.curves import (
    CAPTION,
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

EPOCHS = 20_000
TASKS_PER_BATCH, POINTS, SCALE = 25, 10, 0.1
INNER = {"inner_steps": 5, "inner_rate": 0.01, "clip_norm": 30.0}
OUTER_CLIP = 10.0
# MAML++'s shares of the run: of first order, and with a loss at every step.
FIRST_ORDER, STEP_LOSS = 1 / 3, 0.15


def contestants(epochs):
    """Return each algorithm with its optimizer, for a run of so many epochs."""
    adam = optimizers.Adam(1e-3, clip_norm=OUTER_CLIP)
    plus = algorithms.MAML(
        learned_rates="layer_and_step",
        first_order_epochs=round(FIRST_ORDER * epochs),
        step_loss_epochs=round(STEP_LOSS * epochs),
        **INNER,
    )
    return {
        "MAML": (algorithms.MAML(order=2, **INNER), adam),
        "MAML, first order": (algorithms.MAML(order=1, **INNER), adam),
        "MAML, rates by layer and step": (
            algorithms.MAML(learned_rates="layer_and_step", **INNER),
            adam,
        ),
        "MAML++": (plus, dataclasses.replace(adam, schedule="cosine", final_learning_rate=1e-5)),
        "Meta-SGD": (algorithms.MetaSGD(**INNER), adam),
        "ANIL": (algorithms.ANIL(**INNER), adam),
        "Reptile": (
            algorithms.Reptile(**INNER | {"inner_rate": 0.02}),
            optimizers.SGD(1.0, schedule="linear"),
        ),
        # A rate of nothing trains on all tasks together.
        "pre-trained": (algorithms.MAML(order=1, inner_steps=1, inner_rate=0.0), adam),
    }


def trained(algorithm, optimizer, seed, epochs):
    """Train one of them."""
    return meta_train(
        network(scale=SCALE),
        algorithm,
        sources.Sinusoid(POINTS, POINTS),
        optimizer,
        tasks_per_batch=TASKS_PER_BATCH,
        epochs=epochs,
        dtype="float32",
        random_state=seed,
    )


def run(seed, epochs, tasks, picture):
    """Train each, test it and print its line."""
    print(f"seed {seed}, {epochs:,} epochs of {TASKS_PER_BATCH} tasks, {POINTS} + {POINTS} points each\n")
    print(f"{CAPTION}; seconds of training, compiling or loading left out:\n")
    print(heading("algorithm", "seconds"), flush=True)
    starts = {}
    for name, (algorithm, optimizer) in contestants(epochs).items():
        trained(algorithm, optimizer, seed, 1)  # Compiles, or loads.
        begin = time.perf_counter()
        start = trained(algorithm, optimizer, seed, epochs)
        seconds = time.perf_counter() - begin
        if name == "pre-trained":
            start = starting_at(start.theta, starts["MAML"].algorithm, seed)
        scores = start.score(sources.Sinusoid(POINTS, TEST_QUERIES), tasks, STEPS, TEST_SEED)
        print(row(name, f"{seconds:.1f}", losses=scores.losses, decimals=3), flush=True)
        starts[name] = start
    if picture:
        draw(starts, picture)
