"""HTTP byte by byte: what no client library would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

_WAIT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """An answer as it came: everything until the server closed, or one answer's length."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """Its problem details."""
        assert self.headers["content-type"] == "application/problem+json", self
        members: dict[str, Any] = json.loads(self.body)
        return members


def connect(port: int) -> socket.socket:
    """A connection to a server of this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=_WAIT_S)


def ask(port: int, request: bytes) -> Answer:
    """Send bytes on a connection of their own, and read the answer."""
    with connect(port) as connection:
        connection.sendall(request)
        return read(connection)


def read(connection: socket.socket) -> Answer:
    """Read one answer."""
    with connection.makefile("rb") as stream:
        return read_from(stream)


def read_from(stream: BinaryIO) -> Answer:
    """Read one of several answers."""
    status = int(stream.readline().split()[1])
    headers: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Answer(status, headers, stream.read(int(headers.get("content-length", "0"))))


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection, after whatever it still sends."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


@contextmanager
def crowd(port: int, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent the beginning of a request, and nothing since."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(port)) for _ in range(count)]
        for connection in connections:
            connection.sendall(sent)
        yield connections
