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
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic, overload

from fastmaml.runtime.compilation import KERNEL_FLAGS
from fastmaml.runtime.emission import WORD, emit_loop, splat

LANE_BYTES = 64
# Rows whose dot products are summed up together: one shuffle serves four.
GROUP = 4
# Lane blocks of a sum of rows that are kept in registers at once.
WIDE = 4


def rows_times_vector(X: Any, index: Any, rows: int, vector: Any, out: Any) -> None:
    """Write the dot product of each picked row with the beginning of a vector.

    X (any, features), index (>= rows rounded up to a multiple of 4,) of int64, vector (>= features, whole
    lane blocks,), out (as index,): entries from ``rows`` on may be overwritten with anything finite.
    """
    for r in range(rows):
        out[r] = np.dot(X[index[r]].astype(vector.dtype), vector[: X.shape[1]])


def vector_times_rows(coefficients: Any, X: Any, index: Any, rows: int, out: Any) -> None:
    """Write the sum of the picked rows, each times its coefficient.

    coefficients (>= rows,), X (any, features), index (>= rows,) of int64, out (>= features, whole lane
    blocks,): entries from ``features`` on may be overwritten with zeros.
    """
    out[: X.shape[1]] = 0
    for r in range(rows):
        out[: X.shape[1]] += coefficients[r] * X[index[r]].astype(out.dtype)


class _Lanes:
    """Vector instructions on lane blocks of one float type, emitted where a builder stands."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.scalar = context.get_value_type(dtype)
        self.itemsize = dtype.bitwidth // 8
        self.count = LANE_BYTES // self.itemsize
        self.vector = ir.VectorType(self.scalar, self.count)
        self.zero = ir.Constant(self.vector, None)

    def integer(self, value: int) -> Any:
        return ir.Constant(WORD, value)

    def address(self, base: Any, index: Any, vector: Any = None) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [index]), (vector or self.vector).as_pointer())

    def load(self, base: Any, index: Any) -> Any:
        return self.builder.load(self.address(base, index), align=self.itemsize)

    def first(self, count: Any) -> Any:
        """Return a mask of the first ``count`` lanes."""
        # Integers as wide as the lanes: their comparison is the mask, and need not be packed.
        integer = ir.IntType(8 * self.itemsize)
        numbers = ir.Constant(ir.VectorType(integer, self.count), list(range(self.count)))
        limit = count if integer == WORD else self.builder.trunc(count, integer)
        return self.builder.icmp_signed("<", numbers, self.splat(limit))

    def store(self, value: Any, base: Any, index: Any) -> None:
        self.builder.store(value, self.address(base, index, value.type), align=self.itemsize)

    def splat(self, value: Any) -> Any:
        return splat(self.builder, value, self.count)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        name = f"llvm.fmuladd.v{self.count}f{8 * self.itemsize}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [a, b, c])

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def fold_to_four(self, value: Any) -> Any:
        """Add the upper half to the lower until four lanes are left."""
        count = self.count
        while count > GROUP:
            count //= 2
            low = self.shuffle(value, value, list(range(count)))
            high = self.shuffle(value, value, list(range(count, 2 * count)))
            value = self.builder.fadd(low, high)
        return value

    def sums_of_four(self, values: list[Any]) -> Any:
        """Return the sums over the lanes of four vectors, as one vector of four."""
        a, b, c, d = (self.fold_to_four(value) for value in values)
        ab = self.builder.fadd(self.shuffle(a, b, [0, 4, 2, 6]), self.shuffle(a, b, [1, 5, 3, 7]))
        cd = self.builder.fadd(self.shuffle(c, d, [0, 4, 2, 6]), self.shuffle(c, d, [1, 5, 3, 7]))
        return self.builder.fadd(self.shuffle(ab, cd, [0, 1, 4, 5]), self.shuffle(ab, cd, [2, 3, 6, 7]))


class _Rows:
    """Loads from the picked rows of a matrix, converted to the lanes' type."""

    def __init__(self, lanes: _Lanes, context: Any, matrix_type: Any, matrix: Any, index: Any) -> None:
        self.lanes, self.builder, self.index = lanes, lanes.builder, index
        self.data = matrix.data
        self.features = cgutils.unpack_tuple(self.builder, matrix.shape)[1]
        self.scalar = context.get_value_type(matrix_type.dtype)
        self.itemsize = matrix_type.dtype.bitwidth // 8
        self.vector = ir.VectorType(self.scalar, lanes.count)
        # All blocks but the last are whole; the last one is loaded under a mask.
        blocks = self.builder.sdiv(
            self.builder.add(self.features, lanes.integer(lanes.count - 1)), lanes.integer(lanes.count)
        )
        self.last = self.builder.mul(self.builder.sub(blocks, lanes.integer(1)), lanes.integer(lanes.count))
        self.mask = lanes.first(self.builder.sub(self.features, self.last))

    def start(self, row: Any) -> Any:
        """Return the position of the first entry of a picked row."""
        return self.builder.mul(self.builder.load(self.builder.gep(self.index, [row])), self.features)

    def load(self, position: Any) -> Any:
        """Load a whole lane block."""
        address = self.lanes.address(self.data, position, self.vector)
        return self._converted(self.builder.load(address, align=self.itemsize))

    def load_last(self, position: Any) -> Any:
        """Load the last lane block of a row, zeros behind its end."""
        name = f"llvm.masked.load.v{self.lanes.count}f{8 * self.itemsize}.p0"
        pointer, bits = self.vector.as_pointer(), self.mask.type
        kind = ir.FunctionType(self.vector, [pointer, ir.IntType(32), bits, self.vector])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        address = self.lanes.address(self.data, position, self.vector)
        align, zero = ir.Constant(ir.IntType(32), self.itemsize), ir.Constant(self.vector, None)
        return self._converted(self.builder.call(function, [address, align, self.mask, zero]))

    def _converted(self, value: Any) -> Any:
        if self.itemsize > self.lanes.itemsize:
            return self.builder.fptrunc(value, self.lanes.vector)
        if self.itemsize < self.lanes.itemsize:
            return self.builder.fpext(value, self.lanes.vector)
        return value


