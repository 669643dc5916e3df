"""Choosing the rows of tasks that are adapted on, once and for all, as a table does in an epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.memory import zeros
from fastmaml.numerics.philox import PURPOSE_ROWS
from fastmaml.runtime.entry import bind, entry_point
from fastmaml.runtime.launch import ALONE, launch
from fastmaml.sources.shuffling import shuffle


class Choosing(NamedTuple):
    """What `choose_region` works on.

    Attributes
    ----------
    offsets : ndarray of shape (num_tasks + 1,) of int64
        Task i has the rows from ``offsets[i]`` to ``offsets[i + 1]``.
    seed : uint64
        Seed.
    picks : int
        Rows of each task that are chosen.
    order : ndarray of shape (rows of the largest task,) of uint32
        Memory.
    out : ndarray of shape (num_rows,) of int64
        The rows of each task, those chosen in front.
    counter, status : ndarray of int64
        For the launcher.
    """

    offsets: Any
    seed: Any
    picks: int
    order: Any
    out: Any
    counter: Any
    status: Any


def choose_region(work: Any, step: int, worker: int) -> None:
    """Choose rows of every task."""
    if worker == ALONE:
        for task in range(work.offsets.size - 1):
            begin = work.offsets[task]
            rows = work.offsets[task + 1] - begin
            order = work.order[:rows]
            shuffle(order, work.seed, np.int64(0), np.int64(task), PURPOSE_ROWS, work.picks)
            for i in range(rows):
                work.out[begin + i] = begin + np.int64(order[i])


choose_entry = entry_point(choose_region)


def choose_rows(offsets: np.ndarray, picks: int, seed: int) -> np.ndarray:
    """Choose so many rows of each task, as `fastmaml.sources.Table` chooses support rows in epoch 0.

    Parameters
    ----------
    offsets : ndarray of shape (num_tasks + 1,)
        Task i has the rows from ``offsets[i]`` to ``offsets[i + 1]``, at least ``picks``.
    picks : int
        How many.
    seed : int
        Seed, from 0 to 2**64 - 1.

    Returns
    -------
    ndarray of shape (num_rows,) of int64
        The rows of each task, the chosen ones in front in the order in which they were chosen.
    """
    work = Choosing(
        offsets=np.require(offsets, np.int64, ["C", "A", "W"]),
        seed=np.uint64(seed),
        picks=picks,
        order=zeros((int(np.diff(offsets).max()),), np.uint32),
        out=zeros((int(offsets[-1]),), np.int64),
        counter=zeros((1,), np.int64),
        status=zeros((1,), np.int64),
    )
    launch(bind(choose_entry, work), 1, 1, work.counter, work.status)
    return work.out
