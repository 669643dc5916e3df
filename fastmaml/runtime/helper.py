"""The second process of `fastmaml.runtime.together`: it compiles what standard input describes."""

from __future__ import annotations

import pickle
import sys

from fastmaml.runtime.entry import Wanted, named_entry
from fastmaml.runtime.together import work_off


def main() -> None:
    """Compile what nobody else has claimed."""
    claims, described = pickle.load(sys.stdin.buffer)
    work_off([Wanted(named_entry(name), signature, name) for name, signature in described], claims)


if __name__ == "__main__":
    main()
