"""What the estimators and model objects add to the kernels: adapting from Python, `fit`, the import."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bench.ratio import Contestant, alternate
from fastmaml import MAMLClassifier, TaskSet, algorithms, meta_train, models, optimizers, sources

FEATURES, ROWS, STEPS, RATE = 50, 10, 5, 0.1
# Calls that make a sample of some hundredths of a second.
CALLS, CHECKED_CALLS = 1_000, 100
MANY, FITS = 100_000, 300
# Tasks an epoch, rows of a task, and epochs of a run that `fit` is held against.
BATCH, TASK_ROWS, SHOTS, EPOCHS = 1_000, 20, 8, 2_000


def rows_of(tasks, rows):
    """Return X (tasks, rows, features) and y (tasks, rows), of classes 0 and 1, both in every task."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (tasks, rows))
    y[:, :2] = 0, 1
    return rng.normal(size=(tasks, rows, FEATURES)), y


def train(tasks, *, shots, tasks_per_batch, epochs, order, optimizer):
    """Meta-train logistic regression on two threads."""
    return meta_train(
        models.Logistic(FEATURES),
        algorithms.MAML(order, STEPS, RATE),
        sources.Table(tasks, shots),
        optimizer,
        tasks_per_batch=tasks_per_batch,
        epochs=epochs,
        random_state=0,
        n_jobs=2,
    )


@pytest.fixture(scope="module")
def estimator():
    """Return an estimator that has learned a little."""
    X, y = rows_of(100, TASK_ROWS)
    model = MAMLClassifier(
        inner_rate=RATE, shots=SHOTS, max_iter=20, early_stopping=False, random_state=0, n_jobs=2
    )
    return model.fit(X.reshape(-1, FEATURES), y.reshape(-1), groups=np.repeat(np.arange(100), TASK_ROWS))


@pytest.mark.benchmark(group="adapting to one task")
def test_adapt(benchmark, report, estimator):
    X, y = rows_of(100, TASK_ROWS)
    run = train(
        TaskSet.from_arrays(X, y), shots=SHOTS, tasks_per_batch=50, epochs=10, order=2,
        optimizer=optimizers.Adam(),
    )  # fmt: skip
    X, y = X[0, :ROWS].copy(), y[0, :ROWS].copy()

    def repeated(calls, adapt):
        def run_all():
            for _ in range(calls):
                adapt(X, y)

        return run_all

    ours = Contestant("run.adapt", repeated(CALLS, run.adapt), work=CALLS)
    checked = Contestant("estimator", repeated(CHECKED_CALLS, estimator.adapt), work=CHECKED_CALLS)
    unchecked = Contestant(
        "estimator, check_input=False",
        repeated(CHECKED_CALLS, lambda X, y: estimator.adapt(X, y, check_input=False)),
        work=CHECKED_CALLS,
    )
    alternate([ours, checked, unchecked], rounds=15, benchmark=benchmark)
    what = f"one task of {ROWS} rows, {FEATURES} features, {STEPS} steps"
    report.timed(benchmark, f"{what}: `run.adapt`", "task", ours, at_most=30e-6)
    report.timed(benchmark, f"{what}: the estimator's `adapt`", "task", checked, at_most=400e-6)
    report.timed(benchmark, f"{what}: the same, `check_input=False`", "task", unchecked, at_most=400e-6)


@pytest.mark.benchmark(group="adapting to many tasks")
def test_adapt_many(benchmark, report, estimator):
    X, y = rows_of(MANY, ROWS)
    flat, labels, groups = X.reshape(-1, FEATURES), y.reshape(-1), np.repeat(np.arange(MANY), ROWS)
    tasks = TaskSet.from_arrays(X, y)

    def fit_each():
        for task in range(FITS):
            LogisticRegression().fit(X[task], y[task])

    ours = Contestant("adapt_many", lambda: estimator.adapt_many(flat, labels, groups=groups), work=MANY)
    from_set = Contestant("adapt_many, from a TaskSet", lambda: estimator.adapt_many(tasks), work=MANY)
    loop = Contestant("a loop of LogisticRegression", fit_each, work=FITS)
    # One epoch of first order: the same inner steps, of one row fewer, and one query row.
    training = Contestant(
        "an epoch of training",
        lambda: train(
            tasks, shots=ROWS - 1, tasks_per_batch=MANY, epochs=3, order=1, optimizer=optimizers.SGD(RATE)
        ),
        work=3 * MANY,
    )
    alternate([ours, from_set, loop, training], rounds=7, benchmark=benchmark)
    what = f"{MANY:,} tasks of {ROWS} rows, {FEATURES} features, {STEPS} steps"
    report.compared(benchmark, f"{what}: `adapt_many`", "task", ours, loop, at_least=100)
    report.compared(benchmark, f"{what}: `adapt_many` of a TaskSet", "task", from_set, training, at_most=1.5)


@pytest.mark.benchmark(group="fit")
def test_fit(benchmark, report):
    X, y = rows_of(BATCH, TASK_ROWS)
    flat, labels, groups = X.reshape(-1, FEATURES), y.reshape(-1), np.repeat(np.arange(BATCH), TASK_ROWS)
    model = MAMLClassifier(
        inner_rate=RATE,
        inner_steps=STEPS,
        shots=SHOTS,
        tasks_per_batch=BATCH,
        max_iter=EPOCHS,
        early_stopping=False,
        random_state=0,
        n_jobs=2,
    )
    tasks = TaskSet.from_arrays(X, y)
    ours = Contestant("fit", lambda: model.fit(flat, labels, groups=groups), work=EPOCHS)
    kernels = Contestant(
        "meta_train",
        lambda: train(
            tasks,
            shots=SHOTS,
            tasks_per_batch=BATCH,
            epochs=EPOCHS,
            order=2,
            optimizer=optimizers.Adam(learning_rate=0.01),
        ),
        work=EPOCHS,
    )
    alternate([ours, kernels], rounds=7, warm_ups=1, benchmark=benchmark)
    what = f"`fit` of an estimator, {BATCH:,} tasks a batch, {EPOCHS:,} epochs"
    report.compared(benchmark, what, "epoch", ours, kernels, at_most=1.05)


@pytest.mark.benchmark(group="import")
def test_import(benchmark, report):
    def run(code):
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    ours = Contestant("import fastmaml", run("import fastmaml"))
    bare = Contestant("Python alone", run("pass"))
    alternate([ours, bare], rounds=9, benchmark=benchmark)
    report.timed(
        benchmark, "`import fastmaml` in a new process, Python's own start included", "run", ours, 0.5
    )
