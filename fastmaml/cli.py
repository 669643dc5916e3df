"""The command line: `fastmaml train`, `fastmaml info`.

Results go to stdout, progress and warnings to stderr. A mistake is one line on stderr and exit code 2.
Everything but typer loads when a command needs it: `--help` is quick, the default job needs no scikit-learn.
"""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from fastmaml import MAML, TaskSet
    from fastmaml.tables import Table

MISTAKE, INTERRUPTED = 2, 130  # exit codes
# Typer has carried its own copy of click since 0.26; the base of either's errors is reached by a public name.
ClickError: Any = typer.BadParameter.__mro__[2]
REPORTED: Any = (ClickError, ValueError, TypeError, OSError, ArithmeticError, MemoryError)


class Dtype(StrEnum):
    """Precision of the computation."""

    float64 = "float64"
    float32 = "float32"


class Settings(NamedTuple):
    """What `train` can be told with and without a file; `queries=None` means all other rows."""

    epochs: int
    tasks_per_batch: int
    shots: int
    queries: int | None
    inner_rate: float
    outer_rate: float
    inner_steps: int
    order: int
    seed: int | None


TABLE = Settings(2_000, 32, 8, None, 0.3, 0.1, 5, 2, 0)
NOTEBOOK = Settings(10_000, 10, 10, 10, 1e-4, 1e-4, 1, 1, None)
TABLE_ONLY = {"group": None, "target": None, "exclude": None, "steps": "0,1,5", "test_size": 0.3}


def _setting(name: str, text: str, metavar: str = "N", **limits: Any) -> Any:
    """Describe the option of one of the settings, its defaults read from there."""
    table, notebook = (str(getattr(job, name)).lower() for job in (TABLE, NOTEBOOK))
    text = f"{text} (default {table}; without FILE {notebook})"
    return _option(_flag(name), text, "Training", metavar, **limits)


def _flag(name: str) -> str:
    """Spell a parameter's name as an option."""
    return f"--{name.replace('_', '-')}"


def _option(flag: str, text: str, panel: str, metavar: str = "N", **limits: Any) -> Any:
    """Describe an option whose help says its default."""
    return typer.Option(flag, help=text, rich_help_panel=panel, show_default=False, metavar=metavar, **limits)


TRAIN_HELP = r"""
Learn from many small tasks a starting point that a new task adapts.

With FILE, the groups of rows in a table are the tasks. Numbers are
standardised, text is one-hot encoded, groups with fewer than shots + 1
rows are dropped. Some groups stay unseen; the result is evaluated on
them, beside pooled logistic regression and the majority class.

Without FILE, the teaching notebook's job: tasks with random labels.

Examples:

  fastmaml train
  fastmaml train answers.csv --group person --target correct
  fastmaml train visits.parquet --group clinic --target outcome \
      --exclude visit_id --shots 5 --steps 0,1,10
"""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
TABLE_PANEL, UNSEEN_PANEL, RUN_PANEL = "Table (with FILE)", "Evaluation on unseen tasks (with FILE)", "Run"
FileOf = Annotated[Path | None, typer.Argument(metavar="FILE", help="A .csv, .tsv or .parquet file.")]
Group = _option("--group", "Column that says which rows make up a task (required)", TABLE_PANEL, "COLUMN")
Target = _option("--target", "Column to predict, of two different values (required)", TABLE_PANEL, "COLUMN")
Exclude = _option("--exclude", "Column that is not a feature; may be repeated", TABLE_PANEL, "COLUMN")
Steps = _option("--steps", "Evaluate after so many steps on a task (default 0,1,5)", UNSEEN_PANEL, "N,N,...")
TestSize = _option("--test-size", "Share of the tasks to keep unseen (default 0.3)", UNSEEN_PANEL, "SHARE")
Epochs = _setting("epochs", "Meta-steps", min=1)
TasksPerBatch = _setting("tasks_per_batch", "Tasks in an epoch", min=1)
Shots = _setting("shots", "Rows of a task to adapt on", min=1)
Queries = _setting("queries", "Limit to its other rows, which then give the meta-gradient", min=1)
InnerRate = _setting("inner_rate", "Step size of adapting to a task", "RATE", min=0)
OuterRate = _setting("outer_rate", "Step size of an epoch", "RATE", min=0)
InnerSteps = _setting("inner_steps", "Steps of adapting to a task", min=1)
Order = _setting("order", "Meta-gradient: 2 exact, 1 first-order, which is cheaper", min=1, max=2)
Seed = _setting("seed", "Same seed, same result", min=0)
Jobs = _option("--jobs", "Threads (default all cores)", RUN_PANEL, min=1)
Precision = _option("--dtype", "Precision; float32 is faster (default float64)", RUN_PANEL, "float64|float32")
Quiet = typer.Option("--quiet", "-q", help="No progress bar", rich_help_panel=RUN_PANEL)


