"""What is done with the padded rows of a network entry by entry: scale, add, rectify, gather.

Everything is laid out in rows that are padded with zeros to a multiple of `ROW` numbers, so that no load and
no store needs a mask. Arrays are taken for what lies flat in memory, from a place on that is given behind
each: a slice would cost more to compile, and to make, than what is done with it. Each function has its
meaning in plain Python beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from fastmaml.numerics.lanes import Lanes, PickedRows, array_parts, call_once, check_layout, compile_as
from fastmaml.runtime.compilation import kernel
from fastmaml.runtime.emission import emit_loop

# Numbers that rows are padded to.
ROW = 8
VECTOR_BYTES = 32


@kernel
def padded_row(length: int) -> int:
    """Return the length of a row of a matrix with so many columns."""
    return (length + ROW - 1) // ROW * ROW


def part_of(array: Any, at: int, count: int) -> Any:
    """Return ``count`` numbers of what lies flat in memory, from a place on."""
    return array.reshape(-1)[at : at + count]


def scale(factors: Any, factors_at: int, count: int, out: Any, out_at: int) -> None:
    """Multiply ``count`` numbers of out, a multiple of `ROW`, by factors."""
    part_of(out, out_at, count)[:] *= part_of(factors, factors_at, count)


def add(addends: Any, addends_at: int, count: int, out: Any, out_at: int) -> None:
    """Add addends to ``count`` numbers of out, a multiple of `ROW`."""
    part_of(out, out_at, count)[:] += part_of(addends, addends_at, count)


def rectify(values: Any, values_at: int, count: int, slopes_out: Any, slopes_at: int) -> None:
    """Write 0 in the place of what is not above 0 among ``count`` values, a multiple of `ROW`; NaN stays.

    slopes_out receives 0 there and 1 elsewhere.
    """
    given = part_of(values, values_at, count)
    below = given <= 0
    part_of(slopes_out, slopes_at, count)[:] = np.where(below, 0, 1)
    given[below] = 0


def gather(X: Any, index: Any, index_at: int, rows: int, out: Any, out_at: int) -> None:
    """Write picked rows of a matrix X (any, features), of either precision, padded with zeros."""
    features = X.shape[1]
    room = part_of(out, out_at, rows * padded_row(features)).reshape(rows, -1)
    room[:, features:] = 0
    room[:, :features] = X[part_of(index, index_at, rows)]


def _emit_elementwise(name: str) -> Any:
    def emit(builder: Any, dtype: Any, args: Any) -> None:
        operands, count, out = args
        lanes = Lanes(builder, dtype, VECTOR_BYTES)

        def block(place: Any, _: list[Any]) -> list[Any]:
            values = lanes.load(out, place), lanes.load(operands, place)
            lanes.store(getattr(builder, name)(*values), out, place)
            return []

        emit_loop(builder, lanes.integer(0), count, lanes.count, [], block)

    emit.__name__ = f"_emit_{name}"
    return emit


def _emit_rectify(builder: Any, dtype: Any, args: Any) -> None:
    values, count, slopes = args
    lanes = Lanes(builder, dtype, VECTOR_BYTES)
    one = lanes.splat(ir.Constant(lanes.scalar, 1.0))

    def block(place: Any, _: list[Any]) -> list[Any]:
        value = lanes.load(values, place)
        below = builder.fcmp_ordered("<=", value, lanes.zero)
        lanes.store(builder.select(below, lanes.zero, one), slopes, place)
        lanes.store(builder.select(below, lanes.zero, value), values, place)
        return []

    emit_loop(builder, lanes.integer(0), count, lanes.count, [], block)


def _emit_gather(builder: Any, matrix_dtype: Any, dtype: Any, args: Any) -> None:
    data, features, index, rows, out = args
    lanes = Lanes(builder, dtype, VECTOR_BYTES)
    source = PickedRows(lanes, matrix_dtype, data, features)
    padded = builder.add(features, lanes.integer(ROW - 1))
    padded = builder.mul(builder.sdiv(padded, lanes.integer(ROW)), lanes.integer(ROW))

    def row(number: Any, _: list[Any]) -> list[Any]:
        begin, target = source.start(index, number), builder.mul(number, padded)

        def block(column: Any, _: list[Any]) -> list[Any]:
            lanes.store(source.load(builder.add(begin, column)), out, builder.add(target, column))
            return []

        def nothing(column: Any, _: list[Any]) -> list[Any]:
            lanes.store(lanes.zero, out, builder.add(target, column))
            return []

        emit_loop(builder, lanes.integer(0), source.last, lanes.count, [], block)
        lanes.store(source.load_last(builder.add(begin, source.last)), out, builder.add(target, source.last))
        after = builder.add(source.last, lanes.integer(lanes.count))
        emit_loop(builder, after, padded, lanes.count, [], nothing)
        return []

    emit_loop(builder, lanes.integer(0), rows, 1, [], row)


def flat_call(emit: Any) -> Any:
    """Make instructions of an emitter of pointers and whole numbers: an array and a place are one pointer."""

    def instructions(typingctx: Any, *given: Any) -> Any:
        arrays = [kind for kind in given if isinstance(kind, types.Array)]
        check_layout(*arrays)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            arguments = []
            pointer = None
            for kind, value in zip(given, cgutils.unpack_tuple(builder, args[0], len(given)), strict=True):
                if isinstance(kind, types.Array):
                    pointer, _ = array_parts(context, builder, kind, value)
                    continue
                number = context.cast(builder, value, kind, types.int64)
                arguments.append(number if pointer is None else builder.gep(pointer, [number]))
                pointer = None
            call_once(builder, emit, (arrays[-1].dtype,), arguments)
            return context.get_dummy_value()

        return types.none(types.StarArgTuple(given)), generate  # type: ignore[attr-defined]

    return instructions


def _gather(typingctx: Any, X: Any, index: Any, index_at: Any, rows: Any, out: Any, out_at: Any) -> Any:
    check_layout(X, index, out)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, shape = array_parts(context, builder, X, args[0])
        picked, _ = array_parts(context, builder, index, args[1])
        room, _ = array_parts(context, builder, out, args[4])
        values = [data, shape[1], builder.gep(picked, [args[2]]), args[3], builder.gep(room, [args[5]])]
        call_once(builder, _emit_gather, (X.dtype, out.dtype), values)
        return context.get_dummy_value()

    return types.none(X, index, types.int64, types.int64, out, types.int64), generate


compile_as(flat_call(_emit_elementwise("fmul")), scale)
compile_as(flat_call(_emit_elementwise("fadd")), add)
compile_as(flat_call(_emit_rectify), rectify)
compile_as(_gather, gather)
