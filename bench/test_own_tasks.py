"""Own tasks in memory: 10 + 10 rows, 50 features, float32, full batch; against JAX and against the memory.

We draw support and query rows afresh in every epoch. JAX is timed twice: doing the same, and given the sets
ready-made, cut once beforehand.
"""

import numpy as np
import pytest

from bench.baselines.bandwidth import Reader
from bench.ratio import Contestant, alternate
from fastmaml import MAML, TaskSet

SHOTS, QUERIES, FEATURES = 10, 10, 50
ALPHA, BETA = 0.1, 0.1
# What an epoch must read of a task at the least: its rows once, and a label of four bytes with each.
BYTES_A_TASK = (SHOTS + QUERIES) * (FEATURES + 1) * 4
# Epochs that make a sample of about a tenth of a second or more, and rounds.
SIZES = {1_000: (300, 15), 100_000: (3, 9)}
ALGORITHMS = {
    "order 1": {"order": 1, "inner_steps": 1},
    "order 2": {"order": 2, "inner_steps": 1},
    "order 2, 5 steps": {"order": 2, "inner_steps": 5},
}


@pytest.fixture(scope="module", params=SIZES, ids="{} tasks".format)
def table(request):
    """Return one table of tasks, X (tasks, rows, features) and y (tasks, rows)."""
    rng = np.random.default_rng(0)
    num_tasks, rows = request.param, SHOTS + QUERIES
    X = rng.random((num_tasks, rows, FEATURES), dtype=np.float32)
    return X, rng.integers(0, 2, (num_tasks, rows))


@pytest.fixture(scope="module")
def task_set(table):
    """Return the same as a TaskSet, made once."""
    return TaskSet.from_arrays(*table)


def make_ours(task_set, epochs, settings):
    model = MAML(
        tasks=task_set,
        num_tasks=len(task_set),
        num_samples=SHOTS,
        query_samples=QUERIES,
        epochs=epochs,
        alpha=ALPHA,
        beta=BETA,
        random_state=0,
        dtype="float32",
        n_jobs=2,
        verbose=False,
        **settings,
    )
    return Contestant("fastmaml", model.train, work=epochs * len(task_set))


@pytest.mark.benchmark(group="own tasks in memory, against JAX")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_against_jax(benchmark, report, jax_baseline, table, task_set, algorithm):
    settings = ALGORITHMS[algorithm]
    X, y = table
    num_tasks = len(X)
    epochs, rounds = SIZES[num_tasks]
    y = y.astype(np.float32)
    arrays = [np.ascontiguousarray(a) for a in (X[:, :SHOTS], y[:, :SHOTS], X[:, SHOTS:], y[:, SHOTS:])]

    def best_of(name, forms):
        run = jax_baseline.fastest(forms, *arrays, epochs=epochs, alpha=ALPHA, beta=BETA, **settings)
        benchmark.extra_info[f"form, {name}"] = run.form._asdict()
        return Contestant(name, run.train, work=epochs * num_tasks)

    ours = make_ours(task_set, epochs, settings)
    drawing = best_of("JAX jit + vmap, rows drawn too", jax_baseline.DRAWING_FORMS)
    plain = best_of("JAX jit + vmap, given sets", jax_baseline.PLAIN_FORMS)
    sharded = best_of("JAX sharded over two devices, given sets", jax_baseline.SHARDED_FORMS)
    alternate([ours, drawing, plain, sharded], rounds=rounds, benchmark=benchmark)

    what = f"own tasks in memory, {num_tasks:,} tasks, {algorithm}"
    report.compared(benchmark, what, "task", ours, drawing, at_least=3)
    report.compared(benchmark, what, "task", ours, plain, at_least=3)
    report.compared(benchmark, what, "task", ours, sharded)


@pytest.mark.benchmark(group="own tasks in memory, against the memory")
@pytest.mark.parametrize("table", [100_000], indirect=True, ids="{} tasks".format)
@pytest.mark.parametrize("algorithm", ["order 1", "order 2"])
def test_against_read_bandwidth(benchmark, report, table, task_set, algorithm):
    epochs, rounds = SIZES[100_000]
    ours = make_ours(task_set, epochs, ALGORITHMS[algorithm])
    reader = Reader()
    floor = Contestant("reading as many bytes", reader.read, work=reader.nbytes / BYTES_A_TASK)
    alternate([ours, floor], rounds=2 * rounds, benchmark=benchmark)
    what = f"own tasks in memory, 100,000 tasks, {algorithm}: share of the read bandwidth"
    report.compared(benchmark, what, "task", ours, floor, at_least=0.7)
    report.remark(
        f"Read bandwidth beside {algorithm}: {BYTES_A_TASK / floor.seconds / 1e9:.3g} GB/s on all threads; "
        f"a task has {BYTES_A_TASK:,} bytes of rows and labels."
    )
