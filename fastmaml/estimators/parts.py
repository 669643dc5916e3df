"""From an estimator's parameters to the parts of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastmaml.algorithms import ALGORITHMS, Algorithm
from fastmaml.models import MLP, Layered, Linear, Logistic, Softmax
from fastmaml.models.activations import ACTIVATIONS
from fastmaml.optimizers import OPTIMIZERS, Optimizer
from fastmaml.validation import check_choice


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the units of each hidden layer, of which there may be none."""
    if isinstance(hidden_layer_sizes, (int, np.integer)) and not isinstance(hidden_layer_sizes, bool):
        return (int(hidden_layer_sizes),)
    if not isinstance(hidden_layer_sizes, (Sequence, np.ndarray)) or isinstance(hidden_layer_sizes, str):
        raise TypeError(
            f"hidden_layer_sizes is {hidden_layer_sizes!r}; give the units of each hidden layer, such as "
            "(40, 40), or () for none"
        )
    return tuple(hidden_layer_sizes)


def _checked(hidden: Any, activation: str) -> tuple[int, ...]:
    """Return the units of each hidden layer; the activation has to be one, also where it is not used."""
    check_choice("activation", activation, tuple(ACTIVATIONS))
    return hidden_sizes(hidden)


def make_classifier(
    num_features: int, num_classes: int, hidden: Any, activation: str, **common: Any
) -> Layered:
    """Return a model of classes 0, 1, ..."""
    sizes = _checked(hidden, activation)
    if not sizes:
        if num_classes == 2:
            return Logistic(num_features, **common)
        return Softmax(num_features, num_classes, **common)
    if num_classes == 2:
        return MLP(num_features, sizes, 1, activation, "binary_cross_entropy", **common)
    return MLP(num_features, sizes, num_classes, activation, "categorical_cross_entropy", **common)


def make_regressor(
    num_features: int, num_outputs: int, hidden: Any, activation: str, loss: str, **common: Any
) -> Layered:
    """Return a model of numbers."""
    sizes = _checked(hidden, activation)
    if not sizes:
        return Linear(num_features, num_outputs, loss, **common)
    return MLP(num_features, sizes, num_outputs, activation, loss, **common)


def make_algorithm(
    name: str, params: Mapping[str, Any] | None, *, order: int, inner_steps: int, inner_rate: Any
) -> Algorithm:
    """Return an algorithm by its name; ``order`` is left out where it has none."""
    kind = ALGORITHMS[check_choice("algorithm", name, tuple(ALGORITHMS))]
    given = {"inner_steps": inner_steps, "inner_rate": inner_rate}
    if "order" in {field.name for field in dataclasses.fields(kind)}:  # type: ignore[arg-type]
        given["order"] = check_choice("order", order, (1, 2))
    return _make("algorithm_params", kind, given, params)


def make_optimizer(name: str, params: Mapping[str, Any] | None, *, learning_rate: float) -> Optimizer:
    """Return an optimizer by its name."""
    kind = OPTIMIZERS[check_choice("solver", name, tuple(OPTIMIZERS))]
    return _make("solver_params", kind, {"learning_rate": learning_rate}, params)


def _make(name: str, kind: Any, given: dict[str, Any], params: Mapping[str, Any] | None) -> Any:
    """Make a part of parameters of its own, which are checked, and of others given by name."""
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(f"{name} is {params!r} ({type(params).__name__}); give a dict, or None")
    fields = [field.name for field in dataclasses.fields(kind) if field.init and field.name not in given]
    for field in params or {}:
        if field in given:
            raise ValueError(f"{name} holds {field!r}, which is a parameter of the estimator; give it there")
        if field not in fields:
            raise ValueError(
                f"{name} holds {field!r}, but {kind.__name__} has no such parameter; it has "
                f"{', '.join(map(repr, fields)) or 'no others'}"
            )
    return kind(**given, **(params or {}))
