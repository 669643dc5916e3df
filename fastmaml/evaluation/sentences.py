"""A report's conclusion, in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fastmaml.arrays import counted
from fastmaml.evaluation.baselines import CONSTANT, POOLED, SCRATCH, TUNED

if TYPE_CHECKING:
    from fastmaml.evaluation.report import FewShotReport, Summary


def conclude(report: FewShotReport) -> str:
    """Say whether adapting helps, whether the learned start is worth it, and where something simpler wins."""
    if report.num_tasks < 2:
        return "One task alone cannot tell whether adapting helps."
    shots, steps = report.headline
    first = _adapting(report, steps)
    named = [POOLED]
    parts = [f"With {counted(shots, 'shot')} and {counted(steps, 'step')}, {first}"]
    for name, called in ((TUNED, "the pooled start, fine-tuned"), (SCRATCH, "starting from scratch")):
        if name in report.baselines:
            gain = report.gain(name)
            word = _word(gain, "better than", "not better than", "worse than")
            parts.append(f"{report.name}'s start is {word} {called} ({_gain(report, gain)})")
            named.append(name)
            break
    best = max(report.baselines, key=lambda name: _mean(report, name), default=None)
    sentence = "; ".join(parts) + "."
    fewest = min((report.gain(name).tasks for name in named if name in report.baselines), default=0)
    if 0 < fewest < report.num_tasks:
        sentence += f" This is of the {fewest} of {report.num_tasks} tasks where neither diverged."
    if best is not None:
        gain = report.gain(best)
        if gain.high < 0 and best not in named:
            better = gain._replace(mean=-gain.mean, low=-gain.high, high=-gain.low)
            sentence += (
                f" Better still is something simpler: {best} ({_gain(report, better)} over {report.name})."
            )
    return sentence


def _mean(report: FewShotReport, name: str) -> float:
    """Return how well a baseline does against the model; more is better."""
    gain = report.gain(name)
    return -gain.mean if gain.tasks else -math.inf


def _adapting(report: FewShotReport, steps: int) -> str:
    if steps == 0:
        other = next((name for name in (POOLED, CONSTANT) if name in report.baselines), None)
        if other is None:
            return "nothing is adapted, and there is nothing to compare with"
        gain = report.gain(other)
        word = _word(gain, "is better than", "is not better than", "is worse than")
        return f"the unadapted start {word} {other} ({_gain(report, gain)})"
    if POOLED in report.baselines:
        gain, over = report.gain(POOLED), "over pooled"
    elif 0 in report.steps:
        gain, over = report.gain(0), "over the unadapted start"
    else:
        other = report.baselines[0] if report.baselines else None
        if other is None:
            return "there is nothing to compare with"
        gain, over = report.gain(other), f"over {other}"
    word = _word(gain, "adapting helps", "adapting does not help", "adapting hurts")
    return f"{word} ({_gain(report, gain)} {over})"


def _word(gain: Summary, better: str, same: str, worse: str) -> str:
    if gain.low > 0:
        return better
    return worse if gain.high < 0 else same


def _gain(report: FewShotReport, gain: Summary) -> str:
    if report.score == "accuracy":
        return f"{100 * gain.mean:+.1f} points [{100 * gain.low:.1f}, {100 * gain.high:.1f}]"
    return f"a gain of {gain.mean:+.3g} in {report.score.upper()} [{gain.low:.3g}, {gain.high:.3g}]"
