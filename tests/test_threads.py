"""Threads and processes: same bits, nothing hangs or dies, and nothing of the caller's is changed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest

import fastmaml
from fastmaml.runtime import threads
from fastmaml.runtime.cache import cache_folder

REPOSITORY = Path(fastmaml.__file__).parent.parent
SECONDS = 240  # Long past what anything here takes; only a process that hangs gets there.
THREADS = 4  # More than there may be cores: what is tested is order, not speed.

# Every process below may use it. A launch needs two workers; the jobs are small, so both thresholds fall.
JOB = f"""
import fastmaml.training as training
from fastmaml import MAML

training.WORTH_THREADS = 0


def train(n_jobs, seed=0, ahead=True):
    training.WORTH_SHARING = {1e9} if ahead else 0
    model = MAML(6, 4, 30, 0.1, 0.1, 5, random_state=seed, n_jobs=n_jobs, verbose=False)
    model.train()
    return model.theta.tobytes().hex()
"""

Python = Callable[..., Any]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder of these tests' own, with what has been compiled already."""
    folder = tmp_path_factory.mktemp("kernels")
    if cache_folder().is_dir():
        for file in cache_folder().glob("*.kernel"):
            with contextlib.suppress(OSError):
                os.link(file, folder / file.name)
    return folder


