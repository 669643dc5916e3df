"""JAX on tasks that lie in memory: logistic regression, float32, full-batch MAML with a plain outer step.

An honest opponent is the fastest form one would write for it, and which form that is depends on the sizes.
So several are kept, and `fastest` tries them on the very data. All are jitted with theta donated, keep
several epochs inside one compiled call (``lax.scan``), ``vmap`` over tasks, and take the gradient of the
logistic loss in its closed form, ``X^T (p - y) / n``, as matrix products. Measured with JAX 0.10, that takes
a fifth to a third less time than ``jax.grad`` of the loss; broadcast sums, and arrays with the tasks last,
take two to ten times as long.
"""

import time
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

jax.config.update("jax_platforms", "cpu")
# Two devices are another way to use two cores. Programs on one device still use both.
jax.config.update("jax_num_cpu_devices", 2)


class Form(NamedTuple):
    """One way to write the same computation.

    Parameters
    ----------
    by_hand : bool
        Order 2 by the recursion over Hessian-vector products, written out; otherwise by ``jax.vjp``.
    block : int or None
        Tasks that are taken together, block after block (``lax.scan``); None takes all at once. Blocks keep
        what lies between two products in the cache.
    devices : int
        1, or 2: the tasks shared out over two devices (``shard_map``), and theta's gradient summed over them.
    draw : {None, "gather", "weights"}
        None takes support and query sets that were cut once, beforehand. The others draw them afresh in every
        epoch, without replacement, by sorting a random key for each row, and either gather the drawn rows or
        take all rows with a weight that is zero for those not drawn.
    """

    by_hand: bool = False
    block: int | None = None
    devices: int = 1
    draw: str | None = None


# jit + vmap, what the documentation of JAX would lead one to.
PLAIN_FORMS = (Form(), Form(block=250), Form(by_hand=True), Form(by_hand=True, block=250))
# The same, shared out by hand.
SHARDED_FORMS = (Form(devices=2), Form(by_hand=True, devices=2), Form(by_hand=True, block=250, devices=2))
# The same work as ours: rows drawn afresh in every epoch.
DRAWING_FORMS = tuple(
    Form(by_hand=by_hand, block=block, draw=draw)
    for by_hand in (False, True)
    for block in (None, 250)
    for draw in ("gather", "weights")
)


def gradient(theta, X, y, w):
    """Return the gradient of the logistic loss with weights `w`, shape (num_features,)."""
    return X.T @ (w * (jax.nn.sigmoid(X @ theta) - y))


def adapt(theta, X, y, w, alpha, steps):
    """Return `theta` after `steps` gradient steps."""
    for _ in range(steps):
        theta = theta - alpha * gradient(theta, X, y, w)
    return theta


def task_gradient(theta, Xs, ys, ws, Xq, yq, wq, *, order, inner_steps, alpha, by_hand):
    """Return one task's gradient for the initialisation, shape (num_features,)."""
    if order == 1:
        return gradient(adapt(theta, Xs, ys, ws, alpha, inner_steps), Xq, yq, wq)
    if not by_hand:
        adapted, backward = jax.vjp(lambda start: adapt(start, Xs, ys, ws, alpha, inner_steps), theta)
        return backward(gradient(adapted, Xq, yq, wq))[0]
    curvatures = []
    for _ in range(inner_steps):
        p = jax.nn.sigmoid(Xs @ theta)
        curvatures.append(p * (1 - p) * ws)
        theta = theta - alpha * (Xs.T @ ((p - ys) * ws))
    v = gradient(theta, Xq, yq, wq)
    for curvature in reversed(curvatures):
        v = v - alpha * (Xs.T @ (curvature * (Xs @ v)))
    return v


def whole_sets(Xs, ys, Xq, yq):
    """Return given support and query sets with equal weights."""
    ws, wq = (jnp.full(y.shape, 1 / y.shape[1], y.dtype) for y in (ys, yq))
    return Xs, ys, ws, Xq, yq, wq


def drawn_sets(how, key, shots, queries, X, y):
    """Return random support and query sets of each task, X (tasks, rows, features), with their weights."""
    keys = jax.random.bits(key, y.shape)
    if how == "gather":
        order = jnp.argsort(keys, axis=1)
        sets = []
        for chosen in (order[:, :shots], order[:, shots : shots + queries]):
            sets += [jnp.take_along_axis(X, chosen[:, :, None], 1), jnp.take_along_axis(y, chosen, 1)]
        return whole_sets(*sets)
    ordered = jnp.sort(keys, axis=1)
    support = keys <= ordered[:, shots - 1 : shots]
    query = ~support & (keys <= ordered[:, shots + queries - 1 : shots + queries])
    return X, y, support / shots, X, y, query / queries


