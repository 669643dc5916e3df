"""TaskSet against plain dicts of lists: nothing here computes an expected value the way the module does."""

import copy
import math
import pickle
import random
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastmaml.tasks import TaskSet

X5 = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
Y5 = [0.0, 1.0, 0.0, 1.0, 1.0]
G5 = ["b", "a", "b", "c", "a"]


def by_group(X, y, groups):
    """The oracle: label -> (its rows of X, its entries of y), in the rows' order; first label seen first."""
    tasks = {}
    for features, label, group in zip(X, y, groups, strict=True):
        rows, labels = tasks.setdefault(group, ([], []))
        rows.append([float(feature) for feature in features])
        labels.append(float(label))
    return tasks


def as_lists(tasks):
    """What a TaskSet says it holds, task by task."""
    return [
        (label, (X.tolist(), y.tolist())) for label, (X, y) in zip(tasks.labels.tolist(), tasks, strict=True)
    ]


def assert_identical(one, other):
    for name in ("X", "y", "offsets", "labels"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype, name
        assert left.tolist() == right.tolist(), name


def assert_sound(tasks):
    """The layout that compiled code relies on."""
    assert tasks.X.dtype in (np.float32, np.float64)
    assert tasks.y.dtype == np.float64
    assert tasks.offsets.dtype == tasks.rows.dtype == np.int64
    assert tasks.X.shape == (tasks.num_rows, tasks.num_features)
    assert tasks.y.shape == (tasks.num_rows,)
    assert len(tasks) == tasks.num_tasks == len(tasks.labels) == len(tasks.rows) == len(tasks.offsets) - 1
    assert tasks.offsets[0] == 0
    assert tasks.offsets[-1] == tasks.num_rows
    assert tasks.rows.min() >= 1
    for array in (tasks.X, tasks.y, tasks.offsets, tasks.labels, tasks.rows):
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.dtype.isnative
        assert not array.flags.writeable


def numbered(sizes, num_features=2):
    """Tasks 0, 1, ... of the given sizes; every number in X tells its task, row and column."""
    groups = [task for task, size in enumerate(sizes) for _ in range(size)]
    X = [[1000 * g + 10 * row + column for column in range(num_features)] for row, g in enumerate(groups)]
    return TaskSet.from_groups(X, [-float(g) for g in groups], groups)


# --- from_groups ---


def test_from_groups_sorts_rows_by_label_and_keeps_their_order():
    tasks = TaskSet.from_groups(X5, Y5, G5)
    assert tasks.labels.tolist() == ["a", "b", "c"]
    assert tasks.offsets.tolist() == [0, 2, 4, 5]
    assert tasks.rows.tolist() == [2, 2, 1]
    assert tasks.X.tolist() == [[3, 4], [9, 10], [1, 2], [5, 6], [7, 8]]
    assert tasks.y.tolist() == [1, 1, 0, 0, 1]
    assert (len(tasks), tasks.num_rows, tasks.num_features) == (3, 5, 2)
    assert_sound(tasks)


LABEL_KINDS = {
    "int": st.integers(-3, 3),
    "large int": st.integers(2**63 - 2, 2**63 + 2),
    "string": st.text(max_size=2),
    "bytes": st.binary(max_size=2),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "tuple": st.tuples(st.integers(0, 2), st.sampled_from("ab")),
    "int or float": st.sampled_from([1, 2.5, 3, -1.5]),
    "date": st.dates(date(2020, 1, 1), date(2020, 1, 5)),
}


@st.composite
def grouped_rows(draw):
    labels = draw(st.lists(draw(st.sampled_from(list(LABEL_KINDS.values()))), min_size=1, max_size=25))
    number = st.floats(-(2.0**100), 2.0**100, width=32)
    X = draw(st.lists(st.lists(number, min_size=2, max_size=2), min_size=len(labels), max_size=len(labels)))
    return X, draw(st.lists(number, min_size=len(labels), max_size=len(labels))), labels


@given(grouped_rows())
def test_from_groups_equals_a_dict_of_lists_for_every_kind_of_label(rows):
    tasks = TaskSet.from_groups(*rows)
    expected = by_group(*rows)
    assert as_lists(tasks) == [(label, expected[label]) for label in sorted(expected)]
    assert_sound(tasks)


@given(grouped_rows(), st.randoms(use_true_random=False))
def test_any_interleaving_of_the_groups_gives_the_identical_set(rows, dice):
    X, y, labels = rows
    queues = {}
    for row, label in enumerate(labels):
        queues.setdefault(label, []).append(row)
    order = []
    while queues:
        label = dice.choice(list(queues))
        order.append(queues[label].pop(0))
        if not queues[label]:
            del queues[label]
    mixed = [[part[row] for row in order] for part in (X, y, labels)]
    assert_identical(TaskSet.from_groups(*mixed), TaskSet.from_groups(*rows))


@pytest.mark.parametrize(
    "groups",
    [
        [1, "1", 1, "1", "a"],
        [(1, 2), "x", (1, 2), 3, "x"],
        [frozenset("ab"), frozenset("b"), frozenset("ab"), frozenset("c"), frozenset("a")],
        [2j, 1j, 2j, 3, 1j],
    ],
    ids=["int and str", "tuple and str", "sets, ordered only in part", "complex"],
)
def test_labels_without_an_order_stand_as_they_first_appear(groups):
    tasks = TaskSet.from_groups(X5, Y5, groups)
    assert as_lists(tasks) == list(by_group(X5, Y5, groups).items())
    assert_sound(tasks)


@pytest.mark.parametrize(
    "groups",
    [
        np.array([3, 1, 3, 2, 1], dtype=np.int8),
        np.array([3, 1, 3, 2, 1], dtype=np.uint64) + np.uint64(2**63),
        np.array([3, 1, 3, 2, 1], dtype=">i4"),
        np.array([0.5, -1.5, 0.5, np.inf, -1.5]),
        np.array([True, False, True, False, False]),
        np.array(G5),
        np.array(G5, dtype="S1"),
        np.array(G5, dtype=object),
        np.array([G5]).T,
        np.array([(2, "a"), (1, "b"), (2, "a"), (2, "b"), (1, "b")], dtype="i4,U1"),
        (np.int16(3), np.int16(1), np.int16(3), np.int16(2), np.int16(1)),
        range(5, 0, -1),
    ],
    ids=lambda groups: f"{type(groups).__name__} {getattr(groups, 'dtype', '')}",
)
def test_from_groups_takes_labels_in_arrays_of_every_kind(groups):
    tasks = TaskSet.from_groups(X5, Y5, groups)
    plain = [label[0] if isinstance(label, list) else label for label in map(np_to_python, groups)]
    expected = by_group(X5, Y5, plain)
    assert as_lists(tasks) == [(label, expected[label]) for label in sorted(expected)]
    assert_sound(tasks)


def np_to_python(label):
    return label.tolist() if hasattr(label, "tolist") else label


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_dates_stay_dates(unit):
    days = np.array(
        ["2024-03-01", "2024-01-01", "2024-03-01", "2024-02-01", "2024-01-01"], f"datetime64[{unit}]"
    )
    for groups in (days, list(days)):
        tasks = TaskSet.from_groups(X5, Y5, groups)
        assert tasks.labels.dtype == days.dtype
        assert [str(day)[:10] for day in tasks.labels] == ["2024-01-01", "2024-02-01", "2024-03-01"]
        assert tasks.y.tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("groups", "dtype"),
    [
        (["b", "a", "b", "c", "a"], np.dtype("U1")),
        (np.array(["b", "a", "b", "c", "a"], dtype=object), np.dtype("U1")),
        ([2, 1, 2, 3, 1], np.dtype(np.int64)),
        ([True, False, True, True, True], np.dtype(bool)),
        ([1, 2.5, 1, 1, 1], np.dtype(object)),
        ([(1,), (2,), (1,), (1,), (1,)], np.dtype(object)),
    ],
)
def test_labels_are_typed_where_one_type_holds_them(groups, dtype):
    assert TaskSet.from_groups(X5, Y5, groups).labels.dtype == dtype


