"""The estimators: scikit-learn's own checks, what they learn, adapting, groups in all their forms."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmaml import MAMLClassifier, MAMLRegressor, TaskSet

# scikit-learn's checks may warn, as its own estimators do.
pytestmark = pytest.mark.compiled

CHECKED = [MAMLClassifier(), MAMLRegressor()]


@pytest.mark.filterwarnings("default")
@parametrize_with_checks(CHECKED)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def drawn(classes=2, groups=30, rows=24, seed=0):
    """Draw rows of groups whose weights differ, with an intercept that differs most."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"g{i:02}" for i in range(groups)], rows)
    X = rng.normal([3.0, -1.0, 0.0], [2.0, 0.5, 1.0], (groups * rows, 3))
    shift = np.repeat(rng.normal(0, 2.0, groups), rows)
    score = (X[:, 0] - 3) / 2 + 2 * (X[:, 1] + 1) + shift
    if classes == 0:
        return X, 10 + 4 * (score + 0.1 * rng.normal(size=score.size)), labels
    cuts = np.quantile(score, np.arange(1, classes) / classes)
    return X, np.array(["no", "perhaps", "yes"])[np.searchsorted(cuts, score)], labels


def parts(X, y, labels, new=6):
    """Split into groups to fit and new ones, and of these rows to adapt on and to test on."""
    names = np.unique(labels)
    fit = np.isin(labels, names[:-new])
    place = np.arange(len(y)) % 24
    return fit, ~fit & (place < 8), ~fit & (place >= 8)


@pytest.mark.parametrize("algorithm", ["maml", "anil", "meta_sgd", "reptile"])
@pytest.mark.parametrize("classes", [2, 3])
def test_adapting_helps_a_classifier(algorithm, classes):
    X, y, labels = drawn(classes)
    fit, support, query = parts(X, y, labels)
    model = MAMLClassifier(algorithm=algorithm, max_iter=400, random_state=0).fit(
        X[fit], y[fit], groups=labels[fit]
    )
    pooled = LogisticRegression().fit(X[fit], y[fit]).score(X[query], y[query])
    many = model.adapt_many(X[support], y[support], labels[support])
    assert len(many) == 6
    adapted = np.mean(many.predict(X[query], groups=labels[query]) == y[query])
    assert adapted > pooled + 0.1
    warnings.filterwarnings("ignore", "there is one class only")
    # The groups of the fit have their own parameters.
    assert model.score(X[fit], y[fit], groups=labels[fit]) > model.score(X[fit], y[fit]) + 0.1
    for name in many:
        one = model.adapt(X[support & (labels == name)], y[support & (labels == name)])
        rows = X[query & (labels == name)]
        np.testing.assert_allclose(one.predict_proba(rows), many[name].predict_proba(rows), rtol=1e-12)
        np.testing.assert_allclose(
            one.predict_proba(rows), many.predict_proba(rows, groups=[name] * len(rows)), rtol=1e-12
        )


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_adapting_helps_a_regressor(hidden):
    X, y, labels = drawn(0)
    fit, support, query = parts(X, y, labels)
    model = MAMLRegressor(hidden, "tanh", max_iter=600, random_state=0).fit(
        X[fit], y[fit], groups=labels[fit]
    )
    pooled = LinearRegression().fit(X[fit], y[fit]).score(X[query], y[query])
    many = model.adapt_many(X[support], y[support], labels[support])
    predicted = many.predict(X[query], groups=labels[query])
    error = np.mean((predicted - y[query]) ** 2)
    assert 1 - error / np.var(y[query]) > pooled + 0.2
    assert model.validation_scores_[-1] > model.validation_scores_[0]


def test_without_groups_it_is_ordinary_regression():
    X, y, _ = drawn(0)
    ours, theirs = MAMLRegressor().fit(X, y), LinearRegression().fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)
    X, y, _ = drawn(3)
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    ours = MAMLClassifier().fit(X, y, sample_weight=weights)
    theirs = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-8).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_counts():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60), 20)
    X = rng.normal(size=(1200, 2))
    y = rng.poisson(np.exp(0.4 * X[:, 0] + np.repeat(rng.choice([-1.0, 0.5], 60), 20)))
    model = MAMLRegressor(loss="poisson", max_iter=300, random_state=0).fit(X, y, groups=labels)
    assert (model.predict(X) > 0).all()
    assert model.score(X, y, groups=labels) > model.score(X, y) + 0.1
    with pytest.raises(ValueError, match="counts, 0 or larger"):
        model.fit(X, -y, groups=labels)
    assert model.predict(X).shape == (1200,)  # What was fitted is kept.


