"""The command line: `fastmaml train`, `evaluate`, `adapt`, `predict`, `compare`, `show`, `info`.

Results go to stdout, progress and warnings to stderr. What goes wrong is one line on stderr. The exit code is
0 where all is well, 2 where the command or a file that it was given is wrong, 1 where a run could not be
finished, and 130 after Ctrl-C. Everything but typer loads when a command needs it: `--help` is quick, the
default job needs no scikit-learn.
"""

from fastmaml.cli.program import app, main

__all__ = ["app", "main"]
