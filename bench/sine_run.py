"""The MAML paper's sine regression: the numbers that all contestants share, and our run.

A ReLU network 1 - 40 - 40 - 1, order 2, one inner step, tasks drawn in every epoch, Adam, float32, two
threads. ``python -m bench.sine_run [EPOCHS]`` runs it as a process, all its epochs by default.
"""

import sys

TASKS, SHOTS, INNER_RATE, LEARNING_RATE = 25, 10, 0.01, 1e-3
EPOCHS = 70_000


def train(epochs):
    """Run epochs from the start."""
    # The baselines read the numbers above: their processes should not load fastmaml.
    from fastmaml import algorithms, meta_train, models, optimizers, sources

    return meta_train(
        models.MLP(1, (40, 40), initializer="normal", initializer_scale=0.1),
        algorithms.MAML(2, 1, INNER_RATE),
        sources.Sinusoid(SHOTS, SHOTS),
        optimizers.Adam(LEARNING_RATE),
        tasks_per_batch=TASKS,
        epochs=epochs,
        dtype="float32",
        random_state=0,
        n_jobs=2,
    )


if __name__ == "__main__":
    _, loss = train(int(sys.argv[1]) if len(sys.argv) > 1 else EPOCHS).history[-1]
    print(loss)
