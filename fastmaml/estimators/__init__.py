"""Estimators with scikit-learn's interface: `MAMLClassifier` and `MAMLRegressor`."""

from fastmaml.estimators.classifier import MAMLClassifier
from fastmaml.estimators.files import load
from fastmaml.estimators.regressor import MAMLRegressor
from fastmaml.estimators.scoring import FewShotScorer, few_shot_score

__all__ = ["FewShotScorer", "MAMLClassifier", "MAMLRegressor", "few_shot_score", "load"]
