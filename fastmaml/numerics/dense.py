"""Small matrix products for the layers of a network, and transposes.

Everything is laid out in rows that are padded with zeros to a multiple of `ROW` numbers, so that no load and
no store needs a mask. The product keeps a tile of some rows by some vectors of the result in registers while
it goes along the inner dimension; tiles were chosen so that the sixteen registers of AVX2 hold them (K. Goto
and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", 2008, section 4, without their
packing: everything here fits the first-level cache). Each function has its meaning in plain Python beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from fastmaml.numerics.lanes import FOUR, Lanes, array_parts, call_once, check_layout, compile_as
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


def multiply(
    left: Any,
    row_step: int,
    inner_step: int,
    right: Any,
    start: Any,
    start_step: int,
    rows: int,
    inner: int,
    width: int,
    out: Any,
) -> None:
    """Write ``start + left @ right``.

    All arrays are flat. left (rows, inner): entry (m, k) at ``m * row_step + k * inner_step``. right (inner,
    width), out (rows, width): width is a multiple of `ROW`. start: row m at ``m * start_step``, which is 0
    for one row that serves all; may be out itself.
    """
    for m in range(rows):
        total = start[m * start_step : m * start_step + width].copy()
        for k in range(inner):
            total += left[m * row_step + k * inner_step] * right[k * width : (k + 1) * width]
        out[m * width : (m + 1) * width] = total


def multiply_vector(
    matrix: Any, vector: Any, start: Any, start_step: int, rows: int, width: int, out: Any
) -> None:
    """Write ``start + matrix @ vector`` of a flat matrix (rows, width); width is a multiple of `ROW`.

    start: one number for all rows, or with a step of 1 one for each; may be out itself. out has room for
    rows rounded up to a multiple of 4.
    """
    out[:rows] = (
        start[: rows if start_step else 1] + matrix[: rows * width].reshape(rows, width) @ vector[:width]
    )


def transpose(matrix: Any, rows: int, columns: int, out: Any) -> None:
    """Write a flat matrix (rows, padded_row(columns)) the other way round: (columns, padded_row(rows)).

    Its padding is set to zero, and so are the rows of out from ``columns`` on, up to a multiple of `ROW`.
    """
    wide, high = padded_row(columns), padded_row(rows)
    square = np.zeros((high, wide), out.dtype)
    square[:rows, :columns] = matrix[: rows * wide].reshape(rows, wide)[:, :columns]
    out[: wide * high] = square.T.reshape(-1)


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


if not config.DISABLE_JIT:

    def _flat_call(emit: Any, arrays: tuple[int, ...]) -> Any:
        """Make instructions of an emitter for flat arrays, at these places, and whole numbers."""

        @intrinsic
        def instructions(typingctx: Any, *given: Any) -> Any:
            check_layout(*[given[i] for i in arrays])

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                values = cgutils.unpack_tuple(builder, args[0], len(given))
                for i, value in enumerate(values):
                    if i in arrays:
                        values[i], _ = array_parts(context, builder, given[i], value)
                    else:
                        values[i] = context.cast(builder, value, given[i], types.int64)
                call_once(builder, emit, (given[-1].dtype,), values)
                return context.get_dummy_value()

            return types.none(types.StarArgTuple(given)), generate  # type: ignore[attr-defined]

        return instructions

    compile_as(_flat_call(_emit_multiply, (0, 3, 4, 9)), multiply)
    compile_as(_flat_call(_emit_multiply_vector, (0, 1, 2, 6)), multiply_vector)
    compile_as(_flat_call(_emit_transpose, (0, 3)), transpose)
