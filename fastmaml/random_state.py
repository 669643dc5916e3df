"""NumPy's global generator, borrowed and given back, and seeds of one's own."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from fastmaml.numerics.mt19937 import BLOCK


def borrow_global_state() -> np.ndarray:
    """Return the state of NumPy's global MT19937 generator as 624 key words and the position.

    Raises
    ------
    ValueError
        If somebody has put another bit generator than MT19937 in its place.
    """
    state: Any = np.random.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        other = state["bit_generator"]
        raise ValueError(
            f"NumPy's global generator is {other}, but the notebook's numbers come from "
            "MT19937; put it back with np.random.set_bit_generator(np.random.MT19937(seed)) "
            "or pass random_state="
        )
    words = np.empty(BLOCK + 1, dtype=np.uint32)
    words[:BLOCK] = state["state"]["key"]
    words[BLOCK] = state["state"]["pos"]
    return words


def return_global_state(words: np.ndarray) -> None:
    """Let NumPy's global generator go on from a state; a Gaussian that it has in store stays there."""
    state: Any = np.random.get_state(legacy=False)
    state["state"] = {"key": words[:BLOCK].copy(), "pos": int(words[BLOCK])}
    np.random.set_state(state)


def seed_from_system() -> int:
    """Draw a seed of 63 bits from the operating system."""
    return secrets.randbits(63)
