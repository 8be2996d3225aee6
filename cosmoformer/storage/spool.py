"""Results on their way from the store to a table: kept in a compressed file, to be gone through as often as a table needs.

The columns of a table are known when its last result is, and a million results fit no memory. A spool beside the table's file
outlives an interruption: the same command goes on after the last result in it. It starts with :data:`MAGIC`, so that no file of
somebody else's is taken for one; then there is a row of blocks, each four bytes of length and that many of zlib's; the first says
what is collected, the others hold JSON lines. What a crash cut off is left out.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cosmoformer.errors import InvalidRequest, PermanentError
from cosmoformer.storage.results import Result

MAGIC = b"CosmoFormer spool 1\n"
_LENGTH = struct.Struct(">I")
_LINES = 500  # a block
_FAST = 1  # of zlib's levels


class Spool:
    """Results in a file, in the order in which they were added.

    Args:
        file: to read and write; what it holds is gone on with, if it was collected by the same words.
        words: what is collected: store, prefix and so on.
        name: of the file, for errors.

    Attributes:
        last: the result that was added last; None where there is none.
        discarded: whether it held what other words had collected, or nothing that can be read, and was begun anew.

    Raises:
        InvalidRequest: the file is no spool.
    """

    def __init__(self, file: IO[bytes], words: Mapping[str, Any], name: str = "the spool") -> None:
        self._file = file
        self._pending: list[bytes] = []
        self._count = 0
        self.last: Result | None = None
        self.discarded = False
        start = file.read(len(MAGIC))
        if not MAGIC.startswith(start):  # of a crash at its very beginning, less than all of it is there
            raise InvalidRequest(
                f"{name} is there and was not written by cosmoformer", "Move it away, or name another output"
            )
        if not self._go_on(dict(words)):
            self.discarded = os.fstat(file.fileno()).st_size > len(MAGIC)
            self._count, self.last = 0, None
            file.seek(0)
            file.truncate()
            file.write(MAGIC)
            self._write(json.dumps(dict(words)).encode())

    @classmethod
    def at(cls, path: Path, words: Mapping[str, Any]) -> Spool:
        """The spool in a file, which is made if there is none.

        Raises:
            InvalidRequest: the file there is no spool; it stays as it is.
            PermanentError: another process adds to it.
        """
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise PermanentError(f"another process writes {path}", "Wait for it, or name another file") from None
        try:
            return cls(file, words, str(path))
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            self.flush()

    def __len__(self) -> int:
        return self._count

    def add(self, results: Iterable[Result]) -> Iterator[int]:
        """Add results; yields how many there are after each. What was added stays when it ends early."""
        try:
            for result in results:
                self._pending.append(json.dumps(result).encode())
                self._count += 1
                self.last = result
                if len(self._pending) == _LINES:
                    self.flush()
                yield self._count
        finally:
            self.flush()

    def flush(self) -> None:
        """Write what was added to the file."""
        if self._pending:
            self._write(b"\n".join(self._pending))
            self._pending.clear()

    def __iter__(self) -> Iterator[Result]:
        self.flush()
        blocks = self._blocks()
        next(blocks)
        for block in blocks:
            yield from map(json.loads, block.split(b"\n"))

    def _write(self, content: bytes) -> None:
        packed = zlib.compress(content, _FAST)
        self._file.seek(0, os.SEEK_END)
        self._file.write(_LENGTH.pack(len(packed)) + packed)
        self._file.flush()

    def _blocks(self) -> Iterator[bytes]:
        """Every block that is whole; the file ends there afterwards."""
        place = len(MAGIC)
        while True:
            self._file.seek(place)
            length = self._file.read(_LENGTH.size)
            packed = self._file.read(*_LENGTH.unpack(length)) if len(length) == _LENGTH.size else b""
            try:
                content = zlib.decompress(packed)
            except zlib.error:  # the end, or what a crash left of a block
                break
            place += _LENGTH.size + len(packed)
            yield content
        if os.fstat(self._file.fileno()).st_size > place:
            self._file.truncate(place)

    def _go_on(self, words: dict[str, Any]) -> bool:
        """Whether the file holds a spool of the same words."""
        blocks = self._blocks()
        try:
            if json.loads(next(blocks, b"null")) != words:
                return False
            for block in blocks:
                lines = block.split(b"\n")
                self._count += len(lines)
                self.last = json.loads(lines[-1])
        except ValueError:
            return False
        return True
