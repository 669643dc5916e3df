"""The notebook's exact mode against the plain notebook: numbers, lines, and where the generator stands."""

import re
import warnings

import naive
import numpy as np
import pytest
from sizes import size

import fastmaml
from fastmaml import MAML

# What the engine promises: agreement with the notebook relative to the largest entry.
EXACT = 1e-12


def assert_close(actual, expected, tolerance=EXACT):
    actual, expected = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert actual.shape == expected.shape
    assert np.max(np.abs(actual - expected)) <= tolerance * np.max(np.abs(expected))


def assert_same_state(one, other):
    """Legacy states: name, key, position, whether a Gaussian is in store, that Gaussian."""
    assert one[0] == other[0] == "MT19937"
    assert np.array_equal(one[1], other[1])
    assert one[2:4] == other[2:4]
    assert np.float64(one[4]).tobytes() == np.float64(other[4]).tobytes()


def losses(text):
    return [float(number) for number in re.findall(r"Loss (\S+)$", text, re.MULTILINE)]


def skeleton(text):
    return re.sub(r"Loss \S+", "Loss #", text)


def run(make, seed, skip, capsys, trains=1):
    """Train a model made under a seed, with ``skip`` words of the generator used up in between."""
    np.random.seed(seed)
    model = make()
    np.random.bytes(4 * skip)
    for _ in range(trains):
        assert model.train() is None
    return model, capsys.readouterr().out, np.random.get_state()


def compare(capsys, seed=0, skip=0, trains=1, **arguments):
    """Train the notebook and the library from one and the same state, and compare all there is."""
    expected, printed, state = run(lambda: naive.NotebookMAML(**arguments), seed, skip, capsys, trains)
    model, text, stands = run(lambda: MAML(**arguments), seed, skip, capsys, trains)
    assert_close(model.theta, expected.theta)
    assert_same_state(stands, state)
    assert skeleton(text) == skeleton(printed)
    # The oracle's loss in its stable form: the notebook's own has the rounding error of log(1 - p).
    assert losses(text) == pytest.approx(expected.stable_losses, rel=EXACT, abs=0)
    assert [loss for _, loss in model.history_] == losses(text)
    assert len(model.theta_) == len(expected.theta_)
    for adapted, wanted in zip(model.theta_, expected.theta_, strict=True):
        assert_close(adapted, wanted)
    # Asking for theta_ moves nothing.
    assert_same_state(np.random.get_state(), stands)
    return model


SMALL = {"num_tasks": 3, "num_samples": 4, "num_features": 5, "query_samples": 3, "log_every": 2}


def test_the_default_job(capsys):
    compare(capsys, epochs=size(120, 2), log_every=size(50, 1))


@pytest.mark.parametrize(
    "arguments",
    [
        {
            "num_tasks": 1,
            "num_samples": 1,
            "query_samples": 1,
            "num_features": 1,
            "epochs": 7,
            "log_every": 3,
        },
        {"num_tasks": 2, "num_samples": 3, "query_samples": 7, "num_features": 33, "epochs": 5, "beta": 0.5},
        {**SMALL, "epochs": 6, "alpha": 0.5, "beta": 0.8},
        {**SMALL, "epochs": 6, "alpha": 0.5, "beta": 0.8, "inner_steps": 3},
        {**SMALL, "epochs": 6, "alpha": 0.5, "beta": 0.8, "order": 2},
        {**SMALL, "epochs": 6, "alpha": 0.9, "beta": 0.8, "order": 2, "inner_steps": 5},
        {**SMALL, "epochs": 4, "alpha": 0.0, "beta": 0.8, "order": 2, "log_every": 1},
    ],
    ids=["ones", "wide", "rates", "steps", "order 2", "order 2, steps", "no inner step"],
)
def test_every_setting(capsys, arguments):
    compare(capsys, seed=3, **arguments)


@pytest.mark.compiled
@pytest.mark.parametrize("order", [1, 2])
def test_large_batches_and_rates(capsys, order):
    # More tasks than chunks, so that chunks hold several.
    compare(
        capsys,
        seed=4,
        num_tasks=300,
        num_samples=5,
        query_samples=2,
        num_features=20,
        epochs=12,
        alpha=0.4,
        beta=2.0,
        order=order,
        log_every=5,
    )