def test_labels_that_numpy_would_confuse_stay_apart():
    # NumPy drops trailing NULs of strings, and turns these two integers into the same float64.
    assert TaskSet.from_groups(X5[:2], Y5[:2], ["a\0", "a"]).labels.tolist() == ["a", "a\0"]
    assert TaskSet.from_groups(X5[:2], Y5[:2], [2**64, 2**64 + 1]).labels.tolist() == [2**64, 2**64 + 1]


# --- from_arrays and the constructor ---


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_from_arrays_keeps_every_task(num_tasks, rows, num_features, column):
    dice = random.Random(rows)
    X = [[[dice.random() for _ in range(num_features)] for _ in range(rows)] for _ in range(num_tasks)]
    y = [[dice.random() for _ in range(rows)] for _ in range(num_tasks)]
    tasks = TaskSet.from_arrays(X, np.array(y)[..., None] if column else y)
    assert as_lists(tasks) == [(task, (X[task], y[task])) for task in range(num_tasks)]
    assert tasks.rows.tolist() == [rows] * num_tasks
    assert_sound(tasks)


def test_constructor_takes_a_sorted_table():
    tasks = TaskSet(X5, np.array(Y5)[:, None], [0, 2, 5], ["late", "early"])
    assert as_lists(tasks) == [("late", (X5[:2], Y5[:2])), ("early", (X5[2:], Y5[2:]))]
    assert TaskSet(X5, Y5, [0, 2, 5]).labels.tolist() == [0, 1]
    assert_sound(tasks)


