"""The ingest function: ``python -m functions.ingest``. One process, so that one sweep runs at a time and metrics are whole."""

from cosmoformer.memory import use_one_arena
from functions.ingest.app import create_app
from functions.ingest.limits import limits
from functions.runtime.serve import serve
from functions.runtime.start import INGEST_THREADS

if __name__ == "__main__":
    use_one_arena()
    serve(create_app, lambda _: INGEST_THREADS, limits)
