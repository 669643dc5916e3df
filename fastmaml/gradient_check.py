"""Checking a model's derivatives by central differences, for those who write models of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import MAML
from fastmaml.arrays import check_vector
from fastmaml.meta_learning import meta_gradient
from fastmaml.models import as_model, check_features, check_targets, num_parameters
from fastmaml.validation import check_count, check_rate, check_seed

# A central difference over this step is off by its square and by a rounding divided by it.
STEP = 1e-5
# An inner rate and a number of inner steps that move theta, but not far.
RATE, STEPS = 0.05, 3
# What those two leave of a right derivative, with room; a wrong one is off by far more.
TOLERANCE = 1e-6


class Worst(NamedTuple):
    """The entry that is furthest off.

    Attributes
    ----------
    error : float
        How far, as a share of the largest entry.
    parameter : int
        Which parameter it belongs to.
    actual, expected : float
        What the model wrote, and what the differences say.
    """

    error: float
    parameter: int
    actual: float
    expected: float


class GradientCheck(NamedTuple):
    """What `check_gradients` found.

    Attributes
    ----------
    gradient, hessian_product, meta_gradient : Worst
        Of the gradient of the mean loss, of its Hessian times a vector, and of the meta-gradient through
        three inner steps.
    """

    gradient: Worst
    hessian_product: Worst
    meta_gradient: Worst

    @property
    def ok(self) -> bool:
        """Whether all of them agree."""
        return all(worst.error < TOLERANCE for worst in self)

    def __str__(self) -> str:
        lines = []
        for name, worst in zip(self._fields, self, strict=True):
            verdict = "agrees" if worst.error < TOLERANCE else "IS WRONG"
            lines.append(
                f"{name.replace('_', ' ')} {verdict}: worst at parameter {worst.parameter}, "
                f"{worst.actual:.9g} where {worst.expected:.9g} is right ({worst.error:.1e} of the largest)"
            )
        return "\n".join(lines)


def check_gradients(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    theta: Any = None,
    scale: float = 0.5,
    rows: int = 6,
    random_state: int = 0,
) -> GradientCheck:
    """Compare a model's gradient, Hessian product and meta-gradient with central differences.

    Parameters
    ----------
    model : Model
        One of `fastmaml.models`, or a spec of your own.
    X : array_like of shape (rows, num_features), optional
        Rows, of which half are support rows. Default: N(0, 1).
    y : array_like of shape (rows,) or (rows, num_targets), optional
        Targets. Default: random classes for a classifier, otherwise absolute values of N(0, 1).
    theta : array_like of shape (num_parameters,), optional
        Where. Default: N(0, scale^2).
    scale : float, default=0.5
        See theta.
    rows : int, default=6
        Rows that are made where none are given.
    random_state : int, default=0
        Seed of what is made.

    Returns
    -------
    GradientCheck
        The worst entries, and in ``ok`` whether all is well. Printed, it says so in words.

    Raises
    ------
    ValueError, TypeError
        If rows, targets or theta do not fit the model.
    """
    model = as_model(model)
    rng = np.random.default_rng(check_seed(random_state))
    count, scale = num_parameters(model), check_rate("scale", scale)
    X = rng.normal(size=(check_count("rows", rows, 2), model.num_features)) if X is None else X
    X = check_features(model, "X", X, least=2)
    if y is None:
        shape = (len(X), model.num_targets)
        classes = rng.integers(0, model.num_classes, shape)
        y = classes if model.classifies else np.abs(rng.normal(size=shape))
    y = check_targets(model, "y", y, (len(X),))
    theta = scale * rng.normal(size=count) if theta is None else check_vector("theta", theta, (count,))
    half = len(X) // 2
    tasks = (X[np.newaxis, :half], y[np.newaxis, :half], X[np.newaxis, half:], y[np.newaxis, half:])
    support = (*tasks[:2], *tasks[:2])

    def gradient(at: np.ndarray) -> np.ndarray:
        return meta_gradient(model, MAML(1, 1, 0.0), at, *support).gradient

    def along(function: Any, direction: np.ndarray) -> Any:
        return (function(theta + STEP * direction) - function(theta - STEP * direction)) / (2 * STEP)

    def slopes(loss: Any) -> np.ndarray:
        return np.array([along(loss, direction) for direction in np.eye(count)])

    first = _worst(
        gradient(theta), slopes(lambda at: meta_gradient(model, MAML(1, 1, 0.0), at, *support).loss)
    )
    # With an inner rate of one, orders one and two differ by the Hessian times the query gradient.
    vector = meta_gradient(model, MAML(1, 1, 1.0), theta, *tasks).gradient
    product = vector - meta_gradient(model, MAML(2, 1, 1.0), theta, *tasks).gradient
    length = max(1.0, float(np.linalg.norm(vector)))
    # The penalty is part of the inner loop's gradients, and of no loss that is looked at here.
    penalties = model.penalties()
    if penalties is not None:
        product = product - penalties * vector
    second = _worst(product / length, along(gradient, vector / length))
    algorithm = MAML(2, STEPS, RATE)
    third = _worst(
        meta_gradient(model, algorithm, theta, *tasks).gradient,
        slopes(lambda at: meta_gradient(model, algorithm, at, *tasks).loss),
    )
    return GradientCheck(first, second, third)


def _worst(actual: np.ndarray, expected: np.ndarray) -> Worst:
    errors = np.abs(actual - expected) / max(float(np.abs(expected).max()), np.finfo(np.float64).tiny)
    place = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    return Worst(float(errors[place]), place, float(actual[place]), float(expected[place]))
