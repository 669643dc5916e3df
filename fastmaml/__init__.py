"""fastmaml: meta-learning of small models with compiled kernels."""

from fastmaml.evaluation import Evaluation
from fastmaml.notebook import MAML, AdaptedModel, sample_points
from fastmaml.tasks import TaskSet
from fastmaml.version import __version__

__all__ = ["MAML", "AdaptedModel", "Evaluation", "TaskSet", "__version__", "sample_points"]