class OwnTasks:
    """A training run on given tasks; every call of `train` goes on with theta.

    Parameters
    ----------
    Xs, ys, Xq, yq : ndarray of float32
        Support and query sets, shapes (num_tasks, rows, num_features) and (num_tasks, rows). A form that
        draws puts their rows together, and draws as many as there were in each.
    order : {1, 2}
    inner_steps : int
    alpha, beta : float
        Inner and outer rate.
    epochs : int
        Full-batch steps that one call of `train` makes, all in one compiled call.
    form : Form
    """

    def __init__(self, Xs, ys, Xq, yq, *, order, inner_steps, alpha, beta, epochs, form=PLAIN_FORMS[0]):
        self.form = form
        num_tasks, (shots, queries) = len(Xs), (ys.shape[1], yq.shape[1])
        if form.draw:
            Xs, ys = np.concatenate([Xs, Xq], axis=1), np.concatenate([ys, yq], axis=1)
        self._arrays = [jnp.asarray(a) for a in ((Xs, ys) if form.draw else (Xs, ys, Xq, yq))]
        self.theta = jnp.zeros(Xs.shape[2], jnp.float32)
        self._calls = 0
        one_task = partial(
            task_gradient, order=order, inner_steps=inner_steps, alpha=alpha, by_hand=form.by_hand
        )
        all_tasks = jax.vmap(one_task, in_axes=(None, *[0] * 6))

        def gradient_sum(theta, key, *arrays):
            sets = drawn_sets(form.draw, key, shots, queries, *arrays) if form.draw else whole_sets(*arrays)
            if form.devices > 1:
                # Made to depend on the shard: shard_map would otherwise know that all devices hold the same
                # theta, and the way back through it would add their gradients up already.
                theta = theta + 0 * sets[1][0, 0]
            if form.block is None:
                return all_tasks(theta, *sets).sum(0)
            blocks = tuple(a.reshape((-1, form.block, *a.shape[1:])) for a in sets)
            return jax.lax.scan(lambda s, b: (s + all_tasks(theta, *b).sum(0), None), 0 * theta, blocks)[0]

        def run(theta, call, *arrays):
            def epoch(theta, key):
                total = gradient_sum(theta, key, *arrays)
                if form.devices > 1:
                    total = jax.lax.psum(total, "tasks")
                return theta - beta * total / num_tasks, None

            keys = jax.random.split(jax.random.fold_in(jax.random.key(0), call), epochs)
            return jax.lax.scan(epoch, theta, keys)[0]

        if form.devices > 1:
            mesh = Mesh(np.array(jax.devices()[: form.devices]), ("tasks",))
            shared_out, everywhere = PartitionSpec("tasks"), PartitionSpec()
            self._arrays = [jax.device_put(a, NamedSharding(mesh, shared_out)) for a in self._arrays]
            self.theta = jax.device_put(self.theta, NamedSharding(mesh, everywhere))
            in_specs = (everywhere, everywhere, *[shared_out] * 4)
            run = jax.shard_map(run, mesh=mesh, in_specs=in_specs, out_specs=everywhere)
        self._run = jax.jit(run, donate_argnums=0)

    def train(self):
        """Make `epochs` full-batch steps and wait until they are done."""
        self.theta = self._run(self.theta, self._calls, *self._arrays).block_until_ready()
        self._calls += 1


def fastest(forms, Xs, ys, Xq, yq, *, trials=2, **settings):
    """Return the `OwnTasks` of the form that is fastest on these tasks: the least of a few timed calls.

    Parameters
    ----------
    forms : sequence of Form
    Xs, ys, Xq, yq, settings
        As for `OwnTasks`.
    trials : int, default 2
        Timed calls of each form, after one that compiles.

    Returns
    -------
    OwnTasks
    """
    if settings["order"] == 1:
        # Without a way back there is nothing to write by hand.
        forms = dict.fromkeys(form._replace(by_hand=False) for form in forms)
    best, best_seconds = None, float("inf")
    for form in forms:
        run = OwnTasks(Xs, ys, Xq, yq, form=form, **settings)
        run.train()
        for _ in range(trials):
            start = time.perf_counter()
            run.train()
            seconds = time.perf_counter() - start
            if seconds < best_seconds:
                best, best_seconds = run, seconds
    return best
