"""Making task sets of frames, files, lists and episodes, and describing them."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from fastmaml import TaskSet

ROWS = {
    "who": ["b", "a", "b", "c", "a", "b"],
    "size": [1.5, 2.0, -1.0, 0.0, 3.0, 4.0],
    "sold": [True, False, True, True, False, False],
    "times": [3, 1, 4, 1, 5, 9],
}


def expected():
    X = np.column_stack([ROWS["size"], ROWS["times"]])
    return TaskSet.from_groups(X, ROWS["sold"], ROWS["who"])


def assert_same(tasks, other):
    for name in ("X", "y", "offsets", "labels"):
        np.testing.assert_array_equal(getattr(tasks, name), getattr(other, name))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames(make):
    assert_same(TaskSet.from_frame(make(ROWS), "who", "sold"), expected())
    chosen = TaskSet.from_frame(make(ROWS), group="who", target="sold", features=["times"])
    np.testing.assert_array_equal(chosen.X, expected().X[:, 1:])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_single_precision_is_kept(make):
    frame = make({"g": [1, 1, 2], "x": np.ones(3, np.float32), "y": [0, 1, 0]})
    assert TaskSet.from_frame(frame, "g", "y").X.dtype == np.float32


def test_files(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "rows.csv", index=False)
    pd.DataFrame(ROWS).to_csv(tmp_path / "rows.tsv.gz", index=False, sep="\t")
    pa.parquet.write_table(pa.table(ROWS), tmp_path / "rows.parquet")
    assert_same(TaskSet.from_csv(tmp_path / "rows.csv", "who", "sold"), expected())
    assert_same(TaskSet.from_csv(str(tmp_path / "rows.tsv.gz"), "who", "sold"), expected())
    assert_same(TaskSet.from_parquet(tmp_path / "rows.parquet", "who", "sold"), expected())
    with pytest.raises(ValueError, match=r"nothing.csv does not exist"):
        TaskSet.from_csv(tmp_path / "nothing.csv", "who", "sold")


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (
            {},
            {"group": "whom"},
            "group is 'whom', but there is no such column; there are 'who', 'size', 'sold'",
        ),
        ({}, {"target": "bought"}, "target is 'bought', but there is no such column"),
        ({}, {"features": ["sise"]}, "features is 'sise', but there is no such column"),
        ({}, {"features": ["sold"]}, "features holds 'sold', which is the column of groups or targets"),
        ({}, {"features": []}, "there is no column of features besides 'who' and 'sold'"),
        ({}, {"target": "who"}, "group and target are both 'who'"),
        ({"size": list("abcdef")}, {}, "column 'size' holds String, not numbers; encode it"),
        ({"sold": list("abcdef")}, {}, "column 'sold' holds String, not numbers; number its classes from 0"),
        (
            {"size": [1.0, None, 2, 3, 4, None]},
            {},
            "column 'size' has no value in row 1, and in 2 rows in all",
        ),
        ({"who": ["a", None, *"abcd"]}, {}, "groups has a missing label (None) at row 1"),
        ({"size": [1.0, np.inf, 2, 3, 4, 5]}, {}, "X holds inf at row 1, column 0"),
    ],
)
def test_bad_frames(change, given, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        TaskSet.from_frame(pl.DataFrame(ROWS | change), **{"group": "who", "target": "sold", **given})


def test_no_frame():
    with pytest.raises(TypeError, match=r"df is an array of shape \(3, 2\)"):
        TaskSet.from_frame(np.ones((3, 2)), "a", "b")


def test_lists():
    pairs = [([[1.0, 2.0], [3.0, 4.0]], [0, 1]), (np.ones((3, 2)), np.zeros((3, 1)))]
    tasks = TaskSet.from_list(pairs)
    assert tasks.rows.tolist() == [2, 3]
    for (X, y), (X_given, y_given) in zip(tasks, pairs, strict=True):
        np.testing.assert_array_equal(X, X_given)
        np.testing.assert_array_equal(y, np.ravel(y_given))
    for wrong, message in [
        ([], "tasks is empty"),
        ([pairs[0], 3], "task 1 is 3 (int); give a pair (X, y)"),
        ([pairs[0], ([[1.0]], [1])], "task 1 has 1 features, but task 0 has 2; they must agree"),
        ([pairs[0], ([[1.0, np.nan]], [1])], "task 1: X holds nan at row 0, column 1"),
        ([pairs[0], ([[1.0, 2.0]], [1, 2])], "task 1: y has 2 rows but X has 1"),
    ]:
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            TaskSet.from_list(wrong)


def test_episodes():
    X, y = np.arange(40.0)[:, np.newaxis], np.array(list("abcd") * 10)
    tasks = TaskSet.from_episodes(X, y, ways=3, shots=4, num_tasks=50, random_state=1)
    assert (len(tasks), set(tasks.rows.tolist())) == (50, {12})
    classes = set()
    for rows, targets in tasks:
        assert targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        letters = y[rows[:, 0].astype(int)].reshape(3, 4)
        assert (letters == letters[:, :1]).all()
        assert len(set(letters[:, 0])) == 3
        assert len(set(rows[:, 0])) == 12
        classes.add(tuple(letters[:, 0]))
    assert len(classes) > 15  # of 24
    assert_same(tasks, TaskSet.from_episodes(X, y, 3, 4, num_tasks=50, random_state=1))
    with pytest.raises(ValueError, match="ways is 5 but y has 4 classes"):
        TaskSet.from_episodes(X, y)
    with pytest.raises(ValueError, match="class 'a' has 10 rows, but shots is 11"):
        TaskSet.from_episodes(X, y, 2, 11)


def test_slices():
    tasks = expected()
    assert tasks[1:].labels.tolist() == ["b", "c"]
    assert tasks[::-1].labels.tolist() == ["c", "b", "a"]


def test_what_there_is_to_know():
    told = expected().describe()
    assert told[:4] == (3, 6, 2, (1.0, 2.0, 3.0))
    assert told.classes == {0.0: 0.5, 1.0: 0.5}
    assert told.one_class_tasks == 2
    assert str(told).splitlines() == [
        "3 tasks, 6 rows, 2 features",
        "rows a task: 1 to 3, median 2",
        "targets: 0: 50.0%, 1: 50.0%; 2 tasks have one target alone",
        f"variance of the targets between tasks: {told.between:.1%}",
    ]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_variance_between_tasks(share):
    rng = np.random.default_rng(0)
    rows = rng.integers(2, 30, 2000)
    y = np.repeat(rng.normal(0, np.sqrt(share), 2000), rows) + rng.normal(0, np.sqrt(1 - share), rows.sum())
    told = TaskSet(np.ones((len(y), 1)), y, np.concatenate([[0], np.cumsum(rows)])).describe()
    assert told.between == pytest.approx(share, abs=0.03)
    assert told.classes is None
    assert "targets: mean" in str(told)


def test_the_variance_of_nothing():
    assert np.isnan(TaskSet.from_list([([[1.0]], [1])]).describe().between)
