"""Predictions of a model for any number of rows, with the same parameters or with those of groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.memory import zeros
from fastmaml.engine.model_pieces import compile_predictor
from fastmaml.models import Rows, num_outputs, predict, saved_size
from fastmaml.numerics.layout import padded_rows
from fastmaml.runtime.entry import bind, entry_point
from fastmaml.runtime.launch import ALONE, launch

# Rows that are predicted at a time.
BLOCK = 256


class Predicting(NamedTuple):
    """What `predict_region` works on. Arrays are C-contiguous.

    Attributes
    ----------
    model : NamedTuple
        The spec, or, for a model that is compiled apart, the one that stands for it.
    thetas : ndarray of shape (groups, width)
        Parameters of each group.
    X : ndarray of shape (rows, features)
        Rows, sorted by group.
    offsets : ndarray of shape (groups + 1,) of int64
        Group i has the rows from ``offsets[i]`` to ``offsets[i + 1]``.
    index, y, count : ndarray
        One block as `fastmaml.models.Rows` has it; there are no targets.
    scratch : ndarray
        Memory for the model.
    block : ndarray of shape (1, padded rows * num_outputs)
        Predictions of one block.
    out : ndarray of shape (rows, num_outputs)
        Predictions.
    counter, status : ndarray of int64
        For the launcher.
    """

    model: Any
    thetas: Any
    X: Any
    offsets: Any
    index: Any
    y: Any
    count: Any
    scratch: Any
    block: Any
    out: Any
    counter: Any
    status: Any


def predict_region(work: Any, step: int, worker: int) -> None:
    """Predict all rows, group by group and block by block."""
    if worker == ALONE:
        outputs = work.out.shape[1]
        group, end = 0, work.offsets[1]
        begin = 0
        while begin < work.offsets[work.offsets.size - 1]:
            while begin == end:
                group += 1
                end = work.offsets[group + 1]
            rows = min(BLOCK, end - begin)
            work.count[0] = rows
            for r in range(work.index.shape[1]):
                work.index[0, r] = begin + min(r, rows - 1)
            picked = Rows(work.X, work.index, work.y, work.count)
            predict(work.model, work.thetas[group : group + 1], picked, work.scratch, work.block)
            for r in range(rows):
                for c in range(outputs):
                    work.out[begin + r, c] = work.block[0, r * outputs + c]
            begin += rows


predict_entry = entry_point(predict_region)


def predict_rows(model: Any, theta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return what a model predicts, with parameters (width,); the rest is as in `predict_groups`."""
    return predict_groups(model, theta[np.newaxis], X, np.array([0, len(X)]))


def predict_groups(model: Any, thetas: np.ndarray, X: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return what a model predicts with the parameters of each group.

    Parameters
    ----------
    model : NamedTuple
        The spec.
    thetas : ndarray of shape (groups, width)
        Parameters, padded.
    X : ndarray of shape (rows, features), float64
        Finite rows, sorted by group.
    offsets : ndarray of shape (groups + 1,)
        Group i has the rows from ``offsets[i]`` to ``offsets[i + 1]``.

    Returns
    -------
    ndarray of shape (rows, num_outputs), in the dtype of theta
    """
    dtype, outputs = thetas.dtype, int(num_outputs(model))
    if len(X) == 0:
        return np.zeros((0, outputs), dtype)
    room = padded_rows(min(BLOCK, len(X)))
    rows = np.require(X, np.float64, ["C", "A", "W"])
    predictor = compile_predictor(model, rows, dtype)
    work = Predicting(
        model=predictor.model,
        thetas=np.require(thetas, dtype, ["C", "A", "W"]),
        X=rows,
        offsets=np.require(offsets, np.int64, ["C", "A", "W"]),
        index=zeros((1, room), np.int64),
        y=zeros((1, 1), dtype),
        count=zeros((1,), np.int64),
        scratch=zeros((int(saved_size(model, min(BLOCK, len(X)))),), dtype),
        block=zeros((1, room * outputs), dtype),
        out=np.zeros((len(X), outputs), dtype),
        counter=zeros((1,), np.int64),
        status=zeros((1,), np.int64),
    )
    launch(bind(predict_entry, work), 1, 1, work.counter, work.status)
    return work.out
