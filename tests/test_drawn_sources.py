"""Sources that make their tasks: every number is the documented function of its address."""

import math
import re

import addressed
import numba
import numpy as np
import pytest

from fastmaml import sources
from fastmaml.numerics.layout import padded_rows
from fastmaml.sources import Picks, draw, matrix, prepare, requirements

SEED, EPOCH, TASK, TASK_PURPOSE = 2**63 + 5, 2**33 + 7, 3, 5


@numba.njit
def draw_one(spec, task, words, scratch, X, support, query):
    return draw(spec, 5, EPOCH, task, words, scratch, X, 0, support, query)


def drawn(source, dtype=np.float64, task=TASK):
    """Draw one task through the contract: (Xs, ys, Xq, yq)."""
    spec = source.lower(SEED)
    needs = requirements(spec, 5)
    X = np.full((needs.buffered, needs.features), np.nan, dtype)
    support, query = (
        Picks(np.full(padded_rows(rows), -1), np.full(padded_rows(rows) * needs.targets, np.nan, dtype))
        for rows in (needs.shots, needs.queries)
    )
    words = np.zeros(needs.words, np.uint32)
    prepare(spec, 5, EPOCH, np.zeros(needs.state, np.uint32), words)
    scratch = np.zeros(needs.scratch, np.uint32)
    queries = draw_one(spec, task, words, scratch, X, support, query)
    assert queries == needs.queries
    rows = matrix(spec, X)
    return [
        part
        for picks, count in ((support, needs.shots), (query, needs.queries))
        for part in (rows[picks.index[:count]], picks.y[: count * needs.targets].reshape(count, -1))
    ]


def words(purpose, count, task=TASK):
    return np.array(addressed.words(SEED, EPOCH, task, purpose, count), dtype=float)


@pytest.mark.parametrize("frequency", [1.0, (0.8, 1.2)])
def test_sinusoid(frequency):
    Xs, ys, Xq, yq = drawn(sources.Sinusoid(7, 4, (1, 3), (0.5, 2), frequency, (-1, 2)))
    amplitude, phase, third = words(TASK_PURPOSE, 3) / 2**32
    omega = 0.8 + 0.4 * third if frequency != 1.0 else 1.0
    for X, y, purpose, rows in ((Xs, ys, addressed.SUPPORT, 7), (Xq, yq, addressed.QUERY, 4)):
        x = -1 + 3 * words(purpose, rows) / 2**32
        np.testing.assert_allclose(X[:, 0], x, rtol=1e-15)
        expected = (1 + 2 * amplitude) * np.sin(omega * x + 0.5 + 1.5 * phase)
        np.testing.assert_allclose(y[:, 0], expected, rtol=0, atol=1e-14)


def test_a_revealed_sinusoid():
    hidden, revealed = (drawn(sources.Sinusoid(7, 4, reveal=reveal)) for reveal in (False, True))
    amplitude, phase = words(TASK_PURPOSE, 2) / 2**32
    for X, plain in ((revealed[0], hidden[0]), (revealed[2], hidden[2])):
        assert X[:, :1].tobytes() == plain.tobytes()
        np.testing.assert_allclose(X[:, 1:], [[0.1 + 4.9 * amplitude, math.pi * phase]] * len(X), rtol=1e-15)
    assert revealed[1].tobytes() == hidden[1].tobytes()


def test_linear_tasks():
    weights = np.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0]])
    Xs, ys, Xq, yq = drawn(sources.LinearTasks(weights, 4, 5, spread=0.7, noise=0.2))
    own = weights + 0.7 * (words(TASK_PURPOSE, 6) / 2**31 - 1).reshape(3, 2)
    for X, y, purpose, rows in ((Xs, ys, addressed.SUPPORT, 4), (Xq, yq, addressed.QUERY, 5)):
        even = (words(purpose, rows * 5) / 2**31 - 1).reshape(rows, 5)
        np.testing.assert_allclose(X, even[:, :3], rtol=1e-15)
        np.testing.assert_allclose(y, even[:, :3] @ own + 0.2 * even[:, 3:], rtol=0, atol=1e-14)


def normals(drawn_words):
    """Box and Muller's transform of pairs of words."""
    pairs = drawn_words.reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log((pairs[:, 0] + 0.5) / 2**32)), 2 * math.pi * pairs[:, 1] / 2**32
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def test_blobs():
    ways, features = 3, 3  # An odd number of centres' coordinates: the last word has a partner of its own.
    Xs, ys, Xq, yq = drawn(sources.Blobs(features, ways, 2, 4, spread=1.5))
    centres = 1.5 * normals(words(TASK_PURPOSE, 10))[:9].reshape(ways, features)
    for X, y, purpose, of_class in ((Xs, ys, addressed.SUPPORT, 2), (Xq, yq, addressed.QUERY, 4)):
        count = ways * of_class * features
        around = normals(words(purpose, count + count % 2))[:count].reshape(-1, features)
        np.testing.assert_allclose(X, around + np.repeat(centres, of_class, axis=0), rtol=0, atol=1e-14)
        assert y[:, 0].tolist() == [float(way) for way in range(ways) for _ in range(of_class)]


def test_episodes():
    labels = np.repeat(list("edcba"), 9)[np.random.default_rng(0).permutation(45)]
    X = np.arange(90.0).reshape(45, 2)
    source = sources.Episodes(X, labels, ways=3, shots=2, queries=4)
    seen = set()
    for task in range(20):
        Xs, ys, Xq, yq = drawn(source, task=task)
        of_row = {tuple(row): label for row, label in zip(X, labels, strict=True)}
        classes = [{of_row[tuple(row)] for row in Xs[2 * way : 2 * way + 2]} for way in range(3)]
        assert [len(one) for one in classes] == [1, 1, 1]
        assert len(set.union(*classes)) == 3
        assert [{of_row[tuple(row)] for row in Xq[4 * way : 4 * way + 4]} for way in range(3)] == classes
        assert len(np.unique(np.concatenate([Xs, Xq]), axis=0)) == 18
        assert ys[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
        assert yq[:, 0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
        seen.add(tuple(next(iter(one)) for one in classes))
    # Another order of other classes from task to task.
    assert len(seen) > 10
    # And the documented choice of classes, of which the rows' is another of the same kind.
    order = addressed.shuffled(5, 3, addressed.words(SEED, EPOCH, 19, addressed.ORDER, 6))
    assert ["abcde"[i] for i in order[:3]] == [next(iter(one)) for one in classes]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sources.Sinusoid(shots=0), "shots is 0; give a whole number, at least 1"),
        (lambda: sources.Sinusoid(amplitude=(2, 1)), "amplitude is (2, 1); give the lower end first"),
        (lambda: sources.Sinusoid(x=(0, 1, 2)), "x is (0, 1, 2); give a number, or two for a range"),
        (lambda: sources.LinearTasks([]), "weights has shape (0,)"),
        (lambda: sources.LinearTasks([1, math.nan]), "weights holds nan at row 1"),
        (lambda: sources.Blobs(0), "num_features is 0"),
        (lambda: sources.Blobs(2, ways=1), "ways is 1; give a whole number, at least 2"),
        (
            lambda: sources.Episodes(np.ones((6, 1)), list("aabbcc"), ways=4, shots=1, queries=1),
            "ways is 4 but labels has 3 classes; give at most that many",
        ),
        (
            lambda: sources.Episodes(np.ones((6, 1)), list("aaaabb"), ways=2, shots=2, queries=1),
            "class 'b' has 2 rows, but shots=2 and queries=1 need 3; 1 of 2 classes are too small",
        ),
    ],
)
def test_bad_numbers_are_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
