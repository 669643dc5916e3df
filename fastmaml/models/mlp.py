"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastmaml.models.activations import ACTIVATIONS
from fastmaml.models.layers import Layers
from fastmaml.models.losses import LOSSES
from fastmaml.models.model import Layered, no_negatives, whole_classes
from fastmaml.models.network import NetworkSpec
from fastmaml.validation import check_choice, check_count


@dataclass(frozen=True)
class MLP(Layered):
    """A multi-layer perceptron.

    Parameters
    ----------
    num_features : int
        Features of a row.
    hidden : sequence of int, default=(40, 40)
        Units of each hidden layer; at least one layer.
    num_outputs : int, default=1
        Outputs: targets of a row, or classes.
    activation : {"relu", "tanh", "silu"}, default="relu"
        Of the hidden layers.
    loss : {"squared_error", "poisson", "binary_cross_entropy", "categorical_cross_entropy"}
        Default "squared_error": the mean over rows and outputs of ``(prediction - y)^2``, without 1/2.
        "poisson": of ``exp(z) - y z``, with ``exp(z)`` predicted. "binary_cross_entropy": labels 0 and 1, one
        output.
        "categorical_cross_entropy": numbers of classes, as many outputs as classes.
    intercept : bool, default=True
        Whether each layer has biases.
    l2 : float, default=0.0
        L2 penalty: ``l2 / 2 * |weights|^2`` is added to the support loss; biases are free of it.
    initializer : str, default="he_normal"
        How weights start, see `fastmaml.models.initializers`; biases start at zero.
    initializer_scale : float, default=1.0
        What they are scaled with.
    """

    num_features: int
    hidden: Sequence[int] = (40, 40)
    num_outputs: int = 1
    activation: str = "relu"
    loss: str = "squared_error"
    initializer: str = field(default="he_normal", kw_only=True)

    def __post_init__(self) -> None:
        check_count("num_features", self.num_features)
        # A set has no order, and a dict would give its keys.
        if not isinstance(self.hidden, (Sequence, np.ndarray)) or isinstance(self.hidden, (str, bytes)):
            raise TypeError(
                f"hidden is {self.hidden!r}; give the units of each hidden layer, such as (40,) for one layer"
            )
        if not len(self.hidden):
            raise ValueError("hidden is empty; give the units of each hidden layer, or use models.Linear")
        sizes = tuple(check_count("each number of hidden", size) for size in self.hidden)
        object.__setattr__(self, "hidden", sizes)
        check_count("num_outputs", self.num_outputs)
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_choice("loss", self.loss, tuple(LOSSES))
        if self.loss == "binary_cross_entropy" and self.num_outputs != 1:
            raise ValueError(f"num_outputs is {self.num_outputs}, but binary_cross_entropy has one; give 1")
        if self.loss == "categorical_cross_entropy" and self.num_outputs == 1:
            raise ValueError(
                "num_outputs is 1, but categorical_cross_entropy needs one for each class, 2 or more"
            )
        super().__post_init__()

    @property
    def num_targets(self) -> int:  # type: ignore[override]
        """Targets of a row."""
        return 1 if self.classifies else self.num_outputs

    @property
    def classifies(self) -> bool:  # type: ignore[override]
        """Whether the prediction is a class."""
        return self.loss in ("binary_cross_entropy", "categorical_cross_entropy")

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """Classes, where the prediction is one."""
        return max(2, self.num_outputs)

    def _sizes(self) -> tuple[int, ...]:
        return int(self.num_features), *map(int, self.hidden), int(self.num_outputs)

    def _loss(self) -> Any:
        return LOSSES[self.loss]

    def _spec_with(self, loss: Any) -> NetworkSpec:
        layers = Layers.of_sizes(self._sizes(), loss, int(self.intercept))
        return NetworkSpec(layers, ACTIVATIONS[self.activation])

    def check_targets(self, name: str, y: np.ndarray) -> None:
        """Raise unless the targets fit the loss."""
        if self.classifies:
            whole_classes(name, y, self.num_classes)
        elif self.loss == "poisson":
            no_negatives(name, y)
