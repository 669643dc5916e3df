"""The MAML paper's sine regression (Finn, Abbeel, Levine, 2017, section 5.1), with its three baselines.

A ReLU network of 40 - 40 units, trained with 10 points, inner rate 0.01, one inner step, Adam at 1e-3, 25
tasks an epoch, 70,000 epochs; weights from a normal of deviation 0.01, cut off at two. Tested on fresh
curves with 5, 10 and 20 points, after 0, 1, 5 and 10 steps.

The baselines: a network trained on all tasks together and then fine-tuned; an oracle, which is given
amplitude and phase beside x; and adapting from random weights.
"""

import time

import numpy as np

from fastmaml import algorithms, meta_train, models, optimizers, sources

STEPS, POINTS, TEST_QUERIES = (0, 1, 5, 10), (5, 10, 20), 100
RATE, TASKS_PER_BATCH = 0.01, 25
# The paper's table: mean squared error with 5 points after 1, 5 and 10 steps, over 600 tasks.
PAPER = {1: 0.67, 5: 0.38, 10: 0.35}
# A task whose error is a thousand times that of predicting zero (the mean of amplitude^2 / 2) has diverged.
DIVERGED = 4e3
# Fresh tasks: a seed that training does not have.
TEST_SEED = 2**40 + 1


def network(num_features=1):
    return models.MLP(
        num_features, (40, 40), initializer="truncated_normal", initializer_scale=0.01, activation="relu"
    )


def trained(inner_rate, seed, epochs, reveal=False):
    """Train with one inner step of a rate; a rate of nothing trains on all tasks together."""
    return meta_train(
        network(3 if reveal else 1),
        algorithms.MAML(2 if inner_rate else 1, 1, inner_rate),
        sources.Sinusoid(10, 10, reveal=reveal),
        optimizers.Adam(1e-3),
        tasks_per_batch=TASKS_PER_BATCH,
        epochs=epochs,
        dtype="float32",
        random_state=seed,
    )


def starting_at(theta, seed):
    """Return something that adapts from given parameters as MAML would."""
    return meta_train(
        network(),
        algorithms.MAML(2, 1, RATE),
        sources.Sinusoid(10, 10),
        optimizers.SGD(0.0),
        tasks_per_batch=1,
        epochs=1,
        dtype="float32",
        random_state=seed,
        theta=theta,
    )


def row(name, points, losses):
    """Format one line: for each number of steps the mean with its interval, the median, how many diverged."""
    cells = []
    for column in losses.T:
        fine = column[np.isfinite(column) & (column < DIVERGED)]
        half = 1.96 * fine.std(ddof=1) / np.sqrt(fine.size)
        median = np.median(np.nan_to_num(column, nan=np.inf))
        cells.append(f"{fine.mean():.2f} ± {half:.2f}, {median:.2f}, {column.size - fine.size}")
    return f"| {name} | {points} | " + " | ".join(cells) + " |"


def run(seed, epochs, tasks, picture):
    """Train, test and print."""
    begin = time.perf_counter()
    maml = trained(RATE, seed, epochs)
    seconds = time.perf_counter() - begin
    print(f"seed {seed}, {epochs:,} epochs, trained in {seconds:.1f} s, compiling or loading included\n")
    print(
        "The paper, 5 points: "
        + ", ".join(f"{mse} after {steps}" for steps, mse in PAPER.items())
        + " steps\n"
    )
    pretrained = starting_at(trained(0.0, seed, epochs).theta, seed)
    scratch = starting_at(network().initial_theta(seed), seed)
    oracle = trained(0.0, seed, epochs, reveal=True)
    print("Mean squared error over tasks that did not diverge ± 95 %, median, tasks diverged:\n")
    print(
        "| start | points | "
        + " | ".join(f"{steps} step{'' if steps == 1 else 's'}" for steps in STEPS)
        + " |"
    )
    print("|---" * (2 + len(STEPS)) + "|")
    for points in POINTS:
        for name, start in (("MAML", maml), ("pre-trained", pretrained), ("from scratch", scratch)):
            scores = start.score(sources.Sinusoid(points, TEST_QUERIES), tasks, STEPS, TEST_SEED)
            print(row(name, points, scores.losses), flush=True)
    scores = oracle.score(sources.Sinusoid(5, TEST_QUERIES, reveal=True), tasks, (0,), TEST_SEED)
    print(row("oracle", "-", scores.losses) + " |" * (len(STEPS) - 1))
    if picture:
        draw(maml, pretrained, picture)


def draw(maml, pretrained, path):
    """Draw a curve, its points, and what is fitted to them before and after 1 and 10 steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(4)
    x, X = np.linspace(-5, 5, 400)[:, np.newaxis], rng.uniform(-5, 5, (10, 1))

    def curve(values):
        return 3.0 * np.sin(values[:, 0] + 1.0)

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, name, start in ((axes[0], "MAML", maml), (axes[1], "pre-trained", pretrained)):
        axis.plot(x[:, 0], curve(x), color="0.6", linewidth=2, label="the curve")
        axis.plot(X[:, 0], curve(X), "o", color="black", markersize=5, label="ten points")
        for steps, style in ((0, ":"), (1, "--"), (10, "-")):
            fitted = start.adapt(X, curve(X), steps=steps).predict(x)
            label = "before" if steps == 0 else f"after {steps} step{'s' if steps > 1 else ''}"
            axis.plot(x[:, 0], fitted, style, color="tab:blue", label=label)
        axis.set_title(name)
        axis.set_xlabel("x")
    axes[0].set_ylabel("y")
    axes[0].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
    print(f"\nA fitted curve is drawn in {path}")