def test_what_is_kept_of_a_fit():
    X, y, labels = drawn()
    model = MAMLClassifier(max_iter=300, log_every=20, n_iter_no_change=3, random_state=3)
    model.fit(X, y, groups=labels)
    assert model.classes_.tolist() == ["no", "perhaps"]
    assert len(model.loss_curve_) == len(model.validation_scores_) == -(-model.n_iter_ // 20)
    assert model.inner_rate_ == min(model.inner_rate_sweep_, key=model.inner_rate_sweep_.get)
    assert model.groups_.tolist() == sorted(set(labels))
    again = clone(model).fit(X, y, groups=labels)
    assert again.theta_.tobytes() == model.theta_.tobytes()
    # Order of rows and form of labels make no difference but for the order within a group.
    turned = np.argsort(np.arange(len(y)) % 24, kind="stable")
    other = clone(model).fit(X[turned], y[turned], groups=pd.Series(labels[turned]))
    np.testing.assert_allclose(other.theta_, model.theta_, rtol=1e-9)


def test_the_best_parameters_are_kept():
    X, y, labels = drawn()
    states = []
    model = MAMLClassifier(
        learning_rate=0.5, inner_rate=0.3, max_iter=200, log_every=10, n_iter_no_change=100, random_state=0
    )
    model.set_params(callbacks=states.append).fit(X, y, groups=labels)
    losses = [state.validation_loss for state in states]
    assert [state.epoch for state in states] == list(range(10, 201, 10))
    best = states[int(np.argmin(losses))]
    np.testing.assert_array_equal(model.theta_, best.theta)


def test_a_callback_ends_training():
    class Enough:
        def after_slice(self, state):
            return state.epoch >= 40

    X, y, labels = drawn()
    model = MAMLClassifier(inner_rate=0.1, log_every=20, callbacks=[Enough()], random_state=0)
    assert model.fit(X, y, groups=labels).n_iter_ == 40


def test_adapting_changes_nothing_else():
    X, y, labels = drawn()
    model = MAMLClassifier(max_iter=100, random_state=0).fit(X, y, groups=labels)
    theta = model.theta_
    one = model.adapt(X[:8], y[:8])
    assert (model.theta_ == theta).all()
    assert not (one.theta_ == theta).all()
    unchecked = model.adapt(X[:8], y[:8], check_input=False)
    assert unchecked.theta_.tobytes() == one.theta_.tobytes()
    assert model.adapt(X[:8], y[:8], steps=0).theta_.tobytes() == theta.tobytes()
    # Adapting once more goes on.
    twice = model.adapt(X[:8], y[:8], steps=2).adapt(X[:8], y[:8], steps=3)
    np.testing.assert_allclose(twice.theta_, one.theta_, rtol=1e-12)
    tasks = TaskSet.from_groups(X, (y == "perhaps").astype(int), labels)
    numbers = MAMLClassifier(max_iter=100, random_state=0).fit(X, (y == "perhaps").astype(int), groups=labels)
    many = numbers.adapt_many(tasks)
    np.testing.assert_allclose(many["g00"].theta_, numbers.adapt(*tasks[0]).theta_, rtol=1e-12)


def test_learning_goes_on():
    X, y, labels = drawn()
    model = MAMLClassifier(max_iter=50, inner_rate=0.1, early_stopping=False, warm_start=True, random_state=0)
    first = model.fit(X, y, groups=labels).loss_curve_[-1]
    for _ in range(5):
        model.fit(X, y, groups=labels)
    assert model.loss_curve_[-1] < first - 0.02
    learned = MAMLClassifier(inner_rate=0.5, random_state=0)
    for _ in range(200):
        learned.partial_fit(X, y, classes=["no", "perhaps"], groups=labels)
    assert learned.n_iter_ == 200
    assert learned.score(X, y, groups=labels) > LogisticRegression().fit(X, y).score(X, y) + 0.1
    with pytest.raises(ValueError, match="classes differ from those of the first call"):
        learned.partial_fit(X, y, classes=["no"], groups=labels)


def test_a_column_of_groups():
    X, y, labels = drawn()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(person=labels)
    by_name = MAMLClassifier(max_iter=60, random_state=0, group_column="person").fit(frame, y)
    plain = MAMLClassifier(max_iter=60, random_state=0).fit(X, y, groups=labels)
    assert by_name.theta_.tobytes() == plain.theta_.tobytes()
    assert by_name.n_features_in_ == 4
    np.testing.assert_array_equal(by_name.predict(frame), plain.predict(X, groups=labels))
    mixed = np.column_stack([labels.astype(object), X.astype(object)])
    by_number = MAMLClassifier(max_iter=60, random_state=0, group_column=0).fit(mixed, y)
    assert by_number.theta_.tobytes() == plain.theta_.tobytes()
    with pytest.raises(
        ValueError, match="group_column is 'who', but X has no such column; it has 'a', 'b', 'c'"
    ):
        MAMLClassifier(group_column="who").fit(frame, y)
    with pytest.raises(ValueError, match="groups was given, and group_column too"):
        by_name.fit(frame, y, groups=labels)
    # In a search nothing but X and y is handed on.
    search = GridSearchCV(
        MAMLClassifier(max_iter=40, random_state=0, group_column="person"),
        {"inner_rate": [1e-4, 0.3]},
        cv=GroupKFold(3).split(frame, y, labels),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*not seen in fit")
        assert search.fit(frame, y).best_params_ in ({"inner_rate": 1e-4}, {"inner_rate": 0.3})


def test_groups_are_routed():
    X, y, labels = drawn()
    with config_context(enable_metadata_routing=True):
        model = MAMLClassifier(max_iter=60, random_state=0).set_fit_request(groups=True)
        model.set_score_request(groups=False)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, y, groups=labels)
        assert len(pipeline[-1].groups_) == 30
        scores = cross_val_score(model, X, y, params={"groups": labels}, cv=GroupKFold(3))
    assert scores.shape == (3,)


def test_unseen_groups_answer_with_the_starting_point():
    X, y, labels = drawn()
    model = MAMLClassifier(max_iter=60, random_state=0).fit(X, y, groups=labels)
    with pytest.warns(UserWarning, match="rows of 1 group not seen in fit, such as 'new', are predicted"):
        both = model.predict_proba(X[:20], groups=["new"] * 10 + ["g00"] * 10)
    np.testing.assert_array_equal(both[:10], model.predict_proba(X[:10]))
    assert not np.allclose(both[10:], model.predict_proba(X[10:20]))


def test_small_groups_and_few_groups():
    X, y, labels = drawn()
    rows = np.concatenate([np.arange(24 * 8), np.arange(24 * 8, 24 * 8 + 5)])
    model = MAMLClassifier(max_iter=50, random_state=0)
    with pytest.warns(UserWarning, match="1 of 9 groups have fewer than 9 rows, too few for shots=8"):
        model.fit(X[rows], y[rows], groups=labels[rows])
    assert len(model.groups_) == 9  # It is adapted to, all the same.
    with pytest.raises(ValueError, match="group 'g08' has 5 rows, but shots=8 needs at least 9"):
        clone(model).set_params(small_groups="error").fit(X[rows], y[rows], groups=labels[rows])
    few = slice(0, 24 * 4)
    with pytest.warns(UserWarning, match="4 groups, too few to hold some out.*inner_rate is 0.1"):
        model.fit(X[few], y[few], groups=labels[few])
    assert model.inner_rate_ == 0.1
    assert model.validation_scores_ is None


def test_bad_input():
    X, y, labels = drawn()
    model = MAMLClassifier(max_iter=60, random_state=0).fit(X, y, groups=labels)
    for call, message in [
        (
            lambda: model.adapt(X[:2], ["no", "never"]),
            "y holds 'never', which is none of the classes seen in fit: 'no'",
        ),
        (lambda: model.adapt(X[:2], ["no"]), "y has shape (1,) but X has 2 rows"),
        (lambda: model.adapt_many(X, y), "groups is missing; give the group of each row"),
        (
            lambda: model.adapt_many(X[:9], y[:9], labels[:9]).predict(X[:2], ["g00", "who"]),
            "groups holds 'who'",
        ),
        (lambda: model.adapt(X[:8], y[:8]).predict(X, groups=labels), "is adapted to one; leave groups out"),
        (lambda: model.predict(X, groups=labels[:3]), "groups has 3 rows but X has 720"),
        (
            lambda: clone(model).fit(X, y, groups=labels, sample_weight=np.ones(720)),
            "sample_weight was given with groups",
        ),
        (
            lambda: clone(model).fit(X, y, groups=[None, *labels[1:]]),
            "groups has a missing label (None) at row 0",
        ),
        (lambda: clone(model).set_params(inner_rate="fast").fit(X, y), "inner_rate is 'fast'"),
        (
            lambda: clone(model).set_params(algorithm="mamba").fit(X, y),
            "algorithm is 'mamba'; give one of 'maml'",
        ),
        (lambda: clone(model).set_params(solver="lbfgs").fit(X, y), "solver is 'lbfgs'; give one of 'sgd'"),
        (
            lambda: clone(model).set_params(algorithm_params={"clip": 1}).fit(X, y),
            "algorithm_params holds 'clip', but MAML has no such parameter; it has 'clip_norm'",
        ),
        (
            lambda: clone(model).set_params(max_iter=0).fit(X, y),
            "max_iter is 0; give a whole number, at least 1",
        ),
        (lambda: clone(model).set_params(random_state=-1).fit(X, y), "random_state is -1"),
        (lambda: model.adapt(X[:2], ["no", None]), "y holds None, which is none of the classes"),
        (
            lambda: clone(model).set_params(validation_fraction=0.99).fit(X, y, groups=labels),
            "holds out all 30",
        ),
        (lambda: MAMLRegressor().fit(1e200 * X, X[:, 0], groups=labels), "too large to be standardized"),
        (lambda: clone(model).partial_fit(X, y, groups=labels), "classes is missing"),
        (lambda: model.set_params(solver="sgd").partial_fit(X, y, groups=labels), "solver is another than"),
        (
            lambda: MAMLRegressor().fit(X, np.ones((720, 2)), groups=labels),
            "y has 2 columns, but with groups",
        ),
    ]:
        with pytest.raises((ValueError, TypeError)) as raised:
            call()
        assert message in str(raised.value)
    with pytest.warns(UserWarning, match="one class only"):
        model.adapt(X[:2], ["no", "no"])


def test_going_on_without_groups_keeps_the_scales():
    X, y, _ = drawn(0)
    model = MAMLRegressor().fit(X, y)
    before = model.score(X, y)
    # Of one row nothing can be scaled, and little learned.
    model.partial_fit(X[:50], y[:50])
    assert model.score(X, y) > before - 0.2
    assert model._state.features.scale.max() > 1.5
    X, y, labels = drawn()
    learned = MAMLClassifier(max_iter=20, inner_rate=0.1, random_state=0).fit(X, y, groups=labels)
    with pytest.raises(ValueError, match="groups is missing; this estimator has learned from groups"):
        learned.partial_fit(X, y)


def test_a_schedule_goes_on():
    X, y, labels = drawn()
    model = MAMLClassifier(inner_rate=0.1, random_state=0, solver_params={"schedule": "linear"}, max_iter=50)
    thetas = [model.partial_fit(X, y, ["no", "perhaps"], labels).theta_ for _ in range(3)]
    assert abs(thetas[2] - thetas[1]).max() > 1e-4


def test_a_warm_start_is_where_the_last_fit_ended():
    X, y, labels = drawn()
    given = {"max_iter": 100, "inner_rate": 0.2, "random_state": 0, "warm_start": True}
    model = MAMLClassifier(algorithm="meta_sgd", **given).fit(X, y, groups=labels)
    theta, rates = model.theta_, model.inner_rates_
    assert np.ptp(rates) > 0.01
    # An outer rate far too large: nothing it leads to is better than the start.
    model.set_params(learning_rate=100.0, max_iter=50).fit(2 * X, y, groups=labels)
    np.testing.assert_array_equal(model.theta_, theta)
    np.testing.assert_array_equal(model.inner_rates_, rates)
    with pytest.raises(ValueError, match="with warm_start they must be those of the last fit"):
        model.fit(X, np.where(y == "no", "a", "z"), groups=labels)
    assert model.classes_.tolist() == ["no", "perhaps"]
    # Another model has no use for what was learned, and says so.
    model.set_params(algorithm="maml", hidden_layer_sizes=(4,), learning_rate=0.01, max_iter=20)
    anew = clone(model).fit(X, y, groups=labels)
    with pytest.warns(UserWarning, match=r"nothing to go on from: .*Logistic\(.* this one is of MLP\("):
        model.fit(X, y, groups=labels)
    np.testing.assert_array_equal(model.theta_, anew.theta_)


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_groups_are_named_by_dates(unit):
    X, y, _ = drawn()
    days = (
        np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]").repeat(24).astype(f"datetime64[{unit}]")
    )
    model = MAMLClassifier(max_iter=20, inner_rate=0.2, random_state=0).fit(X, y, groups=days)
    np.testing.assert_array_equal(model.predict(X, groups=pd.Series(days)), model.predict(X, groups=days))
    many = model.adapt_many(X, y, days)
    assert many.labels[0] in many
    assert next(iter(many)) in many
    assert np.datetime64("2020-01-02") in many
    assert 1577836800000000000 not in many


