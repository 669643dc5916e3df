"""Model files: safetensors, with everything that is no array as JSON in the header. Nothing is executed.

Reading takes memory in proportion to the file, and
every size, type and number is checked before it is used.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from fastmaml import algorithms, models
from fastmaml.arrays import shown
from fastmaml.encoding import ColumnEncoding
from fastmaml.estimators.classifier import MAMLClassifier
from fastmaml.estimators.estimator import FewShotEstimator
from fastmaml.estimators.fitting import State
from fastmaml.estimators.groups import GroupTable
from fastmaml.estimators.regressor import MAMLRegressor
from fastmaml.labels import label_array
from fastmaml.learner import Learner, lower
from fastmaml.optimizers import state_size
from fastmaml.scaling import Scaling
from fastmaml.task_adapter import TaskAdapter
from fastmaml.validation import MOST_EPOCHS, check_count, check_dtype, check_seed
from fastmaml.version import __version__
from fastmaml.writing import as_path, write_whole

SCHEMA = 1
# The entry of the header that is ours.
ENTRY = "fastmaml"
ESTIMATORS: dict[str, type[FewShotEstimator]] = {
    kind.__name__: kind for kind in (MAMLClassifier, MAMLRegressor)
}
MODELS = {kind.__name__: kind for kind in (models.Logistic, models.Linear, models.Softmax, models.MLP)}
ALGORITHMS = {kind.__name__: kind for kind in algorithms.ALGORITHMS.values()}
# Arrays of labels: the kinds of dtype that are written by their name.
LABEL_KINDS = "biuf"


def save(estimator: Any, path: Any) -> None:
    """Write a fitted estimator to a file; see `MAMLClassifier.save`."""
    from safetensors.numpy import save as serialized
    from sklearn.utils.validation import check_is_fitted

    if type(estimator) not in ESTIMATORS.values():
        raise TypeError(f"{shown(estimator)} cannot be saved; give a fitted MAMLClassifier or MAMLRegressor")
    check_is_fitted(estimator)
    path = as_path(path)
    state = estimator._state
    theta, rates = state.learner.split(state.meta)
    tensors = {
        "theta": theta,
        "inner_rates": rates,
        "features.mean": state.features.mean,
        "features.scale": state.features.scale,
        "targets.mean": state.targets.mean,
        "targets.scale": state.targets.scale,
    }
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "estimator": type(estimator).__name__,
        "params": {name: _plain(name, value) for name, value in _params(estimator).items()},
        "model": _described(state.learner.model),
        "algorithm": _described(state.learner.algorithm),
        "dtype": state.learner.dtype.name,
        "seed": state.seed,
        "epochs": state.epochs,
        "n_iter": estimator.n_iter_,
        "loss_curve": estimator.loss_curve_,
        "validation_scores": estimator.validation_scores_,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": getattr(estimator, "feature_names_in_", np.array([])).tolist() or None,
    }
    if isinstance(estimator, MAMLClassifier):
        header["classes"] = _written_labels("class", estimator.classes_)
    else:
        header["flat"] = estimator._flat
    if state.groups is not None:
        header["groups"] = _written_labels("group", state.groups.labels)
        tensors["groups.theta"] = state.groups.thetas
    if estimator.columns_ is not None:
        header["columns"] = estimator.columns_.described()
    if state.optimizer_state is not None:
        tensors["optimizer_state"] = state.optimizer_state
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    text = json.dumps(header, allow_nan=True)
    write_whole(path, serialized(contiguous, {ENTRY: text}))


def load(path: Any) -> Any:
    """Read an estimator from a file that ``save`` has written.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    MAMLClassifier or MAMLRegressor, fitted

    Raises
    ------
    FileNotFoundError, OSError
        If it cannot be read.
    ValueError
        If it is no model file, is damaged, or comes of a newer version; says what is wrong.
    """
    from safetensors import SafetensorError, safe_open

    path = as_path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give a model file")
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(ENTRY)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if text else {}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no model file, or damaged: {error}") from None
    if text is None:
        raise ValueError(f"{path} is a safetensors file, but not one of fastmaml's")
    try:
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError("its header is not a table")
        schema = header.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise ValueError(
                f"its schema is {schema}, written by fastmaml {header.get('version')}; this version, "
                f"{__version__}, reads up to {SCHEMA}: upgrade fastmaml"
            )
        if schema != SCHEMA:
            raise ValueError(f"its schema is {schema!r}; expected {SCHEMA}")
        return _restored(header, tensors, path.stat().st_size)
    except KeyError as error:
        raise ValueError(f"{path} cannot be loaded: {error} is missing in it") from None
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from None


def _params(estimator: Any) -> dict[str, Any]:
    params = estimator.get_params(deep=False)
    del params["callbacks"]
    if isinstance(params["random_state"], np.random.RandomState):
        params["random_state"] = estimator.seed_
    params["dtype"] = np.dtype(params["dtype"]).name
    return params


def _plain(name: str, value: Any) -> Any:
    """Return a parameter as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(name, one) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(name, one) for key, one in value.items()}
    raise ValueError(f"{name} is {shown(value)}, which cannot be written to a file; give numbers or text")


