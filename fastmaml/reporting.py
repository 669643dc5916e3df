"""What a person sees while a run goes on: the notebook's lines, a bar, or nothing."""

from __future__ import annotations

from typing import Any, Self

DASHES = "-" * 33


class Silence:
    """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def epochs(self, done: int) -> None:
        """Take note of how many epochs are done."""

    def loss(self, epoch: int, loss: float) -> None:
        """Take note of the loss of one epoch."""


class NotebookLines(Silence):
    """Print what the notebook prints."""

    def loss(self, epoch: int, loss: float) -> None:
        """Print the notebook's lines for one epoch."""
        print(f"Epoch {epoch}: Loss {loss}\n")
        print("Updated Model Parameter Theta\n")
        print("Sampling Next Batch of Tasks \n")
        print(f"{DASHES}\n")


class ProgressBar(Silence):
    """Show a bar on standard error, in a terminal or in a notebook.

    Parameters
    ----------
    total : int
        Epochs of the run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: Any = None

    def __enter__(self) -> Self:
        from tqdm.auto import tqdm  # A bar is wanted by few, and takes its time to load.

        self._bar = tqdm(total=self._total, unit="epoch", unit_scale=True, desc="training")
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def epochs(self, done: int) -> None:
        """Move the bar."""
        self._bar.update(done - self._bar.n)

    def loss(self, epoch: int, loss: float) -> None:
        """Show the loss beside the bar."""
        self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
