"""Layers of units: where their parameters stand, what is kept of each task, and the products of one layer.

With ``H_0 = X``: ``A_l = H_{l-1} W_l + b_l``, and the last A goes into the loss (`fastmaml.models.losses`).
With D for the loss's derivative by a layer's A, the gradient has ``H_{l-1}^T D_l`` and the column sums of
D_l; dots are derivatives in a direction (V, v) of all parameters. Models are put together of these
(`fastmaml.models.single_layer`, `fastmaml.models.network`).

In theta each layer has its weights (inputs, outputs) and then its biases (outputs,), every row of them
padded with zeros to a multiple of `fastmaml.numerics.flat.ROW`; the weights of a single output lie in one
row.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastmaml.models.contract import (
    num_outputs,
    num_parameters,
    positions,
    saved_size,
    score,
    theta_size,
)
from fastmaml.models.losses import loss_curvature, loss_slopes, mean_loss, mean_score
from fastmaml.numerics.dense import multiply, multiply_vector
from fastmaml.numerics.flat import ROW, gather, padded_row
from fastmaml.runtime.compilation import kernel

# What is kept of each row and layer, in this order: activations H, slopes f', bends f'' or B * f'', errors
# D; and what a Hessian product needs: A' or H', and D'.
H, SLOPE, BEND, ERROR, TANGENT, ERROR_TANGENT, KINDS = 0, 1, 2, 3, 4, 5, 6


class Layers(NamedTuple):
    """Sizes of layers.

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
    loss : NamedTuple
        One of `fastmaml.models.losses`.
    intercept : int
        Whether the biases are parameters.
    """

    sizes: Any
    offsets: Any
    columns: Any
    turned: Any
    loss: Any
    intercept: int

    @classmethod
    def of_sizes(cls, sizes: tuple[int, ...], loss: Any, intercept: int) -> Layers:
        """Describe layers of features, hidden units and outputs."""
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
            loss=loss,
            intercept=intercept,
        )


@kernel
def is_single(layers: Any, layer: int) -> bool:
    """Tell whether this is the last layer, with a single output: its numbers are not padded."""
    return layers.columns[layer + 1] - layers.columns[layer] == 1


class Memory(NamedTuple):
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
def memory_of(layers: Any, rows: int, begin: int) -> Any:
    """Return how the memory of a task of so many rows is cut up that begins at a place."""
    depth = layers.sizes.size - 1
    widest, heaviest = 0, 0
    for layer in range(1, depth + 1):
        inputs, outputs = padded_row(layers.sizes[layer - 1]), padded_row(layers.sizes[layer])
        widest = max(widest, inputs, outputs)
        heaviest = max(heaviest, layers.turned[layer] - layers.turned[layer - 1])
    # Products with a vector are written four at a time.
    activations = padded_row(rows * layers.columns[depth + 1] + ROW)
    kind = padded_row(rows * (layers.columns[depth + 1] - layers.columns[1]) + ROW)
    zeros = begin + activations + (KINDS - 1) * kind
    one = zeros + widest
    turned = one + ROW
    turned_vector = turned + layers.turned[depth]
    size = turned_vector + heaviest - begin
    return Memory(begin, rows, activations, kind, zeros, one, turned, turned_vector, size)


@kernel
def place(layers: Any, memory: Any, kind: int, layer: int) -> int:
    """Return where the (rows, padded units) of a kind and a layer begin; layer 0 of H is the features."""
    if kind == H:
        return memory.begin + memory.rows * layers.columns[layer]
    others = memory.begin + memory.activations + (kind - 1) * memory.kind
    return others + memory.rows * (layers.columns[layer] - layers.columns[1])


@kernel
def count_of(layers: Any, memory: Any, layer: int) -> int:
    """Return how many numbers such a matrix has."""
    return memory.rows * (layers.columns[layer + 1] - layers.columns[layer])


@kernel
def biases(layers: Any, layer: int) -> int:
    """Return where a layer's biases begin; its weights begin at ``layers.offsets[layer - 1]``."""
    return layers.offsets[layer] - padded_row(layers.sizes[layer])


