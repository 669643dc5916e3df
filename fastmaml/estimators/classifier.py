"""The classifier."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from fastmaml.adapted import as_predictions, as_probabilities
from fastmaml.estimators.estimator import FewShotEstimator
from fastmaml.estimators.parts import make_classifier
from fastmaml.models import Layered
from fastmaml.validation import check_choice
from fastmaml.warning import warn


class MAMLClassifier(ClassifierMixin, FewShotEstimator):  # type: ignore[misc]
    """Meta-learned classification of many small groups, with scikit-learn's interface.

    `fit` with ``groups`` learns a starting point from which a few gradient steps on a few rows of a group
    lead to a good model of this group [1]_; `adapt` takes these steps for a new one. Without groups it is
    ordinary logistic or softmax regression, or a perceptron.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=()
        Units of each hidden layer; none for logistic or softmax regression.
    activation : {"relu", "tanh", "silu"}, default="relu"
        Of the hidden layers.
    loss : {"auto"}, default="auto"
        The cross-entropy.
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
        Whether features are brought to mean 0 and variance 1, as they are in the groups learned from.
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
    classes_ : ndarray of shape (num_classes,)
        The classes, sorted.
    theta_ : ndarray of shape (num_parameters,)
        The starting point, for scaled features.
    inner_rate_ : float or tuple
        The inner rate in use.
    inner_rate_sweep_ : dict or None
        The validation loss of each inner rate that "auto" tried.
    inner_rates_ : ndarray
        Learned inner rates, where the algorithm learns any.
    groups_ : ndarray or None
        The groups seen in `fit`.
    n_iter_ : int
        Epochs trained; without groups, iterations.
    loss_curve_ : list of float
        The mean query loss of every ``log_every``-th epoch; without groups the loss after each iteration.
    validation_scores_ : list of float or None
        Accuracy on the validation tasks, at the same epochs.
    n_features_in_, feature_names_in_
        As scikit-learn has them.
    seed_ : int
        The seed in use.
    columns_ : ColumnEncoding or None
        Of a model that the command line has trained: how a table's columns become features.

    References
    ----------
    .. [1] C. Finn, P. Abbeel and S. Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep
       Networks", ICML 2017.
    """

    def _make_model(self, num_features: int, num_targets: int) -> Layered:
        check_choice("loss", self.loss, ("auto",))
        return make_classifier(
            num_features,
            len(self.classes_),
            self.hidden_layer_sizes,
            self.activation,
            intercept=self.fit_intercept,
            l2=self.l2,
        )

    def _learn_targets(self, X: np.ndarray, y: Any) -> np.ndarray:
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if len(y) != len(X):
            raise ValueError(f"y has {len(y)} rows but X has {len(X)}; give one class per row of X")
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class, {classes[:1].tolist()[0]!r}, for all rows; give rows of 2 classes or more"
            )
        before = np.asarray(getattr(self, "classes_", ()))
        if self.warm_start and self._before() is not None and not np.array_equal(classes, before):
            raise ValueError(
                f"y has the classes {classes.tolist()}, but with warm_start they must be those of the last "
                f"fit, {before.tolist()}"
            )
        self.classes_: np.ndarray = classes
        return codes.astype(np.float64)[:, np.newaxis]

    def _targets_of(self, y: Any, rows: int) -> np.ndarray:
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.shape != (rows,):
            raise ValueError(f"y has shape {labels.shape} but X has {rows} rows; give one class per row of X")
        try:
            codes = np.searchsorted(self.classes_, labels)
            known = np.asarray(self.classes_[np.minimum(codes, len(self.classes_) - 1)] == labels)
        except TypeError:  # Of several types, which cannot be compared.
            places = {label: place for place, label in enumerate(self.classes_.tolist())}
            codes = np.array([places.get(label, -1) for label in labels.tolist()])
            known = codes >= 0
        if not known.all():
            listed = ", ".join(map(repr, self.classes_[:10].tolist()))
            raise ValueError(
                f"y holds {labels[~known][:1].tolist()[0]!r}, which is none of the classes seen in fit: "
                f"{listed}"
            )
        return codes.astype(np.float64)[:, np.newaxis]

    def _look_at(self, targets: np.ndarray) -> None:
        if (targets == targets[0]).all():
            warn("there is one class only among the rows to adapt on: what they teach is that it is frequent")

    def _finish(self, raw: np.ndarray) -> np.ndarray:
        return self.classes_[as_predictions(self._state.learner.model, raw)]

    def _probabilities(self, raw: np.ndarray) -> np.ndarray:
        return as_probabilities(raw)

    def _score_of(self, score: float) -> float:
        return score

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Go on learning from more rows: once through all groups, or ten iterations without groups.

        Scales of the features are those of the first call. Nothing is held out, and ``inner_rate="auto"`` is
        0.1, unless `fit` has chosen one.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        y : array_like of shape (rows,)
            Their classes.
        classes : array_like of shape (num_classes,), optional
            All classes that there will be; needed in the first call.
        groups : array_like of shape (rows,), optional
            The group of each row.
        sample_weight : array_like of shape (rows,), optional
            A weight for each row; without groups alone.

        Returns
        -------
        self
        """
        with self._kept_on_error():
            if self._before() is None:
                if classes is None:
                    raise ValueError(
                        "classes is missing; the first call of partial_fit needs all that there will be"
                    )
                self.classes_ = np.unique(classes)
            elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
                raise ValueError(f"classes differ from those of the first call, {self.classes_.tolist()}")
            return self._go_on(X, y, groups, sample_weight)

    def predict_proba(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the probability of each class for each row.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        groups : array_like of shape (rows,), optional
            As `predict` has them.

        Returns
        -------
        ndarray of shape (rows, num_classes), in the order of ``classes_``
        """
        return self._probabilities(self._raw(X, groups))

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Return the share of rows whose class is right.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        y : array_like of shape (rows,)
            Their classes.
        sample_weight : array_like of shape (rows,), optional
            A weight for each row.
        groups : array_like of shape (rows,), optional
            As `predict` has them.
        """
        return float(accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight))
