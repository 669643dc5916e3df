"""Sources: where tasks come from inside the kernel. The contract, and the sources that there are.

A source has two halves. `prepare` goes through the epochs one after the other and may keep a state: a
generator's words, a permutation. `draw` makes one task of a prepared epoch, in any order, on any thread.
Neither ever sees theta, so the engine runs both ahead of the computation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.runtime.dispatch import contract


class Requirements(NamedTuple):
    """Memory that a source asks of the engine.

    Attributes
    ----------
    shots, queries : int
        Support rows a task, and the most query rows a task.
    stride : int
        Entries from one row to the next.
    state : int
        Words (uint32) that `prepare` keeps from epoch to epoch.
    words : int
        Words that `prepare` writes for one epoch.
    scratch : int
        Words that `draw` needs while it draws.
    """

    shots: int
    queries: int
    stride: int
    state: int
    words: int
    scratch: int


@contract
def requirements(source: Any, tasks_per_batch: int) -> Any:
    """Return the `Requirements`. Called from Python only."""


@contract
def prepare(source: Any, tasks_per_batch: int, epoch: int, state: Any, words_out: Any) -> Any:
    """Prepare one epoch; called for every epoch, in order, never by two threads at once.

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


@contract
def draw(
    source: Any,
    tasks_per_batch: int,
    epoch: int,
    task: int,
    words: Any,
    scratch: Any,
    X_support_out: Any,
    y_support_out: Any,
    X_query_out: Any,
    y_query_out: Any,
) -> Any:
    """Draw one task, numbered from 0 in its epoch.

    Rows are written ``stride`` apart. Where the stride is larger than the features, a one stands behind the
    features and anything finite behind it. ``scratch`` (uint32) is the worker's own.

    Returns
    -------
    int
        Query rows written.
    """
