"""What a command says: results on stdout, as text or as one JSON object; everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer


def say(text: str = "") -> None:
    """Print a result."""
    typer.echo(text)


def note(text: str) -> None:
    """Print on stderr what is going on."""
    typer.echo(text, err=True)


def say_json(content: Mapping[str, Any]) -> None:
    """Print a result as one JSON object."""
    typer.echo(json.dumps(plain(content), allow_nan=False, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return a value as JSON has it: None for what is no finite number, text for what has no other form."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def written(option: str, path: Path | None) -> None:
    """Print that a file was written."""
    if path is not None:
        say(f"{option:<8} {path}")


@contextlib.contextmanager
def compiling_announced(quiet: bool) -> Iterator[None]:
    """Say on stderr, once, why nothing seems to happen."""
    if quiet:
        yield
        return
    from fastmaml.runtime.cache import before_compiling

    def announce(name: str) -> None:
        if "region" in name.rpartition(".")[2]:
            note("compiling, the first time of a run of this kind: up to half a minute")
            before_compiling.clear()

    before_compiling.append(announce)
    try:
        yield
    finally:
        before_compiling.clear()


@contextlib.contextmanager
def warnings_once(said: list[str]) -> Iterator[None]:
    """Hold warnings back, and pass on those that a result, whose notes are put in a list, does not repeat."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for one in caught:
        if str(one.message) not in said:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
