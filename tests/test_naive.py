"""The oracle itself: against central differences, published vectors and NumPy's own generators."""

from itertools import islice

import naive
import numpy as np
import pytest

# A mean of a few rows in [0, 1) is a function of order one with derivatives of order one: at h = 1e-5 the
# formula errs by about h^2 = 1e-10 and the rounding by eps / h = 2e-11.
TOLERANCE = 1e-9


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_task(rng, num_features=4, shots=5, queries=7):
    Xs, Xq = rng.normal(size=(shots, num_features)), rng.normal(size=(queries, num_features))
    return Xs, rng.integers(0, 2, shots), Xq, rng.integers(0, 2, queries)


def rates(kind, rng, num_parameters, steps):
    if kind == "scalar":
        return 0.5
    shape = (num_parameters,) if kind == "per parameter" else (steps, num_parameters)
    return rng.uniform(0.0, 0.8, size=shape)


@pytest.mark.parametrize("intercept", [0, 1])
def test_derivatives_of_the_loss(rng, intercept):
    X, y, *_ = make_task(rng)
    theta = rng.normal(size=4 + intercept)
    numerical = naive.central_difference(lambda t: naive.loss(t, X, y), theta)
    np.testing.assert_allclose(naive.gradient(theta, X, y), numerical, atol=TOLERANCE)
    numerical = naive.central_difference(lambda t: naive.gradient(t, X, y), theta)
    np.testing.assert_allclose(naive.hessian(theta, X, y), numerical, atol=TOLERANCE)


def test_the_intercept_is_a_column_of_ones(rng):
    X, y, *_ = make_task(rng)
    theta = rng.normal(size=5)
    with_ones = np.hstack([X, np.ones((5, 1))])
    assert naive.loss(theta, X, y) == naive.loss(theta, with_ones, y)
    with pytest.raises(ValueError, match="theta has 7 parameters"):
        naive.loss(np.zeros(7), X, y)


def test_extreme_logits_stay_finite():
    X = np.array([[1e4], [-1e4], [0.0]])
    theta = np.ones(1)
    with np.errstate(all="raise", under="ignore"):
        assert naive.loss(theta, X, [0, 0, 0]) == pytest.approx((1e4 + np.log(2)) / 3)
        assert naive.loss(theta, X, [1, 0, 1]) == pytest.approx(np.log(2) / 3)
        np.testing.assert_array_equal(naive.sigmoid(X[:, 0]), [1.0, 0.0, 0.5])
        proba = naive.predict_proba(theta, X)
    np.testing.assert_array_equal(proba, [[0, 1], [1, 0], [0.5, 0.5]])


@pytest.mark.parametrize("kind", ["scalar", "per parameter", "per step"])
@pytest.mark.parametrize("steps", [0, 1, 3, 5])
@pytest.mark.parametrize("intercept", [0, 1])
def test_meta_gradient_of_order_two(rng, intercept, steps, kind):
    task = make_task(rng)
    theta = rng.normal(size=4 + intercept)
    rate = rates(kind, rng, len(theta), steps or 1)
    numerical = naive.central_difference(lambda t: naive.meta_loss(t, *task, rate, steps), theta)
    exact = naive.meta_gradient(theta, *task, rate, steps, order=2)
    np.testing.assert_allclose(exact, numerical, atol=TOLERANCE)
    if steps:
        first_order = naive.meta_gradient(theta, *task, rate, steps, order=1)
        assert np.abs(first_order - exact).max() > 1e-3  # The two orders are told apart.


def test_rates_beyond_the_last_step_are_reused(rng):
    X, y, *_ = make_task(rng)
    theta = rng.normal(size=4)
    two = rng.uniform(size=(2, 4))
    four = np.vstack([two, two[1], two[1]])
    np.testing.assert_array_equal(
        naive.inner_loop(theta, X, y, two, 4), naive.inner_loop(theta, X, y, four, 4)
    )


def test_orders_other_than_one_and_two_are_refused(rng):
    with pytest.raises(ValueError, match="order must be 1 or 2"):
        naive.meta_gradient(np.zeros(4), *make_task(rng), 0.1, 1, order=3)


def test_batch_meta_gradient_is_the_mean(rng):
    theta = rng.normal(size=4)
    tasks = [make_task(rng) for _ in range(3)]
    alone = [naive.meta_gradient(theta, *task, 0.3, 2, 2) for task in tasks]
    np.testing.assert_allclose(naive.batch_meta_gradient(theta, tasks, 0.3, 2, 2), sum(alone) / 3, rtol=1e-14)


def test_evaluation_after_some_steps(rng):
    Xs, ys, Xq, yq = make_task(rng)
    theta = rng.normal(size=4)
    result = naive.evaluate_task(theta, Xs, ys, Xq, yq, 0.5, steps=(0, 3))
    assert result.steps == (0, 3)
    assert result.loss[0] == naive.loss(theta, Xq, yq)
    adapted = naive.inner_loop(theta, Xs, ys, 0.5, 3)
    assert result.loss[1] == naive.loss(adapted, Xq, yq)
    assert result.accuracy[1] == np.mean(naive.predict_proba(adapted, Xq).argmax(axis=1) == yq)


