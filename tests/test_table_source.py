"""Learning from a table: which tasks and rows an epoch takes, and what is learned from them."""

import addressed
import naive
import numba
import numpy as np
import pytest
from engine import ROADS, engine, name_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import size

from fastmaml import MAML, TaskSet
from fastmaml.numerics.layout import padded_rows
from fastmaml.sources import Picks, Table, draw, matrix, prepare, requirements

SEED = 2**40 + 99
SETTINGS = {"num_samples": 3, "query_samples": 2, "alpha": 0.5, "beta": 0.7, "verbose": False}


def ragged(sizes, num_features=3, seed=0, dtype=np.float64):
    """Tasks of the given numbers of rows, their rows and labels at random."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(groups), num_features)).astype(dtype)
    return TaskSet.from_groups(X, rng.integers(0, 2, len(groups)), groups)


def numbered(sizes):
    """Each row's only feature is its number in its task, plus a thousand times its task's."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    numbers = np.concatenate([np.arange(rows) for rows in sizes]) + 1000 * groups
    return TaskSet.from_groups(numbers[:, None].astype(float), numbers % 2, groups)


@numba.njit
def draw_epochs(
    source, tasks_per_batch, first, last, state, words, scratch, X, ours, si, sy, qi, qy, queries
):
    for epoch in range(first, last):
        prepare(source, tasks_per_batch, epoch, state, words)
        e = epoch - first
        for task in range(tasks_per_batch):
            support, query = Picks(si[e, task], sy[e, task]), Picks(qi[e, task], qy[e, task])
            queries[e, task] = draw(
                source, tasks_per_batch, epoch, task, words, scratch, X, 0, support, query
            )
    ours[:] = matrix(source, X)


def drawn(tasks, tasks_per_batch, shots, queries, epochs, seed=SEED, first=0):
    """Draw epochs through the source's contract: per epoch a list of (Xs, ys, Xq, yq)."""
    source = Table(tasks, shots, queries).lower(seed)
    needs = requirements(source, tasks_per_batch)
    assert (needs.shots, needs.features) == (shots, tasks.num_features)
    # The table stays where it is.
    assert needs.buffered == 0
    lead = (epochs, tasks_per_batch)
    si, qi = (
        np.full((*lead, padded_rows(rows)), -1, dtype=np.int64) for rows in (needs.shots, needs.queries)
    )
    sy, qy = (np.full((*lead, padded_rows(rows)), 7.0) for rows in (needs.shots, needs.queries))
    counts = np.zeros(lead, dtype=np.int64)
    state, words, scratch = (np.zeros(n, dtype=np.uint32) for n in (needs.state, needs.words, needs.scratch))
    X, ours = np.zeros((0, needs.features)), np.zeros_like(tasks.X)
    draw_epochs(
        source, tasks_per_batch, first, first + epochs, state, words, scratch, X, ours, si, sy, qi, qy, counts
    )
    assert np.array_equal(ours, tasks.X)
    result = []
    for e in range(epochs):
        result.append([])
        for task in range(tasks_per_batch):
            n = counts[e, task]
            # Nothing is written behind the last row.
            for index, count in ((si, shots), (qi, n)):
                assert np.all(index[e, task, count:] == -1)
            support, query = tasks.X[si[e, task, :shots]], tasks.X[qi[e, task, :n]]
            result[e].append((support, sy[e, task, :shots], query, qy[e, task, :n]))
    return result