@pytest.mark.parametrize("column", ["person", 3, -1])
def test_a_column_of_a_polars_or_pyarrow_frame(column):
    X, y, labels = drawn()
    columns = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "person": labels}
    plain = MAMLClassifier(max_iter=20, inner_rate=0.2, random_state=0).fit(X, y, groups=labels)
    for frame in (pl.DataFrame(columns), pa.table(columns), pd.DataFrame(columns)):
        model = MAMLClassifier(max_iter=20, inner_rate=0.2, random_state=0, group_column=column).fit(frame, y)
        assert model.theta_.tobytes() == plain.theta_.tobytes()


def test_a_task_set_with_a_column_of_groups():
    X, y, labels = drawn()
    frame = pd.DataFrame(X).assign(person=labels).rename(columns=str)
    numbers = (y == "no").astype(int)
    model = MAMLClassifier(max_iter=20, inner_rate=0.2, random_state=0, group_column="person")
    many = model.fit(frame, numbers).adapt_many(TaskSet.from_groups(X, numbers, labels))
    assert len(many) == 30


def test_the_rows_of_one_group_are_adapted_to():
    X, y, labels = drawn()
    frame = pd.DataFrame(X, columns=list("abc")).assign(person=labels)
    model = MAMLClassifier(max_iter=20, inner_rate=0.1, random_state=0, group_column="person").fit(frame, y)
    one = frame["person"] == "g03"
    adapted = model.adapt(frame[one], y[one])
    rows = X[one]
    by_groups = MAMLClassifier(max_iter=20, inner_rate=0.1, random_state=0).fit(X, y, groups=labels)
    assert np.array_equal(adapted.theta_, by_groups.adapt(rows, y[one]).theta_)
    with pytest.raises(ValueError, match=r"rows of several groups in its group_column; .* adapt_many"):
        model.adapt(frame, y)


