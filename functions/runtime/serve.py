"""A function as its image and ``cosmoformer up`` serve it: one process, whose start-up is the function's own."""

from __future__ import annotations

import os
from collections.abc import Callable

from flask import Flask

from cosmoformer.http.server import HttpServer, Limits, serve_until_signalled
from cosmoformer.http.wsgi import is_loopback
from cosmoformer.settings import Settings
from functions.runtime.start import OWN_MACHINE, read_settings, stop_background

_GRACE_S = 20.0  # to finish what was accepted after SIGTERM


def serve(
    create_app: Callable[[Settings], Flask], threads: Callable[[Settings], int], limits: Callable[[Settings], Limits]
) -> None:
    """Serve a function at ``HOST`` and ``PORT`` until SIGTERM or SIGINT.

    Args:
        create_app: makes the WSGI application; connections wait meanwhile.
        threads: requests at once.
        limits: what the server takes.

    Raises:
        SystemExit: a setting is malformed, which one log line has told.
        SettingsError: the port is taken.
    """
    settings = read_settings()
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    server = HttpServer(None, host, port, threads(settings), limits(settings))
    app = create_app(settings)
    app.config[OWN_MACHINE] = is_loopback(host)
    server.application = app
    serve_until_signalled(server)
    server.stop(_GRACE_S)
    stop_background(app)
