"""Entry points that work on a record of some thirty arrays, reached through one address.

An array handed to a compiled function is seven machine words, and each level of functions, each wrapper and
each parallel region unpacks and packs them again: for the engine's loop that was 30 s of compile time. So a
`bind` writes the record (a NamedTuple of numbers, arrays and specs) once into a flat buffer, laid out as
the compiled code expects, and compiles the entry point for the record's *address*. Inside, ``work.field``
loads that one field. What is left for `call_entry` and the parallel launch to hand on are addresses and
integers, so one launcher serves every entry point, and entry points call each other by address.

An entry point is a function of a record and of integers that returns nothing; those for the launcher are
``entry(work, step, worker)``. Arrays come out of the record as borrowed views, without reference counting: a
`BoundEntry` holds them for as long as it lives. What changes from call to call and is not an integer (views
of arrays) is a second record, which `call_with` lays out on its caller's stack.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof
from numba.core import cgutils, config, errors, types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, register_model

from fastmaml.runtime.compilation import driver

Entry = Callable[..., None]


class Call(NamedTuple):
    """What `call_entry` needs, as a field of another record.

    Attributes
    ----------
    entry, record : int
        Addresses; without the JIT the function and the record themselves.
    """

    entry: Any
    record: Any


class CallWith(NamedTuple):
    """What `call_with` needs, as a field of another record.

    Attributes
    ----------
    entry, record : int
        Addresses; without the JIT the function and the record themselves.
    like : NamedTuple
        A second record, of the type of those that the entry point is given.
    """

    entry: Any
    record: Any
    like: Any


class BoundEntry(NamedTuple):
    """An entry point with the record that it works on.

    Attributes
    ----------
    entry, record : int
        Addresses; without the JIT the function and the record themselves.
    keep : object
        Whatever has to live as long.
    """

    entry: Any
    record: Any
    keep: Any

    @property
    def call(self) -> Call:
        """The addresses alone, which do not keep anything alive."""
        return Call(self.entry, self.record)

    def call_with(self, like: Any) -> CallWith:
        """Return the addresses, and what the second record is like."""
        return CallWith(self.entry, self.record, like)


class RecordAddress(types.Type):  # type: ignore[misc]
    """The type of the address of a NamedTuple."""

    def __init__(self, record: Any) -> None:
        self.record = record
        super().__init__(name=f"RecordAddress({record})")

    @property
    def key(self) -> Any:
        """What tells types apart; not the name, which two classes share where a cell is run again."""
        return self.record


@register_model(RecordAddress)
class _RecordAddressModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, manager.lookup(numba_type.record).get_value_type().as_pointer())


@infer_getattr
class _RecordAttributes(AttributeTemplate):  # type: ignore[misc]
    key = RecordAddress

    def generic_resolve(self, address: Any, name: str) -> Any:
        fields = address.record.fields
        return address.record.types[fields.index(name)] if name in fields else None


@lower_getattr_generic(RecordAddress)
def _load_field(context: Any, builder: Any, address_type: Any, address: Any, name: str) -> Any:
    index = address_type.record.fields.index(name)
    value = builder.load(cgutils.gep_inbounds(builder, address, 0, index))
    return _borrowed(context, builder, address_type.record.types[index], value)


def _borrowed(context: Any, builder: Any, field: Any, value: Any) -> Any:
    """Tell the compiler that nothing in the value is reference counted, so that it drops the counting."""
    if isinstance(field, types.Array):
        array = context.make_array(field)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    if isinstance(field, types.BaseTuple):
        for i, element in enumerate(field):
            part = _borrowed(context, builder, element, builder.extract_value(value, i))
            value = builder.insert_value(value, part, i)
    return value


def _words(value: Any) -> list[int]:
    """Lay out a value as the words that compiled code keeps for it: array headers own nothing."""
    if isinstance(value, np.ndarray):
        return [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
    if isinstance(value, tuple):
        return [word for element in value for word in _words(element)]
    if isinstance(value, (float, np.float64)):
        return [int(np.float64(value).view(np.int64))]
    if isinstance(value, np.uint64):
        return [int(value.view(np.int64))]
    if isinstance(value, (int, np.int64)) and not isinstance(value, bool):
        return [int(value)]
    raise TypeError(
        f"a record holds int, float, numpy.uint64, arrays and NamedTuples of these, but {value!r} is a "
        f"{type(value).__name__}; store it as one of them"
    )


def _kind(value: Any) -> Any:
    """Tell types of records apart as Numba does, at a tenth of the cost."""
    if isinstance(value, np.ndarray):
        flags = value.flags
        return value.dtype, value.ndim, flags.c_contiguous, flags.writeable, flags.aligned
    if isinstance(value, tuple):
        return type(value), *[_kind(element) for element in value]
    return type(value)


class _Compiled(NamedTuple):
    """Machine code: its address, the bytes of the record that it works on, and what keeps it alive."""

    address: int
    size: int
    keep: Any


# The machine code of each entry point for each kind of record.
_compiled: dict[Any, _Compiled] = {}


class Wanted(NamedTuple):
    """An entry point to compile.

    Attributes
    ----------
    entry : dispatcher
        What `entry_point` made.
    signature : tuple
        The types of its arguments.
    name : str
        What `named_entry` finds it by.
    """

    entry: Any
    signature: tuple[Any, ...]
    name: str

    @property
    def group(self) -> str:
        """The module that it is from: entry points of a module share most of what they call."""
        return self.name.partition(":")[0]

    @property
    def cost(self) -> float:
        """Seconds that it takes to compile, about."""
        return _entries[self.name][1]


# The entry points there are, and what they cost to compile, by name.
_entries: dict[str, tuple[Any, float]] = {}


class _Thread(threading.local):
    """What this thread is about."""

    # Where not None: entry points that are not compiled yet are listed here instead.
    wanted: list[Wanted] | None = None


_thread = _Thread()


@contextlib.contextmanager
def wanted_entries() -> Iterator[list[Wanted]]:
    """List what `bind` would have to compile inside, instead of compiling it: what it returns is no good."""
    wanted: list[Wanted] = []
    _thread.wanted = wanted
    try:
        yield wanted
    finally:
        _thread.wanted = None


def entry_point(function: Entry, cost: float = 1.0) -> Any:
    """Compile a function of a record and of integers for addresses of records, kept in the disk cache.

    Parameters
    ----------
    function : callable
        Of a module.
    cost : float, default=1.0
        Seconds that compiling it takes, about.
    """
    entry = driver(function, wrapper=False)
    _entries[_name(function)] = entry, cost
    return entry


def _name(function: Entry) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def named_entry(name: str) -> Any:
    """Return the entry point of a name, from a module that may not have been imported yet."""
    importlib.import_module(name.partition(":")[0])
    return _entries[name][0]


def bind(entry: Any, record: Any, like: Any = None) -> BoundEntry:
    """Compile an entry point for a record, or load it, and join the two.

    Parameters
    ----------
    entry : dispatcher
        What `entry_point` made.
    record : NamedTuple
        Its arrays are written through: they must not be replaced while the result is in use.
    like : NamedTuple, optional
        For an entry point that is given a second record: one of its type.

    Returns
    -------
    BoundEntry
        For `call_entry` and the launchers of `fastmaml.runtime.launch`.
    """
    if config.DISABLE_JIT:
        return BoundEntry(entry, record, None)
    words = np.array(_words(record), dtype=np.int64)
    known = entry, _kind(record), _kind(like)
    if known not in _compiled:
        signature = _signature(entry, record, like)
        if _thread.wanted is not None and signature not in entry.overloads:
            _thread.wanted.append(Wanted(entry, signature, _name(entry.py_func)))
            return BoundEntry(0, 0, None)
        _compiled[known] = _compile(entry, signature)
    compiled = _compiled[known]
    if words.nbytes != compiled.size:
        raise TypeError(
            f"{type(record).__name__} takes {compiled.size} bytes compiled, but {words.nbytes} here"
        )
    return BoundEntry(compiled.address, words.ctypes.data, (compiled, words, record))


def _signature(entry: Any, record: Any, like: Any) -> tuple[Any, ...]:
    addresses = [RecordAddress(typeof(one)) for one in (record, like) if one is not None]
    integers = len(inspect.signature(entry.py_func).parameters) - len(addresses)
    return (*addresses, *[types.int64] * integers)


def _compile(entry: Any, signature: tuple[Any, ...]) -> _Compiled:
    """Compile an entry point for the types of its records, or load it."""
    entry.compile(signature)
    result = entry.overloads[signature]
    context = result.target_context
    size = context.get_abi_sizeof(context.get_value_type(signature[0].record))
    address = result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name)
    return _Compiled(address, size, result)


if config.DISABLE_JIT:

    def call_entry(entry: Any, record: Any, *integers: Any) -> None:
        """Call an entry point on its record."""
        entry(record, *integers)

    def call_with(call: Any, given: Any, *integers: Any) -> None:
        """Call an entry point on its record and a second one."""
        call.entry(call.record, given, *integers)

else:

    def _emit_call(context: Any, builder: Any, entry: Any, pointers: list[Any], integers: list[Any]) -> Any:
        """Call the function at an address with pointers and integers."""
        word, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer] * len(pointers) + [word] * len(integers))
        builder.call(builder.inttoptr(entry, kind.as_pointer()), [*pointers, *integers])
        return context.get_dummy_value()

    def _unpack_words(context: Any, builder: Any, values: Any, kinds: Any) -> list[Any]:
        unpacked = zip(cgutils.unpack_tuple(builder, values, len(kinds)), kinds, strict=True)
        return [context.cast(builder, value, kind, types.int64) for value, kind in unpacked]

    @intrinsic
    def call_entry(typingctx: Any, entry: Any, record: Any, *integers: Any) -> Any:
        """Call the entry point at an address on the record at another, with integers."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            # Numba hands over what follows as one tuple.
            numbers = _unpack_words(context, builder, args[2], signature.args[2])
            entry_word, record_word = (
                context.cast(builder, value, kind, types.int64)
                for value, kind in zip(args[:2], signature.args[:2], strict=True)
            )
            pointer = builder.inttoptr(record_word, ir.IntType(8).as_pointer())
            return _emit_call(context, builder, entry_word, [pointer], numbers)

        return types.none(entry, record, types.StarArgTuple(integers)), generate

    @intrinsic
    def call_with(typingctx: Any, call: Any, given: Any, *integers: Any) -> Any:
        """Call the entry point of a `CallWith` on its record and on a second one, with integers."""
        expected = call.types[CallWith._fields.index("like")]
        if given != expected:
            raise errors.TypingError(f"the entry point is given {given}, but compiled for {expected}")

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            numbers = _unpack_words(context, builder, args[2], signature.args[2])
            entry_word, record_word = (builder.extract_value(args[0], i) for i in range(2))
            pointer = ir.IntType(8).as_pointer()
            # In the function's first block: in a loop the stack would grow.
            room = cgutils.alloca_once_value(builder, args[1])
            pointers = [builder.inttoptr(record_word, pointer), builder.bitcast(room, pointer)]
            return _emit_call(context, builder, entry_word, pointers, numbers)

        return types.none(call, given, types.StarArgTuple(integers)), generate
