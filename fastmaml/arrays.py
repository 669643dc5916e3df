"""Tables of numbers as users hand them over (lists, arrays on disk, data frames), converted and checked."""

import math
import numbers
import operator
import reprlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Numbers checked at once for being finite: at most 2 MiB, and few enough calls. Measured on 100 million
# float32: 32 ms, against 73 ms with blocks of 2**14.
BLOCK = 2**18

# Up to so many numbers are checked at once, without a loop over blocks.
FEW = 4096
FLOAT64 = np.dtype(np.float64)

# Names that a message lists at most.
LISTED = 20

# The names of an array's axes, in messages.
Axes = tuple[str, ...]
ROW, ROW_COLUMN = ("row",), ("row", "column")

# What to do about a number that is missing.
FILL = "remove or fill such entries first"


def shaped(X: ArrayLike, y: ArrayLike, ndim: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """X with `ndim` axes and y with one fewer, of any dtype yet, their shapes checked."""
    wanted, other = {
        2: ("(num_rows, num_features)", "TaskSet.from_arrays takes (num_tasks, rows, num_features)"),
        3: ("(num_tasks, rows, num_features)", "TaskSet.from_groups takes one table and a group a row"),
    }[ndim]
    features, targets = as_array("X", X), as_array("y", y)
    if features.ndim == 0:
        raise TypeError(f"X is a {type(X).__name__}; give an array or a data frame, {wanted}")
    if features.ndim != ndim:
        hint = "make one feature a column with X.reshape(-1, 1)" if features.ndim == 1 else other
        raise ValueError(f"X must be {ndim}-D, {wanted}, got {features.ndim}-D, {features.shape}; {hint}")
    if features.size == 0:
        raise ValueError(f"X is empty, its shape {features.shape}; give at least one row and one feature")
    if targets.ndim == ndim and targets.shape[-1] == 1:
        targets = targets[..., 0]
    if targets.ndim != ndim - 1:
        shape = targets.shape
        raise ValueError(f"y must be {ndim - 1}-D, one label per row of X, got {targets.ndim}-D, {shape}")
    if ndim == 2 and len(targets) != len(features):
        raise ValueError(f"y has {len(targets)} rows but X has {len(features)}; give one label per row of X")
    if targets.shape != features.shape[:-1]:
        shape = features.shape
        raise ValueError(f"y has shape {targets.shape} but X has shape {shape}; give y of shape {shape[:-1]}")
    return features, targets


def listed(names: Sequence[Any]) -> str:
    """List names in a message, the first twenty at most."""
    rest = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + rest


def counted(number: int, noun: str) -> str:
    """Say how many there are of what: "1 task", "2 tasks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown(value: Any) -> str:
    """Show an argument in a message: what it is, and its type; of an array its shape, not its numbers."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} ({kind})"
    text = reprlib.repr(value) if isinstance(value, (str, bytes, list, tuple, dict, set)) else repr(value)
    return f"{text if len(text) <= 100 and chr(10) not in text else 'an object'} ({kind})"


def came(values: Any, array: NDArray[Any]) -> str:
    """Say what came where an array was expected: its shape, or what it is instead."""
    return f"has shape {array.shape}" if array.ndim else f"is {values!r}, not an array"


def as_array(name: str, values: Any) -> NDArray[Any]:
    """`values` as an array of whatever dtype; a data frame of several dtypes as one of floats."""
    if type(values) is np.ndarray:
        return values
    if hasattr(values, "toarray"):
        raise TypeError(f"{name} must be dense, got a {type(values).__name__}; give {name}.toarray()")
    values = unmasked(values)
    if hasattr(values, "iloc") and hasattr(values, "columns"):
        dtypes = set(values.dtypes)
        if len(dtypes) != 1 or getattr(dtypes.pop(), "kind", "O") not in "biuf":
            return frame_columns(name, values)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not one array; are its rows of different lengths?") from error


def unmasked(values: Any) -> Any:
    """None for each masked entry, to be reported as missing; NumPy would show what lies below the mask."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        objects = np.ma.getdata(values).astype(object)
        objects[np.ma.getmaskarray(values)] = None
        return objects
    return values


def frame_columns(name: str, frame: Any) -> NDArray[Any]:
    """Convert column by column: all at once would give Python objects, and not name a bad column."""
    columns, bad = [], []
    for position, label in enumerate(frame.columns):
        column = np.asarray(frame.iloc[:, position])
        try:
            columns.append(as_numbers(name, column, ("row",)))
        except TypeError:
            bad.append(repr(label))
    if bad:
        raise TypeError(f"{name} has columns that are not numeric: {', '.join(bad)}; encode or drop them")
    return np.stack(columns, axis=1) if columns else np.empty(frame.shape)


def as_numbers(name: str, array: NDArray[Any], axes: Axes, *, keep_single: bool = False) -> NDArray[Any]:
    """Return contiguous, aligned float64 (or float32, kept if asked) of native byte order.

    Missing objects become NaN. `axes` names the axes, for messages.
    """
    if array.dtype.kind == "O":
        flat = [as_number(name, array.shape, axes, place, value) for place, value in enumerate(array.flat)]
        array = np.array(flat, dtype=np.float64).reshape(array.shape)
    if array.dtype.kind == "c":
        remedy = "give two real columns" if "column" in axes else "give its real part"
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}; {remedy}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}; encode text or dates")
    if array.dtype is FLOAT64 and array.flags.c_contiguous and array.flags.aligned:
        return array
    keep = keep_single and array.dtype.kind == "f" and array.dtype.itemsize == 4
    # A number too large for float64 becomes infinite, which the next check reports.
    with np.errstate(over="ignore"):
        return np.require(array, np.float32 if keep else np.float64, ["C", "A"])


def as_number(name: str, shape: tuple[int, ...], axes: Axes, position: int, value: Any) -> float:
    """Convert one Python object; a missing one becomes NaN."""
    if is_missing(value):
        return math.nan
    if not isinstance(value, numbers.Real | Decimal | np.bool_):
        place = place_of(shape, axes, position)
        raise TypeError(f"{name} must hold numbers, got {value!r} at {place}; encode it as a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def finite_floats(
    name: str, array: NDArray[Any], axes: Axes, *, keep_single: bool = False, remedy: str = FILL
) -> NDArray[Any]:
    """Convert as `as_numbers`, and check that every number is finite."""
    table = as_numbers(name, array, axes, keep_single=keep_single)
    check_finite(name, table, axes, remedy)
    return table


def check_finite(name: str, table: NDArray[Any], axes: Axes, remedy: str = FILL) -> None:
    """Raise if a number is NaN or infinite. In blocks: no second table of booleans is made."""
    flat = table.reshape(-1)
    # For a few numbers one pass is quicker than two; an overflow is looked into.
    if flat.size <= FEW:
        with np.errstate(over="ignore"):
            if math.isfinite(flat.dot(flat)):
                return
    for start in range(0, flat.size, BLOCK):
        finite = np.isfinite(flat[start : start + BLOCK])
        if not finite.all():
            position = start + int(finite.argmin())
            place = place_of(table.shape, axes, position)
            raise ValueError(f"{name} holds {flat[position]} at {place}; {remedy}")


def place_of(shape: tuple[int, ...], axes: Axes, position: int) -> str:
    """Name a position: `row 3, column 1`."""
    indices = np.unravel_index(position, shape)
    return ", ".join(f"{axis} {index}" for axis, index in zip(axes, indices, strict=True))


def is_missing(value: Any) -> bool:
    """None, or what differs from itself (NaN, NaT), or refuses to say so (pandas' NA, Decimal's sNaN)."""
    try:
        return value is None or bool(operator.ne(value, value))
    except (TypeError, ArithmeticError):
        return True
    except ValueError:  # An array: not missing, and not a label or a number either.
        return False


def take_rows(array: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    """Copy rows in a given order."""
    # "clip" clips nothing here but spares a check: 150 ms, not 210, for 2 million rows of 50 float32.
    return np.take(array, order, axis=0, mode="clip")


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def check_vector(
    name: str, values: Any, shape: tuple[int, ...], dtype: np.dtype[Any] | type = np.float64
) -> np.ndarray:
    """Return finite numbers of a shape, in a dtype."""
    array = as_array(name, values)
    if array.shape != shape:
        raise ValueError(f"{name} {came(values, array)}; expected {shape}")
    with np.errstate(over="ignore"):
        numbers = finite_floats(
            name, array, ("entry",) if array.ndim == 1 else ROW_COLUMN, remedy="give finite numbers"
        )
    check_fits(name, numbers, dtype)
    return numbers.astype(dtype)


def check_fits(name: str, table: NDArray[Any], dtype: np.dtype[Any] | type) -> None:
    """Raise if a number is too large for a dtype."""
    if table.dtype != dtype and table.size and np.abs(table).max() > np.finfo(dtype).max:
        raise ValueError(
            f"{name} holds {np.abs(table).max():g}, too large for {np.dtype(dtype).name}; "
            "give smaller numbers or dtype='float64'"
        )
