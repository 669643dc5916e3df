"""The commands that reproduce published numbers: their statistics, and that each runs; nothing is timed."""

import math
import re

import numpy as np
import pytest

from bench.reproduce import meta_sgd, side_by_side
from bench.reproduce.__main__ import COMMANDS, main
from bench.reproduce.curves import heading, row

SHORT = ["--epochs", "20", "--tasks", "30"]
# A mean with its interval, a median, how many diverged.
CELL = re.compile(r"\d+\.\d+ ± \d+\.\d+, \d+\.\d+, \d+$")


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def tables(printed):
    return [cells(line) for line in printed.splitlines() if line.startswith("|") and "---" not in line]


def test_a_row_leaves_out_what_diverged_and_counts_it():
    losses = np.array([[1.0, 1.0], [3.0, 2.0], [8.0, np.nan], [4.0, np.inf], [4.0, 1e6]])
    # Deviations of 1, 3, 8, 4, 4 from 4: 9 + 1 + 16 = 26 over 4. Of 1, 2: 1/2 over 1.
    first, second = 1.96 * math.sqrt(26 / 4 / 5), 1.96 * math.sqrt(0.5 / 2)
    assert cells(row("us", 5, losses=losses)) == [
        "us",
        "5",
        f"4.00 ± {first:.2f}, 4.00, 0",
        # The median is that of all five: 1, 2, 1e6, and two beyond.
        f"1.50 ± {second:.2f}, 1000000.00, 3",
    ]


def test_a_row_of_nothing_but_divergence():
    assert cells(row("us", losses=np.full((3, 1), np.nan))) == ["us", "-, inf, 3"]


def test_a_row_of_more_decimals():
    assert cells(row(losses=np.full((3, 1), 0.0625), decimals=4)) == ["0.0625 ± 0.0000, 0.0625, 0"]


def test_a_heading():
    assert heading("start", steps=(0, 1, 5)).splitlines() == [
        "| start | 0 steps | 1 step | 5 steps |",
        "|---|---|---|---|",
    ]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "sine",
            [
                [start, points]
                for points in ("5", "10", "20")
                for start in ("MAML", "pre-trained", "from scratch")
            ]
            + [["oracle", "-"]],
        ),
        (
            "meta-sgd",
            [
                [algorithm, str(points), f"{meta_sgd.PAPER[algorithm][points]:.2f}"]
                for points in (5, 10, 20)
                for algorithm in ("MAML", "Meta-SGD")
            ],
        ),
        ("algorithms", [[algorithm] for algorithm in side_by_side.contestants(20)]),
    ],
)
def test_a_command_prints_its_table(capsys, name, labels):
    main([name, *SHORT, "--seed", "3"])
    first, *lines = tables(capsys.readouterr().out)
    assert [line[: len(labels[0])] for line in lines] == labels
    for line in lines:
        assert len(line) == len(first)
        assert CELL.match(line[-4])
        for cell in line[-3:]:
            assert CELL.match(cell) or line[0] == "oracle"


def test_what_was_trained_differs_between_seeds_alone(capsys):
    """The same seed prints the same table; another trains on other tasks, and is tested on the same."""
    printed = []
    for seed in ("0", "0", "1"):
        main(["meta-sgd", *SHORT, "--seed", seed])
        printed.append(tables(capsys.readouterr().out))
    assert printed[0] == printed[1] != printed[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cosine"], "invalid choice: 'cosine'"),
        ([], "required: NAME"),
        (["sine", "--epochs", "0"], "give a whole number, 1 or larger"),
        (["sine", "--tasks", "many"], "give a whole number, 2 or larger"),
        (["sine", "--picture", "/there/is/no/such/folder.png"], "--picture"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(capsys, arguments, message):
    with pytest.raises(SystemExit):
        main(arguments)
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_help(capsys, name):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert "--epochs" in capsys.readouterr().out
