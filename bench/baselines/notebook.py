"""The teaching notebook in plain NumPy, written anew: task by task, every loss computed.

``python -m bench.baselines.notebook`` runs its default job of 10,000 epochs.
"""

import numpy as np


def sample_points(k):
    """Draw `k` points of 50 uniforms, shape (k, 50), and `k` fair labels, shape (k, 1)."""
    x = np.random.rand(k, 50)
    y = np.random.choice([0, 1], size=k, p=[0.5, 0.5]).reshape([-1, 1])
    return x, y


class NotebookMAML:
    """First-order MAML for logistic regression on noise.

    Parameters
    ----------
    num_tasks, num_samples, epochs, alpha, beta
        The notebook's settings, here with its values.
    verbose : bool, default True
        Print as the notebook does.
    """

    def __init__(self, num_tasks=10, num_samples=10, epochs=10000, alpha=0.0001, beta=0.0001, verbose=True):
        self.num_tasks = num_tasks
        self.num_samples = num_samples
        self.epochs = epochs
        self.alpha = alpha
        self.beta = beta
        self.verbose = verbose
        self.theta = np.random.normal(size=50).reshape(50, 1)
        self.theta_ = []

    def sigmoid(self, a):
        """Return ``1 / (1 + exp(-a))``."""
        return 1.0 / (1 + np.exp(-a))

    def train(self):
        """Run `epochs` epochs from `theta` as it stands."""
        for e in range(self.epochs):
            self.theta_ = []
            for _ in range(self.num_tasks):
                x, y = sample_points(self.num_samples)
                p = self.sigmoid(np.matmul(x, self.theta))
                loss = (
                    (np.matmul(-y.T, np.log(p)) - np.matmul((1 - y.T), np.log(1 - p))) / self.num_samples
                )[0][0]
                gradient = np.matmul(x.T, (p - y)) / self.num_samples
                self.theta_.append(self.theta - self.alpha * gradient)

            meta_gradient = np.zeros(self.theta.shape)
            for i in range(self.num_tasks):
                x, y = sample_points(10)
                p = self.sigmoid(np.matmul(x, self.theta_[i]))
                meta_gradient += np.matmul(x.T, (p - y)) / self.num_samples
            self.theta = self.theta - self.beta * meta_gradient / self.num_tasks

            if self.verbose and e % 1000 == 0:
                print(f"Epoch {e}: Loss {loss}\n")
                print("Updated Model Parameter Theta\n")
                print("Sampling Next Batch of Tasks \n")
                print("---------------------------------\n")


if __name__ == "__main__":
    NotebookMAML().train()
