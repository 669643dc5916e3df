"""The hyperbolic tangent."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.activations.contract import activate
from fastmaml.numerics.elementary import exp_nonpositive, expm1_nonpositive
from fastmaml.runtime.compilation import exact


class Tanh(NamedTuple):
    """The hyperbolic tangent, which has no numbers of its own."""


@exact
def _tanh(a: Any, slopes_out: Any, bends_out: Any) -> None:
    one = a.dtype.type(1)
    two = a.dtype.type(2)
    for k in range(a.size):
        # By how much exp(-2 |a|) is less than one: next to zero nothing else tells how large tanh is.
        less = -expm1_nonpositive(-two * abs(a[k]))
        share = one / (two - less)
        value = less * share
        # The stable form of 1 - tanh^2.
        slope = two * two * exp_nonpositive(-two * abs(a[k])) * share * share
        value = value if a[k] >= 0 else -value
        slopes_out[k] = slope
        bends_out[k] = -two * value * slope
        a[k] = value


@activate.register(Tanh)
def _activate(activation: Any, a: Any, slopes_out: Any, bends_out: Any) -> None:
    _tanh(a, slopes_out, bends_out)
