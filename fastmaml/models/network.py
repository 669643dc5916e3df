"""Layers of units: linear and softmax regression, and multi-layer perceptrons, with exact Hessian products.

With ``H_0 = X`` and L layers: ``A_l = H_{l-1} W_l + b_l``, ``H_l = f(A_l)`` for the hidden ones, and A_L
goes into the loss (`fastmaml.models.losses`). Going back, ``D_L`` is the loss's derivative by A_L,
``D_{l-1} = (D_l W_l^T) * f'(A_{l-1})``, and the gradient has ``H_{l-1}^T D_l`` and the column sums of D_l.

The Hessian's product with (V, v) is the derivative of all that in its direction, written out (B. A.
Pearlmutter, "Fast exact multiplication by the Hessian", 1994, the R-operator), with dots for derivatives:

- ``A'_l = H'_{l-1} W_l + H_{l-1} V_l + v_l``, ``H'_l = f'(A_l) * A'_l``;
- ``D'_L`` is the loss's Hessian times A'_L, and with ``B_l = D_l W_l^T``,
  ``D'_{l-1} = (D'_l W_l^T + D_l V_l^T) * f'(A_{l-1}) + B_l * f''(A_{l-1}) * A'_{l-1}``;
- the product has ``H'_{l-1}^T D_l + H_{l-1}^T D'_l`` and the column sums of D'_l.

Where the last layer alone moves in an inner loop (ANIL), the layers below are run through once for all its
steps. On the way back ``D'_L W_L^T + D_L V_L^T`` is added up over the steps: what follows is linear.

In theta each layer has its weights (inputs, outputs) and then its biases (outputs,), every row of them
padded with zeros to a multiple of `fastmaml.numerics.flat.ROW`; the weights of a single output lie in one
row.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastmaml.models.activations import RELU, activate
from fastmaml.models.contract import (
    head_gradients,
    head_products,
    hessian_vector_products,
    loss_gradients,
    num_outputs,
    num_parameters,
    positions,
    predict,
    saved_size,
    score,
    theta_size,
)
from fastmaml.models.losses import (
    loss_curvature,
    loss_slopes,
    mean_loss,
    mean_score,
    predictions,
)
from fastmaml.numerics.dense import multiply, multiply_vector, transpose
from fastmaml.numerics.flat import ROW, add, gather, padded_row, scale
from fastmaml.runtime.compilation import kernel

# What is kept of each row and layer, in this order: activations H, slopes f', bends f'' or B * f'', errors
# D; and what a Hessian product needs: A' or H', and D'.
H, SLOPE, BEND, ERROR, TANGENT, ERROR_TANGENT, KINDS = 0, 1, 2, 3, 4, 5, 6


class NetworkSpec(NamedTuple):
    """Sizes of a network.

    Attributes
    ----------
    sizes : ndarray of shape (layers + 1,) of int64
        Features, hidden units, outputs.
    offsets : ndarray of shape (layers + 1,) of int64
        Where each layer's weights begin in theta, and where the last layer ends.
    columns : ndarray of shape (layers + 2,) of int64
        Numbers that the features and each layer's units take in a row of what is kept, added up.
    turned : ndarray of shape (layers + 1,) of int64
        Where each layer's transposed weights begin, and how many numbers they are.
    activation, loss, intercept : int
        See `fastmaml.models.activations` and `fastmaml.models.losses`; whether the biases are parameters.
    """

    sizes: Any
    offsets: Any
    columns: Any
    turned: Any
    activation: int
    loss: int
    intercept: int

    @classmethod
    def of_sizes(cls, sizes: tuple[int, ...], activation: int, loss: int, intercept: int) -> NetworkSpec:
        """Describe a network of features, hidden units and outputs."""
        offsets, turned, columns = [0], [0], [0]
        for layer, (inputs, outputs) in enumerate(pairwise(sizes), 1):
            single = outputs == 1 and layer == len(sizes) - 1
            weights = padded_row(inputs) if single else inputs * padded_row(outputs)
            offsets.append(offsets[-1] + weights + padded_row(outputs))
            needed = layer > 1 and not single
            turned.append(turned[-1] + needed * padded_row(inputs) * padded_row(outputs))
        for size in sizes[:-1]:
            columns.append(columns[-1] + padded_row(size))
        columns.append(columns[-1] + (1 if sizes[-1] == 1 else padded_row(sizes[-1])))
        return cls(
            sizes=np.array(sizes, dtype=np.int64),
            offsets=np.array(offsets, dtype=np.int64),
            columns=np.array(columns, dtype=np.int64),
            turned=np.array(turned, dtype=np.int64),
            activation=activation,
            loss=loss,
            intercept=intercept,
        )


@kernel
def _single(model: Any, layer: int) -> bool:
    """Tell whether this is the last layer, with a single output: its numbers are not padded."""
    return model.columns[layer + 1] - model.columns[layer] == 1


@num_parameters.register(NetworkSpec)
def _num_parameters(model: Any) -> Any:
    total = 0
    for layer in range(1, model.sizes.size):
        total += (model.sizes[layer - 1] + model.intercept) * model.sizes[layer]
    return int(total)


@positions.register(NetworkSpec)
def _positions(model: Any) -> Any:
    places = []
    for layer in range(1, model.sizes.size):
        inputs, outputs = model.sizes[layer - 1 : layer + 1]
        begin, end = model.offsets[layer - 1 : layer + 1]
        row = 1 if _single(model, layer) else padded_row(outputs)
        places.append((begin + row * np.arange(inputs)[:, np.newaxis] + np.arange(outputs)).reshape(-1))
        if model.intercept:
            places.append(end - padded_row(outputs) + np.arange(outputs))
    return np.concatenate(places)


@theta_size.register(NetworkSpec)
def _theta_size(model: Any) -> Any:
    return model.offsets[-1]


@num_outputs.register(NetworkSpec)
def _num_outputs(model: Any) -> Any:
    return model.sizes[model.sizes.size - 1]


class _Memory(NamedTuple):
    """How one task's flat memory is cut up.

    Attributes
    ----------
    begin, rows, activations, kind : int
        Where it begins, rows, how many numbers the activations are, the features among them, and those of
        each other kind, which has none for the features.
    zeros, one, turned, turned_vector, size : int
        Where each begins, and how many numbers there are in all: zeros for the widest row, a one, transposed
        weights of all layers, and one transposed vector.
    """

    begin: int
    rows: int
    activations: int
    kind: int
    zeros: int
    one: int
    turned: int
    turned_vector: int
    size: int


@kernel
def _memory(model: Any, rows: int, begin: int) -> Any:
    layers = model.sizes.size - 1
    widest, heaviest = 0, 0
    for layer in range(1, layers + 1):
        inputs, outputs = padded_row(model.sizes[layer - 1]), padded_row(model.sizes[layer])
        widest = max(widest, inputs, outputs)
        heaviest = max(heaviest, model.turned[layer] - model.turned[layer - 1])
    # Products with a vector are written four at a time.
    activations = padded_row(rows * model.columns[layers + 1] + ROW)
    kind = padded_row(rows * (model.columns[layers + 1] - model.columns[1]) + ROW)
    zeros = begin + activations + (KINDS - 1) * kind
    one = zeros + widest
    turned = one + ROW
    turned_vector = turned + model.turned[layers]
    size = turned_vector + heaviest - begin
    return _Memory(begin, rows, activations, kind, zeros, one, turned, turned_vector, size)


@saved_size.register(NetworkSpec)
def _saved_size(model: Any, rows: int) -> Any:
    return _memory(model, rows, 0).size


@kernel
def _place(model: Any, memory: Any, kind: int, layer: int) -> int:
    """Return where the (rows, padded units) of a kind and a layer begin; layer 0 of H is the features."""
    if kind == H:
        return memory.begin + memory.rows * model.columns[layer]
    others = memory.begin + memory.activations + (kind - 1) * memory.kind
    return others + memory.rows * (model.columns[layer] - model.columns[1])


@kernel
def _count(model: Any, memory: Any, layer: int) -> int:
    """Return how many numbers such a matrix has."""
    return memory.rows * (model.columns[layer + 1] - model.columns[layer])


@kernel
def _biases(model: Any, layer: int) -> int:
    """Return where a layer's biases begin; its weights begin at ``model.offsets[layer - 1]``."""
    return model.offsets[layer] - padded_row(model.sizes[layer])


