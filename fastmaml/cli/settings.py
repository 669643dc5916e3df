"""What a run can be told: defaults, and checks by the options' names before any work."""

from __future__ import annotations

from typing import Any, NamedTuple


class Settings(NamedTuple):
    """How to train; ``queries=None`` means all other rows, ``inner_rate=None`` the best of several."""

    epochs: int
    tasks_per_batch: int
    shots: int
    queries: int | None
    inner_rate: float | None
    outer_rate: float
    inner_steps: int
    order: int
    seed: int | None


TABLE = Settings(2_000, 32, 8, None, None, 0.01, 5, 2, 0)
NOTEBOOK = Settings(10_000, 10, 10, 10, 1e-4, 1e-4, 1, 1, None)


def chosen(defaults: Settings, given: dict[str, Any]) -> Settings:
    """Return the defaults with what was given in their place; None is not given."""
    return defaults._replace(
        **{name: given[name] for name in Settings._fields if given.get(name) is not None}
    )


def flag(name: str) -> str:
    """Spell a parameter's name as an option."""
    return f"--{name.replace('_', '-')}"


def check_settings(settings: Settings, dtype: str) -> None:
    """Refuse before any work what the model would refuse, by the options' names."""
    import numpy as np

    from fastmaml.validation import MOST_EPOCHS, MOST_STEPS, check_count, check_rate, check_seed

    for name in ("tasks_per_batch", "shots", "queries"):
        if getattr(settings, name) is not None:
            check_count(flag(name), getattr(settings, name))
    check_count("--epochs", settings.epochs, maximum=MOST_EPOCHS)
    check_count("--inner-steps", settings.inner_steps, maximum=MOST_STEPS)
    for name in ("inner_rate", "outer_rate"):
        if getattr(settings, name) is None:
            continue
        rate = check_rate(flag(name), getattr(settings, name))
        if rate > float(np.finfo(dtype).max):
            raise ValueError(f"{flag(name)} is {rate:g}, too large for {dtype}; give a smaller one")
    if settings.seed is not None:
        check_seed(settings.seed, "--seed")


def check_test_size(test_size: float) -> None:
    """Refuse a share that leaves no task on either side."""
    if not 0 < test_size < 1:
        raise ValueError(f"--test-size must be between 0 and 1, both excluded, not {test_size}")


def parse_steps(text: str) -> tuple[int, ...]:
    """Read `--steps`: different numbers of steps, in rising order."""
    from fastmaml.validation import MOST_STEPS

    return _numbers("--steps", text, "numbers of steps", "0,1,5", 0, MOST_STEPS)


def parse_shots(text: str) -> tuple[int, ...]:
    """Read several numbers of shots, in rising order."""
    from fastmaml.validation import MOST

    return _numbers("--shots", text, "numbers of rows", "1,5,10", 1, MOST)


def parse_hidden(text: str | None) -> tuple[int, ...]:
    """Read `--hidden`: the units of each hidden layer, of which there may be none."""
    from fastmaml.validation import MOST, check_count

    if text is None or not text.strip():
        return ()
    units = _parts("--hidden", text, "units of each hidden layer", "40,40")
    return tuple(check_count("--hidden", number, 1, MOST) for number in units)


def _numbers(name: str, text: str, what: str, example: str, minimum: int, maximum: int) -> tuple[int, ...]:
    from fastmaml.validation import check_count

    parts = _parts(name, text, what, example)
    return tuple(sorted({check_count(name, number, minimum, maximum) for number in parts}))


def _parts(name: str, text: str, what: str, example: str) -> list[int]:
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"{name} must be {what} with commas between, such as {example}, not {text!r}")
    return [int(part) for part in parts]
