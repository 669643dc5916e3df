"""The program: its commands, its exit codes, and its errors of one line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from fastmaml.cli.adapt import adapt
from fastmaml.cli.compare import compare
from fastmaml.cli.evaluate import evaluate
from fastmaml.cli.info import info
from fastmaml.cli.predict import predict
from fastmaml.cli.show import show
from fastmaml.cli.train import train

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130  # exit codes
# Typer has carried its own copy of click since 0.26; the base of either's errors is reached by a public name.
ClickError: Any = typer.BadParameter.__mro__[2]
MISTAKES: Any = (ClickError, ValueError, TypeError)
FAILURES = (OSError, ArithmeticError, MemoryError)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, evaluate, adapt, predict, compare, show, info):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Meta-learning for small models, compiled: learn from many small tasks how to adapt to a new one."""
    if version:
        from fastmaml.version import __version__

        typer.echo(f"fastmaml {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the arguments of the process, and return its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _complain("warning", message)
        try:
            status = app(args=arguments, prog_name="fastmaml", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            status = INTERRUPTED
        except MISTAKES as error:
            _complain("error", error)
            return MISTAKE
        except BrokenPipeError:
            # Who reads the results has had enough. What is left in the buffer must go somewhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except FAILURES as error:
            _complain("error", error)
            return FAILED
    if status == INTERRUPTED:
        typer.echo("interrupted", err=True)
    return int(status or 0)


def _complain(kind: str, problem: Any) -> None:
    """Print an error or a warning as one line on stderr."""
    message = problem.format_message() if isinstance(problem, ClickError) else str(problem)
    context = getattr(problem, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context is not None else ""
    typer.echo(f"{kind}: {' '.join(message.split()) or type(problem).__name__}{hint}", err=True)
