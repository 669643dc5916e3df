"""Entry points: a record reaches compiled code as it is, and nobody owns what they were lent."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import typeof
from numba.core.errors import TypingError
from numba.core.runtime import _nrt_python, rtsys
from sizes import COMPILED

from fastmaml.runtime import entry
from fastmaml.runtime.compilation import driver
from fastmaml.runtime.entry import CallWith, bind, call_entry, call_with, entry_point
from fastmaml.runtime.launch import ALONE, launch, regions_serial


class Pair(NamedTuple):
    """Two fields of one type, which Numba lays out as an array."""

    left: Any
    right: Any


class Empty(NamedTuple):
    """A part without numbers."""


class Inner(NamedTuple):
    rate: float
    table: Any
    pair: Pair


class Record(NamedTuple):
    whole: int
    unsigned: Any
    inner: Inner
    real: float
    numpy_whole: Any
    nothing: Empty
    numpy_real: Any
    numbers: Pair
    arrays: Pair
    plain: Any
    matrix: Any
    strided: Any
    fortran: Any
    small: Any
    read_only: Any
    cube: Any
    counter: Any
    status: Any
    reals_out: Any
    wholes_out: Any


def read_all(work: Any, step: int, worker: int) -> None:
    """Copy every number, and something of every array, to where Python can see it."""
    if worker != ALONE:
        return
    reals, wholes = work.reals_out, work.wholes_out
    reals[0] = work.real
    reals[1] = work.numpy_real
    reals[2] = work.inner.rate
    reals[3] = work.inner.pair.left[1]
    reals[4] = work.inner.pair.right[1]
    reals[5] = work.arrays.left[0]
    reals[6] = work.arrays.right[2]
    reals[7] = work.inner.table[1, 2]
    reals[8] = work.matrix[2, 1]
    reals[9] = work.strided[2, 1]
    reals[10] = work.fortran[2, 1]
    reals[11] = work.read_only[3]
    reals[12] = work.cube[1, 2, 3]
    reals[13] = work.plain[1]
    wholes[0] = work.whole
    wholes[1] = work.numpy_whole
    wholes[2] = work.numbers.left
    wholes[3] = work.numbers.right
    wholes[4] = np.int64(work.unsigned >> np.uint64(1))
    wholes[5] = np.int64(work.unsigned & np.uint64(1))
    wholes[6] = work.plain[0]
    wholes[7] = work.small[1]
    wholes[8] = work.cube.size
    wholes[9] = work.strided.shape[0] * 100 + work.strided.shape[1]
    wholes[10] = work.strided.strides[0]
    wholes[11] = work.fortran.strides[1]
    wholes[12] = work.small.itemsize
    wholes[13] = step


NUM_REALS = NUM_WHOLES = 14
read_entry = entry_point(read_all)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def record() -> Record:
    read_only = random(4)
    read_only.flags.writeable = False
    return Record(
        whole=-(2**62) - 3,
        unsigned=np.uint64(2**64 - 2**40 + 1),
        inner=Inner(0.1, random(2, 3).astype(np.float32), Pair(random(2), random(3))),
        real=-0.0,
        numpy_whole=np.int64(-7),
        nothing=Empty(),
        numpy_real=np.float64(np.inf),
        numbers=Pair(11, 13),
        arrays=Pair(random(1), random(3)),
        plain=(17, 1.5),
        matrix=random(3, 2),
        strided=random(9, 4)[::3, 1::2],
        fortran=np.asfortranarray(random(3, 2)),
        small=np.array([5, 2**32 - 1], dtype=np.uint32),
        read_only=read_only,
        cube=random(2, 3, 4),
        counter=np.zeros(1, dtype=np.int64),
        status=np.zeros(1, dtype=np.int64),
        reals_out=np.full(NUM_REALS, np.nan),
        wholes_out=np.full(NUM_WHOLES, -1, dtype=np.int64),
    )


def run(bound: Any, work: Any) -> None:
    launch(bound, 1, 1, work.counter, work.status)


def test_every_kind_of_field_arrives() -> None:
    given, expected = record(), record()
    with np.errstate(over="ignore"):
        read_all(expected, 0, ALONE)
    run(bind(read_entry, given), given)
    # Bits, so that the sign of zero counts.
    assert given.reals_out.tobytes() == expected.reals_out.tobytes()
    np.testing.assert_array_equal(given.wholes_out, expected.wholes_out)
    assert not np.isnan(given.reals_out).any()
    assert np.unique(given.wholes_out).size >= NUM_WHOLES - 1


@pytest.mark.compiled
def test_the_words_are_the_compiled_struct() -> None:
    # Field by field, and as Numba itself would hand the record over: its first words are the same.
    compiled = bind(read_entry, record()).keep[0].keep
    context = compiled.target_context
    for name, value in record()._asdict().items():
        size = context.get_abi_sizeof(context.get_value_type(typeof(value)))
        assert 8 * len(entry._words(value)) == size, name
    matrix = random(3, 2)
    assert entry._words(matrix) == [0, 0, 6, 8, matrix.ctypes.data, 3, 2, 16, 8]
    assert entry._words((1, (2, 3), ())) == [1, 2, 3]
    assert entry._words(np.uint64(2**64 - 1)) == [-1]
    assert entry._words(1.0) == [0x3FF0000000000000]


@pytest.mark.parametrize(
    "value",
    [True, np.True_, np.float32(1), np.int32(1), np.uint8(1), 1j, "text", b"text", None, [1], {1: 2}],
    ids=lambda value: type(value).__name__,
)
def test_other_fields_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"a {type(value).__name__}; store it as one of them"):
        entry._words(Pair(1, (2.0, value)))


@pytest.mark.compiled
def test_a_refused_record_is_never_run() -> None:
    work = record()._replace(whole=True)
    with pytest.raises(TypeError, match="bool"):
        bind(read_entry, work)
    assert np.isnan(work.reals_out).all()


@pytest.mark.compiled
def test_a_layout_that_does_not_fit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_words", lambda value: [0])
    with pytest.raises(TypeError, match=r"Record takes \d+ bytes compiled, but 8 here"):
        bind(read_entry, record())


@pytest.mark.compiled
def test_one_kind_of_record_is_compiled_once() -> None:
    first, second = record(), record()._replace(whole=5, matrix=random(7, 5))
    before = bind(read_entry, first)
    signatures = list(read_entry.overloads)
    after = bind(read_entry, second)
    assert list(read_entry.overloads) == signatures
    assert before.entry == after.entry
    run(after, second)
    run(before, first)
    assert second.wholes_out[0] == 5
    assert first.wholes_out[0] == record().whole


def arrays_in(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    return [array for part in value for array in arrays_in(part)] if isinstance(value, tuple) else []


@pytest.mark.compiled
def test_views_are_borrowed() -> None:
    work = record()
    arrays = arrays_in(work)
    assert len(arrays) > 12
    bound = bind(read_entry, work)
    run(bound, work)
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        counts = [sys.getrefcount(array) for array in arrays]
        for _ in range(100):
            run(bound, work)
        assert [sys.getrefcount(array) for array in arrays] == counts
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    assert after.alloc - before.alloc == after.free - before.free
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free


@pytest.mark.compiled
def test_a_bound_entry_keeps_its_record_alive_and_no_longer() -> None:
    work = record()
    bound = bind(read_entry, work)
    out, counter, status = work.wholes_out, work.counter, work.status
    watched = weakref.ref(work.matrix)
    del work
    gc.collect()
    assert watched() is not None
    launch(bound, 1, 1, counter, status)
    assert out[0] == record().whole
    del bound
    gc.collect()
    assert watched() is None


# What a launch does, step by step.


class Log(NamedTuple):
    lines: Any
    length: Any
    stop_after: int
    counter: Any
    status: Any


def write_log(work: Any, step: int, worker: int) -> None:
    """Note who was called when, and what the counter stood at; leave the counter changed."""
    line = work.lines[work.length[0]]
    line[0], line[1], line[2] = step, worker, work.counter[0]
    work.length[0] += 1
    work.counter[0] += 1
    if worker == ALONE and step == work.stop_after:
        work.status[0] = 1


log_entry = entry_point(write_log)


def logged(num_regions: int, num_workers: int, stop_after: int = 99) -> list[list[int]]:
    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype=np.int64)

    work = Log(zeros(50, 3), zeros(1), stop_after, zeros(1), zeros(1))
    work.counter[0] = 77
    bound = bind(log_entry, work)
    # The serial build, in which workers come in order.
    regions_serial(bound.entry, bound.record, num_regions, num_workers, work.counter, work.status)
    return work.lines[: work.length[0]].tolist()


def test_a_region_is_all_workers_and_then_one_alone() -> None:
    assert logged(2, 3) == [
        [step, worker, count] for step in range(2) for count, worker in enumerate([0, 1, 2, ALONE])
    ]
    assert logged(1, 1) == [[0, 0, 0], [0, ALONE, 1]]


def test_a_status_stops_after_its_region() -> None:
    assert logged(5, 2, stop_after=1) == logged(2, 2)


@pytest.mark.compiled
def test_an_entry_is_called_from_compiled_code_by_address() -> None:
    work = record()
    bound = bind(read_entry, work)

    def call(function: Any, address: Any) -> None:
        call_entry(function, address, 3, ALONE)

    compiled: Any = driver(call)
    compiled(bound.entry, bound.record)
    assert work.wholes_out[13] == 3
    assert work.wholes_out[0] == record().whole


class Lent(NamedTuple):
    """What an entry point is given beside its record."""

    values: Any
    pair: Pair


class Caller(NamedTuple):
    """What calls an entry point with views of its own arrays."""

    called: CallWith
    table: Any
    sums_out: Any


def add_up(work: Any, lent: Any, factor: int) -> None:
    """Add what was lent to what is there."""
    for k in range(lent.values.size):
        work.left[0] += factor * lent.values[k] + lent.pair.left[0] * lent.pair.right[1]


def call_many(work: Any, rounds: int) -> None:
    """Call the entry point for each row, many times over."""
    for _ in range(rounds):
        for r in range(work.table.shape[0]):
            row = work.table[r]
            call_with(work.called, Lent(row, Pair(row[1:], row[:2])), r)


def call_with_whole_table(work: Any) -> None:
    """Lend what the entry point was not compiled for."""
    call_with(work.called, Lent(work.table, Pair(work.table[0], work.table[0])), 1)


add_entry, call_entry_point = entry_point(add_up), entry_point(call_many)
wrong_entry = entry_point(call_with_whole_table)


def caller() -> tuple[Any, Caller, Any]:
    sums, table = Pair(np.zeros(1), np.zeros(1)), random(3, 4)
    like = Lent(np.zeros(1), Pair(np.zeros(1), np.zeros(1)))
    bound = bind(add_entry, sums, like)
    return bound, Caller(bound.call_with(like), table, sums.left), sums


def test_a_second_record_is_lent_for_one_call() -> None:
    keep, work, sums = caller()
    called = bind(call_entry_point, work)
    # A stack that grew by each of these calls would overflow.
    rounds = 200_000 if COMPILED else 3

    def call(function: Any, address: Any, times: int) -> None:
        call_entry(function, address, times)

    (driver(call) if COMPILED else call)(called.entry, called.record, rounds)
    once = sum(r * row.sum() + 4 * row[1] * row[1] for r, row in enumerate(work.table))
    assert sums.left[0] == pytest.approx(rounds * once, rel=1e-9)
    assert keep


@pytest.mark.compiled
def test_another_type_than_the_entry_point_was_compiled_for_is_refused() -> None:
    _, work, _ = caller()
    with pytest.raises(TypingError, match="the entry point is given"):
        bind(wrong_entry, work)
