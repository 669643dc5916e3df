"""README.md: its code runs, and its commands are the ones that are tested."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from fastmaml.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALL_PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# A module of the user's own, which has to be one to be cached: `test_own_parts` puts it into a package.
OWN_PART = next(block for block in ALL_PYTHON if "NamedTuple" in block)
PYTHON = [block for block in ALL_PYTHON if block != OWN_PART]
TEXT = re.findall(r"^```text\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_there_are_blocks():
    assert len(PYTHON) >= 2
    assert len(SHELL) >= 2


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*not seen in fit:UserWarning")
def test_python_blocks_run(capsys):
    """One after the other, since later ones go on with what earlier ones have made."""
    state = np.random.get_state()
    namespace, printed = {}, []
    try:
        for number, block in enumerate(PYTHON):
            exec(compile(block, f"README.md, Python block {number}", "exec"), namespace)
            printed.append(capsys.readouterr().out)
    finally:
        np.random.set_state(state)
    notebook, own_tasks, estimators, _, report, _, family = printed
    assert notebook.count("Sampling Next Batch of Tasks") == 2
    assert notebook.endswith("(50, 1) 10\n")
    # Five steps on eight rows of an unseen group are better than none.
    before, _, after = namespace["result"].accuracy
    assert after > before + 0.02
    assert own_tasks
    assert namespace["adapted"].predict_proba(namespace["X"][:3]).shape == (3, 2)
    adapted, unadapted = map(float, estimators.splitlines()[1:])
    assert adapted > unadapted + 0.02
    # The table that README shows is of these rows; its digits are another machine's.
    (shown,) = TEXT
    for line in shown.splitlines()[:12]:
        numbers = re.sub(r"-?\d+\.\d", "#", line)
        assert numbers in re.sub(r"-?\d+\.\d", "#", report).splitlines()
    assert report.splitlines()[-1].startswith("With 8 shots and 5 steps, adapting helps (+")
    # Five steps on five points of an unseen curve are better than one, and one than none.
    none, one, five = np.median(namespace["scores"].losses, axis=0)
    assert five < one < none
    assert "(1761,)" in family


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_commands_run(tmp_path, monkeypatch, capsys):
    """With files of the names that README uses."""
    rng = np.random.default_rng(0)
    people, rows = 40, 20
    person = np.repeat(np.arange(people), rows)
    ease, mood = rng.normal(size=people * rows), rng.choice(["calm", "tense"], people * rows)
    correct = np.where(ease * rng.normal(1, 1, people)[person] + (mood == "calm") > 0.5, "yes", "no")
    table = [f"{p},{e:.4f},{m},{c}" for p, e, m, c in zip(person, ease, mood, correct, strict=True)]
    monkeypatch.chdir(tmp_path)
    for name, lines in (("answers", table), ("someone", table[:8]), ("questions", table[8:20])):
        Path(f"{name}.csv").write_text("\n".join(["person,ease,mood,correct", *lines]), encoding="utf-8")
    commands = [line for block in SHELL for line in block.splitlines() if line.startswith("fastmaml ")]
    assert len(commands) >= 4
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    assert len(Path("predictions.csv").read_text(encoding="utf-8").splitlines()) == 1 + 12
    assert "over pooled)" in capsys.readouterr().out


def test_the_test_command_is_the_one_that_is_checked():
    command = SHELL[1].strip()
    assert command.endswith("-m pytest")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
