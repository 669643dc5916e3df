"""Compiling what a run lacks in two processes at once.

Numba compiles behind one lock, and LLVM behind another, so threads gain nothing. A second process has locks
of its own: both work off what is missing, what takes longest first, and what the helper compiled is loaded
from the disk cache. It compiles the package's own parts alone, so that no module of a
user's is imported where nobody asked for it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from fastmaml.runtime.cache import PACKAGE_FOLDER, cache_folder
from fastmaml.runtime.entry import Wanted, wanted_entries

Result = TypeVar("Result")

# Set to anything, everything is compiled in one process.
ALONE = "FASTMAML_COMPILE_ALONE"
# The module that the second process runs, and nobody imports.
HELPER = "fastmaml.runtime.helper"
# How long to wait for the helper when everything else is done, before its share is compiled here as well.
PATIENCE_SECONDS = 60


def compiled_together(build: Callable[..., Result]) -> Callable[..., Result]:
    """Let a function that binds entry points compile all that are missing at once.

    Where some are, the function is called twice: first to see which, then to bind them.
    """

    @functools.wraps(build)
    def build_compiled(*args: Any, **given: Any) -> Result:
        with wanted_entries() as wanted:
            result = build(*args, **given)
        if not wanted:
            return result
        del result
        compile_all(wanted)
        return build(*args, **given)

    return build_compiled


def compile_all(wanted: list[Wanted]) -> None:
    """Compile entry points, some of them in a second process if that is worth while."""
    tasks = [task for task in wanted if task.entry._cache.lacks(task.signature)]
    if len(tasks) < 2 or not _can_help():
        return
    ours, others = in_order(tasks)
    with tempfile.TemporaryDirectory(prefix="fastmaml-") as claims, _helper(others, claims) as helper:
        work_off(ours, claims)
        with contextlib.suppress(subprocess.TimeoutExpired):
            helper.wait(PATIENCE_SECONDS)


def in_order(tasks: list[Wanted]) -> tuple[list[Wanted], list[Wanted]]:
    """Return the orders in which two processes take them up: what takes longest first, in groups.

    Groups stay together: in one process, what they share is compiled once. Each begins with a group of its
    own and leaves that of the other for the end.
    """
    costs: dict[str, float] = {}
    for task in tasks:
        costs[task.group] = costs.get(task.group, 0.0) + task.cost
    first, *rest = sorted(costs, key=lambda group: -costs[group])
    orders = [first, *rest[1:], *rest[:1]], [*rest, first]
    ours, others = (sorted(tasks, key=lambda task: (order.index(task.group), -task.cost)) for order in orders)
    return ours, others


def work_off(tasks: list[Wanted], claims: str) -> None:
    """Compile one task after the other that nobody else has claimed; a claim is a file."""
    for task in tasks:
        # Of one name there may be several, for records of other types.
        claim = hashlib.sha256(repr((task.name, task.signature)).encode()).hexdigest()
        try:
            (Path(claims) / claim).touch(exist_ok=False)
        except OSError:
            continue
        task.entry.compile(task.signature)


def _can_help() -> bool:
    """Tell whether there is a second core, and where a second process could leave what it compiled."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    folder = cache_folder()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return (
        cores > 1
        and ALONE not in os.environ
        and bool(sys.executable)
        and not hasattr(sys, "frozen")
        and os.access(folder, os.W_OK)
    )


@contextlib.contextmanager
def _helper(tasks: list[Wanted], claims: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a second process on the tasks; it does not outlive the context."""
    described = [(task.name, task.signature) for task in tasks]
    path = [str(PACKAGE_FOLDER.parent), *sys.path]
    environment = {**os.environ, ALONE: "1", "PYTHONPATH": os.pathsep.join(filter(None, path))}
    process = subprocess.Popen(
        [sys.executable, "-m", HELPER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # A helper that could not even start leaves all the work here.
        with contextlib.suppress(OSError), process.stdin or contextlib.nullcontext() as pipe:
            pipe.write(pickle.dumps((claims, described)))  # type: ignore[union-attr]
        yield process
    finally:
        process.kill()
        process.wait()
