"""What an activation of hidden layers does. The contract of an activation."""

from __future__ import annotations

from typing import Any

from fastmaml.runtime.dispatch import contract


@contract
def activate(activation: Any, a: Any, slopes_out: Any, bends_out: Any) -> None:
    """Replace a (flat) by the activation of it; write its derivative and its second derivative there.

    They are numbers of whole rows, a multiple of `fastmaml.numerics.flat.ROW`. A second derivative that is
    zero everywhere is not written.
    """


@contract
def has_bends(activation: Any) -> Any:
    """Return whether the second derivative is other than zero anywhere; by default it is."""


@has_bends.default
def _has_bends(activation: Any) -> Any:
    return True
