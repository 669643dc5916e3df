"""ReLU: ``max(a, 0)``; its derivative at 0 is 0, its second derivative 0 everywhere."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.activations.contract import activate, has_bends
from fastmaml.numerics.flat import rectify


class ReLU(NamedTuple):
    """ReLU, which has no numbers of its own."""


@activate.register(ReLU)
def _activate(activation: Any, a: Any, slopes_out: Any, bends_out: Any) -> None:
    rectify(a, 0, a.size, slopes_out, 0)


@has_bends.register(ReLU)
def _has_bends(activation: Any) -> Any:
    return False
