"""Parts of the user's own, in the user's package: README's model, word for word, and those in `own_parts`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import addressed
import numpy as np
import pytest
from test_readme import OWN_PART

from fastmaml import algorithms, check_gradients, meta_gradient, models

OWN_PARTS = Path(__file__).parent / "own_parts"
TASK = 5

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
    # It cannot predict, and need not in order to adapt.
    adapted = run.adapt([[1.0, 0.0], [0.0, 1.0]], run.theta, steps=3)
    assert abs(adapted.theta - run.theta).max() < 1e-12
print(json.dumps([report.ok, run.theta.tolist(), len(recorder.buffer)]))
"""


PREDICT = """

@contract.predict.register(LogCosh)
def predict(model, thetas, rows, scratch, predictions):
    for t in range(rows.count.size):
        for r in range(rows.count[t]):
            total = 0.0
            for k in range(model.num_features):
                total += rows.X[rows.index[t, r], k] * thetas[t, k]
            predictions[t, r] = total
"""

# Every part is one's own, for few epochs; and then one after the other, until it has learned.
RUN_PARTS = """
import json

from numba.core import event

from fastmaml import algorithms, meta_train, optimizers, sources
from mypackage.algorithm import Moreau
from mypackage.optimizer import RMSProp
from mypackage.robust import LogCosh
from mypackage.source import Parabolas

model = LogCosh(2)
few = {"tasks_per_batch": 5, "epochs": 3, "theta": [0.5, -0.3], "random_state": 7}
many = {"tasks_per_batch": 20, "epochs": 400, "random_state": 0}
tasks, adam = sources.LinearTasks([1.0, -2.0], spread=0.2), optimizers.Adam(0.05)
with event.install_recorder("numba:compile") as recorder:
    own = meta_train(model, Moreau(3, 0.2, 0.7), Parabolas(4, 3, 0.2), RMSProp(0.05, 0.8), **few)
    adapted = own.adapt([[0.5, 0.25], [-1.0, 1.0]], [1.0, 0.5], steps=4)
    thetas = [
        own.theta,
        adapted.theta,
        adapted.predict([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]),
        meta_train(model, algorithms.MAML(2, 2, 0.3), Parabolas(), adam, **many).theta,
        meta_train(model, algorithms.MAML(2, 2, 0.3), tasks, RMSProp(), **many).theta,
        meta_train(model, Moreau(), tasks, adam, **many).theta,
    ]
print(json.dumps([[theta.tolist() for theta in thetas], len(recorder.buffer)]))
"""


# Specs alone, without a class around them; the optimizer's function calls one of another module.
BARE = """
from typing import NamedTuple

from fastmaml.optimizers import state_size, update
from mypackage.helper import scaled


class PlainSpec(NamedTuple):
    rate: float


state_size.register(PlainSpec)(lambda optimizer, width: 0)


@update.register(PlainSpec)
def plain_update(optimizer, epoch, theta, gradient, state):
    for k in range(theta.size):
        theta[k] -= scaled(optimizer.rate) * gradient[k]
"""
HELPER = """
from numba import njit


@njit
def scaled(rate):
    return 2 * rate
"""
RUN_BARE = """
import json

import numpy as np

from fastmaml import algorithms, meta_train, models
from mypackage.bare import PlainSpec
from mypackage.source import ParabolasSpec

run = meta_train(
    models.Linear(2, intercept=False),
    algorithms.MAML(1, 1, 0.0),
    ParabolasSpec(np.uint64(0), 4, 3, 0.2),
    PlainSpec(0.1),
    tasks_per_batch=1,
    epochs=1,
    random_state=7,
)
print(json.dumps(run.theta.tolist()))
"""


@pytest.mark.compiled
def test_a_helper_that_is_edited_compiles_anew(tmp_path):
    files = {"bare.py": BARE, "helper.py": HELPER}
    files["source.py"] = (OWN_PARTS / "source.py").read_text(encoding="utf-8")
    first, again = run_twice(tmp_path, files, RUN_BARE)
    X, y = parabola(0, 0, addressed.QUERY, 3)
    np.testing.assert_allclose(first, 0.2 * 2 * X.T @ y / 3, rtol=1e-12)
    files["helper.py"] = HELPER.replace("2 *", "20 *")
    edited, _ = run_twice(tmp_path, files, RUN_BARE)
    assert again == first
    np.testing.assert_allclose(edited, 10 * np.array(first), rtol=1e-12)


def run_twice(folder, files, script):
    """Run a script that uses ``mypackage``, in two processes one after the other; return what they print."""
    package = folder / "mypackage"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    for name, source in files.items():
        (package / name).write_text(source)
    (folder / "run.py").write_text(script)
    environment = {
        **os.environ,
        "FASTMAML_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(folder), str(Path(models.__file__).parents[2])]),
    }
    results = []
    for _ in range(2):
        command = [sys.executable, str(folder / "run.py")]
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        results.append(json.loads(process.stdout))
    return results


