"""Every model with every algorithm, against the oracle."""

import naive_family
import numpy as np
import pytest
from sizes import size

from fastmaml import algorithms, meta_gradient, models

# Name, model, and how the oracle is told of it. Activations are smooth wherever random rows fall, but at
# ReLU's kink.
MODELS = {
    "logistic": (models.Logistic(3), {"sizes": (3, 1), "loss": "binary_cross_entropy"}),
    "logistic, no intercept": (
        models.Logistic(3, intercept=False),
        {"sizes": (3, 1), "loss": "binary_cross_entropy", "intercept": False},
    ),
    "linear": (models.Linear(3), {"sizes": (3, 1)}),
    "linear, two outputs": (models.Linear(2, 2, intercept=False), {"sizes": (2, 2), "intercept": False}),
    "poisson": (models.Linear(2, loss="poisson"), {"sizes": (2, 1), "loss": "poisson"}),
    "softmax": (models.Softmax(2, 3), {"sizes": (2, 3), "loss": "categorical_cross_entropy"}),
    "mlp, relu": (models.MLP(2, (3, 2)), {"sizes": (2, 3, 2, 1)}),
    "mlp, tanh": (
        models.MLP(1, (3,), 3, "tanh", "categorical_cross_entropy"),
        {"sizes": (1, 3, 3), "activation": "tanh", "loss": "categorical_cross_entropy"},
    ),
    "mlp, silu": (
        models.MLP(1, (2, 2), 2, "silu", "poisson"),
        {"sizes": (1, 2, 2, 2), "activation": "silu", "loss": "poisson"},
    ),
    "mlp, layers of one unit": (
        models.MLP(1, (1, 2, 1), 2, "tanh"),
        {"sizes": (1, 1, 2, 1, 2), "activation": "tanh"},
    ),
    "mlp, two classes": (
        models.MLP(2, (3,), 1, "silu", "binary_cross_entropy", intercept=False),
        {"sizes": (2, 3, 1), "activation": "silu", "loss": "binary_cross_entropy", "intercept": False},
    ),
}
TASKS, SHOTS, QUERIES = 2, 4, 3


def targets_of(rng, model, rows):
    """Draw targets that fit the loss."""
    shape = (TASKS, rows, model.num_targets)
    if model.classifies:
        return rng.integers(0, model.num_classes, shape).astype(float)
    return rng.poisson(2, shape).astype(float) if "poisson" in repr(model) else rng.normal(size=shape)


def case(name, seed=0):
    """Return a model, parameters, tasks, and the oracle's losses of each task's support and query rows."""
    model, told = MODELS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    theta = rng.normal(size=models.num_parameters(model.spec()))
    tasks = []
    for rows in (SHOTS, QUERIES):
        tasks += [rng.normal(size=(TASKS, rows, model.num_features)), targets_of(rng, model, rows)]

    def loss_of(task, kind):
        X, y = tasks[kind][task], tasks[kind + 1][task]
        return lambda at: naive_family.mean_loss(at, X, y, **told)

    losses = [(loss_of(task, 0), loss_of(task, 2)) for task in range(TASKS)]
    return model, theta, tasks, losses


def expected_of(theta, rates, losses, **how):
    """Return the oracle's mean gradients for theta and for the rates of each step, and the mean loss."""
    found = [naive_family.meta_gradients(theta, rates, *pair, **how) for pair in losses]
    return tuple(np.mean([one[i] for one in found], axis=0).astype(float) for i in range(3))


def assert_close(actual, expected, tolerance=1e-12):
    """Compare norm by norm: everything here is of the order of one."""
    assert np.linalg.norm(actual - expected) <= tolerance * max(1, np.linalg.norm(expected))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("steps", size([1, 3], [1]))
