"""Runs that end early: Ctrl-C at any point, and parameters that turn infinite or NaN.

Either way theta, the epoch's address and NumPy's global generator stand where the last finished epoch left
them, so that going on is as if nothing had happened.
"""

import contextlib
import signal

import addressed
import naive
import numpy as np
import pytest
from engine import engine
from sizes import COMPILED, size

from fastmaml import MAML, TaskSet, notebook, training
from fastmaml.runtime.interruption import interrupts_heard
from fastmaml.sampling import SampledTasks

# Compiled code overflows in silence, NumPy's numbers do not.
pytestmark = [] if COMPILED else pytest.mark.filterwarnings("ignore::RuntimeWarning")

NOISE = {"num_tasks": 13, "num_samples": 3, "num_features": 4, "query_samples": 2, "alpha": 0.5, "beta": 0.7}
WAYS = [
    {"workers": 1, "ahead": 0, "slice_seconds": 1e-9},
    {"workers": 2, "ahead": 0, "slice_seconds": 1e-9},
    {"workers": 1, "ahead": 0, "slice_seconds": 1e-4},
    {"workers": 1, "ahead": 2, "slice_seconds": 1e-9},
    {"workers": 3, "ahead": 3, "slice_seconds": 1e-4},
]
SOURCES = ["exact", "addressed", "table", "full batch"]


def make(source, epochs, **arguments):
    """Make a model; the global generator is at an odd place."""
    np.random.seed(21)
    np.random.bytes(4)
    arguments = {**NOISE, "epochs": epochs, "verbose": False, "log_every": 3, **arguments}
    if source in ("table", "full batch"):
        del arguments["num_features"]
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(20, 6, 4)), rng.integers(0, 2, (20, 6))
        arguments |= {"tasks": TaskSet.from_arrays(X, y), "random_state": 5}
        arguments["num_tasks"] = 9 if source == "table" else 20
    if source == "addressed":
        arguments["random_state"] = 5
    return MAML(**arguments)


def adapted(model):
    return [theta.tobytes() for theta in model.theta_]


def assert_same_place(one, state, other, stands):
    assert one.theta.tobytes() == other.theta.tobytes()
    assert one.epoch_ == other.epoch_
    assert np.array_equal(state[1], stands[1])
    assert state[2:] == stands[2:]


class Stop:
    """A reporter for which somebody presses Ctrl-C when it is called the n-th time."""

    def __init__(self, call):
        self.call = call

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def epochs(self, done):
        self.call -= 1
        if self.call == 0:
            raise KeyboardInterrupt

    def loss(self, epoch, loss):
        pass


@contextlib.contextmanager
def stop_in_reporter(call):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebook, "_reporter", lambda *_: Stop(call))
        yield


@contextlib.contextmanager
def stop_in_launch(call, after):
    """Interrupt the n-th launch, before it or after it, as a signal during the compiled loop does."""
    calls = 0
    launch = training.launch

    def interrupted(*arguments):
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise KeyboardInterrupt
        launch(*arguments)
        if calls == call:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "launch", interrupted)
        yield


STOPS = {
    "between slices": stop_in_reporter,
    "before a launch": lambda call: stop_in_launch(call, after=False),
    "after a launch": lambda call: stop_in_launch(call, after=True),
}


def interrupted(source, way, stop, call, epochs):
    """Train until somebody presses Ctrl-C for the call-th time that he could; tell whether he did."""
    model = make(source, epochs)
    with engine(**way):
        try:
            with STOPS[stop](call):
                model.train()
        except KeyboardInterrupt:
            return model, True
    return model, False


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize("source", SOURCES)
def test_going_on_after_ctrl_c_equals_a_run_without_it(source, way, stop):
    epochs, stops = 12, 0
    whole = make(source, epochs)
    start = whole.theta.copy()
    whole.train()
    end = np.random.get_state()
    for call in size((1, 2, 3, 4, 5, 6, 9), (2, 5)):
        model, stopped = interrupted(source, way, stop, call, epochs)
        stops += stopped
        stands = np.random.get_state()

        # Where it stands is where a run of so many epochs ends.
        done = model.epoch_
        if done:
            shorter = make(source, done)
            shorter.train()
            assert_same_place(model, stands, shorter, np.random.get_state())
        else:
            assert model.theta.tobytes() == start.tobytes()

        if done < epochs:
            np.random.set_state(stands)
            model.epochs = epochs - done
            with engine(**way):
                model.train()
            stands = np.random.get_state()
        assert_same_place(model, stands, whole, end)
    assert stops


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize("source", SOURCES)
def test_adapted_parameters_after_ctrl_c_are_those_of_the_last_finished_epoch(source, way, stop):
    for call in size((2, 3, 4, 5, 6), (2, 5)):
        model, stopped = interrupted(source, way, stop, call, 12)
        if stopped and model.epoch_:
            shorter = make(source, model.epoch_)
            shorter.train()
            assert adapted(model) == adapted(shorter)


