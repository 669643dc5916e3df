"""A model compiled apart from the algorithms: in its place stands a spec that calls its machine code.

Every algorithm works with every model, so what has to be compiled for all of them should be a sum and not a
product. An algorithm is compiled for a `CalledModel`, once, and calls the same code of a model that all other
algorithms call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import head_only, wants_products
from fastmaml.engine.memory import zeros
from fastmaml.models import (
    Rows,
    compiled_apart,
    head_gradients,
    head_products,
    hessian_vector_products,
    loss_gradients,
    num_outputs,
    num_parameters,
    predict,
    score,
)
from fastmaml.runtime.entry import BoundEntry, CallWith, bind, call_with, entry_point


class ModelRecord(NamedTuple):
    """What the pieces of a model work on.

    Attributes
    ----------
    model : NamedTuple
        The spec.
    """

    model: Any


class Slopes(NamedTuple):
    """What `loss_gradients` is given, as `fastmaml.models.contract` has it."""

    thetas: Any
    rows: Rows
    saved_out: Any
    gradients_out: Any
    losses_out: Any


class Curvature(NamedTuple):
    """What `hessian_vector_products` is given, as `fastmaml.models.contract` has it."""

    thetas: Any
    rows: Rows
    saved: Any
    vectors: Any
    products_out: Any


class HeadSlopes(NamedTuple):
    """What `head_gradients` is given, as `fastmaml.models.contract` has it."""

    thetas: Any
    rows: Rows
    body: Any
    saved_out: Any
    gradients_out: Any
    losses_out: Any


class HeadCurvature(NamedTuple):
    """What `head_products` is given, as `fastmaml.models.contract` has it."""

    thetas: Any
    rows: Rows
    body: Any
    saved: Any
    vectors: Any
    products_out: Any


class Prediction(NamedTuple):
    """What `predict` is given, as `fastmaml.models.contract` has it."""

    thetas: Any
    rows: Rows
    scratch: Any
    predictions_out: Any


class Scoring(NamedTuple):
    """What `score` is given, as `fastmaml.models.contract` has it."""

    predictions: Any
    rows: Rows
    scores_out: Any


class CalledModel(NamedTuple):
    """What stands for a model where it learns.

    Attributes
    ----------
    gradients, products : CallWith
        The model's `loss_gradients` and `hessian_vector_products`.
    num_parameters, num_outputs : int
        The model's.
    """

    gradients: CallWith
    products: CallWith
    num_parameters: int
    num_outputs: int


class CalledHead(NamedTuple):
    """What stands for a model where its last layer alone moves.

    Attributes
    ----------
    gradients, head_gradients, head_products : CallWith
        The model's functions of these names.
    num_parameters, num_outputs : int
        The model's.
    """

    gradients: CallWith
    head_gradients: CallWith
    head_products: CallWith
    num_parameters: int
    num_outputs: int


class CalledPredictor(NamedTuple):
    """What stands for a model where it predicts.

    Attributes
    ----------
    predictions, scores : CallWith
        The model's `predict` and `score`.
    """

    predictions: CallWith
    scores: CallWith


def compute_gradients(record: Any, given: Any, want_loss: int) -> None:
    """Write the gradients of the losses, and the losses."""
    loss_gradients(
        record.model,
        given.thetas,
        given.rows,
        want_loss != 0,
        given.saved_out,
        given.gradients_out,
        given.losses_out,
    )


def compute_products(record: Any, given: Any) -> None:
    """Write the products with the Hessian."""
    hessian_vector_products(
        record.model, given.thetas, given.rows, given.saved, given.vectors, given.products_out
    )


def compute_head_gradients(record: Any, given: Any, step: int, want_loss: int) -> None:
    """Write the gradients of the losses for the last layer, and the losses."""
    head_gradients(
        record.model,
        given.thetas,
        given.rows,
        step,
        want_loss != 0,
        given.body,
        given.saved_out,
        given.gradients_out,
        given.losses_out,
    )


def compute_head_products(record: Any, given: Any, step: int) -> None:
    """Write the products with the Hessian of vectors of the last layer."""
    head_products(
        record.model,
        given.thetas,
        given.rows,
        step,
        given.body,
        given.saved,
        given.vectors,
        given.products_out,
    )


def compute_predictions(record: Any, given: Any) -> None:
    """Write the predictions."""
    predict(record.model, given.thetas, given.rows, given.scratch, given.predictions_out)


def compute_scores(record: Any, given: Any) -> None:
    """Write what predictions are worth."""
    score(record.model, given.predictions, given.rows, given.scores_out)


gradients_entry = entry_point(compute_gradients, cost=4)
products_entry = entry_point(compute_products, cost=2)
head_gradients_entry = entry_point(compute_head_gradients, cost=4)
head_products_entry = entry_point(compute_head_products, cost=2)
predictions_entry = entry_point(compute_predictions)
scores_entry = entry_point(compute_scores, cost=0.6)


@num_parameters.register(CalledModel)
@num_parameters.register(CalledHead)
def _num_parameters(model: Any) -> Any:
    return model.num_parameters


@num_outputs.register(CalledModel)
@num_outputs.register(CalledHead)
def _num_outputs(model: Any) -> Any:
    return model.num_outputs


@loss_gradients.register(CalledModel)
@loss_gradients.register(CalledHead)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    given = Slopes(thetas, rows, saved_out, gradients_out, losses_out)
    call_with(model.gradients, given, 1 if want_loss else 0)


@hessian_vector_products.register(CalledModel)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    call_with(model.products, Curvature(thetas, rows, saved, vectors, products_out))


@head_gradients.register(CalledHead)
def _head_gradients(
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    want_loss: bool,
    body: Any,
    saved_out: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    given = HeadSlopes(thetas, rows, body, saved_out, gradients_out, losses_out)
    call_with(model.head_gradients, given, step, 1 if want_loss else 0)


@head_products.register(CalledHead)
def _head_products(
    model: Any, thetas: Any, rows: Any, step: int, body: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    call_with(model.head_products, HeadCurvature(thetas, rows, body, saved, vectors, products_out), step)


@predict.register(CalledPredictor)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    call_with(model.predictions, Prediction(thetas, rows, scratch, predictions_out))


@score.register(CalledPredictor)
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    call_with(model.scores, Scoring(predictions, rows, scores_out))


# In the place of what nobody calls.
NOT_CALLED = BoundEntry(0, 0, None)


class Compiled(NamedTuple):
    """A model made ready for a run.

    Attributes
    ----------
    model : NamedTuple
        What algorithms are compiled for: the model's own spec, or what stands for it.
    keep : tuple of BoundEntry
        What it calls by address.
    """

    model: Any
    keep: tuple[BoundEntry, ...]


def _rows_like(matrix: np.ndarray, dtype: np.dtype[Any]) -> Rows:
    return Rows(matrix, zeros((1, 1), np.int64), zeros((1, 1), dtype), zeros((1,), np.int64))


def compile_model(
    model: Any, algorithm: Any, matrix: np.ndarray, dtype: np.dtype[Any], *, training: bool
) -> Compiled:
    """Compile a model's half of learning, or load it.

    Parameters
    ----------
    model, algorithm : NamedTuple
        The specs.
    matrix : ndarray of shape (any, features)
        The matrix that rows are picked from, or one of its type.
    dtype : dtype
        Of the run.
    training : bool
        Whether anybody goes back through the inner steps. If not, or if the algorithm never asks for
        products with the Hessian, what stands for the model does not call them.
    """
    if not compiled_apart(model):
        return Compiled(model, ())
    rows, record = _rows_like(matrix, dtype), ModelRecord(model)
    table, vector = zeros((1, 1), dtype), zeros((1,), dtype)
    losses, sizes = zeros((1,), np.float64), (int(num_parameters(model)), int(num_outputs(model)))
    slopes = Slopes(table, rows, vector, table, losses)
    gradients, products = bind(gradients_entry, record, slopes), NOT_CALLED
    back = training and wants_products(algorithm)
    if not head_only(algorithm):
        curvature = Curvature(table, rows, vector, table, table)
        if back:
            products = bind(products_entry, record, curvature)
        called = CalledModel(gradients.call_with(slopes), products.call_with(curvature), *sizes)
        return Compiled(called, (gradients, products))
    head_slopes = HeadSlopes(table, rows, vector, vector, table, losses)
    head_curvature = HeadCurvature(table, rows, vector, vector, table, table)
    of_head = bind(head_gradients_entry, record, head_slopes)
    if back:
        products = bind(head_products_entry, record, head_curvature)
    calls = (gradients.call_with(slopes), of_head.call_with(head_slopes), products.call_with(head_curvature))
    return Compiled(CalledHead(*calls, *sizes), (gradients, of_head, products))


def compile_predictor(
    model: Any, matrix: np.ndarray, dtype: np.dtype[Any], *, called: bool = True
) -> Compiled:
    """Compile a model's half of predicting, or load it; parameters as `compile_model` has them.

    ``called``: whether anybody predicts. If not, only the types are right, and the model need not know how.
    """
    if not compiled_apart(model):
        return Compiled(model, ())
    rows, record = _rows_like(matrix, dtype), ModelRecord(model)
    table = zeros((1, 1), dtype)
    prediction = Prediction(table, rows, zeros((1,), dtype), table)
    scoring = Scoring(table, rows, zeros((1,), np.float64))
    predictions = scores = NOT_CALLED
    if called:
        predictions = bind(predictions_entry, record, prediction)
        scores = bind(scores_entry, record, scoring)
    predictor = CalledPredictor(predictions.call_with(prediction), scores.call_with(scoring))
    return Compiled(predictor, (predictions, scores))