@kernel
def _forward(
    model: Any,
    memory: Any,
    layer: int,
    saved: Any,
    kind: int,
    vectors: Any,
    vector: int,
    start: Any,
    start_at: int,
    start_step: int,
    out_kind: int,
) -> None:
    """Write ``start + left @ weights`` of a layer; start is one row, or with a step a matrix.

    left is what is kept of a kind in the layer below, weights stand in a vector that begins at ``vector``.
    """
    inputs, outputs, rows = model.sizes[layer - 1], model.sizes[layer], memory.rows
    wide, high = padded_row(inputs), padded_row(outputs)
    left, out = _place(model, memory, kind, layer - 1), _place(model, memory, out_kind, layer)
    weights = vector + model.offsets[layer - 1]
    if _single(model, layer):
        step = min(start_step, 1)
        multiply_vector(saved, left, vectors, weights, start, start_at, step, rows, wide, saved, out)
    else:
        multiply(
            saved,
            left,
            wide,
            1,
            vectors,
            weights,
            start,
            start_at,
            start_step,
            rows,
            inputs,
            high,
            saved,
            out,
        )


@kernel
def _backward(
    model: Any,
    memory: Any,
    layer: int,
    saved: Any,
    kind: int,
    turned: Any,
    turned_at: int,
    start_at: int,
    start_step: int,
    out_kind: int,
) -> None:
    """Write ``start + errors @ weights^T`` in the layer below; one output's weights serve as they are."""
    outputs, wide, errors = (
        model.sizes[layer],
        padded_row(model.sizes[layer - 1]),
        _place(model, memory, kind, layer),
    )
    row_step, inner_step = (1, 0) if _single(model, layer) else (padded_row(outputs), 1)
    out = _place(model, memory, out_kind, layer - 1)
    multiply(
        saved,
        errors,
        row_step,
        inner_step,
        turned,
        turned_at,
        saved,
        start_at,
        start_step,
        memory.rows,
        outputs,
        wide,
        saved,
        out,
    )


