"""What a user writes of an algorithm: a frozen object, checked when it is made, and lowered to a spec."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmaml.algorithms.inner_loop import InnerLoop
from fastmaml.arrays import as_array, check_fits, finite_floats
from fastmaml.models import Model, num_parameters, pad, positions, theta_width
from fastmaml.validation import MOST_STEPS, check_clip_norm, check_count, check_rate


class Algorithm:
    """What all algorithms have: an inner loop. Each is a frozen dataclass with these fields, and more.

    Parameters
    ----------
    inner_steps : int
        Inner steps in training, at least 1.
    inner_rate : float or array_like of shape (num_parameters,) or (inner_steps, num_parameters)
        Inner rate: one for all, one for each parameter, or one for each step and parameter.
    clip_norm : float or None
        The Euclidean norm that each inner gradient is clipped to; None for no clipping.
    """

    inner_steps: int
    inner_rate: Any
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        check_count("inner_steps", self.inner_steps, maximum=MOST_STEPS)
        rates = as_array("inner_rate", self.inner_rate)
        if rates.ndim == 0:
            check_rate("inner_rate", self.inner_rate)
        if rates.ndim > 2:
            raise ValueError(
                f"inner_rate has shape {rates.shape}; give a number, (num_parameters,) or "
                "(inner_steps, num_parameters)"
            )
        rates = finite_floats("inner_rate", np.atleast_1d(rates), ("step", "column")[-max(1, rates.ndim) :])
        if (rates < 0).any():
            raise ValueError(f"inner_rate holds {rates[rates < 0][0]:g}; give numbers of 0 or larger")
        # An array in its place could be changed, and could not be compared.
        plain = float(rates[0]) if np.ndim(self.inner_rate) == 0 else as_tuples(rates)
        object.__setattr__(self, "inner_rate", plain)
        check_clip_norm(self.clip_norm)

    def lower(self, model: Model, dtype: np.dtype[Any]) -> Any:
        """Return the spec for a model.

        Raises
        ------
        ValueError
            If there are not as many rates as parameters.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no method lower(model, dtype) that returns its spec"
        )

    def initial_rates(self, model: Model) -> np.ndarray:
        """Return the rates that learning starts from; empty where none are learned."""
        return np.zeros(0)

    def _rates(self, model: Model) -> np.ndarray:
        """Return the given rates as (1 or inner_steps, num_parameters)."""
        count = num_parameters(model.spec())
        given = np.atleast_1d(np.asarray(self.inner_rate, dtype=np.float64))
        if np.ndim(self.inner_rate) == 0:
            return np.full((1, count), given[0])
        if given.shape not in ((count,), (self.inner_steps, count)):
            raise ValueError(
                f"inner_rate has shape {given.shape}, but the model has {count} parameters; give a number, "
                f"({count},) or, for each of the inner steps, {(self.inner_steps, count)}"
            )
        return given.reshape(-1, count)

    def _inner_loop(self, model: Model, rates: np.ndarray, dtype: np.dtype[Any]) -> InnerLoop:
        """Describe the inner loop with fixed rates (rate_steps, num_parameters)."""
        spec, penalties = model.spec(), model.penalties()
        check_fits("inner_rate", rates, dtype)
        if penalties is not None:
            check_fits("l2", penalties, dtype)
        return InnerLoop.with_rates(
            positions(spec),
            int(self.inner_steps),
            pad(spec, rates, dtype),
            None if penalties is None else pad(spec, penalties, dtype),
            0.0 if self.clip_norm is None else float(self.clip_norm),
        )

    def _learning_loop(
        self, model: Model, places: np.ndarray, rates: np.ndarray, dtype: np.dtype[Any]
    ) -> InnerLoop:
        """Describe the inner loop with learned rates; places (rate_steps, num_parameters): which of them."""
        spec = model.spec()
        index = np.zeros((places.shape[0], theta_width(spec)), np.int64)
        index[:, positions(spec)] = places
        loop = self._inner_loop(model, np.ones(places.shape), dtype)
        return loop._replace(rate_index=index, num_rates=rates.size)


def as_tuples(array: np.ndarray) -> tuple[Any, ...]:
    """Return an array as nested tuples."""
    return tuple(as_tuples(row) if row.ndim else float(row) for row in array)
