"""The classify function: ``python -m functions.classify``. One process: a second one would hold a second model."""

from functions.classify.limits import limits
from functions.classify.start import create_app
from functions.runtime.serve import serve
from functions.runtime.start import classify_threads

if __name__ == "__main__":
    serve(create_app, classify_threads, limits)
