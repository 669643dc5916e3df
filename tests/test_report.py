"""The report: scores, baselines and intervals against scikit-learn, SciPy and adapting by hand."""

import math
import pickle
import warnings

import addressed
import numpy as np
import pandas
import pytest
import sklearn
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastmaml
from fastmaml import MAML, MAMLClassifier, MAMLRegressor, TaskSet, evaluate, few_shot_score
from fastmaml.algorithms import MAML as MAMLAlgorithm
from fastmaml.evaluation.measuring import Scores
from fastmaml.evaluation.metrics import score_rows
from fastmaml.evaluation.report import FewShotReport
from fastmaml.models import MLP, Linear, Logistic, Softmax

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* intervals over so few say little"),
    pytest.mark.filterwarnings("ignore:.* have no (auc|r2)"),
]
SEED = 5


def tables(kind="binary", groups=20, rows=14, num_features=3, seed=0):
    """Return X, y and groups; every group has a direction of its own and one in common."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(groups, rows, num_features))
    w = rng.normal(size=num_features) + 0.8 * rng.normal(size=(groups, num_features))
    z = np.einsum("grf,gf->gr", X, w)
    y = {
        "binary": z > 0,
        "three": np.digitize(z, [-0.7, 0.7]),
        "numbers": 20 + 5 * z,
        "counts": rng.poisson(np.exp(0.3 * z)),
    }[kind]
    return X.reshape(-1, num_features), y.reshape(-1) * 1.0, np.repeat(np.arange(groups), rows)


def split(kind="binary", **arguments):
    return TaskSet.from_groups(*tables(kind, **arguments)).split(0.4, random_state=0)


def run_of(model, train, **arguments):
    """Return a run whose start is what it is given, or random."""
    arguments = {"inner_rate": 0.002, "inner_steps": 2, **arguments}
    count = fastmaml.models.num_parameters(model.spec())
    return fastmaml.meta_train(
        model, MAMLAlgorithm(1, **arguments), fastmaml.sources.Table(train, 4), fastmaml.optimizers.SGD(0.1),
        tasks_per_batch=2, epochs=0, random_state=0, theta=0.4 * np.random.default_rng(3).normal(size=count),
    )  # fmt: skip


def rows_of(tasks, number, shots, most, seed):
    """Return support and query rows: fewer shots are the first of those chosen for more."""
    X, _ = tasks[number]
    order = addressed.chosen(seed, 0, number, len(X), most)
    return np.sort(order[:shots]), np.sort(order[most:])


# --- scores ---

KINDS = {
    "binary": (Logistic(3), "binary", 1),
    "two outputs": (Softmax(3, 2), "binary", 2),
    "three": (Softmax(3, 3), "three", 3),
    "numbers": (Linear(3), "numbers", 1),
    "counts": (Linear(3, loss="poisson"), "counts", 1),
}


def expected_scores(model, z, y):
    """Return the scores of one task by scikit-learn."""
    if not model.classifies:
        poisson = model.loss == "poisson"
        predicted = np.exp(z[:, 0]) if poisson else z[:, 0]
        error = metrics.mean_squared_error(y, predicted)
        loss = np.mean(predicted - y * np.log(predicted)) if poisson else error
        return {"loss": loss, "rmse": math.sqrt(error), "r2": metrics.r2_score(y, predicted)}
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    classes = np.arange(z.shape[1])
    found = {
        "loss": metrics.log_loss(y, p, labels=classes),
        "accuracy": metrics.accuracy_score(y, p.argmax(axis=1)),
    }
    if len(classes) == 2:
        found["auc"] = metrics.roc_auc_score(y, z[:, 1] - z[:, 0]) if len(set(y)) == 2 else np.nan
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_scores_against_scikit_learn(kind):
    model, target, outputs = KINDS[kind]
    _, y, groups = tables(target, groups=12, rows=7, seed=1)
    keep = np.random.default_rng(2).random(len(y)) < 0.8
    y, groups = y[keep], groups[keep]
    # Few different values, so that some are equal.
    z = np.round(np.random.default_rng(0).normal(size=(len(y), outputs)), 1)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(groups))])
    found = score_rows(model, z, y, offsets)
    for task in range(12):
        rows = slice(offsets[task], offsets[task + 1])
        for name, value in expected_scores(model, z[rows], y[rows]).items():
            assert found[name][task] == pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True), name


def test_scores_far_from_zero_are_finite():
    z, y = np.array([[1e4], [-1e4], [1e4]]), np.array([1.0, 1.0, 0.0])
    found = score_rows(Logistic(3), z, y, np.array([0, 1, 3]))
    assert found["loss"].tolist() == [0, 1e4]
    z = np.array([[1e4, 0.0, -1e4], [0.0, 1e4, 0.0]])
    found = score_rows(Softmax(3, 3), z, np.array([1.0, 1.0]), np.array([0, 1, 2]))
    assert found["loss"].tolist() == [1e4, 0]


# --- the model itself ---

MODELS = {
    "logistic": (Logistic(3), "binary"),
    "softmax": (Softmax(3, 3), "three"),
    "linear": (Linear(3), "numbers"),
    "poisson": (Linear(3, loss="poisson"), "counts"),
    "network": (MLP(3, (4,), 1, "tanh", "binary_cross_entropy"), "binary"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_run_against_adapting_by_hand(kind):
    model, target = MODELS[kind]
    train, test = split(target)
    run = run_of(model, train)
    report = run.evaluate(test, shots=(2, 5), steps=(0, 3), random_state=SEED, baselines=False)
    for number, (X, y) in enumerate(test):
        for row, shots in enumerate((2, 5)):
            support, query = rows_of(test, number, shots, 5, SEED)
            for column, steps in enumerate((0, 3)):
                adapted = run.adapt(X[support], y[support], steps=steps)
                if model.classifies:
                    p = adapted.predict_proba(X[query])
                    z = np.log(p[:, 1:] / p[:, :1]) if target == "binary" else np.log(p)
                else:
                    predicted = adapted.predict(X[query])[:, np.newaxis]
                    z = np.log(predicted) if target == "counts" else predicted
                for name, value in expected_scores(model, z, y[query]).items():
                    got = report.values(name)[number, row, column]
                    assert got == pytest.approx(value, rel=1e-9, nan_ok=True), (name, shots, steps)


@pytest.mark.filterwarnings("ignore:there is one class only")
@pytest.mark.parametrize("kind", ["three", "numbers"])
def test_an_estimator_in_the_units_of_y(kind):
    X, y, groups = tables(kind)
    if kind == "three":
        y = np.array(["low", "middle", "high"])[y.astype(int)]
    seen = groups < 12
    make = MAMLClassifier if kind == "three" else MAMLRegressor
    model = make(max_iter=20, shots=3, inner_rate=0.1, random_state=0).fit(X[seen], y[seen], groups[seen])
    report = model.evaluate((X[~seen], y[~seen], groups[~seen]), shots=4, steps=2, random_state=SEED)
    by_number = TaskSet.from_groups(X[~seen], np.arange(len(y))[~seen], groups[~seen])
    for number, (rows, places) in enumerate(by_number):
        support, query = rows_of(by_number, number, 4, 4, SEED)
        own = y[places.astype(int)]
        adapted = model.adapt(rows[support], own[support], steps=2)
        score = adapted.score(rows[query], own[query])
        assert report.values("accuracy" if kind == "three" else "r2")[number, 0, 0] == pytest.approx(score)
    assert report.labels.tolist() == list(range(12, 20))
    assert report.shots == 4
    assert getattr(report, report.score).shape == (1,)


@pytest.mark.compiled
def test_more_tasks_than_fit_in_a_block(monkeypatch):
    train, test = split()
    run = run_of(Logistic(3), train)
    expected = run.evaluate(test, shots=(1, 3), steps=(0, 2))
    monkeypatch.setattr("fastmaml.evaluation.measuring.BLOCK_TASKS", 3)
    found = run.evaluate(test, shots=(1, 3), steps=(0, 2))
    for start in (None, *expected.baselines):
        for name in expected.metrics:
            mine, other = (report.values(name, start) for report in (found, expected))
            assert np.array_equal(mine, other, equal_nan=True)


# --- what is simpler ---


def by_hand(test, most, predict):
    """Return what a function of support and query rows with their targets gives for each task."""
    found = []
    for number, (X, y) in enumerate(test):
        support, query = rows_of(test, number, most, most, SEED)
        found.append(predict(X[support], y[support], X[query], y[query]))
    return found


def test_baselines_of_a_classifier():
    train, test = split()
    report = run_of(Logistic(3), train).evaluate(test, shots=6, steps=(0, 5), random_state=SEED)
    assert report.baselines == (
        "constant", "pooled", "pooled, fine-tuned", "from scratch", "nearest class mean"
    )  # fmt: skip
    p = (np.count_nonzero(train.y) + 0.5) / (train.num_rows + 1)
    losses = by_hand(
        test, 6, lambda X, y, X_q, y_q: metrics.log_loss(y_q, np.full(len(y_q), p), labels=[0, 1])
    )
    assert report.values("loss", "constant")[:, 0] == pytest.approx(losses)
    pooled = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(train.X, train.y)
    losses = by_hand(
        test, 6, lambda X, y, X_q, y_q: metrics.log_loss(y_q, pooled.predict_proba(X_q), labels=[0, 1])
    )
    assert report.values("loss", "pooled")[:, 0] == pytest.approx(losses, rel=1e-4)

    def nearest(X, y, X_q, y_q):
        if len(set(y)) == 1:
            return np.mean(y_q == y[0])
        return NearestCentroid().fit(X, y).score(X_q, y_q)

    assert report.values("accuracy", "nearest class mean")[:, 0].tolist() == by_hand(test, 6, nearest)
    assert np.isnan(report.values("loss", "nearest class mean")).all()
    # Rate and steps are chosen on tasks: in the mean they do no harm.
    assert (
        report.summary("loss", 6, None, "pooled, fine-tuned").mean
        < report.summary("loss", 6, None, "pooled").mean
    )
    assert report.summary("loss", 6, None, "from scratch").mean < math.log(2)


def test_baselines_of_a_regression():
    train, test = split("numbers")
    report = run_of(Linear(3), train).evaluate(test, shots=6, steps=5, random_state=SEED)
    assert report.baselines[-1] == "group mean"

    def rmse(predict):
        return by_hand(
            test, 6, lambda X, y, X_q, y_q: metrics.root_mean_squared_error(y_q, predict(X, y, X_q))
        )

    mean = train.y.mean()
    assert report.values("rmse", "constant")[:, 0] == pytest.approx(
        rmse(lambda X, y, X_q: np.full(len(X_q), mean))
    )
    pooled = LinearRegression().fit(train.X, train.y)
    assert report.values("rmse", "pooled")[:, 0] == pytest.approx(
        rmse(lambda X, y, X_q: pooled.predict(X_q)), rel=1e-5
    )
    expected = rmse(lambda X, y, X_q: np.full(len(X_q), y.mean()))
    assert report.values("rmse", "group mean")[:, 0] == pytest.approx(expected)


def test_without_tasks_of_training():
    """What is from scratch then takes the model's rate, and all steps."""
    train, test = split()
    run = run_of(Logistic(3), train)
    run._source = None
    report = run.evaluate(test, shots=4, steps=(1, 7), random_state=SEED)
    assert report.baselines == ("from scratch", "nearest class mean")
    start = run_of(Logistic(3), train)
    start.theta = np.zeros(4)

    def scratch(X, y, X_q, y_q):
        return np.mean(start.adapt(X, y, steps=7).predict(X_q) == y_q)

    assert report.values("accuracy", "from scratch")[:, 0].tolist() == by_hand(test, 4, scratch)
    given = run.evaluate(test, shots=4, steps=(1, 7), random_state=SEED, train_tasks=train)
    assert "pooled" in given.baselines
    # With none that is large enough to choose a rate on there is no fine-tuning.
    X, y, groups = tables(rows=3)
    short = run.evaluate(test, shots=4, steps=1, train_tasks=TaskSet.from_groups(X, y, groups))
    assert "pooled" in short.baselines
    assert "pooled, fine-tuned" not in short.baselines


