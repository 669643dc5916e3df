"""Addressed noise: the documented draws, and the same bits for any threads, slices and pipelines."""

import tracemalloc
from itertools import pairwise

import addressed
import naive
import numpy as np
import pytest
from engine import ROADS, engine, name_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import COMPILED, size

from fastmaml import MAML, algorithms, models, notebook, optimizers, sources, training, ways
from fastmaml.engine import gradients
from fastmaml.learner import lower

SEED = 2**63 + 2**31 + 12345  # Both halves of the key matter.
SMALL = {"num_tasks": 5, "num_samples": 3, "num_features": 4, "query_samples": 2, "alpha": 0.5, "beta": 0.7}


def trained(epochs, road=None, **arguments):
    arguments = {**SMALL, "random_state": SEED, "verbose": False, "log_every": 4, **arguments}
    model = MAML(**arguments, epochs=epochs)
    with engine(**road) if road else engine():
        model.train()
    return model


def assert_same_bits(one, other):
    assert one.theta.dtype == other.theta.dtype
    assert one.theta.tobytes() == other.theta.tobytes()
    assert one.epoch_ == other.epoch_
    assert one.history_ == other.history_
    assert one.loss_ == other.loss_
    assert [theta.tobytes() for theta in one.theta_] == [theta.tobytes() for theta in other.theta_]


def by_the_oracle(model, theta, epochs, first_epoch=0, dtype=np.float64):
    """Train with the documented draws and the dense formulas."""

    def tasks_of(epoch):
        return addressed.noise_tasks(
            model.random_state,
            epoch,
            model.num_tasks,
            model.num_samples,
            model.query_samples,
            model.num_features,
            dtype,
        )

    # The notebook divides the query gradient by num_samples.
    beta = model.beta * model.query_samples / model.num_samples
    return addressed.train(
        theta,
        tasks_of,
        epochs,
        alpha=model.alpha,
        beta=beta,
        steps=model.inner_steps,
        order=model.order,
        first_epoch=first_epoch,
    )


def assert_close(actual, expected, tolerance=1e-12):
    actual, expected = np.ravel(actual).astype(np.float64), np.ravel(expected)
    assert np.max(np.abs(actual - expected)) <= tolerance * np.max(np.abs(expected))


# --- the draws ---


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"order": 2, "inner_steps": 3},
        {"num_tasks": 1, "num_samples": 1, "query_samples": 1, "num_features": 1},
        {"num_tasks": 2, "num_samples": 2, "query_samples": 9, "num_features": 33, "inner_steps": 2},
        {"random_state": 0},
        {"random_state": 2**64 - 1},
    ],
    ids=["small", "order 2", "ones", "wide", "seed 0", "largest seed"],
)
def test_draws_come_from_the_documented_addresses(arguments, fit_intercept):
    model = MAML(
        **{**SMALL, "random_state": SEED, **arguments}, epochs=4, fit_intercept=fit_intercept, verbose=False
    )
    expected = by_the_oracle(model, model.theta, 4)
    model.train()
    assert_close(model.theta, expected)


@pytest.mark.compiled
def test_draws_of_more_tasks_than_chunks():
    model = MAML(**{**SMALL, "num_tasks": 300}, random_state=SEED, epochs=3, verbose=False)
    expected = by_the_oracle(model, model.theta, 3)
    model.train()
    assert_close(model.theta, expected)


@pytest.mark.parametrize("num_tasks", [3, 5, 8, 17])
def test_chunks_of_several_tasks(num_tasks, monkeypatch):
    """As above, with fewer chunks: of two to nine tasks, four of them side by side, or what is left."""
    monkeypatch.setattr(gradients, "MAX_CHUNKS", 2)
    model = MAML(**{**SMALL, "num_tasks": num_tasks}, random_state=SEED, epochs=3, verbose=False)
    expected = by_the_oracle(model, model.theta, 3)
    model.train()
    assert_close(model.theta, expected)
    assert len(model.theta_) == num_tasks


def test_epochs_beyond_32_bits_have_their_own_addresses():
    first = 2**35 + 7
    model = MAML(**SMALL, random_state=SEED, epochs=3, verbose=False)
    model.epoch_ = first
    expected = by_the_oracle(model, model.theta, 3, first_epoch=first)
    model.train()
    assert model.epoch_ == first + 3
    assert_close(model.theta, expected)


