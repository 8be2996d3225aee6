"""The ingest function for the ``func`` CLI, whose generated code starts with ``from function import new``."""

from cosmoformer.memory import use_one_arena
from functions.ingest.app import create_app
from functions.runtime.func_middleware import Function
from functions.runtime.start import INGEST_THREADS


def new() -> Function:
    """An instance of the function."""
    use_one_arena()
    return Function(create_app, lambda _: INGEST_THREADS)
