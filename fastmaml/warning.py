"""Warnings that point to the line of the caller, however many of our own functions are in between."""

from __future__ import annotations

import sys
import warnings

# Whose frames are passed over: scikit-learn calls us and is called by us.
INSIDE = ("fastmaml", "sklearn", "contextlib")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, as from the first line outside of this package.

    Parameters
    ----------
    message : str
        What to say.
    category : type, default=UserWarning
        Of the warning.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
