"""Sources: where tasks come from inside the kernel.

The contract is in `fastmaml.sources.contract`; each other file holds one implementation.
"""

from fastmaml.sources.contract import Picks, Requirements, draw, matrix, prepare, requirements
from fastmaml.sources.given import GivenSpec
from fastmaml.sources.noise import NoiseSpec
from fastmaml.sources.notebook import NotebookNoiseSpec
from fastmaml.sources.table import TableSpec

__all__ = [
    "GivenSpec",
    "NoiseSpec",
    "NotebookNoiseSpec",
    "Picks",
    "Requirements",
    "TableSpec",
    "draw",
    "matrix",
    "prepare",
    "requirements",
]