def test_iterations_that_were_used_up_are_said():
    X, y, _ = drawn()
    with pytest.warns(ConvergenceWarning, match="L-BFGS used up its max_iter=2 iterations"):
        MAMLClassifier(max_iter=2).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MAMLClassifier(max_iter=500).fit(X, y)


def test_an_activation_is_checked_without_hidden_layers_too():
    X, y, _ = drawn()
    for make, target in ((MAMLClassifier, y), (MAMLRegressor, X[:, 0])):
        with pytest.raises(ValueError, match="activation is 'relux'"):
            make(activation="relux").fit(X, target)


@pytest.mark.filterwarnings("ignore:there is one class only")
def test_many_groups_of_any_size(monkeypatch):
    """Whether a group's rows are scaled in the kernel or before it, the parameters are the same."""
    X, y, labels = drawn()
    model = MAMLClassifier(max_iter=20, inner_rate=0.1, random_state=0).fit(X, y, groups=labels)
    shuffled = np.random.default_rng(0).permutation(len(y))[: len(y) // 2]
    expected = model.adapt_many(X[shuffled], y[shuffled], labels[shuffled])
    tasks = TaskSet.from_groups(X[shuffled], np.searchsorted(model.classes_, y[shuffled]), labels[shuffled])
    # Every group too large for the kernel's memory, and some of them.
    for numbers in (0, int(np.median(tasks.rows)) * tasks.num_features):
        monkeypatch.setattr("fastmaml.group_adapter.BUFFERED", numbers)
        found = model.adapt_many(X[shuffled], y[shuffled], labels[shuffled])
        assert np.array_equal(found.theta, expected.theta)
        assert found.labels.tolist() == expected.labels.tolist() == tasks.labels.tolist()
    for number, (rows, classes) in enumerate(tasks):
        adapted = model.adapt(rows, model.classes_[classes.astype(int)])
        assert expected.theta[number] == pytest.approx(adapted.theta_, rel=1e-12)
