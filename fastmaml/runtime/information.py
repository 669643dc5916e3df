"""What a bug report needs to know about this installation."""

from __future__ import annotations

import platform
import tempfile

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

from fastmaml.runtime.cache import cache_folder
from fastmaml.runtime.threads import available_threads, parallel_launch
from fastmaml.version import __version__


def vector_bits() -> int:
    """Return the width in bits of the widest vector registers of this processor."""
    features = llvm.get_host_cpu_features()
    for name, bits in (("avx512f", 512), ("avx", 256), ("sse2", 128), ("neon", 128)):
        if features.get(name):
            return bits
    return 64


def threading_layer() -> str:
    """Name the threading layer that Numba picks, which it decides at the first parallel launch."""
    from numba.np.ufunc import parallel

    with parallel_launch(1):
        parallel._launch_threads()
    return str(numba.threading_layer())


def kernel_cache() -> str:
    """Name the folder of compiled kernels, and say so where nothing can be kept there."""
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError as error:
        return f"{folder} (cannot be written, so every process compiles anew: {error.strerror})"


def info() -> dict[str, str]:
    """Describe versions, threads, processor and cache folder, for people and bug reports."""
    return {
        "fastmaml": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "processor": llvm.get_host_cpu_name(),
        "vector width": f"{vector_bits()} bits",
        "cores": str(available_threads()),
        "threading layer": threading_layer(),
        "kernel cache": kernel_cache(),
    }
