"""What is simpler than meta-learning, scored on the same support and query rows.

- ``constant``: the frequencies of the classes (each count plus a half), or the mean target, of the training
  rows.
- ``pooled``: the same model, trained on the rows of all training tasks as if there were no tasks.
- ``pooled, fine-tuned``: from the same model trained on four fifths of the tasks, gradient steps on the
  support rows. Inner rate and number of steps are those that do best from there on the other fifth: from
  another start, or on tasks that it knows, they could be too large by far.
- ``from scratch``: the same from the model's untrained start, with up to `SCRATCH_STEPS` steps.
- ``nearest class mean``: the class whose support rows' mean is nearest, of classifiers; of a regression
  ``group mean``, the mean of the support rows' targets.

The first three need the training tasks. Without them, or where none of them has more rows than the shots,
``from scratch`` has the inner rate of the model and all steps asked for, and there is no fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastmaml.algorithms import MAML
from fastmaml.evaluation.measuring import Bench, Scores
from fastmaml.evaluation.metrics import metric_names, segment_means
from fastmaml.learner import Learner, lower
from fastmaml.models import Layered
from fastmaml.pooled import train_pooled
from fastmaml.tasks import TaskSet

CONSTANT, POOLED, TUNED, SCRATCH = "constant", "pooled", "pooled, fine-tuned", "from scratch"
CLASS_MEAN, GROUP_MEAN = "nearest class mean", "group mean"
# What rates and steps are chosen from: half decades, for features of unit variance.
RATES = tuple(10.0 ** (exponent / 2) for exponent in range(-6, 2))
SCRATCH_STEPS = (1, 5, 10, 30, 100)
# Training tasks, at most, that they are chosen on; iterations of pooled training, at most.
TUNING_TASKS, POOLED_ITERATIONS = 300, 1000
# The least rate of counts that means predict: the logarithm of 0 would make every other count infinitely bad.
LEAST_RATE = 0.01
# Tasks, at least, for a fifth of them to be held out.
LEAST_TASKS = 5


class Start(NamedTuple):
    """Where gradient steps start, and how they are taken.

    Attributes
    ----------
    learner : Learner
        The model with first-order MAML at the inner rate.
    meta : ndarray of shape (meta_size,)
        The parameters, padded.
    steps : int
        Inner steps.
    """

    learner: Learner
    meta: np.ndarray
    steps: int


def score_baselines(bench: Bench, shots: Sequence[int], steps: Sequence[int], seed: int) -> dict[str, Scores]:
    """Score all of them, but those that need training tasks where there are none.

    Parameters
    ----------
    bench : Bench
        Tasks to be tested on.
    shots : sequence of int
        Numbers of support rows.
    steps : sequence of int
        Numbers of inner steps that are asked for.
    seed : int
        Seed of the untrained start and of the choice of tasks.

    Returns
    -------
    dict of str to Scores
        By name; arrays (tasks, shots).
    """
    subject, model = bench.subject, bench.subject.model
    positive = [count for count in steps if count > 0] or [1]
    untrained = model.initial_theta(seed)
    found: dict[str, Scores] = {}
    train = subject.train_tasks
    if train is not None:
        found[CONSTANT] = _repeated(_score_constant(bench, train), len(shots))
        pooled = _start(bench, _train(bench, train, untrained), 0.0, 0)
        found[POOLED] = _repeated(bench.score_start(pooled.learner, pooled.meta, 0, 0), len(shots))
    if train is not None and (train.rows > max(shots)).any():
        found[TUNED] = _score_starts(bench, _tuned_starts(bench, train, pooled, shots, positive, seed), shots)
        chosen = _tuning_bench(bench, train, max(shots), seed)
        scratch = [_tuned(chosen, untrained, count, SCRATCH_STEPS) for count in shots]
    else:
        rate = float(np.mean(subject.learner.algorithm.inner_rate))
        scratch = [_start(bench, untrained, rate, max(positive))] * len(shots)
    found[SCRATCH] = _score_starts(bench, scratch, shots)
    if model.classifies:
        found[CLASS_MEAN] = _stacked([_score_class_means(bench, count) for count in shots])
    else:
        found[GROUP_MEAN] = _stacked([_score_group_means(bench, count) for count in shots])
    return found


def _stacked(columns: Sequence[Scores]) -> Scores:
    """Join scores (tasks,) to (tasks, columns)."""
    names = columns[0].values
    values = {name: np.stack([one.values[name] for one in columns], axis=1) for name in names}
    return Scores(values, np.stack([one.diverged for one in columns], axis=1))


def _repeated(scores: Scores, count: int) -> Scores:
    return _stacked([scores] * count)


def _start(bench: Bench, theta: np.ndarray, rate: float, steps: int) -> Start:
    learner = lower(bench.subject.model, MAML(1, max(1, steps), rate), bench.subject.learner.dtype)
    return Start(learner, learner.join(theta.astype(learner.dtype), learner.initial_rates()), steps)


def _score_starts(bench: Bench, starts: Sequence[Start], shots: Sequence[int]) -> Scores:
    return _stacked(
        [
            bench.score_start(start.learner, start.meta, count, start.steps)
            for start, count in zip(starts, shots, strict=True)
        ]
    )


def _score_constant(bench: Bench, train: TaskSet) -> Scores:
    """Score the best prediction that is the same for all rows."""
    subject, model = bench.subject, bench.subject.model
    if model.classifies:
        counts = np.bincount(train.y.astype(np.intp), minlength=model.num_classes) + 0.5
        logs = np.log(counts / counts.sum())
        outputs = logs[1:] - logs[:1] if _single_output(model) else logs
    else:
        mean = subject.targets.apply(train.y[:, np.newaxis]).mean(axis=0)
        poisson = model.loss == "poisson"  # type: ignore[attr-defined]
        outputs = np.log(np.maximum(mean, LEAST_RATE)) if poisson else mean
    return _by_blocks(bench, lambda tasks: np.tile(outputs, (len(bench.rows.query(tasks)[0]), 1)))


def _single_output(model: Layered) -> bool:
    return model.layers()[-1].outputs == 1


def _by_blocks(bench: Bench, predict: Callable[[slice], np.ndarray]) -> Scores:
    """Score what a function gives for the query rows of some tasks."""
    out = Scores.empty(metric_names(bench.subject.model), (len(bench.tasks),))
    for tasks in bench.blocks():
        found = bench.score(predict(tasks), tasks)
        for name, value in found.values.items():
            out.values[name][tasks] = value
        out.diverged[tasks] = found.diverged
    return out


def _train(bench: Bench, tasks: TaskSet, theta: np.ndarray) -> np.ndarray:
    """Train on the rows of all tasks."""
    scaled = bench.subject.scaled(tasks)
    result = train_pooled(
        bench.subject.model,
        scaled.X,
        scaled.y[:, np.newaxis],
        theta=theta,
        max_iter=POOLED_ITERATIONS,
        n_jobs=bench.subject.n_jobs,
    )
    return result.theta


def _tuned_starts(
    bench: Bench, train: TaskSet, pooled: Start, shots: Sequence[int], steps: Sequence[int], seed: int
) -> list[Start]:
    """Return where to fine-tune from, with which rate and steps, for each number of shots."""
    held_out, theta = train, pooled.learner.split(pooled.meta)[0]
    if len(train) >= LEAST_TASKS:
        others, some = train.split(0.2, random_state=seed)
        if (some.rows > max(shots)).any():
            held_out, theta = some, _train(bench, others, bench.subject.model.initial_theta(seed))
    chosen = _tuning_bench(bench, held_out, max(shots), seed)
    return [_tuned(chosen, theta, count, steps) for count in shots]


def _tuning_bench(bench: Bench, train: TaskSet, most: int, seed: int) -> Bench:
    """Return training tasks to choose rates on, those that are large enough, at most so many."""
    large = np.flatnonzero(train.rows > most)
    if large.size > TUNING_TASKS:
        large = np.sort(np.random.default_rng(seed).choice(large, TUNING_TASKS, replace=False))
    return Bench.of(bench.subject, train.subset(large), most, seed)


def _tuned(bench: Bench, theta: np.ndarray, shots: int, steps: Sequence[int]) -> Start:
    """Return rate and number of steps with the least mean loss on tasks; none diverges with them."""
    best, least = _start(bench, theta, 0.0, 0), np.inf
    for rate in RATES:
        for count in steps:
            start = _start(bench, theta, rate, count)
            scores = bench.score_start(start.learner, start.meta, shots, count)
            loss = scores.values["loss"].mean()  # NaN where one diverged, which is never less.
            if loss < least:
                best, least = start, loss
    return best


def _score_class_means(bench: Bench, shots: int) -> Scores:
    """Score the class whose support rows' mean is nearest; one without support rows is never it."""
    names, classes = metric_names(bench.subject.model), bench.subject.model.num_classes
    out = Scores.empty(names, (len(bench.tasks),))
    for tasks in bench.blocks():
        support = bench.rows.support(tasks, shots)
        query, offsets = bench.rows.query(tasks)
        task = np.repeat(np.arange(len(support)), np.diff(offsets))
        X, y = bench.scaled.X[support], bench.tasks.y[support]
        nearest = np.full(len(query), np.inf)
        predicted = np.zeros(len(query))
        for label in range(classes):
            own = (y == label)[:, :, np.newaxis]
            count = own.sum(axis=1)
            means = np.where(own, X, 0.0).sum(axis=1) / np.maximum(count, 1)
            distance = ((bench.scaled.X[query] - means[task]) ** 2).sum(axis=1)
            distance[count[task, 0] == 0] = np.inf
            closer = distance < nearest
            nearest[closer], predicted[closer] = distance[closer], label
        out.values["accuracy"][tasks] = segment_means((predicted == bench.tasks.y[query]) * 1.0, offsets)
    return out


def _score_group_means(bench: Bench, shots: int) -> Scores:
    """Score the mean of the support rows' targets."""

    def predict(tasks: slice) -> np.ndarray:
        _, offsets = bench.rows.query(tasks)
        means = bench.scaled.y[bench.rows.support(tasks, shots)].mean(axis=1)
        if bench.subject.model.loss == "poisson":  # type: ignore[attr-defined]
            means = np.log(np.maximum(means, LEAST_RATE))
        return np.repeat(means, np.diff(offsets))[:, np.newaxis]

    return _by_blocks(bench, predict)
