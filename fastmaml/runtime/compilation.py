"""How everything here is compiled: every flag is decided in this module and nowhere else.

``kernel``, ``exact``, ``inlined``
    Helpers. Called from compiled code they are compiled into it; called from Python they are the plain
    Python that they are written in. ``kernel`` may reorder arithmetic, ``exact`` keeps the order written,
    ``inlined`` also leaves no call.
``whole``
    A function that is machine code of its own, whoever calls it.
``glue``
    A function that only passes work on; it vanishes before type inference.
``driver``
    An entry point that Python calls. It releases the GIL and is kept on disk.

Every compiled function optimises all that it calls once more, so depth is what compile time is made of:
keep it low.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numba
from numba.core import config
from numba.core.registry import cpu_target
from numba.extending import register_jitable

from fastmaml.runtime.cache import attach_cache
from fastmaml.runtime.interruption import interrupts_heard
from fastmaml.runtime.libraries import inner_libraries

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered and products fused, without which a dot product does not vectorise. NaN and infinity
# keep their meaning: no "nnan", no "ninf".
FASTMATH = frozenset({"reassoc", "contract", "nsz", "arcp", "afn"})

# Every flag is stated for every function: a helper that leaves one out takes it from its first caller.
_COMMON: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "nogil": True}
# Only drivers are called from Python; a wrapper for each inner function would be half of the compile time.
_INNER: dict[str, Any] = {**_COMMON, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

KERNEL_FLAGS: dict[str, Any] = {**_INNER, "fastmath": set(FASTMATH)}
EXACT_FLAGS: dict[str, Any] = {**_INNER, "fastmath": {"contract"}}
# A contract takes some ten arrays of seven words each: passing them costs more than a small model's
# arithmetic.
CONTRACT_FLAGS: dict[str, Any] = {**KERNEL_FLAGS, "forceinline": True}
DRIVER_FLAGS: dict[str, Any] = {**_COMMON, "fastmath": set(FASTMATH)}


def kernel(function: Function) -> Function:
    """Make a helper whose arithmetic may be reordered."""
    return _helper(function, KERNEL_FLAGS)


def exact(function: Function) -> Function:
    """Make a helper whose operations happen in the order written (a fused multiply-add is allowed)."""
    return _helper(function, EXACT_FLAGS)


def inlined(function: Function) -> Function:
    """Make a helper as `exact` does, always inlined: a loop around a call does not vectorise."""
    return _helper(function, {**EXACT_FLAGS, "forceinline": True})


def _helper(function: Function, flags: dict[str, Any]) -> Function:
    if not config.DISABLE_JIT:
        register_jitable(**flags)(function)
    return function


def whole(function: Function) -> Function:
    """Compile a function as one piece, the same for all its callers. Not to be called from Python."""
    compiled: Function = numba.njit(**KERNEL_FLAGS)(function)
    return compiled


def glue(function: Function) -> Function:
    """Compile a function into its callers before type inference. Not to be called from Python."""
    compiled: Function = numba.njit(**KERNEL_FLAGS, inline="always")(function)
    return compiled


def driver(function: Function, *, parallel: bool = False, wrapper: bool = True) -> Function:
    """Compile an entry point, kept in the package's own disk cache.

    Parameters
    ----------
    function : callable
        A function of a module of this package.
    parallel : bool, default=False
        Whether ``prange`` runs on several threads.
    wrapper : bool, default=True
        Whether Python calls it; otherwise only its address is used.
    """
    dispatcher: Function = numba.njit(**DRIVER_FLAGS, parallel=parallel, no_cpython_wrapper=not wrapper)(
        function
    )
    if not config.DISABLE_JIT:
        attach_cache(dispatcher, tag="parallel" if parallel else "serial")
        _compile_with_care(dispatcher)
    return dispatcher


@contextlib.contextmanager
def no_garbage_sought() -> Iterator[None]:
    """Switch off the search for cycles, which would look again and again at a million objects."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compile_with_care(dispatcher: Any) -> None:
    """Let no Ctrl-C be lost while a dispatcher compiles or loads, and compile what it calls once."""
    compile_or_load = dispatcher.compile

    def compile_carefully(signature: Any) -> Any:
        with interrupts_heard(), no_garbage_sought(), inner_libraries(cpu_target.target_context.codegen()):
            return compile_or_load(signature)

    dispatcher.compile = compile_carefully
