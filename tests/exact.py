"""Numbers of 50 digits that know their derivatives and how large the terms are that they are made of.

The losses are written down here as they are defined, and nothing of ``fastmaml`` is imported. Derivatives, of
any order, come from a list of what was computed, gone through backwards (reverse accumulation): the rules are
those of sums, products and the few functions below, and no formula of a gradient or of a Hessian stands
anywhere.

Beside its value each number carries what an error is compared with, the sum of the absolute terms, as in J.
H. Wilkinson's running error analysis. A sum has the sum of its addends', whatever their signs. A product a b
has ``|a| B + A |b|``, and f(a) has ``|f(a)| + |f'(a)| A``, with A and B those of a and b. Where every
operation is right to a relative error e, computing the same sums in any order is off by e times that and a
small factor, to first order in e.
"""

from __future__ import annotations

import mpmath
from mpmath import mpf

DIGITS = 50
# The share of its terms that a number may be off by.
SHARE = 1e-12
# Below 2.2e-308 doubles have fewer and fewer digits: one number may be off by so much, times that share.
LEAST = 1e-295
# An argument that is known to fewer digits than these has no derivative worth comparing where one jumps.
SURE = 1e-9
# The exponential of what is larger has no place among doubles, by far.
OUT_OF_RANGE = 1e6
# What doubles hold, about.
LARGEST = 1e300


class AtAKinkError(ArithmeticError):
    """The branch taken is a matter of rounding."""


class OutOfRangeError(ArithmeticError):
    """A number is too large for a double, wherever the computation leads from there."""


class Number:
    """A number that was computed.

    Attributes
    ----------
    value : mpf
        What it is.
    terms : float
        The sum of its absolute terms.
    origins : sequence of (Number, callable)
        What it was computed from, and the derivatives by these; only what leads to a variable.
    """

    created = 0

    def __init__(self, value, terms=None, origins=(), variable=False):
        self.value = mpf(value)
        self.terms = (abs(float(self.value)) if terms is None else terms) + LEAST
        self.origins = [origin for origin in origins if origin[0].varies]
        self.varies = variable or bool(self.origins)
        Number.created += 1
        self.place = Number.created

    def __add__(self, other):
        other = number(other)
        terms = self.terms + other.terms
        return Number(self.value + other.value, terms, [(self, lambda: ONE), (other, lambda: ONE)])

    def __neg__(self):
        return Number(-self.value, self.terms, [(self, lambda: MINUS_ONE)])

    def __sub__(self, other):
        return self + -number(other)

    def __mul__(self, other):
        other = number(other)
        # Nothing is rounded here.
        if other is ONE or other is MINUS_ONE:
            return self if other is ONE else -self
        # Each is off by a share of its terms: next to a factor of zero, one error times the other is left.
        terms = abs(float(self.value)) * other.terms + self.terms * abs(float(other.value))
        terms += SHARE * self.terms * other.terms
        return Number(self.value * other.value, terms, [(self, lambda: other), (other, lambda: self)])

    __radd__, __rmul__ = __add__, __mul__

    def __rtruediv__(self, other):
        return other * reciprocal(self)

    def __truediv__(self, other):
        return self * reciprocal(number(other))


def number(value):
    """Return a number, from itself or from what is given exactly."""
    return value if isinstance(value, Number) else Number(value)


def variables(values):
    """Return numbers to differentiate by."""
    return [Number(value, variable=True) for value in values]


def constant(a):
    """Return a number as if it were given; its terms stay what they were."""
    return Number(a.value, a.terms)


def function(a, value, at, slope):
    """Return f(a), from its value, the derivative's value, and what makes a number of the derivative."""
    return Number(value, abs(float(value)) + abs(float(at)) * a.terms, [(a, slope)])


ONE, MINUS_ONE = Number(1), Number(-1)


def total(numbers):
    """Return the sum."""
    result = None
    for each in numbers:
        result = each if result is None else result + each
    return result


def gradient(result, inputs):
    """Return the derivatives of a number by variables, or by what was computed of them."""
    ends = {each.place for each in inputs}
    found, waiting = {}, [result]
    while waiting:
        each = waiting.pop()
        if each.place not in found:
            found[each.place] = each
            if each.place not in ends:
                waiting += [origin for origin, _ in each.origins]
    slopes = {result.place: ONE}
    for place in sorted(found, reverse=True):
        if place not in ends:
            for origin, derivative in found[place].origins:
                addend = slopes[place] * derivative()
                slopes[origin.place] = slopes[origin.place] + addend if origin.place in slopes else addend
    return [slopes.get(each.place, Number(0)) for each in inputs]


# --- functions ---


def reciprocal(a):
    return function(a, 1 / a.value, a.value**-2, lambda: -(reciprocal(a) * reciprocal(a)))