@kernel
def forward(
    layers: Any,
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
    inputs, outputs, rows = layers.sizes[layer - 1], layers.sizes[layer], memory.rows
    wide, high = padded_row(inputs), padded_row(outputs)
    left, out = place(layers, memory, kind, layer - 1), place(layers, memory, out_kind, layer)
    weights = vector + layers.offsets[layer - 1]
    if is_single(layers, layer):
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
def backward(
    layers: Any,
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
        layers.sizes[layer],
        padded_row(layers.sizes[layer - 1]),
        place(layers, memory, kind, layer),
    )
    row_step, inner_step = (1, 0) if is_single(layers, layer) else (padded_row(outputs), 1)
    out = place(layers, memory, out_kind, layer - 1)
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
def outer(
    layers: Any,
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
    inputs, outputs, rows = layers.sizes[layer - 1], layers.sizes[layer], memory.rows
    left, errors = place(layers, memory, kind, layer - 1), place(layers, memory, error_kind, layer)
    wide = padded_row(inputs)
    if is_single(layers, layer):
        multiply(saved, errors, 0, 1, saved, left, start, start_at, start_step, 1, rows, wide, out, out_at)
    else:
        high = padded_row(outputs)
        multiply(
            saved, left, 1, wide, saved, errors, start, start_at, start_step, inputs, rows, high, out, out_at
        )


@kernel
def sum_errors(
    layers: Any, memory: Any, layer: int, saved: Any, error_kind: int, out: Any, out_at: int
) -> None:
    """Write the column sums of errors, in the layout of the biases."""
    errors, outputs = place(layers, memory, error_kind, layer), layers.sizes[layer]
    if is_single(layers, layer):
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
def longest_of(rows: Any) -> int:
    """Return how many rows the task has that has most of them."""
    longest = 0
    for task in range(rows.count.size):
        longest = max(longest, rows.count[task])
    return longest


@kernel
def last_layer(layers: Any, memory: Any, saved: Any, kind: int) -> Any:
    """Return the last layer's flat matrix of a kind."""
    layer = layers.sizes.size - 1
    begin = place(layers, memory, kind, layer)
    return saved[begin : begin + count_of(layers, memory, layer)]


@kernel
def clear(memory: Any, saved: Any) -> None:
    """Write the zeros and the one that products begin with."""
    for k in range(memory.zeros, memory.one):
        saved[k] = 0
    saved[memory.one] = 1


@kernel
def last_errors(
    layers: Any, memory: Any, saved: Any, rows: Any, task: int, want_loss: bool, losses_out: Any
) -> None:
    """Write the last layer's errors, and the loss if it is wanted."""
    depth = layers.sizes.size - 1
    outputs, step = layers.sizes[depth], layers.columns[depth + 1] - layers.columns[depth]
    z, errors = last_layer(layers, memory, saved, H), last_layer(layers, memory, saved, ERROR)
    targets = rows.y[task]
    if want_loss:
        losses_out[task] = mean_loss(layers.loss, z, targets, memory.rows, outputs, step)
    errors[:] = 0
    # The complement of a probability takes the place of the last layer's slopes, which it has none of.
    other = last_layer(layers, memory, saved, SLOPE)
    loss_slopes(layers.loss, z, targets, memory.rows, outputs, step, other, errors)


@kernel
def layer_gradient(
    layers: Any, memory: Any, layer: int, saved: Any, error_kind: int, out: Any, out_at: int
) -> None:
    """Write the gradient of one layer's weights and biases, from its errors."""
    weights = out_at + layers.offsets[layer - 1]
    outer(layers, memory, layer, saved, H, error_kind, saved, memory.zeros, 0, out, weights)
    sum_errors(layers, memory, layer, saved, error_kind, out, out_at + biases(layers, layer))


@kernel
def change_last_errors(layers: Any, memory: Any, saved: Any) -> None:
    """Write D' of the last layer, from its A'."""
    depth = layers.sizes.size - 1
    outputs, step = layers.sizes[depth], layers.columns[depth + 1] - layers.columns[depth]
    changes = last_layer(layers, memory, saved, ERROR_TANGENT)
    changes[:] = 0
    loss_curvature(
        layers.loss,
        last_layer(layers, memory, saved, H),
        memory.rows,
        outputs,
        step,
        last_layer(layers, memory, saved, SLOPE),
        last_layer(layers, memory, saved, TANGENT),
        changes,
    )


@kernel
def gather_features(layers: Any, memory: Any, rows: Any, task: int, saved: Any) -> None:
    """Write one task's rows to where layer 1 looks for them."""
    gather(rows.X, rows.index, task * rows.index.shape[1], memory.rows, saved, place(layers, memory, H, 0))


def _num_parameters(model: Any) -> Any:
    layers, total = model.layers, 0
    for layer in range(1, layers.sizes.size):
        total += (layers.sizes[layer - 1] + layers.intercept) * layers.sizes[layer]
    return int(total)


def _positions(model: Any) -> Any:
    layers, places = model.layers, []
    for layer in range(1, layers.sizes.size):
        inputs, outputs = layers.sizes[layer - 1 : layer + 1]
        begin, end = layers.offsets[layer - 1 : layer + 1]
        row = 1 if is_single(layers, layer) else padded_row(outputs)
        places.append((begin + row * np.arange(inputs)[:, np.newaxis] + np.arange(outputs)).reshape(-1))
        if layers.intercept:
            places.append(end - padded_row(outputs) + np.arange(outputs))
    return np.concatenate(places)


def _theta_size(model: Any) -> Any:
    return model.layers.offsets[-1]


def _num_outputs(model: Any) -> Any:
    return model.layers.sizes[model.layers.sizes.size - 1]


def _saved_size(model: Any, rows: int) -> Any:
    return memory_of(model.layers, rows, 0).size


def _score(model: Any, predictions: Any, rows: Any, scores_out: Any) -> None:
    loss, outputs = model.layers.loss, model.layers.sizes[model.layers.sizes.size - 1]
    for task in range(rows.count.size):
        scores_out[task] = mean_score(loss, predictions[task], rows.y[task], rows.count[task], outputs)


def register_layers(spec_type: type) -> None:
    """Register what follows from the sizes, for specs with a field ``layers``."""
    num_parameters.register(spec_type)(_num_parameters)
    positions.register(spec_type)(_positions)
    theta_size.register(spec_type)(_theta_size)
    num_outputs.register(spec_type)(_num_outputs)
    saved_size.register(spec_type)(_saved_size)
    score.register(spec_type)(_score)
