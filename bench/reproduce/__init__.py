"""Published numbers, one command each: ``python -m bench.reproduce --help``."""
