"""Pictures: what is drawn are the report's numbers, with labels, in the axes given; errors; nothing leaks."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

mpl.use("Agg")
import matplotlib.pyplot as plt

from fastmaml import MAMLClassifier, algorithms, load, models
from fastmaml.evaluation import FewShotReport
from fastmaml.evaluation.measuring import Scores
from fastmaml.plotting import (
    AdaptationCurveDisplay,
    AdaptationDisplay,
    GainDisplay,
    InnerRatesDisplay,
    LearningCurveDisplay,
    ShotsDisplay,
)

SHOTS, STEPS, TASKS = (1, 5, 10), (0, 1, 5), 23


@pytest.fixture(autouse=True)
def no_figures():
    plt.close("all")
    yield
    plt.close("all")


def report_of(classifies=True, shots=SHOTS, steps=STEPS, tasks=TASKS, baselines=True, seed=0):
    """Make a report of random scores; one baseline has an accuracy alone, one task diverges."""
    rng = np.random.default_rng(seed)
    names = ("loss", "accuracy", "auc") if classifies else ("loss", "rmse", "r2")
    model = models.Logistic(2) if classifies else models.Linear(2)
    shape = (tasks, len(shots), len(steps))
    diverged = np.zeros(shape, bool)
    diverged[0, :, -1] = tasks > 1
    values = {name: np.where(diverged, np.nan, rng.uniform(0.2, 0.9, shape)) for name in names}
    others = {}
    for number, name in enumerate(["constant", "pooled", "nearest class mean"] if baselines else []):
        scores = {metric: rng.uniform(0.1, 0.3 + number / 5, shape[:2]) for metric in names}
        if name == "nearest class mean":
            scores = {k: v if k == names[1] else np.full_like(v, np.nan) for k, v in scores.items()}
        others[name] = Scores(scores, np.zeros(shape[:2], bool))
    return FewShotReport(
        name="ANIL",
        model=model,
        shots=shots,
        steps=steps,
        labels=np.arange(tasks),
        scores=Scores(values, diverged),
        baselines=others,
        trained_with=(5, 5),
    )


def interval(values):
    """Return mean and 95 % interval over the tasks that have a score, by SciPy."""
    known = values[~np.isnan(values)]
    return known.mean(), *stats.t.interval(0.95, known.size - 1, known.mean(), stats.sem(known))


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def band(ax):
    """Return the lower and the upper ends of the one band at each x."""
    (one,) = ax.collections
    corners = one.get_paths()[0].vertices
    return {
        x: (corners[corners[:, 0] == x, 1].min(), corners[corners[:, 0] == x, 1].max())
        for x in np.unique(corners[:, 0])
    }


def overlap(display):
    """Say whether the legend covers any of the axes."""
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    inside = display.ax_.get_window_extent()
    return legend.overlaps(inside) or legend.overlaps(display.ax_.xaxis.label.get_window_extent())


# Reports


@pytest.mark.parametrize("metric", ["loss", "accuracy", "auc"])
@pytest.mark.parametrize("shots", SHOTS)
def test_the_adaptation_curve_is_the_reports(metric, shots):
    report = report_of()
    display = AdaptationCurveDisplay.from_report(report, metric=metric, shots=shots)
    factor, row = 100 if metric == "accuracy" else 1, SHOTS.index(shots)
    values = factor * report.values(metric)[:, row]
    expected = np.array([interval(values[:, step]) for step in range(len(STEPS))])
    drawn = lines(display.ax_)
    np.testing.assert_array_equal(drawn["ANIL"].get_xdata(), STEPS)
    np.testing.assert_allclose(drawn["ANIL"].get_ydata(), expected[:, 0], rtol=1e-12)
    ends = band(display.ax_)
    assert list(ends) == list(STEPS)
    # The quantile of t is good to some ten digits in either.
    np.testing.assert_allclose(list(ends.values()), expected[:, 1:], rtol=1e-9)
    shown = ["constant", "pooled"] + ["nearest class mean"] * (metric == "accuracy")
    assert list(drawn) == ["ANIL", *shown]
    for name in shown:
        level = factor * report.values(metric, name)[:, row].mean()
        np.testing.assert_allclose(drawn[name].get_ydata(), [level, level], rtol=1e-12)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_shots_are_the_reports(metric, steps):
    report = report_of()
    display = ShotsDisplay.from_report(report, metric=metric, steps=steps)
    factor = 100 if metric == "accuracy" else 1
    values = factor * report.values(metric)[:, :, STEPS.index(steps)]
    expected = np.array([interval(values[:, row]) for row in range(len(SHOTS))])
    drawn = lines(display.ax_)
    np.testing.assert_array_equal(drawn["ANIL"].get_xdata(), SHOTS)
    np.testing.assert_allclose(drawn["ANIL"].get_ydata(), expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(list(band(display.ax_).values()), expected[:, 1:], rtol=1e-9)
    for name in ("constant", "pooled"):
        level = factor * report.values(metric, name).mean(axis=0)
        np.testing.assert_allclose(drawn[name].get_ydata(), level, rtol=1e-12)
    assert ("nearest class mean" in drawn) == (metric == "accuracy")


def test_defaults_are_the_headline():
    report = report_of()
    curve, shots = AdaptationCurveDisplay.from_report(report), ShotsDisplay.from_report(report)
    gain = GainDisplay.from_report(report)
    assert (curve.metric, curve.shots) == ("accuracy", 5)
    assert (shots.metric, shots.steps) == ("accuracy", 5)
    assert (gain.metric, gain.shots, gain.steps) == ("accuracy", 5, 5)
    # The data are shares, as the report has them.
    assert curve.means.max() < 1


@pytest.mark.parametrize("start", ["pooled", "constant", 1])
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_gains_are_counted(start, metric):
    report = report_of()
    display = GainDisplay.from_report(report, start, metric=metric)
    own = report.values(metric)[:, 1, 2]
    other = report.values(metric, start)[:, 1] if start != 1 else report.values(metric)[:, 1, 1]
    gains = (own - other) * (1 if metric == "accuracy" else -1)
    gains = gains[~np.isnan(gains)]
    assert gains.size == TASKS - 1
    np.testing.assert_array_equal(display.gains, gains)
    factor = 100 if metric == "accuracy" else 1
    bars = display.ax_.patches[: len(display.counts)]
    for bar in bars:
        low, high = bar.get_x(), bar.get_x() + bar.get_width()
        assert bar.get_height() == sum(low <= factor * gain < high for gain in gains)
    assert sum(bar.get_height() for bar in bars) == gains.size
    # One bin is centred on zero, or would be.
    places = (bars[0].get_x() + bars[0].get_width() / 2) / bars[0].get_width()
    assert places == pytest.approx(round(places), abs=1e-9)
    mean, low, high = interval(factor * gains)
    assert display.ax_.get_lines()[0].get_xdata()[0] == 0
    assert display.ax_.get_lines()[1].get_xdata()[0] == pytest.approx(mean, rel=1e-12)
    shaded = display.ax_.patches[-1]
    assert [shaded.get_x(), shaded.get_x() + shaded.get_width()] == pytest.approx([low, high], rel=1e-9)
    title = display.ax_.get_title()
    assert f"better on {100 * (gains > 0).mean():.0f} %" in title
    assert f"worse on {100 * (gains < 0).mean():.0f} %" in title


@pytest.mark.parametrize(
    "gains",
    [[0.0], [0.25], [-0.25, -0.25], [0.0, 1.0], [-1e-12, 1e6], [i / 16 for i in range(-3, 9)], [1e-300, 1.0]],
)
def test_bins_hold_all_gains(gains):
    values = np.array(gains)
    display = GainDisplay(
        name="a", start="b", metric="r2", shots=1, steps=1, gains=values, mean=0.0, low=np.nan, high=np.nan
    )
    assert display.counts.sum() == values.size
    assert len(display.counts) <= 202
    assert (np.diff(display.edges) > 0).all()


def test_shares_of_a_few_rows_lie_in_the_middle_of_bins():
    gains = np.repeat(np.arange(-2, 5) / 16, [2, 5, 9, 8, 6, 3, 1])
    display = GainDisplay(
        name="a", start="b", metric="accuracy", shots=1, steps=1, gains=gains, mean=0.1, low=0.0, high=0.2
    )
    middles = (display.edges[1:] + display.edges[:-1]) / 2
    np.testing.assert_allclose(middles * 16, np.arange(-2, 5), atol=1e-9)
    assert display.counts.tolist() == [2, 5, 9, 8, 6, 3, 1]


def test_the_strongest_baseline_is_compared_with():
    report = report_of()
    column = {name: report.values("accuracy", name)[:, 1] for name in report.baselines}
    assert GainDisplay.from_report(report).start == max(column, key=lambda name: column[name][1:].mean())
    assert GainDisplay.from_report(report_of(baselines=False)).start == 0


LABELS = {
    "accuracy": ("accuracy (%)", "gain in accuracy (points)"),
    "loss": ("mean loss per row", "fall of the mean loss per row"),
    "auc": ("area under the ROC curve", "gain in the area under the ROC curve"),
    "rmse": ("RMSE (units of y)", "fall of the RMSE (units of y)"),
    "r2": ("R² (1 is best)", "gain in R²"),
}


@pytest.mark.parametrize("metric", LABELS)
def test_axes_are_labelled(metric):
    report = report_of(classifies=metric in ("accuracy", "auc", "loss"))
    curve = AdaptationCurveDisplay.from_report(report, metric)
    assert (curve.ax_.get_xlabel(), curve.ax_.get_ylabel()) == ("inner steps", LABELS[metric][0])
    assert curve.ax_.get_title() == (
        "5 shots: mean and 95 % interval over 23 tasks\n(up to 1 of them diverges and is left out)"
    )
    shots = ShotsDisplay.from_report(report, metric, steps=1)
    assert (shots.ax_.get_xlabel(), shots.ax_.get_ylabel()) == (
        "rows adapted on (shots)",
        LABELS[metric][0],
    )
    assert shots.ax_.get_title() == "1 inner step: mean and 95 % interval over 23 tasks"
    gain = GainDisplay.from_report(report, "pooled", metric=metric)
    assert (gain.ax_.get_xlabel(), gain.ax_.get_ylabel()) == (LABELS[metric][1], "tasks")
    for display in (curve, shots, gain):
        assert not overlap(display)


def test_numbers_far_apart_have_a_logarithmic_scale_that_shows_them_all():
    report = report_of(False, shots=(1, 5, 100), steps=(0, 5, 300))
    report._scores.values["rmse"][:, 1, 0] = 1e4
    curve = AdaptationCurveDisplay.from_report(report)
    shots = ShotsDisplay.from_report(report)
    assert curve.ax_.get_xscale() == "symlog"
    assert shots.ax_.get_xscale() == "log"
    assert curve.ax_.get_yscale() == "log"
    assert curve.ax_.get_ylabel() == "RMSE (units of y), log scale"
    for display, numbers in ((curve, (0, 5, 300)), (shots, (1, 5, 100))):
        display.figure_.canvas.draw()
        texts = [label.get_text() for label in display.ax_.get_xticklabels()]
        assert texts == [str(number) for number in numbers]
        # The points are spread over the width, with a margin.
        line = lines(display.ax_)["ANIL"]
        place = display.ax_.transAxes.inverted().transform(
            display.ax_.transData.transform(np.column_stack([line.get_xdata(), line.get_ydata()]))
        )
        assert 0.01 < place[0, 0] < 0.1
        assert 0.9 < place[-1, 0] < 0.99
        assert (place[:, 1] > 0).all()
        assert (place[:, 1] < 1).all()


def test_one_number_of_steps_has_a_bar_for_its_interval():
    report = report_of(steps=(5,))
    display = AdaptationCurveDisplay.from_report(report)
    _, low, high = interval(100 * report.values("accuracy")[:, 1, 0])
    (bar,) = display.ax_.collections
    np.testing.assert_allclose(bar.get_segments()[0], [(5, low), (5, high)], rtol=1e-9)


def test_a_single_task_has_no_band_and_no_interval():
    report = report_of(tasks=1)
    display = AdaptationCurveDisplay.from_report(report)
    assert np.isnan(display.intervals).all()
    assert display.ax_.get_title().endswith("over 1 task")
    gain = GainDisplay.from_report(report, "pooled")
    assert len(gain.ax_.patches) == len(gain.counts) == 1
    display.figure_.canvas.draw()
    gain.figure_.canvas.draw()


def test_baselines_look_different_and_can_be_left_out():
    report = report_of()
    for kind in (AdaptationCurveDisplay, ShotsDisplay):
        drawn = [line for name, line in lines(kind.from_report(report).ax_).items() if name != "ANIL"]
        assert len({line.get_color() for line in drawn}) == len(drawn) == 3
        assert len({line.get_linestyle() for line in drawn}) == 3
        assert list(lines(kind.from_report(report, baselines=False).ax_)) == ["ANIL"]


def test_a_report_draws_itself():
    report = report_of()
    display = report.plot(metric="loss", shots=10)
    assert isinstance(display, AdaptationCurveDisplay)
    assert (display.metric, display.shots) == ("loss", 10)
    _, ax = plt.subplots()
    assert report.plot(ax).ax_ is ax


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: AdaptationCurveDisplay.from_report(r, "f1"), ValueError, "metric is 'f1'; give one of"),
        (lambda r: ShotsDisplay.from_report(r, "rmse"), ValueError, "metric is 'rmse'; give one of"),
        (lambda r: GainDisplay.from_report(r, metric="f1"), ValueError, "metric is 'f1'; give one of"),
        (lambda r: AdaptationCurveDisplay.from_report(r, shots=3), ValueError, "shots is 3; .* 1, 5, 10"),
        (lambda r: ShotsDisplay.from_report(r, steps=2), ValueError, "steps is 2; give one of 0, 1, 5"),
        (lambda r: GainDisplay.from_report(r, "svm"), ValueError, "start is 'svm'; .*'pooled'.* 0, 1, 5"),
        (lambda r: GainDisplay.from_report(r, 3), ValueError, "start is 3; give one of"),
        (
            lambda r: GainDisplay.from_report(r, "nearest class mean", metric="loss"),
            ValueError,
            "no task has both scores: nearest class mean has no loss",
        ),
        (
            lambda _: GainDisplay.from_report(report_of(steps=(5,), baselines=False)),
            ValueError,
            "nothing to compare 5 inner steps with; evaluate with baselines=True",
        ),
        (lambda _: AdaptationCurveDisplay.from_report(3), TypeError, "report is 3 .*fastmaml.evaluate"),
        (lambda _: ShotsDisplay.from_report(FewShotReport), TypeError, "report is"),
    ],
)
def test_wrong_arguments_of_reports(call, error, message):
    with pytest.raises(error, match=message):
        call(report_of())
    assert plt.get_fignums() == []


# Learning


class Estimator:
    """What displays read of an estimator."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def fitted(losses, scores, epochs, log_every=10, **others):
    return Estimator(
        loss_curve_=losses, validation_scores_=scores, n_iter_=epochs, log_every=log_every, **others
    )


