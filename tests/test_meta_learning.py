"""`meta_train`: every model learns by every algorithm, same seed, same bits, and nonsense is refused."""

import math
import re

import numpy as np
import pytest
from engine import engine
from scipy.stats import t as student
from sizes import COMPILED, size

from fastmaml import AdaptedModel, TaskSet, algorithms, meta_gradient, meta_train, models, optimizers, sources
from fastmaml.intervals import mean_interval
from fastmaml.training import Training

WEIGHTS = np.array([[1.5, -0.5], [-1.0, 2.0], [0.5, 0.0]])
ALGORITHMS = {
    "maml": algorithms.MAML(2, 2, 0.1),
    "first order": algorithms.MAML(1, 2, 0.1),
    "reptile": algorithms.Reptile(3, 0.1),
    "anil": algorithms.ANIL(2, 2, 0.1),
    "meta-sgd": algorithms.MetaSGD(2, 2, 0.1),
    "maml++": algorithms.MAML(
        2, 2, 0.1, learned_rates="layer_and_step", first_order_epochs=50, step_loss_epochs=100, clip_norm=5.0
    ),
}
OPTIMIZERS = {
    "sgd": optimizers.SGD(0.3, schedule="linear"),
    "momentum": optimizers.Momentum(0.05, schedule="cosine"),
    "nesterov": optimizers.Momentum(0.05, nesterov=True, schedule="cosine"),
    "adam": optimizers.Adam(0.05, schedule="cosine", warmup_epochs=10),
    "adamw": optimizers.AdamW(0.05, schedule="cosine", weight_decay=1e-5),
}


def outer_for(algorithm, rate=0.05):
    """Choose an optimizer: what Reptile calls a gradient shrinks with its inner rate."""
    if isinstance(algorithm, algorithms.Reptile):
        return optimizers.SGD(0.5, schedule="linear")
    return optimizers.Adam(rate, schedule="cosine")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_finds_the_best_start_of_linear_tasks(name):
    source = sources.LinearTasks(WEIGHTS, shots=5, queries=5, spread=0.3)
    model = models.Linear(3, 2, intercept=False)
    run = meta_train(
        model,
        ALGORITHMS[name],
        source,
        outer_for(ALGORITHMS[name]),
        tasks_per_batch=20,
        epochs=size(600, 60),
        random_state=1,
        log_every=50,
    )
    assert run.history[0][0] == 0
    assert run.history[-1][0] == run.epochs - 1
    assert run.history[-1][1] < run.history[0][1] / size(5, 1)
    # The mean of 20 tasks' weights is off by 0.3 / sqrt(3 * 20); the last epochs average over many batches.
    # Without the compiler there are a tenth of the epochs.
    if COMPILED:
        np.testing.assert_allclose(run.theta.reshape(3, 2), WEIGHTS, atol=0.05)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_finds_it(name):
    source = sources.LinearTasks(WEIGHTS, shots=5, queries=5, spread=0.3)
    model = models.Linear(3, 2, intercept=False)
    run = meta_train(
        model,
        algorithms.MAML(2, 1, 0.1),
        source,
        OPTIMIZERS[name],
        tasks_per_batch=20,
        epochs=size(600, 60),
        random_state=1,
    )
    assert run.history[-1][1] < run.history[0][1]
    if COMPILED:
        np.testing.assert_allclose(run.theta.reshape(3, 2), WEIGHTS, atol=0.05)


