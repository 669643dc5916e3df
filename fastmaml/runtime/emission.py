"""Pieces of vector code that is emitted, not compiled from loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

WORD = ir.IntType(64)


def splat(builder: Any, value: Any, count: int) -> Any:
    """Return a vector with the value in each of ``count`` lanes."""
    empty = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    single = builder.insert_element(empty, value, ir.Constant(WORD, 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), count), None)
    return builder.shuffle_vector(single, single, mask)


def emit_loop(
    builder: Any,
    begin: Any,
    end: Any,
    step: int,
    carried: list[Any],
    body: Callable[[Any, list[Any]], list[Any]],
) -> list[Any]:
    """Emit ``for i in range(begin, end, step)``; the body maps (i, values) to new values."""
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(WORD)
    index.add_incoming(begin, before)
    values = []
    for start in carried:
        phi = builder.phi(start.type)
        phi.add_incoming(start, before)
        values.append(phi)
    builder.cbranch(builder.icmp_signed("<", index, end), inside, after)
    builder.position_at_end(inside)
    results = body(index, values)
    index.add_incoming(builder.add(index, ir.Constant(WORD, step)), builder.block)
    for phi, result in zip(values, results, strict=True):
        phi.add_incoming(result, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return values
