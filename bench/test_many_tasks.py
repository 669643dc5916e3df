"""1,000 tasks an epoch with two threads, against the plain NumPy notebook with as many."""

import pytest

from bench.baselines.notebook import NotebookMAML
from bench.ratio import Contestant, alternate
from fastmaml import MAML

MODES = {
    "exact mode, float64": ({}, 120),
    "addressed mode, float64": ({"random_state": 0}, 120),
    "addressed mode, float32": ({"random_state": 0, "dtype": "float32"}, 180),
}


@pytest.mark.benchmark(group="1,000 tasks an epoch")
@pytest.mark.parametrize("mode", MODES)
def test_thousand_tasks(benchmark, report, mode):
    options, target = MODES[mode]
    model = MAML(num_tasks=1000, epochs=60, n_jobs=2, verbose=False, **options)
    ours = Contestant("fastmaml", model.train, work=60)
    baseline = NotebookMAML(num_tasks=1000, epochs=1, verbose=False)
    notebook = Contestant("NumPy notebook", baseline.train)
    alternate([ours, notebook], rounds=15, benchmark=benchmark)
    report.compared(benchmark, f"1,000 tasks an epoch, {mode}", "epoch", ours, notebook, at_least=target)
