"""Numerics against references of higher precision, other implementations, and published vectors."""

import addressed
import mpmath
import naive
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import COMPILED, size

from fastmaml.numerics.elementary import (
    all_finite,
    exp_nonpositive,
    expm1_nonpositive,
    logistic_loss,
    sigmoid_both_ways,
    sigmoid_in_place,
)
from fastmaml.numerics.layout import padded_rows, padded_width
from fastmaml.numerics.mt19937 import BLOCK, next_blocks, uniforms
from fastmaml.numerics.normal import initial_normals
from fastmaml.numerics.philox import philox_block, philox_words, philox_words_at, words_room
from fastmaml.numerics.products import rows_times_vectors, vectors_times_rows

FLOATS = [np.float64, np.float32]
LOWEST = {np.float64: -708.0, np.float32: -87.0}


@numba.njit
def exp_all(x, out):
    for i in range(x.size):
        out[i] = exp_nonpositive(x[i])


@numba.njit
def expm1_all(x, out):
    for i in range(x.size):
        out[i] = expm1_nonpositive(x[i])


@numba.njit
def sigmoid_all(z):
    sigmoid_in_place(z, z.size)


@numba.njit
def sigmoid_pair(z, complement):
    sigmoid_both_ways(z, complement, z.size)


@numba.njit
def loss_of(z, y, count):
    return logistic_loss(z, y, count)


@numba.njit
def finite(values):
    return all_finite(values)


def errors(actual, arguments, function, dtype):
    """Errors in units in the last place of the true value, from mpmath with 60 digits."""
    with mpmath.workdps(60):
        true = [function(mpmath.mpf(float(x))) for x in arguments]
        unit = [mpmath.mpf(float(np.spacing(dtype(float(value))))) for value in true]
        return np.array(
            [float(abs(mpmath.mpf(float(a)) - t) / u) for a, t, u in zip(actual, true, unit, strict=True)]
        )