def test_float32_has_24_bits_a_uniform():
    """One epoch from theta = 0 with alpha = 0: every p is one half, so the step is a sum of the draws."""
    model = MAML(**{**SMALL, "alpha": 0.0}, random_state=SEED, epochs=1, verbose=False, dtype="float32")
    model.theta = np.zeros((4, 1))
    expected = by_the_oracle(model, model.theta, 1, dtype=np.float32)
    model.train()
    assert model.theta.dtype == np.float32
    # With u = 2**-24: the draws are exact, as are products with one half; each of the 10 terms, the mean,
    # the scale (of two factors) and the rate round once, relative to a sum of absolute values below
    # beta * queries / shots / 2.
    tolerance = 16 * 2.0**-24 * model.beta * 2 / 3 / 2
    assert np.max(np.abs(model.theta.ravel() - expected)) <= tolerance


def test_float32_follows_its_own_draws_in_float64():
    epochs = size(30, 3)
    model = MAML(**SMALL, random_state=SEED, epochs=epochs, verbose=False, dtype="float32")
    start = model.theta.astype(np.float64)
    expected = by_the_oracle(model, start, epochs, dtype=np.float32)
    model.train()
    # As in test_notebook, whose derivation it is: per epoch two roundings of theta, and the gradient's error.
    u, length = 2.0**-24, np.sum(np.abs(start)) + epochs * model.beta
    gradient = 0.25 * (4 + 1) * u * length + 24 * u
    bound = epochs * (2 * u * length + (model.alpha + model.beta) * gradient)
    assert np.max(np.abs(model.theta.ravel() - expected)) <= bound


def test_the_last_loss_and_the_adapted_parameters():
    model = trained(5, inner_steps=2)
    tasks = addressed.noise_tasks(SEED, 4, 5, 3, 2, 4)
    before = MAML(**SMALL, random_state=SEED, inner_steps=2)
    theta = by_the_oracle(before, before.theta, 4)
    assert model.loss_ == pytest.approx(naive.loss(theta, *tasks[-1][:2]), rel=1e-12)
    assert len(model.theta_) == 5
    for adapted, (Xs, ys, _, _) in zip(model.theta_, tasks, strict=True):
        assert adapted.shape == (4, 1)
        assert_close(adapted, naive.inner_loop(theta, Xs, ys, 0.5, 2))


def test_the_first_theta():
    """Box and Muller's transform of the documented words, to a few roundings of its functions."""
    for seed, count in ((0, 1), (SEED, 50), (1, 7)):
        theta = MAML(num_features=count, random_state=seed).theta
        assert theta.shape == (count, 1)
        # The angle carries half a unit, up to 2 pi * 2**-53 absolute, and the radius is below 7.
        assert np.max(np.abs(theta.ravel() - addressed.normals(seed, count))) <= 7 * 2 * np.pi * 2.0**-52


@pytest.mark.compiled
def test_the_first_theta_is_standard_normal():
    n = 20000
    values = MAML(num_features=n, random_state=3).theta.ravel()
    # Five standard errors of mean, variance and fourth moment of n normals.
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs(np.mean(values**4) - 3) < 5 * np.sqrt(96 / n)
    # And no correlation within a pair.
    assert abs(np.mean(values[::2] * values[1::2])) < 5 / np.sqrt(n / 2)


def test_seeds_differ_and_repeat():
    one, same, other = (MAML(num_features=6, random_state=seed).theta for seed in (1, 1, 1 + 2**32))
    assert one.tobytes() == same.tobytes()
    assert not np.any(one == other)


def test_the_global_generator_is_left_alone():
    np.random.seed(0)
    np.random.normal()
    before = np.random.get_state()
    model = trained(3)
    assert model.theta_
    model.adapt(np.zeros((2, 4)), [0, 1])
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


# --- the same bits ---


@pytest.mark.parametrize("road", ROADS, ids=name_of)
def test_every_road_gives_the_same_bits(road):
    epochs = size(23, 5)
    assert_same_bits(trained(epochs, road), trained(epochs))