@app.command(help=TRAIN_HELP)
def train(
    file: FileOf = None,
    group: Annotated[str | None, Group] = None,
    target: Annotated[str | None, Target] = None,
    exclude: Annotated[list[str] | None, Exclude] = None,
    shots: Annotated[int | None, Shots] = None,
    queries: Annotated[int | None, Queries] = None,
    tasks_per_batch: Annotated[int | None, TasksPerBatch] = None,
    epochs: Annotated[int | None, Epochs] = None,
    inner_rate: Annotated[float | None, InnerRate] = None,
    outer_rate: Annotated[float | None, OuterRate] = None,
    inner_steps: Annotated[int | None, InnerSteps] = None,
    order: Annotated[int | None, Order] = None,
    seed: Annotated[int | None, Seed] = None,
    steps: Annotated[str, Steps] = "0,1,5",
    test_size: Annotated[float, TestSize] = 0.3,
    jobs: Annotated[int | None, Jobs] = None,
    dtype: Annotated[Dtype, Precision] = Dtype.float64,
    quiet: Annotated[bool, Quiet] = False,
) -> None:
    """Learn a starting point from many small tasks."""
    given = dict(locals())  # every option by its name
    chosen = {name: given[name] for name in Settings._fields if given[name] is not None}
    run = {"n_jobs": jobs, "dtype": dtype.value, "verbose": False if quiet else "progress"}
    settings = (NOTEBOOK if file is None else TABLE)._replace(**chosen)
    _check(settings, dtype.value)
    announced = contextlib.nullcontext() if quiet else _compiling_announced()
    if file is None:
        for name, default in TABLE_ONLY.items():
            if given[name] not in (default, []):
                raise ValueError(f"{_flag(name)} needs a FILE (see fastmaml train --help)")
        with announced:
            _train_on_noise(settings, run)
        return
    if not 0 < test_size < 1:
        raise ValueError(f"--test-size must be between 0 and 1, both excluded, not {test_size}")
    evaluated = _parse_steps(steps)
    from fastmaml.tables import read_table

    table = read_table(file, group, target, exclude or [])
    with announced:
        _train_on_table(table, settings, test_size, evaluated, run)


@app.command()
def info() -> None:
    """Print versions, threads, vector width and cache folder, for a bug report."""
    from fastmaml import runtime

    facts = runtime.info()
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {value}")


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Meta-learning for small models, compiled: learn from many small tasks how to adapt to a new one."""
    if version:
        from fastmaml.version import __version__

        typer.echo(f"fastmaml {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the arguments of the process, and return its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _complain("warning", message)
        try:
            status = app(args=arguments, prog_name="fastmaml", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            status = INTERRUPTED
        except REPORTED as error:
            _complain("error", error)
            return MISTAKE
    if status == INTERRUPTED:
        typer.echo("interrupted", err=True)
    return int(status or 0)


def _complain(kind: str, problem: Any) -> None:
    """Print an error or a warning as one line on stderr."""
    message = problem.format_message() if isinstance(problem, ClickError) else str(problem)
    context = getattr(problem, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context is not None else ""
    typer.echo(f"{kind}: {' '.join(message.split()) or type(problem).__name__}{hint}", err=True)


@contextlib.contextmanager
def _compiling_announced() -> Iterator[None]:
    """Say on stderr, once, why nothing seems to happen."""
    from fastmaml.runtime.cache import before_compiling

    def say(name: str) -> None:
        if "region" in name.rpartition(".")[2]:
            typer.echo("compiling, the first time of a run of this kind: up to half a minute", err=True)
            before_compiling.clear()

    before_compiling.append(say)
    try:
        yield
    finally:
        before_compiling.clear()


def _check(settings: Settings, dtype: str) -> None:
    """Refuse before any work what the model would refuse, by the options' names."""
    import numpy as np

    from fastmaml.validation import MOST_EPOCHS, MOST_STEPS, check_count, check_rate, check_seed

    for name in ("tasks_per_batch", "shots", "queries"):
        if getattr(settings, name) is not None:
            check_count(_flag(name), getattr(settings, name))
    check_count("--epochs", settings.epochs, maximum=MOST_EPOCHS)
    check_count("--inner-steps", settings.inner_steps, maximum=MOST_STEPS)
    for name in ("inner_rate", "outer_rate"):
        rate = check_rate(_flag(name), getattr(settings, name))
        if rate > float(np.finfo(dtype).max):
            raise ValueError(f"{_flag(name)} is {rate:g}, too large for {dtype}; give a smaller one")
    if settings.seed is not None:
        check_seed(settings.seed, "--seed")


def _parse_steps(text: str) -> tuple[int, ...]:
    """Read `--steps`: different numbers of steps, in rising order."""
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"--steps must be numbers of steps with commas between, such as 0,1,5, not {text!r}")
    from fastmaml.validation import MOST_STEPS, check_count

    return tuple(sorted({check_count("--steps", int(part), 0, MOST_STEPS) for part in parts}))


