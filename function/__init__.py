"""The classify function for the ``func`` CLI.

The code that the CLI generates around a function (its scaffolding) starts with ``from function import new``: hence the name of
this package, and its place beside ``func.yaml``. It is not installed with CosmoFormer, where nothing needs it; see ``setup.py``.
"""

from functions.classify.start import create_app
from functions.func_middleware import Function
from functions.start import classify_threads


def new() -> Function:
    """An instance of the function."""
    return Function(create_app, classify_threads)
