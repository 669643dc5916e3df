"""What pictures read from a report, and the checks of what they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.arrays import counted, shown
from fastmaml.validation import check_choice

NEEDED = ("summary", "gains", "headline", "metrics", "all_shots", "steps", "baselines")


def check_report(report: Any) -> None:
    """Raise unless it is a report."""
    if isinstance(report, type) or any(not hasattr(report, name) for name in NEEDED):
        raise TypeError(f"report is {shown(report)}; give what fastmaml.evaluate returned")


def metric_of(report: Any, metric: Any) -> str:
    """Return a score's name, by default that of the conclusion."""
    return report.score if metric is None else check_choice("metric", metric, report.metrics)


def shots_of(report: Any, shots: Any) -> int:
    """Return a number of shots, by default that of the conclusion."""
    return report.headline[0] if shots is None else check_choice("shots", shots, report.all_shots)


def steps_of(report: Any, steps: Any) -> int:
    """Return a number of inner steps, by default that of the conclusion."""
    choices = tuple(np.asarray(report.steps).tolist())
    return report.headline[1] if steps is None else check_choice("steps", steps, choices)


def title_of(first: str, tasks: int, diverged: int, what: str) -> str:
    """Write a title: how many tasks there are, and how many of them are not in what is drawn."""
    title = f"{first}: {what} over {counted(tasks, 'task')}"
    if diverged:
        verb = "diverges and is" if diverged == 1 else "diverge and are"
        title += f"\n(up to {diverged} of them {verb} left out)"
    return title
