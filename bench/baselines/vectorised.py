"""The notebook's job as a careful NumPy user would write it: all tasks of an epoch at once."""

import numpy as np


def sigmoid(a):
    """Return ``1 / (1 + exp(-a))``."""
    return 1.0 / (1.0 + np.exp(-a))


def epoch_step(theta, Xs, ys, Xq, yq, alpha, beta):
    """Return `theta` after one epoch of first-order MAML.

    Parameters
    ----------
    theta : ndarray, shape (num_features,)
    Xs, ys : ndarray, shapes (num_tasks, num_samples, num_features) and (num_tasks, num_samples)
        Support sets.
    Xq, yq : ndarray, shapes (num_tasks, queries, num_features) and (num_tasks, queries)
        Query sets.
    alpha, beta : float
        Inner and outer rate.

    Returns
    -------
    ndarray, shape (num_features,)
    """
    num_tasks, num_samples, num_features = Xs.shape
    # Before the first step all tasks share theta: one large matrix-vector product serves them all. The sum of
    # the query gradients is another.
    error = sigmoid((Xs.reshape(-1, num_features) @ theta).reshape(ys.shape)) - ys
    gradients = np.matmul(error[:, None, :], Xs)[:, 0]
    adapted = theta - alpha / num_samples * gradients
    error = sigmoid(np.matmul(Xq, adapted[:, :, None])[:, :, 0]) - yq
    total = error.reshape(-1) @ Xq.reshape(-1, num_features)
    return theta - beta / (num_samples * num_tasks) * total


class VectorisedMAML:
    """The notebook's job, an epoch at a time; it computes no losses.

    Parameters
    ----------
    num_tasks, num_samples, epochs, alpha, beta
        As in the notebook.
    uniform : callable, default ``np.random.random_sample``
        ``f(shape)`` gives doubles in [0, 1). The default is the notebook's generator; NumPy has faster ones.
    """

    def __init__(
        self,
        num_tasks=10,
        num_samples=10,
        epochs=10000,
        alpha=1e-4,
        beta=1e-4,
        uniform=np.random.random_sample,
    ):
        self.num_tasks = num_tasks
        self.num_samples = num_samples
        self.epochs = epochs
        self.alpha = alpha
        self.beta = beta
        self.uniform = uniform
        self.theta = np.random.normal(size=50)

    def train(self):
        """Run `epochs` epochs from `theta` as it stands."""
        support, query = (self.num_tasks, self.num_samples), (self.num_tasks, 10)
        for _ in range(self.epochs):
            Xs = self.uniform((*support, 50))
            ys = self.uniform(support) >= 0.5
            Xq = self.uniform((*query, 50))
            yq = self.uniform(query) >= 0.5
            self.theta = epoch_step(self.theta, Xs, ys, Xq, yq, self.alpha, self.beta)
