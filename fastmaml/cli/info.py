"""`fastmaml info`."""

from __future__ import annotations

from fastmaml.cli.options import Json
from fastmaml.cli.output import say, say_json


def info(json: Json = False) -> None:
    """Print versions, threads, vector width and cache folder, for a bug report."""
    from fastmaml import runtime

    facts = runtime.info()
    if json:
        say_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        say(f"{name:<{width}}  {value}")
