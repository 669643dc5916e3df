"""A model adapted to one task, which predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.arrays import check_vector
from fastmaml.engine.predicting import predict_rows
from fastmaml.models import Model, as_model, check_features, num_parameters, pad


class AdaptedModel:
    """A model adapted to one task.

    Predictions are computed in float64, whatever the parameters were trained in.

    Parameters
    ----------
    model : Model
        What the parameters are those of.
    theta : ndarray of shape (num_parameters,) or (num_parameters, 1)
        Parameters.

    Attributes
    ----------
    theta : ndarray of shape (num_parameters,), or (num_parameters, 1) from the notebook's class
    """

    def __init__(self, model: Model, theta: np.ndarray) -> None:
        self._model = as_model(model)
        count = num_parameters(self._model.spec())
        shape = (count, 1) if np.ndim(theta) == 2 else (count,)
        self.theta = check_vector("theta", theta, shape, getattr(theta, "dtype", np.float64))

    @classmethod
    def of_checked(cls, model: Model, theta: np.ndarray) -> AdaptedModel:
        """Return a model adapted to a task, without any checks.

        Parameters
        ----------
        model : Model
            What the parameters are those of.
        theta : ndarray of shape (num_parameters,)
            Parameters that are known to fit it.
        """
        adapted = cls.__new__(cls)
        adapted._model, adapted.theta = model, theta
        return adapted

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._model!r}>"

    def predict(self, X: Any) -> np.ndarray:
        """Return what the model predicts of each row.

        Parameters
        ----------
        X : array_like of shape (rows, num_features)
            Finite rows.

        Returns
        -------
        ndarray of shape (rows,) or (rows, num_targets)
            Of a regression the prediction (for the Poisson loss the rate), of a classifier the most probable
            class, as int64.

        Raises
        ------
        ValueError
            If the shape is another, or an entry is not finite.
        """
        return as_predictions(self._model, self._raw(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class for each row; of classifiers alone.

        Parameters
        ----------
        X : array_like of shape (rows, num_features)
            Finite rows.

        Returns
        -------
        ndarray of shape (rows, classes), float64

        Raises
        ------
        ValueError
            If the shape is another, or an entry is not finite.
        AttributeError
            If the model predicts no classes.
        """
        if not self._model.classifies:
            raise AttributeError(f"{type(self._model).__name__} predicts no classes; use predict")
        return as_probabilities(self._raw(X))

    def _raw(self, X: Any) -> np.ndarray:
        rows = check_features(self._model, "X", X)
        spec = self._model.spec()
        return predict_rows(spec, pad(spec, self.theta.reshape(-1), np.dtype(np.float64)), rows)


def as_predictions(model: Model, raw: np.ndarray) -> np.ndarray:
    """Return predictions of what the kernel makes of each row, (rows, num_outputs): classes or numbers."""
    if not model.classifies:
        return raw[:, 0] if raw.shape[1] == 1 else raw
    if raw.shape[1] == 1:
        return (raw[:, 0] > 0.5).astype(np.int64)
    return raw.argmax(axis=1).astype(np.int64)


def as_probabilities(raw: np.ndarray) -> np.ndarray:
    """Return the probability of each class, (rows, classes), of what the kernel of a classifier makes."""
    return np.stack([1 - raw[:, 0], raw[:, 0]], axis=1) if raw.shape[1] == 1 else raw
