"""Gradients, Hessian products and meta-gradients of all that is registered, against central differences."""

import naive
import numba
import numpy as np
import pytest
from numba.core import config

from fastmaml.algorithms import MAMLSpec, task_gradient
from fastmaml.models import (
    LogisticSpec,
    Rows,
    hessian_vector_product,
    loss_gradient,
    num_parameters,
    predict,
    saved_size,
    score,
)
from fastmaml.numerics.layout import padded_rows, padded_width
from fastmaml.optimizers import SGDSpec
from fastmaml.sources import GivenSpec
from fastmaml.training import Training

# For every registered model: specs, whether each has an intercept, and the oracle's loss.
MODELS = {
    LogisticSpec: [(LogisticSpec(n, i), n, i) for n in (1, 3, 16, 33) for i in (0, 1)],
}
ALGORITHMS = {MAMLSpec}


def ours(contract):
    return {spec for spec in contract.registry if spec.__module__.startswith("fastmaml.")}


def test_everything_registered_is_tested_here():
    assert ours(loss_gradient) == ours(hessian_vector_product) == set(MODELS)
    assert ours(task_gradient) == ALGORITHMS


CASES = [case for cases in MODELS.values() for case in cases]


def name_of(case):
    return repr(case[0])


def central(f, x):
    """Return the central difference and a bound of its error.

    The formula's error goes with h**2, so that at h = 1e-4 it is a third of the difference to 2 h, up to
    terms in h**4; rounding adds eps |f| / h, for f of some hundred operations.
    """
    near, far = naive.central_difference(f, x, 1e-4), naive.central_difference(f, x, 2e-4)
    bound = np.abs(far - near) + 100 * 2.0**-53 * np.max(np.abs(f(x))) / 1e-4
    return near, bound


def rows_for(spec, num_features, rows, rng, dtype=np.float64):
    """Pick random rows of a matrix whose other rows are NaN; targets behind the last are finite."""
    X = np.full((rows + 5, num_features), np.nan, dtype=dtype)
    places = rng.permutation(rows + 5)[:rows]
    X[places] = rng.normal(size=(rows, num_features))
    index, y = np.full(padded_rows(rows), places[0]), np.full(padded_rows(rows), 3.0)
    index[:rows], y[:rows] = places, rng.integers(0, 2, rows)
    theta = np.zeros(padded_width(num_parameters(spec)))
    theta[: num_parameters(spec)] = rng.normal(size=num_parameters(spec))
    return theta, Rows(X, index, y, rows)


@numba.njit
def derivatives(model, theta, rows, want_loss, saved, vector, gradient, product):
    loss = loss_gradient(model, theta, rows, want_loss, saved, gradient)
    hessian_vector_product(model, theta, rows, saved, vector, product)
    return loss


@numba.njit
def predictions(model, theta, rows, out):
    predict(model, theta, rows, out)
    return score(model, out, rows)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rows", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_loss_gradient_and_hessian_product(case, rows, dtype):
    spec, num_features, intercept = case
    rng = np.random.default_rng(rows)
    theta, picked = rows_for(spec, num_features, rows, rng, dtype)
    count = num_parameters(spec)
    assert count == num_features + intercept
    vector = np.zeros_like(theta)
    vector[:count] = rng.normal(size=count)
    saved = np.full(saved_size(spec, rows) + 3, 5.0)
    gradient, product = np.full_like(theta, 5.0), np.full_like(theta, 5.0)
    loss = derivatives(spec, theta, picked, True, saved, vector, gradient, product)

    plain, targets, at = picked.X[picked.index[:rows]].astype(np.float64), picked.y[:rows], theta[:count]
    assert loss == pytest.approx(naive.loss(at, plain, targets), rel=1e-13)
    assert np.isfinite(gradient).all()
    assert np.isfinite(product).all()
    expected, bound = central(lambda t: naive.loss(t, plain, targets), at)
    assert np.all(np.abs(gradient[:count] - expected) <= bound)
    jacobian, bound = central(lambda t: naive.gradient(t, plain, targets), at)
    assert np.all(np.abs(product[:count] - jacobian @ vector[:count]) <= bound @ np.abs(vector[:count]))

    # And closer, against the dense formulas: some roundings of sums over rows and features.
    scale = np.max(np.abs(plain)) * (1 + np.sum(np.abs(at)))
    assert np.max(np.abs(gradient[:count] - naive.gradient(at, plain, targets))) <= 1e-14 * scale
    hessian = naive.hessian(at, plain, targets)
    scale *= np.max(np.abs(plain)) * np.sum(np.abs(vector))
    assert np.max(np.abs(product[:count] - hessian @ vector[:count])) <= 1e-14 * scale

    # Nobody sees the loss: nothing else changes.
    again = np.empty_like(gradient)
    assert derivatives(spec, theta, picked, False, saved, vector, again, product) == 0
    assert np.array_equal(again[:count], gradient[:count])


