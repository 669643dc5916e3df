"""Losses, gradients, Hessian products and meta-gradients of small tasks against 50 digits.

An error may be 1e-12 of the sum of the absolute terms, norm by norm: the Euclidean norm of the error of a
loss, of a gradient for all parameters or rates, or of a Hessian product, and that of the entries' sums. What
these are is said in `exact`: every sum in the computation is one of absolute values, from the logits to the
way back through the inner steps, and a function's argument passes its own on by the derivative. So they hold
what rounding moves, and are large where the task itself magnifies it (a logit of 1e4 that is a difference of
larger numbers); but nothing is allowed for a formula that takes away what it need not: terms are those of the
stable forms, and a row that is surely right has a loss, a gradient and a curvature of next to nothing with
all their digits.
"""

import itertools
import math
from typing import NamedTuple

import exact
import mpmath
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sizes import size

from fastmaml import algorithms, meta_gradient, models
from fastmaml.models import Rows, hessian_vector_products, loss_gradients, pad, saved_size, unpad
from fastmaml.numerics.layout import padded_rows
from fastmaml.runtime.compilation import driver

TOLERANCE = exact.SHARE


class Case(NamedTuple):
    """A model, how the oracle is told of it, parameters, and tasks: X, y of support and of query rows."""

    model: models.Model
    told: dict
    theta: np.ndarray
    tasks: tuple


def numbers(shape):
    """Draw an array of numbers in [-1, 1]: any, or with some that are nothing, next to nothing, or one."""
    count = int(np.prod(shape))
    number = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 1.0, -1.0, 1e-9]))
    special = st.lists(number, min_size=count, max_size=count).map(lambda a: np.array(a).reshape(shape))
    seeds = st.integers(0, 2**32 - 1)
    return st.one_of(special, seeds.map(lambda seed: np.random.default_rng(seed).uniform(-1, 1, shape)))


# A model, and how the oracle is told of it.
def logistic(draw, features, **common):
    return models.Logistic(features, **common), {"sizes": (features, 1), "loss": "binary_cross_entropy"}


def softmax(draw, features, **common):
    classes = draw(st.integers(2, 4))
    told = {"sizes": (features, classes), "loss": "categorical_cross_entropy"}
    return models.Softmax(features, classes, **common), told


def linear(draw, features, **common):
    outputs, loss = draw(st.integers(1, 2)), draw(st.sampled_from(["squared_error", "poisson"]))
    return models.Linear(features, outputs, loss=loss, **common), {"sizes": (features, outputs), "loss": loss}


def mlp(draw, features, **common):
    hidden = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    activation = draw(st.sampled_from(["tanh", "silu", "relu"]))
    loss, least, most = draw(
        st.sampled_from(
            [
                ("squared_error", 1, 3),
                ("poisson", 1, 3),
                ("binary_cross_entropy", 1, 1),
                ("categorical_cross_entropy", 2, 3),
            ]
        )
    )
    outputs = draw(st.integers(least, most))
    told = {"sizes": (features, *hidden, outputs), "activation": activation, "loss": loss}
    return models.MLP(features, hidden, outputs, activation, loss, **common), told


@st.composite
def cases(draw):
    intercept = draw(st.booleans())
    features = draw(st.integers(1, 3))
    common = {"intercept": intercept, "l2": draw(st.sampled_from([0.0, 0.5]))}
    model, told = draw(st.sampled_from([logistic, softmax, linear, mlp]))(draw, features, **common)
    told["intercept"] = intercept
    # Logits from next to nothing to some thousands; below 100 where the loss is an exponential of them.
    poisson = told["loss"] == "poisson"
    of_rows = draw(st.sampled_from([1e-7, 1e-2, 1.0, 3.0] if poisson else [1e-7, 1e-2, 1.0, 30.0, 1e3]))
    of_theta = draw(st.sampled_from([1e-3, 1.0, 2.0] if poisson else [1e-3, 1.0, 5.0]))
    theta = of_theta * draw(numbers((models.num_parameters(model.spec()),)))
    count, tasks = draw(st.integers(1, 2)), []
    for _ in range(2):
        rows = draw(st.integers(1, 3))
        tasks.append(of_rows * draw(numbers((count, rows, features))))
        shape = (count, rows, model.num_targets)
        if model.classifies:
            top, amount = model.num_classes - 1, int(np.prod(shape))
            labels = draw(st.lists(st.integers(0, top), min_size=amount, max_size=amount))
            tasks.append(np.array(labels, dtype=float).reshape(shape))
        else:
            targets = draw(st.sampled_from([1.0, 20.0])) * draw(numbers(shape))
            tasks.append(np.abs(targets) if poisson else targets)
    return Case(model, told, theta, tuple(tasks))


