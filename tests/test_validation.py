"""Bad input: a clear error before any work, nothing changed, nothing lost."""

import numpy as np
import pytest

from fastmaml import MAML, TaskSet, sample_points

SMALL = {"num_tasks": 2, "num_samples": 2, "num_features": 3, "query_samples": 2, "epochs": 2}
COUNTS = ["num_tasks", "num_samples", "epochs", "query_samples", "inner_steps", "log_every", "num_features"]

BAD = [
    *[(name, value, ValueError, f"{name} is {value}; .*at least 1") for name in COUNTS for value in (0, -3)],
    *[
        (name, value, TypeError, f"{name} is .*{type(value).__name__}.*whole number")
        for name in COUNTS
        for value in (2.0, "2", True, 1e9, [2])
    ],
    *[
        (name, value, ValueError, f"{name} is {value}; give a finite number, 0 or larger")
        for name in ("alpha", "beta")
        for value in (-1e-9, float("nan"), float("inf"), -float("inf"))
    ],
    *[
        (name, value, TypeError, f"{name} is .*{type(value).__name__}.*number")
        for name in ("alpha", "beta")
        for value in ("0.1", None, True, 1j, [0.1])
    ],
    *[("order", value, ValueError, "order is .*1, 2") for value in (0, 3, True, 1.0, "1", None)],
    *[
        ("dtype", value, ValueError, "dtype is .*'float32' or 'float64'")
        for value in ("float16", "int32", "nonsense", int, np.dtype("f8").newbyteorder(), "complex128")
    ],
    *[("n_jobs", value, ValueError, f"n_jobs is {value};.*None") for value in (0, -2)],
    *[("n_jobs", value, TypeError, "n_jobs is .*whole number") for value in (1.5, "2", True)],
    *[("random_state", value, ValueError, r"random_state is .*2\*\*64") for value in (-1, 2**64)],
    *[("random_state", value, TypeError, "random_state is .*whole number") for value in (1.0, "1", False)],
    *[("fit_intercept", value, TypeError, "fit_intercept is .*True or False") for value in (1, "yes", None)],
    *[("verbose", value, ValueError, "verbose is .*True, False, 'progress'") for value in ("loud", 2, None)],
    ("sample_points", 5, TypeError, "sample_points is 5; give a function"),
    ("query_samples", None, ValueError, "query_samples=None .*tasks="),
    ("tasks", [[1]], TypeError, "tasks is a list; .*TaskSet.from_groups"),
]
NAMES = [f"{name}={value!r}" for name, value, _, _ in BAD]


class Unchanged:
    """A context out of which nothing has changed: NumPy's global generator and what a model has learned."""

    def __init__(self, model=None):
        self.model = model

    def __enter__(self):
        self.state = np.random.get_state()
        if self.model is not None:
            self.theta, self.epoch = np.array(self.model.theta), self.model.epoch_
            self.history = list(self.model.history_)

    def __exit__(self, *exception):
        state = np.random.get_state()
        assert np.array_equal(state[1], self.state[1])
        assert state[2:] == self.state[2:]
        if self.model is not None:
            assert np.array_equal(self.model.theta, self.theta, equal_nan=self.theta.dtype.kind == "f")
            assert self.model.epoch_ == self.epoch
            assert self.model.history_ == self.history


@pytest.mark.parametrize(("name", "value", "error", "message"), BAD, ids=NAMES)
def test_a_bad_argument(name, value, error, message):
    np.random.seed(0)
    with Unchanged(), pytest.raises(error, match=message):
        MAML(**{**SMALL, name: value})


@pytest.mark.parametrize(("name", "value", "error", "message"), BAD, ids=NAMES)
def test_a_bad_attribute(name, value, error, message, capsys):
    np.random.seed(0)
    model = MAML(**SMALL, verbose=False)
    model.train()
    setattr(model, name, value)
    with Unchanged(model), pytest.raises(error, match=message):
        model.train()
    assert capsys.readouterr().out == ""


@pytest.mark.compiled
def test_a_rate_too_large_for_float32():
    """Finite in float64: whoever notices says so, without a warning of NumPy's."""
    model = MAML(**SMALL, dtype="float32", random_state=0, verbose=False)
    model.alpha = 1e300
    with Unchanged(model), pytest.raises((ValueError, FloatingPointError), match="alpha"):
        model.train()


