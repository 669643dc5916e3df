"""Labels of groups of any type: told apart, sorted where they can be, and rows grouped by them."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmaml.arrays import is_missing, unmasked


def label_vector(name: str, values: Any) -> NDArray[Any]:
    """Labels as a 1-D array in which different labels stay different."""
    if isinstance(values, list | tuple):
        return label_array(list(values))
    array = np.asarray(unmasked(values))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 0:
        raise TypeError(f"{name} is a {type(values).__name__}; give a list or an array, one label a row")
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-D, got shape {array.shape}; give a tuple a row to join columns")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def label_array(labels: list[Any]) -> NDArray[Any]:
    """Typed where that is faithful; NumPy alone would make `[1, "1"]` equal and a tuple a row."""
    if len(set(map(type, labels))) == 1 and isinstance(labels[0], int | float | str | bytes | np.generic):
        array = np.asarray(labels)
        if isinstance(labels[0], np.generic) or array.tolist() == labels:
            return array
    return np.fromiter(labels, dtype=object, count=len(labels))


def group_rows(
    name: str, labels: NDArray[Any]
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], NDArray[Any]]:
    """Find the stable order that sorts rows by label (None if sorted), offsets, and each label once."""
    if labels.dtype.kind in "biufmM":
        missing, codes, unique = np.isnan(labels), labels, None
    else:
        codes, unique = label_codes(name, labels)
        missing = np.array([_is_incomplete(label) for label in unique])[codes]
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(f"{name} has a missing label ({labels[row]}) at row {row}; fill it or drop the row")
    order = None
    if not np.all(codes[1:] >= codes[:-1]):
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    offsets = np.append(starts, len(codes)).astype(np.int64)
    return order, offsets, codes[starts] if unique is None else label_array(unique)


def _is_incomplete(label: Any) -> bool:
    """Tell whether a label, or a part of one that joins several columns, is missing."""
    return any(map(is_missing, label)) if isinstance(label, tuple) else is_missing(label)


def label_codes(name: str, labels: NDArray[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Return numbers of the labels in sorted order, or by first appearance where they cannot be compared."""
    index: dict[Any, int] = {}
    try:
        found = [index.setdefault(label, len(index)) for label in labels.tolist()]
    except TypeError as error:
        raise TypeError(f"{name} must hold hashable labels, ints, strings or tuples: {error}") from None
    codes = np.array(found, dtype=np.int64)
    unique = list(index)
    try:
        ranked = sorted(range(len(unique)), key=unique.__getitem__)
        # Frozensets sort without an error, but into an order that depends on how they came.
        comparable = all(unique[low] < unique[high] for low, high in pairwise(ranked))
    except TypeError:
        comparable = False
    if not comparable:
        return codes, unique
    rank = np.empty(len(unique), dtype=np.int64)
    rank[ranked] = np.arange(len(unique))
    return rank[codes], [unique[position] for position in ranked]