@pytest.mark.compiled
def test_what_was_learned_from_is_kept_but_not_sent():
    X, y, groups = tables()
    model = MAMLClassifier(max_iter=5, inner_rate=0.1, shots=3, random_state=0).fit(X, y, groups)
    test = TaskSet.from_groups(*tables(seed=1))
    assert "pooled" in model.evaluate(test, shots=2, steps=1).baselines
    copy = pickle.loads(pickle.dumps(model))
    assert "pooled" not in copy.evaluate(test, shots=2, steps=1).baselines
    adapted = model.adapt(X[:5], y[:5])
    assert "pooled" not in adapted.evaluate(test, shots=2, steps=1).baselines


# --- numbers and sentences of a report made by hand ---


def report_of(accuracy, baselines=None, *, shots=(1, 5), steps=(0, 5), diverged=None, trained_with=(5, 5)):
    """Return a report of given accuracies (tasks, shots, steps), of baselines (tasks, shots)."""

    def scores(values, bad=None):
        values = np.asarray(values, float)
        bad = np.zeros(values.shape, bool) if bad is None else bad
        return Scores({name: values.copy() for name in ("loss", "accuracy", "auc")}, bad)

    return FewShotReport(
        name="MAML",
        model=Logistic(3),
        shots=shots,
        steps=steps,
        labels=np.array([f"g{i}" for i in range(len(accuracy))]),
        scores=scores(accuracy, diverged),
        baselines={name: scores(values) for name, values in (baselines or {}).items()},
        trained_with=trained_with,
    )