def test_numbers_of_numpy_s_types_are_numbers():
    model = MAML(
        num_tasks=np.int64(2),
        num_samples=np.uint8(2),
        epochs=np.int32(1),
        alpha=np.float32(0.5),
        beta=1,
        num_features=np.int16(3),
        random_state=np.uint64(5),
        fit_intercept=np.bool_(False),
        dtype=np.float64,
        verbose=False,
    )
    model.train()
    assert model.epoch_ == 1
    plain = MAML(2, 2, 1, 0.5, 1.0, 3, random_state=5, verbose=False)
    plain.train()
    assert model.theta.tobytes() == plain.theta.tobytes()


@pytest.mark.parametrize(
    ("theta", "error", "message"),
    [
        (np.zeros((4, 1)), ValueError, r"theta has shape \(4, 1\); expected \(3, 1\)"),
        (np.zeros((1, 3)), ValueError, r"theta has shape \(1, 3\); expected \(3, 1\)"),
        (0.0, ValueError, r"theta has shape \(\); expected \(3, 1\)"),
        (np.array([[0.0], [np.nan], [0.0]]), ValueError, "theta holds nan at row 1"),
        ([0.0, 1.0, np.inf], ValueError, "theta holds inf at row 2"),
        (["a", "b", "c"], TypeError, "theta must hold numbers, got dtype <U1; encode text"),
        ([[0.0], [1.0, 2.0], [3.0]], ValueError, "theta is not one array; are its rows of different"),
    ],
    ids=["long", "lying", "a number", "NaN", "infinity", "text", "ragged"],
)
def test_a_bad_theta(theta, error, message):
    np.random.seed(1)
    model = MAML(**SMALL, verbose=False)
    model.theta = theta
    before = np.random.get_state()
    with pytest.raises(error, match=message):
        model.train()
    assert model.theta is theta
    assert model.epoch_ == 0
    assert before[2] == np.random.get_state()[2]


def test_a_theta_too_large_for_float32():
    model = MAML(**SMALL, dtype="float32", random_state=0)
    model.theta = np.full((3, 1), 1e300)
    with Unchanged(model), pytest.raises(ValueError, match=r"theta holds 1e\+300, too large for float32"):
        model.train()


@pytest.mark.parametrize(
    ("k", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (None, TypeError)]
)
def test_sample_points_of_a_bad_number(k, error):
    with Unchanged(), pytest.raises(error, match=f"k is {k}"):
        sample_points(k)


# --- tasks ---


def table(sizes=(5, 4, 6), labels=None, num_features=3):
    """Groups named g0, g1, ..."""
    rng = np.random.default_rng(0)
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    y = rng.integers(0, 2, len(groups)) if labels is None else np.resize(labels, len(groups))
    return TaskSet.from_groups(rng.normal(size=(len(groups), num_features)), y, groups)


BAD_TASKS = {
    "too small": ({"num_samples": 4}, r"group .*'g1'.* has 4 rows.*num_samples=4.*5.*min_rows=5"),
    "too many": ({"num_tasks": 4}, "num_tasks is 4 but there are 3 tasks"),
    "width": ({"num_features": 4}, "3 features but the model has 4"),
    "labels": ({"tasks": table(labels=[0, 1, 2])}, "holds 2 in row 2 of group 'g0'; labels must be 0 or 1"),
    "fractions": ({"tasks": table(labels=[0.5])}, "holds 0.5 in row 0 of group 'g0'; labels must be 0 or 1"),
    "two sources": ({"sample_points": sample_points}, "tasks and sample_points were both given"),
}


@pytest.mark.parametrize("name", BAD_TASKS)
def test_bad_tasks(name):
    changes, message = BAD_TASKS[name]
    good = {"tasks": table(), "num_tasks": 2, "num_samples": 2, "epochs": 1, "verbose": False}
    with Unchanged(), pytest.raises(ValueError, match=message):
        MAML(**{**good, **changes})
    model = MAML(**good)
    for attribute, value in changes.items():
        setattr(model, attribute, value)
    with Unchanged(model), pytest.raises(ValueError, match=message):
        model.train()


def test_the_name_of_a_small_group_is_printed_as_the_user_wrote_it():
    with pytest.raises(ValueError, match=r"^group 'g1' has 4 rows"):
        MAML(tasks=table(), num_tasks=2, num_samples=4)