def test_ctrl_c_before_the_first_epoch_changes_nothing():
    model = make("exact", 5)
    theta, before = model.theta.copy(), np.random.get_state()
    with stop_in_launch(1, after=False), pytest.raises(KeyboardInterrupt):
        model.train()
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    assert np.array_equal(model.theta, theta)
    assert model.epoch_ == 0
    with pytest.raises(AttributeError):
        _ = model.theta_


def test_ctrl_c_in_a_sampler():
    """The last finished epoch's adapted parameters, though the sampler has been asked for more."""
    calls = 0

    def sampler(k):
        nonlocal calls
        calls += 1
        if calls == 2 * 2 * NOISE["num_tasks"] + 4:
            raise KeyboardInterrupt
        return naive.sample_points(k, 4)

    model = make("exact", 5, sample_points=sampler)
    with pytest.raises(KeyboardInterrupt):
        model.train()
    assert model.epoch_ == 2
    calls = -1000
    shorter = make("exact", 2, sample_points=sampler)
    shorter.train()
    assert model.theta.tobytes() == shorter.theta.tobytes()
    assert adapted(model) == adapted(shorter)


# --- parameters that turn infinite or NaN ---


def exploding(source, epochs):
    """Make a model whose outer step overflows after some epochs.

    Saturated probabilities make every gradient entry a mean of features with signs; six query rows to one
    support row, or features of six, make it larger than one, so a few steps of beta in one direction are
    too many.
    """
    model = make(source, epochs, num_tasks=5, num_samples=1, query_samples=6, beta=8e307)
    if model.tasks is not None:
        X, y = np.array(model.tasks.X), model.tasks.y
        model.tasks = TaskSet(6 * np.abs(X), y, model.tasks.offsets)
    return model


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize("source", SOURCES)
def test_a_diverging_run_stops_with_the_last_good_theta(source, way):
    model = exploding(source, 400)
    with engine(**way), pytest.raises(FloatingPointError, match="infinite or NaN in epoch") as error:
        model.train()
    stands = np.random.get_state()
    done = model.epoch_
    assert 1 <= done < 400
    assert f"epoch {done}:" in str(error.value)
    assert np.all(np.isfinite(model.theta))
    shorter = exploding(source, done)
    shorter.train()
    assert model.theta.tobytes() == shorter.theta.tobytes()

    if source == "exact":
        # The generator has drawn the epoch that failed, as the notebook's would have.
        exploding(source, done)
        for _ in range((done + 1) * 5):
            naive.sample_points(1, 4)
            naive.sample_points(6, 4)
        expected = np.random.get_state()
        assert np.array_equal(stands[1], expected[1])
        assert stands[2:] == expected[2:]


@pytest.mark.parametrize("source", SOURCES)
def test_adapted_parameters_after_a_diverged_run_are_those_of_the_last_finished_epoch(source):
    model = exploding(source, 400)
    with pytest.raises(FloatingPointError):
        model.train()
    shorter = exploding(source, model.epoch_)
    shorter.train()
    assert adapted(model) == adapted(shorter)


def test_the_message_names_epoch_task_and_step():
    """The rows of one task are so large that its first step overflows.

    Each row has a feature of its own, so that a query row's zero meets an infinite parameter: NaN.
    """
    X, y = np.tile(np.eye(4), (6, 1, 1)), np.tile([0.0, 1.0, 1.0, 1.0], (6, 1))
    X[4] *= 1e200
    arguments = {"num_samples": 2, "query_samples": 1, "beta": 0.1, "random_state": 3, "verbose": False}
    model = MAML(tasks=TaskSet.from_arrays(X, y), num_tasks=2, epochs=40, alpha=1e150, **arguments)
    with pytest.raises(FloatingPointError) as error:
        model.train()
    # The first epoch with that task is where it happens.
    epoch = model.epoch_
    chosen = [addressed.tasks_of_epoch(3, e, 6, 2) for e in range(epoch + 1)]
    assert 4 in chosen[-1]
    assert not any(4 in numbers for numbers in chosen[:-1])
    message = str(error.value)
    assert f"epoch {epoch}:" in message
    assert f"task {chosen[-1].index(4)}, inner step 0" in message
    assert "alpha=1e+150" in message
    assert np.all(np.isfinite(model.theta))


def test_the_message_names_a_later_step():
    """Misclassified rows push the first parameter up by alpha a step, from 1.7e308 beyond 1.797e308."""
    X, y = np.tile([1.0, -2.0], (1, 3, 1)), np.ones((1, 3))
    arguments = {"num_samples": 2, "query_samples": 1, "random_state": 0, "verbose": False, "epochs": 3}
    rates = {"alpha": 4e306, "beta": 0.1, "inner_steps": 6}
    model = MAML(tasks=TaskSet.from_arrays(X, y), num_tasks=1, **arguments, **rates)
    model.theta = np.full((2, 1), 1.7e308)
    with np.errstate(over="ignore", invalid="ignore"):
        path = naive.inner_path(model.theta.ravel(), X[0, :2], y[0, :2], 4e306, 3)
    assert [np.isfinite(theta).all() for theta in path] == [True, True, True, False]
    with pytest.raises(FloatingPointError, match=r"epoch 0: group 0, task 0, inner step 2 \(alpha=4e\+306\)"):
        model.train()
    assert model.epoch_ == 0
    assert np.array_equal(model.theta, np.full((2, 1), 1.7e308))