@kernel
def _outer(
    model: Any,
    memory: Any,
    layer: int,
    saved: Any,
    kind: int,
    error_kind: int,
    start: Any,
    start_at: int,
    start_step: int,
    out: Any,
    out_at: int,
) -> None:
    """Write ``start + left^T @ errors``, in the layout of the weights."""
    inputs, outputs, rows = model.sizes[layer - 1], model.sizes[layer], memory.rows
    left, errors = _place(model, memory, kind, layer - 1), _place(model, memory, error_kind, layer)
    wide = padded_row(inputs)
    if _single(model, layer):
        multiply(saved, errors, 0, 1, saved, left, start, start_at, start_step, 1, rows, wide, out, out_at)
    else:
        high = padded_row(outputs)
        multiply(
            saved, left, 1, wide, saved, errors, start, start_at, start_step, inputs, rows, high, out, out_at
        )


@kernel
def _sum_errors(
    model: Any, memory: Any, layer: int, saved: Any, error_kind: int, out: Any, out_at: int
) -> None:
    """Write the column sums of errors, in the layout of the biases."""
    errors, outputs = _place(model, memory, error_kind, layer), model.sizes[layer]
    if _single(model, layer):
        total = 0.0
        for r in range(memory.rows):
            total += float(saved[errors + r])
        width = out.shape[1]
        out[out_at // width, out_at % width] = total
    else:
        high = padded_row(outputs)
        multiply(
            saved, memory.one, 0, 0, saved, errors, saved, memory.zeros, 0, 1, memory.rows, high, out, out_at
        )


@kernel
def _run_forward(model: Any, memory: Any, thetas: Any, theta: int, rows: Any, task: int, saved: Any) -> None:
    """Compute activations, slopes and bends of one task's rows; the last layer's outputs stay bare."""
    gather(rows.X, rows.index, task * rows.index.shape[1], memory.rows, saved, _place(model, memory, H, 0))
    layers = model.sizes.size - 1
    for layer in range(1, layers + 1):
        start = theta + _biases(model, layer)
        _forward(model, memory, layer, saved, H, thetas, theta, thetas, start, 0, H)
        if layer < layers:
            count = _count(model, memory, layer)
            values, slopes, bends = (
                _place(model, memory, H, layer),
                _place(model, memory, SLOPE, layer),
                _place(model, memory, BEND, layer),
            )
            activate(
                model.activation,
                saved[values : values + count],
                saved[slopes : slopes + count],
                saved[bends : bends + count],
            )


@kernel
def _longest(rows: Any) -> int:
    longest = 0
    for task in range(rows.count.size):
        longest = max(longest, rows.count[task])
    return longest


@kernel
def _last_layer(model: Any, memory: Any, saved: Any, kind: int) -> Any:
    """Return the last layer's flat matrix of a kind."""
    layer = model.sizes.size - 1
    begin = _place(model, memory, kind, layer)
    return saved[begin : begin + _count(model, memory, layer)]


@kernel
def _clear(memory: Any, saved: Any) -> None:
    """Write the zeros and the one that products begin with."""
    for k in range(memory.zeros, memory.one):
        saved[k] = 0
    saved[memory.one] = 1


@kernel
def _last_errors(
    model: Any, memory: Any, saved: Any, rows: Any, task: int, want_loss: bool, losses_out: Any
) -> None:
    """Write the last layer's errors, and the loss if it is wanted."""
    layers = model.sizes.size - 1
    outputs, step = model.sizes[layers], model.columns[layers + 1] - model.columns[layers]
    z, errors = _last_layer(model, memory, saved, H), _last_layer(model, memory, saved, ERROR)
    targets = rows.y[task]
    if want_loss:
        losses_out[task] = mean_loss(model.loss, z, targets, memory.rows, outputs, step)
    errors[:] = 0
    # The complement of a probability takes the place of the last layer's slopes, which it has none of.
    other = _last_layer(model, memory, saved, SLOPE)
    loss_slopes(model.loss, z, targets, memory.rows, outputs, step, other, errors)


@kernel
def _layer_gradient(
    model: Any, memory: Any, layer: int, saved: Any, error_kind: int, out: Any, out_at: int
) -> None:
    """Write the gradient of one layer's weights and biases, from its errors."""
    weights = out_at + model.offsets[layer - 1]
    _outer(model, memory, layer, saved, H, error_kind, saved, memory.zeros, 0, out, weights)
    _sum_errors(model, memory, layer, saved, error_kind, out, out_at + _biases(model, layer))


@kernel
def _turn_weights(model: Any, memory: Any, layer: int, thetas: Any, theta: int, saved: Any) -> None:
    """Keep a layer's weights transposed; those of a single output serve as they are."""
    if not _single(model, layer):
        weights, turned = theta + model.offsets[layer - 1], memory.turned + model.turned[layer - 1]
        transpose(thetas, weights, model.sizes[layer - 1], model.sizes[layer], saved, turned)


@kernel
def _errors_below(
    model: Any,
    memory: Any,
    layer: int,
    thetas: Any,
    theta: int,
    saved: Any,
    kind: int,
) -> None:
    """Write ``errors @ W^T`` of a kind in the layer below; weights have been turned."""
    if not _single(model, layer):
        turned = memory.turned + model.turned[layer - 1]
        _backward(model, memory, layer, saved, kind, saved, turned, memory.zeros, 0, kind)
    else:
        weights = theta + model.offsets[layer - 1]
        _backward(model, memory, layer, saved, kind, thetas, weights, memory.zeros, 0, kind)


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
    for back in range(top):
        layer = top - back
        _layer_gradient(model, memory, layer, saved, kind, out, out_at)
        if layer > 1:
            _turn_weights(model, memory, layer, thetas, theta, saved)
            _errors_below(model, memory, layer, thetas, theta, saved, kind)
            count, below = _count(model, memory, layer - 1), _place(model, memory, kind, layer - 1)
            # Of the losses' own errors the product with f'' is wanted, too.
            if kind == ERROR and model.activation != RELU:
                scale(saved, below, count, saved, _place(model, memory, BEND, layer - 1))
            scale(saved, _place(model, memory, SLOPE, layer - 1), count, saved, below)


@loss_gradients.register(NetworkSpec)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows), 0).size
    saved, width, out_width = saved_out, thetas.shape[1], gradients_out.shape[1]
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task], task * size)
        theta, gradient = task * width, task * out_width
        _clear(memory, saved)
        _run_forward(model, memory, thetas, theta, rows, task, saved)
        _last_errors(model, memory, saved, rows, task, want_loss, losses_out)
        _back_through(model, memory, layers, thetas, theta, saved, ERROR, gradients_out, gradient)


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
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows), 0).size
    saved, width, out_width = saved_out, thetas.shape[1], gradients_out.shape[1]
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task], task * size)
        theta, gradient = task * width, task * out_width
        _clear(memory, saved)
        features, count = _place(model, memory, H, layers - 1), _count(model, memory, layers - 1)
        if step == 0:
            _run_forward(model, memory, thetas, theta, rows, task, saved)
            if layers > 1:
                # Where `head_products` adds up what concerns the body.
                sums = _place(model, memory, TANGENT, layers - 1)
                saved[sums : sums + count] = 0
        else:
            saved[features : features + count] = body[features : features + count]
            _forward(
                model, memory, layers, saved, H, thetas, theta, thetas, theta + _biases(model, layers), 0, H
            )
        _last_errors(model, memory, saved, rows, task, want_loss, losses_out)
        for k in range(model.offsets[layers - 1]):
            gradients_out[task, k] = 0
        _layer_gradient(model, memory, layers, saved, ERROR, gradients_out, gradient)


