"""One connection."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from cosmoformer.errors import problem
from cosmoformer.http.parsing import RequestParser
from cosmoformer.http.problems import Refusal, RequestTooSlow, understood

if TYPE_CHECKING:
    from cosmoformer.http.server import HttpServer

_LINGER_S = 2.0
_DISCARD_BYTES = 1 << 18


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress ships without types
    """Answers a request that was refused before the application saw it."""

    def execute(self) -> None:
        body, status, headers = problem(understood(self.request.error))
        self.status = f"{status} {HTTPStatus(status).phrase}"
        self.response_headers.extend([*headers.items(), *self.channel.server.headers.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(b"" if getattr(self.request, "command", "") == "HEAD" else body)
        self.channel.refused = True


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress ships without types
    """A connection that gives up unfinished requests, and says why it refuses one.

    Attributes:
        refused: whether a request was refused, after which nothing more is read as one.
    """

    error_task_class = _ProblemTask
    server: HttpServer
    request: RequestParser | None
    will_close: bool
    close_when_flushed: bool
    refused = False
    _lingers_until = 0.0

    def parser_class(self, adj: Any) -> RequestParser:
        """A reader of the next request."""
        return RequestParser(adj, self.server)

    def held_bytes(self) -> int:
        """Memory that the bodies of its requests take."""
        return sum(request.held_bytes for request in (*self.requests, self.request) if request is not None)

    def is_idle(self) -> bool:
        """Whether it has neither a request nor an answer under way."""
        return not (self.requests or self.request is not None or self.total_outbufs_len or self._lingers_until)

    def check(self) -> None:
        """Give up a request that is late, and a connection that was kept long enough for its last answer to be read."""
        if self._lingers_until:
            self.will_close |= time.monotonic() > self._lingers_until
            return
        with self.requests_lock:
            late = self.request
            if late is None or not late.is_late():
                return
            self.request = None
            late.error = Refusal(RequestTooSlow("the request did not come to its end in time"))
            late.completed = True
            self.requests.append(late)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def readable(self) -> bool:
        """Whether to read on."""
        return bool(self._lingers_until) or bool(super().readable())

    def handle_write(self) -> None:
        """Send what there is; after a refusal close only our side, or the answer would be lost with what was not read."""
        if self.refused and self.close_when_flushed and not self.total_outbufs_len and not self._lingers_until:
            self._lingers_until = time.monotonic() + _LINGER_S
            self.close_when_flushed = False
            try:
                self.socket.shutdown(1)
            except OSError:
                self.will_close = True
        super().handle_write()

    def handle_read(self) -> None:
        """Read what there is; after a refusal, to no use."""
        if not self._lingers_until:
            super().handle_read()
            return
        try:
            self.recv(_DISCARD_BYTES)  # closes, when the client has closed
        except OSError:
            self.handle_close()
