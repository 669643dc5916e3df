"""PyTorch on the sine regression: torch.func, grad inside vmap over tasks, automatic differentiation."""

import math
import time
from itertools import pairwise

import torch
from torch.func import grad, vmap


def outputs(parameters, X):
    """Return the last layer's outputs of a ReLU network; parameters are weights and biases in turn."""
    *hidden, (weights, biases) = zip(parameters[::2], parameters[1::2], strict=True)
    for w, b in hidden:
        X = torch.relu(X @ w + b)
    return X @ weights + biases


def squared_error(parameters, X, y):
    """Return the mean squared error."""
    return torch.mean((outputs(parameters, X) - y) ** 2)


def random_parameters(sizes, scale):
    """Return normal weights and biases of zero."""
    return [part for n, m in pairwise(sizes) for part in (scale * torch.randn(n, m), torch.zeros(m))]


def sinusoids(tasks, shots, queries):
    """Draw tasks of the MAML paper's sine curves."""
    amplitude = 0.1 + 4.9 * torch.rand(tasks, 1, 1)
    phase = math.pi * torch.rand(tasks, 1, 1)
    x = 10 * torch.rand(tasks, shots + queries, 1) - 5
    y = amplitude * torch.sin(x + phase)
    return x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:]


def meta_loss(parameters, tasks, rate):
    """Return the mean over tasks of the query loss after one inner step on the support rows."""

    def of_task(X, y, X_query, y_query):
        slopes = grad(squared_error)(parameters, X, y)
        adapted = [a - rate * g for a, g in zip(parameters, slopes, strict=True)]
        return squared_error(adapted, X_query, y_query)

    return torch.mean(vmap(of_task)(*tasks))


class Sine:
    """The MAML paper's sine regression: order 2, one step, Adam, tasks drawn in every epoch.

    Parameters
    ----------
    tasks, shots, rate, learning_rate
        Tasks an epoch, points of either set, inner rate, Adam's rate.
    epochs : int
        Epochs of one call.
    threads : int, default 2
        PyTorch's threads.
    """

    def __init__(self, tasks, shots, rate, learning_rate, epochs, threads=2):
        torch.manual_seed(0)
        self.parameters = [part.requires_grad_() for part in random_parameters((1, 40, 40, 1), 0.1)]
        self._optimizer = torch.optim.Adam(self.parameters, learning_rate, fused=True)
        self._tasks, self._shots, self._rate = tasks, shots, rate
        self._epochs, self.threads = epochs, threads

    def train(self):
        """Run the epochs of one call."""
        torch.set_num_threads(self.threads)
        for _ in range(self._epochs):
            self._optimizer.zero_grad()
            drawn = sinusoids(self._tasks, self._shots, self._shots)
            meta_loss(self.parameters, drawn, self._rate).backward()
            self._optimizer.step()


class CompiledSine:
    """The same, a whole epoch given to ``torch.compile``, which needs a C++ compiler.

    Parameters
    ----------
    tasks, shots, rate, learning_rate, epochs, threads
        As of `Sine`.
    """

    def __init__(self, tasks, shots, rate, learning_rate, epochs, threads=2):
        def epoch(parameters, first, second, count):
            slopes = grad(meta_loss)(parameters, sinusoids(tasks, shots, shots), rate)
            count = count + 1
            first = [0.9 * m + 0.1 * g for m, g in zip(first, slopes, strict=True)]
            second = [0.999 * v + 0.001 * g * g for v, g in zip(second, slopes, strict=True)]
            step, scale = learning_rate / (1 - 0.9**count), 1 / (1 - 0.999**count)
            moved = zip(parameters, first, second, strict=True)
            parameters = [a - step * m / (torch.sqrt(v * scale) + 1e-8) for a, m, v in moved]
            return parameters, first, second, count

        torch.manual_seed(0)
        self._epoch, self._epochs, self.threads = torch.compile(epoch), epochs, threads
        parameters = random_parameters((1, 40, 40, 1), 0.1)
        empty = [[torch.zeros_like(part) for part in parameters] for _ in range(2)]
        # The count is a tensor: for a number that changes PyTorch would compile anew.
        self._state = (parameters, *empty, torch.zeros(()))

    @property
    def parameters(self):
        """Return weights and biases in turn."""
        return self._state[0]

    def train(self):
        """Run the epochs of one call."""
        torch.set_num_threads(self.threads)
        with torch.no_grad():
            for _ in range(self._epochs):
                self._state = self._epoch(*self._state)


def fastest(kind, *settings):
    """Return a `Sine` or `CompiledSine` with one thread or with two, whichever is faster here."""
    trials = {}
    for threads in (1, 2):
        run = kind(*settings, threads)
        run.train()
        start = time.perf_counter()
        run.train()
        trials[time.perf_counter() - start] = run
    return trials[min(trials)]
