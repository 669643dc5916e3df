"""Files are replaced as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from fastmaml.arrays import shown


def as_path(value: Any) -> Path:
    """Take the name of a file."""
    try:
        return Path(value)
    except TypeError:
        raise TypeError(f"path is {shown(value)}; give the name of a file as text, or a Path") from None


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file once the new one is whole on the disk; what goes wrong leaves the old one as it was."""
    path = path.resolve()
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}; make it first")
    beside = path.parent / f".{path.name[:64]}.{secrets.token_hex(8)}"
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:  # Names the file that was asked for, not the one beside it.
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