@kernel
def _change_last_errors(model: Any, memory: Any, saved: Any) -> None:
    """Write D' of the last layer, from its A'."""
    layers = model.sizes.size - 1
    outputs, step = model.sizes[layers], model.columns[layers + 1] - model.columns[layers]
    changes = _last_layer(model, memory, saved, ERROR_TANGENT)
    changes[:] = 0
    loss_curvature(
        model.loss,
        _last_layer(model, memory, saved, H),
        memory.rows,
        outputs,
        step,
        _last_layer(model, memory, saved, SLOPE),
        _last_layer(model, memory, saved, TANGENT),
        changes,
    )


@kernel
def _changes_below(
    model: Any, memory: Any, layer: int, thetas: Any, theta: int, vectors: Any, vector: int, saved: Any
) -> None:
    """Write ``D' W^T + D V^T`` of a layer in the layer below; weights have been turned."""
    wide = padded_row(model.sizes[layer - 1])
    _errors_below(model, memory, layer, thetas, theta, saved, ERROR_TANGENT)
    below = _place(model, memory, ERROR_TANGENT, layer - 1)
    directions = vector + model.offsets[layer - 1]
    if not _single(model, layer):
        inputs, units, turned = model.sizes[layer - 1], model.sizes[layer], memory.turned_vector
        transpose(vectors, directions, inputs, units, saved, turned)
        _backward(model, memory, layer, saved, ERROR, saved, turned, below, wide, ERROR_TANGENT)
    else:
        _backward(model, memory, layer, saved, ERROR, vectors, directions, below, wide, ERROR_TANGENT)


