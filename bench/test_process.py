"""Whole processes from start to end: the notebook's default job of 10,000 epochs, and the sine regression."""

from itertools import count

import pytest

from bench import sine_run
from bench.processes import run_module
from bench.ratio import Contestant, alternate


@pytest.mark.benchmark(group="whole process")
def test_whole_process(benchmark, report, tmp_path):
    fresh = count()
    filled = tmp_path / "filled"
    run_module("fastmaml", "train", cache_dir=filled)

    later = Contestant("fastmaml", lambda: run_module("fastmaml", "train", cache_dir=filled))
    first = Contestant(
        "fastmaml, empty cache",
        lambda: run_module("fastmaml", "train", cache_dir=tmp_path / f"empty{next(fresh)}"),
    )
    notebook = Contestant("NumPy notebook", lambda: run_module("bench.baselines.notebook"))
    alternate([later, first, notebook], rounds=3, warm_ups=0, benchmark=benchmark)

    # "At most 1.5 times the notebook's wall time" and "under a third of it", as the notebook's time by ours.
    what = "a new process with an empty cache, compile included: 10,000 epochs"
    report.compared(benchmark, what, "run", first, notebook, at_least=round(1 / 1.5, 3))
    what = "a later process, `fastmaml train` from start to end: 10,000 epochs"
    report.compared(benchmark, what, "run", later, notebook, at_least=3)


@pytest.mark.benchmark(group="whole process, sine regression")
def test_whole_sine_regression(benchmark, report, tmp_path):
    ours = Contestant("fastmaml, empty cache", lambda: run_module("bench.sine_run", cache_dir=tmp_path))
    alternate([ours], rounds=1, warm_ups=0, benchmark=benchmark)
    what = f"sine regression, {sine_run.EPOCHS:,} epochs, a new process with an empty cache, compile included"
    report.timed(benchmark, what, "run", ours, at_most=20)


@pytest.mark.benchmark(group="whole process, sine regression")
@pytest.mark.usefixtures("jax_family")
def test_whole_sine_regression_against_jax(benchmark, report, tmp_path):
    run_module("bench.sine_run", "1", cache_dir=tmp_path)
    ours = Contestant("fastmaml", lambda: run_module("bench.sine_run", cache_dir=tmp_path))
    theirs = Contestant("JAX, compile included", lambda: run_module("bench.baselines.jax_family"))
    alternate([ours, theirs], rounds=1, warm_ups=0, benchmark=benchmark)
    what = f"sine regression, {sine_run.EPOCHS:,} epochs, a later process from start to end"
    report.compared(benchmark, what, "run", ours, theirs, at_least=3)
