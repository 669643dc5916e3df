"""What a user writes of a model: a plain frozen object, checked when it is made, and lowered to a spec."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import as_array, came, finite_floats, shown
from fastmaml.models.contract import num_parameters, positions, theta_size
from fastmaml.models.initializers import INITIALIZERS, initial_weights
from fastmaml.models.layers import Layers
from fastmaml.models.losses import LOSSES, Weighted
from fastmaml.models.single_layer import SingleLayerSpec
from fastmaml.numerics.layout import padded_width
from fastmaml.validation import check_choice, check_flag, check_rate

# Labels times classes.
FEW_LABELS = 1000


class Layer(NamedTuple):
    """Where a layer's parameters stand among all.

    Attributes
    ----------
    inputs, outputs : int
        Weights are (inputs, outputs) in C order.
    biases : int
        How many biases stand behind them.
    """

    inputs: int
    outputs: int
    biases: int

    @property
    def size(self) -> int:
        """Parameters of the layer."""
        return self.inputs * self.outputs + self.biases


class Model:
    """A model, as users write it.

    A subclass gives `spec`, and what else differs from here.
    """

    num_features: int
    num_targets = 1
    # Whether the prediction is a class, and of how many.
    classifies = False
    num_classes = 2

    def spec(self) -> Any:
        """Return the spec that the kernels are compiled for."""
        raise NotImplementedError(f"{type(self).__name__} has no method spec() that returns its spec")

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers, in the order of theta."""
        return (Layer(num_parameters(self.spec()), 1, 0),)

    def initial_theta(self, seed: int) -> np.ndarray:
        """Return initial parameters (num_parameters,), float64."""
        return np.zeros(num_parameters(self.spec()))

    def penalties(self) -> np.ndarray | None:
        """Return the L2 penalty of each parameter (num_parameters,), or None."""
        return None

    def check_targets(self, name: str, y: np.ndarray) -> None:
        """Raise unless finite targets, float64 of any shape, fit the loss."""

    def finish(self, predictions: np.ndarray) -> np.ndarray:
        """Make what ``predict`` returns, (rows, ...), of what the kernel predicts, (rows, num_outputs)."""
        return predictions[:, 0] if predictions.shape[1] == 1 else predictions


@dataclass(frozen=True)
class OwnModel(Model):
    """A model given as a spec that contract functions are registered for.

    Parameters
    ----------
    own_spec : NamedTuple
        The spec, with a field ``num_features``.
    """

    own_spec: Any

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Features of a row."""
        return int(self.own_spec.num_features)

    def spec(self) -> Any:
        """Return the spec."""
        return self.own_spec


def as_model(model: Any) -> Model:
    """Return a model, from itself or from a spec."""
    if isinstance(model, Model):
        return model
    if isinstance(model, tuple) and hasattr(model, "num_features"):
        num_parameters(model)  # Raises, and says how to register one, where there is no such part.
        return OwnModel(model)
    raise TypeError(
        f"model is {shown(model)}; give one of fastmaml.models, such as "
        "models.Logistic(num_features=8), or a spec of your own with a field num_features"
    )


def theta_width(spec: Any) -> int:
    """Return the length of a model's padded theta."""
    return int(padded_width(int(theta_size(spec))))


def entries(spec: Any) -> Any:
    """Return what picks a model's parameters out of a padded theta: positions, or the slice that they are."""
    where = positions(spec)
    # One behind the other, a slice finds them quicker.
    return slice(where.size) if np.array_equal(where, np.arange(where.size)) else where


