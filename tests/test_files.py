"""Model files: what is written is read, whatever is wrong is said, and nothing old is lost."""

import contextlib
import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save as serialized

import fastmaml
from fastmaml import MAMLClassifier, MAMLRegressor, load
from fastmaml.encoding import ColumnEncoding
from fastmaml.estimators.files import ENTRY
from fastmaml.writing import write_whole

pytestmark = pytest.mark.compiled

GOLDEN = Path(__file__).parent / "golden"


def drawn(names):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(names) * 12, 3))
    labels = [name for name in names for _ in range(12)]
    return X, X @ [1.0, -2.0, 0.5] + np.repeat(rng.normal(size=len(names)), 12), labels


def fitted(kind=MAMLClassifier, names=("a", "b", "c", "d", "e", "f"), classes=("no", "yes"), **given):
    X, y, labels = drawn(names)
    if kind is MAMLClassifier:
        y = np.array(classes)[(y > 0).astype(int)]
    model = kind(max_iter=30, log_every=10, shots=6, random_state=0, inner_rate=0.1, **given)
    return model.fit(X, y, groups=labels), X, y, labels


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (MAMLClassifier, {}),
        (MAMLClassifier, {"algorithm": "meta_sgd", "dtype": "float32", "solver": "momentum"}),
        (MAMLRegressor, {"hidden_layer_sizes": (4, 2), "activation": "tanh", "algorithm": "anil", "l2": 0.1}),
        (MAMLRegressor, {"algorithm": "reptile", "solver_params": {"schedule": "linear"}}),
        (MAMLRegressor, {"algorithm_params": {"learned_rates": "layer_and_step"}}),
    ],
)
def test_what_is_written_is_read(kind, given, tmp_path):
    model, X, y, labels = fitted(kind, **given)
    model.save(tmp_path / "model.fastmaml")
    again = load(str(tmp_path / "model.fastmaml"))
    assert type(again) is kind
    assert again.get_params() == model.get_params()
    for mine, other in ((model, again), (model.adapt(X[:9], y[:9]), again.adapt(X[:9], y[:9]))):
        np.testing.assert_array_equal(other.predict(X), mine.predict(X))
        np.testing.assert_array_equal(other.theta_, mine.theta_)
        np.testing.assert_array_equal(other.inner_rates_, mine.inner_rates_)
    np.testing.assert_array_equal(again.predict(X, groups=labels), model.predict(X, groups=labels))
    assert again.groups_.tolist() == model.groups_.tolist()
    assert (again.n_iter_, again.loss_curve_) == (model.n_iter_, model.loss_curve_)
    # Learning goes on as if nothing had been.
    more = {"groups": labels} | ({"classes": ["no", "yes"]} if kind is MAMLClassifier else {})
    np.testing.assert_array_equal(
        again.partial_fit(X, y, **more).theta_, model.partial_fit(X, y, **more).theta_
    )


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (range(6), (0, 1)),
        (np.arange(6) * 0.5, (False, True)),
        (np.array(["2020-01-0" + str(i) for i in range(1, 7)], "datetime64[D]"), (1.0, 2.0)),
        (["é", "ß" * 50, 3, 4.5, "x", "y"], ("no", "yes")),
    ],
)
def test_labels_of_any_type(names, classes, tmp_path):
    model, X, _, labels = fitted(names=list(names), classes=classes)
    model.save(tmp_path / "file")
    again = load(tmp_path / "file")
    assert again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict(X, groups=labels), model.predict(X, groups=labels))


def test_what_cannot_be_written_is_said_before_anything_is_lost(tmp_path, monkeypatch):
    path = tmp_path / "model.fastmaml"
    path.write_text("old")
    model, *_ = fitted(names=[("a", i) for i in range(6)])
    with pytest.raises(ValueError, match=r"group .*\('a', 0\).* cannot be written to a file"):
        model.save(path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_whole(tmp_path / "nowhere" / "file", b"")
    with pytest.raises(TypeError, match=r"path is 3 \(int\); give the name of a file"):
        model.save(3)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_whole(tmp_path, b"")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "a file beside it")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(
            PermissionError, match=r"cannot be written: Permission denied: .*model\.fastmaml'"
        ):
            write_whole(path, b"")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.fastmaml"]