def random_report(gain=0.2, **arguments):
    rng = np.random.default_rng(0)
    base = rng.uniform(0.4, 0.6, size=(30, 2))
    own = np.stack([base, base + gain + rng.normal(scale=0.02, size=(30, 2))], axis=2)
    baselines = {"pooled": base, "pooled, fine-tuned": base + rng.normal(scale=0.01, size=(30, 2))}
    return report_of(own, baselines, **arguments), own, baselines


def test_summaries_and_gains_against_scipy():
    report, own, baselines = random_report()
    values = own[:, 1, 1]
    summary = report.summary("accuracy", 5, 5)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert summary == pytest.approx((values.mean(), low, high, np.median(values), 30, 0))
    assert report.accuracy[1, 1] == summary.mean
    assert report.accuracy_interval[1, 1].tolist() == [summary.low, summary.high]
    difference = values - baselines["pooled"][:, 1]
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    gain = report.gain("pooled")
    assert gain == pytest.approx((difference.mean(), low, high, np.median(difference), 30, 0))
    # A smaller loss is better, and a gain is larger where it is better.
    assert report.gain("pooled", metric="loss").mean == -gain.mean
    assert report.gain(0, 1, 5).mean == pytest.approx((own[:, 0, 1] - own[:, 0, 0]).mean())


