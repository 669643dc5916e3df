"""Gradients, Hessian products and meta-gradients of all that is registered, against central differences."""

import naive
import numba
import numpy as np
import pytest
from numba.core import config

from fastmaml.algorithms import FIRST_ORDER, ANILSpec, InnerLoop, MAMLSpec, ReptileSpec, task_gradients
from fastmaml.engine.model_pieces import CalledHead, CalledModel
from fastmaml.models import (
    LogisticSpec,
    NetworkSpec,
    Rows,
    SingleLayerSpec,
    hessian_vector_products,
    loss_gradients,
    num_parameters,
    predict,
    saved_size,
    score,
)
from fastmaml.numerics.layout import padded_rows, padded_width
from fastmaml.optimizers import SGD
from fastmaml.sources import GivenSpec
from fastmaml.training import Training

# For every registered model: specs, whether each has an intercept, and the oracle's loss.
MODELS = {
    LogisticSpec: [(LogisticSpec(n, i), n, i) for n in (1, 3, 16, 33) for i in (0, 1)],
}


def ours(contract):
    return {spec for spec in contract.registry if spec.__module__.startswith("fastmaml.")}


def test_everything_registered_is_tested_here():
    # Networks, and algorithms in all their forms, are in `test_family`.
    called = {CalledModel, CalledHead}
    others = {NetworkSpec, SingleLayerSpec}
    assert ours(loss_gradients) - called == ours(hessian_vector_products) - called == {*MODELS, *others}
    assert ours(task_gradients) == {MAMLSpec, ANILSpec, ReptileSpec}


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


def rows_for(spec, num_features, counts, rng, dtype=np.float64):
    """Pick random rows of a matrix whose other rows are NaN, for tasks side by side of so many rows each.

    Targets behind the last row are finite. Returns each task's parameters and the rows.
    """
    total, room = sum(counts), padded_rows(max(counts))
    X = np.full((total + 5, num_features), np.nan, dtype=dtype)
    places = rng.permutation(total + 5)[:total]
    X[places] = rng.normal(size=(total, num_features))
    index, y = np.full((len(counts), room), places[0]), np.full((len(counts), room), 3.0)
    thetas = np.zeros((len(counts), padded_width(num_parameters(spec))))
    for task, count in enumerate(counts):
        index[task, :count], places = places[:count], places[count:]
        y[task, :count] = rng.integers(0, 2, count)
    thetas[:, : num_parameters(spec)] = rng.normal(size=(len(counts), num_parameters(spec)))
    return thetas, Rows(X, index, y, np.array(counts))


def plain_rows(rows, task):
    """Return one task's rows and targets."""
    count = rows.count[task]
    return rows.X[rows.index[task, :count]].astype(np.float64), rows.y[task, :count]


@numba.njit
def compiled_derivatives(model, thetas, rows, want_loss, saved, vectors, gradients, products, losses):
    loss_gradients(model, thetas, rows, want_loss, saved, gradients, losses)
    hessian_vector_products(model, thetas, rows, saved, vectors, products)


def derivatives(spec, thetas, rows, vectors, want_loss=True):
    """Return gradients, Hessian products and losses, from memory that was full of something else."""
    saved = np.full(len(thetas) * saved_size(spec, max(rows.count)) + 3, 5, dtype=thetas.dtype)
    gradients, products = np.full_like(thetas, 5.0), np.full_like(thetas, 5.0)
    losses = np.full(len(thetas), 7.0)
    compiled_derivatives(spec, thetas, rows, want_loss, saved, vectors, gradients, products, losses)
    return gradients, products, losses


