"""Adapting to a task, predicting, and evaluating on tasks never seen, against the formulas."""

import warnings

import addressed
import naive
import numpy as np
import pytest
from scipy import stats
from sizes import size

from fastmaml import MAML, TaskSet
from fastmaml.intervals import mean_interval
from fastmaml.runtime.cache import before_compiling

SIZES = [6, 9, 5, 7, 12, 5]
# Said of all that is tested here, and rightly.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.* intervals over so few say little"),
    pytest.mark.filterwarnings("ignore:.* have no auc"),
]


def numbers(report):
    """Return all that an evaluation says."""
    names = [f"{metric}{ending}" for metric in report.metrics for ending in ("", "_interval")]
    return [report.steps, *(getattr(report, name) for name in names)]


def assert_equal(one, other):
    for mine, yours in zip(numbers(one), numbers(other), strict=True):
        assert np.array_equal(mine, yours, equal_nan=True)


def tasks_of(sizes, num_features=3, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(groups), num_features))
    # Each task has a direction of its own.
    y = np.sum(X * rng.normal(size=(len(sizes), num_features))[groups], axis=1) > 0
    return TaskSet.from_groups(X, y, groups)


def make(fit_intercept=False, num_features=3, **arguments):
    arguments = {"alpha": 0.4, "inner_steps": 2, "random_state": 0, "verbose": False, **arguments}
    model = MAML(num_features=num_features, num_samples=3, fit_intercept=fit_intercept, **arguments)
    model.theta = np.random.default_rng(1).normal(size=(num_features + fit_intercept, 1))
    return model


def assert_close(actual, expected, tolerance=1e-12):
    assert np.shape(actual) == np.shape(expected)
    assert np.max(np.abs(np.subtract(actual, expected))) <= tolerance * np.max(np.abs(expected))


# --- evaluate ---


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("shots", [1, 4])
@pytest.mark.parametrize("seed", [0, 2**63 + 5])
def test_evaluation_against_the_formulas(fit_intercept, shots, seed):
    model, tasks, steps = make(fit_intercept), tasks_of(SIZES), (0, 1, 2, 7)
    theta = model.theta.ravel().copy()
    evaluation = model.evaluate(tasks, shots=shots, steps=steps, random_state=seed)
    results = []
    for number, (X, y) in enumerate(tasks):
        support, query = addressed.rows_of_task(seed, 0, number, len(X), shots, None)
        # All rows that are not adapted on are tested on.
        assert len(support) == shots
        assert len(query) == len(X) - shots
        results.append(naive.evaluate_task(theta, X[support], y[support], X[query], y[query], 0.4, steps))
    assert evaluation.steps.tolist() == list(steps)
    assert evaluation.num_tasks == len(SIZES)
    for name in ("loss", "accuracy"):
        values = np.array([getattr(result, name) for result in results])
        assert_close(getattr(evaluation, name), values.mean(axis=0))
        interval = stats.t.interval(
            0.95, len(SIZES) - 1, loc=values.mean(axis=0), scale=stats.sem(values, axis=0)
        )
        # The quantile of t is good to some ten digits in either.
        assert_close(getattr(evaluation, f"{name}_interval"), np.transpose(interval), 1e-9)
    assert np.array_equal(model.theta.ravel(), theta)


def test_steps_are_sorted_and_counted_once():
    model, tasks = make(), tasks_of(SIZES)
    expected = model.evaluate(tasks, shots=2, steps=(0, 1, 5))
    for steps in ((5, 0, 1, 0), [np.int64(1), 5, 0], np.array([1, 0, 5]), {0, 1, 5}):
        other = model.evaluate(tasks, shots=2, steps=steps)
        assert_equal(expected, other)
    assert model.evaluate(tasks, shots=2, steps=5).loss == expected.loss[2:]


def test_defaults():
    model, tasks = make(), tasks_of(SIZES)
    evaluation = model.evaluate(tasks)
    assert evaluation.steps.tolist() == [0, 1, 5]
    assert_equal(evaluation, model.evaluate(tasks, 3, (0, 1, 5), 0))


def test_a_single_task_has_no_interval():
    with pytest.warns(UserWarning, match="^1 task to test on: intervals over so few say little$"):
        evaluation = make().evaluate(tasks_of([6]), shots=2, steps=(0, 2))
    assert np.isnan(evaluation.loss_interval).all()
    assert np.isnan(evaluation.accuracy_interval).all()
    assert evaluation.loss_interval.shape == evaluation.accuracy_interval.shape == (2, 2)
    assert np.isfinite(evaluation.loss).all()
    assert evaluation.num_tasks == 1