def test_what_diverged_is_counted_and_left_out():
    _, own, baselines = random_report()
    bad = np.zeros(own.shape, bool)
    bad[[2, 7], 1, 1] = True
    own[bad] = np.nan
    report = report_of(own, baselines, diverged=bad)
    summary = report.summary("accuracy", 5, 5)
    assert (summary.tasks, summary.diverged) == (28, 2)
    assert summary.mean == pytest.approx(np.delete(own[:, 1, 1], [2, 7]).mean())
    assert report.gain("pooled").tasks == 28
    assert "2 of 30 tasks diverged, 'g2', 'g7' among them" in report.problems[0]
    assert "(2 diverged)" in str(report)


def test_the_headline_is_that_of_training():
    assert random_report()[0].headline == (5, 5)
    assert random_report(trained_with=(1, 0))[0].headline == (1, 0)
    assert random_report(trained_with=(8, 3))[0].headline == (5, 5)
    assert random_report(trained_with=(None, 3))[0].headline == (5, 5)


WORDS = {
    0.2: ("adapting helps", "better than"),
    0.0: ("adapting does not help", "not better than"),
    -0.2: ("adapting hurts", "worse than"),
}


def points(differences):
    """Return a mean with its interval, in points, by SciPy."""
    low, high = stats.ttest_1samp(100 * differences, 0).confidence_interval(0.95)
    return f"({100 * differences.mean():+.1f} points [{low:.1f}, {high:.1f}]"


