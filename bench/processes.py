"""Whole processes as contestants."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_module(*arguments, cache_dir=None):
    """Run ``python -m`` with this interpreter from the root of the checkout.

    Parameters
    ----------
    *arguments : str
        Module and its arguments.
    cache_dir : path-like, optional
        Where the process keeps compiled kernels.

    Returns
    -------
    str
        What it wrote to stdout.

    Raises
    ------
    RuntimeError
        If it fails, with the end of what it wrote to stderr.
    """
    environment = dict(os.environ)
    if cache_dir is not None:
        # Numba's own folder too, should anything compiled go there instead.
        environment |= {"FASTMAML_CACHE_DIR": str(cache_dir), "NUMBA_CACHE_DIR": str(cache_dir)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,  # The error below says more.
    )
    if done.returncode:
        command = " ".join(("python -m", *arguments))
        raise RuntimeError(f"`{command}` failed with exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
