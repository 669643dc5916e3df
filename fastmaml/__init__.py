"""fastmaml: meta-learning of small models with compiled kernels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastmaml.version import __version__

if TYPE_CHECKING:
    from fastmaml import algorithms, models, optimizers, sources
    from fastmaml.adapted import AdaptedModel
    from fastmaml.estimators import FewShotScorer, MAMLClassifier, MAMLRegressor, few_shot_score, load
    from fastmaml.evaluation import FewShotReport, evaluate
    from fastmaml.gradient_check import check_gradients
    from fastmaml.meta_learning import meta_gradient, meta_train
    from fastmaml.notebook import MAML, sample_points
    from fastmaml.task_summary import TaskSummary
    from fastmaml.tasks import TaskSet

__all__ = [
    "MAML",
    "AdaptedModel",
    "FewShotReport",
    "FewShotScorer",
    "MAMLClassifier",
    "MAMLRegressor",
    "TaskSet",
    "TaskSummary",
    "__version__",
    "algorithms",
    "check_gradients",
    "evaluate",
    "few_shot_score",
    "load",
    "meta_gradient",
    "meta_train",
    "models",
    "optimizers",
    "sample_points",
    "sources",
]

# Loaded on first use: the compiler takes half a second to import, and `fastmaml --help` needs none of it.
_HOMES = {
    "AdaptedModel": "fastmaml.adapted",
    "FewShotReport": "fastmaml.evaluation",
    "FewShotScorer": "fastmaml.estimators",
    "MAML": "fastmaml.notebook",
    "MAMLClassifier": "fastmaml.estimators",
    "MAMLRegressor": "fastmaml.estimators",
    "TaskSet": "fastmaml.tasks",
    "TaskSummary": "fastmaml.task_summary",
    "check_gradients": "fastmaml.gradient_check",
    "evaluate": "fastmaml.evaluation",
    "few_shot_score": "fastmaml.estimators",
    "load": "fastmaml.estimators",
    "meta_gradient": "fastmaml.meta_learning",
    "meta_train": "fastmaml.meta_learning",
    "sample_points": "fastmaml.notebook",
}
_PACKAGES = ("algorithms", "models", "optimizers", "sources")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"fastmaml.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
