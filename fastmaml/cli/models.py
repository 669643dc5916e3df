"""Model files, as the commands need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_model(path: Path, *, columns: bool = True) -> Any:
    """Load an estimator from a file.

    Parameters
    ----------
    path : Path
        A model file.
    columns : bool, default=True
        Whether it has to know the columns of a table.

    Raises
    ------
    ValueError
        If it cannot be loaded, or does not know them.
    """
    from fastmaml.estimators import load

    try:
        model = load(path)
    except OSError as error:
        raise ValueError(f"{error}" if error.strerror is None else f"{path}: {error.strerror}") from None
    if columns and model.columns_ is None:
        raise ValueError(
            f"{path} does not say which columns of a table are its features; fastmaml train writes models "
            "that do, this one is used from Python with fastmaml.load"
        )
    return model
