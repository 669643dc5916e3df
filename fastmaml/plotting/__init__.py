"""Pictures, in the manner of scikit-learn's displays: ``from_...`` draws at once, `plot` draws once more.

They need matplotlib, which ``pip install 'fastmaml[plot]'`` brings, and know reports and estimators by their
public attributes alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastmaml.plotting.adaptation import AdaptationDisplay
    from fastmaml.plotting.adaptation_curve import AdaptationCurveDisplay
    from fastmaml.plotting.gain import GainDisplay
    from fastmaml.plotting.inner_rates import InnerRatesDisplay
    from fastmaml.plotting.learning_curve import LearningCurveDisplay
    from fastmaml.plotting.shots import ShotsDisplay

__all__ = [
    "AdaptationCurveDisplay",
    "AdaptationDisplay",
    "GainDisplay",
    "InnerRatesDisplay",
    "LearningCurveDisplay",
    "ShotsDisplay",
]

_HOMES = {
    "AdaptationCurveDisplay": "adaptation_curve",
    "AdaptationDisplay": "adaptation",
    "GainDisplay": "gain",
    "InnerRatesDisplay": "inner_rates",
    "LearningCurveDisplay": "learning_curve",
    "ShotsDisplay": "shots",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
