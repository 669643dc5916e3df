"""A report's picture. Whether it can be drawn is asked before a run."""

from __future__ import annotations

import importlib
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastmaml import FewShotReport


def check_plot(path: Path | None) -> None:
    """Raise unless a picture can be drawn and has a known kind of file."""
    if path is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("--plot needs matplotlib, which is not installed; pip install 'fastmaml[plot]'")
    kinds = _figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(
            f"--plot {path} must end in one of {', '.join(f'.{kind}' for kind in sorted(kinds))}"
        )


def draw(report: FewShotReport, path: Path) -> None:
    """Draw a report into a file, which is replaced as a whole."""
    from fastmaml.writing import write_whole

    figure = _figure()
    report.plot(figure.subplots())
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower())
    write_whole(path, content.getvalue())


def _figure() -> Any:
    """Make a figure that no window shows."""
    return importlib.import_module("matplotlib.figure").Figure(layout="constrained")
