"""A table of groups, and commands run in this process."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fastmaml.cli import main

SMALL = ["--epochs", "20", "--tasks-per-batch", "4", "--shots", "6", "--inner-steps", "2", "--quiet"]
RATES = ["--inner-rate", "0.3", "--outer-rate", "0.1"]
GROUPS, ROWS = 20, 14


class Data:
    """Groups that differ in the sign of a slope: pooled regression can learn nothing, adaptation can."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.group = np.repeat(np.arange(GROUPS), ROWS)
        self.x = random.normal(5.0, 3.0, GROUPS * ROWS).round(6)
        self.colour = random.choice(["red", "blue"], GROUPS * ROWS)
        sign = np.where(np.arange(GROUPS) % 2 == 0, 1.0, -1.0)[self.group]
        self.value = (sign * (self.x - 5.0)).round(3)
        self.target = np.where(sign * (self.x - 5.0) > 0, "Y", "N")
        self.order = random.permutation(GROUPS * ROWS)

    def write(self, path: Path, numbers: bool = False) -> Path:
        """Write the rows, the groups interleaved; the answers are classes, or numbers."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["who", "x", "colour", "answer"])
            for i in self.order:
                person = f"person {self.group[i]:03}"
                target = self.value[i] if numbers else self.target[i]
                writer.writerow([person, self.x[i], self.colour[i], target])
        return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, stdout and stderr."""
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def train(capsys: pytest.CaptureFixture[str], table: Path, *options: str) -> str:
    """Train on the table without trouble; return stdout."""
    code, out, err = run(
        capsys, "train", str(table), "--group", "who", "--target", "answer", *SMALL, *RATES, *options
    )
    assert (code, err) == (0, "")
    return out
