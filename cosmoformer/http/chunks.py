"""The chunked transfer coding (RFC 9112, section 7.1), to the letter: what one server lets pass another may read otherwise."""

from __future__ import annotations

import re
from typing import Any

from waitress.utilities import BadRequest

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_LINE_BYTES = 1024
_TRAILER_BYTES = 8192


class ChunkedBody:
    """Reads a chunked body into a buffer of waitress's; stands where waitress has its own ``ChunkedReceiver``.

    Attributes:
        completed: whether the body has ended, well or not.
        error: what is wrong with it.
    """

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self._line = b""
        self._take_line = self._take_size
        self._left = self._trailer = 0
        self.completed = False
        self.error: BadRequest | None = None

    def __len__(self) -> int:
        return len(self._buffer)

    def getbuf(self) -> Any:
        """The buffer."""
        return self._buffer

    def getfile(self) -> Any:
        """The body, as a file."""
        return self._buffer.getfile()

    def received(self, data: bytes) -> int:
        """Take some bytes; how many of them belong to this body."""
        taken = 0
        while taken < len(data) and not self.completed:
            if self._left:
                part = data[taken : taken + self._left]
                self._buffer.append(part)
                self._left -= len(part)
            else:
                end = data.find(b"\n", taken) + 1
                part = data[taken : end or len(data)]
                self._add_to_line(part, is_whole=bool(end))
            taken += len(part)
        return taken

    def _add_to_line(self, part: bytes, *, is_whole: bool) -> None:
        self._line += part
        if len(self._line) > _LINE_BYTES:
            self._refuse("a line of it is too long")
        elif is_whole and not self._line.endswith(b"\r\n"):
            self._refuse("lines end in CR and LF")
        elif is_whole:
            line, self._line = self._line[:-2], b""
            self._take_line(line)

    def _take_size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if not match:
            self._refuse(f"expected a chunk's size, got {line[:20]!r}")
            return
        self._left = int(match[1], 16)
        self._take_line = self._take_end if self._left else self._take_trailer

    def _take_end(self, line: bytes) -> None:
        if line:
            self._refuse("a chunk is longer than its size")
        self._take_line = self._take_size

    def _take_trailer(self, line: bytes) -> None:
        self._trailer += len(line)
        if self._trailer > _TRAILER_BYTES:
            self._refuse("the trailer is too long")
        self.completed |= not line

    def _refuse(self, reason: str) -> None:
        self.error, self.completed = BadRequest(f"chunked body: {reason}"), True
