"""A model and an algorithm that fit each other, lowered to what the engine works on.

`fastmaml.meta_learning` and the notebook's class (`fastmaml.notebook`) are two ways to speak to people about
what stands here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import ALGORITHMS, Algorithm
from fastmaml.arrays import check_vector, counted, shown
from fastmaml.engine.adapting import NEVER, adapt_epoch
from fastmaml.models import Model, as_model, pad, theta_width, unpad
from fastmaml.numerics.layout import padded_width
from fastmaml.sources import GivenSpec
from fastmaml.training import NotFiniteError, Training
from fastmaml.validation import check_dtype
from fastmaml.ways import Pace


class Divergence(NamedTuple):
    """Where the parameters turned infinite or NaN.

    Attributes
    ----------
    task : int or None
        The first task that it happened to, if it was an inner step or a query loss.
    inner_step : int or None
        The inner step, from 0; None for the query loss after the last.
    in_gradient : bool
        Whether the meta-gradient was infinite or NaN already; if not, it was the outer step.
    words, source_state : ndarray of uint32
        What the source had prepared for the epoch, and its state after it.
    """

    task: int | None
    inner_step: int | None
    in_gradient: bool
    words: np.ndarray
    source_state: np.ndarray

    def place(self, steps: int, inner_rate: str, outer_rate: str) -> str:
        """Describe it, given the number of inner steps and how the rates are called and what they are."""
        if self.task is None and self.in_gradient:
            return f"the meta-gradient, on the way back through the inner steps ({inner_rate})"
        if self.task is None:
            return f"the outer step ({outer_rate})"
        if self.inner_step is None:
            after = counted(steps, "inner step")
            return f"task {self.task}, the query loss after {after} ({inner_rate})"
        return f"task {self.task}, inner step {self.inner_step} ({inner_rate})"


class Learner(NamedTuple):
    """A model and an algorithm, as given and lowered.

    Attributes
    ----------
    model, algorithm : Model, Algorithm
        As given.
    model_spec, algorithm_spec : NamedTuple
        The specs.
    dtype : dtype
        Of the parameters and the arithmetic.
    rates_shape : tuple of int
        The shape of the learned rates.
    """

    model: Model
    algorithm: Algorithm
    model_spec: Any
    algorithm_spec: Any
    dtype: np.dtype[Any]
    rates_shape: tuple[int, ...]

    def join(self, theta: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """Return the meta-parameters, padded, of parameters and learned rates."""
        behind = np.zeros(padded_width(rates.size), self.dtype)
        behind[: rates.size] = rates.reshape(-1)
        return np.concatenate([pad(self.model_spec, theta, self.dtype), behind])

    def split(self, meta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters and learned rates of padded meta-parameters."""
        width = theta_width(self.model_spec)
        count = int(np.prod(self.rates_shape))
        rates = meta[width : width + count].reshape(self.rates_shape).copy()
        return unpad(self.model_spec, meta[:width]), rates

    def initial_rates(self, given: Any = None) -> np.ndarray:
        """Return the learned rates to start from, as given or as the algorithm says.

        Raises
        ------
        ValueError, TypeError
            If none are learned, or other ones.
        """
        if given is not None and self.rates_shape == (0,):
            raise ValueError(
                f"inner_rates is given, but {type(self.algorithm).__name__} learns no rates here; give the "
                "algorithm its inner_rate, or let it learn rates"
            )
        rates = self.algorithm.initial_rates(self.model) if given is None else given
        return check_vector("inner_rates", rates, self.rates_shape, self.dtype)

    def training(
        self,
        source: Any,
        optimizer: Any,
        *,
        tasks_per_batch: int,
        meta: np.ndarray,
        epochs: int,
        n_jobs: int | None,
        scale: float = 1.0,
        source_state: np.ndarray | None = None,
        paces: list[Pace] | None = None,
    ) -> Training:
        """Make ready for training on a source with an optimizer, given as specs.

        ``scale`` is a factor of the meta-gradient, the mean over the tasks; the rest is as in `Training`.
        """
        return Training(
            self.model_spec,
            self.algorithm_spec,
            source,
            optimizer,
            tasks_per_batch=tasks_per_batch,
            gradient_scale=scale / tasks_per_batch,
            theta=meta,
            n_jobs=n_jobs,
            epochs=epochs,
            source_state=source_state,
            paces=paces,
        )

    def find_divergence(self, error: NotFiniteError, training: Training, source: Any) -> Divergence:
        """Find the task and step of a divergence, by computing the epoch once more."""
        steps = self.algorithm.inner_steps
        result = adapt_epoch(
            self.model_spec,
            self.algorithm_spec,
            source,
            tasks_per_batch=training.work.loop.tasks_per_batch,
            theta=training.theta,
            steps=steps,
            score_steps=(steps,),
            want_scores=False,
            epoch=error.epoch,
            first_epoch=training.slice_epoch,
            source_state=training.slice_state,
        )
        bad = np.flatnonzero(result.bad_step != NEVER)
        in_gradient = not np.isfinite(training.gradient).all()
        losses = result.losses[:, 0]
        # An infinite loss may have a finite gradient; NaN comes of infinity minus infinity.
        undefined = np.flatnonzero(~np.isfinite(losses) if in_gradient else np.isnan(losses))
        task, inner_step = None, None
        if bad.size:
            task, inner_step = int(bad[0]), int(result.bad_step[bad[0]])
        elif undefined.size:
            task = int(undefined[0])
        return Divergence(task, inner_step, in_gradient, result.words, result.source_state)


def lower(model: Any, algorithm: Any, dtype: Any) -> Learner:
    """Check and lower a model and an algorithm.

    Raises
    ------
    TypeError, ValueError
        If one of them is none, or they do not fit each other.
    """
    model, dtype = as_model(model), check_dtype(dtype)
    if not isinstance(algorithm, Algorithm):
        raise TypeError(
            f"algorithm is {shown(algorithm)}; give one of fastmaml.algorithms "
            f"({', '.join(kind.__name__ for kind in ALGORITHMS.values())}), such as "
            "algorithms.MAML(order=2, inner_rate=0.01)"
        )
    rates = algorithm.initial_rates(model)
    return Learner(model, algorithm, model.spec(), algorithm.lower(model, dtype), dtype, rates.shape)


def given_tasks(X: np.ndarray, y: np.ndarray, X_query: np.ndarray, y_query: np.ndarray) -> GivenSpec:
    """Describe tasks given as arrays (tasks, rows, ...)."""
    arrays = (X, y.reshape(len(y), -1), X_query, y_query.reshape(len(y), -1))
    return GivenSpec(*(np.require(array, np.float64, ["C", "A", "W"]) for array in arrays))
