"""An estimator of what the command line says, trained."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastmaml import FewShotReport, MAMLClassifier, MAMLRegressor
from fastmaml import evaluate as evaluated
from fastmaml.cli.output import note, say, warnings_once
from fastmaml.cli.problem import Problem, Rows
from fastmaml.cli.settings import Settings


class Trained(NamedTuple):
    """What comes of training.

    Attributes
    ----------
    estimator : MAMLClassifier or MAMLRegressor
        Fitted, with the columns that it was trained on.
    seconds : float
        That it took.
    """

    estimator: Any
    seconds: float

    @property
    def numbers(self) -> dict[str, Any]:
        """What is worth telling."""
        sweep = self.estimator.inner_rate_sweep_
        return {
            "epochs": self.estimator.n_iter_,
            "loss": self.estimator.loss_curve_[-1],
            "inner_rate": self.estimator.inner_rate_,
            "inner_rate_chosen": sweep is not None,
            "parameters": self.estimator.theta_.size,
        }

    def describe(self, most: int) -> None:
        """Print how training went, which was to have at most so many epochs."""
        found = self.numbers
        early = ", stopped early" if found["epochs"] < most else ""
        say(f"trained  {found['epochs']:,} epochs{early} in {self.seconds:.2f} s")
        say(f"loss     {found['loss']:{'.4f' if found['loss'] < 1e6 else '.4g'}} in the last epoch")
        if found["inner_rate_chosen"]:
            say(f"rate     {found['inner_rate']:.3g} was the best inner rate")


def fit(
    problem: Problem,
    settings: Settings,
    *,
    algorithm: str,
    hidden: tuple[int, ...],
    dtype: str,
    jobs: int | None,
    quiet: bool,
) -> Trained:
    """Train an estimator on the training tasks.

    Raises
    ------
    FloatingPointError
        If training diverges; names the options.
    KeyboardInterrupt
        After Ctrl-C.
    """
    kind = MAMLRegressor if problem.classes is None else MAMLClassifier
    estimator = kind(
        hidden_layer_sizes=hidden,
        algorithm=algorithm,
        order=settings.order,
        inner_steps=settings.inner_steps,
        inner_rate="auto" if settings.inner_rate is None else settings.inner_rate,
        shots=settings.shots,
        queries=settings.queries,
        tasks_per_batch=settings.tasks_per_batch,
        learning_rate=settings.outer_rate,
        max_iter=settings.epochs,
        dtype=dtype,
        random_state=settings.seed,
        n_jobs=jobs,
        verbose=not quiet,
    )
    if settings.inner_rate is None and not quiet:
        note("choosing the inner rate; --inner-rate saves this")
    start = time.perf_counter()
    with warnings.catch_warnings():
        # The estimator keeps what it has learned until Ctrl-C; a command that was stopped stops.
        warnings.filterwarnings("error", message="interrupted after")
        try:
            estimator.fit(*problem.train)
        except UserWarning:
            raise KeyboardInterrupt from None
        except FloatingPointError as error:
            raise FloatingPointError(_in_options(str(error))) from None
    seconds = time.perf_counter() - start
    # These are about this run, and not about the model.
    estimator.set_params(verbose=False, n_jobs=None)
    estimator.columns_ = problem.encoding
    return Trained(estimator, seconds)


def _in_options(message: str) -> str:
    """Put the options' names in the place of the parameters'."""
    message = message.replace(", or set clip_norm in algorithm_params", "")
    message = re.sub(r"\binner_rate\b|\bthe inner rate\b", "--inner-rate", message)
    return re.sub(r"\blearning_rate\b|\bthe learning rate\b", "--outer-rate", message)


def report_on(
    estimator: Any,
    tasks: Rows,
    *,
    shots: int | Sequence[int],
    steps: Sequence[int],
    seed: int,
    jobs: int | None,
    train: Rows | None = None,
) -> tuple[FewShotReport, float]:
    """Evaluate on tasks never seen; return the report, and the seconds that it took."""
    start, said = time.perf_counter(), list[str]()
    estimator.set_params(n_jobs=jobs)
    with warnings_once(said):
        report = evaluated(estimator, tasks, shots, steps, train_tasks=train, random_state=seed)
        said += report.problems
    estimator.set_params(n_jobs=None)
    return report, time.perf_counter() - start