def _trained(settings: Settings, run: dict[str, Any]) -> MAML:
    """Make a model, which has the notebook's names for the settings, train it, and say how that went."""
    from fastmaml import MAML

    model = MAML(
        num_tasks=settings.tasks_per_batch,
        num_samples=settings.shots,
        epochs=settings.epochs,
        alpha=settings.inner_rate,
        beta=settings.outer_rate,
        query_samples=settings.queries,
        inner_steps=settings.inner_steps,
        order=settings.order,
        random_state=settings.seed,
        **run,
    )
    start = time.perf_counter()
    try:
        model.train()
    except FloatingPointError as error:
        # The model has the notebook's names, the options have others, and no model is kept here.
        message = re.sub(r"\balpha\b", "--inner-rate", re.sub(r"\bbeta\b", "--outer-rate", str(error)))
        message = message.replace("theta as it was before that epoch is kept; ", "")
        raise FloatingPointError(message) from None
    seconds = time.perf_counter() - start
    typer.echo(f"trained  {model.epochs:,} epochs of {model.num_tasks:,} tasks in {seconds:.2f} s")
    typer.echo(f"loss     {model.loss_:{'.4f' if model.loss_ < 1e6 else '.4g'}} in the last epoch")
    return model


def _train_on_noise(settings: Settings, run: dict[str, Any]) -> None:
    """Run the notebook's job."""
    _trained(settings, run)
    typer.echo("note     these labels are coin flips and cannot be learned: ln 2 = 0.693 is the floor of the")
    typer.echo("         expected loss; fastmaml train FILE learns from real tasks")


def _train_on_table(
    table: Table, settings: Settings, test_size: float, steps: tuple[int, ...], run: dict[str, Any]
) -> None:
    """Train on some of a table's groups and print how the result does on the others."""
    import numpy as np

    from fastmaml import TaskSet
    from fastmaml.tables import encode

    # The groups are split before there are features: these are scaled and encoded by the training rows alone.
    row_numbers = np.arange(len(table.target), dtype=np.float64)[:, None]
    groups = TaskSet.from_groups(row_numbers, table.target, table.groups)
    needed = settings.shots + 1
    large = int(np.count_nonzero(groups.rows >= needed))
    if len(groups) < 2:
        raise ValueError("all rows are of one group, so none could be kept unseen; choose another --group")
    if large < 2:
        raise ValueError(f"only {large} of {len(groups)} groups have {needed} rows, two must; lower --shots")
    parts = groups.filter(min_rows=needed).split(test_size, random_state=settings.seed)
    train_rows, test_rows = (part.X[:, 0].astype(np.int64) for part in parts)
    if len(np.unique(table.target[train_rows])) < 2:
        raise ValueError("the training tasks' rows all have the same target, so there is nothing to learn")
    features, names = encode(table, train_rows)
    columns = (features, table.target, table.group_values[table.groups])
    train, test = (TaskSet.from_groups(*(c[rows] for c in columns)) for rows in (train_rows, test_rows))
    typer.echo(f"tasks    {len(train):,} to train on, {len(test):,} unseen")
    typer.echo(f"rows     {train.num_rows:,} and {test.num_rows:,}, of {len(names)} features")
    typer.echo("target   0 is {!r}, 1 is {!r}".format(*table.target_values))
    settings = settings._replace(tasks_per_batch=min(settings.tasks_per_batch, len(train)))
    model = _trained(settings, run | {"tasks": train, "fit_intercept": True})
    _report(model, train, test, steps)


def _report(model: MAML, train: TaskSet, test: TaskSet, steps: tuple[int, ...]) -> None:
    """Print loss and accuracy on unseen tasks: the model's, and those of what is simpler."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    pooled = LogisticRegression(max_iter=1000).fit(train.X, train.y)
    pooled_theta = np.append(pooled.coef_, pooled.intercept_).reshape(model.theta.shape)
    typer.echo(f"\nunseen tasks, {model.num_samples} rows to adapt on, the others to test (95% intervals)\n")
    typer.echo(f"{'start':<17}  steps  {'loss':<23}  accuracy")
    for name, theta in (("meta-learned", model.theta), ("pooled regression", pooled_theta)):
        model.theta = theta
        result = model.evaluate(test, steps=steps, random_state=model.seed_ or 0)
        for i, count in enumerate(result.steps):
            # Where a rate was far too large, a loss has some hundred digits.
            form = "{:.3f}" if result.loss[i] < 1e6 else "{:.3g}"
            loss = _with_interval(form, result.loss[i], result.loss_interval[i])
            accuracy = _with_interval("{:.1%}", result.accuracy[i], result.accuracy_interval[i])
            typer.echo(f"{name:<17}  {count:>5}  {loss:<23}  {accuracy}")
    # On the very rows that the others were tested on: an intercept alone decides.
    model.theta = np.zeros_like(model.theta)
    model.theta[-1] = 1 if train.y.mean() > 0.5 else -1
    majority = model.evaluate(test, steps=(0,), random_state=model.seed_ or 0)
    accuracy = _with_interval("{:.1%}", majority.accuracy[0], majority.accuracy_interval[0])
    typer.echo(f"{'majority of the training rows':<51}{accuracy}")


def _with_interval(form: str, value: float, interval: Sequence[float]) -> str:
    """Write a number with its interval, which a single task does not have."""
    low, high = (form.format(bound) for bound in interval)
    return form.format(value) + ("" if low.startswith("nan") else f" ({low} to {high})")
