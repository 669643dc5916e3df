"""Products of a few rows of a matrix with a vector, from both sides: what a layer costs.

Written as vector instructions, not as loops to be vectorised: for rows of some fifty entries the compiler's
own vector loops spend half of their time in what stands before and after them. A *lane block* is 64 bytes,
whatever registers the processor makes of it; the last, partial block of a row is loaded under a mask, so
nothing is read that is not part of the row. The order of every sum is written down here, so it is the same
wherever it is called.

Rows are picked by an index, and a matrix of the other precision is converted as it is loaded. So a task's
rows may stay where they are, in the user's table. Each function has its meaning in plain Python beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types

from fastmaml.numerics.lanes import Lanes, PickedRows, array_parts, call_once, check_layout, compile_as
from fastmaml.runtime.emission import emit_loop

# Rows whose dot products are summed up together: one shuffle serves four.
GROUP = 4
# Lane blocks of a sum of rows that are kept in registers at once.
WIDE = 4


def rows_times_vectors(X: Any, index: Any, count: Any, vectors: Any, stride: int, out: Any) -> None:
    """Write, for each of a few tasks, the dot products of its picked rows with its vector's beginning.

    X (any, features), index (tasks, >= counts rounded up to a multiple of 4) of int64, count (tasks,) of
    int64, vectors (tasks, >= features, whole lane blocks), out (tasks * stride,): a task's products begin at
    a multiple of the stride, which is at least every count rounded up to a multiple of 4; what stands between
    may be overwritten with anything finite.
    """
    for task in range(count.size):
        for r in range(count[task]):
            row = X[index[task, r]].astype(vectors.dtype)
            out[task * stride + r] = np.dot(row, vectors[task, : X.shape[1]])


def vectors_times_rows(coefficients: Any, stride: int, X: Any, index: Any, count: Any, out: Any) -> None:
    """Write, for each of a few tasks, the sum of its picked rows, each times its coefficient.

    coefficients (tasks * stride,): a task's begin at a multiple of the stride; X, index and count as above;
    out (tasks, >= features, whole lane blocks): entries from ``features`` on may be overwritten with zeros.
    """
    for task in range(count.size):
        out[task, : X.shape[1]] = 0
        for r in range(count[task]):
            row = X[index[task, r]].astype(out.dtype)
            out[task, : X.shape[1]] += coefficients[task * stride + r] * row


def _emit_rows_times_vectors(builder: Any, matrix_dtype: Any, dtype: Any, args: Any) -> None:
    data, features, index, index_stride, count, tasks, vectors, width, stride, out = args
    lanes = Lanes(builder, dtype)
    rows = PickedRows(lanes, matrix_dtype, data, features)

    def task(number: Any, _: list[Any]) -> list[Any]:
        picked = builder.gep(index, [builder.mul(number, index_stride)])
        vector = builder.gep(vectors, [builder.mul(number, width)])
        result = builder.gep(out, [builder.mul(number, stride)])

        def group(row: Any, _: list[Any]) -> list[Any]:
            starts = [rows.start(picked, builder.add(row, lanes.integer(i))) for i in range(GROUP)]

            def block(load: Any, column: Any, sums: list[Any]) -> list[Any]:
                factor = lanes.load(vector, column)
                return [
                    lanes.multiply_add(load(builder.add(start, column)), factor, total)
                    for start, total in zip(starts, sums, strict=True)
                ]

            sums = emit_loop(
                builder,
                lanes.integer(0),
                rows.last,
                lanes.count,
                [lanes.zero] * GROUP,
                lambda column, sums: block(rows.load, column, sums),
            )
            sums = block(rows.load_last, rows.last, sums)
            lanes.store(lanes.sums_of_four(sums), result, row)
            return []

        emit_loop(builder, lanes.integer(0), builder.load(builder.gep(count, [number])), GROUP, [], group)
        return []

    emit_loop(builder, lanes.integer(0), tasks, 1, [], task)


def _emit_vectors_times_rows(builder: Any, matrix_dtype: Any, dtype: Any, args: Any) -> None:
    data, features, index, index_stride, count, tasks, coefficients, stride, width, out = args
    lanes = Lanes(builder, dtype)
    rows = PickedRows(lanes, matrix_dtype, data, features)

    def span(column: Any, loads: list[Any]) -> None:
        """Sum up and store as many lane blocks as there are ways to load them, for all tasks."""

        def task(number: Any, _: list[Any]) -> list[Any]:
            picked = builder.gep(index, [builder.mul(number, index_stride)])
            left = builder.gep(coefficients, [builder.mul(number, stride)])
            result = builder.gep(out, [builder.mul(number, width)])

            def row(r: Any, sums: list[Any]) -> list[Any]:
                factor = lanes.splat(builder.load(builder.gep(left, [r])))
                start = builder.add(rows.start(picked, r), column)
                return [
                    lanes.multiply_add(
                        factor, load(builder.add(start, lanes.integer(i * lanes.count))), total
                    )
                    for i, (load, total) in enumerate(zip(loads, sums, strict=True))
                ]

            number_of_rows = builder.load(builder.gep(count, [number]))
            sums = emit_loop(builder, lanes.integer(0), number_of_rows, 1, [lanes.zero] * len(loads), row)
            for i, total in enumerate(sums):
                lanes.store(total, result, builder.add(column, lanes.integer(i * lanes.count)))
            return []

        emit_loop(builder, lanes.integer(0), tasks, 1, [], task)

    def wide(column: Any, _: list[Any]) -> list[Any]:
        span(column, [rows.load] * WIDE)
        return []

    # As many spans of whole blocks as leave one to four blocks, of which the last is partial.
    wide_width = lanes.integer(WIDE * lanes.count)
    wide_end = builder.mul(builder.sdiv(rows.last, wide_width), wide_width)
    emit_loop(builder, lanes.integer(0), wide_end, WIDE * lanes.count, [], wide)
    left_over = builder.sdiv(builder.sub(rows.last, wide_end), lanes.integer(lanes.count))
    after = builder.append_basic_block("done")
    choices = [builder.append_basic_block(f"whole.{number}") for number in range(WIDE)]
    switch = builder.switch(left_over, choices[0])
    for number, choice in enumerate(choices):
        if number:
            switch.add_case(lanes.integer(number), choice)
        builder.position_at_end(choice)
        span(wide_end, [rows.load] * number + [rows.load_last])
        builder.branch(after)
    builder.position_at_end(after)


def _rows_times_vectors(
    typingctx: Any, X: Any, index: Any, count: Any, vectors: Any, stride: Any, out: Any
) -> Any:
    check_layout(X, index, count, vectors, out)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (X_data, X_shape), (index_data, index_shape), (count_data, count_shape), (data, shape) = (
            array_parts(context, builder, signature.args[i], args[i]) for i in range(4)
        )
        out_data, _ = array_parts(context, builder, out, args[5])
        values = [X_data, X_shape[1], index_data, index_shape[1], count_data, count_shape[0]]
        values += [data, shape[1], args[4], out_data]
        call_once(builder, _emit_rows_times_vectors, (X.dtype, vectors.dtype), values)
        return context.get_dummy_value()

    return types.none(X, index, count, vectors, types.int64, out), generate


def _vectors_times_rows(
    typingctx: Any, coefficients: Any, stride: Any, X: Any, index: Any, count: Any, out: Any
) -> Any:
    check_layout(coefficients, X, index, count, out)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (X_data, X_shape), (index_data, index_shape), (count_data, count_shape), (data, shape) = (
            array_parts(context, builder, signature.args[i], args[i]) for i in range(2, 6)
        )
        coefficients_data, _ = array_parts(context, builder, coefficients, args[0])
        values = [X_data, X_shape[1], index_data, index_shape[1], count_data, count_shape[0]]
        values += [coefficients_data, args[1], shape[1], data]
        call_once(builder, _emit_vectors_times_rows, (X.dtype, out.dtype), values)
        return context.get_dummy_value()

    return types.none(coefficients, types.int64, X, index, count, out), generate


compile_as(_rows_times_vectors, rows_times_vectors)
compile_as(_vectors_times_rows, vectors_times_rows)
