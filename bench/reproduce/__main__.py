"""The command line: ``python -m bench.reproduce NAME [--seed N] [--epochs N] [--picture FILE]``."""

import argparse

from bench.reproduce import sine

COMMANDS = {"sine": sine.run}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.reproduce", description=__doc__)
    parser.add_argument("name", choices=COMMANDS, help="what to reproduce")
    parser.add_argument("--seed", type=int, default=0, help="seed of training (default 0)")
    parser.add_argument(
        "--epochs", type=int, default=70_000, help="outer steps (default 70,000, the papers')"
    )
    parser.add_argument("--tasks", type=int, default=10_000, help="fresh tasks to test on (default 10,000)")
    parser.add_argument("--picture", metavar="FILE", help="draw a fitted curve there (needs matplotlib)")
    given = parser.parse_args()
    COMMANDS[given.name](given.seed, given.epochs, given.tasks, given.picture)


if __name__ == "__main__":
    main()
