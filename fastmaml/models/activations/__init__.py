"""Activations of hidden layers, with their first and second derivatives.

The contract is in `fastmaml.models.activations.contract`; each other file holds one activation. An activation
is part of the type of a network's spec: what the others do is not compiled.
"""

from fastmaml.models.activations.contract import activate, has_bends
from fastmaml.models.activations.relu import ReLU
from fastmaml.models.activations.silu import SiLU
from fastmaml.models.activations.tanh import Tanh

ACTIVATIONS = {"relu": ReLU(), "tanh": Tanh(), "silu": SiLU()}

__all__ = ["ACTIVATIONS", "ReLU", "SiLU", "Tanh", "activate", "has_bends"]
