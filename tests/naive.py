"""The oracle: the papers' formulas in plain NumPy, slow and obviously right.

Nothing of ``fastmaml`` is imported here, and nothing is clever: second derivatives are dense matrices, the
generators work on Python integers, every task is a turn of a Python loop. What the library computes by
another road must agree with this one.

Notation, for one task with support set ``(Xs, ys)`` and query set ``(Xq, yq)``, after Finn, Abbeel & Levine
(2017), "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", algorithm 1::

    theta_0 = theta,   theta_{s+1} = theta_s - rate_s * grad L_s(theta_s)        s = 0 ... steps - 1
    meta-gradient, order 1:   grad L_q(theta_K)
    meta-gradient, order 2:   J^T grad L_q(theta_K),   J = d theta_K / d theta
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# ------------------------------------------------------------------------------------------------------------
# The teaching notebook
# ------------------------------------------------------------------------------------------------------------


def sample_points(k, num_features=50):
    """Draw one set of points as the notebook does, from NumPy's global generator.

    Parameters
    ----------
    k : int
        Number of points.
    num_features : int, default 50
        Width of a point.

    Returns
    -------
    x : ndarray of float64, shape (k, num_features)
        Uniform in [0, 1).
    y : ndarray of int64, shape (k, 1)
        Labels 0 and 1 with equal chances, independent of `x`.
    """
    x = np.random.rand(k, num_features)
    y = np.random.choice([0, 1], size=k, p=[0.5, 0.5]).reshape([-1, 1])
    return x, y


class NotebookMAML:
    """The notebook's class, with its quirks and its printed lines.

    Two quirks are part of it: the gradient on the query points is divided by ``num_samples`` whatever
    ``query_samples`` is, and the printed loss is the last task's support loss before that task's step.

    Parameters
    ----------
    num_tasks, num_samples, epochs, alpha, beta, num_features, query_samples
        As in the notebook, where they are 10, 10, 10000, 1e-4, 1e-4, 50 and 10.
    sample_points : callable, optional
        ``f(k) -> x (k, num_features), y (k, 1)``; by default the notebook's.
    inner_steps : int, default 1
        Gradient steps on the support points; the notebook takes one.
    order : {1, 2}, default 1
        1 stops at the query gradient, as the notebook; 2 sends it back through the inner steps.
    log_every : int, default 1000
        Epochs between two printed losses.

    Attributes
    ----------
    theta : ndarray, shape (num_features, 1)
        The initialisation; drawn from NumPy's global generator when the object is made.
    theta_ : list of ndarray, shape (num_features, 1)
        The parameters adapted to each task of the last epoch.
    losses : list of float
        The printed losses, by the notebook's formula.
    stable_losses : list of float
        The same losses without the cancellation in ``log(1 - p)``.
    """

    def __init__(
        self,
        num_tasks=10,
        num_samples=10,
        epochs=10000,
        alpha=1e-4,
        beta=1e-4,
        num_features=50,
        query_samples=10,
        *,
        sample_points=None,
        inner_steps=1,
        order=1,
        log_every=1000,
    ):
        self.num_tasks = num_tasks
        self.num_samples = num_samples
        self.epochs = epochs
        self.alpha = alpha
        self.beta = beta
        self.num_features = num_features
        self.query_samples = query_samples
        self.sample_points = sample_points
        self.inner_steps = inner_steps
        self.order = order
        self.log_every = log_every
        self.theta = np.random.normal(size=num_features).reshape(num_features, 1)
        self.theta_ = []
        self.losses = []
        self.stable_losses = []

    def sigmoid(self, a):
        """Apply the notebook's own formula."""
        return 1.0 / (1 + np.exp(-a))

    def draw(self, k):
        """Draw one set of `k` points from the caller's sampler or the notebook's."""
        if self.sample_points is not None:
            return self.sample_points(k)
        return sample_points(k, self.num_features)

    def train(self):
        """Run `epochs` epochs from `theta` as it stands; print the notebook's lines; return None."""
        for e in range(self.epochs):
            self.theta_ = []
            support_sets = []
            for _ in range(self.num_tasks):
                XTrain, YTrain = self.draw(self.num_samples)
                support_sets.append((XTrain, YTrain))
                theta = self.theta
                for step in range(self.inner_steps):
                    YHat = self.sigmoid(np.matmul(XTrain, theta))
                    if step == 0:
                        with np.errstate(divide="ignore", invalid="ignore"):
                            loss = (
                                np.matmul(-YTrain.T, np.log(YHat))
                                - np.matmul((1 - YTrain).T, np.log(1 - YHat))
                            ) / self.num_samples
                        loss = loss[0][0]
                        a = np.matmul(XTrain, theta)
                        stable_loss = np.sum(np.logaddexp(0.0, a) - YTrain * a) / self.num_samples
                    gradient = np.matmul(XTrain.T, (YHat - YTrain)) / self.num_samples
                    theta = theta - self.alpha * gradient
                self.theta_.append(theta)

            total = np.zeros(self.theta.shape)
            for i in range(self.num_tasks):
                XTest, YTest = self.draw(self.query_samples)
                YPred = self.sigmoid(np.matmul(XTest, self.theta_[i]))
                gradient = np.matmul(XTest.T, (YPred - YTest)) / self.num_samples
                if self.order == 2:
                    gradient = self._jacobian(*support_sets[i]).T @ gradient
                total += gradient
            self.theta = self.theta - self.beta * total / self.num_tasks

            if e % self.log_every == 0:
                self.losses.append(float(loss))
                self.stable_losses.append(float(stable_loss))
                print(f"Epoch {e}: Loss {loss}\n")
                print("Updated Model Parameter Theta\n")
                print("Sampling Next Batch of Tasks \n")
                print("---------------------------------\n")

    def _jacobian(self, x, y):
        """Return the derivative of the adapted parameters by theta, shape (num_features, num_features)."""
        theta = self.theta
        jacobian = np.eye(len(theta))
        for _ in range(self.inner_steps):
            p = self.sigmoid(x @ theta)
            hessian = x.T @ np.diag((p * (1 - p)).ravel()) @ x / self.num_samples
            jacobian = (np.eye(len(theta)) - self.alpha * hessian) @ jacobian
            theta = theta - self.alpha * (x.T @ (p - y)) / self.num_samples
        return jacobian


