"""Small matrix products for the layers of a network, and transposes.

Rows and places are those of `fastmaml.numerics.flat`. The product keeps a tile of some rows by some vectors
of the result in registers while it goes along the inner dimension; tiles were chosen so that the sixteen
registers of AVX2 hold them (K. Goto and R. A. van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008, section 4, without their packing: everything here fits the first-level cache).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from fastmaml.numerics.flat import ROW, VECTOR_BYTES, flat_call, padded_row, part_of
from fastmaml.numerics.lanes import FOUR, Lanes, compile_as
from fastmaml.runtime.emission import emit_loop

# Rows and vectors of a tile: 4 x 3 sums, 3 vectors and a factor are 16 registers. A single vector needs more
# rows: eight sums at once keep two multipliers busy that take four cycles.
TILE_ROWS = (4, 2, 1)
TILE_ROWS_OF_ONE = (8, 4, 2, 1)
TILE_VECTORS = 3


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
    product = left.reshape(-1)[left_at + entries] @ part_of(right, right_at, inner * width).reshape(
        inner, width
    )
    part_of(out, out_at, rows * width)[:] = (before + product).reshape(-1)


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
    before = part_of(start, start_at, rows if start_step else 1)
    table = part_of(matrix, matrix_at, rows * width).reshape(rows, width)
    product = table @ part_of(vector, vector_at, width)
    part_of(out, out_at, rows)[:] = before + product


def transpose(matrix: Any, matrix_at: int, rows: int, columns: int, out: Any, out_at: int) -> None:
    """Write a matrix (rows, padded_row(columns)) the other way round: (columns, padded_row(rows)).

    Its padding is set to zero, and so are the rows of out from ``columns`` on, up to a multiple of `ROW`.
    """
    wide, high = padded_row(columns), padded_row(rows)
    square = np.zeros((high, wide), out.dtype)
    square[:rows, :columns] = part_of(matrix, matrix_at, rows * wide).reshape(rows, wide)[:, :columns]
    part_of(out, out_at, wide * high)[:] = square.T.reshape(-1)


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
        for height in TILE_ROWS_OF_ONE if vectors == 1 else TILE_ROWS:
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
    lanes = Lanes(builder, dtype, VECTOR_BYTES)
    wide, high = (
        builder.mul(
            builder.sdiv(builder.add(length, lanes.integer(ROW - 1)), lanes.integer(ROW)), lanes.integer(ROW)
        )
        for length in (columns, rows)
    )
    side = lanes.count

    def some_rows(row: Any, load: Any) -> None:
        """Transpose as many rows as a vector has lanes."""
        target = builder.gep(out, [row])

        def some_columns(column: Any, _: list[Any]) -> list[Any]:
            parts = [load(i, column) for i in range(side)]
            for i, value in enumerate(_turned(lanes, parts)):
                number = builder.add(column, lanes.integer(i))
                lanes.store(value, target, builder.mul(number, high))
            return []

        emit_loop(builder, lanes.integer(0), wide, side, [], some_columns)

    def whole(row: Any, _: list[Any]) -> list[Any]:
        begins = [builder.mul(builder.add(row, lanes.integer(i)), wide) for i in range(side)]
        some_rows(row, lambda i, column: lanes.load(matrix, builder.add(begins[i], column)))
        return []

    def broken(row: Any, _: list[Any]) -> list[Any]:
        """Take zeros for the rows behind the last."""
        there = [builder.icmp_signed("<", builder.add(row, lanes.integer(i)), rows) for i in range(side)]

        def load(i: int, column: Any) -> Any:
            number = builder.select(there[i], builder.add(row, lanes.integer(i)), lanes.integer(0))
            value = lanes.load(matrix, builder.add(builder.mul(number, wide), column))
            return builder.select(there[i], value, lanes.zero)

        some_rows(row, load)
        return []

    end = builder.mul(builder.sdiv(rows, lanes.integer(side)), lanes.integer(side))
    emit_loop(builder, lanes.integer(0), end, side, [], whole)
    emit_loop(builder, end, high, side, [], broken)


def _turned(lanes: Lanes, rows: list[Any]) -> list[Any]:
    """Transpose a square of vectors, in steps that exchange ever larger parts of two of them.

    Each step is the transpose of two by two squares of ``size`` lanes. Those within 16 bytes interleave, for
    which there is an instruction; the order of lanes and vectors that this leaves is put right at the end.
    """
    side = lanes.count
    half = side // 2
    # Where lane l of vector v of the result stands: row and lane of what was given.
    places = [[(row, lane) for lane in range(side)] for row in range(side)]
    vectors = list(rows)

    def exchange(first: int, second: int, order: tuple[list[int], list[int]]) -> None:
        a, b = vectors[first], vectors[second]
        both = places[first] + places[second]
        vectors[first], vectors[second] = (lanes.shuffle(a, b, chosen) for chosen in order)
        places[first], places[second] = ([both[lane] for lane in chosen] for chosen in order)

    within = half // 2
    # Interleave single lanes, then pairs, within each 16 bytes.
    size = 1
    while size <= within:
        low = [
            begin + of * side + k
            for base in (0, half)
            for begin in range(base, base + within, size)
            for of in (0, 1)
            for k in range(size)
        ]
        high = [lane + within for lane in low]
        for first in range(side):
            if not first & size:
                exchange(first, first + size, (low, high))
        size *= 2
    # Exchange whole 16 bytes.
    order = ([*range(half), *range(side, side + half)], [*range(half, side), *range(side + half, 2 * side)])
    for first in range(half):
        exchange(first, first + half, order)
    result = [None] * side
    for vector, stands in zip(vectors, places, strict=True):
        column = stands[0][1]
        assert stands == [(row, column) for row in range(side)]
        result[column] = vector
    return result


compile_as(flat_call(_emit_multiply), multiply)
compile_as(flat_call(_emit_multiply_vector), multiply_vector)
compile_as(flat_call(_emit_transpose), transpose)
