"""Settings of a run in a TOML file: `--config` reads them, `--write-config` writes them.

A file holds the options of one command by their names, `tasks_per_batch` or `tasks-per-batch`, and its file
as `file`. What the command line says goes before.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from fastmaml.cli.settings import Settings

# Options that are about the file of settings itself, or about the program.
NOT_SETTINGS = ("config", "write_config", "help")


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the settings in a file the defaults of a command; called before other options are read."""
    if path is None:
        return None
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise typer.BadParameter(f"{path} does not exist") from None
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is no TOML file: {error}") from None
    known: dict[str, Any] = {
        str(one.name): one for one in context.command.params if one.name not in NOT_SETTINGS
    }
    defaults: dict[str, Any] = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if isinstance(value, dict):
            raise typer.BadParameter(f"{path} has a table {key!r}; settings stand at the top")
        if name not in known:
            names = ", ".join(sorted(known))
            raise typer.BadParameter(f"{path} sets {key!r}, but {context.command_path} has only {names}")
        if name in defaults:
            raise typer.BadParameter(f"{path} sets {key!r} twice")
        defaults[name] = _text(
            value,
            several=getattr(known[name], "multiple", False),
            is_flag=getattr(known[name], "is_flag", False),
        )
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _text(value: Any, *, several: bool, is_flag: bool) -> Any:
    """Return a setting as the command line would have it: what is wrong with it is found there."""
    if isinstance(value, list):
        texts = [str(one) for one in value]
        return texts if several else ",".join(texts)
    if is_flag and isinstance(value, bool):
        return value
    return [str(value)] if several else str(value)


def all_settings(given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return all settings of a run by name: those given, and the defaults of those that were not."""
    return {
        name: getattr(settings, name) if name in Settings._fields else value
        for name, value in given.items()
        if name not in NOT_SETTINGS
    }


def keep_config(path: Path | None, settings: Mapping[str, Any]) -> None:
    """Write settings for `read_config` to a file, if one is asked for; None and False are left out."""
    if path is None:
        return
    from fastmaml.writing import write_whole

    lines = [
        f"{name} = {_toml(value)}\n"
        for name, value in settings.items()
        if value is not None and value is not False
    ]
    write_whole(path, "".join(lines).encode())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML's basic strings are JSON's, but for the one control character that JSON lets stand.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