@pytest.fixture
def python(kernels: Path, tmp_path: Path) -> Python:
    """Return a function that runs a script in a new process and returns what it printed last."""

    def run(script: str, **settings: str) -> Any:
        (tmp_path / "job.py").write_text(JOB)
        (tmp_path / "script.py").write_text(script)
        environment = os.environ | {
            "FASTMAML_CACHE_DIR": str(kernels),
            "NUMBA_NUM_THREADS": str(THREADS),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)]),
        }
        done = subprocess.run(
            [sys.executable, str(tmp_path / "script.py")],
            env=environment | settings,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize(
    ("n_jobs", "expected"), [(None, 6), (-1, 6), (1, 1), (5, 5), (6, 6), (7, 6), (10**9, 6)]
)
def test_n_jobs(monkeypatch: pytest.MonkeyPatch, n_jobs: int | None, expected: int) -> None:
    monkeypatch.setattr(threads, "available_threads", lambda: 6)
    assert threads.resolve_threads(n_jobs) == expected


@pytest.mark.compiled
def test_a_launch_gives_the_callers_thread_count_back() -> None:
    before = numba.get_num_threads()
    most = threads.available_threads()
    try:
        for own in (1, most):
            numba.set_num_threads(own)
            for launch in (1, most):
                with threads.parallel_launch(launch):
                    assert numba.get_num_threads() == launch
                assert numba.get_num_threads() == own
                with pytest.raises(ZeroDivisionError), threads.parallel_launch(launch):
                    _ = 1 / 0
                assert numba.get_num_threads() == own
    finally:
        numba.set_num_threads(before)


AT_ONCE = """
import json
import threading

import numba
from job import train, training

from fastmaml.runtime.launch import regions_parallel

ROUNDS = 6
workers = []
launch = training.launch
training.launch = lambda bound, regions, num_workers, *rest: (
    workers.append(num_workers), launch(bound, regions, num_workers, *rest)
)


def workers_of(n_jobs):
    workers.clear()
    results = train(n_jobs)
    return [results, sorted(set(workers))]


serial = [train(1, seed) for seed in range(2)]
assert not regions_parallel.signatures
by_jobs = {str(n_jobs): workers_of(n_jobs) for n_jobs in (1, 2, 3, None, -1, 1000)}
shared = [train(n_jobs, ahead=False) for n_jobs in (1, 2, 3)]

seen = [set(), set()]
counts = [set(), set()]
errors = []
barrier = threading.Barrier(2)


def work(seed):
    try:
        numba.set_num_threads(seed + 1)
        for i in range(ROUNDS):
            barrier.wait(60)
            seen[seed].add(train(2 + (i + seed) % 3, seed, ahead=i % 2 == 0))
            counts[seed].add(numba.get_num_threads())
    except BaseException as error:
        errors.append(repr(error))
        barrier.abort()


before = numba.get_num_threads()
both = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
for thread in both:
    thread.start()
for thread in both:
    thread.join()
print(json.dumps({
    "serial": serial,
    "by_jobs": by_jobs,
    "shared": shared,
    "seen": [sorted(s) for s in seen],
    "counts": [sorted(c) for c in counts],
    "before": before,
    "after": numba.get_num_threads(),
    "errors": errors,
    "layer": numba.threading_layer(),
    "launchers": len(regions_parallel.signatures),
}))
"""


@pytest.mark.compiled
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_launches_from_two_python_threads_at_once(python: Python, layer: str) -> None:
    result = python(AT_ONCE, NUMBA_THREADING_LAYER=layer)
    assert result["errors"] == []
    first, second = result["serial"]
    assert first != second
    # A run tries its epochs on one thread too, and takes the faster way.
    used = {jobs: workers for jobs, (_, workers) in result["by_jobs"].items()}
    several = {"2": 2, "3": 3, "None": THREADS, "-1": THREADS, "1000": THREADS}
    assert used == {"1": [1]} | {jobs: [1, workers] for jobs, workers in several.items()}
    assert {theta for theta, _ in result["by_jobs"].values()} == {first}
    assert set(result["shared"]) == {first}
    assert result["seen"] == [[first], [second]]
    assert result["counts"] == [[1], [2]]
    assert result["before"] == result["after"] == THREADS
    assert result["launchers"] == 1  # There was something to guard.
    if layer == "workqueue":
        assert result["layer"] == layer


PROCESSES = """
import json
import multiprocessing
import os
import signal
import threading

from job import train

from fastmaml.runtime.threads import may_launch, parallel_launch


def child(channel):
    signal.alarm(100)  # A child that hangs ends here.
    with parallel_launch(1):  # Whoever held the lock in the parent does not hold it here.
        pass
    channel.send([train(2), train(3, ahead=False), may_launch()])
    channel.close()


def started(method):
    context = multiprocessing.get_context(method)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(there,))
    process.start()
    there.close()
    return received(here, lambda: process.join() or process.exitcode)


def forked():
    here, there = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            child(there)
            os._exit(0)
        finally:
            os._exit(1)
    there.close()
    return received(here, lambda: os.waitpid(pid, 0)[1])


def received(channel, end):
    try:
        result = channel.recv()
    except EOFError:
        result = None
    return [result, end()]


def forked_in_a_launch():
    held, done = threading.Event(), threading.Event()

    def hold():
        with parallel_launch(1):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        return forked()
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    results = {"serial": [[train(1), train(1), True], 0], "fork before": forked()}
    results["parent"] = [[train(2), train(3, ahead=False), may_launch()], 0]
    results["fork"] = forked()
    results["multiprocessing fork"] = started("fork")
    results["spawn"] = started("spawn")
    results["fork in a launch"] = forked_in_a_launch()
    results["parent after"] = [[train(2), train(3, ahead=False), may_launch()], 0]
    print(json.dumps(results))
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.mark.compiled
@needs_fork
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_children_train_with_the_parents_bits(python: Python, layer: str) -> None:
    # Python 3.12 and later warn of every fork beside threads.
    results = python(PROCESSES, NUMBA_THREADING_LAYER=layer, PYTHONWARNINGS="ignore::DeprecationWarning")
    theta = results["serial"][0][0]
    for name, (result, status) in results.items():
        assert status == 0, name
        assert result[:2] == [theta, theta], name
    may_launch = {name: result[2] for name, (result, _) in results.items()}
    serial_build = {"fork", "multiprocessing fork", "fork in a launch"}
    assert {name for name, may in may_launch.items() if not may} == serial_build


# The caller has used Numba's threads without this package before it forks.
OWN_NUMBA = """
import json
import os

import numba
import numpy as np
from job import train


@numba.njit(parallel=True)
def fill(values):
    for i in numba.prange(values.size):
        values[i] = i


serial = train(1)
{use}
here, there = os.pipe()
pid = os.fork()
if pid == 0:
    try:
        os.write(there, train(2).encode())
        os._exit(0)
    finally:
        os._exit(1)
os.close(there)
child = b""
while piece := os.read(here, 1 << 16):
    child += piece
print(json.dumps([child.decode() == serial, os.waitpid(pid, 0)[1]]))
"""


@pytest.mark.compiled
@needs_fork
@pytest.mark.parametrize("use", ["fill(np.zeros(8))", "numba.get_num_threads()"], ids=["kernel", "question"])
def test_a_child_of_a_parent_that_has_used_numba_on_its_own(python: Python, use: str) -> None:
    script = OWN_NUMBA.format(use=use)
    assert python(script, PYTHONWARNINGS="ignore::DeprecationWarning") == [True, 0]


IMPORT = """
import gc
import json
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings

import numba
import numpy as np
from numba.core import event


def settings():
    names = [name for name in dir(numba.config) if name.isupper()]
    return {
        "numba": {name: repr(getattr(numba.config, name)) for name in names},
        "numpy random": repr(np.random.get_state()),
        "numpy errors": repr(np.geterr()),
        "numpy print": repr(np.get_printoptions()),
        "random": hash(random.getstate()),
        "warnings": [repr(f) for f in warnings.filters],
        "showwarning": repr(warnings.showwarning),
        "signals": {int(s): repr(signal.getsignal(s)) for s in signal.valid_signals()},
        "environment": dict(os.environ),
        "threads": threading.active_count(),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "hooks": [repr(h) for h in (sys.excepthook, sys.displayhook, sys.gettrace(), sys.getprofile())],
        "limits": [sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()],
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": [repr(logging.root.handlers), logging.root.level],
    }


before = settings()
with event.install_recorder("numba:compile") as recorder:
    import fastmaml
    # What scikit-learn changes, which the estimators are made with, is its own affair.
    estimators = {"MAMLClassifier", "MAMLRegressor", "FewShotScorer", "few_shot_score", "load"}
    for name in set(fastmaml.__all__) - estimators:
        getattr(fastmaml, name)
after = settings()
print(json.dumps([{name: [before[name], after[name]] for name in before if before[name] != after[name]},
                  len(before["numba"]), len(recorder.buffer)]))
"""


def test_importing_changes_no_setting_and_compiles_nothing(python: Python) -> None:
    changed, numba_settings, compiled = python(IMPORT)
    assert changed == {}
    assert numba_settings > 30
    assert compiled == 0


HEAVY = [
    "dask",
    "distributed",
    "matplotlib",
    "mpi4py",
    "pandas",
    "pyarrow",
    "rich",
    "safetensors",
    "scipy",
    "sklearn",
    "tqdm",
    "typer",
]
LOADED = """
import json
import sys

{compiler}
before = set(sys.modules)
import fastmaml

{action}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# What Numba loads is Numba's affair: SciPy, where there is SciPy.
COMPILER = "import numba"
NAMES = "fastmaml.MAML, fastmaml.TaskSet, fastmaml.sample_points"
TRAIN = "fastmaml.MAML(6, 4, 2, num_features=5, random_state=0, verbose=False).train()"


def loaded_packages(python: Python, action: str, compiler: str = COMPILER) -> set[str]:
    loaded = python(LOADED.format(action=action, compiler=compiler))
    return {name.partition(".")[0] for name in loaded}


def test_names_load_on_first_use(python: Python) -> None:
    assert not loaded_packages(python, "", compiler="") & {"numba", "numpy", *HEAVY}


def test_what_is_not_needed_is_not_imported(python: Python) -> None:
    loaded = loaded_packages(python, NAMES)
    assert "fastmaml" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.compiled
def test_what_training_does_not_need_is_not_imported(python: Python) -> None:
    # When it first compiles or loads something, Numba itself takes scipy.linalg.
    assert not loaded_packages(python, TRAIN) & (set(HEAVY) - {"scipy"})
