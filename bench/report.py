"""The table of results that a benchmark run ends with."""

import os
import platform
import time
from importlib import metadata
from typing import NamedTuple

from bench.ratio import Contestant, pretty_seconds, ratio


class Row(NamedTuple):
    """One line of the table, as text."""

    what: str
    ours: str
    baseline: str
    ratio: str
    target: str


def judged(value, at_least=None, at_most=None, written="{:g}".format):
    """Write a target and whether `value` meets it; ``none`` where there is none.

    Parameters
    ----------
    value : float
    at_least, at_most : float, optional
        The target; at most one of them.
    written : callable, default as a plain number
        Writes the target: `bench.ratio.pretty_seconds`.

    Returns
    -------
    str
    """
    if at_least is not None:
        return f"at least {written(at_least)}: {'met' if value >= at_least else 'missed'}"
    if at_most is not None:
        return f"at most {written(at_most)}: {'met' if value <= at_most else 'missed'}"
    return "none"


class Report:
    """Collects rows and remarks, and writes them as a markdown table.

    Attributes
    ----------
    rows : list of Row
    remarks : list of str
        Sentences to stand under the table.
    """

    def __init__(self):
        self.rows = []
        self.remarks = []

    def remark(self, text):
        """Add a sentence once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def compared(
        self, benchmark, what, unit, ours: Contestant, baseline: Contestant, at_least=None, at_most=None
    ):
        """Add the row of two contestants of one `bench.ratio.alternate`, and attach it to the benchmark.

        Parameters
        ----------
        benchmark : pytest_benchmark fixture
        what : str
            What is compared.
        unit : str
            The unit of work that both count: ``"epoch"``.
        ours, baseline : Contestant
            The ratio is the baseline's time by ours; ours by the baseline's where the target is `at_most`.
        at_least, at_most : float, optional
            The target; at most one of them.

        Returns
        -------
        bench.ratio.Ratio
        """
        times = ratio(baseline, ours) if at_most is None else ratio(ours, baseline)
        cells = [f"{pretty_seconds(c.seconds)} / {unit}" for c in (ours, baseline)]
        target = judged(times.median, at_least, at_most)
        row = Row(what, cells[0], f"{cells[1]} ({baseline.name})", str(times), target)
        self.rows.append(row)
        benchmark.extra_info.setdefault("rows", []).append({**row._asdict(), **times._asdict()})
        for contestant in (ours, baseline):
            benchmark.extra_info[f"first call, {contestant.name}"] = contestant.first_call
            benchmark.extra_info[f"{unit}s a call, {contestant.name}"] = contestant.work
        return times

    def timed(self, benchmark, what, unit, ours: Contestant, at_most):
        """Add the row of a contestant that is held against a time, and attach it to the benchmark.

        Parameters
        ----------
        benchmark : pytest_benchmark fixture
        what : str
            What is timed.
        unit : str
            The unit of work that it counts: ``"run"``.
        ours : Contestant
        at_most : float
            The target in seconds a unit.
        """
        seconds = ours.seconds
        target = judged(seconds, at_most=at_most, written=pretty_seconds)
        row = Row(what, f"{pretty_seconds(seconds)} / {unit}", "none", "none", target)
        self.rows.append(row)
        benchmark.extra_info.setdefault("rows", []).append({**row._asdict(), "seconds": ours.samples})

    def markdown(self):
        """Return the table with its heading line and remarks; empty without rows.

        Returns
        -------
        str
        """
        if not self.rows:
            return ""
        lines = ["| " + " | ".join(Row._fields) + " |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        lines += ["", machine(), ""]
        lines += [f"- {remark}" for remark in self.remarks]
        return "\n".join(lines).rstrip() + "\n"


def machine():
    """Describe processor, cores in use, versions and date in a sentence.

    Returns
    -------
    str
    """
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            processor = next(
                (line.split(":")[1].strip() for line in lines if "model name" in line), processor
            )
    except OSError:
        pass
    packages = []
    for package in ("numpy", "numba", "jax", "torch"):
        try:
            packages.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{processor}, {cores} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{', '.join(packages)}; {time.strftime('%Y-%m-%d')}. Median of the rounds, quartiles in brackets."
    )
