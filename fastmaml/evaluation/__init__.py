"""Does it help? Evaluation on tasks never seen in training, beside what is simpler.

`evaluate` adapts to some rows of each task and scores its other rows, `FewShotReport` is what it returns.
"""

from fastmaml.evaluation.evaluate import evaluate
from fastmaml.evaluation.report import FewShotReport

__all__ = ["FewShotReport", "evaluate"]
