"""A report as JSON has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastmaml import FewShotReport


def report_numbers(report: FewShotReport) -> dict[str, Any]:
    """Return every number of a report: the scores of each start, and how much better the model is."""
    shots, steps = report.headline
    starts: list[tuple[str | None, int | None]] = [(None, count) for count in report.steps.tolist()]
    starts += [(name, None) for name in report.baselines]
    others: list[str | int] = [*report.baselines, *([0] if 0 in report.steps and steps > 0 else [])]
    return {
        "algorithm": report.name,
        "num_tasks": report.num_tasks,
        "shots": list(report.all_shots),
        "steps": report.steps.tolist(),
        "metrics": list(report.metrics),
        "score": report.score,
        "headline": {"shots": shots, "steps": steps},
        "results": [
            {
                "start": report.name if start is None else start,
                "shots": count,
                "steps": step,
                "metric": metric,
                **report.summary(metric, count, step, start)._asdict(),
            }
            for start, step in starts
            for count in report.all_shots
            for metric in report.metrics
        ],
        "gains": [
            {
                "over": "0 steps" if other == 0 else other,
                "shots": shots,
                "steps": steps,
                "metric": report.score,
                **report.gain(other)._asdict(),
            }
            for other in others
        ],
        "conclusion": report.conclusion,
        "problems": report.problems,
    }