@pytest.mark.parametrize("skip", [0, 1, 2, 311, 622, 623, 624, 625, 1247])
def test_every_position_of_the_generator(capsys, skip):
    """Odd ones too, which only whole words (``bytes``, ``randint``) lead to."""
    compare(capsys, seed=5, skip=skip, **SMALL, epochs=3, beta=0.5)


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize(
    ("num_tasks", "rows", "num_features"),
    [
        (3, 4, 25),  # 2 * 3 * 4 * 26 = 624 words an epoch: exactly one block.
        (1, 4, 38),  # 312: half a block, so that every second epoch ends with one.
        (1, 2, 1),  # 8: many epochs in a block.
        (2, 6, 51),  # 1248: two blocks.
        (5, 11, 6),  # 770: a block and a bit.
    ],
)
def test_epochs_that_end_with_a_block_of_the_generator(capsys, num_tasks, rows, num_features, skip):
    seed = 6
    np.random.seed(seed)
    np.random.normal(size=num_features)
    # From the start of a block on, whatever drawing theta has used up.
    skip += 624 - np.random.get_state()[2]
    compare(
        capsys,
        seed=seed,
        skip=skip,
        num_tasks=num_tasks,
        num_samples=rows - 1,
        query_samples=1,
        num_features=num_features,
        epochs=size(9, 3),
        beta=0.5,
        log_every=4,
    )


@pytest.mark.parametrize("num_features", [4, 5])
def test_what_comes_next_agrees_bit_for_bit(capsys, num_features):
    """An odd number of features leaves a Gaussian in store, and training leaves it there."""
    arguments = {**SMALL, "num_features": num_features, "epochs": 3}
    run(lambda: naive.NotebookMAML(**arguments), 7, 0, capsys)
    expected = [np.random.normal(), np.random.rand(), np.random.normal(), np.random.randint(1000)]
    run(lambda: MAML(**arguments), 7, 0, capsys)
    in_store = np.random.get_state()[3]
    assert in_store == num_features % 2
    assert [np.random.normal(), np.random.rand(), np.random.normal(), np.random.randint(1000)] == expected


def test_a_second_call_goes_on(capsys):
    model = compare(capsys, seed=8, trains=3, **SMALL, epochs=5, beta=0.7)
    assert model.epoch_ == 15
    # The printed epochs begin anew with each call, as the notebook's; the history counts on.
    assert [epoch for epoch, _ in model.history_] == [0, 2, 4, 5, 7, 9, 10, 12, 14]


CHANGES = {"num_tasks": 4, "num_samples": 2, "query_samples": 6, "epochs": 3, "alpha": 0.3, "beta": 1.5}


@pytest.mark.parametrize("name", CHANGES)
def test_attributes_may_be_changed_between_calls(capsys, name):
    def train_change_train(make):
        np.random.seed(9)
        model = make(**SMALL, epochs=2, beta=0.5)
        model.train()
        setattr(model, name, CHANGES[name])
        model.train()
        return model, capsys.readouterr().out, np.random.get_state()

    expected, printed, state = train_change_train(naive.NotebookMAML)
    model, text, stands = train_change_train(MAML)
    assert_close(model.theta, expected.theta)
    assert_close(model.theta_, expected.theta_)
    assert_same_state(stands, state)
    assert skeleton(text) == skeleton(printed)


@pytest.mark.parametrize("shape", [(5, 1), (5,)])
@pytest.mark.parametrize("kind", [np.array, list])
def test_theta_may_be_assigned(capsys, shape, kind):
    start = np.linspace(-1, 1, 5)
    np.random.seed(10)
    expected = naive.NotebookMAML(**SMALL, epochs=3, beta=0.5)
    expected.theta = start.reshape(5, 1)
    expected.train()
    np.random.seed(10)
    model = MAML(**SMALL, epochs=3, beta=0.5)
    model.theta = kind(start.reshape(shape))
    model.train()
    assert_close(model.theta, expected.theta)
    assert np.array_equal(start, np.linspace(-1, 1, 5))


def test_the_intercept_sees_the_same_draws(capsys):
    def with_ones(k):
        x, y = naive.sample_points(k, 5)
        return np.hstack([x, np.ones((k, 1))]), y

    arguments = {**SMALL, "epochs": 5, "alpha": 0.5, "beta": 0.8, "order": 2, "inner_steps": 2}
    wide = {**arguments, "num_features": 6, "sample_points": with_ones}
    expected, printed, state = run(lambda: naive.NotebookMAML(**wide), 11, 1, capsys)
    model, text, stands = run(lambda: MAML(**arguments, fit_intercept=True), 11, 1, capsys)
    assert model.theta.shape == (6, 1)
    assert_close(model.theta, expected.theta)
    assert_close(model.theta_, expected.theta_)
    assert_same_state(stands, state)
    assert skeleton(text) == skeleton(printed)
    assert losses(text) == pytest.approx(expected.stable_losses, rel=EXACT, abs=0)


def float32_bound(theta, num_features, rates, epochs):
    """How far training in float32 may stray.

    With u = 2**-24: an outer step rounds theta twice (2 u |theta|). A gradient's entries are means of
    |x| |p - y| <= 1; their error is that of the p, a quarter of the error of z = x . theta (one rounding a
    product, one a sum, one for x itself: (n + 1) u |x|.|theta|), the sigmoid's own few roundings, and one
    for each term of the mean (here, with the coefficient, below 16). Errors of earlier epochs do not grow:
    the loss is convex and the rates are small. `rates` is the sum of what multiplies gradients in an epoch.
    """
    u, length = 2.0**-24, np.sum(np.abs(theta))
    gradient = 0.25 * (num_features + 1) * u * length + 24 * u
    return epochs * (2 * u * np.max(np.abs(theta)) + rates * gradient)


