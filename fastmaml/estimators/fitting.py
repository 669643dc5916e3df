"""What an estimator's ``fit`` does: with groups meta-learning, without them ordinary training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Algorithm
from fastmaml.arrays import counted
from fastmaml.estimators.groups import GroupTable
from fastmaml.estimators.meta_fit import Callback, Data, Schedule, choose_rate, meta_fit
from fastmaml.group_adapter import adapt_groups
from fastmaml.learner import Learner, lower
from fastmaml.models import Layered
from fastmaml.optimizers import Optimizer
from fastmaml.pooled import train_pooled
from fastmaml.reporting import ProgressBar, Silence
from fastmaml.scaling import Scaling, scaled_tasks
from fastmaml.sources import group_name
from fastmaml.task_adapter import TaskAdapter
from fastmaml.tasks import TaskSet
from fastmaml.warning import warn

# The inner rate where there is nothing to choose one by.
FIXED_RATE = 0.1
# Groups, at least, for some of them to be held out.
LEAST_GROUPS = 5


class Request(NamedTuple):
    """An estimator's parameters, checked.

    Attributes
    ----------
    schedule : Schedule
        How long to learn.
    callbacks : tuple of callable
        Asked after every look at the validation tasks.
    make_parts : callable
        Makes algorithm and optimizer of an inner rate.
    inner_rate : float or array_like or None
        None: to be chosen.
    shots, queries : int, int or None
        Rows of a task.
    validation_fraction : float
        The share of the tasks that are held out, where some are needed to stop or to choose a rate by.
    drop : bool
        Whether groups that are too small are dropped.
    standardize, scale_targets : bool
        Whether features and targets are brought to mean 0 and variance 1.
    dtype : dtype
        Of the run.
    seed : int
        Of all choices.
    verbose : bool
        Whether to show a bar.
    """

    schedule: Schedule
    callbacks: tuple[Callback, ...]
    make_parts: Callable[[Any], tuple[Algorithm, Optimizer]]
    inner_rate: Any
    shots: int
    queries: int | None
    validation_fraction: float
    drop: bool
    standardize: bool
    scale_targets: bool
    dtype: np.dtype[Any]
    seed: int
    verbose: bool

    def parts(self, rate: Any = None) -> tuple[Algorithm, Optimizer]:
        """Return algorithm and optimizer, with an inner rate where one was chosen."""
        if rate is None:
            rate = FIXED_RATE if self.inner_rate is None else self.inner_rate
        return self.make_parts(rate)


class State(NamedTuple):
    """What learning has come to: all that is needed to predict, to adapt and to go on.

    Attributes
    ----------
    learner : Learner
        Model and algorithm.
    meta : ndarray of shape (meta_size,)
        The meta-parameters, padded.
    adapter : TaskAdapter
        Adapts to one task.
    features, targets : Scaling
        What rows and targets are brought to.
    seed : int
        The seed in use.
    groups : GroupTable or None
        Parameters of the groups seen in fitting; None without groups, or for one that is adapted itself.
    epochs : int
        Epochs done: the address of the next.
    optimizer_state : ndarray or None
        What the optimizer keeps from one epoch to the next.
    """

    learner: Learner
    meta: np.ndarray
    adapter: TaskAdapter
    features: Scaling
    targets: Scaling
    seed: int
    groups: GroupTable | None
    epochs: int
    optimizer_state: np.ndarray | None

    def continued(self, model: Layered) -> np.ndarray | None:
        """Return the parameters, where they are those of the same model."""
        if self.learner.model != model:
            warn(
                "warm_start has nothing to go on from: the last fit was of "
                f"{self.learner.model}, this one is of {model}; it starts anew"
            )
            return None
        return self.learner.split(self.meta)[0].astype(np.float64)


class Fitted(NamedTuple):
    """What comes of fitting.

    Attributes
    ----------
    state : State
        To go on with.
    iterations : int
        Epochs, or iterations of L-BFGS.
    losses : list of float
        The loss curve.
    scores : list of float
        Scores of the validation tasks, as the engine has them; empty where there are none.
    sweep : dict or None
        The validation loss of each inner rate that was tried.
    converged : bool
        False where L-BFGS used up its iterations.
    """

    state: State
    iterations: int
    losses: list[float]
    scores: list[float]
    sweep: dict[float, float] | None
    converged: bool = True


def fit_pooled(
    request: Request,
    model: Layered,
    X: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    *,
    before: State | None,
) -> Fitted:
    """Train on all rows; from where ``before`` has ended, if it is given and was of the same model."""
    start = None if before is None else before.continued(model)
    features, scaling = _scalings(request, X, targets, weights, before if start is not None else None)
    algorithm, _ = request.parts()
    learner = lower(model, algorithm, request.dtype)
    result = train_pooled(
        model,
        features.apply(X),
        scaling.apply(targets),
        weights,
        theta=model.initial_theta(request.seed) if start is None else start,
        max_iter=request.schedule.epochs,
        n_jobs=request.schedule.n_jobs,
    )
    meta = learner.join(result.theta.astype(learner.dtype), _rates(learner, before))
    state = State(learner, meta, TaskAdapter(learner), features, scaling, request.seed, None, 0, None)
    return Fitted(state, max(1, result.iterations), result.losses, [], None, result.converged)


def fit_tasks(request: Request, model: Layered, tasks: TaskSet, *, before: State | None) -> Fitted:
    """Meta-learn from tasks; from where ``before`` has ended, if it is given and was of the same model."""
    train, validation = _split(request, tasks)
    start = None if before is None else before.continued(model)
    before = before if start is not None else None
    features, scaling = _scalings(request, train.X, train.y[:, np.newaxis], None, before)
    data = Data(
        scaled_tasks(train, features, scaling),
        None if validation is None else scaled_tasks(validation, features, scaling),
        request.shots,
        request.queries,
        request.seed,
    )
    schedule = _fitting_batches(request.schedule, train)
    start = model.initial_theta(request.seed) if start is None else start
    rate, sweep = None, None
    if request.inner_rate is None and validation is not None:
        rate, sweep = choose_rate(model, *request.parts(), data, schedule, dtype=request.dtype, theta=start)
    algorithm, optimizer = request.parts(rate)
    learner = lower(model, algorithm, request.dtype)
    with ProgressBar(schedule.epochs) if request.verbose else Silence() as report:
        fit = meta_fit(
            learner,
            optimizer,
            data,
            schedule,
            meta=learner.join(start, _rates(learner, before)),
            callbacks=request.callbacks,
            report=report,
        )
    if fit.interrupted:
        warn(f"interrupted after {fit.epochs} epochs; what was learned until then is kept")
    groups = _adapted(learner, fit.meta, scaled_tasks(tasks, features, scaling), schedule.n_jobs)
    state = State(
        learner,
        fit.meta,
        TaskAdapter(learner),
        features,
        scaling,
        request.seed,
        groups,
        fit.epochs,
        fit.optimizer_state,
    )
    return Fitted(state, fit.epochs, fit.losses, fit.validation_scores, sweep)


def beginning(request: Request, model: Layered, tasks: TaskSet) -> State:
    """Return what there is before anything is learned, with the scales of the first tasks."""
    features, scaling = _scalings(request, tasks.X, tasks.y[:, np.newaxis], None, None)
    algorithm, _ = request.parts()
    learner = lower(model, algorithm, request.dtype)
    start = model.initial_theta(request.seed).astype(learner.dtype)
    meta = learner.join(start, learner.initial_rates())
    return State(learner, meta, TaskAdapter(learner), features, scaling, request.seed, None, 0, None)


def go_on(request: Request, state: State, tasks: TaskSet) -> Fitted:
    """Go through tasks once, from where learning has come to, with its scales and optimizer."""
    scaled = scaled_tasks(tasks, state.features, state.targets)
    large = _large(request, scaled)
    schedule = _fitting_batches(request.schedule, large)
    schedule = schedule._replace(epochs=-(-len(large) // schedule.tasks_per_batch))
    _, optimizer = request.parts()
    fit = meta_fit(
        state.learner,
        optimizer,
        Data(large, None, request.shots, request.queries, state.seed),
        schedule,
        meta=state.meta,
        callbacks=request.callbacks,
        first_epoch=state.epochs,
        horizon=request.schedule.epochs,
        optimizer_state=state.optimizer_state,
    )
    groups = _adapted(state.learner, fit.meta, scaled, schedule.n_jobs)
    known = groups if state.groups is None else state.groups.joined(groups)
    epochs = state.epochs + fit.epochs
    after = state._replace(meta=fit.meta, groups=known, epochs=epochs, optimizer_state=fit.optimizer_state)
    return Fitted(after, epochs, fit.losses, [], None)


def _fitting_batches(schedule: Schedule, tasks: TaskSet) -> Schedule:
    return schedule._replace(tasks_per_batch=min(schedule.tasks_per_batch, len(tasks)))


def _scalings(
    request: Request,
    X: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    before: State | None,
) -> tuple[Scaling, Scaling]:
    """Return the scales of features and targets: those that the parameters to go on with are for, if any."""
    if before is not None:
        return before.features, before.targets
    return (
        Scaling.standard("X", X, weights) if request.standardize else Scaling.none(X.shape[1]),
        Scaling.standard("y", targets, weights) if request.scale_targets else Scaling.none(targets.shape[1]),
    )


def _rates(learner: Learner, before: State | None) -> np.ndarray:
    """Return the learned rates to start from: those learned before, where they are as many."""
    if before is not None and before.learner.rates_shape == learner.rates_shape:
        return before.learner.split(before.meta)[1].astype(learner.dtype)
    return learner.initial_rates()


def _adapted(learner: Learner, meta: np.ndarray, tasks: TaskSet, n_jobs: int | None) -> GroupTable:
    """Adapt to all rows of every group; one that diverges answers with the starting point."""
    steps = learner.algorithm.inner_steps
    adapted = adapt_groups(
        learner, meta, tasks.X, tasks.y[:, np.newaxis], tasks.offsets, steps=steps, n_jobs=n_jobs
    )
    if adapted.diverged.any():
        warn(
            f"{np.count_nonzero(adapted.diverged)} of {len(tasks)} groups diverge when adapted to all of "
            "their rows; they are predicted from the starting point"
        )
    thetas = np.where(adapted.diverged[:, np.newaxis], learner.split(meta)[0], adapted.thetas)
    return GroupTable(tasks.labels, thetas)


def _large(request: Request, tasks: TaskSet) -> TaskSet:
    """Leave out groups that are too small, which is said, or refuse them."""
    needed = request.shots + 1
    small = tasks.rows < needed
    if not small.any():
        return tasks
    if not request.drop or small.all():
        first = int(np.argmax(small))
        advice = "" if small.all() else ", or drop them with small_groups='drop'"
        raise ValueError(
            f"group {group_name(tasks, first)} has {tasks.rows[first]} rows, but shots={request.shots} needs "
            f"at least {needed} (one must remain to test on); {np.count_nonzero(small)} of {len(tasks)} "
            f"groups are too small: lower shots{advice}"
        )
    warn(
        f"{np.count_nonzero(small)} of {len(tasks)} groups have fewer than {needed} rows, too few for "
        f"shots={request.shots}, and are not learned from"
    )
    return tasks.subset(~small)


def _split(request: Request, tasks: TaskSet) -> tuple[TaskSet, TaskSet | None]:
    """Hold out some of the tasks, where they are needed and there are enough."""
    large = _large(request, tasks)
    if request.schedule.patience is None and request.inner_rate is not None:
        return large, None
    if len(large) < LEAST_GROUPS:
        fixed = f", and inner_rate is {FIXED_RATE}" if request.inner_rate is None else ""
        warn(f"{counted(len(large), 'group')}, too few to hold some out: training does not stop early{fixed}")
        return large, None
    held_out = int(np.ceil(request.validation_fraction * len(large)))
    if held_out >= len(large):
        raise ValueError(
            f"validation_fraction={request.validation_fraction} holds out all {len(large)} groups; give a "
            "smaller share"
        )
    return large.split(request.validation_fraction, random_state=request.seed)
