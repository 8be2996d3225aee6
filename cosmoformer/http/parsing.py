"""One request as it comes in: what frames its body, and how large and how late it may be."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from waitress import utilities
from waitress.parser import HTTPRequestParser, ParsingError

from cosmoformer.errors import CosmoFormerError, InvalidRequest, Overloaded, TooLarge
from cosmoformer.http.problems import Refusal

if TYPE_CHECKING:
    from cosmoformer.http.server import HttpServer

_TRANSFER_ENCODING = re.compile(rb"(?im)^transfer-encoding[ \t]*:(.*?)\r?$")
_CONTENT_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:")
_VERSIONS = ("1.0", "1.1")
_CHUNK_LINE_BYTES = 1024
_TRAILER_BYTES = 8192
_SMALL_BYTES = 1 << 16  # bodies up to this size are not counted against those of all together


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress ships without types
    """Reads one request.

    Attributes:
        held_bytes: memory that its body takes, or will take as its length says.
        unread: whether its body is left unread, since it is over the limit and the application wants to judge by the length.
    """

    completed: bool
    error: utilities.Error | None
    body_rcv: Any
    chunked: bool
    content_length: int
    body_bytes_received: int

    def __init__(self, adj: Any, server: HttpServer) -> None:
        super().__init__(adj)
        self._server = server
        self._began = time.monotonic()
        self.held_bytes = 0
        self.unread = False

    def received(self, data: bytes) -> int:
        """Take some bytes; how many of them belong to this request."""
        try:
            consumed = int(super().received(data))
        except ValueError as error:  # numbers of thousands of digits, hosts that are none
            self._refuse(InvalidRequest(f"the request cannot be read: {error}"))
            return len(data)
        if self.body_rcv is not None and self.error is None:
            self._bound_body()
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers.

        Raises:
            ParsingError: they are malformed, or leave open where the body ends (RFC 9112, section 6.3).
        """
        codings = [coding.strip(b" \t").lower() for coding in _TRANSFER_ENCODING.findall(header_plus)]
        if codings and _CONTENT_LENGTH.search(header_plus):
            raise ParsingError("both Transfer-Encoding and Content-Length say how long the body is")
        if codings not in ([], [b"chunked"]):
            raise ParsingError("expected no Transfer-Encoding, or chunked")
        super().parse_header(header_plus)
        if self.version not in _VERSIONS:
            raise ParsingError(f"expected HTTP/1.1, got version {self.version or 'none'}")
        if codings and self.version == "1.0":
            raise ParsingError("HTTP/1.0 has no Transfer-Encoding")

    def is_late(self) -> bool:
        """Whether it should have come by now: a moment for its headers, and for its body as much as its size explains."""
        limits = self._server.limits
        allowed = limits.unfinished_s + self.body_bytes_received / limits.slowest_bytes_per_s
        return time.monotonic() - self._began > allowed

    def _bound_body(self) -> None:
        body, limits = self.body_rcv, self._server.limits
        size = self.content_length or len(body)
        if size > limits.body_bytes:
            if self.content_length and limits.judged_unread:
                self.unread = self.completed = True
                self.body_rcv = None
                self.headers["CONNECTION"] = "close"
            else:
                self._refuse(TooLarge(f"the body has {size:,} bytes or more, the limit is {limits.body_bytes:,}"))
        elif self.chunked and (len(body.control_line) > _CHUNK_LINE_BYTES or len(body.trailer) > _TRAILER_BYTES):
            self._refuse(InvalidRequest("chunked body: the line of a chunk's size or the trailer is too long"))
        elif size > max(self.held_bytes, _SMALL_BYTES):
            self._hold(size if self.content_length else 2 * size)  # so that growth is looked at now and then

    def _hold(self, held: int) -> None:
        if self._server.held_bytes() - self.held_bytes + held > self._server.limits.held_bytes:
            self._refuse(Overloaded("the bodies of other requests take all memory that there is for them"))
        else:
            self.held_bytes = held

    def _refuse(self, error: CosmoFormerError) -> None:
        self.error, self.completed = Refusal(error), True
