"""Checks of what a user hands over, made once, before any work.

Every message says what was expected, what came and what to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastmaml.arrays import ROW, ROW_COLUMN, as_array, finite_floats

DTYPES = ("float32", "float64")
SEED_LIMIT = 2**64
# The most of anything that is counted, of epochs, and of inner steps, all of which are kept in memory.
MOST, MOST_EPOCHS, MOST_STEPS = 2**31 - 1, 2**56 - 1, 10**6


def check_count(name: str, value: Any, minimum: int = 1, maximum: int = MOST) -> int:
    """Return a whole number from ``minimum`` to ``maximum``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(
            f"{name} is {value!r} ({type(value).__name__}); give a whole number, at least {minimum}"
        )
    count = int(value)
    if count < minimum:
        raise ValueError(f"{name} is {count}; give a whole number, at least {minimum}")
    if count > maximum:
        raise ValueError(f"{name} is {count}; give a whole number, at most {maximum:,}")
    return count


def check_rate(name: str, value: Any) -> float:
    """Return a finite rate that is not negative."""
    return _finite(name, value, "0 or larger", lambda number: number >= 0)


def check_share(name: str, value: Any) -> float:
    """Return a number from 0 to below 1."""
    return _finite(name, value, "from 0 to below 1", lambda number: 0 <= number < 1)


def check_clip_norm(value: Any) -> None:
    """Raise unless a clipping norm is a finite number above 0, or None."""
    if value is not None:
        _finite("clip_norm", value, "above 0, or None for no clipping", lambda number: number > 0)


def _finite(name: str, value: Any, wanted: str, fits: Callable[[float], bool]) -> float:
    """Return a finite number that fits."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); give a number, {wanted}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and fits(number)):
        raise ValueError(f"{name} is {number}; give a finite number, {wanted}")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); give True or False")
    return bool(value)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Return one of a few allowed values."""
    value = value.item() if isinstance(value, np.generic) else value
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ValueError(f"{name} is {value!r}; give one of {', '.join(map(repr, choices))}")
    return value


def check_dtype(value: Any) -> np.dtype[Any]:
    """Return float32 or float64."""
    try:
        dtype = None if value is None else np.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or dtype.name not in DTYPES or not dtype.isnative:
        raise ValueError(f"dtype is {value!r}; give 'float32' or 'float64'")
    return dtype


def check_seed(value: Any, name: str = "random_state") -> int:
    """Return a seed of 64 bits."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(
            f"{name} is {value!r} ({type(value).__name__}); give a whole number from 0 to 2**64 - 1"
        )
    seed = int(value)
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"{name} is {seed}; give a whole number from 0 to 2**64 - 1")
    return seed


def check_n_jobs(value: Any) -> int | None:
    """Return None, -1 or a number of threads."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(
            f"n_jobs is {value!r} ({type(value).__name__}); give a whole number, at least 1, or None for all"
        )
    if value != -1 and value < 1:
        raise ValueError(f"n_jobs is {value}; give a whole number, at least 1, or None (or -1) for all cores")
    return int(value)


def check_matrix(name: str, values: Any, columns: int) -> np.ndarray:
    """Return a finite float64 matrix of shape (rows, columns)."""
    matrix = as_array(name, values)
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise ValueError(
            f"{name} has shape {matrix.shape}; expected (rows, {columns}), one column for each feature"
        )
    return _for_kernels(finite_floats(name, matrix, ROW_COLUMN))


def check_numbers(name: str, values: Any, minimum: int, maximum: int = MOST) -> tuple[int, ...]:
    """Return whole numbers, of one or several, ascending and without repeats."""
    many = tuple(values) if isinstance(values, Iterable) else (values,)
    if not many:
        raise ValueError(f"{name} is empty; give numbers such as (1, 5)")
    return tuple(sorted({check_count(name, value, minimum, maximum) for value in many}))


def check_labels(name: str, values: Any, rows: int | None = None) -> np.ndarray:
    """Return labels 0 and 1 as a float64 vector, from (rows,) or (rows, 1)."""
    labels = as_array(name, values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{name} has shape {labels.shape}; expected (rows,) or (rows, 1)")
    if rows is not None and labels.size != rows:
        raise ValueError(
            f"{name} has {labels.size} labels but there are {rows} rows; give one label for each row"
        )
    numbers = finite_floats(name, labels, ROW)
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if wrong.size:
        raise ValueError(f"{name} holds {numbers[wrong[0]]:g} at row {wrong[0]}; labels must be 0 or 1")
    return _for_kernels(numbers)


def _for_kernels(array: np.ndarray) -> np.ndarray:
    """Return the one layout that kernels are compiled for: contiguous, aligned, writeable."""
    return np.require(array, np.float64, ["C", "A", "W"])
