"""Every route of every server, with requests that are right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any

from benchmarks.mutations import Request, Route
from cosmoformer.events import cloudevents
from cosmoformer.settings import Settings
from functions.ingest import hooks

_FAILURE = {"knativeerrordest": "http://classify", "knativeerrorcode": "503", "knativeerrordata": "YXdheQ=="}


def _json(method: str, target: str, document: Any) -> Request:
    return Request(method, target, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _event(
    target: str, type: str, data: bytes, content_type: str = "application/json", **extensions: Any
) -> tuple[Request, Request]:
    """The same event in binary and in structured mode."""
    event = cloudevents.new(
        type=type, source="/fuzz", data=data, content_type=content_type, id="1", subject="a.jpg", **extensions
    )
    requests = []
    for encode in (cloudevents.to_binary, cloudevents.to_structured):
        headers, body = encode(event)
        requests.append(Request("POST", target, dict(headers), body))
    return requests[0], requests[1]


def _record(settings: Settings, source: str = "ceph:s3") -> dict[str, Any]:
    place = {"bucket": {"name": settings.images_bucket}, "object": {"key": "a/b.jpg", "eTag": "0", "size": 1}}
    return {"eventSource": source, "eventName": "ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00Z", "s3": place}


def ingest(settings: Settings) -> list[Route]:
    """Every route of ingest."""
    records = {"Records": [_record(settings)]}
    minio = {
        "EventName": "s3:ObjectCreated:Put",
        "Key": f"{settings.images_bucket}/a.jpg",
        "Records": [_record(settings, "minio:s3")],
    }
    bridge = {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "id": "1",
        "detail": {"bucket": {"name": settings.images_bucket}, "object": {"key": "a.jpg"}},
    }
    data = json.dumps(records).encode()
    file = {"name": "a.jpg", "type": "image/jpeg", "size": 10}
    batch = "upload-20260101T000000Z-" + "0" * 32
    hook = {
        "entity": "model_version_alias",
        "action": "created",
        "data": {"name": settings.model_name, "alias": "champion", "version": "1"},
    }
    return [
        Route(
            (
                *(_json("POST", "/", body) for body in (records, minio, bridge)),
                *_event("/", "com.amazonaws.s3.ObjectCreated:Put", data),
            )
        ),
        Route(
            (
                _json("POST", "/uploads", {"files": [file, file]}),
                _json("POST", "/uploads", {"files": [file], "batch": batch}),
            )
        ),
        Route((Request("GET", "/uploads/20260101T000000Z-" + "0" * 32 + "?limit=10&after=a"),)),
        Route(
            (
                _json(
                    "POST",
                    "/sweep",
                    {"prefix": "", "dry_run": True, "deep": False, "min_age_s": 1, "again": "rejected"},
                ),
            )
        ),
        Route(_event("/dead-letters", "com.amazonaws.s3.ObjectCreated:Put", data, **_FAILURE)),
        Route(_event("/dead-letters/by-model/hue", "com.amazonaws.s3.ObjectCreated:Put", data, **_FAILURE)),
        Route((Request("GET", "/dead-letters?limit=10&after=a"),)),
        Route((_json("POST", "/dead-letters/replay", {"keys": ["dead-letters/a"]}),)),
        Route(
            (_json("POST", "/hooks/mlflow", hook),), lambda request: _signed(request, settings.mlflow_webhook_secret)
        ),
        *_probes(),
    ]


def _signed(request: Request, secret: str) -> Request:
    stamp = str(int(time.time()))
    mac = hmac.new(secret.encode(), f"d.{stamp}.".encode() + request.body, hashlib.sha256).digest()
    signature = {
        hooks.DELIVERY_ID: "d",
        hooks.TIMESTAMP: stamp,
        hooks.SIGNATURE: f"v1,{base64.b64encode(mac).decode()}",
    }
    return replace(request, headers=request.headers | signature)


def _probes() -> list[Route]:
    return [Route((Request("GET", path),)) for path in ("/health/liveness", "/health/readiness", "/metrics")]


def classify(settings: Settings, picture: bytes) -> list[Route]:
    """Every route of classify, or of the activator in front of it."""
    data = json.dumps({"Records": [_record(settings)]}).encode()
    events = (
        *_event("/", "com.amazonaws.s3.ObjectCreated:Put", data),
        *_event("/", cloudevents.IMAGE, picture, "image/jpeg"),
        *_event("/", cloudevents.ALIAS_MOVED, b'{"name": "cosmoformer", "alias": "champion", "version": "1"}'),
    )
    bare = Request("POST", "/", {"Content-Type": "image/jpeg"}, picture)
    return [Route(events), Route((bare,)), Route((_inference(settings, picture),)), *_probes()]


def _inference(settings: Settings, picture: bytes) -> Request:
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(picture).decode()]}
    body = json.dumps({"id": "1", "inputs": [image], "outputs": [{"name": "class"}]}).encode()
    return Request("POST", f"/v2/models/{settings.model_name}/infer", {"Content-Type": "application/json"}, body)


def broker() -> list[Route]:
    """Every route of the broker of one machine."""
    gets = [Route((Request("GET", path),)) for path in ("/health", "/queue", "/set-aside")]
    return [Route(_event("/", "org.example.fuzz", b'{"a": 1}')), *gets, Route((Request("DELETE", "/set-aside/1"),))]


def page() -> list[Route]:
    """Some files of the page."""
    return [Route((Request("GET", path),)) for path in ("/", "/config.json", "/results.css")]
