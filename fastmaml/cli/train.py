"""`fastmaml train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastmaml.cli.config import all_settings, keep_config
from fastmaml.cli.options import (
    OUTPUT,
    Algorithm,
    AlgorithmOf,
    Config,
    Dtype,
    Epochs,
    Exclude,
    FileOrNone,
    Group,
    Hidden,
    InnerRate,
    InnerSteps,
    Jobs,
    Json,
    Order,
    OuterRate,
    Plot,
    Precision,
    Queries,
    Quiet,
    Seed,
    Shots,
    Steps,
    Target,
    Task,
    TaskOf,
    TasksPerBatch,
    TestSize,
    WriteConfig,
    option,
)
from fastmaml.cli.output import compiling_announced, say, say_json, written
from fastmaml.cli.paths import check_outputs
from fastmaml.cli.plots import check_plot, draw
from fastmaml.cli.settings import (
    NOTEBOOK,
    TABLE,
    check_settings,
    check_test_size,
    chosen,
    flag,
    parse_hidden,
    parse_steps,
)

# What needs a file, and is given where it is not this.
TABLE_ONLY = {
    "group": None,
    "target": None,
    "exclude": None,
    "task": Task.auto,
    "algorithm": Algorithm.maml,
    "hidden": None,
    "steps": "0,1,5",
    "test_size": 0.3,
    "model": None,
    "plot": None,
}
Model = Annotated[
    Path | None, option("--model", "Write the model to this file, such as out.fastmaml", OUTPUT, "FILE")
]


def train(
    file: FileOrNone = None,
    group: Group = None,
    target: Target = None,
    exclude: Exclude = None,
    task: TaskOf = Task.auto,
    algorithm: AlgorithmOf = Algorithm.maml,
    hidden: Hidden = None,
    shots: Shots = None,
    queries: Queries = None,
    tasks_per_batch: TasksPerBatch = None,
    epochs: Epochs = None,
    inner_rate: InnerRate = None,
    outer_rate: OuterRate = None,
    inner_steps: InnerSteps = None,
    order: Order = None,
    seed: Seed = None,
    steps: Steps = "0,1,5",
    test_size: TestSize = 0.3,
    model: Model = None,
    plot: Plot = None,
    json: Json = False,
    jobs: Jobs = None,
    dtype: Precision = Dtype.float64,
    config: Config = None,
    write_config: WriteConfig = None,
    quiet: Quiet = False,
) -> None:
    r"""Learn from many small tasks a starting point that a new task adapts.

    With FILE, the groups of rows in a table are the tasks. Numbers are
    standardised, text is one-hot encoded, groups with fewer than shots + 1
    rows are dropped. Some groups stay unseen; the result is evaluated on
    them, beside what is simpler. Groups are held out of training, too, to
    choose the inner rate and to stop by.

    Without FILE, the teaching notebook's job: tasks with random labels.

    For example:

      fastmaml train
      fastmaml train answers.csv --group person --target correct
      fastmaml train visits.parquet --group clinic --target outcome \
          --exclude visit_id --shots 5 --model out.fastmaml
    """
    given: dict[str, Any] = dict(locals())  # every option by its name
    settings = chosen(NOTEBOOK if file is None else TABLE, given)
    check_settings(settings, dtype.value)
    if file is None:
        for name, default in TABLE_ONLY.items():
            if given[name] not in (default, [], ()):
                raise ValueError(f"{flag(name)} needs a FILE (see fastmaml train --help)")
    described = all_settings(given, settings)
    if file is None:
        described = {name: value for name, value in described.items() if name not in TABLE_ONLY}
    check_outputs({"--write-config": write_config, "--model": model, "--plot": plot}, [file, config])
    if file is None:
        keep_config(write_config, described)
        from fastmaml.cli.notebook_job import train_on_noise

        run = {"n_jobs": jobs, "dtype": dtype.value, "verbose": False if quiet else "progress"}
        with compiling_announced(quiet):
            train_on_noise(settings, run, described, json)
        return
    check_test_size(test_size)
    evaluated, units = parse_steps(steps), parse_hidden(hidden)
    check_plot(plot)
    from fastmaml.cli.fitting import fit, report_on
    from fastmaml.cli.problem import read_problem

    seed = settings.seed or 0
    problem = read_problem(
        file, group, target, exclude or [], task=task, shots=settings.shots, test_size=test_size, seed=seed
    )
    keep_config(write_config, described)
    if not json:
        problem.describe()
    with compiling_announced(quiet):
        trained = fit(
            problem,
            settings,
            algorithm=algorithm.value,
            hidden=units,
            dtype=dtype.value,
            jobs=jobs,
            quiet=quiet,
        )
        if model is not None:
            trained.estimator.save(model)
        if not json:
            trained.describe(settings.epochs)
            written("model", model)
        report, seconds = report_on(
            trained.estimator, problem.test, shots=settings.shots, steps=evaluated, seed=seed, jobs=jobs
        )
    if plot is not None:
        draw(report, plot)
    if json:
        from fastmaml.cli.report_numbers import report_numbers

        say_json(
            {
                "command": "train",
                "settings": described,
                "seconds": {"training": trained.seconds, "evaluation": seconds},
                "data": problem.counts,
                "training": trained.numbers,
                "report": report_numbers(report),
            }
        )
        return
    written("plot", plot)
    say(f"\n{report}")
