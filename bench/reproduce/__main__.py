"""Train what a paper trained, and print what the paper has beside what was obtained."""

import argparse
import importlib.util
from pathlib import Path

from bench.reproduce import meta_sgd, side_by_side, sine

COMMANDS = {"sine": sine, "meta-sgd": meta_sgd, "algorithms": side_by_side}


def at_least(least):
    """Return a reader of whole numbers from a least one on."""

    def read(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < least:
            raise argparse.ArgumentTypeError(f"{text!r}; give a whole number, {least} or larger")
        return number

    return read


def main(arguments=None):
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m bench.reproduce", description=__doc__)
    commands = parser.add_subparsers(metavar="NAME", dest="name", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.__doc__.splitlines()[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--seed", type=at_least(0), default=0, help="seed of training (default 0)")
        command.add_argument(
            "--epochs",
            type=at_least(1),
            default=module.EPOCHS,
            help=f"outer steps (default {module.EPOCHS:,})",
        )
        command.add_argument(
            "--tasks", type=at_least(2), default=10_000, help="fresh tasks to test on (default 10,000)"
        )
        command.add_argument("--picture", metavar="FILE", help="draw a fitted curve there (needs matplotlib)")
    given = parser.parse_args(arguments)
    if given.picture:
        # Found out now, and not after minutes of training.
        if importlib.util.find_spec("matplotlib") is None:
            parser.error("--picture needs matplotlib, which the extra `plot` brings: pip install matplotlib")
        if not Path(given.picture).absolute().parent.is_dir():
            parser.error(f"--picture: there is no folder {Path(given.picture).parent}")
    COMMANDS[given.name].run(given.seed, given.epochs, given.tasks, given.picture)


if __name__ == "__main__":
    main()
