"""fastmaml: meta-learning of small models with compiled kernels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastmaml.version import __version__

if TYPE_CHECKING:
    from fastmaml.evaluation import Evaluation
    from fastmaml.notebook import MAML, AdaptedModel, sample_points
    from fastmaml.tasks import TaskSet

__all__ = ["MAML", "AdaptedModel", "Evaluation", "TaskSet", "__version__", "sample_points"]

# Loaded on first use: the compiler takes half a second to import, and `fastmaml --help` needs none of it.
_HOMES = {
    "AdaptedModel": "fastmaml.notebook",
    "Evaluation": "fastmaml.evaluation",
    "MAML": "fastmaml.notebook",
    "TaskSet": "fastmaml.tasks",
    "sample_points": "fastmaml.notebook",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
