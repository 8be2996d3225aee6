"""Start of the ingest function: ``gunicorn -c functions/ingest/gunicorn.conf.py functions.ingest.wsgi:app``."""

from __future__ import annotations

from cosmoformer import logs, settings
from functions.ingest.app import create_app

_settings = settings.load()
logs.configure(_settings.log_level)
app = create_app(_settings)