def labelled_tasks():
    """Groups whose labels follow a slope that all of them nearly share; two classes, three, and counts."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 12, 2))
    slopes = np.array([2.0, -1.0]) + 0.3 * rng.normal(size=(60, 2))
    z = np.einsum("tri,ti->tr", X, slopes)
    classes = np.digitize(z, [-1.0, 1.0]).astype(float)
    counts = rng.poisson(np.exp(np.clip(z / 3, -3, 2))).astype(float)
    return {
        "binary": TaskSet.from_arrays(X, (z > 0).astype(float)),
        "classes": TaskSet.from_arrays(X, classes),
        "counts": TaskSet.from_arrays(X, counts),
        "numbers": TaskSet.from_arrays(X, np.tanh(z)),
    }


TASKS = labelled_tasks()
# Model, its tasks, and the query loss that it must come below: what the best constant prediction costs.
MODELS = {
    "logistic": (models.Logistic(2), "binary", math.log(2) / 1.5),
    "softmax": (models.Softmax(2, 3), "classes", 1.08 / 1.3),
    "linear": (models.Linear(2), "numbers", 0.35),
    "poisson": (models.Linear(2, loss="poisson"), "counts", 0.7),
    "mlp": (models.MLP(2, (8, 8), activation="tanh"), "numbers", 0.35),
    "mlp, silu, two classes": (
        models.MLP(2, (8,), 1, "silu", "binary_cross_entropy"),
        "binary",
        math.log(2) / 1.5,
    ),
    "mlp, relu, three classes": (
        models.MLP(2, (8,), 3, "relu", "categorical_cross_entropy"),
        "classes",
        1.08 / 1.3,
    ),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_with_every_algorithm_learns(name, algorithm):
    model, kind, target = MODELS[name]
    run = meta_train(
        model,
        ALGORITHMS[algorithm],
        sources.Table(TASKS[kind], shots=6),
        outer_for(ALGORITHMS[algorithm], 0.03),
        tasks_per_batch=20,
        epochs=size(400, 8),
        random_state=3,
        dtype="float32",
        log_every=10,
    )
    late = np.mean([loss for _, loss in run.history[-5:]])
    # Without the compiler eight epochs, in which everything is run through once.
    assert late < (target if COMPILED else 10)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_seed_gives_the_same_bits(dtype):
    def run(n_jobs=1, **road):
        with engine(**road) if road else engine():
            return meta_train(
                models.MLP(1, (5, 3)),
                algorithms.MetaSGD(2, 2, 0.05),
                sources.Sinusoid(),
                optimizers.Adam(),
                tasks_per_batch=11,
                epochs=12,
                random_state=9,
                dtype=dtype,
                n_jobs=n_jobs,
            )

    first = run()
    assert first.theta.dtype == np.dtype(dtype)
    for other in (run(None), run(workers=3), run(workers=2, ahead=2), run(workers=1, slice_seconds=1e-9)):
        assert other.theta.tobytes() == first.theta.tobytes()
        assert other.inner_rates.tobytes() == first.inner_rates.tobytes()
    assert not np.array_equal(first.inner_rates, np.full_like(first.inner_rates, 0.05))


def test_theta_is_where_it_starts():
    model = models.MLP(2, (3,), initializer="normal", initializer_scale=0.5)
    given = np.arange(models.num_parameters(model.spec())) / 10.0
    common = {"tasks_per_batch": 3, "epochs": 1, "random_state": 4}
    parts = (algorithms.MAML(), sources.LinearTasks([1.0, 2.0]), optimizers.SGD(0.0))
    assert meta_train(model, *parts, **common, theta=given).theta.tobytes() == given.tobytes()
    start = meta_train(model, *parts, **common).theta
    assert start.tobytes() == model.initial_theta(4).tobytes()
    # Weights (inputs, outputs), then biases, layer by layer.
    weights = start[:6].reshape(2, 3)
    assert np.all(weights != 0)
    assert not start[6:9].any()
    run = meta_train(model, *parts, **common)
    X = np.random.default_rng(0).normal(size=(5, 2))
    hidden = np.maximum(X @ weights + start[6:9], 0)
    expected = hidden @ start[9:12] + start[12]
    np.testing.assert_allclose(run.adapt(X, np.zeros(5), steps=0).predict(X), expected, rtol=1e-13)


@pytest.mark.parametrize(
    "initializer", ["zeros", "normal", "truncated_normal", "glorot_uniform", "he_normal"]
)
def test_initial_weights(initializer):
    model = models.MLP(40, (50,), initializer=initializer, initializer_scale=0.5)
    weights = model.initial_theta(1)[:2000]
    deviation = {
        "zeros": 0.0,
        "normal": 0.5,
        # Of a normal cut off at two deviations.
        "truncated_normal": 0.5 * 0.8796,
        "glorot_uniform": 0.5 * math.sqrt(2 / 90),
        "he_normal": 0.5 * math.sqrt(2 / 40),
    }[initializer]
    # 2,000 numbers: their deviation is off by 1 / sqrt(4000) of itself.
    assert weights.std() == pytest.approx(deviation, rel=5 / math.sqrt(4000))
    if initializer == "truncated_normal":
        assert np.abs(weights).max() <= 1.0
    assert (model.initial_theta(1) == model.initial_theta(1)).all()
    if initializer != "zeros":
        assert (model.initial_theta(2)[:2000] != weights).all()


def test_predictions_of_classifiers():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 2)), rng.integers(0, 3, 9)
    common = {"tasks_per_batch": 3, "epochs": 5, "random_state": 4}
    source = sources.Blobs(2, 3)
    run = meta_train(models.Softmax(2, 3), algorithms.MAML(), source, optimizers.SGD(), **common)
    adapted = run.adapt(X, y, steps=3)
    weights, biases = adapted.theta[:6].reshape(2, 3), adapted.theta[6:]
    z = np.exp(X @ weights + biases)
    np.testing.assert_allclose(adapted.predict_proba(X), z / z.sum(axis=1, keepdims=True), rtol=1e-12)
    assert adapted.predict(X).tolist() == z.argmax(axis=1).tolist()
    many = rng.normal(size=(1000, 2))
    assert adapted.predict_proba(many)[300:309].tobytes() == adapted.predict_proba(many[300:309]).tobytes()
    assert adapted.predict(np.zeros((0, 2))).shape == (0,)
    two = meta_train(models.Logistic(2), algorithms.MAML(), sources.Blobs(2, 2), optimizers.SGD(), **common)
    proba = two.adapt(X, y > 0).predict_proba(X)
    assert proba.shape == (9, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_scores_of_tasks():
    source = sources.LinearTasks(WEIGHTS, shots=8, queries=4, spread=0.3)
    model = models.Linear(3, 2, intercept=False)
    parts = (algorithms.MAML(2, 1, 0.2), source, optimizers.SGD(0.0))
    run = meta_train(model, *parts, tasks_per_batch=2, epochs=1, theta=WEIGHTS.ravel(), random_state=0)
    scores = run.score(source, 50, (0, 2, 5), random_state=8)
    assert scores.losses.shape == scores.scores.shape == (50, 3)
    np.testing.assert_allclose(scores.losses, scores.scores, rtol=1e-12)
    assert not scores.diverged.any()
    assert (np.diff(scores.losses.mean(axis=0)) < 0).all()
    for column, values in enumerate(scores.losses.T):
        expected = student.interval(0.95, 49, values.mean(), values.std(ddof=1) / np.sqrt(50))
        np.testing.assert_allclose(scores.loss_interval[column], expected, rtol=1e-12)
    assert scores.score_interval.tobytes() == mean_interval(scores.scores).tobytes()
    with pytest.raises(TypeError, match="LinearTasks has no number of tasks; give num_tasks"):
        run.score(source)


def test_all_tasks_of_a_table_are_scored():
    table = sources.Table(TASKS["numbers"], shots=6)
    parts = algorithms.MAML(2, 1, 0.1), table, optimizers.SGD()
    run = meta_train(LINEAR, *parts, tasks_per_batch=5, epochs=0, random_state=0)
    assert len(run.score(table, steps=(1,)).losses) == len(TASKS["numbers"])


def given(tasks=2, rows=3, features=2):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(tasks, rows, features)), rng.normal(size=(tasks, rows))] * 2


LINEAR = models.Linear(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.MLP(1, ()), "hidden is empty"),
        (lambda: models.MLP(1, 40), "hidden is 40; give the units of each hidden layer, such as (40,)"),
        (lambda: models.MLP(1, None), "hidden is None; give the units of each hidden layer"),
        (lambda: models.MLP(1, {4, 5}), "hidden is {4, 5}; give the units of each hidden layer"),
        (
            lambda: sources.Episodes(np.ones((4, 1)), [0, 1]),
            "labels has 2 rows but X has 4; give one label per row of X",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), [0.0, math.nan, 0.0], *given()),
            "theta holds nan at entry 1; give finite numbers",
        ),
        (
            lambda: meta_train(
                LINEAR, algorithms.MAML(), np.ones((3, 2)), optimizers.SGD(), tasks_per_batch=2, epochs=1
            ),
            "source is an array of shape (3, 2) (ndarray); give one of fastmaml.sources",
        ),
        (lambda: sources.Sinusoid(amplitude=None), "amplitude is None; give a number, or two for a range"),
        (lambda: sources.Sinusoid(phase=True), "phase is True; give a number, or two for a range"),
        (lambda: sources.Sinusoid(x=(1, -1)), "x is (1, -1); give the lower end first"),
        (lambda: sources.Sinusoid(x=[0, math.inf]), "x is [0, inf]; give a number, or two for a range"),
        (
            lambda: sources.Episodes(None, [0]),
            "X is None, not an array; give an array of shape (num_rows, num_features)",
        ),
        (lambda: models.MLP(1, (4, 0)), "each number of hidden is 0; give a whole number, at least 1"),
        (
            lambda: models.MLP(1, activation="gelu"),
            "activation is 'gelu'; give one of 'relu', 'tanh', 'silu'",
        ),
        (lambda: models.MLP(1, loss="mse"), "loss is 'mse'; give one of 'squared_error', 'poisson'"),
        (lambda: models.MLP(1, (2,), 2, loss="binary_cross_entropy"), "num_outputs is 2"),
        (lambda: models.Softmax(3), "missing 1 required positional argument: 'num_classes'"),
        (lambda: models.Softmax(1, 1), "num_classes is 1; give a whole number, at least 2"),
        (lambda: models.Linear(1, initializer="ones"), "initializer is 'ones'; give one of 'zeros'"),
        (lambda: models.Linear(1, l2=-1), "l2 is -1.0"),
        (lambda: algorithms.MAML(3), "order is 3; give one of 1, 2"),
        (lambda: algorithms.MAML(inner_steps=0), "inner_steps is 0"),
        (lambda: algorithms.MAML(inner_rate=-0.1), "inner_rate is -0.1; give a finite number, 0 or larger"),
        (lambda: algorithms.MAML(inner_rate=[0.1, -0.1]), "inner_rate holds -0.1; give numbers of 0 or"),
        (lambda: algorithms.MAML(inner_rate=math.nan), "inner_rate is nan"),
        (lambda: algorithms.MAML(inner_rate=True), "inner_rate is True (bool); give a number"),
        (
            lambda: algorithms.MAML(learned_rates="unit"),
            "learned_rates is 'unit'; give one of None, 'parameter'",
        ),
        (lambda: algorithms.Reptile(clip_norm=0), "clip_norm is 0.0; give a finite number, above 0, or None"),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(inner_rate=[0.1, 0.2]), np.zeros(3), *given()),
            "inner_rate has shape (2,), but the model has 3 parameters; give a number, (3,)",
        ),
        (lambda: algorithms.MAML(clip_norm=10**400), "clip_norm is inf; give a finite number, above 0"),
        (lambda: algorithms.MAML(clip_norm=math.inf), "clip_norm is inf; give a finite number, above 0"),
        (
            lambda: sources.LinearTasks("abc"),
            "weights is 'abc', not an array; give an array of shape (num_features,)",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), None, *given()),
            "theta is None, not an array; expected (3,)",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), np.zeros(2), *given()),
            "theta has shape (2,); expected (3,)",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), np.zeros(3), *given(features=3)),
            "X_support has shape (2, 3, 3); expected (num_tasks, rows, 2)",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), np.zeros(3), *given(rows=0)),
            "X_support has shape (2, 0, 2); give more rows, at least 1",
        ),
        (
            lambda: meta_gradient(
                LINEAR, algorithms.MAML(), np.zeros(3), *[1e39 * part for part in given()], dtype="float32"
            ),
            "too large for float32; give smaller numbers or dtype='float64'",
        ),
        (
            lambda: meta_gradient(
                models.Linear(2, l2=1e39), algorithms.MAML(), np.zeros(3), *given(), dtype="float32"
            ),
            "l2 holds 1e+39, too large for float32",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), np.zeros(3), *given(), inner_rates=[0.1]),
            "inner_rates is given, but MAML learns no rates here",
        ),
        (
            lambda: meta_gradient(models.Softmax(2, 3), algorithms.MAML(), np.zeros(9), *given()),
            "give the number of a class, from 0 to 2",
        ),
        (
            lambda: meta_gradient(models.Linear(2, loss="poisson"), algorithms.MAML(), np.zeros(3), *given()),
            "the Poisson loss needs counts, 0 or larger",
        ),
        (
            lambda: meta_gradient(LINEAR, algorithms.MAML(), np.zeros(3), *given()[:2], *given(1)[:2]),
            "X_query has 1 tasks but X_support has 2",
        ),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": models.Linear(3)}, "the source has 2 features but Linear has num_features=3"),
        ({"model": models.Linear(2, 2)}, "the source has 1 targets a row but Linear wants 2"),
        ({"model": "linear"}, "model is 'linear' (str); give one of fastmaml.models"),
        (
            {"algorithm": "maml"},
            "'maml' (str); give one of fastmaml.algorithms (MAML, ANIL, MetaSGD, Reptile)",
        ),
        ({"source": [1]}, "source is [1] (list); give one of fastmaml.sources"),
        ({"optimizer": 0.1}, "optimizer is 0.1 (float); give one of fastmaml.optimizers"),
        ({"model": models.Logistic(2)}, "y of the tasks holds"),
        ({"tasks_per_batch": 61}, "tasks_per_batch is 61 but there are 60 tasks"),
        ({"epochs": -1}, "epochs is -1"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"theta": [1.0, math.inf, 0.0]}, "theta holds inf at entry 1"),
        (
            {"model": models.Softmax(2, 2), "source": sources.Blobs(2, 3)},
            "the source has 3 ways but Softmax has 2 classes",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    parts = {
        "model": LINEAR,
        "algorithm": algorithms.MAML(),
        "source": sources.Table(TASKS["numbers"], shots=6),
        "optimizer": optimizers.SGD(),
        "tasks_per_batch": 5,
        "epochs": 3,
        **change,
    }
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        meta_train(**parts)


def test_nothing_is_lost_when_it_is_interrupted(monkeypatch):
    parts = (LINEAR, algorithms.MAML(1, 1, 0.1), sources.LinearTasks([1.0, 2.0]), optimizers.Adam(0.1))
    common = {"tasks_per_batch": 3, "random_state": 5, "log_every": 1}
    whole = meta_train(*parts, **common, epochs=4)
    run_whole = Training.run

    def interrupted(self, first_epoch, num_epochs, log_every):
        for number, losses in enumerate(run_whole(self, first_epoch, num_epochs, log_every)):
            yield losses
            if number == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(Training, "run", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        meta_train(*parts, **common, epochs=100)
    run = stopped.value.run
    assert run.epochs == len(run.history) == 4
    # Nothing of the schedule depends on how many epochs were asked for.
    assert run.theta.tobytes() == whole.theta.tobytes()
    assert run.adapt(*(part[0] for part in given()[:2])).theta.shape == (3,)


def test_strings_are_no_targets():
    X = np.ones((1, 2, 2))
    with pytest.raises(TypeError, match="y_support must hold numbers"):
        meta_gradient(LINEAR, algorithms.MAML(), np.zeros(3), X, [["a", "b"]], X, [[1, 2]])


@pytest.mark.compiled  # Without the compiler NumPy warns of each infinity on the way.
def test_divergence_names_task_step_and_rate():
    source = sources.LinearTasks([1.0, 2.0])
    parts = (LINEAR, algorithms.MAML(1, 50, 1e30), source, optimizers.SGD(0.1))
    pattern = r"in epoch 0: task \d+, inner step \d+ \(inner_rate=1e\+30\); .* give the algorithm a clip_norm"
    with pytest.raises(FloatingPointError, match=pattern):
        meta_train(*parts, tasks_per_batch=3, epochs=2, random_state=0)
    parts = (LINEAR, algorithms.MAML(1, 1, 0.1), source, optimizers.SGD(1e200))
    with pytest.raises(
        FloatingPointError, match=r"the outer step \(learning_rate=1e\+200\).*clip_norm"
    ) as failed:
        meta_train(*parts, tasks_per_batch=3, epochs=9, random_state=0)
    assert np.isfinite(failed.value.run.theta).all()
    with pytest.raises(
        FloatingPointError,
        match=r"the meta-gradient is infinite or NaN: task 0, inner step \d+ \(inner_rate=1e\+30\)",
    ):
        meta_gradient(LINEAR, algorithms.MAML(1, 50, 1e30), np.ones(3), *given())
    run = meta_train(
        LINEAR, algorithms.MAML(1, 1, 0.1), source, optimizers.SGD(0.1), tasks_per_batch=3, epochs=9
    )
    X, y = given()[:2]
    with pytest.raises(FloatingPointError, match=r"in step \d+ of adapting"):
        run.adapt(1e100 * X[0], y[0], steps=20)


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_anil_adapts_as_maml_whose_lower_layers_have_no_rate(steps):
    model = models.MLP(2, (3,), 2, "tanh", initializer="normal")
    source = sources.LinearTasks(np.ones((2, 2)))
    common = {"tasks_per_batch": 3, "epochs": 2, "random_state": 4}
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    run = meta_train(model, algorithms.ANIL(2, 2, 0.2), source, optimizers.SGD(0.1), **common)
    rates = np.repeat([0.0, 0.2], [9, 8])
    plain = meta_train(model, algorithms.MAML(2, 2, rates), source, optimizers.SGD(0.1), **common)
    np.testing.assert_allclose(run.theta, plain.theta, rtol=1e-13)
    adapted, expected = (one.adapt(X, y, steps=steps).theta for one in (run, plain))
    np.testing.assert_allclose(adapted, expected, rtol=1e-13)
    assert (adapted[:9] == run.theta[:9]).all()
    assert (adapted[9:] != run.theta[9:]).all() == (steps > 0)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize(
    ("rate", "order", "place"),
    [
        # Plain Python computes the loss in double precision, where it is finite.
        (
            1e20,
            2,
            r"(task 0, the query loss after 1 inner step|the meta-gradient, .* the inner steps) "
            r"\(inner_rate=1e\+20\)",
        ),
        (1e38, 1, r"task 0, inner step 0 \(inner_rate=1e\+38\)"),
    ],
)
def test_what_overflows_in_a_task_is_not_laid_to_the_outer_step(rate, order, place, clip_norm):
    """Clipping the meta-gradient, which is infinite by then, would not help."""
    parts = (algorithms.MAML(order, 1, rate), sources.Sinusoid(5, 5), optimizers.Adam(clip_norm=clip_norm))
    common = {"tasks_per_batch": 2, "epochs": 3, "dtype": "float32", "random_state": 0}
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match=place + r"; .*give the algorithm a clip_norm"),
    ):
        meta_train(models.Linear(1), *parts, **common)


def test_without_epochs_theta_is_adapted_as_given():
    parts = (algorithms.MAML(2, 1, 0.25), sources.LinearTasks([1.0, -2.0]), optimizers.Adam())
    model = models.Linear(2, intercept=False)
    run = meta_train(model, *parts, tasks_per_batch=3, epochs=0, theta=[0.5, -0.5])
    assert run.theta.tolist() == [0.5, -0.5]
    assert (run.history, run.epochs) == ([], 0)
    # Two rows, whose errors are 0.5 and -0.5; the loss is their mean square.
    adapted = run.adapt([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    np.testing.assert_allclose(adapted.theta, [0.375, -0.375], rtol=1e-15)
    assert run.score(sources.LinearTasks([1.0, -2.0]), 4, (0, 1)).losses.shape == (4, 2)


@pytest.mark.parametrize("source", [sources.Sinusoid(), sources.LinearTasks([1.0])], ids=["sine", "linear"])
@pytest.mark.parametrize(
    "model",
    [
        models.Softmax(1, 3),
        models.Logistic(1),
        models.MLP(1, (2,), 3, loss="categorical_cross_entropy"),
        models.Linear(1, loss="poisson"),
    ],
    ids=["softmax", "logistic", "mlp", "poisson"],
)
def test_targets_that_a_source_makes_have_to_fit_the_loss(model, source):
    """A number that is no class's would be looked up outside the memory of the classes."""
    parts = (algorithms.MAML(), source, optimizers.SGD())
    with pytest.raises(ValueError, match=r"learns classes, but the targets of|which may be negative"):
        meta_train(model, *parts, tasks_per_batch=2, epochs=1)
    fitting = models.Linear(1)
    run = meta_train(fitting, algorithms.MAML(), source, optimizers.SGD(), tasks_per_batch=2, epochs=0)
    assert run.score(source, 2, (0,)).losses.shape == (2, 1)


