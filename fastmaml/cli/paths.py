"""Files to be written are looked at before a run, not after it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Raise unless all files can be written, are different, and none is one that is read.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        By option; None is not asked for.
    inputs : iterable of Path or None
        Files that are read.

    Raises
    ------
    ValueError
        Names the option.
    """
    read = {path.resolve() for path in inputs if path is not None}
    seen: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        place = path.resolve()
        if place in read:
            raise ValueError(f"{option} {path} is a file that is read; give another name")
        if place in seen:
            raise ValueError(f"{seen[place]} and {option} are both {path}; give different names")
        seen[place] = option
        _check_writable(option, path, place)


def _check_writable(option: str, path: Path, place: Path) -> None:
    if place.is_dir():
        raise ValueError(f"{option} {path} is a folder; give the name of a file")
    if not place.parent.is_dir():
        raise ValueError(
            f"{option} {path} cannot be written: there is no folder {path.parent}; make it first"
        )
    # What counts is whether a new file can be made beside it, which then takes its place.
    beside = place.parent / f".{place.name[:64]}.{secrets.token_hex(8)}"
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ValueError(f"{option} {path} cannot be written: {error.strerror}") from None
    with contextlib.suppress(OSError):
        beside.unlink()