def _described(part: Any) -> dict[str, Any]:
    """Describe a frozen dataclass."""
    fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part) if field.init}
    return {"name": type(part).__name__, **{name: _plain(name, value) for name, value in fields.items()}}


def _made(what: str, described: Any, kinds: dict[str, Any]) -> Any:
    """Make a part of its description; its own checks are made."""
    if not isinstance(described, dict) or described.get("name") not in kinds:
        raise ValueError(f"its {what} is {shown(described)}, none of {', '.join(kinds)}")
    fields = {name: _tuples(value) for name, value in described.items() if name != "name"}
    try:
        return kinds[described["name"]](**fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"its {what} is wrong: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _written_labels(what: str, labels: np.ndarray) -> dict[str, Any]:
    """Describe labels, with their type."""
    if labels.dtype.kind in LABEL_KINDS:
        return {"dtype": labels.dtype.str, "values": labels.tolist()}
    if labels.dtype.kind in "mM":
        return {"dtype": labels.dtype.str, "values": labels.astype(np.int64).tolist()}
    values = labels.tolist()
    for value in values:
        if not isinstance(value, (bool, int, float, str)):
            raise ValueError(
                f"{what} {shown(value)} cannot be written to a file; name it by a text or a number"
            )
    return {"dtype": "str" if labels.dtype.kind == "U" else "object", "values": values}


def _read_labels(what: str, described: Any, room: int) -> np.ndarray:
    values, name = described["values"], described["dtype"]
    if not isinstance(values, list) or not all(isinstance(one, (bool, int, float, str)) for one in values):
        raise ValueError(f"its {what} are not a list of texts and numbers")
    if name == "object":
        labels = np.empty(len(values), dtype=object)
        labels[:] = values
        return labels
    if name == "str":
        if not all(isinstance(one, str) for one in values):
            raise ValueError(f"its {what} are not texts")
        # NumPy makes all as long as the longest.
        if len(values) * max(map(len, values), default=0) > 64 * room:
            raise ValueError(f"its {what} are of lengths too different to be kept side by side")
        return np.array(values, dtype=str)
    if not isinstance(name, str):
        raise ValueError(f"its {what} are of type {name!r}")
    dtype = np.dtype(name)
    if dtype.kind not in LABEL_KINDS + "mM":
        raise ValueError(f"its {what} are of type {name!r}")
    numbers = np.array(values, dtype=np.int64 if dtype.kind in "mM" else None)
    with np.errstate(all="ignore"):
        labels = numbers.astype(dtype)
    same = labels.astype(np.int64) if dtype.kind in "mM" else labels
    if same.tolist() != values:
        raise ValueError(f"its {what} are no values of type {name}")
    return labels


def _taken(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array of the file, checked."""
    array = tensors[name]
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise ValueError(
            f"{name} has shape {array.shape} and type {array.dtype}; expected {shape} and {np.dtype(dtype)}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return array


def _restored(header: dict[str, Any], tensors: dict[str, np.ndarray], room: int) -> Any:
    """Put an estimator together."""
    kind = header["estimator"]
    if kind not in ESTIMATORS:
        raise ValueError(f"its estimator is {kind!r}, none of {', '.join(ESTIMATORS)}")
    if not isinstance(header["params"], dict):
        raise ValueError(f"its params are {shown(header['params'])}, not a table")
    params = {name: _tuples(value) for name, value in header["params"].items()}
    known = ESTIMATORS[kind]._get_param_names()
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise ValueError(f"its parameter {unknown[0]!r} is none of {kind}")
    estimator: Any = ESTIMATORS[kind](**params)
    model = _made("model", header["model"], MODELS)
    algorithm = _made("algorithm", header["algorithm"], ALGORITHMS)
    features, count = model.num_features, sum(layer.size for layer in model.layers())
    # That the file holds as much is known before anything is made of that size.
    dtype = check_dtype(header["dtype"])
    theta = _taken(tensors, "theta", (count,), dtype)
    if model.classifies != (kind == "MAMLClassifier"):
        raise ValueError(f"its model, {type(model).__name__}, is none of a {kind}")
    of_steps = (
        getattr(algorithm, "learned_rates", None) == "layer_and_step" or np.ndim(algorithm.inner_rate) == 2
    )
    if of_steps and algorithm.inner_steps * count > 8 * room:
        raise ValueError(f"its {algorithm.inner_steps} inner steps have too many rates for its size")
    learner: Learner = lower(model, algorithm, dtype)
    rates = _taken(tensors, "inner_rates", learner.rates_shape, dtype)
    outputs = model.num_targets
    scalings = []
    for name, columns in (("features", features), ("targets", outputs)):
        mean, scale = (_taken(tensors, f"{name}.{part}", (columns,), float) for part in ("mean", "scale"))
        if (scale < np.finfo(float).tiny).any():
            raise ValueError(f"{name}.scale holds {scale.min()}; scales are above 0")
        scalings.append(Scaling(mean, scale))
    groups = None
    if "groups" in header:
        labels = _read_labels("groups", header["groups"], room)
        thetas = _taken(tensors, "groups.theta", (len(labels), count), dtype)
        groups = GroupTable(labels, thetas)
        if len(groups.places) != len(labels):
            raise ValueError("its groups are not all different")
    if kind == "MAMLClassifier":
        estimator.classes_ = _read_labels("classes", header["classes"], room)
        if len(estimator.classes_) != model.num_classes:
            raise ValueError(f"it has {len(estimator.classes_)} classes, but its model {model.num_classes}")
        if estimator.classes_.tolist() != np.unique(estimator.classes_).tolist():
            raise ValueError("its classes are not sorted, or not all different")
    else:
        estimator._flat = bool(header["flat"])
    state = tensors.get("optimizer_state")
    epochs, seed = header["epochs"], header["seed"]
    check_count("epochs", epochs, 0, MOST_EPOCHS)
    check_seed(seed, "seed")
    meta = learner.join(theta, rates)
    if state is not None:
        optimizer = estimator._parts(algorithm.inner_rate)[1].lower(1)
        state = _taken(tensors, "optimizer_state", (int(state_size(optimizer, meta.size)),), dtype)
    estimator._state = State(
        learner,
        meta,
        TaskAdapter(learner),
        scalings[0],
        scalings[1],
        seed,
        groups,
        epochs,
        state,
    )
    estimator.seed_, estimator.inner_rate_, estimator.inner_rate_sweep_ = seed, algorithm.inner_rate, None
    estimator.n_iter_, estimator.loss_curve_ = header["n_iter"], header["loss_curve"]
    estimator.validation_scores_ = header["validation_scores"]
    columns = features + (params["group_column"] is not None)
    names = header["feature_names_in"]
    if header["n_features_in"] != columns:
        raise ValueError(f"its n_features_in is {header['n_features_in']!r}; expected {columns}")
    estimator.n_features_in_ = columns
    if names is not None:
        if not isinstance(names, list) or len(names) != columns or not all(isinstance(n, str) for n in names):
            raise ValueError(f"its feature_names_in are not {columns} texts")
        estimator.feature_names_in_ = label_array(names).astype(object)
    if "columns" in header:
        estimator.columns_ = ColumnEncoding.of_description(header["columns"])
        if estimator.columns_.num_features != features:
            raise ValueError(
                f"its columns make {estimator.columns_.num_features} features, but its model has {features}"
            )
    return estimator
