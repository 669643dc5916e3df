"""What the curves of a report have in common: a score with its band, and what is simpler beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from fastmaml.plotting.reports import title_of
from fastmaml.plotting.style import (
    draw_band,
    finish,
    legend_below,
    new_axes,
    percent,
    scale_numbers,
    scale_scores,
    set_title,
)


class ScoreCurve:
    """A curve of a report, drawn by `_draw`; see `AdaptationCurveDisplay` and `ShotsDisplay`."""

    ax_: Any
    figure_: Any
    name: str
    metric: str
    means: np.ndarray
    intervals: np.ndarray
    num_tasks: int
    diverged: np.ndarray

    def _draw(
        self,
        ax: Any,
        numbers: np.ndarray,
        others: Mapping[str, Any],
        draw_others: Callable[[Any, Mapping[str, Any], float], None],
        *,
        label: str,
        title: str,
    ) -> Self:
        """Draw the score at some numbers, then what is simpler; return the display itself."""
        ax = new_axes(ax)
        factor = percent(self.metric)
        # Before anything is drawn, which settles the limits.
        scale_numbers(ax, numbers)
        scale_scores(ax, self.metric, self.means, *map(np.asarray, others.values()))
        draw_band(ax, numbers, factor * self.means, factor * self.intervals, self.name)
        draw_others(ax, others, factor)
        ax.set_xlabel(label)
        what = "mean and 95 % interval"
        set_title(ax, title_of(title, self.num_tasks, int(self.diverged.max()), what))
        finish(ax)
        legend_below(ax)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self
