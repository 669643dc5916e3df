"""Two threads against one, 1,000 tasks an epoch, addressed mode."""

import pytest

from bench.ratio import Contestant, alternate
from fastmaml import MAML


@pytest.mark.benchmark(group="threads")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_threads(benchmark, report, dtype):
    def contestant(name, n_jobs):
        model = MAML(num_tasks=1000, epochs=60, random_state=0, dtype=dtype, n_jobs=n_jobs, verbose=False)
        return Contestant(name, model.train, work=60)

    two, one = contestant("two threads", 2), contestant("one thread", 1)
    alternate([two, one], rounds=31, benchmark=benchmark)
    what = f"two threads, 1,000 tasks an epoch, addressed mode, {dtype}"
    report.compared(benchmark, what, "epoch", two, one, at_least=1.8)