def test_constructor_copies_offsets_and_labels():
    offsets, labels = np.array([0, 2, 5]), np.array(["x", "y"])
    tasks = TaskSet(X5, Y5, offsets, labels)
    offsets[1], labels[0] = 4, "z"
    assert tasks.offsets.tolist() == [0, 2, 5]
    assert tasks.labels.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("offsets", "labels", "error", "message"),
    [
        ([0.0, 5.0], None, TypeError, r"offsets must be 1-D integers, got shape \(2,\), dtype float64"),
        ([[0, 5]], None, TypeError, r"offsets must be 1-D integers, got shape \(1, 2\)"),
        ([0], None, ValueError, "offsets must rise from 0 to 5, the rows of X, without repeats"),
        (np.array([], dtype=int), None, ValueError, "offsets must rise from 0 to 5"),
        ([0, 4], None, ValueError, "offsets must rise from 0 to 5"),
        ([1, 5], None, ValueError, "offsets must rise from 0 to 5"),
        ([0, 2, 2, 5], None, ValueError, "offsets must rise from 0 to 5"),
        ([0, 3, 2, 5], None, ValueError, "offsets must rise from 0 to 5"),
        ([0, 2, 5], ["a"], ValueError, "labels has 1 entries but offsets describes 2 tasks"),
        ([0, 2, 5], ["a", "a"], ValueError, "labels must differ; TaskSet.from_groups collects"),
        ([0, 2, 5], ["a", None], ValueError, r"labels has a missing label \(None\) at row 1"),
    ],
)
def test_constructor_checks_offsets_and_labels(offsets, labels, error, message):
    with pytest.raises(error, match=message):
        TaskSet(X5, Y5, offsets, labels)


# --- dtypes, copies, immutability ---


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [
        ("f4", np.float32),
        (">f4", np.float32),
        ("f8", np.float64),
        (">f8", np.float64),
        ("f2", np.float64),
        ("g", np.float64),
        ("i1", np.float64),
        ("u8", np.float64),
        ("?", np.float64),
    ],
)
@pytest.mark.parametrize("groups", [[1, 1, 2, 2, 2], [2, 1, 2, 1, 1]])
def test_dtypes(given_dtype, kept, groups):
    X, y = np.array(X5).astype(given_dtype), np.array(Y5).astype(given_dtype)
    tasks = TaskSet.from_groups(X, y, groups)
    assert tasks.X.dtype == kept
    expected = by_group(X.tolist(), y.tolist(), groups)
    assert as_lists(tasks) == [(label, expected[label]) for label in (1, 2)]
    assert_sound(tasks)


def test_numbers_in_python_objects_are_numbers():
    X = [[True, Fraction(1, 4)], [Decimal("0.5"), np.float32(2)], [2**70, np.bool_(False)]]
    tasks = TaskSet.from_groups(X, np.array([1, 0, 2], dtype=object), [0, 0, 1])
    assert tasks.X.tolist() == [[1, 0.25], [0.5, 2], [2.0**70, 0]]
    assert tasks.y.tolist() == [1, 0, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [[1, 1, 2, 2, 3], ["a", "b", "b", "b", "c"]])
def test_a_sorted_table_is_not_copied(dtype, groups):
    X, y = np.array(X5, dtype=dtype), np.array(Y5)
    for tasks in (
        TaskSet.from_groups(X, y, groups),
        TaskSet.from_groups(X, y[:, None], groups),
        TaskSet(X, y, [0, 2, 5]),
        TaskSet.from_arrays(X.reshape(1, 5, 2), y.reshape(1, 5)),
        TaskSet.from_arrays(X.reshape(5, 1, 2), y.reshape(5, 1, 1)),
    ):
        assert np.shares_memory(tasks.X, X)
        assert np.shares_memory(tasks.y, y)
        assert tasks.X.tolist() == X5
        assert_sound(tasks)
    assert X.flags.writeable
    assert y.flags.writeable


def test_an_unsorted_table_is_copied_and_left_as_it_was():
    X, y = np.array(X5), np.array(Y5)
    tasks = TaskSet.from_groups(X, y, G5)
    assert not np.shares_memory(tasks.X, X)
    assert not np.shares_memory(tasks.y, y)
    assert X.tolist() == X5
    assert y.tolist() == Y5


