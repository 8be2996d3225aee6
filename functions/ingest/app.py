"""The ingest function over HTTP.

| request | what it does | answer |
| --- | --- | --- |
| ``POST /`` | a store's notification: announces each new image to the broker | 202 once the broker has them all |
| ``HEAD /``, ``OPTIONS /`` | probes of MinIO and of CloudEvents senders | 200 |
| ``POST /uploads`` | addresses for uploads of the page, new and renewed (docs/uploads.md) | 200, JSON |
| ``GET /uploads/<show>`` | what stands in the results bucket of a batch (``after``, ``limit``) | 200, JSON |
| ``GET /uploads/<show>/features`` | where the feature vectors of its images stand (``model``, ``after``, ``limit``) | 200, JSON |
| ``POST /uploads/<show>/explanations`` | has one of its images explained | 202, JSON: where the explanation will stand |
| ``POST /sweep`` | announces images without a result; also by a PingSource's event | 200, JSON; 202 for an event |
| ``POST /dead-letters`` | keeps an event that could not be delivered; below it, ``/by-model/<name>``: to a further model | 202 |
| ``GET /dead-letters`` | kept events (``after``, ``limit``) | 200, JSON |
| ``POST /dead-letters/replay`` | sends kept events again | 200, JSON |
| ``POST /hooks/mlflow`` | MLflow's webhook | 202 |
| ``GET /health/liveness``, ``/health/readiness``, ``/metrics`` | probes, Prometheus | 200 |

A new object never makes ingest ask the store or any address that the notification names: it may be running inside the
uploader's PUT. What it does not announce (other buckets, other prefixes, deletions, test messages) it answers with 202 all the
same, since a store would only send it again.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cosmoformer import logs, strict_json, tracing
from cosmoformer.errors import (
    InvalidRequest,
    UnsupportedEvent,
)
from cosmoformer.events import cloudevents, notifications
from cosmoformer.events.dead_letters import DeadLetter, DeadLetters
from cosmoformer.served_models import dead_letters_path
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import can_be_listed
from cosmoformer.storage.store import Store
from functions.ingest import hooks, metrics
from functions.ingest.announce import Broker, is_image
from functions.ingest.answers import UPLOADS, bind_logs, guard_origins, shape_errors
from functions.ingest.batches import MOST, Batches
from functions.ingest.catch_up import CatchUp
from functions.ingest.explanations import Explanations
from functions.ingest.limits import REQUEST_BYTES, letter_bytes
from functions.ingest.sweep import Sweeper
from functions.ingest.sweep_options import read_options
from functions.ingest.uploads import Uploads
from functions.runtime.start import BACKGROUND, READINESS
from functions.runtime.store_gate import StoreGate

log = logging.getLogger(__name__)

_MOST_LETTERS = 1000


def create_app(settings: Settings) -> Flask:
    """The WSGI application; neither store nor broker has to answer yet."""
    tracing.collect(settings.otel_exporter_otlp_endpoint, "cosmoformer-ingest")
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = REQUEST_BYTES
    store = Store(settings)
    gate = StoreGate(settings, store, needed=("k_sink",))
    gate.start()
    ingest = _Ingest(settings, store, gate)
    ingest.catch_up.start()
    app.extensions[BACKGROUND] = (gate, ingest.catch_up)
    rules = {
        "/": ("POST", ingest.take_notification),
        UPLOADS: ("POST", ingest.prepare_uploads),
        "/sweep": ("POST", ingest.sweep),
        dead_letters_path(): ("POST", ingest.keep_dead_letter),
        "/dead-letters/replay": ("POST", ingest.replay_dead_letters),
        "/hooks/mlflow": ("POST", ingest.take_webhook),
        READINESS: ("GET", ingest.tell_readiness),
        "/health/liveness": ("GET", lambda: Response("alive\n", mimetype="text/plain")),
        "/metrics": ("GET", lambda: Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)),
    }
    for path, (method, view) in rules.items():
        app.add_url_rule(path, f"{method} {path}", view, methods=[method])
    app.add_url_rule("/", "HEAD /", lambda: Response(), methods=["HEAD"])
    app.add_url_rule(f"{UPLOADS}/<show>", "GET batch", ingest.open_batch, methods=["GET"])
    app.add_url_rule(f"{UPLOADS}/<show>/features", "GET features", ingest.list_features, methods=["GET"])
    app.add_url_rule(f"{UPLOADS}/<show>/explanations", "POST explanation", ingest.explain, methods=["POST"])
    app.add_url_rule(dead_letters_path("<model>"), "POST letter of a model", ingest.keep_dead_letter, methods=["POST"])
    app.add_url_rule("/dead-letters", "GET /dead-letters", ingest.list_dead_letters, methods=["GET"])
    bind_logs(app)
    guard_origins(app, settings)
    shape_errors(app)
    return app


class _Ingest:
    """What each route does."""

    def __init__(self, settings: Settings, store: Store, gate: StoreGate) -> None:
        self._settings, self._gate = settings, gate
        self._broker = Broker(settings)
        self._uploads = Uploads(settings)
        self._batches = Batches(settings, store, self._uploads.presigner)
        self._explanations = Explanations(settings, store, self._broker, self._uploads.presigner)
        self._sweeper = Sweeper(settings, store, self._broker)
        self.catch_up = CatchUp(settings, gate, self._broker, self._sweeper)
        self._letters = DeadLetters(store)

    def take_notification(self) -> Response:
        if not cloudevents.is_event(_headers()):
            return self._announce(notifications.read(_json_body()))
        event = _event()
        if event.type == cloudevents.SWEEP_PING:
            return self._sweep_by_ping(event)
        return self._announce(notifications.read_event(event))

    def _announce(self, found: list[notifications.ObjectCreated]) -> Response:
        images = [
            created for created in found if any(is_image(self._settings, created.bucket, key) for key in created.keys)
        ]
        for created in found:
            logs.bind(key=created.key, event_id=created.id)
            metrics.NOTIFICATIONS.count(created.store, "announced" if created in images else "foreign")
            if created not in images:
                log.info("not an image of this system", extra={"bucket": created.bucket})
        self.catch_up.announce(images)
        return Response(status=202)

    def prepare_uploads(self) -> Response:
        return _json(self._uploads.prepare(_json_body()))

    def open_batch(self, show: str) -> Response:
        return _json(self._batches.page(show, _after(), _limit(MOST, "200")))

    def list_features(self, show: str) -> Response:
        return _json(self._batches.features(show, request.args.get("model", ""), _after(), _limit(MOST, "1000")))

    def explain(self, show: str) -> Response:
        return _json(self._explanations.ask(show, _json_body()), 202)

    def sweep(self) -> Response:
        if not cloudevents.is_event(_headers()):
            return _json(self._sweeper.sweep(read_options(self._settings, _json_body(empty={}))))
        event = _event()
        if event.type != cloudevents.SWEEP_PING:
            raise UnsupportedEvent(
                f"events of type {event.type!r} start no sweep", f"Send {cloudevents.SWEEP_PING}, or JSON"
            )
        return self._sweep_by_ping(event)

    def _sweep_by_ping(self, event: cloudevents.Event) -> Response:
        self._sweeper.sweep_by_ping(event)
        return Response(status=202)

    def keep_dead_letter(self, model: str = "") -> Response:
        request.max_content_length = letter_bytes(self._settings)
        event = _event()
        key = self._letters.keep(event, model)
        metrics.DEAD_LETTERS.count("kept")
        log.warning("dead letter kept", extra={"dead_letter": key, "type": event.type})
        return Response(status=202)

    def list_dead_letters(self) -> Response:
        letters, following = self._letters.page(_after(), _limit(_MOST_LETTERS, "100"))
        return _json({"dead_letters": [_summary(letter) for letter in letters], "next": following})

    def replay_dead_letters(self) -> Response:
        body = _json_body()
        keys = body.get("keys") if isinstance(body, dict) else None
        everything = isinstance(body, dict) and body.get("all") is True
        listed = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if everything == listed:
            raise InvalidRequest("expected which dead letters to replay", 'Send {"keys": ["…"]} or {"all": true}')
        outcome = self._letters.replay(self._broker.send, None if everything else keys)
        metrics.DEAD_LETTERS.count("replayed", times=outcome.replayed)
        return _json({"replayed": outcome.replayed, "missing": outcome.missing})

    def take_webhook(self) -> Response:
        body = request.get_data()
        hooks.verify(self._settings.mlflow_webhook_secret, _headers(), body, time.time())
        event = hooks.alias_event(self._settings, request.headers[hooks.DELIVERY_ID], body)
        metrics.WEBHOOKS.count("announced" if event else "ignored")
        if event:
            logs.bind(event_id=event.id, subject=event.subject)
            self._broker.send(event)
            log.info("alias moved")
        return Response(status=202)

    def tell_readiness(self) -> Response:
        self._gate.check()
        return Response("ready\n", mimetype="text/plain")


def _summary(letter: DeadLetter) -> dict[str, Any]:
    """A letter without its event's data."""
    return {
        "key": letter.key,
        "event": dict(letter.event.attributes),
        "error": {"dest": letter.dest, "code": letter.code, "data": letter.answer},
        "received": letter.received,
    }


