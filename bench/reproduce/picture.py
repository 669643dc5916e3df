"""A picture of a curve, its points, and what is fitted to them."""

import numpy as np

IN_A_ROW = 4


def draw(starts, path):
    """Draw what each start (by its name) fits to ten points of a curve, before and after 1 and 10 steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(4)
    x, X = np.linspace(-5, 5, 400)[:, np.newaxis], rng.uniform(-5, 5, (10, 1))

    def curve(values):
        return 3.0 * np.sin(values[:, 0] + 1.0)

    columns = min(IN_A_ROW, len(starts))
    rows = -(-len(starts) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(5 * columns, 4 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (name, start) in zip(axes.flat, starts.items(), strict=True):
        axis.plot(x[:, 0], curve(x), color="0.6", linewidth=2, label="the curve")
        axis.plot(X[:, 0], curve(X), "o", color="black", markersize=5, label="ten points")
        for steps, style in ((0, ":"), (1, "--"), (10, "-")):
            try:
                fitted = start.adapt(X, curve(X), steps=steps).predict(x)
            except FloatingPointError:
                continue  # It diverged: no line says so.
            label = "before" if steps == 0 else f"after {steps} step{'s' if steps > 1 else ''}"
            axis.plot(x[:, 0], fitted, style, color="tab:blue", label=label)
        axis.set_title(name)
    for axis in axes[-1]:
        axis.set_xlabel("x")
    for axis in axes[:, 0]:
        axis.set_ylabel("y")
    axes[0, 0].set_ylim(-6, 6)
    axes[0, 0].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"\nA fitted curve is drawn in {path}")
