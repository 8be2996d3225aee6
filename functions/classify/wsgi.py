"""Start of the classify function: ``gunicorn -c functions/classify/gunicorn.conf.py functions.classify.wsgi:app``."""

from __future__ import annotations

from functions.classify.start import create_app
from functions.runtime.start import read_settings

app = create_app(read_settings())