# The vectors that the authors publish with their code (Random123, file kat_vectors).
PHILOX_VECTORS = [
    (7, "00000000 00000000 00000000 00000000", "00000000 00000000", "5f6fb709 0d893f64 4f121f81 4f730a48"),
    (7, "ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "5207ddc2 45165e59 4d8ee751 8c52f662"),
    (7, "243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "4dfccaba 190a87f0 c47362ba b6b5242a"),
    (10, "00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (10, "ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (10, "243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("rounds", "counter", "key", "expected"), PHILOX_VECTORS)
def test_philox_against_the_published_vectors(rounds, counter, key, expected):
    counter, key, expected = ([int(word, 16) for word in text.split()] for text in (counter, key, expected))
    assert list(naive.philox4x32(counter, key, rounds)) == expected


@pytest.mark.parametrize("used", [0, 1, 623, 624, 1000])
def test_mt19937_against_numpy(used):
    generator = np.random.MT19937(42)
    generator.random_raw(used)
    state = generator.state["state"]
    words = list(islice(naive.mt19937(state["key"], state["pos"]), 1500))
    assert words == generator.random_raw(1500).tolist()


def test_mt19937_doubles_against_the_global_generator():
    np.random.seed(7)
    _, key, pos, *_ = np.random.get_state()
    assert list(islice(naive.mt19937_doubles(key, pos), 700)) == np.random.rand(700).tolist()


def test_sample_points_shapes_and_draws():
    np.random.seed(3)
    x, y = naive.sample_points(10)
    assert x.shape == (10, 50)
    assert x.dtype == np.float64
    assert y.shape == (10, 1)
    assert y.dtype == np.int64
    # Labels are k more doubles of the same stream: 1 where the double is at least a half.
    np.random.seed(3)
    np.testing.assert_array_equal(x, np.random.rand(10, 50))
    np.testing.assert_array_equal(y[:, 0], np.random.rand(10) >= 0.5)


def test_the_notebook_s_printed_lines(capsys):
    np.random.seed(0)
    model = naive.NotebookMAML(epochs=5, log_every=3)
    start = model.theta
    assert model.train() is None
    rest = "\n\nUpdated Model Parameter Theta\n\nSampling Next Batch of Tasks \n\n" + "-" * 33 + "\n\n"
    blocks = [f"Epoch {e}: Loss {loss}{rest}" for e, loss in zip((0, 3), model.losses, strict=True)]
    assert capsys.readouterr().out == "".join(blocks)
    assert model.theta.shape == start.shape == (50, 1)
    assert [theta.shape for theta in model.theta_] == [(50, 1)] * 10
    np.testing.assert_allclose(model.losses, model.stable_losses, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("inner_steps", "query_samples"), [(1, 10), (3, 6)])
def test_the_notebook_against_the_formulas(capsys, order, inner_steps, query_samples):
    options = {"num_tasks": 3, "num_samples": 8, "alpha": 0.2, "beta": 0.5, "num_features": 4}
    sets = []

    def recorded(k):
        sets.append(naive.sample_points(k, 4))
        return sets[-1]

    np.random.seed(1)
    model = naive.NotebookMAML(
        **options,
        epochs=1,
        query_samples=query_samples,
        sample_points=recorded,
        inner_steps=inner_steps,
        order=order,
    )
    theta = model.theta[:, 0]
    model.train()

    # All support sets are drawn before the first query set.
    assert [len(x) for x, _ in sets] == [8] * 3 + [query_samples] * 3
    tasks = [(*support, *query) for support, query in zip(sets[:3], sets[3:], strict=True)]
    for adapted, (Xs, ys, _, _) in zip(model.theta_, tasks, strict=True):
        np.testing.assert_allclose(
            adapted[:, 0], naive.inner_loop(theta, Xs, ys, 0.2, inner_steps), rtol=1e-12
        )
    # The notebook divides by num_samples where a mean would divide by query_samples.
    mean = naive.batch_meta_gradient(theta, tasks, 0.2, inner_steps, order) * query_samples / 8
    np.testing.assert_allclose(model.theta[:, 0], theta - 0.5 * mean, rtol=1e-12)
    assert model.losses[0] == pytest.approx(naive.loss(theta, *sets[2]), rel=1e-12)


def test_the_notebook_s_class_uses_its_own_sampler_by_default(capsys):
    np.random.seed(5)
    model = naive.NotebookMAML(epochs=2)
    model.train()
    after = np.random.rand()

    np.random.seed(5)
    np.random.normal(size=50)
    np.random.rand(2 * 10 * (10 + 10) * (50 + 1))
    assert np.random.rand() == after
