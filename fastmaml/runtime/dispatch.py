"""Compiled single dispatch: one contract, many implementations, picked at compile time by the spec's type.

This is `functools.singledispatch` for compiled code. A *contract* is an ordinary function whose body is a
docstring: it says which arrays come in, which are written and what may be assumed. An *implementation* is
registered for a spec, a `typing.NamedTuple` class at module level. Where a kernel calls the contract, the
type of the first argument selects the implementation while compiling, and the call is inlined like any
other.

With ``NUMBA_DISABLE_JIT=1``, or called from plain Python, the same registry dispatches at run time.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from numba.core import config, types
from numba.extending import overload

from fastmaml.runtime.compilation import CONTRACT_FLAGS

Implementation = Callable[..., Any]
_implementations: dict[str, dict[type, Implementation]] = {}
# What the sources of modules with parts were when these registered, by module.
_stamps: dict[str, str | None] = {}


class Contract(Protocol):
    """What `contract` returns."""

    def __call__(self, *args: Any) -> Any:
        """Call the implementation for the type of the first argument."""

    def register(self, spec_class: type) -> Callable[[Implementation], Implementation]:
        """Decorate the implementation for a spec."""

    def default(self, implementation: Implementation) -> Implementation:
        """Decorate the implementation for specs that none is registered for."""


def contract(function: Implementation) -> Contract:
    """Turn a documented stub into a contract that compiled code and Python can call.

    Parameters
    ----------
    function : callable
        A stub with the contract's parameters and docstring. The first parameter is the spec.

    Returns
    -------
    callable
        The contract, with a method ``register(spec_class)`` that decorates an implementation. An
        implementation is a plain Python function with the same parameters in the same order.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    registry = _implementations.setdefault(name, {})
    parameters = list(inspect.signature(function).parameters)

    def find(spec_class: type) -> Implementation:
        try:
            return registry[spec_class] if spec_class in registry else registry[object]
        except KeyError:
            known = sorted(c.__name__ for c in registry if not c.__module__.startswith("fastmaml.engine"))
            raise TypeError(
                f"{function.__name__} has no implementation for {spec_class.__name__} (there are: "
                f"{', '.join(known) or 'none'}); register one with "
                f"@{function.__module__}.{function.__name__}.register({spec_class.__name__})"
            ) from None

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        part = args[0]
        # What users write of a model has its spec; in Python it is as good.
        if not isinstance(part, tuple) and hasattr(part, "spec"):
            part = part.spec()
        return find(type(part))(part, *args[1:])

    def register(spec_class: type) -> Callable[[Implementation], Implementation]:
        if not (
            isinstance(spec_class, type) and issubclass(spec_class, tuple) and hasattr(spec_class, "_fields")
        ):
            raise TypeError(
                f"a spec is a NamedTuple class, but {spec_class!r} came; derive it from NamedTuple"
            )

        def decorate(implementation: Implementation) -> Implementation:
            given = list(inspect.signature(implementation).parameters)
            if len(given) != len(parameters):
                raise TypeError(
                    f"{implementation.__name__} takes ({', '.join(given)}), but the contract "
                    f"{function.__name__} has ({', '.join(parameters)}); give it these, in this order"
                )
            registry[spec_class] = implementation
            # Now, and not when it is compiled: by then the file may have been edited.
            _stamps[implementation.__module__] = _source_stamp_now(implementation.__module__)
            _stamps.setdefault(spec_class.__module__, _source_stamp_now(spec_class.__module__))
            return implementation

        return decorate

    def default(implementation: Implementation) -> Implementation:
        registry[object] = implementation
        return implementation

    call.register = register  # type: ignore[attr-defined]
    call.default = default  # type: ignore[attr-defined]
    call.registry = registry  # type: ignore[attr-defined]

    if not config.DISABLE_JIT:

        def choose(*args: Any) -> Implementation:
            spec = args[0]
            if not isinstance(spec, (types.NamedTuple, types.NamedUniTuple)):
                raise TypeError(f"{function.__name__} expects a spec first, but {spec} came")
            return find(spec.instance_class)

        # strict=False: an implementation may name its parameters as its paper does.
        overload(call, jit_options=CONTRACT_FLAGS, strict=False)(choose)
    return cast(Contract, call)


def _source_stamp_now(module: str) -> str | None:
    try:
        source = inspect.getsourcefile(sys.modules[module])
        return hashlib.sha256(Path(source or "").read_bytes()).hexdigest()
    except (KeyError, OSError, TypeError):
        return None


def source_stamp(module: str) -> str | None:
    """Hash the source that a module's parts were made from; None where it has no source file."""
    if module not in _stamps:
        _stamps[module] = _source_stamp_now(module)
    return _stamps[module]


def implementation_modules(spec_class: type) -> set[str]:
    """Name the modules whose source decides what a spec compiles to.

    They are the spec's and its implementations', and those that the users' own ones among them take something
    from: a helper that is edited changes the code as well.
    """
    modules = {spec_class.__module__}
    for registry in _implementations.values():
        if spec_class in registry:
            modules.add(registry[spec_class].__module__)
    waiting = [name for name in modules if _top(name) != _top(__name__)]
    while waiting:
        found = _mentioned(waiting.pop()) - modules
        modules |= found
        waiting += found
    return modules


def _top(name: str) -> str:
    return name.partition(".")[0]


def _mentioned(module: str) -> set[str]:
    """Name the modules that a user's module takes something from and that are the user's, too."""
    names = set()
    namespace = vars(sys.modules[module]) if module in sys.modules else {}
    for value in list(namespace.values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name in sys.modules and _top(name) != _top(__name__):
            names.add(name)
    return {name for name in names if _top(name) == _top(module) or not _installed(name)}


@functools.cache
def _installed(module: str) -> bool:
    """Tell whether a module belongs to Python or to an installed package."""
    if _top(module) in sys.stdlib_module_names:
        return True
    source = getattr(sys.modules[module], "__file__", None)
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return source is None or any(Path(folder) in Path(source).parents for folder in folders if folder)