def arguments_up_to_zero(dtype):
    """Many magnitudes, the multiples of ln 2 and their halves (where the reduction turns), and the ends."""
    rng = np.random.default_rng(0)
    lowest, count = LOWEST[dtype], size(3000, 60)
    turns = -np.log(2) * np.arange(0, 2 * int(-lowest / np.log(2))) / 2
    if not COMPILED:
        turns = turns[::20]
    values = np.concatenate(
        [
            rng.uniform(lowest, 0, count),
            -(10.0 ** rng.uniform(-20, np.log10(-lowest), count)),
            turns[turns >= lowest],
            np.nextafter(turns[turns >= lowest], 0),
            [lowest, 0.0, -0.0, -np.finfo(dtype).tiny],
        ]
    ).astype(dtype)
    return values[values >= lowest]


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponential(dtype):
    """To about one unit, and below two.

    Of the sum (1 + r) + r**2 (...) + r**4 (...) three roundings are of numbers as large as the result: half
    a unit each. The reduced argument, below 0.35, is rounded once, which counts a quarter of a unit; its
    small parts, the smaller terms and the end of the series count less than a tenth of a unit each.
    """
    x = arguments_up_to_zero(dtype)
    out = np.empty_like(x)
    exp_all(x, out)
    assert out.dtype == dtype
    assert np.max(errors(out, x, mpmath.exp, dtype)) <= 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponential_at_its_ends(dtype):
    x = np.array([0.0, -0.0, np.nan, LOWEST[dtype], LOWEST[dtype] * 1.001, -1e30, -np.inf], dtype=dtype)
    out = np.empty_like(x)
    exp_all(x, out)
    assert out[0] == out[1] == 1
    assert np.isnan(out[2])
    assert np.finfo(dtype).tiny <= out[3] < 1e-37
    assert np.all(out[4:] == 0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponential_minus_one(dtype):
    """As the exponential, in units of a result that may be next to nothing.

    Up to -0.35 it is the series alone, whose terms after the first count less than half a unit each. Below,
    the power of two less one is exact, or rounded once, and so are product and sum: half a unit each, and
    what the reduced argument and the series are off by, below a unit together.
    """
    x = np.concatenate([arguments_up_to_zero(dtype), -np.logspace(-30, -1, 200).astype(dtype)])
    x = x[x < 0]
    out = np.empty_like(x)
    expm1_all(x, out)
    assert out.dtype == dtype
    assert np.max(errors(out, x, mpmath.expm1, dtype)) <= 3
    ends = np.array([0.0, np.nan, -1e30, -np.inf], dtype=dtype)
    out = np.empty_like(ends)
    expm1_all(ends, out)
    assert out[0] == 0
    assert np.isnan(out[1])
    assert out[2:].tolist() == [-1, -1]


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid(dtype):
    """An exponential, a sum and a division.

    With u half a unit relative to 1: an exponential is wrong by at most two units, 4 u relative, a sum and a
    division by u each; and 6 u relative are at most 6 units of a number just below a power of two.
    """
    x = arguments_up_to_zero(dtype)
    for z in (x, -x):
        out = z.copy()
        sigmoid_all(out)
        assert np.max(errors(out, z, lambda a: 1 / (1 + mpmath.exp(-a)), dtype)) <= 6
        # Of the two, one is rounded once more.
        p, q = z.copy(), np.empty_like(z)
        sigmoid_pair(p, q)
        assert np.max(errors(p, z, lambda a: 1 / (1 + mpmath.exp(-a)), dtype)) <= 8
        assert np.max(errors(q, z, lambda a: 1 / (1 + mpmath.exp(a)), dtype)) <= 8


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_at_its_ends(dtype):
    z = np.array([-np.inf, -1e30, 0.0, -0.0, 1e30, np.inf, np.nan], dtype=dtype)
    out = z.copy()
    sigmoid_all(out)
    assert np.all((out[:2] >= 0) & (out[:2] < 1e-37))
    assert out[2:6].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert np.isnan(out[6])


def test_sigmoid_leaves_what_lies_behind():
    z = np.zeros(20)
    sigmoid_in_place_of_five(z)
    assert z.tolist() == 5 * [0.5] + 15 * [0.0]


@numba.njit
def sigmoid_in_place_of_five(z):
    sigmoid_in_place(z, 5)


def test_the_loss_of_one_row():
    """The exponential, below two units, one sum each before and behind log1p's one."""
    x = arguments_up_to_zero(np.float64)[::20]
    z = np.concatenate([x, -x])
    out = np.array([loss_of(z[i : i + 1], np.zeros(1), 1) for i in range(z.size)])
    assert np.max(errors(out, z, lambda a: mpmath.log1p(mpmath.exp(a)), np.float64)) <= 6
    cases = [(0.0, 0, np.log(2)), (1e5, 0, 1e5), (1e5, 1, 0), (-1e308, 1, 1e308), (np.inf, 1, 0)]
    for value, label, expected in cases:
        actual = loss_of(np.array([value]), np.array([float(label)]), 1)
        assert actual == pytest.approx(expected, rel=1e-15, abs=1e-300)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [1e-3, 3, 100])
@pytest.mark.parametrize("rows", [1, 2, 10, 511, 512, 513, 2000])
def test_the_loss_of_many_rows(rows, scale, dtype):
    """All terms are positive, so the relative error is at most that of a few roundings a row."""
    rng = np.random.default_rng(rows)
    z, y = (scale * rng.normal(size=rows + 3)).astype(dtype), rng.integers(0, 2, rows + 3).astype(dtype)
    with mpmath.workdps(60):
        terms = [
            mpmath.log1p(mpmath.exp(mpmath.mpf(float(a)) * (1 - 2 * int(b))))
            for a, b in zip(z, y, strict=True)
        ]
        expected = mpmath.fsum(terms[:rows])
        assert abs(loss_of(z, y, rows) / expected - 1) <= (4 * rows + 8) * 2.0**-53


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_all_finite(dtype, bad):
    for length in (1, 16, 33):
        values = np.full(length, np.finfo(dtype).max, dtype=dtype)
        values[::2] *= -1
        assert finite(values)
        for place in range(length):
            spoiled = values.copy()
            spoiled[place] = bad
            assert not finite(spoiled)


# --- Philox ---


@numba.njit
def philox_once(counter, key, out):
    w0, w1, w2, w3 = philox_block(counter[0], counter[1], counter[2], counter[3], key[0], key[1])
    out[0], out[1], out[2], out[3] = w0, w1, w2, w3


