"""``python -m bench.first_call NAME``: train for one epoch, the first of this process; print its seconds.

Importing the library and making the tasks are not counted; compiling is, or loading compiled code.
"""

import sys
import time

import numpy as np

from fastmaml import TaskSet, algorithms, meta_train, models, optimizers, sources

TASKS, ROWS, FEATURES, WAYS = 8, 10, 64, 5


def table():
    """Return a source of rows in memory."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(TASKS, 2 * ROWS, FEATURES))
    return sources.Table(TaskSet.from_arrays(X, rng.integers(0, 2, X.shape[:2])), shots=ROWS)


def combination(name):
    """Return model, algorithm, source and optimizer: each model once or more, and each algorithm."""
    match name:
        case "logistic":
            return models.Logistic(FEATURES), algorithms.MAML(2, 5), table(), optimizers.SGD(0.01)
        case "linear":
            source = sources.LinearTasks(np.ones(FEATURES))
            return models.Linear(FEATURES), algorithms.MetaSGD(2, 5), source, optimizers.Momentum(0.01)
        case "softmax":
            source = sources.Blobs(FEATURES, WAYS)
            return models.Softmax(FEATURES, WAYS), algorithms.ANIL(2, 5), source, optimizers.AdamW(0.01)
        case "mlp":
            source = sources.Sinusoid(ROWS, ROWS)
            return models.MLP(1, (40, 40)), algorithms.MAML(2), source, optimizers.Adam(0.01)
        case "mlp by reptile":
            model = models.MLP(FEATURES, (32,), loss="binary_cross_entropy")
            return model, algorithms.Reptile(5), table(), optimizers.SGD(0.01)
    raise ValueError(f"no combination {name!r}")


def main():
    """Train for one epoch."""
    parts = combination(sys.argv[1])
    start = time.perf_counter()
    meta_train(*parts, tasks_per_batch=TASKS, epochs=1, dtype="float32", random_state=0, n_jobs=2)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
