"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fastmaml.cli.config import read_config
from fastmaml.cli.settings import NOTEBOOK, TABLE, flag


class Dtype(StrEnum):
    """Precision of the computation."""

    float64 = "float64"
    float32 = "float32"


class Task(StrEnum):
    """What is predicted."""

    auto = "auto"
    classification = "classification"
    regression = "regression"


class Algorithm(StrEnum):
    """The algorithms, by the names in `fastmaml.algorithms.ALGORITHMS`, which takes its time to load."""

    maml = "maml"
    anil = "anil"
    meta_sgd = "meta_sgd"
    reptile = "reptile"


TABLE_PANEL, TRAINING, UNSEEN = "Table (with FILE)", "Training", "Evaluation on unseen tasks (with FILE)"
OUTPUT, RUN = "Output", "Run"


def option(name: str, text: str, panel: str, metavar: str | None = "N", **limits: Any) -> Any:
    """Describe an option whose help says its default."""
    return typer.Option(name, help=text, rich_help_panel=panel, show_default=False, metavar=metavar, **limits)


def setting(name: str, text: str, metavar: str = "N", **limits: Any) -> Any:
    """Describe the option of one of the settings, its defaults read from there."""
    table, notebook = (getattr(job, name) for job in (TABLE, NOTEBOOK))
    usual = {"inner_rate": "the best of eight", "queries": "all"}.get(name) if table is None else table
    alone = "none" if notebook is None else notebook
    text = f"{text} (default {usual}; without FILE {alone})"
    return option(flag(name), text, TRAINING, metavar, **limits)


# Tables.
DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .tsv or .parquet file.")]
FileOrNone = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="A .csv, .tsv or .parquet file.", show_default=False)
]
Group = Annotated[
    str | None,
    option("--group", "Column that says which rows make up a task (required)", TABLE_PANEL, "COLUMN"),
]
Target = Annotated[str | None, option("--target", "Column to predict (required)", TABLE_PANEL, "COLUMN")]
Exclude = Annotated[
    list[str] | None,
    option("--exclude", "Column that is not a feature; may be repeated", TABLE_PANEL, "COLUMN"),
]
TaskOf = Annotated[
    Task,
    option(
        "--task",
        "What is predicted; auto: numbers where the target has more than ten or fractions, else classes",
        TABLE_PANEL,
        "auto|classification|regression",
    ),
]

# Training.
AlgorithmOf = Annotated[
    Algorithm,
    option("--algorithm", "Algorithm, with FILE (default maml)", TRAINING, "maml|anil|meta_sgd|reptile"),
]
Hidden = Annotated[
    str | None, option("--hidden", "Units of hidden layers, with FILE (default none)", TRAINING, "N,N,...")
]
Epochs = Annotated[int | None, setting("epochs", "Meta-steps; with FILE at most", min=1)]
TasksPerBatch = Annotated[int | None, setting("tasks_per_batch", "Tasks in an epoch", min=1)]
Shots = Annotated[int | None, setting("shots", "Rows of a task to adapt on", min=1)]
Queries = Annotated[
    int | None, setting("queries", "Limit to its other rows, which then give the meta-gradient", min=1)
]
InnerRate = Annotated[float | None, setting("inner_rate", "Step size of adapting to a task", "RATE", min=0)]
OuterRate = Annotated[float | None, setting("outer_rate", "Step size of an epoch", "RATE", min=0)]
InnerSteps = Annotated[int | None, setting("inner_steps", "Steps of adapting to a task", min=1)]
Order = Annotated[
    int | None,
    setting("order", "Meta-gradient: 2 exact, 1 first-order, which is cheaper", min=1, max=2),
]
Seed = Annotated[int | None, setting("seed", "Same seed, same result", min=0)]

# Evaluation.
Steps = Annotated[
    str, option("--steps", "Evaluate after so many steps on a task (default 0,1,5)", UNSEEN, "N,N,...")
]
TestSize = Annotated[
    float, option("--test-size", "Share of the tasks to keep unseen (default 0.3)", UNSEEN, "SHARE")
]

# Output.
Plot = Annotated[
    Path | None, option("--plot", "Draw score by steps into this file: .png, .svg, .pdf", OUTPUT, "FILE")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object", rich_help_panel=OUTPUT)]

# Runs.
Jobs = Annotated[int | None, option("--jobs", "Threads (default all cores)", RUN, min=1)]
Precision = Annotated[
    Dtype, option("--dtype", "Precision; float32 is faster (default float64)", RUN, "float64|float32")
]
Config = Annotated[
    Path | None,
    option(
        "--config",
        "Take settings from a TOML file; the command line goes before",
        RUN,
        "FILE",
        is_eager=True,
        callback=read_config,
    ),
]
WriteConfig = Annotated[
    Path | None, option("--write-config", "Write the settings of this run as such a file", RUN, "FILE")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of progress", rich_help_panel=RUN)]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file of fastmaml train.")]
