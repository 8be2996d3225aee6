"""The classify function over HTTP: a CloudEvent or an image in, a reply event or a result out."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from datetime import UTC, datetime

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from cosmoformer import logs, tracing
from cosmoformer.errors import CosmoFormerError, InvalidEvent, problem
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.models.registry import ModelIdentity, Registry
from cosmoformer.settings import Settings
from cosmoformer.storage.facts import Origin
from cosmoformer.storage.results import Result
from functions.classify import inference, metrics, sender
from functions.classify.handler import Handler
from functions.classify.limits import most_bytes, read_body, too_large_body
from functions.classify.replies import is_picture
from functions.classify.serving import ModelServing
from functions.runtime.start import BACKGROUND, READINESS
from functions.runtime.store_gate import StoreGate

log = logging.getLogger(__name__)


def build_app(settings: Settings, handler: Handler, serving: ModelServing, gate: StoreGate) -> Flask:
    """The WSGI application around a handler."""
    tracing.collect(settings.otel_exporter_otlp_endpoint, "cosmoformer-classify")
    app = Flask(__name__, static_folder=None)
    app.extensions[BACKGROUND] = (serving, gate, handler.judgements, handler.features)

    app.register_blueprint(inference.routes(settings, handler, serving, gate))

    @app.post("/")
    def _classify() -> Response:
        return _answer(settings, handler)

    @app.route("/", methods=["OPTIONS"])
    def _options() -> Response:
        return Response(status=204, headers={"Allow": "POST, OPTIONS"})

    @app.get("/health/liveness")
    def _liveness() -> Response:
        handler.check_alive()
        return Response("alive\n", mimetype="text/plain")

    @app.get(READINESS)
    def _readiness() -> Response:
        gate.check()
        served = serving.current()
        return Response(f"ready with model version {served.version.version}\n", mimetype="text/plain")

    @app.get("/metrics")
    def _metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @app.before_request
    def _bind() -> None:
        g.bound = ExitStack()
        if not request.path.startswith(("/health", "/metrics", "/v2/health")):
            g.bound.enter_context(
                tracing.span(f"classify {request.method} {request.url_rule or ''}", dict(request.headers))
            )
        g.bound.enter_context(logs.bound(event_id=request.headers.get("ce-id")))
        g.bound.enter_context(sender.told_by(request.environ.get("waitress.client_disconnected")))

    @app.teardown_request
    def _unbind(_: BaseException | None) -> None:
        if bound := g.pop("bound", None):
            bound.close()

    @app.errorhandler(CosmoFormerError)
    def _problem(error: CosmoFormerError) -> Response:
        if (
            request.path != READINESS
        ):  # what is missing at the start is logged where it is found out, not at every probe
            metrics.FAILURES.count(type(error).__name__)
            log.warning("not handled", extra={"problem": str(error), "status": error.status})
        body, status, headers = problem(error, event_id=logs.bound_value("event_id"))
        return Response(body, status, headers)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:  # unknown path, wrong method
        body, _, headers = problem(
            CosmoFormerError(error.description or error.name), title=error.name, status=error.code
        )
        allow = {name: value for name, value in error.get_headers() if name == "Allow"}
        return Response(body, error.code, headers | allow)

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.exception("unexpected error")
        metrics.FAILURES.count("unexpected")
        body, status, headers = problem(CosmoFormerError(f"unexpected {type(error).__name__}: {error}"))
        return Response(body, status, headers)

    return app


def _answer(settings: Settings, handler: Handler) -> Response:
    origin = Origin(None, None, None, datetime.now(UTC))
    size = request.content_length or 0
    if not cloudevents.is_event(headers := dict(request.headers)):
        _check_bare_type()
        if size > settings.max_image_bytes:
            return _bare(handler.reject_unread(size, origin))
        return _bare(handler.judge_bytes(read_body(settings), origin, request.args))
    reply = _answer_event(settings, handler, headers, size)
    if reply is None:
        return Response(status=202)
    reply_headers, body = cloudevents.to_binary(reply)
    return Response(body, 200, reply_headers)


def _answer_event(settings: Settings, handler: Handler, headers: dict[str, str], size: int) -> Event | None:
    if cloudevents.is_binary(headers):  # whether it is an event comes before whether it fits
        event = cloudevents.parse(headers, b"")
        if size > settings.max_image_bytes and is_picture(event.content_type):
            return handler.reject_event_unread(event, size)
    if size > most_bytes(settings):
        raise too_large_body(f"{size:,}", settings)
    event = cloudevents.parse(headers, read_body(settings))
    logs.bind(event_id=event.id, key=event.subject)
    tracing.follow(event.attributes)
    return handler.handle(event)


def _check_bare_type() -> None:
    content_type = (request.content_type or "").lower()
    if is_picture(content_type) or content_type.startswith(
        ("application/octet-stream", "application/x-www-form-urlencoded")
    ):
        return  # the last is what curl --data-binary says of anything
    if not content_type and request.content_length:
        return
    raise InvalidEvent(
        "expected a CloudEvent (ce-* headers, or content type application/cloudevents+json) or an image, "
        f"got {content_type or 'nothing'}",
        "Send a picture with its content type, such as image/jpeg",
    )


def _bare(result: Result) -> Response:
    return Response(json.dumps(result, ensure_ascii=False), 200, mimetype="application/json")


def champion(registry: Registry, settings: Settings) -> ModelIdentity | None:
    """The model that the alias names now; None while that cannot be told."""
    try:
        return registry.resolve(settings.model_alias).identity
    except CosmoFormerError:
        return None
