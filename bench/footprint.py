"""``python -m bench.footprint default|own EPOCHS``: train once and print the memory that took, as JSON."""

import json
import resource
import sys
import tracemalloc

import numpy as np

from fastmaml import MAML, TaskSet

TASKS, ROWS, FEATURES = 10_000, 20, 50  # A table of 40 MB in float32.


def make_model(kind):
    """Return the notebook's default model, or one on a table of its own."""
    if kind == "default":
        return MAML(verbose=False)
    rng = np.random.default_rng(0)
    X = rng.random((TASKS, ROWS, FEATURES), dtype=np.float32)
    y = rng.integers(0, 2, (TASKS, ROWS))
    tasks = TaskSet.from_arrays(X, y)
    return MAML(
        tasks=tasks, num_tasks=TASKS, alpha=0.1, beta=0.1, random_state=0, dtype="float32", verbose=False
    )


def peak_memory():
    """Return the process's peak resident memory in bytes."""
    try:
        # On Linux ru_maxrss survives exec: a child starts with the peak of the process that started it.
        with open("/proc/self/status", encoding="utf-8") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        # In KiB, on macOS in bytes.
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def main():
    """Train, and print peaks in bytes: of the process, and of what Python and NumPy allocate in ``train``."""
    kind, epochs = sys.argv[1], int(sys.argv[2])
    model = make_model(kind)
    # Loading the kernels is not what is asked for.
    model.epochs = 1
    model.train()
    model.epochs = epochs
    tracemalloc.start()
    model.train()
    _, traced = tracemalloc.get_traced_memory()
    print(json.dumps({"peak": peak_memory(), "traced": traced}))


if __name__ == "__main__":
    main()
