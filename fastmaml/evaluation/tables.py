"""A report as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from fastmaml.arrays import counted

if TYPE_CHECKING:
    from fastmaml.evaluation.report import FewShotReport, Summary

TITLES = {"loss": "loss", "accuracy": "accuracy", "auc": "AUC", "rmse": "RMSE", "r2": "R2"}


def shown(metric: str, one: Summary) -> str:
    """Write a number with its interval; a dash where there is none."""
    if one.tasks == 0:
        return "-"
    texts = [_number(metric, value) for value in (one.mean, one.low, one.high)]
    text = texts[0] if one.low != one.low else f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return f"{text} ({one.diverged} diverged)" if one.diverged else text


def _number(metric: str, value: float) -> str:
    if metric == "accuracy":
        return f"{100 * value:.1f}"
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.3g}"


def title(metric: str) -> str:
    """Return what a score is called above its numbers."""
    return TITLES[metric] + (" in %" if metric == "accuracy" else "")


def table(report: FewShotReport, metric: str) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a score's table, a column for each number of shots."""
    head = [title(metric), *(counted(shots, "shot") for shots in report.all_shots)]
    starts: list[tuple[str, int | None, str | None]] = [
        (f"{report.name}, {counted(steps, 'step')}", steps, None) for steps in report.steps.tolist()
    ]
    starts += [(name, None, name) for name in report.baselines]
    return head, [
        [called, *(shown(metric, report.summary(metric, shots, steps, start)) for shots in report.all_shots)]
        for called, steps, start in starts
    ]


def as_text(report: FewShotReport) -> str:
    """Return a report as lines of text."""
    lines = [_title(report), ""]
    for metric in important(report):
        head, rows = table(report, metric)
        lines += [*aligned(head, rows), ""]
    lines.append(report.conclusion)
    lines += [f"Note: {problem}." for problem in report.problems]
    return "\n".join(lines)


def aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table as lines of text, the head underlined."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, ["-" * width for width in widths], *rows):
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


def as_html(report: FewShotReport) -> str:
    """Return a report as HTML."""
    parts = [f"<p>{escape(_title(report))}</p>"]
    for metric in important(report):
        head, rows = table(report, metric)
        cells = "".join(f"<th>{escape(text)}</th>" for text in head)
        body = "".join(
            "<tr>"
            + f"<th>{escape(row[0])}</th>"
            + "".join(f"<td>{escape(text)}</td>" for text in row[1:])
            + "</tr>"
            for row in rows
        )
        parts.append(f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>")
    parts.append(f"<p><b>{escape(report.conclusion)}</b></p>")
    parts += [f"<p>Note: {escape(problem)}.</p>" for problem in report.problems]
    return "".join(parts)


def important(report: FewShotReport) -> tuple[str, ...]:
    """Return the scores that are shown; the others are in the data frame.

    R2 of a task with few rows to test on may be anything below 1, and its mean says nothing.
    """
    if not report.model.classifies and report.model.loss == "squared_error":  # type: ignore[attr-defined]
        return (report.score,)
    return report.score, "loss"


def _title(report: FewShotReport) -> str:
    new = " never seen" if report.num_seen == 0 else ""
    return f"{report.name} on {counted(report.num_tasks, 'task')}{new}: means with 95 % intervals over tasks"
