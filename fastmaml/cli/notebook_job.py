"""`fastmaml train` without a file: the teaching notebook's job."""

from __future__ import annotations

import re
import time
from typing import Any

from fastmaml.cli.output import say, say_json
from fastmaml.cli.settings import Settings


def train_on_noise(settings: Settings, run: dict[str, Any], described: dict[str, Any], json: bool) -> None:
    """Train on tasks whose labels are coin flips, and say how that went.

    Parameters
    ----------
    settings : Settings
        How to train.
    run : dict
        Threads, precision and progress, as `MAML` has them.
    described : dict
        All settings of the run by name.
    json : bool
        Whether to print JSON.
    """
    from fastmaml import MAML

    assert settings.inner_rate is not None
    # The model has the notebook's names for the settings.
    model = MAML(
        num_tasks=settings.tasks_per_batch,
        num_samples=settings.shots,
        epochs=settings.epochs,
        alpha=settings.inner_rate,
        beta=settings.outer_rate,
        query_samples=settings.queries,
        inner_steps=settings.inner_steps,
        order=settings.order,
        random_state=settings.seed,
        **run,
    )
    start = time.perf_counter()
    try:
        model.train()
    except FloatingPointError as error:
        # The options have other names, and no model is kept here.
        message = re.sub(r"\balpha\b", "--inner-rate", re.sub(r"\bbeta\b", "--outer-rate", str(error)))
        message = message.replace("theta as it was before that epoch is kept; ", "")
        raise FloatingPointError(message) from None
    seconds = time.perf_counter() - start
    if json:
        say_json(
            {
                "command": "train",
                "settings": described,
                "seconds": {"training": seconds},
                "training": {"epochs": model.epochs, "loss": model.loss_},
            }
        )
        return
    say(f"trained  {model.epochs:,} epochs of {model.num_tasks:,} tasks in {seconds:.2f} s")
    say(f"loss     {model.loss_:{'.4f' if model.loss_ < 1e6 else '.4g'}} in the last epoch")
    say("note     these labels are coin flips and cannot be learned: ln 2 = 0.693 is the floor of the")
    say("         expected loss; fastmaml train FILE learns from real tasks")
