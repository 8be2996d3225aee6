"""Requests that are nearly right: what a careless or hostile client makes of the samples in :mod:`benchmarks.routes`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

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
    "9999-12-31T23:59:60Z",
    "0001-01-01T00:00:60+23:59",
    "a/b" + ";   " * 40 + "!",
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
_REPEATED_BYTES = 5000  # a body of at most this is repeated often
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
        # Each of several mutations may do so, and thousands of thousands of long texts would fill this machine's memory.
        place[key] = [place[key]] * (rng.choice((2, 1500)) if len(request.body) < _REPEATED_BYTES else 2)
    else:
        place[key] = _other_text(rng, place[key]) if rng.random() < 0.6 else rng.choice(_ODD)
    text = json.dumps(place.get("", document) if isinstance(place, dict) else document)
    return replace(request, body=text.replace("Infinity", rng.choice(("Infinity", "1e999"))).encode())


def _other_text(rng: Random, now: Any) -> str:
    """An odd text, by itself or behind one that is right: prefixes are looked at first."""
    return (now if isinstance(now, str) and rng.random() < 0.3 else "") + rng.choice(_TEXTS)


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
