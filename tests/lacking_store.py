"""A real store behind a proxy that refuses what some stores lack or forbid, in their own words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Refusal:
    """An answer of a store: HTTP status, code and message (Amazon S3 API reference, "Error responses")."""

    status: int
    code: str
    message: str = ""

    def body(self) -> bytes:
        """Its XML."""
        return f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>".encode()


#: Method, path and headers of a request -> what it is refused with, or None for what the store itself answers.
Rule = Callable[[str, str, HTTPMessage], Refusal | None]


@dataclass
class LackingStore:
    """The proxy: its address, and the requests that it refused."""

    url: str
    refused: list[str] = field(default_factory=list)


def no_conditions(method: str, path: str, headers: HTTPMessage) -> Refusal | None:
    """A store that knows no conditional writes."""
    conditional = method == "PUT" and (headers["If-Match"] or headers["If-None-Match"])
    message = "A header you provided implies functionality that is not implemented"
    return Refusal(501, "NotImplemented", message) if conditional else None


def refusing(method: str, part: str, refusal: Refusal) -> Rule:
    """Requests of a method whose path holds some text are refused."""
    return lambda asked, path, _: refusal if asked == method and part in path else None


@contextmanager
def lacking_store(endpoint_url: str, rule: Rule) -> Iterator[LackingStore]:
    """The proxy in front of a store. Signatures hold: they are for the proxy's address, which the store is shown."""
    with urllib3.PoolManager(retries=False) as pool:
        options = {"pool": pool, "target": endpoint_url, "rule": staticmethod(rule)}
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Proxy,), options))
        server.daemon_threads = True
        server.block_on_close = False
        store = LackingStore(f"http://127.0.0.1:{server.server_port}")
        server.RequestHandlerClass.store = store  # type: ignore[attr-defined]  # of the class made here
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pool: urllib3.PoolManager
    target: str
    rule: Rule
    store: LackingStore

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        refusal = self.rule(self.command, self.path, self.headers)
        if refusal:
            self.store.refused.append(f"{self.command} {self.path}")
            self._answer(refusal.status, {"Content-Type": "application/xml"}, refusal.body())
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        answer: Any = self.pool.request(
            self.command, self.target + self.path, headers=headers, body=body, decode_content=False, redirect=False
        )
        self._answer(answer.status, dict(answer.headers), answer.data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_OPTIONS = _pass_on  # noqa: N815 (the base class's names)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in (*_HOP, "content-length"):
                self.send_header(name, value)
        size = headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", size or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
