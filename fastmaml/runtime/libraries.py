"""Compiling inner functions once, not twice.

Numba optimises every function that compiled code calls for itself, emits machine code for it, and then links
what it was made from into the caller, where it is optimised again. Functions that Python cannot call need
neither: what they were made from is enough. Without it half of the time in LLVM goes into code that nobody
runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock

# How the functions are named that Python, or C, calls.
WRAPPERS = ("_ZN7cpython", "cfunc.")


class _NoEnvironment:
    """The code generator of a library without machine code: there is nothing to write an environment into."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing: inner functions raise nothing and hold no objects."""


class InnerLibrary(JITCodeLibrary):  # type: ignore[misc]
    """A library that stays as it was generated unless something outside compiled code calls it."""

    _inner = False

    @property
    def codegen(self) -> Any:
        """The code generator."""
        return _NoEnvironment(self._codegen) if self._inner else self._codegen

    def finalize(self) -> None:
        """Link what this calls; optimise and emit only what has a wrapper."""
        names = [function.name for function in self._final_module.functions if not function.is_declaration]
        self._inner = not any(name.startswith(WRAPPERS) for name in names)
        super().finalize()

    def _optimize_final_module(self) -> None:
        if not self._inner:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        if not self._inner:
            super()._finalize_final_module()
            return
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


@contextlib.contextmanager
def inner_libraries(codegen: Any) -> Iterator[None]:
    """Let what a code generator compiles inside be `InnerLibrary`."""
    with global_compiler_lock:
        before = codegen._library_class
        codegen._library_class = InnerLibrary
        try:
            yield
        finally:
            codegen._library_class = before
