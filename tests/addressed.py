"""The documented addresses and algorithms of the random draws, once more, on Python's integers.

Written from the docstrings of ``fastmaml.numerics.philox``, ``fastmaml.numerics.normal`` and of the modules
in ``fastmaml.sources``; nothing of ``fastmaml`` is imported. Philox itself is the oracle's.
"""

import math

import naive
import numpy as np

INIT, ORDER, ROWS, SUPPORT, QUERY = range(5)
LOW = 0xFFFFFFFF


def words(seed, epoch, task, purpose, count):
    """Return the words of index 0 to ``count`` at an address."""
    blocks = [
        naive.philox4x32((block, task, epoch & LOW, purpose << 24 | epoch >> 32), (seed & LOW, seed >> 32))
        for block in range(-(-count // 4))
    ]
    return [word for block in blocks for word in block][:count]


def points(seed, epoch, task, purpose, rows, num_features, dtype=np.float64):
    """Noise: rows in order, then labels; a word a number."""
    drawn = words(seed, epoch, task, purpose, rows * (num_features + 1))
    features, labels = drawn[: rows * num_features], drawn[rows * num_features :]
    if dtype == np.float64:
        numbers = [word / 2**32 for word in features]
    else:
        numbers = [(word >> 8) / 2**24 for word in features]
    return np.reshape(numbers, (rows, num_features)), np.array([float(word >> 31) for word in labels])


def noise_tasks(seed, epoch, num_tasks, shots, queries, num_features, dtype=np.float64):
    """Return the tasks of an epoch of noise, each ``(Xs, ys, Xq, yq)``."""
    return [
        points(seed, epoch, task, SUPPORT, shots, num_features, dtype)
        + points(seed, epoch, task, QUERY, queries, num_features, dtype)
        for task in range(num_tasks)
    ]


def normals(seed, count):
    """Box and Muller's transform of pairs of words."""
    drawn = words(seed, 0, 0, INIT, count + 1)
    values = []
    for i in range(0, count, 2):
        radius = math.sqrt(-2 * math.log((drawn[i] + 0.5) / 2**32))
        angle = 2 * math.pi * drawn[i + 1] / 2**32
        values += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(values[:count])


def shuffled(size, picks, drawn):
    """Move a choice of entries to the front, by Fisher and Yates.

    Two words, the upper half second, are a fraction of one. Times n, its integer part picks one of the n
    entries that are left, and its fractional part is the fraction for the next pick: five picks where there
    are at most 2**8 entries, two up to 2**20, else one.
    """
    order, drawn = list(range(size)), iter(drawn)
    for i in range(picks):
        if i % (5 if size <= 2**8 else 2 if size <= 2**20 else 1) == 0:
            fraction = next(drawn) + (next(drawn) << 32)
        pick, fraction = divmod(fraction * (size - i), 2**64)
        order[i], order[i + pick] = order[i + pick], order[i]
    return order


def tasks_of_epoch(seed, epoch, num_tasks, tasks_per_batch):
    """Return the numbers of the tasks that an epoch takes."""
    if tasks_per_batch == num_tasks:
        return list(range(num_tasks))
    number, place = divmod(epoch, num_tasks // tasks_per_batch)
    order = shuffled(num_tasks, num_tasks, words(seed, number, 0, ORDER, 2 * num_tasks))
    return order[place * tasks_per_batch : (place + 1) * tasks_per_batch]


def chosen(seed, epoch, task, rows, picks):
    """Return all rows of a task by their place in it, those chosen in front."""
    return shuffled(rows, picks, words(seed, epoch, task, ROWS, 2 * picks))


def rows_of_task(seed, epoch, task, rows, shots, queries):
    """Return the support rows and the query rows of a task, by their place in it; queries None means all.

    Which rows they are is chosen; each kind comes in table order.
    """
    queries = rows - shots if queries is None else min(queries, rows - shots)
    # The rest needs no choice where everything is used.
    picks = shots if shots + queries == rows else shots + queries
    order = chosen(seed, epoch, task, rows, picks)
    return sorted(order[:shots]), sorted(order[shots : shots + queries])


def table_tasks(seed, epoch, tasks, tasks_per_batch, shots, queries):
    """Return the tasks of an epoch, each ``(Xs, ys, Xq, yq)``, of a list of ``(X, y)``."""
    chosen = []
    for number in tasks_of_epoch(seed, epoch, len(tasks), tasks_per_batch):
        X, y = (np.asarray(part, dtype=np.float64) for part in tasks[number])
        support, query = rows_of_task(seed, epoch, number, len(X), shots, queries)
        chosen.append((X[support], y[support], X[query], y[query]))
    return chosen


def train(theta, tasks_of, epochs, *, alpha, beta, steps=1, order=1, first_epoch=0):
    """MAML by the oracle's dense formulas; ``tasks_of(epoch)`` is a list of ``(Xs, ys, Xq, yq)``."""
    theta = np.array(theta, dtype=np.float64).ravel()
    for epoch in range(first_epoch, first_epoch + epochs):
        theta = theta - beta * naive.batch_meta_gradient(theta, tasks_of(epoch), alpha, steps, order)
    return theta