def _headers() -> dict[str, str]:
    return dict(request.headers.items())


def _event() -> cloudevents.Event:
    """The CloudEvent in the request, from here on named in the logs."""
    event = cloudevents.parse(_headers(), request.get_data())
    logs.bind(event_id=event.id, key=event.subject)
    tracing.follow(event.attributes)
    return event


def _json_body(empty: Any = None) -> Any:
    """The request's JSON, whatever its content type says: stores and curl are careless there."""
    body = request.get_data()
    if not body and empty is not None:
        return empty
    try:
        return strict_json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"expected JSON, got {len(body)} bytes that are none: {error}") from None


def _after() -> str:
    """Where a page begins: the parameter ``after``."""
    after = request.args.get("after", "")
    if not can_be_listed(after):
        raise InvalidRequest(f"after must be the key that the page before ended with, got {after[:20]!r}")
    return after


def _limit(most: int, usual: str) -> int:
    """How many entries a page may have: the parameter ``limit``."""
    limit = request.args.get("limit", usual)
    if not (limit.isascii() and limit.isdecimal() and 1 <= len(limit) <= 4 and 1 <= int(limit) <= most):
        raise InvalidRequest(f"limit must be a whole number from 1 to {most}, got {limit[:20]!r}")
    return int(limit)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
