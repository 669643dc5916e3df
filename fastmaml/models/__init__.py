"""Models: what is learned.

The contract is in `fastmaml.models.contract`; each other file holds one implementation.
"""

from fastmaml.models.contract import (
    Rows,
    compiled_apart,
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
from fastmaml.models.linear import Linear
from fastmaml.models.logistic import Logistic, LogisticSpec
from fastmaml.models.mlp import MLP
from fastmaml.models.model import (
    Layered,
    Model,
    as_model,
    check_features,
    check_targets,
    entries,
    pad,
    theta_width,
    unpad,
)
from fastmaml.models.network import NetworkSpec
from fastmaml.models.single_layer import SingleLayerSpec
from fastmaml.models.softmax import Softmax

__all__ = [
    "MLP",
    "Layered",
    "Linear",
    "Logistic",
    "LogisticSpec",
    "Model",
    "NetworkSpec",
    "Rows",
    "SingleLayerSpec",
    "Softmax",
    "as_model",
    "check_features",
    "check_targets",
    "compiled_apart",
    "entries",
    "head_gradients",
    "head_products",
    "hessian_vector_products",
    "loss_gradients",
    "num_outputs",
    "num_parameters",
    "pad",
    "positions",
    "predict",
    "saved_size",
    "score",
    "theta_size",
    "theta_width",
    "unpad",
]
