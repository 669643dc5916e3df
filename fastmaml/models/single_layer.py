"""Models of one layer: linear and softmax regression.

With the notation of `fastmaml.models.layers`: ``A = X W + b`` goes into the loss, D is the loss's derivative
by A, and the gradient has ``X^T D`` and the column sums of D. The Hessian's product with (V, v) has
``X^T D'`` and the column sums of D', where D' is the loss's Hessian by A, times ``A' = X V + v``.

`fastmaml.models.network` computes the same; without what hidden layers need there is less to compile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.contract import hessian_vector_products, loss_gradients, predict
from fastmaml.models.layers import (
    ERROR,
    ERROR_TANGENT,
    TANGENT,
    H,
    Layers,
    biases,
    change_last_errors,
    clear,
    forward,
    gather_features,
    last_errors,
    last_layer,
    layer_gradient,
    longest_of,
    memory_of,
    register_layers,
)
from fastmaml.models.losses import predictions
from fastmaml.runtime.compilation import kernel


class SingleLayerSpec(NamedTuple):
    """A model of one layer.

    Attributes
    ----------
    layers : Layers
        Its sizes.
    """

    layers: Layers


register_layers(SingleLayerSpec)


@kernel
def _outputs(layers: Any, memory: Any, saved: Any, vectors: Any, vector: int, kind: int) -> None:
    """Write ``X W + b`` of a vector of parameters, as a kind of the layer."""
    start = vector + biases(layers, 1)
    forward(layers, memory, 1, saved, H, vectors, vector, vectors, start, 0, kind)


@loss_gradients.register(SingleLayerSpec)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    layers, saved = model.layers, saved_out
    size = memory_of(layers, longest_of(rows), 0).size
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        clear(memory, saved)
        gather_features(layers, memory, rows, task, saved)
        _outputs(layers, memory, saved, thetas, task * thetas.shape[1], H)
        last_errors(layers, memory, saved, rows, task, want_loss, losses_out)
        layer_gradient(layers, memory, 1, saved, ERROR, gradients_out, task * gradients_out.shape[1])


@hessian_vector_products.register(SingleLayerSpec)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    layers = model.layers
    size = memory_of(layers, longest_of(rows), 0).size
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        _outputs(layers, memory, saved, vectors, task * vectors.shape[1], TANGENT)
        change_last_errors(layers, memory, saved)
        product = task * products_out.shape[1]
        layer_gradient(layers, memory, 1, saved, ERROR_TANGENT, products_out, product)


@predict.register(SingleLayerSpec)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    layers = model.layers
    size = memory_of(layers, longest_of(rows), 0).size
    outputs, step = layers.sizes[1], layers.columns[2] - layers.columns[1]
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        gather_features(layers, memory, rows, task, scratch)
        _outputs(layers, memory, scratch, thetas, task * thetas.shape[1], H)
        z = last_layer(layers, memory, scratch, H)
        predictions(layers.loss, z, memory.rows, outputs, step, predictions_out[task])
