"""`fastmaml evaluate`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastmaml.cli.models import read_model
from fastmaml.cli.options import DataFile, Jobs, Json, ModelFile, Plot, Quiet, option
from fastmaml.cli.output import compiling_announced, say, say_json, written
from fastmaml.cli.paths import check_outputs
from fastmaml.cli.plots import check_plot, draw
from fastmaml.cli.settings import parse_shots, parse_steps

if TYPE_CHECKING:
    import numpy as np

PANEL = "Evaluation"
ShotsList = Annotated[
    str | None, option("--shots", "Rows to adapt on (default as in training)", PANEL, "N,N,...")
]
StepsList = Annotated[
    str | None,
    option("--steps", "Evaluate after so many steps (default 0, 1, those of training)", PANEL, "N,N,..."),
]
TrainFile = Annotated[
    Path | None,
    option("--train-file", "What the model was trained on, for the baselines to learn from", PANEL, "FILE"),
]
RowsSeed = Annotated[int, option("--seed", "Of the choice of rows (default 0)", PANEL, min=0)]


def evaluate(
    model: ModelFile,
    file: DataFile,
    shots: ShotsList = None,
    steps: StepsList = None,
    train_file: TrainFile = None,
    seed: RowsSeed = 0,
    plot: Plot = None,
    json: Json = False,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Evaluate a model on the groups of a table, which training should not have seen.

    Of every group some rows are adapted on, the others are predicted. The
    baselines that need training data are left out without --train-file.

    For example:

      fastmaml evaluate model.fastmaml new.csv --train-file old.csv
    """
    from fastmaml.validation import check_seed

    check_seed(seed, "--seed")
    counts = None if shots is None else parse_shots(shots)
    numbers = None if steps is None else parse_steps(steps)
    check_outputs({"--plot": plot}, [model, file, train_file])
    check_plot(plot)
    estimator = read_model(model)
    tasks = _rows(estimator, file)
    train = None if train_file is None else _rows(estimator, train_file)
    counts = (estimator.shots,) if counts is None else counts
    inner = estimator._state.learner.algorithm.inner_steps
    numbers = tuple(sorted({0, 1, inner})) if numbers is None else numbers
    from fastmaml.cli.fitting import report_on

    with compiling_announced(quiet):
        report, seconds = report_on(
            estimator, tasks, shots=counts, steps=numbers, seed=seed, jobs=jobs, train=train
        )
    _warn_of_seen(estimator, tasks[2])
    if plot is not None:
        draw(report, plot)
    if json:
        from fastmaml.cli.report_numbers import report_numbers

        settings = {
            "model": model,
            "file": file,
            "train_file": train_file,
            "shots": counts,
            "steps": numbers,
            "seed": seed,
            "plot": plot,
            "jobs": jobs,
        }
        say_json(
            {
                "command": "evaluate",
                "settings": settings,
                "seconds": {"evaluation": seconds},
                "report": report_numbers(report),
            }
        )
        return
    written("plot", plot)
    say(str(report))


def _rows(estimator: Any, file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = estimator.columns_.read(file, ["group", "target"])
    return estimator.columns_.encode(table), table.y, table.labels


def _warn_of_seen(estimator: Any, labels: np.ndarray) -> None:
    """Say it where the model was trained on some of the groups: on these it looks better than it is."""
    if estimator.groups_ is None:
        return
    there = set(labels.tolist())
    seen = there & set(estimator.groups_.tolist())
    if seen:
        warnings.warn(
            f"the model was trained on {len(seen)} of these {len(there)} groups, {min(seen, key=str)!r} "
            "among them, which are not unseen: it looks better than it is",
            stacklevel=2,
        )
