"""The family against JAX: the MAML paper's sine regression, and classifiers on tasks in memory; float32."""

import numpy as np
import pytest

from bench.ratio import Contestant, alternate
from fastmaml import TaskSet, algorithms, meta_train, models, optimizers, sources

TASKS, SHOTS, INNER_RATE, OUTER_RATE = 25, 10, 0.01, 1e-3
# 1,000 tasks of five ways, five shots and five queries of each.
MANY, WAYS, FEATURES, OF_CLASS, STEPS = 1_000, 5, 64, 5, 5
CLASSIFIERS = {
    "softmax 64 - 5": (models.Softmax(FEATURES, WAYS), (FEATURES, WAYS), 3),
    "MLP 64 - 32 - 5": (
        models.MLP(FEATURES, (32,), WAYS, loss="categorical_cross_entropy"),
        (FEATURES, 32, WAYS),
        2,
    ),
}


@pytest.fixture(scope="session")
def jax_family(jax_baseline):
    """Return the module of JAX's networks; skipped where JAX is absent."""
    from bench.baselines import jax_family

    return jax_family


@pytest.mark.benchmark(group="the family, against JAX")
def test_sine(benchmark, report, jax_family):
    epochs = 500
    model = models.MLP(1, (40, 40), initializer="normal", initializer_scale=0.1)

    def train():
        meta_train(
            model,
            algorithms.MAML(2, 1, INNER_RATE),
            sources.Sinusoid(SHOTS, SHOTS),
            optimizers.Adam(OUTER_RATE),
            tasks_per_batch=TASKS,
            epochs=epochs,
            dtype="float32",
            random_state=0,
            n_jobs=2,
        )

    ours = Contestant("fastmaml", train, work=epochs)
    jax_run = jax_family.Sine(TASKS, SHOTS, INNER_RATE, OUTER_RATE, epochs)
    theirs = Contestant("JAX jit + scan + vmap", jax_run.train, work=epochs)
    alternate([ours, theirs], rounds=9, benchmark=benchmark)
    what = "sine regression, MLP 1 - 40 - 40 - 1, order 2, 25 tasks, Adam, drawing included"
    report.compared(benchmark, what, "epoch", ours, theirs, at_least=2)


@pytest.mark.benchmark(group="the family, against JAX")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(benchmark, report, jax_family, name):
    """We draw support and query rows afresh in every epoch; JAX has them cut beforehand."""
    model, sizes, target = CLASSIFIERS[name]
    rng = np.random.default_rng(0)
    rows = 2 * WAYS * OF_CLASS
    X = rng.normal(size=(MANY, rows, FEATURES)).astype(np.float32)
    y = np.tile(np.arange(WAYS), (MANY, rows // WAYS))
    half, epochs = rows // 2, 5
    tasks = TaskSet.from_arrays(X, y)

    def train():
        meta_train(
            model,
            algorithms.MAML(2, STEPS, INNER_RATE),
            sources.Table(tasks, shots=half),
            optimizers.SGD(0.1),
            tasks_per_batch=MANY,
            epochs=epochs,
            dtype="float32",
            random_state=0,
            n_jobs=2,
        )

    ours = Contestant("fastmaml", train, work=epochs * MANY)
    arrays = (X[:, :half], y[:, :half], X[:, half:], y[:, half:])
    jax_run = jax_family.GivenTasks(arrays, sizes, INNER_RATE, STEPS, 0.1, epochs)
    theirs = Contestant("JAX jit + scan + vmap, given sets", jax_run.train, work=epochs * MANY)
    alternate([ours, theirs], rounds=9, benchmark=benchmark)
    what = f"{name}, 1,000 tasks in memory, 5 ways, 5 shots, order 2, 5 steps"
    report.compared(benchmark, what, "task", ours, theirs, at_least=target)
