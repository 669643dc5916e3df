"""The notebook's API: `sample_points` and `MAML`, with the notebook's names and numbers.

Nothing is computed here: attributes are checked, translated into the four parts of a run, and handed to
`fastmaml.training`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastmaml.adapted import AdaptedModel
from fastmaml.algorithms import MAML as MAMLAlgorithm
from fastmaml.arrays import ROW_COLUMN, as_array, finite_floats
from fastmaml.engine.adapting import adapt_epoch
from fastmaml.evaluation import FewShotReport, evaluate
from fastmaml.evaluation.subject import Subject
from fastmaml.learner import Learner, lower
from fastmaml.models import Logistic, unpad
from fastmaml.numerics.normal import initial_normals
from fastmaml.optimizers import SGD, SGDSpec
from fastmaml.random_state import borrow_global_state, return_global_state, seed_from_system
from fastmaml.sampling import SampledTasks
from fastmaml.scaling import Scaling
from fastmaml.sources import (
    NoiseSpec,
    NotebookNoiseSpec,
    Table,
    check_enough_rows,
    group_name,
)
from fastmaml.task_adapter import TaskAdapter
from fastmaml.tasks import TaskSet
from fastmaml.training import Losses, NotFiniteError, Training
from fastmaml.validation import (
    MOST_EPOCHS,
    MOST_STEPS,
    check_choice,
    check_count,
    check_dtype,
    check_flag,
    check_labels,
    check_matrix,
    check_n_jobs,
    check_rate,
    check_seed,
)
from fastmaml.ways import Pace

NOTEBOOK_FEATURES = 50


def sample_points(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw k points of noise from NumPy's global generator, as the notebook does.

    Parameters
    ----------
    k : int
        Number of points, at least 1.

    Returns
    -------
    x : ndarray of shape (k, 50), float64
        Uniform in [0, 1).
    y : ndarray of shape (k, 1), int64
        Labels 0 and 1, equally likely, independent of x: nothing can be learned from them.
    """
    check_count("k", k)
    x = np.random.rand(k, NOTEBOOK_FEATURES)
    y = np.random.choice([0, 1], size=k, p=[0.5, 0.5]).reshape(-1, 1)
    return x, y


def sigmoid(a: Any) -> Any:
    """Return ``1 / (1 + exp(-a))``, elementwise, without overflow or warning."""
    a = np.asarray(a, dtype=np.float64)
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1.0, e) / (1.0 + e)


class _Settings(NamedTuple):
    """The attributes of a `MAML`, checked and translated."""

    learner: Learner
    optimizer: SGDSpec
    meta: np.ndarray
    epochs: int
    num_tasks: int
    shots: int
    queries: int | None
    n_jobs: int | None
    log_every: int


class _LastEpoch(NamedTuple):
    """What it takes to compute the last epoch's adapted parameters again."""

    settings: _Settings
    source: Any
    meta: np.ndarray
    epoch: int
    replay_epoch: int
    replay_state: np.ndarray