def test_evaluating_changes_nothing_and_repeats():
    np.random.seed(0)
    before = np.random.get_state()
    model, tasks = make(tasks=tasks_of([9] * 4, seed=1), num_tasks=2, epochs=3), tasks_of(SIZES)
    model.train()
    theta, epoch, history = model.theta.copy(), model.epoch_, list(model.history_)
    first, second = (model.evaluate(tasks, shots=2) for _ in range(2))
    other = model.evaluate(tasks, shots=2, random_state=1)
    assert_equal(first, second)
    assert not np.array_equal(first.loss, other.loss)
    assert np.array_equal(model.theta, theta)
    assert (model.epoch_, model.history_) == (epoch, history)
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_the_same_rows_whatever_the_model():
    """With shots and seed the same, theta and rates make no difference to the choice."""
    tasks = tasks_of(SIZES)
    zero, other = make(alpha=0.0), make(alpha=0.0, inner_steps=9, random_state=77)
    assert_equal(zero.evaluate(tasks, 2), other.evaluate(tasks, 2))


@pytest.mark.compiled
def test_threads_give_the_same_bits():
    tasks = tasks_of([5] * 150)
    results = []
    for n_jobs in (1, 2, None):
        model = make(n_jobs=n_jobs)
        results.append(model.evaluate(tasks, shots=2))
    for other in results[1:]:
        assert_equal(results[0], other)


def test_meta_learning_helps_where_tasks_are_alike():
    """Tasks that share a direction: the learned start is right before it sees a row."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(size(60, 20), 12, 3))
    tasks = TaskSet.from_arrays(X, X @ [2.0, -1.0, 0.5] > 0)
    train, test = tasks.split(random_state=0)
    model = make(tasks=train, num_tasks=8, epochs=size(200, 30), beta=1.0)
    model.theta = np.zeros((3, 1))
    before = model.evaluate(test, shots=3)
    model.train()
    after = model.evaluate(test, shots=3)
    # From a guess to nearly always right: more than ten standard errors of some 150 guesses or more.
    assert before.loss[0] == pytest.approx(np.log(2), rel=1e-12)
    assert after.accuracy[0] > 0.9
    assert after.loss[0] < 0.5


# --- adapt and predict ---


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("num_features", [1, 3, 40])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_adapting_against_the_formulas(rows, num_features, fit_intercept):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(rows, num_features)), rng.integers(0, 2, rows)
    model = make(fit_intercept, num_features)
    theta = model.theta.copy()
    for steps in (None, 0, 1, 5):
        adapted = model.adapt(X, y, steps=steps)
        expected = naive.inner_loop(theta.ravel(), X, y, 0.4, 2 if steps is None else steps)
        assert adapted.theta.shape == (num_features + fit_intercept, 1)
        assert_close(adapted.theta.ravel(), expected)
        new = rng.normal(size=(6, num_features))
        assert_close(adapted.predict_proba(new), naive.predict_proba(expected, new))
        assert adapted.predict(new).tolist() == (naive.predict_proba(expected, new)[:, 1] > 0.5).tolist()
        assert adapted.predict(new).dtype == np.int64
    assert np.array_equal(model.theta, theta)
    assert model.epoch_ == 0


def test_the_adapted_model_is_a_copy():
    model = make()
    adapted = model.adapt(np.ones((2, 3)), [0, 1], steps=0)
    assert np.array_equal(adapted.theta, model.theta)
    adapted.theta[:] = 0
    assert model.theta.any()


def test_predicting_without_adapting():
    model, X = make(True), np.random.default_rng(4).normal(size=(5, 3))
    expected = naive.predict_proba(model.theta.ravel(), X)
    assert_close(model.predict_proba(X), expected)
    assert model.predict(X).tolist() == (expected[:, 1] > 0.5).tolist()


def layouts():
    """The same two rows and labels in every form that users bring."""
    X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
    y = np.array([1, 0])
    yield X, y
    yield X, y.reshape(2, 1)
    yield X.tolist(), y.tolist()
    yield np.asfortranarray(X), y.astype(bool)
    yield np.repeat(X, 2, axis=0)[::2], np.repeat(y, 2)[::2]
    yield X[::-1][::-1], y.astype(float)[::-1][::-1]
    yield X.astype(np.float32), y.astype(np.uint8)
    yield X.astype(object), y.astype(object)
    fixed = X.copy()
    fixed.flags.writeable = False
    yield fixed, y


def test_rows_and_labels_of_every_layout():
    model = make()
    results = [model.adapt(X, y).theta.tobytes() for X, y in layouts()]
    assert len(set(results)) == 1
    X, _ = next(layouts())
    adapted = model.adapt(*next(layouts()))
    assert len({adapted.predict_proba(rows).tobytes() for rows, _ in layouts()}) == 1
    assert X.flags.writeable


@pytest.mark.compiled
def test_no_layout_compiles_anything_new():
    """A compilation takes seconds, in which a user's service would stand still."""
    model = make()
    model.adapt(*next(layouts()))
    compiled = []
    before_compiling.append(compiled.append)
    try:
        for X, y in layouts():
            model.adapt(X, y)
    finally:
        before_compiling.remove(compiled.append)
    assert not compiled


