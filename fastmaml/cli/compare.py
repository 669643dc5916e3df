"""`fastmaml compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastmaml.cli.config import all_settings, keep_config
from fastmaml.cli.options import (
    Config,
    DataFile,
    Dtype,
    Epochs,
    Exclude,
    Group,
    Hidden,
    InnerRate,
    InnerSteps,
    Jobs,
    Json,
    Order,
    OuterRate,
    Precision,
    Queries,
    Quiet,
    Seed,
    Shots,
    Target,
    Task,
    TaskOf,
    TasksPerBatch,
    TestSize,
    WriteConfig,
)
from fastmaml.cli.output import compiling_announced, note, say, say_json
from fastmaml.cli.paths import check_outputs
from fastmaml.cli.settings import TABLE, check_settings, check_test_size, chosen, parse_hidden

if TYPE_CHECKING:
    from fastmaml import FewShotReport


def compare(
    file: DataFile,
    group: Group = None,
    target: Target = None,
    exclude: Exclude = None,
    task: TaskOf = Task.auto,
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
    test_size: TestSize = 0.3,
    json: Json = False,
    jobs: Jobs = None,
    dtype: Precision = Dtype.float64,
    config: Config = None,
    write_config: WriteConfig = None,
    quiet: Quiet = False,
) -> None:
    """Train every algorithm on the same tasks, and compare them on the same unseen ones.

    Beside them stands what is simpler; the sentences below the table say
    for each algorithm, task by task, whether it is worth it.

    For example:

      fastmaml compare answers.csv --group person --target correct
    """
    given: dict[str, Any] = dict(locals())
    settings = chosen(TABLE, given)
    check_settings(settings, dtype.value)
    check_test_size(test_size)
    units = parse_hidden(hidden)
    check_outputs({"--write-config": write_config}, [file, config])
    from fastmaml.algorithms import ALGORITHMS
    from fastmaml.cli.fitting import fit, report_on
    from fastmaml.cli.problem import read_problem

    seed = settings.seed or 0
    problem = read_problem(
        file, group, target, exclude or [], task=task, shots=settings.shots, test_size=test_size, seed=seed
    )
    described = all_settings(given, settings)
    keep_config(write_config, described)
    if not json:
        problem.describe()
    found: dict[str, tuple[Any, Any, float]] = {}
    with compiling_announced(quiet):
        for name in ALGORITHMS:
            if not quiet:
                note(f"algorithm {name}")
            trained = fit(
                problem,
                settings,
                algorithm=name,
                hidden=units,
                dtype=dtype.value,
                jobs=jobs,
                quiet=quiet,
            )
            report, seconds = report_on(
                trained.estimator,
                problem.test,
                shots=settings.shots,
                steps=(settings.inner_steps,),
                seed=seed,
                jobs=jobs,
            )
            found[name] = (trained, report, seconds)
    if json:
        from fastmaml.cli.report_numbers import report_numbers

        algorithms = {
            name: {
                "seconds": {"training": trained.seconds, "evaluation": seconds},
                "training": trained.numbers,
                "report": report_numbers(report),
            }
            for name, (trained, report, seconds) in found.items()
        }
        say_json(
            {
                "command": "compare",
                "settings": described,
                "data": problem.counts,
                "algorithms": algorithms,
            }
        )
        return
    say()
    for line in _compared({name: (report, trained.seconds) for name, (trained, report, _) in found.items()}):
        say(line)


def _compared(found: dict[str, tuple[FewShotReport, float]]) -> list[str]:
    """Return the table, algorithms above what is simpler, and each algorithm's conclusion."""
    from fastmaml.arrays import counted
    from fastmaml.evaluation.tables import aligned, important, shown, title

    first, _ = next(iter(found.values()))
    shots, steps = first.headline
    metrics = important(first)
    corner = f"{counted(shots, 'shot')}, {counted(steps, 'step')}"
    head = [corner, *map(title, metrics), "trained in"]
    rows = [
        [
            report.name,
            *(shown(metric, report.summary(metric, shots, steps)) for metric in metrics),
            f"{seconds:.2f} s",
        ]
        for report, seconds in found.values()
    ]
    rows += [
        [name, *(shown(metric, first.summary(metric, shots, None, name)) for metric in metrics), ""]
        for name in first.baselines
    ]
    lines = [
        f"on {first.num_tasks:,} tasks never seen: means with 95 % intervals over tasks",
        "",
        *aligned(head, rows),
        "",
    ]
    lines += [f"{report.name}: {report.conclusion}" for report, _ in found.values()]
    problems = dict.fromkeys(problem for report, _ in found.values() for problem in report.problems)
    return lines + [f"Note: {problem}." for problem in problems]
