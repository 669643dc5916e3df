"""A sampler of the user's own: called in the notebook's order, and trained on exactly."""

import naive
import numba
import numpy as np
import pytest
from sizes import size

from fastmaml import MAML

SMALL = {"num_tasks": 3, "num_samples": 4, "num_features": 5, "query_samples": 2, "log_every": 2}
RATES = {"alpha": 0.5, "beta": 0.8}


def points(k):
    return naive.sample_points(k, 5)


def assert_close(actual, expected, tolerance=1e-12):
    assert np.shape(actual) == np.shape(expected)
    assert np.max(np.abs(np.subtract(actual, expected))) <= tolerance * np.max(np.abs(expected))


def train_both(seed, sampler, **arguments):
    """Train the notebook and the library with the same sampler from the same state."""
    results = []
    for make in (naive.NotebookMAML, MAML):
        np.random.seed(seed)
        model = make(**{**SMALL, **RATES, **arguments}, sample_points=sampler)
        model.train()
        results.append((model, np.random.get_state()))
    return results


def test_calls_come_in_the_notebook_s_order():
    calls = []

    def sampler(k):
        calls.append(k)
        return points(k)

    MAML(**SMALL, epochs=2, sample_points=sampler, verbose=False, random_state=0).train()
    assert calls == 2 * (3 * [4] + 3 * [2])


def test_making_a_model_calls_nothing():
    MAML(**SMALL, sample_points=lambda k: pytest.fail("called"), random_state=0)


@pytest.mark.parametrize("arguments", [{}, {"order": 2, "inner_steps": 3}], ids=["order 1", "order 2"])
def test_a_sampler_like_the_notebook_s_gives_the_notebook_s_run(capsys, arguments):
    (expected, state), (model, stands) = train_both(0, points, epochs=size(9, 4), **arguments)
    assert_close(model.theta, expected.theta)
    assert_close(model.theta_, expected.theta_)
    assert np.array_equal(state[1], stands[1])
    assert state[2:] == stands[2:]
    assert [loss for _, loss in model.history_] == pytest.approx(expected.stable_losses, rel=1e-12)
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    assert [line.split(" Loss")[0] for line in lines[:half]] == [
        line.split(" Loss")[0] for line in lines[half:]
    ]

    # And the run of the exact mode, which draws by itself.
    np.random.seed(0)
    exact = MAML(**SMALL, **RATES, epochs=size(9, 4), verbose=False, **arguments)
    exact.train()
    assert_close(model.theta, exact.theta)


def test_the_intercept_is_added_to_the_sampler_s_rows():
    def with_ones(k):
        x, y = points(k)
        return np.hstack([x, np.ones((k, 1))]), y

    np.random.seed(1)
    expected = naive.NotebookMAML(**{**SMALL, **RATES, "num_features": 6}, epochs=4, sample_points=with_ones)
    expected.train()
    np.random.seed(1)
    model = MAML(**SMALL, **RATES, epochs=4, sample_points=points, fit_intercept=True, verbose=False)
    model.train()
    assert_close(model.theta, expected.theta)


@numba.njit
def compiled_points(k):
    return np.random.rand(k, 5), np.random.randint(0, 2, k).reshape(-1, 1)


@numba.njit
def seed_compiled(seed):
    np.random.seed(seed)


@pytest.mark.compiled
def test_a_compiled_sampler_is_called_serially_in_order():
    """Compiled code has a generator of its own, which the order of the calls shows in."""
    results = []
    for make, arguments in ((naive.NotebookMAML, {}), (MAML, {"n_jobs": 2})):
        np.random.seed(2)
        seed_compiled(3)
        model = make(**SMALL, **RATES, epochs=5, sample_points=compiled_points, **arguments)
        model.train()
        results.append(model.theta)
    assert_close(results[1], results[0])