def test_extreme_rows_give_no_warning():
    model = make()
    model.theta = np.array([[1e4], [0.0], [0.0]])
    X = np.array([[-1e3, 0, 0], [-1e-1, 0, 0], [0, 1, 1], [1e-1, 0, 0], [1e3, 0, 0]])
    with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise"):
        warnings.simplefilter("error")
        proba = model.predict_proba(X)
    assert proba[0].tolist() == [1.0, 0.0]
    assert proba[2].tolist() == [0.5, 0.5]
    assert proba[4].tolist() == [0.0, 1.0]
    assert np.all(proba.sum(axis=1) == 1)
    assert model.predict(X).tolist() == [0, 0, 0, 1, 1]


def test_adapting_far_from_zero_stays_finite():
    """Saturated on both sides: gradients of whole rows, and no NaN."""
    model = make()
    model.theta = np.array([[1e4], [0.0], [0.0]])
    X, y = np.array([[1.0, 2.0, 0.0], [-1.0, 0.0, 3.0]]), np.array([0, 1])
    adapted = model.adapt(X, y, steps=1)
    # p - y is 1 and -1 exactly.
    assert_close(adapted.theta.ravel(), [1e4 - 0.4, -0.4, 0.6])


def test_float32_adapts_like_float64():
    model, X, y = make(dtype="float32"), np.eye(3), np.array([0, 1, 1])
    theta = model.theta.ravel()
    adapted = model.adapt(X, y, steps=3)
    assert adapted.theta.dtype == np.float32
    # Unit rows: a step changes each entry by alpha / 3 (p - y), each of its few roundings below 2**-24 of
    # at most 1, as is theta's own, of at most 2; no more than 10 a step.
    error = np.abs(adapted.theta.ravel() - naive.inner_loop(theta, X, y, 0.4, 3))
    assert np.max(error) <= 3 * 10 * 2 * 2.0**-24


# --- numbers that run away ---


@pytest.mark.filterwarnings(
    "ignore:overflow", "ignore:invalid value"
)  # NumPy's numbers, without the compiler
def test_an_evaluation_that_diverges_names_groups():
    tasks = tasks_of(SIZES)
    large = TaskSet(1e160 * tasks.X, tasks.y, tasks.offsets)
    model = make(alpha=1e160)
    theta = model.theta.copy()
    # Where every support row is right already, there is nothing to learn, and nothing runs away.
    wrong = []
    for number, (X, y) in enumerate(tasks):
        support, _ = addressed.rows_of_task(0, 0, number, len(X), 3, None)
        wrong.append(bool(np.any((np.asarray(X)[support] @ theta.ravel() > 0) != y[support])))
    message = f"{sum(wrong)} of 6 tasks diverged, .* among them, .*; lower the inner rate"
    with pytest.warns(UserWarning, match=message):
        report = model.evaluate(large, shots=3, steps=(0, 1))
    assert np.array_equal(model.theta, theta)
    assert [report.summary("loss", 3, steps).diverged for steps in (0, 1)] == [0, sum(wrong)]
    assert np.isnan(report.values("loss")[:, 0, 1]).tolist() == wrong
    assert np.isfinite(report.loss[0])
    with pytest.warns(UserWarning, match="1 of 1 tasks diverged"):
        report = make(num_features=2).evaluate(
            TaskSet(np.full((4, 2), 1.7e308), [0, 1, 0, 1], [0, 4]), shots=1, steps=(0,)
        )
    assert np.isnan(report.loss).all()


def test_intervals_of_large_numbers():
    values = np.array([[1e200, 0.0], [3e200, 0.0], [2e200, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = mean_interval(values)[0]
        assert np.array_equal(mean_interval(values)[1], [0, 0])
    half = stats.t.ppf(0.975, 2) * 1e200 / np.sqrt(3)
    assert (low, high) == pytest.approx((2e200 - half, 2e200 + half), rel=1e-12)
