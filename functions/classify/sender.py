"""Whether the client of a request is still connected."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_connection: ContextVar[socket.socket | None] = ContextVar("connection", default=None)


@contextmanager
def at(connection: socket.socket | None) -> Iterator[None]:
    """While a request is handled: it came over this connection; None where the server does not tell."""
    token = _connection.set(connection)
    try:
        yield
    finally:
        _connection.reset(token)


def is_gone() -> bool:
    """Whether the sender of the present request has closed its connection."""
    connection = _connection.get()
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False  # open, and silent
    except OSError:
        return True