@pytest.mark.parametrize(
    "convert",
    [
        lambda x, y: (x.tolist(), y.tolist()),
        lambda x, y: (x, y.ravel()),
        lambda x, y: (x, y.astype(bool)),
        lambda x, y: (np.asfortranarray(x), y.astype(np.float32)),
        lambda x, y: [x, y],
    ],
    ids=["lists", "flat labels", "booleans", "other layout", "a list of two"],
)
def test_what_a_sampler_may_return(convert):
    thetas = []
    for sampler in (points, lambda k: convert(*points(k))):
        np.random.seed(4)
        model = MAML(**SMALL, **RATES, epochs=2, sample_points=sampler, verbose=False)
        model.train()
        thetas.append(model.theta.tobytes())
    assert thetas[0] == thetas[1]


def spoil(place, value):
    def convert(x, y):
        x[place] = value
        return x, y

    return convert


WRONG = {
    "None": (lambda x, y: None, TypeError, "NoneType.*two arrays"),
    "one array": (lambda x, y: x, TypeError, "ndarray.*two arrays"),
    "three": (lambda x, y: (x, y, y), TypeError, "tuple.*two arrays"),
    "few rows": (
        lambda x, y: (x[1:], y[1:]),
        ValueError,
        r"sample_points\(4\) returned 3 rows.*must return 4",
    ),
    "narrow": (lambda x, y: (x[:, 1:], y), ValueError, r"sample_points\(4\) has shape \(4, 4\).*5"),
    "flat": (lambda x, y: (x.ravel(), y), ValueError, r"has shape \(20,\)"),
    "few labels": (lambda x, y: (x, y[1:]), ValueError, "3 labels.*4 rows"),
    "wide labels": (lambda x, y: (x, np.hstack([y, y])), ValueError, r"shape \(4, 2\).*\(rows, 1\)"),
    "label 2": (lambda x, y: (x, y + 1), ValueError, "holds 2 at row .*0 or 1"),
    "label NaN": (lambda x, y: (x, y * np.nan), ValueError, "holds nan at row 0"),
    "NaN": (spoil((1, 2), np.nan), ValueError, "holds nan at row 1, column 2"),
    "infinity": (spoil((0, 4), -np.inf), ValueError, "holds -inf at row 0, column 4"),
    "text": (lambda x, y: (x.astype(str), y), TypeError, "rows of sample_points.*numbers"),
    "text labels": (lambda x, y: (x, y.astype(str)), TypeError, "labels of sample_points.*numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_returns(name):
    convert, error, message = WRONG[name]
    np.random.seed(5)
    # A label of each kind, so that adding one makes a 2.
    model = MAML(
        **SMALL,
        epochs=2,
        verbose=False,
        sample_points=lambda k: convert(np.random.rand(k, 5), np.arange(k).reshape(-1, 1) % 2),
    )
    theta = model.theta.copy()
    with pytest.raises(error, match=message):
        model.train()
    assert np.array_equal(model.theta, theta)
    assert model.epoch_ == 0
    assert model.history_ == []


def test_a_sampler_that_fails_later_keeps_what_is_learned():
    calls = []

    def sampler(k):
        calls.append(k)
        if len(calls) == 2 * 6 + 4:
            raise LookupError("no more points")
        return points(k)

    np.random.seed(6)
    model = MAML(**SMALL, **RATES, epochs=5, sample_points=sampler, verbose=False)
    with pytest.raises(LookupError, match="no more points"):
        model.train()
    assert model.epoch_ == 2
    np.random.seed(6)
    shorter = MAML(**SMALL, **RATES, epochs=2, sample_points=points, verbose=False)
    shorter.train()
    assert model.theta.tobytes() == shorter.theta.tobytes()


def test_an_addressed_seed_decides_the_first_theta():
    model = MAML(**SMALL, sample_points=points, random_state=7)
    assert model.theta.tobytes() == MAML(**SMALL, random_state=7).theta.tobytes()
    assert model.seed_ == 7