@pytest.mark.parametrize(
    "X",
    [
        np.asfortranarray(np.array(X5)),
        np.array(X5)[::-1],
        np.frombuffer(b"\0" + np.array(X5).tobytes(), dtype="f8", offset=1).reshape(5, 2),
    ],
    ids=["column-major", "reversed", "unaligned"],
)
def test_other_layouts_are_copied_into_the_right_one(X):
    tasks = TaskSet.from_groups(X, Y5, [1] * 5)
    assert tasks.X.tolist() == [[float(number) for number in row] for row in X]
    assert_sound(tasks)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_memory_mapped_and_read_only_tables_are_not_copied(tmp_path, dtype):
    path = tmp_path / "X.npy"
    np.save(path, np.array(X5, dtype=dtype))
    mapped = np.load(path, mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    read_only = np.array(X5, dtype=dtype)
    read_only.flags.writeable = False
    for X in (mapped, read_only):
        for tasks in (
            TaskSet.from_groups(X, Y5, [1, 1, 1, 2, 2]),
            TaskSet.from_arrays(X.reshape(1, 5, 2), [Y5]),
        ):
            assert np.shares_memory(tasks.X, X)
            assert tasks.X.tolist() == X5
            assert_sound(tasks)


def test_nothing_can_be_changed():
    tasks = TaskSet.from_groups(X5, Y5, G5)
    for name in ("X", "y", "offsets", "labels", "num_tasks", "new"):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(tasks, name, 1)
    with pytest.raises(FrozenInstanceError):
        del tasks.X
    X, y = tasks[0]
    for array in (tasks.X, tasks.y, tasks.offsets, tasks.labels, tasks.rows, X, y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("groups", [G5, [(1, 2), "x", (1, 2), 3, "x"]])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything_even_read_only(groups, protocol):
    tasks = TaskSet.from_groups(X5, Y5, groups)
    for restored in (pickle.loads(pickle.dumps(tasks, protocol)), copy.deepcopy(tasks), copy.copy(tasks)):
        assert type(restored) is TaskSet
        assert_identical(restored, tasks)
        assert_sound(restored)


def test_a_subset_is_pickled_without_the_rest():
    tasks = TaskSet.from_arrays(np.zeros((1000, 10, 5)), np.zeros((1000, 10)))
    assert len(pickle.dumps(tasks.subset([5]))) < 5_000 < len(pickle.dumps(tasks))


def test_replace_goes_through_the_checks():
    tasks = TaskSet.from_groups(X5, Y5, G5)
    assert replace(tasks, labels=["x", "y", "z"]).labels.tolist() == ["x", "y", "z"]
    with pytest.raises(ValueError, match="labels must differ"):
        replace(tasks, labels=["x", "y", "x"])


def test_repr():
    tasks = TaskSet.from_groups(X5, Y5, G5)
    assert repr(tasks) == "TaskSet(num_tasks=3, num_rows=5, num_features=2, rows per task 1 to 2)"


def test_import_loads_neither_pandas_nor_scikit_learn():
    code = "import sys, fastmaml.tasks; print({'pandas', 'sklearn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- tasks[i], subset, filter, split ---


def test_indexing_gives_one_task():
    tasks = TaskSet.from_groups(X5, Y5, G5)
    expected = by_group(X5, Y5, G5)
    for position, label in enumerate("abc"):
        for index in (position, position - 3, np.int32(position)):
            X, y = tasks[index]
            assert (X.tolist(), y.tolist()) == expected[label]
            assert np.shares_memory(X, tasks.X)
    assert [y.tolist() for _, y in tasks] == [expected[label][1] for label in "abc"]


@pytest.mark.parametrize("index", [3, -4, 100])
def test_indexing_out_of_range(index):
    with pytest.raises(IndexError, match=rf"there is no task {index}; the 3 tasks are 0 to 2"):
        TaskSet.from_groups(X5, Y5, G5)[index]


@pytest.mark.parametrize(("index", "kind"), [("a", "str"), ([0], "list"), (0.0, "float"), (True, "bool")])
def test_indexing_by_anything_else_points_to_subset(index, kind):
    with pytest.raises(TypeError, match=f"takes an integer or a slice, got {kind}; use tasks.subset"):
        TaskSet.from_groups(X5, Y5, G5)[index]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.data())
def test_subset_equals_choosing_from_a_list(sizes, data):
    tasks = numbered(sizes)
    every = as_lists(tasks)
    n = len(sizes)
    permutation = data.draw(st.permutations(range(n)))
    chosen = permutation[: data.draw(st.integers(1, n))]
    signed = [position - n if data.draw(st.booleans()) else position for position in chosen]
    start, step = data.draw(st.integers(0, n - 1)), data.draw(st.sampled_from([-2, -1, 1, 2]))
    for indices, expected in (
        (chosen, [every[position] for position in chosen]),
        (np.array(signed, dtype=np.int16), [every[position] for position in chosen]),
        ([position in chosen for position in range(n)], [every[position] for position in sorted(chosen)]),
        (slice(start, None, step), every[start::step]),
    ):
        part = tasks.subset(indices)
        assert as_lists(part) == expected
        assert_sound(part)


def test_subset_shares_memory_where_the_tasks_are_neighbours():
    tasks = numbered([2, 3, 1, 4])
    for indices in (slice(1, 3), [1, 2], [False, True, True, False], [2], slice(None)):
        assert np.shares_memory(tasks.subset(indices).X, tasks.X), indices
        assert np.shares_memory(tasks.subset(indices).y, tasks.y), indices
    for indices in ([2, 1], [0, 2], slice(None, None, 2)):
        assert not np.shares_memory(tasks.subset(indices).X, tasks.X), indices


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        (1, ValueError, r"indices must be 1-D or a slice, got shape \(\); one task is tasks\[i\]"),
        ([[0]], ValueError, r"got shape \(1, 1\)"),
        ([0.0], TypeError, "indices must be integers or booleans, got dtype float64"),
        (["a"], TypeError, "indices must be integers or booleans, got dtype <U1"),
        ([], ValueError, "indices choose none of the 3 tasks"),
        (slice(2, 2), ValueError, "indices choose none of the 3 tasks"),
        ([False] * 3, ValueError, "indices choose none of the 3 tasks"),
        ([True] * 4, IndexError, "the mask has 4 entries; give one for each of the 3 tasks"),
        ([True], IndexError, "the mask has 1 entries; give one for each of the 3 tasks"),
        ([0, 3], IndexError, "indices must lie from -3 to 2 for 3 tasks"),
        ([-4], IndexError, "indices must lie from -3 to 2 for 3 tasks"),
        ([0, 1, 0], ValueError, "indices choose a task more than once"),
        ([0, -3], ValueError, "indices choose a task more than once"),
    ],
)
def test_subset_rejects(indices, error, message):
    with pytest.raises(error, match=message):
        TaskSet.from_groups(X5, Y5, G5).subset(indices)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 6))