def exactly(work):
    """Return what a function computes with 50 digits; another example, where it cannot be compared."""
    try:
        with mpmath.workdps(exact.DIGITS):
            return work()
    except (exact.AtAKinkError, exact.OutOfRangeError):
        return reject()


def in_range(*numbers):
    """Take another example where float64 overflows: a Poisson rate after steps that were too long."""
    if max(number.terms for number in numbers) > 1e300:
        reject()


def assert_exact(actual, expected):
    """Compare numbers, norm by norm, with the sums of the absolute terms."""
    with mpmath.workdps(exact.DIGITS):
        error = mpmath.norm([mpmath.mpf(float(a)) - e.value for a, e in zip(actual, expected, strict=True)])
    assert error <= TOLERANCE * math.hypot(*[e.terms for e in expected])


@driver
def compiled_derivatives(model, thetas, rows, saved, vectors, gradients, products, losses):
    loss_gradients(model, thetas, rows, True, saved, gradients, losses)
    hessian_vector_products(model, thetas, rows, saved, vectors, products)


def derivatives(spec, theta, X, y, vectors):
    """Return loss, gradient and Hessian product of each task, (tasks, ...)."""
    tasks, count, features = X.shape
    room = padded_rows(count)
    index = np.zeros((tasks, room), np.int64)
    index[:, :count] = np.arange(tasks * count).reshape(tasks, count)
    targets = np.zeros((tasks, room * y.shape[2]))
    targets[:, : count * y.shape[2]] = y.reshape(tasks, -1)
    rows = Rows(np.ascontiguousarray(X.reshape(-1, features)), index, targets, np.full(tasks, count))
    thetas = pad(spec, np.tile(theta, (tasks, 1)), np.dtype(np.float64))
    directions = pad(spec, vectors, np.dtype(np.float64))
    saved, losses = np.zeros(tasks * saved_size(spec, count)), np.zeros(tasks)
    gradients, products = np.zeros_like(thetas), np.zeros_like(thetas)
    compiled_derivatives(spec, thetas, rows, saved, directions, gradients, products, losses)
    return losses, unpad(spec, gradients), unpad(spec, products)


def expected_derivatives(case, X, y, vector):
    """Return the oracle's loss, gradient and Hessian product, each a list of numbers."""

    def work():
        theta = exact.variables(case.theta)
        mean = exact.mean_loss(theta, X, y, **case.told)
        slopes = exact.gradient(mean, theta)
        along = exact.total(s * v for s, v in zip(slopes, vector, strict=True))
        return [mean], slopes, exact.gradient(along, theta)

    return exactly(work)


@settings(max_examples=size(150, 40), deadline=None)
@given(case=cases(), data=st.data())
def test_loss_gradient_and_hessian_product(case, data):
    X, y = case.tasks[:2]
    vectors = data.draw(numbers((len(X), case.theta.size)))
    found = derivatives(case.model.spec(), case.theta, X, y, vectors)
    for task, of_task in enumerate(zip(*found, strict=True)):
        expected = expected_derivatives(case, X[task], y[task], vectors[task])
        for actual, right in zip(of_task, expected, strict=True):
            assert_exact(np.atleast_1d(actual), right)


def expected_meta_gradients(case, rates, steps, **how):
    """Return the oracle's mean query loss after the inner steps, its gradient, and that for the rates.

    rates: of each step and parameter, or one row for all steps.
    """
    theta, given = exact.variables(case.theta), [exact.variables(row) for row in rates]
    of_steps = given if len(given) == steps else given * steps
    X, y, X_query, y_query = case.tasks
    losses = []
    for task in range(len(X)):

        def support(at, task=task):
            return exact.mean_loss(at, X[task], y[task], **case.told)

        at = exact.adapted(theta, of_steps, support, penalties=case.model.penalties(), **how)
        losses.append(exact.mean_loss(at, X_query[task], y_query[task], **case.told))
    mean = exact.total(losses) * (mpmath.mpf(1) / len(losses))
    slopes = exact.gradient(mean, [*theta, *itertools.chain(*given)])
    return mean, slopes[: len(theta)], slopes[len(theta) :]