@numba.njit
def philox_many(seed, epoch, task, purpose, count, out):
    philox_words(seed, epoch, task, purpose, count, out)


@numba.njit
def philox_at(seed, epoch, task, purpose, block, out):
    w0, w1, w2, w3 = philox_words_at(seed, epoch, task, purpose, block)
    out[0], out[1], out[2], out[3] = w0, w1, w2, w3


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_against_the_published_vectors(counter, key, expected):
    """Random123's known answers (kat_vectors, philox4x32 with 10 rounds)."""
    out = np.zeros(4, dtype=np.uint64)
    philox_once(np.array(counter, dtype=np.uint64), np.array(key, dtype=np.uint64), out)
    assert " ".join(f"{word:08x}" for word in out) == expected


@settings(max_examples=size(100, 20), deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    epoch=st.one_of(st.integers(0, 9), st.integers(0, 2**56 - 1)),
    task=st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1)),
    purpose=st.integers(0, 255),
    count=st.integers(0, 70),
)
def test_philox_words_are_at_their_addresses(seed, epoch, task, purpose, count):
    room = words_room(count)
    assert count <= room < count + 32
    out = np.full(room + 4, 7, dtype=np.uint32)
    philox_many(np.uint64(seed), epoch, task, purpose, count, out)
    assert out[:room].tolist() == addressed.words(seed, epoch, task, purpose, room)
    assert np.all(out[room:] == 7)


@pytest.mark.parametrize("block", [0, 1, 7, 2**32 - 1])
def test_philox_words_of_one_block(block):
    out = np.zeros(4, dtype=np.uint64)
    philox_at(np.uint64(2**63 + 5), 2**40 + 3, 2**31 + 1, 3, block, out)
    counter = (block, 2**31 + 1, 3, 3 << 24 | 2**8)
    assert out.tolist() == list(naive.philox4x32(counter, (5, 2**31)))


# --- MT19937 ---


@numba.njit
def continue_blocks(words, count):
    next_blocks(words, count)


@numba.njit
def uniforms_of(pairs, out):
    uniforms(pairs, out)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_blocks_are_numpy_s_states(seed):
    generator = np.random.MT19937()
    generator._legacy_seeding(seed)
    generator.random_raw()
    count = size(9, 3)
    words = np.zeros((count + 1) * BLOCK + 5, dtype=np.uint32)
    words[:BLOCK] = generator.state["state"]["key"]
    continue_blocks(words, count)
    for block in range(1, count + 1):
        generator.random_raw(BLOCK)
        state = generator.state["state"]
        assert state["pos"] == 1
        assert np.array_equal(words[block * BLOCK : (block + 1) * BLOCK], state["key"])
    assert not words[-5:].any()


@pytest.mark.parametrize("used", [0, 1, 2, 311, 622, 623, 624])
def test_uniforms_are_numpy_s(used):
    """Across the boundaries of blocks, from any place in one."""
    generator = np.random.MT19937()
    generator._legacy_seeding(5)
    generator.random_raw(BLOCK + used)
    words = np.zeros(4 * BLOCK, dtype=np.uint32)
    words[:BLOCK] = np.random.RandomState(generator).get_state()[1]
    # At 624 words NumPy stands at the end of its block, at 0 of the next.
    position = np.random.RandomState(generator).get_state()[2]
    continue_blocks(words, 3)
    out = np.zeros(size(900, 330))
    pairs = words[position : position + 2 * out.size].copy().view(np.uint64)
    uniforms_of(pairs, out)
    expected = np.random.RandomState(generator).random_sample(out.size)
    assert np.array_equal(out, expected)


def test_uniforms_at_the_ends_of_their_range():
    """All bits and none: tempering is linear, so raw zero words give 0; and one is never reached."""
    out = np.empty(1)
    uniforms_of(np.zeros(1, dtype=np.uint64), out)
    assert out[0] == 0.0
    for tempered in (0xFFFFFFFF, 0x80000000):
        raw = untempered(tempered)
        uniforms_of(np.array([raw | raw << 32], dtype=np.uint64), out)
        assert out[0] == ((tempered >> 5) * 2**26 + (tempered >> 6)) / 2**53 < 1


