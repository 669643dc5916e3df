"""Sources: where tasks come from inside the kernel.

The contract is in `fastmaml.sources.contract`; each other file holds one implementation.
"""

from fastmaml.sources.blobs import Blobs, BlobsSpec
from fastmaml.sources.contract import Picks, Requirements, draw, matrix, prepare, requirements
from fastmaml.sources.episodes import Episodes, EpisodesSpec
from fastmaml.sources.given import GivenSpec
from fastmaml.sources.linear import LinearTasks, LinearTasksSpec
from fastmaml.sources.noise import NoiseSpec
from fastmaml.sources.notebook import NotebookNoiseSpec
from fastmaml.sources.scaled import ScaledSpec
from fastmaml.sources.sinusoid import Sinusoid, SinusoidSpec
from fastmaml.sources.source import Source, as_source
from fastmaml.sources.spans import SpansSpec
from fastmaml.sources.table import Table, TableSpec, check_enough_rows, group_name

__all__ = [
    "Blobs",
    "BlobsSpec",
    "Episodes",
    "EpisodesSpec",
    "GivenSpec",
    "LinearTasks",
    "LinearTasksSpec",
    "NoiseSpec",
    "NotebookNoiseSpec",
    "Picks",
    "Requirements",
    "ScaledSpec",
    "Sinusoid",
    "SinusoidSpec",
    "Source",
    "SpansSpec",
    "Table",
    "TableSpec",
    "as_source",
    "check_enough_rows",
    "draw",
    "group_name",
    "matrix",
    "prepare",
    "requirements",
]
