"""README.md: its code runs, and its commands are the ones that are tested."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALL_PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# A module of the user's own, which has to be one to be cached: `test_own_parts` puts it into a package.
OWN_PART = next(block for block in ALL_PYTHON if "NamedTuple" in block)
PYTHON = [block for block in ALL_PYTHON if block != OWN_PART]
SHELL = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_there_are_blocks():
    assert len(PYTHON) >= 2
    assert len(SHELL) >= 2


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*were not seen in fit:UserWarning")
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
    notebook, own_tasks, estimators, _, family = printed
    assert notebook.count("Sampling Next Batch of Tasks") == 2
    assert notebook.endswith("(50, 1) 10\n")
    # Five steps on eight rows of an unseen group are better than none.
    before, _, after = namespace["result"].accuracy
    assert after > before + 0.02
    assert own_tasks
    assert namespace["adapted"].predict_proba(namespace["X"][:3]).shape == (3, 2)
    adapted, unadapted = map(float, estimators.splitlines()[1:])
    assert adapted > unadapted + 0.02
    # Five steps on five points of an unseen curve are better than one, and one than none.
    none, one, five = np.median(namespace["scores"].losses, axis=0)
    assert five < one < none
    assert "(1761,)" in family


def test_the_test_command_is_the_one_that_is_checked():
    command = SHELL[1].strip()
    assert command.endswith("-m pytest")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
