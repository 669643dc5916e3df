"""The softmax of rows, and what a change of its arguments does to it.

Rows lie as in `fastmaml.numerics.flat`: ``outputs`` numbers and padding up to ``step``, a multiple of `ROW`.
The exponentials of all rows are one loop, as long as vectors are; before and after it, each row is a few
vectors. Each function has its meaning in plain Python beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from fastmaml.numerics.elementary import exp_nonpositive
from fastmaml.numerics.flat import VECTOR_BYTES, flat_call, part_of
from fastmaml.numerics.lanes import Lanes, compile_as
from fastmaml.runtime.compilation import kernel
from fastmaml.runtime.emission import emit_loop


@kernel
def softmax_rows(z: Any, rows: int, outputs: int, step: int) -> None:
    """Make probabilities of the numbers in each row of a flat matrix, in place; its padding turns zero."""
    subtract_largest(z, 0, rows, outputs, step)
    for k in range(rows * step):
        z[k] = exp_nonpositive(z[k])
    divide_by_sum(z, 0, rows, outputs, step)


def subtract_largest(z: Any, at: int, rows: int, outputs: int, step: int) -> None:
    """Subtract the largest number of each row from it; the padding turns zero."""
    table = part_of(z, at, rows * step).reshape(rows, step)
    table[:, :outputs] -= table[:, :outputs].max(axis=1, keepdims=True)
    table[:, outputs:] = 0


def divide_by_sum(z: Any, at: int, rows: int, outputs: int, step: int) -> None:
    """Divide each row by its sum; the padding turns zero."""
    table = part_of(z, at, rows * step).reshape(rows, step)
    table[:, :outputs] /= table[:, :outputs].sum(axis=1, keepdims=True)
    table[:, outputs:] = 0


def softmax_changes(
    p: Any,
    p_at: int,
    changes: Any,
    changes_at: int,
    rows: int,
    outputs: int,
    step: int,
    out: Any,
    out_at: int,
) -> None:
    """Write how much each row p of a softmax changes with its arguments: ``p_c sum_d p_d (t_c - t_d)``.

    As differences these do not cancel. The padding of out turns zero where that of p is.
    """
    p, t = (part_of(*given, rows * step).reshape(rows, step) for given in ((p, p_at), (changes, changes_at)))
    differences = t[:, :, np.newaxis] - t[:, np.newaxis, :outputs]
    changed = p * (p[:, np.newaxis, :outputs] * differences).sum(axis=2)
    part_of(out, out_at, rows * step)[:] = changed.reshape(-1)


def _fold(lanes: Lanes, value: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """Combine all lanes; the result stands in each of them."""
    distance = lanes.count // 2
    while distance:
        order = [lane ^ distance for lane in range(lanes.count)]
        value = combine(value, lanes.shuffle(value, value, order))
        distance //= 2
    return value


def _each_block(lanes: Lanes, step: Any, carried: list[Any], body: Any) -> list[Any]:
    return emit_loop(lanes.builder, lanes.integer(0), step, lanes.count, carried, body)


def _emit_over_rows(
    builder: Any, dtype: Any, args: Any, start: float, gather: Any, combine: Any, finish: Any
) -> None:
    """Fold the numbers of each row, begun with ``start``, and replace each by what ``finish`` makes of it."""
    z, rows, outputs, step = args
    lanes = Lanes(builder, dtype, VECTOR_BYTES)
    begun = lanes.splat(ir.Constant(lanes.scalar, start))

    def row(number: Any, _: list[Any]) -> list[Any]:
        begin = builder.mul(number, step)

        def look(column: Any, found: list[Any]) -> list[Any]:
            value = lanes.load(z, builder.add(begin, column))
            value = builder.select(lanes.first(builder.sub(outputs, column)), value, begun)
            return [combine(builder, found[0], value)]

        (found,) = _each_block(lanes, step, [begun], look)
        found = gather(lanes, _fold(lanes, found, lambda a, b: combine(builder, a, b)))

        def change(column: Any, _: list[Any]) -> list[Any]:
            place = builder.add(begin, column)
            value = finish(builder, lanes.load(z, place), found)
            there = lanes.first(builder.sub(outputs, column))
            lanes.store(builder.select(there, value, lanes.zero), z, place)
            return []

        _each_block(lanes, step, [], change)
        return []

    emit_loop(builder, lanes.integer(0), rows, 1, [], row)


def _emit_subtract_largest(builder: Any, dtype: Any, args: Any) -> None:
    def larger(builder: Any, a: Any, b: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", b, a), b, a)

    def as_is(lanes: Lanes, value: Any) -> Any:
        return value

    _emit_over_rows(
        builder, dtype, args, -np.inf, as_is, larger, lambda builder, value, found: builder.fsub(value, found)
    )


def _emit_divide_by_sum(builder: Any, dtype: Any, args: Any) -> None:
    def inverse(lanes: Lanes, value: Any) -> Any:
        return lanes.builder.fdiv(lanes.splat(ir.Constant(lanes.scalar, 1.0)), value)

    _emit_over_rows(
        builder,
        dtype,
        args,
        0.0,
        inverse,
        lambda builder, a, b: builder.fadd(a, b),
        lambda builder, value, found: builder.fmul(value, found),
    )


def _emit_softmax_changes(builder: Any, dtype: Any, args: Any) -> None:
    p, changes, rows, outputs, step, out = args
    lanes = Lanes(builder, dtype, VECTOR_BYTES)

    def row(number: Any, _: list[Any]) -> list[Any]:
        begin = builder.mul(number, step)

        def block(column: Any, _: list[Any]) -> list[Any]:
            place = builder.add(begin, column)
            own = lanes.load(changes, place)

            def other(d: Any, sums: list[Any]) -> list[Any]:
                there = builder.add(begin, d)
                weight, change = (
                    lanes.splat(builder.load(builder.gep(base, [there]))) for base in (p, changes)
                )
                return [lanes.multiply_add(weight, builder.fsub(own, change), sums[0])]

            (total,) = emit_loop(builder, lanes.integer(0), outputs, 1, [lanes.zero], other)
            lanes.store(builder.fmul(lanes.load(p, place), total), out, place)
            return []

        _each_block(lanes, step, [], block)
        return []

    emit_loop(builder, lanes.integer(0), rows, 1, [], row)


compile_as(flat_call(_emit_subtract_largest), subtract_largest)
compile_as(flat_call(_emit_divide_by_sum), divide_by_sum)
compile_as(flat_call(_emit_softmax_changes), softmax_changes)
