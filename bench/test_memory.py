"""Memory of a training process: flat in epochs, and own tasks are not copied in each."""

import json

import pytest

from bench.processes import run_module
from bench.report import Row, judged

CASES = {
    "default": ("the notebook's default run", 1_000, 100_000),
    "own": ("own tasks, a table of 40 MB", 2, 200),
}


@pytest.mark.benchmark(group="memory")
@pytest.mark.parametrize("kind", CASES)
def test_peak_memory(benchmark, report, tmp_path, kind):
    what, few, many = CASES[kind]

    def footprint(epochs):
        return json.loads(run_module("bench.footprint", kind, str(epochs), cache_dir=tmp_path))

    # The compiler's own peak would hide the run's: fill the cache first.
    footprint(1)
    short = footprint(few)
    long = benchmark.pedantic(footprint, args=(many,), rounds=1)

    ratio = long["peak"] / short["peak"]
    row = Row(
        f"peak memory of {what}: {many:,} epochs against {few:,}",
        f"{long['peak'] / 1e6:.4g} MB",
        f"{short['peak'] / 1e6:.4g} MB ({few:,} epochs)",
        f"{ratio:.3g}",
        judged(ratio, at_most=1.05),
    )
    report.rows.append(row)
    benchmark.extra_info["rows"] = [{**row._asdict(), "long": long, "short": short}]
    report.remark(
        f"Python and NumPy held at most {long['traced'] / 1e3:.3g} kB in {many:,} epochs of {what}, "
        f"{short['traced'] / 1e3:.3g} kB in {few:,}."
    )
