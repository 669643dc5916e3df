"""Estimators with scikit-learn's interface: `MAMLClassifier` and `MAMLRegressor`."""

from fastmaml.estimators.classifier import MAMLClassifier
from fastmaml.estimators.files import load
from fastmaml.estimators.regressor import MAMLRegressor

__all__ = ["MAMLClassifier", "MAMLRegressor", "load"]
