"""A model of the user's own, in the user's package: README's, word for word."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_readme import OWN_PART

from fastmaml import check_gradients, models

RUN = """
import json
import sys

from numba.core import event

from fastmaml import algorithms, check_gradients, meta_train, optimizers, sources
from mypackage.robust import LogCosh

with event.install_recorder("numba:compile") as recorder:
    report = check_gradients(LogCosh(3))
    run = meta_train(
        LogCosh(2),
        algorithms.MAML(2, 2, 0.3),
        sources.LinearTasks([1.0, -2.0], spread=0.2),
        optimizers.Adam(0.05),
        tasks_per_batch=20,
        epochs=400,
        random_state=0,
    )
print(json.dumps([report.ok, run.theta.tolist(), len(recorder.buffer)]))
"""


@pytest.mark.compiled
def test_the_readme_s_model_compiles_in_and_is_kept(tmp_path):
    assert len(OWN_PART.splitlines()) < 45
    assert sum(bool(line.strip()) for line in OWN_PART.splitlines()) < 40
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "robust.py").write_text(OWN_PART)
    (tmp_path / "run.py").write_text(RUN)
    environment = {
        **os.environ,
        "FASTMAML_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(models.__file__).parents[2])]),
    }
    results = []
    for _ in range(2):
        command = [sys.executable, str(tmp_path / "run.py")]
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        results.append(eval(process.stdout, {"true": True, "false": False}))
    (ok, theta, compiled), (again_ok, again, loaded) = results
    assert [ok, again_ok] == [True, True]
    np.testing.assert_allclose(theta, [1.0, -2.0], atol=0.1)
    assert again == theta
    assert compiled > 0
    assert loaded == 0


def own_model(wrong):
    """Register the README's model with a mistake in it."""
    namespace = {"__name__": "own_part"}
    exec(OWN_PART.replace(*wrong), namespace)
    return namespace["LogCosh"](3)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        # A factor in the gradient, which the rest is compared with, and a number in the Hessian.
        (("gradients[t, k] += slope", "gradients[t, k] += 1.01 * slope"), [False, False, False]),
        (("(1 - saved", "(1.01 - saved"), [True, False, False]),
    ],
)
def test_a_mistake_is_found(wrong, right):
    report = check_gradients(own_model(wrong))
    assert [worst.error < 1e-6 for worst in report] == right
    assert report.ok == all(right)
    assert str(report).count("IS WRONG") == right.count(False)


@pytest.mark.parametrize(
    "model",
    [
        models.Logistic(3),
        models.Softmax(2, 4),
        models.Linear(2, 2, loss="poisson"),
        models.MLP(2, (3, 4), 2, "silu"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_all_models_of_the_package_are_right(model):
    assert check_gradients(model).ok, str(check_gradients(model))
