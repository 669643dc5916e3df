"""A content-addressed disk cache of compiled kernels: one file a key, no index.

Numba's own cache looks at one source file a function, so an edit in another module leaves stale machine
code, and its index can hand one model another model's code when two processes save at once. Here the key is
a hash of everything that decides the code: the sources of the whole package, the sources of the modules of
a user's own parts, the argument types, the versions, the flags and the processor. A file is written aside
and renamed, so processes never see half of one; a file that cannot be read or written costs a compilation
and nothing else.

The folder is ``$FASTMAML_CACHE_DIR`` if that is set, else the user's cache folder of the platform. It holds
executable code: keep it writable for its owner alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import compiler, config, types
from numba.core.caching import _Cache
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from fastmaml.version import __version__

PACKAGE_FOLDER = Path(__file__).resolve().parent.parent
DIGEST_BYTES = 32
# Kernels that no run has loaded for this long belong to an older version or a forgotten experiment.
UNUSED_SECONDS = 60 * 24 * 3600


def cache_folder() -> Path:
    """Return the folder that holds compiled kernels, whether or not it exists."""
    chosen = os.environ.get("FASTMAML_CACHE_DIR")
    return Path(chosen) if chosen else Path(AppDirs("fastmaml", appauthor=False).user_cache_dir) / "kernels"


@functools.cache
def package_stamp() -> str:
    """Hash the version, and the names and contents of every source file of the package."""
    stamp = hashlib.sha256(__version__.encode())
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        stamp.update(str(path.relative_to(PACKAGE_FOLDER)).encode() + b"\0")
        stamp.update(path.read_bytes() + b"\0")
    return stamp.hexdigest()


# Now, while the package is being imported: what is edited later is not what this process compiles.
package_stamp()


@functools.cache
def platform_stamp() -> str:
    """Describe the versions and settings that decide the machine code."""
    settings = [
        (name, getattr(config, name, None))
        for name in (
            "OPT",
            "LOOP_VECTORIZE",
            "SLP_VECTORIZE",
            "ENABLE_AVX",
            "BOUNDSCHECK",
            "DEBUGINFO_DEFAULT",
        )
    ]
    versions = (numba.__version__, llvmlite.__version__, np.__version__, platform.python_version())
    return repr((versions, platform.python_implementation(), platform.machine(), settings))


def _spec_classes(signature: tuple[Any, ...]) -> Iterator[type]:
    """Yield every NamedTuple class in a signature, nested ones included."""
    for numba_type in signature:
        # The record behind an address (`fastmaml.runtime.entry`).
        if hasattr(numba_type, "record"):
            yield from _spec_classes((numba_type.record,))
        if isinstance(numba_type, (types.NamedTuple, types.NamedUniTuple)):
            yield numba_type.instance_class
        if isinstance(numba_type, types.BaseTuple):
            yield from _spec_classes(tuple(numba_type))


def _foreign_modules(signature: tuple[Any, ...]) -> list[str]:
    """Name the modules outside the package that have parts in a signature."""
    from fastmaml.runtime.dispatch import implementation_modules

    package = __name__.partition(".")[0]
    modules = {name for spec in _spec_classes(signature) for name in implementation_modules(spec)}
    return sorted(name for name in modules if name.partition(".")[0] != package)


def _foreign_sources(signature: tuple[Any, ...]) -> str | None:
    """Hash the sources of parts from outside the package; None where one has no source file to hash."""
    from fastmaml.runtime.dispatch import source_stamp

    stamp = hashlib.sha256()
    for name in _foreign_modules(signature):
        if name == "__main__":
            return None
        source = source_stamp(name)
        if source is None:
            return None
        stamp.update(f"{name}\0{source}\0".encode())
    return stamp.hexdigest()


# Called with the name of a function that is about to be compiled, for those who show that they wait.
before_compiling: list[Callable[[str], None]] = []


class KernelCache(_Cache):
    """The cache of one dispatcher, in the form that Numba's dispatchers expect."""

    def __init__(self, function: Any, tag: str) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}:{tag}"
        self._enabled = True

    @property
    def cache_path(self) -> str:
        """The folder of the files."""
        return str(cache_folder())

    def enable(self) -> None:
        """Load and save from now on."""
        self._enabled = True

    def disable(self) -> None:
        """Neither load nor save from now on."""
        self._enabled = False

    def flush(self) -> None:
        """Do nothing: files are addressed by content and never stale."""

    def _path(self, signature: Any, target_context: Any) -> Path | None:
        arguments = tuple(getattr(signature, "args", signature))
        foreign = _foreign_sources(arguments)
        if not self._enabled or foreign is None:
            return None
        # In their order: two specs of one name from two modules may change places.
        specs = [f"{c.__module__}.{c.__qualname__}" for c in _spec_classes(arguments)]
        codegen = target_context.codegen().magic_tuple()
        key = repr((self._name, str(arguments), specs, codegen, platform_stamp(), package_stamp(), foreign))
        return cache_folder() / (hashlib.sha256(key.encode()).hexdigest() + ".kernel")

    def lacks(self, signature: Any) -> bool:
        """Tell whether a signature has yet to be compiled and kept, from this package's sources alone."""
        path = self._path(signature, cpu_target.target_context)
        return path is not None and not path.exists() and not _foreign_modules(tuple(signature))

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the compiled function for a signature, or None where it has to be compiled."""
        path = self._path(signature, target_context)
        loaded = None if path is None else self._load(path, target_context)
        if loaded is None:
            target_context.refresh()
            for listener in before_compiling:
                listener(self._name)
        return loaded

    def _load(self, path: Path, target_context: Any) -> Any:
        try:
            content = path.read_bytes()
            digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() != digest:
                return None
            # All of Numba that loaded code needs. `refresh` would load what compiling needs, too, which takes
            # three times as long as all the rest; where something is compiled after all, Numba calls it.
            rtsys.initialize(target_context)
            loaded = compiler.CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception:  # Whatever is wrong with a file, compiling anew puts it right.
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return loaded

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled function; where the folder cannot be written, keep nothing and say nothing."""
        path = self._path(signature, compiled.target_context)
        if (
            path is None
            or compiled.library.has_dynamic_globals
            or any(not f.can_cache for f in compiled.lifted)
        ):
            return
        payload = dumps(compiled._reduce())
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_and_rename(path, hashlib.sha256(payload).digest() + payload)
            _drop_unused(path.parent)


def _write_and_rename(path: Path, content: bytes) -> None:
    """Write a file so that another process sees either all of it or none of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _drop_unused(folder: Path) -> None:
    """Remove files that nothing has loaded for a long time, so that the folder does not grow for ever."""
    oldest = time.time() - UNUSED_SECONDS
    for path in folder.iterdir():
        if path.suffix == ".kernel" or path.name.startswith(".writing-"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def attach_cache(dispatcher: Any, tag: str) -> None:
    """Let a Numba dispatcher load and save its compiled code here instead of in Numba's own cache."""
    dispatcher._cache = KernelCache(dispatcher.py_func, tag)
