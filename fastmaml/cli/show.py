"""`fastmaml show`."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastmaml.cli.models import read_model
from fastmaml.cli.options import Json, ModelFile
from fastmaml.cli.output import say, say_json


def show(model: ModelFile, json: Json = False) -> None:
    """Print what a model file holds."""
    from fastmaml.arrays import listed

    estimator = read_model(model, columns=False)
    found = _facts(estimator)
    if json:
        say_json({"command": "show", "settings": {"model": model}, **found})
        return
    part = found["algorithm"]
    rate = estimator.inner_rate_
    told = {
        "model": f"{found['estimator']}, {found['model']['name']} of {found['parameters']:,} parameters, "
        f"{found['dtype']}",
        "algorithm": f"{part['name']}, {part['inner_steps']} inner steps"
        + (f" at rate {rate:.3g}" if isinstance(rate, float) else ""),
        "trained": f"{found['epochs']:,} epochs with {found['shots']} shots, seed {found['seed']}",
        "features": f"{found['num_features']:,}",
    }
    if found["features"] is not None:
        told["features"] += f": {listed(found['features'])}"
    if found["classes"] is not None:
        told["classes"] = f"{len(found['classes']):,}: {listed(found['classes'])}"
    if found["target"] is not None:
        told["target"] = f"column {found['target']!r}"
    groups = found["num_groups"]
    kept = (
        "none kept: adapted to one, or trained without" if groups is None else f"{groups:,} with parameters"
    )
    told["groups"] = kept if found["group"] is None else f"column {found['group']!r}, {kept}"
    width = max(map(len, told))
    for name, text in told.items():
        say(f"{name:<{width}}  {text}")


def _facts(estimator: Any) -> dict[str, Any]:
    state, columns = estimator._state, estimator.columns_
    names = getattr(estimator, "feature_names_in_", None)
    features = columns.feature_names if columns is not None else None if names is None else names.tolist()
    classes = getattr(estimator, "classes_", None)
    return {
        "estimator": type(estimator).__name__,
        "model": _part(state.learner.model),
        "algorithm": _part(state.learner.algorithm),
        "dtype": state.learner.dtype.name,
        "parameters": estimator.theta_.size,
        "epochs": estimator.n_iter_,
        "shots": estimator.shots,
        "seed": estimator.seed_,
        "num_features": state.learner.model.num_features,
        "features": features,
        "classes": None if classes is None else classes.tolist(),
        "group": None if columns is None else columns.group,
        "target": None if columns is None else columns.target,
        "num_groups": None if estimator.groups_ is None else len(estimator.groups_),
    }


def _part(part: Any) -> dict[str, Any]:
    fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part) if field.init}
    return {"name": type(part).__name__, **fields}