def test_what_load_refuses_is_not_written(tmp_path):
    class Mine(MAMLClassifier):
        pass

    model, *_ = fitted()
    other = Mine()
    other.__dict__.update(model.__dict__)
    with pytest.raises(TypeError, match="give a fitted MAMLClassifier or MAMLRegressor"):
        other.save(tmp_path / "file")
    # What is kept is of the type that learned, whatever the parameter says by now.
    model.set_params(dtype="float32").save(tmp_path / "file")
    assert load(tmp_path / "file").theta_.dtype == np.float64


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(failing, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("no space left")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def changed(content, **entries):
    """Return a file with other entries in its header; a function changes what stands there."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][ENTRY])
    tensors = tensors_of(content)
    for name, value in entries.items():
        if name == "tensors":
            tensors |= value
        elif value is None:
            del header[name]
        else:
            header[name] = value(header[name]) if callable(value) else value
    return serialized(tensors, {ENTRY: json.dumps(header)})


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "file"
    model, *_ = fitted()
    model.columns_ = ColumnEncoding(("a", "b"), (("c", ("x",)),), "who", "answer", "text", "text")
    model.save(path)
    assert load(path).columns_ == model.columns_
    return path.read_bytes()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"schema": 2}, "its schema is 2, written by fastmaml"),
        ({"schema": "one"}, "its schema is 'one'; expected 1"),
        ({"model": None}, "'model' is missing"),
        ({"estimator": "Popen"}, "its estimator is 'Popen', none of MAMLClassifier, MAMLRegressor"),
        ({"model": {"name": "system"}}, "its model is {'name': 'system'}"),
        ({"model": lambda model: model | {"num_features": 2**30}}, "theta has shape (4,)"),
        ({"model": lambda model: model | {"num_features": -1}}, "its model is wrong: num_features is -1"),
        ({"model": lambda model: model | {"extra": 1}}, "its model is wrong"),
        ({"params": lambda params: params | {"extra": 1}}, "its parameter 'extra' is none of MAMLClassifier"),
        ({"dtype": "object"}, "dtype is 'object'"),
        ({"classes": {"dtype": "str", "values": ["a", "b", "c"]}}, "it has 3 classes, but its model 2"),
        ({"classes": {"dtype": "O", "values": [1, 2]}}, "its classes are of type 'O'"),
        ({"groups": {"dtype": "str", "values": ["a"] * 6}}, "its groups are not all different"),
        ({"groups": {"dtype": "str", "values": ["a"]}}, "groups.theta has shape (6, 4)"),
        ({"seed": -1}, "seed is -1"),
        ({"params": [1]}, "its params are [1] (list), not a table"),
        ({"estimator": "MAMLRegressor", "flat": True}, "its model, Logistic, is none of a MAMLRegressor"),
        ({"n_features_in": 1}, "its n_features_in is 1; expected 3"),
        ({"classes": {"dtype": "str", "values": ["b", "a"]}}, "its classes are not sorted"),
        ({"classes": {"dtype": "<i8", "values": [1e300, 2]}}, "its classes are no values of type <i8"),
        ({"epochs": 10**30}, "epochs is 1000000000000000000000000000000"),
        ({"feature_names_in": "x"}, "its feature_names_in are not 3 texts"),
        ({"columns": [1]}, "its columns are [1] (list); expected 'categories', 'group', 'numbers', 'target'"),
        (
            {"columns": lambda told: told | {"numbers": ["a"]}},
            "its columns make 2 features, but its model has 3",
        ),
        (
            {"columns": lambda told: told | {"group": ["a", "text"]}},
            "its columns are wrong: columns are 'a', 'b'",
        ),
        (
            {
                "algorithm": lambda told: told | {"inner_steps": 10**6, "learned_rates": "layer_and_step"},
                "tensors": {"inner_rates": np.zeros(0)},
            },
            "its 1000000 inner steps have too many rates",
        ),
        ({"tensors": {"optimizer_state": np.zeros(1)}}, "optimizer_state has shape (1,)"),
        ({"tensors": {"features.scale": np.full(3, 5e-324)}}, "features.scale holds 5e-324"),
        ({"tensors": {"theta": np.array([1, 2, np.nan, 4])}}, "theta holds numbers that are not finite"),
        ({"tensors": {"theta": np.zeros(4, np.float32)}}, "theta has shape (4,) and type float32"),
        ({"tensors": {"features.scale": np.zeros(3)}}, "features.scale holds 0.0; scales are above 0"),
    ],
)
def test_damaged_files(content, entries, message, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(changed(content, **entries))
    with pytest.raises(ValueError, match="cannot be loaded") as raised:
        load(path)
    assert message in str(raised.value)


def test_files_of_other_kinds(content, tmp_path):
    path = tmp_path / "file"
    for other in (
        b"",
        b"x" * 100,
        content[:50],
        content[:-1],
        content + b"x",
        pickle.dumps([1]),
        b"\xff" * 64,
    ):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="is no model file, or damaged"):
            load(path)
    path.write_bytes(serialized({"theta": np.zeros(3)}))
    with pytest.raises(ValueError, match="not one of fastmaml's"):
        load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "nothing")


def test_any_byte_may_be_wrong(content, tmp_path):
    path = tmp_path / "file"
    for place in np.random.default_rng(0).integers(0, len(content), 200):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        # A number may be another number; whatever else is wrong is a ValueError.
        with contextlib.suppress(ValueError):
            assert isinstance(load(path), MAMLClassifier)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.fastmaml")), ids=lambda path: path.stem)
def test_golden_files(path):
    model = load(path)
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    X = np.array(expected["X"])
    np.testing.assert_allclose(model.predict_proba(X), expected["start"], rtol=1e-9)
    np.testing.assert_allclose(
        model.predict_proba(X, groups=expected["groups"]), expected["groups_proba"], rtol=1e-9
    )
    adapted = model.adapt(X, expected["y"]).predict_proba(X)
    np.testing.assert_allclose(adapted, expected["adapted"], rtol=1e-9)


def test_there_is_a_golden_file_for_each_schema():
    assert [path.stem for path in sorted(GOLDEN.glob("*.fastmaml"))] == ["schema-1"]
    assert fastmaml.load is load
