"""How the tests run in several processes."""

import os

from fastmaml.runtime.together import ALONE


def pytest_configure(config):
    # Where pytest fills the cores already, a second process to compile in only does the same work again.
    if hasattr(config, "workerinput"):
        os.environ[ALONE] = "1"