@pytest.mark.compiled
def test_the_readme_s_model_compiles_in_and_is_kept(tmp_path):
    assert len(OWN_PART.splitlines()) < 40
    (ok, theta, compiled), (again_ok, again, loaded) = run_twice(tmp_path, {"robust.py": OWN_PART}, RUN)
    assert [ok, again_ok] == [True, True]
    np.testing.assert_allclose(theta, [1.0, -2.0], atol=0.1)
    assert again == theta
    assert compiled > 0
    assert loaded == 0


def parabola(epoch, task, purpose, rows):
    """Return rows x, x^2 and targets of `own_parts/source.py`, with a noise of 0.2 and the seed 7."""
    a, b = np.array(addressed.words(7, epoch, task, TASK, 2)) / 2**31
    x, noise = np.array(addressed.words(7, epoch, task, purpose, 2 * rows)).reshape(rows, 2).T / 2**31 - 1
    return np.stack([x, x**2], axis=1), a * x + b * x**2 + 0.2 * noise


def moreau_steps(theta, X, y, steps):
    """Return where steps of `own_parts/algorithm.py` lead, with a rate of 0.2 and a pull of 0.7."""
    at = theta
    for _ in range(steps):
        at = at - 0.2 * (X.T @ np.tanh(X @ at - y) / len(y) + 0.7 * (at - theta))
    return at


@pytest.mark.compiled
def test_a_source_an_optimizer_and_an_algorithm_of_one_s_own(tmp_path):
    files = {path.name: path.read_text(encoding="utf-8") for path in OWN_PARTS.glob("*.py")}
    files["robust.py"] = OWN_PART + PREDICT
    (thetas, compiled), (again, loaded) = run_twice(tmp_path, files, RUN_PARTS)
    own, adapted, predicted, *learned = map(np.array, thetas)

    theta, squares = np.array([0.5, -0.3]), 0
    for epoch in range(3):
        support = [parabola(epoch, task, addressed.SUPPORT, 4) for task in range(5)]
        gradient = np.mean([0.7 * (theta - moreau_steps(theta, X, y, 3)) for X, y in support], axis=0)
        squares = 0.8 * squares + 0.2 * gradient**2
        theta = theta - 0.05 * gradient / (np.sqrt(squares) + 1e-8)
    np.testing.assert_allclose(own, theta, rtol=0, atol=1e-13)
    rows = np.array([[0.5, 0.25], [-1.0, 1.0]]), np.array([1.0, 0.5])
    np.testing.assert_allclose(adapted, moreau_steps(own, *rows, 4), rtol=0, atol=1e-13)
    np.testing.assert_allclose(predicted, [*adapted, 2 * adapted[0] + adapted[1]], rtol=1e-14)

    # Both families are spread evenly around weights that are the best initialisation.
    for weights, best in zip(learned, ([1, 1], [1, -2], [1, -2]), strict=True):
        np.testing.assert_allclose(weights, best, atol=0.1)
    assert again == thetas
    assert compiled > 0
    assert loaded == 0


# The function behind the gradient, which is the last of the README's model.
HESSIAN = OWN_PART[OWN_PART.index("@contract.hessian_vector_products") :]


def own_model(wrong):
    """Register the README's model with something in it replaced."""
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


def test_first_order_asks_for_no_hessian_products():
    with_products, without = own_model(("", "")), own_model((HESSIAN, ""))
    rng = np.random.default_rng(0)
    theta, X, y = rng.normal(size=3), rng.normal(size=(2, 2, 5, 3)), rng.normal(size=(2, 2, 5))
    tasks = (X[0], y[0], X[1], y[1])
    for algorithm in (algorithms.MAML(1, 2, 0.1), algorithms.Reptile(2, 0.1)):
        expected, loss = meta_gradient(with_products, algorithm, theta, *tasks)
        gradient, same_loss = meta_gradient(without, algorithm, theta, *tasks)
        assert gradient.tobytes() == expected.tobytes()
        assert same_loss == loss
    with pytest.raises(TypeError, match="hessian_vector_products"):
        meta_gradient(without, algorithms.MAML(2, 2, 0.1), theta, *tasks)


@pytest.mark.parametrize(
    "model",
    [
        models.Logistic(3),
        models.Softmax(2, 4),
        models.Linear(2, 2, loss="poisson"),
        models.Linear(2, l2=0.3),
        models.MLP(2, (3, 4), 2, "silu"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_all_models_of_the_package_are_right(model):
    assert check_gradients(model).ok, str(check_gradients(model))
