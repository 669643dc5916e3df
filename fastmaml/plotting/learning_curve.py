"""The loss in training, and the score on tasks held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fastmaml.arrays import shown
from fastmaml.plotting.style import BLUE, VERMILLION, finish, name_of, new_axes, set_title

# With more points than these, none is marked.
MOST_MARKS = 40


class LearningCurveDisplay:
    """The loss of training by epoch, and the score on tasks held out.

    Make it with `from_estimator` or `from_run`.

    Parameters
    ----------
    name : str
        What has learned.
    epochs : ndarray of shape (points,)
        Epochs.
    losses : ndarray of shape (points,)
        The loss at each of them.
    validation_scores : ndarray of shape (points,), optional
        The score on tasks held out, larger is better; an accuracy as a share.
    classifies : bool, default=False
        Whether the score is an accuracy; if not, it is minus a mean squared error.
    unit : {"epoch", "iteration"}, default="epoch"
        What is counted.

    Attributes
    ----------
    ax_ : matplotlib axes
        Where the loss is.
    score_ax_ : matplotlib axes or None
        Where the score is.
    figure_ : matplotlib figure
        The figure of them.
    """

    ax_: Any
    score_ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        name: str,
        epochs: np.ndarray,
        losses: np.ndarray,
        validation_scores: np.ndarray | None = None,
        classifies: bool = False,
        unit: str = "epoch",
    ) -> None:
        self.name, self.epochs, self.losses = name, epochs, losses
        self.validation_scores, self.classifies, self.unit = validation_scores, classifies, unit

    @classmethod
    def from_estimator(cls, estimator: Any, ax: Any = None) -> Self:
        """Draw how an estimator learned in its last `fit`.

        Parameters
        ----------
        estimator : MAMLClassifier or MAMLRegressor
            A fitted one.
        ax : matplotlib axes or sequence of two, optional
            As `plot` has it.

        Returns
        -------
        LearningCurveDisplay

        Raises
        ------
        TypeError, ValueError
            If there is no loss curve.
        ImportError
            If matplotlib is not installed.
        """
        losses = getattr(estimator, "loss_curve_", None)
        if losses is None or isinstance(estimator, type):
            raise TypeError(
                f"estimator is {shown(estimator)}, which has no loss_curve_; give a fitted MAMLClassifier or "
                "MAMLRegressor, or draw what meta_train returned with from_run"
            )
        count, done, every = len(losses), int(estimator.n_iter_), int(estimator.log_every)
        if count > done:  # L-BFGS, from the loss before its first iteration.
            epochs, unit = np.arange(count), "iteration"
        elif count in (done // every, -(-done // every)) and count > 0:
            epochs, unit = np.minimum(every * np.arange(1, count + 1), done), "epoch"
        else:
            raise ValueError(
                f"loss_curve_ has {count} entries for {done} epochs with log_every={every}: partial_fit "
                "keeps those of its last call alone, and a fit that Ctrl-C ended may have none; fit anew"
            )
        scores = getattr(estimator, "validation_scores_", None)
        return cls(
            name=type(estimator).__name__,
            epochs=epochs,
            losses=np.array(losses, dtype=np.float64),
            validation_scores=None if scores is None else np.array(scores, dtype=np.float64),
            classifies=hasattr(estimator, "classes_"),
            unit=unit,
        ).plot(ax)

    @classmethod
    def from_run(cls, run: Any, ax: Any = None) -> Self:
        """Draw how a run of `fastmaml.meta_train`, or a `fastmaml.MAML`, learned.

        Parameters
        ----------
        run : MetaLearned or MAML
            A trained one.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        LearningCurveDisplay

        Raises
        ------
        TypeError, ValueError
            If there is no history.
        ImportError
            If matplotlib is not installed.
        """
        history = getattr(run, "history", getattr(run, "history_", None))
        if not isinstance(history, Sequence) or isinstance(run, type):
            raise TypeError(
                f"run is {shown(run)}, which has no history; give what meta_train returned, or draw an "
                "estimator with from_estimator"
            )
        if not history:
            raise ValueError("the run's history is empty; train for an epoch or more")
        epochs, losses = zip(*history, strict=True)
        return cls(
            name=name_of(run),
            epochs=np.array(epochs),
            losses=np.array(losses, dtype=np.float64),
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes or sequence of two, optional
            Where to draw: the loss in the first, the score in the second. Where there is one for both, the
            score has a scale of its own at the right. Default: a new figure, the score below the loss.

        Returns
        -------
        self
        """
        losses_in, scores_in = self._axes(ax)
        marked = len(self.epochs) <= MOST_MARKS
        ylabel = "loss" if self.unit == "iteration" else "mean query loss"
        losses_in.plot(
            self.epochs, self.losses, color=BLUE, marker="o" if marked else "", markersize=4, label="loss"
        )
        losses_in.set_ylabel(f"{ylabel}\nin training", color="black" if scores_in is None else BLUE)
        finish(losses_in)
        below = losses_in
        if scores_in is not None and self.validation_scores is not None:
            values = 100 * self.validation_scores if self.classifies else -self.validation_scores
            scores_in.plot(
                self.epochs,
                values,
                color=VERMILLION,
                linestyle="--",
                marker="s" if marked else "",
                markersize=4,
                label="score",
            )
            label = "accuracy (%)" if self.classifies else "mean squared error"
            scores_in.set_ylabel(f"{label}\non tasks held out", color=VERMILLION)
            if isinstance(ax, (Sequence, np.ndarray)) or ax is None:
                finish(scores_in)
                below = scores_in
            else:
                scores_in.spines["top"].set_visible(False)
        below.set_xlabel(self.unit)
        if below is not losses_in and not losses_in.get_shared_x_axes().joined(losses_in, below):
            losses_in.set_xlabel(self.unit)
        set_title(losses_in, f"Training of {self.name}")
        self.ax_, self.score_ax_, self.figure_ = losses_in, scores_in, losses_in.get_figure()
        return self

    def _axes(self, ax: Any) -> tuple[Any, Any]:
        """Return axes for the losses, and for the scores where there are any."""
        both = self.validation_scores is not None
        if isinstance(ax, (Sequence, np.ndarray)):
            if len(ax) != 2:
                raise ValueError(f"ax has {len(ax)} axes; give one, or two: for the loss and for the score")
            return ax[0], ax[1] if both else None
        if ax is None and both:
            upper, lower = new_axes(None, rows=2)
            return upper, lower
        own = new_axes(ax)
        return own, own.twinx() if both else None
