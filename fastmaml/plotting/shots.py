"""The score by the number of shots."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastmaml.arrays import counted
from fastmaml.plotting.reports import check_report, metric_of, steps_of
from fastmaml.plotting.score_curve import ScoreCurve
from fastmaml.plotting.style import SHOTS, draw_lines


class ShotsDisplay(ScoreCurve):
    """The score by the number of rows adapted on, with its 95 % interval, and what is simpler as lines.

    Make it with `from_report`.

    Parameters
    ----------
    name : str
        What the model is called.
    metric : str
        The score.
    steps : int
        Inner steps of the model.
    shots : ndarray of shape (S,)
        Numbers of rows adapted on, ascending.
    means : ndarray of shape (S,)
        Mean of the score over the tasks with each number of shots; an accuracy as a share.
    intervals : ndarray of shape (S, 2)
        Its 95 % intervals; NaN where there are none.
    baselines : dict of str to ndarray of shape (S,)
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
        steps: int,
        shots: np.ndarray,
        means: np.ndarray,
        intervals: np.ndarray,
        baselines: dict[str, np.ndarray],
        num_tasks: int,
        diverged: np.ndarray,
    ) -> None:
        self.name, self.metric, self.steps, self.shots = name, metric, steps, shots
        self.means, self.intervals, self.baselines = means, intervals, baselines
        self.num_tasks, self.diverged = num_tasks, diverged

    @classmethod
    def from_report(
        cls,
        report: Any,
        metric: str | None = None,
        steps: int | None = None,
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
        steps : int, optional
            One of ``report.steps``. Default: the second of ``report.headline``.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.
        baselines : bool, default=True
            Whether to draw what is simpler.

        Returns
        -------
        ShotsDisplay

        Raises
        ------
        TypeError, ValueError
            If it is no report, or has no such score or number of steps.
        ImportError
            If matplotlib is not installed.
        """
        check_report(report)
        metric, steps = metric_of(report, metric), steps_of(report, steps)
        found = [report.summary(metric, shots, steps) for shots in report.all_shots]
        return cls(
            name=report.name,
            metric=metric,
            steps=steps,
            shots=np.array(report.all_shots),
            means=np.array([one.mean for one in found]),
            intervals=np.array([(one.low, one.high) for one in found]),
            baselines={
                name: np.array([report.summary(metric, shots, None, name).mean for shots in report.all_shots])
                for name in report.baselines
            },
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
            self.shots,
            self.baselines if baselines else {},
            lambda ax, others, factor: draw_lines(ax, self.shots, others, factor),
            label=SHOTS,
            title=counted(self.steps, "inner step"),
        )