@hessian_vector_products.register(NetworkSpec)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows), 0).size
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task], task * size)
        theta, vector = task * thetas.shape[1], task * vectors.shape[1]
        product = task * products_out.shape[1]
        for layer in range(1, layers + 1):
            start = vector + _biases(model, layer)
            _forward(model, memory, layer, saved, H, vectors, vector, vectors, start, 0, TANGENT)
            tangents, high = _place(model, memory, TANGENT, layer), padded_row(model.sizes[layer])
            if layer > 1:
                _forward(model, memory, layer, saved, TANGENT, thetas, theta, saved, tangents, high, TANGENT)
            if layer < layers:
                count = _count(model, memory, layer)
                if model.activation != RELU:
                    scale(saved, tangents, count, saved, _place(model, memory, BEND, layer))
                scale(saved, _place(model, memory, SLOPE, layer), count, saved, tangents)
        _change_last_errors(model, memory, saved)
        for back in range(layers):
            layer = layers - back
            _layer_gradient(model, memory, layer, saved, ERROR_TANGENT, products_out, product)
            if layer > 1:
                high, weights = padded_row(model.sizes[layer]), product + model.offsets[layer - 1]
                start = products_out
                _outer(
                    model, memory, layer, saved, TANGENT, ERROR, start, weights, high, products_out, weights
                )
                _changes_below(model, memory, layer, thetas, theta, vectors, vector, saved)
                count, below = (
                    _count(model, memory, layer - 1),
                    _place(model, memory, ERROR_TANGENT, layer - 1),
                )
                scale(saved, _place(model, memory, SLOPE, layer - 1), count, saved, below)
                if model.activation != RELU:
                    add(saved, _place(model, memory, BEND, layer - 1), count, saved, below)


