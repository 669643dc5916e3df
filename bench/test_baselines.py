"""The baselines compute what the oracle computes; nothing is timed here."""

from itertools import pairwise

import naive
import naive_family
import numpy as np
import pytest

from bench.baselines import notebook, vectorised
from bench.baselines.bandwidth import Reader


def make_tasks(num_tasks, shots=10, queries=10, num_features=50):
    rng = np.random.default_rng(0)
    Xs, Xq = rng.random((num_tasks, shots, num_features)), rng.random((num_tasks, queries, num_features))
    return Xs, rng.integers(0, 2, (num_tasks, shots)), Xq, rng.integers(0, 2, (num_tasks, queries))


def test_the_notebook_is_the_oracle_s(capsys):
    np.random.seed(0)
    expected = naive.NotebookMAML(epochs=5)
    expected.train()
    printed = capsys.readouterr().out
    np.random.seed(0)
    model = notebook.NotebookMAML(epochs=5)
    model.train()
    assert capsys.readouterr().out == printed
    np.testing.assert_array_equal(model.theta, expected.theta)
    np.testing.assert_array_equal(model.theta_, expected.theta_)


def test_a_vectorised_epoch():
    Xs, ys, Xq, yq = make_tasks(7)
    theta = np.random.default_rng(1).normal(size=50)
    mean = naive.batch_meta_gradient(theta, zip(Xs, ys, Xq, yq, strict=True), 0.3, 1, 1)
    new = vectorised.epoch_step(theta, Xs, ys, Xq, yq, 0.3, 0.5)
    np.testing.assert_allclose(new, theta - 0.5 * mean, rtol=1e-12)


def test_a_vectorised_run_moves_theta():
    model = vectorised.VectorisedMAML(epochs=3, beta=0.1)
    before = model.theta.copy()
    model.train()
    assert model.theta.shape == (50,)
    assert np.all(model.theta != before)


@pytest.mark.parametrize(("order", "inner_steps"), [(1, 1), (1, 3), (2, 1), (2, 5)])
def test_jax_in_every_form(jax_baseline, order, inner_steps):
    arrays = [a.astype(np.float32) for a in make_tasks(500)]
    theta = np.zeros(50)
    for _ in range(2):
        tasks = zip(*arrays, strict=True)
        theta = theta - 0.5 * naive.batch_meta_gradient(theta, tasks, 0.3, inner_steps, order)
    for form in jax_baseline.PLAIN_FORMS + jax_baseline.SHARDED_FORMS:
        run = jax_baseline.OwnTasks(
            *arrays, order=order, inner_steps=inner_steps, alpha=0.3, beta=0.5, epochs=2, form=form
        )
        run.train()
        # Sums of 500 gradients in float32.
        np.testing.assert_allclose(run.theta, theta, atol=1e-5, err_msg=str(form))


@pytest.mark.parametrize("how", ["gather", "weights"])
def test_jax_draws_rows_without_replacement(jax_baseline, how):
    """Rows that tell which they are come back: ten and seven different ones of each task."""
    jax, shots, queries = jax_baseline.jax, 10, 7
    numbers = np.arange(60.0, dtype=np.float32).reshape(3, 20)
    seen = set()
    for seed in range(3):
        sets = jax_baseline.drawn_sets(
            how, jax.random.key(seed), shots, queries, numbers[:, :, None], numbers
        )
        Xs, ys, ws, Xq, yq, wq = map(np.asarray, sets)
        for task in range(3):
            drawn = []
            for X, y, w, count in ((Xs, ys, ws, shots), (Xq, yq, wq, queries)):
                taken = w[task] > 0
                assert np.array_equal(X[task, taken, 0], y[task, taken])
                np.testing.assert_allclose(w[task, taken], 1 / count, rtol=1e-6)
                assert taken.sum() == count
                drawn += y[task, taken].tolist()
            assert len(set(drawn)) == shots + queries
            assert set(drawn) <= set(numbers[task].tolist())
            seen.add(tuple(drawn))
    assert len(seen) == 9


@pytest.mark.parametrize(("order", "inner_steps"), [(1, 1), (2, 2)])
def test_jax_trains_on_drawn_rows(jax_baseline, order, inner_steps):
    """Where all rows of a task are alike, it does not matter which are drawn."""
    Xs, ys, Xq, yq = (a.astype(np.float32) for a in make_tasks(500))
    Xs[:], ys[:] = Xs[:, :1], ys[:, :1]
    Xq[:], yq[:] = Xs, ys
    settings = {"order": order, "inner_steps": inner_steps, "alpha": 0.3, "beta": 0.5, "epochs": 2}
    given = jax_baseline.OwnTasks(Xs, ys, Xq, yq, **settings)
    given.train()
    for form in jax_baseline.DRAWING_FORMS:
        run = jax_baseline.OwnTasks(Xs, ys, Xq, yq, form=form, **settings)
        run.train()
        np.testing.assert_allclose(run.theta, given.theta, atol=1e-5, err_msg=str(form))