@pytest.mark.parametrize("gain", WORDS)
def test_conclusions(gain):
    report, own, baselines = random_report(gain)
    over, tuned = (points(own[:, 1, 1] - values[:, 1]) for values in baselines.values())
    adapting, start = WORDS[gain]
    assert report.conclusion == (
        f"With 5 shots and 5 steps, {adapting} {over} over pooled); MAML's start is {start} the pooled "
        f"start, fine-tuned {tuned})."
    )
    assert report.conclusion in str(report)


def test_a_simpler_winner_is_named():
    _, own, baselines = random_report()
    report = report_of(own, baselines | {"nearest class mean": own[:, :, 1] + 0.1})
    assert report.conclusion.endswith(
        "Better still is something simpler: nearest class mean (+10.0 points [10.0, 10.0] over MAML)."
    )


def test_conclusions_without_anything_to_compare_with():
    _, own, _ = random_report()
    assert "over the unadapted start)" in report_of(own).conclusion
    alone = report_of(own[:, :, 1:], steps=(5,)).conclusion
    assert alone == "With 5 shots and 5 steps, there is nothing to compare with."


def test_as_text_and_as_html():
    report, own, _ = random_report()
    lines = str(report).splitlines()
    assert lines[0] == "MAML on 30 tasks: means with 95 % intervals over tasks"
    (line,) = [line for line in lines if line.startswith("MAML, 5 steps") and "0." not in line.split("]")[0]]
    assert f"{100 * own[:, 0, 1].mean():.1f} [" in line
    html = report._repr_html_()
    assert html.count("<table>") == html.count("</table>") == 2
    assert "MAML, 5 steps" in html
    strange = report_of(own, {"a <b>": own[:, :, 0]})
    assert "a &lt;b&gt;" in strange._repr_html_()


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_as_a_data_frame(backend):
    report, _, _ = random_report()
    frame = report.to_frame(backend)
    if backend != "pandas":
        frame = frame.to_pandas()
    assert len(frame) == (2 + 2) * 2 * 3
    row = frame[(frame.start == "MAML") & (frame.shots == 5) & (frame.steps == 5) & (frame.metric == "auc")]
    assert row[list(report.summary("auc", 5, 5)._fields)].to_numpy()[0] == pytest.approx(
        report.summary("auc", 5, 5)
    )
    assert frame[frame.start == "pooled"].steps.isna().all()


# --- what is said of it ---


def test_problems_are_said():
    X, y, groups = tables(groups=6, rows=6)
    y[groups == 3] = 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = run_of(Logistic(3), split()[0]).evaluate(
            TaskSet.from_groups(X, y, groups), shots=2, steps=1, baselines=False
        )
    assert [str(one.message) for one in caught] == report.problems
    assert report.problems[0] == "6 tasks to test on: intervals over so few say little"
    assert (
        "have one class among the rows to test on: they have no auc, and are not in its mean"
        in report.problems[1]
    )
    assert report.num_tasks == 6


