"""What a regression of one feature predicts before and after adapting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fastmaml.arrays import as_array, counted, finite_floats, shown
from fastmaml.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    finish,
    legend_below,
    name_of,
    new_axes,
    set_title,
)
from fastmaml.validation import MOST_STEPS, check_count, check_numbers

# Curves from the fewest steps to the most; black and grey are the points.
CURVES = (
    (ORANGE, ":"),
    (SKY, "--"),
    (BLUE, "-"),
    (GREEN, "-."),
    (VERMILLION, (0, (8, 3))),
    (PURPLE, (0, (2, 1))),
)
# The share of the range of the rows that curves go beyond it.
MARGIN = 0.05


class AdaptationDisplay:
    """Curves that a regression of one feature predicts after some numbers of inner steps on some rows.

    Make it with `from_estimator` or `from_run`.

    Parameters
    ----------
    name : str
        What the model is called.
    x_support, y_support : ndarray of shape (rows,)
        The rows adapted on.
    steps : tuple of int
        Numbers of inner steps, ascending.
    grid : ndarray of shape (points,)
        Where the curves are predicted, ascending.
    curves : ndarray of shape (S, points)
        Predictions after each number of steps.
    x_query, y_query : ndarray of shape (query_rows,), optional
        Other rows of the task: what the curves should be.
    x_label, y_label : str
        Names of the axes.

    Attributes
    ----------
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
        x_support: np.ndarray,
        y_support: np.ndarray,
        steps: tuple[int, ...],
        grid: np.ndarray,
        curves: np.ndarray,
        x_query: np.ndarray | None = None,
        y_query: np.ndarray | None = None,
        x_label: str = "x (feature)",
        y_label: str = "y (target)",
    ) -> None:
        self.name, self.steps, self.grid, self.curves = name, steps, grid, curves
        self.x_support, self.y_support = x_support, y_support
        self.x_query, self.y_query = x_query, y_query
        self.x_label, self.y_label = x_label, y_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_support: Any,
        y_support: Any,
        steps: int | Sequence[int] = (0, 1, 10),
        X_query: Any = None,
        y_query: Any = None,
        grid: Any = 200,
        ax: Any = None,
    ) -> Self:
        """Adapt to one task, and draw the predictions before and after.

        Parameters
        ----------
        estimator : MAMLRegressor
            Fitted, of one feature.
        X_support : array_like or data frame of shape (rows, 1) or (rows,)
            Rows to adapt on.
        y_support : array_like of shape (rows,)
            Their targets.
        steps : int or sequence of int, default=(0, 1, 10)
            Numbers of inner steps; 0 is the starting point.
        X_query, y_query : array_like, optional
            Other rows of the task, with their targets; they are drawn as small points.
        grid : int or array_like of shape (points,), default=200
            Where to predict; a number of points is spread over the range of the rows.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        AdaptationDisplay

        Raises
        ------
        TypeError, ValueError
            If the model does not adapt, is no regression of one feature, or rows do not fit.
        FloatingPointError
            If adapting diverges.
        ImportError
            If matplotlib is not installed.
        """
        return cls._of("estimator", estimator, X_support, y_support, steps, X_query, y_query, grid).plot(ax)

    @classmethod
    def from_run(
        cls,
        run: Any,
        X_support: Any,
        y_support: Any,
        steps: int | Sequence[int] = (0, 1, 10),
        X_query: Any = None,
        y_query: Any = None,
        grid: Any = 200,
        ax: Any = None,
    ) -> Self:
        """Adapt a run of `fastmaml.meta_train` to one task, and draw the predictions before and after.

        Parameters
        ----------
        run : MetaLearned
            What `meta_train` returned for a regression of one feature.
        X_support, y_support, steps, X_query, y_query, grid, ax
            As of `from_estimator`, which also has the errors.

        Returns
        -------
        AdaptationDisplay
        """
        return cls._of("run", run, X_support, y_support, steps, X_query, y_query, grid).plot(ax)

    @classmethod
    def _of(
        cls,
        role: str,
        model: Any,
        X_support: Any,
        y_support: Any,
        steps: int | Sequence[int],
        X_query: Any,
        y_query: Any,
        grid: Any,
    ) -> Self:
        """Adapt what is called ``role`` among the parameters, and predict."""
        _check_model(role, model)
        numbers = check_numbers("steps", steps, 0, MOST_STEPS)
        x, y = _column("X_support", X_support), _targets("y_support", y_support)
        _check_rows("support", x, y)
        if (X_query is None) != (y_query is None):
            raise ValueError("X_query and y_query belong together; give both, or neither")
        x_query = None if X_query is None else _column("X_query", X_query)
        y_found = None if y_query is None else _targets("y_query", y_query)
        if x_query is not None and y_found is not None:
            _check_rows("query", x_query, y_found)
        points = _grid(grid, x if x_query is None else np.concatenate([x, x_query]))
        rows, at = X_support, points[:, np.newaxis]
        names = getattr(X_support, "columns", None)
        if names is None:
            rows = x[:, np.newaxis]
        else:
            at = _frame_like(X_support, at[:, 0])
        curves = [np.asarray(model.adapt(rows, y_support, steps=count).predict(at)) for count in numbers]
        return cls(
            name=name_of(model),
            x_support=x,
            y_support=y,
            steps=numbers,
            grid=points,
            curves=np.array([curve.reshape(len(points)) for curve in curves]),
            x_query=x_query,
            y_query=y_found,
            x_label="x (feature)" if names is None else str(names[0]),
            y_label=str(getattr(y_support, "name", None) or "y (target)"),
        )

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
        if self.x_query is not None:
            ax.plot(
                self.x_query,
                self.y_query,
                ".",
                color=GREY,
                markersize=4,
                label="other rows of the task",
                zorder=1,
            )
        for number, (steps, curve) in enumerate(zip(self.steps, self.curves, strict=True)):
            color, linestyle = CURVES[number % len(CURVES)]
            label = "before adapting" if steps == 0 else f"after {counted(steps, 'inner step')}"
            ax.plot(self.grid, curve, color=color, linestyle=linestyle, linewidth=2, label=label, zorder=2)
        ax.plot(
            self.x_support,
            self.y_support,
            "o",
            color=BLACK,
            label=f"{counted(len(self.x_support), 'row')} adapted on",
            zorder=3,
        )
        ax.set_xlabel(self.x_label)
        ax.set_ylabel(self.y_label)
        set_title(ax, f"{self.name} on one task")
        finish(ax)
        legend_below(ax)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self


