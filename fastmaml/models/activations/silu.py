"""SiLU: ``a * sigmoid(a)`` (S. Elfwing, E. Uchibe, K. Doya, 2018)."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.activations.contract import activate
from fastmaml.numerics.elementary import exp_nonpositive
from fastmaml.runtime.compilation import exact


class SiLU(NamedTuple):
    """SiLU, which has no numbers of its own."""


@exact
def _silu(a: Any, slopes_out: Any, bends_out: Any) -> None:
    one = a.dtype.type(1)
    two = a.dtype.type(2)
    for k in range(a.size):
        e = exp_nonpositive(-abs(a[k]))
        larger = one / (one + e)
        smaller = e * larger
        p = larger if a[k] >= 0 else smaller
        q = smaller if a[k] >= 0 else larger
        slopes_out[k] = p + a[k] * p * q
        bends_out[k] = p * q * (two + a[k] * (q - p))
        a[k] = a[k] * p


@activate.register(SiLU)
def _activate(activation: Any, a: Any, slopes_out: Any, bends_out: Any) -> None:
    _silu(a, slopes_out, bends_out)