def test_float32_follows_float64(capsys):
    epochs, alpha, beta = size(40, 4), 0.1, 0.5
    arguments = {**SMALL, "epochs": epochs, "alpha": alpha, "beta": beta, "log_every": 1}
    expected, printed, state = run(lambda: naive.NotebookMAML(**arguments), 12, 1, capsys)
    model, text, stands = run(lambda: MAML(**arguments, dtype="float32"), 12, 1, capsys)
    assert model.theta.dtype == np.float32
    bound = float32_bound(expected.theta, 5, beta + alpha, epochs)
    assert 0 < np.max(np.abs(model.theta - expected.theta)) <= bound
    assert_same_state(stands, state)
    assert skeleton(text) == skeleton(printed)
    # The loss is a mean of softplus(z) - y z, whose slope in z is below 1; z has five features up to 1.
    assert np.max(np.abs(np.subtract(losses(text), expected.stable_losses))) <= 5 * bound + 16 * 2.0**-24 * 5


def test_another_bit_generator_is_refused_with_advice(capsys):
    np.random.seed(13)
    model = MAML(**SMALL, epochs=2)
    theta = model.theta.copy()
    generator = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(0))
    try:
        with pytest.raises(ValueError, match=r"PCG64.*MT19937.*set_bit_generator.*random_state"):
            model.train()
        with pytest.raises(ValueError, match=r"PCG64.*MT19937.*set_bit_generator.*random_state"):
            MAML(**SMALL)
        before = np.random.get_state(legacy=False)
        addressed = MAML(**SMALL, epochs=2, random_state=0)
        addressed.train()
        assert np.random.get_state(legacy=False) == before
    finally:
        np.random.set_bit_generator(generator)
    assert model.epoch_ == 0
    assert np.array_equal(model.theta, theta)


def test_what_draws_nothing_needs_no_generator():
    np.random.seed(13)
    model = MAML(**SMALL, epochs=2)
    generator = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(0))
    try:
        model.predict(np.zeros((1, 5)))
        model.adapt(np.zeros((1, 5)), [0])
    finally:
        np.random.set_bit_generator(generator)


def test_verbose_false_is_silent_and_draws_the_same(capsys):
    loud, text, state = run(lambda: MAML(**SMALL, epochs=5), 14, 0, capsys)
    quiet, nothing, stands = run(lambda: MAML(**SMALL, epochs=5, verbose=False), 14, 0, capsys)
    assert text
    assert nothing == ""
    assert quiet.theta.tobytes() == loud.theta.tobytes()
    assert quiet.history_ == loud.history_
    assert_same_state(state, stands)


def test_the_bar_goes_to_standard_error(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm's own, about notebooks.
        np.random.seed(14)
        MAML(**SMALL, epochs=5, verbose="progress").train()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "5.00/5.00" in captured.err


def test_the_loss_of_the_last_epoch(capsys):
    """The last epoch's loss is known though nobody printed it."""
    np.random.seed(15)
    expected = naive.NotebookMAML(**{**SMALL, "log_every": 1}, epochs=4)
    expected.train()
    np.random.seed(15)
    model = MAML(**{**SMALL, "log_every": 100}, epochs=4)
    with pytest.raises(AttributeError, match="train"):
        _ = model.loss_
    with pytest.raises(AttributeError, match="train"):
        _ = model.theta_
    model.train()
    assert len(model.history_) == 1
    assert model.loss_ == pytest.approx(expected.stable_losses[-1], rel=EXACT, abs=0)


def test_sample_points_draws_what_the_notebook_draws():
    np.random.seed(16)
    x, y = fastmaml.sample_points(10)
    stands = np.random.get_state()
    np.random.seed(16)
    expected_x, expected_y = naive.sample_points(10)
    assert x.dtype == np.float64
    assert y.dtype == np.int64
    assert y.shape == (10, 1)
    assert np.array_equal(x, expected_x)
    assert np.array_equal(y, expected_y)
    assert_same_state(stands, np.random.get_state())


def test_theta_is_the_notebook_s_draw():
    np.random.seed(17)
    expected = naive.NotebookMAML().theta
    np.random.seed(17)
    theta = MAML().theta
    assert theta.tobytes() == expected.tobytes()
    assert theta.shape == (50, 1)


def test_sigmoid_is_stable():
    a = np.array([-np.inf, -1e4, -745.0, -1.0, 0.0, 1.0, 745.0, 1e4, np.inf])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        values = MAML(num_features=2, random_state=0).sigmoid(a)
    assert values[[0, 1, -2, -1]].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert values[4] == 0.5
    assert values == pytest.approx(naive.sigmoid(a), rel=2**-51)
    assert float(MAML(num_features=2, random_state=0).sigmoid(0)) == 0.5