# ------------------------------------------------------------------------------------------------------------
# Logistic regression
# ------------------------------------------------------------------------------------------------------------


def sigmoid(a):
    """``1 / (1 + exp(-a))`` without overflow: each sign by the formula that stays small."""
    a = np.asarray(a, dtype=np.float64)
    small = np.exp(-np.abs(a))
    return np.where(a >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def design(X, theta):
    """Return the rows as the model sees them: with a column of ones where `theta` is one longer than a row.

    Parameters
    ----------
    X : ndarray, shape (n, num_features)
    theta : ndarray, shape (num_features,) or, with the intercept last, (num_features + 1,)

    Returns
    -------
    ndarray of float64, shape (n, len(theta))
    """
    X = np.asarray(X, dtype=np.float64)
    if len(theta) == X.shape[1] + 1:
        X = np.hstack([X, np.ones((len(X), 1))])
    if len(theta) != X.shape[1]:
        raise ValueError(f"theta has {len(theta)} parameters but X has {X.shape[1]} columns")
    return X


def loss(theta, X, y):
    """Mean negative log-likelihood ``mean(log(1 + exp(a)) - y a)`` with ``a = X theta``; a float."""
    a = design(X, theta) @ theta
    return float(np.mean(np.logaddexp(0.0, a) - np.ravel(y) * a))


def gradient(theta, X, y):
    """Gradient of `loss`, ``X^T (p - y) / n``; shape (len(theta),)."""
    X = design(X, theta)
    return X.T @ (sigmoid(X @ theta) - np.ravel(y)) / len(X)


def hessian(theta, X, y):
    """Hessian of `loss`, ``X^T diag(p (1 - p)) X / n``; shape (len(theta), len(theta)); `y` plays no part."""
    X = design(X, theta)
    a = X @ theta
    # sigmoid(-a) and not 1 - p, which loses all digits where p is near 1.
    return X.T @ np.diag(sigmoid(a) * sigmoid(-a)) @ X / len(X)


def predict_proba(theta, X):
    """Probabilities of class 0 and of class 1; shape (n, 2), as in scikit-learn."""
    a = design(X, theta) @ theta
    return np.column_stack([sigmoid(-a), sigmoid(a)])


def accuracy(theta, X, y):
    """Share of the rows whose more probable class is their label; class 1 where ``X theta > 0``; a float."""
    return float(np.mean((design(X, theta) @ theta > 0) == (np.ravel(y) == 1)))


# ------------------------------------------------------------------------------------------------------------
# MAML on one task, and on many
# ------------------------------------------------------------------------------------------------------------


def rate_of_step(rate, step, num_parameters):
    """Return the inner rates of one step, shape (num_parameters,).

    Parameters
    ----------
    rate : float, or ndarray of shape (num_parameters,) or (inner_steps, num_parameters)
        Steps beyond the given ones reuse the last.
    step : int
    num_parameters : int
    """
    rate = np.asarray(rate, dtype=np.float64)
    if rate.ndim == 2:
        rate = rate[min(step, len(rate) - 1)]
    return np.broadcast_to(rate, (num_parameters,))


def inner_path(theta, X, y, rate, steps):
    """All parameters that the inner loop passes through: a list of ``steps + 1`` vectors, `theta` first."""
    path = [np.array(theta, dtype=np.float64)]
    for s in range(steps):
        path.append(path[s] - rate_of_step(rate, s, len(theta)) * gradient(path[s], X, y))
    return path


def inner_loop(theta, X, y, rate, steps):
    """Adapt `theta` to one support set by `steps` gradient steps.

    Parameters
    ----------
    theta : ndarray, shape (num_parameters,)
    X, y : ndarray, shapes (n, num_features) and (n,) or (n, 1)
    rate : float or ndarray
        See `rate_of_step`.
    steps : int

    Returns
    -------
    ndarray, shape (num_parameters,)
    """
    return inner_path(theta, X, y, rate, steps)[-1]


def meta_loss(theta, Xs, ys, Xq, yq, rate, steps):
    """Return the query loss after adaptation to the support set, a function of `theta`; a float."""
    return loss(inner_loop(theta, Xs, ys, rate, steps), Xq, yq)


def meta_gradient(theta, Xs, ys, Xq, yq, rate, steps, order):
    """One task's gradient for the initialisation.

    Order 2 forms the dense Jacobian of the inner loop, step after step from the front,
    ``J = (I - diag(r_{K-1}) H_{K-1}) ... (I - diag(r_0) H_0)``, and multiplies once: another road than the
    recursion over Hessian-vector products from the back.

    Parameters
    ----------
    theta : ndarray, shape (num_parameters,)
    Xs, ys, Xq, yq : ndarray
        Support and query set of one task.
    rate : float or ndarray
        See `rate_of_step`.
    steps : int
        Inner steps.
    order : {1, 2}

    Returns
    -------
    ndarray, shape (num_parameters,)
    """
    path = inner_path(theta, Xs, ys, rate, steps)
    query_gradient = gradient(path[-1], Xq, yq)
    if order == 1:
        return query_gradient
    if order != 2:
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    jacobian = np.eye(len(theta))
    for s in range(steps):
        rates = rate_of_step(rate, s, len(theta))
        jacobian = (np.eye(len(theta)) - np.diag(rates) @ hessian(path[s], Xs, ys)) @ jacobian
    return jacobian.T @ query_gradient


def batch_meta_gradient(theta, tasks, rate, steps, order):
    """Return the mean of `meta_gradient` over `tasks`, each ``(Xs, ys, Xq, yq)``; shape (num_parameters,)."""
    return np.mean([meta_gradient(theta, *task, rate, steps, order) for task in tasks], axis=0)


class TaskEvaluation(NamedTuple):
    """Loss and accuracy of one task on its query set, one entry for each asked number of steps."""

    steps: tuple
    loss: np.ndarray
    accuracy: np.ndarray


def evaluate_task(theta, Xs, ys, Xq, yq, rate, steps=(0, 1, 5)):
    """Adapt to the support set, measure on the query set.

    Parameters
    ----------
    theta : ndarray, shape (num_parameters,)
    Xs, ys, Xq, yq : ndarray
        Support and query set of one task.
    rate : float or ndarray
        See `rate_of_step`.
    steps : sequence of int, default (0, 1, 5)
        Numbers of steps after which to measure.

    Returns
    -------
    TaskEvaluation
    """
    path = inner_path(theta, Xs, ys, rate, max(steps))
    return TaskEvaluation(
        tuple(steps),
        np.array([loss(path[s], Xq, yq) for s in steps]),
        np.array([accuracy(path[s], Xq, yq) for s in steps]),
    )


def central_difference(f: Callable, x, h=1e-5):
    """Numerical derivative of `f` at `x` by ``(f(x + h e_i) - f(x - h e_i)) / 2h``.

    The error is of order ``h^2 |f'''| / 6`` from the formula and ``eps |f| / h`` from the rounding.

    Parameters
    ----------
    f : callable
        From a vector (n,) to a float or to an array of any one shape.
    x : ndarray, shape (n,)
    h : float, default 1e-5

    Returns
    -------
    ndarray, shape (n,) for a scalar `f`, otherwise shape of ``f(x)`` + (n,): the gradient or the Jacobian
    """
    x = np.asarray(x, dtype=np.float64)
    columns = []
    for i in range(len(x)):
        step = np.zeros_like(x)
        step[i] = h
        columns.append((np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * h))
    return np.stack(columns, axis=-1)


# ------------------------------------------------------------------------------------------------------------
# Generators, on Python's integers
# ------------------------------------------------------------------------------------------------------------

_WORD = 0xFFFFFFFF


def philox4x32(counter, key, rounds=10):
    """One block of Philox4x32.

    Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", section 3.3.

    Parameters
    ----------
    counter : sequence of 4 int
        32-bit words.
    key : sequence of 2 int
        32-bit words.
    rounds : int, default 10

    Returns
    -------
    tuple of 4 int
        32-bit words.
    """
    c0, c1, c2, c3 = (int(c) & _WORD for c in counter)
    k0, k1 = (int(k) & _WORD for k in key)
    for _ in range(rounds):
        product0 = 0xD2511F53 * c0
        product1 = 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & _WORD,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & _WORD,
        )
        # The Weyl sequence of the key: the golden ratio and sqrt(3) - 1, as fractions of 2^32.
        k0 = (k0 + 0x9E3779B9) & _WORD
        k1 = (k1 + 0xBB67AE85) & _WORD
    return c0, c1, c2, c3