def test_meta_gradient_of_order_two(name, steps):
    model, theta, tasks, losses = case(name, steps)
    result = meta_gradient(model, algorithms.MAML(2, steps, 0.1), theta, *tasks)
    expected, _, loss = expected_of(theta, np.full((steps, theta.size), 0.1), losses, steps=steps)
    assert result.gradient.shape == theta.shape
    assert_close(result.gradient, expected)
    assert result.loss == pytest.approx(loss, rel=1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_meta_gradient_of_order_one(name):
    model, theta, tasks, losses = case(name)
    result = meta_gradient(model, algorithms.MAML(1, 2, 0.1), theta, *tasks)
    expected, _, _ = expected_of(theta, np.full((2, theta.size), 0.1), losses, steps=2, order=1)
    assert_close(result.gradient, expected)


# Five steps with everything at once: rates of each step and parameter, an L2 penalty, and clipping in some
# steps.
@pytest.mark.parametrize("name", ["logistic", "softmax", "mlp, tanh", "mlp, silu"])
@pytest.mark.parametrize("clip", [None, 0.4])
def test_rates_penalty_and_clipping(name, clip):
    model, theta, tasks, losses = case(name, 7)
    steps = size(5, 2)
    rates = np.random.default_rng(3).uniform(0.05, 0.3, (steps, theta.size))
    fields = {**model.__dict__, "l2": 0.7}
    model = type(model)(**fields)
    penalty = list(model.penalties())
    assert set(penalty) == {0.0, 0.7}
    result = meta_gradient(model, algorithms.MAML(2, steps, rates, clip), theta, *tasks)
    how = {"steps": steps, "penalty": np.array(penalty), "clip": clip}
    expected, _, loss = expected_of(theta, rates, losses, **how)
    assert_close(result.gradient, expected)
    assert result.loss == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("name", ["logistic", "linear, two outputs", "mlp, silu", "mlp, relu"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("learned", ["parameter", "layer", "layer_and_step"])
def test_gradients_of_learned_rates(name, order, learned):
    model, theta, tasks, losses = case(name, 11)
    steps, layers = 2, [layer.size for layer in model.layers()]
    rng = np.random.default_rng(5)
    shape = {"parameter": (theta.size,), "layer": (len(layers),), "layer_and_step": (steps, len(layers))}[
        learned
    ]
    rates = rng.uniform(0.05, 0.2, shape)
    full = rates if learned == "parameter" else np.repeat(rates, layers, axis=-1)
    full = np.broadcast_to(full, (steps, theta.size))
    algorithm = algorithms.MAML(order, steps, 0.1, learned_rates=learned)
    result = meta_gradient(model, algorithm, theta, *tasks, inner_rates=rates)
    expected, for_rates, _ = expected_of(theta, full, losses, steps=steps, order=order)
    if learned != "layer_and_step":
        for_rates = for_rates.sum(axis=0)
    if learned != "parameter":
        edges = np.cumsum([0, *layers[:-1]])
        for_rates = np.add.reduceat(for_rates, edges, axis=-1)
    assert result.rate_gradient.shape == shape
    assert_close(result.gradient, expected)
    assert_close(result.rate_gradient, for_rates)


def test_metasgd_learns_a_rate_for_each_parameter():
    model, theta, tasks, _ = case("softmax", 2)
    rates = np.random.default_rng(5).uniform(-0.1, 0.2, theta.size)
    mine = meta_gradient(model, algorithms.MetaSGD(inner_steps=3), theta, *tasks, inner_rates=rates)
    maml = algorithms.MAML(inner_steps=3, learned_rates="parameter")
    plain = meta_gradient(model, maml, theta, *tasks, inner_rates=rates)
    assert mine.gradient.tobytes() == plain.gradient.tobytes()
    assert mine.rate_gradient.tobytes() == plain.rate_gradient.tobytes()


@pytest.mark.parametrize(
    "name", ["softmax", "mlp, relu", "mlp, tanh", "mlp, silu", "mlp, layers of one unit"]
)
@pytest.mark.parametrize(("order", "steps", "clip"), [(1, 2, None), (2, 1, None), (2, 3, None), (2, 3, 0.3)])
def test_anil_adapts_the_last_layer_alone(name, order, steps, clip):
    model, theta, tasks, losses = case(name, 4)
    head = np.arange(theta.size) >= theta.size - model.layers()[-1].size
    rates = np.tile(np.where(head, 0.3, 0.0), (steps, 1))
    result = meta_gradient(model, algorithms.ANIL(order, steps, 0.3, clip), theta, *tasks)
    if clip is None:
        expected, _, _ = expected_of(theta, rates, losses, steps=steps, order=order)
    else:
        # The norm is that of the last layer's gradient alone.
        expected = np.mean([clipped_head(theta, head, pair, steps, clip) for pair in losses], axis=0)
    assert_close(result.gradient, expected)


def clipped_head(theta, head, losses, steps, clip):
    """Return the meta-gradient where the last layer alone is adapted, by clipped gradients of rate 0.3."""
    support, query = losses
    at = theta.astype(naive_family.REAL)

    def outer(values):
        # For every point its own path: (points, parameters).
        moved = values
        for _ in range(steps):
            gradient = naive_family.slope(support, moved) * head
            norm = np.sqrt(np.sum(gradient**2, axis=-1, keepdims=True))
            moved = moved - 0.3 * gradient * np.where(norm > clip, clip / norm, 1)
        return query(moved)

    return naive_family.differences(outer, at).astype(float)


@pytest.mark.parametrize("epoch", [0, 3, 9, 10, 50])
@pytest.mark.parametrize("order", [1, 2])
def test_loss_at_every_step(epoch, order):
    # The weights of Antoniou et al.: even at first, then all but the last fall, to 0.03 / steps at least, and
    # after these epochs only the last counts.
    model, theta, tasks, losses = case("mlp, silu", 6)
    steps, epochs = 3, 10
    early = max(1 / steps - epoch / (steps * epochs), 0.03 / steps)
    weights = [early] * (steps - 1) + [1 - (steps - 1) * early]
    if epoch >= epochs:
        weights = [0] * (steps - 1) + [1]
    algorithm = algorithms.MAML(order, steps, 0.1, step_loss_epochs=epochs)
    result = meta_gradient(model, algorithm, theta, *tasks, epoch=epoch)
    rates = np.full((steps, theta.size), 0.1)
    expected, _, loss = expected_of(theta, rates, losses, steps=steps, order=order, weights=weights)
    assert_close(result.gradient, expected)
    assert result.loss == pytest.approx(loss, rel=1e-12)


def test_first_order_epochs_come_first():
    model, theta, tasks, _ = case("mlp, tanh", 6)
    algorithm = algorithms.MAML(2, 2, 0.3, first_order_epochs=5)
    for epoch, order in ((0, 1), (4, 1), (5, 2), (99, 2)):
        result = meta_gradient(model, algorithm, theta, *tasks, epoch=epoch)
        plain = meta_gradient(model, algorithms.MAML(order, 2, 0.3), theta, *tasks)
        assert result.gradient.tobytes() == plain.gradient.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_reptile_goes_towards_where_all_rows_lead(name):
    model, theta, tasks, losses = case(name, 8)
    result = meta_gradient(model, algorithms.Reptile(3, 0.2, clip_norm=0.5), theta, *tasks)
    at, rates = theta.astype(naive_family.REAL), np.full((3, theta.size), 0.2)
    moved, loss = [], []
    for support, query in losses:

        def all_rows(values, support=support, query=query):
            return (SHOTS * support(values) + QUERIES * query(values)) / (SHOTS + QUERIES)

        path = naive_family.inner_path(at, all_rows, rates, 3, clip=0.5)
        moved.append(at - path[-1])
        loss.append(float(query(path[-1])))
    assert_close(result.gradient, np.mean(moved, axis=0).astype(float))
    assert result.loss == pytest.approx(np.mean(loss), rel=1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_single_precision_is_close_to_double(name):
    if "relu" in name:
        pytest.skip("rounding may move a unit over ReLU's kink")
    model, theta, tasks, _ = case(name, 1)
    algorithm = algorithms.MAML(2, 3, 0.1)
    double = meta_gradient(model, algorithm, theta, *tasks)
    single = meta_gradient(model, algorithm, theta, *tasks, dtype="float32")
    assert single.gradient.dtype == np.float32
    difference = np.linalg.norm(single.gradient - double.gradient)
    assert difference <= 1e-4 * np.linalg.norm(double.gradient)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("name", ["logistic", "softmax", "mlp, tanh", "mlp, two classes"])
def test_logits_of_ten_thousand_stay_finite(name, sign):
    model, theta, tasks, _ = case(name, 1)
    tasks[0][:], tasks[2][:] = sign * 1e4, sign * 1e4
    theta = np.sign(theta) * np.maximum(np.abs(theta), 0.5)
    with np.errstate(all="raise"):
        result = meta_gradient(model, algorithms.MAML(2, 1, 1e-9), theta, *tasks)
    assert np.isfinite(result.gradient).all()
    assert np.isfinite(result.loss)
