"""The instructions that Numba has no name for, each with its meaning in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from fastmaml.runtime.emission import emit_loop

LINE_BYTES = 64

if config.DISABLE_JIT:

    def keep_whole() -> None:
        """Nothing to do: Python inlines nothing."""

    def fetch_add(counter: np.ndarray, amount: int) -> int:
        """Return ``counter[0]`` and add ``amount`` to it."""
        before = int(counter[0])
        counter[0] = before + amount
        return before

    def wide_product(a: Any, b: Any) -> Any:
        """Return the upper and the lower 64 bits of the product of two uint64."""
        high, low = divmod(int(a) * int(b), 2**64)
        return np.uint64(high), np.uint64(low)

    def lowest_bit(bits: Any) -> Any:
        """Return the number of the lowest bit that is set, counted from 0; one must be."""
        return np.uint64((int(bits) & -int(bits)).bit_length() - 1)

    def fetch_ahead(X: Any, row: Any) -> None:
        """Nothing to do: Python does not know of caches."""

    def as_float64(bits: Any) -> Any:
        """Read 64 bits as a float64."""
        return np.uint64(bits).view(np.float64)

    def as_float32(bits: Any) -> Any:
        """Read 32 bits as a float32."""
        return np.uint32(bits).view(np.float32)

    def float64_bits(value: Any) -> Any:
        """Read a float64 as 64 bits."""
        return np.float64(value).view(np.uint64)

    def float32_bits(value: Any) -> Any:
        """Read a float32 as 32 bits."""
        return np.float32(value).view(np.uint32)

else:

    @intrinsic
    def keep_whole(typingctx: Any) -> Any:
        """Keep the function that calls this from being inlined into its callers.

        Inlined into two different loops, one dot product may be vectorised in two different ways; kept
        whole, it is the same machine code, and so gives the same bits, wherever it is called.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.function.attributes.add("noinline")
            return context.get_dummy_value()

        return types.none(), generate

    @intrinsic
    def fetch_add(typingctx: Any, counter: Any, amount: Any) -> Any:
        """Return ``counter[0]`` (int64 array) and add ``amount`` to it, atomically."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, args[0])
            step = context.cast(builder, args[1], signature.args[1], types.int64)
            return builder.atomic_rmw("add", array.data, step, "seq_cst")

        return types.int64(counter, amount), generate

    @intrinsic
    def wide_product(typingctx: Any, a: Any, b: Any) -> Any:
        """Return the upper and the lower 64 bits of the product of two uint64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word, wide = ir.IntType(64), ir.IntType(128)
            product = builder.mul(*[builder.zext(value, wide) for value in args])
            high = builder.lshr(product, ir.Constant(wide, 64))
            return cgutils.pack_array(builder, [builder.trunc(high, word), builder.trunc(product, word)])

        return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate

    @intrinsic
    def lowest_bit(typingctx: Any, bits: Any) -> Any:
        """Return the number of the lowest bit that is set, counted from 0; one must be."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

        return types.uint64(types.uint64), generate

    @intrinsic
    def fetch_ahead(typingctx: Any, X: Any, row: Any) -> Any:
        """Ask for a row of a C-contiguous matrix to be brought into the cache, without waiting for it."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word, number, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8)
            array = context.make_array(signature.args[0])(context, builder, args[0])
            columns = cgutils.unpack_tuple(builder, array.shape)[1]
            length = builder.mul(columns, ir.Constant(word, signature.args[0].dtype.bitwidth // 8))
            begin = builder.mul(context.cast(builder, args[1], signature.args[1], types.int64), length)
            data = builder.bitcast(array.data, byte.as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
            prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            # To read, to be kept in all caches, as data.
            how = [ir.Constant(number, value) for value in (0, 3, 1)]

            def line(offset: Any, _: list[Any]) -> list[Any]:
                builder.call(prefetch, [builder.gep(data, [builder.add(begin, offset)]), *how])
                return []

            emit_loop(builder, ir.Constant(word, 0), length, LINE_BYTES, [], line)
            return context.get_dummy_value()

        return types.none(X, row), generate

    def _bitcast(source: Any, target: Any, llvm_target: Any) -> Any:
        def typer(typingctx: Any, value: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                cast = context.cast(builder, args[0], signature.args[0], source)
                return builder.bitcast(cast, llvm_target)

            return target(value), generate

        return typer

    as_float64 = intrinsic(_bitcast(types.uint64, types.float64, ir.DoubleType()))
    as_float32 = intrinsic(_bitcast(types.uint32, types.float32, ir.FloatType()))
    float64_bits = intrinsic(_bitcast(types.float64, types.uint64, ir.IntType(64)))
    float32_bits = intrinsic(_bitcast(types.float32, types.uint32, ir.IntType(32)))
