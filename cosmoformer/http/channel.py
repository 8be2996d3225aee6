"""One connection."""

from __future__ import annotations

import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from cosmoformer.errors import CosmoFormerError, problem
from cosmoformer.http.parsing import RequestParser
from cosmoformer.http.problems import RequestTooSlow, understood

if TYPE_CHECKING:
    from cosmoformer.http.server import HttpServer

_LINGER_S, _LONGEST_LINGER_S = 2.0, 20.0
_DISCARD_BYTES = 1 << 18
_AHEAD_BYTES = 1 << 16
_SILENT_S = 1.0


class _Task(WSGITask):  # type: ignore[misc]  # waitress ships without types
    """Has the application answer a request."""

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:  # so that the client sends nothing more on this connection
            self.set_close_on_finish()
        return bytes(super().build_response_header())


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress ships without types
    """Answers a request that was refused before the application saw it."""

    def execute(self) -> None:
        body, status, headers = problem(understood(self.request.error))
        self.status = f"{status} {HTTPStatus(status).phrase}"
        self.response_headers.extend([*headers.items(), *self.channel.server.headers.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(b"" if self.request.command == "HEAD" else body)
        self.channel.refused = True


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress ships without types
    """A connection that reads one request at a time, gives up unfinished ones, and says why it refuses one.

    Attributes:
        refused: whether a request was refused, after which nothing more is read as one.
    """

    task_class = _Task
    error_task_class = _ProblemTask
    server: HttpServer
    request: RequestParser | None
    connected: bool
    will_close: bool
    close_when_flushed: bool
    sent_continue: bool
    refused = False

    def __init__(self, *given: Any, **named: Any) -> None:
        self._ahead = b""  # of requests behind the one that is answered now
        self._lingers_until = self._linger_end = 0.0
        self._owes_since = 0.0
        self._owed = 0
        super().__init__(*given, **named)
        self.heard = time.monotonic()

    def parser_class(self, adj: Any) -> RequestParser:
        """A reader of the next request."""
        return RequestParser(adj, self.server)

    def held_bytes(self) -> int:
        """Memory that the bodies of its requests and its answers take."""
        requests = (*self.requests, self.request)
        bodies: int = sum(request.held_bytes for request in requests if request is not None)
        return bodies + int(self.total_outbufs_len)

    def holds_in_vain(self) -> bool:
        """Whether the body of a request takes memory and comes slowly, or not at all."""
        if self.request is None or not self.request.held_bytes:
            return False
        silent_s = time.monotonic() - self.heard
        return silent_s > _SILENT_S or self.request.pace() < self.server.limits.slowest_bytes_per_s

    def is_busy(self) -> bool:
        """Whether a request is being answered, or an answer sent."""
        return bool(self.requests or self.total_outbufs_len or self._lingers_until or self.close_when_flushed)

    def received(self, data: bytes) -> bool:
        """Take what came. Parsed at once, a few kilobytes can be thousands of requests, whose answers nobody needs to read."""
        self.heard = time.monotonic()
        self._ahead += data
        self.go_on()
        return True

    def go_on(self) -> None:
        """Read what is there up to the end of one request, unless one is being answered; called by the loop alone."""
        while self._ahead and not self.is_busy() and not self.will_close:
            with self.requests_lock:
                self._read()

    def _read(self) -> None:
        request = self.request = self.request or self.parser_class(self.adj)
        self._ahead = self._ahead[request.received(self._ahead) :]
        if request.expect_continue and request.headers_finished and not self.sent_continue:
            self.send_continue()
        if request.completed:
            self.request, self.sent_continue = None, False
            if not request.empty:
                self._answer(request)

    def send_continue(self) -> None:
        """Tell the client that its body may come; the loop sends it."""
        assert self.request is not None
        self.request.expect_continue = False
        said = b"HTTP/1.1 100 Continue\r\n\r\n"
        with self.outbuf_lock:
            self.outbufs[-1].append(said)
            self.current_outbuf_count += len(said)
            self.total_outbufs_len += len(said)
            self.sent_continue = True
        self.request.completed = False

    def refuse(self, error: CosmoFormerError) -> None:
        """Answer the request that is coming in with an error."""
        with self.requests_lock:
            request = self.request
            if request is None or self.requests or self.will_close or self.close_when_flushed:
                return
            self.request, self._ahead = None, b""
            request.refuse(error)
            self._answer(request)

    def _answer(self, request: RequestParser) -> None:
        self.requests.append(request)
        self.server.add_task(self)

    def check(self) -> None:
        """Give up what is late: a request, the reading of an answer, a connection without any; called once a second."""
        if self.request is not None and self.request.is_late():
            self.refuse(RequestTooSlow("the request did not come to its end in time"))
        elif self._is_over():
            self.handle_close()

    def _is_over(self) -> bool:
        now, limits = time.monotonic(), self.server.limits
        if self._lingers_until:
            return now > self._lingers_until
        if self.total_outbufs_len and not self.requests:
            self._owes_since, self._owed = self._owes_since or now, self._owed or int(self.total_outbufs_len)
            return now - self._owes_since > limits.patience_s(self._owed)
        self._owes_since, self._owed = 0.0, 0
        return self.request is None and not self.is_busy() and now - self.heard > limits.idle_s

    def readable(self) -> bool:
        """Whether to read on; while a request is answered too, so that it is noticed when the client leaves."""
        if not self.connected:  # closed in this turn of the loop: the next connection gets the socket's number
            return False
        if self._lingers_until:
            return True
        self.go_on()
        return not (self.will_close or self.close_when_flushed or len(self._ahead) >= _AHEAD_BYTES)

    def writable(self) -> bool:
        """Whether there is anything to send, or a connection to close."""
        return bool(self.connected and super().writable())

    def handle_write(self) -> None:
        """Send what there is; after a refusal close only our side, or the answer would be lost with what was not read."""
        if self.refused and self.close_when_flushed and not self.total_outbufs_len and not self._lingers_until:
            self._linger_end = time.monotonic() + _LONGEST_LINGER_S
            self._lingers_until = time.monotonic() + _LINGER_S
            self.close_when_flushed = False
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.will_close = True
        super().handle_write()

    def handle_read(self) -> None:
        """Read what there is; after a refusal, to no use."""
        if not self._lingers_until:
            super().handle_read()
            return
        self._lingers_until = min(time.monotonic() + _LINGER_S, self._linger_end)
        try:
            self.recv(_DISCARD_BYTES)  # closes, when the client has closed
        except OSError:
            self.handle_close()
