"""A function as Knative's Python middleware (``func-python``) serves it: an object around the function's WSGI application.

Every request is handed to the very application that our own server has, so whatever is decided (statuses, results, replies,
rejections, what a probe is told) is decided by the same code. Left to the middleware, and so different from our own server:

- A probe that fails is answered 500 instead of 503. Kubernetes tells neither from the other.
- With ``invoke: cloudevent`` the middleware parses the event first. It refuses what is none with a 400 of its own, so bare
  pictures, ``/metrics`` and OPTIONS do not get here, and a batch with a 500. It reads a body of any size. A structured event
  without ``id`` or ``specversion`` is given them, and nothing shows that afterwards; in binary mode the headers still do.
- With ``invoke: http`` everything gets here as it came.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http
from flask import Flask
from werkzeug.wrappers import Response

from cosmoformer.settings import Settings
from functions.runtime.start import READINESS, read_settings, stop_background

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Function:
    """What ``new()`` gives to the middleware.

    Args:
        create_app: makes the WSGI application.
        threads: how many requests it handles at once.
    """

    def __init__(self, create_app: Callable[[Settings], Flask], threads: Callable[[Settings], int]) -> None:
        self._create_app, self._threads = create_app, threads
        self._app: Flask | None = None
        self._pool: ThreadPoolExecutor | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Make the application; its model loads meanwhile.

        Raises:
            SystemExit: a setting is malformed, which one log line has told.
        """
        settings = read_settings(environment)
        self._pool = ThreadPoolExecutor(self._threads(settings), thread_name_prefix="request")
        self._app = self._create_app(settings)

    def stop(self) -> None:
        """Finish the requests under way and end what runs in the background."""
        stop_background(self._app)
        if self._pool is not None:
            self._pool.shutdown()

    def alive(self) -> tuple[bool, str]:
        """Whether the process still gets through its requests, and what the probe says."""
        return self._probe("/health/liveness")

    def ready(self) -> tuple[bool, str]:
        """Whether requests may come, and what the probe says."""
        return self._probe(READINESS)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request in a thread of its own, so that the probes are answered meanwhile."""
        loop = asyncio.get_running_loop()
        event = scope.get("event")
        body = _Body(receive, loop) if event is None else io.BytesIO(_event_body(scope, event))
        answer = await loop.run_in_executor(self._pool, self._answer, _environ(scope, body))
        raw_send = getattr(send, "http", send)  # the application has put events into HTTP itself
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await raw_send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await raw_send({"type": "http.response.body", "body": answer.get_data()})

    def _probe(self, path: str) -> tuple[bool, str]:
        """Ask on the event loop: probes look at memory only, and must not wait behind requests."""
        if self._app is None:
            return False, "not started"
        scope = {"method": "GET", "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
        answer = self._answer(_environ(scope, io.BytesIO()))
        return answer.status_code == 200, answer.get_data(as_text=True)

    def _answer(self, environ: dict[str, Any]) -> Response:
        assert self._app is not None, "the middleware starts a function before it handles requests"
        return Response.from_app(self._app, environ, buffered=True)


class _Body(io.RawIOBase):
    """A request's body, read by a thread of the application as it comes, so that the application decides how much is read."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive, self._loop = receive, loop
        self._rest, self._more = b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._more and not self._rest:
            message = asyncio.run_coroutine_threadsafe(_awaited(self._receive), self._loop).result()
            self._rest = message.get("body", b"")
            self._more = message.get("more_body", False)  # a message that the sender has gone has neither
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


async def _awaited(receive: Receive) -> Message:
    return await receive()


def _environ(scope: Mapping[str, Any], body: io.RawIOBase | io.BytesIO) -> dict[str, Any]:
    """A WSGI environment (PEP 3333) of an ASGI request."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "",
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,  # it ends by itself, also when its length was not told
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    if isinstance(body, io.BytesIO):
        environ["CONTENT_LENGTH"] = str(len(body.getbuffer()))
    return environ


def _event_body(scope: Scope, event: BaseCloudEvent) -> bytes:
    """The body of an event that the middleware has read already, as nearly as it came as its parsed form tells."""
    if any(name.lower().startswith(b"ce-") for name, _ in scope["headers"]):  # binary: attributes are in the headers
        return _data_bytes(event.get_data())
    attributes = event.get_attributes()
    time = attributes.get("time")
    if time is not None and time.tzinfo is UTC:  # invented by the parser: times that it reads have dateutil's UTC
        del attributes["time"]
    return http.to_structured_event(event).body


def _data_bytes(data: Any) -> bytes:
    if data is None or isinstance(data, bytes):
        return data or b""
    # JSON that is malformed is a str, too: it stays malformed.
    return data.encode() if isinstance(data, str) else json.dumps(data, ensure_ascii=False).encode()
