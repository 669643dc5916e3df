"""A model compiled apart from the algorithms: in its place stands a spec that calls its machine code.

Every algorithm works with every model, so what has to be compiled for all of them should be a sum and not a
product. An algorithm is compiled for a `CalledModel`, once, and calls the same code of a model that all other
algorithms call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.memory import zeros
from fastmaml.models import (
    Rows,
    compiled_apart,
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


def compute_predictions(record: Any, given: Any) -> None:
    """Write the predictions."""
    predict(record.model, given.thetas, given.rows, given.scratch, given.predictions_out)


def compute_scores(record: Any, given: Any) -> None:
    """Write what predictions are worth."""
    score(record.model, given.predictions, given.rows, given.scores_out)


gradients_entry = entry_point(compute_gradients, cost=4)
products_entry = entry_point(compute_products, cost=2)
predictions_entry = entry_point(compute_predictions)
scores_entry = entry_point(compute_scores, cost=0.6)


@num_parameters.register(CalledModel)
def _num_parameters(model: Any) -> Any:
    return model.num_parameters


@num_outputs.register(CalledModel)
def _num_outputs(model: Any) -> Any:
    return model.num_outputs


@loss_gradients.register(CalledModel)
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


@predict.register(CalledPredictor)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    call_with(model.predictions, Prediction(thetas, rows, scratch, predictions_out))


@score.register(CalledPredictor)
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    call_with(model.scores, Scoring(predictions, rows, scores_out))


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


def compile_model(model: Any, matrix: np.ndarray, dtype: np.dtype[Any]) -> Compiled:
    """Compile a model's half of learning, or load it.

    Parameters
    ----------
    model : NamedTuple
        The spec.
    matrix : ndarray of shape (any, features)
        The matrix that rows are picked from, or one of its type.
    dtype : dtype
        Of the run.
    """
    if not compiled_apart(model):
        return Compiled(model, ())
    rows, record = _rows_like(matrix, dtype), ModelRecord(model)
    table, vector = zeros((1, 1), dtype), zeros((1,), dtype)
    slopes = Slopes(table, rows, vector, table, zeros((1,), np.float64))
    curvature = Curvature(table, rows, vector, table, table)
    gradients = bind(gradients_entry, record, slopes)
    products = bind(products_entry, record, curvature)
    called = CalledModel(
        gradients.call_with(slopes),
        products.call_with(curvature),
        int(num_parameters(model)),
        int(num_outputs(model)),
    )
    return Compiled(called, (gradients, products))


def compile_predictor(model: Any, matrix: np.ndarray, dtype: np.dtype[Any]) -> Compiled:
    """Compile a model's half of predicting, or load it; parameters as `compile_model` has them."""
    if not compiled_apart(model):
        return Compiled(model, ())
    rows, record = _rows_like(matrix, dtype), ModelRecord(model)
    table = zeros((1, 1), dtype)
    prediction = Prediction(table, rows, zeros((1,), dtype), table)
    scoring = Scoring(table, rows, zeros((1,), np.float64))
    predictions = bind(predictions_entry, record, prediction)
    scores = bind(scores_entry, record, scoring)
    called = CalledPredictor(predictions.call_with(prediction), scores.call_with(scoring))
    return Compiled(called, (predictions, scores))
