"""Activations of hidden layers, with their first and second derivatives.

- ReLU: ``max(a, 0)``; its derivative at 0 is 0, its second derivative 0 everywhere;
- tanh;
- SiLU (S. Elfwing, E. Uchibe, K. Doya, 2018): ``a * sigmoid(a)``.
"""

from __future__ import annotations

from typing import Any

from fastmaml.numerics.elementary import exp_nonpositive, expm1_nonpositive
from fastmaml.numerics.flat import rectify
from fastmaml.runtime.compilation import exact, kernel

RELU, TANH, SILU = 0, 1, 2
ACTIVATIONS = {"relu": RELU, "tanh": TANH, "silu": SILU}


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


@kernel
def activate(activation: int, a: Any, slopes_out: Any, bends_out: Any) -> None:
    """Replace a (flat) by the activation of it; write its derivative and its second derivative there.

    They are numbers of whole rows, a multiple of `fastmaml.numerics.flat.ROW`.
    For ReLU the second derivative, which is zero, is not written.
    """
    if activation == TANH:
        _tanh(a, slopes_out, bends_out)
    elif activation == SILU:
        _silu(a, slopes_out, bends_out)
    else:
        rectify(a, 0, a.size, slopes_out, 0)
