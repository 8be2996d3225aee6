"""What the broker and the activator share of HTTP/1.1: bodies, answers, one error shape, and a graceful stop."""

from __future__ import annotations

import json
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from cosmoformer.errors import CosmoFormerError, InvalidRequest, PermanentError, TooLarge, problem

_log = logging.getLogger(__name__)
_DRAIN_S = 2.0


class NoSuchPath(PermanentError):
    """Nothing is served under this path."""

    status = 404
    title = "No such path"


class MethodNotAllowed(PermanentError):
    """The path is served, but not with this method."""

    status = 405
    title = "Method not allowed"


class LocalServer(ThreadingHTTPServer):
    """One thread per connection, which is enough for one machine, and a count of the requests under way."""

    daemon_threads = True
    block_on_close = False  # idle keep-alive connections would hold up the end
    request_queue_size = 256  # the listen backlog: a burst of uploads opens many connections at once

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        self._under_way = 0
        self._changed = threading.Condition()
        self.stopping = False
        super().__init__(address, handler)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request for `drain`."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def stop(self, deadline_s: float) -> bool:
        """Take no more connections and wait for the requests under way; whether all of them ended in time."""
        self.stopping = True
        self.shutdown()
        self.server_close()
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, deadline_s)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what a handler raised; a client that hung up is no news."""
        error = sys.exc_info()[1]
        level = logging.DEBUG if isinstance(error, ConnectionError | TimeoutError) else logging.ERROR
        _log.log(level, "request from %s failed", client_address, exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """Answers requests by `answer`, which subclasses write; errors raised in it become problem JSON."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for a delayed ACK
    wbufsize = 1 << 16  # headers and a small body leave in one packet
    timeout = 75  # seconds an idle keep-alive connection may stay
    body_limit: ClassVar[int] = 64 << 20
    server: LocalServer

    def answer(self, body: bytes) -> None:
        """Answer the request; its method, path and headers are attributes."""
        raise NotImplementedError

    def send(self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send an answer with its length."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.server.stopping or self.close_connection:
            self.send_header("Connection", "close")
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def send_json(self, members: object, status: int = 200) -> None:
        """Send a JSON answer."""
        self.send(status, json.dumps(members).encode(), [("Content-Type", "application/json")])

    def send_problem(self, error: CosmoFormerError, **extra: object) -> None:
        """Send an error as problem details."""
        body, status, headers = problem(error, **extra)
        self.send(status, body, headers.items())

    def log_message(self, format: str, *args: object) -> None:
        """Log a request."""
        _log.debug(format, *args)

    def _handle(self) -> None:
        with self.server.under_way():
            try:
                body = self._read_body()
            except CosmoFormerError as error:
                self.close_connection = True  # where the next request starts is not known
                self.send_problem(error)
                self._drain()
                return
            try:
                self.answer(body)
            except CosmoFormerError as error:
                self.send_problem(error)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            raise InvalidRequest(f"header Content-Length: expected a number, got {length[:20]!r}")
        self._check_length(int(length))
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise InvalidRequest(f"the body ends after {len(body)} bytes, Content-Length announced {length}")
        return body

    def _chunks(self) -> Iterator[bytes]:
        """Decode the chunked transfer coding (RFC 9112, section 7.1)."""
        total = 0
        while size := self._chunk_size():
            total += size
            self._check_length(total)
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers are of no use here

    def _chunk_size(self) -> int:
        line = self.rfile.readline(1024)
        try:
            return int(line.split(b";")[0], 16)
        except ValueError:
            raise InvalidRequest(f"chunked body: expected a chunk size, got {line[:20]!r}") from None

    def _check_length(self, length: int) -> None:
        if length > self.body_limit:
            raise TooLarge(f"the body has {length} bytes or more, the limit is {self.body_limit}")

    def _drain(self) -> None:
        """Read on for a moment: closing with unread data resets the connection, and the client never sees why."""
        deadline = time.monotonic() + _DRAIN_S
        self.connection.settimeout(_DRAIN_S)
        self.connection.shutdown(socket.SHUT_WR)
        while time.monotonic() < deadline and self.rfile.read1(1 << 16):
            pass


def serve_until_signalled(server: LocalServer) -> None:
    """Serve until SIGTERM or SIGINT; `LocalServer.stop` is the caller's to call then."""
    signalled = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: signalled.set())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="http", daemon=True).start()
    signalled.wait()
