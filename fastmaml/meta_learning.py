"""Meta-learning of any model, by any algorithm, on any source, with any optimizer: `meta_train`.

Nothing is computed here: the four parts are checked, lowered to their specs and handed to
`fastmaml.training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastmaml.adapted import AdaptedModel
from fastmaml.algorithms import Algorithm
from fastmaml.arrays import check_fits, check_vector, read_only
from fastmaml.engine.adapting import NEVER, adapt_epoch
from fastmaml.evaluation import FewShotReport, evaluate
from fastmaml.evaluation.subject import Subject, check_tasks
from fastmaml.intervals import mean_interval
from fastmaml.learner import Learner, given_tasks, lower
from fastmaml.models import (
    Model,
    check_features,
    check_targets,
    num_parameters,
)
from fastmaml.optimizers import SGD, Optimizer, as_optimizer
from fastmaml.random_state import seed_from_system
from fastmaml.scaling import Scaling
from fastmaml.sources import Source, Table, as_source
from fastmaml.task_adapter import TaskAdapter
from fastmaml.tasks import TaskSet
from fastmaml.training import NotFiniteError, Training
from fastmaml.validation import (
    MOST_EPOCHS,
    MOST_STEPS,
    check_count,
    check_flag,
    check_n_jobs,
    check_numbers,
    check_seed,
)

# What a run's seed is changed by (exclusive or) for tasks that it has not seen.
OTHER_SEED = 2**63


class MetaGradient(NamedTuple):
    """A meta-gradient.

    Attributes
    ----------
    gradient : ndarray of shape (num_parameters,)
        The mean over the tasks of the gradients for theta.
    loss : float
        The mean over the tasks of the mean query loss after adapting.
    """

    gradient: np.ndarray
    loss: float


class MetaGradientWithRates(NamedTuple):
    """A meta-gradient where inner rates are learned, too.

    Attributes
    ----------
    gradient : ndarray of shape (num_parameters,)
        The mean over the tasks of the gradients for theta.
    loss : float
        The mean over the tasks of the mean query loss after adapting.
    rate_gradient : ndarray in the shape of the learned rates
        The mean over the tasks of the gradients for them.
    """

    gradient: np.ndarray
    loss: float
    rate_gradient: np.ndarray


class TaskScores(NamedTuple):
    """How tasks did after some numbers of inner steps.

    Attributes
    ----------
    steps : ndarray of shape (S,) of int64
        Inner steps.
    losses : ndarray of shape (num_tasks, S)
        Mean query loss of each task. Infinite or NaN where a task diverged.
    scores : ndarray of shape (num_tasks, S)
        Of a classifier the share of the query rows that is right, else the mean squared error.
    diverged : ndarray of shape (num_tasks,) of bool
        Whether the parameters of a task turned infinite or NaN.
    loss_interval, score_interval : ndarray of shape (S, 2)
        95 % confidence intervals of the means over the tasks, by Student's t; NaN with a single task, or
        where a task diverged.
    """

    steps: np.ndarray
    losses: np.ndarray
    scores: np.ndarray
    diverged: np.ndarray

    @property
    def loss_interval(self) -> np.ndarray:
        """95 % confidence interval of the mean loss, (S, 2)."""
        return mean_interval(self.losses)

    @property
    def score_interval(self) -> np.ndarray:
        """95 % confidence interval of the mean score, (S, 2)."""
        return mean_interval(self.scores)


class MetaLearned:
    """What `meta_train` returns.

    Attributes
    ----------
    model, algorithm : Model, Algorithm
        As given.
    theta : ndarray of shape (num_parameters,), read-only
        The initialisation: layer by layer the weights (inputs, outputs) in C order, then the biases. Another
        one may be assigned.
    inner_rates : ndarray, read-only
        The learned rates: (num_parameters,), (layers,) or (inner_steps, layers), as the algorithm says;
        empty where none are learned. Others may be assigned.
    history : list of (int, float)
        Epoch, and mean query loss over its tasks after adapting, of every logged epoch. Reptile adapts on the
        query rows, too: there it is a loss of training.
    seed : int
        The seed in use.
    epochs : int
        Epochs trained.
    """

    def __init__(self, learner: Learner, meta: np.ndarray, seed: int) -> None:
        self._learner, self._adapter = learner, TaskAdapter(learner)
        self.model, self.algorithm = learner.model, learner.algorithm
        self._meta, self.seed = meta, seed
        self.history: list[tuple[int, float]] = []
        self.epochs = 0
        self._source: Source | None = None

    def __repr__(self) -> str:
        return f"<MetaLearned {self.model!r} by {self.algorithm!r}, {self.epochs} epochs>"

    @property
    def theta(self) -> np.ndarray:
        """The initialisation, (num_parameters,)."""
        return read_only(self._learner.split(self._meta)[0])

    @theta.setter
    def theta(self, theta: Any) -> None:
        learner = self._learner
        start = check_vector("theta", theta, (num_parameters(learner.model_spec),), learner.dtype)
        self._meta = learner.join(start, self.inner_rates)

    @property
    def inner_rates(self) -> np.ndarray:
        """The learned rates, in their shape."""
        return read_only(self._learner.split(self._meta)[1])

    @inner_rates.setter
    def inner_rates(self, rates: Any) -> None:
        self._meta = self._learner.join(self.theta, self._learner.initial_rates(rates))

    def adapt(self, X: Any, y: Any, steps: int | None = None) -> AdaptedModel:
        """Adapt to one task; nothing here is changed.

        Parameters
        ----------
        X : array_like of shape (rows, num_features)
            Rows.
        y : array_like of shape (rows,) or (rows, num_targets)
            Their targets.
        steps : int, optional
            Inner steps, 0 or more. Default: as in training.

        Raises
        ------
        ValueError, TypeError
            If rows or targets do not fit the model.
        FloatingPointError
            If the parameters turn infinite or NaN.
        """
        steps = self.algorithm.inner_steps if steps is None else check_count("steps", steps, 0, MOST_STEPS)
        learner = self._learner
        rows = check_features(self.model, "X", X, least=1)
        targets = check_targets(self.model, "y", y, (len(rows),))
        check_fits("X", rows, learner.dtype)
        check_fits("y", targets, learner.dtype)
        theta, bad_step = self._adapter.adapt(self._meta, rows, targets, steps)
        if bad_step is not None:
            raise FloatingPointError(
                f"the parameters turned infinite or NaN in step {bad_step} of adapting with "
                f"{_rate_of(learner)}; lower it, scale the features, or set clip_norm"
            )
        return AdaptedModel.of_checked(self.model, theta)

    def score(
        self,
        source: Source,
        num_tasks: int | None = None,
        steps: Sequence[int] = (0, 1, 5, 10),
        random_state: int | None = None,
        n_jobs: int | None = None,
    ) -> TaskScores:
        """Adapt to tasks of a source and score each on its query rows.

        Parameters
        ----------
        source : Source
            Where the tasks come from.
        num_tasks : int, optional
            How many. Default: all, where the source has a number of them.
        steps : sequence of int, default=(0, 1, 5, 10)
            After how many inner steps to score; 0 is theta itself.
        random_state : int, optional
            Seed of the tasks: that of training gives the tasks of training. Default: another one, a function
            of it.
        n_jobs : int or None, default=None
            Threads; None for all.
        """
        source = _source_for(source, self.model)
        if num_tasks is None:
            num_tasks = source.num_tasks
        if num_tasks is None:
            raise TypeError(f"{type(source).__name__} has no number of tasks; give num_tasks")
        numbers = check_numbers("steps", steps, 0, MOST_STEPS)
        learner = self._learner
        result = adapt_epoch(
            learner.model_spec,
            learner.algorithm_spec,
            source.lower(self.seed ^ OTHER_SEED if random_state is None else check_seed(random_state)),
            tasks_per_batch=_check_batch("num_tasks", num_tasks, source),
            theta=self._meta,
            steps=max(numbers),
            score_steps=numbers,
            n_jobs=check_n_jobs(n_jobs),
        )
        return TaskScores(np.array(numbers), result.losses, result.scores, result.bad_step != NEVER)

    def evaluate(
        self,
        tasks: TaskSet,
        shots: int | Sequence[int] = (1, 2, 5, 10),
        steps: int | Sequence[int] = (0, 1, 5, 10),
        **options: Any,
    ) -> FewShotReport:
        """Evaluate on tasks never seen, beside what is simpler: `fastmaml.evaluate`, with its options.

        Parameters
        ----------
        tasks : TaskSet
            Tasks that training has not seen.
        shots, steps : int or sequence of int
            Numbers of rows to adapt on, and of inner steps.
        **options
            As `fastmaml.evaluate` has them. The tasks of training are those of the source, where it has any.
        """
        return evaluate(self, tasks, shots, steps, **options)

    def _subject(self, tasks: Any, train_tasks: Any) -> Subject:
        """Check tasks, and return all that `fastmaml.evaluate` needs."""
        model, source = self.model, self._source
        shots = None
        if isinstance(source, Table):
            shots = int(source.shots)
            train_tasks = source.tasks if train_tasks is None else train_tasks
        model.check_targets("y of test_tasks", check_tasks("test_tasks", tasks, model.num_features).y)
        if train_tasks is not None:
            check_tasks("train_tasks", train_tasks, model.num_features)
            model.check_targets("y of train_tasks", train_tasks.y)
        return Subject(
            name=type(self.algorithm).__name__,
            learner=self._learner,
            meta=self._meta,
            features=Scaling.none(model.num_features),
            targets=Scaling.none(model.num_targets),
            tasks=tasks,
            train_tasks=train_tasks,
            shots=shots,
            n_jobs=None,
        )


def _rate_of(learner: Learner) -> str:
    rate = learner.algorithm.inner_rate
    if learner.rates_shape != (0,):
        return "the inner rates as learned so far"
    if isinstance(rate, float):
        return f"inner_rate={rate}"
    return f"inner rates from {np.min(rate):g} to {np.max(rate):g}"


def _source_for(source: Any, model: Model) -> Source:
    """Return a source, from itself or from a spec, that fits a model."""
    source = as_source(source)
    source.check(model)
    return source


def _check_batch(name: str, value: Any, source: Source) -> int:
    count = check_count(name, value)
    if source.num_tasks is not None and count > source.num_tasks:
        raise ValueError(f"{name} is {count} but there are {source.num_tasks} tasks; give at most that many")
    return count


def meta_train(
    model: Any,
    algorithm: Algorithm,
    source: Source,
    optimizer: Optimizer,
    *,
    tasks_per_batch: int,
    epochs: int,
    dtype: Any = "float64",
    random_state: int | None = None,
    theta: Any = None,
    inner_rates: Any = None,
    n_jobs: int | None = None,
    verbose: bool = False,
    log_every: int = 1000,
) -> MetaLearned:
    """Meta-learn an initialisation.

    Parameters
    ----------
    model : Model
        One of `fastmaml.models`, or a spec of your own.
    algorithm : Algorithm
        One of `fastmaml.algorithms`.
    source : Source
        One of `fastmaml.sources`, or a spec of your own.
    optimizer : Optimizer
        One of `fastmaml.optimizers`, or a spec of your own.
    tasks_per_batch : int
        Tasks an epoch.
    epochs : int
        Outer steps. With 0 nothing is learned: what is returned adapts from ``theta`` as given.
    dtype : {"float64", "float32"}, default="float64"
        Type of the parameters and the arithmetic.
    random_state : int, optional
        Seed, from 0 to 2**64 - 1; with None it comes from the operating system. The same seed gives the same
        bits for any number of threads.
    theta : array_like of shape (num_parameters,), optional
        Where to start. Default: the model's initialiser.
    inner_rates : array_like, optional
        Where learned rates start, in the shape of `MetaLearned.inner_rates`. Default: the algorithm's
        ``inner_rate``.
    n_jobs : int or None, default=None
        Threads; None (and -1) means all cores; more than there are is capped.
    verbose : bool, default=False
        Whether to show a bar on standard error.
    log_every : int, default=1000
        Epochs from one logged loss to the next; the last epoch is logged, too.

    Returns
    -------
    MetaLearned
        With theta, adapting and scoring.

    Raises
    ------
    ValueError, TypeError
        For a wrong argument, or parts that do not fit each other, before any work.
    FloatingPointError
        If the parameters turn infinite or NaN: names epoch, task, step and rate.
    KeyboardInterrupt
        On Ctrl-C, between two epochs. The attribute ``run`` of this exception, and of a FloatingPointError,
        holds what was learned until then, as it would have been returned.
    """
    learner = lower(model, algorithm, dtype)
    source = _source_for(source, learner.model)
    optimizer = as_optimizer(optimizer)
    tasks = _check_batch("tasks_per_batch", tasks_per_batch, source)
    epochs = check_count("epochs", epochs, 0, MOST_EPOCHS)
    log_every = check_count("log_every", log_every, maximum=MOST_EPOCHS)
    seed = seed_from_system() if random_state is None else check_seed(random_state)
    n_jobs = check_n_jobs(n_jobs)
    check_flag("verbose", verbose)
    start = learner.model.initial_theta(seed) if theta is None else theta
    start = check_vector("theta", start, (num_parameters(learner.model_spec),), learner.dtype)
    rates = learner.initial_rates(inner_rates)

    run = MetaLearned(learner, learner.join(start, rates), seed)
    run._source = source
    if epochs == 0:
        return run
    spec = source.lower(seed)
    from fastmaml.reporting import ProgressBar, Silence

    training: Training | None = None
    try:
        training = learner.training(
            spec,
            optimizer.lower(epochs),
            tasks_per_batch=tasks,
            meta=run._meta,
            epochs=epochs,
            n_jobs=n_jobs,
        )
        with ProgressBar(epochs) if verbose else Silence() as report:
            for losses in training.run(0, epochs, log_every):
                report.epochs(training.epochs_done)
                if losses is not None:
                    run.history.append((losses.epoch, losses.mean_query))
                    report.loss(losses.epoch, losses.mean_query)
    except NotFiniteError as error:
        assert training is not None  # Nothing else raises this.
        stop = FloatingPointError(_explain(error, training, learner, spec, optimizer))
        stop.run = run  # type: ignore[attr-defined]
        raise stop from None
    except KeyboardInterrupt as stop:
        stop.run = run  # type: ignore[attr-defined]
        raise
    finally:
        if training is not None:
            run._meta = training.theta.copy()
            run.epochs = training.epochs_done
    return run


def _explain(
    error: NotFiniteError, training: Training, learner: Learner, source: Any, optimizer: Optimizer
) -> str:
    found = learner.find_divergence(error, training, source)
    place = found.place(
        learner.algorithm.inner_steps,
        _rate_of(learner),
        repr(optimizer) if optimizer.learning_rate is None else f"learning_rate={optimizer.learning_rate}",
    )
    if found.task is None and not found.in_gradient:
        return f"{error}: {place}; lower the learning rate, or give the optimizer a clip_norm"
    return (
        f"{error}: {place}; lower the inner rate, scale the features, or give the algorithm a clip_norm; "
        "where theta had grown too large before, lower the learning rate"
    )


def meta_gradient(
    model: Any,
    algorithm: Algorithm,
    theta: Any,
    X_support: Any,
    y_support: Any,
    X_query: Any,
    y_query: Any,
    *,
    inner_rates: Any = None,
    epoch: int = 0,
    dtype: Any = "float64",
) -> MetaGradient | MetaGradientWithRates:
    """Return the meta-gradient on given tasks, and the loss.

    Parameters
    ----------
    model : Model
        One of `fastmaml.models`, or a spec of your own.
    algorithm : Algorithm
        One of `fastmaml.algorithms`. For Reptile the gradient is ``theta - theta_K``.
    theta : array_like of shape (num_parameters,)
        The initialisation.
    X_support : array_like of shape (num_tasks, rows, num_features)
        Support rows.
    y_support : array_like of shape (num_tasks, rows) or (num_tasks, rows, num_targets)
        Their targets.
    X_query : array_like of shape (num_tasks, rows, num_features)
        Query rows; as many a task as there are.
    y_query : array_like of shape (num_tasks, rows) or (num_tasks, rows, num_targets)
        Their targets.
    inner_rates : array_like, optional
        Learned rates, in the shape of `MetaLearned.inner_rates`. Default: the algorithm's ``inner_rate``.
    epoch : int, default=0
        The epoch, where an algorithm changes with it.
    dtype : {"float64", "float32"}, default="float64"
        Type of the arithmetic and of the result.

    Returns
    -------
    MetaGradient or, where rates are learned, MetaGradientWithRates
        Named tuples: gradient, loss (and rate_gradient), means over the tasks.

    Raises
    ------
    ValueError, TypeError
        For a wrong argument, before any work.
    FloatingPointError
        If the gradient is infinite or NaN.
    """
    learner = lower(model, algorithm, dtype)
    epoch = check_count("epoch", epoch, 0, MOST_EPOCHS)
    start = check_vector("theta", theta, (num_parameters(learner.model_spec),), learner.dtype)
    rates = learner.initial_rates(inner_rates)
    arrays = []
    for kind, X, y in (("support", X_support, y_support), ("query", X_query, y_query)):
        rows = check_features(learner.model, f"X_{kind}", X, axes=("num_tasks", "rows"), least=1)
        targets = check_targets(learner.model, f"y_{kind}", y, rows.shape[:2])
        check_fits(f"X_{kind}", rows, learner.dtype)
        check_fits(f"y_{kind}", targets, learner.dtype)
        arrays += [rows, targets]
    tasks = len(arrays[0])
    if len(arrays[2]) != tasks:
        raise ValueError(
            f"X_query has {len(arrays[2])} tasks but X_support has {tasks}; give as many of both"
        )
    source = given_tasks(*arrays)
    training = learner.training(
        source,
        SGD(0.0).lower(1),
        tasks_per_batch=tasks,
        meta=learner.join(start, rates),
        epochs=1,
        n_jobs=1,
    )
    try:
        (losses,) = (losses for losses in training.run(epoch, 1, 1) if losses is not None)
    except NotFiniteError as error:
        place = learner.find_divergence(error, training, source).place(
            learner.algorithm.inner_steps, _rate_of(learner), ""
        )
        raise FloatingPointError(
            f"the meta-gradient is infinite or NaN: {place}; lower the inner rate, scale the features, or "
            "give the algorithm a clip_norm"
        ) from None
    gradient, rate_gradient = learner.split(training.gradient)
    if rates.size == 0:
        return MetaGradient(gradient, losses.mean_query)
    return MetaGradientWithRates(gradient, losses.mean_query, rate_gradient)