@pytest.mark.parametrize("classifies", [True, False])
def test_the_learning_curve_is_the_estimators(classifies):
    scores = [0.5, 0.75, 0.625] if classifies else [-3.0, -2.0, -2.5]
    estimator = fitted([0.7, 0.5, 0.4], scores, 25, **({"classes_": [0, 1]} if classifies else {}))
    display = LearningCurveDisplay.from_estimator(estimator)
    (loss,), (score,) = display.ax_.get_lines(), display.score_ax_.get_lines()
    for line in (loss, score):
        assert line.get_xdata().tolist() == [10, 20, 25]
    assert loss.get_ydata().tolist() == [0.7, 0.5, 0.4]
    assert score.get_ydata().tolist() == ([50, 75, 62.5] if classifies else [3.0, 2.0, 2.5])
    what = "accuracy (%)" if classifies else "mean squared error"
    assert display.score_ax_.get_ylabel() == f"{what}\non tasks held out"
    assert display.ax_.get_ylabel() == "mean query loss\nin training"
    assert display.score_ax_.get_xlabel() == "epoch"
    assert display.ax_.get_title() == "Training of Estimator"
    assert display.ax_.get_shared_x_axes().joined(display.ax_, display.score_ax_)
    assert display.figure_ is display.score_ax_.figure


