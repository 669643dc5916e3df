"""JAX on the family: networks, jit + scan over epochs + vmap over tasks, automatic differentiation.

``python -m bench.baselines.jax_family`` runs the whole sine regression of `bench.sine_run`.
"""

import jax
import jax.numpy as jnp

from bench import sine_run

jax.config.update("jax_platforms", "cpu")


def outputs(layers, X):
    """Return the last layer's outputs of a ReLU network; layers is a list of (weights, biases)."""
    for weights, biases in layers[:-1]:
        X = jax.nn.relu(X @ weights + biases)
    weights, biases = layers[-1]
    return X @ weights + biases


def squared_error(layers, X, y):
    """Return the mean squared error."""
    return jnp.mean((outputs(layers, X) - y) ** 2)


def cross_entropy(layers, X, y):
    """Return the mean categorical cross-entropy; y are numbers of classes."""
    z = outputs(layers, X)
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0])


def random_layers(key, sizes, scale):
    """Return layers with normal weights and biases of zero."""
    keys = jax.random.split(key, len(sizes) - 1)
    shapes = zip(keys, sizes[:-1], sizes[1:], strict=True)
    return [
        (scale * jax.random.normal(k, (n, m), jnp.float32), jnp.zeros(m, jnp.float32)) for k, n, m in shapes
    ]


def sinusoid(key, shots, queries):
    """Draw one task of the MAML paper's sine curves."""
    amplitude, phase, x = jax.random.split(key, 3)
    amplitude = jax.random.uniform(amplitude, minval=0.1, maxval=5.0)
    phase = jax.random.uniform(phase, maxval=jnp.pi)
    x = jax.random.uniform(x, (shots + queries, 1), minval=-5.0, maxval=5.0)
    y = amplitude * jnp.sin(x + phase)
    return x[:shots], y[:shots], x[shots:], y[shots:]


def adapted_loss(loss, layers, task, rate, steps):
    """Return the query loss after inner steps on the support rows."""
    X, y, X_query, y_query = task
    for _ in range(steps):
        slopes = jax.grad(loss)(layers, X, y)
        layers = jax.tree.map(lambda a, g: a - rate * g, layers, slopes)
    return loss(layers, X_query, y_query)


class Sine:
    """The MAML paper's sine regression: order 2, one step, Adam, tasks drawn in every epoch.

    Parameters
    ----------
    tasks, shots, rate, learning_rate
        Tasks an epoch, points of either set, inner rate, Adam's rate.
    epochs : int
        Epochs in one compiled call.
    """

    def __init__(self, tasks, shots, rate, learning_rate, epochs):
        def meta_loss(layers, key):
            def of_task(one):
                return adapted_loss(squared_error, layers, sinusoid(one, shots, shots), rate, 1)

            return jnp.mean(jax.vmap(of_task)(jax.random.split(key, tasks)))

        def epoch(state, key):
            layers, first, second, count = state
            loss, slopes = jax.value_and_grad(meta_loss)(layers, key)
            count = count + 1
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slopes)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, slopes)
            step, scale = learning_rate / (1 - 0.9**count), 1 / (1 - 0.999**count)
            layers = jax.tree.map(
                lambda a, m, v: a - step * m / (jnp.sqrt(v * scale) + 1e-8), layers, first, second
            )
            return (layers, first, second, count), loss

        self._run = jax.jit(lambda state, keys: jax.lax.scan(epoch, state, keys), donate_argnums=0)
        self._key, self._epochs = jax.random.PRNGKey(0), epochs
        layers = random_layers(self._key, (1, 40, 40, 1), 0.1)
        empty = [jax.tree.map(jnp.zeros_like, layers) for _ in range(2)]
        self._state = (layers, *empty, jnp.float32(0))
        self.losses = []

    def train(self):
        """Run the epochs of one call."""
        self._key, key = jax.random.split(self._key)
        self._state, losses = self._run(self._state, jax.random.split(key, self._epochs))
        self.losses.append(float(losses[-100:].mean()))


class GivenTasks:
    """Full batches of tasks in memory: order 2, gradient descent outside.

    Parameters
    ----------
    arrays : tuple of ndarray
        Support rows, support classes, query rows, query classes, with a leading axis of tasks.
    sizes : tuple of int
        Features, hidden units, classes.
    rate, steps, learning_rate
        Inner rate, inner steps, outer rate.
    epochs : int
        Epochs in one compiled call.
    """

    def __init__(self, arrays, sizes, rate, steps, learning_rate, epochs):
        arrays = [jnp.asarray(a) for a in arrays]

        def meta_loss(layers):
            def of_task(*task):
                return adapted_loss(cross_entropy, layers, task, rate, steps)

            return jnp.mean(jax.vmap(of_task)(*arrays))

        def epoch(layers, _):
            loss, slopes = jax.value_and_grad(meta_loss)(layers)
            return jax.tree.map(lambda a, g: a - learning_rate * g, layers, slopes), loss

        self._run = jax.jit(lambda layers: jax.lax.scan(epoch, layers, None, length=epochs), donate_argnums=0)
        self._layers = random_layers(jax.random.PRNGKey(0), sizes, 0.1)

    def train(self):
        """Run the epochs of one call."""
        self._layers, losses = self._run(self._layers)
        jax.block_until_ready(losses)


if __name__ == "__main__":
    job = Sine(sine_run.TASKS, sine_run.SHOTS, sine_run.INNER_RATE, sine_run.LEARNING_RATE, sine_run.EPOCHS)
    job.train()
    print(job.losses[-1])
