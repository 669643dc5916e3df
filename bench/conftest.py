"""Options, fixtures and the table at the end."""

import importlib
import os
import sys
from pathlib import Path

import pytest

# The baselines are checked against the tests' oracle.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench.report import Report

REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser):
    group = parser.getgroup("fastmaml benchmarks")
    group.addoption("--table", metavar="FILE", help="write the table of results there, as markdown")
    group.addoption(
        "--cores", type=int, default=2, help="cores to run on, for us and for the baselines (default 2)"
    )


def pytest_configure(config):
    config.stash[REPORT] = Report()
    # Where this file is met too late for its options, somebody runs more than the benchmarks: leave the
    # process as it is. Otherwise choose the cores before Numba, NumPy's BLAS and JAX start and count them.
    cores = config.getoption("--cores", default=None)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash[REPORT].markdown()
    if not table:
        return
    terminalreporter.section("fastmaml against the baselines")
    terminalreporter.write(table)
    path = config.getoption("--table", default=None)
    if path:
        Path(path).write_text(table, encoding="utf-8")


@pytest.fixture(scope="session")
def report(pytestconfig):
    """Return the table at the end, to add rows to."""
    return pytestconfig.stash[REPORT]


@pytest.fixture(scope="session")
def jax_baseline(report):
    """Return the module of the JAX baseline; tests that ask for it are skipped where JAX is absent."""
    try:
        return importlib.import_module("bench.baselines.jax_baseline")
    except ImportError as error:
        message = f"Rows against JAX were skipped: {error}; install the extra `bench`."
        report.remark(message)
        pytest.skip(message)
