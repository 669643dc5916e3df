"""The helper that compares, on toys; nothing is timed here."""

import time
from types import SimpleNamespace

import pytest

from bench.ratio import Contestant, Ratio, alternate, pretty_seconds, ratio
from bench.report import Report, judged


def test_contestants_take_turns():
    calls = []
    a, b = (Contestant(name, lambda name=name: calls.append(name)) for name in "ab")
    alternate([a, b], rounds=3, warm_ups=2)
    assert "".join(calls) == "aabb" + "bababa"
    assert len(a.samples) == len(b.samples) == 3
    assert a.first_call is not None


def test_ratio_is_taken_round_by_round_and_for_a_unit_of_work():
    # A machine that is four times slower in the last rounds: each round's ratio is the same.
    slow = Contestant("slow", print, work=2, samples=[1.0, 1.0, 4.0, 4.0])
    fast = Contestant("fast", print, work=10, samples=[0.5, 0.5, 2.0, 2.0])
    assert ratio(slow, fast) == Ratio(10.0, 10.0, 10.0)
    assert fast.seconds == 0.125


def test_sleepers():
    long, short = (Contestant(str(s), lambda s=s: time.sleep(s)) for s in (0.03, 0.01))
    alternate([short, long], rounds=5, warm_ups=0)
    assert 1.5 < ratio(long, short).median < 4


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (5.81e-6, "5.81 us"), (0.0123, "12.3 ms"), (3e-8, "30 ns")]
)
def test_pretty_seconds(seconds, text):
    assert pretty_seconds(seconds) == text


def test_targets_are_reported_not_enforced():
    assert judged(2.0, at_least=3) == "at least 3: missed"
    assert judged(3.0, at_least=3) == "at least 3: met"
    assert judged(1.2, at_most=1.05) == "at most 1.05: missed"
    assert judged(4e-5, at_most=3e-5, written=pretty_seconds) == "at most 30 us: missed"
    assert judged(1.0) == "none"


def test_the_table():
    benchmark = SimpleNamespace(extra_info={})
    report = Report()
    assert report.markdown() == ""
    ours = Contestant("ours", print, samples=[1e-3])
    theirs = Contestant("theirs", print, samples=[5e-3])
    report.compared(benchmark, "a thing", "epoch", ours, theirs, at_least=4)
    report.compared(benchmark, "a cost", "step", ours, theirs, at_most=0.3)
    report.timed(benchmark, "a run", "run", theirs, at_most=0.004)
    report.remark("Once.")
    report.remark("Once.")
    table = report.markdown()
    assert "| a thing | 1 ms / epoch | 5 ms / epoch (theirs) | 5 (5 to 5) | at least 4: met |" in table
    assert "| a cost | 1 ms / step | 5 ms / step (theirs) | 0.2 (0.2 to 0.2) | at most 0.3: met |" in table
    assert "| a run | 5 ms / run | none | none | at most 4 ms: missed |" in table
    assert table.endswith("- Once.\n")
    assert benchmark.extra_info["rows"][0]["median"] == 5.0
