"""Contracts: the spec's type picks the implementation, compiled and in plain Python alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import naive
import numpy as np
import pytest

from fastmaml import training
from fastmaml.algorithms import InnerLoop, MAMLSpec
from fastmaml.models import LogisticSpec
from fastmaml.numerics.layout import padded_width
from fastmaml.optimizers import state_size, update
from fastmaml.runtime.compilation import driver, kernel
from fastmaml.runtime.dispatch import contract, implementation_modules
from fastmaml.sources import Requirements, draw, matrix, prepare, requirements


class Line(NamedTuple):
    slope: float
    offset: float


class Table(NamedTuple):
    values: Any


class Sum(NamedTuple):
    """A spec of specs: its implementation calls the contract again."""

    first: Any
    second: Any


class Unknown(NamedTuple):
    number: int


@contract
def value(spec: Any, x: Any) -> Any:
    """Return a value."""


@contract
def rename(spec: Any, x: Any) -> Any:
    """Return a value; nothing is registered here but by tests."""


@value.register(Line)
def _line(spec: Any, x: Any) -> Any:
    return spec.slope * x + spec.offset


@value.register(Table)
def _table(spec: Any, x: Any) -> Any:
    return spec.values[int(x)]


@kernel
def twice(x: Any) -> Any:
    return 2 * x


# An implementation may name its parameters as its paper does, and call helpers.
@value.register(Sum)
def _sum(both: Any, t: Any) -> Any:
    return value(both.first, t) + twice(value(both.second, t))


def fill(spec: Any, x: Any, out: Any) -> None:
    for k in range(x.size):
        out[k] = value(spec, x[k])


fill_compiled: Any = driver(fill)
X = np.array([0.0, 1.0, 2.0])
TABLE = Table(np.array([5.0, 7.0, 11.0]))
SPECS = [
    (Line(2.0, 0.5), 2 * X + 0.5),
    (TABLE, TABLE.values),
    (Sum(Line(2.0, 0.5), TABLE), 2 * X + 0.5 + 2 * TABLE.values),
    (Sum(TABLE, Line(2.0, 0.5)), TABLE.values + 2 * (2 * X + 0.5)),
]


@pytest.mark.parametrize(("spec", "expected"), SPECS, ids=["Line", "Table", "Sum", "Sum-swapped"])
def test_compiled_and_plain_dispatch_agree(spec: Any, expected: np.ndarray) -> None:
    plain, compiled = np.zeros(3), np.zeros(3)
    fill(spec, X, plain)
    fill_compiled(spec, X, compiled)
    np.testing.assert_array_equal(plain, expected)
    np.testing.assert_array_equal(compiled, expected)


def test_a_contract_is_its_stub_to_the_reader() -> None:
    stub: Any = value
    assert (stub.__name__, stub.__doc__) == ("value", "Return a value.")
    assert set(stub.registry) == {Line, Table, Sum}


def test_registering_gives_the_implementation_back() -> None:
    assert _line(Line(1.0, 2.0), 3.0) == 5.0
    stub: Any = value
    assert stub.registry[Line] is _line


MISSING = (
    r"value has no implementation for Unknown \(there are: Line, Sum, Table\); "
    r"register one with @.*test_dispatch\.value\.register\(Unknown\)"
)


def test_a_missing_implementation_names_those_that_exist() -> None:
    with pytest.raises(TypeError, match=MISSING):
        value(Unknown(1), 2.0)
    with pytest.raises(TypeError, match=r"rename has no implementation for Line \(there are: none\)"):
        rename(Line(1.0, 2.0), 2.0)


@pytest.mark.compiled
def test_a_missing_implementation_is_said_by_the_compiler_too() -> None:
    with pytest.raises(Exception, match=MISSING):
        driver(fill)(Unknown(1), X, np.zeros(3))
    with pytest.raises(Exception, match=r"value expects a spec first, but float64 came"):
        driver(fill)(1.0, X, np.zeros(3))


@pytest.mark.parametrize("spec_class", [int, tuple, dict], ids=lambda c: c.__name__)
def test_a_spec_is_a_named_tuple(spec_class: type) -> None:
    with pytest.raises(TypeError, match=rf"a spec is a NamedTuple class, but {spec_class!r} came"):
        rename.register(spec_class)


def test_a_spec_is_a_class_and_not_one_of_its_values() -> None:
    wrong: Any = Line(1.0, 2.0)
    with pytest.raises(
        TypeError, match=r"a spec is a NamedTuple class, but Line\(slope=1.0, offset=2.0\) came"
    ):
        rename.register(wrong)


def test_an_implementation_takes_what_the_contract_says() -> None:
    def few(spec: Any) -> Any:
        return spec

    def many(spec: Any, x: Any, y: Any) -> Any:
        return spec

    for wrong, given in ((few, "spec"), (many, "spec, x, y")):
        message = rf"{wrong.__name__} takes \({given}\), but the contract rename has \(spec, x\)"
        with pytest.raises(TypeError, match=message):
            rename.register(Line)(wrong)
    registered: Any = rename
    assert registered.registry == {}


def test_the_modules_behind_a_spec() -> None:
    # This module, and what it takes something from that is not installed.
    assert implementation_modules(Line) == {__name__, "naive"}
    assert implementation_modules(LogisticSpec) == {"fastmaml.models.logistic"}
    assert implementation_modules(Unknown) == {__name__, "naive"}


# Parts of one's own, in the engine.


class MomentumSpec(NamedTuple):
    """Gradient descent with a velocity, in whose place the package knows nothing."""

    rate: float
    momentum: float


class WalkSpec(NamedTuple):
    """Points that walk on from epoch to epoch: `prepare` carries a count that nothing else could know."""

    points: Any
    shots: int
    queries: int


def _state_size(optimizer: Any, width: int) -> Any:
    return width


def _update(optimizer: Any, epoch: int, theta: Any, gradient: Any, state: Any) -> Any:
    for k in range(theta.size):
        state[k] = optimizer.momentum * state[k] + gradient[k]
        theta[k] -= optimizer.rate * state[k] / (1 + epoch)


def _requirements(source: Any, tasks_per_batch: int) -> Any:
    return Requirements(
        shots=source.shots,
        queries=source.queries,
        features=source.points.shape[1],
        buffered=0,
        state=1,
        words=1,
        scratch=0,
    )


def _matrix(source: Any, X_buffer: Any) -> Any:
    return source.points


def _prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    words_out[0] = state[0]
    state[0] += 3


def _draw(
    source: Any,
    tasks_per_batch: int,
    epoch: int,
    task: int,
    words: Any,
    scratch: Any,
    X_out: Any,
    first_row: int,
    support_out: Any,
    query_out: Any,
) -> Any:
    count = source.points.shape[0]
    begin = np.int64(words[0]) + 5 * task
    for r in range(source.shots):
        support_out.index[r] = (begin + r) % count
        support_out.y[r] = (begin + r) % 2
    for r in range(source.queries):
        query_out.index[r] = (begin + source.shots + r) % count
        query_out.y[r] = (begin + source.shots + r) % 2
    return source.queries


@pytest.fixture
def own_parts() -> Iterator[None]:
    """Register the parts, and leave the registries as they were: other tests go through them."""
    parts: list[tuple[Any, type, Callable[..., Any]]] = [
        (state_size, MomentumSpec, _state_size),
        (update, MomentumSpec, _update),
        (requirements, WalkSpec, _requirements),
        (prepare, WalkSpec, _prepare),
        (matrix, WalkSpec, _matrix),
        (draw, WalkSpec, _draw),
    ]
    for of, spec_class, implementation in parts:
        assert of.register(spec_class)(implementation) is implementation
    yield
    for of, spec_class, _ in parts:
        del of.registry[spec_class]


FEATURES, TASKS, SHOTS, QUERIES, EPOCHS = 4, 3, 5, 6, 7
ALPHA, RATE, MOMENTUM, STEPS = 0.3, 0.2, 0.9, 2


def task_of(points: np.ndarray, epoch: int, task: int) -> tuple[np.ndarray, ...]:
    rows = 3 * epoch + 5 * task + np.arange(SHOTS + QUERIES)
    X, y = points[rows % len(points)], (rows % 2).astype(float)
    return X[:SHOTS], y[:SHOTS], X[SHOTS:], y[SHOTS:]


@pytest.mark.usefixtures("own_parts")
def test_parts_of_ones_own_train(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(1).normal(size=(29, FEATURES))
    theta = velocity = np.zeros(FEATURES)
    for epoch in range(EPOCHS):
        tasks = [task_of(points, epoch, task) for task in range(TASKS)]
        velocity = MOMENTUM * velocity + naive.batch_meta_gradient(theta, tasks, ALPHA, STEPS, 2)
        theta = theta - RATE * velocity / (1 + epoch)

    monkeypatch.setattr(training, "WORTH_THREADS", 0)
    width = padded_width(FEATURES)
    rates = np.zeros((1, width))
    rates[:, :FEATURES] = ALPHA
    found = []
    for n_jobs in (1, None):
        run = training.Training(
            LogisticSpec(FEATURES, 0),
            MAMLSpec(InnerLoop.with_rates(np.arange(FEATURES), STEPS, rates), 0, 0),
            WalkSpec(points, SHOTS, QUERIES),
            MomentumSpec(RATE, MOMENTUM),
            tasks_per_batch=TASKS,
            gradient_scale=1 / TASKS,
            theta=np.zeros(width),
            n_jobs=n_jobs,
            epochs=EPOCHS,
        )
        for _ in run.run(0, EPOCHS, EPOCHS):
            pass
        assert run.epochs_done == EPOCHS
        found.append(run.theta)
    np.testing.assert_allclose(found[0][:FEATURES], theta, rtol=1e-12, atol=1e-14)
    assert not found[0][FEATURES:].any()
    assert np.abs(theta).min() > 1e-3
    np.testing.assert_array_equal(found[0], found[1])