def pad(spec: Any, values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Bring parameters (..., num_parameters) to their positions in padded vectors (..., width)."""
    padded = np.zeros((*values.shape[:-1], theta_width(spec)), dtype)
    padded[..., entries(spec)] = values
    return padded


def unpad(spec: Any, padded: np.ndarray) -> np.ndarray:
    """Take parameters (..., num_parameters) out of padded vectors (..., width)."""
    where = entries(spec)
    return padded[..., where].copy() if isinstance(where, slice) else np.take(padded, where, axis=-1)


@dataclass(frozen=True, kw_only=True)
class Layered(Model):
    """What models of layers have in common: intercept, penalty, initial weights.

    Parameters
    ----------
    intercept : bool, default=True
        Whether each layer has biases.
    l2 : float, default=0.0
        L2 penalty: ``l2 / 2 * |weights|^2`` is added to the support loss; biases are free of it.
    initializer : str, default="zeros"
        How weights start, see `fastmaml.models.initializers`; biases start at zero.
    initializer_scale : float, default=1.0
        What they are scaled with.
    """

    intercept: bool = True
    l2: float = 0.0
    initializer: str = "zeros"
    initializer_scale: float = 1.0

    def _sizes(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _loss(self) -> Any:
        """Return one of `fastmaml.models.losses`."""
        raise NotImplementedError

    def _spec_with(self, loss: Any) -> Any:
        return SingleLayerSpec(Layers.of_sizes(self._sizes(), loss, int(self.intercept)))

    def spec(self) -> Any:
        """Return the spec."""
        return self._spec_with(self._loss())

    def weighted_spec(self) -> Any:
        """Return the spec for rows with weights, with the same parameters in the same order."""
        return self._spec_with(Weighted(self._loss(), int(self.num_targets)))

    def linear_spec(self) -> Any:
        """Return the spec of the same parameters that predicts what the last layer gives, before the link."""
        return self._spec_with(LOSSES["squared_error"])

    def __post_init__(self) -> None:
        check_flag("intercept", self.intercept)
        check_rate("l2", self.l2)
        check_choice("initializer", self.initializer, INITIALIZERS)
        check_rate("initializer_scale", self.initializer_scale)

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers, in the order of theta."""
        sizes = self._sizes()
        return tuple(
            Layer(inputs, outputs, outputs if self.intercept else 0) for inputs, outputs in pairwise(sizes)
        )

    def initial_theta(self, seed: int) -> np.ndarray:
        """Return initial parameters (num_parameters,), float64."""
        parts = []
        for number, layer in enumerate(self.layers()):
            weights = initial_weights(
                self.initializer, self.initializer_scale, layer.inputs, layer.outputs, seed, number
            )
            parts += [weights, np.zeros(layer.biases)]
        return np.concatenate(parts)

    def penalties(self) -> np.ndarray | None:
        """Return the L2 penalty of each parameter (num_parameters,), or None."""
        if self.l2 == 0:
            return None
        layers = self.layers()
        parts = [np.repeat([self.l2, 0.0], [layer.inputs * layer.outputs, layer.biases]) for layer in layers]
        return np.concatenate(parts)


def check_features(
    model: Model, name: str, X: Any, *, axes: tuple[str, ...] = ("rows",), least: int = 0
) -> np.ndarray:
    """Return finite rows (*axes, num_features) as float64, at least so many along each of the axes."""
    array = as_array(name, X)
    if array.ndim != len(axes) + 1 or array.shape[-1] != model.num_features:
        wanted = ", ".join([*axes, str(model.num_features)])
        raise ValueError(f"{name} {came(X, array)}; expected ({wanted})")
    if min(array.shape[:-1]) < least:
        few = axes[int(np.argmin(array.shape[:-1]))]
        raise ValueError(
            f"{name} has shape {array.shape}; give more {few.removeprefix('num_')}, at least {least}"
        )
    return finite_floats(name, array, ("task", "row", "column")[-array.ndim :])


def check_targets(model: Model, name: str, y: Any, rows: tuple[int, ...]) -> np.ndarray:
    """Return targets that fit the model, as float64 of shape (*rows, num_targets)."""
    array = as_array(name, y)
    targets = model.num_targets
    shapes = (rows, (*rows, 1)) if targets == 1 else ((*rows, targets),)
    if array.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ValueError(f"{name} {came(y, array)}; expected {wanted}, {targets} for each row")
    axes = ("task", "row")[-len(rows) :]
    values = finite_floats(name, array, (*axes, "column")[: array.ndim])
    model.check_targets(name, values)
    return values.reshape(*rows, targets)


def whole_classes(name: str, y: np.ndarray, classes: int) -> None:
    """Raise unless every target is the number of a class."""
    # For the few rows of one task Python is quicker than NumPy.
    if y.size * classes <= FEW_LABELS and set(y.reshape(-1).tolist()) <= set(range(classes)):
        return
    wrong = (y != np.floor(y)) | (y < 0) | (y >= classes)
    if wrong.any():
        raise ValueError(f"{name} holds {y[wrong][0]:g}; give the number of a class, from 0 to {classes - 1}")


def no_negatives(name: str, y: np.ndarray) -> None:
    """Raise unless every target is a count, or another number that is not negative."""
    if (y < 0).any():
        raise ValueError(f"{name} holds {y[y < 0][0]:g}; the Poisson loss needs counts, 0 or larger")
