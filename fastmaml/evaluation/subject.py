"""What is evaluated: a learner with its meta-parameters, and tasks in the units that it learned in."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from fastmaml.arrays import shown
from fastmaml.learner import Learner
from fastmaml.models import Layered
from fastmaml.scaling import Scaling, scaled_tasks
from fastmaml.tasks import TaskSet


class Subject(NamedTuple):
    """What is evaluated.

    Attributes
    ----------
    name : str
        What the report calls it.
    learner : Learner
        Model and algorithm.
    meta : ndarray of shape (meta_size,)
        The meta-parameters, padded.
    features, targets : Scaling
        What features and targets are brought to; the tasks' are as they came.
    tasks : TaskSet
        Tasks to be tested on; classes are numbered from 0.
    train_tasks : TaskSet or None
        Tasks that were learned from.
    shots : int or None
        Support rows in training.
    n_jobs : int or None
        Threads.
    """

    name: str
    learner: Learner
    meta: np.ndarray
    features: Scaling
    targets: Scaling
    tasks: TaskSet
    train_tasks: TaskSet | None
    shots: int | None
    n_jobs: int | None

    @property
    def model(self) -> Layered:
        """The model."""
        model = self.learner.model
        assert isinstance(model, Layered)
        return model

    def scaled(self, tasks: TaskSet) -> TaskSet:
        """Return tasks in the units of learning."""
        return scaled_tasks(tasks, self.features, self.targets)


class Evaluable(Protocol):
    """What can be evaluated: `fastmaml.MAML`, what `fastmaml.meta_train` returns, a fitted estimator."""

    def _subject(self, tasks: Any, train_tasks: Any) -> Subject:
        """Check tasks, and return all that evaluating needs."""


def subject_of(model: Any, tasks: Any, train_tasks: Any) -> Subject:
    """Return what is evaluated.

    Raises
    ------
    TypeError
        If it is nothing that can be evaluated.
    ValueError
        If the tasks do not fit it.
    """
    if isinstance(model, type) or not hasattr(model, "_subject"):
        raise TypeError(
            f"model is {shown(model)}; give a MAML, what meta_train returned, or a fitted MAMLClassifier or "
            "MAMLRegressor"
        )
    subject: Subject = model._subject(tasks, train_tasks)
    if not isinstance(subject.learner.model, Layered):
        raise TypeError(
            f"the model is {subject.learner.model!r}, one of your own, of which no predictions are known "
            "before the link; use score(source), which gives its own loss and score"
        )
    return subject


def check_tasks(name: str, tasks: Any, num_features: int) -> TaskSet:
    """Return tasks, if they are such and have so many features."""
    if not isinstance(tasks, TaskSet):
        raise TypeError(f"{name} is {shown(tasks)}; make a TaskSet with TaskSet.from_groups(X, y, groups)")
    if tasks.num_features != num_features:
        raise ValueError(
            f"{name} have {tasks.num_features} features but the model has {num_features}; they must agree"
        )
    return tasks
