"""Settings of a run in a file: read, written, and wrong."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from cli_runs import SMALL, Data, run, train

from fastmaml.cli.config import keep_config


def without_seconds(out: str) -> str:
    return re.sub(r" in \d+\.\d\d s$", "", out, flags=re.MULTILINE)


@pytest.mark.compiled
def test_a_written_file_gives_the_same_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table, config = Data().write(tmp_path / "table.csv"), tmp_path / "run.toml"
    out = train(capsys, table, "--exclude", "colour", "--seed", "4", "--write-config", str(config))
    written = tomllib.loads(config.read_text())
    assert (written["exclude"], written["seed"], written["outer_rate"]) == (["colour"], 4, 0.1)
    # What was not given is there as well: other defaults in later versions change nothing.
    assert (written["order"], written["steps"], written["file"]) == (2, "0,1,5", str(table))
    code, again, err = run(capsys, "train", "--config", str(config))
    assert (code, err) == (0, "")
    assert without_seconds(again) == without_seconds(out)


def test_the_command_line_goes_before(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("epochs = 7\ntasks-per-batch = 3\nseed = 1\nquiet = true\njson = true\n")
    code, out, err = run(capsys, "train", "--config", str(config), "--epochs", "4")
    assert (code, err) == (0, "")
    settings = json.loads(out)["settings"]
    assert (settings["epochs"], settings["tasks_per_batch"], settings["seed"]) == (4, 3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "sets 'epoch', but fastmaml train has only algorithm, dtype, epochs"),
        ("config = 'x'", "sets 'config', but"),
        ("epochs = 0", "--epochs"),
        ("epochs = 2.5", "--epochs"),
        ("epochs = true", "--epochs"),
        ("epochs = [1, 2]", "--epochs"),
        ("tasks_per_batch = 1\ntasks-per-batch = 2", "sets 'tasks-per-batch' twice"),
        ("inner_rate = 'x'", "--inner-rate"),
        ("inner_rate = inf", "--inner-rate is inf; give a finite number"),
        ("[train]\nepochs = 1", "has a table 'train'; settings stand at the top"),
        ("epochs", "is no TOML file: "),
        ("algorithm = 'sgd'", "--algorithm"),
        ("hidden = [4, 0]", "--hidden needs a FILE"),
        ("group = 'who'", "--group needs a FILE"),
    ],
)
def test_wrong_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "run.toml"
    config.write_text(text)
    code, out, err = run(capsys, "train", "--config", str(config), "--quiet")
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_files_that_are_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "train", "--config", str(tmp_path / "none.toml"))
    assert code == 2
    assert "none.toml does not exist" in err
    code, out, err = run(capsys, "train", "--write-config", str(tmp_path / "no" / "run.toml"), *SMALL)
    assert (code, out) == (2, "")
    assert "--write-config" in err
    assert "there is no folder" in err


def test_a_file_is_not_written_over_the_one_that_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "run.toml"
    config.write_text("epochs = 3\n")
    code, _, err = run(capsys, "train", "--config", str(config), "--write-config", str(config))
    assert (code, config.read_text()) == (2, "epochs = 3\n")
    assert "is a file that is read" in err


def test_any_text_can_be_written(tmp_path: Path) -> None:
    settings = {
        "group": 'a "b" \\ c\n\x7f\x00 é 🙂',
        "exclude": ["x", "'"],
        "outer_rate": 1e-05,
        "json": True,
    }
    keep_config(tmp_path / "run.toml", settings | {"queries": None, "quiet": False})
    assert tomllib.loads((tmp_path / "run.toml").read_text(encoding="utf-8")) == settings