def test_filter_drops_small_tasks_and_counts_them(sizes, min_rows):
    tasks = numbered(sizes)
    kept = [task for task, size in enumerate(sizes) if size >= min_rows]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if not kept:
            message = (
                f"none of the {len(sizes)} tasks has {min_rows} rows; give min_rows of at most {max(sizes)}"
            )
            with pytest.raises(ValueError, match=message):
                tasks.filter(min_rows=min_rows)
        else:
            big = tasks.filter(min_rows=min_rows)
            every = as_lists(tasks)
            assert as_lists(big) == [every[task] for task in kept]
            assert_sound(big)
    dropped = len(sizes) - len(kept)
    message = f"dropped {dropped} of {len(sizes)} tasks with fewer than {min_rows} rows"
    assert [str(warning.message) for warning in caught] == ([message] if kept and dropped else [])


def test_filter_warns_the_caller_and_returns_a_new_set():
    tasks = numbered([3, 1, 2])
    with pytest.warns(UserWarning, match="^dropped 1 of 3 tasks with fewer than 2 rows$") as caught:
        big = tasks.filter(min_rows=2)
    assert caught[0].filename == __file__
    assert (len(big), len(tasks)) == (2, 3)
    assert tasks.filter(min_rows=1) is not tasks


@pytest.mark.parametrize(
    ("min_rows", "error", "message"),
    [
        (0, ValueError, "min_rows is 0; give a whole number, at least 1"),
        (-2, ValueError, "min_rows is -2; give a whole number, at least 1"),
        (2.0, TypeError, r"min_rows is 2\.0 \(float\); give a whole number"),
        (True, TypeError, r"min_rows is True \(bool\); give a whole number"),
        ("2", TypeError, r"min_rows is '2' \(str\); give a whole number"),
        (None, TypeError, r"min_rows is None \(NoneType\); give a whole number"),
    ],
)
def test_filter_rejects(min_rows, error, message):
    with pytest.raises(error, match=message):
        numbered([3]).filter(min_rows=min_rows)


@given(st.lists(st.integers(1, 3), min_size=2, max_size=30), st.data())
def test_split_puts_each_whole_task_on_one_side(sizes, data):
    tasks = numbered(sizes)
    n = len(sizes)
    num_test = data.draw(st.integers(1, n - 1))
    seed = data.draw(st.integers(0, 2**70))
    train, test = tasks.split(num_test, random_state=seed)
    assert (len(train), len(test)) == (n - num_test, num_test)
    both = as_lists(train) + as_lists(test)
    assert sorted(both) == as_lists(tasks)
    for side in (train, test):
        assert side.labels.tolist() == sorted(side.labels.tolist())
        assert_sound(side)
    for one, again in zip((train, test), tasks.split(num_test, random_state=seed), strict=True):
        assert_identical(one, again)


@example(num_tasks=100, fraction=Fraction(7, 100))  # 0.07 * 100 is 7.000000000000001
@given(
    num_tasks=st.integers(2, 60),
    fraction=st.fractions(Fraction(1, 100), Fraction(99, 100), max_denominator=100),
)
def test_split_by_fraction_rounds_up(num_tasks, fraction):
    tasks = numbered([1] * num_tasks)
    expected = math.ceil(fraction * num_tasks)
    for test_size in (float(fraction), fraction):
        if expected == num_tasks:
            with pytest.raises(
                ValueError, match=f"asks for {num_tasks} test tasks, but there are {num_tasks} tasks"
            ):
                tasks.split(test_size, random_state=0)
        else:
            assert len(tasks.split(test_size, random_state=0)[1]) == expected


def test_split_is_random_and_leaves_the_global_generator_alone():
    tasks = numbered([1] * 50)
    state = np.random.get_state()[1].tolist()
    tests = {tuple(tasks.split(0.3, random_state=seed)[1].labels.tolist()) for seed in range(20)}
    tests |= {tuple(tasks.split()[1].labels.tolist()) for _ in range(20)}
    assert np.random.get_state()[1].tolist() == state
    assert len(tests) == 40
    assert {len(test) for test in tests} == {15}
    # Each task is left out of 40 random tests of 15 in 50 with probability 6e-7.
    assert set().union(*tests) == set(range(50))


