"""Places: where drawn tasks lie, between their source and what learns from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastmaml.engine.memory import zeros
from fastmaml.numerics.layout import padded_rows
from fastmaml.sources import Requirements

# Tasks that are computed side by side (`fastmaml.models.contract`). Their rows and what is kept of them
# should fit the first-level cache: four tasks of 20 rows and 50 features take 16 KB in float32.
SIDE_BY_SIDE = 4
# Places for drawn tasks that a worker has to itself: a cache line of the narrowest array, the row counts.
PLACES = 8


class Places(NamedTuple):
    """Drawn tasks, one a place.

    Attributes
    ----------
    X : ndarray of shape (places * buffered, features)
        Rows of drawn tasks, where the source makes rows.
    support_index, query_index : ndarray of shape (places, padded rows) of int64
        Which rows of the source's matrix are the support and the query rows.
    support_y, query_y : ndarray of shape (places, padded rows * targets)
        Their targets, row by row.
    support_count, query_count : ndarray of shape (places,) of int64
        How many rows they are.
    """

    X: Any
    support_index: Any
    support_y: Any
    support_count: Any
    query_index: Any
    query_y: Any
    query_count: Any


def allocate_places(needs: Requirements, dtype: np.dtype[Any], places: int) -> Places:
    """Allocate places for tasks of a source that asks for ``needs``."""
    shots, queries = padded_rows(needs.shots), padded_rows(needs.queries)
    return Places(
        X=zeros((places * needs.buffered, needs.features), dtype),
        support_index=zeros((places, shots), np.int64),
        support_y=zeros((places, shots * needs.targets), dtype),
        support_count=zeros((places,), np.int64) + needs.shots,
        query_index=zeros((places, queries), np.int64),
        query_y=zeros((places, queries * needs.targets), dtype),
        query_count=zeros((places,), np.int64),
    )
