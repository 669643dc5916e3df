"""Inner rates that were learned."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from fastmaml.arrays import shown
from fastmaml.plotting.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    MARKERS,
    finish,
    legend_below,
    new_axes,
    set_title,
)

RATE = "inner rate"
# Names that are written on an axis, and columns that are told apart, at most.
MOST_NAMES, MOST_COLUMNS = 15, 6


class Layer(NamedTuple):
    """Where a layer's parameters stand among all: weights (inputs, outputs), then biases."""

    inputs: int
    outputs: int
    biases: int


class InnerRatesDisplay:
    """The inner rates that an algorithm such as Meta-SGD learned.

    Make it with `from_estimator` or `from_run`.

    Parameters
    ----------
    name : str
        What has learned.
    rates : ndarray of shape (num_parameters,), (num_layers,) or (inner_steps, num_layers)
        The rates.
    layers : sequence of (inputs, outputs, biases)
        Where the parameters of each layer stand: weights (inputs, outputs), then biases.
    initial_rate : float, optional
        The rate that learning started from.
    feature_names : sequence of str, optional
        Names of the inputs.
    output_names : sequence of str, optional
        Names of the outputs.

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
        rates: np.ndarray,
        layers: Any,
        initial_rate: float | None = None,
        feature_names: Any = None,
        output_names: Any = None,
    ) -> None:
        self.name, self.rates, self.initial_rate = name, rates, initial_rate
        self.layers = tuple(Layer(*layer) for layer in layers)
        self.feature_names, self.output_names = feature_names, output_names

    @classmethod
    def from_estimator(cls, estimator: Any, ax: Any = None) -> Self:
        """Draw the rates that an estimator learned.

        Parameters
        ----------
        estimator : MAMLClassifier or MAMLRegressor
            A fitted one with ``algorithm="meta_sgd"``, or another that learns rates.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        InnerRatesDisplay

        Raises
        ------
        TypeError, ValueError
            If no rates were learned.
        ImportError
            If matplotlib is not installed.
        """
        rates = _learned("estimator", estimator, "inner_rates_")
        names = getattr(estimator, "feature_names_in_", None)
        column = getattr(estimator, "group_column", None)
        features = int(estimator.n_features_in_)
        if names is not None:
            names = [str(name) for name in names]
        if column is not None:
            features -= 1
            names = names and _without(names, column)
        classes = getattr(estimator, "classes_", None)
        return cls(
            name=type(estimator).__name__,
            rates=rates,
            layers=_layers(estimator, features),
            initial_rate=_single(getattr(estimator, "inner_rate_", None)),
            feature_names=names,
            output_names=None if classes is None else [f"class {name}" for name in classes],
        ).plot(ax)

    @classmethod
    def from_run(cls, run: Any, ax: Any = None) -> Self:
        """Draw the rates that a run of `fastmaml.meta_train` learned.

        Parameters
        ----------
        run : MetaLearned
            A trained one, by `algorithms.MetaSGD` or another that learns rates.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        InnerRatesDisplay

        Raises
        ------
        TypeError, ValueError
            If no rates were learned.
        ImportError
            If matplotlib is not installed.
        """
        rates = _learned("run", run, "inner_rates")
        return cls(
            name=type(run.algorithm).__name__,
            rates=rates,
            layers=run.model.layers(),
            initial_rate=_single(run.algorithm.inner_rate),
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
        count = sum(layer.inputs * layer.outputs + layer.biases for layer in self.layers)
        if self.rates.ndim == 2:
            self._draw_steps(ax)
        elif self.rates.size != count:
            self._draw_layers(ax)
        elif self._names_fit():
            self._draw_features(ax)
        else:
            self._draw_parameters(ax)
        set_title(ax, f"Inner rates learned by {self.name}")
        finish(ax)
        legend_below(ax)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self

    def _names_fit(self) -> bool:
        """Return whether every rate is that of a named or numbered feature, and they are few."""
        layer = self.layers[0]
        few = layer.inputs <= MOST_NAMES and layer.outputs <= MOST_COLUMNS
        return len(self.layers) == 1 and few and (self.feature_names is not None or layer.inputs > 1)

    def _draw_features(self, ax: Any) -> None:
        """Draw a row for each feature, and one for the intercept."""
        layer = self.layers[0]
        table = self.rates.reshape(-1, layer.outputs)
        names = self.feature_names or [f"feature {number}" for number in range(layer.inputs)]
        rows = np.arange(len(table))
        outputs = self.output_names if layer.outputs > 1 else None
        for number in range(layer.outputs):
            label = "rate of the weight" if layer.outputs == 1 else f"output {number}"
            ax.plot(
                table[:, number],
                rows,
                linestyle="",
                color=BLUE if number == 0 else COLOURS[number - 1],
                marker="o" if number == 0 else MARKERS[number - 1],
                label=label if outputs is None else outputs[number],
                zorder=3,
            )
        ax.set_yticks(rows, [*names, "intercept"][: len(rows)])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_ylabel("feature")
        self._label_rates(ax, "x")

    def _draw_parameters(self, ax: Any) -> None:
        """Draw the rates in the order of the parameters, those of each layer in its own colour."""
        begin = 0
        for number, layer in enumerate(self.layers):
            for what, size in (("weights", layer.inputs * layer.outputs), ("biases", layer.biases)):
                if size:
                    place = np.arange(begin, begin + size)
                    ax.plot(
                        place,
                        self.rates[place],
                        linestyle="",
                        color=BLUE if number == 0 else COLOURS[(number - 1) % len(COLOURS)],
                        marker="." if what == "weights" else "x",
                        markersize=5,
                        label=f"layer {number + 1}, {what}",
                        zorder=3,
                    )
                begin += size
        ax.set_xlabel("parameter (place in theta)")
        self._label_rates(ax, "y")

    def _draw_layers(self, ax: Any) -> None:
        """Draw a rate for each layer."""
        layers = np.arange(1, self.rates.size + 1)
        ax.plot(layers, self.rates, linestyle="", color=BLUE, marker="o", label="rate of the layer", zorder=3)
        ax.set_xticks(layers)
        ax.set_xlabel("layer (the last one predicts)")
        self._label_rates(ax, "y")

    def _draw_steps(self, ax: Any) -> None:
        """Draw a line over the inner steps for each layer."""
        from matplotlib.ticker import MaxNLocator

        steps = np.arange(1, len(self.rates) + 1)
        for number, rates in enumerate(self.rates.T):
            ax.plot(
                steps,
                rates,
                color=BLUE if number == 0 else COLOURS[(number - 1) % len(COLOURS)],
                marker="o" if number == 0 else MARKERS[(number - 1) % len(MARKERS)],
                label=f"layer {number + 1}",
                zorder=3,
            )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("inner step")
        self._label_rates(ax, "y")

    def _label_rates(self, ax: Any, axis: str) -> None:
        """Name the axis of the rates, and draw zero and the rate at first across it."""
        line = ax.axvline if axis == "x" else ax.axhline
        line(0, color=BLACK, linewidth=1, zorder=1)
        if self.initial_rate is not None:
            label = f"at first: {self.initial_rate:.3g}"
            line(self.initial_rate, color=GREY, linestyle="--", linewidth=1.5, label=label, zorder=2)
        getattr(ax, f"set_{axis}label")(RATE)


def _learned(name: str, value: Any, attribute: str) -> np.ndarray:
    rates = None if isinstance(value, type) else getattr(value, attribute, None)
    if rates is None:
        raise TypeError(
            f"{name} is {shown(value)}, which has no {attribute}; give "
            + ("what meta_train returned" if name == "run" else "a fitted MAMLClassifier or MAMLRegressor")
        )
    found = np.asarray(rates, dtype=np.float64)
    if found.size == 0:
        advice = "algorithms.MetaSGD" if name == "run" else 'algorithm="meta_sgd"'
        raise ValueError(f"no inner rates were learned; train with {advice}, or with learned_rates of MAML")
    return found


def _single(rate: Any) -> float | None:
    """Return a rate that is the same for all, or None."""
    return None if rate is None or np.ndim(rate) > 0 else float(rate)


def _without(names: list[str], column: Any) -> list[str]:
    """Leave out the column of groups."""
    place = names.index(column) if column in names else int(column) % len(names)
    return names[:place] + names[place + 1 :]


def _layers(estimator: Any, features: int) -> list[Layer]:
    """Return an estimator's layers; how wide the last one is follows from how many parameters there are."""
    hidden = np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, dtype=np.intp)).tolist()
    bias = int(bool(estimator.fit_intercept))
    widths = [features, *hidden]
    layers = [Layer(a, b, bias * b) for a, b in pairwise(widths)]
    rest = estimator.theta_.size - sum((layer.inputs + bias) * layer.outputs for layer in layers)
    outputs = rest // (widths[-1] + bias)
    return [*layers, Layer(widths[-1], outputs, bias * outputs)]