def untempered(word):
    """Invert the tempering, bit by bit: it is linear over bits."""
    key = [0] * 624
    columns = []
    for bit in range(32):
        key[0] = 1 << bit
        columns.append(next(naive.mt19937(key, 0)))
    # Gauss's elimination over bits.
    rows = [(column, 1 << bit) for bit, column in enumerate(columns)]
    result = 0
    for bit in reversed(range(32)):
        pivot = next(row for row in rows if row[0] >> bit & 1)
        rows = [
            (row[0] ^ pivot[0], row[1] ^ pivot[1]) if row[0] >> bit & 1 and row is not pivot else row
            for row in rows
            if row is not pivot
        ]
        if word >> bit & 1:
            word ^= pivot[0]
            result ^= pivot[1]
    return result


# --- normals ---


def test_initial_normals():
    for seed in (0, 2**64 - 1):
        for count in (1, 2, 51):
            values = initial_normals(seed, count)
            # Half a unit of an angle up to 2 pi, times a radius up to 7.
            assert np.max(np.abs(values - addressed.normals(seed, count))) <= 7 * 2 * np.pi * 2.0**-52
    assert np.array_equal(initial_normals(3, 9)[:4], initial_normals(3, 4))


# --- products and layout ---


@numba.njit
def products(X, index, count, vectors, stride, out, coefficients, totals):
    rows_times_vectors(X, index, count, vectors, stride, out)
    vectors_times_rows(coefficients, stride, X, index, count, totals)


@pytest.mark.parametrize("table", FLOATS)
@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=size(60, 8), deadline=None)
@given(features=st.integers(1, 200), rows=st.integers(1, 21), seed=st.integers(0, 100))
def test_products_with_picked_rows(table, dtype, features, rows, seed):
    """All but the picked rows are NaN: nothing is read that is not part of them, not even at their ends."""
    rng = np.random.default_rng(seed)
    counts = np.array([rows, 1, rng.integers(1, rows + 1)][: seed % 3 + 1])
    X = np.full((counts.sum() + 3, features), np.nan, dtype=table)
    places = np.split(rng.permutation(len(X))[: counts.sum()], np.cumsum(counts)[:-1])
    index = np.full((len(counts), padded_rows(rows)), places[0][0])
    width, stride = padded_width(features), padded_rows(rows) + 4
    vectors, coefficients = np.zeros((len(counts), width), dtype), np.full(len(counts) * stride, 3, dtype)
    for task, picked in enumerate(places):
        X[picked] = rng.normal(size=(len(picked), features))
        index[task, : len(picked)] = picked
        vectors[task, :features] = rng.normal(size=features)
        coefficients[task * stride :][: len(picked)] = rng.normal(size=len(picked))
    before = X.copy(), vectors.copy(), coefficients.copy()
    out = np.full(len(coefficients) + 8, 9, dtype=dtype)
    totals = np.full((len(counts) + 1, width), 9, dtype=dtype)
    products(X, index, counts, vectors, stride, out, coefficients, totals[:-1])

    # The table is converted first. Then a sum of n products, in any order: n u times the sum of their sizes
    # (N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
    unit = np.finfo(dtype).eps
    for task, picked in enumerate(places):
        plain, vector = X[picked].astype(dtype).astype(np.float64), vectors[task, :features].astype(float)
        of_task, total = out[task * stride :][:stride], totals[task]
        bound = features * unit * (np.abs(plain) @ np.abs(vector))
        assert np.all(np.abs(of_task[: len(picked)] - plain @ vector) <= bound)
        assert np.all(of_task[-(-len(picked) // 4) * 4 :] == 9)
        exact = coefficients[task * stride :][: len(picked)].astype(float)
        bound = len(picked) * unit * (np.abs(exact) @ np.abs(plain))
        assert np.all(np.abs(total[:features] - exact @ plain) <= bound)
        assert np.all((total[features:] == 0) | (total[features:] == 9))
    assert np.isfinite(out).all()
    assert np.all(out[len(coefficients) :] == 9)
    assert np.all(totals[-1] == 9)
    for now, then in zip((X, vectors, coefficients), before, strict=True):
        assert np.array_equal(now, then, equal_nan=True)