@settings(max_examples=size(30, 5), deadline=None)
@given(
    num_tasks=st.integers(1, size(300, 4)),
    epochs=st.integers(1, size(20, 3)),
    workers=st.integers(1, 9),
    ahead=st.integers(0, 5),
    slice_seconds=st.sampled_from([1e-9, 1e-4, 1e9]),
)
def test_any_workers_blocks_and_slices_give_the_same_bits(num_tasks, epochs, workers, ahead, slice_seconds):
    road = {"workers": workers, "ahead": ahead, "slice_seconds": slice_seconds}
    assert_same_bits(trained(epochs, road, num_tasks=num_tasks), trained(epochs, num_tasks=num_tasks))


def test_ways_are_measured_and_measured_again():
    """Serial and parallel take turns until both are known; the slower gets another chance now and then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "WORTH_THREADS", 0)
        patch.setattr(ways, "SURE_SECONDS", 0)
        patch.setattr(training, "resolve_threads", lambda _: 2)
        run, taken = training.launch, []

        def launch(bound, regions, workers, *rest):
            taken.append(workers)
            run(bound, regions, workers, *rest)

        patch.setattr(training, "launch", launch)
        model = trained(100, {"workers": 2, "slice_seconds": 1e9}, log_every=1)
    assert len(taken) == 100
    assert sorted(taken[:2]) == [1, 2]
    assert all(3 <= taken.count(workers) <= 97 for workers in (1, 2))
    assert_same_bits(model, trained(100, log_every=1))


@settings(max_examples=size(20, 5), deadline=None)
@given(choices=st.lists(st.integers(0, 1), min_size=1, max_size=20), random_state=st.sampled_from([None, 7]))
def test_any_mixture_of_ways_gives_the_same_bits(choices, random_state):
    """A run measures serial and parallel slices as it goes; whichever it takes next, nothing changes."""
    turns, taken = iter(100 * choices), set()

    def choose(both):
        assert len(both) == 2
        way = both[next(turns)]
        taken.add(way.loop.num_workers)
        return way

    results = []
    with pytest.MonkeyPatch.context() as patch:
        for mixed in (False, True):
            if mixed:
                patch.setattr(training, "WORTH_THREADS", 0)
                patch.setattr(training, "resolve_threads", lambda _: 3)
                patch.setattr(training, "choose", choose)
            np.random.seed(8)
            road = {"workers": 3, "ahead": 2, "slice_seconds": 1e-6}
            results.append((trained(12, road, random_state=random_state), np.random.rand()))
    assert_same_bits(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert taken


@pytest.mark.compiled
@pytest.mark.parametrize("num_tasks", [1, 3, 200])
@pytest.mark.parametrize("ahead", [0, 2])
def test_threads_give_the_same_bits(num_tasks, ahead):
    epochs = 40
    with_threads = trained(
        epochs, {"workers": 2, "ahead": ahead, "threads": True, "slice_seconds": 1e-4}, num_tasks=num_tasks
    )
    assert_same_bits(with_threads, trained(epochs, num_tasks=num_tasks))


@pytest.mark.compiled
@pytest.mark.parametrize("random_state", [None, SEED])
def test_n_jobs_gives_the_same_bits(random_state, monkeypatch):
    """As users meet it: long enough a run, short epochs (drawn ahead) and long ones (shared)."""
    monkeypatch.setattr(training, "WORTH_THREADS", 0)
    for sharing in (0, training.WORTH_SHARING):
        monkeypatch.setattr(training, "WORTH_SHARING", sharing)
        models = []
        for n_jobs in (1, 2, 64, None, -1):
            np.random.seed(1)
            model = MAML(**SMALL, epochs=50, random_state=random_state, n_jobs=n_jobs, verbose=False)
            model.train()
            models.append((model, np.random.rand()))
        for model, following in models[1:]:
            assert_same_bits(model, models[0][0])
            assert following == models[0][1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_calls_are_one(dtype):
    parts = trained(20, dtype=dtype)
    parts.epochs = 30
    parts.train()
    whole = trained(50, dtype=dtype)
    assert parts.theta.tobytes() == whole.theta.tobytes()
    assert parts.epoch_ == whole.epoch_ == 50


@pytest.mark.parametrize("road", ROADS[::5], ids=name_of)
def test_the_exact_mode_on_every_road(road):
    """The notebook's stream too, whose source keeps a state from epoch to epoch."""
    results = []
    for way in (road, None):
        np.random.seed(2)
        np.random.bytes(4)
        model = trained(size(23, 5), way, random_state=None)
        results.append((model, np.random.get_state()))
    (one, state), (other, stands) = results
    assert_same_bits(one, other)
    assert np.array_equal(state[1], stands[1])
    assert state[2:] == stands[2:]


