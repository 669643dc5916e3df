"""The regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array

from fastmaml.adapted import as_predictions
from fastmaml.estimators.estimator import FewShotEstimator
from fastmaml.estimators.parts import make_regressor
from fastmaml.models import Layered
from fastmaml.validation import check_choice


class MAMLRegressor(RegressorMixin, FewShotEstimator):  # type: ignore[misc]
    """Meta-learned regression of many small groups, with scikit-learn's interface.

    `fit` with ``groups`` learns a starting point from which a few gradient steps on a few rows of a group
    lead to a good model of this group [1]_; `adapt` takes these steps for a new one. Without groups it is
    ordinary linear or Poisson regression, or a perceptron, and y may have several columns.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=()
        Units of each hidden layer; none for linear regression.
    activation : {"relu", "tanh", "silu"}, default="relu"
        Of the hidden layers.
    loss : {"auto", "squared_error", "poisson"}, default="auto"
        "auto" is the squared error. "poisson" is for counts: ``exp(z)`` is predicted.
    algorithm : {"maml", "anil", "meta_sgd", "reptile"}, default="maml"
        One of `fastmaml.algorithms`.
    order : {1, 2}, default=2
        Order of the meta-gradient; 2 is exact. Reptile has none.
    inner_steps : int, default=5
        Gradient steps on a group.
    inner_rate : float, array_like or "auto", default="auto"
        Step size on a group. "auto": of eight from 0.001 to 3.2 the one that short runs do best with on the
        validation tasks; see ``inner_rate_``.
    shots : int, default=8
        Rows of a group to adapt on in training, drawn anew in every epoch.
    queries : int, optional
        The most other rows, which then give the meta-gradient. Default: all.
    tasks_per_batch : int, default=32
        Groups of an epoch; capped by how many there are.
    solver : {"sgd", "momentum", "adam", "adamw"}, default="adam"
        One of `fastmaml.optimizers`, for the outer step.
    learning_rate : float, default=0.01
        Step size of an epoch.
    max_iter : int, default=2000
        Epochs at most; without groups, iterations of L-BFGS.
    l2 : float, default=0.0
        L2 penalty of the weights: ``l2 / 2 * |weights|^2`` is added to a group's support loss, or, without
        groups, to the loss.
    fit_intercept : bool, default=True
        Whether layers have biases.
    early_stopping : bool, default=True
        Whether some groups are held out, training ends when their loss gets no better, and the parameters
        that were best for them are kept. With fewer than five groups none are, and a warning says so.
    validation_fraction : float, default=0.2
        The share of the groups that is held out.
    n_iter_no_change : int, default=10
        Looks at them without getting better before training ends.
    tol : float, default=1e-4
        By how much their loss has to fall to have got better.
    log_every : int, default=50
        Epochs from one look to the next, and from one entry of ``loss_curve_``.
    standardize : bool, default=True
        Whether features, and but for counts the targets, are brought to mean 0 and variance 1, as they are in
        the groups learned from. Predictions are in the units of y.
    small_groups : {"drop", "error"}, default="drop"
        What to do about groups with fewer than ``shots + 1`` rows.
    group_column : str or int, optional
        The name or number of the column of X that holds the groups, in place of ``groups``: inside
        pipelines and searches, which leave ``groups`` out unless metadata routing is on. It is no feature.
    warm_start : bool, default=False
        Whether `fit` starts where the last one ended.
    callbacks : callable or sequence of callable, optional
        Asked after every ``log_every`` epochs: functions of a state (named tuple: epoch, loss,
        validation_loss, theta), or objects with such a method ``after_slice``. True ends training.
    dtype : {"float64", "float32"}, default="float64"
        Type of the arithmetic with groups.
    random_state : int, RandomState or None, default=None
        Seed; None draws one from the operating system.
    n_jobs : int or None, default=None
        Threads. None means all cores, unlike scikit-learn.
    verbose : bool, default=False
        Whether to show a bar.
    algorithm_params, solver_params : dict, optional
        Other parameters of the algorithm and of the optimizer, by name.

    Attributes
    ----------
    validation_scores_ : list of float or None
        Minus the mean squared error on the validation tasks, of scaled targets.
    theta_, inner_rate_, inner_rate_sweep_, inner_rates_, groups_, n_iter_, loss_curve_, seed_
        As `fastmaml.MAMLClassifier` has them.
    columns_, n_features_in_
        As `fastmaml.MAMLClassifier` has them.

    References
    ----------
    .. [1] C. Finn, P. Abbeel and S. Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep
       Networks", ICML 2017.
    """

    _scales_targets = True

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that y may have several columns."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _make_model(self, num_features: int, num_targets: int) -> Layered:
        loss = check_choice("loss", self.loss, ("auto", "squared_error", "poisson"))
        return make_regressor(
            num_features,
            num_targets,
            self.hidden_layer_sizes,
            self.activation,
            "squared_error" if loss == "auto" else loss,
            intercept=self.fit_intercept,
            l2=self.l2,
        )

    def _learn_targets(self, X: np.ndarray, y: Any) -> np.ndarray:
        values, self._flat = self._checked(y, len(X))
        return values

    def _checked(self, y: Any, rows: int) -> tuple[np.ndarray, bool]:
        """Return targets (rows, columns), and whether they came without the second axis."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", ensure_min_samples=0)
        flat = values.ndim == 1
        values = values.reshape(-1, 1) if flat else values
        if len(values) != rows:
            raise ValueError(f"y has {len(values)} rows but X has {rows}; give one target per row of X")
        return values, flat

    def _targets_of(self, y: Any, rows: int) -> np.ndarray:
        values, _ = self._checked(y, rows)
        model = self._state.learner.model
        if values.shape[1] != model.num_targets:
            raise ValueError(f"y has {values.shape[1]} columns; in fit it had {model.num_targets}")
        model.check_targets("y", values)
        return values

    def _finish(self, raw: np.ndarray) -> np.ndarray:
        values = as_predictions(self._state.learner.model, raw)
        if values.ndim == 1:
            values = self._state.targets.undo(values[:, np.newaxis])[:, 0]
            return values if self._flat else values[:, np.newaxis]
        return self._state.targets.undo(values)

    def _score_of(self, score: float) -> float:
        return -score

    def partial_fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Go on learning from more rows: once through all groups, or ten iterations without groups.

        Scales are those of the first call. Nothing is held out, and ``inner_rate="auto"`` is 0.1, unless
        `fit` has chosen one.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        y : array_like of shape (rows,)
            Their targets.
        groups : array_like of shape (rows,), optional
            The group of each row.
        sample_weight : array_like of shape (rows,), optional
            A weight for each row; without groups alone.

        Returns
        -------
        self
        """
        with self._kept_on_error():
            return self._go_on(X, y, groups, sample_weight)

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Return R2, the share of the variance that is predicted.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        y : array_like of shape (rows,)
            Their targets.
        sample_weight : array_like of shape (rows,), optional
            A weight for each row.
        groups : array_like of shape (rows,), optional
            As `predict` has them.
        """
        return float(r2_score(y, self.predict(X, groups), sample_weight=sample_weight))
