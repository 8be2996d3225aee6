"""The ingest function for the ``func`` CLI, whose generated code starts with ``from function import new``."""

from functions.ingest.app import create_app
from functions.runtime.func_middleware import Function
from functions.runtime.start import INGEST_THREADS


def new() -> Function:
    """An instance of the function."""
    return Function(create_app, lambda _: INGEST_THREADS)