def test_the_message_names_the_outer_step():
    model = exploding("addressed", 400)
    with pytest.raises(FloatingPointError, match=r"the outer step \(beta=8e\+307\).*lower beta"):
        model.train()


def test_the_message_names_a_task_whose_query_gradient_is_undefined():
    """Finite adapted parameters, but a logit that is infinity minus infinity: not the outer step's fault."""
    rows = iter([np.zeros((1, 2))] * 2 + [np.array([[1e300, -1e300]])] * 2)
    arguments = {"num_samples": 1, "query_samples": 1, "num_features": 2, "verbose": False, "epochs": 1}
    model = MAML(num_tasks=2, beta=0.0, sample_points=lambda k: (next(rows), np.zeros(k)), **arguments)
    model.theta = np.full((2, 1), 1e300)
    message = r"task 0, the query loss after 1 inner step \(alpha=0\.0001\).*lower alpha"
    with pytest.raises(FloatingPointError, match=message):
        model.train()


def test_adapted_parameters_that_turn_infinite_are_noticed():
    """Infinite adapted parameters can still have a finite query gradient."""
    X, y = np.full((1, 3, 1), 1e10), np.zeros((1, 3))
    arguments = {"num_samples": 2, "query_samples": 1, "random_state": 0, "verbose": False}
    model = MAML(tasks=TaskSet.from_arrays(X, y), num_tasks=1, epochs=2, alpha=1e300, beta=0.1, **arguments)
    with pytest.raises(FloatingPointError, match="epoch 0: group 0, task 0, inner step 0"):
        model.train()
    assert model.epoch_ == 0


def test_going_on_after_a_diverged_run():
    """Once beta is lowered, training goes on from the last good theta, at the epoch that failed."""
    model = exploding("addressed", 400)
    with pytest.raises(FloatingPointError):
        model.train()
    done = model.epoch_
    model.beta, model.epochs = 0.1, 2
    model.train()
    assert model.epoch_ == done + 2
    assert np.all(np.isfinite(model.theta))


@pytest.mark.parametrize("shots", [2, 7])
def test_adapting_that_diverges_names_the_step(shots):
    model = make("addressed", 1)
    model.alpha, model.theta = 1e308, np.zeros((4, 1))
    theta = model.theta.copy()
    X, y = np.full((shots, 4), 1e5), np.zeros(shots)
    with pytest.raises(FloatingPointError, match=r"step 0 of adapting with alpha=1e\+308"):
        model.adapt(X, y, steps=3)
    assert np.array_equal(model.theta, theta)


@pytest.mark.compiled
def test_one_model_is_trained_by_one_thread_at_a_time():
    model = MAML(num_tasks=2, num_features=3, epochs=10, random_state=0, verbose=False)
    errors = []

    def sampler(k):
        if not errors:
            try:
                model.train()
            except RuntimeError as error:
                errors.append(str(error))
        return naive.sample_points(k, 3)

    model.sample_points = sampler
    model.train()
    assert model.epoch_ == 10
    assert "being trained already" in errors[0]
    model.train()
    assert model.epoch_ == 20


def test_the_tasks_of_an_interrupted_sampler_are_those_of_the_last_finished_epoch():
    """Wherever in drawing the next epoch's tasks Ctrl-C comes."""
    drawn = iter(range(1000))
    tasks = SampledTasks(lambda k: (np.full((k, 1), next(drawn)), np.zeros(k)), 2, 1, 1, 1)
    tasks.draw(7)
    finished = tasks.of_epoch(7).X_support.tolist()
    tasks.draw(8)
    assert tasks.of_epoch(8) is tasks.spec
    assert tasks.of_epoch(7).X_support.tolist() == finished
    drawn = iter([100])
    with pytest.raises((StopIteration, RuntimeError)):
        tasks.draw(9)
    assert tasks.of_epoch(8).X_support.tolist() == [[[4.0]], [[5.0]]]


def test_no_interrupt_is_lost_where_nothing_can_be_raised():
    """LLVM's calls into Python and destructors swallow exceptions; elsewhere Ctrl-C is heard at once."""

    class Swallows:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    reached = []

    def swallowing():
        with interrupts_heard():
            Swallows()
            reached.append(1)

    def raising():
        with interrupts_heard():
            signal.raise_signal(signal.SIGINT)
            reached.append(2)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for function in (swallowing, raising):
            with pytest.raises(KeyboardInterrupt):
                function()
            assert reached == [1]
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