@pytest.mark.parametrize(
    ("test_size", "random_state", "error", "message"),
    [
        (0.0, 0, ValueError, r"test_size must be a fraction between 0 and 1 or an int, got 0\.0"),
        (1.0, 0, ValueError, r"test_size must be a fraction between 0 and 1 or an int, got 1\.0"),
        (-0.1, 0, ValueError, r"test_size must be a fraction between 0 and 1 or an int, got -0\.1"),
        (2.5, 0, ValueError, r"test_size must be a fraction between 0 and 1 or an int, got 2\.5"),
        (math.nan, 0, ValueError, "test_size must be a fraction between 0 and 1 or an int, got nan"),
        (0, 0, ValueError, "test_size=0 asks for 0 test tasks, but there are 3 tasks and both sides need"),
        (3, 0, ValueError, "test_size=3 asks for 3 test tasks, but there are 3 tasks"),
        (-1, 0, ValueError, "test_size=-1 asks for -1 test tasks, but there are 3 tasks"),
        (0.9, 0, ValueError, r"test_size=0\.9 asks for 3 test tasks, but there are 3 tasks"),
        (True, 0, TypeError, "test_size must be a fraction or a number of tasks, got True"),
        (np.True_, 0, TypeError, "test_size must be a fraction or a number of tasks, got"),
        ("0.3", 0, TypeError, r"test_size must be a fraction or a number of tasks, got '0\.3'"),
        (None, 0, TypeError, "test_size must be a fraction or a number of tasks, got None"),
        (1, 0.5, TypeError, r"random_state is 0\.5 \(float\); give a whole number"),
        (1, "0", TypeError, r"random_state is '0' \(str\); give a whole number"),
        (1, True, TypeError, r"random_state is True \(bool\); give a whole number"),
        (1, -1, ValueError, "random_state is -1; give a whole number, at least 0"),
    ],
)
def test_split_rejects(test_size, random_state, error, message):
    with pytest.raises(error, match=message):
        numbered([1, 2, 3]).split(test_size, random_state)


# --- bad tables ---


class Sparse:
    def toarray(self):
        raise AssertionError("a sparse table must not be made dense behind the user's back")


@pytest.mark.parametrize(
    ("X", "y", "groups", "error", "message"),
    [
        ([1.0, 2.0], [0, 1], [0, 1], ValueError, r"X must be 2-D, .*got 1-D, \(2,\); .*X.reshape\(-1, 1\)"),
        (np.ones((2, 2, 2)), [0, 1], [0, 1], ValueError, r"got 3-D, \(2, 2, 2\); TaskSet.from_arrays takes"),
        (None, [0, 1], [0, 1], TypeError, r"X is a NoneType; give an array or a data frame"),
        (
            [[1.0], [1.0, 2.0]],
            [0, 1],
            [0, 1],
            ValueError,
            "X is not one array; are its rows of different lengths",
        ),
        (np.ones((0, 2)), [], [], ValueError, r"X is empty, its shape \(0, 2\)"),
        ([[], []], [0, 1], [0, 1], ValueError, r"X is empty, its shape \(2, 0\)"),
        (X5, Y5[:3], G5, ValueError, "y has 3 rows but X has 5; give one label per row of X"),
        (X5, np.ones((3, 1)), G5, ValueError, "y has 3 rows but X has 5"),
        (X5, np.ones((5, 2)), G5, ValueError, r"y must be 1-D, one label per row of X, got 2-D, \(5, 2\)"),
        (X5, 1.0, G5, ValueError, r"y must be 1-D, one label per row of X, got 0-D, \(\)"),
        (X5, Y5, G5[:3], ValueError, "^groups has 3 rows but X has 5; give one label per row of X$"),
        (X5, Y5, [], ValueError, "groups has 0 rows but X has 5"),
        (X5, Y5, np.ones((5, 2)), ValueError, r"groups must be 1-D, got shape \(5, 2\); give a tuple a row"),
        (X5, Y5, 1, TypeError, r"groups is a int; give a list or an array, one label a row"),
        (X5, Y5, [(1, 1), (1, None), (1, 2), (2, 2), (2, 1)], ValueError, "groups has a missing label"),
        (
            X5,
            Y5,
            [(1, 1.0), (1, np.nan), (1, 2.0), (2, 2.0), (2, 1.0)],
            ValueError,
            "a missing label .* at row 1",
        ),
        (X5, Y5, [[1], [2], [1], [2], [1]], TypeError, "groups must hold hashable labels.*unhashable type"),
        (Sparse(), Y5, G5, TypeError, r"X must be dense, got a Sparse; give X.toarray\(\)"),
        (
            [["1.5"], ["2"]],
            [0, 1],
            [0, 1],
            TypeError,
            "X must hold numbers, got dtype <U3; encode text or dates",
        ),
        (X5, list("abcde"), G5, TypeError, "y must hold numbers, got dtype <U1; encode text or dates"),
        (X5, np.arange(5).astype("M8[s]"), G5, TypeError, r"y must hold numbers, got dtype datetime64\[s\]"),
        (np.array(X5) * 1j, Y5, G5, TypeError, "X must hold real numbers, got complex128"),
        (X5, np.array(Y5, complex), G5, TypeError, "y must hold real numbers, got complex128"),
        (
            np.array([[1, 2], [3, "x"]], object),
            [0, 1],
            [0, 1],
            TypeError,
            "X .* got 'x' at row 1, column 1; encode",
        ),
        (X5, np.array([0, 1, 2j, 3, 4], object), G5, TypeError, "y must hold numbers, got 2j at row 2;"),
        ([[1.0, None], [1, 2]], [0, 1], [0, 1], ValueError, "X holds nan at row 0, column 1; remove or fill"),
        ([[10**400], [1]], [0, 1], [0, 1], ValueError, "X holds inf at row 0, column 0"),
        (X5, [0, 1, None, 1, 1], G5, ValueError, "y holds nan at row 2; remove or fill"),
        (X5, [0, 1, 2, -np.inf, 1], G5, ValueError, "y holds -inf at row 3;"),
        (
            X5,
            np.ma.masked_array(Y5, [False, False, False, False, True]),
            G5,
            ValueError,
            "y holds nan at row 4;",
        ),
        (
            np.ma.masked_array(np.array(X5), np.eye(5, 2, -1, bool)),
            Y5,
            G5,
            ValueError,
            "X holds nan at row 1, column 0;",
        ),
        (X5, Y5, np.ma.masked_equal([1, 2, 3, 4, 5], 3), ValueError, r"label \(None\) at row 2"),
        (
            X5,
            Y5,
            ["b", "a", None, "c", "a"],
            ValueError,
            r"groups has a missing label \(None\) at row 2; fill",
        ),
        (
            X5,
            Y5,
            ["b", "a", "c", math.nan, None],
            ValueError,
            r"groups has a missing label \(nan\) at row 3;",
        ),
        (
            X5,
            Y5,
            [1.0, math.nan, 2.0, 3.0, math.nan],
            ValueError,
            r"groups has a missing label \(nan\) at row 1;",
        ),
        (X5, Y5, np.array([1, 2, 3, 4, "NaT"], "M8[D]"), ValueError, r"missing label \(NaT\) at row 4;"),
        (X5, Y5, np.array([1, 2, "NaT", 4, 5], "m8[D]"), ValueError, r"missing label \(NaT\) at row 2;"),
    ],
)
def test_from_groups_rejects(X, y, groups, error, message):
    with pytest.raises(error, match=message):
        TaskSet.from_groups(X, y, groups)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (X5, Y5, ValueError, r"X must be 3-D, .*got 2-D, \(5, 2\); TaskSet.from_groups takes"),
        (np.ones((0, 3, 2)), np.ones((0, 3)), ValueError, r"X is empty, its shape \(0, 3, 2\)"),
        (np.ones((2, 0, 2)), np.ones((2, 0)), ValueError, r"X is empty, its shape \(2, 0, 2\)"),
        (np.ones((2, 3, 0)), np.ones((2, 3)), ValueError, r"X is empty, its shape \(2, 3, 0\)"),
        (
            np.ones((2, 3, 2)),
            np.ones(6),
            ValueError,
            r"y must be 2-D, one label per row of X, got 1-D, \(6,\)",
        ),
        (np.ones((2, 3, 2)), np.ones((2, 3, 2)), ValueError, r"y must be 2-D.*got 3-D, \(2, 3, 2\)"),
        (
            np.ones((2, 3, 2)),
            np.ones((3, 2)),
            ValueError,
            r"y has shape \(3, 2\) but X .*; give y of shape \(2, 3\)",
        ),
        (
            [[[1.0]], [[1.0], [2.0]]],
            [[0], [0]],
            ValueError,
            "X is not one array; are its rows of different lengths",
        ),
        (
            [[[1.0], [2]], [[3], [np.inf]]],
            [[0, 1]] * 2,
            ValueError,
            "X holds inf at task 1, row 1, column 0;",
        ),
        ([[[1.0], [2]], [[3], [4]]], [[0, 1], [np.nan, 1]], ValueError, "y holds nan at task 1, row 0;"),
        ([[[1.0], ["a"]]], [[0, 1]], TypeError, "X must hold numbers, got dtype <U"),
    ],
)
def test_from_arrays_rejects(X, y, error, message):
    with pytest.raises(error, match=message):
        TaskSet.from_arrays(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (29_999, 19), (13_107, 4), (13_107, 3), (20_000, 7)])