def square_root(a):
    root = mpmath.sqrt(a.value)
    return function(a, root, 1 / (2 * root), lambda: reciprocal(2 * square_root(a)))


def _exp(value):
    """Return the exponential, but beyond any double's range not to its last digit, which takes for ever."""
    if abs(value) > OUT_OF_RANGE:
        return mpf("inf") if value > 0 else mpf(0)
    return mpmath.exp(value)


def exponential(a):
    value = _exp(a.value)
    if value > LARGEST:
        raise OutOfRangeError
    return function(a, value, value, lambda: exponential(a))


def _sigmoid(value):
    return 1 / (1 + _exp(-value))


def sigmoid(a):
    value, other = _sigmoid(a.value), _sigmoid(-a.value)
    return function(a, value, value * other, lambda: sigmoid(a) * sigmoid(-a))


def softplus(a):
    """Return ``log(1 + exp(a))``."""
    value = max(a.value, 0) + mpmath.log1p(_exp(-abs(a.value)))
    return function(a, value, _sigmoid(a.value), lambda: sigmoid(a))


def tanh(a):
    slope = 1 / mpmath.cosh(a.value) ** 2
    return function(a, mpmath.tanh(a.value), slope, lambda: 4 * (sigmoid(2 * a) * sigmoid(-2 * a)))


def silu(a):
    return a * sigmoid(a)


def relu(a):
    """Return ``max(a, 0)``, with the derivative 0 at 0."""
    if a.value != 0 and abs(a.value) < SURE * a.terms:
        raise AtAKinkError
    slope = ONE if a.value > 0 else Number(0)
    return function(a, max(a.value, 0), slope.value, lambda: slope)


def log_sum_exp(numbers):
    """Return ``log(exp(a) + exp(b) + ...)``, the larger of two first: nothing is taken away."""
    result = numbers[0]
    for each in numbers[1:]:
        large, small = (result, each) if result.value >= each.value else (each, result)
        result = large + softplus(small - large)
    return result


# --- losses ---

ACTIVATIONS = {"relu": relu, "tanh": tanh, "silu": silu}


def outputs(theta, row, sizes, activation, intercept):
    """Return the last layer's outputs; theta has weights (inputs, outputs), then biases, layer by layer."""
    values, place = [number(x) for x in row], 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        after = [total(values[i] * theta[place + i * m + j] for i in range(n)) for j in range(m)]
        place += n * m
        if intercept:
            after = [a + theta[place + j] for j, a in enumerate(after)]
            place += m
        values = [ACTIVATIONS[activation](a) for a in after] if layer < len(sizes) - 2 else after
    return values


def row_loss(z, y, loss):
    """Return the loss of a row's outputs, the mean over outputs where there are targets for each."""
    if loss == "binary_cross_entropy":
        return softplus(-z[0]) if y[0] else softplus(z[0])
    if loss == "categorical_cross_entropy":
        right = int(y[0])
        return softplus(log_sum_exp(z[:right] + z[right + 1 :]) - z[right])
    if loss == "poisson":
        terms = [exponential(a) - a * float(b) for a, b in zip(z, y, strict=True)]
    else:
        terms = [(a - float(b)) * (a - float(b)) for a, b in zip(z, y, strict=True)]
    return total(terms) * (mpf(1) / len(z))


def mean_loss(theta, X, y, sizes, loss, activation="relu", intercept=True):
    """Return the mean loss over rows."""
    rows = [
        row_loss(outputs(theta, row, sizes, activation, intercept), targets, loss)
        for row, targets in zip(X, y, strict=True)
    ]
    return total(rows) * (mpf(1) / len(rows))


# --- algorithms ---


def clipped(numbers, norm):
    """Return numbers scaled to a Euclidean norm at most."""
    squares = total(a * a for a in numbers)
    if abs(squares.value - norm**2) < SURE * squares.terms:
        raise AtAKinkError
    if squares.value <= norm**2:
        return numbers
    factor = norm / square_root(squares)
    return [a * factor for a in numbers]


def adapted(theta, rates, loss, *, order=2, penalties=None, clip=None):
    """Return what inner steps make of theta.

    rates: of each step and parameter. loss: the mean support loss. Of order 1, the inner gradients are
    constants.
    """
    for of_step in rates:
        slopes = gradient(loss(theta), theta)
        if penalties is not None:
            slopes = [g + p * t for g, p, t in zip(slopes, penalties, theta, strict=True)]
        if clip is not None:
            slopes = clipped(slopes, clip)
        if order == 1:
            slopes = [constant(g) for g in slopes]
        theta = [t - r * g for t, r, g in zip(theta, of_step, slopes, strict=True)]
    return theta