class MAML:
    """Model-agnostic meta-learning of a single sigmoid layer, with the notebook's interface.

    One epoch takes, for each of ``num_tasks`` tasks, ``inner_steps`` gradient steps from theta on the
    task's support rows, ``theta_i = theta - alpha * grad L_support(theta)``, and then one outer step
    ``theta <- theta - beta * mean_i(grad L_query(theta_i))`` [1]_, algorithm 1. With ``order=1`` the query
    gradient is taken with respect to the adapted parameters, as in the notebook; with ``order=2`` with
    respect to theta, exactly.

    There are three sources of tasks. Without ``tasks`` and with ``random_state=None``, the notebook's noise
    from NumPy's global generator, number for number; with ``random_state=int`` the same noise from a
    counter-based generator, the same bits for any number of threads, with one 32-bit word a uniform (24
    bits of it in float32). With ``tasks`` a table of one's own. With ``sample_points`` a function of one's
    own.

    In the first two the labels have nothing to do with the rows, so nothing can be learned: the expected
    loss cannot fall below ln 2 = 0.693. And there the query gradient is, as in the notebook, divided by
    ``num_samples`` though it has ``query_samples`` rows. With ``tasks`` both gradients are means over their
    own rows.

    Every attribute may be changed before `train`; `theta` may be assigned too.

    Parameters
    ----------
    num_tasks : int, default=10
        Tasks an epoch. With ``tasks``: that many different ones, the next of a seeded permutation of all;
        when fewer are left it is drawn anew, so that the choice is a function of the seed and the epoch
        alone.
    num_samples : int, default=10
        Support rows a task.
    epochs : int, default=10000
        Outer steps of one call of `train`.
    alpha : float, default=1e-4
        Inner rate: step for a gradient of one. The defaults of both rates are the notebook's; on tasks that
        can be learned, with features of a common scale, some tenths are a better start.
    beta : float, default=1e-4
        Outer rate.
    num_features : int, optional
        Columns of a row. Default: 50, or with ``tasks`` their width.
    tasks : TaskSet, optional
        Real tasks, with labels 0 and 1. Features are taken as they are: bring them to a common scale first.
    sample_points : callable, optional
        A sampler with the notebook's signature: takes k, returns rows (k, num_features) and labels (k, 1).
        Called from Python, in the notebook's order.
    query_samples : int or None, default=10
        Query rows a task. With ``tasks`` an upper bound (at least one row must remain), and None means all
        other rows.
    inner_steps : int, default=1
        Inner steps.
    order : {1, 2}, default=1
        Order of the meta-gradient. 2 is exact through all inner steps.
    random_state : int, optional
        Seed, from 0 to 2**64 - 1. With None the notebook's noise comes from NumPy's global generator, and
        with ``tasks`` the seed comes once from the operating system.
    dtype : {"float64", "float32"}, default="float64"
        Type of the parameters and the arithmetic.
    n_jobs : int or None, default=None
        Threads; None (and -1) means all cores, unlike scikit-learn; more than there are is capped.
    fit_intercept : bool, default=False
        Whether to learn an intercept, as the last parameter.
    verbose : bool or "progress", default=True
        True prints the notebook's lines; "progress" shows a bar on standard error; False is silent.
    log_every : int, default=1000
        Epochs from one log line to the next.

    Attributes
    ----------
    theta : ndarray of shape (num_features (+ 1), 1)
        The initialisation that is learned. It starts as a draw from N(0, 1), from NumPy's global generator
        or from ``random_state``; with ``tasks`` at zero.
    theta_ : list of ndarray
        One adapted theta per task of the last epoch. Computed when asked for.
    loss_ : float
        Loss of the last epoch that it was computed for: that of the last log line, or, of a run that came to
        its end, the last epoch. Without ``tasks`` the last task's support loss before
        its step; with ``tasks`` the mean query loss after adapting.
    history_ : list of (int, float)
        Epoch and loss of every log line of all calls of `train`.
    seed_ : int or None
        The seed in use; None in the notebook's mode.
    epoch_ : int
        Epochs trained so far: the address of the next epoch's random numbers.

    Raises
    ------
    ValueError, TypeError
        For a wrong argument, here or, for a changed attribute, in `train`, before any work.

    References
    ----------
    .. [1] C. Finn, P. Abbeel and S. Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep
       Networks", ICML 2017.
    """

    def __init__(
        self,
        num_tasks: int = 10,
        num_samples: int = 10,
        epochs: int = 10000,
        alpha: float = 1e-4,
        beta: float = 1e-4,
        num_features: int | None = None,
        *,
        tasks: TaskSet | None = None,
        sample_points: Callable[[int], Any] | None = None,
        query_samples: int | None = 10,
        inner_steps: int = 1,
        order: int = 1,
        random_state: int | None = None,
        dtype: Any = "float64",
        n_jobs: int | None = None,
        fit_intercept: bool = False,
        verbose: bool | str = True,
        log_every: int = 1000,
    ) -> None:
        self.num_tasks = num_tasks
        self.num_samples = num_samples
        self.epochs = epochs
        self.alpha = alpha
        self.beta = beta
        self.tasks = tasks
        self.sample_points = sample_points
        self.query_samples = query_samples
        self.inner_steps = inner_steps
        self.order = order
        self.random_state = random_state
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.fit_intercept = fit_intercept
        self.verbose = verbose
        self.log_every = log_every
        if num_features is None:
            num_features = tasks.num_features if isinstance(tasks, TaskSet) else NOTEBOOK_FEATURES
        self.num_features = num_features
        self.epoch_ = 0
        self.history_: list[tuple[int, float]] = []
        self._system_seed: int | None = None
        self._last: _LastEpoch | None = None
        self._checked_tasks: TaskSet | None = None
        self._paces: dict[Any, list[Pace]] = {}
        self._under_way = False
        # Everything is checked before the first number is drawn from the global generator.
        self.theta: Any = np.zeros((self._check_num_parameters(), 1))
        self._check()
        if tasks is None and sample_points is None and random_state is None:
            borrow_global_state()  # Raises if it is not the notebook's generator.
        self.theta = self._initial_theta()

    def __repr__(self) -> str:
        given = "tasks" if self.tasks is not None else "sample_points" if self.sample_points else "notebook"
        shown = {
            name: getattr(self, name)
            for name in ("num_tasks", "num_samples", "alpha", "beta", "num_features", "inner_steps", "order")
        }
        settings = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"<MAML {settings}; from {given}, {self.epoch_} epochs trained>"

    def train(self) -> None:
        """Run ``epochs`` epochs from the current theta.

        A second call goes on with theta, and with random numbers of the epochs after the last. Ctrl-C stops
        between two epochs: theta, `epoch_` and NumPy's global generator then stand where the last finished
        epoch left them.

        Raises
        ------
        ValueError, TypeError
            If an attribute is wrong; nothing is changed.
        FloatingPointError
            If the parameters turn infinite or NaN: names the epoch and, where it can be told, task and
            step. The last good theta is kept.
        RuntimeError
            If this model is being trained already, by another thread.
        """
        if self._under_way:
            raise RuntimeError(
                "this model is being trained already, by another thread or by the call that calls this; wait "
                "for it, or give each thread a model of its own"
            )
        settings = self._check()
        if self.tasks is None and self.sample_points is None and self.random_state is None:
            borrow_global_state()  # Raises if it is not the notebook's generator.
        self._under_way = True
        try:
            if self.sample_points is not None:
                self._run(settings, SampledTasks(self.sample_points, *self._sample_sizes(settings)))
            else:
                self._run(settings, None)
        finally:
            self._under_way = False

    def sigmoid(self, a: Any) -> Any:
        """Return ``1 / (1 + exp(-a))``, elementwise, without overflow or warning.

        Parameters
        ----------
        a : array_like
            Numbers of any size.
        """
        return sigmoid(a)

    @property
    def theta_(self) -> list[np.ndarray]:
        """One adapted theta (num_features (+ 1), 1) per task of the last epoch. Computed when asked for."""
        if self._last is None:
            raise AttributeError(
                "theta_ is there after train(): it holds the adapted parameters of the last epoch"
            )
        last = self._last
        learner = last.settings.learner
        result = adapt_epoch(
            learner.model_spec,
            learner.algorithm_spec,
            last.source,
            tasks_per_batch=last.settings.num_tasks,
            theta=last.meta,
            steps=learner.algorithm.inner_steps,
            epoch=last.epoch,
            first_epoch=last.replay_epoch,
            source_state=last.replay_state,
            want_thetas=True,
            n_jobs=1,
        )
        return [_column(unpad(learner.model_spec, theta)) for theta in result.thetas]

    @property
    def loss_(self) -> float:
        """Loss of the last epoch."""
        if not self.history_:
            raise AttributeError("loss_ is there after train(): it holds the loss of the last epoch")
        return self._final_loss

    @property
    def seed_(self) -> int | None:
        """The seed in use, if need be one from the operating system; None in the notebook's mode."""
        if self.random_state is not None:
            return int(self.random_state)
        if self.tasks is None:
            return None
        if self._system_seed is None:
            self._system_seed = seed_from_system()
        return self._system_seed

    def adapt(self, X: Any, y: Any, steps: int | None = None) -> AdaptedModel:
        """Take gradient steps from theta on one task's rows; this model itself is not changed.

        Parameters
        ----------
        X : array_like of shape (n, num_features)
            Support rows.
        y : array_like of shape (n,) or (n, 1)
            Labels 0 and 1.
        steps : int, optional
            Steps with rate ``alpha``, 0 or more. Default: ``inner_steps``.

        Returns
        -------
        AdaptedModel
            With `theta`, `predict_proba` and `predict`.

        Raises
        ------
        ValueError, TypeError
            For rows or labels of another shape, that are not finite or not 0 and 1, or a wrong number of
            steps.
        FloatingPointError
            If the steps make the parameters infinite or NaN.
        """
        settings = self._check()
        learner = settings.learner
        steps = learner.algorithm.inner_steps if steps is None else check_count("steps", steps, 0, MOST_STEPS)
        X = check_matrix("X", X, learner.model.num_features)
        y = check_labels("y", y, X.shape[0])
        if X.shape[0] == 0:
            raise ValueError("X has no rows; give at least one row to adapt on")
        theta, bad_step = TaskAdapter(learner).adapt(settings.meta, X, y, steps)
        if bad_step is not None:
            raise FloatingPointError(
                f"the parameters turned infinite or NaN in step {bad_step} of adapting with "
                f"alpha={self.alpha}; lower alpha or scale the features"
            )
        return AdaptedModel(learner.model, _column(theta))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of label 0 and 1 under theta itself, without adapting.

        Parameters
        ----------
        X : array_like of shape (n, num_features)
            Finite rows.

        Returns
        -------
        ndarray of shape (n, 2), float64
            Columns: label 0, label 1.
        """
        return self._unadapted().predict_proba(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the more probable label (n,) under theta itself, without adapting. See `predict_proba`."""
        return self._unadapted().predict(X)

    def evaluate(
        self,
        tasks: TaskSet,
        shots: int | Sequence[int] | None = None,
        steps: int | Sequence[int] = (0, 1, 5),
        random_state: int = 0,
        *,
        train_tasks: TaskSet | None = None,
        baselines: bool = False,
    ) -> FewShotReport:
        """Adapt to each task on some of its rows and score the others: `fastmaml.evaluate`.

        Parameters
        ----------
        tasks : TaskSet
            Tasks that training has not seen, each with at least ``shots + 1`` rows.
        shots : int or sequence of int, optional
            Rows to adapt on. Default: ``num_samples``.
        steps : int or sequence of int, default=(0, 1, 5)
            After how many inner steps to score; 0 is theta itself.
        random_state : int, default=0
            Seed of the choice of rows: the same seed gives the same rows whatever the model.
        train_tasks : TaskSet, optional
            Tasks that the baselines learn from. Default: ``tasks``.
        baselines : bool, default=False
            Whether to score what is simpler, too.

        Returns
        -------
        FewShotReport
            With arrays by step (by shots and step, where there are several): loss, accuracy, auc, each with
            its 95 % interval over tasks (``loss_interval``).

        Raises
        ------
        ValueError, TypeError
            If a task is too small (names it), the width is another, or labels are not 0 and 1.
        """
        return evaluate(
            self,
            tasks,
            check_count("num_samples", self.num_samples) if shots is None else shots,
            steps,
            train_tasks=train_tasks,
            baselines=baselines,
            small_tasks="error",
            random_state=random_state,
        )

    def _subject(self, tasks: Any, train_tasks: Any) -> Subject:
        """Check tasks, and return all that `fastmaml.evaluate` needs."""
        settings = self._check()
        num_features = settings.learner.model.num_features
        self._check_tasks(tasks, num_features)
        train_tasks = self.tasks if train_tasks is None else train_tasks
        if train_tasks is not None:
            self._check_tasks(train_tasks, num_features)
        return Subject(
            name="MAML",
            learner=settings.learner,
            meta=settings.meta,
            features=Scaling.none(num_features),
            targets=Scaling.none(1),
            tasks=tasks,
            train_tasks=train_tasks,
            shots=settings.shots,
            n_jobs=settings.n_jobs,
        )

    # From attributes to the parts of a run.

    def _check_num_parameters(self) -> int:
        return check_count("num_features", self.num_features) + check_flag(
            "fit_intercept", self.fit_intercept
        )

    def _check(self) -> _Settings:
        """Check every attribute and translate it; changes nothing."""
        parameters = self._check_num_parameters()
        num_tasks = check_count("num_tasks", self.num_tasks)
        shots = check_count("num_samples", self.num_samples)
        epochs = check_count("epochs", self.epochs, maximum=MOST_EPOCHS)
        alpha, beta = check_rate("alpha", self.alpha), check_rate("beta", self.beta)
        steps = check_count("inner_steps", self.inner_steps, maximum=MOST_STEPS)
        order = check_choice("order", self.order, (1, 2))
        dtype, n_jobs = check_dtype(self.dtype), check_n_jobs(self.n_jobs)
        check_count("epoch_", self.epoch_, 0, MOST_EPOCHS)
        log_every = check_count("log_every", self.log_every, maximum=MOST_EPOCHS)
        check_choice("verbose", self.verbose, (True, False, "progress"))
        queries = None if self.query_samples is None else check_count("query_samples", self.query_samples)
        if self.random_state is not None:
            check_seed(self.random_state)
        if self.sample_points is not None and not callable(self.sample_points):
            raise TypeError(
                f"sample_points is {self.sample_points!r}; give a function of k, or None for the notebook's"
            )
        if self.tasks is None:
            if queries is None:
                raise ValueError(
                    "query_samples=None means all other rows of a task, so it needs tasks=; give a number"
                )
        else:
            self._check_tasks(self.tasks, parameters - self.fit_intercept)
            if self.sample_points is not None:
                raise ValueError(
                    "tasks and sample_points were both given; give one of them: tasks come from one source"
                )
            check_enough_rows(self.tasks, shots, "num_samples")
            if num_tasks > len(self.tasks):
                raise ValueError(
                    f"num_tasks is {num_tasks} but there are {len(self.tasks)} tasks; give at most that many"
                )
        with np.errstate(over="ignore"):
            if not np.isfinite(dtype.type(alpha)):
                raise ValueError(f"alpha is {alpha}, too large for {dtype.name}; give a smaller one")
        learner = lower(
            Logistic(int(self.num_features), intercept=bool(self.fit_intercept)),
            MAMLAlgorithm(int(order), steps, alpha),
            dtype,
        )
        return _Settings(
            learner=learner,
            optimizer=SGD(beta).lower(epochs),
            meta=learner.join(self._checked_theta(parameters, dtype), np.zeros(0)),
            epochs=epochs,
            num_tasks=num_tasks,
            shots=shots,
            queries=queries,
            n_jobs=n_jobs,
            log_every=log_every,
        )

    def _check_tasks(self, tasks: Any, num_features: int) -> None:
        if not isinstance(tasks, TaskSet):
            raise TypeError(
                f"tasks is a {type(tasks).__name__}; make a TaskSet with TaskSet.from_groups(X, y, groups)"
            )
        if tasks.num_features != num_features:
            raise ValueError(
                f"tasks have {tasks.num_features} features but the model has {num_features}; they must agree"
            )
        if tasks is not self._checked_tasks:  # They cannot change, and may be many.
            wrong = np.flatnonzero((tasks.y != 0) & (tasks.y != 1))
            if wrong.size:
                task = int(np.searchsorted(tasks.offsets, wrong[0], side="right")) - 1
                row = wrong[0] - tasks.offsets[task]
                raise ValueError(
                    f"y of the tasks holds {tasks.y[wrong[0]]:g} in row {row} of group "
                    f"{group_name(tasks, task)}; labels must be 0 or 1"
                )
            self._checked_tasks = tasks

    def _checked_theta(self, parameters: int, dtype: np.dtype[Any]) -> np.ndarray:
        theta = as_array("theta", self.theta)
        if theta.shape not in ((parameters, 1), (parameters,)):
            raise ValueError(
                f"theta has shape {theta.shape}; expected ({parameters}, 1), one row for each parameter"
            )
        theta = finite_floats("theta", theta, ROW_COLUMN[: theta.ndim]).reshape(-1)
        with np.errstate(over="ignore"):
            cast: np.ndarray = theta.astype(dtype)
        if not np.isfinite(cast).all():
            raise ValueError(
                f"theta holds {theta[~np.isfinite(cast)][0]:g}, too large for {dtype.name}; give smaller "
                "parameters or dtype='float64'"
            )
        return cast

    def _initial_theta(self) -> np.ndarray:
        parameters = self._check_num_parameters()
        if self.tasks is not None:
            theta = np.zeros(parameters)
        elif self.random_state is not None:
            theta = initial_normals(check_seed(self.random_state), parameters)
        else:
            theta = np.random.normal(size=parameters)
        return theta.reshape(-1, 1).astype(check_dtype(self.dtype))

    def _unadapted(self) -> AdaptedModel:
        settings = self._check()
        theta, _ = settings.learner.split(settings.meta)
        return AdaptedModel(settings.learner.model, _column(theta))

    def _sample_sizes(self, settings: _Settings) -> tuple[int, int, int, int]:
        assert settings.queries is not None  # Checked: only tasks= allows None.
        return settings.num_tasks, settings.shots, settings.queries, settings.learner.model.num_features

    def _source(self, settings: _Settings) -> Any:
        if self.tasks is not None:
            return Table(self.tasks, settings.shots, settings.queries).lower(self.seed_ or 0)
        assert settings.queries is not None  # Checked: only tasks= allows None.
        sizes = (settings.learner.model.num_features, settings.shots, settings.queries)
        if self.random_state is not None:
            return NoiseSpec(np.uint64(self.random_state), *sizes)
        return NotebookNoiseSpec(*sizes)

    # Running.

    def _run(self, settings: _Settings, sampled: SampledTasks | None) -> None:
        source = self._source(settings) if sampled is None else sampled.spec
        exact = isinstance(source, NotebookNoiseSpec)
        # The notebook divides the query gradient by the number of support rows.
        scale = 1.0 if self.tasks is not None else float(settings.queries or 1) / settings.shots
        learner = settings.learner
        # What was measured of how fast epochs run holds for the next call with the same sizes.
        sizes = (
            type(source),
            learner.model,
            learner.algorithm,
            learner.dtype,
            settings.num_tasks,
            settings.shots,
            settings.queries,
            settings.n_jobs,
        )
        training = learner.training(
            source,
            settings.optimizer,
            tasks_per_batch=settings.num_tasks,
            meta=settings.meta,
            epochs=settings.epochs,
            n_jobs=settings.n_jobs,
            scale=scale,
            source_state=borrow_global_state() if exact else None,
            paces=self._paces.get(sizes),
        )
        self._paces[sizes] = training.paces
        first = self.epoch_
        try:
            with _reporter(self.verbose, settings.epochs) as report:
                for losses in self._slices(training, settings, sampled):
                    report.epochs(training.epochs_done - first)
                    if losses is not None:
                        self._log(losses, first, settings.log_every, report)
        except NotFiniteError as error:
            raise FloatingPointError(self._explain(error, training, settings, source)) from None
        finally:
            if sampled is not None:
                source = sampled.of_epoch(training.epochs_done - 1)
            self._keep(training, settings, source, exact)

    def _slices(
        self, training: Training, settings: _Settings, sampled: SampledTasks | None
    ) -> Iterator[Losses | None]:
        if sampled is None:
            yield from training.run(self.epoch_, settings.epochs, settings.log_every)
            return
        for epoch in range(settings.epochs):
            sampled.draw(self.epoch_ + epoch)
            for losses in training.run(self.epoch_ + epoch, 1, 1):
                seen = epoch % settings.log_every == 0 or epoch == settings.epochs - 1
                yield losses if seen else None

    def _log(self, losses: Losses, first: int, log_every: int, report: Any) -> None:
        loss = losses.last_support if self.tasks is None else losses.mean_query
        epoch = losses.epoch - first
        self._final_loss = loss
        if epoch % log_every == 0:
            self.history_.append((losses.epoch, loss))
            report.loss(epoch, loss)

    def _keep(self, training: Training, settings: _Settings, source: Any, exact: bool) -> None:
        """Take over what a run has reached, whole or not."""
        if training.epochs_done > self.epoch_:
            self.theta = _column(settings.learner.split(training.theta)[0])
            self.epoch_ = training.epochs_done
            self._last = _LastEpoch(
                settings,
                source,
                training.previous_theta.copy(),
                training.epochs_done - 1,
                training.replay_epoch,
                training.replay_state,
            )
        if exact:
            return_global_state(training.source_state)

    def _explain(self, error: NotFiniteError, training: Training, settings: _Settings, source: Any) -> str:
        found = settings.learner.find_divergence(error, training, source)
        # The source stands after the epoch that failed, wherever the run ahead had taken it.
        training.source_state[:] = found.source_state
        steps = settings.learner.algorithm.inner_steps
        place, rate = found.place(steps, f"alpha={self.alpha}", f"beta={self.beta}"), "alpha"
        if found.task is None:
            rate = "alpha" if found.in_gradient else "beta"
        elif self.tasks is not None:
            place = f"group {group_name(self.tasks, int(found.words[found.task]))}, {place}"
        before = "" if rate == "beta" else "; where theta had grown too large before, lower beta"
        return (
            f"{error}: {place}; theta as it was before that epoch is kept; lower {rate} or scale the features"
            f"{before}"
        )


def _column(theta: np.ndarray) -> np.ndarray:
    """Return parameters in the notebook's shape, (num_parameters, 1)."""
    return theta.reshape(-1, 1)


def _reporter(verbose: bool | str, epochs: int) -> Any:
    from fastmaml.reporting import NotebookLines, ProgressBar, Silence

    if verbose == "progress":
        return ProgressBar(epochs)
    return NotebookLines() if verbose else Silence()
