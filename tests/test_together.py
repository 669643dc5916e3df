"""Compiling in two processes: the same code, and nothing depends on the second one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastmaml.engine.drawing import draw_tasks, prepare_epoch
from fastmaml.engine.gradients import compute_chunk
from fastmaml.engine.loop import run_region
from fastmaml.engine.model_pieces import compute_gradients, compute_products
from fastmaml.runtime import together

pytestmark = pytest.mark.compiled

RUN = """
import json, sys

from numba.core import event

from fastmaml import algorithms, meta_train, models, optimizers, sources

sys.executable = sys.argv[1] or sys.executable
with event.install_recorder("numba:compile") as recorder:
    run = meta_train(
        models.MLP(1, (3,)),
        algorithms.MAML(2),
        sources.Sinusoid(),
        optimizers.Adam(),
        tasks_per_batch=5,
        epochs=3,
        random_state=0,
    )
starts = {e.data["dispatcher"].py_func.__name__ for _, e in recorder.buffer if e.is_start}
print(json.dumps([run.theta.tolist(), sorted(starts)]))
"""
PIECES = {
    "prepare_epoch",
    "draw_tasks",
    "compute_gradients",
    "compute_products",
    "compute_chunk",
    "finish_epoch",
    "run_region",
}


def first_run(folder: Path, executable: str = "", **environment: str) -> tuple[Any, set[str]]:
    """Run in a new process with an empty cache; return theta, and the pieces that it compiled itself."""
    inherited = {name: value for name, value in os.environ.items() if name != together.ALONE}
    given = {**inherited, "FASTMAML_CACHE_DIR": str(folder), **environment}
    given["PYTHONPATH"] = str(Path(together.__file__).parents[2])
    command = [sys.executable, "-c", RUN, executable]
    process = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    theta, compiled = json.loads(process.stdout)
    return theta, PIECES & set(compiled)


def two_cores() -> bool:
    return len(os.sched_getaffinity(0)) > 1 if hasattr(os, "sched_getaffinity") else os.cpu_count() != 1


def test_both_processes_compile_and_give_the_same_bits(tmp_path: Path) -> None:
    theta, mine = first_run(tmp_path / "two")
    assert mine < PIECES if two_cores() else mine == PIECES
    again, loaded = first_run(tmp_path / "two")
    assert (again, loaded) == (theta, set())
    alone, all_of_them = first_run(tmp_path / "one", **{together.ALONE: "1"})
    assert (alone, all_of_them) == (theta, PIECES)


@pytest.mark.skipif(os.name == "nt", reason="there is no such program")
def test_a_helper_that_does_nothing_is_not_needed(tmp_path: Path) -> None:
    theta, mine = first_run(tmp_path / "cache", executable="/bin/false")
    assert mine == PIECES
    assert np.isfinite(theta).all()


class Refusing:
    """An entry point that cannot be compiled now."""

    class _cache:
        @staticmethod
        def lacks(signature: Any) -> bool:
            return True

    @staticmethod
    def compile(signature: Any) -> None:
        raise KeyboardInterrupt


def test_both_begin_with_what_takes_longest_and_leave_the_other_its_own() -> None:
    pieces = (prepare_epoch, run_region, compute_chunk, compute_products, draw_tasks, compute_gradients)
    wanted = [together.Wanted(None, (), f"{piece.__module__}:{piece.__name__}") for piece in pieces]
    orders = [[task.name.partition(":")[2] for task in order] for order in together.in_order(wanted)]
    model, chunk = ["compute_gradients", "compute_products"], ["compute_chunk"]
    between = ["draw_tasks", "prepare_epoch", "run_region"]
    assert orders == [[*model, *between, *chunk], [*chunk, *between, *model]]


def test_no_helper_outlives_an_interruption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: Any) -> None:
            # A helper that would never end.
            super().__init__([command[0], "-c", "import time; time.sleep(600)"], **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    monkeypatch.setattr(together, "_can_help", lambda: True)
    monkeypatch.setenv("FASTMAML_CACHE_DIR", str(tmp_path))
    name = f"{run_region.__module__}:{run_region.__name__}"
    wanted = [together.Wanted(Refusing(), (), name) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        together.compile_all(wanted)
    assert [process.poll() is not None for process in started] == [True]
