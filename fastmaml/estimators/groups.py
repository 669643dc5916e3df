"""Parameters of many groups, found by the groups' labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastmaml.arrays import counted
from fastmaml.engine.predicting import predict_groups
from fastmaml.labels import group_rows, label_array, label_vector
from fastmaml.models import pad

if TYPE_CHECKING:
    from fastmaml.estimators.estimator import FewShotEstimator


@dataclass(frozen=True, eq=False)
class GroupTable:
    """A row of parameters for each group.

    Attributes
    ----------
    labels : ndarray of shape (num_groups,)
        What the groups are called, all different.
    thetas : ndarray of shape (num_groups, num_parameters)
        Their parameters.
    """

    labels: np.ndarray
    thetas: np.ndarray

    @cached_property
    def places(self) -> dict[Any, int]:
        """Where each label stands; found out once somebody asks."""
        return {key: place for place, key in enumerate(_keys(self.labels))}

    def joined(self, other: GroupTable) -> GroupTable:
        """Return the groups of both; of a group in both the other's parameters."""
        kept = other.find(self.labels) < 0
        labels = label_array([*self.labels[kept].tolist(), *other.labels.tolist()])
        return GroupTable(labels, np.concatenate([self.thetas[kept], other.thetas]))

    def find(self, labels: np.ndarray) -> np.ndarray:
        """Return where each label stands (labels,), or -1."""
        return np.array([self.places.get(key, -1) for key in _keys(labels)], dtype=np.intp)

    def place(self, label: Any) -> int | None:
        """Return where a label stands, or None."""
        (key,) = _keys(label_vector("label", np.asarray([label]) if _is_date(label) else [label]))
        return self.places.get(key)

    def predict(
        self, spec: Any, rows: np.ndarray, labels: np.ndarray, start: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict rows with the parameters of their groups.

        Parameters
        ----------
        spec : NamedTuple
            The model's.
        rows : ndarray of shape (rows, num_features)
            As the model takes them.
        labels : ndarray of shape (rows,)
            The group of each row.
        start : ndarray of shape (num_parameters,)
            Parameters for groups that are not in the table.

        Returns
        -------
        raw : ndarray of shape (rows, num_outputs)
            What the kernel predicts.
        unseen : ndarray
            The labels that are not in the table.
        """
        order, offsets, names = group_rows("groups", labels)
        places = self.find(names)
        thetas = np.where(places[:, np.newaxis] >= 0, self.thetas[places], start)
        padded = pad(spec, thetas, np.dtype(np.float64))
        if order is None:
            return predict_groups(spec, padded, rows, offsets), names[places < 0]
        raw = predict_groups(spec, padded, rows[order], offsets)
        back = np.empty_like(raw)
        back[order] = raw
        return back, names[places < 0]


def _is_date(label: Any) -> bool:
    return isinstance(label, np.datetime64 | np.timedelta64)


def _keys(labels: np.ndarray) -> list[Any]:
    """Return what tells labels apart: dates of any unit by the moment, and not by the number behind it."""
    if labels.dtype.kind in "mM":
        return [(labels.dtype.kind, moment) for moment in labels.astype(f"{labels.dtype.kind}8[ns]").tolist()]
    return labels.tolist()


class AdaptedTasks:
    """Many groups that an estimator was adapted to at once.

    Made by ``adapt_many``. ``tasks[label]`` is an estimator for one group, ``label in tasks`` tells whether
    there is one, ``len(tasks)`` how many.

    Attributes
    ----------
    labels : ndarray of shape (num_groups,)
        What the groups are called.
    theta : ndarray of shape (num_groups, num_parameters)
        Their parameters.
    """

    def __init__(self, estimator: FewShotEstimator, table: GroupTable) -> None:
        self._estimator, self._table = estimator, table
        self.labels, self.theta = table.labels, table.thetas

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.labels if self.labels.dtype.kind in "mM" else self.labels.tolist())

    def __contains__(self, label: object) -> bool:
        return self._table.place(label) is not None

    def __getitem__(self, label: Any) -> Any:
        place = self._table.place(label)
        if place is None:
            raise KeyError(f"there is no group {label!r} among the {len(self)} that were adapted to")
        return self._estimator._with_theta(self.theta[place])

    def __repr__(self) -> str:
        return f"<AdaptedTasks: {counted(len(self), 'group')}, {type(self._estimator).__name__}>"

    def _raw(self, X: Any, groups: Any) -> np.ndarray:
        estimator = self._estimator
        rows, labels = estimator._rows(X, groups)
        if labels is None:
            raise ValueError("groups is missing; give the group of each row")
        state = estimator._state
        raw, unseen = self._table.predict(state.learner.model_spec, rows, labels, estimator.theta_)
        if unseen.size:
            raise ValueError(
                f"groups holds {unseen[:1].tolist()[0]!r}, one of {unseen.size} that were not adapted to; "
                "give rows of the groups given to adapt_many"
            )
        return raw

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Predict rows, each with the parameters of its group.

        Parameters
        ----------
        X : array_like of shape (rows, num_features)
            Finite rows.
        groups : array_like of shape (rows,)
            The group of each row, one of `labels`.

        Returns
        -------
        ndarray of shape (rows,)

        Raises
        ------
        ValueError
            If a group was not adapted to.
        """
        return self._estimator._finish(self._raw(X, groups))

    def predict_proba(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the probability of each class, (rows, classes); of classifiers. As `predict` otherwise."""
        if not hasattr(self._estimator, "predict_proba"):
            raise AttributeError(f"{type(self._estimator).__name__} predicts no classes; use predict")
        return self._estimator._probabilities(self._raw(X, groups))
