"""The score by the number of inner steps."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastmaml.arrays import counted
from fastmaml.plotting.reports import check_report, metric_of, shots_of
from fastmaml.plotting.score_curve import ScoreCurve
from fastmaml.plotting.style import STEPS, draw_levels


class AdaptationCurveDisplay(ScoreCurve):
    """The score by the number of inner steps, with its 95 % interval, and what is simpler as lines.

    Make it with `from_report`.

    Parameters
    ----------
    name : str
        What the model is called.
    metric : str
        The score.
    shots : int
        Rows adapted on.
    steps : ndarray of shape (S,)
        Numbers of inner steps, ascending.
    means : ndarray of shape (S,)
        Mean of the score over the tasks after each number of steps; an accuracy as a share.
    intervals : ndarray of shape (S, 2)
        Its 95 % intervals; NaN where there are none.
    baselines : dict of str to float
        Means of what is simpler, by name; NaN for one that does not have the score.
    num_tasks : int
        Tasks tested on.
    diverged : ndarray of shape (S,)
        How many of them diverged; they are not in the means.

    Attributes
    ----------
    ax_ : matplotlib axes
        What was drawn in.
    figure_ : matplotlib figure
        The figure of it.
    """

    def __init__(
        self,
        *,
        name: str,
        metric: str,
        shots: int,
        steps: np.ndarray,
        means: np.ndarray,
        intervals: np.ndarray,
        baselines: dict[str, float],
        num_tasks: int,
        diverged: np.ndarray,
    ) -> None:
        self.name, self.metric, self.shots, self.steps = name, metric, shots, steps
        self.means, self.intervals, self.baselines = means, intervals, baselines
        self.num_tasks, self.diverged = num_tasks, diverged

    @classmethod
    def from_report(
        cls,
        report: Any,
        metric: str | None = None,
        shots: int | None = None,
        ax: Any = None,
        *,
        baselines: bool = True,
    ) -> Self:
        """Draw a report.

        Parameters
        ----------
        report : FewShotReport
            What `fastmaml.evaluate` returned.
        metric : str, optional
            One of ``report.metrics``. Default: ``report.score``.
        shots : int, optional
            One of ``report.all_shots``. Default: the first of ``report.headline``.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.
        baselines : bool, default=True
            Whether to draw what is simpler.

        Returns
        -------
        AdaptationCurveDisplay

        Raises
        ------
        TypeError, ValueError
            If it is no report, or has no such score or number of shots.
        ImportError
            If matplotlib is not installed.
        """
        check_report(report)
        metric, shots = metric_of(report, metric), shots_of(report, shots)
        found = [report.summary(metric, shots, int(steps)) for steps in report.steps]
        return cls(
            name=report.name,
            metric=metric,
            shots=shots,
            steps=np.asarray(report.steps),
            means=np.array([one.mean for one in found]),
            intervals=np.array([(one.low, one.high) for one in found]),
            baselines={name: report.summary(metric, shots, None, name).mean for name in report.baselines},
            num_tasks=report.num_tasks,
            diverged=np.array([one.diverged for one in found]),
        ).plot(ax, baselines=baselines)

    def plot(self, ax: Any = None, *, baselines: bool = True) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.
        baselines : bool, default=True
            Whether to draw what is simpler.

        Returns
        -------
        self
        """
        return self._draw(
            ax,
            self.steps,
            self.baselines if baselines else {},
            draw_levels,
            label=STEPS,
            title=counted(self.shots, "shot"),
        )
