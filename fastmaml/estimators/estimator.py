"""What the estimators have in common: their parameters, fitting, predicting, adapting to new groups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    check_array,
    check_is_fitted,
    check_random_state,
    validate_data,
)

from fastmaml.arrays import counted
from fastmaml.encoding import ColumnEncoding
from fastmaml.engine.predicting import predict_rows
from fastmaml.estimators.fitting import (
    FIXED_RATE,
    Fitted,
    Request,
    State,
    beginning,
    fit_pooled,
    fit_tasks,
    go_on,
)
from fastmaml.estimators.groups import AdaptedTasks, GroupTable
from fastmaml.estimators.meta_fit import Callback, Schedule
from fastmaml.estimators.parts import make_algorithm, make_optimizer
from fastmaml.estimators.rows import without_column
from fastmaml.evaluation import FewShotReport, evaluate
from fastmaml.evaluation.subject import Subject, check_tasks
from fastmaml.group_adapter import adapt_groups
from fastmaml.labels import group_rows, label_vector
from fastmaml.models import Layered, pad
from fastmaml.random_state import seed_from_system
from fastmaml.tasks import TaskSet
from fastmaml.validation import (
    MOST_EPOCHS,
    MOST_STEPS,
    check_choice,
    check_count,
    check_dtype,
    check_flag,
    check_n_jobs,
    check_rate,
    check_seed,
    check_share,
)
from fastmaml.warning import warn

# Iterations of one `partial_fit` without groups.
PARTIAL_ITERATIONS = 10


class FewShotEstimator(BaseEstimator):  # type: ignore[misc]
    """What `fastmaml.MAMLClassifier` and `fastmaml.MAMLRegressor` have in common; see there."""

    # Whether targets are brought to mean 0 and variance 1, where features are.
    _scales_targets = False
    # The rows of the last fit, for what is compared with in evaluating; they are not saved.
    _train_tasks: TaskSet | None = None
    # How a table's columns become the features; what `fit` was given has no such columns of its own.
    columns_: ColumnEncoding | None = None

    def __init__(
        self,
        hidden_layer_sizes: Any = (),
        activation: str = "relu",
        loss: str = "auto",
        algorithm: str = "maml",
        order: int = 2,
        inner_steps: int = 5,
        inner_rate: Any = "auto",
        shots: int = 8,
        queries: int | None = None,
        tasks_per_batch: int = 32,
        solver: str = "adam",
        learning_rate: float = 0.01,
        max_iter: int = 2000,
        l2: float = 0.0,
        fit_intercept: bool = True,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        log_every: int = 50,
        standardize: bool = True,
        small_groups: str = "drop",
        group_column: Any = None,
        warm_start: bool = False,
        callbacks: Any = None,
        dtype: Any = "float64",
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        algorithm_params: dict[str, Any] | None = None,
        solver_params: dict[str, Any] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.algorithm = algorithm
        self.order = order
        self.inner_steps = inner_steps
        self.inner_rate = inner_rate
        self.shots = shots
        self.queries = queries
        self.tasks_per_batch = tasks_per_batch
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.log_every = log_every
        self.standardize = standardize
        self.small_groups = small_groups
        self.group_column = group_column
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.algorithm_params = algorithm_params
        self.solver_params = solver_params

    # What a classifier and a regressor differ in.

    def _make_model(self, num_features: int, num_targets: int) -> Layered:
        """Return the model, once the targets are known."""
        raise NotImplementedError

    def _learn_targets(self, X: np.ndarray, y: Any) -> np.ndarray:
        """Check what there is to learn, and return it as (rows, num_targets), float64."""
        raise NotImplementedError

    def _targets_of(self, y: Any, rows: int) -> np.ndarray:
        """Check targets of a new task, and return them as (rows, num_targets), float64."""
        raise NotImplementedError

    def _look_at(self, targets: np.ndarray) -> None:
        """Warn of targets to adapt on that teach little."""

    def _finish(self, raw: np.ndarray) -> np.ndarray:
        """Make predictions of what the kernel makes of rows, (rows, num_outputs)."""
        raise NotImplementedError

    def _score_of(self, score: float) -> float:
        """Return a score of validation tasks so that more is better."""
        raise NotImplementedError

    # Fitting.

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Learn an initialisation from groups of rows, or, without groups, one model of all rows.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        y : array_like of shape (rows,)
            Classes, or numbers.
        groups : array_like of shape (rows,), optional
            The group of each row, of any type. See also ``group_column``. Without groups the model is trained
            on all rows by L-BFGS, with at most ``max_iter`` iterations; nothing stops it early, and
            ``inner_rate="auto"`` is 0.1.
        sample_weight : array_like of shape (rows,), optional
            A weight of 0 or more for each row; without groups alone.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For wrong parameters or data, before any work; what was fitted before is kept.
        FloatingPointError
            If the parameters turn infinite or NaN; what was fitted before is kept.
        """
        with self._kept_on_error():
            return self._fit(X, y, groups, sample_weight, before=self._before() if self.warm_start else None)

    @contextlib.contextmanager
    def _kept_on_error(self) -> Iterator[None]:
        """Leave everything as it was where something goes wrong."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _before(self) -> State | None:
        return getattr(self, "_state", None)

    def _fit(self, X: Any, y: Any, groups: Any, sample_weight: Any, *, before: State | None) -> Self:
        request = self._request()
        rows, labels = self._take_rows(X, groups, reset=True)
        self.__dict__.pop("columns_", None)
        targets = self._learn_targets(rows, y)
        model = self._make_model(rows.shape[1], targets.shape[1])
        model.check_targets("y", targets)
        if labels is None:
            weights = _checked_weights(sample_weight, rows)
            fitted = fit_pooled(request, model, rows, targets, weights, before=before)
            if not fitted.converged:
                warn(
                    f"L-BFGS used up its max_iter={self.max_iter} iterations before it converged; raise it, "
                    "or l2",
                    ConvergenceWarning,
                )
            return self._keep(fitted)
        tasks = self._tasks(rows, targets, labels, sample_weight)
        return self._keep(fit_tasks(request, model, tasks, before=before), tasks)

    def _go_on(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> Self:
        """Go through groups once more, or some iterations on all rows."""
        request, state = self._request(), self._before()
        rows, labels = self._take_rows(X, groups, reset=state is None)
        # Of a classifier, all classes were given.
        known = state is not None or hasattr(self, "classes_")
        targets = self._targets_of(y, len(rows)) if known else self._learn_targets(rows, y)
        model = self._make_model(rows.shape[1], targets.shape[1])
        model.check_targets("y", targets)
        self._check_same(state, model)
        if labels is None:
            if state is not None and state.groups is not None:
                raise ValueError("groups is missing; this estimator has learned from groups so far")
            weights = _checked_weights(sample_weight, rows)
            few = request._replace(schedule=request.schedule._replace(epochs=PARTIAL_ITERATIONS))
            return self._keep(fit_pooled(few, model, rows, targets, weights, before=state))
        tasks = self._tasks(rows, targets, labels, sample_weight)
        return self._keep(go_on(request, state or beginning(request, model, tasks), tasks))

    def _check_same(self, state: State | None, model: Layered) -> None:
        """Raise unless learning can go on with the model."""
        if state is not None and state.learner.model != model:
            raise ValueError(
                f"the parameters ask for {model}, but {state.learner.model} has learned so far; set them "
                "back, or fit anew"
            )

    def _tasks(
        self, rows: np.ndarray, targets: np.ndarray, labels: np.ndarray, sample_weight: Any
    ) -> TaskSet:
        if sample_weight is not None:
            raise ValueError(
                "sample_weight was given with groups, where all rows of a task weigh the same; leave one of "
                "them out"
            )
        if targets.shape[1] != 1:
            raise ValueError(
                f"y has {targets.shape[1]} columns, but with groups there is one target a row; give y of "
                "shape (rows,)"
            )
        return TaskSet.from_groups(rows, targets[:, 0], labels)

    def _keep(self, fitted: Fitted, tasks: TaskSet | None = None) -> Self:
        self._state, self._train_tasks = fitted.state, tasks
        self.seed_ = fitted.state.seed
        self.inner_rate_ = fitted.state.learner.algorithm.inner_rate
        self.inner_rate_sweep_ = fitted.sweep
        self.n_iter_, self.loss_curve_ = fitted.iterations, fitted.losses
        self.validation_scores_ = [self._score_of(score) for score in fitted.scores] or None
        return self

    def _request(self) -> Request:
        """Check all parameters."""
        drop = check_choice("small_groups", self.small_groups, ("drop", "error")) == "drop"
        for flag in ("fit_intercept", "early_stopping", "warm_start"):
            check_flag(flag, getattr(self, flag))
        fraction = check_share("validation_fraction", self.validation_fraction)
        if fraction == 0:
            raise ValueError("validation_fraction is 0; give a share above 0, and below 1")
        auto = isinstance(self.inner_rate, str) and self.inner_rate == "auto"
        if isinstance(self.inner_rate, str) and not auto:
            raise ValueError(
                f"inner_rate is {self.inner_rate!r}; give a number, an array of rates, or 'auto'"
            )
        self._parts(FIXED_RATE if auto else self.inner_rate)
        patience = check_count("n_iter_no_change", self.n_iter_no_change)
        schedule = Schedule(
            epochs=check_count("max_iter", self.max_iter, 1, MOST_EPOCHS),
            tasks_per_batch=check_count("tasks_per_batch", self.tasks_per_batch),
            log_every=check_count("log_every", self.log_every),
            patience=patience if self.early_stopping else None,
            tol=check_rate("tol", self.tol),
            n_jobs=check_n_jobs(self.n_jobs),
        )
        standardize = check_flag("standardize", self.standardize)
        return Request(
            schedule=schedule,
            callbacks=self._callbacks(),
            make_parts=self._parts,
            inner_rate=None if auto else self.inner_rate,
            shots=check_count("shots", self.shots),
            queries=None if self.queries is None else check_count("queries", self.queries),
            validation_fraction=fraction,
            drop=drop,
            standardize=standardize,
            scale_targets=standardize and self._scales_targets and self.loss != "poisson",
            dtype=check_dtype(self.dtype),
            seed=self._seed(),
            verbose=check_flag("verbose", self.verbose),
        )

    def _parts(self, inner_rate: Any) -> tuple[Any, Any]:
        steps = check_count("inner_steps", self.inner_steps, 1, MOST_STEPS)
        algorithm = make_algorithm(
            self.algorithm,
            self.algorithm_params,
            order=self.order,
            inner_steps=steps,
            inner_rate=inner_rate,
        )
        return algorithm, make_optimizer(self.solver, self.solver_params, learning_rate=self.learning_rate)

    def _callbacks(self) -> tuple[Callback, ...]:
        given = self.callbacks
        many = () if given is None else given if isinstance(given, Iterable) else (given,)
        found: tuple[Any, ...] = tuple(getattr(one, "after_slice", one) for one in many)
        for one in found:
            if not callable(one):
                raise TypeError(
                    f"callbacks holds {one!r}; give functions of a state, or objects with after_slice(state)"
                )
        return found

    def _seed(self) -> int:
        if self.random_state is None:
            return seed_from_system()
        if isinstance(self.random_state, Integral):
            return check_seed(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _take_rows(self, X: Any, groups: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Return checked rows, float64, and the groups, from the argument or from a column of X."""
        if self.group_column is None:
            rows = validate_data(self, X, reset=reset, dtype=np.float64, order="C")
            labels = None if groups is None else label_vector("groups", groups)
        else:
            if groups is not None:
                raise ValueError("groups was given, and group_column too; leave one of them out")
            column, rest = without_column(X, self.group_column)
            _check_feature_names(self, X, reset=reset)
            _check_n_features(self, X, reset=reset)
            rows = check_array(rest, dtype=np.float64, order="C", estimator=self)
            labels = label_vector("group_column", column)
        if labels is not None and len(labels) != len(rows):
            raise ValueError(
                f"groups has {len(labels)} rows but X has {len(rows)}; give one label per row of X"
            )
        return rows, labels

    # Predicting.

    def _rows(self, X: Any, groups: Any) -> tuple[np.ndarray, np.ndarray | None]:
        check_is_fitted(self)
        rows, labels = self._take_rows(X, groups, reset=False)
        return self._state.features.apply(rows), labels

    def _raw(self, X: Any, groups: Any) -> np.ndarray:
        """Return what the kernel predicts of each row, (rows, num_outputs)."""
        rows, labels = self._rows(X, groups)
        state, spec = self._state, self._state.learner.model_spec
        if groups is not None and state.groups is None:
            raise ValueError(
                "groups was given, but this estimator was fitted without groups, or is adapted to one; leave "
                "groups out"
            )
        if labels is None or state.groups is None:
            return predict_rows(spec, pad(spec, self.theta_, np.dtype(np.float64)), rows)
        raw, unseen = state.groups.predict(spec, rows, labels, self.theta_)
        if unseen.size:
            first, *_ = unseen.tolist()
            warn(
                f"rows of {counted(unseen.size, 'group')} not seen in fit, such as {first!r}, are predicted "
                "from the starting point; adapt to them with adapt or adapt_many"
            )
        return raw

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Predict rows.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Finite rows.
        groups : array_like of shape (rows,), optional
            Rows of groups seen in `fit` are predicted with the parameters adapted to these groups; those of
            other groups from the starting point, and a warning says so. Default: all from the starting point.

        Returns
        -------
        ndarray of shape (rows,)
        """
        return self._finish(self._raw(X, groups))

    # Adapting.

    def adapt(self, X: Any, y: Any, steps: int | None = None, check_input: bool = True) -> Self:
        """Adapt to one new group; nothing here is changed.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features)
            Support rows: at least one.
        y : array_like of shape (rows,)
            Their targets.
        steps : int, optional
            Inner steps, 0 or more. Default: ``inner_steps``.
        check_input : bool, default=True
            Whether scikit-learn checks X. If not, it has to be a float64 array of finite numbers, without a
            column of groups.

        Returns
        -------
        estimator of the same class, fitted to the group

        Raises
        ------
        ValueError, TypeError
            If rows or targets do not fit.
        FloatingPointError
            If the parameters turn infinite or NaN.
        """
        check_is_fitted(self)
        state = self._state
        steps = self._steps(steps)
        rows, labels = self._take_rows(X, None, reset=False) if check_input else (X, None)
        if labels is not None and len(group_rows("group_column", labels)[2]) > 1:
            raise ValueError(
                "X has rows of several groups in its group_column; give those of one, or adapt to all of "
                "them with adapt_many"
            )
        targets = self._targets_of(y, len(rows))
        self._look_at(targets)
        theta, bad_step = state.adapter.adapt(
            state.meta, state.features.apply(rows), state.targets.apply(targets), steps
        )
        if bad_step is not None:
            raise FloatingPointError(
                f"the parameters turned infinite or NaN in step {bad_step} of adapting with "
                f"inner_rate={self.inner_rate_}; lower it, or scale the features"
            )
        return self._with_theta(theta)

    def _steps(self, steps: int | None) -> int:
        if steps is None:
            return self._state.learner.algorithm.inner_steps
        return check_count("steps", steps, 0, MOST_STEPS)

    def _with_theta(self, theta: np.ndarray) -> Self:
        """Return a copy that starts from other parameters."""
        state, other = self._state, type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        meta = state.learner.join(theta, state.learner.split(state.meta)[1])
        other._state, other._train_tasks = state._replace(meta=meta, groups=None), None
        return other

    def adapt_many(self, X: Any, y: Any = None, groups: Any = None, steps: int | None = None) -> AdaptedTasks:
        """Adapt to many new groups at once; nothing here is changed.

        Parameters
        ----------
        X : array_like or data frame of shape (rows, num_features), or TaskSet
            Rows of all groups; or a task set, which has targets and groups in it.
        y : array_like of shape (rows,)
            Their targets.
        groups : array_like of shape (rows,)
            The group of each row; all rows of a group are learned from.
        steps : int, optional
            Inner steps, 0 or more. Default: ``inner_steps``.

        Returns
        -------
        AdaptedTasks
            With ``predict(X, groups=...)``, and an estimator for each group by its label.

        Raises
        ------
        ValueError, TypeError
            If rows or targets do not fit.
        FloatingPointError
            If the parameters of a group turn infinite or NaN; names it.
        """
        check_is_fitted(self)
        state = self._state
        if isinstance(X, TaskSet):
            if y is not None or groups is not None:
                raise ValueError("X is a TaskSet, which has targets and groups in it; leave y and groups out")
            features_in = state.learner.model.num_features
            if X.num_features != features_in:
                raise ValueError(f"X has {X.num_features} features; expected the {features_in} of fit")
            y, rows, order, offsets, names = X.y, X.X, None, X.offsets, X.labels
        else:
            rows, labels = self._take_rows(X, groups, reset=False)
            if labels is None:
                raise ValueError(
                    "groups is missing; give the group of each row, or adapt to one group with adapt"
                )
            order, offsets, names = group_rows("groups", labels)
        targets = state.targets.apply(self._targets_of(y, len(rows)))
        if order is not None:
            rows, targets = rows[order], targets[order]
        adapted = adapt_groups(
            state.learner,
            state.meta,
            rows,
            targets,
            offsets,
            features=state.features,
            steps=self._steps(steps),
            n_jobs=check_n_jobs(self.n_jobs),
        )
        if adapted.diverged.any():
            first, *_ = names[adapted.diverged].tolist()
            raise FloatingPointError(
                f"the parameters of group {first!r} turned infinite or NaN, those of "
                f"{np.count_nonzero(adapted.diverged)} of {len(names)} groups in all; lower the inner rate"
            )
        return AdaptedTasks(self, GroupTable(names, adapted.thetas))

    def evaluate(
        self,
        tasks: Any,
        shots: int | Sequence[int] = (1, 2, 5, 10),
        steps: int | Sequence[int] = (0, 1, 5, 10),
        **options: Any,
    ) -> FewShotReport:
        """Evaluate on groups never seen, beside what is simpler: `fastmaml.evaluate`, with its options.

        Parameters
        ----------
        tasks : TaskSet or (X, y, groups)
            Groups that `fit` has not seen.
        shots, steps : int or sequence of int
            Numbers of rows to adapt on, and of inner steps.
        **options
            As `fastmaml.evaluate` has them. The tasks of training are those of the last `fit`, unless this
            estimator was loaded from a file, or copied.
        """
        return evaluate(self, tasks, shots, steps, **options)

    def _subject(self, tasks: Any, train_tasks: Any) -> Subject:
        """Check tasks, and return all that `fastmaml.evaluate` needs."""
        check_is_fitted(self)
        state = self._state
        if state.learner.model.num_targets != 1:
            raise ValueError(
                f"this estimator predicts {state.learner.model.num_targets} columns, but tasks have one "
                "target a row"
            )
        return Subject(
            name=type(state.learner.algorithm).__name__,
            learner=state.learner,
            meta=state.meta,
            features=state.features,
            targets=state.targets,
            tasks=self._as_tasks("test_tasks", tasks),
            train_tasks=self._train_tasks
            if train_tasks is None
            else self._as_tasks("train_tasks", train_tasks),
            shots=self.shots,
            n_jobs=check_n_jobs(self.n_jobs),
        )

    def _as_tasks(self, name: str, tasks: Any) -> TaskSet:
        """Return tasks, of a task set or of (X, y, groups), with numbers in the place of classes."""
        if isinstance(tasks, tuple) and len(tasks) in (2, 3):
            rows, labels = self._take_rows(tasks[0], *tasks[2:] or (None,), reset=False)
            if labels is None:
                raise ValueError(
                    f"{name} has no groups; give (X, y, groups), or an estimator with a group_column. In "
                    "cross-validation groups come by metadata routing"
                )
            return self._tasks(rows, self._targets_of(tasks[1], len(rows)), labels, None)
        given = check_tasks(name, tasks, self._state.learner.model.num_features)
        return TaskSet(given.X, self._targets_of(given.y, given.num_rows), given.offsets, given.labels)

    def __getstate__(self) -> Any:
        """Leave out the rows that were learned from: a copy may be sent far."""
        state = super().__getstate__()
        return {**state, "_train_tasks": None} if "_train_tasks" in state else state

    def save(self, path: Any) -> None:
        """Write the fitted estimator to a file, which `fastmaml.load` reads.

        A file of this name is replaced once the new one is whole. Callbacks are left out.

        Parameters
        ----------
        path : str or Path
            By convention it ends in ``.fastmaml``.

        Raises
        ------
        OSError
            If it cannot be written; an old file is as it was.
        ValueError
            If a class, a group or a parameter cannot be written (names it).
        """
        from fastmaml.estimators.files import save

        save(self, path)

    @property
    def theta_(self) -> np.ndarray:
        """The parameters, (num_parameters,), for features and targets as they are scaled."""
        check_is_fitted(self)
        return self._state.learner.split(self._state.meta)[0]

    @property
    def inner_rates_(self) -> np.ndarray:
        """The inner rates that were learned; empty where none are."""
        check_is_fitted(self)
        return self._state.learner.split(self._state.meta)[1]

    @property
    def groups_(self) -> np.ndarray | None:
        """The labels of the groups seen in `fit`, or None."""
        check_is_fitted(self)
        return None if self._state.groups is None else self._state.groups.labels


def _checked_weights(sample_weight: Any, rows: np.ndarray) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight is 0 for every row; give some rows a weight")
    return weights
