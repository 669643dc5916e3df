"""What an inner step costs, to 100 of them: time and memory should grow with their number and no faster."""

import tracemalloc

import numpy as np
import pytest

from bench.ratio import Contestant, alternate
from bench.report import Row, judged
from fastmaml import TaskSet, algorithms, meta_train, models, optimizers, sources

TASKS, SHOTS, FEATURES, WAYS = 100, 25, 64, 5
ONE, TEN, HUNDRED = STEPS = (1, 10, 100)
# Model, its classes, and epochs of a hundred steps that make a sample of a tenth of a second or more.
MODELS = {
    "logistic 64": (models.Logistic(FEATURES), 2, 10),
    "MLP 64 - 32 - 5": (models.MLP(FEATURES, (32,), WAYS, loss="categorical_cross_entropy"), WAYS, 1),
}
# Linear is 1; a tenth is left for noise.
LINEAR = 1.1


@pytest.fixture(params=MODELS)
def job(request):
    """Return a model's name, a function that trains it with some inner steps, and epochs of a hundred."""
    model, classes, epochs = MODELS[request.param]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(TASKS, 2 * SHOTS, FEATURES)).astype(np.float32)
    tasks = TaskSet.from_arrays(X, rng.integers(0, classes, X.shape[:2]))

    def train(steps, epochs):
        meta_train(
            model,
            algorithms.MAML(2, steps, 0.01),
            sources.Table(tasks, shots=SHOTS),
            optimizers.SGD(0.1),
            tasks_per_batch=TASKS,
            epochs=epochs,
            dtype="float32",
            random_state=0,
            n_jobs=2,
        )

    return request.param, train, epochs


@pytest.mark.benchmark(group="inner steps")
def test_time(benchmark, report, job):
    name, train, epochs = job

    def contestant(steps):
        times = epochs * HUNDRED // steps
        return Contestant(f"{steps} steps", lambda: train(steps, times), work=times * TASKS)

    contestants = [contestant(steps) for steps in reversed(STEPS)]
    alternate(contestants, rounds=9, benchmark=benchmark)

    # Differences leave out what a task costs whatever its steps: drawing it and its query rows.
    hundred, ten, one = (np.array(c.samples) / c.work for c in contestants)
    later = Contestant("steps 11 to 100", contestants[0].run, HUNDRED - TEN, samples=list(hundred - ten))
    early = Contestant("steps 2 to 10", contestants[1].run, TEN - ONE, samples=list(ten - one))
    what = f"an inner step, the 11th to the 100th against the 2nd to the 10th: {name}, order 2"
    report.compared(benchmark, what, "step", later, early, at_most=LINEAR)


@pytest.mark.benchmark(group="inner steps")
def test_memory(benchmark, report, job):
    name, train, _ = job

    def peak(steps):
        # What loading the kernels takes is not asked for.
        train(steps, 1)
        tracemalloc.start()
        try:
            train(steps, 1)
            return tracemalloc.get_traced_memory()[1] / steps
        finally:
            tracemalloc.stop()

    ten = peak(TEN)
    hundred = benchmark.pedantic(peak, args=(HUNDRED,), rounds=1)
    row = Row(
        f"memory for each inner step, two threads, 100 steps against 10: {name}, order 2",
        f"{hundred / 1e3:.4g} kB",
        f"{ten / 1e3:.4g} kB (10 steps)",
        f"{hundred / ten:.3g}",
        judged(hundred / ten, at_most=LINEAR),
    )
    report.rows.append(row)
    benchmark.extra_info["rows"] = [row._asdict()]