@numba.njit
def predictions(model, thetas, rows, scratch, out, scores):
    predict(model, thetas, rows, scratch, out)
    score(model, out, rows, scores)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("counts", [[1], [2], [5], [8], [11], [3, 17, 1, 16]], ids=str)
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_loss_gradients_and_hessian_products(case, counts, dtype):
    spec, num_features, intercept = case
    rng = np.random.default_rng(counts)
    thetas, rows = rows_for(spec, num_features, counts, rng, dtype)
    count = num_parameters(spec)
    assert count == num_features + intercept
    vectors = np.zeros_like(thetas)
    vectors[:, :count] = rng.normal(size=(len(counts), count))
    gradients, products, losses = derivatives(spec, thetas, rows, vectors)
    assert np.isfinite(gradients).all()
    assert np.isfinite(products).all()
    for task in range(len(counts)):
        (plain, targets), at, vector = plain_rows(rows, task), thetas[task, :count], vectors[task, :count]
        gradient, product = gradients[task, :count], products[task, :count]
        assert losses[task] == pytest.approx(naive.loss(at, plain, targets), rel=1e-13)
        expected, bound = central(lambda t, X=plain, y=targets: naive.loss(t, X, y), at)
        assert np.all(np.abs(gradient - expected) <= bound)
        jacobian, bound = central(lambda t, X=plain, y=targets: naive.gradient(t, X, y), at)
        assert np.all(np.abs(product - jacobian @ vector) <= bound @ np.abs(vector))

        # And closer, against the dense formulas: some roundings of sums over rows and features.
        scale = np.max(np.abs(plain)) * (1 + np.sum(np.abs(at)))
        assert np.max(np.abs(gradient - naive.gradient(at, plain, targets))) <= 1e-14 * scale
        hessian = naive.hessian(at, plain, targets)
        scale *= np.max(np.abs(plain)) * np.sum(np.abs(vector))
        assert np.max(np.abs(product - hessian @ vector)) <= 1e-14 * scale

    # Nobody sees the losses: they are left alone, and nothing else changes.
    again, _, untouched = derivatives(spec, thetas, rows, vectors, want_loss=False)
    assert np.array_equal(untouched, np.full(len(counts), 7.0))
    assert np.array_equal(again[:, :count], gradients[:, :count])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_task_s_bits_do_not_depend_on_those_beside_it(case):
    spec, num_features, _ = case
    rng = np.random.default_rng(1)
    thetas, rows = rows_for(spec, num_features, [10, 10, 10, 10], rng)
    vectors = np.zeros_like(thetas)
    vectors[:, : num_parameters(spec)] = rng.normal(size=(4, num_parameters(spec)))
    together = derivatives(spec, thetas, rows, vectors)
    for some in (slice(0, 1), slice(2, 3), slice(1, 4)):
        of_some = Rows(rows.X, rows.index[some], rows.y[some], rows.count[some])
        alone = derivatives(spec, thetas[some], of_some, vectors[some])
        for values, expected in zip(alone, together, strict=True):
            assert np.array_equal(values, expected[some])


@pytest.mark.parametrize("case", CASES[:4], ids=name_of)
def test_predictions_and_scores(case):
    spec, num_features, intercept = case
    counts = [9, 1, 17]
    thetas, rows = rows_for(spec, num_features, counts, np.random.default_rng(0))
    out, scores = np.full((3, padded_rows(17)), 5.0), np.zeros(3)
    scratch = np.zeros(3 * saved_size(spec, 17))
    predictions(spec, thetas, rows, scratch, out, scores)
    for task, count in enumerate(counts):
        (plain, targets), at = plain_rows(rows, task), thetas[task, : num_features + intercept]
        assert out[task, :count] == pytest.approx(naive.predict_proba(at, plain)[:, 1], rel=1e-13)
        assert scores[task] == pytest.approx(naive.accuracy(at, plain, targets), rel=1e-15)


@pytest.mark.parametrize("sign", [-1, 1])
def test_saturated_rows_are_finite(sign):
    """At |z| = 1e4, gradient rows are whole or nothing, the Hessian is nothing."""
    spec = LogisticSpec(1, 0)
    thetas, rows = rows_for(spec, 1, [2], np.random.default_rng(0))
    thetas[0, 0], rows.X[:], rows.y[0, :2] = sign * 1e4, 1.0, (0, 1)
    vectors = np.zeros_like(thetas)
    vectors[0, 0] = 1
    gradients, products, losses = derivatives(spec, thetas, rows, vectors)
    assert losses[0] == 5e3
    assert gradients[0, 0] == pytest.approx(sign / 2, rel=1e-15)
    assert abs(products[0, 0]) < 1e-300 or products[0, 0] == 0


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize(("dtype", "z"), [(np.float64, 36.0), (np.float64, 300.0), (np.float32, 17.0)])
def test_nothing_cancels_where_a_row_is_surely_right(label, dtype, z):
    """Gradient and Hessian are next to nothing there, but to their last places what they are."""
    spec = LogisticSpec(1, 0)
    thetas, rows = rows_for(spec, 1, [1], np.random.default_rng(0))
    thetas, vectors = thetas.astype(dtype), np.zeros_like(thetas, dtype=dtype)
    thetas[0, 0], vectors[0, 0], rows.X[:] = z if label else -z, 1, 1
    rows = rows._replace(X=rows.X.astype(dtype), y=np.full_like(rows.y, label, dtype=dtype))
    gradients, products, losses = derivatives(spec, thetas, rows, vectors)
    assert gradients[0, 0] == pytest.approx((1 - 2 * label) * np.exp(-z), rel=1e-6 if z == 17 else 1e-14)
    assert products[0, 0] == pytest.approx(np.exp(-z), rel=1e-6 if z == 17 else 1e-14)
    assert losses[0] == pytest.approx(np.log1p(np.exp(-z)), rel=1e-14)


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
        MAMLSpec(
            InnerLoop.with_rates(np.arange(count), steps, padded_rates), 0 if order == 2 else FIRST_ORDER, 0
        ),
        GivenSpec(Xs[None], ys[None], Xq[None], yq[None]),
        SGD(1.0).lower(1),
        tasks_per_batch=1,
        gradient_scale=1.0,
        theta=start,
        n_jobs=1,
        epochs=1,
    )
    for _ in training.run(0, 1, 1):
        pass
    assert not training.theta[count:].any()
    return theta - training.theta[:count]


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
    assert hasattr(compiled_derivatives, "py_func") == (not config.DISABLE_JIT)
