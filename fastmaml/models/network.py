"""Networks with hidden layers: multi-layer perceptrons, with exact Hessian products.

With the notation of `fastmaml.models.layers` and L layers, ``H_l = f(A_l)`` for the hidden ones. Going back,
``D_L`` is the loss's derivative by A_L, and ``D_{l-1} = (D_l W_l^T) * f'(A_{l-1})``.

The Hessian's product with (V, v) is the derivative of all that in its direction, written out (B. A.
Pearlmutter, "Fast exact multiplication by the Hessian", 1994, the R-operator), with dots for derivatives:

- ``A'_l = H'_{l-1} W_l + H_{l-1} V_l + v_l``, ``H'_l = f'(A_l) * A'_l``;
- ``D'_L`` is the loss's Hessian times A'_L, and with ``B_l = D_l W_l^T``,
  ``D'_{l-1} = (D'_l W_l^T + D_l V_l^T) * f'(A_{l-1}) + B_l * f''(A_{l-1}) * A'_{l-1}``;
- the product has ``H'_{l-1}^T D_l + H_{l-1}^T D'_l`` and the column sums of D'_l.

Where the last layer alone moves in an inner loop (ANIL), the layers below are run through once for all its
steps. On the way back ``D'_L W_L^T + D_L V_L^T`` is added up over the steps: what follows is linear.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastmaml.models.activations import activate, has_bends
from fastmaml.models.contract import (
    head_gradients,
    head_products,
    hessian_vector_products,
    loss_gradients,
    predict,
)
from fastmaml.models.layers import (
    BEND,
    ERROR,
    ERROR_TANGENT,
    SLOPE,
    TANGENT,
    H,
    Layers,
    backward,
    biases,
    change_last_errors,
    clear,
    count_of,
    forward,
    gather_features,
    is_single,
    last_errors,
    last_layer,
    layer_gradient,
    longest_of,
    memory_of,
    outer,
    place,
    register_layers,
)
from fastmaml.models.losses import predictions
from fastmaml.numerics.dense import transpose
from fastmaml.numerics.flat import add, padded_row, scale
from fastmaml.runtime.compilation import kernel


class NetworkSpec(NamedTuple):
    """A network.

    Attributes
    ----------
    layers : Layers
        Its sizes.
    activation : NamedTuple
        One of `fastmaml.models.activations`.
    """

    layers: Layers
    activation: Any


register_layers(NetworkSpec)


@kernel
def _run_forward(model: Any, memory: Any, thetas: Any, theta: int, rows: Any, task: int, saved: Any) -> None:
    """Compute activations, slopes and bends of one task's rows; the last layer's outputs stay bare."""
    layers = model.layers
    gather_features(layers, memory, rows, task, saved)
    depth = layers.sizes.size - 1
    for layer in range(1, depth + 1):
        start = theta + biases(layers, layer)
        forward(layers, memory, layer, saved, H, thetas, theta, thetas, start, 0, H)
        if layer < depth:
            count = count_of(layers, memory, layer)
            values, slopes, bends = (
                place(layers, memory, H, layer),
                place(layers, memory, SLOPE, layer),
                place(layers, memory, BEND, layer),
            )
            activate(
                model.activation,
                saved[values : values + count],
                saved[slopes : slopes + count],
                saved[bends : bends + count],
            )


@kernel
def _turn_weights(layers: Any, memory: Any, layer: int, thetas: Any, theta: int, saved: Any) -> None:
    """Keep a layer's weights transposed; those of a single output serve as they are."""
    if not is_single(layers, layer):
        weights, turned = theta + layers.offsets[layer - 1], memory.turned + layers.turned[layer - 1]
        transpose(thetas, weights, layers.sizes[layer - 1], layers.sizes[layer], saved, turned)


