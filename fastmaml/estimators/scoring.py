"""A score for scikit-learn's cross-validation: how well an estimator does on new groups, once adapted."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from fastmaml.evaluation import evaluate
from fastmaml.evaluation.metrics import LARGER_IS_BETTER


class FewShotScorer:
    """Score an estimator by adapting to some rows of each group and testing on the others.

    An instance goes where scikit-learn takes ``scoring``; `fastmaml.few_shot_score` is one with the defaults.
    The folds must be of whole groups (``cv=GroupKFold()``). Scikit-learn hands the groups on where metadata
    routing is on; without it, give the estimator a ``group_column``.

    Parameters
    ----------
    shots : int, optional
        Rows of each group to adapt on. Default: the estimator's ``shots``.
    steps : int, optional
        Inner steps. Default: the estimator's ``inner_steps``.
    random_state : int, default=0
        Seed of the choice of rows: the same for all estimators that are compared.

    Examples
    --------
    >>> cross_val_score(clf, X, y, cv=GroupKFold(), scoring=few_shot_score, params={"groups": groups})
    ... # doctest: +SKIP
    """

    def __init__(self, shots: int | None = None, steps: int | None = None, random_state: int = 0) -> None:
        self.shots, self.steps, self.random_state = shots, steps, random_state
        self._requests_groups: Any = True

    def __repr__(self) -> str:
        return f"FewShotScorer(shots={self.shots}, steps={self.steps}, random_state={self.random_state})"

    def __call__(self, estimator: Any, X: Any, y: Any, groups: Any = None) -> float:
        """Return the mean over groups of the accuracy, or of minus the root of the mean squared error.

        Parameters
        ----------
        estimator : MAMLClassifier or MAMLRegressor, or a pipeline that ends in one
            Fitted.
        X : array_like or data frame of shape (rows, num_features)
            Rows of groups that were not fitted.
        y : array_like of shape (rows,)
            Their targets.
        groups : array_like of shape (rows,), optional
            The group of each row; not needed with ``group_column``.
        """
        if isinstance(estimator, Pipeline):
            X, estimator = estimator[:-1].transform(X) if len(estimator) > 1 else X, estimator[-1]
        with warnings.catch_warnings():
            # Of every fold, and of the score that is returned nothing to be learned from.
            warnings.filterwarnings("ignore", message=".*(say little|have no )")
            report = evaluate(
                estimator,
                (X, y) if groups is None else (X, y, groups),
                shots=estimator.shots if self.shots is None else self.shots,
                steps=estimator.inner_steps if self.steps is None else self.steps,
                baselines=False,
                random_state=self.random_state,
            )
        mean = float(np.ravel(getattr(report, report.score))[0])
        return mean if LARGER_IS_BETTER[report.score] else -mean

    def set_score_request(self, *, groups: bool | str | None = True) -> Self:
        """Say whether scikit-learn's metadata routing hands the groups on, and under which name.

        Parameters
        ----------
        groups : bool, str or None, default=True
            As scikit-learn has it.
        """
        self._requests_groups = groups
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what scikit-learn's metadata routing hands on."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=self._requests_groups)
        return request


few_shot_score = FewShotScorer()
