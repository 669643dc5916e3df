"""Meta-learning as an estimator does it: with validation tasks, early stopping, and the best kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import Algorithm
from fastmaml.engine.adapting import NEVER, allocate_adapting
from fastmaml.evaluation.baselines import RATES
from fastmaml.learner import Learner, lower
from fastmaml.models import Layered
from fastmaml.optimizers import Optimizer
from fastmaml.runtime.threads import resolve_threads
from fastmaml.sources import Table
from fastmaml.tasks import TaskSet
from fastmaml.training import NotFiniteError

# What a run's seed is changed by (exclusive or) for the rows of validation tasks.
VALIDATION_SEED = 2**63
# For how many epochs "auto" tries each of the inner rates.
SWEEP_EPOCHS = 200


class FitState(NamedTuple):
    """What a callback is told.

    Attributes
    ----------
    epoch : int
        Epochs done.
    loss : float
        Mean query loss over the tasks of the last epoch.
    validation_loss : float or None
        Mean query loss over the validation tasks, if there are any.
    theta : ndarray of shape (num_parameters,)
        The initialisation, for features as the estimator scales them.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    theta: np.ndarray


Callback = Callable[[FitState], Any]


class Data(NamedTuple):
    """Tasks to learn from, and how they are used.

    Attributes
    ----------
    train : TaskSet
        The tasks.
    validation : TaskSet or None
        Others, to stop by.
    shots, queries : int, int or None
        Support rows, and the most query rows, of a task.
    seed : int
        Of all choices.
    """

    train: TaskSet
    validation: TaskSet | None
    shots: int
    queries: int | None
    seed: int


class Schedule(NamedTuple):
    """How long to learn.

    Attributes
    ----------
    epochs, tasks_per_batch : int
        Epochs at most, and tasks of an epoch.
    log_every : int
        Epochs from one look at the validation tasks to the next.
    patience : int or None
        Looks without getting better before it ends; None for never.
    tol : float
        By how much the validation loss has to fall to have got better.
    n_jobs : int or None
        Threads.
    """

    epochs: int
    tasks_per_batch: int
    log_every: int
    patience: int | None
    tol: float
    n_jobs: int | None


class MetaFit(NamedTuple):
    """What comes of it.

    Attributes
    ----------
    meta : ndarray of shape (meta_size,)
        The meta-parameters, padded: those with the least validation loss, if there was one.
    losses : list of float
        Mean query loss over the tasks of every ``log_every``-th epoch.
    validation_losses, validation_scores : list of float
        Of the validation tasks, at the same epochs.
    epochs : int
        Epochs done.
    interrupted : bool
        Whether somebody pressed Ctrl-C.
    optimizer_state : ndarray
        What the optimizer keeps from one epoch to the next, as the last epoch left it.
    """

    meta: np.ndarray
    losses: list[float]
    validation_losses: list[float]
    validation_scores: list[float]
    epochs: int
    interrupted: bool
    optimizer_state: np.ndarray


class Validation:
    """Validation tasks with fixed support and query rows, scored again and again."""

    def __init__(self, learner: Learner, data: Data, n_jobs: int | None) -> None:
        assert data.validation is not None
        tasks, steps = len(data.validation), learner.algorithm.inner_steps
        self._meta = learner.join(learner.model.initial_theta(0), learner.initial_rates())
        self._piece = allocate_adapting(
            learner.model_spec,
            learner.algorithm_spec,
            Table(data.validation, data.shots).lower(data.seed ^ VALIDATION_SEED),
            tasks_per_batch=tasks,
            theta=self._meta,
            steps=steps,
            epochs=(0, 0),
            score_steps=(steps,),
            want_scores=True,
            want_thetas=False,
            workers=min(resolve_threads(n_jobs), tasks),
        )

    def __call__(self, meta: np.ndarray) -> tuple[float, float]:
        """Return the mean loss and the mean score over the tasks; infinite where one diverged."""
        self._meta[:] = meta
        self._piece.run()
        work = self._piece.record
        loss = float(work.losses_out.mean())
        if (work.bad_step_out != NEVER).any() or not np.isfinite(loss):
            loss = np.inf
        return loss, float(work.scores_out.mean())