@pytest.mark.parametrize(
    ("entries", "epochs", "expected", "unit"),
    [
        (3, 30, [10, 20, 30], "epoch"),
        (3, 21, [10, 20, 21], "epoch"),
        (1, 4, [4], "epoch"),
        (2, 27, [10, 20], "epoch"),  # Ctrl-C came in epoch 27.
        (8, 7, list(range(8)), "iteration"),  # L-BFGS, with the loss that it began with.
    ],
)
def test_what_epochs_the_losses_are_of(entries, epochs, expected, unit):
    display = LearningCurveDisplay.from_estimator(fitted([0.5] * entries, None, epochs))
    assert display.epochs.tolist() == display.ax_.get_lines()[0].get_xdata().tolist() == expected
    assert display.ax_.get_xlabel() == unit
    assert display.score_ax_ is None
    assert len(display.figure_.axes) == 1


def test_the_learning_curve_of_a_run():
    run = SimpleNamespace(history=[(0, 2.0), (100, 1.0), (150, 0.5)], algorithm=algorithms.Reptile())
    display = LearningCurveDisplay.from_run(run)
    (line,) = display.ax_.get_lines()
    assert line.get_xydata().tolist() == [[0, 2.0], [100, 1.0], [150, 0.5]]
    assert display.ax_.get_title() == "Training of Reptile"
    assert display.ax_.get_xlabel() == "epoch"
    notebook = LearningCurveDisplay.from_run(SimpleNamespace(history_=[(0, 2.0), (9, 1.0)]))
    assert notebook.losses.tolist() == [2.0, 1.0]


