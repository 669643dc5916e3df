"""The notebook's default run: 10 tasks an epoch, 10 + 10 points, exact mode, float64; kernels loaded."""

import numpy as np
import pytest

from bench.baselines.notebook import NotebookMAML
from bench.baselines.vectorised import VectorisedMAML
from bench.ratio import Contestant, alternate
from fastmaml import MAML


@pytest.mark.benchmark(group="default run")
def test_default_run(benchmark, report):
    # Samples of some 10 to 30 ms each; a call of train() costs the same little whatever its epochs.
    ours = Contestant("fastmaml", MAML(epochs=2000, verbose=False).train, work=2000)
    notebook = Contestant("NumPy notebook", NotebookMAML(epochs=40, verbose=False).train, work=40)
    vectorised = Contestant("vectorised NumPy", VectorisedMAML(epochs=200).train, work=200)
    fast_uniforms = np.random.Generator(np.random.SFC64(0)).random
    other_stream = Contestant(
        "vectorised NumPy, SFC64", VectorisedMAML(epochs=200, uniform=fast_uniforms).train, work=200
    )
    alternate([ours, notebook, vectorised, other_stream], rounds=25, benchmark=benchmark)

    what = "the notebook's default run, exact mode"
    report.compared(benchmark, what, "epoch", ours, notebook, at_least=100)
    report.compared(benchmark, what, "epoch", ours, vectorised, at_least=15)
    report.compared(benchmark, f"{what}, against NumPy's fastest generator", "epoch", ours, other_stream)