ORDERS, STEPS, CLIPS = st.sampled_from([2, 1]), st.integers(1, 3), st.sampled_from([None, 0.1, 3.0])
RATES = [0.5, 0.03, 1e-3, 1e-6, 0.0]


@settings(max_examples=size(100, 30), deadline=None)
@given(case=cases(), order=ORDERS, steps=STEPS, clip=CLIPS, data=st.data())
def test_meta_gradient(case, order, steps, clip, data):
    """MAML, with a rate of its own for each step and parameter."""
    rates = [[data.draw(st.sampled_from(RATES)) for _ in case.theta] for _ in range(steps)]
    mean, slopes, _ = exactly(lambda: expected_meta_gradients(case, rates, steps, order=order, clip=clip))
    in_range(mean, *slopes)
    result = meta_gradient(case.model, algorithms.MAML(order, steps, rates, clip), case.theta, *case.tasks)
    assert_exact([result.loss], [mean])
    assert_exact(result.gradient, slopes)


@settings(max_examples=size(60, 15), deadline=None)
@given(case=cases(), order=ORDERS, steps=STEPS, clip=CLIPS, data=st.data())
def test_gradient_of_the_rates(case, order, steps, clip, data):
    """Meta-SGD, whose rates all steps share; they may have become negative."""
    signed = st.sampled_from([*RATES, -0.01])
    rates = np.array([data.draw(signed) for _ in case.theta])
    mean, slopes, for_rates = exactly(
        lambda: expected_meta_gradients(case, [rates], steps, order=order, clip=clip)
    )
    in_range(mean, *slopes, *for_rates)
    algorithm = algorithms.MetaSGD(order, steps, clip_norm=clip)
    result = meta_gradient(case.model, algorithm, case.theta, *case.tasks, inner_rates=rates)
    assert_exact([result.loss], [mean])
    assert_exact(result.gradient, slopes)
    assert_exact(result.rate_gradient, for_rates)


@pytest.mark.parametrize(
    ("case", "label"),
    [
        # tanh of next to nothing.
        (
            Case(
                models.MLP(1, (2,), 1, "tanh", intercept=False),
                {"sizes": (1, 2, 1), "activation": "tanh", "loss": "squared_error", "intercept": False},
                np.array([1.0, -0.5, 0.3, 2.0]),
                (np.full((1, 1, 1), 1e-7),),
            ),
            1.0,
        ),
        # Rows that are surely right.
        *[
            (Case(model, told, np.array(theta), (np.full((1, 1, 1), 30.0),)), label)
            for model, told, theta, label in (
                (*logistic(None, 1), [1.0, 0.1], 1.0),
                (
                    models.Softmax(1, 3),
                    {"sizes": (1, 3), "loss": "categorical_cross_entropy"},
                    [-1.0, 1.0, 0.5, 0.1, 0.0, 0.0],
                    1.0,
                ),
            )
        ],
    ],
    ids=["tanh", "logistic", "softmax"],
)
def test_nothing_cancels(case, label):
    y, vectors = np.full((1, 1, 1), label), np.ones((1, case.theta.size))
    found = derivatives(case.model.spec(), case.theta, case.tasks[0], y, vectors)
    for actual, expected in zip(
        found, expected_derivatives(case, case.tasks[0][0], y[0], vectors[0]), strict=True
    ):
        assert_exact(np.atleast_1d(actual[0]), expected)


# One row's feature, and parameters that give logits of 1e4 and -1e4, or an activation's argument of such.
LARGE = {
    "logistic": (models.Logistic(1), {"sizes": (1, 1), "loss": "binary_cross_entropy"}, [1.0, 0.0]),
    "softmax": (
        models.Softmax(1, 3),
        {"sizes": (1, 3), "loss": "categorical_cross_entropy"},
        [1.0, -1.0, 0.0, 0.0, 0.0, 0.0],
    ),
    "linear": (models.Linear(1), {"sizes": (1, 1), "loss": "squared_error"}, [1.0, 0.0]),
    **{
        f"mlp, {activation}, {loss}": (
            models.MLP(1, (2,), outputs, activation, loss, intercept=False),
            {"sizes": (1, 2, outputs), "activation": activation, "loss": loss, "intercept": False},
            [1.0, -1.0, *[1.0, -0.5][:outputs], *[-0.5, 1.0][:outputs]],
        )
        for activation in ("tanh", "silu", "relu")
        for loss, outputs in (
            ("binary_cross_entropy", 1),
            ("categorical_cross_entropy", 2),
            ("squared_error", 1),
        )
    },
}


