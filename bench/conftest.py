"""Options, fixtures and the table at the end."""

import importlib
import os
import sys
import warnings
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


def pytest_xdist_auto_num_workers(config):
    # One at a time, in this process: what is measured has the machine to itself.
    return 0


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


def baseline_module(report, module, whose, extra):
    """Import a module of `bench.baselines`; skip the test, with a remark, where what it needs is absent."""
    try:
        return importlib.import_module(f"bench.baselines.{module}")
    except ImportError as error:
        message = f"Rows against {whose} were skipped: {error}; install the extra `{extra}`."
        report.remark(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def jax_baseline(report):
    """Return the module of the JAX baseline."""
    return baseline_module(report, "jax_baseline", "JAX", "bench")


@pytest.fixture(scope="session")
def jax_family(report):
    """Return the module of JAX's networks."""
    return baseline_module(report, "jax_family", "JAX", "bench")


@pytest.fixture(scope="session")
def torch_family(report):
    """Return the module of PyTorch's network."""
    return baseline_module(report, "torch_family", "PyTorch", "bench-torch")


@pytest.fixture(scope="session")
def compiled_torch_family(report, torch_family):
    """Return the same where PyTorch's compiler works, which needs one for C++."""
    torch = torch_family.torch
    with warnings.catch_warnings():
        # It uses what PyTorch itself deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            torch.compile(torch.sin)(torch.zeros(2))
        except RuntimeError as error:
            message = f"The row against compiled PyTorch was skipped: {str(error).splitlines()[0]}"
            report.remark(message)
            pytest.skip(message)
    return torch_family