def _array(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    return context.make_array(array_type)(context, builder, value)


if not config.DISABLE_JIT:

    @intrinsic
    def _rows_times_vector(typingctx: Any, X: Any, index: Any, rows: Any, vector: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            lanes = _Lanes(context, builder, signature.args[3].dtype)
            matrix, picked, right, result = (
                _array(context, builder, signature.args[i], args[i]) for i in (0, 1, 3, 4)
            )
            picks = _Rows(lanes, context, signature.args[0], matrix, picked.data)

            def group(row: Any, _: list[Any]) -> list[Any]:
                starts = [picks.start(builder.add(row, lanes.integer(i))) for i in range(GROUP)]

                def block(load: Any, column: Any, sums: list[Any]) -> list[Any]:
                    factor = lanes.load(right.data, column)
                    return [
                        lanes.multiply_add(load(builder.add(start, column)), factor, total)
                        for start, total in zip(starts, sums, strict=True)
                    ]

                sums = emit_loop(
                    builder,
                    lanes.integer(0),
                    picks.last,
                    lanes.count,
                    [lanes.zero] * GROUP,
                    lambda column, sums: block(picks.load, column, sums),
                )
                sums = block(picks.load_last, picks.last, sums)
                lanes.store(lanes.sums_of_four(sums), result.data, row)
                return []

            emit_loop(builder, lanes.integer(0), args[2], GROUP, [], group)
            return context.get_dummy_value()

        return types.none(X, index, types.int64, vector, out), generate

    @intrinsic
    def _vector_times_rows(typingctx: Any, coefficients: Any, X: Any, index: Any, rows: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            lanes = _Lanes(context, builder, signature.args[0].dtype)
            left, matrix, picked, result = (
                _array(context, builder, signature.args[i], args[i]) for i in (0, 1, 2, 4)
            )
            picks = _Rows(lanes, context, signature.args[1], matrix, picked.data)

            def span(column: Any, loads: list[Any]) -> None:
                """Sum up and store as many lane blocks as there are ways to load them."""

                def row(r: Any, sums: list[Any]) -> list[Any]:
                    factor = lanes.splat(builder.load(builder.gep(left.data, [r])))
                    start = builder.add(picks.start(r), column)
                    return [
                        lanes.multiply_add(
                            factor, load(builder.add(start, lanes.integer(i * lanes.count))), total
                        )
                        for i, (load, total) in enumerate(zip(loads, sums, strict=True))
                    ]

                sums = emit_loop(builder, lanes.integer(0), args[3], 1, [lanes.zero] * len(loads), row)
                for i, total in enumerate(sums):
                    lanes.store(total, result.data, builder.add(column, lanes.integer(i * lanes.count)))

            def wide(column: Any, _: list[Any]) -> list[Any]:
                span(column, [picks.load] * WIDE)
                return []

            # As many spans of whole blocks as leave one to four blocks, of which the last is partial.
            wide_width = lanes.integer(WIDE * lanes.count)
            wide_end = builder.mul(builder.sdiv(picks.last, wide_width), wide_width)
            emit_loop(builder, lanes.integer(0), wide_end, WIDE * lanes.count, [], wide)
            left_over = builder.sdiv(builder.sub(picks.last, wide_end), lanes.integer(lanes.count))
            after = builder.append_basic_block("done")
            choices = [builder.append_basic_block(f"whole.{count}") for count in range(WIDE)]
            switch = builder.switch(left_over, choices[0])
            for count, choice in enumerate(choices):
                if count:
                    switch.add_case(lanes.integer(count), choice)
                builder.position_at_end(choice)
                span(wide_end, [picks.load] * count + [picks.load_last])
                builder.branch(after)
            builder.position_at_end(after)
            return context.get_dummy_value()

        return types.none(coefficients, X, index, types.int64, out), generate

    def _compile_as(instructions: Any, function: Any) -> None:
        """Let compiled code that calls the function run the instructions instead."""

        def implementation(*args: Any) -> Any:
            return instructions(*args)

        overload(function, jit_options=KERNEL_FLAGS, strict=False)(lambda *args: implementation)

    _compile_as(_rows_times_vector, rows_times_vector)
    _compile_as(_vector_times_rows, vector_times_rows)
