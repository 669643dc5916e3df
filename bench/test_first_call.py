"""The first `meta_train` of a new process: with an empty cache, which compiles, and with a filled one."""

import pytest

from bench.processes import run_module
from bench.ratio import Contestant

# What is combined, and the seconds that compiling may take: more for a network's meta-gradient of order 2.
COMBINATIONS = {
    "logistic": ("logistic, MAML of order 2, table, SGD", 8),
    "linear": ("linear, Meta-SGD, linear tasks, Momentum", 8),
    "softmax": ("softmax, ANIL, blobs, AdamW", 8),
    "mlp by reptile": ("MLP, Reptile, table, SGD", 8),
    "mlp": ("MLP, MAML of order 2, sine curves, Adam", 15),
}
LOADING = 0.5


@pytest.mark.benchmark(group="first call")
@pytest.mark.parametrize("name", COMBINATIONS)
def test_first_call(benchmark, report, tmp_path, name):
    what, target = COMBINATIONS[name]
    compiling, loading = (
        Contestant(kind, lambda: seconds_of(name, tmp_path)) for kind in ("empty", "filled")
    )
    # What the process says of itself: its wall time has Python's start and the import in it.
    compiling.samples.append(compiling.run())
    benchmark.pedantic(lambda: loading.samples.append(loading.run()), rounds=3)
    report.timed(benchmark, f"first call, compiling: {what}", "call", compiling, at_most=target)
    report.timed(benchmark, f"first call, from the cache: {what}", "call", loading, at_most=LOADING)


def seconds_of(name, cache_dir):
    return float(run_module("bench.first_call", name, cache_dir=cache_dir))
