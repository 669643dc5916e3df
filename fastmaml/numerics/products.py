"""Products of a small block of rows with a vector, from both sides, and copies of rows: what a layer costs.

Written as vector instructions, not as loops to be vectorised: for rows of some fifty entries the compiler's
own vector loops spend half of their time in what stands before and after them. A *lane block* is 64 bytes,
whatever registers the processor makes of it. The order of every sum is written down here, so it is the same
wherever it is called.

Rows lie ``stride`` entries apart and are read a whole number of lane blocks wide, whatever the stride
(`fastmaml.numerics.layout`). Each function has its meaning in plain Python beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic, overload

from fastmaml.runtime.compilation import KERNEL_FLAGS

LANE_BYTES = 64
# Rows whose dot products are summed up together: one shuffle serves four.
GROUP = 4
# Lane blocks of a sum of rows that are kept in registers at once.
WIDE = 4
INDEX = ir.IntType(64)


def rows_times_vector(X: Any, rows: int, vector: Any, out: Any) -> None:
    """Write the dot product of each row with a vector.

    X (allocated rows, stride), vector (width,) with zero padding, out (>= rows rounded up to a multiple of
    4,): entries from ``rows`` on may be overwritten with anything finite.
    """
    flat, stride, width = X.reshape(-1), X.shape[1], vector.size
    for r in range(rows):
        out[r] = np.dot(flat[r * stride : r * stride + width], vector)


def vector_times_rows(coefficients: Any, X: Any, rows: int, out: Any) -> None:
    """Write the sum of the rows, each times its coefficient.

    coefficients (>= rows,), X (allocated rows, stride), out (width,): what a row has behind its features gets
    summed up as well.
    """
    flat, stride, width = X.reshape(-1), X.shape[1], out.size
    out[:] = 0
    for r in range(rows):
        out += coefficients[r] * flat[r * stride : r * stride + width]


def copy_row(source: Any, begin: int, out: Any) -> None:
    """Write ``source[begin : begin + out.size]``, whole lane blocks, to out, in the dtype of out."""
    out[:] = source[begin : begin + out.size]


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
        return ir.Constant(INDEX, value)

    def address(self, base: Any, index: Any, vector: Any = None) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [index]), (vector or self.vector).as_pointer())

    def load(self, base: Any, index: Any) -> Any:
        return self.builder.load(self.address(base, index), align=self.itemsize)

    def store(self, value: Any, base: Any, index: Any) -> None:
        self.builder.store(value, self.address(base, index, value.type), align=self.itemsize)

    def splat(self, value: Any) -> Any:
        single = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, self.integer(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.count), None)
        return self.builder.shuffle_vector(single, single, mask)

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


def _array(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    return context.make_array(array_type)(context, builder, value)


def _loop(builder: Any, begin: Any, end: Any, step: int, carried: list[Any], body: Any) -> list[Any]:
    """Emit ``for i in range(begin, end, step)``; the body maps (i, values) to new values."""
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(INDEX)
    index.add_incoming(begin, before)
    values = []
    for start in carried:
        phi = builder.phi(start.type)
        phi.add_incoming(start, before)
        values.append(phi)
    builder.cbranch(builder.icmp_signed("<", index, end), inside, after)
    builder.position_at_end(inside)
    results = body(index, values)
    index.add_incoming(builder.add(index, ir.Constant(INDEX, step)), builder.block)
    for phi, result in zip(values, results, strict=True):
        phi.add_incoming(result, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return values


if not config.DISABLE_JIT:

    @intrinsic
    def _rows_times_vector(typingctx: Any, X: Any, rows: Any, vector: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            lanes = _Lanes(context, builder, signature.args[0].dtype)
            matrix, right, result = (_array(context, builder, signature.args[i], args[i]) for i in (0, 2, 3))
            stride = cgutils.unpack_tuple(builder, matrix.shape)[1]
            width = cgutils.unpack_tuple(builder, right.shape)[0]

            def group(row: Any, _: list[Any]) -> list[Any]:
                starts = [builder.mul(builder.add(row, lanes.integer(i)), stride) for i in range(GROUP)]

                def block(column: Any, sums: list[Any]) -> list[Any]:
                    factor = lanes.load(right.data, column)
                    return [
                        lanes.multiply_add(lanes.load(matrix.data, builder.add(start, column)), factor, total)
                        for start, total in zip(starts, sums, strict=True)
                    ]

                sums = _loop(builder, lanes.integer(0), width, lanes.count, [lanes.zero] * GROUP, block)
                lanes.store(lanes.sums_of_four(sums), result.data, row)
                return []

            _loop(builder, lanes.integer(0), args[1], GROUP, [], group)
            return context.get_dummy_value()

        return types.none(X, types.int64, vector, out), generate

    @intrinsic
    def _vector_times_rows(typingctx: Any, coefficients: Any, X: Any, rows: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            lanes = _Lanes(context, builder, signature.args[1].dtype)
            left, matrix, result = (_array(context, builder, signature.args[i], args[i]) for i in (0, 1, 3))
            stride = cgutils.unpack_tuple(builder, matrix.shape)[1]
            width = cgutils.unpack_tuple(builder, result.shape)[0]

            def columns(blocks: int) -> Any:
                def span(column: Any, _: list[Any]) -> list[Any]:
                    def row(r: Any, sums: list[Any]) -> list[Any]:
                        factor = lanes.splat(builder.load(builder.gep(left.data, [r])))
                        start = builder.add(builder.mul(r, stride), column)
                        return [
                            lanes.multiply_add(
                                factor,
                                lanes.load(matrix.data, builder.add(start, lanes.integer(i * lanes.count))),
                                total,
                            )
                            for i, total in enumerate(sums)
                        ]

                    sums = _loop(builder, lanes.integer(0), args[2], 1, [lanes.zero] * blocks, row)
                    for i, total in enumerate(sums):
                        place = builder.add(column, lanes.integer(i * lanes.count))
                        lanes.store(total, result.data, place)
                    return []

                return span

            wide = WIDE * lanes.count
            wide_end = builder.mul(builder.sdiv(width, lanes.integer(wide)), lanes.integer(wide))
            _loop(builder, lanes.integer(0), wide_end, wide, [], columns(WIDE))
            _loop(builder, wide_end, width, lanes.count, [], columns(1))
            return context.get_dummy_value()

        return types.none(coefficients, X, types.int64, out), generate

    @intrinsic
    def _copy_row(typingctx: Any, source: Any, begin: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            given, wanted = (_Lanes(context, builder, signature.args[i].dtype) for i in (0, 2))
            origin, result = (_array(context, builder, signature.args[i], args[i]) for i in (0, 2))
            width = cgutils.unpack_tuple(builder, result.shape)[0]
            count = min(given.count, wanted.count)

            def block(column: Any, _: list[Any]) -> list[Any]:
                address = given.address(
                    origin.data, builder.add(args[1], column), ir.VectorType(given.scalar, count)
                )
                value = builder.load(address, align=given.itemsize)
                target = ir.VectorType(wanted.scalar, count)
                if given.itemsize > wanted.itemsize:
                    value = builder.fptrunc(value, target)
                elif given.itemsize < wanted.itemsize:
                    value = builder.fpext(value, target)
                wanted.store(value, result.data, column)
                return []

            _loop(builder, wanted.integer(0), width, count, [], block)
            return context.get_dummy_value()

        return types.none(source, types.int64, out), generate

    def _compile_as(instructions: Any, function: Any) -> None:
        """Let compiled code that calls the function run the instructions instead."""

        def implementation(*args: Any) -> Any:
            return instructions(*args)

        overload(function, jit_options=KERNEL_FLAGS, strict=False)(lambda *args: implementation)

    _compile_as(_rows_times_vector, rows_times_vector)
    _compile_as(_vector_times_rows, vector_times_rows)
    _compile_as(_copy_row, copy_row)
