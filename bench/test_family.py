"""The family: the MAML paper's sine regression against JAX and PyTorch, classifiers in memory against JAX."""

import numpy as np
import pytest

from bench import sine_run
from bench.ratio import Contestant, alternate
from fastmaml import TaskSet, algorithms, meta_train, models, optimizers, sources

INNER_RATE = 0.01
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


SINE = (sine_run.TASKS, sine_run.SHOTS, sine_run.INNER_RATE, sine_run.LEARNING_RATE)
SINE_ROW = "sine regression, MLP 1 - 40 - 40 - 1, order 2, 25 tasks, Adam, drawing included"


def our_sine(epochs):
    return Contestant("fastmaml", lambda: sine_run.train(epochs), work=epochs)


@pytest.mark.benchmark(group="the family, against JAX")
def test_sine(benchmark, report, jax_family):
    epochs = 500
    ours = our_sine(epochs)
    theirs = Contestant("JAX jit + scan + vmap", jax_family.Sine(*SINE, epochs).train, work=epochs)
    alternate([ours, theirs], rounds=9, benchmark=benchmark)
    report.compared(benchmark, SINE_ROW, "epoch", ours, theirs, at_least=2)


def compare_with_torch(benchmark, report, torch_family, kind, name, *, epochs, at_least=None):
    ours = our_sine(500)
    run = torch_family.fastest(kind, *SINE, epochs)
    theirs = Contestant(name, run.train, work=epochs)
    alternate([ours, theirs], rounds=9, benchmark=benchmark)
    report.compared(benchmark, SINE_ROW, "epoch", ours, theirs, at_least=at_least)
    benchmark.extra_info["threads of PyTorch"] = run.threads


@pytest.mark.benchmark(group="the family, against PyTorch")
def test_sine_against_torch(benchmark, report, torch_family):
    kind, name = torch_family.Sine, "PyTorch torch.func"
    compare_with_torch(benchmark, report, torch_family, kind, name, epochs=50, at_least=20)


@pytest.mark.benchmark(group="the family, against PyTorch")
def test_sine_against_compiled_torch(benchmark, report, compiled_torch_family):
    kind, name = compiled_torch_family.CompiledSine, "PyTorch torch.func, torch.compile"
    compare_with_torch(benchmark, report, compiled_torch_family, kind, name, epochs=200)


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
