"""The second process of `fastmaml.runtime.together`: it compiles what standard input describes."""

from __future__ import annotations

import pickle
import sys

from fastmaml.runtime.entry import Wanted, named_entry
from fastmaml.runtime.together import work_off


def main() -> None:
    """Compile what nobody else has claimed."""
    claims, described = pickle.load(sys.stdin.buffer)
    tasks = [Wanted(named_entry(name), signature, name, cost) for name, signature, cost in described]
    work_off(tasks, claims)


if __name__ == "__main__":
    main()
