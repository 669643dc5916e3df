"""The baselines compute what the oracle computes; nothing is timed here."""

import naive
import numpy as np
import pytest

from bench.baselines import notebook, vectorised
from bench.baselines.bandwidth import Reader


def make_tasks(num_tasks, shots=10, queries=10, num_features=50):
    rng = np.random.default_rng(0)
    Xs, Xq = rng.random((num_tasks, shots, num_features)), rng.random((num_tasks, queries, num_features))
    return Xs, rng.integers(0, 2, (num_tasks, shots)), Xq, rng.integers(0, 2, (num_tasks, queries))


def test_the_notebook_is_the_oracle_s(capsys):
    np.random.seed(0)
    expected = naive.NotebookMAML(epochs=5)
    expected.train()
    printed = capsys.readouterr().out
    np.random.seed(0)
    model = notebook.NotebookMAML(epochs=5)
    model.train()
    assert capsys.readouterr().out == printed
    np.testing.assert_array_equal(model.theta, expected.theta)
    np.testing.assert_array_equal(model.theta_, expected.theta_)


def test_a_vectorised_epoch():
    Xs, ys, Xq, yq = make_tasks(7)
    theta = np.random.default_rng(1).normal(size=50)
    mean = naive.batch_meta_gradient(theta, zip(Xs, ys, Xq, yq, strict=True), 0.3, 1, 1)
    new = vectorised.epoch_step(theta, Xs, ys, Xq, yq, 0.3, 0.5)
    np.testing.assert_allclose(new, theta - 0.5 * mean, rtol=1e-12)


def test_a_vectorised_run_moves_theta():
    model = vectorised.VectorisedMAML(epochs=3, beta=0.1)
    before = model.theta.copy()
    model.train()
    assert model.theta.shape == (50,)
    assert np.all(model.theta != before)


@pytest.mark.parametrize(("order", "inner_steps"), [(1, 1), (1, 3), (2, 1), (2, 5)])
def test_jax_in_every_form(jax_baseline, order, inner_steps):
    arrays = [a.astype(np.float32) for a in make_tasks(500)]
    theta = np.zeros(50)
    for _ in range(2):
        tasks = zip(*arrays, strict=True)
        theta = theta - 0.5 * naive.batch_meta_gradient(theta, tasks, 0.3, inner_steps, order)
    for form in jax_baseline.PLAIN_FORMS + jax_baseline.SHARDED_FORMS:
        run = jax_baseline.OwnTasks(
            *arrays, order=order, inner_steps=inner_steps, alpha=0.3, beta=0.5, epochs=2, form=form
        )
        run.train()
        # Sums of 500 gradients in float32.
        np.testing.assert_allclose(run.theta, theta, atol=1e-5, err_msg=str(form))


@pytest.mark.parametrize("how", ["gather", "weights"])
def test_jax_draws_rows_without_replacement(jax_baseline, how):
    """Rows that tell which they are come back: ten and seven different ones of each task."""
    jax, shots, queries = jax_baseline.jax, 10, 7
    numbers = np.arange(60.0, dtype=np.float32).reshape(3, 20)
    seen = set()
    for seed in range(3):
        sets = jax_baseline.drawn_sets(
            how, jax.random.key(seed), shots, queries, numbers[:, :, None], numbers
        )
        Xs, ys, ws, Xq, yq, wq = map(np.asarray, sets)
        for task in range(3):
            drawn = []
            for X, y, w, count in ((Xs, ys, ws, shots), (Xq, yq, wq, queries)):
                taken = w[task] > 0
                assert np.array_equal(X[task, taken, 0], y[task, taken])
                np.testing.assert_allclose(w[task, taken], 1 / count, rtol=1e-6)
                assert taken.sum() == count
                drawn += y[task, taken].tolist()
            assert len(set(drawn)) == shots + queries
            assert set(drawn) <= set(numbers[task].tolist())
            seen.add(tuple(drawn))
    assert len(seen) == 9


@pytest.mark.parametrize(("order", "inner_steps"), [(1, 1), (2, 2)])
def test_jax_trains_on_drawn_rows(jax_baseline, order, inner_steps):
    """Where all rows of a task are alike, it does not matter which are drawn."""
    Xs, ys, Xq, yq = (a.astype(np.float32) for a in make_tasks(500))
    Xs[:], ys[:] = Xs[:, :1], ys[:, :1]
    Xq[:], yq[:] = Xs, ys
    settings = {"order": order, "inner_steps": inner_steps, "alpha": 0.3, "beta": 0.5, "epochs": 2}
    given = jax_baseline.OwnTasks(Xs, ys, Xq, yq, **settings)
    given.train()
    for form in jax_baseline.DRAWING_FORMS:
        run = jax_baseline.OwnTasks(Xs, ys, Xq, yq, form=form, **settings)
        run.train()
        np.testing.assert_allclose(run.theta, given.theta, atol=1e-5, err_msg=str(form))


def test_the_reader_reads_every_word():
    reader = Reader(2**20)
    assert reader.nbytes == 2**20
    assert reader.read() == 2**17