def numbers_of(task):
    """The task and the rows that a task drawn from `numbered` is made of."""
    Xs, ys, Xq, yq = task
    support, query = Xs[:, 0].astype(int), Xq[:, 0].astype(int)
    number = support[0] // 1000
    assert np.all(support // 1000 == number)
    assert np.all(query // 1000 == number)
    # Labels come with their rows.
    assert np.array_equal(ys, support % 2)
    assert np.array_equal(yq, query % 2)
    return number, (support % 1000).tolist(), (query % 1000).tolist()


# --- the choice ---


@settings(max_examples=size(60, 10), deadline=None)
@given(data=st.data())
def test_tasks_and_rows_are_the_documented_choice(data):
    shots = data.draw(st.integers(1, 4), "shots")
    sizes = data.draw(st.lists(st.integers(shots + 1, shots + 9), min_size=1, max_size=9), "sizes")
    batch = data.draw(st.integers(1, len(sizes)), "batch")
    queries = data.draw(st.one_of(st.none(), st.integers(1, 12)), "queries")
    seed = data.draw(st.integers(0, 2**64 - 1), "seed")
    first = data.draw(st.sampled_from([0, 1, 5, 2**32 - 2, 2**34]), "first epoch")
    epochs = drawn(numbered(sizes), batch, shots, queries, 4, seed, first)
    for epoch, tasks in enumerate(epochs, first):
        found = [numbers_of(task) for task in tasks]
        assert [number for number, _, _ in found] == addressed.tasks_of_epoch(seed, epoch, len(sizes), batch)
        for number, support, query in found:
            rows = addressed.rows_of_task(seed, epoch, number, sizes[number], shots, queries)
            assert (support, query) == rows


@settings(max_examples=size(40, 10), deadline=None)
@given(
    sizes=st.lists(st.integers(3, 9), min_size=2, max_size=12),
    batch=st.integers(1, 12),
    queries=st.one_of(st.none(), st.integers(1, 9)),
)
def test_rows_and_tasks_are_taken_without_replacement(sizes, batch, queries):
    batch = min(batch, len(sizes))
    per_pass = len(sizes) // batch
    epochs = drawn(numbered(sizes), batch, 2, queries, 2 * per_pass)
    for one_pass in (epochs[:per_pass], epochs[per_pass:]):
        found = [numbers_of(task) for epoch in one_pass for task in epoch]
        numbers = [number for number, _, _ in found]
        assert len(set(numbers)) == len(numbers) == per_pass * batch
        for number, support, query in found:
            left = sizes[number] - 2
            assert len(support) == 2
            assert len(query) == (left if queries is None else min(queries, left))
            assert len(set(support + query)) == len(support) + len(query)
            assert set(support + query) <= set(range(sizes[number]))


def test_a_full_batch_takes_every_task_in_order():
    for epoch in drawn(numbered([5, 3, 4]), 3, 2, None, 4):
        assert [numbers_of(task)[0] for task in epoch] == [0, 1, 2]


def test_a_permutation_is_drawn_anew_when_used_up():
    """Six tasks, two an epoch: three epochs a pass, and the fourth begins another order."""
    epochs = drawn(numbered([4] * 6), 2, 2, 1, 30)
    orders = [
        tuple(numbers_of(task)[0] for epoch in epochs[i : i + 3] for task in epoch) for i in range(0, 30, 3)
    ]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len(set(orders)) > 5


@pytest.mark.compiled
def test_every_row_and_task_is_equally_likely():
    """Frequencies within five standard errors of a binomial."""
    epochs, tasks, rows = 4000, 5, 4
    seen_tasks, seen_rows = np.zeros(tasks), np.zeros((tasks, rows))
    for epoch in drawn(numbered([rows] * tasks), 2, 1, 1, epochs):
        for task in epoch:
            number, support, _ = numbers_of(task)
            seen_tasks[number] += 1
            seen_rows[number, support[0]] += 1
    p = 2 / tasks
    assert np.all(np.abs(seen_tasks - epochs * p) < 5 * np.sqrt(epochs * p * (1 - p)))
    p /= rows
    assert np.all(np.abs(seen_rows - epochs * p) < 5 * np.sqrt(epochs * p * (1 - p)))


# --- what is learned ---


def by_the_oracle(model, epochs, theta=None, first_epoch=0):
    tasks = list(model.tasks)

    def tasks_of(epoch):
        return addressed.table_tasks(
            model.seed_, epoch, tasks, model.num_tasks, model.num_samples, model.query_samples
        )

    return addressed.train(
        model.theta if theta is None else theta,
        tasks_of,
        epochs,
        alpha=model.alpha,
        beta=model.beta,
        steps=model.inner_steps,
        order=model.order,
        first_epoch=first_epoch,
    )


def assert_close(actual, expected, tolerance=1e-12):
    actual, expected = np.ravel(actual).astype(np.float64), np.ravel(expected)
    assert actual.shape == expected.shape
    assert np.max(np.abs(actual - expected)) <= tolerance * np.max(np.abs(expected))


SIZES = [4, 9, 5, 4, 12, 7, 30, 6]


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("queries", [2, None])
def test_theta_against_the_formulas(order, steps, fit_intercept, queries):
    tasks = ragged(SIZES)
    arguments = {**SETTINGS, "query_samples": queries, "order": order, "inner_steps": steps, "epochs": 7}
    model = MAML(tasks=tasks, num_tasks=3, fit_intercept=fit_intercept, random_state=SEED, **arguments)
    assert model.theta.shape == (3 + fit_intercept, 1)
    assert not model.theta.any()
    expected = by_the_oracle(model, 7)
    model.train()
    assert_close(model.theta, expected)


@pytest.mark.parametrize(
    ("sizes", "num_tasks", "shots", "queries", "num_features"),
    [
        ([2], 1, 1, 1, 1),
        ([2, 2], 2, 1, 5, 2),
        ([20] * 5, 5, 7, None, 33),
        ([20] * 5, 4, 19, 10, 16),
        (SIZES, 8, 3, 100, 31),
        (SIZES, 5, 3, 1, 32),
    ],
    ids=["smallest", "two", "full batch", "one left", "upper bound", "two lane blocks"],
)
def test_theta_for_every_size(sizes, num_tasks, shots, queries, num_features):
    arguments = {**SETTINGS, "num_samples": shots, "query_samples": queries, "order": 2, "inner_steps": 2}
    model = MAML(
        tasks=ragged(sizes, num_features), num_tasks=num_tasks, random_state=SEED, epochs=5, **arguments
    )
    expected = by_the_oracle(model, 5)
    model.train()
    assert_close(model.theta, expected)


@pytest.mark.compiled
def test_theta_with_more_tasks_than_chunks():
    model = MAML(tasks=ragged([5] * 400), num_tasks=300, random_state=SEED, epochs=4, **SETTINGS)
    expected = by_the_oracle(model, 4)
    model.train()
    assert_close(model.theta, expected)


def test_the_loss_is_the_mean_query_loss_after_adapting():
    tasks = ragged(SIZES)
    model = MAML(
        tasks=tasks, num_tasks=3, random_state=SEED, epochs=4, inner_steps=2, log_every=2, **SETTINGS
    )
    start = model.theta
    model.train()
    for epoch, loss in [*model.history_, (3, model.loss_)]:
        theta = by_the_oracle(model, epoch, start)
        chosen = addressed.table_tasks(SEED, epoch, list(tasks), 3, 3, 2)
        expected = np.mean([naive.meta_loss(theta, *task, 0.5, 2) for task in chosen])
        assert loss == pytest.approx(expected, rel=1e-12)
    assert [epoch for epoch, _ in model.history_] == [0, 2]
    theta = by_the_oracle(model, 3, start)
    adapted = [
        naive.inner_loop(theta, Xs, ys, 0.5, 2)
        for Xs, ys, _, _ in addressed.table_tasks(SEED, 3, list(tasks), 3, 3, 2)
    ]
    assert_close(np.hstack(model.theta_), np.column_stack(adapted))


def test_two_calls_are_one():
    def trained(*epochs):
        model = MAML(tasks=ragged(SIZES), num_tasks=3, random_state=SEED, **SETTINGS)
        for count in epochs:
            model.epochs = count
            model.train()
        return model.theta.tobytes()

    # Parts that end within a pass over the permutation, and with one.
    assert trained(2, 1, 4, 3) == trained(10)


def test_the_number_of_tasks_may_be_changed():
    model = MAML(tasks=ragged(SIZES), num_tasks=3, random_state=SEED, epochs=3, **SETTINGS)
    expected = by_the_oracle(model, 3)
    model.train()
    model.num_tasks, model.num_samples, model.query_samples = 2, 2, 1
    expected = by_the_oracle(model, 3, expected, first_epoch=3)
    model.train()
    assert_close(model.theta, expected)


@pytest.mark.parametrize("num_tasks", [3, 8])
@pytest.mark.parametrize("road", ROADS[::3], ids=name_of)
def test_every_road_gives_the_same_bits(road, num_tasks):
    """With a permutation kept from epoch to epoch, and without one."""
    results = []
    for way in (road, {}):
        model = MAML(
            tasks=ragged(SIZES), num_tasks=num_tasks, random_state=SEED, epochs=size(21, 6), **SETTINGS
        )
        with engine(**way):
            model.train()
        results.append((model.theta.tobytes(), model.loss_, [theta.tobytes() for theta in model.theta_]))
    assert results[0] == results[1]


@pytest.mark.compiled
@pytest.mark.parametrize("ahead", [0, 4])
def test_threads_give_the_same_bits(ahead):
    results = []
    for way in ({"workers": 2, "ahead": ahead, "threads": True}, {}):
        model = MAML(tasks=ragged(SIZES), num_tasks=3, random_state=SEED, epochs=100, **SETTINGS)
        with engine(**way):
            model.train()
        results.append(model.theta.tobytes())
    assert results[0] == results[1]


# --- tables of every kind ---


@settings(max_examples=size(30, 8), deadline=None)
@given(data=st.data())
def test_any_interleaving_of_the_groups_trains_to_the_same_bits(data):
    """Rows of one group keep their order; how groups are mixed is nobody's business."""
    sizes = data.draw(st.lists(st.integers(3, 6), min_size=2, max_size=6), "sizes")
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(len(groups), 3)), rng.integers(0, 2, len(groups))
    mixed = np.array(data.draw(st.permutations(groups.tolist()), "order"))
    # The k-th row of a group goes where the group's k-th place is.
    order = np.empty(len(groups), dtype=int)
    for group in range(len(sizes)):
        order[mixed == group] = np.flatnonzero(groups == group)

    def trained(rows):
        tasks = TaskSet.from_groups(X[rows], y[rows], groups[rows])
        arguments = {**SETTINGS, "num_samples": 2, "num_tasks": 2, "epochs": 3, "random_state": SEED}
        model = MAML(tasks=tasks, **arguments)
        model.train()
        return model.theta.tobytes()

    assert trained(order) == trained(slice(None))


def test_a_table_may_be_read_only_or_on_disk(tmp_path):
    tasks = ragged(SIZES)
    X, y, groups = np.array(tasks.X), np.array(tasks.y), np.repeat(np.arange(len(SIZES)), SIZES)
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    X_fixed, y_fixed = X.copy(), y.copy()
    X_fixed.flags.writeable = y_fixed.flags.writeable = False
    results = set()
    for table, labels in ((X, y), (X_fixed, y_fixed), (on_disk, y), (np.asfortranarray(X), y.tolist())):
        model = MAML(
            tasks=TaskSet.from_groups(table, labels, groups),
            num_tasks=3,
            random_state=SEED,
            epochs=3,
            **SETTINGS,
        )
        model.train()
        results.add(model.theta.tobytes())
    assert len(results) == 1
    assert np.array_equal(X, tasks.X)
    assert np.array_equal(on_disk, tasks.X)


def test_a_float32_table_in_float64():
    """Widening loses nothing: the same numbers as from a float64 table of the same values."""
    tasks = ragged(SIZES, dtype=np.float32)
    assert tasks.X.dtype == np.float32
    model = MAML(
        tasks=tasks, num_tasks=3, random_state=SEED, epochs=6, order=2, fit_intercept=True, **SETTINGS
    )
    expected = by_the_oracle(model, 6)
    model.train()
    assert model.theta.dtype == np.float64
    assert_close(model.theta, expected)


def test_a_float64_table_in_float32():
    plain = ragged(SIZES)
    tasks, epochs = TaskSet(np.tanh(plain.X), plain.y, plain.offsets), 6
    arguments = {**SETTINGS, "alpha": 0.1, "beta": 0.3, "epochs": epochs}
    model = MAML(tasks=tasks, num_tasks=3, random_state=SEED, dtype="float32", **arguments)
    expected = by_the_oracle(model, epochs)
    model.train()
    assert model.theta.dtype == np.float32
    # With u = 2**-24, |x| < 1 and |theta|_1 <= 3 epochs beta: the features' own rounding, the products and
    # the sums make z wrong by (3 + 2) u |theta|_1, p by a quarter of that and some roundings, and so a
    # gradient; an epoch has an inner and an outer gradient and two roundings of theta. The error of theta
    # itself is passed on, times at most 1 + rate |x|**2 / 4 a step.
    u, length = 2.0**-24, 3 * epochs * 0.3
    gradient = 0.25 * 5 * u * length + 24 * u
    growth = (1 + 0.1 * 0.75) * (1 + 0.3 * 0.75)
    bound = (2 * u * length + 0.4 * gradient) * (growth**epochs - 1) / (growth - 1)
    assert 0 < np.max(np.abs(model.theta.ravel() - expected)) <= bound
    assert bound < 1e-4 * length


# --- seeds ---


def test_the_seed_comes_once_from_the_system():
    np.random.seed(0)
    before = np.random.get_state()
    model = MAML(tasks=ragged(SIZES), num_tasks=3, epochs=4, **SETTINGS)
    model.train()
    seed = model.seed_
    model.train()
    assert model.seed_ == seed
    assert isinstance(seed, int)
    same = MAML(tasks=ragged(SIZES), num_tasks=3, epochs=8, random_state=seed, **SETTINGS)
    same.train()
    assert same.seed_ == seed
    assert same.theta.tobytes() == model.theta.tobytes()
    assert MAML(tasks=ragged(SIZES), num_tasks=3, **SETTINGS).seed_ != seed
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_the_notebook_s_mode_has_no_seed():
    assert MAML(num_features=2).seed_ is None
    assert MAML(num_features=2, random_state=5).seed_ == 5


def test_different_seeds_choose_differently():
    results = set()
    for seed in range(4):
        model = MAML(tasks=ragged(SIZES), num_tasks=3, epochs=2, random_state=seed, **SETTINGS)
        model.train()
        results.add(model.theta.tobytes())
    assert len(results) == 4


def test_attributes_of_a_table_s_model():
    model = MAML(tasks=ragged(SIZES, num_features=7), num_tasks=8, **SETTINGS)
    assert model.num_features == 7
    assert model.theta.shape == (7, 1)
    assert model.theta.dtype == np.float64