def test_one_axes_holds_loss_and_score_and_two_hold_one_each():
    estimator = fitted([0.7, 0.5], [0.5, 0.75], 20, classes_=[0, 1])
    figure, ax = plt.subplots()
    display = LearningCurveDisplay.from_estimator(estimator, ax=ax)
    assert display.ax_ is ax
    assert display.score_ax_.yaxis.get_label_position() == "right"
    assert display.ax_.get_xlabel() == "epoch"
    figure, axes = plt.subplots(1, 2)
    display.plot(axes)
    assert (display.ax_, display.score_ax_, display.figure_) == (axes[0], axes[1], figure)
    assert [one.get_xlabel() for one in axes] == ["epoch", "epoch"]
    with pytest.raises(ValueError, match="ax has 3 axes; give one, or two"):
        display.plot([ax, ax, ax])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LearningCurveDisplay.from_estimator(MAMLClassifier()), TypeError, "no loss_curve_; give a"),
        (lambda: LearningCurveDisplay.from_estimator(MAMLClassifier), TypeError, "no loss_curve_"),
        (lambda: LearningCurveDisplay.from_run(MAMLClassifier()), TypeError, "which has no history; give"),
        (lambda: LearningCurveDisplay.from_run(SimpleNamespace(history=[])), ValueError, "history is empty"),
        (
            lambda: LearningCurveDisplay.from_estimator(fitted([0.5], None, 40)),
            ValueError,
            "1 entries for 40 epochs with log_every=10: partial_fit",
        ),
        (lambda: LearningCurveDisplay.from_estimator(fitted([], None, 4)), ValueError, "0 entries for 4"),
    ],
)
def test_what_has_no_learning_curve(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert plt.get_fignums() == []


# Adapting


class Slope:
    """A regression through zero whose slope is the number of steps times the mean target."""

    n_features_in_ = 1

    def adapt(self, X, y, steps):
        assert np.shape(X) == (len(y), 1)
        slope = steps * np.mean(np.asarray(y))

        def predict(rows):
            if isinstance(X, (pd.DataFrame, pl.DataFrame)):
                assert type(rows) is type(X)
                assert list(rows.columns) == list(X.columns)
            return slope * np.asarray(rows)[:, 0]

        return SimpleNamespace(predict=predict)


def test_curves_before_and_after():
    x, y = np.array([[2.0], [0.0], [1.0]]), np.array([3.0, 1.0, 2.0])
    display = AdaptationDisplay.from_estimator(
        Slope(), x, y, steps=(10, 0, 1), X_query=[[-1.0], [3.0]], y_query=[5.0, 6.0], grid=11
    )
    drawn = lines(display.ax_)
    assert list(drawn) == [
        "other rows of the task",
        "before adapting",
        "after 1 inner step",
        "after 10 inner steps",
        "3 rows adapted on",
    ]
    # From -1 to 3, and a twentieth beyond.
    grid = np.linspace(-1.2, 3.2, 11)
    for label, steps in (("before adapting", 0), ("after 1 inner step", 1), ("after 10 inner steps", 10)):
        np.testing.assert_allclose(drawn[label].get_xdata(), grid, atol=1e-12)
        np.testing.assert_allclose(drawn[label].get_ydata(), 2 * steps * grid, atol=1e-12)
    assert drawn["3 rows adapted on"].get_xydata().tolist() == [[2, 3], [0, 1], [1, 2]]
    assert drawn["other rows of the task"].get_xydata().tolist() == [[-1, 5], [3, 6]]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x (feature)", "y (target)")
    assert not overlap(display)


@pytest.mark.parametrize("kind", [pd, pl])
def test_data_frames_stay_data_frames_and_name_the_axes(kind):
    frame, target = kind.DataFrame({"hour": [1.0, 2.0]}), kind.Series([3.0, 4.0])
    target = target.rename("load")
    display = AdaptationDisplay.from_estimator(Slope(), frame, target, steps=1, grid=[5.0, 0.0])
    assert display.grid.tolist() == [0.0, 5.0]
    assert display.curves.tolist() == [[0.0, 17.5]]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("hour", "load")


def run_like(model):
    return SimpleNamespace(model=model, algorithm=algorithms.MAML(), adapt=Slope().adapt)


@pytest.mark.parametrize(
    ("model", "x", "y", "options", "error", "message"),
    [
        (
            Slope(),
            np.ones((3, 2)),
            np.ones(3),
            {},
            ValueError,
            r"X_support has shape \(3, 2\); a curve needs",
        ),
        (run_like(models.Linear(4)), np.ones((3, 4)), np.ones(3), {}, ValueError, "the model has 4 features"),
        (run_like(models.Logistic(1)), [[1.0]], [1.0], {}, ValueError, "the model predicts classes"),
        (run_like(models.Linear(1, 2)), [[1.0]], [1.0], {}, ValueError, "the model predicts 2 targets"),
        (object(), [[1.0]], [1.0], {}, TypeError, "^estimator is .* which does not adapt; give"),
        (Slope(), [[1.0]], [1.0, 2.0], {}, ValueError, "X_support has 1 rows and y_support has 2"),
        (Slope(), [[1.0]], [np.nan], {}, ValueError, "y_support holds nan at row 0"),
        (Slope(), [[1.0]], [[1.0, 2.0]], {}, ValueError, "give one target a row"),
        (Slope(), [[1.0]], [1.0], {"X_query": [[1.0]]}, ValueError, "X_query and y_query belong together"),
        (Slope(), [[1.0]], [1.0], {"grid": 1}, ValueError, "grid is 1"),
        (Slope(), [[1.0]], [1.0], {"grid": [1.0]}, ValueError, "grid has 1 points; give 2"),
        (Slope(), [[1.0]], [1.0], {"steps": -1}, ValueError, "steps is -1"),
    ],
)
def test_what_has_no_curve(model, x, y, options, error, message):
    with pytest.raises(error, match=message):
        AdaptationDisplay.from_estimator(model, x, y, **options)
    assert plt.get_fignums() == []


# Inner rates


def learned(rates, num_parameters, features, hidden=(), *, intercept=True, **others):
    return Estimator(
        inner_rates_=np.array(rates, dtype=float),
        theta_=np.zeros(num_parameters),
        n_features_in_=features,
        hidden_layer_sizes=hidden,
        fit_intercept=intercept,
        inner_rate_=0.25,
        **others,
    )


def test_rates_of_features_have_their_names():
    names = np.array(["age", "who", "height"], dtype=object)
    estimator = learned([1.0, -2.0, 3.0], 3, 3, feature_names_in_=names, group_column="who", classes_=[0, 1])
    display = InnerRatesDisplay.from_estimator(estimator)
    drawn = lines(display.ax_)
    assert drawn["rate of the weight"].get_xdata().tolist() == [1.0, -2.0, 3.0]
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["age", "height", "intercept"]
    # From the top to the bottom.
    assert display.ax_.get_ylim() == (2.5, -0.5)
    assert drawn["at first: 0.25"].get_xdata() == [0.25, 0.25]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("inner rate", "feature")
    assert not overlap(display)


def test_rates_of_several_classes():
    rates = np.arange(6.0)  # Weights (2 features, 2 columns of classes), then biases.
    estimator = learned(rates, 6, 2, classes_=["no", "yes"])
    display = InnerRatesDisplay.from_estimator(estimator)
    drawn = lines(display.ax_)
    assert drawn["class no"].get_xdata().tolist() == [0.0, 2.0, 4.0]
    assert drawn["class yes"].get_xdata().tolist() == [1.0, 3.0, 5.0]
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["feature 0", "feature 1", "intercept"]


@pytest.mark.parametrize("intercept", [True, False])
def test_rates_of_a_network_stand_in_the_order_of_its_parameters(intercept):
    model = models.MLP(num_features=2, hidden=(3,), num_outputs=1, intercept=intercept)
    count = 13 if intercept else 9
    rates = np.linspace(-1, 1, count)
    parts = {"layer 1, weights": range(6), "layer 2, weights": range(6, 9)}
    if intercept:
        parts = {
            "layer 1, weights": range(6),
            "layer 1, biases": range(6, 9),
            "layer 2, weights": range(9, 12),
            "layer 2, biases": range(12, 13),
        }
    run = SimpleNamespace(inner_rates=rates, algorithm=algorithms.MetaSGD(inner_rate=0.5), model=model)
    for display in (
        InnerRatesDisplay.from_run(run),
        InnerRatesDisplay.from_estimator(learned(rates, count, 2, (3,), intercept=intercept)),
        InnerRatesDisplay.from_estimator(learned(rates, count, 2, 3, intercept=intercept)),
    ):
        drawn = lines(display.ax_)
        found = {name: line.get_xdata().tolist() for name, line in drawn.items() if name.startswith("layer")}
        assert found == {name: list(places) for name, places in parts.items()}
        for name, places in parts.items():
            assert drawn[name].get_ydata().tolist() == rates[list(places)].tolist()
        assert display.ax_.get_xlabel() == "parameter (place in theta)"
        assert display.ax_.get_ylabel() == "inner rate"
        assert not overlap(display)


def test_many_features_are_numbered():
    names = np.array([f"feature called {number}" for number in range(40)], dtype=object)
    display = InnerRatesDisplay.from_estimator(learned(np.ones(41), 41, 40, feature_names_in_=names))
    assert display.ax_.get_xlabel() == "parameter (place in theta)"


def test_rates_of_layers_and_of_steps():
    display = InnerRatesDisplay.from_estimator(learned([0.1, 0.2], 13, 2, (3,)))
    line = lines(display.ax_)["rate of the layer"]
    assert line.get_xydata().tolist() == [[1, 0.1], [2, 0.2]]
    assert display.ax_.get_xlabel().startswith("layer")
    rates = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    display = InnerRatesDisplay.from_estimator(learned(rates, 13, 2, (3,)))
    drawn = lines(display.ax_)
    assert drawn["layer 1"].get_xydata().tolist() == [[1, 0.1], [2, 0.3], [3, 0.5]]
    assert drawn["layer 2"].get_xydata().tolist() == [[1, 0.2], [2, 0.4], [3, 0.6]]
    assert display.ax_.get_xlabel() == "inner step"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: InnerRatesDisplay.from_estimator(learned([], 3, 2)),
            ValueError,
            'no inner rates were learned; train with algorithm="meta_sgd"',
        ),
        (
            lambda: InnerRatesDisplay.from_run(SimpleNamespace(inner_rates=np.zeros(0))),
            ValueError,
            "no inner rates were learned; train with algorithms.MetaSGD",
        ),
        (lambda: InnerRatesDisplay.from_run(object()), TypeError, "no inner_rates; give what meta_train"),
        (lambda: InnerRatesDisplay.from_estimator(object()), TypeError, "no inner_rates_; give a fitted"),
    ],
)
def test_what_has_no_learned_rates(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert plt.get_fignums() == []


# All of them


def displays():
    """Yield calls that draw one display each, in given axes."""
    report = report_of()
    return {
        "AdaptationCurveDisplay": lambda ax: AdaptationCurveDisplay.from_report(report, ax=ax),
        "ShotsDisplay": lambda ax: ShotsDisplay.from_report(report, ax=ax),
        "GainDisplay": lambda ax: GainDisplay.from_report(report, ax=ax),
        "LearningCurveDisplay": lambda ax: LearningCurveDisplay.from_estimator(
            fitted([0.7, 0.5], [0.5, 0.75], 20), ax=ax
        ),
        "AdaptationDisplay": lambda ax: AdaptationDisplay.from_estimator(Slope(), [[1.0]], [1.0], ax=ax),
        "InnerRatesDisplay": lambda ax: InnerRatesDisplay.from_estimator(learned([1.0, 2.0], 2, 1), ax=ax),
    }


@pytest.mark.parametrize("name", sorted(displays()))
def test_given_axes_are_drawn_in_and_no_figure_is_left(name):
    figure, ax = plt.subplots()
    ax.set_title("mine")
    display = displays()[name](ax)
    assert type(display).__name__ == name
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert ax.get_title() == "mine"
    assert ax.get_lines()


@pytest.mark.parametrize("name", sorted(displays()))
def test_each_new_picture_is_one_figure(name):
    display = displays()[name](None)
    assert plt.get_fignums() == [display.figure_.number]
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first
    assert len(plt.get_fignums()) == 2


@pytest.mark.parametrize("name", sorted(displays()))
def test_without_matplotlib_it_says_what_to_install(name, monkeypatch):
    draw = displays()[name]
    for module in [module for module in sys.modules if module.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'fastmaml\[plot\]'"):
        draw(None)


def test_importing_the_package_of_pictures_loads_no_matplotlib():
    script = (
        "import sys, fastmaml.plotting as p; [getattr(p, name) for name in p.__all__]; "
        "print([m for m in ('matplotlib', 'sklearn', 'pandas', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_a_display_that_is_not_there_is_an_attribute_error():
    import fastmaml.plotting

    with pytest.raises(AttributeError, match="has no attribute 'PieDisplay'"):
        fastmaml.plotting.PieDisplay  # noqa: B018


# The real ones


def test_a_real_estimator_has_what_is_read():
    model = load(Path(__file__).with_name("golden") / "schema-1.fastmaml")
    curve = LearningCurveDisplay.from_estimator(model)
    assert (curve.unit, curve.classifies) == ("epoch", True)
    assert curve.epochs.tolist() == [10, 20, 30]
    assert curve.losses.tolist() == model.loss_curve_
    assert curve.validation_scores.tolist() == model.validation_scores_
    drawn = lines(InnerRatesDisplay.from_estimator(model).ax_)
    # Three features, three hidden units, one output.
    sizes = {"layer 1, weights": 9, "layer 1, biases": 3, "layer 2, weights": 3, "layer 2, biases": 1}
    shown = np.concatenate([drawn[name].get_ydata() for name in sizes])
    assert [drawn[name].get_ydata().size for name in sizes] == list(sizes.values())
    np.testing.assert_array_equal(shown, model.inner_rates_)


# Without the compiler, which would take longer than all the rest.
ADAPT = """
import numpy as np
import pandas as pd
from fastmaml import MAMLRegressor, algorithms, meta_train, models, optimizers, sources
from fastmaml.plotting import AdaptationDisplay, InnerRatesDisplay, LearningCurveDisplay

x, y, grid = np.array([[0.0], [1.0]]), np.array([1.0, 3.0]), np.array([0.0, 1.0])
source, optimizer = sources.LinearTasks([1.0], shots=2, queries=2), optimizers.SGD(learning_rate=0.01)
run = meta_train(
    models.Linear(1), algorithms.MetaSGD(inner_rate=0.1), source, optimizer,
    tasks_per_batch=2, epochs=5, log_every=2, random_state=0, n_jobs=1,
)
curve = LearningCurveDisplay.from_run(run)
assert list(zip(curve.epochs, curve.losses)) == run.history and curve.epochs.tolist() == [0, 2, 4]
rates = np.concatenate([line.get_ydata() for line in InnerRatesDisplay.from_run(run).ax_.get_lines()[:2]])
assert np.array_equal(rates, run.inner_rates)
display = AdaptationDisplay.from_run(run, x, y, steps=(0, 2), grid=grid)
thetas = np.array([run.adapt(x, y, steps=steps).theta for steps in (0, 2)])
assert np.allclose(display.curves, thetas[:, :1] * grid + thetas[:, 1:], rtol=1e-12, atol=0)
assert not np.array_equal(*display.curves)

frame = pd.DataFrame({"hour": x[:, 0]})
model = MAMLRegressor(max_iter=3).fit(frame, y)
assert LearningCurveDisplay.from_estimator(model).losses.tolist() == model.loss_curve_
display = AdaptationDisplay.from_estimator(model, frame, y, steps=2, grid=grid)
assert np.array_equal(display.curves[0], model.adapt(frame, y, steps=2).predict(frame))
print(display.ax_.get_title())
"""


def test_a_real_run_and_regressor_adapt_as_is_expected():
    settings = {"NUMBA_DISABLE_JIT": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ADAPT],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
    )
    assert (done.returncode, done.stdout) == (0, "MAMLRegressor on one task\n"), done.stderr