@pytest.mark.parametrize("case", CASES[:4], ids=name_of)
def test_predictions_and_score(case):
    spec, num_features, intercept = case
    theta, picked = rows_for(spec, num_features, 9, np.random.default_rng(0))
    out = np.full(padded_rows(9), 5.0)
    right = predictions(spec, theta, picked, out)
    plain, at = picked.X[picked.index[:9]], theta[: num_features + intercept]
    assert out[:9] == pytest.approx(naive.predict_proba(at, plain)[:, 1], rel=1e-13)
    assert right == pytest.approx(naive.accuracy(at, plain, picked.y[:9]), rel=1e-15)


@pytest.mark.parametrize("sign", [-1, 1])
def test_saturated_rows_are_finite(sign):
    """At |z| = 1e4, gradient rows are whole or nothing, the Hessian is nothing."""
    spec = LogisticSpec(1, 0)
    theta, picked = rows_for(spec, 1, 2, np.random.default_rng(0))
    theta[0], picked.X[:], picked.y[:2] = sign * 1e4, 1.0, (0, 1)
    vector = np.zeros_like(theta)
    vector[0] = 1
    saved, gradient, product = np.zeros(saved_size(spec, 2)), np.empty_like(theta), np.empty_like(theta)
    loss = derivatives(spec, theta, picked, True, saved, vector, gradient, product)
    assert loss == 5e3
    assert gradient[0] == pytest.approx(sign / 2, rel=1e-15)
    assert abs(product[0]) < 1e-300 or product[0] == 0


# --- the whole meta-gradient, through a run of the engine ---


def engine_gradient(theta, task, rates, steps, order, intercept):
    """One epoch of one task with an outer rate of one: theta loses its meta-gradient."""
    Xs, ys, Xq, yq = task
    count, width = theta.size, padded_width(theta.size)
    rates = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    if rates.size == 1:
        rates = np.full(count, rates[0])
    padded_rates = np.zeros((1 if rates.ndim == 1 else len(rates), width))
    padded_rates[:, :count] = rates
    start = np.zeros(width)
    start[:count] = theta
    training = Training(
        LogisticSpec(Xs.shape[1], intercept),
        MAMLSpec(order, steps, padded_rates),
        GivenSpec(Xs[None], ys[None], Xq[None], yq[None]),
        SGDSpec(1.0),
        tasks_per_batch=1,
        gradient_scale=1.0,
        theta=start,
        n_jobs=1,
        epochs=1,
    )
    for _ in training.run(0, 1, 1):
        pass
    assert not training.work.theta[count:].any()
    return theta - training.work.theta[:count]


def random_task(seed, num_features, shots, queries):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(shots, num_features)),
        rng.integers(0, 2, shots).astype(float),
        rng.normal(size=(queries, num_features)),
        rng.integers(0, 2, queries).astype(float),
    )


@pytest.mark.parametrize("kind", ["scalar", "vector", "per step"])
@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("intercept", [0, 1])
@pytest.mark.parametrize(("num_features", "shots", "queries"), [(1, 1, 1), (4, 5, 7), (17, 6, 3)])
def test_meta_gradient_of_order_two(kind, steps, intercept, num_features, shots, queries):
    task = random_task(steps, num_features, shots, queries)
    rng = np.random.default_rng(9)
    count = num_features + intercept
    theta = rng.normal(size=count)
    rates = {"scalar": 0.7, "vector": rng.uniform(0, 1, count), "per step": rng.uniform(0, 1, (2, count))}[
        kind
    ]
    actual = engine_gradient(theta, task, rates, steps, 2, intercept)
    expected, bound = central(lambda t: naive.meta_loss(t, *task, rates, steps), theta)
    # The outer step rounds theta, which is below 4.
    assert np.all(np.abs(actual - expected) <= bound + 4 * 2.0**-52)
    dense = naive.meta_gradient(theta, *task, rates, steps, 2)
    assert np.max(np.abs(actual - dense)) <= 1e-13 * max(1, np.max(np.abs(dense)))


@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("intercept", [0, 1])
def test_meta_gradient_of_order_one(steps, intercept):
    task = random_task(steps, 4, 5, 7)
    theta = np.random.default_rng(9).normal(size=4 + intercept)
    actual = engine_gradient(theta, task, 0.7, steps, 1, intercept)
    # The query gradient at the adapted parameters, by central differences there.
    adapted = naive.inner_loop(theta, *task[:2], 0.7, steps)
    expected, bound = central(lambda t: naive.loss(t, *task[2:]), adapted)
    assert np.all(np.abs(actual - expected) <= bound + 4 * 2.0**-52)
    # And it is another one than that of order two, or this would test nothing.
    assert np.max(np.abs(actual - naive.meta_gradient(theta, *task, 0.7, steps, 2))) > 1e-3


def test_the_compiler_s_switch_is_what_the_wrappers_see():
    assert hasattr(derivatives, "py_func") == (not config.DISABLE_JIT)