@pytest.mark.compiled
def test_the_exact_mode_with_threads():
    results = []
    for way in ({"workers": 2, "ahead": 3, "threads": True}, {"workers": 2, "threads": True}, None):
        np.random.seed(3)
        results.append((trained(60, way, random_state=None), np.random.rand()))
    for model, following in results[:2]:
        assert_same_bits(model, results[2][0])
        assert following == results[2][1]


# --- slices and losses ---


@pytest.mark.parametrize("road", ROADS[::5], ids=name_of)
@pytest.mark.parametrize("log_every", [1, 2, 7, 1000])
def test_losses_are_those_of_the_epochs_that_are_logged(log_every, road):
    epochs = size(15, 8)
    expected = trained(epochs, log_every=1).history_
    assert len(expected) == epochs
    model = trained(epochs, road, log_every=log_every)
    assert model.history_ == expected[::log_every]
    assert model.loss_ == expected[-1][1]


def test_long_epochs_are_cut():
    """Python is back between two parts of one epoch, and sees every epoch exactly once."""
    seen = []

    class Watch:
        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def epochs(self, done):
            seen.append(done)

        def loss(self, epoch, loss):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebook, "_reporter", lambda *_: Watch())
        trained(3, {"workers": 1, "ahead": 0, "slice_seconds": 1e-9}, num_tasks=16)
        assert seen == [*[0] * 3, 1, *[1] * 3, 2, *[2] * 3, 3]
        seen.clear()
        trained(3, {"workers": 3, "ahead": 0, "slice_seconds": 1e-9}, num_tasks=16)
        assert seen == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("slice_seconds", [1e-9, 1e9])
def test_epochs_with_losses(slice_seconds):
    """The first, each second and the last, or without the first, wherever slices end."""
    learner = lower(models.Linear(2), algorithms.MAML(1, 2, 0.1), np.float64)

    def losses(log_every, **first):
        run = learner.training(
            sources.LinearTasks([1.0, 2.0]).lower(SEED),
            optimizers.Adam(0.1).lower(6),
            tasks_per_batch=3,
            meta=learner.join(learner.model.initial_theta(0), learner.initial_rates()),
            epochs=6,
            n_jobs=1,
        )
        run._slice_seconds = slice_seconds
        return [found for found in run.run(0, 6, log_every, **first) if found is not None]

    each = losses(1)
    assert [found.epoch for found in each] == list(range(6))
    assert losses(2) == [each[0], each[2], each[4], each[5]]
    assert losses(2, log_first=False) == [each[2], each[4], each[5]]
    assert losses(6, log_first=False) == [each[5]]


def test_slices_are_short():
    """An epoch's length is found out in the first slice, which is one epoch."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        run = training.launch

        def launch(bound, regions, *rest):
            seen.append(regions)
            run(bound, regions, *rest)

        patch.setattr(training, "launch", launch)
        trained(size(300, 20), {"slice_seconds": 1e9}, log_every=1000)
    # Regions are one more than epochs; slices grow at most sixteenfold.
    epochs = [regions - 1 for regions in seen]
    assert sum(epochs) == size(300, 20)
    assert epochs[0] == 1
    assert all(after <= 16 * before for before, after in pairwise(epochs))


# --- memory ---


@pytest.mark.compiled
@pytest.mark.parametrize("random_state", [None, SEED])
def test_memory_is_flat_in_epochs(random_state, monkeypatch):
    # Both with threads: that many epochs would be run with, and so few without.
    monkeypatch.setattr(training, "WORTH_THREADS", 0)

    def peak(epochs):
        model = MAML(epochs=epochs, random_state=random_state, verbose=False, log_every=10**6)
        tracemalloc.start()
        model.train()
        assert len(model.theta_) == 10
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)
    short, long = peak(10), peak(4000)
    # 3990 more epochs of adapted parameters would take 16 MB, their draws 90 MB.
    assert long < short + 100_000


def test_the_compiler_is_there_unless_switched_off():
    """Without it the suite would still pass, a thousand times slower, and test little."""
    assert hasattr(training.region_entry, "overloads") == COMPILED