def test_counts_of_rows_do_not_overflow():
    X, labels = np.zeros((500, 2)), np.repeat(np.arange(10), 50)
    with pytest.raises(ValueError, match="need 300"):
        sources.Episodes(X, labels, 5, np.uint8(200), np.uint8(100))
    with pytest.raises(ValueError, match="needs at least 256"):
        sources.Table(TaskSet.from_groups(X, np.zeros(500), labels), np.uint8(255))


def test_rates_of_steps_are_not_dropped():
    algorithm = algorithms.MAML(2, 2, [[0.1] * 3, [0.5] * 3], learned_rates="parameter")
    with pytest.raises(ValueError, match="learns one for all steps"):
        algorithm.initial_rates(models.Linear(2))


def test_an_adapted_model_of_one_s_own():
    predicted = AdaptedModel(models.Linear(2), [1, 2, 3]).predict([[1.0, 1.0]])
    assert predicted.tolist() == [6.0]
    for theta in (np.ones(1), np.zeros(5), [np.nan] * 3):
        with pytest.raises(ValueError, match=r"theta (has shape|holds nan)"):
            AdaptedModel(models.Linear(2), theta)
    with pytest.raises(TypeError, match="model is None"):
        AdaptedModel(None, np.zeros(3))


def test_scores_are_of_tasks_not_seen_in_training():
    source = sources.Sinusoid(4, 3)
    parts = (algorithms.MAML(), source, optimizers.SGD(0.0))
    run = meta_train(
        models.MLP(1, (2,), initializer="normal"), *parts, tasks_per_batch=6, epochs=1, random_state=5
    )
    seen = run.history[0][1]
    assert run.score(source, 6, (1,), random_state=5).losses.mean() == pytest.approx(seen, rel=1e-12)
    assert run.score(source, 6, (1,)).losses.mean() != pytest.approx(seen, rel=1e-3)


def test_an_interruption_while_compiling_has_the_run_too(monkeypatch):
    def interrupted(*parts, **given):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastmaml.training.allocate", interrupted)
    parts = (algorithms.MAML(), sources.LinearTasks([1.0]), optimizers.SGD())
    with pytest.raises(KeyboardInterrupt) as caught:
        meta_train(models.Linear(1), *parts, tasks_per_batch=2, epochs=1, theta=[0.5, 0.25])
    assert caught.value.run.theta.tolist() == [0.5, 0.25]
    assert caught.value.run.epochs == 0
