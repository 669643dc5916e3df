"""Training on all rows at once, against scikit-learn's and NumPy's own."""

import numpy as np
import pytest
from sizes import size
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from fastmaml import models
from fastmaml.pooled import Objective, train_pooled

# More than a block of rows, and not a multiple of one.
ROWS = size(150, 70)


def drawn(seed=0, features=3):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(ROWS, features)), rng.uniform(0.1, 3, ROWS)


def fitted(model, X, y, weights, **given):
    start = model.initial_theta(1)
    return train_pooled(
        model, X, y.reshape(len(X), -1).astype(float), weights, theta=start, max_iter=500, **given
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_linear_regression_is_least_squares(weighted):
    rng, X, weights = drawn()
    Y = X @ rng.normal(size=(3, 2)) + 1 + rng.normal(size=(ROWS, 2))
    root = np.sqrt(weights if weighted else np.ones(ROWS))[:, np.newaxis]
    expected = np.linalg.lstsq(root * np.column_stack([X, np.ones(ROWS)]), root * Y)[0]
    result = fitted(models.Linear(3, 2), X, Y, weights if weighted else None)
    np.testing.assert_allclose(result.theta, expected.ravel(), atol=1e-6)
    assert result.converged
    assert result.losses[-1] == min(result.losses)
    assert len(result.losses) == result.iterations + 1


@pytest.mark.parametrize(
    "model", [models.Logistic(3, l2=0.02), models.MLP(3, (2,), 1, "tanh", "binary_cross_entropy")]
)
def test_two_classes(model):
    rng, X, weights = drawn()
    y = (X @ [1.0, -1.0, 0.5] + rng.normal(size=ROWS) > 0).astype(float)
    result = fitted(model, X, y, weights)
    if isinstance(model, models.Logistic):
        ridge = LogisticRegression(C=1 / (0.02 * weights.sum()), tol=1e-10, max_iter=1000)
        expected = ridge.fit(X, y, sample_weight=weights)
        np.testing.assert_allclose(result.theta, [*expected.coef_[0], *expected.intercept_], atol=1e-5)
    assert result.losses[-1] < 0.6 < result.losses[0]


def test_several_classes():
    rng, X, weights = drawn()
    y = np.argmax(X + rng.normal(size=X.shape), axis=1)
    result = fitted(models.Softmax(3, 3, l2=0.02), X, y, weights)
    ridge = LogisticRegression(C=1 / (0.02 * weights.sum()), tol=1e-10, max_iter=1000)
    expected = ridge.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(result.theta[:9].reshape(3, 3), expected.coef_.T, atol=1e-5)


def test_counts():
    rng, X, weights = drawn()
    y = rng.poisson(np.exp(X @ [0.3, -0.2, 0.1] + 0.5)).astype(float)
    result = fitted(models.Linear(3, loss="poisson"), X, y, weights)
    expected = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(result.theta, [*expected.coef_, expected.intercept_], atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        models.MLP(3, (4, 2), 2, "tanh", l2=0.1),
        models.MLP(3, (4,), 3, "silu", "categorical_cross_entropy"),
        models.Softmax(3, 4, intercept=False),
    ],
)
def test_the_gradient_is_that_of_the_loss(model):
    rng, X, weights = drawn()
    y = rng.integers(0, 3, (ROWS, model.num_targets)).astype(float)
    objective = Objective(model, X, y, weights, evaluations=1, n_jobs=1)
    theta = rng.normal(size=models.num_parameters(model.spec()))
    _, gradient = objective(theta)
    direction = rng.normal(size=theta.size)
    ahead, behind = (objective(theta + step * direction)[0] for step in (1e-5, -1e-5))
    assert gradient @ direction == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)


def test_weights_stand_for_repeated_rows():
    rng, X, _ = drawn()
    y = rng.integers(0, 2, ROWS)
    times = rng.integers(0, 4, ROWS)
    model = models.Logistic(3)
    weighted = fitted(model, X, y, times.astype(float))
    repeated = fitted(model, np.repeat(X, times, axis=0), np.repeat(y, times), None)
    np.testing.assert_allclose(weighted.theta, repeated.theta, atol=1e-6)


def test_what_overflows_ends_with_the_best_that_was_met():
    _, X, _ = drawn()
    model = models.Linear(3, loss="poisson")
    result = fitted(model, 1e3 * X, np.ones(ROWS), None)
    assert np.isfinite(result.theta).all()
    assert np.isfinite(result.losses[-1])
