"""The oracle of models and algorithms: losses as they are defined, and derivatives by differences.

Nothing of ``fastmaml`` is imported here, and no derivative is written down. Gradients inside the inner loop
are complex steps (W. Squire and G. Trapp, 1998), which are exact up to rounding; those of the outer loss are
central differences of sixth order around them. Both in extended precision (64 bits of mantissa on x86-64),
which leaves errors far below 1e-12.
"""

import numpy as np

REAL, COMPLEX = np.longdouble, np.clongdouble
# A complex step subtracts nothing, so it may be as small as one likes.
INNER, OUTER = REAL(10) ** -200, REAL(10) ** -5

ACTIVATIONS = {
    "relu": lambda a: np.where(a.real > 0, a, 0),
    "tanh": np.tanh,
    "silu": lambda a: a / (1 + np.exp(-a)),
}


def outputs(theta, X, sizes, activation, intercept=True):
    """Return the last layer's outputs (..., rows, outputs) for parameters (..., num_parameters).

    theta has weights (inputs, outputs), then biases, layer by layer.
    """
    values, place = X.astype(theta.dtype), 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        weights = theta[..., place : place + n * m].reshape(*theta.shape[:-1], n, m)
        place += n * m
        values = values @ weights
        if intercept:
            values = values + theta[..., np.newaxis, place : place + m]
            place += m
        if layer < len(sizes) - 2:
            values = ACTIVATIONS[activation](values)
    return values


def mean_loss(theta, X, y, sizes, activation="relu", loss="squared_error", intercept=True):
    """Return the mean loss (...,) over rows, and outputs, for parameters (..., num_parameters)."""
    z = outputs(theta, X, sizes, activation, intercept)
    if loss == "squared_error":
        return np.mean((z - y) ** 2, axis=(-2, -1))
    if loss == "poisson":
        return np.mean(np.exp(z) - y * z, axis=(-2, -1))
    if loss == "binary_cross_entropy":
        return np.mean(np.log(1 + np.exp(z)) - y * z, axis=(-2, -1))
    right = z[..., np.arange(len(X)), y[:, 0].astype(int)]
    return np.mean(np.log(np.sum(np.exp(z), axis=-1)) - right, axis=-1)


def slope(f, theta):
    """Return the gradients of f at parameters (..., num_parameters), by complex steps."""
    steps = 1j * INNER * np.eye(theta.shape[-1], dtype=COMPLEX)
    return f(theta[..., np.newaxis, :] + steps).imag / INNER


def differences(f, theta):
    """Return the gradient of f at theta (n,), by differences; f takes (points, n)."""
    offsets, factors = np.array([1, 2, 3]), np.array([45, -9, 1], dtype=REAL) / 60
    moves = OUTER * np.eye(theta.size, dtype=REAL) * offsets[:, np.newaxis, np.newaxis]
    up, down = (f((theta + sign * moves).reshape(-1, theta.size)).reshape(3, -1) for sign in (1, -1))
    return factors @ (up - down) / OUTER


def inner_path(theta, loss, rates, steps, penalty=0.0, clip=None):
    """Return parameters (..., num_parameters) and what each inner step makes of them.

    loss: the mean support loss. rates: of each step, (steps, ..., num_parameters). penalty: the L2 penalty
    of each parameter.
    """
    path = [theta]
    for s in range(steps):
        gradient = slope(loss, path[-1]) + penalty * path[-1]
        norm = np.sqrt(np.sum(gradient**2, axis=-1, keepdims=True))
        if clip is not None:
            gradient = gradient * np.where(norm > clip, clip / norm, 1)
        path.append(path[-1] - rates[s] * gradient)
    return path


def meta_gradients(theta, rates, support, query, *, steps, order=2, weights=None, penalty=0.0, clip=None):
    """Return the gradients for theta and for the rates of each step, and the query loss after the last.

    support, query: mean losses, functions of the parameters. weights: of the query loss after each step, the
    last alone by default.
    """
    theta, rates = np.asarray(theta, dtype=REAL), np.asarray(rates, dtype=REAL)
    weights = [0] * (steps - 1) + [1] if weights is None else weights

    def outer(at, given):
        path = inner_path(at, support, given, steps, penalty, clip)
        return sum(w * query(path[s + 1]) for s, w in enumerate(weights))

    path = inner_path(theta, support, rates, steps, penalty, clip)
    if order == 2:
        for_theta = differences(lambda at: outer(at, rates), theta)
        flat = differences(
            lambda given: outer(theta, np.moveaxis(given.reshape(-1, *rates.shape), 1, 0)), rates.reshape(-1)
        )
        for_rates = flat.reshape(rates.shape)
    else:
        later = [w * slope(query, path[s + 1]) for s, w in enumerate(weights)]
        for_theta = sum(later)
        # Every later point moves with theta_{s+1} as if the steps after it were constant.
        moved = [(path[s + 1] - path[s]) / np.where(rates[s] == 0, 1, rates[s]) for s in range(steps)]
        for_rates = np.array([moved[s] * sum(later[s:]) for s in range(steps)])
    return for_theta, for_rates, query(path[-1])