@pytest.mark.parametrize("x", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", LARGE)
def test_logits_of_ten_thousand(name, sign, x):
    """Right or wrong: all is finite, in either precision, and in float64 exact."""
    model, told, first = LARGE[name]
    theta = np.array(first)
    # The first layer's weights reach 1e4 together with the feature.
    weights = told["sizes"][1]
    theta[:weights] *= sign * 1e4 / x
    labels = [0.0, 1.0] if model.classifies else [0.0, 1e4]
    X, y = np.full((1, 2, 1), x), np.array(labels).reshape(1, 2, 1)
    case = Case(model, told, theta, (X, y, X, y))
    # A step that leaves the logits what they are in size.
    rates = np.full((1, theta.size), 0.1 / x**2)
    mean, slopes, _ = exactly(lambda: expected_meta_gradients(case, rates, 1))
    for dtype in ("float64", "float32"):
        algorithm = algorithms.MAML(2, 1, rates)
        result = meta_gradient(model, algorithm, theta, *case.tasks, dtype=dtype)
        assert np.isfinite([result.loss, *result.gradient]).all()
        if dtype == "float64":
            assert_exact([result.loss], [mean])
            assert_exact(result.gradient, slopes)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_poisson_rates_of_logits_of_ten_thousand(dtype):
    """A rate of exp(-1e4) is nothing; one of exp(1e4) is no number of any precision, and an error says so."""
    model, ones = models.Linear(1, loss="poisson", intercept=False), np.ones((1, 1, 1))
    result = meta_gradient(model, algorithms.MAML(2, 1, 0.5), [-1e4], *[ones] * 4, dtype=dtype)
    assert result.gradient == [-1.0]
    assert result.loss == np.dtype(dtype).type(1e4 - 0.5)
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="infinite or NaN"),
    ):
        meta_gradient(model, algorithms.MAML(2, 1, 0.5), [1e4], *[ones] * 4, dtype=dtype)


# --- the oracle itself ---


@pytest.mark.parametrize("activation", exact.ACTIVATIONS)
@pytest.mark.parametrize(
    ("loss", "outputs"),
    [("squared_error", 2), ("poisson", 2), ("binary_cross_entropy", 1), ("categorical_cross_entropy", 3)],
)
def test_the_oracle_s_derivatives_are_those_of_its_losses(activation, loss, outputs):
    """Against central differences, through two inner steps of which one is clipped."""
    told = {"sizes": (2, 2, outputs), "activation": activation, "loss": loss}
    rng = np.random.default_rng(outputs)
    theta, X = rng.normal(size=6 + 3 * outputs), rng.normal(size=(2, 2))
    y = rng.integers(0, 2, (2, outputs)).astype(float)
    rates, step = np.full((2, theta.size), 0.1), mpmath.mpf(10) ** -15

    def outer(at):
        def support(values):
            return exact.mean_loss(values, X, y, **told)

        return exact.mean_loss(exact.adapted(at, rates, support, clip=norm), 1 - X, y, **told)

    with mpmath.workdps(exact.DIGITS):
        at = exact.variables(theta)
        first = exact.gradient(exact.mean_loss(at, X, y, **told), at)
        norm = mpmath.norm([g.value for g in first]) * 0.99
        slopes = exact.gradient(outer(at), at)
        for k in range(theta.size):
            up, down = (
                outer(exact.variables([mpmath.mpf(t) + sign * step * (i == k) for i, t in enumerate(theta)]))
                for sign in (1, -1)
            )
            # A difference over a step is off by the step's square.
            assert abs((up.value - down.value) / (2 * step) - slopes[k].value) < 1e-25
    # With sums of absolute terms like these, no error above 1e-8 of the gradient passes.
    ratio = math.hypot(*[s.terms for s in slopes]) / mpmath.norm([s.value for s in slopes])
    assert 1 <= ratio < 1e-8 / TOLERANCE