@kernel
def _errors_below(
    layers: Any,
    memory: Any,
    layer: int,
    thetas: Any,
    theta: int,
    saved: Any,
    kind: int,
) -> None:
    """Write ``errors @ W^T`` of a kind in the layer below; weights have been turned."""
    if not is_single(layers, layer):
        turned = memory.turned + layers.turned[layer - 1]
        backward(layers, memory, layer, saved, kind, saved, turned, memory.zeros, 0, kind)
    else:
        weights = theta + layers.offsets[layer - 1]
        backward(layers, memory, layer, saved, kind, thetas, weights, memory.zeros, 0, kind)


@kernel
def _back_through(
    model: Any,
    memory: Any,
    top: int,
    thetas: Any,
    theta: int,
    saved: Any,
    kind: int,
    out: Any,
    out_at: int,
) -> None:
    """Write the gradients of the layers from ``top`` down, from the errors of a kind in the layer ``top``."""
    layers = model.layers
    for back in range(top):
        layer = top - back
        layer_gradient(layers, memory, layer, saved, kind, out, out_at)
        if layer > 1:
            _turn_weights(layers, memory, layer, thetas, theta, saved)
            _errors_below(layers, memory, layer, thetas, theta, saved, kind)
            count, below = count_of(layers, memory, layer - 1), place(layers, memory, kind, layer - 1)
            # Of the losses' own errors the product with f'' is wanted, too.
            if kind == ERROR and has_bends(model.activation):
                scale(saved, below, count, saved, place(layers, memory, BEND, layer - 1))
            scale(saved, place(layers, memory, SLOPE, layer - 1), count, saved, below)


@loss_gradients.register(NetworkSpec)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    layers = model.layers
    depth, size = layers.sizes.size - 1, memory_of(layers, longest_of(rows), 0).size
    saved, width, out_width = saved_out, thetas.shape[1], gradients_out.shape[1]
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        theta, gradient = task * width, task * out_width
        clear(memory, saved)
        _run_forward(model, memory, thetas, theta, rows, task, saved)
        last_errors(layers, memory, saved, rows, task, want_loss, losses_out)
        _back_through(model, memory, depth, thetas, theta, saved, ERROR, gradients_out, gradient)


@head_gradients.register(NetworkSpec)
def _head_gradients(
    model: Any,
    thetas: Any,
    rows: Any,
    step: int,
    want_loss: bool,
    body: Any,
    saved_out: Any,
    gradients_out: Any,
    losses_out: Any,
) -> None:
    layers = model.layers
    depth, size = layers.sizes.size - 1, memory_of(layers, longest_of(rows), 0).size
    saved, width, out_width = saved_out, thetas.shape[1], gradients_out.shape[1]
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        theta, gradient = task * width, task * out_width
        clear(memory, saved)
        features, count = place(layers, memory, H, depth - 1), count_of(layers, memory, depth - 1)
        if step == 0:
            _run_forward(model, memory, thetas, theta, rows, task, saved)
            if depth > 1:
                # Where `head_products` adds up what concerns the body.
                sums = place(layers, memory, TANGENT, depth - 1)
                saved[sums : sums + count] = 0
        else:
            saved[features : features + count] = body[features : features + count]
            forward(
                layers, memory, depth, saved, H, thetas, theta, thetas, theta + biases(layers, depth), 0, H
            )
        last_errors(layers, memory, saved, rows, task, want_loss, losses_out)
        for k in range(layers.offsets[depth - 1]):
            gradients_out[task, k] = 0
        layer_gradient(layers, memory, depth, saved, ERROR, gradients_out, gradient)


@kernel
def _changes_below(
    layers: Any, memory: Any, layer: int, thetas: Any, theta: int, vectors: Any, vector: int, saved: Any
) -> None:
    """Write ``D' W^T + D V^T`` of a layer in the layer below; weights have been turned."""
    wide = padded_row(layers.sizes[layer - 1])
    _errors_below(layers, memory, layer, thetas, theta, saved, ERROR_TANGENT)
    below = place(layers, memory, ERROR_TANGENT, layer - 1)
    directions = vector + layers.offsets[layer - 1]
    if not is_single(layers, layer):
        inputs, units, turned = layers.sizes[layer - 1], layers.sizes[layer], memory.turned_vector
        transpose(vectors, directions, inputs, units, saved, turned)
        backward(layers, memory, layer, saved, ERROR, saved, turned, below, wide, ERROR_TANGENT)
    else:
        backward(layers, memory, layer, saved, ERROR, vectors, directions, below, wide, ERROR_TANGENT)


