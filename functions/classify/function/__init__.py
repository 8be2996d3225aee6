"""The classify function for the ``func`` CLI.

The code that the CLI generates around a function (its scaffolding) starts with ``from function import new``. Where the root is
installed as a function, ``setup.py`` installs this package under that name.
"""

from functions.classify.start import create_app
from functions.runtime.func_middleware import Function
from functions.runtime.start import classify_threads


def new() -> Function:
    """An instance of the function."""
    return Function(create_app, classify_threads)
