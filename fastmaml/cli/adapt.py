"""`fastmaml adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fastmaml.cli.models import read_model
from fastmaml.cli.options import OUTPUT, Json, ModelFile, option
from fastmaml.cli.output import say, say_json, written
from fastmaml.cli.paths import check_outputs

Support = Annotated[
    Path, typer.Argument(metavar="SUPPORT", help="A .csv, .tsv or .parquet file of one group's rows.")
]
Out = Annotated[Path, option("--out", "Write the adapted model to this file (required)", OUTPUT, "FILE")]
InnerSteps = Annotated[
    int | None, option("--steps", "Steps of adapting (default as in training)", "Adapting", min=0)
]


def adapt(model: ModelFile, support: Support, out: Out, steps: InnerSteps = None, json: Json = False) -> None:
    """Adapt a model to the rows of one new group.

    The rows have the columns of training, the target among them; the
    group column may be left out.

    For example:

      fastmaml adapt model.fastmaml support.csv --out adapted.fastmaml
    """
    from fastmaml.arrays import counted
    from fastmaml.validation import MOST_STEPS, check_count

    if steps is not None:
        check_count("--steps", steps, 0, MOST_STEPS)
    check_outputs({"--out": out}, [model, support])
    estimator = read_model(model)
    columns = estimator.columns_
    table = columns.read(support, ["target"])
    if len(table.group_values) > 1:
        raise ValueError(
            f"{support} has rows of {len(table.group_values)} groups in column {columns.group!r}; give the "
            "rows of one"
        )
    try:
        adapted = estimator.adapt(columns.encode(table), table.y, steps)
    except FloatingPointError as error:
        raise FloatingPointError(f"{error}; or give fewer --steps") from None
    adapted.save(out)
    taken = estimator._steps(steps)
    group = None if not len(table.group_values) else table.group_values.tolist()[0]
    if json:
        say_json(
            {
                "command": "adapt",
                "settings": {"model": model, "support": support, "out": out, "steps": taken},
                "rows": table.num_rows,
                "group": group,
            }
        )
        return
    of_group = "" if group is None else f" of {group!r}"
    say(f"adapted  to {counted(table.num_rows, 'row')}{of_group} in {counted(taken, 'step')}")
    written("model", out)
