"""What evaluation returns: scores of every task, their means with intervals, and what follows from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.arrays import counted, listed
from fastmaml.evaluation.measuring import Scores
from fastmaml.evaluation.metrics import LARGER_IS_BETTER, metric_names
from fastmaml.intervals import mean_interval
from fastmaml.models import Layered
from fastmaml.validation import check_choice

BACKENDS = ("pandas", "polars", "pyarrow")
# With fewer tasks an interval says little.
FEW_TASKS = 10


class Summary(NamedTuple):
    """One number of the report.

    Attributes
    ----------
    mean, low, high, median : float
        Over the tasks that have the score: the mean with its 95 % interval by Student's t, and the median.
    tasks : int
        How many have it.
    diverged : int
        Tasks whose parameters or predictions turned infinite or NaN; they are not among them.
    """

    mean: float
    low: float
    high: float
    median: float
    tasks: int
    diverged: int


def summarize(values: np.ndarray, diverged: np.ndarray) -> Summary:
    """Summarize a score of tasks, both (tasks,); NaN stands for none."""
    known, bad = values[~np.isnan(values)], int(np.count_nonzero(diverged))
    if known.size == 0:
        return Summary(np.nan, np.nan, np.nan, np.nan, 0, bad)
    low, high = mean_interval(known[:, np.newaxis])[0]
    return Summary(
        float(known.mean()), float(low), float(high), float(np.median(known)), int(known.size), bad
    )


class FewShotReport:
    """How good a model is on tasks never seen, beside what is simpler.

    Made by `fastmaml.evaluate`. Printed, it is a table and a conclusion. The means of a score and their 95 %
    intervals are attributes by the score's name, arrays (shots, steps) and (shots, steps, 2): ``loss`` and
    ``loss_interval``; of a classifier ``accuracy`` and, with two classes, ``auc``; of a regression ``rmse``
    and ``r2``. Where ``shots`` was a single number, they have no axis for it.

    Parameters
    ----------
    name : str
        What the model is called.
    model : Layered
        The model.
    shots : tuple of int or int
        Numbers of rows adapted on, as asked for.
    steps : tuple of int
        Numbers of inner steps; an attribute of type ndarray.
    labels : ndarray of shape (num_tasks,)
        The tasks tested on.
    scores : Scores
        Of the model, arrays (tasks, shots, steps).
    baselines : dict of str to Scores
        Of what is simpler, arrays (tasks, shots).
    trained_with : (int or None, int)
        Shots and inner steps of training.
    num_seen : int, optional
        Tasks that are among those learned from; None where it is not known what was learned from.

    Attributes
    ----------
    metrics : tuple of str
        The scores' names. The second is what the conclusion is about.
    baselines : tuple of str
        What is simpler, by name; see `fastmaml.evaluation.baselines`.
    problems : list of str
        What stands in the way of trusting the numbers.
    """

    def __init__(
        self,
        *,
        name: str,
        model: Layered,
        shots: int | tuple[int, ...],
        steps: tuple[int, ...],
        labels: np.ndarray,
        scores: Scores,
        baselines: dict[str, Scores],
        trained_with: tuple[int | None, int],
        num_seen: int | None = None,
    ) -> None:
        self.name, self.model, self.shots, self.labels = name, model, shots, labels
        self.steps = np.array(steps, dtype=np.int64)
        self.metrics = metric_names(model)
        self.baselines = tuple(baselines)
        self._scores, self._baselines = scores, baselines
        self._trained_with, self.num_seen = trained_with, num_seen
        self.problems = self._find_problems()

    @property
    def num_tasks(self) -> int:
        """Tasks tested on."""
        return len(self.labels)

    @property
    def score(self) -> str:
        """The score that the conclusion is about: accuracy, or the root of the mean squared error."""
        return self.metrics[1]

    @property
    def all_shots(self) -> tuple[int, ...]:
        """The numbers of shots, also where there is one."""
        return (self.shots,) if isinstance(self.shots, int) else self.shots

    @property
    def headline(self) -> tuple[int, int]:
        """The numbers of shots and of steps that the conclusion is about.

        Those of training where they were asked for, else the largest: chosen without a look at the scores.
        """
        shots, steps = self._trained_with
        return (
            shots if shots in self.all_shots else max(self.all_shots),
            int(steps if steps in self.steps else self.steps.max()),
        )

    # Numbers.

    def values(self, metric: str, start: str | None = None) -> np.ndarray:
        """Return a score of every task.

        Parameters
        ----------
        metric : str
            One of `metrics`.
        start : str, optional
            One of `baselines`. Default: the model itself.

        Returns
        -------
        ndarray
            Of the model (tasks, shots, steps), of a baseline (tasks, shots); NaN where there is none.
        """
        return self._of(start).values[check_choice("metric", metric, self.metrics)]

    def _of(self, start: str | None) -> Scores:
        if start is None:
            return self._scores
        return self._baselines[check_choice("start", start, self.baselines)]

    def summary(self, metric: str, shots: int, steps: int | None = None, start: str | None = None) -> Summary:
        """Summarize a score over the tasks.

        Parameters
        ----------
        metric : str
            One of `metrics`.
        shots, steps : int
            Some of those asked for; a baseline has no steps.
        start : str, optional
            One of `baselines`. Default: the model itself.
        """
        scores, place = self._of(start), self._place(shots, steps, start)
        return summarize(self.values(metric, start)[place], scores.diverged[place])

    def gain(
        self, start: str | int, shots: int | None = None, steps: int | None = None, metric: str | None = None
    ) -> Summary:
        """Say how much better the model is than something else, task by task.

        Parameters
        ----------
        start : str or int
            One of `baselines`, or a number of steps of the model itself.
        shots, steps : int, optional
            Default: those of `headline`.
        metric : str, optional
            Default: `score`.

        Returns
        -------
        Summary
            Of the differences of the tasks that have both scores; larger is better, whatever the score.
        """
        metric = self.score if metric is None else check_choice("metric", metric, self.metrics)
        shots = self.headline[0] if shots is None else shots
        steps = self.headline[1] if steps is None else steps
        own, diverged = self.gains(start, shots, steps, metric)
        return summarize(own, diverged)

    def gains(self, start: str | int, shots: int, steps: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Return how much better the model is on every task, and where it or the other diverged.

        Parameters
        ----------
        start : str or int
            One of `baselines`, or a number of steps of the model itself.
        shots, steps : int
            Some of those asked for.
        metric : str
            One of `metrics`.

        Returns
        -------
        gains : ndarray of shape (num_tasks,)
            Larger is better; NaN where one of the scores is missing.
        diverged : ndarray of shape (num_tasks,) of bool
        """
        place = self._place(shots, steps, None)
        if isinstance(start, str):
            other, there = start, self._place(shots, None, start)
        else:
            other, there = None, self._place(shots, int(start), None)
        with np.errstate(invalid="ignore"):
            difference = self.values(metric)[place] - self.values(metric, other)[there]
        sign = 1 if LARGER_IS_BETTER[metric] else -1
        return sign * difference, self._scores.diverged[place] | self._of(other).diverged[there]

    def _place(self, shots: int, steps: int | None, start: str | None) -> tuple[Any, ...]:
        row = self.all_shots.index(check_choice("shots", shots, self.all_shots))
        if start is not None:
            return slice(None), row
        return slice(None), row, self.steps.tolist().index(check_choice("steps", steps, self.steps.tolist()))

    def __getattr__(self, name: str) -> np.ndarray:
        metric, _, what = name.partition("_")
        if metric not in self.__dict__.get("metrics", ()) or what not in ("", "interval"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        table = [
            [self.summary(metric, shots, int(steps)) for steps in self.steps] for shots in self.all_shots
        ]
        if what:
            numbers = np.array([[(one.low, one.high) for one in row] for row in table])
        else:
            numbers = np.array([[one.mean for one in row] for row in table])
        return numbers[0] if isinstance(self.shots, int) else numbers

    def __dir__(self) -> list[str]:
        return [
            *super().__dir__(),
            *(f"{metric}{ending}" for metric in self.metrics for ending in ("", "_interval")),
        ]

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return everything as a data frame, a row for each start, number of shots, of steps, and score.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, default="pandas"
            Whose; it has to be installed.
        """
        import narwhals

        columns: dict[str, list[Any]] = {"start": [], "shots": [], "steps": [], "metric": []}
        columns |= {field: [] for field in Summary._fields}
        for start, shots, steps, metric in self._entries():
            for name, value in zip(
                ("start", "shots", "steps", "metric"), (start, shots, steps, metric), strict=True
            ):
                columns[name].append(self.name if name == "start" and value is None else value)
            for name, value in self.summary(metric, shots, steps, start)._asdict().items():
                columns[name].append(value)
        columns["steps"] = [np.nan if steps is None else float(steps) for steps in columns["steps"]]
        return narwhals.from_dict(columns, backend=check_choice("backend", backend, BACKENDS)).to_native()

    def _entries(self) -> list[tuple[str | None, int, int | None, str]]:
        starts: list[tuple[str | None, int | None]] = [(None, int(steps)) for steps in self.steps]
        starts += [(name, None) for name in self.baselines]
        return [
            (start, shots, steps, metric)
            for start, steps in starts
            for shots in self.all_shots
            for metric in self.metrics
        ]

    # What follows.

    def _find_problems(self) -> list[str]:
        found = []
        if self.num_tasks < FEW_TASKS:
            found.append(f"{counted(self.num_tasks, 'task')} to test on: intervals over so few say little")
        bad = self._scores.diverged.any(axis=(1, 2))
        if bad.any():
            names = listed(self.labels[bad].tolist()[:5])
            found.append(
                f"{np.count_nonzero(bad)} of {self.num_tasks} tasks diverged, {names} among them, and are "
                "not in the means; lower the inner rate, or scale the features"
            )
        if self.num_seen:
            found.append(
                f"{self.num_seen} of {self.num_tasks} tasks are among those learned from: all of it looks "
                "better on these than it is"
            )
        for name, scores in self._baselines.items():
            count = np.count_nonzero(scores.diverged.any(axis=1))
            if count:
                found.append(
                    f"{count} of {self.num_tasks} tasks diverged for {name}, and are not in its means"
                )
        for metric, what in (("auc", "one class among"), ("r2", "one value of y in")):
            if metric in self.metrics:
                none = np.isnan(self.values(metric)[:, 0, 0]) & ~self._scores.diverged[:, 0, 0]
                if none.any():
                    found.append(
                        f"{np.count_nonzero(none)} of {self.num_tasks} tasks have {what} the rows to test "
                        f"on: they have no {metric}, and are not in its mean"
                    )
        return found

    @property
    def conclusion(self) -> str:
        """What the numbers say, in a sentence or two."""
        from fastmaml.evaluation.sentences import conclude

        return conclude(self)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the score by the number of steps, with what is simpler as lines.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.
        **options
            As `fastmaml.plotting.AdaptationCurveDisplay.from_report` has them.

        Returns
        -------
        AdaptationCurveDisplay
        """
        from fastmaml.plotting import AdaptationCurveDisplay

        return AdaptationCurveDisplay.from_report(self, ax=ax, **options)

    def __str__(self) -> str:
        from fastmaml.evaluation.tables import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return (
            f"<FewShotReport: {self.name} on {self.num_tasks} tasks, shots {self.shots}, steps "
            f"{tuple(self.steps.tolist())}>"
        )

    def _repr_html_(self) -> str:
        from fastmaml.evaluation.tables import as_html

        return as_html(self)
