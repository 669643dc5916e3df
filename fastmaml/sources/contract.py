"""Sources: where tasks come from inside the kernel. The contract, and the sources that there are.

A source has two halves. `prepare` goes through the epochs one after the other and may keep a state: a
generator's words, a permutation. `draw` makes one task of a prepared epoch, in any order, on any thread.
Neither ever sees theta, so the engine runs both ahead of the computation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.dispatch import contract


class Picks(NamedTuple):
    """Rows of one kind that a task has drawn.

    Attributes
    ----------
    index : ndarray of shape (>= padded_rows(rows),) of int64
        Which rows of the `matrix`.
    y : ndarray of shape (>= padded_rows(rows) * targets,)
        Their targets, those of a row together.
    """

    index: Any
    y: Any


class Requirements(NamedTuple):
    """Memory that a source asks of the engine.

    Attributes
    ----------
    shots, queries : int
        Support rows a task, and the most query rows a task.
    features : int
        Columns of a row.
    buffered : int
        Rows that `draw` writes for one task; 0 where `matrix` is not the buffer.
    state : int
        Words (uint32) that `prepare` keeps from epoch to epoch.
    words : int
        Words that `prepare` writes for one epoch.
    scratch : int
        Words that `draw` needs while it draws.
    targets : int
        Numbers in the target of a row.
    """

    shots: int
    queries: int
    features: int
    buffered: int
    state: int
    words: int
    scratch: int
    targets: int = 1


@contract
def requirements(source: Any, tasks_per_batch: int) -> Any:
    """Return the `Requirements`. Called from Python only."""


@contract
def matrix(source: Any, X_buffer: Any) -> Any:
    """Return the matrix whose rows the indices of `draw` pick: by default the buffer, else the source's own.

    X_buffer (any, features): what `draw` wrote, for this task and others.
    """


@matrix.default
def _matrix(source: Any, X_buffer: Any) -> Any:
    return X_buffer


@contract
def prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    """Prepare one epoch; called for every epoch, in order, never by two threads at once. By default nothing.

    Parameters
    ----------
    source : NamedTuple
        The spec.
    tasks_per_batch : int
        Tasks of the epoch.
    epoch : int
        The epoch's address: epochs since the first ``train``.
    state : ndarray of uint32
        Carried from epoch to epoch; after the call it stands at the end of this epoch.
    words_out : ndarray of uint32
        What `draw` needs to know of this epoch.
    """


@prepare.default
def _prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    return


@contract
def draw(
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
    """Draw one task, numbered from 0 in its epoch.

    Parameters
    ----------
    source : NamedTuple
        The spec.
    tasks_per_batch, epoch, task : int
        Tasks of the epoch, the epoch's address, the task's number.
    words : ndarray of uint32
        What `prepare` wrote for the epoch.
    scratch : ndarray of uint32
        The worker's own memory.
    X_out : ndarray of shape (buffered, features)
        Receives rows, where the source makes rows.
    first_row : int
        Which row of the buffer the first of ``X_out`` is.
    support_out, query_out : Picks
        Receive which rows of the `matrix` are the support and the query rows, and their targets. Entries
        behind the last row must be rows of the matrix too, whichever; they start as zeros.

    Returns
    -------
    int
        Query rows drawn.
    """
