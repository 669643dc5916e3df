"""Two threads against one, 1,000 tasks an epoch, addressed mode; and what two cores give at all.

Cores of a shared machine may be two halves of one, or somebody else's for a while. So arithmetic in
registers, which shares nothing, is timed in the same rounds: what a second thread was worth meanwhile.
"""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from bench.ratio import Contestant, alternate
from fastmaml import MAML

EPOCHS = 60
# As long as the epochs take.
STEPS = 3_000_000


@numba.njit(nogil=True)
def arithmetic(steps):
    """Multiply and add eight vectors of eight numbers that fit into registers."""
    sums = np.zeros(64, np.float32)
    for _ in range(steps):
        for k in range(64):
            sums[k] = sums[k] * np.float32(0.5) + np.float32(1)
    return sums.sum()


@pytest.mark.benchmark(group="threads")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_threads(benchmark, report, dtype):
    def contestant(name, n_jobs):
        model = MAML(num_tasks=1000, epochs=EPOCHS, random_state=0, dtype=dtype, n_jobs=n_jobs, verbose=False)
        return Contestant(name, model.train, work=EPOCHS)

    two, one = contestant("two threads", 2), contestant("one thread", 1)
    with ThreadPoolExecutor(2) as pool:
        both = Contestant("two threads", lambda: list(pool.map(arithmetic, [STEPS] * 2)), work=2)
        alone = Contestant("one thread", lambda: arithmetic(STEPS))
        alternate([two, one, both, alone], rounds=31, benchmark=benchmark)
    what = f"two threads, 1,000 tasks an epoch, addressed mode, {dtype}"
    report.compared(benchmark, what, "epoch", two, one, at_least=1.8)
    report.compared(benchmark, f"two threads, arithmetic in registers, beside {dtype}", "loop", both, alone)
