"""How much better the model is than something simpler, task by task."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from fastmaml.arrays import counted
from fastmaml.plotting.reports import check_report, metric_of, shots_of, steps_of
from fastmaml.plotting.style import (
    BAND,
    BLACK,
    SKY,
    VERMILLION,
    finish,
    legend_below,
    new_axes,
    percent,
    set_title,
)
from fastmaml.validation import check_choice

UNITS = {
    "loss": "fall of the mean loss per row",
    "accuracy": "gain in accuracy (points)",
    "auc": "gain in the area under the ROC curve",
    "rmse": "fall of the RMSE (units of y)",
    "r2": "gain in R²",
}
# The most bins of a histogram.
MOST_BINS = 200
# Values that are further apart than a tenth of a bin are drawn as the discrete ones that they are.
COARSE = 10


class GainDisplay:
    """A histogram of how much better the model is than something simpler on each task.

    Make it with `from_report`.

    Parameters
    ----------
    name : str
        What the model is called.
    start : str or int
        What it is compared with: a baseline, or a number of steps of the model itself.
    metric : str
        The score.
    shots, steps : int
        Rows adapted on, and inner steps.
    gains : ndarray of shape (tasks,)
        Differences of the tasks that have both scores, of an accuracy as shares; larger is better.
    mean, low, high : float
        Their mean, with its 95 % interval; NaN where there is none.

    Attributes
    ----------
    edges : ndarray of shape (bins + 1,)
        Where the bins begin and end, in the units of ``gains``; one of them is centred on zero.
    counts : ndarray of shape (bins,)
        Tasks in each.
    ax_ : matplotlib axes
        What was drawn in.
    figure_ : matplotlib figure
        The figure of it.
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        name: str,
        start: str | int,
        metric: str,
        shots: int,
        steps: int,
        gains: np.ndarray,
        mean: float,
        low: float,
        high: float,
    ) -> None:
        self.name, self.start, self.metric, self.shots, self.steps = name, start, metric, shots, steps
        self.gains, self.mean, self.low, self.high = gains, mean, low, high
        self.edges = centred_bins(gains)
        self.counts = np.histogram(gains, self.edges)[0]

    @classmethod
    def from_report(
        cls,
        report: Any,
        start: str | int | None = None,
        ax: Any = None,
        *,
        metric: str | None = None,
        shots: int | None = None,
        steps: int | None = None,
    ) -> Self:
        """Draw a report.

        Parameters
        ----------
        report : FewShotReport
            What `fastmaml.evaluate` returned.
        start : str or int, optional
            One of ``report.baselines``, or one of ``report.steps`` for the model itself after so many.
            Default: the baseline that does best; without any, the fewest steps.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.
        metric : str, optional
            One of ``report.metrics``. Default: ``report.score``.
        shots, steps : int, optional
            Some of ``report.all_shots`` and ``report.steps``. Default: ``report.headline``.

        Returns
        -------
        GainDisplay

        Raises
        ------
        TypeError, ValueError
            If it is no report, has no such score or start, or no task has both scores.
        ImportError
            If matplotlib is not installed.
        """
        check_report(report)
        metric, shots, steps = metric_of(report, metric), shots_of(report, shots), steps_of(report, steps)
        if start is None:
            start = _strongest(report, metric, shots, steps)
        else:
            start = check_choice("start", start, (*report.baselines, *np.asarray(report.steps).tolist()))
        gains = report.gains(start, shots, steps, metric)[0]
        known = gains[np.isfinite(gains)]
        if known.size == 0:
            raise ValueError(
                f"no task has both scores: {_called(start)} has no {metric}, or all diverged; give another "
                "start or metric"
            )
        summary = report.gain(start, shots, steps, metric)
        return cls(
            name=report.name,
            start=start,
            metric=metric,
            shots=shots,
            steps=steps,
            gains=known,
            mean=summary.mean,
            low=summary.low,
            high=summary.high,
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        self
        """
        ax = new_axes(ax)
        from matplotlib.ticker import MaxNLocator

        factor = percent(self.metric)
        mean, low, high = factor * self.mean, factor * self.low, factor * self.high
        ax.bar(
            factor * self.edges[:-1],
            self.counts,
            factor * np.diff(self.edges),
            align="edge",
            color=SKY,
            edgecolor="white",
            linewidth=0.8,
            label="tasks",
            zorder=2,
        )
        form = "+.2f" if self.metric == "accuracy" else "+.3g"
        label = f"mean {mean:{form}}"
        if not math.isnan(low):
            label += f", 95 % interval {low:{form}} to {high:{form}}"
            ax.axvspan(low, high, color=VERMILLION, alpha=BAND, linewidth=0, zorder=2.5)
        ax.axvline(0, color=BLACK, linestyle="--", linewidth=1.2, label="no difference", zorder=3)
        ax.axvline(mean, color=VERMILLION, linewidth=2, label=label, zorder=3)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel(UNITS.get(self.metric, f"gain in {self.metric}"))
        ax.set_ylabel("tasks")
        setting = f"{counted(self.shots, 'shot')}, {counted(self.steps, 'inner step')}"
        better, worse = 100 * np.mean(self.gains > 0), 100 * np.mean(self.gains < 0)
        set_title(
            ax,
            f"{self.name} against {_called(self.start)}, {setting}:\nbetter on {better:.0f} % and worse on "
            f"{worse:.0f} % of {counted(self.gains.size, 'task')}",
        )
        finish(ax)
        legend_below(ax)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self


def centred_bins(values: np.ndarray) -> np.ndarray:
    """Return edges of bins of one width, (bins + 1,), with one centred on zero, that hold all values."""
    found, largest = np.histogram_bin_edges(values, "auto"), np.abs(values).max()
    width = max(found[1] - found[0], 2 * largest / MOST_BINS)
    apart = np.diff(np.unique(np.round(values, 9)))
    if apart.size == 0:
        width = largest or 1.0
    elif apart.min() > width / COARSE:
        # Shares of a few rows: an odd number of steps a bin, so that no value lies on an edge.
        width = apart.min() * (2 * math.ceil((width / apart.min() - 1) / 2) + 1)
    # Values that lie on an outer edge, but for rounding, are inside.
    first = math.floor(values.min() / width + 0.5 - 1e-9)
    last = math.floor(values.max() / width + 0.5 + 1e-9)
    return width * (np.arange(first, last + 2) - 0.5)


def _strongest(report: Any, metric: str, shots: int, steps: int) -> str | int:
    """Return the baseline that the model gains least over; without any, its own fewest steps."""
    gains = {name: report.gain(name, shots, steps, metric) for name in report.baselines}
    means = {name: gain.mean for name, gain in gains.items() if gain.tasks}
    if means:
        return min(means, key=lambda name: means[name])
    fewest = int(min(report.steps))
    if fewest == steps:
        raise ValueError(
            f"the report has nothing to compare {steps} inner steps with; evaluate with baselines=True, or "
            "with fewer steps, too, such as steps=(0, 5)"
        )
    return fewest


def _called(start: str | int) -> str:
    return start if isinstance(start, str) else f"its start after {counted(start, 'inner step')}"
