"""What the pictures have in common: axes, colours, scales, legends, and what scores are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# Okabe and Ito's palette ("Color Universal Design", 2008), but for its yellow, which is faint on white.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
GREY = "0.55"
COLOURS = (VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
DASHES: tuple[Any, ...] = ("--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (2, 1)), (0, (8, 3)))
MARKERS = ("s", "^", "D", "v", "X", "P")
# The share of a band's colour that covers what is below.
BAND = 0.2
# Where the largest is this many times the smallest, a scale is logarithmic.
WIDE, FAR = 30, 100
# More numbers than these are not all written on an axis.
MOST_TICKS = 8

LABELS = {
    "loss": "mean loss per row",
    "accuracy": "accuracy (%)",
    "auc": "area under the ROC curve",
    "rmse": "RMSE (units of y)",
    "r2": "R² (1 is best)",
}
STEPS, SHOTS = "inner steps", "rows adapted on (shots)"


class Line(NamedTuple):
    """How one of several lines looks."""

    color: str
    linestyle: Any
    marker: str


def line_style(number: int) -> Line:
    """Return how the line of a number looks; the first six differ in everything."""
    return Line(COLOURS[number % 6], DASHES[number % 6], MARKERS[number % 6])


def new_axes(ax: Any, rows: int = 1) -> Any:
    """Return the axes given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib axes or None
        Given ones.
    rows : int, default=1
        Axes of a new figure, above each other.

    Returns
    -------
    axes, or, of a new figure with several, ndarray of shape (rows,)

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib, which is not installed; install it with pip install 'fastmaml[plot]'"
        ) from error
    if ax is not None:
        return ax
    return plt.subplots(rows, 1, sharex=True, layout="constrained")[1]


def percent(metric: str) -> float:
    """Return what a score is multiplied by to be drawn: 100 for a share."""
    return 100.0 if metric == "accuracy" else 1.0


def label_of(metric: str) -> str:
    """Return what an axis calls a score."""
    return LABELS.get(metric, metric)


def name_of(model: Any) -> str:
    """Return what a model is called: by its algorithm, or, where that is a parameter, by itself."""
    algorithm = getattr(model, "algorithm", model)
    return type(model if isinstance(algorithm, str) else algorithm).__name__


def set_title(ax: Any, title: str) -> None:
    """Write a title, unless there is one."""
    if not ax.get_title():
        ax.set_title(title, fontsize="medium")


def draw_band(ax: Any, x: np.ndarray, means: np.ndarray, intervals: np.ndarray, name: str) -> None:
    """Draw means with their intervals: a band, or a bar where there is one mean.

    Parameters
    ----------
    ax : matplotlib axes
        Where to draw.
    x, means : ndarray of shape (points,)
        Places and means.
    intervals : ndarray of shape (points, 2)
        Lower and upper ends; NaN for none.
    name : str
        For the legend.
    """
    ax.plot(x, means, color=BLUE, marker="o", linewidth=2, label=name, zorder=3)
    if len(x) > 1:
        ax.fill_between(x, intervals[:, 0], intervals[:, 1], color=BLUE, alpha=BAND, linewidth=0)
    else:
        ax.vlines(x, intervals[:, 0], intervals[:, 1], color=BLUE, linewidth=2)


def scale_numbers(ax: Any, numbers: np.ndarray) -> None:
    """Scale the x axis for ascending whole numbers, and write them there if they are few."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

    wide = numbers[-1] > WIDE
    if wide and numbers[0] > 0:
        ax.set_xscale("log")
    elif wide:
        ax.set_xscale("symlog", linthresh=1)
    if len(numbers) <= MOST_TICKS:
        ax.xaxis.set_major_locator(FixedLocator(numbers.tolist()))
        ax.xaxis.set_minor_locator(NullLocator())
    elif not wide:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.xaxis.set_major_formatter(ScalarFormatter())


def scale_scores(ax: Any, metric: str, *scores: np.ndarray) -> None:
    """Label the y axis, and make it logarithmic where scores that are errors differ by far."""
    label, known = label_of(metric), np.concatenate([np.ravel(some) for some in scores])
    known = known[np.isfinite(known)]
    if metric in ("loss", "rmse") and known.size and known.min() > 0 and known.max() > FAR * known.min():
        ax.set_yscale("log")
        label += ", log scale"
    ax.set_ylabel(label)


def legend_below(ax: Any, columns: int = 3) -> None:
    """Put the legend below the label of the x axis, where it covers no data."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties
    from matplotlib.transforms import ScaledTranslation

    # In points: a tick, its label and that of the axis.
    text = FontProperties(size=rcParams["xtick.labelsize"]).get_size_in_points() + ax.xaxis.label.get_size()
    drop = rcParams["xtick.major.size"] + rcParams["xtick.major.pad"] + ax.xaxis.labelpad + 1.3 * text + 4
    figure = ax.get_figure()
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -drop / 72, figure.dpi_scale_trans),
        borderaxespad=0,
        ncols=columns,
        frameon=False,
        fontsize="small",
        handlelength=2.8,
    )


def finish(ax: Any) -> None:
    """Draw what lies behind the data: a faint grid, and no frame above and at the right."""
    ax.grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def draw_levels(ax: Any, levels: Mapping[str, float], factor: float) -> None:
    """Draw horizontal lines with names; those that are NaN are left out."""
    for number, (name, level) in enumerate(levels.items()):
        look = line_style(number)
        if np.isfinite(level):
            ax.axhline(factor * level, color=look.color, linestyle=look.linestyle, label=name)


def draw_lines(ax: Any, x: np.ndarray, lines: Mapping[str, np.ndarray], factor: float) -> None:
    """Draw lines with names at the same places; those that are NaN throughout are left out."""
    for number, (name, values) in enumerate(lines.items()):
        if np.isfinite(values).any():
            ax.plot(x, factor * values, label=name, **line_style(number)._asdict(), markersize=5)