def meta_fit(
    learner: Learner,
    optimizer: Optimizer,
    data: Data,
    schedule: Schedule,
    *,
    meta: np.ndarray,
    callbacks: tuple[Callback, ...] = (),
    report: Any = None,
    first_epoch: int = 0,
    optimizer_state: np.ndarray | None = None,
    horizon: int | None = None,
) -> MetaFit:
    """Learn an initialisation, from given meta-parameters, an epoch's address and the optimizer's state.

    ``horizon``: the epoch that the optimizer's schedule ends with; default: the last.

    Raises
    ------
    FloatingPointError
        If the parameters turn infinite or NaN.
    """
    training = learner.training(
        Table(data.train, data.shots, data.queries).lower(data.seed),
        optimizer.lower(schedule.epochs if horizon is None else horizon),
        tasks_per_batch=schedule.tasks_per_batch,
        meta=meta,
        epochs=schedule.epochs,
        n_jobs=schedule.n_jobs,
    )
    if optimizer_state is not None and optimizer_state.shape != training.optimizer_state.shape:
        raise ValueError("solver is another than the one that learned so far; set it back, or fit anew")
    if optimizer_state is not None:
        training.optimizer_state[:] = optimizer_state
    validate = None if data.validation is None else Validation(learner, data, schedule.n_jobs)
    # Where it starts may be where others have ended: it is among what the best is chosen of.
    best, since_best = meta.copy(), 0
    best_loss = np.inf if validate is None else validate(meta)[0]
    curve: list[float] = []
    losses: list[float] = []
    scores: list[float] = []
    done, interrupted = 0, False
    try:
        while done < schedule.epochs:
            count = min(schedule.log_every, schedule.epochs - done)
            last = None
            for found in training.run(first_epoch + done, count, count, log_first=False):
                last = found or last
                if report is not None:
                    report.epochs(training.epochs_done - first_epoch)
            assert last is not None  # The last epoch has a loss.
            done += count
            curve.append(last.mean_query)
            if report is not None:
                report.loss(last.epoch, last.mean_query)
            if validate is not None:
                loss, score = validate(training.theta)
                losses.append(loss)
                scores.append(score)
                since_best = 0 if loss < best_loss - schedule.tol else since_best + 1
                if loss < best_loss:
                    best, best_loss = training.theta.copy(), loss
            state = FitState(
                done, curve[-1], losses[-1] if losses else None, learner.split(training.theta)[0]
            )
            # All are asked: none goes without the news because another wants to stop.
            answers = [bool(callback(state)) for callback in callbacks]
            if any(answers):
                break
            if schedule.patience is not None and validate is not None and since_best >= schedule.patience:
                break
    except NotFiniteError as error:
        found_at = learner.find_divergence(error, training, training.work.drawn.record.source)
        rate = learner.algorithm.inner_rate
        place = found_at.place(
            learner.algorithm.inner_steps, f"inner_rate={rate}", f"learning_rate={optimizer.learning_rate}"
        )
        raise FloatingPointError(
            f"{error}: {place}; lower the inner rate or the learning rate, or set clip_norm in "
            "algorithm_params"
        ) from None
    except KeyboardInterrupt:
        done, interrupted = training.epochs_done - first_epoch, True
    kept = best if schedule.patience is not None and np.isfinite(best_loss) else training.theta.copy()
    return MetaFit(kept, curve, losses, scores, done, interrupted, training.optimizer_state.copy())


def choose_rate(
    model: Layered,
    algorithm: Algorithm,
    optimizer: Optimizer,
    data: Data,
    schedule: Schedule,
    *,
    dtype: Any,
    theta: np.ndarray,
) -> tuple[float, dict[float, float]]:
    """Return the inner rate of `RATES` that short runs do best with, and the validation loss of each.

    Raises
    ------
    FloatingPointError
        If all of them diverge.
    """
    found: dict[float, float] = {}
    short = schedule._replace(
        epochs=min(SWEEP_EPOCHS, schedule.epochs), log_every=SWEEP_EPOCHS, patience=None
    )
    for rate in RATES:
        learner = lower(model, replace(algorithm, inner_rate=rate), dtype)  # type: ignore[type-var]
        try:
            fit = meta_fit(learner, optimizer, data, short, meta=learner.join(theta, learner.initial_rates()))
        except FloatingPointError:
            found[rate] = np.inf
            continue
        if fit.interrupted:
            raise KeyboardInterrupt
        found[rate] = fit.validation_losses[-1]
    best = min(found, key=lambda rate: found[rate])
    if not np.isfinite(found[best]):
        raise FloatingPointError(
            f"adapting diverges with every inner rate from {RATES[0]:g} to {RATES[-1]:g}; scale the "
            "features, or give an inner_rate"
        )
    return best, found