@head_products.register(NetworkSpec)
def _head_products(
    model: Any, thetas: Any, rows: Any, step: int, body: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows), 0).size
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task], task * size)
        theta, vector = task * thetas.shape[1], task * vectors.shape[1]
        product = task * products_out.shape[1]
        start = vector + _biases(model, layers)
        _forward(model, memory, layers, saved, H, vectors, vector, vectors, start, 0, TANGENT)
        _change_last_errors(model, memory, saved)
        for k in range(model.offsets[layers - 1]):
            products_out[task, k] = 0
        _layer_gradient(model, memory, layers, saved, ERROR_TANGENT, products_out, product)
        if layers > 1:
            _turn_weights(model, memory, layers, thetas, theta, saved)
            _changes_below(model, memory, layers, thetas, theta, vectors, vector, saved)
            # The way through the body is linear and the same for every step: add up, and go it once.
            count, below = _count(model, memory, layers - 1), _place(model, memory, ERROR_TANGENT, layers - 1)
            sums = _place(model, memory, TANGENT, layers - 1)
            add(saved, below, count, body, sums)
            if step == 0:
                scale(body, _place(model, memory, SLOPE, layers - 1), count, body, sums)
                _back_through(model, memory, layers - 1, thetas, theta, body, TANGENT, products_out, product)


@predict.register(NetworkSpec)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows), 0).size
    outputs, step = model.sizes[layers], model.columns[layers + 1] - model.columns[layers]
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task], task * size)
        _run_forward(model, memory, thetas, task * thetas.shape[1], rows, task, scratch)
        z = _last_layer(model, memory, scratch, H)
        predictions(model.loss, z, memory.rows, outputs, step, predictions_out[task])


@score.register(NetworkSpec)
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    outputs = model.sizes[model.sizes.size - 1]
    for task in range(rows.count.size):
        scores_out[task] = mean_score(model.loss, predictions[task], rows.y[task], rows.count[task], outputs)
