"""Small matrix products for the layers of a network, and transposes.

Everything is laid out in rows that are padded with zeros to a multiple of `ROW` numbers, so that no load and
no store needs a mask. The product keeps a tile of some rows by some vectors of the result in registers while
it goes along the inner dimension; tiles were chosen so that the sixteen registers of AVX2 hold them (K. Goto
and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", 2008, section 4, without their
packing: everything here fits the first-level cache).

Arrays are taken for what lies flat in memory, from a place on that is given behind each: a slice would cost
more to compile, and to make, than what is done with it. Each function has its meaning in plain Python beside
it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from fastmaml.numerics.lanes import (
    FOUR,
    Lanes,
    PickedRows,
    array_parts,
    call_once,
    check_layout,
    compile_as,
)
from fastmaml.runtime.compilation import kernel
from fastmaml.runtime.emission import emit_loop

# Numbers that rows are padded to.
ROW = 8
VECTOR_BYTES = 32
# Rows and vectors of a tile: 4 x 3 sums, 3 vectors and a factor are 16 registers.
TILE_ROWS = (4, 2, 1)
TILE_VECTORS = 3


@kernel
def padded_row(length: int) -> int:
    """Return the length of a row of a matrix with so many columns."""
    return (length + ROW - 1) // ROW * ROW


def _from(array: Any, at: int, count: int) -> Any:
    return array.reshape(-1)[at : at + count]


def multiply(
    left: Any,
    left_at: int,
    row_step: int,
    inner_step: int,
    right: Any,
    right_at: int,
    start: Any,
    start_at: int,
    start_step: int,
    rows: int,
    inner: int,
    width: int,
    out: Any,
    out_at: int,
) -> None:
    """Write ``start + left @ right``.

    left (rows, inner): entry (m, k) at ``m * row_step + k * inner_step``. right (inner, width), out (rows,
    width): width is a multiple of `ROW`. start: row m at ``m * start_step``, which is 0 for one row that
    serves all; may be out itself.
    """
    entries = np.arange(rows)[:, np.newaxis] * row_step + np.arange(inner) * inner_step
    places = np.arange(rows)[:, np.newaxis] * start_step + np.arange(width)
    before = start.reshape(-1)[start_at + places]
    product = left.reshape(-1)[left_at + entries] @ _from(right, right_at, inner * width).reshape(
        inner, width
    )
    _from(out, out_at, rows * width)[:] = (before + product).reshape(-1)


def multiply_vector(
    matrix: Any,
    matrix_at: int,
    vector: Any,
    vector_at: int,
    start: Any,
    start_at: int,
    start_step: int,
    rows: int,
    width: int,
    out: Any,
    out_at: int,
) -> None:
    """Write ``start + matrix @ vector``; matrix (rows, width), width a multiple of `ROW`.

    start: one number for all rows, or with a step of 1 one for each; may be out itself. out has room for
    rows rounded up to a multiple of 4.
    """
    before = _from(start, start_at, rows if start_step else 1)
    product = _from(matrix, matrix_at, rows * width).reshape(rows, width) @ _from(vector, vector_at, width)
    _from(out, out_at, rows)[:] = before + product


def transpose(matrix: Any, matrix_at: int, rows: int, columns: int, out: Any, out_at: int) -> None:
    """Write a matrix (rows, padded_row(columns)) the other way round: (columns, padded_row(rows)).

    Its padding is set to zero, and so are the rows of out from ``columns`` on, up to a multiple of `ROW`.
    """
    wide, high = padded_row(columns), padded_row(rows)
    square = np.zeros((high, wide), out.dtype)
    square[:rows, :columns] = _from(matrix, matrix_at, rows * wide).reshape(rows, wide)[:, :columns]
    _from(out, out_at, wide * high)[:] = square.T.reshape(-1)


def scale(factors: Any, factors_at: int, count: int, out: Any, out_at: int) -> None:
    """Multiply ``count`` numbers of out, a multiple of `ROW`, by factors."""
    _from(out, out_at, count)[:] *= _from(factors, factors_at, count)


def add(addends: Any, addends_at: int, count: int, out: Any, out_at: int) -> None:
    """Add addends to ``count`` numbers of out, a multiple of `ROW`."""
    _from(out, out_at, count)[:] += _from(addends, addends_at, count)


def gather(X: Any, index: Any, index_at: int, rows: int, out: Any, out_at: int) -> None:
    """Write picked rows of a matrix X (any, features), of either precision, padded with zeros."""
    features = X.shape[1]
    room = _from(out, out_at, rows * padded_row(features)).reshape(rows, -1)
    room[:, features:] = 0
    room[:, :features] = X[_from(index, index_at, rows)]


def _emit_multiply(builder: Any, dtype: Any, args: Any) -> None:
    left, row_step, inner_step, right, start, start_step, rows, inner, width, out = args
    lanes = Lanes(builder, dtype, VECTOR_BYTES)

    def tile(first_row: Any, column: Any, height: int, vectors: int) -> None:
        columns = [builder.add(column, lanes.integer(i * lanes.count)) for i in range(vectors)]
        numbers = [builder.add(first_row, lanes.integer(i)) for i in range(height)]
        sums = [
            lanes.load(start, builder.add(builder.mul(number, start_step), place))
            for number in numbers
            for place in columns
        ]
        lefts = [builder.gep(left, [builder.mul(number, row_step)]) for number in numbers]

        def step(k: Any, sums: list[Any]) -> list[Any]:
            base = builder.mul(k, width)
            factors = [lanes.load(right, builder.add(base, place)) for place in columns]
            offset = builder.mul(k, inner_step)
            results = []
            for i, entries in enumerate(lefts):
                scale = lanes.splat(builder.load(builder.gep(entries, [offset])))
                for j, factor in enumerate(factors):
                    results.append(lanes.multiply_add(scale, factor, sums[i * vectors + j]))
            return results

        sums = emit_loop(builder, lanes.integer(0), inner, 1, sums, step)
        for i, number in enumerate(numbers):
            base = builder.mul(number, width)
            for j, place in enumerate(columns):
                lanes.store(sums[i * vectors + j], out, builder.add(base, place))

    def column_tiles(column: Any, vectors: int) -> None:
        first = lanes.integer(0)
        for height in TILE_ROWS:
            whole = builder.mul(
                builder.sdiv(builder.sub(rows, first), lanes.integer(height)), lanes.integer(height)
            )
            end = builder.add(first, whole)

            def some_rows(row: Any, _: list[Any], height: int = height) -> list[Any]:
                tile(row, column, height, vectors)
                return []

            emit_loop(builder, first, end, height, [], some_rows)
            first = end

    # Three vectors at a time, unless that leaves one alone: four are two and two.
    step = lanes.integer(TILE_VECTORS * lanes.count)
    pair = lanes.integer(2 * lanes.count)
    wide_end = builder.mul(builder.sdiv(width, step), step)
    alone = builder.icmp_signed("==", builder.sub(width, wide_end), lanes.integer(lanes.count))
    enough = builder.icmp_signed(">", wide_end, lanes.integer(0))
    wide_end = builder.select(builder.and_(alone, enough), builder.sub(wide_end, step), wide_end)
    pair_end = builder.add(wide_end, builder.mul(builder.sdiv(builder.sub(width, wide_end), pair), pair))
    for begin, end, vectors in (
        (lanes.integer(0), wide_end, TILE_VECTORS),
        (wide_end, pair_end, 2),
        (pair_end, width, 1),
    ):

        def columns(column: Any, _: list[Any], vectors: int = vectors) -> list[Any]:
            column_tiles(column, vectors)
            return []

        emit_loop(builder, begin, end, vectors * lanes.count, [], columns)


def _emit_multiply_vector(builder: Any, dtype: Any, args: Any) -> None:
    matrix, vector, start, start_step, rows, width, out = args
    lanes = Lanes(builder, dtype, VECTOR_BYTES)

    def group(first: Any, _: list[Any]) -> list[Any]:
        starts = []
        before = ir.Constant(ir.VectorType(lanes.scalar, FOUR), ir.Undefined)
        for i in range(FOUR):
            number = builder.add(first, lanes.integer(i))
            number = builder.select(builder.icmp_signed("<", number, rows), number, first)
            starts.append(builder.mul(number, width))
            value = builder.load(builder.gep(start, [builder.mul(number, start_step)]))
            before = builder.insert_element(before, value, lanes.integer(i))

        def block(column: Any, sums: list[Any]) -> list[Any]:
            factor = lanes.load(vector, column)
            return [
                lanes.multiply_add(lanes.load(matrix, builder.add(start, column)), factor, total)
                for start, total in zip(starts, sums, strict=True)
            ]

        sums = emit_loop(builder, lanes.integer(0), width, lanes.count, [lanes.zero] * FOUR, block)
        lanes.store(builder.fadd(before, lanes.sums_of_four(sums)), out, first)
        return []

    emit_loop(builder, lanes.integer(0), rows, FOUR, [], group)


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


def _emit_transpose(builder: Any, dtype: Any, args: Any) -> None:
    matrix, rows, columns, out = args
    lanes = Lanes(builder, dtype, FOUR * dtype.bitwidth // 8)
    wide, high = (
        builder.mul(
            builder.sdiv(builder.add(length, lanes.integer(ROW - 1)), lanes.integer(ROW)), lanes.integer(ROW)
        )
        for length in (columns, rows)
    )
    side = lanes.count

    def block(row: Any, column: Any) -> None:
        """Transpose four by four numbers; rows behind the last are zeros."""
        parts = []
        for i in range(side):
            number = builder.add(row, lanes.integer(i))
            there = builder.icmp_signed("<", number, rows)
            number = builder.select(there, number, lanes.integer(0))
            value = lanes.load(matrix, builder.add(builder.mul(number, wide), column))
            parts.append(builder.select(there, value, lanes.zero))
        low = [lanes.shuffle(parts[i], parts[i + 1], [0, 4, 1, 5]) for i in (0, 2)]
        high_halves = [lanes.shuffle(parts[i], parts[i + 1], [2, 6, 3, 7]) for i in (0, 2)]
        turned = [
            lanes.shuffle(pair[0], pair[1], order)
            for pair in (low, high_halves)
            for order in ([0, 1, 4, 5], [2, 3, 6, 7])
        ]
        for i, value in enumerate(turned):
            number = builder.add(column, lanes.integer(i))
            lanes.store(value, out, builder.add(builder.mul(number, high), row))

    def some_rows(row: Any, _: list[Any]) -> list[Any]:
        def some_columns(column: Any, _: list[Any]) -> list[Any]:
            block(row, column)
            return []

        emit_loop(builder, lanes.integer(0), wide, side, [], some_columns)
        return []

    emit_loop(builder, lanes.integer(0), high, side, [], some_rows)


def _flat_call(emit: Any) -> Any:
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


compile_as(_flat_call(_emit_multiply), multiply)
compile_as(_flat_call(_emit_multiply_vector), multiply_vector)
compile_as(_flat_call(_emit_transpose), transpose)
compile_as(_flat_call(_emit_elementwise("fmul")), scale)
compile_as(_flat_call(_emit_elementwise("fadd")), add)
compile_as(_gather, gather)
