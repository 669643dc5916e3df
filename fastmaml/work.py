"""The working set of a run: the four parts, its numbers, and all the memory that the loop writes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.algorithms import inner_steps
from fastmaml.memory import whole_lines, zeros
from fastmaml.models import saved_size
from fastmaml.numerics.layout import padded_rows
from fastmaml.optimizers import state_size
from fastmaml.sources import requirements

# What a chunk reports beside its sum: the support loss of its last task before the first step, and the sum
# of its tasks' query losses.
LAST_SUPPORT_LOSS, QUERY_LOSS, NUM_LOSSES = 0, 1, 2

RUNNING, NOT_FINITE = 0, 1

# Numbers that change from call to call, in ``Work.call``: the epochs of this call; its chunks, all of them
# unless it is a part of one epoch; and the epoch whose losses are wanted, or -1.
FIRST_EPOCH, NUM_EPOCHS, FIRST_CHUNK, LAST_CHUNK, LOSS_EPOCH, NUM_CALL = 0, 1, 2, 3, 4, 5

# What the loop reports, in ``Work.status``: RUNNING or why it stopped, the epoch that it stopped at, and
# how many epochs have been finished since epoch 0.
STOP, STOP_EPOCH, EPOCHS_DONE, NUM_STATUS = 0, 1, 2, 3

# The most chunks that an epoch is cut into: enough for as many threads, few enough that adding up their
# rows costs nothing.
MAX_CHUNKS = 128

# Tasks that are computed side by side (`fastmaml.models.contract`). Their rows and what is kept of them
# should fit the first-level cache: four tasks of 20 rows and 50 features take 16 KB in float32.
SIDE_BY_SIDE = 4
# Places for drawn tasks that a worker has to itself: a cache line of the narrowest array, the row counts.
PLACES = 8


class Work(NamedTuple):
    """What `fastmaml.kernels.run_region` works on. Every size below is an int, every array C-contiguous.

    Attributes
    ----------
    model, algorithm, source, optimizer : NamedTuple
        The specs of the four parts.
    tasks_per_batch, num_chunks, num_workers : int
        Tasks an epoch, chunks that they are cut into, workers of a parallel region.
    ahead : int
        Epochs a block where tasks are drawn ahead; 0 where workers share the chunks of one epoch.
    gradient_scale : float
        What the sum of the tasks' gradients is multiplied by.
    call : ndarray of shape (NUM_CALL,) of int64
        The numbers of one call.
    theta, theta_previous, theta_backup, gradient : ndarray of shape (width,)
        Parameters, those before the last step, those before a step that may fail, the last meta-gradient.
    optimizer_state : ndarray
        The optimizer's.
    sums : ndarray of shape (num_chunks, width)
        A row for each chunk.
    losses : ndarray of shape (num_chunks, NUM_LOSSES) of float64
        A chunk's losses.
    counter : ndarray of shape (1,) of int64
        The next piece of work in a parallel region.
    status : ndarray of shape (NUM_STATUS,) of int64
        What the loop reports.
    source_state : ndarray of uint32
        The source's.
    words : ndarray of shape (slots, words) of uint32
        What the source prepared, an epoch a slot.
    buffered : int
        Rows of X a place.
    X : ndarray of shape (places * buffered, features)
        Rows of drawn tasks. A task is drawn into a place: each worker has some of its own, or there is one
        for each task of the blocks drawn ahead.
    support_index, support_y, query_index, query_y : ndarray of shape (places, padded rows)
        Which rows of the source's matrix are the support and the query rows, and their targets.
    support_count, query_count : ndarray of shape (places,) of int64
        How many they are.
    gradients, support_losses, query_losses : ndarray of shape (workers, PLACES, ...)
        What comes of the tasks that a worker computes side by side.
    trajectory, saved, vectors, products, unseen_losses : ndarray
        For each worker, see `fastmaml.algorithms.Scratch`.
    scratch_words : ndarray of shape (workers, scratch) of uint32
        For the source's random words.
    """

    model: Any
    algorithm: Any
    source: Any
    optimizer: Any
    tasks_per_batch: int
    num_chunks: int
    num_workers: int
    ahead: int
    gradient_scale: float
    call: Any
    theta: Any
    theta_previous: Any
    theta_backup: Any
    gradient: Any
    optimizer_state: Any
    sums: Any
    losses: Any
    counter: Any
    status: Any
    source_state: Any
    words: Any
    buffered: int
    X: Any
    support_index: Any
    support_y: Any
    query_index: Any
    query_y: Any
    support_count: Any
    query_count: Any
    gradients: Any
    support_losses: Any
    query_losses: Any
    trajectory: Any
    saved: Any
    vectors: Any
    products: Any
    unseen_losses: Any
    scratch_words: Any


def allocate(
    model: Any,
    algorithm: Any,
    source: Any,
    optimizer: Any,
    *,
    tasks_per_batch: int,
    gradient_scale: float,
    num_workers: int,
    ahead: int,
    theta: np.ndarray,
) -> Work:
    """Allocate the memory of a run.

    Parameters
    ----------
    model, algorithm, source, optimizer : NamedTuple
        The specs.
    tasks_per_batch, num_workers, ahead, gradient_scale
        As in `Work`.
    theta : ndarray of shape (width,)
        Initial parameters, padded; copied. Their dtype is the dtype of the run.
    """
    needs = requirements(source, tasks_per_batch)
    dtype, width = theta.dtype, theta.size
    steps = inner_steps(algorithm)
    num_chunks = min(-(-tasks_per_batch // SIDE_BY_SIDE), MAX_CHUNKS)
    places = max(num_workers * PLACES, 2 * ahead * tasks_per_batch)
    saved = max(saved_size(model, needs.shots), saved_size(model, needs.queries))

    def floats(*shape: int) -> np.ndarray:
        return zeros(shape, dtype)

    return Work(
        model=model,
        algorithm=algorithm,
        source=source,
        optimizer=optimizer,
        tasks_per_batch=tasks_per_batch,
        num_chunks=num_chunks,
        num_workers=num_workers,
        ahead=ahead,
        gradient_scale=gradient_scale,
        call=zeros((NUM_CALL,), np.int64),
        theta=theta.copy(),
        theta_previous=theta.copy(),
        theta_backup=theta.copy(),
        gradient=floats(width),
        optimizer_state=floats(state_size(optimizer, width)),
        sums=floats(num_chunks, width),
        losses=zeros((num_chunks, NUM_LOSSES), np.float64),
        counter=zeros((1,), np.int64),
        status=zeros((NUM_STATUS,), np.int64),
        source_state=zeros((needs.state,), np.uint32),
        words=zeros((max(2, 2 * ahead), whole_lines(needs.words, np.uint32)), np.uint32),
        buffered=needs.buffered,
        X=floats(places * needs.buffered, needs.features),
        support_index=zeros((places, padded_rows(needs.shots)), np.int64),
        support_y=floats(places, padded_rows(needs.shots)),
        query_index=zeros((places, padded_rows(needs.queries)), np.int64),
        query_y=floats(places, padded_rows(needs.queries)),
        support_count=zeros((places,), np.int64) + needs.shots,
        query_count=zeros((places,), np.int64),
        gradients=floats(num_workers, SIDE_BY_SIDE, width),
        support_losses=zeros((num_workers, PLACES), np.float64),
        query_losses=zeros((num_workers, PLACES), np.float64),
        trajectory=floats(num_workers, steps + 1, SIDE_BY_SIDE, width),
        saved=floats(num_workers, steps + 1, SIDE_BY_SIDE * saved),
        vectors=floats(num_workers, SIDE_BY_SIDE, width),
        products=floats(num_workers, SIDE_BY_SIDE, width),
        unseen_losses=zeros((num_workers, PLACES), np.float64),
        scratch_words=zeros((num_workers, whole_lines(needs.scratch, np.uint32)), np.uint32),
    )