def test_one_bad_number_is_found_anywhere_in_a_large_table(dtype, bad, row, column):
    # 600,000 numbers are three blocks of the check; a border, 262,144 = 13,107 * 20 + 4, cuts a row in two.
    X = np.ones((30_000, 20), dtype=dtype)
    X[row, column] = bad
    groups = np.arange(30_000)[::-1] // 10
    with pytest.raises(ValueError, match=rf"^X holds {bad} at row {row}, column {column};"):
        TaskSet.from_groups(X, np.zeros(30_000), groups)


def test_a_number_too_large_for_float64_is_called_infinite():
    with pytest.raises(ValueError, match="y holds inf at row 1;"):
        TaskSet.from_groups(X5, np.array([1, "1e400", 1, 1, 1], dtype=np.longdouble), G5)


def test_an_array_among_objects_is_not_a_number():
    X = np.empty((2, 1), dtype=object)
    X[0, 0], X[1, 0] = 1, np.ones(2)
    with pytest.raises(TypeError, match=r"X must hold numbers, got array\(\[1., 1.\]\) at row 1, column 0;"):
        TaskSet.from_groups(X, [0, 1], [0, 1])


def test_large_finite_numbers_are_no_infinity():
    largest = np.finfo(np.float32).max
    tasks = TaskSet.from_groups(np.full((100, 3), largest, dtype=np.float32), np.zeros(100), [0] * 100)
    assert tasks.X.max() == largest


# --- pandas ---


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def frame(pd):
    return pd.DataFrame(
        {
            "age": [30, 20, 30, 40, 20],
            "score": np.array([0.5, 1.5, 2.5, 3.5, 4.5], dtype=np.float32),
            "member": [True, False, True, False, True],
            "label": [0, 1, 0, 1, 1],
            "who": G5,
        },
        index=[9, 7, 5, 3, 1],
    )