@hessian_vector_products.register(NetworkSpec)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    layers = model.layers
    depth, size = layers.sizes.size - 1, memory_of(layers, longest_of(rows), 0).size
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        theta, vector = task * thetas.shape[1], task * vectors.shape[1]
        product = task * products_out.shape[1]
        for layer in range(1, depth + 1):
            start = vector + biases(layers, layer)
            forward(layers, memory, layer, saved, H, vectors, vector, vectors, start, 0, TANGENT)
            tangents, high = place(layers, memory, TANGENT, layer), padded_row(layers.sizes[layer])
            if layer > 1:
                forward(layers, memory, layer, saved, TANGENT, thetas, theta, saved, tangents, high, TANGENT)
            if layer < depth:
                count = count_of(layers, memory, layer)
                if has_bends(model.activation):
                    scale(saved, tangents, count, saved, place(layers, memory, BEND, layer))
                scale(saved, place(layers, memory, SLOPE, layer), count, saved, tangents)
        change_last_errors(layers, memory, saved)
        for back in range(depth):
            layer = depth - back
            layer_gradient(layers, memory, layer, saved, ERROR_TANGENT, products_out, product)
            if layer > 1:
                high, weights = padded_row(layers.sizes[layer]), product + layers.offsets[layer - 1]
                start = products_out
                outer(
                    layers, memory, layer, saved, TANGENT, ERROR, start, weights, high, products_out, weights
                )
                _changes_below(layers, memory, layer, thetas, theta, vectors, vector, saved)
                count, below = (
                    count_of(layers, memory, layer - 1),
                    place(layers, memory, ERROR_TANGENT, layer - 1),
                )
                scale(saved, place(layers, memory, SLOPE, layer - 1), count, saved, below)
                if has_bends(model.activation):
                    add(saved, place(layers, memory, BEND, layer - 1), count, saved, below)


@head_products.register(NetworkSpec)
def _head_products(
    model: Any, thetas: Any, rows: Any, step: int, body: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    layers = model.layers
    depth, size = layers.sizes.size - 1, memory_of(layers, longest_of(rows), 0).size
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        theta, vector = task * thetas.shape[1], task * vectors.shape[1]
        product = task * products_out.shape[1]
        start = vector + biases(layers, depth)
        forward(layers, memory, depth, saved, H, vectors, vector, vectors, start, 0, TANGENT)
        change_last_errors(layers, memory, saved)
        for k in range(layers.offsets[depth - 1]):
            products_out[task, k] = 0
        layer_gradient(layers, memory, depth, saved, ERROR_TANGENT, products_out, product)
        if depth > 1:
            _turn_weights(layers, memory, depth, thetas, theta, saved)
            _changes_below(layers, memory, depth, thetas, theta, vectors, vector, saved)
            # The way through the body is linear and the same for every step: add up, and go it once.
            count, below = (
                count_of(layers, memory, depth - 1),
                place(layers, memory, ERROR_TANGENT, depth - 1),
            )
            sums = place(layers, memory, TANGENT, depth - 1)
            add(saved, below, count, body, sums)
            if step == 0:
                scale(body, place(layers, memory, SLOPE, depth - 1), count, body, sums)
                _back_through(model, memory, depth - 1, thetas, theta, body, TANGENT, products_out, product)


@predict.register(NetworkSpec)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    layers = model.layers
    depth, size = layers.sizes.size - 1, memory_of(layers, longest_of(rows), 0).size
    outputs, step = layers.sizes[depth], layers.columns[depth + 1] - layers.columns[depth]
    for task in range(rows.count.size):
        memory = memory_of(layers, rows.count[task], task * size)
        _run_forward(model, memory, thetas, task * thetas.shape[1], rows, task, scratch)
        z = last_layer(layers, memory, scratch, H)
        predictions(layers.loss, z, memory.rows, outputs, step, predictions_out[task])