# --- adapt, predict, evaluate ---

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0])
BAD_ROWS = {
    "flat": (X.ravel(), ValueError, r"X has shape \(12,\); expected \(rows, 3\)"),
    "narrow": (X[:, :2], ValueError, r"X has shape \(4, 2\); expected \(rows, 3\)"),
    "cube": (X[None], ValueError, r"X has shape \(1, 4, 3\); expected \(rows, 3\)"),
    "NaN": (np.where(X == 7, np.nan, X), ValueError, "X holds nan at row 2, column 1"),
    "infinity": (np.where(X == 3, np.inf, X), ValueError, "X holds inf at row 1, column 0"),
    "None": (np.where(X == 3, None, X), ValueError, "X holds nan at row 1, column 0"),
    "text": (X.astype(str), TypeError, "X must hold numbers, got dtype <U32; encode text or dates"),
    "complex": (X + 0j, TypeError, "X must hold real numbers, got complex128; give two real columns"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "X is not one array; are its rows of different"),
}
BAD_LABELS = {
    "short": (Y[:3], ValueError, "y has 3 labels but there are 4 rows"),
    "wide": (np.column_stack([Y, Y]), ValueError, r"y has shape \(4, 2\); expected \(rows,\) or \(rows, 1\)"),
    "number": (1, ValueError, r"y has shape \(\)"),
    "label 2": (Y + 1, ValueError, "y holds 2 at row 1; labels must be 0 or 1"),
    "minus one": (2 * Y - 1, ValueError, "y holds -1 at row 0; labels must be 0 or 1"),
    "NaN": (Y * np.nan, ValueError, "y holds nan at row 0"),
    "text": (Y.astype(str), TypeError, "y must hold numbers, got dtype <U21; encode text or dates"),
}


@pytest.fixture
def model():
    return MAML(**SMALL, random_state=0, verbose=False)


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows(model, name):
    rows, error, message = BAD_ROWS[name]
    with Unchanged(model):
        with pytest.raises(error, match=message):
            model.adapt(rows, Y)
        with pytest.raises(error, match=message):
            model.predict(rows)
        with pytest.raises(error, match=message):
            model.predict_proba(rows)
        with pytest.raises(error, match=message):
            model.adapt(X, Y, steps=0).predict(rows)


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels(model, name):
    labels, error, message = BAD_LABELS[name]
    with Unchanged(model), pytest.raises(error, match=message):
        model.adapt(X, labels)


@pytest.mark.parametrize(
    ("steps", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)]
)
def test_bad_steps_to_adapt(model, steps, error):
    with Unchanged(model), pytest.raises(error, match=r"steps is .*at least 0"):
        model.adapt(X, Y, steps=steps)


def test_no_rows_to_adapt_on(model):
    with Unchanged(model), pytest.raises(ValueError, match="X has no rows"):
        model.adapt(X[:0], Y[:0])


def test_no_rows_to_predict(model):
    assert model.predict(X[:0]).shape == (0,)
    assert model.predict_proba(X[:0]).shape == (0, 2)


BAD_EVALUATIONS = {
    "not tasks": ({"tasks": [(X, Y)]}, TypeError, "tasks is a list; .*TaskSet.from_groups"),
    "width": ({"tasks": table(num_features=2)}, ValueError, "2 features but the model has 3"),
    "labels": (
        {"tasks": table(labels=[0, 3])},
        ValueError,
        "holds 3 in row 1 of group 'g0'; labels must be 0 or 1",
    ),
    "too small": ({"shots": 4}, ValueError, r"group .*g1.* has 4 rows, but shots=4 needs at least 5"),
    "shots 0": ({"shots": 0}, ValueError, "shots is 0"),
    "shots 1.5": ({"shots": 1.5}, TypeError, "shots is 1.5"),
    "no steps": ({"steps": ()}, ValueError, "steps is empty"),
    "negative step": ({"steps": (0, -1)}, ValueError, "steps is -1"),
    "fraction": ({"steps": (0, 1.5)}, TypeError, "steps is 1.5"),
    "text": ({"steps": "15"}, TypeError, "steps is '1'"),
    "seed": ({"random_state": -1}, ValueError, "random_state is -1"),
    "no seed": ({"random_state": None}, TypeError, "random_state is None"),
}


@pytest.mark.parametrize("name", BAD_EVALUATIONS)
def test_bad_evaluations(model, name):
    changes, error, message = BAD_EVALUATIONS[name]
    with Unchanged(model), pytest.raises(error, match=message):
        model.evaluate(**{"tasks": table(), "shots": 2, **changes})
