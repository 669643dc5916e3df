"""Elementwise operations on a few tasks' parameter vectors.

Parameter vectors are whole lane blocks (`fastmaml.numerics.layout`), so each of these is one small loop over
blocks, without the remainders, the checks for overlap and the unrolled copies that the compiler would make
of a loop over numbers: for vectors of some fifty numbers those cost more than the arithmetic.

Everything is about the first ``width`` entries of the first ``tasks`` rows; a vector in the place of a
matrix stands for rows that are all alike. Arrays may be the same, but not overlap otherwise. Each function
has its meaning in plain Python beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import cgutils, types

from fastmaml.numerics.lanes import Lanes, array_parts, check_layout, compile_as
from fastmaml.runtime.emission import emit_loop


def _part(values: Any, tasks: int, width: int) -> Any:
    return values if np.ndim(values) == 0 else values[:width] if values.ndim == 1 else values[:tasks, :width]


def spread(vector: Any, tasks: int, width: int, out: Any) -> None:
    """Write a vector to each row."""
    out[:tasks, :width] = _part(vector, tasks, width)


def set_scaled(factor: Any, matrix: Any, tasks: int, width: int, out: Any) -> None:
    """Write ``factor * matrix``; factor is a number of the matrix's type or a vector."""
    out[:tasks, :width] = _part(factor, tasks, width) * _part(matrix, tasks, width)


def add_scaled(factor: Any, matrix: Any, tasks: int, width: int, out: Any) -> None:
    """Add ``factor * matrix``; factor is a number of the matrix's type or a vector."""
    out[:tasks, :width] += _part(factor, tasks, width) * _part(matrix, tasks, width)


def subtract(matrix: Any, tasks: int, width: int, out: Any) -> None:
    """Subtract a matrix."""
    out[:tasks, :width] -= _part(matrix, tasks, width)


def set_difference(left: Any, right: Any, tasks: int, width: int, out: Any) -> None:
    """Write ``left - right``."""
    out[:tasks, :width] = _part(left, tasks, width) - _part(right, tasks, width)


def step_down(start: Any, rates: Any, slope: Any, tasks: int, width: int, out: Any) -> None:
    """Write ``start - rates * slope``."""
    out[:tasks, :width] = _part(start, tasks, width) - _part(rates, tasks, width) * _part(slope, tasks, width)


def _loader(context: Any, lanes: Lanes, kind: Any, value: Any) -> Callable[[Any, Any], Any]:
    """Return what loads a lane block of an operand for a row and a column."""
    builder = lanes.builder
    if not isinstance(kind, types.Array):
        return lambda row, column: lanes.splat(value)
    data, shape = array_parts(context, builder, kind, value)
    stride = shape[1] if kind.ndim == 2 else lanes.integer(0)
    return lambda row, column: lanes.load(data, builder.add(builder.mul(row, stride), column))


def _rowwise(operation: Callable[[Lanes, list[Any], Any], Any]) -> Any:
    """Make instructions for (operands..., tasks, width, out) of what one lane block of out becomes.

    ``operation(lanes, blocks, before)`` is given a block of each operand, and a function that loads what out
    holds.
    """

    def instructions(typingctx: Any, *given: Any) -> Any:
        check_layout(*[kind for kind in given if isinstance(kind, types.Array)])

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = cgutils.unpack_tuple(builder, args[0], len(given))
            lanes = Lanes(builder, given[-1].dtype)
            zero = lanes.integer(0)
            # A way to load a block of each operand, and of out, for a row and a column.
            sources = [
                _loader(context, lanes, kind, value) for kind, value in zip(given, values, strict=True)
            ]
            out, out_shape = array_parts(context, builder, given[-1], values[-1])
            tasks, width = (context.cast(builder, values[i], given[i], types.int64) for i in (-3, -2))

            def task(row: Any, _: list[Any]) -> list[Any]:
                def block(column: Any, _: list[Any]) -> list[Any]:
                    blocks = [load(row, column) for load in sources[:-3]]
                    result = operation(lanes, blocks, lambda: sources[-1](row, column))
                    place = builder.add(builder.mul(row, out_shape[1]), column)
                    lanes.store(result, out, place)
                    return []

                emit_loop(builder, zero, width, lanes.count, [], block)
                return []

            emit_loop(builder, zero, tasks, 1, [], task)
            return context.get_dummy_value()

        return types.none(types.StarArgTuple(given)), generate  # type: ignore[attr-defined]

    return instructions


compile_as(_rowwise(lambda lanes, blocks, before: blocks[0]), spread)
compile_as(_rowwise(lambda lanes, blocks, before: lanes.builder.fmul(*blocks)), set_scaled)
compile_as(
    _rowwise(lambda lanes, blocks, before: lanes.multiply_add(blocks[0], blocks[1], before())), add_scaled
)
compile_as(_rowwise(lambda lanes, blocks, before: lanes.builder.fsub(before(), *blocks)), subtract)
compile_as(_rowwise(lambda lanes, blocks, before: lanes.builder.fsub(*blocks)), set_difference)
compile_as(
    _rowwise(
        lambda lanes, blocks, before: lanes.multiply_add(lanes.builder.fneg(blocks[1]), blocks[2], blocks[0])
    ),
    step_down,
)
