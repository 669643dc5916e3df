"""What vector instructions are emitted with: lanes, functions, and what they stand for in plain Python.

A *lane block* is 64 bytes, whatever registers the processor makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, config, errors, types
from numba.core.typing.templates import infer, infer_global, make_intrinsic_template

from fastmaml.runtime.emission import WORD, splat

LANE_BYTES = 64
# Lanes that sums of lane blocks are folded to.
FOUR = 4
SCALARS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


class Lanes:
    """Vector instructions on lane blocks of one float type, emitted where a builder stands."""

    def __init__(self, builder: Any, dtype: Any, size: int = LANE_BYTES) -> None:
        self.builder = builder
        self.scalar = SCALARS[dtype]
        self.itemsize = dtype.bitwidth // 8
        self.count = size // self.itemsize
        self.vector = ir.VectorType(self.scalar, self.count)
        self.zero = ir.Constant(self.vector, None)

    def integer(self, value: int) -> Any:
        """Return a whole number."""
        return ir.Constant(WORD, value)

    def address(self, base: Any, index: Any, vector: Any = None) -> Any:
        """Return the address of a vector at an index."""
        return self.builder.bitcast(self.builder.gep(base, [index]), (vector or self.vector).as_pointer())

    def load(self, base: Any, index: Any) -> Any:
        """Load a vector."""
        return self.builder.load(self.address(base, index), align=self.itemsize)

    def first(self, count: Any) -> Any:
        """Return a mask of the first ``count`` lanes."""
        # Integers as wide as the lanes: their comparison is the mask, and need not be packed.
        integer = ir.IntType(8 * self.itemsize)
        numbers = ir.Constant(ir.VectorType(integer, self.count), list(range(self.count)))
        limit = count if integer == WORD else self.builder.trunc(count, integer)
        return self.builder.icmp_signed("<", numbers, self.splat(limit))

    def store(self, value: Any, base: Any, index: Any) -> None:
        """Store a vector."""
        self.builder.store(value, self.address(base, index, value.type), align=self.itemsize)

    def splat(self, value: Any) -> Any:
        """Return a vector of one number."""
        return splat(self.builder, value, self.count)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c``."""
        name = f"llvm.fmuladd.v{self.count}f{8 * self.itemsize}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [a, b, c])

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """Return chosen lanes of two vectors."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def fold_to_four(self, value: Any) -> Any:
        """Add the upper half to the lower until four lanes are left."""
        count = self.count
        while count > FOUR:
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


class PickedRows:
    """Loads from the picked rows of a matrix, converted to the lanes' type."""

    def __init__(self, lanes: Lanes, dtype: Any, data: Any, features: Any) -> None:
        self.lanes, self.builder, self.data, self.features = lanes, lanes.builder, data, features
        self.scalar = SCALARS[dtype]
        self.itemsize = dtype.bitwidth // 8
        self.vector = ir.VectorType(self.scalar, lanes.count)
        # All blocks but the last are whole; the last one is loaded under a mask.
        blocks = self.builder.sdiv(
            self.builder.add(self.features, lanes.integer(lanes.count - 1)), lanes.integer(lanes.count)
        )
        self.last = self.builder.mul(self.builder.sub(blocks, lanes.integer(1)), lanes.integer(lanes.count))
        self.mask = lanes.first(self.builder.sub(self.features, self.last))

    def start(self, index: Any, place: Any) -> Any:
        """Return the position of the first entry of the row that stands at a place of an index."""
        return self.builder.mul(self.builder.load(self.builder.gep(index, [place])), self.features)

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


def call_once(builder: Any, emit: Any, dtypes: tuple[Any, ...], values: list[Any]) -> None:
    """Call a function of plain numbers and pointers that an emitter fills, once in a module.

    It is not inlined: its instructions would be optimised again in every place that calls it, and in all
    the functions around that.
    """
    name = ".".join(["fastmaml", emit.__name__, *map(str, dtypes)])
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        function = ir.Function(builder.module, kind, name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        body = ir.IRBuilder(function.append_basic_block("entry"))
        emit(body, *dtypes, function.args)
        body.ret_void()
    builder.call(function, values)


def array_parts(context: Any, builder: Any, array_type: Any, value: Any) -> tuple[Any, list[Any]]:
    """Return the address of an array's first entry, and its shape."""
    array = context.make_array(array_type)(context, builder, value)
    return array.data, cgutils.unpack_tuple(builder, array.shape)


def check_layout(*arrays: Any) -> None:
    """Raise unless all arrays are contiguous."""
    for array in arrays:
        if array.layout != "C":
            raise errors.TypingError(f"expected a C-contiguous array, but {array} came")


def compile_as(definition: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Let compiled code that calls a Python function run instructions instead.

    ``definition`` is what `numba.extending.intrinsic` decorates. An overload that calls an intrinsic would
    do as well, but be one more function to compile for every kind of arguments.
    """
    if config.DISABLE_JIT:
        return
    template = make_intrinsic_template(function, definition, function.__name__, kwargs={})
    infer(template)
    infer_global(function, types.Function(template))
