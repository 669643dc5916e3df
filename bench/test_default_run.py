"""The notebook's default run: 10 tasks an epoch, 10 + 10 points, exact mode, float64; kernels loaded."""

import numpy as np
import pytest

from bench.baselines.notebook import NotebookMAML
from bench.baselines.vectorised import VectorisedMAML
from bench.ratio import Contestant, alternate
from fastmaml import MAML


@pytest.mark.benchmark(group="default run")
def test_default_run(benchmark, report):
    # Samples of about a tenth of a second: for us the whole default run.
    ours = Contestant("fastmaml", MAML(epochs=10_000, verbose=False).train, work=10_000)
    notebook = Contestant("NumPy notebook", NotebookMAML(epochs=100, verbose=False).train, work=100)
    vectorised = Contestant("vectorised NumPy", VectorisedMAML(epochs=1000).train, work=1000)
    fast_uniforms = np.random.Generator(np.random.SFC64(0)).random
    other_stream = Contestant(
        "vectorised NumPy, SFC64", VectorisedMAML(epochs=1000, uniform=fast_uniforms).train, work=1000
    )
    alternate([ours, notebook, vectorised, other_stream], rounds=15, benchmark=benchmark)

    what = "the notebook's default run, exact mode"
    report.compared(benchmark, what, "epoch", ours, notebook, at_least=100)
    report.compared(benchmark, what, "epoch", ours, vectorised, at_least=15)
    report.compared(benchmark, f"{what}, against NumPy's fastest generator", "epoch", ours, other_stream)