SIZES, RATE = (1, 4, 3, 1), 0.1


def cut(theta):
    """Cut a vector up into weights and biases in turn, in float32."""
    shapes = [shape for n, m in pairwise(SIZES) for shape in ((n, m), (m,))]
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    parts = zip(np.split(theta, ends), shapes, strict=True)
    return [part.reshape(shape).astype(np.float32) for part, shape in parts]


@pytest.fixture(scope="module")
def network():
    """Return weights and biases in turn, tasks, and the oracle's mean meta-gradient, cut up alike."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=sum((n + 1) * m for n, m in pairwise(SIZES)))
    tasks = [rng.normal(size=(3, 5, 1)).astype(np.float32) for _ in range(4)]

    def loss_of(X, y):
        return lambda at: naive_family.mean_loss(at, X, y, SIZES)

    rates = np.full((1, theta.size), RATE)
    each = [
        naive_family.meta_gradients(theta, rates, loss_of(Xs, ys), loss_of(Xq, yq), steps=1)[0]
        for Xs, ys, Xq, yq in zip(*tasks, strict=True)
    ]
    return cut(theta), tasks, cut(np.mean(each, axis=0))


def assert_gradients(parts, expected):
    for part, right in zip(parts, expected, strict=True):
        # Sums of some tens of products in float32.
        assert np.linalg.norm(part - right) <= 1e-5 * np.linalg.norm(right)


def assert_sine_curves(X, y):
    """Check points (tasks, rows, 1): each task is a curve a sin(x + b) with a and b in the paper's ranges."""
    assert np.abs(X).max() <= 5
    for x, values in zip(X[:, :, 0].astype(float), y[:, :, 0], strict=True):
        # a cos(b) and a sin(b) times these.
        waves = np.stack([np.sin(x), np.cos(x)], axis=1)
        (along, across), *_ = np.linalg.lstsq(waves, values)
        np.testing.assert_allclose(waves @ [along, across], values, atol=1e-5)
        assert 0.1 - 1e-5 <= np.hypot(along, across) <= 5 + 1e-5
        assert across >= -1e-5


def test_jax_s_network(jax_family, network):
    parameters, tasks, expected = network
    jax, jnp = jax_family.jax, jax_family.jnp

    def meta_loss(parameters):
        layers = list(zip(parameters[::2], parameters[1::2], strict=True))

        def of_task(*task):
            return jax_family.adapted_loss(jax_family.squared_error, layers, task, RATE, 1)

        return jnp.mean(jax.vmap(of_task)(*map(jnp.asarray, tasks)))

    assert_gradients(jax.grad(meta_loss)([jnp.asarray(part) for part in parameters]), expected)


def test_jax_draws_sine_curves(jax_family):
    jax = jax_family.jax
    drawn = jax.vmap(lambda key: jax_family.sinusoid(key, 6, 4))(jax.random.split(jax.random.key(0), 50))
    Xs, ys, Xq, yq = map(np.asarray, drawn)
    assert_sine_curves(np.concatenate([Xs, Xq], axis=1), np.concatenate([ys, yq], axis=1))


def test_pytorch_s_network(torch_family, network):
    parameters, tasks, expected = network
    parameters, tasks = ([torch_family.torch.from_numpy(a) for a in part] for part in (parameters, tasks))
    found = torch_family.grad(torch_family.meta_loss)(parameters, tasks, RATE)
    assert_gradients([part.numpy() for part in found], expected)


def test_pytorch_draws_sine_curves(torch_family):
    Xs, ys, Xq, yq = (a.numpy() for a in torch_family.sinusoids(50, 6, 4))
    assert_sine_curves(np.concatenate([Xs, Xq], axis=1), np.concatenate([ys, yq], axis=1))


# PyTorch's compiler uses what PyTorch itself deprecates.
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_what_pytorch_compiles_makes_the_steps_of_its_own_adam(torch_family):
    torch, settings = torch_family.torch, (5, 10, 0.01, 1e-3, 4)
    ends = []
    # The compiler would draw other numbers.
    with torch.compiler.set_stance("force_eager"):
        for kind in (torch_family.Sine, torch_family.CompiledSine):
            run = kind(*settings)
            torch.manual_seed(1)
            run.train()
            ends.append([part.detach().numpy() for part in run.parameters])
    for own, written in zip(*ends, strict=True):
        np.testing.assert_allclose(written, own, atol=1e-6)
    # Four steps of Adam: the last bias began at zero.
    assert 2e-3 < abs(ends[0][-1]) < 5e-3


def test_the_reader_reads_every_word():
    reader = Reader(2**20)
    assert reader.nbytes == 2**20
    assert reader.read() == 2**17
