"""What all routes of ingest have in common: who may ask, how errors are told, what log lines say."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from cosmoformer import logs, tracing
from cosmoformer.errors import CosmoFormerError, NotAllowed, TransientError, problem
from cosmoformer.http.wsgi import check_name
from cosmoformer.settings import Settings
from functions.ingest import metrics
from functions.runtime.start import OWN_MACHINE, READINESS

log = logging.getLogger(__name__)
_PREFLIGHT_S = 600
UPLOADS = "/uploads"  # and below: the only path that pages, and on a cluster the outside, may ask for


def bind_logs(app: Flask) -> None:
    """Have log lines tell the path of their request."""

    @app.before_request
    def _begin() -> None:
        g.bound = ExitStack()
        g.bound.enter_context(logs.bound(path=request.path))
        if not request.path.startswith(("/health", "/metrics")):
            g.bound.enter_context(
                tracing.span(f"ingest {request.method} {request.url_rule or ''}", dict(request.headers))
            )

    @app.teardown_request
    def _end(_: BaseException | None) -> None:
        g.bound.close()


def guard_origins(app: Flask, settings: Settings) -> None:
    """Answers browsers: only pages of ``PAGE_ORIGINS`` may ask, and only for what concerns uploads.

    Whatever else comes from a page comes from a stranger's page: nobody but browsers sends ``Origin``. A page whose name leads to
    this machine sends none, but its own name as ``Host``.
    """

    def for_pages() -> bool:
        return request.path == UPLOADS or request.path.startswith(f"{UPLOADS}/")

    @app.before_request
    def _refuse_strangers() -> None:
        origin = request.headers.get("Origin")
        if origin and (origin not in settings.page_origins or not for_pages()):
            raise NotAllowed(f"pages of {origin[:100]} may not ask for {request.path}", "PAGE_ORIGINS lists who may")
        if app.config.get(OWN_MACHINE) and not for_pages():
            check_name(request)

    @app.after_request
    def _allow(response: Response) -> Response:
        if for_pages():
            response.headers["Vary"] = "Origin"
            response.headers["Cache-Control"] = "no-store"  # addresses expire
            if request.headers.get("Origin") in settings.page_origins:
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers["Access-Control-Allow-Methods"] = "GET, POST"
                response.headers["Access-Control-Allow-Headers"] = "Content-Type"
                response.headers["Access-Control-Expose-Headers"] = "Retry-After"
                response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        return response


def shape_errors(app: Flask) -> None:
    """Have every error answered as problem details, counted and logged."""

    @app.errorhandler(CosmoFormerError)
    def _expected(error: CosmoFormerError) -> Response:
        if (
            request.path != READINESS
        ):  # what is missing at the start is logged where it is found out, not at every probe
            metrics.FAILURES.count(type(error).__name__)
            level = logging.ERROR if isinstance(error, TransientError) else logging.WARNING
            log.log(level, "refused: %s", error, extra={"problem": type(error).__name__, "status": error.status})
        return Response(*problem(error))

    @app.errorhandler(HTTPException)
    def _by_flask(error: HTTPException) -> Response:  # unknown path, wrong method, too large
        code = error.code or 500
        log.warning("refused: %s", error.name, extra={"method": request.method, "status": code})
        stated = CosmoFormerError(f"{request.method} {request.path}: {error.description}")
        body, _, headers = problem(stated, title=error.name, status=code)
        allow = {name: value for name, value in error.get_headers() if name == "Allow"}
        return Response(body, code, headers | allow)

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        metrics.FAILURES.count("unexpected")
        log.exception("unexpected error")
        return Response(*problem(CosmoFormerError(f"unexpected {type(error).__name__}", "The log tells more")))