def _check_model(role: str, model: Any) -> None:
    if isinstance(model, type) or not hasattr(model, "adapt"):
        raise TypeError(
            f"{role} is {shown(model)}, which does not adapt; give what meta_train returned, or a fitted "
            "MAMLRegressor"
        )
    inner = getattr(model, "model", None)
    features = getattr(model, "n_features_in_", getattr(inner, "num_features", 1))
    if features != 1:
        raise ValueError(
            f"the model has {features} features; a curve is drawn over one: train it on one feature"
        )
    if hasattr(model, "classes_") or getattr(inner, "classifies", False):
        raise ValueError("the model predicts classes; a curve is drawn of a regression: train one")
    targets = getattr(inner, "num_targets", 1)
    if targets != 1:
        raise ValueError(
            f"the model predicts {targets} targets, but a curve is drawn of one; train it on one"
        )


def _column(name: str, X: Any) -> np.ndarray:
    """Return the one column of some rows, (rows,)."""
    table = as_array(name, X)
    if table.ndim not in (1, 2) or (table.ndim == 2 and table.shape[1] != 1):
        raise ValueError(f"{name} has shape {table.shape}; a curve needs one feature: give (rows, 1)")
    return finite_floats(name, table.reshape(-1), ("row",))


def _targets(name: str, y: Any) -> np.ndarray:
    """Return one target a row, (rows,)."""
    table = as_array(name, y)
    if table.ndim not in (1, 2) or (table.ndim == 2 and table.shape[1] != 1):
        raise ValueError(f"{name} has shape {table.shape}; give one target a row, (rows,)")
    return finite_floats(name, table.reshape(-1), ("row",))


def _check_rows(kind: str, x: np.ndarray, y: np.ndarray) -> None:
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"X_{kind} has {len(x)} rows and y_{kind} has {len(y)}; give one target for each row, and at "
            "least one row"
        )


def _grid(grid: Any, x: np.ndarray) -> np.ndarray:
    """Return where to predict, (points,)."""
    if np.ndim(grid) > 0:
        points = np.sort(_column("grid", grid))
        if points.size < 2:
            raise ValueError(f"grid has {points.size} points; give 2 or more")
        return points
    count, room = check_count("grid", grid, 2), MARGIN * (np.ptp(x) or 1.0)
    return np.linspace(x.min() - room, x.max() + room, count)


def _frame_like(frame: Any, column: np.ndarray) -> Any:
    """Return a data frame of the same kind with its only column replaced."""
    import narwhals

    kind = narwhals.from_native(frame, eager_only=True)
    return narwhals.from_dict({kind.columns[0]: column}, backend=kind.implementation).to_native()