def test_small_tasks_are_left_out_or_refused():
    X, y, groups = tables(groups=12)
    keep = (groups != 4) | (np.arange(len(y)) % 14 < 3)
    run, tasks = run_of(Logistic(3), split()[0]), TaskSet.from_groups(X[keep], y[keep], groups[keep])
    with pytest.warns(UserWarning, match="1 of 12 tasks have fewer than 6 rows, too few for shots=5"):
        report = run.evaluate(tasks, shots=(1, 5), steps=1, baselines=False)
    assert report.labels.tolist() == [i for i in range(12) if i != 4]
    with pytest.raises(ValueError, match="group 4 has 3 rows, but shots=5 needs at least 6"):
        run.evaluate(tasks, shots=(1, 5), steps=1, small_tasks="error")
    with pytest.raises(ValueError, match="12 of 12 groups are too small"):
        run.evaluate(tasks, shots=50)


NARROW, WRONG = TaskSet([[1.0], [2.0]], [0, 1], [0, 2]), TaskSet(np.ones((2, 3)), [0, 2], [0, 2])
MISTAKES = {
    "no model": ({"model": 5}, TypeError, "model is 5 .*; give a MAML, what meta_train returned, or a"),
    "a class": ({"model": MAML}, TypeError, "give a MAML"),
    "arrays": ({"test_tasks": np.ones(3)}, TypeError, "test_tasks is an array .*; make a TaskSet"),
    "width": ({"test_tasks": NARROW}, ValueError, "have 1 features .* has 3"),
    "labels": ({"test_tasks": WRONG}, ValueError, "y of test_tasks holds 2"),
    "train": ({"train_tasks": 7}, TypeError, "train_tasks is 7"),
    "no shots": ({"shots": ()}, ValueError, "shots is empty"),
    "zero shots": ({"shots": (0, 1)}, ValueError, "shots is 0"),
    "steps": ({"steps": (0, -1)}, ValueError, "steps is -1"),
    "seed": ({"random_state": -1}, ValueError, "random_state is -1"),
    "small": ({"small_tasks": "keep"}, ValueError, "small_tasks is 'keep'"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    train, test = split(groups=5)
    changes, error, message = MISTAKES[name]
    arguments = {"model": run_of(Logistic(3), train), "test_tasks": test, "shots": 2, "steps": 1, **changes}
    with pytest.raises(error, match=message):
        evaluate(arguments.pop("model"), arguments.pop("test_tasks"), **arguments)


def test_mistakes_in_asking_a_report():
    report, _, _ = random_report()
    for ask, message in (
        (lambda: report.values("rmse"), "metric is 'rmse'"),
        (lambda: report.values("loss", "none"), "start is 'none'"),
        (lambda: report.summary("loss", 2, 5), "shots is 2"),
        (lambda: report.summary("loss", 5, 3), "steps is 3"),
        (lambda: report.to_frame("arrow"), "backend is 'arrow'"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
    with pytest.raises(AttributeError, match="rmse"):
        report.rmse  # noqa: B018
    assert {"auc", "auc_interval", "conclusion"} <= set(dir(report))


# --- few_shot_score ---


@pytest.mark.compiled
def test_few_shot_score_in_cross_validation():
    X, y, groups = tables()
    model = MAMLClassifier(max_iter=20, inner_rate=0.1, shots=3, random_state=0)
    expected = []
    folds = GroupKFold(4)
    for train, test in folds.split(X, y, groups):
        fitted = sklearn.clone(model).fit(X[train], y[train], groups[train])
        report = fitted.evaluate(
            (X[test], y[test], groups[test]), shots=3, steps=5, baselines=False, random_state=0
        )
        expected.append(report.accuracy[0])
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_val_score(
            sklearn.clone(model).set_fit_request(groups=True), X, y, cv=folds, scoring=few_shot_score,
            params={"groups": groups},
        )  # fmt: skip
    assert found.tolist() == expected
    # Without routing: a column of X says the groups.
    frame = pandas.DataFrame(X, columns=list("abc")).assign(person=groups)
    by_column = sklearn.clone(model).set_params(group_column="person")
    found = cross_val_score(by_column, frame, y, groups=groups, cv=folds, scoring=few_shot_score)
    assert found.tolist() == expected


@pytest.mark.compiled
def test_few_shot_score_of_a_pipeline_and_of_numbers():
    X, y, groups = tables("numbers")
    model = make_pipeline(
        StandardScaler(), MAMLRegressor(max_iter=20, inner_rate=0.1, shots=3, random_state=0)
    )
    seen = groups < 12
    model.fit(X[seen], y[seen], mamlregressor__groups=groups[seen])
    score = fastmaml.FewShotScorer(shots=4, steps=2)(model, X[~seen], y[~seen], groups[~seen])
    rows = model[:-1].transform(X[~seen])
    report = model[-1].evaluate((rows, y[~seen], groups[~seen]), shots=4, steps=2, baselines=False)
    assert score == -report.rmse[0]


@pytest.mark.compiled
def test_warnings_point_to_the_caller():
    X, y, groups = tables(groups=4)
    model = MAMLClassifier(max_iter=5, shots=3)
    tasks = TaskSet.from_groups(X, y, groups)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, groups=groups)
        model.evaluate(tasks, shots=2, steps=1, baselines=False)
        evaluate(model, tasks, shots=2, steps=1, baselines=False)
        model.adapt(X[:1], y[:1])
    assert len(caught) >= 4
    assert {one.filename for one in caught} == {__file__}


def test_equal_targets_have_no_r2():
    """Thirty times 0.1 have another mean than 0.1, by a rounding."""
    found = score_rows(
        Linear(1),
        np.linspace(0, 1, 34)[:, np.newaxis],
        np.append(np.full(30, 0.1), [1, 2, 3, 4]),
        np.array([0, 30, 34]),
    )
    assert np.isnan(found["r2"]).tolist() == [True, False]


def test_tasks_that_were_learned_from_are_counted():
    train, test = split()
    run = run_of(Logistic(3), train)
    with pytest.warns(UserWarning, match="12 of 12 tasks are among those learned from"):
        report = run.evaluate(train, shots=2, steps=1, baselines=False)
    assert str(report).startswith("MAML on 12 tasks: means")
    # Other rows under the same labels are other tasks.
    other = TaskSet.from_arrays(np.asarray(test.X).reshape(8, 14, 3), np.asarray(test.y).reshape(8, 14))
    report = run.evaluate(other, shots=2, steps=1, baselines=False)
    assert report.num_seen == 0
    assert str(report).startswith("MAML on 8 tasks never seen: means")


def test_nothing_is_said_of_what_was_learned_from_where_it_is_not_known(tmp_path):
    X, y, groups = tables(groups=12)
    estimator = MAMLClassifier(inner_rate=0.1, shots=2, max_iter=5, early_stopping=False, random_state=0)
    estimator.fit(X, y, groups=groups).save(tmp_path / "m")
    loaded = fastmaml.load(tmp_path / "m")
    report = loaded.evaluate((X, y, groups), shots=2, steps=1)
    assert report.num_seen is None
    assert str(report).startswith("MAML on 12 tasks: means")
    with pytest.warns(UserWarning, match="12 of 12 tasks are among those learned from"):
        loaded.evaluate((X, y, groups), shots=2, steps=1, train_tasks=(X, y, groups), baselines=False)


def test_a_set_of_numbers_is_several():
    train, test = split()
    run = run_of(Logistic(3), train)
    report = run.evaluate(test, shots={5, 2}, steps={1}, baselines=False)
    assert report.shots == (2, 5)


def test_one_task_cannot_tell():
    _, own, baselines = random_report()
    report = report_of(own[:1], {name: values[:1] for name, values in baselines.items()})
    assert report.conclusion == "One task alone cannot tell whether adapting helps."


def test_a_conclusion_of_what_is_left_says_so():
    _, own, baselines = random_report()
    bad = np.zeros(own.shape, bool)
    bad[[2, 7], 1, 1] = True
    own[bad] = np.nan
    report = report_of(own, baselines, diverged=bad)
    assert report.conclusion.endswith("This is of the 28 of 30 tasks where neither diverged.")