def mt19937(key, pos):
    """Yield the words of MT19937 from a given state.

    Matsumoto & Nishimura (1998), "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random
    number generator", section 2.1.

    Parameters
    ----------
    key : sequence of 624 int
        The state, 32-bit words, as in ``np.random.get_state()[1]``.
    pos : int
        How many words of it are used up, 0 to 624, as in ``np.random.get_state()[2]``.

    Yields
    ------
    int
        Tempered 32-bit words, without end.
    """
    state = [int(word) for word in key]
    while True:
        if pos == 624:
            for i in range(624):
                joined = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7FFFFFFF)
                state[i] = state[(i + 397) % 624] ^ (joined >> 1) ^ (0x9908B0DF if joined & 1 else 0)
            pos = 0
        word = state[pos]
        pos += 1
        word ^= word >> 11
        word ^= (word << 7) & 0x9D2C5680
        word ^= (word << 15) & 0xEFC60000
        yield word ^ (word >> 18)


def mt19937_doubles(key, pos):
    """NumPy's doubles in [0, 1) from the words of `mt19937`: 27 and 26 bits of two words, without end."""
    words = mt19937(key, pos)
    while True:
        high = next(words) >> 5
        low = next(words) >> 6
        yield (high * 67108864 + low) / 9007199254740992
