"""Requests that are nearly right: samples of every route, and what a careless or hostile client makes of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from cosmoformer.events import cloudevents
from cosmoformer.settings import Settings
from functions.ingest import hooks

Headers = dict[str, str]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X")
_PATHS = ("%00", "%ff", "%ed%a0%80", "..", "//", "%2e%2e%2f", "a" * 3000, "%F0%9F%8C%8C", ";a=b", "%", "%zz", "~")
_PARAMETERS = ("after", "limit", "api", "x")
_HEADERS = {
    "Content-Type": (
        "",
        "a",
        "text/plain; charset=\xff",
        "application/json; charset=utf-99",
        "image/",
        "image/jpeg; q",
        ";",
    ),
    "Accept": ("", "*", "a/b;q=x", "\xff"),
    "Accept-Encoding": ("gzip;q=9", "\xe9"),
    "Content-Encoding": ("gzip", "nothing"),
    "Range": ("bytes=0-", "bytes=9-1", "x"),
    "If-None-Match": ("*", '"', "W/"),
    "If-Modified-Since": ("yesterday", "0"),
    "Cookie": ("a=b; ; =", "\xff"),
    "Authorization": ("Basic =", "Bearer ", "x"),
    "Origin": ("null", "http://elsewhere.example.org", "\xff"),
    "Host": ("", "a b", "[", "\xff"),
    "X-Forwarded-For": ("'; --", ",,,"),
    "traceparent": ("00-0-0-0", "\xff"),
}
_TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff.jpg",
    "\ufffe",
    "\u202egpj.exe",
    "é" * 600,
    "k" * 1025,
    "k" * 70_000,
    "../../etc/passwd",
    "/",
    "=cmd()",
    "<script>",
    "%00%ff",
    "🌌",
    "2026-13-45T99:99:99Z",
    "NaN",
    "9" * 5000,
)
_ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**18,
    10**30,
    -(10**400),
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    {"a": []},
)
_DEEP = 20_000
_BODIES = (
    b"",
    b"\x00",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"[" * _DEEP,
    b'{"a":' * _DEEP,
    b"9" * 6000,
    b"-1e999999",
    b'{"a": 1, "a": 2}',
    b"null",
    b'"\\ud800"',
    b"\x1f\x8b\x08\x00",
    b"GIF89a",
    b"\xff\xd8\xff\xe0",
    b"SIMPLE  =                    T",
)


@dataclass(frozen=True)
class Request:
    """One request, as a client library can send it.

    Attributes:
        method: of HTTP.
        target: path and query, percent-encoded.
        headers: by name; of Latin-1 characters.
        body: content.
    """

    method: str
    target: str
    headers: Headers = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Route:
    """A route and how it is used.

    Attributes:
        samples: requests that are right.
        finish: makes a mutated request one that gets past the door, such as by signing it.
    """

    samples: tuple[Request, ...]
    finish: Callable[[Request], Request] = lambda request: request

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.samples[0].method} {self.samples[0].target.partition('?')[0]}"


def mutated(route: Route, rng: Random) -> Request:
    """A request of a route with one to four things changed."""
    request = rng.choice(route.samples)
    for _ in range(rng.randint(1, 4)):
        request = rng.choice(_MUTATIONS)(request, rng)
    return route.finish(request)


def _method(request: Request, rng: Random) -> Request:
    return replace(request, method=rng.choice(_METHODS)) if rng.random() < 0.3 else request


def _target(request: Request, rng: Random) -> Request:
    path, _, query = request.target.partition("?")
    if rng.random() < 0.5:
        value = rng.choice((*_PATHS, "0", "-1", "9" * 5000, "1e3", "%D9%A3"))
        return replace(request, target=f"{path}?{query}&{rng.choice(_PARAMETERS)}={value}")
    return replace(request, target=f"{path.rstrip('/')}/{rng.choice(_PATHS)}?{query}")


def _header(request: Request, rng: Random) -> Request:
    headers = dict(request.headers)
    if headers and rng.random() < 0.5:
        name = rng.choice(sorted(headers))
        if rng.random() < 0.3:
            del headers[name]
        else:
            headers[name] = _header_value(rng, headers[name])
    else:
        name = rng.choice(sorted(_HEADERS))
        headers[name] = rng.choice(_HEADERS[name])
    return replace(request, headers=headers)


def _header_value(rng: Random, now: str) -> str:
    text = rng.choice((*_TEXTS, now * 2, now[: len(now) // 2], "\xff", '"quoted"', "%", "%ed%a0%80"))
    return "".join(c for c in text if c.isprintable() and ord(c) < 256)[:20_000]


def _leaf(request: Request, rng: Random) -> Request:
    """Another value somewhere in a JSON body."""
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        return _bytes(request, rng)
    place: Any = {"": document}
    key: Any = ""
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.9:
        place = place[key]
        key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
    if rng.random() < 0.15 and isinstance(place, dict) and key != "":
        del place[key]
    elif rng.random() < 0.1:
        place[key] = [place[key]] * rng.choice((2, 1500))
    else:
        place[key] = rng.choice(_TEXTS) if rng.random() < 0.6 else rng.choice(_ODD)
    return replace(request, body=json.dumps(place.get("", document) if isinstance(place, dict) else document).encode())


def _bytes(request: Request, rng: Random) -> Request:
    """Another body, or one that was cut or damaged."""
    body = bytearray(request.body)
    if not body or rng.random() < 0.4:
        return replace(request, body=rng.choice(_BODIES))
    if rng.random() < 0.3:
        return replace(request, body=bytes(body[: rng.randrange(len(body))]))
    for _ in range(rng.randint(1, 20)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return replace(request, body=bytes(body))


_MUTATIONS: tuple[Callable[[Request, Random], Request], ...] = (_method, _target, _header, _leaf, _leaf, _leaf, _bytes)


def _json(method: str, target: str, document: Any) -> Request:
    return Request(method, target, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _event(target: str, type: str, data: bytes, content_type: str = "application/json") -> tuple[Request, Request]:
    """The same event in binary and in structured mode."""
    event = cloudevents.new(type=type, source="/fuzz", data=data, content_type=content_type, id="1", subject="a.jpg")
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
        Route(_event("/dead-letters", "com.amazonaws.s3.ObjectCreated:Put", data)),
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
    return [Route(events), Route((Request("POST", "/", {"Content-Type": "image/jpeg"}, picture),)), *_probes()]


def broker() -> list[Route]:
    """Every route of the broker of one machine."""
    gets = [Route((Request("GET", path),)) for path in ("/health", "/queue", "/set-aside")]
    return [Route(_event("/", "org.example.fuzz", b'{"a": 1}')), *gets, Route((Request("DELETE", "/set-aside/1"),))]


def page() -> list[Route]:
    """Some files of the page."""
    return [Route((Request("GET", path),)) for path in ("/", "/config.json", "/results.css")]
