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

In theta each layer has its weights (inputs, outputs) and then its biases (outputs,), every row of them
padded with zeros to a multiple of `fastmaml.numerics.dense.ROW`; the weights of a single output lie in one
row.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastmaml.models.activations import RELU, activate
from fastmaml.models.contract import (
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
from fastmaml.numerics.dense import ROW, multiply, multiply_vector, padded_row, transpose
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
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            weights = padded_row(inputs) if outputs == 1 else inputs * padded_row(outputs)
            offsets.append(offsets[-1] + weights + padded_row(outputs))
            needed = layer > 0 and outputs > 1
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


@num_parameters.register(NetworkSpec)
def _num_parameters(model: Any) -> Any:
    total = 0
    for layer in range(1, model.sizes.size):
        total += (model.sizes[layer - 1] + model.intercept) * model.sizes[layer]
    return total


@positions.register(NetworkSpec)
def _positions(model: Any) -> Any:
    places = []
    for layer in range(1, model.sizes.size):
        inputs, outputs = model.sizes[layer - 1 : layer + 1]
        begin, end = model.offsets[layer - 1 : layer + 1]
        row = 1 if outputs == 1 else padded_row(outputs)
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
    rows, kind : int
        Rows, and numbers from one kind to the next.
    zeros, one, turned, turned_vector, size : int
        Where each begins, and how many numbers there are in all: zeros for the widest row, a one, transposed
        weights of all layers, and one transposed vector.
    """

    rows: int
    kind: int
    zeros: int
    one: int
    turned: int
    turned_vector: int
    size: int


@kernel
def _memory(model: Any, rows: int) -> Any:
    layers = model.sizes.size - 1
    widest, heaviest = 0, 0
    for layer in range(1, layers + 1):
        inputs, outputs = padded_row(model.sizes[layer - 1]), padded_row(model.sizes[layer])
        widest = max(widest, inputs, outputs)
        heaviest = max(heaviest, model.turned[layer] - model.turned[layer - 1])
    # Products with a vector are written four at a time.
    kind = padded_row(rows * model.columns[layers + 1] + ROW)
    zeros = KINDS * kind
    one = zeros + widest
    turned = one + ROW
    turned_vector = turned + model.turned[layers]
    return _Memory(rows, kind, zeros, one, turned, turned_vector, turned_vector + heaviest)


@saved_size.register(NetworkSpec)
def _saved_size(model: Any, rows: int) -> Any:
    return _memory(model, rows).size


@kernel
def _kept(model: Any, memory: Any, saved: Any, kind: int, layer: int) -> Any:
    """Return the flat matrix (rows, padded units) that is kept of a kind and a layer, 0 for the features."""
    begin = kind * memory.kind + memory.rows * model.columns[layer]
    return saved[begin : begin + memory.rows * (model.columns[layer + 1] - model.columns[layer])]


@kernel
def _weights(model: Any, theta: Any, layer: int) -> Any:
    return theta[model.offsets[layer - 1] : model.offsets[layer] - padded_row(model.sizes[layer])]


@kernel
def _biases(model: Any, theta: Any, layer: int) -> Any:
    return theta[model.offsets[layer] - padded_row(model.sizes[layer]) : model.offsets[layer]]


@kernel
def _forward(
    model: Any, layer: int, rows: int, left: Any, weights: Any, start: Any, start_step: int, out: Any
) -> None:
    """Write ``start + left @ weights``; start is one row, or with a step a matrix, which may be out."""
    inputs, outputs = model.sizes[layer - 1], model.sizes[layer]
    wide = padded_row(inputs)
    if outputs == 1:
        multiply_vector(left, weights, start, min(start_step, 1), rows, wide, out)
    else:
        multiply(left, wide, 1, weights, start, start_step, rows, inputs, padded_row(outputs), out)


@kernel
def _turn(model: Any, layer: int, weights: Any, out: Any) -> None:
    """Write what `_backward` wants of a layer's weights. A single output's are their own transpose."""
    if model.sizes[layer] > 1:
        transpose(weights, model.sizes[layer - 1], model.sizes[layer], out)


@kernel
def _backward(
    model: Any, layer: int, rows: int, errors: Any, turned: Any, start: Any, start_step: int, out: Any
) -> None:
    """Write ``start + errors @ weights^T``; turned as `_turn` wrote it."""
    outputs, wide = model.sizes[layer], padded_row(model.sizes[layer - 1])
    if outputs == 1:
        multiply(errors, 1, 0, turned, start, start_step, rows, 1, wide, out)
    else:
        multiply(errors, padded_row(outputs), 1, turned, start, start_step, rows, outputs, wide, out)


@kernel
def _outer(
    model: Any, layer: int, rows: int, left: Any, errors: Any, start: Any, start_step: int, out: Any
) -> None:
    """Write ``start + left^T @ errors``, in the layout of the weights."""
    inputs, outputs = model.sizes[layer - 1], model.sizes[layer]
    wide = padded_row(inputs)
    if outputs == 1:
        multiply(errors, 0, 1, left, start, start_step, 1, rows, wide, out)
    else:
        multiply(left, 1, wide, errors, start, start_step, inputs, rows, padded_row(outputs), out)


@kernel
def _sum_columns(model: Any, layer: int, rows: int, errors: Any, one: Any, zeros: Any, out: Any) -> None:
    """Write the column sums of errors, in the layout of the biases."""
    if model.sizes[layer] == 1:
        total = out.dtype.type(0)
        for r in range(rows):
            total += errors[r]
        out[0] = total
    else:
        multiply(one, 0, 0, errors, zeros, 0, 1, rows, padded_row(model.sizes[layer]), out)


@kernel
def _run_forward(model: Any, memory: Any, theta: Any, rows: Any, task: int, saved: Any) -> None:
    """Compute activations, slopes and bends of one task's rows; the last layer's stay bare."""
    features = model.sizes[0]
    wide = padded_row(features)
    inputs = _kept(model, memory, saved, H, 0)
    for r in range(memory.rows):
        row, begin = rows.X[rows.index[task, r]], r * wide
        for k in range(features):
            inputs[begin + k] = row[k]
        for k in range(features, wide):
            inputs[begin + k] = 0
    layers = model.sizes.size - 1
    for layer in range(1, layers + 1):
        left, out = _kept(model, memory, saved, H, layer - 1), _kept(model, memory, saved, H, layer)
        _forward(
            model,
            layer,
            memory.rows,
            left,
            _weights(model, theta, layer),
            _biases(model, theta, layer),
            0,
            out,
        )
        if layer < layers:
            activate(
                model.activation,
                out,
                _kept(model, memory, saved, SLOPE, layer),
                _kept(model, memory, saved, BEND, layer),
            )


@kernel
def _longest(rows: Any) -> int:
    longest = 0
    for task in range(rows.count.size):
        longest = max(longest, rows.count[task])
    return longest


@loss_gradients.register(NetworkSpec)
def _loss_gradients(
    model: Any, thetas: Any, rows: Any, want_loss: bool, saved_out: Any, gradients_out: Any, losses_out: Any
) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows)).size
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task])
        saved = saved_out[task * size : (task + 1) * size]
        zeros, one = saved[memory.zeros : memory.one], saved[memory.one : memory.turned]
        for k in range(zeros.size):
            zeros[k] = 0
        one[0] = 1
        theta, gradient = thetas[task], gradients_out[task]
        _run_forward(model, memory, theta, rows, task, saved)
        z, errors = _kept(model, memory, saved, H, layers), _kept(model, memory, saved, ERROR, layers)
        outputs, step = model.sizes[layers], model.columns[layers + 1] - model.columns[layers]
        targets = rows.y[task]
        if want_loss:
            losses_out[task] = mean_loss(model.loss, z, targets, memory.rows, outputs, step)
        # The complement of a probability takes the place of the last layer's slopes, which it has none of.
        other = _kept(model, memory, saved, SLOPE, layers)
        for k in range(errors.size):
            errors[k] = 0
        loss_slopes(model.loss, z, targets, memory.rows, outputs, step, other, errors)
        for back in range(layers):
            layer = layers - back
            errors = _kept(model, memory, saved, ERROR, layer)
            left = _kept(model, memory, saved, H, layer - 1)
            _outer(model, layer, memory.rows, left, errors, zeros, 0, _weights(model, gradient, layer))
            _sum_columns(model, layer, memory.rows, errors, one, zeros, _biases(model, gradient, layer))
            if layer > 1:
                weights = _weights(model, theta, layer)
                if model.sizes[layer] > 1:
                    turned = saved[memory.turned + model.turned[layer - 1] :]
                    _turn(model, layer, weights, turned)
                    weights = turned
                below = _kept(model, memory, saved, ERROR, layer - 1)
                _backward(model, layer, memory.rows, errors, weights, zeros, 0, below)
                slopes = _kept(model, memory, saved, SLOPE, layer - 1)
                if model.activation != RELU:
                    bends = _kept(model, memory, saved, BEND, layer - 1)
                    for k in range(below.size):
                        bends[k] *= below[k]
                for k in range(below.size):
                    below[k] *= slopes[k]


@hessian_vector_products.register(NetworkSpec)
def _hessian_vector_products(
    model: Any, thetas: Any, rows: Any, saved: Any, vectors: Any, products_out: Any
) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows)).size
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task])
        part = saved[task * size : (task + 1) * size]
        zeros, one = part[memory.zeros : memory.one], part[memory.one : memory.turned]
        theta, vector, product = thetas[task], vectors[task], products_out[task]
        for layer in range(1, layers + 1):
            tangents = _kept(model, memory, part, TANGENT, layer)
            left, weights = _kept(model, memory, part, H, layer - 1), _weights(model, vector, layer)
            _forward(model, layer, memory.rows, left, weights, _biases(model, vector, layer), 0, tangents)
            if layer > 1:
                left, weights = _kept(model, memory, part, TANGENT, layer - 1), _weights(model, theta, layer)
                step = padded_row(model.sizes[layer])
                _forward(model, layer, memory.rows, left, weights, tangents, step, tangents)
            if layer < layers:
                slopes = _kept(model, memory, part, SLOPE, layer)
                if model.activation != RELU:
                    bends = _kept(model, memory, part, BEND, layer)
                    for k in range(tangents.size):
                        bends[k] *= tangents[k]
                for k in range(tangents.size):
                    tangents[k] *= slopes[k]
        outputs, step = model.sizes[layers], model.columns[layers + 1] - model.columns[layers]
        tangents = _kept(model, memory, part, TANGENT, layers)
        changes = _kept(model, memory, part, ERROR_TANGENT, layers)
        for k in range(changes.size):
            changes[k] = 0
        loss_curvature(
            model.loss,
            _kept(model, memory, part, H, layers),
            memory.rows,
            outputs,
            step,
            _kept(model, memory, part, SLOPE, layers),
            tangents,
            changes,
        )
        for back in range(layers):
            layer = layers - back
            changes = _kept(model, memory, part, ERROR_TANGENT, layer)
            errors = _kept(model, memory, part, ERROR, layer)
            out = _weights(model, product, layer)
            _outer(
                model, layer, memory.rows, _kept(model, memory, part, H, layer - 1), changes, zeros, 0, out
            )
            _sum_columns(model, layer, memory.rows, changes, one, zeros, _biases(model, product, layer))
            if layer > 1:
                left, step = _kept(model, memory, part, TANGENT, layer - 1), padded_row(model.sizes[layer])
                _outer(model, layer, memory.rows, left, errors, out, step, out)
                weights, directions = _weights(model, theta, layer), _weights(model, vector, layer)
                if model.sizes[layer] > 1:
                    weights = part[memory.turned + model.turned[layer - 1] :]
                    turned = part[memory.turned_vector :]
                    _turn(model, layer, directions, turned)
                    directions = turned
                below = _kept(model, memory, part, ERROR_TANGENT, layer - 1)
                _backward(model, layer, memory.rows, changes, weights, zeros, 0, below)
                step = padded_row(model.sizes[layer - 1])
                _backward(model, layer, memory.rows, errors, directions, below, step, below)
                slopes = _kept(model, memory, part, SLOPE, layer - 1)
                for k in range(below.size):
                    below[k] *= slopes[k]
                if model.activation != RELU:
                    bends = _kept(model, memory, part, BEND, layer - 1)
                    for k in range(below.size):
                        below[k] += bends[k]


@predict.register(NetworkSpec)
def _predict(model: Any, thetas: Any, rows: Any, scratch: Any, predictions_out: Any) -> None:
    layers, size = model.sizes.size - 1, _memory(model, _longest(rows)).size
    for task in range(rows.count.size):
        memory = _memory(model, rows.count[task])
        saved = scratch[task * size : (task + 1) * size]
        _run_forward(model, memory, thetas[task], rows, task, saved)
        z = _kept(model, memory, saved, H, layers)
        outputs, step = model.sizes[layers], model.columns[layers + 1] - model.columns[layers]
        predictions(model.loss, z, memory.rows, outputs, step, predictions_out[task])


@score.register(NetworkSpec)
def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    outputs = model.sizes[model.sizes.size - 1]
    for task in range(rows.count.size):
        scores_out[task] = mean_score(model.loss, predictions[task], rows.y[task], rows.count[task], outputs)