@pytest.mark.parametrize(
    "groups",
    [
        lambda pd, who: who,
        lambda pd, who: who.to_frame(),
        lambda pd, who: who.astype("category"),
        lambda pd, who: pd.Categorical(who, categories=["c", "b", "a"], ordered=True),
        lambda pd, who: who.astype(object),
        lambda pd, who: pd.Index(who),
    ],
    ids=["Series", "one column", "category", "Categorical", "object", "Index"],
)
def test_a_data_frame_with_columns_of_many_types(pd, frame, groups):
    tasks = TaskSet.from_groups(frame[["age", "score", "member"]], frame["label"], groups(pd, frame["who"]))
    rows = [[30, 0.5, 1], [20, 1.5, 0], [30, 2.5, 1], [40, 3.5, 0], [20, 4.5, 1]]
    expected = by_group(rows, [0, 1, 0, 1, 1], G5)
    assert as_lists(tasks) == [(label, expected[label]) for label in "abc"]
    assert tasks.X.dtype == np.float64
    assert tasks.labels.dtype == np.dtype("U1")
    assert_sound(tasks)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["2024-02-01", "2024-01-01", "2024-02-01"], ["2024-01-01", "2024-02-01"]),
        (["2024-02-01T09+0200", "2024-01-01T09+0200", "2024-02-01T09+0200"], ["2024-01-01", "2024-02-01"]),
    ],
)
def test_pandas_dates_as_groups(pd, values, labels):
    tasks = TaskSet.from_groups([[1.0], [2.0], [3.0]], [1, 2, 3], pd.Series(pd.to_datetime(values)))
    assert [str(label)[:10] for label in tasks.labels] == labels
    assert tasks.y.tolist() == [2, 1, 3]


def test_pandas_nullable_columns(pd, frame):
    X = frame[["age", "score"]].astype({"age": "Int64", "score": "Float64"})
    groups = pd.Series([2, 1, 2, 3, 1], dtype="Int64")
    tasks = TaskSet.from_groups(X, frame[["label"]].astype("Int64"), groups)
    assert tasks.X.tolist() == [[20, 1.5], [20, 4.5], [30, 0.5], [30, 2.5], [40, 3.5]]
    assert tasks.y.tolist() == [1, 1, 0, 0, 1]
    assert tasks.labels.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"groups has a missing label \((<NA>|nan)\) at row 1;"):
        TaskSet.from_groups(X, frame["label"], groups.where(groups != 1))
    with pytest.raises(ValueError, match="X holds nan at row 3, column 0;"):
        TaskSet.from_groups(X.mask(X == 40), frame["label"], groups)
    with pytest.raises(ValueError, match="y holds nan at row 0;"):
        TaskSet.from_groups(X, pd.array([None, 1, 1, 1, 1], dtype="Int64"), groups)


def test_a_data_frame_of_one_dtype_is_not_copied(pd):
    table = np.array(X5, dtype=np.float32)
    frame = pd.DataFrame(table, copy=False)
    tasks = TaskSet.from_groups(frame, pd.Series(Y5), pd.Series([1, 1, 2, 2, 2]))
    assert tasks.X.dtype == np.float32
    assert np.shares_memory(tasks.X, table)
    frame["3"] = np.float64(1)
    assert TaskSet.from_groups(frame, pd.Series(Y5), pd.Series(G5)).X.dtype == np.float64


def test_columns_of_text_are_named(pd, frame):
    with pytest.raises(TypeError, match="X has columns that are not numeric: 'who'; encode or drop them"):
        TaskSet.from_groups(frame, frame["label"], frame["who"])
    frame = frame.assign(day=pd.to_datetime("2024-01-01"), wave=1j)
    with pytest.raises(TypeError, match="X has columns that are not numeric: 'who', 'day', 'wave'; encode"):
        TaskSet.from_groups(frame, frame["label"], frame["who"])
    with pytest.raises(TypeError, match="X has columns that are not numeric: 'who'; encode"):
        TaskSet.from_groups(frame[["who"]], frame["label"], frame["who"])
    with pytest.raises(TypeError, match="y must hold numbers, got 'b' at row 0;"):
        TaskSet.from_groups(frame[["age"]], frame["who"], frame["who"])


def test_a_data_frame_without_columns(pd):
    with pytest.raises(ValueError, match=r"X is empty, its shape \(5, 0\)"):
        TaskSet.from_groups(pd.DataFrame(index=range(5)), Y5, G5)


@pytest.mark.parametrize("dtype", [None, object, "category", "string"])
def test_missing_labels_in_pandas(pd, dtype):
    with pytest.raises(ValueError, match=r"groups has a missing label \((None|nan|<NA>)\) at row 3;"):
        TaskSet.from_groups(X5, Y5, pd.Series(["a", "b", "a", None, "b"], dtype=dtype))
    with pytest.raises(ValueError, match=r"groups has a missing label \(NaT\) at row 1;"):
        TaskSet.from_groups(X5[:2], Y5[:2], pd.to_datetime(["2024-01-01", None]))
