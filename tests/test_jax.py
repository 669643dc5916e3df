"""Against JAX's automatic differentiation, in float64."""

import numpy as np
import pytest
from test_family import MODELS, assert_close, case

from fastmaml import algorithms, meta_gradient

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install -e '.[bench]' brings it")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "silu": jax.nn.silu}


def outputs(theta, X, sizes, activation="relu", intercept=True, **_):
    values, place = X, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        values = values @ theta[place : place + n * m].reshape(n, m)
        place += n * m
        if intercept:
            values = values + theta[place : place + m]
            place += m
        if layer < len(sizes) - 2:
            values = ACTIVATIONS[activation](values)
    return values


def mean_loss(theta, X, y, told):
    z, loss = outputs(theta, X, **told), told.get("loss", "squared_error")
    if loss == "squared_error":
        return jnp.mean((z - y) ** 2)
    if loss == "poisson":
        return jnp.mean(jnp.exp(z) - y * z)
    if loss == "binary_cross_entropy":
        return jnp.mean(jax.nn.softplus(z) - y * z)
    return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(X)), y[:, 0].astype(int)])


def meta_loss(theta, rates, tasks, steps, told):
    def of_task(Xs, ys, Xq, yq):
        at = theta
        for _ in range(steps):
            at = at - rates * jax.grad(mean_loss)(at, Xs, ys, told)
        return mean_loss(at, Xq, yq, told)

    return jnp.mean(jnp.stack([of_task(*task) for task in zip(*tasks, strict=True)]))


@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("name", MODELS)
def test_meta_gradient_and_gradient_of_rates(name, steps):
    model, theta, tasks, _ = case(name, 20 + steps)
    rates = np.random.default_rng(steps).uniform(0.02, 0.1, theta.size)
    result = meta_gradient(model, algorithms.MetaSGD(2, steps), theta, *tasks, inner_rates=rates)
    told = MODELS[name][1]
    loss, (gradient, for_rates) = jax.value_and_grad(meta_loss, (0, 1))(theta, rates, tasks, steps, told)
    assert_close(result.gradient, np.asarray(gradient), 1e-10)
    assert_close(result.rate_gradient, np.asarray(for_rates), 1e-10)
    assert result.loss == pytest.approx(float(loss), rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_gradient_and_hessian_product(name):
    model, theta, tasks, _ = case(name, 30)
    told = MODELS[name][1]
    support = tasks[:2]

    def gradient(at):
        return jax.grad(lambda t: meta_loss(t, 0.0, [*support, *support], 0, told))(at)

    order_one = meta_gradient(model, algorithms.MAML(1, 1, 0.0), theta, *support, *support)
    assert_close(order_one.gradient, np.asarray(gradient(theta)), 1e-10)
    # With an inner rate of one, orders one and two differ by each task's Hessian times its query gradient.
    difference = np.zeros(theta.size)
    for Xs, ys, Xq, yq in zip(*tasks, strict=True):
        at = theta - jax.grad(mean_loss)(theta, Xs, ys, told)
        vector = jax.grad(mean_loss)(at, Xq, yq, told)
        product = jax.jvp(lambda t, X=Xs, y=ys: jax.grad(mean_loss)(t, X, y, told), (theta,), (vector,))[1]
        difference += np.asarray(product) / len(tasks[0])
    first, second = (meta_gradient(model, algorithms.MAML(order, 1, 1.0), theta, *tasks) for order in (1, 2))
    assert_close(first.gradient - second.gradient, difference, 1e-10)
