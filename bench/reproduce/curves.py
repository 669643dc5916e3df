"""What the commands share: the papers' network, fresh curves to test on, and the lines of a table."""

import numpy as np

from fastmaml import meta_train, models, optimizers, sources

STEPS, POINTS, TEST_QUERIES = (0, 1, 5, 10), (5, 10, 20), 100
# A task whose error is a thousand times that of predicting zero (the mean of amplitude^2 / 2) has diverged.
DIVERGED = 4e3
# Fresh tasks: a seed that training does not have.
TEST_SEED = 2**40 + 1
CAPTION = (
    "Mean squared error over tasks that did not diverge ± 95 %, median, tasks diverged "
    "(with an error that is not finite, or 4,000 and more)"
)


def network(num_features=1, scale=0.01):
    """Return the papers' ReLU network of 40 - 40 units; weights from a normal, cut off at two deviations."""
    return models.MLP(
        num_features, (40, 40), initializer="truncated_normal", initializer_scale=scale, activation="relu"
    )


def starting_at(theta, algorithm, seed):
    """Return something that adapts from given parameters as an algorithm would."""
    return meta_train(
        network(),
        algorithm,
        sources.Sinusoid(10, 10),
        optimizers.SGD(0.0),
        tasks_per_batch=1,
        epochs=0,
        dtype="float32",
        random_state=seed,
        theta=theta,
    )


def heading(*labels, steps=STEPS):
    """Return a table's first two lines."""
    columns = [*labels, *(f"{count} step{'' if count == 1 else 's'}" for count in steps)]
    return "| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|"


def row(*labels, losses, decimals=2):
    """Return one line: for each number of steps the mean with its interval, the median, how many diverged."""
    cells = list(labels)
    for column in losses.T:
        fine = column[np.isfinite(column) & (column < DIVERGED)]
        if fine.size > 1:
            half = 1.96 * fine.std(ddof=1) / np.sqrt(fine.size)
            mean = f"{fine.mean():.{decimals}f} ± {half:.{decimals}f}"
        else:
            mean = "-"
        median = np.median(np.nan_to_num(column, nan=np.inf))
        cells.append(f"{mean}, {median:.{decimals}f}, {column.size - fine.size}")
    return "| " + " | ".join(map(str, cells)) + " |"
