"""`fastmaml predict`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

from fastmaml.cli.models import read_model
from fastmaml.cli.options import OUTPUT, DataFile, Json, ModelFile, Quiet, option
from fastmaml.cli.output import note, plain, say_json, written
from fastmaml.cli.paths import check_outputs

Out = Annotated[Path | None, option("--out", "Write to this file (default stdout)", OUTPUT, "FILE")]


def predict(
    model: ModelFile, file: DataFile, out: Out = None, json: Json = False, quiet: Quiet = False
) -> None:
    """Predict the rows of a table, as CSV: a line for each, in their order.

    Rows of groups that the model was trained on are predicted with their
    own parameters, others from the starting point: adapt to a new group
    with fastmaml adapt. The target need not be there.

    For example:

      fastmaml predict adapted.fastmaml new.csv --out predictions.csv
    """
    check_outputs({"--out": out}, [model, file])
    estimator = read_model(model)
    columns = estimator.columns_
    table = columns.read(file)
    X = columns.encode(table)
    labels = table.labels if len(table.group_values) else None
    groups = None if estimator.groups_ is None else labels
    if estimator.groups_ is not None and labels is None and not quiet:
        note(f"there is no column {columns.group!r}: all rows are predicted from the starting point")
    found = {} if labels is None else {columns.group: plain(labels)}
    found["prediction"] = plain(estimator.predict(X, groups=groups))
    if hasattr(estimator, "predict_proba"):
        probabilities = _unwarned(estimator, X, groups)
        for name, column in zip(estimator.classes_.tolist(), probabilities.T, strict=True):
            found[f"probability_{name}"] = plain(column)
    if json:
        content: dict[str, Any] = {
            "command": "predict",
            "settings": {"model": model, "file": file, "out": out},
            "rows": table.num_rows,
        }
        if out is None:
            content["predictions"] = found
        else:
            _write(found, out)
        say_json(content)
    elif out is None:
        print(_csv(found), end="")
    else:
        _write(found, out)
        written("written", out)


def _unwarned(estimator: Any, X: Any, groups: Any) -> Any:
    """Return the probabilities; of unknown groups `predict` has warned."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return estimator.predict_proba(X, groups=groups)


def _write(found: dict[str, list[Any]], path: Path) -> None:
    from fastmaml.writing import write_whole

    write_whole(path, _csv(found).encode())


def _csv(found: dict[str, list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found)
    writer.writerows(zip(*found.values(), strict=True))
    return text.getvalue()
