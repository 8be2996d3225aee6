"""One request as it comes in: what frames its body, and how large and how late it may be."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any

from waitress import utilities
from waitress.parser import HTTPRequestParser, ParsingError

from cosmoformer.errors import CosmoFormerError, InvalidRequest, Overloaded, TooLarge
from cosmoformer.http.chunks import ChunkedBody
from cosmoformer.http.problems import Refusal

if TYPE_CHECKING:
    from cosmoformer.http.server import HttpServer

# waitress's own expressions take minutes for a long line without a match; these come first and take no time.
_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Z]+ [^\x00-\x20\x7f]+ HTTP/1\.[01]")
_NO_HEADERS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r\n[ \t]|[ \t]{64}")
_HEADER = re.compile(rb"(?m)^([^:\r\n]+):[ \t]*(.*?)[ \t]*\r?$")
_SMALL_BYTES = 1 << 16  # bodies up to this size are not counted against those of all together


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress ships without types
    """Reads one request.

    Attributes:
        held_bytes: memory that its body takes, or will soon.
        unread: whether its body is left unread, since it is over the limit and the application wants to judge by the length.
    """

    completed: bool
    error: utilities.Error | None
    body_rcv: Any
    chunked: bool
    content_length: int
    body_bytes_received: int
    # What a request that cannot be read has of them.
    command = ""
    path = ""

    def __init__(self, adj: Any, server: HttpServer) -> None:
        super().__init__(adj)
        self._server = server
        self._began = time.monotonic()
        self.held_bytes = 0
        self.unread = False

    def received(self, data: bytes) -> int:
        """Take some bytes; how many of them belong to this request."""
        consumed = self._received(data)
        if self.completed:  # or the client is told to go on, and its body taken for another request
            self.expect_continue = False
        return consumed

    def _received(self, data: bytes) -> int:
        if not self.header_plus and self.body_rcv is None and data[:1] in (b" ", b"\t", b"\n", b"\x0b", b"\x0c"):
            self.refuse(InvalidRequest("the request line is malformed"))
            return len(data)
        try:
            consumed = int(super().received(data))
        except ValueError as error:  # numbers of thousands of digits, hosts that are none
            self.refuse(InvalidRequest(f"the request cannot be read: {error}"))
            return len(data)
        if self.body_rcv is not None and self.error is None:
            self._bound_body()
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers.

        Raises:
            ParsingError: they are malformed, or leave open where the body ends (RFC 9112, sections 3.2 and 6.3).
        """
        line, _, headers = header_plus.partition(b"\r\n")
        if not _LINE.fullmatch(line):
            raise ParsingError("the request line is malformed: expected a method, a target and HTTP/1.1")
        if _NO_HEADERS.search(b"\r\n" + headers):
            raise ParsingError("a header has control characters, long white space or a second line")
        self._check_framing(line.endswith(b"1"), _HEADER.findall(headers))
        super().parse_header(header_plus)
        connection = {word.strip().lower() for word in self.headers.get("CONNECTION", "").split(",")}
        for word in ("close", "keep-alive"):
            if word in connection:
                self.headers["CONNECTION"] = word
                break
        if self.chunked:
            self.body_rcv = ChunkedBody(self.body_rcv.getbuf())

    def _check_framing(self, is_1_1: bool, headers: list[tuple[bytes, bytes]]) -> None:
        values: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            values.setdefault(name.lower(), []).append(value)
        codings, hosts = values.get(b"transfer-encoding", []), values.get(b"host", [])
        if codings and b"content-length" in values:
            raise ParsingError("both Transfer-Encoding and Content-Length say how long the body is")
        if [coding.lower() for coding in codings] not in ([], [b"chunked"]):
            raise ParsingError("expected no Transfer-Encoding, or chunked")
        if codings and not is_1_1:
            raise ParsingError("HTTP/1.0 has no Transfer-Encoding")
        if len(hosts) > 1 or (is_1_1 and not hosts):
            raise ParsingError(f"expected one Host, got {len(hosts)}")

    def is_late(self) -> bool:
        """Whether it should have come by now: a moment for its headers, and for its body as much as its size explains."""
        return self._age_s() > self._server.limits.patience_s(self.body_bytes_received)

    def pace(self) -> float:
        """Bytes of its body a second, so far; within the first second nothing can be said."""
        return self.body_bytes_received / self._age_s() if self._age_s() > 1.0 else math.inf

    def _age_s(self) -> float:
        return time.monotonic() - self._began

    def _bound_body(self) -> None:
        body, limits = self.body_rcv, self._server.limits
        size = self.content_length or len(body)
        if size > limits.body_bytes:
            if self.content_length and limits.judged_unread:
                self.unread = self.completed = True
                self.body_rcv = None
                self.headers["CONNECTION"] = "close"
            else:
                self.refuse(TooLarge(f"the body has {size:,} bytes or more, the limit is {limits.body_bytes:,}"))
        elif (came := len(body)) > max(self.held_bytes, _SMALL_BYTES):  # what is announced may never come
            self._hold(min(2 * came, self.content_length or limits.body_bytes))

    def _hold(self, held: int) -> None:
        if self._server.make_room(held - self.held_bytes):
            self.held_bytes = held
        else:
            self.refuse(Overloaded("the bodies of other requests take all memory that there is for them"))

    def refuse(self, error: CosmoFormerError) -> None:
        """End it with an error instead of an answer of the application's; its body is given up."""
        self.held_bytes = 0
        self.error, self.completed = Refusal(error), True
