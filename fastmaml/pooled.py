"""Ordinary training of one model on all rows at once, as if there were no tasks.

The gradient comes from the compiled loop, blocks of rows in the place of tasks; L-BFGS is SciPy's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import FIRST_ORDER, InnerLoop, MAMLSpec
from fastmaml.models import Layered, num_parameters, pad, positions, theta_width, unpad
from fastmaml.optimizers import SGD
from fastmaml.sources import SpansSpec
from fastmaml.training import NotFiniteError, Training

# Rows of a block: many enough for the kernels to be at their speed, few enough to be shared out to threads.
BLOCK_ROWS = 64
# What L-BFGS is told where the loss is no number: that it has gone too far.
TOO_FAR = 1e300


class Pooled(NamedTuple):
    """What comes of training on all rows.

    Attributes
    ----------
    theta : ndarray of shape (num_parameters,)
        The parameters with the least loss that was met.
    losses : list of float
        The mean loss, with its penalty, before the first iteration and after each.
    iterations : int
        How many there were.
    converged : bool
        Whether it ended before all that were allowed were used up.
    """

    theta: np.ndarray
    losses: list[float]
    iterations: int
    converged: bool


class Objective:
    """The weighted mean loss of all rows, and its gradient.

    Parameters
    ----------
    model : Model
        One of `fastmaml.models`.
    X : ndarray of shape (rows, num_features)
        Finite rows.
    y : ndarray of shape (rows, num_targets), float64
        Targets that fit the model.
    weights : ndarray of shape (rows,) or None
        A weight of 0 or more for each row, not all 0; None for ones.
    evaluations : int
        About how often it will be asked.
    n_jobs : int or None
        Threads; None for all.
    """

    def __init__(
        self,
        model: Layered,
        X: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray | None,
        *,
        evaluations: int,
        n_jobs: int | None,
    ) -> None:
        self._spec = model.weighted_spec()
        self._penalties = model.penalties()
        weights = np.ones(len(X)) if weights is None else weights
        block = min(BLOCK_ROWS, len(X))
        blocks = -(-len(X) // block)
        missing = blocks * block - len(X)
        # The mean over blocks of their means is the weighted mean of all rows, those that fill up among them.
        scaled = weights * (blocks * block / weights.sum())
        starts = block * np.arange(blocks)
        rows, targets, scaled = (_filled(array, missing) for array in (X, y, scaled))
        source = SpansSpec.of_rows(rows, targets, scaled, starts, starts, (1, block))
        width, float64 = theta_width(self._spec), np.dtype(np.float64)
        still = MAMLSpec(InnerLoop.with_rates(positions(self._spec), 1, np.zeros((1, width))), FIRST_ORDER, 0)
        self._training = Training(
            self._spec,
            still,
            source,
            SGD(0.0).lower(1),
            tasks_per_batch=blocks,
            gradient_scale=1 / blocks,
            theta=np.zeros(width, float64),
            n_jobs=n_jobs,
            epochs=evaluations,
        )
        self.best, self.best_loss = np.zeros(int(num_parameters(self._spec))), np.inf

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return loss and gradient (num_parameters,)."""
        training = self._training
        if not np.isfinite(theta).all():
            return TOO_FAR, np.zeros_like(theta)
        training.theta[:] = pad(self._spec, theta, training.theta.dtype)
        try:
            (losses,) = (losses for losses in training.run(0, 1, 1) if losses is not None)
        except NotFiniteError:
            return TOO_FAR, np.zeros_like(theta)
        loss, gradient = losses.mean_query, unpad(self._spec, training.gradient)
        if self._penalties is not None:
            loss += float(self._penalties @ theta**2) / 2
            gradient = gradient + self._penalties * theta
        if not np.isfinite(loss):
            return TOO_FAR, np.zeros_like(theta)
        if loss < self.best_loss:
            self.best, self.best_loss = theta.copy(), loss
        return loss, gradient


def _filled(array: np.ndarray, missing: int) -> np.ndarray:
    """Return an array with so many zeros behind its rows, for the kernels."""
    if missing:
        array = np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
    return np.require(array, None, ["C", "A", "W"])


def train_pooled(
    model: Layered,
    X: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    theta: np.ndarray,
    max_iter: int,
    tol: float = 1e-7,
    n_jobs: int | None = None,
) -> Pooled:
    """Minimise the mean loss of all rows, and the penalty, from given parameters.

    Parameters
    ----------
    model, X, y, weights, n_jobs
        As `Objective` has them.
    theta : ndarray of shape (num_parameters,)
        Where to start.
    max_iter : int
        The most iterations of L-BFGS.
    tol : float, default=1e-7
        It ends where no entry of the gradient is larger.
    """
    from scipy.optimize import minimize  # Loads slowly, and few need it.

    objective = Objective(model, X, y, weights, evaluations=2 * max_iter, n_jobs=n_jobs)
    first, _ = objective(theta)
    losses = [first]
    result: Any = minimize(
        objective,
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(float(intermediate_result.fun)),
        options={"maxiter": max_iter, "maxfun": 20 * max_iter, "gtol": tol, "ftol": 1e-14},
    )
    return Pooled(objective.best, losses, int(result.nit), bool(result.status != 1))
