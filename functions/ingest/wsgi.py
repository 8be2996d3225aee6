"""Start of the ingest function: ``gunicorn -c functions/ingest/gunicorn.conf.py functions.ingest.wsgi:app``."""

from __future__ import annotations

from functions.ingest.app import create_app
from functions.runtime.start import read_settings

app = create_app(read_settings())
